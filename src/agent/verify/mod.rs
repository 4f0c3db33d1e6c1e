//! What stands between a draft and its reader. Only this module can make an [`Answer`].

mod marks;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::answer::{Circumstances, Citation, Claim, Closest, RemovalReason, Removed, Status};
use super::evidence::{Evidence, Vectors};
use super::sentence::slice;
use super::support;
use marks::Marked;
pub(in crate::agent) use marks::set_apart;

/// A verified answer, or an honest abstention. Its fields can be read, and only verification sets them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    circumstances: Circumstances,
    status: Status,
    text: String,
    claims: Vec<Claim>,
    citations: Vec<Citation>,
    removed: Vec<Removed>,
    contradictions: Vec<String>,
    closest: Vec<Closest>,
    experiment: Option<String>,
}

impl Answer {
    /// How it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The text with its marks.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The sentences that passed.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The places they rest on.
    #[must_use]
    pub fn citations(&self) -> &[Citation] {
        &self.citations
    }

    /// The sentences that did not pass.
    #[must_use]
    pub fn removed(&self) -> &[Removed] {
        &self.removed
    }

    /// How it came about.
    #[must_use]
    pub fn circumstances(&self) -> &Circumstances {
        &self.circumstances
    }
}

/// What became of one drafted sentence.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It passed, and stands in the answer as this claim.
    Passed(Claim),
    /// It was taken out.
    Removed(Removed),
}

/// Checks a draft sentence by sentence against the evidence it was written from.
pub struct Verifier<'e> {
    evidence: &'e [Evidence],
    text: String,
    claims: Vec<Claim>,
    citations: Vec<Citation>,
    removed: Vec<Removed>,
}

impl<'e> Verifier<'e> {
    /// Nothing checked yet. `opening` is put before the claims: what the reader should know first.
    #[must_use]
    pub fn new(evidence: &'e [Evidence], opening: &str) -> Self {
        let text = if opening.is_empty() { String::new() } else { format!("{opening}\n\n") };
        Self { evidence, text, claims: Vec::new(), citations: Vec::new(), removed: Vec::new() }
    }

    /// Checks one sentence of a model's draft, with its marks: that it cites, that what it cites was
    /// offered, that words in quotation marks are in the source, and that the source supports it.
    ///
    /// # Errors
    /// When the embedding model fails.
    pub async fn check(&mut self, drafted: &str, vectors: &Vectors) -> Result<Verdict, index::IndexError> {
        let marked = Marked::read(drafted);
        let sources: Vec<&Evidence> =
            marked.numbers.iter().filter_map(|n| self.evidence.iter().find(|e| e.n == *n)).collect();
        if sources.len() != marked.numbers.len() {
            return Ok(self.remove(drafted, RemovalReason::UnknownCitation));
        }
        if let Some(reason) = refers_beyond(&marked, &sources) {
            return Ok(self.remove(drafted, reason));
        }
        if sources.is_empty() || marked.bare.is_empty() {
            return Ok(self.remove(drafted, RemovalReason::Unsupported));
        }
        let vector = vectors.of_one(&marked.bare).await?;
        let Some(places) = support::support(&marked.bare, vector.as_deref(), &sources) else {
            return Ok(self.remove(drafted, RemovalReason::Unsupported));
        };
        // A source that supports nothing is not cited in the end, and so vouches for no words either.
        let cited: Vec<&Evidence> =
            sources.into_iter().filter(|source| places.iter().any(|place| place.n == source.n)).collect();
        if let Some(reason) = refers_beyond(&marked, &cited) {
            return Ok(self.remove(drafted, reason));
        }
        let strongest = places.iter().map(|place| place.support).fold(0.0, f32::max).min(1.0);
        let numbers = places.iter().filter_map(|place| self.cite(place.n, place.start, place.end)).collect();
        Ok(Verdict::Passed(self.pass(&marked.bare, numbers, strongest)))
    }

    /// Puts the words `start..end` of the section of evidence `n` into the answer as they are, but for square
    /// brackets, which only marks have; nothing when there are no such words.
    pub fn quote(&mut self, n: usize, start: usize, end: usize) -> Option<Claim> {
        let number = self.cite(n, start, end)?;
        let quote = self.citations.iter().find(|c| c.n == number)?.quote.clone();
        Some(self.pass(&quote, vec![number], 1.0))
    }

    /// The citation of the words `start..end`; words cited before keep their number.
    fn cite(&mut self, n: usize, start: usize, end: usize) -> Option<usize> {
        let evidence = self.evidence.iter().find(|e| e.n == n)?;
        let passage = &evidence.hit.passage;
        let quote = slice(evidence.section_text(), start, end);
        if quote.trim().is_empty() || start < passage.start || end > passage.end {
            return None;
        }
        let known = self.citations.iter().find(|c| c.passage_id == passage.id && c.start == start && c.end == end);
        if let Some(known) = known {
            return Some(known.n);
        }
        let n = self.citations.len() + 1;
        let reference = crate::citation::csl_item(&evidence.paper);
        self.citations.push(Citation {
            n,
            paper_id: passage.paper,
            passage_id: passage.id,
            quote,
            start,
            end,
            section: passage.section,
            reference,
        });
        Some(n)
    }

    fn pass(&mut self, sentence: &str, citations: Vec<usize>, support: f32) -> Claim {
        let sentence = set_apart(sentence);
        let start = self.text.chars().count() + usize::from(!self.claims.is_empty());
        if !self.claims.is_empty() {
            self.text.push(' ');
        }
        let listed: Vec<String> = citations.iter().map(usize::to_string).collect();
        let text = format!("{sentence} [{}]", listed.join(", "));
        self.text.push_str(&text);
        let claim = Claim { end: start + text.chars().count(), start, text, citations, support };
        self.claims.push(claim.clone());
        claim
    }

    fn remove(&mut self, drafted: &str, reason: RemovalReason) -> Verdict {
        let removed = Removed { text: drafted.trim().to_owned(), reason };
        self.removed.push(removed.clone());
        Verdict::Removed(removed)
    }

    /// What the last claim to pass has added to the text, with what stands before it.
    #[must_use]
    pub fn newest_text(&self) -> String {
        let mut ends = self.claims.iter().rev().map(|claim| claim.end);
        let end = ends.next().unwrap_or_default();
        slice(&self.text, ends.next().unwrap_or_default(), end)
    }

    /// Counts what was taken out of a draft that is given up among what was taken out here.
    pub fn take_over_removed(&mut self, draft: Self) {
        self.removed.extend(draft.removed);
    }

    /// Whether anything has passed.
    #[must_use]
    pub fn has_claims(&self) -> bool {
        !self.claims.is_empty()
    }

    /// The answer: what passed, or, when nothing did, an abstention that says what was looked for
    /// and what came closest.
    #[must_use]
    pub fn finish(self, circumstances: Circumstances, looked_for: &[String]) -> Answer {
        let answered = !self.claims.is_empty();
        let closest = if answered { Vec::new() } else { self.closest() };
        let text = if answered { self.text } else { abstention(looked_for, &closest, !self.removed.is_empty()) };
        Answer {
            circumstances,
            status: if answered { Status::Answered } else { Status::Abstained },
            text,
            claims: self.claims,
            citations: self.citations,
            removed: self.removed,
            contradictions: Vec::new(),
            closest,
            experiment: None,
        }
    }

    fn closest(&self) -> Vec<Closest> {
        let best = self.evidence.iter().take(3);
        best.map(|e| Closest { paper_id: e.hit.paper, title: e.paper.title.clone(), year: e.paper.year }).collect()
    }
}

/// Why a sentence cannot stand that quotes or refers to what is in none of the sources; none when it does not.
fn refers_beyond(marked: &Marked, sources: &[&Evidence]) -> Option<RemovalReason> {
    let all_stand = |words: &[String]| words.iter().all(|words| stands_in(words, sources));
    match (all_stand(&marked.references), all_stand(&marked.quotations)) {
        (false, _) => Some(RemovalReason::UnknownCitation),
        // Words that cite nothing are unsupported rather than misquoted.
        (true, false) if !sources.is_empty() => Some(RemovalReason::Misquoted),
        _ => None,
    }
}

/// Whether words stand in one of the sources: in the passage as it is stored or as it was shown, or in the title.
fn stands_in(words: &str, sources: &[&Evidence]) -> bool {
    let words = set_apart(words);
    sources.iter().any(|e| {
        set_apart(&e.hit.passage.text).contains(words.as_ref()) || set_apart(&e.paper.title).contains(words.as_ref())
    })
}

fn abstention(looked_for: &[String], closest: &[Closest], drafted: bool) -> String {
    let mut text = String::from("The library does not answer this.");
    if drafted {
        text.push_str(" A draft was written, but no sentence of it held against its sources.");
    }
    let searches: Vec<String> = looked_for.iter().map(|query| format!("\u{201c}{query}\u{201d}")).collect();
    text.push_str(&format!(" Looked for: {}.", searches.join(", ")));
    if closest.is_empty() {
        text.push_str(" Nothing came close.");
    } else {
        let named = |c: &Closest| match c.year {
            Some(year) => format!("\u{201c}{}\u{201d} ({year})", c.title),
            None => format!("\u{201c}{}\u{201d}", c.title),
        };
        let titles: Vec<String> = closest.iter().map(named).collect();
        text.push_str(&format!(" Closest: {}.", titles.join("; ")));
    }
    text
}
