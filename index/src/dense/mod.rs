//! Vectors of passages: stored, filtered and searched by cosine.

mod edge;
mod edge_files;
mod edge_filter;
mod qdrant;
#[cfg(test)]
pub(crate) mod suite;

pub use edge::EdgeStore;
pub(crate) use edge_files::check_unused;
pub use qdrant::{QdrantSettings, QdrantStore};

use async_trait::async_trait;
use paper::PaperId;

use crate::filter::{Conditions, Facets};
use crate::{IndexError, PassageId};

/// A passage's vector with what it is filtered by.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorPoint {
    /// The passage.
    pub passage: PassageId,
    /// The paper it is of.
    pub paper: PaperId,
    /// The vector, of the store's dimension.
    pub vector: Vec<f32>,
    /// What filters see of the paper.
    pub facets: Facets,
}

/// Keeps the vectors of passages and finds the nearest.
///
/// The store follows the lexical arm: [`crate::HybridIndex`] writes here first, flushes, and only
/// then commits there, so that this store may hold points the lexical arm does not know yet, never
/// the other way round. Every write is an upsert or a delete by stable ids, so that it can be done
/// again after a failure. [`VectorStore::search`], [`VectorStore::score`] and [`VectorStore::vectors`] of a store in this
/// process take a millisecond or two of the thread that asks: one that may wait. Scores are cosines; a zero vector scores 0 with everything.
///
/// To sum it up, a `VectorStore` is a map from passage to vector with a nearest-neighbour search, and
/// durable once [`VectorStore::flush`] has returned.
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Adds points, in place of those of the same passages.
    ///
    /// # Errors
    /// When the vectors have another dimension than the store, or the store cannot write.
    async fn upsert(&self, points: Vec<VectorPoint>) -> Result<(), IndexError>;

    /// Takes out all points of these papers but those of the passages in `keep`; unknown ones are
    /// nothing to worry about.
    ///
    /// # Errors
    /// When the store cannot write.
    async fn delete_papers(&self, papers: &[PaperId], keep: &[PassageId]) -> Result<(), IndexError>;

    /// The at most `k` points nearest to `vector` for which `conditions` hold, best first. May be
    /// approximate in a large store; points with equal scores come in any order.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn search(
        &self,
        vector: &[f32],
        conditions: &Conditions,
        k: usize,
    ) -> Result<Vec<(PassageId, f32)>, IndexError>;

    /// The scores that [`VectorStore::search`] gives to these passages, in any order; unknown ones
    /// are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn score(&self, vector: &[f32], passages: &[PassageId]) -> Result<Vec<(PassageId, f32)>, IndexError>;

    /// The vectors of these passages, scaled to length 1, in any order; unknown ones are left out. A store may keep 16 bits
    /// of each number.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn vectors(&self, passages: &[PassageId]) -> Result<Vec<(PassageId, Vec<f32>)>, IndexError>;

    /// Whether its answers come from another process, and are waited for rather than worked for.
    fn is_remote(&self) -> bool {
        false
    }

    /// How many points there are, exactly.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn count(&self) -> Result<usize, IndexError>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// [`IndexError::Disk`] or [`IndexError::Server`]; then the same writes are to be done again.
    async fn flush(&self) -> Result<(), IndexError>;

    /// Builds whatever makes searching fast; worth calling after a bulk load. Searches go on meanwhile.
    ///
    /// # Errors
    /// When the store cannot write.
    async fn optimize(&self) -> Result<(), IndexError>;

    /// Takes out every point.
    ///
    /// # Errors
    /// When the store cannot write.
    async fn clear(&self) -> Result<(), IndexError>;
}

/// Refuses vectors that do not fit before any of them is written.
fn check_dimension(points: &[VectorPoint], expected: usize) -> Result<(), IndexError> {
    match points.iter().find(|point| point.vector.len() != expected) {
        None => Ok(()),
        Some(odd) => {
            let reason = format!("a vector of {} numbers where the store has {expected}", odd.vector.len());
            Err(IndexError::Embedding { reason })
        }
    }
}
