//! Why a search found nothing.

use super::rank::Search;
use crate::filter::Conditions;
use crate::lexical::QueryWords;
use crate::syntax::{Asks, Clause, Typed};
use crate::{Filter, IndexError, Mode};

/// One thing that was demanded, as a person reads it, and what it means.
struct Demand {
    name: String,
    words: QueryWords,
    conditions: Conditions,
}

impl Search {
    /// A sentence that says why there is no hit: what no paper has, or what none has together.
    pub(super) fn why_nothing(&self, typed: &Typed, filter: &Filter, mode: Mode) -> Result<String, IndexError> {
        let demands = demands(typed, filter);
        if self.snapshot.passages() == 0 {
            return Ok("Nothing is indexed yet.".to_owned());
        }
        for demand in &demands {
            if !self.snapshot.has_any(&demand.words, &demand.conditions)? {
                return Ok(format!("No paper has {}.", demand.name));
            }
        }
        let together = demands.iter().map(|demand| demand.name.as_str()).collect::<Vec<_>>().join(", ");
        if !self.snapshot.has_any(&self.words, &self.conditions)? {
            return Ok(format!("No paper has all of this: {together}."));
        }
        if self.words.are_none() {
            return Ok("The query has only words that nearly every text has.".to_owned());
        }
        let missing = self.snapshot.missing(&self.words)?;
        let which = if missing.is_empty() { "these words together".to_owned() } else { missing.join(", ") };
        let of = if demands.is_empty() { String::new() } else { format!(" with {together}") };
        let hint = if mode == Mode::Lexical { "; a hybrid search finds by meaning too" } else { "" };
        Ok(format!("No paper{of} has {which}{hint}."))
    }
}

/// Everything that must hold, one by one.
fn demands(typed: &Typed, filter: &Filter) -> Vec<Demand> {
    let mut demands = Vec::new();
    for phrase in &typed.phrases {
        let words = QueryWords::of(&Typed { phrases: vec![phrase.clone()], ..Typed::default() });
        demands.push(Demand { name: format!("\"{phrase}\" word for word"), words, conditions: Conditions::default() });
    }
    for clause in &typed.clauses {
        let only = Typed { clauses: vec![clause.clone()], ..Typed::default() };
        let conditions = Conditions::default().and(&only.clauses);
        demands.push(Demand { name: name(clause), words: QueryWords::of(&only), conditions });
    }
    for (name, filter) in single(filter) {
        demands.push(Demand { name, words: QueryWords::default(), conditions: Conditions::of(&filter) });
    }
    demands
}

fn name(clause: &Clause) -> String {
    let what = match &clause.asks {
        Asks::Text(words) => format!("`{words}`"),
        Asks::Title(words) => format!("`{words}` in its title"),
        Asks::Author(name) => format!("an author `{name}`"),
        Asks::Venue(venue) => format!("the venue `{venue}`"),
        Asks::Category(category) => format!("the category `{category}`"),
        Asks::Source(source) => format!("the source `{source}`"),
        Asks::Years(years) => years_name(years.from, years.to),
    };
    if clause.negated { format!("anything but {what}") } else { what }
}

fn years_name(from: Option<i16>, to: Option<i16>) -> String {
    match (from, to) {
        (Some(from), Some(to)) if from == to => format!("the year {from}"),
        (Some(from), Some(to)) => format!("a year from {from} to {to}"),
        (Some(from), None) => format!("a year from {from} on"),
        (None, Some(to)) => format!("a year up to {to}"),
        (None, None) => "a year".to_owned(),
    }
}

/// A filter as filters of one kind each.
fn single(filter: &Filter) -> Vec<(String, Filter)> {
    let mut all = Vec::new();
    if filter.year_from.is_some() || filter.year_to.is_some() {
        let of = Filter { year_from: filter.year_from, year_to: filter.year_to, ..Filter::default() };
        all.push((years_name(filter.year_from, filter.year_to), of));
    }
    let any = |kind: &str, values: &[String]| format!("the {kind} {}", listed(values));
    if !filter.authors.is_empty() {
        all.push((any("author", &filter.authors), Filter { authors: filter.authors.clone(), ..Filter::default() }));
    }
    if !filter.venues.is_empty() {
        all.push((any("venue", &filter.venues), Filter { venues: filter.venues.clone(), ..Filter::default() }));
    }
    if !filter.categories.is_empty() {
        let of = Filter { categories: filter.categories.clone(), ..Filter::default() };
        all.push((any("category", &filter.categories), of));
    }
    if !filter.sources.is_empty() {
        let names: Vec<String> = filter.sources.iter().map(ToString::to_string).collect();
        all.push((any("source", &names), Filter { sources: filter.sources.clone(), ..Filter::default() }));
    }
    all
}

fn listed(values: &[String]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ")
}
