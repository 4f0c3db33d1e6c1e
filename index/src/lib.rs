//! Papers made searchable: BM25 over words and vectors over meaning, behind one door.
//!
//! [`HybridIndex`] is that door. A paper comes in as an [`IndexedPaper`] and is cut into
//! [`Passage`]s; a [`SearchQuery`] comes in and [`SearchResults`] go out. Behind it are two arms: the
//! lexical one is a tantivy index in the same folder, the dense one whatever implements
//! [`VectorStore`], filled by whatever implements [`Embedder`]. The index keeps nothing that the
//! library's store does not have, so it can be deleted and built anew at any time.

pub mod dense;
mod difference;
pub mod embed;
mod error;
pub mod filter;
pub mod fusion;
mod hybrid;
mod layout;
mod lexical;

mod passage;
mod query;

pub use dense::{EdgeStore, QdrantSettings, QdrantStore, VectorStore};
pub use difference::Difference;
pub use embed::{Embedder, EmbeddingSettings, FastEmbedder, HashEmbedder, ModelInfo};
pub use error::IndexError;
pub use hybrid::{HybridIndex, IndexSettings, Prepared};
pub use passage::{PIECE_UP_TO, Passage, PassageId, Section, WHOLE_UP_TO, embedded_text, split};
pub use query::{
    ArmScores, Filter, IndexStats, IndexedPaper, Mode, SearchHit, SearchQuery, SearchResults, UnknownMode, WriteReport,
};
