//! Answers whose post X made, or did not make, and of which the desk got no word, through the whole desk:
//! store on disk, core, sender and connector.
//!
//! The rule that is held here is *look before repeating*. A letter is claimed durably before it leaves.
//! If nobody knows what became of the request, nothing is sent for two minutes, which is longer than a
//! request can be on its way and X needs to show what it took; then the desk looks among its own posts,
//! and repeats only what it does not find there. If X shows it later still, it refuses the same text a
//! second time, and the desk looks once more before it believes that the letter was refused.
//!
//! **Invariant:** the desk's time is the test's own, so that nothing waits.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use stumper::config::rules_dir;
use stumper::desk::letter::Delivery;
use stumper::desk::{Input, Network, Settings};
use stumper::engine::{self, Engine};
use stumper::networks::{Connector, http, x};
use stumper::store::Store;
use stumper::subjects::Subjects;

use crate::server::{DESK, Fault, X};

const ANN: &str = "22";
const CLIO: &str = "33";

/// How long after a request without an end the desk looks for what became of it.
const LOOK_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How many rounds of reading, deciding and sending anything here takes at most.
const ROUNDS_MAX: usize = 6;

const WORDS: &str = "On 1 November 1922, when the sultanate was abolished.";

struct Desk {
    x: X,
    folder: tempfile::TempDir,
    subjects: Subjects,
    http: reqwest::Client,
    engine: Engine,
    connector: Connector,
    now: Timestamp,
}

impl Desk {
    async fn open(subjects: &Subjects, http: &reqwest::Client) -> Desk {
        let x = X::start().await;
        x.person(ANN, "ann");
        x.person(CLIO, "clio");
        let folder = tempfile::tempdir().unwrap();
        let (engine, connector) = opened(&x, folder.path(), subjects, http);
        let (subjects, http) = (subjects.clone(), http.clone());
        let desk = Desk { x, folder, subjects, http, engine, connector, now: stumper::clock::now() };
        desk.engine.set_account(desk.connector.connect().await.unwrap());
        let first = desk.connector.fetch(None).await.unwrap();
        desk.engine.store().set_cursor(Network::X, first.cursor.unwrap()).await.unwrap();
        desk
    }

    /// Ends the desk, and starts it on what it remembers.
    async fn restart(&mut self) {
        self.engine.store().close().await.unwrap();
        // The database is free only once nobody holds it any more.
        self.engine = Engine::new(Store::memory(), self.subjects.clone(), Settings::default());
        (self.engine, self.connector) = opened(&self.x, self.folder.path(), &self.subjects, &self.http);
        self.engine.set_account(self.connector.connect().await.unwrap());
        engine::take_stock(&self.engine, &self.connector, &|| self.now).await.unwrap();
    }

    /// Reads what is new and decides about it.
    async fn reads(&self) {
        for _ in 0..ROUNDS_MAX {
            let cursor = self.engine.store().cursor(Network::X).unwrap();
            let batch = self.connector.fetch(cursor.as_deref()).await.unwrap();
            for post in batch.posts {
                self.engine.handle_at(Input::Post(Box::new(post)), self.now).await.unwrap();
            }
            if let Some(cursor) = batch.cursor {
                self.engine.store().set_cursor(Network::X, cursor).await.unwrap();
            }
            if !batch.more {
                return;
            }
        }
    }

    /// Does once whatever is due: sends it, or looks for it.
    async fn acts(&self) -> usize {
        engine::send_due(&self.engine, &self.connector, &|| self.now).await.unwrap()
    }

    async fn goes_on(&self) {
        for _ in 0..ROUNDS_MAX {
            self.reads().await;
            if self.acts().await == 0 {
                return;
            }
        }
    }

    /// What was asked of X about the answer, in order.
    fn calls(&self) -> Vec<&'static str> {
        let kinds = [
            ("POST /2/tweets", "send"),
            ("POST /2/dm_conversations/with/22/", "send"),
            ("GET /2/users/11/tweets", "look"),
            ("GET /2/dm_conversations/with/22/", "look"),
        ];
        let inner = self.x.lock();
        let kind = |request: &String| kinds.iter().find(|(start, _)| request.starts_with(start));
        inner.requests.iter().filter_map(kind).map(|(_, kind)| *kind).collect()
    }

    /// How often the patron can read the answer.
    fn answers(&self) -> usize {
        let public = self.x.by_desk().iter().filter(|post| post.text.contains(WORDS)).count();
        public + self.x.messages_to(ANN).iter().filter(|text| text.contains(WORDS)).count()
    }
}

fn opened(x: &X, folder: &Path, subjects: &Subjects, http: &reqwest::Client) -> (Engine, Connector) {
    let store = Store::open_sled(&folder.join("store")).unwrap();
    let connector = x::Connector::new(x.settings(folder), http.clone());
    let engine = Engine::new(store, subjects.clone(), Settings::default());
    (engine, Connector::X(Box::new(connector)))
}

/// When X shows what it took, where it took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    BeforeTheLook,
    AfterTheLook,
}

struct Row {
    name: &'static str,
    is_public: bool,
    fault: Fault,
    shows: Shows,
    /// What the desk does about the answer.
    calls: &'static [&'static str],
}

fn rows() -> Vec<Row> {
    let row = |name, is_public, fault, shows, calls| Row { name, is_public, fault, shows, calls };
    let before = Shows::BeforeTheLook;
    vec![
        row("it was posted", true, Fault::LostAnswer, before, &["send", "look"]),
        row("it was not posted", true, Fault::LostRequest, before, &["send", "look", "send"]),
        row(
            "a proxy answered, and it was not posted",
            true,
            Fault::Page(503),
            before,
            &["send", "look", "send"],
        ),
        row("it was posted and shows late", true, Fault::LostAndHidden, before, &["send", "look"]),
        row(
            "it was posted, shows too late, and is refused as a duplicate",
            true,
            Fault::LostAndHidden,
            Shows::AfterTheLook,
            &["send", "look", "send", "look"],
        ),
        row("a private one was delivered", false, Fault::LostAnswer, before, &["send", "look"]),
        row("a private one was not delivered", false, Fault::LostRequest, before, &["send", "look", "send"]),
    ]
}

/// A question is asked and answered; of the answer's request nobody learns the end.
async fn story(row: &Row, is_restarted: bool, subjects: &Subjects, http: &reqwest::Client) {
    let name = format!("{}, restarted: {is_restarted}", row.name);
    let mut desk = Desk::open(subjects, http).await;
    desk.x.message(CLIO, "join history");
    desk.goes_on().await;
    if row.is_public {
        desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    } else {
        desk.x.message(ANN, "When did the Ottoman Empire end?");
    }
    desk.goes_on().await;
    let before = desk.calls().len();

    let sends = if row.is_public { "POST /2/tweets" } else { "POST /2/dm_conversations/with/22/" };
    desk.x.spoil(sends, row.fault.clone());
    desk.x.message(CLIO, WORDS);
    desk.goes_on().await;
    if is_restarted {
        desk.restart().await;
    }
    // A request that left just now may still arrive.
    desk.now = desk.now.checked_add(LOOK_AFTER - SignedDuration::from_secs(1)).unwrap();
    desk.goes_on().await;
    assert_eq!(desk.calls()[before..], ["send"], "{name}: neither looked for nor repeated too early");

    if row.shows == Shows::BeforeTheLook {
        desk.x.settle();
    }
    desk.now = desk.now.checked_add(SignedDuration::from_secs(1)).unwrap();
    desk.acts().await;
    assert_eq!(desk.calls()[before..], ["send", "look"], "{name}: looked for before it is repeated");
    desk.x.settle();
    desk.goes_on().await;
    assert_eq!(desk.calls()[before..], *row.calls, "{name}");
    // Later nothing is said again.
    desk.now = desk.now.checked_add(SignedDuration::from_hours(1)).unwrap();
    desk.goes_on().await;
    assert_eq!(desk.calls()[before..], *row.calls, "{name}");

    assert_eq!(desk.answers(), 1, "{name}: promise 3, by looking before repeating");
    let thanked = desk.x.messages_to(CLIO).iter().filter(|text| text.contains("is on its way")).count();
    assert_eq!(thanked, 1, "{name}");
    assert_eq!(desk.x.wrongs(), Vec::<String>::new(), "{name}: the rules of X");
    let public = desk.x.by_desk().iter().filter(|post| post.author == DESK).count();
    assert_eq!(public, usize::from(row.is_public), "{name}: promise 1");
    let unsettled = desk.engine.store().outbox(Network::X, Timestamp::MAX, 10).unwrap();
    assert_eq!(unsettled, Vec::new(), "{name}: nothing is in doubt any more");
    let undelivered: Vec<(_, Delivery)> = desk.engine.store().undelivered(10).unwrap();
    assert_eq!(undelivered, [], "{name}: nothing was given up");
}

/// Promise 3, once, by the rule *look before repeating*; and promise 4: the patron gets the answer.
#[tokio::test(flavor = "multi_thread")]
async fn once_an_answer_of_which_nothing_was_heard_is_looked_for_before_it_is_repeated() {
    let rules = rules_dir::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap();
    let (subjects, _) = Subjects::compile(&rules);
    let http = http::client().unwrap();
    for row in rows() {
        for is_restarted in [false, true] {
            story(&row, is_restarted, &subjects, &http).await;
        }
    }
}
