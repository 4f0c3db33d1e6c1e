//! The folder of a vector store of this machine: who has it, what room it has, and what of it can go.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::IndexError;

/// Files of its write-ahead log that are kept; see [`prune_log`].
const LOG_FILES: usize = 2;

/// Whether no process has the store in `dir` open.
pub(crate) fn check_unused(dir: &Path) -> Result<(), IndexError> {
    lock(dir).map(drop)
}

/// Takes the store in `dir` for this process, until the file is closed.
pub(super) fn lock(dir: &Path) -> Result<File, IndexError> {
    let path = dir.join("lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|error| IndexError::disk(dir, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Busy { path: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(IndexError::disk(dir, error)),
    }
}

/// Whether so many bytes are free.
pub(super) fn check_room(dir: &Path, room: u64) -> Result<(), IndexError> {
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
pub(super) fn prune_log(dir: &Path) -> std::io::Result<()> {
    let closed = closed_log(dir)?;
    let old = closed.len().saturating_sub(LOG_FILES);
    closed.iter().take(old).try_for_each(|(_, path)| std::fs::remove_file(path))
}

/// The files of the write-ahead log that are written to no more, the oldest first.
pub(super) fn closed_log(dir: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut closed: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir.join("wal"))? {
        let entry = entry?;
        let name = entry.file_name();
        let first = name.to_str().and_then(|name| name.strip_prefix("closed-")).and_then(|first| first.parse().ok());
        closed.extend(first.map(|first| (first, entry.path())));
    }
    closed.sort_unstable();
    Ok(closed)
}

/// Removes the segments that a process was building when it was killed: Edge does not know of them any more.
pub(super) fn remove_unfinished(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir.join("temp_segments")) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Everything but the lock.
pub(super) fn remove_files(dir: &Path) -> std::io::Result<()> {
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
