//! Small files that connectors keep over restarts: log-ins, and what was spent.
//!
//! **Invariant:** a file is replaced as a whole, can be read by its owner only, and is on the disk when
//! [`write()`] returns.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The file's content; `None` where there is none, or something that is no file of the desk's.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    if fs::metadata(path).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    fs::read(path).ok()
}

/// Replaces the file: whoever reads it after a crash finds the old one or the new one.
///
/// # Errors
///
/// Where the folder cannot be written to, or is full. The old file is still there then.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // Left over from a crash, and perhaps with other rights.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = owner_only().open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The new name must survive a power cut as well.
    fs::File::open(folder)?.sync_all()
}

fn owner_only() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
