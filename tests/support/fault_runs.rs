//! What fault runs have in common, whatever the network: dice, and rounds of reading, deciding and sending.
//!
//! **Invariant:** nothing here waits for real time to pass; the time is the caller's.

#![allow(unreachable_pub, reason = "a module of tests")]
#![allow(clippy::unwrap_used, reason = "it is a part of tests")]

use jiff::{SignedDuration, Timestamp};
use stumper::desk::letter::Delivery;
use stumper::desk::{Content, Input, Post, ReplyTo};
use stumper::engine::{self, Engine};
use stumper::networks::{Connector, Outgoing};

/// Numbers that follow from a seed (SplitMix64).
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Logs in. What is known of the account is in memory, so that a log-in that fails is tried again as a
/// listener does.
pub async fn log_in(engine: &Engine, connector: &Connector) {
    for _ in 0..50 {
        if let Ok(account) = connector.connect().await {
            engine.set_account(account);
            return;
        }
    }
    panic!("the desk could not log in");
}

/// One round: read what is new, decide, send what is due.
pub async fn round(engine: &Engine, connector: &Connector, now: Timestamp) {
    let network = connector.network();
    'pages: for _ in 0..10 {
        let cursor = engine.store().cursor(network).unwrap();
        let Ok(batch) = connector.fetch(cursor.as_deref()).await else { break };
        for post in batch.posts {
            if is_in_doubt(engine, connector, &post) {
                break 'pages;
            }
            engine.handle_at(Input::Post(Box::new(post)), now).await.unwrap();
        }
        if let Some(cursor) = batch.cursor {
            engine.store().set_cursor(network, cursor).await.unwrap();
        }
        if !batch.more {
            break;
        }
    }
    engine::send_due(engine, connector, &|| now).await.unwrap();
}

/// Whether a reply may be to a letter of which nobody knows yet whether it is there. It has to wait then, as
/// it does with the listener.
fn is_in_doubt(engine: &Engine, connector: &Connector, post: &Post) -> bool {
    let (store, network) = (engine.store(), connector.network());
    let known = post.in_reply_to.as_ref().is_none_or(|post| store.link(post).unwrap().is_some());
    let outbox = store.outbox(network, Timestamp::MAX, 1_000).unwrap();
    let unsure = outbox.iter().any(|(_, delivery)| matches!(delivery, Delivery::Unsure { .. }));
    !known && (unsure || !store.in_hand(network).unwrap().is_empty())
}

/// As [`round`], but the desk is ended while a letter is on its way.
pub async fn round_cut_short(engine: &Engine, connector: &Connector, now: Timestamp) {
    let outbox = engine.store().outbox(connector.network(), now, 1).unwrap();
    let Some((letter, waiting @ Delivery::Waiting { tries, .. })) = outbox.into_iter().next() else {
        return;
    };
    // An old letter that was tried before is looked for in the same breath, so that its desk is not ended
    // between looking and sending here.
    let is_old = letter.made_at.duration_until(now) >= SignedDuration::from_mins(50);
    if tries > 0 && is_old {
        return;
    }
    let claimed = Delivery::Claimed { at: now, tries };
    engine.store().deliver(&letter.id, &waiting, claimed).await.unwrap();
    let reply_to = match &letter.content {
        Content::Post { reply_to: Some(ReplyTo::Post(place)), .. } => Some(place.clone()),
        Content::Post { reply_to: Some(ReplyTo::Letter(_)), .. } => return,
        Content::Post { .. } | Content::Delete { .. } => None,
    };
    let _ = connector.send(&Outgoing { letter, reply_to }).await;
}
