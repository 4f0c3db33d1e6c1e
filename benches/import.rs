//! A whole import against the embedding ceiling: `cargo bench --bench import -- 3000` (papers; 3,000 when not given).
//!
//! The ceiling is what the same model does with the same texts when nothing else runs, measured before and after the
//! import, since machines are noisy; the import is the command's own, from file to searchable. It prints one table.
//! Real abstracts are read from `../shared/corpus`; the bench needs them and the model that `make setup` installs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use lectern::app::load_embedder;
use lectern::config::{Config, Environment};
use paper::PaperId;

fn lines(papers: usize) -> Vec<String> {
    let shared = std::env::var("LECTERN_SHARED").map_or_else(|_| PathBuf::from("../shared"), PathBuf::from);
    let file = std::fs::File::open(shared.join("corpus/papers-100k.jsonl.gz")).unwrap();
    BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines().take(papers).map(Result::unwrap).collect()
}

fn texts(lines: &[String]) -> Vec<String> {
    let seen = jiff::Timestamp::UNIX_EPOCH;
    let papers = lines.iter().filter_map(|line| ingest::jsonl::parse_line(line, 1, seen).ok().flatten());
    let mut texts = Vec::new();
    for paper in papers {
        let passages = index::split(PaperId::derive("bench"), &paper);
        texts.extend(passages.iter().map(|passage| index::embedded_text(&paper, passage)));
    }
    texts
}

fn import(home: &Path, file: &Path) -> serde_json::Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
    let ran = command.arg("--home").arg(home).args(["--json", "import"]).arg(file).output().unwrap();
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)))
}

fn main() {
    let papers = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3_000);
    let lines = lines(papers);
    let texts = texts(&lines);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("papers.jsonl");
    std::fs::File::create(&file).unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let config = Config::load(Some(home.path()), None, &Environment::default(), &[]).unwrap();
    let embedder = load_embedder(&config).unwrap();
    // Loads all of its sessions.
    embedder.embed_passages(&texts[..texts.len().min(64)]).unwrap();
    let ceiling = || {
        let began = Instant::now();
        embedder.embed_passages(&texts).unwrap();
        began.elapsed().as_secs_f64()
    };
    let before = ceiling();
    let report = import(home.path(), &file);
    let after = ceiling();
    let again = import(home.path(), &file);
    let seconds = report["seconds"].as_f64().unwrap();
    let floor = before.midpoint(after);
    println!("papers                          {papers:>8}");
    println!("passages                        {:>8}", texts.len());
    println!("embedding alone, before         {before:>8.1} s");
    println!("embedding alone, after          {after:>8.1} s");
    println!("the whole import                {seconds:>8.1} s   {:.1} papers/s", papers as f64 / seconds);
    println!("share of the embedding ceiling  {:>8.1} %", 100.0 * floor / seconds);
    println!("the same file again             {:>8.1} s   {}", again["seconds"].as_f64().unwrap(), again);
}
