//! When the whole network has to wait.
//!
//! **Invariant:** one letter that is refused keeps no other one waiting.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock;
use crate::engine::backoff;
use crate::networks::Failure;

/// How long a letter rests when the account cannot be used.
pub(super) const ACCOUNT_DEAD_WAIT: Duration = Duration::from_secs(3_600);

/// What a round of calls says about the network as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    /// Nothing is to be sent for this long.
    Rest(Duration),
    /// The network is out of order; wait longer each time.
    Rough,
}

/// Until when nothing is sent, and how many calls in a row met rough weather.
pub(super) fn rest(weather: Weather, until: Timestamp, rough: u32) -> (Timestamp, u32) {
    let now = clock::now();
    match weather {
        Weather::Fair => (until, 0),
        Weather::Rest(wait) => (until.max(backoff::after(now, wait)), rough),
        Weather::Rough => {
            let rough = rough.saturating_add(1);
            (until.max(backoff::after(now, backoff::wait(rough, now))), rough)
        }
    }
}

/// What a failure says about the network as a whole.
pub(super) fn weather(failure: Option<&Failure>) -> Weather {
    match failure {
        None | Some(Failure::Refused(_)) => Weather::Fair,
        Some(Failure::Later { after }) => Weather::Rest((*after).min(backoff::LONGEST)),
        Some(Failure::Transient(_) | Failure::Unsure(_)) => Weather::Rough,
        Some(Failure::AccountDead(_)) => Weather::Rest(ACCOUNT_DEAD_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::letter::Refusal;

    #[test]
    fn bad_weather_keeps_the_whole_network_waiting() {
        let rows = [
            ("fine", None, Weather::Fair),
            ("refused", Some(Failure::Refused(Refusal::Rejected)), Weather::Fair),
            (
                "slow down",
                Some(Failure::Later { after: Duration::from_secs(9) }),
                Weather::Rest(Duration::from_secs(9)),
            ),
            ("down", Some(Failure::Transient("x")), Weather::Rough),
            ("no answer", Some(Failure::Unsure("x")), Weather::Rough),
            ("account dead", Some(Failure::AccountDead("x")), Weather::Rest(Duration::from_secs(3_600))),
        ];
        for (name, failure, expected) in rows {
            assert_eq!(weather(failure.as_ref()), expected, "{name}");
        }
    }
}
