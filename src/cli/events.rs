//! Server-sent events of our own server, cut out of a stream: a pure function over bytes, however they are split.

/// The parser's state between two pieces of a stream. The format is the WHATWG HTML standard, section 9.2, of which the
/// server uses lines that end in a line feed, one `data` line an event, and comments.
#[derive(Debug, Default)]
pub(crate) struct EventLines {
    line: Vec<u8>,
    kind: String,
    data: Option<String>,
}

impl EventLines {
    /// The events that end within these bytes, as kind and data.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<(String, String)> {
        let mut events = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                events.extend(self.end_line());
            } else {
                self.line.push(byte);
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<(String, String)> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            return self.data.take().map(|data| (kind, data));
        }
        match line.split_once(':').map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value))) {
            Some(("event", kind)) => kind.clone_into(&mut self.kind),
            Some(("data", data)) => self.data = Some(data.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_are_told_when_they_are_whole_and_comments_are_none() {
        let mut events = EventLines::default();
        assert_eq!(events.push(b": keep-alive\n\nid: 1\nevent: progress\ndata: {\"done\": "), []);
        let expected = ("progress".to_owned(), "{\"done\": 1}".to_owned());
        assert_eq!(events.push(b"1}\n\nevent: report\ndata:{}"), [expected]);
        assert_eq!(events.push(b"\n\n\n"), [("report".to_owned(), "{}".to_owned())]);
    }

    proptest! {
        #[test]
        fn however_a_stream_is_split_its_events_are_the_same(
            told in prop::collection::vec(("[a-z]{1,8}", "\\PC{1,20}"), 0..6), cut in 1_usize..9
        ) {
            let stream: String =
                told.iter().map(|(kind, data)| format!("event: {kind}\ndata: {data}\n\n")).collect();
            let mut events = EventLines::default();
            let read: Vec<_> = stream.as_bytes().chunks(cut).flat_map(|piece| events.push(piece)).collect();
            prop_assert_eq!(read, told);
        }
    }
}
