//! The shapes of words: the rows of letters in them, with their beginnings and ends marked.
//!
//! A word that nobody wrote rules for often looks like words that somebody did: `*ology`, `anti*`,
//! `*cycl*`. Learning and classifying cut words here, in the same way.
//!
//! **Invariant:** a shape is shorter than its word, so that no shape stands for one word alone.

/// Stands before the first and after the last letter of a word.
pub(super) const BOUND: char = '\u{1f}';

/// The shortest and the longest shape, in letters, the bounds included.
const LETTERS_MIN: usize = 2;
const LETTERS_MAX: usize = 5;

/// Of a longer word, in letters, only the beginning is cut.
const WORD_LETTERS_MAX: usize = 40;

/// A word between its bounds, ready to be cut.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    bounded: String,
    /// Where each letter begins, and where the last one ends.
    starts: Vec<usize>,
}

impl Cutter {
    /// Calls `found` with every shape of a folded word, some perhaps more than once.
    pub(super) fn cut(&mut self, word: &str, mut found: impl FnMut(&str)) {
        self.bounded.clear();
        self.bounded.push(BOUND);
        self.bounded.extend(word.chars().take(WORD_LETTERS_MAX));
        self.bounded.push(BOUND);
        self.starts.clear();
        self.starts.extend(self.bounded.char_indices().map(|(at, _)| at));
        self.starts.push(self.bounded.len());
        let letters = self.starts.len() - 1;
        for length in LETTERS_MIN..=LETTERS_MAX.min(letters - 1) {
            for (start, end) in self.starts.iter().zip(self.starts.iter().skip(length)) {
                found(self.bounded.get(*start..*end).unwrap_or_default());
            }
        }
    }
}

/// A shape as people read it: `*` where more letters may stand.
pub(super) fn shown(shape: &str) -> String {
    let side = |is_bound| if is_bound { "" } else { "*" };
    let (front, behind) = (side(shape.starts_with(BOUND)), side(shape.ends_with(BOUND)));
    format!("{front}{}{behind}", shape.trim_matches(BOUND))
}

/// What [`shown`] showed.
pub(super) fn read(shown: &str) -> String {
    let mut shape = String::new();
    if !shown.starts_with('*') {
        shape.push(BOUND);
    }
    shape.push_str(shown.trim_matches('*'));
    if !shown.ends_with('*') {
        shape.push(BOUND);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_shown_as_people_write_them() {
        let mut shapes = Vec::new();
        let mut cutter = Cutter::default();
        cutter.cut("tea", |shape| shapes.push(shown(shape)));
        assert_eq!(shapes, ["t*", "*te*", "*ea*", "*a", "te*", "*tea*", "*ea", "tea*", "*tea"]);
        for shape in shapes {
            assert_eq!(shown(&read(&shape)), shape);
        }
        cutter.cut("", |_| panic!("nothing is no word"));
        let mut count = 0;
        cutter.cut(&"é".repeat(1_000), |_| count += 1);
        assert!(count < 200, "{count}");
    }
}
