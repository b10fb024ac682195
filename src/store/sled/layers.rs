//! Rows as they are, with writes laid over them that sled does not have yet.
//!
//! The writer plans a whole group of steps before it gives them to sled. Each step sees what the
//! steps before it in the group wrote, and is dropped as a whole if it turns out to be stale. Plain
//! reads are the same thing with nothing laid over.
//!
//! **Invariant:** nothing here changes the database.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::de::DeserializeOwned;
use sled::{IVec, Tree};

use crate::desk::Code;
use crate::store::StoreError;
use crate::store::sled::codec::{self, Encoded, Kind};
use crate::store::sled::keys;
use crate::store::sled::prepare::{FILE, FileRow};

/// New values by key; `None` removes the row.
pub(super) type Writes = BTreeMap<IVec, Option<IVec>>;

static NOTHING: Writes = Writes::new();

/// A view of the database.
pub(super) struct Layers<'a> {
    tree: &'a Tree,
    group: &'a Writes,
    own: Writes,
    next_number: u64,
}

impl<'a> Layers<'a> {
    /// The database as it is.
    pub(super) fn plain(tree: &'a Tree) -> Layers<'a> {
        Layers::over(tree, &NOTHING, 0)
    }

    /// The database as it will be once `group` is written. What is written through this view gets
    /// numbers from `next_number` on.
    pub(super) fn over(tree: &'a Tree, group: &'a Writes, next_number: u64) -> Layers<'a> {
        Layers { tree, group, own: Writes::new(), next_number }
    }

    /// A number that nothing has yet.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    pub(super) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// What was written through this view.
    pub(super) fn into_writes(self) -> Writes {
        self.own
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        if let Some(value) = self.own.get(key).or_else(|| self.group.get(key)) {
            return Ok(value.clone());
        }
        self.tree.get(key).map_err(unreachable)
    }

    /// Reads one row.
    pub(super) fn row<T: DeserializeOwned>(&self, kind: Kind, key: &[u8]) -> Result<Option<T>, StoreError> {
        let Some(main) = self.get(key)? else { return Ok(None) };
        self.decode(kind, key, &main).map(Some)
    }

    /// Which rows belong to a code.
    pub(super) fn file(&self, code: &Code) -> Result<Option<FileRow>, StoreError> {
        self.row(FILE, &keys::file(code))
    }

    /// Reads a row whose value was found already.
    pub(super) fn decode<T: DeserializeOwned>(
        &self,
        kind: Kind,
        key: &[u8],
        main: &[u8],
    ) -> Result<T, StoreError> {
        let Some(pieces) = codec::pieces_of(main) else { return codec::decode(kind, main) };
        let mut whole = Vec::new();
        for number in 0..pieces {
            let piece = self.get(&keys::piece(key, number))?;
            whole.extend_from_slice(&piece.ok_or(kind.unreadable("a piece of it is missing"))?);
        }
        codec::decode(kind, &whole)
    }

    /// The rows from one key up to another, in the order of their keys, at most `limit`.
    pub(super) fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<(IVec, IVec)>, StoreError> {
        let bounds = (Bound::Included(from), Bound::Excluded(until));
        let stored = self.tree.range(from..until);
        let mut over =
            self.group.range::<[u8], _>(bounds).chain(self.own.range::<[u8], _>(bounds)).peekable();
        if over.peek().is_none() {
            return stored.take(limit).collect::<Result<_, _>>().map_err(unreachable);
        }
        let mut rows: BTreeMap<IVec, IVec> = stored.collect::<Result<_, _>>().map_err(unreachable)?;
        for (key, value) in over {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    /// The rows whose keys begin like this.
    pub(super) fn scan_prefix(&self, prefix: &[u8]) -> Result<Vec<(IVec, IVec)>, StoreError> {
        self.scan(prefix, &keys::after_prefix(prefix), usize::MAX)
    }

    /// Writes a row where there was none.
    pub(super) fn put_new(&mut self, key: &[u8], row: Encoded) {
        for (number, piece) in row.pieces.into_iter().enumerate() {
            self.own.insert(keys::piece(key, number).into(), Some(piece));
        }
        self.own.insert(key.into(), Some(row.main));
    }

    /// Writes a row in the place of an older one, whose value is given where there was one.
    pub(super) fn put(&mut self, key: &[u8], row: Encoded, old: Option<&[u8]>) {
        for number in row.pieces.len()..old.and_then(codec::pieces_of).unwrap_or(0) {
            self.own.insert(keys::piece(key, number).into(), None);
        }
        self.put_new(key, row);
    }

    /// Writes a row that is nothing but its key.
    pub(super) fn put_mark(&mut self, key: Vec<u8>) {
        self.own.insert(key.into(), Some(IVec::default()));
    }

    /// Removes a row, whose value is given where it may be in pieces.
    pub(super) fn remove(&mut self, key: &[u8], old: Option<&[u8]>) {
        for number in 0..old.and_then(codec::pieces_of).unwrap_or(0) {
            self.own.insert(keys::piece(key, number).into(), None);
        }
        self.own.insert(key.into(), None);
    }
}

/// The text of sled's errors names files and positions, never keys or values.
pub(super) fn unreachable(error: sled::Error) -> StoreError {
    StoreError::Unreachable(error.to_string())
}
