//! What has to be done now and then: forgetting inputs that cannot come again, and a backup a night.
//!
//! **Invariant:** a backup is there whole or not at all, only the user that runs the desk can read
//! it, and nothing is deleted but the desk's own old backups.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use crate::clock;
use crate::engine::Engine;
use crate::engine::control::private_file;
use crate::engine::run::Stop;
use crate::store::archive::{self, ArchiveError};
use crate::store::{Store, StoreError};

/// How long it is remembered that an input took effect. Networks show notifications again for days
/// after an interruption, never for a month: the stored cursor lies behind by that time.
const SEEN_KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many seen inputs are forgotten in one go, so that others can write in between.
const EXPIRE_BATCH: usize = 1_000;

/// How many batches are forgotten in one round; the rest has time until the next.
const EXPIRE_ROUNDS_MAX: usize = 1_000;

/// How often it is looked whether something is to be done.
const ROUND: Duration = Duration::from_secs(3_600);

/// How long after the start the first round is, when the desk has settled.
const FIRST_ROUND: Duration = Duration::from_secs(300);

/// How many backups are kept.
const BACKUPS_KEPT: usize = 7;

const BACKUP_PREFIX: &str = "backup-";
const BACKUP_SUFFIX: &str = ".jsonl";

/// How the name of an export begins that a command asked for.
pub const EXPORT_PREFIX: &str = "export-";

/// How the name of an export ends that is not complete.
const UNFINISHED: &str = "unfinished";

/// Why an export was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the export failed")]
    Failed,
}

/// Keeps house until the desk stops.
pub(super) async fn keep_house(engine: Arc<Engine>, data: PathBuf, mut stop: Stop) {
    if let Err(error) = remove_leftovers(&data) {
        warn!(%error, "Old exports could not be removed: {error}");
    }
    let mut wait = FIRST_ROUND;
    while stop.or(tokio::time::sleep(wait)).await.is_some() {
        wait = ROUND;
        let now = clock::now();
        if let Err(error) = expire(&engine, now).await {
            warn!(%error, "Old inputs could not be forgotten: {error}");
        }
        // Not interrupted by a stop: it would leave half a file behind.
        match back_up(&engine, &data, now).await {
            Ok(Some(_)) => info!("Wrote the backup of the day"),
            Ok(None) => {}
            Err(error) => error!(%error, "There is no backup of the day: {error}"),
        }
    }
}

/// Forgets inputs so old that no network shows them again.
async fn expire(engine: &Engine, now: Timestamp) -> Result<(), StoreError> {
    let before = now.checked_sub(SEEN_KEPT_FOR).unwrap_or(Timestamp::MIN);
    for _ in 0..EXPIRE_ROUNDS_MAX {
        if engine.store().expire_seen(before, EXPIRE_BATCH).await? < EXPIRE_BATCH {
            break;
        }
    }
    let before = now.checked_sub(engine.settings().keep_for).unwrap_or(Timestamp::MIN);
    for _ in 0..EXPIRE_ROUNDS_MAX {
        if engine.store().expire_talk(before, EXPIRE_BATCH).await? < EXPIRE_BATCH {
            break;
        }
    }
    Ok(())
}

/// Writes the backup of the day (by UTC) unless it is there, and removes the oldest ones.
async fn back_up(engine: &Engine, data: &Path, now: Timestamp) -> Result<Option<PathBuf>, ExportError> {
    let day = now.strftime("%Y-%m-%d");
    let path = data.join(format!("{BACKUP_PREFIX}{day}{BACKUP_SUFFIX}"));
    if path.exists() {
        return Ok(None);
    }
    export(engine, &path).await?;
    remove_old(data)?;
    Ok(Some(path))
}

/// Writes everything the desk remembers to `path`, by way of a file beside it that is renamed when
/// it is complete and on the disk.
async fn export(engine: &Engine, path: &Path) -> Result<(), ExportError> {
    begin_export(engine, path)?.await.unwrap_or(Err(ExportError::Failed))
}

/// Begins an export to `path` and does not wait for it. The unfinished file is there when this
/// returns, and gone when the export has ended: then the finished one is there, or it failed and the
/// log says why.
pub(super) fn begin_export(
    engine: &Engine,
    path: &Path,
) -> Result<tokio::task::JoinHandle<Result<(), ExportError>>, ExportError> {
    let (store, path, unfinished) = (engine.store().clone(), path.to_owned(), unfinished(path));
    remove_if_there(&unfinished)?;
    let file = private_file(&unfinished)?;
    Ok(tokio::task::spawn_blocking(move || {
        let written = write_export(&store, file).and_then(|()| Ok(std::fs::rename(&unfinished, &path)?));
        if let Err(error) = &written {
            error!(%error, "An export failed: {error}");
            // What people wrote is not to be left lying about.
            std::fs::remove_file(&unfinished).ok();
        }
        written
    }))
}

/// Where an export is written until it is complete.
pub fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(UNFINISHED)
}

fn write_export(store: &Store, file: File) -> Result<(), ExportError> {
    let mut file = BufWriter::new(file);
    archive::export(store, &mut file)?;
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes exports that were asked for and never fetched, and those that were never finished.
fn remove_leftovers(data: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_export = name.starts_with(EXPORT_PREFIX) && name.ends_with(BACKUP_SUFFIX);
        let is_unfinished = path.extension().is_some_and(|ending| ending == UNFINISHED);
        if is_export || is_unfinished {
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// Removes all but the newest backups.
fn remove_old(data: &Path) -> std::io::Result<()> {
    let mut backups: Vec<String> = std::fs::read_dir(data)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_backup(name))
        .collect();
    backups.sort();
    let surplus = backups.len().saturating_sub(BACKUPS_KEPT);
    for name in backups.iter().take(surplus) {
        std::fs::remove_file(data.join(name))?;
    }
    Ok(())
}

/// Whether a file's name is `backup-YYYY-MM-DD.jsonl`.
fn is_backup(name: &str) -> bool {
    let day = name.strip_prefix(BACKUP_PREFIX).and_then(|name| name.strip_suffix(BACKUP_SUFFIX));
    day.is_some_and(|day| day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok())
}
