//! Talking to networks: one contract, one file for each network.
//!
//! **The contract.** A connector
//! - reads posts with [`Connector::fetch`] from a cursor that the caller stores; it may show a post
//!   more than once and never loses one, and one broken item never hides the others;
//! - sends a letter with [`Connector::send`] and says truly what came of it ([`Failure`]); sending
//!   the same letter again is the same bytes with the same key;
//! - finds out with [`Connector::look`] whether a letter whose sending ended unsure is there;
//! - never shows a post to more people than the letter says, and notifies nobody whom the letter
//!   does not mention.
//!
//! **Invariant:** a connector decides nothing about questions, keeps nothing but its session and what
//! it spent, and
//! never writes a text, a handle or a token to a log or an error.

use std::time::Duration;

use jiff::Timestamp;

use serde::Serialize;

use crate::desk::letter::Refusal;
use crate::desk::post::TextLimits;
use crate::desk::{Account, Letter, Network, Place, Post, PostId};

pub mod bluesky;
pub mod facebook;
pub mod http;
mod kept;
pub mod mastodon;
pub mod sandbox;
pub mod x;

/// The longest language tag that is passed on, in bytes.
const LANGUAGE_BYTES_MAX: usize = 35;

/// The desk's account on one network.
#[derive(Debug)]
pub enum Connector {
    Sandbox(sandbox::Connector),
    Bluesky(bluesky::Connector),
    /// Publishes only.
    Facebook(facebook::Connector),
    /// Boxed, because it is much larger than the others.
    X(Box<x::Connector>),
    /// Boxed, because it knows more about its server than the others do.
    Mastodon(Box<mastodon::Connector>),
}

impl Connector {
    pub fn network(&self) -> Network {
        match self {
            Connector::Sandbox(_) => Network::Sandbox,
            Connector::Bluesky(_) => Network::Bluesky,
            Connector::Facebook(_) => Network::Facebook,
            Connector::X(_) => Network::X,
            Connector::Mastodon(_) => Network::Mastodon,
        }
    }

    /// Logs in and says which account the desk is there.
    pub async fn connect(&self) -> Result<Account, Failure> {
        match self {
            Connector::Sandbox(sandbox) => sandbox.connect().await,
            Connector::Bluesky(bluesky) => bluesky.connect().await,
            Connector::Facebook(facebook) => facebook.connect().await,
            Connector::X(x) => x.connect().await,
            Connector::Mastodon(mastodon) => mastodon.connect().await,
        }
    }

    /// The page of posts for the desk after `cursor`; from the beginning where there is none.
    pub async fn fetch(&self, cursor: Option<&str>) -> Result<Batch, Failure> {
        match self {
            Connector::Sandbox(sandbox) => sandbox.fetch(cursor).await,
            Connector::Bluesky(bluesky) => bluesky.fetch(cursor).await,
            Connector::Facebook(facebook) => facebook.fetch(cursor).await,
            Connector::X(x) => x.fetch(cursor).await,
            Connector::Mastodon(mastodon) => mastodon.fetch(cursor).await,
        }
    }

    /// Returns when there may be something new to fetch.
    pub async fn wait(&self) {
        match self {
            Connector::Sandbox(sandbox) => sandbox.wait().await,
            Connector::Bluesky(bluesky) => bluesky.wait().await,
            Connector::Facebook(facebook) => facebook.wait().await,
            Connector::X(x) => x.wait().await,
            Connector::Mastodon(mastodon) => mastodon.wait().await,
        }
    }

    /// Puts a letter on the network and says where it is then.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        match self {
            Connector::Sandbox(sandbox) => sandbox.send(outgoing).await,
            Connector::Bluesky(bluesky) => bluesky.send(outgoing).await,
            Connector::Facebook(facebook) => facebook.send(outgoing).await,
            Connector::X(x) => x.send(outgoing).await,
            Connector::Mastodon(mastodon) => mastodon.send(outgoing).await,
        }
    }

    /// Where a letter is whose sending ended unsure; `None` if it is not there.
    pub async fn look(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        match self {
            Connector::Sandbox(sandbox) => sandbox.look(outgoing).await,
            Connector::Bluesky(bluesky) => bluesky.look(outgoing).await,
            Connector::X(x) => x.look(outgoing).await,
            Connector::Mastodon(mastodon) => mastodon.look(outgoing).await,
            Connector::Facebook(facebook) => facebook.look(outgoing).await,
        }
    }

    /// How long one post may be on the server, where the server says so once the desk is logged in.
    pub fn limits(&self) -> Option<TextLimits> {
        match self {
            Connector::Sandbox(_) | Connector::Bluesky(_) | Connector::X(_) | Connector::Facebook(_) => None,
            Connector::Mastodon(mastodon) => mastodon.limits(),
        }
    }

    /// Whether sending this letter again, soon, can only give the post that is there. `false` means that
    /// it is looked for before it is repeated.
    pub fn repeats_are_harmless(&self, letter: &Letter) -> bool {
        match self {
            Connector::Sandbox(_) | Connector::Bluesky(_) | Connector::X(_) | Connector::Facebook(_) => {
                letter.repeats_are_harmless()
            }
            Connector::Mastodon(mastodon) => mastodon.honours_keys(),
        }
    }

    /// How long this letter has to wait so that the desk stays within the limits of the network.
    pub fn hold(&self, letter: &Letter, now: Timestamp) -> Option<Duration> {
        match self {
            Connector::Sandbox(_) | Connector::Bluesky(_) | Connector::X(_) | Connector::Facebook(_) => None,
            Connector::Mastodon(mastodon) => mastodon.hold(letter, now),
        }
    }

    /// How many letters an hour the network takes in the long run, where it takes no more just now.
    pub fn letters_per_hour(&self, now: Timestamp) -> Option<usize> {
        match self {
            Connector::Sandbox(_) | Connector::Bluesky(_) | Connector::X(_) | Connector::Facebook(_) => None,
            Connector::Mastodon(mastodon) => mastodon.letters_per_hour(now),
        }
    }

    /// Whether [`Connector::revisit`] finds anything out here.
    pub fn can_revisit(&self) -> bool {
        match self {
            Connector::Sandbox(_) | Connector::Bluesky(_) | Connector::X(_) | Connector::Facebook(_) => false,
            Connector::Mastodon(_) => true,
        }
    }

    /// Looks at somebody's post again: it may have been edited or deleted since.
    pub async fn revisit(&self, post: &PostId) -> Result<Now, Failure> {
        match self {
            Connector::Sandbox(_) | Connector::Bluesky(_) | Connector::X(_) | Connector::Facebook(_) => {
                Ok(Now::Unknown)
            }
            Connector::Mastodon(mastodon) => mastodon.revisit(post).await,
        }
    }

    /// Waits until the network tells that posts were edited or deleted, and says which.
    pub async fn altered(&self) -> Vec<PostId> {
        match self {
            Connector::Sandbox(_) | Connector::Bluesky(_) | Connector::X(_) | Connector::Facebook(_) => {
                std::future::pending().await
            }
            Connector::Mastodon(mastodon) => mastodon.altered().await,
        }
    }

    /// Finds out whether everything that the desk needs there is in order.
    pub async fn check(&self) -> Report {
        match self {
            Connector::Sandbox(sandbox) => sandbox.check().await,
            Connector::Bluesky(bluesky) => bluesky.check().await,
            Connector::Facebook(facebook) => facebook.check().await,
            Connector::X(x) => x.check().await,
            Connector::Mastodon(mastodon) => mastodon.check().await,
        }
    }
}

/// What has become of a post.
#[derive(Clone, Debug, PartialEq)]
pub enum Now {
    /// It is there; edited at this time, if it was.
    There { post: Box<Post>, edited_at: Option<Timestamp> },
    /// It was deleted, or its author lets the desk not see it any more.
    Gone,
    /// The network does not tell.
    Unknown,
}

/// One page of incoming posts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Oldest first.
    pub posts: Vec<Post>,
    /// To be stored once all of `posts` have been committed, and given to the next fetch.
    pub cursor: Option<String>,
    /// Whether there is more to fetch right away.
    pub more: bool,
    /// How many items could not be understood and were left out.
    pub unreadable: usize,
    /// Public posts that nobody put to the desk, found by a hashtag.
    pub overheard: Vec<Overheard>,
}

/// A public post that nobody put to the desk.
#[derive(Clone, Debug, PartialEq)]
pub struct Overheard {
    pub post: Post,
    /// The web address at which people read it.
    pub address: String,
}

/// A letter ready for the wire: what it replies to is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    pub letter: Letter,
    /// The place that the letter's `reply_to` names; `None` for a post that starts a thread and for
    /// a deletion.
    pub reply_to: Option<Place>,
}

/// Why a network call did not do what was asked: each variant tells the caller what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing happened, and the network says when to come back (rate limits).
    #[error("the network asks to wait {} s", .after.as_secs())]
    Later { after: Duration },
    /// Nothing happened; try again in a while.
    #[error("the network cannot be reached or is out of order: {0}")]
    Transient(&'static str),
    /// It may have happened: look before repeating. Only sending fails like this.
    #[error("nobody knows whether the network took it: {0}")]
    Unsure(&'static str),
    /// The account cannot be used: stop, and tell the coordinator what to mend.
    #[error("the account cannot be used: {0}")]
    AccountDead(&'static str),
    /// It will never happen.
    #[error("the network refused it: {0:?}")]
    Refused(Refusal),
}

/// What `network check` found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub network: Network,
    /// The desk's account there, once known.
    pub account: Option<String>,
    pub findings: Vec<Finding>,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was checked, such as `log-in`.
    pub what: &'static str,
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do about it, where it is not in order.
    pub mend: Option<String>,
}

impl Finding {
    /// Something that is in order.
    fn good(what: &'static str, found: impl Into<String>) -> Finding {
        Finding { what, ok: true, found: found.into(), mend: None }
    }

    /// What a failed call says to a coordinator.
    fn trouble(what: &'static str, failure: &Failure) -> Finding {
        let (found, mend) = match failure {
            // Written as what is wrong, a colon, and what to do.
            Failure::AccountDead(why) => match why.split_once(": ") {
                Some((found, mend)) => (found.to_owned(), Some(mend.to_owned())),
                None => ((*why).to_owned(), None),
            },
            Failure::Later { .. } => (failure.to_string(), Some("try again then".to_owned())),
            Failure::Transient(why) | Failure::Unsure(why) => {
                ((*why).to_owned(), Some("check the address of the service, and try again later".to_owned()))
            }
            Failure::Refused(_) => (failure.to_string(), None),
        };
        Finding { what, ok: false, found, mend }
    }
}

/// Whether this is a language tag that servers take. The tag of a post is not worth losing the post.
fn is_language_tag(tag: &str) -> bool {
    tag.len() <= LANGUAGE_BYTES_MAX
        && tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|sign| sign.is_ascii_alphanumeric())
        })
        && tag.split('-').next().is_some_and(|first| matches!(first.len(), 2 | 3))
}
