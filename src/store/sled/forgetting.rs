//! What is forgotten when it is old: inputs that were seen, and what was said about no question.
//!
//! **Invariant:** finding what is old changes nothing; the writer looks at each row again before it
//! takes it away.

use jiff::Timestamp;
use serde::de::IgnoredAny;

use crate::desk::{Letter, Person};
use crate::store::sled::keys::{self, About};
use crate::store::sled::layers::Layers;
use crate::store::sled::plan::{StoredLetter, stored_letter};
use crate::store::sled::prepare::{LetterHead, PERSON, RECORD, Record, SEEN, SeenRow};
use crate::store::sled::writer::Work;
use crate::store::sled::{PAGE_ROWS, Sled};
use crate::store::{StoreError, rows};

impl Sled {
    pub(in crate::store) async fn expire_seen(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        let mut from = vec![keys::POST];
        while forgotten < limit {
            let (old, next) = self.old_seen(&from, before)?;
            if !old.is_empty() {
                let seen_keys = old.into_iter().take(limit - forgotten).collect();
                forgotten += self.ask(|reply| Work::Forget { seen_keys, before, reply }).await?;
            }
            let Some(next) = next else { break };
            from = next;
            // Reading takes a millisecond or so a page; others may go first.
            tokio::task::yield_now().await;
        }
        Ok(forgotten)
    }

    pub(in crate::store) async fn expire_talk(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let keys = self.old_talk(before, limit)?;
        if keys.is_empty() {
            return Ok(0);
        }
        self.ask(|reply| Work::ForgetTalk { keys, before, reply }).await
    }

    /// The keys of letters and people that may be forgotten. The writer looks at each again.
    fn old_talk(&self, before: Timestamp, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let mut keys = Vec::new();
        self.each(RECORD, keys::RECORD, None, &mut |record: Record<LetterHead, IgnoredAny, IgnoredAny>,
                                                    _| {
            if record.code.is_some() {
                return Ok(());
            }
            for row in record.letters.iter().filter(|row| row.letter.made_at < before) {
                let key = keys::letter(&row.letter.id);
                let found: Option<StoredLetter<Letter>> = stored_letter(&layers, &key)?;
                if keys.len() < limit
                    && found.is_some_and(|found| rows::is_old_talk(&found.letter, &found.delivery, before))
                {
                    keys.push(key);
                }
            }
            Ok::<(), StoreError>(())
        })?;
        self.each(PERSON, keys::ACCOUNT, Some(About::Person), &mut |person: Person, key| {
            if rows::is_long_gone(&person, before) && keys.len() < limit {
                keys.push(key.to_vec());
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(keys)
    }

    /// One page of seen inputs from a key on: those that are older, and where the next page begins.
    #[expect(clippy::type_complexity, reason = "a pair of keys, used in one place")]
    fn old_seen(
        &self,
        from: &[u8],
        before: Timestamp,
    ) -> Result<(Vec<Vec<u8>>, Option<Vec<u8>>), StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let page = layers.scan(from, &[keys::POST + 1], PAGE_ROWS)?;
        let mut old = Vec::new();
        for (key, main) in page.iter().filter(|(key, _)| keys::about(key) == Some(About::Seen)) {
            let row: SeenRow<IgnoredAny> = layers.decode(SEEN, key, main)?;
            if row.at < before {
                old.push(key.to_vec());
            }
        }
        let next = if page.len() < PAGE_ROWS { None } else { page.last() };
        Ok((old, next.map(|(key, _)| [key, &[0][..]].concat())))
    }
}
