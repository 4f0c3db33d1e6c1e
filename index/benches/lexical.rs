//! How fast abstracts become searchable by their words: `cargo bench -p index --bench lexical`.
//!
//! One measured step writes and commits all of them into an empty index without a model. Real abstracts are read from
//! `../shared/corpus` (or `LECTERN_SHARED`); without it, papers of the same length are made up from a word list.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use index::{HybridIndex, IndexSettings, IndexedPaper};
use paper::{Paper, PaperId, SourceName};

const PAPERS: usize = 20_000;

fn corpus() -> Vec<Paper> {
    let shared = std::env::var("LECTERN_SHARED").map_or_else(|_| PathBuf::from("../../shared"), PathBuf::from);
    let file = shared.join("corpus/papers-100k.jsonl.gz");
    let Ok(file) = std::fs::File::open(&file) else {
        println!("no {}: papers are made up", file.display());
        return (0..PAPERS).map(made_up).collect();
    };
    let text = std::io::read_to_string(flate2::read::MultiGzDecoder::new(file)).unwrap();
    let papers: Vec<Paper> = text
        .lines()
        .filter_map(|line| {
            let fields: serde_json::Value = serde_json::from_str(line).ok()?;
            let text = fields["abstract"].as_str().filter(|text| !text.is_empty())?;
            Some(paper(fields["title"].as_str()?, text))
        })
        .take(PAPERS)
        .collect();
    println!("{} abstracts of {}", papers.len(), shared.display());
    papers
}

fn paper(title: &str, text: &str) -> Paper {
    let mut paper = Paper::new(title, SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
    paper.abstract_text = Some(text.to_owned());
    paper
}

fn made_up(number: usize) -> Paper {
    let word = |n: usize| format!("word{} ", (number * 31 + n * n * 17) % (50 + n * 40));
    paper(&format!("Paper {number}"), &(0..180).map(word).collect::<String>())
}

fn write(papers: &[Paper]) {
    let dir = tempfile::tempdir().unwrap();
    let index = HybridIndex::open(IndexSettings { dir: dir.path().to_owned() }, None, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (batch, papers) in papers.chunks(5_000).enumerate() {
        let indexed = papers.iter().enumerate().map(|(n, paper)| IndexedPaper {
            id: PaperId::derive(&format!("bench:{batch}:{n}")),
            revision: 1,
            paper: Some(paper.clone()),
            text_revision: 1,
        });
        runtime.block_on(index.write(indexed.collect(), batch as u64 + 1)).unwrap();
    }
    assert_eq!(runtime.block_on(index.stats()).unwrap().papers, papers.len());
}

fn lexical(criterion: &mut Criterion) {
    let papers = corpus();
    let mut group = criterion.benchmark_group("lexical");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(20))
        .throughput(Throughput::Elements(papers.len() as u64));
    group.bench_function("write and commit", |bencher| bencher.iter(|| write(&papers)));
    group.finish();
}

criterion_group!(benches, lexical);
criterion_main!(benches);
