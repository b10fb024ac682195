//! X for tests, on loopback: it keeps posts and direct messages, says no where X says no, charges what X
//! charges, and spoils requests as told.
//!
//! **Invariant:** what it lets the desk do is what X's rules of 2026 let it do: a reply only to a post
//! that called it, a direct message only to people who wrote one first. Whatever the desk does that a
//! person would be annoyed by is written down in [`X::wrongs`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha1::Sha1;
use stumper::networks::x;

pub const DESK: &str = "11";
pub const DESK_HANDLE: &str = "libbot";

/// The four secrets of the desk's account here.
pub const KEYS: [&str; 4] = ["consumer-key", "consumer-secret", "11-token", "token-secret"];

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It takes effect, and no whole answer comes.
    LostAnswer,
    /// It takes no effect, and no whole answer comes.
    LostRequest,
    /// It takes effect, but shows only when [`X::settle`] is called; no whole answer comes.
    LostAndHidden,
    /// It takes no effect, and nothing comes at all.
    Hangs,
    /// It takes effect, and nothing comes at all.
    HangsAfter,
    /// 429, with the second at which the limit ends or without a word.
    RateLimit(Option<i64>),
    /// An answer of something on the way.
    Page(u16),
    /// A no of X.
    No(u16, Value),
    /// It is answered, with the list upside down and each item twice.
    Muddled,
}

#[derive(Clone, Debug)]
pub struct TestPost {
    pub id: u64,
    pub author: String,
    pub text: String,
    pub reply_to: Option<u64>,
    pub root: u64,
    pub hidden: bool,
}

#[derive(Clone, Debug)]
pub struct TestMessage {
    pub id: u64,
    pub from: String,
    pub to: String,
    pub text: String,
    pub hidden: bool,
}

#[derive(Debug, Default)]
pub struct Inner {
    pub people: BTreeMap<String, String>,
    pub posts: Vec<TestPost>,
    pub messages: Vec<TestMessage>,
    /// For requests whose method and path begin like this, in turn.
    pub faults: VecDeque<(&'static str, Fault)>,
    /// Method and path of each request, with its query.
    pub requests: Vec<String>,
    pub refuse_expansions: bool,
    /// Only lists of fields of this name are understood.
    pub field_names: Option<&'static str>,
    pub allow_duplicates: bool,
    /// How far this server's clock is from the computer's.
    pub clock_off: SignedDuration,
    /// Tokens of OAuth 2.0: those that are good, and those that can be used once.
    pub access: BTreeSet<String>,
    pub refresh: BTreeSet<String>,
    pub codes: BTreeMap<String, String>,
    /// What the desk was charged, in millionths of a dollar.
    pub charged: u64,
    read_today: BTreeSet<String>,
    nonces: BTreeSet<String>,
    tokens: u64,
    newest: u64,
    wrongs: Vec<String>,
}

/// The server. It ends with the test.
#[derive(Clone)]
pub struct X {
    inner: Arc<Mutex<Inner>>,
    pub address: String,
}

impl X {
    pub async fn start() -> X {
        let inner = Arc::new(Mutex::new(Inner::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let x = X { inner, address };
        x.person(DESK, DESK_HANDLE);
        let router = Router::new().fallback(answer).with_state(x.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        x
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn person(&self, id: &str, handle: &str) {
        self.lock().people.insert(id.to_owned(), handle.to_owned());
    }

    /// Somebody posts.
    pub fn post(&self, author: &str, text: &str, reply_to: Option<u64>) -> u64 {
        self.lock().post(author, text, reply_to)
    }

    /// Somebody sends the desk a direct message.
    pub fn message(&self, from: &str, text: &str) -> u64 {
        self.lock().message(from, DESK, text)
    }

    /// What is to happen to the next request that begins like this, such as `POST /2/tweets`.
    pub fn spoil(&self, request: &'static str, fault: Fault) {
        self.lock().faults.push_back((request, fault));
    }

    /// What was taken and did not show yet shows.
    pub fn settle(&self) {
        let mut inner = self.lock();
        inner.posts.iter_mut().for_each(|post| post.hidden = false);
        inner.messages.iter_mut().for_each(|message| message.hidden = false);
    }

    /// What the desk has posted in public, in order.
    pub fn by_desk(&self) -> Vec<TestPost> {
        self.lock().posts.iter().filter(|post| post.author == DESK).cloned().collect()
    }

    /// What the desk has written to somebody privately, in order.
    pub fn messages_to(&self, person: &str) -> Vec<String> {
        let inner = self.lock();
        let theirs = inner.messages.iter().filter(|message| message.from == DESK && message.to == person);
        theirs.map(|message| message.text.clone()).collect()
    }

    pub fn requests(&self, start: &str) -> Vec<String> {
        self.lock().requests.iter().filter(|request| request.starts_with(start)).cloned().collect()
    }

    /// Whatever the desk did that X's rules forbid, whether X let it or not.
    pub fn wrongs(&self) -> Vec<String> {
        self.lock().wrongs.clone()
    }

    pub fn settings(&self, folder: &std::path::Path) -> x::Settings {
        let [consumer_key, consumer_secret, token, token_secret] = KEYS.map(Into::into);
        let keys = x::Keys { consumer_key, consumer_secret, token, token_secret };
        let mut settings = x::Settings::new(x::LogIn::Keys(keys), folder);
        settings.service = self.address.clone();
        settings.poll = std::time::Duration::from_millis(30);
        settings.poll_messages = std::time::Duration::ZERO;
        settings.prices.monthly = 1_000 * x::DOLLAR;
        settings
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        stumper::clock::now().checked_add(self.clock_off).unwrap()
    }

    fn id(&mut self) -> u64 {
        let ms = u64::try_from(self.now().as_millisecond() - 1_288_834_974_657).unwrap();
        self.newest = (ms << 22).max(self.newest + 1);
        self.newest
    }

    fn post(&mut self, author: &str, text: &str, reply_to: Option<u64>) -> u64 {
        let id = self.id();
        let root = reply_to.and_then(|to| self.find(to)).map_or(id, |to| to.root);
        let (author, text) = (author.to_owned(), text.to_owned());
        self.posts.push(TestPost { id, author, text, reply_to, root, hidden: false });
        id
    }

    fn message(&mut self, from: &str, to: &str, text: &str) -> u64 {
        let id = self.id();
        let (from, to, text) = (from.to_owned(), to.to_owned(), text.to_owned());
        self.messages.push(TestMessage { id, from, to, text, hidden: false });
        id
    }

    fn find(&self, id: u64) -> Option<&TestPost> {
        self.posts.iter().find(|post| post.id == id)
    }

    /// The people whom X puts in front of a reply.
    fn carried(&self, post: &TestPost) -> String {
        let Some(to) = post.reply_to.and_then(|to| self.find(to)) else { return String::new() };
        let author =
            if to.author == post.author { String::new() } else { format!("@{} ", self.handle(&to.author)) };
        let others = mentions_in(&to.text).into_iter().filter(|name| *name != self.handle(&post.author));
        let others = others.filter(|name| !author.contains(name.as_str()));
        let others: String = others.map(|name| format!("@{name} ")).collect();
        author + &others
    }

    fn handle(&self, id: &str) -> String {
        self.people.get(id).cloned().unwrap_or_default()
    }

    /// Whether the desk was called by this post: named in it, or replied to by it.
    fn calls_desk(&self, post: &TestPost) -> bool {
        let to_desk = post.reply_to.and_then(|to| self.find(to)).is_some_and(|to| to.author == DESK);
        to_desk || mentions_in(&post.text).iter().any(|name| name == DESK_HANDLE)
    }

    fn is_mention(&self, post: &TestPost) -> bool {
        self.calls_desk(post) || mentions_in(&self.carried(post)).iter().any(|name| name == DESK_HANDLE)
    }

    /// A post as X writes it down.
    fn shown(&self, post: &TestPost, tweet: bool, expanded: bool) -> Value {
        let carried = self.carried(post);
        let (text, urls) = shortened(&escaped(&format!("{carried}{}", post.text)));
        let places = mentions_in(&text).into_iter().flat_map(|name| {
            let places: Vec<usize> = text.match_indices(&format!("@{name}")).map(|(at, _)| at).collect();
            places.into_iter().map(move |at| (name.clone(), at))
        });
        let mentions: Vec<Value> = places
            .map(|(name, at)| {
                let start = text[..at].chars().count();
                let id = self.people.iter().find(|(_, handle)| **handle == name).map(|(id, _)| id.clone());
                json!({"start": start, "end": start + 1 + name.chars().count(), "username": name, "id": id})
            })
            .collect();
        let mut shown = json!({
            "id": post.id.to_string(), "text": text, "conversation_id": post.root.to_string(), "lang": "en",
            "created_at": time(post.id), "entities": {"mentions": mentions, "urls": urls},
            "edit_history_tweet_ids": [post.id.to_string()],
        });
        if !tweet {
            shown["display_text_range"] = json!([carried.chars().count(), text.chars().count()]);
        }
        // Who wrote it and what it replies to come as fields, or with their expansions.
        if tweet || expanded {
            shown["author_id"] = json!(post.author);
            if let Some(to) = post.reply_to {
                let name = if tweet { "referenced_tweets" } else { "referenced_posts" };
                shown[name] = json!([{"type": "replied_to", "id": to.to_string()}]);
            }
        }
        shown
    }

    /// What reading costs: what was read today already is free.
    fn charge_reading(&mut self, items: &[String], each: u64) {
        for item in items {
            if self.read_today.insert(item.clone()) {
                self.charged += each;
            }
        }
    }
}

async fn answer(State(x): State<X>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let request = format!("{method} {uri}");
    let fault = {
        let mut inner = x.lock();
        inner.requests.push(request.clone());
        let at = inner.faults.iter().position(|(start, _)| request.starts_with(start));
        at.and_then(|at| inner.faults.remove(at)).map(|(_, fault)| fault)
    };
    let date = x.lock().now();
    let mut response = match fault {
        Some(Fault::Hangs) => return std::future::pending().await,
        Some(Fault::LostRequest) => broken_off(),
        Some(Fault::RateLimit(reset)) => {
            let mut response =
                no(429, json!({"title": "Too Many Requests", "type": "about:blank", "status": 429}));
            if let Some(reset) = reset {
                response.headers_mut().insert("x-rate-limit-reset", reset.to_string().parse().unwrap());
            }
            response
        }
        Some(Fault::Page(status)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("content-type", "text/html")], "<html>@ann asked something secret</html>")
                .into_response()
        }
        Some(Fault::No(status, body)) => no(status, body),
        Some(Fault::LostAnswer) => {
            drop(x.lock().handle_request(&method, &uri, &headers, &body, false));
            broken_off()
        }
        Some(Fault::LostAndHidden) => {
            drop(x.lock().handle_request(&method, &uri, &headers, &body, true));
            broken_off()
        }
        Some(Fault::HangsAfter) => {
            drop(x.lock().handle_request(&method, &uri, &headers, &body, false));
            return std::future::pending().await;
        }
        Some(Fault::Muddled) => {
            let (status, mut body) = x.lock().handle_request(&method, &uri, &headers, &body, false);
            if let Some(list) = body.get_mut("data").and_then(Value::as_array_mut) {
                let copy = list.clone();
                list.extend(copy);
                list.reverse();
            }
            no(status, body)
        }
        None => {
            let (status, body) = x.lock().handle_request(&method, &uri, &headers, &body, false);
            no(status, body)
        }
    };
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    response.headers_mut().insert("date", date.parse().unwrap());
    response
}

fn no(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body.to_string())
        .into_response()
}

/// An answer that ends before its end.
fn broken_off() -> Response {
    let cut = futures_util::stream::iter([Ok(Bytes::from("{\"da")), Err(std::io::Error::other("cut"))]);
    (StatusCode::CREATED, Body::from_stream(cut)).into_response()
}

impl Inner {
    fn handle_request(
        &mut self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
        hidden: bool,
    ) -> (u16, Value) {
        let path = uri.path();
        let query: Vec<(String, String)> = uri
            .query()
            .and_then(|_| reqwest::Url::parse(&format!("http://x{uri}")).ok())
            .map(|url| {
                url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
            })
            .unwrap_or_default();
        if path == "/2/oauth2/token" {
            return self.token(headers, body);
        }
        if let Err(refused) = self.authorized(method, path, &query, headers) {
            return refused;
        }
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["2", "users", "me"]) => {
                self.charged += 10_000;
                (200, json!({"data": {"id": DESK, "name": "The desk", "username": DESK_HANDLE}}))
            }
            ("GET", ["2", "users", DESK, list @ ("mentions" | "tweets")]) => {
                if let Err(refused) = self.understands(&query, &["post.fields", "tweet.fields"]) {
                    return refused;
                }
                let tweet = get("tweet.fields").is_some();
                let expansions = get("expansions").unwrap_or_default().to_owned();
                let since: u64 = get("since_id").and_then(|id| id.parse().ok()).unwrap_or(0);
                let wanted: Vec<TestPost> = self
                    .posts
                    .iter()
                    .rev()
                    .filter(|post| since < post.id && !post.hidden)
                    .filter(|post| {
                        if *list == "tweets" {
                            post.author == DESK
                        } else {
                            post.author != DESK && self.is_mention(post)
                        }
                    })
                    .cloned()
                    .collect();
                let (page, next) = paged(wanted, get("max_results"), get("pagination_token"));
                let shown: Vec<Value> =
                    page.iter().map(|post| self.shown(post, tweet, !expansions.is_empty())).collect();
                let ids: Vec<String> = page.iter().map(|post| format!("post {}", post.id)).collect();
                self.charge_reading(&ids, 5_000);
                let mut answer = listed(shown, next);
                if expansions.contains("author_id") {
                    let authors: BTreeSet<&str> = page.iter().map(|post| post.author.as_str()).collect();
                    let users: Vec<Value> = authors.iter().map(|id| self.user(id)).collect();
                    let ids: Vec<String> = authors.iter().map(|id| format!("user {id}")).collect();
                    self.charge_reading(&ids, 10_000);
                    answer["includes"]["users"] = json!(users);
                }
                (200, answer)
            }
            ("GET", ["2", "dm_events"]) | ("GET", ["2", "dm_conversations", "with", _, "dm_events"]) => {
                if let Err(refused) = self.understands(&query, &["dm_event.fields"]) {
                    return refused;
                }
                let with = parts.get(3).copied();
                let knows_sender = get("dm_event.fields").is_some_and(|fields| fields.contains("sender_id"))
                    || get("expansions").is_some_and(|names| names.contains("sender_id"));
                let wanted: Vec<TestMessage> = self
                    .messages
                    .iter()
                    .rev()
                    .filter(|message| {
                        !message.hidden && with.is_none_or(|with| message.from == with || message.to == with)
                    })
                    .cloned()
                    .collect();
                let (page, next) = paged(wanted, get("max_results"), get("pagination_token"));
                let shown: Vec<Value> =
                    page.iter().map(|message| shown_message(message, knows_sender)).collect();
                let ids: Vec<String> = page.iter().map(|message| format!("message {}", message.id)).collect();
                self.charge_reading(&ids, 10_000);
                let mut answer = listed(shown, next);
                if get("expansions").is_some() {
                    let senders: BTreeSet<&str> = page.iter().map(|message| message.from.as_str()).collect();
                    let ids: Vec<String> = senders.iter().map(|id| format!("user {id}")).collect();
                    answer["includes"]["users"] = senders.iter().map(|id| self.user(id)).collect();
                    self.charge_reading(&ids, 10_000);
                }
                (200, answer)
            }
            ("POST", ["2", "tweets"]) => self.create_post(body, hidden),
            ("POST", ["2", "dm_conversations", "with", to, "messages"]) => {
                self.create_message(to, body, hidden)
            }
            ("DELETE", ["2", "tweets", id]) => {
                self.charged += 10_000;
                let before = self.posts.len();
                self.posts.retain(|post| post.id.to_string() != *id || post.author != DESK);
                if before == self.posts.len() {
                    return missing();
                }
                (200, json!({"data": {"deleted": true}}))
            }
            ("DELETE", ["2", "dm_events", id]) => {
                self.charged += 10_000;
                let before = self.messages.len();
                self.messages.retain(|message| message.id.to_string() != *id || message.from != DESK);
                if before == self.messages.len() {
                    return missing();
                }
                (200, json!({"data": {"deleted": true}}))
            }
            ("GET", ["2", "tweets", id]) => match self.posts.iter().find(|post| post.id.to_string() == *id) {
                Some(post) => {
                    let shown = self.shown(&post.clone(), false, false);
                    self.charge_reading(&[format!("post {id}")], 5_000);
                    (200, json!({"data": shown}))
                }
                // X says so in a success.
                None => (
                    200,
                    json!({"errors": [{"title": "Not Found Error", "detail": "Could not find tweet.",
                    "type": "https://api.x.com/2/problems/resource-not-found", "resource_type": "tweet"}]}),
                ),
            },
            ("GET", ["2", "dm_events", id]) => {
                match self.messages.iter().find(|message| message.id.to_string() == *id) {
                    Some(message) => (200, json!({"data": shown_message(message, false)})),
                    None => (
                        200,
                        json!({"errors": [{"title": "Not Found Error", "detail": "Could not find event.",
                    "type": "https://api.x.com/2/problems/resource-not-found", "resource_type": "dm_event"}]}),
                    ),
                }
            }
            _ => missing(),
        }
    }

    fn user(&self, id: &str) -> Value {
        let handle = self.handle(id);
        json!({"id": id, "username": handle, "name": handle, "protected": false})
    }

    fn create_post(&mut self, body: &Bytes, hidden: bool) -> (u16, Value) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return malformed("the body is no JSON") };
        let Some(text) = body["text"].as_str().map(str::to_owned) else { return malformed("no text") };
        let reply_to: Option<u64> =
            body["reply"]["in_reply_to_tweet_id"].as_str().and_then(|id| id.parse().ok());
        if stumper::desk::weight::weigh(&text, &stumper::desk::weight::X) > 280 {
            self.wrongs.push("a post that is too long".to_owned());
            return malformed("Your Tweet text is too long.");
        }
        if !mentions_in(&text).is_empty() {
            self.wrongs.push("somebody was mentioned in public".to_owned());
        }
        let Some(to) = reply_to else {
            self.wrongs.push("a post that nobody called for".to_owned());
            return forbidden("You can only post replies.");
        };
        let Some(target) = self.find(to).cloned() else {
            return (
                400,
                json!({"title": "Invalid Request", "status": 400, "errors": [
                {"message": "The Tweet you attempted to reply to has been deleted or not visible to you."}]}),
            );
        };
        if !self.calls_desk(&target) {
            self.wrongs.push("a reply to a post that did not call the desk".to_owned());
            return forbidden(
                "You can only reply to or quote posts where you have been mentioned or are otherwise a part of the conversation.",
            );
        }
        let is_same = |post: &&TestPost| post.author == DESK && post.text == text;
        if !self.allow_duplicates && self.posts.iter().any(|post| is_same(&post)) {
            return forbidden("You are not allowed to create a Tweet with duplicate content.");
        }
        if self.posts.iter().any(|post| post.author == DESK && post.reply_to == Some(to)) {
            self.wrongs.push("two replies to one post".to_owned());
        }
        let has_address = text.contains("http");
        self.charged += if has_address { 200_000 } else { 15_000 };
        let id = self.post(DESK, &text, Some(to));
        self.posts.last_mut().unwrap().hidden = hidden;
        (201, json!({"data": {"id": id.to_string(), "text": text}}))
    }

    fn create_message(&mut self, to: &str, body: &Bytes, hidden: bool) -> (u16, Value) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return malformed("the body is no JSON") };
        let Some(text) = body["text"].as_str().filter(|text| !text.is_empty()) else {
            return malformed("no text");
        };
        if !self.messages.iter().any(|message| message.from == to) {
            self.wrongs.push("a message to somebody who had not written first".to_owned());
            return forbidden("You do not have permission to DM one or more participants.");
        }
        self.charged += 15_000;
        let id = self.message(DESK, to, text);
        self.messages.last_mut().unwrap().hidden = hidden;
        (201, json!({"data": {"dm_event_id": id.to_string(), "dm_conversation_id": conversation(DESK, to)}}))
    }

    fn understands(&self, query: &[(String, String)], names: &[&str]) -> Result<(), (u16, Value)> {
        let has = |name: &str| query.iter().any(|(key, _)| key == name);
        if self.refuse_expansions && has("expansions") {
            return Err(malformed("expansions"));
        }
        let understood = self.field_names.filter(|name| names.contains(name));
        let strange =
            names.iter().find(|name| understood.is_some_and(|understood| understood != **name) && has(name));
        strange.map_or(Ok(()), |name| Err(malformed(name)))
    }

    /// Checks a signature of OAuth 1.0a, or a token of OAuth 2.0.
    fn authorized(
        &mut self,
        method: &Method,
        path: &str,
        query: &[(String, String)],
        headers: &HeaderMap,
    ) -> Result<(), (u16, Value)> {
        let unauthorized = || {
            (
                401,
                json!({"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}),
            )
        };
        let written = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Some(token) = written.strip_prefix("Bearer ") {
            return if self.access.contains(token) { Ok(()) } else { Err(unauthorized()) };
        }
        let fields: BTreeMap<String, String> = written
            .strip_prefix("OAuth ")
            .unwrap_or_default()
            .split(", ")
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name.to_owned(), unencoded(value.trim_matches('"'))))
            .collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let mut all: Vec<(String, String)> =
            query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
        let signed = fields.iter().filter(|(name, _)| *name != "oauth_signature");
        all.extend(signed.map(|(name, value)| (encoded(name), encoded(value))));
        all.sort();
        let all: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let base =
            format!("{method}&{}&{}", encoded(&format!("http://{host}{path}")), encoded(&all.join("&")));
        let mut mac = Hmac::<Sha1>::new_from_slice(format!("{}&{}", KEYS[1], KEYS[3]).as_bytes()).unwrap();
        mac.update(base.as_bytes());
        let is_signed = BASE64.encode(mac.finalize().into_bytes()) == field("oauth_signature");
        let second: i64 = field("oauth_timestamp").parse().unwrap_or(0);
        let is_in_time = second.abs_diff(self.now().as_second()) < 300;
        let is_ours = field("oauth_consumer_key") == KEYS[0] && field("oauth_token") == KEYS[2];
        let is_new = self.nonces.insert(field("oauth_nonce"));
        if is_signed && is_in_time && is_ours && is_new { Ok(()) } else { Err(unauthorized()) }
    }

    fn token(&mut self, headers: &HeaderMap, body: &Bytes) -> (u16, Value) {
        let basic = format!("Basic {}", BASE64.encode("client:client-secret"));
        if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&basic) {
            return (401, json!({"error": "unauthorized_client"}));
        }
        let form = reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(body))).unwrap();
        let field =
            |name: &str| form.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let is_good = match field("grant_type").as_deref() {
            Some("refresh_token") => field("refresh_token").is_some_and(|token| self.refresh.remove(&token)),
            Some("authorization_code") => {
                let challenge = field("code").and_then(|code| self.codes.remove(&code));
                let verifier = field("code_verifier").unwrap_or_default();
                challenge.is_some_and(|challenge| challenge == challenge_of(&verifier))
            }
            _ => false,
        };
        if !is_good {
            return (
                400,
                json!({"error": "invalid_request", "error_description": "Value passed for the token was invalid."}),
            );
        }
        self.tokens += 1;
        let (access, refresh) = (format!("access-{}", self.tokens), format!("refresh-{}", self.tokens));
        self.access = BTreeSet::from([access.clone()]);
        self.refresh.insert(refresh.clone());
        (
            200,
            json!({"token_type": "bearer", "expires_in": 7200, "access_token": access, "refresh_token": refresh}),
        )
    }
}

pub fn challenge_of(verifier: &str) -> String {
    use sha2::{Digest, Sha256};
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn paged<T: Clone>(all: Vec<T>, count: Option<&str>, token: Option<&str>) -> (Vec<T>, Option<String>) {
    let count: usize = count.and_then(|count| count.parse().ok()).unwrap_or(10);
    let from: usize =
        token.and_then(|token| token.trim_start_matches("page-token-number-").parse().ok()).unwrap_or(0);
    let page: Vec<T> = all.iter().skip(from).take(count).cloned().collect();
    let next = (from + page.len() < all.len()).then(|| format!("page-token-number-{}", from + page.len()));
    (page, next)
}

fn listed(items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({"meta": {"result_count": items.len()}});
    if let Some(next) = next {
        answer["meta"]["next_token"] = json!(next);
    }
    // X leaves out an empty list.
    if !items.is_empty() {
        answer["data"] = json!(items);
    }
    answer
}

fn shown_message(message: &TestMessage, knows_sender: bool) -> Value {
    let (text, urls) = shortened(&escaped(&message.text));
    let mut shown = json!({
        "id": message.id.to_string(), "event_type": "MessageCreate", "text": text,
        "created_at": time(message.id), "dm_conversation_id": conversation(&message.from, &message.to),
        "entities": {"urls": urls},
    });
    if knows_sender {
        shown["sender_id"] = json!(message.from);
    }
    shown
}

fn conversation(one: &str, other: &str) -> String {
    let (one, other): (u64, u64) = (one.parse().unwrap(), other.parse().unwrap());
    format!("{}-{}", one.min(other), one.max(other))
}

fn time(id: u64) -> String {
    let ms = i64::try_from(id >> 22).unwrap() + 1_288_834_974_657;
    Timestamp::from_millisecond(ms).unwrap().to_string()
}

fn forbidden(detail: &str) -> (u16, Value) {
    (403, json!({"title": "Forbidden", "type": "about:blank", "status": 403, "detail": detail}))
}

fn malformed(what: &str) -> (u16, Value) {
    (
        400,
        json!({"title": "Invalid Request", "status": 400, "detail": format!("The `{what}` is not valid."),
        "type": "https://api.x.com/2/problems/invalid-request"}),
    )
}

fn missing() -> (u16, Value) {
    (404, json!({"title": "Not Found", "type": "about:blank", "status": 404, "detail": "Not Found"}))
}

/// The names after an `@` that X reads as mentions.
pub fn mentions_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut before = ' ';
    for (at, sign) in text.char_indices() {
        let is_start = sign == '@' && !before.is_alphanumeric() && before != '/';
        before = sign;
        let name: String = text[at + sign.len_utf8()..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        if is_start && !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text with its addresses shortened, and what they were.
fn shortened(text: &str) -> (String, Vec<Value>) {
    let mut urls = Vec::new();
    let mut text = text.to_owned();
    while let Some(at) = text.find("http").filter(|_| urls.len() < 9) {
        if text[at..].starts_with("https://t.co/") {
            break;
        }
        let end =
            ["&gt;", "&lt;"].iter().filter_map(|sign| text[at..].find(sign)).min().unwrap_or(text.len() - at);
        let long: String =
            text[at..at + end].chars().take_while(|c| !c.is_whitespace() && !"”)".contains(*c)).collect();
        let short = format!("https://t.co/{}", urls.len());
        urls.push(json!({"start": at, "end": at + short.len(), "url": short,
            "expanded_url": long.replace("&amp;", "&")}));
        text = text.replacen(&long, &short, 1);
        if text.matches("http").count() == urls.len() {
            break;
        }
    }
    (text, urls)
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn unencoded(text: &str) -> String {
    let url = reqwest::Url::parse(&format!("http://x/?v={text}")).unwrap();
    url.query_pairs().next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
