//! A patron edits or deletes what they asked, on their own network.
//!
//! **Invariant:** only the author of a post changes anything by it, and a question whose post is gone is
//! told to nobody any more: its copies are on their way to be deleted. `stop` and `forget me` work in an
//! edit as they do in a post.

use crate::desk::conversation;
use crate::desk::draft::{Draft, Room};
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::outbox;
use crate::desk::outlets;
use crate::desk::patron::{self, PIECES_APART};
use crate::desk::post::{AccountId, Confidential, Post, PostId};
use crate::desk::question::{DeskPost, Fate, Question};
use crate::desk::step::Outcome;
use crate::desk::wording;

/// A post was edited: the question says what it says now, and whoever was asked is told.
pub(crate) fn on_edited(draft: &mut Draft<'_>, post: &Post) -> Outcome {
    let Some(code) = question_of(draft, &post.id()) else { return Outcome::Outdated };
    if draft.question(&code).is_none_or(|question| question.patron.id != post.author.id) {
        return Outcome::Outdated;
    }
    // Whoever writes `stop` over what they had asked is left alone as well.
    if conversation::asks_to_be_left_alone(draft, post) {
        return conversation::on_post(draft, post);
    }
    let room = draft.room(&post.author, Some(&code));
    let Some(question) = draft.question_mut(&code) else { return Outcome::Outdated };
    if !replace(question, &post.id(), post.text.reveal()) {
        return Outcome::Outdated;
    }
    question.visibility = question.visibility.min(post.visibility);
    let is_open = !question.state.is_final() && !question.state.is_held();
    draft.note(&code, "The patron edited what they had asked");
    take_down(draft, &code);
    if is_open && room == Room::Plenty {
        tell_invited(draft, &code, post);
        patron::place(draft, &code, post.text.reveal());
    }
    Outcome::Relayed
}

/// A post was deleted. With the post that asked, the question is taken back, and the desk deletes its
/// copies; what was only added is taken out of it.
pub(crate) fn on_gone(draft: &mut Draft<'_>, post: &PostId) -> Outcome {
    let Some(code) = question_of(draft, post) else { return Outcome::Outdated };
    let Some(question) = draft.question(&code).filter(|question| !question.gone).cloned() else {
        return Outcome::Outdated;
    };
    if question.said.first().is_none_or(|asked| asked.post != *post) {
        let is_taken_out = draft.question_mut(&code).is_some_and(|question| replace(question, post, ""));
        if !is_taken_out {
            return Outcome::Outdated;
        }
        draft.note(&code, "The patron deleted a part of what they had asked");
        take_down(draft, &code);
        return Outcome::Relayed;
    }
    draft.note(&code, "The patron deleted the post that asked this");
    if question.state.is_held() {
        escalation::end(draft, &code);
    }
    patron::withdraw(draft, &code);
    if let Some(question) = draft.question_mut(&code) {
        question.gone = true;
        question.learnable = false;
    }
    let copies = |copy: &&DeskPost| copy.words_of.as_ref() == Some(&question.patron.id);
    for copy in question.posts.iter().filter(copies) {
        let to = draft.question(&code).and_then(|question| addressee(question, &copy.to));
        if let Some(to) = to {
            draft.delete_post(&copy.post, &to);
        }
    }
    Outcome::Withdrawn
}

/// What is published is what its patron agreed to; they no longer say it.
fn take_down(draft: &mut Draft<'_>, code: &Code) {
    if outlets::take_down(draft, code, "its patron says something else now") {
        let _ = draft.tell_patron(code, Purpose::Notice, None, wording::publishing::unpublished(code));
    }
}

fn question_of(draft: &Draft<'_>, post: &PostId) -> Option<Code> {
    let code = draft.view.link.as_ref()?.code.clone()?;
    let question = draft.question(&code)?;
    question.said.iter().any(|piece| piece.post == *post).then_some(code)
}

fn addressee(question: &Question, to: &AccountId) -> Option<crate::desk::Account> {
    if question.patron.id == *to {
        return Some(question.patron.clone());
    }
    question.invitation(to).map(|invitation| invitation.librarian.clone())
}

/// Puts `text` in the place of what a post said. `false` where it says the same, or is not found.
fn replace(question: &mut Question, post: &PostId, text: &str) -> bool {
    let Some(at) = question.said.iter().position(|piece| piece.post == *post) else { return false };
    let start: usize = question.said.iter().take(at).map(|piece| piece.bytes + PIECES_APART).sum();
    let Some(piece) = question.said.get_mut(at) else { return false };
    let old = question.text.reveal();
    let (Some(before), Some(now), Some(after)) =
        (old.get(..start), old.get(start..start + piece.bytes), old.get(start + piece.bytes..))
    else {
        return false;
    };
    let text = patron::limited(text);
    if now == text {
        return false;
    }
    let whole = format!("{before}{text}{after}");
    let limited = patron::limited(&whole);
    // What no longer fits is left as it was, rather than cut in the middle of another post.
    if limited != whole {
        return false;
    }
    piece.bytes = text.len();
    question.text = Confidential::new(whole);
    true
}

fn tell_invited(draft: &mut Draft<'_>, code: &Code, post: &Post) {
    let Some(question) = draft.question(code).cloned() else { return };
    let told = question.invitations.iter().filter(|invitation| {
        // Without a place the invitation is not out yet; the one that goes out is as it was decided, and
        // the change follows it.
        matches!(invitation.fate, Fate::Waiting | Fate::Claimed)
    });
    for invitation in told {
        let body = wording::edited(code, &outbox::defused(post.text.reveal()));
        let source = Some((&post.author.id, post.visibility));
        let _ = draft.tell_librarian(code, &invitation.librarian.id, Purpose::Detail, source, body);
    }
}
