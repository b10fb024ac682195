//! The terms of one language as a trie over word ids.
//!
//! Each stem that stands in a term has an id, and so has each `word*`. A text's words are looked up
//! once; phrases are then found by ids alone, so the number of terms does not matter to the search.
//!
//! **Invariant:** only whole words are compared. `art` is not found in "heart", and `art*` only at
//! the beginning of a word.

use hashbrown::HashMap;

use crate::subjects::language::detection::{Marks, marks_of};
use crate::subjects::language::{Language, WordRules};
use crate::subjects::learned::Learned;
use crate::subjects::shapes::{self, Cutter};

/// The id of a term, over all languages.
pub(super) type TermId = u32;

/// The id of a stem or of a `word*`, within one language.
pub(super) type Symbol = u32;

/// A place in the trie.
type Node = u32;

/// The first place, before any word. No step leads back to it.
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

/// What a word of a text is to a lexicon. Small and flat, so that many are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The place behind its stem as the first word of a term; [`ROOT`] where no term begins so.
    node: Node,
    /// Its stem's symbol and one; 0 where no term has it.
    stem: u32,
    /// Where its `word*` symbols stand in [`Lists`], and one; 0 where it has none.
    beginnings: u32,
    /// Where its learned shapes stand in [`Lists`], and one; 0 where it has none, or a line of its own.
    pub(super) shapes: u32,
    /// What it says about the language of its text; only the English lexicon is asked for that.
    pub(super) marks: Marks,
}

impl Known {
    /// Whether no term has this word anywhere.
    pub(super) fn is_nothing(self) -> bool {
        self.stem == 0 && self.beginnings == 0
    }

    /// Whether a term may begin with this word.
    pub(super) fn may_begin(self) -> bool {
        self.node != ROOT || self.beginnings != 0
    }
}

/// The `word*` symbols, and the ids of learned shapes, of the few words that have any.
pub(super) type Lists = Vec<Box<[u32]>>;

/// The terms of one language.
#[derive(Clone, Debug)]
pub(super) struct Lexicon {
    language: Language,
    rules: WordRules,
    stems: HashMap<Box<str>, Symbol>,
    beginnings: HashMap<[u8; PREFIX_KEY_BYTES], Vec<(Box<str>, Symbol)>>,
    symbols: Symbol,
    shapes: HashMap<Box<str>, TermId>,
    steps: HashMap<(Node, Symbol), Node>,
    /// Where the terms that were added ended; sorted into `nodes` and `terms` by [`Lexicon::finish`].
    added: Vec<(Node, TermId)>,
    nodes: Vec<Place>,
    terms: Vec<TermId>,
}

/// A place in the trie as the search needs it.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Where the list of its terms begins; it ends where the next place's begins.
    terms: u32,
    goes_on: bool,
}

impl Lexicon {
    pub(super) fn new(language: Language) -> Lexicon {
        Lexicon {
            rules: language.rules(),
            language,
            stems: HashMap::new(),
            beginnings: HashMap::new(),
            symbols: 0,
            shapes: HashMap::new(),
            steps: HashMap::new(),
            added: Vec::new(),
            nodes: vec![Place::default()],
            terms: Vec::new(),
        }
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// The place behind these words, which terms with the same stems share.
    pub(super) fn place<'w>(&mut self, words: impl Iterator<Item = (&'w str, Extent)>) -> u32 {
        let mut node = ROOT;
        for (folded, extent) in words {
            let symbol = self.intern(folded, extent);
            let next = Node::try_from(self.nodes.len()).expect("limits on files and terms keep nodes few");
            let before = node;
            node = *self.steps.entry((before, symbol)).or_insert(next);
            if node == next {
                self.nodes.push(Place::default());
                let before = self.nodes.get_mut(before as usize).expect("every step begins at a node");
                before.goes_on = true;
            }
        }
        node
    }

    /// Adds a term at a place that [`place`](Lexicon::place) gave. It is found after
    /// [`finish`](Lexicon::finish).
    pub(super) fn add(&mut self, node: u32, term: TermId) {
        self.added.push((node, term));
    }

    /// Adds a learned word shape, such as `*ology`, `anti*` or `*cycl*`. It is found in words that have
    /// no learned term of their own.
    pub(super) fn add_shape(&mut self, shape: &str, term: TermId) {
        self.shapes.insert(shapes::read(shape).into(), term);
    }

    /// Makes the terms ready to be found, and gives back memory that only adding needs.
    pub(super) fn finish(&mut self) {
        let mut added = std::mem::take(&mut self.added);
        added.sort_unstable();
        self.terms = added.iter().map(|(_, term)| *term).collect();
        let mut listed = 0;
        for (node, place) in self.nodes.iter_mut().enumerate() {
            place.terms = u32::try_from(listed).expect("limits on files and terms keep them few");
            let own = added.iter().skip(listed).take_while(|(at, _)| *at as usize == node);
            listed += own.count();
        }
        self.nodes.shrink_to_fit();
        self.steps.shrink_to_fit();
        self.stems.shrink_to_fit();
    }

    /// What a folded word of a text is here.
    pub(super) fn look_up(&self, folded: &str, lists: &mut Lists) -> Known {
        let base = self.rules.base(folded);
        let stem = self.stems.get(self.rules.stem(base).as_ref()).copied();
        let node = stem.and_then(|symbol| self.steps.get(&(ROOT, symbol)).copied());
        let key = base.as_bytes().first_chunk::<PREFIX_KEY_BYTES>();
        let near = key.and_then(|key| self.beginnings.get(key)).map(Vec::as_slice).unwrap_or_default();
        let begins = near.iter().filter(|(beginning, _)| base.starts_with(beginning.as_ref()));
        let list: Box<[Symbol]> = begins.map(|(_, symbol)| *symbol).collect();
        let beginnings = place_in(lists, list);
        let is_learned =
            node.is_some_and(|node| self.terms_of(node).iter().any(|id| Learned::row_of(*id).is_some()));
        let shapes =
            if self.shapes.is_empty() || is_learned { 0 } else { place_in(lists, self.shapes_of(base)) };
        Known {
            node: node.unwrap_or(ROOT),
            stem: stem.map_or(0, |symbol| symbol + 1),
            beginnings,
            shapes,
            marks: if self.language == Language::ENGLISH { marks_of(folded) } else { 0 },
        }
    }

    /// The learned shapes of a word, each once.
    fn shapes_of(&self, base: &str) -> Box<[TermId]> {
        let mut found = Vec::new();
        Cutter::default().cut(base, |shape| found.extend(self.shapes.get(shape)));
        found.sort_unstable();
        found.dedup();
        found.into()
    }

    /// Calls `found` with every term that begins at the first of `words`, and the number of its words.
    #[inline]
    pub(super) fn terms_at(&self, words: &[Known], lists: &Lists, found: &mut impl FnMut(TermId, usize)) {
        let Some((first, rest)) = words.split_first() else { return };
        if first.node != ROOT {
            self.from(first.node, 1, rest, lists, found);
        }
        for symbol in beginnings_of(*first, lists) {
            if let Some(node) = self.steps.get(&(ROOT, *symbol)) {
                self.from(*node, 1, rest, lists, found);
            }
        }
    }

    /// Calls `found` with every phrase that, written as one word, is this hashtag.
    pub(super) fn terms_of_joined(&self, tag: &str, found: &mut impl FnMut(TermId)) {
        if tag.len() <= JOINED_BYTES_MAX {
            self.joined_from(ROOT, 0, tag, found);
        }
    }

    fn joined_from(&self, node: Node, words: usize, rest: &str, found: &mut impl FnMut(TermId)) {
        if words == PHRASE_WORDS_MAX {
            return;
        }
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        for end in ends {
            let (word, after) = rest.split_at(end);
            let symbol = self.stems.get(self.rules.stem(word).as_ref());
            let Some(next) = symbol.and_then(|symbol| self.steps.get(&(node, *symbol))) else { continue };
            // A single word is found as the word it is.
            if after.is_empty() && words > 0 {
                self.terms_of(*next).iter().for_each(|term| found(*term));
            } else if self.goes_on(*next) {
                self.joined_from(*next, words + 1, after, found);
            }
        }
    }

    fn from(
        &self,
        mut node: Node,
        mut count: usize,
        mut rest: &[Known],
        lists: &Lists,
        found: &mut impl FnMut(TermId, usize),
    ) {
        loop {
            for term in self.terms_of(node) {
                found(*term, count);
            }
            let Some((next, behind)) = rest.split_first() else { return };
            if count == PHRASE_WORDS_MAX || next.is_nothing() || !self.goes_on(node) {
                return;
            }
            for symbol in beginnings_of(*next, lists) {
                if let Some(node) = self.steps.get(&(node, *symbol)) {
                    self.branch(*node, count + 1, behind, lists, found);
                }
            }
            let step = next.stem.checked_sub(1).and_then(|symbol| self.steps.get(&(node, symbol)));
            let Some(step) = step else { return };
            (node, rest, count) = (*step, behind, count + 1);
        }
    }

    /// Goes on along a `word*`, which is rare and would make the way along stems slower.
    #[cold]
    fn branch(
        &self,
        node: Node,
        count: usize,
        rest: &[Known],
        lists: &Lists,
        found: &mut dyn FnMut(TermId, usize),
    ) {
        self.from(node, count, rest, lists, &mut |term, words| found(term, words));
    }

    fn goes_on(&self, node: Node) -> bool {
        self.nodes.get(node as usize).is_some_and(|place| place.goes_on)
    }

    fn terms_of(&self, node: Node) -> &[TermId] {
        let begin = |node: usize| self.nodes.get(node).map(|place| place.terms as usize);
        let from = begin(node as usize).unwrap_or_default();
        let until = begin(node as usize + 1).unwrap_or(self.terms.len());
        self.terms.get(from..until).unwrap_or_default()
    }

    fn intern(&mut self, folded: &str, extent: Extent) -> Symbol {
        let base = self.rules.base(folded);
        let next = self.symbols;
        let symbol = match extent {
            Extent::Whole => {
                let stem = self.rules.stem(base);
                match self.stems.get(stem.as_ref()) {
                    Some(symbol) => *symbol,
                    None => {
                        self.stems.insert(stem.into(), next);
                        next
                    }
                }
            }
            Extent::Beginning => {
                let key = base.as_bytes().first_chunk().copied().unwrap_or_default();
                let near = self.beginnings.entry(key).or_default();
                match near.iter().find(|(known, _)| known.as_ref() == base) {
                    Some((_, symbol)) => *symbol,
                    None => {
                        near.push((base.into(), next));
                        next
                    }
                }
            }
        };
        self.symbols += Symbol::from(symbol == next);
        symbol
    }
}

/// Keeps a list: its place and one, or 0 where it is empty.
fn place_in(lists: &mut Lists, list: Box<[u32]>) -> u32 {
    if list.is_empty() {
        return 0;
    }
    lists.push(list);
    u32::try_from(lists.len()).unwrap_or_default()
}

/// The learned shapes of a word.
pub(super) fn shapes_of(word: Known, lists: &Lists) -> &[TermId] {
    let list = word.shapes.checked_sub(1).and_then(|at| lists.get(at as usize));
    list.map(AsRef::as_ref).unwrap_or_default()
}

fn beginnings_of(word: Known, lists: &Lists) -> &[Symbol] {
    let list = word.beginnings.checked_sub(1).and_then(|at| lists.get(at as usize));
    list.map(AsRef::as_ref).unwrap_or_default()
}
