//! Subjects: rule files that librarians write, and the classifier they compile to.
//!
//! **Invariant:** nothing here does I/O; rule files come in as names and bytes. Broken rule files are
//! a result, never an error: [`Subjects::compile`] answers with what could be understood and with
//! every fault it found.

mod classify;
mod common;
mod compile;
mod evaluate;
mod examples;
mod format;
mod language;
pub mod learn;
mod learned;
mod lexicon;
mod lint;
mod memo;
mod met;
mod naming;
mod origin;
mod screening;
mod shapes;
mod signals;
mod weights;
mod words;

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

pub use classify::{Reader, Reading};
pub use evaluate::{Band, Confusion, Evaluation, Evaluator, SubjectEvaluation};
pub use examples::{Example, Tested, Verdict, faults_of_examples, test};
pub use format::{EXAMPLES_MAX, List, RULE_FILE_BYTES_MAX, TERMS_MAX, Wants};
pub use language::Language;
pub use learned::{LEARNED_ENDING, LEARNED_FILE_BYTES_MAX, LEARNED_FOLDER, Support};
pub use lint::lint;
pub use origin::{Origin, Origins};
pub use screening::{Evidence, HOLD_MIN, Kind, SCREENING_FOLDER, Screener, Screening};
pub use weights::{CLOSE_SECOND_SHARE, CONFIDENCE_MIN};
pub use words::TEXT_BYTES_MAX;

/// The subject of questions whose evidence is too thin, and of librarians who take any question.
pub const GENERAL_DESK: &str = "general";

/// The id of a subject: the name of its rule file without the ending.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectId(String);

impl SubjectId {
    pub fn new(id: impl Into<String>) -> SubjectId {
        SubjectId(id.into())
    }

    /// The subject of generalists and of questions without one.
    pub fn general() -> SubjectId {
        SubjectId(GENERAL_DESK.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for SubjectId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A subject as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub id: SubjectId,
    /// Its name in English, such as `History`.
    pub name: String,
    /// The wider subject it belongs to.
    pub parent: Option<SubjectId>,
    /// Ranges of the Library of Congress Classification, such as `PN1560-1998`.
    pub lcc: Vec<String>,
    /// Ranges of the Dewey Decimal Classification, such as `791-792`.
    pub ddc: Vec<String>,
    /// Hashtags that name it, without `#`.
    pub hashtags: Vec<String>,
}

/// One rule file as it was read from wherever rules are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// The path as people should see it in a message, such as `rules/history.toml`.
    pub name: String,
    /// Its bytes. Of a file larger than [`RULE_FILE_BYTES_MAX`], one byte more than that is enough.
    pub text: Vec<u8>,
}

impl fmt::Debug for RuleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.text.len())
    }
}

/// All subjects, compiled and ready to classify.
#[derive(Clone)]
pub struct Subjects {
    subjects: Vec<Subject>,
    index: compile::Index,
    screening: screening::ScreeningRules,
    confidence_min: f64,
}

impl Default for Subjects {
    fn default() -> Subjects {
        Subjects {
            subjects: Vec::new(),
            index: compile::Index::default(),
            screening: None,
            confidence_min: CONFIDENCE_MIN,
        }
    }
}

impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (written, learned) = (self.index.len(), self.index.learned.len());
        write!(f, "{} subjects, {written} terms, {learned} learned ones", self.subjects.len())
    }
}

impl Subjects {
    /// Reads all rule files, and finds all that is wrong with them at once. A broken file, or a
    /// broken part of one, is left out; everything else is used.
    pub fn compile(files: &[RuleFile]) -> (Subjects, Vec<Fault>) {
        let of_subjects = files.iter().filter(|file| !screening::is_of_screening(file));
        let compile::Compiled { subjects, index, mut faults } = compile::compile(of_subjects, |_, _| ());
        let (screening, faults_of_screening) = screening::compile_rules(files);
        faults.extend(faults_of_screening);
        (Subjects { subjects, index, screening, confidence_min: CONFIDENCE_MIN }, faults)
    }

    /// The same subjects, with another confidence below which a question goes to the general desk.
    #[must_use]
    pub fn with_confidence_min(self, confidence_min: f64) -> Subjects {
        Subjects { confidence_min, ..self }
    }

    /// All subjects, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Subject> {
        self.subjects.iter()
    }

    pub fn get(&self, id: &SubjectId) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.id == *id)
    }

    /// The subject that somebody means by `words`: an id, a name, a part of a name that only one
    /// subject has, or a hashtag, in any case. `None` where nothing or more than one thing fits.
    /// `general` and `everything` mean the general desk.
    pub fn named(&self, words: &str) -> Option<SubjectId> {
        naming::named(&self.subjects, words)
    }

    /// Whether any subject has terms of this language.
    pub fn speak(&self, language: Language) -> bool {
        self.index.lexicons.iter().any(|lexicon| lexicon.language() == language)
    }

    /// The subject whose id, name or hashtag looks most like `words`, for "did you mean".
    pub fn closest(&self, words: &str) -> Option<&Subject> {
        naming::closest(&self.subjects, words)
    }

    /// Ranks the subjects of a text. `language` is what the post declared, a BCP 47 tag; where it
    /// declared none, or the text is surely in another, the text tells it. Of a text longer than
    /// [`TEXT_BYTES_MAX`] only the beginning is read.
    pub fn classify(&self, text: &str, language: Option<&str>) -> Classification {
        self.reader().classify(text, language)
    }

    /// Tells a question from a greeting, thanks, spam, abuse and nothing at all. `language` is what
    /// the post declared.
    pub fn screen(&self, text: &str, language: Option<&str>) -> Screening {
        self.screener().screen(text, language)
    }

    /// For many texts: what [`screen`](Subjects::screen) does, faster from text to text.
    pub fn screener(&self) -> Screener<'_> {
        Screener::new(self)
    }

    /// For many texts: what [`classify`](Subjects::classify) does, faster from text to text.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self)
    }
}

/// What a text is about, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The code of the language whose terms were looked for: the declared one, or the one the text was
    /// found to be in. `None` where neither is known and the text was read as English.
    pub language: Option<String>,
    /// The best subject; `None` where the evidence is too thin: the general desk.
    pub best: Option<SubjectId>,
    /// Every subject with evidence for it, best first.
    #[serde(rename = "subjects")]
    pub subjects: Vec<RankedSubject>,
    /// The evidence, in the order of the text.
    pub matched: Vec<Match>,
}

impl Classification {
    /// The subjects to route to: the best one and, where its confidence is at least
    /// [`CLOSE_SECOND_SHARE`] of the best one's, the second. Empty for the general desk.
    pub fn chosen(&self) -> &[RankedSubject] {
        let count = match (&self.best, self.subjects.as_slice()) {
            (None, _) | (Some(_), []) => 0,
            (Some(_), [best, second, ..]) if is_close(best, second) => 2,
            (Some(_), _) => 1,
        };
        self.subjects.get(..count).unwrap_or_default()
    }
}

fn is_close(best: &RankedSubject, second: &RankedSubject) -> bool {
    best.confidence * CLOSE_SECOND_SHARE <= second.confidence
}

/// One subject's share of a classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedSubject {
    pub id: SubjectId,
    /// The sum of the weights of its matched terms.
    pub score: f64,
    /// From 0 to 1: how likely this is the right one. Of questions that are given 0.8, about 80 % are
    /// right, as far as they are like those that were learned from.
    pub confidence: f64,
}

/// One term found in a text: of a rule file, or learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    pub subject: SubjectId,
    /// The term as its file writes it.
    pub term: String,
    /// What it counts for its subject; below 0 for a term that speaks against it.
    pub weight: f64,
    /// Byte offsets into the text, at boundaries of characters. Of a term that stands in the text
    /// more than once, the first place.
    pub start: usize,
    pub end: usize,
    /// Where the term was learned, in how many questions it was met. `None` for one that people wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<Support>,
}

/// A learned term that counts less is not worth telling people of.
const TELLING_WEIGHT_MIN: f64 = 0.5;

impl Match {
    /// Whether it belongs into a short account of why a subject was chosen. Most learned terms say a
    /// little for many subjects, and stand everywhere.
    pub fn is_telling(&self) -> bool {
        self.learned.is_none() || TELLING_WEIGHT_MIN <= self.weight
    }
}
