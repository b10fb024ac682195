//! One call of the AT Protocol, and what its failure means.
//!
//! **Invariant:** what a server says in words is looked at, but goes nowhere: not into an error, not
//! into a log. It may quote a post.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::desk::letter::Refusal;
use crate::networks::Failure;
use crate::networks::http::{self, Silence};

/// The header that has a server pass a call on.
const PROXY_HEADER: &str = "atproto-proxy";

/// A call, without the server and the token it is made with.
pub(super) enum Call<'a> {
    /// Reads something.
    Query { method: &'a str, parameters: &'a [(&'a str, &'a str)] },
    /// Does something; the body is JSON.
    Procedure { method: &'a str, body: String },
    /// Does something, without a body.
    Bodyless { method: &'a str },
}

/// Why a call did not give what was asked.
pub(super) enum Trouble {
    /// The call was not made, because there is no session to make it with.
    NoSession(Failure),
    /// The address is none.
    NotAnAddress,
    /// There was no connection; nothing was sent.
    NotSent,
    /// No answer, or one that breaks off.
    Lost,
    /// A success, but its answer is too large to read.
    TooLarge,
    /// A success, but its answer is not what the method promises.
    Unreadable,
    /// Come back later.
    Later(Duration),
    /// The server is out of order: a status of 500 and above.
    OutOfOrder,
    /// The server says no.
    Refused(No),
}

/// A server's no.
pub(super) struct No {
    status: u16,
    /// The name of the error; empty where the answer is not an error of the AT Protocol, but comes
    /// from something on the way.
    name: String,
    message: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    message: Option<String>,
}

/// Makes a call, once. `via` names another service to which the server is to pass it on.
pub(super) async fn call<T: DeserializeOwned>(
    http: &reqwest::Client,
    server: &str,
    token: Option<&SecretString>,
    via: Option<&str>,
    call: &Call<'_>,
) -> Result<T, Trouble> {
    let mut request = match call {
        Call::Query { method, parameters } => http.get(format!("{server}/xrpc/{method}")).query(parameters),
        Call::Procedure { method, body } => {
            let request = http.post(format!("{server}/xrpc/{method}"));
            request.header(CONTENT_TYPE, "application/json").body(body.clone())
        }
        Call::Bodyless { method } => http.post(format!("{server}/xrpc/{method}")),
    };
    if let Some(service) = via {
        request = request.header(PROXY_HEADER, service);
    }
    if let Some(token) = token {
        request = request.bearer_auth(token.expose_secret());
    }
    let answer = http::ask(request).await.map_err(Trouble::from)?;
    if (200..300).contains(&answer.status) {
        return answer.json().ok_or(Trouble::Unreadable);
    }
    if answer.status == 429 {
        return Err(Trouble::Later(answer.wait_or_default()));
    }
    if answer.status >= 500 {
        return Err(Trouble::OutOfOrder);
    }
    let said = answer.json::<ErrorBody>();
    let (name, message) = said.map(|body| (body.error, body.message.unwrap_or_default())).unwrap_or_default();
    Err(Trouble::Refused(No { status: answer.status, name, message }))
}

impl Call<'_> {
    /// The name of the method.
    pub(super) fn method(&self) -> &str {
        match self {
            Call::Query { method, .. } | Call::Procedure { method, .. } | Call::Bodyless { method } => method,
        }
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

impl Trouble {
    /// What it means for a call that only reads, or that can be made again without harm.
    pub(super) fn when_reading(self) -> Failure {
        match self {
            Trouble::NoSession(failure) => failure,
            Trouble::NotAnAddress => NOT_AN_ADDRESS,
            Trouble::NotSent => NO_CONNECTION,
            Trouble::Lost => Failure::Transient("no answer came, or only a part of one"),
            Trouble::TooLarge => Failure::Transient("the answer is larger than any answer should be"),
            Trouble::Unreadable => Failure::Transient("the answer is not one of the AT Protocol"),
            Trouble::Later(after) => Failure::Later { after },
            Trouble::OutOfOrder => Failure::Transient("the server says that it is out of order"),
            Trouble::Refused(no) => no.when_reading(),
        }
    }

    /// What it means for a call that posts or deletes: unless the server says no, it may have
    /// happened.
    pub(super) fn when_sending(self) -> Failure {
        match self {
            Trouble::NoSession(failure) => failure,
            Trouble::NotAnAddress => NOT_AN_ADDRESS,
            Trouble::NotSent => NO_CONNECTION,
            Trouble::Lost => Failure::Unsure("no answer came, or only a part of one"),
            Trouble::TooLarge => Failure::Unsure("the answer is larger than any answer should be"),
            Trouble::Unreadable => Failure::Unsure("the answer is not one of the AT Protocol"),
            Trouble::Later(after) => Failure::Later { after },
            Trouble::OutOfOrder => Failure::Unsure("the server says that it is out of order"),
            Trouble::Refused(no) => no.when_sending(),
        }
    }
}

const NOT_AN_ADDRESS: Failure = Failure::AccountDead("the address of the service is none: correct it");
const NOT_THE_SERVER: Failure = Failure::Transient("the answer is a refusal, but not one of the AT Protocol");
const NO_CONNECTION: Failure = Failure::Transient("there is no connection to the server");

impl No {
    /// Whether a new access token would help. Expired tokens are a 400 here, not a 401.
    pub(super) fn is_about_the_token(&self) -> bool {
        matches!(self.name.as_str(), "ExpiredToken" | "InvalidToken")
    }

    /// Whether the app password does not reach this far. The chat service asks for a right of its own.
    pub(super) fn lacks_the_right(&self) -> bool {
        self.message.starts_with("Bad token method") || self.message.starts_with("Bad token scope")
    }

    /// Whether somebody cannot be written to in private, or does not want it.
    pub(super) fn is_about_the_other_side(&self) -> bool {
        matches!(
            self.name.as_str(),
            "AccountSuspended"
                | "BlockedActor"
                | "BlockedSubject"
                | "MessagesDisabled"
                | "NotFollowedBySender"
                | "RecipientNotFound"
                | "InvalidConvo"
                | "ConvoLocked"
        )
    }

    /// Whether it is the desk that is refused, whatever it asks: its token, its account, or by something on
    /// the way to the server. That says nothing about what it asked for.
    pub(super) fn is_about_the_desk(&self) -> bool {
        let is_own = self.name.is_empty() || self.is_about_the_token() || self.lacks_the_right();
        is_own || (!self.is_about_the_other_side() && self.ends_the_account().is_some())
    }

    /// Whether there is another record under the key.
    pub(super) fn is_taken(&self) -> bool {
        self.name == "InvalidSwap"
    }

    /// Whether there is no such record.
    pub(super) fn is_missing(&self) -> bool {
        self.name == "RecordNotFound"
            || (self.name == "InvalidRequest" && self.message.starts_with("Could not locate record"))
    }

    /// Whether the server dislikes how the record key reads.
    pub(super) fn dislikes_the_key(&self) -> bool {
        self.name == "InvalidRequest" && self.message.contains("slur in record key")
    }

    fn when_reading(&self) -> Failure {
        if let Some(dead) = self.ends_the_account() {
            return dead;
        }
        if self.name.is_empty() {
            NOT_THE_SERVER
        } else {
            Failure::Transient("the server refuses the request")
        }
    }

    fn when_sending(&self) -> Failure {
        if let Some(dead) = self.ends_the_account() {
            return dead;
        }
        // A server that gave up waiting for the request may have read enough of it.
        if self.status == 408 {
            return Failure::Unsure("the server gave up waiting");
        }
        if self.is_about_the_token() {
            return Failure::Transient("the server does not accept the token it has just given");
        }
        if self.name.is_empty() {
            return NOT_THE_SERVER;
        }
        Failure::Refused(Refusal::Rejected)
    }

    /// The failure that this is where the account cannot be used as it is.
    fn ends_the_account(&self) -> Option<Failure> {
        Some(Failure::AccountDead(match self.name.as_str() {
            "AuthFactorTokenRequired" => {
                "this is the main password of the account: make an app password and use that"
            }
            "AuthenticationRequired" => "the handle or the app password is wrong: make a new app password",
            "AuthMissing" => "the server wants a log-in and got none: check the address of the service",
            "AccountTakedown" | "AccountSuspended" | "RepoTakendown" | "RepoSuspended" => {
                "the network has taken the account down: read the mail it sent, and appeal"
            }
            "AccountDeactivated" | "RepoDeactivated" => {
                "the account is deactivated: log in with the app and activate it"
            }
            "XRPCNotSupported" | "MethodNotImplemented" => {
                "this server does not keep accounts of the AT Protocol: check the address of the service"
            }
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 4: what was said in a conversation is passed over only where the refusal is about the
    /// conversation.
    #[test]
    fn nothing_lost_a_refusal_is_about_the_desk_or_about_what_it_asked_for() {
        let rows = [
            ("ExpiredToken", "", true),
            ("InvalidToken", "", true),
            ("InvalidRequest", "Bad token method", true),
            ("AuthMissing", "", true),
            ("AccountDeactivated", "", true),
            ("", "a page of a proxy", true),
            ("InvalidConvo", "", false),
            ("ConvoLocked", "", false),
            ("AccountSuspended", "", false),
            ("InvalidRequest", "", false),
        ];
        for (name, message, want) in rows {
            let no = No { status: 400, name: name.to_owned(), message: message.to_owned() };
            assert_eq!(no.is_about_the_desk(), want, "{name} {message}");
        }
    }
}
