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

/// The name of the systemd credential with the secrets for X.
const X_CREDENTIAL: &str = "x_secrets";
/// The name of the systemd credential with the access token for Mastodon.
const MASTODON_CREDENTIAL: &str = "mastodon_token";

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

/// The password for Bluesky: from the environment variable that `password_env` names, else the file
/// that `password_file` names, else the systemd credential `bluesky_password`. `env` reads a
/// variable of the environment.
pub fn bluesky_password(
    password: &Password,
    env: impl Fn(&str) -> Option<String>,
) -> Result<SecretString, Missing> {
    let unsaid = Missing {
        what: "Bluesky is enabled but nothing says where its password is",
        span: password.section.clone(),
        hint: "add `password_env = \"STUMPER_BLUESKY_PASSWORD\"` and set that variable to an app password"
            .to_owned(),
    };
    secret(password, env, BLUESKY_CREDENTIAL, unsaid)
}

/// The access token for a server of the Mastodon API: from the environment variable that `token_env`
/// names, else the file that `token_file` names, else the systemd credential `mastodon_token`.
pub fn mastodon_token(
    token: &Password,
    env: impl Fn(&str) -> Option<String>,
) -> Result<SecretString, Missing> {
    let unsaid = Missing {
        what: "Mastodon is enabled but nothing says where its access token is",
        span: token.section.clone(),
        hint: "add `token_env = \"STUMPER_MASTODON_TOKEN\"` and set that variable to the access token"
            .to_owned(),
    };
    secret(token, env, MASTODON_CREDENTIAL, unsaid)
}

fn secret(
    password: &Password,
    env: impl Fn(&str) -> Option<String>,
    credential: &str,
    unsaid: Missing,
) -> Result<SecretString, Missing> {
    if let Some((name, span)) = &password.env {
        let hint = format!("set it for the user that runs Stumper: `export {}=…`", printable(name));
        return match env(name) {
            Some(secret) => wrap(&secret, Some(span), &hint),
            None => {
                Err(Missing { what: "this environment variable is not set", span: Some(span.clone()), hint })
            }
        };
    }
    if let Some((path, span)) = &password.file {
        return read(path, Some(span));
    }
    match env("CREDENTIALS_DIRECTORY") {
        Some(folder) => read(&PathBuf::from(folder).join(credential), password.section.as_ref()),
        None => Err(unsaid),
    }
}

/// The secrets for X, in one text: from the environment variable that `secrets_env` names, else the file
/// that `secrets_file` names, else the systemd credential `x_secrets`.
pub fn x_secrets(secrets: &Password, env: impl Fn(&str) -> Option<String>) -> Result<SecretString, Missing> {
    let hint = "it must hold the secrets that `log_in` needs, with spaces or line ends between them";
    if let Some((name, span)) = &secrets.env {
        let span = Some(span);
        return match env(name) {
            Some(secret) => wrap(&secret, span, hint),
            None => Err(Missing {
                what: "this environment variable is not set",
                span: span.cloned(),
                hint: "set it for the user that runs Stumper".to_owned(),
            }),
        };
    }
    if let Some((path, span)) = &secrets.file {
        return read(path, Some(span));
    }
    match env("CREDENTIALS_DIRECTORY") {
        Some(folder) => read(&PathBuf::from(folder).join(X_CREDENTIAL), secrets.section.as_ref()),
        None => Err(Missing {
            what: "X is enabled but nothing says where its secrets are",
            span: secrets.section.clone(),
            hint: "add `secrets_env = \"STUMPER_X_SECRETS\"` and set that variable".to_owned(),
        }),
    }
}

fn read(path: &Path, span: Option<&Range<usize>>) -> Result<SecretString, Missing> {
    let hint = "it must hold the password or token and nothing else, readable by the user that runs Stumper";
    let small = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= SECRET_BYTES_MAX);
    match std::fs::read_to_string(path) {
        Ok(secret) if small => wrap(&secret, span, hint),
        Ok(_) | Err(_) => Err(Missing {
            what: "the file with the password cannot be read",
            span: span.cloned(),
            hint: hint.to_owned(),
        }),
    }
}

fn wrap(secret: &str, span: Option<&Range<usize>>, hint: &str) -> Result<SecretString, Missing> {
    let secret = secret.trim();
    if secret.is_empty() {
        return Err(Missing { what: "the password is empty", span: span.cloned(), hint: hint.to_owned() });
    }
    Ok(SecretString::from(secret))
}

/// The name of a variable, or a stand-in where it may be a password written in the wrong place.
fn printable(name: &str) -> &str {
    let usual = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if usual { name } else { "STUMPER_SECRET" }
}
