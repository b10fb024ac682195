//! Libraries that share a desk: whose patron and whose librarian somebody is.
//!
//! **Invariant:** a question that its patron wants kept in their library is shown to nobody else, also
//! where the desk does not know which library that is.

use jiff::Timestamp;

use crate::desk::conversation::Spoken;
use crate::desk::draft::Draft;
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::person::Person;
use crate::desk::post::Account;
use crate::desk::question::{Fate, Question};
use crate::desk::settings::{Library, Settings};
use crate::desk::step::Outcome;
use crate::desk::wording;

/// The words in a question that keep it in its patron's library.
const ONLY: &str = "only my library";

/// `my library is …`: patrons and librarians alike; `none` takes it back.
pub(crate) fn my_library(draft: &mut Draft<'_>, spoken: &Spoken<'_>, name: &str) -> Outcome {
    let settings = draft.view.settings;
    let found = named(settings, name).map(|library| (library.id.clone(), library.name.clone()));
    let body = match found {
        Some((id, name)) => {
            draft.person_mut(&spoken.post.author).library = Some(id);
            wording::asking::library_set(&name)
        }
        None if name.eq_ignore_ascii_case("none") => {
            draft.person_mut(&spoken.post.author).library = None;
            wording::asking::library_unset()
        }
        None => wording::asking::which_library(settings.libraries.iter().map(|library| library.name.clone())),
    };
    draft.reply(spoken.post, Purpose::Reply, body);
    Outcome::Commanded
}

/// Notes with a new question whose it is, and whether it may leave.
pub(crate) fn note(draft: &mut Draft<'_>, code: &Code) {
    let Some(question) = draft.question(code) else { return };
    let library = draft.person(&question.patron.id).and_then(|person| person.library.clone());
    let is_shared = !draft.view.settings.libraries.is_empty();
    let only = is_shared && question.text.reveal().to_lowercase().contains(ONLY);
    if let Some(question) = draft.question_mut(code) {
        question.library = library;
        question.only_library = only;
    }
}

/// `only my library`, below a question: whoever else still thinks about it is asked no more.
pub(crate) fn keep_in(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let author = &spoken.post.author.id;
    let library = draft.person(author).and_then(|person| person.library.clone());
    let about = spoken.about.clone().filter(|code| {
        draft
            .question(code)
            .is_some_and(|question| question.patron.id == *author && !question.state.is_final())
    });
    let (Some(code), Some(library)) = (about, library) else {
        let all = draft.view.settings.libraries.iter().map(|library| library.name.clone());
        draft.reply(spoken.post, Purpose::Reply, wording::asking::which_library(all));
        return Outcome::Helped;
    };
    let Some(question) = draft.question_mut(&code) else { return Outcome::Outdated };
    question.library = Some(library.clone());
    question.only_library = true;
    let asked: Vec<Account> = question
        .invitations
        .iter()
        .filter(|invitation| invitation.fate == Fate::Waiting)
        .map(|invitation| invitation.librarian.clone())
        .collect();
    for librarian in asked {
        let is_inside =
            draft.person(&librarian.id).and_then(|person| person.library.as_ref()) == Some(&library);
        if !is_inside {
            escalation::let_go(draft, &code, &librarian, Fate::Lapsed);
        }
    }
    draft.reply_about(spoken.post, Some(&code), Purpose::Reply, wording::asking::kept_in_library(&code));
    Outcome::Commanded
}

/// Whether a question may be shown to somebody, by its library alone.
pub(crate) fn may_see(question: &Question, person: &Person) -> bool {
    !question.only_library || question.library.is_some() && person.library == question.library
}

/// Until when the patron's own library comes first, for somebody outside it.
pub(crate) fn head_start(
    question: &Question,
    person: &Person,
    settings: &Settings,
    now: Timestamp,
) -> Option<Timestamp> {
    let own = question.library.as_ref()?;
    let library = settings.libraries.iter().find(|library| library.id == *own)?;
    let until = question.asked_at.checked_add(library.head_start).unwrap_or(Timestamp::MAX);
    (person.library.as_ref() != Some(own) && now < until).then_some(until)
}

/// The library that somebody means: by its id, or its name.
pub(crate) fn named<'s>(settings: &'s Settings, name: &str) -> Option<&'s Library> {
    let is_meant =
        |library: &&Library| library.id.eq_ignore_ascii_case(name) || library.name.eq_ignore_ascii_case(name);
    settings.libraries.iter().find(is_meant)
}
