//! A work of Crossref's into a paper.

use jiff::Timestamp;
use paper::{Author, Doi, Paper, PublicationDate, SourceName};

use super::wire::{self, Date, Update, Work};
use crate::retracted::without_mark;
use crate::text::present;

/// The kinds of notices by which a paper is taken back. What else there is (correction, erratum, corrigendum,
/// clarification, addendum, expression of concern, partial retraction, new version) leaves it standing.
const TAKEN_BACK: [&str; 3] = ["retraction", "withdrawal", "removal"];

/// The paper that a work tells of.
///
/// # Errors
/// The reason in words: without a title there is no paper.
pub(super) fn paper(work: &Work, seen: Timestamp) -> Result<Paper, String> {
    let full = title(work).ok_or("no title")?;
    let doi: Option<Doi> = work.doi.as_deref().and_then(|doi| doi.parse().ok());
    let (marked, title) = without_mark(&full);
    let mut paper = Paper::new(title, SourceName::Crossref, seen);
    paper.retracted = is_retracted(work, doi.as_ref(), marked);
    paper.authors = work.author.iter().flatten().filter_map(author).collect();
    paper.published = [&work.published, &work.issued].into_iter().flatten().find_map(date);
    paper.year = paper.published.map(PublicationDate::year);
    paper.venue = first(work.container_title.as_ref());
    paper.url = doi.as_ref().map(Doi::url);
    paper.ids.doi = doi;
    Ok(paper)
}

/// The title as it was registered.
pub(super) fn title(work: &Work) -> Option<String> {
    first(work.title.as_ref())
}

/// The title with its subtitle, where it has one.
pub(super) fn long_title(work: &Work) -> Option<String> {
    Some(format!("{}: {}", without_mark(&title(work)?).1, first(work.subtitle.as_ref())?))
}

fn is_retracted(work: &Work, doi: Option<&Doi>, marked: bool) -> bool {
    let takes_back = |update: &&Update| update.kind.as_deref().is_some_and(|kind| TAKEN_BACK.contains(&kind));
    if work.updated_by.iter().flatten().any(|update| takes_back(&update)) {
        return true;
    }
    // A notice names the paper that it takes back; a paper may also be replaced by its own notice, under one DOI.
    let mut targets = work.update_to.iter().flatten().filter(takes_back).peekable();
    match targets.peek() {
        Some(_) => targets.any(|to| to.doi.as_deref().and_then(|to| to.parse().ok()).as_ref() == doi),
        None => marked,
    }
}

fn author(author: &wire::Author) -> Option<Author> {
    let part = |part: &Option<String>| part.as_deref().and_then(present);
    let name = match (part(&author.given), part(&author.family)) {
        (Some(given), Some(family)) => format!("{given} {family}"),
        (None, Some(family)) => family,
        _ => part(&author.name)?,
    };
    let mut known = Author::named(name);
    if let Some(orcid) = author.orcid.as_deref().and_then(|orcid| orcid.rsplit('/').next()).and_then(present) {
        known.ids.insert("orcid".to_owned(), orcid);
    }
    Some(known)
}

fn date(date: &Date) -> Option<PublicationDate> {
    let parts: Vec<i64> = date.date_parts.as_ref()?.first()?.iter().map_while(|part| *part).collect();
    match parts.as_slice() {
        [year, month, day, ..] => format!("{year:04}-{month:02}-{day:02}").parse().ok(),
        [year, month] => format!("{year:04}-{month:02}").parse().ok(),
        [year] => PublicationDate::from_year(*year).ok(),
        [] => None,
    }
}

/// The first of the texts that says anything, without the tags of HTML, JATS and MathML.
fn first(texts: Option<&Vec<Option<String>>>) -> Option<String> {
    texts?.iter().flatten().find_map(|text| present(&without_tags(text)))
}

fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(before);
        let tag = after.split_once('>').filter(|(tag, _)| is_tag(tag));
        rest = tag.map_or(after, |(_, beyond)| beyond);
        if tag.is_none() {
            plain.push('<');
        }
    }
    plain.push_str(rest);
    // The ampersand last: `&amp;lt;` is the text `&lt;`.
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// `<i>`, `</sub>`, `<mml:math xmlns=…>`; not the `<` of `p < 0.05 and q > 1`.
fn is_tag(inside: &str) -> bool {
    inside.trim_start_matches('/').starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
