//! Looking before repeating: whether a letter that may be on its network already may be sent again, and
//! when it is time to look for it.
//!
//! **Invariant:** where a second post is possible, nothing is looked for before the first request must
//! have arrived and its network has had its time to show it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::desk::Letter;
use crate::desk::letter::{Content, Delivery};
use crate::engine::backoff;
use crate::engine::sender::outcome::tries;
use crate::engine::sender::{CALL_TIME_MAX, Sender};

/// How long a network may take to show a post that it took.
const SETTLE_TIME: Duration = Duration::from_secs(60);

/// How long a server that knows keys is trusted to remember one: they promise an hour.
const KEY_TIME: SignedDuration = SignedDuration::from_mins(50);

/// How often an unclear answer is followed by the same request under the same key. After that, the
/// letter is looked for only once it must have arrived.
const UNCLEAR_MAX: u32 = 2;

/// What sending a letter again could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    /// Nothing: it is the same post.
    Harmless,
    /// There would be a second post.
    Doubles,
}

impl Sender<'_> {
    /// What sending this letter again could do.
    pub(super) fn repeats(self, letter: &Letter, delivery: &Delivery, now: Timestamp) -> Repeats {
        if letter.repeats_are_harmless() {
            return Repeats::Harmless;
        }
        let is_young = letter.made_at.duration_until(now) < KEY_TIME;
        let has_key = self.connector.repeats_are_harmless(letter);
        if has_key && is_young && tries(delivery) < UNCLEAR_MAX {
            Repeats::Harmless
        } else {
            Repeats::Doubles
        }
    }

    /// Whether a letter that was tried before is looked for in the same breath before it is tried again:
    /// its key may be forgotten by now, and what was looked for in vain may have arrived since.
    pub(super) fn looks_first(self, letter: &Letter, delivery: &Delivery, now: Timestamp) -> bool {
        let was_tried = tries(delivery) > 0 && matches!(letter.content, Content::Post { .. });
        let is_old = KEY_TIME <= letter.made_at.duration_until(now);
        was_tried && is_old && !letter.repeats_are_harmless()
    }
}

/// What a letter becomes that was claimed and whose result nobody knows; `None` for one that was not
/// claimed.
pub(super) fn found_in_hand(delivery: &Delivery, repeats: Repeats) -> Option<Delivery> {
    match delivery {
        Delivery::Claimed { at, tries } => Some(Delivery::Unsure {
            since: *at,
            look_at: look_at(*at, repeats),
            tries: tries.saturating_add(1),
        }),
        Delivery::Waiting { .. }
        | Delivery::Unsure { .. }
        | Delivery::Sent { .. }
        | Delivery::Refused { .. } => None,
    }
}

/// When it is time to look for a letter. Where a second post is possible, the request may arrive until
/// its time is over, counted from the claim, and only then does the network get its time to show it.
pub(super) fn look_at(claimed_at: Timestamp, repeats: Repeats) -> Timestamp {
    match repeats {
        Repeats::Harmless => claimed_at,
        Repeats::Doubles => backoff::after(claimed_at, CALL_TIME_MAX + SETTLE_TIME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sender::moments::{claimed, unsure, waiting};

    #[test]
    fn once_a_letter_that_was_in_hand_is_looked_for_before_it_is_repeated() {
        assert_eq!(found_in_hand(&claimed(0, 3), Repeats::Doubles), Some(unsure(0, 120, 4)));
        assert_eq!(found_in_hand(&claimed(0, 3), Repeats::Harmless), Some(unsure(0, 0, 4)));
        assert_eq!(found_in_hand(&waiting(0, 3), Repeats::Doubles), None);
        assert_eq!(found_in_hand(&unsure(0, 5, 3), Repeats::Doubles), None);
    }
}
