//! Letters: outgoing posts, decided but not yet confirmed by their network.
//!
//! **Invariant:** a letter never changes after it was made. Whatever is sent for it, once or again
//! after a crash, is computed from the letter alone, so that a repeat is the same bytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::ids::{Code, LetterId};
use crate::desk::post::{Account, AccountId, Confidential, Network, Place, PostId, Visibility};

/// One outgoing post, or one deletion of an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    pub id: LetterId,
    pub network: Network,
    /// The question it belongs to.
    pub about: Option<Code>,
    pub purpose: Purpose,
    /// The person it is written to.
    pub to: Account,
    /// Whose words it carries, where they are not the desk's own.
    #[serde(default)]
    pub words_of: Option<AccountId>,
    pub content: Content,
    /// When it was decided. Networks that let the author date a post get this time.
    pub made_at: Timestamp,
}

impl Letter {
    /// Whether sending it again can only give what is there. What is deleted stays deleted.
    pub fn repeats_are_harmless(&self) -> bool {
        match &self.content {
            Content::Post { visibility, .. } => self.network.repeats_are_harmless(*visibility),
            Content::Delete { .. } => true,
        }
    }

    /// Whether it is to this account or in its words.
    pub(crate) fn concerns(&self, account: &AccountId) -> bool {
        self.to.id == *account || self.words_of.as_ref() == Some(account)
    }
}

/// What is to be done on the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Content {
    /// Write a post.
    Post {
        /// The final text, within the limits of the network.
        text: Confidential,
        /// Where `text` mentions an account that is to be notified. Any other `@` in it was defused.
        mentions: Vec<Mention>,
        visibility: Visibility,
        reply_to: Option<ReplyTo>,
        /// The language of the text: a BCP 47 tag.
        language: Option<String>,
        /// What is to stand above the text, where the network can hide a text behind a warning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warning: Option<Confidential>,
    },
    /// Delete a post of the desk's own. Deleting one that is gone already is success.
    Delete { post: PostId },
}

/// A mention inside a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mention {
    /// Byte offsets into the text: the `@` and the end of the handle.
    pub start: usize,
    pub end: usize,
    pub account: Account,
}

/// What an outgoing post replies to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyTo {
    /// A post that is on the network.
    Post(Place),
    /// A letter that must be sent before this one: the parts of a long text form such a chain.
    Letter(LetterId),
}

/// What a letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To a patron: the question is heard, and what happens now.
    Acknowledgement,
    /// To a librarian: a question to answer.
    Invitation,
    /// To the patron: what the librarian wants to know.
    Interview,
    /// To the librarian: what the patron replied or added.
    Detail,
    /// To the patron: the answer.
    Answer,
    /// To the librarian: the patron's thanks.
    Thanks,
    /// To the patron: how the question ended without an answer.
    Ending,
    /// Any other word about a question.
    Notice,
    /// A reply to a command, or help.
    Reply,
    /// To everybody: a question that its patron agreed to publish.
    Stumper,
    /// The last word after `stop`; the only one a person gets who stopped the desk.
    Farewell,
    /// Deletion of an earlier post.
    Deletion,
}

impl Purpose {
    /// The word for it in histories and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Acknowledgement => "acknowledgement",
            Purpose::Invitation => "invitation",
            Purpose::Interview => "interview",
            Purpose::Detail => "detail",
            Purpose::Answer => "answer",
            Purpose::Thanks => "thanks",
            Purpose::Ending => "ending",
            Purpose::Notice => "notice",
            Purpose::Reply => "reply",
            Purpose::Stumper => "stumper",
            Purpose::Farewell => "farewell",
            Purpose::Deletion => "deletion",
        }
    }
}

/// Why a network will never take a letter. No free text: what a server says may quote the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The network says that it is not acceptable: too long, malformed, not allowed.
    Rejected,
    /// The post it replies to is gone, or its author does not let the desk see it or reply.
    Unreachable,
    /// The letter before it in its chain was refused.
    ChainBroken,
    /// It was no longer wanted when its turn came: the person said `stop`, the question ended.
    Outdated,
    /// The network cannot carry it as privately as it must be.
    NotPrivate,
    /// An invitation that had to wait until its librarian was off duty or paused. Others are asked.
    OffDuty,
}

impl Refusal {
    /// The word for it in histories and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::Rejected => "rejected",
            Refusal::Unreachable => "unreachable",
            Refusal::ChainBroken => "chain broken",
            Refusal::Outdated => "outdated",
            Refusal::NotPrivate => "not private",
            Refusal::OffDuty => "off duty",
        }
    }
}

/// Where a letter stands in the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Delivery {
    /// To be sent, not before the given time.
    Waiting { not_before: Timestamp, tries: u32 },
    /// A sender has it in hand. Found so after a restart, nobody knows whether it was sent.
    Claimed { at: Timestamp, tries: u32 },
    /// It may be on the network or not: look before repeating, not before the given time.
    Unsure { since: Timestamp, look_at: Timestamp, tries: u32 },
    /// On the network, at this place.
    Sent { place: Place, at: Timestamp },
    /// Not going to be sent; shown to the coordinators.
    Refused { why: Refusal, at: Timestamp },
}

impl Delivery {
    /// Whether nothing more is to be done.
    pub fn is_settled(&self) -> bool {
        match self {
            Delivery::Waiting { .. } | Delivery::Claimed { .. } | Delivery::Unsure { .. } => false,
            Delivery::Sent { .. } | Delivery::Refused { .. } => true,
        }
    }
}
