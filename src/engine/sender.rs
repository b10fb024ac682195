//! Sending from the outbox to one network.
//!
//! A letter is claimed durably, sent, and settled. A claim without a result means that nobody knows, so
//! the desk looks for the letter before it repeats it. What goes out next is said in `order.rs`; how one
//! letter is sent, in `one_letter.rs`; what comes of a call, in `outcome.rs`; whether and when a letter may
//! be repeated, in `repeats.rs`; and when the whole network has to wait, in `weather.rs`.
//!
//! **Invariant:** no letter is sent that was not claimed durably first, none is repeated without a
//! look where it may have arrived, and none is given up without a word to the coordinator.

#[cfg(test)]
mod moments;
mod one_letter;
mod order;
mod outcome;
mod repeats;
mod weather;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::clock;
use crate::desk::letter::Delivery;
use crate::desk::{AccountId, Code, Letter};
use crate::engine::Engine;
use crate::engine::listener::Session;
use crate::engine::run::Stop;
use crate::engine::sender::one_letter::Held;
use crate::engine::sender::order::{BACKLOG_MAX, Plan, threads};
use crate::engine::sender::repeats::found_in_hand;
use crate::engine::sender::weather::{Weather, rest};
use crate::networks::Connector;
use crate::store::StoreError;

/// How long one call to a network may take. The connectors give up earlier by themselves.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(60);

/// How many threads are written to at the same time.
const THREADS_MAX: usize = 4;

/// How long to wait before the outbox is read again at the start.
const STOCK_WAIT: Duration = Duration::from_secs(30);

/// The shortest wait where the first letter in the outbox is held up by something else.
const HELD_UP_WAIT: Duration = Duration::from_secs(5);

/// Tells the time.
pub type Clock<'c> = &'c (dyn Fn() -> Timestamp + Sync);

/// Letters that must go one after the other: those to one person about one thing.
type Thread = (Option<Code>, AccountId);

/// One letter and where it stands.
type Row = (Letter, Delivery);

/// Sends until the desk stops. What was begun is finished then.
pub(super) async fn send(
    engine: Arc<Engine>,
    connector: Arc<Connector>,
    mut session: watch::Receiver<Session>,
    mut stop: Stop,
) {
    let sender = Sender { engine: &engine, connector: &connector, clock: &clock::now };
    let mut changes = engine.changes();
    // Only a server that is known tells whether a letter may be repeated at once.
    let open = session.wait_for(|session| *session == Session::Open);
    if !matches!(stop.or(open).await, Some(Ok(_))) {
        return;
    }
    while let Err(error) = sender.take_stock().await {
        error!(%error, "The outbox cannot be read: {error}");
        if stop.or(tokio::time::sleep(STOCK_WAIT)).await.is_none() {
            return;
        }
    }
    let mut busy: BTreeSet<Thread> = BTreeSet::new();
    let mut calls = FuturesUnordered::new();
    let (mut rest_until, mut rough) = (Timestamp::MIN, 0);
    let mut plan = Plan::default();
    let mut backlog_read_at = Timestamp::MIN;
    loop {
        changes.borrow_and_update();
        let now = clock::now();
        let open = *session.borrow_and_update() == Session::Open && !stop.is_asked();
        let mut started = 0;
        if open && now < rest_until {
            sender.watch_backlog(now, &mut backlog_read_at);
        }
        if open && now >= rest_until {
            for (thread, rows) in sender.ready(now, &busy, &mut plan) {
                if calls.len() >= THREADS_MAX {
                    break;
                }
                plan.begin(&thread);
                busy.insert(thread.clone());
                calls.push(sender.write_thread(thread, rows));
                started += 1;
            }
        }
        if calls.is_empty() && stop.is_asked() {
            return;
        }
        let sleep = sender.sleep(now, rest_until, started);
        tokio::select! {
            Some((thread, weather)) = calls.next() => {
                busy.remove(&thread);
                (rest_until, rough) = rest(weather, rest_until, rough);
            }
            () = stop.asked(), if !stop.is_asked() => {}
            changed = changes.changed() => changed.expect("the engine outlives its senders"),
            changed = session.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Sends everything that is due, once, at a time of the caller's choice, for worlds with a clock of
/// their own; one letter after the other. Says how many were acted on.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn send_due(engine: &Engine, connector: &Connector, clock: Clock<'_>) -> Result<usize, StoreError> {
    let sender = Sender { engine, connector, clock };
    let mut acted_on = 0;
    let due = engine.store().outbox(connector.network(), clock(), BACKLOG_MAX)?;
    for (thread, rows) in threads(due, &BTreeSet::new()) {
        acted_on += rows.len();
        if let (_, Weather::Rest(_)) = sender.write_thread(thread, rows).await {
            break;
        }
    }
    Ok(acted_on)
}

/// Finds letters that were in hand when the desk last ended, for worlds with a clock of their own.
///
/// # Errors
///
/// Where the store cannot be read or written.
pub async fn take_stock(engine: &Engine, connector: &Connector, clock: Clock<'_>) -> Result<(), StoreError> {
    Sender { engine, connector, clock }.take_stock().await
}

#[derive(Clone, Copy)]
struct Sender<'e> {
    engine: &'e Engine,
    connector: &'e Connector,
    clock: Clock<'e>,
}

impl<'e> Sender<'e> {
    /// Letters that a sender had in hand when the desk last ended: nobody knows what became of them.
    async fn take_stock(self) -> Result<(), StoreError> {
        for (letter, delivery) in self.engine.store().in_hand(self.connector.network())? {
            let repeats = self.repeats(&letter, &delivery, (self.clock)());
            let Some(unsure) = found_in_hand(&delivery, repeats) else { continue };
            self.engine.deliver(&letter.id, &delivery, unsure).await?;
        }
        Ok(())
    }

    /// Sends a thread's letters in order, up to the first that has to wait.
    async fn write_thread(self, thread: Thread, rows: Vec<Row>) -> (Thread, Weather) {
        for (letter, delivery) in rows {
            match self.one(letter, delivery).await {
                Ok(Weather::Fair) => {}
                Ok(Weather::Rest(wait)) => return (thread, Weather::Rest(wait)),
                Ok(Weather::Rough) => return (thread, Weather::Rough),
                Err(Held::ByAnother) => return (thread, Weather::Fair),
                Err(Held::ByDesk(error)) => {
                    warn!(%error, "A letter has to wait: {error}");
                    return (thread, Weather::Rough);
                }
            }
        }
        (thread, Weather::Fair)
    }
}
