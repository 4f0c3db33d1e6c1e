//! Citation keys: `vaswani2017attention`.

use std::collections::HashSet;

use paper::Paper;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::latex::plain;
use super::names::{self, Name};
use super::work::Work;

/// Words of a title, or of a collaboration's name, that no key is made of. Changing this list changes
/// the keys in people's manuscripts.
const STOP_WORDS: [&str; 18] = [
    "a", "an", "the", "and", "or", "of", "on", "in", "at", "to", "for", "from", "by", "with", "as", "is", "are",
    "behalf",
];

/// A key cut longer than this is no longer typed by anybody.
const LONGEST_WORD: usize = 30;

/// A key for each paper, in the order given: surname, year and first telling word of the title, all
/// ASCII; where they meet, the papers after the first get a, b, c in the order of their ids. The keys
/// do not depend on the order of `papers`.
pub(super) fn keys(papers: &[&Paper]) -> Vec<String> {
    let mut order: Vec<(String, usize)> = papers.iter().enumerate().map(|(at, paper)| (rank(paper), at)).collect();
    order.sort();
    let mut taken = HashSet::new();
    let mut found: Vec<(usize, String)> = Vec::with_capacity(papers.len());
    for (_, at) in order {
        if let Some(paper) = papers.get(at) {
            let base = base_key(paper);
            let mut candidates = std::iter::once(base.clone()).chain((0..).map(|n| format!("{base}{}", letters(n))));
            let free = candidates.find(|key| !taken.contains(key)).unwrap_or(base);
            taken.insert(free.clone());
            found.push((at, free));
        }
    }
    found.sort();
    found.into_iter().map(|(_, key)| key).collect()
}

/// The place of a paper among others: by id, and by content where there is none.
fn rank(paper: &Paper) -> String {
    let id = paper.id.map(|id| id.to_string()).or_else(|| paper::identity_keys(paper).into_iter().next());
    format!("{}\n{}\n{:?}", id.unwrap_or_default(), paper.title, paper.authors)
}

/// The key of a paper that meets no other.
pub(super) fn base_key(paper: &Paper) -> String {
    let name = names::of(paper).into_iter().next();
    let family = match name {
        Some(Name::Person(person)) => folded(&person.family),
        Some(Name::Literal(text)) => telling_word(&text),
        None => String::new(),
    };
    let family = if family.is_empty() { "anon".to_owned() } else { family };
    let year = Work::of(paper).date().map_or_else(|| "nd".to_owned(), |date| date.year().to_string());
    format!("{family}{year}{}", telling_word(&without_formulas(&plain(&paper.title))))
}

/// The first word that is no stop word, in ASCII; empty where no word has a Latin letter or digit.
fn telling_word(text: &str) -> String {
    let mut words =
        text.split(|c: char| !c.is_alphanumeric() && !"'’".contains(c) && !is_combining_mark(c)).map(folded);
    let word = words.find(|word| !word.is_empty() && !STOP_WORDS.contains(&word.as_str())).unwrap_or_default();
    word.chars().take(LONGEST_WORD).collect()
}

/// The text with every `$…$` taken out.
fn without_formulas(text: &str) -> String {
    text.split('$').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Lower case ASCII letters and digits only; accents taken off.
fn folded(text: &str) -> String {
    let mut out = String::new();
    for c in text.nfkd().flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ı' => out.push('i'),
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ => {}
        }
    }
    out
}

/// a to z, then aa, ab and on.
fn letters(mut n: u32) -> String {
    let mut out = Vec::new();
    loop {
        out.push(char::from(b'a' + u8::try_from(n % 26).unwrap_or_default()));
        match (n / 26).checked_sub(1) {
            Some(rest) => n = rest,
            None => return out.into_iter().rev().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::fixtures::paper;
    use proptest::prelude::*;
    use serde_json::json;

    fn key(title: &str, author: &str) -> String {
        base_key(&paper(json!({"title": title, "authors": [{"name": author}], "year": 2017})))
    }

    #[test]
    fn keys_are_surname_year_and_first_telling_word() {
        for (title, author, expected) in [
            ("Attention Is All You Need", "Ashish Vaswani", "vaswani2017attention"),
            ("The 3D World", "Łukasz Müßig", "mussig2017" /* The ü falls to u. */),
            ("On the $\\alpha$ Particle", "Laurens van der Maaten", "maaten2017particle"),
            ("K\\\"ahler Manifolds", "The LIGO Scientific Collaboration", "ligo2017kahler"),
            ("Don't Stop", "O'Brien, A.", "obrien2017dont"),
            ("注意力", "王小明", "anon2017"),
            ("A", "", "anon2017"),
        ] {
            let expected = if title == "The 3D World" { format!("{expected}3d") } else { expected.to_owned() };
            assert_eq!(key(title, author), expected);
        }
        assert_eq!(base_key(&paper(json!({"title": "Words"}))), "anonndwords");
    }

    #[test]
    fn papers_that_meet_get_letters_in_the_order_of_their_ids() {
        let make = |id: &str| paper(json!({"title": "Deep", "year": 2015, "ids": {"local": id}}));
        let (one, two, three) = (make("1"), make("2"), make("3"));
        assert_eq!(keys(&[&two, &three, &one]), ["anon2015deepa", "anon2015deepb", "anon2015deep"]);
    }

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!([0, 25, 26, 27, 701, 702].map(letters), ["a", "z", "aa", "ab", "zz", "aaa"]);
    }

    proptest! {
        #[test]
        fn keys_are_unique_ascii_and_do_not_depend_on_order(
            records in prop::collection::vec(("[a-c]{1,2}", "(A|B) (Łu|Xa|Xaa)", 0u8..9), 1..12), turn in 0usize..12
        ) {
            let papers: Vec<Paper> = records.iter().enumerate().map(|(n, (title, author, _))| {
                paper(json!({"title": title, "authors": [{"name": author}], "ids": {"local": n.to_string()}}))
            }).collect();
            let listed: Vec<&Paper> = papers.iter().collect();
            let mut turned = listed.clone();
            turned.rotate_left(turn % papers.len());
            let mut other = keys(&turned);
            other.rotate_right(turn % papers.len());
            let found = keys(&listed);
            prop_assert_eq!(&found, &other);
            prop_assert!(found.iter().all(|key| key.bytes().all(|b| b.is_ascii_alphanumeric())));
            prop_assert_eq!(found.iter().collect::<HashSet<_>>().len(), papers.len());
        }
    }
}
