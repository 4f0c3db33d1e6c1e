//! Through the front door: the command and the REST API, with the real model, real tantivy, real Qdrant
//! Edge and real SQLite. Local servers stand in only for providers that cannot be reached.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod agent;
mod answers;
mod api;
mod architecture;
mod arxiv;
mod bad_input;
mod claims;
mod cli;
mod costs;
mod crash;
mod diff;
mod drafts;
mod enrich;
mod experiments;
mod forms;
mod guard;
mod index;
mod intake;
mod intakes;
mod jobs;
mod jobs_served;
mod liars;
mod linked;
mod measures;
mod metrics;
mod model;
mod money;
mod opinions;
mod papers;
mod provider;
mod provider_server;
mod reindex;
mod reindex_faults;
mod remote;
mod replay_arxiv;
mod replay_scholar;
mod reranker;
mod resumed;
mod runs;
mod scripted;
mod search;
mod support;
mod sync;
#[path = "../fixtures/token_counter.rs"]
mod token_counter;
mod traces;
