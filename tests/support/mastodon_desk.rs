//! A desk at work on the Mastodon stand-in: the one that `stumper run` starts, with faster polling.
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
use stumper::networks::{Connector, http, mastodon as network};

use crate::mastodon::{Person, Profile, Server, eventually};
use life::Life;

/// A desk at work on the network.
pub struct Desk {
    pub server: Server,
    pub person: Person,
    pub folder: tempfile::TempDir,
    pub poll: Duration,
    pub limits: network::Limits,
    pub sandbox: Option<Arc<Sandbox>>,
    /// Hashtags to which the desk listens, again and again without a pause.
    pub hashtags: Vec<String>,
    life: Option<Life>,
}

/// Limits that a desk which looks twenty times a second does not reach.
pub fn generous() -> network::Limits {
    let requests = network::Rate { count: 1_000_000, within: jiff::SignedDuration::from_mins(5) };
    network::Limits { requests, ..network::Limits::default() }
}

impl Desk {
    pub async fn open(profile: Profile) -> Desk {
        Desk::open_on(Server::start(profile).await).await
    }

    pub async fn open_on(server: Server) -> Desk {
        let person = server.person("desk");
        let folder = tempfile::tempdir().unwrap();
        let (poll, limits) = (Duration::from_millis(50), generous());
        let mut desk =
            Desk { server, person, folder, poll, limits, sandbox: None, hashtags: Vec::new(), life: None };
        desk.start().await;
        desk
    }

    /// Starts the desk on what it remembers.
    pub async fn start(&mut self) {
        let mut connectors = vec![Arc::new(Connector::Mastodon(Box::new(self.connector())))];
        if let Some(sandbox) = &self.sandbox {
            connectors.push(Arc::new(Connector::Sandbox(sandbox::Connector::new(sandbox.clone()))));
        }
        let life = Life::begin(self.folder.path(), Settings::default(), connectors).await;
        // A desk answers nothing older than its first look.
        eventually("the desk listens", || async {
            life.engine().store().cursor(stumper::desk::Network::Mastodon).unwrap()
        })
        .await;
        self.life = Some(life);
    }

    fn connector(&self) -> network::Connector {
        let token = SecretString::from(self.person.account().token);
        // The server names a `wss` address that is none; the true one is given.
        let world = self.server.world();
        let streaming = world.profile.streams().then(|| world.streaming_address.clone());
        let settings =
            network::Settings::new(&self.server.address, token).with_poll(self.poll).with_limits(self.limits);
        let settings = settings.with_streaming(streaming).with_hashtags(self.hashtags.clone());
        let settings = settings.with_overhearing_every(jiff::SignedDuration::ZERO);
        network::Connector::new(settings, http::client().unwrap())
    }

    /// Ends the desk as a kill does: whatever it was doing is not finished.
    pub fn kill(&mut self) {
        if let Some(life) = self.life.take() {
            life.kill();
        }
    }

    pub async fn stop(&mut self) {
        if let Some(life) = self.life.take() {
            life.stop().await;
        }
    }

    pub fn engine(&self) -> &Engine {
        self.life.as_ref().unwrap().engine()
    }

    /// Somebody becomes one of the desk's librarians.
    pub async fn joins(&self, person: &Person, subjects: &str) {
        person.post(&format!("@desk join {subjects}"), "unlisted", None);
        person.hears("Welcome to the desk").await;
    }

    pub fn asked(&self, person: &Person, question: &str) -> String {
        person.post(&format!("@desk {question}"), "public", None)
    }

    /// Promise 3: each letter is on the network once.
    pub fn said_everything_once(&self) {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for status in self.person.posted() {
            *times.entry(format!("{:?} {}", status.in_reply_to, status.text)).or_default() += 1;
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

impl Drop for Desk {
    fn drop(&mut self) {
        self.kill();
    }
}
