//! Mastodon, and any other server that speaks its API: GoToSocial, Mitra, Akkoma, Pleroma, snac.
//!
//! The desk reads its notifications from where it left off, woken by the server's stream where there is
//! one. It posts with a key that makes a repeat the same post, where the server knows such keys, and
//! looks for its post before repeating where it does not.
//!
//! **Invariant:** a visibility is always said, and what a server made of a post is looked at: one that
//! became wider than it may be, or that reaches nobody, is taken back. Nothing of what people or servers
//! say reaches a log or an error.

mod api;
mod catch_up;
mod check;
mod hashtags;
mod html;
mod pace;
mod sending;
mod server;
mod status;
mod stream;
mod write;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tracing::{debug, info, warn};

use crate::clock;
use crate::desk::letter::Refusal;
use crate::desk::post::TextLimits;
use crate::desk::{Account, AccountId, Anchor, Content, Letter, LetterId, Network, Place, PostId};
use crate::networks::mastodon::api::{Api, Call, NO_ACCESS, Trouble};
use crate::networks::mastodon::catch_up::Cursor;
use crate::networks::mastodon::pace::Kind;
pub use crate::networks::mastodon::pace::{Limits, Rate};
use crate::networks::mastodon::server::Server;
use crate::networks::mastodon::status::{Item, Me};
use crate::networks::mastodon::stream::{Bell, Listening};
use crate::networks::{Batch, Failure, Now, Outgoing};

/// How often the desk looks for new posts while no stream tells of them, unless told otherwise.
pub const POLL: Duration = Duration::from_secs(5);

/// How often it looks although a stream would tell.
const POLL_BESIDE_STREAM: Duration = Duration::from_secs(60);

/// How many notifications are asked for at a time.
const PAGE_LIMIT: &str = "80";

/// How many pages are read back at most where notifications cannot be read forward.
const PAGES_BACK_MAX: usize = 50;

/// How often filtered notifications are let through.
const REQUESTS_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// How many filtered senders are let through at a time.
const REQUESTS_MAX: usize = 40;

/// How many accounts' ids are remembered. Beyond, all are forgotten and asked for again.
const IDS_MAX: usize = 20_000;

/// How many items that cannot be read are remembered, so that they are counted once.
const BROKEN_MAX: usize = 10_000;

/// The rights that a token needs.
const RIGHTS: &str = "read write:statuses write:notifications";

/// What the desk must know to use an account.
#[derive(Clone)]
pub struct Settings {
    server: String,
    token: SecretString,
    poll: Duration,
    streaming: Option<String>,
    limits: Limits,
    hashtags: Vec<String>,
    overhear_every: SignedDuration,
}

// Who the desk is there is nobody's business in a log.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mastodon settings")
    }
}

impl Settings {
    /// `server` is the web address of the server; `token` an access token of the account.
    pub fn new(server: &str, token: SecretString) -> Settings {
        Settings {
            server: server.to_owned(),
            token,
            poll: POLL,
            streaming: None,
            limits: Limits::default(),
            hashtags: Vec::new(),
            overhear_every: hashtags::OVERHEAR_EVERY,
        }
    }

    /// Hashtags, without `#`, whose public posts the desk overhears.
    pub fn with_hashtags(mut self, hashtags: Vec<String>) -> Settings {
        self.hashtags = hashtags;
        self
    }

    /// How often posts with hashtags are looked for.
    pub fn with_overhearing_every(mut self, every: SignedDuration) -> Settings {
        self.overhear_every = every;
        self
    }

    /// How often to look while no stream tells of news.
    pub fn with_poll(mut self, poll: Duration) -> Settings {
        self.poll = poll;
        self
    }

    /// Where the server's stream is, where the server itself names a wrong address.
    pub fn with_streaming(mut self, streaming: Option<String>) -> Settings {
        self.streaming = streaming;
        self
    }

    /// What the server allows, where that is not what Mastodon allows.
    pub fn with_limits(mut self, limits: Limits) -> Settings {
        self.limits = limits;
        self
    }
}

/// The desk's account on the network. Listening and sending may use it at the same time.
#[derive(Debug)]
pub struct Connector {
    settings: Settings,
    api: Api,
    /// What is known of the server and the account, once the desk is logged in.
    known: RwLock<Option<Arc<Known>>>,
    bell: Arc<Bell>,
    listening: Mutex<Option<Listening>>,
    /// The server's own ids of accounts.
    ids: Mutex<HashMap<AccountId, String>>,
    broken: Mutex<(RandomState, HashSet<u64>)>,
    requests_seen: Mutex<Option<Timestamp>>,
    overheard_at: Mutex<Option<Timestamp>>,
    /// Letters of which the server showed nothing after it took them.
    swallowed: Mutex<HashSet<LetterId>>,
}

/// What logging in told.
struct Known {
    me: Me,
    server: Server,
}

// It names the desk's account.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.server.family.name())
    }
}

impl Connector {
    /// A connector that has done nothing yet.
    pub fn new(settings: Settings, http: reqwest::Client) -> Connector {
        let api = Api::new(http, &settings.server, settings.token.clone(), settings.limits);
        Connector {
            settings,
            api,
            known: RwLock::default(),
            bell: Arc::default(),
            listening: Mutex::default(),
            ids: Mutex::default(),
            broken: Mutex::default(),
            requests_seen: Mutex::default(),
            overheard_at: Mutex::default(),
            swallowed: Mutex::default(),
        }
    }

    /// Finds out which account and which kind of server this is, and has strangers' posts let through.
    ///
    /// # Errors
    ///
    /// [`Failure::AccountDead`] says what to mend about the account.
    pub async fn connect(&self) -> Result<Account, Failure> {
        let known = self.log_in().await?;
        for lack in known.server.lacks() {
            info!(network = "mastodon", "{}: {}; {}", lack.what, lack.found, lack.instead);
        }
        if known.server.has_policy() {
            match self.accept_everybody().await {
                Ok(()) => {}
                Err(trouble) if matches!(trouble.status(), Some(401 | 403)) => warn!(
                    network = "mastodon",
                    "The access token must not set which notifications come through (`write:notifications`), \
                     so private questions of strangers may stay hidden on other clients; make a token with {RIGHTS}"
                ),
                Err(trouble) => {
                    debug!(failure = %trouble.when_reading(), "The policy for notifications could not be set");
                }
            }
        }
        self.listen(&known.server);
        Ok(known.me.account.clone())
    }

    /// The posts that are new since `cursor`. Without one, the desk begins here and answers nothing
    /// older.
    pub async fn fetch(&self, cursor: Option<&str>) -> Result<Batch, Failure> {
        let known = self.known().await?;
        self.let_filtered_through(&known).await;
        let Some(mut cursor) = Cursor::parse(cursor, &known.me.domain) else {
            let page = self.page(&known, None, None).await?;
            let mut cursor = Cursor::new(&known.me.domain);
            cursor.know(page.into_iter().filter_map(|item| item.id));
            return Ok(Batch { cursor: Some(cursor.stored()), ..Batch::default() });
        };
        let forward = known.server.reads_forward() && !cursor.is_empty();
        let page = if forward {
            self.page_forward(&known, &cursor).await?
        } else {
            self.pages_back(&known, &cursor).await?
        };
        let unreadable = self.count_broken(&page);
        let items = cursor.take(page);
        let more = forward && !items.is_empty();
        let mut posts = Vec::new();
        for item in items {
            self.note_id(item.author);
            match item.content {
                status::Content::Post(post) => posts.push(*post),
                status::Content::Nothing | status::Content::Unreadable => {}
            }
        }
        let overheard = self.overhear(&known, &mut cursor).await;
        Ok(Batch { posts, cursor: Some(cursor.stored()), more, unreadable, overheard })
    }

    /// Returns when the stream tells of news, or when it is time to look.
    pub async fn wait(&self) {
        let poll = if self.bell.is_alive() {
            POLL_BESIDE_STREAM.max(self.settings.poll)
        } else {
            self.settings.poll
        };
        // Silence after the last word of a dying stream must not cost a minute, so its end rings too.
        tokio::time::timeout(poll, self.bell.rings()).await.ok();
    }

    /// Puts a letter on the network and answers where it is; for a deletion, where it was.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => self.delete(post).await,
            Content::Post { mentions, .. } => self.post(outgoing, mentions).await,
        }
    }

    /// Finds out whether a letter is on the network; for a deletion, whether its post is gone.
    pub async fn look(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        let known = self.known().await?;
        match &outgoing.letter.content {
            Content::Delete { post } => {
                own_network(post)?;
                let there = self.status(&post.id).await.map_err(Trouble::when_reading)?;
                Ok(there.is_none().then(|| Place::top(Network::Mastodon, Anchor::new(&post.id))))
            }
            Content::Post { .. } => self.look_for(&known, outgoing).await,
        }
    }

    /// How long one post may be, once the server has said so.
    pub fn limits(&self) -> Option<TextLimits> {
        self.known_already().map(|known| known.server.limits)
    }

    /// Whether the server makes one post of a letter that is sent twice, within the hour.
    pub fn honours_keys(&self) -> bool {
        self.known_already().is_some_and(|known| known.server.honours_keys())
    }

    /// How long this letter has to wait so that the desk stays within the server's limits.
    pub fn hold(&self, letter: &Letter, now: Timestamp) -> Option<Duration> {
        let kind = match letter.content {
            Content::Post { .. } => Kind::Posting,
            Content::Delete { .. } => Kind::Deleting,
        };
        self.api.hold(kind, now)
    }

    /// How many letters an hour the server takes in the long run, where it takes none just now.
    pub fn letters_per_hour(&self, now: Timestamp) -> Option<usize> {
        self.api.hold(Kind::Posting, now)?;
        let Rate { count, within } = self.settings.limits.posts;
        let seconds = usize::try_from(within.as_secs()).unwrap_or(usize::MAX).max(1);
        Some(count.saturating_mul(3_600) / seconds)
    }

    /// Looks at somebody's post again.
    pub async fn revisit(&self, post: &PostId) -> Result<Now, Failure> {
        own_network(post)?;
        let known = self.known().await?;
        let Some(status) = self.status(&post.id).await.map_err(Trouble::when_reading)? else {
            return Ok(Now::Gone);
        };
        let edited_at = status::time(&status, "edited_at");
        match status::post(&status, &known.me, clock::now()) {
            Some(post) => Ok(Now::There { post: Box::new(post), edited_at }),
            None => Ok(Now::Unknown),
        }
    }

    /// The posts of which the stream told that they were edited or deleted.
    pub async fn altered(&self) -> Vec<PostId> {
        self.bell.altered().await.into_iter().map(|id| PostId::new(Network::Mastodon, id)).collect()
    }

    async fn log_in(&self) -> Result<Arc<Known>, Failure> {
        let own = Call::get(Kind::Listening, "/api/v1/accounts/verify_credentials", &[]);
        let own = match self.api.call(own).await {
            Ok(own) => own,
            Err(trouble) if trouble.status() == Some(403) => return Err(NO_ACCESS),
            Err(trouble) => return Err(trouble.when_reading()),
        };
        let instance = self.instance().await.map_err(Trouble::when_reading)?;
        let server = Server::read(&instance);
        let me = Me::read(&own, server.domain.as_deref(), self.api.server());
        let me = me.ok_or(Failure::Transient("the server does not say which account this is"))?;
        let known = Arc::new(Known { me, server });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    /// What the server says about itself, in the newer form or in the older.
    async fn instance(&self) -> Result<Value, Trouble> {
        match self.api.call(Call::get(Kind::Listening, "/api/v2/instance", &[])).await {
            Err(trouble) if trouble.is_unknown_call() || matches!(trouble, Trouble::Unreadable) => {
                self.api.call(Call::get(Kind::Listening, "/api/v1/instance", &[])).await
            }
            other => other,
        }
    }

    async fn known(&self) -> Result<Arc<Known>, Failure> {
        match self.known_already() {
            Some(known) => Ok(known),
            None => self.log_in().await,
        }
    }

    fn known_already(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn listen(&self, server: &Server) {
        let bases = match &self.settings.streaming {
            Some(address) => vec![address.clone()],
            None if server.streams() && server.streaming.is_some() => {
                // Some name an address that does not work; the server's own may.
                server.streaming.iter().cloned().chain([self.api.server().to_owned()]).collect()
            }
            None => return,
        };
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.is_none() {
            *listening = Some(stream::listen(self.bell.clone(), bases, self.api.token().clone()));
        }
    }

    /// One page of notifications: after one id, or before another.
    async fn page(
        &self,
        known: &Known,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<Vec<Item>, Failure> {
        let mut query = vec![("limit", PAGE_LIMIT)];
        query.extend(after.map(|id| ("min_id", id)));
        query.extend(before.map(|id| ("max_id", id)));
        if known.server.has_policy() {
            query.push(("include_filtered", "true"));
        }
        let call = Call::get(Kind::Listening, "/api/v1/notifications", &query);
        let answer = self.api.call(call).await.map_err(Trouble::when_reading)?;
        let Some(rows) = answer.as_array() else {
            return Err(Failure::Transient("the answer is not a list of notifications"));
        };
        let now = clock::now();
        Ok(rows.iter().map(|row| status::item(row, &known.me, now)).collect())
    }

    /// The page after the oldest id that is remembered; where that brings nothing beyond what is
    /// remembered, because a server gives few at a time, the page after the newest.
    async fn page_forward(&self, known: &Known, cursor: &Cursor) -> Result<Vec<Item>, Failure> {
        let page = self.page(known, cursor.from(), None).await?;
        let reaches_newest = page.iter().any(|item| item.id.as_deref() == cursor.newest());
        if page.is_empty() || reaches_newest {
            return Ok(page);
        }
        let mut both = self.page(known, cursor.newest(), None).await?;
        both.extend(page);
        Ok(both)
    }

    /// The pages from the newest down to what is remembered.
    async fn pages_back(&self, known: &Known, cursor: &Cursor) -> Result<Vec<Item>, Failure> {
        let mut all: Vec<Item> = Vec::new();
        let mut before: Option<String> = None;
        for _ in 0..PAGES_BACK_MAX {
            let page = self.page(known, None, before.as_deref()).await?;
            let ids = page.iter().filter_map(|item| item.id.as_deref());
            let oldest = ids.min_by(|a, b| catch_up::by_age(a, b)).map(str::to_owned);
            all.extend(page);
            // A server that does not know `max_id` gives the same page again.
            if oldest.is_none() || oldest == before || oldest.as_deref().is_some_and(|id| cursor.reaches(id))
            {
                break;
            }
            before = oldest;
        }
        Ok(all)
    }

    /// How many items of a page cannot be read and were not counted before.
    fn count_broken(&self, page: &[Item]) -> usize {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let (hasher, seen) = &mut *broken;
        if seen.len() > BROKEN_MAX {
            seen.clear();
        }
        let unreadable = page.iter().filter(|item| matches!(item.content, status::Content::Unreadable));
        unreadable.filter(|item| seen.insert(hasher.hash_one(&item.id))).count()
    }

    fn note_id(&self, author: Option<(AccountId, String)>) {
        let Some((account, id)) = author else { return };
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= IDS_MAX {
            ids.clear();
        }
        ids.insert(account, id);
    }

    /// Since 4.3 a server may hide strangers' private mentions.
    async fn accept_everybody(&self) -> Result<(), Trouble> {
        let accept = json!({
            "for_not_following": "accept", "for_not_followers": "accept", "for_new_accounts": "accept",
            "for_private_mentions": "accept", "for_limited_accounts": "accept",
        });
        let path = "/api/v2/notifications/policy".to_owned();
        let body = Some(accept.to_string());
        let call = Call { kind: Kind::Listening, method: Method::PATCH, path, query: &[], body, key: None };
        self.api.call(call).await.map(|_| ())
    }

    /// Lets through whoever was filtered before. Where that fails, they are read all the same.
    async fn let_filtered_through(&self, known: &Known) {
        let now = clock::now();
        {
            let mut seen = self.requests_seen.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = seen.is_none_or(|seen| REQUESTS_EVERY <= now.duration_since(seen));
            if !known.server.has_policy() || !is_due {
                return;
            }
            *seen = Some(now);
        }
        let call = Call::get(Kind::Listening, "/api/v1/notifications/requests", &[]);
        let Ok(answer) = self.api.call(call).await else { return };
        let requests = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        for request in requests.iter().take(REQUESTS_MAX) {
            let Some(id) = status::text(request, "id").filter(|id| is_plain_id(id)) else { continue };
            let path = format!("/api/v1/notifications/requests/{id}/accept");
            let (kind, method) = (Kind::Listening, Method::POST);
            let call = Call { kind, method, path, query: &[], body: None, key: None };
            if self.api.call(call).await.is_err() {
                return;
            }
        }
    }

    /// Somebody's post; `None` where it is gone.
    async fn status(&self, id: &str) -> Result<Option<Value>, Trouble> {
        if !is_plain_id(id) {
            return Ok(None);
        }
        match self.api.call(Call::get(Kind::Looking, format!("/api/v1/statuses/{id}"), &[])).await {
            Ok(status) => Ok(Some(status)),
            Err(trouble) if trouble.is_gone() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}

/// Whether an id can stand in an address as it is.
fn is_plain_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 200
        && !id.starts_with('.')
        && id.bytes().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, b'-' | b'_' | b'.'))
}

fn own_network(post: &PostId) -> Result<(), Failure> {
    if post.network == Network::Mastodon { Ok(()) } else { Err(Failure::Refused(Refusal::Rejected)) }
}
