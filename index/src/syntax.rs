//! What a searcher types, taken apart; pure.
//!
//! | typed | asks for |
//! |---|---|
//! | `graph networks` | papers about it |
//! | `"graph networks"` | the words one after the other; in a text of many words only a wish |
//! | `-survey`, `-"deep learning"` | papers without it |
//! | `title:attention`, `title:"is all you need"` | words of the title |
//! | `author:hinton`, `author:"Geoffrey Hinton"` | an author, by surname or name |
//! | `year:2019`, `year:2019..2023`, `year:2019..`, `year:>=2019` | the year of publication, both ends included |
//! | `venue:CVPR`, `cat:cs.CL`, `source:arxiv` | venue, category, source |
//! | `-author:…`, `-cat:…` and so on | papers of which it does not hold |
//!
//! All that is asked for must hold. arXiv's short names are understood too: `ti:`, `au:`, `abs:`. Nothing else is
//! syntax and no text is an error: what cannot be read as an operator is searched as words, and a note says so. Of very
//! many operators the first are heeded, and a note says that too.

use paper::SourceName;

use crate::filter::Years;

/// Words outside of quotes beyond which a text is taken for prose, in which quotes are no orders.
const WORDS_OF_A_SEARCH: usize = 8;
/// Operators and phrases of one search that are heeded: each is looked up by itself.
const MOST_OPERATORS: usize = 32;

/// A typed text taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// What the papers are to be about: all but the operators, the words of phrases and of titles too.
    pub words: String,
    /// The phrases in quotes that must occur in title or text.
    pub phrases: Vec<String>,
    /// What else must hold, all of it.
    pub clauses: Vec<Clause>,
    /// What looked like an operator and could not be read as one, a sentence each.
    pub notes: Vec<String>,
}

/// A thing that must hold of a paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Whether it must not hold.
    pub negated: bool,
    /// What.
    pub asks: Asks,
}

/// What can be asked of a paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// Words that follow each other in title or text.
    Text(String),
    /// Words that follow each other in the title.
    Title(String),
    /// An author.
    Author(String),
    /// A venue.
    Venue(String),
    /// A category or an archive.
    Category(String),
    /// A source that told of it.
    Source(SourceName),
    /// The year of publication.
    Years(Years),
}

impl Typed {
    /// Takes a text apart.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut typed = Self::default();
        let (mut rest, mut after_gap, mut prose) = (text, true, 0);
        while let Some(first) = rest.chars().next() {
            if let Some((piece, left)) = operator(rest, after_gap) {
                typed.take(piece);
                (rest, after_gap) = (left, false);
            } else if let Some((phrase, left)) = quoted(rest).filter(|_| after_gap) {
                typed.add_words(phrase);
                if typed.has_room() {
                    typed.phrases.push(phrase.to_owned());
                }
                (rest, after_gap) = (left, false);
            } else {
                let begins_word = first.is_alphanumeric() && (after_gap || !typed.ends_in_a_word());
                prose += usize::from(begins_word);
                typed.words.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                after_gap = !first.is_alphanumeric() && !matches!(first, '-' | '\'' | '’') || first.is_whitespace();
            }
        }
        if prose > WORDS_OF_A_SEARCH {
            typed.phrases.clear();
        }
        typed.phrases.retain(|phrase| phrase.chars().any(char::is_alphanumeric));
        typed.words = typed.words.split_whitespace().collect::<Vec<_>>().join(" ");
        typed
    }

    /// Whether it is a text of many words, a question for one, rather than the words of a search.
    #[must_use]
    pub fn is_prose(&self) -> bool {
        self.words.split_whitespace().count() > WORDS_OF_A_SEARCH
    }

    /// A text in which nothing is syntax, a question for one.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self { words: text.split_whitespace().collect::<Vec<_>>().join(" "), ..Self::default() }
    }

    /// Whether one more operator is heeded; says so once when not.
    fn has_room(&mut self) -> bool {
        let has_room = self.clauses.len() + self.phrases.len() < MOST_OPERATORS;
        let note = format!("Only the first {MOST_OPERATORS} operators and phrases were heeded.");
        if !has_room && !self.notes.contains(&note) {
            self.notes.push(note);
        }
        has_room
    }

    fn ends_in_a_word(&self) -> bool {
        self.words.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '\'' | '’'))
    }

    fn add_words(&mut self, words: &str) {
        self.words.push(' ');
        self.words.push_str(words);
        self.words.push(' ');
    }

    fn take(&mut self, piece: Piece) {
        let Piece { negated, field, value, typed } = piece;
        let asks = match field.asks(value) {
            Ok(asks) => asks,
            Err(expected) => {
                if self.notes.len() < MOST_OPERATORS {
                    self.notes.push(format!("`{typed}` was searched as words, since {expected}."));
                }
                return self.add_words(typed);
            }
        };
        if let (Asks::Text(words) | Asks::Title(words), false) = (&asks, negated) {
            self.add_words(words);
        }
        if !self.has_room() {
            return;
        }
        self.clauses.push(Clause { negated, asks });
    }
}

/// An operator as it is typed.
struct Piece<'a> {
    negated: bool,
    field: Field,
    value: &'a str,
    typed: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Text,
    Title,
    Author,
    Venue,
    Category,
    Source,
    Year,
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "title" | "ti" => Self::Title,
            "author" | "au" => Self::Author,
            "venue" => Self::Venue,
            "category" | "cat" => Self::Category,
            "source" => Self::Source,
            "year" => Self::Year,
            "abstract" | "abs" => Self::Text,
            _ => return None,
        })
    }

    /// What a value of the field asks for, or why it asks for nothing.
    fn asks(self, value: &str) -> Result<Asks, String> {
        let text = value.to_owned();
        Ok(match self {
            Self::Text => Asks::Text(text),
            Self::Title => Asks::Title(text),
            Self::Author => Asks::Author(text),
            Self::Venue => Asks::Venue(text),
            Self::Category => Asks::Category(text),
            Self::Source => Asks::Source(value.parse().map_err(|error: paper::ParseError| error.to_string())?),
            Self::Year => Asks::Years(years(value).ok_or("a year is written as 2019, 2019..2023, 2019.. or >=2019")?),
        })
    }
}

/// The operator that a text begins with, and what follows it.
fn operator(text: &str, after_gap: bool) -> Option<(Piece<'_>, &str)> {
    if !after_gap {
        return None;
    }
    let unsigned = text.strip_prefix('-');
    let body = unsigned.unwrap_or(text);
    let (field, from) = match field_name(body) {
        Some((field, from)) => (field, from),
        // A number after a minus is a number, and a dash before a space a dash.
        None if unsigned.is_some() && body.starts_with(|c: char| c.is_alphabetic() || is_quote(c)) => {
            (Field::Text, body)
        }
        None => return None,
    };
    let (value, rest) = quoted(from).or_else(|| bare(from))?;
    if !value.chars().any(char::is_alphanumeric) {
        return None;
    }
    let typed = text.get(..text.len() - rest.len())?;
    Some((Piece { negated: unsigned.is_some(), field, value, typed }, rest))
}

/// The field that a text names, and what stands right behind the colon.
fn field_name(text: &str) -> Option<(Field, &str)> {
    let (name, rest) = text.split_once(':')?;
    Field::named(name).map(|field| (field, rest))
}

/// The words in quotes that a text begins with, and what follows; a quote that is not closed is none.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix(is_quote)?;
    let (words, rest) = inner.split_once(is_quote)?;
    Some((words.trim(), rest))
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
}

/// The text up to white space or a quote, without the punctuation of a sentence around it.
fn bare(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| c.is_whitespace() || is_quote(c)).unwrap_or(text.len());
    let value = text.get(..end)?.trim_end_matches([',', ';', ')', '?', '!']);
    Some((value, text.get(value.len()..)?))
}

/// `2019`, `2019..2023`, `2019-2023`, `2019..`, `..2023`, `>2019`, `>=2019`, `<2019`, `<=2019`.
fn years(text: &str) -> Option<Years> {
    let year = |digits: &str| -> Option<i16> {
        (digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
    };
    let bound = |digits: &str| if digits.is_empty() { Some(None) } else { year(digits).map(Some) };
    if let Some(rest) = text.strip_prefix('>') {
        let from = rest.strip_prefix('=').map_or_else(|| year(rest).map(|y| y + 1), year)?;
        return Some(Years { from: Some(from), to: None });
    }
    if let Some(rest) = text.strip_prefix('<') {
        let to = rest.strip_prefix('=').map_or_else(|| year(rest).map(|y| y - 1), year)?;
        return Some(Years { from: None, to: Some(to) });
    }
    let Some((from, to)) = ["..", "-", "–"].iter().find_map(|dots| text.split_once(dots)) else {
        let only = year(text)?;
        return Some(Years { from: Some(only), to: Some(only) });
    };
    match (bound(from)?, bound(to)?) {
        (None, None) => None,
        // The wrong way round it can mean one thing only.
        (Some(from), Some(to)) if from > to => Some(Years { from: Some(to), to: Some(from) }),
        (from, to) => Some(Years { from, to }),
    }
}

#[cfg(test)]
#[path = "syntax_tests.rs"]
mod tests;
