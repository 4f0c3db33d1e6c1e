//! Text to vectors.

mod fastembed;
mod hashing;
mod hub;
mod model_files;
mod pieces;
mod reranker;
mod runtime;

pub use self::fastembed::{EmbeddingSettings, FastEmbedder};
pub use self::hashing::HashEmbedder;
pub use self::pieces::{Pieces, QueryPiece};
#[cfg(test)]
pub(crate) use self::reranker::tests::longest_first;
pub use self::reranker::{Reranker, RerankerSettings};
pub use self::runtime::wait_for_models;

use crate::IndexError;

/// What is to be known of an embedding model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its name; two models of one name give the same vectors.
    pub name: String,
    /// Length of its vectors.
    pub dimension: usize,
    /// How many tokens of a text it reads; the rest is cut off.
    pub max_tokens: usize,
}

/// What a model makes of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryReading {
    /// Its vector.
    pub vector: Vec<f32>,
    /// The vector, of length 1, of its first word piece in its sentence: of the word that asks. The query's own where the model
    /// gives none.
    pub first: Vec<f32>,
    /// Its word pieces; none of a model without [`Embedder::pieces`].
    pub pieces: Vec<QueryPiece>,
}

/// Turns texts into vectors whose cosine says how close they are in meaning.
///
/// Passages and queries have a method each, since some models want a prefix before one of them.
/// Every text gives one vector of [`ModelInfo::dimension`] finite numbers and length 1, whatever the
/// text, the empty one included; the same text gives the same vector up to rounding, whatever it is
/// embedded together with. Calls block and use the processor: async callers move them to a blocking
/// thread.
///
/// To sum it up, an `Embedder` is a pure function that is expensive.
pub trait Embedder: Send + Sync {
    /// The model behind it.
    fn model(&self) -> &ModelInfo;

    /// The vectors of passages, in their order.
    ///
    /// # Errors
    /// [`IndexError::Embedding`] when the runtime fails.
    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError>;

    /// The vector of a query.
    ///
    /// # Errors
    /// [`IndexError::Embedding`] when the runtime fails.
    fn embed_query(&self, text: &str) -> Result<Vec<f32>, IndexError>;

    /// The vectors of its word pieces; none of a model that has no table of them.
    fn pieces(&self) -> Option<&Pieces> {
        None
    }

    /// The vector of a query and those of its word pieces.
    ///
    /// # Errors
    /// As [`Embedder::embed_query`].
    fn read_query(&self, text: &str) -> Result<QueryReading, IndexError> {
        let vector = self.embed_query(text)?;
        Ok(QueryReading { first: vector.clone(), vector, pieces: Vec::new() })
    }
}

/// What every [`Embedder`] must do.
#[cfg(test)]
pub(crate) fn suite(embedder: &dyn Embedder) {
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let long = "many words of no meaning at all ".repeat(500);
    let odd = ["", "  ", "e\u{301} 漢字 \u{1F600}", "\0", &long, "Deep residual learning."];
    let texts: Vec<String> = odd.iter().map(|text| (*text).to_owned()).collect();
    let vectors = embedder.embed_passages(&texts).unwrap();
    assert_eq!(vectors.len(), texts.len());
    for (text, vector) in texts.iter().zip(&vectors) {
        assert_eq!(vector.len(), embedder.model().dimension, "{text:.20}");
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-3, "length 1: {text:.20}");
        let alone = embedder.embed_passages(std::slice::from_ref(text)).unwrap();
        // Eight-bit models round by the largest number of the whole batch.
        assert!(cosine(vector, &alone[0]) > 0.95, "the same alone as among others: {text:.20}");
        let query = embedder.embed_query(text).unwrap();
        assert_eq!(query.len(), embedder.model().dimension);
        let read = embedder.read_query(text).unwrap();
        assert!(cosine(&read.vector, &query) > 0.999, "one vector of a query: {text:.20}");
    }
    assert_eq!(embedder.embed_passages(&[]).unwrap(), Vec::<Vec<f32>>::new());
}
