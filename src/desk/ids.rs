//! The names of things: question codes people read aloud, and ids that make repeats harmless.
//!
//! **Invariant:** every id is derived from the input that caused it. Nothing here is random, so
//! handling the same input twice gives the same ids.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::desk::post::PostId;

/// Letters and digits of codes, without those that look or sound alike (0 and O, 1, I and L, 5 and S,
/// 2 and Z, 8 and B, U and V) and without vowels, so that no code spells a word.
const CODE_LETTERS: &[u8; 15] = b"CDFGHJKMNPQRTWX";
const CODE_DIGITS: &[u8; 5] = b"34679";

/// How many codes of each length are tried before a longer one is taken.
const CODES_PER_LENGTH: usize = 8;

/// The short code of a question, such as `K7Q4`: letters and digits in turn, easy to read aloud.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

impl Code {
    /// Reads a code as people write it: in any case, with a `#` or spaces around it.
    pub fn parse(text: &str) -> Option<Code> {
        let code = text.trim().trim_start_matches('#').to_ascii_uppercase();
        let long_enough = matches!(code.len(), 4 | 6 | 8 | 10 | 12);
        let alternates = code.bytes().enumerate().all(|(at, byte)| {
            if at % 2 == 0 { CODE_LETTERS.contains(&byte) } else { CODE_DIGITS.contains(&byte) }
        });
        (long_enough && alternates).then_some(Code(code))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Codes for the question that this input starts, the shortest first: 5,625 of four signs,
    /// then longer ones. The first one that is free is to be used.
    pub fn candidates(input: &InputId) -> impl Iterator<Item = Code> + '_ {
        (0..CODES_PER_LENGTH * 5).map(|turn| {
            let pairs = 2 + turn / CODES_PER_LENGTH;
            let digest = Sha256::digest(format!("code {turn} {}", input.as_str()));
            let code = digest.chunks(2).take(pairs).flat_map(|pair| {
                let letter = CODE_LETTERS[usize::from(pair[0]) % CODE_LETTERS.len()];
                let digit = CODE_DIGITS[usize::from(pair[1]) % CODE_DIGITS.len()];
                [char::from(letter), char::from(digit)]
            });
            Code(code.collect())
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0
    }
}

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Code, String> {
        Code::parse(&text).ok_or_else(|| "not a question code".to_owned())
    }
}

/// What makes an input the same input when it arrives again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputId(String);

impl InputId {
    /// A post takes effect once, however often its network shows it. The id is a digest, because it
    /// is kept longer than the post, and a post's address can name its author.
    pub fn of_post(post: &PostId) -> InputId {
        let digest = Sha256::digest(post.key());
        InputId(format!("post:{}", hex(&digest, 16)))
    }

    /// A post is overheard once; it may still be put to the desk afterwards.
    pub fn of_overheard(post: &PostId) -> InputId {
        let digest = Sha256::digest(post.key());
        InputId(format!("overheard:{}", hex(&digest, 16)))
    }

    /// Each edit of a post takes effect once.
    pub fn of_edit(post: &PostId, at: Timestamp) -> InputId {
        let digest = Sha256::digest(format!("{} {}", at.as_microsecond(), post.key()));
        InputId(format!("edit:{}", hex(&digest, 16)))
    }

    /// A post is deleted once.
    pub fn of_deletion(post: &PostId) -> InputId {
        let digest = Sha256::digest(post.key());
        InputId(format!("gone:{}", hex(&digest, 16)))
    }

    /// Any other input: `kind` names the kind, `name` the one among its kind.
    pub fn new(kind: &str, name: impl fmt::Display) -> InputId {
        InputId(format!("{kind}:{name}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an outgoing letter: 32 hexadecimal digits, derived from its input and its place among
/// the letters of that input.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterId(String);

impl LetterId {
    /// The id of the letter number `turn` that `input` causes.
    pub fn derive(input: &InputId, turn: usize) -> LetterId {
        let digest = Sha256::digest(format!("letter {turn} {}", input.as_str()));
        LetterId(hex(&digest, 16))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first `bytes` bytes of a digest, in hexadecimal digits.
fn hex(digest: &[u8], bytes: usize) -> String {
    digest.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        for text in ["K7Q4", "k7q4", "#K7Q4", " k7q4 "] {
            assert_eq!(Code::parse(text).map(String::from), Some("K7Q4".into()), "{text}");
        }
        for text in
            ["", "K7Q", "K7Q44", "7KQ4", "KKQQ", "A7Q4", "K0Q1", "K7Q4 more", "Ｋ7Q4", "K7Q4K7Q4K7Q4K7"]
        {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }

    #[test]
    fn codes_and_letters_follow_from_their_input() {
        let input = InputId::new("post", "p1");
        let codes = || Code::candidates(&input).map(String::from).collect::<Vec<_>>();
        assert_eq!(codes(), codes());
        assert_eq!(codes().first().map(String::len), Some(4));
        assert_eq!(codes().last().map(String::len), Some(12));
        assert!(codes().iter().all(|code| Code::parse(code).is_some()));
        assert_ne!(LetterId::derive(&input, 0), LetterId::derive(&input, 1));
        assert_eq!(LetterId::derive(&input, 0), LetterId::derive(&InputId::new("post", "p1"), 0));
    }

    #[test]
    fn promise_7_an_input_id_does_not_name_its_author() {
        let post = PostId::new(crate::desk::post::Network::Bluesky, "at://did:plc:ann/app.bsky.feed.post/1");
        assert!(!InputId::of_post(&post).as_str().contains("ann"));
    }
}
