//! The folder of rule files for a desk that is about to open.
//!
//! **Invariant:** rules with errors are never used to run the desk.

use std::path::Path;

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
    /// The files, for showing lines.
    files: Vec<RuleFile>,
}

/// Whether there are rule files at all.
pub(super) fn is_there(folder: &Path) -> bool {
    rules_dir::read(folder).is_ok_and(|files| !files.is_empty())
}

/// Reads and compiles the rule files. A folder that cannot be read is a fault.
pub(super) fn read(folder: &Path) -> Rulebook {
    let files = rules_dir::read(folder).unwrap_or_default();
    if files.is_empty() {
        return Rulebook { subjects: Subjects::default(), faults: faults_of(folder), files };
    }
    let (subjects, faults) = Subjects::compile(&files);
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
