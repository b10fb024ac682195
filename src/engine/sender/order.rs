//! Which letters go out next: whoever waits for an answer comes first, and each person reads in order.
//!
//! **Invariant:** no letter is sent or changed here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::desk::letter::Purpose;
use crate::engine::backoff;
use crate::engine::sender::{HELD_UP_WAIT, Row, Sender, THREADS_MAX, Thread};

/// How many letters are read from the outbox at a time.
const BATCH: usize = 64;

/// The longest sleep: a guard against a clock that was set back.
const SLEEP_MAX: Duration = Duration::from_secs(600);

/// How many letters are put in order when more wait than are sent soon.
pub(super) const BACKLOG_MAX: usize = 20_000;

/// How many threads of a backlog are begun before it is put in order anew.
const BACKLOG_ROUND: usize = 32;

/// A wait that is shorter is not worth telling.
const BEHIND_MIN: SignedDuration = SignedDuration::from_mins(10);

/// How often a long backlog is counted while nothing is sent.
const BACKLOG_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// The order in which a backlog is sent, kept for a while because making it means reading everything.
#[derive(Debug, Default)]
pub(super) struct Plan {
    threads: Vec<(Thread, Vec<Row>)>,
    /// How many threads may be begun before the order is made anew.
    left: usize,
}

impl Plan {
    pub(super) fn begin(&mut self, thread: &Thread) {
        self.threads.retain(|(planned, _)| planned != thread);
        self.left = self.left.saturating_sub(1);
    }
}

impl Sender<'_> {
    /// What may be sent now, a thread at a time, the most urgent first.
    pub(super) fn ready(
        self,
        now: Timestamp,
        busy: &BTreeSet<Thread>,
        plan: &mut Plan,
    ) -> Vec<(Thread, Vec<Row>)> {
        if plan.left > 0 && plan.threads.len() > THREADS_MAX {
            let free = plan.threads.iter().filter(|(thread, _)| !busy.contains(thread));
            return free.take(THREADS_MAX).cloned().collect();
        }
        let read = |limit| self.engine.store().outbox(self.connector.network(), now, limit);
        // Those that wait longest are few as a rule. Where they are many, whoever waits for an answer
        // is to be found among all of them.
        let rows = read(BATCH).and_then(|rows| if rows.len() < BATCH { Ok(rows) } else { read(BACKLOG_MAX) });
        match rows {
            Ok(rows) => {
                self.tell_behind(rows.len(), now);
                let is_backlog = rows.len() >= BATCH;
                let mut threads = threads(rows, busy);
                threads.truncate(BATCH);
                let (kept, left) =
                    if is_backlog { (threads.clone(), BACKLOG_ROUND) } else { (Vec::new(), 0) };
                *plan = Plan { threads: kept, left };
                threads
            }
            Err(error) => {
                warn!(%error, "The outbox cannot be read: {error}");
                Vec::new()
            }
        }
    }

    /// Keeps what patrons are told up to date while nothing is sent and letters pile up. A long backlog is
    /// read no more often than every few seconds.
    pub(super) fn watch_backlog(self, now: Timestamp, read_at: &mut Timestamp) {
        let read = |limit| self.engine.store().outbox(self.connector.network(), now, limit);
        let is_due = BACKLOG_AGAIN <= now.duration_since(*read_at);
        let waiting = match read(BATCH).map(|rows| rows.len()) {
            Ok(few) if few < BATCH => Some(few),
            Ok(_) if is_due => {
                *read_at = now;
                read(BACKLOG_MAX).ok().map(|rows| rows.len())
            }
            // Not due yet, or unreadable, which is said when it is read for sending.
            Ok(_) | Err(_) => None,
        };
        if let Some(waiting) = waiting {
            self.tell_behind(waiting, now);
        }
    }

    /// Lets patrons be told where letters wait for long because a network takes only so many.
    pub(super) fn tell_behind(self, waiting: usize, now: Timestamp) {
        let Some(per_hour) = self.connector.letters_per_hour(now) else {
            return self.engine.set_behind(self.connector.network(), None);
        };
        let minutes = i64::try_from(waiting.saturating_mul(60) / per_hour.max(1)).unwrap_or(i64::MAX / 60);
        let behind = SignedDuration::from_mins(minutes.min(7 * 24 * 60));
        self.engine.set_behind(self.connector.network(), Some(behind).filter(|behind| BEHIND_MIN <= *behind));
    }

    pub(super) fn sleep(self, now: Timestamp, rest_until: Timestamp, started: usize) -> Duration {
        let next = self.engine.store().next_outbox(self.connector.network()).ok().flatten();
        let wait = next.map_or(SLEEP_MAX, |next| backoff::until(now, next.max(rest_until)));
        // What is due and was not started is held up by a thread in hand or by an earlier letter.
        let least = if started == 0 && wait.is_zero() { HELD_UP_WAIT } else { Duration::ZERO };
        wait.clamp(least, SLEEP_MAX)
    }
}

/// Puts letters in the order of sending: by thread, each in the order of deciding; the thread with
/// the most urgent letter first. Threads in hand are left out. The store shows no part of a chain
/// before the part it replies to is settled, so that chains need no order here.
pub(super) fn threads(rows: Vec<Row>, busy: &BTreeSet<Thread>) -> Vec<(Thread, Vec<Row>)> {
    let mut threads: BTreeMap<Thread, Vec<Row>> = BTreeMap::new();
    for (letter, delivery) in rows {
        let thread = (letter.about.clone(), letter.to.id.clone());
        if !busy.contains(&thread) {
            threads.entry(thread).or_default().push((letter, delivery));
        }
    }
    for rows in threads.values_mut() {
        rows.sort_by_key(|(letter, _)| letter.made_at);
    }
    let mut threads: Vec<(Thread, Vec<Row>)> = threads.into_iter().collect();
    threads.sort_by_key(|(_, rows)| {
        let urgency = rows.iter().map(|(letter, _)| urgency(letter.purpose)).min();
        (urgency, rows.first().map(|(letter, _)| letter.made_at))
    });
    threads
}

/// The smaller, the earlier: whoever waits for an answer comes first, words of courtesy last.
fn urgency(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Answer | Purpose::Farewell | Purpose::Deletion => 0,
        Purpose::Interview | Purpose::Detail | Purpose::Reply => 1,
        Purpose::Invitation => 2,
        Purpose::Notice | Purpose::Ending | Purpose::Stumper => 3,
        Purpose::Acknowledgement | Purpose::Thanks => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::desk::letter::Content;
    use crate::desk::{AccountId, Input, Letter, Network, Settings, Visibility};
    use crate::engine::Engine;
    use crate::engine::sender::moments::{at, waiting};
    use crate::networks::Connector;
    use crate::networks::sandbox::{self, Sandbox};
    use crate::samples;
    use crate::store::Store;
    use crate::subjects::Subjects;

    fn letter(name: &str, to: &str, purpose: Purpose, made_at: i64) -> Row {
        let content = samples::words(name, Vec::new(), Visibility::Direct);
        let letter = samples::letter(name, samples::account(Network::Sandbox, to), content, at(made_at));
        (Letter { purpose, ..letter }, waiting(0, 0))
    }

    #[test]
    fn whoever_waits_for_an_answer_comes_first_and_each_person_reads_in_order() {
        let rows = vec![
            letter("thanks to ann", "ann", Purpose::Thanks, 1),
            letter("invitation to ben", "ben", Purpose::Invitation, 2),
            letter("heard, cleo", "cleo", Purpose::Acknowledgement, 3),
            letter("answer to cleo", "cleo", Purpose::Answer, 4),
            letter("answer to dan", "dan", Purpose::Answer, 5),
            letter("notice to eve", "eve", Purpose::Notice, 6),
        ];
        let busy = BTreeSet::from([(None, AccountId::new(Network::Sandbox, "dan"))]);
        let order: Vec<String> = threads(rows, &busy)
            .into_iter()
            .flat_map(|(_, rows)| rows)
            .map(|(letter, _)| match letter.content {
                Content::Post { text, .. } => text.reveal().to_owned(),
                Content::Delete { .. } => String::new(),
            })
            .collect();
        let expected =
            ["heard, cleo", "answer to cleo", "invitation to ben", "notice to eve", "thanks to ann"];
        assert_eq!(order, expected);
    }

    fn said_by(who: &str, text: &str, number: usize) -> Input {
        let author = samples::account(Network::Sandbox, who);
        Input::Post(Box::new(samples::post(author, format!("p{number}"), text, at(0))))
    }

    /// A busy day: 10,000 people ask at once. Whoever waits for an answer comes first although everybody
    /// else was there before.
    #[tokio::test]
    async fn in_a_crowd_answers_come_before_invitations_before_acknowledgements() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Arc::new(Sandbox::open(&folder.path().join("posts"), "desk").unwrap());
        let connector = Connector::Sandbox(sandbox::Connector::new(sandbox));
        let engine = Engine::new(Store::memory(), Subjects::default(), Settings::default());
        engine.handle_at(said_by("clio", "join general", 1), at(0)).await.unwrap();
        for number in 0..10_000 {
            let who = format!("p{number}");
            let ask = said_by(&who, "Why is the sky over the library blue at night?", 10 + number);
            engine.handle_at(ask, at(i64::try_from(number).unwrap())).await.unwrap();
        }
        let clio = AccountId::new(Network::Sandbox, "clio");
        let asked = engine.store().questions_involving(&clio).unwrap().remove(0);
        let answer = format!("{}: it is the street lamps.", asked.code);
        engine.handle_at(said_by("clio", &answer, 20_000), at(20_000)).await.unwrap();

        let now = || at(20_001);
        let sender = Sender { engine: &engine, connector: &connector, clock: &now };
        let mut plan = Plan::default();
        let order: Vec<Row> =
            sender.ready(now(), &BTreeSet::new(), &mut plan).into_iter().flat_map(|(_, rows)| rows).collect();
        let kinds: Vec<Purpose> = order.iter().map(|(letter, _)| letter.purpose).collect();
        // The acknowledgement to the same person is older, and people read in order.
        assert_eq!(kinds.iter().position(|kind| *kind == Purpose::Answer), Some(1), "{kinds:?}");
        let last_invitation = kinds.iter().rposition(|kind| *kind == Purpose::Invitation).unwrap();
        let rest = order.get(last_invitation + 1..).unwrap();
        let rest: Vec<_> = rest.iter().filter(|(letter, _)| letter.to.id != clio).collect();
        assert!(rest.len() > 10 && rest.iter().all(|(letter, _)| letter.purpose == Purpose::Acknowledgement));
        assert!(rest.is_sorted_by_key(|(letter, _)| letter.made_at), "oldest first");
        // The order is kept for a while: what is begun is taken out of it.
        let before = plan.threads.len();
        let first = plan.threads.first().map(|(thread, _)| thread.clone()).unwrap();
        plan.begin(&first);
        let next = sender.ready(now(), &BTreeSet::from([first.clone()]), &mut plan);
        assert!(next.len() == THREADS_MAX && next.iter().all(|(thread, _)| *thread != first));
        assert_eq!(plan.threads.len(), before - 1);
    }
}
