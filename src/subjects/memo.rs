//! What the words met so far are to one lexicon, so that each is stemmed and looked up once.
//!
//! **Invariant:** what is remembered is bounded, and never changes a result.

use hashbrown::HashMap;

use crate::subjects::lexicon::{Known, Lexicon, Lists};
use crate::subjects::words::Key;

/// How many different words are remembered, and of how many their lists, before all are forgotten.
const WORDS_MAX: usize = 50_000;

#[derive(Default)]
pub(super) struct Memo {
    short: HashMap<Key, Known>,
    /// Words without a key.
    long: HashMap<Box<str>, Known>,
    /// What [`Known`] points to.
    lists: Vec<Lists>,
}

impl Memo {
    pub(super) fn lists(&self) -> &[Lists] {
        &self.lists
    }

    /// To be called between texts only: what was handed out becomes void.
    pub(super) fn forget_when_full(&mut self) {
        if WORDS_MAX <= self.short.len() + self.long.len() || WORDS_MAX <= self.lists.len() {
            *self = Memo::default();
        }
    }

    /// What a folded word is. It is given with its key, and only asked for where it is not remembered.
    #[inline]
    pub(super) fn known<'w>(
        &mut self,
        lexicon: &Lexicon,
        key: Option<Key>,
        word: impl FnOnce() -> &'w str,
    ) -> Known {
        let Some(key) = key else { return self.long(lexicon, word()) };
        match self.short.get(&key) {
            Some(known) => *known,
            None => self.meet(lexicon, key, word()),
        }
    }

    /// What a text that is hardly met again is: nothing but its lists is remembered.
    pub(super) fn known_once(&mut self, lexicon: &Lexicon, folded: &str) -> Known {
        lexicon.look_up(folded, &mut self.lists)
    }

    #[cold]
    fn meet(&mut self, lexicon: &Lexicon, key: Key, word: &str) -> Known {
        let known = lexicon.look_up(word, &mut self.lists);
        self.short.insert(key, known);
        known
    }

    #[cold]
    fn long(&mut self, lexicon: &Lexicon, word: &str) -> Known {
        let Memo { long, lists, .. } = self;
        match long.get(word) {
            Some(known) => *known,
            None => *long.entry(word.into()).or_insert(lexicon.look_up(word, lists)),
        }
    }
}
