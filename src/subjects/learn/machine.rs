//! The linear machine: one weight for each feature and subject.
//!
//! Each subject is told from all others by a support vector machine with squared hinge loss, found by
//! dual coordinate descent (Hsieh, Chang, Lin, Keerthi and Sundararajan 2008). The features of a
//! question are weighed by how rare they are, and a question's features together have length 1.
//!
//! **Invariant:** sums are added in a fixed order, so that the same corpus gives the same weights.

use crate::subjects::learn::corpus::Corpus;
use crate::subjects::learn::space::{Feature, Kind, Space};

/// How much a question on the wrong side costs, against the size of the weights. Over five folds of
/// 98,000 questions, half and twice as much are both worse.
const COST: f32 = 0.5;

/// How often all questions are gone through. More changes nothing that could be measured.
const ROUNDS: usize = 5;

/// How much rare features count before others: the power of the logarithm of their rarity.
const RARITY_POWER: f32 = 1.2;

/// What each kind of feature counts before learning, against a pair.
const WORD: f32 = 1.3;
const PAIR: f32 = 1.0;
const SHAPE: f32 = 0.5;

/// Questions' numbers are put in this many lanes, so that the processor adds several at once.
const LANES: usize = 8;

/// What was learned, feature by feature.
#[derive(Debug)]
pub(super) struct Weights {
    /// Subjects, and as many more as fill the lanes.
    width: usize,
    weights: Vec<f32>,
    subjects: usize,
    /// For each subject what every question begins with, before it is scaled to length 1.
    bases: Vec<f32>,
    /// The mean length of a question before it is scaled to 1, for one word.
    length: f32,
}

impl Weights {
    pub(super) fn learn(space: &Space, corpus: &Corpus) -> Weights {
        let mut machine = Machine::new(space, corpus);
        for round in 0..ROUNDS {
            machine.round(round);
        }
        let Machine { width, mut weights, bases, scales, .. } = machine;
        for (row, scale) in weights.chunks_exact_mut(width).zip(&scales) {
            row.iter_mut().for_each(|weight| *weight *= scale);
        }
        let words: f32 = corpus.questions().map(|question| (question.forms.len().max(1) as f32).sqrt()).sum();
        let lengths: f32 = machine.lengths.iter().sum();
        let mean = lengths / corpus.len().max(1) as f32;
        let bases = bases.iter().take(corpus.subjects().len()).map(|base| base * mean).collect();
        Weights { width, weights, subjects: corpus.subjects().len(), bases, length: lengths / words }
    }

    /// The weights of a feature, subject after subject, and then zeros.
    pub(super) fn of(&self, feature: Feature) -> &[f32] {
        let start = feature as usize * self.width;
        self.weights.get(start..start + self.width).unwrap_or_default()
    }

    /// For each subject what every question begins with.
    pub(super) fn bases(&self) -> &[f32] {
        &self.bases
    }

    pub(super) fn subjects(&self) -> usize {
        self.subjects
    }

    pub(super) fn length(&self) -> f32 {
        self.length
    }
}

struct Machine<'c> {
    corpus: &'c Corpus,
    width: usize,
    /// The features of all questions, one after the other, and where each question's end.
    features: Vec<Feature>,
    ends: Vec<usize>,
    scales: Vec<f32>,
    lengths: Vec<f32>,
    subjects: Vec<u16>,
    weights: Vec<f32>,
    bases: Vec<f32>,
    /// How much each question holds each subject's weights, or pushes against them.
    holds: Vec<f32>,
    order: Vec<u32>,
}

impl<'c> Machine<'c> {
    fn new(space: &Space, corpus: &'c Corpus) -> Machine<'c> {
        let width = corpus.subjects().len().next_multiple_of(LANES);
        let questions = corpus.len() as f32;
        let scale = |(_, kind, count): (Feature, Kind, u32)| {
            let kind = match kind {
                Kind::Word(_) => WORD,
                Kind::Pair(_, _) => PAIR,
                Kind::Shape(_) => SHAPE,
            };
            kind * (questions / count as f32).ln().max(f32::MIN_POSITIVE).powf(RARITY_POWER)
        };
        let scales: Vec<f32> = space.features().map(scale).collect();
        let (mut features, mut ends, mut lengths, mut its) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for question in corpus.questions() {
            space.all(corpus, question, &mut its);
            let squares =
                its.iter().filter_map(|feature| scales.get(*feature as usize)).map(|scale| scale * scale);
            lengths.push(squares.sum::<f32>().sqrt().max(f32::MIN_POSITIVE));
            features.extend_from_slice(&its);
            ends.push(features.len());
        }
        Machine {
            corpus,
            width,
            features,
            ends,
            scales,
            lengths,
            subjects: corpus.questions().map(|question| question.subject).collect(),
            weights: vec![0.0; space.len() * width],
            bases: vec![0.0; width],
            holds: vec![0.0; corpus.len() * width],
            order: (0..).take(corpus.len()).collect(),
        }
    }

    /// Goes through all questions once, in an order of its own.
    fn round(&mut self, round: usize) {
        shuffle(&mut self.order, round as u64 + 1);
        let order = std::mem::take(&mut self.order);
        let mut sums = vec![0.0; self.width];
        let mut values = Vec::new();
        for question in &order {
            self.step(*question as usize, &mut sums, &mut values);
        }
        self.order = order;
    }

    /// Moves the weights so far that one question is where it should be, all others aside.
    fn step(&mut self, question: usize, sums: &mut [f32], values: &mut Vec<(usize, f32)>) {
        let start =
            question.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let end = self.ends.get(question).copied().unwrap_or_default();
        let length = self.lengths.get(question).copied().unwrap_or(1.0);
        values.clear();
        for feature in self.features.get(start..end).unwrap_or_default() {
            let scale = self.scales.get(*feature as usize).copied().unwrap_or_default();
            values.push((*feature as usize * self.width, scale / length));
        }
        sums.copy_from_slice(&self.bases);
        for (at, value) in values.iter() {
            let row = self.weights.get(*at..*at + self.width).unwrap_or_default();
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight * value);
        }
        // The features have length 1, and the base counts as one more.
        let curve = 2.0 + 0.5 / COST;
        let own = self.subjects.get(question).copied().map(usize::from);
        let holds = question * self.width;
        let holds = self.holds.get_mut(holds..holds + self.width).unwrap_or_default();
        for (subject, (sum, hold)) in
            sums.iter_mut().zip(holds).enumerate().take(self.corpus.subjects().len())
        {
            let side = if own == Some(subject) { 1.0 } else { -1.0 };
            let slope = side * *sum - 1.0 + *hold * 0.5 / COST;
            let moved = (*hold - slope / curve).max(0.0);
            *sum = (moved - *hold) * side;
            *hold = moved;
        }
        sums.iter_mut().skip(self.corpus.subjects().len()).for_each(|sum| *sum = 0.0);
        for (at, value) in values.iter() {
            let row = self.weights.get_mut(*at..*at + self.width).unwrap_or_default();
            row.iter_mut().zip(sums.iter()).for_each(|(weight, step)| *weight += step * value);
        }
        self.bases.iter_mut().zip(sums.iter()).for_each(|(base, step)| *base += step);
    }
}

/// Puts a list into an order that looks like none, and is always the same (xorshift, Marsaglia 2003).
fn shuffle(list: &mut [u32], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..list.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        list.swap(last, (state % (last as u64 + 1)) as usize);
    }
}
