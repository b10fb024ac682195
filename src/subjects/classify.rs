//! Finds the terms of all subjects in a text and ranks the subjects by them.
//!
//! - Terms of the text's language are looked for. English ones are always, but in a text of another
//!   language only hashtags, phrases and long words count: short ones are false friends too often.
//! - A term counts once, however often it stands in the text.
//! - Where terms of one subject lie within each other, the longest counts: with `browser history`
//!   against a subject, its `history` does not speak for it.
//! - Learned terms count beside those that people wrote, which speak for all that was learned of the words
//!   in them.
//! - A subject's score is the sum of its terms' weights; those above 0 are ranked. Equal scores are
//!   ranked by how early in the text their evidence begins, then by id.
//!
//! **Invariant:** the same rules, text and language give the same result, whatever was read before.

use std::cmp::Reverse;
use std::fmt;

use crate::subjects::compile::Index;
use crate::subjects::format::List;
use crate::subjects::language::Language;
use crate::subjects::language::detection::{self, Glance};
use crate::subjects::learned::{Learned, Weight};
use crate::subjects::lexicon::{Ending, Known, TermId, Way};
use crate::subjects::memo::Memo;
use crate::subjects::met::Met;
use crate::subjects::words::Words;
use crate::subjects::{Classification, Match, RankedSubject, SubjectId, Subjects, weights};

/// Of how many subjects, the first in rank, a classification keeps what learned terms say: most terms
/// say a little for many.
const EXPLAINED_MAX: usize = 3;

/// The place of English among the lexicons.
const ENGLISH: usize = 0;

/// A word of so many letters that stands in a text of another language and is an English term is
/// mostly a name or a loan word there. Of shorter ones as many mean something else: over questions in
/// German, French and Spanish, words of five and six letters misled as often as they helped.
const LOAN_WORD_CHARS_MIN: usize = 7;

/// Classifies text after text, and is faster than [`Subjects::classify`] because it remembers the
/// words it met. What it remembers never changes a result.
pub struct Reader<'s> {
    subjects: &'s Subjects,
    words: Words,
    memos: Vec<Memo>,
    known: Vec<Known>,
    /// The places of the words with which terms may begin, or that have shapes.
    telling: Vec<u32>,
    /// The ways from these words to the next.
    pairs: Vec<Way>,
    glance: Glance,
    hits: Vec<Hit>,
    learned: Vec<LearnedHit>,
    met: Met,
    spans: Vec<Span>,
    scores: Vec<i32>,
    ranked: Vec<Ranked>,
}

/// What one text is about, as long as the next one is not read: what a [`Classification`] says,
/// without a copy of anything.
#[derive(Clone, Copy)]
pub struct Reading<'r> {
    subjects: &'r Subjects,
    language: Option<Language>,
    /// How many words the text has.
    words: usize,
    scores: &'r [i32],
    ranked: &'r [Ranked],
    hits: &'r [Hit],
    learned: &'r [LearnedHit],
}

/// A term found at a place: byte offsets into the text.
#[derive(Clone, Copy, Debug)]
struct Hit {
    term: TermId,
    subject: u16,
    list: List,
    /// In hundredths.
    weight: i16,
    start: u32,
    end: u32,
}

impl Hit {
    fn place(&self) -> u64 {
        place(self.start, self.end)
    }
}

/// In the order of the text, of those that begin together the longer one first, in one number: it is compared
/// faster.
fn place(start: u32, end: u32) -> u64 {
    u64::from(start) << u32::BITS | u64::from(u32::MAX - end)
}

/// A learned term found at a place: byte offsets into the text.
#[derive(Clone, Copy, Debug)]
struct LearnedHit {
    row: u32,
    start: u32,
    end: u32,
}

impl LearnedHit {
    /// Whether a term that somebody wrote stands here, or in a part of this place.
    fn meets(&self, hit: &Hit) -> bool {
        hit.start < self.end && self.start < hit.end
    }

    /// Whether a term that somebody wrote says what is to be said of this place.
    fn is_within(&self, hit: &Hit) -> bool {
        self.start < self.end && hit.start <= self.start && self.end <= hit.end
    }
}

/// From where to where terms of a subject stand: byte offsets into the text.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// Of a subject without terms.
const NOWHERE: Span = Span { start: u32::MAX, end: 0 };

/// A subject with evidence for it, in one number, which is compared fastest: from its highest bit on, what
/// its score lacks to the highest there can be, in hundredths; where its evidence begins; its place among
/// the subjects. So the best comes first, and of two the one whose evidence begins earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked(u64);

impl Ranked {
    /// Positive scores have 31 bits. Places in what is read of a text have 17, and the last of these is left
    /// for [`NOWHERE`].
    fn new(subject: u16, score: i32, start: u32) -> Ranked {
        const LAST: u32 = (1 << 17) - 1;
        let lacking = u64::from(i32::MAX.abs_diff(score));
        Ranked(lacking << 33 | u64::from(start.min(LAST)) << 16 | u64::from(subject))
    }

    fn subject(self) -> u16 {
        self.0 as u16
    }

    fn score(self) -> i32 {
        i32::MAX - (self.0 >> 33) as i32
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("subjects", self.subjects).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} subjects by {} terms", self.ranked.len(), self.hits.len())
    }
}

impl<'s> Reader<'s> {
    pub(super) fn new(subjects: &'s Subjects) -> Reader<'s> {
        Reader {
            subjects,
            words: Words::default(),
            memos: subjects.index.lexicons.iter().map(|_| Memo::default()).collect(),
            known: Vec::new(),
            telling: Vec::new(),
            pairs: Vec::new(),
            glance: Glance::default(),
            hits: Vec::new(),
            learned: Vec::new(),
            met: Met::default(),
            spans: Vec::new(),
            scores: Vec::new(),
            ranked: Vec::new(),
        }
    }

    /// See [`Subjects::classify`].
    pub fn classify(&mut self, text: &str, language: Option<&str>) -> Classification {
        self.read(text, language).to_classification()
    }

    /// What [`classify`](Reader::classify) does, without a copy of anything.
    pub fn read(&mut self, text: &str, language: Option<&str>) -> Reading<'_> {
        self.words.read(text);
        self.hits.clear();
        self.learned.clear();
        self.find_terms(ENGLISH);
        let marks = self.known.iter().map(|known| known.marks);
        let declared = language.and_then(Language::parse);
        let is_plain = self.words.are_plain();
        let language = detection::language_of(text, is_plain, self.glance, marks, declared);
        if let Some(other) = language.filter(|language| *language != Language::ENGLISH) {
            self.drop_false_friends(other);
            let lexicons = &self.subjects.index.lexicons;
            if let Some(place) = lexicons.iter().position(|lexicon| lexicon.language() == other) {
                self.find_terms(place);
            }
        }
        self.find_tags();
        self.scores.clear();
        self.scores.resize(self.subjects.subjects.len(), 0);
        self.ranked.clear();
        if !(self.hits.is_empty() && self.learned.is_empty()) {
            self.weigh();
        }
        Reading {
            subjects: self.subjects,
            language,
            words: self.words.words().len(),
            scores: &self.scores,
            ranked: &self.ranked,
            hits: &self.hits,
            learned: &self.learned,
        }
    }

    /// Scores and ranks the subjects by what was found.
    fn weigh(&mut self) {
        self.spans.clear();
        self.spans.resize(self.subjects.subjects.len(), NOWHERE);
        keep_the_longest(&mut self.hits, &mut self.spans, &mut self.met);
        keep_the_first(&mut self.learned, &mut self.met);
        if let Some(row) = self.subjects.index.learned.base().filter(|_| !self.learned.is_empty()) {
            self.learned.insert(0, LearnedHit { row, start: 0, end: 0 });
        }
        self.add_up();
        self.rank();
    }

    /// Adds up the scores. A term that somebody wrote for a subject speaks for all that was learned of
    /// the words in it: it counts what they add up to, within the bounds of its list.
    fn add_up(&mut self) {
        let Reader { subjects, hits, learned, scores, .. } = self;
        let index = &subjects.index;
        let mut add = |subject: u16, weight: i16| {
            scores.get_mut(usize::from(subject)).into_iter().for_each(|score| *score += i32::from(weight));
        };
        for found in learned.iter() {
            let weights = index.learned.weights(found.row);
            if hits.iter().any(|hit| found.meets(hit)) {
                let counting = weights.iter().filter(|weight| counts(found, weight, hits, index));
                counting.for_each(|weight| add(weight.subject, weight.hundredths));
            } else {
                weights.iter().for_each(|weight| add(weight.subject, weight.hundredths));
            }
        }
        for place in 0..hits.len() {
            let (before, rest) = hits.split_at_mut(place);
            let Some(hit) = rest.first_mut() else { continue };
            let is_spoken_for = |found: &LearnedHit| {
                before.iter().any(|other| other.subject == hit.subject && found.is_within(other))
            };
            let within = learned.iter().filter(|found| found.is_within(hit) && !is_spoken_for(found));
            let weights =
                within.map(|found| index.learned.weight_for(found.row, hit.subject).map_or(0, i32::from));
            if let Some(learned) = weights.reduce(|sum, weight| sum + weight) {
                hit.weight = match index.learned.teaches(hit.subject) {
                    true => weights::within(hit.list, learned),
                    false => weights::untaught(hit.list),
                };
            }
            add(hit.subject, hit.weight);
        }
    }

    /// Ranks the subjects with a score above 0.
    fn rank(&mut self) {
        let Reader { spans, scores, ranked, .. } = self;
        ranked.resize(scores.len(), Ranked::default());
        let mut count = 0;
        for ((subject, score), span) in (0..).zip(scores.iter().copied()).zip(spans.iter()) {
            // Written for each subject, and counted where it has evidence: so there is nothing to guess.
            let place = ranked.get_mut(count);
            place.into_iter().for_each(|place| *place = Ranked::new(subject, score, span.start));
            count += usize::from(0 < score);
        }
        ranked.truncate(count);
        sort(ranked);
    }

    fn find_tags(&mut self) {
        let index = &self.subjects.index;
        for tag in self.words.tags() {
            let endings = index.tags.get(self.words.tag_key(tag)).map(Vec::as_slice).unwrap_or_default();
            self.hits.extend(endings.iter().map(|ending| hit(*ending, tag.start, tag.end)));
        }
    }

    /// Takes out English terms that only look like words of the text's language, such as the `gift`
    /// and `war` of a German one.
    fn drop_false_friends(&mut self, language: Language) {
        let (tags, words) = (self.words.tags(), self.words.words());
        let folded = |word| self.words.folded(word);
        self.learned.clear();
        self.hits.retain(|hit| {
            let is_in = |start, end| start <= hit.start as usize && hit.end as usize <= end;
            if tags.iter().any(|tag| is_in(tag.start, tag.end)) {
                return true;
            }
            let word = words.iter().find(|word| is_in(word.start(), word.end())).map(folded);
            word.is_none_or(|word| {
                LOAN_WORD_CHARS_MIN <= word.chars().count() && !detection::is_function_word(word, language)
            })
        });
    }

    fn find_terms(&mut self, place: usize) {
        let index = &self.subjects.index;
        let (Some(lexicon), Some(memo)) = (index.lexicons.get(place), self.memos.get_mut(place)) else {
            return;
        };
        memo.forget_when_full();
        let words = self.words.words();
        let mut glance = Glance::default();
        // All words are looked up before anything is done with them, and then all pairs: the processor
        // need not wait for one to begin with the next.
        self.known.clear();
        self.telling.clear();
        self.telling.resize(words.len(), 0);
        let mut count = 0;
        self.known.extend((0..).zip(words).map(|(at, word)| {
            let known = memo.known(lexicon, word.key, || self.words.folded(word));
            glance.at(known.marks, word.end() - word.start());
            // Written for each word, and counted for those that tell: so there is nothing to guess.
            self.telling.get_mut(count).into_iter().for_each(|place| *place = at);
            count += usize::from(known.tells());
            known
        }));
        self.telling.truncate(count);
        self.glance = glance;
        self.pairs.clear();
        self.pairs.extend(self.telling.iter().map(|at| lexicon.pair(from(&self.known, *at))));
        let (hits, learned) = (&mut self.hits, &mut self.learned);
        let mut found = |ending: Ending, start, end| match Learned::row_of(ending.term) {
            Some(row) => learned.push(LearnedHit { row, start: offset(start), end: offset(end) }),
            None => hits.push(hit(ending, start, end)),
        };
        for (first, pair) in self.telling.iter().zip(self.pairs.iter()) {
            let (from_here, words) = (from(&self.known, *first), from(words, *first));
            let (Some(known), Some(word)) = (from_here.first(), words.first()) else { continue };
            if known.may_begin() {
                lexicon.terms_at(from_here, *pair, memo.lists(), &mut |ending, count| {
                    let last = words.get(count - 1).unwrap_or(word);
                    found(ending, word.start(), last.end());
                });
            }
            for shape in known.shapes(memo.lists()) {
                found(Ending::of_learned(*shape), word.start(), word.end());
            }
        }
        for tag in self.words.tags() {
            let name = self.words.tag_key(tag);
            let mut found = |ending| found(ending, tag.start, tag.end);
            if !tag.is_one_word {
                let known = [memo.known_once(lexicon, name)];
                lexicon.terms_at(&known, Way::default(), memo.lists(), &mut |ending, _| found(ending));
            }
            lexicon.terms_of_joined(name, &mut found);
        }
    }
}

/// Whether what was learned of a word counts for a subject, where people wrote terms with that word in
/// it: for the subjects of these terms, the terms speak; and the word of a strong term of a subject that
/// nobody taught is no evidence for the others, which would always have more of it. A phrase with a word
/// that people wrote against its subject, or struck out, does not speak for it either.
fn counts(found: &LearnedHit, weight: &Weight, hits: &[Hit], index: &Index) -> bool {
    let is_strong = |hit: &Hit| matches!(hit.list, List::Strong | List::Hashtags);
    hits.iter().filter(|hit| found.meets(hit)).all(|hit| {
        let is_own = hit.subject == weight.subject;
        let is_vetoed = is_own && matches!(hit.list, List::Against | List::Ignore);
        let is_spoken_for = is_own && found.is_within(hit);
        let is_owned = found.is_within(hit) && is_strong(hit) && !index.learned.teaches(hit.subject);
        !is_spoken_for && (weight.hundredths < 0 || !(is_vetoed || is_owned))
    })
}

/// What stands from a place on.
fn from<T>(all: &[T], place: u32) -> &[T] {
    all.get(place as usize..).unwrap_or_default()
}

/// Only the first 64 KiB of a text are read.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn hit(ending: Ending, start: usize, end: usize) -> Hit {
    let Ending { term, subject, list } = ending;
    Hit { term, subject, list, weight: weights::of(list), start: offset(start), end: offset(end) }
}

/// Sorts numbers that are all different. A few are put in the place that the count of the lesser ones says,
/// with nothing to guess: a processor guesses wrong about every second comparison of other ways to sort.
fn sort(ranked: &mut [Ranked]) {
    const FEW: usize = 32;
    let mut unsorted = [Ranked::default(); FEW];
    let Some(unsorted) = unsorted.get_mut(..ranked.len()) else { return ranked.sort_unstable() };
    unsorted.copy_from_slice(ranked);
    for one in unsorted.iter() {
        let lesser = unsorted.iter().filter(|other| *other < one).count();
        ranked.get_mut(lesser).into_iter().for_each(|place| *place = *one);
    }
}

/// Takes out hits that lie within another of the same subject, and repeats of a term. What is left
/// is in the order of the text, the longer first, and `spans` say where each subject has any.
fn keep_the_longest(hits: &mut Vec<Hit>, spans: &mut [Span], met: &mut Met) {
    let order = |hit: &Hit| {
        let heaviest = Reverse(hit.weight.unsigned_abs());
        // Somebody who writes `photosynthesis` against a subject with `photo*` means just that word.
        (hit.place(), heaviest, 0 < hit.weight, hit.term)
    };
    // They are found in this order, but for those of tags, beginnings and a second language.
    if !hits.is_sorted_by_key(order) {
        hits.sort_unstable_by_key(order);
    }
    met.forget(hits.len());
    hits.retain(|hit| {
        let Some(span) = spans.get_mut(usize::from(hit.subject)) else { return false };
        // Hits of a subject come by their start: one that ends no later than an earlier one lies
        // within it.
        if hit.end <= span.end {
            return false;
        }
        *span = Span { start: span.start.min(hit.start), end: hit.end };
        met.is_new(hit.term)
    });
}

/// Takes out repeats of a learned term. What is left is in the order of the text, the longer first.
fn keep_the_first(hits: &mut Vec<LearnedHit>, met: &mut Met) {
    let order = |hit: &LearnedHit| (place(hit.start, hit.end), hit.row);
    if !hits.is_sorted_by_key(order) {
        hits.sort_unstable_by_key(order);
    }
    met.forget(hits.len());
    hits.retain(|hit| met.is_new(hit.row));
}

impl<'r> Reading<'r> {
    /// The best subject; `None` where the evidence is too thin: the general desk.
    pub fn best(&self) -> Option<&'r SubjectId> {
        let best = self.ranked.first()?;
        (self.subjects.confidence_min <= self.confidence(best.subject())).then(|| self.id(best.subject()))
    }

    /// How likely a subject is the right one; 0 for one that there is not.
    pub fn confidence_of(&self, subject: &str) -> f64 {
        let place = self.subjects.subjects.iter().position(|known| known.id.as_str() == subject);
        place.and_then(|place| weights::confidences(self.scores, self.words).nth(place)).unwrap_or_default()
    }

    fn confidence(&self, subject: u16) -> f64 {
        weights::confidences(self.scores, self.words).nth(usize::from(subject)).unwrap_or_default()
    }

    /// Every subject with evidence for it and its score, best first.
    pub fn subjects(&self) -> impl Iterator<Item = (&'r SubjectId, f64)> {
        let Reading { ranked, .. } = *self;
        let this = *self;
        ranked.iter().map(move |ranked| (this.id(ranked.subject()), weights::shown(ranked.score())))
    }

    /// How many terms were found.
    pub fn evidence(&self) -> usize {
        self.hits.len() + self.learned.len()
    }

    /// The same, to be kept.
    pub fn to_classification(&self) -> Classification {
        let confidences: Vec<f64> = weights::confidences(self.scores, self.words).collect();
        let subjects = self.ranked.iter().map(|ranked| {
            let confidence = confidences.get(usize::from(ranked.subject())).copied().unwrap_or_default();
            RankedSubject {
                id: self.id(ranked.subject()).clone(),
                score: weights::shown(ranked.score()),
                confidence,
            }
        });
        let (mut hits, mut learned) = (self.hits.to_vec(), self.learned.to_vec());
        hits.sort_unstable_by_key(|hit| hit.term);
        learned.sort_unstable_by_key(|hit| hit.row);
        let mut matched: Vec<Match> = hits.iter().map(|hit| self.written(hit)).collect();
        matched.extend(learned.iter().flat_map(|hit| self.learned_for_the_first(hit)));
        matched.sort_by_key(|found| (found.start, found.end));
        Classification {
            language: self.language.map(|language| language.code().to_owned()),
            best: self.best().cloned(),
            subjects: subjects.collect(),
            matched,
        }
    }

    fn written(&self, hit: &Hit) -> Match {
        Match {
            subject: self.id(hit.subject).clone(),
            term: self.subjects.index.text(hit.term).to_owned(),
            weight: weights::shown(i32::from(hit.weight)),
            start: hit.start as usize,
            end: hit.end as usize,
            learned: None,
        }
    }

    /// What a learned term says for the subjects that rank first.
    fn learned_for_the_first(&self, hit: &LearnedHit) -> impl Iterator<Item = Match> {
        let (this, hit, table) = (*self, *hit, &self.subjects.index.learned);
        let is_told = move |weight: &&Weight| {
            let mut first = this.ranked.iter().take(EXPLAINED_MAX);
            first.any(|ranked| ranked.subject() == weight.subject)
                && counts(&hit, weight, this.hits, &this.subjects.index)
        };
        table.weights(hit.row).iter().filter(is_told).map(move |weight| Match {
            subject: this.id(weight.subject).clone(),
            term: table.text(hit.row).to_owned(),
            weight: weights::shown(i32::from(weight.hundredths)),
            start: hit.start as usize,
            end: hit.end as usize,
            learned: Some(table.support(hit.row)),
        })
    }

    fn id(&self, subject: u16) -> &'r SubjectId {
        let subject = self.subjects.subjects.get(usize::from(subject));
        &subject.expect("terms only hold places of subjects").id
    }
}
