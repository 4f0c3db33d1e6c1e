use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fastembed::{
    RerankInitOptions, RerankInitOptionsUserDefined, RerankerModel, TextRerank, TokenizerFiles,
    UserDefinedRerankingModel,
};

use super::fastembed::NO_SPINNING;
use super::runtime;
use crate::IndexError;

/// Tokens of query and passage together that are read.
const MAX_TOKENS: usize = 512;
/// The graph in the folder of a model, as its authors publish it.
const GRAPH: &str = "model.onnx";
const REMEDY: &str = "name a model of the hub that can be reached, or the folder of one below `embedding.dir` with model.onnx, \
                      tokenizer.json, config.json, special_tokens_map.json and tokenizer_config.json; or unset `search.reranker`";

/// Which reranker to load, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerankerSettings {
    /// Where models are kept.
    pub models_dir: PathBuf,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// A model of the hub that fastembed knows, such as `BAAI/bge-reranker-base`, or the name of a folder in
    /// `models_dir`.
    pub model: String,
    /// Threads of the runtime.
    pub threads: usize,
}

/// A cross-encoder: a model that reads a query and a passage together and says how well the one answers the other.
///
/// It knows more than two vectors do, and takes as long for each passage as embedding it. It is loaded when it is first
/// asked, since most commands never ask it; when that fails it is not tried again.
pub struct Reranker {
    settings: RerankerSettings,
    session: Mutex<Option<Result<TextRerank, String>>>,
}

impl Reranker {
    /// One that is not loaded yet.
    #[must_use]
    pub fn new(settings: RerankerSettings) -> Self {
        Self { settings, session: Mutex::default() }
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.model
    }

    /// How well each passage answers the query, in the model's own scale, the more the better. Blocks; a model of the hub
    /// that was never used before is fetched first.
    ///
    /// # Errors
    /// [`IndexError::Embedding`] when the model cannot be loaded or the runtime fails.
    pub fn scores(&self, query: &str, passages: &[String]) -> Result<Vec<f32>, IndexError> {
        let failed = |reason: String| IndexError::Embedding { reason };
        let _call = runtime::call();
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let session = session.get_or_insert_with(|| load(&self.settings).map_err(|error| error.to_string()));
        let session = session.as_mut().map_err(|reason| failed(reason.clone()))?;
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        // One at a time: padding costs what batching saves.
        let run = catch_unwind(AssertUnwindSafe(|| session.rerank(query, passages.as_slice(), false, Some(1))));
        let ranked = run.map_err(|_| failed("the reranker panicked".to_owned()))?;
        let ranked = ranked.map_err(|error| failed(error.to_string()))?;
        let mut scores = vec![f32::NEG_INFINITY; passages.len()];
        for result in ranked {
            scores.get_mut(result.index).into_iter().for_each(|score| *score = result.score);
        }
        if scores.iter().all(|score| score.is_finite()) {
            Ok(scores)
        } else {
            Err(failed("the reranker gave something else than a number for each passage".to_owned()))
        }
    }
}

fn load(settings: &RerankerSettings) -> Result<TextRerank, IndexError> {
    let folder = settings.models_dir.join(&settings.model);
    let is_below = Path::new(&settings.model).components().all(|part| matches!(part, Component::Normal(_)));
    let is_there = is_below && folder.join(GRAPH).is_file();
    let load = || if is_there { from_folder(settings, &folder) } else { from_hub(settings) };
    let loaded = catch_unwind(AssertUnwindSafe(load));
    loaded.unwrap_or_else(|_| Err(unusable(&folder, "the runtime panicked while loading it")))
}

fn from_folder(settings: &RerankerSettings, folder: &Path) -> Result<TextRerank, IndexError> {
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| unusable(&folder.join(name), error));
    let tokenizer = TokenizerFiles {
        tokenizer_file: read("tokenizer.json")?,
        config_file: read("config.json")?,
        special_tokens_map_file: read("special_tokens_map.json")?,
        tokenizer_config_file: read("tokenizer_config.json")?,
    };
    let mut options = RerankInitOptionsUserDefined::new()
        .with_environment(runtime::environment(&settings.library)?)
        .with_max_length(MAX_TOKENS)
        .with_session_config(NO_SPINNING.0, NO_SPINNING.1);
    options.intra_threads = Some(settings.threads);
    let model = UserDefinedRerankingModel::new(folder.join(GRAPH), tokenizer);
    TextRerank::try_new_from_user_defined(model, options).map_err(|error| unusable(folder, error))
}

fn from_hub(settings: &RerankerSettings) -> Result<TextRerank, IndexError> {
    let path = settings.models_dir.join(&settings.model);
    let model: RerankerModel = settings.model.parse().map_err(|_| {
        let known = TextRerank::list_supported_models().into_iter().map(|model| model.model_code);
        let known = known.collect::<Vec<_>>().join(", ");
        unusable(&path, format!("there is no {GRAPH} in this folder, and the hub's rerankers are {known}"))
    })?;
    let mut options = RerankInitOptions::new(model)
        .with_cache_dir(settings.models_dir.clone())
        .with_show_download_progress(false)
        .with_max_length(MAX_TOKENS)
        .with_environment(runtime::environment(&settings.library)?)
        .with_session_config(NO_SPINNING.0, NO_SPINNING.1);
    options.intra_threads = Some(settings.threads);
    TextRerank::try_new(options).map_err(|error| unusable(&path, error))
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> IndexError {
    IndexError::ModelUnusable { path: path.to_owned(), reason: reason.to_string(), remedy: REMEDY }
}

#[cfg(test)]
#[path = "reranker_tests.rs"]
pub(super) mod tests;
