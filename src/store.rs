//! Remembering: one interface, several stores.
//!
//! A [`Step`] is committed whole or not at all, and nothing is acknowledged before it would survive
//! a power cut. Reads see everything that was acknowledged; a read that runs beside a commit may
//! already see what is about to be acknowledged.
//!
//! **Invariant:** nothing here decides anything about a question, and nothing outside `store::sled`
//! knows sled. No error names an account, a post or a text.

pub mod archive;
mod memory;
mod rows;
mod sled;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLockReadGuard};

use jiff::Timestamp;
use serde::Serialize;

use crate::desk::letter::Delivery;
use crate::desk::question::{Entry, Reason};
use crate::desk::{
    AccountId, Code, InputId, Letter, LetterId, Link, Network, Person, PostId, Question, Roster, Step,
};

pub use memory::Memory;
pub use rows::ROW_BYTES_MAX;
pub use sled::Sled;

/// What the desk remembers. Cloning is cheap and gives the same store.
#[derive(Clone, Debug)]
pub enum Store {
    /// Plain maps, gone when the process ends: for tests, for trying the desk, and as the model that
    /// the other stores are compared with.
    Memory(Arc<Memory>),
    /// A sled database in a directory of its own.
    Sled(Arc<Sled>),
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Everything in the step is durable.
    Stored,
    /// The step's input took effect earlier; nothing was changed.
    SeenBefore,
    /// Somebody else changed one of the step's questions or people since they were read; nothing was
    /// changed. Read, decide and commit again.
    Stale,
}

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A stored row cannot be understood. Everything else can still be read.
    #[error("the store holds {row} in `{tree}` that cannot be read: {why}")]
    Unreadable {
        /// The table it is in.
        tree: &'static str,
        /// What kind of row it is, such as `a question`.
        row: &'static str,
        /// What is wrong with it, in words that quote nothing of it.
        why: &'static str,
    },
    /// A step holds a row that is larger than [`ROW_BYTES_MAX`]. Nothing was changed.
    #[error("{row} of {bytes} bytes is too large to be stored; at most {ROW_BYTES_MAX} are possible")]
    TooLarge {
        /// What kind of row it is.
        row: &'static str,
        bytes: usize,
    },
    /// The disk or the database failed while writing. Nobody knows what of the last writes will be
    /// there after a restart, so the store takes nothing more: end the process and start it again.
    #[error("the store stopped after a failed write, and must be opened again: {0}")]
    Stopped(String),
    /// The disk or the database failed while reading.
    #[error("the store cannot be read: {0}")]
    Unreachable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a database could not be opened. Opening never deletes or repairs anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the database in {} is in use by another process", .dir.display())]
    Locked { dir: PathBuf },
    /// There is something else in the directory.
    #[error("{} is not a database of this desk", .dir.display())]
    NotADatabase { dir: PathBuf },
    /// A newer version of the desk wrote it.
    #[error("the database in {} has format {found}; this version knows formats up to {known}", .dir.display())]
    NewerFormat { dir: PathBuf, found: u64, known: u64 },
    /// An import into it did not finish.
    #[error("an import into {} was broken off, so what it holds is not complete", .dir.display())]
    HalfImported { dir: PathBuf },
    /// A snapshot that a kill left half-written keeps it from opening; a copy without it opens.
    #[error("a half-written snapshot keeps the database from opening: {}", .file.display())]
    HalfSnapshot { file: PathBuf },
    /// The database is there and cannot be understood.
    #[error("the database in {} is damaged: {why}", .dir.display())]
    Damaged { dir: PathBuf, why: String },
    /// The disk or its permissions.
    #[error("the database in {} cannot be opened: {why}", .dir.display())]
    Disk { dir: PathBuf, why: String },
}

impl OpenError {
    /// What to do about it, in one sentence without a full stop.
    pub fn hint(&self) -> &'static str {
        match self {
            OpenError::Locked { .. } => "end the other `stumper run`, or name another directory",
            OpenError::NotADatabase { .. } => "name an empty or a new directory for the database",
            OpenError::NewerFormat { .. } => "use the version of stumper that wrote it, or a newer one",
            OpenError::HalfImported { .. } => "import again into a new directory, then use that one",
            OpenError::HalfSnapshot { .. } => {
                "copy the whole directory to a safe place, then move this one file out of it and start again"
            }
            OpenError::Damaged { .. } => {
                "keep the directory as it is, and import the latest export into a new one"
            }
            OpenError::Disk { .. } => "see that the directory can be written to and the disk is not full",
        }
    }
}

/// How many rows of each kind a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub questions: usize,
    /// Questions that have a timer.
    pub timers: usize,
    /// Pairs of an account and a question it has a part in.
    pub involved: usize,
    pub people: usize,
    pub letters: usize,
    /// Letters that are not settled yet.
    pub unsettled: usize,
    /// Letters that were refused.
    pub refused: usize,
    pub links: usize,
    pub journal: usize,
    pub seen: usize,
    pub cursors: usize,
}

/// The roster as last committed. Decide with it and let it go: while it is held, nobody who is a
/// librarian can be changed, and it must not be kept across an `await`.
#[derive(Debug)]
pub struct RosterGuard<'a>(RwLockReadGuard<'a, Roster>);

impl Deref for RosterGuard<'_> {
    type Target = Roster;

    fn deref(&self) -> &Roster {
        &self.0
    }
}

impl Store {
    /// An empty store that forgets everything when the process ends.
    pub fn memory() -> Store {
        Store::Memory(Arc::default())
    }

    /// Opens the sled database in this directory, which is created where it does not exist.
    pub fn open_sled(dir: &Path) -> Result<Store, OpenError> {
        Ok(Store::Sled(Arc::new(Sled::open(dir)?)))
    }

    /// Writes everything in the step in one transaction, or nothing.
    ///
    /// Questions and people must carry the version they were read with, 0 for new ones, and are
    /// stored with the next one. What the step erases is erased before the step's own letters are
    /// added, so that the deletions of an erased question's posts stay in the outbox; a deletion of
    /// a question that is gone is forgotten once it is sent. Settling a letter that was erased
    /// meanwhile does nothing.
    pub async fn commit(&self, step: Step) -> Result<Committed, StoreError> {
        let step = rows::without_repeats(step);
        match self {
            Store::Memory(memory) => memory.commit(step),
            Store::Sled(sled) => sled.commit(step).await,
        }
    }

    /// Whether this input took effect already.
    pub fn has_seen(&self, input: &InputId) -> Result<bool, StoreError> {
        match self {
            Store::Memory(memory) => memory.has_seen(input),
            Store::Sled(sled) => sled.has_seen(input),
        }
    }

    pub fn question(&self, code: &Code) -> Result<Option<Question>, StoreError> {
        match self {
            Store::Memory(memory) => memory.question(code),
            Store::Sled(sled) => sled.question(code),
        }
    }

    /// One page of all questions in the order of their codes: those after `after`, at most `limit`.
    pub fn questions(&self, after: Option<&Code>, limit: usize) -> Result<Vec<Question>, StoreError> {
        match self {
            Store::Memory(memory) => memory.questions(after, limit),
            Store::Sled(sled) => sled.questions(after, limit),
        }
    }

    /// The questions this account asked or was invited to, in the order of their codes.
    pub fn questions_involving(&self, account: &AccountId) -> Result<Vec<Question>, StoreError> {
        match self {
            Store::Memory(memory) => memory.questions_involving(account),
            Store::Sled(sled) => sled.questions_involving(account),
        }
    }

    pub fn person(&self, account: &AccountId) -> Result<Option<Person>, StoreError> {
        match self {
            Store::Memory(memory) => memory.person(account),
            Store::Sled(sled) => sled.person(account),
        }
    }

    /// All librarians as last committed.
    pub fn roster(&self) -> RosterGuard<'_> {
        match self {
            Store::Memory(memory) => RosterGuard(memory.roster()),
            Store::Sled(sled) => RosterGuard(sled.roster()),
        }
    }

    /// What this post is to the desk.
    pub fn link(&self, post: &PostId) -> Result<Option<Link>, StoreError> {
        match self {
            Store::Memory(memory) => memory.link(post),
            Store::Sled(sled) => sled.link(post),
        }
    }

    /// The history of a question, oldest first.
    pub fn journal(&self, code: &Code) -> Result<Vec<Entry>, StoreError> {
        match self {
            Store::Memory(memory) => memory.journal(code),
            Store::Sled(sled) => sled.journal(code),
        }
    }

    /// A letter, and where it stands.
    pub fn letter(&self, id: &LetterId) -> Result<Option<(Letter, Delivery)>, StoreError> {
        match self {
            Store::Memory(memory) => memory.letter(id),
            Store::Sled(sled) => sled.letter(id),
        }
    }

    /// All letters about a question, in the order in which they were decided.
    pub fn letters_about(&self, code: &Code) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        match self {
            Store::Memory(memory) => memory.letters_about(code),
            Store::Sled(sled) => sled.letters_about(code),
        }
    }

    /// Letters that were refused, the latest first: for the coordinators.
    pub fn undelivered(&self, limit: usize) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        match self {
            Store::Memory(memory) => memory.undelivered(limit),
            Store::Sled(sled) => sled.undelivered(limit),
        }
    }

    /// Timers whose time has come, the earliest first; then by code, then by reason.
    pub fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Code, Reason, Timestamp)>, StoreError> {
        match self {
            Store::Memory(memory) => memory.due(now, limit),
            Store::Sled(sled) => sled.due(now, limit),
        }
    }

    /// The timer that fires first.
    pub fn next_due(&self) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        match self {
            Store::Memory(memory) => memory.next_due(),
            Store::Sled(sled) => sled.next_due(),
        }
    }

    /// Letters to act on now, the longest due first: waiting ones whose `not_before` has come and
    /// unsure ones whose `look_at` has come.
    ///
    /// A letter that replies to another letter is not shown before that one is settled. Where that
    /// one was refused, or was erased, the letter is shown so that it can be refused as well
    /// ([`ChainBroken`](crate::desk::letter::Refusal::ChainBroken)) and is not left lying.
    pub fn outbox(
        &self,
        network: Network,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        match self {
            Store::Memory(memory) => memory.outbox(network, now, limit),
            Store::Sled(sled) => sled.outbox(network, now, limit),
        }
    }

    /// Letters a sender has in hand, the longest held first. After a restart nobody knows whether
    /// they were sent.
    pub fn in_hand(&self, network: Network) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        match self {
            Store::Memory(memory) => memory.in_hand(network),
            Store::Sled(sled) => sled.in_hand(network),
        }
    }

    /// When the next letter is to be acted on that [`outbox`](Store::outbox) shows, or would show
    /// later. It may lie in the past.
    pub fn next_outbox(&self, network: Network) -> Result<Option<Timestamp>, StoreError> {
        match self {
            Store::Memory(memory) => memory.next_outbox(network),
            Store::Sled(sled) => sled.next_outbox(network),
        }
    }

    /// Moves one letter from one state to another, durably. `false`, with nothing changed, if it was
    /// not in the state `from`.
    pub async fn deliver(&self, id: &LetterId, from: &Delivery, to: Delivery) -> Result<bool, StoreError> {
        match self {
            Store::Memory(memory) => memory.deliver(id, from, to),
            Store::Sled(sled) => sled.deliver(id, from, to).await,
        }
    }

    /// Where reading from this network goes on.
    pub fn cursor(&self, network: Network) -> Result<Option<String>, StoreError> {
        match self {
            Store::Memory(memory) => memory.cursor(network),
            Store::Sled(sled) => sled.cursor(network),
        }
    }

    /// Remembers where reading goes on. To be called once everything before it has been committed.
    pub async fn set_cursor(&self, network: Network, cursor: String) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => memory.set_cursor(network, cursor),
            Store::Sled(sled) => sled.set_cursor(network, cursor).await,
        }
    }

    /// Forgets inputs that took effect before this time, at most `limit` of them, and says how many.
    /// It must be a time from which no network shows a post again.
    pub async fn expire_seen(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        match self {
            Store::Memory(memory) => memory.expire_seen(before, limit),
            Store::Sled(sled) => sled.expire_seen(before, limit).await,
        }
    }

    /// Forgets talk that is older than `before` and belongs to no question, at most `limit` of it, and
    /// says how much: settled letters with the links of their posts, and people about whom nothing
    /// has to be remembered.
    pub async fn expire_talk(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        match self {
            Store::Memory(memory) => memory.expire_talk(before, limit),
            Store::Sled(sled) => sled.expire_talk(before, limit).await,
        }
    }

    /// How many rows there are, counted one by one: for checks and tests.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        match self {
            Store::Memory(memory) => memory.counts(),
            Store::Sled(sled) => sled.counts(),
        }
    }

    /// Finishes what was begun and lets the database go. Everything asked later is answered
    /// [`StoreError::Closed`]. The roster stays as it was.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => memory.close(),
            Store::Sled(sled) => sled.close().await,
        }
    }
}
