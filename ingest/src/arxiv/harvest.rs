use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use paper::SourceName;
use url::Url;

use super::place::day_of;
use super::{answer, oai};
use crate::http::{Answer, Outgoing, PoliteClient};
use crate::{Cursor, IngestError, Page, Source};

const SETTING: &str = "sources.arxiv.oai_url";

/// The first day that any record of arXiv's bears: the harvesting interface was filled anew on it.
const FIRST_DAY: Date = Date::constant(2005, 9, 16);

/// How many days are asked for at a time, so that a token that has expired costs little.
const WINDOW_DAYS: i64 = 30;

/// How often a sync begins one window again because its token is not taken any more.
const MAX_AGAIN: u32 = 3;

/// A whole set of arXiv's by OAI-PMH (<https://info.arxiv.org/help/oa/index.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HarvestRequest {
    /// The set, such as `cs` or `cs:cs:CL`.
    pub set: String,
    /// The first day of modification; else the first that any record has.
    pub from: Option<Date>,
    /// The last day of modification; else today.
    pub until: Option<Date>,
}

/// A harvest, live: windows of 30 days from the oldest to the newest, each read by resumption tokens.
///
/// A token that has expired begins its window again, three times at most. Once everything is read, a place is left from
/// which the next harvest goes on: the day before the last, since the other side's calendar is behind ours.
#[derive(Debug)]
pub struct HarvestSource {
    client: Arc<PoliteClient>,
    base_url: Url,
    request: HarvestRequest,
    /// How often the present window was begun again. It is no part of the cursor: a token that expires between two
    /// syncs is no fault, however often that happens.
    again: AtomicU32,
}

impl HarvestSource {
    /// `base_url` is the address of the harvesting interface. The client is the one of all arXiv sources: the pause
    /// between requests holds for all interfaces together.
    #[must_use]
    pub fn new(client: Arc<PoliteClient>, base_url: Url, request: HarvestRequest) -> Self {
        Self { client, base_url, request, again: AtomicU32::new(0) }
    }

    fn last_day(&self, seen: Timestamp) -> Date {
        let today = day_of(seen);
        self.request.until.map_or(today, |until| until.min(today))
    }

    fn place(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Place, IngestError> {
        let mut place = match cursor {
            Some(cursor) => read(&cursor.to_string()).ok_or_else(|| cursor.foreign())?,
            None => Place::on(self.request.from.unwrap_or(FIRST_DAY)),
        };
        // A window keeps its last day while its tokens are read, even when that takes over midnight.
        if place.until.is_none() {
            let end = place.from.checked_add((WINDOW_DAYS - 1).days()).unwrap_or(Date::MAX);
            place.until = Some(end.min(self.last_day(seen)));
        }
        Ok(place)
    }

    fn url(&self, place: &Place) -> Url {
        let mut url = self.base_url.clone();
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("verb", "ListRecords");
        if let Some(token) = &place.token {
            // The protocol takes nothing else beside a token.
            pairs.append_pair("resumptionToken", token);
        } else {
            pairs.append_pair("metadataPrefix", "arXiv").append_pair("set", &self.request.set);
            pairs.append_pair("from", &place.from.to_string());
            pairs.append_pair("until", &place.until.unwrap_or(place.from).to_string());
        }
        drop(pairs);
        url
    }

    /// The page at that very place; none when its token is not taken any more.
    async fn ask(&self, place: &Place, seen: Timestamp) -> Result<Option<Page>, IngestError> {
        let outgoing = Outgoing::get(self.url(place), SETTING);
        self.client.fetch(&outgoing, |answer| read_answer(answer, seen)).await
    }

    /// The page with the places that follow from where it stands.
    fn placed(&self, mut page: Page, place: Place, seen: Timestamp) -> Page {
        let (end, last) = (place.until.unwrap_or(place.from), self.last_day(seen));
        let token = page.next.take().map(|token| token.to_string());
        let next = match token {
            Some(token) => Some(Place { token: Some(token), ..place }),
            None => {
                self.again.store(0, Ordering::Relaxed);
                end.checked_add(1.day()).ok().filter(|_| end < last).map(Place::on)
            }
        };
        if next.is_none() {
            let first = self.request.from.unwrap_or(FIRST_DAY);
            page.later = read_up_to(end, day_of(seen)).and_then(|day| Place::on(day.max(first)).cursor());
        }
        // A token tells how much there is in its window, not in all of them.
        page.total = None;
        page.next = next.and_then(|place| place.cursor());
        page
    }
}

/// The day before which nothing changes any more.
fn read_up_to(end: Date, today: Date) -> Option<Date> {
    Some(end.min(today.checked_sub(1.day()).ok()?))
}

#[async_trait]
impl Source for HarvestSource {
    fn name(&self) -> SourceName {
        SourceName::Arxiv
    }

    fn key(&self) -> String {
        let day = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        format!("arxiv:oai:{}|{}|{}", self.request.set, day(self.request.from), day(self.request.until))
    }

    fn newest_first(&self) -> bool {
        false
    }

    /// A token that has expired leads to another page.
    fn repeats(&self) -> bool {
        false
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        let mut place = self.place(cursor, seen)?;
        // Nothing has been modified in the days to come.
        if place.from > self.last_day(seen) {
            return Ok(Page { later: Place::on(place.from).cursor(), ..Page::default() });
        }
        loop {
            match self.ask(&place, seen).await? {
                Some(page) => return Ok(self.placed(page, place, seen)),
                None if place.token.is_some() && self.again.fetch_add(1, Ordering::Relaxed) < MAX_AGAIN => {
                    place.token = None;
                }
                None => return Err(IngestError::Transient { what: given_up(&place) }),
            }
        }
    }
}

fn given_up(place: &Place) -> String {
    format!(
        "arXiv takes none of its own resumption tokens for the days from {}, though they were begun again {MAX_AGAIN} \
         times; sync again later",
        place.from
    )
}

fn read_answer(answer: &Answer, seen: Timestamp) -> Result<Option<Page>, IngestError> {
    let may_tell = matches!(answer.status, 200 | 400..=405 | 409..=428);
    match may_tell.then(|| oai::read(&answer.body, seen)) {
        Some(Ok(oai::Answered::TokenExpired(_))) => Ok(None),
        Some(Ok(oai::Answered::Nothing)) if answer.status == 200 => Ok(Some(Page::default())),
        Some(Ok(oai::Answered::List(page))) if answer.status == 200 => list(page).map(Some),
        _ => {
            answer::check(answer, seen, SETTING)?;
            super::oai::parse(&answer.body, seen).map(Some)
        }
    }
}

/// The protocol knows no empty list: there is a code for it, so a list without a record is a hiccup, and not the fault of
/// the place that was asked for.
fn list(page: Page) -> Result<Page, IngestError> {
    if page.len() == 0 {
        return Err(IngestError::Transient { what: "arXiv sent a list without a record; sync again later".to_owned() });
    }
    Ok(page)
}

/// A window, and how far it is read. As a cursor it is `from=2024-01-01`, or with the last day of the window and the
/// token `from=2024-01-01;until=2024-01-30;token=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    from: Date,
    until: Option<Date>,
    token: Option<String>,
}

impl Place {
    fn on(from: Date) -> Self {
        Self { from, until: None, token: None }
    }

    fn cursor(&self) -> Option<Cursor> {
        self.to_string().parse().ok()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from={}", self.from)?;
        self.until.map_or(Ok(()), |until| write!(f, ";until={until}"))?;
        // Last, for nobody knows what a token may hold.
        self.token.as_ref().map_or(Ok(()), |token| write!(f, ";token={token}"))
    }
}

fn read(text: &str) -> Option<Place> {
    let (head, token) = match text.split_once(";token=") {
        Some((head, token)) => (head, Some(token.to_owned())),
        None => (text, None),
    };
    let mut parts = head.split(';');
    let mut place = Place::on(parts.next()?.strip_prefix("from=")?.parse().ok()?);
    place.token = token;
    for part in parts {
        place.until = Some(part.strip_prefix("until=")?.parse().ok()?);
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_harvest_begins_with_the_last_day_that_may_still_change() {
        let today = date(2024, 2, 10);
        for (end, next) in [(today, date(2024, 2, 9)), (date(2024, 1, 20), date(2024, 1, 20))] {
            assert_eq!(read_up_to(end, today), Some(next), "{end}");
        }
    }

    #[test]
    fn what_is_no_place_in_a_harvest_is_none() {
        for cursor in ["start=5", "from=x", "from=2024-01-01;since=2024-01-01", "from=2024-01-01;until"] {
            assert_eq!(read(cursor), None, "{cursor}");
        }
    }

    proptest! {
        #[test]
        fn a_place_comes_back_whatever_its_token_holds(
            day in 1..=28_i8, window in prop::option::of(1..=28_i8), token in prop::option::of("[^\\p{C}]{1,30}")
        ) {
            let place = Place { from: date(2024, 2, day), until: window.map(|day| date(2024, 3, day)), token };
            prop_assert_eq!(read(&place.cursor().unwrap().to_string()), Some(place));
        }
    }
}
