use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::index::{Embedder, Generations, IndexError};

use super::super::generation::{delete_elsewhere, is_elsewhere, open_generation, place_of_vectors};
use super::{Begun, UnderWay, WorkState};
use crate::clock::Clock;
use crate::config::Config;
use crate::library::LibraryError;
use crate::store::Store;

/// How often, and after which pauses, files are tried to be deleted that something still has open: a call to the vector
/// store that was given up goes on to its end.
const TRIES: u32 = 60;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// Where a new index is built: the folder with the generations, and the store that they follow.
pub(in crate::app) struct Site {
    pub(in crate::app) config: Arc<Config>,
    pub(in crate::app) clock: Clock,
    pub(in crate::app) store: Store,
    generations: Mutex<Generations>,
}

impl Site {
    pub(in crate::app) fn new(config: Arc<Config>, clock: Clock, store: Store, generations: Generations) -> Self {
        Self { config, clock, store, generations: Mutex::new(generations) }
    }

    pub(in crate::app) fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model that is meant: the one that was asked for, else the one that is set, being built, or searched by.
    pub(super) fn model_meant(
        &self,
        asked: Option<&str>,
        searched: Option<&str>,
    ) -> Result<String, super::ReindexError> {
        if let Some(asked) = asked {
            super::check_model_is_free(&self.config, asked)?;
            return Ok(asked.to_owned());
        }
        if let Some((set, _)) = self.config.model_set()? {
            return Ok(set);
        }
        let building = self.generations().building().map(|building| building.model.clone());
        let meant = building.or_else(|| searched.map(str::to_owned));
        Ok(meant.unwrap_or_else(|| self.config.settings.embedding.model.clone()))
    }

    /// Gives up what is being built with another model, or elsewhere, so that its room is free for the new one. Its number,
    /// to be removed.
    pub(super) fn give_up_other(&self, model: &str) -> Result<Option<u64>, IndexError> {
        let place = place_of_vectors(&self.config);
        let mut generations = self.generations();
        let other = generations.building().filter(|building| (&*building.model, &building.vectors) != (model, &place));
        let other = other.map(|building| building.number);
        if other.is_some() {
            generations.abandon()?;
        }
        Ok(other)
    }

    /// Opens the generation that is being built with this model, or a new one.
    pub(super) async fn begin(&self, embedder: Arc<dyn Embedder>) -> Result<Begun, IndexError> {
        let (number, index) = self.open(&embedder)?;
        let resumed = index.watermark() > 0;
        if !resumed {
            // Of this name there may be vectors of an index that was deleted by hand.
            delete_elsewhere(&self.config, number).await?;
        }
        Ok(Begun { index, resumed })
    }

    fn open(&self, embedder: &Arc<dyn Embedder>) -> Result<(u64, ::index::HybridIndex), IndexError> {
        let (place, model) = (place_of_vectors(&self.config), &embedder.model().name);
        let mut generations = self.generations();
        generations.check_room()?;
        let number = generations.begin(model, &place)?;
        match open_generation(&self.config, &generations, number, Some(Arc::clone(embedder))) {
            Err(fault @ (IndexError::Corrupt { .. } | IndexError::ModelChanged { .. })) => {
                tracing::warn!(%fault, "the index that was being built cannot be gone on with; it is begun anew");
                generations.abandon()?;
                let number = generations.begin(model, &place)?;
                Ok((number, open_generation(&self.config, &generations, number, Some(Arc::clone(embedder)))?))
            }
            opened => Ok((number, opened?)),
        }
    }

    /// Gives up a generation that is being built and does not follow this library, or is ahead of it: the library was put
    /// back from a copy. To be called before the store is written, since its revision may pass that generation's.
    pub(in crate::app) async fn drop_strayed(&self) -> Result<(), LibraryError> {
        if self.generations().building().is_none() {
            return Ok(());
        }
        let id = self.store.library_id(&self.clock.new_id().to_string()).await?;
        let revision = self.store.revision().await?;
        let mut generations = self.generations();
        let strayed = match generations.reached() {
            Ok(reached) => reached.is_some_and(|(library, watermark)| {
                watermark > revision || library.is_some_and(|library| library != id)
            }),
            Err(fault) => {
                tracing::warn!(%fault, "the index that was being built cannot be read");
                true
            }
        };
        if strayed {
            tracing::warn!("the index that was being built is not of this library, or damaged; it is given up");
            generations.abandon()?;
        }
        Ok(())
    }

    /// Deletes the files of what is of no use any more, when nobody can have them open. What is left takes room for
    /// nothing, and the log says so.
    pub(in crate::app) fn clear_files(&self) {
        let mut generations = self.generations();
        for number in generations.dropped() {
            let cleared = Generations::delete(&generations.folder(number), number);
            let cleared = cleared.and_then(|()| match is_elsewhere(&self.config) {
                true => Ok(()),
                false => generations.forget(number),
            });
            if let Err(fault) = cleared {
                tracing::warn!(%fault, "an old index cannot be deleted, and takes room for nothing");
            }
        }
    }

    /// Deletes all that is left of a generation that was dropped.
    pub(super) async fn remove(&self, number: u64) {
        if let Err(fault) = self.try_to_remove(number).await {
            tracing::warn!(%fault, "an old index cannot be deleted; it is tried again at the next start");
        }
    }

    async fn try_to_remove(&self, number: u64) -> Result<(), IndexError> {
        let folder = self.generations().folder(number);
        let mut tries = 0;
        loop {
            tries += 1;
            let folder = folder.clone();
            let deleted = tokio::task::spawn_blocking(move || Generations::delete(&folder, number)).await;
            match deleted.unwrap_or_else(|stopped| Err(IndexError::Internal { reason: stopped.to_string() })) {
                Err(IndexError::Busy { .. }) if tries < TRIES => tokio::time::sleep(BETWEEN_TRIES).await,
                deleted => {
                    deleted?;
                    break;
                }
            }
        }
        delete_elsewhere(&self.config, number).await?;
        self.generations().forget(number)
    }

    /// How far a build is that nobody works at.
    pub(in crate::app) async fn interrupted(&self) -> Result<Option<UnderWay>, LibraryError> {
        let (model, watermark) = {
            let generations = self.generations();
            let Some(building) = generations.building() else { return Ok(None) };
            // One that cannot be read is begun anew.
            (building.model.clone(), generations.reached().ok().flatten().map_or(0, |(_, watermark)| watermark))
        };
        let (total, left) = (self.store.count_changes(0).await?, self.store.count_changes(watermark).await?);
        Ok(Some(UnderWay { model, done: total.saturating_sub(left), total, state: WorkState::Interrupted }))
    }
}
