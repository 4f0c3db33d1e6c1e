//! How fast abstracts become searchable by their words: `cargo bench -p index --bench lexical`.
//!
//! One measured step writes and commits all of them into an empty index without a model. Beside it stands the floor: what
//! tantivy alone takes for one field of the same words, with its own English analyzer, on all cores, in one commit, and
//! with nothing that a passage could be found or shown by. Real abstracts are read from
//! `../shared/corpus` (or `LECTERN_SHARED`); without it, papers of the same length are made up from a word list.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use index::{HybridIndex, IndexSettings, IndexedPaper};
use paper::{Paper, PaperId, SourceName};
use tantivy::doc;
use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing, TextOptions};

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
    for (batch, papers) in papers.chunks(index.batch()).enumerate() {
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

fn text_of(paper: &Paper) -> String {
    format!("{}. {}", paper.title, paper.abstract_text.as_deref().unwrap_or_default())
}

fn write_words(texts: &[String]) {
    let words = TextFieldIndexing::default().set_tokenizer("en_stem");
    let words = words.set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let mut schema = Schema::builder();
    let body = schema.add_text_field("body", TextOptions::default().set_indexing_options(words));
    let dir = tempfile::tempdir().unwrap();
    let index = tantivy::Index::create_in_dir(dir.path(), schema.build()).unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();
    let mut writer: tantivy::IndexWriter = index.writer_with_num_threads(cores, 64 * 1024 * 1024 * cores).unwrap();
    for text in texts {
        writer.add_document(doc!(body => text.as_str())).unwrap();
    }
    writer.commit().unwrap();
    writer.wait_merging_threads().unwrap();
}

fn lexical(criterion: &mut Criterion) {
    let papers = corpus();
    let mut group = criterion.benchmark_group("lexical");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(20))
        .throughput(Throughput::Elements(papers.len() as u64));
    group.bench_function("write and commit", |bencher| bencher.iter(|| write(&papers)));
    let texts: Vec<String> = papers.iter().map(text_of).collect();
    group.bench_function("tantivy alone", |bencher| bencher.iter(|| write_words(&texts)));
    group.finish();
}

criterion_group!(benches, lexical);
criterion_main!(benches);
