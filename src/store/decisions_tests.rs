use paper::{PaperRef, SourceName};

use super::*;
use crate::store::tests::{arxiv, at, counts, reference, scholar, store};

async fn id_of(store: &Store, text: &str) -> PaperId {
    store.paper(&reference(text)).await.unwrap().unwrap().id.unwrap()
}

fn name(text: &str) -> RecordName {
    text.parse().unwrap()
}

async fn papers(store: &Store) -> u64 {
    store.counts().await.unwrap().papers
}

#[tokio::test]
async fn papers_are_joined_stay_so_whatever_is_read_again_and_are_themselves_again_when_it_is_undone() {
    let (_folder, store) = store().await;
    let (one, other) = (arxiv("1706.03762", 1, "Attention"), scholar(7, "Transformers"));
    store.upsert(&[one.clone(), other.clone()]).await.unwrap();
    let (a, b) = (id_of(&store, "arXiv:1706.03762").await, id_of(&store, "CorpusId:7").await);
    let before = (store.paper(&PaperRef::Library(a)).await.unwrap(), store.paper(&PaperRef::Library(b)).await.unwrap());

    let joined = store.join(&[b, a, b], at(100)).await.unwrap();
    let sides = vec![vec![name("arxiv/arxiv:1706.03762"), name("semantic-scholar/corpus:7")]];
    assert_eq!(joined, Decided { id: 1, sides, decided_at: at(100), undone_at: None, papers: vec![a] });
    let whole = store.paper(&PaperRef::Library(b)).await.unwrap().unwrap();
    assert_eq!((whole.id, whole.title.as_str(), whole.venue.as_deref()), (Some(a), "Attention", Some("NeurIPS")));
    assert_eq!(store.upsert(&[one.clone(), other.clone()]).await.unwrap(), counts(0, 0, 2));
    assert_eq!(store.upsert(&[arxiv("1706.03762", 2, "Attention, revised")]).await.unwrap(), counts(0, 1, 0));
    assert_eq!(papers(&store).await, 1);
    let again = store.join(&[a, a], at(101)).await.unwrap_err();
    assert_eq!(again.to_string(), "these are one paper already");
    store.upsert(&[scholar(8, "Something else")]).await.unwrap();

    let undone = store.undo(1, at(200)).await.unwrap();
    assert_eq!((undone.undone_at, undone.papers), (Some(at(200)), vec![a, b]));
    let (first, second) =
        (store.paper(&PaperRef::Library(a)).await.unwrap(), store.paper(&PaperRef::Library(b)).await.unwrap());
    assert_eq!((first.unwrap().title.as_str(), second), ("Attention, revised", before.1));
    assert!(matches!(store.undo(1, at(201)).await, Err(StoreError::NoDecision { id: 1 })));
    let history: Vec<_> = store.decisions(None, 9).await.unwrap().into_iter().map(|d| (d.id, d.undone_at)).collect();
    assert_eq!(history, [(1, Some(at(200)))]);
    let index: Vec<_> =
        store.changes_since(4, 9).await.unwrap().into_iter().map(|c| (c.id, c.paper.is_some())).collect();
    assert!(index.contains(&(a, true)) && index.contains(&(b, true)), "the index learns of both: {index:?}");
}

#[tokio::test]
async fn a_record_that_is_separated_stays_apart_whatever_it_says_until_that_is_undone() {
    let (_folder, store) = store().await;
    let mut linked = scholar(7, "Another paper");
    linked.ids.arxiv = Some("1706.03762".parse().unwrap());
    store.upsert(&[arxiv("1706.03762", 1, "Attention"), linked.clone()]).await.unwrap();
    assert_eq!(papers(&store).await, 1);
    let whole = id_of(&store, "CorpusId:7").await;
    let separated = store.separate(whole, &[name("semantic-scholar/corpus:7")], at(100)).await.unwrap();
    assert_eq!((separated.id, separated.papers.len(), separated.papers[0]), (1, 2, whole));
    let apart = id_of(&store, "CorpusId:7").await;
    assert_eq!(separated.papers[1], apart);
    assert_eq!(store.paper(&PaperRef::Library(whole)).await.unwrap().unwrap().venue, None);
    linked.citation_count = Some(5);
    linked.sources[0].seen = at(150);
    assert_eq!(store.upsert(&[linked]).await.unwrap(), counts(0, 1, 0));
    assert_eq!((papers(&store).await, id_of(&store, "CorpusId:7").await), (2, apart));

    let stranger = store.separate(whole, &[name("import/local:9")], at(101)).await.unwrap_err().to_string();
    assert_eq!(stranger, format!("`import/local:9` is no record of {whole}; its records are `arxiv/arxiv:1706.03762`"));
    let all = store.separate(whole, &[name("arxiv/arxiv:1706.03762")], at(102)).await.unwrap_err().to_string();
    assert_eq!(all, format!("name some of the records of {whole}, not all of them; the others stay"));

    assert_eq!(store.undo(1, at(200)).await.unwrap().papers, [whole]);
    assert_eq!((papers(&store).await, id_of(&store, "CorpusId:7").await), (1, whole));
    assert_eq!(store.separate(whole, &[name("arxiv/arxiv:1706.03762")], at(300)).await.unwrap().papers, [whole, apart]);
}

#[tokio::test]
async fn of_two_decisions_the_newer_holds_and_the_older_comes_back_when_that_is_undone() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention"), scholar(7, "Transformers")]).await.unwrap();
    let (a, b) = (id_of(&store, "arXiv:1706.03762").await, id_of(&store, "CorpusId:7").await);
    store.join(&[a, b], at(1)).await.unwrap();
    assert_eq!(store.separate(a, &[name("semantic-scholar/corpus:7")], at(2)).await.unwrap().papers, [a, b]);
    assert_eq!(store.undo(2, at(3)).await.unwrap().papers, [a]);
    assert_eq!(store.decisions(Some(2), 5).await.unwrap().len(), 1);
    assert_eq!(store.decisions(None, 1).await.unwrap()[0].id, 2);
    let missing = store.join(&[a, PaperId::derive("nowhere")], at(4)).await.unwrap_err().to_string();
    assert_eq!(missing, format!("there is no paper {}", PaperId::derive("nowhere")));
    assert_eq!(store.decisions(None, 9).await.unwrap().len(), 2, "nothing is kept of what failed");
}

#[tokio::test]
async fn a_paper_tells_its_records_what_joined_them_and_who_says_what() {
    let (_folder, store) = store().await;
    let mut linked = scholar(7, "Attention is all you need");
    linked.ids.arxiv = Some("1706.03762".parse().unwrap());
    let mut line = scholar(8, "Transformers");
    line.sources[0].name = SourceName::Import;
    store.upsert(&[linked.clone(), line.clone()]).await.unwrap();
    let (whole, other) = (id_of(&store, "CorpusId:7").await, id_of(&store, "CorpusId:8").await);
    store.join(&[whole, other], at(9)).await.unwrap();
    store.upsert(&[arxiv("1706.03762", 1, "Attention")]).await.unwrap();
    let told = store.provenance(whole).await.unwrap().unwrap();
    let joined: Vec<_> =
        told.records.iter().map(|told| (told.name.to_string(), told.joined_by.as_deref(), told.seen)).collect();
    let expected = [
        ("semantic-scholar/corpus:7".to_owned(), None, at(20)),
        ("import/corpus:8".to_owned(), Some("decision 1"), at(20)),
        ("arxiv/arxiv:1706.03762".to_owned(), Some("arxiv:1706.03762"), at(10)),
    ];
    assert_eq!(joined, expected);
    assert_eq!(told.records[0].says, linked);
    assert_eq!(told.fields["title"], [name("arxiv/arxiv:1706.03762")]);
    assert_eq!(told.fields["venue"], [name("semantic-scholar/corpus:7"), name("import/corpus:8")]);
    assert_eq!(store.provenance(other).await.unwrap(), None, "it has become part of the other");
}
