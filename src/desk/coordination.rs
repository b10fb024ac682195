//! What the coordinator wants: the roster, and questions that need a hand.
//!
//! **Invariant:** a coordinator can prepare and remove, but not opt anybody in: a librarian added here
//! is asked nothing before they say `join` themselves.

use jiff::Timestamp;

use crate::desk::draft::Draft;
use crate::desk::escalation;
use crate::desk::held;
use crate::desk::ids::Code;
use crate::desk::input::Action;
use crate::desk::letter::Purpose;
use crate::desk::outlets;
use crate::desk::post::AccountId;
use crate::desk::question::{Event, Fate, Question, State, Why};
use crate::desk::routing::{self, Availability, Candidate};
use crate::desk::step::Outcome;
use crate::desk::volunteering;
use crate::desk::wording;

/// Carries out a coordinator's wish. [`Outcome::Outdated`] where what it is about is not there any more.
pub(crate) fn on_action(draft: &mut Draft<'_>, action: &Action) -> Outcome {
    match action {
        Action::AddLibrarian { account, subjects, hours, languages, limit, library, opted_in_at } => {
            let settings = draft.view.settings;
            let person = draft.person_mut(account);
            person.account = account.clone();
            person.library = library.clone().or(person.library.take());
            let librarian = person.librarian.get_or_insert_with(|| volunteering::newcomer(settings));
            librarian.subjects.extend(subjects.iter().cloned());
            librarian.languages.extend(languages.iter().cloned());
            if !hours.is_empty() {
                librarian.hours = hours.clone();
            }
            librarian.limit = limit.unwrap_or(librarian.limit);
            librarian.opted_in_at = librarian.opted_in_at.or(*opted_in_at);
            Outcome::Commanded
        }
        Action::PauseLibrarian { account, until } => pause(draft, account, *until),
        Action::RemoveLibrarian { account } => {
            let Some(person) = draft.person(account).filter(|person| person.librarian.is_some()) else {
                return Outcome::Outdated;
            };
            let account = person.account.clone();
            volunteering::resign(draft, &account);
            Outcome::Commanded
        }
        Action::CloseQuestion { code }
            if draft.question(code).is_some_and(|question| question.state.is_held()) =>
        {
            held::dismiss(draft, code)
        }
        Action::CloseQuestion { code } => close(draft, code),
        Action::ReleaseQuestion { code } => held::release(draft, code),
        Action::ReassignQuestion { code, to } => reassign(draft, code, to),
        Action::JudgeOffer { code, number, verdict } => outlets::judge(draft, code, *number, *verdict),
    }
}

fn pause(draft: &mut Draft<'_>, account: &AccountId, until: Option<Timestamp>) -> Outcome {
    let Some(person) = draft.person(account).filter(|person| person.librarian.is_some()) else {
        return Outcome::Outdated;
    };
    let account = person.account.clone();
    if let Some(librarian) = draft.person_mut(&account).librarian.as_mut() {
        librarian.paused_until = until;
    }
    Outcome::Commanded
}

/// Ends a question and tells its patron, unless they have their answer.
fn close(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    let Some(question) = draft.question(code).cloned() else { return Outcome::Outdated };
    let is_answered = matches!(question.state, State::Answered { .. });
    let event = if is_answered { Event::Close } else { Event::Withdraw };
    if !draft.apply(code, event) {
        return Outcome::Outdated;
    }
    if !is_answered {
        let _ = draft.tell_patron(code, Purpose::Ending, None, wording::closed_by_coordinator(code));
        tell_owner(draft, code, &question);
    }
    escalation::end(draft, code);
    draft.note(code, "Closed by the coordinator");
    Outcome::Closed
}

/// Offers a question to one librarian, taking it from whoever has it.
fn reassign(draft: &mut Draft<'_>, code: &Code, to: &AccountId) -> Outcome {
    let Some(question) = draft.question(code).cloned() else { return Outcome::Outdated };
    let around = escalation::circumstances(draft);
    // A coordinator may look past hours and limits, but never past consent and confidentiality.
    let candidate = draft.view.roster.get(to).and_then(|person| {
        let librarian = person.librarian.as_ref()?;
        let may = routing::availability(&question, person, librarian, &around) != Availability::Never;
        may.then(|| Candidate::chosen(person.account.clone(), question.rung, Why::Assigned))
    });
    let is_open = matches!(question.state, State::Seeking | State::Claimed { .. } | State::Interview { .. });
    let Some(candidate) = candidate.filter(|_| is_open) else { return Outcome::Outdated };
    if !escalation::invite(draft, code, &candidate) {
        return Outcome::Declined;
    }
    if let Some(owner) = question.owner().and_then(|owner| question.invitation(owner)) {
        let _ = draft.tell_librarian(
            code,
            &owner.librarian.id,
            Purpose::Notice,
            None,
            wording::released_to_librarian(code),
        );
        escalation::let_go(draft, code, &owner.librarian, Fate::Lapsed);
    }
    draft.note(code, "Reassigned by the coordinator");
    Outcome::Referred
}

fn tell_owner(draft: &mut Draft<'_>, code: &Code, question: &Question) {
    if let Some(owner) = question.owner() {
        let _ =
            draft.tell_librarian(code, owner, Purpose::Notice, None, wording::withdrawn_to_librarian(code));
    }
}
