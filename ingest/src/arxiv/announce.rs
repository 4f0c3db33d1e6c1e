//! The daily announcements (<https://info.arxiv.org/help/rss.html>), as entries of Atom or items of RSS 2.0.

use std::borrow::Cow;

use jiff::Timestamp;
use paper::{ArxivId, Paper, SourceName};

use super::Records;
use super::feed::identify;
use super::oai::listed_authors;
use crate::arxiv::xml::Element;
use crate::text::{first_doi, push_new};

/// Takes in an item of an RSS document.
pub(super) fn take(records: &mut Records, item: Element<'_>) {
    let read = paper(item, records.seen);
    records.page.add(|| name_of(item, records.count), read);
}

/// Whether an Atom entry is an announcement and no answer to a query.
pub(super) fn is_one(entry: Element<'_>) -> bool {
    entry.first("announce_type").is_some()
}

fn name_of(item: Element<'_>, count: usize) -> String {
    let name = ["guid", "link", "title"].into_iter().find_map(|field| item.text_of(field));
    name.unwrap_or_else(|| format!("item {count}"))
}

/// An announcement tells no day of submission, so none is taken from it, but the year that the id begins with.
pub(super) fn paper(item: Element<'_>, seen: Timestamp) -> Result<Paper, String> {
    let id = ["id", "guid", "link"].into_iter().find_map(|field| item.text_of(field)).ok_or("no id")?;
    let id: ArxivId = id.parse().map_err(|error| format!("bad id: {error}"))?;
    let title = item.text_of("title").ok_or("no title")?;
    let mut paper = Paper::new(title, SourceName::Arxiv, seen);
    let summary = item.text_of("summary").or_else(|| item.text_of("description"));
    paper.abstract_text = summary.as_deref().and_then(announced).map(str::to_owned);
    paper.authors = item.text_of("creator").map(|names| listed_authors(&names)).unwrap_or_default();
    for category in item.all("category") {
        let term = category.attribute("term").map(Cow::into_owned).or_else(|| category.text());
        term.into_iter().for_each(|term| push_new(&mut paper.categories, term.trim().to_owned()));
    }
    paper.primary_category = paper.categories.first().cloned();
    paper.comment = item.text_of("comment");
    paper.journal_ref = item.text_of("journal_reference");
    paper.ids.doi = item.text_of("DOI").and_then(|text| first_doi(&text));
    paper.year = year(&id);
    identify(&mut paper, &id);
    Ok(paper)
}

/// The abstract of `arXiv:2401.00001v1 Announce Type: new Abstract: We …`.
fn announced(summary: &str) -> Option<&str> {
    match summary.split_once("Abstract:") {
        Some((head, text)) if head.starts_with("arXiv:") => Some(text.trim_start()).filter(|text| !text.is_empty()),
        _ => Some(summary),
    }
}

/// Ids of both styles begin their number with the year and the month of submission; arXiv began in 1991.
fn year(id: &ArxivId) -> Option<i16> {
    let number = id.base().rsplit('/').next()?;
    let two: i16 = number.get(..2)?.parse().ok()?;
    Some(if two >= 91 { 1900 + two } else { 2000 + two })
}

#[cfg(test)]
mod tests {
    use paper::Author;

    use super::*;
    use crate::Page;
    use crate::arxiv::parse;

    fn seen() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn atom(kind: &str, id: &str) -> String {
        format!(
            "<entry><id>oai:arXiv.org:{id}</id><title>Fast\n   search</title><updated>2024-02-01T05:00:07+00:00</updated>\
             <link href='https://arxiv.org/abs/{id}' rel='alternate' type='text/html'/>\
             <summary>arXiv:{id} Announce Type: {kind} \nAbstract: We search. Abstract: no.</summary>\
             <category term='cs.IR'/><category term='cs.CL'/><published>2024-02-01T00:00:00-05:00</published>\
             <arxiv:announce_type>{kind}</arxiv:announce_type><dc:rights>http://example.org/licence</dc:rights>\
             <arxiv:DOI>10.1000/one</arxiv:DOI><arxiv:journal_reference>J. Search 1</arxiv:journal_reference>\
             <dc:creator>Ada Lovelace, L\u{e9}on Bottou (Paris, Oslo), Aidan N. Gomez, Jr.</dc:creator></entry>"
        )
    }

    fn rss(kind: &str, id: &str) -> String {
        format!(
            "<item><title>Fast search</title><link>https://arxiv.org/abs/2401.00001</link>\
             <description>arXiv:{id} Announce Type: {kind} \nAbstract: We search. Abstract: no.</description>\
             <guid isPermaLink='false'>oai:arXiv.org:{id}</guid><category>cs.IR</category><category>cs.CL</category>\
             <pubDate>Thu, 01 Feb 2024 00:00:00 -0500</pubDate><arxiv:announce_type>{kind}</arxiv:announce_type>\
             <arxiv:DOI>10.1000/one</arxiv:DOI><arxiv:journal_reference>J. Search 1</arxiv:journal_reference>\
             <dc:creator>Ada Lovelace, L\u{e9}on Bottou (Paris, Oslo), Aidan N. Gomez, Jr.</dc:creator></item>"
        )
    }

    fn in_atom(entries: &str) -> Page {
        parse(format!("<feed xmlns='http://www.w3.org/2005/Atom'>{entries}</feed>").as_bytes(), seen()).unwrap()
    }

    fn in_rss(items: &str) -> Page {
        let document = format!("<rss version='2.0'><channel><title>cs.CL updates</title>{items}</channel></rss>");
        parse(document.as_bytes(), seen()).unwrap()
    }

    #[test]
    fn both_forms_of_an_announcement_say_the_same() {
        let mut expected = Paper::new("Fast search", SourceName::Arxiv, seen());
        expected.abstract_text = Some("We search. Abstract: no.".into());
        expected.authors = ["Ada Lovelace", "Léon Bottou", "Aidan N. Gomez Jr."].map(Author::named).into();
        expected.year = Some(2024);
        expected.categories = vec!["cs.IR".into(), "cs.CL".into()];
        expected.primary_category = Some("cs.IR".into());
        expected.journal_ref = Some("J. Search 1".into());
        expected.ids.arxiv = Some("2401.00001".parse().unwrap());
        expected.ids.arxiv_version = Some(1);
        expected.ids.doi = Some("10.1000/one".parse().unwrap());
        expected.url = Some("https://arxiv.org/abs/2401.00001v1".into());
        let page = Page { papers: vec![expected], ..Page::default() };
        assert_eq!(in_atom(&atom("new", "2401.00001v1")), page);
        assert_eq!(in_rss(&rss("new", "2401.00001v1")), page);
    }

    #[test]
    fn a_new_version_is_told_by_its_number_and_bears_no_date() {
        for kind in ["cross", "replace", "replace-cross"] {
            for page in [in_atom(&atom(kind, "2401.00001v2")), in_rss(&rss(kind, "2401.00001v2"))] {
                let paper = &page.papers[0];
                let told = (paper.ids.arxiv_version, paper.updated, paper.abstract_text.as_deref());
                assert_eq!(told, (Some(2), None, Some("We search. Abstract: no.")), "{kind}");
            }
        }
    }

    #[test]
    fn a_bad_announcement_is_rejected_and_the_rest_go_on() {
        let page = in_rss(&format!(
            "<item><title>Nameless</title></item><item><guid>oai:arXiv.org:hep-th/9901001v3</guid></item><item/>{}",
            rss("new", "2401.00001v1")
        ));
        let rejected: Vec<_> = page.rejected.iter().map(|r| (r.record.as_str(), r.reason.as_str())).collect();
        let expected = [("Nameless", "no id"), ("oai:arXiv.org:hep-th/9901001v3", "no title"), ("item 3", "no id")];
        assert_eq!((rejected.as_slice(), page.papers.len()), (expected.as_slice(), 1));
    }

    #[test]
    fn the_year_is_that_of_the_id() {
        for (id, expected) in [("hep-th/9901001", 1999), ("math/0309136", 2003), ("2401.00001v2", 2024)] {
            assert_eq!(year(&id.parse().unwrap()), Some(expected), "{id}");
        }
    }

    #[test]
    fn a_summary_in_another_form_is_the_abstract_as_it_stands() {
        assert_eq!(announced("We have an Abstract: yes."), Some("We have an Abstract: yes."));
        assert_eq!(announced("arXiv:2401.00001v1 Announce Type: new Abstract:"), None);
    }

    #[test]
    fn a_weekend_is_an_empty_page() {
        assert_eq!((in_atom(""), in_rss("")), (Page::default(), Page::default()));
    }
}
