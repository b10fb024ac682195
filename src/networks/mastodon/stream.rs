//! The bell: a WebSocket on which a server tells that there is news.
//!
//! It is nothing more. What the news is is read over the API, so that a stream may be absent, silent,
//! late, repeat itself or end at any moment without anything being lost.
//!
//! **Invariant:** the access token goes only over TLS, or to this computer. A stream that is silent for
//! long is taken for dead, and trying again is paced whatever the server does.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tracing::debug;

/// How long connecting may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

/// Servers ping every 30 seconds. One that misses two is gone, whatever its socket says.
const SILENCE_MAX: Duration = Duration::from_secs(75);

/// The first wait before connecting again; each further one is twice as long.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_LONGEST: Duration = Duration::from_secs(60);

/// The largest message that is read. A status with everything that belongs to it is a tenth of this.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How many posts may be waiting to be looked at again.
const ALTERED_MAX: usize = 1_000;

/// The streams that tell of mentions, the narrowest first. Some servers know only the second.
const STREAMS: [&str; 2] = ["user:notification", "user"];

/// What the stream tells, and whoever wants to know.
#[derive(Debug, Default)]
pub(super) struct Bell {
    news: Notify,
    /// Whether a stream is open that says something now and then.
    alive: AtomicBool,
    altered: Mutex<BTreeSet<String>>,
    altered_bell: Notify,
}

impl Bell {
    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// Returns when there may be news. News that came before is not missed.
    pub(super) async fn rings(&self) {
        self.news.notified().await;
    }

    /// The ids of posts that were edited or deleted, as soon as there are any.
    pub(super) async fn altered(&self) -> BTreeSet<String> {
        loop {
            let found = std::mem::take(&mut *self.altered.lock().unwrap_or_else(PoisonError::into_inner));
            if !found.is_empty() {
                return found;
            }
            self.altered_bell.notified().await;
        }
    }

    fn take(&self, event: Event) {
        match event {
            Event::News => self.news.notify_one(),
            Event::Altered(id) => {
                let mut altered = self.altered.lock().unwrap_or_else(PoisonError::into_inner);
                if altered.len() < ALTERED_MAX {
                    altered.insert(id);
                }
                drop(altered);
                self.altered_bell.notify_one();
            }
            Event::Nothing => {}
        }
    }
}

/// A stream that is listened to until this is dropped.
pub(super) struct Listening(JoinHandle<()>);

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[stream]")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens at the first of these addresses that works, again and again.
pub(super) fn listen(bell: Arc<Bell>, bases: Vec<String>, token: SecretString) -> Listening {
    let addresses = addresses(&bases);
    Listening(tokio::spawn(async move {
        let mut failed: u32 = 0;
        let mut at = 0;
        while let Some(address) = addresses.get(at % addresses.len().max(1)) {
            let said_something = once(&bell, address, &token).await;
            bell.alive.store(false, Ordering::Relaxed);
            // Whatever was missed meanwhile is found by looking.
            bell.news.notify_one();
            if said_something {
                failed = 0;
            } else {
                at += 1;
                failed = failed.saturating_add(1);
            }
            tokio::time::sleep(again(failed, address)).await;
        }
    }))
}

/// One connection, to its end. Whether the server said anything on it.
async fn once(bell: &Bell, address: &str, token: &SecretString) -> bool {
    let Ok(mut request) = address.into_client_request() else { return false };
    let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())) else {
        return false;
    };
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let connecting = connect_async_with_config(request, Some(config), true);
    let Ok(Ok((mut socket, _))) = tokio::time::timeout(CONNECT_TIME_MAX, connecting).await else {
        debug!("The stream of the server on Mastodon could not be opened");
        return false;
    };
    debug!("The stream of the server on Mastodon is open");
    bell.news.notify_one();
    let mut said_something = false;
    // Reading answers pings, too.
    while let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE_MAX, socket.next()).await {
        // One that has not said anything yet is not relied upon.
        bell.alive.store(true, Ordering::Relaxed);
        said_something = true;
        match message {
            Message::Text(text) => bell.take(event(text.as_str())),
            Message::Close(_) => break,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    said_something
}

/// What a message tells.
#[derive(Debug, PartialEq)]
enum Event {
    News,
    Altered(String),
    Nothing,
}

/// Reads a message. Its payload is JSON in JSON, or a bare id.
fn event(text: &str) -> Event {
    let Ok(message) = serde_json::from_str::<Value>(text) else { return Event::Nothing };
    let payload = message.get("payload");
    match message.get("event").and_then(Value::as_str) {
        Some("notification" | "notifications_merged") => Event::News,
        Some("delete") => {
            let id = payload
                .and_then(|id| id.as_str().map(str::to_owned).or_else(|| Some(id.as_u64()?.to_string())));
            id.map_or(Event::Nothing, Event::Altered)
        }
        Some("status.update") => {
            let status = match payload {
                Some(Value::String(json)) => serde_json::from_str(json).ok(),
                other => other.cloned(),
            };
            let id = status.as_ref().and_then(|status| status.get("id")?.as_str());
            id.map_or(Event::Nothing, |id| Event::Altered(id.to_owned()))
        }
        // An edit may add the desk to a post without a notification; looking costs little.
        Some(_) | None => Event::Nothing,
    }
}

/// The addresses to try, in turn. Those to which the token must not go are left out.
fn addresses(bases: &[String]) -> Vec<String> {
    let mut addresses = Vec::new();
    for base in bases {
        let base = base.trim().trim_end_matches('/');
        let base = match base.split_once("://") {
            Some(("https", rest)) => format!("wss://{rest}"),
            Some(("http", rest)) => format!("ws://{rest}"),
            Some(("ws" | "wss", _)) => base.to_owned(),
            _ => continue,
        };
        let host = base.split("://").nth(1).unwrap_or_default();
        let host = host.split('/').next().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_here = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
        if base.starts_with("ws://") && !is_here {
            continue;
        }
        let path = if base.ends_with("/api/v1/streaming") { "" } else { "/api/v1/streaming" };
        for stream in STREAMS {
            let address = format!("{base}{path}?stream={stream}");
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    addresses
}

/// The wait before connecting again: 1 s, 2 s … up to a minute, and up to a quarter less, so that the
/// desks of one server do not all return at once.
fn again(failed: u32, address: &str) -> Duration {
    let whole = AGAIN_FIRST.saturating_mul(1 << failed.min(6)).min(AGAIN_LONGEST);
    let mut hasher = DefaultHasher::new();
    (failed, address, std::process::id()).hash(&mut hasher);
    let thousandths = 750 + u32::try_from(hasher.finish() % 251).unwrap_or(0);
    whole / 1_000 * thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_loosely() {
        let altered = |id: &str| Event::Altered(id.to_owned());
        let rows = [
            (
                r#"{"stream":["user:notification"],"event":"notification","payload":"{\"id\":\"1\"}"}"#,
                Event::News,
            ),
            (r#"{"event":"notifications_merged","payload":"1"}"#, Event::News),
            (r#"{"event":"delete","payload":"113"}"#, altered("113")),
            (r#"{"event":"delete","payload":113}"#, altered("113")),
            (r#"{"event":"status.update","payload":"{\"id\":\"114\",\"content\":\"x\"}"}"#, altered("114")),
            (r#"{"event":"status.update","payload":{"id":"114"}}"#, altered("114")),
            (r#"{"event":"status.update","payload":"not JSON"}"#, Event::Nothing),
            (r#"{"event":"filters_changed"}"#, Event::Nothing),
            (r#"{"event":7}"#, Event::Nothing),
            ("nonsense", Event::Nothing),
            ("", Event::Nothing),
        ];
        for (text, want) in rows {
            assert_eq!(event(text), want, "{text}");
        }
    }

    /// Promise 7: a token does not travel in the open.
    #[test]
    fn the_token_goes_only_over_tls_or_to_this_computer() {
        let rows: [(&str, &[&str]); 6] = [
            (
                "wss://s.example",
                &[
                    "wss://s.example/api/v1/streaming?stream=user:notification",
                    "wss://s.example/api/v1/streaming?stream=user",
                ],
            ),
            (
                "https://s.example/",
                &[
                    "wss://s.example/api/v1/streaming?stream=user:notification",
                    "wss://s.example/api/v1/streaming?stream=user",
                ],
            ),
            (
                "wss://s.example/api/v1/streaming",
                &[
                    "wss://s.example/api/v1/streaming?stream=user:notification",
                    "wss://s.example/api/v1/streaming?stream=user",
                ],
            ),
            ("ws://s.example", &[]),
            ("ws://127.0.0.1.evil.example", &[]),
            ("ftp://s.example", &[]),
        ];
        for (base, want) in rows {
            assert_eq!(addresses(&[base.to_owned()]), want, "{base}");
        }
        assert_eq!(addresses(&["http://127.0.0.1:80".to_owned()]).len(), 2);
        assert_eq!(addresses(&["wss://a.example".to_owned(), "https://a.example".to_owned()]).len(), 2);
    }

    #[test]
    fn trying_again_is_paced() {
        for (failed, least_ms, most_ms) in
            [(0, 750, 1_000), (1, 1_500, 2_000), (6, 45_000, 60_000), (u32::MAX, 45_000, 60_000)]
        {
            let wait = again(failed, "wss://s.example").as_millis();
            assert!((least_ms..=most_ms).contains(&wait), "{failed} failures: {wait} ms");
        }
    }
}
