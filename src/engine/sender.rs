//! Sending from the outbox to one network.
//!
//! A letter is claimed durably, sent, and settled. A claim without a result means that nobody knows,
//! so the desk looks for the letter before it repeats it. The decisions are pure functions
//! ([`after_send`], [`after_look`], [`found_in_hand`]), each with its table of tests.
//!
//! **Invariant:** no letter is sent that was not claimed durably first, none is repeated without a
//! look where it may have arrived, and none is given up without a word to the coordinator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tracing::{debug, error, warn};

use crate::clock;
use crate::desk::letter::{Content, Delivery, Purpose, Refusal};
use crate::desk::{AccountId, Code, Input, Letter, Place, ReplyTo, outbox};
use crate::engine::listener::Session;
use crate::engine::run::Stop;
use crate::engine::{Engine, Handled, backoff, revisit};
use crate::networks::{Connector, Failure, Outgoing};
use crate::store::StoreError;

/// How long one call to a network may take. The connectors give up earlier by themselves.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a network may take to show a post that it took.
const SETTLE_TIME: Duration = Duration::from_secs(60);

/// How many threads are written to at the same time.
const THREADS_MAX: usize = 4;

/// How many letters are read from the outbox at a time.
const BATCH: usize = 64;

/// How long a letter rests when the account cannot be used.
const ACCOUNT_DEAD_WAIT: Duration = Duration::from_secs(3_600);

/// A letter that could not be sent for so long is given up: its words are about the past.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long to wait before the outbox is read again at the start.
const STOCK_WAIT: Duration = Duration::from_secs(30);

/// The longest sleep: a guard against a clock that was set back.
const SLEEP_MAX: Duration = Duration::from_secs(600);

/// The shortest wait where the first letter in the outbox is held up by something else.
const HELD_UP_WAIT: Duration = Duration::from_secs(5);

/// How long a server that knows keys is trusted to remember one: they promise an hour.
const KEY_TIME: SignedDuration = SignedDuration::from_mins(50);

/// How often an unclear answer is followed by the same request under the same key. After that, the
/// letter is looked for only once it must have arrived.
const UNCLEAR_MAX: u32 = 2;

/// How many letters are put in order when more wait than are sent soon.
const BACKLOG_MAX: usize = 20_000;

/// How many threads of a backlog are begun before it is put in order anew.
const BACKLOG_ROUND: usize = 32;

/// The longest rest before the limits of a network are looked at anew.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// A wait that is shorter is not worth telling.
const BEHIND_MIN: SignedDuration = SignedDuration::from_mins(10);

/// How often a long backlog is counted while nothing is sent.
const BACKLOG_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Tells the time.
pub type Clock<'c> = &'c (dyn Fn() -> Timestamp + Sync);

/// What is done with a letter after a call.
#[derive(Clone, Debug, PartialEq)]
enum Next {
    /// It stays in the outbox like this.
    Keep(Delivery),
    /// It is on the network.
    Delivered(Place),
    /// It is given up, which the core is told.
    GiveUp(Refusal),
}

/// Letters that must go one after the other: those to one person about one thing.
type Thread = (Option<Code>, AccountId);

/// One letter and where it stands.
type Row = (Letter, Delivery);

/// What a round of calls says about the network as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Nothing is to be sent for this long.
    Rest(Duration),
    /// The network is out of order; wait longer each time.
    Rough,
}

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

/// Until when nothing is sent, and how many calls in a row met rough weather.
fn rest(weather: Weather, until: Timestamp, rough: u32) -> (Timestamp, u32) {
    let now = clock::now();
    match weather {
        Weather::Fair => (until, 0),
        Weather::Rest(wait) => (until.max(backoff::after(now, wait)), rough),
        Weather::Rough => {
            let rough = rough.saturating_add(1);
            (until.max(backoff::after(now, backoff::wait(rough, now))), rough)
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

/// The order in which a backlog is sent, kept for a while because making it means reading everything.
#[derive(Debug, Default)]
struct Plan {
    threads: Vec<(Thread, Vec<Row>)>,
    /// How many threads may be begun before the order is made anew.
    left: usize,
}

impl Plan {
    fn begin(&mut self, thread: &Thread) {
        self.threads.retain(|(planned, _)| planned != thread);
        self.left = self.left.saturating_sub(1);
    }
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

    /// What may be sent now, a thread at a time, the most urgent first.
    fn ready(self, now: Timestamp, busy: &BTreeSet<Thread>, plan: &mut Plan) -> Vec<(Thread, Vec<Row>)> {
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
    fn watch_backlog(self, now: Timestamp, read_at: &mut Timestamp) {
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
    fn tell_behind(self, waiting: usize, now: Timestamp) {
        let Some(per_hour) = self.connector.letters_per_hour(now) else {
            return self.engine.set_behind(self.connector.network(), None);
        };
        let minutes = i64::try_from(waiting.saturating_mul(60) / per_hour.max(1)).unwrap_or(i64::MAX / 60);
        let behind = SignedDuration::from_mins(minutes.min(7 * 24 * 60));
        self.engine.set_behind(self.connector.network(), Some(behind).filter(|behind| BEHIND_MIN <= *behind));
    }

    /// What sending this letter again could do.
    fn repeats(self, letter: &Letter, delivery: &Delivery, now: Timestamp) -> Repeats {
        if letter.repeats_are_harmless() {
            return Repeats::Harmless;
        }
        let is_young = letter.made_at.duration_until(now) < KEY_TIME;
        let has_key = self.connector.repeats_are_harmless(letter);
        if has_key && is_young && tries(delivery) < UNCLEAR_MAX {
            Repeats::Harmless
        } else {
            Repeats::Doubles
        }
    }

    /// Whether a letter that was tried before is looked for in the same breath before it is tried again:
    /// its key may be forgotten by now, and what was looked for in vain may have arrived since.
    fn looks_first(self, letter: &Letter, delivery: &Delivery, now: Timestamp) -> bool {
        let was_tried = tries(delivery) > 0 && matches!(letter.content, Content::Post { .. });
        let is_old = KEY_TIME <= letter.made_at.duration_until(now);
        was_tried && is_old && !letter.repeats_are_harmless()
    }

    /// Looks at a question's post once more before its answer goes out: it may be gone.
    async fn looks_at_question(self, letter: &Letter) -> Result<(), Failure> {
        if !matches!(letter.purpose, Purpose::Answer | Purpose::Interview) || !self.connector.can_revisit() {
            return Ok(());
        }
        let question =
            letter.about.as_ref().and_then(|code| self.engine.store().question(code).ok().flatten());
        let asked = question.and_then(|question| revisit::asked_at(&question, self.connector.network()));
        match asked {
            Some(post) => revisit::look_at(self.engine, self.connector, &post).await,
            None => Ok(()),
        }
    }

    fn sleep(self, now: Timestamp, rest_until: Timestamp, started: usize) -> Duration {
        let next = self.engine.store().next_outbox(self.connector.network()).ok().flatten();
        let wait = next.map_or(SLEEP_MAX, |next| backoff::until(now, next.max(rest_until)));
        // What is due and was not started is held up by a thread in hand or by an earlier letter.
        let least = if started == 0 && wait.is_zero() { HELD_UP_WAIT } else { Duration::ZERO };
        wait.clamp(least, SLEEP_MAX)
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

    /// One letter: a last look at whether it is wanted, then a call, then what comes of it.
    async fn one(self, letter: Letter, delivery: Delivery) -> Result<Weather, Held> {
        let now = (self.clock)();
        let may_have_arrived = match delivery {
            Delivery::Unsure { .. } => true,
            Delivery::Waiting { .. } => false,
            Delivery::Claimed { .. } | Delivery::Sent { .. } | Delivery::Refused { .. } => {
                return Ok(Weather::Fair);
            }
        };
        if !may_have_arrived {
            if let Some(wait) = self.connector.hold(&letter, now) {
                return self.held_back(letter, &delivery, wait, now).await;
            }
            // Trouble with that is no reason to keep an answer back; being told to wait is.
            if let Err(Failure::Later { after }) = self.looks_at_question(&letter).await {
                return Ok(Weather::Rest(after.min(backoff::LONGEST)));
            }
        }
        if !may_have_arrived && let Some(why) = self.unwanted(&letter, now)? {
            return self.settle(letter, &delivery, Next::GiveUp(why)).await.map(|()| Weather::Fair);
        }
        let reply_to = match self.reply_to(&letter, now)? {
            Ok(place) => place,
            Err(next) => {
                let held = matches!(next, Next::Keep(_));
                self.settle(letter, &delivery, next).await?;
                return if held { Err(Held::ByAnother) } else { Ok(Weather::Fair) };
            }
        };
        let outgoing = Outgoing { letter, reply_to };
        let (delivery, next, weather) = if may_have_arrived {
            let found = timed(self.connector.look(&outgoing)).await;
            let weather = weather(found.as_ref().err());
            let next = after_look(found, &delivery, (self.clock)());
            (delivery, next, weather)
        } else if self.looks_first(&outgoing.letter, &delivery, now)
            && let found @ (Ok(Some(_)) | Err(_)) = timed(self.connector.look(&outgoing)).await
        {
            let weather = weather(found.as_ref().err());
            let next = match found {
                // It was not known to be there, and could not be looked for: it stays as it is.
                Err(Failure::Refused(_) | Failure::Transient(_) | Failure::Unsure(_)) => {
                    let wait = backoff::wait(tries(&delivery), now);
                    Next::Keep(Delivery::Waiting {
                        not_before: backoff::after(now, wait),
                        tries: tries(&delivery),
                    })
                }
                found => after_look(found, &delivery, now),
            };
            (delivery, next, weather)
        } else {
            let claimed = self.claim(&outgoing.letter, &delivery, now).await?;
            let sent = timed(self.connector.send(&outgoing)).await;
            let weather = weather(sent.as_ref().err());
            let repeats = self.repeats(&outgoing.letter, &claimed, now);
            let next = after_send(sent, &claimed, repeats, (self.clock)());
            (claimed, next, weather)
        };
        self.settle(outgoing.letter, &delivery, next).await?;
        Ok(weather)
    }

    /// A letter that the network's limits keep back. Posts wait together; a deletion waits by itself, so
    /// that it keeps no answer back.
    async fn held_back(
        self,
        letter: Letter,
        delivery: &Delivery,
        wait: Duration,
        now: Timestamp,
    ) -> Result<Weather, Held> {
        if matches!(letter.content, Content::Post { .. }) {
            let waiting = self.engine.store().outbox(self.connector.network(), now, BACKLOG_MAX)?;
            self.tell_behind(waiting.len(), now);
            return Ok(Weather::Rest(wait.min(HOLD_MAX)));
        }
        let not_before = backoff::after(now, wait);
        let later = Next::Keep(Delivery::Waiting { not_before, tries: tries(delivery) });
        self.settle(letter, delivery, later).await?;
        Ok(Weather::Fair)
    }

    /// Notes durably that the letter is in hand, before anything leaves this computer.
    async fn claim(self, letter: &Letter, from: &Delivery, now: Timestamp) -> Result<Delivery, Held> {
        let claimed = Delivery::Claimed { at: now, tries: tries(from) };
        let ours = self.engine.deliver(&letter.id, from, claimed.clone()).await?;
        if ours { Ok(claimed) } else { Err(Held::ByAnother) }
    }

    /// Why the letter is not to be sent any more, if so.
    fn unwanted(self, letter: &Letter, now: Timestamp) -> Result<Option<Refusal>, Held> {
        let store = self.engine.store();
        let question = letter.about.as_ref().map(|code| store.question(code)).transpose()?.flatten();
        let person = store.person(&letter.to.id)?;
        if let Some(why) = outbox::unwanted(letter, question.as_ref(), person.as_ref(), now) {
            return Ok(Some(why));
        }
        let deletion = match letter.content {
            Content::Post { .. } => false,
            // However late, what a person wanted deleted is deleted.
            Content::Delete { .. } => true,
        };
        if !deletion && letter.made_at.duration_until(now) > AGE_MAX {
            let network = letter.network.name();
            warn!(network, letter = %letter.id, "A letter could not be sent for a week and was given up");
            return Ok(Some(Refusal::Outdated));
        }
        Ok(None)
    }

    /// The place the letter replies to, or what to do where there is none yet or never will be.
    fn reply_to(self, letter: &Letter, now: Timestamp) -> Result<Result<Option<Place>, Next>, Held> {
        let previous = match &letter.content {
            Content::Delete { .. } | Content::Post { reply_to: None, .. } => return Ok(Ok(None)),
            Content::Post { reply_to: Some(ReplyTo::Post(place)), .. } => return Ok(Ok(Some(place.clone()))),
            Content::Post { reply_to: Some(ReplyTo::Letter(previous)), .. } => previous,
        };
        let before = self.engine.store().letter(previous)?;
        Ok(after_previous(before.map(|(_, delivery)| delivery), now))
    }

    /// Writes down what came of a letter.
    async fn settle(self, letter: Letter, from: &Delivery, next: Next) -> Result<(), Held> {
        let id = letter.id.clone();
        let (input, settled) = match next {
            Next::Keep(to) => {
                self.engine.deliver(&id, from, to).await?;
                return Ok(());
            }
            Next::Delivered(place) => {
                debug!(network = letter.network.name(), letter = %id, "Sent a letter");
                let settled = Delivery::Sent { place: place.clone(), at: (self.clock)() };
                (Input::Delivered { letter: Box::new(letter), place }, settled)
            }
            Next::GiveUp(why) => {
                report_refusal(&letter, why);
                let settled = Delivery::Refused { why, at: (self.clock)() };
                (Input::Refused { letter: Box::new(letter), why }, settled)
            }
        };
        let handled = self.engine.handle_at(input, (self.clock)()).await;
        if let Ok(Handled::Done(_)) = handled {
            return Ok(());
        }
        // Whatever kept the core from taking note of it, the letter itself must be settled.
        if let Err(error) = handled {
            warn!(%error, "What became of a letter could not be noted with its question: {error}");
        }
        self.engine.deliver(&id, from, settled).await?;
        Ok(())
    }
}

/// Why a letter stays where it is although it was due.
#[derive(Debug)]
enum Held {
    /// Another letter has to be sent first, or somebody else has taken it.
    ByAnother,
    ByDesk(StoreError),
}

impl From<StoreError> for Held {
    fn from(error: StoreError) -> Held {
        Held::ByDesk(error)
    }
}

fn report_refusal(letter: &Letter, why: Refusal) {
    let (network, purpose) = (letter.network.name(), letter.purpose);
    match why {
        Refusal::Outdated | Refusal::OffDuty => debug!(network, ?purpose, "A letter was no longer wanted"),
        Refusal::Rejected | Refusal::Unreachable | Refusal::ChainBroken | Refusal::NotPrivate => warn!(
            network,
            ?purpose,
            ?why,
            letter = %letter.id,
            "A letter on {network} will not be sent; see `stumper questions show` for the question it is about"
        ),
    }
}

/// The call's result; one that takes too long may still have an effect.
async fn timed<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(CALL_TIME_MAX, call).await.unwrap_or(Err(Failure::Unsure("no answer in time")))
}

/// Puts letters in the order of sending: by thread, each in the order of deciding; the thread with
/// the most urgent letter first. Threads in hand are left out. The store shows no part of a chain
/// before the part it replies to is settled, so that chains need no order here.
fn threads(rows: Vec<Row>, busy: &BTreeSet<Thread>) -> Vec<(Thread, Vec<Row>)> {
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

fn tries(delivery: &Delivery) -> u32 {
    match delivery {
        Delivery::Waiting { tries, .. }
        | Delivery::Claimed { tries, .. }
        | Delivery::Unsure { tries, .. } => *tries,
        Delivery::Sent { .. } | Delivery::Refused { .. } => 0,
    }
}

/// What a failure says about the network as a whole.
fn weather(failure: Option<&Failure>) -> Weather {
    match failure {
        None | Some(Failure::Refused(_)) => Weather::Fair,
        Some(Failure::Later { after }) => Weather::Rest((*after).min(backoff::LONGEST)),
        Some(Failure::Transient(_) | Failure::Unsure(_)) => Weather::Rough,
        Some(Failure::AccountDead(_)) => Weather::Rest(ACCOUNT_DEAD_WAIT),
    }
}

/// What is done with a letter once the call to send it has ended. `claimed` is how it stood during
/// the call.
fn after_send(sent: Result<Place, Failure>, claimed: &Delivery, repeats: Repeats, now: Timestamp) -> Next {
    let tries = tries(claimed).saturating_add(1);
    match sent {
        Ok(place) => Next::Delivered(place),
        Err(Failure::Refused(why)) => Next::GiveUp(why),
        Err(Failure::Unsure(_)) => Next::Keep(found_in_hand(claimed, repeats).unwrap_or(Delivery::Unsure {
            since: now,
            look_at: look_at(now, repeats),
            tries,
        })),
        // Waiting as told is no failed try.
        Err(Failure::Later { after }) => Next::Keep(Delivery::Waiting {
            not_before: backoff::after(now, after.min(backoff::LONGEST)),
            tries: tries - 1,
        }),
        Err(Failure::AccountDead(_)) => Next::Keep(Delivery::Waiting {
            not_before: backoff::after(now, ACCOUNT_DEAD_WAIT),
            tries: tries - 1,
        }),
        Err(Failure::Transient(_)) => Next::Keep(Delivery::Waiting {
            not_before: backoff::after(now, backoff::wait(tries, now)),
            tries,
        }),
    }
}

/// What is done with an unsure letter once it was looked for.
fn after_look(found: Result<Option<Place>, Failure>, unsure: &Delivery, now: Timestamp) -> Next {
    let since = match unsure {
        Delivery::Unsure { since, .. } => *since,
        Delivery::Waiting { .. }
        | Delivery::Claimed { .. }
        | Delivery::Sent { .. }
        | Delivery::Refused { .. } => now,
    };
    let tries = tries(unsure).saturating_add(1);
    let again = |wait| Next::Keep(Delivery::Unsure { since, look_at: backoff::after(now, wait), tries });
    match found {
        Ok(Some(place)) => Next::Delivered(place),
        Ok(None) => Next::Keep(Delivery::Waiting { not_before: now, tries }),
        Err(Failure::Later { after }) => again(after.min(backoff::LONGEST)),
        Err(Failure::AccountDead(_)) => again(ACCOUNT_DEAD_WAIT),
        Err(Failure::Transient(_) | Failure::Unsure(_)) => again(backoff::wait(tries, now)),
        // Nobody will ever know whether it is there, so that it is not repeated.
        Err(Failure::Refused(why)) => Next::GiveUp(why),
    }
}

/// What sending a letter again could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    /// Nothing: it is the same post.
    Harmless,
    /// There would be a second post.
    Doubles,
}

/// What a letter becomes that was claimed and whose result nobody knows; `None` for one that was not
/// claimed.
fn found_in_hand(delivery: &Delivery, repeats: Repeats) -> Option<Delivery> {
    match delivery {
        Delivery::Claimed { at, tries } => Some(Delivery::Unsure {
            since: *at,
            look_at: look_at(*at, repeats),
            tries: tries.saturating_add(1),
        }),
        Delivery::Waiting { .. }
        | Delivery::Unsure { .. }
        | Delivery::Sent { .. }
        | Delivery::Refused { .. } => None,
    }
}

/// When it is time to look for a letter. Where a second post is possible, the request may arrive until
/// its time is over, counted from the claim, and only then does the network get its time to show it.
fn look_at(claimed_at: Timestamp, repeats: Repeats) -> Timestamp {
    match repeats {
        Repeats::Harmless => claimed_at,
        Repeats::Doubles => backoff::after(claimed_at, CALL_TIME_MAX + SETTLE_TIME),
    }
}

/// Where a letter attaches whose predecessor in its chain stands like this.
fn after_previous(previous: Option<Delivery>, now: Timestamp) -> Result<Option<Place>, Next> {
    let until = |at: Timestamp| {
        let at = at.max(backoff::after(now, HELD_UP_WAIT));
        Err(Next::Keep(Delivery::Waiting { not_before: at, tries: 0 }))
    };
    match previous {
        Some(Delivery::Sent { place, .. }) => Ok(Some(place)),
        // One that is gone was erased with its question.
        None | Some(Delivery::Refused { .. }) => Err(Next::GiveUp(Refusal::ChainBroken)),
        Some(Delivery::Waiting { not_before, .. }) => until(not_before),
        Some(Delivery::Unsure { look_at, .. }) => until(look_at),
        Some(Delivery::Claimed { .. }) => until(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{Account, Anchor, Confidential, InputId, Network, Settings, Visibility};
    use crate::engine::start;
    use crate::networks::sandbox::{self, Handle, Sandbox, Saying};
    use crate::store::Store;
    use crate::subjects::Subjects;

    /// Some time on which everything here happens; numbers are seconds from then.
    const START_S: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(START_S + seconds).unwrap()
    }

    fn waiting(not_before: i64, tries: u32) -> Delivery {
        Delivery::Waiting { not_before: at(not_before), tries }
    }

    fn claimed(when: i64, tries: u32) -> Delivery {
        Delivery::Claimed { at: at(when), tries }
    }

    fn unsure(since: i64, look_at: i64, tries: u32) -> Delivery {
        Delivery::Unsure { since: at(since), look_at: at(look_at), tries }
    }

    fn place() -> Place {
        Place::top(Network::Sandbox, Anchor { id: "7".to_owned(), revision: None })
    }

    /// Times that carry a spread are compared without it.
    fn without_spread(next: Next) -> Next {
        let Next::Keep(delivery) = next else { return next };
        let near = |time: Timestamp, seconds: i64| at(seconds - 3) < time && time < at(seconds + 3);
        Next::Keep(match delivery {
            Delivery::Waiting { not_before, tries } if near(not_before, 105) => waiting(105, tries),
            Delivery::Unsure { since, look_at, tries } if near(look_at, 110) => {
                Delivery::Unsure { since, look_at: at(110), tries }
            }
            Delivery::Waiting { .. }
            | Delivery::Unsure { .. }
            | Delivery::Claimed { .. }
            | Delivery::Sent { .. }
            | Delivery::Refused { .. } => delivery,
        })
    }

    #[test]
    fn once_what_is_done_after_a_call_to_send() {
        let later = |seconds| Failure::Later { after: Duration::from_secs(seconds) };
        let rows = [
            ("sent", Ok(place()), Next::Delivered(place())),
            ("refused for good", Err(Failure::Refused(Refusal::Rejected)), Next::GiveUp(Refusal::Rejected)),
            ("told to wait, which is no try", Err(later(30)), Next::Keep(waiting(130, 0))),
            ("told to wait for a year: an hour", Err(later(31_000_000)), Next::Keep(waiting(3_700, 0))),
            ("network down: again soon", Err(Failure::Transient("x")), Next::Keep(waiting(105, 1))),
            ("account dead: in an hour", Err(Failure::AccountDead("x")), Next::Keep(waiting(3_700, 0))),
            (
                "nobody knows: look once it must have arrived, counted from the claim",
                Err(Failure::Unsure("x")),
                Next::Keep(unsure(90, 90 + 60 + 60, 1)),
            ),
        ];
        for (name, sent, expected) in rows {
            assert_eq!(
                without_spread(after_send(sent, &claimed(90, 0), Repeats::Doubles, at(100))),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn once_what_is_done_after_a_look() {
        let later = Failure::Later { after: Duration::from_secs(30) };
        let rows = [
            ("it is there", Ok(Some(place())), Next::Delivered(place())),
            ("it is not there: send it", Ok(None), Next::Keep(waiting(100, 2))),
            ("told to wait: look later", Err(later), Next::Keep(unsure(0, 130, 2))),
            ("network down: look soon", Err(Failure::Transient("x")), Next::Keep(unsure(0, 110, 2))),
            ("no answer: look soon", Err(Failure::Unsure("x")), Next::Keep(unsure(0, 110, 2))),
            ("account dead: in an hour", Err(Failure::AccountDead("x")), Next::Keep(unsure(0, 3_700, 2))),
            (
                "it can never be known: not repeated",
                Err(Failure::Refused(Refusal::Unreachable)),
                Next::GiveUp(Refusal::Unreachable),
            ),
        ];
        for (name, found, expected) in rows {
            assert_eq!(without_spread(after_look(found, &unsure(0, 100, 1), at(100))), expected, "{name}");
        }
    }

    #[test]
    fn once_a_letter_that_was_in_hand_is_looked_for_before_it_is_repeated() {
        assert_eq!(found_in_hand(&claimed(0, 3), Repeats::Doubles), Some(unsure(0, 120, 4)));
        assert_eq!(found_in_hand(&claimed(0, 3), Repeats::Harmless), Some(unsure(0, 0, 4)));
        assert_eq!(found_in_hand(&waiting(0, 3), Repeats::Doubles), None);
        assert_eq!(found_in_hand(&unsure(0, 5, 3), Repeats::Doubles), None);
    }

    #[test]
    fn a_part_of_a_chain_attaches_to_the_one_before() {
        let wait = |until| Err(Next::Keep(waiting(until, 0)));
        let broken = || Err(Next::GiveUp(Refusal::ChainBroken));
        let refused = Delivery::Refused { why: Refusal::Rejected, at: at(0) };
        let rows = [
            ("sent", Some(Delivery::Sent { place: place(), at: at(0) }), Ok(Some(place()))),
            ("refused", Some(refused), broken()),
            ("erased", None, broken()),
            ("still waiting", Some(waiting(500, 1)), wait(500)),
            ("in hand", Some(claimed(99, 0)), wait(105)),
            ("looked for", Some(unsure(0, 300, 0)), wait(300)),
        ];
        for (name, previous, expected) in rows {
            assert_eq!(after_previous(previous, at(100)), expected, "{name}");
        }
    }

    fn letter(name: &str, to: &str, purpose: Purpose, made_at: i64) -> Row {
        let id = AccountId::new(Network::Sandbox, to);
        let letter = Letter {
            id: crate::desk::LetterId::derive(&InputId::new("test", name), 0),
            network: Network::Sandbox,
            about: None,
            purpose,
            to: Account { id, handle: to.to_owned(), bot: false },
            words_of: None,
            content: Content::Post {
                text: Confidential::new(name),
                mentions: Vec::new(),
                visibility: Visibility::Direct,
                reply_to: None,
                language: None,
                warning: None,
            },
            made_at: at(made_at),
        };
        (letter, waiting(0, 0))
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
        Input::Post(Box::new(crate::desk::Post {
            place: Place::top(Network::Sandbox, Anchor { id: format!("p{number}"), revision: None }),
            author: Account { id: AccountId::new(Network::Sandbox, who), handle: who.to_owned(), bot: false },
            text: Confidential::new(text),
            addressed: true,
            mentions: Vec::new(),
            visibility: Visibility::Public,
            in_reply_to: None,
            language: None,
            warning: None,
            seen_at: at(0),
        }))
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

    #[test]
    fn bad_weather_keeps_the_whole_network_waiting() {
        let rows = [
            ("fine", None, Weather::Fair),
            ("refused", Some(Failure::Refused(Refusal::Rejected)), Weather::Fair),
            (
                "slow down",
                Some(Failure::Later { after: Duration::from_secs(9) }),
                Weather::Rest(Duration::from_secs(9)),
            ),
            ("down", Some(Failure::Transient("x")), Weather::Rough),
            ("no answer", Some(Failure::Unsure("x")), Weather::Rough),
            ("account dead", Some(Failure::AccountDead("x")), Weather::Rest(Duration::from_secs(3_600))),
        ];
        for (name, failure, expected) in rows {
            assert_eq!(weather(failure.as_ref()), expected, "{name}");
        }
    }

    /// What became of the desk's letter to a newcomer after a crash: how many posts of the desk there
    /// are, and how the letter ended.
    async fn after_a_crash(lost_after: LostAfter) -> (usize, Delivery) {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Arc::new(Sandbox::open(&folder.path().join("posts"), "desk").unwrap());
        let engine = Arc::new(Engine::new(Store::memory(), Subjects::default(), Settings::default()));
        let connector = Arc::new(Connector::Sandbox(sandbox::Connector::new(sandbox.clone())));
        engine.set_account(connector.connect().await.unwrap());
        let now = clock::now();
        sandbox.say(saying("nina", "@desk help"), now).await.unwrap();
        let posts = connector.fetch(None).await.unwrap().posts;
        for post in posts {
            engine.handle(Input::Post(Box::new(post))).await.unwrap();
        }
        let (letter, waiting) = engine.store().outbox(Network::Sandbox, clock::now(), 1).unwrap().remove(0);
        let long_ago = now.checked_sub(SignedDuration::from_mins(10)).unwrap();
        let claimed = Delivery::Claimed { at: long_ago, tries: 0 };
        match lost_after {
            LostAfter::Deciding => {}
            LostAfter::Claiming => {
                engine.store().deliver(&letter.id, &waiting, claimed).await.unwrap();
            }
            LostAfter::Sending => {
                engine.store().deliver(&letter.id, &waiting, claimed).await.unwrap();
                let Content::Post { reply_to: Some(ReplyTo::Post(place)), .. } = &letter.content else {
                    panic!("help is a reply");
                };
                let reply_to = Some(place.clone());
                connector.send(&Outgoing { letter: letter.clone(), reply_to }).await.unwrap();
            }
        }

        let mut changes = engine.changes();
        let running = start(&engine, vec![connector], folder.path().to_owned());
        let settled = async {
            loop {
                let (_, delivery) = engine.store().letter(&letter.id).unwrap().unwrap();
                if delivery.is_settled() {
                    return delivery;
                }
                changes.changed().await.unwrap();
            }
        };
        let delivery = tokio::time::timeout(Duration::from_secs(30), settled).await.unwrap();
        running.stop().await;
        let posts = sandbox.posts();
        let by_desk = posts.iter().filter(|entry| match entry {
            sandbox::Entry::Post(post) => post.author == *sandbox.desk(),
            sandbox::Entry::Gone(_) => false,
        });
        (by_desk.count(), delivery)
    }

    /// When the process ended.
    #[derive(Clone, Copy, Debug)]
    enum LostAfter {
        Deciding,
        Claiming,
        Sending,
    }

    fn saying(author: &str, text: &str) -> Saying {
        Saying {
            author: Handle::parse(author).unwrap(),
            text: Confidential::new(text),
            visibility: Visibility::Public,
            to: BTreeSet::new(),
            in_reply_to: None,
            language: None,
            key: None,
        }
    }

    #[tokio::test]
    async fn once_a_letter_is_posted_once_wherever_a_crash_cut_in() {
        for lost_after in [LostAfter::Deciding, LostAfter::Claiming, LostAfter::Sending] {
            let (posts, delivery) = after_a_crash(lost_after).await;
            assert_eq!(posts, 1, "{lost_after:?}");
            assert!(matches!(delivery, Delivery::Sent { .. }), "{lost_after:?}: {delivery:?}");
        }
    }
}
