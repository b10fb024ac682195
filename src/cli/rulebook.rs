//! The folder of rule files for a desk that is about to open.
//!
//! **Invariant:** rules with errors are never used to run the desk.

use std::panic;
use std::path::Path;
use std::thread::{Builder, JoinHandle};

use crate::cli::render::{self, Colour, Lines};
use crate::cli::{classify, rules};
use crate::config::rules_dir;
use crate::fault::{Fault, Severity};
use crate::subjects::{RuleFile, Subjects};

const FOLDER_HINT: &str = "set `rules` in `[desk]` of `bot.toml` to the folder of your rule files, \
                           or copy the `rules` folder that ships with Stumper beside it";

/// What the rule files came to.
#[derive(Debug)]
pub(super) struct Rulebook {
    pub(super) subjects: Subjects,
    pub(super) faults: Vec<Fault>,
    /// The files, for showing lines, where there are faults.
    files: Vec<RuleFile>,
}

/// Whether there are rule files at all.
pub(super) fn is_there(folder: &Path) -> bool {
    rules_dir::has_any(folder)
}

/// Rules that are being read and compiled.
///
/// That needs several times the memory of what comes of it, in small pieces, and among them the allocator
/// would place what stays. So it is done on a thread of its own, which has memory of its own, and what
/// stays is copied out of there: a desk at rest needs half the memory.
#[derive(Debug)]
pub(super) enum Reading {
    Begun(JoinHandle<Rulebook>),
    Done(Box<Rulebook>),
}

/// Begins to read and compile the rule files.
pub(super) fn begin(folder: &Path) -> Reading {
    let own = folder.to_owned();
    match Builder::new().name("rules".to_owned()).spawn(move || compile(&own)) {
        Ok(thread) => Reading::Begun(thread),
        // A system without a thread to spare still has the memory.
        Err(_) => Reading::Done(Box::new(compile(folder))),
    }
}

impl Reading {
    /// Waits for the rules.
    pub(super) fn finish(self) -> Rulebook {
        match self {
            Reading::Begun(thread) => {
                let rulebook = thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
                let subjects = rulebook.subjects.clone();
                Rulebook { subjects, ..rulebook }
            }
            Reading::Done(rulebook) => *rulebook,
        }
    }
}

/// Reads and compiles the rule files. A folder that cannot be read is a fault.
pub(super) fn read(folder: &Path) -> Rulebook {
    begin(folder).finish()
}

fn compile(folder: &Path) -> Rulebook {
    let files = rules_dir::read(folder).unwrap_or_default();
    if files.is_empty() {
        return Rulebook { subjects: Subjects::default(), faults: faults_of(folder), files };
    }
    let (subjects, faults) = Subjects::compile(&files);
    let files = if faults.is_empty() { Vec::new() } else { files };
    Rulebook { subjects, faults, files }
}

/// The same, with the examples that the rule files carry tried out.
pub(super) fn examine(folder: &Path) -> Rulebook {
    Rulebook { faults: faults_of(folder), ..read(folder) }
}

/// All faults. Those of the folder itself point to where `bot.toml` names it.
fn faults_of(folder: &Path) -> Vec<Fault> {
    let name = folder.display().to_string();
    let of_folder = |fault: Fault| match fault.file == name {
        true => fault.with_hint(FOLDER_HINT),
        false => fault,
    };
    rules::check_rules(folder).into_iter().map(of_folder).collect()
}

/// The rules for a desk that runs already: those that can be used, or a line for each fault that keeps
/// them from it.
pub(super) fn reread(folder: &Path) -> Result<Subjects, Vec<String>> {
    let rulebook = read(folder);
    if rulebook.is_usable() {
        return Ok(rulebook.subjects);
    }
    let errors = rulebook.faults.iter().filter(|fault| fault.severity == Severity::Error);
    let told = |fault: &Fault| {
        let position = rulebook.source(&fault.file).and_then(|source| fault.position(source));
        let place = position.map_or_else(|| fault.file.clone(), |at| format!("{}:{at}", fault.file));
        format!("{place}: {}", fault.what)
    };
    Err(errors.map(told).collect())
}

impl Rulebook {
    /// Whether a desk can work with it.
    pub(super) fn is_usable(&self) -> bool {
        self.faults.iter().all(|fault| fault.severity < Severity::Error)
    }

    /// The text of a rule file.
    pub(super) fn source(&self, file: &str) -> Option<&str> {
        classify::source_of(&self.files, file)
    }

    /// Faults as people read them, with their lines.
    pub(super) fn show(&self, colour: Colour) -> String {
        render::faults(&self.faults, |file| self.source(file), Lines::Shown, colour)
    }
}
