//! Commands without arguments, and the one that a mistyped word was probably meant to be.
//!
//! **Invariant:** nothing here knows who is speaking: a phrase means the same to everybody.

use crate::desk::commands::Said;

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

/// What a text means that is nothing but a command, in lower case and without its signs.
pub(super) fn meaning(plain: &str) -> Option<Said> {
    PHRASES.iter().find(|(phrase, _)| *phrase == plain).map(|(_, said)| said.clone())
}

/// The command phrase within two slips of the finger, if there is just one nearest.
pub(super) fn closest(plain: &str) -> Option<&'static str> {
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
