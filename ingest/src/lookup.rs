use async_trait::async_trait;
use paper::{Paper, SourceName};

use crate::{IngestError, Rejected};

/// What a source knows of papers that are there already, asked about many at once.
///
/// To sum it up: a name, which papers it can be asked about, how many at once, and the asking. Retrying is done inside,
/// as for a [`crate::Source`].
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Who is asked.
    fn name(&self) -> SourceName;

    /// The kinds of identifiers, as [`paper::identity_keys`] names them, of which a paper needs one to be asked about;
    /// empty when every paper can be.
    fn kinds(&self) -> &'static [&'static str];

    /// The most papers to ask about at once.
    fn batch(&self) -> usize;

    /// Asks about papers, at most as many as [`Lookup::batch`] says; `seen` is the time that answers are marked with.
    ///
    /// # Errors
    /// Whatever [`IngestError`] says, after its own polite retries.
    async fn look_up(&self, papers: &[Paper], seen: jiff::Timestamp) -> Result<LookedUp, IngestError>;
}

/// What a source knew of the papers that it was asked about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LookedUp {
    /// What it says of those that it knows, each with an identifier of the paper that was asked about.
    pub papers: Vec<Paper>,
    /// How many it does not know.
    pub unknown: u64,
    /// The answers that could not be read, each with the reason.
    pub rejected: Vec<Rejected>,
}
