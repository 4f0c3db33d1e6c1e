//! What becomes of a word, found out once.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use tantivy::tokenizer::{TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer};

/// Words that are remembered; a text of a field has some tens of thousands.
const MOST_WORDS: usize = 100_000;

/// An analyzer of single words, of which it remembers what it made: half of the time of indexing would else go into
/// folding, stopping and stemming the same few thousand words over and over.
#[derive(Clone)]
pub(super) struct Remember(pub(super) TextAnalyzer);

impl TokenFilter for Remember {
    type Tokenizer<T: Tokenizer> = Remembering<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> Remembering<T> {
        Remembering { inner: tokenizer, memory: Memory::new(self.0) }
    }
}

/// A tokenizer whose words come out as the analyzer makes them; those of which it makes nothing are left out.
#[derive(Clone)]
pub(super) struct Remembering<T> {
    inner: T,
    memory: Memory,
}

impl<T: Tokenizer> Tokenizer for Remembering<T> {
    type TokenStream<'a> = Made<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        Made { words: self.inner.token_stream(text), memory: &mut self.memory }
    }
}

/// The words of one text.
pub(super) struct Made<'a, T> {
    words: T,
    memory: &'a mut Memory,
}

impl<T: TokenStream> TokenStream for Made<'_, T> {
    fn advance(&mut self) -> bool {
        while self.words.advance() {
            if self.memory.make(&mut self.words.token_mut().text) {
                return true;
            }
        }
        false
    }

    fn token(&self) -> &Token {
        self.words.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.words.token_mut()
    }
}

/// What is remembered: what was made of a word, nothing of a stop word.
struct Memory {
    made: HashMap<Box<str>, Option<Box<str>>, RandomState>,
    analyzer: TextAnalyzer,
}

impl Clone for Memory {
    /// An empty one: tantivy copies an analyzer for each segment that it writes.
    fn clone(&self) -> Self {
        Self::new(self.analyzer.clone())
    }
}

impl Memory {
    fn new(analyzer: TextAnalyzer) -> Self {
        Self { made: HashMap::default(), analyzer }
    }

    /// Puts in the word's place what is made of it; whether that is anything.
    fn make(&mut self, word: &mut String) -> bool {
        if let Some(made) = self.made.get(word.as_str()) {
            word.clear();
            word.push_str(made.as_deref().unwrap_or_default());
            return made.is_some();
        }
        if self.made.len() >= MOST_WORDS {
            self.made.clear();
        }
        let mut stream = self.analyzer.token_stream(word);
        let made = stream.advance().then(|| stream.token().text.as_str().into());
        drop(stream);
        let key = std::mem::take(word).into_boxed_str();
        let made: &Option<Box<str>> = self.made.entry(key).or_insert(made);
        word.push_str(made.as_deref().unwrap_or_default());
        made.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::tokenizer::{Language, LowerCaser, RawTokenizer, SimpleTokenizer, Stemmer, StopWordFilter};

    use super::*;

    fn words(analyzer: &mut TextAnalyzer, text: &str) -> Vec<Token> {
        let mut words = Vec::new();
        analyzer.token_stream(text).process(&mut |token| words.push(token.clone()));
        words
    }

    fn stopped() -> StopWordFilter {
        StopWordFilter::remove(["the".to_owned()])
    }

    fn of_single_words() -> TextAnalyzer {
        let whole = TextAnalyzer::builder(RawTokenizer::default());
        whole.filter(LowerCaser).filter(stopped()).filter(Stemmer::new(Language::English)).build()
    }

    proptest! {
        #[test]
        fn the_words_are_those_of_the_analyzer_however_often_they_come(
            texts in prop::collection::vec("((the|The|network|Networks|networking|generalizations|ée|[a-z]{1,12}|\\PC{0,5}) ){0,12}", 1..6)
        ) {
            let plain = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).filter(stopped());
            let mut plain = plain.filter(Stemmer::new(Language::English)).build();
            let mut remembering =
                TextAnalyzer::builder(SimpleTokenizer::default()).filter(Remember(of_single_words())).build();
            for text in &texts {
                prop_assert_eq!(words(&mut remembering, text), words(&mut plain, text));
            }
            let mut copy = remembering.clone();
            prop_assert_eq!(words(&mut copy, &texts[0]), words(&mut plain, &texts[0]));
        }
    }

    #[test]
    fn the_memory_has_an_end() {
        let mut memory = Memory::new(of_single_words());
        for n in 0..MOST_WORDS + 10 {
            assert!(memory.make(&mut format!("word{n}")));
        }
        assert_eq!(memory.made.len(), 10);
    }
}
