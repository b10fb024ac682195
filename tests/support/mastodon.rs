//! A stand-in for servers of the Mastodon API, with people on it.
//!
//! ```ignore
//! let server = Server::start(Profile::Mastodon46).await;
//! let (desk, ann) = (server.person("desk"), server.person("ann"));
//! let question = ann.post("@desk who wrote this?", "public", None);
//! ann.sees(&question, "Ask a librarian").await;
//! ```
//!
//! It behaves as such servers were seen to behave, each kind in its own way ([`Profile`]). Faults are
//! decided for each request by a function of the test. People act in this process; the desk comes over
//! HTTP on loopback.
//!
//! **Invariant:** a private post is shown over HTTP to nobody but its author and whom it mentions, except
//! where a real server of the kind does otherwise.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, reason = "it is a part of tests")]

#[path = "mastodon_profile.rs"]
mod profile;
#[path = "mastodon_wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
pub use profile::Profile;
use tokio::sync::broadcast;

/// How often, and how long in all, tests look for what must come. A letter in doubt after several kills waits
/// two minutes before it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS_MAX: usize = 15_000;

/// The server's name in handles.
pub const DOMAIN: &str = "desk.example";

/// How long a key is remembered.
const KEY_TIME: SignedDuration = SignedDuration::from_hours(1);

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It never arrives.
    LostRequest,
    /// It takes effect, and the answer breaks off.
    LostAnswer,
    /// The answer breaks off, and it takes effect after so many seconds.
    Late(i64),
    /// It takes effect, and the answer is a 500.
    ErrorAfter,
    /// It takes effect, and the answer is a page of a proxy with status 200.
    PageAfter,
    /// It takes effect, and the JSON of the answer is cut off.
    Truncated,
    /// 502 with a page of a proxy; nothing is done.
    BadGateway,
    /// 429; nothing is done. With or without saying how long to wait.
    TooMany {
        says: bool,
    },
    /// 503; nothing is done.
    Busy,
    /// A list comes in another order, with its items twice.
    Shuffled,
    /// No answer ever comes; nothing is done.
    Hangs,
}

/// Decides about each request, by its method and path.
pub type Faults = Box<dyn FnMut(&str, &str) -> Fault + Send>;

/// How the stream behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Works,
    /// It opens and says nothing, not even a ping.
    Silent,
    /// It cannot be opened.
    Refused,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub id: String,
    pub username: String,
    pub domain: String,
    pub token: String,
    pub bot: bool,
    /// What the account says of itself, in HTML.
    pub note: String,
}

#[derive(Clone, Debug)]
pub struct Status {
    pub id: String,
    pub number: u64,
    pub author: String,
    pub text: String,
    pub warning: String,
    pub visibility: String,
    pub in_reply_to: Option<String>,
    /// Names of the accounts that it mentions.
    pub mentions: Vec<String>,
    pub language: Option<String>,
    pub created_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub deleted: bool,
}

#[derive(Clone, Debug)]
pub struct Notification {
    pub id: String,
    pub number: u64,
    pub to: String,
    pub status: String,
    pub created_at: Timestamp,
    /// Not listed unless asked for, as strangers' private mentions are.
    pub filtered: bool,
    /// Raw JSON shown in its place, for items that are broken.
    pub raw: Option<serde_json::Value>,
}

/// So many requests of a kind within so long; the windows begin with the clock.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    pub count: u32,
    pub seconds: i64,
}

/// Everything the server knows.
pub struct World {
    pub profile: Profile,
    pub accounts: BTreeMap<String, Account>,
    pub statuses: Vec<Status>,
    pub notifications: Vec<Notification>,
    keys: BTreeMap<(String, String), (String, Timestamp)>,
    /// Requests that arrive late: when, whose, with which key and body.
    late: Vec<(Timestamp, String, Option<String>, serde_json::Value)>,
    /// The time, where the test has its own.
    pub clock: Option<Timestamp>,
    /// How far the server's clock is ahead of the true one.
    pub clock_off: SignedDuration,
    pub faults: Faults,
    /// A repeated key answers 500, as some versions of Mastodon do.
    pub key_repeats_fail: bool,
    /// Whether the desk's token may set the policy, and what it set.
    pub may_set_policy: bool,
    pub policy_accepts: bool,
    pub accepted_requests: usize,
    pub posts_allowed: Option<Allowed>,
    pub requests_allowed: Option<Allowed>,
    /// Under a hashtag it shows also what is not public, as no server should.
    pub tags_leak: bool,
    /// How many more posts with these words are taken and not kept, as with Mastodon's check against spam.
    pub swallows: Option<(&'static str, usize)>,
    used: BTreeMap<(&'static str, i64), u32>,
    /// How many requests went beyond a limit.
    pub beyond_limits: usize,
    pub stream: Stream,
    pub streams_opened: usize,
    pub streaming_address: String,
    pub requests: Vec<String>,
    /// What happened when, to be read after a failure.
    pub log: Vec<String>,
    /// The bodies of everything that was to be posted.
    pub bodies: Vec<serde_json::Value>,
    changes: broadcast::Sender<(String, String)>,
}

/// The running server.
#[derive(Clone)]
pub struct Server {
    pub address: String,
    world: Arc<Mutex<World>>,
}

/// Somebody with an account. Shows as what others type to mention them.
#[derive(Clone)]
pub struct Person {
    server: Server,
    pub name: String,
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Server {
    pub async fn start(profile: Profile) -> Server {
        let world = World {
            profile,
            accounts: BTreeMap::new(),
            statuses: Vec::new(),
            notifications: Vec::new(),
            keys: BTreeMap::new(),
            late: Vec::new(),
            clock: None,
            clock_off: SignedDuration::ZERO,
            faults: Box::new(|_, _| Fault::None),
            key_repeats_fail: false,
            may_set_policy: true,
            policy_accepts: false,
            accepted_requests: 0,
            posts_allowed: None,
            requests_allowed: None,
            tags_leak: false,
            swallows: None,
            used: BTreeMap::new(),
            beyond_limits: 0,
            stream: Stream::Works,
            streams_opened: 0,
            streaming_address: String::new(),
            requests: Vec::new(),
            log: Vec::new(),
            bodies: Vec::new(),
            changes: broadcast::channel(1_000).0,
        };
        wire::serve(Arc::new(Mutex::new(world))).await
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The person with this name, with a new account where there is none. `name@domain` is somebody of
    /// another server.
    pub fn person(&self, name: &str) -> Person {
        let (username, domain) = name.split_once('@').unwrap_or((name, DOMAIN));
        let mut world = self.world();
        let id = (1_000 + world.accounts.len()).to_string();
        world.accounts.entry(name.to_owned()).or_insert_with(|| Account {
            id,
            username: username.to_owned(),
            domain: domain.to_owned(),
            token: format!("token-of-{name}"),
            bot: false,
            note: "<p>reader</p>".to_owned(),
        });
        drop(world);
        Person { server: self.clone(), name: name.to_owned() }
    }

    /// Sets what goes wrong from now on.
    pub fn goes_wrong(&self, faults: impl FnMut(&str, &str) -> Fault + Send + 'static) {
        self.world().faults = Box::new(faults);
    }

    /// Moves the test's own clock, and lets what is late arrive by then.
    pub fn set_clock(&self, now: Timestamp) {
        let mut world = self.world();
        world.clock = Some(now);
        world.let_late_arrive();
    }
}

impl World {
    /// The time by the server's clock.
    pub fn now(&self) -> Timestamp {
        self.true_now().checked_add(self.clock_off).unwrap()
    }

    fn true_now(&self) -> Timestamp {
        self.clock.unwrap_or_else(stumper::clock::now)
    }

    fn let_late_arrive(&mut self) {
        let now = self.true_now();
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now);
        self.late = late;
        let due: Vec<_> = due;
        for (at, author, key, body) in due {
            self.clock = Some(at);
            let _ = wire::take_status(self, &author, key.as_deref(), &body);
        }
        self.clock = Some(now);
    }

    /// Whether a post with this text is taken and not kept.
    fn swallows(&mut self, text: &str) -> bool {
        match &mut self.swallows {
            Some((words, left)) if *left > 0 && text.contains(*words) => {
                *left -= 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Forgets the latest post, and whom it told: only its number is used up.
    fn forget_latest(&mut self) {
        let Some(latest) = self.statuses.last_mut() else { return };
        latest.author.clear();
        latest.deleted = true;
        let id = latest.id.clone();
        self.notifications.retain(|notification| notification.status != id);
    }

    pub fn status(&self, id: &str) -> Option<&Status> {
        self.statuses.iter().find(|status| status.id == id && !status.deleted)
    }

    /// Whether somebody can see a post.
    pub fn can_see(&self, who: &str, status: &Status) -> bool {
        status.author == who
            || matches!(status.visibility.as_str(), "public" | "unlisted")
            || status.mentions.iter().any(|name| name == who)
    }

    /// Adds a post, and notifies whom it mentions.
    pub fn add(&mut self, mut status: Status) -> String {
        status.number = self.statuses.len() as u64 + 1;
        status.id = self.profile.status_id(status.number);
        status.mentions = self.mentions(&status.text);
        let id = status.id.clone();
        let times = if self.profile == Profile::Snac { 2 } else { 1 };
        for name in status.mentions.clone() {
            if name == status.author {
                continue;
            }
            let stranger = status.visibility == "direct" && self.profile.has_policy() && !self.policy_accepts;
            for _ in 0..times {
                let number = self.notifications.len() as u64 + 1;
                self.notifications.push(Notification {
                    id: self.profile.notification_id(number),
                    number,
                    to: name.clone(),
                    status: id.clone(),
                    created_at: self.now(),
                    filtered: stranger && name == "desk",
                    raw: None,
                });
            }
            self.changes.send((name, "notification".to_owned())).ok();
        }
        self.log.push(format!(
            "{} posted {id} below {:?}: {:.60}",
            self.true_now(),
            status.in_reply_to,
            status.text
        ));
        self.statuses.push(status);
        id
    }

    /// The names of known accounts that a text mentions.
    fn mentions(&self, text: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (at, _) in text.match_indices('@') {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|sign| sign.is_alphanumeric() || matches!(sign, '/' | '=')) {
                continue;
            }
            let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.' | '@');
            let after = &text[at + 1..];
            let end = after.find(|sign| !is_name(sign)).unwrap_or(after.len());
            let written = after[..end].trim_end_matches(['.', '@', '-']);
            let name = written.strip_suffix(&format!("@{DOMAIN}")).unwrap_or(written);
            if self.accounts.contains_key(name) && !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
        found
    }
}

impl Person {
    pub fn account(&self) -> Account {
        self.server.world().accounts[&self.name].clone()
    }

    pub fn url(&self) -> String {
        wire::url(&self.account())
    }

    pub fn post(&self, text: &str, visibility: &str, reply_to: Option<&str>) -> String {
        self.post_with(text, visibility, reply_to, "")
    }

    pub fn post_with(&self, text: &str, visibility: &str, reply_to: Option<&str>, warning: &str) -> String {
        let mut world = self.server.world();
        let created_at = world.now();
        world.add(Status {
            id: String::new(),
            number: 0,
            author: self.name.clone(),
            text: text.to_owned(),
            warning: warning.to_owned(),
            visibility: visibility.to_owned(),
            in_reply_to: reply_to.map(str::to_owned),
            mentions: Vec::new(),
            language: Some("en".to_owned()),
            created_at,
            edited_at: None,
            deleted: false,
        })
    }

    /// Replies as apps do: with a mention of whom it replies to, and as visible.
    pub fn reply(&self, to: &str, text: &str) -> String {
        let (author, visibility) = {
            let world = self.server.world();
            let status = world.status(to).unwrap();
            (status.author.clone(), status.visibility.clone())
        };
        self.post(&format!("@{author} {text}"), &visibility, Some(to))
    }

    pub fn edit(&self, id: &str, text: &str) {
        let mut world = self.server.world();
        let now = world.now();
        let status = world.statuses.iter_mut().find(|status| status.id == id).unwrap();
        assert_eq!(status.author, self.name);
        status.text = text.to_owned();
        status.edited_at = Some(now);
        world.changes.send(("desk".to_owned(), format!("update {id}"))).ok();
    }

    pub fn delete(&self, id: &str) {
        let mut world = self.server.world();
        let status = world.statuses.iter_mut().find(|status| status.id == id).unwrap();
        assert_eq!(status.author, self.name);
        status.deleted = true;
        world.changes.send(("desk".to_owned(), format!("delete {id}"))).ok();
    }

    /// The posts that mention this person, the oldest first, each once.
    pub fn heard(&self) -> Vec<Status> {
        let world = self.server.world();
        let mentioned = |status: &&Status| !status.deleted && status.mentions.contains(&self.name);
        world.statuses.iter().filter(mentioned).cloned().collect()
    }

    /// Waits for a post that mentions this person and has these words.
    pub async fn hears(&self, part: &str) -> Status {
        eventually(&format!("{} hears {part:?}", self.name), || async {
            self.heard().into_iter().find(|status| status.text.contains(part))
        })
        .await
    }

    /// Waits for a reply in the thread below a post that this person can see and that has these words.
    pub async fn sees(&self, thread: &str, part: &str) -> Status {
        eventually(&format!("{} sees {part:?}", self.name), || async {
            self.thread(thread).into_iter().find(|status| status.text.contains(part))
        })
        .await
    }

    /// Everything below a post that this person can see.
    pub fn thread(&self, root: &str) -> Vec<Status> {
        let world = self.server.world();
        let mut below = vec![root.to_owned()];
        let mut found = Vec::new();
        for status in &world.statuses {
            if status.in_reply_to.as_ref().is_some_and(|parent| below.contains(parent)) {
                below.push(status.id.clone());
                if !status.deleted && world.can_see(&self.name, status) {
                    found.push(status.clone());
                }
            }
        }
        found
    }

    /// Everything this person has posted and not deleted.
    pub fn posted(&self) -> Vec<Status> {
        let world = self.server.world();
        world
            .statuses
            .iter()
            .filter(|status| status.author == self.name && !status.deleted)
            .cloned()
            .collect()
    }
}

/// Looks again and again until there is something.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("it never came to this: {what}");
}
