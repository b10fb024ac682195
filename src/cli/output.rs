//! Writing to the terminal: data, problems, tables, times.
//!
//! **Invariant:** what a person wrote never reaches a terminal with control characters in it, which
//! could change what the terminal shows or does.

use std::io::{ErrorKind, Write};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::cli::Exit;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) struct Problem {
    what: String,
    hint: Option<String>,
    exit: Exit,
}

impl Problem {
    /// The user can do something about it.
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { what: what.into(), hint: Some(hint.into()), exit: Exit::InputAtFault }
    }

    /// It must not happen, or has nothing to do with what the user gave.
    pub(super) fn unexpected(what: impl Into<String>) -> Problem {
        Problem { what: what.into(), hint: None, exit: Exit::Unexpected }
    }

    /// The desk is of another version, or out of order.
    pub(super) fn wrong_reply() -> Problem {
        Problem::unexpected("the desk gave a reply to something else; is it of the same version?")
    }

    /// Everything there is to say was said already.
    pub(super) fn said() -> Problem {
        Problem { what: String::new(), hint: None, exit: Exit::InputAtFault }
    }

    pub(super) fn with_hint(self, hint: Option<String>) -> Problem {
        Problem { hint, ..self }
    }

    /// The same, for what stands at some place among others.
    pub(super) fn with_place(self, place: &str) -> Problem {
        Problem { what: format!("{place}: {}", self.what), ..self }
    }

    /// Tells the user, and says how the process is to end.
    pub(super) fn show(self) -> Exit {
        if !self.what.is_empty() {
            note(&format!("error: {}", self.what));
        }
        if let Some(hint) = self.hint {
            note(&format!("\nhint: {hint}"));
        }
        self.exit
    }
}

/// An error of stdout. Nobody reads on where a pipe is broken (`stumper … | head`), which is no
/// problem at all.
impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        if error.kind() == ErrorKind::BrokenPipe {
            return Problem { what: String::new(), hint: None, exit: Exit::Fine };
        }
        Problem::unexpected(format!("cannot write: {error}"))
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Problem {
        Problem::unexpected(format!("{error:#}"))
    }
}

/// Writes data to stdout.
pub(super) fn data(text: &str) -> Result<(), Problem> {
    data_bytes(text.as_bytes())
}

pub(super) fn data_bytes(bytes: &[u8]) -> Result<(), Problem> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(())
}

/// Writes one value as a line of JSON to stdout.
pub(super) fn json(value: &impl Serialize) -> Result<(), Problem> {
    let line = serde_json::to_string(value)
        .map_err(|error| Problem::unexpected(format!("cannot write this as JSON: {error}")))?;
    data(&format!("{line}\n"))
}

/// Writes a line for the user to stderr.
pub(super) fn note(text: &str) {
    // Nobody is left to be told if this fails.
    writeln!(std::io::stderr().lock(), "{text}").ok();
}

/// Rows under headings, in columns two spaces apart.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| line(cell)).collect()).collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(at, heading)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.chain([heading.chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let write = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = write(&mut headings.iter().copied());
    for row in &rows {
        text.push_str(&write(&mut row.iter().map(String::as_str)));
    }
    text
}

/// A text on one line, without control characters.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|sign| if is_unsafe(sign) { ' ' } else { sign }).collect()
}

/// A text of several lines, each indented, without control characters.
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|one| format!("    {}\n", line(one).trim_end())).collect()
}

/// Control characters, and those that turn the direction of writing.
fn is_unsafe(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// How long it is from `then` to `now`, roughly, such as `3 h`.
pub(super) fn age(now: Timestamp, then: Timestamp) -> String {
    roughly(then.duration_until(now))
}

/// A length of time in its largest whole unit.
pub(super) fn roughly(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} days", seconds / 86_400),
    }
}

/// A time as people at the desk read it.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_hold_no_control_characters() {
        let rows =
            [vec!["K7Q4".to_owned(), "müller\u{1b}[2J".to_owned()], vec!["C3".to_owned(), String::new()]];
        insta::assert_snapshot!(table(&["CODE", "OWNER"], &rows), @r"
        CODE  OWNER
        K7Q4  müller [2J
        C3
        ");
    }

    #[test]
    fn lengths_of_time_are_rough() {
        for (seconds, expected) in
            [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h"), (172_799, "47 h"), (172_800, "2 days")]
        {
            assert_eq!(roughly(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
