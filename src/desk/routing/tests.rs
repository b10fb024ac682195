//! Tests of who may be asked and in which order.
//!
//! **Invariant:** the rosters are made here, so that each row can be read by itself.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::desk::allowance::Allowance;
use crate::desk::ids::{Code, LetterId};
use crate::desk::post::{Network, Visibility};
use crate::desk::question::{Fate, FoundSubject, Invitation};
use crate::samples::{self, account};
use crate::subjects::RuleFile;

/// A librarian of history who may be asked at any time.
fn librarian(network: Network, name: &str) -> Person {
    let librarian = Librarian {
        opted_in_at: Some(Timestamp::UNIX_EPOCH),
        subjects: BTreeSet::from([SubjectId::new("history")]),
        ..Librarian::newcomer(1, Allowance::default())
    };
    Person { librarian: Some(librarian), ..Person::new(account(network, name)) }
}

/// Ann's public question about history.
fn question() -> Question {
    let history = FoundSubject { subject: SubjectId::new("history"), confidence: 0.9, because: Vec::new() };
    let ann = account(Network::Sandbox, "ann");
    let question = samples::question(Code::parse("K7Q4").unwrap(), ann, "When?", now());
    Question { subjects: vec![history], ..question }
}

fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

fn with<R>(roster: &Roster, look: impl FnOnce(&Circumstances<'_>) -> R) -> R {
    let rule = |text: &str, name: &str| RuleFile { name: name.to_owned(), text: text.as_bytes().to_vec() };
    let rules = [
        rule("id = 'history'\nname = 'History'\nparent = 'past'\nstrong = ['empire']", "history.toml"),
        rule("id = 'past'\nname = 'The past'\nstrong = ['ancient']", "past.toml"),
    ];
    let settings = Settings::default();
    let subjects = Subjects::compile(&rules).0;
    let changed = BTreeMap::new();
    look(&Circumstances { settings: &settings, subjects: &subjects, roster, changed: &changed, now: now() })
}

/// Promises 1 and 2, and the quiet hours: who may be asked, and when.
#[test]
fn who_may_be_asked() {
    use Availability::{Later, Never, Ready};
    type Change = fn(&mut Question, &mut Person);
    fn of(person: &mut Person) -> &mut Librarian {
        person.librarian.as_mut().unwrap()
    }
    let rows: [(&str, Change, Availability); 17] = [
        ("anybody who opted in", |_, _| {}, Ready),
        ("who was only added by the coordinator", |_, person| of(person).opted_in_at = None, Never),
        ("who said stop", |_, person| person.stopped = true, Never),
        ("the patron", |question, person| question.patron = person.account.clone(), Never),
        ("who was asked already", |question, person| question.invitations.push(asked(person)), Never),
        ("a private question", |question, _| question.visibility = Visibility::Direct, Ready),
        (
            "a private question, by direct message where every post is public",
            |question, person| {
                question.visibility = Visibility::Direct;
                person.account = account(Network::Bluesky, "clio");
            },
            Ready,
        ),
        ("the desk's language", |question, _| question.language = Some("en-GB".into()), Ready),
        ("another language", |question, _| question.language = Some("de".into()), Never),
        (
            "a language they said",
            |question, person| {
                question.language = Some("de-AT".into());
                of(person).languages.insert("de".into());
            },
            Ready,
        ),
        (
            "a language they did not say",
            |question, person| {
                question.language = Some("en".into());
                of(person).languages.insert("de".into());
            },
            Never,
        ),
        (
            "another written form of the same language",
            |question, person| {
                question.language = Some("no".into());
                of(person).languages.insert("nn".into());
            },
            Ready,
        ),
        (
            "on a pause",
            |_, person| of(person).paused_until = at("2026-03-03T10:00:00Z"),
            Later(at("2026-03-03T10:00:00Z")),
        ),
        ("on a pause without end", |_, person| of(person).paused_until = Some(Timestamp::MAX), Later(None)),
        ("after a pause", |_, person| of(person).paused_until = at("2026-03-02T10:00:00Z"), Ready),
        ("at their limit", |_, person| of(person).open.extend(Code::parse("C3C3")), Later(None)),
        (
            "off duty",
            |_, person| of(person).hours = hours::read("18-22 Europe/Berlin").unwrap(),
            Later(at("2026-03-02T17:00:00Z")),
        ),
    ];
    for (what, change, expected) in rows {
        let (mut question, mut person) = (question(), librarian(Network::Sandbox, "clio"));
        change(&mut question, &mut person);
        let found = with(&Roster::default(), |around| {
            availability(&question, &person, person.librarian.as_ref().unwrap(), around)
        });
        assert_eq!(found, expected, "{what}");
    }
}

fn asked(person: &Person) -> Invitation {
    let letter = LetterId::derive(&crate::desk::ids::InputId::new("test", 1), 0);
    let invitation =
        Invitation::new(person.account.clone(), letter, now(), Visibility::Public, Why::Generalist);
    Invitation { fate: Fate::Passed, ..invitation }
}

/// Everybody found, circle after circle, as if each of them was asked and passed.
fn all_in_turn(mut question: Question, around: &Circumstances<'_>) -> Vec<Candidate> {
    let mut all = Vec::new();
    loop {
        let found = find(&question, around).ready;
        if found.is_empty() {
            return all;
        }
        let people = found.iter().map(|candidate| Person::new(candidate.librarian.clone()));
        question.invitations.extend(people.map(|person| asked(&person)));
        all.extend(found);
    }
}

#[test]
fn the_nearest_come_first_and_take_turns() {
    let mut roster = Roster::default();
    let rows = [
        ("lately", "history", at("2026-03-01T10:00:00Z")),
        ("long ago", "history", at("2026-01-01T10:00:00Z")),
        ("never", "history", None),
        ("wider", "past", None),
        ("generalist", "general", None),
        ("elsewhere", "law", None),
    ];
    for (name, subject, asked_at) in rows {
        let mut person = librarian(Network::Sandbox, name);
        let entry = person.librarian.as_mut().unwrap();
        entry.subjects = BTreeSet::from([SubjectId::new(subject)]);
        entry.asked_at = asked_at;
        roster.put(person);
    }
    let found = with(&roster, |around| all_in_turn(question(), around));
    let order: Vec<(&str, Rung)> =
        found.iter().map(|candidate| (candidate.librarian.handle.as_str(), candidate.rung)).collect();
    assert_eq!(
        order,
        [
            ("never", Rung::Specialists),
            ("long ago", Rung::Specialists),
            ("lately", Rung::Specialists),
            ("wider", Rung::Parents),
            ("generalist", Rung::Generalists),
        ]
    );
}

#[test]
fn who_is_needed_elsewhere_comes_later() {
    let mut roster = Roster::default();
    // It is Monday, 10:00 UTC.
    let rows = [
        ("all day", "history", "any"),
        ("until evening", "history", "8-20 UTC"),
        ("until noon", "history", "8-12 UTC"),
        ("until noon, in everything", "history, law, music, art", "8-12 UTC"),
        ("later", "history", "11-12 UTC"),
    ];
    for (name, subjects, windows) in rows {
        let mut person = librarian(Network::Sandbox, name);
        let entry = person.librarian.as_mut().unwrap();
        entry.subjects = subjects.split(", ").map(SubjectId::new).collect();
        entry.hours = hours::read(windows).unwrap();
        roster.put(person);
    }
    let found = with(&roster, |around| find(&question(), around));
    let order: Vec<&str> = found.ready.iter().map(|candidate| candidate.librarian.handle.as_str()).collect();
    assert_eq!(order, ["until noon", "until evening", "all day", "until noon, in everything"]);
}

#[test]
fn who_is_quick_is_left_for_others_once_it_is_late() {
    let history = SubjectId::new("history");
    let mut roster = Roster::default();
    // Both claim what they are asked, one within two minutes, the other after half an hour.
    for (name, minutes) in [("quick", 2), ("slow", 40)] {
        let mut person = librarian(Network::Sandbox, name);
        let record = &mut person.librarian.as_mut().unwrap().record;
        for _ in 0..30 {
            record.claim(
                About { subject: &history, sent_at: now() },
                SignedDuration::from_mins(minutes),
                false,
            );
        }
        roster.put(person);
    }
    let order = |waited: SignedDuration| {
        let question = Question { asked_at: now() - waited, ..question() };
        let found = with(&roster, |around| find(&question, around));
        found.ready.into_iter().map(|candidate| candidate.librarian.handle).collect::<Vec<_>>()
    };
    assert_eq!(order(SignedDuration::ZERO), ["quick", "slow"]);
    assert_eq!(order(SignedDuration::from_hours(1)), ["slow", "quick"]);
}

#[test]
fn whoever_speaks_it_comes_last_in_a_language_without_rules() {
    let mut roster = Roster::default();
    let rows = [
        ("historian", "history", "is"),
        ("generalist", "general", "is"),
        ("jurist", "law", "is, en"),
        ("english", "law", "en"),
    ];
    for (name, subject, languages) in rows {
        let mut person = librarian(Network::Sandbox, name);
        let entry = person.librarian.as_mut().unwrap();
        entry.subjects = BTreeSet::from([SubjectId::new(subject)]);
        entry.languages = languages.split(", ").map(str::to_owned).collect();
        roster.put(person);
    }
    let found = |language: &str| {
        let question = Question { language: Some(language.to_owned()), ..question() };
        let found = with(&roster, |around| all_in_turn(question, around));
        found.iter().map(|found| found.librarian.handle.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found("is"), ["historian", "generalist", "jurist"]);
    assert_eq!(found("en"), Vec::<String>::new(), "the desk's language has rules");
    assert_eq!(found("fr"), Vec::<String>::new(), "nobody speaks it");
}

#[test]
fn nobody_is_named_twice_who_fits_in_several_ways() {
    let mut roster = Roster::default();
    let mut person = librarian(Network::Sandbox, "clio");
    let subjects = ["history", "past", "general"].map(SubjectId::new);
    person.librarian.as_mut().unwrap().subjects = BTreeSet::from(subjects);
    roster.put(person);
    let found = with(&roster, |around| find(&question(), around));
    assert_eq!(found.ready.len(), 1);
    assert!(found.anybody);
}

/// Anything a librarian can be, as far as it decides whether they may be asked.
fn anybody() -> impl Strategy<Value = Person> {
    let subjects =
        prop::collection::btree_set(prop::sample::select(vec!["history", "past", "general", "law"]), 1..3);
    let hours = prop::sample::select(vec![
        "any",
        "9-17 Europe/Berlin weekdays",
        "22:00-02:00 America/New_York",
        "0-24 Pacific/Auckland mon",
        "2-3 Europe/Berlin",
        "10:00-11:00 UTC",
    ]);
    let languages = prop::collection::btree_set(prop::sample::select(vec!["en", "de", "de-AT", "xx"]), 0..3);
    let state = (any::<[bool; 9]>(), 0u8..4, 1u32..3, 0i64..3);
    (0usize..200, any::<bool>(), subjects, hours, languages, state).prop_map(
        |(number, is_elsewhere, subjects, hours, languages, (is, asked, limit, days))| {
            let network = if is_elsewhere { Network::Bluesky } else { Network::Sandbox };
            let mut person = librarian(network, &format!("l{number}"));
            person.stopped = is[0] && is[1];
            if is[2] && is[3] {
                person.blocked.insert(account(Network::Sandbox, "ann").id.digest());
            }
            let entry = person.librarian.as_mut().unwrap();
            entry.subjects = subjects.into_iter().map(SubjectId::new).collect();
            entry.hours = hours::read(hours).unwrap();
            entry.languages = languages.into_iter().map(str::to_owned).collect();
            entry.opted_in_at = entry.opted_in_at.filter(|_| !(is[3] && is[4]));
            entry.limit = limit;
            entry.invitations.count = limit;
            entry.paused_until = is[5].then(|| now() + SignedDuration::from_hours(24 * (days - 1)));
            entry.resting_until = is[6].then(|| now() + SignedDuration::from_hours(12 - 24 * days));
            for _ in 0..asked {
                entry.asked_at = Some(now() - SignedDuration::from_hours(20 * days));
                entry.load.add(entry.day(entry.asked_at.unwrap()));
            }
            if is[7] && is[8] {
                let today = entry.zone().to_datetime(now()).date();
                entry.away.push((today, today));
            }
            if is[8] && is[1] {
                entry.open.extend(Code::parse("C3C3"));
            }
            person
        },
    )
}

proptest! {
    /// Every "never": whoever is found may be asked by the letter of each rule, looked at by itself here;
    /// and the quick way over the roster's index finds whom the slow way over everybody finds.
    #[test]
    fn nobody_is_found_who_may_not_be_asked(
        people in prop::collection::vec(anybody(), 0..25),
        others in prop::collection::vec(anybody(), 0..4),
        private in any::<bool>(),
        language in prop::option::of(prop::sample::select(vec!["en", "de", "fr"])),
        asked in prop::collection::vec(0usize..200, 0..3),
        blocked in prop::collection::vec(0usize..200, 0..60),
        hour in 0i64..(40 * 24),
    ) {
        let mut question = question();
        question.language = language.map(str::to_owned);
        question.visibility = if private { Visibility::Direct } else { Visibility::Public };
        question.patron = account(Network::Sandbox, "ann");
        let name = |number: &usize| account(Network::Sandbox, &format!("l{number}"));
        question.invitations = asked.iter().map(|number| asked_already(&name(number))).collect();
        question.blocked = blocked.iter().map(|number| name(number).id.digest()).collect();
        let mut roster = Roster::default();
        let mut town: BTreeMap<AccountId, Person> = BTreeMap::new();
        for person in people {
            town.insert(person.account.id.clone(), person.clone());
            roster.put(person);
        }
        // What this very step changed counts, and not what the roster still says.
        let changed: BTreeMap<AccountId, Person> =
            others.into_iter().map(|person| (person.account.id.clone(), person)).collect();
        town.extend(changed.clone());
        let at = now() + SignedDuration::from_hours(hour);
        with(&roster, |around| {
            let mut settings = around.settings.clone();
            assert!(["3 Mar", "5 Mar", "6 Mar", "14 Mar 2026"].iter().all(|day| settings.holidays.add(day)));
            let around = Circumstances { changed: &changed, now: at, settings: &settings, ..*around };
            let mut clocks = roster.clocks(around.settings, at);
            for (class, has_come) in (0..CLASSES).flat_map(|class| [(class, true), (class, false)]) {
                for listed in roster.in_turn((None, None), "en", class, at, has_come) {
                    let entry = listed.person.librarian.as_ref().unwrap();
                    let (quick, exact) = (clocks.left(listed), hours::left(&entry.hours, around.settings.holidays_of(&listed.person), at));
                    assert_eq!(quick.is_some(), exact.is_some(), "on duty, found in two ways");
                    let apart = quick.unwrap_or_default() - exact.unwrap_or_default();
                    assert!(apart.abs() <= SignedDuration::from_mins(1), "{quick:?} {exact:?}");
                }
            }
            let found = find(&question, &around);
            for candidate in &found.ready {
                let person = &town[&candidate.librarian.id];
                let entry = person.librarian.as_ref().unwrap();
                let id = &person.account.id;
                assert!(*id != question.patron.id, "the patron");
                assert!(!question.invitations.iter().any(|one| one.librarian.id == *id), "asked already");
                assert!(!person.stopped && entry.opted_in_at.is_some(), "no consent");
                assert!(!question.blocked.contains(&id.digest()), "blocked by the patron");
                assert!(!person.blocked.contains(&question.patron.id.digest()), "blocked the patron");
                let may_be_called = person.wrote_directly || !id.network.wants_the_first_word();
                assert!(may_be_called, "may not be written to");
                assert!(hours::contain(&entry.hours, around.settings.holidays_of(person), at), "quiet hours");
                assert!(entry.open.len() < entry.limit as usize, "at their limit");
                let today = entry.load.within(entry.day(at), 1);
                assert!(today < entry.invitations.count, "invited often enough today");
                let date = entry.zone().to_datetime(at).date();
                assert!(!entry.away.iter().any(|(from, until)| *from <= date && date <= *until), "away");
                assert!(entry.paused_until.is_none_or(|until| until <= at), "paused");
                assert!(entry.resting_until.is_none_or(|until| until <= at), "resting");
            }
            let subjects_of = |person: &Person| person.librarian.clone().unwrap().subjects;
            let mut circles = ["history", "past", "general"].map(|name| Some(SubjectId::new(name))).to_vec();
            // The rules here know no language but English, so that its speakers are a circle of another.
            circles.extend(language.filter(|language| *language != "en").map(|_| None));
            let circle = circles.into_iter().find_map(|subject| {
                let ready = town.values().filter(|person| {
                    let entry = person.librarian.as_ref().unwrap();
                    subject.as_ref().is_none_or(|subject| subjects_of(person).contains(subject))
                        && availability(&question, person, entry, &around) == Availability::Ready
                });
                let ready: BTreeSet<AccountId> = ready.map(|person| person.account.id.clone()).collect();
                (!ready.is_empty()).then_some(ready)
            });
            let quick: BTreeSet<AccountId> =
                found.ready.iter().map(|candidate| candidate.librarian.id.clone()).collect();
            assert_eq!(quick, circle.unwrap_or_default());
        });
    }
}

fn asked_already(librarian: &Account) -> Invitation {
    asked(&Person::new(librarian.clone()))
}
