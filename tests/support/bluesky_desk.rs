//! A desk at work on a real Bluesky network: the one that `stumper run` starts, with faster polling.
//!
//! **Invariant:** it ends with its test, as a kill ends it where the test did not stop it.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, reason = "it is a part of tests")]

#[path = "life.rs"]
mod life;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use stumper::desk::Settings;
use stumper::engine::Engine;
use stumper::networks::sandbox::{self, Sandbox};
use stumper::networks::{Connector, bluesky, http};

use crate::bluesky_network::{BlueskyNetwork, Person, Posted, eventually};
use life::Life;

/// A desk at work on the network.
pub struct Desk<'n> {
    pub person: Person<'n>,
    /// Where the desk finds its server: the network itself, or something in front of it.
    service: String,
    password: String,
    pub folder: tempfile::TempDir,
    pub sandbox: Option<Arc<Sandbox>>,
    /// Makes the desk's connector to one more network.
    pub beside: Option<Box<dyn Fn() -> Connector>>,
    /// The service of direct messages; nobody, unless a test starts one.
    pub chat: String,
    life: Option<Life>,
}

impl<'n> Desk<'n> {
    pub async fn open(net: &'n BlueskyNetwork) -> Desk<'n> {
        Desk::open_at(net, net.service().to_owned()).await
    }

    pub async fn open_at(net: &'n BlueskyNetwork, service: String) -> Desk<'n> {
        let mut desk = Desk::closed(net, true).await;
        desk.service = service;
        desk.start().await;
        desk
    }

    /// A desk that is not started yet. Its app password has the right to direct messages, or not.
    pub async fn closed(net: &'n BlueskyNetwork, direct_messages: bool) -> Desk<'n> {
        let person = net.account("desk").await;
        let password = person.app_password_with(direct_messages).await;
        let folder = tempfile::tempdir().unwrap();
        let service = net.service().to_owned();
        let chat = "did:web:localhost%3A1#bsky_chat".to_owned();
        Desk { person, service, password, folder, sandbox: None, beside: None, chat, life: None }
    }

    /// The desk's connector by itself.
    pub fn connector(&self) -> bluesky::Connector {
        let password = SecretString::from(self.password.clone());
        let session = self.folder.path().join("session");
        let settings = bluesky::Settings::new(&self.service, &self.person.handle, password, session);
        let settings = settings.with_poll(Duration::from_millis(200)).with_chat_service(&self.chat);
        bluesky::Connector::new(settings, http::client().unwrap())
    }

    /// Starts the desk on what it remembers.
    pub async fn start(&mut self) {
        let connector = self.connector();
        let mut connectors = vec![Arc::new(Connector::Bluesky(connector))];
        if let Some(sandbox) = &self.sandbox {
            connectors.push(Arc::new(Connector::Sandbox(sandbox::Connector::new(sandbox.clone()))));
        }
        connectors.extend(self.beside.iter().map(|connector| Arc::new(connector())));
        // Each story has the same few librarians answer all day.
        let settings = Settings { invitations_per_day: 100, ..Settings::default() };
        self.life = Some(Life::begin(self.folder.path(), settings, connectors).await);
    }

    /// Ends the desk as a kill does: whatever it was doing is not finished.
    pub fn kill(&mut self) {
        if let Some(life) = self.life.take() {
            life.kill();
        }
    }

    /// Ends the desk as people end it.
    pub async fn stop(&mut self) {
        if let Some(life) = self.life.take() {
            life.stop().await;
        }
    }

    pub fn engine(&self) -> &Engine {
        self.life.as_ref().unwrap().engine()
    }

    /// Somebody becomes one of the desk's librarians.
    pub async fn joins(&self, person: &Person<'_>, subjects: &str) {
        person.post(&format!("@{} join {subjects}", self.person), &[&self.person]).await;
        person.hears("Welcome to the desk").await;
    }

    pub async fn asked(&self, person: &Person<'_>, question: &str) -> Posted {
        person.post(&format!("@{} {question}", self.person), &[&self.person]).await
    }

    /// Promise 3: each letter is on the network once.
    pub async fn said_everything_once(&self) {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for text in self.person.texts().await {
            *times.entry(text).or_default() += 1;
        }
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "promise 3: posted more than once: {twice:?}");
    }

    /// Waits until nothing is left to be sent.
    pub async fn settles(&self) {
        eventually("the outbox is empty", || async {
            (self.engine().store().counts().unwrap().unsettled == 0).then_some(())
        })
        .await;
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}
