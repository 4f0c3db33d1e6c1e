//! The second step of the walk: what to search for, and in which papers.
//!
//! A plan of our own, from the words of the question, always works and costs nothing. Where several things are asked at once
//! a model is asked for a better one; what it gives is checked against the question, and the plan of our own stands in for
//! what does not hold.

pub mod local;

use index::Filter;
use serde::{Deserialize, Serialize};

use super::answer::{Exchange, LONGEST_ASPECT};
use super::desk::Step;
use super::purse::Purse;
use super::run::Run;
use super::whole::{Whole, object_request};
use super::{AgentError, Question};
use crate::llm::{ChatRequest, Message};

const INSTRUCTION: &str = include_str!("../prompts/plan.md");
/// The name of this step in a run.
pub(super) const STEP: &str = "plan";
/// The longest plan, in tokens.
const LONGEST: u32 = 500;
/// The most queries of a plan, the question itself among them.
const MOST_QUERIES: usize = 5;
/// The longest query, in characters.
const LONGEST_QUERY: usize = 300;

/// What to search for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The question as it stands by itself, without what was said before.
    pub question: String,
    /// What is searched for; the question comes first.
    pub queries: Vec<String>,
    /// Which papers may answer.
    pub filter: Filter,
    /// What papers are compared by, for a table.
    #[serde(default)]
    pub aspects: Vec<String>,
    /// The model that made it; none for a plan of our own.
    pub model: Option<String>,
}

impl Plan {
    /// What the question is about, without the words by which it asks for papers of certain years, authors or venues.
    #[must_use]
    pub fn subject(&self) -> String {
        local::subject(&self.question, &self.filter)
    }
}

/// What a model gives.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    question: Option<String>,
    queries: Vec<String>,
    year_from: Option<i16>,
    year_to: Option<i16>,
    venues: Vec<String>,
    authors: Vec<String>,
    aspects: Vec<String>,
}

/// A plan of our own: the question, its parts where it compares, and the filters that it names.
#[must_use]
pub fn own(question: &Question, earlier: &[Exchange], this_year: i16) -> Plan {
    let standing = local::standing_alone(question.text(), earlier);
    let named = local::demands(&standing, this_year);
    let mut queries = vec![standing.clone()];
    queries.extend(local::sides(&standing));
    tidy(&mut queries);
    Plan {
        question: standing,
        queries,
        filter: merged(&question.filter, named),
        aspects: question.aspects.clone(),
        model: None,
    }
}

/// A model's plan, or, when there is none that can be used, one of our own.
///
/// # Errors
/// When the ledger fails.
pub async fn asked(
    run: &Run,
    purse: &Purse<'_>,
    question: &Question,
    earlier: &[Exchange],
    this_year: i16,
) -> Result<Plan, AgentError> {
    let own = own(question, earlier, this_year);
    let request = request(question, earlier);
    let Ok(mut call) = purse.ask(Step::Plan, &request, 0).await? else { return Ok(own) };
    let whole = Whole::of(&mut call).await;
    let read = whole.object().map(|wire| borne_out(wire, call.receipt.seat.model.model(), question, earlier, &own));
    let plan = read.unwrap_or_else(|| {
        tracing::warn!("the model's plan cannot be used; the question is searched for as it is");
        own
    });
    // Kept with what it took, so that it is not paid for twice.
    run.finish(STEP, &plan)?;
    purse.settle(&call.receipt, whole.usage, whole.fault.as_ref()).await?;
    Ok(plan)
}

fn request(question: &Question, earlier: &[Exchange]) -> ChatRequest {
    let mut said = String::new();
    for exchange in earlier {
        said.push_str(&format!("Earlier question: {}\nEarlier answer: {}\n\n", exchange.question, exchange.answer));
    }
    object_request(
        vec![Message::system(INSTRUCTION), Message::user(format!("{said}Question: {}", question.text()))],
        LONGEST,
    )
}

/// A model's plan, as far as the question bears it out.
fn borne_out(wire: Wire, model: &str, question: &Question, earlier: &[Exchange], own: &Plan) -> Plan {
    // Only where something was said before may the question become another one.
    let rewritten = wire.question.filter(|text| !earlier.is_empty() && !text.trim().is_empty());
    let standing = rewritten.map_or_else(|| own.question.clone(), |text| shortened(&text));
    let mut queries = vec![standing.clone()];
    queries.extend(wire.queries.iter().map(|query| shortened(query)));
    tidy(&mut queries);
    if queries.len() == 1 {
        queries.clone_from(&own.queries);
    }
    let said = said_in(question.text(), earlier);
    let year = |year: Option<i16>| year.filter(|year| said.contains(&year.to_string()));
    let named = |names: Vec<String>| names.into_iter().filter(|name| is_said(name, &said)).collect();
    let demands = Filter {
        year_from: year(wire.year_from).or(own.filter.year_from),
        year_to: year(wire.year_to).or(own.filter.year_to),
        venues: named(wire.venues),
        authors: named(wire.authors),
        ..Filter::default()
    };
    let filter = merged(&question.filter, demands);
    let aspects = if question.aspects.is_empty() { aspects_of(wire.aspects) } else { question.aspects.clone() };
    Plan { question: standing, queries, filter, aspects, model: Some(model.to_owned()) }
}

/// Aspects are headings: a few short ones.
fn aspects_of(said: Vec<String>) -> Vec<String> {
    let mut aspects: Vec<String> =
        said.iter().map(|aspect| shortened(aspect).chars().take(LONGEST_ASPECT).collect()).collect();
    tidy(&mut aspects);
    aspects
}

fn said_in(question: &str, earlier: &[Exchange]) -> String {
    let before: Vec<&str> = earlier.iter().map(|exchange| exchange.question.as_str()).collect();
    format!("{} {question}", before.join(" ")).to_lowercase()
}

/// Whether a name stands in what was said, word for word: `Hu` is not in `human`.
fn is_said(name: &str, said: &str) -> bool {
    let words = |text: &str| -> String {
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        format!(" {} ", words.join(" "))
    };
    let name = words(name);
    !name.trim().is_empty() && words(said).contains(&name)
}

fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST_QUERY).collect()
}

/// Each query once, none empty, not more than are searched for.
fn tidy(queries: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    queries.retain(|query| !query.trim().is_empty() && seen.insert(query.trim().to_lowercase()));
    queries.truncate(MOST_QUERIES);
}

/// What the asker set holds; what the question names is added where nothing was set.
fn merged(set: &Filter, named: Filter) -> Filter {
    let list = |set: &Vec<String>, named| if set.is_empty() { named } else { set.clone() };
    let years_set = set.year_from.is_some() || set.year_to.is_some();
    Filter {
        year_from: if years_set { set.year_from } else { named.year_from },
        year_to: if years_set { set.year_to } else { named.year_to },
        authors: list(&set.authors, named.authors),
        venues: list(&set.venues, named.venues),
        ..set.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::answer::AskMode;

    fn question(text: &str) -> Question {
        Question::new(text, AskMode::Auto, Filter::default()).unwrap()
    }

    fn planned(question: &Question, said: &str) -> Option<Plan> {
        let whole = Whole { text: said.to_owned(), usage: None, fault: None };
        Some(borne_out(whole.object()?, "m", question, &[], &own(question, &[], 2026)))
    }

    #[test]
    fn a_models_plan_is_taken_as_far_as_the_question_bears_it_out() {
        let asked = question("How do LoRA and adapters compare in work since 2021 by Hu?");
        let said = "```json\n{\"queries\": [\"LoRA low-rank adaptation\", \" adapters  for\\ntransfer \"], \"year_from\": 2021, \
            \"year_to\": 2024, \"venues\": [\"NeurIPS\"], \"authors\": [\"Hu\", \"Somebody Else\", \"par\"]}\n```";
        let plan = planned(&asked, said).unwrap();
        assert_eq!(plan.queries, [asked.text(), "LoRA low-rank adaptation", "adapters for transfer"]);
        let filter = Filter { year_from: Some(2021), authors: vec!["Hu".into()], ..Filter::default() };
        assert_eq!((plan.filter, plan.model.as_deref()), (filter, Some("m")), "2024 and NeurIPS were never said");
    }

    #[test]
    fn what_is_no_plan_is_none() {
        let asked = question("Why?");
        for said in ["", "I cannot.", "{\"queries\": 3}", "[1]", "{\"queries\": [\"a\"", "}{"] {
            assert_eq!(planned(&asked, said), None, "{said}");
        }
        let empty = planned(&asked, "{}").unwrap();
        assert_eq!(empty.queries, ["Why?"], "an object without queries leaves the question");
    }

    #[test]
    fn a_plan_does_not_change_a_question_that_stands_alone() {
        let asked = question("What is attention?");
        let plan = planned(&asked, "{\"question\": \"What is dropout?\", \"queries\": [\"dropout\"]}").unwrap();
        assert_eq!((plan.question.as_str(), plan.queries.len()), ("What is attention?", 2));
    }

    #[test]
    fn what_was_set_with_the_question_holds_over_what_it_names() {
        let filter = Filter { year_from: Some(1999), ..Filter::default() };
        let asked = Question::new("Work since 2021 by Hu?", AskMode::Auto, filter).unwrap();
        let plan = own(&asked, &[], 2026);
        assert_eq!((plan.filter.year_from, plan.filter.year_to), (Some(1999), None));
    }

    #[test]
    fn a_plan_has_at_most_five_queries_each_once() {
        let asked = question("Why?");
        let said = serde_json::json!({"queries": ["a", "A ", "b", "c", "d", "e", ""]}).to_string();
        assert_eq!(planned(&asked, &said).unwrap().queries, ["Why?", "a", "b", "c", "d"]);
    }
}
