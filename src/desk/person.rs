//! The people the desk knows: everybody who wrote to it, and those among them who are librarians.
//!
//! **Invariant:** a person is known only because they wrote to the desk or a coordinator added
//! them, and nobody is asked anything before they opted in themselves ([`Librarian::opted_in_at`]).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use serde::{Deserialize, Serialize};

use crate::desk::ids::Code;
use crate::desk::post::{Account, AccountId};
use crate::subjects::SubjectId;

/// One account that wrote to the desk, or that a coordinator added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    pub account: Account,
    /// How often this row was stored; 0 for one that never was.
    pub version: u64,
    /// They said `stop`: the desk does not write to them until they write to it again.
    #[serde(default)]
    pub stopped: bool,
    /// They said `no learning`: the rules learn from none of their questions.
    #[serde(default)]
    pub no_learning: bool,
    /// They have written to the desk privately. Kept only where a network wants people to have the first
    /// word before anybody writes to them privately.
    #[serde(default)]
    pub wrote_directly: bool,
    /// When they were last sent help without asking for it, so that it happens once a day at most.
    #[serde(default)]
    pub helped_at: Option<Timestamp>,
    /// When the desk replied to them within the last hour, for the cap on loops.
    #[serde(default)]
    pub recent_replies: Vec<Timestamp>,
    /// Present for librarians.
    #[serde(default)]
    pub librarian: Option<Librarian>,
}

impl Person {
    /// Somebody the desk has not met before.
    pub fn new(account: Account) -> Person {
        Person {
            account,
            version: 0,
            stopped: false,
            no_learning: false,
            wrote_directly: false,
            helped_at: None,
            recent_replies: Vec::new(),
            librarian: None,
        }
    }
}

/// What a librarian told the desk about themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Librarian {
    /// When they opted in. `None` for somebody a coordinator added who has not said `join` yet: such
    /// a librarian is never asked.
    pub opted_in_at: Option<Timestamp>,
    /// The subjects they take, [`GENERAL_DESK`](crate::subjects::GENERAL_DESK) among them for generalists.
    pub subjects: BTreeSet<SubjectId>,
    /// When they may be asked. Empty means at any time.
    #[serde(default)]
    pub hours: Vec<Hours>,
    /// BCP 47 language tags. Empty means the desk's own language.
    #[serde(default)]
    pub languages: BTreeSet<String>,
    /// How many open questions they will have at a time.
    pub limit: u32,
    /// Not asked before this time; `Timestamp::MAX` for a pause without an end.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
    /// The questions they have now, invited or claimed.
    #[serde(default)]
    pub open: BTreeSet<Code>,
    /// When they were last invited, for taking turns.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// How often they were invited, and how many questions they answered.
    #[serde(default)]
    pub asked_total: u32,
    #[serde(default)]
    pub answered_total: u32,
}

/// Hours of one or more days of the week, in the librarian's own time zone. A window whose end is
/// not after its start ends on the next day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    pub from: Time,
    pub until: Time,
    /// An IANA time zone name, such as `Europe/Berlin`.
    pub zone: String,
    /// Days on which the window starts, Monday first: 1 to 7.
    pub days: BTreeSet<i8>,
}

impl Hours {
    /// Whether the window starts on this day.
    pub fn starts_on(&self, day: Weekday) -> bool {
        self.days.contains(&day.to_monday_one_offset())
    }
}

/// All librarians, findable by subject. Kept in memory by the store, always as last committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    people: BTreeMap<AccountId, Person>,
    by_subject: BTreeMap<SubjectId, BTreeSet<AccountId>>,
}

impl Roster {
    /// Everybody who is a librarian, in the order of their accounts.
    pub fn iter(&self) -> impl Iterator<Item = (&Person, &Librarian)> {
        self.people.values().filter_map(|person| Some((person, person.librarian.as_ref()?)))
    }

    pub fn get(&self, account: &AccountId) -> Option<&Person> {
        self.people.get(account)
    }

    /// The librarians who opted in to exactly this subject.
    pub fn of_subject(&self, subject: &SubjectId) -> impl Iterator<Item = (&Person, &Librarian)> {
        self.by_subject
            .get(subject)
            .into_iter()
            .flatten()
            .filter_map(|account| self.people.get(account))
            .filter_map(|person| Some((person, person.librarian.as_ref()?)))
    }

    /// Takes over a person as they are now. Somebody who is no librarian leaves the roster.
    pub fn put(&mut self, person: Person) {
        self.remove(&person.account.id);
        let Some(librarian) = &person.librarian else { return };
        for subject in &librarian.subjects {
            self.by_subject.entry(subject.clone()).or_default().insert(person.account.id.clone());
        }
        self.people.insert(person.account.id.clone(), person);
    }

    /// Takes somebody off the roster.
    pub fn remove(&mut self, account: &AccountId) {
        let Some(librarian) = self.people.remove(account).and_then(|person| person.librarian) else { return };
        for subject in &librarian.subjects {
            if let Some(accounts) = self.by_subject.get_mut(subject) {
                accounts.remove(account);
            }
        }
    }
}
