//! Public posts with a hashtag to which the coordinator has the desk listen, and which are not for it.
//!
//! **Invariant:** what is not public is left out, whatever the server shows under a hashtag, and so is
//! whoever wants nothing of automated accounts. No post is overheard that was there before the first look
//! ever, and none that is older than a day: after a rest the desk does not pour out what nobody waits for.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tracing::debug;

use crate::clock;
use crate::desk::Visibility;
use crate::networks::Overheard;
use crate::networks::mastodon::api::Call;
use crate::networks::mastodon::catch_up::{self, Cursor};
use crate::networks::mastodon::html::{self, Names};
use crate::networks::mastodon::pace::Kind;
use crate::networks::mastodon::status::{self, Me};
use crate::networks::mastodon::{Connector, Known};

/// How often posts with hashtags are read, unless told otherwise.
pub(super) const OVERHEAR_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// How many posts with a hashtag are asked for at a time: the most that servers give.
const PAGE_LIMIT: &str = "40";

/// How many of the fields of a profile are read.
const FIELDS_MAX: usize = 50;

/// The longest HTML of a profile that is read, in bytes.
const NOTE_BYTES_MAX: usize = 100_000;

/// How old a post may be that is passed on.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(24);

impl Connector {
    /// New public posts with one of the hashtags, which are not for the desk, the oldest first. How far they
    /// were read is noted in the cursor.
    pub(super) async fn overhear(&self, known: &Known, cursor: &mut Cursor) -> Vec<Overheard> {
        let now = clock::now();
        cursor.keep_tags(&self.settings.hashtags);
        if self.settings.hashtags.is_empty() || !self.overhearing_is_due(now) {
            return Vec::new();
        }
        let mut found: Vec<Value> = Vec::new();
        for hashtag in &self.settings.hashtags {
            let before = cursor.newest_of(hashtag).map(|id| id.map(str::to_owned));
            let path = format!("/api/v1/timelines/tag/{hashtag}");
            let mut query = vec![("limit", PAGE_LIMIT)];
            query.extend(before.iter().flatten().map(|id| ("since_id", id.as_str())));
            let rows = match self.api.call(Call::get(Kind::Listening, path, &query)).await {
                Ok(Value::Array(rows)) => rows,
                Ok(_) => continue,
                Err(trouble) => {
                    debug!(failure = %trouble.when_reading(), "A hashtag could not be read on Mastodon");
                    continue;
                }
            };
            let ids = rows.iter().filter_map(|row| status::text(row, "id"));
            let newest = ids.chain(before.iter().flatten().map(String::as_str));
            cursor.know_newest_of(hashtag, newest.max_by(|one, other| catch_up::by_age(one, other)));
            let Some(before) = before else { continue };
            // Some servers give older ones too.
            found.extend(rows.into_iter().filter(|row| {
                let is_new = |id| before.as_ref().is_none_or(|before| catch_up::by_age(id, before).is_gt());
                status::text(row, "id").is_some_and(is_new) && is_of_today(row, now)
            }));
        }
        let id = |row: &Value| status::text(row, "id").unwrap_or_default().to_owned();
        found.sort_by(|one, other| catch_up::by_age(&id(one), &id(other)));
        // One post may have two of the hashtags, and some servers list a post twice.
        found.dedup_by(|one, other| id(one) == id(other));
        found.iter().filter_map(|row| overheard(row, &known.me, now)).collect()
    }

    /// Whether it is time to read them again, which is noted.
    fn overhearing_is_due(&self, now: Timestamp) -> bool {
        let mut overheard_at = self.overheard_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = overheard_at.is_none_or(|at| self.settings.overhear_every <= now.duration_since(at));
        if is_due {
            *overheard_at = Some(now);
        }
        is_due
    }
}

/// A post that does not say when it was written counts as new.
fn is_of_today(status: &Value, now: Timestamp) -> bool {
    status::time(status, "created_at").is_none_or(|at| at.duration_until(now) <= AGE_MAX)
}

/// Reads a status that was found by a hashtag; `None` where it is for the desk, or not to be passed on.
fn overheard(status: &Value, me: &Me, now: Timestamp) -> Option<Overheard> {
    let post = status::post(status, me, now)?;
    let names_desk = status::mentioned(status, &me.domain).iter().any(|account| account.id == me.account.id);
    let is_for_desk = post.addressed || names_desk;
    if is_for_desk || post.visibility != Visibility::Public || wants_no_bots(status.get("account")?) {
        return None;
    }
    let address = status::text(status, "url").or_else(|| status::text(status, "uri"))?;
    let is_address = address.starts_with("http") && !address.contains(char::is_whitespace);
    is_address.then(|| Overheard { post, address: address.to_owned() })
}

/// Whether somebody says in their profile that they want nothing of automated accounts. `#nobot` there is
/// a custom, not a part of the API.
fn wants_no_bots(account: &Value) -> bool {
    let fields = account.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let fields = fields.iter().take(FIELDS_MAX).flat_map(|field| [field.get("name"), field.get("value")]);
    let written = fields.chain([account.get("note")]).flatten().filter_map(Value::as_str);
    written.filter(|html| html.len() <= NOTE_BYTES_MAX).any(|html| {
        let text = html::plain(html, &Nobody, false).text.to_lowercase();
        let words = text.split(|sign: char| !sign.is_alphanumeric() && !matches!(sign, '#' | '_'));
        words.into_iter().any(|word| matches!(word, "#nobot" | "#nobots"))
    })
}

/// A profile mentions nobody whose name matters here.
struct Nobody;

impl Names for Nobody {
    fn handle_at(&self, _: &str) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_older_than_a_day_is_left_alone() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (written_at, is_new) in [
            ("2026-11-23T10:00:00.000Z", true),
            ("2026-11-23T09:59:59Z", false),
            ("2026-11-24T11:00:00Z", true),
        ] {
            assert_eq!(is_of_today(&json!({"created_at": written_at}), now), is_new, "{written_at}");
        }
        assert!(is_of_today(&json!({}), now));
    }

    #[test]
    fn a_profile_that_wants_no_bots_is_understood() {
        let tag = "<p>Reader. <a href=\"https://m.example/tags/NoBot\" class=\"mention hashtag\">#<span>NoBot</span></a></p>";
        let rows = [
            (json!({"note": tag}), true),
            (json!({"note": "<p>I read.<br>#nobots!</p>"}), true),
            (json!({"note": "", "fields": [{"name": "Bots", "value": "#nobot, please"}]}), true),
            (json!({"note": "#nobothers #nobot_yet nobot"}), false),
            (json!({"note": null, "fields": "none"}), false),
            (json!({}), false),
        ];
        for (account, wants_none) in rows {
            assert_eq!(wants_no_bots(&account), wants_none, "{account}");
        }
    }
}
