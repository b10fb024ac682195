//! Measures the classifier on texts whose subject is known.
//!
//! **Invariant:** an abstention, where the best subject is the general desk, is never counted as
//! right.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::subjects::{Classification, SubjectId};

/// Counts, text after text.
#[derive(Clone, Debug, Default)]
pub struct Evaluator {
    counts: BTreeMap<SubjectId, Counts>,
    confusion: Confusion,
    top2: usize,
    abstained: usize,
    /// For each text the confidence of the subject that ranks first, and whether that is right.
    first: Vec<(f64, bool)>,
}

/// How many texts of each subject went to which. The general desk is there by its own id.
pub type Confusion = BTreeMap<SubjectId, BTreeMap<SubjectId, usize>>;

/// How many bands of equal width the confidences from 0 to 1 are cut into.
const BANDS: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Texts of this subject.
    texts: usize,
    /// Texts of any subject that were given to this one.
    given: usize,
    /// Texts of this subject that were given to it.
    right: usize,
}

/// How well texts were classified. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The number of texts.
    pub n: usize,
    /// The share of texts whose best subject is the right one.
    pub accuracy: f64,
    /// The mean F1 of the subjects that have texts.
    pub macro_f1: f64,
    /// The share of texts with the right subject among the two that rank first, chosen or not.
    pub top2: f64,
    /// The share of texts that went to the general desk.
    pub abstained: f64,
    /// How far confidences are from the share that is right, over [`calibration`](Self::calibration):
    /// the mean of the distances, each band weighing as much as it has texts.
    pub calibration_error: f64,
    /// The share that is right among the three quarters with the highest confidence.
    pub kept75: f64,
    /// Ten bands of confidence. What ranks first counts, chosen or not.
    pub calibration: Vec<Band>,
    pub per_subject: BTreeMap<SubjectId, SubjectEvaluation>,
    pub confusion: Confusion,
}

/// The texts whose best subject has a confidence within these bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Band {
    pub from: f64,
    pub to: f64,
    /// How many texts there are.
    pub n: usize,
    /// The share of them whose best subject is right.
    pub right: f64,
}

/// How well the texts of one subject were classified. Shares are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SubjectEvaluation {
    /// The number of texts of this subject.
    pub n: usize,
    /// Of the texts that were given to this subject, the share that are of it.
    pub precision: f64,
    /// Of the texts of this subject, the share that were given to it.
    pub recall: f64,
    pub f1: f64,
}

impl Evaluator {
    /// Counts one text of `subject` that was classified so.
    pub fn count(&mut self, subject: &SubjectId, found: &Classification) {
        let is_right = found.best.as_ref() == Some(subject);
        let counts = self.counts.entry(subject.clone()).or_default();
        counts.texts += 1;
        counts.right += usize::from(is_right);
        match &found.best {
            Some(best) => self.counts.entry(best.clone()).or_default().given += 1,
            None => self.abstained += 1,
        }
        let went_to = found.best.clone().unwrap_or_else(SubjectId::general);
        *self.confusion.entry(subject.clone()).or_default().entry(went_to).or_default() += 1;
        let first = found.subjects.first();
        self.first.push(first.map_or((0.0, false), |first| (first.confidence, first.id == *subject)));
        self.top2 += usize::from(found.subjects.iter().take(2).any(|ranked| ranked.id == *subject));
    }

    pub fn evaluation(&self) -> Evaluation {
        let n = self.counts.values().map(|counts| counts.texts).sum();
        let right = self.counts.values().map(|counts| counts.right).sum();
        let with_texts = self.counts.iter().filter(|(_, counts)| counts.texts > 0);
        let per_subject: BTreeMap<SubjectId, SubjectEvaluation> =
            with_texts.map(|(id, counts)| (id.clone(), counts.evaluation())).collect();
        let (calibration, calibration_error) = calibration(&self.first);
        let sum_of_f1: f64 = per_subject.values().map(|subject| subject.f1).sum();
        Evaluation {
            n,
            accuracy: share(right, n),
            macro_f1: if per_subject.is_empty() { 0.0 } else { sum_of_f1 / per_subject.len() as f64 },
            top2: share(self.top2, n),
            abstained: share(self.abstained, n),
            calibration_error,
            kept75: kept(&self.first, (3 * n).div_ceil(4)),
            calibration,
            per_subject,
            confusion: self.confusion.clone(),
        }
    }
}

impl Counts {
    fn evaluation(self) -> SubjectEvaluation {
        SubjectEvaluation {
            n: self.texts,
            precision: share(self.right, self.given),
            recall: share(self.right, self.texts),
            f1: share(2 * self.right, self.texts + self.given),
        }
    }
}

/// The bands, and how far they are from what they say, all in all.
fn calibration(first: &[(f64, bool)]) -> (Vec<Band>, f64) {
    let mut sums = [(0_usize, 0_usize, 0.0); BANDS];
    for (confidence, is_right) in first {
        let band = (confidence * BANDS as f64) as usize;
        let Some((n, right, sum)) = sums.get_mut(band.min(BANDS - 1)) else { continue };
        *n += 1;
        *right += usize::from(*is_right);
        *sum += confidence;
    }
    // A band's texts say `sum` in all and are right `right` times.
    let distance: f64 = sums.iter().map(|(_, right, sum)| (sum - *right as f64).abs()).sum();
    let bound = |band: usize| band as f64 / BANDS as f64;
    let bands = sums.iter().enumerate().map(|(band, (n, right, _))| Band {
        from: bound(band),
        to: bound(band + 1),
        n: *n,
        right: share(*right, *n),
    });
    (bands.collect(), if first.is_empty() { 0.0 } else { distance / first.len() as f64 })
}

/// The share that is right among the `count` texts with the highest confidence. Of texts with the same
/// confidence that only partly fit in, each counts as its share, so that the order of texts is no matter.
fn kept(first: &[(f64, bool)], count: usize) -> f64 {
    let mut first = first.to_vec();
    first.sort_by(|one, other| other.0.total_cmp(&one.0));
    let (mut room, mut right) = (count, 0.0);
    for same in first.chunk_by(|one, other| one.0 == other.0) {
        let taken = same.len().min(room);
        let right_of_same = same.iter().filter(|(_, is_right)| *is_right).count();
        right += right_of_same as f64 * share(taken, same.len());
        room -= taken;
    }
    if count == 0 { 0.0 } else { right / count as f64 }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::RankedSubject;

    fn found(ranked: &[&str], best: Option<&str>) -> Classification {
        let ranked =
            ranked.iter().map(|id| RankedSubject { id: SubjectId::new(*id), score: 1.0, confidence: 0.5 });
        let subjects = ranked.collect();
        Classification { language: None, best: best.map(SubjectId::new), subjects, matched: Vec::new() }
    }

    #[test]
    fn counts_as_one_would_by_hand() {
        let mut evaluator = Evaluator::default();
        assert_eq!(evaluator.evaluation().n, 0);
        let (a, b) = (SubjectId::new("a"), SubjectId::new("b"));
        evaluator.count(&a, &found(&["a", "b"], Some("a")));
        evaluator.count(&a, &found(&["b", "a"], Some("b")));
        evaluator.count(&b, &found(&["c", "a", "b"], Some("c")));
        evaluator.count(&b, &found(&["b"], None));
        let evaluation = evaluator.evaluation();
        assert_eq!((evaluation.n, evaluation.accuracy), (4, 0.25));
        assert_eq!((evaluation.top2, evaluation.abstained), (0.75, 0.25));
        // a: 1 of 1 given, 1 of 2 found; b: none right. c has no texts and no say in the mean.
        assert_eq!(evaluation.macro_f1, (2.0 / 3.0) / 2.0);
        assert_eq!(evaluation.per_subject.len(), 2);
        let confusion = |from: &str, to: &str| evaluation.confusion[from][to];
        assert_eq!([confusion("a", "a"), confusion("a", "b"), confusion("b", "c")], [1, 1, 1]);
        assert_eq!(confusion("b", "general"), 1, "an abstention is the general desk's");
    }

    #[test]
    fn confidences_are_held_against_what_is_right() {
        let text = |confidence: f64, is_right: bool| (confidence, is_right);
        let first = [
            text(0.95, true),
            text(0.95, true),
            text(0.85, false),
            text(0.85, true),
            text(0.25, false),
            text(0.0, false),
            text(1.0, true),
        ];
        let (bands, error) = calibration(&first);
        assert_eq!(bands.len(), 10);
        assert_eq!(bands[9], Band { from: 0.9, to: 1.0, n: 3, right: 1.0 });
        assert_eq!(bands[8], Band { from: 0.8, to: 0.9, n: 2, right: 0.5 });
        assert_eq!(bands[5], Band { from: 0.5, to: 0.6, n: 0, right: 0.0 });
        // By hand: |2.9 - 3| + |1.7 - 1| + |0.25 - 0| + |0 - 0| over 7.
        assert!((error - 1.05 / 7.0).abs() < 1e-9, "{error}");
        assert_eq!(calibration(&[]).1, 0.0);
    }

    #[test]
    fn the_surest_are_kept_whatever_the_order() {
        type Row<'a> = (&'a [(f64, bool)], usize, f64);
        let rows: [Row<'_>; 5] = [
            (&[(0.9, true), (0.8, false), (0.7, false), (0.1, false)], 3, 1.0 / 3.0),
            (&[(0.1, false), (0.7, false), (0.9, true), (0.8, false)], 3, 1.0 / 3.0),
            // Two of the three with 0.5 are kept: two thirds of one right.
            (&[(0.9, true), (0.5, true), (0.5, false), (0.5, false)], 3, (1.0 + 2.0 / 3.0) / 3.0),
            (&[(0.9, true)], 1, 1.0),
            (&[], 0, 0.0),
        ];
        for (first, count, expected) in rows {
            assert!((kept(first, count) - expected).abs() < 1e-9, "{first:?}");
        }
    }
}
