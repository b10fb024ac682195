//! Direct messages, through the network's chat service. The account's own server passes the calls on.
//!
//! A conversation has no replies. So a message counts as a reply to the last thing that the desk said
//! before it in the same conversation, as people mean it; a question's code in the text still names
//! any other one.
//!
//! The service keeps no key of a message. Whether an unclear one arrived is found out by looking through
//! the conversation for the same words, said by the desk since the letter was made. That is the rule by
//! which no message is said twice: it is never repeated before a look found nothing.
//!
//! **Invariant:** a message is sent to a conversation of two only, the desk and whom the letter is for;
//! conversations of more are neither read nor answered.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tracing::{debug, warn};

use crate::clock;
use crate::desk::letter::{Mention, Refusal};
use crate::desk::{Account, Anchor, Confidential, Network, Place, Post, PostId, Visibility};
use crate::networks::bluesky::notifications;
use crate::networks::bluesky::richtext;
use crate::networks::bluesky::xrpc::{Call, Trouble};
use crate::networks::bluesky::{Connector, UNCLEAR_ANSWER};
use crate::networks::{Failure, Finding, Outgoing};

/// The chat service of the network.
pub(super) const SERVICE: &str = "did:web:api.bsky.chat#bsky_chat";

/// All calls of the chat service begin like this.
pub(super) const METHODS: &str = "chat.bsky.";

/// How many pages of the log one fetch reads.
const LOG_PAGES_MAX: usize = 10;

/// How long the chat service is left alone after a failure, in seconds.
const REST_S: i64 = 60;

/// How many messages of a conversation are read at a time, and how many pages of them a look goes back.
const MESSAGES: &str = "100";
const LOOK_PAGES_MAX: usize = 5;

/// How far the clock of the service may be behind that of the desk: the desk's may be an hour wrong. Looking
/// too far back can only find the very same words, said to the same person a little earlier.
const CLOCK_BEHIND_MAX: SignedDuration = SignedDuration::from_hours(2);

/// How the place of a message begins; its conversation and its own name follow.
const PLACE: &str = "chat:";

/// The longest name of a conversation or message, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What was said to the desk since the last look.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) posts: Vec<Post>,
    /// Where reading goes on; `None` where direct messages cannot be read.
    pub(super) cursor: Option<String>,
    pub(super) unreadable: usize,
    pub(super) more: bool,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    logs: Vec<Value>,
}

#[derive(Deserialize)]
struct InConvo {
    convo: Convo,
}

#[derive(Deserialize)]
struct Convo {
    id: String,
    #[serde(default)]
    members: Vec<Value>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    kind: Value,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    messages: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Availability {
    can_chat: bool,
}

#[derive(Deserialize)]
struct Sent {
    id: String,
}

impl Convo {
    /// Whether it is one of two people. Conversations of several are younger than the desk's knowledge
    /// of them, so that two signs are looked for.
    fn is_of_two(&self) -> bool {
        let kind = self.kind.as_str().or_else(|| self.kind.get("$type").and_then(Value::as_str));
        self.members.len() <= 2 && !kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("group"))
    }

    fn member(&self, did: &str) -> Option<Account> {
        let is = |member: &&Value| member.get("did").and_then(Value::as_str) == Some(did);
        self.members.iter().find(is).and_then(notifications::author)
    }
}

impl Connector {
    /// Everything that was said to the desk in private after `cursor`. Without one, nothing: it is a
    /// first start, and only where to go on is found out.
    pub(super) async fn hear(&self, cursor: Option<&str>, desk: &Account) -> Heard {
        let mut heard = Heard { cursor: cursor.map(str::to_owned), ..Heard::default() };
        if clock::now().as_second() < self.chat_rests_until.load(Ordering::Relaxed) {
            return heard;
        }
        for _ in 0..LOG_PAGES_MAX {
            match self.hear_page(&heard, desk).await {
                Ok(Some(page)) => {
                    heard.posts.extend(page.posts);
                    heard.unreadable += page.unreadable;
                    heard.cursor = page.cursor;
                    if !page.more {
                        return heard;
                    }
                }
                Ok(None) => return heard,
                // What was heard before is not to wait for the rest, and public posts not at all.
                Err(trouble) => {
                    self.rest_chat(&trouble);
                    debug!(failure = %trouble.when_reading(), "The direct messages on Bluesky cannot be read");
                    return heard;
                }
            }
        }
        heard.more = true;
        heard
    }

    /// The next page of the log; `None` at its end.
    async fn hear_page(&self, heard: &Heard, desk: &Account) -> Result<Option<Heard>, Trouble> {
        let parameters: Vec<_> = heard.cursor.iter().map(|cursor| ("cursor", cursor.as_str())).collect();
        let call = Call::Query { method: "chat.bsky.convo.getLog", parameters: &parameters };
        let log: Log = self.call(&call).await?;
        let is_first_start = heard.cursor.is_none();
        let at_end = log.cursor.is_none() || log.cursor == heard.cursor;
        let mut page = Heard { cursor: log.cursor.or_else(|| heard.cursor.clone()), ..Heard::default() };
        if is_first_start {
            return Ok(Some(page));
        }
        let mut convos: BTreeMap<String, Option<(Convo, Messages)>> = BTreeMap::new();
        for entry in &log.logs {
            let Some((convo, message)) = message_in(entry) else { continue };
            let Some(sender) = sender_of(message) else {
                page.unreadable += 1;
                continue;
            };
            if sender == desk.id.id {
                continue;
            }
            if !convos.contains_key(convo) {
                convos.insert(convo.to_owned(), self.conversation(convo).await?);
            }
            let Some(Some((talk, said))) = convos.get(convo) else { continue };
            match post(talk, said, message, sender, desk) {
                Some(post) => page.posts.push(post),
                None => page.unreadable += 1,
            }
        }
        page.more = !at_end && !log.logs.is_empty();
        Ok(Some(page))
    }

    /// A conversation of two and its last messages, accepted where it is a request; `None` for any other.
    async fn conversation(&self, id: &str) -> Result<Option<(Convo, Messages)>, Trouble> {
        let parameters = [("convoId", id)];
        let call = Call::Query { method: "chat.bsky.convo.getConvo", parameters: &parameters };
        let InConvo { convo } = match self.call(&call).await {
            Ok(found) => found,
            // Left, locked or gone since.
            Err(Trouble::Refused(no)) if !no.is_about_the_desk() => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        if !convo.is_of_two() {
            return Ok(None);
        }
        if convo.status.as_deref() == Some("request") {
            let body = json!({"convoId": id}).to_string();
            let call = Call::Procedure { method: "chat.bsky.convo.acceptConvo", body };
            match self.call::<IgnoredAny>(&call).await {
                Ok(_) => {}
                Err(Trouble::Refused(no)) if !no.is_about_the_desk() => {}
                Err(trouble) => return Err(trouble),
            }
        }
        let messages = self.messages(id, None).await?;
        Ok(Some((convo, messages)))
    }

    async fn messages(&self, convo: &str, cursor: Option<&str>) -> Result<Messages, Trouble> {
        let mut parameters = vec![("convoId", convo), ("limit", MESSAGES)];
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        self.call(&Call::Query { method: "chat.bsky.convo.getMessages", parameters: &parameters }).await
    }

    /// Says a letter to whom it is for.
    pub(super) async fn say(
        &self,
        outgoing: &Outgoing,
        text: &str,
        mentions: &[Mention],
    ) -> Result<Place, Failure> {
        let to = outgoing.letter.to.id.id.as_str();
        let parameters = [("members", to)];
        let call = Call::Query { method: "chat.bsky.convo.getConvoAvailability", parameters: &parameters };
        let availability: Availability = self.call(&call).await.map_err(|trouble| self.unreached(trouble))?;
        if !availability.can_chat {
            return Err(Failure::Refused(Refusal::NotPrivate));
        }
        let convo = self.convo_with(to).await.map_err(|trouble| self.unreached(trouble))?;
        let facets = richtext::facets(text, mentions).map_err(|_| Failure::Refused(Refusal::Rejected))?;
        let body = json!({"convoId": convo.id, "message": {"text": text, "facets": facets}}).to_string();
        let call = Call::Procedure { method: "chat.bsky.convo.sendMessage", body };
        match self.call::<Sent>(&call).await {
            Ok(sent) => place(&convo.id, &sent.id).ok_or(UNCLEAR_ANSWER),
            Err(Trouble::Refused(no)) if no.is_about_the_other_side() || no.lacks_the_right() => {
                Err(Failure::Refused(Refusal::NotPrivate))
            }
            Err(trouble) => Err(trouble.when_sending()),
        }
    }

    /// Looks for a letter in its conversation.
    pub(super) async fn look_for_message(
        &self,
        outgoing: &Outgoing,
        text: &str,
    ) -> Result<Option<Place>, Failure> {
        let session = self.session().await?;
        let to = outgoing.letter.to.id.id.as_str();
        let convo = self.convo_with(to).await.map_err(|trouble| self.unreached(trouble))?;
        let since = outgoing.letter.made_at.checked_sub(CLOCK_BEHIND_MAX).unwrap_or(Timestamp::MIN);
        let mut cursor = None;
        for _ in 0..LOOK_PAGES_MAX {
            let page = self.messages(&convo.id, cursor.as_deref()).await.map_err(Trouble::when_reading)?;
            for message in &page.messages {
                if sent_at(message).is_some_and(|at| at < since) {
                    return Ok(None);
                }
                let is_it = sender_of(message) == Some(session.did.as_str())
                    && message.get("text").and_then(Value::as_str) == Some(text);
                if let Some(id) = name(message, "id").filter(|_| is_it) {
                    return Ok(place(&convo.id, id));
                }
            }
            if page.cursor.is_none() || page.cursor == cursor || page.messages.is_empty() {
                return Ok(None);
            }
            cursor = page.cursor;
        }
        Ok(None)
    }

    /// Takes a message out of the desk's own side of the conversation. The network lets nobody take it
    /// out of the other side.
    pub(super) async fn forget_message(&self, convo: &str, message: &str) -> Result<Place, Failure> {
        let body = json!({"convoId": convo, "messageId": message}).to_string();
        let call = Call::Procedure { method: "chat.bsky.convo.deleteMessageForSelf", body };
        let gone = place(convo, message).ok_or(Failure::Refused(Refusal::Rejected))?;
        self.call::<IgnoredAny>(&call).await.map(|_| gone).map_err(Trouble::when_sending)
    }

    /// Whether direct messages can be read, which is a matter of the app password.
    pub(super) async fn check_chat(&self) -> Finding {
        let call = Call::Query { method: "chat.bsky.convo.getLog", parameters: &[] };
        match self.call::<IgnoredAny>(&call).await {
            Ok(_) => Finding::good("direct messages", "private questions and answers can be read and sent"),
            Err(Trouble::Refused(no)) if no.lacks_the_right() => Finding {
                what: "direct messages",
                ok: false,
                found: "the app password gives no access to direct messages, so that nothing private \
                        can be carried here"
                    .to_owned(),
                mend: Some(
                    "make another app password and tick \"Allow access to your direct messages\"".to_owned(),
                ),
            },
            Err(trouble) => Finding::trouble("direct messages", &trouble.when_reading()),
        }
    }

    async fn convo_with(&self, did: &str) -> Result<Convo, Trouble> {
        let parameters = [("members", did)];
        let call = Call::Query { method: "chat.bsky.convo.getConvoForMembers", parameters: &parameters };
        self.call::<InConvo>(&call).await.map(|found| found.convo)
    }

    /// What it means that a conversation could not be opened: nothing was said yet.
    fn unreached(&self, trouble: Trouble) -> Failure {
        if let Trouble::Refused(no) = &trouble
            && no.is_about_the_other_side()
        {
            return Failure::Refused(Refusal::NotPrivate);
        }
        self.rest_chat(&trouble);
        if let Trouble::Refused(no) = &trouble
            && no.lacks_the_right()
        {
            return Failure::Refused(Refusal::NotPrivate);
        }
        trouble.when_reading()
    }

    /// Leaves the chat service alone for a while, so that public posts do not wait for it. Where the app
    /// password does not reach it, that is until the next log-in, and is said.
    fn rest_chat(&self, trouble: &Trouble) {
        let lacks_the_right = matches!(trouble, Trouble::Refused(no) if no.lacks_the_right());
        let until = if lacks_the_right { i64::MAX } else { clock::now().as_second() + REST_S };
        let before = self.chat_rests_until.swap(until, Ordering::Relaxed);
        if lacks_the_right && before != until {
            warn!(
                "The app password for Bluesky gives no access to direct messages; nothing private can be \
                 carried there. See `stumper network check bluesky`"
            );
        }
    }
}

/// The conversation and the name of a message that a post of the desk's books stands for.
pub(super) fn message_of(post: &PostId) -> Option<(&str, &str)> {
    post.id.strip_prefix(PLACE)?.split_once('/')
}

/// A message that an entry of the log is about, with its conversation.
fn message_in(entry: &Value) -> Option<(&str, &Value)> {
    let kind = entry.get("$type")?.as_str()?;
    let message = entry.get("message").filter(|_| kind.ends_with("#logCreateMessage"))?;
    Some((name(entry, "convoId")?, message))
}

fn sender_of(message: &Value) -> Option<&str> {
    message.pointer("/sender/did").and_then(Value::as_str).filter(|did| did.starts_with("did:"))
}

fn sent_at(message: &Value) -> Option<Timestamp> {
    message.get("sentAt")?.as_str()?.parse().ok()
}

fn name<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    let fits = |name: &&str| !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('/');
    value.get(field)?.as_str().filter(fits)
}

/// A message as a post; `None` where something is missing or of the wrong kind.
fn post(convo: &Convo, said: &Messages, message: &Value, sender: &str, desk: &Account) -> Option<Post> {
    let id = name(message, "id")?;
    let written = message.get("text")?.as_str().filter(|text| text.len() <= notifications::TEXT_BYTES_MAX)?;
    let plain = richtext::plain(written, message.get("facets").unwrap_or(&Value::Null), desk);
    let at = sent_at(message)?.min(clock::now());
    Some(Post {
        place: place(&convo.id, id)?,
        author: convo.member(sender)?,
        text: Confidential::new(plain.text),
        addressed: true,
        mentions: plain.mentions,
        visibility: Visibility::Direct,
        in_reply_to: answers(said, id, desk).and_then(|own| Some(place(&convo.id, own)?.post_id())),
        language: None,
        warning: None,
        seen_at: at,
    })
}

/// The desk's last message before this one. The list begins with the newest.
fn answers<'m>(said: &'m Messages, id: &str, desk: &Account) -> Option<&'m str> {
    let before = said.messages.iter().skip_while(|message| name(message, "id") != Some(id)).skip(1);
    let mut own = before.filter(|message| sender_of(message) == Some(desk.id.id.as_str()));
    own.next().and_then(|message| name(message, "id"))
}

fn place(convo: &str, message: &str) -> Option<Place> {
    let fits = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('/');
    (fits(convo) && fits(message)).then(|| Place {
        network: Network::Bluesky,
        post: Anchor::new(format!("{PLACE}{convo}/{message}")),
        root: Anchor::new(format!("{PLACE}{convo}")),
    })
}
