//! What the Bluesky connector does with every answer that a server can give: good ones, refusals, and
//! nonsense.
//!
//! **Invariant:** everything here talks to a fake server on loopback; what the real one does is tested
//! in `bluesky_network.rs`.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/samples.rs"]
mod samples;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use stumper::desk::letter::{Mention, Refusal};
use stumper::desk::{Account, Anchor, Content, Letter, Network, Place, PostId, Visibility};
use stumper::networks::bluesky::{Connector, Settings};
use stumper::networks::{Batch, Failure, Outgoing, http};
use wiremock::matchers::{body_string_contains, header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockBuilder, MockServer, Request, ResponseTemplate};

const CREATE_SESSION: &str = "/xrpc/com.atproto.server.createSession";
const REFRESH_SESSION: &str = "/xrpc/com.atproto.server.refreshSession";
const GET_SESSION: &str = "/xrpc/com.atproto.server.getSession";
const LIST: &str = "/xrpc/app.bsky.notification.listNotifications";
const PUT: &str = "/xrpc/com.atproto.repo.putRecord";
const GET: &str = "/xrpc/com.atproto.repo.getRecord";
const DELETE: &str = "/xrpc/com.atproto.repo.deleteRecord";
const POSTS: &str = "/xrpc/app.bsky.feed.getPosts";

/// A fake server, and a connector that uses it.
struct Fake {
    server: MockServer,
    folder: tempfile::TempDir,
    connector: Connector,
}

impl Fake {
    /// A server on which nobody can log in yet.
    async fn bare() -> Fake {
        let server = MockServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let connector = connector(&server.uri(), folder.path().join("bluesky.session"));
        Fake { server, folder, connector }
    }

    /// A server on which logging in works, once.
    async fn new() -> Fake {
        let fake = Fake::bare().await;
        let granted = fake.granted("1");
        fake.on("POST", CREATE_SESSION).respond_with(granted).expect(1).mount(&fake.server).await;
        fake
    }

    fn on(&self, verb: &str, call: &str) -> MockBuilder {
        Mock::given(method(verb)).and(path(call))
    }

    /// A session whose tokens are `access-1` and `refresh-1`.
    fn granted(&self, number: &str) -> ResponseTemplate {
        ok(json!({
            "did": "did:plc:desk", "handle": "desk.test", "active": true,
            "accessJwt": format!("access-{number}"), "refreshJwt": format!("refresh-{number}"),
            "didDoc": {"id": "did:plc:desk", "service": [
                {"id": "#other", "serviceEndpoint": "https://elsewhere.example"},
                {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.server.uri()},
            ]},
        }))
    }

    fn session_file(&self) -> PathBuf {
        self.folder.path().join("bluesky.session")
    }

    /// The same account in a new process.
    fn restarted(&self) -> Connector {
        connector(&self.server.uri(), self.session_file())
    }

    /// The requests of one call so far.
    async fn requests(&self, call: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|request| request.url.path() == call).collect()
    }
}

fn settings(service: &str, session_file: PathBuf) -> Settings {
    Settings::new(service, "desk.test", SecretString::from("xxxx-xxxx"), session_file)
}

fn connector(service: &str, session_file: PathBuf) -> Connector {
    Connector::new(settings(service, session_file), http::client().unwrap())
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn error(status: u16, name: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": name, "message": "quotes @ann.test"}))
}

fn raw(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body, kind)
}

fn account(did: &str, handle: &str) -> Account {
    Account::new(Network::Bluesky, did, handle)
}

fn anchor(author: &str, key: &str) -> Anchor {
    Anchor { id: format!("at://{author}/app.bsky.feed.post/{key}"), revision: Some(format!("cid-{key}")) }
}

fn letter(content: Content) -> Letter {
    let made_at = "2026-11-24T10:00:00.123456Z".parse().unwrap();
    samples::letter("a", account("did:plc:ann", "ann.test"), content, made_at)
}

const TEXT: &str = "👋 @ann.test: see https://lib.example/x.";

fn post(visibility: Visibility) -> Outgoing {
    let mention = Mention { start: 5, end: 14, account: account("did:plc:ann", "ann.test") };
    let content = samples::words(TEXT, vec![mention], visibility);
    Outgoing { letter: letter(content), reply_to: None }
}

fn reply() -> Outgoing {
    let (post_to, root) = (anchor("did:plc:ann", "p"), anchor("did:plc:eve", "r"));
    let place = Place { network: Network::Bluesky, post: post_to, root };
    Outgoing { reply_to: Some(place), ..post(Visibility::Public) }
}

fn deletion(uri: &str) -> Outgoing {
    let content = Content::Delete { post: PostId::new(Network::Bluesky, uri) };
    Outgoing { letter: letter(content), reply_to: None }
}

fn stored() -> Value {
    json!({"uri": "at://did:plc:desk/app.bsky.feed.post/k", "cid": "cid-k",
           "commit": {"cid": "x", "rev": "y"}, "validationStatus": "valid", "news": [1]})
}

fn mention(key: &str, indexed_at: &str, text: &str) -> Value {
    json!({
        "uri": format!("at://did:plc:ann/app.bsky.feed.post/{key}"), "cid": format!("cid-{key}"),
        "author": {"did": "did:plc:ann", "handle": "ann.test", "labels": []},
        "reason": "mention", "isRead": true, "indexedAt": indexed_at,
        "record": {"$type": "app.bsky.feed.post", "text": format!("@desk.test {text}"),
            "createdAt": indexed_at, "langs": ["en"],
            "facets": [{"index": {"byteStart": 0, "byteEnd": 10}, "features": [
                {"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:desk"}]}]},
    })
}

/// A time after the desk was first started. What a server dates into the future counts as now.
const SOON: &str = "2096-11-24T10:00:00.000Z";

fn texts(batch: &Batch) -> Vec<&str> {
    batch.posts.iter().map(|post| post.text.reveal()).collect()
}

// ---- Logging in ----

async fn check_log_in(name: &str, answer: ResponseTemplate, want: &str) {
    let fake = Fake::bare().await;
    fake.on("POST", CREATE_SESSION).respond_with(answer).expect(1).mount(&fake.server).await;
    let failure = fake.connector.connect().await.unwrap_err();
    let got = failure.to_string();
    assert!(got.contains(want), "{name}: {got}");
    assert!(!got.contains("ann.test"), "{name} quotes the server: {got}");
    assert!(!fake.session_file().exists(), "{name}");
}

#[tokio::test]
async fn a_log_in_that_fails_says_what_to_mend() {
    check_log_in("a wrong password", error(401, "AuthenticationRequired"), "make a new app password").await;
    check_log_in("the main password", error(401, "AuthFactorTokenRequired"), "make an app password").await;
    check_log_in("taken down", error(401, "AccountTakedown"), "taken the account down").await;
    check_log_in("no such server", error(404, "XRPCNotSupported"), "check the address").await;
    check_log_in("another web site", raw(200, "text/html", "<html>Hi</html>"), "not one of the AT Protocol")
        .await;
    check_log_in("a redirect", raw(302, "text/html", ""), "not one of the AT Protocol").await;
    let inactive = json!({"did": "d", "handle": "h", "accessJwt": "a", "refreshJwt": "r", "active": false});
    check_log_in("deactivated", ok(inactive), "not active").await;
    let limited = error(429, "RateLimitExceeded").insert_header("retry-after", "289");
    check_log_in("too often", limited, "wait 289 s").await;
    check_log_in("out of order", error(500, "InternalServerError"), "out of order").await;
}

#[tokio::test]
async fn a_log_in_is_kept_over_restarts_for_its_owner_only() {
    let fake = Fake::new().await;
    fake.on("GET", GET_SESSION)
        .and(header("authorization", "Bearer access-1"))
        .respond_with(ok(json!({"did": "did:plc:desk", "handle": "desk.test", "active": true})))
        .expect(2)
        .mount(&fake.server)
        .await;
    assert_eq!(fake.connector.connect().await.unwrap().handle, "desk.test");
    assert_eq!(fake.restarted().connect().await.unwrap().id.id, "did:plc:desk");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let rights = std::fs::metadata(fake.session_file()).unwrap().permissions().mode();
        assert_eq!(rights & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_broken_session_file_means_a_new_log_in() {
    for broken in ["", "{}", "not JSON", "{\"service\":1}"] {
        let fake = Fake::new().await;
        std::fs::write(fake.session_file(), broken).unwrap();
        fake.on("GET", LIST).respond_with(ok(json!({"notifications": []}))).mount(&fake.server).await;
        fake.connector.fetch(None).await.unwrap();
        assert!(std::fs::read_to_string(fake.session_file()).unwrap().contains("refresh-1"), "{broken}");
    }
}

#[tokio::test]
async fn a_kept_log_in_that_is_dead_is_tried_anew_once() {
    let fake = Fake::bare().await;
    let first = fake.on("POST", CREATE_SESSION).respond_with(fake.granted("1"));
    first.up_to_n_times(1).mount(&fake.server).await;
    fake.on("POST", CREATE_SESSION).respond_with(fake.granted("2")).expect(1).mount(&fake.server).await;
    fake.on("GET", LIST).respond_with(ok(json!({"notifications": []}))).mount(&fake.server).await;
    fake.connector.fetch(None).await.unwrap();
    let old = fake.on("GET", GET_SESSION).and(header("authorization", "Bearer access-1"));
    old.respond_with(error(400, "AccountDeactivated")).mount(&fake.server).await;
    let new = fake.on("GET", GET_SESSION).and(header("authorization", "Bearer access-2"));
    new.respond_with(ok(json!({"did": "did:plc:desk", "handle": "desk.test"}))).mount(&fake.server).await;
    assert_eq!(fake.restarted().connect().await.unwrap().handle, "desk.test");
}

#[tokio::test]
async fn a_session_that_cannot_be_kept_is_not_used() {
    let fake = Fake::new().await;
    let nowhere = fake.folder.path().join("file/bluesky.session");
    std::fs::write(fake.folder.path().join("file"), "").unwrap();
    let failure = connector(&fake.server.uri(), nowhere).connect().await.unwrap_err();
    assert!(failure.to_string().contains("session file"), "{failure}");
    assert!(fake.requests(GET_SESSION).await.is_empty());
}

/// A server that no longer takes `access-1`.
async fn with_expired_token(name: &str) -> Fake {
    let fake = Fake::new().await;
    let old = fake.on("GET", LIST).and(header("authorization", "Bearer access-1"));
    old.respond_with(error(400, name)).mount(&fake.server).await;
    let new = fake.on("GET", LIST).and(header("authorization", "Bearer access-2"));
    new.respond_with(ok(json!({"notifications": []}))).mount(&fake.server).await;
    fake
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_kept() {
    for name in ["ExpiredToken", "InvalidToken"] {
        let fake = with_expired_token(name).await;
        fake.on("POST", REFRESH_SESSION)
            .and(header("authorization", "Bearer refresh-1"))
            .respond_with(fake.granted("2"))
            .expect(1)
            .mount(&fake.server)
            .await;
        fake.connector.fetch(None).await.unwrap();
        fake.connector.fetch(None).await.unwrap();
        assert!(std::fs::read_to_string(fake.session_file()).unwrap().contains("refresh-2"), "{name}");
        fake.restarted().fetch(None).await.unwrap();
    }
}

#[tokio::test]
async fn listener_and_sender_renew_a_token_once() {
    let fake = with_expired_token("ExpiredToken").await;
    fake.on("POST", REFRESH_SESSION).respond_with(fake.granted("2")).expect(1).mount(&fake.server).await;
    let old = fake.on("POST", PUT).and(header("authorization", "Bearer access-1"));
    old.respond_with(error(400, "ExpiredToken")).mount(&fake.server).await;
    let new = fake.on("POST", PUT).and(header("authorization", "Bearer access-2"));
    new.respond_with(ok(stored())).mount(&fake.server).await;
    let post = post(Visibility::Public);
    let (fetched, sent) = tokio::join!(fake.connector.fetch(None), fake.connector.send(&post));
    assert!(fetched.is_ok() && sent.is_ok());
}

async fn check_renewal(name: &str, answer: ResponseTemplate, log_ins: usize, want: &str) {
    let fake = Fake::bare().await;
    let first = fake.on("POST", CREATE_SESSION).respond_with(fake.granted("1"));
    first.up_to_n_times(1).mount(&fake.server).await;
    let again = fake.on("POST", CREATE_SESSION).respond_with(fake.granted("2"));
    again.mount(&fake.server).await;
    let old = fake.on("GET", LIST).and(header("authorization", "Bearer access-1"));
    old.respond_with(error(400, "ExpiredToken")).mount(&fake.server).await;
    let new = fake.on("GET", LIST).and(header("authorization", "Bearer access-2"));
    new.respond_with(ok(json!({"notifications": []}))).mount(&fake.server).await;
    fake.on("POST", REFRESH_SESSION).respond_with(answer).mount(&fake.server).await;
    let got = fake.connector.fetch(None).await.map(|_| "fine".to_owned());
    let got = got.unwrap_or_else(|failure| failure.to_string());
    assert!(got.contains(want), "{name}: {got}");
    assert_eq!(fake.requests(CREATE_SESSION).await.len(), log_ins, "{name}");
}

#[tokio::test]
async fn only_a_log_in_that_has_ended_is_made_again() {
    check_renewal("the log-in has ended", error(400, "ExpiredToken"), 2, "fine").await;
    check_renewal("revoked", error(400, "InvalidToken"), 2, "fine").await;
    check_renewal("out of order", error(502, "UpstreamFailure"), 1, "out of order").await;
    check_renewal("nonsense", raw(200, "text/html", "<html>"), 1, "not one of").await;
    check_renewal("taken down", error(401, "AccountTakedown"), 1, "taken the account down").await;
    let limited = error(429, "RateLimitExceeded").insert_header("retry-after", "9");
    check_renewal("too often", limited, 1, "wait 9 s").await;
}

#[tokio::test]
async fn a_token_that_is_never_good_is_no_endless_loop() {
    let fake = Fake::new().await;
    fake.on("GET", LIST).respond_with(error(400, "InvalidToken")).expect(2).mount(&fake.server).await;
    fake.on("POST", REFRESH_SESSION).respond_with(fake.granted("2")).expect(1).mount(&fake.server).await;
    assert!(matches!(fake.connector.fetch(None).await, Err(Failure::Transient(_))));
}

// ---- Reading ----

async fn check_fetch(name: &str, answer: ResponseTemplate, want: &str) {
    let fake = Fake::new().await;
    fake.on("GET", LIST).respond_with(answer).mount(&fake.server).await;
    let got = fake.connector.fetch(None).await.map(|_| "fine".to_owned());
    let got = got.unwrap_or_else(|failure| failure.to_string());
    assert!(got.contains(want), "{name}: {got}");
    assert!(!got.contains("ann.test"), "{name} quotes the server: {got}");
}

#[tokio::test]
async fn pages_of_any_shape_are_results() {
    let not_ours = "not one of the AT Protocol";
    let whole = json!({"notifications": [mention("a", SOON, "why?")]}).to_string();
    check_fetch("nothing new", ok(json!({"notifications": []})), "fine").await;
    check_fetch("unknown fields", ok(json!({"notifications": [], "priority": true, "x": {}})), "fine").await;
    check_fetch("HTML that says 200", raw(200, "text/html", "<html>Welcome</html>"), not_ours).await;
    check_fetch("an empty answer", raw(200, "application/json", ""), not_ours).await;
    check_fetch("JSON that breaks off", raw(200, "application/json", &whole[..whole.len() / 2]), not_ours)
        .await;
    check_fetch("bytes", raw(200, "application/json", [0xff, 0xfe, 0x00]), not_ours).await;
    check_fetch("no list", ok(json!({"cursor": "x"})), not_ours).await;
    check_fetch("another type", ok(json!({"notifications": {"a": 1}})), not_ours).await;
    check_fetch("a number for a cursor", ok(json!({"notifications": [], "cursor": 7})), not_ours).await;
    check_fetch("nested without end", raw(200, "application/json", "[".repeat(100_000)), not_ours).await;
    check_fetch("5 MB", raw(200, "application/json", " ".repeat(5_000_000)), "larger than").await;
    check_fetch("forbidden", raw(403, "text/html", "<html>Blocked</html>"), not_ours).await;
    check_fetch("out of order", error(500, "InternalServerError"), "out of order").await;
    check_fetch("upstream", error(502, "UpstreamFailure"), "out of order").await;
    check_fetch("taken down", error(401, "AccountTakedown"), "taken the account down").await;
    check_fetch("too often", error(429, "RateLimitExceeded").insert_header("retry-after", "7"), "wait 7 s")
        .await;
    check_fetch("too often, no word when", error(429, "RateLimitExceeded"), "wait 60 s").await;
}

#[tokio::test]
async fn the_request_asks_for_everybodys_mentions() {
    let fake = Fake::new().await;
    fake.on("GET", LIST).respond_with(ok(json!({"notifications": []}))).mount(&fake.server).await;
    fake.connector.fetch(None).await.unwrap();
    let query = fake.requests(LIST).await[0].url.query().unwrap().to_owned();
    assert_eq!(query, "limit=100&reasons=mention&reasons=reply&reasons=quote&priority=false");
}

#[tokio::test]
async fn one_broken_item_hides_no_other() {
    let fake = Fake::new().await;
    let page = json!({"notifications": [
        mention("a", SOON, "first?"), 7, {"uri": "at://x"}, mention("b", SOON, "second?"),
        mention("a", SOON, "first?"), {"reason": "mention", "record": null},
    ]});
    fake.on("GET", LIST).respond_with(ok(page)).mount(&fake.server).await;
    let batch = fake.connector.fetch(None).await.unwrap();
    assert_eq!(texts(&batch), ["first?", "second?"], "and the one that came twice is there once");
    assert_eq!(batch.unreadable, 3);
    let again = fake.connector.fetch(batch.cursor.as_deref()).await.unwrap();
    assert_eq!((again.posts.len(), again.unreadable), (0, 0), "counted once, not at each look");
}

#[tokio::test]
async fn a_back_dated_mention_on_the_last_page_is_found() {
    let fake = Fake::new().await;
    let first =
        json!({"cursor": "page 2", "notifications": [mention("new", "2021-01-01T00:00:00Z", "old?")]});
    let top = fake.on("GET", LIST).and(query_param_is_missing("cursor"));
    top.respond_with(ok(first)).mount(&fake.server).await;
    let before = json!({"notifications": []});
    let page_2 = fake.on("GET", LIST).and(query_param("cursor", "page 2"));
    page_2.respond_with(ok(before)).up_to_n_times(1).mount(&fake.server).await;
    let after = json!({"notifications": [mention("late", "2020-01-01T00:00:00Z", "late?")]});
    let page_2 = fake.on("GET", LIST).and(query_param("cursor", "page 2"));
    page_2.respond_with(ok(after)).mount(&fake.server).await;
    let batch = fake.connector.fetch(None).await.unwrap();
    assert_eq!(texts(&batch), [""; 0], "what was there before the first start is not answered");
    let batch = fake.connector.fetch(batch.cursor.as_deref()).await.unwrap();
    assert_eq!(texts(&batch), ["late?"]);
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let fake = Fake::new().await;
    let full = fake.on("GET", LIST).and(query_param("limit", "100"));
    full.respond_with(raw(200, "application/json", " ".repeat(5_000_000))).mount(&fake.server).await;
    let less = fake.on("GET", LIST).and(query_param("limit", "25"));
    let page = json!({"notifications": [mention("a", SOON, "why?")]});
    less.respond_with(ok(page)).mount(&fake.server).await;
    assert_eq!(texts(&fake.connector.fetch(None).await.unwrap()), ["why?"]);
}

#[tokio::test]
async fn a_page_that_fails_does_not_hide_the_one_above() {
    let fake = Fake::new().await;
    let first = json!({"cursor": "bad", "notifications": [mention("a", SOON, "why?")]});
    let top = fake.on("GET", LIST).and(query_param_is_missing("cursor"));
    top.respond_with(ok(first)).mount(&fake.server).await;
    let bad = fake.on("GET", LIST).and(query_param("cursor", "bad"));
    bad.respond_with(error(502, "UpstreamFailure")).mount(&fake.server).await;
    assert_eq!(texts(&fake.connector.fetch(None).await.unwrap()), ["why?"]);
}

// ---- Sending ----

async fn check_send(name: &str, answer: ResponseTemplate, want: Result<(), Failure>) {
    let fake = Fake::new().await;
    fake.on("POST", PUT).respond_with(answer).mount(&fake.server).await;
    let got = fake.connector.send(&post(Visibility::Public)).await.map(|_| ());
    match (&got, &want) {
        // Which words go with it is for people to read; the kind is for the sender to act on.
        (Err(Failure::Unsure(_)), Err(Failure::Unsure(_))) => {}
        (Err(Failure::Transient(_)), Err(Failure::Transient(_))) => {}
        (Err(Failure::AccountDead(_)), Err(Failure::AccountDead(_))) => {}
        (got, want) => assert_eq!(got, want, "{name}"),
    }
}

#[tokio::test]
async fn every_answer_to_a_letter_has_a_meaning() {
    let unsure = || Err(Failure::Unsure(""));
    let transient = || Err(Failure::Transient(""));
    let dead = || Err(Failure::AccountDead(""));
    let later = |seconds| Err(Failure::Later { after: Duration::from_secs(seconds) });
    let rejected = || Err(Failure::Refused(Refusal::Rejected));
    check_send("taken", ok(stored()), Ok(())).await;
    check_send("HTML that says 200", raw(200, "text/html", "<html>"), unsure()).await;
    check_send("JSON that breaks off", raw(200, "application/json", "{\"uri\":\"at:"), unsure()).await;
    check_send("no address", ok(json!({"cid": "c"})), unsure()).await;
    check_send("no hash", ok(json!({"uri": "at://did:plc:desk/app.bsky.feed.post/k"})), unsure()).await;
    check_send("wrong types", ok(json!({"uri": 1, "cid": []})), unsure()).await;
    check_send("5 MB", raw(200, "application/json", " ".repeat(5_000_000)), unsure()).await;
    check_send("malformed", error(400, "InvalidRequest"), rejected()).await;
    check_send("too large", error(413, "PayloadTooLarge"), rejected()).await;
    check_send("something new", error(400, "MoonInWrongPhase"), rejected()).await;
    check_send("something on the way", raw(403, "text/html", "<html>"), transient()).await;
    check_send("a redirect", raw(307, "text/html", ""), transient()).await;
    check_send("given up waiting", raw(408, "text/html", ""), unsure()).await;
    check_send("taken down", error(401, "AccountTakedown"), dead()).await;
    check_send("deactivated", error(400, "AccountDeactivated"), dead()).await;
    check_send("no such call", error(404, "XRPCNotSupported"), dead()).await;
    check_send("too often", error(429, "RateLimitExceeded").insert_header("retry-after", "7"), later(7))
        .await;
    check_send(
        "too often today",
        error(429, "X").insert_header("ratelimit-reset", "4102444800"),
        later(3600),
    )
    .await;
    check_send("out of order", error(500, "InternalServerError"), unsure()).await;
    check_send("upstream", error(502, "UpstreamFailure"), unsure()).await;
    check_send("busy", error(503, "NotEnoughResources").insert_header("retry-after", "7"), unsure()).await;
}

/// The fake's account with a log-in of an earlier run, but its server is somewhere else now.
async fn moved_to(fake: &Fake, server: &str) -> Connector {
    fake.on("GET", LIST).respond_with(ok(json!({"notifications": []}))).mount(&fake.server).await;
    fake.connector.fetch(None).await.unwrap();
    let mut session: Value = serde_json::from_slice(&std::fs::read(fake.session_file()).unwrap()).unwrap();
    session["server"] = json!(server);
    std::fs::write(fake.session_file(), session.to_string()).unwrap();
    fake.restarted()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_sure_to_have_nothing() {
    let fake = Fake::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connector = moved_to(&fake, &format!("http://{closed}")).await;
    let got = connector.send(&post(Visibility::Public)).await;
    assert!(matches!(got, Err(Failure::Transient(_))), "{got:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_letter_unsure() {
    let fake = Fake::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::Read;
        let (mut stream, _) = listener.accept().unwrap();
        stream.read(&mut [0; 4096]).unwrap()
    });
    let connector = moved_to(&fake, &format!("http://{address}")).await;
    let got = connector.send(&post(Visibility::Public)).await;
    assert!(matches!(got, Err(Failure::Unsure(_))), "{got:?}");
    assert!(server.join().unwrap() > 0, "the request had left");
}

#[tokio::test]
async fn a_server_that_does_not_answer_leaves_the_letter_unsure() {
    let fake = Fake::new().await;
    let never = ok(stored()).set_delay(Duration::from_secs(3600));
    fake.on("POST", PUT).respond_with(never).mount(&fake.server).await;
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(500)).build().unwrap();
    let connector = Connector::new(settings(&fake.server.uri(), fake.session_file()), impatient);
    let got = connector.send(&post(Visibility::Public)).await;
    assert!(matches!(got, Err(Failure::Unsure(_))), "{got:?}");
}

#[tokio::test]
async fn a_letter_sent_twice_is_the_same_bytes() {
    let fake = Fake::new().await;
    fake.on("POST", PUT).respond_with(ok(stored())).mount(&fake.server).await;
    fake.connector.send(&post(Visibility::Public)).await.unwrap();
    fake.restarted().send(&post(Visibility::Public)).await.unwrap();
    let requests = fake.requests(PUT).await;
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, requests[1].body);
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body.get("swapRecord"), Some(&Value::Null), "null must be said");
    assert_eq!(body["repo"], "did:plc:desk");
    assert_eq!(body["record"]["createdAt"], "2026-11-24T10:00:00.123Z");
    assert_eq!(body["record"]["facets"][0]["index"], json!({"byteStart": 5, "byteEnd": 14}));
    assert_eq!(body["record"]["facets"][1]["features"][0]["uri"], "https://lib.example/x");
}

#[tokio::test]
async fn a_reply_goes_into_its_thread() {
    let fake = Fake::new().await;
    fake.on("GET", POSTS).respond_with(ok(json!({"posts": [{"uri": "x"}]}))).mount(&fake.server).await;
    fake.on("POST", PUT).respond_with(ok(stored())).mount(&fake.server).await;
    let place = fake.connector.send(&reply()).await.unwrap();
    assert_eq!(place.post.revision.as_deref(), Some("cid-k"));
    assert_eq!(place.root, anchor("did:plc:eve", "r"));
    let body: Value = serde_json::from_slice(&fake.requests(PUT).await[0].body).unwrap();
    assert_eq!(
        body["record"]["reply"],
        json!({"root": {"uri": "at://did:plc:eve/app.bsky.feed.post/r", "cid": "cid-r"},
               "parent": {"uri": "at://did:plc:ann/app.bsky.feed.post/p", "cid": "cid-p"}})
    );
}

async fn check_reply(name: &str, posts: ResponseTemplate, want: Result<(), Failure>) {
    let fake = Fake::new().await;
    fake.on("GET", POSTS).respond_with(posts).expect(1).mount(&fake.server).await;
    let sent = u64::from(want.is_ok());
    fake.on("POST", PUT).respond_with(ok(stored())).expect(sent).mount(&fake.server).await;
    assert_eq!(fake.connector.send(&reply()).await.map(|_| ()), want, "{name}");
}

#[tokio::test]
async fn nobody_is_answered_where_they_cannot_see_it() {
    let unreachable = || Err(Failure::Refused(Refusal::Unreachable));
    check_reply("deleted", ok(json!({"posts": []})), unreachable()).await;
    let closed = json!({"posts": [{"viewer": {"replyDisabled": true}}]});
    check_reply("closed to replies", ok(closed), unreachable()).await;
    let blocked = json!({"posts": [{"author": {"viewer": {"blockedBy": true}}}]});
    check_reply("the author blocks the desk", ok(blocked), unreachable()).await;
    check_reply("open", ok(json!({"posts": [{"viewer": {"replyDisabled": false}}]})), Ok(())).await;
    check_reply("nobody can say", error(501, "MethodNotImplemented"), Ok(())).await;
    check_reply("nonsense", raw(200, "text/html", "<html>"), Ok(())).await;
}

const AVAILABLE: &str = "/xrpc/chat.bsky.convo.getConvoAvailability";
const OPEN: &str = "/xrpc/chat.bsky.convo.getConvoForMembers";
const SAY: &str = "/xrpc/chat.bsky.convo.sendMessage";

/// Promise 1: what is private is never put among the posts, whatever the chat service answers.
#[tokio::test]
async fn nothing_private_is_ever_posted() {
    let convo = || ok(json!({"convo": {"id": "c1", "members": []}}));
    let can = |can: bool| ok(json!({"canChat": can}));
    let no = |name: &str| error(400, name);
    let not_privately = || Err(Failure::Refused(Refusal::NotPrivate));
    let rows = [
        ("closed to the desk", can(false), convo(), ok(json!({})), not_privately()),
        ("blocked", can(true), no("BlockedActor"), ok(json!({})), not_privately()),
        ("closed meanwhile", can(true), convo(), no("MessagesDisabled"), not_privately()),
        ("said", can(true), convo(), ok(json!({"id": "m1", "new": 1})), Ok("chat:c1/m1")),
        ("no name for it", can(true), convo(), ok(json!({})), Err(Failure::Unsure("x"))),
        ("a name that is none", can(true), convo(), ok(json!({"id": "m/1"})), Err(Failure::Unsure("x"))),
        ("out of order", can(true), convo(), raw(502, "text/html", "<html>"), Err(Failure::Unsure("x"))),
        (
            "out of order before",
            raw(502, "text/html", ""),
            convo(),
            ok(json!({})),
            Err(Failure::Transient("x")),
        ),
        ("nonsense before", raw(200, "text/html", "<"), convo(), ok(json!({})), Err(Failure::Transient("x"))),
        ("refused", can(true), convo(), no("InvalidRequest"), Err(Failure::Refused(Refusal::Rejected))),
    ];
    for (name, available, open, said, expected) in rows {
        let fake = Fake::new().await;
        fake.on("GET", AVAILABLE)
            .and(header("atproto-proxy", "did:web:api.bsky.chat#bsky_chat"))
            .respond_with(available)
            .mount(&fake.server)
            .await;
        fake.on("GET", OPEN).respond_with(open).mount(&fake.server).await;
        fake.on("POST", SAY).respond_with(said).mount(&fake.server).await;
        let got = fake.connector.send(&post(Visibility::Direct)).await;
        match (got, expected) {
            (Ok(place), Ok(id)) => assert_eq!(place.post.id, id, "{name}"),
            (Err(Failure::Unsure(_)), Err(Failure::Unsure(_)))
            | (Err(Failure::Transient(_)), Err(Failure::Transient(_))) => {}
            (got, expected) => {
                assert_eq!(got.map(|place| place.post.id), expected.map(str::to_owned), "{name}")
            }
        }
        assert!(fake.requests(PUT).await.is_empty(), "promise 1: {name}");
    }
}

/// A mention of which the network told nothing is found by search, once.
#[tokio::test]
async fn a_mention_that_caused_no_notification_is_searched_for() {
    let fake = Fake::new().await;
    let empty = ok(json!({"notifications": []}));
    fake.on("GET", LIST).respond_with(empty).mount(&fake.server).await;
    let mut missed = mention("missed", SOON, "who wrote this?");
    missed.as_object_mut().unwrap().remove("reason");
    let before_the_desk = mention("old", "2020-01-01T00:00:00Z", "who wrote that?");
    let found = ok(json!({"posts": [missed, before_the_desk, {"broken": true}], "hitsTotal": 2}));
    fake.on("GET", "/xrpc/app.bsky.feed.searchPosts")
        .and(query_param("mentions", "did:plc:desk"))
        .respond_with(found)
        .expect(1)
        .mount(&fake.server)
        .await;
    let batch = fake.connector.fetch(None).await.unwrap();
    assert_eq!(texts(&batch), ["who wrote this?"]);
    let next = fake.connector.fetch(batch.cursor.as_deref()).await.unwrap();
    assert_eq!(texts(&next), [""; 0]);
}

/// A post with a hashtag is overheard once, unless it is for the desk; what is old is not.
#[tokio::test]
async fn posts_with_a_hashtag_are_overheard() {
    let fake = Fake::new().await;
    fake.on("GET", LIST).respond_with(ok(json!({"notifications": []}))).mount(&fake.server).await;
    let stranger = |key: &str, at: &str| {
        let mut post = mention(key, at, "who wrote this? #AskALibrarian");
        post["record"]["facets"] = json!([]);
        post["record"]["text"] = json!("who wrote this? #AskALibrarian");
        post
    };
    let found = [
        stranger("new", SOON),
        mention("to the desk", SOON, "why?"),
        stranger("old", "2020-01-01T00:00:00Z"),
    ];
    fake.on("GET", "/xrpc/app.bsky.feed.searchPosts")
        .and(query_param("tag", "AskALibrarian"))
        .respond_with(ok(json!({"posts": found})))
        .expect(1)
        .mount(&fake.server)
        .await;
    let settings = settings(&fake.server.uri(), fake.session_file());
    let connector =
        Connector::new(settings.with_hashtags(vec!["AskALibrarian".to_owned()]), http::client().unwrap());
    let batch = connector.fetch(None).await.unwrap();
    let addresses: Vec<&str> = batch.overheard.iter().map(|one| one.address.as_str()).collect();
    assert_eq!(addresses, ["https://bsky.app/profile/did:plc:ann/post/new"]);
    assert_eq!(texts(&batch), [""; 0], "it is no mention");
    assert_eq!(connector.fetch(batch.cursor.as_deref()).await.unwrap().overheard, []);
}

/// What `getRecord` says of a record with this text.
fn record(text: &str) -> ResponseTemplate {
    ok(json!({"uri": "at://did:plc:desk/app.bsky.feed.post/k", "cid": "cid-there", "value": {"text": text}}))
}

#[tokio::test]
async fn a_letter_that_is_there_already_is_sent() {
    let fake = Fake::new().await;
    fake.on("POST", PUT).respond_with(error(400, "InvalidSwap")).expect(1).mount(&fake.server).await;
    fake.on("GET", GET).respond_with(record(TEXT)).expect(1).mount(&fake.server).await;
    let place = fake.connector.send(&post(Visibility::Public)).await.unwrap();
    assert_eq!(place.post.revision.as_deref(), Some("cid-there"));
}

fn key_in(request: &Request) -> String {
    serde_json::from_slice::<Value>(&request.body).unwrap()["rkey"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn another_letter_under_the_key_is_left_alone() {
    let fake = Fake::new().await;
    let put = fake.on("POST", PUT).respond_with(error(400, "InvalidSwap"));
    put.up_to_n_times(1).mount(&fake.server).await;
    fake.on("POST", PUT).respond_with(ok(stored())).mount(&fake.server).await;
    fake.on("GET", GET).respond_with(record("something else")).mount(&fake.server).await;
    fake.connector.send(&post(Visibility::Public)).await.unwrap();
    let keys: Vec<_> = fake.requests(PUT).await.iter().map(key_in).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_key_that_reads_badly_is_changed_in_the_same_way_each_time() {
    let fake = Fake::new().await;
    fake.on("POST", PUT).respond_with(ok(stored())).mount(&fake.server).await;
    fake.connector.send(&post(Visibility::Public)).await.unwrap();
    let disliked = key_in(&fake.requests(PUT).await[0]);
    fake.server.reset().await;
    let slur = json!({"error": "InvalidRequest", "message": "Unacceptable slur in record key"});
    let slur = ResponseTemplate::new(400).set_body_json(slur);
    let put = fake.on("POST", PUT).and(body_string_contains(&disliked));
    put.respond_with(slur).mount(&fake.server).await;
    fake.on("POST", PUT).respond_with(ok(stored())).mount(&fake.server).await;
    fake.connector.send(&post(Visibility::Public)).await.unwrap();
    fake.connector.send(&post(Visibility::Public)).await.unwrap();
    let keys: Vec<_> = fake.requests(PUT).await.iter().map(key_in).collect();
    assert_eq!(keys[0], disliked);
    assert_eq!(keys[..2], keys[2..]);
    assert_ne!(keys[0], keys[1]);
}

async fn check_look(name: &str, answer: ResponseTemplate, want: Result<Option<&str>, &str>) {
    let fake = Fake::new().await;
    fake.on("GET", GET).respond_with(answer).mount(&fake.server).await;
    let got = fake.connector.look(&post(Visibility::Public)).await;
    let got = got.map(|place| place.and_then(|place| place.post.revision));
    match want {
        Ok(want) => assert_eq!(got, Ok(want.map(str::to_owned)), "{name}"),
        Err(want) => assert!(got.unwrap_err().to_string().contains(want), "{name}"),
    }
}

#[tokio::test]
async fn looking_tells_what_became_of_a_letter() {
    check_look("there", record(TEXT), Ok(Some("cid-there"))).await;
    check_look("not there", error(400, "RecordNotFound"), Ok(None)).await;
    check_look("another letter", record("something else"), Ok(None)).await;
    check_look("out of order", error(500, "InternalServerError"), Err("out of order")).await;
    check_look("nonsense", raw(200, "text/html", "<html>"), Err("not one of")).await;
}

#[tokio::test]
async fn a_post_of_the_desk_can_be_deleted_and_no_other() {
    let fake = Fake::new().await;
    let call = fake.on("POST", DELETE).and(body_string_contains("\"rkey\":\"3k\""));
    call.respond_with(ok(json!({}))).expect(1).mount(&fake.server).await;
    let own = "at://did:plc:desk/app.bsky.feed.post/3k";
    let place = fake.connector.send(&deletion(own)).await.unwrap();
    assert_eq!(place.post.id, own);
    for other in
        ["at://did:plc:ann/app.bsky.feed.post/3k", "at://did:plc:desk/app.bsky.feed.like/3k", "", "3k"]
    {
        let got = fake.connector.send(&deletion(other)).await;
        assert_eq!(got, Err(Failure::Refused(Refusal::Rejected)), "{other}");
    }
    let gone = fake.on("GET", GET).respond_with(error(400, "RecordNotFound"));
    gone.up_to_n_times(1).mount(&fake.server).await;
    assert!(fake.connector.look(&deletion(own)).await.unwrap().is_some(), "gone, so it is done");
    fake.on("GET", GET).respond_with(record(TEXT)).mount(&fake.server).await;
    assert_eq!(fake.connector.look(&deletion(own)).await, Ok(None), "still there");
}

#[tokio::test]
async fn a_check_says_what_is_in_order_and_what_to_mend() {
    let fake = Fake::new().await;
    let own = json!({"did": "did:plc:desk", "handle": "desk.test", "active": true});
    fake.on("GET", GET_SESSION).respond_with(ok(own)).mount(&fake.server).await;
    fake.on("GET", LIST).respond_with(raw(200, "text/html", "<html>")).mount(&fake.server).await;
    let describe = fake.on("GET", "/xrpc/com.atproto.repo.describeRepo");
    describe.respond_with(ok(json!({"collections": []}))).mount(&fake.server).await;
    let report = fake.connector.check().await;
    assert_eq!(report.account.as_deref(), Some("desk.test"));
    let lines = report.findings.iter().map(|finding| {
        let mend = finding.mend.as_deref().unwrap_or("-");
        format!("{} {}: {} / {mend}", finding.what, finding.ok, finding.found)
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    log-in true: the desk is @desk.test / -
    reading false: the answer is not one of the AT Protocol / check the address of the service, and try again later
    posting true: the account has a place for posts; none was written to try it / -
    direct messages false: the answer is a refusal, but not one of the AT Protocol / check the address of the service, and try again later
    ");

    let fake = Fake::bare().await;
    let refused = fake.on("POST", CREATE_SESSION).respond_with(error(401, "AuthenticationRequired"));
    refused.mount(&fake.server).await;
    let report = fake.connector.check().await;
    assert_eq!(report.findings[0].mend.as_deref(), Some("make a new app password"));
}
