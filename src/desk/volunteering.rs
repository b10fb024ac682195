//! Librarians about themselves: subjects, hours, languages, limits, pauses.
//!
//! **Invariant:** only the librarian's own words opt them in, and `leave` takes effect in the same
//! step that reads it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::desk::allowance::{Allowance, Per};
use crate::desk::commands::days::Day;
use crate::desk::commands::hours::HoursMistake;
use crate::desk::commands::{Mistake, SUBJECTS_MAX};
use crate::desk::conversation::Spoken;
use crate::desk::draft::Draft;
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::intake;
use crate::desk::letter::Purpose;
use crate::desk::person::{Hours, Level, Librarian, Signature};
use crate::desk::post::Account;
use crate::desk::question::Fate;
use crate::desk::settings::Settings;
use crate::desk::step::Outcome;
use crate::desk::{outbox, wording};
use crate::subjects::SubjectId;

/// A librarian can have so many absences ahead.
const AWAY_MAX: usize = 20;

/// `join history, genealogy`: opts in to these subjects, besides those joined before.
pub(crate) fn join(draft: &mut Draft<'_>, spoken: &Spoken<'_>, subjects: Vec<SubjectId>) -> Outcome {
    let (now, settings) = (draft.now, draft.view.settings);
    let person = draft.person_mut(&spoken.post.author);
    let librarian = person.librarian.get_or_insert_with(|| newcomer(settings));
    let known = librarian.subjects.iter().filter(|subject| !subjects.contains(subject)).count();
    if SUBJECTS_MAX < known + subjects.len() {
        let body = wording::mistakes::mistaken(&Mistake::TooManySubjects);
        draft.reply(spoken.post, Purpose::Reply, body);
        return Outcome::Helped;
    }
    librarian.opted_in_at.get_or_insert(now);
    librarian.subjects.extend(subjects);
    let librarian = librarian.clone();
    let names = librarian.subjects.iter().map(|subject| escalation::subject_name(draft, subject));
    let names = wording::join(names);
    let network = spoken.post.author.id.network;
    let in_public = network.asks_in_direct_messages() && !draft.heard_as(spoken.post).is_private();
    let body = if in_public {
        wording::volunteering::joined_in_public(&names)
    } else {
        wording::volunteering::joined(&names, &librarian)
    };
    draft.reply(spoken.post, Purpose::Reply, body);
    Outcome::Commanded
}

/// `leave`: off the roster at once; what they had goes to others.
pub(crate) fn leave(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    if !is_librarian(draft, spoken) {
        return not_a_librarian(draft, spoken);
    }
    resign(draft, &spoken.post.author);
    draft.reply(spoken.post, Purpose::Reply, wording::volunteering::left());
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
        let said = wording::volunteering::hours_set(&hours);
        librarian.hours = hours;
        said
    })
}

pub(crate) fn languages(draft: &mut Draft<'_>, spoken: &Spoken<'_>, languages: Vec<String>) -> Outcome {
    set(draft, spoken, |librarian| {
        let said = wording::volunteering::languages_set(&languages.join(", "));
        librarian.languages = languages.into_iter().collect();
        said
    })
}

pub(crate) fn limit(draft: &mut Draft<'_>, spoken: &Spoken<'_>, limit: u32) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.limit = limit;
        wording::volunteering::limit_set(limit)
    })
}

/// `sign as Ann Reader, Springfield Library`: how answers are signed, on every network.
pub(crate) fn sign(draft: &mut Draft<'_>, spoken: &Spoken<'_>, name: Option<String>) -> Outcome {
    set(draft, spoken, |librarian| {
        let signature = name.map_or(Signature::Nameless, |name| Signature::Name(outbox::defused(&name)));
        let said = wording::accounts::signature_set(&signature);
        librarian.signature = signature;
        said
    })
}

/// `pause 3 days`; without a time it lasts until `back`.
pub(crate) fn pause(draft: &mut Draft<'_>, spoken: &Spoken<'_>, length: Option<SignedDuration>) -> Outcome {
    let until = length.map(|length| draft.now.checked_add(length).unwrap_or(Timestamp::MAX));
    let settings = draft.view.settings;
    set(draft, spoken, |librarian| {
        librarian.paused_until = Some(until.unwrap_or(Timestamp::MAX));
        wording::volunteering::paused(until, settings)
    })
}

pub(crate) fn back(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.paused_until = None;
        librarian.resting_until = None;
        librarian.away.clear();
        wording::volunteering::back()
    })
}

/// `invitations 1 a day`.
pub(crate) fn invitations(draft: &mut Draft<'_>, spoken: &Spoken<'_>, allowance: Allowance) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.invitations = allowance;
        wording::asking::invitations_set(allowance)
    })
}

/// `away 24 Dec to 2 Jan`: by their own clock, the last day included.
pub(crate) fn away(draft: &mut Draft<'_>, spoken: &Spoken<'_>, from: Day, until: Day) -> Outcome {
    let now = draft.now;
    let mistaken = || wording::mistakes::mistaken(&Mistake::Away);
    set(draft, spoken, |librarian| {
        let today = librarian.zone().to_datetime(now).date();
        let Some(first) = from.after(today) else { return mistaken() };
        let Some(last) = until.after(first).filter(|last| first <= *last && today <= *last) else {
            return mistaken();
        };
        librarian.away.retain(|(_, until)| today <= *until);
        if librarian.away.len() < AWAY_MAX {
            librarian.away.push((first, last));
        }
        wording::asking::away_set(&intake::date_in_words(first), &intake::date_in_words(last))
    })
}

/// `only weekends`: the hours they have, on these days.
pub(crate) fn only_on(draft: &mut Draft<'_>, spoken: &Spoken<'_>, days: &BTreeSet<i8>) -> Outcome {
    set(draft, spoken, |librarian| {
        if librarian.hours.is_empty() {
            return wording::mistakes::mistaken(&Mistake::Hours(HoursMistake::NoZone));
        }
        librarian.hours.iter_mut().for_each(|window| window.days = days.clone());
        wording::volunteering::hours_set(&librarian.hours)
    })
}

pub(crate) fn level(draft: &mut Draft<'_>, spoken: &Spoken<'_>, level: Option<Level>) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.level = level;
        wording::asking::level_set(level)
    })
}

pub(crate) fn by_name(draft: &mut Draft<'_>, spoken: &Spoken<'_>, may: bool) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.by_name = may;
        wording::asking::by_name_set(may)
    })
}

pub(crate) fn digest(draft: &mut Draft<'_>, spoken: &Spoken<'_>, wanted: bool) -> Outcome {
    set(draft, spoken, |librarian| {
        librarian.digest = wanted;
        wording::asking::digest_set(wanted)
    })
}

/// `my help`: what came of what they did.
pub(crate) fn my_help(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let now = draft.now;
    set(draft, spoken, |librarian| {
        wording::asking::my_help(librarian, librarian.load.within(librarian.day(now), 28))
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
    draft.reply(spoken.post, Purpose::Reply, wording::volunteering::not_a_librarian());
    Outcome::Helped
}
