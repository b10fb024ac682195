//! The desk's way onto the sandbox.
//!
//! **Invariant:** the connector sees only what any account with the desk's handle would see, and
//! posts only as the desk.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock;
use crate::desk::letter::{Content, Letter, Mention, Refusal};
use crate::desk::{self, Account, AccountId, Anchor, Confidential, Network, Place, PostId, Visibility};
use crate::networks::sandbox::handle::{Handle, mentions, without_address};
use crate::networks::sandbox::posts::{Entry, Placed, Post, Posts, Trouble};
use crate::networks::sandbox::{Delivering, Sandbox};
use crate::networks::{Batch, Failure, Finding, Outgoing, Report};

/// How many posts one fetch brings at most.
pub const FETCH_MAX: usize = 50;

/// How many posts, the desk's and strangers' included, one fetch looks through at most.
const LOOK_THROUGH_MAX: usize = 5_000;

/// The desk's account on one sandbox.
#[derive(Debug)]
pub struct Connector {
    sandbox: Arc<Sandbox>,
    /// Tells of new posts. What it told is taken as known at the beginning of each fetch and at no
    /// other time, so that a post made during one is not missed.
    news: Mutex<watch::Receiver<()>>,
}

impl Connector {
    pub fn new(sandbox: Arc<Sandbox>) -> Connector {
        let mut news = sandbox.shared.for_desk.subscribe();
        // Whatever was posted before has not been fetched yet.
        news.mark_changed();
        Connector { sandbox, news: Mutex::new(news) }
    }

    /// The desk's account. There is nothing to log in to.
    pub async fn connect(&self) -> Result<Account, Failure> {
        Ok(Account { bot: true, ..account(self.sandbox.desk()) })
    }

    /// Posts after the cursor that mention the desk, reply to it or were sent to it, oldest first. The
    /// cursor is the id of the last post looked at; one that is not a number begins at the beginning.
    pub async fn fetch(&self, cursor: Option<&str>) -> Result<Batch, Failure> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).mark_unchanged();
        let mut last = cursor.and_then(|cursor| cursor.parse::<u64>().ok());
        let mut batch = Batch::default();
        let posts = self.sandbox.posts();
        for (looked_at, (id, entry)) in posts.after(last.unwrap_or(0)).enumerate() {
            if batch.posts.len() == FETCH_MAX || looked_at == LOOK_THROUGH_MAX {
                batch.more = true;
                break;
            }
            last = Some(id);
            match entry {
                Entry::Post(post) => batch.posts.extend(self.incoming(&posts, post)),
                Entry::Gone(_) => {}
            }
        }
        batch.cursor = last.map(|id| id.to_string());
        Ok(batch)
    }

    /// Returns as soon as somebody posted since the last fetch began.
    pub async fn wait(&self) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if news.changed().await.is_err() {
            // The sandbox is gone, so nothing new will come.
            std::future::pending::<()>().await;
        }
    }

    /// Posts a letter, or deletes an earlier one. The same letter again is the same post.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        match &outgoing.letter.content {
            Content::Post { text, mentions, visibility, language, .. } => {
                let words = Words { text, mentions, visibility: *visibility, language: language.as_deref() };
                self.post(&outgoing.letter, words, outgoing.reply_to.as_ref()).await
            }
            Content::Delete { post } => self.delete(post).await,
        }
    }

    /// Where a letter is, if it is there. For a deletion: where the post was, if it is gone.
    pub async fn look(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        let posts = self.sandbox.posts();
        match &outgoing.letter.content {
            Content::Post { .. } => {
                Ok(posts.with_key(self.sandbox.desk(), outgoing.letter.id.as_str()).map(place))
            }
            Content::Delete { post } => {
                let is_there = post.id.parse::<u64>().is_ok_and(|id| posts.post(id).is_some());
                Ok((!is_there).then(|| top(post)))
            }
        }
    }

    /// The sandbox is in the process, so this tells what it is rather than whether it can be reached.
    pub async fn check(&self) -> Report {
        let finding = |what, found| Finding { what, ok: true, found, mend: None };
        Report {
            network: Network::Sandbox,
            account: Some(self.sandbox.desk().as_str().to_owned()),
            findings: vec![
                finding("log-in", "needs none".to_owned()),
                finding("posts", format!("{} in the file", self.sandbox.posts().len())),
            ],
        }
    }

    async fn post(
        &self,
        letter: &Letter,
        words: Words<'_>,
        reply_to: Option<&Place>,
    ) -> Result<Place, Failure> {
        if !words.fit() {
            return Err(Failure::Refused(Refusal::Rejected));
        }
        let in_reply_to = match reply_to {
            Some(place) => Some(place.post.id.parse().map_err(|_| Failure::Refused(Refusal::Unreachable))?),
            None => None,
        };
        let to = match words.visibility {
            Visibility::Direct | Visibility::Followers => {
                BTreeSet::from([known_handle(&letter.to).ok_or(Failure::Refused(Refusal::Rejected))?])
            }
            Visibility::Unlisted | Visibility::Public => {
                words.mentions.iter().filter_map(|mention| known_handle(&mention.account)).collect()
            }
        };
        // There are no followers here, so what is for followers goes to the addressee alone.
        let visibility = if words.visibility.is_private() { Visibility::Direct } else { words.visibility };
        let delivering = Delivering {
            text: words.text.clone(),
            visibility,
            to,
            in_reply_to,
            language: words.language.map(str::to_owned),
            purpose: letter.purpose,
            key: letter.id.as_str().to_owned(),
        };
        self.sandbox.deliver(delivering, clock::now()).await.map(place).map_err(failure)
    }

    async fn delete(&self, post: &PostId) -> Result<Place, Failure> {
        if let Ok(id) = post.id.parse() {
            self.sandbox.delete(self.sandbox.desk(), id).await.map_err(failure)?;
        }
        Ok(top(post))
    }

    /// The post as the desk reads it, if it is for the desk.
    fn incoming(&self, posts: &Posts, post: &Post) -> Option<desk::Post> {
        let desk = self.sandbox.desk();
        if !posts.is_for(desk, post) {
            return None;
        }
        let text = post.text.reveal();
        let mentioned: BTreeSet<Handle> = mentions(text).into_iter().map(|mention| mention.handle).collect();
        let written_to_directly = post.visibility.is_private() && !posts.is_reply_to(post, desk);
        Some(desk::Post {
            place: place(post.placed()),
            author: account(&post.author),
            text: Confidential::new(without_address(text, desk)),
            addressed: mentioned.contains(desk) || written_to_directly,
            mentions: mentioned.iter().filter(|handle| *handle != desk).map(account).collect(),
            visibility: post.visibility,
            in_reply_to: post.in_reply_to.map(|id| PostId::new(Network::Sandbox, id.to_string())),
            language: post.language.clone(),
            warning: None,
            seen_at: post.created_at,
        })
    }
}

/// What a letter says.
struct Words<'a> {
    text: &'a Confidential,
    mentions: &'a [Mention],
    visibility: Visibility,
    language: Option<&'a str>,
}

impl Words<'_> {
    /// Whether the text is within the limits of the network.
    fn fit(&self) -> bool {
        use unicode_segmentation::UnicodeSegmentation;
        let text = self.text.reveal();
        let limits = Network::Sandbox.limits(self.visibility);
        text.len() <= limits.bytes_max && text.graphemes(true).count() <= limits.graphemes_max
    }
}

fn account(handle: &Handle) -> Account {
    Account {
        id: AccountId::new(Network::Sandbox, handle.as_str()),
        handle: handle.as_str().to_owned(),
        bot: handle.is_bot(),
    }
}

/// The handle of an account of this network.
fn known_handle(account: &Account) -> Option<Handle> {
    match account.id.network {
        Network::Sandbox => Handle::parse(&account.id.id),
        Network::Bluesky | Network::Mastodon | Network::X | Network::Facebook => None,
    }
}

fn place(placed: Placed) -> Place {
    let anchor = |id: u64| Anchor::new(id.to_string());
    Place { network: Network::Sandbox, post: anchor(placed.id), root: anchor(placed.root) }
}

fn top(post: &PostId) -> Place {
    Place::top(Network::Sandbox, Anchor::new(post.id.clone()))
}

fn failure(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Empty
        | Trouble::TooLong
        | Trouble::KeyTooLong
        | Trouble::NobodyAddressed
        | Trouble::DeskHandle
        | Trouble::NotYours => Failure::Refused(Refusal::Rejected),
        Trouble::NoSuchPost => Failure::Refused(Refusal::Unreachable),
        Trouble::WiderThanParent => Failure::Refused(Refusal::NotPrivate),
        Trouble::Full => Failure::AccountDead("the sandbox is full"),
        Trouble::Busy => Failure::Transient("the sandbox has too much to do"),
        Trouble::Disk => Failure::Unsure("the sandbox's file could not be written"),
        Trouble::Closed => Failure::Transient("the sandbox is closed"),
    }
}
