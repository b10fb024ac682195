//! Cuts a text into the words that terms are compared with: whole words, folded, each with its place
//! in the original.
//!
//! A folded word is in Unicode's compatibility form, without case, accents and invisible characters,
//! and with one kind of apostrophe. Hashtags are cut where their capitals, underscores and digits
//! say so (`#FamilyHistory` is two words) and are also kept whole. `@handles` are no words: the name
//! of an account is no evidence of what somebody asks. In scripts that write without spaces each
//! character is a word, so that terms are found as phrases of characters.
//!
//! **Invariant:** every offset lies at a boundary of characters of the original text, and nothing is
//! allocated for a word that only holds ASCII.

mod rows;

use std::num::NonZero;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::subjects::words::rows::{Before, Bounds, ROW_BYTES, Row};

/// How much of a text is read, in bytes. The longest posts of the networks the desk speaks hold some
/// 25,000 characters; what stands beyond this is not read.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Longer words, in bytes, are no words of any language, and are passed over.
const WORD_BYTES_MAX: usize = 128;

/// A word and its place: byte offsets into the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    start: u32,
    end: u32,
    /// Its place among the folded words.
    folded: (u32, u32),
    /// `None` for a word that is too long for one.
    pub(super) key: Option<Key>,
}

impl Word {
    /// A word that stands among the folded ones where it stands in the text.
    fn at(start: u32, end: u32) -> Word {
        Word { start, end, folded: (start, end), key: None }
    }

    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    pub(super) fn end(&self) -> usize {
        self.end as usize
    }
}

/// A folded word of at most this many bytes has a key.
const KEY_BYTES: usize = 16;

/// A short folded word as a number, which is compared faster than a text. No two words share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(NonZero<u128>);

/// The key of the folded word at a place, behind which as many bytes stand as a key has.
fn key(folded: &[u8], (start, end): (u32, u32)) -> Option<Key> {
    let bytes = folded.get(start as usize..)?.first_chunk::<KEY_BYTES>()?;
    let kept = KEPT.get((end - start) as usize)?;
    NonZero::new(u128::from_le_bytes(*bytes) & kept).map(Key)
}

/// The bits of a key that a word of so many bytes fills.
const KEPT: [u128; KEY_BYTES + 1] = {
    let mut kept = [0; KEY_BYTES + 1];
    let mut length = 1;
    while length <= KEY_BYTES {
        kept[length] = kept[length - 1] << 8 | 0xff;
        length += 1;
    }
    kept
};

/// Stands behind the folded words, so that all lie in whole rows, and so that each has as many bytes behind
/// its beginning as a key.
const BEHIND: [u8; ROW_BYTES + KEY_BYTES] = [0; ROW_BYTES + KEY_BYTES];

/// A hashtag and its place: byte offsets into the text, the `#` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) start: usize,
    pub(super) end: usize,
    folded: (u32, u32),
    /// Whether it is one word, which then also stands among the words.
    pub(super) is_one_word: bool,
}

/// The words of one text. Meant to be filled again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    folded: Vec<u8>,
    words: Vec<Word>,
    tags: Vec<Tag>,
    is_plain: bool,
}

impl Words {
    pub(super) fn of(text: &str) -> Words {
        let mut words = Words::default();
        words.read(text);
        words
    }

    /// Forgets what was read before, and reads `text`.
    pub(super) fn read(&mut self, text: &str) {
        self.folded.clear();
        self.words.clear();
        self.tags.clear();
        let text = readable(text);
        self.is_plain = self.read_plain(text);
        if !self.is_plain {
            self.folded.clear();
            self.words.clear();
            self.read_any(text);
            self.folded.extend_from_slice(&BEHIND);
        }
        for word in &mut self.words {
            word.key = key(&self.folded, word.folded);
        }
    }

    /// Whether the text has only ASCII letters and signs between words.
    pub(super) fn are_plain(&self) -> bool {
        self.is_plain
    }

    /// Reads a text without any sign that needs thought, as most questions are: what
    /// [`read_any`](Words::read_any) does, several times faster. Where there is such a sign, it is `false`,
    /// and what was read so far is void.
    fn read_plain(&mut self, text: &str) -> bool {
        self.folded.extend_from_slice(text.as_bytes());
        self.folded.extend_from_slice(&BEHIND);
        let (rows, _) = self.folded.as_chunks_mut::<ROW_BYTES>();
        // The last word ends where something stands behind it.
        let rows = rows.iter_mut().take(text.len() / ROW_BYTES + 1);
        let mut before = Before::default();
        // Where the word begins that goes over the end of a row.
        let mut open = 0;
        for (row, at) in rows.zip((0..).step_by(ROW_BYTES)) {
            let row = Row::fold(row);
            if !row.is_plain {
                return false;
            }
            let next = text.as_bytes().get(at as usize + ROW_BYTES).copied();
            let (Bounds { mut starts, mut ends }, after) = row.bounds(before, next);
            if before.is_in_word && ends != 0 {
                self.words.push(Word::at(open, at + ends.trailing_zeros()));
                ends &= ends - 1;
            }
            while ends != 0 {
                self.words.push(Word::at(at + starts.trailing_zeros(), at + ends.trailing_zeros()));
                starts &= starts - 1;
                ends &= ends - 1;
            }
            if starts != 0 {
                open = at + starts.trailing_zeros();
            }
            before = after;
        }
        if WORD_BYTES_MAX < text.len() {
            self.words.retain(|word| word.end() - word.start() <= WORD_BYTES_MAX);
        }
        true
    }

    fn read_any(&mut self, text: &str) {
        let mut at = 0;
        let mut before = Kind::Other;
        while let Some(c) = char_at(text, at) {
            let kind = Kind::of(c);
            let end = match kind {
                Kind::Letter => self.read_word(text, at),
                Kind::WholeWord => self.read_character(text, at),
                Kind::Hash if before != Kind::Letter => self.read_tag(text, at),
                Kind::At if before != Kind::Letter => handle_end(text, at),
                Kind::Hash | Kind::At | Kind::Mark | Kind::Invisible | Kind::Apostrophe | Kind::Other => {
                    at + c.len_utf8()
                }
            };
            // What is invisible does not part a word from the sign that follows it.
            before = if kind == Kind::Invisible { before } else { kind };
            at = end;
        }
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }

    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    pub(super) fn folded(&self, word: &Word) -> &str {
        self.text(word.folded)
    }

    /// The hashtag as a key: folded, without `#` and underscores.
    pub(super) fn tag_key(&self, tag: &Tag) -> &str {
        self.text(tag.folded)
    }

    fn text(&self, (start, end): (u32, u32)) -> &str {
        let bytes = self.folded.get(start as usize..end as usize).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    fn read_word(&mut self, text: &str, start: usize) -> usize {
        let mut end = start + plain_letters(text, start);
        let mut at = end;
        while let Some(c) = char_at(text, at) {
            let next = at + c.len_utf8();
            match Kind::of(c) {
                Kind::Letter | Kind::Mark => end = next,
                Kind::Invisible => {}
                Kind::Apostrophe if letter_follows(text, next) => {}
                Kind::WholeWord | Kind::Apostrophe | Kind::Hash | Kind::At | Kind::Other => break,
            }
            at = next;
        }
        let end = end + sharp_or_plus(text, start, end);
        self.push(text, start, end);
        end
    }

    fn read_character(&mut self, text: &str, start: usize) -> usize {
        let mut end = start + char_at(text, start).map_or(1, char::len_utf8);
        while let Some(c) = char_at(text, end).filter(|c| Kind::of(*c) == Kind::Mark) {
            end += c.len_utf8();
        }
        self.push(text, start, end);
        end
    }

    fn read_tag(&mut self, text: &str, start: usize) -> usize {
        let first = start + char_at(text, start).map_or(1, char::len_utf8);
        let end = tag_end(text, first);
        let name = text.get(first..end).unwrap_or_default();
        // `#1` is a number; a tag has a letter.
        if !name.chars().any(char::is_alphabetic) {
            return first;
        }
        let words_before = self.words.len();
        self.read_tag_words(text, first, end);
        let folded = self.fold(name);
        let is_one_word = self.words.len() == words_before + 1;
        self.tags.push(Tag { start, end, folded, is_one_word });
        end
    }

    fn read_tag_words(&mut self, text: &str, first: usize, end: usize) {
        let name = text.get(first..end).unwrap_or_default();
        let mut start = first;
        let mut before: Option<char> = None;
        let mut chars = name.char_indices().filter(|(_, c)| Kind::of(*c) != Kind::Invisible).peekable();
        while let Some((offset, c)) = chars.next() {
            let after = chars.peek().map(|(_, c)| *c);
            if before.is_some_and(|before| parts(before, c, after)) {
                self.push_tag_word(text, start, first + offset);
                start = first + offset;
            }
            before = Some(c);
        }
        self.push_tag_word(text, start, end);
    }

    fn push_tag_word(&mut self, text: &str, start: usize, end: usize) {
        let piece = text.get(start..end).unwrap_or_default();
        let word = piece.trim_matches(|c| matches!(Kind::of(c), Kind::Other | Kind::Invisible));
        let start = start + piece.find(word).unwrap_or_default();
        if !word.is_empty() {
            self.push(text, start, start + word.len());
        }
    }

    fn push(&mut self, text: &str, start: usize, end: usize) {
        let word = text.get(start..end).unwrap_or_default();
        if word.len() > WORD_BYTES_MAX {
            return;
        }
        let folded = self.fold(word);
        self.words.push(Word { start: offset(start), end: offset(end), folded, key: None });
    }

    fn fold(&mut self, word: &str) -> (u32, u32) {
        let start = self.folded.len();
        fold_into(&mut self.folded, word);
        (offset(start), offset(self.folded.len()))
    }
}

/// A name or tag in the form in which it is compared: folded, one space between words.
pub(super) fn fold_phrase(text: &str) -> String {
    let words = Words::of(text);
    let folded: Vec<&str> = words.words().iter().map(|word| words.folded(word)).collect();
    folded.join(" ")
}

/// A hashtag as a key, given without its `#`: folded, without underscores.
pub(super) fn fold_tag(name: &str) -> String {
    let mut key = Vec::new();
    fold_into(&mut key, name);
    String::from_utf8(key).unwrap_or_default()
}

/// Far more of a text than is read can be counted so.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What a character is to the cutting of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A letter or digit.
    Letter,
    /// A letter of a script without spaces between words.
    WholeWord,
    /// An accent or other sign on the character before it.
    Mark,
    /// A character without width: joiners, marks of direction, variation selectors, soft hyphens.
    Invisible,
    Apostrophe,
    Hash,
    At,
    /// What stands between words.
    Other,
}

impl Kind {
    fn of(c: char) -> Kind {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Kind::Letter,
            '\'' | '`' | '´' | '‘' | '’' | 'ʻ' | 'ʼ' | '′' | '＇' => Kind::Apostrophe,
            '#' | '＃' => Kind::Hash,
            '@' | '＠' => Kind::At,
            // Beside ASCII, the dashes, quotation marks and dots that keyboards put in.
            '\0'..='\x7f' | '\u{2010}'..='\u{2017}' | '\u{201a}'..='\u{2027}' => Kind::Other,
            _ if is_invisible(c) => Kind::Invisible,
            _ if is_combining_mark(c) => Kind::Mark,
            _ if is_of_script_without_spaces(c) => Kind::WholeWord,
            _ if c.is_alphanumeric() => Kind::Letter,
            _ => Kind::Other,
        }
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Thai, Lao, Burmese and Khmer, kana, and Chinese characters.
fn is_of_script_without_spaces(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3005}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphabetic()
}

/// The signs that people leave out or cannot type: accents of Latin, Greek and Cyrillic letters, the
/// vowel points of Hebrew and Arabic. Signs of other scripts are parts of words.
fn is_left_out(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

/// Letters that Unicode does not take apart although people write them without their stroke.
fn without_stroke(c: char) -> char {
    match c {
        'ø' => 'o',
        'ł' => 'l',
        'đ' | 'ð' => 'd',
        'ı' => 'i',
        'ħ' => 'h',
        other => other,
    }
}

fn fold_into(folded: &mut Vec<u8>, word: &str) {
    if word.bytes().all(|byte| byte.is_ascii() && !matches!(byte, b'_' | b'`')) {
        let start = folded.len();
        folded.extend_from_slice(word.as_bytes());
        folded.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
        return;
    }
    let mut push = |c: char| folded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    let characters = word.nfkd().filter(|c| !is_left_out(*c) && !is_invisible(*c) && *c != '_');
    for c in characters.default_case_fold().nfkc() {
        match c {
            'æ' => "ae".chars().for_each(&mut push),
            'œ' => "oe".chars().for_each(&mut push),
            c if Kind::of(c) == Kind::Apostrophe => push('\''),
            c => push(without_stroke(c)),
        }
    }
}

/// The part of a text that is read. It ends between words.
fn readable(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let head = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    let end = head.rfind(|c| Kind::of(c) == Kind::Other).unwrap_or_default();
    head.get(..end).unwrap_or_default()
}

fn char_at(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

/// How many letters and digits of ASCII follow.
fn plain_letters(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()
}

fn letter_follows(text: &str, at: usize) -> bool {
    let mut rest = text.get(at..).unwrap_or_default().chars();
    rest.find(|c| Kind::of(*c) != Kind::Invisible).is_some_and(|c| Kind::of(c) == Kind::Letter)
}

/// How many bytes after a word of one letter belong to it: `c++`, `C#`, `F#`.
fn sharp_or_plus(text: &str, start: usize, end: usize) -> usize {
    if end != start + 1 {
        return 0;
    }
    let after = text.get(end..).unwrap_or_default();
    let length = if after.starts_with("++") { 2 } else { usize::from(after.starts_with('#')) };
    if letter_follows(text, end + length) { 0 } else { length }
}

fn tag_end(text: &str, first: usize) -> usize {
    let mut end = first;
    let mut at = first;
    while let Some(c) = char_at(text, at) {
        at += c.len_utf8();
        match Kind::of(c) {
            Kind::Letter | Kind::WholeWord | Kind::Mark => end = at,
            Kind::Other if c == '_' => end = at,
            Kind::Invisible => {}
            Kind::Apostrophe | Kind::Hash | Kind::At | Kind::Other => break,
        }
    }
    end
}

/// Whether a word of a hashtag ends between `before` and `c`.
fn parts(before: char, c: char, after: Option<char>) -> bool {
    if c == '_' || before == '_' {
        return true;
    }
    let is_sign = |c: char| Kind::of(c) == Kind::Mark;
    if is_sign(c) || is_sign(before) {
        return c.is_uppercase() && before.is_lowercase();
    }
    let by_capital = c.is_uppercase() && before.is_lowercase();
    let by_digit = c.is_numeric() != before.is_numeric();
    // The last capital of a row begins the next word: `HTMLParser` is `HTML` and `Parser`.
    let by_row = before.is_uppercase() && c.is_uppercase() && after.is_some_and(char::is_lowercase);
    let by_script = Kind::of(c) == Kind::WholeWord || Kind::of(before) == Kind::WholeWord;
    by_capital || by_digit || by_row || by_script
}

/// Where an `@handle`, with the name of its server, ends.
fn handle_end(text: &str, start: usize) -> usize {
    let mut at = start + char_at(text, start).map_or(1, char::len_utf8);
    let mut end = at;
    while let Some(c) = char_at(text, at) {
        at += c.len_utf8();
        match Kind::of(c) {
            Kind::Letter | Kind::WholeWord | Kind::Mark | Kind::Invisible => end = at,
            Kind::Other if c == '_' => end = at,
            Kind::Other if matches!(c, '.' | '-') && letter_follows(text, at) => {}
            Kind::At if letter_follows(text, at) => {}
            Kind::Apostrophe | Kind::Hash | Kind::At | Kind::Other => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: &str) {
        let words = Words::of(text);
        let shown: Vec<&str> = words.words().iter().map(|word| words.folded(word)).collect();
        assert_eq!(shown.join(" "), expected, "{name}");
        for word in words.words() {
            assert!(text.get(word.start()..word.end()).is_some(), "{name}: offsets lie between characters");
        }
    }

    #[test]
    fn texts_are_cut_into_folded_words() {
        check("plain", "When did the Ottoman Empire fall?", "when did the ottoman empire fall");
        check("punctuation parts words", "world-war, (II)/two", "world war ii two");
        check("underscores part words", "family_history", "family history");
        check("an apostrophe stays inside", "don’t O'Brien’s cats'", "don't o'brien's cats");
        check("quotes are no apostrophes", "'history'", "history");
        check("accents", "Café ÜBER naïve Ångström", "cafe uber naive angstrom");
        check("accents of their own", "cafe\u{301}", "cafe");
        check("letters with strokes", "Smørrebrød Łódź cœur", "smorrebrod lodz coeur");
        check("sharp s", "Straße", "strasse");
        check("ligatures and wide letters", "ﬁnance Ａｒｔ", "finance art");
        check("letters of mathematics used as ornament", "𝐇𝐢𝐬𝐭𝐨𝐫𝐲", "history");
        check("invisible characters", "his\u{200b}tory\u{200d} art\u{ad}ist", "history artist");
        check("emoji stand between words", "art🎨history ❤️", "art history");
        check(
            "hashtags are cut",
            "#FamilyHistory #world_war #HTMLParser #ww2",
            "family history world war html parser ww 2",
        );
        check("a hashtag after a letter is none", "C# a#b", "c# a b");
        check("signs of programming", "C++, F#", "c++ f#");
        check("handles are no words", "@history@lib.example.org hello, @art", "hello");
        check("addresses are words", "a@history.org", "a history org");
        check("numbers", "#1 in 1066", "1 in 1066");
        check("Hebrew with points", "שָׁלוֹם", "שלום");
        check("Arabic between marks of direction", "\u{202b}تاريخ\u{202c}", "تاريخ");
        check("Hindi keeps its vowels", "इतिहास", "इतिहास");
        check("Chinese characters are words", "歷史 book", "歷 史 book");
        check("nothing", "", "");
        check("only signs", "?!… 🎨 @ # '", "");
    }

    proptest::proptest! {
        /// Long enough for words that lie in several rows.
        #[test]
        fn plain_texts_are_read_as_any_other(text in "[a-zA-Z0-9'\\-_ .,;?!\"/\u{0}\u{7f}\n]{0,200}|[a-z' ]{0,400}") {
            let (mut plain, mut any) = (Words::default(), Words::default());
            proptest::prop_assert!(plain.read_plain(&text));
            any.read_any(&text);
            let show = |words: &Words| -> Vec<(usize, usize, String)> {
                let show = |word: &Word| (word.start(), word.end(), words.folded(word).to_owned());
                words.words().iter().map(show).collect()
            };
            proptest::prop_assert_eq!(show(&plain), show(&any));
        }

        /// Such a sign is seen in each place of a row.
        #[test]
        fn a_text_with_a_sign_that_needs_thought_is_not_plain(
            (before, sign, after) in ("[ -~&&[^#@+`]]{0,130}", "[#@+`é–😀]", "[ -~&&[^#@+`]]{0,70}")
        ) {
            let is_plain = |parts: &[&str]| Words::of(&parts.concat()).are_plain();
            proptest::prop_assert!(is_plain(&[&before, &after]));
            proptest::prop_assert!(!is_plain(&[&before, &sign, &after]));
        }

        #[test]
        fn keys_are_as_different_as_words(text in "[a-cé']{0,18} [a-cé']{0,18}") {
            let words = Words::of(&text);
            for (one, other) in words.words().iter().zip(words.words().iter().skip(1)) {
                let (key, other_key) = (one.key, other.key);
                proptest::prop_assert_eq!(key.is_some(), words.folded(one).len() <= KEY_BYTES);
                let same_key = key.is_some() && key == other_key;
                let same_word = words.folded(one) == words.folded(other);
                proptest::prop_assert_eq!(same_key, same_word && key.is_some());
            }
        }
    }

    #[test]
    fn hashtags_are_also_kept_whole() {
        let text = "#FamilyHistory and ＃world_war";
        let words = Words::of(text);
        let keys: Vec<&str> = words.tags().iter().map(|tag| words.tag_key(tag)).collect();
        assert_eq!(keys, ["familyhistory", "worldwar"]);
        let places: Vec<&str> = words.tags().iter().map(|tag| &text[tag.start..tag.end]).collect();
        assert_eq!(places, ["#FamilyHistory", "＃world_war"]);
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let text = format!("{} history", "x ".repeat(TEXT_BYTES_MAX / 2));
        let words = Words::of(&text);
        assert!(words.words().iter().all(|word| words.folded(word) == "x"));

        let cut_inside_a_word = format!("{}history", " ".repeat(TEXT_BYTES_MAX - 4));
        assert_eq!(Words::of(&cut_inside_a_word).words(), []);

        let one_word = format!("{} art", "a".repeat(WORD_BYTES_MAX + 1));
        check("an endless word", &one_word, "art");
    }
}
