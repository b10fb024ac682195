//! Days as people name them: `Friday`, `3 March`, `24 Dec to 26 Dec`, `2026-12-24`.
//!
//! **Invariant:** reading needs no clock; which day is meant is found when the date of today is given.

use jiff::ToSpan;
use jiff::civil::Date;

/// A day as somebody named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    Today,
    Tomorrow,
    /// The next one, today included; Monday is 1.
    Weekday(i8),
    /// Without a year, the next one, today included.
    Date {
        year: Option<i16>,
        month: i8,
        day: i8,
    },
}

/// So many years ahead a day without a year is looked for: 29 February can be as far away.
const YEARS_AHEAD: i16 = 8;

impl Day {
    /// The day that is meant, said on `today`.
    pub fn after(self, today: Date) -> Option<Date> {
        match self {
            Day::Today => Some(today),
            Day::Tomorrow => today.tomorrow().ok(),
            Day::Weekday(weekday) => (0..7)
                .filter_map(|days: i64| today.checked_add(days.days()).ok())
                .find(|date| date.weekday().to_monday_one_offset() == weekday),
            Day::Date { year: Some(year), month, day } => Date::new(year, month, day).ok(),
            Day::Date { year: None, month, day } => (0..=YEARS_AHEAD)
                .filter_map(|years| Date::new(today.year() + years, month, day).ok())
                .find(|date| today <= *date),
        }
    }
}

/// Reads a day that the words begin with, and says how many of them it took.
pub fn read(words: &[&str]) -> Option<(Day, usize)> {
    let first = bare(words.first()?);
    match first.as_str() {
        "today" => return Some((Day::Today, 1)),
        "tomorrow" => return Some((Day::Tomorrow, 1)),
        "the" | "on" | "next" => return read(words.get(1..)?).map(|(day, used)| (day, used + 1)),
        _ => {}
    }
    if let Some(weekday) = weekday(&first) {
        return Some((Day::Weekday(weekday), 1));
    }
    if let Ok(date) = first.parse::<Date>() {
        return Some((Day::Date { year: Some(date.year()), month: date.month(), day: date.day() }, 1));
    }
    let second = bare(words.get(1)?);
    let (day, month) = match (day_of_month(&first), day_of_month(&second)) {
        (Some(day), _) => (day, month(&second)?),
        (None, Some(day)) => (day, month(&first)?),
        (None, None) => return None,
    };
    let year = words.get(2).and_then(|word| bare(word).parse::<i16>().ok());
    let year = year.filter(|year| (2020..2100).contains(year));
    // A day that is in no year is no day.
    (0..4).find(|years| Date::new(2024 + years, month, day).is_ok())?;
    Some((Day::Date { year, month, day }, if year.is_some() { 3 } else { 2 }))
}

/// Reads a day, or the first and the last of several. All words must belong to it.
pub fn span(text: &str) -> Option<(Day, Day)> {
    let text = text.replace('–', "-").replace(" - ", " to ");
    let words: Vec<&str> = text.split_whitespace().filter(|word| !matches!(*word, "from" | "on")).collect();
    let (from, used) = read(&words)?;
    let rest = words.get(used..)?;
    match rest {
        [] => Some((from, from)),
        ["to" | "until" | "till", last @ ..] => {
            let (until, used) = read(last)?;
            (used == last.len()).then_some((from, until))
        }
        [_, ..] => None,
    }
}

fn bare(word: &str) -> String {
    word.trim_matches([',', '.', '!', '?', ';', ':', ')', '(']).to_lowercase()
}

fn day_of_month(word: &str) -> Option<i8> {
    let number = word.trim_end_matches("st").trim_end_matches("nd").trim_end_matches("rd");
    let number = number.trim_end_matches("th");
    number.parse().ok().filter(|day| (1..=31).contains(day))
}

fn weekday(word: &str) -> Option<i8> {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let at = DAYS.iter().position(|day| word == *day)?;
    i8::try_from(at + 1).ok()
}

fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let at = MONTHS.iter().position(|month| word.len() >= 3 && month.starts_with(word))?;
    i8::try_from(at + 1).ok()
}

/// The day by which a patron says they need the answer: `I need this by Friday`. Taken from a text only
/// where it speaks of needing, so that `the book by May Day` is none.
pub fn needed_by(text: &str) -> Option<Day> {
    const NEED: [&str; 8] = ["need", "needed", "needs", "deadline", "due", "latest", "urgent", "urgently"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let need = words.iter().position(|word| NEED.contains(&bare(word).as_str()))?;
    let after = words.get(need..)?;
    let by = after.iter().take(12).position(|word| matches!(bare(word).as_str(), "by" | "before"))?;
    read(after.get(by + 1..)?).map(|(day, _)| day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> Date {
        // A Monday.
        Date::constant(2026, 3, 2)
    }

    #[test]
    fn days_are_read_as_people_write_them() {
        for (text, expected) in [
            ("today", "2026-03-02"),
            ("tomorrow", "2026-03-03"),
            ("Monday", "2026-03-02"),
            ("Friday.", "2026-03-06"),
            ("3 March", "2026-03-03"),
            ("March 1st", "2027-03-01"),
            ("24 Dec", "2026-12-24"),
            ("2026-12-24", "2026-12-24"),
            ("24th December 2027", "2027-12-24"),
            ("29 Feb", "2028-02-29"),
        ] {
            let words: Vec<&str> = text.split(' ').collect();
            let (day, used) = read(&words).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(used, words.len(), "{text}");
            assert_eq!(day.after(today()).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "soon", "30 Feb", "may", "May Sarton", "32 March", "2026-13-01"] {
            assert_eq!(read(&text.split(' ').collect::<Vec<_>>()), None, "{text}");
        }
    }

    #[test]
    fn several_days_have_a_first_and_a_last() {
        let days = |text: &str| {
            let (from, until) = span(text)?;
            Some(format!("{}..{}", from.after(today())?, until.after(today())?))
        };
        for (text, expected) in [
            ("24 Dec", Some("2026-12-24..2026-12-24")),
            ("2026-12-24 to 2026-12-26", Some("2026-12-24..2026-12-26")),
            ("from 24 Dec until 2 Jan", Some("2026-12-24..2027-01-02")),
            ("24 Dec at home", None),
            ("", None),
        ] {
            assert_eq!(days(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_deadline_is_taken_from_a_text_only_where_it_speaks_of_needing() {
        for (text, expected) in [
            ("When did it end? I need this by Friday, please.", Some(Day::Weekday(5))),
            ("Needed before 3 March", Some(Day::Date { year: None, month: 3, day: 3 })),
            ("Who wrote Robinson Crusoe, by Friday's account?", None),
            ("I need a poem by May Sarton", None),
            ("The novel by Monday Michiru?", None),
        ] {
            assert_eq!(needed_by(text), expected, "{text}");
        }
    }
}
