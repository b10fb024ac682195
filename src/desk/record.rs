//! What a librarian's invitations showed, and the chance that they claim the next one in time.
//!
//! Everything is a count, smoothed towards what is known of all librarians of the desk, and that
//! towards an assumption: whoever is new gets their chance, and a few invitations by luck or bad luck
//! do not make a reputation. Old counts fade, because people change.
//!
//! **Invariant:** nothing here is known about anybody but numbers: no question, patron or text. The
//! arithmetic has no function that differs between machines.

pub mod crowd;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::desk::person::is_default;
use crate::desk::record::crowd::Crowd;
use crate::subjects::SubjectId;

/// Ends of the classes of reaction times, in minutes. What takes longer is the last class.
const REACTION_MINUTES: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const REACTIONS: usize = REACTION_MINUTES.len() + 1;

/// Ends of the classes of how long questions wait until they are claimed, in minutes.
const WAIT_MINUTES: [u32; 5] = [10, 30, 60, 4 * 60, 24 * 60];
const WAITS: usize = WAIT_MINUTES.len() + 1;

/// How many good outcomes are assumed of a librarian's work in a subject, against their own.
const QUALITY_WEIGHT: f64 = 4.0;

/// How many invitations a librarian's usual odds weigh against what one subject or one hour showed. The same
/// few claims stand behind all of these, so a few of them move subject and hour only a little.
const SHARE_WEIGHT: f64 = 20.0;

/// How many invitations the others who have reacted weigh, against those of one who has.
const REACTING_WEIGHT: f64 = 15.0;

/// How many the desk as a whole weighs, against those of one who never reacted: who never does is to be
/// known soon.
const SILENT_WEIGHT: f64 = 4.0;

/// How many claims are assumed beside [`SILENT_WEIGHT`] invitations where librarians are put into classes: a
/// newcomer is in the third of four.
const CLASS_CLAIMS: f64 = 0.7;

/// When so many tenths of an invitation are counted, all counts are halved, so that they fade.
const TENTHS_MAX: u16 = 400;

/// The day has so many parts, of four hours each and in UTC, whose reactions are counted apart.
const BANDS: usize = 6;

/// Subject, hour and presence change the odds at most by this factor.
const FACTOR_MAX: f64 = 4.0;

/// Whoever wrote to the desk within this time is at hand …
const AT_HAND_FOR: SignedDuration = SignedDuration::from_mins(15);

/// … and that multiplies their odds. An assumption.
const AT_HAND_FACTOR: f64 = 2.0;

/// What one librarian's invitations showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// How many invitations there were that tell something, in tenths: one that somebody else took
    /// after two of ten minutes tells a fifth of what it would have told.
    #[serde(skip_serializing_if = "is_default")]
    pub asked_tenths: u16,
    /// How many were claimed within each class of reaction times.
    #[serde(skip_serializing_if = "is_default")]
    pub claims: [u16; REACTIONS],
    /// The same by the hour at which they were asked.
    #[serde(skip_serializing_if = "is_default")]
    pub bands: [Share; BANDS],
    /// The same by subject, and what came of it.
    #[serde(skip_serializing_if = "is_default")]
    pub subjects: BTreeMap<SubjectId, Work>,
    /// How often in a row they passed.
    #[serde(skip_serializing_if = "is_default")]
    pub passes_in_a_row: u8,
}

/// How many of some invitations were claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Share {
    pub asked_tenths: u16,
    pub claimed: u16,
}

/// What a librarian did in one subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    #[serde(skip_serializing_if = "is_default")]
    pub share: Share,
    #[serde(skip_serializing_if = "is_default")]
    pub passed: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub answered: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub thanked: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub solved: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub not_solved: u16,
    /// How many of the questions they claimed had waited for how long, in classes, by the hour at which
    /// they were asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_hour")]
    pub waits: BTreeMap<u8, [u16; WAITS]>,
}

/// Reads a map whose keys are hours. JSON writes them as texts, and where a record lies inside something
/// that is tagged, as in archives, serde does not turn such texts into numbers again by itself.
fn by_hour<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u8, [u16; WAITS]>, D::Error> {
    let texts = BTreeMap::<String, [u16; WAITS]>::deserialize(deserializer)?;
    let hours = texts.into_iter().map(|(hour, waits)| Ok((hour.parse()?, waits)));
    hours.collect::<Result<_, std::num::ParseIntError>>().map_err(D::Error::custom)
}

/// An invitation, as far as a record remembers it.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub subject: &'a SubjectId,
    pub sent_at: Timestamp,
}

/// For when a claim is hoped.
#[derive(Clone, Copy, Debug)]
pub struct Hope {
    pub now: Timestamp,
    /// How long the invitation has been unanswered.
    pub elapsed: SignedDuration,
    /// How much longer a claim is hoped for.
    pub within: SignedDuration,
}

impl Record {
    /// They claimed it, after this time. `counted`: it was counted before as left unanswered.
    pub fn claim(&mut self, about: About<'_>, after: SignedDuration, counted: bool) {
        self.count(about, if counted { 0 } else { 10 });
        self.passes_in_a_row = 0;
        let class = &mut self.claims[class_of(after)];
        *class = class.saturating_add(1);
        let band = &mut self.bands[band_of(about.sent_at)];
        band.claimed = band.claimed.saturating_add(1);
        let work = self.subjects.entry(about.subject.clone()).or_default();
        work.share.claimed = work.share.claimed.saturating_add(1);
    }

    /// They passed.
    pub fn pass(&mut self, about: About<'_>, counted: bool) {
        self.count(about, if counted { 0 } else { 10 });
        self.passes_in_a_row = self.passes_in_a_row.saturating_add(1);
        let work = self.subjects.entry(about.subject.clone()).or_default();
        work.passed = work.passed.saturating_add(1);
    }

    /// They left it unanswered for this part of the time in which a claim is hoped for.
    pub fn leave(&mut self, about: About<'_>, stood: SignedDuration, hoped_within: SignedDuration) {
        let hoped = hoped_within.as_secs().max(1);
        let tenths = (stood.as_secs().saturating_mul(10) / hoped).clamp(0, 10);
        self.count(about, u16::try_from(tenths).unwrap_or(10));
    }

    /// A question of this subject that was asked at that time had waited so long when they claimed it.
    pub fn ended_a_wait(&mut self, subject: &SubjectId, asked_at: Timestamp, wait: SignedDuration) {
        let minutes = wait.as_mins();
        let class = WAIT_MINUTES.iter().position(|end| minutes <= i64::from(*end)).unwrap_or(WAITS - 1);
        let band = u8::try_from(band_of(asked_at)).unwrap_or(0);
        let count = &mut self.work_mut(subject).waits.entry(band).or_default()[class];
        *count = count.saturating_add(1);
    }

    /// What they did in a subject, to be changed.
    pub fn work_mut(&mut self, subject: &SubjectId) -> &mut Work {
        self.subjects.entry(subject.clone()).or_default()
    }

    /// The chance that an invitation is claimed in the time hoped for. `seen_at` is when they last wrote to
    /// the desk.
    pub fn chance(&self, crowd: &Crowd, about: About<'_>, seen_at: Option<Timestamp>, hope: Hope) -> f64 {
        let Hope { now, elapsed, within } = hope;
        let until = elapsed.checked_add(within).unwrap_or(SignedDuration::MAX);
        let (before, by_then) = (self.claimed_within(crowd, elapsed), self.claimed_within(crowd, until));
        let plain = ((by_then - before) / (1.0 - before).max(0.01)).clamp(0.001, 0.98);
        let usual = self.claimed_within(crowd, SignedDuration::MAX);
        let of_subject = self.subjects.get(about.subject).map_or(1.0, |work| work.share.factor(usual));
        let of_hour = self.bands[band_of(about.sent_at)].factor(usual);
        let at_hand = seen_at.is_some_and(|at| now.duration_since(at) <= AT_HAND_FOR);
        let factor = of_subject * of_hour * if at_hand { AT_HAND_FACTOR } else { 1.0 };
        let odds = plain / (1.0 - plain) * factor.clamp(1.0 / FACTOR_MAX, FACTOR_MAX);
        odds / (1.0 + odds)
    }

    /// How good their work in a subject was, around 1: what came of what they claimed.
    pub fn quality(&self, subject: &SubjectId) -> f64 {
        let Some(work) = self.subjects.get(subject) else { return 1.0 };
        let good = f64::from(work.answered) + f64::from(work.solved) + 0.5 * f64::from(work.thanked);
        let all = f64::from(work.share.claimed) + f64::from(work.solved) + 2.0 * f64::from(work.not_solved);
        ((QUALITY_WEIGHT + good) / (QUALITY_WEIGHT + all)).clamp(0.25, 1.25)
    }

    /// How likely they are to claim, in four classes, the likeliest first: an order that holds for a
    /// while, without a look at the time or at anybody else.
    pub fn class(&self) -> usize {
        let claimed: u16 = self.claims.iter().take(5).fold(0, |sum, count| sum.saturating_add(*count));
        let share =
            (f64::from(claimed) + CLASS_CLAIMS) / (f64::from(self.asked_tenths) / 10.0 + SILENT_WEIGHT);
        match share {
            0.5.. => 0,
            0.3..0.5 => 1,
            0.07..0.3 => 2,
            _ => 3,
        }
    }

    /// The share of invitations that they have claimed when they are so old.
    ///
    /// Those who react now and then and those who never do are two kinds of people, and what both do on
    /// average is true of neither. So whoever has claimed or passed before is taken to be like the others
    /// who have, and whoever never did is soon expected to go on so.
    fn claimed_within(&self, crowd: &Crowd, age: SignedDuration) -> f64 {
        let own = up_to(age, |class| f64::from(self.claims[class]));
        let asked = f64::from(self.asked_tenths) / 10.0;
        let (others, weight) = match self.has_reacted() {
            true => (crowd.claimed_by_reacting_within(age), REACTING_WEIGHT),
            false => (crowd.claimed_within(age), SILENT_WEIGHT),
        };
        ((own + weight * others) / (asked + weight)).min(0.98)
    }

    /// Whether they have claimed anything or passed.
    fn has_reacted(&self) -> bool {
        self.claims.iter().any(|count| 0 < *count) || self.subjects.values().any(|work| 0 < work.passed)
    }

    /// What they add to the invitations of those who have reacted.
    fn reacting_asked_tenths(&self) -> u64 {
        if self.has_reacted() { u64::from(self.asked_tenths) } else { 0 }
    }

    fn count(&mut self, about: About<'_>, tenths: u16) {
        if TENTHS_MAX <= self.asked_tenths.saturating_add(tenths) {
            self.fade();
        }
        self.asked_tenths += tenths;
        let band = &mut self.bands[band_of(about.sent_at)];
        band.asked_tenths = band.asked_tenths.saturating_add(tenths);
        let share = &mut self.subjects.entry(about.subject.clone()).or_default().share;
        share.asked_tenths = share.asked_tenths.saturating_add(tenths);
    }

    fn fade(&mut self) {
        self.asked_tenths /= 2;
        self.claims.iter_mut().for_each(|count| *count /= 2);
        self.bands.iter_mut().for_each(Share::fade);
        for work in self.subjects.values_mut() {
            work.share.fade();
            for count in [
                &mut work.passed,
                &mut work.answered,
                &mut work.thanked,
                &mut work.solved,
                &mut work.not_solved,
            ] {
                *count /= 2;
            }
            work.waits.values_mut().flatten().for_each(|count| *count /= 2);
        }
    }
}

impl Share {
    /// By how much the odds are better here than usual, smoothed towards not at all.
    fn factor(&self, usual: f64) -> f64 {
        let asked = f64::from(self.asked_tenths) / 10.0;
        let here = (f64::from(self.claimed) + SHARE_WEIGHT * usual) / (asked + SHARE_WEIGHT);
        here / usual.max(0.01)
    }

    fn fade(&mut self) {
        self.asked_tenths /= 2;
        self.claimed /= 2;
    }
}

fn class_of(after: SignedDuration) -> usize {
    let seconds = after.as_secs();
    REACTION_MINUTES.iter().position(|end| seconds <= i64::from(*end) * 60).unwrap_or(REACTIONS - 1)
}

fn band_of(at: Timestamp) -> usize {
    let hour = at.as_second().rem_euclid(24 * 3_600) / 3_600;
    usize::try_from(hour / 4).unwrap_or(0)
}

/// The sum of the classes up to an age, with the due part of the class that the age is in. The last
/// class has no end; half of it is taken to come within four hours, and the rest only at the very end.
fn up_to(age: SignedDuration, count: impl Fn(usize) -> f64) -> f64 {
    let minutes = age.as_secs() as f64 / 60.0;
    let mut sum = 0.0;
    let mut start = 0.0;
    for (class, end) in REACTION_MINUTES.iter().map(|end| f64::from(*end)).enumerate() {
        if minutes <= end {
            return sum + count(class) * (minutes - start).max(0.0) / (end - start);
        }
        sum += count(class);
        start = end;
    }
    let late = count(REACTIONS - 1);
    if age == SignedDuration::MAX { sum + late } else { sum + late * ((minutes - start) / 480.0).min(0.5) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: SignedDuration = SignedDuration::from_mins(10);

    /// Archives and replies to the command line hold people inside tagged values.
    #[test]
    fn a_record_comes_back_from_inside_something_tagged() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "row", rename_all = "snake_case")]
        enum Row {
            Person { record: Record },
        }
        let mut record = Record::default();
        let asked_at: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        record.ended_a_wait(&SubjectId::new("history"), asked_at, SignedDuration::from_mins(3));
        let row = Row::Person { record };
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.contains("waits"), "{text}");
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
    }

    fn about(subject: &SubjectId) -> About<'_> {
        About { subject, sent_at: Timestamp::UNIX_EPOCH }
    }

    fn chance(record: &Record, crowd: &Crowd, elapsed: i64) -> f64 {
        let subject = SubjectId::new("history");
        let now = "2026-03-02T10:00:00Z".parse().unwrap();
        let hope = Hope { now, elapsed: SignedDuration::from_mins(elapsed), within: WITHIN };
        record.chance(crowd, about(&subject), None, hope)
    }

    #[test]
    fn two_strangers_together_are_assumed_to_claim_four_of_five_in_time() {
        let alone = chance(&Record::default(), &Crowd::default(), 0);
        assert!((0.80..0.82).contains(&(1.0 - (1.0 - alone) * (1.0 - alone))), "{alone}");
    }

    #[test]
    fn records_move_the_chance_and_newcomers_follow_the_desk() {
        let history = SubjectId::new("history");
        let (mut quick, mut silent, mut crowd) = (Record::default(), Record::default(), Crowd::default());
        for _ in 0..20 {
            quick.claim(about(&history), SignedDuration::from_mins(3), false);
            silent.leave(about(&history), SignedDuration::from_hours(9), WITHIN);
        }
        let newcomer = |crowd: &Crowd| chance(&Record::default(), crowd, 0);
        let assumed = newcomer(&crowd);
        assert!(0.8 < chance(&quick, &crowd, 0));
        assert!(chance(&silent, &crowd, 0) < 0.15);
        crowd.add(&silent);
        assert!(newcomer(&crowd) < assumed, "where all are silent, more have to be asked");
        crowd.subtract(&silent);
        assert_eq!(crowd, Crowd::default());
    }

    /// Some never react at all. Whoever passed is not one of them.
    #[test]
    fn whoever_passed_is_likelier_to_claim_than_whoever_never_reacted() {
        let history = SubjectId::new("history");
        let (mut passes, mut silent, mut crowd) = (Record::default(), Record::default(), Crowd::default());
        let mut claims = Record::default();
        for _ in 0..9 {
            silent.leave(about(&history), WITHIN, WITHIN);
            passes.leave(about(&history), WITHIN, WITHIN);
            claims.claim(about(&history), SignedDuration::from_mins(3), false);
        }
        silent.leave(about(&history), WITHIN, WITHIN);
        passes.pass(about(&history), false);
        [&passes, &silent, &claims].into_iter().for_each(|record| crowd.add(record));
        let [passes, silent, claims] = [&passes, &silent, &claims].map(|record| chance(record, &crowd, 0));
        assert!(2.0 * silent < passes && passes < claims, "{silent} {passes} {claims}");
    }

    #[test]
    fn what_a_colleague_took_early_says_little() {
        let history = SubjectId::new("history");
        let (mut taken, mut left) = (Record::default(), Record::default());
        for _ in 0..10 {
            taken.leave(about(&history), SignedDuration::from_secs(30), WITHIN);
            left.leave(about(&history), WITHIN, WITHIN);
        }
        let crowd = Crowd::default();
        assert!(2.0 * chance(&left, &crowd, 0) < chance(&taken, &crowd, 0));
    }

    #[test]
    fn subject_hour_and_presence_count() {
        let (history, law) = (SubjectId::new("history"), SubjectId::new("law"));
        let mut record = Record::default();
        for _ in 0..10 {
            record.claim(about(&history), SignedDuration::from_mins(3), false);
            record.pass(about(&law), false);
        }
        let crowd = Crowd::default();
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let hope = Hope { now, elapsed: SignedDuration::ZERO, within: WITHIN };
        let chance = |subject, seen_at| record.chance(&crowd, about(subject), seen_at, hope);
        assert!(chance(&law, None) < chance(&history, None));
        assert!(chance(&law, None) < chance(&law, Some(now)));
    }

    #[test]
    fn counts_fade_and_never_overflow() {
        let history = SubjectId::new("history");
        let mut record = Record::default();
        for _ in 0..100_000 {
            record.claim(about(&history), SignedDuration::from_mins(3), false);
            assert!(record.asked_tenths < TENTHS_MAX);
        }
        assert_eq!(record.class(), 0);
    }
}
