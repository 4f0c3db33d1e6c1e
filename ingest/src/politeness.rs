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
use crate::breaker::{Admission, Breaker};

/// Who may ask, and when.
#[derive(Debug)]
pub(crate) struct Politeness {
    min_interval: Duration,
    max_wait: Duration,
    state_file: Option<PathBuf>,
    clock: fn() -> Timestamp,
    noted: Mutex<Noted>,
}

/// What is remembered from one request to the next; with a file, among all processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Noted {
    /// Nobody asks before.
    not_before: Option<Timestamp>,
    breaker: Breaker,
}

/// The right to ask, until it is dropped: nobody else who shares the client or the file has it meanwhile.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    politeness: &'a Politeness,
    noted: MutexGuard<'a, Noted>,
    file: Option<StateFile>,
}

/// The longest pause that a source can ask for; a longer one is taken for a clock that was set back.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);

impl Politeness {
    pub(crate) fn new(
        min_interval: Duration,
        max_wait: Duration,
        state_file: Option<PathBuf>,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self { min_interval, max_wait, state_file, clock, noted: Mutex::default() }
    }

    /// Waits for the others, then until asking is polite again. `admission` is what an earlier turn of the same
    /// request got, and what this one gets.
    ///
    /// # Errors
    /// [`IngestError::RateLimited`] at once when the source has asked for a longer pause than is waited for,
    /// [`IngestError::Resting`] while the breaker is open, [`IngestError::Io`] when the file cannot be used.
    pub(crate) async fn turn(&self, admission: &mut Option<Admission>) -> Result<Turn<'_>, IngestError> {
        let mut turn = self.locked().await?;
        let wait = self.until(turn.noted.not_before);
        // Before it is admitted: what is not asked has not failed.
        if wait > self.patience() {
            return Err(IngestError::RateLimited { retry_after: Some(wait) });
        }
        if *admission != Some(Admission::Probe) {
            *admission = Some(turn.noted.breaker.admit((self.clock)())?);
        }
        tokio::time::sleep(wait).await;
        // Noted before the request as well, so that one which is broken off counts.
        turn.pause(None).await?;
        Ok(turn)
    }

    /// Changes what is known of the source's failures, for all who share the file.
    pub(crate) async fn judge(&self, change: impl FnOnce(&mut Breaker) + Send) -> Result<(), IngestError> {
        let mut turn = self.locked().await?;
        let before = turn.noted.breaker.clone();
        change(&mut turn.noted.breaker);
        if turn.noted.breaker == before { Ok(()) } else { turn.note().await }
    }

    /// The source has answered. Seldom news: then the file is left alone.
    pub(crate) async fn answered(&self) -> Result<(), IngestError> {
        if self.noted.lock().await.breaker == Breaker::default() {
            return Ok(());
        }
        self.judge(|breaker| *breaker = Breaker::default()).await
    }

    /// The breaker as it was noted last, without waiting for a request that is under way.
    pub(crate) async fn breaker(&self) -> Result<Breaker, IngestError> {
        let Some(path) = self.state_file.clone() else { return Ok(self.noted.lock().await.breaker.clone()) };
        let place = path.clone();
        let text = blocking(&path, move || match std::fs::read(place) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        });
        Ok(Noted::read(&text.await?).map(|noted| noted.breaker).unwrap_or_default())
    }

    async fn locked(&self) -> Result<Turn<'_>, IngestError> {
        let mut noted = self.noted.lock().await;
        let file = match &self.state_file {
            Some(path) => {
                let (file, found) = StateFile::lock(path.clone()).await?;
                if let Some(found) = found {
                    noted.not_before = noted.not_before.max(found.not_before);
                    noted.breaker = found.breaker;
                }
                Some(file)
            }
            None => None,
        };
        Ok(Turn { politeness: self, noted, file })
    }

    /// How long to wait; bounded, so that a clock that was set back blocks nobody for good.
    fn until(&self, until: Option<Timestamp>) -> Duration {
        let wait = until.map(|until| until.duration_since((self.clock)()));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
        if wait > LONGEST { self.patience() } else { wait }
    }

    /// The longest that a request waits for its turn.
    fn patience(&self) -> Duration {
        self.max_wait.max(self.min_interval)
    }
}

impl Turn<'_> {
    /// Nobody asks for the interval from now on, or for as long as the other side wants.
    ///
    /// Counted from the arrival of an answer, so that the other side, too, sees requests that far apart,
    /// however long each was on its way.
    pub(crate) async fn pause(&mut self, retry_after: Option<Duration>) -> Result<(), IngestError> {
        let politeness = self.politeness;
        let pause = retry_after.unwrap_or_default().min(LONGEST).max(politeness.min_interval);
        let now = (politeness.clock)();
        self.noted.not_before = Some(now.checked_add(pause).unwrap_or(now));
        self.note().await
    }

    async fn note(&self) -> Result<(), IngestError> {
        match &self.file {
            Some(file) => file.note(&self.noted).await,
            None => Ok(()),
        }
    }
}

impl Noted {
    /// What the file holds: the time before which nobody may ask, and on a second line the breaker, when the source
    /// has failed. A file that was cut short by a crash says nothing; the next request writes it anew.
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.trim().lines();
        let not_before = Some(lines.next()?.trim().parse().ok()?);
        let breaker = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        Some(Self { not_before, breaker })
    }

    fn text(&self) -> String {
        let not_before = self.not_before.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
        match serde_json::to_string(&self.breaker) {
            Ok(breaker) if self.breaker != Breaker::default() => format!("{not_before}\n{breaker}"),
            _ => not_before,
        }
    }
}

/// The file that all processes of an operator share, locked while one asks.
#[derive(Debug)]
struct StateFile {
    path: PathBuf,
    file: Arc<File>,
}

impl StateFile {
    async fn lock(path: PathBuf) -> Result<(Self, Option<Noted>), IngestError> {
        let place = path.clone();
        let (file, noted) = blocking(&path, move || open_locked(&place)).await?;
        Ok((Self { path, file: Arc::new(file) }, noted))
    }

    async fn note(&self, noted: &Noted) -> Result<(), IngestError> {
        let (file, text) = (Arc::clone(&self.file), noted.text());
        blocking(&self.path, move || overwrite(&file, &text)).await
    }
}

fn open_locked(path: &Path) -> std::io::Result<(File, Option<Noted>)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((file, Noted::read(&bytes)))
}

/// The first line is whole whenever the process is killed: the pause must not be forgotten. What is left of a longer text
/// is behind it.
fn overwrite(mut file: &File, text: &str) -> std::io::Result<()> {
    file.rewind()?;
    let line = format!("{text}\n");
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
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
            (Some("2026-11-22T18:00:00Z"), 6 * 3_600),
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
        let mut turn = polite.turn(&mut None).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2026-11-22T12:00:03Z\n");
        for (asked, noted) in
            [(20, "2026-11-22T12:00:20Z\n"), (1, "2026-11-22T12:00:03Z\n"), (900, "2026-11-22T12:15:00Z\n")]
        {
            turn.pause(Some(Duration::from_secs(asked))).await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), noted, "{asked}");
        }
        drop(turn);
        let noted = open_locked(&path).unwrap().1.unwrap();
        assert_eq!(noted, Noted { not_before: "2026-11-22T12:15:00Z".parse().ok(), breaker: Breaker::default() });
    }

    #[tokio::test]
    async fn a_pause_that_is_too_long_to_wait_for_is_told_to_whoever_asks_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        with(Some(path.clone())).turn(&mut None).await.unwrap().pause(Some(Duration::from_secs(900))).await.unwrap();
        let early = with(Some(path)).turn(&mut None).await.err();
        assert!(matches!(early, Some(IngestError::RateLimited { retry_after: Some(wait) }) if wait.as_secs() == 900));
    }

    #[test]
    fn of_a_pace_file_that_is_written_halfway_the_pause_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "2026-11-22T12:15:00Z\n00.123Z\n{\"half").unwrap();
        let noted = open_locked(&path).unwrap().1.unwrap();
        assert_eq!(noted, Noted { not_before: "2026-11-22T12:15:00Z".parse().ok(), breaker: Breaker::default() });
    }

    #[tokio::test]
    async fn while_one_has_the_turn_another_process_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "half a ti").unwrap();
        let polite = with(Some(path.clone()));
        let turn = polite.turn(&mut None).await.unwrap();
        let other = File::open(&path).unwrap();
        assert!(matches!(other.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
        drop(turn);
        other.try_lock().unwrap();
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = with(Some(folder.path().to_owned())).turn(&mut None).await.unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()) && error.contains("make it writable"), "{error}");
    }

    #[tokio::test]
    async fn who_shares_the_file_shares_the_breaker_and_an_answer_closes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (one, other) = (with(Some(path.clone())), with(Some(path.clone())));
        let fail = |breaker: &mut Breaker| breaker.failed(Admission::Free, 1, INTERVAL, "HTTP 503".into(), noon());
        one.judge(fail).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        let refused = other.turn(&mut None).await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "the source has failed since 2026-11-22T12:00:00Z (HTTP 503) and is left alone until 2026-11-22T12:00:03Z; ask again then"
        );
        one.judge(|breaker| breaker.try_now(noon())).await.unwrap();
        let mut admission = None;
        drop(other.turn(&mut admission).await.unwrap());
        assert_eq!(admission, Some(Admission::Probe));
        assert!(one.turn(&mut None).await.is_err(), "one request is let through");
        drop(other.turn(&mut admission).await.unwrap());
        other.answered().await.unwrap();
        assert_eq!(one.breaker().await.unwrap(), Breaker::default());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2026-11-22T12:00:03Z\n");
    }
}
