use std::path::PathBuf;

use paper::{Paper, PaperId};
use tantivy::{Index, IndexWriter, TantivyError};

use super::schema::Fields;
use crate::filter::Facets;
use crate::{IndexError, Passage};

/// Passages from which on a batch is shared out over several threads. Each leaves a segment of its own, which small
/// batches are not worth.
const WORTH_THREADS: usize = 2_000;
/// The most threads.
const MOST_THREADS: usize = 4;

/// Memory for words that are not yet in a segment. A batch of some hundred papers needs a tenth.
const BUDGET: usize = 64 * 1024 * 1024;

/// A paper to write.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) paper: Paper,
    pub(crate) revision: u64,
    pub(crate) facets: Facets,
    pub(crate) passages: Vec<Passage>,
    /// The word pieces of each passage; none where the model has no table of them.
    pub(crate) pieces: Vec<Vec<u32>>,
    /// The revision of its title and text.
    pub(crate) text_revision: u64,
}

/// A batch to write.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Everything that changes: what is known of these is taken out first.
    pub(crate) papers: Vec<PaperId>,
    /// What is put in.
    pub(crate) documents: Vec<Document>,
}

/// The one writer. It takes tantivy's lock on the folder at the first write, so that many processes
/// can read, and is thrown away after an error, since tantivy's is then of no more use.
pub(super) struct Writer {
    dir: PathBuf,
    index: Index,
    fields: Fields,
    /// The writer, and how many threads it has.
    open: Option<(IndexWriter, usize)>,
}

impl Writer {
    pub(super) fn new(dir: PathBuf, index: Index, fields: Fields) -> Self {
        Self { dir, index, fields, open: None }
    }

    pub(super) fn write(&mut self, change: &Change, watermark: u64) -> Result<(), IndexError> {
        let fields = self.fields;
        let passages: usize = change.documents.iter().map(|document| document.passages.len()).sum();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.with(if passages < WORTH_THREADS { 1 } else { cores.min(MOST_THREADS) }, |mut writer| {
            commit(&mut writer, fields, change, watermark)?;
            Ok(Some(writer))
        })
    }

    pub(super) fn clear(&mut self) -> Result<(), IndexError> {
        self.with(1, |mut writer| {
            writer.delete_all_documents()?;
            finish(&mut writer, 0)?;
            Ok(Some(writer))
        })
    }

    pub(super) fn merge(&mut self) -> Result<(), IndexError> {
        // Merges that are under way first, since a segment cannot be in two.
        self.with(1, |writer| writer.wait_merging_threads().map(|()| None))?;
        let segments = self.index.searchable_segment_ids().map_err(|error| self.failed(&error))?;
        if segments.len() < 2 {
            return Ok(());
        }
        self.with(1, |mut writer| {
            writer.merge(&segments).wait()?;
            writer.garbage_collect_files().wait()?;
            Ok(Some(writer))
        })
    }

    /// Works with the open writer, or a new one of that many threads; what it gives back stays open.
    fn with(
        &mut self,
        threads: usize,
        work: impl FnOnce(IndexWriter) -> tantivy::Result<Option<IndexWriter>>,
    ) -> Result<(), IndexError> {
        let writer = match self.open.take() {
            Some((writer, has)) if has == threads => writer,
            other => {
                // The lock on the folder is free once the merges under way have ended.
                if let Some((writer, _)) = other {
                    writer.wait_merging_threads().map_err(|error| self.failed(&error))?;
                }
                let budget = BUDGET * threads;
                self.index.writer_with_num_threads(threads, budget).map_err(|error| self.failed(&error))?
            }
        };
        self.open = work(writer).map_err(|error| self.failed(&error))?.map(|writer| (writer, threads));
        Ok(())
    }

    fn failed(&self, error: &TantivyError) -> IndexError {
        match error {
            TantivyError::LockFailure(..) => IndexError::Busy { path: self.dir.clone() },
            TantivyError::DataCorruption(..) => IndexError::corrupt(&self.dir, error),
            // A worker thread's death is nearly always a write that the disk refused.
            other => IndexError::disk(&self.dir, other),
        }
    }
}

fn commit(writer: &mut IndexWriter, fields: Fields, change: &Change, watermark: u64) -> tantivy::Result<()> {
    for paper in &change.papers {
        writer.delete_term(fields.of_paper(*paper));
    }
    for document in &change.documents {
        let pieces = document.pieces.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
        for (passage, pieces) in document.passages.iter().zip(pieces) {
            writer.add_document(fields.document(document, passage, pieces))?;
        }
    }
    finish(writer, watermark)
}

fn finish(writer: &mut IndexWriter, watermark: u64) -> tantivy::Result<()> {
    let mut prepared = writer.prepare_commit()?;
    prepared.set_payload(&watermark.to_string());
    prepared.commit()?;
    Ok(())
}
