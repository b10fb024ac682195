//! Shows faults to people: the place, the line where it may be shown, what is wrong, what to do.
//!
//! **Invariant:** only this file knows the crate that draws. A line is drawn only for
//! [`Lines::Shown`], so that a file with secrets never reaches a terminal or a log.

use std::fmt::Write as _;
use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use anstyle::Style;
use serde::Serialize;

use crate::fault::{Fault, Position, Severity};

/// How wide a shown line may be, in columns.
const WIDTH: usize = 110;

/// How wide texts for people are, in columns.
const TEXT_WIDTH: usize = 98;

/// Of a longer line, in bytes, only the place is shown.
const LINE_BYTES_MAX: usize = 10_000;

/// Whether the line that a fault is about may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    Shown,
    /// For files that may hold secrets.
    Hidden,
}

/// Whether the output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Plain,
    Terminal,
}

/// Whether each output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colours {
    pub out: Colour,
    pub err: Colour,
}

impl Colour {
    /// Colours for a terminal on stderr, unless `NO_COLOR` is set (<https://no-color.org>).
    pub fn of_stderr() -> Colour {
        Colour::of(std::io::stderr().is_terminal())
    }

    /// The same for a terminal on stdout.
    pub fn of_stdout() -> Colour {
        Colour::of(std::io::stdout().is_terminal())
    }

    fn of(is_terminal: bool) -> Colour {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal && !is_unwanted { Colour::Terminal } else { Colour::Plain }
    }

    /// A text in a style, where there are colours.
    pub fn paint(self, style: Style, text: &str) -> String {
        match self {
            Colour::Plain => text.to_owned(),
            Colour::Terminal => format!("{style}{text}{style:#}"),
        }
    }
}

/// A fault as text of several lines, without a line end at its end. `source` is the text of its
/// file; without it, or without a place, the fault is of the file as a whole.
pub fn fault(fault: &Fault, source: Option<&str>, lines: Lines, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Plain => Renderer::plain(),
        Colour::Terminal => Renderer::styled(),
    };
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(fault.what.as_str());
    let place = fault.span.as_ref().zip(source).map(|(span, source)| Place::of(source, span));
    let group: Group<'_> = match place {
        Some(place) if lines == Lines::Shown && place.line.len() <= LINE_BYTES_MAX => title.element(
            Snippet::source(place.line)
                .path(fault.file.as_str())
                .line_start(place.position.line)
                .annotation(AnnotationKind::Primary.span(place.start..place.end)),
        ),
        Some(place) => {
            let origin = Origin::path(fault.file.as_str());
            title.element(origin.line(place.position.line).char_column(place.position.column))
        }
        None => title.element(Origin::path(fault.file.as_str())),
    };
    let group = match &fault.hint {
        Some(hint) => group.element(Level::HELP.with_name("hint").message(hint.as_str())),
        None => group,
    };
    renderer.term_width(WIDTH).render(&[group])
}

/// Several faults, each followed by an empty line. `source_of` gives the text of a file by its name.
pub fn faults<'s>(
    faults: &[Fault],
    source_of: impl Fn(&str) -> Option<&'s str>,
    lines: Lines,
    colour: Colour,
) -> String {
    let mut shown = String::new();
    for each in faults {
        let text = fault(each, source_of(&each.file), lines, colour);
        writeln!(shown, "{text}\n").expect("a string takes any text");
    }
    shown
}

/// A text for a terminal on one line: what would move the cursor is shown as an escape.
pub fn visible(text: &str) -> String {
    let show = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(show).collect()
}

/// A line broken between words where it is too long, each part but the first behind `indent` spaces. The
/// first is taken to stand behind as many. Styles take no room.
pub fn wrapped(line: &str, indent: usize) -> String {
    let mut shown = String::new();
    let mut column = indent;
    for word in line.split(' ') {
        let width = width_of(word);
        if indent < column && TEXT_WIDTH < column + 1 + width {
            write!(shown, "\n{:indent$}", "").expect("a string takes any text");
            column = indent;
        } else if !shown.is_empty() {
            shown.push(' ');
            column += 1;
        }
        shown.push_str(word);
        column += width;
    }
    shown
}

/// How many letters a terminal shows of a text that may hold styles.
fn width_of(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().map_or(0, |part| part.chars().count());
    let styled = parts.map(|part| part.split_once('m').map_or(0, |(_, shown)| shown.chars().count()));
    first + styled.sum::<usize>()
}

/// A fault for programs, with its place as people count it.
#[derive(Debug, Serialize)]
pub struct FaultRow<'a> {
    pub file: &'a str,
    pub line: Option<usize>,
    pub column: Option<usize>,
    pub severity: Severity,
    pub what: &'a str,
    pub hint: Option<&'a str>,
}

impl<'a> FaultRow<'a> {
    pub fn of(fault: &'a Fault, source: Option<&str>) -> FaultRow<'a> {
        let position = source.and_then(|source| fault.position(source));
        FaultRow {
            file: &fault.file,
            line: position.map(|position| position.line),
            column: position.map(|position| position.column),
            severity: fault.severity,
            what: &fault.what,
            hint: fault.hint.as_deref(),
        }
    }
}

/// The line that a span begins on, and the span's part of it as offsets into the line.
struct Place<'s> {
    position: Position,
    line: &'s str,
    start: usize,
    end: usize,
}

impl<'s> Place<'s> {
    fn of(source: &'s str, span: &std::ops::Range<usize>) -> Place<'s> {
        let start = source.floor_char_boundary(span.start);
        let end = source.ceil_char_boundary(span.end).max(start);
        let (before, from_start) = source.split_at_checked(start).unwrap_or((source, ""));
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = from_start.find('\n').map_or(source.len(), |at| start + at);
        let line = source.get(line_start..line_end).unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (start, end) = (start - line_start, end.min(line_end) - line_start);
        let position = Position::of(source, span.start);
        Place { position, line, start: start.min(line.len()), end: end.min(line.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "id = \"x\"\nstrong = [\"für \u{1b}[31mred\", 5]\r\nlast";

    fn shown(span: Option<std::ops::Range<usize>>, lines: Lines) -> String {
        let example =
            Fault::error("rules/x.toml", span, "a text in quotes is expected here").with_hint("quote it");
        fault(&example, Some(SOURCE), lines, Colour::Plain)
    }

    #[test]
    fn a_fault_shows_its_line() {
        let at = SOURCE.find('5').unwrap();
        insta::assert_snapshot!(shown(Some(at..at + 1), Lines::Shown), @r#"
        error: a text in quotes is expected here
         --> rules/x.toml:2:27
          |
        2 | strong = ["für ␛[31mred", 5]
          |                           ^
          |
          = hint: quote it
        "#);
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        let at = SOURCE.find('5').unwrap();
        let text = shown(Some(at..at + 1), Lines::Hidden);
        assert!(!text.contains("red"), "{text}");
        insta::assert_snapshot!(text, @r#"
        error: a text in quotes is expected here
        --> rules/x.toml:2:27
         = hint: quote it
        "#);
    }

    #[test]
    fn a_fault_of_the_whole_file_names_the_file() {
        insta::assert_snapshot!(shown(None, Lines::Shown), @r#"
        error: a text in quotes is expected here
        --> rules/x.toml
         = hint: quote it
        "#);
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let bold = Colour::Terminal.paint(Style::new().bold(), "bold words");
        let line = format!("{} {bold} end", "word ".repeat(17).trim_end());
        let shown = wrapped(&line, 2);
        let parts: Vec<&str> = shown.split('\n').collect();
        assert_eq!(parts.len(), 2, "{shown:?}");
        assert_eq!(width_of(parts[0]) + 2, 2 + 84 + 1 + 10);
        assert_eq!(parts[1], "  end");
        assert_eq!(wrapped("short  and plain", 40), "short  and plain");
        let whole = "x".repeat(500);
        assert_eq!(wrapped(&whole, 4), whole, "a word is never broken");
    }

    #[test]
    fn any_span_can_be_shown() {
        for start in 0..SOURCE.len() + 3 {
            for end in 0..SOURCE.len() + 3 {
                for lines in [Lines::Shown, Lines::Hidden] {
                    let text = shown(Some(start..end), lines);
                    assert!(text.contains("rules/x.toml:"), "{start}..{end}: {text}");
                    assert!(!text.contains('\u{1b}'), "control characters are made visible");
                }
            }
        }
    }
}
