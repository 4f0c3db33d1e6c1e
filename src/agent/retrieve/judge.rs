//! How relevant what was found is: by the words and the vectors of its sentences, and, where the operator wants it, by a
//! model's word as well.

use std::collections::{BTreeMap, HashMap};

use index::PassageId;
use serde::{Deserialize, Serialize};

use super::super::desk::Step;
use super::super::draft::passages;
use super::super::evidence::Evidence;
use super::super::plan::Plan;
use super::super::run::Run;
use super::super::whole::{Whole, object_request};
use super::super::{AgentError, purse::Purse};
use super::Pool;
use crate::llm::{ChatRequest, Message};

const INSTRUCTION: &str = include_str!("../prompts/judge.md");
/// The longest judgement, in tokens.
const LONGEST: u32 = 600;
/// The best rating that the instruction knows.
const BEST: u8 = 3;

/// For each passage, what it is rated for each query of the plan, 0 to [`BEST`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ratings(HashMap<PassageId, Vec<u8>>);

/// What a model gives: by the number of a passage.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    ratings: BTreeMap<String, Vec<u8>>,
}

impl Ratings {
    /// What a passage's relevance to a query is with the model's word on it: the rating decides, and `local` between equals. One
    /// without a rating beside others counts as one that is about the same thing.
    pub fn weighed(&self, id: PassageId, query: usize, local: f32) -> f32 {
        const UNRATED: u8 = 1;
        if self.0.is_empty() {
            return local;
        }
        let rating = self.0.get(&id).and_then(|ratings| ratings.get(query)).copied().unwrap_or(UNRATED);
        (f32::from(rating) + local) / f32::from(BEST + 1)
    }

    /// Whether a model has found a passage to be about none of what is asked.
    pub fn refuse(&self, id: PassageId) -> bool {
        self.0.get(&id).is_some_and(|ratings| ratings.iter().all(|rating| *rating == 0))
    }

    /// Whether a model has found any passage to be about something of what is asked.
    pub fn find_any(&self) -> bool {
        self.0.values().flatten().any(|rating| *rating > 0)
    }

    fn read(wire: &Wire, rated: &[Evidence], queries: usize) -> Self {
        let of = |evidence: &Evidence| {
            let ratings = wire.ratings.get(&evidence.n.to_string())?;
            let fits = ratings.len() == queries && ratings.iter().all(|rating| *rating <= BEST);
            fits.then(|| (evidence.hit.passage.id, ratings.clone()))
        };
        Self(rated.iter().filter_map(of).collect())
    }
}

/// Has a model rate the passages that it has not rated yet. What it does not rate, or not as it was asked to, keeps what it is
/// rated here.
pub(super) async fn rate(
    run: &Run,
    purse: &Purse<'_>,
    plan: &Plan,
    round: usize,
    pool: &mut Pool,
) -> Result<(), AgentError> {
    let step = format!("judge-{round}");
    if let Some(kept) = run.outcome::<Ratings>(&step)? {
        pool.ratings.0.extend(kept.0);
        return Ok(());
    }
    let unrated = pool.seen.values().filter(|evidence| !pool.ratings.0.contains_key(&evidence.hit.passage.id));
    let mut unrated: Vec<Evidence> = unrated.cloned().collect();
    if unrated.is_empty() {
        return Ok(());
    }
    unrated.sort_by_key(|evidence| evidence.hit.passage.id);
    (1..).zip(&mut unrated).for_each(|(n, evidence)| evidence.n = n);
    let request = request(plan, &unrated);
    if !purse.can_spare(Step::Judge, &request) {
        return Ok(());
    }
    let Ok(mut call) = purse.ask(Step::Judge, &request, 0).await? else { return Ok(()) };
    let whole = Whole::of(&mut call).await;
    let ratings = whole.object().map(|wire| Ratings::read(&wire, &unrated, plan.queries.len())).unwrap_or_default();
    if ratings.0.is_empty() {
        tracing::warn!("the model's judgement of the passages cannot be used");
    }
    // Kept with what it took, so that it is not paid for twice.
    run.finish(&step, &ratings)?;
    purse.settle(&call.receipt, whole.usage, whole.fault.as_ref()).await?;
    pool.ratings.0.extend(ratings.0);
    Ok(())
}

fn request(plan: &Plan, unrated: &[Evidence]) -> ChatRequest {
    let listed: Vec<String> = (1..).zip(&plan.queries).map(|(n, query)| format!("{n}. {query}")).collect();
    let shown: Vec<&Evidence> = unrated.iter().collect();
    object_request(
        vec![
            Message::system(INSTRUCTION),
            Message::user(passages(&shown)),
            Message::user(format!("Questions:\n{}", listed.join("\n"))),
        ],
        LONGEST,
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::evidence::gather;
    use super::super::super::evidence::tests::found;
    use super::*;

    #[test]
    fn only_ratings_in_the_form_that_was_asked_for_count() {
        let rated = gather(vec![found("A", "One."), found("B", "Two."), found("C", "Three.")], 1);
        let [a, b, c] = [0, 1, 2].map(|place| rated[place].hit.passage.id);
        let wire: Wire =
            serde_json::from_str(r#"{"ratings": {"1": [3, 0], "2": [0], "3": [9, 1], "7": [1, 1]}}"#).unwrap();
        let ratings = Ratings::read(&wire, &rated, 2);
        assert_eq!(ratings.0, HashMap::from([(a, vec![3, 0])]));
        assert_eq!(
            [ratings.weighed(a, 0, 0.5), ratings.weighed(a, 1, 0.5), ratings.weighed(b, 0, 0.5)],
            [0.875, 0.125, 0.375]
        );
        assert!(ratings.find_any() && !ratings.refuse(a) && !ratings.refuse(c));
        let none = Ratings(HashMap::from([(a, vec![0, 0])]));
        assert!(none.refuse(a) && !none.find_any());
    }
}
