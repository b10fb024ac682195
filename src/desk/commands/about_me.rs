//! What people say about how they want to be asked, and about answers: `away 24 Dec`, `invitations 2 a
//! week`, `digest on`, `need by Friday`, `not solved`.
//!
//! **Invariant:** what is not wholly one of these is not taken for one.

use crate::desk::allowance::{Allowance, Per};
use crate::desk::commands::{Effort, Mistake, Said, Speaker, days};
use crate::desk::person::Level;

/// The most invitations a day or week that somebody can ask for.
const INVITATIONS_MAX: u32 = 100;

/// The levels of the READ scale (Reference Effort Assessment Data; Gerlich and Berard, 2007).
const READ_SCALE: std::ops::RangeInclusive<u8> = 1..=6;

/// More words than this are no such command.
const WORDS_MAX: usize = 8;

/// Reads one of them; `first` is the first word and `rest` what follows it.
pub(super) fn read(first: &str, rest: &str, words: &[String], speaker: Speaker) -> Option<Said> {
    let is_short = words.len() <= WORDS_MAX;
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    match (first, plain.as_slice()) {
        ("away", _) if is_short => match days::span(rest) {
            Some((from, until)) => Some(Said::Away(from, until)),
            None => (words.len() <= 3).then_some(Said::Mistaken(Mistake::Away)),
        },
        ("invitations", [_, rest @ ..]) => {
            allowance(rest).or_else(|| (words.len() <= 4).then_some(Said::Mistaken(Mistake::Invitations)))
        }
        ("block", [_]) => Some(Said::Block(None)),
        ("block" | "unblock", [_, "all"]) if first == "unblock" => Some(Said::Unblock(None)),
        ("block" | "unblock", [_, _]) => {
            let handle = rest.trim().strip_prefix('@')?.to_lowercase();
            Some(if first == "block" { Said::Block(Some(handle)) } else { Said::Unblock(Some(handle)) })
        }
        ("my", [_, "library", "is", _, ..]) if is_short => {
            let name = rest.trim_start().get("library is".len()..).unwrap_or_default();
            Some(Said::MyLibrary(name.trim().trim_end_matches(['.', '!']).to_owned()))
        }
        ("level", [_, "ready"]) => Some(Said::Level(Some(Level::Ready))),
        ("level", [_, "research"]) => Some(Said::Level(Some(Level::Research))),
        ("level", [_, "any"]) => Some(Said::Level(None)),
        ("by", [_, "name", answer]) => yes_or_no(answer).map(Said::ByName),
        ("digest", [_, answer]) => yes_or_no(answer).map(Said::Digest),
        ("only", [_, "weekends"]) => Some(Said::OnlyOn([6, 7].into())),
        ("only", [_, "weekdays"]) => Some(Said::OnlyOn((1..=5).collect())),
        ("not", [_, "solved", ..]) if matches!(speaker, Speaker::Patron | Speaker::Anyone) => {
            let follows = rest.trim_start().get("solved".len()..).unwrap_or_default();
            let detail = follows.trim_start_matches([',', '.', '!', ':', ';', '-', '–', ' ']).trim();
            Some(Said::NotSolved(detail.to_owned()))
        }
        ("need" | "needed" | "by", _) if speaker == Speaker::Patron && is_short => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let after: &[&str] = match words.as_slice() {
                ["it" | "this", "by" | "before", day @ ..] | ["by" | "before", day @ ..] => day,
                day if first == "by" => day,
                _ => return None,
            };
            let (day, used) = days::read(after)?;
            (used == after.len()).then_some(Said::NeedBy(day))
        }
        _ => None,
    }
}

/// What follows `done`: `read 3`, `sources: …` or both.
pub(super) fn done(rest: &str) -> Option<Said> {
    let (level, sources) = match rest.to_ascii_lowercase().find("source") {
        Some(at) => (rest.get(..at)?, Some(rest.get(at..)?.split_once(':')?)),
        None => (rest, None),
    };
    let sources = match sources {
        Some((word, named)) if ["source", "sources"].contains(&word.trim().to_ascii_lowercase().as_str()) => {
            Some(named.trim()).filter(|named| !named.is_empty())
        }
        Some(_) => return None,
        None => None,
    };
    let is_sign = |c: char| c.is_ascii_punctuation() || c.is_whitespace();
    let level = level.trim_matches(is_sign).to_ascii_lowercase();
    let read_level = match level.strip_prefix("read").unwrap_or(&level).trim() {
        "" => None,
        number => Some(number.parse::<u8>().ok()?),
    };
    Some(match (read_level, sources) {
        (Some(level), _) if !READ_SCALE.contains(&level) => Said::Mistaken(Mistake::Read),
        (None, None) => Said::Done,
        (read_level, sources) => Said::DoneWith(Effort { read_level, sources: sources.map(str::to_owned) }),
    })
}

/// `1 a day`, `3 per week`, `2`.
fn allowance(words: &[&str]) -> Option<Said> {
    let (count, per) = match words {
        [count] | [count, "a" | "per" | "each", "day"] => (count, Per::Day),
        [count, "a" | "per" | "each", "week"] => (count, Per::Week),
        _ => return None,
    };
    let count: u32 = count.parse().ok()?;
    let fits = (1..=INVITATIONS_MAX).contains(&count);
    Some(if fits {
        Said::Invitations(Allowance { count, per })
    } else {
        Said::Mistaken(Mistake::Invitations)
    })
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" | "on" => Some(true),
        "no" | "off" => Some(false),
        _ => None,
    }
}
