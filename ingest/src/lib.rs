//! Other people's formats into papers.
//!
//! Each format has a pure reader, bytes in and a [`Page`] out: [`arxiv::parse`] for Atom feeds and
//! OAI-PMH, [`semantic_scholar::parse_body`] for every answer that lists papers, [`jsonl::parse_line`]
//! for files of the user's own. Around the readers stand two live [`Source`]s, which walk through a
//! query page by page and go out through one [`http::PoliteClient`] each.
//!
//! Two rules hold for all of them. One bad record is rejected with its reason and never takes the rest
//! with it, so the papers and the rejected records of a page together are exactly the records that were
//! sent. And what a source does not say stays unknown.

pub mod arxiv;
mod breaker;
mod error;
pub mod http;
pub mod jsonl;
mod politeness;
pub mod semantic_scholar;
mod source;
mod text;
mod withdrawn;

pub use breaker::Resting;
pub use error::IngestError;
pub use source::{Cursor, InvalidCursor, Page, Rejected, Source};
