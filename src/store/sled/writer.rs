//! The one thread that writes.
//!
//! It takes what waits, plans it as one group, gives the group to sled as one batch, flushes, syncs
//! sled's file, and only then answers. sled's own flush does not survive a power cut: on Linux it
//! calls `sync_file_range`, which leaves the file's size and extents to the operating system.
//!
//! **Invariant:** nobody gets an answer before what it says would survive a power cut. After a
//! failed write nothing is written any more: a failed sync cannot be repeated, because the kernel
//! may have dropped what it could not write.

use std::cell::Cell;
use std::fs::File;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sled::{Batch, Db, Tree};
use tokio::sync::{mpsc, oneshot};

use crate::desk::LetterId;
use crate::desk::letter::Delivery;
use crate::store::rows::Row;
use crate::store::sled::codec::Encoded;
use crate::store::sled::layers::{Layers, Writes};
use crate::store::sled::plan::{self, RosterChange};
use crate::store::sled::prepare::Prepared;
use crate::store::sled::{Shared, State};
use crate::store::{Committed, StoreError};

/// How many pieces of work may wait before whoever has more must wait as well.
pub(super) const QUEUE_MAX: usize = 1024;

/// How many pieces of work are written together at most. More would only make the first one wait.
const GROUP_MAX: usize = 128;

/// Where an answer goes. Nobody may be waiting for it any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to be written.
#[derive(Debug)]
pub(super) enum Work {
    Commit(Box<Prepared>, Reply<Committed>),
    Deliver {
        id: LetterId,
        from: Delivery,
        to: Delivery,
        reply: Reply<bool>,
    },
    Cursor {
        key: Vec<u8>,
        row: Encoded,
        reply: Reply<()>,
    },
    /// Forget these seen inputs if they are older.
    Forget {
        seen_keys: Vec<Vec<u8>>,
        before: Timestamp,
        reply: Reply<usize>,
    },
    /// Forget these letters and people if they are old talk.
    ForgetTalk {
        keys: Vec<Vec<u8>>,
        before: Timestamp,
        reply: Reply<usize>,
    },
    Rows(Vec<Row>, Reply<()>),
    /// Sets or removes the mark that an import is under way.
    Mark {
        key: &'static [u8],
        set: bool,
        reply: Reply<()>,
    },
    /// Remove up to so many rows of a store whose filling failed, and say how many.
    Empty {
        limit: usize,
        reply: Reply<usize>,
    },
    Close(Reply<()>),
}

/// An answer that waits for the group to be durable.
enum Answer {
    Commit(Reply<Committed>, Result<Committed, StoreError>),
    Deliver(Reply<bool>, Result<bool, StoreError>),
    Count(Reply<usize>, Result<usize, StoreError>),
    Done(Reply<()>, Result<(), StoreError>),
}

/// What the thread owns.
pub(super) struct Writer {
    pub(super) db: Db,
    pub(super) tree: Tree,
    /// sled's file, opened once more so that it can be synced.
    pub(super) file: File,
    pub(super) shared: Arc<Shared>,
    /// The number that is given to the next question or record.
    pub(super) next_number: Cell<u64>,
}

/// A group while it is planned.
#[derive(Default)]
struct Group {
    writes: Writes,
    roster: Vec<RosterChange>,
    answers: Vec<Answer>,
    close: Vec<Reply<()>>,
}

impl Writer {
    /// Works until it is told to close or nobody is left who could have work.
    pub(super) fn run(self, mut work: mpsc::Receiver<Work>) {
        let mut closing = Vec::new();
        while let Some(first) = work.blocking_recv() {
            let mut group = Group::default();
            self.plan(&mut group, first);
            for _ in 1..GROUP_MAX {
                let Ok(next) = work.try_recv() else { break };
                self.plan(&mut group, next);
            }
            if !group.close.is_empty() {
                work.close();
                closing.append(&mut group.close);
            }
            self.write(group);
        }
        self.end(closing);
    }

    fn plan(&self, group: &mut Group, work: Work) {
        match work {
            Work::Commit(step, reply) => {
                let answer = self.lay(group, |layers, roster| plan::commit(layers, *step, roster));
                group.answers.push(Answer::Commit(reply, answer));
            }
            Work::Deliver { id, from, to, reply } => {
                let answer = self.lay(group, |layers, _| plan::deliver(layers, &id, &from, &to));
                group.answers.push(Answer::Deliver(reply, answer));
            }
            Work::Cursor { key, row, reply } => {
                let answer = self.lay(group, |layers, _| plan::put_cursor(layers, &key, row));
                group.answers.push(Answer::Done(reply, answer));
            }
            Work::Forget { seen_keys, before, reply } => {
                let answer = self.lay(group, |layers, _| {
                    let mut forgotten = 0;
                    for key in &seen_keys {
                        forgotten += usize::from(plan::forget_seen(layers, key, before)?);
                    }
                    Ok(forgotten)
                });
                group.answers.push(Answer::Count(reply, answer));
            }
            Work::ForgetTalk { keys, before, reply } => {
                let answer = self.lay(group, |layers, _| {
                    let mut forgotten = 0;
                    for key in &keys {
                        forgotten += usize::from(plan::forget_talk(layers, key, before)?);
                    }
                    Ok(forgotten)
                });
                group.answers.push(Answer::Count(reply, answer));
            }
            Work::Rows(rows, reply) => {
                let answer = self.lay(group, |layers, roster| {
                    rows.into_iter().try_for_each(|row| plan::add_row(layers, row, roster))
                });
                group.answers.push(Answer::Done(reply, answer));
            }
            Work::Mark { key, set, reply } => {
                let answer = self.lay(group, |layers, _| {
                    if set {
                        layers.put_mark(key.to_vec())
                    } else {
                        layers.remove(key, None)
                    }
                    Ok(())
                });
                group.answers.push(Answer::Done(reply, answer));
            }
            Work::Empty { limit, reply } => {
                let answer = self.lay(group, |layers, _| plan::empty(layers, limit));
                group.answers.push(Answer::Count(reply, answer));
            }
            Work::Close(reply) => group.close.push(reply),
        }
    }

    /// Plans one piece of work over the group so far. Where it fails, or has nothing to write, the
    /// group stays as it is.
    fn lay<T>(
        &self,
        group: &mut Group,
        plan: impl FnOnce(&mut Layers<'_>, &mut Vec<RosterChange>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.shared.check()?;
        let mut layers = Layers::over(&self.tree, &group.writes, self.next_number.get());
        let mut roster = Vec::new();
        let answer = plan(&mut layers, &mut roster)?;
        self.next_number.set(layers.next_number());
        let writes = layers.into_writes();
        group.writes.extend(writes);
        group.roster.append(&mut roster);
        Ok(answer)
    }

    /// Makes a group durable and answers.
    fn write(&self, group: Group) {
        let Group { writes, roster, answers, close: _ } = group;
        let gate = self.shared.gate.write().unwrap_or_else(PoisonError::into_inner);
        let failure = match self.make_durable(writes) {
            Ok(()) => None,
            Err(why) => {
                self.shared.set(State::Stopped(why.clone()));
                Some(StoreError::Stopped(why))
            }
        };
        if failure.is_none() && !roster.is_empty() {
            self.shared.change_roster(roster);
        }
        drop(gate);
        for answer in answers {
            answer.give(failure.as_ref());
        }
    }

    fn make_durable(&self, writes: Writes) -> Result<(), String> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.tree.apply_batch(batch).map_err(|error| error.to_string())?;
        self.tree.flush().map_err(|error| error.to_string())?;
        self.file.sync_data().map_err(|error| error.to_string())
    }

    fn end(self, closing: Vec<Reply<()>>) {
        let Writer { db, tree, file, shared, next_number: _ } = self;
        let ended = match shared.check() {
            Ok(()) => tree.flush().map(|_| ()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let ended = ended.and_then(|()| file.sync_data().map_err(|error| error.to_string()));
        shared.set(State::Closed);
        drop(tree);
        drop(db);
        wait_for_lock(&file);
        for reply in closing {
            // Whoever closed the store may be gone.
            let _ = reply.send(ended.clone().map_err(StoreError::Stopped));
        }
    }
}

/// Waits until sled has let go of its lock: a thread of its own may hold it for a moment longer, and for
/// a moment a process that is just being started by this one.
fn wait_for_lock(file: &File) {
    /// Enough on a busy machine; another process may have taken the lock by then.
    const TRIES_MAX: usize = 500;
    const PAUSE: Duration = Duration::from_millis(1);
    for _ in 0..TRIES_MAX {
        if file.try_lock().is_ok() {
            let _ = file.unlock();
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

impl Answer {
    fn give(self, failure: Option<&StoreError>) {
        // Whoever waited may have given up; what was written stays written.
        match self {
            Answer::Commit(reply, answer) => drop(reply.send(unless(failure, answer))),
            Answer::Deliver(reply, answer) => drop(reply.send(unless(failure, answer))),
            Answer::Count(reply, answer) => drop(reply.send(unless(failure, answer))),
            Answer::Done(reply, answer) => drop(reply.send(unless(failure, answer))),
        }
    }
}

fn unless<T>(failure: Option<&StoreError>, answer: Result<T, StoreError>) -> Result<T, StoreError> {
    match failure {
        Some(failure) => Err(failure.clone()),
        None => answer,
    }
}
