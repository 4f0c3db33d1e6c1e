//! The lexical arm: passages by their words, BM25, in a tantivy index.
//!
//! It also keeps what the index gives back: the passages' texts, and in the payload of every commit
//! the watermark, so that the two can never disagree.

mod analyzer;
mod listing;
mod schema;
mod snapshot;
mod spelling;
mod stems;
mod weighing;
mod words;
mod writer;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tantivy::directory::MmapDirectory;
use tantivy::{Index, IndexReader, ReloadPolicy, TantivyError};

pub(crate) use self::analyzer::is_stop_word;
pub(crate) use self::listing::{Listed, stands_behind};
use self::schema::Fields;
pub(crate) use self::snapshot::{Candidate, Snapshot};
pub(crate) use self::spelling::Respelled;
pub(crate) use self::weighing::Worth;
pub(crate) use self::words::QueryWords;
use self::writer::Writer;
pub(crate) use self::writer::{Change, Document};
use crate::IndexError;

/// The lexical arm.
pub(crate) struct LexicalIndex {
    dir: PathBuf,
    index: Index,
    fields: Fields,
    reader: IndexReader,
    /// What searches read, as of the last commit.
    current: RwLock<Arc<Snapshot>>,
    writer: std::sync::Mutex<Writer>,
}

impl LexicalIndex {
    /// Opens the index in `dir`, which is made when it is not there.
    pub(crate) fn open(dir: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(dir).map_err(|error| IndexError::disk(dir, error))?;
        // tantivy panics on files that are too short to be its own.
        let opened = catch_unwind(|| Self::open_files(dir));
        opened.unwrap_or_else(|_| Err(IndexError::corrupt(dir, "a file is cut short")))
    }

    fn open_files(dir: &Path) -> Result<Self, IndexError> {
        let failed = |error: TantivyError| opening_failed(dir, &error);
        let (schema, fields) = schema::schema();
        let directory = MmapDirectory::open(dir).map_err(|error| failed(error.into()))?;
        // A hit is read from one block, all of which is unpacked for it.
        let settings = tantivy::IndexSettings { docstore_blocksize: 4_096, ..tantivy::IndexSettings::default() };
        let index = Index::builder().schema(schema).settings(settings).open_or_create(directory).map_err(failed)?;
        index.tokenizers().register(analyzer::ANALYZER, analyzer::analyzer());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        let writer = std::sync::Mutex::new(Writer::new(dir.to_owned(), index.clone(), fields));
        let current = RwLock::new(Arc::new(Snapshot::new(reader.searcher(), fields)?));
        let lexical = Self { dir: dir.to_owned(), index, fields, reader, current, writer };
        lexical.watermark()?;
        Ok(lexical)
    }

    /// The revision up to which everything is committed; 0 in an empty index.
    pub(crate) fn watermark(&self) -> Result<u64, IndexError> {
        let meta = self.index.load_metas().map_err(|error| opening_failed(&self.dir, &error))?;
        let Some(payload) = meta.payload else { return Ok(0) };
        payload.parse().map_err(|_| IndexError::corrupt(&self.dir, format!("`{payload}` is no watermark")))
    }

    /// Replaces the passages of the papers named and commits them together with the watermark.
    /// Blocks. After an error nothing of it is visible and the same call can be made again.
    pub(crate) fn write(&self, change: &Change, watermark: u64) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().map_err(|_| IndexError::internal("the index writer panicked"))?;
        writer.write(change, watermark)?;
        self.renew()
    }

    /// Takes out everything and sets the watermark to 0. Blocks.
    pub(crate) fn clear(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().map_err(|_| IndexError::internal("the index writer panicked"))?;
        writer.clear()?;
        self.renew()
    }

    /// Merges all segments into one. Blocks for long.
    pub(crate) fn merge(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock().map_err(|_| IndexError::internal("the index writer panicked"))?;
        writer.merge()?;
        self.renew()
    }

    fn renew(&self) -> Result<(), IndexError> {
        self.reader.reload().map_err(IndexError::internal)?;
        let snapshot = Arc::new(Snapshot::new(self.reader.searcher(), self.fields)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(())
    }

    /// The index as of the last commit, to read.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says what helps with an index that cannot be opened.
fn opening_failed(dir: &Path, error: &TantivyError) -> IndexError {
    match error {
        TantivyError::LockFailure(..) => IndexError::Busy { path: dir.to_owned() },
        TantivyError::IoError(io) if is_full(io) => IndexError::disk(dir, io),
        other => IndexError::corrupt(dir, other),
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied)
}

#[cfg(test)]
mod tests;
