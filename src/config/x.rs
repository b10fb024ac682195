//! The sections of `bot.toml` about X: the account, and what it may cost.
//!
//! **Invariant:** as in `config`: nothing here prints or quotes a line of the file.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::config::reader::{Faults, Sections};
use crate::config::{HOUR, MINUTE, Password, SECOND, is_service_address};
use crate::networks::x::{DOLLAR, FieldNames, POLL, POLL_MESSAGES, Prices, SERVICE};

/// More than any desk should spend on one network in a month.
const MONTHLY_MAX: u64 = 100_000 * DOLLAR;

/// More than one request costs.
const PRICE_MAX: u64 = 100 * DOLLAR;

/// Where X sends the coordinator back after the log-in, unless the file says otherwise.
const REDIRECT: &str = "http://127.0.0.1:7366/";

/// The desk's account on X.
#[derive(Clone, Debug, PartialEq)]
pub struct X {
    /// The address of the API.
    pub service: String,
    pub log_in: LogIn,
    /// Where the secrets are: four for keys, one for an app.
    pub secrets: Password,
    pub poll: Duration,
    pub poll_messages: Duration,
    pub field_names: FieldNames,
    pub ask_for_authors: bool,
    pub prices: Prices,
}

/// How the desk shows that it may act for the account.
#[derive(Clone, Debug, PartialEq)]
pub enum LogIn {
    /// OAuth 1.0a.
    Keys,
    /// OAuth 2.0.
    App { client_id: String, redirect: String },
}

pub(super) fn read(sections: &Sections<'_>, faults: &mut Faults) -> Option<X> {
    let prices = read_prices(sections, faults);
    let mut section = sections.open("network.x");
    let enabled = section.flag("enabled", faults).unwrap_or(false);
    let service = section.text("service", faults);
    let log_in = section.text("log_in", faults);
    let client_id = section.text("client_id", faults);
    let redirect = section.text("redirect", faults);
    let every = |default: Duration| SignedDuration::try_from(default).unwrap_or(MINUTE);
    let poll = section.duration("poll", SECOND..=HOUR, every(POLL), faults);
    let poll_messages = section.duration("poll_messages", MINUTE..=HOUR, every(POLL_MESSAGES), faults);
    let field_names = section.text("field_names", faults);
    let ask_for_authors = section.flag("ask_for_authors", faults).unwrap_or(true);
    let env = section.text("secrets_env", faults);
    let file = section.text("secrets_file", faults).map(|(path, span)| (PathBuf::from(path), span));
    let whole = section.whole();
    section.close(faults);
    if !enabled {
        return None;
    }
    let (service, service_span) = service.unzip();
    let service = service.unwrap_or_else(|| SERVICE.to_owned());
    if !is_service_address(&service) {
        faults.add(service_span, "this is not the address of a service", "write \"https://api.x.com\"");
    }
    let log_in = match log_in {
        None => LogIn::Keys,
        Some((kind, _)) if kind == "keys" => LogIn::Keys,
        Some((kind, _)) if kind == "app" => {
            let (client_id, span) = client_id.unzip();
            let client_id = client_id.unwrap_or_default().trim().to_owned();
            if client_id.is_empty() {
                let hint = "add `client_id = \"…\"` with the client id that X's developer console shows";
                faults.add(span.or(whole.clone()), "the app is not named", hint);
            }
            let (redirect, span) = redirect.unzip();
            let redirect = redirect.unwrap_or_else(|| REDIRECT.to_owned());
            if !is_redirect(&redirect) {
                let hint = format!("write one such as \"{REDIRECT}\", on this computer and with a port");
                faults.add(span, "nobody would hear X there", &hint);
            }
            LogIn::App { client_id, redirect }
        }
        Some((_, span)) => {
            let hint = "write \"keys\" for OAuth 1.0a or \"app\" for OAuth 2.0";
            faults.add(Some(span), "there is no such way to log in", hint);
            LogIn::Keys
        }
    };
    let field_names = match field_names {
        None => FieldNames::Post,
        Some((names, _)) if names == "post" => FieldNames::Post,
        Some((names, _)) if names == "tweet" => FieldNames::Tweet,
        Some((_, span)) => {
            faults.add(Some(span), "X has no such names of fields", "write \"post\" or \"tweet\"");
            FieldNames::Post
        }
    };
    Some(X {
        service: service.trim_end_matches('/').to_owned(),
        log_in,
        secrets: Password { env, file, section: whole },
        poll: poll.unsigned_abs(),
        poll_messages: poll_messages.unsigned_abs(),
        field_names,
        ask_for_authors,
        prices,
    })
}

fn read_prices(sections: &Sections<'_>, faults: &mut Faults) -> Prices {
    let mut section = sections.open("network.budget");
    let usual = Prices::default();
    let mut price = |key, default, faults: &mut Faults| section.dollars(key, PRICE_MAX, default, faults);
    let prices = Prices {
        read_post: price("price_read_post", usual.read_post, faults),
        read_message: price("price_read_message", usual.read_message, faults),
        read_user: price("price_read_user", usual.read_user, faults),
        post: price("price_post", usual.post, faults),
        post_with_address: price("price_post_with_address", usual.post_with_address, faults),
        message: price("price_message", usual.message, faults),
        other: price("price_other", usual.other, faults),
        monthly: section.dollars("monthly_dollars", MONTHLY_MAX, usual.monthly, faults),
    };
    section.close(faults);
    prices
}

/// Whether the desk itself can listen there.
fn is_redirect(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else { return false };
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    url.scheme() == "http" && is_here && url.port().is_some()
}
