//! A model that is asked for plans, judgements, drafts, repairs and checks, and says to each what it is told to.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::provider::streamed;
use crate::provider_server::{Asked, Provider};
use crate::support::Home;

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    Plan,
    Judge,
    Draft,
    Repair,
    Entailment,
    Appraise,
}

impl Asks {
    pub fn of(asked: &Asked) -> Self {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let messages = body["messages"].as_array().unwrap();
        let instruction = messages[0]["content"].as_str().unwrap();
        if instruction.starts_with("You plan searches") {
            Self::Plan
        } else if instruction.starts_with("You judge passages") {
            Self::Judge
        } else if instruction.starts_with("You check whether sentences") {
            Self::Entailment
        } else if instruction.starts_with("You judge an answer") {
            Self::Appraise
        } else if messages.last().unwrap()["content"].as_str().unwrap().starts_with("The sentences below stood") {
            Self::Repair
        } else {
            Self::Draft
        }
    }
}

/// The body of a request, as JSON.
pub fn body(asked: &Asked) -> Value {
    serde_json::from_str(&asked.body).unwrap()
}

/// The number that a paper is offered by in a prompt.
pub fn number_of(asked: &Asked, title: &str) -> usize {
    let passages = body(asked)["messages"][1]["content"].as_str().unwrap().to_owned();
    let before =
        passages.split_once(&format!("] {title}")).unwrap_or_else(|| panic!("`{title}` is not in {passages}")).0;
    before.rsplit_once('[').unwrap().1.parse().unwrap()
}

/// A model that says what a function of the step and the request gives: a status and the text of its answer.
pub fn model(says: impl Fn(Asks, &Asked) -> (u16, String) + Send + Sync + 'static) -> Provider {
    Provider::new(move |asked| {
        let (status, text) = says(Asks::of(asked), asked);
        let body = if status == 200 { streamed(&[&text]) } else { text };
        (status, body.into_bytes())
    })
}

/// Which steps a model was asked for, in their order.
pub fn steps(provider: &Provider) -> Vec<Asks> {
    provider.asked().iter().map(Asks::of).collect()
}

/// A value that a test changes while a model reads it.
pub type Shared<T> = Arc<Mutex<T>>;

pub fn shared<T>(value: T) -> Shared<T> {
    Arc::new(Mutex::new(value))
}

/// The sample library with DeepSeek as its model, which is not asked twice.
pub fn home_of(provider: &Provider) -> Home {
    Home::with_samples()
        .set("DEEPSEEK_API_KEY", "sk-planted-key-0123456789")
        .set("LECTERN__LLM__DEEPSEEK__BASE_URL", provider.address.clone())
        .set("LECTERN__LLM__MAX_RETRIES", "0")
}
