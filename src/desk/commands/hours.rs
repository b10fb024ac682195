//! Working hours as librarians write them: `18:00-22:00 Europe/Berlin weekdays`.
//!
//! **Invariant:** time zone names are looked up in the database that is built into the program,
//! never on the machine's disk.

use std::collections::BTreeSet;

use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::desk::holidays::Holidays;
use crate::desk::person::Hours;

/// A librarian can have this many windows.
const WINDOWS_MAX: usize = 14;

/// How far ahead the start of the next window is looked for. A week holds every window once; the others are
/// for those whose days are all holidays.
const DAYS_AHEAD: i64 = 40;

/// For how long somebody without hours is on duty, at whatever time: a whole day lies before them.
pub(crate) const ANY_TIME: SignedDuration = SignedDuration::from_hours(24);

/// What was not understood about hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoursMistake {
    /// No window such as `18:00-22:00` was found, or it is not one of the day's.
    Window,
    /// No time zone was named.
    NoZone,
    /// There is no such time zone.
    UnknownZone(String),
    /// A word that is neither window, zone nor day.
    Word(String),
    TooMany,
}

/// Reads one or more windows. `any` and `always` mean no hours at all: an empty list.
pub fn read(text: &str) -> Result<Vec<Hours>, HoursMistake> {
    let text = text.trim().trim_end_matches(['.', '!']);
    if matches!(text.to_lowercase().as_str(), "any" | "always" | "anytime" | "any time") {
        return Ok(Vec::new());
    }
    let words = text.replace([',', ';'], " ").replace('–', "-").replace(" - ", "-");
    let mut windows = Vec::new();
    let mut zone = None;
    let mut days = BTreeSet::new();
    for word in words.split_whitespace() {
        if let Some(window) = window(word) {
            windows.push(window);
        } else if word.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(HoursMistake::Window);
        } else if let Some(more) = days_named(word) {
            days.extend(more);
        } else if word.contains('/') || word.eq_ignore_ascii_case("utc") {
            let found = zone_named(word).ok_or_else(|| HoursMistake::UnknownZone(word.to_owned()))?;
            zone = Some(found.iana_name().unwrap_or("UTC").to_owned());
        } else if !matches!(word.to_lowercase().as_str(), "and" | "on" | "in" | "from" | "every" | "day") {
            return Err(HoursMistake::Word(word.to_owned()));
        }
    }
    if windows.is_empty() {
        return Err(HoursMistake::Window);
    }
    if windows.len() > WINDOWS_MAX {
        return Err(HoursMistake::TooMany);
    }
    let zone = zone.ok_or(HoursMistake::NoZone)?;
    if days.is_empty() {
        days.extend(1..=7);
    }
    let hours = |(from, until)| Hours { from, until, zone: zone.clone(), days: days.clone() };
    Ok(windows.into_iter().map(hours).collect())
}

/// The time zone of this name, in any case, from the built-in database.
pub fn zone_named(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Whether `now` is within one of the windows. No windows at all means at any time.
pub fn contain(hours: &[Hours], holidays: &Holidays, now: Timestamp) -> bool {
    left(hours, holidays, now).is_some()
}

/// For how much longer somebody is on duty; `None` for somebody who is not. Who is at any time is so for a day.
pub fn left(hours: &[Hours], holidays: &Holidays, now: Timestamp) -> Option<SignedDuration> {
    if hours.is_empty() {
        return Some(ANY_TIME);
    }
    // No window is longer than a day, so that only those that began yesterday or today can be open.
    let open = |window| {
        let begun = occurrences(window, holidays, now).take_while(|(from, _)| *from <= now);
        begun.map(|(_, until)| until).filter(|until| now < *until).max()
    };
    hours.iter().filter_map(open).max().map(|until| until.duration_since(now))
}

/// When the next window begins, for somebody who is off duty now.
pub fn next_start(hours: &[Hours], holidays: &Holidays, now: Timestamp) -> Option<Timestamp> {
    let next = |window| occurrences(window, holidays, now).map(|(from, _)| from).find(|from| now < *from);
    hours.iter().filter_map(next).min()
}

/// `18:00-22:00`, `9-17`, `18h-22h`; 24:00 is midnight.
fn window(word: &str) -> Option<(Time, Time)> {
    let (from, until) = word.split_once('-')?;
    Some((time(from)?, time(until)?))
}

fn time(text: &str) -> Option<Time> {
    let text = text.trim_end_matches('h');
    let (hour, minute) = text.split_once([':', '.', 'h']).unwrap_or((text, "0"));
    let (hour, minute) = (hour.parse::<i8>().ok()?, minute.parse::<i8>().ok()?);
    let hour = if hour == 24 && minute == 0 { 0 } else { hour };
    Time::new(hour, minute, 0, 0).ok()
}

/// `weekdays`, `sat`, `mon-fri`; Monday is 1.
fn days_named(word: &str) -> Option<BTreeSet<i8>> {
    let word = word.to_lowercase();
    match word.as_str() {
        "weekday" | "weekdays" | "workdays" => return Some((1..=5).collect()),
        "weekend" | "weekends" => return Some([6, 7].into()),
        "daily" | "everyday" => return Some((1..=7).collect()),
        _ => {}
    }
    let Some((from, until)) = word.split_once('-') else {
        return Some([day_named(&word)?].into());
    };
    let (from, until) = (day_named(from)?, day_named(until)?);
    // A range may run over the end of the week, as `sat-mon` does.
    Some(if from <= until { (from..=until).collect() } else { (from..=7).chain(1..=until).collect() })
}

fn day_named(word: &str) -> Option<i8> {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let word = if word.len() > 5 { word.strip_suffix('s').unwrap_or(word) } else { word };
    let found = DAYS.iter().position(|day| word.len() >= 3 && day.starts_with(word))?;
    i8::try_from(found + 1).ok()
}

/// The window's occurrences from yesterday, which may last until today, to some weeks ahead, in their order.
/// Clock times are taken in the librarian's zone, so 18:00 stays 18:00 when daylight saving begins or ends.
fn occurrences(
    window: &Hours,
    holidays: &Holidays,
    now: Timestamp,
) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let zone = zone_named(&window.zone).unwrap_or(TimeZone::UTC);
    let today = zone.to_datetime(now).date();
    (-1..=DAYS_AHEAD).filter_map(move |offset| {
        let day = today.checked_add(offset.days()).ok()?;
        if !window.starts_on(holidays.weekday(day)) {
            return None;
        }
        let last = if window.until <= window.from { day.tomorrow().ok()? } else { day };
        let from = zone.to_timestamp(day.to_datetime(window.from)).ok()?;
        let until = zone.to_timestamp(last.to_datetime(window.until)).ok()?;
        Some((from, until))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_are_read_as_people_write_them() {
        for (text, from, until, days) in [
            ("18:00-22:00 Europe/Berlin weekdays", "18:00", "22:00", "1,2,3,4,5"),
            ("Europe/Berlin 18-22", "18:00", "22:00", "1,2,3,4,5,6,7"),
            ("9.30 - 17 europe/berlin Sat, Sun", "09:30", "17:00", "6,7"),
            ("22:00–2:00 Europe/Berlin fri-mon", "22:00", "02:00", "1,5,6,7"),
            ("from 8h-24h in Europe/Berlin every day", "08:00", "00:00", "1,2,3,4,5,6,7"),
            ("8-9 Europe/Berlin on Tuesdays and thursday.", "08:00", "09:00", "2,4"),
        ] {
            let hours = read(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
            let [hours] = hours.as_slice() else { panic!("{text}: one window") };
            let found: Vec<String> = hours.days.iter().map(i8::to_string).collect();
            assert_eq!(hours.from.strftime("%H:%M").to_string(), from, "{text}");
            assert_eq!(hours.until.strftime("%H:%M").to_string(), until, "{text}");
            assert_eq!(found.join(","), days, "{text}");
            assert_eq!(hours.zone, "Europe/Berlin", "{text}");
        }
        assert_eq!(read("any"), Ok(Vec::new()));
        assert_eq!(read("9-12, 14-17 UTC").map(|hours| hours.len()), Ok(2));
    }

    #[test]
    fn mistakes_in_hours_are_named() {
        for (text, expected) in [
            ("", HoursMistake::Window),
            ("Europe/Berlin", HoursMistake::Window),
            ("9-25 Europe/Berlin", HoursMistake::Window),
            ("9:75-10 Europe/Berlin", HoursMistake::Window),
            ("9-17", HoursMistake::NoZone),
            ("9-17 Europe/Atlantis", HoursMistake::UnknownZone("Europe/Atlantis".into())),
            ("9-17 UTC sometimes", HoursMistake::Word("sometimes".into())),
        ] {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn how_long_somebody_is_still_on_duty() {
        for (hours, now, expected) in [
            ("any", "2026-03-02T10:00:00Z", Some("24h")),
            ("9-12 UTC", "2026-03-02T10:30:00Z", Some("1h 30m")),
            ("9-12, 11-15 UTC", "2026-03-02T11:30:00Z", Some("3h 30m")),
            ("9-12 UTC", "2026-03-02T12:00:00Z", None),
            // The night in which the clocks go forward, and the one in which they go back.
            ("22-4 Europe/Berlin", "2026-03-28T23:00:00Z", Some("3h")),
            ("22-4 Europe/Berlin", "2026-10-24T22:00:00Z", Some("5h")),
        ] {
            let left = left(&read(hours).unwrap(), Holidays::NONE, at(now));
            assert_eq!(left, expected.map(|text| text.parse().unwrap()), "{hours} at {now}");
        }
    }

    #[test]
    fn hours_follow_the_clocks_of_their_zone() {
        let evening = read("18:00-22:00 Europe/Berlin").unwrap();
        let night = read("22:00-02:00 Europe/Berlin mon").unwrap();
        let weekend = read("10-12 Pacific/Auckland sat").unwrap();
        for (what, hours, now, open) in [
            ("winter evening", &evening, "2026-03-28T17:00:00Z", true),
            ("an hour before it", &evening, "2026-03-28T16:59:59Z", false),
            ("the end does not belong to it", &evening, "2026-03-28T21:00:00Z", false),
            ("summer evening is an hour earlier", &evening, "2026-03-29T16:00:00Z", true),
            ("Monday night", &night, "2026-03-02T22:30:00Z", true),
            ("past midnight it is still Monday's window", &night, "2026-03-03T00:30:00Z", true),
            ("Tuesday night is another", &night, "2026-03-03T22:30:00Z", false),
            ("Saturday in Auckland is Friday in UTC", &weekend, "2026-03-06T21:30:00Z", true),
            ("leap day", &evening, "2028-02-29T17:30:00Z", true),
        ] {
            assert_eq!(contain(hours, Holidays::NONE, at(now)), open, "{what}");
        }
    }

    #[test]
    fn the_next_start_is_found_within_the_week() {
        let weekdays = read("9-17 Europe/Berlin weekdays").unwrap();
        for (now, expected) in [
            ("2026-03-02T07:00:00Z", "2026-03-02T08:00:00Z"),
            ("2026-03-06T17:00:00Z", "2026-03-09T08:00:00Z"),
            // Over the change of the clocks, nine o'clock comes an hour earlier in UTC.
            ("2026-03-27T17:00:00Z", "2026-03-30T07:00:00Z"),
        ] {
            assert_eq!(next_start(&weekdays, Holidays::NONE, at(now)), Some(at(expected)), "from {now}");
        }
        assert_eq!(next_start(&[], Holidays::NONE, at("2026-03-02T07:00:00Z")), None);
    }

    #[test]
    fn a_holiday_is_like_a_sunday_for_hours() {
        let mut holidays = Holidays::default();
        // A Friday, and the Monday after it.
        assert!(holidays.add("25 Dec") && holidays.add("28 Dec 2026"));
        let weekdays = read("9-17 Europe/Berlin weekdays").unwrap();
        let weekend = read("10-12 Europe/Berlin weekends").unwrap();
        let night = read("22-2 Europe/Berlin weekdays").unwrap();
        for (what, hours, now, open) in [
            ("the day before", &weekdays, "2026-12-24T09:00:00Z", true),
            ("a Friday, but Christmas", &weekdays, "2026-12-25T09:00:00Z", false),
            ("who helps on weekends helps then", &weekend, "2026-12-25T09:30:00Z", true),
            ("the night that began before", &night, "2026-12-25T00:30:00Z", true),
            ("and that which would begin", &night, "2026-12-25T21:30:00Z", false),
            ("next year it is a Saturday", &weekend, "2027-12-25T09:30:00Z", true),
            ("a holiday of one year", &weekdays, "2026-12-28T09:00:00Z", false),
            ("is none in the next", &weekdays, "2027-12-28T09:00:00Z", true),
        ] {
            assert_eq!(contain(hours, &holidays, at(now)), open, "{what}");
        }
        let next = next_start(&weekdays, &holidays, at("2026-12-24T17:00:00Z"));
        assert_eq!(next, Some(at("2026-12-29T08:00:00Z")));
    }
}
