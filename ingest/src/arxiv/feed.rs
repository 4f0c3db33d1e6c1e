use std::borrow::Cow;

use jiff::Timestamp;
use paper::{ArxivId, Author, Paper, PublicationDate, SourceName};

use super::xml::{self, Element};
use super::{Records, announce, not_papers, read};
use crate::text::{first_doi, push_new};
use crate::{Cursor, IngestError, Page, withdrawn};

/// Reads an Atom feed of arXiv's query API
/// (<https://info.arxiv.org/help/api/user-manual.html#_details_of_atom_results_returned>)
/// or of the daily announcements, which are told by their `announce_type`.
///
/// Titles and abstracts are single-spaced, their LaTeX left in. An entry without an arXiv id or without a
/// title is rejected with the reason, and the rest go on; everything else may be missing. The next cursor
/// follows from `startIndex`, the entries that came and `totalResults`.
///
/// # Errors
/// [`IngestError::Malformed`] when it is no XML or breaks off (then as a whole: ask again, nothing is lost),
/// [`IngestError::NotPapers`] when it is no feed, [`IngestError::Refused`] with arXiv's own words when it is
/// the feed by which arXiv tells of an error.
pub fn parse_feed(bytes: &[u8], seen: Timestamp) -> Result<Page, IngestError> {
    sized(bytes, seen).map(|(page, _)| page)
}

/// The page, and how many entries the feed says a page of its has at most.
pub(super) fn sized(bytes: &[u8], seen: Timestamp) -> Result<(Page, Option<u64>), IngestError> {
    let text = xml::decoded(bytes);
    let (records, document) = read(&text, seen)?;
    let root = document.root();
    if root.name != "feed" {
        return Err(not_papers(format!("an XML document <{}>", root.name)));
    }
    Ok((page(records, root)?, number(root, "itemsPerPage")))
}

/// The page that these entries make with what the feed says of itself.
pub(super) fn page(records: Records, root: Element<'_>) -> Result<Page, IngestError> {
    if let Some(message) = records.refused {
        return Err(IngestError::refused(message));
    }
    let mut page = records.page;
    page.total = number(root, "totalResults");
    let reached = number(root, "startIndex").unwrap_or(0).saturating_add(page.len() as u64);
    page.next = page.total.filter(|total| reached < *total).map(|_| Cursor::at("start", reached));
    Ok(page)
}

/// Takes in an entry: a paper, an announcement, or what arXiv says instead.
pub(super) fn take(records: &mut Records, entry: Element<'_>) {
    let read = if announce::is_one(entry) { announce::paper(entry, records.seen) } else { paper(entry, records.seen) };
    // The address of an error is no arXiv id, so only what was not read can be one.
    match read.is_err().then(|| error_message(entry)).flatten() {
        Some(message) => records.refused = Some(message),
        None => records.page.add(|| name_of(entry, records.count), read),
    }
}

/// arXiv tells of an error by an entry that is titled so and leads to the list of errors.
fn error_message(entry: Element<'_>) -> Option<String> {
    let told = entry.text_of("id")?.contains("/api/errors") && entry.text_of("title")? == "Error";
    told.then(|| {
        let said = entry.text_of("summary").unwrap_or_else(|| "an error without a word".to_owned());
        format!("arXiv says: {said}; change the query or the ids")
    })
}

fn name_of(entry: Element<'_>, count: usize) -> String {
    entry.text_of("id").or_else(|| entry.text_of("title")).unwrap_or_else(|| format!("entry {count}"))
}

fn paper(entry: Element<'_>, seen: Timestamp) -> Result<Paper, String> {
    let id = entry.text_of("id").ok_or("no id")?;
    let id: ArxivId = id.parse().map_err(|error| format!("bad id: {error}"))?;
    let title = entry.text_of("title").ok_or("no title")?;
    let mut paper = Paper::new(title, SourceName::Arxiv, seen);
    paper.abstract_text = entry.text_of("summary");
    paper.authors = entry.all("author").filter_map(|author| named(author.text_of("name")?)).collect();
    paper.published = date(entry, "published");
    paper.updated = date(entry, "updated");
    paper.year = paper.published.map(PublicationDate::year);
    for term in entry.all("category").filter_map(|category| category.attribute("term")) {
        push_new(&mut paper.categories, term.trim().to_owned());
    }
    let primary = entry.first("primary_category").and_then(|category| category.attribute("term"));
    paper.primary_category = primary.map(Cow::into_owned).or_else(|| paper.categories.first().cloned());
    paper.comment = entry.text_of("comment");
    paper.journal_ref = entry.text_of("journal_ref");
    paper.ids.doi = entry.text_of("doi").and_then(|text| first_doi(&text));
    paper.pdf_url = entry.all("link").find(|link| link.attribute("title").as_deref() == Some("pdf")).and_then(address);
    identify(&mut paper, &id);
    Ok(paper)
}

/// What follows from the id and the texts, the same for Atom and OAI-PMH.
pub(super) fn identify(paper: &mut Paper, id: &ArxivId) {
    paper.url = Some(id.abs_url());
    paper.ids.arxiv_version = id.version();
    paper.ids.arxiv = Some(id.without_version());
    paper.withdrawn = withdrawn::says_so(paper.comment.as_deref(), paper.abstract_text.as_deref());
}

/// An author, unless the name has no letter: some lists put a lone `:` after a collaboration.
pub(super) fn named(name: String) -> Option<Author> {
    name.contains(char::is_alphabetic).then(|| Author::named(name))
}

fn address(link: Element<'_>) -> Option<String> {
    let href = link.attribute("href")?;
    let href = href.trim();
    Some(href.strip_prefix("http://").map_or_else(|| href.to_owned(), |rest| format!("https://{rest}")))
}

fn date(entry: Element<'_>, name: &str) -> Option<PublicationDate> {
    entry.text_of(name)?.parse().ok()
}

fn number(root: Element<'_>, name: &str) -> Option<u64> {
    root.text_of(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "<?xml version='1.0' encoding='UTF-8'?>\n<feed xmlns:opensearch='http://a9.com/-/spec/opensearch/1.1/' \
        xmlns:arxiv='http://arxiv.org/schemas/atom' xmlns='http://www.w3.org/2005/Atom'><id>https://arxiv.org/api/x</id>\
        <title>arXiv Query</title>";

    const ENTRY: &str = r#"<entry>
        <id>http://arxiv.org/abs/2104.12255v2</id>
        <title>Fast $\mathcal{O}(n)$
          search &amp; rescue</title>
        <updated>2021-06-01T10:00:00Z</updated>
        <published>2021-04-25T17:00:00Z</published>
        <summary>  We search. </summary>
        <link href="http://arxiv.org/abs/2104.12255v2" rel="alternate" type="text/html"/>
        <link title="pdf" href="http://arxiv.org/pdf/2104.12255v2" rel="related" type="application/pdf"/>
        <arxiv:comment>12 pages,
          2 figures</arxiv:comment>
        <arxiv:journal_ref>J. Search 1 (2021) 2</arxiv:journal_ref>
        <arxiv:doi>10.1000/one 10.1000/two</arxiv:doi>
        <arxiv:primary_category term="cs.IR"/>
        <category term="cs.IR" scheme="http://arxiv.org/schemas/atom"/>
        <category term="cs.CL"/><category term="68T50"/>
        <author><name>Ada  Lovelace</name><arxiv:affiliation>London</arxiv:affiliation></author>
        <author><name>:</name></author><author><name>Léon Bottou</name></author>
      </entry>"#;

    fn seen() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn feed(inside: &str) -> String {
        format!("{HEAD}{inside}</feed>")
    }

    fn counts(total: u64, start: u64) -> String {
        let total = format!("<opensearch:totalResults>{total}</opensearch:totalResults>");
        format!("{total}<opensearch:startIndex>{start}</opensearch:startIndex>")
    }

    fn parsed(inside: &str) -> Page {
        parse_feed(feed(inside).as_bytes(), seen()).unwrap()
    }

    #[test]
    fn every_field_of_an_entry_is_read() {
        let mut expected = Paper::new(r"Fast $\mathcal{O}(n)$ search & rescue", SourceName::Arxiv, seen());
        expected.abstract_text = Some("We search.".into());
        expected.authors = vec![Author::named("Ada Lovelace"), Author::named("Léon Bottou")];
        expected.year = Some(2021);
        expected.published = Some("2021-04-25".parse().unwrap());
        expected.updated = Some("2021-06-01".parse().unwrap());
        expected.categories = vec!["cs.IR".into(), "cs.CL".into(), "68T50".into()];
        expected.primary_category = Some("cs.IR".into());
        expected.ids.arxiv = Some("2104.12255".parse().unwrap());
        expected.ids.arxiv_version = Some(2);
        expected.ids.doi = Some("10.1000/one".parse().unwrap());
        expected.url = Some("https://arxiv.org/abs/2104.12255v2".into());
        expected.pdf_url = Some("https://arxiv.org/pdf/2104.12255v2".into());
        expected.comment = Some("12 pages, 2 figures".into());
        expected.journal_ref = Some("J. Search 1 (2021) 2".into());
        let page = parsed(&format!("{}{ENTRY}", counts(1, 0)));
        assert_eq!(
            page,
            Page { papers: vec![expected], rejected: vec![], next: None, total: Some(1), ..Page::default() }
        );
    }

    #[test]
    fn one_bad_entry_is_rejected_and_the_rest_go_on() {
        let page = parsed(&format!(
            "<entry><title>Nameless</title></entry><entry><id>http://arxiv.org/abs/9999.1v1</id><title>T</title></entry>\
             <entry><id>http://arxiv.org/abs/0704.0001v1</id><title> </title></entry><entry/>{ENTRY}\
             <entry><id>http://arxiv.org/abs/hep-th/9901001</id><title>Undated</title></entry>"
        ));
        let rejected: Vec<_> = page.rejected.iter().map(|r| (r.record.as_str(), r.reason.as_str())).collect();
        let bad = "bad id: `http://arxiv.org/abs/9999.1v1` is not an arXiv id, such as 2104.12255, 2104.12255v2 or \
                   hep-th/9901001";
        assert_eq!(
            rejected,
            [
                ("Nameless", "no id"),
                ("http://arxiv.org/abs/9999.1v1", bad),
                ("http://arxiv.org/abs/0704.0001v1", "no title"),
                ("entry 4", "no id"),
            ]
        );
        assert_eq!(page.papers.iter().map(|p| p.year).collect::<Vec<_>>(), [Some(2021), None]);
    }

    #[test]
    fn the_error_feed_becomes_a_refusal_in_its_own_words() {
        let entry = "<entry><id>https://arxiv.org/api/errors#incorrect_id_format_for_abc</id><title>Error</title>\
                     <summary>incorrect id format for abc</summary></entry>";
        let error = parse_feed(feed(entry).as_bytes(), seen()).unwrap_err().to_string();
        assert_eq!(error, "refused: arXiv says: incorrect id format for abc; change the query or the ids");
    }

    #[test]
    fn the_next_page_begins_where_this_one_ends() {
        let next = |total, start| parsed(&format!("{}{ENTRY}", counts(total, start))).next.map(|c| c.to_string());
        assert_eq!(next(30, 10), Some("start=11".into()));
        assert_eq!(next(11, 10), None);
        assert_eq!(parsed(ENTRY).next, None);
    }

    #[test]
    fn another_document_is_no_feed_and_a_broken_one_is_an_error_as_a_whole() {
        let cut = feed(ENTRY);
        let cut = parse_feed(&cut.as_bytes()[..cut.len() - 200], seen()).unwrap_err();
        assert!(cut.to_string().contains("ends in the middle"), "{cut}");
        assert!(matches!(parse_feed(b"<rss/>", seen()), Err(IngestError::NotPapers { .. })));
    }

    #[test]
    fn a_withdrawn_paper_is_marked() {
        let entry = "<entry><id>http://arxiv.org/abs/1109.5260v2</id><title>T</title><summary>We prove it.</summary>\
                     <arxiv:comment>This paper has been withdrawn by the author</arxiv:comment></entry>";
        assert!(parsed(entry).papers[0].withdrawn);
        assert!(!parsed(ENTRY).papers[0].withdrawn);
    }
}
