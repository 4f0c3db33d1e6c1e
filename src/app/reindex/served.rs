use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::index::Embedder;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::site::Site;
use super::{Begun, ReindexError, ReindexReport, UnderWay, WorkState, load};
use crate::library::progress::{Course, Stage};
use crate::library::{Library, LibraryError};

/// After a failure it is tried again after a first pause, then twice as long, up to a longest: the cause (a full disk, a
/// server that is away) may pass, and nothing is lost by waiting.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(30 * 60));

/// Builds new indexes in the background, while the old one is searched and written. Cheap to clone.
#[derive(Clone)]
pub struct Reindexing {
    shared: Arc<Shared>,
}

struct Shared {
    site: Site,
    library: Library,
    at_work: Mutex<Option<AtWork>>,
    /// Held while a build is begun or ended.
    asking: tokio::sync::Mutex<()>,
    /// [`PAUSES`], which tests set lower.
    pauses: (Duration, Duration),
}

/// A build that goes on, or has ended.
struct AtWork {
    model: String,
    told: watch::Receiver<Told>,
    task: JoinHandle<()>,
}

/// How far a build is.
#[derive(Debug, Clone, Default)]
struct Told {
    done: u64,
    total: u64,
    /// Why it pauses.
    fault: Option<String>,
    report: Option<ReindexReport>,
}

/// A build that was asked for, to watch; it goes on when nobody does.
pub struct Building {
    told: watch::Receiver<Told>,
}

impl Building {
    /// Tells how far it is until it has ended.
    ///
    /// # Errors
    /// What keeps it from its end, in words for the operator; it is tried again later all the same.
    pub async fn watch(mut self, course: &Course<'_>) -> Result<ReindexReport, String> {
        loop {
            let Told { done, total, fault, report } = self.told.borrow_and_update().clone();
            match (report, fault) {
                (Some(report), _) => return Ok(report),
                (None, Some(fault)) => return Err(format!("{fault}; the server tries again by itself")),
                (None, None) if total > 0 => course.at(Stage::Indexing, done, Some(total)),
                (None, None) => {}
            }
            if self.told.changed().await.is_err() && self.told.borrow().report.is_none() {
                return Err("the build was given up for another one, or the server stops".to_owned());
            }
        }
    }
}

impl Reindexing {
    pub(in crate::app) fn new(site: Site, library: Library) -> Self {
        Self::pausing(site, library, PAUSES)
    }

    fn pausing(site: Site, library: Library, pauses: (Duration, Duration)) -> Self {
        let (at_work, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { shared: Arc::new(Shared { site, library, at_work, asking, pauses }) }
    }

    /// Begins a new index with this model, else with the one that is set, being built, or searched by; one that is being
    /// built with the same model already is gone on with, one with another is given up.
    ///
    /// # Errors
    /// [`ReindexError::Model`] and [`ReindexError::Set`]; then nothing has changed.
    pub async fn ask(&self, asked: Option<&str>) -> Result<Building, ReindexError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.asking.lock().await;
        let model = shared.site.model_meant(asked, shared.library.index().model())?;
        if let Some(told) = shared.at_work().as_ref().filter(|at| at.is_building(&model)).map(|at| at.told.clone()) {
            return Ok(Building { told });
        }
        let embedder = load(&shared.site.config, &model).await?;
        shared.end().await;
        Ok(Building { told: shared.begin(model, Some(embedder)) })
    }

    /// Goes on with what an earlier process was cut off at, and deletes what it has left. What keeps it from that is told
    /// in the log; the old index is searched all the same.
    pub async fn go_on(&self) {
        let shared = &self.shared;
        let _one_at_a_time = shared.asking.lock().await;
        let building = shared.site.generations().building().map(|building| building.model.clone());
        if let Some(model) = building {
            match super::check_model_is_free(&shared.site.config, &model) {
                Ok(()) => {
                    shared.begin(model, None);
                }
                Err(fault) => {
                    tracing::warn!(%fault, "the index that was being built is given up");
                    if let Err(fault) = shared.site.generations().abandon() {
                        tracing::warn!(%fault, "it stays where it is until the next start");
                    }
                }
            }
        }
        let dropped = shared.site.generations().dropped();
        dropped.into_iter().for_each(|number| shared.remove(number));
    }

    /// Ends the build that is under way; the next server goes on with it.
    pub async fn stop(&self) {
        let _one_at_a_time = self.shared.asking.lock().await;
        self.shared.end().await;
    }

    /// How far the build is that this process works at.
    #[must_use]
    pub fn at_work(&self) -> Option<UnderWay> {
        let at_work = self.shared.at_work();
        let at = at_work.as_ref()?;
        let Told { done, total, fault, report } = at.told.borrow().clone();
        let state = if fault.is_some() { WorkState::Waiting } else { WorkState::Building };
        report.is_none().then(|| UnderWay { model: at.model.clone(), done, total, state })
    }

    /// How far the build is that is under way, or was interrupted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn under_way(&self) -> Result<Option<UnderWay>, LibraryError> {
        match self.at_work() {
            Some(at_work) => Ok(Some(at_work)),
            None => self.shared.site.interrupted().await,
        }
    }
}

impl AtWork {
    fn is_building(&self, model: &str) -> bool {
        let told = self.told.borrow();
        self.model == model && told.report.is_none() && told.fault.is_none()
    }
}

impl Shared {
    fn at_work(&self) -> MutexGuard<'_, Option<AtWork>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, model: String, embedder: Option<Arc<dyn Embedder>>) -> watch::Receiver<Told> {
        let (tell, told) = watch::channel(Told::default());
        let (shared, named) = (Arc::clone(self), model.clone());
        let task = tokio::spawn(async move { shared.keep_at(&named, embedder, &tell).await });
        *self.at_work() = Some(AtWork { model, told: told.clone(), task });
        told
    }

    async fn end(&self) {
        let at_work = self.at_work().take();
        if let Some(AtWork { task, .. }) = at_work {
            task.abort();
            // Aborted, or at its end already.
            let _ = task.await;
        }
    }

    /// Builds until it is done, whatever fails in between.
    async fn keep_at(
        self: &Arc<Self>,
        model: &str,
        mut embedder: Option<Arc<dyn Embedder>>,
        tell: &watch::Sender<Told>,
    ) {
        let (mut pause, longest) = self.pauses;
        loop {
            match self.attempt(model, embedder.take(), tell).await {
                Ok(report) => {
                    tracing::info!(model, papers = report.papers, seconds = report.seconds, "a new index is searched");
                    tell.send_modify(|told| told.report = Some(report));
                    return;
                }
                Err(fault) => {
                    tracing::error!(%fault, "the new index is not built; trying again in {} s", pause.as_secs());
                    tell.send_modify(|told| told.fault = Some(fault.to_string()));
                }
            }
            tokio::time::sleep(pause).await;
            pause = longest.min(pause * 2);
            tell.send_modify(|told| told.fault = None);
        }
    }

    async fn attempt(
        self: &Arc<Self>,
        model: &str,
        embedder: Option<Arc<dyn Embedder>>,
        tell: &watch::Sender<Told>,
    ) -> Result<ReindexReport, ReindexError> {
        let began = Instant::now();
        let embedder = match embedder {
            Some(embedder) => embedder,
            None => load(&self.site.config, model).await?,
        };
        if let Some(other) = self.site.give_up_other(model)? {
            self.site.remove(other).await;
        }
        let before = self.site.generations().dropped();
        let Begun { index, resumed } = self.site.begin(embedder).await?;
        self.remove_but(&before);
        let progress = |done, total| tell.send_modify(|told| (told.done, told.total) = (done, total));
        let searched = self.site.generations().searched()?;
        let (done, old) = self.library.exchange(index, || self.site.generations().switch(), &progress).await?;
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            old.released().await;
            shared.site.remove(searched).await;
        });
        Ok(ReindexReport::new(model, done, resumed, began))
    }

    /// Removes what was dropped since.
    fn remove_but(self: &Arc<Self>, before: &[u64]) {
        let dropped = self.site.generations().dropped();
        dropped.into_iter().filter(|number| !before.contains(number)).for_each(|number| self.remove(number));
    }

    fn remove(self: &Arc<Self>, number: u64) {
        let shared = Arc::clone(self);
        tokio::spawn(async move { shared.site.remove(number).await });
    }
}

#[cfg(test)]
mod tests {
    use ::index::Generations;

    use super::*;
    use crate::app::generation::{index_dir, open_generation};
    use crate::clock::Clock;
    use crate::config::{Config, Environment};
    use crate::store::Store;

    const MODEL: &str = "all-MiniLM-L6-v2-fp32";

    /// A library that is searched by words alone, and what gives it another index, with hardly a pause.
    async fn reindexing(home: &std::path::Path) -> (Library, Reindexing) {
        let config = Config::load(Some(home), None, &Environment::of(&[]), &[]).unwrap();
        let store = Store::open(&home.join("library.db")).await.unwrap();
        let mut generations = Generations::open(&index_dir(&config)).unwrap();
        let searched = generations.searched().unwrap();
        let index = open_generation(&config, &generations, searched, None).unwrap();
        let library = Library::new(store.clone(), index, Clock::system());
        let site = Site::new(Arc::new(config), Clock::system(), store, generations);
        let pauses = (Duration::from_millis(1), Duration::from_millis(50));
        (library.clone(), Reindexing::pausing(site, library, pauses))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_fails_is_told_and_tried_again_until_the_new_index_is_searched() {
        let home = tempfile::tempdir().unwrap();
        let (library, reindexing) = reindexing(home.path()).await;
        // A folder in the place of the draft: nothing can be noted.
        let in_the_way = home.path().join("index/current.json.new");
        std::fs::create_dir(&in_the_way).unwrap();
        let building = reindexing.ask(Some(MODEL)).await.unwrap();
        let fault = building.watch(&Course::new(&|_| {})).await.unwrap_err();
        assert!(fault.starts_with("cannot write the index at "), "{fault}");
        assert!(fault.ends_with("; the server tries again by itself"), "{fault}");
        assert_eq!(reindexing.at_work().unwrap().model, MODEL);
        assert_eq!(library.index().model(), None);
        std::fs::remove_dir(&in_the_way).unwrap();
        while reindexing.at_work().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(library.index().model(), Some(MODEL));
        assert_eq!(reindexing.under_way().await.unwrap(), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_old_index_is_deleted_when_the_last_search_of_it_has_ended() {
        let home = tempfile::tempdir().unwrap();
        let (library, reindexing) = reindexing(home.path()).await;
        let (searching, old) = (library.index(), home.path().join("index/1"));
        let building = reindexing.ask(Some(MODEL)).await.unwrap();
        let report = building.watch(&Course::new(&|_| {})).await.unwrap();
        assert_eq!((report.model.as_str(), report.papers, report.resumed), (MODEL, 0, false));
        assert_eq!(library.index().model(), Some(MODEL));
        assert!(searching.search(::index::SearchQuery::new("x")).await.is_ok() && old.exists());
        drop(searching);
        while old.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
