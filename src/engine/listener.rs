//! Listening to one network: log in, fetch from the stored cursor, handle each post in order, store
//! the cursor, wait for more.
//!
//! **Invariant:** the cursor moves only past posts that took effect or were set aside, so that a
//! crash at any point loses none. Trouble with one network leaves the others alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::clock;
use crate::desk::letter::Delivery;
use crate::desk::{Input, LetterId, Network, Post};
use crate::engine::run::Stop;
use crate::engine::{Engine, HandleError, Handled, backoff};
use crate::networks::{Batch, Connector, Failure, Overheard};
use crate::store::StoreError;

/// How long to wait before trying an account again that cannot be used: a person has to mend it.
const ACCOUNT_DEAD_WAIT: Duration = Duration::from_secs(3_600);

/// The shortest wait after a failure, whatever a network says.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// How long a reply waits for letters in doubt. Where a letter must have arrived before it can be looked
/// for, that takes two minutes.
const DOUBT_TIME_MAX: Duration = Duration::from_secs(180);

/// How many letters of the outbox are looked through for doubts.
const OUTBOX_MAX: usize = 1_000;

/// Whether the sender may use the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// Not logged in, or logged out by the network.
    Closed,
    Open,
}

/// What the listener does after a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Retry {
    wait: Duration,
    /// Whether to log in again first.
    session: Session,
}

/// Listens until the desk stops.
pub(super) async fn listen(
    engine: Arc<Engine>,
    connector: Arc<Connector>,
    session: watch::Sender<Session>,
    mut stop: Stop,
) {
    let mut failed = 0;
    let mut doubts = Doubts::default();
    loop {
        let outcome = match *session.borrow() {
            Session::Closed => Do::Connect,
            Session::Open => Do::Fetch,
        };
        let failure = match outcome {
            Do::Connect => stop.or(connect(&engine, &connector, &session)).await,
            Do::Fetch => once(&engine, &connector, &mut doubts, &mut stop).await,
        };
        let failure = match failure {
            None => return,
            Some(Ok(())) => {
                failed = 0;
                continue;
            }
            Some(Err(failure)) => failure,
        };
        failed = u32::saturating_add(failed, 1);
        let retry = failure.retry(failed);
        failure.report(&connector, retry.wait);
        if retry.session == Session::Closed {
            session.send_replace(Session::Closed);
        }
        if stop.or(tokio::time::sleep(retry.wait)).await.is_none() {
            return;
        }
    }
}

enum Do {
    Connect,
    Fetch,
}

/// Why listening was interrupted.
#[derive(Debug)]
enum Interrupted {
    Network(Failure),
    Desk(HandleError),
}

impl Interrupted {
    fn retry(&self, failed: u32) -> Retry {
        let again = backoff::wait(failed, clock::now());
        let open = |wait| Retry { wait, session: Session::Open };
        match self {
            Interrupted::Network(Failure::Later { after }) => {
                open((*after).clamp(WAIT_MIN, backoff::LONGEST))
            }
            Interrupted::Network(Failure::AccountDead(_)) => {
                Retry { wait: ACCOUNT_DEAD_WAIT, session: Session::Closed }
            }
            Interrupted::Network(Failure::Transient(_) | Failure::Unsure(_) | Failure::Refused(_)) => {
                open(again)
            }
            Interrupted::Desk(_) => open(again),
        }
    }

    fn report(&self, connector: &Connector, wait: Duration) {
        let (network, wait_s) = (connector.network().name(), wait.as_secs());
        match self {
            Interrupted::Network(Failure::AccountDead(why)) => warn!(
                network,
                why,
                wait_s,
                "The account on {network} cannot be used: {why}. Mend it, see `stumper network check {network}`; \
                 the desk tries again in {wait_s} s"
            ),
            Interrupted::Network(failure) => {
                warn!(network, %failure, wait_s, "Listening on {network} is interrupted for {wait_s} s: {failure}");
            }
            Interrupted::Desk(error) => {
                warn!(network, %error, wait_s, "A post from {network} has to wait {wait_s} s: {error}");
            }
        }
    }
}

async fn connect(
    engine: &Engine,
    connector: &Connector,
    session: &watch::Sender<Session>,
) -> Result<(), Interrupted> {
    let account = connector.connect().await.map_err(Interrupted::Network)?;
    engine.set_account(account);
    if let Some(limits) = connector.limits() {
        engine.set_limits(connector.network(), limits);
    }
    session.send_replace(Session::Open);
    let network = connector.network().name();
    info!(network, "Listening on {network}");
    Ok(())
}

/// One page: fetched, handled, passed. `None` when the desk stops.
async fn once(
    engine: &Engine,
    connector: &Connector,
    doubts: &mut Doubts,
    stop: &mut Stop,
) -> Option<Result<(), Interrupted>> {
    let network = connector.network();
    let cursor = match engine.store().cursor(network) {
        Ok(cursor) => cursor,
        Err(error) => return Some(Err(Interrupted::Desk(error.into()))),
    };
    let batch = match stop.or(connector.fetch(cursor.as_deref())).await? {
        Ok(batch) => batch,
        Err(failure) => return Some(Err(Interrupted::Network(failure))),
    };
    let Batch { posts, cursor: next, more, unreadable, overheard } = batch;
    if unreadable > 0 {
        let network = network.name();
        warn!(
            network,
            unreadable, "{unreadable} items from {network} could not be understood and were left out"
        );
    }
    if let Err(error) = take_in(engine, posts, doubts, stop).await? {
        return Some(Err(Interrupted::Desk(error)));
    }
    if let Err(error) = take_in_overheard(engine, overheard).await {
        return Some(Err(Interrupted::Desk(error)));
    }
    if let Some(next) = next.filter(|next| Some(next) != cursor.as_ref())
        && let Err(error) = engine.set_cursor(network, next).await
    {
        return Some(Err(Interrupted::Desk(error.into())));
    }
    if more {
        return Some(Ok(()));
    }
    stop.or(connector.wait()).await?;
    Some(Ok(()))
}

/// Hands the posts of a page to the core, in their order. `None` when the desk stops.
async fn take_in(
    engine: &Engine,
    posts: Vec<Post>,
    doubts: &mut Doubts,
    stop: &mut Stop,
) -> Option<Result<(), HandleError>> {
    for post in posts {
        // Nothing is in hand while waiting, so that a stop may interrupt it.
        if let Err(error) = stop.or(doubts.resolve(engine, &post)).await? {
            return Some(Err(error.into()));
        }
        match engine.handle(Input::Post(Box::new(post))).await {
            Ok(Handled::Done(_) | Handled::SeenBefore) => {}
            // Counted and logged by the engine. The next posts must not wait for a mended desk.
            Ok(Handled::SetAside) => {}
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(()))
}

/// Hands what was overheard to the core.
async fn take_in_overheard(engine: &Engine, overheard: Vec<Overheard>) -> Result<(), HandleError> {
    for Overheard { post, address } in overheard {
        engine.handle(Input::Overheard { post: Box::new(post), address }).await?;
    }
    Ok(())
}

/// Letters of which nobody knows whether they are on the network.
///
/// A person can reply to such a letter: it was posted, but the desk was killed, or is not quick
/// enough, to note where. The reply would be a stranger's then and be lost. So a reply to an unknown
/// post waits until the letters that were in doubt when it came are settled.
#[derive(Debug, Default)]
struct Doubts {
    /// Letters that were waited for in vain, so that no later reply waits for them.
    given_up: BTreeSet<LetterId>,
}

impl Doubts {
    async fn resolve(&mut self, engine: &Engine, post: &Post) -> Result<(), StoreError> {
        let Some(replied_to) = &post.in_reply_to else { return Ok(()) };
        let network = post.author.id.network;
        let mut changes = engine.changes();
        let mut waited_for: Option<BTreeSet<LetterId>> = None;
        let resolved = async {
            loop {
                changes.borrow_and_update();
                if engine.store().link(replied_to)?.is_some() {
                    return Ok(());
                }
                let mut doubted = in_doubt(engine, network)?;
                doubted.retain(|id| !self.given_up.contains(id));
                let waited_for = waited_for.get_or_insert_with(|| doubted.clone());
                waited_for.retain(|id| doubted.contains(id));
                if waited_for.is_empty() {
                    return Ok(());
                }
                changes.changed().await.expect("the engine outlives its listeners");
            }
        };
        let in_time = tokio::time::timeout(DOUBT_TIME_MAX, resolved).await;
        in_time.unwrap_or_else(|_| {
            self.given_up.extend(waited_for.unwrap_or_default());
            Ok(())
        })
    }
}

/// The letters that may be on the network without the desk knowing where.
fn in_doubt(engine: &Engine, network: Network) -> Result<BTreeSet<LetterId>, StoreError> {
    let in_hand = engine.store().in_hand(network)?;
    let outbox = engine.store().outbox(network, Timestamp::MAX, OUTBOX_MAX)?;
    let unsure = outbox.into_iter().filter(|(_, delivery)| matches!(delivery, Delivery::Unsure { .. }));
    Ok(in_hand.into_iter().chain(unsure).map(|(letter, _)| letter.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_after_each_kind_of_interruption() {
        let later = |seconds| Failure::Later { after: Duration::from_secs(seconds) };
        let rows = [
            ("told to wait", later(30), 30..=30, Session::Open),
            ("told to wait no time at all", later(0), 1..=1, Session::Open),
            ("told to wait for a year", later(31_000_000), 3_600..=3_600, Session::Open),
            ("network down", Failure::Transient("x"), 3..=7, Session::Open),
            (
                "account dead: a person has to mend it",
                Failure::AccountDead("x"),
                3_600..=3_600,
                Session::Closed,
            ),
        ];
        for (name, failure, wait_s, session) in rows {
            let retry = Interrupted::Network(failure).retry(1);
            assert!(wait_s.contains(&retry.wait.as_secs()), "{name}: {retry:?}");
            assert_eq!(retry.session, session, "{name}");
        }
        let busy = Interrupted::Desk(HandleError::Contended).retry(3);
        assert!((15..=25).contains(&busy.wait.as_secs()), "{busy:?}");
    }
}
