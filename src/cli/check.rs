//! `stumper check`: every fault of the configuration and the rules, all at once.
//!
//! **Invariant:** no line of `bot.toml` is shown, because it may hold a secret by mistake. Lines of
//! rule files are.

use std::path::Path;

use serde::Serialize;

use crate::cli::Exit;
use crate::cli::output::{self, Problem};
use crate::cli::rulebook::{self, Rulebook};
use crate::config::{self, Config, Loaded, secrets};
use crate::fault::{Fault, Position, Severity};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write one JSON object for each fault.
    #[arg(long)]
    json: bool,
}

/// A fault as programs read it.
#[derive(Serialize)]
struct Row<'f> {
    #[serde(flatten)]
    fault: &'f Fault,
    line: Option<usize>,
    column: Option<usize>,
}

/// Looks for faults in everything the desk reads at its start.
pub(super) fn check(path: &Path, arguments: &Arguments) -> Result<Exit, Problem> {
    let mut loaded = config::load(path);
    if let Some(config) = &loaded.config {
        loaded.faults.extend(password_fault(path, config));
    }
    let rulebook = match &loaded.config {
        Some(config) => rulebook::read(&config.rules),
        None => Rulebook::default(),
    };
    let errors =
        loaded.faults.iter().chain(&rulebook.faults).filter(|fault| fault.severity == Severity::Error);
    let errors = errors.count();
    let all = loaded.faults.len() + rulebook.faults.len();
    if arguments.json {
        for fault in loaded.faults.iter().chain(&rulebook.faults) {
            let position = fault.position(rulebook.source(&fault.file).unwrap_or(&loaded.text));
            let row = Row {
                fault,
                line: position.map(|position| position.line),
                column: position.map(|position| position.column),
            };
            output::json(&row)?;
        }
    } else {
        output::data(&show_all(&loaded))?;
        output::data(&rulebook.show())?;
    }
    match (errors, all) {
        (0, 0) => output::note("everything is in order"),
        (0, warnings) => {
            output::note(&format!("{warnings} to look at, nothing that keeps the desk from working"))
        }
        (errors, all) => output::note(&format!("{errors} errors, {} more to look at", all - errors)),
    }
    Ok(if errors == 0 { Exit::Fine } else { Exit::InputAtFault })
}

/// The configuration, or all that keeps it from being used, told to the user.
pub(super) fn usable_config(path: &Path) -> Result<Config, Problem> {
    let loaded = config::load(path);
    if !loaded.faults.is_empty() {
        output::note(show_all(&loaded).trim_end());
    }
    loaded.config.ok_or_else(Problem::said)
}

/// Why a network that is in use has no password, if so.
fn password_fault(path: &Path, config: &Config) -> Option<Fault> {
    let bluesky = config.bluesky.as_ref()?;
    let missing = secrets::bluesky_password(&bluesky.password, |name| std::env::var(name).ok()).err()?;
    Some(Fault {
        file: path.display().to_string(),
        span: missing.span,
        severity: Severity::Error,
        what: missing.what.to_owned(),
        hint: Some(missing.hint),
    })
}

fn show_all(loaded: &Loaded) -> String {
    loaded.faults.iter().map(|fault| describe(fault, &loaded.text)).collect()
}

/// A fault of `bot.toml` in words, with its place and without its line. `text` is the file's.
pub fn describe(fault: &Fault, text: &str) -> String {
    let severity = match fault.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let place = match fault.position(text) {
        Some(Position { line, column }) => format!("{}:{line}:{column}", fault.file),
        None => fault.file.clone(),
    };
    let hint = fault.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
    format!("{place}: {severity}: {}\n{hint}", fault.what)
}
