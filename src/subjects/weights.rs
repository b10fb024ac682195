//! How much each kind of term counts, and when the evidence is enough.
//!
//! **Invariant:** a score is a sum of these numbers and of learned ones, so that anybody can check it
//! by hand.

use std::ops::RangeInclusive;

use crate::subjects::format::List;

/// A best subject with a lower confidence is not chosen: the question goes to the general desk.
/// A coordinator may set another.
pub const CONFIDENCE_MIN: f64 = 0.2;

/// A second subject is chosen too when its confidence is at least this share of the best one's.
pub const CLOSE_SECOND_SHARE: f64 = 0.6;

/// What one point of score adds to the odds of a subject in a text of one word, as a power of e. In
/// longer texts it is less, by the square root of the number of words: a term is better evidence in a
/// short question than in a long one. With 4.4, one strong term in a question of ten words gives a
/// confidence of 0.7 where nothing speaks for another subject, two weak ones 0.4, one weak one 0.1.
const SHARPNESS: f64 = 4.4;

/// How often the plainest question is another subject's all the same: people ask where they are, and
/// some questions belong to two subjects. Without it, questions given 0.98 were right only 93 times
/// in 100, over a fifth of 10,000 that were not learned from.
const DOUBT: f64 = 0.08;

/// Texts with fewer words, and with more, count as if they had so many: nobody is sure because of one
/// word, and a long text is read for what it says and not for its length.
const WORDS: RangeInclusive<usize> = 6..=40;

/// A desk with fewer subjects is thought to have so many, those without rules with a score of 0: what
/// it has no rules for is asked all the same. It is about how many fields the great classifications
/// divide knowledge into.
const FIELDS_MIN: usize = 25;

/// Weights and scores are added as hundredths, which does not depend on their order, and shown as
/// this.
pub(super) fn shown(hundredths: i32) -> f64 {
    f64::from(hundredths) / 100.0
}

/// What a term counts of which nothing was learned, in hundredths.
///
/// - A term of `strong` alone is enough to choose its subject.
/// - Of `weak`, two are enough.
/// - With a hashtag, the patron said themselves what it is about.
/// - A term of `against` takes back one strong term.
pub(super) fn of(list: List) -> i16 {
    match list {
        List::Hashtags => 400,
        List::Strong => 300,
        List::Weak => 100,
        List::Against => -300,
        List::Ignore => 0,
    }
}

/// What a term counts of which something was learned: that, but no more and no less than what its
/// list is for.
///
/// So learning only ever adds to what people wrote. Wider bounds are no better for questions like those
/// learned from, and worse for others: of questions from 22 places that nothing was learned from, 54 in
/// 100 went right when strong terms could sink to 2.5 and weak ones to 0.5, and 58 with these bounds.
pub(super) fn within(list: List, learned: i32) -> i16 {
    let usual = of(list);
    let (least, most) = match list {
        List::Strong => (usual, 600),
        List::Weak => (usual, 300),
        List::Against => (-600, usual),
        List::Hashtags | List::Ignore => (usual, usual),
    };
    i16::try_from(learned.clamp(i32::from(least), i32::from(most))).unwrap_or(usual)
}

/// What a term counts, in hundredths, for a subject of which nothing was learned, in a text where
/// something was learned of its words for others: half as much again as it would alone, since many
/// small terms speak for those others.
pub(super) fn untaught(list: List) -> i16 {
    of(list) + of(list) / 2
}

/// How much a point of score counts in a text of so many words.
pub(super) fn sharpness(words: usize) -> f64 {
    SHARPNESS / (words.clamp(*WORDS.start(), *WORDS.end()) as f64).sqrt()
}

/// The confidences of subjects with these scores, in hundredths: how likely each is the one.
pub(super) fn confidences(scores: &[i32], words: usize) -> impl Iterator<Item = f64> + Clone {
    let sharpness = sharpness(words);
    let best = scores.iter().copied().max().unwrap_or_default().max(0);
    let odds = move |score: i32| (shown(score - best) * sharpness).exp();
    let others = FIELDS_MIN.saturating_sub(scores.len());
    let sum = scores.iter().map(|score| odds(*score)).sum::<f64>() + others as f64 * odds(0);
    let doubt = DOUBT / scores.len().max(FIELDS_MIN) as f64;
    scores.iter().map(move |score| (1.0 - DOUBT) * odds(*score) / sum + doubt)
}
