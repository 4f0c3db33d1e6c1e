//! The readers on recorded bodies and real corpora, and the live sources against a local server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod corpus;
mod live_arxiv;
mod live_arxiv_daily;
mod live_arxiv_harvest;
mod live_arxiv_walks;
mod live_breaker;
mod live_crossref;
mod live_diff;
mod live_politeness;
mod live_semantic_scholar;
mod recordings;
mod server;
mod shared;
