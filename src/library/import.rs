//! A file of the user's own -> store and index: JSON lines, plain or gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use ingest::Rejected;
use paper::Paper;
use serde::Serialize;

use super::{Library, LibraryError, Progress};
use crate::store::UpsertCounts;

/// Lines read and stored at once.
const BATCH: usize = 1_000;
/// The longest line; a paper with thousands of authors needs far less.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ImportReport {
    /// Papers added, updated and unchanged.
    #[serde(flatten)]
    pub counts: UpsertCounts,
    /// The lines that could not be taken in, each with the reason.
    pub rejected: Vec<Rejected>,
}

/// Reads a file into the library's store, in batches.
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
    let seen = library.clock().now();
    let mut lines = Lines::open(file)?;
    let mut report = ImportReport::default();
    let mut read: u64 = 0;
    loop {
        let mut batch: Vec<Paper> = Vec::with_capacity(BATCH);
        let room = BATCH.min(max.saturating_sub(usize::try_from(read).unwrap_or(usize::MAX)));
        let mut ended = room == 0;
        while batch.len() < room && !ended {
            match lines.next()? {
                None => ended = true,
                Some((number, Err(reason))) => {
                    report.rejected.push(Rejected { record: format!("line {number}"), reason });
                }
                Some((number, Ok(line))) => match ingest::jsonl::parse_line(&line, number, seen) {
                    Ok(paper) => batch.extend(paper),
                    Err(rejected) => report.rejected.push(rejected),
                },
            }
        }
        read += batch.len() as u64;
        report.counts += library.store.upsert(&batch).await?;
        progress(read, 0);
        if ended {
            library.wake_indexer();
            return Ok(report);
        }
    }
}

/// A line's number, and its text or why it has none.
type NumberedLine = (usize, Result<String, String>);

/// The lines of a file, numbered from 1, gzip or not.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    number: usize,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, LibraryError> {
        let failed = |source| LibraryError::Unreadable { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let gzip = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> =
            if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        Ok(Self { reader, path: path.to_owned(), number: 0 })
    }

    /// The next line; none after the last.
    fn next(&mut self) -> Result<Option<NumberedLine>, LibraryError> {
        let mut bytes = Vec::new();
        let failed = |source| LibraryError::Unreadable { path: self.path.clone(), source };
        let length = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(failed)?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if length as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n') {
            self.skip_line()?;
            return Ok(Some((self.number, Err(format!("longer than {} MiB", LONGEST_LINE / 1024 / 1024)))));
        }
        Ok(Some((self.number, String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned()))))
    }

    fn skip_line(&mut self) -> Result<(), LibraryError> {
        let failed = |source| LibraryError::Unreadable { path: self.path.clone(), source };
        self.reader.skip_until(b'\n').map(|_| ()).map_err(failed)
    }
}
