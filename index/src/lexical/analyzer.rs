use std::collections::HashSet;
use std::sync::OnceLock;

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RawTokenizer, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter,
    TextAnalyzer, TokenStream, Tokenizer,
};

use super::stems::Remember;

/// The name the analyzer is registered by.
pub(super) const ANALYZER: &str = "english";
/// Words of more bytes than this are no words.
const LONGEST_WORD: usize = 100;

/// English function words, question words and contractions' remains: what says nothing of a paper's
/// subject, however often it occurs.
const STOP_WORDS: &str = "a about above after again against all also am an and any are as at be because been before \
    being below between both but by can cannot could did do does doing don down during each few for from further had \
    has have having he her here hers herself him himself his how i if in into is it its itself ll let me more most my \
    myself no nor not of off on once only or other ought our ours ourselves out over own re s same she should so some \
    such t than that the their theirs them themselves then there these they this those through to too under until up ve \
    very was we were what when where which while who whom why will with would you your yours yourself yourselves";

/// A word as it is indexed, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Lower case, without accents, stemmed.
    pub(super) stem: String,
    /// Its number in the text, stop words counted.
    pub(super) position: usize,
    /// Its bytes in the text.
    pub(super) bytes: std::ops::Range<usize>,
}

/// Words at letters and digits, in lower case, without accents, without stop words, stemmed with
/// Snowball's English stemmer.
pub(super) fn analyzer() -> TextAnalyzer {
    static STOPPED: OnceLock<StopWordFilter> = OnceLock::new();
    let stopped = STOPPED.get_or_init(|| StopWordFilter::remove(STOP_WORDS.split_whitespace().map(str::to_owned)));
    // Its filters take whole texts only, so a word is one: a tokenizer that does not split.
    let of_a_word = TextAnalyzer::builder(RawTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(stopped.clone())
        .filter(Stemmer::new(Language::English))
        .build();
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST_WORD))
        .filter(Remember(of_a_word))
        .build()
}

/// Whether a word in lower case says nothing of a paper's subject.
pub(crate) fn is_stop_word(word: &str) -> bool {
    static WORDS: OnceLock<HashSet<&str>> = OnceLock::new();
    WORDS.get_or_init(|| STOP_WORDS.split_whitespace().collect()).contains(word)
}

/// The words of a text, at most `limit`.
pub(super) fn words(text: &str, limit: usize) -> Vec<Word> {
    let mut analyzer = analyzer();
    let mut stream = analyzer.token_stream(text);
    let mut words = Vec::new();
    while words.len() < limit && stream.advance() {
        let token = stream.token();
        words.push(Word {
            stem: token.text.clone(),
            position: token.position,
            bytes: token.offset_from..token.offset_to,
        });
    }
    words
}

/// Finds words of some stems in texts.
pub(crate) struct Highlighter {
    stems: HashSet<String>,
    /// Of a single word.
    analyzer: TextAnalyzer,
}

impl Highlighter {
    /// One that finds words of these stems.
    pub(super) fn new(stems: HashSet<String>) -> Self {
        Self { stems, analyzer: analyzer() }
    }

    /// Where they stand in a text, as ranges of Unicode characters, in order.
    pub(crate) fn highlights(&mut self, text: &str) -> Vec<(usize, usize)> {
        let mut ranges = Vec::new();
        let (mut byte, mut character) = (0, 0);
        let mut tokenizer = SimpleTokenizer::default();
        let mut stream = tokenizer.token_stream(text);
        while stream.advance() {
            let token = stream.token();
            if !self.is_one(&token.text) {
                continue;
            }
            let characters = |from: usize, to: usize| text.get(from..to).map_or(0, |part| part.chars().count());
            let start = character + characters(byte, token.offset_from);
            let end = start + characters(token.offset_from, token.offset_to);
            ranges.push((start, end));
            (byte, character) = (token.offset_to, end);
        }
        ranges
    }

    fn is_one(&mut self, word: &str) -> bool {
        // No rule of the stemmer changes the first letter, so that most words need not be stemmed.
        let first = word.bytes().next().unwrap_or_default().to_ascii_lowercase();
        if first.is_ascii() && !self.stems.iter().any(|stem| stem.as_bytes().first() == Some(&first)) {
            return false;
        }
        let mut stream = self.analyzer.token_stream(word);
        stream.advance() && self.stems.contains(&stream.token().text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stems(text: &str) -> Vec<String> {
        words(text, usize::MAX).into_iter().map(|word| word.stem).collect()
    }

    #[test]
    fn words_are_folded_stopped_and_stemmed() {
        assert_eq!(stems("What are the Schrödinger equations' SOLUTIONS?"), ["schroding", "equat", "solut"]);
        assert_eq!(stems("all-MiniLM-L6-v2"), ["minilm", "l6", "v2"]);
        assert_eq!(stems("It doesn't do that"), ["doesn"]);
        assert_eq!(stems(&"x".repeat(200)), Vec::<String>::new());
    }

    #[test]
    fn stop_words_leave_their_place_empty() {
        let positions: Vec<usize> = words("theory of the firm", 10).iter().map(|word| word.position).collect();
        assert_eq!(positions, [0, 3]);
    }

    #[test]
    fn no_more_words_than_asked_for() {
        assert_eq!(words("one two three four", 2).len(), 2);
    }

    #[test]
    fn highlights_count_characters_not_bytes() {
        let stems = HashSet::from(["network".to_owned(), "naiv".to_owned()]);
        let text = "Naïve – «networks» network";
        let shown: Vec<String> = Highlighter::new(stems)
            .highlights(text)
            .into_iter()
            .map(|(start, end)| text.chars().skip(start).take(end - start).collect())
            .collect();
        assert_eq!(shown, ["Naïve", "networks", "network"]);
    }

    proptest! {
        #[test]
        fn the_first_letter_stays_when_a_word_is_stemmed(word in "[a-z]{2,12}|[a-z]{1,5}(ies|ying|ings|news|idly|s)") {
            for stem in stems(&word) {
                prop_assert_eq!(stem.as_bytes()[0], word.as_bytes()[0]);
            }
        }

        #[test]
        fn every_highlight_is_a_word_of_its_stem(text in "(\\PC{0,6} ){0,12}networks \\PC{0,20}") {
            let wanted = HashSet::from(["network".to_owned()]);
            let found = Highlighter::new(wanted).highlights(&text);
            prop_assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            let all = words(&text, usize::MAX).iter().filter(|word| word.stem == "network").count();
            prop_assert_eq!(found.len(), all, "none is missed");
            for (start, end) in found {
                let shown: String = text.chars().skip(start).take(end - start).collect();
                prop_assert_eq!(stems(&shown), vec!["network".to_owned()]);
            }
        }
    }
}
