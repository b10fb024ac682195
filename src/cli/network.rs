//! `stumper network`: whether the networks can be used.
//!
//! **Invariant:** checking posts nothing anywhere.

use std::path::Path;

use clap::Subcommand;

use crate::cli::check;
use crate::cli::output::{self, Problem};
use crate::cli::{self, Exit, reach};
use crate::config::Config;
use crate::desk::Network;
use crate::networks::{Finding, Report};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Log in to each network that is enabled and see what works.
    Check {
        /// Only this network.
        #[arg(value_parser = network)]
        name: Option<Network>,
        /// Write one JSON object for each network.
        #[arg(long)]
        json: bool,
    },
    /// Allow the desk to act for its account on a network that wants a person for that: X.
    Login {
        #[arg(value_parser = network)]
        name: Network,
    },
}

fn network(name: &str) -> Result<Network, String> {
    Network::named(name)
        .ok_or_else(|| format!("the networks are `{}`", Network::ALL.map(Network::name).join("` and `")))
}

pub(super) async fn run(path: &Path, command: Command) -> Result<Exit, Problem> {
    let (name, json) = match command {
        Command::Check { name, json } => (name, json),
        Command::Login { name } => return cli::login::log_in(path, name).await,
    };
    let config = check::usable_config(path)?;
    let mut reports = Vec::new();
    for network in Network::ALL.into_iter().filter(|network| name.is_none_or(|name| name == *network)) {
        reports.push(report(&config, path, network).await?);
    }
    let in_use = reports.iter().flatten();
    let fine = in_use.clone().flat_map(|report| &report.findings).all(|finding| finding.ok);
    match name {
        Some(name) if reports.iter().all(Option::is_none) => {
            return Err(Problem::new(
                format!("{name} is not enabled"),
                format!("set `enabled = true` in `[network.{name}]` of {}", path.display()),
            ));
        }
        Some(_) | None => {}
    }
    for report in in_use {
        if json {
            output::json(report)?;
        } else {
            output::data(&show(report))?;
        }
    }
    Ok(if fine { Exit::Fine } else { Exit::InputAtFault })
}

/// What is found on a network; `None` for one that is not enabled.
async fn report(config: &Config, path: &Path, network: Network) -> Result<Option<Report>, Problem> {
    match network {
        // The sandbox is part of the running desk, so there is only one thing to find out.
        Network::Sandbox if config.sandbox => {
            let running = reach::running(&config.data).await;
            let (found, mend) = match &running {
                Some(file) => (format!("open at http://{}/", file.address), None),
                None => ("the desk does not run".to_owned(), Some("start it with `stumper run`".to_owned())),
            };
            let finding = Finding { what: "page", ok: running.is_some(), found, mend };
            Ok(Some(Report {
                network,
                account: Some(cli::run::SANDBOX_HANDLE.to_owned()),
                findings: vec![finding],
            }))
        }
        Network::Sandbox => Ok(None),
        Network::Bluesky => match cli::run::bluesky(config, path)? {
            Some(connector) => Ok(Some(connector.check().await)),
            None => Ok(None),
        },
        Network::X => match cli::run::x(config, path)? {
            Some(connector) => Ok(Some(connector.check().await)),
            None => Ok(None),
        },
        Network::Mastodon => match cli::run::mastodon(config, path)? {
            Some(connector) => Ok(Some(connector.check().await)),
            None => Ok(None),
        },
    }
}

fn show(report: &Report) -> String {
    let account =
        report.account.as_ref().map(|handle| format!(" as {}", output::line(handle))).unwrap_or_default();
    let mut text = format!("{}{account}\n", report.network);
    for finding in &report.findings {
        let word = if finding.ok { "ok" } else { "not in order" };
        text.push_str(&format!("    {}: {word}: {}\n", finding.what, output::line(&finding.found)));
        if let Some(mend) = &finding.mend {
            text.push_str(&format!("      hint: {}\n", output::line(mend)));
        }
    }
    text
}
