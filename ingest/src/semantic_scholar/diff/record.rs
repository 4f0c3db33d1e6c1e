//! A line of a data set's file. The names of its fields are those of the Academic Graph in small letters, and no paper id
//! is among them: it ends the address.

use jiff::Timestamp;
use paper::{CorpusId, Paper};
use serde::Deserialize;

use super::super::{convert, wire};
use super::DiffPage;
use super::files::{Dataset, DiffFile, Kind};
use crate::Rejected;
use crate::text::present;

/// A record of `papers`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    corpusid: Option<u64>,
    externalids: Option<wire::ExternalIds>,
    url: Option<String>,
    title: Option<String>,
    authors: Option<Vec<wire::Author>>,
    venue: Option<String>,
    year: Option<i64>,
    citationcount: Option<u64>,
    s2fieldsofstudy: Option<Vec<wire::FieldOfStudy>>,
    publicationdate: Option<String>,
    journal: Option<wire::Journal>,
}

/// A record of `abstracts`.
#[derive(Debug, Deserialize)]
struct Abstract {
    corpusid: u64,
    #[serde(rename = "abstract", default)]
    text: Option<String>,
}

/// What all records have, those of what is gone alone.
#[derive(Debug, Deserialize)]
struct Gone {
    corpusid: u64,
}

/// What these lines say, of which the first is that after `before` others.
pub(super) fn page(file: &DiffFile, lines: &[Vec<u8>], before: u64, seen: Timestamp) -> DiffPage {
    let mut page = DiffPage::default();
    for (number, line) in (before + 1..).zip(lines) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Err(reason) = read(file, line, seen, &mut page) {
            page.rejected.push(Rejected { record: format!("{}, line {number}", file.name), reason });
        }
    }
    page
}

fn read(file: &DiffFile, line: &[u8], seen: Timestamp, page: &mut DiffPage) -> Result<(), String> {
    match (file.dataset, file.kind) {
        (Dataset::Papers, Kind::Update) => page.papers.push(paper(parsed(line)?, seen)?),
        (Dataset::Papers, Kind::Delete) => page.deleted.push(CorpusId(parsed::<Gone>(line)?.corpusid)),
        (Dataset::Abstracts, Kind::Update) => {
            let Abstract { corpusid, text } = parsed(line)?;
            let text = text.as_deref().and_then(present).ok_or("no abstract")?;
            page.abstracts.push((CorpusId(corpusid), Some(text)));
        }
        (Dataset::Abstracts, Kind::Delete) => page.abstracts.push((CorpusId(parsed::<Gone>(line)?.corpusid), None)),
    }
    Ok(())
}

fn parsed<'l, T: Deserialize<'l>>(line: &'l [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| format!("not in the form of the data set: {error}"))
}

fn paper(record: Record, seen: Timestamp) -> Result<Paper, String> {
    let corpus_id = record.corpusid.ok_or("no corpusid")?;
    let paper_id = record.url.as_deref().and_then(|url| url.rsplit('/').next()).map(str::to_owned);
    convert::paper(
        wire::Paper {
            paper_id,
            corpus_id: Some(wire::ExternalId::Number(corpus_id)),
            external_ids: record.externalids,
            url: record.url,
            title: record.title,
            venue: record.venue,
            year: record.year,
            citation_count: record.citationcount,
            s2_fields_of_study: record.s2fieldsofstudy,
            publication_date: record.publicationdate,
            journal: record.journal,
            authors: record.authors,
            ..wire::Paper::default()
        },
        seen,
    )
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
