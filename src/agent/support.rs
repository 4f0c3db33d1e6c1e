//! Whether a source says what a claim says; local and deterministic.

use std::collections::BTreeSet;

use super::contradiction;
use super::evidence::{Evidence, Sentence, cosine};
use super::sentence::slice;
use super::words::{content_stems, coverage, names, negated_stems, numbers, parts};

/// The least support with which a claim stands, and with which one citation among several stands.
const LEAST_SUPPORT: f32 = 0.50;
const LEAST_SUPPORT_AMONG_SEVERAL: f32 = 0.30;

/// The least share of the content words of each part of a claim that the cited passages must know. Of SciFact's
/// sources' own sentences with half of another claim behind them 71% stood without this rule and 5% stand with it;
/// of the supported claims in their writers' words 61% and 55%.
const LEAST_KNOWN_OF_A_PART: f32 = 0.34;

/// By how much another passage may support a claim better than those that it cites: beyond that the citation is wrong.
const MOST_BEHIND: f32 = 0.2;

/// The words of a source that come closest to a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Closest {
    /// The evidence's number.
    pub n: usize,
    /// Where the quote begins in the section's stored text, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// 0 to 1.
    pub support: f32,
}

/// How well the evidence supports a claim: for each source that stands, the sentence that comes
/// closest; none when the claim does not stand.
///
/// A claim stands when its numbers and its names are all in those sentences or in the titles, no part of it is
/// foreign to the passages, they do not say the opposite, no other passage that was offered says it much better, and the support
/// is high enough: the mean of the cosine of claim and words and of the
/// share of the claim's content words that they have (without a model the share alone).
#[must_use]
pub fn support(
    claim: &str,
    vector: Option<&[f32]>,
    sources: &[&Evidence],
    offered: &[Evidence],
) -> Option<Vec<Closest>> {
    let mut closest: Vec<Closest> =
        sources.iter().filter_map(|evidence| closest_sentence(claim, vector, evidence)).collect();
    let best = closest.iter().map(|c| c.support).fold(0.0, f32::max);
    if best < LEAST_SUPPORT {
        return None;
    }
    // A claim that another passage says outright was not taken from those that it cites.
    let elsewhere = offered.iter().filter(|other| !sources.iter().any(|source| source.n == other.n));
    let other = elsewhere.filter_map(|other| closest_sentence(claim, vector, other)).map(|place| place.support);
    if other.fold(0.0, f32::max) > best + MOST_BEHIND {
        return None;
    }
    closest.retain(|c| c.support >= LEAST_SUPPORT_AMONG_SEVERAL);
    let mut cited = String::new();
    for place in &closest {
        if let Some(evidence) = sources.iter().find(|evidence| evidence.n == place.n) {
            let quote = slice(evidence.section_text(), place.start, place.end);
            cited.push_str(&format!("{} {quote} ", evidence.paper.title));
        }
    }
    let holds = numbers(claim).is_subset(&numbers(&cited))
        && names_are_known(claim, &cited)
        && every_part_is_known(claim, &closest, sources);
    holds.then_some(closest)
}

/// No part of the claim is about something of which the cited passages do not speak: half a sentence that was
/// made up hides well behind one that is true.
fn every_part_is_known(claim: &str, closest: &[Closest], sources: &[&Evidence]) -> bool {
    let cited = sources.iter().filter(|evidence| closest.iter().any(|place| place.n == evidence.n));
    let known: BTreeSet<String> = cited
        .flat_map(|evidence| {
            let title = content_stems(&evidence.paper.title);
            title.into_iter().chain(
                evidence
                    .sentences
                    .iter()
                    .filter(|sentence| !sentence.is_order)
                    .flat_map(|sentence| sentence.stems.clone()),
            )
        })
        .collect();
    let parts = parts(claim).into_iter().map(|part| content_stems(&part)).filter(|stems| !stems.is_empty());
    parts.into_iter().all(|stems| coverage(&stems, &known) >= LEAST_KNOWN_OF_A_PART)
}

/// Whether a text is a heading over what a source says, and no claim of its own: its numbers, its names and most of its words are
/// the source's, and it neither denies nor says that something grows or shrinks.
#[must_use]
pub fn is_heading_of(text: &str, source: &str) -> bool {
    const LEAST_KNOWN: f32 = 0.6;
    let stems = content_stems(text);
    let asserts = !negated_stems(text).is_empty() || contradiction::direction(&stems).is_some();
    numbers(text).is_subset(&numbers(source))
        && names_are_known(text, source)
        && coverage(&stems, &content_stems(source)) >= LEAST_KNOWN
        && !asserts
}

/// Every name of the claim occurs in the sources, hyphens aside (`GPT-3` and `GPT3` are one).
pub(super) fn names_are_known(claim: &str, sources: &str) -> bool {
    let flat = |text: &str| text.to_lowercase().replace('-', "");
    let sources = flat(sources);
    names(claim).iter().all(|name| sources.contains(&flat(name)))
}

fn closest_sentence(claim: &str, vector: Option<&[f32]>, evidence: &Evidence) -> Option<Closest> {
    let stems = content_stems(claim);
    let negated = negated_stems(claim);
    let agrees = |sentence: &&Sentence| {
        let denied = &sentence.negated;
        // What one says no to, the other must not say without a no.
        let opposed = |no: &BTreeSet<String>, words: &BTreeSet<String>, other_no: &BTreeSet<String>| {
            no.iter().any(|stem| words.contains(stem) && !other_no.contains(stem))
        };
        !opposed(&negated, &sentence.stems, denied) && !opposed(denied, &stems, &negated)
    };
    let rated = evidence.sentences.iter().filter(|sentence| !sentence.is_order).filter(agrees).map(|sentence| {
        let shared = coverage(&stems, &sentence.stems);
        let support = match (vector, &sentence.vector) {
            (Some(claim), Some(sentence)) => (cosine(claim, sentence).max(0.0) + shared) / 2.0,
            _ => shared,
        };
        Closest { n: evidence.n, start: sentence.start, end: sentence.end, support }
    });
    // The earlier of two equals, so that the choice does not depend on anything else.
    rated.fold(None, |best: Option<Closest>, next| match best {
        Some(best) if best.support >= next.support => Some(best),
        _ => Some(next),
    })
}
