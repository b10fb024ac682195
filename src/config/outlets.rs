//! `[outlets]` of `bot.toml`: where questions are published whose patrons agree to it.
//!
//! **Invariant:** without this section nothing is published anywhere.

use std::path::PathBuf;

use crate::config::reader::{Faults, Sections};
use crate::config::{Password, is_service_address};
use crate::desk::{Network, Settings, grammar};
use crate::networks::facebook;

/// The keys of the section.
pub(super) const KEYS: &[&str] = &[
    "timeline",
    "hashtag",
    "atom_file",
    "atom_id",
    "facebook_page",
    "facebook_token_env",
    "facebook_token_file",
    "facebook_service",
];

/// The longest hashtag: it must leave room in a post.
const HASHTAG_CHARS_MAX: usize = 40;

/// The longest identifier of a feed.
const ATOM_ID_BYTES_MAX: usize = 200;

/// The Page on which the desk publishes questions.
#[derive(Clone, Debug, PartialEq)]
pub struct Facebook {
    /// The address of the Graph API.
    pub service: String,
    /// The Page's number.
    pub page: String,
    pub token: Password,
}

/// The feed of published questions.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    /// The file that the desk writes and a web server hands out.
    pub file: PathBuf,
    /// What makes the feed the same wherever it lies: a `tag:` URI, or the feed's address.
    pub id: String,
}

/// What is said of a text that is no hashtag.
pub(super) const NO_HASHTAG: &str = "this cannot be a hashtag";
pub(super) const NO_HASHTAG_HINT: &str =
    "write one word of letters and digits, not of digits alone, such as \"stumper\"";

/// Reads a hashtag, with or without `#`; `None` where it cannot be one.
pub(super) fn hashtag(text: &str) -> Option<String> {
    let tag = text.trim().trim_start_matches('#');
    (grammar::is_hashtag(tag) && tag.chars().count() <= HASHTAG_CHARS_MAX).then(|| tag.to_owned())
}

/// Reads the section. `in_use` tells whether the desk has an account on a network.
pub(super) fn read(
    sections: &Sections<'_>,
    settings: &mut Settings,
    in_use: impl Fn(Network) -> bool,
    faults: &mut Faults,
) -> (Option<Facebook>, Option<Atom>) {
    let mut section = sections.open("outlets");
    let timeline = section.text_list("timeline", faults);
    let hashtag = section.text("hashtag", faults);
    let file = section.text("atom_file", faults);
    let id = section.text("atom_id", faults);
    let page = section.text("facebook_page", faults);
    let env = section.text("facebook_token_env", faults);
    let token_file = section.text("facebook_token_file", faults);
    let service = section.text("facebook_service", faults);
    let whole = section.whole();
    section.close(faults);

    for (name, span) in timeline {
        match Network::named(&name).filter(|network| network.has_timeline()) {
            Some(network) if in_use(network) => drop(settings.outlets.posts.insert(network)),
            Some(_) => faults.add(
                Some(span),
                "the desk has no account on this network",
                "enable it in its own section, or leave it out here",
            ),
            None => faults.add(
                Some(span),
                "there is no timeline of this name",
                "write the networks on whose timelines the desk may post, such as `timeline = [\"bluesky\"]`",
            ),
        }
    }
    if let Some((tag, span)) = hashtag {
        match self::hashtag(&tag) {
            Some(tag) => settings.outlets.hashtag = Some(tag),
            None => faults.add(Some(span), NO_HASHTAG, NO_HASHTAG_HINT),
        }
    }
    let atom = match (file, id) {
        (None, None) => None,
        (Some((file, span)), None) => {
            faults.add(
                Some(span),
                "the feed has no id",
                "add one that nobody else uses and that never changes, such as `atom_id = \"tag:library.example,2026:stumpers\"`",
            );
            Some(Atom { file: PathBuf::from(file), id: String::new() })
        }
        (None, Some((_, span))) => {
            faults.add(
                Some(span),
                "the feed has an id but no file",
                "add `atom_file = \"stumpers.atom\"`, or remove `atom_id`",
            );
            None
        }
        (Some((file, span)), Some((id, id_span))) => {
            if file.trim().is_empty() {
                faults.add(Some(span), "this file has no name", "write one such as \"stumpers.atom\"");
            }
            if !is_atom_id(&id) {
                faults.add(
                    Some(id_span),
                    "this cannot be the id of a feed",
                    "write one such as \"tag:library.example,2026:stumpers\", or the address of the feed",
                );
            }
            Some(Atom { file: PathBuf::from(file), id })
        }
    };
    settings.outlets.feed = atom.is_some();
    let facebook = page.map(|(page, span)| {
        if !facebook::is_id(&page) {
            faults.add(
                Some(span),
                "this is not the number of a Page",
                "write the digits that the Page shows under About, Page transparency",
            );
        }
        let (service, service_span) = service.unzip();
        let service = service.unwrap_or_else(|| facebook::SERVICE.to_owned());
        if !is_service_address(&service) {
            faults.add(
                service_span,
                "this is not the address of a service",
                "leave it out, or write \"https://graph.facebook.com\"",
            );
        }
        settings.outlets.posts.insert(Network::Facebook);
        let file = token_file.map(|(path, span)| (PathBuf::from(path), span));
        let service = service.trim_end_matches('/').to_owned();
        Facebook { service, page, token: Password { env, file, section: whole } }
    });
    (facebook, atom)
}

/// Whether this is a `tag:` URI with an authority, a date and a name, or an `https://` address, of plain signs.
fn is_atom_id(id: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'&' | b'\'' | b'`');
    let tag = || {
        let (authority, rest) = id.strip_prefix("tag:")?.split_once(',')?;
        let (date, name) = rest.split_once(':')?;
        let is_date = !date.is_empty() && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        Some(authority.contains('.') && is_date && !name.is_empty())
    };
    let is_address = id.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    id.len() <= ATOM_ID_BYTES_MAX && id.bytes().all(plain) && (is_address || tag().unwrap_or(false))
}
