//! Turns the bytes of an answer into [`ChatEvent`]s, however they are split and whichever of the two shapes they have:
//! one JSON document, or a stream of events. No I/O.

use std::{collections::VecDeque, sync::Arc};

use super::{
    ChatEvent, FinishReason, LlmError, Usage,
    calls::Calls,
    rejection,
    sse::SseParser,
    who::Who,
    wire::{Answer, Choice, Parts, WireUsage},
};

/// The largest event of a stream, in bytes; usual ones have some hundred.
const LARGEST_EVENT: usize = 1 << 20;
/// The largest answer in one document, in bytes.
pub(crate) const LARGEST_DOCUMENT: usize = 32 << 20;
/// The longest stream, in bytes: four times the longest answer that is sold, an event for each token.
const LONGEST_STREAM: usize = 512 << 20;

/// The reading of one answer.
#[derive(Clone)]
pub(crate) struct Reader {
    who: Arc<Who>,
    shape: Shape,
    bytes_read: usize,
    progress: Progress,
}

/// Which of the two shapes the answer has. The first byte that is not blank decides: DeepSeek sends empty lines before
/// a document while it waits, and some servers name the wrong content type or ignore `stream`.
#[derive(Clone)]
enum Shape {
    Undecided,
    Document(Vec<u8>),
    Events(SseParser),
}

impl Reader {
    /// `json`: blanks at the beginning are not an answer yet, and blanks alone are none.
    pub(crate) fn new(who: Arc<Who>, json: bool) -> Self {
        let progress = Progress { blanks_count: !json, ..Progress::default() };
        Self { who, shape: Shape::Undecided, bytes_read: 0, progress }
    }

    /// Reads the next bytes, and appends the events that they complete. Events before an error stand.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        self.bytes_read = self.bytes_read.saturating_add(bytes.len());
        if self.bytes_read > LONGEST_STREAM {
            return Err(self.who.malformed("it has no end"));
        }
        match &mut self.shape {
            Shape::Undecided => self.decide(bytes, out),
            Shape::Document(document) => {
                document.extend_from_slice(bytes);
                self.check_document()
            }
            Shape::Events(_) => self.push_events(bytes, out),
        }
    }

    /// The body is over.
    pub(crate) fn finish(&mut self, out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        match &mut self.shape {
            Shape::Undecided => Err(self.who.incomplete("the connection was closed before the first word")),
            Shape::Document(document) => {
                let document = std::mem::take(document);
                self.read_document(&document, out)
            }
            Shape::Events(parser) => {
                let rest = parser.finish();
                self.finish_events(rest, out)
            }
        }
    }

    /// Reading has to stop because of `error`. That is the end of a good answer if the model had said why it stopped:
    /// only `[DONE]` is missing then.
    pub(crate) fn cut(&mut self, error: LlmError, out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        if self.progress.finish.is_none() {
            return Err(error);
        }
        self.progress.conclude(&self.who, out)
    }

    /// Whether the answer proper has begun. Blanks and keep-alives do not count, nor does the empty event with which
    /// many streams begin: a model may think long after it, without a sign.
    pub(crate) fn has_begun(&self) -> bool {
        self.progress.said || matches!(self.shape, Shape::Document(_))
    }

    /// Whether [`ChatEvent::Finish`] has been given out.
    pub(crate) fn is_done(&self) -> bool {
        self.progress.done
    }

    /// The model as the server named it.
    pub(crate) fn model(&self) -> Option<&str> {
        self.progress.model.as_deref()
    }

    fn decide(&mut self, bytes: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        // The bytes of a byte order mark are skipped too.
        let blank = |byte: &u8| byte.is_ascii_whitespace() || [0xEF, 0xBB, 0xBF].contains(byte);
        let Some(start) = bytes.iter().position(|byte| !blank(byte)) else { return Ok(()) };
        let (_, rest) = bytes.split_at(start);
        // A line of a stream begins with a colon or with data, event, id or retry.
        if rest.first().is_some_and(|first| b":deir".contains(first)) {
            self.shape = Shape::Events(SseParser::new(LARGEST_EVENT));
            return self.push_events(rest, out);
        }
        self.shape = Shape::Document(rest.to_vec());
        self.check_document()
    }

    fn check_document(&self) -> Result<(), LlmError> {
        match &self.shape {
            Shape::Document(document) if document.len() > LARGEST_DOCUMENT => {
                Err(self.who.malformed("it is larger than 32 MiB"))
            }
            _ => Ok(()),
        }
    }

    fn read_document(&mut self, document: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        let answer: Answer = serde_json::from_slice(document).map_err(|error| self.not_json(document, &error))?;
        if answer.error.is_none() && answer.choices.as_ref().is_none_or(Vec::is_empty) {
            return Err(self.who.malformed("it holds no choices"));
        }
        self.progress.take(answer, &self.who, out)?;
        self.progress.conclude(&self.who, out)
    }

    fn not_json(&self, document: &[u8], error: &serde_json::Error) -> LlmError {
        let text = String::from_utf8_lossy(document);
        if error.is_eof() {
            return self.who.incomplete("the document ends too early");
        }
        let what = rejection::page_title(&text).unwrap_or_else(|| format!("{error}, in: {text}"));
        self.who.malformed(&what)
    }

    fn push_events(&mut self, bytes: &[u8], out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        let Shape::Events(parser) = &mut self.shape else { return Ok(()) };
        let mut events = Vec::new();
        let pushed = parser.push(bytes, &mut events);
        for event in events {
            self.read_event(&event, out)?;
            if self.progress.done {
                return Ok(());
            }
        }
        pushed.map_err(|_| self.who.malformed("an event of the stream is larger than 1 MiB"))
    }

    fn read_event(&mut self, data: &str, out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        match data.trim() {
            "" => Ok(()),
            "[DONE]" => self.progress.conclude(&self.who, out),
            data => {
                let answer = serde_json::from_str(data)
                    .map_err(|error| self.who.malformed(&format!("{error}, in the event: {data}")))?;
                self.progress.take(answer, &self.who, out)
            }
        }
    }

    /// `rest` is an event without the empty line that should close it. When it is not whole, it is what is left of a
    /// stream that broke off, and not a malformed event.
    fn finish_events(&mut self, rest: Option<String>, out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        let whole = |rest: &String| rest.trim() == "[DONE]" || serde_json::from_str::<Answer>(rest).is_ok();
        if let Some(rest) = rest.filter(whole) {
            self.read_event(&rest, out)?;
        }
        if self.progress.done {
            return Ok(());
        }
        let missing = if self.progress.said {
            "the stream ended in mid-answer"
        } else {
            "the stream ended before the first word"
        };
        self.cut(self.who.incomplete(missing), out)
    }
}

/// What is known of the answer so far.
#[derive(Clone, Default)]
struct Progress {
    /// Whether text that is only blanks is an answer.
    blanks_count: bool,
    /// Whether text, thoughts or tool calls have begun.
    said: bool,
    /// Whether text was given out.
    spoke: bool,
    calls: Calls,
    finish: Option<String>,
    usage: Option<Usage>,
    model: Option<String>,
    done: bool,
}

impl Progress {
    /// Usage comes with the last words (DeepSeek), in an event of its own without choices after them (OpenAI), or in
    /// every event, growing: the last one counts.
    fn take(&mut self, answer: Answer, who: &Who, out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        if let Some(error) = answer.error {
            return Err(rejection::error_in_answer(who, error.into_object()));
        }
        self.usage = answer.usage.and_then(WireUsage::into_usage).or(self.usage);
        self.model = answer.model.filter(|name| !name.is_empty()).or(self.model.take());
        for choice in answer.choices.unwrap_or_default().into_iter().filter(Choice::is_first) {
            self.take_choice(choice, out);
        }
        Ok(())
    }

    fn take_choice(&mut self, mut choice: Choice, out: &mut VecDeque<ChatEvent>) {
        let finish = choice.finish_reason.take().filter(|reason| !reason.is_empty());
        let Parts { reasoning, text, calls, whole_calls } = choice.into_parts();
        if !reasoning.is_empty() {
            self.said = true;
            out.push_back(ChatEvent::Reasoning(reasoning));
        }
        let text = if self.spoke || self.blanks_count { text } else { text.trim_start().to_owned() };
        if !text.is_empty() {
            (self.said, self.spoke) = (true, true);
            out.push_back(ChatEvent::Text(text));
        }
        for call in calls {
            self.said = true;
            if whole_calls { self.calls.add_whole(call) } else { self.calls.add_piece(call) }
        }
        self.finish = finish.or(self.finish.take());
    }

    /// The answer is over: gives out its tool calls and the last event, if there was an answer.
    fn conclude(&mut self, who: &Who, out: &mut VecDeque<ChatEvent>) -> Result<(), LlmError> {
        let unusable = |message: &str| LlmError::Unusable {
            provider: who.provider(),
            message: message.to_owned(),
            usage: self.usage,
        };
        let reason = match self.finish.as_deref() {
            Some("insufficient_system_resource") => {
                return Err(unusable("it gave up in mid-answer for want of resources"));
            }
            Some(reason) => FinishReason::from_wire(reason),
            None if !self.calls.is_empty() => FinishReason::ToolCalls,
            None if self.spoke => FinishReason::Stop,
            None => return Err(who.incomplete("it ended without a word and without a reason")),
        };
        let ended_by_itself = matches!(reason, FinishReason::Stop | FinishReason::Length);
        if !self.blanks_count && !self.spoke && self.calls.is_empty() && ended_by_itself {
            return Err(unusable("JSON was asked for and blanks came"));
        }
        let cut = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        let calls = self.calls.finish(cut).ok_or_else(|| who.malformed("a tool call names no tool"))?;
        if !calls.is_empty() {
            out.push_back(ChatEvent::ToolCalls(calls));
        }
        self.done = true;
        out.push_back(ChatEvent::Finish { reason, usage: self.usage });
        Ok(())
    }
}
