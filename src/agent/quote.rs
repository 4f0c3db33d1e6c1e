//! The answer without a model: the sentences of the papers that answer the question.
//!
//! Two things are decided apart. Whether a passage answers at all is told by how far it has the question's words (the rare ones, by
//! which a question says what it is about, count most), words that mean the same, and the same meaning as a whole. Which of its
//! sentences says so is told by the meaning of each. The numbers are those of a logistic regression on half of PubMedQA and half of
//! BioASQ (docs/ANSWERS.md).

use std::collections::BTreeSet;

use super::evidence::{Evidence, Sentence, Vectors, cosine};
use super::words::{content_stems, coverage, demanded_names, flattened, stem};

/// A sentence that is to be quoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The evidence's number.
    pub n: usize,
    /// Where it begins in the section's stored text, in Unicode characters.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// Other passages whose best sentence seems to say the same, by their numbers.
    pub also: Vec<usize>,
}

/// The most sentences that are quoted.
const MOST: usize = 3;
/// A further sentence of a passage must come this close to its best one.
const CLOSE_TO_BEST: f32 = 0.85;
/// Two sentences of this cosine say the same.
const SAME: f32 = 0.90;
/// The share of a sentence's score that words have beside the vectors.
const WORDS: f32 = 0.35;

/// What the parts of a passage's bearing count, and what is taken off.
const CLOSENESS: f32 = 9.0;
const SHARE: f32 = 4.0;
const BEST_SENTENCE: f32 = 2.6;
const WHOLE: f32 = 5.2;
const OFF: f32 = 12.25;
/// How close words are where a model has no vectors of them, by the share that is there: a line through what the two are elsewhere.
const CLOSENESS_BY_SHARE: [f32; 2] = [0.40, 0.39];
/// The same without a model.
const SHARE_ALONE: f32 = 9.6;
const OFF_ALONE: f32 = 5.55;
/// The least log-odds with which a passage answers, the best one and further ones. A further one adds less than the first, and so has
/// to be surer.
const LEAST: f32 = -0.9;
const LEAST_FURTHER: f32 = -0.3;

/// What a question is about, held against the passages of the evidence.
pub struct Reading {
    vector: Option<Vec<f32>>,
    stems: BTreeSet<String>,
    names: BTreeSet<String>,
    /// For each passage the log-odds that it answers.
    bearings: Vec<f32>,
}

impl Reading {
    /// Reads a question with the evidence beside it; `searched` when the passages' scores are those of a search for just this text.
    ///
    /// # Errors
    /// When the index or the model fails.
    pub async fn of(
        question: &str,
        searched: bool,
        evidence: &[Evidence],
        vectors: &Vectors,
    ) -> Result<Self, index::IndexError> {
        let vector = vectors.of_query(question).await?;
        let texts: Vec<String> = evidence.iter().map(text_of).collect();
        let wording = vectors.wording(question, texts).await?;
        let stems = content_stems(question);
        let weight = |stem: &String, known: &[(String, f32)]| {
            known.iter().find(|(of, _)| of == stem).map_or(1.0, |(_, weight)| *weight)
        };
        let known: Vec<(String, f32)> =
            wording.words.iter().map(|(word, weight)| (self::stem(&word.to_lowercase()), *weight)).collect();
        let weights: Vec<(&String, f32)> = stems.iter().map(|stem| (stem, weight(stem, &known))).collect();
        let bearing = |(place, evidence): (usize, &Evidence)| {
            let closeness = wording.closeness.as_ref().and_then(|all| all.get(place)).copied();
            let whole = evidence.hit.scores.dense.filter(|_| searched);
            bearing(evidence, vector.as_deref(), (share_of(&weights, evidence), closeness, whole))
        };
        let bearings = evidence.iter().enumerate().map(bearing).collect();
        Ok(Self { vector, stems, names: demanded_names(question), bearings })
    }

    /// The sentences that can be about what the question names: its names are in the sentence, in the first one, which introduces what
    /// the others speak of, or in the title.
    fn about<'e>(&self, evidence: &'e Evidence) -> Vec<&'e Sentence> {
        let sentences = || evidence.sentences.iter().filter(|sentence| !sentence.is_order);
        let first = sentences().next().map_or("", |first| first.text.as_str());
        let known = |sentence: &&Sentence| {
            let text = flattened(&format!("{} {first} {}", evidence.paper.title, sentence.text));
            self.names.iter().all(|name| text.contains(name.as_str()))
        };
        sentences().filter(known).collect()
    }

    /// How well a sentence says what is asked: the cosine of question and sentence, and the share of the question's content words that
    /// it, or its paper's title, has.
    fn rate(&self, sentence: &Sentence, title: &BTreeSet<String>) -> f32 {
        let with_title = sentence.stems.union(title).cloned().collect();
        let words = (coverage(&self.stems, &sentence.stems) + coverage(&self.stems, &with_title)) / 2.0;
        match (&self.vector, &sentence.vector) {
            (Some(question), Some(vector)) => (1.0 - WORDS) * cosine(question, vector).max(0.0) + WORDS * words,
            _ => words,
        }
    }

    /// The passages that answer, the likeliest first.
    fn answering<'e>(&self, evidence: &'e [Evidence], only: impl Fn(&Evidence) -> bool) -> Vec<&'e Evidence> {
        let rated = evidence.iter().zip(self.bearings.iter().copied());
        let mut rated: Vec<(&Evidence, f32)> = rated.filter(|(e, _)| only(e) && !self.about(e).is_empty()).collect();
        rated.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.n.cmp(&b.n)));
        let mut place = 0..;
        let answers =
            |(_, bearing): &(&Evidence, f32)| *bearing >= if place.next() == Some(0) { LEAST } else { LEAST_FURTHER };
        rated.into_iter().take_while(answers).map(|(evidence, _)| evidence).collect()
    }
}

/// The sentences that answer a question, best first; none when the evidence does not answer it. Where the question compares sides,
/// each is read by itself, and what is quoted speaks of all of them.
///
/// Papers that were retracted or withdrawn are quoted only where no other answers.
#[must_use]
pub fn choose(question: &Reading, sides: &[Reading], evidence: &[Evidence]) -> Vec<Chosen> {
    let standing = choose_from(question, sides, evidence, |evidence| evidence.warning().is_none());
    if standing.is_empty() {
        choose_from(question, sides, evidence, |evidence| evidence.warning().is_some())
    } else {
        standing
    }
}

fn choose_from(
    question: &Reading,
    sides: &[Reading],
    evidence: &[Evidence],
    only: impl Fn(&Evidence) -> bool,
) -> Vec<Chosen> {
    let whole = question.answering(evidence, &only).into_iter().map(|passage| (question, passage));
    let of_sides: Vec<(&Reading, &Evidence)> =
        sides.iter().filter_map(|side| Some((side, *side.answering(evidence, &only).first()?))).collect();
    let mut passages = if of_sides.len() == sides.len() { of_sides } else { Vec::new() };
    for (reading, passage) in whole {
        if !passages.iter().any(|(_, known)| known.n == passage.n) {
            passages.push((reading, passage));
        }
    }
    passages.truncate(MOST.max(sides.len()));
    let mut best: Vec<&Sentence> = Vec::new();
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut further: Vec<(f32, usize, &Sentence)> = Vec::new();
    for (reading, passage) in &passages {
        let title = content_stems(&passage.paper.title);
        let sentences = reading.about(passage).into_iter();
        let mut rated: Vec<(f32, &Sentence)> = sentences.map(|s| (question.rate(s, &title), s)).collect();
        rated.sort_by(|(x, a), (y, b)| y.total_cmp(x).then(a.start.cmp(&b.start)));
        let mut rated = rated.into_iter();
        let Some((top, sentence)) = rated.next() else { continue };
        further.extend(rated.take_while(|(x, _)| *x >= top * CLOSE_TO_BEST).map(|(x, s)| (x, passage.n, s)));
        match best.iter().position(|other| repeats(sentence, other)) {
            Some(said) => chosen.get_mut(said).into_iter().for_each(|chosen| chosen.also.push(passage.n)),
            None => {
                chosen.push(Chosen { n: passage.n, start: sentence.start, end: sentence.end, also: Vec::new() });
                best.push(sentence);
            }
        }
    }
    further.sort_by(|(x, n, a), (y, m, b)| y.total_cmp(x).then((n, a.start).cmp(&(m, b.start))));
    for (_, n, sentence) in further {
        if chosen.len() < MOST && !best.iter().any(|other| repeats(sentence, other)) {
            chosen.push(Chosen { n, start: sentence.start, end: sentence.end, also: Vec::new() });
            best.push(sentence);
        }
    }
    chosen
}

/// What a passage says, with its paper's title; what speaks to whoever answers is left out.
fn text_of(evidence: &Evidence) -> String {
    let said = evidence.sentences.iter().filter(|sentence| !sentence.is_order).map(|s| s.text.as_str());
    std::iter::once(evidence.paper.title.as_str()).chain(said).collect::<Vec<_>>().join(" ")
}

/// The share of the question's words, by what each tells, that a passage or its paper's title has.
fn share_of(weights: &[(&String, f32)], evidence: &Evidence) -> f32 {
    let title = content_stems(&evidence.paper.title);
    let sentences = evidence.sentences.iter().filter(|sentence| !sentence.is_order);
    let has = |stem: &String| title.contains(stem) || sentences.clone().any(|sentence| sentence.stems.contains(stem));
    let all: f32 = weights.iter().map(|(_, weight)| weight).sum();
    let there: f32 = weights.iter().filter(|(stem, _)| has(stem)).map(|(_, weight)| weight).sum();
    if all > 0.0 { there / all } else { 0.0 }
}

/// The log-odds that a passage answers, from the share of the question's words that it has, how close its words come, and the cosine
/// of the whole, as far as these are known.
fn bearing(
    evidence: &Evidence,
    question: Option<&[f32]>,
    (share, closeness, whole): (f32, Option<f32>, Option<f32>),
) -> f32 {
    let Some(question) = question else { return SHARE_ALONE * share - OFF_ALONE };
    let cosines = evidence.sentences.iter().filter(|sentence| !sentence.is_order).filter_map(|s| s.vector.as_deref());
    let best = cosines.map(|vector| cosine(question, vector)).fold(0.0, f32::max);
    let [at_none, more] = CLOSENESS_BY_SHARE;
    let closeness = closeness.unwrap_or(at_none + more * share);
    CLOSENESS * closeness + SHARE * share + BEST_SENTENCE * best + WHOLE * whole.unwrap_or(best) - OFF
}

fn repeats(a: &Sentence, b: &Sentence) -> bool {
    match (&a.vector, &b.vector) {
        (Some(x), Some(y)) => cosine(x, y) >= SAME,
        _ => a.text == b.text,
    }
}
