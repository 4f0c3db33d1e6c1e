//! The same question over an unchanged library is answered by the answer that was given before, at no cost.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use uuid::Uuid;

use super::answer::{Assigned, Question, UsageReport};
use super::run::Run;
use super::verify::{Answer, recall};
use super::{Agent, AgentError, Routed, Settings, milliseconds};

/// Changes when answers are made in another way, so that those made before are not given any more.
const WAY: u32 = 1;

impl Agent {
    /// By what the answer to a question can be given once more; none where it is not to be.
    pub(super) async fn cache_key(&self, question: &Question, routed: Routed) -> Result<Option<String>, AgentError> {
        if !self.settings.cache || !question.cache || self.desk.models.is_empty() || routed.route_was_set_to_quote() {
            return Ok(None);
        }
        Ok(Some(self.key(question, routed).await?))
    }

    /// The answer that was given before, checked against the library once more; none when there is none, or when it does not
    /// hold any more.
    pub(super) async fn cached(
        &self,
        run: &Run,
        question: &Question,
        key: &str,
        began: Instant,
    ) -> Result<Option<Answer>, AgentError> {
        let experiment = question.experiment.as_ref().map(Assigned::told);
        let Some(stored) = run.store().cached_answer(key).await? else { return Ok(None) };
        let Some(recalled) = recall(stored.get(), run.id(), experiment) else { return Ok(None) };
        let papers = run.store().papers(&recalled.papers()).await?;
        let free = UsageReport { cost_usd: Some(0.0), baseline_cost_usd: Some(0.0), ..UsageReport::default() };
        let timings = BTreeMap::from([("total".to_owned(), milliseconds(began))]);
        let Some(answer) = recalled.checked(&papers, free, timings) else { return Ok(None) };
        let log = run.log();
        log.add("token", &json!({"text": answer.text()}));
        for claim in answer.claims() {
            log.add("claim", claim);
        }
        for removed in answer.removed() {
            log.add("removed", removed);
        }
        log.add("usage", &free);
        Ok(Some(answer))
    }

    /// All that an answer follows from: the question and what was said before, the models and their settings, the papers and
    /// the index over them.
    async fn key(&self, question: &Question, routed: Routed) -> Result<String, AgentError> {
        let index = self.library.index();
        let store = &self.library.store;
        let (revision, links) = (store.revision().await?, store.link_revision().await?);
        let names = |seats: &[super::desk::Seat]| -> Vec<String> {
            seats.iter().map(|seat| format!("{}:{}", seat.model.provider(), seat.model.model())).collect()
        };
        let Settings {
            max_output_tokens,
            evidence_tokens,
            rounds,
            model_judges,
            model_checks,
            repair,
            cache: _,
            dense_weight,
            instructions,
        } = &self.settings;
        let words: Vec<&str> = question.text().split_whitespace().collect();
        let all = json!({
            "way": WAY, "question": words.join(" "), "mode": question.mode, "filter": question.filter,
            "earlier": question.earlier, "papers": question.papers, "aspects": question.aspects, "by_question": routed.by_question,
            "cheap": names(&self.desk.models.cheap), "strong": names(&self.desk.models.strong),
            "settings": [json!(max_output_tokens), json!(evidence_tokens), json!(rounds), json!(repair)],
            "models_say": [model_judges, model_checks], "dense_weight": dense_weight, "instructions": instructions.as_ref(),
            "revision": revision, "links": links, "watermark": index.watermark(), "model": index.model(),
        });
        Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, all.to_string().as_bytes()).to_string())
    }
}
