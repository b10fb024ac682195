//! Times and deliveries for the sender's tests; numbers are seconds from one moment.
//!
//! **Invariant:** only tests know this.

use jiff::Timestamp;

use crate::desk::letter::Delivery;

/// The moment, in seconds since 1970.
const START_S: i64 = 1_800_000_000;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START_S + seconds).unwrap()
}

pub(super) fn waiting(not_before: i64, tries: u32) -> Delivery {
    Delivery::Waiting { not_before: at(not_before), tries }
}

pub(super) fn claimed(when: i64, tries: u32) -> Delivery {
    Delivery::Claimed { at: at(when), tries }
}

pub(super) fn unsure(since: i64, look_at: i64, tries: u32) -> Delivery {
    Delivery::Unsure { since: at(since), look_at: at(look_at), tries }
}
