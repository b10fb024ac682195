//! Who is asked: the librarians who may be asked now, best first, and why each of them.
//!
//! Librarians of the question's own subjects come first, then those of the parent subjects, then
//! generalists. Within a circle it goes by turns: least recently asked first.
//!
//! **Invariant:** nobody is found who did not opt in, who said `stop`, who asked the question, who was
//! asked already, who is off duty, paused or at their limit, who shares no language with the question,
//! or who could not be asked as privately as the question is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::desk::commands::hours;
use crate::desk::person::{Librarian, Person, Roster};
use crate::desk::post::{Account, AccountId};
use crate::desk::question::{Question, Rung, Why};
use crate::desk::settings::Settings;
use crate::subjects::{SubjectId, Subjects};

/// What routing looks at.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    pub settings: &'a Settings,
    pub subjects: &'a Subjects,
    pub roster: &'a Roster,
    /// People whose entry in the roster is out of date, as they are now.
    pub changed: &'a BTreeMap<AccountId, Person>,
    pub now: Timestamp,
}

/// Somebody who may be asked now.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub librarian: Account,
    pub rung: Rung,
    pub why: Why,
}

/// Who was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Who may be asked now, best first.
    pub ready: Vec<Candidate>,
    /// The earliest time at which somebody else comes on duty.
    pub next_start: Option<Timestamp>,
    /// Whether anybody may ever be asked, now or later.
    pub anybody: bool,
}

/// Whether a librarian may be asked a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    Ready,
    /// Off duty or paused until then, or at their limit (`None`: nobody knows for how long).
    Later(Option<Timestamp>),
    Never,
}

/// Everybody who may be asked this question, best first.
pub fn find(question: &Question, around: &Circumstances<'_>) -> Found {
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    for (rung, subject, why) in circles(question, around.subjects) {
        let mut circle: Vec<(Option<Timestamp>, Candidate)> = Vec::new();
        for (listed, _) in around.roster.of_subject(&subject) {
            let person = around.changed.get(&listed.account.id).unwrap_or(listed);
            let Some(librarian) = person.librarian.as_ref().filter(|found| found.subjects.contains(&subject))
            else {
                continue;
            };
            if !seen.insert(&listed.account.id) {
                continue;
            }
            match availability(question, person, librarian, around) {
                Availability::Ready => {
                    let candidate = Candidate { librarian: person.account.clone(), rung, why: why.clone() };
                    circle.push((librarian.asked_at, candidate));
                }
                Availability::Later(at) => {
                    found.anybody = true;
                    found.next_start = found.next_start.into_iter().chain(at).min();
                }
                Availability::Never => {}
            }
        }
        // `None`, never asked, comes first. The roster's own order, by account, breaks ties.
        circle.sort_by_key(|(asked_at, _)| *asked_at);
        found.ready.extend(circle.into_iter().map(|(_, candidate)| candidate));
    }
    found.anybody |= !found.ready.is_empty();
    found
}

/// Whether one librarian may be asked this question now.
pub fn availability(
    question: &Question,
    person: &Person,
    librarian: &Librarian,
    around: &Circumstances<'_>,
) -> Availability {
    let account = &person.account.id;
    let may_ever = librarian.opted_in_at.is_some()
        && !person.stopped
        && question.patron.id != *account
        && question.invitation(account).is_none()
        && account.network.copy_visibility(question.visibility).is_some()
        && speaks(librarian, question.language.as_deref(), &around.settings.language);
    if !may_ever {
        return Availability::Never;
    }
    if let Some(until) = librarian.paused_until.filter(|until| around.now < *until) {
        return Availability::Later((until != Timestamp::MAX).then_some(until));
    }
    if librarian.limit as usize <= librarian.open.len() {
        return Availability::Later(None);
    }
    if !hours::contain(&librarian.hours, around.now) {
        return Availability::Later(hours::next_start(&librarian.hours, around.now));
    }
    Availability::Ready
}

/// The circles of librarians for a question, nearest first: each with the subject they opted in to.
fn circles(question: &Question, subjects: &Subjects) -> Vec<(Rung, SubjectId, Why)> {
    let mut circles = Vec::new();
    let own: Vec<&SubjectId> = question.subjects.iter().map(|found| &found.subject).collect();
    for subject in &own {
        let why = Why::Subject { subject: (*subject).clone() };
        circles.push((Rung::Specialists, (*subject).clone(), why));
    }
    let mut wider: Vec<SubjectId> = Vec::new();
    for subject in &own {
        wider.extend(ancestors(subject, subjects).into_iter().filter(|parent| !own.contains(&parent)));
    }
    for subject in wider {
        let why = Why::Parent { subject: subject.clone() };
        circles.push((Rung::Parents, subject, why));
    }
    circles.push((Rung::Generalists, SubjectId::general(), Why::Generalist));
    circles
}

/// The parents of a subject, nearest first. Rule files with a cycle are refused when they are read;
/// the check here costs nothing and keeps the loop bounded.
fn ancestors(subject: &SubjectId, subjects: &Subjects) -> Vec<SubjectId> {
    let mut found: Vec<SubjectId> = Vec::new();
    let mut at = subject.clone();
    while let Some(parent) = subjects.get(&at).and_then(|subject| subject.parent.clone()) {
        if parent == *subject || found.contains(&parent) {
            break;
        }
        found.push(parent.clone());
        at = parent;
    }
    found
}

/// Whether a librarian reads the language of a question. Regional variants count as the language.
fn speaks(librarian: &Librarian, language: Option<&str>, desk_language: &str) -> bool {
    let Some(language) = language.map(primary) else { return true };
    if librarian.languages.is_empty() {
        return language == primary(desk_language);
    }
    librarian.languages.iter().any(|spoken| primary(spoken) == language)
}

/// The language of a BCP 47 tag without its script, region and variants, in lower case.
fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}
