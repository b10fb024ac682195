//! All librarians, findable by subject and language, whoever was asked longest ago first.
//!
//! Kept in memory by the store, always as last committed. What it takes to find somebody is kept with
//! each of them: from when on they may be asked again, and their hours as minutes of the week. So a
//! decision looks at few of them, however many there are.
//!
//! **Invariant:** what is kept beside a person follows from the person alone, and is made anew whenever
//! they change. Nobody is listed for being asked who did not opt in or who said `stop`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::desk::commands::hours;
use crate::desk::person::{Librarian, Person};
use crate::desk::post::AccountId;
use crate::desk::record::crowd::Crowd;
use crate::desk::settings::Settings;
use crate::subjects::{Language, SubjectId};

/// The classes of [`Record::class`](crate::desk::record::Record::class).
pub(crate) const CLASSES: usize = 4;

const WEEK_MINUTES: u16 = 7 * 24 * 60;

/// All librarians.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// Where each of them is in `entries`.
    places: BTreeMap<AccountId, u32>,
    entries: Vec<Option<Listed>>,
    /// Places that are not in use.
    free: Vec<u32>,
    /// Who may be asked, by subject and language; the empty language is the desk's own.
    lanes: BTreeMap<SubjectId, BTreeMap<String, Lane>>,
    /// Who wants the daily list of open stumpers.
    digest_readers: BTreeSet<u32>,
    zones: Vec<TimeZone>,
    zone_places: BTreeMap<String, u16>,
    crowd: Crowd,
}

/// Somebody on the roster, with what makes them quick to judge.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) person: Person,
    /// Where they stand in their lanes.
    turn: Turn,
    /// Their hours, as minutes of the week and the place of the zone; an end may lie in the next week.
    windows: Box<[(u16, u16, u16)]>,
}

/// The order within a lane: from when on they may be asked, then when they last were.
type Lane = [BTreeSet<(i64, u32)>; CLASSES];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    class: usize,
    /// Seconds since 1970.
    from: i64,
}

impl PartialEq for Roster {
    /// The same people as they are; where they are kept does not matter.
    fn eq(&self, other: &Roster) -> bool {
        self.people().eq(other.people())
    }
}

impl Roster {
    /// Everybody who is a librarian, in the order of their accounts.
    pub fn iter(&self) -> impl Iterator<Item = (&Person, &Librarian)> {
        self.people().filter_map(|person| Some((person, person.librarian.as_ref()?)))
    }

    pub fn get(&self, account: &AccountId) -> Option<&Person> {
        self.listed(*self.places.get(account)?).map(|listed| &listed.person)
    }

    /// The librarians who named exactly this subject, whether they opted in or not.
    pub fn of_subject(&self, subject: &SubjectId) -> impl Iterator<Item = (&Person, &Librarian)> {
        self.iter().filter(move |(_, librarian)| librarian.subjects.contains(subject))
    }

    /// What the invitations of all of them showed together.
    pub fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    /// Takes over a person as they are now. Somebody who is no librarian leaves the roster.
    pub fn put(&mut self, person: Person) {
        self.remove(&person.account.id);
        let Some(librarian) = &person.librarian else { return };
        let turn = Turn { class: librarian.record.class(), from: turn_of(librarian) };
        self.crowd.add(&librarian.record);
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        for (subject, language) in lane_keys(&person) {
            let lane = self.lanes.entry(subject).or_default().entry(language).or_default();
            lane[turn.class].insert((turn.from, place));
        }
        let windows = librarian.hours.iter().flat_map(|window| {
            let zone = zone_place(&mut self.zones, &mut self.zone_places, &window.zone);
            window.minutes_of_week().map(move |(from, until)| (from, until, zone)).collect::<Vec<_>>()
        });
        let windows = windows.collect();
        if librarian.digest && librarian.opted_in_at.is_some() && !person.stopped {
            self.digest_readers.insert(place);
        }
        self.places.insert(person.account.id.clone(), place);
        if let Some(entry) = self.entries.get_mut(place as usize) {
            *entry = Some(Listed { person, turn, windows });
        }
    }

    /// Takes somebody off the roster.
    pub fn remove(&mut self, account: &AccountId) {
        let Some(place) = self.places.remove(account) else { return };
        let Some(listed) = self.entries.get_mut(place as usize).and_then(Option::take) else { return };
        for (subject, language) in lane_keys(&listed.person) {
            let languages = self.lanes.get_mut(&subject);
            if let Some(lane) = languages.and_then(|languages| languages.get_mut(&language)) {
                lane[listed.turn.class].remove(&(listed.turn.from, place));
            }
        }
        if let Some(librarian) = &listed.person.librarian {
            self.crowd.subtract(&librarian.record);
        }
        self.digest_readers.remove(&place);
        self.free.push(place);
    }

    /// Everybody who wants the daily list of open stumpers.
    pub fn digest_readers(&self) -> impl Iterator<Item = &Person> {
        self.digest_readers.iter().filter_map(|place| Some(&self.listed(*place)?.person))
    }

    /// Whether anybody may be asked in a language.
    pub(crate) fn speaks(&self, language: Option<&str>, desk_language: &str) -> bool {
        self.lanes_for(None, language, desk_language).any(|lane| lane.iter().any(|class| !class.is_empty()))
    }

    /// Who takes a subject, or anything where it is `None`, and reads a language, of one class of likelihood
    /// and whoever was asked longest ago first: only those whose turn has come, or all others.
    pub(crate) fn in_turn<'a>(
        &'a self,
        (subject, language): (Option<&SubjectId>, Option<&str>),
        desk_language: &str,
        class: usize,
        now: Timestamp,
        has_come: bool,
    ) -> impl Iterator<Item = &'a Listed> + use<'a> {
        let lanes: Vec<&Lane> = self.lanes_for(subject, language, desk_language).collect();
        let end = (now.as_second(), u32::MAX);
        lanes.into_iter().flat_map(move |lane| {
            let lane = &lane[class];
            let all = (i64::MIN, 0)..=(i64::MAX, u32::MAX);
            let range = if has_come { all.start().to_owned()..=end } else { (end.0 + 1, 0)..=*all.end() };
            lane.range(range).filter_map(|(_, place)| self.listed(*place))
        })
    }

    /// The clocks of all time zones in which somebody here has hours, at one time.
    pub(crate) fn clocks<'a>(&'a self, settings: &'a Settings, now: Timestamp) -> Clocks<'a> {
        Clocks { now, settings, zones: &self.zones, read: vec![None; self.zones.len()] }
    }

    fn people(&self) -> impl Iterator<Item = &Person> {
        self.places.values().filter_map(|place| Some(&self.listed(*place)?.person))
    }

    fn listed(&self, place: u32) -> Option<&Listed> {
        self.entries.get(place as usize)?.as_ref()
    }

    fn lanes_for(
        &self,
        subject: Option<&SubjectId>,
        language: Option<&str>,
        desk_language: &str,
    ) -> impl Iterator<Item = &Lane> {
        let of_subject = subject.map(|subject| self.lanes.get(subject));
        let all = if subject.is_none() { Some(self.lanes.values()) } else { None };
        let subjects = of_subject.flatten().into_iter().chain(all.into_iter().flatten());
        let language = language.map(language_key);
        let is_own = language.is_none() || language.as_ref() == Some(&language_key(desk_language));
        subjects.flatten().filter_map(move |(spoken, lane)| {
            let fits = match (&language, spoken.is_empty()) {
                (None, _) => true,
                (Some(_), true) => is_own,
                (Some(language), false) => spoken == language,
            };
            fits.then_some(lane)
        })
    }
}

/// Clocks of time zones at one time, each read once.
#[derive(Debug)]
pub(crate) struct Clocks<'a> {
    now: Timestamp,
    settings: &'a Settings,
    zones: &'a [TimeZone],
    read: Vec<Option<Clock>>,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    today: Date,
    minute_of_week: u16,
    /// Whether the clocks are not changed within a day before or after.
    is_steady: bool,
}

impl Clocks<'_> {
    /// For how much longer somebody is on duty: what [`hours::left`] says of their hours, in whole minutes that
    /// have begun.
    pub(crate) fn left(&mut self, listed: &Listed) -> Option<SignedDuration> {
        let librarian = listed.person.librarian.as_ref()?;
        if librarian.hours.is_empty() {
            return Some(hours::ANY_TIME);
        }
        let holidays = self.settings.holidays_of(&listed.person);
        let mut is_steady = true;
        let mut left: Option<u16> = None;
        for (from, until, zone) in &listed.windows {
            let Some(clock) = self.clock(*zone) else { continue };
            // What began yesterday may still be open.
            is_steady &= clock.is_steady && !holidays.contain(clock.today);
            is_steady &= clock.today.yesterday().is_ok_and(|yesterday| !holidays.contain(yesterday));
            let window = *from..*until;
            let minutes = [clock.minute_of_week, clock.minute_of_week + WEEK_MINUTES].into_iter();
            left = minutes
                .filter(|minute| window.contains(minute))
                .map(|minute| until - minute)
                .chain(left)
                .max();
        }
        // Near a change of the clocks a minute of the week can come twice or not at all, and on a holiday it is
        // another day's.
        if !is_steady {
            return hours::left(&librarian.hours, holidays, self.now);
        }
        left.map(|minutes| SignedDuration::from_mins(minutes.into()))
    }

    fn clock(&mut self, zone: u16) -> Option<Clock> {
        let (known, found) = (self.read.get_mut(usize::from(zone))?, self.zones.get(usize::from(zone))?);
        if known.is_none() {
            let local = found.to_datetime(self.now);
            let day = u16::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
            let minute = u16::try_from(i16::from(local.hour()) * 60 + i16::from(local.minute())).unwrap_or(0);
            let day_span = SignedDuration::from_hours(25);
            let (before, after) = (self.now.checked_sub(day_span), self.now.checked_add(day_span));
            let is_steady = before.is_ok_and(|before| {
                let next = found.following(before).next().map(|change| change.timestamp());
                next.is_none_or(|change| after.is_ok_and(|after| after < change))
            });
            *known = Some(Clock { today: local.date(), minute_of_week: day * 24 * 60 + minute, is_steady });
        }
        *known
    }
}

/// From when on somebody may be asked, as far as that is known beforehand; in the past, when they were
/// last asked, so that whoever was asked longest ago comes first.
fn turn_of(librarian: &Librarian) -> i64 {
    if librarian.limit as usize <= librarian.open.len() {
        return i64::MAX;
    }
    let asked_at = librarian.asked_at;
    let free_from = asked_at.map(|at| librarian.allowed_from(at));
    let times = [asked_at, free_from, librarian.paused_until, librarian.resting_until];
    times.into_iter().flatten().max().map_or(i64::MIN, Timestamp::as_second)
}

/// The lanes somebody belongs to.
fn lane_keys(person: &Person) -> BTreeSet<(SubjectId, String)> {
    let librarian = person.librarian.as_ref();
    let may_be_asked = |librarian: &&Librarian| librarian.opted_in_at.is_some() && !person.stopped;
    let Some(librarian) = librarian.filter(may_be_asked) else { return BTreeSet::new() };
    let mut languages: BTreeSet<String> =
        librarian.languages.iter().map(|tag| language_key(tag).into_owned()).collect();
    if languages.is_empty() {
        languages.insert(String::new());
    }
    let of_subject = |subject: &SubjectId| {
        languages.iter().map(|language| (subject.clone(), language.clone())).collect::<Vec<_>>()
    };
    librarian.subjects.iter().flat_map(of_subject).collect()
}

/// One key for all ways to write a language.
fn language_key(tag: &str) -> Cow<'static, str> {
    match Language::parse(tag) {
        Some(language) => Cow::Borrowed(language.code()),
        None => Cow::Owned(tag.to_ascii_lowercase()),
    }
}

fn zone_place(zones: &mut Vec<TimeZone>, places: &mut BTreeMap<String, u16>, name: &str) -> u16 {
    if let Some(place) = places.get(name) {
        return *place;
    }
    let place = u16::try_from(zones.len()).unwrap_or(u16::MAX);
    zones.push(hours::zone_named(name).unwrap_or(TimeZone::UTC));
    places.insert(name.to_owned(), place);
    place
}
