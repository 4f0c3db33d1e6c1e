use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use paper::PaperId;
use qdrant_edge::{
    CountRequest, CreateIndex, DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeShard, EdgeVectorParamsBuilder,
    FieldIndexOperations, NamedQuery, OperationError, PayloadFieldSchema, PayloadSchemaType, PointId,
    PointInsertOperations, PointOperations, QueryEnum, Record, SearchParams, SearchRequest, UpdateOperation,
    VectorInternal, VectorStructInternal, WalOptions, WithPayloadInterface, WithVector,
};

use super::edge_filter;
use super::{VectorPoint, VectorStore};
use crate::filter::Conditions;
use crate::{IndexError, PassageId};

/// What tests set lower.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes that must be free on the disk before anything is written. Edge maps its files into
    /// memory, where a full disk is no error that could be caught but kills the process.
    room: u64,
    /// With this many vectors outside the HNSW graph, and half as many as inside it, it is built anew.
    unindexed: usize,
    /// Bytes of a file of the write-ahead log.
    log_file: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { room: 256 * 1024 * 1024, unindexed: 20_000, log_file: 32 * 1024 * 1024 }
    }
}

/// Files of its write-ahead log that are kept; see [`prune_log`].
const LOG_FILES: usize = 2;

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
        Self::open_with(dir, dimension, Limits::default())
    }

    fn open_with(dir: &Path, dimension: usize, limits: Limits) -> Result<Self, IndexError> {
        std::fs::create_dir_all(dir).map_err(|error| IndexError::disk(dir, error))?;
        let lock = lock(dir)?;
        check_room(dir, limits.room)?;
        let shard = open_shard(dir, dimension, limits)?;
        let (shard, writing) = (RwLock::new(Some(shard)), Mutex::new(()));
        Ok(Self { inner: Arc::new(Inner { dir: dir.to_owned(), dimension, limits, shard, writing, _lock: lock }) })
    }

    /// Runs on a blocking thread. Edge panics where other code gives an error, on a failed flush for
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

impl Inner {
    fn read<T>(&self, work: impl FnOnce(&EdgeShard) -> Result<T, OperationError>) -> Result<T, IndexError> {
        let guard = self.shard.read().unwrap_or_else(PoisonError::into_inner);
        let shard = guard.as_ref().ok_or_else(|| IndexError::corrupt(&self.dir, "it could not be opened again"))?;
        work(shard).map_err(|error| IndexError::internal(format!("vector store: {error}")))
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
        })?;
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
                params: Some(SearchParams { exact, ..SearchParams::default() }),
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
        self.run(move |inner| inner.search(vector, filter, k, false)).await
    }

    async fn score(&self, vector: &[f32], passages: &[PassageId]) -> Result<Vec<(PassageId, f32)>, IndexError> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let (vector, filter, k) = (vector.to_vec(), edge_filter::only(passages), passages.len());
        self.run(move |inner| inner.search(vector, Some(filter), k, true)).await
    }

    async fn vectors(&self, passages: &[PassageId]) -> Result<Vec<(PassageId, Vec<f32>)>, IndexError> {
        let ids: Vec<PointId> = passages.iter().map(|passage| PointId::Uuid(passage.as_uuid())).collect();
        let records = self.run(move |inner| {
            let (payload, vector) = (Some(WithPayloadInterface::Bool(false)), Some(WithVector::Bool(true)));
            inner.read(|shard| shard.retrieve(&ids, payload, vector))
        });
        Ok(records.await?.into_iter().filter_map(vector_of).collect())
    }

    async fn count(&self) -> Result<usize, IndexError> {
        self.run(|inner| inner.read(|shard| shard.count(CountRequest { filter: None, exact: true }))).await
    }

    async fn flush(&self) -> Result<(), IndexError> {
        self.run(|inner| {
            let info = inner.write(|shard| {
                shard.flush();
                Ok(shard.info())
            })?;
            let unindexed = info.points_count.saturating_sub(info.indexed_vectors_count);
            if unindexed >= inner.limits.unindexed.max(info.indexed_vectors_count / 2) {
                inner.optimize()?;
            }
            Ok(())
        })
        .await
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        self.run(Inner::optimize).await
    }

    async fn clear(&self) -> Result<(), IndexError> {
        self.run(|inner| inner.reopen(|dir| remove_files(dir).map_err(|error| IndexError::disk(dir, error)))).await
    }
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

fn config(dimension: usize, log_file: usize) -> EdgeConfig {
    let vectors = EdgeVectorParamsBuilder::new(dimension, Distance::Cosine).build();
    let log = WalOptions { segment_capacity: log_file, ..WalOptions::default() };
    EdgeConfig::builder().vector(DEFAULT_VECTOR_NAME, vectors).wal_options(log).build()
}

/// Sees to it that every segment has an index of the fields that are filtered by.
fn index_fields(shard: &EdgeShard) -> Result<(), OperationError> {
    let fields = [
        (edge_filter::PAPER, PayloadSchemaType::Keyword),
        (edge_filter::TAGS, PayloadSchemaType::Keyword),
        (edge_filter::YEAR, PayloadSchemaType::Integer),
    ];
    for (name, schema) in fields {
        let Ok(field_name) = name.parse() else { continue };
        let create = CreateIndex { field_name, field_schema: Some(PayloadFieldSchema::FieldType(schema)) };
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(create)))?;
    }
    Ok(())
}

/// Closing flushes, and a failed flush panics.
fn close(shard: Option<EdgeShard>, dir: &Path) -> Result<(), IndexError> {
    let closed = catch_unwind(AssertUnwindSafe(|| drop(shard)));
    closed.map_err(|_| IndexError::disk(dir, "the vector store could not be flushed"))
}

/// Whether no process has the store in `dir` open.
pub(crate) fn check_unused(dir: &Path) -> Result<(), IndexError> {
    lock(dir).map(drop)
}

fn lock(dir: &Path) -> Result<File, IndexError> {
    let path = dir.join("lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|error| IndexError::disk(dir, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Busy { path: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(IndexError::disk(dir, error)),
    }
}

fn check_room(dir: &Path, room: u64) -> Result<(), IndexError> {
    let free = fs4::available_space(dir).map_err(|error| IndexError::disk(dir, error))?;
    if free < room {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        return Err(IndexError::disk(dir, format!("{} MiB are free, {} MiB must be", mib(free), mib(room))));
    }
    Ok(())
}

/// Takes out files of the write-ahead log that are no more needed.
///
/// Edge 0.7 never shortens its log, which holds every vector ever written, and never reads it either:
/// what was flushed is in the segments, and what was not is written again by the indexer. Only the
/// numbering of the operations must go on, so the newest closed file and the open one stay.
fn prune_log(dir: &Path) -> std::io::Result<()> {
    let mut closed: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir.join("wal"))? {
        let entry = entry?;
        let name = entry.file_name();
        let first = name.to_str().and_then(|name| name.strip_prefix("closed-")).and_then(|first| first.parse().ok());
        closed.extend(first.map(|first| (first, entry.path())));
    }
    closed.sort_unstable();
    let old = closed.len().saturating_sub(LOG_FILES);
    closed.iter().take(old).try_for_each(|(_, path)| std::fs::remove_file(path))
}

/// Everything but the lock.
fn remove_files(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != "lock" {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;
