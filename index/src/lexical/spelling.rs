//! Words that occur in no paper, and the nearest that do.

use std::cmp::Reverse;

use strsim::osa_distance;
use tantivy::Term;

use super::QueryWords;
use super::analyzer;
use super::snapshot::Snapshot;
use crate::IndexError;

/// Shorter words have too many neighbours for one to be meant.
const SHORTEST: usize = 4;
/// From this length on two letters may be wrong.
const LONG: usize = 9;
/// What English words end in beyond the stem that is indexed of them.
const ENDINGS: [&str; 29] = [
    "", "s", "e", "es", "ed", "er", "ers", "ing", "ion", "ions", "ation", "ations", "al", "ally", "ity", "ities",
    "ment", "ments", "ness", "ly", "ive", "ance", "ence", "able", "ize", "ized", "izing", "ization", "izations",
];
/// The longest of the endings, and a slip in it.
const LONGEST_ENDING: usize = 9;
/// Words of a query that are looked for, each among all that begin with its letter. A text with more of them is in
/// another language, or none.
const MOST_RESPELLED: usize = 5;

/// A word that occurs nowhere, and the one that was looked for instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Respelled {
    pub(crate) typed: String,
    pub(crate) meant: String,
}

/// A word of the library: its stem, and a form of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Near {
    stem: String,
    form: String,
}

impl Snapshot {
    /// Puts in the place of each word that occurs in no paper the nearest that does: with one letter changed, left out,
    /// added, or swapped with the next, of long words two; of equally near ones the most frequent. The first letter is
    /// taken to be right, and what has a digit in it is a name and not a slip.
    ///
    /// Says what was put for what.
    pub(crate) fn respell(&self, words: &mut QueryWords) -> Result<Vec<Respelled>, IndexError> {
        let (mut respelled, mut looked_for) = (Vec::new(), 0);
        for word in words.words_mut() {
            if looked_for == MOST_RESPELLED {
                break;
            }
            if self.frequency(&word.stem)? > 0 {
                continue;
            }
            looked_for += 1;
            if let Some(near) = self.nearest(&word.typed.to_lowercase())? {
                respelled.push(Respelled { typed: word.typed.clone(), meant: near.form });
                word.stem = near.stem;
            }
        }
        Ok(respelled)
    }

    /// How many passages have a stem.
    pub(super) fn frequency(&self, stem: &str) -> Result<u64, IndexError> {
        self.searcher.doc_freq(&Term::from_field_text(self.fields.body, stem)).map_err(IndexError::internal)
    }

    fn nearest(&self, typed: &str) -> Result<Option<Near>, IndexError> {
        let length = typed.chars().count();
        let Some(first) = typed.chars().next().filter(|_| length >= SHORTEST) else { return Ok(None) };
        if typed.chars().any(|c| !c.is_alphabetic()) {
            return Ok(None);
        }
        let most = if length < LONG { 1 } else { 2 };
        // The nearest comes first, then the most frequent, then the first of the alphabet.
        let mut best: Option<(usize, Reverse<u64>, String, String)> = None;
        for stem in self.beginning_with(first)? {
            let least = best.as_ref().map_or(most, |(least, ..)| *least);
            let Some((distance, form)) = nearest_form(typed, &stem, least) else { continue };
            let found = (distance, Reverse(self.frequency(&stem)?), stem, form);
            if best.as_ref().is_none_or(|best| found < *best) {
                best = Some(found);
            }
        }
        Ok(best.map(|(_, _, stem, form)| Near { stem, form }))
    }

    /// The different stems that begin with a letter.
    fn beginning_with(&self, letter: char) -> Result<Vec<String>, IndexError> {
        let (mut found, first) = (Vec::new(), letter.to_string());
        for reader in self.searcher.segment_readers() {
            let index = reader.inverted_index(self.fields.body).map_err(IndexError::internal)?;
            let range = index.terms().range().ge(first.as_bytes());
            let mut stream = range.into_stream().map_err(IndexError::internal)?;
            while let Some((key, _)) = stream.next() {
                if !key.starts_with(first.as_bytes()) {
                    break;
                }
                found.extend(std::str::from_utf8(key).map(str::to_owned));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// The form of a stem that is nearest to a typed word, when at most `most` letters are wrong, and how many are.
fn nearest_form(typed: &str, stem: &str, most: usize) -> Option<(usize, String)> {
    let (length, long) = (typed.chars().count(), stem.chars().count());
    if long > length + most || length > long + LONGEST_ENDING || stem.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // What two words begin with differs no more than the words, but for what moves over its end.
    let begin: String = typed.chars().take(long).collect();
    if osa_distance(&begin, stem) > most + 1 {
        return None;
    }
    let as_written = stem.strip_suffix('i').map(|stem| format!("{stem}y"));
    let forms = ENDINGS.iter().map(|ending| format!("{stem}{ending}")).chain(as_written);
    let near = forms.map(|form| (osa_distance(typed, &form), form)).filter(|(distance, _)| *distance <= most);
    let is_of_stem = |form: &str| analyzer::words(form, 1).first().is_some_and(|word| word.stem == stem);
    // Hardly a word ends in the `i` of its stem. Letters are doubled in the wrong place, and rather left out than added.
    let once = undoubled(typed);
    let order = |(distance, form): &(usize, String)| {
        let of_stem = form == stem && stem.ends_with('i');
        (*distance, of_stem, undoubled(form) != once, form.len() <= typed.len(), form.clone())
    };
    near.filter(|(_, form)| is_of_stem(form)).min_by_key(order)
}

/// A word with one letter in the place of each run of the same.
fn undoubled(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    letters.dedup();
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_form_of_a_stem_is_found() {
        for (typed, stem, form) in [
            ("translatoin", "translat", Some("translation")),
            ("theroy", "theori", Some("theory")),
            ("ever", "everi", Some("every")),
            ("attenttion", "attent", Some("attention")),
            ("optimzation", "optim", Some("optimization")),
            ("netwroks", "network", Some("networks")),
            ("attenion", "attent", Some("attention")),
            ("zebrafish", "zebra", None),
            ("graphene", "graph", None),
            ("convolutoinal", "convolut", None),
            ("cat", "category", None),
        ] {
            let most = if typed.len() < LONG { 1 } else { 2 };
            assert_eq!(nearest_form(typed, stem, most).map(|(_, form)| form).as_deref(), form, "{typed}");
        }
    }
}
