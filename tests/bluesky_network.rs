//! The Bluesky connector on a real network: that of the Bluesky developers, run on this machine.
//!
//! **Invariant:** nothing here is a fake. What a server can only be made to say by a fake one is tested
//! in `bluesky_wire.rs`.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/bluesky_network.rs"]
mod bluesky_network;
#[path = "support/samples.rs"]
mod samples;

use bluesky_network::{BlueskyNetwork, Person, Posted, eventually};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;
use stumper::clock;
use stumper::desk::letter::{Mention, Refusal};
use stumper::desk::{Account, Content, Letter, Network, Place, Post, PostId, Visibility};
use stumper::networks::bluesky::{Connector, Settings};
use stumper::networks::{Failure, Outgoing, http};
use tokio::sync::Mutex;

/// The desk's account and its connector, as the desk uses it.
struct Desk<'n> {
    person: Person<'n>,
    net: &'n BlueskyNetwork,
    folder: tempfile::TempDir,
    password: String,
    connector: Connector,
    cursor: Mutex<Option<String>>,
}

impl<'n> Desk<'n> {
    async fn new(net: &'n BlueskyNetwork) -> Desk<'n> {
        let person = net.account("desk").await;
        let password = person.app_password().await;
        let folder = tempfile::tempdir().unwrap();
        let connector = connector(net, &person.handle, &password, &folder);
        let desk = Desk { person, net, folder, password, connector, cursor: Mutex::new(None) };
        assert_eq!(desk.connector.connect().await.unwrap().id.id, desk.person.did);
        desk.hears_nothing().await;
        desk
    }

    /// The same account in a new process.
    fn restart(&mut self) {
        self.connector = connector(self.net, &self.person.handle, &self.password, &self.folder);
    }

    /// Fetches once and commits what came.
    async fn fetch(&self) -> Vec<Post> {
        let mut cursor = self.cursor.lock().await;
        let batch = self.connector.fetch(cursor.as_deref()).await.unwrap();
        assert_eq!(batch.unreadable, 0);
        *cursor = batch.cursor;
        batch.posts
    }

    /// Fetches until there is a post that contains `part`.
    async fn hears(&self, part: &str) -> Post {
        eventually(&format!("the desk hears {part:?}"), || async {
            self.fetch().await.into_iter().find(|post| post.text.reveal().contains(part))
        })
        .await
    }

    async fn hears_nothing(&self) {
        assert!(self.fetch().await.is_empty());
    }

    fn session(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.session_file()).unwrap()).unwrap()
    }

    fn set_session(&self, session: &Value) {
        std::fs::write(self.session_file(), session.to_string()).unwrap();
    }

    fn session_file(&self) -> std::path::PathBuf {
        self.folder.path().join("session")
    }
}

fn connector(net: &BlueskyNetwork, handle: &str, password: &str, folder: &tempfile::TempDir) -> Connector {
    let password = SecretString::from(password.to_owned());
    let settings = Settings::new(net.service(), handle, password, folder.path().join("session"));
    // Direct messages are tested in `bluesky_chat.rs`; here is nobody to carry them.
    let settings = settings.with_page_limit(3).with_chat_service("did:web:localhost%3A1#bsky_chat");
    Connector::new(settings, http::client().unwrap())
}

/// A letter to somebody whom it mentions, in reply to a post.
fn letter(name: &str, to: &Person<'_>, text: &str, reply_to: Option<&Place>) -> Outgoing {
    let text = format!("@{to} {text}");
    let account = Account::new(Network::Bluesky, &*to.did, to.handle.clone());
    let mention = Mention { start: 0, end: 1 + to.handle.len(), account: account.clone() };
    let content = samples::words(text, vec![mention], Visibility::Public);
    Outgoing { letter: envelope(name, account, content), reply_to: reply_to.cloned() }
}

fn deletion(of: &Place, account: Account) -> Outgoing {
    let post = PostId::new(Network::Bluesky, of.post.id.clone());
    Outgoing { letter: envelope("deletion", account, Content::Delete { post }), reply_to: None }
}

fn envelope(name: &str, to: Account, content: Content) -> Letter {
    samples::letter(name, to, content, clock::now())
}

fn posted(place: &Place) -> Posted {
    let pair = |anchor: &stumper::desk::Anchor| (anchor.id.clone(), anchor.revision.clone().unwrap());
    let (uri, cid) = pair(&place.post);
    Posted { uri, cid, root: pair(&place.root) }
}

#[tokio::test]
async fn a_question_comes_and_its_answer_goes_into_the_thread_once() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::new(net).await;
    let (ann, ben) = (net.account("ann").await, net.account("ben").await);
    let handle = &desk.person.handle;
    let talk = ben.post("I found an old map 🗺️ of the town", &[]).await;
    let text = format!("é 👋 @{handle} who drew the one @{ben} has?");
    let question = ann.reply(&talk, &text, &[&desk.person, &ben]).await;

    let post = desk.hears("who drew").await;
    assert_eq!(post.text.reveal(), format!("é 👋 who drew the one @{ben} has?"));
    assert_eq!((post.author.id.id.as_str(), post.author.handle.as_str()), (&*ann.did, &*ann.handle));
    assert_eq!(post.mentions.len(), 1);
    assert_eq!(
        (post.mentions[0].id.id.as_str(), post.mentions[0].handle.as_str()),
        (&*ben.did, &*ben.handle)
    );
    assert!(post.addressed && !post.author.bot);
    assert_eq!(post.language.as_deref(), Some("en"));
    assert_eq!(post.in_reply_to.as_ref().unwrap().id, talk.uri);
    assert_eq!(posted(&post.place), question);
    desk.hears_nothing().await;

    let answer =
        letter("answer", &ann, "it was M. Merian, see https://maps.example/merian.", Some(&post.place));
    let place = desk.connector.send(&answer).await.unwrap();
    assert_eq!(desk.connector.send(&answer).await.unwrap(), place, "sent again, it is the same post");
    assert_eq!(desk.connector.look(&answer).await.unwrap().as_ref(), Some(&place));
    let seen = ann.sees(&question, "M. Merian").await;
    assert_eq!((seen.author.as_str(), &seen.at), (&**handle, &posted(&place)));
    assert_eq!(seen.at.root, (talk.uri.clone(), talk.cid.clone()));
    assert_eq!(ann.hears("M. Merian").await, seen, "and she is told");
    assert_eq!(ann.thread(&question).await.len(), 2);

    let thanks = ann.reply(&seen.at, "thank you!", &[]).await;
    let post = desk.hears("thank you").await;
    assert!(!post.addressed);
    assert_eq!(post.in_reply_to.unwrap().id, place.post.id);
    // Between two others, three levels below the desk: not for the desk.
    ben.reply(&thanks, "you are welcome", &[]).await;
    ben.hears("who drew").await;
    ann.hears("you are welcome").await;
    desk.hears_nothing().await;
}

#[tokio::test]
async fn what_was_there_before_the_desk_is_not_answered() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let (person, ann) = (net.account("desk").await, net.account("ann").await);
    for number in 0..5 {
        ann.post(&format!("@{person} old question {number}"), &[&person]).await;
    }
    person.hears("old question 4").await;
    let folder = tempfile::tempdir().unwrap();
    let connector = connector(net, &person.handle, &person.password, &folder);
    let mut cursor = None;
    for _ in 0..5 {
        let batch = connector.fetch(cursor.as_deref()).await.unwrap();
        assert!(batch.posts.is_empty());
        cursor = batch.cursor;
    }
}

#[tokio::test]
async fn a_back_dated_question_is_found() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let mut desk = Desk::new(net).await;
    let ann = net.account("ann").await;
    let handle = desk.person.handle.clone();
    for number in 0..7 {
        ann.post(&format!("@{handle} question {number}"), &[&desk.person]).await;
    }
    desk.hears("question 6").await;
    ann.post_dated(&format!("@{handle} back then?"), &[&desk.person], "2020-01-01T00:00:00.000Z").await;
    let post = desk.hears("back then?").await;
    assert!(post.seen_at.as_second() > 1_700_000_000, "not as old as it says");
    desk.hears_nothing().await;

    desk.restart();
    ann.post_dated(&format!("@{handle} and then?"), &[&desk.person], "2020-01-02T00:00:00.000Z").await;
    desk.hears("and then?").await;
}

#[tokio::test]
async fn tokens_that_are_no_good_any_more_are_renewed() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let mut desk = Desk::new(net).await;
    let granted = desk.session();
    let token = |name: &str| granted[name].as_str().unwrap().to_owned();
    for (name, access, refresh) in [
        ("expired", net.expired(&token("access")), token("refresh")),
        ("junk", "junk".to_owned(), token("refresh")),
        ("both expired", net.expired(&token("access")), net.expired(&token("refresh"))),
    ] {
        let mut session = desk.session();
        (session["access"], session["refresh"]) = (json!(access), json!(refresh));
        desk.set_session(&session);
        desk.restart();
        desk.hears_nothing().await;
        assert_ne!(desk.session()["access"], json!(access), "{name}: a new token is on the disk");
    }
}

#[tokio::test]
async fn deleted_posts_are_gone_and_not_replied_to() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::new(net).await;
    let ann = net.account("ann").await;
    let question = ann.post(&format!("@{} why?", desk.person), &[&desk.person]).await;
    let post = desk.hears("why?").await;
    let answer = letter("answer", &ann, "because", Some(&post.place));
    let place = desk.connector.send(&answer).await.unwrap();
    ann.sees(&question, "because").await;

    let deletion = deletion(&place, post.author.clone());
    assert_eq!(desk.connector.look(&deletion).await, Ok(None), "still there");
    desk.connector.send(&deletion).await.unwrap();
    desk.connector.send(&deletion).await.unwrap();
    assert!(desk.connector.look(&deletion).await.unwrap().is_some(), "gone");
    assert_eq!(desk.connector.look(&answer).await, Ok(None));
    eventually("the answer disappears", || async { (ann.thread(&question).await.len() == 1).then_some(()) })
        .await;

    ann.delete(&question).await;
    let late = letter("late", &ann, "by the way", Some(&post.place));
    eventually("the question disappears", || async {
        let got = desk.connector.send(&late).await;
        (got == Err(Failure::Refused(Refusal::Unreachable))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_letter_never_overwrites_another() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::new(net).await;
    let ann = net.account("ann").await;
    let first = letter("same", &ann, "one", None);
    let mut second = letter("same", &ann, "two", None);
    second.letter.made_at = first.letter.made_at;
    let places = [desk.connector.send(&first).await.unwrap(), desk.connector.send(&second).await.unwrap()];
    assert_ne!(places[0].post.id, places[1].post.id);
    for (outgoing, place) in [(&first, &places[0]), (&second, &places[1])] {
        assert_eq!(desk.connector.send(outgoing).await.as_ref(), Ok(place));
        assert_eq!(desk.connector.look(outgoing).await.unwrap().as_ref(), Some(place));
    }
    ann.hears("one").await;
    ann.hears("two").await;
}

#[tokio::test]
async fn a_letter_that_is_too_long_is_refused_for_good() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::new(net).await;
    let ann = net.account("ann").await;
    let room = 300 - format!("@{ann} ").len();
    let fits = letter("fits", &ann, &"é".repeat(room), None);
    assert!(desk.connector.send(&fits).await.is_ok());
    let long = letter("long", &ann, &"é".repeat(room + 1), None);
    assert_eq!(desk.connector.send(&long).await, Err(Failure::Refused(Refusal::Rejected)));
    assert_eq!(desk.connector.look(&long).await, Ok(None));
}

#[tokio::test]
async fn an_account_that_cannot_be_used_is_dead() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let person = net.account("desk").await;
    let try_log_in = async |password: &str| {
        let folder = tempfile::tempdir().unwrap();
        connector(net, &person.handle, password, &folder).connect().await.unwrap_err()
    };
    assert!(
        matches!(try_log_in("not the password").await, Failure::AccountDead(why) if why.contains("wrong"))
    );
    net.take_down(&person).await;
    let failure = try_log_in(&person.password).await;
    assert!(matches!(failure, Failure::AccountDead(why) if why.contains("taken")), "{failure}");
}

#[tokio::test]
async fn too_many_log_ins_are_told_to_wait() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let person = net.account("desk").await;
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..40 {
        let connector = connector(net, &person.handle, "not the password", &folder);
        match connector.connect().await.unwrap_err() {
            Failure::AccountDead(_) => {}
            Failure::Later { after } => {
                assert!((Duration::from_secs(2)..Duration::from_secs(301)).contains(&after), "{after:?}");
                return;
            }
            failure @ (Failure::Transient(_) | Failure::Unsure(_) | Failure::Refused(_)) => {
                panic!("{failure}")
            }
        }
    }
    panic!("never told to wait");
}

#[tokio::test]
async fn a_check_finds_everything_in_order() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::new(net).await;
    let report = desk.connector.check().await;
    assert_eq!(report.account.as_deref(), Some(&*desk.person.handle));
    let good: Vec<&str> =
        report.findings.iter().filter(|finding| finding.ok).map(|finding| finding.what).collect();
    assert_eq!(good, ["log-in", "reading", "posting"], "{report:?}");
}
