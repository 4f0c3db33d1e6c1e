//! A file of the user's own -> store and index: JSON lines, plain or gzip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ingest::Rejected;
use ingest::jsonl::Reader;
use paper::Paper;
use serde::Serialize;

use super::{Library, LibraryError, Progress};
use crate::store::UpsertCounts;

/// Lines read and stored at once.
const BATCH: usize = 1_000;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ImportReport {
    /// Papers added, updated and unchanged.
    #[serde(flatten)]
    pub counts: UpsertCounts,
    /// The lines that could not be taken in, each with the reason.
    pub rejected: Vec<Rejected>,
    /// The fields that could not be read, with in how many lines; their papers were taken in without them.
    pub left_out: BTreeMap<String, u64>,
}

/// Reads a file into the library's store, in batches. A line is known by its id with its title, since every
/// file numbers its lines for itself: read again it replaces itself, and with its title corrected it is a new
/// record, joined to the earlier one by a DOI or an arXiv id where it has one.
///
/// # Errors
/// When the file cannot be read or the store fails; batches stored before stay, and importing the file again
/// changes nothing of them.
pub async fn import(
    library: &Library,
    file: &Path,
    max: usize,
    progress: Progress<'_>,
) -> Result<ImportReport, LibraryError> {
    let unreadable = |source| LibraryError::Unreadable { path: file.to_owned(), source };
    let mut lines = Reader::new(open(file).map_err(unreadable)?, library.clock().now());
    let mut report = ImportReport::default();
    let mut read: u64 = 0;
    loop {
        let mut batch: Vec<Paper> = Vec::with_capacity(BATCH);
        let room = BATCH.min(max.saturating_sub(usize::try_from(read).unwrap_or(usize::MAX)));
        let mut ended = room == 0;
        while batch.len() < room && !ended {
            match lines.next().transpose().map_err(unreadable)? {
                None => ended = true,
                Some(Ok(paper)) => batch.push(paper),
                Some(Err(rejected)) => report.rejected.push(rejected),
            }
        }
        read += batch.len() as u64;
        report.counts += library.store.upsert(&batch).await?;
        progress(read, 0);
        if ended {
            library.wake_indexer();
            report.left_out.clone_from(lines.left_out());
            return Ok(report);
        }
    }
}

/// The file, unpacked when it is gzip.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::new(File::open(path)?);
    let gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}
