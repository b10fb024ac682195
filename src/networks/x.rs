//! X, by its API of version 2: mentions and direct messages are asked for again and again, answers are
//! posted.
//!
//! X knows no key that makes a repeated request harmless. So the rule is *at most what looking first
//! allows*: after a request that nobody knows the end of, nothing is sent again before the request can no
//! longer arrive and X has had its time to show what it took; then the desk looks among its own posts
//! since the letter was made, for a reply to the same post with the same text; and only where it is not
//! there, it is sent once more. A letter can thus appear twice only if X took the first request and for
//! more than a minute showed nothing of it, and then takes the same text a second time, which it refuses
//! as a duplicate as a rule.
//!
//! **Invariant:** nothing is posted here that is no reply to somebody's post, nobody is mentioned in
//! public, and no call is made that the month's budget does not hold. Nothing of what people or X say
//! reaches a log or an error.

mod api;
mod budget;
mod letters;
mod memory;
mod oauth1;
mod pages;
mod reading;
mod session;
mod settings;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::warn;

use crate::clock;
use crate::desk::{Account, AccountId, Content, Network, Place};
use crate::networks::x::api::{Call, Trouble, Why};
use crate::networks::x::budget::{Budget, Spending};
use crate::networks::x::memory::Memory;
use crate::networks::x::pages::PAGE_MIN;
use crate::networks::x::session::Sessions;
use crate::networks::{Batch, Failure, Finding, Outgoing, Report};

pub use budget::{DOLLAR, MicroDollars, Prices};
pub use oauth1::Keys;
pub use session::{Allowed, App, address_to_allow, log_in};
pub use settings::{ALLOW_PAGE, FieldNames, LogIn, POLL, POLL_MESSAGES, SERVICE, Settings};

/// From how many seconds on it is said in signatures that this computer's clock is wrong.
const CLOCK_WRONG_S: i64 = 30;

/// How often the coordinator is told that the month's budget for reading is used up.
const SAY_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// The desk's account on the network. Listening and sending may use it at the same time.
pub struct Connector {
    settings: Settings,
    http: reqwest::Client,
    sessions: Sessions,
    budget: Budget,
    /// The desk's account, once X has said which it is.
    account: std::sync::Mutex<Option<Account>>,
    /// Boxed, because a connector is a variant beside much smaller ones.
    memory: Box<Mutex<Memory>>,
    /// Which way of asking X understands: an index into [`Connector::ways`].
    way: AtomicUsize,
    /// How many seconds X's clock is ahead of this computer's, where that matters.
    clock_ahead_s: AtomicI64,
    nonce: (RandomState, AtomicU64),
    /// When the coordinator was last told that there is no money for reading.
    said_at: Mutex<Option<Timestamp>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X connector")
    }
}

impl Connector {
    /// A connector that has done nothing yet.
    pub fn new(settings: Settings, http: reqwest::Client) -> Connector {
        let budget = Budget::new(settings.prices, settings.budget_file.clone());
        Connector {
            settings,
            http,
            sessions: Sessions::default(),
            budget,
            account: std::sync::Mutex::default(),
            memory: Box::default(),
            way: AtomicUsize::new(0),
            clock_ahead_s: AtomicI64::new(0),
            nonce: (RandomState::new(), AtomicU64::new(0)),
            said_at: Mutex::new(None),
        }
    }

    /// Takes up the log-in and answers the desk's own account.
    ///
    /// # Errors
    ///
    /// [`Failure::AccountDead`] says what to mend about the account.
    pub async fn connect(&self) -> Result<Account, Failure> {
        // Somebody may have logged in anew since.
        self.sessions.reread().await;
        let price = self.budget.prices().read_user;
        let answer: Value = self
            .paid(price, Spending::Reading, &Call::get("/2/users/me", &[]), |_: &Value| price)
            .await
            .map_err(Trouble::when_reading)?;
        let user = answer.get("data").unwrap_or(&Value::Null);
        let (Some(id), Some(handle)) = (reading::name(user, "id"), reading::name(user, "username")) else {
            return Err(Failure::Transient("the answer is not one of X's API"));
        };
        let account = Account { id: AccountId::new(Network::X, id), handle: handle.to_owned(), bot: true };
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Some(account.clone());
        Ok(account)
    }

    /// The posts and messages that are new since `cursor`. A desk that was never started before answers
    /// nothing that was there before its first fetch.
    pub async fn fetch(&self, cursor: Option<&str>) -> Result<Batch, Failure> {
        let desk = self.desk().await?;
        let mut memory = self.memory.lock().await;
        memory.begin(cursor);
        let fetched = self.fetch_mentions(&desk, &mut memory).await;
        let fetched = match fetched {
            Ok(()) => self.fetch_messages(&desk, &mut memory).await,
            failed => failed,
        };
        match fetched {
            Ok(()) => Ok(memory.hand_out()),
            // What was found already is not to wait for the rest.
            Err(_) if memory.has_posts() => Ok(memory.hand_out()),
            Err(failure) if failure == budget::USED_UP => {
                drop(memory);
                self.say_that_reading_is_over().await;
                Ok(Batch::default())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Returns when it is time to look again: this network rings no bell.
    pub async fn wait(&self) {
        tokio::time::sleep(self.settings.poll).await;
    }

    /// Puts a letter on the network and answers where it is; for a deletion, where it was.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says. Sending the same letter again may make a second post: look first.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => self.delete(post).await,
            Content::Post { text, visibility, .. } if visibility.is_private() => {
                self.send_message(outgoing, text.reveal()).await
            }
            Content::Post { text, .. } => self.reply(outgoing, text.reveal()).await,
        }
    }

    /// Finds out whether a letter is on the network; for a deletion, whether its post is gone.
    pub async fn look(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => self.look_for_deleted(post).await,
            Content::Post { text, visibility, .. } if visibility.is_private() => {
                self.look_for_message(outgoing, text.reveal()).await
            }
            Content::Post { text, .. } => self.look_for_reply(outgoing, text.reveal()).await,
        }
    }

    /// Tries everything the desk needs there, without writing anything.
    pub async fn check(&self) -> Report {
        let mut report = Report { network: Network::X, account: None, findings: Vec::new() };
        let account = match self.connect().await {
            Ok(account) => account,
            Err(failure) => {
                report.findings.push(Finding::trouble("log-in", &failure));
                report.findings.push(self.money());
                return report;
            }
        };
        report.findings.push(Finding::good("log-in", format!("the desk is @{}", account.handle)));
        report.findings.push(match self.page_of_mentions(&account, None, None, PAGE_MIN).await {
            Ok(_) => Finding::good("mentions", "they can be read".to_owned()),
            Err(failure) => Finding::trouble("mentions", &failure),
        });
        report.findings.push(match self.page_of_messages(&account, None, 1).await {
            Ok(_) => Finding::good("direct messages", "they can be read".to_owned()),
            Err(failure) => Finding::trouble("direct messages", &failure),
        });
        report.findings.push(Finding::good(
            "what is said there",
            "one reply to each post that calls the desk, no acknowledgement; librarians are asked in direct messages \
             once they have written one"
                .to_owned(),
        ));
        report.findings.push(self.money());
        report.account = Some(account.handle);
        report
    }

    // ---- Calls ----

    async fn desk(&self) -> Result<Account, Failure> {
        let known = self.account.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(desk) => Ok(desk),
            None => self.connect().await,
        }
    }

    /// Makes a call whose highest possible price is `price`; `cost` says from its answer what it was.
    async fn paid<T: DeserializeOwned>(
        &self,
        price: MicroDollars,
        on: Spending,
        call: &Call,
        cost: impl FnOnce(&T) -> MicroDollars,
    ) -> Result<T, Trouble> {
        let reserved = self.budget.reserve(price, on, clock::now()).map_err(Trouble::NotMade)?;
        let result = self.call::<T>(call).await;
        let cost = match &result {
            Ok(answer) => cost(answer),
            Err(trouble) if trouble.costs_nothing() => 0,
            Err(_) => price,
        };
        self.budget.settle(reserved, cost, clock::now());
        result
    }

    /// Makes a call with the right of the account, and once more where that has to be renewed first.
    async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Trouble> {
        let settings = &self.settings;
        match &settings.log_in {
            LogIn::Keys(keys) => {
                match api::call(&self.http, &settings.service, &self.signed(keys, call), call).await {
                    // A signature holds the time, and X wants it to be right.
                    Err(Trouble::Refused(no)) if no.why == Why::Token && self.corrects_clock(no.date) => {
                        api::call(&self.http, &settings.service, &self.signed(keys, call), call).await
                    }
                    result => result,
                }
            }
            LogIn::App(app) => {
                let file = &settings.session_file;
                let session = self.sessions.current(app, file).await.map_err(Trouble::NotMade)?;
                match api::call(&self.http, &settings.service, &session.authorization(), call).await {
                    Err(Trouble::Refused(no)) if no.why == Why::Token => {
                        let renewed =
                            self.sessions.renewed(&self.http, &settings.service, app, file, &session).await;
                        let session = renewed.map_err(Trouble::NotMade)?;
                        api::call(&self.http, &settings.service, &session.authorization(), call).await
                    }
                    result => result,
                }
            }
        }
    }

    fn signed(&self, keys: &Keys, call: &Call) -> String {
        let count = self.nonce.1.fetch_add(1, Ordering::Relaxed);
        let now = self.x_now();
        let nonce = format!("{:016x}", self.nonce.0.hash_one((count, now.as_nanosecond())));
        let address = format!("{}{}", self.settings.service, call.path);
        oauth1::header(keys, call.method.as_str(), &address, &call.query, &nonce, now.as_second())
    }

    fn clock_ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.clock_ahead_s.load(Ordering::Relaxed))
    }

    /// The time by X's clock, as far as it is known.
    fn x_now(&self) -> Timestamp {
        clock::now().checked_add(self.clock_ahead()).unwrap_or_else(|_| clock::now())
    }

    /// Notes X's time. Whether it was much different from what was taken for it.
    fn corrects_clock(&self, date: Option<Timestamp>) -> bool {
        let Some(date) = date else { return false };
        let ahead = date.as_second() - clock::now().as_second();
        let before = self.clock_ahead_s.swap(ahead, Ordering::Relaxed);
        CLOCK_WRONG_S < ahead.abs_diff(before).try_into().unwrap_or(i64::MAX)
    }

    fn money(&self) -> Finding {
        let now = clock::now();
        let (spent, monthly) = (self.budget.spent(now), self.settings.prices.monthly);
        let found = format!("{} of {} spent this month", budget::dollars(spent), budget::dollars(monthly));
        if self.budget.left(Spending::Reading, now) < self.budget.prices().read_post * PAGE_MIN {
            let mend = "raise `monthly_dollars` in `[network.budget]`, or wait for the next month";
            return Finding { what: "budget", ok: false, found, mend: Some(mend.to_owned()) };
        }
        Finding::good("budget", found)
    }

    async fn say_that_reading_is_over(&self) {
        let now = clock::now();
        let mut said_at = self.said_at.lock().await;
        if said_at.is_some_and(|at| at.duration_until(now) < SAY_AGAIN) {
            return;
        }
        *said_at = Some(now);
        warn!(
            network = "x",
            "Nothing more is read from X this month: nine tenths of the budget are used up, and the rest is kept for \
             answers. Raise `monthly_dollars` in `[network.budget]`, or wait for the next month"
        );
    }
}
