//! How terms that were found are shown in their text, and what they weigh, for people at a terminal.
//!
//! **Invariant:** whatever colours say is said in signs as well, and no text can move the cursor.

use std::collections::BTreeSet;
use std::ops::Range;

use anstyle::{AnsiColor, Style};

use crate::cli::render::{self, Colour};

/// So many subjects of a list have a number and a colour of their own.
pub(super) const PLACES: usize = 3;

/// A part of a text that terms were found in, with the places of their subjects in the list. Without a
/// list there are no places.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) range: Range<usize>,
    pub(super) places: BTreeSet<usize>,
}

/// A text with its marks. Those that overlap become one.
pub(super) fn marked(text: &str, mut marks: Vec<Mark>, colour: Colour) -> String {
    marks.sort_by_key(|mark| (mark.range.start, mark.range.end));
    let mut merged: Vec<Mark> = Vec::new();
    for mark in marks {
        match merged.last_mut() {
            Some(last) if mark.range.start < last.range.end => {
                last.range.end = last.range.end.max(mark.range.end);
                last.places.extend(mark.places);
            }
            Some(_) | None => merged.push(mark),
        }
    }
    let mut shown = String::new();
    let mut at = 0;
    for Mark { range, places } in merged {
        shown.push_str(&lines(text.get(at..range.start).unwrap_or_default()));
        let words = lines(text.get(range.clone()).unwrap_or_default());
        let numbers: String = places.iter().map(|place| superscript(*place)).collect();
        let style = places.first().map_or_else(Style::new, |first| style_of(*first));
        shown.push_str(&match colour {
            Colour::Terminal => format!("{}{numbers}", colour.paint(style.bold(), &words)),
            Colour::Plain => format!("[{words}]{numbers}"),
        });
        at = range.end;
    }
    shown.push_str(&lines(text.get(at..).unwrap_or_default()));
    shown
}

/// A text for a terminal: line ends stay, what else would move the cursor does not.
fn lines(text: &str) -> String {
    text.split('\n').map(render::visible).collect::<Vec<_>>().join("\n")
}

/// The colour of the first, second and third subject.
pub(super) fn style_of(place: usize) -> Style {
    const COLOURS: [AnsiColor; PLACES] = [AnsiColor::Green, AnsiColor::Cyan, AnsiColor::Yellow];
    COLOURS.get(place).map_or_else(Style::new, |colour| colour.on_default())
}

pub(super) fn superscript(place: usize) -> &'static str {
    const NUMBERS: [&str; PLACES] = ["¹", "²", "³"];
    NUMBERS.get(place).copied().unwrap_or_default()
}

/// A weight with its sign.
pub(super) fn signed(weight: f64) -> String {
    let sign = if weight < 0.0 { "−" } else { "+" };
    format!("{sign}{}", number(weight.abs()))
}

/// Whole numbers without a point, others with two digits behind it.
pub(super) fn number(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let value = value.abs();
    if value.fract() < 0.005 { format!("{sign}{value:.0}") } else { format!("{sign}{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_overlap_are_one() {
        let mark = |range: Range<usize>, place: usize| Mark { range, places: BTreeSet::from([place]) };
        let marks = vec![mark(6..15, 1), mark(0..9, 0), mark(16..19, 0)];
        assert_eq!(
            marked("great world wars and peace", marks, Colour::Plain),
            "[great world war]¹²s[ an]¹d peace"
        );
    }
}
