use std::path::Path;

use super::*;

fn settings(dir: &Path, model: &str) -> EmbeddingSettings {
    EmbeddingSettings { models_dir: dir.to_owned(), runtime_library: None, model: model.to_owned(), threads: 2 }
}

/// The folder that set-up fills, where it has been run.
#[allow(clippy::disallowed_methods, reason = "where the model is installed comes from outside")]
pub(in super::super) fn models() -> Option<PathBuf> {
    let set = std::env::var("LECTERN_MODELS").ok().map(PathBuf::from);
    let data = std::env::var("XDG_DATA_HOME").ok().map(PathBuf::from);
    let home = std::env::var("HOME").ok().map(|home| PathBuf::from(home).join(".local/share"));
    let dir = set.or_else(|| data.or(home).map(|data| data.join("lectern/models")))?;
    dir.join(INSTALLED).join("manifest.json").is_file().then_some(dir)
}

pub(in super::super) fn skipped() {
    eprintln!("SKIPPED: the embedding model and its runtime are not installed (`make setup`)");
}

#[test]
fn a_missing_library_is_named_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path(), INSTALLED);
    settings.runtime_library = Some(dir.path().join("none.so"));
    // Another test of this process may have loaded a library; then the model is what is missing.
    let missing = match FastEmbedder::load(&settings).err().unwrap() {
        IndexError::ModelMissing { path, remedy } => (path, remedy),
        other => panic!("{other}"),
    };
    assert!(missing.0.starts_with(dir.path()));
    assert_eq!(missing.1, "run `make setup`");
}

#[test]
fn an_unknown_model_is_told_the_known_ones() {
    let error = FastEmbedder::load(&settings(Path::new("/nowhere"), "gpt-17")).err().unwrap().to_string();
    assert!(error.starts_with("there is no embedding model `gpt-17`"), "{error}");
    assert!(error.contains("Xenova/bge-small-en-v1.5"), "{error}");
}

#[test]
fn the_installed_models_keep_the_contract_and_know_meaning() {
    let Some(dir) = models() else { return skipped() };
    for name in [INSTALLED, "all-MiniLM-L6-v2-fp32"] {
        let embedder = FastEmbedder::load(&settings(&dir, name)).unwrap();
        assert_eq!(embedder.model(), &ModelInfo { name: name.to_owned(), dimension: 384, max_tokens: 256 });
        crate::embed::suite(&embedder);
        let query = embedder.embed_query("How do vaccines protect against infection?").unwrap();
        let texts = ["Immunisation induces antibodies.", "Convolutional networks classify images."].map(str::to_owned);
        let scores: Vec<f32> = (embedder.embed_passages(&texts).unwrap().iter())
            .map(|vector| vector.iter().zip(&query).map(|(a, b)| a * b).sum())
            .collect();
        assert!(scores[0] > scores[1] + 0.2, "{name}: {scores:?}");
    }
}

#[test]
fn a_query_does_not_wait_for_passages() {
    let Some(dir) = models() else { return skipped() };
    let embedder = FastEmbedder::load(&settings(&dir, INSTALLED)).unwrap();
    let alone = embedder.embed_query("residual learning").unwrap();
    let busy: Vec<_> = embedder.sessions.iter().map(|session| session.lock().unwrap()).collect();
    assert_eq!(embedder.embed_query("residual learning").unwrap(), alone);
    assert_eq!(
        embedder.embed_passages(&["residual learning".to_owned()]).unwrap(),
        [alone],
        "nor do an answer's few texts"
    );
    drop(busy);
}

#[test]
fn a_query_that_was_read_before_is_known() {
    let Some(dir) = models() else { return skipped() };
    let embedder = FastEmbedder::load(&settings(&dir, INSTALLED)).unwrap();
    let first = embedder.read_query("residual learning").unwrap();
    assert!(embedder.read_query(&"long ".repeat(50)).unwrap().pieces.len() >= 50);
    let busy: Vec<_> =
        embedder.sessions.iter().chain(&embedder.spares).map(|session| session.lock().unwrap()).collect();
    // With every session taken, nothing but what is kept can answer.
    assert_eq!(embedder.read_query("residual learning").unwrap(), first);
    assert_eq!(embedder.embed_query("residual learning").unwrap(), first.vector);
    assert!(embedder.known(&"long ".repeat(50)).is_none(), "too long to be kept");
    drop(busy);
}

#[test]
fn a_damaged_model_file_is_named_with_the_remedy() {
    let Some(installed) = models() else { return skipped() };
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join(INSTALLED);
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(installed.join(INSTALLED)).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let mut settings = settings(dir.path(), INSTALLED);
    settings.runtime_library = Some(installed.join("libonnxruntime.so"));
    std::fs::write(copy.join("model_int8.onnx"), b"not a graph").unwrap();
    let error = FastEmbedder::load(&settings).err().unwrap();
    assert!(matches!(error, IndexError::ModelUnusable { .. }), "{error}");
    assert!(error.to_string().contains("model_int8.onnx") && error.to_string().contains("make setup"), "{error}");
    std::fs::remove_file(copy.join("tokenizer.json")).unwrap();
    settings.model = "all-MiniLM-L6-v2-fp32".to_owned();
    assert!(matches!(FastEmbedder::load(&settings).err().unwrap(), IndexError::ModelMissing { .. }));
}

#[test]
fn a_texts_vector_does_not_depend_on_its_neighbours() {
    let Some(dir) = models() else { return skipped() };
    let embedder = FastEmbedder::load(&settings(&dir, INSTALLED)).unwrap();
    let texts: Vec<String> =
        (0..60).map(|n| "Some words about retrieval. ".repeat(1 + n % 7) + &n.to_string()).collect();
    let together = embedder.embed_passages(&texts).unwrap();
    for (text, vector) in texts.iter().zip(&together) {
        let alone = embedder.embed_passages(std::slice::from_ref(text)).unwrap().remove(0);
        let apart = alone.iter().zip(vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-5, "{apart} for {text}");
    }
}
