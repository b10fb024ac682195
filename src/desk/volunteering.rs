//! Librarians about themselves: subjects, hours, languages, limits, pauses.
//!
//! **Invariant:** only the librarian's own words opt them in, and `leave` takes effect in the same
//! step that reads it.

use jiff::{SignedDuration, Timestamp};

use crate::desk::commands::SUBJECTS_MAX;
use crate::desk::conversation::Spoken;
use crate::desk::draft::Draft;
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::person::{Hours, Librarian};
use crate::desk::post::Account;
use crate::desk::question::Fate;
use crate::desk::record::{Allowance, Per};
use crate::desk::settings::Settings;
use crate::desk::step::Outcome;
use crate::desk::wording;
use crate::subjects::SubjectId;

/// `join history, genealogy`: opts in to these subjects, besides those joined before.
pub(crate) fn join(draft: &mut Draft<'_>, spoken: &Spoken<'_>, subjects: Vec<SubjectId>) -> Outcome {
    let (now, settings) = (draft.now, draft.view.settings);
    let person = draft.person_mut(&spoken.post.author);
    let librarian = person.librarian.get_or_insert_with(|| newcomer(settings));
    let known = librarian.subjects.iter().filter(|subject| !subjects.contains(subject)).count();
    if SUBJECTS_MAX < known + subjects.len() {
        let body = wording::mistaken(&crate::desk::commands::Mistake::TooManySubjects);
        draft.reply(spoken.post, Purpose::Reply, body);
        return Outcome::Helped;
    }
    librarian.opted_in_at.get_or_insert(now);
    librarian.subjects.extend(subjects);
    let librarian = librarian.clone();
    let names = librarian.subjects.iter().map(|subject| escalation::subject_name(draft, subject));
    let body = wording::joined(&wording::join(names), &librarian);
    draft.reply(spoken.post, Purpose::Reply, body);
    Outcome::Commanded
}

/// `leave`: off the roster at once; what they had goes to others.
pub(crate) fn leave(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    if !is_librarian(draft, spoken) {
        return not_a_librarian(draft, spoken);
    }
    resign(draft, &spoken.post.author);
    draft.reply(spoken.post, Purpose::Reply, wording::left());
    Outcome::Commanded
}

/// Takes somebody off the roster and gives back what they had.
pub(crate) fn resign(draft: &mut Draft<'_>, account: &Account) {
    // First they are no librarian any more, so that nothing they give back is offered to them again.
    draft.person_mut(account).librarian = None;
    let theirs: Vec<Code> = draft
        .questions()
        .filter(|question| !question.state.is_final())
        .filter(|question| {
            let fate = question.invitation(&account.id).map(|invitation| invitation.fate);
            matches!(fate, Some(Fate::Waiting | Fate::Claimed))
        })
        .map(|question| question.code.clone())
        .collect();
    for code in theirs {
        draft.note(&code, "A librarian left the desk");
        escalation::let_go(draft, &code, account, Fate::Passed);
    }
}

pub(crate) fn hours(draft: &mut Draft<'_>, spoken: &Spoken<'_>, hours: Vec<Hours>) -> Outcome {
    set(draft, spoken, |librarian| {
        let said = wording::hours_set(&hours);
        librarian.hours = hours;
        said
    })
}

pub(crate) fn languages(draft: &mut Draft<'_>, spoken: &Spoken<'_>, languages: Vec<String>) -> Outcome {
    set(draft, spoken, |librarian| {
        let said = wording::languages_set(&languages.join(", "));
        librarian.languages = languages.into_iter().collect();
        said
    })
}

pub(crate) fn limit(draft: &mut Draft<'_>, spoken: &Spoken<'_>, limit: u32) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.limit = limit;
        wording::limit_set(limit)
    })
}

/// `pause 3 days`; without a time it lasts until `back`.
pub(crate) fn pause(draft: &mut Draft<'_>, spoken: &Spoken<'_>, length: Option<SignedDuration>) -> Outcome {
    let until = length.map(|length| draft.now.checked_add(length).unwrap_or(Timestamp::MAX));
    let settings = draft.view.settings;
    set(draft, spoken, |librarian| {
        librarian.paused_until = Some(until.unwrap_or(Timestamp::MAX));
        wording::paused(until, settings)
    })
}

pub(crate) fn back(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.paused_until = None;
        wording::back()
    })
}

/// Somebody who has just become a librarian here.
pub(crate) fn newcomer(settings: &Settings) -> Librarian {
    let allowance = Allowance { count: settings.invitations_per_day, per: Per::Day };
    Librarian::newcomer(settings.default_limit, allowance)
}

/// Changes a librarian's entry and says what is so now.
fn set(draft: &mut Draft<'_>, spoken: &Spoken<'_>, change: impl FnOnce(&mut Librarian) -> String) -> Outcome {
    let Some(librarian) = draft.person_mut(&spoken.post.author).librarian.as_mut() else {
        return not_a_librarian(draft, spoken);
    };
    let said = change(librarian);
    draft.reply(spoken.post, Purpose::Reply, said);
    Outcome::Commanded
}

fn is_librarian(draft: &Draft<'_>, spoken: &Spoken<'_>) -> bool {
    draft.person(&spoken.post.author.id).is_some_and(|person| person.librarian.is_some())
}

fn not_a_librarian(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    draft.reply(spoken.post, Purpose::Reply, wording::not_a_librarian());
    Outcome::Helped
}
