//! Whole stories through the whole desk, over a real Bluesky network: listener, core, sled, sender,
//! and real people with real accounts.
//!
//! **Invariant:** the desk in these stories is the one that `stumper run` starts; only its polling is
//! faster. What the desk says is checked where people see it: on the network.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/bluesky_desk.rs"]
mod bluesky_desk;
#[path = "support/bluesky_network.rs"]
mod bluesky_network;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bluesky_desk::Desk;
use bluesky_network::{BlueskyNetwork, Person, eventually};
use serde_json::json;
use stumper::desk::{Network, Visibility};
use stumper::networks::http;
use stumper::networks::sandbox::{self, Handle, Sandbox, Saying};

#[tokio::test(flavor = "multi_thread")]
async fn a_question_travels_to_two_librarians_and_its_answer_and_thanks_travel_back() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::open(net).await;
    let (ann, clio, otto) = (net.account("ann").await, net.account("clio").await, net.account("otto").await);
    desk.joins(&clio, "history").await;
    desk.joins(&otto, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?").await;
    let acknowledged = ann.sees(&question, "I've asked two librarians").await;
    assert_eq!(acknowledged.author, desk.person.handle);
    let to_clio = clio.hears("A question from").await;
    let to_otto = otto.hears("A question from").await;

    clio.reply(&to_clio.at, "On 1 November 1922, when the sultanate was abolished.", &[]).await;
    let answer = ann.sees(&question, "On 1 November 1922").await;
    assert_eq!(answer.at.root.0, question.uri, "the answer is in the patron's own thread");
    ann.hears("On 1 November 1922").await;

    ann.reply(&answer.at, "Thank you so much!", &[]).await;
    clio.hears("with thanks from the person you helped").await;

    // Promise 5, one owner: whoever comes later is told.
    otto.reply(&to_otto.at, "In 1922, I believe.", &[]).await;
    otto.hears("A colleague has").await;
    desk.settles().await;
    assert!(!ann.thread(&question).await.iter().any(|said| said.text.contains("I believe")));
    desk.said_everything_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_interview_comes_back_to_the_librarian_who_asked() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::open(net).await;
    let (ann, clio) = (net.account("ann").await, net.account("clio").await);
    desk.joins(&clio, "genealogy").await;
    let question = desk.asked(&ann, "Which parish register names my ancestor?").await;
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.at, "ask: which county, and about which year?", &[]).await;
    let asked = ann.sees(&question, "which county, and about which year?").await;
    ann.reply(&asked.at, "County Mayo, about 1850.", &[]).await;
    let reply = clio.hears("County Mayo, about 1850.").await;
    clio.reply(&reply.at, "The National Library has it on microfilm.", &[]).await;
    ann.sees(&question, "on microfilm").await;
    desk.settles().await;
    desk.said_everything_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_passes_is_thanked_and_the_next_is_asked() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::open(net).await;
    let ann = net.account("ann").await;
    let librarians = [net.account("clio").await, net.account("otto").await, net.account("vera").await];
    for librarian in &librarians {
        desk.joins(librarian, "history").await;
    }
    desk.asked(&ann, "Who was the last emperor of the Byzantine Empire?").await;
    let heard = |person: &Person<'_>| {
        let handle = person.handle.clone();
        (handle, "A question from")
    };
    let mut invited = Vec::new();
    eventually("two are asked", || async {
        let mut count = 0;
        for librarian in &librarians {
            let (_, part) = heard(librarian);
            count += usize::from(librarian.heard().await.iter().any(|said| said.text.contains(part)));
        }
        (count == 2).then_some(())
    })
    .await;
    for librarian in &librarians {
        let said = librarian.heard().await.into_iter().find(|said| said.text.contains("A question from"));
        invited.extend(said.map(|said| (librarian, said)));
    }
    let third = librarians.iter().find(|librarian| invited.iter().all(|(who, _)| who.did != librarian.did));
    let (first, invitation) = invited.first().unwrap();
    first.reply(&invitation.at, "Pass, sorry!", &[]).await;
    first.hears("thank you for saying so").await;
    third.unwrap().hears("A question from").await;
    desk.settles().await;
    desk.said_everything_once().await;
}

/// Promise 3, once, and 4, nothing is lost: the desk is ended at one moment after another, each time
/// a little later in its work, and started again on what it remembers.
#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_is_killed_again_and_again_goes_on_where_it_was() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let mut desk = Desk::open(net).await;
    let (ann, clio) = (net.account("ann").await, net.account("clio").await);
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?").await;
    for moment in 0..12 {
        // The pause is the point: each life is ended at another moment of its work.
        tokio::time::sleep(Duration::from_millis(60 * moment)).await;
        desk.kill();
        desk.start().await;
    }
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.at, "On 1 November 1922.", &[]).await;
    for moment in 0..8 {
        tokio::time::sleep(Duration::from_millis(90 * moment)).await;
        desk.kill();
        desk.start().await;
    }
    ann.sees(&question, "On 1 November 1922.").await;
    desk.settles().await;
    desk.said_everything_once().await;
    let questions = desk.engine().store().questions(None, 10).unwrap();
    assert_eq!(questions.len(), 1, "promise 3: the mention was taken in once");
    assert!(questions.iter().all(|question| question.is_looked_after()), "promise 4");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_does_not_interrupt_the_conversation() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let mut desk = Desk::open(net).await;
    let (ann, clio) = (net.account("ann").await, net.account("clio").await);
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?").await;
    let invitation = clio.hears("A question from").await;
    desk.stop().await;
    let session = desk.folder.path().join("session");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&session).unwrap()).unwrap();
    let access =
        kept.as_object_mut().unwrap().iter_mut().find(|(name, _)| name.contains("access")).unwrap().1;
    *access = json!(net.expired(access.as_str().unwrap()));
    std::fs::write(&session, kept.to_string()).unwrap();
    desk.start().await;
    clio.reply(&invitation.at, "On 1 November 1922.", &[]).await;
    ann.sees(&question, "On 1 November 1922.").await;
    desk.settles().await;
    desk.said_everything_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_claims_to_be_from_2020_is_answered() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::open(net).await;
    let ann = net.account("ann").await;
    desk.asked(&ann, "help").await;
    ann.hears("Ask me anything").await;
    let text = format!("@{} When did the Ottoman Empire end?", desk.person);
    let question = ann.post_dated(&text, &[&desk.person], "2020-01-01T00:00:00Z").await;
    ann.sees(&question, "This is question").await;
    desk.settles().await;
    desk.said_everything_once().await;
}

/// Something between the desk and its server that spoils every so many writes.
#[derive(Clone)]
struct Spoiler {
    server: String,
    own: String,
    http: reqwest::Client,
    writes: Arc<AtomicUsize>,
    how: Spoils,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoils {
    /// The first two of three writes are refused with 429 and a time to wait.
    TooMany,
    /// Every other write takes effect, and its answer is lost.
    Answers,
}

impl Spoiler {
    async fn start(net: &BlueskyNetwork, how: Spoils) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let spoiler = Spoiler {
            server: net.service().trim_end_matches('/').to_owned(),
            own: own.clone(),
            http: http::client().unwrap(),
            writes: Arc::default(),
            how,
        };
        let app = Router::new().fallback(pass).with_state(spoiler);
        tokio::spawn(async move { axum::serve(listener, app).await });
        own
    }
}

/// Passes a request on, and spoils it where its turn has come.
async fn pass(State(spoiler): State<Spoiler>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    let is_write = path.contains("putRecord");
    let turn = if is_write { spoiler.writes.fetch_add(1, Ordering::Relaxed) } else { 0 };
    if is_write && spoiler.how == Spoils::TooMany && turn % 3 < 2 {
        let body = json!({"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}).to_string();
        return Response::builder().status(429).header("retry-after", "1").body(Body::from(body)).unwrap();
    }
    let mut passed = spoiler.http.request(head.method, format!("{}{path}", spoiler.server)).body(body);
    for name in ["authorization", "content-type", "accept", "atproto-proxy"] {
        if let Some(value) = head.headers.get(name) {
            passed = passed.header(name, value);
        }
    }
    let answer = passed.send().await.unwrap();
    let status = answer.status();
    let bytes: Bytes = answer.bytes().await.unwrap();
    if is_write && spoiler.how == Spoils::Answers && turn % 2 == 0 {
        let lost = Body::from("<html>502 Bad Gateway</html>");
        return Response::builder().status(502).body(lost).unwrap();
    }
    // The server names itself in the log-in; the desk is to come back here.
    let bytes = String::from_utf8_lossy(&bytes).replace(&spoiler.server, &spoiler.own);
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(bytes))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_waits_while_the_server_says_429_and_arrives_once() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let front = Spoiler::start(net, Spoils::TooMany).await;
    let desk = Desk::open_at(net, front).await;
    let ann = net.account("ann").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?").await;
    ann.sees(&question, "This is question").await;
    desk.settles().await;
    desk.said_everything_once().await;
}

/// Promise 3: the record key is the letter's own, so that a repeat after a lost answer finds it taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_answer_was_lost_is_found_and_not_repeated() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let front = Spoiler::start(net, Spoils::Answers).await;
    let desk = Desk::open_at(net, front).await;
    let (ann, clio) = (net.account("ann").await, net.account("clio").await);
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?").await;
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.at, "On 1 November 1922.", &[]).await;
    ann.sees(&question, "On 1 November 1922.").await;
    desk.settles().await;
    desk.said_everything_once().await;
    let refused = desk.engine().store().undelivered(10).unwrap();
    assert_eq!(refused, [], "nothing was given up");
}

/// Promises 2 and 7: after `forget me` the desk's posts about it are gone from the network.
#[tokio::test(flavor = "multi_thread")]
async fn forget_me_takes_the_desks_posts_off_the_network() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::open(net).await;
    let (ann, clio) = (net.account("ann").await, net.account("clio").await);
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?").await;
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.at, "On 1 November 1922.", &[]).await;
    let answer = ann.sees(&question, "On 1 November 1922.").await;
    ann.reply(&answer.at, "forget me", &[]).await;
    ann.hears("I've erased your questions").await;
    desk.settles().await;
    let left = desk.person.texts().await;
    assert!(!left.iter().any(|text| text.contains("Ottoman") || text.contains("1922")), "{left:?}");
    assert_eq!(desk.engine().store().questions(None, 10).unwrap(), []);
}

/// Promise 1, never wider: a private question of one network never reaches a network where all is
/// public, and a public one crosses both ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_question_stays_off_bluesky_and_a_public_one_is_answered_across() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let mut desk = Desk::open(net).await;
    desk.stop().await;
    let sandbox = Arc::new(Sandbox::open(&desk.folder.path().join("sandbox"), "desk").unwrap());
    desk.sandbox = Some(sandbox.clone());
    desk.start().await;
    let (ann, clio) = (net.account("ann").await, net.account("clio").await);
    desk.joins(&clio, "law").await;

    say(&sandbox, "lexi", "@desk join law", Visibility::Direct, None).await;
    found(&sandbox, "lexi", "Welcome to the desk").await;
    say(&sandbox, "bob", "@desk Can my landlord evict me without a court order?", Visibility::Direct, None)
        .await;
    let private = found(&sandbox, "lexi", "Can my landlord evict me").await;
    say(&sandbox, "lexi", "No; ask your legal aid office.", Visibility::Direct, Some(private)).await;
    found(&sandbox, "bob", "ask your legal aid office").await;
    assert!(!clio.heard().await.iter().any(|said| said.text.contains("landlord")), "promise 1");
    assert!(!desk.person.texts().await.iter().any(|text| text.contains("landlord")), "promise 1");

    let question = desk.asked(&ann, "How long does copyright in a photograph last?").await;
    let public = found(&sandbox, "lexi", "copyright in a photograph").await;
    say(&sandbox, "lexi", "Seventy years from the author's death.", Visibility::Unlisted, Some(public)).await;
    let answer = ann.sees(&question, "Seventy years").await;
    assert!(answer.text.contains("a librarian") && !answer.text.contains("lexi"), "handles do not cross");
    desk.settles().await;
    desk.said_everything_once().await;
}

async fn say(sandbox: &Sandbox, who: &str, text: &str, visibility: Visibility, reply_to: Option<u64>) {
    let saying = Saying {
        author: Handle::parse(who).unwrap(),
        text: stumper::desk::Confidential::new(text),
        visibility,
        to: [Handle::parse("desk").unwrap()].into(),
        in_reply_to: reply_to,
        language: None,
        key: None,
    };
    sandbox.say(saying, stumper::clock::now()).await.unwrap();
}

/// Waits until the desk has written something to somebody on the sandbox.
async fn found(sandbox: &Sandbox, to: &str, part: &str) -> u64 {
    let name = format!("@{to} ");
    eventually(&format!("{to} reads {part:?} on the {}", Network::Sandbox), || async {
        sandbox.posts().iter().find_map(|entry| match entry {
            sandbox::Entry::Post(post) => {
                let text = post.text.reveal();
                (post.author == *sandbox.desk() && text.starts_with(&name) && text.contains(part))
                    .then_some(post.id)
            }
            sandbox::Entry::Gone(_) => None,
        })
    })
    .await
}
