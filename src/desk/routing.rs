//! Who is asked: the librarians who may be asked now, best first, and why each of them.
//!
//! Librarians of the question's own subjects come first, then those of the parent subjects, then
//! generalists. In a language without rules, where subjects are hardly found, whoever else speaks it
//! comes last. Within a circle it is fit, chance and ease that count: how well they did in the
//! subject, how likely they claim in time, how much the desk asked of them lately, and how much they will
//! be needed elsewhere.
//!
//! **Invariant:** nobody is found who did not opt in, who said `stop`, who asked the question, who was
//! asked already, who is off duty, paused, resting, away or at a limit of theirs, whom the patron blocked
//! or who blocked the patron, who shares no language with the question, or who could not be asked as
//! privately as the question is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::desk::commands::hours;
use crate::desk::libraries;
use crate::desk::person::{Librarian, Person};
use crate::desk::post::{Account, AccountId};
use crate::desk::question::{Question, Rung, Why};
use crate::desk::record::{About, Hope};
use crate::desk::roster::{CLASSES, Clocks, Roster};
use crate::desk::settings::{Policy, Settings};
use crate::subjects::{Language, SubjectId, Subjects};

/// So many librarians of one circle and one class of likelihood are compared; whoever was asked longest
/// ago is looked at first, so that all get their turn.
const COMPARED_MAX: usize = 32;

/// For so many librarians it is computed when they may be asked again, to tell the patron the earliest. Where
/// there are more, the desk looks again before long in any case.
const STARTS_MAX: usize = 64;

/// With a lower chance of a claim in the time hoped for, a librarian is hardly missed for quick answers. With a
/// third of it there were no more of these in simulated worlds, and the late ones came later.
const SLOW_ENOUGH: f64 = 0.1;

/// What waits for longer waits for a day at a time.
const LATE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How much one invitation a day over the last weeks weighs, against one open question.
const BURDEN: f64 = 1.0;

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
    /// How likely they are to claim in the time hoped for, from 0 to 1.
    pub chance: f64,
    /// What they are ordered by: chance, fit and burden in one.
    pub score: f64,
}

impl Candidate {
    /// Somebody whom a person chose, so that no odds matter.
    pub fn chosen(librarian: Account, rung: Rung, why: Why) -> Candidate {
        Candidate { librarian, rung, why, chance: 0.0, score: 0.0 }
    }
}

/// Who was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Who of the nearest circle in which anybody may be asked now may be asked, best first; of all
    /// circles under [`Policy::Broadcast`].
    pub ready: Vec<Candidate>,
    /// Where nobody is ready: the earliest time at which somebody comes on duty.
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

/// Who may be asked this question now, best first.
pub fn find(question: &Question, around: &Circumstances<'_>) -> Found {
    let circles = circles(question, around);
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    let mut clocks = around.roster.clocks(around.settings, around.now);
    for circle in circles.chunk_by(|one, other| one.0 == other.0) {
        let mut ready = Vec::new();
        for (rung, why) in circle {
            ready.extend(ready_in(question, *rung, why, around, &mut clocks, &mut seen));
        }
        order(&mut ready, around);
        found.ready.extend(ready.into_iter().map(|(_, candidate)| candidate));
        if !found.ready.is_empty() && around.settings.policy != Policy::Broadcast {
            break;
        }
    }
    found.anybody = !found.ready.is_empty();
    if !found.anybody {
        look_ahead(question, &circles, around, &mut found);
    }
    found
}

/// Best first; by turns, where that is the policy.
fn order(ready: &mut [(Option<Timestamp>, Candidate)], around: &Circumstances<'_>) {
    match around.settings.policy {
        // `None`, never asked, comes first.
        Policy::RoundRobin => ready.sort_by(|(at, one), (other_at, other)| {
            at.cmp(other_at).then_with(|| one.librarian.id.cmp(&other.librarian.id))
        }),
        Policy::Waves | Policy::Broadcast | Policy::OneAtATime => {
            ready.sort_by(|(at, one), (other_at, other)| {
                let by_score = other.score.total_cmp(&one.score);
                by_score.then(at.cmp(other_at)).then_with(|| one.librarian.id.cmp(&other.librarian.id))
            });
        }
    }
}

/// Who of a circle may be asked now, with the time at which they were last asked.
fn ready_in<'a>(
    question: &Question,
    rung: Rung,
    why: &Why,
    around: &Circumstances<'a>,
    clocks: &mut Clocks<'_>,
    seen: &mut BTreeSet<&'a AccountId>,
) -> Vec<(Option<Timestamp>, Candidate)> {
    let subject = subject_of(why);
    let (language, own) = (question.language.as_deref(), around.settings.language.as_str());
    let most = match around.settings.policy {
        Policy::Waves | Policy::OneAtATime => COMPARED_MAX,
        Policy::Broadcast | Policy::RoundRobin => usize::MAX,
    };
    let mut ready = Vec::new();
    for class in 0..CLASSES {
        let compared_before = ready.len();
        let sought = (subject.as_ref(), language);
        for listed in around.roster.in_turn(sought, own, class, around.now, true) {
            if most <= ready.len() - compared_before {
                break;
            }
            let person = &listed.person;
            let Some(librarian) = &person.librarian else { continue };
            let is_changed = around.changed.contains_key(&person.account.id);
            if is_changed || seen.contains(&person.account.id) {
                continue;
            }
            let may = may_ever(question, person, librarian, around)
                && libraries::head_start(question, person, around.settings, around.now).is_none()
                && free_from(librarian, around.now).is_none();
            if may && let Some(left) = clocks.left(listed) {
                seen.insert(&person.account.id);
                let ease = ease(librarian, left, around.now);
                let candidate = candidate(question, person, librarian, ease, (rung, why), around);
                ready.push((librarian.asked_at, candidate));
            }
        }
    }
    for (account, person) in around.changed {
        let Some(librarian) = &person.librarian else { continue };
        let is_in = subject.as_ref().is_none_or(|subject| librarian.subjects.contains(subject));
        if is_in
            && availability(question, person, librarian, around) == Availability::Ready
            && seen.insert(account)
        {
            let left = hours::left(&librarian.hours, around.settings.holidays_of(person), around.now)
                .unwrap_or_default();
            let ease = ease(librarian, left, around.now);
            let candidate = candidate(question, person, librarian, ease, (rung, why), around);
            ready.push((librarian.asked_at, candidate));
        }
    }
    ready
}

/// Finds out when somebody may be asked, where nobody may now.
fn look_ahead<'a>(
    question: &Question,
    circles: &[(Rung, Why)],
    around: &Circumstances<'a>,
    found: &mut Found,
) {
    let (language, own) = (question.language.as_deref(), around.settings.language.as_str());
    let mut computed = 0;
    let mut seen = BTreeSet::new();
    // `false` once enough were looked at.
    let mut note = |person: &'a Person| {
        let Some(librarian) = &person.librarian else { return true };
        if !seen.insert(&person.account.id) || !may_ever(question, person, librarian, around) {
            return true;
        }
        found.anybody = true;
        computed += 1;
        if let Availability::Later(at) = availability(question, person, librarian, around) {
            found.next_start = found.next_start.into_iter().chain(at).min();
        }
        computed < STARTS_MAX
    };
    for (_, why) in circles {
        let subject = subject_of(why);
        let is_in = |person: &&Person| {
            let librarian = person.librarian.as_ref();
            subject
                .as_ref()
                .is_none_or(|subject| librarian.is_some_and(|librarian| librarian.subjects.contains(subject)))
        };
        if !around.changed.values().filter(is_in).all(&mut note) {
            return;
        }
        for (class, has_come) in (0..CLASSES).flat_map(|class| [(class, true), (class, false)]) {
            let sought = (subject.as_ref(), language);
            let listed = around.roster.in_turn(sought, own, class, around.now, has_come);
            let mut unchanged =
                listed.filter(|listed| !around.changed.contains_key(&listed.person.account.id));
            if !unchanged.all(|listed| note(&listed.person)) {
                return;
            }
        }
    }
}

/// Somebody who may be asked, with the odds and what they are ordered by.
fn candidate(
    question: &Question,
    person: &Person,
    librarian: &Librarian,
    ease: f64,
    (rung, why): (Rung, &Why),
    around: &Circumstances<'_>,
) -> Candidate {
    let subject = subject_asked(why);
    let chance = chance(librarian, &subject, around, around.now, SignedDuration::ZERO);
    let is_at_odds = question.level.is_some_and(|level| librarian.level.is_some_and(|liked| liked != level));
    let taste = if is_at_odds { 0.7 } else { 1.0 };
    let fit = librarian.record.quality(&subject) * coverage(question, librarian, around.subjects) * taste;
    let score = odds(question, librarian, &subject, chance, around) * fit * ease;
    Candidate { librarian: person.account.clone(), rung, why: why.clone(), chance, score }
}

/// How good an invitation is as far as time goes. `chance` is that of a claim within the time hoped for.
///
/// What has waited longer than that may wait as long again: then it is worth little that somebody is quick,
/// and who is quick is left for the questions that will be asked next.
fn odds(
    question: &Question,
    librarian: &Librarian,
    subject: &SubjectId,
    chance: f64,
    around: &Circumstances<'_>,
) -> f64 {
    let waited = around.now.duration_since(question.asked_at);
    if waited <= around.settings.claim_within {
        return chance;
    }
    let about = About { subject, sent_at: around.now };
    let hope = Hope { now: around.now, elapsed: SignedDuration::ZERO, within: waited.min(LATE_MAX) };
    let late = librarian.record.chance(around.roster.crowd(), about, librarian.seen_at, hope);
    late / (SLOW_ENOUGH + chance)
}

/// How likely a librarian is to claim within the time hoped for an invitation of this subject, sent at
/// `sent_at` and unanswered for `elapsed`.
pub fn chance(
    librarian: &Librarian,
    subject: &SubjectId,
    around: &Circumstances<'_>,
    sent_at: Timestamp,
    elapsed: SignedDuration,
) -> f64 {
    let about = About { subject, sent_at };
    let hope = Hope { now: around.now, elapsed, within: around.settings.claim_within };
    librarian.record.chance(around.roster.crowd(), about, librarian.seen_at, hope)
}

/// How much of the question a librarian's subjects cover, up to 1. A parent or child counts half.
fn coverage(question: &Question, librarian: &Librarian, subjects: &Subjects) -> f64 {
    let is_child_of = |child: &SubjectId, parent: &SubjectId| {
        subjects.get(child).and_then(|subject| subject.parent.as_ref()) == Some(parent)
    };
    let (mut all, mut covered) = (0.0, 0.0);
    for found in &question.subjects {
        let sure = found.confidence.max(0.01);
        let is_near = |own: &SubjectId| is_child_of(own, &found.subject) || is_child_of(&found.subject, own);
        all += sure;
        covered += match librarian.subjects.contains(&found.subject) {
            true => sure,
            false if librarian.subjects.iter().any(is_near) => sure / 2.0,
            false => 0.0,
        };
    }
    if all <= 0.0 { 1.0 } else { (0.5 + 0.5 * covered / all).min(1.0) }
}

/// How easily a librarian can be asked one thing more, up to 1: less with each question that is open and
/// with each invitation of the last weeks.
///
/// Less also for those who will be needed for other questions, because whoever is asked now is not asked again
/// today: who takes many subjects is left for those in which there is nobody else, and who is on duty for
/// long for the hours when few are.
fn ease(librarian: &Librarian, left: SignedDuration, now: Timestamp) -> f64 {
    let day = librarian.day(now);
    let week = f64::from(librarian.load.within(day, 7));
    let month = f64::from(librarian.load.within(day, 28));
    let burden = 1.0 + librarian.open.len() as f64 + BURDEN * (week / 7.0 + month / 28.0);
    let subjects = librarian.subjects.len().max(1) as f64;
    let hours = left.as_secs_f64() / 3_600.0;
    1.0 / (burden * subjects * hours.max(1.0).sqrt())
}

/// Whether one librarian may be asked this question now.
pub fn availability(
    question: &Question,
    person: &Person,
    librarian: &Librarian,
    around: &Circumstances<'_>,
) -> Availability {
    if !may_ever(question, person, librarian, around) {
        return Availability::Never;
    }
    if let Some(until) = libraries::head_start(question, person, around.settings, around.now) {
        return Availability::Later(Some(until));
    }
    if let Some(until) = free_from(librarian, around.now) {
        return Availability::Later((until != Timestamp::MAX).then_some(until));
    }
    let holidays = around.settings.holidays_of(person);
    if !hours::contain(&librarian.hours, holidays, around.now) {
        return Availability::Later(hours::next_start(&librarian.hours, holidays, around.now));
    }
    Availability::Ready
}

/// Whether a librarian may be asked this question at all, at whatever time.
fn may_ever(question: &Question, person: &Person, librarian: &Librarian, around: &Circumstances<'_>) -> bool {
    let account = &person.account.id;
    librarian.opted_in_at.is_some()
        && !person.stopped
        && question.patron.id != *account
        && !person.linked.contains(&question.patron.id)
        && question.invitation(account).is_none()
        && !person.linked.iter().any(|other| question.invitation(other).is_some())
        && account.network.copy_visibility(question.visibility).is_some()
        && (person.wrote_directly || !account.network.wants_the_first_word())
        && !are_blocked(question, person)
        && libraries::may_see(question, person)
        && speaks(librarian, question.language.as_deref(), &around.settings.language)
}

/// Whether the librarian or the patron does not want to be brought together with the other.
fn are_blocked(question: &Question, person: &Person) -> bool {
    let by_patron = !question.blocked.is_empty() && question.blocked.contains(&person.account.id.digest());
    by_patron || !person.blocked.is_empty() && person.blocked.contains(&question.patron.id.digest())
}

/// From when on a librarian has room for one more question, where they have none now; `MAX` where nobody
/// knows.
fn free_from(librarian: &Librarian, now: Timestamp) -> Option<Timestamp> {
    let until = [librarian.paused_until, librarian.resting_until, librarian.away_until(now)];
    let until = until.into_iter().flatten().max();
    if let Some(until) = until.filter(|until| now < *until) {
        return Some(until);
    }
    if librarian.limit as usize <= librarian.open.len() {
        return Some(Timestamp::MAX);
    }
    let asked_today = librarian.asked_at.is_some();
    Some(librarian.allowed_from(now)).filter(|from| asked_today && now < *from)
}

/// The subject for which a librarian is asked, as their record counts it.
pub fn subject_asked(why: &Why) -> SubjectId {
    subject_of(why).unwrap_or_else(SubjectId::general)
}

/// The language of a question, where it is not the desk's and no librarian speaks it, whatever their
/// subjects.
pub fn language_without_speakers(question: &Question, around: &Circumstances<'_>) -> Option<Language> {
    let language = question.language.as_deref();
    let changed = around.changed.values().any(|person| {
        let librarian = person.librarian.as_ref().filter(|librarian| librarian.opted_in_at.is_some());
        let reads = |found: &Librarian| speaks(found, language, &around.settings.language);
        !person.stopped && librarian.is_some_and(reads)
    });
    let is_spoken = changed || around.roster.speaks(language, &around.settings.language);
    foreign_language(question, around.settings).filter(|_| !is_spoken)
}

/// The language of a question, where it is known and not the desk's.
fn foreign_language(question: &Question, settings: &Settings) -> Option<Language> {
    let language = Language::parse(question.language.as_deref()?)?;
    (Language::parse(&settings.language) != Some(language)).then_some(language)
}

/// The subject to which the librarians of a circle opted in; `None` for a circle of all.
fn subject_of(why: &Why) -> Option<SubjectId> {
    match why {
        Why::Subject { subject } | Why::Parent { subject } | Why::Neighbour { subject } => {
            Some(subject.clone())
        }
        Why::Generalist => Some(SubjectId::general()),
        Why::Language { .. } | Why::Referred | Why::Assigned | Why::ByName | Why::Digest => None,
    }
}

/// The circles of librarians for a question, nearest first.
fn circles(question: &Question, around: &Circumstances<'_>) -> Vec<(Rung, Why)> {
    let mut circles = Vec::new();
    let own: Vec<&SubjectId> = question.subjects.iter().map(|found| &found.subject).collect();
    for subject in &own {
        circles.push((Rung::Specialists, Why::Subject { subject: (*subject).clone() }));
    }
    let mut wider: Vec<SubjectId> = Vec::new();
    for subject in &own {
        wider.extend(ancestors(subject, around.subjects).into_iter().filter(|parent| !own.contains(&parent)));
    }
    for subject in wider {
        circles.push((Rung::Parents, Why::Parent { subject }));
    }
    for subject in neighbours(&own, around.subjects) {
        circles.push((Rung::Neighbours, Why::Neighbour { subject }));
    }
    circles.push((Rung::Generalists, Why::Generalist));
    let foreign = foreign_language(question, around.settings);
    if let Some(language) = foreign.filter(|language| !around.subjects.speak(*language)) {
        circles.push((Rung::Speakers, Why::Language { language: language.code().to_owned() }));
    }
    circles
}

/// The subjects right below the question's own, and beside them below the same parent.
fn neighbours(own: &[&SubjectId], subjects: &Subjects) -> Vec<SubjectId> {
    let parents: Vec<&SubjectId> = own.iter().filter_map(|id| subjects.get(id)?.parent.as_ref()).collect();
    let is_near = |parent: &SubjectId| own.contains(&parent) || parents.contains(&parent);
    let near = subjects.iter().filter(|subject| subject.parent.as_ref().is_some_and(is_near));
    near.map(|subject| subject.id.clone()).filter(|id| !own.contains(&id)).collect()
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
    let Some(language) = language else { return true };
    if librarian.languages.is_empty() {
        return is_same(language, desk_language);
    }
    librarian.languages.iter().any(|spoken| is_same(spoken, language))
}

fn is_same(tag: &str, other: &str) -> bool {
    if tag == other {
        return true;
    }
    match (Language::parse(tag), Language::parse(other)) {
        (Some(language), Some(other)) => language == other,
        (Some(_) | None, _) => tag.eq_ignore_ascii_case(other),
    }
}

#[cfg(test)]
mod tests;
