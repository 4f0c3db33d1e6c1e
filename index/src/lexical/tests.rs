use std::collections::HashMap;

use paper::{Author, Paper, PaperId, SourceName};
use proptest::prelude::*;

use super::*;
use crate::filter::{Conditions, Facets};
use crate::syntax::Typed;
use crate::{Filter, Passage, PassageId, split};

fn id(number: usize) -> PaperId {
    PaperId::derive(&format!("lexical:{number}"))
}

fn paper(title: &str, text: &str) -> Paper {
    let mut paper = Paper::new(title, SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
    paper.abstract_text = Some(text.to_owned());
    paper
}

fn change(papers: Vec<(PaperId, Option<Paper>)>) -> Change {
    let ids = papers.iter().map(|(id, _)| *id).collect();
    let document = |(id, paper): (PaperId, Option<Paper>)| {
        let paper = paper?;
        let (facets, passages, pieces) = (Facets::of(&paper), split(id, &paper), Vec::new());
        Some(Document { revision: 1, facets, passages, pieces, paper, text_revision: 1 })
    };
    Change { papers: ids, documents: papers.into_iter().filter_map(document).collect() }
}

/// An index of papers with these titles and abstracts, numbered from 0.
fn index(papers: &[(&str, &str)]) -> (tempfile::TempDir, LexicalIndex) {
    let dir = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(dir.path()).unwrap();
    let papers = papers.iter().enumerate().map(|(n, (title, text))| (id(n), Some(paper(title, text))));
    index.write(&change(papers.collect()), 7).unwrap();
    (dir, index)
}

/// The numbers of the papers found, best first.
fn found(index: &LexicalIndex, query: &str) -> Vec<usize> {
    found_with(index, query, &Conditions::default())
}

fn words(text: &str) -> QueryWords {
    QueryWords::of(&Typed::parse(text))
}

fn found_with(index: &LexicalIndex, query: &str, conditions: &Conditions) -> Vec<usize> {
    let hits = index.snapshot().search(&words(query), conditions, 100).unwrap();
    hits.iter().map(|(hit, _)| (0..100).find(|n| id(*n) == hit.paper).unwrap()).collect()
}

const PAPERS: [(&str, &str); 4] = [
    ("Graph neural networks", "We classify nodes of citation graphs. The networks generalise."),
    ("A theory of the firm", "Why do firms exist? Transaction costs explain their boundaries."),
    ("Schrödinger operators", "Spectra of Schrödinger operators on graphs are studied."),
    ("On networking costs", "The cost of neural circuits is measured in mice."),
];

#[test]
fn words_match_by_their_stem_and_rarer_ones_count_more() {
    let (_dir, index) = index(&PAPERS);
    assert_eq!(found(&index, "firm"), [1]);
    assert_eq!(found(&index, "SCHRODINGER's operator"), [2]);
    assert_eq!(found(&index, "classifying graph nodes")[0], 0);
    assert_eq!(found(&index, "costs of mice")[0], 3);
    assert_eq!(found(&index, "the of and"), [] as [usize; 0]);
    assert_eq!(found(&index, "unicorns"), [] as [usize; 0]);
}

#[test]
fn phrases_in_quotes_must_occur_in_title_or_text() {
    let (_dir, index) = index(&PAPERS);
    assert_eq!(found(&index, "neural \"transaction costs\""), [1]);
    assert_eq!(found(&index, "\"graph neural networks\" mice"), [0]);
    assert_eq!(found(&index, "\"theory of the firm\""), [1]);
    assert_eq!(found(&index, "\"networks graph\""), [] as [usize; 0]);
    assert_eq!(found(&index, "\"graphs\" \"spectra\" cost"), [2]);
}

#[test]
fn query_syntax_of_others_is_plain_text() {
    let (_dir, index) = index(&PAPERS);
    for query in ["title:firm", "+firm -graphs", "firm AND (", "firm^2~", "firm*", "{firm TO x]", "\\firm\""] {
        assert!(found(&index, query).contains(&1), "{query}");
    }
}

#[test]
fn a_huge_query_is_answered_by_its_first_words() {
    let (_dir, index) = index(&PAPERS);
    let huge = format!("mice {}", "nonsense firm ".repeat(50_000));
    assert_eq!(found(&index, &huge), [1, 3]);
}

#[test]
fn filters_agree_with_the_conditions_they_are_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(dir.path()).unwrap();
    let shelf = crate::dense::suite::shelf();
    let papers = shelf.iter().enumerate().map(|(n, paper)| (id(n), Some(paper.clone())));
    index.write(&change(papers.collect()), 1).unwrap();
    for conditions in crate::dense::suite::conditions() {
        let mut hits = found_with(&index, "title", &conditions);
        hits.sort_unstable();
        let expected: Vec<usize> = (0..shelf.len()).filter(|n| conditions.hold(&Facets::of(&shelf[*n]))).collect();
        assert_eq!(hits, expected, "{conditions:?}");
    }
}

#[test]
fn a_filter_does_not_change_scores() {
    let (_dir, index) = index(&PAPERS);
    let words = words("neural cost");
    let conditions = Conditions::of(&Filter { sources: vec![SourceName::Arxiv], ..Filter::default() });
    let plain = index.snapshot().search(&words, &Conditions::default(), 10).unwrap();
    assert_eq!(index.snapshot().search(&words, &conditions, 10).unwrap(), plain);
}

#[test]
fn weighing_single_passages_gives_the_bm25_that_searching_gives() {
    let (_dir, index) = index(&PAPERS);
    // A second segment, and a deleted passage.
    let more = [(id(4), Some(paper("Costs", "Neural networks of graph costs."))), (id(0), None)];
    index.write(&change(more.into()), 8).unwrap();
    let snapshot = index.snapshot();
    let all = [0, 1, 2, 3, 4].map(|n| PassageId::derive(id(n), 0));
    let located = snapshot.locate(&all).unwrap();
    assert_eq!(located.len(), 4, "the deleted one is not found");
    for query in
        ["neural network costs", "graphs", "\"neural networks\" graph cost", "neural -graphs", "firm the of", ""]
    {
        let words = words(query);
        let searched = snapshot.search(&words, &Conditions::default(), 10).unwrap();
        let searched: HashMap<PassageId, f32> = searched.into_iter().map(|(at, score)| (at.passage, score)).collect();
        let mut wanted = snapshot.demanded(&words, &Conditions::default(), located.clone()).unwrap();
        wanted.reverse();
        let worth = snapshot.weigh(&words, &wanted).unwrap();
        assert_eq!(worth.len(), wanted.len());
        for (at, worth) in wanted.iter().zip(worth) {
            let score = searched.get(&at.passage).copied().unwrap_or_default();
            assert!((worth.bm25 - score).abs() < 1e-4, "{query}: {worth:?} {score}");
        }
    }
}

/// Two papers of one word in the title and three in all, and one of three words and five: `(1 + n / (mu df / all)) mu /
/// (mu + length)` of each word in title and text, with an exponent of 1/4 for the title alone.
#[test]
fn a_passage_is_worth_how_likely_it_makes_the_query() {
    let papers = [("Cats", "Cats sleep"), ("Dogs", "Cats guard"), ("Many brown dogs", "Bark loudly")];
    let (_dir, index) = index(&papers);
    let snapshot = index.snapshot();
    let located = snapshot.locate(&[0, 1, 2].map(|n| PassageId::derive(id(n), 0))).unwrap();
    let worth = snapshot.weigh(&words("cats unheard"), &located).unwrap();
    // 11 words in title and text, 2 of 3 passages with cats; 5 in titles, 1 with cats.
    let body = |often: f32, length: f32| (1.0 + often / (300.0 * 2.0 / 11.0)) * 300.0 / (300.0 + length);
    let title = |often: f32, length: f32| (1.0 + often / (10.0 / 5.0)) * 10.0 / (10.0 + length);
    let expected = [(2.0, 3.0, 1.0, 1.0), (1.0, 3.0, 0.0, 1.0), (0.0, 5.0, 0.0, 3.0)];
    for (worth, (often, length, in_title, title_length)) in worth.iter().zip(expected) {
        let likelihood = f32::ln(body(often, length)) + 0.25 * f32::ln(title(in_title, title_length));
        assert!((worth.likelihood - likelihood).abs() < 1e-5, "{worth:?} {likelihood}");
    }
}

#[test]
fn writing_a_paper_again_replaces_its_passages() {
    let (_dir, index) = index(&PAPERS);
    let long = "A sentence about unicorns. ".repeat(150);
    index.write(&change(vec![(id(1), Some(paper("Unicorns", &long)))]), 9).unwrap();
    let snapshot = index.snapshot();
    let passages = snapshot.passages_of(id(1)).unwrap();
    assert_eq!(passages, split(id(1), &paper("Unicorns", &long)));
    assert!(passages.len() > 1);
    assert_eq!(snapshot.papers().unwrap(), 4);
    assert_eq!(snapshot.passages(), 3 + passages.len());
    assert_eq!(found(&index, "firm"), [] as [usize; 0]);
    index.write(&change(vec![(id(1), None)]), 10).unwrap();
    assert_eq!(index.snapshot().passages_of(id(1)).unwrap(), [] as [Passage; 0]);
    assert_eq!(snapshot.passages_of(id(1)).unwrap(), passages, "a snapshot does not change");
}

#[test]
fn the_watermark_is_committed_with_the_passages() {
    let (dir, index) = index(&PAPERS);
    assert_eq!(index.watermark().unwrap(), 7);
    drop(index);
    let index = LexicalIndex::open(dir.path()).unwrap();
    assert_eq!(index.watermark().unwrap(), 7);
    assert_eq!(found(&index, "firm"), [1]);
    index.clear().unwrap();
    assert_eq!((index.watermark().unwrap(), index.snapshot().passages()), (0, 0));
}

#[test]
fn merging_changes_nothing_but_the_number_of_segments() {
    let (_dir, index) = index(&PAPERS);
    for n in 0..5 {
        index.write(&change(vec![(id(10 + n), Some(paper("More", "Of firms.")))]), 20).unwrap();
    }
    let before = found(&index, "firm");
    index.merge().unwrap();
    index.merge().unwrap();
    assert_eq!(index.index.searchable_segment_ids().unwrap().len(), 1);
    assert_eq!(found(&index, "firm"), before);
    assert_eq!(index.watermark().unwrap(), 20);
    index.write(&change(vec![(id(1), None)]), 21).unwrap();
    assert_eq!(found(&index, "firm").len(), before.len() - 1);
}

#[test]
fn a_second_writer_is_told_that_it_is_in_use_and_readers_are_not() {
    let (dir, _index) = index(&PAPERS);
    let second = LexicalIndex::open(dir.path()).unwrap();
    assert_eq!(found(&second, "firm"), [1]);
    let error = second.write(&Change::default(), 9).unwrap_err();
    assert!(matches!(error, IndexError::Busy { .. }), "{error}");
}

#[test]
fn a_damaged_folder_is_an_error_with_a_remedy() {
    for damage in ["meta.json", "store", "term"] {
        let (dir, index) = index(&PAPERS);
        drop(index);
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let path = file.unwrap().path();
            if path.to_string_lossy().ends_with(damage) {
                std::fs::write(path, "damaged").unwrap();
            }
        }
        let error = LexicalIndex::open(dir.path()).err().unwrap_or_else(|| panic!("{damage} was not noticed"));
        assert!(matches!(error, IndexError::Corrupt { .. }), "{damage}: {error}");
        assert!(error.to_string().contains("lectern reindex"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn texts_come_back_character_for_character(texts in prop::collection::vec("\\PC{1,80}", 1..5)) {
        let papers: Vec<(&str, &str)> = texts.iter().map(|text| ("T", text.as_str())).collect();
        let (_dir, index) = index(&papers);
        for (n, text) in texts.iter().enumerate() {
            let passages = index.snapshot().passages_of(id(n)).unwrap();
            prop_assert_eq!(passages, split(id(n), &paper("T", text)));
        }
    }
}

#[test]
fn many_authors_do_not_hinder() {
    let mut crowd = paper("Crowd", "Collaboration.");
    crowd.authors = (0..3_000).map(|n| Author::named(format!("Given{n} Middle Family{n}"))).collect();
    let dir = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(dir.path()).unwrap();
    index.write(&change(vec![(id(0), Some(crowd))]), 1).unwrap();
    let filter = Filter { authors: vec!["Family2999".into()], ..Filter::default() };
    assert_eq!(found_with(&index, "crowd", &Conditions::of(&filter)), [0]);
}
