//! A population out of a desk's own history: what is asked when and about what, who is on duty, how quickly
//! librarians react.
//!
//! **Invariant:** nothing but counts, rates and hours comes out of here: no account, no handle, no text.

use std::collections::{BTreeMap, HashMap};

use crate::desk::allowance::Per;
use crate::desk::person::{Hours, Librarian};
use crate::desk::{Person, Question, Settings};
use crate::simulate::population::{Group, Network, Patrons, Population, Subjects};
use crate::subjects::SubjectId;

/// Fewer questions say too little.
const QUESTIONS_MIN: usize = 20;

/// Ends of the classes of reaction times in a librarian's record, in minutes.
const CLASS_MINUTES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 240.0];

/// Whoever claims within this many classes was there when they were asked: sixteen minutes.
const AT_HAND_CLASSES: usize = 5;

/// Where the numbers come from, as results tell.
const COUNTED: &str = "counted by this desk";

/// Why a desk's history cannot be simulated, in words for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLittle {
    #[error("the desk has had fewer than {QUESTIONS_MIN} questions, which says too little")]
    Questions,
    #[error("nobody has opted in as a librarian")]
    Librarians,
}

/// What the desk has seen, as a population.
///
/// # Errors
///
/// Where there are too few questions, or no librarians.
pub fn population(
    questions: &[Question],
    roster: &[Person],
    settings: &Settings,
) -> Result<Population, TooLittle> {
    let asked: Vec<&Question> = questions.iter().filter(|question| !question.state.is_held()).collect();
    let librarians: Vec<&Librarian> = roster
        .iter()
        .filter_map(|person| person.librarian.as_ref())
        .filter(|librarian| librarian.opted_in_at.is_some())
        .collect();
    if asked.len() < QUESTIONS_MIN {
        return Err(TooLittle::Questions);
    }
    if librarians.is_empty() {
        return Err(TooLittle::Librarians);
    }
    let subjects = subjects(&asked, &librarians);
    let librarians = groups(&librarians, &subjects);
    let reported = ["patrons.questions_per_day", "patrons.hours", "patrons.count", "patrons.private"];
    let keys = reported.into_iter().map(str::to_owned);
    let of_subjects = ["weights", "names", "count", "unclear"].map(|key| format!("subjects.{key}"));
    let counted = ["count", "hours", "zones", "takes", "limit", "per_day", "at_hand", "reaction_minutes"];
    let of_groups = (0..librarians.len()).flat_map(|at| counted.map(|key| format!("librarians.{at}.{key}")));
    let keys = keys.chain(of_subjects).chain(of_groups);
    Ok(Population {
        name: "desk".to_owned(),
        about: format!("This desk, after {} questions", asked.len()),
        scale: 1.0,
        days: 30,
        warm_up_days: 14,
        patrons: patrons(&asked, settings),
        subjects,
        librarians,
        network: Network::default(),
        reported: keys.map(|key| (key, COUNTED.to_owned())).collect(),
    })
}

/// The subjects that were asked about, most asked first, then those that somebody takes.
fn subjects(asked: &[&Question], librarians: &[&Librarian]) -> Subjects {
    let mut counts: BTreeMap<&SubjectId, f64> = BTreeMap::new();
    let general = SubjectId::general();
    for subject in librarians.iter().flat_map(|librarian| &librarian.subjects).filter(|id| **id != general) {
        counts.insert(subject, 0.0);
    }
    let found = asked.iter().filter_map(|question| question.subjects.first()).map(|found| &found.subject);
    for subject in found.filter(|id| **id != general) {
        *counts.entry(subject).or_default() += 1.0;
    }
    let unclear = asked.iter().filter(|question| question.subjects.is_empty()).count();
    let mut listed: Vec<(&SubjectId, f64)> = counts.into_iter().collect();
    listed.sort_by(|one, other| other.1.total_cmp(&one.1));
    // Where no question was about a subject, there are no weights to throw dice by.
    let is_any_found = listed.iter().any(|(_, count)| 0.0 < *count);
    let weights = listed.iter().filter(|_| is_any_found).map(|(_, count)| *count);
    Subjects {
        // A world has a subject, even if nobody here takes one or asks about one.
        count: listed.len().max(1),
        zipf: 0.0,
        weights: weights.collect(),
        names: listed.iter().map(|(id, _)| id.to_string()).collect(),
        parents: 0,
        unclear: unclear as f64 / asked.len() as f64,
    }
}

fn patrons(asked: &[&Question], settings: &Settings) -> Patrons {
    let times = asked.iter().map(|question| question.asked_at);
    let (first, last) = (times.clone().min(), times.clone().max());
    let seconds = first.zip(last).map_or(0, |(first, last)| first.duration_until(last).as_secs());
    let days = (seconds as f64 / 86_400.0).max(1.0);
    let mut hours = vec![0.0; 24];
    for at in times {
        let hour = usize::from(settings.time_zone.to_datetime(at).hour().unsigned_abs());
        hours.iter_mut().skip(hour).take(1).for_each(|count| *count += 1.0);
    }
    let accounts: BTreeMap<_, ()> = asked.iter().map(|question| (&question.patron.id, ())).collect();
    let private = asked.iter().filter(|question| question.visibility.is_private()).count();
    let zone = settings.time_zone.iana_name().unwrap_or("UTC").to_owned();
    Patrons {
        count: accounts.len(),
        questions_per_day: asked.len() as f64 / days,
        hours,
        zones: BTreeMap::from([(zone, 1.0)]),
        impatient: 0.1,
        patience_hours: 12.0,
        thanks: 0.5,
        second_thoughts: 0.0,
        clarify: 0.5,
        clarify_minutes: 3.0,
        private: private as f64 / asked.len() as f64,
        librarians_ask: 0.0,
        bots: 0.0,
    }
}

/// What makes librarians alike: hours, zone, subjects, whether they take any question, limit, invitations a day.
type Kind = (String, String, Vec<usize>, bool, u32, u32);

/// Librarians of the same hours, subjects and limits are one group. How they react is taken from all of them
/// together, so that nobody is described alone.
fn groups(librarians: &[&Librarian], subjects: &Subjects) -> Vec<Group> {
    let reactions = Reactions::of(librarians);
    let place_of: HashMap<&str, usize> = subjects.names.iter().map(String::as_str).zip(0..).collect();
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for librarian in librarians {
        let takes = librarian.subjects.iter().filter_map(|id| place_of.get(id.as_str()).copied()).collect();
        let zone = librarian.zone().iana_name().unwrap_or("UTC").to_owned();
        let is_general = librarian.subjects.contains(&SubjectId::general());
        let per_day = match librarian.invitations.per {
            Per::Day => librarian.invitations.count,
            Per::Week => librarian.invitations.count.div_ceil(7),
        };
        let key =
            (written(&librarian.hours), zone, takes, is_general, librarian.limit, per_day.clamp(1, 100));
        *counts.entry(key).or_default() += 1;
    }
    let group = |((hours, zone, takes, is_general, limit, per_day), count)| Group {
        name: "librarians".to_owned(),
        count,
        network: crate::desk::Network::Sandbox.name().to_owned(),
        zones: BTreeMap::from([(zone, 1.0)]),
        hours: BTreeMap::from([(hours, 1.0)]),
        subjects: [1, 1],
        takes,
        generalists: f64::from(u8::from(is_general)),
        limit: Some(limit),
        per_day: Some(per_day),
        at_hand: reactions.at_hand,
        reaction_minutes: reactions.minutes,
        spread: Some(1.2),
        away_hours: 6.0,
        answers: reactions.answers,
        passes: reactions.passes,
        quits: 0.0,
        outside_subject: 0.5,
        writing_minutes: 5.0,
        claims: 0.3,
        asks_back: 0.1,
        forgets: 0.03,
        differ: 0.4,
    };
    counts.into_iter().map(group).collect()
}

/// Hours as [`Group::hours`] has them.
fn written(hours: &[Hours]) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    if hours.is_empty() {
        return "any".to_owned();
    }
    let window = |window: &Hours| {
        let days = (1..).zip(DAYS).filter(|(number, _)| window.days.contains(number)).map(|(_, day)| day);
        let days: Vec<&str> = days.collect();
        format!("{}-{} {}", window.from.strftime("%H:%M"), window.until.strftime("%H:%M"), days.join(" "))
    };
    hours.iter().map(window).collect::<Vec<_>>().join("; ")
}

/// How all librarians together react.
struct Reactions {
    at_hand: f64,
    minutes: f64,
    answers: f64,
    passes: f64,
}

impl Reactions {
    fn of(librarians: &[&Librarian]) -> Reactions {
        let records = || librarians.iter().map(|librarian| &librarian.record);
        let asked: f64 = records().map(|record| f64::from(record.asked_tenths) / 10.0).sum();
        let claims: Vec<f64> = (0..CLASS_MINUTES.len())
            .map(|class| {
                records().filter_map(|record| record.claims.get(class)).map(|count| f64::from(*count)).sum()
            })
            .collect();
        let passed: f64 =
            records().flat_map(|record| record.subjects.values()).map(|work| f64::from(work.passed)).sum();
        // Ten invitations of an assumed librarian stand beside what was counted, so that few say little.
        let weight = 10.0;
        let claimed: f64 = claims.iter().sum();
        let soon: f64 = claims.iter().take(AT_HAND_CLASSES).sum();
        let mut left = soon / 2.0;
        let mut minutes = 8.0;
        for (count, end) in claims.iter().zip(CLASS_MINUTES).take(AT_HAND_CLASSES) {
            if 0.0 < left && left <= *count {
                minutes = end * 0.75;
            }
            left -= count;
        }
        let answers = (claimed + 0.5 * weight) / (asked + weight);
        Reactions {
            at_hand: (soon + 0.5 * weight) / (claimed + weight),
            minutes,
            answers: answers.min(0.8),
            passes: ((passed + 0.2 * weight) / (asked + weight)).min(1.0 - answers.min(0.8)),
        }
    }
}
