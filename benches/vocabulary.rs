//! How classifying and compiling grow with the vocabulary: 500 to 200,000 terms over real questions.
//!
//! Terms are short subject headings of the Library of Congress and what was learned for the shipped
//! rules, mixed; then word pairs of questions that are not among those classified. They are dealt out to
//! 25 subjects. Needs the folder of shared data,
//! given as the first argument, or as `../shared/data`. With `--texts DIR` the questions, the
//! vocabularies and the rates are written there, for `benches/peers.py` to measure other matchers on
//! the same. "Tokenising alone" is all that the words of a text need before the first is looked up: it is
//! folded and cut, and each word has its key. To measure what is shipped, add `--profile release`.
//!
//! **Invariant:** rates are per second of CPU time of one thread, and only those of one run are
//! compared.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people to run by hand")]

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stumper::config::rules_dir;
use stumper::subjects::{LEARNED_ENDING, Reader, RuleFile, Subjects};

const SIZES: [usize; 4] = [500, 5_000, 50_000, 200_000];
const SUBJECTS: usize = 25;
const QUESTIONS: usize = 20_000;

/// Where the learned terms are.
const LEARNED: [&str; 2] = ["rules/learned/words.tsv", "rules/learned/phrases.tsv"];

/// A step through the headings and learned terms, so that small vocabularies hold both of all letters.
const STEP: usize = 997;

/// How long each figure is measured.
const CPU_TIME: Duration = Duration::from_millis(1_500);

fn main() {
    compile_the_shipped();
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut data = PathBuf::from("../shared/data");
    let mut texts_dir = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--texts" => texts_dir = arguments.next().map(PathBuf::from),
            other => data = PathBuf::from(other),
        }
    }
    let Ok(questions) = fs::read_to_string(data.join("questions/stackexchange_more.tsv")) else {
        println!("skipped: there is no shared data in {}", data.display());
        return;
    };
    let mut rows: Vec<&str> = questions.lines().filter_map(|row| row.split('\t').nth(1)).collect();
    let others = rows.split_off(QUESTIONS);
    let headings = fs::read_to_string(data.join("vocab/lcsh_short.tsv")).unwrap();
    let learned: Vec<String> =
        LEARNED.iter().map(|file| fs::read_to_string(file).unwrap_or_default()).collect();
    let terms = vocabulary(&headings, &learned, &others);
    if let Some(dir) = &texts_dir {
        write_texts(dir, &rows, &terms);
    }
    let bytes: usize = rows.iter().map(|row| row.len()).sum();
    println!("{} questions, {} bytes a question", rows.len(), bytes / rows.len());
    let none = Subjects::default();
    let tokens = rate(&rows, || none.reader());
    println!("tokenising alone: {tokens:.0} questions/s");
    let mut rates = serde_json::Map::new();
    for size in SIZES {
        let files = rule_files(terms.get(..size).unwrap());
        let before = resident_mib();
        let began = cpu_time();
        let (subjects, faults) = Subjects::compile(&files);
        let built = cpu_time() - began;
        let grown = resident_mib() - before;
        let mut reader = subjects.reader();
        let evidence: usize = rows.iter().map(|row| reader.read(row, None).evidence()).sum();
        let warm = rate_of(&rows, &mut reader);
        let cold = rate(&rows, || subjects.reader());
        println!(
            "{size} terms: {warm:.0} questions/s warm ({:.0} % of tokenising), {cold:.0} cold ({:.0} % of \
             warm); built in {:.3} s, {grown:.1} MiB; {:.2} terms found a question; {} faults",
            100.0 * warm / tokens,
            100.0 * cold / warm,
            built.as_secs_f64(),
            evidence as f64 / rows.len() as f64,
            faults.len(),
        );
        let own = serde_json::json!({"warm": warm, "cold": cold, "built": built.as_secs_f64(), "mib": grown});
        rates.insert(size.to_string(), own);
    }
    if let Some(dir) = &texts_dir {
        let rates = serde_json::json!({"tokenising": tokens, "terms": rates});
        fs::write(dir.join("rates.json"), rates.to_string()).unwrap();
    }
}

/// What the rules that come with the desk cost before the first question.
fn compile_the_shipped() {
    let Ok(files) = rules_dir::read(Path::new("rules")) else {
        println!("skipped: there are no rules here");
        return;
    };
    let (learned, written): (Vec<RuleFile>, Vec<RuleFile>) =
        files.iter().cloned().partition(|file| file.name.ends_with(LEARNED_ENDING));
    let before = resident_mib();
    let kept = Subjects::compile(&files);
    let grown = resident_mib() - before;
    let rounds = || (0..15).map(|_| (compile_time(&files), compile_time(&written)));
    let (mut all, mut of_written): (Vec<Duration>, Vec<Duration>) = rounds().unzip();
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    let (all, of_written) = (median(&mut all), median(&mut of_written));
    println!(
        "{:?}, compiled in {all:.1} ms, {of_written:.1} ms without the {} learned files; {grown:.1} MiB",
        kept.0,
        learned.len()
    );
}

fn compile_time(files: &[RuleFile]) -> Duration {
    let began = cpu_time();
    std::hint::black_box(Subjects::compile(files));
    cpu_time() - began
}

/// Different terms, all of which the rules take.
fn vocabulary(headings: &str, learned: &[String], questions: &[&str]) -> Vec<String> {
    let mut known = HashSet::new();
    let mut terms = Vec::new();
    let mut add = |term: String| {
        let fits = term.len() <= 100 && term.chars().any(char::is_alphanumeric) && !term.contains('*');
        if fits && known.insert(term.clone()) {
            terms.push(term);
        }
    };
    let first = |row: &str| row.split('\t').next().unwrap_or_default().to_lowercase();
    // Notes, the names of subjects, and the headings of the columns are no terms.
    let is_term = |row: &&str| !["#", "subject\t", "term\t"].iter().any(|begin| row.starts_with(begin));
    let learned = learned.iter().flat_map(|file| file.lines().filter(is_term));
    let mixed: Vec<String> = headings.lines().chain(learned).map(first).collect();
    for step in 0..STEP {
        mixed.iter().skip(step).step_by(STEP).for_each(|term| add(term.clone()));
    }
    for question in questions {
        let words: Vec<String> = question
            .split(|c: char| !c.is_alphanumeric())
            .map(str::to_lowercase)
            .filter(|w| !w.is_empty())
            .collect();
        words.windows(2).for_each(|pair| add(pair.join(" ")));
    }
    terms
}

fn rule_files(terms: &[String]) -> Vec<RuleFile> {
    let file = |subject: usize| {
        let mut text = format!("id = \"subject{subject}\"\nname = \"Subject {subject}\"\nstrong = [\n");
        for term in terms.iter().skip(subject).step_by(SUBJECTS) {
            writeln!(text, "{term:?},").unwrap();
        }
        text.push_str("]\n");
        RuleFile { name: format!("subject{subject}.toml"), text: text.into_bytes() }
    };
    (0..SUBJECTS).map(file).collect()
}

fn write_texts(dir: &Path, questions: &[&str], terms: &[String]) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("questions.txt"), questions.join("\n")).unwrap();
    for size in SIZES {
        fs::write(dir.join(format!("terms-{size}.txt")), terms.get(..size).unwrap().join("\n")).unwrap();
    }
}

/// Questions a second of CPU time, with a new reader for each round.
fn rate<'s>(questions: &[&str], reader: impl Fn() -> Reader<'s>) -> f64 {
    measure(questions.len(), || {
        let mut reader = reader();
        questions.iter().map(|question| reader.read(question, None).evidence()).sum()
    })
}

/// Questions a second of CPU time, with the same reader for all rounds.
fn rate_of(questions: &[&str], reader: &mut Reader<'_>) -> f64 {
    measure(questions.len(), || questions.iter().map(|question| reader.read(question, None).evidence()).sum())
}

fn measure(questions: usize, mut round: impl FnMut() -> usize) -> f64 {
    let began = cpu_time();
    let mut rounds = 0;
    loop {
        std::hint::black_box(round());
        rounds += 1;
        let spent = cpu_time() - began;
        if spent >= CPU_TIME {
            return (rounds * questions) as f64 / spent.as_secs_f64();
        }
    }
}

/// CPU time of this thread, in nanoseconds from the scheduler's own count.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default();
    Duration::from_nanos(nanoseconds)
}

fn resident_mib() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
    pages * 4096.0 / f64::from(1 << 20)
}
