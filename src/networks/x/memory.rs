//! What was read already, and from where on X is to be asked.
//!
//! X lists what is newer than an id, but mentions can appear late, below newer ones. So it is asked from
//! a while before the newest id that is known, and what was handed out before is left out.
//!
//! **Invariant:** a post counts as seen only when the caller comes back with the cursor that it was
//! handed out with, which means that it was committed. Until then it is handed out again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::desk::{Network, Post, PostId};
use crate::networks::Batch;
use crate::networks::x::reading::{self, Content, MESSAGE, Page};

/// How late a mention may appear in the list.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// How many ids are remembered as seen. Beyond, all are forgotten, and some are handed out again.
const SEEN_MAX: usize = 100_000;

/// How many conversations are remembered, and how many messages of the desk in each.
const CONVERSATIONS_MAX: usize = 10_000;
const OWN_MAX: usize = 20;

/// What is stored between runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// The newest mention that was there at the first fetch: nothing up to it is answered.
    #[serde(default)]
    first: Option<u64>,
    /// The newest mention that was handed out, or that was there at the first fetch.
    #[serde(default)]
    mention: Option<u64>,
    /// The newest direct message.
    #[serde(default)]
    message: Option<u64>,
    /// The number of batches with posts, so that each has a cursor of its own.
    #[serde(default)]
    batch: u64,
}

/// The memory of one account.
#[derive(Debug, Default)]
pub(super) struct Memory {
    cursor: Cursor,
    /// As it was given out last.
    given_out: Option<String>,
    seen: HashSet<u64>,
    handed_out: Vec<u64>,
    /// What this fetch has found so far, with the marks it will move to.
    posts: Vec<(u64, Post)>,
    newest_mention: Option<u64>,
    newest_message: Option<u64>,
    unreadable: usize,
    /// The newest messages of the desk in each conversation: whoever writes there replies to the last one
    /// before.
    own: BTreeMap<String, BTreeSet<u64>>,
    messages_at: Option<Timestamp>,
}

impl Memory {
    /// Begins a fetch from what the caller has stored.
    pub(super) fn begin(&mut self, stored: Option<&str>) {
        let handed_out = mem::take(&mut self.handed_out);
        if stored.is_some() && stored == self.given_out.as_deref() {
            if SEEN_MAX < self.seen.len() {
                self.seen.clear();
            }
            self.seen.extend(handed_out);
        }
        self.cursor = stored.and_then(|stored| serde_json::from_str(stored).ok()).unwrap_or_default();
        self.posts.clear();
        self.newest_mention = None;
        self.newest_message = None;
        self.unreadable = 0;
    }

    /// From which id on mentions are asked for; `None` at the very first fetch.
    pub(super) fn mentions_since(&self) -> Option<u64> {
        self.cursor.mention.map(|mark| {
            let early = reading::time_of(mark).checked_sub(LATE).map_or(0, reading::first_id_at);
            // An id from before X put the time into ids says nothing about time.
            let early = if early == 0 { mark.saturating_sub(1) } else { early };
            early.max(self.cursor.first.unwrap_or(0))
        })
    }

    pub(super) fn take_mentions(&mut self, page: Page) {
        let is_first = self.cursor.mention.is_none();
        let first = self.cursor.first.unwrap_or(0);
        for item in page.items {
            self.newest_mention = self.newest_mention.max(item.id);
            match (item.content, item.id) {
                (Content::Post(post), Some(id)) if !is_first && first < id && !self.seen.contains(&id) => {
                    self.posts.push((id, *post));
                }
                (Content::Unreadable, Some(id)) if !is_first && self.seen.insert(id) => self.unreadable += 1,
                (Content::Unreadable, None) => self.unreadable += 1,
                (Content::Post(_) | Content::Unreadable | Content::Own { .. } | Content::Nothing, _) => {}
            }
        }
    }

    /// All mentions were read: the mark may move to the newest.
    pub(super) fn mentions_read(&mut self) {
        let newest = self.cursor.mention.max(self.newest_mention).unwrap_or(0);
        self.cursor.first.get_or_insert(newest);
        self.cursor.mention = Some(newest);
    }

    /// Whether it is time to look for messages.
    pub(super) fn messages_due(&self, now: Timestamp, every: Duration) -> bool {
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
        // A clock that was set back must not silence the desk.
        self.messages_at.is_none_or(|at| {
            let since = at.duration_until(now);
            every <= since || since < SignedDuration::from_hours(-1)
        })
    }

    /// Takes in a page of messages. Whether it reaches down to what is known.
    pub(super) fn take_messages(&mut self, page: Page) -> bool {
        let known = self.cursor.message;
        let mut is_down = known.is_none();
        for item in page.items {
            let Some(id) = item.id else {
                self.unreadable += 1;
                continue;
            };
            is_down |= known.is_some_and(|known| id <= known);
            self.newest_message = self.newest_message.max(Some(id));
            match item.content {
                Content::Own { conversation } => {
                    if CONVERSATIONS_MAX < self.own.len() {
                        self.own.clear();
                    }
                    let own = self.own.entry(conversation).or_default();
                    own.insert(id);
                    if OWN_MAX < own.len() {
                        own.pop_first();
                    }
                }
                Content::Post(post) if known.is_some_and(|known| known < id) && !self.seen.contains(&id) => {
                    self.posts.push((id, *post));
                }
                Content::Unreadable if known.is_some() && self.seen.insert(id) => self.unreadable += 1,
                Content::Post(_) | Content::Unreadable | Content::Nothing => {}
            }
        }
        is_down
    }

    pub(super) fn messages_read(&mut self, now: Timestamp) {
        self.messages_at = Some(now);
        let nothing_yet = self.cursor.message.is_none().then_some(0);
        self.cursor.message = self.cursor.message.max(self.newest_message).or(nothing_yet);
    }

    /// Nothing is asked about messages for this long.
    pub(super) fn messages_rest(&mut self, now: Timestamp, wait: Duration) {
        let wait = SignedDuration::try_from(wait).unwrap_or_default();
        self.messages_at = Some(now.checked_add(wait).unwrap_or(now));
    }

    /// Whether this fetch has found any post.
    pub(super) fn has_posts(&self) -> bool {
        !self.posts.is_empty()
    }

    /// Ends a fetch with what it found, oldest first.
    pub(super) fn hand_out(&mut self) -> Batch {
        let mut posts = mem::take(&mut self.posts);
        posts.sort_by_key(|(id, _)| *id);
        posts.dedup_by_key(|(id, _)| *id);
        self.handed_out = posts.iter().map(|(id, _)| *id).collect();
        if !posts.is_empty() {
            self.cursor.batch += 1;
        }
        let cursor = serde_json::to_string(&self.cursor).ok();
        self.given_out.clone_from(&cursor);
        let posts = posts.into_iter().map(|(id, post)| self.below_own(id, post)).collect();
        Batch { posts, cursor, unreadable: self.unreadable, ..Batch::default() }
    }

    /// A message replies to what the desk wrote last in the same conversation before it.
    fn below_own(&self, id: u64, mut post: Post) -> Post {
        let conversation = post.place.root.id.strip_prefix(MESSAGE);
        let own = conversation.and_then(|conversation| self.own.get(conversation));
        if let Some(own) = own.and_then(|own| own.range(..id).next_back()) {
            post.in_reply_to = Some(PostId::new(Network::X, format!("{MESSAGE}{own}")));
        }
        post
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::networks::x::reading::tests::desk;

    const NOW: &str = "2026-11-24T10:01:00Z";

    fn id(minute: i64) -> u64 {
        let start: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        reading::first_id_at(start.checked_add(SignedDuration::from_mins(minute)).unwrap())
    }

    fn page(ids: &[u64]) -> Page {
        let items: Vec<Value> = ids
            .iter()
            .map(|id| {
                json!({"id": id.to_string(), "text": "@libbot why?", "author_id": "22", "entities": {
                "mentions": [{"start": 0, "end": 7, "username": "libbot", "id": "11"}]}})
            })
            .collect();
        reading::mentions(&json!({"data": items}), &desk(), NOW.parse().unwrap())
    }

    fn message(id: u64, from: &str) -> Value {
        json!({"id": id.to_string(), "text": "hello", "sender_id": from, "dm_conversation_id": "11-22",
            "event_type": "MessageCreate"})
    }

    fn messages(list: &[Value]) -> Page {
        reading::messages(&json!({"data": list}), &desk(), NOW.parse().unwrap())
    }

    /// One fetch of mentions: which were handed out, and the cursor.
    fn fetch(memory: &mut Memory, stored: Option<&str>, ids: &[u64]) -> (Vec<u64>, Option<String>) {
        memory.begin(stored);
        memory.take_mentions(page(ids));
        memory.mentions_read();
        let batch = memory.hand_out();
        let ids = batch.posts.iter().map(|post| post.place.post.id.parse().unwrap());
        (ids.collect(), batch.cursor)
    }

    #[test]
    fn a_new_desk_answers_nothing_old_even_after_a_restart() {
        let mut memory = Memory::default();
        let (found, cursor) = fetch(&mut memory, None, &[id(30), id(29)]);
        assert_eq!(found, [0; 0]);
        let mut memory = Memory::default();
        let (found, cursor) = fetch(&mut memory, cursor.as_deref(), &[id(31), id(30), id(29)]);
        assert_eq!(found, [id(31)]);
        let (found, _) = fetch(&mut memory, cursor.as_deref(), &[id(31), id(30), id(29)]);
        assert_eq!(found, [0; 0]);
    }

    #[test]
    fn posts_come_oldest_first_once_and_again_until_they_are_committed() {
        let mut memory = Memory::default();
        let (_, first) = fetch(&mut memory, None, &[id(1)]);
        let (found, cursor) = fetch(&mut memory, first.as_deref(), &[id(4), id(3), id(3), id(2)]);
        assert_eq!(found, [id(2), id(3), id(4)]);
        let (again, _) = fetch(&mut memory, first.as_deref(), &[id(4), id(3), id(2)]);
        assert_eq!(again, found, "not committed");
        let (found, _) = fetch(&mut memory, cursor.as_deref(), &[id(4), id(3), id(2)]);
        assert_eq!(found, [0; 0], "committed");
    }

    #[test]
    fn a_mention_that_appears_late_is_found() {
        let mut memory = Memory::default();
        let (_, cursor) = fetch(&mut memory, None, &[id(1)]);
        let (_, cursor) = fetch(&mut memory, cursor.as_deref(), &[id(20), id(1)]);
        assert_eq!(memory.mentions_since(), Some(id(10)));
        let (found, _) = fetch(&mut memory, cursor.as_deref(), &[id(20), id(15)]);
        assert_eq!(found, [id(15)]);
    }

    #[test]
    fn a_message_replies_to_what_the_desk_wrote_last() {
        let mut memory = Memory::default();
        memory.begin(None);
        assert!(memory.take_messages(messages(&[message(id(1), "22")])), "the first fetch looks no further");
        memory.messages_read(NOW.parse().unwrap());
        let cursor = memory.hand_out().cursor;
        memory.begin(cursor.as_deref());
        let list = [message(id(5), "11"), message(id(4), "22"), message(id(3), "11"), message(id(2), "11")];
        assert!(!memory.take_messages(messages(&list)), "more below");
        assert!(memory.take_messages(messages(&[message(id(1), "22")])));
        let batch = memory.hand_out();
        let own = format!("dm:{}", id(3));
        let replied: Vec<_> =
            batch.posts.iter().map(|post| post.in_reply_to.as_ref().unwrap().id.clone()).collect();
        // The desk's newer message came after it. Only the newest before is looked at.
        assert_eq!(replied, [own]);
    }

    #[test]
    fn a_cursor_of_any_shape_is_survived() {
        for stored in ["", "{}", "null", "[]", "{\"mention\":\"x\"}", "{\"mention\":18446744073709551615}"] {
            let mut memory = Memory::default();
            fetch(&mut memory, Some(stored), &[id(1)]);
            assert!(memory.mentions_since().is_some(), "{stored}");
        }
    }
}
