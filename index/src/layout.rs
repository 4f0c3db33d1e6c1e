//! What lies where in the folder of an index, and which model and schema it was written with.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::REINDEX;
use crate::{IndexError, ModelInfo};

/// Counts up with every change after which an older index cannot be read or means something else.
const SCHEMA_VERSION: u32 = 4;

/// The file that describes an index.
const MANIFEST: &str = "index.json";

/// Puts a file in the place of another of its name, durably: it is written to a draft first, so that a crash leaves the
/// old content or the new one.
pub(crate) fn replace_file(dir: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let draft = dir.join(format!("{name}.new"));
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&draft, dir.join(name))?;
    // The rename is kept when the folder is.
    std::fs::File::open(dir)?.sync_all()
}

/// The folder of an index.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
}

/// The content of `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    schema_version: u32,
    /// None for an index of words alone.
    model: Option<String>,
    dimension: Option<usize>,
    /// The library that it follows; none until it has followed one.
    #[serde(default)]
    library: Option<String>,
}

impl Manifest {
    fn of(model: Option<&ModelInfo>) -> Self {
        let (name, dimension) = (model.map(|model| model.name.clone()), model.map(|model| model.dimension));
        Self { schema_version: SCHEMA_VERSION, model: name, dimension, library: None }
    }

    fn is_made_like(&self, other: &Self) -> bool {
        (self.schema_version, &self.model, self.dimension) == (other.schema_version, &other.model, other.dimension)
    }

    fn describe(&self) -> String {
        let model = match (&self.model, self.dimension) {
            (Some(name), Some(dimension)) => format!("model {name} ({dimension} numbers)"),
            _ => "no model, words only".to_owned(),
        };
        format!("{model}, format {}", self.schema_version)
    }
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn lexical(&self) -> PathBuf {
        self.dir.join("lexical")
    }

    pub(crate) fn dense(&self) -> PathBuf {
        self.dir.join("dense")
    }

    fn manifest(&self) -> PathBuf {
        self.dir.join(MANIFEST)
    }

    /// Sees to it that the index is one for this model, or an empty folder that becomes one. Gives the
    /// model it is built with. Without a model to load any index will do, and so will one of words alone with a
    /// model: its words can be searched.
    pub(crate) fn claim(
        &self,
        model: Option<&ModelInfo>,
        empty: impl Fn() -> bool,
    ) -> Result<Option<String>, IndexError> {
        let wanted = Manifest::of(model);
        let Some(found) = self.read()? else {
            if self.lexical().exists() {
                return Err(IndexError::corrupt(&self.dir, "index.json is missing"));
            }
            self.write(&wanted)?;
            return Ok(wanted.model);
        };
        let readable = found.schema_version == SCHEMA_VERSION;
        if readable && (found.is_made_like(&wanted) || model.is_none()) {
            return Ok(found.model);
        }
        if readable && found.model.is_none() {
            if !empty() {
                // Of use as it is; a model takes part in it only from the next reindex on.
                return Ok(None);
            }
            self.write(&Manifest { library: found.library, ..wanted.clone() })?;
            return Ok(wanted.model);
        }
        let (indexed_with, configured) = (found.describe(), wanted.describe());
        Err(IndexError::ModelChanged { path: self.dir.clone(), indexed_with, configured, remedy: REINDEX })
    }

    /// Whether the index is of this format, or none yet: to be asked before any of its files is opened, since those of
    /// another format look damaged.
    pub(crate) fn check_format(&self) -> Result<(), IndexError> {
        let Some(found) = self.read()?.filter(|found| found.schema_version != SCHEMA_VERSION) else { return Ok(()) };
        let configured = Manifest { schema_version: SCHEMA_VERSION, ..found.clone() }.describe();
        let (path, indexed_with) = (self.dir.clone(), found.describe());
        Err(IndexError::ModelChanged { path, indexed_with, configured, remedy: REINDEX })
    }

    /// The model that the index was made with; none for no index, or one of words alone.
    pub(crate) fn model(&self) -> Result<Option<String>, IndexError> {
        Ok(self.read()?.and_then(|manifest| manifest.model))
    }

    /// The library that the index follows; none before it has followed one.
    pub(crate) fn library(&self) -> Result<Option<String>, IndexError> {
        Ok(self.read()?.and_then(|manifest| manifest.library))
    }

    /// Makes it the index of a library.
    pub(crate) fn give_to(&self, library: &str) -> Result<(), IndexError> {
        let found = self.read()?.ok_or_else(|| IndexError::corrupt(&self.dir, "index.json is missing"))?;
        self.write(&Manifest { library: Some(library.to_owned()), ..found })
    }

    fn read(&self) -> Result<Option<Manifest>, IndexError> {
        let bytes = match std::fs::read(self.manifest()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IndexError::corrupt(&self.dir, format!("index.json: {error}"))),
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| IndexError::corrupt(&self.dir, format!("index.json: {error}")))
    }

    fn write(&self, manifest: &Manifest) -> Result<(), IndexError> {
        let written = serde_json::to_vec_pretty(manifest).map_err(std::io::Error::from);
        let written = written.and_then(|bytes| replace_file(&self.dir, MANIFEST, &bytes));
        written.map_err(|error| IndexError::disk(&self.dir, error))
    }

    /// Deletes what belongs to an index, and nothing else that may lie in the folder.
    pub(crate) fn destroy(&self) -> Result<(), IndexError> {
        let gone = |result: std::io::Result<()>| match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(IndexError::disk(&self.dir, error)),
            _ => Ok(()),
        };
        gone(std::fs::remove_dir_all(self.lexical()))?;
        gone(std::fs::remove_dir_all(self.dense()))?;
        // Last: an index without it that was only half deleted could not be told from a damaged one.
        gone(std::fs::remove_file(self.manifest()))
    }

    /// The bytes that all of the index takes on the disk. Its files are longer: the arms reserve room in them, and nothing is
    /// there until it is written.
    pub(crate) fn size(&self) -> u64 {
        let manifest = std::fs::metadata(self.manifest()).map_or(0, |file| on_disk(&file));
        size(&self.lexical()) + self.size_of_dense() + manifest
    }

    /// Of these, the vectors'.
    pub(crate) fn size_of_dense(&self) -> u64 {
        size(&self.dense())
    }
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => on_disk(&meta),
        // Files come and go while the arms merge theirs.
        Err(_) => 0,
    });
    sizes.sum()
}

fn on_disk(file: &std::fs::Metadata) -> u64 {
    // A block is 512 bytes here, whatever the file system's are (stat(2)).
    file.blocks() * 512
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> ModelInfo {
        ModelInfo { name: name.to_owned(), dimension: 8, max_tokens: 256 }
    }

    #[test]
    fn a_folder_belongs_to_the_model_that_claimed_it() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("index"));
        assert_eq!(layout.claim(Some(&model("a")), || false).unwrap(), Some("a".to_owned()));
        assert_eq!(layout.claim(Some(&model("a")), || false).unwrap(), Some("a".to_owned()));
        assert_eq!(layout.claim(None, || false).unwrap(), Some("a".to_owned()));
        let error = layout.claim(Some(&model("b")), || true).unwrap_err().to_string();
        assert!(error.contains("built with model a (8 numbers), format 4, configured is model b"), "{error}");
        assert!(error.contains("lectern reindex"), "{error}");
        layout.destroy().unwrap();
        assert_eq!(layout.claim(Some(&model("b")), || false).unwrap(), Some("b".to_owned()));
    }

    #[test]
    fn an_empty_index_of_words_gets_a_model_and_a_full_one_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert_eq!(layout.claim(None, || true).unwrap(), None);
        layout.give_to("library").unwrap();
        assert_eq!(layout.claim(Some(&model("a")), || false).unwrap(), None);
        assert_eq!(layout.claim(Some(&model("a")), || true).unwrap(), Some("a".to_owned()));
        assert_eq!(layout.library().unwrap(), Some("library".to_owned()));
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        std::fs::write(layout.manifest(), "{\"schema_version\":").unwrap();
        assert!(matches!(layout.claim(None, || true), Err(IndexError::Corrupt { .. })));
        std::fs::write(layout.manifest(), "{\"schema_version\":99,\"model\":null,\"dimension\":null}").unwrap();
        assert!(matches!(layout.claim(None, || true), Err(IndexError::ModelChanged { .. })));
        std::fs::remove_file(layout.manifest()).unwrap();
        std::fs::create_dir(layout.lexical()).unwrap();
        assert!(matches!(layout.claim(None, || true), Err(IndexError::Corrupt { .. })));
    }

    #[test]
    fn destroying_leaves_other_files_alone() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        layout.claim(None, || true).unwrap();
        std::fs::create_dir_all(layout.lexical().join("deep")).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        let empty = layout.size();
        std::fs::write(layout.lexical().join("deep/words"), vec![1; 100_000]).unwrap();
        std::fs::write(dir.path().join("more notes.txt"), vec![1; 100_000]).unwrap();
        std::fs::File::create(layout.lexical().join("reserved")).unwrap().set_len(1 << 40).unwrap();
        let taken = layout.size() - empty;
        assert!((100_000..200_000).contains(&taken), "neither the notes nor what is only reserved: {taken}");
        std::fs::remove_file(dir.path().join("more notes.txt")).unwrap();
        layout.destroy().unwrap();
        layout.destroy().unwrap();
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }
}
