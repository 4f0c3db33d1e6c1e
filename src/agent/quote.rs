//! The answer without a model: the sentences of the papers that answer the question.

use super::evidence::{Evidence, Sentence, cosine};
use super::support::names_are_known;
use super::words::{content_stems, coverage};

/// A sentence that is to be quoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The evidence's number.
    pub n: usize,
    /// Where it begins in the section's stored text, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// How well it answers, 0 to 1.
    pub score: f32,
}

/// The most sentences that are quoted.
const MOST: usize = 3;
/// The least score with which a sentence answers, with a model and by words alone.
const LEAST_WITH_VECTORS: f32 = 0.52;
const LEAST_BY_WORDS: f32 = 0.60;
/// A further sentence must come this close to the best one.
const CLOSE_TO_BEST: f32 = 0.85;
/// Two sentences of this cosine say the same.
const SAME: f32 = 0.90;
/// The share of the score that words have beside the vectors.
const WORDS: f32 = 0.35;

/// The sentences that answer the question, best first; none when the evidence does not answer it.
///
/// A sentence scores by the cosine of question and sentence and by the share of the question's content
/// words that it, or its paper's title, has. One in which, or in whose title, a name of the question does not occur
/// is about something else: the accuracy of another model, on another data set. Sentences that repeat a better one are
/// left out.
///
/// Papers that were retracted or withdrawn are quoted only where no other answers.
#[must_use]
pub fn choose(question: &str, vector: Option<&[f32]>, evidence: &[Evidence]) -> Vec<Chosen> {
    let standing: Vec<&Evidence> = evidence.iter().filter(|evidence| evidence.warning().is_none()).collect();
    let chosen = choose_from(question, vector, &standing);
    let fallen = || evidence.iter().filter(|evidence| evidence.warning().is_some()).collect::<Vec<_>>();
    if chosen.is_empty() { choose_from(question, vector, &fallen()) } else { chosen }
}

fn choose_from(question: &str, vector: Option<&[f32]>, evidence: &[&Evidence]) -> Vec<Chosen> {
    let wanted = content_stems(question);
    let least = if vector.is_some() { LEAST_WITH_VECTORS } else { LEAST_BY_WORDS };
    let mut rated: Vec<(Chosen, &Sentence)> = Vec::new();
    for source in evidence {
        let title = content_stems(&source.paper.title);
        let about =
            |sentence: &&Sentence| names_are_known(question, &format!("{} {}", source.paper.title, sentence.text));
        for sentence in source.sentences.iter().filter(|sentence| !sentence.is_order).filter(about) {
            let with_title = sentence.stems.union(&title).cloned().collect();
            let words = (coverage(&wanted, &sentence.stems) + coverage(&wanted, &with_title)) / 2.0;
            let score = match (vector, &sentence.vector) {
                (Some(question), Some(sentence)) => (1.0 - WORDS) * cosine(question, sentence).max(0.0) + WORDS * words,
                _ => words,
            };
            rated.push((Chosen { n: source.n, start: sentence.start, end: sentence.end, score }, sentence));
        }
    }
    rated.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score).then((a.n, a.start).cmp(&(b.n, b.start))));
    let bar = rated.first().map_or(least, |(best, _)| least.max(best.score * CLOSE_TO_BEST));
    let mut chosen: Vec<(Chosen, &Sentence)> = Vec::new();
    for (candidate, sentence) in rated.into_iter().take_while(|(c, _)| c.score >= bar) {
        if chosen.len() < MOST && !chosen.iter().any(|(_, other)| repeats(sentence, other)) {
            chosen.push((candidate, sentence));
        }
    }
    chosen.into_iter().map(|(chosen, _)| chosen).collect()
}

fn repeats(a: &Sentence, b: &Sentence) -> bool {
    match (&a.vector, &b.vector) {
        (Some(x), Some(y)) => cosine(x, y) >= SAME,
        _ => a.text == b.text,
    }
}
