//! What an answer must say, and whether it says it. By words alone, so that the same answer is always worth the same.

use crate::agent::words::{content_stems, coverage, numbers};

/// Something that an answer must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// One of these: all content words (by their stems) and all numbers of it occur in the answer. Made, or not.
    Any(Vec<String>),
    /// What a whole answer says, written by hand: made as far as its content words occur in the answer (ROUGE-1 recall
    /// without stop words; Lin 2004).
    Reference(String),
}

impl Point {
    /// A point with its alternatives.
    ///
    /// # Errors
    /// What is wrong with them, when there is none, or nothing can be looked for in one.
    pub fn any(alternatives: Vec<String>) -> Result<Self, String> {
        if alternatives.is_empty() {
            return Err("a point needs at least one wording".to_owned());
        }
        if let Some(empty) = alternatives.iter().find(|wording| sought(wording).is_empty()) {
            return Err(format!("the point `{empty}` has no word that could be looked for"));
        }
        Ok(Self::Any(alternatives))
    }

    /// How far a text makes the point, 0 to 1.
    #[must_use]
    pub fn made_by(&self, text: &str) -> f64 {
        let said = sought(text);
        match self {
            Self::Any(wordings) => f64::from(u8::from(wordings.iter().any(|wording| sought(wording).is_subset(&said)))),
            Self::Reference(reference) => f64::from(coverage(&sought(reference), &said)),
        }
    }

    /// The point in words.
    #[must_use]
    pub fn told(&self) -> &str {
        match self {
            Self::Any(wordings) => wordings.first().map_or("", String::as_str),
            Self::Reference(reference) => reference,
        }
    }
}

/// The stems of a text and its numbers, each written one way.
fn sought(text: &str) -> std::collections::BTreeSet<String> {
    let mut sought = content_stems(text);
    // The digits of a number are in its words already, cut at the point; what counts is the number.
    sought.retain(|stem| !stem.bytes().all(|byte| byte.is_ascii_digit()));
    sought.extend(numbers(text));
    sought
}

/// How far a text makes these points, on average; none when there are none.
#[must_use]
pub fn coverage_of(points: &[Point], text: &str) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "a count of points")]
    let all = points.len() as f64;
    (!points.is_empty()).then(|| points.iter().map(|point| point.made_by(text)).sum::<f64>() / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(wordings: &[&str]) -> Point {
        Point::any(wordings.iter().map(|wording| (*wording).to_owned()).collect()).unwrap()
    }

    #[test]
    fn a_point_is_made_when_all_words_and_numbers_of_one_wording_occur() {
        let text = "The Transformer reached 28.40 BLEU, trained on eight GPUs. It needs no recurrence.";
        for (point, made) in [
            (any(&["28.4 BLEU"]), 1.0),
            (any(&["28 BLEU"]), 0.0),
            (any(&["41.8", "8 GPUs"]), 1.0),
            (any(&["recurrences"]), 1.0),
            (any(&["convolution"]), 0.0),
        ] {
            assert!((point.made_by(text) - made).abs() < 1e-9, "{point:?}");
        }
        let reference = Point::Reference("Transformers need no convolution".to_owned());
        assert!((reference.made_by(text) - 2.0 / 3.0).abs() < 1e-6, "{}", reference.made_by(text));
        let half = coverage_of(&[any(&["recurrence"]), any(&["convolution"])], text);
        assert_eq!((half, coverage_of(&[], text)), (Some(0.5), None));
    }

    #[test]
    fn a_point_without_anything_to_look_for_is_none() {
        assert_eq!(Point::any(Vec::new()), Err("a point needs at least one wording".to_owned()));
        let empty = Point::any(vec!["it is".to_owned()]).unwrap_err();
        assert!(empty.contains("`it is`"), "{empty}");
    }
}
