//! Which parts of a title BibTeX styles must not put into lower case.
//!
//! A style lowers every letter outside braces but the first one. What it may not touch: acronyms and
//! words with inner capitals, single letters, the first word after a stop, names in a title that is not
//! capitalised throughout, formulas and commands (`$P$` would become `$p$`, `\L` would become `\l`).

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::scan::Piece;

/// Words shorter than this say nothing about how a title is capitalised.
const TELLING_LENGTH: usize = 4;

/// The ranges of pieces to put braces around, in order, none inside another.
pub(super) fn protected(pieces: &[Piece]) -> Vec<Range<usize>> {
    let words = words(pieces);
    let sentence = is_sentence_case(&words);
    let mut ranges: Vec<Range<usize>> = words.iter().filter_map(|word| word.protected(sentence)).collect();
    ranges.extend(beside_words(pieces));
    ranges.sort_by_key(|range| range.start);
    ranges
}

struct Word {
    start: usize,
    letters: Vec<char>,
    first: bool,
    after_stop: bool,
    after_hyphen: bool,
}

impl Word {
    fn capital(&self) -> bool {
        self.letters.first().is_some_and(|c| c.is_uppercase())
    }

    fn inner_capital(&self) -> bool {
        self.letters.iter().skip(1).any(|c| c.is_uppercase())
    }

    fn protected(&self, sentence: bool) -> Option<Range<usize>> {
        let whole = self.start..self.start + self.letters.len();
        // A lone A is the article; any other lone capital is a symbol or a numeral.
        let symbol = self.letters.len() == 1 && self.letters != ['A'] && !self.first;
        if self.inner_capital() || (self.capital() && symbol) {
            Some(whole)
        } else if self.capital() && self.after_stop {
            let marks = self.letters.iter().skip(1).take_while(|c| is_combining_mark(**c)).count();
            Some(self.start..self.start + 1 + marks)
        } else if self.capital() && sentence && !self.first && self.letters != ['A'] {
            Some(whole)
        } else {
            None
        }
    }
}

/// Whether most words of the title begin with a small letter, so that a capital marks a name.
fn is_sentence_case(words: &[Word]) -> bool {
    let tells = |word: &&Word| {
        let begins = !word.first && !word.after_stop && !word.after_hyphen;
        begins && !word.inner_capital() && word.letters.len() >= TELLING_LENGTH
    };
    let telling = || words.iter().filter(tells);
    let capitals = telling().filter(|w| w.capital()).count();
    let small = telling().count() - capitals;
    small > 0 && capitals <= small
}

/// The words outside all groups.
fn words(pieces: &[Piece]) -> Vec<Word> {
    let mut words = Vec::new();
    let (mut depth, mut last, mut spaced) = (0_usize, None, false);
    let mut place = 0;
    while let Some(piece) = pieces.get(place) {
        let letters = if depth == 0 { word_at(pieces, place) } else { Vec::new() };
        let length = letters.len().max(1);
        if letters.is_empty() {
            match piece {
                Piece::Open => depth += 1,
                Piece::Close => depth = depth.saturating_sub(1),
                Piece::Char(' ') => spaced = true,
                Piece::Char(c) => (last, spaced) = (Some(*c), false),
                Piece::Math(_) | Piece::Command(_) => (last, spaced) = (Some('x'), false),
            }
        } else {
            let after_stop = spaced && matches!(last, Some(':' | '.' | '?' | '!'));
            let after_hyphen = !spaced && last == Some('-');
            words.push(Word { start: place, letters, first: last.is_none(), after_stop, after_hyphen });
            (last, spaced) = (Some('x'), false);
        }
        place += length;
    }
    words
}

/// The letters and digits from `start` on, with an apostrophe between two of them.
fn word_at(pieces: &[Piece], start: usize) -> Vec<char> {
    let at = |place: usize| match pieces.get(place) {
        Some(Piece::Char(c)) => Some(*c),
        _ => None,
    };
    let is_word = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    let mut letters = Vec::new();
    while let Some(c) = at(start + letters.len()) {
        let joins =
            matches!(c, '\'' | '’') && !letters.is_empty() && at(start + letters.len() + 1).is_some_and(is_word);
        if !is_word(c) && !joins {
            break;
        }
        letters.push(c);
    }
    letters
}

/// Formulas, commands and font groups with capitals, outside all other groups.
fn beside_words(pieces: &[Piece]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut depth, mut opened) = (0_usize, 0);
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Open => {
                opened = if depth == 0 { place } else { opened };
                depth += 1;
            }
            Piece::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 && is_lowered_group(pieces.get(opened + 1..place).unwrap_or_default()) {
                    ranges.push(opened..place + 1);
                }
            }
            Piece::Math(text) if depth == 0 && (has_capital(text) || text.contains("{\\")) => {
                ranges.push(place..place + 1)
            }
            Piece::Command(text)
                if depth == 0 && has_capital(text) && !matches!(pieces.get(place + 1), Some(Piece::Open)) =>
            {
                ranges.push(place..place + 1);
            }
            _ => {}
        }
    }
    ranges
}

/// BibTeX takes `{\it …}` for one special character and lowers what is in it; a second pair of braces
/// stops that.
fn is_lowered_group(inside: &[Piece]) -> bool {
    matches!(inside.first(), Some(Piece::Command(_)))
        && inside.iter().any(|piece| matches!(piece, Piece::Char(c) if c.is_uppercase()))
}

fn has_capital(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::super::scan::pieces;
    use super::*;
    use proptest::prelude::*;

    /// The protected parts of a title, as the characters they hold.
    fn parts(title: &str) -> Vec<String> {
        let pieces = pieces(title);
        let shown = |range: Range<usize>| -> String {
            let text = pieces[range].iter().map(|piece| match piece {
                Piece::Char(c) => c.to_string(),
                Piece::Math(text) | Piece::Command(text) => text.clone(),
                Piece::Open => "{".into(),
                Piece::Close => "}".into(),
            });
            text.collect()
        };
        protected(&pieces).into_iter().map(shown).collect()
    }

    #[test]
    fn only_what_would_be_lowered_wrongly_is_protected() {
        for (title, expected) in [
            ("Deep Learning With Small Data", vec![]),
            ("deep learning", vec![]),
            ("A BERT", vec!["BERT"]),
            ("McDonald and O'Brien meet iPhone", vec!["McDonald", "O'Brien", "iPhone"]),
            ("The Bose-Einstein condensate of atoms", vec!["Bose", "Einstein"]),
            ("“Why Should I Trust You?”", vec!["I"]),
            ("{BERT} and \\emph{GPT}", vec![]),
            ("$x$ and $X$ by \\Omc", vec!["$X$", "\\Omc"]),
            ("{\\it felis} {\\it Felis}", vec!["{\\it Felis}"]),
        ] {
            assert_eq!(parts(title), expected, "{title}");
        }
    }

    proptest! {
        #[test]
        fn no_range_is_inside_another(title in "[aB: .{}$\\\\]{0,40}") {
            let ranges = protected(&pieces(&title));
            prop_assert!(ranges.iter().all(|range| range.start < range.end));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", ranges);
        }
    }
}
