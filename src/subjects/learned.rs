//! What was learned from questions whose subject is known: for each word, phrase and word shape, what
//! it says for which subjects.
//!
//! ```text
//! # Lines that begin with # are notes.
//! subject<TAB>gen<TAB>genealogy          a short name for a subject of the rule files
//! term<TAB>questions<TAB>sources<TAB>weights
//! ancestors<TAB>412<TAB>3<TAB>gen+214 his-38
//! birth record<TAB>64<TAB>2<TAB>gen+97
//! *ology<TAB>218<TAB>24<TAB>bio+31
//! ```
//!
//! One line a term, in the order of the alphabet, so that a change of rules is a small change of the
//! files. Weights are hundredths of what a term counts. `*ology` is the shape of a word: it counts for
//! words that have no line of their own. A lone `*` is what every question says. [`learn`](crate::subjects::learn) writes these files; people
//! write the rule files beside them, which win.
//!
//! **Invariant:** no text of a question is in a learned file, only terms that several questions share.

use hashbrown::HashMap;

use crate::fault::Fault;
use crate::subjects::RuleFile;
use crate::subjects::format::FAULTS_MAX;
use crate::subjects::lexicon::TermId;

/// The folder of learned files, beside the rule files.
pub const LEARNED_FOLDER: &str = "learned";

/// The ending of a learned file's name.
pub const LEARNED_ENDING: &str = "tsv";

/// The longest learned file that is read, in bytes.
pub const LEARNED_FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The first word of a line that names a subject.
pub(super) const SUBJECT_LINE: &str = "subject";

/// The headings of the columns, as the files have them.
pub(super) const HEADINGS: &str = "term\tquestions\tsources\tweights";

/// Stands for every question: what a subject begins with.
pub(super) const EVERY_QUESTION: &str = "*";

/// Ids of terms from here on are rows of [`Learned`].
const FIRST_ID: TermId = 1 << 31;

/// Whether a file holds what was learned, by its place.
pub(super) fn is_learned(file: &RuleFile) -> bool {
    let mut parts = file.name.rsplit(['/', '\\']);
    let name = parts.next().unwrap_or_default();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending == Some(LEARNED_ENDING) && parts.next() == Some(LEARNED_FOLDER)
}

/// What a term says for one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    /// The subject's place in the list of subjects.
    pub(super) subject: u16,
    /// In hundredths.
    pub(super) hundredths: i16,
}

/// In how many questions, of how many sources, a term was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Support {
    pub questions: u32,
    pub sources: u16,
}

/// All learned terms.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    texts: String,
    rows: Vec<Row>,
    weights: Vec<Weight>,
    /// The row of every question.
    base: Option<u32>,
    /// Whether anything was learned, for each subject.
    taught: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    text_end: u32,
    weights_end: u32,
    support: Support,
}

impl Learned {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row that a term's id stands for; `None` where people wrote the term.
    pub(super) fn row_of(id: TermId) -> Option<u32> {
        id.checked_sub(FIRST_ID)
    }

    /// Whether anything was learned for a subject.
    pub(super) fn teaches(&self, subject: u16) -> bool {
        self.taught.get(usize::from(subject)).copied().unwrap_or_default()
    }

    /// The row that counts for every question.
    pub(super) fn base(&self) -> Option<u32> {
        self.base
    }

    pub(super) fn text(&self, row: u32) -> &str {
        let (from, until) = self.span(row, |row| row.text_end);
        self.texts.get(from..until).unwrap_or_default()
    }

    pub(super) fn support(&self, row: u32) -> Support {
        self.rows.get(row as usize).map(|row| row.support).unwrap_or_default()
    }

    /// What the term says, in the order of the subjects.
    #[inline]
    pub(super) fn weights(&self, row: u32) -> &[Weight] {
        let (from, until) = self.span(row, |row| row.weights_end);
        self.weights.get(from..until).unwrap_or_default()
    }

    /// What the term says for one subject, in hundredths.
    pub(super) fn weight_for(&self, row: u32, subject: u16) -> Option<i16> {
        let weights = self.weights(row);
        let at = weights.binary_search_by_key(&subject, |weight| weight.subject).ok()?;
        weights.get(at).map(|weight| weight.hundredths)
    }

    #[inline]
    fn span(&self, row: u32, end: fn(&Row) -> u32) -> (usize, usize) {
        let row = row as usize;
        let before = row.checked_sub(1).and_then(|row| self.rows.get(row));
        (before.map_or(0, end) as usize, self.rows.get(row).map_or(0, end) as usize)
    }

    /// Reads a file. `place` is given each term with its id, and says what is wrong with it.
    pub(super) fn read(
        &mut self,
        file: &RuleFile,
        subjects: &HashMap<&str, u16>,
        mut place: impl FnMut(&str, TermId) -> Result<(), (String, String)>,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let text = match text_of(file) {
            Ok(text) => text,
            Err(fault) => return vec![fault],
        };
        self.taught.resize(subjects.len(), false);
        let mut names = HashMap::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let span = start..start + line.trim_end().len();
            start += line.len();
            if let Err((what, hint)) = self.read_line(line.trim_end(), subjects, &mut names, &mut place) {
                faults.push(Fault::warning(&file.name, span, what).with_hint(hint));
                if FAULTS_MAX <= faults.len() {
                    break;
                }
            }
        }
        self.rows.shrink_to_fit();
        self.weights.shrink_to_fit();
        self.texts.shrink_to_fit();
        faults
    }

    fn read_line<'t>(
        &mut self,
        line: &'t str,
        subjects: &HashMap<&str, u16>,
        names: &mut HashMap<&'t str, Option<u16>>,
        place: &mut impl FnMut(&str, TermId) -> Result<(), (String, String)>,
    ) -> Result<(), (String, String)> {
        let fault = |what: &str, hint: &str| Err((what.to_owned(), hint.to_owned()));
        if line.is_empty() || line.starts_with('#') || line == HEADINGS {
            return Ok(());
        }
        let mut fields = line.split(['\t']);
        let mut field = || fields.next().unwrap_or_default();
        let (term, second, third, weights) = (field(), field(), field(), field());
        if term == SUBJECT_LINE && second.parse::<u32>().is_err() {
            let subject = subjects.get(third).copied();
            names.insert(second, subject);
            return match subject {
                Some(_) => Ok(()),
                None => fault("no rule file has this subject", "learn again, or put the rule file back"),
            };
        }
        let (Ok(questions), Ok(sources)) = (second.parse(), third.parse()) else {
            let hint = "term, questions, sources and weights stand here, with a tab between them";
            return fault("this is no line of a learned file", hint);
        };
        let first = self.weights.len();
        for weight in weights.split([' ']).filter(|weight| !weight.is_empty()) {
            match self.read_weight(weight, names) {
                Ok(()) => {}
                Err(what) => {
                    self.weights.truncate(first);
                    return fault(what, "a weight is a short name and hundredths, such as `gen+214`");
                }
            }
        }
        self.weights.get_mut(first..).into_iter().for_each(|new| new.sort_unstable_by_key(|w| w.subject));
        let row = u32::try_from(self.rows.len()).expect("a limit on files keeps them few");
        if term == EVERY_QUESTION {
            self.base = Some(row);
        } else if let Err(fault) = place(term, FIRST_ID + row) {
            self.weights.truncate(first);
            return Err(fault);
        }
        self.texts.push_str(term);
        let end = |length: usize| u32::try_from(length).expect("a limit on files keeps them short");
        self.rows.push(Row {
            text_end: end(self.texts.len()),
            weights_end: end(self.weights.len()),
            support: Support { questions, sources },
        });
        Ok(())
    }

    fn read_weight(&mut self, weight: &str, names: &HashMap<&str, Option<u16>>) -> Result<(), &'static str> {
        let is_sign = |byte: u8| matches!(byte, b'+' | b'-');
        let at = weight.bytes().rposition(is_sign).ok_or("this weight has no sign")?;
        let (name, number) = weight.split_at(at);
        let hundredths = number.parse().map_err(|_| "this weight is no number")?;
        match names.get(name) {
            Some(Some(subject)) => {
                self.weights.push(Weight { subject: *subject, hundredths });
                self.taught.get_mut(usize::from(*subject)).into_iter().for_each(|taught| *taught = true);
            }
            // A subject whose rule file is gone was told of once, where it is named.
            Some(None) => {}
            None => return Err("no line above says which subject this short name is"),
        }
        Ok(())
    }
}

fn text_of(file: &RuleFile) -> Result<&str, Fault> {
    if file.text.len() > LEARNED_FILE_BYTES_MAX {
        let fault = Fault::error(&file.name, None, "this file is larger than 8 MiB and was not read");
        return Err(fault.with_hint("learn again, which writes less"));
    }
    std::str::from_utf8(&file.text).map_err(|error| {
        let at = error.valid_up_to();
        let fault = Fault::error(&file.name, at..at + 1, "from here on the file is not UTF-8 text");
        fault.with_hint("learn again, which writes it anew")
    })
}
