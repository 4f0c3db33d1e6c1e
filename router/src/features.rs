//! What the classifier sees of a question: its vector, its shape, and the skeleton of its words. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// Questions of the training set that a word must be in to be known.
const LEAST_OF_A_WORD: usize = 20;
/// Questions of the training set that an n-gram must be in to be a feature.
const LEAST_OF_A_GRAM: usize = 30;
/// What each block of features is multiplied with, so that the penalty weighs on all alike.
const EMBEDDING_SCALE: f64 = 4.0;
const SHAPE_SCALE: f64 = 0.2;
const GRAM_SCALE: f64 = 0.7;
/// From this character on each one is a word of its own: Chinese, Japanese and Korean.
const FIRST_IDEOGRAPH: char = '\u{2e80}';
/// The longest skeleton that is a feature as a whole.
const LONGEST_WHOLE: usize = 6;
/// How many numbers [`shape`] gives.
const SHAPE: usize = 11;

/// What is learnt of the training questions without their routes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// The length of the vectors.
    dimension: usize,
    /// Words that stand in a skeleton as they are.
    vocabulary: BTreeSet<String>,
    /// The column of each n-gram, counted from the first one.
    columns: BTreeMap<String, usize>,
    /// Mean and spread of each number of the shape.
    mean: Vec<f64>,
    spread: Vec<f64>,
}

impl Features {
    /// Learns words, n-grams and the spread of shapes.
    #[must_use]
    pub fn learn(texts: &[&str], dimension: usize) -> Self {
        let vocabulary: BTreeSet<String> =
            frequent(texts.iter().map(|text| words(text).into_iter().collect()), LEAST_OF_A_WORD).collect();
        let mut grams: Vec<String> =
            frequent(texts.iter().map(|text| grams(text, &vocabulary)), LEAST_OF_A_GRAM).collect();
        grams.sort();
        let columns = grams.into_iter().zip(0..).collect();
        let shapes: Vec<[f64; SHAPE]> = texts.iter().map(|text| shape(text)).collect();
        let count = shapes.len().max(1) as f64;
        let of = |at: usize| shapes.iter().filter_map(move |shape| shape.get(at)).copied();
        let mean: Vec<f64> = (0..SHAPE).map(|at| of(at).sum::<f64>() / count).collect();
        let spread = mean.iter().enumerate().map(|(at, mean)| {
            let spread = (of(at).map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
            // What is the same in all questions but for rounding tells nothing.
            if spread > 1e-9 { spread } else { 1.0 }
        });
        let spread = spread.collect();
        Self { dimension, vocabulary, columns, mean, spread }
    }

    /// The number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.dimension + SHAPE + self.columns.len()
    }

    /// The features of a question that are not 0, as `(column, value)`: the vector, the shape, the n-grams.
    pub fn of<'f>(&'f self, text: &str, vector: &'f [f32]) -> impl Iterator<Item = (usize, f64)> + 'f {
        let embedded = vector.iter().take(self.dimension).map(|value| f64::from(*value) * EMBEDDING_SCALE).enumerate();
        let standing = self.mean.iter().zip(&self.spread);
        let shape =
            shape(text).into_iter().zip(standing).map(|(value, (mean, spread))| (value - mean) / spread * SHAPE_SCALE);
        let shape: Vec<(usize, f64)> = (self.dimension..).zip(shape).collect();
        let known: Vec<usize> =
            grams(text, &self.vocabulary).iter().filter_map(|gram| self.columns.get(gram)).copied().collect();
        let grams = known.into_iter().map(|column| (self.dimension + SHAPE + column, GRAM_SCALE));
        embedded.chain(shape).chain(grams)
    }
}

/// What occurs in enough of the sets.
fn frequent(sets: impl Iterator<Item = BTreeSet<String>>, least: usize) -> impl Iterator<Item = String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for item in sets.flatten() {
        *counts.entry(item).or_default() += 1;
    }
    counts.into_iter().filter(move |(_, count)| *count >= least).map(|(item, _)| item)
}

/// Runs of letters and digits in lower case; each ideograph is a word of its own.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut run = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_alphanumeric() && c < FIRST_IDEOGRAPH {
            run.push(c);
            continue;
        }
        if !run.is_empty() {
            found.push(std::mem::take(&mut run));
        }
        if c.is_alphanumeric() {
            found.push(c.to_string());
        }
    }
    if !run.is_empty() {
        found.push(run);
    }
    found
}

/// Known words as they are, numbers as `0`, each run of unknown words as one `_`; between `^` and `$`.
fn skeleton(text: &str, vocabulary: &BTreeSet<String>) -> Vec<String> {
    let mut found = vec!["^".to_owned()];
    for word in words(text) {
        let word = if word.bytes().all(|byte| byte.is_ascii_digit()) {
            "0".to_owned()
        } else if vocabulary.contains(&word) {
            word
        } else {
            "_".to_owned()
        };
        if word != "_" || found.last().is_some_and(|last| last != "_") {
            found.push(word);
        }
    }
    found.push("$".to_owned());
    found
}

/// What a skeleton contains: each word, each pair of neighbours, how it begins (its first three and its first four words),
/// and the whole of a short one.
fn grams(text: &str, vocabulary: &BTreeSet<String>) -> BTreeSet<String> {
    let skeleton = skeleton(text, vocabulary);
    let inner = skeleton.get(1..skeleton.len() - 1).unwrap_or_default();
    let mut found: BTreeSet<String> = inner.iter().filter(|word| *word != "_").cloned().collect();
    found.extend(skeleton.windows(2).map(|pair| pair.join(" ")));
    for length in [3, 4] {
        found.insert(format!("<{}", inner.get(..length.min(inner.len())).unwrap_or_default().join(" ")));
    }
    if inner.len() <= LONGEST_WHOLE {
        found.insert(format!("={}", inner.join(" ")));
    }
    found
}

/// Eleven numbers that say how a question is built: its length, its commas, sentences, marks and digits.
fn shape(text: &str) -> [f64; SHAPE] {
    let count = words(text).len();
    let is = |holds: bool| f64::from(u8::from(holds));
    let ends = text.chars().filter(|c| matches!(c, '.' | '?' | '!' | '。' | '？' | '！')).count();
    let commas = text.chars().filter(|c| *c == ',').count();
    [
        (count as f64).ln_1p(),
        is(count <= 4),
        is(count >= 15),
        is(count >= 25),
        (commas as f64).ln_1p(),
        is(ends > 1),
        is(text.contains(['?', '？'])),
        is(text.contains(':')),
        is(text.bytes().any(|byte| byte.is_ascii_digit())),
        is(text.chars().next().is_some_and(char::is_lowercase)),
        is(text.chars().any(|c| c >= FIRST_IDEOGRAPH)),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_skeleton_keeps_known_words_and_the_places_of_the_others() {
        let vocabulary = ["what", "is", "the", "of"].map(str::to_owned).into();
        assert_eq!(
            skeleton("What is the half-life of iodine-131?", &vocabulary),
            ["^", "what", "is", "the", "_", "of", "_", "0", "$"]
        );
        assert_eq!(skeleton("什么 is X", &vocabulary), ["^", "_", "is", "_", "$"]);
        let found = grams("What is X?", &vocabulary);
        let expected = ["$", "<what is _", "=what is _", "^ what", "_ $", "is", "is _", "what", "what is"];
        assert_eq!(found, expected[1..].iter().map(|gram| (*gram).to_owned()).collect());
    }

    #[test]
    fn features_are_the_vector_the_shape_and_the_grams_that_were_learnt() {
        let texts = vec!["what is it"; LEAST_OF_A_GRAM];
        let features = Features::learn(&texts, 2);
        assert_eq!(features.width(), 2 + SHAPE + 9, "what, is, it, four pairs, one beginning, the whole");
        let found: Vec<(usize, f64)> = features.of("what is it", &[0.5, -1.0]).collect();
        assert_eq!(found[..2], [(0, 2.0), (1, -4.0)]);
        assert!(found[2..2 + SHAPE].iter().all(|(_, value)| value.abs() < 1e-9), "just as in training");
        assert_eq!(found[2 + SHAPE..].len(), 9);
    }

    proptest! {
        #[test]
        fn no_question_is_too_odd(text in "\\PC{0,60}") {
            let features = Features::learn(&["what is it"; LEAST_OF_A_GRAM], 1);
            for (column, value) in features.of(&text, &[1.0]) {
                prop_assert!(column < features.width() && value.is_finite());
            }
        }
    }
}
