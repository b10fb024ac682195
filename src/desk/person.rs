//! The people the desk knows: everybody who wrote to it, and those among them who are librarians.
//!
//! **Invariant:** a person is known only because they wrote to the desk or a coordinator added
//! them, and nobody is asked anything before they opted in themselves ([`Librarian::opted_in_at`]).

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::desk::allowance::{Allowance, Load};
use crate::desk::commands::hours;
use crate::desk::ids::Code;
use crate::desk::linking::OneTime;
use crate::desk::post::{Account, AccountId};
use crate::desk::record::Record;
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
    /// The other accounts of the same person, each of which they wrote from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub linked: BTreeSet<AccountId>,
    /// The code with which another account can be joined to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_time: Option<OneTime>,
    /// Whom they do not want to be brought together with, as [`AccountId::digest`].
    #[serde(default)]
    pub blocked: BTreeSet<String>,
    /// The id of the library they belong to, where they said so and the desk serves several.
    #[serde(default)]
    pub library: Option<String>,
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
            linked: BTreeSet::new(),
            one_time: None,
            blocked: BTreeSet::new(),
            library: None,
            librarian: None,
        }
    }
}

/// How a librarian's answers are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// By handle where the question was public on the same network, else as "a librarian".
    #[default]
    Usual,
    /// As "a librarian", everywhere.
    Nameless,
    /// With these words, everywhere: a name, a library, or both.
    Name(String),
}

impl Signature {
    fn is_usual(&self) -> bool {
        *self == Signature::Usual
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
    /// How their answers are signed.
    #[serde(default, skip_serializing_if = "Signature::is_usual")]
    pub signature: Signature,
    /// How often they were invited, and how many questions they answered.
    #[serde(default)]
    pub asked_total: u32,
    #[serde(default)]
    pub answered_total: u32,
    /// How often they want to be invited at most.
    #[serde(default)]
    pub invitations: Allowance,
    /// How often they were invited lately.
    #[serde(default, skip_serializing_if = "is_default")]
    pub load: Load,
    /// What their invitations showed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub record: Record,
    /// After passing twice in a row they are not asked before this time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resting_until: Option<Timestamp>,
    /// When they last wrote to the desk.
    #[serde(default, skip_serializing_if = "is_default")]
    pub seen_at: Option<Timestamp>,
    /// Days on which they are not asked, the first and the last, by their own clock.
    #[serde(default, skip_serializing_if = "is_default")]
    pub away: Vec<(Date, Date)>,
    /// The kind of question they would rather have.
    #[serde(default, skip_serializing_if = "is_default")]
    pub level: Option<Level>,
    /// Patrons may ask for them by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_name: bool,
    /// They want the daily list of open stumpers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub digest: bool,
    /// When that list was last sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub digest_at: Option<Timestamp>,
}

/// How much work a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A fact to be looked up: ready reference.
    Ready,
    /// A search that takes time.
    Research,
}

impl Librarian {
    /// Somebody who has just become a librarian, and has not opted in to anything yet.
    pub fn newcomer(limit: u32, invitations: Allowance) -> Librarian {
        Librarian {
            opted_in_at: None,
            subjects: BTreeSet::new(),
            hours: Vec::new(),
            languages: BTreeSet::new(),
            limit,
            paused_until: None,
            open: BTreeSet::new(),
            asked_at: None,
            asked_total: 0,
            answered_total: 0,
            signature: Signature::Usual,
            invitations,
            load: Load::default(),
            record: Record::default(),
            resting_until: None,
            seen_at: None,
            away: Vec::new(),
            level: None,
            by_name: false,
            digest: false,
            digest_at: None,
        }
    }

    /// The time zone of their hours; UTC for somebody without hours.
    pub fn zone(&self) -> TimeZone {
        self.hours.first().and_then(|window| hours::zone_named(&window.zone)).unwrap_or(TimeZone::UTC)
    }

    /// The day by their own clock, in days since 1970.
    pub fn day(&self, at: Timestamp) -> i64 {
        day_number(self.zone().to_datetime(at).date())
    }

    /// When they come back, where they are away on the day of `at`.
    pub fn away_until(&self, at: Timestamp) -> Option<Timestamp> {
        if self.away.is_empty() {
            return None;
        }
        let zone = self.zone();
        let mut day = zone.to_datetime(at).date();
        let is_away = |day: Date| self.away.iter().find(|(from, until)| *from <= day && day <= *until);
        is_away(day)?;
        // One absence may begin where another ends.
        for _ in 0..=self.away.len() {
            let Some((_, until)) = is_away(day) else { break };
            day = until.tomorrow().ok()?;
        }
        zone.to_timestamp(day.to_datetime(Time::midnight())).ok()
    }

    /// From when on their allowance has room for one more invitation: `at`, or the beginning of a later
    /// day by their own clock.
    pub fn allowed_from(&self, at: Timestamp) -> Timestamp {
        let zone = self.zone();
        let date = zone.to_datetime(at).date();
        let today = day_number(date);
        let free = self.load.free_from(today, self.invitations);
        if free <= today {
            return at;
        }
        let days = jiff::Span::new().try_days(free - today);
        let day = days.and_then(|days| date.checked_add(days));
        let start = day.and_then(|day| zone.to_timestamp(day.to_datetime(Time::midnight())));
        start.unwrap_or(Timestamp::MAX)
    }
}

/// Whether a field is as it is for everybody at first: then it is not stored.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn day_number(date: Date) -> i64 {
    let seconds = TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).map(Timestamp::as_second);
    seconds.unwrap_or(0).div_euclid(24 * 3_600)
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

    /// When the window is open, in minutes from Monday's midnight; an end may lie in the next week.
    pub(crate) fn minutes_of_week(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let minute = |time: Time| i32::from(time.hour()) * 60 + i32::from(time.minute());
        let (from, until) = (minute(self.from), minute(self.until));
        let until = if until <= from { until + 24 * 60 } else { until };
        self.days.iter().filter_map(move |day| {
            let start = (i32::from(*day) - 1) * 24 * 60;
            Some((u16::try_from(start + from).ok()?, u16::try_from(start + until).ok()?))
        })
    }
}
