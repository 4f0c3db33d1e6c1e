//! DeepSeek's dialect: retired names, thinking, going on from a prefix, and strict tools.

use std::sync::Arc;

use reqwest::Url;

use super::{
    ChatModel, ChatRequest, LlmError, Message, ProviderSettings, Role, Thinking,
    client::{Client, Dialect, continues},
    settings::{Checked, Names, below, table},
    wire::{Request, Turn, Typed},
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
    /// The longest answer in tokens, where it is known.
    max_output: Option<u32>,
    /// What a retired name implies.
    thinking: Option<Thinking>,
    /// What is done when nobody says anything about thinking; not known on other addresses than DeepSeek's own.
    usual: Option<Thinking>,
}

pub(crate) fn build(settings: ProviderSettings) -> Result<Arc<dyn ChatModel>, LlmError> {
    let checked = Checked::new(&settings, &NAMES)?;
    let dialect = DeepSeek::new(&checked, &settings.model)?;
    Client::shared(&settings, checked, dialect)
}

impl DeepSeek {
    pub(crate) fn new(checked: &Checked, name: &str) -> Result<Self, LlmError> {
        let name = name.trim();
        let prices = table()?;
        let successor = prices.successor(name).filter(|_| checked.own);
        let model = successor.map_or(name, |successor| &successor.model).to_owned();
        Ok(Self {
            base: checked.base.clone(),
            max_output: prices.limits(&model).map(|limits| limits.max_output),
            model,
            thinking: successor.map(|successor| successor.thinking.into()),
            usual: checked.own.then_some(Thinking::On),
        })
    }

    /// Whether and how hard the model thinks about a request, where that has to be sent. What goes on from its own
    /// words has been thought about: thoughts would come behind the words that they lead to.
    fn thinking(&self, request: &ChatRequest) -> Option<Thinking> {
        if continues(request) { Some(Thinking::Off) } else { request.thinking.or(self.thinking) }
    }
}

impl Dialect for DeepSeek {
    fn model(&self) -> &str {
        &self.model
    }

    fn can_continue(&self) -> bool {
        true
    }

    /// Going on from a prefix and strict tools live at `/beta`, in place of `/v1`.
    fn url(&self, request: &ChatRequest) -> Url {
        let strict = request.tools.iter().any(|tool| tool.strict);
        if continues(request) || strict {
            return below(&root(&self.base), &["beta", "chat", "completions"]);
        }
        below(&self.base, &["chat", "completions"])
    }

    fn body<'a>(&'a self, request: &'a ChatRequest, stream: bool) -> Result<Request<'a>, String> {
        let thinking = self.thinking(request);
        if request.tool_choice.is_forced() && thinking.or(self.usual).is_some_and(|thinking| thinking != Thinking::Off)
        {
            return Err("a tool cannot be demanded while the model thinks; switch thinking off".to_owned());
        }
        let mut body = Request::new(&self.model, self.max_output, request, stream);
        send_thoughts_back(&mut body.messages, &request.messages);
        if let Some(last) = body.messages.last_mut() {
            last.prefix = continues(request);
        }
        if let Some(thinking) = thinking {
            let on = thinking != Thinking::Off;
            body.thinking = Some(Typed { kind: if on { "enabled" } else { "disabled" } });
            body.reasoning_effort = effort(thinking);
            // It would be ignored.
            body.temperature = body.temperature.filter(|_| !on);
        }
        Ok(body)
    }
}

/// The address without the last part of its path, where that stands for a version: `/v1`, which means nothing, or
/// `/beta`.
pub(crate) fn root(base: &Url) -> Url {
    let mut root = base.clone();
    if (base.path().ends_with("/v1") || base.path().ends_with("/beta"))
        && let Ok(mut segments) = root.path_segments_mut()
    {
        segments.pop();
    }
    root
}

/// In an exchange, which begins with what the user says, thoughts have to be sent back if tools were called, and are
/// ignored otherwise.
fn send_thoughts_back<'a>(turns: &mut [Turn<'a>], messages: &'a [Message]) {
    let mut turns = turns.iter_mut();
    for exchange in messages.chunk_by(|_, next| next.role != Role::User) {
        let called = exchange.iter().any(|message| !message.tool_calls.is_empty());
        for (message, turn) in exchange.iter().zip(turns.by_ref()) {
            let thought = message.role == Role::Assistant && !message.reasoning.is_empty();
            turn.reasoning_content = (called && thought).then_some(message.reasoning.as_str());
        }
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
