//! Where reading notifications goes on.
//!
//! Ids are compared by length, then as texts, because servers number as they like: in decimals of any
//! length, in ULIDs, in flakes. A few of the newest ids stay known beside their order: an item whose
//! number was given early and which appears late is still found among them.
//!
//! **Invariant:** what was handed out under a cursor is not handed out again under the next, and
//! nothing is passed over that appears among the last few or above.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::networks::mastodon::status::Item;

/// How many of the newest ids are remembered.
pub(super) const KNOWN_MAX: usize = 15;

/// The longest id that is remembered, in bytes.
const ID_BYTES_MAX: usize = 200;

/// What is stored between fetches: the newest ids, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The server whose ids these are.
    at: String,
    known: Vec<String>,
    /// The newest post of each hashtag that was looked at; `None` where there was none yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, Option<String>>,
}

/// Which of two ids was given later.
pub(super) fn by_age(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Cursor {
    pub(super) fn new(server: &str) -> Cursor {
        Cursor { at: server.to_owned(), known: Vec::new(), tags: BTreeMap::new() }
    }

    /// The cursor that was stored; `None` where there is none, it cannot be read, or it is of another
    /// server. Then the desk begins anew at the newest, and answers nothing older.
    pub(super) fn parse(stored: Option<&str>, server: &str) -> Option<Cursor> {
        serde_json::from_str(stored?).ok().filter(|cursor: &Cursor| cursor.at == server)
    }

    pub(super) fn stored(&self) -> String {
        serde_json::to_string(self).expect("texts can be written as JSON")
    }

    /// The id to read from.
    pub(super) fn from(&self) -> Option<&str> {
        self.known.first().map(String::as_str)
    }

    /// The newest id that is known.
    pub(super) fn newest(&self) -> Option<&str> {
        self.known.last().map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether everything up to here was read already.
    pub(super) fn reaches(&self, id: &str) -> bool {
        self.from().is_some_and(|from| by_age(id, from).is_le())
    }

    /// The newest post of a hashtag, where it was looked at before.
    pub(super) fn newest_of(&self, tag: &str) -> Option<Option<&str>> {
        self.tags.get(tag).map(Option::as_deref)
    }

    /// Knows the newest post of a hashtag from now on.
    pub(super) fn know_newest_of(&mut self, tag: &str, id: Option<&str>) {
        let id = id.filter(|id| id.len() <= ID_BYTES_MAX);
        self.tags.insert(tag.to_owned(), id.map(str::to_owned));
    }

    /// Forgets hashtags to which the desk no longer listens.
    pub(super) fn keep_tags(&mut self, tags: &[String]) {
        self.tags.retain(|tag, _| tags.contains(tag));
    }

    /// Whether an item was not read before.
    fn is_new(&self, id: &str) -> bool {
        !self.known.iter().any(|known| known == id) && !self.reaches(id)
    }

    /// Takes the new items out of a page, the oldest first, whatever the page's order is, and knows them
    /// from now on. Items without an id are left to the caller to count.
    pub(super) fn take(&mut self, page: Vec<Item>) -> Vec<Item> {
        let mut new: Vec<(String, Item)> = Vec::new();
        for item in page {
            let Some(id) = item.id.clone().filter(|id| id.len() <= ID_BYTES_MAX) else { continue };
            if self.is_new(&id) && !new.iter().any(|(known, _)| *known == id) {
                new.push((id, item));
            }
        }
        new.sort_by(|(a, _), (b, _)| by_age(a, b));
        self.know(new.iter().map(|(id, _)| id.clone()));
        new.into_iter().map(|(_, item)| item).collect()
    }

    /// Knows these ids, and nothing older than the newest few.
    pub(super) fn know(&mut self, ids: impl IntoIterator<Item = String>) {
        self.known.extend(ids);
        self.known.sort_by(|a, b| by_age(a, b));
        self.known.dedup();
        let surplus = self.known.len().saturating_sub(KNOWN_MAX);
        self.known.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::mastodon::status::Content;

    fn page(ids: &[&str]) -> Vec<Item> {
        ids.iter()
            .map(|id| Item {
                id: (!id.is_empty()).then(|| (*id).to_owned()),
                content: Content::Nothing,
                author: None,
            })
            .collect()
    }

    fn taken(cursor: &mut Cursor, ids: &[&str]) -> Vec<String> {
        cursor.take(page(ids)).into_iter().filter_map(|item| item.id).collect()
    }

    #[test]
    fn ids_are_compared_by_length_then_as_texts() {
        let mut ids = ["10", "9", "100", "01K", "01J", "2"];
        ids.sort_by(|a, b| by_age(a, b));
        assert_eq!(ids, ["2", "9", "10", "01J", "01K", "100"]);
    }

    #[test]
    fn pages_are_read_oldest_first_whatever_their_order_is() {
        let mut cursor = Cursor::new("l.example");
        assert_eq!(taken(&mut cursor, &["10", "9", "8"]), ["8", "9", "10"]);
        assert_eq!(taken(&mut cursor, &["11", "9", "11", "12", ""]), ["11", "12"]);
        assert_eq!(taken(&mut cursor, &["12", "11"]), [""; 0]);
        assert_eq!(cursor.newest(), Some("12"));
    }

    #[test]
    fn an_item_that_appears_late_is_found() {
        let mut cursor = Cursor::new("l.example");
        taken(&mut cursor, &["1", "3", "5"]);
        assert_eq!(taken(&mut cursor, &["4", "5", "3"]), ["4"]);
        assert_eq!(taken(&mut cursor, &["4", "5", "3"]), [""; 0]);
    }

    #[test]
    fn where_hashtags_were_read_to_is_stored_and_older_cursors_are_understood() {
        let mut cursor = Cursor::new("l.example");
        assert_eq!(cursor.newest_of("history"), None, "never looked at");
        cursor.know_newest_of("history", Some("7"));
        cursor.know_newest_of("law", None);
        let mut cursor = Cursor::parse(Some(&cursor.stored()), "l.example").unwrap();
        assert_eq!((cursor.newest_of("history"), cursor.newest_of("law")), (Some(Some("7")), Some(None)));
        cursor.keep_tags(&["law".to_owned()]);
        assert_eq!(cursor.newest_of("history"), None);
        let before = r#"{"at":"l.example","known":["3"]}"#;
        assert_eq!(Cursor::parse(Some(before), "l.example").unwrap().newest_of("law"), None);
    }

    #[test]
    fn the_memory_is_short_and_nothing_below_it_comes_back() {
        let mut cursor = Cursor::new("l.example");
        let ids: Vec<String> = (100..400).map(|id: u32| id.to_string()).collect();
        cursor.know(ids);
        assert_eq!(cursor.known.len(), KNOWN_MAX);
        assert_eq!(taken(&mut cursor, &["120", "384", "99", "400"]), ["400"]);
        let stored = cursor.stored();
        assert_eq!(Cursor::parse(Some(&stored), "l.example"), Some(cursor));
        assert_eq!(Cursor::parse(Some(&stored), "other.example"), None, "the desk has moved");
        assert_eq!(Cursor::parse(Some("nonsense"), "l.example"), None);
    }
}
