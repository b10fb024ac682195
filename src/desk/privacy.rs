//! `stop` and `forget me`: the two words that must always work.
//!
//! **Invariant:** both take effect in the step that reads them, whatever else is going on. After
//! `forget me` nothing of the person is left in the store, and every post of the desk to them or in
//! their words is on its way to be deleted.

use crate::desk::conversation::Spoken;
use crate::desk::draft::Draft;
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::post::{Account, AccountId};
use crate::desk::question::{DeskPost, Fate, Question, State};
use crate::desk::step::Outcome;
use crate::desk::{escalation, linking, patron, volunteering, wording};

/// `stop`: no more letters, off the roster, open questions withdrawn.
pub(crate) fn stop(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    draft.reply(spoken.post, Purpose::Farewell, wording::stopped());
    for account in linking::accounts_of(draft, &spoken.post.author.id) {
        draft.person_mut(&account).stopped = true;
        for code in own_open(draft, &account.id) {
            patron::withdraw(draft, &code);
        }
        volunteering::resign(draft, &account);
        hear_no_thanks(draft, &account.id);
    }
    Outcome::Commanded
}

/// Lets nobody who said `stop` be the one whom thanks reach: their patron is told nothing that is not so.
fn hear_no_thanks(draft: &mut Draft<'_>, librarian: &AccountId) {
    let answered = |question: &&Question| {
        question.invitation(librarian).is_some_and(|invitation| invitation.fate == Fate::Claimed)
    };
    let theirs: Vec<Code> =
        draft.questions().filter(answered).map(|question| question.code.clone()).collect();
    for code in theirs {
        escalation::set_fate(draft, &code, librarian, Fate::Lapsed);
    }
}

/// `forget me`: everything of this person is erased, here and on the networks.
pub(crate) fn forget_me(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    draft.reply(spoken.post, Purpose::Farewell, wording::forgotten());
    for account in linking::accounts_of(draft, &spoken.post.author.id) {
        forget(draft, &account);
    }
    Outcome::Forgotten
}

/// Erases everything of one account.
fn forget(draft: &mut Draft<'_>, author: &Account) {
    for code in own_open(draft, &author.id) {
        patron::withdraw(draft, &code);
    }
    volunteering::resign(draft, author);
    let has_a_part = |question: &&Question| {
        let offers = &question.publicity.offers;
        question.involves(&author.id) || offers.iter().any(|offer| offer.author.id == author.id)
    };
    let involved: Vec<Question> = draft.questions().filter(has_a_part).cloned().collect();
    for question in involved {
        let is_patron = question.patron.id == author.id;
        let concerns = |post: &&DeskPost| {
            is_patron || post.to == author.id || post.words_of.as_ref() == Some(&author.id)
        };
        for post in question.posts.iter().filter(concerns) {
            draft.delete_post(&post.post, author);
        }
        if is_patron {
            draft.erase(&question.code);
        } else {
            strike_out(draft, &question.code, author);
        }
    }
    draft.forget(&author.id);
}

/// Takes somebody's name out of a question that they were asked or offered an answer to.
fn strike_out(draft: &mut Draft<'_>, code: &Code, account: &Account) {
    let Some(question) = draft.question_mut(code) else { return };
    let nobody = Account::nobody(account.id.network);
    for invitation in
        question.invitations.iter_mut().filter(|invitation| invitation.librarian.id == account.id)
    {
        invitation.librarian = nobody.clone();
        invitation.place = None;
        match invitation.fate {
            Fate::Waiting => invitation.fate = Fate::Passed,
            // Nobody is thanked for the answer any more.
            Fate::Claimed => invitation.fate = Fate::Lapsed,
            Fate::Passed
            | Fate::Referred
            | Fate::NotSolved
            | Fate::Misdirected
            | Fate::Lapsed
            | Fate::Undelivered => {}
        }
    }
    if let Some(correction) = question.correction.as_mut().filter(|said| said.by.id == account.id) {
        correction.by = nobody.clone();
    }
    question.asked_for.take_if(|asked_for| *asked_for == account.id);
    question.posts.retain(|post| post.to != account.id && post.words_of.as_ref() != Some(&account.id));
    question.publicity.strike_out(&account.id);
    question.state.rename_owner(&account.id, &nobody.id);
}

/// What a patron has asked and may still hear of. A librarian may come late to a question that is given up.
fn own_open(draft: &Draft<'_>, patron: &AccountId) -> Vec<Code> {
    let is_open = |question: &&Question| !question.is_over() || question.state == State::Unanswered;
    let own = draft.questions().filter(|question| question.patron.id == *patron).filter(is_open);
    own.map(|question| question.code.clone()).collect()
}
