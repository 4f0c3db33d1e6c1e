//! An author's name, divided as the reference formats want it.

use unicode_normalization::char::is_combining_mark;

use super::latex::plain;

/// A name in Unicode, without LaTeX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// A person.
    Person(Person),
    /// What must not be divided: a collaboration, two people in one entry, a Chinese or Korean name.
    Literal(String),
}

/// The parts of a person's name; only the family name is always there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Person {
    /// `Maaten`, or the only name there is.
    pub(super) family: String,
    /// `Laurens`, `Geoffrey E.`
    pub(super) given: String,
    /// `van der`: goes before the family name and does not count when sorting.
    pub(super) particle: String,
    /// `Jr.`, `III`
    pub(super) suffix: String,
}

impl Person {
    /// Particle and family name: `van der Maaten`.
    pub(super) fn last(&self) -> String {
        joined(&[&self.particle, &self.family])
    }
}

impl Name {
    /// Divides a name as a source writes it, `Ada Lovelace` or `Lovelace, Ada`; none for an entry
    /// without a letter, such as the `:` between a collaboration and its members.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = plain(text);
        let text = text.trim_end_matches([',', ';', ' ']).trim();
        if !text.chars().any(char::is_alphabetic) {
            return None;
        }
        if is_literal(text) {
            return Some(Self::Literal(text.to_owned()));
        }
        Some(person(text).map_or_else(|| Self::Literal(text.to_owned()), Self::Person))
    }
}

/// The names of all authors that have one.
pub(super) fn of(paper: &paper::Paper) -> Vec<Name> {
    paper.authors.iter().filter_map(|author| Name::parse(&author.name)).collect()
}

/// Words that no person's name has.
const CORPORATE: &str = "\
    collaboration collaborations consortium consortia committee foundation institute university laboratory \
    association society project observatory network agency";

/// Corporate as well, but also surnames: `R. C. Group` is a person.
const CORPORATE_OR_SURNAME: &str = "group team working initiative";

fn is_literal(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(|word| word.trim_matches([',', '.']).to_lowercase()).collect();
    let is = |list: &str| words.iter().any(|word| list.split(' ').any(|listed| listed == word));
    let initials_before = text.split_whitespace().rev().skip(1).all(is_initial);
    let starts_with_article =
        words.len() > 1 && matches!(words.first().map(String::as_str), Some("the" | "for" | "on"));
    starts_with_article
        || is(CORPORATE)
        || (is(CORPORATE_OR_SURNAME) && words.len() > 1 && !initials_before)
        || is("and &")
        || text.chars().filter(|c| c.is_alphabetic()).all(is_east_asian)
}

fn is_initial(word: &str) -> bool {
    word.ends_with('.') && word.chars().filter(|c| c.is_alphabetic()).count() <= 2
}

/// Kana, Han and Hangul: names in these put the family name first and have no comma form.
fn is_east_asian(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3130}'..='\u{318f}' | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        || is_combining_mark(c)
}

/// None where the commas divide the name in no way that is known.
fn person(text: &str) -> Option<Person> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [whole] => Some(in_order(whole)),
        [whole, suffix] if is_suffix(suffix) => Some(Person { suffix: (*suffix).into(), ..in_order(whole) }),
        [family, given] => Some(inverted(family, given, "")),
        [family, given, suffix] | [family, suffix, given] if is_suffix(suffix) => Some(inverted(family, given, suffix)),
        _ => None,
    }
}

/// `Laurens van der Maaten`, `Aidan N. Gomez Jr.`
fn in_order(text: &str) -> Person {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let suffix = if words.len() > 2 { words.pop_if(|word| is_suffix(word)).unwrap_or_default() } else { "" };
    let (given, rest) = words.split_at_checked(family_start(&words)).unwrap_or((&[], &words));
    let last = rest.join(" ");
    Person { given: given.join(" "), suffix: suffix.to_owned(), ..with_particle(&last) }
}

fn inverted(family: &str, given: &str, suffix: &str) -> Person {
    let mut words: Vec<&str> = family.split_whitespace().collect();
    let inner = if words.len() > 1 { words.pop_if(|word| is_suffix(word)).unwrap_or_default() } else { "" };
    let suffix = if suffix.is_empty() { inner } else { suffix };
    Person { given: given.to_owned(), suffix: suffix.to_owned(), ..with_particle(&words.join(" ")) }
}

fn is_suffix(word: &str) -> bool {
    matches!(word.trim_end_matches('.'), "Jr" | "Sr" | "II" | "III" | "IV" | "jr" | "sr" | "2nd" | "3rd")
}

/// Small words that go before a family name.
const PARTICLES: [&str; 33] = [
    "van", "von", "der", "den", "de", "del", "della", "dello", "di", "da", "das", "do", "dos", "du", "des", "la", "le",
    "las", "los", "ten", "ter", "op", "zu", "zur", "vom", "af", "bin", "ibn", "al", "el", "'t", "’t", "v.",
];

/// Capitalised forms that belong to the family name itself: Luc Van Gool, Christopher De Sa.
const FAMILY_WORDS: [&str; 6] = ["Van", "Von", "De", "Di", "Del", "Della"];

/// Given and family names that show `Van` to be a Vietnamese middle name.
const VIETNAMESE: [&str; 20] = [
    "nguyen", "tran", "le", "pham", "hoang", "huynh", "phan", "vu", "vo", "dang", "bui", "do", "ho", "ngo", "duong",
    "ly", "dinh", "trinh", "truong", "thi",
];

/// Where the family name begins, its particles included.
fn family_start(words: &[&str]) -> usize {
    let last = words.len().saturating_sub(1);
    // The first word is the given name, so a family name can begin only behind it.
    let inner = || words.iter().enumerate().take(last).skip(1);
    let vietnamese = words.iter().any(|word| VIETNAMESE.contains(&paper::surname(word).as_str()));
    for (place, word) in inner() {
        let before_particle = words.get(place + 1).is_some_and(|next| PARTICLES.contains(next));
        let opens = PARTICLES.contains(word)
            || ["d'", "d’", "l'", "l’"].iter().any(|elided| word.starts_with(elided))
            || (FAMILY_WORDS.contains(word) && (before_particle || (place + 1 == last && !vietnamese)));
        if opens {
            return place;
        }
        // Ramón y Cajal, Puig i Cadafalch, Costa e Silva: the word before belongs to it too.
        if matches!(*word, "y" | "i" | "e") && place > 1 {
            return place - 1;
        }
    }
    last
}

/// Divides `van der Maaten` into particle and family name.
fn with_particle(last: &str) -> Person {
    let words: Vec<&str> = last.split_whitespace().collect();
    let count = words.iter().take(words.len().saturating_sub(1)).take_while(|word| PARTICLES.contains(word)).count();
    let (particle, family) = words.split_at_checked(count).unwrap_or((&[], &words));
    Person { family: family.join(" "), particle: particle.join(" "), ..Person::default() }
}

/// The parts that are not empty, with a space between them.
fn joined(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `particle|family|given|suffix`, or the literal.
    fn divided(text: &str) -> String {
        match Name::parse(text) {
            Some(Name::Person(p)) => format!("{}|{}|{}|{}", p.particle, p.family, p.given, p.suffix),
            Some(Name::Literal(text)) => text,
            None => "-".into(),
        }
    }

    #[test]
    fn people_are_divided() {
        for (name, parts) in [
            ("Ashish Vaswani", "|Vaswani|Ashish|"),
            ("Vaswani, Ashish", "|Vaswani|Ashish|"),
            ("Geoffrey E. Hinton", "|Hinton|Geoffrey E.|"),
            ("Laurens van der Maaten", "van der|Maaten|Laurens|"),
            ("van der Maaten, Laurens", "van der|Maaten|Laurens|"),
            ("Nando de Freitas", "de|Freitas|Nando|"),
            ("Luc Van Gool", "|Van Gool|Luc|"),
            ("Mihaela Van der Schaar", "|Van der Schaar|Mihaela|"),
            ("Nguyen Van Thieu", "|Thieu|Nguyen Van|"),
            ("De Wang", "|Wang|De|"),
            ("Artur d'Avila Garcez", "|d'Avila Garcez|Artur|"),
            ("Santiago Ramón y Cajal", "|Ramón y Cajal|Santiago|"),
            ("Gerard 't Hooft", "'t|Hooft|Gerard|"),
            ("Aidan N. Gomez Jr.", "|Gomez|Aidan N.|Jr."),
            ("Osvaldo N. Oliveira, Jr.", "|Oliveira|Osvaldo N.|Jr."),
            ("Oliveira, Osvaldo N., Jr.", "|Oliveira|Osvaldo N.|Jr."),
            ("Oliveira, Jr., Osvaldo N.", "|Oliveira|Osvaldo N.|Jr."),
            ("Gomez Jr., Aidan", "|Gomez|Aidan|Jr."),
            ("Charles W. Bauschlicher,", "|Bauschlicher|Charles W.|"),
            ("Jes\\'us Cerquides", "|Cerquides|Jesús|"),
            ("{Ž}. {Š}ljivan{č}anin", "|Šljivančanin|Ž.|"),
            ("koray kavukcuoglu", "|kavukcuoglu|koray|"),
            ("R. C. Group", "|Group|R. C.|"),
            ("Plato", "|Plato||"),
        ] {
            assert_eq!(divided(name), parts, "{name}");
        }
    }

    #[test]
    fn what_is_no_single_person_stays_whole() {
        for name in [
            "Planck Collaboration",
            "The LIGO Scientific Collaboration",
            "for the ALICE Collaboration",
            "CLICdp collaborations",
            "the ASDEX Upgrade Team",
            "Hyper-Kamiokande Working Group",
            "C. Secchi and A. Macchelli",
            "王小明",
            "김 민수",
            "A, B, C, D",
        ] {
            assert_eq!(divided(name), name);
        }
    }

    #[test]
    fn an_entry_without_a_letter_is_no_name() {
        for text in ["", ":", " , ", "12"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_letter_is_lost(text in "[A-Za-zäé]{1,8}( [A-Za-z.,]{1,8}){0,4}") {
            let letters = |text: &str| {
                let mut letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
                letters.sort_unstable();
                letters
            };
            prop_assert_eq!(letters(&divided(&text)), letters(&text));
        }

        #[test]
        fn a_person_has_a_family_name(text in "\\PC{0,30}") {
            if let Some(Name::Person(person)) = Name::parse(&text) {
                prop_assert!(!person.family.is_empty());
                prop_assert!(!person.given.contains(','));
            }
        }
    }
}
