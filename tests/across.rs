//! A patron on one network and the right librarian on another meet through the desk: a real Bluesky
//! network and a stand-in for a Mastodon server.
//!
//! **Invariant:** what each side says and reads is looked at on its own network.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/bluesky_desk.rs"]
mod bluesky_desk;
#[path = "support/bluesky_network.rs"]
mod bluesky_network;
#[path = "support/mastodon.rs"]
mod mastodon;

use std::time::Duration;

use bluesky_desk::Desk;
use bluesky_network::BlueskyNetwork;
use mastodon::{Profile, Server};
use secrecy::SecretString;
use stumper::desk::Network;
use stumper::networks::{Connector, http, mastodon as network};

async fn open<'n>(net: &'n BlueskyNetwork, server: &Server) -> Desk<'n> {
    let mut desk = Desk::closed(net, true).await;
    let (address, token) = (server.address.clone(), server.person("desk").account().token);
    desk.beside = Some(Box::new(move || {
        let token = SecretString::from(token.clone());
        let settings = network::Settings::new(&address, token).with_poll(Duration::from_millis(500));
        Connector::Mastodon(Box::new(network::Connector::new(settings, http::client().unwrap())))
    }));
    desk.start().await;
    // A desk answers nothing older than its first look.
    mastodon::eventually("the desk listens on both", || async {
        let listens = |network| desk.engine().store().cursor(network).unwrap().is_some();
        (listens(Network::Mastodon) && listens(Network::Bluesky)).then_some(())
    })
    .await;
    desk
}

/// Each side sees natural posts of its own network, and nobody learns who the other is.
#[tokio::test(flavor = "multi_thread")]
async fn a_librarian_on_mastodon_answers_a_patron_on_bluesky() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let server = Server::start(Profile::Mastodon46).await;
    let desk = open(net, &server).await;
    let (ann, clio) = (net.account("ann").await, server.person("clio"));
    clio.post("@desk join history", "unlisted", None);
    clio.hears("Welcome to the desk").await;

    let question = desk.asked(&ann, "When did the Ottoman Empire end?").await;
    ann.sees(&question, "I've asked a librarian").await;
    let invitation = clio.hears("When did the Ottoman Empire end?").await;
    assert!(!invitation.text.contains(&ann.handle), "handles do not cross: {}", invitation.text);
    assert_ne!(invitation.visibility, "public", "what the desk passes on is not for timelines");
    clio.reply(&invitation.id, "ask: the sultanate or the caliphate?");
    let asked = ann.sees(&question, "the sultanate or the caliphate?").await;
    ann.reply(&asked.at, "The sultanate.", &[]).await;
    let reply = clio.hears("The sultanate.").await;
    clio.reply(&reply.id, "On 1 November 1922.");
    let answer = ann.sees(&question, "On 1 November 1922.").await;
    assert_eq!(answer.at.root.0, question.uri, "in the patron's own thread");
    assert!(answer.text.contains("a librarian") && !answer.text.contains("clio"), "{}", answer.text);
    ann.reply(&answer.at, "Thank you so much!", &[]).await;
    clio.hears("with thanks from the person you helped").await;
    desk.settles().await;
    desk.said_everything_once().await;
}

/// The other way round, and a restart in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_librarian_on_bluesky_answers_a_patron_on_mastodon() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let server = Server::start(Profile::GoToSocial).await;
    let mut desk = open(net, &server).await;
    let (lexi, bob) = (net.account("lexi").await, server.person("bob"));
    desk.joins(&lexi, "law").await;
    let question = bob.post("@desk How long does copyright in a photograph last?", "public", None);
    let invitation = lexi.hears("copyright in a photograph").await;
    assert!(!invitation.text.contains("bob"), "handles do not cross: {}", invitation.text);
    desk.settles().await;
    desk.stop().await;
    lexi.reply(&invitation.at, "Seventy years from the author's death.", &[]).await;
    desk.start().await;
    let answer = bob.sees(&question, "Seventy years").await;
    assert!(answer.text.contains("a librarian"), "{}", answer.text);
    desk.settles().await;
    desk.said_everything_once().await;
}
