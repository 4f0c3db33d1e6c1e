//! What readers found helpful, as a suite: the questions with the papers that answered them well.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::agent::answer::{Citation, Claim, Status};
use crate::store::Rated;

/// What is read of an answer.
#[derive(Deserialize)]
struct Answered {
    question: String,
    status: Status,
    claims: Vec<Claim>,
    citations: Vec<Citation>,
}

/// A suite over the library that the opinions are of, in the project's form (docs/EVALUATION.md).
///
/// An answer that most found helpful is answered by the papers of its sentences, but for those that most found wrong; what it says is
/// its reference. An abstention that most found right is a question that the library does not answer. Of other answers only the
/// sentences that were found right count. Of several answers to one question the newest counts.
#[must_use]
pub fn suite_of_opinions(rated: &[Rated]) -> Value {
    let mut questions: Vec<(String, Value)> = Vec::new();
    for answer in rated {
        let Ok(answered) = serde_json::from_str::<Answered>(&answer.answer) else { continue };
        let Some(question) = question_of(answer, &answered) else { continue };
        let words = answered.question.to_lowercase();
        questions.retain(|(known, _)| *known != words);
        questions.push((words, question));
    }
    let questions: Vec<Value> = questions.into_iter().map(|(_, question)| question).collect();
    json!({
        "name": "feedback",
        "description": "Questions whose answers readers have found helpful, over the library that they were asked of.",
        "questions": questions,
    })
}

fn question_of(rated: &Rated, answered: &Answered) -> Option<Value> {
    let whole = verdict(rated, None);
    let id = &rated.id;
    if answered.status == Status::Abstained {
        return (whole == Some(true))
            .then(|| json!({"id": id, "question": answered.question, "kind": "unanswerable", "answered_by": []}));
    }
    let stands = |(place, _): &(u32, &Claim)| match (verdict(rated, Some(*place)), whole) {
        (Some(right), _) => right,
        (None, whole) => whole == Some(true),
    };
    let right: Vec<&Claim> = (0..).zip(&answered.claims).filter(stands).map(|(_, claim)| claim).collect();
    let cited = |n: &usize| answered.citations.iter().find(|citation| citation.n == *n);
    let papers: BTreeSet<String> = right
        .iter()
        .flat_map(|claim| claim.citations.iter().filter_map(cited))
        .map(|c| c.paper_id.to_string())
        .collect();
    if papers.is_empty() {
        return None;
    }
    let said: Vec<&str> =
        right.iter().map(|claim| claim.text.rsplit_once(" [").map_or(claim.text.as_str(), |(text, _)| text)).collect();
    Some(json!({"id": id, "question": answered.question, "answered_by": papers, "reference": said.join(" ")}))
}

/// What most readers think of an answer or of one of its sentences; none when nobody has said anything, or as many the one as the other.
fn verdict(rated: &Rated, claim: Option<u32>) -> Option<bool> {
    let of = rated.feedback.iter().filter(|feedback| feedback.claim == claim);
    let (up, down) = of.fold((0, 0), |(up, down), f| if f.helpful { (up + 1, down) } else { (up, down + 1) });
    (up != down).then_some(up > down)
}
