//! Arguments, and the exit code.
//!
//! **Invariant:** nothing is decided here.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stumper::cli::render::Colour;
use stumper::cli::{Exit, classify, rules};

#[derive(Parser)]
#[command(name = "stumper")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Classify(classify::ClassifyArgs),
    Rules(rules::RulesArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (mut out, mut err) = (io::BufWriter::new(io::stdout().lock()), io::stderr().lock());
    let colour = Colour::of_stderr();
    let exit = match &arguments.command {
        Command::Classify(args) => {
            classify::classify(args, &mut io::stdin().lock(), &mut out, &mut err, colour)
        }
        Command::Rules(args) => rules::rules(args, &mut out, &mut err, colour),
    };
    let exit = exit.and_then(|exit| out.flush().map(|()| exit).map_err(Into::into));
    match exit {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            let _ = writeln!(err, "error: {error:#}");
            ExitCode::from(Exit::Unexpected.code())
        }
    }
}
