//! What the invitations of all librarians of a desk showed together.
//!
//! **Invariant:** it is the sum of the records: what was added with one is taken out again with it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::desk::record::{BANDS, REACTIONS, Record, WAIT_MINUTES, WAITS, band_of, up_to};
use crate::subjects::SubjectId;

/// What is assumed of librarians before any was asked: how many of a hundred have claimed by the end of
/// each class of reaction times. By this, two together claim four of five within ten minutes.
const ASSUMED_PERCENT: [f64; REACTIONS] = [10.0, 20.0, 35.0, 52.0, 66.0, 72.0, 76.0, 85.0];

/// How many invitations the assumption weighs, against all of the desk.
const ASSUMED_WEIGHT: f64 = 20.0;

/// From so many questions on it is said what was usual.
const USUAL_FROM: u64 = 5;

/// What the invitations of all librarians of a desk showed together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crowd {
    asked_tenths: u64,
    /// The same of those who have reacted to any invitation, to whom all the claims belong.
    reacting_asked_tenths: u64,
    claims: [u64; REACTIONS],
    waits: BTreeMap<SubjectId, [[u64; WAITS]; BANDS]>,
}

impl Crowd {
    /// Adds a librarian's record.
    pub fn add(&mut self, record: &Record) {
        self.asked_tenths += u64::from(record.asked_tenths);
        self.reacting_asked_tenths += record.reacting_asked_tenths();
        for (sum, count) in self.claims.iter_mut().zip(record.claims) {
            *sum += u64::from(count);
        }
        self.change_waits(record, |sum, count| *sum += count);
    }

    /// Takes a librarian's record out again.
    pub fn subtract(&mut self, record: &Record) {
        self.asked_tenths = self.asked_tenths.saturating_sub(u64::from(record.asked_tenths));
        self.reacting_asked_tenths =
            self.reacting_asked_tenths.saturating_sub(record.reacting_asked_tenths());
        for (sum, count) in self.claims.iter_mut().zip(record.claims) {
            *sum = sum.saturating_sub(u64::from(count));
        }
        self.change_waits(record, |sum, count| *sum = sum.saturating_sub(count));
        self.waits.retain(|_, bands| bands.iter().flatten().any(|count| 0 < *count));
    }

    /// Within how many minutes half of those questions of a subject were claimed that were claimed at all
    /// and asked at this hour, or at any hour where those were too few. `None` where nothing is known, or
    /// it was more than a day.
    pub fn usual_wait(&self, subject: &SubjectId, at: Timestamp) -> Option<u32> {
        let bands = self.waits.get(subject)?;
        let at_this_hour = bands[band_of(at)];
        let at_any = bands.iter().fold([0; WAITS], |mut sum, band| {
            sum.iter_mut().zip(band).for_each(|(sum, count)| *sum += count);
            sum
        });
        let is_enough = |counts: &[u64; WAITS]| USUAL_FROM <= counts.iter().sum::<u64>();
        let counts = [at_this_hour, at_any].into_iter().find(is_enough)?;
        let half = counts.iter().sum::<u64>().div_ceil(2);
        let mut sum = 0;
        let class = counts.iter().position(|count| {
            sum += count;
            half <= sum
        })?;
        WAIT_MINUTES.get(class).copied()
    }

    /// The share of all invitations that have been claimed when they are so old.
    pub(super) fn claimed_within(&self, age: SignedDuration) -> f64 {
        self.share_claimed_within(age, self.asked_tenths)
    }

    /// The same of those to librarians who have reacted to any.
    pub(super) fn claimed_by_reacting_within(&self, age: SignedDuration) -> f64 {
        self.share_claimed_within(age, self.reacting_asked_tenths)
    }

    fn change_waits(&mut self, record: &Record, change: impl Fn(&mut u64, u64)) {
        for (subject, work) in record.subjects.iter().filter(|(_, work)| !work.waits.is_empty()) {
            let bands = self.waits.entry(subject.clone()).or_default();
            for (band, counts) in &work.waits {
                let Some(sums) = bands.get_mut(usize::from(*band)) else { continue };
                sums.iter_mut().zip(counts).for_each(|(sum, count)| change(sum, u64::from(*count)));
            }
        }
    }

    /// The share of so many invitations that have been claimed when they are so old.
    fn share_claimed_within(&self, age: SignedDuration, asked_tenths: u64) -> f64 {
        let claimed = up_to(age, |class| self.claims[class] as f64);
        let before = |class: usize| class.checked_sub(1).map_or(0.0, |class| ASSUMED_PERCENT[class]);
        let assumed = up_to(age, |class| ASSUMED_PERCENT[class] - before(class)) / 100.0;
        let asked = asked_tenths as f64 / 10.0;
        (claimed + ASSUMED_WEIGHT * assumed) / (asked + ASSUMED_WEIGHT)
    }
}
