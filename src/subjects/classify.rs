//! Finds the terms of all subjects in a text and ranks the subjects by them.
//!
//! - English terms are always looked for; terms of another language where the post declares it.
//! - A term counts once, however often it stands in the text.
//! - Where terms of one subject lie within each other, the longest counts: with `browser history`
//!   against a subject, its `history` does not speak for it.
//! - A subject's score is the sum of its terms' weights; those above 0 are ranked. Equal scores are
//!   ranked by how early in the text their evidence begins, then by id.
//!
//! **Invariant:** the same rules, text and language give the same result, whatever was read before.

use std::collections::HashMap;
use std::fmt;

use crate::subjects::compile::CompiledTerm;
use crate::subjects::language::Language;
use crate::subjects::lexicon::{Lexicon, Symbols, TermId};
use crate::subjects::words::Words;
use crate::subjects::{Classification, Match, RankedSubject, Subjects, weights};

/// How many different words are remembered per language before all are forgotten.
const MEMO_WORDS_MAX: usize = 50_000;

/// Classifies text after text, and is faster than [`Subjects::classify`] because it remembers the
/// words it met. What it remembers never changes a result.
pub struct Reader<'s> {
    subjects: &'s Subjects,
    words: Words,
    memos: Vec<Memo>,
    symbols: Vec<usize>,
    hits: Vec<Hit>,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("subjects", self.subjects).finish_non_exhaustive()
    }
}

impl<'s> Reader<'s> {
    pub(super) fn new(subjects: &'s Subjects) -> Reader<'s> {
        let memos = subjects.index.lexicons.iter().map(|_| Memo::default()).collect();
        Reader { subjects, words: Words::default(), memos, symbols: Vec::new(), hits: Vec::new() }
    }

    /// See [`Subjects::classify`].
    pub fn classify(&mut self, text: &str, language: Option<&str>) -> Classification {
        self.words.read(text);
        self.hits.clear();
        self.memos.iter_mut().for_each(Memo::forget_when_full);
        self.find_tags();
        let declared = language.and_then(Language::parse);
        for place in 0..self.memos.len() {
            self.find_terms(place, declared.as_ref());
        }
        let language = language.map(str::to_owned);
        rank(self.subjects, language, &mut self.hits)
    }

    fn find_tags(&mut self) {
        for tag in self.words.tags() {
            let key = self.words.tag_key(tag);
            let terms = self.subjects.index.tags.get(key).map(Vec::as_slice).unwrap_or_default();
            self.hits.extend(terms.iter().map(|term| Hit { term: *term, start: tag.start, end: tag.end }));
        }
    }

    fn find_terms(&mut self, place: usize, declared: Option<&Language>) {
        let (Some(lexicon), Some(memo)) =
            (self.subjects.index.lexicons.get(place), self.memos.get_mut(place))
        else {
            return;
        };
        let is_english = place == 0;
        if !is_english && declared != Some(lexicon.language()) {
            return;
        }
        self.symbols.clear();
        for word in self.words.words() {
            self.symbols.push(memo.symbols(lexicon, self.words.folded(word)));
        }
        for (first, word) in self.words.words().iter().enumerate() {
            let from_here = self.symbols.get(first..).unwrap_or_default();
            if from_here.first().is_none_or(|known| *known == UNKNOWN) {
                continue;
            }
            let known = from_here.iter().map(|known| memo.get(*known));
            lexicon.terms_at(known, |term, words| {
                let last = self.words.words().get(first + words - 1).unwrap_or(word);
                self.hits.push(Hit { term, start: word.start, end: last.end });
            });
        }
        for tag in self.words.tags().iter().filter(|tag| !tag.is_one_word) {
            let known = memo.symbols(lexicon, self.words.tag_key(tag));
            lexicon.terms_at(std::iter::once(memo.get(known)), |term, _| {
                self.hits.push(Hit { term, start: tag.start, end: tag.end });
            });
        }
    }
}

/// The place in a memo of every word that no term holds.
const UNKNOWN: usize = 0;

/// What the words met so far are to one lexicon.
struct Memo {
    places: HashMap<Box<str>, usize>,
    known: Vec<Symbols>,
}

impl Default for Memo {
    fn default() -> Memo {
        Memo { places: HashMap::new(), known: vec![Symbols::default()] }
    }
}

impl Memo {
    /// To be called between texts only: places that were handed out become void.
    fn forget_when_full(&mut self) {
        if self.places.len() >= MEMO_WORDS_MAX {
            *self = Memo::default();
        }
    }

    fn symbols(&mut self, lexicon: &Lexicon, folded: &str) -> usize {
        if let Some(place) = self.places.get(folded) {
            return *place;
        }
        let symbols = lexicon.symbols(folded);
        let place = if symbols.is_empty() { UNKNOWN } else { self.known.len() };
        if place != UNKNOWN {
            self.known.push(symbols);
        }
        self.places.insert(folded.into(), place);
        place
    }

    fn get(&self, place: usize) -> &Symbols {
        self.known.get(place).expect("places come from this memo, which never shrinks within a text")
    }
}

/// A term found at a place.
#[derive(Clone, Copy, Debug)]
struct Hit {
    term: TermId,
    start: usize,
    end: usize,
}

fn rank(subjects: &Subjects, language: Option<String>, hits: &mut Vec<Hit>) -> Classification {
    let term_of = |hit: &Hit| -> &CompiledTerm {
        subjects.index.terms.get(hit.term as usize).expect("lexicons only hold ids of terms")
    };
    keep_the_longest(hits, term_of);
    let mut scores: Vec<(u32, f64, usize)> = Vec::new();
    for hit in hits.iter() {
        let CompiledTerm { subject, weight, .. } = term_of(hit);
        match scores.iter_mut().find(|(scored, _, _)| scored == subject) {
            Some((_, score, first)) => {
                *score += weight;
                *first = hit.start.min(*first);
            }
            None => scores.push((*subject, *weight, hit.start)),
        }
    }
    scores.retain(|(_, score, _)| *score > 0.0);
    scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.2.cmp(&b.2)).then(a.0.cmp(&b.0)));
    let confidences = weights::confidences(scores.iter().map(|(_, score, _)| *score));
    let id_of = |place: u32| {
        subjects.subjects.get(place as usize).expect("terms only hold places of subjects").id.clone()
    };
    let ranked: Vec<RankedSubject> = scores
        .iter()
        .zip(confidences)
        .map(|((subject, score, _), confidence)| RankedSubject {
            id: id_of(*subject),
            score: *score,
            confidence,
        })
        .collect();
    let best = ranked.first().filter(|first| first.score >= weights::SCORE_MIN).map(|first| first.id.clone());
    let matched = hits.iter().map(|hit| {
        let term = term_of(hit);
        Match {
            subject: id_of(term.subject),
            term: term.text.to_string(),
            weight: term.weight,
            start: hit.start,
            end: hit.end,
        }
    });
    Classification { language, best, subjects: ranked, matched: matched.collect() }
}

/// Takes out hits that lie within another of the same subject, and repeats of a term. What is left
/// is in the order of the text.
fn keep_the_longest<'t>(hits: &mut Vec<Hit>, term_of: impl Fn(&Hit) -> &'t CompiledTerm) {
    let weight = |hit: &Hit| term_of(hit).weight.abs();
    hits.sort_by(|a, b| {
        let by_place =
            term_of(a).subject.cmp(&term_of(b).subject).then(a.start.cmp(&b.start)).then(b.end.cmp(&a.end));
        by_place.then(weight(b).total_cmp(&weight(a))).then(a.term.cmp(&b.term))
    });
    let mut subject_and_end = None;
    hits.retain(|hit| {
        let subject = term_of(hit).subject;
        // Hits of a subject come by their start: one that ends no later than an earlier one lies within it.
        let is_within = subject_and_end.is_some_and(|(last, end)| last == subject && hit.end <= end);
        if !is_within {
            subject_and_end = Some((subject, hit.end));
        }
        !is_within
    });
    hits.sort_by_key(|hit| (hit.term, hit.start));
    hits.dedup_by_key(|hit| hit.term);
    hits.sort_by_key(|hit| (hit.start, hit.end, hit.term));
}
