//! A stand-in for a server of the AT Protocol and for the chat service behind it, with faults that are
//! decided request by request. What the real server does is tested against a real one.
//!
//! **Invariant:** it listens on loopback only, and what it knows ends with it.

#![allow(clippy::unwrap_used, reason = "it is a part of tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub const POSTS: &str = "app.bsky.feed.post";
const DESK: &str = "did:plc:desk";

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It never arrives.
    LostRequest,
    /// It takes effect, and the answer breaks off.
    LostAnswer,
    /// The answer breaks off, and it takes effect after so many seconds.
    Late(i64),
    /// It takes effect, and the answer is a 500, or a page of a proxy with status 200.
    ErrorAfter,
    PageAfter,
    /// 502 with a page of a proxy, 429, or a token that has expired; nothing is done.
    BadGateway,
    TooMany,
    Expired,
    /// A list comes in another order, with its items twice.
    Shuffled,
}

/// A post of anybody's.
#[derive(Clone, Debug)]
pub struct Posted {
    pub uri: String,
    pub author: String,
    pub text: String,
    pub parent: Option<String>,
    record: Value,
    indexed_at: Timestamp,
}

/// A message between the desk and somebody.
#[derive(Clone, Debug)]
pub struct Said {
    /// The other one, whoever of the two speaks.
    pub with: String,
    pub by_desk: bool,
    pub text: String,
    sent_at: Timestamp,
}

/// Everything the server knows.
pub struct World {
    pub posts: Vec<Posted>,
    pub messages: Vec<Said>,
    /// Records of the desk that are no posts.
    records: BTreeMap<(String, String), Value>,
    faults: Box<dyn FnMut(&str) -> Fault + Send>,
    /// Requests that arrive late: when, which method, with which body.
    late: Vec<(Timestamp, String, Value)>,
    clock: Timestamp,
    /// How far the server's clock is ahead of the desk's.
    pub clock_off: SignedDuration,
    tokens: usize,
    /// What happened when, to be read after a failure.
    pub log: Vec<String>,
}

/// The running server.
#[derive(Clone)]
pub struct Server {
    pub address: String,
    world: Arc<Mutex<World>>,
}

impl Server {
    pub async fn start(clock: Timestamp) -> Server {
        let world = Arc::new(Mutex::new(World {
            posts: Vec::new(),
            messages: Vec::new(),
            records: BTreeMap::new(),
            faults: Box::new(|_| Fault::None),
            late: Vec::new(),
            clock,
            clock_off: SignedDuration::ZERO,
            tokens: 1,
            log: Vec::new(),
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(world.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Server { address, world }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Sets what goes wrong from now on, by the method of a request.
    pub fn goes_wrong(&self, faults: impl FnMut(&str) -> Fault + Send + 'static) {
        self.world().faults = Box::new(faults);
    }

    /// Moves the clock, and lets what is late arrive by then.
    pub fn set_clock(&self, now: Timestamp) {
        let mut world = self.world();
        let late = std::mem::take(&mut world.late);
        let (due, late): (Vec<_>, Vec<_>) = late.into_iter().partition(|(at, ..)| *at <= now);
        world.late = late;
        for (at, method, body) in due {
            world.clock = at;
            let _ = route(&mut world, &method, &[], &body);
        }
        world.clock = now;
    }
}

impl World {
    fn now(&self) -> Timestamp {
        self.clock.checked_add(self.clock_off).unwrap()
    }

    /// Somebody's public post that mentions the desk, or replies to a post of it.
    pub fn post(&mut self, author: &str, text: &str, parent: Option<&str>) {
        let uri = format!("at://did:plc:{author}/{POSTS}/p{}", self.posts.len());
        let mut record = json!({"$type": POSTS, "text": text, "langs": ["en"]});
        if text.starts_with("@desk.test") {
            record["facets"] = json!([{"index": {"byteStart": 0, "byteEnd": 10},
                "features": [{"$type": "app.bsky.richtext.facet#mention", "did": DESK}]}]);
        }
        if let Some(parent) = parent {
            let parent = json!({"uri": parent, "cid": cid_of(parent)});
            record["reply"] = json!({"root": parent, "parent": parent});
        }
        self.take(uri, author, record);
    }

    /// Somebody's message to the desk.
    pub fn message(&mut self, from: &str, text: &str) {
        let sent_at = self.now();
        self.messages.push(Said { with: from.to_owned(), by_desk: false, text: text.to_owned(), sent_at });
    }

    fn take(&mut self, uri: String, author: &str, record: Value) {
        let text = record["text"].as_str().unwrap_or_default().to_owned();
        let parent = record.pointer("/reply/parent/uri").and_then(Value::as_str).map(str::to_owned);
        self.log.push(format!("{} {author} posted {uri} below {parent:?}: {text:.60}", self.clock));
        // The desk compares this with the true time, as the real network gives it.
        let indexed_at = stumper::clock::now();
        self.posts.push(Posted { uri, author: author.to_owned(), text, parent, record, indexed_at });
    }

    /// The messages of one conversation, the oldest first, with their numbers.
    fn talk<'w>(&'w self, with: &'w str) -> impl DoubleEndedIterator<Item = (usize, &'w Said)> {
        self.messages.iter().enumerate().filter(move |(_, said)| said.with == with)
    }
}

fn cid_of(uri: &str) -> String {
    format!("cid-{}", uri.rsplit('/').next().unwrap_or_default())
}

type Shared = Arc<Mutex<World>>;

async fn answer(State(world): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let method = head.uri.path().trim_start_matches("/xrpc/").to_owned();
    let url = format!("http://localhost/?{}", head.uri.query().unwrap_or_default());
    let query: Vec<(String, String)> =
        reqwest::Url::parse(&url).unwrap().query_pairs().into_owned().collect();
    let token = head.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut world = world.lock().unwrap();
    let fault = (world.faults)(&method);
    let line = format!("{} {method} {fault:?}", world.clock);
    world.log.push(line);
    let is_log_in = method.ends_with("Session") && method != "com.atproto.server.getSession";
    if !is_log_in && token != format!("Bearer access-{}", world.tokens) {
        return refuse("ExpiredToken");
    }
    match fault {
        Fault::LostRequest => return broken(),
        Fault::BadGateway => return page(502),
        Fault::TooMany => return page(429),
        Fault::Expired if !is_log_in => {
            world.tokens += 1;
            return refuse("ExpiredToken");
        }
        Fault::Late(seconds) if method.ends_with("putRecord") || method.ends_with("sendMessage") => {
            let at = world.clock.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            world.late.push((at, method, body));
            return broken();
        }
        Fault::None
        | Fault::LostAnswer
        | Fault::Late(_)
        | Fault::ErrorAfter
        | Fault::PageAfter
        | Fault::Expired
        | Fault::Shuffled => {}
    }
    let done = route(&mut world, &method, &query, &body);
    match (fault, done) {
        (Fault::LostAnswer | Fault::Late(_), _) => broken(),
        (Fault::ErrorAfter, _) => page(500),
        (Fault::PageAfter, _) => page(200),
        (_, Err(name)) => refuse(name),
        (Fault::Shuffled, Ok(mut value)) => {
            for list in ["notifications", "logs"] {
                if let Some(items) = value.get_mut(list).and_then(Value::as_array_mut) {
                    items.reverse();
                    let again = items.clone();
                    items.extend(again);
                }
            }
            text(200, "application/json", value.to_string())
        }
        (_, Ok(value)) => text(200, "application/json", value.to_string()),
    }
}

fn text(status: u16, kind: &str, body: String) -> Response {
    Response::builder().status(status).header("content-type", kind).body(Body::from(body)).unwrap()
}

fn page(status: u16) -> Response {
    text(status, "text/html", "<html>Please wait</html>".to_owned())
}

fn refuse(name: &str) -> Response {
    text(400, "application/json", json!({"error": name, "message": "no"}).to_string())
}

/// An answer that breaks off.
fn broken() -> Response {
    let body = futures_util::stream::iter([Ok(Bytes::from("{\"uri\":")), Err(std::io::Error::other("gone"))]);
    Response::builder().status(200).body(Body::from_stream(body)).unwrap()
}

/// What a method does, or the name of the error.
fn route(
    world: &mut World,
    method: &str,
    query: &[(String, String)],
    body: &Value,
) -> Result<Value, &'static str> {
    let asked = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let convo = asked("convoId").or(body["convoId"].as_str()).unwrap_or_default().to_owned();
    match method {
        "com.atproto.server.createSession" | "com.atproto.server.refreshSession" => {
            let token = world.tokens;
            Ok(json!({"did": DESK, "handle": "desk.test", "active": true,
                      "accessJwt": format!("access-{token}"), "refreshJwt": format!("refresh-{token}")}))
        }
        "com.atproto.server.getSession" => Ok(json!({"did": DESK, "handle": "desk.test", "active": true})),
        "com.atproto.repo.putRecord" => put(world, body),
        "com.atproto.repo.getRecord" => {
            let (collection, key) =
                (asked("collection").unwrap_or_default(), asked("rkey").unwrap_or_default());
            let uri = format!("at://{DESK}/{collection}/{key}");
            let post = world.posts.iter().find(|post| post.uri == uri).map(|post| post.record.clone());
            let other = world.records.get(&(collection.to_owned(), key.to_owned())).cloned();
            let value = post.or(other).ok_or("RecordNotFound")?;
            Ok(json!({"uri": uri, "cid": cid_of(&uri), "value": value}))
        }
        "app.bsky.notification.listNotifications" => Ok(notifications(world)),
        "app.bsky.feed.searchPosts" => Ok(json!({"posts": []})),
        "app.bsky.feed.getPosts" => Ok(json!({"posts": [{"uri": asked("uris")}]})),
        "chat.bsky.convo.getLog" => {
            let number = world.messages.len();
            let from = asked("cursor").map_or(number, |cursor| cursor.parse().unwrap());
            let logs = world.messages.iter().enumerate().skip(from);
            let logs: Vec<Value> = logs
                .map(|(at, said)| {
                    json!({"$type": "chat.bsky.convo.defs#logCreateMessage",
                "rev": at.to_string(), "convoId": said.with, "message": view(at, said)})
                })
                .collect();
            Ok(json!({"cursor": number.to_string(), "logs": logs}))
        }
        "chat.bsky.convo.getConvoAvailability" => Ok(json!({"canChat": true})),
        "chat.bsky.convo.getConvoForMembers" => {
            let with = asked("members").unwrap_or_default().trim_start_matches("did:plc:").to_owned();
            Ok(json!({"convo": of_two(&with)}))
        }
        "chat.bsky.convo.getConvo" => Ok(json!({"convo": of_two(&convo)})),
        "chat.bsky.convo.getMessages" => {
            let messages: Vec<Value> = world.talk(&convo).rev().map(|(at, said)| view(at, said)).collect();
            Ok(json!({"messages": messages}))
        }
        "chat.bsky.convo.sendMessage" => {
            let text = body["message"]["text"].as_str().unwrap_or_default().to_owned();
            let line = format!("{} the desk says to {convo}: {text:.60}", world.clock);
            world.log.push(line);
            let sent_at = world.now();
            world.messages.push(Said { with: convo, by_desk: true, text, sent_at });
            let at = world.messages.len() - 1;
            Ok(view(at, &world.messages[at]))
        }
        _ => Err("MethodNotImplemented"),
    }
}

/// Puts a record only where there is none, or the same.
fn put(world: &mut World, body: &Value) -> Result<Value, &'static str> {
    let (collection, key) =
        (body["collection"].as_str().unwrap_or_default(), body["rkey"].as_str().unwrap_or_default());
    let uri = format!("at://{DESK}/{collection}/{key}");
    let done = json!({"uri": uri, "cid": cid_of(&uri)});
    if collection != POSTS {
        world.records.insert((collection.to_owned(), key.to_owned()), body["record"].clone());
        return Ok(done);
    }
    match world.posts.iter().find(|post| post.uri == uri) {
        Some(post) if post.record == body["record"] => Ok(done),
        Some(_) => Err("InvalidSwap"),
        None => {
            world.take(uri, "desk", body["record"].clone());
            Ok(done)
        }
    }
}

fn notifications(world: &World) -> Value {
    let own: Vec<&str> =
        world.posts.iter().filter(|post| post.author == "desk").map(|post| post.uri.as_str()).collect();
    let others = world.posts.iter().rev().filter(|post| post.author != "desk");
    let rows: Vec<Value> = others
        .map(|post| {
            let is_reply = post.parent.as_deref().is_some_and(|parent| own.contains(&parent));
            json!({"uri": post.uri, "cid": cid_of(&post.uri),
                   "author": {"did": format!("did:plc:{}", post.author), "handle": format!("{}.test", post.author)},
                   "reason": if is_reply { "reply" } else { "mention" }, "isRead": false,
                   "indexedAt": post.indexed_at.to_string(), "record": post.record})
        })
        .collect();
    json!({"notifications": rows})
}

fn of_two(with: &str) -> Value {
    json!({"id": with, "rev": "r", "muted": false, "status": "accepted", "unreadCount": 0, "members": [
        {"did": DESK, "handle": "desk.test"}, {"did": format!("did:plc:{with}"), "handle": format!("{with}.test")}]})
}

fn view(at: usize, said: &Said) -> Value {
    let sender = if said.by_desk { DESK.to_owned() } else { format!("did:plc:{}", said.with) };
    json!({"$type": "chat.bsky.convo.defs#messageView", "id": format!("m{at}"), "rev": at.to_string(),
           "text": said.text, "sender": {"did": sender}, "sentAt": said.sent_at.to_string()})
}
