use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use index::{EdgeStore, Embedder, HashEmbedder, IndexSettings, Mode, ModelInfo, SearchQuery};
use paper::{Paper, SourceName};

use super::*;
use crate::library::progress::Course;

/// A model that counts what it embeds, and does something before each batch.
struct Counting<F> {
    inner: HashEmbedder,
    embedded: Arc<AtomicUsize>,
    before: F,
}

impl<F: Fn() + Send + Sync> Embedder for Counting<F> {
    fn model(&self) -> &ModelInfo {
        self.inner.model()
    }

    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
        (self.before)();
        self.embedded.fetch_add(texts.len(), Ordering::Relaxed);
        self.inner.embed_passages(texts)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, IndexError> {
        self.inner.embed_query(text)
    }
}

fn open(dir: &std::path::Path, embedder: impl Embedder + 'static) -> HybridIndex {
    let settings = IndexSettings { dir: dir.to_owned() };
    let vectors = EdgeStore::open(&settings.dense_dir(), embedder.model().dimension).unwrap();
    HybridIndex::open(settings, Some(Arc::new(vectors)), Some(Arc::new(embedder))).unwrap()
}

fn counting(dir: &std::path::Path, before: impl Fn() + Send + Sync + 'static) -> (HybridIndex, Arc<AtomicUsize>) {
    let embedded = Arc::new(AtomicUsize::new(0));
    let model = Counting { inner: HashEmbedder::new(32), embedded: Arc::clone(&embedded), before };
    (open(dir, model), embedded)
}

fn papers(numbers: std::ops::Range<usize>) -> Vec<Paper> {
    let paper = |number: usize| {
        let mut paper = Paper::new(format!("Note {number}"), SourceName::Arxiv, jiff::Timestamp::UNIX_EPOCH);
        paper.ids.arxiv = Some(format!("2104.{number:05}").parse().unwrap());
        paper
    };
    numbers.map(paper).collect()
}

/// A library that is searched by vectors of 8 numbers, with so many papers in it.
async fn library(folder: &std::path::Path, count: usize) -> Library {
    let store = Store::open(&folder.join("library.db")).await.unwrap();
    let library = Library::new(store, open(&folder.join("old"), HashEmbedder::new(8)), Clock::system());
    library.store.upsert(&papers(0..count)).await.unwrap();
    library.index_pending(&|_, _| {}).await.unwrap();
    library
}

async fn finds(library: &Library, title: &str, mode: Mode) -> bool {
    let found = library.search(SearchQuery { mode, limit: 100, ..SearchQuery::new(title) }).await.unwrap();
    assert_eq!((found.mode, found.notice), (mode, None), "a vector of the other model would not have been taken");
    found.hits.iter().any(|found| found.paper.title == title)
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_go_on_with_the_old_index_and_its_model_until_the_new_one_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), 300).await;
    // The second batch of the new index waits until something has been taken in and searched for.
    let (go, waits) = std::sync::mpsc::channel::<()>();
    let (waits, batches) = (std::sync::Mutex::new(waits), AtomicU64::new(0));
    let (new, embedded) = counting(&folder.path().join("new"), move || {
        if batches.fetch_add(1, Ordering::Relaxed) == 1 {
            waits.lock().unwrap().recv().unwrap();
        }
    });
    let (building, steps) = (library.clone(), Arc::new(std::sync::Mutex::new(Vec::new())));
    let told = Arc::clone(&steps);
    let exchange = tokio::spawn(async move {
        let tell = move |done, total| told.lock().unwrap().push((done, total));
        building.exchange(new, || Ok(()), &tell).await
    });
    library.store.upsert(&papers(300..310)).await.unwrap();
    library.index_pending(&|_, _| {}).await.unwrap();
    for mode in Mode::ALL {
        assert!(finds(&library, "Note 305", mode).await, "{mode}: what comes in meanwhile is found");
    }
    assert_eq!(library.index().model(), Some("hashing-8"));
    go.send(()).unwrap();
    let (report, old) = exchange.await.unwrap().unwrap();
    assert_eq!((report.papers, embedded.load(Ordering::Relaxed)), (310, 310));
    assert_eq!((library.index().model(), library.index().watermark()), (Some("hashing-32"), 310));
    for mode in Mode::ALL {
        assert!(finds(&library, "Note 305", mode).await && finds(&library, "Note 7", mode).await, "{mode}");
    }
    let steps = steps.lock().unwrap().clone();
    assert_eq!((steps.first().map(|(done, _)| *done), steps.last()), (Some(0), Some(&(310, 310))), "{steps:?}");
    let searching = old.clone();
    let released = tokio::spawn(old.released());
    assert!(searching.search(SearchQuery::new("Note 7")).await.unwrap().notice.is_none(), "it ends as it began");
    assert!(!released.is_finished());
    drop(searching);
    released.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_searched_while_the_index_changes_meets_vectors_of_its_own_model() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), 40).await;
    let searching = library.clone();
    let (tell, old_one_searched) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let searches = tokio::spawn(async move {
        let mut models = std::collections::BTreeSet::new();
        while models.len() < 2 {
            let index = searching.index();
            models.insert(index.model().unwrap().to_owned());
            assert!(finds(&searching, "Note 3", Mode::Dense).await);
            tell.take().into_iter().for_each(|tell| tell.send(()).unwrap());
            // What is built stands behind what is searched.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        models
    });
    let (new, _) = counting(&folder.path().join("new"), || {});
    old_one_searched.await.unwrap();
    library.exchange(new, || Ok(()), &|_, _| {}).await.unwrap();
    assert_eq!(searches.await.unwrap(), ["hashing-32", "hashing-8"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_build_that_was_cut_off_goes_on_and_embeds_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), 600).await;
    let dir = folder.path().join("new");
    let (new, first) = counting(&dir, || {});
    let cut = std::sync::atomic::AtomicBool::new(false);
    let progress = |done, _| cut.store(done >= 256, Ordering::Relaxed);
    {
        let building = build(&library.store, Clock::system(), &new, &progress);
        let mut building = std::pin::pin!(building);
        while !cut.load(Ordering::Relaxed) {
            tokio::select! {
                _ = &mut building => panic!("it was not cut off"),
                () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            }
        }
    }
    new.released().await;
    let (new, second) = counting(&dir, || {});
    // A batch that was being committed was committed to its end.
    let reached = new.watermark();
    assert!((256..600).contains(&reached), "{reached}");
    let steps = std::sync::Mutex::new(Vec::new());
    let tell = |done, total| steps.lock().unwrap().push((done, total));
    let (report, _) = library.exchange(new, || Ok(()), &tell).await.unwrap();
    let (first, second) = (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed));
    assert_eq!((report.papers as u64, second as u64), (600 - reached, 600 - reached));
    assert!(first as u64 >= reached && first < 600, "{first} embedded, {reached} committed");
    assert_eq!(steps.lock().unwrap().first(), Some(&(reached, 600)), "what was done counts as done");
    assert_eq!(library.index().stats().await.unwrap().vectors, Some(600));
}

#[tokio::test]
async fn a_switch_that_fails_leaves_the_old_index() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), 3).await;
    let (new, _) = counting(&folder.path().join("new"), || {});
    let full = || Err(IndexError::Disk { path: "index".into(), reason: "no space".to_owned() });
    let failed = library.exchange(new, full, &|_, _| {}).await.err().unwrap();
    assert!(matches!(failed, LibraryError::Index(IndexError::Disk { .. })), "{failed}");
    assert_eq!(library.index().model(), Some("hashing-8"));
    assert!(finds(&library, "Note 2", Mode::Dense).await);
    library.store.upsert(&papers(3..4)).await.unwrap();
    library.index_pending(&|_, _| {}).await.unwrap();
    assert!(finds(&library, "Note 3", Mode::Hybrid).await, "and it is written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_in_at_any_moment_of_a_build_is_in_the_index_that_is_searched_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), 20).await;
    let taking = library.clone();
    let taken = tokio::spawn(async move {
        for number in 20..60 {
            let intake = async {
                let counts = taking.store.upsert(&papers(number..number + 1)).await?;
                taking.wake_indexer();
                Ok(crate::library::SyncReport { counts, ..Default::default() })
            };
            taking.take_in(intake, &Course::new(&|_| {})).await.unwrap();
            assert!(finds(&taking, &format!("Note {number}"), Mode::Lexical).await, "{number}");
        }
    });
    for round in 0..4 {
        let dir = folder.path().join(round.to_string());
        library.exchange(counting(&dir, || {}).0, || Ok(()), &|_, _| {}).await.unwrap();
    }
    taken.await.unwrap();
    let stats = library.index().stats().await.unwrap();
    assert_eq!((stats.papers, stats.vectors, stats.watermark), (60, Some(60), 60));
}
