//! The questions as rows of word forms, cut and stemmed as the classifier does it.
//!
//! **Invariant:** a question's words are those that [`classify`](crate::subjects::Subjects::classify)
//! would see in it.

use hashbrown::HashMap;

use crate::subjects::language::Language;
use crate::subjects::learn::Labelled;
use crate::subjects::words::Words;

/// A word as it was written, folded and without possessive.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) text: Box<str>,
    /// The number of its stem.
    pub(super) stem: u32,
    /// In how many questions it stands.
    pub(super) questions: u32,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'c> {
    /// The numbers of its forms, in the order of the text.
    pub(super) forms: &'c [u32],
    /// The place of its subject in [`Corpus::subjects`].
    pub(super) subject: u16,
    pub(super) source: u16,
}

/// All questions that are learned from.
#[derive(Debug, Default)]
pub(super) struct Corpus {
    forms: Vec<Form>,
    stems: usize,
    /// The forms of all questions, one after the other.
    text: Vec<u32>,
    questions: Vec<Row>,
    subjects: Vec<String>,
    sources: usize,
}

#[derive(Debug)]
struct Row {
    end: usize,
    subject: u16,
    source: u16,
}

impl Corpus {
    pub(super) fn of(questions: &[Labelled<'_>]) -> Corpus {
        let mut corpus =
            Corpus { subjects: names(questions, |question| question.subject), ..Corpus::default() };
        let sources = names(questions, |question| question.source);
        corpus.sources = sources.len();
        let rules = Language::ENGLISH.rules();
        let (mut words, mut forms, mut stems) = (Words::default(), HashMap::new(), HashMap::new());
        for question in questions {
            words.read(question.text);
            let start = corpus.text.len();
            for word in words.words() {
                let base = rules.base(words.folded(word));
                let form = match forms.get(base) {
                    Some(form) => *form,
                    None => {
                        let next = number(stems.len());
                        let stem = *stems.entry(rules.stem(base).into_owned()).or_insert(next);
                        let form = number(corpus.forms.len());
                        corpus.forms.push(Form { text: base.into(), stem, questions: 0 });
                        forms.insert(base.to_owned(), form);
                        form
                    }
                };
                corpus.text.push(form);
            }
            corpus.count(start);
            let place = |names: &[String], name: &str| names.binary_search_by(|n| n.as_str().cmp(name));
            let place =
                |names, name| u16::try_from(place(names, name).unwrap_or_default()).unwrap_or_default();
            corpus.questions.push(Row {
                end: corpus.text.len(),
                subject: place(&corpus.subjects, question.subject),
                source: place(&sources, question.source),
            });
        }
        corpus.stems = stems.len();
        corpus
    }

    /// Counts the forms of one question, each once.
    fn count(&mut self, start: usize) {
        let mut forms = self.text.get(start..).unwrap_or_default().to_vec();
        forms.sort_unstable();
        forms.dedup();
        for form in forms {
            self.forms.get_mut(form as usize).into_iter().for_each(|form| form.questions += 1);
        }
    }

    pub(super) fn forms(&self) -> &[Form] {
        &self.forms
    }

    pub(super) fn form(&self, form: u32) -> &Form {
        self.forms.get(form as usize).expect("questions only hold numbers of forms")
    }

    pub(super) fn stems(&self) -> usize {
        self.stems
    }

    /// The subjects that have questions, in the order of their ids.
    pub(super) fn subjects(&self) -> &[String] {
        &self.subjects
    }

    pub(super) fn sources(&self) -> usize {
        self.sources
    }

    pub(super) fn len(&self) -> usize {
        self.questions.len()
    }

    pub(super) fn questions(&self) -> impl Iterator<Item = Question<'_>> {
        let starts = std::iter::once(0).chain(self.questions.iter().map(|row| row.end));
        starts.zip(&self.questions).map(|(start, row)| Question {
            forms: self.text.get(start..row.end).unwrap_or_default(),
            subject: row.subject,
            source: row.source,
        })
    }
}

fn names<'t>(questions: &[Labelled<'t>], name: impl Fn(&Labelled<'t>) -> &'t str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for question in questions {
        if let Err(place) = names.binary_search_by(|known| known.as_str().cmp(name(question))) {
            names.insert(place, name(question).to_owned());
        }
    }
    names
}

pub(super) fn number(length: usize) -> u32 {
    u32::try_from(length).expect("there are fewer different words than that")
}
