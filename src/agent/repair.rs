//! Once for a draft: the sentences that did not hold are given back to the model with the reason, to be said anew.

use serde::{Deserialize, Serialize};

use super::AgentError;
use super::checking::{Checking, Failed};
use super::desk::Step;
use super::whole::{Whole, object_request};
use super::write::{Drafted, Writer};
use crate::llm::{ChatRequest, Message};

const INSTRUCTION: &str = include_str!("prompts/repair.md");
/// The most sentences that are given back; a draft of which more fail is not worth it.
const MOST: usize = 8;
/// The longest repair, in tokens.
const LONGEST: u32 = 800;
/// The name of this step in a run.
const STEP: &str = "repair";

/// The sentences as they were said anew, in the order of those that failed; none where there is nothing to say.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Repaired {
    sentences: Vec<Option<String>>,
}

impl Writer<'_, '_> {
    /// Has what failed said anew. What stands then takes its place in the answer; what does not goes on waiting.
    pub(super) async fn repair(&self, drafted: &Drafted, checking: &mut Checking<'_>) -> Result<(), AgentError> {
        if !self.settings.repair || checking.failed.is_empty() || checking.failed.len() > MOST {
            return Ok(());
        }
        let repaired = match self.run.outcome::<Repaired>(STEP)? {
            Some(repaired) => repaired,
            None => {
                let repaired = self.said_anew(drafted, &checking.failed).await?;
                self.run.finish(STEP, &repaired)?;
                self.run.note().await?;
                repaired
            }
        };
        let mut anew = repaired.sentences.into_iter();
        for failed in std::mem::take(&mut checking.failed) {
            // Two sentences in the place of one were never asked for, and the second would not be looked at by itself.
            let sentence = anew.next().flatten().filter(|sentence| is_one(sentence));
            let stands = match sentence {
                None => false,
                Some(sentence) => checking.check_instead(&sentence, &failed, self.vectors(), self.log()).await?,
            };
            if !stands {
                checking.failed.push(failed);
            }
        }
        Ok(())
    }

    /// Asks for the sentences anew; none when nothing usable comes.
    async fn said_anew(&self, drafted: &Drafted, failed: &[Failed]) -> Result<Repaired, AgentError> {
        let request = self.repair_request(drafted, failed);
        let Ok(mut call) = self.purse.ask(Step::Repair, &request, 0).await? else { return Ok(Repaired::default()) };
        let whole = Whole::of(&mut call).await;
        self.purse.settle(&call.receipt, whole.usage, whole.fault.as_ref()).await?;
        Ok(whole.object().unwrap_or_default())
    }

    fn repair_request(&self, drafted: &Drafted, failed: &[Failed]) -> ChatRequest {
        let request = self.request(false, 1);
        let mut messages = request.messages;
        messages.push(Message::assistant(&drafted.text));
        let listed = failed
            .iter()
            .zip(1..)
            .map(|(Failed { removed, .. }, n)| format!("{n}. {} ({})", removed.text, removed.reason.explained()));
        let listed: Vec<String> = listed.collect();
        messages.push(Message::user(format!("{INSTRUCTION}\n{}", listed.join("\n"))));
        object_request(messages, LONGEST.min(self.settings.max_output_tokens))
    }
}

/// Whether a text is one sentence and no more.
pub(super) fn is_one(sentence: &str) -> bool {
    let mut sentences = super::draft::Sentences::default();
    let mut all = sentences.push(sentence);
    all.extend(sentences.finish());
    all.iter().filter(|sentence| !sentence.trim().is_empty()).count() == 1
}
