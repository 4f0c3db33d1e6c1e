//! Invariants of every format over real odd records: hundreds of authors, LaTeX titles, tiny abstracts.

use std::collections::HashSet;
use std::path::PathBuf;

use paper::Paper;
use serde_json::{Value, json};

use super::latex::balances;
use super::{Format, export};

/// The papers of the shared corpus, or none, saying so.
fn odd_papers() -> Option<Vec<Paper>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let file = option_env!("LECTERN_SHARED").map_or(beside, PathBuf::from).join("corpus/odd_records.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("SKIPPED: {} is missing", file.display());
        return None;
    };
    Some(text.lines().map(|line| odd_paper(&serde_json::from_str(line).unwrap())).collect())
}

fn odd_paper(record: &Value) -> Paper {
    let authors: Vec<Value> =
        record["authors"].as_array().unwrap().iter().map(|name| json!({ "name": name })).collect();
    let withdrawn = record["flags"].as_array().unwrap().contains(&json!("withdrawn"));
    let mut paper = json!({
        "title": record["title"], "abstract": record["abstract"], "authors": authors, "year": record["year"],
        "primary_category": record["primary_category"], "comment": record["comments"], "withdrawn": withdrawn,
        "ids": {"arxiv": record["arxiv_id"]},
    });
    if let Some(doi) = record["doi"].as_str().filter(|doi| doi.parse::<paper::Doi>().is_ok()) {
        paper["ids"]["doi"] = json!(doi);
    }
    if record["created"].as_str().is_some_and(|date| date.parse::<paper::PublicationDate>().is_ok()) {
        paper["published"] = record["created"].clone();
    }
    serde_json::from_value(paper).unwrap()
}

#[test]
fn every_bibtex_field_of_the_odd_records_is_balanced() {
    let Some(papers) = odd_papers() else { return };
    let text = export(&papers.iter().collect::<Vec<_>>(), Format::Bibtex);
    let fields: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(fields.len() > papers.len() * 5);
    for field in fields {
        let (name, value) = field.trim_end_matches(',').split_once(" = ").unwrap();
        let inner = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        assert!(if name == "month" { value.len() == 3 } else { balances(inner.unwrap()) }, "{field}");
    }
    let keys: HashSet<&str> = text.lines().filter(|line| line.starts_with('@')).collect();
    assert_eq!(keys.len(), papers.len());
    assert_eq!(text.matches("\n}\n").count(), papers.len());
}

#[test]
fn every_ris_line_of_the_odd_records_has_a_tag() {
    let Some(papers) = odd_papers() else { return };
    let text = export(&papers.iter().collect::<Vec<_>>(), Format::Ris);
    let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    for line in &lines {
        let tag = line.as_bytes();
        assert!(tag[0].is_ascii_uppercase() && (tag[1].is_ascii_uppercase() || tag[1].is_ascii_digit()), "{line}");
        assert_eq!(&tag[2..6], b"  - ", "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
    let count = |tag: &str| lines.iter().filter(|line| line.starts_with(tag)).count();
    assert_eq!((count("TY  - "), count("ER  - "), count("TI  - ")), (papers.len(), papers.len(), papers.len()));
    let authors: usize = papers.iter().map(|p| p.authors.iter().filter(|a| a.name.trim() != ":").count()).sum();
    assert_eq!(count("AU  - "), authors);
}

#[test]
fn every_csl_item_of_the_odd_records_has_what_the_schema_asks_for() {
    let Some(papers) = odd_papers() else { return };
    let text = export(&papers.iter().collect::<Vec<_>>(), Format::CslJson);
    let items: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(items.len(), papers.len());
    let ids: HashSet<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), items.len());
    items.iter().for_each(assert_schema);
}

fn assert_schema(item: &Value) {
    const STRINGS: [&str; 14] = [
        "id",
        "type",
        "title",
        "container-title",
        "publisher",
        "number",
        "DOI",
        "URL",
        "PMID",
        "PMCID",
        "abstract",
        "status",
        "note",
        "citation-key",
    ];
    const NAME_PARTS: [&str; 5] = ["family", "given", "non-dropping-particle", "suffix", "literal"];
    for (name, value) in item.as_object().unwrap() {
        match name.as_str() {
            "author" => {
                for author in value.as_array().unwrap() {
                    let parts = author.as_object().unwrap();
                    assert!(parts.iter().all(|(part, text)| NAME_PARTS.contains(&part.as_str()) && text.is_string()));
                    assert!(parts.contains_key("family") != parts.contains_key("literal"), "{author}");
                }
            }
            "issued" => {
                let dates = value["date-parts"].as_array().unwrap();
                let parts = dates[0].as_array().unwrap();
                assert!(
                    dates.len() == 1 && (1..=3).contains(&parts.len()) && parts.iter().all(Value::is_i64),
                    "{value}"
                );
            }
            other => assert!(STRINGS.contains(&other) && value.as_str().is_some_and(|text| !text.is_empty()), "{item}"),
        }
    }
    let kind = item["type"].as_str().unwrap();
    assert!(["article", "article-journal", "paper-conference", "document"].contains(&kind), "{item}");
}
