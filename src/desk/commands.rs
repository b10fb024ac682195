//! What somebody said, read from their words: a command, an answer to be passed on, or nothing.
//!
//! People type commands as they speak, so case, punctuation, a polite word and the question's code
//! are forgiven. But a question may begin with a command's word ("Stop motion: who invented it?"), so
//! a text is a command only if all of it makes sense as one, or if it is too short to be anything else.
//!
//! **Invariant:** reading never fails and never guesses: what is not surely a command is plain text,
//! and what is surely a mistaken command says what was not understood.

mod about_me;
mod arguments;
pub mod days;
pub mod hours;
mod phrases;
pub mod redirect;

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::desk::allowance::Allowance;
use crate::desk::commands::days::Day;
use crate::desk::commands::hours::HoursMistake;
use crate::desk::commands::redirect::Redirect;
use crate::desk::ids::Code;
use crate::desk::linking::OneTimeCode;
use crate::desk::person::{Hours, Level};
use crate::subjects::{SubjectId, Subjects};

/// A librarian can opt in to this many subjects: more would be *everything*, for which there is the
/// general desk.
pub const SUBJECTS_MAX: usize = 30;

/// The largest number of open questions a librarian can ask for.
pub const LIMIT_MAX: u32 = 50;

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
    if let Some(said) = phrases::meaning(&plain) {
        return said;
    }
    if is_thanks(text, &words, speaker) {
        return Said::Thanks;
    }
    if let Some(said) = arguments::read(text, &words, speaker, subjects) {
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
        1 => Said::Mistaken(Mistake::Word { closest: phrases::closest(&plain) }),
        2 => phrases::closest(&plain)
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

/// The one-time code in a text, if that is all there is beside the word `link`.
pub fn one_time_code(text: &str) -> Option<OneTimeCode> {
    let (first, rest) = arguments::split_first_word(text.trim());
    (first == "link").then(|| OneTimeCode::parse(rest)).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::RuleFile;

    /// Each is told by its id, and has a hashtag.
    pub(super) fn subjects() -> Subjects {
        let rules = [
            ("history", "History"),
            ("law", "Law and patents"),
            ("arts_design", "Art, design and photography"),
        ];
        let file = |(id, name): &(&str, &str)| RuleFile {
            name: format!("{id}.toml"),
            text: format!("id = \"{id}\"\nname = \"{name}\"\nstrong = [\"{id}\"]\nhashtags = [\"{id}tag\"]")
                .into_bytes(),
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
