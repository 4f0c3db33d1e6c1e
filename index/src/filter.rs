//! One meaning of a [`Filter`] for both arms.
//!
//! Both arms index the same normalised words of a paper, its [`Facets`], and both are asked the same
//! [`Conditions`], so that a filter cannot mean one thing to BM25 and another to vectors. A tag is a
//! letter for its kind, a colon and a value in lower case without accents:
//!
//! - `a:` authors. For `Jan van der Berg`: every trailing part of the name (`berg`, `der berg`,
//!   `van der berg`, `jan van der berg`), the first name with the last (`jan berg`) and its initial
//!   with the last (`j berg`). `Berg, Jan` is turned round first; `Jr.` and the like are left out.
//! - `v:` venues. Every run of one to four words. A longer request must have all its runs of four.
//! - `c:` categories, whole and by archive: `cs.cl` and `cs`.
//! - `s:` sources, by name.

use std::collections::BTreeSet;

use paper::{Paper, PublicationDate, SourceName};

use crate::Filter;
use crate::syntax::{Asks, Clause};

/// The longest run of a venue's words that is a tag of its own.
const VENUE_RUN: usize = 4;
/// Words of a name or venue beyond these are left out: nobody filters by them.
const MAX_WORDS: usize = 40;

/// What filters see of a paper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// The year of publication.
    pub year: Option<i16>,
    /// The tags, sorted, each once.
    pub tags: Vec<String>,
}

impl Facets {
    /// The facets of a paper.
    #[must_use]
    pub fn of(paper: &Paper) -> Self {
        let mut tags = BTreeSet::new();
        for author in &paper.authors {
            tags.extend(name_tags(&name_words(&author.name)));
        }
        if let Some(venue) = &paper.venue {
            tags.extend(venue_tags(&words(venue)));
        }
        for category in paper.categories.iter().chain(&paper.primary_category) {
            tags.extend(category_tags(category));
        }
        tags.extend(paper.sources.iter().map(|sighting| format!("s:{}", sighting.name)));
        let year = paper.year.or_else(|| paper.published.map(PublicationDate::year));
        Self { year, tags: tags.into_iter().collect() }
    }
}

/// A range of years of publication, both ends included. A paper of unknown year is in none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Years {
    /// The first year; none for all up to the last.
    pub from: Option<i16>,
    /// The last year; none for all from the first on.
    pub to: Option<i16>,
}

impl Years {
    fn hold(self, year: Option<i16>) -> bool {
        year.is_some_and(|year| self.from.is_none_or(|from| from <= year) && self.to.is_none_or(|to| year <= to))
    }
}

/// What a [`Filter`] and the operators of a query ask for, in the terms that both arms index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The year must lie in each of these.
    pub years: Vec<Years>,
    /// Every group must hold; of a group any alternative; of an alternative every tag.
    pub groups: Vec<Vec<Vec<String>>>,
    /// The year must lie in none of these.
    pub other_years: Vec<Years>,
    /// Of none of these may all tags hold.
    pub without: Vec<Vec<String>>,
}

impl Conditions {
    /// What a filter asks for. An entry that has no letter or digit, yet is not blank, matches no
    /// paper; blank ones are ignored.
    #[must_use]
    pub fn of(filter: &Filter) -> Self {
        let sources = filter.sources.iter().map(source).collect();
        let groups = [
            group(&filter.authors, author),
            group(&filter.venues, venue),
            group(&filter.categories, category),
            sources,
        ];
        let groups = groups.into_iter().filter(|group: &Vec<_>| !group.is_empty()).collect();
        let years = Years { from: filter.year_from, to: filter.year_to };
        let years = if years == Years::default() { Vec::new() } else { vec![years] };
        Self { years, groups, ..Self::default() }
    }

    /// The same, and the clauses besides; those that ask for words are the lexical arm's.
    #[must_use]
    pub fn and(mut self, clauses: &[Clause]) -> Self {
        for Clause { negated, asks } in clauses {
            let tags = match asks {
                Asks::Author(name) => author(name),
                Asks::Venue(name) => venue(name),
                Asks::Category(name) => category(name),
                Asks::Source(name) => source(name),
                Asks::Years(years) if *negated => {
                    self.other_years.push(*years);
                    continue;
                }
                Asks::Years(years) => {
                    self.years.push(*years);
                    continue;
                }
                Asks::Text(_) | Asks::Title(_) => continue,
            };
            if *negated { self.without.push(tags) } else { self.groups.push(vec![tags]) }
        }
        self
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they hold for a paper with these facets: what both arms must agree with.
    #[must_use]
    pub fn hold(&self, facets: &Facets) -> bool {
        let has = |tag: &String| facets.tags.binary_search(tag).is_ok();
        self.years.iter().all(|years| years.hold(facets.year))
            && !self.other_years.iter().any(|years| years.hold(facets.year))
            && self.groups.iter().all(|group| group.iter().any(|tags| tags.iter().all(has)))
            && !self.without.iter().any(|tags| tags.iter().all(has))
    }
}

fn author(name: &str) -> Vec<String> {
    vec![format!("a:{}", name_words(name).join(" "))]
}

fn venue(name: &str) -> Vec<String> {
    requested_venue(&words(name))
}

fn category(name: &str) -> Vec<String> {
    vec![format!("c:{}", category_key(name.trim().trim_end_matches(".*")))]
}

fn source(name: &SourceName) -> Vec<String> {
    vec![format!("s:{name}")]
}

fn group(entries: &[String], tags: impl Fn(&str) -> Vec<String>) -> Vec<Vec<String>> {
    entries.iter().filter(|entry| !entry.trim().is_empty()).map(|entry| tags(entry)).collect()
}

/// The words of a text, each in lower case and without accents.
fn words(text: &str) -> Vec<String> {
    let raw = text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '/' | '.' | ',' | ':' | '(' | ')' | '&'));
    // A title's key is what two spellings of one text have in common, which is what is wanted here.
    // A sigma has two small forms and one capital.
    raw.map(|word| paper::title_key(word).replace('ς', "σ")).filter(|word| !word.is_empty()).take(MAX_WORDS).collect()
}

/// The words of a name, given name first, suffixes left out.
fn name_words(name: &str) -> Vec<String> {
    let (family, given) = name.split_once(',').unwrap_or((name, ""));
    let given: Vec<String> = without_suffix(given);
    [given, without_suffix(family)].concat()
}

fn without_suffix(part: &str) -> Vec<String> {
    let mut words: Vec<String> = words(part);
    words.retain(|word| !matches!(word.as_str(), "jr" | "sr" | "ii" | "iii" | "iv"));
    words
}

fn name_tags(name: &[String]) -> Vec<String> {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return Vec::new();
    };
    let mut tags: Vec<String> = (0..name.len()).filter_map(|at| name.get(at..)).map(|tail| tail.join(" ")).collect();
    if name.len() > 1 {
        tags.push(format!("{first} {last}"));
        tags.extend(first.chars().next().map(|initial| format!("{initial} {last}")));
    }
    tags.into_iter().map(|tag| format!("a:{tag}")).collect()
}

fn venue_tags(venue: &[String]) -> Vec<String> {
    (1..=VENUE_RUN).flat_map(|length| venue.windows(length)).map(|run| format!("v:{}", run.join(" "))).collect()
}

fn requested_venue(venue: &[String]) -> Vec<String> {
    let length = venue.len().clamp(1, VENUE_RUN);
    let runs: Vec<String> = venue.windows(length).map(|run| format!("v:{}", run.join(" "))).collect();
    // A tag that no paper has, so that a request without words matches nothing.
    if runs.is_empty() { vec!["v:".to_owned()] } else { runs }
}

fn category_key(category: &str) -> String {
    category.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn category_tags(category: &str) -> Vec<String> {
    let whole = category_key(category);
    let archive = whole.split_once('.').map(|(archive, _)| format!("c:{archive}"));
    archive.into_iter().chain([format!("c:{whole}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dense::suite::{filters, shelf};
    use proptest::prelude::*;

    /// The places on the shelf of the papers that a filter leaves.
    fn left(filter: &Filter) -> Vec<usize> {
        let conditions = Conditions::of(filter);
        let facets = shelf().iter().map(Facets::of).collect::<Vec<_>>();
        (0..facets.len()).filter(|at| conditions.hold(&facets[*at])).collect()
    }

    #[test]
    fn each_filter_leaves_what_its_words_say() {
        let expected: [&[usize]; 24] = [
            &[0, 1, 2, 3, 4],
            &[0, 1, 2],
            &[0, 4],
            &[1],
            &[],
            &[0, 2],
            &[0],
            &[0, 2],
            &[1],
            &[1, 3, 4],
            &[],
            &[],
            &[0, 1, 2, 3, 4],
            &[0, 1],
            &[1, 3],
            &[0],
            &[],
            &[0, 1, 3],
            &[1, 2],
            &[0, 1, 3],
            &[4],
            &[1, 2],
            &[1],
            &[0],
        ];
        for (filter, expected) in filters().iter().zip(expected) {
            assert_eq!(left(filter), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_name_is_found_by_its_parts_in_either_order() {
        let tags = |name: &str| name_tags(&name_words(name));
        let expected = ["a:geoffrey e hinton", "a:e hinton", "a:hinton", "a:geoffrey hinton", "a:g hinton"];
        assert_eq!(tags("Geoffrey E. Hinton"), expected);
        assert_eq!(tags("Hinton, Geoffrey E."), expected);
        assert_eq!(tags("Hinton Jr., Geoffrey E."), expected);
        assert_eq!(tags("Plato"), ["a:plato"]);
        assert_eq!(tags("Łukasz O’Neill-Ødegård")[0], "a:lukasz oneill odegard");
        assert_eq!(tags("Γιώργος Σεφέρης"), tags("ΓΙΏΡΓΟΣ ΣΕΦΈΡΗΣ"));
        assert_eq!(tags("..."), Vec::<String>::new());
    }

    #[test]
    fn a_long_venue_is_found_whole_and_in_runs() {
        let venue = "Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics";
        let tags = venue_tags(&words(venue));
        let found = |asked: &str| requested_venue(&words(asked)).iter().all(|tag| tags.contains(tag));
        for asked in
            [venue, "ASSOCIATION for computational linguistics", "annual meeting of the association for", "58th"]
        {
            assert!(found(asked), "{asked}");
        }
        for other in ["computational", "Meeting of the Computational Linguistics", "linguistics proceedings"] {
            assert_eq!(found(other), other == "computational", "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_paper_is_found_by_each_of_its_own_fields(
            name in "\\PC{0,12} [A-Za-zéß]{1,8}",
            venue in "([A-Za-z0-9é]{1,8}[ &/-]){0,9}[A-Za-z]{1,5}",
            category in "[a-z-]{1,6}(\\.[A-Za-z]{2})?",
        ) {
            let mut paper = shelf().remove(0);
            paper.authors = vec![paper::Author::named(&name)];
            paper.venue = Some(venue.clone());
            paper.categories = vec![category.clone()];
            let filter = Filter {
                authors: vec![name.to_uppercase()],
                venues: vec![venue.to_uppercase()],
                categories: vec![category.to_uppercase()],
                ..Filter::default()
            };
            let upper_is_the_same = name.to_uppercase().to_lowercase() == name.to_lowercase();
            prop_assume!(upper_is_the_same && !name_words(&name).is_empty());
            prop_assert!(Conditions::of(&filter).hold(&Facets::of(&paper)), "{filter:?}");
        }

        #[test]
        fn no_filter_panics(entry in "\\PC{0,30}") {
            let filter = Filter { authors: vec![entry.clone()], venues: vec![entry.clone()], categories: vec![entry], ..Filter::default() };
            let _ = left(&filter);
        }
    }
}
