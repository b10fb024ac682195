//! Advice on rule files that work and could work better.
//!
//! **Invariant:** everything found here is a warning, and comes after every fault that
//! [`Subjects::compile`](crate::subjects::Subjects::compile) finds.

use std::collections::HashMap;

use crate::fault::{Fault, Position};
use crate::subjects::compile::{Placed, TermWords, compile};
use crate::subjects::format::{List, Rules, Term};
use crate::subjects::language::Language;
use crate::subjects::lexicon::{Extent, TermId};
use crate::subjects::{RuleFile, Subjects, screening, weights};

/// A subject with fewer terms finds next to nothing.
const TERMS_MIN: usize = 10;

/// All faults of the files, and all advice.
pub fn lint(files: &[RuleFile]) -> Vec<Fault> {
    let (_, mut faults) = Subjects::compile(files);
    let (kinds, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| screening::is_of_screening(file));
    // A word may tell a subject and a kind of post; neither is in the other's way.
    faults.extend(advice(&others));
    faults.extend(advice(&kinds));
    faults.sort_by_key(|fault| (fault.file.clone(), fault.span.as_ref().map(|span| span.start)));
    faults
}

/// All advice on files whose subjects, or kinds of posts, are told from each other.
fn advice(files: &[&RuleFile]) -> Vec<Fault> {
    let mut terms = Terms::default();
    compile(files.iter().copied(), |rules, placed| terms.add(rules, placed));
    let mut faults = Vec::new();
    terms.rules.iter().for_each(|rules| whole_file(rules, &mut faults));
    let sources: Sources = files.iter().map(|file| (file.name.as_str(), file.text.as_slice())).collect();
    faults.extend(same_stems(&terms, &sources));
    faults.extend(strong_elsewhere(&terms));
    faults.extend(never_counted(&terms, &sources));
    faults
}

/// The files as they were read, and all their terms.
#[derive(Default)]
struct Terms {
    rules: Vec<Rules>,
    placed: Vec<PlacedTerm>,
}

impl Terms {
    fn add(&mut self, rules: Rules, placed: Vec<Placed>) {
        let file = self.rules.len();
        for placed in placed {
            let words = rules.terms.get(placed.term).map(|term| words_of(&term.text)).unwrap_or_default();
            self.placed.push(PlacedTerm { file, words, placed });
        }
        self.rules.push(rules);
    }

    /// Every term with its file and the words it came to.
    fn iter(&self) -> impl Iterator<Item = Holder<'_>> {
        self.placed.iter().filter_map(|PlacedTerm { file, words, placed }| {
            let rules = self.rules.get(*file)?;
            Some(Holder { file: *file, rules, term: rules.terms.get(placed.term)?, words, placed })
        })
    }
}

/// A term that was placed.
struct PlacedTerm {
    /// Its file's place in the list of files.
    file: usize,
    words: Vec<TermWord>,
    placed: Placed,
}

/// One word of a term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TermWord {
    folded: String,
    extent: Extent,
}

fn words_of(term: &str) -> Vec<TermWord> {
    let mut words = TermWords::default();
    // What was placed has been read before, without a fault.
    let _ = words.read(term);
    words.iter().map(|(folded, extent)| TermWord { folded: folded.to_owned(), extent }).collect()
}

/// A term, its file, and the words it came to.
#[derive(Clone, Copy)]
struct Holder<'t> {
    file: usize,
    rules: &'t Rules,
    term: &'t Term,
    words: &'t [TermWord],
    placed: &'t Placed,
}

/// The bytes of each file, for naming lines: a fault quotes no terms.
type Sources<'a> = HashMap<&'a str, &'a [u8]>;

fn whole_file(rules: &Rules, faults: &mut Vec<Fault>) {
    if rules.examples.is_empty() {
        let hint = "add `[[example]]` with `yes = \"…\"`, a question that should be found";
        faults.push(Fault::warning(&rules.file, None, "there are no examples").with_hint(hint));
    }
    let terms = rules.terms.iter().filter(|term| term.list != List::Against).count();
    if terms < TERMS_MIN {
        let what = format!("there are fewer than {TERMS_MIN} terms");
        faults.push(Fault::warning(&rules.file, None, what).with_hint("add the words patrons use"));
    }
}

/// Terms that come to the same stems as one before them in the file.
fn same_stems(terms: &Terms, sources: &Sources<'_>) -> Vec<Fault> {
    let by_id: HashMap<TermId, Holder<'_>> = terms.iter().map(|holder| (holder.placed.id, holder)).collect();
    let fault = |Holder { rules, term, placed, .. }: Holder<'_>| {
        let first = by_id.get(&placed.same_as?)?;
        let what = "this term is another form of one before it, which counts";
        let hint = format!("keep one of the two; the other is in line {}", line(sources, first));
        Some(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint))
    };
    terms.iter().filter_map(fault).collect()
}

/// Strong terms that are strong in another subject too, so that neither can win by them.
fn strong_elsewhere(terms: &Terms) -> Vec<Fault> {
    let mut holders: HashMap<(&Language, Vec<TermWord>), Vec<Holder<'_>>> = HashMap::new();
    for holder in terms.iter().filter(|holder| holder.term.list == List::Strong) {
        let key = (&holder.term.language, stems(holder.words, &holder.term.language));
        holders.entry(key).or_default().push(holder);
    }
    let mut faults = Vec::new();
    for holders in holders.values() {
        for holder in holders {
            let mut others = holders.iter().filter(|other| other.file != holder.file);
            let Some(other) = others.next() else { continue };
            let what = format!("this term is also strong in {}", other.rules.file);
            let hint = "make it weak in one of them, or a longer phrase";
            faults.push(Fault::warning(&holder.rules.file, holder.term.span.clone(), what).with_hint(hint));
        }
    }
    faults
}

/// Terms that only stand where a `word*` term of the same file counts instead of them.
fn never_counted(terms: &Terms, sources: &Sources<'_>) -> Vec<Fault> {
    let place = |holder: &Holder<'_>| (holder.file, holder.words.len());
    let mut starred: HashMap<_, Vec<Holder<'_>>> = HashMap::new();
    for holder in terms.iter() {
        if holder.words.iter().any(|word| word.extent == Extent::Beginning) {
            starred.entry((place(&holder), &holder.term.language)).or_default().push(holder);
        }
    }
    let fault = |holder: Holder<'_>| {
        let wider = starred.get(&(place(&holder), &holder.term.language))?;
        let wide =
            wider.iter().find(|wide| wide.placed.id != holder.placed.id && counts_instead(wide, &holder))?;
        let what = "this term never counts: a wider one always stands there too";
        let hint = format!("take it out; the wider one is in line {}", line(sources, wide));
        Some(Fault::warning(&holder.rules.file, holder.term.span.clone(), what).with_hint(hint))
    };
    terms.iter().filter(|holder| holder.placed.same_as.is_none()).filter_map(fault).collect()
}

fn counts_instead(wide: &Holder<'_>, narrow: &Holder<'_>) -> bool {
    let (wide_weight, weight) = (weights::of(wide.term.list).abs(), weights::of(narrow.term.list).abs());
    let is_first = wide_weight > weight || (wide_weight == weight && wide.term.list == narrow.term.list);
    let rules = narrow.term.language.rules();
    let covers = |(wide, word): (&TermWord, &TermWord)| {
        let base = rules.base(&word.folded);
        let stem = rules.stem(base);
        match (wide.extent, word.extent) {
            (Extent::Beginning, Extent::Whole) => {
                base.starts_with(&wide.folded) && stem.starts_with(&wide.folded)
            }
            (Extent::Beginning, Extent::Beginning) => base.starts_with(&wide.folded),
            (Extent::Whole, Extent::Whole) => rules.stem(rules.base(&wide.folded)) == stem,
            (Extent::Whole, Extent::Beginning) => false,
        }
    };
    is_first && wide.words.iter().zip(narrow.words).all(covers)
}

fn stems(words: &[TermWord], language: &Language) -> Vec<TermWord> {
    let rules = language.rules();
    let stem = |word: &TermWord| match word.extent {
        Extent::Beginning => word.clone(),
        Extent::Whole => TermWord { folded: rules.stem(rules.base(&word.folded)).into_owned(), ..*word },
    };
    words.iter().map(stem).collect()
}

fn line(sources: &Sources<'_>, holder: &Holder<'_>) -> usize {
    let source = sources.get(holder.rules.file.as_str()).and_then(|text| std::str::from_utf8(text).ok());
    Position::of(source.unwrap_or_default(), holder.term.span.start).line
}
