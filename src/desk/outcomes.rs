//! What became of invitations, for the records of those who were asked.
//!
//! **Invariant:** an invitation is counted once as asked, however long it stands and whatever follows.

use jiff::Timestamp;

use crate::desk::draft::Draft;
use crate::desk::ids::Code;
use crate::desk::post::AccountId;
use crate::desk::question::{Fate, Invitation};
use crate::desk::record::About;
use crate::desk::routing;

/// Counts everybody who has not said anything: the owner as having claimed it, the others as having
/// left it.
pub(crate) fn count_all(draft: &mut Draft<'_>, code: &Code, owner: Option<&AccountId>) {
    let Some(question) = draft.question(code) else { return };
    let waiting = question.invitations.iter().filter(|found| found.fate == Fate::Waiting);
    let waiting: Vec<AccountId> = waiting.map(|found| found.librarian.id.clone()).collect();
    for librarian in waiting {
        let fate = if Some(&librarian) == owner { Fate::Claimed } else { Fate::Lapsed };
        count(draft, code, &librarian, fate);
    }
}

/// Notes with everybody who had their time and said nothing that they left the invitation unanswered.
pub(crate) fn count_unanswered(draft: &mut Draft<'_>, code: &Code) {
    let Some(question) = draft.question(code) else { return };
    let since = draft.now.checked_sub(draft.view.settings.claim_within).unwrap_or(Timestamp::MIN);
    let is_over = |invitation: &&Invitation| {
        invitation.fate == Fate::Waiting && !invitation.counted && invitation.sent_at <= since
    };
    let over: Vec<AccountId> = question
        .invitations
        .iter()
        .filter(is_over)
        .map(|invitation| invitation.librarian.id.clone())
        .collect();
    for librarian in over {
        count(draft, code, &librarian, Fate::Lapsed);
    }
}

/// Adds what becomes of a waiting invitation to the librarian's record.
pub(crate) fn count(draft: &mut Draft<'_>, code: &Code, librarian: &AccountId, fate: Fate) {
    let (now, hoped_within) = (draft.now, draft.view.settings.claim_within);
    let Some(question) = draft.question_mut(code) else { return };
    let newest = question.invitations.iter_mut().rev().find(|found| found.librarian.id == *librarian);
    let Some(invitation) = newest.filter(|found| found.fate == Fate::Waiting) else { return };
    let before = invitation.clone();
    invitation.counted = true;
    let asked_at = question.asked_at;
    let subject = routing::subject_asked(&before.why);
    let about = About { subject: &subject, sent_at: before.sent_at };
    let stood = now.duration_since(before.sent_at);
    if draft.person(librarian).is_none() {
        return;
    }
    let Some(entry) = draft.person_mut(&before.librarian).librarian.as_mut() else { return };
    match fate {
        Fate::Claimed => {
            entry.record.claim(about, stood, before.counted);
            entry.record.ended_a_wait(&subject, asked_at, now.duration_since(asked_at));
        }
        Fate::Passed => entry.record.pass(about, before.counted),
        Fate::Lapsed | Fate::Referred if before.counted => {}
        Fate::Lapsed | Fate::Referred => entry.record.leave(about, stood, hoped_within),
        // They should not have been asked, or never were.
        Fate::Misdirected | Fate::Undelivered => entry.load.take_back(),
        Fate::Waiting | Fate::NotSolved => {}
    }
}
