//! Handles on the sandbox, and where a text mentions them.
//!
//! **Invariant:** a [`Handle`] is always folded to lower case and well formed, so two handles are the
//! same person exactly when they are equal.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The longest handle, in bytes, which are all ASCII.
pub const HANDLE_LENGTH_MAX: usize = 30;

/// How many different handles one post can mention. Further ones are plain text.
pub const MENTIONS_MAX: usize = 500;

/// Handles that end like this are bots, so that loops can be tried.
const BOT_ENDING: &str = ".bot";

/// The name of somebody on the sandbox, without the `@`: `a-z`, `0-9`, `_`, `.` and `-`, where the
/// first and the last sign are neither `.` nor `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Handle(String);

impl Handle {
    /// Reads a handle as people write it: in any case, with or without the `@`.
    pub fn parse(text: &str) -> Option<Handle> {
        let handle = text.trim();
        let handle = handle.strip_prefix('@').unwrap_or(handle).to_ascii_lowercase();
        let well_formed = handle.chars().all(is_handle_sign)
            && !handle.starts_with(['.', '-'])
            && !handle.ends_with(['.', '-']);
        (well_formed && (1..=HANDLE_LENGTH_MAX).contains(&handle.len())).then_some(Handle(handle))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether whoever has this handle says that they are a program.
    pub fn is_bot(&self) -> bool {
        self.0.ends_with(BOT_ENDING)
    }
}

// A handle names a person, so it is kept out of logs like the accounts of other networks.
impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[handle]")
    }
}

impl From<Handle> for String {
    fn from(handle: Handle) -> String {
        handle.0
    }
}

impl TryFrom<String> for Handle {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Handle, &'static str> {
        Handle::parse(&text).ok_or("not a handle")
    }
}

/// A handle that a text mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mentioned {
    /// Byte offsets into the text: the `@` and the end of the handle.
    pub at: Range<usize>,
    pub handle: Handle,
}

/// Every mention in a text, in its order: an `@` that begins a word, and the handle up to the end of
/// that word. `ann@desk.example`, `@desk@elsewhere` and `@deské` do not mention the desk.
///
/// Direction marks, which right-to-left keyboards and text fields put in, are allowed between the `@`
/// and the handle. An invisible space is not: that is how an `@` is written that must not notify.
pub fn mentions(text: &str) -> Vec<Mentioned> {
    let mut found = Vec::new();
    let mut different = BTreeSet::new();
    for (at, _) in text.match_indices('@') {
        let (before, rest) = text.split_at(at);
        if before.chars().next_back().is_some_and(continues_word) {
            continue;
        }
        let Some((handle, length)) = handle_after_at(rest) else { continue };
        if different.len() == MENTIONS_MAX && !different.contains(&handle) {
            continue;
        }
        different.insert(handle.clone());
        found.push(Mentioned { at: at..at + length, handle });
    }
    found
}

/// The text without mentions of `handle` in front and at the end, where they address a post rather
/// than say something. A mention inside a sentence stays.
pub fn without_address(text: &str, handle: &Handle) -> String {
    let mentions = mentions(text);
    let blank = |range: Range<usize>| text.get(range).is_some_and(|between| between.chars().all(is_blank));
    let (mut start, mut end) = (0, text.len());
    let mut kept = Vec::new();
    // In front stands a run of mentions with nothing but space between them.
    for mentioned in &mentions {
        if !blank(start..mentioned.at.start) {
            break;
        }
        start = mentioned.at.end;
        if mentioned.handle != *handle {
            kept.extend(text.get(mentioned.at.clone()));
        } else if kept.is_empty() && text.get(start..).is_some_and(|rest| rest.starts_with([',', ':'])) {
            start += 1;
        }
    }
    for mentioned in mentions.iter().rev() {
        let stands_last = start <= mentioned.at.start && blank(mentioned.at.end..end);
        if mentioned.handle != *handle || !stands_last {
            break;
        }
        end = mentioned.at.start;
    }
    kept.push(text.get(start..end).unwrap_or_default().trim_matches(is_blank));
    kept.join(" ").trim_matches(is_blank).to_owned()
}

/// Whether a text says nothing that can be seen.
pub fn is_blank_text(text: &str) -> bool {
    text.chars().all(is_blank)
}

/// The handle after an `@`, and how many bytes the mention has with the `@`.
fn handle_after_at(rest: &str) -> Option<(Handle, usize)> {
    let name = rest.strip_prefix('@')?.trim_start_matches(is_direction_mark);
    let end = name.find(|sign| !is_handle_sign(sign)).unwrap_or(name.len());
    let (word, after) = name.split_at_checked(end)?;
    if after.chars().next().is_some_and(|next| next == '@' || next.is_alphanumeric()) {
        return None;
    }
    // A full stop after a handle ends the sentence.
    let word = word.trim_end_matches(['.', '-']);
    let length = rest.len() - name.len() + word.len();
    Some((Handle::parse(word)?, length))
}

fn is_handle_sign(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-')
}

/// Whether an `@` after this sign stands inside a word, as in an e-mail address.
fn continues_word(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '@' | '/')
}

/// Space of any kind, and signs that have no width.
fn is_blank(sign: char) -> bool {
    sign.is_whitespace()
        || sign.is_control()
        || is_direction_mark(sign)
        || matches!(sign, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

/// Marks that only tell the direction of writing.
fn is_direction_mark(sign: char) -> bool {
    matches!(sign, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_a_whole_word() {
        let rows: &[(&str, &str, &[&str])] = &[
            ("in front", "@desk who was Ada?", &["desk"]),
            ("in any case", "@DesK who?", &["desk"]),
            ("at the end of a sentence", "ask @desk.", &["desk"]),
            ("before a bracket", "(@desk)", &["desk"]),
            ("several, in order", "@ann and @ben.bot, @ann", &["ann", "ben.bot", "ann"]),
            ("a longer name", "@desktop who?", &["desktop"]),
            ("an e-mail address", "write to ann@desk.example", &[]),
            ("an account elsewhere", "@desk@elsewhere.example", &[]),
            ("a letter that no handle has", "@deské", &[]),
            ("an address of a page", "https://example.org/@desk", &[]),
            ("right-to-left marks around", "\u{200f}@desk\u{200f} מי", &["desk"]),
            ("a mark between", "@\u{2068}desk\u{2069} who", &["desk"]),
            ("a zero-width space before", "\u{200b}@desk who", &["desk"]),
            ("an `@` made harmless", "@\u{200b}desk who", &[]),
            ("too long", "@abcdefghijklmnopqrstuvwxyzabcde", &[]),
            ("only an `@`", "@ @. @- @@", &[]),
            ("nothing", "", &[]),
        ];
        for (name, text, wanted) in rows {
            let found = mentions(text);
            let handles: Vec<_> = found.iter().map(|mentioned| mentioned.handle.as_str()).collect();
            assert_eq!(handles, *wanted, "{name}");
            for mentioned in found {
                let word = text.get(mentioned.at).unwrap();
                assert!(word.starts_with('@') && !word.ends_with('.'), "{name}: {word}");
            }
        }
    }

    #[test]
    fn the_address_is_cut_off() {
        let rows = [
            ("in front", "@desk who was Ada?", "who was Ada?"),
            ("with a comma", "@desk, who was Ada?", "who was Ada?"),
            ("twice", "@desk @desk who?", "who?"),
            ("others stay", "@ann @desk who?", "@ann who?"),
            ("at the end", "Who was Ada? @desk", "Who was Ada?"),
            ("inside a sentence it stays", "I asked @desk yesterday", "I asked @desk yesterday"),
            ("with marks", "\u{200f}@desk\u{200f} \u{200b}מי", "מי"),
            ("nothing else", " @desk ", ""),
            ("somebody else's", "@ann who?", "@ann who?"),
            ("both ends", "@desk who? @desk @desk", "who?"),
            ("before a question mark it stays", "Who was Ada, @desk?", "Who was Ada, @desk?"),
            ("no mention", "who was Ada?", "who was Ada?"),
        ];
        let desk = Handle::parse("desk").unwrap();
        for (name, text, wanted) in rows {
            assert_eq!(without_address(text, &desk), wanted, "{name}");
        }
    }

    #[test]
    fn handles_are_folded_and_checked() {
        let rows = [
            ("ann", Some("ann")),
            (" @Ann ", Some("ann")),
            ("ann.b-c_9", Some("ann.b-c_9")),
            ("x", Some("x")),
            ("", None),
            ("@", None),
            (".ann", None),
            ("ann-", None),
            ("änn", None),
            ("a b", None),
            ("a\u{200b}b", None),
            ("<b>", None),
            ("abcdefghijklmnopqrstuvwxyzabcd", Some("abcdefghijklmnopqrstuvwxyzabcd")),
            ("abcdefghijklmnopqrstuvwxyzabcde", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(Handle::parse(text).as_ref().map(Handle::as_str), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_handle_never_reaches_a_log() {
        assert_eq!(format!("{:?}", Handle::parse("ann").unwrap()), "[handle]");
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "(@|desk|[a-z.]| |\u{200f}|\u{200b}|é|,|\\PC){0,40}") {
            let desk = Handle::parse("desk").unwrap();
            let short = without_address(&text, &desk);
            proptest::prop_assert!(short.len() <= text.len() + 1);
            for mentioned in mentions(&text) {
                proptest::prop_assert!(text.get(mentioned.at).is_some());
            }
        }
    }
}
