//! Where each row lies: one byte for its kind, then what it is looked up by.
//!
//! A new key costs sled the more, the farther it lies from other new ones: whatever page it falls into
//! is read, changed and written again. So what is long is numbered and lies in the order in which it
//! was written, and what it is found by lies elsewhere and is short; what is known about one account,
//! or about one post, lies together.
//!
//! Times and numbers are big-endian, so that neighbours in the tree are neighbours in time. Names
//! that people or networks chose are digested to 16 bytes: such keys are short, and no key names
//! anybody.
//!
//! **Invariant:** two different rows never have the same key, and a key never changes its meaning.

use std::str;

use jiff::Timestamp;

use crate::desk::{AccountId, Code, InputId, LetterId, Network, PostId};
use crate::store::rows::Digest;

/// The kinds of rows. The byte is part of the stored format.
pub(super) const QUESTION: u8 = b'q';
/// What steps added to a question, or letters about none: see [`Record`](super::prepare::Record).
pub(super) const RECORD: u8 = b'n';
/// Which numbers belong to a code: see [`FileRow`](super::prepare::FileRow).
pub(super) const FILE: u8 = b'f';
/// What is known about an account: who it is, and the questions it has a part in.
pub(super) const ACCOUNT: u8 = b'p';
/// Those people who are librarians, so that the roster is found without reading everybody.
pub(super) const LIBRARIAN: u8 = b'r';
/// The earliest timer of each question.
pub(super) const TIMER: u8 = b't';
/// Where a letter is to be found, and where it stands.
pub(super) const LETTER: u8 = b'l';
/// Letters by what is to be done with them.
pub(super) const OUTBOX: u8 = b'o';
/// What is known about a post: what it is to the desk, and whether it took effect. Other inputs lie
/// here as well.
pub(super) const POST: u8 = b'k';
pub(super) const CURSOR: u8 = b'c';
/// Pieces of rows that are too long for one value.
const PIECE: u8 = b'z';

/// The row that tells the format.
pub(super) const FORMAT_KEY: &[u8] = b"!format";
/// A row that is there only while an import is under way.
pub(super) const IMPORTING_KEY: &[u8] = b"!importing";

/// Every row but those two lies between these keys.
pub(super) const FIRST_ROW: &[u8] = b"a";
pub(super) const AFTER_ROWS: &[u8] = b"{";

/// What follows the digest in keys of [`ACCOUNT`] and [`POST`].
const PERSON: u8 = b'p';
const INVOLVED: u8 = b'i';
const LINK: u8 = b'l';
const SEEN: u8 = b's';

/// What a row of [`ACCOUNT`] or [`POST`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Person,
    Involved,
    Link,
    Seen,
}

/// What is to be done with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    /// To be sent, or looked for, from a certain time.
    ToDo(Network),
    /// In the hand of a sender.
    InHand(Network),
    /// Refused: to be shown to the coordinators.
    Refused,
}

pub(super) fn question(number: u64, code: &Code) -> Vec<u8> {
    join(QUESTION, &[&number.to_be_bytes(), code.as_str().as_bytes()])
}

pub(super) fn record(number: u64) -> Vec<u8> {
    join(RECORD, &[&number.to_be_bytes()])
}

/// The number in a key of [`QUESTION`] or [`RECORD`].
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    key.get(1..)?.first_chunk().map(|number| u64::from_be_bytes(*number))
}

pub(super) fn file(code: &Code) -> Vec<u8> {
    join(FILE, &[code.as_str().as_bytes()])
}

/// The code in a key of [`FILE`].
pub(super) fn code_of_file(key: &[u8]) -> Option<Code> {
    Code::parse(str::from_utf8(key.get(1..)?).ok()?)
}

pub(super) fn person(account: &AccountId) -> Vec<u8> {
    join(ACCOUNT, &[&Digest::of(&account.key()).0, &[PERSON]])
}

pub(super) fn librarian(account: &AccountId) -> Vec<u8> {
    join(LIBRARIAN, &[&Digest::of(&account.key()).0])
}

/// The person's key that belongs to a key of [`LIBRARIAN`].
pub(super) fn person_of_librarian(key: &[u8]) -> Vec<u8> {
    join(ACCOUNT, &[key.get(1..).unwrap_or_default(), &[PERSON]])
}

/// All rows of an account's involvement begin like this; the code follows.
pub(super) fn involved_of(account: &AccountId) -> Vec<u8> {
    join(ACCOUNT, &[&Digest::of(&account.key()).0, &[INVOLVED]])
}

pub(super) fn involved(account: &AccountId, code: &Code) -> Vec<u8> {
    join(ACCOUNT, &[&Digest::of(&account.key()).0, &[INVOLVED], code.as_str().as_bytes()])
}

/// What the row with this key of [`ACCOUNT`] or [`POST`] is.
pub(super) fn about(key: &[u8]) -> Option<About> {
    match (key.first()?, key.get(1 + DIGEST_BYTES)?) {
        (&ACCOUNT, &PERSON) => Some(About::Person),
        (&ACCOUNT, &INVOLVED) => Some(About::Involved),
        (&POST, &LINK) => Some(About::Link),
        (&POST, &SEEN) => Some(About::Seen),
        _ => None,
    }
}

pub(super) fn timer(at: Timestamp, code: &Code) -> Vec<u8> {
    join(TIMER, &[&time(at), code.as_str().as_bytes()])
}

/// The code at the end of a key of [`TIMER`].
pub(super) fn code_of_timer(key: &[u8]) -> Option<Code> {
    Code::parse(str::from_utf8(key.get(1 + TIME_BYTES..)?).ok()?)
}

/// The key behind all timers up to this time.
pub(super) fn timers_until(now: Timestamp) -> Vec<u8> {
    after_prefix(&join(TIMER, &[&time(now)]))
}

pub(super) fn letter(id: &LetterId) -> Vec<u8> {
    join(LETTER, &[&letter_name(id)])
}

/// The letter's key that belongs to a key of [`OUTBOX`].
pub(super) fn letter_of_outbox(shelf: Shelf, key: &[u8]) -> Vec<u8> {
    let before_name = outbox_of(shelf).len() + TIME_BYTES + TURN_BYTES;
    join(LETTER, &[key.get(before_name..).unwrap_or_default()])
}

/// All letters on a shelf begin like this; time, turn and name follow.
pub(super) fn outbox_of(shelf: Shelf) -> Vec<u8> {
    match shelf {
        Shelf::ToDo(network) => vec![OUTBOX, b'w', network_byte(network)],
        Shelf::InHand(network) => vec![OUTBOX, b'c', network_byte(network)],
        Shelf::Refused => vec![OUTBOX, b'r'],
    }
}

pub(super) fn outbox(shelf: Shelf, at: Timestamp, turn: u32, id: &LetterId) -> Vec<u8> {
    let mut key = outbox_of(shelf);
    key.extend_from_slice(&time(at));
    key.extend_from_slice(&turn.to_be_bytes());
    key.extend_from_slice(&letter_name(id));
    key
}

/// The key behind all letters on a shelf up to this time.
pub(super) fn outbox_until(shelf: Shelf, now: Timestamp) -> Vec<u8> {
    let mut key = outbox_of(shelf);
    key.extend_from_slice(&time(now));
    after_prefix(&key)
}

pub(super) fn link(post: &PostId) -> Vec<u8> {
    join(POST, &[&Digest::of(&post.key()).0, &[LINK]])
}

pub(super) fn seen(input: &InputId) -> Vec<u8> {
    join(POST, &[&Digest::of_input(input).0, &[SEEN]])
}

pub(super) fn cursor(network: Network) -> Vec<u8> {
    vec![CURSOR, network_byte(network)]
}

/// A piece of the row with this key. No row has so many pieces that a number could be mistaken for
/// the letters of a longer code.
pub(super) fn piece(key: &[u8], number: usize) -> Vec<u8> {
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    join(PIECE, &[key, &number.to_be_bytes()])
}

/// The first key behind all those that begin like this.
pub(super) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            break;
        }
    }
    after
}

const DIGEST_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
const TURN_BYTES: usize = 4;

/// Microseconds since 1970 with the sign turned round, so that earlier times come first.
fn time(at: Timestamp) -> [u8; TIME_BYTES] {
    at.as_microsecond().wrapping_sub(i64::MIN).cast_unsigned().to_be_bytes()
}

/// The 16 bytes that a letter's 32 hexadecimal digits stand for. An id of another form gets a name
/// of another length.
fn letter_name(id: &LetterId) -> Vec<u8> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = id.as_str().as_bytes().as_chunks::<2>();
    let name: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    match name {
        Some(name) if name.len() == 16 && rest.is_empty() => name,
        Some(_) | None => [&Digest::of(id.as_str()).0[..], b"x"].concat(),
    }
}

/// Part of the stored format.
fn network_byte(network: Network) -> u8 {
    match network {
        Network::Sandbox => b's',
        Network::Bluesky => b'b',
        Network::X => b'x',
        Network::Mastodon => b'm',
    }
}

fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}
