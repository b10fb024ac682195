//! Subjects: rule files that librarians write, and the classifier they compile to.
//!
//! **Invariant:** nothing here does I/O; rule files come in as names and bytes. Broken rule files are
//! a result, never an error: [`Subjects::compile`] answers with what could be understood and with
//! every fault it found.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

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

/// All subjects, compiled and ready to classify.
#[derive(Clone, Debug, Default)]
pub struct Subjects {
    subjects: Vec<Subject>,
}

impl Subjects {
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
        let _ = words;
        None
    }

    /// The name of a subject id that looks most like `words`, for "did you mean".
    pub fn closest(&self, words: &str) -> Option<&Subject> {
        let _ = words;
        None
    }

    /// Ranks the subjects of a text. `language` is what the post declared, a BCP 47 tag.
    pub fn classify(&self, text: &str, language: Option<&str>) -> Classification {
        let _ = text;
        Classification {
            language: language.map(str::to_owned),
            best: None,
            subjects: Vec::new(),
            matched: Vec::new(),
        }
    }
}

/// What a text is about, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
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
    /// The subjects a question is routed to: the best, and a close second where there is one. Empty
    /// for the general desk.
    pub fn chosen(&self) -> impl Iterator<Item = &RankedSubject> {
        self.subjects.iter().filter(|ranked| self.best.as_ref() == Some(&ranked.id))
    }
}

/// One subject's share of a classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedSubject {
    pub id: SubjectId,
    /// The sum of the weights of its matched terms.
    pub score: f64,
    /// From 0 to 1.
    pub confidence: f64,
}

/// One term of a rule file found in a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    pub subject: SubjectId,
    /// The term as the rule file writes it.
    pub term: String,
    /// What it counts for its subject; below 0 for a term that speaks against it.
    pub weight: f64,
    /// Byte offsets into the text.
    pub start: usize,
    pub end: usize,
}
