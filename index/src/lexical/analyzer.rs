use std::collections::HashSet;
use std::sync::OnceLock;

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RawTokenizer, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter,
    TextAnalyzer, TokenStream,
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

/// Where words of these stems stand in a text, as ranges of Unicode characters, in order.
pub(super) fn highlights(text: &str, stems: &HashSet<String>) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let (mut byte, mut character) = (0, 0);
    for word in words(text, usize::MAX).into_iter().filter(|word| stems.contains(&word.stem)) {
        let characters = |from: usize, to: usize| text.get(from..to).map_or(0, |part| part.chars().count());
        let start = character + characters(byte, word.bytes.start);
        let end = start + characters(word.bytes.start, word.bytes.end);
        ranges.push((start, end));
        (byte, character) = (word.bytes.end, end);
    }
    ranges
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
        let shown: Vec<String> = highlights(text, &stems)
            .into_iter()
            .map(|(start, end)| text.chars().skip(start).take(end - start).collect())
            .collect();
        assert_eq!(shown, ["Naïve", "networks", "network"]);
    }

    proptest! {
        #[test]
        fn every_highlight_is_a_word_of_its_stem(text in "(\\PC{0,6} ){0,12}networks \\PC{0,20}") {
            let wanted = HashSet::from(["network".to_owned()]);
            let found = highlights(&text, &wanted);
            prop_assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            for (start, end) in found {
                let shown: String = text.chars().skip(start).take(end - start).collect();
                prop_assert_eq!(stems(&shown), vec!["network".to_owned()]);
            }
        }
    }
}
