//! An explanation as people read it: the text with its marks, the decision, and a line for each term.
//!
//! **Invariant:** nothing is decided or weighed here, and terms and subjects are never left out in silence.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::cli::explain::{Explained, Found, Sum};
use crate::cli::marks::{self, Mark, number, signed, style_of, superscript};
use crate::cli::render::{self, Colour};
use crate::subjects::{GENERAL_DESK, Language, SubjectId, Support, TEXT_BYTES_MAX};

/// What people read in place of a term that stands for no words of the text.
const EVERY_QUESTION: &str = "(every question)";

/// Of how many subjects the terms are shown to people. The others are only named.
const SUBJECTS_SHOWN: usize = marks::PLACES;

/// How many terms of a subject are shown to people.
const TERMS_SHOWN: usize = 12;

/// How many other subjects are named.
const OTHERS_NAMED: usize = 8;

/// The widest column of terms, in letters.
const TERM_WIDTH_MAX: usize = 40;

impl Explained<'_> {
    /// For people.
    pub(super) fn show(&self, colour: Colour) -> String {
        let detailed: Vec<&Sum<'_>> = self.detailed();
        let mut shown = format!("{}\n", self.marked(&detailed, colour));
        if self.text.len() > TEXT_BYTES_MAX {
            shown.push_str("(Only the beginning was read.)\n");
        }
        let language = self.language.and_then(Language::parse);
        if let Some(language) = language.filter(|language| *language != Language::ENGLISH) {
            let name = language.name().unwrap_or(language.code());
            writeln!(shown, "(Read as {name}.)").expect("a string takes any text");
        }
        let names: Vec<&str> = self.chosen.iter().filter_map(|id| self.name(id)).collect();
        let decided =
            if names.is_empty() { format!("the general desk ({GENERAL_DESK})") } else { names.join(" and ") };
        let decided = colour.paint(Style::new().bold(), &format!("→ {decided}"));
        writeln!(shown, "\n{decided}\n  {}", render::wrapped(&self.why, 2)).expect("a string takes any text");
        let labels = detailed.iter().flat_map(|sum| sum.terms.iter().take(TERMS_SHOWN)).map(Found::label);
        let width = labels.map(|label| label.chars().count()).max().unwrap_or_default();
        for (place, sum) in detailed.iter().enumerate() {
            shown.push_str(&sum.show(place, width, colour));
        }
        shown.push_str(&self.others(detailed.len(), colour));
        shown
    }

    fn name(&self, id: &SubjectId) -> Option<&str> {
        self.subjects.iter().find(|sum| sum.id == id).map(|sum| sum.name.as_str())
    }

    /// The subjects whose terms are shown.
    fn detailed(&self) -> Vec<&Sum<'_>> {
        self.subjects.iter().take(SUBJECTS_SHOWN).collect()
    }

    /// The text with the terms of these subjects marked.
    fn marked(&self, detailed: &[&Sum<'_>], colour: Colour) -> String {
        let marks = detailed.iter().enumerate().flat_map(|(place, sum)| {
            sum.terms
                .iter()
                .filter(|term| term.is_marked)
                .map(move |term| Mark { range: term.start..term.end, places: BTreeSet::from([place]) })
        });
        let marked = marks::marked(self.text, marks.collect(), colour);
        marked.split('\n').map(|line| render::wrapped(line, 0)).collect::<Vec<_>>().join("\n")
    }

    /// The subjects that are only named.
    fn others(&self, detailed: usize, colour: Colour) -> String {
        let others = self.subjects.get(detailed..).unwrap_or_default();
        if others.is_empty() {
            return String::new();
        }
        let named = others.iter().take(OTHERS_NAMED);
        let mut parts: Vec<String> = named.map(|sum| format!("{} {}", sum.name, number(sum.score))).collect();
        if OTHERS_NAMED < others.len() {
            parts.push(format!("{} more", others.len() - OTHERS_NAMED));
        }
        let also = render::wrapped(&format!("also: {}", parts.join(" · ")), 2);
        format!("\n  {}\n", colour.paint(Style::new().dimmed(), &also))
    }
}

impl Sum<'_> {
    /// A heading, then a line for each term.
    fn show(&self, place: usize, width: usize, colour: Colour) -> String {
        let sure = match self.confidence {
            Some(confidence) => format!("{:.0} % sure", confidence * 100.0),
            None => "ruled out".to_owned(),
        };
        let name = colour.paint(style_of(place).bold(), &format!("{} {}", superscript(place), self.name));
        let mut shown = format!("\n{name}: {} in all, {sure}\n", number(self.score));
        let (first, rest) = self.terms.split_at(self.terms.len().min(TERMS_SHOWN));
        for term in first {
            shown.push_str(&term.show(width, colour));
        }
        if !rest.is_empty() {
            let sum: f64 = rest.iter().map(|term| term.weight).sum();
            writeln!(shown, "  {:>7}  {} more terms together", signed(sum), rest.len())
                .expect("a string takes any text");
        }
        shown
    }
}

impl Found<'_> {
    /// The term, and the words it was found in where they look different.
    fn label(&self) -> String {
        if self.start == self.end {
            return EVERY_QUESTION.to_owned();
        }
        let (term, words) = (render::visible(self.term), render::visible(self.words));
        let is_same = term.to_lowercase() == words.to_lowercase();
        shortened(&if is_same { term } else { format!("{term} (“{words}”)") }, TERM_WIDTH_MAX)
    }

    pub(super) fn show(&self, width: usize, colour: Colour) -> String {
        let label = self.label();
        let padding = " ".repeat(width.saturating_sub(label.chars().count()));
        let weight = format!("{:>7}", signed(self.weight));
        let weight =
            if self.weight < 0.0 { colour.paint(AnsiColor::Red.on_default(), &weight) } else { weight };
        let list = match self.language {
            Some(language) => format!("{}, {language}", self.list),
            None => self.list.to_owned(),
        };
        let place = match (self.file, self.line) {
            (Some(file), Some(line)) => format!("{list:<11} {file}:{line}"),
            (Some(file), None) => format!("{list:<11} {file}"),
            (None, _) => match self.learned {
                Some(Support { questions, sources }) => {
                    let places =
                        if sources == 1 { "1 source".to_owned() } else { format!("{sources} sources") };
                    format!("{list:<11} from {questions} questions, {places}")
                }
                None => list,
            },
        };
        format!("  {weight}  {label}{padding}  {}\n", colour.paint(Style::new().dimmed(), &place))
    }
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
