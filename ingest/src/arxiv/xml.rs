//! XML read in one pass: each record is handed on as soon as it ends, and what stands around the records is left.
//! Elements go by their local names, whatever the namespaces' prefixes; names, attributes and text without entities
//! are borrowed from the document.

use std::borrow::Cow;

use paper::SourceName;
use quick_xml::errors::Error as XmlError;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::{IngestError, text};

/// Deeper nesting is no feed; the limit keeps a hostile document from exhausting the stack.
const MAX_DEPTH: usize = 64;

/// An element with its attributes and content; names are local names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'d> {
    /// The name without its prefix.
    pub(super) name: &'d str,
    attributes: &'d str,
    content: &'d [Item<'d>],
}

/// What a document is made of, in its order.
#[derive(Debug)]
enum Item<'d> {
    /// An element begins, whose content are the items that follow, so many.
    Element { name: &'d str, attributes: &'d str, length: usize },
    /// Text, with its entities resolved.
    Text(Cow<'d, str>),
}

impl<'d> Element<'d> {
    /// The elements directly below that have this name.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = Element<'d>> {
        self.children().filter(move |child| child.name == name)
    }

    /// The first of them.
    pub(super) fn first(self, name: &str) -> Option<Element<'d>> {
        self.children().find(|child| child.name == name)
    }

    /// Every element directly below.
    pub(super) fn children(self) -> impl Iterator<Item = Element<'d>> {
        let mut rest = self.content;
        std::iter::from_fn(move || {
            loop {
                let (item, after) = rest.split_first()?;
                rest = after;
                if let Item::Element { name, attributes, length } = item {
                    let (content, after) = rest.split_at_checked(*length)?;
                    rest = after;
                    return Some(Element { name, attributes, content });
                }
            }
        })
    }

    pub(super) fn attribute(self, name: &str) -> Option<Cow<'d, str>> {
        let mut attributes = Attributes::new(self.attributes, 0);
        let found = attributes.with_checks(false).flatten().find(|found| found.key.local_name().as_ref() == name)?;
        Some(found.normalized_value(XmlVersion::Implicit1_0).unwrap_or_else(|_| found.value.clone()))
    }

    /// The single-spaced text, that of inner elements included; none when there is none.
    pub(super) fn text(self) -> Option<String> {
        if let [Item::Text(text)] = self.content {
            return text::present(text);
        }
        let pieces = self.content.iter().map(|item| match item {
            Item::Text(text) => text.as_ref(),
            Item::Element { .. } => "",
        });
        text::present(&pieces.collect::<String>())
    }

    /// The text of the first element of this name.
    pub(super) fn text_of(self, name: &str) -> Option<String> {
        self.first(name).and_then(Element::text)
    }
}

/// What a document holds beside its records.
#[derive(Debug)]
pub(super) struct Document<'d> {
    items: Vec<Item<'d>>,
}

impl Document<'_> {
    /// The root element, without the records.
    pub(super) fn root(&self) -> Element<'_> {
        let nothing = Element { name: "", attributes: "", content: &[] };
        Element { content: &self.items, ..nothing }.children().next().unwrap_or(nothing)
    }
}

/// Where records stand: in an Atom feed, in a list of OAI-PMH, in RSS.
fn is_record(path: &[&str]) -> bool {
    matches!(path, ["feed", "entry"] | ["OAI-PMH", "ListRecords" | "GetRecord", "record"] | ["rss", "channel", "item"])
}

/// The text of a body. One odd byte in one abstract must not stop the walk through all of them at this page for good: it
/// becomes U+FFFD, and is told.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    // Checked as a whole first, which is several times as fast.
    std::str::from_utf8(bytes).map(Cow::Borrowed).unwrap_or_else(|error| {
        tracing::warn!(at = error.valid_up_to(), "arXiv sent bytes that are not UTF-8; each became U+FFFD");
        String::from_utf8_lossy(bytes)
    })
}

/// Hands on every record of a document in its order, and gives back the rest.
///
/// The five named entities of XML and numeric ones are resolved; others, and numbers of no character, are left as
/// written. A document type
/// that defines entities of its own is refused, so nothing can be made to expand.
///
/// # Errors
/// [`IngestError::Malformed`], with what was seen and where; the records before that were handed on all the same.
pub(super) fn read<'d>(text: &'d str, on_record: impl FnMut(Element<'_>)) -> Result<Document<'d>, IngestError> {
    let bytes = text.as_bytes();
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return Err(no_xml(bytes));
    }
    let mut reader = Reader::from_str(text);
    let mut builder = Builder { text, open: Vec::new(), rest: Vec::new(), record: Vec::new(), within: None, on_record };
    loop {
        let event = reader.read_event().map_err(|error| broken(bytes, reader.error_position(), &error))?;
        if matches!(event, Event::Eof) {
            return builder.finish(bytes);
        }
        builder
            .take(event, reader.buffer_position())
            .map_err(|what| malformed(Some(reader.buffer_position()), what))?;
    }
}

struct Builder<'d, F> {
    text: &'d str,
    /// The names of the elements that are open, with the place of each among its items.
    open: Vec<(&'d str, usize)>,
    rest: Vec<Item<'d>>,
    /// The record that is being read; its room is used again for the next.
    record: Vec<Item<'d>>,
    /// How deep the record stands that is being read.
    within: Option<usize>,
    on_record: F,
}

impl<'d, F: FnMut(Element<'_>)> Builder<'d, F> {
    fn take(&mut self, event: Event<'d>, end: u64) -> Result<(), String> {
        match event {
            Event::Start(tag) => self.start(&tag, end, 1)?,
            Event::Empty(tag) => {
                self.start(&tag, end, 2)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.push_text(text.xml10_content()),
            Event::CData(text) => self.push_text(text.xml10_content()),
            Event::GeneralRef(reference) => self.push_text(Cow::Owned(resolve(&reference))),
            Event::DocType(kind) => refuse_entities(&kind)?,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn items(&mut self) -> &mut Vec<Item<'d>> {
        if self.within.is_some() { &mut self.record } else { &mut self.rest }
    }

    /// `end` is where the tag ends, and `closing` how many bytes close it.
    fn start(&mut self, tag: &BytesStart<'_>, end: u64, closing: usize) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("elements are nested more than {MAX_DEPTH} deep"));
        }
        let (name, attributes) = self.borrowed(tag, end, closing).ok_or("a tag that cannot be found again")?;
        for attribute in tag.attributes() {
            attribute.map_err(|error| format!("a broken attribute of <{name}>: {error}"))?;
        }
        if self.within.is_none() {
            let outer: Vec<&str> = self.open.iter().take(3).map(|(name, _)| *name).chain([name]).collect();
            self.within = (self.open.len() < 3 && is_record(&outer)).then_some(self.open.len());
        }
        let place = self.items().len();
        self.items().push(Item::Element { name, attributes, length: 0 });
        self.open.push((name, place));
        Ok(())
    }

    /// The local name and the attributes of a tag, as they stand in the document.
    fn borrowed(&self, tag: &BytesStart<'_>, end: u64, closing: usize) -> Option<(&'d str, &'d str)> {
        let end = usize::try_from(end).ok()?.checked_sub(closing)?;
        let inside = self.text.get(end.checked_sub(tag.len())?..end)?;
        let (name, attributes) = inside.split_at_checked(tag.name().as_ref().len())?;
        Some((name.split_once(':').map_or(name, |(_, local)| local), attributes))
    }

    fn end(&mut self) {
        let Some((_, place)) = self.open.pop() else { return };
        let items = self.items();
        let inside = items.len().saturating_sub(place + 1);
        if let Some(Item::Element { length, .. }) = items.get_mut(place) {
            *length = inside;
        }
        if self.within == Some(self.open.len()) {
            self.within = None;
            let record = Element { name: "", attributes: "", content: &self.record }.children().next();
            record.into_iter().for_each(&mut self.on_record);
            self.record.clear();
        }
    }

    fn push_text(&mut self, text: Cow<'d, str>) {
        if !self.open.is_empty() {
            self.items().push(Item::Text(text));
        }
    }

    fn finish(self, bytes: &[u8]) -> Result<Document<'d>, IngestError> {
        if let Some((inner, _)) = self.open.last() {
            let within = format!("the document ends in the middle, inside <{inner}>,");
            return Err(malformed(Some(bytes.len() as u64), within));
        }
        let document = Document { items: self.rest };
        match document.root().name {
            "" => Err(malformed(Some(bytes.len() as u64), "the document has no element".to_owned())),
            root if root.eq_ignore_ascii_case("html") => Err(no_xml(bytes)),
            _ => Ok(document),
        }
    }
}

fn resolve(reference: &BytesRef<'_>) -> String {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => character.to_string(),
        _ => resolve_xml_entity(reference).map_or_else(|| format!("&{};", &**reference), str::to_owned),
    }
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

fn malformed(position: Option<u64>, what: String) -> IngestError {
    IngestError::Malformed { origin: SourceName::Arxiv, position, what }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(document: &str) -> Result<Document<'_>, IngestError> {
        read(document, |_| {})
    }

    fn error(document: &str) -> String {
        whole(document).unwrap_err().to_string()
    }

    #[test]
    fn names_lose_their_prefix_and_text_its_wrapping() {
        let document = "<?xml version='1.0'?><!-- c --><a:feed xmlns:a='urn:x'><a:t k='&lt;1&#62;'>Fermi &amp; \
                        <i>Bose</i>\n  <![CDATA[a < b]]> &#x3B1;&eacute;</a:t><empty/></a:feed>";
        let document = whole(document).unwrap();
        let root = document.root();
        assert_eq!(root.name, "feed");
        assert_eq!(root.text_of("t").unwrap(), "Fermi & Bose a < b α&eacute;");
        assert_eq!(root.first("t").unwrap().attribute("k").as_deref(), Some("<1>"));
        assert_eq!(root.children().map(|c| c.name).collect::<Vec<_>>(), ["t", "empty"]);
        assert_eq!(root.text_of("empty"), None);
    }

    #[test]
    fn records_are_handed_on_one_by_one_and_the_rest_stays() {
        for (document, names) in [
            ("<feed><id>f</id><a:entry k='1'><id>1</id></a:entry><x><entry/></x><entry/></feed>", ["id", "x"]),
            (
                "<OAI-PMH><request/><ListRecords><record><id>1</id></record><record/></ListRecords></OAI-PMH>",
                ["request", "ListRecords"],
            ),
            ("<rss><channel><item><id>1</id></item>\n<item/></channel><b><record/></b></rss>", ["channel", "b"]),
        ] {
            let mut records = Vec::new();
            let read = read(document, |record| records.push(record.text_of("id"))).unwrap();
            assert_eq!(records, [Some("1".to_owned()), None], "{document}");
            assert_eq!(read.root().children().map(|child| child.name).collect::<Vec<_>>(), names);
        }
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
        assert!(matches!(whole("Rate exceeded."), Err(IngestError::RateLimited { retry_after: None })));
    }

    #[test]
    fn an_odd_byte_or_a_number_of_no_character_costs_one_letter_and_no_page() {
        let document = decoded(b"<feed><t>caf\xe9 &#xD835;&#0;&#x110000;</t><t>whole</t></feed>");
        let texts: Vec<_> = whole(&document).unwrap().root().all("t").map(|t| t.text().unwrap()).collect();
        assert_eq!(texts, ["caf\u{fffd} &#xD835;&#0;&#x110000;", "whole"]);
    }

    #[test]
    fn entities_are_never_expanded() {
        let bomb = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><feed>&lol2;</feed>";
        assert!(error(bomb).contains("entities of its own"), "{}", error(bomb));
        let outside = "<!DOCTYPE feed SYSTEM \"file:///etc/passwd\"><feed>&x;</feed>";
        assert_eq!(whole(outside).unwrap().root().text().unwrap(), "&x;");
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
            prop_assert_eq!(whole(&document).unwrap().root().text().unwrap(), plain);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[<>&;a/!\\[\\]?\"'= -]{0,40}") {
            let _ = (whole(&decoded(&bytes)), whole(&text));
        }
    }
}
