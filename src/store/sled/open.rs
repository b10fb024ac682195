//! Opening a database, and saying clearly why that is not possible.
//!
//! **Invariant:** nothing that was there is deleted or repaired. What is tried is tried on a copy.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use sled::{Config, Db, Mode, Tree};
use tracing::info;

use crate::desk::{Person, Roster};
use crate::store::OpenError;
use crate::store::sled::codec::{self, Kind};
use crate::store::sled::format1;
use crate::store::sled::keys;
use crate::store::sled::layers::Layers;
use crate::store::sled::prepare::PERSON;

/// The format of keys and rows that this version writes.
const FORMAT: u64 = 2;
const FORMAT_KIND: Kind = Kind::new("format", "the format");

/// How much of the database sled keeps in memory, at most, in bytes as they lie on disk; in memory they are
/// about twice as many. Besides, sled keeps a list of where every page lies, some 430 bytes a question.
const CACHE_BYTES_MAX: u64 = 32 << 20;

/// The one tree all rows lie in.
const TREE: &[u8] = b"desk-2";

/// The tree that tells the format. Those of format 1 held their rows here as well.
const FORMAT_TREE: &[u8] = b"desk";

/// What sled calls its files.
const DATA_FILE: &str = "db";
const SETTINGS_FILE: &str = "conf";
const LONG_VALUES_DIR: &str = "blobs";
const HALF_SNAPSHOT_ENDING: &str = ".generating";

/// An open database.
pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) tree: Tree,
    /// The data file, opened once more so that it can be synced.
    pub(super) file: File,
    /// The number after the last one that a question or record has.
    pub(super) next_number: u64,
}

/// Opens the database in this directory, or makes one.
pub(super) fn open(dir: &Path) -> Result<Opened, OpenError> {
    let disk = |error: io::Error| OpenError::Disk { dir: dir.to_owned(), why: error.to_string() };
    let data = dir.join(DATA_FILE);
    look_around(dir)?;
    if data.exists() {
        let file = File::open(&data).map_err(disk)?;
        match file.try_lock() {
            Ok(()) => file.unlock().map_err(disk)?,
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        // After a kill the last writes may be known to the operating system only. sled is about to
        // write a synced snapshot that refers to them.
        file.sync_all().map_err(disk)?;
    }
    let db = start_sled(dir).map_err(|error| explain(dir, error))?;
    let damaged = |why: String| OpenError::Damaged { dir: dir.to_owned(), why };
    let tree = own_tree(dir, &db)?;
    let file = File::open(&data).map_err(disk)?;
    sync_everything(dir).map_err(disk)?;
    let next_number = next_number(&tree).map_err(|error| damaged(error.to_string()))?;
    Ok(Opened { db, tree, file, next_number })
}

/// Reads all librarians.
pub(super) fn roster(dir: &Path, tree: &Tree) -> Result<Roster, OpenError> {
    let damaged = |why: String| OpenError::Damaged { dir: dir.to_owned(), why };
    let layers = Layers::plain(tree);
    let mut roster = Roster::default();
    for mark in tree.scan_prefix([keys::LIBRARIAN]).keys() {
        let mark = mark.map_err(|error| damaged(error.to_string()))?;
        let person: Option<Person> = layers
            .row(PERSON, &keys::person_of_librarian(&mark))
            .map_err(|error| damaged(error.to_string()))?;
        if let Some(person) = person {
            roster.put(person);
        }
    }
    Ok(roster)
}

/// Refuses a directory that is used for something else.
fn look_around(dir: &Path) -> Result<(), OpenError> {
    let disk = |error: io::Error| OpenError::Disk { dir: dir.to_owned(), why: error.to_string() };
    let not_ours = || OpenError::NotADatabase { dir: dir.to_owned() };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(not_ours()),
        Err(error) => return Err(disk(error)),
    };
    // sled makes these before its data file; a new file system has the last one.
    const HARMLESS: [&str; 3] = [LONG_VALUES_DIR, SETTINGS_FILE, "lost+found"];
    let mut strange = false;
    for entry in entries {
        let name = entry.map_err(disk)?.file_name();
        if name == DATA_FILE {
            return Ok(());
        }
        strange |= !HARMLESS.iter().any(|harmless| name == *harmless);
    }
    if strange { Err(not_ours()) } else { Ok(()) }
}

/// Lets sled open the directory. sled checks some things by panicking; such a panic is an answer.
fn start_sled(dir: &Path) -> Result<Db, sled::Error> {
    let config = Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES_MAX)
        .mode(Mode::LowSpace)
        // The writer flushes, and syncs, which sled's own timer does not do in time.
        .flush_every_ms(None);
    panic::catch_unwind(AssertUnwindSafe(|| config.open()))
        .unwrap_or_else(|_| Err(sled::Error::ReportableBug("sled gave up".to_owned())))
}

fn explain(dir: &Path, error: sled::Error) -> OpenError {
    let dir = dir.to_owned();
    match error {
        sled::Error::Io(error) => OpenError::Disk { dir, why: error.to_string() },
        sled::Error::Unsupported(_) => OpenError::NotADatabase { dir },
        sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::CollectionNotFound(_) => {
            let half = half_snapshots(&dir).into_iter().next_back();
            match half {
                Some(file) if opens_without_half_snapshots(&dir) => OpenError::HalfSnapshot { file },
                Some(_) | None => OpenError::Damaged { why: error.to_string(), dir },
            }
        }
    }
}

/// Snapshots that were being written when the process was killed.
fn half_snapshots(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_half(path)).collect();
    files.sort();
    files
}

fn is_half(path: &Path) -> bool {
    path.to_string_lossy().ends_with(HALF_SNAPSHOT_ENDING)
}

/// Whether a copy of the database opens once the half-written snapshots are left out of it.
fn opens_without_half_snapshots(dir: &Path) -> bool {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".trial-{}", std::process::id()));
    let copy = dir.with_file_name(name);
    if fs::create_dir(&copy).is_err() {
        return false;
    }
    let opens = copy_files(dir, &copy).is_ok() && start_sled(&copy).is_ok();
    // It was made a moment ago, by us. Where it cannot be removed, a copy stays; nothing is lost.
    let _ = fs::remove_dir_all(&copy);
    opens
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to.join(LONG_VALUES_DIR))?;
    for dir in [Path::new(""), Path::new(LONG_VALUES_DIR)] {
        for entry in fs::read_dir(from.join(dir))? {
            let entry = entry?;
            if entry.file_type()?.is_file() && !is_half(&entry.path()) {
                fs::copy(entry.path(), to.join(dir).join(entry.file_name()))?;
            }
        }
    }
    Ok(())
}

/// Finds the desk's tree, or makes it in a database that is new, and checks the format. What an
/// earlier version wrote is moved.
fn own_tree(dir: &Path, db: &Db) -> Result<Tree, OpenError> {
    let damaged = |error: sled::Error| OpenError::Damaged { dir: dir.to_owned(), why: error.to_string() };
    let is_new = !db.tree_names().iter().any(|name| name == FORMAT_TREE);
    if is_new && (db.tree_names().len() > 1 || !db.is_empty()) {
        return Err(OpenError::NotADatabase { dir: dir.to_owned() });
    }
    let format_tree = db.open_tree(FORMAT_TREE).map_err(damaged)?;
    let tree = db.open_tree(TREE).map_err(damaged)?;
    let found = match format_tree.get(keys::FORMAT_KEY).map_err(damaged)? {
        Some(row) => checked_format(dir, &row)?,
        // Also after a kill between the making of the tree and of this row.
        None if format_tree.is_empty() => 0,
        None => return Err(OpenError::NotADatabase { dir: dir.to_owned() }),
    };
    for tree in [&format_tree, &tree] {
        if tree.contains_key(keys::IMPORTING_KEY).map_err(damaged)? {
            return Err(OpenError::HalfImported { dir: dir.to_owned() });
        }
    }
    if found < FORMAT {
        if found > 0 {
            info!("The database is of an earlier format; its rows are moved over, which is done once");
        }
        tree.clear().map_err(damaged)?;
        format1::move_rows(&format_tree, &tree)
            .map_err(|error| OpenError::Damaged { dir: dir.to_owned(), why: error.to_string() })?;
        sync(dir, &tree)?;
        // In JSON, which earlier versions can read. From here on the old rows are done with.
        let format = codec::plain(FORMAT_KIND, &FORMAT)
            .map_err(|error| OpenError::Damaged { dir: dir.to_owned(), why: error.to_string() })?;
        format_tree.insert(keys::FORMAT_KEY, format).map_err(damaged)?;
        sync(dir, &format_tree)?;
    }
    // Also after a kill while they were being removed: nothing that is erased may stay here.
    for key in format_tree.range(keys::FIRST_ROW..).keys() {
        format_tree.remove(key.map_err(damaged)?).map_err(damaged)?;
    }
    format_tree.flush().map_err(damaged)?;
    Ok(tree)
}

/// Makes what was written to the tree durable.
fn sync(dir: &Path, tree: &Tree) -> Result<(), OpenError> {
    tree.flush().map_err(|error| OpenError::Damaged { dir: dir.to_owned(), why: error.to_string() })?;
    sync_everything(dir).map_err(|error| OpenError::Disk { dir: dir.to_owned(), why: error.to_string() })
}

/// The number after the last one that was given. One whose row was removed may be given again: with
/// the row went everything that named it.
fn next_number(tree: &Tree) -> sled::Result<u64> {
    let mut next = 1;
    for kind in [keys::QUESTION, keys::RECORD] {
        let last = tree.scan_prefix([kind]).keys().next_back().transpose()?;
        next = next.max(last.and_then(|key| keys::number_of(&key)).map_or(1, |number| number + 1));
    }
    Ok(next)
}

fn checked_format(dir: &Path, row: &[u8]) -> Result<u64, OpenError> {
    let found: u64 = codec::decode(FORMAT_KIND, row)
        .map_err(|error| OpenError::Damaged { dir: dir.to_owned(), why: error.to_string() })?;
    if found > FORMAT {
        return Err(OpenError::NewerFormat { dir: dir.to_owned(), found, known: FORMAT });
    }
    Ok(found)
}

/// Makes files and their names durable, which sled does not do for those it creates.
fn sync_everything(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(dir)?.sync_all()?;
    let absolute = dir.canonicalize()?;
    match absolute.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
