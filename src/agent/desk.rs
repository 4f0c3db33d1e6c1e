//! Who is asked for what: the models by step, each beside the breaker of its provider. A provider that fails is left alone for
//! a while, and the next one is asked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::llm::{Breaker, ChatModel, Prices};

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Sub-questions and filters.
    Plan,
    /// How relevant what was found is.
    Judge,
    /// The answer.
    Draft,
    /// Sentences that did not hold, said anew.
    Repair,
    /// Whether sentences follow from what they cite.
    Entailment,
    /// What an answer is worth that is there already.
    Appraise,
}

impl Step {
    /// The name in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Judge => "judge",
            Self::Draft => "draft",
            Self::Repair => "repair",
            Self::Entailment => "entailment",
            Self::Appraise => "appraise",
        }
    }
}

/// A model, and whether its provider is left alone for now; models of one provider share that.
#[derive(Clone)]
pub struct Seat {
    /// Who is asked.
    pub model: Arc<dyn ChatModel>,
    /// Whether it may be asked now.
    pub breaker: Arc<Breaker>,
}

/// The models by what they do, each list in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Models {
    /// Who plans, judges and checks.
    pub cheap: Vec<Seat>,
    /// Who writes.
    pub strong: Vec<Seat>,
}

impl Models {
    /// Whether there is anybody who writes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strong.is_empty()
    }

    /// Who is asked for a step, in this order.
    #[must_use]
    pub fn of(&self, step: Step) -> &[Seat] {
        match step {
            Step::Plan | Step::Judge | Step::Entailment | Step::Appraise => &self.cheap,
            Step::Draft | Step::Repair => &self.strong,
        }
    }
}

/// The models, and what their calls may cost.
#[derive(Clone)]
pub struct Desk {
    /// Who is asked.
    pub models: Models,
    /// What tokens cost.
    pub prices: Arc<Prices>,
    /// What all calls of a month may cost; none without a cap.
    pub monthly_usd: Option<f64>,
    /// The time, for prices and breakers.
    pub clock: Clock,
}
