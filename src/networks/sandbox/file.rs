//! The sandbox's file: one line of JSON for each post, written at the end only.
//!
//! The first line names the format and its version. Every other line is a post or, with the id of an
//! earlier post, what is left of it after it was deleted. Because a deleted text must not stay on the
//! disk, the file is written anew without it soon after, beside the old one, which it then replaces.
//!
//! **Invariant:** nothing is acknowledged before [`File::append`] came back, which is after the
//! system said that it is on the disk. No line is changed in place, and no error quotes a line.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::networks::sandbox::posts::{Entry, Gone, Post, Posts};

/// The version of the format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The largest file that is read. A full sandbox is far smaller.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Why the sandbox's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the desk's name on the sandbox is not a handle (hint: use a-z, 0-9, `_`, `.` and `-`)")]
    DeskHandle,
    #[error("cannot use the sandbox's file `{}`: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the sandbox's file `{}` is in use by another process (hint: stop the other desk)", .path.display())]
    Locked { path: PathBuf },
    #[error("the sandbox's file `{}` is larger than {FILE_BYTES_MAX} bytes", .path.display())]
    TooLarge { path: PathBuf },
    #[error("`{}` is not a sandbox file (hint: name another file, or move this one away)", .path.display())]
    NotASandbox { path: PathBuf },
    #[error(
        "the sandbox's file `{}` has format {found}, and this program reads {FORMAT_VERSION} \
         (hint: use the program that wrote it)",
        .path.display()
    )]
    Version { path: PathBuf, found: u32 },
    #[error(
        "line {line} of the sandbox's file `{}` cannot be read, near column {column} \
         (hint: mend or remove that line)",
        .path.display()
    )]
    Line { path: PathBuf, line: usize, column: usize },
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    stumper_sandbox: u32,
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Post(Post),
    Gone(Gone),
}

/// The open file, locked against other processes.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    file: fs::File,
    /// Whether texts of deleted posts are still in it.
    has_deleted: bool,
}

impl File {
    /// Opens or creates the file and reads everything in it. A last line that was cut off, as a crash
    /// leaves it, was never acknowledged and is removed.
    pub fn open(path: &Path) -> Result<(File, Posts), OpenError> {
        let io_error = |source| OpenError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_error)?;
        }
        let mut file =
            fs::File::options().read(true).append(true).create(true).open(path).map_err(io_error)?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => OpenError::Locked { path: path.to_owned() },
            fs::TryLockError::Error(source) => io_error(source),
        })?;
        let mut bytes = Vec::new();
        (&mut file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io_error)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
            return Err(OpenError::TooLarge { path: path.to_owned() });
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let (whole, torn) = bytes.split_at(whole);
        let (posts, has_deleted) = read(path, whole)?;
        if !torn.is_empty() {
            refuse_foreign(path, whole, torn)?;
            tracing::warn!(
                sandbox.torn_bytes = torn.len(),
                "Cut off the unfinished last line of the sandbox's file"
            );
            let length = u64::try_from(whole.len()).expect("a length in memory fits 64 bits");
            file.set_len(length).and_then(|()| file.sync_all()).map_err(io_error)?;
        }
        let mut file = File { path: path.to_owned(), file, has_deleted };
        if whole.is_empty() {
            file.begin().map_err(io_error)?;
        }
        Ok((file, posts))
    }

    /// Writes entries at the end and waits until they are on the disk.
    pub fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            self.has_deleted |= matches!(entry, Entry::Gone(_));
            write_line(&mut lines, entry)?;
        }
        self.file.write_all(&lines)?;
        self.file.sync_data()
    }

    /// Whether texts of deleted posts are still in the file.
    pub fn has_deleted(&self) -> bool {
        self.has_deleted
    }

    /// Writes the file anew without anything that was deleted. After an error the old file is still
    /// there and in use.
    pub fn rewrite(&mut self, posts: &Posts) -> io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let beside = PathBuf::from(name);
        let file = fs::File::options().write(true).create(true).truncate(true).open(&beside)?;
        file.try_lock()?;
        let mut writer = BufWriter::new(&file);
        writer.write_all(&header()?)?;
        for entry in posts.iter() {
            write_line(&mut writer, entry)?;
        }
        writer.flush()?;
        drop(writer);
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.file = file;
        self.has_deleted = false;
        sync_folder(&self.path)
    }

    /// Writes the first line of an empty file.
    fn begin(&mut self) -> io::Result<()> {
        self.file.write_all(&header()?)?;
        self.file.sync_all()?;
        sync_folder(&self.path)
    }
}

/// Reads the whole lines of a file, and whether any of them is a deletion of another.
fn read(path: &Path, bytes: &[u8]) -> Result<(Posts, bool), OpenError> {
    let mut posts = Posts::default();
    let mut has_deleted = false;
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if body.is_empty() && bytes.is_empty() {
        return Ok((posts, false));
    }
    let mut lines = body.split(|byte| *byte == b'\n');
    let header: Header = lines
        .next()
        .and_then(|line| serde_json::from_slice(line).ok())
        .ok_or_else(|| OpenError::NotASandbox { path: path.to_owned() })?;
    if header.stumper_sandbox != FORMAT_VERSION {
        return Err(OpenError::Version { path: path.to_owned(), found: header.stumper_sandbox });
    }
    for (at, line) in lines.enumerate() {
        // The error's own text may quote the line, so only its place is kept.
        let line: Line = serde_json::from_slice(line).map_err(|error| OpenError::Line {
            path: path.to_owned(),
            line: at + 2,
            column: error.column(),
        })?;
        match line {
            Line::Post(post) => posts.put(Entry::Post(post.into())),
            Line::Gone(gone) => {
                has_deleted |= posts.post(gone.id).is_some();
                posts.put(Entry::Gone(gone));
            }
        }
    }
    Ok((posts, has_deleted))
}

/// A file without a single whole line is only ours to cut if it begins like ours.
fn refuse_foreign(path: &Path, whole: &[u8], torn: &[u8]) -> Result<(), OpenError> {
    let ours = header().map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    if whole.is_empty() && !ours.starts_with(torn) {
        return Err(OpenError::NotASandbox { path: path.to_owned() });
    }
    Ok(())
}

fn header() -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Header { stumper_sandbox: FORMAT_VERSION })?;
    line.push(b'\n');
    Ok(line)
}

fn write_line(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let line = match entry {
        Entry::Post(post) => Line::Post(Post::clone(post)),
        Entry::Gone(gone) => Line::Gone(gone.clone()),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// Makes a new or renamed file's name durable, which its own sync does not.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
