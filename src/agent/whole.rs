//! What a model says where only the whole of it is of use: plans, repairs and tables, each one JSON object.

use futures::StreamExt;
use serde::de::DeserializeOwned;

use super::purse::Call;
use super::write::ended_early;
use crate::llm::{ChatEvent, ChatRequest, LlmError, Message, Thinking, Usage};

/// The request for one JSON object, said in the same words whenever the same is asked. (A message has to speak of JSON.)
pub(super) fn object_request(messages: Vec<Message>, longest: u32) -> ChatRequest {
    ChatRequest {
        messages,
        temperature: Some(0.0),
        max_tokens: Some(longest),
        json: true,
        thinking: Some(Thinking::Off),
        ..ChatRequest::default()
    }
}

/// All that came of a call, which has yet to be settled.
pub(super) struct Whole {
    pub text: String,
    /// None when the provider did not say.
    pub usage: Option<Usage>,
    /// Why it is not whole.
    pub fault: Option<LlmError>,
}

impl Whole {
    /// Reads a call to its end.
    pub async fn of(call: &mut Call) -> Self {
        let whole = Self::read(call).await;
        call.receipt.note_said(&whole.text);
        whole
    }

    async fn read(call: &mut Call) -> Self {
        let mut text = String::new();
        loop {
            let next = call.stream.next().await;
            match next.unwrap_or_else(|| Err(ended_early(call.receipt.seat.model.provider()))) {
                Ok(ChatEvent::Text(piece)) => text.push_str(&piece),
                Ok(ChatEvent::Finish { usage, .. }) => return Self { text, usage, fault: None },
                Ok(_) => {}
                Err(fault) => return Self { text, usage: fault.usage(), fault: Some(fault) },
            }
        }
    }

    /// The object that it is, also where fences or words stand around it; none when it is no such object, or not whole.
    pub fn object<T: DeserializeOwned>(&self) -> Option<T> {
        if self.fault.is_some() {
            return None;
        }
        let (start, end) = (self.text.find('{')?, self.text.rfind('}')?);
        serde_json::from_str(self.text.get(start..=end)?).ok()
    }
}
