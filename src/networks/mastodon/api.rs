//! One call of the Mastodon API, and what its failure means.
//!
//! **Invariant:** what a server says in words is looked at, but goes nowhere: not into an error, not
//! into a log. It may quote a post. No call is made beyond what the server allows.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::clock;
use crate::desk::letter::Refusal;
use crate::networks::Failure;
use crate::networks::http::{self, Silence};
use crate::networks::mastodon::pace::{Kind, Limits, Pace};

/// The first wait after a 429 that does not say how long to wait; each further one is twice as long.
const TOO_MANY_WAIT: Duration = Duration::from_secs(60);
const TOO_MANY_WAIT_MAX: Duration = Duration::from_secs(3_600);

/// The header that makes a repeat the same post, on servers that know it.
const KEY_HEADER: &str = "idempotency-key";

/// One account's way to its server.
pub(super) struct Api {
    http: reqwest::Client,
    server: String,
    token: SecretString,
    pace: Mutex<Pace>,
    /// How many 429s in a row did not say how long to wait.
    too_many: AtomicU32,
}

// The token is in it.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mastodon API")
    }
}

/// A call without the server and the token it is made with.
pub(super) struct Call<'a> {
    pub(super) kind: Kind,
    pub(super) method: Method,
    /// The path and, for reading, the query, already encoded.
    pub(super) path: String,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<String>,
    pub(super) key: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub(super) fn get(kind: Kind, path: impl Into<String>, query: &'a [(&'a str, &'a str)]) -> Call<'a> {
        Call { kind, method: Method::GET, path: path.into(), query, body: None, key: None }
    }
}

/// Why a call did not give what was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    NotAnAddress,
    /// There was no connection; nothing was sent.
    NotSent,
    /// No answer, or one that breaks off.
    Lost,
    /// A success, but its answer is too large to read.
    TooLarge,
    /// A success, but its answer is not JSON: a page of a proxy, or cut off.
    Unreadable,
    /// Come back later; nothing was done.
    Later(Duration),
    /// The server is out of order: a status of 500 and above.
    OutOfOrder,
    /// The server says no.
    Refused(No),
}

/// A server's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct No {
    pub(super) status: u16,
    /// Whether the server itself says it, as JSON, and not something on the way.
    pub(super) by_server: bool,
}

impl Api {
    pub(super) fn new(http: reqwest::Client, server: &str, token: SecretString, limits: Limits) -> Api {
        let server = server.trim().trim_end_matches('/').to_owned();
        Api { http, server, token, pace: Mutex::new(Pace::new(limits)), too_many: AtomicU32::new(0) }
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// How long a call of this kind has to wait.
    pub(super) fn hold(&self, kind: Kind, now: jiff::Timestamp) -> Option<Duration> {
        self.pace().wait(kind, now)
    }

    /// Makes a call, once.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Value, Trouble> {
        let now = clock::now();
        {
            let mut pace = self.pace();
            if let Some(wait) = pace.wait(call.kind, now) {
                return Err(Trouble::Later(wait.max(Duration::from_secs(1))));
            }
            pace.begin(call.kind, now);
        }
        let in_flight = InFlight { api: self, kind: call.kind };
        let mut request = self.http.request(call.method, format!("{}{}", self.server, call.path));
        request = request.query(call.query).bearer_auth(self.token.expose_secret());
        if let Some(body) = call.body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        }
        if let Some(key) = call.key {
            request = request.header(KEY_HEADER, key);
        }
        let answer = http::ask(request).await.map_err(Trouble::from)?;
        drop(in_flight);
        if let Some(budget) = answer.budget {
            self.pace().told(call.kind, budget, clock::now());
        }
        if answer.status != 429 {
            self.too_many.store(0, Ordering::Relaxed);
        }
        match answer.status {
            200..=299 => answer.json().ok_or(Trouble::Unreadable),
            429 => Err(Trouble::Later(answer.wait.unwrap_or_else(|| self.too_many_wait()))),
            // A server that is too busy to begin says when to come back.
            503 => Err(answer.wait.map_or(Trouble::OutOfOrder, Trouble::Later)),
            500.. => Err(Trouble::OutOfOrder),
            status => {
                let said: Option<Value> = answer.json();
                let by_server = said.is_some_and(|said| said.get("error").is_some());
                Err(Trouble::Refused(No { status, by_server }))
            }
        }
    }

    fn too_many_wait(&self) -> Duration {
        let before = self.too_many.fetch_add(1, Ordering::Relaxed).min(6);
        TOO_MANY_WAIT.saturating_mul(1 << before).min(TOO_MANY_WAIT_MAX)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way, until its answer is there or nobody waits for it any more.
struct InFlight<'a> {
    api: &'a Api,
    kind: Kind,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.api.pace().end(self.kind);
    }
}

impl From<Silence> for Trouble {
    fn from(silence: Silence) -> Trouble {
        match silence {
            Silence::NotAnAddress => Trouble::NotAnAddress,
            Silence::NotSent => Trouble::NotSent,
            Silence::Lost => Trouble::Lost,
            Silence::TooLarge => Trouble::TooLarge,
        }
    }
}

const NOT_AN_ADDRESS: Failure = Failure::AccountDead("the address of the server is none: correct it");
const NOT_THE_SERVER: Failure =
    Failure::Transient("the answer is a refusal, but not one of the Mastodon API");
const BAD_TOKEN: Failure = Failure::AccountDead(
    "the server does not accept the access token: make a new one in the account's settings",
);

/// The server refuses everything, also to say which account this is.
pub(super) const NO_ACCESS: Failure =
    Failure::AccountDead("the server lets the account do nothing: log in with a browser and see why");

impl Trouble {
    /// Whether what was asked for is not there, or not to be seen, by the word of the server itself.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Trouble::Refused(No { status: 404 | 410, by_server: true }))
    }

    /// Whether the server knows no such call.
    pub(super) fn is_unknown_call(&self) -> bool {
        matches!(self, Trouble::Refused(No { status: 404 | 405 | 410 | 501, .. }))
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Trouble::Refused(no) => Some(no.status),
            Trouble::NotAnAddress
            | Trouble::NotSent
            | Trouble::Lost
            | Trouble::TooLarge
            | Trouble::Unreadable
            | Trouble::Later(_)
            | Trouble::OutOfOrder => None,
        }
    }

    /// What it means for a call that only reads, or that can be made again without harm.
    pub(super) fn when_reading(self) -> Failure {
        match self {
            Trouble::NotAnAddress => NOT_AN_ADDRESS,
            Trouble::NotSent => Failure::Transient("there is no connection to the server"),
            Trouble::Lost => Failure::Transient("no answer came, or only a part of one"),
            Trouble::TooLarge => Failure::Transient("the answer is larger than any answer should be"),
            Trouble::Unreadable => Failure::Transient("the answer is not one of the Mastodon API"),
            Trouble::Later(after) => Failure::Later { after },
            Trouble::OutOfOrder => Failure::Transient("the server says that it is out of order"),
            Trouble::Refused(No { status: 401, .. }) => BAD_TOKEN,
            Trouble::Refused(No { by_server: false, .. }) => NOT_THE_SERVER,
            Trouble::Refused(No { .. }) => Failure::Transient("the server refuses the request"),
        }
    }

    /// What it means for a call that posts or deletes: unless the server says no, it may have happened.
    pub(super) fn when_sending(self) -> Failure {
        match self {
            Trouble::NotAnAddress => NOT_AN_ADDRESS,
            Trouble::NotSent => Failure::Transient("there is no connection to the server"),
            Trouble::Lost => Failure::Unsure("no answer came, or only a part of one"),
            Trouble::TooLarge => Failure::Unsure("the answer is larger than any answer should be"),
            Trouble::Unreadable => Failure::Unsure("the answer is not one of the Mastodon API"),
            Trouble::Later(after) => Failure::Later { after },
            Trouble::OutOfOrder => Failure::Unsure("the server says that it is out of order"),
            Trouble::Refused(No { status: 401, .. }) => BAD_TOKEN,
            // A server that gave up waiting for the request may have read enough of it.
            Trouble::Refused(No { status: 408, .. }) => Failure::Unsure("the server gave up waiting"),
            Trouble::Refused(No { by_server: false, .. }) => NOT_THE_SERVER,
            Trouble::Refused(No { status: 404 | 410, .. }) => Failure::Refused(Refusal::Unreachable),
            Trouble::Refused(No { .. }) => Failure::Refused(Refusal::Rejected),
        }
    }
}
