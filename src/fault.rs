//! A fault in a file that a person wrote: a rule file or `bot.toml`.
//!
//! **Invariant:** a fault never quotes the file it is about, which may hold a secret; whoever shows
//! it decides whether to show the line.

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

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; everything works.
    Warning,
    /// The file, or a part of it, cannot be used.
    Error,
}
