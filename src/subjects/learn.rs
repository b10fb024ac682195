//! Learning: from questions whose subject is known to terms and weights that people can read.
//!
//! A linear machine weighs the words of the questions, the pairs of words that follow each other, and
//! the shapes of the words, subject against subject. What it found about shapes is then written down
//! with each word, so that a word has one weight for a subject and not forty; the shapes themselves
//! are kept for words that nobody met. What counts least is left out, and the rest is scaled so that
//! confidences hold for questions that were kept aside.
//!
//! **Invariant:** the same rules and questions give the same files, byte for byte. No text of a
//! question leaves here, only terms that at least [`QUESTIONS_MIN`] questions share.

mod corpus;
mod machine;
mod space;
mod table;

use std::collections::BTreeMap;

use crate::subjects::format::Rules;
use crate::subjects::learn::corpus::Corpus;
use crate::subjects::learn::machine::Weights;
use crate::subjects::learn::space::Space;
use crate::subjects::learn::table::Table;
use crate::subjects::{RuleFile, SubjectId, Subjects, compile, learned};

/// A term is learned where at least so many questions have it.
pub const QUESTIONS_MIN: u32 = 2;

/// A subject is learned where at least so many questions have it.
pub const QUESTIONS_PER_SUBJECT_MIN: usize = 20;

/// How many weights are written: as many as keep the files below 3 MB, and the desk small at rest.
const WEIGHTS_MAX: usize = 220_000;

/// Of how many questions one is kept aside to scale the weights by.
const ASIDE: usize = 10;

/// A question whose subject is known.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'t> {
    pub subject: &'t str,
    pub text: &'t str,
    /// Where it was asked, such as the name of a site. Empty where nobody knows.
    pub source: &'t str,
}

/// What came of learning.
#[derive(Debug)]
pub struct Learning {
    /// The learned files, named by their place in the folder of rules.
    pub files: Vec<RuleFile>,
    /// How many questions were learned from.
    pub questions: usize,
    /// Of how many sources they were.
    pub sources: usize,
    pub terms: usize,
    pub weights: usize,
    /// How many questions were left out, by the subject they name: no rule file has it, or too few
    /// questions do.
    pub left_out: BTreeMap<String, usize>,
}

/// Why nothing could be learned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingLearned {
    #[error(
        "none of the questions is of a subject that has a rule file and {QUESTIONS_PER_SUBJECT_MIN} questions"
    )]
    NoQuestions,
    #[error("the questions are all of one subject: two are needed to tell them apart")]
    OneSubject,
}

/// Learns from questions, for the subjects of the rule files. Learned files among `files` are passed
/// over: everything is learned anew.
///
/// # Errors
///
/// Where fewer than two subjects have questions enough.
pub fn learn(files: &[RuleFile], questions: &[Labelled<'_>]) -> Result<Learning, NothingLearned> {
    let written: Vec<RuleFile> = files.iter().filter(|file| !learned::is_learned(file)).cloned().collect();
    let mut rules = Vec::new();
    let compiled = compile::compile(&written, |its, _| rules.push(its));
    let known = compiled.subjects.iter().map(|subject| &subject.id);
    let (questions, left_out) = chosen(questions, known);
    if questions.is_empty() {
        return Err(NothingLearned::NoQuestions);
    }
    let corpus = Corpus::of(&questions);
    if corpus.subjects().len() < 2 {
        return Err(NothingLearned::OneSubject);
    }
    let scale = scale(&written, &rules, &questions);
    let table = weighed(&corpus, &rules);
    Ok(Learning {
        files: table.files(scale),
        questions: questions.len(),
        sources: corpus.sources(),
        terms: table.terms(),
        weights: table.weights(),
        left_out,
    })
}

/// The questions that can be learned from, and how many cannot, by subject.
fn chosen<'q, 't>(
    questions: &'q [Labelled<'t>],
    known: impl Iterator<Item = &'q SubjectId>,
) -> (Vec<Labelled<'t>>, BTreeMap<String, usize>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    questions.iter().for_each(|question| *counts.entry(question.subject).or_default() += 1);
    let known: Vec<&SubjectId> = known.collect();
    let is_learned = |subject: &str, count: usize| {
        QUESTIONS_PER_SUBJECT_MIN <= count && known.iter().any(|id| id.as_str() == subject)
    };
    let left_out = counts.iter().filter(|(subject, count)| !is_learned(subject, **count));
    let left_out = left_out.map(|(subject, count)| ((*subject).to_owned(), *count)).collect();
    let count = |subject: &str| counts.get(subject).copied().unwrap_or_default();
    let questions =
        questions.iter().filter(|question| is_learned(question.subject, count(question.subject))).copied();
    (questions.collect(), left_out)
}

/// Weighs all terms and leaves out what counts least.
fn weighed(corpus: &Corpus, rules: &[Rules]) -> Table {
    let space = Space::of(corpus);
    let weights = Weights::learn(&space, corpus);
    Table::of(&space, corpus, &weights, rules, WEIGHTS_MAX)
}

/// The scale at which confidences hold best for questions that were not learned from.
fn scale(written: &[RuleFile], rules: &[Rules], questions: &[Labelled<'_>]) -> f32 {
    let is_aside = |at: usize| at % ASIDE == ASIDE - 1;
    let part = |aside: bool| {
        let numbered = questions.iter().enumerate();
        numbered.filter(|(at, _)| is_aside(*at) == aside).map(|(_, question)| *question).collect::<Vec<_>>()
    };
    let (aside, others) = (part(true), part(false));
    let table = weighed(&Corpus::of(&others), rules);
    let loss = |scale: f32| {
        let mut files = written.to_vec();
        files.extend(table.files(scale));
        let (subjects, _) = Subjects::compile(&files);
        let mut reader = subjects.reader();
        let lost = aside.iter().map(|question| {
            let found = reader.read(question.text, Some("en"));
            -found.confidence_of(question.subject).max(1e-6).ln()
        });
        lost.sum::<f64>()
    };
    // Steps of a tenth, from far too small to far too large.
    let scales = (0..32).map(|step| table::SCALE_MIN * 1.1_f32.powi(step));
    let losses = scales.map(|scale| (scale, loss(scale)));
    let best = losses.min_by(|one, other| one.1.total_cmp(&other.1));
    best.map_or(table::SCALE_MIN, |(scale, _)| scale)
}
