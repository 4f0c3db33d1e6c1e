//! How fast bodies of arXiv's are read, in bytes and in records.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::path::{Path, PathBuf};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use ingest::arxiv;
use jiff::Timestamp;

/// Records in a body: the most that arXiv gives on a page.
const RECORDS: usize = 2_000;

/// The folder with recordings of real exchanges, where there is one.
#[allow(clippy::disallowed_methods)] // A measurement may look where its data lie.
fn recordings(folder: &str) -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("LECTERN_SHARED").map_or(beside, PathBuf::from);
    let mut found = Vec::new();
    let mut folders = vec![shared.join("api").join(folder)];
    while let Some(entries) = folders.pop().map(std::fs::read_dir) {
        for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The records of a folder's recordings as they stand, from tag to tag.
fn recorded(folder: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let mut records = Vec::new();
    for file in recordings(folder) {
        let body = std::fs::read_to_string(file).unwrap_or_default();
        let ends = body.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
        records.extend(ends.map(|(inside, _)| format!("{open}{inside}{close}")));
    }
    records.retain(|record| !record.contains("/api/errors"));
    records
}

/// A body of 2,000 records with ids of their own, made of those that were recorded, else of one in their shape.
fn body(recorded: &[String], sample: &str, (head, tail): (&str, &str)) -> String {
    let sample = [sample.to_owned()];
    let records = if recorded.is_empty() { &sample } else { recorded };
    let numbered = (0..RECORDS).map(|number| {
        let record = &records[number % records.len()];
        let (before, rest) = record.split_once("<id>").unwrap_or((record, ""));
        let rest = rest.split_once("</id>").map_or("", |(_, rest)| rest);
        format!("{before}<id>http://arxiv.org/abs/2101.{number:05}v1</id>{rest}")
    });
    format!("{head}{}{tail}", numbered.collect::<String>())
}

fn atom() -> String {
    let summary = "We study how papers are read by machines, and find that most of the time goes into copying text that \
                   nobody changes. A reader that borrows what it can and copies what it must is several times faster. ";
    let sample = format!(
        "<entry>\n    <id></id>\n    <title>Reading Papers without Copying Them</title>\n    \
         <updated>2021-01-02T10:00:00Z</updated>\n    <link href=\"https://arxiv.org/abs/2101.00001v1\" rel=\"alternate\" \
         type=\"text/html\"/>\n    <link href=\"https://arxiv.org/pdf/2101.00001v1\" rel=\"related\" \
         type=\"application/pdf\" title=\"pdf\"/>\n    <summary>{}</summary>\n    <category term=\"cs.DL\" \
         scheme=\"http://arxiv.org/schemas/atom\"/>\n    <published>2021-01-01T10:00:00Z</published>\n    \
         <arxiv:comment>12 pages, 3 figures</arxiv:comment>\n    <arxiv:primary_category term=\"cs.DL\"/>\n    \
         <author>\n      <name>Ada Lovelace</name>\n    </author>\n    <author>\n      <name>Alan Turing</name>\n    \
         </author>\n  </entry>",
        summary.repeat(6)
    );
    let head = "<?xml version='1.0' encoding='UTF-8'?>\n<feed xmlns:arxiv=\"http://arxiv.org/schemas/atom\" \
                xmlns=\"http://www.w3.org/2005/Atom\">";
    body(&recorded("arxiv", "entry"), &sample, (head, "</feed>"))
}

fn oai() -> String {
    let summary = "We study how papers are read by machines, and find that most of the time goes into copying text. ";
    let sample = format!(
        "<record><header><identifier>oai:arXiv.org:2101.00001</identifier></header><metadata><arXiv><id></id>\
         <created>2021-01-01</created><authors><author><keyname>Lovelace</keyname><forenames>Ada</forenames></author>\
         </authors><title>Reading Papers without Copying Them</title><categories>cs.DL cs.IR</categories>\
         <comments>12 pages</comments><abstract>{}</abstract></arXiv></metadata></record>",
        summary.repeat(12)
    );
    let head = "<?xml version='1.0' encoding='UTF-8'?>\n<OAI-PMH><ListRecords>";
    body(&recorded("arxiv_oai", "record"), &sample, (head, "</ListRecords></OAI-PMH>"))
}

/// What it takes to give the papers back to memory is not counted.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, body: &str) {
    let read = || arxiv::parse(body.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
    let papers = read().papers.len() as u64;
    assert_eq!(papers, RECORDS as u64, "every record of the body is a paper");
    for (unit, throughput) in
        [("bytes", Throughput::Bytes(body.len() as u64)), ("papers", Throughput::Elements(papers))]
    {
        group.throughput(throughput);
        group.bench_function(format!("{name}/{unit}"), |bencher| bencher.iter_with_large_drop(read));
    }
}

// Semantic Scholar's JSON is measured in `scholar.rs`.
fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.sample_size(20);
    measure(&mut group, "atom", &atom());
    measure(&mut group, "oai", &oai());
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
