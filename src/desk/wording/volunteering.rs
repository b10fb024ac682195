//! What the desk says to those who volunteer: when they join, change how they want to be asked, and leave.
//!
//! **Invariant:** as above: nothing here decides anything.

use jiff::Timestamp;

use crate::desk::person::{Hours, Librarian};
use crate::desk::settings::Settings;
use crate::desk::wording::{join, moment};

pub fn joined(subjects: &str, librarian: &Librarian) -> String {
    let hours = if librarian.hours.is_empty() {
        "You may be asked at any hour; to change that, say for example: hours 18:00-22:00 Europe/Berlin weekdays".to_owned()
    } else {
        format!("Your hours: {}", hours_list(&librarian.hours))
    };
    format!(
        "Welcome to the desk! You take: {subjects}, up to {} open questions at a time. {hours}. Say leave to stop.",
        librarian.limit
    )
}

/// To a librarian who joined in public on a network where the desk may not write to them first.
pub fn joined_in_public(subjects: &str) -> String {
    format!(
        "Welcome to the desk! You take: {subjects}. Here I may ask you only in direct messages, once you have sent me one: please send me “hello”."
    )
}

pub fn hours_set(hours: &[Hours]) -> String {
    match hours {
        [] => "You may be asked at any hour now.".to_owned(),
        hours => format!("I'll ask you only then: {}.", hours_list(hours)),
    }
}

pub fn languages_set(languages: &str) -> String {
    format!("I'll ask you questions in: {languages}.")
}

pub fn limit_set(limit: u32) -> String {
    format!(
        "You'll have at most {limit} open {} at a time.",
        if limit == 1 { "question" } else { "questions" }
    )
}

pub fn paused(until: Option<Timestamp>, settings: &Settings) -> String {
    match until {
        Some(until) => format!(
            "Enjoy your break! I'll ask you nothing before {}. Say back to return earlier.",
            moment(until, settings)
        ),
        None => "Enjoy your break! I'll ask you nothing until you say back.".to_owned(),
    }
}

pub fn back() -> String {
    "Welcome back! I'll ask you again.".to_owned()
}

pub fn left() -> String {
    "You've left the desk, and I won't ask you any more. Thank you for everything! Say join to return."
        .to_owned()
}

pub fn not_a_librarian() -> String {
    "That's a librarian's command. To become one of the desk's librarians, say join and your subjects, for example: join history, genealogy.".to_owned()
}

fn hours_list(hours: &[Hours]) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let one = |window: &Hours| {
        let days: Vec<i8> = window.days.iter().copied().collect();
        let days = match days.as_slice() {
            [1, 2, 3, 4, 5, 6, 7] => "daily".to_owned(),
            [1, 2, 3, 4, 5] => "weekdays".to_owned(),
            [6, 7] => "weekends".to_owned(),
            days => join(
                days.iter()
                    .filter_map(|day| DAYS.get(usize::try_from(day - 1).ok()?))
                    .map(|day| (*day).to_owned()),
            ),
        };
        format!("{}-{} {} {days}", window.from.strftime("%H:%M"), window.until.strftime("%H:%M"), window.zone)
    };
    hours.iter().map(one).collect::<Vec<_>>().join("; ")
}
