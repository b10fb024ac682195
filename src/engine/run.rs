//! Starting and stopping the parts of a running desk.
//!
//! **Invariant:** a part that fails is started again and never takes another one down; stopping lets
//! calls in hand finish, within [`STOP_TIME_MAX`].

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::clock;
use crate::engine::listener::Session;
use crate::engine::reload::{self, RulesFolder};
use crate::engine::{Engine, alarm, backoff, housekeeping, listener, revisit, sender};
use crate::networks::Connector;

/// How long a stop waits for calls in hand: longer than a network call may take.
const STOP_TIME_MAX: Duration = Duration::from_secs(sender::CALL_TIME_MAX.as_secs() + 5);

/// Whether the desk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
}

/// Tells a part of the desk when to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Phase>);

impl Stop {
    /// The future's value, or `None` as soon as the desk stops. The future is dropped then.
    pub(crate) async fn or<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            value = future => Some(value),
        }
    }

    /// Waits until the desk stops.
    pub(crate) async fn asked(&mut self) {
        // An error means that whoever could ask is gone, which is as good as being asked.
        self.0.wait_for(|phase| *phase == Phase::Stopping).await.ok();
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow() == Phase::Stopping
    }
}

/// A desk at work.
#[derive(Debug)]
pub struct Running {
    phase: watch::Sender<Phase>,
    parts: JoinSet<()>,
}

/// Sets the desk to work: a listener and a sender for each network, the alarm, the housekeeping.
/// `data` is the folder for backups.
pub fn start(engine: &Arc<Engine>, connectors: Vec<Arc<Connector>>, data: PathBuf) -> Running {
    let phase = watch::Sender::new(Phase::Running);
    let stop = || Stop(phase.subscribe());
    let mut parts = JoinSet::new();
    for connector in connectors {
        let session = watch::Sender::new(Session::Closed);
        let (own, network, given) = (engine.clone(), connector.clone(), session.clone());
        parts.spawn(keep_going("listener", stop(), move |stop| {
            listener::listen(own.clone(), network.clone(), given.clone(), stop)
        }));
        if connector.can_revisit() {
            let (own, network, given) = (engine.clone(), connector.clone(), session.clone());
            parts.spawn(keep_going("look at open questions", stop(), move |stop| {
                revisit::watch(own.clone(), network.clone(), given.subscribe(), stop)
            }));
        }
        let own = engine.clone();
        parts.spawn(keep_going("sender", stop(), move |stop| {
            sender::send(own.clone(), connector.clone(), session.subscribe(), stop)
        }));
    }
    let own = engine.clone();
    parts.spawn(keep_going("alarm", stop(), move |stop| alarm::watch(own.clone(), stop)));
    let own = engine.clone();
    parts.spawn(keep_going("housekeeping", stop(), move |stop| {
        housekeeping::keep_house(own.clone(), data.clone(), stop)
    }));
    Running { phase, parts }
}

impl Running {
    /// Reads the rules again whenever a file in their folder changes, or somebody asks.
    pub fn watch_rules(&mut self, engine: &Arc<Engine>, rules: RulesFolder) {
        let (own, rules) = (engine.clone(), Arc::new(rules));
        let stop = Stop(self.phase.subscribe());
        self.parts.spawn(keep_going("watch over the rules", stop, move |stop| {
            reload::watch(own.clone(), rules.clone(), stop)
        }));
    }

    /// Stops listening, lets calls in hand finish, and returns when nothing runs any more.
    pub async fn stop(mut self) {
        self.phase.send_replace(Phase::Stopping);
        let all = async { while self.parts.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME_MAX, all).await.is_err() {
            let wait_s = STOP_TIME_MAX.as_secs();
            warn!(
                wait_s,
                "Some calls did not end within {wait_s} s; their letters are looked for at the next start"
            );
            self.parts.shutdown().await;
        }
        info!("The desk has stopped");
    }
}

/// Runs a part until the desk stops, and again after a while should it panic.
async fn keep_going<F>(part: &'static str, mut stop: Stop, make: impl Fn(Stop) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut failed = 0;
    loop {
        let mut task = Ended(tokio::spawn(make(stop.clone())));
        let Err(error) = (&mut task.0).await else { return };
        if error.is_cancelled() || stop.is_asked() {
            return;
        }
        failed = u32::saturating_add(failed, 1);
        let wait = backoff::wait(failed, clock::now());
        let wait_s = wait.as_secs();
        error!(part, wait_s, "The {part} failed and starts again in {wait_s} s. Please report this");
        if stop.or(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// A task that ends with whoever started it.
struct Ended(tokio::task::JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}
