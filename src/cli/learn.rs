//! `stumper rules learn`: writes learned files beside the rules that people wrote.
//!
//! **Invariant:** a file that people write is never written here, and a learned file is exchanged as a
//! whole: a desk that reads its rules meanwhile sees the old one or the new one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::Exit;
use crate::cli::classify::{RULES_DIR, rule_files};
use crate::cli::labelled::{self, LabelledText};
use crate::cli::output::Problem;
use crate::cli::reach;
use crate::cli::rows::{Row, Rows};
use crate::config::Config;
use crate::subjects::learn::{self, Labelled, Learning};
use crate::subjects::{LEARNED_FOLDER, SubjectId, Subjects};

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true, id = "questions", args = ["from", "from_desk"])]
pub struct LearnArgs {
    /// Rows of a subject's id, a tab, a text, and perhaps a tab and where it was asked; may be given
    /// more than once
    #[arg(long, value_name = "FILE.tsv")]
    pub from: Vec<PathBuf>,
    /// Learn from the desk's own questions that librarians put right and whose patrons agreed, too
    #[arg(long)]
    pub from_desk: bool,
    /// The directory of rule files
    #[arg(long, value_name = "DIR", default_value = RULES_DIR)]
    pub rules: PathBuf,
    /// Where to write: `learned` in the directory of rule files, if nothing else is said
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// What was learned, for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    questions: usize,
    sources: usize,
    terms: usize,
    weights: usize,
    bytes: usize,
    changed: Vec<&'a Path>,
}

/// Learns from the desk's own questions, and from files where some are given.
pub(super) async fn from_desk(config: &Config, args: &LearnArgs) -> Result<Exit, Problem> {
    let desk = reach::desk(config).await?;
    let examples = labelled::examples(&desk).await;
    desk.leave().await?;
    let exit = learn(args, examples?, &mut io::stdout().lock(), &mut io::stderr().lock())?;
    Ok(exit)
}

/// Learns from files and from what the desk gave, and writes the learned files.
///
/// # Errors
///
/// Where output fails.
pub(super) fn learn(
    args: &LearnArgs,
    of_desk: Vec<LabelledText>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let files = match rule_files(&args.rules, err)? {
        Some(files) => files,
        None => return Ok(Exit::InputAtFault),
    };
    let (subjects, _) = Subjects::compile(&files);
    let Some(rows) = rows(&args.from, &subjects, err)? else { return Ok(Exit::InputAtFault) };
    let of_files = rows.iter().map(|row| Labelled {
        subject: row.subject.as_str(),
        text: &row.text,
        source: &row.source,
    });
    let of_desk = of_desk.iter().map(|example| Labelled {
        subject: SubjectId::as_str(&example.subject),
        text: example.text.reveal(),
        source: example.source,
    });
    let questions: Vec<Labelled<'_>> = of_files.chain(of_desk).collect();
    let learning = match learn::learn(&files, &questions) {
        Ok(learning) => learning,
        Err(nothing) => {
            writeln!(err, "error: {nothing}\nhint: a row is a subject's id, a tab, and a text")?;
            return Ok(Exit::InputAtFault);
        }
    };
    for (subject, count) in &learning.left_out {
        let least = learn::QUESTIONS_PER_SUBJECT_MIN;
        writeln!(err, "warning: {count} questions of `{subject}` are left out: {least} are needed")?;
    }
    let folder = args.out.clone().unwrap_or_else(|| args.rules.join(LEARNED_FOLDER));
    match write_files(&folder, &learning) {
        Ok(changed) => tell(args, &learning, &folder, &changed, out),
        Err(error) => {
            writeln!(err, "error: cannot write into {}: {error}", folder.display())?;
            Ok(Exit::InputAtFault)
        }
    }
}

fn rows(paths: &[PathBuf], subjects: &Subjects, err: &mut dyn Write) -> io::Result<Option<Vec<Row>>> {
    let mut all = Vec::new();
    for path in paths {
        match Rows::of_file(path, subjects) {
            Ok(rows) => {
                rows.warn(&path.display().to_string(), err)?;
                all.extend(rows.good);
            }
            Err(error) => {
                writeln!(err, "error: cannot read {}: {error}", path.display())?;
                return Ok(None);
            }
        }
    }
    Ok(Some(all))
}

/// Writes what changed: each file beside its place first, and then into it.
fn write_files(folder: &Path, learning: &Learning) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let mut changed = Vec::new();
    for file in &learning.files {
        let name = Path::new(&file.name).file_name().unwrap_or_default();
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|before| before == file.text) {
            continue;
        }
        let beside = path.with_extension("new");
        fs::write(&beside, &file.text)?;
        fs::rename(&beside, &path)?;
        changed.push(path);
    }
    Ok(changed)
}

fn tell(
    args: &LearnArgs,
    learning: &Learning,
    folder: &Path,
    changed: &[PathBuf],
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let Learning { questions, sources, terms, weights, files, .. } = learning;
    let bytes = files.iter().map(|file| file.text.len()).sum();
    if args.json {
        let changed = changed.iter().map(PathBuf::as_path).collect();
        let report = Report {
            questions: *questions,
            sources: *sources,
            terms: *terms,
            weights: *weights,
            bytes,
            changed,
        };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(Exit::Fine);
    }
    let from = if *sources == 1 { "1 source".to_owned() } else { format!("{sources} sources") };
    writeln!(out, "learned from {questions} questions of {from}: {weights} weights of {terms} terms")?;
    match changed {
        [] => writeln!(out, "the files in {} are as they were", folder.display())?,
        _ => {
            changed.iter().try_for_each(|path| writeln!(out, "wrote {}", path.display()))?;
            writeln!(out, "see that the examples still hold: `stumper rules test`")?;
        }
    }
    Ok(Exit::Fine)
}
