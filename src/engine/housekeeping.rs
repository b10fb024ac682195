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
    loop {
        let woken = async {
            tokio::select! {
                () = tokio::time::sleep(wait) => Woken::ByTime,
                () = engine.forgotten.notified() => Woken::ToForget,
            }
        };
        let Some(woken) = stop.or(woken).await else { return };
        wait = ROUND;
        let now = clock::now();
        if woken == Woken::ToForget {
            match write_anew(&engine, &data, now).await {
                Ok(()) => info!("Wrote the backup anew, without what was to be forgotten"),
                Err(error) => error!(%error, "Backups still hold what was to be forgotten: {error}"),
            }
            continue;
        }
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

/// Why housekeeping goes round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    ByTime,
    ToForget,
}

/// Replaces the backup of the day and removes all others, so that nothing erased outlives its erasure.
async fn write_anew(engine: &Engine, data: &Path, now: Timestamp) -> Result<(), ExportError> {
    let path = backup_of(data, now);
    export(engine, &path).await?;
    for name in backups(data)? {
        let other = data.join(name);
        if other != path {
            std::fs::remove_file(other)?;
        }
    }
    Ok(())
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
    let path = backup_of(data, now);
    if path.exists() {
        return Ok(None);
    }
    export(engine, &path).await?;
    remove_old(data)?;
    Ok(Some(path))
}

fn backup_of(data: &Path, now: Timestamp) -> PathBuf {
    data.join(format!("{BACKUP_PREFIX}{}{BACKUP_SUFFIX}", now.strftime("%Y-%m-%d")))
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
    let backups = backups(data)?;
    let surplus = backups.len().saturating_sub(BACKUPS_KEPT);
    for name in backups.iter().take(surplus) {
        std::fs::remove_file(data.join(name))?;
    }
    Ok(())
}

/// The names of all backups, the oldest first.
fn backups(data: &Path) -> std::io::Result<Vec<String>> {
    let names = std::fs::read_dir(data)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut backups: Vec<String> = names.filter(|name| is_backup(name)).collect();
    backups.sort();
    Ok(backups)
}

/// Whether a file's name is `backup-YYYY-MM-DD.jsonl`.
fn is_backup(name: &str) -> bool {
    let day = name.strip_prefix(BACKUP_PREFIX).and_then(|name| name.strip_suffix(BACKUP_SUFFIX));
    day.is_some_and(|day| day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{Action, Input, Network, Settings};
    use crate::samples;
    use crate::store::Store;
    use crate::subjects::Subjects;

    async fn desk_that_knows(handle: &str) -> Engine {
        let engine = Engine::new(Store::memory(), Subjects::default(), Settings::default());
        let account = samples::account(Network::Sandbox, handle);
        let action = Action::AddLibrarian {
            account,
            subjects: Vec::new(),
            hours: Vec::new(),
            languages: Vec::new(),
            limit: None,
            library: None,
            opted_in_at: None,
        };
        engine.handle(Input::Coordinator { id: "1".to_owned(), action }).await.unwrap();
        engine
    }

    #[tokio::test]
    async fn seven_nights_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let engine = desk_that_knows("clio").await;
        for day in 1..=9 {
            let night = format!("2026-03-{day:02}T02:00:00Z").parse().unwrap();
            assert!(back_up(&engine, folder.path(), night).await.unwrap().is_some());
            assert!(back_up(&engine, folder.path(), night).await.unwrap().is_none(), "one a day");
        }
        let kept = backups(folder.path()).unwrap();
        assert_eq!(kept.len(), 7);
        assert_eq!(kept.first().map(String::as_str), Some("backup-2026-03-03.jsonl"));
    }

    #[tokio::test]
    async fn promise_7_no_backup_outlives_what_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let before = desk_that_knows("clio").await;
        for night in ["2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z"] {
            back_up(&before, folder.path(), night.parse().unwrap()).await.unwrap();
        }
        let after = desk_that_knows("otto").await;
        write_anew(&after, folder.path(), "2026-03-02T09:00:00Z".parse().unwrap()).await.unwrap();
        assert_eq!(backups(folder.path()).unwrap(), ["backup-2026-03-02.jsonl"]);
        let text = std::fs::read_to_string(folder.path().join("backup-2026-03-02.jsonl")).unwrap();
        assert!(text.contains("otto") && !text.contains("clio"));
    }
}
