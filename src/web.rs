//! Looking: the sandbox's page and its interface, and the desk's health, in a browser on this machine.
//!
//! **Invariant:** nothing here is served to another machine or to a page from elsewhere: the listener
//! is on loopback, the name asked for must be one of this machine, and requests that change something
//! must come from our own pages. Nothing here decides anything about a question.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::timeout::TimeoutLayer;

use crate::networks::sandbox::Sandbox;

mod guard;
mod page;
mod sandbox;

/// How long a request may take until its response begins.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// How long open connections have to end when the desk stops.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(3);

/// What the web part shows.
#[derive(Debug, Default)]
pub struct App {
    /// `None` while the sandbox is switched off.
    pub sandbox: Option<Arc<Sandbox>>,
    /// Further pages, under their own paths.
    pub more: Router,
}

/// Why the web part cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the web page is for this machine only, and `{0}` is open to others (hint: use 127.0.0.1)")]
    NotLoopback(SocketAddr),
    #[error("the web page stopped: {0}")]
    Io(#[from] io::Error),
}

/// Serves until `shutdown` is over. Streams are ended then, and connections that do not end by
/// themselves are dropped soon after.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let (end, ending) = watch::channel(false);
    let late = {
        let mut ending = ending.clone();
        async move {
            if ending.wait_for(|over| *over).await.is_ok() {
                tokio::time::sleep(SHUTDOWN_TIME_MAX).await;
            } else {
                std::future::pending::<()>().await;
            }
        }
    };
    let serving = axum::serve(listener, build(app, ending)).with_graceful_shutdown(async move {
        shutdown.await;
        end.send_replace(true);
    });
    tokio::select! {
        served = serving => Ok(served?),
        () = late => Ok(()),
    }
}

/// All pages. Streams from it end only with their connection.
pub fn router(app: App) -> Router {
    build(app, watch::channel(false).1)
}

fn build(app: App, ending: watch::Receiver<bool>) -> Router {
    let pages = match app.sandbox {
        Some(sandbox) => sandbox::router(Shared { sandbox, ending }),
        None => Router::new().route("/", get(page::switched_off)),
    };
    pages
        .route("/health", get(|| async { "ok\n" }))
        .merge(app.more)
        .fallback(|| async { Refused::new(StatusCode::NOT_FOUND, "There is no such page.") })
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME_MAX))
        .layer(axum::middleware::from_fn(guard::guard))
}

/// What the sandbox's pages share.
#[derive(Clone, Debug)]
struct Shared {
    sandbox: Arc<Sandbox>,
    /// Becomes true when the desk stops.
    ending: watch::Receiver<bool>,
}

impl FromRef<Shared> for Arc<Sandbox> {
    fn from_ref(shared: &Shared) -> Arc<Sandbox> {
        Arc::clone(&shared.sandbox)
    }
}

/// A request that was not carried out, told in one sentence.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    why: String,
}

impl Refused {
    fn new(status: StatusCode, why: impl Into<String>) -> Refused {
        Refused { status, why: why.into() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, axum::Json(serde_json::json!({ "error": self.why }))).into_response()
    }
}
