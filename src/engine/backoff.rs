//! How long to wait before trying again.
//!
//! **Invariant:** every wait is bounded, and two desks that failed together do not return together.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The first wait; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(5);

/// No wait is longer, whatever a network says.
pub(crate) const LONGEST: Duration = Duration::from_secs(3_600);

/// The wait before try number `tries`, counted from 1: 5 s, 10 s, 20 s … up to an hour, and up to a
/// quarter more or less so that waits spread out. The spread comes from a hash of the time.
pub(crate) fn wait(tries: u32, now: Timestamp) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let mut hasher = DefaultHasher::new();
    (now.as_nanosecond(), tries).hash(&mut hasher);
    let thousandths = 750 + u32::try_from(hasher.finish() % 501).unwrap_or(0);
    (whole / 1_000).saturating_mul(thousandths).min(LONGEST)
}

/// The time that lies `wait` after `now`.
pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(1));
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// How long it is until `then`; nothing where that is past.
pub(crate) fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_until(then)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour_and_no_further() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (tries, least_secs, most_secs) in
            [(0, 3, 7), (1, 3, 7), (2, 7, 13), (5, 60, 100), (12, 2_700, 3_600), (u32::MAX, 2_700, 3_600)]
        {
            let wait = wait(tries, now).as_secs();
            assert!((least_secs..=most_secs).contains(&wait), "try {tries} waits {wait} s");
        }
    }

    #[test]
    fn desks_that_failed_together_do_not_return_together() {
        let at = |micros: i64| wait(4, Timestamp::from_microsecond(1_800_000_000_000_000 + micros).unwrap());
        let waits: std::collections::BTreeSet<Duration> = (0..20).map(at).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
