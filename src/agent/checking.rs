//! Sentences on their way from a draft into the answer, each checked as it comes.

use serde_json::json;

use super::AgentError;
use super::answer::{Claim, Form, Removed};
use super::draft;
use super::event::EventLog;
use super::evidence::Vectors;
use super::verify::{OTHERWISE, Verdict, Verifier};

/// Sentences that are checked as they come; those that do not stand wait for what becomes of them.
pub(super) struct Checking<'e> {
    pub verifier: Verifier<'e>,
    pub failed: Vec<Failed>,
    form: Form,
    /// What has stood so far and is told when a model has seen it too; none where it is told at once.
    pub held: Option<Vec<Held>>,
    /// How many sentences were drafted so far.
    drafted: usize,
}

/// Where in a draft a sentence stands: the how manieth it is, and the heading that it came under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    no: usize,
    pub under: Option<String>,
}

/// A sentence that did not stand.
pub(super) struct Failed {
    pub removed: Removed,
    pub spot: Spot,
}

/// A sentence that stood, as it was drafted or said anew.
pub(super) struct Held {
    pub sentence: String,
    pub spot: Spot,
}

impl<'e> Checking<'e> {
    /// Nothing checked yet. With `held`, what stands is not told before somebody says so.
    pub fn new(verifier: Verifier<'e>, form: Form, held: bool) -> Self {
        Self { verifier, failed: Vec::new(), form, held: held.then(Vec::new), drafted: 0 }
    }

    /// Checks a sentence; one that stands is told, one that does not waits.
    pub async fn check(&mut self, sentence: &str, vectors: &Vectors, log: &EventLog) -> Result<(), AgentError> {
        if sentence.trim().is_empty() || draft::says_no_answer(sentence) {
            return Ok(());
        }
        if self.form == Form::Sections && draft::is_heading(sentence) {
            self.verifier.head(sentence);
            return Ok(());
        }
        self.drafted += 1;
        let spot = Spot { no: self.drafted, under: self.verifier.section().map(str::to_owned) };
        match self.verifier.check(sentence, vectors).await? {
            Verdict::Passed(claim) => self.stood(sentence, spot, &claim, log),
            Verdict::Failed(removed) => self.failed.push(Failed { removed, spot }),
        }
        Ok(())
    }

    /// Checks a sentence that takes the place of one that failed; whether it stands. What is told already stays before it.
    pub async fn check_instead(
        &mut self,
        sentence: &str,
        failed: &Failed,
        vectors: &Vectors,
        log: &EventLog,
    ) -> Result<bool, AgentError> {
        self.go_under(failed.spot.under.as_deref());
        match self.verifier.check(sentence, vectors).await? {
            Verdict::Passed(claim) => {
                self.stood(sentence, failed.spot.clone(), &claim, log);
                Ok(true)
            }
            Verdict::Failed(_) => Ok(false),
        }
    }

    fn stood(&mut self, sentence: &str, spot: Spot, claim: &Claim, log: &EventLog) {
        match &mut self.held {
            Some(held) => held.push(Held { sentence: sentence.to_owned(), spot }),
            None => tell(claim, &mut self.verifier, log),
        }
    }

    /// What comes next stands under this heading.
    pub fn go_under(&mut self, heading: Option<&str>) {
        // What came before any heading must not stand under one that it was not written for.
        let heading = heading.or(self.verifier.section().map(|_| OTHERWISE));
        if let Some(heading) = heading.filter(|heading| self.verifier.section() != Some(heading)) {
            self.verifier.head(heading);
        }
    }

    /// What failed and waits is taken out for good.
    pub fn give_up(&mut self, log: &EventLog) {
        for Failed { removed, .. } in self.failed.drain(..) {
            log.add("removed", &removed);
            self.verifier.remove(removed);
        }
    }
}

/// Tells a claim that has passed just now. The tokens of a run add up to the text of its answer.
pub(super) fn tell(claim: &Claim, verifier: &mut Verifier<'_>, log: &EventLog) {
    log.add("token", &json!({"text": verifier.newest_text()}));
    log.add("claim", claim);
}
