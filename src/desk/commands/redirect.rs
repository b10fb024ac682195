//! `wrong subject, this is law`: what a librarian says a question's subject is.
//!
//! **Invariant:** reading never fails, and words that could as well be an answer are not taken for a
//! redirection: an answer that the patron never gets would be worse than a question that stays.

use crate::desk::commands::COMMAND_WORDS_MAX;
use crate::subjects::{SubjectId, Subjects};

/// What a librarian says about the subject.
#[derive(Clone, Debug, PartialEq)]
pub enum Redirect {
    To(SubjectId),
    /// `this is law, not history`: surely meant only where the question is in history now.
    Instead {
        to: SubjectId,
        of: SubjectId,
    },
    /// No subject goes by these words.
    Unknown(String),
    /// They did not say which one it is.
    Unsaid,
}

/// In a longer text no subject is looked for behind so many words.
const WORDS_READ_MAX: usize = 16;

/// `this is law, not history` in more words than this is an answer.
const INSTEAD_WORDS_MAX: usize = 12;

/// How it begins.
const OPENINGS: [[&str; 2]; 2] = [["wrong", "subject"], ["wrong", "topic"]];

/// What may stand before the name of a subject.
const FILLERS: &[&str] = &[
    "a", "about", "actually", "be", "belongs", "for", "goes", "i", "id", "in", "is", "it", "its", "more",
    "one", "question", "rather", "really", "say", "should", "sorry", "that", "thats", "the", "think", "this",
    "to", "try", "under",
];

/// How `this is law, not history` begins.
const POINTING: &[&str] = &["this", "its", "it", "thats", "that"];

/// Words that end what stands before them.
const JOINTS: &[&str] = &["not", "but", "and"];

/// Reads a reply to an invitation. `None` where it is something else.
pub(super) fn read(text: &str, subjects: &Subjects) -> Option<Redirect> {
    match OPENINGS.iter().find_map(|opening| after(text, opening)) {
        Some(rest) => named_after_opening(rest, subjects),
        None => instead(text, subjects),
    }
}

/// The subject that a whole reply to "which one, then?" names, such as `law` or `It's law.`
pub(crate) fn subject_named(text: &str, subjects: &Subjects) -> Option<SubjectId> {
    let words = Words::of(text);
    let count = words.0.len();
    (count <= COMMAND_WORDS_MAX).then(|| words.named(0, count, subjects)).flatten()
}

fn named_after_opening(rest: &str, subjects: &Subjects) -> Option<Redirect> {
    let words = Words::of(rest);
    if words.0.is_empty() {
        return Some(Redirect::Unsaid);
    }
    if let Some(subject) = words.names(subjects) {
        return Some(Redirect::To(subject));
    }
    // Without a sign after it, "wrong subject" can be the beginning of a sentence.
    let is_set_off = !rest.trim_start().starts_with(char::is_alphanumeric);
    let is_short = words.0.len() <= COMMAND_WORDS_MAX && !super::asks(rest);
    (is_set_off || is_short).then(|| {
        let first_end = words.ends().next().unwrap_or(words.0.len());
        match words.text(words.past_fillers(0, first_end), first_end) {
            // "Not my field" names nothing.
            _ if words.is_joint(0, "not") => Redirect::Unsaid,
            "" => Redirect::Unsaid,
            unknown => Redirect::Unknown(unknown.to_owned()),
        }
    })
}

fn instead(text: &str, subjects: &Subjects) -> Option<Redirect> {
    let words = Words::of(text);
    let points = words.0.first().is_some_and(|word| POINTING.contains(&word.plain.as_str()));
    if !points || INSTEAD_WORDS_MAX < words.0.len() || super::asks(text) {
        return None;
    }
    let not = words.0.iter().position(|word| word.plain == "not")?;
    let to = words.named(0, not, subjects)?;
    let of = words.named(not + 1, words.0.len(), subjects)?;
    (to != of).then_some(Redirect::Instead { to, of })
}

/// What follows the opening, where the text begins with it in any case.
fn after<'t>(text: &'t str, opening: &[&str; 2]) -> Option<&'t str> {
    let mut rest = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    for word in opening {
        let (head, tail) = rest.trim_start().split_at_checked(word.len())?;
        let is_whole = head.eq_ignore_ascii_case(word) && !tail.starts_with(char::is_alphanumeric);
        rest = is_whole.then_some(tail)?;
    }
    Some(rest)
}

/// A text cut into words, with what of it each word is.
struct Words<'t>(Vec<Word<'t>>);

struct Word<'t> {
    /// In small letters, without signs.
    plain: String,
    /// The text from this word's beginning.
    from_here: &'t str,
    /// As it is written, signs included.
    written: &'t str,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Words<'t> {
        let mut words = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '#');
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (written, after) = rest.split_at(end);
            if written.is_empty() {
                return Words(words);
            }
            let plain = written.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
            words.push(Word { plain: plain.collect(), from_here: rest, written });
            rest = after;
        }
    }

    /// The first subject that a part of the text names. Parts begin and end at signs and joints, and
    /// longer ones come first: "art, design and photography" is one subject's whole name.
    fn names(&self, subjects: &Subjects) -> Option<SubjectId> {
        let count = self.0.len().min(WORDS_READ_MAX);
        let starts = std::iter::once(0).chain(self.ends());
        for start in starts.filter(|start| *start < count) {
            if self.is_joint(start, "not") {
                continue;
            }
            let start = start + usize::from(JOINTS.iter().any(|joint| self.is_joint(start, joint)));
            let mut ends: Vec<usize> = self.ends().filter(|end| start < *end && *end <= count).collect();
            ends.reverse();
            if let Some(subject) = ends.into_iter().find_map(|end| self.named(start, end, subjects)) {
                return Some(subject);
            }
        }
        None
    }

    /// The subject that these words name all together, with or without the fillers at their beginning.
    fn named(&self, start: usize, end: usize, subjects: &Subjects) -> Option<SubjectId> {
        let bare = self.past_fillers(start, end);
        let whole = subjects.named(self.text(start, end));
        whole.or_else(|| (start < bare).then(|| subjects.named(self.text(bare, end))).flatten())
    }

    /// Where a part can end: after a sign, before a joint, at the end of the text.
    fn ends(&self) -> impl Iterator<Item = usize> {
        (1..=self.0.len()).filter(|end| {
            let is_set_off = self
                .0
                .get(end - 1)
                .is_some_and(|word| word.written.ends_with([',', ';', '.', '!', ':', ')', '–', '—']));
            is_set_off || *end == self.0.len() || JOINTS.iter().any(|joint| self.is_joint(*end, joint))
        })
    }

    fn is_joint(&self, at: usize, joint: &str) -> bool {
        self.0.get(at).is_some_and(|word| word.plain == joint)
    }

    fn past_fillers(&self, start: usize, end: usize) -> usize {
        let is_filler =
            |at: &usize| self.0.get(*at).is_some_and(|word| FILLERS.contains(&word.plain.as_str()));
        start + (start..end).take_while(is_filler).count()
    }

    /// The text of these words, without signs at its ends.
    fn text(&self, start: usize, end: usize) -> &'t str {
        let (Some(first), Some(last)) = (self.0.get(start), end.checked_sub(1).and_then(|at| self.0.get(at)))
        else {
            return "";
        };
        let length = (first.from_here.len() + last.written.len()).checked_sub(last.from_here.len());
        let text = length.and_then(|length| first.from_here.get(..length)).unwrap_or_default();
        text.trim_end_matches(|c: char| !c.is_alphanumeric())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::commands::tests::subjects;

    #[track_caller]
    fn check(text: &str, expected: Option<Redirect>) {
        assert_eq!(read(text, &subjects()), expected, "{text}");
    }

    fn to(subject: &str) -> Option<Redirect> {
        Some(Redirect::To(SubjectId::new(subject)))
    }

    #[test]
    fn a_subject_is_found_however_it_is_said() {
        for text in [
            "wrong subject, this is law",
            "Wrong Subject: LAW!",
            "wrong subject:law",
            "wrong subject - law",
            "wrong subject law",
            "“Wrong subject.” It's law.",
            "wrong subject; it’s patents, I think",
            "wrong topic, sorry, this is law",
            "Wrong subject, I'd say this belongs to law and patents.",
            "wrong subject, this is law, not history",
            "wrong subject: not history but law",
            "wrong subject: not history, law",
            "wrong subject, this is law and I know nothing about it, so please ask somebody else",
            "wrong subject: #lawtag",
        ] {
            check(text, to("law"));
        }
        check("wrong subject, this is art, design and photography.", to("arts_design"));
        check("wrong subject: photography", to("arts_design"));
        check("wrong subject: general", to("general"));
    }

    #[test]
    fn what_names_no_subject_is_asked_for() {
        for text in [
            "wrong subject",
            "Wrong subject!",
            "wrong subject, sorry.",
            "WRONG SUBJECT…",
            "wrong subject - not history",
            "wrong subject, not mine",
        ] {
            check(text, Some(Redirect::Unsaid));
        }
        for (text, words) in [
            ("wrong subject: astrology", "astrology"),
            ("wrong subject this is astrology", "astrology"),
            (
                "Wrong subject, it's about the stars, maybe somebody else knows who takes such things",
                "the stars",
            ),
        ] {
            let found = read(text, &subjects());
            let Some(Redirect::Unknown(found)) = found else { panic!("{text}: {found:?}") };
            assert!(found.ends_with(words) || words.ends_with(&found), "{text}: {found}");
        }
    }

    #[test]
    fn one_subject_instead_of_another() {
        let instead =
            |to: &str, of: &str| Some(Redirect::Instead { to: SubjectId::new(to), of: SubjectId::new(of) });
        check("this is law, not history", instead("law", "history"));
        check("It's law, not history!", instead("law", "history"));
        check("That is photography not law.", instead("arts_design", "law"));
    }

    #[test]
    fn answers_are_left_alone() {
        for text in [
            "Wrong subject lines make half of all mails go astray; see chapter 4 of the handbook.",
            "This is law in most of Europe, not in Denmark.",
            "This is history",
            "this is history, not history",
            "Is this law, not history?",
            "He wrote on the wrong subject, law.",
            "wrongsubject law",
            "law",
            "",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_reply_to_which_one_may_be_the_name_alone() {
        let named = |text: &str| subject_named(text, &subjects()).map(|subject| subject.to_string());
        for text in ["law", "Law.", "it's law", "This is Law and Patents!", "#lawtag"] {
            assert_eq!(named(text).as_deref(), Some("law"), "{text}");
        }
        for text in
            ["", "It was law 12 of 1904", "no idea", "The law of the sea is what you should read about it"]
        {
            assert_eq!(named(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_fails(text in "(wrong subject)?\\PC{0,60}", name in "(this is )?\\PC{0,40}") {
            read(&text, &subjects());
            subject_named(&name, &subjects());
        }
    }
}
