//! X, by its API of version 2: mentions and direct messages are asked for again and again, answers are
//! posted.
//!
//! X knows no key that makes a repeated request harmless. So the rule is *at most what looking first
//! allows*: after a request that nobody knows the end of, nothing is sent again before the request can no
//! longer arrive and X has had its time to show what it took; then the desk looks among its own posts
//! since the letter was made, for a reply to the same post with the same text; and only where it is not
//! there, it is sent once more. A letter can thus appear twice only if X took the first request and for
//! more than a minute showed nothing of it, and then takes the same text a second time, which it refuses
//! as a duplicate as a rule.
//!
//! **Invariant:** nothing is posted here that is no reply to somebody's post, nobody is mentioned in
//! public, and no call is made that the month's budget does not hold. Nothing of what people or X say
//! reaches a log or an error.

mod api;
mod budget;
mod memory;
mod oauth1;
mod reading;
mod session;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tracing::warn;
use unicode_normalization::UnicodeNormalization;

use crate::clock;
use crate::desk::letter::Refusal;
use crate::desk::{Account, AccountId, Anchor, Content, Network, Place, PostId};
use crate::networks::x::api::{Call, Trouble, Why};
use crate::networks::x::budget::{Budget, Spending};
use crate::networks::x::memory::Memory;
use crate::networks::x::reading::{MESSAGE, Page};
use crate::networks::x::session::Sessions;
use crate::networks::{Batch, Failure, Finding, Outgoing, Report};

pub use budget::{DOLLAR, MicroDollars, Prices};
pub use oauth1::Keys;
pub use session::{App, address_to_allow, log_in};

/// Where X's API is, and the page on which a coordinator allows the desk to act for its account.
pub const SERVICE: &str = "https://api.x.com";
pub const ALLOW_PAGE: &str = "https://x.com/i/oauth2/authorize";

/// How often the desk looks for mentions and for direct messages unless told otherwise. X allows 300
/// and 15 requests in 15 minutes.
pub const POLL: Duration = Duration::from_secs(60);
pub const POLL_MESSAGES: Duration = Duration::from_secs(120);

/// How many posts are asked for at a time: as few and as many as X gives.
const PAGE_MIN: u64 = 5;
const PAGE_MAX: u64 = 100;

/// How many pages of mentions one fetch reads: all that X still gives, 800 posts.
const PAGES_MAX: usize = 8;

/// How many direct messages are asked for at a time, and how many pages.
const MESSAGES_PAGE: u64 = 10;
const MESSAGES_PAGES_MAX: usize = 20;

/// How many pages of the desk's own posts are looked through for a letter.
const LOOK_PAGES_MAX: usize = 5;

/// How far X's clock and this computer's may be apart when a letter is looked for.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_mins(5);

/// From how many seconds on it is said in signatures that this computer's clock is wrong.
const CLOCK_WRONG_S: i64 = 30;

/// How often the coordinator is told that the month's budget for reading is used up.
const SAY_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// How the desk shows that it may act for the account.
#[derive(Clone, Debug)]
pub enum LogIn {
    /// OAuth 1.0a: keys that do not expire.
    Keys(Keys),
    /// OAuth 2.0: tokens that are renewed, begun by `stumper network login x`.
    App(App),
}

/// What X calls the list of a post's fields. Its description says one thing and its examples another;
/// where X refuses the name in use, the other one is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldNames {
    /// `post.fields`
    Post,
    /// `tweet.fields`
    Tweet,
}

/// What the desk must know to use an account.
#[derive(Clone)]
pub struct Settings {
    pub log_in: LogIn,
    /// The address of the API, without a slash at the end.
    pub service: String,
    /// Where the tokens of the log-in are kept, and what was spent.
    pub session_file: PathBuf,
    pub budget_file: PathBuf,
    pub poll: Duration,
    pub poll_messages: Duration,
    pub field_names: FieldNames,
    /// Whether X is asked who the authors of posts are, which costs more than the posts: their handles,
    /// and whether they are automated or protected.
    pub ask_for_authors: bool,
    pub prices: Prices,
}

impl Settings {
    /// The usual settings, with everything kept in `folder`.
    pub fn new(log_in: LogIn, folder: &Path) -> Settings {
        Settings {
            log_in,
            service: SERVICE.to_owned(),
            session_file: folder.join("x-session.json"),
            budget_file: folder.join("x-spent.json"),
            poll: POLL,
            poll_messages: POLL_MESSAGES,
            field_names: FieldNames::Post,
            ask_for_authors: true,
            prices: Prices::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X settings")
    }
}

/// The desk's account on the network. Listening and sending may use it at the same time.
pub struct Connector {
    settings: Settings,
    http: reqwest::Client,
    sessions: Sessions,
    budget: Budget,
    /// Boxed, because a connector is a variant beside much smaller ones.
    memory: Box<Mutex<Memory>>,
    /// Which way of asking X understands: an index into [`Connector::ways`].
    way: AtomicUsize,
    /// How many seconds X's clock is ahead of this computer's, where that matters.
    clock_ahead_s: AtomicI64,
    nonce: (RandomState, AtomicU64),
    /// When the coordinator was last told that there is no money for reading.
    said_at: Mutex<Option<Timestamp>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X connector")
    }
}

/// One way of asking for posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    names: FieldNames,
    expansions: bool,
}

impl Connector {
    /// A connector that has done nothing yet.
    pub fn new(settings: Settings, http: reqwest::Client) -> Connector {
        let budget = Budget::new(settings.prices, settings.budget_file.clone());
        Connector {
            settings,
            http,
            sessions: Sessions::default(),
            budget,
            memory: Box::default(),
            way: AtomicUsize::new(0),
            clock_ahead_s: AtomicI64::new(0),
            nonce: (RandomState::new(), AtomicU64::new(0)),
            said_at: Mutex::new(None),
        }
    }

    /// Takes up the log-in and answers the desk's own account.
    ///
    /// # Errors
    ///
    /// [`Failure::AccountDead`] says what to mend about the account.
    pub async fn connect(&self) -> Result<Account, Failure> {
        // Somebody may have logged in anew since.
        self.sessions.reread().await;
        let price = self.budget.prices().read_user;
        let answer: Value = self
            .paid(price, Spending::Reading, &Call::get("/2/users/me", &[]), |_: &Value| price)
            .await
            .map_err(Trouble::when_reading)?;
        let user = answer.get("data").unwrap_or(&Value::Null);
        let (Some(id), Some(handle)) = (reading::name(user, "id"), reading::name(user, "username")) else {
            return Err(Failure::Transient("the answer is not one of X's API"));
        };
        let account = Account { id: AccountId::new(Network::X, id), handle: handle.to_owned(), bot: true };
        self.memory.lock().await.set_desk(account.clone());
        Ok(account)
    }

    /// The posts and messages that are new since `cursor`. A desk that was never started before answers
    /// nothing that was there before its first fetch.
    pub async fn fetch(&self, cursor: Option<&str>) -> Result<Batch, Failure> {
        let desk = self.desk().await?;
        let mut memory = self.memory.lock().await;
        memory.begin(cursor);
        let fetched = self.fetch_mentions(&desk, &mut memory).await;
        let fetched = match fetched {
            Ok(()) => self.fetch_messages(&desk, &mut memory).await,
            failed => failed,
        };
        match fetched {
            Ok(()) => Ok(memory.hand_out()),
            // What was found already is not to wait for the rest.
            Err(_) if memory.has_posts() => Ok(memory.hand_out()),
            Err(failure) if failure == budget::USED_UP => {
                drop(memory);
                self.say_that_reading_is_over().await;
                Ok(Batch::default())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Returns when it is time to look again: this network rings no bell.
    pub async fn wait(&self) {
        tokio::time::sleep(self.settings.poll).await;
    }

    /// Puts a letter on the network and answers where it is; for a deletion, where it was.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says. Sending the same letter again may make a second post: look first.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => self.delete(post).await,
            Content::Post { text, visibility, .. } if visibility.is_private() => {
                self.send_message(outgoing, text.reveal()).await
            }
            Content::Post { text, .. } => self.reply(outgoing, text.reveal()).await,
        }
    }

    /// Finds out whether a letter is on the network; for a deletion, whether its post is gone.
    pub async fn look(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => self.look_for_deleted(post).await,
            Content::Post { text, visibility, .. } if visibility.is_private() => {
                self.look_for_message(outgoing, text.reveal()).await
            }
            Content::Post { text, .. } => self.look_for_reply(outgoing, text.reveal()).await,
        }
    }

    /// Tries everything the desk needs there, without writing anything.
    pub async fn check(&self) -> Report {
        let mut report = Report { network: Network::X, account: None, findings: Vec::new() };
        let account = match self.connect().await {
            Ok(account) => account,
            Err(failure) => {
                report.findings.push(trouble_found("log-in", &failure));
                report.findings.push(self.money());
                return report;
            }
        };
        report.findings.push(good("log-in", format!("the desk is @{}", account.handle)));
        report.findings.push(match self.page_of_mentions(&account, None, None, PAGE_MIN).await {
            Ok(_) => good("mentions", "they can be read".to_owned()),
            Err(failure) => trouble_found("mentions", &failure),
        });
        report.findings.push(match self.page_of_messages(&account, None, 1).await {
            Ok(_) => good("direct messages", "they can be read".to_owned()),
            Err(failure) => trouble_found("direct messages", &failure),
        });
        report.findings.push(good(
            "what is said there",
            "one reply to each post that calls the desk, no acknowledgement; librarians are asked in direct messages \
             once they have written one"
                .to_owned(),
        ));
        report.findings.push(self.money());
        report.account = Some(account.handle);
        report
    }

    // ---- Reading ----

    async fn fetch_mentions(&self, desk: &Account, memory: &mut Memory) -> Result<(), Failure> {
        let since = memory.mentions_since();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            // To learn where the list begins costs as little as X lets it.
            let count = if since.is_none() { PAGE_MIN } else { PAGE_MAX };
            let page = self.page_of_mentions(desk, since, token.as_deref(), count).await?;
            let next = page.next.clone();
            memory.take_mentions(page);
            // A server that names the same page again has come to its end.
            if since.is_none() || next.is_none() || next == token {
                break;
            }
            token = next;
        }
        memory.mentions_read();
        Ok(())
    }

    async fn fetch_messages(&self, desk: &Account, memory: &mut Memory) -> Result<(), Failure> {
        let now = clock::now();
        if !memory.messages_due(now, self.settings.poll_messages) {
            return Ok(());
        }
        let mut token: Option<String> = None;
        for _ in 0..MESSAGES_PAGES_MAX {
            let page = match self.page_of_messages(desk, token.as_deref(), MESSAGES_PAGE).await {
                Ok(page) => page,
                // Direct messages have a limit of their own; mentions must not wait for it.
                Err(Failure::Later { after }) => {
                    memory.messages_rest(now, after);
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            };
            let next = page.next.clone();
            let is_down = memory.take_messages(page);
            if is_down || next.is_none() || next == token {
                break;
            }
            token = next;
        }
        memory.messages_read(now);
        Ok(())
    }

    /// The ways of asking, the usual one first.
    fn ways(&self) -> [Way; 4] {
        let usual = self.settings.field_names;
        let other = match usual {
            FieldNames::Post => FieldNames::Tweet,
            FieldNames::Tweet => FieldNames::Post,
        };
        let way = |names, expansions| Way { names, expansions };
        [way(usual, true), way(other, true), way(usual, false), way(other, false)]
    }

    async fn page_of_mentions(
        &self,
        desk: &Account,
        since: Option<u64>,
        token: Option<&str>,
        count: u64,
    ) -> Result<Page, Failure> {
        let path = format!("/2/users/{}/mentions", desk.id.id);
        let since = since.map(|since| since.to_string());
        self.page(count, PAGE_MIN, self.budget.prices().read_post, |way, count| {
            let mut query = vec![("max_results", count.to_string())];
            query.extend(since.clone().map(|since| ("since_id", since)));
            query.extend(token.map(|token| ("pagination_token", token.to_owned())));
            let (name, fields, references) = match way.names {
                FieldNames::Post => (
                    "post.fields",
                    "conversation_id,created_at,display_text_range,entities,id,lang,note_post,text",
                    "referenced_posts",
                ),
                FieldNames::Tweet => (
                    "tweet.fields",
                    "author_id,conversation_id,created_at,edit_history_tweet_ids,entities,in_reply_to_user_id,lang,\
                     note_tweet,referenced_tweets",
                    "",
                ),
            };
            query.push((name, fields.to_owned()));
            if way.expansions {
                let authors = if self.settings.ask_for_authors || references != "" { "author_id" } else { "" };
                let both: Vec<&str> = [authors, references].into_iter().filter(|name| !name.is_empty()).collect();
                if !both.is_empty() {
                    query.push(("expansions", both.join(",")));
                }
                if self.settings.ask_for_authors {
                    query.push(("user.fields", "protected,username,verified_type".to_owned()));
                }
            }
            let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Call::get(path.clone(), &query)
        })
        .await
        .map(|answer| self.read(&answer, |answer, now| reading::mentions(answer, desk, now)))
    }

    async fn page_of_messages(
        &self,
        desk: &Account,
        token: Option<&str>,
        count: u64,
    ) -> Result<Page, Failure> {
        self.page(count, 1, self.budget.prices().read_message, |way, count| {
            let mut query =
                vec![("max_results", count.to_string()), ("event_types", "MessageCreate".to_owned())];
            query.extend(token.map(|token| ("pagination_token", token.to_owned())));
            let fields = match way.names {
                FieldNames::Post => "created_at,dm_conversation_id,entities,event_type,id,text",
                FieldNames::Tweet => "created_at,dm_conversation_id,sender_id,text",
            };
            query.push(("dm_event.fields", fields.to_owned()));
            if way.expansions && (self.settings.ask_for_authors || way.names == FieldNames::Post) {
                query.push(("expansions", "sender_id".to_owned()));
                query.push(("user.fields", "protected,username,verified_type".to_owned()));
            }
            let query: Vec<(&str, &str)> =
                query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Call::get("/2/dm_events", &query)
        })
        .await
        .map(|answer| self.read(&answer, |answer, now| reading::messages(answer, desk, now)))
    }

    fn read(&self, answer: &Value, read: impl Fn(&Value, Timestamp) -> Page) -> Page {
        read(answer, self.x_now())
    }

    /// One page, asked for in whatever way X understands, and as long as the budget allows.
    async fn page(
        &self,
        count: u64,
        count_min: u64,
        price: MicroDollars,
        call: impl Fn(Way, u64) -> Call,
    ) -> Result<Value, Failure> {
        let prices = *self.budget.prices();
        // With each post may come its author and the post it refers to.
        let each = (price + prices.read_user + prices.read_post).max(1);
        let affordable = self.budget.left(Spending::Reading, clock::now()) / each;
        if affordable < count_min {
            return Err(budget::USED_UP);
        }
        let count = count.min(affordable);
        let ways = self.ways();
        let first = self.way.load(Ordering::Relaxed);
        let mut last = Trouble::Unreadable;
        for turn in 0..ways.len() {
            let at = (first + turn) % ways.len();
            let Some(way) = ways.get(at) else { break };
            let cost = |answer: &Value| self.cost_of_page(answer, price);
            match self.paid(count.saturating_mul(each), Spending::Reading, &call(*way, count), cost).await {
                Ok(answer) => {
                    self.way.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(Trouble::Refused(no)) if no.why == Why::Malformed => last = Trouble::Refused(no),
                Err(trouble) => return Err(trouble.when_reading()),
            }
        }
        Err(last.when_reading())
    }

    /// What a page cost: what was read today already is free.
    fn cost_of_page(&self, answer: &Value, price: MicroDollars) -> MicroDollars {
        let now = clock::now();
        let prices = self.budget.prices();
        let ids = |pointer: &str| {
            let list =
                answer.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let ids = list.iter().enumerate().map(|(at, item)| {
                reading::name(item, "id").map_or_else(|| format!("{pointer}{at}"), str::to_owned)
            });
            ids.collect::<Vec<_>>()
        };
        let new = |pointer: &str, kind: &str| {
            self.budget.new_today(ids(pointer).into_iter().map(|id| format!("{kind}{id}")), now)
        };
        new("/data", "item ") * price
            + (new("/includes/posts", "item ") + new("/includes/tweets", "item ")) * prices.read_post
            + new("/includes/users", "user ") * prices.read_user
    }

    // ---- Writing ----

    async fn reply(&self, outgoing: &Outgoing, text: &str) -> Result<Place, Failure> {
        // A post that is no reply would go to people who did not call.
        let to = outgoing.reply_to.as_ref().filter(|to| !to.post.id.starts_with(MESSAGE));
        let to = to.ok_or(Failure::Refused(Refusal::Unreachable))?;
        let body = json!({"text": text, "reply": {"in_reply_to_tweet_id": to.post.id}});
        let prices = self.budget.prices();
        let price = if holds_address(text) { prices.post_with_address } else { prices.post };
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

    async fn send_message(&self, outgoing: &Outgoing, text: &str) -> Result<Place, Failure> {
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

    async fn delete(&self, post: &PostId) -> Result<Place, Failure> {
        let (path, place) = own_thing(post)?;
        let price = self.budget.prices().other;
        match self.paid::<Value>(price, Spending::Writing, &Call::delete(path), |_| price).await {
            Ok(_) => Ok(place),
            // Gone already.
            Err(Trouble::Refused(no)) if no.why == Why::Missing => Ok(place),
            Err(trouble) => Err(trouble.when_sending()),
        }
    }

    // ---- Looking ----

    /// The desk's own reply to the same post with the same text, made since the letter was.
    async fn look_for_reply(&self, outgoing: &Outgoing, text: &str) -> Result<Option<Place>, Failure> {
        let Some(to) = outgoing.reply_to.as_ref() else { return Ok(None) };
        let desk = self.desk().await?;
        let since = self.looked_for_since(outgoing.letter.made_at).to_string();
        let wanted = comparable(text, None);
        let mut token: Option<String> = None;
        for _ in 0..LOOK_PAGES_MAX {
            let path = format!("/2/users/{}/tweets", desk.id.id);
            let answer = self
                .page(PAGE_MAX, PAGE_MIN, self.budget.prices().read_post, |way, count| {
                    let count = count.to_string();
                    let (name, fields, expansions) = match way.names {
                        FieldNames::Post => {
                            ("post.fields", "created_at,entities,id,note_post,text", "referenced_posts")
                        }
                        FieldNames::Tweet => {
                            ("tweet.fields", "created_at,entities,note_tweet,referenced_tweets", "")
                        }
                    };
                    let mut query =
                        vec![("max_results", count.as_str()), ("since_id", since.as_str()), (name, fields)];
                    query.extend(token.as_deref().map(|token| ("pagination_token", token)));
                    if way.expansions && !expansions.is_empty() {
                        query.push(("expansions", expansions));
                    }
                    Call::get(path.clone(), &query)
                })
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

    async fn look_for_message(&self, outgoing: &Outgoing, text: &str) -> Result<Option<Place>, Failure> {
        let desk = self.desk().await?;
        let to = &outgoing.letter.to.id.id;
        if !is_number(to) {
            return Ok(None);
        }
        let path = format!("/2/dm_conversations/with/{to}/dm_events");
        let answer = self
            .page(MESSAGES_PAGE * 2, 1, self.budget.prices().read_message, |way, count| {
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
            })
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

    async fn look_for_deleted(&self, post: &PostId) -> Result<Option<Place>, Failure> {
        let (path, place) = own_thing(post)?;
        let price = self.budget.prices().read_post.max(self.budget.prices().read_message);
        match self.paid::<Value>(price, Spending::Writing, &Call::get(path, &[]), |_| price).await {
            Ok(answer) => Ok(answer.get("data").is_none().then_some(place)),
            Err(Trouble::Refused(no)) if no.why == Why::Missing => Ok(Some(place)),
            Err(trouble) => Err(trouble.when_reading()),
        }
    }

    /// The id from which on a letter may be found.
    fn looked_for_since(&self, made_at: Timestamp) -> u64 {
        let ahead = SignedDuration::from_secs(self.clock_ahead_s.load(Ordering::Relaxed));
        let time = made_at.checked_add(ahead).and_then(|time| time.checked_sub(CLOCKS_APART_MAX));
        reading::first_id_at(time.unwrap_or(Timestamp::MIN))
    }

    // ---- Calls ----

    async fn desk(&self) -> Result<Account, Failure> {
        let known = self.memory.lock().await.desk().cloned();
        match known {
            Some(desk) => Ok(desk),
            None => self.connect().await,
        }
    }

    /// Makes a call whose highest possible price is `price`; `cost` says from its answer what it was.
    async fn paid<T: DeserializeOwned>(
        &self,
        price: MicroDollars,
        on: Spending,
        call: &Call,
        cost: impl FnOnce(&T) -> MicroDollars,
    ) -> Result<T, Trouble> {
        let reserved = self.budget.reserve(price, on, clock::now()).map_err(Trouble::NotMade)?;
        let result = self.call::<T>(call).await;
        let cost = match &result {
            Ok(answer) => cost(answer),
            Err(trouble) if trouble.costs_nothing() => 0,
            Err(_) => price,
        };
        self.budget.settle(reserved, cost, clock::now());
        result
    }

    /// Makes a call with the right of the account, and once more where that has to be renewed first.
    async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Trouble> {
        let settings = &self.settings;
        match &settings.log_in {
            LogIn::Keys(keys) => {
                match api::call(&self.http, &settings.service, &self.signed(keys, call), call).await {
                    // A signature holds the time, and X wants it to be right.
                    Err(Trouble::Refused(no)) if no.why == Why::Token && self.corrects_clock(no.date) => {
                        api::call(&self.http, &settings.service, &self.signed(keys, call), call).await
                    }
                    result => result,
                }
            }
            LogIn::App(app) => {
                let file = &settings.session_file;
                let session = self.sessions.current(app, file).await.map_err(Trouble::NotMade)?;
                match api::call(&self.http, &settings.service, &session.authorization(), call).await {
                    Err(Trouble::Refused(no)) if no.why == Why::Token => {
                        let renewed =
                            self.sessions.renewed(&self.http, &settings.service, app, file, &session).await;
                        let session = renewed.map_err(Trouble::NotMade)?;
                        api::call(&self.http, &settings.service, &session.authorization(), call).await
                    }
                    result => result,
                }
            }
        }
    }

    fn signed(&self, keys: &Keys, call: &Call) -> String {
        let count = self.nonce.1.fetch_add(1, Ordering::Relaxed);
        let now = self.x_now();
        let nonce = format!("{:016x}", self.nonce.0.hash_one((count, now.as_nanosecond())));
        let address = format!("{}{}", self.settings.service, call.path);
        oauth1::header(keys, call.method.as_str(), &address, &call.query, &nonce, now.as_second())
    }

    /// The time by X's clock, as far as it is known.
    fn x_now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.clock_ahead_s.load(Ordering::Relaxed));
        clock::now().checked_add(ahead).unwrap_or_else(|_| clock::now())
    }

    /// Notes X's time. Whether it was much different from what was taken for it.
    fn corrects_clock(&self, date: Option<Timestamp>) -> bool {
        let Some(date) = date else { return false };
        let ahead = date.as_second() - clock::now().as_second();
        let before = self.clock_ahead_s.swap(ahead, Ordering::Relaxed);
        CLOCK_WRONG_S < ahead.abs_diff(before).try_into().unwrap_or(i64::MAX)
    }

    fn money(&self) -> Finding {
        let now = clock::now();
        let (spent, monthly) = (self.budget.spent(now), self.settings.prices.monthly);
        let found = format!("{} of {} spent this month", budget::dollars(spent), budget::dollars(monthly));
        if self.budget.left(Spending::Reading, now) < self.budget.prices().read_post * PAGE_MIN {
            let mend = "raise `monthly_dollars` in `[network.budget]`, or wait for the next month";
            return Finding { what: "budget", ok: false, found, mend: Some(mend.to_owned()) };
        }
        good("budget", found)
    }

    async fn say_that_reading_is_over(&self) {
        let now = clock::now();
        let mut said_at = self.said_at.lock().await;
        if said_at.is_some_and(|at| at.duration_until(now) < SAY_AGAIN) {
            return;
        }
        *said_at = Some(now);
        warn!(
            network = "x",
            "Nothing more is read from X this month: nine tenths of the budget are used up, and the rest is kept for \
             answers. Raise `monthly_dollars` in `[network.budget]`, or wait for the next month"
        );
    }
}

fn place_of_reply(id: &str, to: &Place) -> Place {
    let post = Anchor { id: id.to_owned(), revision: None };
    Place { network: Network::X, post, root: to.root.clone() }
}

fn place_of_message(id: &str, conversation: &str) -> Place {
    let at = |id: &str| Anchor { id: format!("{MESSAGE}{id}"), revision: None };
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
    Ok((path, Place::top(Network::X, Anchor { id: post.id.clone(), revision: None })))
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

/// Whether X may see a web address in a text, and charge for it.
fn holds_address(text: &str) -> bool {
    let without = text.split_whitespace().all(|word| {
        let dots = word.trim_matches(|c: char| !c.is_alphanumeric());
        !dots.split('.').zip(dots.split('.').skip(1)).any(|(before, after)| {
            before.ends_with(char::is_alphanumeric)
                && after.chars().take_while(|c| c.is_alphabetic()).count() > 1
        })
    });
    !without
}

fn good(what: &'static str, found: String) -> Finding {
    Finding { what, ok: true, found, mend: None }
}

fn trouble_found(what: &'static str, failure: &Failure) -> Finding {
    let (found, mend) = match failure {
        // Written as what is wrong, a colon, and what to do.
        Failure::AccountDead(why) => match why.split_once(": ") {
            Some((found, mend)) => (found.to_owned(), Some(mend.to_owned())),
            None => ((*why).to_owned(), None),
        },
        Failure::Later { .. } => (failure.to_string(), Some("try again then".to_owned())),
        Failure::Transient(why) | Failure::Unsure(why) => (
            (*why).to_owned(),
            Some("try again later; if it stays so, check the address of the service".to_owned()),
        ),
        Failure::Refused(_) => (failure.to_string(), None),
    };
    Finding { what, ok: false, found, mend }
}
