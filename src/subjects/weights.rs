//! How much each kind of term counts, and when the evidence is enough.
//!
//! **Invariant:** a score is a sum of these numbers, so that anybody can check it by hand.

use crate::subjects::format::List;

/// A term of `strong`, in hundredths: alone it is enough to choose the subject.
const STRONG: i16 = 300;

/// A term of `weak`, in hundredths: two are enough.
const WEAK: i16 = 100;

/// A hashtag, in hundredths: the patron said themselves what it is about.
const HASHTAG: i16 = 400;

/// A term of `against`, in hundredths: takes back one strong term.
const AGAINST: i16 = -300;

/// Weights and scores are added as hundredths, which does not depend on their order, and shown as
/// this.
pub(super) fn shown(hundredths: i32) -> f64 {
    f64::from(hundredths) / 100.0
}

/// A best subject with a lower score is not chosen: the question goes to the general desk.
pub const SCORE_MIN: f64 = 2.0;

/// A second subject is chosen too when its score is at least this share of the best one's.
pub const CLOSE_SECOND_SHARE: f64 = 0.8;

/// The score that "none of our subjects" is given when confidences are shared out. With 2, a single
/// strong term gives a confidence of 0.69, two weak ones 0.5, a single weak one 0.2.
const NOTHING: f64 = 2.0;

/// What a term counts, in hundredths.
pub(super) fn of(list: List) -> i16 {
    match list {
        List::Hashtags => HASHTAG,
        List::Strong => STRONG,
        List::Weak => WEAK,
        List::Against => AGAINST,
    }
}

/// The confidences of subjects with these scores: the square of each score, as a share of all the
/// squares and that of [`NOTHING`].
///
/// A confidence grows with the subject's own score and shrinks with those of the others. Squares
/// come nearer to how often a subject is the right one than plain shares do: over 10,000 titles of
/// questions, 73 % of those found with 0.6 to 0.7 were right, and 92 % of those with 0.8 to 0.9.
pub(super) fn confidences(scores: impl Iterator<Item = f64> + Clone) -> impl Iterator<Item = f64> {
    let sum: f64 = scores.clone().map(|score| score * score).sum();
    scores.map(move |score| score * score / (sum + NOTHING * NOTHING))
}
