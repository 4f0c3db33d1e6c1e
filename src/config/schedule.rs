//! When a job is due: a cron line in a time zone.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A cron line of five fields (minute, hour, day of the month, month, day of the week) in a time zone.
///
/// As the cron daemon does it: when both the day of the month and that of the week are given, either is enough; on the
/// day that clocks go forward, a time of day that does not exist is due when they have gone forward; on the day that
/// they go back, a time of day that comes twice is due the first time, while what recurs within the hour goes on.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    text: String,
    zone_name: String,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.zone_name) == (&other.text, &other.zone_name)
    }
}

impl Schedule {
    /// Reads a cron line and the name of a time zone in the IANA database.
    ///
    /// # Errors
    /// A sentence for the user, also for a line that is never due, such as the 31st of February.
    pub fn parse(text: &str, zone_name: &str) -> Result<Self, String> {
        let fault = |fault: &dyn fmt::Display| format!("`schedule` is `{text}`, which is no cron line: {fault}");
        let fields = text.split_whitespace().count();
        if fields != 5 {
            let expected = "five fields: minute, hour, day of the month, month, day of the week";
            return Err(fault(&format_args!("it has {fields} of the {expected}")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|reason| fault(&reason))?;
        let zone = TimeZone::get(zone_name).map_err(|_| {
            format!("`time_zone` is `{zone_name}`, which is no name of the IANA database, such as Europe/Berlin or UTC")
        })?;
        let schedule = Self { cron, zone, text: text.to_owned(), zone_name: zone_name.to_owned() };
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(format!("`schedule` is `{text}`, which is never due")),
        }
    }

    /// The first time after `time` at which it is due.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let due = self.cron.find_next_occurrence(&time.to_zoned(self.zone.clone()), false).ok()?;
        Some(due.timestamp())
    }

    /// The cron line as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of the time zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.zone_name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first times after `from`, in the zone's own clock.
    fn due(line: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(line, zone).unwrap();
        let mut time: Timestamp = from.parse().unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            time = schedule.next_after(time).unwrap();
            times.push(time.to_zoned(schedule.zone.clone()).strftime("%a %d %H:%M %Z").to_string());
        }
        times
    }

    #[test]
    fn half_past_two_is_due_once_on_both_days_that_the_clocks_change() {
        let half_past_two = |from| due("30 2 * * *", "Europe/Berlin", from, 3);
        let spring = half_past_two("2026-03-27T12:00:00Z");
        assert_eq!(spring, ["Sat 28 02:30 CET", "Sun 29 03:00 CEST", "Mon 30 02:30 CEST"]);
        let autumn = half_past_two("2026-10-24T12:00:00Z");
        assert_eq!(autumn, ["Sun 25 02:30 CEST", "Mon 26 02:30 CET", "Tue 27 02:30 CET"]);
    }

    #[test]
    fn what_recurs_within_the_hour_goes_on_when_the_hour_comes_twice() {
        let autumn = due("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", 5);
        assert_eq!(autumn[..4], ["Sun 25 02:00 CEST", "Sun 25 02:30 CEST", "Sun 25 02:00 CET", "Sun 25 02:30 CET"]);
    }

    #[test]
    fn days_of_the_month_and_of_the_week_are_either_enough() {
        let times = due("0 3 1 * MON", "UTC", "2026-11-28T00:00:00Z", 3);
        assert_eq!(times, ["Mon 30 03:00 UTC", "Tue 01 03:00 UTC", "Mon 07 03:00 UTC"]);
        assert_eq!(due("0 3 * * 7", "UTC", "2026-11-28T00:00:00Z", 1), ["Sun 29 03:00 UTC"]);
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for (line, zone, told) in [
            ("0 3 * *", "UTC", "it has 4 of the five fields"),
            ("0 0 3 * * *", "UTC", "it has 6 of the five fields"),
            ("@daily", "UTC", "it has 1 of the five fields"),
            ("61 3 * * *", "UTC", "`61 3 * * *`, which is no cron line: "),
            ("0 3 31 2 *", "UTC", "`0 3 31 2 *`, which is never due"),
            ("0 3 * * *", "Europe/Berlim", "`time_zone` is `Europe/Berlim`, which is no name of the IANA database"),
        ] {
            let error = Schedule::parse(line, zone).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_told(line in "\\PC{0,20}", zone in "\\PC{0,10}") {
            let _ = Schedule::parse(&line, &zone);
        }

        #[test]
        fn the_next_time_is_later_and_nothing_is_due_between(minute in 0u8..60, hour in 0u8..24, second in 0i64..2_000_000_000) {
            let schedule = Schedule::parse(&format!("{minute} {hour} * * *"), "America/New_York").unwrap();
            let from = Timestamp::from_second(second).unwrap();
            let next = schedule.next_after(from).unwrap();
            prop_assert!(next > from && next.duration_since(from).as_hours() <= 25);
            let just_before = Timestamp::from_second(next.as_second() - 1).unwrap();
            prop_assert_eq!(schedule.next_after(just_before.max(from)), Some(next));
        }
    }
}
