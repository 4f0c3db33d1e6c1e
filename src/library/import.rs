//! A file of the user's own -> store and index: JSON lines, plain or gzip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use ingest::jsonl::Reader;
use paper::Paper;
use serde::Serialize;

use super::{Library, LibraryError, Progress, Rejections, sniff};
use crate::store::UpsertCounts;

/// Lines read and stored at once, and after how many bytes fewer of them.
const BATCH: usize = 1_000;
const BATCH_BYTES: u64 = 64 * 1024 * 1024;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ImportReport {
    /// Papers added, updated and unchanged.
    #[serde(flatten)]
    pub counts: UpsertCounts,
    /// The lines that could not be taken in, each with the reason.
    pub rejected: Rejections,
    /// The fields that could not be read, with in how many lines; their papers were taken in without them.
    pub left_out: BTreeMap<String, u64>,
}

/// A file of JSON lines that is open: it is read once, so that it may be a pipe.
pub struct Lines {
    path: PathBuf,
    text: Box<dyn BufRead + Send>,
    came: Arc<AtomicU64>,
    most: u64,
}

impl Lines {
    /// Opens a file, unpacked when it is gzip, of which no more than `most` bytes are read.
    ///
    /// # Errors
    /// [`LibraryError::Foreign`] for a file that is no JSON lines at all, [`LibraryError::TooLarge`] and
    /// [`LibraryError::Unreadable`] for one that cannot be read.
    pub fn open(path: &Path, most: u64) -> Result<Self, LibraryError> {
        let failed = |source| failed(path, most, source);
        let came = Arc::<AtomicU64>::default();
        let unpacked = unpacked(path).map_err(failed)?;
        let mut text = Counted { text: unpacked, came: Arc::clone(&came), most };
        let begun = sniff::beginning(&mut text).map_err(failed)?;
        if let Some(what) = sniff::foreign(&begun) {
            return Err(LibraryError::Foreign { path: path.to_owned(), what });
        }
        Ok(Self { path: path.to_owned(), text: Box::new(io::Cursor::new(begun).chain(text)), came, most })
    }
}

/// Reads a file into the library's store, in batches. A line is known by its id with its title, since every
/// file numbers its lines for itself: read again it replaces itself, and with its title corrected it is a new
/// record, joined to the earlier one by a DOI or an arXiv id where it has one.
///
/// # Errors
/// When the file cannot be read, is too large, or the store fails; batches stored before stay, and importing the file
/// again changes nothing of them.
pub(super) async fn import(
    library: &Library,
    file: Lines,
    max: usize,
    progress: Progress<'_>,
) -> Result<ImportReport, LibraryError> {
    let Lines { path, text, came, most } = file;
    let failed = |source| failed(&path, most, source);
    let mut lines = Reader::new(text, library.clock().now());
    let mut report = ImportReport::default();
    let mut read: u64 = 0;
    loop {
        let mut batch: Vec<Paper> = Vec::new();
        let room = BATCH.min(max.saturating_sub(usize::try_from(read).unwrap_or(usize::MAX)));
        let enough = came.load(Ordering::Relaxed).saturating_add(BATCH_BYTES);
        let mut ended = room == 0;
        while batch.len() < room && came.load(Ordering::Relaxed) < enough && !ended {
            match lines.next().transpose().map_err(failed)? {
                None => ended = true,
                Some(Ok(paper)) => batch.push(paper),
                Some(Err(rejected)) => report.rejected.extend([rejected]),
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

fn failed(path: &Path, most: u64, source: io::Error) -> LibraryError {
    match source.kind() {
        io::ErrorKind::FileTooLarge => LibraryError::TooLarge { path: path.to_owned(), most },
        _ => LibraryError::Unreadable { path: path.to_owned(), source },
    }
}

fn unpacked(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::new(File::open(path)?);
    let gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// A text of which the bytes are counted, and no more than so many given: a file of some megabytes can be packed zeros
/// for a disk.
struct Counted<R> {
    text: R,
    came: Arc<AtomicU64>,
    most: u64,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let room = self.most.saturating_sub(self.came.load(Ordering::Relaxed));
        let more = self.text.fill_buf()?;
        if room == 0 && !more.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(more.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(more))
    }

    fn consume(&mut self, amount: usize) {
        self.came.fetch_add(amount as u64, Ordering::Relaxed);
        self.text.consume(amount);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_file_is_read_from_its_first_byte_to_its_last_unless_it_is_too_large(
            lines in proptest::collection::vec("[ a-z]{0,9}", 0..9), most in 0_u64..60
        ) {
            let text = lines.join("\n");
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("lines");
            std::fs::write(&file, &text).unwrap();
            let mut read = String::new();
            let whole = Lines::open(&file, most).map(|mut lines| lines.text.read_to_string(&mut read).is_ok());
            prop_assert_eq!(whole.unwrap_or(false), most >= text.len() as u64);
        }
    }
}
