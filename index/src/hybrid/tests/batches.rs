//! Batches that are prepared and committed, and what of them is embedded.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::ModelInfo;

/// A model that takes its time, and counts.
struct Slow(HashEmbedder, Arc<AtomicUsize>);

impl Embedder for Slow {
    fn model(&self) -> &ModelInfo {
        self.0.model()
    }

    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
        self.1.fetch_add(texts.len(), Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(20));
        self.0.embed_passages(texts)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, IndexError> {
        self.0.embed_query(text)
    }
}

#[tokio::test]
async fn a_batch_that_is_given_up_is_not_embedded_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let settings = IndexSettings { dir: dir.path().to_owned() };
    let vectors = EdgeStore::open(&settings.dense_dir(), DIMENSION).unwrap();
    let embedded = Arc::new(AtomicUsize::new(0));
    let model = Slow(HashEmbedder::new(DIMENSION), Arc::clone(&embedded));
    let index = HybridIndex::open(settings, Some(Arc::new(vectors)), Some(Arc::new(model))).unwrap();
    let batch: Vec<IndexedPaper> = (0..5_000).map(|n| indexed(n, &format!("Note {n}"), "")).collect();
    let preparing = index.clone();
    let task = tokio::spawn(async move { preparing.prepare(batch).await.map(drop) });
    while embedded.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // The blocking thread has the model until it sees that nobody waits.
    index.released().await;
    while Arc::strong_count(&embedded) > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let embedded = embedded.load(Ordering::Relaxed);
    assert!(embedded < 5_000, "{embedded}");
}

#[tokio::test]
async fn a_text_that_the_index_has_is_not_embedded_again_but_its_facets_are_new() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let before = index.search(query("protein structures", Mode::Dense)).await.unwrap();
    let dated = |number: usize, title: &str, text: &str, text_revision: u64| {
        let mut indexed = indexed(number, title, text);
        indexed.paper.as_mut().unwrap().year = Some(2021);
        IndexedPaper { revision: 6, text_revision, ..indexed }
    };
    let folding = ("Protein folding", "Structures of proteins are predicted with attention.");
    let report = index.write(vec![dated(2, folding.0, folding.1, 1)], 6).await.unwrap();
    assert_eq!((report.papers, report.passages, report.embedded), (1, 1, 0));
    let after = index.search(query("protein structures", Mode::Dense)).await.unwrap();
    assert_eq!(after.hits, before.hits);
    let filter = crate::Filter { year_from: Some(2021), ..crate::Filter::default() };
    for mode in Mode::ALL {
        let found = index.search(SearchQuery { filter: filter.clone(), ..query("protein", mode) }).await.unwrap();
        assert_eq!(numbers(&found), [2], "{mode}");
    }
    let unknown = index.write(vec![dated(8, "Unicorns", "In the mist.", 1)], 7).await.unwrap();
    assert_eq!(unknown.embedded, 1, "the index does not have it, whatever is said");
    let passed_over = dated(2, folding.0, "Another text.", 8);
    let report = index.write(vec![IndexedPaper { revision: 20, ..passed_over }], 20).await.unwrap();
    assert_eq!(report.embedded, 1, "the index was behind when the text changed, at revision 8");
    let later = IndexedPaper { revision: 30, ..dated(2, folding.0, "Another text.", 8) };
    assert_eq!(index.write(vec![later], 30).await.unwrap().embedded, 0);
}

#[tokio::test]
async fn a_batch_that_is_prepared_is_found_when_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let (first, second) = (vec![indexed(0, "Graphs", "")], vec![indexed(1, "Graphs and trees", "")]);
    let (first, second) = (index.prepare(first).await.unwrap(), index.prepare(second).await.unwrap());
    assert_eq!((index.watermark(), index.stats().await.unwrap().papers), (0, 0));
    index.commit(first, 3).await.unwrap();
    assert_eq!((index.watermark(), numbers(&index.search(query("graphs", Mode::Hybrid)).await.unwrap())), (3, vec![0]));
    index.commit(second, 4).await.unwrap();
    assert_eq!((index.watermark(), index.stats().await.unwrap().papers), (4, 2));
}
