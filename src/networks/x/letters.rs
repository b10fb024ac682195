//! Putting letters on X, and looking for them there.
//!
//! **Invariant:** nothing is posted that is no reply to somebody's post, and nothing here is sent twice:
//! what is done after a request whose end nobody knows is for the caller to say.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::desk::letter::Refusal;
use crate::desk::{Anchor, Network, Place, PostId, weight};
use crate::networks::x::api::{Call, Trouble, Why};
use crate::networks::x::budget::Spending;
use crate::networks::x::pages::{MESSAGES_PAGE, PAGE_MAX, PAGE_MIN};
use crate::networks::x::reading::{self, MESSAGE};
use crate::networks::x::{Connector, FieldNames};
use crate::networks::{Failure, Outgoing};

/// How many pages of the desk's own posts are looked through for a letter.
const LOOK_PAGES_MAX: usize = 5;

/// How far X's clock and this computer's may be apart when a letter is looked for.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_mins(5);

impl Connector {
    pub(super) async fn reply(&self, outgoing: &Outgoing, text: &str) -> Result<Place, Failure> {
        // A post that is no reply would go to people who did not call.
        let to = outgoing.reply_to.as_ref().filter(|to| !to.post.id.starts_with(MESSAGE));
        let to = to.ok_or(Failure::Refused(Refusal::Unreachable))?;
        let body = json!({"text": text, "reply": {"in_reply_to_tweet_id": to.post.id}});
        let prices = self.budget.prices();
        let price = if weight::holds_address(text) { prices.post_with_address } else { prices.post };
        let call = Call::post("/2/tweets", &body);
        match self.paid::<Value>(price, Spending::Writing, &call, |_| price).await {
            Ok(answer) => {
                let id = answer.pointer("/data/id").and_then(Value::as_str).filter(|id| is_number(id));
                let id = id.ok_or(Failure::Unsure("X does not say where the post is"))?;
                Ok(place_of_reply(id, to))
            }
            // It may be this very letter: then it is there.
            Err(Trouble::Refused(no)) if no.why == Why::Duplicate => {
                match self.look_for_reply(outgoing, text).await {
                    Ok(Some(place)) => Ok(place),
                    Ok(None) => Err(Failure::Refused(Refusal::Rejected)),
                    Err(Failure::Transient(why)) => Err(Failure::Unsure(why)),
                    Err(failure) => Err(failure),
                }
            }
            Err(trouble) => Err(trouble.when_sending()),
        }
    }

    pub(super) async fn send_message(&self, outgoing: &Outgoing, text: &str) -> Result<Place, Failure> {
        let to = &outgoing.letter.to.id.id;
        if outgoing.letter.to.id.network != Network::X || !is_number(to) {
            return Err(Failure::Refused(Refusal::Unreachable));
        }
        let call = Call::post(format!("/2/dm_conversations/with/{to}/messages"), &json!({"text": text}));
        let price = self.budget.prices().message;
        let answer = match self.paid::<Value>(price, Spending::Writing, &call, |_| price).await {
            Ok(answer) => answer,
            // Whoever does not take messages of the desk is out of its reach.
            Err(Trouble::Refused(no)) if no.status == 403 && matches!(no.why, Why::Other | Why::NotThere) => {
                return Err(Failure::Refused(Refusal::Unreachable));
            }
            Err(trouble) => return Err(trouble.when_sending()),
        };
        let data = answer.get("data").unwrap_or(&Value::Null);
        let id = reading::name(data, "dm_event_id").filter(|id| is_number(id));
        let id = id.ok_or(Failure::Unsure("X does not say where the message is"))?;
        let desk = self.desk().await?;
        Ok(place_of_message(id, &conversation(&desk.id.id, to)))
    }

    pub(super) async fn delete(&self, post: &PostId) -> Result<Place, Failure> {
        let (path, place) = own_thing(post)?;
        let price = self.budget.prices().other;
        match self.paid::<Value>(price, Spending::Writing, &Call::delete(path), |_| price).await {
            Ok(_) => Ok(place),
            // Gone already.
            Err(Trouble::Refused(no)) if no.why == Why::Missing => Ok(place),
            Err(trouble) => Err(trouble.when_sending()),
        }
    }

    // Looking is a part of sending, so that it is paid from what is kept for letters as well.

    /// The desk's own reply to the same post with the same text, made since the letter was.
    pub(super) async fn look_for_reply(
        &self,
        outgoing: &Outgoing,
        text: &str,
    ) -> Result<Option<Place>, Failure> {
        let Some(to) = outgoing.reply_to.as_ref() else { return Ok(None) };
        let desk = self.desk().await?;
        let since = self.looked_for_since(outgoing.letter.made_at).to_string();
        let wanted = comparable(text, None);
        let mut token: Option<String> = None;
        for _ in 0..LOOK_PAGES_MAX {
            let path = format!("/2/users/{}/tweets", desk.id.id);
            let answer = self
                .page(
                    Spending::Writing,
                    (PAGE_MAX, PAGE_MIN),
                    self.budget.prices().read_post,
                    |way, count| {
                        let count = count.to_string();
                        let (name, fields, expansions) = match way.names {
                            FieldNames::Post => {
                                ("post.fields", "created_at,entities,id,note_post,text", "referenced_posts")
                            }
                            FieldNames::Tweet => {
                                ("tweet.fields", "created_at,entities,note_tweet,referenced_tweets", "")
                            }
                        };
                        let mut query = vec![
                            ("max_results", count.as_str()),
                            ("since_id", since.as_str()),
                            (name, fields),
                        ];
                        query.extend(token.as_deref().map(|token| ("pagination_token", token)));
                        if way.expansions && !expansions.is_empty() {
                            query.push(("expansions", expansions));
                        }
                        Call::get(path.clone(), &query)
                    },
                )
                .await?;
            let posts = answer.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let found = posts.iter().find(|post| is_reply_to(post, &to.post.id) && says(post, &wanted));
            if let Some(id) = found.and_then(|post| reading::name(post, "id")).filter(|id| is_number(id)) {
                return Ok(Some(place_of_reply(id, to)));
            }
            let next = answer.pointer("/meta/next_token").and_then(Value::as_str).map(str::to_owned);
            if next.is_none() || next == token {
                break;
            }
            token = next;
        }
        Ok(None)
    }

    pub(super) async fn look_for_message(
        &self,
        outgoing: &Outgoing,
        text: &str,
    ) -> Result<Option<Place>, Failure> {
        let desk = self.desk().await?;
        let to = &outgoing.letter.to.id.id;
        if !is_number(to) {
            return Ok(None);
        }
        let path = format!("/2/dm_conversations/with/{to}/dm_events");
        let answer = self
            .page(
                Spending::Writing,
                (MESSAGES_PAGE * 2, 1),
                self.budget.prices().read_message,
                |way, count| {
                    let count = count.to_string();
                    let mut query = vec![("max_results", count.as_str()), ("event_types", "MessageCreate")];
                    match way.names {
                        FieldNames::Post => {
                            query.push(("dm_event.fields", "created_at,dm_conversation_id,entities,id,text"))
                        }
                        FieldNames::Tweet => {
                            query.push(("dm_event.fields", "created_at,dm_conversation_id,sender_id,text"))
                        }
                    }
                    if way.expansions && way.names == FieldNames::Post {
                        query.push(("expansions", "sender_id"));
                    }
                    Call::get(path.clone(), &query)
                },
            )
            .await?;
        let since = self.looked_for_since(outgoing.letter.made_at);
        let wanted = comparable(text, None);
        let messages = answer.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let found = messages.iter().find(|message| {
            let is_new = reading::name(message, "id")
                .and_then(|id| id.parse::<u64>().ok())
                .is_some_and(|id| since <= id);
            let is_own = reading::name(message, "sender_id") == Some(desk.id.id.as_str());
            is_new && is_own && says(message, &wanted)
        });
        let id = found.and_then(|message| reading::name(message, "id"));
        Ok(id.map(|id| place_of_message(id, &conversation(&desk.id.id, to))))
    }

    pub(super) async fn look_for_deleted(&self, post: &PostId) -> Result<Option<Place>, Failure> {
        let (path, place) = own_thing(post)?;
        let price = self.budget.prices().read_post.max(self.budget.prices().read_message);
        match self.paid::<Value>(price, Spending::Writing, &Call::get(path, &[]), |_| price).await {
            Ok(answer) => Ok(answer.get("data").is_none().then_some(place)),
            Err(Trouble::Refused(no)) if no.why == Why::Missing => Ok(Some(place)),
            Err(trouble) => Err(trouble.when_reading()),
        }
    }

    /// The id from which on a letter may be found.
    pub(super) fn looked_for_since(&self, made_at: Timestamp) -> u64 {
        let ahead = self.clock_ahead();
        let time = made_at.checked_add(ahead).and_then(|time| time.checked_sub(CLOCKS_APART_MAX));
        reading::first_id_at(time.unwrap_or(Timestamp::MIN))
    }
}

fn place_of_reply(id: &str, to: &Place) -> Place {
    let post = Anchor::new(id);
    Place { network: Network::X, post, root: to.root.clone() }
}

fn place_of_message(id: &str, conversation: &str) -> Place {
    let at = |id: &str| Anchor::new(format!("{MESSAGE}{id}"));
    Place { network: Network::X, post: at(id), root: at(conversation) }
}

/// The id of the conversation between two: the smaller number first.
fn conversation(one: &str, other: &str) -> String {
    let is_smaller = (one.len(), one) < (other.len(), other);
    if is_smaller { format!("{one}-{other}") } else { format!("{other}-{one}") }
}

/// Where a post or message of the desk's own is found, and its place.
fn own_thing(post: &PostId) -> Result<(String, Place), Failure> {
    let id = post.id.strip_prefix(MESSAGE);
    let is_message = id.is_some();
    let id = id.unwrap_or(&post.id);
    if post.network != Network::X || !is_number(id) {
        return Err(Failure::Refused(Refusal::Rejected));
    }
    let path = if is_message { format!("/2/dm_events/{id}") } else { format!("/2/tweets/{id}") };
    Ok((path, Place::top(Network::X, Anchor::new(post.id.clone()))))
}

fn is_number(id: &str) -> bool {
    (1..=19).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_reply_to(post: &Value, id: &str) -> bool {
    let list =
        post.get("referenced_posts").or_else(|| post.get("referenced_tweets")).and_then(Value::as_array);
    // Where X does not say what it replies to, the text has to do.
    list.is_none_or(|list| {
        list.iter().any(|other| {
            reading::name(other, "type") == Some("replied_to") && reading::name(other, "id") == Some(id)
        })
    })
}

fn says(item: &Value, wanted: &str) -> bool {
    let note = item.get("note_post").or_else(|| item.get("note_tweet"));
    let source = note.filter(|note| note.get("text").is_some_and(Value::is_string)).unwrap_or(item);
    let text = source.get("text").and_then(Value::as_str).unwrap_or_default();
    comparable(&reading::decoded(text), source.get("entities")) == wanted
}

/// A text as it is compared: without what X changes in it.
fn comparable(text: &str, entities: Option<&Value>) -> String {
    let text = reading::with_long_addresses(text, entities);
    let mut words = text.split_whitespace().peekable();
    // The names that X puts in front of a reply.
    while words.next_if(|word| word.starts_with('@')).is_some() {}
    words.collect::<Vec<_>>().join(" ").nfc().collect()
}
