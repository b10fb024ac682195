//! The store in a sled database.
//!
//! Reads go to sled directly. Writes go through one thread (`writer`), which makes a group of them
//! durable at a time. All rows lie in one tree, so that a group is one atomic batch.
//!
//! **Invariant:** nothing outside this module knows sled, and only the writer changes the database.

mod archive;
mod codec;
mod forgetting;
mod format1;
mod keys;
mod layers;
mod letters;
mod open;
mod plan;
mod prepare;
mod writer;

use std::fmt;
use std::path::Path;
use std::str;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};
use sled::{IVec, Tree};
use tokio::sync::{mpsc, oneshot};

use crate::desk::question::{Entry, Reason};
use crate::desk::{AccountId, Code, InputId, Link, Network, Person, PostId, Question, Roster, Step};
use crate::store::{Committed, Counts, OpenError, StoreError, rows};

use codec::{Kind, encode};
use keys::{About, Shelf};
use layers::Layers;
use plan::RosterChange;
use prepare::{CURSOR, CursorRow, FILE, FileRow, LINK, LinkRow, PERSON, QUESTION, RECORD, Record};
use writer::{Reply, Work};

/// How many rows are read at a time where all rows of a kind are wanted.
const PAGE_ROWS: usize = 512;

/// A sled database and the thread that writes to it.
pub struct Sled {
    shared: Arc<Shared>,
    /// `None` only while the store is being dropped.
    work: Option<mpsc::Sender<Work>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What readers and the writer share.
struct Shared {
    state: RwLock<State>,
    roster: RwLock<Roster>,
    /// Held by the writer while it changes the database, and by whoever must see it at one moment.
    gate: RwLock<()>,
}

enum State {
    Open(Tree),
    /// A write failed, for this reason.
    Stopped(String),
    Closed,
}

impl fmt::Debug for Sled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sled")
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        // With the last sender gone the writer finishes what waits and ends.
        self.work = None;
        self.join();
    }
}

impl Sled {
    pub(super) fn open(dir: &Path) -> Result<Sled, OpenError> {
        let opened = open::open(dir)?;
        let roster = open::roster(dir, &opened.tree)?;
        let shared = Arc::new(Shared {
            state: RwLock::new(State::Open(opened.tree.clone())),
            roster: RwLock::new(roster),
            gate: RwLock::new(()),
        });
        let (work, queue) = mpsc::channel(writer::QUEUE_MAX);
        let writer = writer::Writer {
            db: opened.db,
            tree: opened.tree,
            file: opened.file,
            shared: shared.clone(),
            next_number: opened.next_number.into(),
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread
            .spawn(move || writer.run(queue))
            .map_err(|error| OpenError::Disk { dir: dir.to_owned(), why: error.to_string() })?;
        Ok(Sled { shared, work: Some(work), thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn commit(&self, step: Step) -> Result<Committed, StoreError> {
        self.shared.check()?;
        let step = Box::new(prepare::prepare(step)?);
        self.ask(|reply| Work::Commit(step, reply)).await
    }

    pub(super) fn has_seen(&self, input: &InputId) -> Result<bool, StoreError> {
        let tree = self.shared.tree()?;
        tree.contains_key(keys::seen(input)).map_err(layers::unreachable)
    }

    pub(super) fn question(&self, code: &Code) -> Result<Option<Question>, StoreError> {
        question(&Layers::plain(&self.shared.tree()?), code)
    }

    pub(super) fn questions(&self, after: Option<&Code>, limit: usize) -> Result<Vec<Question>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let mut from = after.map_or(vec![keys::FILE], keys::file);
        if after.is_some() {
            from.push(0);
        }
        let mut questions = Vec::new();
        for found in tree.range(from..vec![keys::FILE + 1]) {
            if questions.len() >= limit {
                break;
            }
            let (key, _) = found.map_err(layers::unreachable)?;
            questions.extend(question(&layers, &code_of_file(&key)?)?);
        }
        Ok(questions)
    }

    pub(super) fn questions_involving(&self, account: &AccountId) -> Result<Vec<Question>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let prefix = keys::involved_of(account);
        let mut questions = Vec::new();
        for (key, _) in layers.scan_prefix(&prefix)? {
            // A question that was erased since the page was read is not missed.
            questions.extend(question(&layers, &code_after(&prefix, &key)?)?);
        }
        Ok(questions)
    }

    pub(super) fn person(&self, account: &AccountId) -> Result<Option<Person>, StoreError> {
        self.row(PERSON, &keys::person(account))
    }

    pub(super) fn roster(&self) -> RwLockReadGuard<'_, Roster> {
        self.shared.roster.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn link(&self, post: &PostId) -> Result<Option<Link>, StoreError> {
        let row: Option<LinkRow<IgnoredAny, Link>> = self.row(LINK, &keys::link(post))?;
        Ok(row.map(|row| row.link))
    }

    pub(super) fn journal(&self, code: &Code) -> Result<Vec<Entry>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let mut entries = Vec::new();
        each_record(&layers, code, |record: Record<IgnoredAny, Entry, IgnoredAny>| {
            entries.extend(record.entries);
            Ok(())
        })?;
        Ok(entries)
    }

    pub(super) fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Code, Reason, Timestamp)>, StoreError> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        let mut due = Vec::new();
        // A question is marked by its earliest timer only. Those among the first `limit` timers that
        // are due belong to the first `limit` questions.
        for (key, _) in layers.scan(&[keys::TIMER], &keys::timers_until(now), limit)? {
            let code = keys::code_of_timer(&key).ok_or(QUESTION.unreadable("its timer has a wrong key"))?;
            let timers = question(&layers, &code)?.map(|question| question.timers).unwrap_or_default();
            let passed = timers.into_iter().filter(|(_, at)| *at <= now);
            due.extend(passed.map(|(reason, at)| (at, code.clone(), reason)));
        }
        due.sort();
        due.truncate(limit);
        Ok(due.into_iter().map(|(at, code, reason)| (code, reason, at)).collect())
    }

    pub(super) fn next_due(&self) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        let first = self.due(Timestamp::MAX, 1)?.pop();
        Ok(first.map(|(_, reason, at)| (at, reason)))
    }

    pub(super) fn cursor(&self, network: Network) -> Result<Option<String>, StoreError> {
        let row: Option<CursorRow<String>> = self.row(CURSOR, &keys::cursor(network))?;
        Ok(row.map(|row| row.cursor))
    }

    pub(super) async fn set_cursor(&self, network: Network, cursor: String) -> Result<(), StoreError> {
        rows::check_size("a cursor", cursor.len())?;
        let row = encode(CURSOR, &CursorRow { network, cursor })?;
        self.ask(|reply| Work::Cursor { key: keys::cursor(network), row, reply }).await
    }

    pub(super) fn counts(&self) -> Result<Counts, StoreError> {
        let tree = self.shared.tree()?;
        let count = |prefix: &[u8], about: Option<About>| -> Result<usize, StoreError> {
            tree.scan_prefix(prefix).keys().try_fold(0, |count, key| {
                let key = key.map_err(layers::unreachable)?;
                Ok(count + usize::from(about.is_none() || keys::about(&key) == about))
            })
        };
        let shelves = Network::ALL.into_iter().flat_map(|of| [Shelf::ToDo(of), Shelf::InHand(of)]);
        let unsettled = shelves.map(|shelf| count(&keys::outbox_of(shelf), None));
        let mut journal = 0;
        self.each(RECORD, keys::RECORD, None, &mut |record: Record<IgnoredAny, IgnoredAny, IgnoredAny>,
                                                    _| {
            journal += record.entries.len();
            Ok::<(), StoreError>(())
        })?;
        Ok(Counts {
            questions: count(&[keys::QUESTION], None)?,
            timers: count(&[keys::TIMER], None)?,
            involved: count(&[keys::ACCOUNT], Some(About::Involved))?,
            people: count(&[keys::ACCOUNT], Some(About::Person))?,
            letters: count(&[keys::LETTER], None)?,
            unsettled: unsettled.sum::<Result<usize, StoreError>>()?,
            refused: count(&keys::outbox_of(Shelf::Refused), None)?,
            links: count(&[keys::POST], Some(About::Link))?,
            journal,
            seen: count(&[keys::POST], Some(About::Seen))?,
            cursors: count(&[keys::CURSOR], None)?,
        })
    }

    pub(super) async fn close(&self) -> Result<(), StoreError> {
        match self.ask(Work::Close).await {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(error) => return Err(error),
        }
        self.join();
        Ok(())
    }

    fn row<T: DeserializeOwned>(&self, kind: Kind, key: &[u8]) -> Result<Option<T>, StoreError> {
        Layers::plain(&self.shared.tree()?).row(kind, key)
    }

    /// Gives every row of a kind to `take`, with its key.
    fn each<T: DeserializeOwned, E: From<StoreError>>(
        &self,
        kind: Kind,
        first_byte: u8,
        about: Option<About>,
        take: &mut dyn FnMut(T, &IVec) -> Result<(), E>,
    ) -> Result<(), E> {
        let tree = self.shared.tree()?;
        let layers = Layers::plain(&tree);
        for found in tree.scan_prefix([first_byte]) {
            let (key, main) = found.map_err(layers::unreachable)?;
            if about.is_none() || keys::about(&key) == about {
                take(layers.decode(kind, &key, &main)?, &key)?;
            }
        }
        Ok(())
    }

    /// Gives work to the writer and waits for its answer.
    async fn ask<T>(&self, work: impl FnOnce(Reply<T>) -> Work) -> Result<T, StoreError> {
        self.shared.check()?;
        let (reply, answer) = oneshot::channel();
        let queue = self.work.as_ref().expect("the queue is there until the store is dropped");
        queue.send(work(reply)).await.map_err(|_| self.shared.why_ended())?;
        answer.await.map_err(|_| self.shared.why_ended())?
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked is known by its state: it never said that it ended.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Shared {
    fn tree(&self) -> Result<Tree, StoreError> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(tree) => Ok(tree.clone()),
            State::Stopped(why) => Err(StoreError::Stopped(why.clone())),
            State::Closed => Err(StoreError::Closed),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        self.tree().map(|_| ())
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Why the writer takes no work any more.
    fn why_ended(&self) -> StoreError {
        match self.check() {
            Ok(()) => StoreError::Stopped("the thread that writes has ended".to_owned()),
            Err(error) => error,
        }
    }

    fn change_roster(&self, changes: Vec<RosterChange>) {
        let mut roster = self.roster.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                RosterChange::Put(person) => roster.put(*person),
                RosterChange::Remove(account) => roster.remove(&account),
            }
        }
    }
}

fn question(layers: &Layers<'_>, code: &Code) -> Result<Option<Question>, StoreError> {
    match layers.file(code)? {
        Some(FileRow { question: Some(number), .. }) => layers.row(QUESTION, &keys::question(number, code)),
        Some(FileRow { question: None, .. }) | None => Ok(None),
    }
}

/// Gives every record of a question to `take`, in the order in which they were written.
fn each_record<R: DeserializeOwned>(
    layers: &Layers<'_>,
    code: &Code,
    mut take: impl FnMut(R) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for number in layers.file(code)?.unwrap_or_default().records {
        // One that was erased since the file was read is not missed.
        layers.row(RECORD, &keys::record(number))?.map_or(Ok(()), &mut take)?;
    }
    Ok(())
}

fn code_of_file(key: &[u8]) -> Result<Code, StoreError> {
    keys::code_of_file(key).ok_or(FILE.unreadable("it has a wrong key"))
}

fn code_after(prefix: &[u8], key: &[u8]) -> Result<Code, StoreError> {
    let code = key.get(prefix.len()..).and_then(|code| str::from_utf8(code).ok()).and_then(Code::parse);
    code.ok_or(QUESTION.unreadable("an account's mark has a wrong key"))
}
