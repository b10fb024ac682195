//! `stumper classify`: what texts are about, and why.
//!
//! **Invariant:** nothing is routed, stored or sent here, and each text is answered before the next
//! is read.

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::cli::Exit;
use crate::cli::render::{self, Colour, Lines};
use crate::config::rules_dir;
use crate::fault::Severity;
use crate::subjects::{
    Classification, Evidence, GENERAL_DESK, Kind, Language, RuleFile, Screening, SubjectId, Subjects,
    TEXT_BYTES_MAX,
};

/// Where rules are looked for when nothing else is said.
pub const RULES_DIR: &str = "rules";

/// The longest line that is read from standard input, in bytes.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Show which subjects texts belong to, and the terms that say so
#[derive(Clone, Debug, Args)]
pub struct ClassifyArgs {
    /// A text; `-` reads one text a line from standard input
    #[arg(value_name = "TEXT", required = true)]
    pub texts: Vec<String>,
    /// The directory of rule files
    #[arg(long, value_name = "DIR", default_value = RULES_DIR)]
    pub rules: PathBuf,
    /// The language the texts declare, such as `de` or `pt-BR`; without it, each text tells its own
    #[arg(long, value_name = "TAG")]
    pub language: Option<String>,
    /// One line of JSON a text
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// Where standard input or output fails. Faults of the rules are told on `err`, in `colour`.
pub fn classify(
    args: &ClassifyArgs,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    err: &mut dyn Write,
    colour: Colour,
) -> anyhow::Result<Exit> {
    let Some(subjects) = subjects_of(&args.rules, err, colour)? else { return Ok(Exit::InputAtFault) };
    let (reader, screener) = (subjects.reader(), subjects.screener());
    let mut desk = Shower { reader, screener, subjects: &subjects, args, is_first: true };
    each_text(&args.texts, input, err, &mut |text| {
        desk.text(text, out)?;
        // Whoever waits for this answer before they send the next line must not wait for ever.
        out.flush()
    })
}

/// Hands over each text, and for `-` each line of the input.
pub(crate) fn each_text(
    texts: &[String],
    input: &mut dyn BufRead,
    err: &mut dyn Write,
    take: &mut dyn FnMut(&str) -> io::Result<()>,
) -> anyhow::Result<Exit> {
    for text in texts {
        let taken = if text == "-" { each_line(input, take) } else { take(text) };
        match taken {
            Ok(()) => {}
            // Whoever read our output has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Fine),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                writeln!(err, "error: {error}")?;
                return Ok(Exit::InputAtFault);
            }
            Err(error) => return Err(error).context("cannot classify"),
        }
    }
    Ok(Exit::Fine)
}

/// Reads a directory of rules for a command. Where that is not possible it says so, and what to do.
pub(crate) fn rule_files(dir: &Path, err: &mut dyn Write) -> io::Result<Option<Vec<RuleFile>>> {
    let (what, hint) = match rules_dir::read(dir) {
        Ok(files) if !files.is_empty() => return Ok(Some(files)),
        Ok(_) => (
            format!("there are no rule files in {}", dir.display()),
            "the name of a rule file ends in `.toml`",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (format!("there is no directory {}", dir.display()), "give the directory of your rule files")
        }
        Err(error) => (format!("cannot read {error}"), "look at its permissions"),
    };
    writeln!(err, "error: {what}\nhint: {hint}")?;
    Ok(None)
}

/// The subjects of a directory of rules. Faults are told; whatever can be used is used.
pub(crate) fn subjects_of(dir: &Path, err: &mut dyn Write, colour: Colour) -> io::Result<Option<Subjects>> {
    let Some(files) = rule_files(dir, err)? else { return Ok(None) };
    let (subjects, mut faults) = Subjects::compile(&files);
    faults.retain(|fault| fault.severity == Severity::Error);
    let sources = |name: &str| source_of(&files, name);
    write!(err, "{}", render::faults(&faults, sources, Lines::Shown, colour))?;
    if subjects.iter().next().is_none() {
        writeln!(err, "error: none of the rule files in {} can be used", dir.display())?;
        return Ok(None);
    }
    Ok(Some(subjects))
}

/// The text of a rule file, by its name.
pub(crate) fn source_of<'f>(files: &'f [RuleFile], name: &str) -> Option<&'f str> {
    let file = files.iter().find(|file| file.name == name)?;
    // A file with a byte that is no text can be shown up to there.
    match std::str::from_utf8(&file.text) {
        Ok(source) => Some(source),
        Err(error) => std::str::from_utf8(file.text.get(..error.valid_up_to())?).ok(),
    }
}

fn each_line(input: &mut dyn BufRead, take: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut number = 0_usize;
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        let read = input.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let fault = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {what}"));
        if read as u64 > LINE_BYTES_MAX {
            return Err(fault("the text is longer than 1 MiB"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| fault("the text is not UTF-8"))?;
        take(text.trim_end_matches(['\n', '\r']))?;
    }
}

/// A line for programs.
#[derive(Serialize)]
struct Row<'a> {
    text: &'a str,
    #[serde(flatten)]
    classification: &'a Classification,
    /// Whether it is a question at all.
    kind: Kind,
    /// Why it is of this kind.
    evidence: &'a [Evidence],
}

struct Shower<'a> {
    reader: crate::subjects::Reader<'a>,
    screener: crate::subjects::Screener<'a>,
    subjects: &'a Subjects,
    args: &'a ClassifyArgs,
    is_first: bool,
}

impl Shower<'_> {
    fn text(&mut self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let language = self.args.language.as_deref();
        let found = self.reader.classify(text, language);
        let screening = self.screener.screen(text, language);
        if self.args.json {
            let Screening { kind, evidence } = &screening;
            let row = Row { text, classification: &found, kind: *kind, evidence };
            serde_json::to_writer(&mut *out, &row)?;
            writeln!(out)
        } else {
            let gap = if std::mem::take(&mut self.is_first) { "" } else { "\n" };
            write!(out, "{gap}{}{}", explain_kind(text, &screening), explain(self.subjects, text, &found))
        }
    }
}

/// Why a text is no question, in words. Nothing for a question.
fn explain_kind(text: &str, screening: &Screening) -> String {
    let what = match screening.kind {
        Kind::Question => return String::new(),
        Kind::Greeting => "A greeting, and no question: it is greeted",
        Kind::Thanks => "Thanks, and no question: they are passed on",
        Kind::Spam => "Spam, and no question: it is held back",
        Kind::Abuse => "Abuse, and no question: it is held back",
        Kind::Empty => "Nothing: there is no word in it",
    };
    let mut shown = format!("{what}\n");
    for found in &screening.evidence {
        let words = render::visible(text.get(found.start..found.end).unwrap_or_default());
        let place = if words.len() < text.len() { format!("  in \"{words}\"") } else { String::new() };
        shown.push_str(&format!("    {:+}  {}: {}{place}\n", found.weight, found.speaks_for, found.because));
    }
    shown
}

/// What a text was found to be about, in words.
fn explain(subjects: &Subjects, text: &str, found: &Classification) -> String {
    let name_of = |id: &SubjectId| match subjects.get(id) {
        Some(subject) => format!("{} ({id})", subject.name),
        None => id.to_string(),
    };
    let chosen = found.chosen();
    let mut shown = match chosen {
        [] if found.subjects.is_empty() => format!("General desk ({GENERAL_DESK}): no term of any subject\n"),
        [] => format!("General desk ({GENERAL_DESK}): too little evidence\n"),
        [best, others @ ..] => {
            let others = others.iter().map(|other| format!(", close to {}", name_of(&other.id)));
            format!("{}{}\n", name_of(&best.id), others.collect::<String>())
        }
    };
    if let Some(language) =
        found.language.as_deref().and_then(Language::parse).filter(|l| *l != Language::ENGLISH)
    {
        shown.push_str(&format!("  read as {}\n", language.name().unwrap_or(language.code())));
    }
    if text.len() > TEXT_BYTES_MAX {
        shown.push_str("  only the beginning of this text was read\n");
    }
    for ranked in &found.subjects {
        shown.push_str(&format!(
            "  {:<24} score {}, confidence {:.2}\n",
            ranked.id.as_str(),
            ranked.score,
            ranked.confidence
        ));
        for term in found.matched.iter().filter(|term| term.subject == ranked.id) {
            let words = text.get(term.start..term.end).unwrap_or_default();
            let words = render::visible(words);
            shown.push_str(&format!("    {:+}  {}  in \"{words}\"\n", term.weight, term.term));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: &str = "id = \"history\"\nname = \"History\"\nstrong = [\"ottoman*\", \"world war\"]\n\
        weak = [\"king\"]\nagainst = [\"browser history\"]\n";
    const MUSIC: &str = "id = \"music\"\nname = \"Music\"\nstrong = [\"guitar\"]\nweak = [\"king of pop\"]\n";

    fn run(texts: &[&str], input: &str, json: bool) -> (Exit, String, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("history.toml"), HISTORY).unwrap();
        std::fs::write(dir.path().join("music.toml"), MUSIC).unwrap();
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        let args = ClassifyArgs { texts, rules: dir.path().to_owned(), language: None, json };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = classify(&args, &mut input.as_bytes(), &mut out, &mut err, Colour::Plain).unwrap();
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn json_is_as_documented() {
        let (exit, out, err) = run(&["Über the Ottomans"], "", true);
        assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
        insta::assert_snapshot!(out, @r#"{"text":"Über the Ottomans","language":null,"best":"history","subjects":[{"id":"history","score":3.0,"confidence":0.8323198903629541}],"matched":[{"subject":"history","term":"ottoman*","weight":3.0,"start":10,"end":18}],"kind":"question","evidence":[]}"#);
    }

    #[test]
    fn people_are_told_why() {
        let german = "Wer war der letzte King von Sachsen?";
        let texts =
            ["Which Ottoman king played the guitar?", "Who was the king?", "Hello", "#WorldWar", german];
        insta::assert_snapshot!(run(&texts, "", false).1, @r##"
        History (history)
          history                  score 4, confidence 0.78
            +3  ottoman*  in "Ottoman"
            +1  king  in "king"
          music                    score 3, confidence 0.13
            +3  guitar  in "guitar"

        General desk (general): too little evidence
          history                  score 1, confidence 0.19
            +1  king  in "king"

        General desk (general): no term of any subject

        History (history)
          history                  score 3, confidence 0.83
            +3  world war  in "#WorldWar"

        General desk (general): no term of any subject
          read as German
        "##);
    }

    #[test]
    fn what_is_no_question_is_told_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("history.toml"), HISTORY).unwrap();
        let screening = dir.path().join("screening");
        std::fs::create_dir(&screening).unwrap();
        let spam = "id = \"spam\"\nname = \"Spam\"\nstrong = [\"prize draw\"]\nweak = [\"free\"]\n";
        std::fs::write(screening.join("spam.toml"), spam).unwrap();
        let show = |text: &str, json| {
            let texts = vec![text.to_owned()];
            let args = ClassifyArgs { texts, rules: dir.path().to_owned(), language: None, json };
            let (mut out, mut err) = (Vec::new(), Vec::new());
            classify(&args, &mut io::empty(), &mut out, &mut err, Colour::Plain).unwrap();
            String::from_utf8(out).unwrap()
        };
        insta::assert_snapshot!(show("Free prize draw, Ottoman style", false), @r#"
        Spam, and no question: it is held back
            +1  spam: free  in "Free"
            +3  spam: prize draw  in "prize draw"
        History (history)
          history                  score 3, confidence 0.83
            +3  ottoman*  in "Ottoman"
        "#);
        insta::assert_snapshot!(show("?!", false), @r"
        Nothing: there is no word in it
        General desk (general): no term of any subject
        ");
        insta::assert_snapshot!(show("prize draw", true), @r#"{"text":"prize draw","language":null,"best":null,"subjects":[],"matched":[],"kind":"spam","evidence":[{"kind":"spam","because":"prize draw","weight":3.0,"start":0,"end":10}]}"#);
    }

    #[test]
    fn a_dash_reads_a_text_a_line() {
        let (exit, out, _) = run(&["-"], "guitar\r\n\nworld war", true);
        assert_eq!(exit, Exit::Fine);
        let texts: Vec<serde_json::Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let texts: Vec<&str> = texts.iter().map(|row| row["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["guitar", "", "world war"]);
    }

    #[test]
    fn missing_rules_are_named_with_what_to_do() {
        let rules = PathBuf::from("no/such/rules");
        let args = ClassifyArgs { texts: vec!["x".to_owned()], rules, language: None, json: false };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(
            classify(&args, &mut io::empty(), &mut out, &mut err, Colour::Plain).unwrap(),
            Exit::InputAtFault
        );
        insta::assert_snapshot!(String::from_utf8(err).unwrap(), @r#"
        error: there is no directory no/such/rules
        hint: give the directory of your rule files
        "#);
    }
}
