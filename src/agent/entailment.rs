//! Where the operator wants it, a model is asked whether the sentences that have stood here follow from what they cite. It can
//! only take away.

use serde::{Deserialize, Serialize};

use super::AgentError;
use super::answer::{RemovalReason, Removed};
use super::checking::{Checking, Failed, Held, tell};
use super::desk::Step;
use super::draft::passages;
use super::evidence::Evidence;
use super::verify::{Verdict, Verifier, cited_numbers};
use super::whole::Whole;
use super::write::Writer;
use crate::llm::{ChatRequest, Message, Thinking};

const INSTRUCTION: &str = include_str!("prompts/entailment.md");
/// The longest reply, in tokens.
const LONGEST: u32 = 400;
/// What a reader is told when the model's word could not be had.
const NOT_HAD: &str =
    "The model's check of the sentences could not be had, so they have passed only the checks made on this machine.";

/// For each sentence, whether it follows; none where the model gave nothing usable.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Checked {
    follows: Option<Vec<bool>>,
}

#[derive(Debug, Deserialize)]
struct Wire {
    follows: Vec<bool>,
}

impl<'e> Writer<'_, 'e> {
    /// Has a model look at the sentences that are held from `from` on. Those that do not follow fail. What is returned is to
    /// be told to the reader, when the model's word could not be had.
    pub(super) async fn entail(
        &self,
        step: &'static str,
        from: usize,
        checking: &mut Checking<'e>,
    ) -> Result<Option<String>, AgentError> {
        let Some(held) = &mut checking.held else { return Ok(None) };
        let shown = held.split_off(from.min(held.len()));
        if shown.is_empty() {
            return Ok(None);
        }
        let follows = match self.run.outcome::<Checked>(step)?.and_then(|kept| kept.follows) {
            Some(follows) if follows.len() == shown.len() => Some(follows),
            _ => self.asked_whether(step, &shown).await?,
        };
        let notice = follows.is_none().then(|| NOT_HAD.to_owned());
        let follows = follows.unwrap_or_else(|| vec![true; shown.len()]);
        for (shown, follows) in shown.into_iter().zip(follows) {
            if follows {
                held.push(shown);
            } else {
                let removed = Removed { text: shown.sentence.trim().to_owned(), reason: RemovalReason::Unsupported };
                checking.failed.push(Failed { removed, under: shown.under });
            }
        }
        Ok(notice)
    }

    /// Puts what is held into the answer, and tells it.
    pub(super) async fn release(&self, checking: &mut Checking<'e>) -> Result<(), AgentError> {
        let Some(held) = checking.held.take() else { return Ok(()) };
        checking.verifier = Verifier::new(&self.retrieved.evidence, "");
        for Held { sentence, under } in held {
            checking.go_under(under.as_deref());
            match checking.verifier.check(&sentence, self.vectors()).await? {
                Verdict::Passed(claim) => tell(&claim, &mut checking.verifier, self.log()),
                Verdict::Failed(removed) => checking.failed.push(Failed { removed, under }),
            }
        }
        Ok(())
    }

    async fn asked_whether(&self, step: &'static str, shown: &[Held]) -> Result<Option<Vec<bool>>, AgentError> {
        let request = self.entailment_request(shown);
        let Ok(mut call) = self.purse.ask(Step::Entailment, &request, 0).await? else { return Ok(None) };
        let whole = Whole::of(&mut call).await;
        let follows = whole.object().map(|Wire { follows }| follows).filter(|follows| follows.len() == shown.len());
        if follows.is_none() {
            tracing::warn!("the model's check of the sentences cannot be used");
        }
        // Kept with what it took, so that it is not paid for twice.
        let checked = Checked { follows };
        self.run.finish(step, &checked)?;
        self.purse.settle(&call.receipt, whole.usage, whole.fault.as_ref()).await?;
        Ok(checked.follows)
    }

    fn entailment_request(&self, shown: &[Held]) -> ChatRequest {
        let cited: std::collections::BTreeSet<usize> =
            shown.iter().flat_map(|held| cited_numbers(&held.sentence)).collect();
        let evidence: Vec<&Evidence> = self.retrieved.evidence.iter().filter(|e| cited.contains(&e.n)).collect();
        let listed: Vec<String> =
            shown.iter().zip(1..).map(|(held, n)| format!("{n}. {}", held.sentence.trim())).collect();
        ChatRequest {
            messages: vec![
                Message::system(INSTRUCTION),
                Message::user(passages(&evidence)),
                Message::user(format!("Sentences:\n{}", listed.join("\n"))),
            ],
            temperature: Some(0.0),
            max_tokens: Some(LONGEST),
            json: true,
            thinking: Some(Thinking::Off),
            ..ChatRequest::default()
        }
    }
}
