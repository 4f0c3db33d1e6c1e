//! Where the time of a search goes: `cargo bench --bench search`.
//!
//! The steps are asked the same kind of queries, runs of words of the papers' own titles, of which hardly any comes twice:
//! the query's embedding alone, each arm, both arms put together, and the same with the papers read from the store. It
//! is what `lectern bench` measures, without HTTP.
//!
//! Asked is the library in `LECTERN_BENCH_HOME`; where that is not set, one of the first papers of `../shared/corpus` (or
//! `LECTERN_SHARED`) that is made for it, which takes a minute or two; without these, the sample library.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use index::{Mode, SearchQuery};
use lectern::app::{App, load_embedder};
use lectern::clock::Clock;
use lectern::config::{Config, Environment};
use lectern::eval::queries_of;
use lectern::store::{RunNotes, When};
use lectern::telemetry::trace::{Trace, within};
use tokio::runtime::Runtime;

const PAPERS: usize = 5_000;
const TITLES: usize = 20_000;
/// Searches with a trace and without.
const PAIRS: usize = 2_000;

fn lectern(home: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
    assert!(command.arg("--home").arg(home).args(arguments).status().unwrap().success());
}

/// Makes a library in an empty folder.
fn fill(home: &Path) {
    let shared = std::env::var("LECTERN_SHARED").map_or_else(|_| PathBuf::from("../shared"), PathBuf::from);
    let Ok(corpus) = std::fs::File::open(shared.join("corpus/papers-100k.jsonl.gz")) else {
        lectern(home, &["sync", "arxiv", "--from-file", "samples/arxiv.xml"]);
        return;
    };
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(corpus)).lines().take(PAPERS);
    let file = home.join("papers.jsonl");
    std::fs::write(&file, lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")).unwrap();
    lectern(home, &["import", file.to_str().unwrap()]);
}

fn titles(runtime: &Runtime, app: &App) -> Vec<String> {
    let newest = runtime.block_on(app.library.store.changes_since(0, TITLES)).unwrap();
    newest.into_iter().filter_map(|change| Some(change.paper?.title)).collect()
}

fn steps(criterion: &mut Criterion) {
    let made = tempfile::tempdir().unwrap();
    let home = std::env::var_os("LECTERN_BENCH_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        fill(made.path());
        made.path().to_owned()
    });
    let runtime = Runtime::new().unwrap();
    let config = Config::load(Some(&home), None, &Environment::default(), &[]).unwrap();
    let embedder = load_embedder(&config).unwrap();
    let app = runtime.block_on(App::open(config, Clock::system())).unwrap();
    let queries = queries_of(&titles(&runtime, &app));
    let mut asked = queries.iter().cycle();
    let mut next = || asked.next().unwrap().clone();
    let mut group = criterion.benchmark_group("search");
    group.measurement_time(Duration::from_secs(8));
    group.bench_function("embedding", |bench| bench.iter(|| black_box(embedder.embed_query(&next()).unwrap())));
    let index = app.library.index();
    for mode in [Mode::Lexical, Mode::Dense, Mode::Hybrid] {
        let mut search = || index.search(SearchQuery { mode, ..SearchQuery::new(next()) });
        group.bench_function(mode.to_string(), |bench| {
            bench.iter(|| black_box(runtime.block_on(search()).unwrap()));
        });
    }
    group.bench_function("with papers", |bench| {
        bench.iter(|| black_box(runtime.block_on(app.library.search(SearchQuery::new(next()))).unwrap()));
    });
    group.finish();
    cost_of_tracing(&runtime, &app, next);
}

/// What tracing costs: the same queries with a trace and without, in turns, so that whatever else the machine does falls on both; and
/// beside that what it takes to keep the spans of a search in the transaction that its run ends with.
fn cost_of_tracing(runtime: &Runtime, app: &App, mut next: impl FnMut() -> String) {
    let search = |query: String| async { black_box(app.library.search(SearchQuery::new(query)).await.unwrap()) };
    let (mut apart, mut plain) = ([Vec::new(), Vec::new()], Vec::new());
    let mut spans = Vec::new();
    for round in 0..PAIRS {
        let query = next();
        let mut took = [0.0; 2];
        // Whoever comes second finds the query's parts in the caches, which counts for more than tracing: each order has its own median.
        for traced in [round % 2 == 0, round % 2 == 1] {
            let began = Instant::now();
            if traced {
                let trace = Trace::new(Clock::system(), 0, false);
                runtime.block_on(trace.root("retrieve", within("retrieval library", search(query.clone()))));
                spans =
                    trace.ended_from(0).iter().map(|span| (span.id, serde_json::to_string(span).unwrap())).collect();
            } else {
                runtime.block_on(search(query.clone()));
            }
            took[usize::from(traced)] = began.elapsed().as_secs_f64() * 1e6;
        }
        apart[round % 2].push(took[1] - took[0]);
        plain.push(took[0]);
    }
    let store = &app.library.store;
    let kept = |spans: Vec<(u64, String)>| {
        let id = Clock::system().new_id().to_string();
        runtime.block_on(store.begin_answer(&id, "{}", None, When::Followed, Clock::system().now())).unwrap();
        let notes = RunNotes { spans, ..RunNotes::default() };
        let began = Instant::now();
        runtime.block_on(store.note_answer(&id, &notes)).unwrap();
        began.elapsed().as_secs_f64() * 1e6
    };
    let many: Vec<(u64, String)> = (0..100).map(|n| (n, spans[0].1.clone())).collect();
    let keeping = (0..200).map(|_| (kept(many.clone()) - kept(Vec::new())) / 100.0 * spans.len() as f64).collect();
    let noting = apart.map(median).iter().sum::<f64>() / 2.0;
    let (keeping, search) = (median(keeping), median(plain));
    println!(
        "tracing a search of {search:.0} us ({PAIRS} pairs, {} spans): noting {noting:.1} us, keeping {keeping:.1} us, {:.2} % in all",
        spans.len(),
        100.0 * (noting + keeping) / search
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

criterion_group!(benches, steps);
criterion_main!(benches);
