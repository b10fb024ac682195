//! Asking X for pages of posts and messages, in whatever way it understands.
//!
//! **Invariant:** no page is asked for that the budget does not hold, and no page is asked for again
//! within one fetch.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock;
use crate::desk::Account;
use crate::networks::Failure;
use crate::networks::x::api::{Call, Trouble, Why};
use crate::networks::x::budget::{self, MicroDollars, Spending};
use crate::networks::x::memory::Memory;
use crate::networks::x::reading::{self, Page};
use crate::networks::x::{Connector, FieldNames};

/// How many posts are asked for at a time: as few and as many as X gives.
pub(super) const PAGE_MIN: u64 = 5;
pub(super) const PAGE_MAX: u64 = 100;

/// How many pages of mentions one fetch reads: all that X still gives, 800 posts.
const PAGES_MAX: usize = 8;

/// How many direct messages are asked for at a time, and how many pages.
pub(super) const MESSAGES_PAGE: u64 = 10;
const MESSAGES_PAGES_MAX: usize = 20;

/// One way of asking for posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) names: FieldNames,
    pub(super) expansions: bool,
}

impl Connector {
    pub(super) async fn fetch_mentions(&self, desk: &Account, memory: &mut Memory) -> Result<(), Failure> {
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

    pub(super) async fn fetch_messages(&self, desk: &Account, memory: &mut Memory) -> Result<(), Failure> {
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

    /// The ways of asking, the usual one first. Without expansions, only the older names tell who wrote a
    /// post.
    pub(super) fn ways(&self) -> [Way; 4] {
        let usual = self.settings.field_names;
        let other = match usual {
            FieldNames::Post => FieldNames::Tweet,
            FieldNames::Tweet => FieldNames::Post,
        };
        let way = |names, expansions| Way { names, expansions };
        [way(usual, true), way(other, true), way(FieldNames::Tweet, false), way(FieldNames::Post, false)]
    }

    pub(super) async fn page_of_mentions(
        &self,
        desk: &Account,
        since: Option<u64>,
        token: Option<&str>,
        count: u64,
    ) -> Result<Page, Failure> {
        let path = format!("/2/users/{}/mentions", desk.id.id);
        let since = since.map(|since| since.to_string());
        self.page(Spending::Reading, (count, PAGE_MIN), self.budget.prices().read_post, |way, count| {
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
                let authors = if self.settings.ask_for_authors || !references.is_empty() { "author_id" } else { "" };
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

    pub(super) async fn page_of_messages(
        &self,
        desk: &Account,
        token: Option<&str>,
        count: u64,
    ) -> Result<Page, Failure> {
        self.page(Spending::Reading, (count, 1), self.budget.prices().read_message, |way, count| {
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

    pub(super) fn read(&self, answer: &Value, read: impl Fn(&Value, Timestamp) -> Page) -> Page {
        read(answer, self.x_now())
    }

    /// One page, asked for in whatever way X understands, and as long as the budget allows: `counts` says
    /// how many items it is to hold, and at least.
    pub(super) async fn page(
        &self,
        on: Spending,
        counts: (u64, u64),
        price: MicroDollars,
        call: impl Fn(Way, u64) -> Call,
    ) -> Result<Value, Failure> {
        let (count, count_min) = counts;
        let prices = *self.budget.prices();
        // With each post may come its author and the post it refers to.
        let each = (price + prices.read_user + prices.read_post).max(1);
        let affordable = self.budget.left(on, clock::now()) / each;
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
            match self.paid(count.saturating_mul(each), on, &call(*way, count), cost).await {
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
    pub(super) fn cost_of_page(&self, answer: &Value, price: MicroDollars) -> MicroDollars {
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
}
