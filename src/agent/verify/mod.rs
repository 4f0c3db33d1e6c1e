//! What stands between a draft and its reader. Only this module can make an [`Answer`].

mod abstention;
mod marks;
mod recall;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::answer::{
    Circumstances, Citation, Claim, Closest, Contradiction, Part, RemovalReason, Removed, Status, Table,
};
use super::contradiction::{Opposed, contradictions};
use super::evidence::{Evidence, Vectors};
use super::sentence::slice;
use super::support;
use abstention::abstention;
use marks::Marked;
pub(in crate::agent) use marks::{cited_numbers, one_cell, set_apart};
pub(in crate::agent) use recall::recall;

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
    contradictions: Vec<Contradiction>,
    closest: Vec<Closest>,
    table: Option<Table>,
    sections: Vec<Part>,
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

    /// The sources that say the opposite of each other.
    #[must_use]
    pub fn contradictions(&self) -> &[Contradiction] {
        &self.contradictions
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
    /// It does not stand as it is.
    Failed(Removed),
}

/// What stands under a heading that asserts something stands under this one.
pub(in crate::agent) const OTHERWISE: &str = "Further findings";

/// Checks a draft sentence by sentence against the evidence it was written from.
pub struct Verifier<'e> {
    evidence: &'e [Evidence],
    text: String,
    claims: Vec<Claim>,
    citations: Vec<Citation>,
    removed: Vec<Removed>,
    contradictions: Vec<Contradiction>,
    /// The evidence and the place that each citation is of, in the order of the citations.
    places: Vec<(usize, usize, usize)>,
    /// Up to this character the text has been told.
    told: usize,
    /// The heading that the next claim comes under.
    heading: Option<String>,
    sections: Vec<Part>,
    /// Set once claims are the cells of a table.
    in_table: bool,
    table: Option<Table>,
    /// Citations of papers that are no more, of which the reader has been warned.
    warned: std::collections::HashSet<usize>,
}

impl<'e> Verifier<'e> {
    /// Nothing checked yet. `opening` is put before the claims: what the reader should know first.
    #[must_use]
    pub fn new(evidence: &'e [Evidence], opening: &str) -> Self {
        let text = if opening.is_empty() { String::new() } else { format!("{opening}\n\n") };
        Self {
            evidence,
            text,
            claims: Vec::new(),
            citations: Vec::new(),
            removed: Vec::new(),
            contradictions: Vec::new(),
            places: Vec::new(),
            told: 0,
            heading: None,
            sections: Vec::new(),
            in_table: false,
            table: None,
            warned: std::collections::HashSet::new(),
        }
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
            return Ok(failed(drafted, RemovalReason::UnknownCitation));
        }
        if let Some(reason) = refers_beyond(&marked, &sources) {
            return Ok(failed(drafted, reason));
        }
        if sources.is_empty() || marked.bare.is_empty() {
            return Ok(failed(drafted, RemovalReason::Unsupported));
        }
        let vector = vectors.of_one(&marked.bare).await?;
        let Some(places) = support::support(&marked.bare, vector.as_deref(), &sources, self.evidence) else {
            return Ok(failed(drafted, RemovalReason::Unsupported));
        };
        // A source that supports nothing is not cited in the end, and so vouches for no words either.
        let cited: Vec<&Evidence> =
            sources.into_iter().filter(|source| places.iter().any(|place| place.n == source.n)).collect();
        if let Some(reason) = refers_beyond(&marked, &cited) {
            return Ok(failed(drafted, reason));
        }
        let strongest = places.iter().map(|place| place.support).fold(0.0, f32::max).min(1.0);
        let numbers = places.iter().filter_map(|place| self.cite(place.n, place.start, place.end)).collect();
        Ok(Verdict::Passed(self.pass(&marked.bare, numbers, strongest)))
    }

    /// Puts the words `start..end` of the section of evidence `n` into the answer as they are, but for square
    /// brackets, which only marks have; nothing when there are no such words. The passages `also` are cited for them as well, each
    /// only where it passes as the source of a drafted sentence has to.
    pub fn quote(&mut self, n: usize, start: usize, end: usize, also: &[usize]) -> Option<Claim> {
        let number = self.cite(n, start, end)?;
        let quote = self.citations.iter().find(|c| c.n == number)?.quote.clone();
        let mut numbers = vec![number];
        numbers.extend(also.iter().filter_map(|other| {
            let place = self.corroborating(&quote, (n, start), *other)?;
            self.cite(place.n, place.start, place.end)
        }));
        Some(self.pass(&quote, numbers, 1.0))
    }

    /// Where another passage says what a quoted sentence, which begins at `start` of passage `n`, says.
    fn corroborating(&self, quote: &str, (n, start): (usize, usize), other: usize) -> Option<support::Closest> {
        let by_number = |n: usize| self.evidence.iter().find(|evidence| evidence.n == n);
        let sentence = by_number(n)?.sentences.iter().find(|sentence| sentence.start == start)?;
        let other = by_number(other)?;
        let places = support::support(quote, sentence.vector.as_deref(), &[other], std::slice::from_ref(other))?;
        places.into_iter().next()
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
            warning: evidence.warning().map(str::to_owned),
            reference,
        });
        self.places.push((evidence.n, start, end));
        Some(n)
    }

    fn pass(&mut self, sentence: &str, citations: Vec<usize>, support: f32) -> Claim {
        let sentence = set_apart(sentence);
        let sentence = if self.in_table { one_cell(&sentence) } else { sentence.into_owned() };
        let begins = self.text.chars().count();
        let joint = match self.heading.take() {
            Some(title) => {
                let before = if self.text.is_empty() || self.text.ends_with("\n\n") { "" } else { "\n\n" };
                let start = begins + before.chars().count();
                self.sections.push(Part { title: title.clone(), start, end: start });
                format!("{before}## {title}\n\n")
            }
            None if self.claims.is_empty() || self.in_table => String::new(),
            None => " ".to_owned(),
        };
        self.text.push_str(&joint);
        let start = self.text.chars().count();
        let listed: Vec<String> = citations.iter().map(usize::to_string).collect();
        let text = format!("{sentence} [{}]", listed.join(", "));
        self.text.push_str(&text);
        let claim = Claim { end: start + text.chars().count(), start, text, citations, support };
        self.warn(&claim);
        self.claims.push(claim.clone());
        if let Some(section) = self.sections.last_mut() {
            section.end = self.text.chars().count();
        }
        claim
    }

    /// What follows comes under this heading, once something does. A heading asserts nothing: one with numbers or names that
    /// no source has, or as long as a sentence, is left out.
    pub fn head(&mut self, title: &str) {
        const MOST_WORDS: usize = 12;
        let title = set_apart(title.trim().trim_start_matches('#').trim()).into_owned();
        let all: Vec<String> =
            self.evidence.iter().map(|e| format!("{} {}", e.paper.title, e.hit.passage.text)).collect();
        let known = support::is_heading_of(&title, &all.join(" ")) && Marked::read(&title).references.is_empty();
        let fits = known && (1..=MOST_WORDS).contains(&title.split_whitespace().count());
        // Under a heading that is left out stands nothing of the one before it.
        self.heading = Some(if fits { title } else { OTHERWISE.to_owned() });
    }

    /// The heading that the next claim comes under.
    #[must_use]
    pub fn section(&self) -> Option<&str> {
        self.heading.as_deref().or_else(|| self.sections.last().map(|section| section.title.as_str()))
    }

    /// Puts what asserts nothing between the cells of a table: its lines and the titles of its papers.
    pub fn say(&mut self, text: &str) {
        self.in_table = true;
        self.text.push_str(text);
    }

    /// The claims that have passed are the cells of this table.
    pub fn tabulate(&mut self, table: Table) {
        self.table = Some(table);
    }

    /// Behind the first claim that rests on a paper that is no more, the reader is warned of it.
    fn warn(&mut self, claim: &Claim) {
        for n in &claim.citations {
            self.warn_of(*n);
        }
    }

    fn warn_of(&mut self, n: usize) {
        let warning = self.citations.iter().find(|citation| citation.n == n).and_then(|c| c.warning.clone());
        if let Some(warning) = warning.filter(|_| self.warned.insert(n)) {
            self.text.push_str(&format!(" (Warning: [{n}] has been {warning}.)"));
        }
    }

    /// Sets the sources that contradict each other side by side, each in its own words, behind what has passed.
    pub fn confront(&mut self) {
        if self.claims.is_empty() || self.in_table {
            return;
        }
        for Opposed { one, other } in contradictions(&self.places.clone(), self.evidence) {
            let sides = [one, other].map(|(n, start, end)| self.cite(n, start, end));
            let [Some(one), Some(other)] = sides else { continue };
            let quote = |n: usize| self.citations.iter().find(|citation| citation.n == n).map(|c| c.quote.clone());
            let (Some(first), Some(second)) = (quote(one), quote(other)) else { continue };
            self.text.push_str(&format!(
                " The sources disagree: [{one}] says “{}”, and [{other}] says “{}”.",
                set_apart(&first),
                set_apart(&second)
            ));
            for n in [one, other] {
                self.warn_of(n);
            }
            self.contradictions.push(Contradiction { citations: [one, other], quotes: [first, second] });
        }
    }

    /// Lists a sentence that did not stand as taken out.
    pub fn remove(&mut self, removed: Removed) {
        self.removed.push(removed);
    }

    /// What has been added to the text since this was asked last.
    pub fn newest_text(&mut self) -> String {
        let newest = slice(&self.text, self.told, usize::MAX);
        self.told += newest.chars().count();
        newest
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
            contradictions: self.contradictions,
            closest,
            table: self.table.filter(|_| answered),
            sections: self.sections,
        }
    }

    fn closest(&self) -> Vec<Closest> {
        let mut best: Vec<&Evidence> = self.evidence.iter().collect();
        best.sort_by(|a, b| b.relevance.total_cmp(&a.relevance).then(a.n.cmp(&b.n)));
        let best = best.into_iter().take(3);
        best.map(|e| Closest { paper_id: e.hit.paper, title: e.paper.title.clone(), year: e.paper.year }).collect()
    }
}

fn failed(drafted: &str, reason: RemovalReason) -> Verdict {
    Verdict::Failed(Removed { text: drafted.trim().to_owned(), reason })
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
