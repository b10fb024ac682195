//! HTTP as every network needs it: one client, with limits, and answers that say what is known.
//!
//! **Invariant:** nothing is repeated and no redirect is followed here: whether a request may be made
//! again, and who may see its token, is for the connector to say. No address, header or body reaches
//! an error or a log.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;

use crate::clock;

/// How long connecting may take, with name look-up and TLS.
pub const CONNECT_TIME_OUT: Duration = Duration::from_secs(10);

/// How long a whole request may take. A request that ran into it may still arrive.
pub const TIME_OUT: Duration = Duration::from_secs(30);

/// The largest answer that is read, unpacked. A full page of notifications is a tenth of this.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bounds for a wait that a server asks for. The upper one makes sure that a mistaken or hostile
/// answer cannot silence the desk for days; asking once an hour harms nobody.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// The wait where a server asks for one without saying how long.
const WAIT_UNSAID: Duration = Duration::from_secs(60);

/// The HTTPS client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("HTTPS cannot be set up; are the root certificates of this system installed?")]
pub struct NoClient;

/// An answer of a server: any status, its body read to the end.
pub struct Answer {
    pub status: u16,
    /// When the server wants to be asked again, where it says so.
    pub wait: Option<Duration>,
    /// The server's own time, where it says it.
    pub date: Option<Timestamp>,
    /// How much more may be asked before a limit is reached, where the server says so.
    pub budget: Option<Budget>,
    body: Vec<u8>,
}

/// What a server says is left of the limit that is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub remaining: u32,
    /// How long it is until everything may be used again.
    pub resets_in: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The address is none; nothing was sent.
    NotAnAddress,
    /// There was no connection; nothing was sent.
    NotSent,
    /// The request may have arrived and taken effect.
    Lost,
    /// The request arrived and succeeded, but the answer is larger than [`ANSWER_BYTES_MAX`].
    TooLarge,
}

/// The client that all connectors share.
///
/// # Errors
///
/// Where the system has no root certificates.
pub fn client() -> Result<reqwest::Client, NoClient> {
    // Fails where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("stumper/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIME_OUT)
        .timeout(TIME_OUT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(|_| NoClient)
}

/// Makes a request, once, and reads the answer.
///
/// # Errors
///
/// Where there is no whole answer. An answer that says no is an [`Answer`] all the same, even where
/// its body breaks off, because its status is known.
pub async fn ask(request: reqwest::RequestBuilder) -> Result<Answer, Silence> {
    let response = request.send().await.map_err(|error| silence(&error))?;
    let status = response.status().as_u16();
    let (date, now) = (date_of(response.headers()), clock::now());
    let (wait, budget) = (wait_asked_for(response.headers(), now), budget(response.headers(), now));
    match read_body(response).await {
        Ok(body) => Ok(Answer { status, wait, date, budget, body }),
        Err(_) if status >= 300 => Ok(Answer { status, wait, date, budget, body: Vec::new() }),
        Err(silence) => Err(silence),
    }
}

// The body may hold anything, tokens too.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[status {}, {} bytes]", self.status, self.body.len())
    }
}

impl Answer {
    /// The body as JSON of the expected shape; `None` where it is anything else.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// How long to wait after an answer that asks for it.
    pub fn wait_or_default(&self) -> Duration {
        self.wait.unwrap_or(WAIT_UNSAID)
    }
}

fn silence(error: &reqwest::Error) -> Silence {
    if error.is_builder() {
        Silence::NotAnAddress
    } else if error.is_connect() {
        Silence::NotSent
    } else {
        Silence::Lost
    }
}

async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>, Silence> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Silence::Lost)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Silence::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn date_of(headers: &HeaderMap) -> Option<Timestamp> {
    let date = text(headers, "date")?;
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

/// Reads `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
fn budget(headers: &HeaderMap, now: Timestamp) -> Option<Budget> {
    let remaining = text(headers, "x-ratelimit-remaining")?.parse().ok()?;
    let resets_in = until(x_reset(headers)?, date_of(headers).unwrap_or(now)).clamp(WAIT_MIN, WAIT_MAX);
    Some(Budget { remaining, resets_in })
}

/// The time in `X-RateLimit-Reset`: ISO 8601, or seconds since 1970.
fn x_reset(headers: &HeaderMap) -> Option<Timestamp> {
    let value = text(headers, "x-ratelimit-reset")?;
    value.parse().ok().or_else(|| Timestamp::from_second(value.parse().ok()?).ok())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn until(then: Timestamp, now: Timestamp) -> Duration {
    // Rounded up: what comes a little too early is refused.
    let millis = then.as_millisecond().saturating_sub(now.as_millisecond());
    Duration::from_secs(u64::try_from(millis).unwrap_or(0).div_ceil(1_000))
}

/// Reads `Retry-After` (seconds or a date), or else `RateLimit-Reset` or `X-Rate-Limit-Reset` (seconds
/// since 1970), or else `X-RateLimit-Reset`.
fn wait_asked_for(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| text(headers, name);
    // Times in headers are by the server's clock, which need not agree with this computer's.
    let now = date_of(headers).unwrap_or(now);
    let until = |then: Timestamp| until(then, now);
    let retry_after = text(RETRY_AFTER.as_str()).and_then(|value| {
        let seconds = value.parse::<u64>().ok().map(Duration::from_secs);
        seconds.or_else(|| {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            Some(until(date))
        })
    });
    let reset = || {
        let second = text("ratelimit-reset").or(text("x-rate-limit-reset"))?.parse::<i64>().ok()?;
        Some(until(Timestamp::from_second(second).ok()?))
    };
    let x_reset = || Some(until(x_reset(headers)?));
    retry_after.or_else(reset).or_else(x_reset).map(|wait| wait.clamp(WAIT_MIN, WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, headers: &[(&'static str, &'static str)], want_s: Option<u64>) {
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap())
        });
        let got = wait_asked_for(&headers.collect(), now);
        assert_eq!(got.map(|wait| wait.as_secs()), want_s, "{name}");
    }

    #[test]
    fn servers_say_when_to_come_back() {
        check("nothing said", &[], None);
        check("seconds", &[("retry-after", "289")], Some(289));
        check("a date", &[("retry-after", "Tue, 24 Nov 2026 10:05:00 GMT")], Some(300));
        check("a date gone by", &[("retry-after", "Tue, 24 Nov 2026 09:00:00 GMT")], Some(1));
        check("the end of the window", &[("ratelimit-reset", "1795514460")], Some(60));
        check("as X names it", &[("x-rate-limit-reset", "1795514460")], Some(60));
        check("both: the clear word counts", &[("ratelimit-reset", "1"), ("retry-after", "7")], Some(7));
        check("not before next year", &[("retry-after", "31536000")], Some(3600));
        check("nonsense", &[("retry-after", "soon"), ("ratelimit-reset", "-9223372036854775808")], None);
        check("zero", &[("retry-after", "0")], Some(1));
        check("ISO 8601", &[("x-ratelimit-reset", "2026-11-24T10:02:00.000Z")], Some(120));
        check("the same in seconds", &[("x-ratelimit-reset", "1795514460")], Some(60));
        let fast = ("date", "Tue, 24 Nov 2026 11:00:00 GMT");
        check("by a clock an hour fast", &[fast, ("x-ratelimit-reset", "2026-11-24T11:02:00Z")], Some(120));
        check("seconds need no clock", &[fast, ("retry-after", "7")], Some(7));
    }
}
