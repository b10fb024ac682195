//! The people of one world, thrown from a population: who they are, when they are awake, how they are.
//!
//! **Invariant:** people depend on the population and the seed alone, never on what the desk does.

use std::collections::HashMap;
use std::collections::btree_map::Keys;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::desk::commands::hours;
use crate::desk::person::Hours;
use crate::desk::{Account, AccountId, Action, Network};
use crate::simulate::dice::{Dice, Stream};
use crate::simulate::population::{Group, Population};
use crate::subjects::{RuleFile, SubjectId};

/// Milliseconds since the Unix epoch, the time of a world.
pub(crate) type Millis = i64;

pub(crate) const SECOND: f64 = 1_000.0;
pub(crate) const MINUTE: f64 = 60.0 * SECOND;
pub(crate) const HOUR: f64 = 60.0 * MINUTE;
pub(crate) const DAY: Millis = 86_400_000;

/// Windows of time, in their order and apart from each other; `None` for all of it.
type Calendar = Option<Vec<(Millis, Millis)>>;

/// Everybody, and what questions are about.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) librarians: Vec<Volunteer>,
    pub(crate) by_account: HashMap<AccountId, usize>,
    calendars: Vec<Calendar>,
    /// The ids of subjects, the most asked first; parents stand behind them.
    pub(crate) subjects: Vec<SubjectId>,
    /// How often each subject is asked about, without the parents.
    pub(crate) weights: Vec<f64>,
    /// Time zones of patrons.
    pub(crate) zones: Vec<(TimeZone, f64)>,
}

/// One librarian.
#[derive(Debug)]
pub(crate) struct Volunteer {
    pub(crate) account: Account,
    pub(crate) group: usize,
    hours: Vec<Hours>,
    calendar: usize,
    /// Places in [`People::subjects`].
    pub(crate) subjects: Vec<usize>,
    is_generalist: bool,
    pub(crate) at_hand: f64,
    pub(crate) answers: f64,
}

impl People {
    /// Throws everybody. `first` is the first day, `days` how many calendars are made for.
    pub(crate) fn new(population: &Population, seed: u64, first: Date, days: i64) -> People {
        let subjects = subject_ids(population);
        let zipf = |place: usize| 1.0 / libm::pow(place as f64, population.subjects.zipf);
        let weights: Vec<f64> = match population.subjects.weights.as_slice() {
            [] => (1..=population.subjects.count).map(zipf).collect(),
            weights => weights.to_vec(),
        };
        let mut people = People {
            librarians: Vec::new(),
            by_account: HashMap::new(),
            calendars: Vec::new(),
            subjects,
            weights,
            zones: zones(population.patrons.zones.keys(), population.patrons.zones.values()),
        };
        let mut known: HashMap<(String, String), usize> = HashMap::new();
        for (at, group) in population.librarians.iter().enumerate() {
            for _ in 0..population.scaled(group.count) {
                let number = people.librarians.len();
                let mut dice = Dice::of(seed, Stream::Librarian, number as u64, 0);
                let zone = pick(&mut dice, group.zones.keys(), group.zones.values());
                let text = pick(&mut dice, group.hours.keys(), group.hours.values());
                let windows = windows(text, zone).unwrap_or_default();
                let calendar = *known.entry((zone.to_owned(), text.to_owned())).or_insert_with(|| {
                    people.calendars.push(calendar(&windows, first, days));
                    people.calendars.len() - 1
                });
                let volunteer = people.throw(group, at, number, &mut dice, (windows, calendar));
                people.by_account.insert(volunteer.account.id.clone(), number);
                people.librarians.push(volunteer);
            }
        }
        people
    }

    fn throw(
        &self,
        group: &Group,
        at: usize,
        number: usize,
        dice: &mut Dice,
        (hours, calendar): (Vec<Hours>, usize),
    ) -> Volunteer {
        let subjects = match group.takes.as_slice() {
            [] => self.throw_subjects(group, dice),
            takes => takes.to_vec(),
        };
        let mut differ = || 1.0 + group.differ * (2.0 * dice.share() - 1.0);
        let (at_hand, answers) = (group.at_hand * differ(), group.answers * differ());
        Volunteer {
            account: account(&group.network, &format!("librarian{number}")),
            group: at,
            hours,
            calendar,
            subjects,
            is_generalist: dice.happens(group.generalists),
            at_hand: at_hand.min(1.0),
            answers: answers.min(1.0 - group.passes - group.quits),
        }
    }

    fn throw_subjects(&self, group: &Group, dice: &mut Dice) -> Vec<usize> {
        let [least, most] = group.subjects;
        let wanted = least + dice.below(most - least + 1);
        let mut weights = self.weights.clone();
        let mut subjects = Vec::new();
        for _ in 0..wanted {
            let place = dice.weighted(weights.iter().copied());
            if let Some(weight) = weights.get_mut(place) {
                *weight = 0.0;
            }
            subjects.push(place);
        }
        subjects
    }

    /// The wish by which a librarian comes onto the roster, having opted in at that time.
    pub(crate) fn opting_in(
        &self,
        librarian: usize,
        population: &Population,
        at: Timestamp,
    ) -> Option<Action> {
        let volunteer = self.librarians.get(librarian)?;
        let mut subjects: Vec<SubjectId> =
            volunteer.subjects.iter().filter_map(|place| self.subjects.get(*place)).cloned().collect();
        if volunteer.is_generalist {
            subjects.push(SubjectId::general());
        }
        Some(Action::AddLibrarian {
            account: volunteer.account.clone(),
            subjects,
            hours: volunteer.hours.clone(),
            languages: Vec::new(),
            limit: population.librarians.get(volunteer.group).and_then(|group| group.limit),
            library: None,
            opted_in_at: Some(at),
        })
    }

    /// Whether a librarian may be reached at this time, found from the calendar and not by the desk's rules.
    pub(crate) fn is_in_hours(&self, librarian: usize, at: Millis) -> bool {
        let Some(windows) = self.calendar_of(librarian) else { return true };
        let after = windows.partition_point(|(from, _)| *from <= at);
        after.checked_sub(1).and_then(|last| windows.get(last)).is_some_and(|(_, until)| at < *until)
    }

    /// The first time from `at` on that lies within a librarian's hours.
    pub(crate) fn next_in_hours(&self, librarian: usize, at: Millis) -> Millis {
        if self.is_in_hours(librarian, at) {
            return at;
        }
        let windows = self.calendar_of(librarian).map(Vec::as_slice).unwrap_or_default();
        let after = windows.partition_point(|(from, _)| *from <= at);
        windows.get(after).map_or(Millis::MAX, |(from, _)| *from)
    }

    fn calendar_of(&self, librarian: usize) -> Option<&Vec<(Millis, Millis)>> {
        let volunteer = self.librarians.get(librarian)?;
        self.calendars.get(volunteer.calendar)?.as_ref()
    }
}

/// An account on a network; the number is in the name.
pub(crate) fn account(network: &str, name: &str) -> Account {
    let network = Network::named(network).unwrap_or(Network::Sandbox);
    Account::new(network, name, name)
}

/// One rule file for each subject: a single term, which is the subject's name.
pub(crate) fn rules(population: &Population) -> Vec<RuleFile> {
    let ids = subject_ids(population);
    let parents = population.subjects.parents;
    let file = |(place, id): (usize, &SubjectId)| {
        let parent = ids.get(population.subjects.count + place.checked_rem(parents).unwrap_or_default());
        let parent = parent.filter(|_| place < population.subjects.count && 0 < parents);
        let parent = parent.map(|parent| format!("parent = \"{parent}\"\n")).unwrap_or_default();
        let text =
            format!("id = \"{id}\"\nname = \"Field {place}\"\n{parent}strong = [\"{}\"]\n", term(place));
        RuleFile { name: format!("{id}.toml"), text: text.into_bytes() }
    };
    ids.iter().enumerate().map(file).collect()
}

/// The word by which the subject at this place is recognised: three syllables that mean nothing.
pub(crate) fn term(place: usize) -> String {
    const SYLLABLES: [&str; 10] = ["ba", "ko", "mu", "ri", "te", "vo", "zu", "pi", "ga", "lo"];
    let digit = |at: usize| SYLLABLES.get(place / at % 10).copied().unwrap_or_default();
    format!("{}{}{}", digit(100), digit(10), digit(1))
}

pub(crate) fn subject_ids(population: &Population) -> Vec<SubjectId> {
    let count = population.subjects.count;
    let name = |place: usize| population.subjects.names.get(place).cloned();
    let own = (0..count).map(|place| SubjectId::new(name(place).unwrap_or_else(|| format!("field{place}"))));
    own.chain((0..population.subjects.parents).map(|place| SubjectId::new(format!("wider{place}")))).collect()
}

fn zones<'z>(
    names: impl Iterator<Item = &'z String>,
    weights: impl Iterator<Item = &'z f64>,
) -> Vec<(TimeZone, f64)> {
    let zone = |name: &String| hours::zone_named(name).unwrap_or(TimeZone::UTC);
    names.map(zone).zip(weights.copied()).collect()
}

fn pick<'p>(
    dice: &mut Dice,
    mut names: Keys<'p, String, f64>,
    weights: impl Iterator<Item = &'p f64> + Clone,
) -> &'p str {
    names.nth(dice.weighted(weights.copied())).map_or("", String::as_str)
}

/// Hours as a group writes them, in a zone; empty for any time, `None` where they cannot be read.
pub(crate) fn windows(text: &str, zone: &str) -> Option<Vec<Hours>> {
    if hours::read(text).is_ok_and(|any| any.is_empty()) {
        return Some(Vec::new());
    }
    let parts: Option<Vec<Vec<Hours>>> =
        text.split(';').map(|part| hours::read(&format!("{part} {zone}")).ok()).collect();
    parts.map(|parts| parts.concat())
}

/// All windows of some hours, from the day before `first` on.
fn calendar(hours: &[Hours], first: Date, days: i64) -> Calendar {
    if hours.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    for window in hours {
        let zone = hours::zone_named(&window.zone).unwrap_or(TimeZone::UTC);
        for offset in -1..=days {
            let Ok(day) = first.checked_add(offset.days()) else { continue };
            if !window.starts_on(day.weekday()) {
                continue;
            }
            let last = if window.until <= window.from { day.tomorrow() } else { Ok(day) };
            let at = |day: Date, time| zone.to_timestamp(day.to_datetime(time)).ok();
            let times = at(day, window.from).zip(last.ok().and_then(|last| at(last, window.until)));
            found.extend(times.map(|(from, until)| (from.as_millisecond(), until.as_millisecond())));
        }
    }
    found.sort_unstable();
    // Windows that overlap are one, so that the one that begins last is the one that counts.
    let mut apart: Vec<(Millis, Millis)> = Vec::new();
    for (from, until) in found {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            Some(_) | None => apart.push((from, until)),
        }
    }
    Some(apart)
}
