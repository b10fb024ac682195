//! What became of a letter.
//!
//! **Invariant:** a letter is settled once, and what could not be sent leaves a line in the history
//! of its question, where the coordinators see it.

use crate::desk::draft::{Draft, Words};
use crate::desk::letter::{Content, Delivery, Letter, Purpose, Refusal};
use crate::desk::post::{Place, Visibility};
use crate::desk::question::{DeskPost, Fate, Question};
use crate::desk::step::Outcome;
use crate::desk::{escalation, wording};

/// A network has taken a letter.
pub(crate) fn on_delivered(draft: &mut Draft<'_>, letter: &Letter, place: &Place) -> Outcome {
    draft.settle(letter, Delivery::Sent { place: place.clone(), at: draft.now });
    if matches!(letter.content, Content::Delete { .. }) {
        return Outcome::Delivered;
    }
    let post = place.post_id();
    let Some(code) = &letter.about else {
        // After the last word to somebody, nothing that names them is kept.
        if letter.purpose != Purpose::Farewell {
            draft.link(post, None, letter.to.id.clone());
        }
        return Outcome::Delivered;
    };
    // Meanwhile the question may have moved to another account of the same person.
    let linked = draft.person(&letter.to.id).map(|person| person.linked.clone()).unwrap_or_default();
    let involves = |question: &&mut Question| {
        // What is published belongs to the consent that it was made by.
        if letter.purpose == Purpose::Stumper {
            return question.publicity.holds(&letter.id);
        }
        question.involves(&letter.to.id) || linked.iter().any(|other| question.involves(other))
    };
    let Some(question) = draft.question_mut(code).filter(involves) else {
        // Its question or its addressee was erased while it was on its way, so it must go as well.
        draft.delete_post(&post, &letter.to);
        return Outcome::Delivered;
    };
    if question.gone && letter.words_of.as_ref() == Some(&question.patron.id) {
        // It was on its way when its patron deleted the question.
        draft.delete_post(&post, &letter.to);
        return Outcome::Delivered;
    }
    question.posts.push(DeskPost {
        post: post.clone(),
        to: letter.to.id.clone(),
        words_of: letter.words_of.clone(),
    });
    if let Some(invitation) =
        question.invitations.iter_mut().find(|invitation| invitation.letter == letter.id)
    {
        invitation.place.get_or_insert_with(|| place.clone());
    }
    draft.link(post, Some(code.clone()), letter.to.id.clone());
    Outcome::Delivered
}

/// A network will never take a letter.
pub(crate) fn on_refused(draft: &mut Draft<'_>, letter: &Letter, why: Refusal) -> Outcome {
    draft.settle(letter, Delivery::Refused { why, at: draft.now });
    if why == Refusal::NotPrivate {
        tell_how_to_be_reached(draft, letter);
    }
    let Some(code) = letter.about.as_ref().filter(|code| draft.question(code).is_some()) else {
        return Outcome::Refused;
    };
    if why == Refusal::Outdated {
        return Outcome::Refused;
    }
    draft.note(code, format!("A letter could not be delivered ({}, {})", letter.purpose.word(), why.word()));
    let waiting =
        draft.question(code).and_then(|question| question.invitation(&letter.to.id)).map(|found| found.fate);
    if letter.purpose == Purpose::Invitation && waiting == Some(Fate::Waiting) {
        escalation::let_go(draft, code, &letter.to, Fate::Undelivered);
    }
    Outcome::Refused
}

/// Somebody cannot be written to in private: tells them how it can be made possible, in public and
/// without a word of what it is about. Not more than once a day.
fn tell_how_to_be_reached(draft: &mut Draft<'_>, letter: &Letter) {
    // Elsewhere it is the desk's server that cannot keep it private.
    if !letter.to.id.network.has_flat_messages() {
        return tell_below_their_question(draft, letter);
    }
    // From now on, what may be asked in public is asked in public again.
    draft.person_mut(&letter.to).wrote_directly = false;
    if !draft.may_help(&letter.to) {
        return;
    }
    // Whoever stopped the desk meanwhile is not written to.
    let _ = draft.write(Words {
        purpose: Purpose::Reply,
        to: &letter.to,
        about: None,
        original: Visibility::Public,
        place: None,
        words_of: None,
        body: wording::cannot_reach_you_privately(letter.to.id.network),
    });
}

/// A librarian replied to a patron in private, and the desk's server keeps nothing private: tells the patron
/// so below their question, as widely as they asked. Whoever asked in private had a reason, and is not
/// mentioned: that is left to the coordinator.
fn tell_below_their_question(draft: &mut Draft<'_>, letter: &Letter) {
    let is_private = matches!(letter.content, Content::Post { visibility: Visibility::Direct, .. });
    if !is_private || !matches!(letter.purpose, Purpose::Answer | Purpose::Interview) {
        return;
    }
    let Some(code) = letter.about.clone() else { return };
    let asked_openly = draft.question(&code).is_some_and(|question| {
        question.patron.id == letter.to.id && question.visibility != Visibility::Direct
    });
    if !asked_openly || !draft.may_help(&letter.to) {
        return;
    }
    // Whoever stopped the desk meanwhile is not written to.
    let _ = draft.tell_patron(&code, Purpose::Notice, None, wording::private_reply_undelivered(&code));
}
