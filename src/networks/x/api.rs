//! One call of X's API, and what its failure means.
//!
//! **Invariant:** what X says in words is looked at, because it names many causes in words alone, but
//! goes nowhere: not into an error, not into a log. It may quote a post.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::desk::letter::Refusal;
use crate::networks::Failure;
use crate::networks::http::{self, Answer, Silence};

/// A call, without the server and the right to make it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Such as `/2/users/me`.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

impl Call {
    pub(super) fn get(path: impl Into<String>, query: &[(&str, &str)]) -> Call {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Call { method: Method::GET, path: path.into(), query: query.collect(), body: None }
    }

    pub(super) fn post(path: impl Into<String>, body: &Value) -> Call {
        Call { method: Method::POST, path: path.into(), query: Vec::new(), body: Some(body.to_string()) }
    }

    pub(super) fn delete(path: impl Into<String>) -> Call {
        Call { method: Method::DELETE, path: path.into(), query: Vec::new(), body: None }
    }
}

/// Why a call did not give what was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The call was not made: there is no right to make it, or no money.
    NotMade(Failure),
    /// The address is none.
    NotAnAddress,
    /// There was no connection; nothing was sent.
    NotSent,
    /// No answer, or one that breaks off.
    Lost,
    /// A success, but its answer is too large to read, or not what was promised.
    Unreadable,
    /// Come back later.
    Later(Duration),
    /// The server is out of order: a status of 500 and above.
    OutOfOrder,
    /// The server says no.
    Refused(No),
}

/// A server's no.
#[derive(Debug)]
pub(super) struct No {
    pub(super) status: u16,
    pub(super) why: Why,
    /// The server's own time.
    pub(super) date: Option<Timestamp>,
}

/// The reasons that make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The token or the signature is not accepted.
    Token,
    /// The credits or the spending limit that X keeps are used up.
    Credits,
    /// The same text was posted before.
    Duplicate,
    /// The desk may not reply there: it was not called, or the author lets few people reply.
    NotThere,
    /// X has suspended or locked the account.
    Suspended,
    /// The app may not do this at all.
    App,
    /// There is no such thing, or it cannot be seen.
    Missing,
    /// X does not understand the request.
    Malformed,
    /// The answer is none of X's.
    Stranger,
    Other,
}

/// Makes a call, once.
pub(super) async fn call<T: DeserializeOwned>(
    http: &reqwest::Client,
    server: &str,
    authorization: &str,
    call: &Call,
) -> Result<T, Trouble> {
    let mut request = http.request(call.method.clone(), format!("{server}{}", call.path));
    request = request.header(AUTHORIZATION, authorization);
    if !call.query.is_empty() {
        request = request.query(&call.query);
    }
    if let Some(body) = &call.body {
        request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
    }
    let answer = http::ask(request).await.map_err(Trouble::from)?;
    judged(&answer)
}

/// What an answer says.
pub(super) fn judged<T: DeserializeOwned>(answer: &Answer) -> Result<T, Trouble> {
    if (200..300).contains(&answer.status) {
        return answer.json().ok_or(Trouble::Unreadable);
    }
    let body = answer.json::<Value>();
    let why = why(answer.status, body.as_ref());
    match answer.status {
        _ if why == Why::Credits => {}
        429 => return Err(Trouble::Later(answer.wait_or_default())),
        500.. => return Err(Trouble::OutOfOrder),
        _ => {}
    }
    Err(Trouble::Refused(No { status: answer.status, why, date: answer.date }))
}

/// X gives few causes a name of their own and changes its wording, so that it is matched loosely.
fn why(status: u16, body: Option<&Value>) -> Why {
    let Some(body) = body.filter(|body| body.is_object()) else {
        return match status {
            401 => Why::Token,
            402 => Why::Credits,
            _ => Why::Stranger,
        };
    };
    let mut words = String::new();
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for part in std::iter::once(body).chain(errors) {
        for name in ["type", "title", "detail", "message", "reason", "error", "error_description"] {
            words.push_str(part.get(name).and_then(Value::as_str).unwrap_or_default());
            words.push('\n');
        }
    }
    let words = words.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    match status {
        402 => Why::Credits,
        429 | 403 if says(&["usage-capped", "usage cap", "spend cap", "spending limit", "credits"]) => {
            Why::Credits
        }
        401 => Why::Token,
        403 if says(&["duplicate"]) => Why::Duplicate,
        403 if says(&["suspended", "temporarily locked", "account is locked"]) => Why::Suspended,
        403 if says(&[
            "client-forbidden",
            "client-not-enrolled",
            "oauth1-permissions",
            "not permitted to use oauth",
            "appropriate oauth",
        ]) =>
        {
            Why::App
        }
        403 if says(&["mentioned", "reply to", "replies", "who can reply", "quote"]) => Why::NotThere,
        404 => Why::Missing,
        400 if says(&["deleted or not visible", "not found"]) => Why::Missing,
        400 => Why::Malformed,
        _ => Why::Other,
    }
}

impl From<Silence> for Trouble {
    fn from(silence: Silence) -> Trouble {
        match silence {
            Silence::NotAnAddress => Trouble::NotAnAddress,
            Silence::NotSent => Trouble::NotSent,
            Silence::Lost => Trouble::Lost,
            Silence::TooLarge => Trouble::Unreadable,
        }
    }
}

impl Trouble {
    /// Whether X surely did nothing, so that it charges nothing.
    pub(super) fn costs_nothing(&self) -> bool {
        match self {
            Trouble::NotMade(_)
            | Trouble::NotAnAddress
            | Trouble::NotSent
            | Trouble::Later(_)
            | Trouble::Refused(_) => true,
            Trouble::Lost | Trouble::Unreadable | Trouble::OutOfOrder => false,
        }
    }

    /// What it means for a call that only reads.
    pub(super) fn when_reading(self) -> Failure {
        match self {
            Trouble::NotMade(failure) => failure,
            Trouble::NotAnAddress => NOT_AN_ADDRESS,
            Trouble::NotSent => NO_CONNECTION,
            Trouble::Lost => Failure::Transient("no answer came, or only a part of one"),
            Trouble::Unreadable => Failure::Transient("the answer is not one of X's API"),
            Trouble::Later(after) => Failure::Later { after },
            Trouble::OutOfOrder => Failure::Transient("the server says that it is out of order"),
            Trouble::Refused(no) => {
                no.ends_the_account().unwrap_or(Failure::Transient("the server refuses the request"))
            }
        }
    }

    /// What it means for a call that posts or deletes: unless the server says no, it may have
    /// happened.
    pub(super) fn when_sending(self) -> Failure {
        match self {
            Trouble::NotMade(failure) => failure,
            Trouble::NotAnAddress => NOT_AN_ADDRESS,
            Trouble::NotSent => NO_CONNECTION,
            Trouble::Lost => Failure::Unsure("no answer came, or only a part of one"),
            Trouble::Unreadable => Failure::Unsure("the answer is not one of X's API"),
            Trouble::Later(after) => Failure::Later { after },
            Trouble::OutOfOrder => Failure::Unsure("the server says that it is out of order"),
            Trouble::Refused(no) => no.when_sending(),
        }
    }
}

const NOT_AN_ADDRESS: Failure = Failure::AccountDead("the address of the service is none: correct it");
const NO_CONNECTION: Failure = Failure::Transient("there is no connection to the server");

impl No {
    fn when_sending(&self) -> Failure {
        if let Some(dead) = self.ends_the_account() {
            return dead;
        }
        // A server that gave up waiting for the request may have read enough of it.
        if self.status == 408 {
            return Failure::Unsure("the server gave up waiting");
        }
        match self.why {
            Why::Missing => Failure::Refused(Refusal::Unreachable),
            Why::Stranger => Failure::Transient("the answer is a refusal, but not one of X's API"),
            Why::NotThere
            | Why::Duplicate
            | Why::Malformed
            | Why::Other
            | Why::Token
            | Why::Credits
            | Why::Suspended
            | Why::App => Failure::Refused(Refusal::Rejected),
        }
    }

    /// The failure that this is where nothing can be done until a person mends it.
    fn ends_the_account(&self) -> Option<Failure> {
        Some(Failure::AccountDead(match self.why {
            Why::Token => {
                "X does not accept the log-in: make new keys, or log in again with `stumper network login x`"
            }
            Why::Credits => {
                "the credits or the spending limit at X are used up: buy credits or raise the limit in X's developer console"
            }
            Why::Suspended => "X has suspended or locked the account: log in with the app and see why",
            Why::App => {
                "the app may not do this: give it the right to read, write and send direct messages in X's developer console, then make new keys"
            }
            Why::Duplicate | Why::NotThere | Why::Missing | Why::Malformed | Why::Stranger | Why::Other => {
                return None;
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn causes_are_known_by_whatever_x_calls_them() {
        let rows = [
            ("no body", 401, None, Why::Token),
            ("a web page", 403, None, Why::Stranger),
            (
                "credits",
                402,
                Some(json!({"title": "CreditsDepleted", "type": "https://api.x.com/2/problems/credits"})),
                Why::Credits,
            ),
            ("credits, without a word", 402, None, Why::Credits),
            (
                "the cap",
                429,
                Some(json!({"type": "https://api.twitter.com/2/problems/usage-capped"})),
                Why::Credits,
            ),
            ("spend cap", 403, Some(json!({"detail": "You have reached your Spend Cap."})), Why::Credits),
            (
                "the same text",
                403,
                Some(
                    json!({"type": "about:blank", "detail": "You are not allowed to create a Tweet with duplicate content."}),
                ),
                Why::Duplicate,
            ),
            (
                "not called",
                403,
                Some(
                    json!({"detail": "You can only reply to or quote posts where you are mentioned or quoted."}),
                ),
                Why::NotThere,
            ),
            (
                "suspended",
                403,
                Some(json!({"errors": [{"message": "Your account is suspended and is not permitted…"}]})),
                Why::Suspended,
            ),
            ("the app", 403, Some(json!({"reason": "client-not-enrolled"})), Why::App),
            (
                "a deleted post",
                400,
                Some(
                    json!({"errors": [{"message": "The Tweet you attempted to reply to has been deleted or not visible to you."}]}),
                ),
                Why::Missing,
            ),
            ("nonsense", 400, Some(json!({"title": "Invalid Request"})), Why::Malformed),
        ];
        for (name, status, body, want) in rows {
            assert_eq!(why(status, body.as_ref()), want, "{name}");
        }
    }
}
