//! `stumper store`: save, restore and tidy what the desk remembers.
//!
//! **Invariant:** nothing is ever overwritten or deleted: what is replaced is kept beside it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use crate::cli::Exit;
use crate::cli::librarians::wish_id;
use crate::cli::output::{self, Problem};
use crate::cli::reach;
use crate::clock;
use crate::config::Config;
use crate::engine::control::{self, Reply, Request};
use crate::engine::housekeeping;
use crate::store::{Store, archive};

/// How often it is looked whether an export is complete.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write everything the desk remembers as JSON lines. Works while the desk runs.
    Export {
        /// The file to write, which must not be there yet; without it, to stdout.
        file: Option<PathBuf>,
    },
    /// Read an export into an empty database. The desk must not run.
    Import {
        /// A file that `export` wrote, or a nightly backup.
        file: PathBuf,
    },
    /// Rewrite the database so that it takes less room. The desk must not run.
    Compact,
}

pub(super) async fn run(config: &Config, command: Command) -> Result<Exit, Problem> {
    match command {
        Command::Export { file } => export(config, file.as_deref()).await?,
        Command::Import { file } => {
            refuse_while_running(config).await?;
            import(config, &file).await?;
        }
        Command::Compact => {
            refuse_while_running(config).await?;
            compact(config).await?;
        }
    }
    Ok(Exit::Fine)
}

async fn refuse_while_running(config: &Config) -> Result<(), Problem> {
    match reach::running(&config.data).await {
        Some(_) => Err(Problem::new("the desk runs", "stop it first, so that nothing is lost meanwhile")),
        None => Ok(()),
    }
}

async fn export(config: &Config, file: Option<&Path>) -> Result<(), Problem> {
    if let Some(file) = file
        && file.exists()
    {
        return Err(Problem::new(format!("{} is there already", file.display()), "name a new file"));
    }
    let desk = reach::desk(config).await?;
    // By way of a file in the data folder, because the running desk writes it.
    let file_name = format!("{}{}.jsonl", housekeeping::EXPORT_PREFIX, wish_id()?);
    let written = config.data.join(&file_name);
    let asked = desk.ask(Request::Export { file_name }).await;
    while housekeeping::unfinished(&written).exists() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    desk.leave().await?;
    let Reply::Exporting = asked? else { return Err(Problem::wrong_reply()) };
    if !written.exists() {
        return Err(Problem::unexpected("the export failed; the desk's log says why"));
    }
    let handed_over = hand_over(&written, file);
    // It holds what people wrote, so that no copy is to be left behind.
    std::fs::remove_file(&written).ok();
    handed_over
}

fn hand_over(written: &Path, file: Option<&Path>) -> Result<(), Problem> {
    let mut from = File::open(written)?;
    match file {
        Some(file) => {
            let mut to = control::private_file(file).map_err(|error| unwritable(file, &error))?;
            std::io::copy(&mut from, &mut to)?;
            to.sync_all()?;
            output::note(&format!("everything is in {}", file.display()));
        }
        None => {
            let mut to = BufWriter::new(std::io::stdout().lock());
            std::io::copy(&mut from, &mut to)?;
            to.flush()?;
        }
    }
    Ok(())
}

async fn import(config: &Config, file: &Path) -> Result<(), Problem> {
    let from = open(file)?;
    let folder = reach::store_folder(&config.data);
    if folder.exists() {
        return Err(Problem::new(
            format!("there is a database in {} already", folder.display()),
            "move it away first; an import never changes what is there",
        ));
    }
    let store = reach::open_store(&config.data)?;
    let read = archive::import(&store, from).await;
    store.close().await.map_err(|error| Problem::unexpected(error.to_string()))?;
    read.map_err(|error| {
        Problem::new(
            format!("{}: {error}", file.display()),
            format!("remove {} before you import again", folder.display()),
        )
    })?;
    output::note("everything is imported");
    Ok(())
}

/// Export, import into a new database beside the old one, and change places.
async fn compact(config: &Config) -> Result<(), Problem> {
    let old = reach::store_folder(&config.data);
    if !old.exists() {
        return Err(Problem::new("there is no database yet", "start the desk with `stumper run`"));
    }
    let stamp = clock::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let export = config.data.join(format!("compact-{stamp}.jsonl"));
    let new = config.data.join(format!("store-new-{stamp}"));
    let kept = config.data.join(format!("store-before-{stamp}"));

    let store = reach::open_store(&config.data)?;
    let counts = write_export(&store, &export);
    store.close().await.map_err(|error| Problem::unexpected(error.to_string()))?;
    counts?;

    let fresh = Store::open_sled(&new).map_err(|error| Problem::unexpected(error.to_string()))?;
    let read = archive::import(&fresh, open(&export)?).await;
    fresh.close().await.map_err(|error| Problem::unexpected(error.to_string()))?;
    read.map_err(|error| Problem::unexpected(format!("the new database is not complete: {error}")))?;

    std::fs::rename(&old, &kept).map_err(|error| unwritable(&kept, &error))?;
    std::fs::rename(&new, &old).map_err(|error| unwritable(&old, &error))?;
    std::fs::remove_file(&export).ok();
    output::note(&format!(
        "done; the database as it was is in {}, to be removed when all is well",
        kept.display()
    ));
    Ok(())
}

fn write_export(store: &Store, path: &Path) -> Result<(), Problem> {
    let mut file = BufWriter::new(control::private_file(path).map_err(|error| unwritable(path, &error))?);
    archive::export(store, &mut file).map_err(|error| Problem::unexpected(error.to_string()))?;
    file.flush()?;
    Ok(())
}

fn open(file: &Path) -> Result<BufReader<File>, Problem> {
    File::open(file).map(BufReader::new).map_err(|error| {
        Problem::new(
            format!("{} cannot be read: {}", file.display(), error.kind()),
            "name a file that `stumper store export` wrote",
        )
    })
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("{} cannot be written: {}", path.display(), error.kind()), "name another place")
}
