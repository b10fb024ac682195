//! What becomes of a letter after a call.
//!
//! **Invariant:** pure functions of what a call said and how the letter stood; no letter that may have
//! arrived becomes one that is simply sent again.

use jiff::Timestamp;

use crate::desk::Place;
use crate::desk::letter::{Delivery, Refusal};
use crate::engine::backoff;
use crate::engine::sender::HELD_UP_WAIT;
use crate::engine::sender::repeats::{Repeats, found_in_hand, look_at};
use crate::engine::sender::weather::ACCOUNT_DEAD_WAIT;
use crate::networks::Failure;

/// What is done with a letter after a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// It stays in the outbox like this.
    Keep(Delivery),
    /// It is on the network.
    Delivered(Place),
    /// It is given up, which the core is told.
    GiveUp(Refusal),
}

pub(super) fn tries(delivery: &Delivery) -> u32 {
    match delivery {
        Delivery::Waiting { tries, .. }
        | Delivery::Claimed { tries, .. }
        | Delivery::Unsure { tries, .. } => *tries,
        Delivery::Sent { .. } | Delivery::Refused { .. } => 0,
    }
}

/// What is done with a letter once the call to send it has ended. `claimed` is how it stood during
/// the call.
pub(super) fn after_send(
    sent: Result<Place, Failure>,
    claimed: &Delivery,
    repeats: Repeats,
    now: Timestamp,
) -> Next {
    let tries = tries(claimed).saturating_add(1);
    match sent {
        Ok(place) => Next::Delivered(place),
        Err(Failure::Refused(why)) => Next::GiveUp(why),
        Err(Failure::Unsure(_)) => Next::Keep(found_in_hand(claimed, repeats).unwrap_or(Delivery::Unsure {
            since: now,
            look_at: look_at(now, repeats),
            tries,
        })),
        // Waiting as told is no failed try.
        Err(Failure::Later { after }) => Next::Keep(Delivery::Waiting {
            not_before: backoff::after(now, after.min(backoff::LONGEST)),
            tries: tries - 1,
        }),
        Err(Failure::AccountDead(_)) => Next::Keep(Delivery::Waiting {
            not_before: backoff::after(now, ACCOUNT_DEAD_WAIT),
            tries: tries - 1,
        }),
        Err(Failure::Transient(_)) => Next::Keep(Delivery::Waiting {
            not_before: backoff::after(now, backoff::wait(tries, now)),
            tries,
        }),
    }
}

/// What is done with an unsure letter once it was looked for.
pub(super) fn after_look(found: Result<Option<Place>, Failure>, unsure: &Delivery, now: Timestamp) -> Next {
    let since = match unsure {
        Delivery::Unsure { since, .. } => *since,
        Delivery::Waiting { .. }
        | Delivery::Claimed { .. }
        | Delivery::Sent { .. }
        | Delivery::Refused { .. } => now,
    };
    let tries = tries(unsure).saturating_add(1);
    let again = |wait| Next::Keep(Delivery::Unsure { since, look_at: backoff::after(now, wait), tries });
    match found {
        Ok(Some(place)) => Next::Delivered(place),
        Ok(None) => Next::Keep(Delivery::Waiting { not_before: now, tries }),
        Err(Failure::Later { after }) => again(after.min(backoff::LONGEST)),
        Err(Failure::AccountDead(_)) => again(ACCOUNT_DEAD_WAIT),
        Err(Failure::Transient(_) | Failure::Unsure(_)) => again(backoff::wait(tries, now)),
        // Nobody will ever know whether it is there, so that it is not repeated.
        Err(Failure::Refused(why)) => Next::GiveUp(why),
    }
}

/// Where a letter attaches whose predecessor in its chain stands like this.
pub(super) fn after_previous(previous: Option<Delivery>, now: Timestamp) -> Result<Option<Place>, Next> {
    let until = |at: Timestamp| {
        let at = at.max(backoff::after(now, HELD_UP_WAIT));
        Err(Next::Keep(Delivery::Waiting { not_before: at, tries: 0 }))
    };
    match previous {
        Some(Delivery::Sent { place, .. }) => Ok(Some(place)),
        // One that is gone was erased with its question.
        None | Some(Delivery::Refused { .. }) => Err(Next::GiveUp(Refusal::ChainBroken)),
        Some(Delivery::Waiting { not_before, .. }) => until(not_before),
        Some(Delivery::Unsure { look_at, .. }) => until(look_at),
        Some(Delivery::Claimed { .. }) => until(now),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::desk::{Anchor, Network};
    use crate::engine::sender::moments::{at, claimed, unsure, waiting};

    fn place() -> Place {
        Place::top(Network::Sandbox, Anchor::new("7"))
    }

    /// Times that carry a spread are compared without it.
    fn without_spread(next: Next) -> Next {
        let Next::Keep(delivery) = next else { return next };
        let near = |time: Timestamp, seconds: i64| at(seconds - 3) < time && time < at(seconds + 3);
        Next::Keep(match delivery {
            Delivery::Waiting { not_before, tries } if near(not_before, 105) => waiting(105, tries),
            Delivery::Unsure { since, look_at, tries } if near(look_at, 110) => {
                Delivery::Unsure { since, look_at: at(110), tries }
            }
            Delivery::Waiting { .. }
            | Delivery::Unsure { .. }
            | Delivery::Claimed { .. }
            | Delivery::Sent { .. }
            | Delivery::Refused { .. } => delivery,
        })
    }

    #[test]
    fn once_what_is_done_after_a_call_to_send() {
        let later = |seconds| Failure::Later { after: Duration::from_secs(seconds) };
        let rows = [
            ("sent", Ok(place()), Next::Delivered(place())),
            ("refused for good", Err(Failure::Refused(Refusal::Rejected)), Next::GiveUp(Refusal::Rejected)),
            ("told to wait, which is no try", Err(later(30)), Next::Keep(waiting(130, 0))),
            ("told to wait for a year: an hour", Err(later(31_000_000)), Next::Keep(waiting(3_700, 0))),
            ("network down: again soon", Err(Failure::Transient("x")), Next::Keep(waiting(105, 1))),
            ("account dead: in an hour", Err(Failure::AccountDead("x")), Next::Keep(waiting(3_700, 0))),
            (
                "nobody knows: look once it must have arrived, counted from the claim",
                Err(Failure::Unsure("x")),
                Next::Keep(unsure(90, 90 + 60 + 60, 1)),
            ),
        ];
        for (name, sent, expected) in rows {
            assert_eq!(
                without_spread(after_send(sent, &claimed(90, 0), Repeats::Doubles, at(100))),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn once_what_is_done_after_a_look() {
        let later = Failure::Later { after: Duration::from_secs(30) };
        let rows = [
            ("it is there", Ok(Some(place())), Next::Delivered(place())),
            ("it is not there: send it", Ok(None), Next::Keep(waiting(100, 2))),
            ("told to wait: look later", Err(later), Next::Keep(unsure(0, 130, 2))),
            ("network down: look soon", Err(Failure::Transient("x")), Next::Keep(unsure(0, 110, 2))),
            ("no answer: look soon", Err(Failure::Unsure("x")), Next::Keep(unsure(0, 110, 2))),
            ("account dead: in an hour", Err(Failure::AccountDead("x")), Next::Keep(unsure(0, 3_700, 2))),
            (
                "it can never be known: not repeated",
                Err(Failure::Refused(Refusal::Unreachable)),
                Next::GiveUp(Refusal::Unreachable),
            ),
        ];
        for (name, found, expected) in rows {
            assert_eq!(without_spread(after_look(found, &unsure(0, 100, 1), at(100))), expected, "{name}");
        }
    }

    #[test]
    fn a_part_of_a_chain_attaches_to_the_one_before() {
        let wait = |until| Err(Next::Keep(waiting(until, 0)));
        let broken = || Err(Next::GiveUp(Refusal::ChainBroken));
        let refused = Delivery::Refused { why: Refusal::Rejected, at: at(0) };
        let rows = [
            ("sent", Some(Delivery::Sent { place: place(), at: at(0) }), Ok(Some(place()))),
            ("refused", Some(refused), broken()),
            ("erased", None, broken()),
            ("still waiting", Some(waiting(500, 1)), wait(500)),
            ("in hand", Some(claimed(99, 0)), wait(105)),
            ("looked for", Some(unsure(0, 300, 0)), wait(300)),
        ];
        for (name, previous, expected) in rows {
            assert_eq!(after_previous(previous, at(100)), expected, "{name}");
        }
    }
}
