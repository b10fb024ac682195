//! Who is asked: the librarians who may be asked now, best first, and why each of them.
//!
//! Librarians of the question's own subjects come first, then those of the parent subjects, then
//! generalists. In a language without rules, where subjects are hardly found, whoever else speaks it
//! comes last. Within a circle it goes by turns: least recently asked first.
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
use crate::subjects::{Language, SubjectId, Subjects};

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
    for (rung, why) in circles(question, around) {
        let mut circle: Vec<(Option<Timestamp>, Candidate)> = Vec::new();
        let subject = subject_of(&why);
        let is_in = |librarian: &&Librarian| {
            subject.as_ref().is_none_or(|subject| librarian.subjects.contains(subject))
        };
        let listed: Vec<&Person> = match &subject {
            Some(subject) => around.roster.of_subject(subject).map(|(person, _)| person).collect(),
            None => around.roster.iter().map(|(person, _)| person).collect(),
        };
        for listed in listed {
            let person = around.changed.get(&listed.account.id).unwrap_or(listed);
            let Some(librarian) = person.librarian.as_ref().filter(is_in) else { continue };
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

/// The language of a question, where it is not the desk's and no librarian speaks it, whatever their
/// subjects.
pub fn language_without_speakers(question: &Question, around: &Circumstances<'_>) -> Option<Language> {
    let is_spoken = around.roster.iter().any(|(listed, _)| {
        let person = around.changed.get(&listed.account.id).unwrap_or(listed);
        let librarian = person.librarian.as_ref().filter(|librarian| librarian.opted_in_at.is_some());
        let language = question.language.as_deref();
        !person.stopped && librarian.is_some_and(|found| speaks(found, language, &around.settings.language))
    });
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
        Why::Subject { subject } | Why::Parent { subject } => Some(subject.clone()),
        Why::Generalist => Some(SubjectId::general()),
        Why::Language { .. } | Why::Referred | Why::Assigned => None,
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
    circles.push((Rung::Generalists, Why::Generalist));
    let foreign = foreign_language(question, around.settings);
    if let Some(language) = foreign.filter(|language| !around.subjects.speak(*language)) {
        circles.push((Rung::Speakers, Why::Language { language: language.code().to_owned() }));
    }
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
    let Some(language) = language else { return true };
    if librarian.languages.is_empty() {
        return is_same(language, desk_language);
    }
    librarian.languages.iter().any(|spoken| is_same(spoken, language))
}

fn is_same(tag: &str, other: &str) -> bool {
    match (Language::parse(tag), Language::parse(other)) {
        (Some(language), Some(other)) => language == other,
        (Some(_) | None, _) => tag.eq_ignore_ascii_case(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::ids::{Code, LetterId};
    use crate::desk::post::{Anchor, Confidential, Network, Place, Visibility};
    use crate::desk::question::{Fate, FoundSubject, Invitation, State};
    use crate::subjects::RuleFile;

    fn account(network: Network, name: &str) -> Account {
        Account { id: AccountId::new(network, name), handle: name.to_owned(), bot: false }
    }

    /// A librarian of history who may be asked at any time.
    fn librarian(network: Network, name: &str) -> Person {
        let librarian = Librarian {
            opted_in_at: Some(Timestamp::UNIX_EPOCH),
            subjects: BTreeSet::from([SubjectId::new("history")]),
            hours: Vec::new(),
            languages: BTreeSet::new(),
            limit: 1,
            paused_until: None,
            open: BTreeSet::new(),
            asked_at: None,
            asked_total: 0,
            answered_total: 0,
        };
        Person { librarian: Some(librarian), ..Person::new(account(network, name)) }
    }

    /// Ann's public question about history.
    fn question() -> Question {
        let history =
            FoundSubject { subject: SubjectId::new("history"), confidence: 0.9, because: Vec::new() };
        Question {
            code: Code::parse("K7Q4").unwrap(),
            version: 0,
            patron: account(Network::Sandbox, "ann"),
            visibility: Visibility::Public,
            language: None,
            warning: None,
            said: Vec::new(),
            gone: false,
            text: Confidential::new("When?"),
            place: Place::top(Network::Sandbox, Anchor { id: "1".to_owned(), revision: None }),
            asked_at: now(),
            state: State::Seeking,
            subjects: vec![history],
            correction: None,
            learnable: false,
            rung: Rung::Specialists,
            invitations: Vec::new(),
            timers: Default::default(),
            posts: Vec::new(),
            recent_letters: Vec::new(),
        }
    }

    fn now() -> Timestamp {
        "2026-03-02T10:00:00Z".parse().unwrap()
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    fn with<R>(roster: &Roster, look: impl FnOnce(&Circumstances<'_>) -> R) -> R {
        let rule =
            |text: &str, name: &str| RuleFile { name: name.to_owned(), text: text.as_bytes().to_vec() };
        let rules = [
            rule("id = 'history'\nname = 'History'\nparent = 'past'\nstrong = ['empire']", "history.toml"),
            rule("id = 'past'\nname = 'The past'\nstrong = ['ancient']", "past.toml"),
        ];
        let settings = Settings::default();
        let subjects = Subjects::compile(&rules).0;
        let changed = BTreeMap::new();
        look(&Circumstances {
            settings: &settings,
            subjects: &subjects,
            roster,
            changed: &changed,
            now: now(),
        })
    }

    /// Promises 1 and 2, and the quiet hours: who may be asked, and when.
    #[test]
    fn who_may_be_asked() {
        use Availability::{Later, Never, Ready};
        type Change = fn(&mut Question, &mut Person);
        fn of(person: &mut Person) -> &mut Librarian {
            person.librarian.as_mut().unwrap()
        }
        let rows: [(&str, Change, Availability); 18] = [
            ("anybody who opted in", |_, _| {}, Ready),
            ("who was only added by the coordinator", |_, person| of(person).opted_in_at = None, Never),
            ("who said stop", |_, person| person.stopped = true, Never),
            ("the patron", |question, person| question.patron = person.account.clone(), Never),
            ("who was asked already", |question, person| question.invitations.push(asked(person)), Never),
            ("a private question", |question, _| question.visibility = Visibility::Direct, Ready),
            (
                "a private question, on a network without privacy",
                |question, person| {
                    question.visibility = Visibility::Direct;
                    person.account = account(Network::Bluesky, "clio");
                },
                Never,
            ),
            (
                "an unlisted question, on a network where all is public",
                |question, person| {
                    question.visibility = Visibility::Unlisted;
                    person.account = account(Network::Bluesky, "clio");
                },
                Never,
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
            (
                "on a pause without end",
                |_, person| of(person).paused_until = Some(Timestamp::MAX),
                Later(None),
            ),
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
        Invitation {
            librarian: person.account.clone(),
            letter: LetterId::derive(&crate::desk::ids::InputId::new("test", 1), 0),
            sent_at: now(),
            fate: Fate::Passed,
            visibility: Visibility::Public,
            why: Why::Generalist,
            place: None,
            asked_subject: false,
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
        let found = with(&roster, |around| find(&question(), around));
        let order: Vec<(&str, Rung)> = found
            .ready
            .iter()
            .map(|candidate| (candidate.librarian.handle.as_str(), candidate.rung))
            .collect();
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
            let found = with(&roster, |around| find(&question, around));
            found.ready.iter().map(|found| found.librarian.handle.clone()).collect::<Vec<_>>()
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
}
