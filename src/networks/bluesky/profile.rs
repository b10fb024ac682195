//! What the desk's account says of itself: that it is automated, and that anybody may write to it.
//!
//! **Invariant:** nothing of the profile is lost: what others wrote into it is read, added to, and put
//! back only where it has not changed meanwhile.

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tracing::{debug, info};

use crate::networks::bluesky::xrpc::{Call, Trouble};
use crate::networks::bluesky::{Connector, Stored};

/// The record that says who may begin a conversation. Without it only whom the account follows may.
const DECLARATION: &str = "chat.bsky.actor.declaration";
/// The record with name and description.
const PROFILE: &str = "app.bsky.actor.profile";
/// The key of records of which an account has one.
const SELF: &str = "self";
/// The label by which apps mark an automated account.
const BOT: &str = "bot";

impl Connector {
    /// Says what the account has not said yet. Where that fails the desk works all the same, and tries
    /// again when it logs in the next time.
    pub(super) async fn introduce(&self) {
        for result in [self.declare_open().await, self.label_as_bot().await] {
            match result {
                Ok(true) => {
                    info!("The account on Bluesky now says that it is automated and may be written to")
                }
                Ok(false) => {}
                Err(trouble) => {
                    debug!(failure = %trouble.when_reading(), "The profile on Bluesky could not be set");
                }
            }
        }
    }

    /// Lets anybody write to the desk in private. Answers whether anything had to be changed.
    async fn declare_open(&self) -> Result<bool, Trouble> {
        let current = self.record_in(DECLARATION, SELF).await?;
        let open = |stored: &Stored| stored.value.get("allowIncoming").and_then(Value::as_str) == Some("all");
        if current.as_ref().is_some_and(open) {
            return Ok(false);
        }
        let record = json!({"$type": DECLARATION, "allowIncoming": "all"});
        self.put(DECLARATION, record, current).await
    }

    /// Marks the account as automated. Answers whether anything had to be changed.
    async fn label_as_bot(&self) -> Result<bool, Trouble> {
        let current = self.record_in(PROFILE, SELF).await?;
        let record =
            current.as_ref().map_or_else(|| json!({"$type": PROFILE}), |stored| stored.value.clone());
        match labelled(record) {
            Some(record) => self.put(PROFILE, record, current).await,
            None => Ok(false),
        }
    }

    async fn put(&self, collection: &str, record: Value, current: Option<Stored>) -> Result<bool, Trouble> {
        let session = self.session().await.map_err(Trouble::NoSession)?;
        let body = json!({
            "repo": session.did, "collection": collection, "rkey": SELF, "record": record,
            // Only over what was read; where nothing was, only if there is still nothing.
            "swapRecord": current.and_then(|stored| stored.cid),
        });
        let call = Call::Procedure { method: "com.atproto.repo.putRecord", body: body.to_string() };
        self.call::<IgnoredAny>(&call).await.map(|_| true)
    }
}

/// A profile with the label of automated accounts; `None` where it has it, or is none.
fn labelled(mut profile: Value) -> Option<Value> {
    let values = profile.pointer("/labels/values").and_then(Value::as_array).cloned().unwrap_or_default();
    if values.iter().any(|label| label.get("val").and_then(Value::as_str) == Some(BOT)) {
        return None;
    }
    let values: Vec<Value> = values.into_iter().chain([json!({"val": BOT})]).collect();
    let labels = json!({"$type": "com.atproto.label.defs#selfLabels", "values": values});
    profile.as_object_mut()?.insert("labels".to_owned(), labels);
    Some(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_added_and_nothing_else_is_changed() {
        let label = |values: Value| json!({"$type": "com.atproto.label.defs#selfLabels", "values": values});
        let rows = [
            (
                json!({"$type": PROFILE}),
                Some(json!({"$type": PROFILE, "labels": label(json!([{"val": "bot"}]))})),
            ),
            (
                json!({"displayName": "Desk", "new": 1, "labels": label(json!([{"val": "!no-unauthenticated"}]))}),
                Some(json!({"displayName": "Desk", "new": 1,
                    "labels": label(json!([{"val": "!no-unauthenticated"}, {"val": "bot"}]))})),
            ),
            (json!({"labels": label(json!([{"val": "bot"}]))}), None),
            (json!("no profile"), None),
        ];
        for (profile, expected) in rows {
            assert_eq!(labelled(profile.clone()), expected, "{profile}");
        }
    }
}
