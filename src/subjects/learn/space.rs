//! What the machine weighs: words by their stems, pairs of words, and shapes of words.
//!
//! **Invariant:** every feature is shared by at least
//! [`QUESTIONS_MIN`] questions.

use hashbrown::HashMap;

use crate::subjects::learn::QUESTIONS_MIN;
use crate::subjects::learn::corpus::{Corpus, Question, number};
use crate::subjects::shapes::Cutter;

/// The number of a feature.
pub(super) type Feature = u32;

/// What a feature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The number of a stem.
    Word(u32),
    /// Two stems that follow each other.
    Pair(u32, u32),
    /// The place of a shape in [`Space::shape`].
    Shape(u32),
}

/// All features, and those of each question.
#[derive(Debug, Default)]
pub(super) struct Space {
    kinds: Vec<Kind>,
    counts: Vec<u32>,
    words: Vec<Option<Feature>>,
    pairs: HashMap<(u32, u32), Feature>,
    shapes: Vec<Box<str>>,
    /// For each form the features that are its shapes.
    shapes_of_forms: Vec<Box<[Feature]>>,
}

impl Space {
    pub(super) fn of(corpus: &Corpus) -> Space {
        let mut space = Space::default();
        space.add_words_and_pairs(corpus);
        space.add_shapes(corpus);
        space
    }

    fn add_words_and_pairs(&mut self, corpus: &Corpus) {
        let mut words = vec![0_u32; corpus.stems()];
        let mut pairs: HashMap<(u32, u32), u32> = HashMap::new();
        let (mut stems, mut its_pairs) = (Vec::new(), Vec::new());
        for question in corpus.questions() {
            stems_of(corpus, question, &mut stems);
            its_pairs.clear();
            its_pairs.extend(stems.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))));
            keep_different(&mut its_pairs);
            keep_different(&mut stems);
            stems.iter().for_each(|stem| words.get_mut(*stem as usize).into_iter().for_each(|n| *n += 1));
            its_pairs.iter().for_each(|pair| *pairs.entry(*pair).or_default() += 1);
        }
        for (stem, count) in (0..).zip(words) {
            let feature = (QUESTIONS_MIN <= count).then(|| self.push(Kind::Word(stem), count));
            self.words.push(feature);
        }
        let mut shared: Vec<((u32, u32), u32)> =
            pairs.into_iter().filter(|(_, count)| QUESTIONS_MIN <= *count).collect();
        shared.sort_unstable();
        for ((one, other), count) in shared {
            let feature = self.push(Kind::Pair(one, other), count);
            self.pairs.insert((one, other), feature);
        }
    }

    fn add_shapes(&mut self, corpus: &Corpus) {
        let (mut places, mut cutter) = (HashMap::new(), Cutter::default());
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut of_forms: Vec<Vec<u32>> = Vec::new();
        for form in corpus.forms() {
            let mut its = Vec::new();
            cutter.cut(&form.text, |shape| {
                let next = number(texts.len());
                let place = *places.entry_ref(shape).or_insert_with(|| {
                    texts.push(shape.into());
                    next
                });
                its.push(place);
            });
            keep_different(&mut its);
            of_forms.push(its);
        }
        let mut counts = vec![0_u32; texts.len()];
        let mut its = Vec::new();
        for question in corpus.questions() {
            its.clear();
            question
                .forms
                .iter()
                .for_each(|form| its.extend(of_forms.get(*form as usize).into_iter().flatten()));
            keep_different(&mut its);
            its.iter()
                .for_each(|shape: &u32| counts.get_mut(*shape as usize).into_iter().for_each(|n| *n += 1));
        }
        let features: Vec<Option<Feature>> = (0..)
            .zip(&counts)
            .map(|(shape, count)| (QUESTIONS_MIN <= *count).then(|| self.push(Kind::Shape(shape), *count)))
            .collect();
        let feature = |shape: &u32| features.get(*shape as usize).copied().flatten();
        self.shapes_of_forms = of_forms.iter().map(|its| its.iter().filter_map(feature).collect()).collect();
        self.shapes = texts;
    }

    fn push(&mut self, kind: Kind, count: u32) -> Feature {
        self.kinds.push(kind);
        self.counts.push(count);
        number(self.kinds.len() - 1)
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Every feature with what it is and in how many questions it stands.
    pub(super) fn features(&self) -> impl Iterator<Item = (Feature, Kind, u32)> {
        (0..).zip(&self.kinds).zip(&self.counts).map(|((feature, kind), count)| (feature, *kind, *count))
    }

    pub(super) fn shape(&self, place: u32) -> &str {
        self.shapes.get(place as usize).map(AsRef::as_ref).unwrap_or_default()
    }

    pub(super) fn word(&self, stem: u32) -> Option<Feature> {
        self.words.get(stem as usize).copied().flatten()
    }

    pub(super) fn pair(&self, one: u32, other: u32) -> Option<Feature> {
        self.pairs.get(&(one, other)).copied()
    }

    pub(super) fn shapes_of(&self, form: u32) -> &[Feature] {
        self.shapes_of_forms.get(form as usize).map(AsRef::as_ref).unwrap_or_default()
    }

    /// All features of a question, each once: what the machine learns from.
    pub(super) fn all(&self, corpus: &Corpus, question: Question<'_>, into: &mut Vec<Feature>) {
        self.words_and_pairs(corpus, question, into);
        question.forms.iter().for_each(|form| into.extend(self.shapes_of(*form)));
        keep_different(into);
    }

    /// The features of a question as the classifier finds them, each once: shapes only of words that
    /// are no feature themselves.
    pub(super) fn found(&self, corpus: &Corpus, question: Question<'_>, into: &mut Vec<Feature>) {
        self.words_and_pairs(corpus, question, into);
        let unknown = question.forms.iter().filter(|form| self.word(corpus.form(**form).stem).is_none());
        unknown.for_each(|form| into.extend(self.shapes_of(*form)));
        keep_different(into);
    }

    fn words_and_pairs(&self, corpus: &Corpus, question: Question<'_>, into: &mut Vec<Feature>) {
        into.clear();
        let stem = |form: &u32| corpus.form(*form).stem;
        into.extend(question.forms.iter().filter_map(|form| self.word(stem(form))));
        let pairs = question.forms.iter().zip(question.forms.iter().skip(1));
        into.extend(pairs.filter_map(|(one, other)| self.pair(stem(one), stem(other))));
    }
}

fn stems_of(corpus: &Corpus, question: Question<'_>, stems: &mut Vec<u32>) {
    stems.clear();
    stems.extend(question.forms.iter().map(|form| corpus.form(*form).stem));
}

fn keep_different<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}
