//! What the Mastodon connector does with every answer that a server can give: good ones, refusals, and
//! nonsense.
//!
//! **Invariant:** everything here talks to a fake server on loopback.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/mastodon.rs"]
mod mastodon;
#[path = "support/samples.rs"]
mod samples;

use mastodon::{Profile, Server};
use secrecy::SecretString;
use serde_json::{Value, json};
use stumper::desk::letter::{Mention, Refusal};
use stumper::desk::{Account, Anchor, Content, Letter, Network, Place, PostId, Visibility};
use stumper::networks::mastodon::{Connector, Settings};
use stumper::networks::{Failure, Now, Outgoing, http};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

const OWN: &str = "/api/v1/accounts/verify_credentials";
const LIST: &str = "/api/v1/notifications";
const POST: &str = "/api/v1/statuses";

/// A fake server, and a connector that uses it.
struct Fake {
    server: MockServer,
    connector: Connector,
}

impl Fake {
    async fn bare() -> Fake {
        let server = MockServer::start().await;
        let connector = connector(&server.uri());
        Fake { server, connector }
    }

    /// A server of a version on which the account works.
    async fn new(version: &str) -> Fake {
        let fake = Fake::bare().await;
        fake.says("GET", OWN, ok(json!({"id": "7", "acct": "desk", "url": "https://l.example/@desk"}))).await;
        fake.says("GET", "/api/v2/instance", ok(json!({"domain": "l.example", "version": version}))).await;
        fake.says("GET", "/api/v1/accounts/lookup", ok(ann())).await;
        fake
    }

    fn on(&self, verb: &str, call: &str) -> MockBuilder {
        Mock::given(method(verb)).and(path(call))
    }

    async fn says(&self, verb: &str, call: &str, answer: ResponseTemplate) {
        self.on(verb, call).respond_with(answer).mount(&self.server).await;
    }

    async fn count(&self, call: &str) -> usize {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|request| request.url.path() == call).count()
    }
}

fn connector(server: &str) -> Connector {
    Connector::new(Settings::new(server, SecretString::from("token-1")), http::client().unwrap())
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn error(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": "quotes @ann and token-1"}))
}

fn page(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw("<html>Hi</html>", "text/html")
}

fn ann() -> Value {
    json!({"id": "10", "acct": "ann@lib.example", "url": "https://lib.example/@ann"})
}

fn account() -> Account {
    Account::new(Network::Mastodon, "https://lib.example/@ann", "ann@lib.example")
}

fn letter(content: Content) -> Letter {
    samples::letter("a", account(), content, stumper::clock::now())
}

fn reply(visibility: Visibility) -> Outgoing {
    let mention = Mention { start: 0, end: 16, account: account() };
    let content = samples::words("@ann@lib.example Found it.", vec![mention], visibility);
    let place = Place::top(Network::Mastodon, Anchor::new("113"));
    Outgoing { letter: letter(content), reply_to: Some(place) }
}

fn deletion(id: &str) -> Outgoing {
    let content = Content::Delete { post: PostId::new(Network::Mastodon, id) };
    Outgoing { letter: letter(content), reply_to: None }
}

/// A post as the server took it.
fn taken(visibility: &str, mentions: Value) -> Value {
    json!({"id": "114", "visibility": visibility, "in_reply_to_id": "113", "mentions": mentions,
           "created_at": "2096-01-01T00:00:00.000Z", "account": {"id": "7"},
           "content": "<p><a class=\"mention\" href=\"https://lib.example/@ann\">@ann</a> Found it.</p>"})
}

// ---- Logging in ----

async fn check_log_in(name: &str, answer: ResponseTemplate, want: &str) {
    let fake = Fake::bare().await;
    fake.says("GET", OWN, answer).await;
    let got = fake.connector.connect().await.unwrap_err().to_string();
    assert!(got.contains(want), "{name}: {got}");
    assert!(
        !got.contains("quotes") && !got.contains("token-1"),
        "promise 7, {name} quotes the server: {got}"
    );
}

#[tokio::test]
async fn a_log_in_that_fails_says_what_to_mend() {
    check_log_in("a bad token", error(401), "make a new one").await;
    check_log_in("no body at all", ResponseTemplate::new(401), "make a new one").await;
    check_log_in("a suspended account", error(403), "log in with a browser").await;
    check_log_in("another web site", page(200), "not one of the Mastodon API").await;
    check_log_in("a redirect", page(302), "not one of the Mastodon API").await;
    check_log_in("out of order", page(500), "out of order").await;
    check_log_in("too often", error(429).insert_header("retry-after", "77"), "wait 77 s").await;
    check_log_in("cut off", ResponseTemplate::new(200).set_body_string("{\"id\":"), "not one of").await;
}

#[tokio::test]
async fn the_account_is_known_by_the_address_of_its_profile() {
    let fake = Fake::new("4.5.0").await;
    let account = fake.connector.connect().await.unwrap();
    assert_eq!(account.handle, "desk@l.example");
    assert_eq!(account.id.id, "https://l.example/@desk");
    assert!(account.bot);
}

#[tokio::test]
async fn a_server_without_the_newer_description_is_asked_for_the_older() {
    let fake = Fake::bare().await;
    fake.says("GET", OWN, ok(json!({"id": "7", "acct": "desk", "url": "https://l.example/desk"}))).await;
    let old = json!({"uri": "l.example", "version": "4.0.0 (not true; really snac 2.94)"});
    fake.says("GET", "/api/v1/instance", ok(old)).await;
    fake.connector.connect().await.unwrap();
    assert!(!fake.connector.honours_keys());
}

/// 429 without a word of how long: a minute, then twice as long each time.
#[tokio::test]
async fn a_server_that_does_not_say_how_long_is_left_alone_longer_each_time() {
    let fake = Fake::bare().await;
    fake.says("GET", OWN, page(429)).await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        let Err(Failure::Later { after }) = fake.connector.connect().await else { panic!() };
        waits.push(after.as_secs());
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
}

#[tokio::test]
async fn the_wait_is_read_by_the_servers_own_clock() {
    let fake = Fake::bare().await;
    let answer = error(429)
        .insert_header("date", "Tue, 24 Nov 2099 11:00:00 GMT")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", "2099-11-24T11:02:00.000Z");
    fake.says("GET", OWN, answer).await;
    let Err(Failure::Later { after }) = fake.connector.connect().await else { panic!() };
    assert_eq!(after.as_secs(), 120);
    let Err(Failure::Later { after }) = fake.connector.connect().await else { panic!() };
    assert!((60..=120).contains(&after.as_secs()));
    assert_eq!(fake.count(OWN).await, 1, "a server that wants no more is not asked");
}

// ---- Reading ----

async fn check_fetch(name: &str, answer: ResponseTemplate, want: &str) {
    let fake = Fake::new("4.5.0").await;
    fake.says("GET", LIST, answer).await;
    let got = fake.connector.fetch(Some("{\"at\":\"l.example\",\"known\":[\"1\"]}")).await;
    let got = got.map_or_else(|failure| failure.to_string(), |batch| format!("{} posts", batch.posts.len()));
    assert!(got.contains(want), "{name}: {got}");
}

#[tokio::test]
async fn what_a_server_answers_to_reading() {
    check_fetch("nothing new", ok(json!([])), "0 posts").await;
    check_fetch("nonsense inside", ok(json!([7, {}, {"id": "2"}, null])), "0 posts").await;
    check_fetch("no list", ok(json!({"a": 1})), "not a list").await;
    check_fetch("a page of a proxy", page(200), "not one of").await;
    check_fetch("another web site", page(404), "not one of").await;
    check_fetch("out of order", page(502), "out of order").await;
    check_fetch("busy", page(503).insert_header("retry-after", "30"), "wait 30 s").await;
    check_fetch("a revoked token", error(401), "make a new one").await;
    check_fetch("cut off", ResponseTemplate::new(200).set_body_string("[{\"id\":"), "not one of").await;
}

#[tokio::test]
async fn a_new_desk_answers_nothing_old_and_everything_new() {
    for profile in Profile::ALL {
        let server = Server::start(profile).await;
        let (desk, ann) = (server.person("desk"), server.person("ann"));
        for number in 0..50 {
            ann.post(&format!("@desk old {number}"), "public", None);
        }
        let token = SecretString::from(desk.account().token);
        let connector = Connector::new(Settings::new(&server.address, token), http::client().unwrap());
        let mut cursor = connector.fetch(None).await.unwrap();
        assert_eq!(cursor.posts.len(), 0, "{profile:?}");
        for number in 0..150 {
            ann.post(&format!("@desk new {number}"), "public", None);
        }
        let mut texts = Vec::new();
        for _ in 0..200 {
            let batch = connector.fetch(cursor.cursor.as_deref()).await.unwrap();
            texts.extend(batch.posts.iter().map(|post| post.text.reveal().to_owned()));
            cursor = batch;
            if !cursor.more {
                break;
            }
        }
        // A server may list one twice; whoever fetches knows posts by their ids.
        texts.dedup();
        let want: Vec<String> = (0..150).map(|number| format!("new {number}")).collect();
        assert_eq!(texts, want, "{profile:?}: oldest first, none left out");
        assert!(connector.fetch(cursor.cursor.as_deref()).await.unwrap().posts.is_empty());
    }
}

// ---- Sending ----

async fn check_send(name: &str, answer: ResponseTemplate, want: Result<(), Failure>) {
    let fake = Fake::new("4.5.0").await;
    fake.says("POST", POST, answer).await;
    let got = fake.connector.send(&reply(Visibility::Unlisted)).await.map(|_| ());
    let class = |failure: Failure| std::mem::discriminant(&failure);
    match (got, want) {
        (Err(Failure::Refused(got)), Err(Failure::Refused(want))) => assert_eq!(got, want, "{name}"),
        (got, want) => assert_eq!(got.map_err(class), want.map_err(class), "{name}"),
    }
}

#[tokio::test]
async fn once_every_answer_to_a_post_says_what_is_known() {
    let unsure = || Err(Failure::Unsure(""));
    let refused = |why| Err(Failure::Refused(why));
    let mention = json!([ann()]);
    check_send("taken", ok(taken("unlisted", mention.clone())), Ok(())).await;
    check_send("narrower than asked", ok(taken("private", mention)), Ok(())).await;
    check_send("a page of a proxy", page(200), unsure()).await;
    check_send("cut off", ResponseTemplate::new(200).set_body_string("{\"id\":\"1"), unsure()).await;
    check_send("no id", ok(json!({})), unsure()).await;
    check_send("500", page(500), unsure()).await;
    check_send("502", page(502), unsure()).await;
    check_send("503", page(503), unsure()).await;
    check_send("gave up waiting", error(408), unsure()).await;
    check_send("too often", error(429), Err(Failure::Later { after: std::time::Duration::ZERO })).await;
    check_send("too long", error(422), refused(Refusal::Rejected)).await;
    check_send("malformed", error(400), refused(Refusal::Rejected)).await;
    check_send("not allowed", error(403), refused(Refusal::Rejected)).await;
    check_send("its parent is gone", error(404), refused(Refusal::Unreachable)).await;
    check_send("gone for good", error(410), refused(Refusal::Unreachable)).await;
    check_send("revoked", error(401), Err(Failure::AccountDead(""))).await;
    check_send("a page in its place", page(404), Err(Failure::Transient(""))).await;
    check_send("a redirect", page(302), Err(Failure::Transient(""))).await;
}

#[tokio::test]
async fn an_account_that_may_do_nothing_is_dead() {
    let fake = Fake::bare().await;
    let own = ok(json!({"id": "7", "acct": "desk", "url": "https://l.example/@desk"}));
    fake.on("GET", OWN).respond_with(own).up_to_n_times(1).mount(&fake.server).await;
    fake.says("GET", OWN, error(403)).await;
    fake.says("GET", "/api/v2/instance", ok(json!({"version": "4.5.0"}))).await;
    fake.says("GET", "/api/v1/accounts/lookup", ok(ann())).await;
    fake.says("POST", POST, error(403)).await;
    assert!(matches!(fake.connector.send(&reply(Visibility::Direct)).await, Err(Failure::AccountDead(_))));
}

#[tokio::test]
async fn a_letter_is_sent_under_its_own_key_to_nobody_else() {
    let fake = Fake::new("4.5.0").await;
    let outgoing = reply(Visibility::Direct);
    let answer = ok(taken("direct", json!([ann()])));
    fake.on("POST", POST)
        .and(header("idempotency-key", outgoing.letter.id.as_str()))
        .and(header("authorization", "Bearer token-1"))
        .respond_with(answer)
        .expect(2)
        .mount(&fake.server)
        .await;
    let place = fake.connector.send(&outgoing).await.unwrap();
    assert_eq!(place.post.id, "114");
    assert_eq!(fake.connector.send(&outgoing).await.unwrap(), place);
    let bodies: Vec<Value> = fake
        .server
        .received_requests()
        .await
        .unwrap()
        .into_iter()
        .filter(|request| request.url.path() == POST)
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    assert_eq!(bodies[0], bodies[1], "the same bytes");
    assert_eq!(bodies[0]["visibility"], "direct");
    assert_eq!(bodies[0]["allowed_mentions"], json!(["10"]));
    assert_eq!(fake.count("/api/v1/accounts/lookup").await, 1, "an id is asked for once");
}

/// A server of an unknown kind may refuse mentions that are not named, so they are named.
#[tokio::test]
async fn an_unknown_kind_of_server_is_told_whom_a_post_mentions() {
    let fake = Fake::new("4.2.1 (compatible; Somebody 1.0)").await;
    fake.says("POST", POST, ok(taken("direct", json!([ann()])))).await;
    fake.connector.send(&reply(Visibility::Direct)).await.unwrap();
    let all = fake.server.received_requests().await.unwrap();
    let body: Value =
        serde_json::from_slice(&all.iter().find(|request| request.url.path() == POST).unwrap().body).unwrap();
    assert_eq!(body["allowed_mentions"], json!(["10"]));
}

/// A socket that stays open and says nothing: the letter may be there.
#[tokio::test]
async fn once_a_server_that_hangs_leaves_it_open_whether_a_letter_is_there() {
    let server = Server::start(Profile::Mastodon46).await;
    let (desk, ann) = (server.person("desk"), server.person("ann@lib.example"));
    let question = ann.post("@desk why?", "direct", None);
    let token = SecretString::from(desk.account().token);
    let connector = Connector::new(Settings::new(&server.address, token), http::client().unwrap());
    let mut outgoing = reply(Visibility::Direct);
    let place = Place::top(Network::Mastodon, Anchor::new(question));
    outgoing.reply_to = Some(place);
    connector.send(&outgoing).await.unwrap();
    server.goes_wrong(|_, _| mastodon::Fault::Hangs);
    // From here on, waiting takes no time.
    tokio::time::pause();
    assert!(matches!(connector.send(&outgoing).await, Err(Failure::Unsure(_))));
}

/// Promise 1: a post that became wider, or that reaches nobody, is taken back and told.
#[tokio::test]
async fn a_post_that_is_not_as_private_as_it_must_be_is_taken_back() {
    let eve = json!({"id": "11", "acct": "eve", "url": "https://l.example/@eve"});
    for (name, answer, want) in [
        ("wider", taken("public", json!([ann()])), Refusal::NotPrivate),
        ("it reaches nobody", taken("direct", json!([])), Refusal::Unreachable),
        ("it reaches somebody else", taken("direct", json!([eve])), Refusal::Unreachable),
        ("it reaches one more", taken("direct", json!([ann(), eve])), Refusal::NotPrivate),
        ("it does not say how visible it is", taken("", json!([])), Refusal::Unreachable),
    ] {
        let fake = Fake::new("2.7.2 (compatible; Akkoma 3.15.2)").await;
        fake.says("POST", POST, ok(answer)).await;
        fake.on("DELETE", "/api/v1/statuses/114")
            .respond_with(ok(json!({})))
            .expect(1)
            .mount(&fake.server)
            .await;
        let got = fake.connector.send(&reply(Visibility::Direct)).await;
        assert_eq!(got, Err(Failure::Refused(want)), "{name}");
    }
}

/// Promise 2: whoever has a name now must be whom the letter is for.
#[tokio::test]
async fn a_name_that_belongs_to_somebody_else_now_is_not_written_to() {
    let fake = Fake::bare().await;
    fake.says("GET", OWN, ok(json!({"id": "7", "acct": "desk", "url": "https://l.example/@desk"}))).await;
    fake.says("GET", "/api/v2/instance", ok(json!({"version": "4.5.0"}))).await;
    let other = json!({"id": "12", "acct": "ann@lib.example", "url": "https://lib.example/@ann2"});
    fake.says("GET", "/api/v1/accounts/lookup", ok(other)).await;
    fake.on("POST", POST).respond_with(error(500)).expect(0).mount(&fake.server).await;
    let got = fake.connector.send(&reply(Visibility::Direct)).await;
    assert_eq!(got, Err(Failure::Refused(Refusal::Unreachable)));
}

#[tokio::test]
async fn nothing_private_is_sent_where_it_would_not_stay_so() {
    let fake = Fake::new("4.0.0 (not true; really snac 2.94)").await;
    fake.on("POST", POST).respond_with(error(500)).expect(0).mount(&fake.server).await;
    let got = fake.connector.send(&reply(Visibility::Direct)).await;
    assert_eq!(got, Err(Failure::Refused(Refusal::NotPrivate)));
}

#[tokio::test]
async fn deleting_what_is_gone_is_success() {
    for (answer, want) in [(ok(json!({})), true), (error(404), true), (page(404), false), (page(500), false)]
    {
        let fake = Fake::new("4.5.0").await;
        fake.says("DELETE", "/api/v1/statuses/114", answer).await;
        assert_eq!(fake.connector.send(&deletion("114")).await.is_ok(), want);
    }
    let fake = Fake::new("4.5.0").await;
    for id in ["../accounts/7", "", "1?x=2", "a/b"] {
        assert_eq!(
            fake.connector.send(&deletion(id)).await,
            Err(Failure::Refused(Refusal::Rejected)),
            "{id}"
        );
    }
}

// ---- Looking ----

#[tokio::test]
async fn a_letter_is_found_among_the_desks_own_posts() {
    let own = "/api/v1/accounts/7/statuses";
    let below = "/api/v1/statuses/113/context";
    let fake = Fake::new("4.5.0").await;
    let other = json!({"id": "150", "in_reply_to_id": "113", "content": "<p>Other</p>", "created_at": "2096-01-01T00:00:00Z"});
    let first = fake.on("GET", own).and(query_param("max_id", "150"));
    first.respond_with(ok(json!([taken("direct", json!([ann()]))]))).mount(&fake.server).await;
    fake.says("GET", own, ok(json!([other]))).await;
    let found = fake.connector.look(&reply(Visibility::Direct)).await.unwrap();
    assert_eq!(found.unwrap().post.id, "114", "on the second page");

    let fake = Fake::new("0.20 (GoToSocial)").await;
    fake.says("GET", own, ok(json!([]))).await;
    let answer = json!({"ancestors": [], "descendants": [taken("direct", json!([ann()]))]});
    fake.says("GET", below, ok(answer)).await;
    let found = fake.connector.look(&reply(Visibility::Direct)).await.unwrap();
    assert_eq!(found.unwrap().post.id, "114", "in the thread");

    let fake = Fake::new("4.5.0").await;
    fake.says("GET", own, ok(json!([]))).await;
    fake.says("GET", below, ok(json!({}))).await;
    assert_eq!(fake.connector.look(&reply(Visibility::Direct)).await, Ok(None));

    let fake = Fake::new("4.5.0").await;
    fake.says("GET", own, page(200)).await;
    assert!(
        fake.connector.look(&reply(Visibility::Direct)).await.is_err(),
        "not known is not the same as not there"
    );
}

#[tokio::test]
async fn a_post_is_gone_only_by_the_word_of_its_server() {
    let post = PostId::new(Network::Mastodon, "113");
    for (answer, want) in
        [(error(404), Some(Now::Gone)), (error(410), Some(Now::Gone)), (page(404), None), (page(500), None)]
    {
        let fake = Fake::new("4.5.0").await;
        fake.says("GET", "/api/v1/statuses/113", answer).await;
        assert_eq!(fake.connector.revisit(&post).await.ok(), want);
    }
}

// ---- Checking ----

async fn table(profile: Profile) -> String {
    let server = Server::start(profile).await;
    let token = SecretString::from(server.person("desk").account().token);
    let connector = Connector::new(Settings::new(&server.address, token), http::client().unwrap());
    let report = connector.check().await;
    assert!(report.findings.iter().all(|finding| finding.ok));
    assert!(!server.world().requests.iter().any(|request| request == "POST /api/v1/statuses"));
    let lines = report.findings.iter().map(|finding| format!("{}: {}\n", finding.what, finding.found));
    lines.collect()
}

#[tokio::test]
async fn checking_tells_what_the_server_offers_and_what_is_done_about_each_lack() {
    insta::assert_snapshot!(table(Profile::Mastodon46).await, @r"
    log-in: the desk is @desk@desk.example, on Mastodon
    reading: mentions and replies can be read
    length: 500 characters, a link counts as 23; longer texts become threads
    strangers: their private mentions come through
    ");
    insta::assert_snapshot!(table(Profile::Mitra).await, @r"
    log-in: the desk is @desk@desk.example, on Mitra
    reading: mentions and replies can be read
    length: 5000 characters, a link counts as 23; longer texts become threads
    mentions: a post cannot be limited to the mentions it names; every other @ is made harmless, and the mentions of each post are checked after sending
    news: the server does not tell news at once; the desk asks every few seconds
    catching up: notifications cannot be read forward from a point; the desk reads back from the newest to what it knows
    strangers: there is no policy for notifications; nothing is filtered here as far as is known, so nothing has to be set
    unlisted: unlisted posts are kept as public ones; what is to be unlisted is sent directly to the person instead
    ");
    assert!(table(Profile::Snac).await.contains("writes nothing private here"));
    assert!(table(Profile::GoToSocial).await.contains("keys against double posts are not honoured"));
}

#[tokio::test]
async fn a_token_without_the_right_to_set_the_policy_is_told_so() {
    let server = Server::start(Profile::Mastodon46).await;
    server.world().may_set_policy = false;
    let token = SecretString::from(server.person("desk").account().token);
    let connector = Connector::new(Settings::new(&server.address, token), http::client().unwrap());
    let report = connector.check().await;
    let finding = report.findings.iter().find(|finding| finding.what == "strangers").unwrap();
    assert!(!finding.ok && finding.mend.as_ref().unwrap().contains("write:notifications"));
}
