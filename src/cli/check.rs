//! `stumper check`: every fault of the configuration and the rules, all at once.
//!
//! **Invariant:** no line of `bot.toml` is shown, because it may hold a secret by mistake. Lines of
//! rule files are.

use std::path::Path;

use crate::cli::Exit;
use crate::cli::output::{self, Problem};
use crate::cli::render::{self, Colour, FaultRow, Lines};
use crate::cli::rulebook;
use crate::config::{self, Config, Loaded, secrets};
use crate::fault::{Fault, Severity};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write one JSON object for each fault.
    #[arg(long)]
    json: bool,
}

/// Looks for faults in everything the desk reads at its start.
pub(super) fn check(path: &Path, arguments: &Arguments) -> Result<Exit, Problem> {
    let mut loaded = config::load(path);
    if let Some(config) = &loaded.config {
        loaded.faults.extend(password_fault(path, config));
    }
    let rulebook = loaded.config.as_ref().map(|config| rulebook::examine(&config.rules));
    let of_rules = rulebook.iter().flat_map(|rulebook| &rulebook.faults);
    let all: Vec<&Fault> = loaded.faults.iter().chain(of_rules).collect();
    let errors = all.iter().filter(|fault| fault.severity == Severity::Error).count();
    if arguments.json {
        for fault in &all {
            let of_rules = rulebook.as_ref().and_then(|rulebook| rulebook.source(&fault.file));
            output::json(&FaultRow::of(fault, of_rules.or(Some(&loaded.text))))?;
        }
    } else {
        output::data(&show(&loaded, Colour::Plain))?;
        output::data(&rulebook.as_ref().map(|rulebook| rulebook.show(Colour::Plain)).unwrap_or_default())?;
    }
    match (errors, all.len() - errors) {
        (0, 0) => output::note("everything is in order"),
        (0, others) => output::note(&format!("no errors; {others} to look at")),
        (errors, 0) => output::note(&format!("{errors} to mend")),
        (errors, others) => output::note(&format!("{errors} to mend; {others} more to look at")),
    }
    Ok(if errors == 0 { Exit::Fine } else { Exit::InputAtFault })
}

/// The configuration, or all that keeps it from being used, told to the user.
pub(super) fn usable_config(path: &Path) -> Result<Config, Problem> {
    let loaded = config::load(path);
    if !loaded.faults.is_empty() {
        output::note(show(&loaded, Colour::of_stderr()).trim_end());
    }
    loaded.config.ok_or_else(Problem::said)
}

/// Tells one fault of the configuration at `path`, which is a problem that was said then.
pub(super) fn tell(fault: Fault, path: &Path) -> Problem {
    let loaded = Loaded { faults: vec![fault], ..config::load(path) };
    output::note(show(&loaded, Colour::of_stderr()).trim_end());
    Problem::said()
}

/// Why a network that is in use has no password, if so.
fn password_fault(path: &Path, config: &Config) -> Option<Fault> {
    let env = |name: &str| std::env::var(name).ok();
    let bluesky = config.bluesky.as_ref();
    let bluesky = bluesky.and_then(|bluesky| secrets::bluesky_password(&bluesky.password, env).err());
    let x = config.x.as_ref().and_then(|x| secrets::x_secrets(&x.secrets, env).err());
    bluesky.or(x).map(|missing| missing.fault(path))
}

/// The faults of `bot.toml` in words, with their places and without their lines.
fn show(loaded: &Loaded, colour: Colour) -> String {
    render::faults(&loaded.faults, |_| Some(&loaded.text), Lines::Hidden, colour)
}
