//! What a simulation came to: a few numbers for one run, and their spread over several.
//!
//! **Invariant:** unanswered questions count in every share, and questions of the days before the first one
//! that counts are in no number.

use serde::Serialize;

use crate::simulate::people::{HOUR, MINUTE, Millis};
use crate::simulate::watch::Broken;
use crate::simulate::world::World;

/// The result of one run, as `--json` writes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Results {
    /// The population's name.
    pub preset: String,
    pub policy: &'static str,
    pub seed: u64,
    pub days: u32,
    pub questions: usize,
    /// The share of questions whose patron got an answer.
    pub answered: f64,
    pub within_10m: f64,
    pub within_1h: f64,
    pub within_1d: f64,
    /// Minutes from asking to the first answer, of those that got one; `None` where none did.
    pub median_minutes: Option<f64>,
    pub p90_minutes: Option<f64>,
    pub invitations_per_answer: Option<f64>,
    pub contacts_per_librarian_day: f64,
    /// The share of questions that reached somebody outside their hours.
    pub outside_hours: f64,
    /// How unevenly invitations fall on librarians: 0 where all get the same, near 1 where one gets all.
    pub gini: f64,
    /// Minutes to each first answer, in rising order; for drawing.
    #[serde(skip)]
    pub minutes: Vec<f64>,
    /// The largest number of invitations that any librarian had on average a day.
    #[serde(skip)]
    pub busiest_per_day: f64,
    /// Promises that were not kept, where the world was watched.
    #[serde(skip)]
    pub broken: Vec<Broken>,
    /// How many were not kept in all, and how many steps were watched.
    #[serde(skip)]
    pub watched: (u64, u64),
}

impl Results {
    pub(crate) fn of(world: &World<'_>, policy: &'static str, days: u32) -> Results {
        let counted: Vec<_> = world.questions.iter().filter(|asked| asked.counts).collect();
        let mut waits: Vec<Millis> =
            counted.iter().filter_map(|asked| Some(asked.answered_at? - asked.at)).collect();
        waits.sort_unstable();
        let questions = counted.len();
        let share = |count: usize| if questions == 0 { 0.0 } else { count as f64 / questions as f64 };
        let within = |limit: f64| share(waits.partition_point(|wait| *wait <= limit as Millis));
        let invitations: u64 = counted.iter().map(|asked| u64::from(asked.invitations)).sum();
        let librarian_days = world.contacts.len() as f64 * f64::from(days);
        let contacts: u64 = world.contacts.iter().map(|count| u64::from(*count)).sum();
        let busiest = world.contacts.iter().max().copied().unwrap_or_default();
        let outside = counted.iter().filter(|asked| 0 < asked.outside_hours).count();
        let watch = world.watch.as_ref();
        Results {
            preset: world.population.name.clone(),
            policy,
            seed: world.seed,
            days,
            questions,
            answered: share(waits.len()),
            within_10m: within(10.0 * MINUTE),
            within_1h: within(HOUR),
            within_1d: within(24.0 * HOUR),
            median_minutes: quantile(&waits, 50),
            p90_minutes: quantile(&waits, 90),
            invitations_per_answer: (!waits.is_empty()).then(|| invitations as f64 / waits.len() as f64),
            contacts_per_librarian_day: if librarian_days > 0.0 {
                contacts as f64 / librarian_days
            } else {
                0.0
            },
            outside_hours: share(outside),
            gini: gini(&world.contacts),
            minutes: waits.iter().map(|wait| *wait as f64 / MINUTE).collect(),
            busiest_per_day: f64::from(busiest) / f64::from(days.max(1)),
            broken: watch.map(|watch| watch.broken.clone()).unwrap_or_default(),
            watched: watch.map_or((0, 0), |watch| (watch.broken_count, watch.steps)),
        }
    }

    /// The share of questions answered within this many minutes.
    pub fn within_minutes(&self, minutes: f64) -> f64 {
        if self.questions == 0 {
            return 0.0;
        }
        self.minutes.partition_point(|wait| *wait <= minutes) as f64 / self.questions as f64
    }
}

/// The value below which so many per cent lie, in minutes; the nearest that occurred.
fn quantile(sorted: &[Millis], per_cent: usize) -> Option<f64> {
    let place = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
    sorted.get(place).map(|wait| *wait as f64 / MINUTE)
}

/// The Gini coefficient of counts.
fn gini(counts: &[u32]) -> f64 {
    let mut sorted: Vec<u64> = counts.iter().map(|count| u64::from(*count)).collect();
    sorted.sort_unstable();
    let total: u64 = sorted.iter().sum();
    if total == 0 {
        return 0.0;
    }
    let weighted: u64 = sorted.iter().zip(1_u64..).map(|(count, place)| count * place).sum();
    let (count, total) = (sorted.len() as f64, total as f64);
    2.0 * weighted as f64 / (count * total) - (count + 1.0) / count
}

/// The mean of a number over several runs, and its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub deviation: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Option<Spread> {
        let count = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let deviation = if values.len() < 2 { 0.0 } else { libm::sqrt(squares / (count - 1.0)) };
        Some(Spread { mean, deviation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenness_and_quantiles() {
        assert_eq!(gini(&[3, 3, 3]), 0.0);
        assert_eq!(gini(&[]), 0.0);
        assert!((gini(&[0, 0, 0, 8]) - 0.75).abs() < 1e-12);
        assert_eq!(quantile(&[60_000, 120_000, 180_000], 50), Some(2.0));
        assert_eq!(quantile(&[60_000, 120_000, 180_000], 90), Some(3.0));
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(Spread::of(&[1.0, 3.0]).map(|spread| spread.mean), Some(2.0));
    }
}
