//! The alarm: sleeps until the first timer is due and hands it to the desk.
//!
//! **Invariant:** a timer that cannot be handled is tried again after a while, never at once, and
//! never keeps others from going off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use crate::clock;
use crate::desk::question::Reason;
use crate::desk::{Code, Input};
use crate::engine::run::Stop;
use crate::engine::{Engine, HandleError, Handled, backoff};
use crate::store::StoreError;

/// How many due timers are handled before the clock is read again.
const BATCH: usize = 100;

/// How long a timer waits that could not be handled now.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How long a timer waits that was handled and did not go away, which is a defect.
const STUCK_FOR: Duration = Duration::from_secs(3_600);

/// The longest sleep: a guard against a clock that was set back.
const SLEEP_MAX: Duration = Duration::from_secs(600);

/// Timers that could not be handled, and when they may be tried again.
type Aside = BTreeMap<(Code, Reason, Timestamp), Timestamp>;

/// Handles timers until the desk stops.
pub(super) async fn watch(engine: Arc<Engine>, mut stop: Stop) {
    let mut changes = engine.changes();
    let mut aside = Aside::new();
    loop {
        changes.borrow_and_update();
        let sleep = match round(&engine, &mut aside).await {
            Ok(sleep) => sleep,
            Err(error) => {
                warn!(%error, "Timers cannot be read: {error}");
                AGAIN_AFTER
            }
        };
        let woken = async {
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                changed = changes.changed() => changed.expect("the engine outlives the alarm"),
            }
        };
        if stop.or(woken).await.is_none() {
            return;
        }
    }
}

/// Handles what is due now and says how long to sleep.
async fn round(engine: &Engine, aside: &mut Aside) -> Result<Duration, StoreError> {
    let now = clock::now();
    aside.retain(|_, again_at| *again_at > now);
    // Whatever is set aside is still due, so that many more have to be asked for.
    let due = engine.store().due(now, BATCH + aside.len())?;
    let due: Vec<_> = due.into_iter().filter(|timer| !aside.contains_key(timer)).collect();
    if due.is_empty() {
        let next = engine.store().next_due()?;
        let next = next.map_or(SLEEP_MAX, |(next, _)| backoff::until(now, next).min(SLEEP_MAX));
        // Where the next one is past, it was set aside.
        return Ok(if next.is_zero() { AGAIN_AFTER } else { next });
    }
    for (code, reason, at) in due {
        let timer = (code.clone(), reason, at);
        let handled = engine.handle(Input::Timer { code, reason, at }).await;
        if let Some(wait) = wait(handled) {
            aside.insert(timer, backoff::after(now, wait));
        }
    }
    Ok(Duration::ZERO)
}

/// How long a timer has to wait that is still in the store; `None` where it is gone.
fn wait(handled: Result<Handled, HandleError>) -> Option<Duration> {
    match handled {
        Ok(Handled::Done(_)) => None,
        // Seen before and still due: its question was not changed by it.
        Ok(Handled::SeenBefore | Handled::SetAside) => Some(STUCK_FOR),
        Err(error) => {
            warn!(%error, "A timer has to wait: {error}");
            Some(AGAIN_AFTER)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::desk::{Network, Settings, State};
    use crate::engine::start;
    use crate::samples;
    use crate::store::Store;
    use crate::subjects::Subjects;

    fn question(asked_at: Timestamp) -> Input {
        let text = "Which poem begins with a woodland on a snowy evening?";
        let author = samples::account(Network::Sandbox, "pat");
        Input::Post(Box::new(samples::post(author, "1", text, asked_at)))
    }

    #[tokio::test]
    async fn nothing_lost_timers_that_came_while_the_desk_was_down_go_off_at_the_start() {
        let engine = Arc::new(Engine::new(Store::memory(), Subjects::default(), Settings::default()));
        let asked_at = clock::now().checked_sub(SignedDuration::from_hours(24 * 10)).unwrap();
        engine.handle_at(question(asked_at), asked_at).await.unwrap();
        let state = || engine.store().questions(None, 1).unwrap().remove(0).state;
        assert_eq!(state(), State::Seeking);

        let folder = tempfile::tempdir().unwrap();
        let mut changes = engine.changes();
        let running = start(&engine, Vec::new(), folder.path().to_owned());
        let ended = async {
            while state() == State::Seeking {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
        running.stop().await;
        assert_eq!(state(), State::Unanswered, "nobody was found for ten days, so the patron is told");
    }

    #[test]
    fn a_timer_that_cannot_be_handled_waits_and_lets_others_go_off() {
        let rows = [
            (Ok(Handled::Done(crate::desk::Outcome::Invited)), None),
            (Ok(Handled::SeenBefore), Some(STUCK_FOR)),
            (Ok(Handled::SetAside), Some(STUCK_FOR)),
            (Err(HandleError::Contended), Some(AGAIN_AFTER)),
        ];
        for (handled, expected) in rows {
            assert_eq!(wait(handled), expected);
        }
    }
}
