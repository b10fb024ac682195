//! Logging in by OAuth 2.0 with PKCE, for an app that has a secret of its own.
//!
//! A refresh token of X can be used once. So the pair that X gives for it is on the disk before it is
//! used; and where the answer with the new pair is lost, nobody but a person can log in again.
//!
//! **Invariant:** a token is on the disk before it is used, in a file that only its owner can read; no
//! two renewals run at once; no token is printed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::networks::http;
use crate::networks::x::api::{self, Trouble, Why};
use crate::networks::x::oauth1::encoded;
use crate::networks::{Failure, kept};

/// What the desk asks to be allowed.
const SCOPES: &str = "tweet.read tweet.write users.read dm.read dm.write offline.access";

/// The app that acts for the account.
#[derive(Clone)]
pub struct App {
    pub client_id: String,
    pub client_secret: SecretString,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth 2.0 app")
    }
}

/// A log-in that is in use.
pub(super) struct Session {
    access: SecretString,
    refresh: SecretString,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[session]")
    }
}

/// The log-in of one account, shared by everything that calls X.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    current: Mutex<Option<Arc<Session>>>,
}

/// What `/2/oauth2/token` answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
}

/// The session file.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// What it was granted for: another app in the settings makes it useless.
    client_id: String,
    access: String,
    refresh: String,
}

/// Where the coordinator allows the app to act for the account. `verifier` is a secret of 43 to 128
/// letters and digits that is shown to X afterwards, with the code.
pub fn address_to_allow(page: &str, app: &App, redirect: &str, state: &str, verifier: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let query = [
        ("response_type", "code"),
        ("client_id", &app.client_id),
        ("redirect_uri", redirect),
        ("scope", SCOPES),
        ("state", state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    format!("{page}?{}", query.join("&"))
}

/// What X gave the coordinator, and what the desk had shown X before.
#[derive(Clone, Copy)]
pub struct Allowed<'a> {
    /// It can be used once, within 30 seconds.
    pub code: &'a str,
    /// Where X sent the coordinator back to.
    pub redirect: &'a str,
    pub verifier: &'a str,
}

impl fmt::Debug for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[code]")
    }
}

/// Swaps the code that X gave the coordinator for a log-in, and keeps it. X wants that within 30
/// seconds.
///
/// # Errors
///
/// [`Failure::AccountDead`] where X does not take the code; it cannot be used again.
pub async fn log_in(
    http: &reqwest::Client,
    server: &str,
    app: &App,
    session_file: &Path,
    allowed: Allowed<'_>,
) -> Result<(), Failure> {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", allowed.code),
        ("redirect_uri", allowed.redirect),
        ("code_verifier", allowed.verifier),
        ("client_id", &app.client_id),
    ];
    match token(http, server, app, &fields).await {
        Ok(granted) => adopt(granted, app, session_file, None).map(|_| ()),
        Err(Trouble::Refused(no)) if no.why != Why::Stranger => Err(Failure::AccountDead(
            "X does not take the code: begin again, allow within 30 seconds, and check the client id, its secret and the redirect address",
        )),
        Err(trouble) => Err(trouble.when_reading()),
    }
}

impl Sessions {
    /// Forgets the session in use, so that what the file holds is used next: somebody may have logged
    /// in anew.
    pub(super) async fn reread(&self) {
        *self.current.lock().await = None;
    }

    pub(super) async fn current(&self, app: &App, file: &Path) -> Result<Arc<Session>, Failure> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref() {
            return Ok(Arc::clone(session));
        }
        let session = read(app, file)
            .ok_or(Failure::AccountDead("nobody has logged in to X yet: run `stumper network login x`"))?;
        Ok(Arc::clone(current.insert(Arc::new(session))))
    }

    /// A session to use instead of `old`, which X no longer takes. Only the first of several callers
    /// renews it; the others get what it got.
    pub(super) async fn renewed(
        &self,
        http: &reqwest::Client,
        server: &str,
        app: &App,
        file: &Path,
        old: &Session,
    ) -> Result<Arc<Session>, Failure> {
        let mut current = self.current.lock().await;
        let is_new = |session: &&Arc<Session>| session.access.expose_secret() != old.access.expose_secret();
        if let Some(session) = current.as_ref().filter(is_new) {
            return Ok(Arc::clone(session));
        }
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", old.refresh.expose_secret()),
            ("client_id", &app.client_id),
        ];
        let session = match token(http, server, app, &fields).await {
            Ok(granted) => adopt(granted, app, file, Some(old))?,
            Err(Trouble::Refused(no)) if no.why != Why::Stranger => {
                *current = None;
                return Err(Failure::AccountDead("the log-in to X has ended: run `stumper network login x`"));
            }
            Err(trouble) => return Err(trouble.when_reading()),
        };
        Ok(Arc::clone(current.insert(Arc::new(session))))
    }
}

impl Session {
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.access.expose_secret())
    }
}

async fn token(
    http: &reqwest::Client,
    server: &str,
    app: &App,
    fields: &[(&str, &str)],
) -> Result<Granted, Trouble> {
    let body: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let request = http
        .post(format!("{server}/2/oauth2/token"))
        .basic_auth(encoded(&app.client_id), Some(encoded(app.client_secret.expose_secret())))
        .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.join("&"));
    api::judged(&http::ask(request).await.map_err(Trouble::from)?)
}

/// Makes a session of what X granted, once it is on the disk.
fn adopt(granted: Granted, app: &App, file: &Path, old: Option<&Session>) -> Result<Session, Failure> {
    let refresh = granted.refresh_token.or_else(|| old.map(|old| old.refresh.expose_secret().to_owned()));
    let refresh = refresh.ok_or(Failure::AccountDead(
        "X gave a log-in that ends in two hours: allow `offline.access` for the app in X's developer console",
    ))?;
    let stored = Stored { client_id: app.client_id.clone(), access: granted.access_token, refresh };
    let bytes = serde_json::to_vec(&stored).unwrap_or_default();
    if let Err(error) = kept::write(file, &bytes) {
        // The new pair is the only one that X takes now, so that using it unkept would lose it later.
        warn!(kind = ?error.kind(), "The session file for X cannot be written");
        return Err(Failure::AccountDead(
            "the session file cannot be written: mend the data folder, then run `stumper network login x`",
        ));
    }
    info!("The log-in to X was renewed");
    Ok(Session { access: stored.access.into(), refresh: stored.refresh.into() })
}

fn read(app: &App, file: &Path) -> Option<Session> {
    let stored: Stored = serde_json::from_slice(&kept::read(file)?).ok()?;
    (stored.client_id == app.client_id)
        .then(|| Session { access: stored.access.into(), refresh: stored.refresh.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verifier and its challenge are those of RFC 7636, appendix B.
    #[test]
    fn the_address_to_allow_holds_the_challenge_and_not_the_secret() {
        let app = App { client_id: "id:1".to_owned(), client_secret: "secret".into() };
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let address = address_to_allow(
            "https://x.com/i/oauth2/authorize",
            &app,
            "http://127.0.0.1:7366/",
            "s",
            verifier,
        );
        assert!(address.contains("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&"), "{address}");
        assert!(
            address.contains("client_id=id%3A1&redirect_uri=http%3A%2F%2F127.0.0.1%3A7366%2F&"),
            "{address}"
        );
        assert!(!address.contains("secret") && !address.contains(verifier), "{address}");
    }
}
