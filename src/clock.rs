//! The one place that reads the clock.
//!
//! **Invariant:** everything else is told the time. `.clippy.toml` forbids reading it elsewhere.

use jiff::Timestamp;

/// The present time, to the microsecond, which is what networks and stored values keep.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
