//! Everything a store holds as lines of JSON: the backup, the way to another store, and the way out.
//!
//! The first line tells the format, then comes one line for each row, and the last line counts them
//! and holds a checksum of all before it, so that a file that was cut short is not taken for a
//! smaller desk.
//!
//! **Invariant:** what an import leaves behind is either all that the archive holds or nothing, and
//! no fault quotes a line.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::rows::Row;
use crate::store::{ROW_BYTES_MAX, Store, StoreError};

/// The format of the lines.
const FORMAT: u64 = 1;

/// What the first line calls it.
const NAME: &str = "stumper";

/// The longest line that is read: a row of the largest size, with what stands around it.
const LINE_BYTES_MAX: usize = 2 * ROW_BYTES_MAX;

/// How many rows are put into a store at a time.
const CHUNK_ROWS: usize = 256;

/// What an archive held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many rows of each kind.
    pub rows: BTreeMap<String, u64>,
    /// Of all lines before the last one, in hexadecimal.
    pub sha256: String,
}

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error("the archive cannot be written: {0}")]
    Write(std::io::Error),
    /// The file could not be read.
    #[error("the archive cannot be read: {0}")]
    Read(std::io::Error),
    /// There is something in the store already.
    #[error("the store is not empty; an archive can only be imported into an empty one")]
    NotEmpty,
    /// The file is not an archive, or not a whole one. Lines count from 1.
    #[error("line {line} of the archive: {fault}")]
    Line { line: u64, fault: LineFault },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("this is not an archive of a desk")]
    NotAnArchive,
    #[error("the archive has format {found}; this version knows formats up to {known}")]
    NewerFormat { found: u64, known: u64 },
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the line is no row of an archive (column {column})")]
    NotARow { column: usize },
    #[error("the archive ends here, but its closing line is missing")]
    CutShort,
    #[error("the closing line counts other rows than there are")]
    WrongCount,
    #[error("the checksum does not match: the archive was changed or damaged")]
    WrongChecksum,
    #[error("there is more after the closing line")]
    AfterEnd,
}

#[derive(Serialize, Deserialize)]
struct Header {
    archive: String,
    format: u64,
    /// The version of the program that wrote it, for people who look into it.
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Closing {
    end: Summary,
}

/// How the last line begins.
const CLOSING_BEGINS: &[u8] = b"{\"end\":";

/// Writes everything the store holds. Commits wait meanwhile, so write to a file.
pub fn export(store: &Store, out: impl Write) -> Result<Summary, ArchiveError> {
    let mut writer = Writer { out, hash: Sha256::new(), rows: BTreeMap::new() };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    writer.line(&Header { archive: NAME.to_owned(), format: FORMAT, version })?;
    let take = &mut |row: Row| {
        *writer.rows.entry(row.kind().to_owned()).or_default() += 1;
        writer.line(&row)
    };
    match store {
        Store::Memory(memory) => memory.each_row(take)?,
        Store::Sled(sled) => sled.each_row(take)?,
    }
    let summary = Summary { rows: writer.rows.clone(), sha256: hex(&writer.hash) };
    writer.line(&Closing { end: summary.clone() })?;
    writer.out.flush().map_err(ArchiveError::Write)?;
    Ok(summary)
}

/// Reads an archive into an empty store, and closes nothing. If the archive turns out to be broken,
/// the store is emptied again; if the process is killed meanwhile, it will not open.
pub async fn import(store: &Store, from: impl BufRead) -> Result<Summary, ArchiveError> {
    if store.counts()? != crate::store::Counts::default() {
        return Err(ArchiveError::NotEmpty);
    }
    match store {
        Store::Memory(_) => {}
        Store::Sled(sled) => sled.begin_import().await?,
    }
    let filled = fill(store, from).await;
    match (&filled, store) {
        (Ok(_), Store::Memory(_)) => {}
        (Ok(_), Store::Sled(sled)) => sled.end_import().await?,
        (Err(_), Store::Memory(memory)) => memory.clear()?,
        (Err(_), Store::Sled(sled)) => sled.clear().await?,
    }
    filled
}

async fn fill(store: &Store, from: impl BufRead) -> Result<Summary, ArchiveError> {
    let mut reader = Reader { from, hash: Sha256::new(), hash_before: Sha256::new(), line: 0 };
    let header = reader.line()?.ok_or(reader.fault(LineFault::NotAnArchive))?;
    check_header(&header).map_err(|fault| reader.fault(fault))?;
    let mut rows = BTreeMap::<String, u64>::new();
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    loop {
        let line = reader.line()?.ok_or(reader.fault(LineFault::CutShort))?;
        let not_a_row =
            |error: serde_json::Error| reader.fault(LineFault::NotARow { column: error.column() });
        if line.starts_with(CLOSING_BEGINS) {
            let closing: Closing = serde_json::from_slice(&line).map_err(not_a_row)?;
            put(store, chunk).await?;
            return check_end(reader, closing.end, rows);
        }
        let row: Row = serde_json::from_slice(&line).map_err(not_a_row)?;
        *rows.entry(row.kind().to_owned()).or_default() += 1;
        chunk.push(row);
        if chunk.len() == CHUNK_ROWS {
            put(store, std::mem::take(&mut chunk)).await?;
        }
    }
}

async fn put(store: &Store, rows: Vec<Row>) -> Result<(), StoreError> {
    match store {
        Store::Memory(memory) => memory.put_rows(rows),
        Store::Sled(sled) => sled.put_rows(rows).await,
    }
}

fn check_header(line: &[u8]) -> Result<(), LineFault> {
    let header: Header = serde_json::from_slice(line).map_err(|_| LineFault::NotAnArchive)?;
    if header.archive != NAME {
        return Err(LineFault::NotAnArchive);
    }
    if header.format > FORMAT {
        return Err(LineFault::NewerFormat { found: header.format, known: FORMAT });
    }
    Ok(())
}

fn check_end(
    mut reader: Reader<impl BufRead>,
    said: Summary,
    rows: BTreeMap<String, u64>,
) -> Result<Summary, ArchiveError> {
    if said.rows != rows {
        return Err(reader.fault(LineFault::WrongCount));
    }
    if said.sha256 != hex(&reader.hash_before) {
        return Err(reader.fault(LineFault::WrongChecksum));
    }
    match reader.line()? {
        None => Ok(said),
        Some(_) => Err(reader.fault(LineFault::AfterEnd)),
    }
}

struct Writer<W> {
    out: W,
    hash: Sha256,
    rows: BTreeMap<String, u64>,
}

impl<W: Write> Writer<W> {
    fn line(&mut self, value: &impl Serialize) -> Result<(), ArchiveError> {
        let mut line =
            serde_json::to_vec(value).map_err(|error| ArchiveError::Write(std::io::Error::other(error)))?;
        line.push(b'\n');
        self.hash.update(&line);
        self.out.write_all(&line).map_err(ArchiveError::Write)
    }
}

struct Reader<R> {
    from: R,
    /// Of all lines read so far.
    hash: Sha256,
    /// Of all lines before the one that was read last.
    hash_before: Sha256,
    /// The number of the line that was read last.
    line: u64,
}

impl<R: BufRead> Reader<R> {
    /// The next line, or `None` at the end of the file. A last line without its line feed was cut.
    fn line(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.line += 1;
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64;
        let mut limited = Read::take(&mut self.from, limit);
        limited.read_until(b'\n', &mut line).map_err(ArchiveError::Read)?;
        if line.is_empty() {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            let cut = if line.len() < LINE_BYTES_MAX { LineFault::CutShort } else { LineFault::TooLong };
            return Err(self.fault(cut));
        }
        self.hash_before = self.hash.clone();
        self.hash.update(&line);
        Ok(Some(line))
    }

    fn fault(&self, fault: LineFault) -> ArchiveError {
        ArchiveError::Line { line: self.line, fault }
    }
}

fn hex(hash: &Sha256) -> String {
    hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
