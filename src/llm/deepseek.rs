//! DeepSeek's dialect: retired names, thinking, and going on from a prefix.

use std::sync::Arc;

use reqwest::Url;

use super::{
    ChatModel, ChatRequest, LlmError, Prices, ProviderSettings, Thinking,
    client::{Client, Dialect, continues},
    settings::{Checked, Names, below},
    wire::{Request, Typed},
};

pub(crate) const NAMES: Names = Names {
    provider: "deepseek",
    key: "llm.deepseek.api_key (or DEEPSEEK_API_KEY)",
    url: "llm.deepseek.base_url",
    model: "llm.deepseek.model",
    own_host: "api.deepseek.com",
};

pub(crate) struct DeepSeek {
    base: Url,
    model: String,
    /// What a retired name implies.
    thinking: Option<Thinking>,
}

pub(crate) fn build(settings: ProviderSettings) -> Result<Arc<dyn ChatModel>, LlmError> {
    let checked = Checked::new(&settings, &NAMES)?;
    let dialect = DeepSeek::new(&checked, &settings.model)?;
    Client::shared(&settings, checked, dialect)
}

impl DeepSeek {
    pub(crate) fn new(checked: &Checked, name: &str) -> Result<Self, LlmError> {
        let name = name.trim();
        let base = checked.base.clone();
        if !checked.own {
            return Ok(Self { base, model: name.to_owned(), thinking: None });
        }
        let prices = Prices::bundled().map_err(|error| LlmError::Misconfigured {
            setting: "the table of prices".to_owned(),
            message: error.to_string(),
        })?;
        let successor = prices.successor(name);
        let model = successor.map_or(name, |successor| &successor.model).to_owned();
        Ok(Self { base, model, thinking: successor.map(|successor| successor.thinking.into()) })
    }
}

impl Dialect for DeepSeek {
    fn model(&self) -> &str {
        &self.model
    }

    /// Going on from a prefix lives at `/beta`, in place of `/v1`.
    fn url(&self, request: &ChatRequest) -> Url {
        if !continues(request) {
            return below(&self.base, &["chat", "completions"]);
        }
        let mut base = self.base.clone();
        if base.path().ends_with("/v1")
            && let Ok(mut segments) = base.path_segments_mut()
        {
            segments.pop();
        }
        let beta: &[&str] = if base.path().ends_with("/beta") { &[] } else { &["beta"] };
        below(&base, &[beta, &["chat", "completions"]].concat())
    }

    fn body<'a>(&'a self, request: &'a ChatRequest, stream: bool) -> Result<Request<'a>, String> {
        let mut body = Request::new(&self.model, request, stream);
        if let Some(last) = body.messages.last_mut() {
            last.prefix = continues(request);
        }
        if let Some(thinking) = request.thinking.or(self.thinking) {
            let on = thinking != Thinking::Off;
            body.thinking = Some(Typed { kind: if on { "enabled" } else { "disabled" } });
            body.reasoning_effort = effort(thinking);
            // It would be ignored.
            body.temperature = body.temperature.filter(|_| !on);
        }
        Ok(body)
    }
}

fn effort(thinking: Thinking) -> Option<&'static str> {
    match thinking {
        Thinking::Off | Thinking::On => None,
        Thinking::Low => Some("low"),
        Thinking::High => Some("high"),
        Thinking::Max => Some("max"),
    }
}
