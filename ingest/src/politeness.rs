//! One request at a time and a pause between them, for all processes that share a file.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_blocking;

use crate::IngestError;

/// Who may ask, and when.
#[derive(Debug)]
pub(crate) struct Politeness {
    min_interval: Duration,
    max_wait: Duration,
    state_file: Option<PathBuf>,
    clock: fn() -> Timestamp,
    not_before: Mutex<Option<Timestamp>>,
}

/// The right to ask, until it is dropped: nobody else who shares the client or the file has it meanwhile.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    politeness: &'a Politeness,
    not_before: MutexGuard<'a, Option<Timestamp>>,
    file: Option<StateFile>,
}

impl Politeness {
    pub(crate) fn new(
        min_interval: Duration,
        max_wait: Duration,
        state_file: Option<PathBuf>,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self { min_interval, max_wait, state_file, clock, not_before: Mutex::new(None) }
    }

    /// Waits for the others, then until asking is polite again.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, IngestError> {
        let not_before = self.not_before.lock().await;
        let file = match &self.state_file {
            Some(path) => Some(StateFile::lock(path.clone()).await?),
            None => None,
        };
        let until = (*not_before).max(file.as_ref().and_then(|file| file.not_before));
        tokio::time::sleep(self.until(until)).await;
        let mut turn = Turn { politeness: self, not_before, file };
        // Noted before the request as well, so that one which is broken off counts.
        turn.pause(None).await?;
        Ok(turn)
    }

    /// How long to wait; bounded, so that a clock that was set back blocks nobody for good.
    fn until(&self, until: Option<Timestamp>) -> Duration {
        let wait = until.map(|until| until.duration_since((self.clock)()));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
        wait.min(self.max_wait.max(self.min_interval))
    }
}

impl Turn<'_> {
    /// Nobody asks for the interval from now on, or for as long as the other side wants.
    ///
    /// Counted from the arrival of an answer, so that the other side, too, sees requests that far apart,
    /// however long each was on its way.
    pub(crate) async fn pause(&mut self, retry_after: Option<Duration>) -> Result<(), IngestError> {
        let politeness = self.politeness;
        let pause = retry_after.unwrap_or_default().min(politeness.max_wait).max(politeness.min_interval);
        let now = (politeness.clock)();
        let until = now.checked_add(pause).unwrap_or(now);
        *self.not_before = Some(until);
        match &self.file {
            Some(file) => file.note(until).await,
            None => Ok(()),
        }
    }
}

/// The file that all processes of an operator share: locked while one asks, it holds the time before which
/// nobody may ask again.
#[derive(Debug)]
struct StateFile {
    path: PathBuf,
    file: Arc<File>,
    not_before: Option<Timestamp>,
}

impl StateFile {
    async fn lock(path: PathBuf) -> Result<Self, IngestError> {
        let place = path.clone();
        let (file, not_before) = blocking(&path, move || open_locked(&place)).await?;
        Ok(Self { path, file: Arc::new(file), not_before })
    }

    async fn note(&self, until: Timestamp) -> Result<(), IngestError> {
        let file = Arc::clone(&self.file);
        blocking(&self.path, move || overwrite(&file, &until.to_string())).await
    }
}

fn open_locked(path: &Path) -> std::io::Result<(File, Option<Timestamp>)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    let mut noted = Vec::new();
    file.read_to_end(&mut noted)?;
    // A file that was cut short by a crash says nothing; the next request writes it anew.
    let noted = String::from_utf8_lossy(&noted);
    Ok((file, noted.trim().parse().ok()))
}

fn overwrite(mut file: &File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, IngestError> {
    let done = spawn_blocking(work).await.map_err(std::io::Error::other).and_then(|result| result);
    done.map_err(|source| IngestError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(3);
    const MAX_WAIT: Duration = Duration::from_secs(60);

    /// A clock that stands still, so that waits are exactly what was noted.
    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn with(file: Option<PathBuf>) -> Politeness {
        Politeness::new(INTERVAL, MAX_WAIT, file, noon)
    }

    #[test]
    fn the_wait_is_never_negative_and_never_without_end() {
        let polite = with(None);
        for (until, wait) in [
            (None, 0),
            (Some("2026-11-22T11:59:59Z"), 0),
            (Some("2026-11-22T12:00:02Z"), 2),
            (Some("2027-11-22T12:00:00Z"), 60),
        ] {
            assert_eq!(polite.until(until.map(|t| t.parse().unwrap())), Duration::from_secs(wait), "{until:?}");
        }
    }

    #[tokio::test]
    async fn the_file_says_when_the_next_may_ask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/state");
        let polite = with(Some(path.clone()));
        let mut turn = polite.turn().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2026-11-22T12:00:03Z");
        for (asked, noted) in [(20, "2026-11-22T12:00:20Z"), (1, "2026-11-22T12:00:03Z"), (900, "2026-11-22T12:01:00Z")]
        {
            turn.pause(Some(Duration::from_secs(asked))).await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), noted, "{asked}");
        }
        drop(turn);
        assert_eq!(open_locked(&path).unwrap().1, Some("2026-11-22T12:01:00Z".parse().unwrap()));
    }

    #[tokio::test]
    async fn while_one_has_the_turn_another_process_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "half a ti").unwrap();
        let polite = with(Some(path.clone()));
        let turn = polite.turn().await.unwrap();
        let other = File::open(&path).unwrap();
        assert!(matches!(other.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
        drop(turn);
        other.try_lock().unwrap();
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = with(Some(folder.path().to_owned())).turn().await.unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()) && error.contains("make it writable"), "{error}");
    }
}
