//! Sources that say the opposite of each other, found by their words and vectors; pure.
//!
//! Strict on purpose: two sentences contradict each other when they are about the same, word for word but for little, and one
//! says no, or goes up, where the other says yes, or goes down. What is not found is no worse than before; what is found wrongly
//! puts words into a paper's mouth.

use std::collections::BTreeSet;

use super::direction::{Directions, is_direction};
use super::evidence::{Evidence, Sentence, cosine};
use super::words::{content_stems, negated_stems};

/// The least cosine of two sentences that can contradict each other.
const LEAST_COSINE: f32 = 0.70;
/// The least share of content words, those of direction aside, that they have in common.
const LEAST_SHARED: f32 = 0.5;

/// Two sentences of different papers that say the opposite of each other, by evidence number and place.
#[derive(Debug, Clone, PartialEq)]
pub struct Opposed {
    /// The one that the answer rests on.
    pub one: (usize, usize, usize),
    /// The other: its evidence's number, and where it begins and ends in the section's text.
    pub other: (usize, usize, usize),
}

/// For each sentence that is cited (`number, start, end`), the first of another paper that says the opposite.
#[must_use]
pub fn contradictions(cited: &[(usize, usize, usize)], evidence: &[Evidence]) -> Vec<Opposed> {
    let mut found: Vec<Opposed> = Vec::new();
    for one in cited {
        let Some((source, sentence)) = at(*one, evidence) else { continue };
        let others = evidence.iter().filter(|other| other.hit.paper != source.hit.paper);
        let opposed = others
            .flat_map(|other| other.sentences.iter().map(move |sentence| (other, sentence)))
            .find(|(_, other)| oppose(sentence, other));
        if let Some((other, words)) = opposed {
            let other = (other.n, words.start, words.end);
            let is_new = !found.iter().any(|known| (known.one, known.other) == (other, *one));
            if is_new {
                found.push(Opposed { one: *one, other });
            }
        }
    }
    found
}

fn at((n, start, end): (usize, usize, usize), evidence: &[Evidence]) -> Option<(&Evidence, &Sentence)> {
    let source = evidence.iter().find(|evidence| evidence.n == n)?;
    let sentence = source.sentences.iter().find(|sentence| sentence.start == start && sentence.end == end)?;
    Some((source, sentence))
}

/// Whether two sentences say the opposite of each other about the same.
fn oppose(a: &Sentence, b: &Sentence) -> bool {
    if a.is_order || b.is_order {
        return false;
    }
    let close = match (&a.vector, &b.vector) {
        (Some(x), Some(y)) => cosine(x, y) >= LEAST_COSINE,
        _ => true,
    };
    close && same_subject(&a.stems, &b.stems) && signs_differ(&a.text, &b.text)
}

/// Whether one says nothing but what the other speaks of too, words of direction aside: "reduces mortality" and "improves
/// survival" do not contradict each other, though most of their words are the same.
fn same_subject(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let apart = |stems: &BTreeSet<String>| stems.iter().filter(|stem| !is_direction(stem)).cloned().collect();
    let (a, b): (BTreeSet<String>, BTreeSet<String>) = (apart(a), apart(b));
    let (shared, all) = (a.intersection(&b).count(), a.union(&b).count());
    #[allow(clippy::cast_precision_loss)]
    let share = shared as f32 / all.max(1) as f32;
    shared >= 2 && share >= LEAST_SHARED && (a.is_subset(&b) || b.is_subset(&a))
}

/// Whether one goes up where the other goes down, or one denies what the other says; both at once is the same again.
fn signs_differ(a: &str, b: &str) -> bool {
    let (no_a, no_b) = (negated_stems(a), negated_stems(b));
    let (stems_a, stems_b) = (content_stems(a), content_stems(b));
    let denies = |no: &BTreeSet<String>, other: &BTreeSet<String>, other_no: &BTreeSet<String>| {
        no.iter().any(|stem| other.contains(stem) && !other_no.contains(stem))
    };
    let denied = denies(&no_a, &stems_b, &no_b) != denies(&no_b, &stems_a, &no_a);
    let turned = matches!((Directions::of(a).only(), Directions::of(b).only()), (Some(x), Some(y)) if x != y);
    denied != turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::evidence::{gather, tests::found};

    fn opposed(a: &str, b: &str) -> usize {
        let evidence = gather(vec![found("One", a), found("Two", b)], 1);
        let cited = (1, evidence[0].sentences[0].start, evidence[0].sentences[0].end);
        contradictions(&[cited], &evidence).len()
    }

    #[test]
    fn sources_that_say_the_opposite_are_found() {
        for (a, b) in [
            (
                "Dropout improves the accuracy of small convolutional networks.",
                "Dropout reduces the accuracy of small convolutional networks.",
            ),
            (
                "Vitamin D supplements do not prevent fractures in older adults.",
                "Vitamin D supplements prevent fractures in older adults.",
            ),
            ("Sleep increases memory consolidation in rats.", "Sleep does not increase memory consolidation in rats."),
        ] {
            assert_eq!(opposed(a, b), 1, "{a} / {b}");
            assert_eq!(opposed(b, a), 1, "{b} / {a}");
        }
    }

    #[test]
    fn sources_that_agree_or_speak_of_other_things_are_not() {
        for (a, b) in [
            ("Dropout improves the accuracy of small networks.", "Dropout improves the accuracy of large networks."),
            (
                "Dropout improves the accuracy of small networks.",
                "Batch size reduces the training time of transformers.",
            ),
            ("Dropout increases accuracy and reduces training loss.", "Dropout reduces training loss."),
            (
                "Metformin reduces mortality in patients with diabetes.",
                "Metformin improves survival in patients with diabetes.",
            ),
            ("The drug does not reduce mortality in patients.", "The drug increases mortality in patients."),
        ] {
            assert_eq!(opposed(a, b), 0, "{a} / {b}");
        }
    }

    #[test]
    fn one_paper_does_not_contradict_itself() {
        let text = "Dropout improves the accuracy of small networks. Dropout reduces the accuracy of small networks.";
        let evidence = gather(vec![found("One", text)], 1);
        let first = &evidence[0].sentences[0];
        assert_eq!(contradictions(&[(1, first.start, first.end)], &evidence), []);
    }
}
