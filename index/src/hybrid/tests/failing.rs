//! What is left when a part fails.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;

use super::*;
use crate::dense::VectorPoint;

/// A step that is not begun before it is let through, and whether somebody waits for that.
#[derive(Clone, Default)]
struct Gate {
    shut: Arc<Mutex<Option<&'static str>>>,
    met: Arc<AtomicBool>,
}

impl Gate {
    async fn pass(&self, step: &'static str) {
        while *self.shut.lock().unwrap() == Some(step) {
            self.met.store(true, Ordering::Relaxed);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

/// A vector store that fails, or waits, when it is told to.
struct Failing {
    inner: EdgeStore,
    /// The step that fails from now on; nothing of it is done.
    fails_at: Mutex<Option<&'static str>>,
    search_fails: AtomicBool,
    calls: Mutex<Vec<&'static str>>,
    gate: Gate,
}

impl Failing {
    fn disk() -> IndexError {
        IndexError::disk(Path::new("/full"), "No space left on device (os error 28)")
    }

    fn step(&self, call: &'static str) -> Result<(), IndexError> {
        self.calls.lock().unwrap().push(call);
        if *self.fails_at.lock().unwrap() == Some(call) { Err(Self::disk()) } else { Ok(()) }
    }

    fn fail_at(&self, call: &'static str) {
        *self.fails_at.lock().unwrap() = Some(call);
    }
}

#[async_trait]
impl VectorStore for Failing {
    async fn upsert(&self, points: Vec<VectorPoint>) -> Result<(), IndexError> {
        self.step("upsert")?;
        self.gate.pass("upsert").await;
        self.inner.upsert(points).await
    }
    async fn delete_papers(&self, papers: &[PaperId], keep: &[PassageId]) -> Result<(), IndexError> {
        self.step("delete")?;
        self.inner.delete_papers(papers, keep).await
    }
    async fn search(
        &self,
        vector: &[f32],
        conditions: &Conditions,
        k: usize,
    ) -> Result<Vec<(PassageId, f32)>, IndexError> {
        if self.search_fails.load(Ordering::Relaxed) {
            return Err(IndexError::Server { url: "http://qdrant:6334".into(), reason: "Unavailable".into() });
        }
        self.inner.search(vector, conditions, k).await
    }
    async fn score(&self, vector: &[f32], passages: &[PassageId]) -> Result<Vec<(PassageId, f32)>, IndexError> {
        self.inner.score(vector, passages).await
    }
    async fn vectors(&self, passages: &[PassageId]) -> Result<Vec<(PassageId, Vec<f32>)>, IndexError> {
        self.gate.pass("vectors").await;
        self.inner.vectors(passages).await
    }
    async fn count(&self) -> Result<usize, IndexError> {
        self.inner.count().await
    }
    async fn flush(&self) -> Result<(), IndexError> {
        self.step("flush")?;
        self.inner.flush().await
    }
    async fn optimize(&self) -> Result<(), IndexError> {
        self.gate.pass("optimize").await;
        self.inner.optimize().await
    }
    async fn clear(&self) -> Result<(), IndexError> {
        self.inner.clear().await
    }
}

fn failing(dir: &Path) -> (Arc<Failing>, HybridIndex) {
    let settings = IndexSettings { dir: dir.to_owned() };
    let inner = EdgeStore::open(&settings.dense_dir(), DIMENSION).unwrap();
    let (fails_at, search_fails, calls) = (Mutex::default(), AtomicBool::new(false), Mutex::default());
    let store = Arc::new(Failing { inner, fails_at, search_fails, calls, gate: Gate::default() });
    let index = HybridIndex::open(settings, Some(store.clone()), Some(Arc::new(HashEmbedder::new(DIMENSION)))).unwrap();
    (store, index)
}

#[tokio::test]
async fn a_full_disk_leaves_the_watermark_and_the_next_try_repairs() {
    let dir = tempfile::tempdir().unwrap();
    let (store, index) = failing(dir.path());
    index.write(shelf(), 5).await.unwrap();
    assert_eq!(*store.calls.lock().unwrap(), ["upsert", "delete", "flush"]);
    store.fail_at("flush");
    let long = "Unicorns graze in the mist of dawn. ".repeat(100);
    let error = index.write(vec![indexed(1, "Unicorns", &long)], 6).await.unwrap_err();
    assert!(matches!(error, IndexError::Disk { .. }), "{error}");
    assert_eq!(index.watermark(), 5);
    assert!(numbers(&index.search(query("unicorns", Mode::Lexical)).await.unwrap()).is_empty());
    assert_eq!(numbers(&index.search(query("transaction costs", Mode::Hybrid)).await.unwrap())[0], 1);
    drop(index);
    drop(store);
    let (_store, index) = failing(dir.path());
    assert_eq!(index.watermark(), 5);
    // The paper has changed again in the meantime, and has fewer passages than were half written.
    index.write(vec![indexed(1, "Unicorns", "Unicorns, in short.")], 7).await.unwrap();
    index.check().await.unwrap();
    assert_eq!(numbers(&index.search(query("unicorns", Mode::Hybrid)).await.unwrap())[0], 1);
    assert_eq!(index.watermark(), 7);
}

/// Takes the lexical arm's writer away, so that its commit fails.
fn hold_the_words(dir: &Path) -> tantivy::IndexWriter {
    let words = tantivy::Index::open_in_dir(dir.join("lexical")).unwrap();
    words.writer_with_num_threads(1, 15_000_000).unwrap()
}

#[tokio::test]
async fn a_cut_at_any_step_between_the_arms_shows_nothing_and_is_repaired() {
    for step in ["upsert", "delete", "flush", "commit"] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).await;
        let (store, index) = failing(dir.path());
        store.fail_at(step);
        let held = (step == "commit").then(|| hold_the_words(dir.path()));
        let long = "Unicorns graze in the mist of dawn. ".repeat(100);
        let gone = IndexedPaper { id: id(2), revision: 7, paper: None, text_revision: 7 };
        let batch = vec![indexed(1, "Unicorns", &long), indexed(9, "Unicorns at night", ""), gone];
        index.write(batch.clone(), 7).await.unwrap_err();
        drop((index, store, held));
        let index = open(dir.path());
        assert_eq!((index.watermark(), index.stats().await.unwrap().papers), (5, 5), "{step}");
        for mode in Mode::ALL {
            let found = index.search(query("unicorns in the mist", mode)).await.unwrap();
            let texts: Vec<&str> = found.hits.iter().map(|hit| hit.passage.text.as_str()).collect();
            assert!(texts.iter().all(|text| !text.contains("nicorns")), "{step} {mode}: {texts:?}");
        }
        index.write(batch, 7).await.unwrap();
        index.check().await.unwrap();
        let stats = index.stats().await.unwrap();
        assert_eq!((stats.watermark, stats.papers, stats.passages, stats.vectors), (7, 5, 7, Some(7)), "{step}");
    }
}

#[tokio::test]
async fn when_the_vector_server_is_down_words_are_searched_and_the_user_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (store, index) = failing(dir.path());
    index.write(shelf(), 5).await.unwrap();
    store.search_fails.store(true, Ordering::Relaxed);
    let results = index.search(query("transaction costs", Mode::Hybrid)).await.unwrap();
    assert_eq!((numbers(&results), results.mode), (vec![1], Mode::Lexical));
    // No address and nothing that the server said.
    let notice = "Only words were searched, since the vectors could not be asked.";
    assert_eq!(results.notice.as_deref(), Some(notice));
    let similar = index.similar(id(4), 3).await.unwrap();
    assert_eq!((similar.mode, similar.notice.as_deref()), (Mode::Lexical, Some(notice)));
    assert!(!numbers(&similar).is_empty() && !numbers(&similar).contains(&4), "{similar:?}");
}

#[tokio::test]
async fn an_emptied_vector_store_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, index) = failing(dir.path());
    index.write(shelf(), 5).await.unwrap();
    index.check().await.unwrap();
    store.inner.clear().await.unwrap();
    let error = index.check().await.unwrap_err().to_string();
    assert!(error.contains("5 passages have 0 vectors"), "{error}");
}

#[tokio::test]
async fn an_index_is_released_only_when_nothing_is_done_to_its_vectors_any_more() {
    for step in ["vectors", "upsert", "optimize"] {
        let dir = tempfile::tempdir().unwrap();
        let (store, index) = failing(dir.path());
        index.write(shelf(), 5).await.unwrap();
        let (gate, in_use) = (store.gate.clone(), Arc::downgrade(&store));
        drop(store);
        *gate.shut.lock().unwrap() = Some(step);
        let working = index.clone();
        let task = tokio::spawn(async move {
            match step {
                "optimize" => working.optimize().await,
                _ => working.write(vec![indexed(7, "Unicorns", "They graze.")], 6).await.map(drop),
            }
        });
        while !gate.met.load(Ordering::Relaxed) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled(), "nobody waits for it any more");
        let mut released = std::pin::pin!(index.released());
        let early = tokio::time::timeout(std::time::Duration::from_millis(30), &mut released).await;
        assert!(early.is_err(), "{step}: the store is still at work");
        *gate.shut.lock().unwrap() = None;
        released.await;
        assert_eq!(in_use.strong_count(), 0, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_nobody_waits_for_any_more_keeps_its_place_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (store, index) = failing(dir.path());
    index.write(shelf(), 5).await.unwrap();
    let free = || index.shared.searching.available_permits();
    let (places, pause) = (free(), std::time::Duration::from_millis(5));
    *store.gate.shut.lock().unwrap() = Some("vectors");
    let searching = index.clone();
    let search = tokio::spawn(async move { searching.search(query("transaction costs", Mode::Hybrid)).await });
    while !store.gate.met.load(Ordering::Relaxed) {
        tokio::time::sleep(pause).await;
    }
    search.abort();
    assert!(search.await.unwrap_err().is_cancelled());
    assert_eq!(free(), places - 1);
    *store.gate.shut.lock().unwrap() = None;
    while free() < places {
        tokio::time::sleep(pause).await;
    }
}
