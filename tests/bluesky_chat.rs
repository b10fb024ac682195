//! What is private on Bluesky: direct messages through a real server of the network, with a stand-in for
//! the chat service behind it, which nobody can run at home.
//!
//! **Invariant:** what the desk posted in public is looked at in every story.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/bluesky_desk.rs"]
mod bluesky_desk;
#[path = "support/bluesky_network.rs"]
mod bluesky_network;
#[path = "support/chat_service.rs"]
mod chat_service;
#[path = "support/samples.rs"]
mod samples;

use bluesky_desk::Desk;
use bluesky_network::{BlueskyNetwork, Person, eventually};
use chat_service::ChatService;
use stumper::clock;
use stumper::desk::letter::Refusal;
use stumper::desk::{Account, Content, Letter, Network, Post, PostId, Visibility};
use stumper::networks::{Failure, Outgoing};

async fn told(chat: &ChatService, person: &Person<'_>, part: &str) -> String {
    eventually(&format!("{person} is told {part:?}"), || async {
        chat.said_to(person).into_iter().find(|text| text.contains(part))
    })
    .await
}

async fn open<'n>(net: &'n BlueskyNetwork, chat: &ChatService, people: &[&Person<'_>]) -> Desk<'n> {
    let mut desk = Desk::closed(net, true).await;
    chat.knows(people);
    chat.knows(&[&desk.person]);
    desk.chat = chat.name.clone();
    desk.start().await;
    // Where reading begins on a first start has to be known before anybody writes.
    eventually("the desk reads its messages", || async {
        let cursor = desk.engine().store().cursor(Network::Bluesky).unwrap();
        cursor.filter(|cursor| cursor.contains("\"chat\""))
    })
    .await;
    desk
}

/// Promise 1, never wider: a private question and all that follows from it stay in private.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_question_is_asked_and_answered_in_private() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let chat = ChatService::start().await;
    let (ann, lexi) = (net.account("ann").await, net.account("lexi").await);
    let desk = open(net, &chat, &[&ann, &lexi]).await;
    lexi.tells(&chat.name, &desk.person, "join law").await;
    told(&chat, &lexi, "Welcome to the desk").await;

    ann.tells(&chat.name, &desk.person, "Can my landlord evict me without a court order?").await;
    told(&chat, &ann, "I've asked a librarian").await;
    let invitation = told(&chat, &lexi, "Can my landlord evict me").await;
    assert!(!invitation.contains("@"), "in a conversation of two nobody is mentioned: {invitation}");
    lexi.tells(&chat.name, &desk.person, "ask: which state do you live in?").await;
    told(&chat, &ann, "which state do you live in?").await;
    ann.tells(&chat.name, &desk.person, "Ohio.").await;
    told(&chat, &lexi, "Ohio.").await;
    // Longer than a post may be, and still one message.
    let answer = "No. In Ohio only a court can order an eviction; your legal aid office helps. ".repeat(8);
    lexi.tells(&chat.name, &desk.person, &answer).await;
    told(&chat, &ann, answer.trim()).await;
    ann.tells(&chat.name, &desk.person, "thank you!").await;
    told(&chat, &lexi, "with thanks").await;
    desk.settles().await;
    assert!(chat.has_accepted(&desk.person, &ann), "a request is accepted");
    assert_eq!(desk.person.texts().await, [""; 0], "promise 1: nothing was said in public");
}

/// Whoever lets nobody write is told so in public, without a word of what it is about.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_reached_in_private_is_told_how_in_public() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let chat = ChatService::start().await;
    let (ann, lexi) = (net.account("ann").await, net.account("lexi").await);
    let desk = open(net, &chat, &[&ann, &lexi]).await;
    chat.closes(&lexi);
    desk.joins(&lexi, "law").await;
    ann.tells(&chat.name, &desk.person, "Can my landlord evict me without a court order?").await;
    let hint = lexi.hears("I have a private message for you").await;
    assert!(!hint.text.contains("landlord") && !hint.text.contains("ann"), "promise 1: {}", hint.text);
    desk.settles().await;
    assert_eq!(chat.said_to(&lexi), [""; 0]);
    assert!(!desk.person.texts().await.iter().any(|text| text.contains("landlord")), "promise 1");
}

/// A conversation of several is not for the desk.
#[tokio::test(flavor = "multi_thread")]
async fn groups_are_neither_read_nor_answered() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let chat = ChatService::start().await;
    let (ann, ben) = (net.account("ann").await, net.account("ben").await);
    let desk = open(net, &chat, &[&ann, &ben]).await;
    chat.group(&[&ann, &ben, &desk.person], "When did the Ottoman Empire end?");
    ann.tells(&chat.name, &desk.person, "help").await;
    told(&chat, &ann, "librarian").await;
    desk.settles().await;
    assert_eq!(desk.engine().store().questions(None, 10).unwrap(), []);
    assert_eq!(chat.said_to(&ben), ["When did the Ottoman Empire end?"]);
}

fn message(to: &Person<'_>, text: &str) -> Outgoing {
    let to = Account::new(Network::Bluesky, &*to.did, to.handle.clone());
    let content = samples::words(text, Vec::new(), Visibility::Direct);
    let letter = samples::letter(text, to, content, clock::now());
    Outgoing { letter, reply_to: None }
}

/// Promise 3, once: there is no key for a message, so an unclear one is looked for.
#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let chat = ChatService::start().await;
    let mut desk = Desk::closed(net, true).await;
    let ann = net.account("ann").await;
    chat.knows(&[&ann, &desk.person]);
    desk.chat = chat.name.clone();
    let connector = desk.connector();
    connector.connect().await.unwrap();
    let sent = message(&ann, "See https://lib.example/x");
    assert_eq!(connector.look(&sent).await, Ok(None));
    chat.loses_answers(1);
    assert!(matches!(connector.send(&sent).await, Err(Failure::Unsure(_))));
    let found = connector.look(&sent).await.unwrap().expect("it is there");
    assert_eq!(chat.said_to(&ann).len(), 1);
    assert_eq!(connector.look(&message(&ann, "something else")).await, Ok(None));

    let post = PostId::new(Network::Bluesky, found.post.id);
    let content = Content::Delete { post };
    let deletion = Outgoing { letter: Letter { content, ..sent.letter.clone() }, reply_to: None };
    connector.send(&deletion).await.unwrap();
}

/// Each message once, also where the desk was killed before it noted that it had read it.
#[tokio::test]
async fn what_was_not_committed_is_heard_again() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let chat = ChatService::start().await;
    let mut desk = Desk::closed(net, true).await;
    let ann = net.account("ann").await;
    chat.knows(&[&ann, &desk.person]);
    desk.chat = chat.name.clone();
    ann.tells(&chat.name, &desk.person, "before the desk was there").await;
    let connector = desk.connector();
    let first = connector.fetch(None).await.unwrap();
    assert!(first.posts.is_empty(), "a new desk answers nothing old");
    ann.tells(&chat.name, &desk.person, "one").await;
    connector.send(&message(&ann, "first reply")).await.unwrap();
    ann.tells(&chat.name, &desk.person, "two").await;
    let texts = |posts: &[Post]| posts.iter().map(|post| post.text.reveal().to_owned()).collect::<Vec<_>>();
    let heard = connector.fetch(first.cursor.as_deref()).await.unwrap();
    assert_eq!(texts(&heard.posts), ["one", "two"]);
    assert!(heard.posts.iter().all(|post| post.addressed && post.visibility == Visibility::Direct));
    assert_eq!(heard.posts[0].in_reply_to, None);
    assert!(heard.posts[1].in_reply_to.is_some(), "it follows the desk's own message");
    let again = desk.connector().fetch(first.cursor.as_deref()).await.unwrap();
    assert_eq!(texts(&again.posts), ["one", "two"]);
    let after = connector.fetch(heard.cursor.as_deref()).await.unwrap();
    assert_eq!(texts(&after.posts), [""; 0]);
}

/// An app password without the right to direct messages: all else works, and the check says so.
#[tokio::test]
async fn without_the_right_to_messages_nothing_private_is_sent() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let chat = ChatService::start().await;
    let mut desk = Desk::closed(net, false).await;
    let ann = net.account("ann").await;
    chat.knows(&[&ann, &desk.person]);
    desk.chat = chat.name.clone();
    let connector = desk.connector();
    connector.connect().await.unwrap();
    assert!(connector.fetch(None).await.unwrap().posts.is_empty());
    let got = connector.send(&message(&ann, "private")).await;
    assert_eq!(got, Err(Failure::Refused(Refusal::NotPrivate)));
    let report = connector.check().await;
    let lacking: Vec<&str> =
        report.findings.iter().filter(|finding| !finding.ok).map(|finding| finding.what).collect();
    assert_eq!(lacking, ["direct messages"], "{report:?}");
}

#[tokio::test]
async fn a_check_finds_everything_in_order() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let chat = ChatService::start().await;
    let mut desk = Desk::closed(net, true).await;
    desk.chat = chat.name.clone();
    let report = desk.connector().check().await;
    assert!(report.findings.len() == 4 && report.findings.iter().all(|finding| finding.ok), "{report:?}");
}

/// The account says of itself that it is automated and may be written to.
#[tokio::test]
async fn the_account_introduces_itself() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let desk = Desk::closed(net, true).await;
    assert_eq!(desk.person.record("chat.bsky.actor.declaration").await, None);
    for _ in 0..2 {
        desk.connector().connect().await.unwrap();
        let declaration = desk.person.record("chat.bsky.actor.declaration").await.unwrap();
        assert_eq!(declaration["allowIncoming"], "all");
        let profile = desk.person.record("app.bsky.actor.profile").await.unwrap();
        assert_eq!(profile["labels"]["values"], serde_json::json!([{"val": "bot"}]));
    }
}
