//! How long one decision takes, from small desks to desks with a hundred thousand librarians.
//!
//! All librarians take the subject of the question, which is the worst case: each of them has to be
//! looked at. They live in 24 time zones, and most have hours.
//!
//! A question's decision took 103 µs at the median with 100,000 librarians and the shipped rules, and 100 µs
//! with 100; before the roster had an index it was 36 ms with 10,000. Each librarian took 1.91 kB of memory,
//! their own entry included (2 shared cores).
//!
//! **Invariant:** nothing but [`decide`] is measured: no store, no network, no clock.

#![allow(clippy::unwrap_used, reason = "a program for people to run by hand")]

#[path = "../tests/support/samples.rs"]
mod samples;

use std::path::Path;

use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use stumper::config::rules_dir;
use stumper::desk::allowance::Allowance;
use stumper::desk::commands::hours;
use stumper::desk::question::Reason;
use stumper::desk::*;
use stumper::subjects::{RuleFile, SubjectId, Subjects};

/// How many librarians take the subject.
const ROSTERS: [usize; 4] = [100, 1_000, 10_000, 100_000];

const SUBJECT: &str = "history";

const QUESTION: &str =
    "When did the Ottoman Empire lose control of Algiers, and who governed the city afterwards?";

/// Where librarians live, and a change of the clocks lies within the week in some of it.
const ZONES: [&str; 24] = [
    "Africa/Cairo",
    "Africa/Lagos",
    "Africa/Nairobi",
    "America/Chicago",
    "America/Denver",
    "America/Halifax",
    "America/Lima",
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Dhaka",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Adelaide",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Moscow",
    "Pacific/Auckland",
    "Pacific/Honolulu",
    "UTC",
];

const HOURS: [&str; 5] =
    ["18:00-22:00", "9-17 weekdays", "22:00-02:00 fri-sun", "9-12 14-17:30 mon-thu", "10-16 weekends"];

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// The roster is read at the start. Its *max alloc* by the number of librarians is what each of them takes
/// in memory, their entry itself included.
#[divan::bench(args = ROSTERS, sample_count = 3, sample_size = 1)]
fn roster(bencher: Bencher<'_, '_>, librarians: usize) {
    let now: Timestamp = "2026-03-26T18:30:00Z".parse().unwrap();
    bencher.bench_local(|| {
        let mut roster = Roster::default();
        (0..librarians).for_each(|number| roster.put(librarian(number, now)));
        roster
    });
}

/// A question arrives, and is classified with the rules that come with the desk.
#[divan::bench(args = ROSTERS)]
fn question_with_classification(bencher: Bencher<'_, '_>, librarians: usize) {
    let desk = Desk::new(librarians, Subjects::compile(&rules_dir::read(Path::new("rules")).unwrap()).0);
    desk.bench(bencher, &desk.question());
}

/// A question arrives at a desk whose rules are a single term.
#[divan::bench(args = ROSTERS)]
fn question_without_classification(bencher: Bencher<'_, '_>, librarians: usize) {
    let desk = Desk::with_one_term(librarians);
    desk.bench(bencher, &desk.question());
}

/// The time has come to ask the next librarians.
#[divan::bench(args = ROSTERS)]
fn timer(bencher: Bencher<'_, '_>, librarians: usize) {
    let desk = Desk::with_one_term(librarians);
    desk.bench(bencher, &desk.timer());
}

/// A librarian answers.
#[divan::bench(args = ROSTERS)]
fn answer(bencher: Bencher<'_, '_>, librarians: usize) {
    let desk = Desk::with_one_term(librarians);
    desk.bench(bencher, &desk.answer());
}

/// The patron says thank you.
#[divan::bench(args = ROSTERS)]
fn thanks(bencher: Bencher<'_, '_>, librarians: usize) {
    let desk = Desk::with_one_term(librarians);
    desk.bench(bencher, &desk.thanks());
}

struct Desk {
    settings: Settings,
    subjects: Subjects,
    roster: Roster,
    now: Timestamp,
}

/// What is known, what happens, and what must come of it.
struct Situation {
    person: Option<Person>,
    questions: Vec<Question>,
    link: Option<Link>,
    input: Input,
    outcome: Outcome,
}

impl Desk {
    fn new(librarians: usize, subjects: Subjects) -> Desk {
        // A Thursday evening in Europe, three days before the clocks change there.
        let now: Timestamp = "2026-03-26T18:30:00Z".parse().unwrap();
        let mut roster = Roster::default();
        for number in 0..librarians {
            roster.put(librarian(number, now));
        }
        Desk { settings: Settings::default(), subjects, roster, now }
    }

    fn with_one_term(librarians: usize) -> Desk {
        let text = format!("id = \"{SUBJECT}\"\nname = \"History\"\nstrong = [\"ottoman\"]\n");
        let file = RuleFile { name: format!("{SUBJECT}.toml"), text: text.into_bytes() };
        let (subjects, faults) = Subjects::compile(&[file]);
        assert!(faults.is_empty(), "{faults:?}");
        Desk::new(librarians, subjects)
    }

    fn bench(&self, bencher: Bencher<'_, '_>, situation: &Situation) {
        let view = self.view(situation);
        let step = decide(&view, &situation.input, self.now);
        assert_eq!(step.outcome, situation.outcome);
        bencher.bench_local(|| decide(&view, &situation.input, self.now));
    }

    fn view(&self, situation: &Situation) -> View<'_> {
        View {
            settings: &self.settings,
            subjects: &self.subjects,
            roster: &self.roster,
            person: situation.person.clone(),
            others: Vec::new(),
            questions: situation.questions.clone(),
            link: situation.link.clone(),
            free_code: Code::parse("K7Q4").unwrap(),
            chance: 0,
        }
    }

    fn step(&self, situation: &Situation) -> Step {
        decide(&self.view(situation), &situation.input, self.now)
    }

    fn question(&self) -> Situation {
        let input = post("1", &account("pat"), QUESTION, self.now);
        Situation { person: None, questions: Vec::new(), link: None, input, outcome: Outcome::Asked }
    }

    fn timer(&self) -> Situation {
        let questions = self.step(&self.question()).questions;
        let question = questions.first().unwrap();
        let reason = Reason::AskNext;
        let input = Input::Timer { code: question.code.clone(), reason, at: question.timers[&reason] };
        Situation { person: None, questions, link: None, input, outcome: Outcome::Invited }
    }

    fn answer(&self) -> Situation {
        let asked = self.step(&self.question());
        let question = asked.questions.first().unwrap();
        let librarian = question.invitations.first().unwrap().librarian.clone();
        let link = Some(Link { code: Some(question.code.clone()), with: librarian.id.clone() });
        let text =
            "The French took Algiers in July 1830. Until then a dey governed it; see Julien's history.";
        let input = post("2", &librarian, text, self.now);
        let person = asked.people.iter().find(|person| person.account == librarian).cloned();
        Situation { person, questions: asked.questions, link, input, outcome: Outcome::Answered }
    }

    fn thanks(&self) -> Situation {
        let answered = self.step(&self.answer());
        let question = answered.questions.first().unwrap();
        let link = Some(Link { code: Some(question.code.clone()), with: question.patron.id.clone() });
        let input = post("3", &question.patron, "Thank you so much!", self.now);
        let person = Some(Person::new(question.patron.clone()));
        Situation { person, questions: answered.questions, link, input, outcome: Outcome::Thanked }
    }
}

fn librarian(number: usize, now: Timestamp) -> Person {
    let zone = ZONES[number % ZONES.len()];
    let hours = match number % (HOURS.len() + 1) {
        0 => Vec::new(),
        other => hours::read(&format!("{} {zone}", HOURS[other - 1])).unwrap(),
    };
    // One of ten has one of 10,000 invitations to 5,000 open questions.
    let open = Code::parse("K7Q4").into_iter().filter(|_| number.is_multiple_of(10)).collect();
    // Neighbours in the roster were not asked one after the other.
    let asked_minutes_ago = number.wrapping_mul(7_919) % 100_003;
    let mut person = Person::new(account(&format!("librarian{number:x}")));
    person.librarian = Some(Librarian {
        opted_in_at: Some(now - SignedDuration::from_hours(10_000)),
        subjects: [SubjectId::new(SUBJECT), SubjectId::new("literature")].into(),
        hours,
        open,
        languages: ["en".to_owned(), "de-AT".to_owned()].into(),
        asked_at: Some(now - SignedDuration::from_mins(asked_minutes_ago as i64)),
        ..Librarian::newcomer(3, Allowance::default())
    });
    person
}

fn account(name: &str) -> Account {
    Account::new(Network::Bluesky, format!("did:plc:{name:x>24}"), format!("{name}.bsky.social"))
}

fn post(id: &str, author: &Account, text: &str, now: Timestamp) -> Input {
    let id = format!("at://{}/app.bsky.feed.post/3l{id:0>11}", author.id.id);
    let post = samples::post(author.clone(), "", text, now);
    let place = Place::top(Network::Bluesky, Anchor { id, revision: Some("bafyrei".to_owned()) });
    Input::Post(Box::new(Post { place, language: Some("en".to_owned()), ..post }))
}
