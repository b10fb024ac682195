//! What the Facebook connector does with every answer that the Graph API can give: good ones, refusals, and
//! nonsense.
//!
//! **Invariant:** everything here talks to a fake server on loopback.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/samples.rs"]
mod samples;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use stumper::desk::letter::{Purpose, Refusal};
use stumper::desk::outlets::everybody;
use stumper::desk::{Anchor, Content, Letter, Network, Place, PostId, Visibility};
use stumper::networks::facebook::{Connector, Settings};
use stumper::networks::{Failure, Outgoing, http};
use wiremock::matchers::{header, method, path, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

const FEED: &str = "/v25.0/1234/feed";
const TEXT: &str = "Somebody asked the reference desk:\n\n“Who wove the tents?”\n\nDo you know? (K7Q4)";

/// A Page as the Graph API keeps one: posts get ids, the newest is listed first, what is deleted is gone.
/// Each post is made before its answer is lost, where that is asked for.
#[derive(Clone, Default)]
struct Page {
    posts: Arc<Mutex<Vec<(String, String)>>>,
    /// How many answers to come are replaced, and by what.
    faults: Arc<Mutex<Vec<ResponseTemplate>>>,
}

impl Respond for Page {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut posts = self.posts.lock().unwrap();
        let answer = match request.method.as_str() {
            "POST" => {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let id = format!("1234_{}", posts.len() + 1);
                posts.insert(0, (id.clone(), body["message"].as_str().unwrap().to_owned()));
                ok(json!({"id": id}))
            }
            "DELETE" => {
                let id = request.url.path().trim_start_matches("/v25.0/").to_owned();
                let before = posts.len();
                posts.retain(|(known, _)| *known != id);
                if posts.len() < before { ok(json!({"success": true})) } else { gone() }
            }
            _ if request.url.path() == FEED => {
                let data = posts.iter().map(|(id, message)| json!({"id": id, "message": message}));
                ok(json!({"data": data.collect::<Vec<_>>(), "paging": {"cursors": {"after": "x"}}}))
            }
            _ if request.url.path() == "/v25.0/1234" => {
                ok(json!({"id": "1234", "name": "Springfield Library"}))
            }
            _ => {
                let id = request.url.path().trim_start_matches("/v25.0/");
                let known = posts.iter().any(|(known, _)| known == id);
                if known { ok(json!({"id": id})) } else { gone() }
            }
        };
        self.faults.lock().unwrap().pop().unwrap_or(answer)
    }
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn gone() -> ResponseTemplate {
    error(400, 100, 33)
}

fn error(status: u16, code: i64, subcode: i64) -> ResponseTemplate {
    let error = json!({"error": {
        "message": "(#0) secret words", "type": "OAuthException", "code": code, "error_subcode": subcode,
        "fbtrace_id": "A"
    }});
    ResponseTemplate::new(status).set_body_json(error)
}

struct Fake {
    server: MockServer,
    page: Page,
    connector: Connector,
}

impl Fake {
    async fn new() -> Fake {
        let (server, page) = (MockServer::start().await, Page::default());
        Mock::given(path_regex("^/v25.0/1234"))
            .and(header("authorization", "Bearer page-token"))
            .respond_with(page.clone())
            .mount(&server)
            .await;
        let settings = Settings {
            service: server.uri(),
            page: "1234".to_owned(),
            token: SecretString::from("page-token"),
        };
        Fake { connector: Connector::new(settings, http::client().unwrap()), server, page }
    }

    /// The next answer is another one, whatever the request did.
    fn next(&self, answer: ResponseTemplate) {
        self.page.faults.lock().unwrap().push(answer);
    }

    fn on_page(&self) -> usize {
        self.page.posts.lock().unwrap().len()
    }
}

fn outgoing(content: Content) -> Outgoing {
    let made_at = "2026-11-24T10:00:00Z".parse().unwrap();
    let letter = samples::letter("input", everybody(Network::Facebook), content, made_at);
    let letter = Letter { purpose: Purpose::Stumper, ..letter };
    Outgoing { letter, reply_to: None }
}

fn post(visibility: Visibility) -> Outgoing {
    outgoing(samples::words(TEXT, Vec::new(), visibility))
}

fn deletion(id: &str) -> Outgoing {
    outgoing(Content::Delete { post: PostId::new(Network::Facebook, id) })
}

fn at(id: &str) -> Place {
    Place::top(Network::Facebook, Anchor::new(id))
}

#[tokio::test]
async fn a_question_is_posted_found_and_deleted() {
    let fake = Fake::new().await;
    let account = fake.connector.connect().await.unwrap();
    assert_eq!((account.id.id.as_str(), account.handle.as_str()), ("1234", "Springfield Library"));
    assert_eq!(fake.connector.look(&post(Visibility::Public)).await, Ok(None));
    assert_eq!(fake.connector.send(&post(Visibility::Public)).await, Ok(at("1234_1")));
    assert_eq!(fake.connector.look(&post(Visibility::Public)).await, Ok(Some(at("1234_1"))));
    assert_eq!(fake.connector.look(&deletion("1234_1")).await, Ok(None));
    assert_eq!(fake.connector.send(&deletion("1234_1")).await, Ok(at("1234_1")));
    assert_eq!(fake.on_page(), 0);
    // What is gone already is deleted.
    assert_eq!(fake.connector.send(&deletion("1234_1")).await, Ok(at("1234_1")));
    assert_eq!(fake.connector.look(&deletion("1234_1")).await, Ok(Some(at("1234_1"))));
    let batch = fake.connector.fetch(None).await.unwrap();
    assert!(batch.posts.is_empty() && !batch.more, "nobody is heard there");
    let report = fake.connector.check().await;
    assert!(report.findings.iter().all(|finding| finding.ok), "{report:?}");
}

#[tokio::test]
async fn promise_1_nothing_is_posted_that_is_not_public() {
    let fake = Fake::new().await;
    for visibility in [Visibility::Direct, Visibility::Followers, Visibility::Unlisted] {
        let sent = fake.connector.send(&post(visibility)).await;
        assert_eq!(sent, Err(Failure::Refused(Refusal::NotPrivate)));
    }
    assert_eq!(fake.on_page(), 0);
}

#[tokio::test]
async fn promise_3_an_answer_that_is_lost_is_looked_for_before_repeating() {
    for lost in [
        ResponseTemplate::new(502).set_body_string("<html>Bad gateway</html>"),
        ResponseTemplate::new(200).set_body_string("<html>Log in</html>"),
        ok(json!({"success": true})),
        ok(json!({"id": "../me"})),
        error(500, 2, 0),
        error(500, 1, 99),
    ] {
        let fake = Fake::new().await;
        fake.next(lost);
        let sent = fake.connector.send(&post(Visibility::Public)).await;
        assert!(matches!(sent, Err(Failure::Unsure(_))), "{sent:?}");
        assert_eq!(fake.connector.look(&post(Visibility::Public)).await, Ok(Some(at("1234_1"))));
    }
    // A refused duplicate is the earlier try.
    let fake = Fake::new().await;
    fake.connector.send(&post(Visibility::Public)).await.unwrap();
    fake.page.faults.lock().unwrap().push(error(400, 506, 0));
    let again = fake.connector.send(&post(Visibility::Public)).await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn every_refusal_has_its_class() {
    let later = |seconds| Failure::Later { after: Duration::from_secs(seconds) };
    let rejected = Failure::Refused(Refusal::Rejected);
    let rows = [
        ("token expired", error(400, 190, 463), None),
        ("no session", error(401, 102, 0), None),
        ("no permission", error(403, 200, 0), None),
        ("no permission either", error(403, 10, 0), None),
        ("a limit of the app", error(400, 4, 0), Some(later(900))),
        ("a limit of the user", error(400, 17, 0), Some(later(900))),
        (
            "a limit of the Page, and when it ends",
            error(400, 32, 0).insert_header("retry-after", "60"),
            Some(later(60)),
        ),
        ("a limit of calls", error(403, 613, 0), Some(later(900))),
        ("too many", ResponseTemplate::new(429).set_body_string("slow down"), Some(later(900))),
        ("blocked for a while", error(400, 368, 0), Some(later(900))),
        ("a bad text", error(400, 100, 0), Some(rejected)),
        (
            "a page of a proxy",
            ResponseTemplate::new(403).set_body_string("<html>"),
            Some(Failure::Transient("the answer is not the API's")),
        ),
        (
            "a redirect",
            ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/"),
            Some(Failure::Transient("the answer is not the API's")),
        ),
    ];
    for (name, answer, expected) in rows {
        let server = MockServer::start().await;
        Mock::given(method("POST")).and(path(FEED)).respond_with(answer).expect(1).mount(&server).await;
        let settings = Settings {
            service: server.uri(),
            page: "1234".to_owned(),
            token: SecretString::from("page-token"),
        };
        let connector = Connector::new(settings, http::client().unwrap());
        let failure = connector.send(&post(Visibility::Public)).await.unwrap_err();
        match expected {
            Some(expected) => assert_eq!(failure, expected, "{name}"),
            None => assert!(matches!(failure, Failure::AccountDead(_)), "{name}: {failure:?}"),
        }
        let shown = format!("{failure:?} {failure} {connector:?}");
        assert!(!shown.contains("secret") && !shown.contains("page-token"), "promise 7: {shown}");
    }
}

#[tokio::test]
async fn odd_ids_never_become_part_of_an_address() {
    let fake = Fake::new().await;
    for id in ["", "../me", "1234_1/likes", "1?x=1", "１"] {
        let sent = fake.connector.send(&deletion(id)).await;
        assert_eq!(sent, Err(Failure::Refused(Refusal::Unreachable)), "{id}");
    }
    assert_eq!(fake.server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_took_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = Settings { service, page: "1234".to_owned(), token: SecretString::from("t") };
    let connector = Connector::new(settings, http::client().unwrap());
    let sent = connector.send(&post(Visibility::Public)).await;
    assert_eq!(sent, Err(Failure::Transient("there is no connection")));
    let report = connector.check().await;
    assert!(report.findings.iter().any(|finding| !finding.ok && finding.mend.is_some()), "{report:?}");
}
