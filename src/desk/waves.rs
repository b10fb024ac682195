//! Waves: how many librarians are invited together, and how long the desk then waits.
//!
//! As many are invited, best first, as it takes for one of them to claim within the time hoped for with
//! the chance aimed at, and no more. Those who still think about it count with what is left of their
//! chance. When it is nearly gone, one more is invited, and another for whoever passes. It is the first wave
//! that brings most answers, so it is waited longer where many were asked: whoever is invited today cannot be
//! invited to the next question, and a desk that asks wave upon wave in the morning has nobody left in the
//! evening.
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

/// It is waited at most this many times the time hoped for, and only once that long where the next to be
/// asked is likelier to claim than those who were.
const LONGEST: i32 = 2;

/// How many are invited when those who were asked had their time.
pub(crate) const LATER: usize = 1;

/// How many are invited at first to a question whose subject nobody can tell yet. Each of them is unlikely to
/// know, and the patron is asked for a word about it at once.
pub(crate) const WITHOUT_SUBJECT: usize = 3;

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

/// How long to wait for those who were invited before others are. `next` is the chance of the one who would
/// be asked then.
pub(crate) fn wait(waiting: &[Waiting<'_>], next: f64, around: &Circumstances<'_>) -> SignedDuration {
    let hoped = around.settings.claim_within.max(WAIT_MIN);
    let step = hoped / STEPS;
    let chance = |after: SignedDuration| 1.0 - silence(waiting, around, after);
    let little = chance(SignedDuration::ZERO).min(aim(around.settings)) * WORTH_WAITING;
    let is_over = |after: &SignedDuration| {
        let chance = chance(*after);
        chance < little || hoped <= *after && chance < next
    };
    let steps = (1..=STEPS * LONGEST).map(|count| step * count);
    let longest = hoped.checked_mul(LONGEST).unwrap_or(hoped);
    steps.filter(|after| WAIT_MIN <= *after).find(is_over).unwrap_or(longest)
}

fn aim(settings: &Settings) -> f64 {
    f64::from(settings.claim_chance_percent.min(99)) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::allowance::Allowance;
    use crate::desk::roster::Roster;
    use crate::subjects::Subjects;

    #[test]
    fn as_many_are_asked_as_it_takes() {
        let settings = Settings { claim_chance_percent: 80, invite_at_most: 4, ..Settings::default() };
        let rows: [(&str, &[f64], f64, usize, usize); 4] = [
            ("one who surely comes", &[0.9, 0.5, 0.5], 1.0, 1, 1),
            ("two together", &[0.6, 0.6, 0.6], 1.0, 1, 2),
            ("no more than the desk may ask together", &[0.1; 9], 1.0, 1, 4),
            ("none besides those who think about it", &[0.6], 0.1, 0, 0),
        ];
        for (what, chances, silent, at_least, expected) in rows {
            assert_eq!(enough(chances.iter().copied(), silent, at_least, &settings).0, expected, "{what}");
        }
    }

    /// Of a few strangers, and of many: the next one is asked in time, or not for one who is not needed.
    #[test]
    fn it_is_waited_longer_where_many_were_asked() {
        let (settings, subjects, roster) = (Settings::default(), Subjects::default(), Roster::default());
        let (changed, now) = (Default::default(), "2026-03-02T10:00:00Z".parse().unwrap());
        let around = Circumstances {
            settings: &settings,
            subjects: &subjects,
            roster: &roster,
            changed: &changed,
            now,
        };
        let librarian = Librarian::newcomer(1, Allowance::default());
        let one = || Waiting { librarian: &librarian, subject: SubjectId::new("history"), sent_at: now };
        let minutes = |asked: usize, next: f64| {
            let waiting: Vec<Waiting<'_>> = (0..asked).map(|_| one()).collect();
            wait(&waiting, next, &around).as_mins()
        };
        assert_eq!(minutes(1, 0.5), 10);
        assert_eq!(minutes(1, 1.0), 10);
        assert_eq!(minutes(20, 0.5), 20);
    }
}
