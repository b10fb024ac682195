//! The folder of rule files, read, compiled, and its faults shown.
//!
//! **Invariant:** a rulebook with errors is never used to run the desk.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fault::Fault;
use crate::subjects::Subjects;

/// What the rule files came to.
#[derive(Debug, Default)]
pub(super) struct Rulebook {
    pub(super) subjects: Subjects,
    pub(super) faults: Vec<Fault>,
    /// The files' texts by name, for showing lines.
    sources: BTreeMap<String, String>,
}

/// temporary stub: until the rules land.
pub(super) fn read(folder: &Path) -> Rulebook {
    let mut rulebook = Rulebook::default();
    if !folder.is_dir() {
        rulebook.faults.push(Fault {
            file: folder.display().to_string(),
            span: None,
            severity: crate::fault::Severity::Error,
            what: "there is no such folder of rules".to_owned(),
            hint: Some(
                "set `rules` in `[desk]` of `bot.toml`, or copy the `rules` folder that ships with Stumper"
                    .to_owned(),
            ),
        });
    }
    rulebook
}

impl Rulebook {
    /// The text of a rule file.
    pub(super) fn source(&self, file: &str) -> Option<&str> {
        self.sources.get(file).map(String::as_str)
    }

    /// All faults as people read them.
    pub(super) fn show(&self) -> String {
        self.faults
            .iter()
            .map(|fault| super::check::describe(fault, self.source(&fault.file).unwrap_or("")))
            .collect()
    }
}
