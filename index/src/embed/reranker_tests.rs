use std::sync::Arc;

use super::super::fastembed::tests::{models, skipped};
use super::*;

#[path = "../../../tests/fixtures/token_counter.rs"]
mod token_counter;

/// A reranker that likes long passages; none where no runtime library is installed.
pub(crate) fn longest_first(models_dir: &Path) -> Option<Arc<Reranker>> {
    let library = models()?.join("libonnxruntime.so");
    token_counter::write(&models_dir.join("longest-first"));
    let (models_dir, model) = (models_dir.to_owned(), "longest-first".to_owned());
    Some(Arc::new(Reranker::new(RerankerSettings { models_dir, library, model, threads: 1 })))
}

#[test]
fn passages_are_scored_by_the_model_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let Some(reranker) = longest_first(dir.path()) else { return skipped() };
    let passages = ["one two three", "one", "", "one two"].map(str::to_owned);
    assert_eq!(reranker.scores("a query", &passages).unwrap(), [5.0, 3.0, 2.0, 4.0]);
    assert_eq!(reranker.scores("a query", &[]).unwrap(), [] as [f32; 0]);
    assert_eq!(reranker.name(), "longest-first");
}

#[test]
fn a_reranker_that_cannot_be_used_is_told_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_) = longest_first(dir.path()) else { return skipped() };
    let library = models().unwrap().join("libonnxruntime.so");
    let load = |model: &str| {
        let (models_dir, model) = (dir.path().to_owned(), model.to_owned());
        let settings = RerankerSettings { models_dir, library: library.clone(), model, threads: 1 };
        Reranker::new(settings).scores("a query", &["a passage".to_owned()]).unwrap_err().to_string()
    };
    let unknown = load("no/such-reranker");
    assert!(unknown.contains("BAAI/bge-reranker-base") && unknown.contains("unset `search.reranker`"), "{unknown}");
    let outside = load("../longest-first");
    assert!(outside.contains("BAAI/bge-reranker-base"), "{outside}");
    std::fs::write(dir.path().join("longest-first").join(GRAPH), b"no graph").unwrap();
    assert!(load("longest-first").contains("longest-first"));
    std::fs::remove_file(dir.path().join("longest-first/config.json")).unwrap();
    assert!(load("longest-first").contains("config.json"));
}
