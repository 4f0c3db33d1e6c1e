use std::path::PathBuf;

/// Why the index could not do what it was asked, named by what helps.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A model file or the ONNX Runtime library is not where the settings say.
    #[error("{path} is missing; {remedy}", path = path.display())]
    ModelMissing {
        /// The file that was looked for.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A model file or the ONNX Runtime library is there and cannot be used.
    #[error("{path} cannot be used: {reason}; {remedy}", path = path.display())]
    ModelUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The name of an embedding model that nobody knows.
    #[error(
        "there is no embedding model `{name}`; known are all-MiniLM-L6-v2, all-MiniLM-L6-v2-fp32 and fastembed's: {known}"
    )]
    UnknownModel {
        /// The name as it was set.
        name: String,
        /// The names of the models that can be fetched.
        known: String,
    },
    /// The model failed on a text, or gave vectors of another shape than it promised.
    #[error("embedding failed: {reason}")]
    Embedding {
        /// What the runtime says.
        reason: String,
    },
    /// The index was built with another model or by another version of this program.
    #[error("the index at {path} was built with {indexed_with}, configured is {configured}; {remedy}", path = path.display())]
    ModelChanged {
        /// The folder of the index.
        path: PathBuf,
        /// Model and schema that the folder was written with.
        indexed_with: String,
        /// Model and schema of this program as it is configured.
        configured: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The index has vectors, and there is nothing to make more of them with.
    #[error("the index at {path} has vectors of {indexed_with}, but no model is loaded to write more; {remedy}", path = path.display())]
    ModelNotLoaded {
        /// The folder of the index.
        path: PathBuf,
        /// The model that the folder was written with.
        indexed_with: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The files of an index cannot be read.
    #[error("the index at {path} is damaged: {reason}; {remedy}", path = path.display())]
    Corrupt {
        /// The folder of the index.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Another process holds the index.
    #[error("the index at {path} is in use by another process; stop it, or ask it instead", path = path.display())]
    Busy {
        /// The folder of the index.
        path: PathBuf,
    },
    /// The disk is full or will not take the data; nothing is lost, the same batch can be written again.
    #[error("cannot write the index at {path}: {reason}; free some disk space and try again", path = path.display())]
    Disk {
        /// The folder of the index.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The Qdrant server did not do what it was asked; the same call can be made again.
    #[error(
        "the Qdrant server at {url} does not answer as it should: {reason}; check that it runs and that qdrant.url is right"
    )]
    Server {
        /// The address of the server.
        url: String,
        /// What the server or the connection says.
        reason: String,
    },
    /// The Qdrant server refuses the key.
    #[error("the Qdrant server at {url} refuses the request: {reason}; check qdrant.api_key")]
    Unauthorized {
        /// The address of the server.
        url: String,
        /// What the server says.
        reason: String,
    },
    /// Something that should not happen, and that trying again may cure.
    #[error("the index failed: {reason}")]
    Internal {
        /// What is known about it.
        reason: String,
    },
}

/// The remedy for an index that cannot be used as it is.
pub(crate) const REINDEX: &str = "run `lectern reindex`, which builds it anew from the library";
/// The remedy for missing model files.
pub(crate) const SETUP: &str = "run `make setup`";

impl IndexError {
    /// A failure without a remedy of its own.
    pub(crate) fn internal(reason: impl std::fmt::Display) -> Self {
        Self::Internal { reason: reason.to_string() }
    }

    /// A damaged folder.
    pub(crate) fn corrupt(path: &std::path::Path, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt { path: path.to_owned(), reason: reason.to_string(), remedy: REINDEX }
    }

    /// A file that could not be written.
    pub(crate) fn disk(path: &std::path::Path, reason: impl std::fmt::Display) -> Self {
        Self::Disk { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Whether the same call may succeed later without anybody doing anything: a server that is
    /// down, a file in use.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Server { .. } | Self::Busy { .. } | Self::Internal { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_error_says_what_happened_to_what_and_what_to_do() {
        let path = Path::new("/home/ada/index");
        for (error, text) in [
            (
                IndexError::corrupt(path, "meta.json: EOF"),
                "the index at /home/ada/index is damaged: meta.json: EOF; run `lectern reindex`, which builds it anew from the library",
            ),
            (
                IndexError::disk(path, "No space left on device"),
                "cannot write the index at /home/ada/index: No space left on device; free some disk space and try again",
            ),
            (
                IndexError::Busy { path: path.into() },
                "the index at /home/ada/index is in use by another process; stop it, or ask it instead",
            ),
            (
                IndexError::ModelMissing { path: path.join("model.onnx"), remedy: SETUP },
                "/home/ada/index/model.onnx is missing; run `make setup`",
            ),
            (
                IndexError::Unauthorized { url: "http://q:6334".into(), reason: "Unauthenticated".into() },
                "the Qdrant server at http://q:6334 refuses the request: Unauthenticated; check qdrant.api_key",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        let path = Path::new("x");
        assert!(IndexError::Server { url: String::new(), reason: String::new() }.is_transient());
        assert!(IndexError::Busy { path: path.into() }.is_transient());
        assert!(!IndexError::disk(path, "full").is_transient());
        assert!(!IndexError::corrupt(path, "x").is_transient());
    }
}
