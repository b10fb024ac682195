//! A fault in a file that a person wrote: a rule file or `bot.toml`.
//!
//! **Invariant:** a fault never quotes the file it is about, which may hold a secret; whoever shows
//! it decides whether to show the line.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// The file as the user named it.
    pub file: String,
    /// Byte offsets into the file; `None` where the fault is of the file as a whole.
    pub span: Option<Range<usize>>,
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub what: String,
    /// What to do about it, in one sentence without a full stop.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault that keeps the file, or a part of it, from being used.
    pub fn error(file: &str, span: impl Into<Option<Range<usize>>>, what: impl Into<String>) -> Fault {
        let (file, span, what) = (file.to_owned(), span.into(), what.into());
        Fault { file, span, severity: Severity::Error, what, hint: None }
    }

    /// A fault that is worth a look and keeps nothing from working.
    pub fn warning(file: &str, span: impl Into<Option<Range<usize>>>, what: impl Into<String>) -> Fault {
        Fault { severity: Severity::Warning, ..Fault::error(file, span, what) }
    }

    /// The same fault with advice.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Fault {
        Fault { hint: Some(hint.into()), ..self }
    }

    /// Where it begins, given the text of its file.
    pub fn position(&self, source: &str) -> Option<Position> {
        self.span.as_ref().map(|span| Position::of(source, span.start))
    }
}

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; everything works.
    Warning,
    /// The file, or a part of it, cannot be used.
    Error,
}

/// A place in a text as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset. An offset past the end, or inside a character, is moved back to
    /// where a character begins.
    pub fn of(text: &str, offset: usize) -> Position {
        let before = text.get(..text.floor_char_boundary(offset)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Position { line: before.matches('\n').count() + 1, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_as_people_count_them() {
        let rows = [
            ("", 0, "1:1"),
            ("abc", 2, "1:3"),
            ("abc", 99, "1:4"),
            ("a\nbc", 2, "2:1"),
            ("a\r\nbc", 4, "2:2"),
            ("für x", 4, "1:4"),
            ("für x", 2, "1:2"),
        ];
        for (text, offset, expected) in rows {
            assert_eq!(Position::of(text, offset).to_string(), expected, "{text:?} at {offset}");
        }
    }
}
