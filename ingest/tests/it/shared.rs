//! Where the recordings and corpora lie, which are no part of the project.

use std::path::{Path, PathBuf};

/// The folder beside the checkout, or the one that `LECTERN_SHARED` names.
#[allow(clippy::disallowed_methods)] // A test may look where its data lie.
pub fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("LECTERN_SHARED").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// What lies at `path` in that folder; says so when it is not there.
pub fn at(path: &str) -> Option<PathBuf> {
    let found = folder().map(|folder| folder.join(path)).filter(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: shared/{path} is not here; put it beside the checkout or set LECTERN_SHARED");
    }
    found
}

/// Every file below `path` with one of the extensions, sorted.
pub fn files(path: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = at(path).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The time that papers are marked with in these tests.
pub fn seen() -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_700_000_000).unwrap()
}
