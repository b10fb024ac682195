//! What the desk says about how it asks: why somebody was, how often they want to be, how far a search
//! has come, and what came of an answer.
//!
//! **Invariant:** as above: nothing here decides anything.

use jiff::Timestamp;

use crate::desk::allowance::{Allowance, Per};
use crate::desk::ids::Code;
use crate::desk::person::{Level, Librarian};
use crate::desk::settings::Settings;
use crate::desk::wording::{duration, moment, number};

/// Why a librarian was asked, and no others: `reason` is the sentence of the invitation.
pub fn why_me(
    code: &Code,
    reason: &str,
    odds: Option<(u8, u8)>,
    asked: usize,
    settings: &Settings,
) -> String {
    let Some((chance, together)) = odds else { return format!("{code}: {reason}") };
    let within = duration(settings.claim_within);
    let (of_all, no_more) = match asked {
        0 | 1 => (String::new(), "nobody else"),
        _ => (format!("; with the {} of you I came to {together} %", number(asked)), "no more"),
    };
    // Where the chance aimed at was missed, there was nobody else to ask, or one more was asked in a later turn.
    let enough = match settings.claim_chance_percent <= together {
        true => format!(", so I asked {no_more} then"),
        false => String::new(),
    };
    let odds = format!(
        "By what earlier invitations showed you were {chance} % likely to take it within {within}{of_all}{enough}."
    );
    format!("{code}: {reason} {odds}")
}

pub fn why_by_name() -> String {
    "You're asked because the patron asked for you by name.".to_owned()
}

pub fn why_digest() -> String {
    "You took it from the list of stumpers.".to_owned()
}

pub fn why_neighbour(subject: &str) -> String {
    format!("You're asked because you joined {subject}, which is near, and nobody nearer was free.")
}

pub fn passed_and_rest(code: &Code) -> String {
    format!(
        "That's fine, thank you for saying so. I'll ask somebody else about {code}, and leave you in peace for a day. Say back if you'd rather be asked."
    )
}

pub fn invitations_set(allowance: Allowance) -> String {
    let Allowance { count, per } = allowance;
    let per = match per {
        Per::Day => "day",
        Per::Week => "week",
    };
    format!("I'll invite you at most {count} time{} a {per}.", if count == 1 { "" } else { "s" })
}

pub fn away_set(first: &str, last: &str) -> String {
    if first == last {
        return format!("Noted: I'll ask you nothing on {first}. Say back to take that away.");
    }
    format!("Noted: I'll ask you nothing from {first} to {last}. Say back to take that away.")
}

pub fn level_set(level: Option<Level>) -> String {
    match level {
        Some(Level::Ready) => "I'll think of you first for quick questions of fact.".to_owned(),
        Some(Level::Research) => "I'll think of you first for questions that take research.".to_owned(),
        None => "I'll ask you questions of any kind.".to_owned(),
    }
}

pub fn by_name_set(may: bool) -> String {
    if may {
        "Patrons may ask for you by name now: such questions come to you first.".to_owned()
    } else {
        "Patrons can't ask for you by name any more.".to_owned()
    }
}

pub fn digest_set(wanted: bool) -> String {
    if wanted {
        "Once a day, in your hours, I'll list the stumpers nobody has taken yet. Reply with a code to take one."
            .to_owned()
    } else {
        "You won't get the daily list of stumpers any more.".to_owned()
    }
}

/// The daily list. Each line is a code, its subjects and how long it has waited; nobody's words.
pub fn digest(lines: &[String]) -> String {
    format!(
        "Today's stumpers, which nobody has taken yet:\n{}\nReply with a code to take one; I'll show it to you then.",
        lines.join("\n")
    )
}

pub fn digest_line(code: &Code, subjects: &str, waited: &str, need_by: Option<&str>) -> String {
    let need_by = need_by.map(|day| format!(", needed by {day}")).unwrap_or_default();
    format!("{code}: {subjects}, asked {waited} ago{need_by}")
}

pub fn digest_gone(code: &Code) -> String {
    format!("Thank you! {code} isn't open any more, or it isn't one that I may show you.")
}

pub fn now_generalists(code: &Code) -> String {
    format!(
        "None of the specialists I asked could take {code} yet, so I'm asking librarians who take any question."
    )
}

pub fn now_digest(code: &Code) -> String {
    format!(
        "{code} is a real stumper: nobody I asked has taken it yet. It's on the daily list now for librarians who like hard ones; that can take a day."
    )
}

pub fn now_coordinator(code: &Code, until: Option<Timestamp>, settings: &Settings) -> String {
    let until =
        until.map(|at| format!(", and I'll tell you by {}", moment(at, settings))).unwrap_or_default();
    format!(
        "I've asked everybody I could about {code}, and nobody has taken it yet. The desk's coordinator can see it now. I keep looking{until}."
    )
}

/// What was usual lately, for the acknowledgement.
pub fn usual_wait(minutes: u32) -> String {
    let length = duration(jiff::SignedDuration::from_mins(i64::from(minutes)));
    format!(" Lately, most such questions that were taken were taken within {length}.")
}

pub fn asked_by_name() -> String {
    "I've asked the librarian you named first, as you wished".to_owned()
}

pub fn need_by_set(code: &Code, day: &str) -> String {
    format!("Noted: you need {code} by {day}. I can't promise it, but whoever helps will know.")
}

/// For the end of an invitation.
pub fn needed_by(day: &str) -> String {
    format!(" Needed by {day}.")
}

pub fn reopened_to_patron(code: &Code) -> String {
    format!(
        "Thank you for saying so. I'm asking other librarians about {code}; you can reply with what is missing."
    )
}

pub fn reopened_to_librarian(code: &Code) -> String {
    format!(
        "The patron of {code} says that it isn't solved yet, so I'm asking others. Thank you for your help all the same!"
    )
}

pub fn solved_to_patron() -> String {
    "I'm glad! I've told the librarian.".to_owned()
}

pub fn solved_to_librarian(code: &Code) -> String {
    format!("{code} is solved, says the person you helped. Thank you!")
}

pub fn nothing_to_solve() -> String {
    "I don't have an answered question of yours that this could be about.".to_owned()
}

pub fn done_read(code: &Code, level: u8) -> String {
    format!("{code} is closed, at READ level {level}. Thank you for your help!")
}

pub fn blocked() -> String {
    "Done: I won't bring the two of you together. Say unblock all to take that back.".to_owned()
}

pub fn unblocked() -> String {
    "Done: nobody is blocked by that any more.".to_owned()
}

pub fn block_whom() -> String {
    "Whom? Reply block to a post of mine about their question or answer, or mention them after the word."
        .to_owned()
}

pub fn library_set(name: &str) -> String {
    format!("Noted: your library is {name}. Its librarians come first for your questions.")
}

pub fn library_unset() -> String {
    "Noted: you belong to no library here.".to_owned()
}

pub fn which_library(known: impl Iterator<Item = String>) -> String {
    let known: Vec<String> = known.collect();
    if known.is_empty() {
        return "This desk is not shared by several libraries.".to_owned();
    }
    format!("Which library is yours? Say: my library is …, one of {}.", known.join(" · "))
}

pub fn kept_in_library(code: &Code) -> String {
    format!("{code} stays in your library: I ask nobody else about it from now on.")
}

/// What a librarian's help did.
pub fn my_help(librarian: &Librarian, month: u32) -> String {
    let sum = |count: fn(&crate::desk::record::Work) -> u16| -> u32 {
        librarian.record.subjects.values().map(|work| u32::from(count(work))).sum()
    };
    let (thanked, solved) = (sum(|work| work.thanked), sum(|work| work.solved));
    format!(
        "You answered {} question{}; lately {thanked} patron{} said thanks and {solved} said solved. I invited you {month} time{} in the last four weeks. Thank you for being here!",
        librarian.answered_total,
        plural(librarian.answered_total),
        plural(thanked),
        plural(month),
    )
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}
