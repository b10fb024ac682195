//! The sandbox over HTTP: its page, and the interface in JSON that the page uses.
//!
//! Whoever asks says who they are with `as`; on the sandbox that is believed. Nobody can be the desk.
//!
//! **Invariant:** what is answered is only what the person named by `as` may see, and every list, body
//! and stream has a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::clock;
use crate::desk::{Confidential, Visibility};
use crate::networks::sandbox::{
    Change, Changed, Entry, Gone, Handle, Post, Posts, Sandbox, Saying, Thread, Trouble,
};
use crate::web::{Refused, Shared, page};

/// The largest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How much of a larger body is taken and thrown away, so that its sender hears why it was refused
/// instead of meeting a closed connection.
const BODY_DRAINED_MAX: usize = 16 * 1024 * 1024;

/// How many people one post can be sent to by name, beside those the text mentions.
const ADDRESSEES_MAX: usize = 20;

/// How many people one question for unread posts can be about.
const PEOPLE_MAX: usize = 30;

/// How many streams of changes are open at a time.
const STREAMS_MAX: usize = 128;

/// How often a quiet stream says that it is alive.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(20);

/// The longest language tag that is taken, in bytes.
const LANGUAGE_LENGTH_MAX: usize = 35;

static STREAMS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(STREAMS_MAX)));

/// The sandbox's pages.
pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(page::sandbox))
        .route("/sandbox.css", get(|| asset("text/css; charset=utf-8", include_str!("sandbox.css"))))
        .route("/sandbox.js", get(|| asset("text/javascript; charset=utf-8", include_str!("sandbox.js"))))
        .route("/sandbox.svg", get(|| asset("image/svg+xml", include_str!("sandbox.svg"))))
        .route("/sandbox/timeline", get(timeline))
        .route("/sandbox/inbox", get(inbox))
        .route("/sandbox/thread/{id}", get(thread))
        .route("/sandbox/unread", get(unread))
        .route("/sandbox/posts", post(say))
        .route("/sandbox/posts/{id}", delete(remove))
        .route("/sandbox/events", get(events))
        .with_state(shared)
}

/// Who asks, and from where a list goes on.
#[derive(Debug, Deserialize)]
struct Asking {
    r#as: Option<String>,
    /// Only threads before this post.
    before: Option<u64>,
}

impl Asking {
    fn reader(&self, sandbox: &Sandbox) -> Result<Handle, Refused> {
        person(self.r#as.as_deref().unwrap_or_default(), sandbox)
    }
}

/// A person by the name they gave.
fn person(name: &str, sandbox: &Sandbox) -> Result<Handle, Refused> {
    let wrong = "Say who you are: a name of a-z, 0-9, `_`, `.` and `-`, at most 30 of them.";
    let handle = Handle::parse(name).ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, wrong))?;
    if handle == *sandbox.desk() {
        return Err(Trouble::DeskHandle.into());
    }
    Ok(handle)
}

async fn timeline(
    State(sandbox): State<Arc<Sandbox>>,
    Query(asking): Query<Asking>,
) -> Result<Json<ShownList>, Refused> {
    let reader = asking.reader(&sandbox)?;
    let posts = sandbox.posts();
    let threads = posts.timeline(&reader, asking.before.unwrap_or(u64::MAX));
    Ok(Json(Showing::new(&sandbox, &posts, &reader).list(&threads)))
}

async fn inbox(
    State(sandbox): State<Arc<Sandbox>>,
    Query(asking): Query<Asking>,
) -> Result<Json<ShownList>, Refused> {
    let reader = asking.reader(&sandbox)?;
    let posts = sandbox.posts();
    let threads = posts.inbox(&reader, asking.before.unwrap_or(u64::MAX));
    Ok(Json(Showing::new(&sandbox, &posts, &reader).list(&threads)))
}

async fn thread(
    State(sandbox): State<Arc<Sandbox>>,
    Path(id): Path<u64>,
    Query(asking): Query<Asking>,
) -> Result<Json<ShownThread>, Refused> {
    let reader = asking.reader(&sandbox)?;
    let posts = sandbox.posts();
    let entries = posts.readable(&reader, id).map(|post| (post.root, posts.thread(&reader, post.root)));
    let Some((root, entries)) = entries else {
        return Err(Refused::new(StatusCode::NOT_FOUND, "There is no such post."));
    };
    let thread = Thread { root, newest: id, posts: entries };
    Ok(Json(Showing::new(&sandbox, &posts, &reader).thread(&thread)))
}

/// `who=ann:17,ben:0`: for each of these people, what came for them after that post.
#[derive(Debug, Deserialize)]
struct Counting {
    who: String,
}

#[derive(Debug, Serialize)]
struct ShownUnread {
    posts: usize,
    invitations: usize,
    answers: usize,
    known: bool,
    newest: Option<String>,
}

async fn unread(
    State(sandbox): State<Arc<Sandbox>>,
    Query(counting): Query<Counting>,
) -> Result<Json<BTreeMap<String, ShownUnread>>, Refused> {
    let posts = sandbox.posts();
    let mut found = BTreeMap::new();
    for one in counting.who.split(',').take(PEOPLE_MAX) {
        let (name, after) = one.split_once(':').unwrap_or((one, "0"));
        let reader = person(name, &sandbox)?;
        let unread = posts.unread(&reader, after.parse().unwrap_or(0));
        let shown = ShownUnread {
            posts: unread.posts,
            invitations: unread.invitations,
            answers: unread.answers,
            known: unread.known,
            newest: unread.newest.map(|id| id.to_string()),
        };
        found.insert(reader.as_str().to_owned(), shown);
    }
    Ok(Json(found))
}

/// A post as the page sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPost {
    r#as: String,
    text: String,
    visibility: Audience,
    #[serde(default)]
    to: Vec<String>,
    in_reply_to: Option<String>,
    language: Option<String>,
    key: Option<String>,
}

/// Who sees a post. The sandbox has no followers.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Audience {
    Public,
    Unlisted,
    Direct,
}

impl Audience {
    fn visibility(self) -> Visibility {
        match self {
            Audience::Public => Visibility::Public,
            Audience::Unlisted => Visibility::Unlisted,
            Audience::Direct => Visibility::Direct,
        }
    }
}

/// Where a new post is.
#[derive(Debug, Serialize)]
struct ShownPlace {
    id: String,
    root: String,
}

async fn say(
    State(sandbox): State<Arc<Sandbox>>,
    request: axum::extract::Request,
) -> Result<(StatusCode, Json<ShownPlace>), Refused> {
    let new = read_post(request).await?;
    let bad = |why| Refused::new(StatusCode::BAD_REQUEST, why);
    let author = person(&new.r#as, &sandbox)?;
    if new.to.len() > ADDRESSEES_MAX {
        return Err(bad("A message can be sent to 20 people at most."));
    }
    let to: Option<BTreeSet<Handle>> = new.to.iter().map(|name| Handle::parse(name)).collect();
    let to = to.ok_or_else(|| bad("One of those you send this to does not have a proper name."))?;
    let in_reply_to = match new.in_reply_to {
        Some(id) => Some(id.parse().map_err(|_| Refused::from(Trouble::NoSuchPost))?),
        None => None,
    };
    let language = new.language.filter(|tag| !tag.is_empty());
    let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if language.as_ref().is_some_and(|tag| tag.len() > LANGUAGE_LENGTH_MAX || !tag.bytes().all(is_tag)) {
        return Err(bad("The language is not a language tag, such as `en`."));
    }
    let saying = Saying {
        author,
        text: Confidential::new(new.text),
        visibility: new.visibility.visibility(),
        to,
        in_reply_to,
        language,
        key: new.key,
    };
    let placed = sandbox.say(saying, clock::now()).await?;
    let shown = ShownPlace { id: placed.id.to_string(), root: placed.root.to_string() };
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn remove(
    State(sandbox): State<Arc<Sandbox>>,
    Path(id): Path<u64>,
    Query(asking): Query<Asking>,
) -> Result<StatusCode, Refused> {
    let author = asking.reader(&sandbox)?;
    sandbox.delete(&author, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the body of a new post.
async fn read_post(request: axum::extract::Request) -> Result<NewPost, Refused> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send a post as application/json."));
    }
    let body = read_body(request.into_body()).await?;
    // The error's own text may quote the post, so only its place is told.
    serde_json::from_slice(&body).map_err(|error| {
        let why = format!("This is not a post, from column {} of line {}.", error.column(), error.line());
        Refused::new(StatusCode::BAD_REQUEST, why)
    })
}

async fn read_body(body: Body) -> Result<Vec<u8>, Refused> {
    let mut chunks = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Some(chunk) = chunks.next().await {
        let broken = |_| Refused::new(StatusCode::BAD_REQUEST, "The post broke off on its way.");
        let chunk = chunk.map_err(broken)?;
        seen += chunk.len();
        if seen <= BODY_BYTES_MAX {
            kept.extend_from_slice(&chunk);
        }
        if seen > BODY_DRAINED_MAX {
            break;
        }
    }
    if seen > BODY_BYTES_MAX {
        return Err(Refused { status: StatusCode::PAYLOAD_TOO_LARGE, why: Trouble::TooLong.to_string() });
    }
    Ok(kept)
}

/// Tells of changes that the reader may know of. It only wakes the page up: what there is to see is
/// read from the lists.
async fn events(State(shared): State<Shared>, Query(asking): Query<Asking>) -> Result<Response, Refused> {
    let reader = asking.reader(&shared.sandbox)?;
    let many = |_| Refused::new(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open. Close some.");
    let permit = Arc::clone(&STREAMS).try_acquire_owned().map_err(many)?;
    let listening = Listening {
        changes: shared.sandbox.changes(),
        ending: shared.ending,
        reader,
        is_over: false,
        _permit: permit,
    };
    Ok(Sse::new(told(listening)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY)).into_response())
}

/// One open stream.
struct Listening {
    changes: broadcast::Receiver<Change>,
    ending: watch::Receiver<bool>,
    reader: Handle,
    is_over: bool,
    /// Held as long as the stream is open.
    _permit: OwnedSemaphorePermit,
}

/// What a stream tells.
#[derive(Debug)]
enum Told {
    Changed(Change),
    /// Changes were missed: read everything anew.
    Reload,
    /// The desk is stopping.
    End,
}

impl Listening {
    /// The next thing to tell the reader; `None` when the stream is over.
    async fn next(&mut self) -> Option<Told> {
        if self.is_over {
            return None;
        }
        loop {
            let change = tokio::select! {
                biased;
                // An error means that nobody will ever end the streams, which is as with `router`.
                Ok(_) = self.ending.wait_for(|over| *over) => {
                    self.is_over = true;
                    return Some(Told::End);
                }
                change = self.changes.recv() => change,
            };
            match change {
                Ok(change) if change.post.is_visible_to(&self.reader) => return Some(Told::Changed(change)),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(Told::Reload),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn told(listening: Listening) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(listening, async |mut listening| Some((Ok(event(listening.next().await?)), listening)))
}

fn event(told: Told) -> Event {
    let (name, data) = match told {
        Told::Changed(Change { post, what: Changed::Posted }) => ("posted", post.id.to_string()),
        Told::Changed(Change { post, what: Changed::Deleted }) => ("deleted", post.id.to_string()),
        Told::Reload => ("reload", "reload".to_owned()),
        Told::End => ("end", "end".to_owned()),
    };
    Event::default().event(name).data(data)
}

/// A page of threads.
#[derive(Debug, Serialize)]
struct ShownList {
    threads: Vec<ShownThread>,
    /// What to ask for as `before` to go on; `None` at the end.
    before: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownThread {
    root: String,
    posts: Vec<ShownPost>,
}

/// One post, or the gap where one was. Ids are texts because scripts cannot count that far.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ShownPost {
    Post(Box<ShownWords>),
    Gone { id: String, in_reply_to: Option<String>, gone: bool },
}

#[derive(Debug, Serialize)]
struct ShownWords {
    id: String,
    author: String,
    by_desk: bool,
    bot: bool,
    text: String,
    visibility: Visibility,
    to: Vec<String>,
    in_reply_to: Option<String>,
    language: Option<String>,
    created_at: jiff::Timestamp,
    /// What the desk wrote it for.
    purpose: Option<crate::desk::Purpose>,
    /// Whether it is for the reader.
    for_you: bool,
}

/// Turns what is stored into what one reader is shown.
struct Showing<'a> {
    sandbox: &'a Sandbox,
    posts: &'a Posts,
    reader: &'a Handle,
}

impl<'a> Showing<'a> {
    fn new(sandbox: &'a Sandbox, posts: &'a Posts, reader: &'a Handle) -> Showing<'a> {
        Showing { sandbox, posts, reader }
    }

    fn list(&self, threads: &[Thread]) -> ShownList {
        let is_full = threads.len() == crate::networks::sandbox::posts::PAGE_MAX;
        ShownList {
            threads: threads.iter().map(|thread| self.thread(thread)).collect(),
            before: threads.last().filter(|_| is_full).map(|thread| thread.newest.to_string()),
        }
    }

    fn thread(&self, thread: &Thread) -> ShownThread {
        let posts = thread.posts.iter().map(|entry| match entry {
            Entry::Post(post) => ShownPost::Post(Box::new(self.words(post))),
            Entry::Gone(Gone { id, in_reply_to, .. }) => ShownPost::Gone {
                id: id.to_string(),
                in_reply_to: in_reply_to.map(|id| id.to_string()),
                gone: true,
            },
        });
        ShownThread { root: thread.root.to_string(), posts: posts.collect() }
    }

    fn words(&self, post: &Post) -> ShownWords {
        ShownWords {
            id: post.id.to_string(),
            author: post.author.as_str().to_owned(),
            by_desk: post.author == *self.sandbox.desk(),
            bot: post.author.is_bot(),
            text: post.text.reveal().to_owned(),
            visibility: post.visibility,
            to: post.to.iter().map(|to| to.as_str().to_owned()).collect(),
            in_reply_to: post.in_reply_to.map(|id| id.to_string()),
            language: post.language.clone(),
            created_at: post.created_at,
            purpose: post.purpose,
            for_you: self.posts.is_for(self.reader, post),
        }
    }
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        let status = match trouble {
            Trouble::Empty | Trouble::KeyTooLong | Trouble::NobodyAddressed | Trouble::WiderThanParent => {
                StatusCode::BAD_REQUEST
            }
            Trouble::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Trouble::NoSuchPost => StatusCode::NOT_FOUND,
            Trouble::NotYours | Trouble::DeskHandle => StatusCode::FORBIDDEN,
            Trouble::Full => StatusCode::INSUFFICIENT_STORAGE,
            Trouble::Busy | Trouble::Disk | Trouble::Closed => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refused::new(status, trouble.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_that_lags_is_told_to_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(&folder.path().join("sandbox.jsonl"), "desk").unwrap();
        let (end, ending) = watch::channel(false);
        let mut listening = Listening {
            changes: sandbox.changes(),
            ending,
            reader: Handle::parse("ben").unwrap(),
            is_over: false,
            _permit: Arc::clone(&STREAMS).try_acquire_owned().unwrap(),
        };
        let saying = |text: &str| Saying {
            author: Handle::parse("ann").unwrap(),
            text: Confidential::new(text),
            visibility: Visibility::Public,
            to: BTreeSet::new(),
            in_reply_to: None,
            language: None,
            key: None,
        };
        sandbox.say(saying("heard"), clock::now()).await.unwrap();
        assert!(matches!(listening.next().await, Some(Told::Changed(_))));
        for _ in 0..1_000 {
            sandbox.say(saying("missed"), clock::now()).await.unwrap();
        }
        assert!(matches!(listening.next().await, Some(Told::Reload)));
        assert!(matches!(listening.next().await, Some(Told::Changed(_))), "and then goes on");
        end.send_replace(true);
        assert!(matches!(listening.next().await, Some(Told::End)));
        assert!(listening.next().await.is_none());
    }
}
