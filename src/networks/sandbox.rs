//! The sandbox: a small social network of our own inside the process, so that the desk can be tried
//! without an account anywhere.
//!
//! Anybody can be anybody on it; that is what makes it a sandbox. Apart from that it behaves like a
//! real network: posts are public, unlisted or direct, they are durable before they are acknowledged,
//! and the desk reads and writes it through a [`Connector`] like any other.
//!
//! One thread owns the file. It takes what waits in its queue, decides about each, writes all of it,
//! waits for the disk once, and only then lets anybody see or hear of it.
//!
//! **Invariant:** nobody sees a post before it is on the disk, and nobody but its author and those it
//! was sent to ever sees a direct one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{broadcast, oneshot, watch};

use crate::desk::letter::Purpose;
use crate::desk::{Confidential, Visibility};

pub mod connector;
pub mod file;
pub mod handle;
pub mod posts;

pub use connector::Connector;
pub use file::OpenError;
pub use handle::Handle;
pub use posts::{Entry, Gone, Placed, Post, Posts, Thread, Trouble, Unread};

use file::File;
use posts::{Admitted, Draft};

/// How many posts and deletions may wait for the disk.
const QUEUE_MAX: usize = 256;

/// How many changes a slow listener may lag behind before it is told to read everything anew.
const CHANGES_MAX: usize = 256;

/// How long nothing must happen before deleted texts are removed from the file.
const REWRITE_AFTER: Duration = Duration::from_secs(1);

/// A network in the process.
#[derive(Debug)]
pub struct Sandbox {
    desk: Handle,
    shared: Arc<Shared>,
    /// `None` only while it is being dropped.
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
}

/// What a person wants to post.
#[derive(Clone, Debug, PartialEq)]
pub struct Saying {
    pub author: Handle,
    pub text: Confidential,
    pub visibility: Visibility,
    /// Whom to send it to beside those the text mentions.
    pub to: BTreeSet<Handle>,
    pub in_reply_to: Option<u64>,
    /// A BCP 47 tag.
    pub language: Option<String>,
    /// The same author posting with the same key again gets the same post.
    pub key: Option<String>,
}

/// What the desk wants to post.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivering {
    pub text: Confidential,
    pub visibility: Visibility,
    /// Exactly whom it notifies; of a private post, exactly who sees it.
    pub to: BTreeSet<Handle>,
    pub in_reply_to: Option<u64>,
    pub language: Option<String>,
    pub purpose: Purpose,
    /// The letter's id: the same letter is never posted twice.
    pub key: String,
}

/// Something that happened, for those who listen.
#[derive(Clone, Debug)]
pub struct Change {
    /// The post as it is or was, so that it can be decided who may hear of it.
    pub post: Arc<Post>,
    pub what: Changed,
}

/// What happened to a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Posted,
    Deleted,
}

impl Sandbox {
    /// Opens the sandbox kept in the file at `path`, or begins a new one there. `desk_handle` is the
    /// name of the desk's own account.
    ///
    /// # Errors
    ///
    /// When the file cannot be used; the error names it, and the line where one cannot be read.
    pub fn open(path: &Path, desk_handle: &str) -> Result<Sandbox, OpenError> {
        let desk = Handle::parse(desk_handle).ok_or(OpenError::DeskHandle)?;
        let (file, posts) = File::open(path)?;
        let io_error = |source| OpenError::Io { path: path.to_owned(), source };
        let shared = Arc::new(Shared {
            posts: RwLock::new(posts.clone()),
            changes: broadcast::channel(CHANGES_MAX).0,
            for_desk: watch::channel(()).0,
        });
        let (requests, queue) = sync_channel(QUEUE_MAX);
        let writer = Writer { desk: desk.clone(), file, posts, shared: Arc::clone(&shared), broken: false };
        let thread = std::thread::Builder::new().name("sandbox".to_owned());
        let writer = thread.spawn(move || writer.run(&queue)).map_err(io_error)?;
        Ok(Sandbox { desk, shared, requests: Some(requests), writer: Some(writer) })
    }

    /// The desk's own handle.
    pub fn desk(&self) -> &Handle {
        &self.desk
    }

    /// Everything that is posted, to be read and let go of quickly.
    pub fn posts(&self) -> RwLockReadGuard<'_, Posts> {
        self.shared.read()
    }

    /// Listens to everything that is posted and deleted from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    /// Posts as a person. A direct reply reaches the author of what it replies to; those whom the text
    /// mentions are notified.
    pub async fn say(&self, saying: Saying, now: Timestamp) -> Result<Placed, Trouble> {
        if saying.author == self.desk {
            return Err(Trouble::DeskHandle);
        }
        let mut to = saying.to;
        to.extend(handle::mentions(saying.text.reveal()).into_iter().map(|mentioned| mentioned.handle));
        if let Some(parent) = saying.in_reply_to.filter(|_| saying.visibility.is_private()) {
            to.extend(self.posts().reached_by_reply(&saying.author, parent));
        }
        let draft = Draft {
            author: saying.author,
            text: saying.text,
            visibility: saying.visibility,
            to,
            in_reply_to: saying.in_reply_to,
            language: saying.language,
            purpose: None,
            key: saying.key,
        };
        self.ask(|reply| Request::Post { draft, now, reply }).await
    }

    /// Posts as the desk.
    pub async fn deliver(&self, letter: Delivering, now: Timestamp) -> Result<Placed, Trouble> {
        let draft = Draft {
            author: self.desk.clone(),
            text: letter.text,
            visibility: letter.visibility,
            to: letter.to,
            in_reply_to: letter.in_reply_to,
            language: letter.language,
            purpose: Some(letter.purpose),
            key: Some(letter.key),
        };
        self.ask(|reply| Request::Post { draft, now, reply }).await
    }

    /// Deletes a post of `author`. One that is not there is deleted already.
    pub async fn delete(&self, author: &Handle, id: u64) -> Result<(), Trouble> {
        let author = author.clone();
        self.ask(|reply| Request::Delete { author, id, reply }).await
    }

    /// Hands something to the writer and waits for what came of it.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Trouble> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(Trouble::Closed)?;
        requests.try_send(request(reply)).map_err(|error| match error {
            TrySendError::Full(_) => Trouble::Busy,
            TrySendError::Disconnected(_) => Trouble::Closed,
        })?;
        answer.await.unwrap_or(Err(Trouble::Closed))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("The sandbox's writer ended with a panic");
        }
    }
}

/// What the writer and the readers share.
#[derive(Debug)]
struct Shared {
    posts: RwLock<Posts>,
    changes: broadcast::Sender<Change>,
    /// Wakes the connector.
    for_desk: watch::Sender<()>,
}

impl Shared {
    /// Every change to the posts is a single insertion, so they are whole even after a panic.
    fn read(&self) -> RwLockReadGuard<'_, Posts> {
        self.posts.read().unwrap_or_else(PoisonError::into_inner)
    }
}

type Reply<T> = oneshot::Sender<Result<T, Trouble>>;

/// What the writer is asked to do.
#[derive(Debug)]
enum Request {
    Post { draft: Draft, now: Timestamp, reply: Reply<Placed> },
    Delete { author: Handle, id: u64, reply: Reply<()> },
}

/// A request that waits for the disk.
enum Waiting {
    Placed(Reply<Placed>, Placed),
    Deleted(Reply<()>),
}

impl Waiting {
    fn settle(self, written: Result<(), Trouble>) {
        // Whoever asked may have gone away, which changes nothing.
        match self {
            Waiting::Placed(reply, placed) => drop(reply.send(written.map(|()| placed))),
            Waiting::Deleted(reply) => drop(reply.send(written)),
        }
    }
}

/// The one that decides about posts and writes the file.
struct Writer {
    desk: Handle,
    file: File,
    /// Ahead of what readers see by what is not on the disk yet.
    posts: Posts,
    shared: Arc<Shared>,
    /// The file failed, so nobody knows what is in it. Only opening it again can tell.
    broken: bool,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Request>) {
        loop {
            match queue.recv_timeout(REWRITE_AFTER) {
                Ok(first) => {
                    let batch = std::iter::once(first).chain(queue.try_iter().take(QUEUE_MAX)).collect();
                    self.carry_out(batch);
                }
                Err(RecvTimeoutError::Timeout) => self.remove_deleted(),
                Err(RecvTimeoutError::Disconnected) => return self.remove_deleted(),
            }
        }
    }

    /// Decides about all of a batch, writes it, waits for the disk once, and tells everybody.
    fn carry_out(&mut self, batch: Vec<Request>) {
        let mut entries = Vec::new();
        let mut waiting = Vec::new();
        let mut changes = Vec::new();
        for request in batch {
            match request {
                Request::Post { draft, now, reply } => match self.posts.admit(draft, now) {
                    Ok(Admitted::New(post)) => {
                        let post = Arc::new(post);
                        waiting.push(Waiting::Placed(reply, post.placed()));
                        self.stage(&mut entries, Entry::Post(Arc::clone(&post)));
                        changes.push(Change { post, what: Changed::Posted });
                    }
                    Ok(Admitted::Already(placed)) => waiting.push(Waiting::Placed(reply, placed)),
                    Err(trouble) => drop(reply.send(Err(trouble))),
                },
                Request::Delete { author, id, reply } => match self.posts.delete(&author, id) {
                    Ok(Some(gone)) => {
                        changes.extend(
                            self.posts.post(id).cloned().map(|post| Change { post, what: Changed::Deleted }),
                        );
                        waiting.push(Waiting::Deleted(reply));
                        self.stage(&mut entries, Entry::Gone(gone));
                    }
                    Ok(None) => waiting.push(Waiting::Deleted(reply)),
                    Err(trouble) => drop(reply.send(Err(trouble))),
                },
            }
        }
        let written = self.write(&entries);
        if written.is_ok() {
            self.publish(entries, changes);
        }
        for one in waiting {
            one.settle(written);
        }
    }

    fn stage(&mut self, entries: &mut Vec<Entry>, entry: Entry) {
        self.posts.put(entry.clone());
        entries.push(entry);
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), Trouble> {
        if self.broken {
            return Err(Trouble::Closed);
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.file.append(entries).map_err(|error| {
            self.broken = true;
            tracing::error!(error.kind = %error.kind(), "The sandbox's file cannot be written; it is closed");
            Trouble::Disk
        })
    }

    /// Lets everybody see what is on the disk now.
    fn publish(&self, entries: Vec<Entry>, changes: Vec<Change>) {
        let mut posts = self.shared.posts.write().unwrap_or_else(PoisonError::into_inner);
        entries.into_iter().for_each(|entry| posts.put(entry));
        drop(posts);
        for change in changes {
            let wakes_desk = change.post.author != self.desk;
            // That nobody listens is fine.
            drop(self.shared.changes.send(change));
            if wakes_desk {
                self.shared.for_desk.send_replace(());
            }
        }
    }

    /// Removes deleted texts from the file.
    fn remove_deleted(&mut self) {
        if self.broken || !self.file.has_deleted() {
            return;
        }
        if let Err(error) = self.file.rewrite(&self.posts) {
            tracing::warn!(error.kind = %error.kind(), "Deleted texts are still in the sandbox's file");
        }
    }
}
