//! A file of the user's own -> store and index: JSON lines, plain or gzip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use ingest::Rejected;
use ingest::jsonl::Reader;
use jiff::Timestamp;
use paper::Paper;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::{Library, LibraryError, Progress, Rejections, sniff};
use crate::store::UpsertCounts;

/// Lines read and stored at once, and after how many bytes fewer of them.
const BATCH: usize = 2_000;
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
/// record, joined to the earlier one by a DOI where it has one. With an arXiv id it is known by that, whatever its title.
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
    let (path, most) = (file.path.clone(), file.most);
    let failed = |source| failed(&path, most, source);
    let (batches, mut coming) = mpsc::channel(1);
    let seen = library.clock().now();
    // A line is read and unpacked while those before are stored.
    let reading = spawn_blocking(move || file.read(max, seen, &batches));
    let mut report = ImportReport::default();
    let mut read: u64 = 0;
    while let Some(Batch { papers, rejected }) = coming.recv().await {
        read += papers.len() as u64;
        report.rejected.extend(rejected);
        report.counts += library.store.upsert(&papers).await?;
        progress(read, 0);
    }
    report.left_out = reading.await.map_err(io::Error::other).flatten().map_err(failed)?;
    library.wake_indexer();
    Ok(report)
}

/// Some lines of a file, read.
#[derive(Debug, Default)]
struct Batch {
    papers: Vec<Paper>,
    rejected: Vec<Rejected>,
}

impl Lines {
    /// Reads at most so many papers and hands them on in batches, as long as somebody takes them; gives the fields that
    /// could not be read.
    fn read(self, max: usize, seen: Timestamp, batches: &mpsc::Sender<Batch>) -> io::Result<BTreeMap<String, u64>> {
        let mut lines = Reader::new(self.text, seen);
        let mut left = max;
        loop {
            let mut batch = Batch::default();
            let room = BATCH.min(left);
            let enough = self.came.load(Ordering::Relaxed).saturating_add(BATCH_BYTES);
            let mut ended = room == 0;
            let has_room = |batch: &Batch| batch.papers.len() < room && batch.rejected.len() < BATCH;
            while has_room(&batch) && self.came.load(Ordering::Relaxed) < enough && !ended {
                match lines.next().transpose() {
                    Ok(None) => ended = true,
                    Ok(Some(Ok(paper))) => batch.papers.push(paper),
                    Ok(Some(Err(rejected))) => batch.rejected.push(rejected),
                    // What was read before is stored all the same.
                    Err(fault) => {
                        let _ = batches.blocking_send(batch);
                        return Err(fault);
                    }
                }
            }
            left -= batch.papers.len();
            if batches.blocking_send(batch).is_err() || ended {
                return Ok(lines.left_out().clone());
            }
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
