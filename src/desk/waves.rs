//! Waves: how many librarians are invited together, and how long the desk then waits.
//!
//! As many are invited, best first, as it takes for one of them to claim within the time hoped for with
//! the the chance aimed at, and no more. Those who still think about it count with what is left of their
//! chance. They have all of the time hoped for before the next wave, which is smaller: whoever is invited
//! today cannot be invited to the next question, and a desk that asks wave upon wave in the morning has nobody
//! left in the evening. For somebody who passes, one other is invited at once.
//!
//! **Invariant:** nothing here decides who is asked, and no wave is larger than
//! [`Settings::invite_at_most`].

use jiff::{SignedDuration, Timestamp};

use crate::desk::person::Librarian;
use crate::desk::routing::{self, Circumstances};
use crate::desk::settings::Settings;
use crate::subjects::SubjectId;

/// The shortest time between two waves: people need a moment to read.
const WAIT_MIN: SignedDuration = SignedDuration::from_mins(2);

/// It is waited for those who were asked until this part of the chance is left that there is now.
const WORTH_WAITING: f64 = 0.1;

/// A later wave is at most this part of the largest first one.
const LATER: usize = 5;

/// In so many steps the time for the next wave is looked for.
const STEPS: i32 = 20;

/// Somebody who was invited and has not said anything yet.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    pub(crate) librarian: &'a Librarian,
    pub(crate) subject: SubjectId,
    pub(crate) sent_at: Timestamp,
}

/// The chance, from 0 to 1, that none of them claims within the time hoped for, counted from so long
/// after now.
pub(crate) fn silence(waiting: &[Waiting<'_>], around: &Circumstances<'_>, after: SignedDuration) -> f64 {
    let silent = |one: &Waiting<'_>| {
        let elapsed = around.now.duration_since(one.sent_at).checked_add(after);
        let elapsed = elapsed.unwrap_or(SignedDuration::MAX).max(SignedDuration::ZERO);
        1.0 - routing::chance(one.librarian, &one.subject, around, one.sent_at, elapsed)
    };
    waiting.iter().map(silent).product()
}

/// How many of these chances, in their order, it takes to reach the chance aimed at, where it is
/// missed with `silent` before; and how likely a claim is then.
pub(crate) fn enough(
    chances: impl Iterator<Item = f64>,
    silent: f64,
    at_least: usize,
    settings: &Settings,
) -> (usize, f64) {
    let aim = aim(settings);
    let (mut count, mut silent) = (0, silent);
    for chance in chances.take(settings.invite_at_most.max(at_least)) {
        if at_least <= count && aim <= 1.0 - silent {
            break;
        }
        silent *= 1.0 - chance;
        count += 1;
    }
    (count, 1.0 - silent)
}

/// How long to wait for those who were invited before others are.
pub(crate) fn wait(waiting: &[Waiting<'_>], around: &Circumstances<'_>) -> SignedDuration {
    let longest = around.settings.claim_within.max(WAIT_MIN);
    let step = longest / STEPS;
    let at_first = 1.0 - silence(waiting, around, SignedDuration::ZERO);
    let little = at_first.min(aim(around.settings)) * WORTH_WAITING;
    let is_over = |after: &SignedDuration| 1.0 - silence(waiting, around, *after) < little;
    let steps = (1..=STEPS).map(|count| step * count).filter(|after| WAIT_MIN <= *after);
    steps.clone().find(is_over).unwrap_or(longest)
}

/// The largest wave after the first.
pub(crate) fn later(settings: &Settings) -> usize {
    (settings.invite_at_most / LATER).max(1)
}

fn aim(settings: &Settings) -> f64 {
    f64::from(settings.claim_chance_percent.min(99)) / 100.0
}
