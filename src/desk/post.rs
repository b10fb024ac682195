//! The words of the social web, as all networks share them: account, post, visibility, thread.
//!
//! **Invariant:** nothing here knows how a particular network writes these things down; a
//! connector turns its wire format into a [`Post`] before the desk sees it. `Debug` of anything
//! that belongs to a person never prints it, so that a log line cannot leak it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::outbox::Mentioned;
use crate::desk::weight;

/// A network the desk can work on. A closed family: a new network is one variant and one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The built-in network in the browser, for trying the desk and for tests.
    Sandbox,
    /// Bluesky, or any other service that speaks the AT Protocol.
    Bluesky,
    /// X, by its API of version 2.
    X,
    /// Mastodon, or any other server that speaks its API.
    Mastodon,
    /// A Facebook Page. Only for publishing: nobody is heard or written to there.
    Facebook,
}

impl Network {
    /// Every network, in the order in which they are shown.
    pub const ALL: [Network; 5] =
        [Network::Sandbox, Network::Bluesky, Network::Mastodon, Network::X, Network::Facebook];

    /// The name used in configuration, on the command line and in stored keys.
    pub fn name(self) -> &'static str {
        match self {
            Network::Sandbox => "sandbox",
            Network::Bluesky => "bluesky",
            Network::X => "x",
            Network::Mastodon => "mastodon",
            Network::Facebook => "facebook",
        }
    }

    /// The network with this name, if there is one.
    pub fn named(name: &str) -> Option<Network> {
        Network::ALL.into_iter().find(|network| network.name() == name)
    }

    /// How visible a copy of a post may be there: at most as visible as the post, and no more than
    /// needed. `None` where the network has nothing narrow enough, so that no copy may be made.
    ///
    /// On Bluesky and X every post is public. What was not goes there as a direct message.
    pub fn copy_visibility(self, original: Visibility) -> Option<Visibility> {
        match (self, original) {
            (Network::Sandbox | Network::Mastodon, Visibility::Direct | Visibility::Followers) => {
                Some(Visibility::Direct)
            }
            (Network::Sandbox | Network::Mastodon, Visibility::Unlisted | Visibility::Public) => {
                Some(Visibility::Unlisted)
            }
            (Network::Bluesky | Network::X, Visibility::Public) => Some(Visibility::Public),
            (
                Network::Bluesky | Network::X,
                Visibility::Direct | Visibility::Followers | Visibility::Unlisted,
            ) => Some(Visibility::Direct),
            (Network::Facebook, Visibility::Public) => Some(Visibility::Public),
            (Network::Facebook, Visibility::Direct | Visibility::Followers | Visibility::Unlisted) => None,
        }
    }

    /// Whether the desk may post there without being called, and hears what people reply.
    pub fn has_timeline(self) -> bool {
        match self {
            Network::Sandbox | Network::Bluesky | Network::Mastodon => true,
            Network::X | Network::Facebook => false,
        }
    }

    /// Whether sending the same letter again can only give the post that is there: by a key on the
    /// sandbox, by a record key derived from the letter on Bluesky. A direct message of Bluesky has no
    /// key, X knows none at all, and servers of the Mastodon API differ, and forget a key within the hour.
    pub fn repeats_are_harmless(self, visibility: Visibility) -> bool {
        match self {
            Network::Sandbox => true,
            Network::Bluesky => visibility != Visibility::Direct,
            Network::Mastodon | Network::X => false,
            // The Graph API knows no key.
            Network::Facebook => false,
        }
    }

    /// Whether a post can be hidden behind a warning there, so that people choose to see it.
    pub fn has_warnings(self) -> bool {
        match self {
            Network::Mastodon => true,
            Network::Sandbox | Network::Bluesky | Network::X | Network::Facebook => false,
        }
    }

    /// In which parts of a long letter its addressee is mentioned. On Mastodon, a private post reaches whom
    /// it mentions itself, whatever thread it is in. A direct message of Bluesky lies in a conversation of
    /// two, where a mention would be odd; on X, too, a reply tells whom it replies to.
    pub fn mentioned(self, visibility: Visibility) -> Mentioned {
        match self {
            Network::Mastodon if visibility.is_private() => Mentioned::InEach,
            Network::Bluesky if visibility == Visibility::Direct => Mentioned::Nowhere,
            Network::X | Network::Facebook => Mentioned::Nowhere,
            Network::Mastodon | Network::Sandbox | Network::Bluesky => Mentioned::InFirst,
        }
    }

    /// How long one post of this visibility may be there.
    pub fn limits(self, visibility: Visibility) -> TextLimits {
        let limits = |graphemes_max, bytes_max, link_graphemes_min| TextLimits {
            graphemes_max,
            bytes_max,
            link_graphemes_min,
        };
        match (self, visibility) {
            (Network::Sandbox, _) => limits(500, 5_000, 0),
            // The lexicon `chat.bsky.convo.defs#messageInput`: maxGraphemes 1000, maxLength 10000.
            (Network::Bluesky, Visibility::Direct) => limits(1_000, 10_000, 0),
            // The lexicon `app.bsky.feed.post`: maxGraphemes 300, maxLength 3000.
            (Network::Bluesky, _) => limits(300, 3_000, 0),
            // What Mastodon ships with. A server that is connected says itself what it takes.
            (Network::Mastodon, _) => limits(500, 20_000, 23),
            // Of a direct message: 10,000 characters. A public post is weighed, see `Network::weight_max`.
            // A post of a Page may have 63,206 characters; the desk stays well below.
            (Network::Facebook, _) => limits(5_000, 50_000, 0),
            (Network::X, _) => limits(10_000, 10_000, 0),
        }
    }

    /// The heaviest text of a post of this visibility, where the network weighs texts
    /// ([`weight`]) and lets the desk write only one post. `None` where a long text
    /// becomes several posts.
    pub fn weight_max(self, visibility: Visibility) -> Option<usize> {
        match self {
            Network::Sandbox | Network::Bluesky | Network::Mastodon | Network::Facebook => None,
            Network::X => (!visibility.is_private()).then_some(weight::X.weight_max),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The largest text one post of a network can hold. Both limits hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLimits {
    /// In extended grapheme clusters: what a reader counts as characters.
    pub graphemes_max: usize,
    /// In bytes of UTF-8.
    pub bytes_max: usize,
    /// As how many graphemes a link counts at least, where servers count each link alike. Longer links
    /// are counted as they are, which is never too little.
    pub link_graphemes_min: usize,
}

/// Who can see a post. Ordered from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Only the people the post is addressed to.
    Direct,
    /// The author's followers.
    Followers,
    /// Everybody who has the address, but in no timeline.
    Unlisted,
    /// Everybody.
    Public,
}

impl Visibility {
    /// Whether a post of this visibility must be handled as a confidence between two people.
    pub fn is_private(self) -> bool {
        self <= Visibility::Followers
    }
}

/// Text that belongs to a person. Stored as it is, but never printed by `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidential(String);

impl Confidential {
    /// Wraps a text so that it cannot slip into a log line.
    pub fn new(text: impl Into<String>) -> Confidential {
        Confidential(text.into())
    }

    /// The text itself. Each call is a place to look at when confidentiality is reviewed.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// The lasting identity of an account: what stays when a person changes their handle.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId {
    pub network: Network,
    /// A DID on Bluesky, the address of the profile on Mastodon, the handle on the sandbox.
    pub id: String,
}

impl AccountId {
    pub fn new(network: Network, id: impl Into<String>) -> AccountId {
        AccountId { network, id: id.into() }
    }

    /// A sign for this account that does not name it: for lists that outlive what they came from.
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(format!("account {}", self.key()));
        digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The form used as a key: `network:id`.
    pub fn key(&self) -> String {
        format!("{}:{}", self.network, self.id)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[account]", self.network)
    }
}

/// An account as seen in a post.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    /// The name people type after `@`, without the `@`.
    pub handle: String,
    /// Whether the network or the account itself says that it is automated.
    #[serde(default)]
    pub bot: bool,
}

impl Account {
    /// An account of which nothing says that it is automated.
    pub fn new(network: Network, id: impl Into<String>, handle: impl Into<String>) -> Account {
        Account { id: AccountId::new(network, id), handle: handle.into(), bot: false }
    }

    /// Stands for somebody who wanted to be forgotten. No network has such an account.
    pub fn nobody(network: Network) -> Account {
        Account::new(network, "", "")
    }

    /// Whether this is [`Account::nobody`].
    pub fn is_nobody(&self) -> bool {
        self.id.id.is_empty()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.id)
    }
}

/// One post on one network.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PostId {
    pub network: Network,
    /// What the network calls it: an `at://` address on Bluesky, what the desk's own server calls it on
    /// Mastodon, a number on the sandbox.
    pub id: String,
}

impl PostId {
    pub fn new(network: Network, id: impl Into<String>) -> PostId {
        PostId { network, id: id.into() }
    }

    /// The form used as a key: `network:id`.
    pub fn key(&self) -> String {
        format!("{}:{}", self.network, self.id)
    }
}

// An `at://` address holds its author's DID, so the id of a post names a person as well.
impl fmt::Debug for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[post]", self.network)
    }
}

/// A post as a network wants it named when something is attached to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub id: String,
    /// The content hash (`cid`) that the AT Protocol asks for; `None` elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Anchor {
    /// A post on a network that knows no revisions.
    pub fn new(id: impl Into<String>) -> Anchor {
        Anchor { id: id.into(), revision: None }
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[post]")
    }
}

/// Where a reply to a post attaches: to the post itself, in the thread that began at `root`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub network: Network,
    pub post: Anchor,
    pub root: Anchor,
}

impl Place {
    /// The place of a post that starts its own thread.
    pub fn top(network: Network, post: Anchor) -> Place {
        Place { network, root: post.clone(), post }
    }

    /// The post itself.
    pub fn post_id(&self) -> PostId {
        PostId::new(self.network, self.post.id.clone())
    }
}

/// One incoming post, cut out of its network's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The post itself, and where a reply to it attaches.
    pub place: Place,
    pub author: Account,
    /// Plain text. The desk's own mention is removed, shortened links are written out, HTML is gone.
    pub text: Confidential,
    /// What the author wrote above the text to warn of it (a content warning).
    #[serde(default)]
    pub warning: Option<Confidential>,
    /// Whether the author named the desk in the text or wrote to it directly. `false` for a plain
    /// reply below one of the desk's posts.
    pub addressed: bool,
    /// Everybody else the text mentions; the desk is not among them.
    pub mentions: Vec<Account>,
    pub visibility: Visibility,
    /// The post this one replies to.
    pub in_reply_to: Option<PostId>,
    /// The language the author or their client declared: a BCP 47 tag such as `en`.
    pub language: Option<String>,
    /// When the network saw it. An author's own clock is not trusted.
    pub seen_at: Timestamp,
}

impl Post {
    pub fn id(&self) -> PostId {
        self.place.post_id()
    }
}
