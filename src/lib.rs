//! Lectern: question -> cited answer, and how people reach it.
//!
//! A library of papers that keeps itself current, hybrid search over it, and answers whose every citation has
//! been checked against the source. `docs/ARCHITECTURE.md` tells the two walks that the program is.

pub mod agent;
pub mod api;
pub mod app;
pub mod citation;
pub mod cli;
pub mod clock;
pub mod config;
pub mod eval;
pub mod experiment;
pub mod jobs;
pub mod library;
pub mod llm;
pub mod store;
pub mod telemetry;
