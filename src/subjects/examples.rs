//! Runs the examples that rule files carry.
//!
//! **Invariant:** an example is judged by what routing would do with it
//! ([`Classification::chosen`]), never by scores alone.

use std::ops::Range;

use crate::fault::Fault;
use crate::subjects::compile::compile;
use crate::subjects::format::{Rules, Wants};
use crate::subjects::language::Language;
use crate::subjects::{Classification, RuleFile, SubjectId, Subjects};

/// One example of a rule file.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub subject: SubjectId,
    pub wants: Wants,
    pub text: String,
    /// The language that its post declares.
    pub language: Option<Language>,
    pub file: String,
    /// Byte offsets into the file.
    pub span: Range<usize>,
}

/// What became of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Right,
    /// It should have been found, and went to the general desk.
    Missing,
    /// It should have been found, and went to other subjects.
    Wrong,
    /// It should not have been found, and was.
    Noisy,
}

/// An example with its verdict, and what the verdict rests on.
#[derive(Clone, Debug)]
pub struct Tested {
    pub example: Example,
    pub verdict: Verdict,
    pub classification: Classification,
}

/// Tests all examples of all files against the rules of all files.
pub fn test(files: &[RuleFile]) -> Vec<Tested> {
    let mut all_rules = Vec::new();
    let compiled = compile(files, |rules, _| all_rules.push(rules));
    let subjects = Subjects { subjects: compiled.subjects, index: compiled.index, ..Subjects::default() };
    test_rules(&subjects, &all_rules)
}

/// All examples that are not right, as faults at their places.
pub fn faults_of_examples(tested: &[Tested]) -> Vec<Fault> {
    tested.iter().filter_map(fault).collect()
}

fn test_rules(subjects: &Subjects, rules: &[Rules]) -> Vec<Tested> {
    let mut reader = subjects.reader();
    let mut tested = Vec::new();
    for rules in rules {
        for example in &rules.examples {
            let example = Example {
                subject: rules.id.clone(),
                wants: example.wants,
                text: example.text.clone(),
                language: example.language,
                file: rules.file.clone(),
                span: example.span.clone(),
            };
            let classification = reader.classify(&example.text, example.language.map(Language::code));
            let verdict = judge(&example, &classification);
            tested.push(Tested { example, verdict, classification });
        }
    }
    tested
}

fn judge(example: &Example, classification: &Classification) -> Verdict {
    let is_chosen = classification.chosen().iter().any(|chosen| chosen.id == example.subject);
    match (example.wants, is_chosen) {
        (Wants::Chosen, true) | (Wants::NotChosen, false) => Verdict::Right,
        (Wants::NotChosen, true) => Verdict::Noisy,
        (Wants::Chosen, false) if classification.best.is_none() => Verdict::Missing,
        (Wants::Chosen, false) => Verdict::Wrong,
    }
}

fn fault(tested: &Tested) -> Option<Fault> {
    let Tested { example, verdict, classification } = tested;
    let chosen: Vec<&str> = classification.chosen().iter().map(|chosen| chosen.id.as_str()).collect();
    let (what, hint) = match verdict {
        Verdict::Right => return None,
        Verdict::Missing => (
            format!("this question should be found for {}, and goes to the general desk", example.subject),
            "add a term that tells the subject",
        ),
        Verdict::Wrong => (
            format!(
                "this question should be found for {}, and goes to {}",
                example.subject,
                chosen.join(", ")
            ),
            "add a stronger term here, or one `against` there",
        ),
        Verdict::Noisy => (
            format!("this question should not be found for {}, and is", example.subject),
            "add a phrase of it to `against`, or make a term weaker",
        ),
    };
    Some(Fault::error(&example.file, example.span.clone(), what).with_hint(hint))
}
