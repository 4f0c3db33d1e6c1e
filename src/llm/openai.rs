//! OpenAI's dialect, and that of the many servers that speak it more or less.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use reqwest::Url;

use super::{
    ChatModel, ChatRequest, LlmError, ProviderSettings, Thinking,
    client::{Client, Dialect},
    settings::{Checked, Names, below, table},
    wire::Request,
};

pub(crate) const NAMES: Names = Names {
    provider: "openai",
    key: "llm.openai.api_key (or OPENAI_API_KEY)",
    url: "llm.openai.base_url",
    model: "llm.openai.model",
    own_host: "api.openai.com",
};

pub(crate) struct OpenAi {
    base: Url,
    model: String,
    /// The longest answer in tokens, where it is known.
    max_output: Option<u32>,
    family: Family,
    /// The server has refused `stream_options`; usage is then unknown in streams, unless it is sent unasked.
    without_stream_options: AtomicBool,
}

/// Models that take other parameters than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Takes `temperature` and `max_tokens`.
    Usual,
    /// Thinks by itself: `max_completion_tokens`, no temperature, `reasoning_effort` down to `low`.
    Reasoning,
    /// As `Reasoning`, with `minimal` below `low`.
    Gpt5,
}

impl Family {
    /// By name, without the publisher that gateways put before it: `gpt-5` and what follows it, `o1`, `o3-mini`.
    pub(crate) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model).to_lowercase();
        let begins = |text: &str| name.starts_with(text);
        let digits = name.strip_prefix('o').map_or(0, |rest| rest.chars().take_while(char::is_ascii_digit).count());
        let after = name.chars().nth(digits + 1);
        if name == "gpt-5" || begins("gpt-5-") {
            Self::Gpt5
        } else if begins("gpt-5.") || (digits > 0 && matches!(after, None | Some('-'))) {
            Self::Reasoning
        } else {
            Self::Usual
        }
    }

    fn effort(self, thinking: Thinking) -> Option<&'static str> {
        match (self, thinking) {
            (Self::Usual, _) | (_, Thinking::On) => None,
            (Self::Gpt5, Thinking::Off) => Some("minimal"),
            (Self::Reasoning, Thinking::Off) | (_, Thinking::Low) => Some("low"),
            (_, Thinking::High | Thinking::Max) => Some("high"),
        }
    }
}

pub(crate) fn build(settings: ProviderSettings) -> Result<Arc<dyn ChatModel>, LlmError> {
    let checked = Checked::new(&settings, &NAMES)?;
    let dialect = OpenAi::new(&checked, &settings.model)?;
    Client::shared(&settings, checked, dialect)
}

impl OpenAi {
    pub(crate) fn new(checked: &Checked, name: &str) -> Result<Self, LlmError> {
        let model = name.trim().to_owned();
        let (base, family) = (checked.base.clone(), Family::of(&model));
        let max_output = table()?.limits(&model).map(|limits| limits.max_output);
        Ok(Self { base, model, max_output, family, without_stream_options: AtomicBool::new(false) })
    }
}

impl Dialect for OpenAi {
    fn model(&self) -> &str {
        &self.model
    }

    fn url(&self, _request: &ChatRequest) -> Url {
        below(&self.base, &["chat", "completions"])
    }

    fn body<'a>(&'a self, request: &'a ChatRequest, stream: bool) -> Result<Request<'a>, String> {
        let mut body = Request::new(&self.model, self.max_output, request, stream);
        if self.without_stream_options.load(Ordering::Relaxed) {
            body.stream_options = None;
        }
        if self.family != Family::Usual {
            body.max_completion_tokens = body.max_tokens.take();
            body.temperature = None;
            body.reasoning_effort = request.thinking.and_then(|thinking| self.family.effort(thinking));
        }
        Ok(body)
    }

    fn adapt(&self, sent: &Request<'_>, refusal: &str) -> bool {
        let about_it = refusal.contains("stream_options") || refusal.contains("include_usage");
        let adapted = about_it && sent.stream_options.is_some();
        if adapted {
            self.without_stream_options.store(true, Ordering::Relaxed);
        }
        adapted
    }
}
