//! How rows are written down: JSON that says its own version, made smaller where it is long, and cut
//! into pieces where it is still long.
//!
//! A short row, and every row of format 1, is `{"v":1,"row":…}`. A longer one is a byte 2 and the same
//! row in LZ4, for which compressor and decompressor both know a dictionary: what rows have in common.
//! Most of a row is names of fields and beginnings of ids, so that less than half of it is left, and
//! the tree, its cache and the disk hold twice as many rows.
//!
//! **Invariant:** sled never gets a value of more than [`PIECE_BYTES_MAX`] bytes. It writes a whole
//! page of neighbouring rows as one message, and a message of more than 128 KiB goes into a file of
//! its own that it never syncs. A page holds some twenty rows, so with pieces that cannot happen.

use lz4_flex::block;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sled::IVec;

use crate::store::{StoreError, rows};

/// The version that says itself in JSON.
const VERSION: u64 = 1;

/// The version of compressed rows, and the byte they begin with.
const COMPRESSED: u8 = 2;

/// What rows have in common. Rows that were written with it cannot be read without it, so it never
/// changes: a better one is another file and another version.
const DICTIONARY: &[u8] = include_bytes!("dictionary.jsonl");

/// Rows up to this length are left as they are.
const SHORT_BYTES: usize = 128;

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
    /// How long it is as JSON.
    pub(super) json_bytes: usize,
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

/// Writes a row down, unless it is too large.
pub(super) fn encode(kind: Kind, row: &impl Serialize) -> Result<Encoded, StoreError> {
    let row = encode_any(kind, row)?;
    rows::check_size(kind.row, row.json_bytes)?;
    Ok(row)
}

/// Writes a row down, however large it is.
pub(super) fn encode_any(kind: Kind, row: &impl Serialize) -> Result<Encoded, StoreError> {
    let json = plain(kind, row)?;
    let json_bytes = json.len();
    let whole = if json_bytes <= SHORT_BYTES { json } else { compress(&json) };
    if whole.len() <= PIECE_BYTES_MAX {
        return Ok(Encoded { main: IVec::from(whole), pieces: Vec::new(), json_bytes });
    }
    let pieces: Vec<IVec> = whole.chunks(PIECE_BYTES_MAX).map(IVec::from).collect();
    let cut = Cut { v: VERSION, pieces: pieces.len() };
    let main = serde_json::to_vec(&cut).map_err(|_| kind.unreadable("it cannot be written as JSON"))?;
    Ok(Encoded { main: IVec::from(main), pieces, json_bytes })
}

/// Writes a row down as JSON.
pub(super) fn plain(kind: Kind, row: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    /// Room for most rows, so that the buffer seldom grows.
    const USUAL_BYTES: usize = 1536;
    let mut json = Vec::with_capacity(USUAL_BYTES);
    json.extend_from_slice(b"{\"v\":1,\"row\":");
    serde_json::to_writer(&mut json, row).map_err(|_| kind.unreadable("it cannot be written as JSON"))?;
    json.push(b'}');
    Ok(json)
}

/// The byte that tells the version, the length of the JSON, the JSON in LZ4.
fn compress(json: &[u8]) -> Vec<u8> {
    let mut whole = vec![0; BEFORE_LZ4 + block::get_maximum_output_size(json.len())];
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    let (before, lz4) = whole.split_at_mut(BEFORE_LZ4);
    before[0] = COMPRESSED;
    before[1..].copy_from_slice(&length.to_be_bytes());
    let bytes = block::compress_into_with_dict(json, lz4, DICTIONARY).expect("there is room for the worst");
    whole.truncate(BEFORE_LZ4 + bytes);
    whole
}

/// How many bytes stand before the LZ4 of a compressed row.
const BEFORE_LZ4: usize = 5;

/// One byte of LZ4 stands for so many bytes at most.
const LZ4_RATIO_MAX: usize = 255;

/// The JSON of a compressed row, or what is wrong with it.
fn decompress(row: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (before, lz4) = row.split_at_checked(BEFORE_LZ4).ok_or("it is cut short")?;
    let length = before.last_chunk().map_or(0, |length| u32::from_be_bytes(*length)) as usize;
    if length > LZ4_RATIO_MAX * row.len() {
        return Err("it says that it is longer than it can be");
    }
    block::decompress_with_dict(lz4, length, DICTIONARY).map_err(|_| "it cannot be decompressed")
}

/// How many pieces the row has, where it is in pieces.
pub(super) fn pieces_of(main: &[u8]) -> Option<usize> {
    if !main.starts_with(b"{\"v\":1,\"pieces\":") {
        return None;
    }
    serde_json::from_slice(main).ok().map(|cut: Cut| cut.pieces)
}

/// Reads a row, checking its version.
pub(super) fn decode<T: DeserializeOwned>(kind: Kind, row: &[u8]) -> Result<T, StoreError> {
    match row.first() {
        Some(&COMPRESSED) => {
            let json = decompress(row).map_err(|why| kind.unreadable(why))?;
            from_json(kind, &json)
        }
        // No version begins with another byte below the space, which is no JSON either.
        Some(newer) if *newer > COMPRESSED && *newer < b' ' => {
            Err(kind.unreadable("it was written by a newer version"))
        }
        _ => from_json(kind, row),
    }
}

fn from_json<T: DeserializeOwned>(kind: Kind, json: &[u8]) -> Result<T, StoreError> {
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

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    const TEXT: Kind = Kind::new("texts", "a text");

    fn whole(text: &str) -> Vec<u8> {
        let row = encode(TEXT, &text).unwrap();
        if row.pieces.is_empty() { row.main.to_vec() } else { row.pieces.concat() }
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        // Words that repeat, and noise that nothing can make smaller.
        let noise = (0..9_000_u32).map(|at| char::from(b' ' + (at.wrapping_mul(2_654_435_761) >> 26) as u8));
        for text in ["K7Q4 ".repeat(9_000), noise.collect()] {
            for length in [0, 1, 100, 113, 114, 115, 4_000, 4_080, 9_000] {
                let row = whole(&text[..length]);
                assert_eq!(row.first() == Some(&COMPRESSED), length + 16 > SHORT_BYTES, "{length}");
                assert_eq!(decode::<String>(TEXT, &row).as_deref(), Ok(&text[..length]), "{length}");
            }
        }
    }

    #[test]
    fn rows_of_format_1_are_read() {
        let long = format!("{{\"v\":1,\"row\":\"{}\"}}", "x".repeat(900));
        assert_eq!(decode::<String>(TEXT, long.as_bytes()), Ok("x".repeat(900)));
    }

    #[test]
    fn broken_rows_say_what_is_wrong() {
        let row = whole(&"moonwort ".repeat(40));
        let too_long = [&[COMPRESSED, 255, 255, 255, 255], &row[BEFORE_LZ4..]].concat();
        let rows: [(&[u8], &str); 5] = [
            (&row[..3], "it is cut short"),
            (&row[..row.len() - 1], "it cannot be decompressed"),
            (&too_long, "it says that it is longer than it can be"),
            (&[3, 0, 0], "it was written by a newer version"),
            (b"{\"v\":3,\"row\":{}}", "it was written by a newer version"),
        ];
        for (row, why) in rows {
            assert_eq!(decode::<String>(TEXT, row), Err(TEXT.unreadable(why)));
        }
    }

    #[test]
    fn the_dictionary_never_changes() {
        let digest: Vec<String> =
            Sha256::digest(DICTIONARY).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest.concat(), "483c47752caf99db", "rows on disk cannot be read with another one");
    }
}
