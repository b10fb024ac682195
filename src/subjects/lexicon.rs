//! The terms of one language as a trie over word ids.
//!
//! Each stem that stands in a term has an id, and so has each `word*`. A text's words are looked up
//! once; phrases are then found by ids alone, so the number of terms does not matter to the search.
//!
//! **Invariant:** only whole words are compared. `art` is not found in "heart", and `art*` only at
//! the beginning of a word.

use std::collections::HashMap;

use crate::subjects::language::{Language, WordRules};

/// The id of a term, over all languages.
pub(super) type TermId = u32;

/// The id of a stem or of a `word*`, within one language.
type Symbol = u32;

/// A place in the trie.
type Node = u32;

/// The first place, before any word.
const ROOT: Node = 0;

/// The shortest `word*` without its star, in characters: shorter ones would match anything.
pub(super) const PREFIX_CHARS_MIN: usize = 3;

/// The longest phrase, in words.
pub(super) const PHRASE_WORDS_MAX: usize = 12;

/// How many bytes of a word find the `word*` terms it may begin with.
const PREFIX_KEY_BYTES: usize = 3;

/// One word of a term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TermWord {
    pub(super) folded: String,
    pub(super) extent: Extent,
}

/// How much of a word a word of a term stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Extent {
    /// The word in all its forms.
    Whole,
    /// `word*`: every word that begins so.
    Beginning,
}

/// What a word of a text is to a lexicon.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols {
    stem: Option<Symbol>,
    beginnings: Vec<Symbol>,
}

impl Symbols {
    fn iter(&self) -> impl Iterator<Item = Symbol> {
        self.stem.into_iter().chain(self.beginnings.iter().copied())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stem.is_none() && self.beginnings.is_empty()
    }
}

/// The terms of one language.
#[derive(Clone, Debug)]
pub(super) struct Lexicon {
    language: Language,
    rules: WordRules,
    stems: HashMap<Box<str>, Symbol>,
    beginnings: HashMap<[u8; PREFIX_KEY_BYTES], Vec<(Box<str>, Symbol)>>,
    symbols: Symbol,
    steps: HashMap<(Node, Symbol), Node>,
    terms: Vec<Vec<TermId>>,
}

impl Lexicon {
    pub(super) fn new(language: Language) -> Lexicon {
        Lexicon {
            rules: language.rules(),
            language,
            stems: HashMap::new(),
            beginnings: HashMap::new(),
            symbols: 0,
            steps: HashMap::new(),
            terms: vec![Vec::new()],
        }
    }

    pub(super) fn language(&self) -> &Language {
        &self.language
    }

    /// The terms that came to the same words before, if any; the list is open for one more.
    pub(super) fn place(&mut self, words: &[TermWord]) -> &mut Vec<TermId> {
        let mut node = ROOT;
        for word in words {
            let symbol = self.intern(word);
            let next = Node::try_from(self.terms.len()).expect("limits on files and terms keep nodes few");
            node = *self.steps.entry((node, symbol)).or_insert(next);
            if node == next {
                self.terms.push(Vec::new());
            }
        }
        self.terms.get_mut(node as usize).expect("every node has a list of terms")
    }

    /// What a folded word of a text is here.
    pub(super) fn symbols(&self, folded: &str) -> Symbols {
        let base = self.rules.base(folded);
        let stem = self.stems.get(self.rules.stem(base).as_ref()).copied();
        let key = base.as_bytes().first_chunk::<PREFIX_KEY_BYTES>();
        let near = key.and_then(|key| self.beginnings.get(key)).map(Vec::as_slice).unwrap_or_default();
        let begins = near.iter().filter(|(beginning, _)| base.starts_with(beginning.as_ref()));
        Symbols { stem, beginnings: begins.map(|(_, symbol)| *symbol).collect() }
    }

    /// Calls `found` with every term that begins at the first of `words`, and the number of its words.
    pub(super) fn terms_at<'w>(
        &self,
        words: impl Iterator<Item = &'w Symbols> + Clone,
        mut found: impl FnMut(TermId, usize),
    ) {
        let mut nodes = vec![ROOT];
        let mut next = Vec::new();
        for (count, word) in words.enumerate().take(PHRASE_WORDS_MAX) {
            next.clear();
            for node in &nodes {
                next.extend(word.iter().filter_map(|symbol| self.steps.get(&(*node, symbol)).copied()));
            }
            std::mem::swap(&mut nodes, &mut next);
            if nodes.is_empty() {
                return;
            }
            let terms = nodes.iter().filter_map(|node| self.terms.get(*node as usize)).flatten();
            terms.for_each(|term| found(*term, count + 1));
        }
    }

    fn intern(&mut self, word: &TermWord) -> Symbol {
        let base = self.rules.base(&word.folded);
        let next = self.symbols;
        let symbol = match word.extent {
            Extent::Whole => *self.stems.entry(self.rules.stem(base).into()).or_insert(next),
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
