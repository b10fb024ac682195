//! `stumper librarians`: who answers questions.
//!
//! **Invariant:** nobody is asked anything because of a command here. A librarian is asked once they
//! opted in themselves, by writing `join` to the desk.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use crate::cli::Exit;
use crate::cli::output::{self, Problem};
use crate::cli::reach::{self, Reached};
use crate::cli::roster_file::{self, Format};
use crate::clock;
use crate::config::{self, Config};
use crate::desk::{Account, Action, Network, Outcome, grammar};
use crate::engine::control::{self, Reply, Request, RosterRow};
use crate::subjects::SubjectId;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show everybody on the roster.
    List {
        /// Write one JSON object for each librarian.
        #[arg(long)]
        json: bool,
    },
    /// Prepare an entry for somebody who is going to join.
    ///
    /// They are asked nothing before they write `join` to the desk themselves. They can set their
    /// subjects, hours, languages and limit there as well, so that this is seldom needed.
    Add(Add),
    /// Ask a librarian nothing for a while.
    Pause {
        /// The librarian: `network:handle`, or the handle alone.
        who: String,
        /// For how long, such as `3d`; without it, until `--resume`.
        #[arg(long = "for", value_name = "TIME", value_parser = config::parse_duration, conflicts_with = "resume")]
        length: Option<SignedDuration>,
        /// End the pause.
        #[arg(long)]
        resume: bool,
    },
    /// Take a librarian off the roster. Questions they have go to others.
    Remove {
        /// The librarian: `network:handle`, or the handle alone.
        who: String,
    },
    /// Add the librarians of a file that `export` wrote, with the time when each opted in.
    Import {
        /// The file; its name ends in `.toml` or `.jsonl`.
        file: PathBuf,
    },
    /// Write the roster to stdout.
    Export {
        /// The format to write.
        #[arg(long, value_enum, default_value_t = Format::Toml)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The account: `sandbox:handle`, or `bluesky:did:plc:…` with `--handle`.
    account: String,
    /// The name people type after `@`, where the account is named by its DID.
    #[arg(long)]
    handle: Option<String>,
    /// A subject they take; `general` for any question. Can be given several times.
    #[arg(long = "subject", value_name = "SUBJECT", required = true)]
    subjects: Vec<String>,
    /// A language they answer in, such as `de`. Can be given several times.
    #[arg(long = "language", value_name = "TAG", value_parser = language)]
    languages: Vec<String>,
    /// How many open questions they will have at a time.
    #[arg(long, value_parser = clap::value_parser!(u32).range(roster_file::LIMITS))]
    limit: Option<u32>,
    /// The library they belong to, one of the `[[library]]` in `bot.toml`, where the desk serves several.
    #[arg(long, value_name = "ID")]
    library: Option<String>,
}

fn language(tag: &str) -> Result<String, String> {
    let is_tag = config::is_language_tag(tag);
    is_tag
        .then(|| tag.to_owned())
        .ok_or_else(|| "a language is a tag such as `en`, `de` or `pt-BR`".to_owned())
}

pub(super) async fn run(config: &Config, command: Command) -> Result<Exit, Problem> {
    let desk = reach::desk(config).await?;
    let result = carry_out(&desk, command).await;
    desk.leave().await?;
    result.map(|()| Exit::Fine)
}

async fn carry_out(desk: &Reached, command: Command) -> Result<(), Problem> {
    match command {
        Command::List { json } => list(&roster(desk).await?, json),
        Command::Add(add) => {
            let action = add.action()?;
            desk.ask(Request::Add { id: wish_id()?, action }).await?;
            output::note(
                "the entry is prepared; they will be asked once they write `join` to the desk themselves",
            );
            Ok(())
        }
        Command::Pause { who, length, resume } => {
            let until = match (resume, length) {
                (true, _) => None,
                (false, Some(length)) => Some(clock::now().checked_add(length).unwrap_or(Timestamp::MAX)),
                (false, None) => Some(Timestamp::MAX),
            };
            let reply = desk.ask(Request::Pause { id: wish_id()?, who, until }).await?;
            tell(
                &reply,
                if until.is_some() { "they are asked nothing until then" } else { "they are asked again" },
            );
            Ok(())
        }
        Command::Remove { who } => {
            let reply = desk.ask(Request::Remove { id: wish_id()?, who }).await?;
            tell(&reply, "they are off the roster");
            Ok(())
        }
        Command::Import { file } => import(desk, &file).await,
        Command::Export { format } => output::data(&roster_file::write(&roster(desk).await?, format)?),
    }
}

/// Tells what a wish came to.
pub(super) fn tell(reply: &Reply, done: &str) {
    match reply {
        Reply::Done { outcome: Outcome::Outdated } => output::note("nothing had to be done"),
        Reply::Done { .. }
        | Reply::Hello
        | Reply::Librarians { .. }
        | Reply::Questions { .. }
        | Reply::Question { .. }
        | Reply::Exporting
        | Reply::Refused { .. }
        | Reply::Labelled { .. }
        | Reply::Failed { .. } => output::note(done),
    }
}

/// What makes a wish a new one.
pub(super) fn wish_id() -> Result<String, Problem> {
    control::random_hex().map_err(|error| Problem::unexpected(format!("no randomness to be had: {error}")))
}

async fn roster(desk: &Reached) -> Result<Vec<RosterRow>, Problem> {
    let Reply::Librarians { librarians } = desk.ask(Request::Librarians).await? else {
        return Err(Problem::wrong_reply());
    };
    Ok(librarians)
}

async fn import(desk: &Reached, file: &std::path::Path) -> Result<(), Problem> {
    let actions = roster_file::read(file)?;
    let count = actions.len();
    for (at, action) in actions.into_iter().enumerate() {
        let added = desk.ask(Request::Add { id: wish_id()?, action }).await;
        if added.is_err() {
            output::note(&format!(
                "librarian {} of {count} in the file cannot be added; those before are",
                at + 1
            ));
        }
        added?;
    }
    output::note(&format!("added: {count}"));
    Ok(())
}

fn list(rows: &[RosterRow], json: bool) -> Result<(), Problem> {
    if json {
        return rows.iter().try_for_each(output::json);
    }
    if rows.is_empty() {
        output::note("nobody is on the roster yet; librarians join by writing `join` to the desk");
        return Ok(());
    }
    let now = clock::now();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, now)).collect();
    output::data(&output::table(&["ACCOUNT", "STATUS", "SUBJECTS", "LANGUAGES", "OPEN", "ANSWERED"], &cells))
}

fn cells(row: &RosterRow, now: Timestamp) -> Vec<String> {
    let librarian = &row.librarian;
    let subjects: Vec<&str> = librarian.subjects.iter().map(SubjectId::as_str).collect();
    let languages: Vec<&str> = librarian.languages.iter().map(String::as_str).collect();
    vec![
        format!("{}:{}", row.network, row.handle),
        status(row, now),
        subjects.join(", "),
        languages.join(", "),
        format!("{}/{}", librarian.open.len(), librarian.limit),
        format!("{} of {}", librarian.answered_total, librarian.asked_total),
    ]
}

fn status(row: &RosterRow, now: Timestamp) -> String {
    match (row.librarian.opted_in_at, row.librarian.paused_until) {
        (None, _) => "has not joined yet".to_owned(),
        (Some(_), Some(until)) if until == Timestamp::MAX => "paused".to_owned(),
        (Some(_), Some(until)) if until > now => format!("paused until {}", output::time(until)),
        (Some(_), Some(_) | None) => "can be asked".to_owned(),
    }
}

impl Add {
    fn action(self) -> Result<Action, Problem> {
        let account = account(&self.account, self.handle.as_deref())?;
        Ok(Action::AddLibrarian {
            account,
            subjects: self.subjects.into_iter().map(SubjectId::new).collect(),
            hours: Vec::new(),
            languages: self.languages,
            limit: self.limit,
            library: self.library,
            opted_in_at: None,
        })
    }
}

/// Reads `network:id`, with the handle beside it where the id is not the handle.
pub(super) fn account(written: &str, handle: Option<&str>) -> Result<Account, Problem> {
    let networks = Network::ALL.map(Network::name).join("` or `");
    let (network, name) = match control::split_who(written) {
        (Some(network), name) if !name.is_empty() => (network, name),
        (Some(_) | None, _) => {
            return Err(Problem::new(
                "the account does not say which network it is on",
                format!("write the network in front, as in `sandbox:nina`; the networks are `{networks}`"),
            ));
        }
    };
    let handle = handle.map(|handle| handle.trim().trim_start_matches('@'));
    let handle = match (network, name.starts_with("did:"), handle) {
        (Network::Sandbox, _, handle) => handle.unwrap_or(name),
        (Network::Facebook, _, _) => {
            return Err(Problem::new(
                "nobody is asked anything on Facebook: the desk only publishes there",
                "name an account on another network",
            ));
        }
        (Network::X, _, Some(handle)) if is_number(name) && !handle.is_empty() => handle_on_x(handle)?,
        (Network::X, _, _) if is_number(name) => {
            return Err(Problem::new("the handle is missing", "add `--handle nina`"));
        }
        (Network::X, _, _) => {
            return Err(Problem::new(
                "an account on X has to be named by its number, which stays when the handle changes",
                "let them write `join` to the desk in a direct message, which needs no preparation",
            ));
        }
        (Network::Mastodon, _, Some(handle)) if name.starts_with("https://") && handle.contains('@') => {
            handle
        }
        (Network::Mastodon, _, _) => {
            return Err(Problem::new(
                "an account on Mastodon has to be named by the address of its profile, with its handle beside it",
                "write `mastodon:https://lib.example/@nina --handle nina@lib.example`, or let them write `join` \
                 to the desk, which needs no preparation",
            ));
        }
        (Network::Bluesky, true, Some(handle)) if !handle.is_empty() => handle,
        (Network::Bluesky, true, _) => {
            return Err(Problem::new("the handle is missing", "add `--handle nina.example`"));
        }
        (Network::Bluesky, false, _) => {
            return Err(Problem::new(
                "an account on Bluesky has to be named by its DID, which stays when the handle changes",
                format!(
                    "find it at https://bsky.social/xrpc/com.atproto.identity.resolveHandle?handle={name}, \
                     or let them write `join` to the desk, which needs no preparation"
                ),
            ));
        }
    };
    Ok(Account::new(network, name, handle))
}

/// A handle that X can have given to somebody.
fn handle_on_x(handle: &str) -> Result<&str, Problem> {
    let what = match handle {
        _ if grammar::is_handle(handle) => return Ok(handle),
        _ if grammar::is_list(handle) => "the handle names a list on X, and not a person",
        _ => "the handle cannot be one on X",
    };
    Err(Problem::new(what, "write up to 20 letters from a to z, digits and `_`, such as `nina`"))
}

/// Whether this can be the number of an account on X.
fn is_number(name: &str) -> bool {
    (1..=19).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit())
}
