//! The section of `bot.toml` about Bluesky.
//!
//! **Invariant:** as in `config`: nothing here prints or quotes a line of the file.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::config::reader::{Faults, Sections};
use crate::config::{HOUR, Password, SECOND, hashtags, is_service_address};

/// How often Bluesky is asked for news unless the file says otherwise. A mention waits half of that on
/// average, and the network allows 3,000 requests in 5 minutes.
const POLL: SignedDuration = SignedDuration::from_secs(20);

/// The desk's account on Bluesky, or on another service that speaks the AT Protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Bluesky {
    /// The address of the service, such as `https://bsky.social`.
    pub service: String,
    /// The handle or DID to log in with, without `@`.
    pub identifier: String,
    pub password: Password,
    /// How often it is looked for mentions and replies.
    pub poll: Duration,
    /// The service of direct messages, where it is not the usual one.
    pub chat_service: Option<String>,
    /// Hashtags, without `#`, whose public posts the desk overhears.
    pub hashtags: Vec<String>,
}

pub(super) fn read(sections: &Sections<'_>, faults: &mut Faults) -> Option<Bluesky> {
    let mut section = sections.open("network.bluesky");
    let enabled = section.flag("enabled", faults).unwrap_or(false);
    let service = section.text("service", faults);
    let identifier = section.text("identifier", faults);
    let env = section.text("password_env", faults);
    let file = section.text("password_file", faults);
    let poll = section.duration("poll", SECOND..=HOUR, POLL, faults);
    let chat_service = section.text("chat_service", faults);
    let hashtags = hashtags(&mut section, faults);
    let whole = section.whole();
    section.close(faults);
    if !enabled {
        return None;
    }
    let (chat_service, chat_span) = chat_service.unzip();
    let is_service = |name: &String| name.starts_with("did:") && name.contains('#');
    if chat_service.as_ref().is_some_and(|name| !is_service(name)) {
        faults.add(
            chat_span,
            "this is not the name of a service",
            "write one such as \"did:web:api.bsky.chat#bsky_chat\", or leave it out",
        );
    }
    let (service, service_span) = service.unzip();
    let service = service.unwrap_or_else(|| "https://bsky.social".to_owned());
    if !is_service_address(&service) {
        faults.add(
            service_span,
            "this is not the address of a service",
            "write one such as \"https://bsky.social\"",
        );
    }
    let (identifier, identifier_span) = identifier.unzip();
    let identifier =
        identifier.map(|name| name.trim().trim_start_matches('@').to_owned()).unwrap_or_default();
    if identifier.is_empty() {
        faults.add(
            identifier_span.or(whole.clone()),
            "Bluesky is enabled but the account is not named",
            "add `identifier = \"desk.example.org\"` with the account's handle",
        );
    }
    let file = file.map(|(path, span)| (PathBuf::from(path), span));
    let password = Password { env, file, section: whole };
    let service = service.trim_end_matches('/').to_owned();
    Some(Bluesky { service, identifier, password, poll: poll.unsigned_abs(), chat_service, hashtags })
}
