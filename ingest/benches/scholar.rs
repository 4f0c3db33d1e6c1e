//! How fast an answer of Semantic Scholar's becomes papers: a page of 1,000 with every field that is asked for, made
//! from the recorded papers, or from one of our own where they are not here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ingest::semantic_scholar::parse_body;
use serde_json::{Value, json};

const PAPERS: usize = 1_000;

/// The recorded answers about single papers, which were asked for with all fields.
#[allow(clippy::disallowed_methods)] // A measurement may look where its data lie.
fn recorded() -> Vec<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("LECTERN_SHARED").map_or(beside, PathBuf::from);
    let Ok(folder) = std::fs::read_dir(shared.join("api/semantic_scholar/Future-House+paper-qa")) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let bodies = files.iter().filter_map(|file| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).ok());
    let papers = bodies.map(|body| body["data"].as_array().and_then(|list| list.first().cloned()).unwrap_or(body));
    papers.filter(|paper| paper["externalIds"].is_object() && paper["authors"].is_array()).collect()
}

/// A paper as the service writes it, with an abstract of the usual length.
fn made(number: usize) -> Value {
    let sentence = "We measure how fast a record of a paper is read, and say what was measured. ";
    json!({
        "paperId": format!("{number:040x}"), "corpusId": number,
        "externalIds": {"DOI": format!("10.1000/{number}"), "ArXiv": format!("2104.{number:05}"), "CorpusId": number, "DBLP": "journals/x/y"},
        "url": format!("https://www.semanticscholar.org/paper/{number:040x}"), "title": format!("On measuring, part {number}"),
        "abstract": sentence.repeat(15), "venue": "Journal of Measures", "year": 2021, "citationCount": number,
        "openAccessPdf": {"url": "https://example.org/a.pdf", "status": "GREEN"}, "fieldsOfStudy": ["Computer Science"],
        "s2FieldsOfStudy": [{"category": "Computer Science", "source": "external"}], "publicationDate": "2021-04-25",
        "journal": {"name": "Journal of Measures", "volume": "7"},
        "authors": (0..5).map(|n| json!({"authorId": format!("{n}"), "name": format!("Author Number{n}")})).collect::<Vec<_>>(),
    })
}

/// The abstracts of the recorded papers were not kept, so each gets one of the usual length.
fn page() -> Vec<u8> {
    let recorded = recorded();
    if recorded.is_empty() {
        eprintln!("the recordings are not here: measuring on papers of our own");
    }
    let paper = |number: usize| match recorded.get(number % recorded.len().max(1)) {
        Some(paper) => {
            let mut paper = paper.clone();
            if paper["abstract"].is_null() {
                paper["abstract"] = made(number)["abstract"].clone();
            }
            paper
        }
        None => made(number),
    };
    let papers: Vec<Value> = (0..PAPERS).map(paper).collect();
    json!({"total": PAPERS, "offset": 0, "data": papers}).to_string().into_bytes()
}

fn parsing(criterion: &mut Criterion) {
    let body = page();
    let seen = jiff::Timestamp::UNIX_EPOCH;
    assert_eq!(parse_body(&body, seen).unwrap().papers.len(), PAPERS);
    let mut group = criterion.benchmark_group("semantic_scholar");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("parse_body", |bencher| bencher.iter(|| parse_body(black_box(&body), seen)));
    group.throughput(Throughput::Elements(PAPERS as u64));
    group.bench_function("parse_body, papers", |bencher| bencher.iter(|| parse_body(black_box(&body), seen)));
    group.finish();
}

criterion_group!(benches, parsing);
criterion_main!(benches);
