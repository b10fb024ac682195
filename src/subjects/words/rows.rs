//! Folds plain ASCII and finds where its words begin and end, 64 bytes at a time.
//!
//! Sixteen bytes are compared at once where the processor can; `wide` does the same step by step elsewhere.
//!
//! **Invariant:** a row is read and changed alone; what stands before and behind it is told.

use wide::u8x16;

/// How many bytes are a row: as many as a number has bits, so that each has one.
pub(super) const ROW_BYTES: usize = 64;

/// How many bytes are looked at together.
const SIDE_BY_SIDE: usize = 16;

/// What a row holds: a bit for each byte, the first one lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Letters and digits.
    letters: u64,
    apostrophes: u64,
    /// Whether no byte needs thought: see [`Row::fold`].
    pub(super) is_plain: bool,
}

/// What a row is told of the last byte before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    is_letter: bool,
    pub(super) is_in_word: bool,
}

/// Where words begin in a row, and where the first bytes behind words stand: a bit for each byte, the first
/// one lowest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) starts: u64,
    pub(super) ends: u64,
}

impl Row {
    /// Folds a row of bytes in place. It is plain where each byte stands for itself: an ASCII character
    /// that is a letter or digit, that parts words, or that is an apostrophe.
    pub(super) fn fold(bytes: &mut [u8; ROW_BYTES]) -> Row {
        let mut row = Row::default();
        let mut is_other = u8x16::splat(0);
        let (pieces, _) = bytes.as_chunks_mut::<SIDE_BY_SIDE>();
        for (piece, shift) in pieces.iter_mut().zip((0..).step_by(SIDE_BY_SIDE)) {
            let raw = u8x16::from(*piece);
            let folded = raw | (within(raw, b'A', b'Z') & u8x16::splat(b'a' - b'A'));
            *piece = folded.to_array();
            let letters = within(folded, b'a', b'z') | within(folded, b'0', b'9');
            row.letters |= u64::from(letters.to_bitmask()) << shift;
            row.apostrophes |= u64::from(is(folded, b'\'').to_bitmask()) << shift;
            is_other |= folded | is(folded, b'#') | is(folded, b'@') | is(folded, b'+') | is(folded, b'`');
        }
        // What is not ASCII has the highest bit, as a comparison that holds.
        row.is_plain = !is_other.any();
        row
    }

    /// Where words begin and end, and what the next row is to be told. An apostrophe between letters lies in
    /// their word. `next` is the first byte behind the row.
    pub(super) fn bounds(self, before: Before, next: Option<u8>) -> (Bounds, Before) {
        let is_letter_next = next.is_some_and(|next| next.is_ascii_alphanumeric());
        let letter_before = self.letters << 1 | u64::from(before.is_letter);
        let letter_after = self.letters >> 1 | u64::from(is_letter_next) << (ROW_BYTES - 1);
        let words = self.letters | (self.apostrophes & letter_before & letter_after);
        let word_before = words << 1 | u64::from(before.is_in_word);
        let bounds = Bounds { starts: words & !word_before, ends: word_before & !words };
        let is_last = |bits: u64| bits >> (ROW_BYTES - 1) != 0;
        (bounds, Before { is_letter: is_last(self.letters), is_in_word: is_last(words) })
    }
}

fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let behind = bytes - u8x16::splat(first);
    is_same(behind.min(u8x16::splat(last - first)), behind)
}

fn is(bytes: u8x16, byte: u8) -> u8x16 {
    is_same(bytes, u8x16::splat(byte))
}

fn is_same(one: u8x16, other: u8x16) -> u8x16 {
    one.simd_eq(other)
}
