//! Other people's formats into papers.
//!
//! Each format has a pure reader, bytes in and a [`Page`] out: [`arxiv::parse`] for Atom feeds and
//! OAI-PMH, [`semantic_scholar::parse_body`] for every answer that lists papers, [`crossref::parse_body`]
//! for the works of Crossref's, [`jsonl::parse_line`] for files of the user's own. Around the readers stand live
//! [`Source`]s, which walk through a request page by page and go out through one [`http::PoliteClient`] each, and
//! [`Lookup`]s, which ask what a source knows of papers that are there already.
//!
//! Two rules hold for all of them. One bad record is rejected with its reason and never takes the rest
//! with it, so the papers, the rejected and the deleted records of a page together are exactly the records that
//! were sent. And what a source does not say stays unknown.

pub mod arxiv;
mod breaker;
pub mod crossref;
mod error;
pub mod http;
pub mod jsonl;
mod lookup;
mod politeness;
mod retracted;
pub mod semantic_scholar;
mod source;
mod text;
mod withdrawn;

pub use breaker::Resting;
pub use error::IngestError;
pub use lookup::{LookedUp, Lookup};
pub use source::{Cursor, InvalidCursor, Page, Rejected, Source};
