//! The section of `bot.toml` about Mastodon and other servers that speak its API.
//!
//! **Invariant:** as in `config`: nothing here prints or quotes a line of the file.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::config::reader::{Faults, Sections};
use crate::config::{HOUR, Password, SECOND, hashtags, is_service_address};

/// How often a server of the Mastodon API is asked while it does not tell of news by itself: a twelfth
/// of what Mastodon allows.
const POLL: SignedDuration = SignedDuration::from_secs(5);

/// The desk's account on Mastodon, or on another server that speaks its API.
#[derive(Clone, Debug, PartialEq)]
pub struct Mastodon {
    /// The address of the server, such as `https://lib.example`.
    pub server: String,
    /// Where the server tells news at once, where it names a wrong address itself.
    pub streaming: Option<String>,
    pub token: Password,
    /// How often it is looked for mentions and replies while the server does not tell of them.
    pub poll: Duration,
    /// Hashtags, without `#`, whose public posts the desk overhears.
    pub hashtags: Vec<String>,
}

pub(super) fn read(sections: &Sections<'_>, faults: &mut Faults) -> Option<Mastodon> {
    let mut section = sections.open("network.mastodon");
    let enabled = section.flag("enabled", faults).unwrap_or(false);
    let server = section.text("server", faults);
    let streaming = section.text("streaming", faults);
    let env = section.text("token_env", faults);
    let file = section.text("token_file", faults);
    let poll = section.duration("poll", SECOND * 2..=HOUR, POLL, faults);
    let hashtags = hashtags(&mut section, faults);
    let whole = section.whole();
    section.close(faults);
    if !enabled {
        return None;
    }
    let (server, server_span) = server.unzip();
    let server = server.unwrap_or_default();
    if server.is_empty() {
        faults.add(
            server_span.or(whole.clone()),
            "Mastodon is enabled but the server is not named",
            "add `server = \"https://lib.example\"` with the server where the desk has its account",
        );
    } else if !is_service_address(&server) {
        faults.add(
            server_span,
            "this is not the address of a server",
            "write one such as \"https://lib.example\"",
        );
    }
    if let Some((address, span)) = &streaming
        && !is_streaming_address(address)
    {
        faults.add(
            Some(span.clone()),
            "this is not an address for streaming",
            "write one such as \"wss://streaming.lib.example\", or leave it out",
        );
    }
    let file = file.map(|(path, span)| (PathBuf::from(path), span));
    let token = Password { env, file, section: whole };
    let server = server.trim_end_matches('/').to_owned();
    let streaming = streaming.map(|(address, _)| address);
    Some(Mastodon { server, streaming, token, poll: poll.unsigned_abs(), hashtags })
}

/// Whether this is `wss://` and a host; plain `ws://` only to this computer.
fn is_streaming_address(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else { return false };
    match (url.scheme(), url.host_str()) {
        ("wss", Some(_)) => url.username().is_empty() && url.query().is_none(),
        ("ws", Some("127.0.0.1" | "localhost" | "[::1]")) => url.query().is_none(),
        _ => false,
    }
}
