use std::fmt;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::{Cursor, IngestError};

/// How far the walk of what changed reaches back behind the beginning of the last one, in days. Papers bear the time at
/// which they were submitted, and come up when they are announced: over a weekend three days later, over holidays and
/// in moderation more. What is read twice is unchanged and costs a page.
const MARGIN: i64 = 14;

/// Where the walk through a query stands. As a cursor it is `start=500;began=2024-02-10`, with `until=` the day that a
/// later window ends with, with `since=` the walk through what changed only, and with `owed=1` a walk through everything
/// in its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// How many entries lie before, within the window.
    pub(super) start: u64,
    /// The last day of the window; none in the first.
    pub(super) until: Option<Date>,
    /// Only what changed since this day is read.
    pub(super) since: Option<Date>,
    /// Everything is read because more changed than could be listed.
    pub(super) owed: bool,
    /// The day on which the first page was asked for; cursors of old did not tell it.
    pub(super) began: Option<Date>,
}

impl Place {
    /// The place that a cursor says, the beginning when there is none.
    ///
    /// # Errors
    /// [`IngestError::NoPlace`] when the cursor is another request's.
    pub(super) fn of(cursor: Option<&Cursor>, seen: Timestamp) -> Result<Self, IngestError> {
        let today = Some(day_of(seen));
        let Some(cursor) = cursor else { return Ok(Self { began: today, ..Self::default() }) };
        let mut place = read(&cursor.to_string()).ok_or_else(|| cursor.foreign())?;
        // The cursor that a finished walk leaves is the beginning of another.
        if place.since.is_some() && place.began.is_none() {
            place.began = today;
        }
        Ok(place)
    }

    /// The place where the next sync begins once this walk is at its end.
    pub(super) fn later(&self) -> Option<Cursor> {
        let since = self.began?.checked_sub(MARGIN.days()).ok()?;
        Some(Cursor::at("since", since))
    }

    /// The place as a cursor.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.to_string().parse().ok()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, date) in [("since", self.since), ("until", self.until)] {
            date.map_or(Ok(()), |date| write!(f, "{name}={date};"))?;
        }
        write!(f, "start={}", self.start)?;
        f.write_str(if self.owed { ";owed=1" } else { "" })?;
        self.began.map_or(Ok(()), |date| write!(f, ";began={date}"))
    }
}

fn read(text: &str) -> Option<Place> {
    let mut place = Place::default();
    for part in text.split(';') {
        let (name, value) = part.split_once('=')?;
        match name {
            "start" => place.start = value.parse().ok()?,
            "until" => place.until = Some(value.parse().ok()?),
            "since" => place.since = Some(value.parse().ok()?),
            "owed" => place.owed = value == "1",
            "began" => place.began = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    (place.until.is_none() || place.since.is_none()).then_some(place)
}

/// The day of a moment, in universal time.
pub(super) fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(jiff::tz::TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn seen() -> Timestamp {
        "2024-02-10T23:00:00Z".parse().unwrap()
    }

    fn of(cursor: &str) -> Result<Place, String> {
        Place::of(Some(&cursor.parse().unwrap()), seen()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_walk_begins_today_and_leaves_a_place_two_weeks_before() {
        let first = Place::of(None, seen()).unwrap();
        assert_eq!(first, Place { began: Some(date(2024, 2, 10)), ..Place::default() });
        assert_eq!(first.later().unwrap().to_string(), "since=2024-01-27");
        let again = of("since=2024-01-27").unwrap();
        assert_eq!(again, Place { since: Some(date(2024, 1, 27)), began: Some(date(2024, 2, 10)), ..Place::default() });
    }

    #[test]
    fn a_cursor_of_old_is_taken_and_leaves_no_place_for_later() {
        let old = of("start=500").unwrap();
        assert_eq!((old, old.later()), (Place { start: 500, ..Place::default() }, None));
        assert_eq!(of("until=20240131;start=500").unwrap().until, Some(date(2024, 1, 31)));
    }

    #[test]
    fn what_is_no_place_in_a_query_is_refused() {
        for cursor in ["offset=5", "start=x", "start", "since=2024-01-01;until=2024-01-01;start=0", "until=2024-13-01"]
        {
            let told = format!("the cursor `{cursor}` belongs to another request; begin again without it");
            assert_eq!(of(cursor), Err(told));
        }
    }

    fn day() -> impl Strategy<Value = Date> {
        (1991..2100_i16, 1..=12_i8, 1..=28_i8).prop_map(|(year, month, day)| date(year, month, day))
    }

    proptest! {
        #[test]
        fn a_place_comes_back_from_its_cursor(start in any::<u64>(), window in prop::option::of(day()), change in any::<bool>(), owed in any::<bool>(), began in day()) {
            let (until, since) = if change { (None, window) } else { (window, None) };
            let place = Place { start, until, since, owed, began: Some(began) };
            prop_assert_eq!(of(&place.cursor().unwrap().to_string()), Ok(place));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-z=;0-9-]{1,40}") {
            let _ = read(&text);
        }
    }
}
