//! What a model thinks of an answer that is there already, for those who measure answers. It changes nothing in the answer.

use std::fmt::Write;

use serde::Deserialize;

use super::desk::Step;
use super::purse::Purse;
use super::run::Run;
use super::verify::Answer;
use super::whole::{Whole, object_request};
use super::{Agent, AgentError};
use crate::llm::Message;

const INSTRUCTION: &str = include_str!("prompts/appraisal.md");
/// The longest reply, in tokens: a word for each sentence and each point.
const LONGEST: u32 = 600;

/// What a model was asked about an answer, and what it thinks.
#[derive(Debug, Clone, PartialEq)]
pub struct Appraisal {
    /// Which model; none when nobody could be asked.
    pub model: Option<String>,
    /// What it thinks; none when it said nothing that can be used.
    pub opinion: Option<Opinion>,
    /// What asking cost, in US dollars; none when it is not known.
    pub cost_usd: Option<f64>,
}

/// What a model thinks of an answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Opinion {
    /// For each sentence whether its quotations bear it out.
    pub supported: Vec<bool>,
    /// For each point whether the answer makes it.
    pub made: Vec<bool>,
}

impl Agent {
    /// Asks a model what it thinks of an answer, and whether it makes these points. The call is in the ledger of the answer's run. Where
    /// nobody could be asked, or what was said cannot be used, the log has why.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn appraise(&self, run: &Run, answer: &Answer, points: &[&str]) -> Result<Appraisal, AgentError> {
        let request = object_request(vec![Message::system(INSTRUCTION), Message::user(shown(answer, points))], LONGEST);
        let purse = Purse::of(&self.desk, run, None).await?;
        let before = purse.report().cost_usd;
        let mut call = match purse.ask(Step::Appraise, &request, 0).await? {
            Ok(call) => call,
            Err(nobody) => {
                tracing::warn!(answer = run.id(), passed_over = ?nobody.passed_over, "the answer could not be judged");
                let cost_usd = purse.report().cost_usd.zip(before).map(|(after, before)| after - before);
                return Ok(Appraisal { model: None, opinion: None, cost_usd });
            }
        };
        let model = Some(call.receipt.seat.model.model().to_owned());
        let whole = Whole::of(&mut call).await;
        purse.settle(&call.receipt, whole.usage, whole.fault.as_ref()).await?;
        let fits = |said: &Opinion| said.supported.len() == answer.claims().len() && said.made.len() == points.len();
        let opinion = whole.object().filter(fits);
        if opinion.is_none() {
            tracing::warn!(answer = run.id(), "what the model thinks of the answer cannot be used");
        }
        let cost_usd = purse.report().cost_usd.zip(before).map(|(after, before)| after - before);
        Ok(Appraisal { model, opinion, cost_usd })
    }
}

/// The answer, sentence by sentence with what it quotes, and the points.
fn shown(answer: &Answer, points: &[&str]) -> String {
    let mut text = format!("Question: {}\n\nSentences:\n", answer.circumstances().question);
    for (n, claim) in (1..).zip(answer.claims()) {
        let _ = writeln!(text, "{n}. {}", claim.text.trim());
        for citation in answer.citations().iter().filter(|citation| claim.citations.contains(&citation.n)) {
            let _ = writeln!(text, "   [{}] \"{}\"", citation.n, citation.quote);
        }
    }
    text.push_str("\nPoints:\n");
    for (n, point) in (1..).zip(points) {
        let _ = writeln!(text, "{n}. {point}");
    }
    text
}
