//! A [`ChatModel`] over the shared wire; what is a provider's own is its [`Dialect`].

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;
use reqwest::Url;
use tokio::time::Instant;

use super::{
    ChatModel, ChatReply, ChatRequest, ChatStream, LlmError, ProviderSettings, Role,
    reply::Collector,
    retry::RetryPolicy,
    settings::Checked,
    tools,
    transport::{Answered, Live, Transport},
    wire,
};

/// How a provider differs from the others.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// The model's name as it is sent.
    fn model(&self) -> &str;

    /// Whether a request may end with the model's own words.
    fn can_continue(&self) -> bool {
        false
    }

    /// Where to send a request.
    fn url(&self, request: &ChatRequest) -> Url;

    /// What to send; or why this provider cannot be asked this.
    fn body<'a>(&'a self, request: &'a ChatRequest, stream: bool) -> Result<wire::Request<'a>, String>;

    /// Learns from the refusal of what was `sent`; true when [`body`](Self::body) now gives something else.
    fn adapt(&self, _sent: &wire::Request<'_>, _refusal: &str) -> bool {
        false
    }
}

/// A client for one model of one provider.
pub(crate) struct Client<D> {
    dialect: D,
    transport: Transport,
    retry: RetryPolicy,
}

impl<D: Dialect> Client<D> {
    pub(crate) fn shared(
        settings: &ProviderSettings,
        checked: Checked,
        dialect: D,
    ) -> Result<Arc<dyn ChatModel>, LlmError> {
        let transport = Transport::new(settings, checked.who, &checked.base)?;
        Ok(Arc::new(Self { dialect, transport, retry: RetryPolicy::new(settings) }))
    }

    /// One attempt: sends the request, once more where the dialect learns from the refusal.
    async fn open(&self, request: &ChatRequest, stream: bool, deadline: Instant) -> Result<Live, LlmError> {
        let who = &self.transport.who;
        loop {
            let body = self.dialect.body(request, stream).map_err(|reason| who.bad_request(&reason))?;
            let post = self.transport.post(self.dialect.url(request)).json(&body);
            let refusal = match self.transport.send(post, deadline).await? {
                Answered::Accepted(response) => {
                    // Where the model goes on in the middle of a text, blanks at the beginning are part of it.
                    let json = request.json && !continues(request);
                    return Ok(self.transport.read(response, json, deadline));
                }
                Answered::Refused(refusal) => refusal,
            };
            let rejected = matches!(refusal.status, 400 | 422);
            if !(rejected && self.dialect.adapt(&body, &String::from_utf8_lossy(&refusal.body))) {
                return Err(refusal.into_error(who));
            }
        }
    }

    async fn whole(&self, request: &ChatRequest, deadline: Instant) -> Result<ChatReply, LlmError> {
        let mut live = self.open(request, false, deadline).await?;
        let mut collector = Collector::default();
        while let Some(event) = live.next().await {
            collector.add(event?);
        }
        let model = live.model().unwrap_or(self.dialect.model()).to_owned();
        collector.into_reply(model).ok_or_else(|| self.transport.who.incomplete("it ended without saying why"))
    }

    /// What would be refused, or paid for in vain, is better said before it is sent. An answer in JSON needs the word
    /// in the prompt, or DeepSeek sends blanks up to the limit and OpenAI refuses.
    fn check(&self, request: &ChatRequest) -> Result<(), LlmError> {
        let wrong = |message: &str| Err(self.transport.who.bad_request(message));
        let says_json = |text: &str| text.to_lowercase().contains("json");
        if request.json && !request.messages.iter().any(|message| says_json(&message.content)) {
            return wrong("JSON is asked for, but no message contains the word json");
        }
        if continues(request) && !self.can_continue() {
            return wrong("a request that ends with the assistant's own words is understood by DeepSeek only");
        }
        if continues(request) && request.messages.last().is_none_or(|last| last.content.trim().is_empty()) {
            return wrong("there is no text to go on from");
        }
        tools::check(request).or_else(|reason| wrong(&reason))
    }
}

#[async_trait]
impl<D: Dialect> ChatModel for Client<D> {
    fn provider(&self) -> &str {
        self.transport.who.name
    }

    fn model(&self) -> &str {
        self.dialect.model()
    }

    fn can_continue(&self) -> bool {
        self.dialect.can_continue()
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, LlmError> {
        self.check(request)?;
        let deadline = self.transport.deadline();
        let attempt = || async { self.open(request, true, deadline).await?.begin().await };
        let (mut live, wasted) = self.retry.run(self.provider(), deadline, attempt).await?;
        live.wasted = wasted;
        let pieces = stream::unfold(live, |mut live| async { live.next().await.map(|event| (event, live)) });
        Ok(Box::pin(pieces))
    }

    async fn complete(&self, request: &ChatRequest) -> Result<ChatReply, LlmError> {
        self.check(request)?;
        let deadline = self.transport.deadline();
        let attempt = || self.whole(request, deadline);
        let (mut reply, wasted) = self.retry.run(self.provider(), deadline, attempt).await?;
        if let Some(usage) = &mut reply.usage {
            *usage += wasted;
        }
        Ok(reply)
    }
}

/// Whether the model is asked to go on from its own words.
pub(crate) fn continues(request: &ChatRequest) -> bool {
    request.messages.last().is_some_and(|message| message.role == Role::Assistant && message.tool_calls.is_empty())
}
