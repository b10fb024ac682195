//! What the desk says to what it did not understand.
//!
//! **Invariant:** as above: nothing here decides anything.

use crate::desk::commands::hours::HoursMistake;
use crate::desk::commands::{LIMIT_MAX, Mistake, SUBJECTS_MAX};
use crate::desk::wording::quoted;

/// What was not understood, and what to say instead.
pub fn mistaken(mistake: &Mistake) -> String {
    match mistake {
        Mistake::UnknownSubject { words, closest: Some(closest) } => {
            format!("I don't know the subject “{}”. Did you mean {closest}?", quoted(words))
        }
        Mistake::UnknownSubject { words, closest: None } => {
            format!(
                "I don't know the subject “{}”. Say for example: history, law, mathematics; or general for any question.",
                quoted(words)
            )
        }
        Mistake::TooManySubjects => {
            format!(
                "That's more than {SUBJECTS_MAX} subjects. Say join general to be asked anything, or name those you know best."
            )
        }
        Mistake::JoinWhat => {
            "Which subjects? For example: join history, genealogy. Or: join general, for any question."
                .to_owned()
        }
        Mistake::Hours(mistake) => hours_mistake(mistake),
        Mistake::Languages => "Which languages? For example: languages en, de".to_owned(),
        Mistake::Limit => {
            format!("How many open questions at a time? For example: limit 2 (1 to {LIMIT_MAX})")
        }
        Mistake::Pause => {
            "For how long? For example: pause 3 days, pause 2 weeks; or pause alone, until you say back"
                .to_owned()
        }
        Mistake::Away => {
            "On which days? For example: away 24 Dec, or: away 2026-12-24 to 2026-12-26".to_owned()
        }
        Mistake::Invitations => {
            "How many invitations? For example: invitations 1 a day, or: invitations 3 a week".to_owned()
        }
        Mistake::Read => "The READ scale goes from 1 to 6. For example: done read 3".to_owned(),
        Mistake::AskWhat => "What shall I ask the patron? For example: ask: which county?".to_owned(),
        Mistake::AlsoWhat => "What shall I add? Write it after also:".to_owned(),
        Mistake::ReferWhom => "To whom? For example: refer to law, or refer to @colleague".to_owned(),
        Mistake::LinkWhat => {
            "That is no one-time code. Say link in a direct message from your other account to get one."
                .to_owned()
        }
        Mistake::Word { closest: Some(closest) } => {
            format!("I didn't understand that. Did you mean {closest}? Say help to see what I know.")
        }
        Mistake::Word { closest: None } => {
            "I didn't understand that. Ask me a question in your own words, or say help.".to_owned()
        }
    }
}

fn hours_mistake(mistake: &HoursMistake) -> String {
    let example = "For example: hours 18:00-22:00 Europe/Berlin weekdays";
    match mistake {
        HoursMistake::Window => format!("I need times of the day from 0:00 to 24:00. {example}"),
        HoursMistake::NoZone => format!("In which time zone? {example}"),
        HoursMistake::UnknownZone(zone) => {
            format!("I don't know the time zone “{}”. {example}", quoted(zone))
        }
        HoursMistake::Word(word) => format!("I didn't understand “{}” in the hours. {example}", quoted(word)),
        HoursMistake::TooMany => format!("Those are too many different hours. {example}"),
    }
}
