//! Which files there are, and what is in each.

use std::path::{Path, PathBuf};

use paper::SourceName;
use serde::Deserialize;
use url::Url;

use super::super::body::{self, Body};
use super::super::failure_with;
use crate::IngestError;
use crate::http::Answer;
use crate::text::excerpt;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Path(PathBuf),
    Address(Url),
}

/// Which data set a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dataset {
    Papers,
    Abstracts,
}

/// What happens to the records of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Update,
    Delete,
}

/// A file of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiffFile {
    /// Its path below the folder, or that of its address.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) dataset: Dataset,
    pub(super) kind: Kind,
}

/// The data sets that are not read.
const OTHERS: [&str; 7] =
    ["authors", "citations", "embeddings-specter_v1", "embeddings-specter_v2", "paper-ids", "s2orc", "tldrs"];

/// The files below a folder: release by release, papers before abstracts, updates before deletions.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<DiffFile>, IngestError> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    let file = |path: PathBuf| {
        let below = path.strip_prefix(folder).unwrap_or(&path);
        let name = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        told_apart(name, Place::Path(path))
    };
    let mut files: Vec<DiffFile> = paths.into_iter().map(file).collect::<Result<_, _>>()?;
    files.sort_by_key(order);
    match files.is_empty() {
        true => Err(IngestError::refused(format!("{} holds no update or delete files", folder.display()))),
        false => Ok(files),
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), IngestError> {
    let unreadable = |fault: std::io::Error| {
        IngestError::refused(format!("cannot read the folder {} of a difference: {fault}", folder.display()))
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        match (kind.is_dir(), kind.is_file()) {
            (true, _) => collect(&path, paths)?,
            (_, true) => paths.push(path),
            // A link may lead out of the folder, and a pipe may be waited for without end.
            _ => {
                let message = format!("{} is no plain file: put the file itself there", path.display());
                return Err(IngestError::refused(message));
            }
        }
    }
    Ok(())
}

fn told_apart(name: String, place: Place) -> Result<DiffFile, IngestError> {
    let lower = name.to_lowercase();
    if let Some(other) = lower.split('/').find(|part| OTHERS.contains(part)) {
        let message = format!("{name} is of the data set `{other}`; only `papers` and `abstracts` are read");
        return Err(IngestError::refused(message));
    }
    let kind = match (lower.contains("update"), lower.contains("delete")) {
        (true, false) => Kind::Update,
        (false, true) => Kind::Delete,
        _ => {
            let message = format!(
                "cannot tell whether {name} holds updates or deletions: put `update` or `delete` into its name or \
                 that of its folder"
            );
            return Err(IngestError::refused(message));
        }
    };
    let dataset = if lower.contains("abstracts") { Dataset::Abstracts } else { Dataset::Papers };
    Ok(DiffFile { name, place, dataset, kind })
}

/// `2024-10-08-to-2024-10-15`, the step from release to release, comes first where it is known.
fn order(file: &DiffFile) -> (String, Dataset, Kind, String) {
    let step = file.name.split('/').find(|part| part.contains("-to-")).unwrap_or_default();
    (step.to_owned(), file.dataset, file.kind, file.name.clone())
}

/// The API's list of files.
#[derive(Debug, Deserialize)]
struct List {
    dataset: String,
    diffs: Vec<Step>,
}

/// From one release to the next.
#[derive(Debug, Deserialize)]
struct Step {
    #[serde(default)]
    update_files: Vec<String>,
    #[serde(default)]
    delete_files: Vec<String>,
}

/// The files that a list of the API's names, step by step.
pub(super) fn of_list(answer: &Answer) -> Result<Vec<DiffFile>, IngestError> {
    if answer.status != 200 {
        let said = match body::read(&answer.body) {
            Ok(Body::Failure(said)) => said,
            _ => excerpt(&String::from_utf8_lossy(&answer.body), 200),
        };
        return Err(failure_with(answer.status, answer.retry_after, &said));
    }
    let list: List = serde_json::from_slice(&answer.body).map_err(|fault| no_list(&fault))?;
    let dataset = match list.dataset.as_str() {
        "papers" => Dataset::Papers,
        "abstracts" => Dataset::Abstracts,
        other => {
            let message = format!("this is the data set `{other}`; only `papers` and `abstracts` are read");
            return Err(IngestError::refused(message));
        }
    };
    let file = |kind, address: &String| {
        let url: Url = address.parse().map_err(|fault| no_list(&fault))?;
        Ok(DiffFile { name: url.path().to_owned(), place: Place::Address(url), dataset, kind })
    };
    let of_step = |step: &Step| -> Vec<Result<DiffFile, IngestError>> {
        let updates = step.update_files.iter().map(|address| file(Kind::Update, address));
        updates.chain(step.delete_files.iter().map(|address| file(Kind::Delete, address))).collect()
    };
    list.diffs.iter().flat_map(of_step).collect()
}

fn no_list(fault: &dyn std::fmt::Display) -> IngestError {
    IngestError::Malformed {
        origin: SourceName::SemanticScholar,
        position: None,
        what: format!("no list of the differences of a data set ({fault})"),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
