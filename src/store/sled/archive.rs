//! All rows of a store, out of it and into an empty one.
//!
//! **Invariant:** a store into which rows are being put is marked as such until they are complete, so
//! that half an archive is never taken for a whole one.

use std::sync::PoisonError;

use serde::de::IgnoredAny;

use crate::desk::{InputId, Link, Network, PostId, Roster};
use crate::store::StoreError;
use crate::store::rows::Row;
use crate::store::sled::keys::{self, About};
use crate::store::sled::layers::{self, Layers};
use crate::store::sled::plan::{StoredLetter, stored_letter};
use crate::store::sled::prepare::{FILE, LINK, LinkRow, PERSON, SEEN, SeenRow};
use crate::store::sled::writer::Work;
use crate::store::sled::{PAGE_ROWS, Sled, code_of_file, question};

impl Sled {
    /// Gives every row to `take`, in the order of the archive, as of one moment.
    pub(in crate::store) fn each_row<E: From<StoreError>>(
        &self,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let _gate = self.shared.gate.read().unwrap_or_else(PoisonError::into_inner);
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        self.each(FILE, keys::FILE, None, &mut |_: IgnoredAny, key| {
            let found = question(&layers, &code_of_file(key)?)?;
            found.map_or(Ok(()), |question| take(Row::Question { question: Box::new(question) }))
        })?;
        self.each(PERSON, keys::ACCOUNT, Some(About::Person), &mut |person, _| take(Row::Person { person }))?;
        for key in tree.scan_prefix([keys::LETTER]).keys() {
            let found = stored_letter(&layers, &key.map_err(layers::unreachable)?)?;
            let Some(StoredLetter { letter, turn, delivery, .. }) = found else { continue };
            take(Row::Letter { letter: Box::new(letter), turn, delivery })?;
        }
        self.each(LINK, keys::POST, Some(About::Link), &mut |row: LinkRow<PostId, Link>, _| {
            take(Row::Link { post: row.post, link: row.link })
        })?;
        self.each(FILE, keys::FILE, None, &mut |_: IgnoredAny, key| {
            let entries = self.journal(&code_of_file(key)?)?;
            entries.into_iter().try_for_each(|entry| take(Row::Entry { entry }))
        })?;
        self.each(SEEN, keys::POST, Some(About::Seen), &mut |row: SeenRow<InputId>, _| {
            take(Row::Seen { input: row.input, at: row.at })
        })?;
        for network in Network::ALL {
            let Some(cursor) = self.cursor(network)? else { continue };
            take(Row::Cursor { network, cursor })?;
        }
        Ok(())
    }

    /// Marks that rows are being put into an empty store, so that it is not used if that breaks off.
    pub(in crate::store) async fn begin_import(&self) -> Result<(), StoreError> {
        self.ask(|reply| Work::Mark { key: keys::IMPORTING_KEY, set: true, reply }).await
    }

    pub(in crate::store) async fn put_rows(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        self.ask(|reply| Work::Rows(rows, reply)).await
    }

    pub(in crate::store) async fn end_import(&self) -> Result<(), StoreError> {
        self.ask(|reply| Work::Mark { key: keys::IMPORTING_KEY, set: false, reply }).await
    }

    /// Empties the store again after an import that turned out to be incomplete.
    pub(in crate::store) async fn clear(&self) -> Result<(), StoreError> {
        while self.ask(|reply| Work::Empty { limit: PAGE_ROWS, reply }).await? > 0 {}
        *self.shared.roster.write().unwrap_or_else(PoisonError::into_inner) = Roster::default();
        self.end_import().await
    }
}
