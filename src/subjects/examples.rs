//! Runs the examples that rule files carry.
//!
//! **Invariant:** an example is judged by what the desk would do with it
//! ([`chosen`](crate::subjects::Classification::chosen), or the kind of post that screening tells), never
//! by scores alone.

use std::ops::Range;

use crate::fault::Fault;
use crate::subjects::compile::compile;
use crate::subjects::format::{Rules, Wants};
use crate::subjects::language::Language;
use crate::subjects::screening::{self, Kind};
use crate::subjects::{RuleFile, SubjectId, Subjects};

/// One example of a rule file.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The subject of its file, or the kind of post that its file tells.
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
    /// It should have been found, and went to the general desk, or was taken for a question.
    Missing,
    /// It should have been found, and went to other subjects, or was taken for another kind of post.
    Wrong,
    /// It should not have been found, and was.
    Noisy,
}

/// An example with its verdict, and what the verdict rests on.
#[derive(Clone, Debug)]
pub struct Tested {
    pub example: Example,
    pub verdict: Verdict,
    /// The subjects it goes to, none for the general desk; or the kind of post it is taken for.
    pub chosen: Vec<SubjectId>,
    /// The language it was read in, where that is known.
    pub language: Option<String>,
}

/// Tests all examples of all files against the rules of all files.
pub fn test(files: &[RuleFile]) -> Vec<Tested> {
    let (subjects, _) = Subjects::compile(files);
    let mut of_subjects = Vec::new();
    let mut of_screening = Vec::new();
    let (kinds, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| screening::is_of_screening(file));
    compile(others, |rules, _| of_subjects.push(rules));
    compile(kinds, |rules, _| of_screening.push(rules));
    let mut reader = subjects.reader();
    let mut screener = subjects.screener();
    let mut tested = test_rules(&of_subjects, |text, language| {
        let found = reader.classify(text, language);
        (found.chosen().iter().map(|chosen| chosen.id.clone()).collect(), found.language)
    });
    tested.extend(test_rules(&of_screening, |text, language| {
        let kind = SubjectId::new(screener.screen(text, language).kind.word());
        (vec![kind], language.map(str::to_owned))
    }));
    tested
}

/// All examples that are not right, as faults at their places.
pub fn faults_of_examples(tested: &[Tested]) -> Vec<Fault> {
    tested.iter().filter_map(fault).collect()
}

/// Tests the examples of rules. `choose` does with a text what the desk would do.
fn test_rules(
    rules: &[Rules],
    mut choose: impl FnMut(&str, Option<&str>) -> (Vec<SubjectId>, Option<String>),
) -> Vec<Tested> {
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
            let (chosen, language) = choose(&example.text, example.language.map(Language::code));
            let verdict = judge(&example, &chosen);
            tested.push(Tested { example, verdict, chosen, language });
        }
    }
    tested
}

fn judge(example: &Example, chosen: &[SubjectId]) -> Verdict {
    let is_left = chosen.iter().all(|chosen| chosen.as_str() == Kind::Question.word());
    match (example.wants, chosen.contains(&example.subject)) {
        (Wants::Chosen, true) | (Wants::NotChosen, false) => Verdict::Right,
        (Wants::NotChosen, true) => Verdict::Noisy,
        (Wants::Chosen, false) if is_left => Verdict::Missing,
        (Wants::Chosen, false) => Verdict::Wrong,
    }
}

fn fault(tested: &Tested) -> Option<Fault> {
    let Tested { example, verdict, chosen, language: _ } = tested;
    let chosen: Vec<&str> = chosen.iter().map(SubjectId::as_str).collect();
    let (wanted, chosen) = (&example.subject, chosen.join(", "));
    let is_of_screening = screening::is_of_folder(&example.file);
    let (what, hint) = match verdict {
        Verdict::Right => return None,
        Verdict::Missing if is_of_screening => (
            format!("this post should be found to be {wanted}, and is taken for a question"),
            "add a term that tells it",
        ),
        Verdict::Missing => (
            format!("this question should be found for {wanted}, and goes to the general desk"),
            "add a term that tells the subject",
        ),
        Verdict::Wrong if is_of_screening => (
            format!("this post should be found to be {wanted}, and is taken for {chosen}"),
            "add a stronger term here, or one `against` there",
        ),
        Verdict::Wrong => (
            format!("this question should be found for {wanted}, and goes to {chosen}"),
            "add a stronger term here, or one `against` there",
        ),
        Verdict::Noisy if is_of_screening => (
            format!("this post should not be found to be {wanted}, and is"),
            "add a phrase of it to `against`, or make a term weaker",
        ),
        Verdict::Noisy => (
            format!("this question should not be found for {wanted}, and is"),
            "add a phrase of it to `against`, or make a term weaker",
        ),
    };
    Some(Fault::error(&example.file, example.span.clone(), what).with_hint(hint))
}
