//! From rule files to all that classifying needs: subjects, terms, and a lexicon for each language.
//!
//! **Invariant:** one file's faults never keep another file from being used, and the result does
//! not depend on the order of the files.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::fault::Fault;
use crate::subjects::format::{self, FAULTS_MAX, List, Rules, Term, Text};
use crate::subjects::language::Language;
use crate::subjects::lexicon::{Extent, Lexicon, PHRASE_WORDS_MAX, PREFIX_CHARS_MIN, TermId, TermWord};
use crate::subjects::words::{Words, fold_tag};
use crate::subjects::{RuleFile, Subject, SubjectId, weights};

/// The longest term, in bytes.
const TERM_BYTES_MAX: usize = 120;

/// A term ready to be found.
#[derive(Clone, Debug)]
pub(super) struct CompiledTerm {
    /// Its subject's place in the list of subjects.
    pub(super) subject: u32,
    /// As the rule file writes it.
    pub(super) text: Box<str>,
    pub(super) weight: f64,
}

/// All terms of all subjects.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    pub(super) terms: Vec<CompiledTerm>,
    /// English first, then the other languages that rules speak.
    pub(super) lexicons: Vec<Lexicon>,
    /// Hashtags, and phrases written as one word, as people write them in hashtags.
    pub(super) tags: HashMap<Box<str>, Vec<TermId>>,
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
    pub(super) words: Vec<TermWord>,
    /// The first term of the same subject that has the same stems.
    pub(super) same_as: Option<TermId>,
    pub(super) id: TermId,
}

/// Compiles all files. `each` is given what was read of a file, and where its terms went, in the
/// order of the subjects; a desk that only classifies lets that go, which saves more memory than
/// all its terms need.
pub(super) fn compile(files: &[RuleFile], mut each: impl FnMut(Rules, Vec<Placed>)) -> Compiled {
    let mut files: Vec<&RuleFile> = files.iter().collect();
    files.sort_by_key(|file| (format::id_of_name(&file.name), &file.name));
    let mut subjects: Vec<Subject> = Vec::new();
    let mut parents = Vec::new();
    let mut builder = Builder::new();
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
    let Builder { index, mut faults, .. } = builder;
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

/// A term's words as written, for finding what stands twice.
type Written = (Language, Vec<TermWord>);

struct Builder {
    index: Index,
    faults: Vec<Fault>,
    /// What the file at hand has written so far.
    written: HashMap<Written, List>,
    hashtags: HashSet<Box<str>>,
}

impl Builder {
    fn new() -> Builder {
        let lexicons = vec![Lexicon::new(Language::english())];
        Builder {
            index: Index { lexicons, ..Index::default() },
            faults: Vec::new(),
            written: HashMap::new(),
            hashtags: HashSet::new(),
        }
    }

    fn add(&mut self, place: usize, rules: &Rules) -> Vec<Placed> {
        self.written.clear();
        self.hashtags.clear();
        let mut placed = Vec::new();
        for (number, term) in rules.terms.iter().enumerate() {
            let result = match term.list {
                List::Hashtags => self.add_hashtag(place, term),
                List::Strong | List::Weak | List::Against => self.add_term(place, number, term, &mut placed),
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
        let id = self.push(subject, term);
        self.index.tags.entry(key).or_default().push(id);
        Ok(None)
    }

    fn add_term(&mut self, subject: usize, number: usize, term: &Term, placed: &mut Vec<Placed>) -> Added {
        let words = term_words(&term.text)?;
        let written = (term.language.clone(), words.clone());
        let first = self.written.get(&written).copied();
        if let Some(first) = first {
            let warning = if first == term.list {
                "this term stands in the list before"
            } else {
                "this term stands in another list of the file, which counts"
            };
            return Ok(Some(warning));
        }
        self.written.insert(written, term.list);
        let id = self.push(subject, term);
        let same = lexicon_of(&mut self.index.lexicons, &term.language).place(&words);
        let terms = &self.index.terms;
        let subject_of = |id: TermId| terms.get(id as usize).map(|term| term.subject);
        let is_own = |other: &&TermId| subject_of(**other) == subject_of(id);
        let same_as = same.iter().find(is_own).copied();
        if same_as.is_none() {
            same.push(id);
            self.add_joined(&words, id);
        }
        placed.push(Placed { term: number, words, same_as, id });
        Ok(None)
    }

    /// A phrase is also found as the one word that people make of it in a hashtag.
    fn add_joined(&mut self, words: &[TermWord], id: TermId) {
        let is_whole = |word: &TermWord| word.extent == Extent::Whole;
        if words.len() > 1 && words.iter().all(is_whole) {
            let key: String = words.iter().map(|word| word.folded.as_str()).collect();
            self.index.tags.entry(key.into()).or_default().push(id);
        }
    }

    fn push(&mut self, subject: usize, term: &Term) -> TermId {
        let id = TermId::try_from(self.index.terms.len()).expect("limits on files and terms keep them few");
        let subject = u32::try_from(subject).expect("a limit on files keeps subjects few");
        let weight = weights::of(term.list);
        self.index.terms.push(CompiledTerm { subject, text: term.text.as_str().into(), weight });
        id
    }
}

/// A warning perhaps, or what is wrong and what to do.
type Added = Result<Option<&'static str>, (String, String)>;

fn lexicon_of<'a>(lexicons: &'a mut Vec<Lexicon>, language: &Language) -> &'a mut Lexicon {
    let place = lexicons.iter().position(|lexicon| lexicon.language() == language).unwrap_or(lexicons.len());
    if place == lexicons.len() {
        lexicons.push(Lexicon::new(language.clone()));
    }
    lexicons.get_mut(place).expect("it was pushed where it was missing")
}

/// A term as words: what is wrong and what to do where it is none.
fn term_words(term: &str) -> Result<Vec<TermWord>, (String, String)> {
    let fault = |what: &str, hint: &str| Err((what.to_owned(), hint.to_owned()));
    if term.len() > TERM_BYTES_MAX {
        return fault("this term is too long", "keep the two or three words that tell the subject");
    }
    let words = Words::of(term);
    let mut stars = 0;
    let mut term_words = Vec::new();
    for word in words.words() {
        let after = term.get(word.end..).unwrap_or_default();
        let folded = words.folded(word).to_owned();
        let extent = if after.starts_with('*') { Extent::Beginning } else { Extent::Whole };
        if extent == Extent::Beginning {
            stars += 1;
            if after.chars().nth(1).is_some_and(|c| !c.is_whitespace()) {
                return fault("`*` stands inside a word", "put it at the word's end, as in \"ottoman*\"");
            }
            if folded.chars().count() < PREFIX_CHARS_MIN {
                let hint = format!("write {PREFIX_CHARS_MIN} letters or more before the star");
                return Err(("this beginning is so short that it fits anything".to_owned(), hint));
            }
        }
        term_words.push(TermWord { folded, extent });
    }
    if term.matches('*').count() != stars {
        return fault("`*` does not follow a word", "put it at the word's end, as in \"ottoman*\"");
    }
    if term_words.is_empty() {
        return fault("this term has no word in it", "write a word or a phrase");
    }
    if term_words.len() > PHRASE_WORDS_MAX {
        return fault("this term has too many words", "keep the two or three words that tell the subject");
    }
    Ok(term_words)
}
