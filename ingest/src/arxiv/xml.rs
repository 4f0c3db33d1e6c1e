//! XML into a small tree of elements by local name, whatever the namespaces' prefixes.

use paper::SourceName;
use quick_xml::errors::Error as XmlError;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::{IngestError, text};

/// Deeper nesting is no feed; the limit keeps a hostile document from exhausting the stack.
const MAX_DEPTH: usize = 64;

/// An element with its attributes and content; names are local names.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Element {
    /// The name without its prefix.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    content: Vec<Node>,
}

#[derive(Debug, PartialEq)]
enum Node {
    Text(String),
    Element(Element),
}

impl Element {
    /// The elements directly below that have this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children().filter(move |child| child.name == name)
    }

    /// The first of them.
    pub(super) fn first(&self, name: &str) -> Option<&Element> {
        self.children().find(|child| child.name == name)
    }

    /// Every element directly below.
    pub(super) fn children(&self) -> impl Iterator<Item = &Element> {
        self.content.iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The single-spaced text, that of inner elements included; none when there is none.
    pub(super) fn text(&self) -> Option<String> {
        let mut all = String::new();
        self.gather(&mut all);
        text::present(&all)
    }

    /// The text of the first element of this name.
    pub(super) fn text_of(&self, name: &str) -> Option<String> {
        self.first(name).and_then(Element::text)
    }

    fn gather(&self, all: &mut String) {
        for node in &self.content {
            match node {
                Node::Text(text) => all.push_str(text),
                Node::Element(child) => child.gather(all),
            }
        }
    }
}

/// The root element of a document.
///
/// The five named entities of XML and numeric ones are resolved, others left as written; a document type
/// that defines entities of its own is refused, so nothing can be made to expand.
///
/// # Errors
/// [`IngestError::Malformed`], with what was seen and where.
pub(super) fn read(bytes: &[u8]) -> Result<Element, IngestError> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return Err(no_xml(bytes));
    }
    let mut reader = Reader::from_str(text);
    let mut builder = Builder::default();
    loop {
        let event = reader.read_event().map_err(|error| broken(bytes, reader.error_position(), &error))?;
        if matches!(event, Event::Eof) {
            return builder.finish(bytes);
        }
        builder.take(event).map_err(|what| malformed(Some(reader.buffer_position()), what))?;
    }
}

#[derive(Default)]
struct Builder {
    open: Vec<Element>,
    root: Option<Element>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(tag) => self.start(&tag)?,
            Event::Empty(tag) => {
                self.start(&tag)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.text(&resolve(&reference)?),
            Event::DocType(kind) => refuse_entities(&kind)?,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("elements are nested more than {MAX_DEPTH} deep"));
        }
        let mut element = Element { name: tag.local_name().as_ref().to_owned(), ..Element::default() };
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| format!("a broken attribute of <{}>: {error}", element.name))?;
            let key = attribute.key.local_name().as_ref().to_owned();
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_or_else(|_| attribute.value.to_string(), |v| v.into_owned());
            element.attributes.push((key, value));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.content.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.content.push(Node::Text(text.to_owned()));
        }
    }

    fn finish(self, bytes: &[u8]) -> Result<Element, IngestError> {
        match (self.root, self.open.last()) {
            (_, Some(inner)) => {
                let within = format!("the document ends in the middle, inside <{}>,", inner.name);
                Err(malformed(Some(bytes.len() as u64), within))
            }
            (Some(root), None) if root.name.eq_ignore_ascii_case("html") => Err(no_xml(bytes)),
            (Some(root), None) => Ok(root),
            (None, None) => Err(malformed(Some(bytes.len() as u64), "the document has no element".to_owned())),
        }
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character.to_string());
    }
    Ok(resolve_xml_entity(reference).map_or_else(|| format!("&{};", &**reference), str::to_owned))
}

fn refuse_entities(kind: &str) -> Result<(), String> {
    let internal = kind.contains('[') || kind.to_ascii_uppercase().contains("!ENTITY");
    if internal { Err("a document type with entities of its own, which are not expanded,".to_owned()) } else { Ok(()) }
}

/// A page of HTML is rarely good XML, so it is told by its beginning before the reader's complaint.
fn broken(bytes: &[u8], position: u64, error: &XmlError) -> IngestError {
    if text::describe(bytes) == "an HTML page" {
        return no_xml(bytes);
    }
    match error {
        XmlError::Syntax(_) => {
            malformed(Some(bytes.len() as u64), format!("the document ends in the middle ({error})"))
        }
        _ => malformed(Some(position), format!("broken XML ({error})")),
    }
}

fn no_xml(bytes: &[u8]) -> IngestError {
    let seen = text::describe(bytes);
    // arXiv says so in plain words, whatever the status.
    if seen.to_ascii_lowercase().contains("rate exceeded") {
        return IngestError::RateLimited { retry_after: None };
    }
    malformed(None, seen)
}

fn not_utf8(bytes: &[u8], valid: usize) -> IngestError {
    let seen = text::describe(bytes);
    let what = if seen == "XML" { "bytes that are not UTF-8".to_owned() } else { seen };
    malformed(Some(valid as u64), what)
}

fn malformed(position: Option<u64>, what: String) -> IngestError {
    IngestError::Malformed { origin: SourceName::Arxiv, position, what }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(document: &str) -> String {
        read(document.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn names_lose_their_prefix_and_text_its_wrapping() {
        let document = "<?xml version='1.0'?><!-- c --><a:feed xmlns:a='urn:x'><a:t k='&lt;1&#62;'>Fermi &amp; \
                        <i>Bose</i>\n  <![CDATA[a < b]]> &#x3B1;&eacute;</a:t><empty/></a:feed>";
        let root = read(document.as_bytes()).unwrap();
        assert_eq!(root.name, "feed");
        assert_eq!(root.text_of("t").unwrap(), "Fermi & Bose a < b α&eacute;");
        assert_eq!(root.first("t").unwrap().attribute("k"), Some("<1>"));
        assert_eq!(root.children().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["t", "empty"]);
        assert_eq!(root.text_of("empty"), None);
    }

    #[test]
    fn a_document_that_stops_says_where() {
        for (document, place) in [
            ("<feed><entry><title>Half", "inside <title>, at byte 24"),
            ("<feed><entry></entry", "at byte 20"),
            ("<feed><!-- ", "at byte 11"),
            ("<feed", "at byte 5"),
        ] {
            let text = error(document);
            assert!(text.contains("ends in the middle") && text.ends_with(place), "{document}: {text}");
        }
        assert!(error("<a><b></a></b>").contains("broken XML"), "{}", error("<a><b></a></b>"));
        assert!(error("<!-- nothing -->").contains("no element"));
    }

    #[test]
    fn what_is_no_xml_is_named() {
        for (document, what) in [
            ("<!DOCTYPE html><html><body><br></body></html>", "an HTML page"),
            ("<html><head></head></html>", "an HTML page"),
            ("{\"data\": []}", "JSON"),
            ("", "an empty body"),
            ("Gone fishing", "text: `Gone fishing`"),
        ] {
            assert_eq!(error(document), format!("not readable as an answer of arxiv: {what}"));
        }
        assert!(matches!(read(b"Rate exceeded."), Err(IngestError::RateLimited { retry_after: None })));
        let latin = read(b"<t>caf\xe9</t>").unwrap_err().to_string();
        assert!(latin.ends_with("bytes that are not UTF-8 at byte 6"), "{latin}");
    }

    #[test]
    fn entities_are_never_expanded() {
        let bomb = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><feed>&lol2;</feed>";
        assert!(error(bomb).contains("entities of its own"), "{}", error(bomb));
        let outside = "<!DOCTYPE feed SYSTEM \"file:///etc/passwd\"><feed>&x;</feed>";
        assert_eq!(read(outside.as_bytes()).unwrap().text().unwrap(), "&x;");
    }

    #[test]
    fn bottomless_nesting_is_refused() {
        assert!(error(&"<a>".repeat(100_000)).contains("nested more than 64 deep"));
    }

    proptest! {
        #[test]
        fn text_comes_through_whatever_it_holds(words in prop::collection::vec("[^\\p{C}\\s]{1,8}", 1..8)) {
            let plain = words.join(" ");
            let document = format!("<t>{}</t>", quick_xml::escape::escape(plain.as_str()));
            prop_assert_eq!(read(document.as_bytes()).unwrap().text().unwrap(), plain);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[<>&;a/!\\[\\]?\"'= -]{0,40}") {
            let _ = (read(&bytes), read(text.as_bytes()));
        }
    }
}
