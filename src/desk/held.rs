//! Posts that are no question: spam and abuse are held back for the coordinator, greetings are greeted.
//!
//! A held post is kept as a question that nobody is asked, with what made the desk think so. The
//! coordinator can release it, and it goes on as if it had just been asked; else it is erased when the
//! time for which ended questions are kept is over.
//!
//! **Invariant:** whoever sent spam or abuse hears nothing, so that it pays nobody to send more, and
//! nothing of theirs reaches a librarian before the coordinator has seen it.

use crate::desk::draft::Draft;
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::patron;
use crate::desk::post::{AccountId, Post};
use crate::desk::question::{Event, Question, Reason, State};
use crate::desk::step::Outcome;
use crate::subjects::{Kind, Screening};

/// How many held posts of one author are kept at a time; of more, only the number is.
const HELD_MAX: usize = 20;

/// Keeps a post for the coordinator, without a word to anybody.
pub(crate) fn hold(draft: &mut Draft<'_>, post: &Post, screening: &Screening) -> Outcome {
    if let Some(code) = counted_with(draft, post) {
        if let Some(State::Held { more, .. }) = draft.question_mut(&code).map(|question| &mut question.state)
        {
            *more = more.saturating_add(1);
        }
        return Outcome::Held;
    }
    let code = draft.view.free_code.clone();
    let because = because(screening);
    draft.note(&code, format!("Held back as {}: {}", screening.kind, because.join(", ")));
    draft.add_question(patron::question(draft, &code, post, held(screening.kind, because)));
    draft.set_timer(&code, Reason::Erase, draft.view.settings.keep_for);
    // An edit or a deletion of the post is seen like that of any other.
    draft.link(post.id(), Some(code), post.author.id.clone());
    Outcome::Held
}

fn held(kind: Kind, because: Vec<String>) -> State {
    State::Held { kind, because, more: 0 }
}

/// The coordinator finds that it is a question after all.
pub(crate) fn release(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    if !draft.apply(code, Event::Admit) {
        return Outcome::Outdated;
    }
    draft.note(code, "Released by the coordinator");
    patron::take_in(draft, code)
}

/// The coordinator agrees that it is none. Nobody is told.
pub(crate) fn dismiss(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    if !draft.apply(code, Event::Withdraw) {
        return Outcome::Outdated;
    }
    escalation::end(draft, code);
    draft.note(code, "Closed by the coordinator");
    Outcome::Closed
}

/// The held post with which another one of the same author is only counted: one with the same words, or
/// the latest where there are [`HELD_MAX`].
fn counted_with(draft: &Draft<'_>, post: &Post) -> Option<Code> {
    let held: Vec<&Question> = held_of(draft, &post.author.id).collect();
    let same = held.iter().find(|question| question.text == post.text);
    let latest = held.iter().max_by_key(|question| (question.asked_at, &question.code));
    let full = latest.filter(|_| HELD_MAX <= held.len());
    same.or(full).map(|question| question.code.clone())
}

fn held_of<'d>(draft: &'d Draft<'_>, author: &'d AccountId) -> impl Iterator<Item = &'d Question> {
    draft.questions().filter(move |question| question.patron.id == *author && question.state.is_held())
}

/// What speaks for the kind, the most telling first: terms of the rules and names of signs, never the
/// author's words.
fn because(screening: &Screening) -> Vec<String> {
    let speaks =
        |found: &&crate::subjects::Evidence| found.speaks_for == screening.kind && 0.0 < found.weight;
    let mut found: Vec<_> = screening.evidence.iter().filter(speaks).collect();
    found.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    found.into_iter().map(|found| format!("{} ({:+})", found.because, found.weight)).collect()
}
