//! Reaching the desk: the running one over its control endpoint, else its store.
//!
//! **Invariant:** a command behaves the same either way, because one function
//! ([`control::execute`]) does the work in both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::cli::output::Problem;
use crate::cli::rulebook;
use crate::config::Config;
use crate::engine::Engine;
use crate::engine::control::{self, ControlFile, Reply, Request};
use crate::store::{OpenError, Store};

/// The folder of the database inside the data folder.
const STORE_FOLDER: &str = "store";

/// How long the running desk has to reply.
const REPLY_TIME_MAX: Duration = Duration::from_secs(30);

/// The desk, however it can be reached.
#[derive(Debug)]
pub(super) enum Desk {
    /// It runs, and this is where it listens.
    Running(ControlFile),
    /// It does not run: this process is the desk for a moment.
    Own(Box<Engine>),
}

/// A desk to ask things of.
#[derive(Debug)]
pub(super) struct Reached {
    desk: Desk,
    data: PathBuf,
}

impl Reached {
    /// Asks, and turns what cannot be met into a problem.
    pub(super) async fn ask(&self, request: Request) -> Result<Reply, Problem> {
        let reply = match &self.desk {
            Desk::Own(engine) => control::execute(engine, &self.data, request).await,
            Desk::Running(file) => match send(file, &request).await {
                Answer::Reply(reply) => reply,
                Answer::Late => {
                    return Err(Problem::unexpected("the running desk did not reply in time"));
                }
                Answer::Nobody => {
                    return Err(Problem::unexpected("the running desk ended while it was asked"));
                }
            },
        };
        match reply {
            Reply::Refused { what, hint } => Err(Problem::new(what, "").with_hint(hint)),
            Reply::Failed { what } => Err(Problem::unexpected(what)),
            Reply::Hello
            | Reply::Librarians { .. }
            | Reply::Questions { .. }
            | Reply::Question { .. }
            | Reply::Labelled { .. }
            | Reply::Done { .. }
            | Reply::Exporting => Ok(reply),
        }
    }

    /// Lets the desk go.
    pub(super) async fn leave(self) -> Result<(), Problem> {
        match self.desk {
            Desk::Running(_) => Ok(()),
            Desk::Own(engine) => {
                engine.store().close().await.map_err(|error| Problem::unexpected(error.to_string()))
            }
        }
    }
}

/// Finds the desk of this configuration.
pub(super) async fn desk(config: &Config) -> Result<Reached, Problem> {
    let data = config.data.clone();
    if let Some(file) = running(&data).await {
        return Ok(Reached { desk: Desk::Running(file), data });
    }
    let store = open_store(&data)?;
    // Faults of rules are no reason not to show the roster; `check` and `run` tell them.
    let subjects = rulebook::read(&config.rules).subjects;
    let engine = Engine::new(store, subjects, config.settings.clone());
    Ok(Reached { desk: Desk::Own(Box::new(engine)), data })
}

/// Where the running desk listens, if one runs and answers.
pub(super) async fn running(data: &Path) -> Option<ControlFile> {
    let file = ControlFile::read(data)?;
    match send(&file, &Request::Hello).await {
        Answer::Reply(_) | Answer::Late => Some(file),
        Answer::Nobody => None,
    }
}

/// Opens the database in the data folder, which is made where it is missing.
pub(super) fn open_store(data: &Path) -> Result<Store, Problem> {
    make_folder(data)?;
    Store::open_sled(&store_folder(data)).map_err(|error| {
        let hint = match &error {
            OpenError::Locked { .. } => {
                "no desk answers commands there: end the other `stumper`, \
                 or wait until it has started or stopped"
            }
            OpenError::NotADatabase { .. }
            | OpenError::NewerFormat { .. }
            | OpenError::HalfImported { .. }
            | OpenError::HalfSnapshot { .. }
            | OpenError::Damaged { .. }
            | OpenError::Disk { .. } => error.hint(),
        };
        Problem::new(error.to_string(), hint)
    })
}

/// Where the database is.
pub(super) fn store_folder(data: &Path) -> PathBuf {
    data.join(STORE_FOLDER)
}

/// Makes the data folder, for the eyes of this user only.
pub(super) fn make_folder(data: &Path) -> Result<(), Problem> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).map_err(|error| {
        let is_file = error.kind() == std::io::ErrorKind::AlreadyExists;
        let why = if is_file { "a file has its name".to_owned() } else { error.kind().to_string() };
        Problem::new(
            format!("the data folder {} cannot be made: {why}", data.display()),
            "set `data` in `[desk]` of `bot.toml` to a folder this user may write to",
        )
    })
}

/// What came of asking the running desk.
enum Answer {
    Reply(Reply),
    /// Somebody is there but took too long.
    Late,
    /// Nobody is there, or somebody else.
    Nobody,
}

async fn send(file: &ControlFile, request: &Request) -> Answer {
    let address = format!("http://{}{}", file.address, control::PATH);
    // Neither a proxy nor certificates have a part in talking to this computer.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(REPLY_TIME_MAX).build();
    let Ok(client) = client else { return Answer::Nobody };
    let request = client.post(address).bearer_auth(file.token.expose_secret()).json(request);
    match request.send().await {
        Ok(response) if response.status() == reqwest::StatusCode::REQUEST_TIMEOUT => Answer::Late,
        Ok(response) if response.status().is_success() => match response.json().await {
            Ok(reply) => Answer::Reply(reply),
            Err(_) => Answer::Nobody,
        },
        Err(error) if error.is_timeout() => Answer::Late,
        Ok(_) | Err(_) => Answer::Nobody,
    }
}
