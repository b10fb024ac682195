//! A real Bluesky network on this machine, and people on it.
//!
//! ```ignore
//! let Some(net) = BlueskyNetwork::start() else { return };
//! let (desk, ann) = (net.account("desk").await, net.account("ann").await);
//! let question = ann.post(&format!("@{desk} who wrote this?"), &[&desk]).await;
//! ann.sees(&question, "Ask a librarian").await;
//! ```
//!
//! `.ci/bluesky-network/install.sh` installs it. Where it is not installed, tests that need it say so
//! and pass; with `STUMPER_BLUESKY_NETWORK=required` they fail. All tests of one process share one
//! network, and everybody on it has a handle of their own.
//!
//! **Invariant:** the network ends with the process that started it: it stops when its standard input
//! closes.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it is a part of tests")]

use std::fmt;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stumper::networks::http;

/// How often, and how long in all, tests look for what must come. A machine with other work to do may be
/// ten times as slow as one without; only a test that fails waits to the end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 1_200;

/// The running network.
pub struct BlueskyNetwork {
    addresses: Addresses,
    http: reqwest::Client,
    /// Holds the standard input open.
    _process: Child,
}

#[derive(Deserialize)]
struct Addresses {
    service: String,
    jwt_secret: String,
    admin_password: String,
    rate_limit_bypass_key: String,
}

/// Somebody with an account. Shows as their handle.
pub struct Person<'n> {
    net: &'n BlueskyNetwork,
    pub did: String,
    pub handle: String,
    pub password: String,
    access: String,
}

impl fmt::Display for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.handle)
    }
}

/// A post on the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    pub uri: String,
    pub cid: String,
    /// Where its thread began: itself, where it began one.
    pub root: (String, String),
}

/// Somebody's post, as others see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The author's handle.
    pub author: String,
    pub text: String,
    pub at: Posted,
}

impl BlueskyNetwork {
    /// The network of this process, started at the first call. `None` where it is not installed.
    pub fn start() -> Option<&'static BlueskyNetwork> {
        static NETWORK: OnceLock<Option<BlueskyNetwork>> = OnceLock::new();
        NETWORK.get_or_init(start).as_ref()
    }

    /// The address of the server on which everybody has their account.
    pub fn service(&self) -> &str {
        &self.addresses.service
    }

    /// A new account, with a handle that begins with `name`.
    pub async fn account(&self, name: &str) -> Person<'_> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let handle = format!("{name}-{}.test", NUMBER.fetch_add(1, Ordering::Relaxed));
        let password = format!("password of {name}");
        let body = json!({"handle": handle, "email": format!("{handle}@mail.test"), "password": password});
        let answer = self.procedure("com.atproto.server.createAccount", "", body).await;
        let did = text(&answer, "/did");
        Person { net: self, did, handle, password, access: text(&answer, "/accessJwt") }
    }

    /// Takes an account down, as a moderator does.
    pub async fn take_down(&self, person: &Person<'_>) {
        let body = json!({
            "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": person.did},
            "takedown": {"applied": true},
        });
        let url = format!("{}/xrpc/com.atproto.admin.updateSubjectStatus", self.service());
        let request = self.http.post(url).basic_auth("admin", Some(&self.addresses.admin_password));
        assert!(request.json(&body).send().await.unwrap().status().is_success());
    }

    /// The same token, but expired.
    pub fn expired(&self, token: &str) -> String {
        let head = token.split('.').next().unwrap();
        let mut claims = claims(token);
        claims["iat"] = json!(1_700_000_000);
        claims["exp"] = json!(1_700_007_200);
        let signed = format!("{head}.{}", to_base64(claims.to_string().as_bytes()));
        let signature = hmac_sha256(self.addresses.jwt_secret.as_bytes(), signed.as_bytes());
        format!("{signed}.{}", to_base64(&signature))
    }

    async fn query(&self, method: &str, token: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("{}/xrpc/{method}", self.service());
        answer(method, self.http.get(url).bearer_auth(token).query(parameters)).await
    }

    async fn procedure(&self, method: &str, token: &str, body: Value) -> Value {
        let mut request = self.http.post(format!("{}/xrpc/{method}", self.service())).json(&body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        answer(method, request).await
    }
}

impl Person<'_> {
    /// A new app password, as the desk should use one: with the right to direct messages.
    pub async fn app_password(&self) -> String {
        self.app_password_with(true).await
    }

    /// A new app password, with or without the right to direct messages.
    pub async fn app_password_with(&self, direct_messages: bool) -> String {
        let body = json!({"name": format!("the desk {direct_messages}"), "privileged": direct_messages});
        let answer = self.net.procedure("com.atproto.server.createAppPassword", &self.access, body).await;
        text(&answer, "/password")
    }

    /// Posts a text. Each `@handle` of somebody in `mentions` becomes a mention.
    pub async fn post(&self, text: &str, mentions: &[&Person<'_>]) -> Posted {
        self.write(record(text, mentions, None)).await
    }

    /// Posts a text that claims to be from another time.
    pub async fn post_dated(&self, text: &str, mentions: &[&Person<'_>], created_at: &str) -> Posted {
        let mut record = record(text, mentions, None);
        record["createdAt"] = json!(created_at);
        self.write(record).await
    }

    /// Replies to a post.
    pub async fn reply(&self, to: &Posted, text: &str, mentions: &[&Person<'_>]) -> Posted {
        self.write(record(text, mentions, Some(to))).await
    }

    /// Says something to somebody in private, through a chat service.
    pub async fn tells(&self, service: &str, to: &Person<'_>, text: &str) {
        let call = |method: &str| format!("{}/xrpc/chat.bsky.convo.{method}", self.net.service());
        let request = self.net.http.get(call("getConvoForMembers")).query(&[("members", &to.did)]);
        let request = request.header("atproto-proxy", service).bearer_auth(&self.access);
        let convo = answer("getConvoForMembers", request).await;
        let body = json!({"convoId": convo["convo"]["id"], "message": {"text": text}});
        let request = self.net.http.post(call("sendMessage")).header("atproto-proxy", service);
        answer("sendMessage", request.bearer_auth(&self.access).json(&body)).await;
    }

    pub async fn delete(&self, post: &Posted) {
        let key = post.uri.rsplit('/').next().unwrap();
        let body = json!({"repo": self.did, "collection": "app.bsky.feed.post", "rkey": key});
        self.net.procedure("com.atproto.repo.deleteRecord", &self.access, body).await;
    }

    /// The post and everything below it, as this person sees it, in the order of the thread. Nothing,
    /// as long as the network does not show the post yet.
    pub async fn thread(&self, post: &Posted) -> Vec<Said> {
        let url = format!("{}/xrpc/app.bsky.feed.getPostThread", self.net.service());
        let request = self.net.http.get(url).bearer_auth(&self.access);
        let request = request.query(&[("uri", post.uri.as_str()), ("depth", "100")]);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let mut all = Vec::new();
        collect(&answer["thread"], &mut all);
        all
    }

    /// What this person was notified of, newest first: mentions, replies and quotes.
    pub async fn heard(&self) -> Vec<Said> {
        let parameters = [("limit", "100"), ("priority", "false")];
        let method = "app.bsky.notification.listNotifications";
        let answer = self.net.query(method, &self.access, &parameters).await;
        let items = answer["notifications"].as_array().unwrap().iter();
        items.filter(|item| item["record"]["text"].is_string()).map(said).collect()
    }

    /// The texts of all posts in this person's own repository.
    pub async fn texts(&self) -> Vec<String> {
        let parameters =
            [("repo", self.did.as_str()), ("collection", "app.bsky.feed.post"), ("limit", "100")];
        let answer = self.net.query("com.atproto.repo.listRecords", &self.access, &parameters).await;
        let records = answer["records"].as_array().unwrap().iter();
        records.map(|record| text(record, "/value/text")).collect()
    }

    /// The record of which an account has one, of this kind.
    pub async fn record(&self, collection: &str) -> Option<Value> {
        let url = format!("{}/xrpc/com.atproto.repo.getRecord", self.net.service());
        let parameters = [("repo", self.did.as_str()), ("collection", collection), ("rkey", "self")];
        let answer: Value =
            self.net.http.get(url).query(&parameters).send().await.unwrap().json().await.unwrap();
        answer.get("value").cloned()
    }

    /// Waits until the thread below a post has one that contains `part`.
    pub async fn sees(&self, post: &Posted, part: &str) -> Said {
        eventually(&format!("{self} sees {part:?}"), || async {
            self.thread(post).await.into_iter().find(|said| said.text.contains(part))
        })
        .await
    }

    /// Waits until this person is notified of a post that contains `part`.
    pub async fn hears(&self, part: &str) -> Said {
        eventually(&format!("{self} hears {part:?}"), || async {
            self.heard().await.into_iter().find(|said| said.text.contains(part))
        })
        .await
    }

    async fn write(&self, record: Value) -> Posted {
        let reply = record.get("reply").cloned();
        let body = json!({"repo": self.did, "collection": "app.bsky.feed.post", "record": record});
        let answer = self.net.procedure("com.atproto.repo.createRecord", &self.access, body).await;
        let (uri, cid) = (text(&answer, "/uri"), text(&answer, "/cid"));
        let root = reply.map_or((uri.clone(), cid.clone()), |reply| {
            (text(&reply, "/root/uri"), text(&reply, "/root/cid"))
        });
        Posted { uri, cid, root }
    }
}

/// Looks again and again until there is something.
///
/// # Panics
///
/// After [`LOOKS_MAX`] looks.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("waited in vain: {what}");
}

fn start() -> Option<BlueskyNetwork> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/bluesky-network");
    let folder = std::env::var_os("STUMPER_BLUESKY_DIR").map(PathBuf::from);
    let folder = folder.unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bluesky-network"));
    if !folder.join(".node-folder").exists() {
        let required = std::env::var("STUMPER_BLUESKY_NETWORK").is_ok_and(|value| value == "required");
        assert!(!required, "no Bluesky network is installed: run .ci/bluesky-network/install.sh");
        println!("skipped: no Bluesky network is installed (.ci/bluesky-network/install.sh does it)");
        return None;
    }
    let mut process = Command::new(scripts.join("start.sh"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Its servers are talkative; whoever wants to hear them runs start.sh by hand.
        .stderr(Stdio::null())
        .spawn()
        .expect("start.sh can be run");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("it was asked for");
    BufReader::new(stdout).read_line(&mut line).expect("start.sh says something");
    let addresses =
        serde_json::from_str(&line).expect("the network starts; run start.sh by hand to see why not");
    Some(BlueskyNetwork { http: client(&addresses), addresses, _process: process })
}

fn client(addresses: &Addresses) -> reqwest::Client {
    // For the choice of a TLS provider, which every client needs.
    http::client().unwrap();
    let bypass = addresses.rate_limit_bypass_key.parse().unwrap();
    reqwest::Client::builder()
        .default_headers(
            [(reqwest::header::HeaderName::from_static("x-ratelimit-bypass"), bypass)].into_iter().collect(),
        )
        // A connection belongs to the runtime of the test that opened it, so none is kept for the next.
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

async fn answer(method: &str, request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert!(status.is_success(), "{method}: {status} {body}");
    body
}

fn record(text: &str, mentions: &[&Person<'_>], reply_to: Option<&Posted>) -> Value {
    let facets = mentions.iter().flat_map(|person| {
        let name = format!("@{person}");
        let found: Vec<_> = text.match_indices(&name).map(|(start, _)| (start, start + name.len())).collect();
        assert!(!found.is_empty(), "the text mentions {person}");
        found.into_iter().map(|(start, end)| {
            json!({"index": {"byteStart": start, "byteEnd": end},
                   "features": [{"$type": "app.bsky.richtext.facet#mention", "did": person.did}]})
        })
    });
    let mut record = json!({
        "$type": "app.bsky.feed.post", "text": text, "langs": ["en"], "facets": facets.collect::<Vec<_>>(),
        "createdAt": stumper::clock::now().to_string(),
    });
    if let Some(parent) = reply_to {
        record["reply"] = json!({
            "root": {"uri": parent.root.0, "cid": parent.root.1},
            "parent": {"uri": parent.uri, "cid": parent.cid},
        });
    }
    record
}

fn collect(thread: &Value, all: &mut Vec<Said>) {
    if thread["post"].is_object() {
        all.push(said(&thread["post"]));
    }
    for reply in thread["replies"].as_array().into_iter().flatten() {
        collect(reply, all);
    }
}

fn said(view: &Value) -> Said {
    let (uri, cid) = (text(view, "/uri"), text(view, "/cid"));
    let root = match view.pointer("/record/reply/root") {
        Some(root) => (text(root, "/uri"), text(root, "/cid")),
        None => (uri.clone(), cid.clone()),
    };
    Said {
        author: text(view, "/author/handle"),
        text: text(view, "/record/text"),
        at: Posted { uri, cid, root },
    }
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no {pointer} in {value}")).to_owned()
}

/// What a token says, whoever signed it.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&from_base64(token.split('.').nth(1).unwrap_or_default())).unwrap_or_default()
}

/// HMAC of RFC 2104 over SHA-256, for keys of up to 64 bytes.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut padded = [0; 64];
    padded[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(padded.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn to_base64(bytes: &[u8]) -> String {
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let number =
            chunk.iter().enumerate().map(|(at, byte)| u32::from(*byte) << (16 - 8 * at)).sum::<u32>();
        (0..=chunk.len()).map(move |at| char::from(BASE64_URL[(number >> (18 - 6 * at)) as usize & 63]))
    });
    digits.collect()
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |sign: u8| BASE64_URL.iter().position(|digit| *digit == sign).unwrap() as u32;
    let bytes = text.as_bytes().chunks(4).flat_map(|chunk| {
        let number: u32 = chunk.iter().enumerate().map(|(at, sign)| value(*sign) << (18 - 6 * at)).sum();
        (0..chunk.len() - 1).map(move |at| (number >> (16 - 8 * at)) as u8)
    });
    bytes.collect()
}
