//! How well learned rules sort questions: five folds of questions whose subject is known.
//!
//! Each fold of `stackexchange.tsv` is classified by rules learned from the other four and from
//! `stackexchange_more.tsv`, beside the rule files that come with the desk. Needs the folder of shared
//! data, given as the first argument, or as `../shared/data`. `--folds 1` measures the first fold only.
//!
//! **Invariant:** no question is classified by rules that were learned from it.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people to run by hand")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use stumper::config::rules_dir;
use stumper::subjects::learn::{Labelled, learn};
use stumper::subjects::{LEARNED_FOLDER, RuleFile, Subjects};

const FOLDS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut data, mut folds) = (PathBuf::from("../shared/data"), FOLDS);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--folds" => folds = arguments.next().unwrap().parse().unwrap(),
            other => data = PathBuf::from(other),
        }
    }
    let Ok(asked) = fs::read_to_string(data.join("questions/stackexchange.tsv")) else {
        println!("skipped: there is no shared data in {}", data.display());
        return;
    };
    let more = fs::read_to_string(data.join("questions/stackexchange_more.tsv")).unwrap();
    let (asked, more): (Vec<_>, Vec<_>) = (rows(&asked), rows(&more));
    let files = rules_dir::read(Path::new("rules")).unwrap();
    let is_written = |file: &&RuleFile| !file.name.contains(&format!("/{LEARNED_FOLDER}/"));
    let written: Vec<RuleFile> = files.iter().filter(is_written).cloned().collect();
    let mut all = Answers::default();
    for fold in 0..folds {
        let (mut known, mut unknown) = (more.clone(), Vec::new());
        for (place, row) in asked.iter().enumerate() {
            if place % FOLDS == fold { unknown.push(*row) } else { known.push(*row) }
        }
        let began = Instant::now();
        let learning = learn(&written, &known).unwrap();
        let learned = began.elapsed();
        let bytes: usize = learning.files.iter().map(|file| file.text.len()).sum();
        let mut with_learned = written.clone();
        with_learned.extend(learning.files);
        let began = Instant::now();
        let (subjects, faults) = Subjects::compile(&with_learned);
        let loaded = began.elapsed();
        let answers = Answers::of(&subjects, &unknown);
        println!(
            "fold {fold}: {answers}; {} terms, {} weights, {bytes} bytes, {} faults; learned in {learned:.1?}, loaded \
             in {loaded:.1?}",
            learning.terms,
            learning.weights,
            faults.len()
        );
        all.0.extend(answers.0);
    }
    println!("all: {all}");
    println!("written rules alone: {}", Answers::of(&Subjects::compile(&written).0, &asked));
}

fn rows(text: &str) -> Vec<Labelled<'_>> {
    let row = |line| {
        let mut fields = str::split(line, '\t');
        let mut field = || fields.next().unwrap_or_default();
        Labelled { subject: field(), text: field(), source: field() }
    };
    text.lines().map(row).collect()
}

/// For each question: the confidence of what ranks first, whether that is right, whether it was chosen,
/// and whether what ranks first or second is right.
#[derive(Default)]
struct Answers(Vec<(f64, bool, bool, bool)>);

impl Answers {
    fn of(subjects: &Subjects, questions: &[Labelled<'_>]) -> Answers {
        let mut reader = subjects.reader();
        let answer = |question: &Labelled<'_>| {
            let found = reader.classify(question.text, None);
            let is_right = |place: usize| {
                found.subjects.get(place).is_some_and(|ranked| ranked.id.as_str() == question.subject)
            };
            let confidence = found.subjects.first().map_or(0.0, |first| first.confidence);
            (confidence, is_right(0), found.best.is_some(), is_right(0) || is_right(1))
        };
        Answers(questions.iter().map(answer).collect())
    }
}

impl std::fmt::Display for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
        let n = self.0.len();
        let right = self.0.iter().filter(|answer| answer.1).count();
        let chosen = self.0.iter().filter(|answer| answer.1 && answer.2).count();
        let abstained = self.0.iter().filter(|answer| !answer.2).count();
        let either = self.0.iter().filter(|answer| answer.3).count();
        let mut surest = self.0.clone();
        surest.sort_by(|one, other| other.0.total_cmp(&one.0));
        surest.truncate(n * 3 / 4);
        let kept = surest.iter().filter(|answer| answer.1).count();
        let mut bands = [(0.0, 0.0); 10];
        for answer in &self.0 {
            let band = &mut bands[((answer.0 * 10.0) as usize).min(9)];
            *band = (band.0 + answer.0, band.1 + f64::from(u8::from(answer.1)));
        }
        let error: f64 =
            bands.iter().map(|(said, right)| (said - right).abs()).sum::<f64>() / n.max(1) as f64;
        write!(
            f,
            "top-1 {:.2} %, top-2 {:.2} %, surest three quarters {:.2} %, calibration error {error:.3}; chosen and \
             right {:.2} %, to the general desk {:.2} %",
            share(right, n),
            share(either, n),
            share(kept, surest.len()),
            share(chosen, n),
            share(abstained, n),
        )
    }
}
