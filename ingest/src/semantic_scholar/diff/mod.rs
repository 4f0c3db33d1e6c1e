//! The differences between two releases of Semantic Scholar's data sets
//! (<https://api.semanticscholar.org/api-docs/datasets>): files with the records that are new or changed, and files
//! with those that are gone, each a JSON object a line, packed by gzip or not.

mod files;
mod lines;
mod record;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use files::{DiffFile, Place};
use jiff::Timestamp;
use lines::Open;
use paper::{CorpusId, Paper};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OnceCell};
use tokio::task::spawn_blocking;
use url::Url;

use crate::http::{Outgoing, PoliteClient};
use crate::{Cursor, IngestError, Rejected};

/// Lines read at once.
const LINES: usize = 1_000;

const SETTING: &str = "sources.semantic_scholar.base_url";

/// The update and delete files of the data sets `papers` and `abstracts`, read 1,000 lines at a time.
///
/// They lie in a folder, or are named by a list of the API's, `/datasets/v1/diffs/{from}/to/{to}/{dataset}`, for which a
/// key is needed; the key goes to the API's own host only, and never to where the files lie. A file of a list is
/// downloaded to the disk before it is read, and deleted afterwards; a download that broke off goes on. The place that
/// is reached is a file and a line in it.
///
/// In a folder, files are told apart by their paths: `update` or `delete` stands in the name of the file or of a folder
/// above it, and so does `abstracts`, without which a file is one of `papers`. So it is in the addresses of the API,
/// `updates/2024-10-08-to-2024-10-15/papers/20241018_1.gz`. Hidden files are passed over.
#[derive(Debug)]
pub struct S2Diff {
    client: Arc<PoliteClient>,
    api_url: Url,
    api_key: Option<SecretString>,
    place: String,
    spool: PathBuf,
    files: OnceCell<Vec<DiffFile>>,
    open: Mutex<Option<Open>>,
}

/// What some lines of the files say.
#[derive(Debug, Default, PartialEq)]
pub struct DiffPage {
    /// New and changed papers, without their abstracts.
    pub papers: Vec<Paper>,
    /// New and changed abstracts; none for one that is gone.
    pub abstracts: Vec<(CorpusId, Option<String>)>,
    /// Papers that are gone.
    pub deleted: Vec<CorpusId>,
    /// The lines that could not be read, each with the reason.
    pub rejected: Vec<Rejected>,
    /// Where the next lines begin; none at the end.
    pub next: Option<Cursor>,
}

impl S2Diff {
    /// `place` is a folder, or the address of a list; `api_url` is where the Academic Graph answers; `spool` is a folder
    /// for files that are being downloaded.
    #[must_use]
    pub fn new(
        client: Arc<PoliteClient>,
        api_url: Url,
        api_key: Option<SecretString>,
        place: String,
        spool: PathBuf,
    ) -> Self {
        Self { client, api_url, api_key, place, spool, files: OnceCell::new(), open: Mutex::new(None) }
    }

    /// What tells this walk from others, in a form that stays.
    #[must_use]
    pub fn key(&self) -> String {
        let place = self.place.split(['?', '#']).next().unwrap_or_default();
        format!("semantic-scholar:diff:{}", place.trim_end_matches('/'))
    }

    /// The lines at `cursor`, the first ones at none.
    ///
    /// # Errors
    /// [`IngestError::Refused`] for a folder without such files, a file that cannot be read, and a cursor of others;
    /// else what the list or a download says.
    pub async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<DiffPage, IngestError> {
        let files = self.files.get_or_try_init(|| self.list()).await?;
        let (index, line) = reached(files, cursor)?;
        let Some(file) = files.get(index) else { return Ok(DiffPage::default()) };
        // Who asks for this file has stored all of the one before.
        if let Some(before) = index.checked_sub(1).and_then(|before| files.get(before)) {
            self.put_away(before).await;
        }
        let path = self.local(file).await?;
        let mut page = self.read(file, &path, line, seen).await?;
        if page.next.is_none() {
            page.next = files.get(index + 1).map(|next| at(next, 0));
        }
        Ok(page)
    }

    async fn read(&self, file: &DiffFile, path: &Path, line: u64, seen: Timestamp) -> Result<DiffPage, IngestError> {
        let mut slot = self.open.lock().await;
        let (open, path) = (slot.take().filter(|open| open.is_at(&file.name, line)), path.to_owned());
        let (reading, name) = (file.clone(), file.name.clone());
        let work = spawn_blocking(move || {
            let mut open = match open {
                Some(open) => open,
                None => Open::at(&path, &reading.name, line)?,
            };
            let (lines, more) = open.lines(LINES)?;
            Ok::<_, std::io::Error>((record::page(&reading, &lines, line, seen), more.then_some(lines.len()), open))
        });
        let done = work.await.map_err(|fault| IngestError::refused(format!("cannot read {name}: {fault}")))?;
        match done {
            Ok((mut page, more, open)) => {
                page.next = more.map(|lines| at(file, line + lines as u64));
                *slot = Some(open);
                Ok(page)
            }
            Err(fault) => Err(self.damaged(file, &fault).await),
        }
    }

    /// A download is begun anew; a file of the user's own is named.
    async fn damaged(&self, file: &DiffFile, fault: &std::io::Error) -> IngestError {
        match &file.place {
            Place::Path(path) => IngestError::refused(format!("cannot read {}: {fault}", path.display())),
            Place::Address(_) => {
                let _ = tokio::fs::remove_file(self.spooled(file)).await;
                IngestError::Transient { what: format!("{} came damaged ({fault}); ask again later", file.name) }
            }
        }
    }

    /// The file on the disk.
    async fn local(&self, file: &DiffFile) -> Result<PathBuf, IngestError> {
        match &file.place {
            Place::Path(path) => Ok(path.clone()),
            Place::Address(url) => {
                let to = self.spooled(file);
                let made = tokio::fs::create_dir_all(&self.spool).await;
                made.map_err(|e| IngestError::refused(format!("cannot make {}: {e}", self.spool.display())))?;
                self.client.download(&Outgoing::get(url.clone(), "--diff"), &to).await?;
                Ok(to)
            }
        }
    }

    /// A name of its own for each file of each list: another process goes on with the download under it.
    fn spooled(&self, file: &DiffFile) -> PathBuf {
        let digest = Sha256::digest(format!("{}\n{}", self.key(), file.name));
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.spool.join(format!("{name}.lines"))
    }

    /// What was downloaded is not needed any more. That it cannot be deleted is no reason to stop.
    async fn put_away(&self, file: &DiffFile) {
        let path = self.spooled(file);
        if matches!(file.place, Place::Address(_))
            && let Err(fault) = tokio::fs::remove_file(&path).await
            && fault.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %path.display(), %fault, "a file that was read cannot be deleted");
        }
    }

    async fn list(&self) -> Result<Vec<DiffFile>, IngestError> {
        if !self.place.starts_with("http://") && !self.place.starts_with("https://") {
            let folder = PathBuf::from(&self.place);
            let listed = spawn_blocking(move || files::in_folder(&folder)).await;
            return listed.map_err(|fault| IngestError::refused(format!("cannot list {}: {fault}", self.place)))?;
        }
        let url: Url = self.place.parse().map_err(|e| IngestError::refused(format!("`{}`: {e}", self.place)))?;
        let own_host = url.origin() == self.api_url.origin();
        let key = self.api_key.clone().filter(|_| own_host);
        let asked = Outgoing::get(url, SETTING).with_key("x-api-key", key);
        self.client.fetch(&asked, files::of_list).await
    }
}

fn at(file: &DiffFile, line: u64) -> Cursor {
    Cursor::at("diff", format!("{line}|{}", file.name))
}

/// The number of the file, and how many of its lines are read.
fn reached(files: &[DiffFile], cursor: Option<&Cursor>) -> Result<(usize, u64), IngestError> {
    let Some(cursor) = cursor else { return Ok((0, 0)) };
    let (line, name) = cursor.value("diff").and_then(|place| place.split_once('|')).ok_or_else(|| cursor.foreign())?;
    let index = files.iter().position(|file| file.name == name).ok_or_else(|| cursor.foreign())?;
    Ok((index, line.parse().map_err(|_| cursor.foreign())?))
}
