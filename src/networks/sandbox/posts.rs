//! The sandbox's posts in memory: what may be posted, who sees it, whom it is for.
//!
//! **Invariant:** nothing here does I/O or reads a clock, and no reading function hands out a direct
//! post to anybody but its author and those it was sent to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::desk::letter::Purpose;
use crate::desk::{Confidential, Visibility};
use crate::networks::sandbox::handle::{Handle, is_blank_text};

/// How long a post by a person may be, in characters. Longer than the desk's own posts, so that long
/// questions can be tried.
pub const TEXT_CHARS_MAX: usize = 5_000;

/// How many posts one sandbox holds, deleted ones counted.
pub const POSTS_MAX: usize = 100_000;

/// How many posts of one thread are shown: the newest.
pub const THREAD_MAX: usize = 200;

/// How many threads one page of a list has.
pub const PAGE_MAX: usize = 30;

/// The longest idempotency key, in bytes.
pub const KEY_LENGTH_MAX: usize = 100;

/// One post, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Increases from post to post.
    pub id: u64,
    pub author: Handle,
    pub text: Confidential,
    pub visibility: Visibility,
    /// Whom it notifies beside the author of the post it replies to. Of a private post: everybody who
    /// sees it beside its author.
    pub to: BTreeSet<Handle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<u64>,
    /// The first post of its thread; its own id for one that starts a thread.
    pub root: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub created_at: Timestamp,
    /// What the desk wrote it for, so that the page can offer fitting replies. `None` for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// What makes posting it again the same post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Post {
    /// Whether this person may read it.
    pub fn is_visible_to(&self, reader: &Handle) -> bool {
        match self.visibility {
            Visibility::Public | Visibility::Unlisted => true,
            Visibility::Followers | Visibility::Direct => self.author == *reader || self.to.contains(reader),
        }
    }

    /// Where it stands in its thread.
    pub fn placed(&self) -> Placed {
        Placed { id: self.id, root: self.root }
    }

    fn mark(&self) -> Option<Mark> {
        self.key.as_deref().map(|key| Mark::of(&self.author, key))
    }
}

/// An author and a key in a form that names neither, so that it can be kept after the post is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(String);

impl Mark {
    fn of(author: &Handle, key: &str) -> Mark {
        // No handle holds a space, so no two pairs read the same.
        let digest = Sha256::digest(format!("{} {key}", author.as_str()));
        Mark(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What is left of a deleted post: nothing that anybody wrote and nobody's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    pub id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<u64>,
    pub root: u64,
    /// So that the same author with the same key does not bring the post back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// A post or the gap where one was.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Post(Arc<Post>),
    Gone(Gone),
}

/// Where a post stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub id: u64,
    pub root: u64,
}

/// A post that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub author: Handle,
    pub text: Confidential,
    pub visibility: Visibility,
    pub to: BTreeSet<Handle>,
    pub in_reply_to: Option<u64>,
    pub language: Option<String>,
    pub purpose: Option<Purpose>,
    pub key: Option<String>,
}

/// What became of a draft.
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    New(Post),
    /// The same author posted with the same key before.
    Already(Placed),
}

/// Why something is not posted or deleted. Each text can be shown to whoever tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error("There is nothing in this post. Write something first.")]
    Empty,
    #[error("This post is too long. A post has at most {TEXT_CHARS_MAX} characters.")]
    TooLong,
    #[error("The key of this post is too long.")]
    KeyTooLong,
    #[error("The post you reply to does not exist any more.")]
    NoSuchPost,
    #[error("Only its author can delete a post.")]
    NotYours,
    #[error("A reply to a direct message is a direct message too.")]
    WiderThanParent,
    #[error("A direct message needs somebody it goes to. Name them, such as @desk.")]
    NobodyAddressed,
    #[error("The desk writes its own posts. Choose another name.")]
    DeskHandle,
    #[error("The sandbox is full. Stop the desk and delete the sandbox's file to start again.")]
    Full,
    #[error("The sandbox has too much to do. Try again in a moment.")]
    Busy,
    /// The file may or may not have taken it; nothing more is posted before a restart.
    #[error("The sandbox could not write to its file. Look at the desk's log, then restart it.")]
    Disk,
    #[error("The sandbox is closed. Restart the desk.")]
    Closed,
}

/// A thread in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    pub root: u64,
    /// The newest post in it that made it stand here: what to go on from for the next page.
    pub newest: u64,
    /// Oldest first, only what its reader may see.
    pub posts: Vec<Entry>,
}

/// What somebody has not read yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    pub posts: usize,
    /// How many of them are the desk's letters of these kinds.
    pub invitations: usize,
    pub answers: usize,
    /// The newest of them.
    pub newest: Option<u64>,
    /// Whether the person ever posted anything.
    pub known: bool,
}

/// All posts.
#[derive(Clone, Debug, Default)]
pub struct Posts {
    entries: BTreeMap<u64, Entry>,
    threads: BTreeMap<u64, BTreeSet<u64>>,
    marks: BTreeMap<Mark, Placed>,
    authors: BTreeSet<Handle>,
}

impl Posts {
    /// How many posts there are, deleted ones counted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The posts after this one, oldest first.
    pub fn after(&self, id: u64) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.range((Bound::Excluded(id), Bound::Unbounded)).map(|(id, entry)| (*id, entry))
    }

    /// The post with this id, unless it was deleted.
    pub fn post(&self, id: u64) -> Option<&Arc<Post>> {
        match self.entries.get(&id)? {
            Entry::Post(post) => Some(post),
            Entry::Gone(_) => None,
        }
    }

    /// What this author posted with this key.
    pub fn with_key(&self, author: &Handle, key: &str) -> Option<Placed> {
        self.marks.get(&Mark::of(author, key)).copied()
    }

    /// Whom a reply to this post reaches without naming anybody.
    pub fn reached_by_reply(&self, author: &Handle, id: u64) -> BTreeSet<Handle> {
        match self.post(id) {
            Some(parent) if parent.author == *author => parent.to.clone(),
            Some(parent) => BTreeSet::from([parent.author.clone()]),
            None => BTreeSet::new(),
        }
    }

    /// Decides whether a draft becomes a post, and which.
    ///
    /// Ids are the time in milliseconds or the next free number after the newest post, so that they
    /// go on increasing even after the sandbox's file was deleted, and no stored cursor or post id
    /// is ever met again with another meaning.
    pub fn admit(&self, draft: Draft, now: Timestamp) -> Result<Admitted, Trouble> {
        if let Some(key) = &draft.key {
            if key.len() > KEY_LENGTH_MAX {
                return Err(Trouble::KeyTooLong);
            }
            if let Some(placed) = self.with_key(&draft.author, key) {
                return Ok(Admitted::Already(placed));
            }
        }
        if is_blank_text(draft.text.reveal()) {
            return Err(Trouble::Empty);
        }
        if draft.text.reveal().chars().nth(TEXT_CHARS_MAX).is_some() {
            return Err(Trouble::TooLong);
        }
        if self.len() >= POSTS_MAX {
            return Err(Trouble::Full);
        }
        if draft.visibility.is_private() && draft.to.iter().all(|to| *to == draft.author) {
            return Err(Trouble::NobodyAddressed);
        }
        let parent = match draft.in_reply_to {
            Some(id) => Some(self.readable(&draft.author, id).ok_or(Trouble::NoSuchPost)?),
            None => None,
        };
        if parent.is_some_and(|parent| parent.visibility.is_private()) && !draft.visibility.is_private() {
            return Err(Trouble::WiderThanParent);
        }
        let newest = self.entries.last_key_value().map_or(0, |(id, _)| *id);
        let id = u64::try_from(now.as_millisecond()).unwrap_or(0).max(newest + 1);
        Ok(Admitted::New(Post {
            id,
            root: parent.map_or(id, |parent| parent.root),
            author: draft.author,
            text: draft.text,
            visibility: draft.visibility,
            to: draft.to,
            in_reply_to: draft.in_reply_to,
            language: draft.language,
            created_at: now,
            purpose: draft.purpose,
            key: draft.key,
        }))
    }

    /// Decides whether somebody may delete a post, and what is left of it. `None` where nothing is
    /// there to delete.
    pub fn delete(&self, author: &Handle, id: u64) -> Result<Option<Gone>, Trouble> {
        let Some(post) = self.post(id) else { return Ok(None) };
        if !post.is_visible_to(author) {
            return Ok(None);
        }
        if post.author != *author {
            return Err(Trouble::NotYours);
        }
        Ok(Some(Gone { id, in_reply_to: post.in_reply_to, root: post.root, mark: post.mark() }))
    }

    /// Takes over an entry; one with the same id is replaced.
    pub fn put(&mut self, entry: Entry) {
        let (id, root, mark) = match &entry {
            Entry::Post(post) => {
                self.authors.insert(post.author.clone());
                (post.id, post.root, post.mark())
            }
            Entry::Gone(gone) => (gone.id, gone.root, gone.mark.clone()),
        };
        if let Some(mark) = mark {
            self.marks.insert(mark, Placed { id, root });
        }
        self.threads.entry(root).or_default().insert(id);
        self.entries.insert(id, entry);
    }

    /// The public threads that began before `before`, newest first, each with everything in it that
    /// `reader` may see.
    pub fn timeline(&self, reader: &Handle, before: u64) -> Vec<Thread> {
        let public_roots = self.entries.range(..before).rev().filter_map(|(_, entry)| match entry {
            Entry::Post(post) => {
                (post.visibility == Visibility::Public && post.root == post.id).then_some(post)
            }
            Entry::Gone(_) => None,
        });
        let thread =
            |root: &Arc<Post>| Thread { root: root.id, newest: root.id, posts: self.thread(reader, root.id) };
        public_roots.take(PAGE_MAX).map(thread).collect()
    }

    /// The threads with something for `reader` in them before `before`, the latest first.
    pub fn inbox(&self, reader: &Handle, before: u64) -> Vec<Thread> {
        let mut seen = BTreeSet::new();
        let newest_of_threads = self.entries.range(..before).rev().filter_map(|(_, entry)| match entry {
            Entry::Post(post) => {
                let listed = self.concerns(reader, post) && !self.is_listed_from(reader, post.root, before);
                listed.then_some(post)
            }
            Entry::Gone(_) => None,
        });
        let mut threads = Vec::new();
        for newest in newest_of_threads {
            if threads.len() == PAGE_MAX {
                break;
            }
            if seen.insert(newest.root) {
                let posts = self.thread(reader, newest.root);
                threads.push(Thread { root: newest.root, newest: newest.id, posts });
            }
        }
        threads
    }

    /// What `reader` may see of the thread that began at `root`, oldest first.
    pub fn thread(&self, reader: &Handle, root: u64) -> Vec<Entry> {
        let Some(ids) = self.threads.get(&root) else { return Vec::new() };
        let readable = |id: &u64| match self.entries.get(id)? {
            Entry::Post(post) => post.is_visible_to(reader).then(|| Entry::Post(Arc::clone(post))),
            Entry::Gone(gone) => Some(Entry::Gone(gone.clone())),
        };
        let mut posts: Vec<Entry> = ids.iter().rev().filter_map(readable).take(THREAD_MAX).collect();
        posts.reverse();
        // Where nothing readable is left, not even the gaps are anybody's business.
        if posts.iter().all(|entry| matches!(entry, Entry::Gone(_))) {
            posts.clear();
        }
        posts
    }

    /// The post with this id, if `reader` may see it.
    pub fn readable(&self, reader: &Handle, id: u64) -> Option<&Arc<Post>> {
        self.post(id).filter(|post| post.is_visible_to(reader))
    }

    /// What came for `reader` after the post `after`.
    pub fn unread(&self, reader: &Handle, after: u64) -> Unread {
        let mut unread = Unread { known: self.authors.contains(reader), ..Unread::default() };
        for (id, entry) in self.after(after) {
            let Entry::Post(post) = entry else { continue };
            if !self.is_for(reader, post) {
                continue;
            }
            unread.posts += 1;
            unread.newest = Some(id);
            unread.invitations += usize::from(post.purpose == Some(Purpose::Invitation));
            unread.answers += usize::from(post.purpose == Some(Purpose::Answer));
        }
        unread
    }

    /// Whether a post by somebody else mentions `reader`, replies to them or is sent to them.
    pub fn is_for(&self, reader: &Handle, post: &Post) -> bool {
        if post.author == *reader || !post.is_visible_to(reader) {
            return false;
        }
        post.to.contains(reader) || self.is_reply_to(post, reader)
    }

    /// Whether a post replies to one that `author` wrote.
    pub fn is_reply_to(&self, post: &Post, author: &Handle) -> bool {
        post.in_reply_to.and_then(|id| self.post(id)).is_some_and(|parent| parent.author == *author)
    }

    /// Whether a post belongs into the inbox of `reader`: one for them, or a private one of their own.
    fn concerns(&self, reader: &Handle, post: &Post) -> bool {
        (post.author == *reader && post.visibility.is_private()) || self.is_for(reader, post)
    }

    /// Whether a later page of the inbox would repeat the thread, because it has something for
    /// `reader` from `before` on.
    fn is_listed_from(&self, reader: &Handle, root: u64, before: u64) -> bool {
        let ids = self.threads.get(&root).into_iter().flat_map(|ids| ids.range(before..));
        ids.filter_map(|id| self.post(*id)).any(|post| self.concerns(reader, post))
    }
}
