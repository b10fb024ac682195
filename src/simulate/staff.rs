//! How many volunteers a desk needs, at which hours and in which subjects, to be quick enough.
//!
//! The plan grows: a few worlds are simulated, it is counted in which hours and subjects questions were answered
//! too late, volunteers are put there, and again, until it is enough in other worlds too. At the end it is tried
//! how many of the last ones can be spared.
//!
//! **Invariant:** the plan is only as true as the population it is made for; whoever shows it says what was
//! assumed. The same population and seed give the same plan.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::desk::Settings;
use crate::simulate::dice::{Dice, Stream};
use crate::simulate::population::{Group, Population};
use crate::simulate::results::Results;
use crate::simulate::world::World;

/// The day has so many shifts, of equal length.
const SHIFTS: usize = 6;
const SHIFT_HOURS: usize = 24 / SHIFTS;

/// Days that are simulated to try a plan.
const DAYS: u32 = 7;

/// A longer time is no time in which a question is answered, in minutes.
const MINUTES_MAX: u32 = 7 * 24 * 60;

/// How often a plan grows at most.
const ROUNDS_MAX: usize = 60;

/// A plan of more volunteers is not looked for.
const VOLUNTEERS_MAX: usize = 2_000;

/// When so many rounds brought nothing, more volunteers are no help: they are twice as many by then.
const ROUNDS_IN_VAIN_MAX: usize = 6;

/// How many worlds a plan is made in, so that it does not fit the chance of one.
const WORLDS: u64 = 3;

/// How many other worlds the plan is tried in.
const TRIALS: u64 = 5;

/// What is asked of a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The share of questions, from 0 to 1 …
    pub share: f64,
    /// … that are answered within so many minutes.
    pub minutes: f64,
}

/// How many volunteers, when and for what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Whether the goal is reached.
    pub reached: bool,
    pub volunteers: usize,
    /// The share of questions answered in time, in worlds that the plan was not made for.
    pub share: f64,
    /// The smallest and the largest share among these worlds.
    pub least: f64,
    pub most: f64,
    /// The minutes within which these volunteers answer the share that was asked for; `None` where that is never.
    pub minutes: Option<u32>,
    pub shifts: Vec<Shift>,
}

/// Volunteers of the same hours and subjects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// Hours such as `8-12`, every day.
    pub hours: String,
    pub zone: String,
    pub volunteers: usize,
    pub subjects: Vec<String>,
    /// Whether they take questions without a subject besides.
    pub general: bool,
}

/// One kind of shift: its place in the day, its subjects, and whether it takes any question.
type Kind = (usize, Vec<usize>, bool);

/// How many questions of a subject were answered too late, by shift; `None` for those without a subject.
type Misses = BTreeMap<(usize, Option<usize>), f64>;

/// Makes a plan. `progress` is told how near it is to the goal, from 0 to 1.
pub fn plan(
    population: &Population,
    settings: &Settings,
    goal: Goal,
    seed: u64,
    progress: &mut dyn FnMut(f64),
) -> Plan {
    let mut staff = Staff { population, settings, goal, zone: main_zone(population), kinds: BTreeMap::new() };
    for place in 0..SHIFTS {
        staff.add(&mut all_alike(population, place), 1);
    }
    let (mut best, mut best_share, mut rounds_in_vain) = (staff.kinds.clone(), 0.0, 0);
    let mut before = BTreeMap::new();
    for _ in 0..ROUNDS_MAX {
        let (share, mut misses) = staff.tried(made_in(seed));
        progress(share / goal.share);
        // What is enough here by chance is not enough elsewhere.
        if goal.share <= share && goal.share <= staff.tried(others(seed)).0 {
            staff.spare(&before, seed);
            return staff.finished(seed);
        }
        if best_share < share {
            (best, best_share, rounds_in_vain) = (staff.kinds.clone(), share, 0);
        } else {
            rounds_in_vain += 1;
        }
        let count = staff.count();
        if rounds_in_vain == ROUNDS_IN_VAIN_MAX || VOLUNTEERS_MAX <= count {
            break;
        }
        before = staff.kinds.clone();
        staff.add(&mut misses, (count / 8).max(1).min(VOLUNTEERS_MAX - count));
    }
    staff.kinds = best;
    staff.finished(seed)
}

/// The worlds that a plan is made in.
fn made_in(seed: u64) -> impl Iterator<Item = u64> {
    (0..WORLDS).map(move |world| seed.wrapping_add(world))
}

/// The worlds that a plan is tried in: it grows until it is enough there, but not by what was missed there.
fn others(seed: u64) -> impl Iterator<Item = u64> {
    (WORLDS..WORLDS + TRIALS).map(move |world| seed.wrapping_add(world))
}

struct Staff<'p> {
    population: &'p Population,
    settings: &'p Settings,
    goal: Goal,
    zone: String,
    kinds: BTreeMap<Kind, usize>,
}

impl Staff<'_> {
    fn count(&self) -> usize {
        self.kinds.values().sum()
    }

    /// Puts volunteers where most questions were answered too late.
    fn add(&mut self, misses: &mut Misses, count: usize) {
        let subjects_each = self.example().map_or(1, |group| group.subjects[1].max(group.takes.len()).max(1));
        for _ in 0..count {
            let of_shift = |shift: usize, misses: &Misses| -> f64 {
                misses.iter().filter(|((place, _), _)| *place == shift).map(|(_, count)| count).sum()
            };
            let worst = (0..SHIFTS).map(|shift| (of_shift(shift, misses), shift));
            let Some((_, shift)) = worst.max_by(|one, other| one.0.total_cmp(&other.0)) else { return };
            let mut cells: Vec<(f64, Option<usize>)> = misses
                .iter()
                .filter(|((place, _), count)| *place == shift && 0.0 < **count)
                .map(|((_, subject), count)| (*count, *subject))
                .collect();
            cells.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
            cells.truncate(subjects_each);
            if cells.is_empty() {
                return;
            }
            let mut subjects: Vec<usize> = cells.iter().filter_map(|(_, subject)| *subject).collect();
            subjects.sort_unstable();
            let is_general = cells.iter().any(|(_, subject)| subject.is_none());
            *self.kinds.entry((shift, subjects, is_general)).or_default() += 1;
            // Another volunteer there would help less.
            for (_, subject) in cells {
                if let Some(count) = misses.get_mut(&(shift, subject)) {
                    *count /= 2.0;
                }
            }
        }
    }

    /// Takes back as many of the volunteers that were added last as can be spared.
    fn spare(&mut self, before: &BTreeMap<Kind, usize>, seed: u64) {
        let with_all = self.kinds.clone();
        let added: Vec<Kind> = with_all
            .iter()
            .flat_map(|(kind, count)| {
                let new = count - before.get(kind).copied().unwrap_or_default();
                std::iter::repeat_n(kind.clone(), new)
            })
            .collect();
        let with = |count: usize| {
            let mut kinds = before.clone();
            for kind in added.iter().take(count) {
                *kinds.entry(kind.clone()).or_default() += 1;
            }
            kinds
        };
        let (mut too_few, mut enough) = (0, added.len());
        while too_few + 1 < enough {
            let middle = usize::midpoint(too_few, enough);
            self.kinds = with(middle);
            let goal = self.goal.share;
            if goal <= self.tried(made_in(seed)).0 && goal <= self.tried(others(seed)).0 {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        self.kinds = with(enough);
    }

    /// The volunteers are like the first group of the population in all but hours and subjects.
    fn example(&self) -> Option<&Group> {
        self.population.librarians.first()
    }

    /// The same patrons, with the volunteers of the plan.
    fn staffed(&self) -> Population {
        let groups = self.kinds.iter().filter_map(|((shift, subjects, is_general), count)| {
            let example = self.example()?;
            let takes = if subjects.is_empty() { vec![0] } else { subjects.clone() };
            Some(Group {
                count: *count,
                zones: BTreeMap::from([(self.zone.clone(), 1.0)]),
                hours: BTreeMap::from([(hours_of(*shift), 1.0)]),
                takes,
                generalists: if *is_general { 1.0 } else { 0.0 },
                ..example.clone()
            })
        });
        let librarians = groups.collect();
        let mut patrons = self.population.patrons.clone();
        patrons.questions_per_day *= self.population.scale;
        Population { librarians, patrons, scale: 1.0, ..self.population.clone() }
    }

    /// The share of questions answered in time in these worlds together, and where they were not.
    fn tried(&self, seeds: impl Iterator<Item = u64>) -> (f64, Misses) {
        let population = self.staffed();
        let (mut shares, mut misses) = (Vec::new(), Misses::new());
        for seed in seeds {
            let results = self.lived_through(&population, seed, &mut misses);
            shares.push(results.within_minutes(self.goal.minutes));
        }
        (mean(&shares), misses)
    }

    /// What came of one world. Questions that were not answered in time are added to `misses`.
    fn lived_through(&self, population: &Population, seed: u64, misses: &mut Misses) -> Results {
        let mut world = World::new(population, self.settings, DAYS, seed, false);
        world.run(&mut |_| {});
        let limit = (self.goal.minutes * crate::simulate::people::MINUTE) as i64;
        let zone = crate::desk::commands::hours::zone_named(&self.zone);
        let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
        for asked in world.questions.iter().filter(|asked| asked.counts) {
            if asked.answered_at.is_some_and(|at| at - asked.at <= limit) {
                continue;
            }
            let at = Timestamp::from_millisecond(asked.at).unwrap_or(Timestamp::MIN);
            let hour = usize::from(zone.to_datetime(at).hour().unsigned_abs());
            *misses.entry((hour / SHIFT_HOURS, asked.subject)).or_default() += 1.0;
        }
        Results::of(&world, "waves", DAYS)
    }

    fn finished(&self, seed: u64) -> Plan {
        let population = self.staffed();
        let worlds: Vec<Results> =
            others(seed).map(|seed| self.lived_through(&population, seed, &mut Misses::new())).collect();
        let within = |minutes: f64| -> Vec<f64> {
            worlds.iter().map(|results| results.within_minutes(minutes)).collect()
        };
        let shares = within(self.goal.minutes);
        let share = mean(&shares);
        let is_enough = |minutes: &u32| self.goal.share <= mean(&within(f64::from(*minutes)));
        let ids = crate::simulate::people::subject_ids(self.population);
        let shifts = self.kinds.iter().map(|((shift, subjects, is_general), count)| Shift {
            hours: hours_of(*shift),
            zone: self.zone.clone(),
            volunteers: *count,
            subjects: subjects.iter().filter_map(|place| ids.get(*place)).map(ToString::to_string).collect(),
            general: *is_general,
        });
        Plan {
            reached: self.goal.share <= share,
            volunteers: self.count(),
            share,
            least: shares.iter().copied().fold(1.0, f64::min),
            most: shares.iter().copied().fold(0.0, f64::max),
            minutes: (1..=MINUTES_MAX).find(is_enough),
            shifts: shifts.collect(),
        }
    }
}

fn mean(shares: &[f64]) -> f64 {
    shares.iter().sum::<f64>() / shares.len() as f64
}

/// What is missed before anybody is there: everything, as it is asked.
fn all_alike(population: &Population, shift: usize) -> Misses {
    let mut misses = Misses::new();
    let mut dice = Dice::of(0, Stream::Questions, shift as u64, 1);
    for place in 0..population.subjects.count {
        // The first subjects are asked most; a little chance keeps equal ones apart.
        misses.insert((shift, Some(place)), 1.0 / (1.0 + place as f64) + dice.share() / 1_000.0);
    }
    misses.insert((shift, None), population.subjects.unclear * population.subjects.count as f64);
    misses
}

fn hours_of(shift: usize) -> String {
    format!("{}-{}", shift * SHIFT_HOURS, (shift + 1) * SHIFT_HOURS)
}

/// The zone in which most patrons live.
fn main_zone(population: &Population) -> String {
    let zones = population.patrons.zones.iter();
    let most = zones.max_by(|one, other| one.1.total_cmp(other.1));
    most.map_or_else(|| "UTC".to_owned(), |(zone, _)| zone.clone())
}
