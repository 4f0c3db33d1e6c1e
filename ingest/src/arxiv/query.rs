use jiff::civil::Date;
use paper::ArxivId;
use url::Url;

use super::place::Place;
use crate::IngestError;

/// Where arXiv answers queries; [`ArxivRequest::url`] takes any other from configuration.
pub const DEFAULT_BASE_URL: &str = "https://export.arxiv.org/api/query";

/// The most entries that arXiv gives on one page.
pub const MAX_PAGE: u64 = 2_000;

/// The most entries that arXiv gives of one query, all pages together.
pub const MAX_RESULTS: u64 = 30_000;

/// The most ids that go into one address, so that no proxy on the way finds it too long.
const MAX_IDS: u64 = 200;

/// What results are sorted by, from its high end: the most relevant, the latest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortBy {
    /// How well they answer the query.
    Relevance,
    /// When the newest version came.
    LastUpdated,
    /// When the first version came.
    #[default]
    Submitted,
}

/// A question to arXiv's query API (<https://info.arxiv.org/help/api/user-manual.html>).
///
/// What is given narrows: with a query and a category a paper must fit both, with ids it must be one of
/// them too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArxivRequest {
    /// arXiv's own language: `ti:attention AND au:vaswani`, `submittedDate:[202401010000 TO 202402010000]`.
    pub query: Option<String>,
    /// A category, such as `cs.CL`.
    pub category: Option<String>,
    /// Papers by id; one with a version asks for that version.
    pub ids: Vec<ArxivId>,
    /// The first day of submission, in Greenwich's time as arXiv counts it.
    pub from: Option<Date>,
    /// The last day of submission.
    pub until: Option<Date>,
    /// Entries on a page, 1 to 2,000.
    pub max_results_per_page: u64,
    /// What to sort by.
    pub sort: SortBy,
}

impl Default for ArxivRequest {
    fn default() -> Self {
        Self {
            query: None,
            category: None,
            ids: Vec::new(),
            from: None,
            until: None,
            max_results_per_page: 500,
            sort: SortBy::default(),
        }
    }
}

impl ArxivRequest {
    /// The address of the page that begins at `start`, of the results or, when ids are given, of the ids.
    ///
    /// `base` is the full address of the query API, or the root of a host that answers under `/api/query`.
    ///
    /// # Errors
    /// [`IngestError::Refused`] when arXiv would refuse it, said in its stead: nothing is asked for, a page
    /// is larger than 2,000, the results go beyond 30,000, a category is none.
    pub fn url(&self, base: &Url, start: u64) -> Result<Url, IngestError> {
        self.address(base, &Place { start, ..Place::default() })
    }

    /// The address of the page at `place`: in a later window only what was submitted up to its last day, and on the
    /// walk through what changed the latest change first.
    pub(super) fn address(&self, base: &Url, place: &Place) -> Result<Url, IngestError> {
        let start = place.start;
        let search = self.search_query(place.until)?;
        self.check(&search, place)?;
        let mut url = query_address(base);
        let size = self.page_size(start);
        let ids: Vec<String> = self.ids_at(start).iter().map(ToString::to_string).collect();
        let mut pairs = url.query_pairs_mut();
        if !search.is_empty() {
            pairs.append_pair("search_query", &search);
        }
        if ids.is_empty() {
            pairs.append_pair("start", &start.to_string());
        } else {
            pairs.append_pair("id_list", &ids.join(",")).append_pair("start", "0");
        }
        pairs.append_pair("max_results", &size.to_string());
        let sort = place.since.map_or(self.sort, |_| SortBy::LastUpdated);
        pairs.append_pair("sortBy", name_of(sort)).append_pair("sortOrder", "descending");
        drop(pairs);
        Ok(url)
    }

    /// What tells this request from others, in a form that stays: the size of a page is no part of it.
    pub(super) fn key(&self) -> String {
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        let search = self.search_query(None).unwrap_or_default();
        format!("arxiv:{search}|{}|{}|descending", ids.join(","), name_of(self.sort))
    }

    /// Whether every id must be answered: nothing else narrows the request.
    pub(super) fn asks_for_ids_alone(&self) -> bool {
        let searched = self.query.is_some() || self.category.is_some();
        let dated = self.from.is_some() || self.until.is_some();
        !self.ids.is_empty() && !searched && !dated
    }

    /// Whether the day of an entry tells how far the walk has come: only then can it go on in another window.
    pub(super) fn goes_by_day(&self) -> bool {
        self.sort == SortBy::Submitted
    }

    /// How many entries the page at `start` holds at most.
    pub(super) fn page_size(&self, start: u64) -> u64 {
        if self.ids.is_empty() {
            self.max_results_per_page.min(MAX_RESULTS.saturating_sub(start))
        } else {
            self.max_results_per_page.min(MAX_IDS)
        }
    }

    /// The ids that the page at `start` asks for.
    pub(super) fn ids_at(&self, start: u64) -> &[ArxivId] {
        let begin = usize::try_from(start).unwrap_or(usize::MAX).min(self.ids.len());
        let size = usize::try_from(self.page_size(start)).unwrap_or(usize::MAX);
        self.ids.get(begin..begin.saturating_add(size).min(self.ids.len())).unwrap_or_default()
    }

    /// What is searched for, up to the last day of the `window` where there is one.
    fn search_query(&self, window: Option<Date>) -> Result<String, IngestError> {
        let query = self.query.as_deref().map(str::trim).filter(|query| !query.is_empty());
        let category = self.category.as_deref().map(str::trim).filter(|category| !category.is_empty());
        if let Some(odd) = category.filter(|c| !c.bytes().all(|b| b.is_ascii_alphanumeric() || b".-*".contains(&b))) {
            return Err(IngestError::refused(format!("`{odd}` is no arXiv category; one looks like cs.CL or hep-th")));
        }
        let days = submitted(self.from, window.or(self.until));
        let alone = category.is_none() && days.is_none();
        let query = query.map(|query| match query.contains(' ') && !alone {
            true => format!("({query})"),
            false => query.to_owned(),
        });
        let category = category.map(|category| format!("cat:{category}"));
        Ok([category, query, days].into_iter().flatten().collect::<Vec<_>>().join(" AND "))
    }

    fn check(&self, search: &str, place: &Place) -> Result<(), IngestError> {
        let (start, size) = (place.start, self.max_results_per_page);
        if search.is_empty() && self.ids.is_empty() {
            return Err(IngestError::refused("nothing is asked of arXiv; give a query, a category or ids"));
        }
        if !(1..=MAX_PAGE).contains(&size) {
            return Err(IngestError::refused(format!("arXiv gives 1 to {MAX_PAGE} entries a page, not {size}")));
        }
        if !self.ids.is_empty() && self.ids_at(start).is_empty() {
            return Err(IngestError::refused(format!("there are {} ids, none at {start}", self.ids.len())));
        }
        if self.ids.is_empty() && start >= MAX_RESULTS {
            return Err(IngestError::refused(self.too_many(place.until)));
        }
        Ok(())
    }

    /// Why the walk cannot go on in another window.
    pub(super) fn too_many(&self, until: Option<Date>) -> String {
        if !self.goes_by_day() {
            return format!(
                "arXiv gives the first {MAX_RESULTS} results of a query and no more; split it by date with from and \
                 until, or sort it by submission, and it is split by itself"
            );
        }
        let day = until.or(self.until).map_or_else(|| "a single day".to_owned(), |day| day.to_string());
        format!(
            "arXiv gives the first {MAX_RESULTS} results of a query and no more, and {day} alone has more; narrow the \
             query by a category or by words"
        )
    }
}

fn name_of(sort: SortBy) -> &'static str {
    match sort {
        SortBy::Relevance => "relevance",
        SortBy::LastUpdated => "lastUpdatedDate",
        SortBy::Submitted => "submittedDate",
    }
}

/// A range of days as arXiv's language has it, to the minute and with both ends. An end that is not given lies before
/// the first paper or after all that will come.
fn submitted(from: Option<Date>, until: Option<Date>) -> Option<String> {
    let name = |date: Date| date.strftime("%Y%m%d").to_string();
    let (first, last) = (from.map(name), until.map(name));
    let given = first.is_some() || last.is_some();
    given.then(|| {
        let (first, last) = (first.as_deref().unwrap_or("19910101"), last.as_deref().unwrap_or("20991231"));
        format!("submittedDate:[{first}0000 TO {last}2359]")
    })
}

/// The setting may name the host alone.
fn query_address(base: &Url) -> Url {
    let mut url = base.clone();
    if matches!(url.path(), "" | "/") {
        url.set_path("/api/query");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(request: &ArxivRequest, start: u64) -> String {
        request.url(&DEFAULT_BASE_URL.parse().unwrap(), start).unwrap().to_string()
    }

    fn refusal(request: &ArxivRequest, start: u64) -> String {
        request.url(&DEFAULT_BASE_URL.parse().unwrap(), start).unwrap_err().to_string()
    }

    fn in_category(category: &str, query: Option<&str>) -> ArxivRequest {
        ArxivRequest {
            category: Some(category.into()),
            query: query.map(Into::into),
            max_results_per_page: 100,
            ..ArxivRequest::default()
        }
    }

    #[test]
    fn category_and_query_must_both_hold() {
        let tail = "&start=0&max_results=100&sortBy=submittedDate&sortOrder=descending";
        for (query, search) in [
            (None, "cat%3Acs.CL"),
            (Some("ti:attention"), "cat%3Acs.CL+AND+ti%3Aattention"),
            (Some("ti:a OR au:b"), "cat%3Acs.CL+AND+%28ti%3Aa+OR+au%3Ab%29"),
        ] {
            let expected = format!("https://export.arxiv.org/api/query?search_query={search}{tail}");
            assert_eq!(url(&in_category("cs.CL", query), 0), expected);
        }
    }

    #[test]
    fn days_become_a_range_to_the_minute_and_the_window_ends_it_earlier() {
        let day = |text: &str| Some(text.parse().unwrap());
        let request = ArxivRequest { from: day("2024-01-31"), ..in_category("cs.CL", Some("ti:a OR au:b")) };
        for (until, window, range) in [
            (None, None, "[202401310000 TO 209912312359]"),
            (day("2024-02-29"), None, "[202401310000 TO 202402292359]"),
            (day("2024-02-29"), day("2024-02-10"), "[202401310000 TO 202402102359]"),
        ] {
            let request = ArxivRequest { until, ..request.clone() };
            let place = Place { until: window, ..Place::default() };
            let url = request.address(&DEFAULT_BASE_URL.parse().unwrap(), &place).unwrap();
            let search = url.query_pairs().next().unwrap().1.into_owned();
            assert_eq!(search, format!("cat:cs.CL AND (ti:a OR au:b) AND submittedDate:{range}"));
        }
        let dated =
            ArxivRequest { query: Some("ti:a OR au:b".into()), until: day("2024-02-29"), ..ArxivRequest::default() };
        let key = "arxiv:(ti:a OR au:b) AND submittedDate:[199101010000 TO 202402292359]||submittedDate|descending";
        assert_eq!(dated.key(), key);
    }

    #[test]
    fn what_changed_is_asked_for_with_the_latest_change_first() {
        let place = Place { since: Some("2024-02-08".parse().unwrap()), start: 100, ..Place::default() };
        let url = in_category("cs.CL", None).address(&DEFAULT_BASE_URL.parse().unwrap(), &place).unwrap();
        let tail = "search_query=cat%3Acs.CL&start=100&max_results=100&sortBy=lastUpdatedDate&sortOrder=descending";
        assert_eq!(url.query(), Some(tail));
    }

    #[test]
    fn ids_keep_their_versions_and_go_in_portions() {
        let ids: Vec<ArxivId> = ["2104.12255v1", "hep-th/9901001"].iter().map(|id| id.parse().unwrap()).collect();
        let request = ArxivRequest { ids, sort: SortBy::Relevance, max_results_per_page: 1, ..ArxivRequest::default() };
        let expected = "https://export.arxiv.org/api/query?id_list=hep-th%2F9901001&start=0&max_results=1\
                        &sortBy=relevance&sortOrder=descending";
        assert_eq!(url(&request, 1), expected);
        assert!(url(&request, 0).contains("id_list=2104.12255v1&"));
        assert_eq!(request.key(), "arxiv:|2104.12255v1,hep-th/9901001|relevance|descending");
    }

    #[test]
    fn a_host_alone_is_taken_for_its_query_address() {
        let request = in_category("cs.CL", None);
        for (base, address) in [
            ("http://127.0.0.1:9", "http://127.0.0.1:9/api/query"),
            ("http://127.0.0.1:9/", "http://127.0.0.1:9/api/query"),
            ("http://127.0.0.1:9/mirror/q", "http://127.0.0.1:9/mirror/q"),
        ] {
            let url = request.url(&base.parse().unwrap(), 0).unwrap().to_string();
            assert_eq!(url.split('?').next(), Some(address));
        }
    }

    #[test]
    fn what_arxiv_would_refuse_is_refused_here_with_the_way_out() {
        assert!(refusal(&ArxivRequest::default(), 0).contains("give a query, a category or ids"));
        assert!(refusal(&in_category("cs CL", None), 0).contains("`cs CL` is no arXiv category"));
        let by_relevance = ArxivRequest { sort: SortBy::Relevance, ..in_category("cs.CL", None) };
        assert!(refusal(&by_relevance, 30_000).contains("split it by date with from and until"));
        assert!(refusal(&in_category("cs.CL", None), 30_000).contains("a single day alone has more; narrow the query"));
        let large = ArxivRequest { max_results_per_page: 2_001, ..in_category("cs.CL", None) };
        assert!(refusal(&large, 0).contains("1 to 2000 entries a page, not 2001"));
    }

    #[test]
    fn the_last_page_does_not_reach_beyond_what_arxiv_gives() {
        let request = ArxivRequest { max_results_per_page: 2_000, ..in_category("cs.CL", None) };
        assert!(url(&request, 29_500).contains("start=29500&max_results=500&"));
    }

    #[test]
    fn the_key_is_that_of_the_question_not_of_its_pages() {
        let small = ArxivRequest { max_results_per_page: 10, ..in_category("cs.CL", Some("ti:x")) };
        assert_eq!(small.key(), in_category("cs.CL", Some("ti:x")).key());
        assert_ne!(small.key(), in_category("cs.CL", Some("ti:y")).key());
        assert_eq!(small.key(), "arxiv:cat:cs.CL AND ti:x||submittedDate|descending");
    }
}
