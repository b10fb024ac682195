//! What a coordinator is shown: librarians and questions, as they lie in the store.
//!
//! **Invariant:** nothing is changed here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::letter::{Content, Delivery, Refusal};
use crate::desk::question::{self, Entry, Reason};
use crate::desk::{Code, Confidential, Letter, Librarian, Network, Person, Question};
use crate::engine::Engine;
use crate::engine::control::{Reply, Trouble, Which, existing, refused};
use crate::subjects::{Kind, SubjectId};

/// How many questions one reply lists at most.
pub const QUESTIONS_MAX: usize = 1_000;

/// How many questions are read from the store at a time.
const PAGE: usize = 200;

/// One librarian on the roster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RosterRow {
    pub network: Network,
    pub id: String,
    pub handle: String,
    /// The id of their library, where they belong to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    pub librarian: Librarian,
}

/// One question in a list. No words of the patron are in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuestionRow {
    pub code: Code,
    pub state: String,
    pub subject: Option<SubjectId>,
    /// The handle of the librarian who said that it is of this subject.
    pub corrected_by: Option<String>,
    pub asked_at: Timestamp,
    /// The handle of the librarian who has it.
    pub owner: Option<String>,
    /// How many librarians were asked.
    pub asked: usize,
    /// Whether everybody may see it, with its patron's consent.
    #[serde(default)]
    pub published: bool,
    /// How many offered answers wait for the coordinator.
    #[serde(default)]
    pub offers: usize,
    /// Why it is held back, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldRow>,
}

/// Why a post is held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldRow {
    pub kind: Kind,
    /// What speaks for that, with what it counts.
    pub because: Vec<String>,
    /// How many more of its author's posts were only counted.
    pub more: u32,
}

/// A public question and the subject that a librarian said it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    pub subject: SubjectId,
    pub text: Confidential,
}

/// Everything about one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub question: Question,
    pub owner: Option<String>,
    pub next: Option<(Reason, Timestamp)>,
    pub history: Vec<Entry>,
    /// Letters that the networks would not take.
    pub undelivered: Vec<Undelivered>,
    /// How many letters wait to be sent.
    pub waiting: usize,
}

/// A letter that will not be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undelivered {
    pub purpose: crate::desk::Purpose,
    pub network: Network,
    pub why: Refusal,
    pub at: Timestamp,
}

pub(super) fn roster_rows(engine: &Engine) -> Vec<RosterRow> {
    let row = |(person, librarian): (&Person, &Librarian)| RosterRow {
        network: person.account.id.network,
        id: person.account.id.id.clone(),
        handle: person.account.handle.clone(),
        library: person.library.clone(),
        librarian: librarian.clone(),
    };
    engine.store().roster().iter().map(row).collect()
}

pub(super) fn questions(engine: &Engine, which: Which) -> Result<Reply, Trouble> {
    let mut rows = Vec::new();
    let mut held = 0;
    let mut after = None;
    loop {
        let page = engine.store().questions(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.code.clone());
        held += page.iter().filter(|question| question.state.is_held()).count();
        rows.extend(page.iter().filter(|question| which.includes(question)).map(question_row));
    }
    rows.sort_by_key(|row| row.asked_at);
    let more = rows.len() > QUESTIONS_MAX;
    rows.truncate(QUESTIONS_MAX);
    Ok(Reply::Questions { questions: rows, more, held })
}

impl Which {
    fn includes(self, question: &Question) -> bool {
        match self {
            Which::Open => {
                let goes_on = !question.is_over() || question.publicity.waiting() > 0;
                goes_on && !question.state.is_held()
            }
            Which::Held => question.state.is_held(),
            Which::All => true,
        }
    }
}

/// A part of the questions that the rules may learn from. Of the others nothing is said.
pub(super) fn labelled(engine: &Engine, after: Option<&Code>) -> Result<Reply, Trouble> {
    if !engine.settings().learn_from_questions {
        return Err(refused(
            "this desk does not let its rules learn from questions",
            "set `learn_from_questions = true` in `[privacy]` of `bot.toml`; patrons are told from then on, \
             and only what they ask after that is used",
        ));
    }
    let page = engine.store().questions(after, PAGE)?;
    let next = page.last().filter(|_| page.len() == PAGE).map(|question| question.code.clone());
    let example = |question: &Question| {
        let subject = question.teaches()?.clone();
        Some(Labelled { subject, text: question.text.clone() })
    };
    Ok(Reply::Labelled { examples: page.iter().filter_map(example).collect(), next })
}

fn question_row(question: &Question) -> QuestionRow {
    QuestionRow {
        code: question.code.clone(),
        state: question.state.word().to_owned(),
        subject: question.subjects.first().map(|found| found.subject.clone()),
        corrected_by: question.correction.as_ref().map(|correction| correction.by.handle.clone()),
        asked_at: question.asked_at,
        owner: owner_handle(question),
        asked: question.invitations.len(),
        published: question.publicity.published.is_some(),
        offers: question.publicity.waiting(),
        held: held_row(&question.state),
    }
}

fn held_row(state: &question::State) -> Option<HeldRow> {
    match state {
        question::State::Held { kind, because, more } => {
            Some(HeldRow { kind: *kind, because: because.clone(), more: *more })
        }
        question::State::Seeking
        | question::State::Claimed { .. }
        | question::State::Interview { .. }
        | question::State::Answered { .. }
        | question::State::Closed
        | question::State::Unanswered
        | question::State::Withdrawn => None,
    }
}

fn owner_handle(question: &Question) -> Option<String> {
    let invitation = question.invitation(question.owner()?)?;
    Some(invitation.librarian.handle.clone())
}

pub(super) fn details(engine: &Engine, code: &Code) -> Result<Details, Trouble> {
    let question = existing(engine, code)?;
    let history = engine.store().journal(code)?;
    let letters = engine.store().letters_about(code)?;
    let undelivered = letters.iter().filter_map(|(letter, delivery)| undelivered(letter, delivery)).collect();
    let waiting = letters.iter().filter(|(_, delivery)| !delivery.is_settled()).count();
    let next = question.timers.iter().map(|(reason, at)| (*reason, *at)).min_by_key(|(_, at)| *at);
    Ok(Details { owner: owner_handle(&question), next, history, undelivered, waiting, question })
}

fn undelivered(letter: &Letter, delivery: &Delivery) -> Option<Undelivered> {
    let deletion = match letter.content {
        Content::Post { .. } => false,
        Content::Delete { .. } => true,
    };
    match delivery {
        // What is no longer wanted was not lost.
        Delivery::Refused { why: Refusal::Outdated | Refusal::OffDuty, .. } if !deletion => None,
        Delivery::Refused { why, at } => {
            Some(Undelivered { purpose: letter.purpose, network: letter.network, why: *why, at: *at })
        }
        Delivery::Waiting { .. }
        | Delivery::Claimed { .. }
        | Delivery::Unsure { .. }
        | Delivery::Sent { .. } => None,
    }
}
