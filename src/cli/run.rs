//! `stumper run`: open the desk.
//!
//! What can be refused is refused first, in one clear message; then the page is served; then the
//! networks are joined, which may take long or fail without closing the desk.
//!
//! **Invariant:** a desk with broken rules or without its database never opens, and one that is told
//! to stop ends with everything written down.

#[cfg(unix)]
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::cli::check;
use crate::cli::output::{self, Problem};
use crate::cli::render::Colour;
use crate::cli::rulebook::{self, Rulebook};
use crate::cli::{Exit, reach};
use crate::config::x::LogIn;
use crate::config::{Config, secrets};
use crate::engine::control::{self, ControlFile};
use crate::engine::feed::Feed;
use crate::engine::reload::RulesFolder;
use crate::engine::{self, Engine};
use crate::networks::{self, Connector, http, sandbox};
use crate::subjects::Subjects;
use crate::web;

/// The name of the desk's own account on the sandbox.
pub(super) const SANDBOX_HANDLE: &str = "desk";

/// The file of the sandbox's posts inside the data folder.
const SANDBOX_FILE: &str = "sandbox.jsonl";

/// The file inside the data folder that keeps the log-in to Bluesky.
const BLUESKY_SESSION_FILE: &str = "bluesky-session.json";

pub(super) async fn run(path: &Path) -> Result<Exit, Problem> {
    let mut signals = Signals::listen()?;
    let config = check::usable_config(path)?;
    if !rulebook::is_there(&config.rules) {
        // Told before anything is begun.
        usable(rulebook::read(&config.rules))?;
    }
    if let Some(other) = reach::running(&config.data).await {
        return Err(Problem::new(
            "this desk runs already",
            format!(
                "its page is at http://{}/; to start it anew, end the other `stumper` first",
                other.address
            ),
        ));
    }
    let (listener, address) = bind(config.listen).await?;
    let rules = RulesFolder::new(config.rules.clone(), rulebook::reread);
    let reading = rulebook::begin(&config.rules);
    let store = reach::open_store(&config.data)?;
    let subjects = usable(reading.finish())?;
    let sandbox = open_sandbox(&config)?;
    let connectors = connectors(&config, path, sandbox.as_ref())?;
    let engine = Arc::new(Engine::new(store, subjects, config.settings.clone()));
    let control = ControlFile::create(&config.data, address).map_err(|error| {
        Problem::unexpected(format!("the data folder cannot be written to: {}", error.kind()))
    })?;
    let more = control::router(engine.clone(), &control, config.data.clone());
    let closing = watch::Sender::new(false);
    let mut closed = closing.subscribe();
    let until_closing = async move { drop(closed.wait_for(|closing| *closing).await) };
    let mut page = tokio::spawn(web::serve(listener, web::App { sandbox, more }, until_closing));
    output::data(&format!("The desk's page is at http://{address}/\n"))?;

    let mut running = engine::start(&engine, connectors, config.data.clone());
    running.watch_rules(&engine, rules);
    if let Some(atom) = &config.atom {
        running.write_feed(&engine, Feed { file: atom.file.clone(), id: atom.id.clone() });
    }
    let exit = tokio::select! {
        () = signals.stop(&engine) => {
            info!("The desk stops");
            Exit::Fine
        }
        () = engine.stuck() => {
            error!("The database takes nothing more. The desk ends; start it again when the disk is in order");
            Exit::Unexpected
        }
        _ = &mut page => {
            error!("The page ended by itself. The desk ends");
            Exit::Unexpected
        }
    };
    ControlFile::remove(&config.data);
    closing.send_replace(true);
    let ended = async {
        running.stop().await;
        if !page.is_finished() {
            page.await.ok();
        }
    };
    tokio::select! {
        () = ended => {}
        () = signals.stop(&engine) => warn!("Asked to stop a second time: not waiting for calls in hand"),
    }
    engine.store().close().await.map_err(|error| Problem::unexpected(error.to_string()))?;
    Ok(exit)
}

/// The rules, or all that keeps them from being used, told to the user.
fn usable(rulebook: Rulebook) -> Result<Subjects, Problem> {
    if rulebook.is_usable() {
        let warnings = rulebook.faults.len();
        if warnings > 0 {
            warn!(warnings, "The rules have {warnings} faults that do no harm; see `stumper check`");
        }
        return Ok(rulebook.subjects);
    }
    output::note(rulebook.show(Colour::of_stderr()).trim_end());
    output::note("");
    Err(Problem::new("with these rules the desk does not open", "mend them until `stumper check` is content"))
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Problem> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            return Problem::new(
                format!("another program uses {address} already"),
                "end it if it is another desk, or set another port with `listen` in `[web]` of `bot.toml`",
            );
        }
        Problem::new(
            format!("the desk's page cannot listen at {address}: {}", error.kind()),
            "set another address with `listen` in `[web]` of `bot.toml`",
        )
    })?;
    let address = listener.local_addr().unwrap_or(address);
    Ok((listener, address))
}

fn open_sandbox(config: &Config) -> Result<Option<Arc<sandbox::Sandbox>>, Problem> {
    if !config.sandbox {
        return Ok(None);
    }
    let sandbox =
        sandbox::Sandbox::open(&config.data.join(SANDBOX_FILE), SANDBOX_HANDLE).map_err(|error| {
            Problem::new(
                format!("the sandbox cannot be opened: {error}"),
                "mend the file, or move it away to begin with an empty sandbox",
            )
        })?;
    Ok(Some(Arc::new(sandbox)))
}

fn connectors(
    config: &Config,
    path: &Path,
    sandbox: Option<&Arc<sandbox::Sandbox>>,
) -> Result<Vec<Arc<Connector>>, Problem> {
    let sandbox = sandbox.map(|sandbox| Connector::Sandbox(sandbox::Connector::new(sandbox.clone())));
    Ok(sandbox
        .into_iter()
        .chain(bluesky(config, path)?)
        .chain(mastodon(config, path)?)
        .chain(x(config, path)?)
        .chain(facebook(config, path)?)
        .map(Arc::new)
        .collect())
}

/// The connector to Bluesky, where it is enabled. `path` is the configuration's, for faults about it.
pub(super) fn bluesky(config: &Config, path: &Path) -> Result<Option<Connector>, Problem> {
    let Some(bluesky) = &config.bluesky else { return Ok(None) };
    let password = secrets::bluesky_password(&bluesky.password, |name| std::env::var(name).ok());
    let password = password.map_err(|missing| check::tell(missing.fault(path), path))?;
    reach::make_folder(&config.data)?;
    let http = http::client().map_err(|error| Problem::unexpected(error.to_string()))?;
    let session_file = config.data.join(BLUESKY_SESSION_FILE);
    let mut settings =
        networks::bluesky::Settings::new(&bluesky.service, &bluesky.identifier, password, session_file)
            .with_poll(bluesky.poll)
            .with_hashtags(bluesky.hashtags.clone());
    if let Some(chat_service) = &bluesky.chat_service {
        settings = settings.with_chat_service(chat_service);
    }
    Ok(Some(Connector::Bluesky(networks::bluesky::Connector::new(settings, http))))
}

/// The connector to the Facebook Page, where there is one.
pub(super) fn facebook(config: &Config, path: &Path) -> Result<Option<Connector>, Problem> {
    let Some(facebook) = &config.facebook else { return Ok(None) };
    let token = secrets::facebook_token(&facebook.token, |name| std::env::var(name).ok());
    let token = token.map_err(|missing| check::tell(missing.fault(path), path))?;
    let http = http::client().map_err(|error| Problem::unexpected(error.to_string()))?;
    let (service, page) = (facebook.service.clone(), facebook.page.clone());
    let settings = networks::facebook::Settings { service, page, token };
    Ok(Some(Connector::Facebook(networks::facebook::Connector::new(settings, http))))
}

/// The connector to X, where it is enabled.
pub(super) fn x(config: &Config, path: &Path) -> Result<Option<Connector>, Problem> {
    let Some(settings) = x_settings(config, path)? else { return Ok(None) };
    reach::make_folder(&config.data)?;
    let http = http::client().map_err(|error| Problem::unexpected(error.to_string()))?;
    Ok(Some(Connector::X(Box::new(networks::x::Connector::new(settings, http)))))
}

/// What the connector to X must know, with its secrets.
pub(super) fn x_settings(config: &Config, path: &Path) -> Result<Option<networks::x::Settings>, Problem> {
    let Some(x) = &config.x else { return Ok(None) };
    let secrets = secrets::x_secrets(&x.secrets, |name| std::env::var(name).ok());
    let secrets = secrets.map_err(|missing| check::tell(missing.fault(path), path))?;
    let parts: Vec<&str> = secrets.expose_secret().split_whitespace().collect();
    let log_in = match (&x.log_in, parts.as_slice()) {
        (LogIn::Keys, [consumer_key, consumer_secret, token, token_secret]) => {
            networks::x::LogIn::Keys(networks::x::Keys {
                consumer_key: (*consumer_key).into(),
                consumer_secret: (*consumer_secret).into(),
                token: (*token).into(),
                token_secret: (*token_secret).into(),
            })
        }
        (LogIn::App { client_id, .. }, [client_secret]) => networks::x::LogIn::App(networks::x::App {
            client_id: client_id.clone(),
            client_secret: (*client_secret).into(),
        }),
        (LogIn::Keys, _) => {
            return Err(Problem::new(
                "the secrets for X are not the four keys",
                "they are consumer key, consumer secret, access token and access token secret, in this order, \
                 with spaces or line ends between them",
            ));
        }
        (LogIn::App { .. }, _) => {
            return Err(Problem::new(
                "the secrets for X are more than one",
                "with `log_in = \"app\"` it is the client secret alone",
            ));
        }
    };
    Ok(Some(networks::x::Settings {
        service: x.service.clone(),
        poll: x.poll,
        poll_messages: x.poll_messages,
        field_names: x.field_names,
        ask_for_authors: x.ask_for_authors,
        prices: x.prices,
        ..networks::x::Settings::new(log_in, &config.data)
    }))
}

/// The connector to a server of the Mastodon API, where it is enabled.
pub(super) fn mastodon(config: &Config, path: &Path) -> Result<Option<Connector>, Problem> {
    let Some(mastodon) = &config.mastodon else { return Ok(None) };
    let token = secrets::mastodon_token(&mastodon.token, |name| std::env::var(name).ok());
    let token = token.map_err(|missing| check::tell(missing.fault(path), path))?;
    let http = http::client().map_err(|error| Problem::unexpected(error.to_string()))?;
    let settings = networks::mastodon::Settings::new(&mastodon.server, token)
        .with_poll(mastodon.poll)
        .with_streaming(mastodon.streaming.clone())
        .with_hashtags(mastodon.hashtags.clone());
    Ok(Some(Connector::Mastodon(Box::new(networks::mastodon::Connector::new(settings, http)))))
}

/// Ctrl-C, and what service managers send.
struct Signals {
    /// Whether somebody sat at a terminal when the desk was started.
    #[cfg(unix)]
    has_terminal: bool,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn has_terminal() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Signals, Problem> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| Problem::unexpected(format!("cannot listen to signals: {error}")))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            has_terminal: has_terminal(),
        })
    }

    /// Waits until the desk is to stop. Meanwhile, SIGHUP has the rules read again.
    async fn stop(&mut self, engine: &Engine) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    // The same signal says that the terminal was closed, and the desk ends with it.
                    if self.has_terminal && !has_terminal() {
                        return;
                    }
                    engine.reread_rules();
                }
            }
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Signals, Problem> {
        Ok(Signals {})
    }

    async fn stop(&mut self, _: &Engine) {
        // An error means that Ctrl-C can never be heard; then the desk runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
