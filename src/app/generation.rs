//! A generation of the index, opened with the model and the vectors that belong to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use index::{
    EdgeStore, Embedder, EmbeddingSettings, FastEmbedder, Generations, HybridIndex, IndexError, IndexSettings,
    QdrantSettings, QdrantStore, Reranker, RerankerSettings, VectorStore,
};

use super::traced::Traced;
use crate::config::{Config, Dense, optional, optional_secret};

/// Where the index is, with all its generations.
#[must_use]
pub fn index_dir(config: &Config) -> PathBuf {
    config.home.join("index")
}

/// The configuration with the model that the index in the home folder was made with, unless the operator has named
/// one: so `reindex --model` holds for the commands after it.
#[must_use]
pub fn with_model_of_index(config: Config) -> Config {
    let dir = index_dir(&config);
    match Generations::model_searched(&dir) {
        Ok(Some(model)) => config.with_model_of_index(&model, &dir),
        // One that cannot be read is told of when it is opened.
        Ok(None) | Err(_) => config,
    }
}

/// Loads the embedding model that is configured.
///
/// # Errors
/// When it is not installed or cannot be used.
pub fn load_embedder(config: &Config) -> Result<Arc<dyn Embedder>, IndexError> {
    load_named(config, &config.settings.embedding.model)
}

/// Loads an embedding model. Blocks, up to a second for one that is installed.
pub(super) fn load_named(config: &Config, model: &str) -> Result<Arc<dyn Embedder>, IndexError> {
    Ok(Arc::new(Traced(Arc::new(FastEmbedder::load(&embedding_settings(config, model))?))))
}

/// The reranker that is configured, which is loaded when it is first asked; none where none is.
#[must_use]
pub fn reranker(config: &Config) -> Option<Arc<Reranker>> {
    let model = optional(&config.settings.search.reranker)?.to_owned();
    let embedding = embedding_settings(config, &config.settings.embedding.model);
    let (library, threads) = (embedding.library(), embedding.threads);
    let settings = RerankerSettings { models_dir: embedding.models_dir, library, model, threads };
    Some(Arc::new(Reranker::new(settings)))
}

fn embedding_settings(config: &Config, model: &str) -> EmbeddingSettings {
    let embedding = &config.settings.embedding;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    EmbeddingSettings {
        models_dir: config.models_dir(),
        runtime_library: optional(&embedding.runtime_library).map(PathBuf::from),
        model: model.to_owned(),
        threads: if embedding.threads == 0 { cores } else { embedding.threads },
    }
}

/// Opens a generation; with the model, whose vectors it has or will have. Blocks for some milliseconds.
pub(super) fn open_generation(
    config: &Config,
    generations: &Generations,
    number: u64,
    embedder: Option<Arc<dyn Embedder>>,
) -> Result<HybridIndex, IndexError> {
    let settings = IndexSettings { dir: generations.folder(number) };
    settings.check_format()?;
    let vectors: Option<Arc<dyn VectorStore>> = match (&embedder, config.settings.index.dense) {
        (None, _) => None,
        (Some(embedder), Dense::Edge) => {
            // One that is being built is not searched.
            let building = generations.building().is_some_and(|building| building.number == number);
            let open = if building { EdgeStore::open_to_fill } else { EdgeStore::open };
            Some(Arc::new(open(&settings.dense_dir(), embedder.model().dimension)?))
        }
        (Some(embedder), Dense::Qdrant) => {
            Some(Arc::new(QdrantStore::new(qdrant_settings(config, number), embedder.model().dimension)?))
        }
    };
    HybridIndex::open(settings, vectors, embedder)
}

/// Where vectors are kept, in words that differ when the place does.
pub(super) fn place_of_vectors(config: &Config) -> String {
    let qdrant = &config.settings.qdrant;
    match config.settings.index.dense {
        Dense::Edge => "edge".to_owned(),
        Dense::Qdrant => format!("qdrant {} {}", qdrant.url, qdrant.collection),
    }
}

/// Whether a generation leaves something outside its folder.
pub(super) fn is_elsewhere(config: &Config) -> bool {
    config.settings.index.dense == Dense::Qdrant
}

/// Deletes what a generation has outside its folder.
pub(super) async fn delete_elsewhere(config: &Config, number: u64) -> Result<(), IndexError> {
    match config.settings.index.dense {
        Dense::Edge => Ok(()),
        Dense::Qdrant => QdrantStore::destroy(&qdrant_settings(config, number)).await,
    }
}

/// Each generation has a collection of its own; generation 0 is one of an earlier version, which had one in all.
fn qdrant_settings(config: &Config, number: u64) -> QdrantSettings {
    let qdrant = &config.settings.qdrant;
    let collection = match number {
        0 => qdrant.collection.clone(),
        number => format!("{}-{number}", qdrant.collection),
    };
    QdrantSettings {
        url: qdrant.url.clone(),
        api_key: optional_secret(&qdrant.api_key).map(|key| secrecy::ExposeSecret::expose_secret(&key).to_owned()),
        collection,
        timeout: Duration::from_secs(30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn every_generation_has_a_collection_of_its_own_and_an_old_index_keeps_the_one_it_has() {
        let home = tempfile::tempdir().unwrap();
        let config = Config::load(Some(home.path()), None, &Environment::of(&[]), &[]).unwrap();
        let names = [0, 1, 12].map(|number| qdrant_settings(&config, number).collection);
        assert_eq!(names, ["lectern", "lectern-1", "lectern-12"]);
    }

    #[test]
    fn the_place_of_vectors_is_another_one_with_every_setting_that_moves_them() {
        let home = tempfile::tempdir().unwrap();
        let place = |flags: &[(&str, String, &str)]| {
            place_of_vectors(&Config::load(Some(home.path()), None, &Environment::of(&[]), flags).unwrap())
        };
        let qdrant = ("index.dense", "qdrant".to_owned(), "");
        let places = [
            place(&[]),
            place(std::slice::from_ref(&qdrant)),
            place(&[qdrant.clone(), ("qdrant.collection", "mine".to_owned(), "")]),
            place(&[qdrant, ("qdrant.url", "http://q:6334".to_owned(), "")]),
        ];
        let expected = [
            "edge",
            "qdrant http://127.0.0.1:6334 lectern",
            "qdrant http://127.0.0.1:6334 mine",
            "qdrant http://q:6334 lectern",
        ];
        assert_eq!(places, expected);
    }
}
