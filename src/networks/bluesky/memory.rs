//! What was read already, and which page of notifications is to be read next.
//!
//! The network lists notifications by a time that the *author* has a say in: the earlier one of when
//! it saw the post and when the post claims to have been written. Most are at the top. A post whose
//! app back-dates it lies somewhere deep in the list, at its very end perhaps; one whose server was
//! slow lies a little down. So there are two walks through the list:
//!
//! - *from the top*, at each fetch, down to a little below the newest post known;
//! - a *sweep* over everything below, a few pages a fetch, round and round. Where the whole list is
//!   not longer than that, each fetch reads all of it.
//!
//! A post found there that was not seen before is new
//!
//! 1. if the network or its record key says that it was written since the desk was first started and
//!    not long before the newest post known ([`LATE`]), or
//! 2. if the whole list was read before and it was not in it.
//!
//! The second rule needs a memory of everything seen. It lasts as long as the process; after a
//! restart only the first rule holds until the first sweep is over. That is why a desk that is
//! started for the first time answers nothing old, and why a desk started again does not either,
//! even where its store has long forgotten the post.
//!
//! **Invariant:** a post counts as seen only when the caller comes back with the cursor that it was
//! handed out with, which means that it was committed. Until then it is handed out again.

pub(super) mod walk;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::mem;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::desk::Post;
use crate::networks::Batch;
use crate::networks::bluesky::chat::Heard;
use crate::networks::bluesky::memory::walk::{Ends, Walk, Wanted};
use crate::networks::bluesky::notifications::{Content, Item};

/// How late a post may appear in the list, by its own time, and still be new.
const LATE: SignedDuration = SignedDuration::from_hours(3 * 24);

/// How many posts are remembered as seen, 8 bytes each. Beyond, all are forgotten, and some are
/// handed out again.
const SEEN_MAX: usize = 200_000;

/// How often the network is searched for mentions that caused no notification, and how far back.
const SEARCH_EVERY: SignedDuration = SignedDuration::from_mins(30);
/// How often the network is searched for hashtags.
const LISTEN_EVERY: SignedDuration = SignedDuration::from_mins(5);
pub(super) const SEARCH_BACK: SignedDuration = LATE;

/// What is stored between runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// When the desk was first started.
    since: Timestamp,
    /// The newest post that was handed out, by the network's time.
    mark: Option<Timestamp>,
    /// The number of batches with posts, so that each has a cursor of its own.
    batch: u64,
    /// Where reading direct messages goes on, as the chat service calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chat: Option<String>,
}

/// Where reading direct messages goes on by a stored cursor.
pub(super) fn chat_cursor(stored: Option<&str>) -> Option<String> {
    serde_json::from_str::<Cursor>(stored?).ok()?.chat
}

/// The memory of one account's notifications.
#[derive(Debug)]
pub(super) struct Memory {
    started_at: Timestamp,
    /// As it was given out last.
    cursor: Option<Cursor>,
    hasher: RandomState,
    seen: HashSet<u64>,
    /// Found by the fetch that is going on.
    found: HashSet<u64>,
    /// Handed out with `cursor`, and not known to be committed.
    handed_out: HashSet<u64>,
    /// Whether the whole list was read: what is in it and not seen has come since.
    whole: bool,
    walk: Walk,
    /// When the network was last searched for missed mentions, and for hashtags.
    searched_at: Option<Timestamp>,
    listened_at: Option<Timestamp>,
    posts: Vec<Post>,
    unreadable: usize,
}

impl Memory {
    pub(super) fn new(started_at: Timestamp) -> Memory {
        Memory {
            started_at,
            cursor: None,
            hasher: RandomState::new(),
            seen: HashSet::new(),
            found: HashSet::new(),
            handed_out: HashSet::new(),
            whole: false,
            walk: Walk::new(),
            searched_at: None,
            listened_at: None,
            posts: Vec::new(),
            unreadable: 0,
        }
    }

    /// Begins a fetch from the cursor that the caller has stored.
    pub(super) fn begin(&mut self, stored: Option<&str>) {
        let given = stored.and_then(|text| serde_json::from_str::<Cursor>(text).ok());
        if stored.is_some() && given.is_none() {
            tracing::warn!("The stored cursor for Bluesky cannot be read; taking this as a first start");
        }
        let given = given.unwrap_or(Cursor { since: self.started_at, mark: None, batch: 0, chat: None });
        match &self.cursor {
            // The caller has what was handed out. It need not store cursors that came without posts,
            // so the mark may be older than the one that was given out last.
            Some(last) if (last.since, last.batch) == (given.since, given.batch) => {
                let committed = mem::take(&mut self.handed_out);
                self.seen.extend(committed);
            }
            // The first fetch of this process, or the last batch was not committed.
            Some(_) | None => {
                self.handed_out.clear();
                self.walk.start_over();
                self.cursor = Some(given);
            }
        }
        // The fetch before was dropped in the middle, and what it had found with it.
        if !mem::take(&mut self.found).is_empty() {
            self.walk.start_over();
        }
        if self.seen.len() > SEEN_MAX {
            self.seen.clear();
            self.whole = false;
        }
        self.walk.begin();
        (self.posts, self.unreadable) = (Vec::new(), 0);
    }

    /// The next page to read in this fetch.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        self.walk.wanted()
    }

    /// Takes in a page that was wanted. `next` is the network's cursor for the one after it.
    pub(super) fn take(&mut self, wanted: &Wanted, items: Vec<Item>, next: Option<String>, now: Timestamp) {
        let times = || items.iter().filter_map(|item| item.indexed_at);
        let ends = Ends { newest: times().max(), oldest: times().min() };
        for item in items {
            self.take_item(item, now);
        }
        let known = self.cursor.as_ref().map(|cursor| cursor.mark.unwrap_or(cursor.since));
        self.whole |= self.walk.page_taken(wanted, ends, next, known);
    }

    /// Notes that a page could not be read. Nothing more is wanted in this fetch.
    pub(super) fn failed(&mut self, wanted: &Wanted) {
        self.walk.failed(wanted);
    }

    /// Whether it is time to search, which it is not while the list itself is still being read.
    pub(super) fn search_is_due(&mut self, now: Timestamp) -> bool {
        let due = self.searched_at.is_none_or(|at| SEARCH_EVERY <= now.duration_since(at));
        let due = due && self.walk.is_down() && !self.walk.has_failed();
        if due {
            self.searched_at = Some(now);
        }
        due
    }

    /// Whether it is time to search for hashtags.
    pub(super) fn listening_is_due(&mut self, now: Timestamp) -> bool {
        let due = self.listened_at.is_none_or(|at| LISTEN_EVERY <= now.duration_since(at));
        if due {
            self.listened_at = Some(now);
        }
        due
    }

    /// The posts among those found by a hashtag that are new, and not for the desk. They are not waited
    /// for: what a crash loses of them is lost.
    pub(super) fn take_overheard(&mut self, items: Vec<Item>) -> Vec<Post> {
        let mut posts = Vec::new();
        for item in items {
            let key = self.hasher.hash_one(("overheard", &item.key));
            let is_new = self.seen.insert(key) && self.was_written_lately(&item);
            if let Content::Post(post) = item.content
                && is_new
                && !post.addressed
            {
                posts.push(*post);
            }
        }
        posts
    }

    /// Takes in what a search found. That something is not in the list of notifications says nothing
    /// about its age here, so that only what was written lately is new.
    pub(super) fn take_found(&mut self, items: Vec<Item>, now: Timestamp) {
        for item in items {
            if self.was_written_lately(&item) {
                self.take_item(item, now);
            }
        }
    }

    /// Whether this fetch has found any post.
    pub(super) fn has_posts(&self) -> bool {
        !self.posts.is_empty()
    }

    /// Ends a fetch with what it found, and with what was heard in private.
    pub(super) fn hand_out(&mut self, heard: Heard) -> Batch {
        let mut posts = mem::take(&mut self.posts);
        posts.extend(heard.posts);
        self.handed_out.extend(mem::take(&mut self.found));
        posts.sort_by(|a, b| (a.seen_at, &a.place.post.id).cmp(&(b.seen_at, &b.place.post.id)));
        let cursor = self.cursor.as_mut().expect("every fetch begins with a cursor");
        if !posts.is_empty() {
            cursor.batch += 1;
        }
        // The mark stays where it is until everything above it was handed out.
        if self.walk.is_down() {
            cursor.mark = cursor.mark.max(self.walk.newest());
        }
        // A page that fails is not asked for again at once.
        let more = !self.walk.is_down() && !self.walk.has_failed();
        cursor.chat = heard.cursor;
        let cursor = serde_json::to_string(cursor).expect("times and numbers can be written as JSON");
        let unreadable = self.unreadable + heard.unreadable;
        Batch { posts, cursor: Some(cursor), more: more || heard.more, unreadable, ..Batch::default() }
    }

    fn take_item(&mut self, item: Item, now: Timestamp) {
        let key = self.hasher.hash_one(&item.key);
        if [&self.seen, &self.handed_out, &self.found].iter().any(|set| set.contains(&key)) {
            return;
        }
        let new_since = self.when_new(&item, now);
        match (item.content, new_since) {
            (Content::Post(mut post), Some(seen_at)) => {
                post.seen_at = seen_at;
                self.posts.push(*post);
                self.found.insert(key);
            }
            (Content::Unreadable, _) => {
                self.unreadable += 1;
                self.seen.insert(key);
            }
            (Content::Post(_), None) | (Content::Nothing, _) => {
                self.seen.insert(key);
            }
        }
    }

    /// When a post that was not seen before appeared; `None` for an old one.
    fn when_new(&self, item: &Item, now: Timestamp) -> Option<Timestamp> {
        if self.was_written_lately(item) {
            return Some(item.written_at);
        }
        self.whole.then_some(now)
    }

    /// Whether a post was written since the desk was first started, and not long before the newest known.
    fn was_written_lately(&self, item: &Item) -> bool {
        let Some(cursor) = &self.cursor else { return false };
        let not_before = cursor.mark.map_or(cursor.since, |mark| cursor.since.max(before(mark, LATE)));
        item.written_at >= not_before
    }
}

fn before(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{Account, Network};
    use crate::networks::bluesky::memory::walk::{SWEEP_PAGES_MAX, TOP_PAGES_MAX};
    use crate::samples;

    const STARTED: &str = "2026-11-24T10:00:00Z";
    const PAGE: usize = 5;

    /// The list as a network keeps it, and the process that reads it.
    struct World {
        /// Name, the network's time, the time in the record key.
        list: Vec<(String, Timestamp, Timestamp)>,
        memory: Memory,
        stored: Option<String>,
        now: Timestamp,
        pages_read: usize,
        broken: Option<String>,
    }

    impl World {
        fn new() -> World {
            let now = STARTED.parse().unwrap();
            World {
                list: Vec::new(),
                memory: Memory::new(now),
                stored: None,
                now,
                pages_read: 0,
                broken: None,
            }
        }

        fn post(&mut self, name: &str, indexed_at: &str, named_at: &str) {
            self.list.push((name.to_owned(), indexed_at.parse().unwrap(), named_at.parse().unwrap()));
            self.list.sort_by_key(|(_, indexed_at, _)| std::cmp::Reverse(*indexed_at));
        }

        /// Many ordinary posts, a minute apart, the newest at `newest`.
        fn history(&mut self, count: u32, newest: &str) {
            let newest: Timestamp = newest.parse().unwrap();
            for minute in 0..count {
                let at = before(newest, SignedDuration::from_mins(i64::from(minute))).to_string();
                self.post(&format!("old {minute}"), &at, &at);
            }
        }

        /// One fetch: the names of the posts handed out, and whether there is more.
        fn fetch(&mut self) -> (Vec<String>, bool) {
            let batch = self.fetch_uncommitted();
            self.stored = batch.cursor;
            assert!(!(batch.more && self.memory.walk.has_failed()), "a failing page is not hammered at");
            (names(&batch.posts), batch.more)
        }

        fn fetch_uncommitted(&mut self) -> Batch {
            self.memory.begin(self.stored.as_deref());
            while let Some(wanted) = self.memory.wanted() {
                self.pages_read += 1;
                if self.broken.is_some() && wanted.cursor() == self.broken.as_deref() {
                    self.memory.failed(&wanted);
                    break;
                }
                let from = wanted.cursor().map_or(0, |cursor| cursor.parse().unwrap());
                let items = self.list.iter().skip(from).take(PAGE).map(item).collect();
                let next = (from + PAGE < self.list.len()).then(|| (from + PAGE).to_string());
                self.memory.take(&wanted, items, next, self.now);
            }
            self.memory.hand_out(Heard::default())
        }

        /// Everything that a number of fetches hand out.
        fn fetches(&mut self, count: usize) -> Vec<String> {
            (0..count).flat_map(|_| self.fetch().0).collect()
        }

        fn restart(&mut self) {
            self.memory = Memory::new(self.now);
        }
    }

    fn names(posts: &[Post]) -> Vec<String> {
        posts.iter().map(|post| post.place.post.id.clone()).collect()
    }

    fn item((name, indexed_at, named_at): &(String, Timestamp, Timestamp)) -> Item {
        let ann = Account::new(Network::Bluesky, "did:plc:ann", "ann.test");
        let post = samples::post(ann, name, "why?", *indexed_at);
        Item {
            key: name.clone(),
            indexed_at: Some(*indexed_at),
            written_at: *indexed_at.max(named_at),
            content: Content::Post(Box::new(post)),
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn a_new_desk_answers_nothing_old() {
        let mut world = World::new();
        world.history(40, "2026-11-24T09:59:59Z");
        assert_eq!(world.fetches(20), NOTHING);
        world.post("new", "2026-11-24T10:00:01Z", "2026-11-24T10:00:01Z");
        assert_eq!(world.fetches(1), ["new"]);
        assert_eq!(world.fetches(20), NOTHING);
    }

    #[test]
    fn posts_come_oldest_first_and_once() {
        let mut world = World::new();
        world.fetch();
        world.post("b", "2026-11-24T10:00:02Z", "2026-11-24T10:00:02Z");
        world.post("a", "2026-11-24T10:00:01Z", "2026-11-24T10:00:01Z");
        assert_eq!(world.fetch(), (vec!["a".to_owned(), "b".to_owned()], false));
        assert_eq!(world.fetches(3), NOTHING);
    }

    #[test]
    fn a_batch_that_was_not_committed_is_handed_out_again() {
        let mut world = World::new();
        world.fetch();
        world.post("a", "2026-11-24T10:00:01Z", "2026-11-24T10:00:01Z");
        assert_eq!(names(&world.fetch_uncommitted().posts), ["a"]);
        assert_eq!(names(&world.fetch_uncommitted().posts), ["a"]);
        assert_eq!(world.fetches(2), ["a"]);
    }

    #[test]
    fn a_back_dated_post_is_found_at_the_end_of_the_list() {
        let mut world = World::new();
        world.history(12, "2026-11-24T09:59:59Z");
        world.fetches(10);
        world.post("by its key", "2020-01-01T00:00:00Z", "2026-11-24T10:30:00Z");
        assert_eq!(world.fetches(10), ["by its key"]);
        world.post("by memory", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
        assert_eq!(world.fetches(10), ["by memory"]);
        world.restart();
        world.post("while it was away", "2020-01-01T00:00:00Z", "2026-11-24T10:40:00Z");
        let found = world.fetches(10);
        assert!(found.contains(&"while it was away".to_owned()), "{found:?}");
    }

    #[test]
    fn a_restart_brings_back_only_the_last_days() {
        let mut world = World::new();
        world.fetch();
        world.post("old", "2026-11-24T10:00:01Z", "2026-11-24T10:00:01Z");
        world.fetches(2);
        world.post("new", "2026-12-24T10:00:01Z", "2026-12-24T10:00:01Z");
        world.now = "2026-12-24T10:00:02Z".parse().unwrap();
        world.fetches(2);
        world.restart();
        assert_eq!(world.fetches(5), ["new"], "the caller has seen it; the older one it may have forgotten");
    }

    #[test]
    fn everything_of_a_long_absence_is_found() {
        let mut world = World::new();
        world.fetch();
        world.post("known", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z");
        world.fetches(2);
        world.restart();
        world.history(500, "2026-12-24T10:00:00Z");
        world.now = "2026-12-24T10:00:01Z".parse().unwrap();
        let mut found = Vec::new();
        while {
            let (names, more) = world.fetch();
            found.extend(names);
            more
        } {}
        assert!(found.len() >= 500, "{}", found.len());
        assert_eq!(world.fetches(150), NOTHING);
    }

    #[test]
    fn a_crash_in_the_middle_of_a_long_catch_up_loses_nothing() {
        let mut world = World::new();
        world.fetch();
        world.history(500, "2026-12-24T10:00:00Z");
        world.now = "2026-12-24T10:00:01Z".parse().unwrap();
        let (first, more) = world.fetch();
        assert!(more && first.len() == TOP_PAGES_MAX * PAGE);
        world.restart();
        let mut found = first;
        while {
            let (names, more) = world.fetch();
            found.extend(names);
            more
        } {}
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 500);
    }

    #[test]
    fn a_long_list_costs_little_each_time() {
        let mut world = World::new();
        world.history(500, "2026-11-24T09:00:00Z");
        world.fetches(100);
        world.pages_read = 0;
        world.fetches(10);
        // Four pages reach below the overlap here, where a page holds five minutes.
        assert!(world.pages_read <= 10 * (4 + SWEEP_PAGES_MAX), "{}", world.pages_read);
    }

    #[test]
    fn a_page_that_never_heals_stops_nothing() {
        let mut world = World::new();
        world.history(40, "2026-11-24T09:00:00Z");
        world.broken = Some("15".to_owned());
        world.fetches(5);
        world.post("new", "2026-11-24T10:00:01Z", "2026-11-24T10:00:01Z");
        assert_eq!(world.fetches(5), ["new"]);
        world.broken = None;
        world.post("late", "2020-01-01T00:00:00Z", "2026-11-24T10:30:00Z");
        assert_eq!(world.fetches(10), ["late"]);
    }

    #[test]
    fn a_fetch_dropped_in_the_middle_loses_nothing() {
        let mut world = World::new();
        world.history(20, "2026-11-24T10:19:00Z");
        world.now = "2026-11-24T10:20:00Z".parse().unwrap();
        world.memory.begin(None);
        for _ in 0..2 {
            let wanted = world.memory.wanted().unwrap();
            let from = wanted.cursor().map_or(0, |cursor| cursor.parse().unwrap());
            let items = world.list.iter().skip(from).take(PAGE).map(item).collect();
            world.memory.take(&wanted, items, Some((from + PAGE).to_string()), world.now);
        }
        assert_eq!(world.fetches(3).len(), 20);
    }

    #[test]
    fn a_cursor_of_any_shape_is_survived() {
        for stored in ["", "{}", "null", "[]", "{\"since\":7}", "2026-11-24T10:00:00Z"] {
            let mut world = World::new();
            world.history(3, "2026-11-24T09:00:00Z");
            world.stored = Some(stored.to_owned());
            assert_eq!(world.fetches(2), NOTHING, "{stored}");
            world.post("new", "2026-11-24T10:00:01Z", "2026-11-24T10:00:01Z");
            assert_eq!(world.fetches(2), ["new"], "{stored}");
        }
    }
}
