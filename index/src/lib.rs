//! Papers made searchable: BM25 over words and vectors over meaning, behind one door.
//!
//! [`HybridIndex`] is that door. A paper comes in as an [`IndexedPaper`] and is cut into
//! [`Passage`]s; a [`SearchQuery`] comes in and [`SearchResults`] go out. Behind it are two arms: the
//! lexical one is a tantivy index in the same folder, the dense one whatever implements
//! [`VectorStore`], filled by whatever implements [`Embedder`]. The index keeps nothing that the
//! library's store does not have, so it can be deleted and built anew at any time: beside the one that is searched, as
//! another of its [`Generations`].

pub mod dense;
mod difference;
pub mod embed;
mod error;
pub mod filter;
pub mod fusion;
mod generations;
mod hybrid;
mod layout;
mod lexical;

mod passage;
mod query;
pub mod syntax;
mod threads;

pub use dense::{EdgeStore, QdrantSettings, QdrantStore, VectorStore};
pub use difference::Difference;
pub use embed::{
    Embedder, EmbeddingSettings, FastEmbedder, HashEmbedder, ModelInfo, Pieces, QueryPiece, QueryReading, Reranker,
    RerankerSettings, wait_for_models,
};
pub use error::IndexError;
pub use generations::{Building, Generations};
pub use hybrid::{HybridIndex, IndexSettings, MOST_SHOWN, Prepared, Searching, Wording};
pub use passage::{PIECE_UP_TO, Passage, PassageId, Section, WHOLE_UP_TO, embedded_text, split};
pub use query::{
    ArmScores, FacetCount, FacetCounts, Filter, IndexStats, IndexedPaper, Mode, Place, SearchHit, SearchQuery,
    SearchResults, Sort, UnknownMode, UnknownSort, WriteReport,
};
