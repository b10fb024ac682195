//! The command line: what people and programs ask of the desk at a terminal.
//!
//! Data goes to stdout, everything else to stderr. The process ends with 0 where all is well, 1 where
//! what the user gave is at fault, 2 where something unexpected happened.
//!
//! **Invariant:** nothing is decided here. A command reads arguments, asks the desk (the running one,
//! or its store where none runs), and shows the reply.

use std::ffi::OsString;
use std::future::Future;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config};

mod check;
pub mod classify;
mod explain;
mod labelled;
mod learn;
mod librarians;
mod login;
mod marks;
mod measured;
mod network;
mod output;
mod questions;
mod reach;
pub mod render;
mod roster_file;
mod rows;
mod rulebook;
pub mod rules;
mod run;
mod simulate;
mod store;

use output::Problem;
use render::{Colour, Colours};
use rules::{RulesArgs, RulesCommand};

/// How many threads the desk works with. It mostly waits.
const WORKER_THREADS: usize = 2;

/// A reference desk on the social web: questions find the librarian who knows.
#[derive(Debug, Parser)]
#[command(name = "stumper", version, about, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// The desk's configuration.
    #[arg(long, global = true, value_name = "FILE", default_value = config::FILE_NAME)]
    config: PathBuf,
    /// What to log, such as `info` or `stumper=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG", hide_env_values = true)]
    log: Option<String>,
    /// How to write the log.
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the desk and serve its page. This is what happens without a command.
    Run,
    /// Look for mistakes in the configuration and the rules.
    Check(check::Arguments),
    Classify(classify::ClassifyArgs),
    Rules(rules::RulesArgs),
    /// See and change who answers questions.
    #[command(subcommand)]
    Librarians(librarians::Command),
    /// See questions and step in.
    #[command(subcommand)]
    Questions(questions::Command),
    /// See how fast questions would be answered, and at what burden to the librarians.
    Simulate(Box<simulate::Arguments>),
    /// Save, restore and tidy what the desk remembers.
    #[command(subcommand)]
    Store(store::Command),
    /// See whether the networks can be used.
    #[command(subcommand)]
    Network(network::Command),
    /// Write a completion script for a shell.
    Completions {
        /// The shell to write it for.
        shell: clap_complete::Shell,
    },
}

/// What a command came to: the exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Fine,
    /// What the user gave is at fault: arguments, files, rules.
    InputAtFault,
    /// Something else went wrong.
    Unexpected,
}

impl Exit {
    /// 0, 1 or 2.
    pub fn code(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::InputAtFault => 1,
            Exit::Unexpected => 2,
        }
    }
}

/// Reads the arguments. Where there is nothing to run (help was asked for, or an argument is wrong),
/// whatever there is to say is printed, and the exit is returned.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    Cli::try_parse_from(arguments).map_err(|error| {
        // Nobody is left to be told if this cannot be printed.
        error.print().ok();
        if error.use_stderr() { Exit::InputAtFault } else { Exit::Fine }
    })
}

/// Starts logging to stderr, and keeps panics from printing what they are about: a panic's words may
/// quote a text that belongs to a person.
pub fn log(cli: &Cli) {
    let default = match cli.command {
        None | Some(Command::Run) => "info",
        Some(_) => "warn",
    };
    let wanted = cli.log.as_deref().filter(|filter| !filter.is_empty()).unwrap_or(default);
    let filter = EnvFilter::try_new(wanted);
    let is_wrong = filter.is_err();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match cli.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    if is_wrong {
        tracing::warn!("The log filter cannot be understood; `{default}` is used");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "A part of the desk failed at {place}. Please report this");
    }));
}

/// Carries out a command and says how it went.
pub fn run(cli: Cli) -> Exit {
    // The client for networks needs to be told once which cryptography to use. It can only have been
    // told already, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let path = cli.config;
    let result = match cli.command.unwrap_or(Command::Run) {
        Command::Run => wait_for(run::run(&path)),
        Command::Check(arguments) => check::check(&path, &arguments),
        Command::Classify(arguments) => write_through(|out, err, colour| {
            classify::classify(&arguments, &mut std::io::stdin().lock(), out, err, colour)
        }),
        Command::Rules(RulesArgs { command: RulesCommand::Learn(learn) }) if learn.from_desk => {
            with_config(&path, |config| wait_for(learn::from_desk(config, &learn)))
        }
        Command::Rules(arguments) => write_through(|out, err, colour| {
            let colours = Colours { out: Colour::of_stdout(), err: colour };
            rules::rules(&arguments, out, err, colours)
        }),
        Command::Librarians(command) => {
            with_config(&path, |config| wait_for(librarians::run(config, command)))
        }
        Command::Questions(command) => with_config(&path, |config| wait_for(questions::run(config, command))),
        Command::Simulate(arguments) => simulate::run(&path, &arguments),
        Command::Store(command) => with_config(&path, |config| wait_for(store::run(config, command))),
        Command::Network(command) => wait_for(network::run(&path, command)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "stumper", &mut script);
            output::data_bytes(&script).map(|()| Exit::Fine)
        }
    };
    result.unwrap_or_else(|problem| problem.show())
}

fn wait_for(command: impl Future<Output = Result<Exit, Problem>>) -> Result<Exit, Problem> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKER_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Problem::unexpected(format!("cannot start: {error}")))?;
    let result = runtime.block_on(command);
    // Whatever still runs, such as a look-up of a host name, must not hold up the exit.
    runtime.shutdown_background();
    result
}

/// Carries out a command that writes by itself.
fn write_through(
    command: impl FnOnce(&mut dyn Write, &mut dyn Write, Colour) -> anyhow::Result<Exit>,
) -> Result<Exit, Problem> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let exit = command(&mut out, &mut std::io::stderr().lock(), Colour::of_stderr())?;
    out.flush()?;
    Ok(exit)
}

fn with_config(path: &Path, command: impl FnOnce(&Config) -> Result<Exit, Problem>) -> Result<Exit, Problem> {
    command(&check::usable_config(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
