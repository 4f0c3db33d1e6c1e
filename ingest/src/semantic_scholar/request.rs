use paper::PaperRef;
use url::Url;

use crate::{Cursor, IngestError};

/// Where the Academic Graph answers.
pub const DEFAULT_BASE_URL: &str = "https://api.semanticscholar.org/graph/v1";

/// What is asked of every paper.
pub const FIELDS: &str = "paperId,corpusId,externalIds,url,title,abstract,venue,year,citationCount,openAccessPdf,\
                          fieldsOfStudy,s2FieldsOfStudy,publicationDate,journal,authors";

/// The most papers on a page of a search, of one search, and in one batch.
pub(super) const SEARCH_PAGE: u64 = 100;
pub(super) const SEARCH_RESULTS: u64 = 1_000;
pub(super) const BATCH: usize = 500;

/// The most citations or references on a page, and of one paper: `offset + limit must be < 10000`, the API says.
const LINKS_PAGE: u64 = 1_000;
pub(super) const LINKS_RESULTS: u64 = 9_999;

/// The most papers that are recommended at once.
const RECOMMENDED: u64 = 500;

/// A question to the Academic Graph (<https://api.semanticscholar.org/api-docs/graph>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S2Request {
    /// The most relevant papers for plain words, 1,000 at most.
    Search {
        /// The words.
        query: String,
    },
    /// All papers for a boolean query, 1,000 a page.
    ///
    /// A finished one leaves a place from which the next asks only for papers of the year in which it was made, or the
    /// year before until 30 days have passed: some are entered late, and of some only the year is known. What has changed in older papers, their citation counts
    /// most of all, comes by looking them up again.
    Bulk {
        /// The query: `+ | - " * ( ) ~`.
        query: String,
        /// `paperId`, `publicationDate` or `citationCount`, with `:asc` or `:desc`.
        sort: Option<String>,
    },
    /// Papers by id, in any form that [`PaperRef`] reads or the API knows (`DOI:…`, `ACL:…`, `URL:…`).
    Batch {
        /// The ids; the answer comes in portions of 500.
        ids: Vec<String>,
    },
    /// The papers that a paper cites, in its order; 9,999 at most.
    References {
        /// The paper, by an id in any of those forms.
        id: String,
    },
    /// The papers that cite a paper, the newest first; 9,999 at most.
    Citations {
        /// The paper, likewise.
        id: String,
    },
    /// Papers recommended to readers of these, 500 at most
    /// (<https://api.semanticscholar.org/api-docs/recommendations>).
    Recommended {
        /// The papers, likewise.
        ids: Vec<String>,
    },
}

/// An address, and the document to send there by POST.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) url: Url,
    pub(super) json: Option<String>,
}

impl S2Request {
    /// What tells this request from others, in a form that stays.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Search { query } => format!("semantic-scholar:search:{query}"),
            Self::Bulk { query, sort } => {
                format!("semantic-scholar:bulk:{query}|{}", sort.as_deref().unwrap_or_default())
            }
            Self::Batch { ids } => format!("semantic-scholar:batch:{}", ids.join(",")),
            Self::References { id } => format!("semantic-scholar:references:{}", graph_id(id)),
            Self::Citations { id } => format!("semantic-scholar:citations:{}", graph_id(id)),
            Self::Recommended { ids } => {
                let ids: Vec<String> = ids.iter().map(|id| graph_id(id)).collect();
                format!("semantic-scholar:recommended:{}", ids.join(","))
            }
        }
    }

    /// The call for the page at `cursor`. `base` is the address of the API, or the root of its host.
    pub(super) fn call(&self, base: &Url, cursor: Option<&Cursor>) -> Result<Call, IngestError> {
        match self {
            Self::Search { query } => {
                let offset = Cursor::number(cursor, "offset")?;
                if let Some(beyond) = cursor.filter(|_| offset >= SEARCH_RESULTS) {
                    return Err(beyond.foreign());
                }
                let limit = SEARCH_PAGE.min(SEARCH_RESULTS - offset);
                let place = [("offset", offset.to_string()), ("limit", limit.to_string())];
                Ok(get(base, "paper/search", said(query)?, place))
            }
            Self::Bulk { query, sort } => {
                let BulkPlace { since, token } = BulkPlace::of(cursor)?;
                let sort = sort.as_deref().map(|sort| ("sort", sort.to_owned()));
                // Papers of which only the year is known count as of its first day, so the whole year is asked for.
                let since = since.map(|day| ("publicationDateOrYear", format!("{}:", day.get(..4).unwrap_or(day))));
                let token = token.map(|token| ("token", token.to_owned()));
                Ok(get(base, "paper/search/bulk", said(query)?, sort.into_iter().chain(since).chain(token)))
            }
            Self::Batch { .. } => {
                let ids: Vec<String> = self.portion(cursor)?.iter().map(|id| graph_id(id)).collect();
                let json = serde_json::json!({ "ids": ids }).to_string();
                Ok(Call { url: address(base, "paper/batch"), json: Some(json) })
            }
            Self::References { id } => links(base, id, "references", cursor),
            Self::Citations { id } => links(base, id, "citations", cursor),
            Self::Recommended { ids } => recommended(base, ids),
        }
    }

    /// The ids that a batch asks for at `cursor`; none for the others.
    pub(super) fn portion(&self, cursor: Option<&Cursor>) -> Result<&[String], IngestError> {
        let Self::Batch { ids } = self else { return Ok(&[]) };
        let begin = usize::try_from(Cursor::number(cursor, "batch")?).unwrap_or(usize::MAX);
        let portion = ids.get(begin..).unwrap_or_default();
        let portion = portion.get(..BATCH).unwrap_or(portion);
        match (portion.is_empty(), cursor) {
            (false, _) => Ok(portion),
            (true, Some(cursor)) => Err(cursor.foreign()),
            (true, None) => Err(IngestError::refused("nothing is asked of Semantic Scholar; give ids or a query")),
        }
    }
}

fn said(query: &str) -> Result<&str, IngestError> {
    let query = query.trim();
    let nothing = || IngestError::refused("nothing is asked of Semantic Scholar; give a query or ids");
    Some(query).filter(|query| !query.is_empty()).ok_or_else(nothing)
}

fn get(base: &Url, path: &str, query: &str, more: impl IntoIterator<Item = (&'static str, String)>) -> Call {
    let mut url = address(base, path);
    url.query_pairs_mut().append_pair("query", query).extend_pairs(more);
    Call { url, json: None }
}

/// Where a bulk search is: `token=…`, or `since=DAY` and `since=DAY|…` for one that asks for new papers only.
#[derive(Debug, Default)]
pub(super) struct BulkPlace<'c> {
    /// The first day of publication that is asked for.
    pub(super) since: Option<&'c str>,
    /// What the page before gave.
    pub(super) token: Option<&'c str>,
}

impl<'c> BulkPlace<'c> {
    pub(super) fn of(cursor: Option<&'c Cursor>) -> Result<Self, IngestError> {
        let Some(cursor) = cursor else { return Ok(Self::default()) };
        match (cursor.value("token"), cursor.value("since")) {
            (Some(token), _) => Ok(Self { since: None, token: Some(token) }),
            (_, Some(since)) => Ok(match since.split_once('|') {
                Some((day, token)) => Self { since: Some(day), token: Some(token) },
                None => Self { since: Some(since), token: None },
            }),
            _ => Err(cursor.foreign()),
        }
    }

    /// The place that a page leads on to, which is in the same search.
    pub(super) fn next(&self, token: &str) -> Cursor {
        match self.since {
            Some(day) => Cursor::at("since", format!("{day}|{token}")),
            None => Cursor::at("token", token),
        }
    }
}

/// A page of the papers that a paper is linked with.
fn links(base: &Url, id: &str, kind: &str, cursor: Option<&Cursor>) -> Result<Call, IngestError> {
    let offset = Cursor::number(cursor, "offset")?;
    if let Some(beyond) = cursor.filter(|_| offset >= LINKS_RESULTS) {
        return Err(beyond.foreign());
    }
    let mut url = address(base, &format!("paper/{}/{kind}", in_path(id)?));
    let limit = LINKS_PAGE.min(LINKS_RESULTS - offset);
    url.query_pairs_mut().append_pair("offset", &offset.to_string()).append_pair("limit", &limit.to_string());
    Ok(Call { url, json: None })
}

/// One paper is asked about by its address, several by a list of good examples.
fn recommended(base: &Url, ids: &[String]) -> Result<Call, IngestError> {
    let (path, json) = match ids {
        [one] => (format!("papers/forpaper/{}", in_path(one)?), None),
        _ => {
            let ids: Result<Vec<String>, IngestError> = ids.iter().map(|id| Ok(graph_id(said(id)?))).collect();
            let ids: Vec<String> = ids?;
            said(ids.first().map_or("", String::as_str))?;
            ("papers/".to_owned(), Some(serde_json::json!({ "positivePaperIds": ids }).to_string()))
        }
    };
    let mut url = with_fields(base, &format!("{}/recommendations/v1/{path}", host_root(base)));
    url.query_pairs_mut().append_pair("limit", &RECOMMENDED.to_string());
    Ok(Call { url, json })
}

/// The id to stand in a path: a slash of a DOI stays, as the API takes it; `?` and `#` are written by [`Url`].
fn in_path(id: &str) -> Result<String, IngestError> {
    Ok(graph_id(said(id)?).replace('%', "%25"))
}

const GRAPH: &str = "/graph/v1";

/// What stands before the path of each of the services.
fn host_root(base: &Url) -> &str {
    let path = base.path().trim_end_matches('/');
    path.strip_suffix(GRAPH).unwrap_or(path)
}

fn address(base: &Url, path: &str) -> Url {
    let root = match base.path().trim_end_matches('/') {
        "" => GRAPH,
        root => root,
    };
    with_fields(base, &format!("{root}/{path}"))
}

fn with_fields(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url.query_pairs_mut().append_pair("fields", FIELDS);
    url
}

/// The id as the API writes it; what [`PaperRef`] does not know is sent as it is.
pub(super) fn graph_id(id: &str) -> String {
    match id.parse::<PaperRef>() {
        Ok(PaperRef::Arxiv(id)) => format!("ARXIV:{}", id.base()),
        Ok(PaperRef::Doi(doi)) => doi.arxiv().map_or_else(|| format!("DOI:{doi}"), |id| format!("ARXIV:{}", id.base())),
        Ok(PaperRef::SemanticScholar(id)) => id.to_string(),
        Ok(PaperRef::Corpus(id)) => format!("CorpusId:{id}"),
        Ok(PaperRef::Pmid(id)) => format!("PMID:{id}"),
        Ok(PaperRef::Library(_) | PaperRef::Local(_)) | Err(_) => id.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(request: &S2Request, cursor: Option<&str>) -> Result<Call, IngestError> {
        let cursor: Option<Cursor> = cursor.map(|text| text.parse().unwrap());
        request.call(&DEFAULT_BASE_URL.parse().unwrap(), cursor.as_ref())
    }

    fn query(request: &S2Request, cursor: Option<&str>) -> Vec<(String, String)> {
        let pairs = call(request, cursor).unwrap().url;
        pairs.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).filter(|(k, _)| k != "fields").collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn search() -> S2Request {
        S2Request::Search { query: " cats & dogs ".into() }
    }

    #[test]
    fn a_search_goes_on_by_offset() {
        let url = call(&search(), None).unwrap().url;
        assert_eq!(url.path(), "/graph/v1/paper/search");
        assert!(url.query_pairs().any(|(k, v)| k == "fields" && v == FIELDS));
        assert_eq!(query(&search(), None), pairs(&[("query", "cats & dogs"), ("offset", "0"), ("limit", "100")]));
        let last = pairs(&[("query", "cats & dogs"), ("offset", "992"), ("limit", "8")]);
        assert_eq!(query(&search(), Some("offset=992")), last);
    }

    #[test]
    fn a_bulk_search_goes_on_by_token() {
        let bulk = S2Request::Bulk { query: "a | b".into(), sort: Some("citationCount:desc".into()) };
        assert_eq!(call(&bulk, None).unwrap().url.path(), "/graph/v1/paper/search/bulk");
        assert_eq!(query(&bulk, None), pairs(&[("query", "a | b"), ("sort", "citationCount:desc")]));
        let next = pairs(&[("query", "a | b"), ("sort", "citationCount:desc"), ("token", "PCOA=")]);
        assert_eq!(query(&bulk, Some("token=PCOA=")), next);
        assert_eq!(bulk.key(), "semantic-scholar:bulk:a | b|citationCount:desc");
    }

    #[test]
    fn a_bulk_search_of_what_is_new_keeps_its_first_day_from_page_to_page() {
        let bulk = S2Request::Bulk { query: "a".into(), sort: None };
        let since = ("publicationDateOrYear", "2026:");
        assert_eq!(query(&bulk, Some("since=2026-10-01")), pairs(&[("query", "a"), since]));
        let next = pairs(&[("query", "a"), since, ("token", "A|B=")]);
        assert_eq!(query(&bulk, Some("since=2026-10-01|A|B=")), next);
        let cursor: Cursor = "since=2026-10-01|T".parse().unwrap();
        assert_eq!(BulkPlace::of(Some(&cursor)).unwrap().next("U").to_string(), "since=2026-10-01|U");
    }

    #[test]
    fn the_links_of_a_paper_are_asked_for_by_its_id_up_to_the_end_of_what_is_given() {
        let of = |id: &str| S2Request::Citations { id: id.into() };
        for (id, path) in [
            ("arXiv:2104.12255v2", "ARXIV:2104.12255"),
            ("10.1002/(SICI)41:6<391::AID>3.0.CO;2-9", "DOI:10.1002/(SICI)41:6%3C391::AID%3E3.0.CO;2-9"),
            ("10.1000/a%2fb?c#d", "DOI:10.1000/a%252fb%3Fc%23d"),
            ("corpusid:7", "CorpusId:7"),
        ] {
            assert_eq!(call(&of(id), None).unwrap().url.path(), format!("/graph/v1/paper/{path}/citations"));
        }
        assert_eq!(query(&of("CorpusId:7"), None), pairs(&[("offset", "0"), ("limit", "1000")]));
        assert_eq!(query(&of("CorpusId:7"), Some("offset=9000")), pairs(&[("offset", "9000"), ("limit", "999")]));
        assert!(call(&of("CorpusId:7"), Some("offset=9999")).is_err());
        let references = S2Request::References { id: " CorpusId:7".into() };
        assert_eq!(call(&references, None).unwrap().url.path(), "/graph/v1/paper/CorpusId:7/references");
        assert_eq!(references.key(), "semantic-scholar:references:CorpusId:7");
    }

    #[test]
    fn recommendations_are_asked_for_beside_the_graph() {
        let one = S2Request::Recommended { ids: vec!["pmid:12".into()] };
        let several = S2Request::Recommended { ids: vec!["10.1000/a".into(), "CorpusId:8".into()] };
        for (base, root) in [("http://h/", ""), ("http://h/graph/v1/", ""), ("http://h/x/graph/v1", "/x")] {
            let base = base.parse().unwrap();
            let asked = one.call(&base, None).unwrap();
            assert_eq!(asked.url.path(), format!("{root}/recommendations/v1/papers/forpaper/PMID:12"));
            assert!(asked.url.query_pairs().any(|(k, v)| k == "limit" && v == "500") && asked.json.is_none());
            let asked = several.call(&base, None).unwrap();
            assert_eq!(asked.url.path(), format!("{root}/recommendations/v1/papers/"));
            assert_eq!(asked.json.unwrap(), r#"{"positivePaperIds":["DOI:10.1000/a","CorpusId:8"]}"#);
        }
        assert_eq!(several.key(), "semantic-scholar:recommended:DOI:10.1000/a,CorpusId:8");
    }

    #[test]
    fn a_batch_writes_ids_as_the_api_does_and_goes_in_portions() {
        let mut ids: Vec<String> = [
            "arXiv:2104.12255v2",
            "10.1038/nature14539",
            "10.48550/arXiv.1706.03762",
            "corpusid:7",
            "pmid:12",
            "204E3073870FAE3D05BCBC2F6A8E263D9B72E776",
            "ACL:W12-3903",
        ]
        .map(String::from)
        .into();
        ids.extend((0..500).map(|n| format!("CorpusId:{n}")));
        let batch = S2Request::Batch { ids };
        let sent = |cursor| -> Vec<String> {
            let json = call(&batch, cursor).unwrap().json.unwrap();
            let body: serde_json::Value = serde_json::from_str(&json).unwrap();
            serde_json::from_value(body["ids"].clone()).unwrap()
        };
        let first = sent(None);
        let expected = [
            "ARXIV:2104.12255",
            "DOI:10.1038/nature14539",
            "ARXIV:1706.03762",
            "CorpusId:7",
            "PMID:12",
            "204e3073870fae3d05bcbc2f6a8e263d9b72e776",
            "ACL:W12-3903",
        ];
        assert_eq!((first.len(), &first[..7]), (500, &expected.map(String::from)[..]));
        assert_eq!(sent(Some("batch=500")).len(), 7);
        assert!(call(&batch, Some("batch=507")).is_err());
    }

    #[test]
    fn a_host_alone_is_taken_for_its_api() {
        for (base, path) in
            [("http://127.0.0.1:9", "/graph/v1/paper/search"), ("http://127.0.0.1:9/mirror/", "/mirror/paper/search")]
        {
            assert_eq!(search().call(&base.parse().unwrap(), None).unwrap().url.path(), path);
        }
    }

    #[test]
    fn nothing_is_no_question_and_a_foreign_cursor_no_place() {
        for request in [
            S2Request::Search { query: " ".into() },
            S2Request::Batch { ids: vec![] },
            S2Request::References { id: " ".into() },
            S2Request::Recommended { ids: vec![] },
            S2Request::Recommended { ids: vec!["CorpusId:1".into(), String::new()] },
        ] {
            let text = call(&request, None).unwrap_err().to_string();
            assert!(text.contains("nothing is asked of Semantic Scholar"), "{text}");
        }
        for cursor in ["token=x", "offset=1000"] {
            assert!(call(&search(), Some(cursor)).is_err(), "{cursor}");
        }
    }
}
