//! What earlier processes have left in the home folder and nobody will ask for.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

/// Where bodies of imports are kept until they are taken in.
pub const INCOMING: &str = "incoming";

/// Where files of a difference are kept until they are read.
pub(super) const DOWNLOADS: &str = "downloads";

/// A download that broke off is gone on with when its sync is run again; after so long it will not be, since the
/// addresses of the files have changed with the next releases.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Deletes what is left of imports, and of downloads long ago; to be called by the one who holds the home. What cannot be
/// deleted takes room for nothing, and the log says so.
pub(super) fn clear(home: &Path, now: Timestamp) {
    let told = |folder: &Path, cleared: io::Result<()>| match cleared {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%fault, "cannot clear {}, which takes room for nothing", folder.display());
        }
        _ => {}
    };
    let (incoming, downloads) = (home.join(INCOMING), home.join(DOWNLOADS));
    told(&incoming, std::fs::remove_dir_all(&incoming));
    told(&downloads, clear_old(&downloads, now));
}

fn clear_old(folder: &Path, now: Timestamp) -> io::Result<()> {
    let before = now.checked_sub(FORGOTTEN).map_err(io::Error::other)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.metadata()?.modified()? < SystemTime::from(before) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_go_and_downloads_stay_a_week() {
        let home = tempfile::tempdir().unwrap();
        let put = |folder: &str, name: &str, age: i64| {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
            let file = std::fs::File::create(home.path().join(folder).join(name)).unwrap();
            file.set_modified(Timestamp::from_second(1_700_000_000 - age).unwrap().into()).unwrap();
        };
        let week = 7 * 24 * 3_600;
        put(INCOMING, "body", 0);
        put(DOWNLOADS, "new.part", week - 1);
        put(DOWNLOADS, "old.part", week + 1);
        for _ in 0..2 {
            clear(home.path(), Timestamp::from_second(1_700_000_000).unwrap());
            let kept: Vec<_> =
                std::fs::read_dir(home.path().join(DOWNLOADS)).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!((home.path().join(INCOMING).exists(), kept), (false, vec!["new.part".into()]));
        }
    }
}
