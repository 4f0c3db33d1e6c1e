use std::collections::BTreeMap;
use std::path::Path;

use fastembed::TokenizerFiles;
use sha2::{Digest, Sha256};

use crate::IndexError;
use crate::error::SETUP;

/// What set-up says of the files it has put into the models' folder.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Manifest {
    pub(super) dimension: usize,
    pub(super) max_length: usize,
    /// By path within the models' folder.
    files: BTreeMap<String, FileSum>,
}

#[derive(Debug, serde::Deserialize)]
struct FileSum {
    /// In hexadecimal digits.
    sha256: String,
}

/// The files of a model: the graph and what its tokenizer needs.
pub(super) struct ModelFiles {
    pub(super) graph: Vec<u8>,
    pub(super) tokenizer: TokenizerFiles,
}

impl Manifest {
    /// Reads the manifest of the model in the folder `model` of the models' folder.
    pub(super) fn read(models: &Path, model: &str) -> Result<Self, IndexError> {
        let path = models.join(model).join("manifest.json");
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| unusable(&path, format!("it is no manifest: {error}")))
    }

    /// A file's content, once it is what set-up put there. A graph with a changed bit would load and give other vectors.
    pub(super) fn verified(&self, models: &Path, name: &str) -> Result<Vec<u8>, IndexError> {
        let path = models.join(name);
        let content = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        self.compare(&path, name, &Sha256::digest(&content))?;
        Ok(content)
    }

    /// Whether a file is what set-up put there, without having all of it in memory. A library that was cut short would
    /// kill the process.
    pub(super) fn verify(&self, models: &Path, name: &str) -> Result<(), IndexError> {
        let (path, mut digest) = (models.join(name), Sha256::new());
        let read = std::fs::File::open(&path).and_then(|mut file| std::io::copy(&mut file, &mut digest));
        read.map_err(|error| unreadable(&path, &error))?;
        self.compare(&path, name, &digest.finalize())
    }

    fn compare(&self, path: &Path, name: &str, digest: &[u8]) -> Result<(), IndexError> {
        let Some(FileSum { sha256 }) = self.files.get(name) else {
            return Err(unusable(path, "the manifest does not list it".to_owned()));
        };
        let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if found.eq_ignore_ascii_case(sha256) {
            Ok(())
        } else {
            Err(unusable(path, format!("its SHA-256 is {found}, expected is {sha256}")))
        }
    }
}

impl ModelFiles {
    /// Reads the files and holds them against the manifest.
    pub(super) fn read(manifest: &Manifest, models: &Path, model: &str, graph: &str) -> Result<Self, IndexError> {
        let read = |name: &str| manifest.verified(models, &format!("{model}/{name}"));
        Ok(Self {
            graph: read(graph)?,
            tokenizer: TokenizerFiles {
                tokenizer_file: read("tokenizer.json")?,
                config_file: read("config.json")?,
                special_tokens_map_file: read("special_tokens_map.json")?,
                tokenizer_config_file: read("tokenizer_config.json")?,
            },
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> IndexError {
    match error.kind() {
        std::io::ErrorKind::NotFound => IndexError::ModelMissing { path: path.to_owned(), remedy: SETUP },
        _ => unusable(path, error.to_string()),
    }
}

pub(super) fn unusable(path: &Path, reason: String) -> IndexError {
    IndexError::ModelUnusable { path: path.to_owned(), reason, remedy: SETUP }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A models' folder with one file `m/a`, whose content is `abc`.
    fn models() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("m")).unwrap();
        std::fs::write(dir.path().join("m/a"), "abc").unwrap();
        // The first test vector of FIPS 180-2.
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let manifest = format!(r#"{{"dimension":3,"max_length":9,"files":{{"m/a":{{"bytes":3,"sha256":"{sum}"}}}}}}"#);
        std::fs::write(dir.path().join("m/manifest.json"), manifest).unwrap();
        dir
    }

    #[test]
    fn a_file_is_read_when_it_is_what_set_up_put_there() {
        let dir = models();
        let manifest = Manifest::read(dir.path(), "m").unwrap();
        assert_eq!((manifest.dimension, manifest.max_length), (3, 9));
        assert_eq!(manifest.verified(dir.path(), "m/a").unwrap(), b"abc");
        manifest.verify(dir.path(), "m/a").unwrap();
        std::fs::write(dir.path().join("m/a"), "abd").unwrap();
        std::fs::write(dir.path().join("m/b"), "abc").unwrap();
        let read = |name| manifest.verified(dir.path(), name).map(drop);
        let looked_at = |name| manifest.verify(dir.path(), name);
        for [changed, unlisted, missing] in [["m/a", "m/b", "m/c"].map(read), ["m/a", "m/b", "m/c"].map(looked_at)] {
            let changed = changed.unwrap_err().to_string();
            assert!(changed.contains("m/a cannot be used: its SHA-256 is a52d159f"), "{changed}");
            assert!(matches!(unlisted, Err(IndexError::ModelUnusable { .. })));
            assert!(matches!(missing, Err(IndexError::ModelMissing { .. })));
        }
    }

    #[test]
    fn a_manifest_that_is_none_is_named() {
        let dir = models();
        std::fs::write(dir.path().join("m/manifest.json"), "{}").unwrap();
        let error = Manifest::read(dir.path(), "m").unwrap_err().to_string();
        assert!(error.contains("manifest.json cannot be used: it is no manifest"), "{error}");
        assert!(matches!(Manifest::read(dir.path(), "n"), Err(IndexError::ModelMissing { .. })));
    }
}
