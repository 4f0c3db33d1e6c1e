//! LaTeX in titles, names and abstracts: read once ([`scan`]), written back for BibTeX ([`encode`])
//! or as plain Unicode ([`plain()`]).

mod capitals;
mod encode;
mod letters;
mod plain;
mod scan;

#[cfg(test)]
pub(super) use encode::balances;
pub(super) use encode::{text as bibtex_text, title as bibtex_title};
pub(super) use plain::plain;
