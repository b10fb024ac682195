//! Tells questions from what is none: greetings, thanks, spam, abuse, and posts without a word.
//!
//! Rule files in a folder named `screening` hold the words, in the format of subjects. One file is
//! one kind of post, [`Kind::Question`] among them: what speaks for a question is taken off spam and
//! abuse, so that somebody who asks about a crime, a body or a faith, or asks rudely, is heard.
//!
//! - A greeting, or thanks, is nothing else: each of its words stands in their files.
//! - Spam and abuse have [`HOLD_MIN`] more than what speaks for a question.
//! - With abuse, words of a subject outside the insult speak for a question as well. With spam they
//!   do not: adverts speak of music, money and sport.
//!
//! **Invariant:** without rule files everything with a word in it is a question, and when in doubt it
//! is one: a librarian who passes costs less than a patron who is not heard.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::subjects::compile::compile;
use crate::subjects::format::{self, List};
use crate::subjects::naming::closest_word;
use crate::subjects::signals::signals;
use crate::subjects::words::Words;
use crate::subjects::{Classification, Match, Reader, RuleFile, Subject, Subjects, weights};

/// The folder of rule files that tell kinds of posts, below the one that tells subjects.
pub const SCREENING_FOLDER: &str = "screening";

/// Spam and abuse are held back when they come to this much more than the question in them: as much as
/// a strong term.
pub const HOLD_MIN: f64 = 3.0;

/// What the words of a subject count against abuse.
const SUBJECT: f64 = 2.0;

/// What a post is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Question,
    Greeting,
    Thanks,
    /// Adverts, prize draws, and whatever else is sent to everybody.
    Spam,
    /// An insult or a threat, and no question.
    Abuse,
    /// No word at all.
    Empty,
}

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Question, Kind::Greeting, Kind::Thanks, Kind::Spam, Kind::Abuse, Kind::Empty];

    /// The word for it, which is the name of its rule file as well.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Question => "question",
            Kind::Greeting => "greeting",
            Kind::Thanks => "thanks",
            Kind::Spam => "spam",
            Kind::Abuse => "abuse",
            Kind::Empty => "empty",
        }
    }

    /// The kind whose rule file has this id.
    fn of_rules(id: &str) -> Option<Kind> {
        Kind::with_rules().find(|kind| kind.word() == id)
    }

    /// The kinds that rule files tell.
    fn with_rules() -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| *kind != Kind::Empty)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a post was found to be, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Screening {
    pub kind: Kind,
    /// What was weighed, in the order of the text.
    pub evidence: Vec<Evidence>,
}

impl Screening {
    /// The sum of what speaks for a kind.
    pub fn sum(&self, kind: Kind) -> f64 {
        self.evidence.iter().filter(|found| found.speaks_for == kind).map(|found| found.weight).sum()
    }
}

/// One thing that speaks for a kind of post.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    #[serde(rename = "kind")]
    pub speaks_for: Kind,
    /// A term as its rule file writes it, or the name of a sign, such as `a phone number`.
    pub because: String,
    /// What it counts; below 0 for a term that speaks against the kind.
    pub weight: f64,
    /// Byte offsets into the text, at boundaries of characters.
    pub start: usize,
    pub end: usize,
}

impl Evidence {
    /// Whether it counts as much as a strong term.
    fn is_strong(&self) -> bool {
        weights::shown(i32::from(weights::of(List::Strong))) <= self.weight
    }

    fn encloses(&self, start: usize, end: usize) -> bool {
        self.start <= start && end <= self.end
    }
}

/// The compiled rules of all kinds; `None` where there are none.
pub(super) type ScreeningRules = Option<Box<Subjects>>;

/// Whether a rule file tells a kind of post and not a subject.
pub(super) fn is_of_screening(file: &RuleFile) -> bool {
    is_of_folder(&file.name)
}

/// Whether a file lies in the folder of those that tell kinds of posts.
pub(super) fn is_of_folder(name: &str) -> bool {
    name.rsplit(['/', '\\']).nth(1) == Some(SCREENING_FOLDER)
}

/// Reads the rule files that tell kinds of posts, and finds all that is wrong with them.
pub(super) fn compile_rules(files: &[RuleFile]) -> (ScreeningRules, Vec<Fault>) {
    let of_screening = || files.iter().filter(|file| is_of_screening(file));
    if of_screening().next().is_none() {
        return (None, Vec::new());
    }
    let compiled = compile(of_screening(), |_, _| ());
    let mut faults = compiled.faults;
    faults.extend(of_screening().filter_map(unknown_kind));
    let rules = Subjects { subjects: compiled.subjects, index: compiled.index, ..Subjects::default() };
    (Some(Box::new(rules)), faults)
}

fn unknown_kind(file: &RuleFile) -> Option<Fault> {
    let id = format::id_of_name(&file.name);
    if Kind::of_rules(id).is_some() {
        return None;
    }
    let known: Vec<&str> = Kind::with_rules().map(Kind::word).collect();
    let hint = match closest_word(id, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}.toml`?"),
        None => format!("the files here are `{}.toml`", known.join(".toml`, `")),
    };
    Some(Fault::error(&file.name, None, "this is no kind of post").with_hint(hint))
}

/// Screens text after text.
#[derive(Debug)]
pub struct Screener<'s> {
    subjects: &'s Subjects,
    reader: Option<Reader<'s>>,
    words: Words,
}

impl<'s> Screener<'s> {
    pub(super) fn new(subjects: &'s Subjects) -> Screener<'s> {
        let reader = subjects.screening.as_deref().map(Subjects::reader);
        Screener { subjects, reader, words: Words::default() }
    }

    /// See [`Subjects::screen`].
    pub fn screen(&mut self, text: &str, language: Option<&str>) -> Screening {
        self.words.read(text);
        if self.words.words().is_empty() {
            return Screening { kind: Kind::Empty, evidence: Vec::new() };
        }
        let Some(reader) = &mut self.reader else {
            return Screening { kind: Kind::Question, evidence: Vec::new() };
        };
        let found = reader.classify(text, language);
        let evidence = evidence(text, &self.words, &found);
        if let Some(kind) = courtesy(&self.words, &evidence) {
            let said = evidence.into_iter().filter(|found| is_courtesy(found.speaks_for));
            return Screening { kind, evidence: said.collect() };
        }
        let weighed = evidence.into_iter().filter(|found| !is_courtesy(found.speaks_for)).collect();
        let mut screening = Screening { kind: Kind::Question, evidence: weighed };
        if HOLD_MIN <= screening.sum(Kind::Abuse) {
            let classification = self.subjects.classify(text, language);
            screening.evidence.extend(words_of_subject(self.subjects, &classification, &screening));
        }
        screening.kind = weighed_kind(&screening);
        screening
    }
}

/// Everything that speaks for or against a kind: terms and signs.
fn evidence(text: &str, words: &Words, found: &Classification) -> Vec<Evidence> {
    let of_term = |found: &Match| {
        let Match { term, weight, start, end, .. } = found.clone();
        Some(Evidence {
            speaks_for: Kind::of_rules(found.subject.as_str())?,
            because: term,
            weight,
            start,
            end,
        })
    };
    let signs = signals(text, words).into_iter().map(|(signal, place)| Evidence {
        speaks_for: signal.speaks_for(),
        because: signal.name().to_owned(),
        weight: signal.weight(),
        start: place.start,
        end: place.end,
    });
    let mut evidence: Vec<Evidence> = found.matched.iter().filter_map(of_term).chain(signs).collect();
    evidence.sort_by_key(|found| (found.start, found.end));
    evidence
}

fn is_courtesy(kind: Kind) -> bool {
    match kind {
        Kind::Greeting | Kind::Thanks => true,
        Kind::Question | Kind::Spam | Kind::Abuse | Kind::Empty => false,
    }
}

/// Thanks, or a greeting, where the text is nothing else.
fn courtesy(words: &Words, evidence: &[Evidence]) -> Option<Kind> {
    let said: Vec<&Evidence> =
        evidence.iter().filter(|found| is_courtesy(found.speaks_for) && 0.0 < found.weight).collect();
    let is_said = |start, end| said.iter().any(|found| found.encloses(start, end));
    // A term is evidence once, wherever it is repeated.
    let known: Vec<&str> = words
        .words()
        .iter()
        .filter(|word| is_said(word.start(), word.end()))
        .map(|word| words.folded(word))
        .collect();
    if !words.words().iter().all(|word| known.contains(&words.folded(word))) {
        return None;
    }
    let is_strong = |kind| said.iter().any(|found| found.speaks_for == kind && found.is_strong());
    [Kind::Thanks, Kind::Greeting].into_iter().find(|kind| is_strong(*kind))
}

/// The best subject's words, where one that people wrote stands outside every insult.
fn words_of_subject(subjects: &Subjects, found: &Classification, screening: &Screening) -> Option<Evidence> {
    let best = found.best.as_ref()?;
    let insults = || screening.evidence.iter().filter(|found| found.speaks_for == Kind::Abuse);
    let is_outside = |term: &&Match| !insults().any(|insult| insult.encloses(term.start, term.end));
    let of_best = found.matched.iter().filter(|term| term.subject == *best && 0.0 < term.weight);
    let of_best = of_best.filter(|term| term.learned.is_none());
    let term = of_best.into_iter().find(is_outside)?;
    let name = subjects.get(best).map_or(best.as_str(), |subject: &Subject| subject.name.as_str());
    let because = format!("words of {name}");
    Some(Evidence { speaks_for: Kind::Question, because, weight: SUBJECT, start: term.start, end: term.end })
}

/// Spam or abuse where one of them is well above what speaks for a question.
fn weighed_kind(screening: &Screening) -> Kind {
    let question = screening.sum(Kind::Question).max(0.0);
    let (abuse, spam) = (screening.sum(Kind::Abuse), screening.sum(Kind::Spam));
    let (kind, most) = if spam <= abuse { (Kind::Abuse, abuse) } else { (Kind::Spam, spam) };
    if HOLD_MIN <= most - question { kind } else { Kind::Question }
}
