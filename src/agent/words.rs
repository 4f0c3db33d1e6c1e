//! The words of a text that carry its meaning, and the marks of a claim that a source must share.

use std::collections::BTreeSet;

use rust_stemmers::{Algorithm, Stemmer};

/// English words that say nothing about what a text is about.
const STOP_WORDS: &str = "a about above after again all also am among an and any are as at be because been before being \
    below between both but by can could did do does doing down during each few for from further had has have having he her \
    here hers him his how however i if in into is it its itself just let like many may me might more most much must my no nor \
    not now of off on once one only or other our out over own per same she should so some such than that the their them then \
    there these they this those through thus to too under until up upon us use used uses using very via was we were what \
    when where whether which while who whom why will with within without would you your paper papers show shows shown tell \
    explain describe describes give gives main work works does propose proposes proposed study";

/// The stems of the words that carry meaning.
#[must_use]
pub fn content_stems(text: &str) -> BTreeSet<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.filter(|word| !is_stop_word(word)).map(|word| stemmer.stem(&word).into_owned()).collect()
}

/// The stem of one word in lower case.
#[must_use]
pub fn stem(word: &str) -> String {
    Stemmer::create(Algorithm::English).stem(word).into_owned()
}

/// The words that carry meaning, as they are written, in their order.
#[must_use]
pub fn content_words(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.filter(|word| !is_stop_word(&word.to_lowercase())).collect()
}

fn is_stop_word(word: &str) -> bool {
    (word.chars().count() == 1 && word.chars().all(char::is_alphabetic))
        || STOP_WORDS.split_whitespace().any(|stop| stop == word)
}

/// How much of `wanted` occurs in `text`, 0 to 1; 0 when nothing is wanted.
#[must_use]
pub fn coverage(wanted: &BTreeSet<String>, text: &BTreeSet<String>) -> f32 {
    if wanted.is_empty() {
        return 0.0;
    }
    let found = wanted.intersection(text).count();
    #[allow(clippy::cast_precision_loss)]
    let share = found as f32 / wanted.len() as f32;
    share
}

/// The numbers of a text, written one way: no thousands separators, no trailing zeros after the point, the words
/// from two to twelve as digits.
#[must_use]
pub fn numbers(text: &str) -> BTreeSet<String> {
    const WORDS: [&str; 11] =
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    let value = |word: &str| Some(2 + WORDS.iter().position(|known| known.eq_ignore_ascii_case(word))?);
    let words = text.split(|c: char| !c.is_alphanumeric()).filter_map(value);
    let mut found: BTreeSet<String> = words.map(|value| value.to_string()).collect();
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        if !c.is_ascii_digit() || before.is_alphanumeric() {
            before = c;
            continue;
        }
        let mut number = String::from(c);
        while let Some(&next) = characters.peek() {
            let mut ahead = characters.clone();
            ahead.next();
            let joins = matches!(next, '.' | ',') && ahead.next().is_some_and(|digit| digit.is_ascii_digit());
            if !next.is_ascii_digit() && !joins {
                break;
            }
            number.extend(characters.next());
        }
        before = '0';
        found.insert(plain_number(&number));
    }
    found
}

fn plain_number(written: &str) -> String {
    let bare = written.replace(',', "");
    if bare.contains('.') { bare.trim_end_matches('0').trim_end_matches('.').to_owned() } else { bare }
}

/// Names and acronyms of a text: words with a capital or a digit beyond their first letter (BERT,
/// ImageNet, GPT-3, word2vec), lower case. Ordinary capitalised words are left out, since the first word of a sentence
/// has a capital too.
#[must_use]
pub fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '-')).map(|word| word.trim_matches('-'));
    let named = words.filter(|word| {
        word.chars().any(char::is_alphabetic) && word.chars().skip(1).any(|c| c.is_uppercase() || c.is_ascii_digit())
    });
    named.map(|word| word.trim_end_matches('s').to_lowercase()).collect()
}

/// The names of a question that what answers it must have, written as [`flattened`] writes them. A name in brackets explains another
/// one; what follows a name after a hyphen in small letters (`HIV-related`) is no part of it.
#[must_use]
pub fn demanded_names(question: &str) -> BTreeSet<String> {
    let mut depth = 0_usize;
    let bare = question.chars().map(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 || c == ')' { ' ' } else { c }
    });
    let bare: String = bare.collect();
    let words = bare.split(|c: char| !(c.is_alphanumeric() || c == '-')).map(|word| word.trim_matches('-'));
    words.filter_map(name_in).collect()
}

/// The name in a word with its hyphens; none in an ordinary one.
fn name_in(word: &str) -> Option<String> {
    const SHORT: usize = 2;
    let is_small = |part: &&str, least: usize| part.chars().count() > least && part.chars().all(char::is_lowercase);
    let mut parts: Vec<&str> = word.split('-').collect();
    while parts.len() > 1 && parts.last().is_some_and(|last| is_small(last, SHORT)) {
        parts.pop();
    }
    let rest_is_a_name = |parts: &[&str]| parts.iter().skip(1).any(|part| part.chars().any(char::is_uppercase));
    let small_first = |parts: &[&str]| parts.first().is_some_and(|first| is_small(first, SHORT + 1));
    while small_first(&parts) && rest_is_a_name(&parts) {
        parts.remove(0);
    }
    let name = parts.join("-");
    let has_mark = name.chars().skip(1).any(|c| c.is_uppercase() || c.is_ascii_digit());
    (has_mark && name.chars().any(char::is_alphabetic)).then(|| flattened(name.trim_end_matches('s')))
}

/// A text in small letters without white space and hyphens, so that `GPT-3`, `GPT 3` and `GPT3` are one.
#[must_use]
pub fn flattened(text: &str) -> String {
    text.chars()
        .filter(|c| !(c.is_whitespace() || matches!(c, '-' | '\u{2010}' | '\u{2011}')))
        .flat_map(char::to_lowercase)
        .collect()
}

/// A sentence's parts, cut at its commas, brackets and conjunctions.
#[must_use]
pub fn parts(sentence: &str) -> Vec<String> {
    const JOINTS: [&str; 14] = [
        "and", "but", "or", "while", "whereas", "because", "although", "though", "which", "who", "so", "since", "by",
        "that",
    ];
    let mut parts = vec![String::new()];
    // A full stop before white space ends a part too: what follows it may be another sentence.
    let stops = [". ", "! ", "? ", "… "];
    let apart = stops.iter().fold(sentence.to_owned(), |text, stop| text.replace(stop, ", "));
    for piece in apart.split([',', ';', ':', '(', ')', '—', '–']) {
        parts.push(String::new());
        for word in piece.split_whitespace() {
            if JOINTS.contains(&word.to_lowercase().as_str()) {
                parts.push(String::new());
            } else if let Some(part) = parts.last_mut() {
                part.push(' ');
                part.push_str(word);
            }
        }
    }
    parts
}

/// The stems that a text says no to: the two content words after each word of negation, within its clause.
#[must_use]
pub fn negated_stems(text: &str) -> BTreeSet<String> {
    const NEGATIONS: [&str; 16] = [
        "not", "no", "never", "cannot", "neither", "nor", "without", "fail", "fails", "failed", "unable", "isn",
        "doesn", "don", "didn", "none",
    ];
    const REACH: usize = 2;
    let stemmer = Stemmer::create(Algorithm::English);
    let mut negated = BTreeSet::new();
    for clause in text.split([',', ';', '.', ':', '(', ')']) {
        let mut left = 0;
        for word in clause.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
        {
            if NEGATIONS.contains(&word.as_str()) {
                left = REACH;
            } else if word == "only" {
                // "Not only" says yes.
                left = 0;
            } else if left > 0 && !is_stop_word(&word) {
                left -= 1;
                negated.insert(stemmer.stem(&word).into_owned());
            }
        }
    }
    negated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn content_words_are_stemmed_and_stop_words_left_out() {
        assert_eq!(
            content_stems("What does the Transformer's attention compute?"),
            set(&["attent", "comput", "transform"])
        );
        assert_eq!(content_stems("the of and"), set(&[]));
    }

    #[test]
    fn coverage_is_the_share_of_wanted_words() {
        assert!((coverage(&set(&["a", "b"]), &set(&["b", "c"])) - 0.5).abs() < 1e-6);
        assert!(coverage(&set(&[]), &set(&["b"])).abs() < 1e-6);
    }

    #[test]
    fn a_sentence_is_cut_at_its_joints() {
        let parts: Vec<String> =
            parts("It works, and it is (very) fast because Andes.").iter().map(|part| part.trim().to_owned()).collect();
        assert_eq!(parts, ["", "It works", "", "it is", "very", "fast", "Andes."]);
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        assert_eq!(
            numbers("28.40 BLEU, 1,000 papers; GPT3 and 3.5-fold in 2017."),
            set(&["28.4", "1000", "3.5", "2017"])
        );
        assert_eq!(numbers("word2vec"), set(&[]));
        assert_eq!(numbers("Eight GPUs, one after the other, twofold"), set(&["8"]));
    }

    #[test]
    fn names_are_words_with_inner_capitals_or_digits() {
        assert_eq!(
            names("The BERTs beat GPT-3 and ImageNet; word2vec too. Transformer"),
            set(&["bert", "gpt-3", "imagenet", "word2vec"])
        );
    }

    #[test]
    fn the_names_that_an_answer_must_have_are_those_of_the_question_itself() {
        for (question, names) in [
            ("Which score did GPT-3 reach on WMT 2014?", &["gpt3", "wmt"][..]),
            ("Does DBE (DBE-2) help HIV-related illness?", &["dbe", "hiv"]),
            ("Is a 22-item test used for English-Russian health-related work?", &["englishrussian"]),
            ("Is interleukin-1 blocked by anti-PD-1 drugs?", &["interleukin1", "pd1"]),
            ("Do BERTs use attention?", &["bert"]),
            ("Why does (a) unclosed bracket (RNA hide DNA?", &[]),
        ] {
            assert_eq!(demanded_names(question), set(names), "{question}");
        }
        assert_eq!(flattened("GPT 3, GPT\u{2011}3"), "gpt3,gpt3");
    }

    #[test]
    fn negation_reaches_the_words_after_it_in_its_clause() {
        assert_eq!(negated_stems("It does not need retraining when facts change"), set(&["need", "retrain"]));
        assert_eq!(negated_stems("It doesn't help, and it is fast"), set(&["help"]));
        assert_eq!(negated_stems("Not only words but vectors; a notable knot"), set(&[]));
        assert_eq!(negated_stems("attention alone, without recurrence. It works"), set(&["recurr"]));
    }
}
