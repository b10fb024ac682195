//! Notifications as the network writes them, read into posts.
//!
//! **Invariant:** each item is read for itself: one that is broken is counted, and hides no other.
//! Unknown fields and unknown kinds are fine; nothing here decides whether a post is new.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::desk::{Account, AccountId, Anchor, Confidential, Network, Place, Post, PostId, Visibility};
use crate::networks::bluesky::record::{POSTS, time_of_tid};
use crate::networks::bluesky::richtext;

/// The longest text that is read. The lexicon allows 3,000 bytes; a server that does not keep to it
/// is no reason to lose a question.
pub(super) const TEXT_BYTES_MAX: usize = 20_000;

/// The longest identifier, address or tag that is read.
const NAME_BYTES_MAX: usize = 1_000;

/// How far the clock of whoever made a record key may be ahead.
const CLOCK_AHEAD_MAX: SignedDuration = SignedDuration::from_mins(10);

/// What `app.bsky.notification.listNotifications` answers.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) cursor: Option<String>,
    notifications: Vec<Value>,
}

/// What `app.bsky.feed.searchPosts` answers.
#[derive(Deserialize)]
pub(super) struct Found {
    posts: Vec<Value>,
}

/// One notification.
pub(super) struct Item {
    /// What makes it the same when it comes again.
    pub(super) key: String,
    /// The time by which the network sorts it: never later than the time the author claims. `None`
    /// where it cannot be read.
    pub(super) indexed_at: Option<Timestamp>,
    /// When it was written by all that is known: the later one of `indexed_at` and the time in its
    /// record key.
    pub(super) written_at: Timestamp,
    pub(super) content: Content,
}

/// What a notification holds for the desk.
#[derive(Debug)]
pub(super) enum Content {
    Post(Box<Post>),
    /// The desk's own post, a reply to somebody else, a like: nothing to read.
    Nothing,
    Unreadable,
}

impl Answer {
    /// The notifications of the page, in its order.
    pub(super) fn items(&self, desk: &Account, now: Timestamp) -> Vec<Item> {
        self.notifications.iter().map(|notification| item(notification, desk, now)).collect()
    }
}

impl Found {
    /// The posts found, read as the notifications that they should have caused.
    pub(super) fn items(&self, desk: &Account, now: Timestamp) -> Vec<Item> {
        self.items_as("mention", desk, now)
    }

    /// The posts found, read as what they are: not for the desk, unless they mention it.
    pub(super) fn strangers(&self, desk: &Account, now: Timestamp) -> Vec<Item> {
        self.items_as("quote", desk, now)
    }

    fn items_as(&self, reason: &str, desk: &Account, now: Timestamp) -> Vec<Item> {
        let notifications = self.posts.iter().map(|post| {
            let mut notification = post.clone();
            if let Some(fields) = notification.as_object_mut() {
                fields.insert("reason".to_owned(), Value::from(reason));
            }
            notification
        });
        notifications.map(|notification| item(&notification, desk, now)).collect()
    }
}

fn item(notification: &Value, desk: &Account, now: Timestamp) -> Item {
    let indexed_at = text(notification, "indexedAt").and_then(|time| time.parse::<Timestamp>().ok());
    let uri = text(notification, "uri");
    let read = indexed_at.and_then(|indexed_at| content(notification, desk, indexed_at));
    let indexed_at = indexed_at.map(|time| time.min(now));
    Item {
        key: uri.map_or_else(|| notification.to_string(), str::to_owned),
        indexed_at,
        written_at: written_at(uri.unwrap_or_default(), indexed_at.unwrap_or(Timestamp::MIN), now),
        content: read.unwrap_or(Content::Unreadable),
    }
}

/// A back-dated post has an old `indexedAt`, but the server or the app that made it named it by the
/// true time. A key from the future says nothing.
fn written_at(uri: &str, indexed_at: Timestamp, now: Timestamp) -> Timestamp {
    let key = uri.rsplit('/').next().unwrap_or_default();
    let named_at = time_of_tid(key).filter(|time| now.duration_until(*time) <= CLOCK_AHEAD_MAX);
    named_at.map_or(indexed_at, |time| indexed_at.max(time.min(now)))
}

/// `None` where something is missing or of the wrong kind.
fn content(notification: &Value, desk: &Account, indexed_at: Timestamp) -> Option<Content> {
    let reason = text(notification, "reason")?;
    if !matches!(reason, "mention" | "reply" | "quote") {
        return Some(Content::Nothing);
    }
    let author = author(notification.get("author")?)?;
    if author.id == desk.id {
        return Some(Content::Nothing);
    }
    let uri = text(notification, "uri")?;
    let cid = text(notification, "cid")?;
    let record = notification.get("record")?;
    if !uri.starts_with(&format!("at://{}/{POSTS}/", author.id.id)) || text(record, "$type")? != POSTS {
        return None;
    }
    let written = record.get("text")?.as_str().filter(|text| text.len() <= TEXT_BYTES_MAX)?;
    let plain = richtext::plain(written, record.get("facets").unwrap_or(&Value::Null), desk);
    let parent = record.pointer("/reply/parent/uri").and_then(Value::as_str);
    let to_desk = parent.is_some_and(|uri| uri.starts_with(&format!("at://{}/", desk.id.id)));
    let addressed = reason == "mention" || plain.mentions_desk;
    // Everybody who writes up to five levels below the desk causes a notification. Only what answers
    // the desk itself is for the desk.
    if reason == "reply" && !to_desk && !addressed {
        return Some(Content::Nothing);
    }
    let post = Anchor { id: uri.to_owned(), revision: Some(cid.to_owned()) };
    Some(Content::Post(Box::new(Post {
        place: Place { network: Network::Bluesky, root: root(record).unwrap_or_else(|| post.clone()), post },
        author,
        text: Confidential::new(plain.text),
        addressed,
        mentions: plain.mentions,
        visibility: Visibility::Public,
        in_reply_to: parent.map(|uri| PostId::new(Network::Bluesky, uri)),
        language: language(record),
        warning: None,
        seen_at: indexed_at,
    })))
}

/// An author or a member of a conversation, as profiles are written.
pub(super) fn author(author: &Value) -> Option<Account> {
    let did = text(author, "did").filter(|did| did.starts_with("did:"))?;
    let handle = text(author, "handle")?;
    let labels = author.get("labels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let bot = labels.iter().any(|label| {
        text(label, "val") == Some("bot") && label.get("neg").and_then(Value::as_bool) != Some(true)
    });
    Some(Account { id: AccountId::new(Network::Bluesky, did), handle: handle.to_owned(), bot })
}

/// Where the thread began; `None` for a post that begins one, or that says it badly.
fn root(record: &Value) -> Option<Anchor> {
    let root = record.pointer("/reply/root")?;
    let uri = text(root, "uri").filter(|uri| uri.starts_with("at://"))?;
    Some(Anchor { id: uri.to_owned(), revision: Some(text(root, "cid")?.to_owned()) })
}

fn language(record: &Value) -> Option<String> {
    let tag = record.get("langs")?.as_array()?.first()?.as_str()?;
    let is_tag =
        (2..=35).contains(&tag.len()) && tag.bytes().all(|sign| sign.is_ascii_alphanumeric() || sign == b'-');
    is_tag.then(|| tag.to_owned())
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-24T10:01:00Z";

    fn desk() -> Account {
        Account { bot: true, ..Account::new(Network::Bluesky, "did:plc:desk", "desk.test") }
    }

    /// A mention as a server sends it, with `change` made to it.
    fn mention(change: impl FnOnce(&mut Value)) -> Value {
        let mut item = json!({
            "uri": "at://did:plc:ann/app.bsky.feed.post/3m6f72qccm22b", "cid": "bafyq",
            "author": {"did": "did:plc:ann", "handle": "ann.example", "labels": [], "viewer": {"muted": false}},
            "reason": "mention", "isRead": false, "indexedAt": "2026-11-24T10:00:00.123Z",
            "record": {"$type": "app.bsky.feed.post", "text": "@desk.test who wrote this?",
                "createdAt": "2026-11-24T09:59:59Z", "langs": ["en"],
                "facets": [{"index": {"byteStart": 0, "byteEnd": 10}, "features": [
                    {"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:desk"}]}]},
        });
        change(&mut item);
        item
    }

    fn read(notification: Value) -> Content {
        item(&notification, &desk(), NOW.parse().unwrap()).content
    }

    fn post(change: impl FnOnce(&mut Value)) -> Post {
        let content = read(mention(change));
        let Content::Post(post) = content else { panic!("no post, but {content:?}") };
        *post
    }

    #[test]
    fn a_mention_is_a_post_for_the_desk() {
        let got = post(|_| {});
        assert_eq!(got.text.reveal(), "who wrote this?");
        assert_eq!((got.author.id.id.as_str(), got.author.handle.as_str()), ("did:plc:ann", "ann.example"));
        assert_eq!(got.place.post.revision.as_deref(), Some("bafyq"));
        assert_eq!(got.place.root, got.place.post);
        assert_eq!(got.language.as_deref(), Some("en"));
        assert_eq!(got.seen_at.to_string(), "2026-11-24T10:00:00.123Z");
        assert!(got.addressed && !got.author.bot && got.mentions.is_empty() && got.in_reply_to.is_none());
    }

    #[test]
    fn a_mention_inside_a_thread_keeps_its_root() {
        let reply = json!({"root": {"uri": "at://did:plc:eve/app.bsky.feed.post/r", "cid": "bafr"},
                           "parent": {"uri": "at://did:plc:eve/app.bsky.feed.post/p", "cid": "bafp"}});
        let got = post(|item| item["record"]["reply"] = reply);
        assert_eq!(got.place.root.id, "at://did:plc:eve/app.bsky.feed.post/r");
        assert_eq!(got.in_reply_to.unwrap().id, "at://did:plc:eve/app.bsky.feed.post/p");
    }

    fn reply(parent: &str, facets: Value) -> Content {
        read(mention(|item| {
            item["reason"] = json!("reply");
            item["record"]["facets"] = facets;
            item["record"]["reply"] =
                json!({"root": {"uri": parent, "cid": "b"}, "parent": {"uri": parent, "cid": "b"}});
        }))
    }

    #[test]
    fn only_replies_to_the_desk_itself_are_for_the_desk() {
        let of_desk = "at://did:plc:desk/app.bsky.feed.post/3m6f72qccm22b";
        let of_eve = "at://did:plc:eve/app.bsky.feed.post/3m6f72qccm22b";
        assert!(matches!(reply(of_desk, json!([])), Content::Post(post) if !post.addressed));
        assert!(matches!(reply(of_eve, json!([])), Content::Nothing));
        assert!(matches!(reply("at://did:plc:desk2/app.bsky.feed.post/a", json!([])), Content::Nothing));
        let facet = mention(|_| {})["record"]["facets"].clone();
        assert!(matches!(reply(of_eve, facet), Content::Post(post) if post.addressed));
    }

    #[test]
    fn bots_say_that_they_are() {
        let labelled = |label: Value| post(|item| item["author"]["labels"] = json!([label])).author.bot;
        assert!(labelled(json!({"src": "did:plc:ann", "val": "bot"})));
        assert!(!labelled(json!({"src": "did:plc:ann", "val": "bot", "neg": true})));
        assert!(!labelled(json!({"src": "did:plc:ann", "val": "robot"})));
        assert!(!labelled(json!("bot")));
    }

    #[test]
    fn what_is_not_for_the_desk_is_nothing() {
        for reason in ["like", "follow", "repost", "subscribed-post", "something-new"] {
            assert!(
                matches!(read(mention(|item| item["reason"] = json!(reason))), Content::Nothing),
                "{reason}"
            );
        }
        let own = mention(|item| item["author"]["did"] = json!("did:plc:desk"));
        assert!(matches!(read(own), Content::Nothing));
    }

    #[test]
    fn a_broken_item_is_unreadable_and_no_more() {
        let check = |name: &str, change: fn(&mut Value)| {
            assert!(matches!(read(mention(change)), Content::Unreadable), "{name}");
        };
        check("no item", |item| *item = json!(7));
        check("empty", |item| *item = json!({}));
        check("no author", |item| item["author"] = json!(null));
        check("an author without a DID", |item| item["author"]["did"] = json!("ann"));
        check("no time", |item| item["indexedAt"] = json!("yesterday"));
        check("a number for a time", |item| item["indexedAt"] = json!(1_764_000_000));
        check("no record", |item| item["record"] = json!([]));
        check("another record", |item| item["record"]["$type"] = json!("app.bsky.feed.like"));
        check("a number for a text", |item| item["record"]["text"] = json!(42));
        check("somebody else's address", |item| item["uri"] = json!("at://did:plc:eve/app.bsky.feed.post/a"));
        check("a text without end", |item| item["record"]["text"] = json!("a".repeat(1_000_000)));
        check("a handle without end", |item| item["author"]["handle"] = json!("a".repeat(1_000_000)));
    }

    #[test]
    fn odd_extras_do_no_harm() {
        let check = |name: &str, change: fn(&mut Value)| {
            assert!(matches!(read(mention(change)), Content::Post(_)), "{name}");
        };
        check("no languages", |item| item["record"]["langs"] = json!(null));
        check("a number for a language", |item| item["record"]["langs"] = json!([7]));
        check("facets of another shape", |item| item["record"]["facets"] = json!({"a": 1}));
        check("a reply of another shape", |item| item["record"]["reply"] = json!("at://x"));
        check("labels of another shape", |item| item["author"]["labels"] = json!("bot"));
        check("a new field", |item| item["mood"] = json!({"happy": true}));
        check("no text", |item| item["record"]["text"] = json!(""));
    }

    #[test]
    fn a_back_dated_post_is_as_old_as_its_key() {
        let check = |name: &str, key: &str, indexed_at: &str, want: &str| {
            let uri = format!("at://did:plc:ann/app.bsky.feed.post/{key}");
            let got = written_at(&uri, indexed_at.parse().unwrap(), NOW.parse().unwrap());
            assert_eq!(got.to_string(), want, "{name}");
        };
        // 3m6f72qccm22b is from 2025-11-24T16:00:00.123456Z.
        check("back-dated", "3m6f72qccm22b", "2020-01-01T00:00:00Z", "2025-11-24T16:00:00.123456Z");
        check("back-filled", "3m6f72qccm22b", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z");
        check("no TID", "hello", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
        check("a key from the future", "4222222222222", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    }
}
