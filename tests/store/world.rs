//! A small world for the tests: times, people, questions, letters, steps.
//!
//! **Invariant:** everything is derived from names and numbers, so that a failed test can be
//! repeated.

use jiff::{SignedDuration, Timestamp};
use stumper::desk::allowance::Allowance;
use stumper::desk::letter::{Content, Delivery, Purpose, Refusal};
use stumper::desk::outlets::{Offer, OfferFate};
use stumper::desk::question::{Correction, Entry, Invitation, Reason, Why};
use stumper::desk::record::Record;
use stumper::desk::step::Outcome;
use stumper::desk::*;
use stumper::store::{Committed, Store, archive};
use stumper::subjects::SubjectId;

use crate::samples;

/// What patrons write. No trace of it may stay after an erasure.
pub(crate) const SECRET: &str = "Which plant did my grandmother call moonwort?";

/// A time so many minutes after the beginning of the world.
pub(crate) fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_mins(minutes)
}

pub(crate) fn account(name: &str) -> Account {
    Account::new(Network::Sandbox, name, name)
}

pub(crate) fn id(name: &str) -> AccountId {
    AccountId::new(Network::Sandbox, name)
}

/// One of 5,625 codes of four signs, or of 31 million longer ones.
pub(crate) fn code(number: usize) -> Code {
    let letters: Vec<char> = "CDFGHJKMNPQRTWX".chars().collect();
    let digits: Vec<char> = "34679".chars().collect();
    let pairs = if number < 5_625 { 2 } else { 4 };
    let mut rest = number;
    let mut text = String::new();
    for _ in 0..pairs {
        text.push(letters[rest % 15]);
        text.push(digits[rest / 15 % 5]);
        rest /= 75;
    }
    Code::parse(&text).unwrap()
}

pub(crate) fn input(name: &str) -> InputId {
    InputId::new("test", name)
}

pub(crate) fn post(name: &str) -> PostId {
    PostId::new(Network::Sandbox, name)
}

pub(crate) fn place(name: &str) -> Place {
    Place::top(Network::Sandbox, Anchor::new(name))
}

/// A new question by this patron, without timers and invitations.
pub(crate) fn question(number: usize, patron: &str) -> Question {
    let correction =
        Correction { to: SubjectId::new("maps"), from: Vec::new(), by: account("bea"), at: at(1) };
    let is_odd = number % 2 == 1;
    Question {
        visibility: Visibility::Direct,
        language: Some("en".to_owned()),
        place: place(&format!("post-{number}")),
        correction: is_odd.then_some(correction),
        learnable: is_odd,
        ..samples::question(code(number), account(patron), SECRET, at(0))
    }
}

pub(crate) fn with_timers(mut question: Question, timers: &[(Reason, i64)]) -> Question {
    question.timers = timers.iter().map(|(reason, minutes)| (*reason, at(*minutes))).collect();
    question
}

pub(crate) fn invitation(librarian: &str) -> Invitation {
    let letter = LetterId::derive(&input(librarian), 0);
    Invitation::new(account(librarian), letter, at(0), Visibility::Direct, Why::Generalist)
}

pub(crate) fn offer(stranger: &str) -> Offer {
    Offer {
        number: 1,
        author: account(stranger),
        text: Confidential::new(SECRET),
        post: post(stranger),
        visibility: Visibility::Public,
        at: at(0),
        fate: OfferFate::Waiting,
    }
}

pub(crate) fn librarian(name: &str, subjects: &[&str]) -> Person {
    let mut record = Record::default();
    for subject in subjects {
        record.ended_a_wait(&SubjectId::new(*subject), at(0), SignedDuration::from_mins(3));
    }
    let librarian = Librarian {
        record,
        opted_in_at: Some(at(0)),
        subjects: subjects.iter().map(|subject| SubjectId::new(*subject)).collect(),
        ..Librarian::newcomer(3, Allowance::default())
    };
    Person { librarian: Some(librarian), ..Person::new(account(name)) }
}

/// A letter, the first of the input with this name, decided so many minutes after the beginning.
pub(crate) fn letter(name: &str, minutes: i64, about: Option<usize>, reply_to: Option<ReplyTo>) -> Letter {
    Letter {
        id: LetterId::derive(&input(name), 0),
        network: Network::Sandbox,
        about: about.map(code),
        purpose: Purpose::Notice,
        to: account("reader"),
        words_of: None,
        content: Content::Post {
            text: Confidential::new(format!("{SECRET} ({name})")),
            mentions: Vec::new(),
            visibility: Visibility::Direct,
            reply_to,
            language: None,
            warning: None,
        },
        made_at: at(minutes),
    }
}

pub(crate) fn deletion(name: &str, minutes: i64, about: Option<usize>) -> Letter {
    Letter {
        purpose: Purpose::Deletion,
        content: Content::Delete { post: post("gone") },
        ..letter(name, minutes, about, None)
    }
}

pub(crate) fn entry(name: &str, number: usize, what: &str) -> Entry {
    Entry { code: code(number), at: at(0), input: input(name), what: what.to_owned() }
}

pub(crate) fn link(number: usize, with: &str) -> Link {
    Link { code: Some(code(number)), with: id(with) }
}

pub(crate) fn step(name: &str) -> Step {
    Step::nothing(input(name), at(0), Outcome::Relayed)
}

pub(crate) fn waiting(minutes: i64, tries: u32) -> Delivery {
    Delivery::Waiting { not_before: at(minutes), tries }
}

pub(crate) fn claimed(minutes: i64) -> Delivery {
    Delivery::Claimed { at: at(minutes), tries: 1 }
}

pub(crate) fn unsure(look_at: i64) -> Delivery {
    Delivery::Unsure { since: at(0), look_at: at(look_at), tries: 1 }
}

pub(crate) fn sent(minutes: i64) -> Delivery {
    Delivery::Sent { place: place("sent"), at: at(minutes) }
}

pub(crate) fn refused(minutes: i64) -> Delivery {
    Delivery::Refused { why: Refusal::Rejected, at: at(minutes) }
}

/// Commits a step that must be stored.
pub(crate) async fn store(store: &Store, step: Step) {
    assert_eq!(store.commit(step).await, Ok(Committed::Stored));
}

pub(crate) fn export(store: &Store) -> String {
    let mut archive = Vec::new();
    archive::export(store, &mut archive).unwrap();
    String::from_utf8(archive).unwrap()
}

/// What another store looks like that is filled from this archive.
pub(crate) async fn imported(archive: &str, into: Store) -> Store {
    archive::import(&into, archive.as_bytes()).await.unwrap();
    into
}

/// Everybody on the roster.
pub(crate) fn roster(store: &Store) -> Vec<Person> {
    store.roster().iter().map(|(person, _)| person.clone()).collect()
}
