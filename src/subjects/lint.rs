//! Advice on rule files that work and could work better.
//!
//! **Invariant:** everything found here is a warning, and comes after every fault that
//! [`Subjects::compile`](crate::subjects::Subjects::compile) finds.

use std::collections::HashMap;

use crate::fault::{Fault, Position};
use crate::subjects::RuleFile;
use crate::subjects::compile::{Compiled, Placed, compile};
use crate::subjects::format::{List, Rules, Term};
use crate::subjects::language::Language;
use crate::subjects::lexicon::{Extent, TermId, TermWord};
use crate::subjects::weights;

/// A subject with fewer terms finds next to nothing.
const TERMS_MIN: usize = 10;

/// All faults of the files, and all advice.
pub fn lint(files: &[RuleFile]) -> Vec<Fault> {
    let compiled = compile(files);
    let mut faults = compiled.faults.clone();
    compiled.rules.iter().for_each(|rules| whole_file(rules, &mut faults));
    let sources: Sources = files.iter().map(|file| (file.name.as_str(), file.text.as_slice())).collect();
    faults.extend(same_stems(&compiled, &sources));
    faults.extend(strong_elsewhere(&compiled));
    faults.extend(never_counted(&compiled, &sources));
    faults.sort_by_key(|fault| (fault.file.clone(), fault.span.as_ref().map(|span| span.start)));
    faults
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
fn same_stems(compiled: &Compiled, sources: &Sources<'_>) -> Vec<Fault> {
    let by_id: HashMap<TermId, &Placed> = compiled.placed.iter().map(|placed| (placed.id, placed)).collect();
    let fault = |placed: &Placed| {
        let (rules, term) = term_of(compiled, placed)?;
        let (_, first) = term_of(compiled, by_id.get(&placed.same_as?)?)?;
        let what = "this term is another form of one before it, which counts";
        let hint = format!("keep one of the two; the other is in line {}", line(sources, rules, first));
        Some(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint))
    };
    compiled.placed.iter().filter_map(fault).collect()
}

/// A file and one of its terms.
type Holder<'c> = (&'c Rules, &'c Term);

/// Strong terms that are strong in another subject too, so that neither can win by them.
fn strong_elsewhere(compiled: &Compiled) -> Vec<Fault> {
    let mut holders: HashMap<(&Language, Vec<TermWord>), Vec<Holder<'_>>> = HashMap::new();
    for placed in &compiled.placed {
        let Some((rules, term)) = term_of(compiled, placed) else { continue };
        if term.list == List::Strong {
            let key = (&term.language, stems(&placed.words, &term.language));
            holders.entry(key).or_default().push((rules, term));
        }
    }
    let mut faults = Vec::new();
    for holders in holders.values() {
        for (rules, term) in holders {
            let mut others = holders.iter().filter(|(other, _)| other.id != rules.id);
            let Some((other, _)) = others.next() else { continue };
            let what = format!("this term is also strong in {}", other.file);
            let hint = "make it weak in one of them, or a longer phrase";
            faults.push(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint));
        }
    }
    faults
}

/// Terms that only stand where a `word*` term of the same file counts instead of them.
fn never_counted(compiled: &Compiled, sources: &Sources<'_>) -> Vec<Fault> {
    let mut starred: HashMap<(usize, &Language, usize), Vec<&Placed>> = HashMap::new();
    for placed in &compiled.placed {
        let Some((_, term)) = term_of(compiled, placed) else { continue };
        if placed.words.iter().any(|word| word.extent == Extent::Beginning) {
            starred.entry((placed.rules, &term.language, placed.words.len())).or_default().push(placed);
        }
    }
    let fault = |placed: &Placed| {
        let (rules, term) = term_of(compiled, placed)?;
        let wider = starred.get(&(placed.rules, &term.language, placed.words.len()))?;
        let covers = |wide: &&&Placed| {
            let wide_term = term_of(compiled, wide).map(|(_, term)| term);
            wide.id != placed.id
                && wide_term.is_some_and(|wide_term| counts_instead(wide_term, wide, term, placed))
        };
        let (_, wide) = term_of(compiled, wider.iter().find(covers)?)?;
        let what = "this term never counts: a wider one always stands there too";
        let hint = format!("take it out; the wider one is in line {}", line(sources, rules, wide));
        Some(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint))
    };
    compiled.placed.iter().filter(|placed| placed.same_as.is_none()).filter_map(fault).collect()
}

fn counts_instead(wide_term: &Term, wide: &Placed, term: &Term, placed: &Placed) -> bool {
    let (wide_weight, weight) = (weights::of(wide_term.list).abs(), weights::of(term.list).abs());
    let is_first = wide_weight > weight || (wide_weight == weight && wide_term.list == term.list);
    let rules = term.language.rules();
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
    is_first && wide.words.iter().zip(&placed.words).all(covers)
}

fn stems(words: &[TermWord], language: &Language) -> Vec<TermWord> {
    let rules = language.rules();
    let stem = |word: &TermWord| match word.extent {
        Extent::Beginning => word.clone(),
        Extent::Whole => TermWord { folded: rules.stem(rules.base(&word.folded)).into_owned(), ..*word },
    };
    words.iter().map(stem).collect()
}

fn line(sources: &Sources<'_>, rules: &Rules, term: &Term) -> usize {
    let source = sources.get(rules.file.as_str()).and_then(|text| std::str::from_utf8(text).ok());
    Position::of(source.unwrap_or_default(), term.span.start).line
}

fn term_of<'c>(compiled: &'c Compiled, placed: &Placed) -> Option<Holder<'c>> {
    let rules = compiled.rules.get(placed.rules)?;
    Some((rules, rules.terms.get(placed.term)?))
}
