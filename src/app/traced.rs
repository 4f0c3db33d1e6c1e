//! The embedding model, with a span in the trace for each query that a search embeds.

use std::sync::Arc;

use index::{Embedder, IndexError, ModelInfo, Pieces, QueryReading};

use crate::telemetry::conventions;
use crate::telemetry::trace::{Kind, begin};

/// A model whose queries are traced. Where it is asked on a thread of its own, whoever asks has a span for it already.
pub(super) struct Traced(pub(super) Arc<dyn Embedder>);

impl Embedder for Traced {
    fn model(&self) -> &ModelInfo {
        self.0.model()
    }

    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
        self.0.embed_passages(texts)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, IndexError> {
        self.traced(|embedder| embedder.embed_query(text))
    }

    fn pieces(&self) -> Option<&Pieces> {
        self.0.pieces()
    }

    fn read_query(&self, text: &str) -> Result<QueryReading, IndexError> {
        self.traced(|embedder| embedder.read_query(text))
    }
}

impl Traced {
    fn traced<T>(&self, work: impl FnOnce(&dyn Embedder) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let ModelInfo { name, dimension, .. } = self.0.model();
        let Some(span) = begin(&format!("embeddings {name}"), Kind::Internal) else { return work(&*self.0) };
        span.note(conventions::OPERATION, "embeddings");
        span.note(conventions::REQUEST_MODEL, name.as_str());
        span.note(conventions::DIMENSIONS, *dimension);
        let done = work(&*self.0);
        if done.is_err() {
            span.fail("embedding");
        }
        span.end();
        done
    }
}
