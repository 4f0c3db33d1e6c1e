//! Records of arXiv's OAI-PMH interface (<https://info.arxiv.org/help/oa/index.html>).

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use paper::{ArxivId, Author, Paper, PaperRef, PublicationDate, SourceName};

use super::feed::{identify, named};
use super::xml::{self, Element};
use super::{Records, not_papers};
use crate::text::{first_doi, push_new};
use crate::{Cursor, IngestError, Page, Rejected};

/// Reads an answer to `ListRecords` or `GetRecord` in the formats `arXiv` and `arXivRaw`.
///
/// The resumption token, where there is one, is the next cursor. A record that arXiv has deleted goes into
/// [`Page::deleted`]; one in another format is rejected. That nothing matches is an empty page, not an error.
///
/// # Errors
/// [`IngestError::Malformed`] when it is no XML or breaks off, [`IngestError::NotPapers`] when it answers
/// another verb, [`IngestError::Refused`] when it tells of an error, an expired resumption token among them.
pub fn parse(bytes: &[u8], seen: Timestamp) -> Result<Page, IngestError> {
    read(bytes, seen)?.page()
}

/// What an answer of the protocol can be, when it is no refusal.
#[derive(Debug)]
pub(super) enum Answered {
    /// Records.
    List(Page),
    /// That no record matches.
    Nothing,
    /// That the resumption token is not taken any more, in words.
    TokenExpired(String),
}

impl Answered {
    pub(super) fn page(self) -> Result<Page, IngestError> {
        match self {
            Self::List(page) => Ok(page),
            Self::Nothing => Ok(Page::default()),
            Self::TokenExpired(said) => Err(refusal(
                "badResumptionToken",
                &said,
                "tokens live a day: begin again from the last date that was finished",
            )),
        }
    }
}

pub(super) fn read(bytes: &[u8], seen: Timestamp) -> Result<Answered, IngestError> {
    let text = xml::decoded(bytes);
    let (records, document) = super::read(&text, seen)?;
    let root = document.root();
    if root.name == "OAI-PMH" {
        answered(records, root)
    } else {
        Err(not_papers(format!("an XML document <{}>", root.name)))
    }
}

/// What these records are with what the answer says of them.
pub(super) fn answered(records: Records, root: Element<'_>) -> Result<Answered, IngestError> {
    if let Some(error) = root.first("error") {
        return told(error);
    }
    let Some(list) = root.first("ListRecords").or_else(|| root.first("GetRecord")) else {
        let verb = root.children().map(|child| child.name).find(|n| !matches!(*n, "responseDate" | "request"));
        return Err(not_papers(format!("an OAI-PMH answer with <{}>", verb.unwrap_or("nothing"))));
    };
    let mut page = records.page;
    let token = list.first("resumptionToken");
    page.total = token.and_then(|token| token.attribute("completeListSize")).and_then(|size| size.parse().ok());
    page.next = token.and_then(Element::text).and_then(|token| Cursor::try_from(token).ok());
    Ok(Answered::List(page))
}

/// Takes in a record. One that has only a header was deleted; all others are papers, or say why they are none.
pub(super) fn take(records: &mut Records, record: Element<'_>) {
    let (page, count) = (&mut records.page, records.count);
    let header = record.first("header");
    if header.and_then(|header| header.attribute("status")).as_deref() != Some("deleted") {
        return page.add(|| name_of(record, count), paper(record, records.seen));
    }
    match header.and_then(|header| header.text_of("identifier")).and_then(|id| key_of(&id)) {
        Some(key) => page.deleted.push(key),
        None => {
            let reason = "deleted by arXiv, under an identifier that is no arXiv id".to_owned();
            page.rejected.push(Rejected { record: name_of(record, count), reason });
        }
    }
}

fn key_of(identifier: &str) -> Option<String> {
    let id: ArxivId = identifier.parse().ok()?;
    PaperRef::Arxiv(id).identity_key()
}

/// The codes are those of the protocol (OAI-PMH 2.0, section 3.6).
fn told(error: Element<'_>) -> Result<Answered, IngestError> {
    let code = error.attribute("code");
    let code = code.as_deref().unwrap_or("error");
    let said = error.text().unwrap_or_default();
    let remedy = match code {
        "noRecordsMatch" => return Ok(Answered::Nothing),
        "badResumptionToken" => return Ok(Answered::TokenExpired(said)),
        "idDoesNotExist" => "arXiv has no such paper",
        "cannotDisseminateFormat" => "ask with metadataPrefix=arXiv",
        _ => "change the request",
    };
    Err(refusal(code, &said, remedy))
}

fn refusal(code: &str, said: &str, remedy: &str) -> IngestError {
    let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
    IngestError::refused(format!("arXiv says: {code}{said}; {remedy}"))
}

fn name_of(record: Element<'_>, count: usize) -> String {
    let identifier = record.first("header").and_then(|header| header.text_of("identifier"));
    identifier.unwrap_or_else(|| format!("record {count}"))
}

fn paper(record: Element<'_>, seen: Timestamp) -> Result<Paper, String> {
    let metadata = record.first("metadata").and_then(|metadata| metadata.children().next()).ok_or("no metadata")?;
    let (authors, (published, updated)) = match metadata.name {
        "arXiv" => (authors(metadata), dates(metadata)),
        "arXivRaw" => (listed_authors(&metadata.text_of("authors").unwrap_or_default()), version_dates(metadata)),
        other => return Err(format!("in the format <{other}>; ask with metadataPrefix=arXiv")),
    };
    let id = metadata.text_of("id").ok_or("no id")?;
    let id: ArxivId = id.parse().map_err(|error| format!("bad id: {error}"))?;
    let title = metadata.text_of("title").ok_or("no title")?;
    let mut paper = Paper::new(title, SourceName::Arxiv, seen);
    paper.abstract_text = metadata.text_of("abstract");
    paper.authors = authors;
    (paper.published, paper.updated) = (published, updated);
    paper.year = published.map(PublicationDate::year);
    for category in metadata.text_of("categories").unwrap_or_default().split_whitespace() {
        push_new(&mut paper.categories, category.to_owned());
    }
    paper.primary_category = paper.categories.first().cloned();
    paper.comment = metadata.text_of("comments");
    paper.journal_ref = metadata.text_of("journal-ref");
    paper.ids.doi = metadata.text_of("doi").and_then(|text| first_doi(&text));
    identify(&mut paper, &id);
    // The format `arXiv` does not tell the version; `arXivRaw` lists them all.
    let newest = metadata.all("version").filter_map(version_number).max();
    paper.ids.arxiv_version = newest.or(paper.ids.arxiv_version);
    Ok(paper)
}

fn authors(metadata: Element<'_>) -> Vec<Author> {
    let list = metadata.first("authors");
    list.into_iter().flat_map(|list| list.all("author")).filter_map(author).collect()
}

fn author(author: Element<'_>) -> Option<Author> {
    let parts = ["forenames", "keyname", "suffix"].into_iter().filter_map(|part| author.text_of(part));
    named(parts.collect::<Vec<_>>().join(" "))
}

/// `A. One (Oslo), B. Two and C. Three Jr.`: the places in brackets are left out.
pub(super) fn listed_authors(names: &str) -> Vec<Author> {
    let mut depth = 0_usize;
    let mut names = names.to_owned();
    names.retain(|c| {
        depth = if c == '(' { depth + 1 } else { depth };
        let outside = depth == 0;
        depth = if c == ')' { depth.saturating_sub(1) } else { depth };
        outside
    });
    let names = names.replace(" and ", ",");
    let mut authors: Vec<Author> = Vec::new();
    for name in names.split(',').map(str::trim) {
        match authors.last_mut() {
            Some(last) if matches!(name.trim_end_matches('.'), "Jr" | "Sr" | "II" | "III" | "IV") => {
                last.name = format!("{} {name}", last.name);
            }
            _ => authors.extend(crate::text::present(name).and_then(named)),
        }
    }
    authors
}

type Dates = (Option<PublicationDate>, Option<PublicationDate>);

fn dates(metadata: Element<'_>) -> Dates {
    let date = |name| metadata.text_of(name).and_then(|text| text.parse().ok());
    (date("created"), date("updated"))
}

/// The dates of the first and, where there are several, of the last version.
fn version_dates(metadata: Element<'_>) -> Dates {
    let mut versions: Vec<_> =
        metadata.all("version").filter_map(|v| Some((version_number(v)?, version_date(v)))).collect();
    versions.sort_by_key(|(number, _)| *number);
    let first = versions.first().and_then(|(_, date)| *date);
    (first, versions.get(1..).and_then(|later| later.last()).and_then(|(_, date)| *date))
}

fn version_number(version: Element<'_>) -> Option<u16> {
    version.attribute("version")?.trim_start_matches('v').parse().ok()
}

fn version_date(version: Element<'_>) -> Option<PublicationDate> {
    let date = DateTimeParser::new().parse_zoned(version.text_of("date")?).ok()?;
    date.date().to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn list(records: &str) -> Page {
        let body = format!(
            "<OAI-PMH xmlns='http://www.openarchives.org/OAI/2.0/'><request/><ListRecords>{records}</ListRecords></OAI-PMH>"
        );
        parse(body.as_bytes(), seen()).unwrap()
    }

    fn record(metadata: &str) -> String {
        format!(
            "<record><header><identifier>oai:arXiv.org:x</identifier></header><metadata>{metadata}</metadata></record>"
        )
    }

    fn error(code: &str) -> Result<Page, IngestError> {
        parse(format!("<OAI-PMH><error code='{code}'>so it is</error></OAI-PMH>").as_bytes(), seen())
    }

    #[test]
    fn every_field_of_a_record_is_read() {
        let page = list(&record(
            "<arXiv xmlns='http://arxiv.org/OAI/arXiv/'><id>hep-th/9901001</id><created>1999-01-01</created>\
             <updated>2001-02-03</updated><authors><author><keyname>de Perio</keyname><forenames>P.</forenames>\
             <suffix>Jr.</suffix><affiliation>Toronto</affiliation></author><author><keyname>:</keyname></author>\
             <author><keyname>Planck Collaboration</keyname></author></authors><title>Strings\n  and things</title>\
             <categories>hep-th math-ph</categories><comments>5 pages</comments><journal-ref>Nucl. Phys. B1</journal-ref>\
             <doi>10.1000/a, 10.1000/b;10.1000/c</doi><abstract>  We pull.\n</abstract></arXiv>",
        ));
        let mut expected = Paper::new("Strings and things", SourceName::Arxiv, seen());
        expected.abstract_text = Some("We pull.".into());
        expected.authors = vec![Author::named("P. de Perio Jr."), Author::named("Planck Collaboration")];
        expected.year = Some(1999);
        expected.published = Some("1999-01-01".parse().unwrap());
        expected.updated = Some("2001-02-03".parse().unwrap());
        expected.categories = vec!["hep-th".into(), "math-ph".into()];
        expected.primary_category = Some("hep-th".into());
        expected.comment = Some("5 pages".into());
        expected.journal_ref = Some("Nucl. Phys. B1".into());
        expected.ids.arxiv = Some("hep-th/9901001".parse().unwrap());
        expected.ids.doi = Some("10.1000/a".parse().unwrap());
        expected.url = Some("https://arxiv.org/abs/hep-th/9901001".into());
        assert_eq!(page, Page { papers: vec![expected], ..Page::default() });
    }

    #[test]
    fn the_raw_format_tells_versions_and_lists_authors() {
        let page = list(&record(
            "<arXivRaw><id>2104.12255</id><version version='v1'><date>Sun, 25 Apr 2021 17:00:00 GMT</date></version>\
             <version version='v2'><date>Tue, 1 Jun 2021 10:00:00 GMT</date></version><title>T</title>\
             <authors>A. One (Oslo (N), Bergen), B. Two, Jr. and C. Three</authors><categories>cs.IR</categories></arXivRaw>",
        ));
        let paper = &page.papers[0];
        let names: Vec<_> = paper.authors.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["A. One", "B. Two Jr.", "C. Three"]);
        assert_eq!(paper.ids.arxiv_version, Some(2));
        let dates = [paper.published, paper.updated].map(|date| date.unwrap().to_string());
        assert_eq!(dates, ["2021-04-25", "2021-06-01"]);
    }

    #[test]
    fn what_is_deleted_is_told_what_is_no_paper_is_rejected_and_the_token_leads_on() {
        let page = list(&format!(
            "<record><header status='deleted'><identifier>oai:arXiv.org:0704.0001</identifier></header></record>\
             <record><header status='deleted'><identifier>nobody</identifier></header></record>{}{}<record/>{}<resumptionToken cursor='0' completeListSize='7021'>6511260|1001</resumptionToken>",
            record("<dc><title>T</title></dc>"),
            record("<arXiv><id>2104.12255</id></arXiv>"),
            record("<arXiv><id>2104.12255</id><title>T</title></arXiv>"),
        ));
        let rejected: Vec<_> = page.rejected.iter().map(|r| (r.record.as_str(), r.reason.as_str())).collect();
        assert_eq!(
            rejected,
            [
                ("nobody", "deleted by arXiv, under an identifier that is no arXiv id"),
                ("oai:arXiv.org:x", "in the format <dc>; ask with metadataPrefix=arXiv"),
                ("oai:arXiv.org:x", "no title"),
                ("record 5", "no metadata"),
            ]
        );
        assert_eq!((page.papers.len(), page.total), (1, Some(7021)));
        assert_eq!(page.deleted, ["arxiv:0704.0001"]);
        assert_eq!(page.next.unwrap().to_string(), "6511260|1001");
    }

    #[test]
    fn an_empty_token_ends_the_list() {
        assert_eq!(list("<resumptionToken cursor='1000' completeListSize='1001'/>").next, None);
    }

    #[test]
    fn each_error_says_what_to_do_and_no_match_is_none() {
        assert_eq!(error("noRecordsMatch").unwrap(), Page::default());
        for (code, remedy) in [
            ("badResumptionToken", "begin again from the last date that was finished"),
            ("idDoesNotExist", "arXiv has no such paper"),
            ("cannotDisseminateFormat", "ask with metadataPrefix=arXiv"),
            ("badArgument", "change the request"),
        ] {
            let text = error(code).unwrap_err().to_string();
            assert!(
                text.starts_with(&format!("refused: arXiv says: {code} (so it is); ")) && text.ends_with(remedy),
                "{text}"
            );
        }
    }

    #[test]
    fn another_verb_is_no_list_of_papers() {
        let body = b"<OAI-PMH><responseDate/><request/><ListIdentifiers/></OAI-PMH>";
        let text = parse(body, seen()).unwrap_err().to_string();
        assert_eq!(text, "this is an OAI-PMH answer with <ListIdentifiers>, not a list of papers from arxiv");
    }
}
