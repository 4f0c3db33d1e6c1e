use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use paper::PaperId;
use qdrant_edge::{
    CountRequest, CreateIndex, DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard,
    EdgeVectorParamsBuilder, FieldIndexOperations, IntegerIndexParams, KeywordIndexParams, NamedQuery, OperationError,
    PayloadFieldSchema, PayloadSchemaParams, PointId, PointInsertOperations, PointOperations, QuantizationSearchParams,
    QueryEnum, Record, ScalarQuantizationConfig, ScalarType, SearchParams, SearchRequest, UpdateOperation,
    VectorInternal, VectorStorageDatatype, VectorStructInternal, WalOptions, WithPayloadInterface, WithVector,
};

use super::edge_files::{check_room, closed_log, lock, prune_log, remove_files, remove_unfinished};
use super::edge_filter;
use super::{VectorPoint, VectorStore};
use crate::filter::Conditions;
use crate::threads::in_background;
use crate::{IndexError, PassageId};

/// What Edge says when the disk has too little room for another segment; it has no kind of its own for it.
const NO_ROOM: &str = "Not enough space available";

/// What tests set lower.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes that must be free on the disk before anything is written. Edge maps its files into
    /// memory, where a full disk is no error that could be caught but kills the process.
    room: u64,
    /// With this many vectors outside the HNSW graph, and a tenth as many as inside it, they are put in: one after the
    /// other they are searched in full.
    unindexed: usize,
    /// Bytes of a file of the write-ahead log, all of which is read when it is opened.
    log_file: usize,
    /// Closed files of that log after which a store that is being filled drops those that are of no use.
    log_files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { room: 256 * 1024 * 1024, unindexed: 10_000, log_file: 4 * 1024 * 1024, log_files: 64 }
    }
}

/// Vectors in a folder of one's own machine: Qdrant's engine inside this process, no server.
///
/// One process at a time can have it open. Small stores are searched exactly; from some thousand
/// vectors on [`VectorStore::optimize`] builds an HNSW graph, which a flush also does by itself when
/// many vectors have come in since.
pub struct EdgeStore {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    dimension: usize,
    limits: Limits,
    /// None only after a failure to reopen it, or while it is being replaced.
    shard: RwLock<Option<EdgeShard>>,
    /// Held for every write: Edge's flush panics when it meets another writer.
    writing: Mutex<()>,
    /// Whether nobody searches it yet, so that it needs no graph.
    filling: AtomicBool,
    _lock: File,
}

impl EdgeStore {
    /// Opens the store in `dir`, which is made when it is not there, for vectors of `dimension`
    /// numbers. Blocks.
    ///
    /// # Errors
    /// [`IndexError::Busy`] when another process has it open, [`IndexError::Corrupt`] when it cannot
    /// be read or holds vectors of another dimension, [`IndexError::Disk`] when the disk is full.
    pub fn open(dir: &Path, dimension: usize) -> Result<Self, IndexError> {
        Self::open_with(dir, dimension, Limits::default(), false)
    }

    /// The same for a store that is filled before anybody searches it: it gets its graph from [`VectorStore::optimize`]
    /// alone, once, and is as any other from then on. Building it again and again as it grows takes some eleven times as
    /// long.
    ///
    /// # Errors
    /// As [`EdgeStore::open`].
    pub fn open_to_fill(dir: &Path, dimension: usize) -> Result<Self, IndexError> {
        Self::open_with(dir, dimension, Limits::default(), true)
    }

    fn open_with(dir: &Path, dimension: usize, limits: Limits, filling: bool) -> Result<Self, IndexError> {
        std::fs::create_dir_all(dir).map_err(|error| IndexError::disk(dir, error))?;
        let lock = lock(dir)?;
        check_room(dir, limits.room)?;
        remove_unfinished(dir).map_err(|error| IndexError::disk(dir, error))?;
        let shard = open_shard(dir, dimension, limits)?;
        let (shard, writing, filling) = (RwLock::new(Some(shard)), Mutex::new(()), AtomicBool::new(filling));
        let inner = Inner { dir: dir.to_owned(), dimension, limits, shard, writing, filling, _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Writes on a blocking thread. Edge panics where other code gives an error, on a failed flush for
    /// one, and that must not take the process with it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        let inner = Arc::clone(&self.inner);
        let dir = inner.dir.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(IndexError::disk(&dir, format!("the vector store stopped: {error}"))))
    }
}

impl EdgeStore {
    /// Reads on the thread of the caller.
    fn read<T>(&self, work: impl FnOnce(&Inner) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let done = catch_unwind(AssertUnwindSafe(|| work(&self.inner)));
        done.unwrap_or_else(|_| Err(IndexError::disk(&self.inner.dir, "the vector store panicked")))
    }
}

impl Inner {
    fn read<T>(&self, work: impl FnOnce(&EdgeShard) -> Result<T, OperationError>) -> Result<T, IndexError> {
        let guard = self.shard.read().unwrap_or_else(PoisonError::into_inner);
        let shard = guard.as_ref().ok_or_else(|| IndexError::corrupt(&self.dir, "it could not be opened again"))?;
        work(shard).map_err(|error| match error.to_string() {
            told if told.contains(NO_ROOM) => IndexError::disk(&self.dir, told),
            told => IndexError::internal(format!("vector store: {told}")),
        })
    }

    fn write<T>(&self, work: impl FnOnce(&EdgeShard) -> Result<T, OperationError>) -> Result<T, IndexError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        check_room(&self.dir, self.limits.room)?;
        self.read(work)
    }

    fn update(&self, operation: PointOperations) -> Result<(), IndexError> {
        self.write(|shard| shard.update(UpdateOperation::PointOperation(operation)))
    }

    fn optimize(&self) -> Result<(), IndexError> {
        self.write(|shard| {
            shard.optimize()?;
            index_fields(shard)?;
            shard.flush();
            Ok(())
        })
    }

    /// Searches wait meanwhile, so this is not for a thread that stands behind them.
    fn prune_log(&self) -> Result<(), IndexError> {
        self.reopen(|dir| prune_log(dir).map_err(|error| IndexError::disk(dir, error)))
    }

    /// Closes the shard, does something to its folder and opens it again.
    fn reopen(&self, between: impl FnOnce(&Path) -> Result<(), IndexError>) -> Result<(), IndexError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        close(guard.take(), &self.dir)?;
        between(&self.dir)?;
        *guard = Some(open_shard(&self.dir, self.dimension, self.limits)?);
        Ok(())
    }

    fn search(
        &self,
        vector: Vec<f32>,
        filter: Option<qdrant_edge::Filter>,
        k: usize,
        exact: bool,
    ) -> Result<Vec<(PassageId, f32)>, IndexError> {
        let found = self.read(|shard| {
            shard.search(SearchRequest {
                query: QueryEnum::Nearest(NamedQuery::default_dense(vector)),
                filter,
                params: Some(SearchParams { exact, quantization: Some(with_originals()), ..SearchParams::default() }),
                limit: k,
                offset: 0,
                with_payload: None,
                with_vector: None,
                score_threshold: None,
            })
        })?;
        Ok(found.into_iter().filter_map(|point| Some((passage(point.id)?, point.score))).collect())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let shard = self.shard.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Err(error) = close(shard, &self.dir) {
            // What was flushed before is safe, and the watermark knows of no more.
            tracing::warn!(%error, "the vector store was not closed cleanly");
        }
    }
}

#[async_trait]
impl VectorStore for EdgeStore {
    async fn upsert(&self, points: Vec<VectorPoint>) -> Result<(), IndexError> {
        super::check_dimension(&points, self.inner.dimension)?;
        if points.is_empty() {
            return Ok(());
        }
        let points = points.into_iter().map(|point| edge_filter::point(point).into()).collect();
        let operation = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
        self.run(|inner| inner.update(operation)).await
    }

    async fn delete_papers(&self, papers: &[PaperId], keep: &[PassageId]) -> Result<(), IndexError> {
        if papers.is_empty() {
            return Ok(());
        }
        let filter = edge_filter::papers_but(papers, keep)?;
        self.run(|inner| inner.update(PointOperations::DeletePointsByFilter(filter))).await
    }

    async fn search(
        &self,
        vector: &[f32],
        conditions: &Conditions,
        k: usize,
    ) -> Result<Vec<(PassageId, f32)>, IndexError> {
        if k == 0 {
            return Ok(Vec::new());
        }
        let (vector, filter) = (vector.to_vec(), edge_filter::filter(conditions)?);
        self.read(|inner| inner.search(vector, filter, k, false))
    }

    async fn score(&self, vector: &[f32], passages: &[PassageId]) -> Result<Vec<(PassageId, f32)>, IndexError> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let (vector, filter, k) = (vector.to_vec(), edge_filter::only(passages), passages.len());
        self.read(|inner| inner.search(vector, Some(filter), k, true))
    }

    async fn vectors(&self, passages: &[PassageId]) -> Result<Vec<(PassageId, Vec<f32>)>, IndexError> {
        let ids: Vec<PointId> = passages.iter().map(|passage| PointId::Uuid(passage.as_uuid())).collect();
        let records = self.read(|inner| {
            let (payload, vector) = (Some(WithPayloadInterface::Bool(false)), Some(WithVector::Bool(true)));
            inner.read(|shard| shard.retrieve(&ids, payload, vector))
        });
        Ok(records?.into_iter().filter_map(vector_of).collect())
    }

    async fn count(&self) -> Result<usize, IndexError> {
        self.run(|inner| inner.read(|shard| shard.count(CountRequest { filter: None, exact: true }))).await
    }

    async fn flush(&self) -> Result<(), IndexError> {
        let info = self.run(|inner| {
            inner.write(|shard| {
                shard.flush();
                Ok(shard.info())
            })
        });
        let info = info.await?;
        if self.inner.filling.load(Ordering::Relaxed) {
            return self.run(|inner| if has_long_log(inner)? { inner.prune_log() } else { Ok(()) }).await;
        }
        let unindexed = info.points_count.saturating_sub(info.indexed_vectors_count);
        if unindexed >= self.inner.limits.unindexed.max(info.indexed_vectors_count / 10) {
            self.optimize().await?;
        }
        Ok(())
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        let inner = Arc::clone(&self.inner);
        in_background(move || inner.optimize()).await?;
        self.run(Inner::prune_log).await?;
        self.inner.filling.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn clear(&self) -> Result<(), IndexError> {
        self.run(|inner| inner.reopen(|dir| remove_files(dir).map_err(|error| IndexError::disk(dir, error)))).await
    }
}

fn has_long_log(inner: &Inner) -> Result<bool, IndexError> {
    let closed = closed_log(&inner.dir).map_err(|error| IndexError::disk(&inner.dir, error))?;
    Ok(closed.len() > inner.limits.log_files)
}

/// What is found by vectors in eight bits is scored by the vectors themselves: scores are cosines.
fn with_originals() -> QuantizationSearchParams {
    QuantizationSearchParams { ignore: false, rescore: Some(true), oversampling: None }
}

fn passage(id: PointId) -> Option<PassageId> {
    match id {
        PointId::Uuid(uuid) => Some(uuid.into()),
        PointId::NumId(_) => None,
    }
}

fn vector_of(record: Record) -> Option<(PassageId, Vec<f32>)> {
    let id = passage(record.id)?;
    match record.vector? {
        VectorStructInternal::Single(vector) => Some((id, vector)),
        VectorStructInternal::Named(mut named) => match named.remove(DEFAULT_VECTOR_NAME)? {
            VectorInternal::Dense(vector) => Some((id, vector)),
            _ => None,
        },
        VectorStructInternal::MultiDense(_) => None,
    }
}

fn open_shard(dir: &Path, dimension: usize, limits: Limits) -> Result<EdgeShard, IndexError> {
    // A log that was cut off in the middle of a write can make Edge panic while it reads it.
    let opened = catch_unwind(AssertUnwindSafe(|| -> Result<EdgeShard, OperationError> {
        let config = config(dimension, limits.log_file);
        let exists = dir.join("segments").is_dir();
        let shard = if exists { EdgeShard::load(dir, Some(config))? } else { EdgeShard::new(dir, config)? };
        index_fields(&shard)?;
        Ok(shard)
    }));
    match opened {
        Ok(Ok(shard)) => Ok(shard),
        Ok(Err(error)) => Err(IndexError::corrupt(dir, error)),
        Err(_) => Err(IndexError::corrupt(dir, "its log cannot be read")),
    }
}

/// The largest segment, in KiB: about 5,500,000 vectors of 384 numbers.
const LARGEST_SEGMENT: usize = 4 * 1024 * 1024;
/// The smallest that gets a graph, in KiB: about 5,500 vectors of 384 numbers, fewer than those for which one is asked for.
const WITH_A_GRAPH: usize = 4 * 1024;

/// Vectors are searched in memory in eight bits and read from disk in 16, which takes half the room and changes a
/// cosine by less than 0.0005.
///
/// One graph over all: segments are searched one after the other, and a graph of ten times the vectors takes hardly longer.
fn config(dimension: usize, log_file: usize) -> EdgeConfig {
    let optimizers = EdgeOptimizersConfig {
        default_segment_number: Some(1),
        max_segment_size: Some(LARGEST_SEGMENT),
        indexing_threshold: Some(WITH_A_GRAPH),
        ..EdgeOptimizersConfig::default()
    };
    let eight_bits =
        ScalarQuantizationConfig { r#type: ScalarType::Int8, quantile: Some(0.99), always_ram: Some(true) };
    let vectors = EdgeVectorParamsBuilder::new(dimension, Distance::Cosine)
        .on_disk(true)
        .datatype(VectorStorageDatatype::Float16)
        .quantization_config(eight_bits.into())
        .build();
    let log = WalOptions { segment_capacity: log_file, ..WalOptions::default() };
    EdgeConfig::builder().vector(DEFAULT_VECTOR_NAME, vectors).wal_options(log).optimizers(optimizers).build()
}

/// Sees to it that every segment has an index of the fields that are filtered by. They are read from their files: in
/// memory they would take more room than the vectors, and a second at each start.
fn index_fields(shard: &EdgeShard) -> Result<(), OperationError> {
    let on_disk = Some(true);
    let paper = KeywordIndexParams { on_disk, enable_hnsw: Some(false), ..KeywordIndexParams::default() };
    let tags = KeywordIndexParams { on_disk, ..KeywordIndexParams::default() };
    let year = IntegerIndexParams { on_disk, ..IntegerIndexParams::default() };
    let fields = [
        (edge_filter::PAPER, PayloadSchemaParams::Keyword(paper)),
        (edge_filter::TAGS, PayloadSchemaParams::Keyword(tags)),
        (edge_filter::YEAR, PayloadSchemaParams::Integer(year)),
    ];
    for (name, schema) in fields {
        let Ok(field_name) = name.parse() else { continue };
        let create = CreateIndex { field_name, field_schema: Some(PayloadFieldSchema::FieldParams(schema)) };
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(create)))?;
    }
    Ok(())
}

/// Closing flushes, and a failed flush panics.
fn close(shard: Option<EdgeShard>, dir: &Path) -> Result<(), IndexError> {
    let closed = catch_unwind(AssertUnwindSafe(|| drop(shard)));
    closed.map_err(|_| IndexError::disk(dir, "the vector store could not be flushed"))
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;
