//! A plan from the words of the question alone: what it demands of the papers, and the sides that it compares. Pure.

use index::Filter;

use crate::agent::answer::Exchange;
use crate::agent::words::content_stems;

/// Words that stand for something that was said before.
const POINTERS: [&str; 15] = [
    "it", "its", "they", "them", "their", "theirs", "this", "that", "these", "those", "he", "she", "former", "latter",
    "one",
];
/// Ways in which a question follows on another.
const FOLLOWING: [&str; 9] = ["and ", "but ", "what about", "how about", "why not", "also ", "then ", "so ", "more on"];

/// The question as it stands by itself. One that points back to what was said before gets the earlier question put before
/// it; others stay as they are.
#[must_use]
pub fn standing_alone(question: &str, earlier: &[Exchange]) -> String {
    let Some(before) = earlier.last() else { return question.to_owned() };
    let lower = question.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let points_back = words.iter().any(|word| POINTERS.contains(word))
        || FOLLOWING.iter().any(|start| lower.starts_with(start))
        || content_stems(question).len() <= 1;
    if points_back { format!("{} {question}", before.question) } else { question.to_owned() }
}

/// What the question demands of the papers: years, venues and authors, each only where a turn of phrase says that papers are
/// meant by it. `WMT 2014` demands nothing.
#[must_use]
pub fn demands(question: &str, this_year: i16) -> Filter {
    let words: Vec<Word<'_>> = words_of(question);
    let (year_from, year_to) = years(&words, this_year);
    Filter { year_from, year_to, authors: authors(&words), venues: venues(&words), ..Filter::default() }
}

/// Words that lead to a demand and say nothing without it.
const TURNS: [&str; 12] =
    ["by", "in", "at", "since", "before", "after", "from", "between", "until", "and", "to", "published"];

/// A question without the words by which it asks for certain papers, as far as a filter has them: `Which papers by Vaswani are about
/// attention?` is about attention. As it is where nothing would be left.
#[must_use]
pub fn subject(question: &str, demanded: &Filter) -> String {
    if *demanded == Filter::default() {
        return question.to_owned();
    }
    let lower = |text: &String| text.to_lowercase();
    let names: Vec<String> = demanded.authors.iter().chain(&demanded.venues).map(lower).collect();
    let years: Vec<String> = [demanded.year_from, demanded.year_to]
        .into_iter()
        .flatten()
        // "After 2019" asks for papers from 2020 on, and "before 2019" for those up to 2018.
        .flat_map(|year| [year - 1, year, year + 1])
        .map(|year| year.to_string())
        .collect();
    let demands = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).trim_end_matches("'s").to_lowercase();
        let named = names.iter().any(|name| name.split_whitespace().any(|part| part == word));
        !word.is_empty() && (named || years.contains(&word) || WORKS.contains(&word.as_str()))
    };
    let mut rest: Vec<&str> = Vec::new();
    let mut after_demand = false;
    for word in question.split_whitespace() {
        if demands(word) {
            // "Published before", "by": the turn of phrase goes with what it asks for.
            while rest.last().is_some_and(|last| TURNS.contains(&last.to_lowercase().as_str())) {
                rest.pop();
            }
            after_demand = true;
        } else if !(after_demand && TURNS.contains(&word.to_lowercase().as_str())) {
            rest.push(word);
            after_demand = false;
        }
    }
    let rest = rest.join(" ");
    if content_stems(&rest).is_empty() { question.to_owned() } else { rest }
}

/// A word as it is written, without the punctuation around it, and whether punctuation follows it.
#[derive(Debug, Clone)]
struct Word<'t> {
    text: &'t str,
    lower: String,
    ends: bool,
}

fn words_of(text: &str) -> Vec<Word<'_>> {
    let bare = |word: &&str| !word.is_empty();
    text.split_whitespace()
        .map(|written| {
            let text = written.trim_matches(|c: char| !c.is_alphanumeric());
            let ends = written.ends_with([',', ';', ':', '?', '!', ')']) || (written.ends_with('.') && text.len() > 2);
            (text, ends)
        })
        .filter(|(text, _)| bare(text))
        .map(|(text, ends)| Word { text, lower: text.trim_end_matches("'s").to_lowercase(), ends })
        .collect()
}

/// Names of what is published, which make a year beside them one of publication.
const WORKS: [&str; 12] = [
    "paper",
    "papers",
    "work",
    "works",
    "article",
    "articles",
    "studies",
    "study",
    "literature",
    "publications",
    "published",
    "research",
];

fn years(words: &[Word<'_>], this_year: i16) -> (Option<i16>, Option<i16>) {
    let lower = |at: usize| words.get(at).map_or("", |word| word.lower.as_str());
    let year = |at: usize| year_in(lower(at), this_year);
    let about_papers = words.iter().any(|word| WORKS.contains(&word.lower.as_str()));
    for at in 0..words.len() {
        match lower(at) {
            "since" if year(at + 1).is_some() => return (year(at + 1), None),
            "after" if about_papers && year(at + 1).is_some() => return (year(at + 1).map(|y| y + 1), None),
            "before" if about_papers && year(at + 1).is_some() => return (None, year(at + 1).map(|y| y - 1)),
            "until" if about_papers && year(at + 1).is_some() => return (None, year(at + 1)),
            "between" | "from" => {
                let joined = matches!(lower(at + 2), "and" | "to" | "until" | "through");
                if let (Some(from), true, Some(to)) = (year(at + 1), joined, year(at + 3)) {
                    return (Some(from.min(to)), Some(from.max(to)));
                }
                let named = at.checked_sub(1).is_some_and(|before| WORKS.contains(&lower(before)));
                if lower(at) == "from" && named && year(at + 1).is_some() {
                    return (year(at + 1), year(at + 1));
                }
            }
            "published" if lower(at + 1) == "in" && year(at + 2).is_some() => return (year(at + 2), year(at + 2)),
            "last" | "past" if matches!(lower(at + 2), "year" | "years") => {
                if let Some(count) = lower(at + 1).parse::<i16>().ok().filter(|count| (1..=100).contains(count)) {
                    return (Some(this_year - count), None);
                }
            }
            _ => {}
        }
    }
    (None, None)
}

fn year_in(word: &str, this_year: i16) -> Option<i16> {
    let digits = word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|year| digits && (1500..=this_year + 1).contains(year))
}

/// `by Vaswani`, `by Geoffrey Hinton`, `Vaswani et al`, `Hinton's paper`: names with a capital beside such a turn.
fn authors(words: &[Word<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    let lower = |at: usize| words.get(at).map_or("", |word| word.lower.as_str());
    for at in 0..words.len() {
        let by = lower(at) == "by"
            && at.checked_sub(1).is_some_and(|before| {
                matches!(lower(before), "written" | "authored" | "published") || WORKS.contains(&lower(before))
            });
        if by {
            let name = name_from(words, at + 1);
            found.extend((!name.is_empty()).then(|| name.join(" ")));
        }
        if lower(at + 1) == "et" && lower(at + 2) == "al" {
            found.extend(words.get(at).filter(|word| is_name(word.text)).map(|word| word.text.to_owned()));
        }
    }
    found.dedup();
    found
}

/// Up to three words in a row that can be a person's name.
fn name_from<'t>(words: &[Word<'t>], start: usize) -> Vec<&'t str> {
    let mut name = Vec::new();
    for word in words.iter().skip(start).take(3) {
        if !is_name(word.text) {
            break;
        }
        name.push(word.text);
        if word.ends {
            break;
        }
    }
    name
}

/// A capital, then small letters (`Vaswani`, `O'Neil`, `Ben-David`): not an acronym, not a model's name.
fn is_name(word: &str) -> bool {
    let mut characters = word.chars();
    let capital = characters.next().is_some_and(char::is_uppercase);
    let small = word.chars().filter(|c| c.is_lowercase()).count();
    capital && small * 2 >= word.chars().count() && !word.chars().any(|c| c.is_ascii_digit())
}

/// `at NeurIPS`, `published in Nature`, `in the Journal of …`: only after a turn that speaks of publishing.
fn venues(words: &[Word<'_>]) -> Vec<String> {
    let lower = |at: usize| words.get(at).map_or("", |word| word.lower.as_str());
    let mut found = Vec::new();
    for at in 0..words.len() {
        let start = match (lower(at), lower(at + 1)) {
            ("published" | "appeared" | "presented", "in" | "at") => at + 2,
            // Work and research at a place are done there; papers at one are read there.
            ("paper" | "papers" | "article" | "articles" | "publication" | "publications", "at") => at + 2,
            _ => continue,
        };
        let start = if lower(start) == "the" { start + 1 } else { start };
        let mut venue = Vec::new();
        for word in words.iter().skip(start).take(6) {
            let small = matches!(word.lower.as_str(), "of" | "on" | "and" | "for" | "the" | "in");
            let capital = word.text.chars().next().is_some_and(char::is_uppercase);
            if !(capital || (small && !venue.is_empty())) {
                break;
            }
            venue.push(word);
            if word.ends {
                break;
            }
        }
        while venue.last().is_some_and(|word| !word.text.chars().next().is_some_and(char::is_uppercase)) {
            venue.pop();
        }
        found.extend((!venue.is_empty()).then(|| venue.iter().map(|word| word.text).collect::<Vec<_>>().join(" ")));
    }
    found
}

/// The sides of a comparison, each as a query of its own: `compare A and B`, `A versus B`, `difference between A and B`,
/// `how does A differ from B`. Empty when nothing is compared, or when the sides cannot be told apart.
#[must_use]
pub fn sides(question: &str) -> Vec<String> {
    let bare = question.trim().trim_end_matches(['?', '.', '!']);
    let lower = bare.to_lowercase();
    // Lower case may be longer than what it is of; then places in one are none in the other.
    if lower.len() != bare.len() {
        return Vec::new();
    }
    let cut = |before: &str, between: &[&str]| -> Option<Vec<String>> {
        let start = if before.is_empty() { 0 } else { lower.find(before)? + before.len() };
        let rest = lower.get(start..)?;
        let (at, joint) = between.iter().filter_map(|joint| Some((rest.find(joint)?, joint))).min()?;
        let first = bare.get(start..start + at)?;
        let second = bare.get(start + at + joint.len()..)?;
        Some([first, second].into_iter().map(side).collect())
    };
    let how = ["how do ", "how does ", "how did "].into_iter().find(|start| lower.starts_with(start));
    let both = how.and_then(|start| {
        let end = [" compare", " differ"].into_iter().find_map(|end| lower.strip_suffix(end))?;
        let (first, second) = bare.get(start.len()..end.len())?.split_once(" and ")?;
        Some(vec![side(first), side(second)])
    });
    let found = both
        .or_else(|| cut("difference between ", &[" and "]))
        .or_else(|| cut("differences between ", &[" and "]))
        .or_else(|| cut("compare ", &[" with ", " to ", " and ", " against "]))
        .or_else(|| cut("", &[" versus ", " vs. ", " vs ", " compared to ", " compared with "]))
        .or_else(|| cut("", &[" differ from ", " compare to ", " compare with ", " better than ", " worse than "]));
    let sides = found.unwrap_or_default();
    let told_apart = sides.iter().all(|side| !content_stems(side).is_empty());
    if told_apart { sides } else { Vec::new() }
}

/// A side without the words of the question around it.
fn side(text: &str) -> String {
    const ASKING: [&str; 14] =
        ["how", "do", "does", "did", "is", "are", "was", "what", "which", "why", "the", "when", "can", "that"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let start = words.iter().take_while(|word| ASKING.contains(&word.to_lowercase().as_str())).count();
    words.into_iter().skip(start).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn demanded(question: &str) -> (Option<i16>, Option<i16>, Vec<String>, Vec<String>) {
        let Filter { year_from, year_to, authors, venues, .. } = demands(question, 2026);
        (year_from, year_to, authors, venues)
    }

    #[test]
    fn a_year_is_demanded_only_where_papers_are_meant() {
        for (question, from, to) in [
            ("What was found since 2020 about dropout?", Some(2020), None),
            ("Which papers after 2018 use BERT?", Some(2019), None),
            ("Which papers before 2018 use LSTMs?", None, Some(2017)),
            ("Which papers from 2017 are about attention?", Some(2017), Some(2017)),
            ("What was published in 2019 on dense retrieval?", Some(2019), Some(2019)),
            ("Work between 2015 and 2018 on GANs?", Some(2015), Some(2018)),
            ("Papers from 2018 to 2015?", Some(2015), Some(2018)),
            ("What has the last 5 years brought?", Some(2021), None),
            ("Which BLEU score did the Transformer reach on WMT 2014 English-German?", None, None),
            ("How did ResNet do in ILSVRC 2015?", None, None),
            ("What happened before 1945?", None, None),
            ("Papers since 20200?", None, None),
        ] {
            let (year_from, year_to, ..) = demanded(question);
            assert_eq!((year_from, year_to), (from, to), "{question}");
        }
    }

    #[test]
    fn authors_and_venues_are_demanded_only_by_such_a_turn() {
        for (question, authors, venues) in [
            ("Which papers by Ashish Vaswani are about attention?", vec!["Ashish Vaswani"], vec![]),
            ("What do Devlin et al. say about masking?", vec!["Devlin"], vec![]),
            ("Papers at NeurIPS on diffusion?", vec![], vec!["NeurIPS"]),
            (
                "What was published in the Journal of Machine Learning Research on trees?",
                vec![],
                vec!["Journal of Machine Learning Research"],
            ),
            ("What research at Google is about attention?", vec![], vec![]),
            ("Is memory consolidated by sleep?", vec![], vec![]),
            ("Work by BERT on WMT?", vec![], vec![]),
            ("How is protein folding solved by AlphaFold in Nature?", vec![], vec![]),
        ] {
            let (_, _, found_authors, found_venues) = demanded(question);
            assert_eq!(
                (found_authors, found_venues),
                (
                    authors.into_iter().map(str::to_owned).collect(),
                    venues.into_iter().map(str::to_owned).collect::<Vec<_>>()
                ),
                "{question}"
            );
        }
    }

    #[test]
    fn what_a_question_is_about_is_told_without_the_papers_that_it_asks_for() {
        for (question, about) in [
            ("Which papers by Ashish Vaswani are about attention?", "Which are about attention?"),
            ("What was found since 2020 about dropout?", "What was found about dropout?"),
            ("Which papers before 2018 use LSTMs?", "Which use LSTMs?"),
            ("What was published at NeurIPS on diffusion?", "What was on diffusion?"),
            ("Papers by Vaswani?", "Papers by Vaswani?"),
            ("Is attention studied in 2014?", "Is attention studied in 2014?"),
        ] {
            assert_eq!(subject(question, &demands(question, 2026)), about);
        }
    }

    #[test]
    fn the_sides_of_a_comparison_become_queries() {
        for (question, expected) in [
            ("How does DPO differ from RLHF with PPO?", vec!["DPO", "RLHF with PPO"]),
            (
                "Compare layer normalization and batch normalization.",
                vec!["layer normalization", "batch normalization"],
            ),
            ("What is the difference between BM25 and dense retrieval?", vec!["BM25", "dense retrieval"]),
            ("Is RoPE better than learned positions?", vec!["RoPE", "learned positions"]),
            (
                "How do layer normalization and batch normalization compare?",
                vec!["layer normalization", "batch normalization"],
            ),
            ("LoRA vs full fine-tuning", vec!["LoRA", "full fine-tuning"]),
            ("What is attention?", vec![]),
            ("What is better than that?", vec![]),
        ] {
            assert_eq!(sides(question), expected, "{question}");
        }
    }

    #[test]
    fn a_question_that_points_back_gets_the_earlier_one_before_it() {
        let earlier = [Exchange { question: "What is LoRA?".into(), answer: "A method.".into() }];
        let alone = |question: &str| standing_alone(question, &earlier);
        assert_eq!(alone("Does it add latency?"), "What is LoRA? Does it add latency?");
        assert_eq!(alone("Why?"), "What is LoRA? Why?");
        assert_eq!(alone("What about memory use?"), "What is LoRA? What about memory use?");
        assert_eq!(alone("Which BLEU score did the Transformer reach?"), "Which BLEU score did the Transformer reach?");
        assert_eq!(standing_alone("Why is it so?", &[]), "Why is it so?");
    }

    proptest! {
        #[test]
        fn no_question_is_too_odd(question in "\\PC{0,80}|(since|by|at|between|published in|İ|ẞ|papers| |[0-9]{1,5}|[A-Z][a-z]{1,5}){0,12}") {
            let filter = demands(&question, 2026);
            for year in [filter.year_from, filter.year_to].into_iter().flatten() {
                prop_assert!((1499..=2028).contains(&year));
            }
            prop_assert!(sides(&question).len() <= 2);
        }
    }
}
