use std::collections::BTreeSet;

use paper::{Author, Paper, SourceName, merge, record_key};
use proptest::prelude::*;

use crate::store::tests::{arxiv, at, counts, reference, scholar, store};
use crate::store::{Store, StoreError};

/// A line of a file: its own id and its title.
fn line(local: &str, title: &str) -> Paper {
    let mut paper = Paper::new(title, SourceName::Import, at(1));
    paper.ids.local = Some(local.to_owned());
    paper
}

fn with_doi(mut paper: Paper, doi: &str) -> Paper {
    paper.ids.doi = Some(doi.parse().unwrap());
    paper
}

/// A record of one work of one author, with or without a DOI.
fn alike(doi: Option<&str>) -> Paper {
    let source = if doi.is_some() { SourceName::SemanticScholar } else { SourceName::Import };
    let mut paper = Paper::new("Introduction", source, at(1));
    paper.year = Some(2015);
    paper.authors = vec![Author::named("Ada Lovelace")];
    paper.ids.doi = doi.map(|doi| doi.parse().unwrap());
    paper
}

/// What each paper's records are, as `title/doi/abstract`.
async fn library(store: &Store) -> BTreeSet<BTreeSet<String>> {
    let mut library = BTreeSet::new();
    for change in store.changes_since(0, 100).await.unwrap() {
        let Some(paper) = change.paper else { continue };
        let records = store.records(paper.id.unwrap()).await.unwrap().into_iter();
        let told = |record: Paper| {
            let doi = record.ids.doi.map(|doi| doi.to_string()).unwrap_or_default();
            format!("{}/{doi}/{}", record.title, record.abstract_text.unwrap_or_default())
        };
        library.insert(records.map(told).collect());
    }
    library
}

fn expected(papers: &[&[&str]]) -> BTreeSet<BTreeSet<String>> {
    papers.iter().map(|records| records.iter().map(|record| (*record).to_owned()).collect()).collect()
}

#[tokio::test]
async fn a_paper_that_is_found_by_several_identifiers_at_once_is_one_owner() {
    let (_folder, store) = store().await;
    let cited = |count: u64, seen: i64| {
        let mut paper = scholar(1, "Attention");
        paper.ids.semantic_scholar = Some("204e3073870fae3d05bcbc2f6a8e263d9b72e776".parse().unwrap());
        paper.ids.arxiv = Some("1706.03762".parse().unwrap());
        paper.citation_count = Some(count);
        paper.sources[0].seen = at(seen);
        paper
    };
    assert_eq!(store.upsert(&[cited(5, 1)]).await.unwrap(), counts(1, 0, 0));
    assert_eq!(store.upsert(&[cited(6, 2)]).await.unwrap(), counts(0, 1, 0));
    let found = store.paper(&reference("CorpusId:1")).await.unwrap().unwrap();
    assert_eq!((found.citation_count, store.counts().await.unwrap().papers), (Some(6), 1));
}

#[tokio::test]
async fn files_that_number_their_lines_alike_keep_all_their_lines() {
    let (_folder, store) = store().await;
    let (one, other) = ([line("1", "Cats"), line("2", "Dogs")], [line("1", "Stars"), line("2", "Planets")]);
    assert_eq!(store.upsert(&one).await.unwrap(), counts(2, 0, 0));
    assert_eq!(store.upsert(&other).await.unwrap(), counts(2, 0, 0));
    assert_eq!(store.upsert(&[one, other].concat()).await.unwrap(), counts(0, 0, 4));
    let mut corrected = line("1", "Cats.");
    corrected.abstract_text = Some("They sleep.".into());
    corrected.sources[0].seen = at(2);
    assert_eq!(store.upsert(&[corrected]).await.unwrap(), counts(0, 1, 0), "the same line again");
    let all = expected(&[&["Cats.//They sleep."], &["Dogs//"], &["Stars//"], &["Planets//"]]);
    assert_eq!(library(&store).await, all);
}

/// Two lines that are one paper, by their title, year and author, take no turns when their file is read again.
#[tokio::test]
async fn lines_that_are_one_paper_are_unchanged_when_they_are_read_again() {
    let (_folder, store) = store().await;
    let lines = |seen: i64| {
        ["b", "a"].map(|number| {
            let mut line = line(number, "Introduction");
            line.year = Some(2015);
            line.authors = vec![Author::named("Ada Lovelace")];
            line.venue = Some(format!("Venue {number}"));
            line.sources[0].seen = at(seen);
            line
        })
    };
    assert_eq!(store.upsert(&lines(1)).await.unwrap(), counts(1, 1, 0));
    assert_eq!(store.upsert(&lines(2)).await.unwrap(), counts(0, 0, 2));
}

#[tokio::test]
async fn lines_of_one_number_and_title_with_different_dois_are_two_papers() {
    let (_folder, store) = store().await;
    let lines = [with_doi(line("1", "Introduction"), "10.1000/a"), with_doi(line("1", "Introduction"), "10.1000/b")];
    assert_eq!(store.upsert(&lines).await.unwrap(), counts(2, 0, 0));
    assert_eq!(store.upsert(&lines).await.unwrap(), counts(0, 0, 2));
    let all = expected(&[&["Introduction/10.1000/a/"], &["Introduction/10.1000/b/"]]);
    assert_eq!(library(&store).await, all);
}

#[tokio::test]
async fn a_line_with_an_arxiv_id_may_correct_its_title() {
    let (_folder, store) = store().await;
    let told = |title: &str, seen: i64| {
        let mut paper = line("1", title);
        paper.ids.arxiv = Some("1706.03762".parse().unwrap());
        paper.sources[0].seen = at(seen);
        paper
    };
    store.upsert(&[told("Attention is all", 1)]).await.unwrap();
    assert_eq!(store.upsert(&[told("Attention is all you need", 2)]).await.unwrap(), counts(0, 1, 0));
    let paper = store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap();
    assert_eq!(paper.title, "Attention is all you need");
    assert_eq!(store.records(paper.id.unwrap()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_corrected_title_joins_by_the_doi() {
    let (_folder, store) = store().await;
    store.upsert(&[with_doi(line("1", "Catz"), "10.1000/a")]).await.unwrap();
    let corrected = with_doi(line("1", "Cats"), "10.1000/a");
    assert_eq!(store.upsert(&[corrected]).await.unwrap(), counts(0, 1, 0));
    assert_eq!(library(&store).await, expected(&[&["Catz/10.1000/a/", "Cats/10.1000/a/"]]));
}

#[tokio::test]
async fn an_identifier_of_several_papers_is_said_to_be_one() {
    let (_folder, store) = store().await;
    store.upsert(&[line("1", "Cats"), line("1", "Stars")]).await.unwrap();
    let error = store.paper(&reference("local:1")).await.unwrap_err();
    let StoreError::Ambiguous { key, papers } = &error else { panic!("{error:?}") };
    let titles: Vec<&str> = papers.iter().map(|(_, title)| title.as_str()).collect();
    assert_eq!((key.as_str(), &titles[..]), ("local:1", &["Cats", "Stars"][..]));
    let (cats, stars) = (papers[0].0, papers[1].0);
    let said = format!("2 papers have the id `local:1`; name one by its own id: {cats} (“Cats”), {stars} (“Stars”)");
    assert_eq!(error.to_string(), said);
    let by_own_id = store.paper(&paper::PaperRef::Library(stars)).await.unwrap().unwrap();
    assert_eq!(by_own_id.title, "Stars");
}

#[tokio::test]
async fn papers_that_became_one_are_one_under_the_identifier_they_share() {
    let (_folder, store) = store().await;
    let book = "10.1007/978-3-031-19836-6";
    let (one, mut other) = (arxiv("1706.00001", 1, "One"), scholar(7, "Another"));
    other.ids.pmid = Some("12".parse().unwrap());
    store.upsert(&[with_doi(one.clone(), book), with_doi(other.clone(), "10.1000/b")]).await.unwrap();
    other.ids.arxiv = one.ids.arxiv.clone();
    store.upsert(&[with_doi(other, book)]).await.unwrap();
    let paper = store.paper(&reference(book)).await.unwrap().unwrap();
    assert_eq!(store.paper(&reference("PMID:12")).await.unwrap().unwrap(), paper);
    assert_eq!(store.counts().await.unwrap().papers, 1);
}

#[tokio::test]
async fn a_record_of_a_whole_book_joins_none_of_its_chapters_and_is_not_joined_later() {
    let (_folder, store) = store().await;
    let doi = "10.1007/978-3-031-19836-6";
    let chapters = [with_doi(line("a", "Saliency"), doi), with_doi(line("b", "Masking"), doi)];
    let (book, chapter) = (with_doi(scholar(1, "ECCV 2022"), doi), with_doi(scholar(2, "Masking."), doi));
    store.upsert(&chapters).await.unwrap();
    assert_eq!(store.upsert(std::slice::from_ref(&book)).await.unwrap(), counts(1, 0, 0));
    assert_eq!(
        store.upsert(std::slice::from_ref(&chapter)).await.unwrap(),
        counts(0, 1, 0),
        "its title tells which it is"
    );
    assert_eq!(store.upsert(&[&chapters[..], &[book, chapter]].concat()).await.unwrap(), counts(0, 0, 4));
}

#[tokio::test]
async fn a_different_pubmed_id_keeps_works_of_one_title_apart() {
    let (_folder, store) = store().await;
    let with_pmid = |mut paper: Paper, pmid: &str| {
        paper.ids.pmid = Some(pmid.parse().unwrap());
        paper
    };
    let records = [with_pmid(scholar(7, "Editorial"), "12"), with_pmid(arxiv("1706.00001", 1, "Editorial"), "13")];
    assert_eq!(store.upsert(&records).await.unwrap(), counts(2, 0, 0));
}

/// Whatever the order and the batches: where it is doubtful to which of two works a record belongs, it stays apart.
#[tokio::test]
async fn a_record_without_identifiers_joins_neither_of_two_alike_whenever_it_comes() {
    let records = [alike(Some("10.1000/a")), alike(Some("10.1000/b")), alike(None)];
    let papers = expected(&[&["Introduction/10.1000/a/"], &["Introduction/10.1000/b/"], &["Introduction//"]]);
    for order in [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
        let (_folder, store) = store().await;
        for place in order {
            store.upsert(&[records[place].clone()]).await.unwrap();
        }
        assert_eq!(library(&store).await, papers, "{order:?}");
        let all = order.map(|place| records[place].clone());
        assert_eq!(store.upsert(&all).await.unwrap(), counts(0, 0, 3), "{order:?}");
        assert_eq!(library(&store).await, papers, "{order:?}");
    }
}

#[tokio::test]
async fn an_id_comes_back_when_its_paper_turns_out_not_to_be_another_one() {
    let (_folder, store) = store().await;
    let (one, bare) = (alike(Some("10.1000/a")), alike(None));
    store.upsert(std::slice::from_ref(&bare)).await.unwrap();
    let id = store.changes_since(0, 10).await.unwrap()[0].id;
    store.upsert(std::slice::from_ref(&one)).await.unwrap();
    assert_eq!(library(&store).await, expected(&[&["Introduction//", "Introduction/10.1000/a/"]]));
    assert_eq!(store.paper(&reference("10.1000/a")).await.unwrap().unwrap().id, Some(id), "the oldest record's id");
    store.upsert(&[alike(Some("10.1000/b"))]).await.unwrap();
    let alone = store.paper(&paper::PaperRef::Library(id)).await.unwrap().unwrap();
    assert_eq!((alone.id, alone.ids.doi), (Some(id), None));
    assert_eq!(store.counts().await.unwrap().papers, 3);
}

#[tokio::test]
async fn a_title_that_too_many_share_joins_nothing_in_whatever_batches_they_come() {
    let notes: Vec<Paper> = (0..205)
        .map(|number| {
            let mut note = alike(None);
            note.abstract_text = Some(format!("Note {number}."));
            note
        })
        .collect();
    for size in [205, 50, 1] {
        let (_folder, store) = store().await;
        for batch in notes.chunks(size) {
            store.upsert(batch).await.unwrap();
        }
        assert_eq!(store.counts().await.unwrap().papers, 205, "in batches of {size}");
    }
}

/// A record that shares much with others, and no identifier that only one work has.
fn doubtful() -> impl Strategy<Value = Paper> {
    let one_of = |values: &'static [&'static str]| prop::option::of(prop::sample::select(values));
    let dois = one_of(&["10.1000/a", "10.1000/b"]);
    (any::<bool>(), any::<bool>(), one_of(&["1", "2"]), dois, one_of(&["12", "13"]), 0i64..2).prop_map(
        |(imported, titled, local, doi, pmid, seen)| {
            let source = if imported { SourceName::Import } else { SourceName::SemanticScholar };
            let title = if titled { "Introduction" } else { "Outlook" };
            let mut paper = Paper { title: title.into(), ..alike(doi) };
            paper.sources = Paper::new("", source, at(seen)).sources;
            paper.ids.local = local.filter(|_| imported).map(str::to_owned);
            paper.ids.pmid = pmid.map(|pmid| pmid.parse().unwrap());
            paper
        },
    )
}

/// Every stored record, by the paper that it belongs to, and which is made of them.
async fn stored(store: &Store) -> Vec<Vec<Paper>> {
    let mut papers = Vec::new();
    for change in store.changes_since(0, 100).await.unwrap() {
        if let Some(paper) = change.paper {
            let records = store.records(paper.id.unwrap()).await.unwrap();
            assert_eq!(Some(&paper), merge(&records).map(|merged| Paper { id: paper.id, ..merged }).as_ref());
            papers.push(records);
        }
    }
    papers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_comes_in_doubt_is_kept_stays_apart_and_is_the_same_when_read_again(records in prop::collection::vec(doubtful(), 1..8)) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (_folder, store) = store().await;
            for record in &records {
                store.upsert(std::slice::from_ref(record)).await.unwrap();
            }
            let papers = stored(&store).await;
            for record in &records {
                let state = |stored: &&Paper| stored.source() == record.source() && record_key(stored) == record_key(record);
                prop_assert!(papers.iter().flatten().find(state).is_some(), "lost: {record:?}");
            }
            for paper in &papers {
                let dois: BTreeSet<_> = paper.iter().filter_map(|record| record.ids.doi.as_ref().map(ToString::to_string)).collect();
                let pmids: BTreeSet<_> = paper.iter().filter_map(|record| record.ids.pmid.as_ref().map(ToString::to_string)).collect();
                prop_assert!(dois.len() <= 1 && pmids.len() <= 1, "joined: {paper:?}");
            }
            for record in papers.iter().flatten() {
                prop_assert_eq!(store.upsert(std::slice::from_ref(record)).await.unwrap(), counts(0, 0, 1));
            }
            prop_assert_eq!(stored(&store).await, papers);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_record_stays_with_the_paper_that_it_was_looked_up_for_until_it_names_another() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention")]).await.unwrap();
    let mut found = scholar(7, "Transformers");
    found.year = Some(2019);
    let link = Some("arxiv:1706.03762".to_owned());
    assert_eq!(store.upsert_found(&[(found.clone(), link.clone())]).await.unwrap(), counts(0, 1, 0));
    let venue = || async { store.paper(&reference("arXiv:1706.03762")).await.unwrap().unwrap().venue };
    assert_eq!(venue().await.as_deref(), Some("NeurIPS"));
    assert_eq!(store.upsert_found(&[(found.clone(), link)]).await.unwrap(), counts(0, 0, 1));
    found.citation_count = Some(5);
    found.sources[0].seen = at(50);
    assert_eq!(store.upsert(&[found.clone()]).await.unwrap(), counts(0, 1, 0), "it is read another way");
    assert_eq!(venue().await.as_deref(), Some("NeurIPS"));
    found.ids.arxiv = Some("1706.00001".parse().unwrap());
    found.sources[0].seen = at(60);
    store.upsert(&[found]).await.unwrap();
    assert_eq!((venue().await, store.counts().await.unwrap().papers), (None, 2));
}

#[tokio::test]
async fn a_record_that_is_there_is_joined_when_it_is_looked_up_for_a_paper() {
    let (_folder, store) = store().await;
    store.upsert(&[arxiv("1706.03762", 1, "Attention"), scholar(7, "Transformers")]).await.unwrap();
    let link = Some("arxiv:1706.03762".to_owned());
    assert_eq!(store.upsert_found(&[(scholar(7, "Transformers"), link)]).await.unwrap(), counts(0, 1, 0));
    assert_eq!(store.counts().await.unwrap().papers, 1);
}
