//! From rule files to all that classifying needs: subjects, terms, and a lexicon for each language.
//!
//! **Invariant:** one file's faults never keep another file from being used, and the result does
//! not depend on the order of the files.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use crate::fault::Fault;
use crate::subjects::format::{self, FAULTS_MAX, List, Rules, Term, Text};
use crate::subjects::language::Language;
use crate::subjects::learned::{self, Learned};
use crate::subjects::lexicon::{Ending, Extent, Lexicon, PHRASE_WORDS_MAX, PREFIX_CHARS_MIN, TermId};
use crate::subjects::words::{Key, Words, fold_tag};
use crate::subjects::{RuleFile, Subject, SubjectId};

/// The longest term, in bytes.
const TERM_BYTES_MAX: usize = 120;

/// All terms of all subjects.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Where the text of each term, as the rule file writes it, ends among all texts; it begins where
    /// the text of the term before ends.
    text_ends: Vec<u32>,
    texts: String,
    /// English first, then the other languages that rules speak.
    pub(super) lexicons: Vec<Lexicon>,
    /// What was learned. Its ids of terms are its own.
    pub(super) learned: Learned,
    /// Hashtags as people write them, folded.
    pub(super) tags: HashMap<Box<str>, Vec<Ending>>,
}

impl Index {
    /// To be called when all terms are there.
    fn finish(&mut self) {
        self.lexicons.iter_mut().for_each(Lexicon::finish);
        self.text_ends.shrink_to_fit();
        self.texts.shrink_to_fit();
    }

    /// How many terms people wrote.
    pub(super) fn len(&self) -> usize {
        self.text_ends.len()
    }

    /// The term as the rule file writes it.
    pub(super) fn text(&self, id: TermId) -> &str {
        let end = |id: usize| self.text_ends.get(id).map(|end| *end as usize);
        let start = (id as usize).checked_sub(1).and_then(end).unwrap_or_default();
        end(id as usize).and_then(|end| self.texts.get(start..end)).unwrap_or_default()
    }
}

/// What classifying needs, and what is wrong with the files.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) subjects: Vec<Subject>,
    pub(super) index: Index,
    pub(super) faults: Vec<Fault>,
}

/// A term of a file and what it came to.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Its place in the file's list of terms.
    pub(super) term: usize,
    /// The first term of the same subject that has the same stems.
    pub(super) same_as: Option<TermId>,
    pub(super) id: TermId,
}

/// Compiles all files. `each` is given what was read of a file, and where its terms went, in the
/// order of the subjects; a desk that only classifies lets that go, which saves more memory than
/// all its terms need.
pub(super) fn compile<'f>(
    files: impl IntoIterator<Item = &'f RuleFile>,
    mut each: impl FnMut(Rules, Vec<Placed>),
) -> Compiled {
    let (learned, mut files): (Vec<&RuleFile>, Vec<&RuleFile>) =
        files.into_iter().partition(|file| learned::is_learned(file));
    files.sort_by_key(|file| (format::id_of_name(&file.name), &file.name));
    let mut subjects: Vec<Subject> = Vec::new();
    let mut parents = Vec::new();
    let mut builder = Builder::default();
    builder.index.lexicons.push(Lexicon::new(Language::ENGLISH));
    for file in files {
        let (rules, its_faults) = format::read(file);
        builder.faults.extend(its_faults);
        let Some(rules) = rules else { continue };
        if let Some(first) = parents.last().filter(|first: &&Parent| first.id == rules.id) {
            let what = format!("{} already has the rules of this subject", first.file);
            let fault = Fault::error(&rules.file, None, what);
            builder.faults.push(fault.with_hint("take one of the two files away"));
            continue;
        }
        let placed = builder.add(subjects.len(), &rules);
        subjects.push(subject(&rules));
        parents.push(Parent { file: rules.file.clone(), id: rules.id.clone(), parent: rules.parent.clone() });
        each(rules, placed);
    }
    builder.add_learned(learned, &subjects);
    let Builder { mut index, mut faults, .. } = builder;
    index.finish();
    for (subject, parent) in subjects.iter_mut().zip(checked(&parents, &mut faults)) {
        subject.parent = parent;
    }
    faults.sort_by_key(|fault| (fault.file.clone(), fault.span.as_ref().map(|span| span.start)));
    Compiled { subjects, index, faults: first_of_each_file(faults) }
}

/// The first faults of each file, with a note where there are more. Faults come sorted by file.
fn first_of_each_file(faults: Vec<Fault>) -> Vec<Fault> {
    let mut kept: Vec<Fault> = Vec::new();
    for of_file in faults.chunk_by(|a, b| a.file == b.file) {
        kept.extend(of_file.iter().take(FAULTS_MAX).cloned());
        if let Some(next) = of_file.get(FAULTS_MAX) {
            let note = Fault::error(&next.file, None, "there are more faults in this file than are listed");
            kept.push(note.with_hint("mend the listed ones first"));
        }
    }
    kept
}

/// The subject of a file, its parent left out.
fn subject(rules: &Rules) -> Subject {
    let hashtags = rules.terms.iter().filter(|term| term.list == List::Hashtags);
    Subject {
        id: rules.id.clone(),
        name: rules.name.clone(),
        parent: None,
        lcc: rules.lcc.clone(),
        ddc: rules.ddc.clone(),
        hashtags: hashtags.map(|term| term.text.clone()).collect(),
    }
}

/// The parent that a file names for its subject.
struct Parent {
    file: String,
    id: SubjectId,
    parent: Option<Text>,
}

/// The parent of each file's subject, where it is one: unknown parents and circles are faults.
fn checked(parents: &[Parent], faults: &mut Vec<Fault>) -> Vec<Option<SubjectId>> {
    let known: BTreeMap<&str, Option<&str>> = parents
        .iter()
        .map(|named| (named.id.as_str(), named.parent.as_ref().map(|parent| parent.text.as_str())))
        .collect();
    let parent_of = |named: &Parent| {
        let parent = named.parent.as_ref()?;
        let fault = |what: &str| Fault::error(&named.file, parent.span.clone(), what);
        if !known.contains_key(parent.text.as_str()) {
            let near = super::naming::closest_word(&parent.text, known.keys().copied());
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name the id of another rule file, or take the line out".to_owned(),
            };
            faults.push(fault("no rule file has this id").with_hint(hint));
            return None;
        }
        if is_own_ancestor(named.id.as_str(), &known) {
            let hint = "take out one of the parents in the circle";
            faults.push(fault("this subject is its own parent, directly or in a circle").with_hint(hint));
            return None;
        }
        Some(SubjectId::new(&parent.text))
    };
    parents.iter().map(parent_of).collect()
}

fn is_own_ancestor(id: &str, parents: &BTreeMap<&str, Option<&str>>) -> bool {
    let mut at = id;
    // No chain of parents is longer than the list of subjects, unless it is a circle.
    for _ in 0..parents.len() {
        match parents.get(at) {
            Some(Some(parent)) if *parent == id => return true,
            Some(Some(parent)) => at = parent,
            Some(None) | None => return false,
        }
    }
    false
}

#[derive(Default)]
struct Builder {
    index: Index,
    faults: Vec<Fault>,
    hashtags: HashSet<Box<str>>,
    words: TermWords,
    /// The first of the file's terms at each place of a lexicon.
    first_at: HashMap<(usize, u32), usize>,
    /// The others, where there are any.
    others_at: HashMap<(usize, u32), Vec<usize>>,
}

impl Builder {
    fn add(&mut self, subject: usize, rules: &Rules) -> Vec<Placed> {
        self.hashtags.clear();
        self.first_at.clear();
        self.others_at.clear();
        let mut placed = Vec::new();
        for (number, term) in rules.terms.iter().enumerate() {
            let result = match term.list {
                List::Hashtags => self.add_hashtag(subject, term),
                List::Strong | List::Weak | List::Against | List::Ignore => {
                    self.add_term(subject, number, &rules.terms, &mut placed)
                }
            };
            let span = term.span.clone();
            match result {
                Ok(None) => {}
                Ok(Some(warning)) => self.faults.push(Fault::warning(&rules.file, span, warning)),
                Err((what, hint)) => {
                    self.faults.push(Fault::error(&rules.file, span, what).with_hint(hint));
                }
            }
        }
        placed
    }

    fn add_hashtag(&mut self, subject: usize, term: &Term) -> Added {
        if term.text.len() > TERM_BYTES_MAX {
            return Err(("this hashtag is too long".to_owned(), format!("{TERM_BYTES_MAX} bytes at most")));
        }
        let tagged = Words::of(&format!("#{}", term.text));
        let key: Box<str> = fold_tag(&term.text).into();
        let is_one_tag = matches!(tagged.tags(), [tag] if tag.end == term.text.len() + 1);
        if !is_one_tag {
            let hint = "letters, digits and `_`, with one letter at least";
            return Err(("no network reads this as a hashtag".to_owned(), hint.to_owned()));
        }
        if !self.hashtags.insert(key.clone()) {
            return Ok(Some("this hashtag stands in the list before"));
        }
        let ending = self.push(subject, term);
        self.index.tags.entry(key).or_default().push(ending);
        Ok(None)
    }

    fn add_term(&mut self, subject: usize, number: usize, terms: &[Term], placed: &mut Vec<Placed>) -> Added {
        let Some(term) = terms.get(number) else { return Ok(None) };
        self.words.read(&term.text)?;
        let language = lexicon_of(&mut self.index.lexicons, term.language);
        let lexicon = self.index.lexicons.get_mut(language).expect("it was made where it was missing");
        let node = lexicon.place(self.words.keyed());
        let place = (language, node);
        let first = *self.first_at.entry(place).or_insert(placed.len());
        let first = placed.get(first);
        let others = self.others_at.get(&place).into_iter().flatten().filter_map(|at| placed.get(*at));
        for placed in first.into_iter().chain(others) {
            let Some(other) = terms.get(placed.term).filter(|other| self.words.is_written(&other.text))
            else {
                continue;
            };
            return Ok(Some(if other.list == term.list {
                "this term stands in the list before"
            } else if term.list == List::Against {
                "this term stands in another list of the file, which counts: it cannot be for and against"
            } else {
                "this term stands in another list of the file, which counts"
            }));
        }
        let same_as = first.map(|first| first.id);
        let ending = self.push(subject, term);
        match same_as {
            None => self
                .index
                .lexicons
                .get_mut(language)
                .into_iter()
                .for_each(|lexicon| lexicon.add(node, ending)),
            Some(_) => self.others_at.entry(place).or_default().push(placed.len()),
        }
        placed.push(Placed { term: number, same_as, id: ending.term });
        Ok(None)
    }

    fn add_learned(&mut self, mut files: Vec<&RuleFile>, subjects: &[Subject]) {
        files.sort_by_key(|file| &file.name);
        let places = subjects.iter().enumerate();
        let places =
            places.filter_map(|(place, subject)| Some((subject.id.as_str(), u16::try_from(place).ok()?)));
        let places: HashMap<&str, u16> = places.collect();
        let Builder { index, faults, words, .. } = self;
        let Some(english) = index.lexicons.first_mut() else { return };
        for file in files {
            faults.extend(index.learned.read(file, &places, |term, id| {
                if term.starts_with('*') || term.ends_with('*') {
                    english.add_shape(term, id);
                    return Ok(());
                }
                words.read(term)?;
                let node = english.place(words.keyed());
                english.add(node, Ending::of_learned(id));
                Ok(())
            }));
        }
    }

    fn push(&mut self, subject: usize, term: &Term) -> Ending {
        let Index { text_ends, texts, .. } = &mut self.index;
        let id = TermId::try_from(text_ends.len()).expect("limits on files and terms keep them few");
        texts.push_str(&term.text);
        text_ends.push(u32::try_from(texts.len()).expect("limits on files and terms keep it short"));
        let subject = u16::try_from(subject).expect("a limit on files keeps subjects few");
        Ending { term: id, subject, list: term.list }
    }
}

/// A warning perhaps, or what is wrong and what to do.
type Added = Result<Option<&'static str>, (String, String)>;

/// The place of a language's lexicon, which is made where it is missing.
fn lexicon_of(lexicons: &mut Vec<Lexicon>, language: Language) -> usize {
    let place = lexicons.iter().position(|lexicon| lexicon.language() == language).unwrap_or(lexicons.len());
    if place == lexicons.len() {
        lexicons.push(Lexicon::new(language));
    }
    place
}

/// A term cut into words. Meant to be filled again and again.
#[derive(Debug, Default)]
pub(super) struct TermWords {
    words: Words,
    extents: Vec<Extent>,
}

impl TermWords {
    /// Reads a term: what is wrong and what to do where it is none.
    pub(super) fn read(&mut self, term: &str) -> Result<(), (String, String)> {
        let fault = |what: &str, hint: &str| Err((what.to_owned(), hint.to_owned()));
        if term.len() > TERM_BYTES_MAX {
            return fault("this term is too long", "keep the two or three words that tell the subject");
        }
        self.words.read(term);
        self.extents.clear();
        let mut stars = 0;
        for word in self.words.words() {
            let after = term.get(word.end()..).unwrap_or_default();
            let extent = if after.starts_with('*') { Extent::Beginning } else { Extent::Whole };
            if extent == Extent::Beginning {
                stars += 1;
                if after.chars().nth(1).is_some_and(|c| !c.is_whitespace()) {
                    return fault("`*` stands inside a word", "put it at the word's end, as in \"ottoman*\"");
                }
                if self.words.folded(word).chars().count() < PREFIX_CHARS_MIN {
                    let hint = format!("write {PREFIX_CHARS_MIN} letters or more before the star");
                    return Err(("this beginning is so short that it fits anything".to_owned(), hint));
                }
            }
            self.extents.push(extent);
        }
        if term.matches('*').count() != stars {
            return fault("`*` does not follow a word", "put it at the word's end, as in \"ottoman*\"");
        }
        if self.extents.is_empty() {
            return fault("this term has no word in it", "write a word or a phrase");
        }
        if self.extents.len() > PHRASE_WORDS_MAX {
            return fault(
                "this term has too many words",
                "keep the two or three words that tell the subject",
            );
        }
        Ok(())
    }

    /// The folded words, and how much of a word each stands for.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Extent)> {
        self.keyed().map(|(folded, _, extent)| (folded, extent))
    }

    /// The same, with the words' keys.
    fn keyed(&self) -> impl Iterator<Item = (&str, Option<Key>, Extent)> {
        let words = self.words.words().iter().zip(self.extents.iter().copied());
        words.map(|(word, extent)| (self.words.folded(word), word.key, extent))
    }

    /// Whether `term` is written with the same words, capitals and accents aside.
    fn is_written(&self, term: &str) -> bool {
        let mut other = TermWords::default();
        other.read(term).is_ok() && self.iter().eq(other.iter())
    }
}
