//! What somebody said, read from their words: a command, an answer to be passed on, or nothing.
//!
//! People type commands as they speak, so case, punctuation, a polite word and the question's code
//! are forgiven. But a question may begin with a command's word ("Stop motion: who invented it?"), so
//! a text is a command only if all of it makes sense as one, or if it is too short to be anything else.
//!
//! **Invariant:** reading never fails and never guesses: what is not surely a command is plain text,
//! and what is surely a mistaken command says what was not understood.

mod about_me;
pub mod days;
pub mod hours;
pub mod redirect;

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::desk::commands::days::Day;
use crate::desk::commands::hours::HoursMistake;
use crate::desk::commands::redirect::Redirect;
use crate::desk::ids::Code;
use crate::desk::linking::OneTimeCode;
use crate::desk::person::{Hours, Level};
use crate::desk::record::Allowance;
use crate::subjects::{Language, SubjectId, Subjects};

/// A librarian can opt in to this many subjects: more would be *everything*, for which there is the
/// general desk.
pub const SUBJECTS_MAX: usize = 30;

/// The largest number of open questions a librarian can ask for.
pub const LIMIT_MAX: u32 = 50;

/// The longest pause, in days; `pause` without a time has no end.
const PAUSE_DAYS_MAX: i64 = 366;

/// The longest signature, in characters.
const SIGNATURE_MAX: usize = 80;

/// A longer word is no mistyped command.
const WORD_LETTERS_MAX: usize = 15;

/// A text of more words than this is never a mistaken command; it is a question or an answer.
const COMMAND_WORDS_MAX: usize = 8;

/// Who is speaking, as far as it changes what words mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Replies below one of their own questions.
    Patron,
    /// Replies about a question they were invited to.
    Invited,
    /// Has been asked something, but speaks to the desk without replying to it.
    Asked,
    /// Speaks to the desk about nothing in particular.
    Anyone,
}

/// What was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Help,
    Stop,
    ForgetMe,
    /// The rules shall not learn from what they ask.
    NoLearning,
    Status,
    Cancel,
    /// Everybody may see my question, without my name.
    Publish,
    /// … and no longer.
    Unpublish,
    Thanks,
    Join(Vec<SubjectId>),
    Hours(Vec<Hours>),
    Languages(Vec<String>),
    Limit(u32),
    /// `None`: until they say `back`.
    Pause(Option<SignedDuration>),
    Back,
    Leave,
    MyQuestions,
    /// Give me a one-time code for another account of mine.
    Link,
    /// This account belongs to the one that was given the code.
    LinkWith(OneTimeCode),
    Unlink,
    /// How my answers are to be signed; `None`: as a librarian without a name.
    Sign(Option<String>),
    /// What their help did.
    MyHelp,
    /// Not on these days, the last included.
    Away(Day, Day),
    /// Only on these days of the week; Monday is 1.
    OnlyOn(BTreeSet<i8>),
    Invitations(Allowance),
    /// Never bring them together with this handle; without one, with the other side of this question.
    Block(Option<String>),
    /// `None`: with everybody they had blocked.
    Unblock(Option<String>),
    Level(Option<Level>),
    /// Whether patrons may ask for them by name.
    ByName(bool),
    /// Whether they want the daily list of open stumpers.
    Digest(bool),
    WhyMe,
    /// The name of the library they belong to.
    MyLibrary(String),
    /// Their question shall not leave their library.
    OnlyMyLibrary,
    Solved,
    /// The answer did not help; perhaps with what is missing.
    NotSolved(String),
    NeedBy(Day),
    /// Closed, with what is worth recording about the answer.
    DoneWith(Effort),
    Claim,
    Pass,
    ReferToPerson(String),
    ReferToSubject(SubjectId),
    WrongSubject(Redirect),
    /// The reference interview: what the librarian wants to know from the patron.
    Ask(String),
    Done,
    /// A second answer by somebody who does not own the question.
    Also(String),
    /// Surely meant as a command, but not understood.
    Mistaken(Mistake),
    /// Plain words.
    Words,
    /// A lone sign, or no text at all.
    Nothing,
}

/// What a librarian records about an answer when they close the question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// The level on the READ scale, from 1 (an answer at once) to 6 (research over days).
    pub read_level: Option<u8>,
    /// Where the answer was found, in the librarian's words.
    pub sources: Option<String>,
}

/// What was not understood about a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Mistake {
    /// `join` or `refer to` with words that are no subject; the second is the closest subject's name.
    UnknownSubject {
        words: String,
        closest: Option<String>,
    },
    TooManySubjects,
    JoinWhat,
    Hours(HoursMistake),
    Languages,
    Limit,
    Pause,
    Away,
    Invitations,
    Read,
    AskWhat,
    AlsoWhat,
    ReferWhom,
    /// `link` with something that is no one-time code.
    LinkWhat,
    /// A word that is like a command's.
    Word {
        closest: Option<&'static str>,
    },
}

/// A text read as one speaker's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub said: Said,
    /// The question named by its code in the text.
    pub code: Option<Code>,
}

/// Commands without arguments: what people type, and what it means.
const PHRASES: &[(&str, Said)] = &[
    ("help", Said::Help),
    ("commands", Said::Help),
    ("info", Said::Help),
    ("privacy", Said::Help),
    ("how does this work", Said::Help),
    ("stop", Said::Stop),
    ("unsubscribe", Said::Stop),
    ("forget me", Said::ForgetMe),
    ("delete my data", Said::ForgetMe),
    ("delete me", Said::ForgetMe),
    ("no learning", Said::NoLearning),
    ("dont learn", Said::NoLearning),
    ("dont learn from me", Said::NoLearning),
    ("status", Said::Status),
    ("publish", Said::Publish),
    ("publish it", Said::Publish),
    ("unpublish", Said::Unpublish),
    ("unpublish it", Said::Unpublish),
    ("cancel", Said::Cancel),
    ("withdraw", Said::Cancel),
    ("never mind", Said::Cancel),
    ("nevermind", Said::Cancel),
    ("back", Said::Back),
    ("im back", Said::Back),
    ("i am back", Said::Back),
    ("resume", Said::Back),
    ("leave", Said::Leave),
    ("link", Said::Link),
    ("unlink", Said::Unlink),
    ("my questions", Said::MyQuestions),
    ("questions", Said::MyQuestions),
    ("my help", Said::MyHelp),
    ("why me", Said::WhyMe),
    ("only my library", Said::OnlyMyLibrary),
    ("solved", Said::Solved),
    ("its solved", Said::Solved),
    ("keep", Said::Claim),
    ("claim", Said::Claim),
    ("claimed", Said::Claim),
    ("mine", Said::Claim),
    ("ill take it", Said::Claim),
    ("i will take it", Said::Claim),
    ("pass", Said::Pass),
    ("not me", Said::Pass),
    ("done", Said::Done),
    ("pause", Said::Pause(None)),
];

/// Words that thank, and words that may stand around them.
const THANKS: &[&str] = &["thanks", "thank", "thankyou", "thx", "ty", "cheers", "merci", "danke", "gracias"];

/// Reads a text. `subjects` is asked for the names of subjects.
pub fn read(text: &str, speaker: Speaker, subjects: &Subjects) -> Reading {
    let (text, code) = without_code(text);
    let said = said(text.trim(), speaker, subjects);
    Reading { said, code }
}

fn said(text: &str, speaker: Speaker, subjects: &Subjects) -> Said {
    let words = words_of(text);
    if words.is_empty() {
        return Said::Nothing;
    }
    let plain = words.join(" ");
    if let Some((_, said)) = PHRASES.iter().find(|(phrase, _)| *phrase == plain) {
        return said.clone();
    }
    if is_thanks(text, &words, speaker) {
        return Said::Thanks;
    }
    if let Some(said) = with_arguments(text, &words, speaker, subjects) {
        return said;
    }
    if let Some(redirect) = redirected(text, &words, speaker, subjects) {
        return Said::WrongSubject(redirect);
    }
    let was_asked = matches!(speaker, Speaker::Invited | Speaker::Asked);
    if was_asked && is_short_word_with_comment(text, &words, "pass") {
        return Said::Pass;
    }
    if was_asked && is_short_word_with_comment(text, &words, "claim") {
        return Said::Claim;
    }
    if matches!(speaker, Speaker::Patron | Speaker::Invited) || asks(text) {
        return Said::Words;
    }
    match words.len() {
        // Not all scripts put spaces between words, so that one "word" can be a whole question.
        1 if WORD_LETTERS_MAX < plain.chars().count() || !plain.is_ascii() => Said::Words,
        1 => Said::Mistaken(Mistake::Word { closest: closest_phrase(&plain) }),
        2 => closest_phrase(&plain)
            .map_or(Said::Words, |closest| Said::Mistaken(Mistake::Word { closest: Some(closest) })),
        _ => Said::Words,
    }
}

/// Whether a text has a question mark, of whatever script.
pub fn asks(text: &str) -> bool {
    text.contains(['?', '？', '؟', '՞', '፧', '⁇'])
}

/// Takes the first question code out of a text, so that `claim K7Q4` reads as `claim`.
fn without_code(text: &str) -> (String, Option<Code>) {
    let is_sign = |c: char| !c.is_alphanumeric();
    let found = text.split_whitespace().find_map(|word| {
        let bare = word.trim_matches(is_sign);
        // Codes inside ordinary text are written in capitals; only there are they surely codes.
        let is_written_as_code = bare.chars().any(|c| c.is_ascii_uppercase()) || text.len() <= 40;
        Code::parse(bare).filter(|_| is_written_as_code).map(|code| (word, code))
    });
    match found {
        Some((word, code)) => (text.replacen(word, "", 1), Some(code)),
        None => (text.to_owned(), None),
    }
}

/// Every code that stands in a text, so that the questions it names can be looked up.
pub fn codes_in(text: &str) -> impl Iterator<Item = Code> + '_ {
    text.split_whitespace().filter_map(|word| Code::parse(word.trim_matches(|c: char| !c.is_alphanumeric())))
}

/// The words of a text in lower case, without punctuation, apostrophes and a final or leading "please".
fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .filter(|word: &String| !word.is_empty())
        .collect();
    words.retain(|word| word != "please" && word != "pls");
    words
}

fn is_thanks(text: &str, words: &[String], speaker: Speaker) -> bool {
    let thanks = |word: &String| THANKS.contains(&word.as_str());
    let first = words.first().is_some_and(thanks);
    let short = words.len() <= 12 && !asks(text);
    match speaker {
        Speaker::Patron => short && (first || words.iter().any(thanks)),
        Speaker::Invited => short && first && words.len() <= 5,
        Speaker::Asked | Speaker::Anyone => short && first && words.len() <= 6,
    }
}

/// `pass, sorry, not my field`: the word, a sign or the end, and a short remark.
fn is_short_word_with_comment(text: &str, words: &[String], command: &str) -> bool {
    let follows = text.get(command.len()..).unwrap_or_default();
    words.first().is_some_and(|word| word == command)
        && words.len() <= COMMAND_WORDS_MAX
        && follows.starts_with([',', '.', '!', ';', ':', '-', '–', '—'])
}

/// Commands that take arguments. `None` where the text is not surely one of them.
fn with_arguments(text: &str, words: &[String], speaker: Speaker, subjects: &Subjects) -> Option<Said> {
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

/// `wrong subject, this is law`. Who does not reply to an invitation has to be brief about it.
fn redirected(text: &str, words: &[String], speaker: Speaker, subjects: &Subjects) -> Option<Redirect> {
    let is_brief = words.len() <= COMMAND_WORDS_MAX && !asks(text);
    match speaker {
        Speaker::Invited => redirect::read(text, subjects),
        Speaker::Asked | Speaker::Anyone if is_brief && words.first().is_some_and(|word| word == "wrong") => {
            redirect::read(text, subjects)
        }
        Speaker::Asked | Speaker::Anyone | Speaker::Patron => None,
    }
}

/// The first word in lower case without its signs, and what follows it.
fn split_first_word(text: &str) -> (String, &str) {
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

/// The one-time code in a text, if that is all there is beside the word `link`.
pub fn one_time_code(text: &str) -> Option<OneTimeCode> {
    let (first, rest) = split_first_word(text.trim());
    (first == "link").then(|| OneTimeCode::parse(rest)).flatten()
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

/// The command phrase within two slips of the finger, if there is just one nearest.
fn closest_phrase(plain: &str) -> Option<&'static str> {
    const ARGUMENT_WORDS: [&str; 7] = ["join", "hours", "languages", "limit", "pause", "refer to", "ask"];
    let phrases = PHRASES.iter().map(|(phrase, _)| *phrase).chain(ARGUMENT_WORDS);
    phrases
        .map(|phrase| (slips(plain, phrase), phrase))
        .filter(|(slips, phrase)| *slips <= if phrase.len() <= 4 { 1 } else { 2 })
        .min()
        .map(|(_, phrase)| phrase)
}

/// How many letters must be changed, added or left out to turn one text into the other.
fn slips(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().take(40).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in to.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::RuleFile;

    fn subjects() -> Subjects {
        let rules = [
            ("history", "History"),
            ("law", "Law and patents"),
            ("arts_design", "Art, design and photography"),
        ];
        let file = |(id, name): &(&str, &str)| RuleFile {
            name: format!("{id}.toml"),
            text: format!("id = \"{id}\"\nname = \"{name}\"\nstrong = [\"{id}\"]").into_bytes(),
        };
        Subjects::compile(&rules.iter().map(file).collect::<Vec<_>>()).0
    }

    fn ids(names: &[&str]) -> Vec<SubjectId> {
        names.iter().map(|name| SubjectId::new(*name)).collect()
    }

    #[track_caller]
    fn check(speaker: Speaker, text: &str, expected: Said) {
        assert_eq!(read(text, speaker, &subjects()).said, expected, "{speaker:?}: {text}");
    }

    #[test]
    fn commands_are_read_in_any_case_with_any_punctuation() {
        use Said::*;
        use Speaker::Anyone;
        for (text, expected) in [
            ("help", Help),
            ("HELP!", Help),
            ("  Stop. ", Stop),
            ("“stop”", Stop),
            ("Please stop", Stop),
            ("Forget me, please", ForgetMe),
            ("never mind", Cancel),
            ("I'm back!", Back),
            ("I’m back!", Back),
            ("Leave.", Leave),
            ("my questions?", MyQuestions),
            ("Thanks!", Thanks),
            ("thank you so much", Thanks),
            ("join history", Join(ids(&["history"]))),
            ("Join: history, law", Join(ids(&["history", "law"]))),
            ("join #history and law.", Join(ids(&["history", "law"]))),
            ("join history & history", Join(ids(&["history"]))),
            ("join art, design and photography", Join(ids(&["arts_design"]))),
            ("join everything", Join(ids(&["general"]))),
            ("languages en, de", Languages(vec!["en".into(), "de".into()])),
            ("Languages: German and English", Languages(vec!["de".into(), "en".into()])),
            ("languages Español, français", Languages(vec!["es".into(), "fr".into()])),
            ("limit 2", Limit(2)),
            ("Limit: 2.", Limit(2)),
            ("pause", Pause(None)),
            ("pause 3 days", Pause(Some(SignedDuration::from_hours(72)))),
            ("Pause for a week!", Pause(Some(SignedDuration::from_hours(168)))),
            ("status K7Q4", Status),
        ] {
            check(Anyone, text, expected);
        }
    }

    #[test]
    fn a_question_may_begin_with_a_commands_word() {
        for text in [
            "Stop motion: who invented it?",
            "Help me find my grandmother's birth certificate",
            "Join or die: who drew that cartoon?",
            "Hours of daylight in Tromsø in December?",
            "Languages spoken in Peru before 1500?",
            "Limit of sin(x)/x as x goes to zero?",
            "Pause buttons on early tape recorders, who made the first one",
            "Leave it to Beaver: where was it filmed?",
            "Back to the Future: which year did it come out?",
            "Status of women in Ancient Egypt",
            "Ask Jeeves: what became of it?",
            "Refer me to a good book on bees please",
            "Thanks to whom do we owe the paperclip?",
            "Questions about the origin of the tango, where do I look",
            "莎士比亚是谁",
            "Ottoman?",
            "Rindfleischetikettierungsgesetz",
        ] {
            check(Speaker::Anyone, text, Said::Words);
        }
    }

    #[test]
    fn on_an_invitation_plain_words_are_the_answer() {
        use Said::*;
        for (text, expected) in [
            ("Claim", Claim),
            ("I'll take it!", Claim),
            ("claim, I know this one", Claim),
            ("pass", Pass),
            ("Pass, sorry, not my field", Pass),
            ("Passenger lists are at the National Archives.", Words),
            ("Pass of Thermopylae, 480 BC", Words),
            ("Claims of that kind are heard by the county court.", Words),
            ("ask: which county?", Ask("which county?".into())),
            ("Ask which county?", Ask("which county?".into())),
            ("Ask the county archive for the census.", Words),
            ("Ask which county?", Ask("which county?".into())),
            ("ask:", Mistaken(Mistake::AskWhat)),
            ("also: see volume 2", Also("see volume 2".into())),
            ("Also see volume 2.", Words),
            ("refer to law", ReferToSubject(SubjectId::new("law"))),
            ("Refer to @Otto.example", ReferToPerson("otto.example".into())),
            ("refer", Mistaken(Mistake::ReferWhom)),
            ("Refer to the third edition of the handbook of chemistry and physics, table 4.", Words),
            ("done", Done),
            ("Done read 3", DoneWith(Effort { read_level: Some(3), sources: None })),
            (
                "done read 4, sources: OED; https://example.org/?Atlas",
                DoneWith(Effort {
                    read_level: Some(4),
                    sources: Some("OED; https://example.org/?Atlas".to_owned()),
                }),
            ),
            (
                "done source: the parish register",
                DoneWith(Effort { read_level: None, sources: Some("the parish register".to_owned()) }),
            ),
            ("done read 7", Mistaken(Mistake::Read)),
            ("done sources:", Done),
            ("Done in by his own source: the confession of 1605.", Words),
            ("1922", Words),
            ("thanks!", Thanks),
        ] {
            check(Speaker::Invited, text, expected);
        }
    }

    #[test]
    fn librarians_who_do_not_reply_may_be_asking_something_themselves() {
        use Said::*;
        for (text, expected) in [
            ("claim", Claim),
            ("pass, sorry", Pass),
            ("ask: which county?", Ask("which county?".into())),
            ("Ask Jeeves: what became of it?", Words),
            ("also: see volume 2", Also("see volume 2".into())),
            ("refer to law", ReferToSubject(SubjectId::new("law"))),
            ("refer to @otto", ReferToPerson("otto".into())),
            ("Refer me to a good book on bees please", Words),
            ("The answer is in volume two", Words),
        ] {
            check(Speaker::Asked, text, expected);
        }
    }

    #[test]
    fn below_their_question_patrons_add_to_it_or_give_thanks() {
        use Said::*;
        for (text, expected) in [
            ("It was about 1850.", Words),
            ("perfect, thanks a lot", Thanks),
            ("Thanks, but which edition?", Words),
            ("hello", Words),
            ("status", Status),
            ("ask: me anything", Words),
        ] {
            check(Speaker::Patron, text, expected);
        }
    }

    #[test]
    fn what_is_surely_a_mistake_says_what_was_not_understood() {
        use Said::Mistaken;
        let unknown = |words: &str| Mistake::UnknownSubject { words: words.into(), closest: None };
        for (text, expected) in [
            ("join", Mistake::JoinWhat),
            ("join zzzzzzzz", unknown("zzzzzzzz")),
            ("limit many", Mistake::Limit),
            ("limit 0", Mistake::Limit),
            ("limit 99999999999999", Mistake::Limit),
            ("pause for ages", Mistake::Pause),
            ("pause 900 months", Mistake::Pause),
            ("languages klingon", Mistake::Languages),
            ("stauts", Mistake::Word { closest: Some("status") }),
            ("my qestions", Mistake::Word { closest: Some("my questions") }),
            ("xyzzy", Mistake::Word { closest: None }),
        ] {
            check(Speaker::Anyone, text, Mistaken(expected));
        }
        let many = (0..500).map(|turn| format!("subject{turn}")).collect::<Vec<_>>().join(", ");
        check(Speaker::Anyone, &format!("join history, {many}"), Mistaken(Mistake::TooManySubjects));
    }

    #[test]
    fn what_has_no_word_is_nothing() {
        for text in ["", "   ", "!!!", "🙂", "\u{200b}\u{202e}"] {
            check(Speaker::Anyone, text, Said::Nothing);
        }
    }

    #[test]
    fn the_code_names_the_question() {
        let named = |text: &str| read(text, Speaker::Anyone, &subjects()).code.map(|code| code.to_string());
        assert_eq!(named("cancel k7q4"), Some("K7Q4".into()));
        assert_eq!(named("claim #K7Q4!"), Some("K7Q4".into()));
        assert_eq!(named("cancel it"), None);
        assert_eq!(named("The shelf mark is f4g3, in the old catalogue of manuscripts of the abbey"), None);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_fails(text in "\\PC{0,80}", word in proptest::sample::select(vec!["join ", "hours ", "refer to ", "ask:", "also:", "pause ", ""])) {
            for speaker in [Speaker::Patron, Speaker::Invited, Speaker::Asked, Speaker::Anyone] {
                read(&format!("{word}{text}"), speaker, &Subjects::default());
            }
        }
    }
}
