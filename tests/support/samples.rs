//! The plainest post, letter and question there can be, for tests and benchmarks to begin with.
//!
//! The library's own tests use this file as those beside it do, and so it names the library from outside.
//!
//! **Invariant:** what a test is about stands in the test; here is only what it would not mention.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]

use jiff::Timestamp;
use stumper::desk::letter::Mention;
use stumper::desk::{
    Account, Anchor, Code, Confidential, Content, InputId, Letter, LetterId, Network, Place, Post, Purpose,
    Question, Visibility,
};

/// Somebody on a network where a handle never changes.
pub fn account(network: Network, name: &str) -> Account {
    Account::new(network, name, name)
}

/// Somebody's public post to the desk, which begins a thread.
pub fn post(author: Account, id: impl Into<String>, text: impl Into<String>, seen_at: Timestamp) -> Post {
    Post {
        place: Place::top(author.id.network, Anchor::new(id)),
        author,
        text: Confidential::new(text),
        addressed: true,
        mentions: Vec::new(),
        visibility: Visibility::Public,
        in_reply_to: None,
        language: None,
        warning: None,
        seen_at,
    }
}

/// What a post of the desk says, in reply to nothing.
pub fn words(text: impl Into<String>, mentions: Vec<Mention>, visibility: Visibility) -> Content {
    Content::Post {
        text: Confidential::new(text),
        mentions,
        visibility,
        reply_to: None,
        language: Some("en".to_owned()),
        warning: None,
    }
}

/// An answer, which follows from an input of this name.
pub fn letter(name: &str, to: Account, content: Content, made_at: Timestamp) -> Letter {
    Letter {
        id: LetterId::derive(&InputId::new("test", name), 0),
        network: to.id.network,
        about: None,
        purpose: Purpose::Answer,
        to,
        words_of: None,
        content,
        made_at,
    }
}

/// A public question for which nobody was asked yet.
pub fn question(code: Code, patron: Account, text: &str, asked_at: Timestamp) -> Question {
    let place = Place::top(patron.id.network, Anchor::new("1"));
    Question::new(code, patron, place, Confidential::new(text), asked_at)
}
