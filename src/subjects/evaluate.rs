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
    top2: usize,
    abstained: usize,
}

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
    pub per_subject: BTreeMap<SubjectId, SubjectEvaluation>,
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
        self.top2 += usize::from(found.subjects.iter().take(2).any(|ranked| ranked.id == *subject));
    }

    pub fn evaluation(&self) -> Evaluation {
        let n = self.counts.values().map(|counts| counts.texts).sum();
        let right = self.counts.values().map(|counts| counts.right).sum();
        let with_texts = self.counts.iter().filter(|(_, counts)| counts.texts > 0);
        let per_subject: BTreeMap<SubjectId, SubjectEvaluation> =
            with_texts.map(|(id, counts)| (id.clone(), counts.evaluation())).collect();
        let sum_of_f1: f64 = per_subject.values().map(|subject| subject.f1).sum();
        Evaluation {
            n,
            accuracy: share(right, n),
            macro_f1: if per_subject.is_empty() { 0.0 } else { sum_of_f1 / per_subject.len() as f64 },
            top2: share(self.top2, n),
            abstained: share(self.abstained, n),
            per_subject,
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
    }
}
