//! Where the operator wants it, a model is asked whether the sentences that have stood here follow from what they cite. It can
//! only take away.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::AgentError;
use super::answer::{RemovalReason, Removed};
use super::checking::{Checking, Failed, Held, tell};
use super::desk::Step;
use super::draft::passages;
use super::evidence::Evidence;
use super::verify::{Verdict, Verifier, cited_numbers};
use super::whole::{Whole, object_request};
use super::write::Writer;
use crate::llm::{ChatRequest, Message};

const INSTRUCTION: &str = include_str!("prompts/entailment.md");
/// The longest reply, in tokens.
const LONGEST: u32 = 400;
/// What a reader is told when the model's word could not be had.
const NOT_HAD: &str =
    "The model's check of the sentences could not be had, so they have passed only the checks made on this machine.";

/// The sentences that were asked about, each with whether it follows; none where the model gave nothing usable.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Checked {
    follow: Option<HashMap<String, bool>>,
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
        let sentences: Vec<&str> = shown.iter().map(|held| held.sentence.as_str()).collect();
        let (follow, notice) = self.which_follow(step, &sentences).await?;
        for (shown, follows) in shown.into_iter().zip(follow) {
            if follows {
                held.push(shown);
            } else {
                let removed = Removed { text: shown.sentence.trim().to_owned(), reason: RemovalReason::Unsupported };
                checking.failed.push(Failed { removed, spot: shown.spot });
            }
        }
        Ok(notice)
    }

    /// For each sentence, whether a model finds it to follow from what it cites; all do when the model's word cannot be had, and
    /// then there is something to tell the reader.
    pub(super) async fn which_follow(
        &self,
        step: &'static str,
        sentences: &[&str],
    ) -> Result<(Vec<bool>, Option<String>), AgentError> {
        if sentences.is_empty() {
            return Ok((Vec::new(), None));
        }
        let checked = match self.run.outcome::<Checked>(step)? {
            Some(checked) => checked,
            None => self.asked_whether(step, sentences).await?,
        };
        // One that was not asked about: the papers have changed since the run was cut off.
        let is_known = |sentence: &&str| checked.follow.as_ref().is_some_and(|follow| follow.contains_key(*sentence));
        let notice = (!sentences.iter().all(is_known)).then(|| NOT_HAD.to_owned());
        let follow = checked.follow.unwrap_or_default();
        let follows = |sentence: &&str| follow.get(*sentence).copied().unwrap_or(true);
        Ok((sentences.iter().map(follows).collect(), notice))
    }

    /// Puts what is held into the answer, and tells it.
    pub(super) async fn release(&self, checking: &mut Checking<'e>) -> Result<(), AgentError> {
        let Some(mut held) = checking.held.take() else { return Ok(()) };
        // What was said anew stands where the first try did.
        held.sort_by(|one, other| one.spot.cmp(&other.spot));
        let before = std::mem::replace(&mut checking.verifier, Verifier::new(&self.retrieved.evidence, ""));
        checking.verifier.take_over_removed(before);
        for Held { sentence, spot } in held {
            checking.go_under(spot.under.as_deref());
            match checking.verifier.check(&sentence, self.vectors()).await? {
                Verdict::Passed(claim) => tell(&claim, &mut checking.verifier, self.log()),
                Verdict::Failed(removed) => checking.failed.push(Failed { removed, spot }),
            }
        }
        Ok(())
    }

    async fn asked_whether(&self, step: &'static str, shown: &[&str]) -> Result<Checked, AgentError> {
        let request = self.entailment_request(shown);
        if !self.purse.can_spare(Step::Entailment, &request) {
            return Ok(Checked::default());
        }
        let Ok(mut call) = self.purse.ask(Step::Entailment, &request, 0).await? else { return Ok(Checked::default()) };
        let whole = Whole::of(&mut call).await;
        let follows = whole.object().map(|Wire { follows }| follows).filter(|follows| follows.len() == shown.len());
        if follows.is_none() {
            tracing::warn!("the model's check of the sentences cannot be used");
        }
        let follow = follows.map(|follows| shown.iter().map(|sentence| (*sentence).to_owned()).zip(follows).collect());
        // Kept with what it took, so that it is not paid for twice.
        let checked = Checked { follow };
        self.run.finish(step, &checked)?;
        self.purse.settle(&call.receipt, whole.usage, whole.fault.as_ref()).await?;
        Ok(checked)
    }

    fn entailment_request(&self, shown: &[&str]) -> ChatRequest {
        let cited: BTreeSet<usize> = shown.iter().flat_map(|sentence| cited_numbers(sentence)).collect();
        let evidence: Vec<&Evidence> = self.retrieved.evidence.iter().filter(|e| cited.contains(&e.n)).collect();
        let listed: Vec<String> =
            shown.iter().zip(1..).map(|(sentence, n)| format!("{n}. {}", sentence.trim())).collect();
        object_request(
            vec![
                Message::system(INSTRUCTION),
                Message::user(passages(&evidence)),
                Message::user(format!("Sentences:\n{}", listed.join("\n"))),
            ],
            LONGEST,
        )
    }
}
