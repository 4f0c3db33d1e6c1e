//! The best hits in the order of a reranker that the operator names.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Home;
use crate::token_counter;

/// A folder of models that has the installed ones and `longest-first`.
fn models(folder: &Path) -> PathBuf {
    let models = folder.join("models");
    token_counter::write(&models.join("longest-first"));
    for file in std::fs::read_dir(dirs::data_dir().unwrap().join("lectern/models")).unwrap() {
        let file = file.unwrap();
        std::os::unix::fs::symlink(file.path(), models.join(file.file_name())).unwrap();
    }
    models
}

/// Runs of letters and digits, and runs of marks.
fn tokens(text: &str) -> usize {
    let kind = |c: char| c.is_alphanumeric() || c == '_';
    let of = |part: &str| part.chars().collect::<Vec<_>>().chunk_by(|a, b| kind(*a) == kind(*b)).count();
    text.split_whitespace().map(of).sum()
}

fn lengths(found: &Value) -> Vec<usize> {
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 20, "{found}");
    hits.iter().map(|hit| tokens(hit["passage"]["text"].as_str().unwrap())).collect()
}

#[test]
fn a_named_reranker_orders_the_best_hits_also_after_a_reindex_and_one_that_is_missing_hinders_nobody() {
    let home = Home::with_samples();
    let models = models(home.path());
    let search = ["--json", "search", "attention in language models", "-k", "20"];
    let plain = lengths(&home.run(&search).exited(0).json());
    assert!(!plain.is_sorted_by(|a, b| a >= b), "{plain:?}");

    let home = home.set("LECTERN__EMBEDDING__DIR", models.to_str().unwrap());
    let home = home.set("LECTERN__SEARCH__RERANKER", "longest-first");
    let reranked = lengths(&home.run(&search).exited(0).json());
    assert!(reranked.is_sorted_by(|a, b| a >= b), "{reranked:?}");
    let doctor = home.run(&["doctor"]).stdout;
    assert!(doctor.contains("ok    reranker         longest-first"), "{doctor}");
    let server = home.serve();
    home.run(&["reindex"]).exited(0);
    assert_eq!(lengths(&home.run(&search).exited(0).json()), reranked, "the new index has it too");
    drop(server);

    let home = home.set("LECTERN__SEARCH__RERANKER", "no/such");
    let without = home.run(&search).exited(0);
    assert_eq!(lengths(&without.json()), plain);
    let told = without.json()["notice"].as_str().unwrap().to_owned();
    assert_eq!(told, "The reranker failed, so hits are in the order without it.");
    let data = crate::support::sample("retrieval");
    let measured = home.run(&["eval", "retrieval", "--mode", "lexical", "--data", &data]).exited(1);
    assert!(measured.stderr.contains("BAAI/bge-reranker-base"), "{}", measured.stderr);
    let doctor = home.run(&["doctor"]).exited(1).stdout;
    assert!(doctor.contains("FAIL  reranker") && doctor.contains("BAAI/bge-reranker-base"), "{doctor}");
}
