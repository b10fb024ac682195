//! Running the desk: inputs come in, are decided by the core, committed by the store, and letters go
//! out. Each part is a task of its own: a listener and a sender for every network, the alarm, and
//! the housekeeping.
//!
//! **Invariant:** nothing is decided here that the core could decide, nothing is remembered between
//! two steps that is not in the store, and no input, however odd, can stop the desk.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tracing::{debug, error, warn};

use crate::clock;
use crate::desk::commands;
use crate::desk::letter::Delivery;
use crate::desk::post::TextLimits;
use crate::desk::question::Reason;
use crate::desk::{
    self, Account, AccountId, Action, Code, Input, InputId, LetterId, Network, Outcome, PostId, Question,
    Settings, View,
};
use crate::store::{Committed, Store, StoreError};
use crate::subjects::Subjects;

mod alarm;
mod backoff;
pub mod control;
pub mod feed;
pub mod housekeeping;
mod listener;
pub mod reload;
mod revisit;
mod run;
mod sender;

pub use run::{Running, start};
pub use sender::{Clock, send_due, take_stock};

/// How often an input is decided again because somebody else changed what it is about. Each time
/// means that another input went through, so even two would be rare.
const STALE_MAX: usize = 16;

/// How many question codes in one text are looked up.
const CODES_IN_TEXT_MAX: usize = 5;

/// So many timers are looked through for stumpers that belong on the same list, …
const DUE_MAX: usize = 1_000;

/// … and so many stumpers are considered for it.
const STUMPERS_MAX: usize = 50;

/// How many words of a text are looked at for codes. No network's posts are as long.
const WORDS_MAX: usize = 5_000;

/// The desk's memory, knowledge and settings, shared by everything that runs.
#[derive(Debug)]
pub struct Engine {
    store: Store,
    subjects: RwLock<Arc<Subjects>>,
    settings: RwLock<Arc<Settings>>,
    /// Counts what was stored. Whoever sleeps until something changes watches it.
    changes: watch::Sender<u64>,
    /// Counts what may have changed what is published.
    publicity: watch::Sender<u64>,
    set_aside: AtomicU64,
    /// Rings when somebody said `forget me`: backups written before hold what was erased.
    forgotten: Notify,
    /// Rings when somebody wants the rules to be read again.
    reread: Notify,
    /// Turns true when the store takes nothing more, so that the process has to end.
    stuck: watch::Sender<bool>,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It took effect now.
    Done(Outcome),
    /// It took effect earlier.
    SeenBefore,
    /// It failed in a way that must not happen and would happen again. Nothing was changed; the log
    /// says where.
    SetAside,
}

/// Why an input could not be handled. It can be tried again later.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others kept changing what it is about.
    #[error("the desk is too busy with the same question")]
    Contended,
}

impl Engine {
    /// A desk that remembers in `store`. It does nothing by itself before [`start`].
    pub fn new(store: Store, subjects: Subjects, settings: Settings) -> Engine {
        let subjects = subjects.with_confidence_min(sure_from(&settings));
        Engine {
            store,
            subjects: RwLock::new(Arc::new(subjects)),
            settings: RwLock::new(Arc::new(settings)),
            changes: watch::Sender::new(0),
            publicity: watch::Sender::new(0),
            set_aside: AtomicU64::new(0),
            forgotten: Notify::new(),
            reread: Notify::new(),
            stuck: watch::Sender::new(false),
        }
    }

    /// The desk's memory, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The rules as they are now.
    pub fn subjects(&self) -> Arc<Subjects> {
        self.subjects.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses other rules from the next input on.
    pub fn replace_subjects(&self, subjects: Subjects) {
        let subjects = Arc::new(subjects.with_confidence_min(sure_from(&self.settings())));
        *self.subjects.write().unwrap_or_else(PoisonError::into_inner) = subjects;
    }

    /// Has the rules read again, where [`Running::watch_rules`] knows how.
    pub fn reread_rules(&self) {
        self.reread.notify_one();
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the desk's own account on a network, once the network has said which it is.
    pub fn set_account(&self, account: Account) {
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut settings).accounts.insert(account.id.network, account);
    }

    /// Notes how long one post may be on a network, once its server has said so.
    pub(crate) fn set_limits(&self, network: Network, limits: TextLimits) {
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut settings).limits.insert(network, limits);
    }

    /// Notes about how long letters wait on a network, where that is worth telling.
    fn set_behind(&self, network: Network, behind: Option<SignedDuration>) {
        if self.settings().behind.get(&network).copied() == behind {
            return;
        }
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        let all = &mut Arc::make_mut(&mut settings).behind;
        match behind {
            Some(behind) => all.insert(network, behind),
            None => all.remove(&network),
        };
    }

    /// How many inputs were set aside since the start.
    pub fn set_aside(&self) -> u64 {
        self.set_aside.load(Ordering::Relaxed)
    }

    /// Tells when something was stored. Look at the store after `borrow_and_update`, then wait.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Tells when what is published may have changed.
    pub fn publicity(&self) -> watch::Receiver<u64> {
        self.publicity.subscribe()
    }

    /// Lets one thing that happened take effect: reads what is known, decides, commits. Handling the
    /// same input again changes nothing. May be called for several inputs at once.
    pub async fn handle(&self, input: Input) -> Result<Handled, HandleError> {
        self.handle_at(input, clock::now()).await
    }

    /// [`Engine::handle`] at a time of the caller's choice, for worlds with a clock of their own.
    pub async fn handle_at(&self, input: Input, now: Timestamp) -> Result<Handled, HandleError> {
        let handled = match self.attempt(&input, now).await {
            // Trying again would change nothing, and whoever comes after must not wait for it.
            Err(HandleError::Store(error)) if will_never_do(&error) => {
                error!(kind = kind(&input), %error, "An input was set aside: {error}");
                Handled::SetAside
            }
            other => other?,
        };
        if handled == Handled::SetAside {
            self.set_aside.fetch_add(1, Ordering::Relaxed);
        }
        Ok(handled)
    }

    async fn attempt(&self, input: &Input, now: Timestamp) -> Result<Handled, HandleError> {
        let id = input.id();
        if self.store.has_seen(&id)? {
            return Ok(Handled::SeenBefore);
        }
        for _ in 0..STALE_MAX {
            let Some(step) = self.decide(input, &id, now)? else { return Ok(Handled::SetAside) };
            let outcome = step.outcome;
            let is_public = step.questions.iter().any(|question| question.publicity.ever);
            let publicity = is_public || !step.erase.is_empty();
            match self.noted(self.store.commit(step).await)? {
                Committed::Stored => {
                    debug!(input = ?id, ?outcome, "Handled an input");
                    self.ring();
                    if publicity {
                        self.publicity.send_modify(|count| *count = count.wrapping_add(1));
                    }
                    if outcome == Outcome::Forgotten {
                        self.forgotten.notify_one();
                    }
                    return Ok(Handled::Done(outcome));
                }
                Committed::SeenBefore => return Ok(Handled::SeenBefore),
                Committed::Stale => {}
            }
        }
        warn!(input = ?id, tries = STALE_MAX, "Others kept changing what an input is about");
        Err(HandleError::Contended)
    }

    /// Waits until the store takes nothing more. The process has to end then and be started again.
    pub async fn stuck(&self) {
        // The sender lives as long as the engine.
        self.stuck.subscribe().wait_for(|stuck| *stuck).await.ok();
    }

    /// [`Store::deliver`], noticing when the store has stopped.
    async fn deliver(&self, id: &LetterId, from: &Delivery, to: Delivery) -> Result<bool, StoreError> {
        let moved = self.noted(self.store.deliver(id, from, to).await)?;
        self.ring();
        Ok(moved)
    }

    /// [`Store::set_cursor`], noticing when the store has stopped.
    async fn set_cursor(&self, network: Network, cursor: String) -> Result<(), StoreError> {
        self.noted(self.store.set_cursor(network, cursor).await)
    }

    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Stopped(_)) = &result {
            self.stuck.send_replace(true);
        }
        result
    }

    /// Wakes whoever waits for a change.
    fn ring(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Reads what is known and decides. `None` where the core panicked, which is a defect: whatever
    /// one post makes the core do, the others must still be served.
    fn decide(&self, input: &Input, id: &InputId, now: Timestamp) -> Result<Option<desk::Step>, StoreError> {
        let (settings, subjects) = (self.settings(), self.subjects());
        let about = Known::read(&self.store, input, id)?;
        let roster = self.store.roster();
        let view = View {
            settings: &settings,
            subjects: &subjects,
            roster: &roster,
            person: about.person,
            others: about.others,
            questions: about.questions,
            link: about.link,
            free_code: about.free_code,
            // Each state has keys of its own, which nobody knows.
            chance: RandomState::new().hash_one(id.as_str()),
        };
        // Nothing half-done can be left behind: the core only reads the view, and the step is dropped.
        Ok(guarded(kind(input), || desk::decide(&view, input, now)))
    }
}

/// What `decide` gives, or `None` and a log line where it panics.
fn guarded<T>(kind: &'static str, decide: impl FnOnce() -> T) -> Option<T> {
    let decided = catch_unwind(AssertUnwindSafe(decide));
    if decided.is_err() {
        error!(kind, "Deciding an input of kind {kind} failed; it was set aside. Please report this");
    }
    decided.ok()
}

/// Whether the same input would meet the same error again.
fn will_never_do(error: &StoreError) -> bool {
    match error {
        StoreError::Unreadable { .. } | StoreError::TooLarge { .. } => true,
        StoreError::Stopped(_) | StoreError::Unreachable(_) | StoreError::Closed => false,
    }
}

/// The word for an input in logs.
fn kind(input: &Input) -> &'static str {
    match input {
        Input::Post(_) => "post",
        Input::Overheard { .. } => "overheard",
        Input::Edited { .. } => "edited",
        Input::Gone { .. } => "gone",
        Input::Timer { .. } => "timer",
        Input::Delivered { .. } => "delivered",
        Input::Refused { .. } => "refused",
        Input::Coordinator { .. } => "coordinator",
    }
}

/// What the store knows that an input may be about.
struct Known {
    person: Option<desk::Person>,
    others: Vec<desk::Person>,
    questions: Vec<Question>,
    link: Option<desk::Link>,
    free_code: Code,
}

impl Known {
    fn read(store: &Store, input: &Input, id: &InputId) -> Result<Known, StoreError> {
        let who = input.whose();
        let person = who.map(|who| store.person(who)).transpose()?.flatten();
        let link = known_post(input).map(|post| store.link(&post)).transpose()?.flatten();
        let mut codes: BTreeSet<Code> = codes_of(input).into_iter().collect();
        codes.extend(link.iter().filter_map(|link| link.code.clone()));
        let others = others(store, input, person.as_ref())?;
        // One list holds all stumpers whose time has come.
        if let Input::Timer { reason: Reason::Digest, at, .. } = input {
            let due = store.due(*at, DUE_MAX)?.into_iter();
            let listed = due.filter(|(_, reason, _)| *reason == Reason::Digest).take(STUMPERS_MAX);
            codes.extend(listed.map(|(code, ..)| code));
        }
        let mut questions = who.map(|who| store.questions_involving(who)).transpose()?.unwrap_or_default();
        for other in &others {
            for question in store.questions_involving(&other.account.id)? {
                if !questions.iter().any(|known| known.code == question.code) {
                    questions.push(question);
                }
            }
        }
        for code in codes {
            if questions.iter().any(|question| question.code == code) {
                continue;
            }
            questions.extend(store.question(&code)?);
        }
        Ok(Known { person, others, questions, link, free_code: free_code(store, id)? })
    }
}

/// The other accounts of whoever wrote a post, and whoever was given the one-time code in it, with theirs.
fn others(
    store: &Store,
    input: &Input,
    author: Option<&desk::Person>,
) -> Result<Vec<desk::Person>, StoreError> {
    let Input::Post(post) = input else { return Ok(Vec::new()) };
    let mut wanted: BTreeSet<AccountId> =
        author.into_iter().flat_map(|author| author.linked.clone()).collect();
    if let Some(code) = commands::one_time_code(post.text.reveal()) {
        for given in code.posts() {
            let Some(link) = store.link(&given)? else { continue };
            let owner = store.person(&link.with)?;
            wanted.extend(owner.into_iter().flat_map(|owner| owner.linked));
            wanted.insert(link.with);
        }
    }
    wanted.remove(&post.author.id);
    wanted.iter().filter_map(|account| store.person(account).transpose()).collect()
}

/// The post by which the question of an input is found.
fn known_post(input: &Input) -> Option<PostId> {
    match input {
        Input::Post(post) => post.in_reply_to.clone(),
        Input::Edited { post, .. } => Some(post.id()),
        Input::Gone { post } => Some(post.clone()),
        Input::Overheard { .. }
        | Input::Timer { .. }
        | Input::Delivered { .. }
        | Input::Refused { .. }
        | Input::Coordinator { .. } => None,
    }
}

/// The codes of questions that an input names.
fn codes_of(input: &Input) -> Vec<Code> {
    match input {
        Input::Post(post) => codes_in(post.text.reveal()),
        Input::Overheard { .. } | Input::Edited { .. } | Input::Gone { .. } => Vec::new(),
        Input::Timer { code, .. } => vec![code.clone()],
        Input::Delivered { letter, .. } | Input::Refused { letter, .. } => {
            letter.about.iter().cloned().collect()
        }
        Input::Coordinator { action, .. } => match action {
            Action::CloseQuestion { code }
            | Action::ReleaseQuestion { code }
            | Action::JudgeOffer { code, .. }
            | Action::ReassignQuestion { code, .. } => vec![code.clone()],
            Action::AddLibrarian { .. } | Action::PauseLibrarian { .. } | Action::RemoveLibrarian { .. } => {
                Vec::new()
            }
        },
    }
}

/// The question codes that stand in a text.
fn codes_in(text: &str) -> Vec<Code> {
    text.split(|sign: char| !sign.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .filter_map(Code::parse)
        .take(CODES_IN_TEXT_MAX)
        .collect()
}

/// The first code for this input that no question has. If all of them were taken, which takes more
/// questions than a desk can have, the last one is used and the commit answers *stale*.
fn free_code(store: &Store, id: &InputId) -> Result<Code, StoreError> {
    let mut last = None;
    for code in Code::candidates(id) {
        if store.question(&code)?.is_none() {
            return Ok(code);
        }
        last = Some(code);
    }
    Ok(last.expect("there is always a candidate for a code"))
}

/// The confidence from which a question's subject is chosen.
fn sure_from(settings: &Settings) -> f64 {
    f64::from(settings.sure_from_percent) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn engine() -> Engine {
        let engine = Engine::new(Store::memory(), Subjects::default(), Settings::default());
        engine.set_account(samples::account(Network::Sandbox, "desk"));
        engine
    }

    fn post(id: &str, by: &str, text: &str) -> Input {
        let author = samples::account(Network::Sandbox, by);
        Input::Post(Box::new(samples::post(author, id, text, clock::now())))
    }

    #[tokio::test]
    async fn once_a_post_shown_again_changes_nothing() {
        let engine = engine();
        let ask = || post("1", "pat", "Which poem begins with a woodland on a snowy evening?");
        assert_eq!(engine.handle(ask()).await.unwrap(), Handled::Done(Outcome::Asked));
        let before = engine.store().counts().unwrap();
        assert_eq!(engine.handle(ask()).await.unwrap(), Handled::SeenBefore);
        assert_eq!(engine.store().counts().unwrap(), before);
    }

    #[tokio::test]
    async fn posts_that_arrive_together_all_take_effect() {
        let engine = Arc::new(engine());
        engine.handle(post("0", "nina", "join everything")).await.unwrap();
        let asked = (1..=40).map(|turn| {
            let engine = engine.clone();
            let by = format!("patron{}", turn % 4);
            let ask = post(&turn.to_string(), &by, "Which poem begins with a woodland on a snowy evening?");
            tokio::spawn(async move { engine.handle(ask).await.unwrap() })
        });
        for handled in futures_util::future::join_all(asked).await {
            assert_ne!(handled.unwrap(), Handled::SetAside);
        }
        assert_eq!(engine.store().counts().unwrap().seen, 41);
    }

    #[tokio::test]
    async fn whoever_waits_for_a_change_is_woken() {
        let engine = engine();
        let mut changes = engine.changes();
        changes.borrow_and_update();
        engine.handle(post("1", "pat", "help")).await.unwrap();
        assert!(changes.has_changed().unwrap());
    }

    #[test]
    fn a_panic_in_the_core_is_contained() {
        assert_eq!(guarded("post", || 7), Some(7));
        assert_eq!(guarded::<()>("post", || panic!("a defect")), None);
    }

    #[test]
    fn codes_are_found_wherever_people_write_them() {
        let rows = [
            ("claim K7Q4", vec!["K7Q4"]),
            ("#k7q4: pass, and M3X9!", vec!["K7Q4", "M3X9"]),
            ("(K7Q4C3)", vec!["K7Q4C3"]),
            ("K7Q4x is no code, nor is AK7Q4", vec![]),
            ("für K7Q4…", vec!["K7Q4"]),
            ("", vec![]),
            ("C3C3 D3D3 F3F3 G3G3 H3H3 J3J3", vec!["C3C3", "D3D3", "F3F3", "G3G3", "H3H3"]),
        ];
        for (text, expected) in rows {
            let found: Vec<String> = codes_in(text).into_iter().map(String::from).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
