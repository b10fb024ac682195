//! Public holidays: days that count as Sundays for the hours of librarians, so that who helps on weekdays
//! is left alone on them, and who helps on weekends may be asked.
//!
//! **Invariant:** plain dates in whatever zone somebody lives in; nothing here knows which countries keep
//! which days, nor what day it is.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};

use crate::desk::commands::days::{self, Day};

/// The holidays that a coordinator set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays(BTreeSet<Holiday>);

/// One day, of every year where it names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Holiday {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Holidays {
    /// No day is one.
    pub const NONE: &'static Holidays = &Holidays(BTreeSet::new());

    /// Adds a day, such as `25 Dec`, `December 25` or, of one year only, `26 March 2027` or `2027-03-26`. `false`
    /// where the text names no such day.
    #[must_use]
    pub fn add(&mut self, text: &str) -> bool {
        let words: Vec<&str> = text.split_whitespace().collect();
        match days::read(&words) {
            Some((Day::Date { year, month, day }, used)) if used == words.len() => {
                self.0.insert(Holiday { year, month, day });
                true
            }
            _ => false,
        }
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, others: &Holidays) -> Holidays {
        Holidays(self.0.union(&others.0).copied().collect())
    }

    /// Whether a date is a holiday.
    pub fn contain(&self, date: Date) -> bool {
        let is = |year| self.0.contains(&Holiday { year, month: date.month(), day: date.day() });
        !self.0.is_empty() && (is(None) || is(Some(date.year())))
    }

    /// The day of the week that a date counts as.
    pub fn weekday(&self, date: Date) -> Weekday {
        if self.contain(date) { Weekday::Sunday } else { date.weekday() }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn days_of_every_year_and_of_one() {
        let mut holidays = Holidays::default();
        for text in ["25 Dec", "January 1", "26 March 2027", "2028-02-29"] {
            assert!(holidays.add(text), "{text}");
        }
        for text in ["", "Friday", "tomorrow", "30 Feb", "25 Dec and more", "Christmas", "2027-13-01"] {
            assert!(!holidays.add(text), "{text}");
        }
        for (day, expected) in [
            (date(2026, 12, 25), true),
            (date(2031, 12, 25), true),
            (date(2027, 1, 1), true),
            (date(2027, 3, 26), true),
            (date(2028, 3, 26), false),
            (date(2028, 2, 29), true),
            (date(2026, 12, 24), false),
        ] {
            assert_eq!(holidays.contain(day), expected, "{day}");
        }
        assert_eq!(holidays.weekday(date(2026, 12, 25)), Weekday::Sunday);
        assert_eq!(holidays.weekday(date(2026, 12, 24)), Weekday::Thursday);
    }
}
