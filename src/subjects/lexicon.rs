//! The terms of one language as a trie over word ids.
//!
//! Each stem that stands in a term has an id, and so has each `word*`. A text's words are looked up
//! once; phrases are then found by ids alone, so the number of terms does not matter to the search.
//!
//! **Invariant:** only whole words are compared. `art` is not found in "heart", and `art*` only at
//! the beginning of a word.

use std::cmp::Reverse;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::subjects::format::List;
use crate::subjects::language::detection::{Marks, marks_of};
use crate::subjects::language::{Language, WordRules};
use crate::subjects::learned::Learned;
use crate::subjects::shapes::{self, Cutter};
use crate::subjects::weights;
use crate::subjects::words::Key;

/// The id of a term, over all languages.
pub(super) type TermId = u32;

/// A term where it ends in the trie, with all that the search tells of it, so that it need not be looked
/// up elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) term: TermId,
    /// Its subject's place in the list of subjects; of a learned term, which speaks for many, 0.
    pub(super) subject: u16,
    /// Of a learned term, [`List::Ignore`].
    pub(super) list: List,
}

impl Ending {
    pub(super) fn of_learned(term: TermId) -> Ending {
        Ending { term, subject: 0, list: List::Ignore }
    }

    /// Which of the terms of one place comes first: the one that counts most, against before for.
    fn rank(&self) -> impl Ord + use<> {
        let weight = weights::of(self.list);
        (Reverse(weight.unsigned_abs()), 0 < weight, self.term)
    }
}

/// The id of a stem or of a `word*`, within one language: the place behind it as the first word of a
/// term, whether or not a term begins so.
pub(super) type Symbol = Node;

/// A place in the trie: a symbol, or behind several words, with the bit [`DEEP`].
type Node = u32;

/// Places behind several words have this bit, and are counted by themselves: the ways to them stand with
/// the steps that lead there, and are forgotten elsewhere when all terms are there.
const DEEP: Node = 1 << 31;

/// The first place, before any word. No step leads back to it, and no stem has it.
const ROOT: Node = 0;

/// The shortest `word*` without its star, in characters: shorter ones would match anything.
pub(super) const PREFIX_CHARS_MIN: usize = 3;

/// The longest phrase, in words.
pub(super) const PHRASE_WORDS_MAX: usize = 12;

/// How many bytes of a word find the `word*` terms it may begin with.
const PREFIX_KEY_BYTES: usize = 3;

/// The longest hashtag that is tried as a phrase written in one word, in bytes.
const JOINED_BYTES_MAX: usize = 48;

/// How much of a word a word of a term stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Extent {
    /// The word in all its forms.
    Whole,
    /// `word*`: every word that begins so.
    Beginning,
}

/// The last of the terms of a place with several has this bit.
const LAST: TermId = 1 << 30;

/// Stands in the place of the only term where there are several: with this bit, it is no term but where
/// their list begins.
const SEVERAL: TermId = 1 << 30;

/// What a word of a text is to a lexicon. Small and flat, so that many are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its stem's symbol; [`ROOT`] where no term has it.
    stem: Symbol,
    /// Where its [`Lists`] stand among those of all words, and one; 0 where it has none.
    lists: u32,
    /// What it says about the language of its text; only the English lexicon is asked for that.
    pub(super) marks: Marks,
    /// Whether its stem is a term.
    is_term: bool,
    /// Whether a term of several words begins with its stem.
    goes_on: bool,
    /// Whether it may be a `word*`.
    has_beginnings: bool,
}

impl Known {
    /// Whether no term has this word anywhere.
    fn is_nothing(self) -> bool {
        self.stem == ROOT && !self.has_beginnings
    }

    /// Whether a term may begin with this word.
    pub(super) fn may_begin(self) -> bool {
        self.is_term || self.goes_on || self.has_beginnings
    }

    /// Whether a term may begin with this word, or it has shapes.
    pub(super) fn tells(self) -> bool {
        // Without a way out in between, there is nothing to guess.
        self.is_term | self.goes_on | (self.lists != 0)
    }

    fn lists(self, lists: &[Lists]) -> Option<&Lists> {
        lists.get(self.lists.checked_sub(1)? as usize)
    }

    fn beginnings(self, lists: &[Lists]) -> &[Symbol] {
        let own = if self.has_beginnings { self.lists(lists) } else { None };
        own.map(|lists| lists.beginnings.as_ref()).unwrap_or_default()
    }

    /// Its learned shapes.
    pub(super) fn shapes(self, lists: &[Lists]) -> &[TermId] {
        self.lists(lists).map(|lists| lists.shapes.as_ref()).unwrap_or_default()
    }
}

/// What only some words have.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    /// The symbols of the `word*` that it may be.
    beginnings: Box<[Symbol]>,
    /// Its learned shapes, where it has no line of its own.
    shapes: Box<[TermId]>,
}

/// The terms of one language.
#[derive(Clone, Debug)]
pub(super) struct Lexicon {
    language: Language,
    rules: WordRules,
    stems: Symbols,
    beginnings: HashMap<[u8; PREFIX_KEY_BYTES], Vec<(Box<str>, Symbol)>>,
    /// The symbols of the short words of terms, so that a word of many is stemmed once. Only for adding.
    placed: HashMap<Key, Symbol>,
    shapes: HashMap<Box<str>, TermId>,
    /// From a place behind a word, by the word that follows, to the place behind that.
    steps: HashMap<(Node, Symbol), Way>,
    /// Where the terms that were added ended; sorted into `terms` by [`Lexicon::finish`].
    added: Vec<(Node, Ending)>,
    /// The way to each symbol's place.
    symbols: Vec<Way>,
    /// The way to each place behind several words. Only for adding.
    deep: Vec<Way>,
    terms: Vec<Ending>,
}

/// A way to a place in the trie, with all that the search needs to know of the place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// The place; after [`Lexicon::finish`], [`ROOT`] where no term goes on from there.
    onward: Node,
    /// The term that ends there, or [`SEVERAL`].
    ending: Option<Ending>,
}

impl Way {
    fn is_nowhere(self) -> bool {
        self.onward == ROOT && self.ending.is_none()
    }
}

/// Folded words and their symbols, all in one text: a vocabulary has too many for a piece of memory each.
#[derive(Clone, Debug, Default)]
struct Symbols {
    texts: String,
    entries: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    symbol: Symbol,
    start: u32,
    end: u32,
}

impl Entry {
    fn text(self, texts: &str) -> &str {
        texts.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Symbols {
    fn get(&self, text: &str) -> Option<Symbol> {
        let hash = self.hasher.hash_one(text);
        self.entries.find(hash, |entry| entry.text(&self.texts) == text).map(|entry| entry.symbol)
    }

    /// Adds a text that is not there.
    fn insert(&mut self, text: &str, symbol: Symbol) {
        let Symbols { texts, entries, hasher } = self;
        let place =
            |texts: &str| u32::try_from(texts.len()).expect("limits on files and terms keep it short");
        let start = place(texts);
        texts.push_str(text);
        let entry = Entry { symbol, start, end: place(texts) };
        entries.insert_unique(hasher.hash_one(text), entry, |entry| hasher.hash_one(entry.text(texts)));
    }

    fn shrink_to_fit(&mut self) {
        let Symbols { texts, entries, hasher } = self;
        texts.shrink_to_fit();
        entries.shrink_to_fit(|entry| hasher.hash_one(entry.text(texts)));
    }
}

impl Lexicon {
    pub(super) fn new(language: Language) -> Lexicon {
        Lexicon {
            rules: language.rules(),
            language,
            stems: Symbols::default(),
            beginnings: HashMap::new(),
            placed: HashMap::new(),
            shapes: HashMap::new(),
            steps: HashMap::new(),
            added: Vec::new(),
            symbols: vec![Way::default()],
            deep: Vec::new(),
            terms: Vec::new(),
        }
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// The place behind these words, which terms with the same stems share.
    pub(super) fn place<'w>(&mut self, words: impl Iterator<Item = (&'w str, Option<Key>, Extent)>) -> u32 {
        let mut node = ROOT;
        for (folded, key, extent) in words {
            let symbol = self.intern(folded, key, extent);
            node = match node {
                ROOT => symbol,
                before => self.step_of(before, symbol),
            };
        }
        node
    }

    fn step_of(&mut self, before: Node, symbol: Symbol) -> Node {
        if let Some(known) = self.steps.get(&(before, symbol)) {
            return known.onward;
        }
        let onward = new_place(&mut self.deep) | DEEP;
        self.steps.insert((before, symbol), Way { onward, ending: None });
        onward
    }

    /// Adds a term at a place that [`place`](Lexicon::place) gave. It is found after
    /// [`finish`](Lexicon::finish).
    pub(super) fn add(&mut self, node: u32, term: Ending) {
        self.added.push((node, term));
    }

    /// Adds a learned word shape, such as `*ology`, `anti*` or `*cycl*`. It is found in words that have
    /// no learned term of their own.
    pub(super) fn add_shape(&mut self, shape: &str, term: TermId) {
        self.shapes.insert(shapes::read(shape).into(), term);
    }

    /// Makes the terms ready to be found, and gives back memory that only adding needs.
    pub(super) fn finish(&mut self) {
        self.placed = HashMap::new();
        let mut added = std::mem::take(&mut self.added);
        added.sort_unstable_by_key(|(node, term)| (*node, term.rank()));
        let mut deep = std::mem::take(&mut self.deep);
        let Lexicon { symbols, steps, terms, .. } = self;
        for (before, _) in steps.keys() {
            way_in(symbols, &mut deep, *before).onward = *before;
        }
        for ending in added.chunk_by(|(node, _), (other, _)| node == other) {
            let Some((node, first)) = ending.first() else { continue };
            let way = way_in(symbols, &mut deep, *node);
            if ending.len() == 1 {
                way.ending = Some(*first);
                continue;
            }
            let list = u32::try_from(terms.len()).expect("limits on files and terms keep them few");
            way.ending = Some(Ending { term: list | SEVERAL, ..*first });
            terms.extend(ending.iter().map(|(_, term)| *term));
            terms.last_mut().into_iter().for_each(|last| last.term |= LAST);
        }
        for way in steps.values_mut() {
            *way = *way_in(symbols, &mut deep, way.onward);
        }
        self.terms.shrink_to_fit();
        self.symbols.shrink_to_fit();
        self.steps.shrink_to_fit();
        self.stems.shrink_to_fit();
        self.shapes.shrink_to_fit();
    }

    /// What a folded word of a text is here.
    pub(super) fn look_up(&self, folded: &str, lists: &mut Vec<Lists>) -> Known {
        let base = self.rules.base(folded);
        let stem = self.stems.get(&self.rules.stem(base)).unwrap_or(ROOT);
        let way = self.way_to(stem);
        let key = base.as_bytes().first_chunk::<PREFIX_KEY_BYTES>();
        let near = key.and_then(|key| self.beginnings.get(key)).map(Vec::as_slice).unwrap_or_default();
        let begins = near.iter().filter(|(beginning, _)| base.starts_with(beginning.as_ref()));
        let beginnings: Box<[Symbol]> = begins.map(|(_, symbol)| *symbol).collect();
        let mut is_learned = false;
        self.terms_of(way, |ending| is_learned |= Learned::row_of(ending.term).is_some());
        let shapes = if self.shapes.is_empty() || is_learned { Box::default() } else { self.shapes_of(base) };
        let mut known = Known {
            stem,
            lists: 0,
            marks: if self.language == Language::ENGLISH { marks_of(folded) } else { 0 },
            is_term: way.ending.is_some(),
            goes_on: way.onward != ROOT,
            has_beginnings: !beginnings.is_empty(),
        };
        if known.has_beginnings || !shapes.is_empty() {
            lists.push(Lists { beginnings, shapes });
            known.lists = u32::try_from(lists.len()).unwrap_or_default();
        }
        known
    }

    /// The learned shapes of a word, each once.
    fn shapes_of(&self, base: &str) -> Box<[TermId]> {
        let mut found = Vec::new();
        Cutter::default().cut(base, |shape| found.extend(self.shapes.get(shape)));
        found.sort_unstable();
        found.dedup();
        found.into()
    }

    /// The way from the first of `words` to the next.
    #[inline]
    pub(super) fn pair(&self, words: &[Known]) -> Way {
        match words {
            [word, next, ..] if word.goes_on && next.stem != ROOT => {
                self.step(word.stem, next.stem).unwrap_or_default()
            }
            _ => Way::default(),
        }
    }

    /// Calls `found` with every term that begins at the first of `words`, and the number of its words:
    /// the longest first, where no `word*` is met. `pair` is the way from the first to the second word.
    #[inline]
    pub(super) fn terms_at(
        &self,
        words: &[Known],
        pair: Way,
        lists: &[Lists],
        found: &mut impl FnMut(Ending, usize),
    ) {
        let Some((first, rest)) = words.split_first() else { return };
        if let Some((next, behind)) = rest.split_first() {
            if first.goes_on && next.has_beginnings {
                self.branch(first.stem, 1, rest, lists, found);
            }
            if !pair.is_nowhere() {
                self.from(pair, 2, behind, lists, found);
            }
        }
        if first.is_term {
            self.terms_of(self.way_to(first.stem), |ending| found(ending, 1));
        }
        for symbol in first.beginnings(lists) {
            self.from(self.way_to(*symbol), 1, rest, lists, found);
        }
    }

    /// Calls `found` with every phrase that, written as one word, is this hashtag.
    pub(super) fn terms_of_joined(&self, tag: &str, found: &mut impl FnMut(Ending)) {
        if tag.len() <= JOINED_BYTES_MAX {
            self.joined_from(ROOT, 0, tag, found);
        }
    }

    fn joined_from(&self, node: Node, words: usize, rest: &str, found: &mut impl FnMut(Ending)) {
        if words == PHRASE_WORDS_MAX {
            return;
        }
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        for end in ends {
            let (word, after) = rest.split_at(end);
            let Some(symbol) = self.stems.get(&self.rules.stem(word)) else { continue };
            let way = match node {
                ROOT => Some(self.way_to(symbol)),
                node => self.step(node, symbol),
            };
            let Some(way) = way else { continue };
            // A single word is found as the word it is.
            if after.is_empty() && words > 0 {
                self.terms_of(way, &mut *found);
            } else if way.onward != ROOT {
                self.joined_from(way.onward, words + 1, after, found);
            }
        }
    }

    fn from(
        &self,
        way: Way,
        count: usize,
        rest: &[Known],
        lists: &[Lists],
        found: &mut impl FnMut(Ending, usize),
    ) {
        if let Some((next, behind)) = rest.split_first()
            && way.onward != ROOT
            && !next.is_nothing()
            && count < PHRASE_WORDS_MAX
        {
            if next.has_beginnings {
                self.branch(way.onward, count, rest, lists, found);
            }
            if let Some(step) = self.step(way.onward, next.stem) {
                self.from(step, count + 1, behind, lists, found);
            }
        }
        self.terms_of(way, |ending| found(ending, count));
    }

    /// Goes on along the `word*` that the next word may be, which is rare and would make the way along
    /// stems slower.
    #[cold]
    fn branch(
        &self,
        node: Node,
        count: usize,
        rest: &[Known],
        lists: &[Lists],
        found: &mut dyn FnMut(Ending, usize),
    ) {
        let Some((next, behind)) = rest.split_first() else { return };
        for symbol in next.beginnings(lists) {
            if let Some(way) = self.step(node, *symbol) {
                self.from(way, count + 1, behind, lists, &mut |ending, words| found(ending, words));
            }
        }
    }

    fn step(&self, node: Node, symbol: Symbol) -> Option<Way> {
        self.steps.get(&(node, symbol)).copied()
    }

    /// The way to a symbol's own place.
    fn way_to(&self, symbol: Symbol) -> Way {
        self.symbols.get(symbol as usize).copied().unwrap_or_default()
    }

    /// Calls `found` with every term that ends at a place.
    #[inline]
    fn terms_of(&self, way: Way, mut found: impl FnMut(Ending)) {
        let Some(ending) = way.ending else { return };
        if ending.term & SEVERAL == 0 {
            return found(ending);
        }
        let list = self.terms.get((ending.term & !SEVERAL) as usize..).unwrap_or_default();
        let last = list.iter().position(|ending| ending.term & LAST != 0).unwrap_or_default();
        for ending in list.iter().take(last + 1) {
            found(Ending { term: ending.term & !LAST, ..*ending });
        }
    }

    fn intern(&mut self, folded: &str, key: Option<Key>, extent: Extent) -> Symbol {
        match extent {
            Extent::Beginning => self.intern_beginning(folded),
            Extent::Whole => {
                let placed = key.and_then(|key| self.placed.get(&key)).copied();
                placed.unwrap_or_else(|| self.intern_whole(folded, key))
            }
        }
    }

    fn intern_whole(&mut self, folded: &str, key: Option<Key>) -> Symbol {
        let stem = self.rules.stem(self.rules.base(folded));
        let symbol = self.stems.get(&stem).unwrap_or_else(|| {
            let new = new_place(&mut self.symbols);
            self.stems.insert(&stem, new);
            new
        });
        self.placed.extend(key.map(|key| (key, symbol)));
        symbol
    }

    fn intern_beginning(&mut self, folded: &str) -> Symbol {
        let base = self.rules.base(folded);
        let key = base.as_bytes().first_chunk().copied().unwrap_or_default();
        let near = self.beginnings.get(&key).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, symbol)) = near.iter().find(|(known, _)| known.as_ref() == base) {
            return *symbol;
        }
        let base = base.into();
        let new = new_place(&mut self.symbols);
        self.beginnings.entry(key).or_default().push((base, new));
        new
    }
}

/// The way to a place, while terms are added.
fn way_in<'w>(symbols: &'w mut [Way], deep: &'w mut [Way], node: Node) -> &'w mut Way {
    let way =
        if node & DEEP == 0 { symbols.get_mut(node as usize) } else { deep.get_mut((node & !DEEP) as usize) };
    way.expect("every place was made by this lexicon")
}

fn new_place(places: &mut Vec<Way>) -> Node {
    let new = Node::try_from(places.len()).expect("limits on files and terms keep places few");
    places.push(Way::default());
    new
}
