//! `block`: two people who shall not be brought together.
//!
//! **Invariant:** whom somebody blocked is kept as a digest, so that no list names an account, and it
//! holds from the step that reads it.

use crate::desk::commands::Speaker;
use crate::desk::conversation::Spoken;
use crate::desk::draft::Draft;
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::post::{Account, AccountId};
use crate::desk::question::Fate;
use crate::desk::step::Outcome;
use crate::desk::{escalation, wording};

/// So many accounts can one person block.
const BLOCKED_MAX: usize = 500;

/// `block @name`, or `block` below a post about the other one's question or answer.
pub(crate) fn block(draft: &mut Draft<'_>, spoken: &Spoken<'_>, handle: Option<&str>) -> Outcome {
    let Some(whom) = meant(draft, spoken, handle) else {
        draft.reply(spoken.post, Purpose::Reply, wording::asking::block_whom());
        return Outcome::Helped;
    };
    let author = &spoken.post.author;
    let blocked = &mut draft.person_mut(author).blocked;
    if blocked.len() < BLOCKED_MAX {
        blocked.insert(whom.digest());
    }
    set_apart(draft, author, &whom);
    draft.reply(spoken.post, Purpose::Reply, wording::asking::blocked());
    Outcome::Commanded
}

/// `unblock @name`, `unblock all`.
pub(crate) fn unblock(draft: &mut Draft<'_>, spoken: &Spoken<'_>, handle: Option<&str>) -> Outcome {
    let author = &spoken.post.author;
    let whom = handle.and_then(|_| meant(draft, spoken, handle)).map(|whom| whom.digest());
    let blocked = &mut draft.person_mut(author).blocked;
    match (handle, whom) {
        (None, _) => blocked.clear(),
        (Some(_), Some(whom)) => {
            blocked.remove(&whom);
        }
        (Some(_), None) => {
            draft.reply(spoken.post, Purpose::Reply, wording::asking::block_whom());
            return Outcome::Helped;
        }
    }
    let theirs: Vec<Code> = own_open(draft, &author.id);
    let blocked = draft.person(&author.id).map(|person| person.blocked.clone()).unwrap_or_default();
    for code in theirs {
        draft.question_mut(&code).into_iter().for_each(|question| question.blocked = blocked.clone());
    }
    draft.reply(spoken.post, Purpose::Reply, wording::asking::unblocked());
    Outcome::Commanded
}

/// Who is meant: somebody the post mentions, or the other side of the question it is about.
fn meant(draft: &Draft<'_>, spoken: &Spoken<'_>, handle: Option<&str>) -> Option<AccountId> {
    let author = &spoken.post.author.id;
    let found = match handle {
        Some(handle) => {
            let mentions = spoken.post.mentions.iter();
            mentions
                .filter(|found| found.handle.eq_ignore_ascii_case(handle))
                .map(|found| found.id.clone())
                .next()
        }
        None => {
            let question = draft.question(spoken.about.as_ref()?)?;
            match spoken.speaker {
                Speaker::Patron => question
                    .invitations
                    .iter()
                    .rev()
                    .find(|found| matches!(found.fate, Fate::Claimed | Fate::NotSolved))
                    .map(|found| found.librarian.id.clone()),
                Speaker::Invited => Some(question.patron.id.clone()),
                Speaker::Asked | Speaker::Anyone => None,
            }
        }
    };
    found.filter(|whom| whom != author)
}

/// Takes the two apart in every open question: what is waiting or claimed goes to others.
fn set_apart(draft: &mut Draft<'_>, author: &Account, whom: &AccountId) {
    for code in own_open(draft, &author.id) {
        let Some(question) = draft.question_mut(&code) else { continue };
        question.blocked.insert(whom.digest());
        let invited = question.invitation(whom).map(|found| (found.librarian.clone(), found.fate));
        if let Some((librarian, Fate::Waiting | Fate::Claimed)) = invited {
            escalation::let_go(draft, &code, &librarian, Fate::Lapsed);
        }
    }
    let others: Vec<Code> = draft
        .questions()
        .filter(|question| question.patron.id == *whom && !question.state.is_final())
        .filter(|question| {
            let fate = question.invitation(&author.id).map(|found| found.fate);
            matches!(fate, Some(Fate::Waiting | Fate::Claimed))
        })
        .map(|question| question.code.clone())
        .collect();
    for code in others {
        escalation::let_go(draft, &code, author, Fate::Passed);
    }
}

fn own_open(draft: &Draft<'_>, patron: &AccountId) -> Vec<Code> {
    let own =
        draft.questions().filter(|question| question.patron.id == *patron && !question.state.is_final());
    own.map(|question| question.code.clone()).collect()
}
