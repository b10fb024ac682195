//! On how many invitations a librarian agreed, and how many they got of late.
//!
//! **Invariant:** days are numbers, by the librarian's own clock, and whoever asks tells which one it is.

use serde::{Deserialize, Serialize};

/// On how many invitations a day or week a librarian agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    pub count: u32,
    pub per: Per,
}

/// The time for which an [`Allowance`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    Day,
    Week,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance { count: 1, per: Per::Day }
    }
}

/// How many invitations a librarian got on each of the last days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// The day of the first count, in days since 1970 by the librarian's own clock.
    day: i64,
    /// The counts, that day first and older ones after it.
    counts: Vec<u8>,
}

/// For so many days invitations are counted.
const LOAD_DAYS: usize = 28;

impl Load {
    /// Counts an invitation on this day.
    pub fn add(&mut self, day: i64) {
        let missing = usize::try_from(day - self.day).unwrap_or(0);
        if self.counts.is_empty() || LOAD_DAYS <= missing {
            self.counts = vec![0];
        } else {
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.counts.truncate(LOAD_DAYS);
        }
        self.day = self.day.max(day);
        if let Some(today) = self.counts.first_mut() {
            *today = today.saturating_add(1);
        }
    }

    /// Takes the latest invitation back: it should not have been sent.
    pub fn take_back(&mut self) {
        if let Some(count) = self.counts.iter_mut().find(|count| 0 < **count) {
            *count -= 1;
        }
    }

    /// How many invitations there were in so many days, the last of which is `day`.
    pub fn within(&self, day: i64, days: usize) -> u32 {
        let ago = usize::try_from(day - self.day).unwrap_or(0);
        self.counts.iter().take(days.saturating_sub(ago)).map(|count| u32::from(*count)).sum()
    }

    /// The first day on which the allowance has room again, from `day` on.
    pub fn free_from(&self, day: i64, allowance: Allowance) -> i64 {
        let span: usize = match allowance.per {
            Per::Day => 1,
            Per::Week => 7,
        };
        let span_days = i64::try_from(span).unwrap_or(1);
        (day..day + span_days)
            .find(|day| self.within(*day, span) < allowance.count)
            .unwrap_or(day + span_days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_used_up_by_the_day_and_by_the_week() {
        let mut load = Load::default();
        load.add(100);
        let (daily, weekly) = (Allowance::default(), Allowance { count: 2, per: Per::Week });
        assert_eq!(load.free_from(100, daily), 101);
        assert_eq!(load.free_from(101, daily), 101);
        assert_eq!(load.free_from(100, weekly), 100);
        load.add(102);
        assert_eq!((load.within(102, 7), load.within(107, 7)), (2, 1));
        assert_eq!(load.free_from(103, weekly), 107);
        load.take_back();
        assert_eq!(load.within(102, 1), 0);
        load.add(500);
        assert_eq!(load.within(500, 28), 1);
    }
}
