//! How much each kind of term counts, and when the evidence is enough.
//!
//! **Invariant:** a score is a sum of these numbers, so that anybody can check it by hand.

use crate::subjects::format::List;

/// A term of `strong`: alone it is enough to choose the subject.
const STRONG: f64 = 3.0;

/// A term of `weak`: two are enough.
const WEAK: f64 = 1.0;

/// A hashtag: the patron said themselves what it is about.
const HASHTAG: f64 = 4.0;

/// A term of `against`: takes back one strong term.
const AGAINST: f64 = -3.0;

/// A best subject with a lower score is not chosen: the question goes to the general desk.
pub const SCORE_MIN: f64 = 2.0;

/// A second subject is chosen too when its score is at least this share of the best one's.
pub const CLOSE_SECOND_SHARE: f64 = 0.8;

/// What "none of our subjects" weighs in a confidence. With 2, a single strong term gives 0.6, a
/// single weak one 0.33, and no evidence however strong gives 1.
const NOTHING: f64 = 2.0;

pub(super) fn of(list: List) -> f64 {
    match list {
        List::Hashtags => HASHTAG,
        List::Strong => STRONG,
        List::Weak => WEAK,
        List::Against => AGAINST,
    }
}

/// The confidence in a subject: its score's share of all scores above 0 and of [`NOTHING`]. It grows
/// with the subject's own score and shrinks with those of the others.
pub(super) fn confidence(score: f64, sum_of_scores: f64) -> f64 {
    score / (sum_of_scores + NOTHING)
}
