//! Databases of format 1: reading them, and moving what they hold into the tree of this format.
//!
//! Format 1 kept every letter, line and question where its name lies, in another tree. All of it is
//! read as an archive would be written, and written as an archive would be read.
//!
//! **Invariant:** the old tree is only read until all of it is durable in the new one. A move that was
//! broken off begins again.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sled::{Batch, Tree};

use crate::desk::letter::Delivery;
use crate::desk::question::Entry;
use crate::desk::{InputId, Letter, Link, PostId};
use crate::store::StoreError;
use crate::store::rows::{self, Row};
use crate::store::sled::codec::Kind;
use crate::store::sled::keys;
use crate::store::sled::layers::{self, Layers, Writes};
use crate::store::sled::plan;
use crate::store::sled::prepare::{
    CURSOR, CursorRow, LINK, LetterRow, LinkRow, PERSON, QUESTION, SEEN, SeenRow,
};

const LETTER: Kind = Kind::new("letters of format 1", "a letter");
const DELIVERY: Kind = Kind::new("letters of format 1", "where a letter stands");
const HISTORY: Kind = Kind::new("history of format 1", "a line of a question's history");

/// How many rows are moved at a time.
const CHUNK_ROWS: usize = 256;

/// What one step added to a question. Its letters and links are found by themselves.
#[derive(Deserialize)]
struct HistoryRow {
    entries: Vec<Entry>,
}

/// Moves all rows into an empty tree.
pub(super) fn move_rows(old: &Tree, new: &Tree) -> Result<(), StoreError> {
    let mut mover = Mover { new, chunk: Vec::new(), next_number: 1 };
    each_row(old, &mut |row| mover.take(row))?;
    mover.write()
}

/// Fills the new tree, a chunk at a time.
struct Mover<'a> {
    new: &'a Tree,
    chunk: Vec<Row>,
    next_number: u64,
}

impl Mover<'_> {
    fn take(&mut self, row: Row) -> Result<(), StoreError> {
        self.chunk.push(row);
        if self.chunk.len() < CHUNK_ROWS { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let nothing = Writes::new();
        let mut layers = Layers::over(self.new, &nothing, self.next_number);
        for row in self.chunk.drain(..) {
            // The roster is read when the database is open.
            plan::add_row(&mut layers, row, &mut Vec::new())?;
        }
        self.next_number = layers.next_number();
        let mut batch = Batch::default();
        for (key, value) in layers.into_writes() {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.new.apply_batch(batch).map_err(layers::unreachable)
    }
}

/// Gives every row to `take`, in the order of the archive.
fn each_row(old: &Tree, take: &mut dyn FnMut(Row) -> Result<(), StoreError>) -> Result<(), StoreError> {
    each(old, QUESTION, b'q', |question, _| take(Row::Question { question }))?;
    each(old, PERSON, b'p', |person, _| take(Row::Person { person }))?;
    let layers = Layers::plain(old);
    each(old, LETTER, b'l', |row: LetterRow<Box<Letter>>, key| {
        let LetterRow { turn, letter } = row;
        let delivery: Option<Delivery> = layers.row(DELIVERY, &[b"d", &key[1..]].concat())?;
        let delivery = delivery.unwrap_or_else(|| rows::first_delivery(&letter));
        take(Row::Letter { letter, turn, delivery })
    })?;
    each(old, LINK, b'k', |row: LinkRow<PostId, Link>, _| {
        take(Row::Link { post: row.post, link: row.link })
    })?;
    each(old, HISTORY, b'h', |row: HistoryRow, _| {
        row.entries.into_iter().try_for_each(|entry| take(Row::Entry { entry }))
    })?;
    each(old, SEEN, b's', |row: SeenRow<InputId>, _| take(Row::Seen { input: row.input, at: row.at }))?;
    each(old, CURSOR, keys::CURSOR, |row: CursorRow<String>, _| {
        take(Row::Cursor { network: row.network, cursor: row.cursor })
    })
}

/// Gives every row of a kind to `take`, with its key.
fn each<T: DeserializeOwned>(
    old: &Tree,
    kind: Kind,
    first_byte: u8,
    mut take: impl FnMut(T, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let layers = Layers::plain(old);
    for found in old.scan_prefix([first_byte]) {
        let (key, main) = found.map_err(layers::unreachable)?;
        take(layers.decode(kind, &key, &main)?, &key)?;
    }
    Ok(())
}
