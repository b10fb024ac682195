//! Commands that take arguments, such as `join history`, `pause 3 days` or `ask: which county?`.
//!
//! **Invariant:** a sentence that only begins with a command's word is not taken for one.

use jiff::SignedDuration;

use crate::desk::commands::{
    COMMAND_WORDS_MAX, LIMIT_MAX, Mistake, SUBJECTS_MAX, Said, Speaker, about_me, asks, hours, words_of,
};
use crate::desk::linking::OneTimeCode;
use crate::subjects::{Language, SubjectId, Subjects};

/// The longest pause, in days; `pause` without a time has no end.
const PAUSE_DAYS_MAX: i64 = 366;

/// The longest signature, in characters.
const SIGNATURE_MAX: usize = 80;

/// Commands that take arguments. `None` where the text is not surely one of them.
pub(super) fn read(text: &str, words: &[String], speaker: Speaker, subjects: &Subjects) -> Option<Said> {
    let (first, rest) = split_first_word(text);
    let could_be_sentence = asks(text) || words.len() > COMMAND_WORDS_MAX;
    let was_asked = matches!(speaker, Speaker::Invited | Speaker::Asked);
    match first.as_str() {
        "join" => join(rest, could_be_sentence, subjects),
        "hours" => {
            let said =
                hours::read(rest).map_or_else(|mistake| Said::Mistaken(Mistake::Hours(mistake)), Said::Hours);
            let meant = rest.is_empty()
                || rest.contains(|c: char| c.is_ascii_digit())
                || matches!(said, Said::Hours(_));
            (meant && !asks(text)).then_some(said)
        }
        "languages" | "language" => languages(rest).or_else(|| {
            (!could_be_sentence && words.len() <= 3).then_some(Said::Mistaken(Mistake::Languages))
        }),
        "limit" => limit(rest).or_else(|| (words.len() <= 2).then_some(Said::Mistaken(Mistake::Limit))),
        "pause" => pause(rest).or_else(|| (words.len() <= 4).then_some(Said::Mistaken(Mistake::Pause))),
        "link" => link(rest, words.len()),
        "sign" => sign(rest, could_be_sentence),
        "ask" if text_has_colon_after(text, "ask") && was_asked => Some(ask(rest)),
        // Without the sign, "ask the county archive" is an answer. And without a reply, the words could be a
        // question of their own.
        "ask" if speaker == Speaker::Invited && (rest.is_empty() || asks(text)) => Some(ask(rest)),
        "also" if was_asked && text_has_colon_after(text, "also") => Some(also(rest)),
        "refer" if speaker == Speaker::Invited => refer(rest, could_be_sentence, subjects),
        "refer" if speaker == Speaker::Asked => refer(rest, true, subjects),
        // An address among the sources can have a question mark.
        "done" if speaker == Speaker::Invited => about_me::done(rest),
        first if !asks(text) => about_me::read(first, rest, words, speaker),
        _ => None,
    }
}

/// The first word in lower case without its signs, and what follows it.
pub(super) fn split_first_word(text: &str) -> (String, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let first = first.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    (first, rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':').trim_end())
}

fn text_has_colon_after(text: &str, word: &str) -> bool {
    text.get(word.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// The parts of a list that people separate by commas, semicolons, line ends or "and".
fn list(text: &str) -> Vec<String> {
    text.replace(" and ", ",")
        .replace(" & ", ",")
        .split([',', ';', '\n'])
        .map(|part| part.trim().trim_start_matches('#').trim_end_matches(['.', '!']).trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Reads a list of subjects; a part like "art, design and photography" is one subject's whole name.
fn join(rest: &str, could_be_sentence: bool, subjects: &Subjects) -> Option<Said> {
    if rest.is_empty() {
        return Some(Said::Mistaken(Mistake::JoinWhat));
    }
    if let Some(subject) = subjects.named(rest) {
        return Some(Said::Join(vec![subject]));
    }
    let parts = list(rest);
    let found: Vec<Option<SubjectId>> = parts.iter().map(|part| subjects.named(part)).collect();
    if could_be_sentence && found.iter().all(Option::is_none) {
        return None;
    }
    if parts.len() > SUBJECTS_MAX {
        return Some(Said::Mistaken(Mistake::TooManySubjects));
    }
    let unknown = parts.iter().zip(&found).find(|(_, subject)| subject.is_none());
    if let Some((words, _)) = unknown {
        return Some(Said::Mistaken(unknown_subject(words, subjects)));
    }
    let mut joined: Vec<SubjectId> = found.into_iter().flatten().collect();
    joined.sort();
    joined.dedup();
    Some(Said::Join(joined))
}

fn unknown_subject(words: &str, subjects: &Subjects) -> Mistake {
    let closest = subjects.closest(words).map(|subject| subject.name.clone());
    Mistake::UnknownSubject { words: words.to_owned(), closest }
}

/// Languages as two- or three-letter codes, or by the names of the commonest.
fn languages(rest: &str) -> Option<Said> {
    const OWN_NAMES: &[(&str, &str)] =
        &[("deutsch", "de"), ("francais", "fr"), ("français", "fr"), ("espanol", "es"), ("español", "es")];
    let code = |part: &String| {
        let part = part.to_lowercase();
        let own = OWN_NAMES.iter().find(|(name, _)| *name == part).map(|(_, code)| *code);
        let named = own.or_else(|| Language::named(&part).map(Language::code)).map(str::to_owned);
        let is_code = (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase());
        named.or_else(|| is_code.then_some(part))
    };
    let parts = list(rest);
    let codes: Option<Vec<String>> = parts.iter().map(code).collect();
    codes.filter(|codes| !codes.is_empty() && codes.len() <= SUBJECTS_MAX).map(Said::Languages)
}

fn limit(rest: &str) -> Option<Said> {
    let number = rest.trim_end_matches(['.', '!']).parse().ok()?;
    Some(if (1..=LIMIT_MAX).contains(&number) { Said::Limit(number) } else { Said::Mistaken(Mistake::Limit) })
}

/// `sign as Ann Reader, Springfield Library`, `sign as a librarian`.
fn sign(rest: &str, could_be_sentence: bool) -> Option<Said> {
    let name = rest.get(..3).filter(|word| word.eq_ignore_ascii_case("as ")).and_then(|_| rest.get(3..))?;
    let name = name.trim().trim_end_matches('.');
    let fits = !name.is_empty() && name.chars().count() <= SIGNATURE_MAX && !name.contains('\n');
    if !fits || could_be_sentence && asks(rest) {
        return None;
    }
    let nameless = ["a librarian", "librarian", "nobody", "anonymous"];
    let is_nameless = nameless.iter().any(|word| name.eq_ignore_ascii_case(word));
    Some(Said::Sign((!is_nameless).then(|| name.to_owned())))
}

/// A one-time code, or what looks like an attempt at one.
fn link(rest: &str, words: usize) -> Option<Said> {
    let said = OneTimeCode::parse(rest).map(Said::LinkWith);
    let is_attempt = words == 2 && rest.contains(|sign: char| sign.is_ascii_digit());
    said.or_else(|| is_attempt.then_some(Said::Mistaken(Mistake::LinkWhat)))
}

/// `3 days`, `for 2 weeks`, `12 hours`.
fn pause(rest: &str) -> Option<Said> {
    let words = words_of(rest);
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "for").collect();
    let [number, unit] = words[..] else { return None };
    let number = if matches!(number, "a" | "an" | "one") { 1 } else { number.parse::<i64>().ok()? };
    let hours = match unit.trim_end_matches('s') {
        "hour" => number,
        "day" => number.checked_mul(24)?,
        "week" => number.checked_mul(24 * 7)?,
        "month" => number.checked_mul(24 * 30)?,
        _ => return None,
    };
    let fits = (1..=PAUSE_DAYS_MAX * 24).contains(&hours);
    Some(if fits {
        Said::Pause(Some(SignedDuration::from_hours(hours)))
    } else {
        Said::Mistaken(Mistake::Pause)
    })
}

fn ask(rest: &str) -> Said {
    if rest.is_empty() { Said::Mistaken(Mistake::AskWhat) } else { Said::Ask(rest.to_owned()) }
}

fn also(rest: &str) -> Said {
    if rest.is_empty() { Said::Mistaken(Mistake::AlsoWhat) } else { Said::Also(rest.to_owned()) }
}

/// `refer to @handle`, `refer to law`; "to" may be left out.
fn refer(rest: &str, could_be_sentence: bool, subjects: &Subjects) -> Option<Said> {
    let (first, after) = split_first_word(rest);
    let whom = if first == "to" { after } else { rest };
    let whom = whom.trim_end_matches(['.', '!', ',']).trim();
    if let Some(handle) = whom.strip_prefix('@') {
        let is_handle = !handle.is_empty() && !handle.contains(char::is_whitespace);
        return Some(if is_handle {
            Said::ReferToPerson(handle.to_lowercase())
        } else {
            Said::Mistaken(Mistake::ReferWhom)
        });
    }
    if whom.is_empty() {
        return Some(Said::Mistaken(Mistake::ReferWhom));
    }
    match subjects.named(whom) {
        Some(subject) => Some(Said::ReferToSubject(subject)),
        None if could_be_sentence => None,
        None => Some(Said::Mistaken(unknown_subject(whom, subjects))),
    }
}
