//! What the desk knows when it decides, and everything that changes by one decision.
//!
//! **Invariant:** a [`Step`] is complete. The store writes all of it in one transaction or none of
//! it, and nothing about the decision is kept anywhere else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::ids::{Code, InputId, LetterId};
use crate::desk::letter::{Delivery, Letter};
use crate::desk::person::Person;
use crate::desk::post::{AccountId, PostId};
use crate::desk::question::{Entry, Question};
use crate::desk::roster::Roster;
use crate::desk::settings::Settings;
use crate::subjects::Subjects;

/// What is known when an input arrives.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub settings: &'a Settings,
    pub subjects: &'a Subjects,
    pub roster: &'a Roster,
    /// The author of a post, the addressee of a letter, the librarian of a coordinator's wish, as
    /// stored; `None` for somebody new.
    pub person: Option<Person>,
    /// The other accounts of that person, and whoever was given the one-time code that a post names.
    pub others: Vec<Person>,
    /// The questions that may be meant: all that involve the person and have not been erased, the
    /// one that `link` names, those whose code stands in the text, the one whose timer fired.
    pub questions: Vec<Question>,
    /// What the post that a reply answers is to the desk.
    pub link: Option<Link>,
    /// A code that no question has, for a new question.
    pub free_code: Code,
    /// A number of which nobody can know anything before, for one-time codes.
    pub chance: u64,
}

/// What one post on a network is to the desk. Kept for the desk's own posts and for those it acted
/// on, so that a reply to any of them finds its question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The question it is about; `None` for talk about nothing in particular, such as help.
    pub code: Option<Code>,
    /// The person the desk wrote this post to; the author for a patron's or librarian's own post.
    pub with: AccountId,
}

/// Everything that changes by one decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The input this step comes from.
    pub input: InputId,
    pub at: Timestamp,
    /// Questions as they are now. Each carries the version it was read with.
    pub questions: Vec<Question>,
    /// People as they are now. Each carries the version it was read with.
    pub people: Vec<Person>,
    /// New letters for the outbox.
    pub letters: Vec<Letter>,
    /// What became of letters in the outbox.
    pub settled: Vec<(LetterId, Delivery)>,
    /// What posts are to the desk.
    pub links: Vec<(PostId, Link)>,
    /// Lines for the history of questions.
    pub journal: Vec<Entry>,
    /// Questions to be erased: the question, its history, its letters and its links.
    pub erase: Vec<Code>,
    /// People to be erased: the person, every letter to them or in their words but those of this
    /// very step, and every link to them.
    pub forget: Vec<AccountId>,
    /// What it came to, for logs and metrics.
    pub outcome: Outcome,
}

impl Step {
    /// A step that changes nothing but that the input was seen.
    pub fn nothing(input: InputId, at: Timestamp, outcome: Outcome) -> Step {
        Step {
            input,
            at,
            questions: Vec::new(),
            people: Vec::new(),
            letters: Vec::new(),
            settled: Vec::new(),
            links: Vec::new(),
            journal: Vec::new(),
            erase: Vec::new(),
            forget: Vec::new(),
            outcome,
        }
    }
}

/// What a decision came to. A closed set, so that it can label logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new question was taken in.
    Asked,
    /// More of a question, or a message between its people, was passed on.
    Relayed,
    Claimed,
    Passed,
    Referred,
    /// A librarian said which subject it really is.
    Corrected,
    Interviewed,
    Answered,
    Thanked,
    /// A command about the person or a question was carried out.
    Commanded,
    /// Help was given, or a command was not understood.
    Helped,
    Invited,
    Reminded,
    Released,
    GaveUp,
    Closed,
    Withdrawn,
    Erased,
    /// Somebody said `forget me`, so that no copy anywhere may outlive it.
    Forgotten,
    Delivered,
    Refused,
    /// The time of a timer, or what the input was about, is past.
    Outdated,
    /// A bot, the desk's own post, or a post by somebody without a part in it.
    IgnoredStranger,
    IgnoredBot,
    IgnoredCrowd,
    IgnoredOwn,
    /// The caps on loops were reached.
    Capped,
    /// A private post on a network where the desk cannot answer privately.
    Declined,
    /// Spam or abuse, kept for the coordinator.
    Held,
    /// A stranger's answer to a published question, kept for the coordinator.
    Offered,
    /// Librarians were told of a question that nobody put to the desk.
    Overheard,
}
