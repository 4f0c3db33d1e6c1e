//! Records that the store takes in a second: new ones, and ones that it has already.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ingest::jsonl::Reader;
use lectern::store::Store;
use paper::{Author, Paper, PaperId, SourceName};

const RECORDS: usize = 20_000;
/// As many as an import stores at once.
const BATCH: usize = 2_000;

/// The first papers of the shared corpus; invented ones of their size where it is missing.
fn records() -> Vec<Paper> {
    let seen = jiff::Timestamp::UNIX_EPOCH;
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("LECTERN_SHARED").map_or(beside, PathBuf::from);
    let Ok(file) = std::fs::File::open(shared.join("corpus/papers-100k.jsonl.gz")) else {
        println!("the shared corpus is missing: measuring with generated papers");
        return (0..RECORDS).map(generated).collect();
    };
    let lines: Box<dyn BufRead + Send> = Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file)));
    Reader::new(lines, seen).filter_map(|line| line.ok()?.ok()).take(RECORDS).collect()
}

fn generated(number: usize) -> Paper {
    let mut paper =
        Paper::new(format!("On the {number}th of many things"), SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
    paper.ids.local = Some(number.to_string());
    paper.abstract_text = Some("A sentence of some length that says little. ".repeat(28));
    paper.year = Some(2020);
    paper.authors = (0..4).map(|n| Author::named(format!("Name Surname{}", number % 997 + n))).collect();
    paper
}

async fn take_in(store: &Store, records: &[Paper]) {
    for batch in records.chunks(BATCH) {
        black_box(store.upsert(batch).await.unwrap());
    }
}

fn upserts(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let records = records();
    let mut group = criterion.benchmark_group("store");
    group
        .throughput(Throughput::Elements(records.len() as u64))
        .sample_size(10)
        .measurement_time(Duration::from_secs(20));
    let empty = || {
        let folder = tempfile::tempdir().unwrap();
        let store = runtime.block_on(Store::open(&folder.path().join("library.db"))).unwrap();
        (folder, store)
    };
    group.bench_function("new", |bench| {
        bench.iter_batched(
            empty,
            |(folder, store)| {
                runtime.block_on(take_in(&store, &records));
                (folder, store)
            },
            BatchSize::PerIteration,
        );
    });
    let (_folder, full) = empty();
    runtime.block_on(take_in(&full, &records));
    let mut again = records.clone();
    let mut read = 0;
    group.bench_function("unchanged", |bench| {
        bench.iter(|| {
            read += 1;
            for sighting in again.iter_mut().flat_map(|record| &mut record.sources) {
                sighting.seen = jiff::Timestamp::from_second(read).unwrap();
            }
            runtime.block_on(take_in(&full, &again));
        });
    });
    group.finish();
}

/// The papers of a page of hits.
fn page(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = runtime.block_on(Store::open(&folder.path().join("library.db"))).unwrap();
    runtime.block_on(take_in(&store, &records()));
    let mut ids: Vec<PaperId> = Vec::new();
    let mut changes = runtime.block_on(store.changes_since(0, RECORDS)).unwrap();
    // Hits are spread over the file.
    changes.sort_by_key(|change| change.id.to_string());
    ids.extend(changes.iter().map(|change| change.id));
    let mut pages = ids.chunks_exact(10).cycle();
    criterion.bench_function("store/page", |bench| {
        bench.iter(|| black_box(runtime.block_on(store.papers(pages.next().unwrap())).unwrap()));
    });
}

criterion_group!(benches, page, upserts);
criterion_main!(benches);
