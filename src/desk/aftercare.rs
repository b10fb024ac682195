//! What follows an answer: solved or not, needed by a day, closed at a level.
//!
//! **Invariant:** a question that its patron reopens goes to others; nobody is asked it twice.

use crate::desk::commands::days::Day;
use crate::desk::commands::{Effort, Speaker};
use crate::desk::conversation::Spoken;
use crate::desk::draft::Draft;
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::intake;
use crate::desk::letter::Purpose;
use crate::desk::librarian;
use crate::desk::post::{AccountId, Confidential, Post};
use crate::desk::question::{Event, Fate, Question, Reason, State};
use crate::desk::record::Work;
use crate::desk::routing;
use crate::desk::step::Outcome;
use crate::desk::wording;

/// So many characters of what a librarian names as sources are kept.
const SOURCES_MAX: usize = 1_000;

/// `solved`: the librarian is told, and the question is closed.
pub(crate) fn solved(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let Some((code, by)) = answered(draft, spoken) else { return nothing(draft, spoken) };
    count(draft, &code, &by, |work| work.solved = work.solved.saturating_add(1));
    let body = wording::asking::solved_to_librarian(&code);
    let _ = draft.tell_librarian(&code, &by, Purpose::Thanks, None, body);
    draft.note(&code, "Solved, says the patron");
    escalation::close(draft, &code, "Closed: solved");
    draft.reply_about(spoken.post, Some(&code), Purpose::Reply, wording::asking::solved_to_patron());
    Outcome::Closed
}

/// `not solved`: others are asked. What else the patron says is added to the question.
pub(crate) fn not_solved(draft: &mut Draft<'_>, spoken: &Spoken<'_>, detail: &str) -> Outcome {
    let Some((code, by)) = answered(draft, spoken) else { return nothing(draft, spoken) };
    let post = spoken.post;
    count(draft, &code, &by, |work| work.not_solved = work.not_solved.saturating_add(1));
    let body = wording::asking::reopened_to_librarian(&code);
    let _ = draft.tell_librarian(&code, &by, Purpose::Notice, None, body);
    if !draft.apply(&code, Event::Reopen) {
        return Outcome::Outdated;
    }
    escalation::set_fate(draft, &code, &by, Fate::NotSolved);
    if let Some(question) = draft.question_mut(&code) {
        question.visibility = question.visibility.min(post.visibility);
        question.place = post.place.clone();
        question.told = Default::default();
    }
    if !detail.is_empty() {
        add(draft, &code, post, detail);
    }
    draft.note(&code, "Not solved, says the patron; others are asked");
    escalation::open_again(draft, &code, &by);
    escalation::seek(draft, &code);
    let _ = draft.tell_patron(&code, Purpose::Notice, None, wording::asking::reopened_to_patron(&code));
    Outcome::Relayed
}

/// `need by Friday`.
pub(crate) fn need_by(draft: &mut Draft<'_>, spoken: &Spoken<'_>, day: Day) -> Outcome {
    let Some(code) = spoken.about.clone() else { return nothing(draft, spoken) };
    let Some(end) = intake::end_of(day, draft.now, draft.view.settings) else {
        return nothing(draft, spoken);
    };
    if let Some(question) = draft.question_mut(&code) {
        question.need_by = Some(end);
    }
    if draft.question(&code).is_some_and(|question| question.state == State::Seeking) {
        let left = escalation::looked_for(draft, &code);
        draft.set_timer(&code, Reason::GiveUp, left);
    }
    let body = wording::asking::need_by_set(&code, &intake::day_in_words(end, draft.view.settings));
    draft.reply_about(spoken.post, Some(&code), Purpose::Reply, body);
    Outcome::Commanded
}

/// `done read 3 sources: …`: closed, with its level on the READ scale and its sources in its history.
pub(crate) fn done_with(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code, effort: &Effort) -> Outcome {
    let outcome = librarian::done(draft, spoken, code);
    if outcome != Outcome::Closed {
        return outcome;
    }
    if let Some(level) = effort.read_level {
        draft.note(code, format!("READ level {level}, says its librarian"));
    }
    if let Some(sources) = &effort.sources {
        let sources: String = sources.chars().take(SOURCES_MAX).collect();
        draft.note(code, format!("Sources, says its librarian: {sources}"));
    }
    outcome
}

/// Counts what came of a librarian's answer.
pub(crate) fn count(draft: &mut Draft<'_>, code: &Code, by: &AccountId, change: impl FnOnce(&mut Work)) {
    let Some(invitation) = draft.question(code).and_then(|question| question.invitation(by)).cloned() else {
        return;
    };
    if draft.person(by).is_none() {
        return;
    }
    let subject = routing::subject_asked(&invitation.why);
    if let Some(entry) = draft.person_mut(&invitation.librarian).librarian.as_mut() {
        change(entry.record.work_mut(&subject));
    }
}

/// The patron's answered question that is meant, and who answered it.
fn answered(draft: &Draft<'_>, spoken: &Spoken<'_>) -> Option<(Code, AccountId)> {
    let author = &spoken.post.author.id;
    let by = |question: &Question| match &question.state {
        State::Answered { by } => Some(by.clone()),
        State::Closed => question
            .invitations
            .iter()
            .rev()
            .find(|invitation| invitation.fate == Fate::Claimed)
            .map(|invitation| invitation.librarian.id.clone()),
        State::Seeking
        | State::Claimed { .. }
        | State::Interview { .. }
        | State::Unanswered
        | State::Withdrawn
        | State::Held { .. } => None,
    };
    if let Some(code) = &spoken.about {
        let question = draft.question(code).filter(|_| spoken.speaker == Speaker::Patron)?;
        return Some((code.clone(), by(question)?));
    }
    let theirs = draft.questions().filter(|question| question.patron.id == *author);
    let answered = theirs.filter(|question| matches!(question.state, State::Answered { .. }));
    let latest = answered.max_by_key(|question| question.asked_at)?;
    Some((latest.code.clone(), by(latest)?))
}

/// Adds what is missing to a question that goes to others.
fn add(draft: &mut Draft<'_>, code: &Code, post: &Post, detail: &str) {
    let Some(question) = draft.question_mut(code) else { return };
    let text = format!("{}\n\n{detail}", question.text.reveal());
    question.text = Confidential::new(crate::desk::patron::limited(&text));
    debug_assert!(question.visibility <= post.visibility, "narrowed before");
}

fn nothing(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    draft.reply(spoken.post, Purpose::Reply, wording::asking::nothing_to_solve());
    Outcome::Helped
}
