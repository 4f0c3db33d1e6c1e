//! Puts the pieces of tool calls together as a stream brings them. No I/O.

use super::{
    ToolCall,
    wire::{Arguments, CallPart},
};

/// The calls of one answer so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Vec<Pending>);

#[derive(Debug, Clone, Default)]
struct Pending {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in a piece of a stream. The index tells which call it belongs to. Servers without one send whole calls, or
    /// begin each call with its id or name; some number every call 0 and tell them apart by the id only.
    pub(crate) fn add_piece(&mut self, part: CallPart) {
        let part = Pending::from(part);
        let known = self.0.iter_mut().rev().find(|call| call.goes_on_with(&part));
        match known {
            Some(call) => call.append(part),
            None => self.0.push(part),
        }
    }

    /// Takes in a call that is whole.
    pub(crate) fn add_whole(&mut self, part: CallPart) {
        self.0.push(part.into());
    }

    /// The calls, now that the answer is over. `cut`: it was broken off, and a call that is not all there is left out,
    /// since half a call may do something else than the whole one. `None`: a call names no tool.
    pub(crate) fn finish(&mut self, cut: bool) -> Option<Vec<ToolCall>> {
        let calls = std::mem::take(&mut self.0).into_iter().enumerate();
        calls.filter(|(_, call)| !cut || call.is_whole()).map(|(n, call)| call.into_call(n)).collect()
    }
}

impl Pending {
    fn goes_on_with(&self, part: &Self) -> bool {
        let another = !part.id.is_empty() && !self.id.is_empty() && part.id != self.id;
        let same_index = match (self.index, part.index) {
            (Some(mine), Some(other)) => mine == other,
            // Without an index, what has no name of its own goes on with the last call.
            _ => part.name.is_empty() || (!part.id.is_empty() && part.id == self.id),
        };
        !another && same_index
    }

    /// Some servers repeat the id and the name in every piece.
    fn append(&mut self, part: Self) {
        if self.id.is_empty() {
            self.id = part.id;
        }
        if self.name.is_empty() {
            self.name = part.name;
        }
        self.arguments.push_str(&part.arguments);
    }

    fn is_whole(&self) -> bool {
        let arguments = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&self.arguments);
        !self.name.is_empty() && arguments.is_ok()
    }

    fn into_call(self, n: usize) -> Option<ToolCall> {
        let id = if self.id.is_empty() { format!("call_{n}") } else { self.id };
        let arguments = if self.arguments.trim().is_empty() { "{}".to_owned() } else { self.arguments };
        (!self.name.is_empty()).then_some(ToolCall { id, name: self.name, arguments })
    }
}

impl From<CallPart> for Pending {
    fn from(part: CallPart) -> Self {
        let function = part.function.unwrap_or_default();
        Self {
            index: part.index,
            id: part.id.unwrap_or_default(),
            name: function.name.unwrap_or_default(),
            arguments: function.arguments.map(Arguments::into_text).unwrap_or_default(),
        }
    }
}
