//! Cuts a stream of server-sent events into events: a pure function over bytes, however they are split.
//!
//! The format is the WHATWG HTML standard, section 9.2. Only the data of an event is kept: models' streams do not use
//! names, ids or reconnection times.

/// An event grew over the limit, or a line did that has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// The parser's state between two pieces of a stream.
#[derive(Debug, Clone)]
pub(crate) struct SseParser {
    limit: usize,
    line: Vec<u8>,
    /// The `data` lines of the event so far; `None` when it has none.
    data: Option<Vec<u8>>,
    after_cr: bool,
    first_line: bool,
}

impl SseParser {
    /// `limit`: the most bytes that one event may have.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), data: None, after_cr: false, first_line: true }
    }

    /// Reads the next bytes, and appends the data of every event that ends within them.
    pub(crate) fn push(&mut self, bytes: &[u8], events: &mut Vec<String>) -> Result<(), TooLong> {
        for &byte in bytes {
            let follows_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => self.end_line(events),
                _ => {
                    self.line.push(byte);
                    if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > self.limit {
                        return Err(TooLong);
                    }
                }
            }
        }
        Ok(())
    }

    /// The stream is over: the event that was not closed by an empty line, if there is one. By the standard it is to
    /// be dropped; servers do forget the empty line, so it is for the caller to see whether it is whole.
    pub(crate) fn finish(&mut self) -> Option<String> {
        self.end_line(&mut Vec::new());
        self.take_event()
    }

    fn end_line(&mut self, events: &mut Vec<String>) {
        let line = std::mem::take(&mut self.line);
        let line = if std::mem::take(&mut self.first_line) { line.strip_prefix(BOM).unwrap_or(&line) } else { &line };
        if line.is_empty() {
            events.extend(self.take_event());
        } else if let Some(value) = field(line, b"data") {
            self.append(value);
        }
    }

    fn append(&mut self, value: &[u8]) {
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
    }

    fn take_event(&mut self) -> Option<String> {
        let data = self.data.take()?;
        Some(String::from_utf8_lossy(&data).into_owned())
    }
}

/// The value of a line, when its field is `name`. A comment begins with a colon, and so has the empty name.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}
