//! The `stumper` command: arguments, logging, exit code. Everything else is in the library.
//!
//! **Invariant:** nothing happens here that a test of the library could not reach.

use std::process::ExitCode;

use stumper::cli;

fn main() -> ExitCode {
    let exit = match cli::parse(std::env::args_os()) {
        Ok(cli) => {
            cli::log(&cli);
            cli::run(cli)
        }
        Err(exit) => exit,
    };
    ExitCode::from(exit.code())
}
