//! Fetching secrets from where `bot.toml` says they are.
//!
//! **Invariant:** a secret is never printed, logged, part of an error, or kept in a plain `String`
//! longer than it takes to wrap it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::config::Password;
use crate::fault::Fault;

/// The name of the systemd credential with the password for Bluesky.
const BLUESKY_CREDENTIAL: &str = "bluesky_password";

/// The longest password file that is read.
const SECRET_BYTES_MAX: u64 = 4_096;

/// Why a secret could not be had: what, where in `bot.toml`, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Missing {
    pub what: &'static str,
    pub span: Option<Range<usize>>,
    pub hint: String,
}

impl Missing {
    /// As a fault of the configuration in `file`.
    pub fn fault(self, file: &Path) -> Fault {
        Fault::error(&file.display().to_string(), self.span, self.what).with_hint(self.hint)
    }
}

/// What is said where the secret of one network cannot be had.
#[derive(Clone, Copy)]
struct Words {
    /// The name of the systemd credential.
    credential: &'static str,
    /// The usual name of the environment variable.
    variable: &'static str,
    nowhere: &'static str,
    hint_nowhere: &'static str,
    unreadable: &'static str,
    hint_file: &'static str,
    empty: &'static str,
}

const BLUESKY: Words = Words {
    credential: BLUESKY_CREDENTIAL,
    variable: "STUMPER_BLUESKY_PASSWORD",
    nowhere: "Bluesky is enabled but nothing says where its password is",
    hint_nowhere: "add `password_env = \"STUMPER_BLUESKY_PASSWORD\"` and set that variable to an app password",
    unreadable: "the file with the password cannot be read",
    hint_file: "it must hold the app password and nothing else, readable by the user that runs Stumper",
    empty: "the password is empty",
};

const FACEBOOK: Words = Words {
    credential: "facebook_token",
    variable: "STUMPER_FACEBOOK_TOKEN",
    nowhere: "a Facebook Page is named but nothing says where its token is",
    hint_nowhere: "add `facebook_token_env = \"STUMPER_FACEBOOK_TOKEN\"` and set that variable to the Page's token",
    unreadable: "the file with the token cannot be read",
    hint_file: "it must hold the Page's token and nothing else, readable by the user that runs Stumper",
    empty: "the token is empty",
};

/// The password for Bluesky: from the environment variable that `password_env` names, else the file
/// that `password_file` names, else the systemd credential `bluesky_password`. `env` reads a
/// variable of the environment.
///
/// # Errors
///
/// Where there is none: what, and what to do.
pub fn bluesky_password(
    password: &Password,
    env: impl Fn(&str) -> Option<String>,
) -> Result<SecretString, Missing> {
    fetch(password, env, BLUESKY)
}

/// The token of the Facebook Page, in the same places: `facebook_token_env`, `facebook_token_file`, the
/// systemd credential `facebook_token`.
///
/// # Errors
///
/// Where there is none: what, and what to do.
pub fn facebook_token(
    token: &Password,
    env: impl Fn(&str) -> Option<String>,
) -> Result<SecretString, Missing> {
    fetch(token, env, FACEBOOK)
}

fn fetch(
    password: &Password,
    env: impl Fn(&str) -> Option<String>,
    words: Words,
) -> Result<SecretString, Missing> {
    if let Some((name, span)) = &password.env {
        let name_shown = printable(name, words.variable);
        let hint = format!("set it for the user that runs Stumper: `export {name_shown}=…`");
        return match env(name) {
            Some(secret) => wrap(&secret, Some(span), words.empty, &hint),
            None => {
                Err(Missing { what: "this environment variable is not set", span: Some(span.clone()), hint })
            }
        };
    }
    if let Some((path, span)) = &password.file {
        return read(path, Some(span), words);
    }
    match env("CREDENTIALS_DIRECTORY") {
        Some(folder) => read(&PathBuf::from(folder).join(words.credential), password.section.as_ref(), words),
        None => Err(Missing {
            what: words.nowhere,
            span: password.section.clone(),
            hint: words.hint_nowhere.to_owned(),
        }),
    }
}

fn read(path: &Path, span: Option<&Range<usize>>, words: Words) -> Result<SecretString, Missing> {
    let hint = words.hint_file;
    let small = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= SECRET_BYTES_MAX);
    match std::fs::read_to_string(path) {
        Ok(secret) if small => wrap(&secret, span, words.empty, hint),
        Ok(_) | Err(_) => Err(Missing { what: words.unreadable, span: span.cloned(), hint: hint.to_owned() }),
    }
}

fn wrap(
    secret: &str,
    span: Option<&Range<usize>>,
    empty: &'static str,
    hint: &str,
) -> Result<SecretString, Missing> {
    let secret = secret.trim();
    if secret.is_empty() {
        return Err(Missing { what: empty, span: span.cloned(), hint: hint.to_owned() });
    }
    Ok(SecretString::from(secret))
}

/// The name of a variable, or a stand-in where it may be a password written in the wrong place.
fn printable<'n>(name: &'n str, usual_name: &'n str) -> &'n str {
    let usual = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if usual { name } else { usual_name }
}
