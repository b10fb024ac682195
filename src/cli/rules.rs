//! `stumper rules`: tests, advice and measurements for the people who write rule files.
//!
//! **Invariant:** rule files are read and never written here; `rules learn` writes the learned
//! ones, in a file of its own.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::Exit;
use crate::cli::classify::{RULES_DIR, rule_files, source_of, subjects_of};
use crate::cli::learn::LearnArgs;
use crate::cli::measured;
use crate::cli::render::{self, Colour, Colours, FaultRow, Lines};
use crate::cli::rows::Rows;
use crate::cli::{explain, learn};
use crate::config::rules_dir;
use crate::fault::{Fault, Position, Severity};
use crate::subjects::{self, RuleFile, SubjectId, Subjects, Tested, Verdict};

/// Test, check and measure rule files
#[derive(Clone, Debug, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    pub command: RulesCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// Run the examples that rule files carry
    Test(TestArgs),
    /// List every fault, and what could be better
    Lint(LintArgs),
    /// Show why texts go where they go, term by term
    Explain(explain::ExplainArgs),
    /// Measure on texts whose subject is known
    Eval(EvalArgs),
    /// Learn from texts whose subject is known, beside the rules that people wrote
    Learn(LearnArgs),
}

#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// The directory of rule files
    #[arg(value_name = "DIR", default_value = RULES_DIR)]
    pub rules: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct LintArgs {
    /// The directory of rule files
    #[arg(value_name = "DIR", default_value = RULES_DIR)]
    pub rules: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct EvalArgs {
    /// Rows of a subject's id, a tab, and a text; further columns are left out
    #[arg(value_name = "FILE.tsv")]
    pub file: PathBuf,
    /// The directory of rule files
    #[arg(long, value_name = "DIR", default_value = RULES_DIR)]
    pub rules: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs a subcommand.
///
/// # Errors
///
/// Where output fails.
pub fn rules(
    args: &RulesArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
    colours: Colours,
) -> anyhow::Result<Exit> {
    let exit = match &args.command {
        RulesCommand::Explain(args) => {
            return explain::explain(args, &mut io::stdin().lock(), out, err, colours);
        }
        RulesCommand::Test(args) => test(args, out, err, colours.err),
        RulesCommand::Lint(args) => lint(args, out, err, colours.err),
        RulesCommand::Eval(args) => eval(args, out, err, colours),
        RulesCommand::Learn(args) => learn::learn(args, Vec::new(), out, err),
    };
    match exit {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        Err(error) => Err(error.into()),
        Ok(exit) => Ok(exit),
    }
}

/// Everything that is wrong with the rules in `dir`: faults of the files, and examples that fail.
/// A directory that cannot be read is a fault too.
pub fn check_rules(dir: &Path) -> Vec<Fault> {
    let name = dir.display().to_string();
    let hint = "name the directory of your rule files, each ending in `.toml`";
    match rules_dir::read(dir) {
        Ok(files) if files.is_empty() => {
            vec![Fault::error(&name, None, "there are no rule files in this directory").with_hint(hint)]
        }
        Ok(files) => {
            let (_, mut faults) = Subjects::compile(&files);
            faults.extend(subjects::faults_of_examples(&subjects::test(&files)));
            faults
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            vec![Fault::error(&name, None, "there is no such directory of rules").with_hint(hint)]
        }
        Err(error) => {
            let what = format!("the rules cannot be read: {error}");
            vec![Fault::error(&name, None, what).with_hint("look at the permissions")]
        }
    }
}

/// The result of `rules test` for programs.
#[derive(Debug, Serialize)]
struct TestReport<'a> {
    examples: usize,
    right: usize,
    missing: usize,
    noisy: usize,
    wrong: usize,
    failures: Vec<TestFailure<'a>>,
}

#[derive(Debug, Serialize)]
struct TestFailure<'a> {
    verdict: &'static str,
    subject: &'a SubjectId,
    text: &'a str,
    /// The language that was used, where it is known.
    language: Option<&'a str>,
    chosen: Vec<&'a SubjectId>,
    file: &'a str,
    line: Option<usize>,
}

fn test(args: &TestArgs, out: &mut dyn Write, err: &mut dyn Write, colour: Colour) -> io::Result<Exit> {
    let Some(files) = rule_files(&args.rules, err)? else { return Ok(Exit::InputAtFault) };
    let (_, mut faults) = Subjects::compile(&files);
    faults.retain(|fault| fault.severity == Severity::Error);
    show(&faults, &files, err, colour)?;
    let tested = subjects::test(&files);
    let count = |verdict| tested.iter().filter(|tested| tested.verdict == verdict).count();
    let report = TestReport {
        examples: tested.len(),
        right: count(Verdict::Right),
        missing: count(Verdict::Missing),
        noisy: count(Verdict::Noisy),
        wrong: count(Verdict::Wrong),
        failures: tested
            .iter()
            .filter(|tested| tested.verdict != Verdict::Right)
            .map(|t| failure(t, &files))
            .collect(),
    };
    if args.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        for failure in &report.failures {
            writeln!(out, "{}", told(failure))?;
        }
        let TestReport { examples, right, missing, noisy, wrong, .. } = report;
        writeln!(
            out,
            "{right} of {examples} examples are right; {missing} missing, {noisy} noisy, {wrong} wrong"
        )?;
    }
    let is_fine = report.failures.is_empty() && faults.is_empty();
    Ok(if is_fine { Exit::Fine } else { Exit::InputAtFault })
}

fn failure<'a>(tested: &'a Tested, files: &'a [RuleFile]) -> TestFailure<'a> {
    let example = &tested.example;
    let source = source_of(files, &example.file);
    TestFailure {
        verdict: match tested.verdict {
            Verdict::Right => "right",
            Verdict::Missing => "missing",
            Verdict::Noisy => "noisy",
            Verdict::Wrong => "wrong",
        },
        subject: &example.subject,
        text: &example.text,
        language: tested.language.as_deref(),
        chosen: tested.chosen.iter().collect(),
        file: &example.file,
        line: source.map(|source| Position::of(source, example.span.start).line),
    }
}

fn told(failure: &TestFailure<'_>) -> String {
    let TestFailure { verdict, subject, text, language: _, chosen, file, line } = failure;
    let place = line.map_or_else(|| (*file).to_owned(), |line| format!("{file}:{line}"));
    let text = render::visible(text);
    let chosen: Vec<&str> = chosen.iter().map(|id| id.as_str()).collect();
    let chosen = if chosen.is_empty() { "the general desk".to_owned() } else { chosen.join(", ") };
    format!("{verdict:<8} {subject}: \"{text}\"\n         goes to {chosen}  ({place})")
}

/// The result of `rules lint` for programs.
#[derive(Debug, Serialize)]
struct LintReport<'a> {
    files: usize,
    errors: usize,
    warnings: usize,
    faults: Vec<FaultRow<'a>>,
}

fn lint(args: &LintArgs, out: &mut dyn Write, err: &mut dyn Write, colour: Colour) -> io::Result<Exit> {
    let Some(files) = rule_files(&args.rules, err)? else { return Ok(Exit::InputAtFault) };
    let faults = subjects::lint(&files);
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let warnings = faults.len() - errors;
    if args.json {
        let rows = faults.iter().map(|fault| FaultRow::of(fault, source_of(&files, &fault.file))).collect();
        let report = LintReport { files: files.len(), errors, warnings, faults: rows };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        show(&faults, &files, err, colour)?;
        writeln!(out, "{} rule files: {errors} errors, {warnings} warnings", files.len())?;
    }
    Ok(if errors == 0 { Exit::Fine } else { Exit::InputAtFault })
}

fn show(faults: &[Fault], files: &[RuleFile], err: &mut dyn Write, colour: Colour) -> io::Result<()> {
    let source = |name: &str| source_of(files, name);
    write!(err, "{}", render::faults(faults, source, Lines::Shown, colour))
}

fn eval(args: &EvalArgs, out: &mut dyn Write, err: &mut dyn Write, colours: Colours) -> io::Result<Exit> {
    let Some(subjects) = subjects_of(&args.rules, err, colours.err)? else { return Ok(Exit::InputAtFault) };
    let path = args.file.display();
    let rows = match Rows::of_file(&args.file, &subjects) {
        Ok(rows) => rows,
        Err(error) => {
            writeln!(err, "error: cannot read {path}: {error}")?;
            return Ok(Exit::InputAtFault);
        }
    };
    rows.warn(&path.to_string(), err)?;
    if rows.good.is_empty() {
        writeln!(
            err,
            "error: {path} has no row to measure\nhint: a row is a subject's id, a tab, and a text"
        )?;
        return Ok(Exit::InputAtFault);
    }
    let measured = measured::measure(&subjects, &rows.good);
    if args.json {
        measured.write_json(out)?
    } else {
        measured.write_text(out, colours.out)?
    }
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: &str = r#"id = "history"
name = "History"
strong = ["ottoman*", "world war", "ottomans"]
weak = ["king", "kings", "battle"]
against = ["browser history"]
[[example]]
yes = "When did the Ottoman Empire fall?"
[[example]]
yes = "Who was the first king?"
[[example]]
yes = "Who sold the king's guitar?"
[[example]]
no = "A game about the world war"
[[example]]
no = "How do I clear my browser history?"
"#;
    const MUSIC: &str = r#"id = "music"
name = "Music"
strong = ["guitar", "world war"]
"#;

    fn dir(history: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("history.toml"), history).unwrap();
        std::fs::write(dir.path().join("music.toml"), MUSIC).unwrap();
        dir
    }

    /// Runs a command and answers with its exit, and its output with the directory called `DIR`.
    fn run(dir: &Path, command: RulesCommand) -> (Exit, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let colours = Colours { out: Colour::Plain, err: Colour::Plain };
        let exit = rules(&RulesArgs { command }, &mut out, &mut err, colours).unwrap();
        let plain = |bytes| String::from_utf8(bytes).unwrap().replace(dir.to_str().unwrap(), "DIR");
        (exit, plain(out), plain(err))
    }

    fn run_test(history: &str, json: bool) -> (Exit, String, String) {
        let dir = dir(history);
        run(dir.path(), RulesCommand::Test(TestArgs { rules: dir.path().to_owned(), json }))
    }

    #[test]
    fn failing_examples_are_told_with_their_kind_and_place() {
        let (exit, out, err) = run_test(HISTORY, false);
        assert_eq!((exit, err.as_str()), (Exit::InputAtFault, ""));
        insta::assert_snapshot!(out, @r#"
        missing  history: "Who was the first king?"
                 goes to the general desk  (DIR/history.toml:9)
        wrong    history: "Who sold the king's guitar?"
                 goes to music  (DIR/history.toml:11)
        noisy    history: "A game about the world war"
                 goes to history, music  (DIR/history.toml:13)
        2 of 5 examples are right; 1 missing, 1 noisy, 1 wrong
        "#);
        insta::assert_snapshot!(run_test(HISTORY, true).1, @r#"{"examples":5,"right":2,"missing":1,"noisy":1,"wrong":1,"failures":[{"verdict":"missing","subject":"history","text":"Who was the first king?","language":null,"chosen":[],"file":"DIR/history.toml","line":9},{"verdict":"wrong","subject":"history","text":"Who sold the king's guitar?","language":"en","chosen":["music"],"file":"DIR/history.toml","line":11},{"verdict":"noisy","subject":"history","text":"A game about the world war","language":"en","chosen":["history","music"],"file":"DIR/history.toml","line":13}]}"#);
    }

    #[test]
    fn examples_that_hold_are_counted() {
        let history =
            "id = \"history\"\nname = \"History\"\nstrong = [\"ottoman\"]\n[[example]]\nyes = \"ottoman\"\n";
        let (exit, out, _) = run_test(history, false);
        assert_eq!(exit, Exit::Fine);
        insta::assert_snapshot!(out, @"1 of 1 examples are right; 0 missing, 0 noisy, 0 wrong");
    }

    #[test]
    fn lint_tells_what_could_be_better() {
        let dir = dir(HISTORY);
        let lint =
            |json| run(dir.path(), RulesCommand::Lint(LintArgs { rules: dir.path().to_owned(), json }));
        let (exit, out, err) = lint(false);
        assert_eq!(exit, Exit::Fine, "advice is no fault");
        insta::assert_snapshot!(format!("{err}{out}"), @r#"
        warning: there are fewer than 10 terms
        --> DIR/history.toml
         = hint: add the words patrons use

        warning: this term is also strong in DIR/music.toml
         --> DIR/history.toml:3:23
          |
        3 | strong = ["ottoman*", "world war", "ottomans"]
          |                       ^^^^^^^^^^^
          |
          = hint: make it weak in one of them, or a longer phrase

        warning: this term never counts: a wider one always stands there too
         --> DIR/history.toml:3:36
          |
        3 | strong = ["ottoman*", "world war", "ottomans"]
          |                                    ^^^^^^^^^^
          |
          = hint: take it out; the wider one is in line 3

        warning: this term is another form of one before it, which counts
         --> DIR/history.toml:4:17
          |
        4 | weak = ["king", "kings", "battle"]
          |                 ^^^^^^^
          |
          = hint: keep one of the two; the other is in line 4

        warning: there are no examples
        --> DIR/music.toml
         = hint: add `[[example]]` with `yes = "…"`, a question that should be found

        warning: there are fewer than 10 terms
        --> DIR/music.toml
         = hint: add the words patrons use

        warning: this term is also strong in DIR/history.toml
         --> DIR/music.toml:3:21
          |
        3 | strong = ["guitar", "world war"]
          |                     ^^^^^^^^^^^
          |
          = hint: make it weak in one of them, or a longer phrase

        2 rule files: 0 errors, 7 warnings
        "#);
        let json: serde_json::Value = serde_json::from_str(&lint(true).1).unwrap();
        assert_eq!(json["faults"][1]["line"], 3);
    }

    #[test]
    fn check_lists_faults_and_failing_examples() {
        let dir = dir(&HISTORY.replace("name", "nmae"));
        let faults = check_rules(dir.path());
        let told: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        the key `name` is missing
        this key is not known
        this question should be found for history, and goes to the general desk
        this question should be found for history, and goes to music
        this question should not be found for history, and is
        "#);
        assert_eq!(check_rules(Path::new("no/such/rules")).len(), 1);
    }

    #[test]
    fn bad_rows_are_told_and_the_rest_is_measured() {
        let dir = dir(HISTORY);
        let file = dir.path().join("rows.tsv");
        let rows = "history\tThe Ottomans\tmore\n\nno tab\nart\tmona lisa\nmusic\tguitar\r\nmusic\tking of battle\nmusic\thello";
        std::fs::write(&file, [rows.as_bytes(), b"\nmusic\t\xff\n"].concat()).unwrap();
        let eval = |json| {
            let args = EvalArgs { file: file.clone(), rules: dir.path().to_owned(), json };
            run(dir.path(), RulesCommand::Eval(args))
        };
        let (exit, out, err) = eval(true);
        assert_eq!(exit, Exit::Fine);
        insta::assert_snapshot!(err, @r#"
        warning: DIR/rows.tsv:3: a row is a subject's id, a tab, and a text; this row is left out
        warning: DIR/rows.tsv:8: the row is not UTF-8; this row is left out
        warning: DIR/rows.tsv: 1 rows of `art`, which has no rules, are left out
        "#);
        let seconds = regex::Regex::new(r#""seconds":[^,]+"#).unwrap();
        insta::assert_snapshot!(seconds.replace(&out, r#""seconds":0"#), @r#"{"n":4,"accuracy":0.5,"macro_f1":0.5833333333333333,"top2":0.5,"abstained":0.25,"seconds":0,"calibration_error":0.22314004227735618,"kept75":0.6666666666666666,"per_subject":{"history":{"n":1,"precision":0.5,"recall":1.0,"f1":0.6666666666666666},"music":{"n":3,"precision":1.0,"recall":0.3333333333333333,"f1":0.5}},"calibration":[{"from":0.0,"to":0.1,"n":1,"right":0.0},{"from":0.1,"to":0.2,"n":0,"right":0.0},{"from":0.2,"to":0.3,"n":0,"right":0.0},{"from":0.3,"to":0.4,"n":0,"right":0.0},{"from":0.4,"to":0.5,"n":0,"right":0.0},{"from":0.5,"to":0.6,"n":1,"right":0.0},{"from":0.6,"to":0.7,"n":0,"right":0.0},{"from":0.7,"to":0.8,"n":0,"right":0.0},{"from":0.8,"to":0.9,"n":2,"right":1.0},{"from":0.9,"to":1.0,"n":0,"right":0.0}],"confusion":{"history":{"history":1},"music":{"general":1,"history":1,"music":1}},"mistakes":[{"line":6,"subject":"music","given":"history","confidence":0.5571999498353328,"text":"king of battle","misled":[{"term":"king","weight":1.0,"start":0,"end":4},{"term":"battle","weight":1.0,"start":8,"end":14}],"missed":[]}]}"#);
        let took = regex::Regex::new(r"in [0-9.]+ s \(\d+ a second\)").unwrap();
        insta::assert_snapshot!(took.replace(&eval(false).1, "in … s"), @"
        subject                   texts  precision  recall     F1
        history                       1      0.500   1.000  0.667
        music                         3      1.000   0.333  0.500

        The largest confusions
           texts  of                        went to                   of all its texts
               1  music                     history                   33 %

        The surest mistakes
          line 6: 56 % sure of history, but it is music
              [king] of [battle]
              misled by king +1, battle +1
              for music there is nothing

        How sure it was, and how often that was right
                sure   texts   right
              0–10 %       1     0 %
             50–60 %       1     0 %
             80–90 %       2   100 %  ████████████████████

        4 texts in … s
        accuracy     0.500  (the general desk counts as wrong)
        macro F1     0.583
        top two      0.500
        abstained    0.250
        kept 75 %    0.667  (right among the three quarters it was surest of)
        calibration  0.223  (how far confidences are from what is right; 0 is best)
        ");
    }

    #[test]
    fn a_file_without_rows_is_at_fault() {
        let dir = dir(HISTORY);
        let file = dir.path().join("empty.tsv");
        std::fs::write(&file, "").unwrap();
        let args = EvalArgs { file, rules: dir.path().to_owned(), json: false };
        let (exit, _, err) = run(dir.path(), RulesCommand::Eval(args));
        assert_eq!(exit, Exit::InputAtFault);
        insta::assert_snapshot!(err, @r#"
        error: DIR/empty.tsv has no row to measure
        hint: a row is a subject's id, a tab, and a text
        "#);
    }
}
