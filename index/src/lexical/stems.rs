//! Stemming that does each word once.

use std::collections::HashMap;

use tantivy::tokenizer::{Language, Stemmer, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer};

/// Words whose stems are remembered; a text of a field has some tens of thousands.
const MOST_WORDS: usize = 100_000;

/// Snowball's English stemmer, with the stems of the words that it met remembered: a third of the time of indexing
/// would else go into stemming the same few thousand words over and over.
#[derive(Clone)]
pub(super) struct RememberingStemmer;

impl TokenFilter for RememberingStemmer {
    type Tokenizer<T: Tokenizer> = Remembering<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> Remembering<T> {
        Remembering { inner: tokenizer, stems: Stems::new() }
    }
}

/// A tokenizer whose words come out stemmed.
#[derive(Clone)]
pub(super) struct Remembering<T> {
    inner: T,
    stems: Stems,
}

impl<T: Tokenizer> Tokenizer for Remembering<T> {
    type TokenStream<'a> = StemmedWords<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        StemmedWords { words: self.inner.token_stream(text), stems: &mut self.stems }
    }
}

/// The words of one text, stemmed.
pub(super) struct StemmedWords<'a, T> {
    words: T,
    stems: &'a mut Stems,
}

impl<T: TokenStream> TokenStream for StemmedWords<'_, T> {
    fn advance(&mut self) -> bool {
        if !self.words.advance() {
            return false;
        }
        self.stems.stem(&mut self.words.token_mut().text);
        true
    }

    fn token(&self) -> &Token {
        self.words.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.words.token_mut()
    }
}

/// What is remembered.
struct Stems {
    known: HashMap<Box<str>, Box<str>>,
    stemmer: TextAnalyzer,
}

impl Clone for Stems {
    /// A copy with an empty memory: tantivy copies an analyzer for each segment that it writes.
    fn clone(&self) -> Self {
        Self { known: HashMap::new(), stemmer: self.stemmer.clone() }
    }
}

impl Stems {
    fn new() -> Self {
        // tantivy's filter takes whole texts only, so a word is one: a tokenizer that does not split.
        let whole = TextAnalyzer::builder(tantivy::tokenizer::RawTokenizer::default());
        Self { known: HashMap::new(), stemmer: whole.filter(Stemmer::new(Language::English)).build() }
    }

    fn stem(&mut self, word: &mut String) {
        if let Some(stem) = self.known.get(word.as_str()) {
            word.clear();
            word.push_str(stem);
            return;
        }
        if self.known.len() >= MOST_WORDS {
            self.known.clear();
        }
        let key: Box<str> = word.as_str().into();
        let mut stream = self.stemmer.token_stream(&key);
        if stream.advance() {
            word.clone_from(&stream.token().text);
        }
        drop(stream);
        self.known.insert(key, word.as_str().into());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::tokenizer::SimpleTokenizer;

    use super::*;

    fn words(analyzer: &mut TextAnalyzer, text: &str) -> Vec<Token> {
        let mut words = Vec::new();
        analyzer.token_stream(text).process(&mut |token| words.push(token.clone()));
        words
    }

    proptest! {
        #[test]
        fn the_stems_are_those_of_the_stemmer_however_often_a_word_comes(
            texts in prop::collection::vec("((network|networks|networking|generalizations|ée|[a-z]{1,12}|\\PC{0,5}) ){0,12}", 1..6)
        ) {
            let mut plain = TextAnalyzer::builder(SimpleTokenizer::default()).filter(Stemmer::new(Language::English)).build();
            let mut remembering = TextAnalyzer::builder(SimpleTokenizer::default()).filter(RememberingStemmer).build();
            for text in &texts {
                prop_assert_eq!(words(&mut remembering, text), words(&mut plain, text));
            }
            let mut copy = remembering.clone();
            prop_assert_eq!(words(&mut copy, &texts[0]), words(&mut plain, &texts[0]));
        }
    }

    #[test]
    fn the_memory_has_an_end() {
        let mut stems = Stems::new();
        for n in 0..MOST_WORDS + 10 {
            stems.stem(&mut format!("word{n}"));
        }
        assert_eq!(stems.known.len(), 10);
    }
}
