//! The text in the making: words as they come, and the white space between them.
//!
//! **Invariant:** it never ends in white space, and is never much longer than [`TEXT_BYTES_MAX`].

use crate::networks::mastodon::html::Plain;

/// The longest text that comes out, in bytes. No server of this kind takes posts as long.
pub(super) const TEXT_BYTES_MAX: usize = 100_000;

/// The text in the making. Spaces and line ends wait until a word follows them.
#[derive(Debug, Default)]
pub(super) struct Out {
    text: String,
    /// A space is due before the next word.
    space: bool,
    /// So many line ends are due before the next word.
    lines: usize,
    /// The next word begins an item of a list.
    item: bool,
    /// Where the mentions end that come before any other word, and whether any other word has come.
    addressed: Option<usize>,
    past_address: bool,
}

impl Out {
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= TEXT_BYTES_MAX
    }

    pub(super) fn line(&mut self) {
        self.lines = (self.lines + 1).min(2);
    }

    pub(super) fn new_line(&mut self) {
        self.lines = self.lines.max(1);
    }

    /// The next word begins an item of a list, on a line of its own.
    pub(super) fn new_item(&mut self) {
        self.new_line();
        self.item = true;
    }

    pub(super) fn paragraph(&mut self) {
        self.lines = 2;
    }

    /// Running text: white space of any kind and length is one space.
    pub(super) fn words(&mut self, text: &str) {
        for sign in text.chars() {
            if sign.is_whitespace() {
                self.space = true;
            } else if !is_unseen(sign) {
                self.past_address = true;
                self.push(sign);
            }
        }
    }

    /// Preformatted text: line ends are kept.
    pub(super) fn lines(&mut self, text: &str) {
        for sign in text.chars() {
            match sign {
                '\n' => self.lines = (self.lines + 1).min(2),
                _ => self.words(sign.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// A word that is written as it is.
    pub(super) fn word(&mut self, word: &str) {
        self.past_address = true;
        word.chars()
            .filter(|sign| !sign.is_whitespace() && !is_unseen(*sign))
            .for_each(|sign| self.push(sign));
    }

    pub(super) fn mention(&mut self, handle: &str) {
        self.before_word();
        self.text.push('@');
        self.text.push_str(handle);
        if !self.past_address {
            self.addressed = Some(self.text.len());
        }
    }

    fn push(&mut self, sign: char) {
        if !self.is_full() {
            self.before_word();
            self.text.push(sign);
        }
    }

    fn before_word(&mut self) {
        if !self.text.is_empty() {
            match self.lines {
                0 if self.space => self.text.push(' '),
                0 => {}
                1 => self.text.push('\n'),
                _ => self.text.push_str("\n\n"),
            }
        }
        if self.item {
            self.text.push_str("- ");
            self.past_address = true;
        }
        (self.space, self.lines, self.item) = (false, 0, false);
    }

    pub(super) fn finish(self) -> Plain {
        let end = self.addressed.unwrap_or(0);
        let space = |text: &str| text.len() - text.trim_start().len();
        let address_end = end + self.text.get(end..).map_or(0, space);
        Plain { text: self.text, address_end }
    }
}

/// Signs that nobody sees and that only part words. The joiners of emoji and of some scripts stay.
fn is_unseen(sign: char) -> bool {
    matches!(sign, '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{00AD}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        || (sign.is_control() && !sign.is_whitespace())
}
