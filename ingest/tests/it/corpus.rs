//! The `import` format on real corpora.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;
use ingest::jsonl::{Reader, parse_line};
use paper::Paper;
use serde_json::Value;

use crate::shared::{at, seen};

/// What the rejected lines of a reader say, and the papers.
fn sorted(lines: impl BufRead) -> (Vec<Paper>, BTreeMap<String, usize>) {
    let (mut papers, mut reasons) = (Vec::new(), BTreeMap::new());
    for record in Reader::new(lines, seen()) {
        match record.unwrap() {
            Ok(paper) => papers.push(paper),
            Err(rejected) => *reasons.entry(rejected.reason).or_default() += 1,
        }
    }
    (papers, reasons)
}

fn corpus() -> Option<BufReader<GzDecoder<File>>> {
    at("corpus/papers-100k.jsonl.gz").map(|path| BufReader::new(GzDecoder::new(File::open(path).unwrap())))
}

/// The words of a text: what collapsing it must not change.
fn words(value: &Value) -> Vec<&str> {
    value.as_str().map(|text| text.split_whitespace().collect()).unwrap_or_default()
}

#[test]
fn the_first_two_thousand_papers_lose_nothing() {
    let Some(corpus) = corpus() else { return };
    for (place, line) in corpus.lines().take(2_000).enumerate() {
        let line = line.unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        let paper = parse_line(&line, place + 1, seen()).unwrap().unwrap();
        assert_eq!(words(&value["title"]), paper.title.split(' ').collect::<Vec<_>>(), "{line}");
        assert_eq!(
            words(&value["abstract"]),
            paper.abstract_text.as_deref().unwrap_or("").split_whitespace().collect::<Vec<_>>()
        );
        assert_eq!(value["authors"].as_array().map(Vec::len), Some(paper.authors.len()), "{line}");
        assert_eq!(value["year"].as_i64(), paper.year.map(i64::from), "{line}");
        assert_eq!(value["id"].as_str(), paper.ids.local.as_deref(), "{line}");
        assert_eq!(value["arxiv_id"].is_string(), paper.ids.arxiv.is_some(), "{line}");
        assert_eq!(value["venue"].as_str(), paper.venue.as_deref(), "{line}");
    }
}

#[test]
fn odd_records_are_all_taken_in_with_their_withdrawals() {
    let Some(path) = at("corpus/odd_records.jsonl") else { return };
    let (papers, reasons) = sorted(BufReader::new(File::open(&path).unwrap()));
    assert_eq!((papers.len(), reasons), (904, BTreeMap::new()));
    let (mut found, mut missed, mut extra) = (0, 0, 0);
    for (line, paper) in std::fs::read_to_string(path).unwrap().lines().zip(&papers) {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(words(&value["title"]), paper.title.split(' ').collect::<Vec<_>>());
        let flagged = value["flags"].as_array().unwrap().iter().any(|flag| flag == "withdrawn");
        found += usize::from(flagged && paper.withdrawn);
        missed += usize::from(flagged && !paper.withdrawn);
        extra += usize::from(!flagged && paper.withdrawn);
    }
    // The flag is given for the mere word: of the ones missed, twelve speak of something else.
    // The extra one is its author's "I have to retract my manuscript".
    assert_eq!((found, missed, extra), (384, 16, 1));
}

#[test]
fn all_hundred_thousand_papers_are_taken_in() {
    let Some(corpus) = corpus() else { return };
    let (papers, reasons) = sorted(corpus);
    assert_eq!((papers.len(), reasons), (100_000, BTreeMap::new()));
    let count = |has: fn(&Paper) -> bool| papers.iter().filter(|paper| has(paper)).count();
    let (dois, arxiv) = (count(|paper| paper.ids.doi.is_some()), count(|paper| paper.ids.arxiv.is_some()));
    assert_eq!((dois, arxiv, count(|paper| paper.withdrawn)), (17_148, 42_172, 148));
}
