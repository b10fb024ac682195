//! What X costs, counted before it is spent.
//!
//! X asks money for each post, message and user that is read, and for each that is written. A call's
//! highest possible cost is written down before the call; what it cost less is given back after the
//! answer. So the count is never less than what X may charge, whatever is lost or crashes in between.
//!
//! **Invariant:** no call is made whose highest possible cost does not fit into the month's budget, and
//! what was spent is on the disk before it is spent.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::networks::{Failure, kept};

/// Millionths of a dollar.
pub type MicroDollars = u64;

/// One dollar.
pub const DOLLAR: MicroDollars = 1_000_000;

/// How much of the budget may be spent on reading, in per cent. The rest is for letters: a question
/// that was read is worth nothing without its answer.
const READING_PERCENT: u64 = 90;

/// What things cost, and how much may be spent in a calendar month (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    pub monthly: MicroDollars,
    /// Reading one post, one direct message, one user.
    pub read_post: MicroDollars,
    pub read_message: MicroDollars,
    pub read_user: MicroDollars,
    /// Writing one post without a web address, one with, one direct message.
    pub post: MicroDollars,
    pub post_with_address: MicroDollars,
    pub message: MicroDollars,
    /// Any other request, such as a deletion.
    pub other: MicroDollars,
}

impl Default for Prices {
    /// The prices that X published in August 2026, each the highest that may apply: its own mentions
    /// cost an account less, and a reply to somebody who called it may cost less than another post.
    fn default() -> Prices {
        Prices {
            monthly: 10 * DOLLAR,
            read_post: 5_000,
            read_message: 10_000,
            read_user: 10_000,
            post: 15_000,
            post_with_address: 200_000,
            message: 15_000,
            other: 10_000,
        }
    }
}

/// What something is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spending {
    Reading,
    Writing,
}

/// An amount that is counted as spent until the call's answer says that it was less.
#[derive(Debug)]
#[must_use]
pub(super) struct Reserved {
    amount: MicroDollars,
    month: String,
}

/// The budget of one account.
#[derive(Debug)]
pub(super) struct Budget {
    prices: Prices,
    file: PathBuf,
    kept: Mutex<Option<Kept>>,
    /// What was read today: reading it again on the same day costs nothing. Forgotten at a restart, when
    /// it is counted a second time.
    today: Mutex<(Option<Date>, HashSet<String>)>,
}

/// The file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Such as `2026-11`.
    month: String,
    spent: MicroDollars,
}

impl Budget {
    pub(super) fn new(prices: Prices, file: PathBuf) -> Budget {
        Budget { prices, file, kept: Mutex::new(None), today: Mutex::default() }
    }

    pub(super) fn prices(&self) -> &Prices {
        &self.prices
    }

    /// What was spent this month.
    pub(super) fn spent(&self, now: Timestamp) -> MicroDollars {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.of_month(&mut kept, now).spent
    }

    /// How much can still be spent this month.
    pub(super) fn left(&self, on: Spending, now: Timestamp) -> MicroDollars {
        let all = match on {
            Spending::Writing => self.prices.monthly,
            Spending::Reading => self.prices.monthly / 100 * READING_PERCENT,
        };
        all.saturating_sub(self.spent(now))
    }

    /// Counts an amount as spent.
    ///
    /// # Errors
    ///
    /// [`Failure::AccountDead`] where the budget does not hold it, with what to do.
    pub(super) fn reserve(
        &self,
        amount: MicroDollars,
        on: Spending,
        now: Timestamp,
    ) -> Result<Reserved, Failure> {
        if self.left(on, now) < amount {
            return Err(USED_UP);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = self.of_month(&mut kept, now);
        let new = Kept { spent: so_far.spent.saturating_add(amount), ..so_far };
        // Looked at again, because somebody else may have spent meanwhile.
        if self.prices.monthly < new.spent {
            return Err(USED_UP);
        }
        self.write(&new)?;
        let month = new.month.clone();
        *kept = Some(new);
        Ok(Reserved { amount, month })
    }

    /// Gives back what a call cost less than was reserved.
    pub(super) fn settle(&self, reserved: Reserved, cost: MicroDollars, now: Timestamp) {
        let less = reserved.amount.saturating_sub(cost);
        if less == 0 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = self.of_month(&mut kept, now);
        if so_far.month != reserved.month {
            return;
        }
        let new = Kept { spent: so_far.spent.saturating_sub(less), ..so_far };
        // Where it cannot be written, more is counted than was spent, which does no harm.
        if self.write(&new).is_ok() {
            *kept = Some(new);
        }
    }

    /// How many of these things were not read before today.
    pub(super) fn new_today(&self, names: impl Iterator<Item = String>, now: Timestamp) -> u64 {
        let date = TimeZone::UTC.to_datetime(now).date();
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.0 != Some(date) {
            *today = (Some(date), HashSet::new());
        }
        names.map(|name| u64::from(today.1.insert(name))).sum()
    }

    fn of_month(&self, kept: &mut Option<Kept>, now: Timestamp) -> Kept {
        let month = month(now);
        let so_far = kept.get_or_insert_with(|| {
            let read = kept::read(&self.file);
            read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
        });
        // A clock that was set back must not turn the month back, which would bring a new budget.
        if so_far.month < month {
            *so_far = Kept { month, spent: 0 };
        }
        so_far.clone()
    }

    fn write(&self, kept: &Kept) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(kept).unwrap_or_default();
        kept::write(&self.file, &bytes).map_err(|error| {
            warn!(kind = ?error.kind(), "What was spent on X cannot be written down");
            Failure::Transient("what was spent cannot be written down: check the data folder and the disk")
        })
    }
}

/// Why nothing more is done this month.
pub(super) const USED_UP: Failure = Failure::AccountDead(
    "the month's budget is used up: raise `monthly_dollars` in `[network.budget]`, or wait for the next month",
);

fn month(now: Timestamp) -> String {
    TimeZone::UTC.to_datetime(now).strftime("%Y-%m").to_string()
}

/// An amount as people read it.
pub(super) fn dollars(amount: MicroDollars) -> String {
    format!("${}.{:02}", amount / DOLLAR, amount % DOLLAR / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn budget(folder: &tempfile::TempDir, monthly: MicroDollars) -> Budget {
        Budget::new(Prices { monthly, ..Prices::default() }, folder.path().join("spent"))
    }

    #[test]
    fn nothing_is_spent_beyond_the_budget_whatever_happens_in_between() {
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-11-24T10:00:00Z");
        let mut calls = 0;
        // A process that ends after every call, whose answer is lost.
        while budget(&folder, DOLLAR).reserve(15_000, Spending::Writing, now).is_ok() {
            calls += 1;
            assert!(calls < 1_000);
        }
        assert_eq!(calls, 66, "66 posts are 0.99 dollars");
        assert_eq!(budget(&folder, DOLLAR).spent(now), 990_000);
        let raised = budget(&folder, 2 * DOLLAR).reserve(15_000, Spending::Writing, now);
        assert!(raised.is_ok(), "a coordinator who raises the budget opens the desk again");
    }

    #[test]
    fn a_new_month_has_a_new_budget_and_a_clock_set_back_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let all = |now| budget(&folder, DOLLAR).reserve(DOLLAR, Spending::Writing, now).is_ok();
        assert!(all(at("2026-11-30T23:59:59Z")));
        assert!(!all(at("2026-11-30T23:59:59Z")));
        assert!(all(at("2026-12-01T00:00:00Z")));
        assert!(!all(at("2026-11-30T23:59:59Z")));
    }

    #[test]
    fn what_was_not_charged_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-11-24T10:00:00Z");
        let budget = budget(&folder, DOLLAR);
        let reserved = budget.reserve(500_000, Spending::Reading, now).unwrap();
        budget.settle(reserved, 5_000, now);
        assert_eq!(budget.spent(now), 5_000);
    }

    #[test]
    fn reading_leaves_something_for_the_answers() {
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-11-24T10:00:00Z");
        let budget = budget(&folder, DOLLAR);
        let read = budget.reserve(900_000, Spending::Reading, now);
        assert!(read.is_ok());
        assert_eq!(budget.reserve(1, Spending::Reading, now).unwrap_err(), USED_UP);
        assert!(budget.reserve(100_000, Spending::Writing, now).is_ok());
    }

    #[test]
    fn what_is_read_twice_on_a_day_costs_once() {
        let folder = tempfile::tempdir().unwrap();
        let budget = budget(&folder, DOLLAR);
        let read = |names: &[&str], now| budget.new_today(names.iter().map(|name| (*name).to_owned()), now);
        assert_eq!(read(&["1", "2"], at("2026-11-24T10:00:00Z")), 2);
        assert_eq!(read(&["2", "3"], at("2026-11-24T23:59:00Z")), 1);
        assert_eq!(read(&["2", "3"], at("2026-11-25T00:00:00Z")), 2);
    }

    #[test]
    fn a_broken_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spent"), "{\"month\":").unwrap();
        assert_eq!(budget(&folder, DOLLAR).spent(at("2026-11-24T10:00:00Z")), 0);
    }
}
