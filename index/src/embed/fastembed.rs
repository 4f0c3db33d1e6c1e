use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use fastembed::{
    InitOptionsUserDefined, OutputKey, Pooling, TextEmbedding, TextInitOptions, UserDefinedEmbeddingModel,
};

use lru::LruCache;

use super::hub::{find, prefixes, unknown};
use super::model_files::{Manifest, ModelFiles, unusable};
use super::{Embedder, ModelInfo, Pieces, QueryReading, runtime};
use crate::IndexError;
use crate::error::SETUP;

/// The most sessions, each of which holds the model's weights.
const MOST_SESSIONS: usize = 4;
/// Texts for which loading another session is worth its time.
const WORTH_A_SESSION: usize = 16;
/// Queries whose readings are kept: people page, sort and ask again. A reading of the longest takes some 15 kB.
const READINGS: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(999);
/// Longer queries, in bytes, are not kept.
const LONGEST_KEPT: usize = 200;
/// Threads of a session that has nothing to do sleep: spinning takes the processor from the other sessions.
pub(super) const NO_SPINNING: (&str, &str) = ("session.intra_op.allow_spinning", "0");
/// Tokens that a model from the hub reads, where its own settings do not say less.
const HUB_TOKENS: usize = 512;
/// The folder of the model that set-up installs.
const INSTALLED: &str = "all-MiniLM-L6-v2";
/// The vectors of its word pieces.
const PIECES: &str = "pieces.bin";
/// Where the graphs that set-up installs put a row for each piece of a text.
const LAST_LAYER: &OutputKey = &OutputKey::ByName("last_hidden_state");
/// The runtime library that set-up installs.
const LIBRARY: &str = "libonnxruntime.so";

/// Which model to load, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingSettings {
    /// Where set-up puts models and the ONNX Runtime library; models from the hub are kept there too.
    pub models_dir: PathBuf,
    /// The ONNX Runtime library, 1.24 or newer; none for the one in `models_dir`.
    pub runtime_library: Option<PathBuf>,
    /// `all-MiniLM-L6-v2` (8-bit weights), `all-MiniLM-L6-v2-fp32`, or a model of the hub that
    /// fastembed knows, such as `BAAI/bge-small-en-v1.5`.
    pub model: String,
    /// Threads of the runtime; 0 for one a processor.
    pub threads: usize,
}

impl EmbeddingSettings {
    /// The library that is loaded.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.runtime_library.clone().unwrap_or_else(|| self.models_dir.join(LIBRARY))
    }

    /// The folder of the installed model.
    #[must_use]
    pub fn installed_model(&self) -> PathBuf {
        self.models_dir.join(INSTALLED)
    }
}

/// A sentence embedding model on the processor, through fastembed and ONNX Runtime.
///
/// Each text has a run of its own: with 8-bit weights the runtime scales a whole batch by its largest
/// value, so that a text's vector would depend on its neighbours, and padding costs more than batching
/// saves. Many texts are shared out over several sessions of few threads each, which keep the processors
/// busier than one session of many.
pub struct FastEmbedder {
    model: ModelInfo,
    settings: EmbeddingSettings,
    prefixes: (&'static str, &'static str),
    pieces: Option<Pieces>,
    /// The first is loaded at once, the others when there are many texts.
    sessions: Vec<Mutex<Option<TextEmbedding>>>,
    /// Half as many, loaded when queries come while passages are being embedded, which take the others for long. A query
    /// takes a small part of a search, so that searches seldom wait for one another here.
    spares: Vec<Mutex<Option<TextEmbedding>>>,
    /// Which of these the next query waits for that finds none free.
    turn: AtomicUsize,
    /// What was made of the last queries.
    readings: Mutex<LruCache<String, QueryReading>>,
}

impl FastEmbedder {
    /// Loads the runtime library and the model. Blocks, up to a second; a model of the hub that was
    /// never used before is fetched first.
    ///
    /// # Errors
    /// [`IndexError::ModelMissing`], [`IndexError::ModelUnusable`] or [`IndexError::UnknownModel`].
    pub fn load(settings: &EmbeddingSettings) -> Result<Self, IndexError> {
        let threads = match settings.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let count = threads.min(MOST_SESSIONS);
        let settings = EmbeddingSettings { threads: threads / count, ..settings.clone() };
        let Loaded { session: first, model, pieces } = load(&settings)?;
        let others = (1..count).map(|_| Mutex::new(None));
        let sessions = std::iter::once(Mutex::new(Some(first))).chain(others).collect();
        let prefixes = prefixes(&settings.model);
        let spares = (0..count.div_ceil(2)).map(|_| Mutex::new(None)).collect();
        let (turn, readings) = (AtomicUsize::new(0), Mutex::new(LruCache::new(READINGS)));
        Ok(Self { model, settings, prefixes, pieces, sessions, spares, turn, readings })
    }

    /// One run of the model in a session, which is loaded when it is not.
    fn run(&self, session: &mut Option<TextEmbedding>, text: String) -> Result<Vec<f32>, IndexError> {
        embed(self.loaded(session)?, text, self.model.dimension)
    }

    fn readings(&self) -> MutexGuard<'_, LruCache<String, QueryReading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, text: &str) -> Option<QueryReading> {
        self.readings().get(text).cloned()
    }

    fn loaded<'s>(&self, session: &'s mut Option<TextEmbedding>) -> Result<&'s mut TextEmbedding, IndexError> {
        Ok(match session {
            Some(session) => session,
            None => session.insert(load_session(&self.settings)?),
        })
    }

    /// Works in the first session that is free, for a query must not wait for passages.
    fn at_once<T>(
        &self,
        work: impl FnOnce(&mut Option<TextEmbedding>) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        for session in self.sessions.iter().chain(&self.spares) {
            match session.try_lock() {
                Ok(mut session) => return work(&mut session),
                Err(TryLockError::Poisoned(session)) => return work(&mut session.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.spares.len().max(1);
        let Some(session) = self.spares.get(turn) else { return Err(failed("there is no session")) };
        work(&mut session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Embeds texts in one session, taking the next of all as long as there is one.
    fn work(
        &self,
        session: &Mutex<Option<TextEmbedding>>,
        texts: &[(usize, &String)],
        next: &AtomicUsize,
    ) -> Result<Vec<(usize, Vec<f32>)>, IndexError> {
        let mut embedded = Vec::new();
        loop {
            let Some((at, text)) = texts.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(embedded) };
            // For one text at a time: whoever has few to embed is not to wait for all of these.
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            let vector = self.run(&mut session, format!("{}{text}", self.prefixes.0))?;
            embedded.push((*at, vector));
        }
    }
}

impl Embedder for FastEmbedder {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
        let _call = runtime::call();
        if texts.len() <= WORTH_A_SESSION {
            // Few texts are an answer's, which is waited for as a query is.
            let one = |text: &String| self.at_once(|session| self.run(session, format!("{}{text}", self.prefixes.0)));
            return texts.iter().map(one).collect();
        }
        let next = AtomicUsize::new(0);
        let workers = texts.len().div_ceil(WORTH_A_SESSION);
        // The longest first, so that at the end no session waits for another's long text.
        let mut ordered: Vec<(usize, &String)> = texts.iter().enumerate().collect();
        ordered.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        let (ordered, next) = (ordered.as_slice(), &next);
        let parts: Result<Vec<_>, IndexError> = std::thread::scope(|scope| {
            let sessions = self.sessions.iter().take(workers);
            let running: Vec<_> = sessions.map(|session| scope.spawn(|| self.work(session, ordered, next))).collect();
            running
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| Err(failed("a thread panicked"))))
                .collect()
        });
        let mut embedded: Vec<(usize, Vec<f32>)> = parts?.into_iter().flatten().collect();
        embedded.sort_unstable_by_key(|(at, _)| *at);
        Ok(embedded.into_iter().map(|(_, vector)| vector).collect())
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, IndexError> {
        if let Some(known) = self.known(text) {
            return Ok(known.vector);
        }
        let _call = runtime::call();
        self.at_once(|session| self.run(session, format!("{}{text}", self.prefixes.1)))
    }

    fn pieces(&self) -> Option<&Pieces> {
        self.pieces.as_ref()
    }

    fn read_query(&self, text: &str) -> Result<QueryReading, IndexError> {
        if let Some(known) = self.known(text) {
            return Ok(known);
        }
        let _call = runtime::call();
        let reading = match &self.pieces {
            Some(pieces) => self.at_once(|session| read(self.loaded(session)?, text, self.model.dimension, pieces))?,
            None => {
                let vector = self.embed_query(text)?;
                QueryReading { first: vector.clone(), vector, pieces: Vec::new() }
            }
        };
        if text.len() <= LONGEST_KEPT {
            self.readings().put(text.to_owned(), reading.clone());
        }
        Ok(reading)
    }
}

/// One run of the model over a query: its vector is the mean of the rows of its pieces, as [`Pooling::Mean`] makes it.
fn read(
    session: &mut TextEmbedding,
    text: &str,
    dimension: usize,
    pieces: &Pieces,
) -> Result<QueryReading, IndexError> {
    let ids = session.tokenizer.encode_fast(text, true).map_err(failed)?.get_ids().to_vec();
    let run = catch_unwind(AssertUnwindSafe(|| session.transform([text], Some(1))));
    let output = run.map_err(|_| failed("the runtime panicked"))?.map_err(failed)?;
    let rows = output.export_with_transformer(|batches| {
        let batch = batches.first().map(|batch| batch.select_output(&LAST_LAYER)).transpose()?;
        Ok(batch.map(|rows| rows.iter().copied().collect::<Vec<f32>>()))
    });
    let rows = rows.map_err(failed)?.unwrap_or_default();
    if rows.len() != ids.len() * dimension || rows.iter().any(|x| !x.is_finite()) {
        return Err(failed(format!("the model gave something else than {} rows of {dimension} numbers", ids.len())));
    }
    let mut vector = vec![0.0_f32; dimension];
    for row in rows.chunks_exact(dimension) {
        vector.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    // Before the first piece stands the mark that begins a text.
    let mut first = rows.chunks_exact(dimension).take(2).next_back().map_or_else(|| vector.clone(), <[f32]>::to_vec);
    bring_to_length_1(&mut vector);
    bring_to_length_1(&mut first);
    Ok(QueryReading { vector, first, pieces: pieces.of_query(&ids, &rows) })
}

fn bring_to_length_1(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|x| *x /= length);
}

/// One run of the model over one text.
fn embed(session: &mut TextEmbedding, text: String, dimension: usize) -> Result<Vec<f32>, IndexError> {
    let run = catch_unwind(AssertUnwindSafe(|| session.embed([text], Some(1))));
    let vectors = run.map_err(|_| failed("the runtime panicked"))?.map_err(failed)?;
    let vector =
        vectors.into_iter().next().filter(|vector| vector.len() == dimension && vector.iter().all(|x| x.is_finite()));
    vector.ok_or_else(|| failed(format!("the model gave something else than a vector of {dimension} numbers")))
}

fn failed(reason: impl std::fmt::Display) -> IndexError {
    IndexError::Embedding { reason: reason.to_string() }
}

/// A model that is ready.
struct Loaded {
    session: TextEmbedding,
    model: ModelInfo,
    pieces: Option<Pieces>,
}

fn load(settings: &EmbeddingSettings) -> Result<Loaded, IndexError> {
    let _call = runtime::call();
    match graph_of(&settings.model) {
        Some(graph) => installed(settings, graph),
        None => from_hub(settings, &settings.model),
    }
}

/// One more session of a model that was loaded before.
fn load_session(settings: &EmbeddingSettings) -> Result<TextEmbedding, IndexError> {
    let _call = runtime::call();
    match graph_of(&settings.model) {
        Some(graph) => installed_session(settings, &Manifest::read(&settings.models_dir, INSTALLED)?, graph),
        None => Ok(from_hub(settings, &settings.model)?.session),
    }
}

/// The graph of a model that set-up installs.
fn graph_of(model: &str) -> Option<&'static str> {
    match model {
        INSTALLED => Some("model_int8.onnx"),
        "all-MiniLM-L6-v2-fp32" => Some("model.onnx"),
        _ => None,
    }
}

fn installed(settings: &EmbeddingSettings, graph: &str) -> Result<Loaded, IndexError> {
    let models = &settings.models_dir;
    let library = settings.library();
    if !library.is_file() {
        return Err(IndexError::ModelMissing { path: library, remedy: SETUP });
    }
    let manifest = Manifest::read(models, INSTALLED)?;
    if settings.runtime_library.is_none() {
        manifest.verify(models, LIBRARY)?;
    }
    let session = installed_session(settings, &manifest, graph)?;
    let table = manifest.verified(models, &format!("{INSTALLED}/{PIECES}"))?;
    let pieces = Pieces::read(&table, session.tokenizer.clone());
    let pieces = pieces.map_err(|reason| unusable(&settings.installed_model().join(PIECES), reason))?;
    let (dimension, max_tokens) = (manifest.dimension, manifest.max_length);
    let model = ModelInfo { name: settings.model.clone(), dimension, max_tokens };
    Ok(Loaded { session, model, pieces: Some(pieces) })
}

fn installed_session(
    settings: &EmbeddingSettings,
    manifest: &Manifest,
    graph: &str,
) -> Result<TextEmbedding, IndexError> {
    let environment = runtime::environment(&settings.library())?;
    let files = ModelFiles::read(manifest, &settings.models_dir, INSTALLED, graph)?;
    let path = settings.installed_model().join(graph);
    let mut options = InitOptionsUserDefined::new()
        .with_max_length(manifest.max_length)
        .with_environment(environment)
        .with_session_config(NO_SPINNING.0, NO_SPINNING.1);
    options.intra_threads = (settings.threads > 0).then_some(settings.threads);
    let model = UserDefinedEmbeddingModel::new(files.graph, files.tokenizer).with_pooling(Pooling::Mean);
    let loaded = catch_unwind(AssertUnwindSafe(|| TextEmbedding::try_new_from_user_defined(model, options)));
    match loaded {
        Ok(session) => session.map_err(|error| unusable(&path, error.to_string())),
        Err(_) => Err(unusable(&path, "the runtime panicked while loading it".to_owned())),
    }
}

fn from_hub(settings: &EmbeddingSettings, name: &str) -> Result<Loaded, IndexError> {
    let known = TextEmbedding::list_supported_models();
    let found = find(&known, name).ok_or_else(|| unknown(&known, name))?;
    let environment = runtime::environment(&settings.library())?;
    let mut options = TextInitOptions::new(found.model.clone())
        .with_cache_dir(settings.models_dir.clone())
        .with_show_download_progress(false)
        .with_max_length(HUB_TOKENS)
        .with_environment(environment)
        .with_session_config(NO_SPINNING.0, NO_SPINNING.1);
    options.intra_threads = (settings.threads > 0).then_some(settings.threads);
    let failed = |reason: String| IndexError::ModelUnusable {
        path: settings.models_dir.join(name),
        reason,
        remedy: "check that the hub can be reached, or set embedding.model to all-MiniLM-L6-v2, which `make setup` installs",
    };
    let loaded = catch_unwind(AssertUnwindSafe(|| TextEmbedding::try_new(options)));
    let session = loaded.map_err(|_| failed("the runtime panicked while loading it".to_owned()))?;
    let session = session.map_err(|error| failed(error.to_string()))?;
    let model = ModelInfo { name: name.to_owned(), dimension: found.dim, max_tokens: HUB_TOKENS };
    Ok(Loaded { session, model, pieces: None })
}

#[cfg(test)]
#[path = "fastembed_tests.rs"]
pub(super) mod tests;
