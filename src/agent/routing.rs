//! The first step of the walk: how much a question asks for. The classifier is made ready at the first question that needs it.

use std::path::PathBuf;
use std::sync::Arc;

use index::IndexError;

use super::evidence::Vectors;
use router::{Decision, Router};

/// The classifier that goes with the index's embedding model, once it is ready. Cheap to clone.
#[derive(Clone, Default)]
pub struct Routing {
    folders: Arc<[PathBuf]>,
    ready: Arc<tokio::sync::Mutex<Option<Ready>>>,
}

/// A model's name and its classifier; none where there can be none.
type Ready = (String, Option<Router>);

impl Routing {
    /// A classifier that is kept in the first of these folders that can be written.
    #[must_use]
    pub fn new(folders: impl Into<Arc<[PathBuf]>>) -> Self {
        Self { folders: folders.into(), ready: Arc::default() }
    }

    /// What the classifier makes of a question; none without a model, or where no classifier can be made.
    ///
    /// # Errors
    /// When the question cannot be embedded.
    pub async fn decide(&self, question: &str, vectors: &Vectors) -> Result<Option<Decision>, IndexError> {
        let Some(router) = self.router(vectors).await else { return Ok(None) };
        let reading = vectors.reading_of(question).await?;
        Ok(reading.map(|reading| router.decide(question, &reading)))
    }

    /// Whoever comes while it is being trained waits.
    async fn router(&self, vectors: &Vectors) -> Option<Router> {
        let name = vectors.model()?;
        let mut ready = self.ready.lock().await;
        if let Some((model, router)) = ready.as_ref()
            && *model == name
        {
            return router.clone();
        }
        let folders = Arc::clone(&self.folders);
        let opened = vectors.run(move |embedder| Ok(Router::open(&folders, embedder))).await;
        let router = match opened {
            Ok(Some(Ok(router))) => Some(router),
            Ok(Some(Err(fault))) => {
                tracing::warn!(%fault, "questions are not routed by what they ask for: a model answers each");
                None
            }
            Ok(None) => None,
            // It may pass.
            Err(fault) => {
                tracing::warn!(%fault, "the router could not be made ready");
                return None;
            }
        };
        *ready = Some((name, router.clone()));
        router
    }
}
