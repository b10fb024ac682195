//! How rows are written down: JSON that says its own version, cut into pieces where it is long.
//!
//! **Invariant:** sled never gets a value of more than [`PIECE_BYTES_MAX`] bytes. It writes a whole
//! page of neighbouring rows as one message, and a message of more than 128 KiB goes into a file of
//! its own that it never syncs. A page holds some twenty rows, so with pieces that cannot happen.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sled::IVec;

use crate::store::{StoreError, rows};

/// The version that rows are written with.
const VERSION: u64 = 1;

/// The longest value that is given to sled.
pub(super) const PIECE_BYTES_MAX: usize = 4096;

/// What a row is called in errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) tree: &'static str,
    pub(super) row: &'static str,
}

impl Kind {
    pub(super) const fn new(tree: &'static str, row: &'static str) -> Kind {
        Kind { tree, row }
    }

    pub(super) fn unreadable(self, why: &'static str) -> StoreError {
        StoreError::Unreadable { tree: self.tree, row: self.row, why }
    }
}

/// A row as sled gets it.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The row itself, or how many pieces it has.
    pub(super) main: IVec,
    pub(super) pieces: Vec<IVec>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    v: u64,
    row: T,
}

/// The beginning of every row, enough to tell what is wrong with one that cannot be read.
#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// What stands in the place of a row in pieces.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    v: u64,
    pieces: usize,
}

/// Writes a row down.
pub(super) fn encode(kind: Kind, row: &impl Serialize) -> Result<Encoded, StoreError> {
    /// Room for most rows, so that the buffer seldom grows.
    const USUAL_BYTES: usize = 1024;
    let mut json = Vec::with_capacity(USUAL_BYTES);
    json.extend_from_slice(b"{\"v\":1,\"row\":");
    serde_json::to_writer(&mut json, row).map_err(|_| kind.unreadable("it cannot be written as JSON"))?;
    json.push(b'}');
    rows::check_size(kind.row, json.len())?;
    if json.len() <= PIECE_BYTES_MAX {
        return Ok(Encoded { main: IVec::from(json), pieces: Vec::new() });
    }
    let pieces: Vec<IVec> = json.chunks(PIECE_BYTES_MAX).map(IVec::from).collect();
    let cut = Cut { v: VERSION, pieces: pieces.len() };
    let main = serde_json::to_vec(&cut).map_err(|_| kind.unreadable("it cannot be written as JSON"))?;
    Ok(Encoded { main: IVec::from(main), pieces })
}

/// How many pieces the row has, where it is in pieces.
pub(super) fn pieces_of(main: &[u8]) -> Option<usize> {
    if !main.starts_with(b"{\"v\":1,\"pieces\":") {
        return None;
    }
    serde_json::from_slice(main).ok().map(|cut: Cut| cut.pieces)
}

/// Reads a row, checking its version.
pub(super) fn decode<T: DeserializeOwned>(kind: Kind, json: &[u8]) -> Result<T, StoreError> {
    match serde_json::from_slice::<Envelope<T>>(json) {
        Ok(envelope) if envelope.v == VERSION => Ok(envelope.row),
        Ok(_) => Err(kind.unreadable("it was written by a newer version")),
        Err(error) => Err(kind.unreadable(why(json, &error))),
    }
}

/// Says what is wrong without quoting the row, which serde's own message may do.
fn why(json: &[u8], error: &serde_json::Error) -> &'static str {
    let version = serde_json::from_slice::<Version>(json).map(|version| version.v);
    match (error.classify(), version) {
        (_, Ok(version)) if version > VERSION => "it was written by a newer version",
        (serde_json::error::Category::Data, _) => "it has a form that this version does not know",
        (serde_json::error::Category::Eof, _) => "it is cut short",
        (serde_json::error::Category::Io | serde_json::error::Category::Syntax, _) => "it is not JSON",
    }
}
