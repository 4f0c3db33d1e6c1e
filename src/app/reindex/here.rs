use std::sync::Arc;
use std::time::Instant;

use ::index::Generations;

use super::super::generation::index_dir;
use super::super::{AppError, database_file, lock};
use super::site::Site;
use super::{ReindexError, ReindexReport, load};
use crate::clock::Clock;
use crate::config::Config;
use crate::library::build;
use crate::library::progress::{Course, Stage};
use crate::store::Store;

/// A home that this process has for a new index, whatever the state of the old one is: nothing is searched meanwhile.
pub struct Reindex {
    site: Site,
    _lock: lock::HomeLock,
}

impl Reindex {
    /// Takes the home.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn open(config: Config, clock: Clock) -> Result<Self, AppError> {
        let lock = lock::HomeLock::take(&config.home)?;
        let store = Store::open(&database_file(&config)).await?;
        let generations = Generations::open_to_rebuild(&index_dir(&config))?;
        let site = Site::new(Arc::new(config), clock, store, generations);
        Ok(Self { site, _lock: lock })
    }

    /// Builds a new index with this model, else with the one that is set, being built, or searched by; then puts it in the
    /// place of the old one, and deletes that. What an earlier, interrupted build with the same model did is not done again.
    ///
    /// # Errors
    /// See [`ReindexError`]; then the old index is as it was.
    pub async fn run(self, asked: Option<&str>, course: &Course<'_>) -> Result<ReindexReport, ReindexError> {
        let (site, began) = (self.site, Instant::now());
        let searched = Generations::model_searched(&index_dir(&site.config)).ok().flatten();
        let model = site.model_meant(asked, searched.as_deref())?;
        let embedder = load(&site.config, &model).await?;
        site.drop_strayed().await?;
        site.give_up_other(&model)?;
        site.clear_files();
        let begun = site.begin(embedder).await?;
        let (new, resumed) = (begun.index, begun.resumed);
        let done = build(&site.store, site.clock, &new, &course.counts(Stage::Indexing)).await?;
        site.generations().switch()?;
        drop(new);
        let dropped = site.generations().dropped();
        for number in dropped {
            site.remove(number).await;
        }
        Ok(ReindexReport::new(&model, done, resumed, began))
    }
}
