use std::fmt;
use std::str::FromStr;

use crate::{ParseError, string_serde};

/// A date of which the month and the day may be unknown: `2021`, `2021-04` or `2021-04-25`
/// (ISO 8601, reduced precision). Ordered by what is known; an unknown part comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationDate {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
}

impl PublicationDate {
    /// The year alone.
    ///
    /// # Errors
    /// When the year is not between 1000 and 9999.
    pub fn from_year(year: i64) -> Result<Self, ParseError> {
        let known = i16::try_from(year).ok().filter(|y| (1000..=9999).contains(y));
        let year = known.ok_or_else(|| ParseError::new(&year.to_string(), "a year from 1000 to 9999"))?;
        Ok(Self { year, month: None, day: None })
    }

    /// The year, always known.
    #[must_use]
    pub fn year(self) -> i16 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub fn month(self) -> Option<i8> {
        self.month
    }

    /// The day of the month, 1 to 31.
    #[must_use]
    pub fn day(self) -> Option<i8> {
        self.day
    }

    /// How many of the three parts are known: 1, 2 or 3.
    #[must_use]
    pub fn precision(self) -> u8 {
        1 + u8::from(self.month.is_some()) + u8::from(self.day.is_some())
    }
}

impl fmt::Display for PublicationDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        for part in [self.month, self.day].into_iter().flatten() {
            write!(f, "-{part:02}")?;
        }
        Ok(())
    }
}

impl FromStr for PublicationDate {
    type Err = ParseError;

    /// Reads the three precisions, and a timestamp (`2021-04-25T17:00:00Z`) for its date.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text.trim()).ok_or_else(|| ParseError::new(text, "a date, such as 2021, 2021-04 or 2021-04-25"))
    }
}

fn parse(text: &str) -> Option<PublicationDate> {
    let date = text.split(['T', ' ']).next()?;
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let known = PublicationDate::from_year(i64::from(year)).ok()?;
    let month = parts.next().map(|m| number(m, 2)).map_or(Some(None), |m| m.map(Some))?;
    let day = parts.next().map(|d| number(d, 2)).map_or(Some(None), |d| d.map(Some))?;
    if parts.next().is_some() || (date.len() != text.len() && day.is_none()) {
        return None;
    }
    let month = month.map(i8::try_from).transpose().ok()?;
    let day = day.map(i8::try_from).transpose().ok()?;
    // jiff knows the lengths of the months.
    jiff::civil::Date::new(known.year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
    Some(PublicationDate { year: known.year, month, day })
}

fn number(text: &str, digits: usize) -> Option<i16> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

string_serde!(PublicationDate);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::PublicationDate;
    use proptest::prelude::*;

    #[test]
    fn reads_each_precision_and_timestamps() {
        for (text, printed) in [
            ("2021", "2021"),
            ("2021-04", "2021-04"),
            ("2021-04-25", "2021-04-25"),
            ("2021-04-25T17:00:00Z", "2021-04-25"),
            ("2022-12-18 00:00:00", "2022-12-18"),
            ("2020-02-29", "2020-02-29"),
        ] {
            assert_eq!(text.parse::<PublicationDate>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn refuses_dates_that_are_none() {
        for text in
            ["", "21", "2021-13", "2021-00", "2021-02-30", "2021-2-3", "0999", "2021-04-25-01", "2021-04T00:00", "soon"]
        {
            assert!(text.parse::<PublicationDate>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(year in 1000i16..9999, month in prop::option::of(1i8..=12), day in 1i8..=28) {
            let text = month.map_or(format!("{year}"), |m| format!("{year}-{m:02}-{day:02}"));
            prop_assert_eq!(text.parse::<PublicationDate>().unwrap().to_string(), text);
        }

        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<PublicationDate>();
        }
    }
}
