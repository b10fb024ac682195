//! Posting, deleting, and finding again what was posted.
//!
//! **Invariant:** what a server made of a post is looked at: one that became wider than it may be, or that
//! reaches others than it should, is taken back at once and counts as refused.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::Value;

use crate::desk::letter::{Mention, Purpose, Refusal};
use crate::desk::{Account, Anchor, LetterId, Network, Place, PostId, Visibility};
use crate::networks::mastodon::api::{Call, NO_ACCESS, Trouble};
use crate::networks::mastodon::pace::Kind;
use crate::networks::mastodon::server::Family;
use crate::networks::mastodon::status::{self, Me};
use crate::networks::mastodon::write::{self, NotAStatus};
use crate::networks::mastodon::{Connector, Known, catch_up, is_plain_id, own_network};
use crate::networks::{Failure, Outgoing};

/// How many of the desk's own posts are looked through for a letter, a page at a time.
const OWN_PAGES_MAX: usize = 10;

/// How far a server's clock may be off when a letter is looked for.
const CLOCK_OFF_MAX: SignedDuration = SignedDuration::from_hours(2);

const UNCLEAR_ANSWER: Failure = Failure::Unsure("the server does not say where the post is");

impl Connector {
    pub(super) async fn post(&self, outgoing: &Outgoing, mentions: &[Mention]) -> Result<Place, Failure> {
        let known = self.known().await?;
        let mut ids = Vec::new();
        let server = &known.server;
        if server.honours_allowed_mentions() || server.family == Family::Unknown {
            for mention in mentions {
                match self.id_of(&mention.account).await {
                    Ok(id) => ids.push(id),
                    // A server of an unknown kind may need no ids.
                    Err(Failure::Refused(_) | Failure::Transient(_)) if server.family == Family::Unknown => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        let (body, visibility) = write::body(outgoing, &known.server, &ids).map_err(not_sent)?;
        let call = Call {
            kind: Kind::Posting,
            method: Method::POST,
            path: "/api/v1/statuses".to_owned(),
            query: &[],
            body: Some(body),
            key: Some(outgoing.letter.id.as_str()),
        };
        let status = match self.api.call(call).await {
            Ok(status) => status,
            Err(trouble) if trouble.status() == Some(403) => return Err(self.forbidden(trouble).await),
            Err(trouble) => return Err(trouble.when_sending()),
        };
        let id = status::text(&status, "id").ok_or(UNCLEAR_ANSWER)?;
        if let Some(why) = amiss(&status, mentions, visibility, &known.me) {
            // It must not stay where it is. Should this fail, the coordinator sees the refusal.
            self.delete(&PostId::new(Network::Mastodon, id)).await.ok();
            return Err(Failure::Refused(why));
        }
        if self.is_swallowed(&known, outgoing, id).await {
            return Err(self.after_swallowing(&outgoing.letter.id));
        }
        self.swallowed.lock().unwrap_or_else(PoisonError::into_inner).remove(&outgoing.letter.id);
        Ok(place(id, outgoing))
    }

    /// Whether the server shows nothing of what it says it took: Mastodon drops in silence what its check
    /// against spam dislikes. What somebody waits for is worth one look.
    async fn is_swallowed(&self, known: &Known, outgoing: &Outgoing, id: &str) -> bool {
        let is_waited_for = matches!(outgoing.letter.purpose, Purpose::Answer | Purpose::Interview);
        if !is_waited_for || !known.server.may_swallow_posts() || !is_plain_id(id) {
            return false;
        }
        let look = self.api.call(Call::get(Kind::Looking, format!("/api/v1/statuses/{id}"), &[])).await;
        look.is_err_and(|trouble| trouble.is_gone())
    }

    /// A letter that was swallowed is looked for and repeated once, because a server may be slow to show what it
    /// took. Swallowed again, it counts as refused, which the coordinator sees.
    fn after_swallowing(&self, letter: &LetterId) -> Failure {
        let mut swallowed = self.swallowed.lock().unwrap_or_else(PoisonError::into_inner);
        if swallowed.remove(letter) {
            return Failure::Refused(Refusal::Rejected);
        }
        swallowed.insert(letter.clone());
        Failure::Unsure("the server shows nothing of the post it took")
    }

    /// What a 403 means: that this letter is not allowed, or that nothing is.
    async fn forbidden(&self, trouble: Trouble) -> Failure {
        let own = Call::get(Kind::Looking, "/api/v1/accounts/verify_credentials", &[]);
        match self.api.call(own).await {
            Err(own) if matches!(own.status(), Some(401 | 403)) => NO_ACCESS,
            Ok(_) | Err(_) => trouble.when_sending(),
        }
    }

    /// The server's own id of an account.
    async fn id_of(&self, account: &Account) -> Result<String, Failure> {
        let known = self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(&account.id).cloned();
        if let Some(id) = known {
            return Ok(id);
        }
        let query = [("acct", account.handle.as_str())];
        let call = Call::get(Kind::Looking, "/api/v1/accounts/lookup", &query);
        let found = match self.api.call(call).await {
            Ok(found) => found,
            Err(trouble) if trouble.is_gone() => return Err(Failure::Refused(Refusal::Unreachable)),
            Err(trouble) => return Err(trouble.when_reading()),
        };
        // Whoever has the name now must be whom the letter is for.
        let is_same = status::author(&found, "").is_some_and(|found| found.id == account.id);
        let id = status::text(&found, "id").filter(|_| is_same);
        let id = id.ok_or(Failure::Refused(Refusal::Unreachable))?.to_owned();
        self.note_id(Some((account.id.clone(), id.clone())));
        Ok(id)
    }

    pub(super) async fn delete(&self, post: &PostId) -> Result<Place, Failure> {
        own_network(post)?;
        if !is_plain_id(&post.id) {
            return Err(Failure::Refused(Refusal::Rejected));
        }
        let path = format!("/api/v1/statuses/{}", post.id);
        let (kind, method) = (Kind::Deleting, Method::DELETE);
        let call = Call { kind, method, path, query: &[], body: None, key: None };
        match self.api.call(call).await {
            Ok(_) => {}
            Err(trouble) if trouble.is_gone() => {}
            Err(trouble) => return Err(trouble.when_sending()),
        }
        Ok(Place::top(Network::Mastodon, Anchor::new(&post.id)))
    }

    /// Looks through the desk's own posts, back to when the letter was made, and through what replies to
    /// the post that the letter replies to.
    pub(super) async fn look_for(
        &self,
        known: &Known,
        outgoing: &Outgoing,
    ) -> Result<Option<Place>, Failure> {
        let from = outgoing.letter.made_at.checked_sub(CLOCK_OFF_MAX).unwrap_or(Timestamp::MIN);
        let path = format!("/api/v1/accounts/{}/statuses", known.me.id);
        let mut before: Option<String> = None;
        for _ in 0..OWN_PAGES_MAX {
            let mut query = vec![("limit", "40"), ("exclude_reblogs", "true")];
            query.extend(before.as_deref().map(|id| ("max_id", id)));
            let answer = self.api.call(Call::get(Kind::Looking, path.clone(), &query)).await;
            let answer = answer.map_err(Trouble::when_reading)?;
            let page = answer.as_array().ok_or(Failure::Transient("the answer is not a list of posts"))?;
            if let Some(found) = page.iter().find(|status| write::is_letter(status, outgoing, &known.me)) {
                let id = status::text(found, "id").ok_or(Failure::Transient("a post has no id"))?;
                return Ok(Some(place(id, outgoing)));
            }
            let ids = page.iter().filter_map(|status| status::text(status, "id"));
            let oldest = ids.min_by(|a, b| catch_up::by_age(a, b)).map(str::to_owned);
            let is_past =
                page.iter().filter_map(|status| status::time(status, "created_at")).any(|at| at < from);
            if oldest.is_none() || oldest == before || is_past {
                break;
            }
            before = oldest;
        }
        self.look_below(known, outgoing).await
    }

    /// Some servers do not list direct posts with an account's others, but show them in their thread.
    async fn look_below(&self, known: &Known, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        let Ok(Some(parent)) = write::parent(outgoing) else { return Ok(None) };
        if !is_plain_id(parent) {
            return Ok(None);
        }
        let path = format!("/api/v1/statuses/{parent}/context");
        let answer = match self.api.call(Call::get(Kind::Looking, path, &[])).await {
            Ok(answer) => answer,
            Err(trouble) if trouble.is_unknown_call() => return Ok(None),
            Err(trouble) => return Err(trouble.when_reading()),
        };
        let below =
            answer.get("descendants").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let own = |status: &&Value| {
            let author = status.get("account").and_then(|account| status::text(account, "id"));
            author == Some(known.me.id.as_str()) && write::is_letter(status, outgoing, &known.me)
        };
        Ok(below.iter().find(own).and_then(|found| status::text(found, "id")).map(|id| place(id, outgoing)))
    }
}

/// What is wrong with a post as the server took it, if anything is.
fn amiss(status: &Value, mentions: &[Mention], visibility: Visibility, me: &Me) -> Option<Refusal> {
    if visibility < status::visibility(status) {
        return Some(Refusal::NotPrivate);
    }
    if !visibility.is_private() {
        return None;
    }
    let mentioned = status::mentioned(status, &me.domain);
    let is_mentioned = |account: &Account| {
        mentioned
            .iter()
            .any(|found| found.id == account.id || found.handle.eq_ignore_ascii_case(&account.handle))
    };
    // A private post reaches whom it mentions: it must be these, and nobody else.
    if !mentions.iter().all(|mention| is_mentioned(&mention.account)) {
        return Some(Refusal::Unreachable);
    }
    let is_named = |found: &Account| {
        mentions.iter().any(|mention| {
            found.id == mention.account.id || found.handle.eq_ignore_ascii_case(&mention.account.handle)
        })
    };
    // The parts of a long letter follow the first one, and some servers add whom that one mentions.
    let is_more =
        !mentions.is_empty() && !mentioned.iter().all(|found| is_named(found) || found.id == me.account.id);
    is_more.then_some(Refusal::NotPrivate)
}

fn place(id: &str, outgoing: &Outgoing) -> Place {
    let post = Anchor::new(id);
    let root = outgoing.reply_to.as_ref().map_or_else(|| post.clone(), |reply_to| reply_to.root.clone());
    Place { network: Network::Mastodon, post, root }
}

fn not_sent(why: NotAStatus) -> Failure {
    Failure::Refused(match why {
        NotAStatus::Malformed => Refusal::Rejected,
        NotAStatus::NowhereToReply => Refusal::Unreachable,
        NotAStatus::NotPrivate => Refusal::NotPrivate,
    })
}
