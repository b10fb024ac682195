//! The log-in: tokens that are kept over restarts, and renewed when the server no longer takes them.
//!
//! **Invariant:** a token is on the disk before it is used, in a file that only its owner can read;
//! no two renewals run at once; and nobody logs in anew unless the server says that the old log-in
//! has ended, because a server allows few log-ins (30 in five minutes, 300 a day).

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::networks::bluesky::Settings;
use crate::networks::bluesky::xrpc::{self, Call, Trouble};
use crate::networks::{Failure, kept};

/// The largest session file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A log-in that is in use.
pub(super) struct Session {
    pub(super) did: String,
    pub(super) handle: String,
    /// The server that keeps the account, without a slash at the end.
    pub(super) server: String,
    access: SecretString,
    refresh: SecretString,
}

/// The log-in of one account, shared by everything that calls its server.
pub(super) struct Sessions {
    current: Mutex<Option<Arc<Session>>>,
}

/// What `createSession` and `refreshSession` answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    access_jwt: String,
    refresh_jwt: String,
    did: String,
    handle: String,
    #[serde(default)]
    did_doc: Value,
    #[serde(default)]
    active: Option<bool>,
}

/// The session file.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// What it was granted for: another service or account in the settings makes it useless.
    service: String,
    identifier: String,
    did: String,
    handle: String,
    server: String,
    access: String,
    refresh: String,
}

impl Session {
    pub(super) fn access(&self) -> &SecretString {
        &self.access
    }
}

impl Sessions {
    pub(super) fn new() -> Sessions {
        Sessions { current: Mutex::new(None) }
    }

    /// The session in use: the one of the last run where there is one, else a new one.
    pub(super) async fn current(
        &self,
        http: &reqwest::Client,
        settings: &Settings,
    ) -> Result<Arc<Session>, Failure> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref() {
            return Ok(Arc::clone(session));
        }
        let session = match read(settings) {
            Some(session) => session,
            None => log_in(http, settings).await?,
        };
        Ok(Arc::clone(current.insert(Arc::new(session))))
    }

    /// Gives up the kept session, if there is one, for a new one.
    ///
    /// # Errors
    ///
    /// Where logging in fails. The kept session stays in use then.
    pub(super) async fn log_in_again(
        &self,
        http: &reqwest::Client,
        settings: &Settings,
    ) -> Result<(), Failure> {
        let mut current = self.current.lock().await;
        let session = log_in(http, settings).await?;
        *current = Some(Arc::new(session));
        Ok(())
    }

    /// A session to use instead of `old`, which the server no longer takes. Only the first of several
    /// callers renews it; the others get what it got.
    pub(super) async fn renewed(
        &self,
        http: &reqwest::Client,
        settings: &Settings,
        old: &Session,
    ) -> Result<Arc<Session>, Failure> {
        let mut current = self.current.lock().await;
        let renewed = |session: &&Arc<Session>| session.access.expose_secret() != old.access.expose_secret();
        if let Some(session) = current.as_ref().filter(renewed) {
            return Ok(Arc::clone(session));
        }
        let session = renew(http, settings, old).await?;
        Ok(Arc::clone(current.insert(Arc::new(session))))
    }
}

async fn renew(http: &reqwest::Client, settings: &Settings, old: &Session) -> Result<Session, Failure> {
    let call = Call::Bodyless { method: "com.atproto.server.refreshSession" };
    match xrpc::call::<Granted>(http, &old.server, Some(&old.refresh), None, &call).await {
        Ok(granted) => adopt(granted, settings, Some(&old.server)),
        // Only this says that the log-in has ended. Anything else is tried again with the same token,
        // which is safe: the server gives the same successor for two hours.
        Err(Trouble::Refused(no)) if no.is_about_the_token() => {
            info!("The log-in on Bluesky has ended; logging in again");
            log_in(http, settings).await
        }
        Err(trouble) => Err(trouble.when_reading()),
    }
}

async fn log_in(http: &reqwest::Client, settings: &Settings) -> Result<Session, Failure> {
    let body = json!({
        "identifier": settings.identifier,
        "password": settings.password.expose_secret(),
    });
    let call = Call::Procedure { method: "com.atproto.server.createSession", body: body.to_string() };
    match xrpc::call::<Granted>(http, settings.service(), None, None, &call).await {
        Ok(granted) => adopt(granted, settings, None),
        Err(trouble) => Err(trouble.when_reading()),
    }
}

/// Makes a session of what the server granted, once it is on the disk.
fn adopt(granted: Granted, settings: &Settings, server_so_far: Option<&str>) -> Result<Session, Failure> {
    if granted.active == Some(false) {
        return Err(Failure::AccountDead("the account is not active: log in with the app and see why"));
    }
    let server = server_in(&granted.did_doc).or(server_so_far.map(str::to_owned));
    let stored = Stored {
        service: settings.service().to_owned(),
        identifier: settings.identifier.clone(),
        did: granted.did,
        handle: granted.handle,
        server: server.unwrap_or_else(|| settings.service().to_owned()),
        access: granted.access_jwt,
        refresh: granted.refresh_jwt,
    };
    write(&settings.session_file, &stored).map_err(|error| {
        warn!(kind = ?error.kind(), "The session file for Bluesky cannot be written");
        Failure::Transient("the session file cannot be written: check its folder and the space on the disk")
    })?;
    Ok(Session::from(stored))
}

impl From<Stored> for Session {
    fn from(stored: Stored) -> Session {
        Session {
            did: stored.did,
            handle: stored.handle,
            server: stored.server,
            access: SecretString::from(stored.access),
            refresh: SecretString::from(stored.refresh),
        }
    }
}

/// The account's own server, as its identity document names it.
fn server_in(did_doc: &Value) -> Option<String> {
    let services = did_doc.get("service")?.as_array()?;
    let pds = services.iter().find(|service| {
        service.get("id").and_then(Value::as_str).is_some_and(|id| id.ends_with("#atproto_pds"))
    })?;
    let address = pds.get("serviceEndpoint")?.as_str()?.trim_end_matches('/');
    let web = address.starts_with("https://") || address.starts_with("http://");
    web.then(|| address.to_owned())
}

/// The session of the last run; `None` where there is none that fits the settings.
fn read(settings: &Settings) -> Option<Session> {
    let path = &settings.session_file;
    if fs::metadata(path).ok()?.len() > FILE_BYTES_MAX {
        warn!("The session file for Bluesky is no session file; logging in again");
        return None;
    }
    let Ok(stored) = serde_json::from_slice::<Stored>(&fs::read(path).ok()?) else {
        warn!("The session file for Bluesky cannot be read; logging in again");
        return None;
    };
    let fits = stored.service == settings.service() && stored.identifier == settings.identifier;
    fits.then(|| Session::from(stored))
}

fn write(path: &Path, stored: &Stored) -> io::Result<()> {
    kept::write(path, &serde_json::to_vec(stored).map_err(io::Error::other)?)
}
