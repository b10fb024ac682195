//! Looking again at what patrons asked: they may have edited or deleted it since.
//!
//! Some networks tell so; all that can be asked are asked gently, round after round, and once more
//! before an answer goes out ([`look_at`]).
//!
//! **Invariant:** a post counts as gone only by the word of its server, and trouble with the network
//! changes nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, warn};

use crate::desk::{Code, Input, Network, PostId, Question};
use crate::engine::Engine;
use crate::engine::listener::Session;
use crate::engine::run::Stop;
use crate::networks::{Connector, Failure, Now};

/// How often a round is made.
const ROUND_EVERY: Duration = Duration::from_secs(300);

/// How many questions are looked at in one round. The next one goes on behind them.
const ROUND_MAX: usize = 20;

/// How many questions are read at a time.
const PAGE: usize = 200;

/// Looks again and again until the desk stops.
pub(super) async fn watch(
    engine: Arc<Engine>,
    connector: Arc<Connector>,
    mut session: watch::Receiver<Session>,
    mut stop: Stop,
) {
    let mut after = None;
    loop {
        let open = session.wait_for(|session| *session == Session::Open);
        if !matches!(stop.or(open).await, Some(Ok(_))) {
            return;
        }
        let told = async {
            tokio::select! {
                told = connector.altered() => told,
                () = tokio::time::sleep(ROUND_EVERY) => Vec::new(),
            }
        };
        let Some(told) = stop.or(told).await else { return };
        let posts = if told.is_empty() { round(&engine, connector.network(), &mut after) } else { told };
        for post in posts {
            // Most of what a network tells of is nothing to the desk.
            if !matches!(engine.store().link(&post), Ok(Some(_))) {
                continue;
            }
            match stop.or(look_at(&engine, &connector, &post)).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(failure)) => {
                    debug!(%failure, "A question could not be looked at again");
                    break;
                }
            }
        }
    }
}

/// Looks at a post once, and tells the core what has become of it.
pub(super) async fn look_at(engine: &Engine, connector: &Connector, post: &PostId) -> Result<(), Failure> {
    let input = match connector.revisit(post).await? {
        Now::There { post, edited_at: Some(at) } => Input::Edited { post, at },
        Now::There { edited_at: None, .. } | Now::Unknown => return Ok(()),
        Now::Gone => Input::Gone { post: post.clone() },
    };
    if let Err(error) = engine.handle(input).await {
        warn!(%error, "An edit or a deletion has to wait: {error}");
    }
    Ok(())
}

/// The posts of the next open questions on this network.
fn round(engine: &Engine, network: Network, after: &mut Option<Code>) -> Vec<PostId> {
    let mut posts = Vec::new();
    while posts.len() < ROUND_MAX {
        let Ok(page) = engine.store().questions(after.as_ref(), PAGE) else { return posts };
        let Some(last) = page.last() else {
            *after = None;
            return posts;
        };
        let last = last.code.clone();
        for question in page {
            if posts.len() >= ROUND_MAX {
                return posts;
            }
            *after = Some(question.code.clone());
            posts.extend(asked_at(&question, network));
        }
        *after = Some(last);
    }
    posts
}

/// The post that asked an open question, where it is on this network.
pub(super) fn asked_at(question: &Question, network: Network) -> Option<PostId> {
    let is_open = !question.state.is_final() && !question.gone;
    let asked = &question.said.first()?.post;
    (is_open && asked.network == network).then(|| asked.clone())
}
