//! What `stumper rules eval` shows: shares, confusions, how much confidences are worth, and the mistakes
//! that were made most surely.
//!
//! **Invariant:** texts of the measured file are shown only here, to whoever gave the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anstyle::Style;
use serde::Serialize;

use crate::cli::marks::{Mark, marked, signed};
use crate::cli::render::{self, Colour};
use crate::cli::rows::Row;
use crate::subjects::{
    Band, Classification, Confusion, Evaluation, Evaluator, Match, SubjectEvaluation, SubjectId, Subjects,
};

/// How many mistakes are kept, the surest.
const MISTAKES_KEPT: usize = 10;

/// How many confusions people are shown, the largest.
const CONFUSIONS_SHOWN: usize = 12;

/// How many terms of a mistake people are shown.
const TERMS_SHOWN: usize = 6;

/// Of a longer text people are shown the beginning, in letters.
const TEXT_CHARS_SHOWN: usize = 280;

/// The length of a whole bar.
const BAR: usize = 20;

/// What measuring came to.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    evaluation: Evaluation,
    took: Duration,
    mistakes: Vec<Mistake<'a>>,
}

/// A text that went to another subject.
#[derive(Debug, Serialize)]
struct Mistake<'a> {
    line: usize,
    subject: &'a SubjectId,
    /// Where it went.
    given: SubjectId,
    confidence: f64,
    text: &'a str,
    /// What spoke for the subject it went to, most first.
    misled: Vec<Term>,
    /// What spoke for its own.
    missed: Vec<Term>,
}

#[derive(Clone, Debug, Serialize)]
struct Term {
    term: String,
    weight: f64,
    start: usize,
    end: usize,
}

/// The result for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    n: usize,
    accuracy: f64,
    macro_f1: f64,
    top2: f64,
    abstained: f64,
    /// How long the classifying took, without reading the file and the rules.
    seconds: f64,
    calibration_error: f64,
    kept75: f64,
    per_subject: &'a BTreeMap<SubjectId, SubjectEvaluation>,
    calibration: &'a [Band],
    confusion: &'a Confusion,
    mistakes: &'a [Mistake<'a>],
}

/// Classifies all rows.
pub(super) fn measure<'a>(subjects: &Subjects, rows: &'a [Row]) -> Measured<'a> {
    let mut evaluator = Evaluator::default();
    let mut reader = subjects.reader();
    let mut mistakes: Vec<Mistake<'a>> = Vec::new();
    let start = Instant::now();
    for row in rows {
        let found = reader.classify(&row.text, None);
        evaluator.count(&row.subject, &found);
        let least = mistakes.get(MISTAKES_KEPT - 1).map_or(0.0, |mistake| mistake.confidence);
        if let Some(mistake) = Mistake::of(row, &found).filter(|mistake| least < mistake.confidence) {
            let place = mistakes.partition_point(|other| mistake.confidence <= other.confidence);
            mistakes.insert(place, mistake);
            mistakes.truncate(MISTAKES_KEPT);
        }
    }
    let took = start.elapsed();
    Measured { evaluation: evaluator.evaluation(), took, mistakes }
}

impl<'a> Mistake<'a> {
    /// `None` where it is right, or nothing was decided.
    fn of(row: &'a Row, found: &Classification) -> Option<Mistake<'a>> {
        let given = found.best.clone().filter(|given| *given != row.subject)?;
        let confidence = found.subjects.first()?.confidence;
        let speaking_for = |subject: &SubjectId| {
            let matched = found.matched.iter();
            let mut terms: Vec<&Match> =
                matched.filter(|term| term.subject == *subject && 0.0 < term.weight).collect();
            terms.sort_by(|one, other| other.weight.total_cmp(&one.weight));
            terms.into_iter().map(Term::of).collect()
        };
        let (misled, missed) = (speaking_for(&given), speaking_for(&row.subject));
        Some(Mistake {
            line: row.line,
            subject: &row.subject,
            given,
            confidence,
            text: &row.text,
            misled,
            missed,
        })
    }

    fn show(&self, colour: Colour) -> String {
        let Mistake { line, subject, given, confidence, .. } = self;
        let head = format!("line {line}: {:.0} % sure of {given}, but it is {subject}", confidence * 100.0);
        let end = self.text.char_indices().nth(TEXT_CHARS_SHOWN).map_or(self.text.len(), |(at, _)| at);
        let (text, rest) = self.text.split_at(end);
        let mark = |term: &Term| Mark { range: term.start..term.end, places: BTreeSet::new() };
        let within = self.misled.iter().filter(|term| term.end <= end);
        let text = marked(text, within.map(mark).collect(), colour);
        let cut = if rest.is_empty() { "" } else { "…" };
        let missed = if self.missed.is_empty() { "nothing".to_owned() } else { terms(&self.missed) };
        let parts = [
            text + cut,
            format!("misled by {}", terms(&self.misled)),
            format!("for {subject} there is {missed}"),
        ];
        let parts = parts.iter().flat_map(|part| part.split('\n'));
        let body: String = parts.map(|part| format!("      {}\n", render::wrapped(part, 6))).collect();
        format!("  {head}\n{body}")
    }
}

impl Term {
    fn of(found: &Match) -> Term {
        Term { term: found.term.clone(), weight: found.weight, start: found.start, end: found.end }
    }
}

fn terms(terms: &[Term]) -> String {
    let shown = terms.iter().take(TERMS_SHOWN);
    let mut parts: Vec<String> = shown.map(|term| format!("{} {}", term.term, signed(term.weight))).collect();
    if TERMS_SHOWN < terms.len() {
        parts.push(format!("{} more", terms.len() - TERMS_SHOWN));
    }
    parts.join(", ")
}

impl Measured<'_> {
    /// For programs, on one line.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let Evaluation { n, accuracy, macro_f1, top2, abstained, calibration_error, kept75, .. } =
            self.evaluation;
        let report = Report {
            n,
            accuracy,
            macro_f1,
            top2,
            abstained,
            seconds: self.took.as_secs_f64(),
            calibration_error,
            kept75,
            per_subject: &self.evaluation.per_subject,
            calibration: &self.evaluation.calibration,
            confusion: &self.evaluation.confusion,
            mistakes: &self.mistakes,
        };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)
    }

    /// For people: the details first, so that what matters most is on the screen at the end.
    pub(super) fn write_text(&self, out: &mut dyn Write, colour: Colour) -> io::Result<()> {
        let found = &self.evaluation;
        writeln!(out, "{:<24} {:>6} {:>10} {:>7} {:>6}", "subject", "texts", "precision", "recall", "F1")?;
        for (id, subject) in &found.per_subject {
            let SubjectEvaluation { n, precision, recall, f1 } = subject;
            writeln!(out, "{:<24} {n:>6} {precision:>10.3} {recall:>7.3} {f1:>6.3}", id.as_str())?;
        }
        let heading = |text: &str| format!("\n{}\n", colour.paint(Style::new().bold(), text));
        let confusions = confusions(&found.confusion);
        if !confusions.is_empty() {
            write!(out, "{}{confusions}", heading("The largest confusions"))?;
        }
        if !self.mistakes.is_empty() {
            write!(out, "{}", heading("The surest mistakes"))?;
            self.mistakes.iter().try_for_each(|mistake| write!(out, "{}", mistake.show(colour)))?;
        }
        write!(
            out,
            "{}{}",
            heading("How sure it was, and how often that was right"),
            bands(&found.calibration)
        )?;
        let Evaluation { n, accuracy, macro_f1, top2, abstained, calibration_error, kept75, .. } = *found;
        let seconds = self.took.as_secs_f64();
        let per_second = n as f64 / seconds.max(f64::MIN_POSITIVE);
        writeln!(out, "\n{n} texts in {seconds:.2} s ({per_second:.0} a second)")?;
        writeln!(out, "accuracy     {accuracy:.3}  (the general desk counts as wrong)")?;
        writeln!(out, "macro F1     {macro_f1:.3}\ntop two      {top2:.3}\nabstained    {abstained:.3}")?;
        writeln!(out, "kept 75 %    {kept75:.3}  (right among the three quarters it was surest of)")?;
        writeln!(
            out,
            "calibration  {calibration_error:.3}  (how far confidences are from what is right; 0 is best)"
        )
    }
}

/// The pairs of subjects that were taken for each other most often.
fn confusions(confusion: &Confusion) -> String {
    let general = SubjectId::general();
    let mut pairs = Vec::new();
    for (subject, given) in confusion {
        let all: usize = given.values().sum();
        let wrong = given.iter().filter(|(other, _)| *other != subject && **other != general);
        pairs.extend(wrong.map(|(other, count)| (*count, subject, other, all)));
    }
    pairs.sort_by_key(|(count, subject, other, _)| (std::cmp::Reverse(*count), *subject, *other));
    pairs.truncate(CONFUSIONS_SHOWN);
    if pairs.is_empty() {
        return String::new();
    }
    let mut shown = format!("  {:>6}  {:<24}  {:<24}  {}\n", "texts", "of", "went to", "of all its texts");
    for (count, subject, other, all) in pairs {
        let share = 100.0 * count as f64 / all as f64;
        let (subject, other) = (subject.as_str(), other.as_str());
        writeln!(shown, "  {count:>6}  {subject:<24}  {other:<24}  {share:.0} %")
            .expect("a string takes any text");
    }
    shown
}

fn bands(bands: &[Band]) -> String {
    let mut shown = format!("  {:>10}  {:>6}  {:>6}\n", "sure", "texts", "right");
    for Band { from, to, n, right } in bands.iter().filter(|band| band.n > 0) {
        let sure = format!("{:.0}–{:.0} %", from * 100.0, to * 100.0);
        let bar = "█".repeat((right * BAR as f64).round() as usize);
        let line = format!("  {sure:>10}  {n:>6}  {:>4.0} %  {bar}", right * 100.0);
        writeln!(shown, "{}", line.trim_end()).expect("a string takes any text");
    }
    shown
}
