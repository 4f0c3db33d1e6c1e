//! What a broken ONNX Runtime library does. A process can load only one, so this is a process of its
//! own, in which none is ever loaded.

use std::path::Path;

use index::{EmbeddingSettings, FastEmbedder, IndexError};

#[allow(clippy::unwrap_used, reason = "called by tests only")]
fn load(models: &Path, library: Option<&Path>) -> IndexError {
    let settings = EmbeddingSettings {
        models_dir: models.to_owned(),
        runtime_library: library.map(Path::to_owned),
        model: "all-MiniLM-L6-v2".to_owned(),
        threads: 1,
    };
    FastEmbedder::load(&settings).err().unwrap()
}

#[test]
fn a_broken_library_is_an_error_with_a_remedy_and_can_be_replaced() {
    let models = tempfile::tempdir().unwrap();
    let model = models.path().join("all-MiniLM-L6-v2");
    std::fs::create_dir(&model).unwrap();
    let manifest = r#"{"dimension": 384, "max_length": 256, "files": {"libonnxruntime.so": {"sha256": "00"}}}"#;
    std::fs::write(model.join("manifest.json"), manifest).unwrap();

    let library = models.path().join("libonnxruntime.so");
    assert!(matches!(load(models.path(), None), IndexError::ModelMissing { path, .. } if path == library));

    std::fs::write(&library, "no library").unwrap();
    let error = load(models.path(), None).to_string();
    assert!(error.contains("libonnxruntime.so cannot be used: its SHA-256 is"), "{error}");

    // One of the user's own is not held against the manifest, and must not take the process with it.
    let error = load(models.path(), Some(&library));
    assert!(matches!(error, IndexError::ModelUnusable { .. }), "{error}");
    assert!(error.to_string().contains("libonnxruntime.so") && error.to_string().contains("make setup"), "{error}");

    // Cut off behind the magic number, as by a download that stopped.
    std::fs::write(&library, b"\x7fELF\x02\x01\x01").unwrap();
    assert!(matches!(load(models.path(), Some(&library)), IndexError::ModelUnusable { .. }));
}
