//! Letters: those about a question, those to be sent next, and those that were refused.
//!
//! **Invariant:** a letter is never given out for sending before the one it replies to is settled.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use sled::Tree;

use crate::desk::letter::{Delivery, ReplyTo};
use crate::desk::{Code, Letter, LetterId, Network};
use crate::store::StoreError;
use crate::store::sled::keys::{self, Shelf};
use crate::store::sled::layers::{self, Layers};
use crate::store::sled::plan::{StoredLetter, stored_letter};
use crate::store::sled::prepare::{ContentHead, LetterHead, Record};
use crate::store::sled::writer::Work;
use crate::store::sled::{Sled, each_record};

impl Sled {
    pub(in crate::store) fn letter(&self, id: &LetterId) -> Result<Option<(Letter, Delivery)>, StoreError> {
        let tree = self.shared.tree()?;
        let found = stored_letter(&Layers::plain(&tree), &keys::letter(id))?;
        Ok(found.map(StoredLetter::shown))
    }

    pub(in crate::store) fn letters_about(&self, code: &Code) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let mut letters: Vec<StoredLetter<Letter>> = Vec::new();
        each_record(&layers, code, |record: Record<Letter, IgnoredAny, IgnoredAny>| {
            for row in record.letters {
                letters.extend(stored_letter(&layers, &keys::letter(&row.letter.id))?);
            }
            Ok(())
        })?;
        letters.sort_by_cached_key(|found| (found.letter.made_at, found.turn, found.letter.id.clone()));
        Ok(letters.into_iter().map(StoredLetter::shown).collect())
    }

    pub(in crate::store) fn undelivered(&self, limit: usize) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let mut letters = Vec::new();
        for found in tree.scan_prefix(keys::outbox_of(Shelf::Refused)).rev().take(limit) {
            let (key, _) = found.map_err(layers::unreachable)?;
            letters.extend(shelved(&layers, Shelf::Refused, &key)?);
        }
        Ok(letters.into_iter().map(StoredLetter::shown).collect())
    }

    pub(in crate::store) fn outbox(
        &self,
        network: Network,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tree = self.shared.tree()?;
        let shelf = Shelf::ToDo(network);
        let keys = keys::outbox_of(shelf)..keys::outbox_until(shelf, now);
        let ready = to_act_on(&tree, shelf, tree.range(keys), limit)?;
        Ok(ready.into_iter().map(StoredLetter::shown).collect())
    }

    pub(in crate::store) fn in_hand(&self, network: Network) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let shelf = Shelf::InHand(network);
        let mut letters = Vec::new();
        for (key, _) in layers.scan_prefix(&keys::outbox_of(shelf))? {
            letters.extend(shelved(&layers, shelf, &key)?);
        }
        Ok(letters.into_iter().map(StoredLetter::shown).collect())
    }

    pub(in crate::store) fn next_outbox(&self, network: Network) -> Result<Option<Timestamp>, StoreError> {
        let tree = self.shared.tree()?;
        let shelf = Shelf::ToDo(network);
        let first = to_act_on(&tree, shelf, tree.scan_prefix(keys::outbox_of(shelf)), 1)?.pop();
        Ok(first.and_then(|first| match first.delivery {
            Delivery::Waiting { not_before, .. } => Some(not_before),
            Delivery::Unsure { look_at, .. } => Some(look_at),
            Delivery::Claimed { .. } | Delivery::Sent { .. } | Delivery::Refused { .. } => None,
        }))
    }

    pub(in crate::store) async fn deliver(
        &self,
        id: &LetterId,
        from: &Delivery,
        to: Delivery,
    ) -> Result<bool, StoreError> {
        let (id, from) = (id.clone(), from.clone());
        self.ask(|reply| Work::Deliver { id, from, to, reply }).await
    }
}

impl StoredLetter<Letter> {
    fn shown(self) -> (Letter, Delivery) {
        (self.letter, self.delivery)
    }
}

/// The letter that lies on a shelf under this key, unless it was moved a moment ago.
fn shelved(
    layers: &Layers<'_>,
    shelf: Shelf,
    key: &[u8],
) -> Result<Option<StoredLetter<Letter>>, StoreError> {
    let found: Option<StoredLetter<Letter>> = stored_letter(layers, &keys::letter_of_outbox(shelf, key))?;
    Ok(found.filter(|found| {
        let lies_at = LetterHead::of(&found.letter).outbox_key(found.turn, &found.delivery);
        lies_at.is_some_and(|lies_at| lies_at == key)
    }))
}

/// The first `limit` letters under these keys that are not held back by a letter before them.
fn to_act_on(
    tree: &Tree,
    shelf: Shelf,
    marks: sled::Iter,
    limit: usize,
) -> Result<Vec<StoredLetter<Letter>>, StoreError> {
    let layers = Layers::plain(tree);
    let mut ready = Vec::new();
    for mark in marks {
        if ready.len() >= limit {
            break;
        }
        let (key, _) = mark.map_err(layers::unreachable)?;
        let Some(found) = shelved(&layers, shelf, &key)? else { continue };
        if !is_held_back(&layers, &found.letter)? {
            ready.push(found);
        }
    }
    Ok(ready)
}

/// Whether the letter replies to one that is still on its way.
fn is_held_back(layers: &Layers<'_>, letter: &Letter) -> Result<bool, StoreError> {
    let ContentHead::Post { reply_to: Some(ReplyTo::Letter(previous)) } = LetterHead::of(letter).content
    else {
        return Ok(false);
    };
    let previous: Option<StoredLetter<LetterHead>> = stored_letter(layers, &keys::letter(&previous))?;
    Ok(previous.is_some_and(|previous| !previous.delivery.is_settled()))
}
