//! Bluesky, and any other service that speaks the AT Protocol.
//!
//! The desk reads its notifications, by asking again and again, and puts its posts under keys of its
//! own choice, so that sending a letter twice is one post. What is private goes through the chat
//! service instead.
//!
//! **Invariant:** nothing private ever becomes a post, because every post on this network is public; and
//! nothing of what people or servers say reaches a log or an error.

mod chat;
mod memory;
mod notifications;
mod profile;
mod record;
mod richtext;
mod session;
mod xrpc;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tracing::debug;

use crate::clock;
use crate::desk::letter::Refusal;
use crate::desk::{Account, AccountId, Anchor, Content, Network, Place, Post, PostId, Visibility};
use crate::networks::bluesky::memory::Memory;
use crate::networks::bluesky::memory::walk::Wanted;
use crate::networks::bluesky::notifications::{Answer, Found};
use crate::networks::bluesky::record::{KEYS_MAX, NotAPost, POSTS, key_of};
use crate::networks::bluesky::session::{Session, Sessions};
use crate::networks::bluesky::xrpc::{Call, Trouble};
use crate::networks::{Batch, Failure, Finding, Outgoing, Overheard, Report};

/// How often the desk looks for new posts unless told otherwise.
pub const POLL: Duration = Duration::from_secs(20);

/// How many notifications the network gives in one page at most.
pub const PAGE_LIMIT_MAX: usize = 100;

/// How many posts a search for missed mentions asks for.
const SEARCH_LIMIT: &str = "100";

/// What the desk must know to use an account.
#[derive(Clone)]
pub struct Settings {
    service: String,
    identifier: String,
    password: SecretString,
    session_file: PathBuf,
    poll: Duration,
    page_limit: usize,
    chat_service: String,
    hashtags: Vec<String>,
}

// Who the desk is there is nobody's business in a log.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bluesky settings")
    }
}

impl Settings {
    /// `service` is the web address to log in at; `identifier` the account's handle, DID or e-mail
    /// address; `password` an app password. The tokens of the log-in are kept in `session_file`.
    pub fn new(
        service: &str,
        identifier: impl Into<String>,
        password: SecretString,
        session_file: impl Into<PathBuf>,
    ) -> Settings {
        Settings {
            service: service.trim().trim_end_matches('/').to_owned(),
            identifier: identifier.into().trim().trim_start_matches('@').to_owned(),
            password,
            session_file: session_file.into(),
            poll: POLL,
            page_limit: PAGE_LIMIT_MAX,
            chat_service: chat::SERVICE.to_owned(),
            hashtags: Vec::new(),
        }
    }

    /// How long [`Connector::wait`] waits.
    pub fn with_poll(mut self, poll: Duration) -> Settings {
        self.poll = poll;
        self
    }

    /// How many notifications to ask for at a time, from 1 to [`PAGE_LIMIT_MAX`].
    pub fn with_page_limit(mut self, page_limit: usize) -> Settings {
        self.page_limit = page_limit.clamp(1, PAGE_LIMIT_MAX);
        self
    }

    /// The chat service of another network than the one of the company Bluesky: a DID, `#` and the name
    /// of the service in its document.
    pub fn with_chat_service(mut self, service: impl Into<String>) -> Settings {
        self.chat_service = service.into();
        self
    }

    /// Hashtags, without `#`, whose public posts the desk overhears.
    pub fn with_hashtags(mut self, hashtags: Vec<String>) -> Settings {
        self.hashtags = hashtags;
        self
    }

    fn service(&self) -> &str {
        &self.service
    }
}

/// The desk's account on the network. Listening and sending may use it at the same time.
pub struct Connector {
    settings: Settings,
    http: reqwest::Client,
    sessions: Sessions,
    /// Boxed, because a connector is a variant beside much smaller ones.
    memory: Box<Mutex<Memory>>,
    /// Until when the chat service is not asked, in seconds since 1970: it failed, or is out of reach.
    chat_rests_until: AtomicI64,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bluesky connector")
    }
}

/// What `getSession` says about the account.
#[derive(Deserialize)]
struct Own {
    did: String,
    handle: String,
    #[serde(default)]
    active: Option<bool>,
}

/// What `putRecord` and `getRecord` say about a record.
#[derive(Deserialize)]
struct Stored {
    uri: String,
    #[serde(default)]
    cid: Option<String>,
    #[serde(default)]
    value: Value,
}

/// What is under one of a letter's keys.
enum Under {
    Nothing,
    ThisLetter(Place),
    Another,
}

impl Connector {
    /// A connector that has done nothing yet. A desk that was never started before answers no post
    /// that is older than this moment.
    pub fn new(settings: Settings, http: reqwest::Client) -> Connector {
        let memory = Box::new(Mutex::new(Memory::new(clock::now())));
        let chat_rests_until = AtomicI64::new(0);
        Connector { settings, http, sessions: Sessions::new(), memory, chat_rests_until }
    }

    /// Logs in, or takes up the log-in of the last run, and answers the desk's own account. The account
    /// then says of itself that it is automated and that anybody may write to it in private.
    ///
    /// # Errors
    ///
    /// [`Failure::AccountDead`] says what to mend about the account.
    pub async fn connect(&self) -> Result<Account, Failure> {
        let account = self.log_in().await?;
        self.chat_rests_until.store(0, Ordering::Relaxed);
        self.introduce().await;
        Ok(account)
    }

    async fn log_in(&self) -> Result<Account, Failure> {
        self.session().await?;
        match self.own_account().await {
            // The kept log-in may be of an account that has moved to another server since, or was
            // put in order again. A new log-in knows; where it fails as well, it says why.
            Err(Failure::AccountDead(_)) => {
                self.sessions.log_in_again(&self.http, &self.settings).await?;
                self.own_account().await
            }
            result => result,
        }
    }

    /// The posts that are new since `cursor`. See `memory` for which ones that are.
    pub async fn fetch(&self, cursor: Option<&str>) -> Result<Batch, Failure> {
        let session = self.session().await?;
        let desk = account(session.did.clone(), session.handle.clone());
        let mut memory = self.memory.lock().await;
        memory.begin(cursor);
        while let Some(wanted) = memory.wanted() {
            let answer = match self.page(&wanted).await {
                Ok(answer) => answer,
                Err(failure) => {
                    memory.failed(&wanted);
                    // What was found above is not to wait for what cannot be read below.
                    if memory.has_posts() || matches!(wanted, Wanted::Sweep(_)) {
                        debug!(%failure, "A page of notifications on Bluesky could not be read");
                        break;
                    }
                    return Err(failure);
                }
            };
            let now = clock::now();
            memory.take(&wanted, answer.items(&desk, now), answer.cursor, now);
        }
        if memory.search_is_due(clock::now()) {
            match self.search(&desk).await {
                Ok(found) => memory.take_found(found.items(&desk, clock::now()), clock::now()),
                Err(failure) => debug!(%failure, "Bluesky could not be searched for missed mentions"),
            }
        }
        let overheard = self.overhear(&mut memory, &desk).await;
        let heard = self.hear(memory::chat_cursor(cursor).as_deref(), &desk).await;
        Ok(Batch { overheard, ..memory.hand_out(heard) })
    }

    /// Returns when it is time to look again: this network rings no bell.
    pub async fn wait(&self) {
        tokio::time::sleep(self.settings.poll).await;
    }

    /// Puts a letter on the network and answers where it is; for a deletion, where it was.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says. Sending the same letter again never makes a second post.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => match chat::message_of(post) {
                Some((convo, message)) => self.forget_message(convo, message).await,
                None => self.delete(post).await,
            },
            Content::Post { text, mentions, visibility, .. } if *visibility < Visibility::Public => {
                self.say(outgoing, text.reveal(), mentions).await
            }
            Content::Post { .. } => self.post(outgoing).await,
        }
    }

    /// Finds out whether a letter is on the network; for a deletion, whether its post is gone.
    pub async fn look(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        match &outgoing.letter.content {
            // Taking it out once more does no harm, and is all that can be known of it.
            Content::Delete { post } if chat::message_of(post).is_some() => Ok(None),
            Content::Delete { post } => {
                let (key, place) = self.own_post(post).await?;
                let there = self.record(&key).await.map_err(Trouble::when_reading)?;
                Ok(there.is_none().then_some(place))
            }
            Content::Post { text, visibility, .. } if *visibility < Visibility::Public => {
                self.look_for_message(outgoing, text.reveal()).await
            }
            Content::Post { .. } => self.look_for(outgoing).await,
        }
    }

    /// Tries everything the desk needs there, without writing anything.
    pub async fn check(&self) -> Report {
        let mut report = Report { network: Network::Bluesky, account: None, findings: Vec::new() };
        match self.log_in().await {
            Ok(account) => {
                let found = format!("the desk is @{}", account.handle);
                report.findings.push(Finding { what: "log-in", ok: true, found, mend: None });
                report.account = Some(account.handle);
            }
            Err(failure) => {
                report.findings.push(Finding::trouble("log-in", &failure));
                return report;
            }
        }
        report.findings.push(match self.page(&Wanted::Top(None)).await {
            Ok(_) => Finding::good("reading", "mentions and replies can be read"),
            Err(failure) => Finding::trouble("reading", &failure),
        });
        report.findings.push(match self.repository().await {
            Ok(()) => {
                Finding::good("posting", "the account has a place for posts; none was written to try it")
            }
            Err(failure) => Finding::trouble("posting", &failure),
        });
        report.findings.push(self.check_chat().await);
        report
    }

    async fn own_account(&self) -> Result<Account, Failure> {
        let call = Call::Query { method: "com.atproto.server.getSession", parameters: &[] };
        let own: Own = self.call(&call).await.map_err(Trouble::when_reading)?;
        if own.active == Some(false) {
            return Err(Failure::AccountDead("the account is not active: log in with the app and see why"));
        }
        Ok(account(own.did, own.handle))
    }

    async fn session(&self) -> Result<Arc<Session>, Failure> {
        self.sessions.current(&self.http, &self.settings).await
    }

    /// Makes a call with the account's token, and once more with a new one where that has expired.
    async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Trouble> {
        let session = self.session().await.map_err(Trouble::NoSession)?;
        let is_chat = call.method().starts_with(chat::METHODS);
        let via = is_chat.then_some(self.settings.chat_service.as_str());
        match xrpc::call(&self.http, &session.server, Some(session.access()), via, call).await {
            // Another token of the same app password would have no more rights.
            Err(Trouble::Refused(no)) if is_chat && no.lacks_the_right() => Err(Trouble::Refused(no)),
            Err(Trouble::Refused(no)) if no.is_about_the_token() => {
                let renewed = self.sessions.renewed(&self.http, &self.settings, &session).await;
                let session = renewed.map_err(Trouble::NoSession)?;
                xrpc::call(&self.http, &session.server, Some(session.access()), via, call).await
            }
            other => other,
        }
    }

    /// One page of notifications. Where it is too large to read, a shorter one: people can make posts
    /// that are large enough for a hundred of them to be too much, but not one alone.
    async fn page(&self, wanted: &Wanted) -> Result<Answer, Failure> {
        let mut limit = self.settings.page_limit;
        loop {
            let limit_text = limit.to_string();
            let mut parameters = vec![
                ("limit", limit_text.as_str()),
                ("reasons", "mention"),
                ("reasons", "reply"),
                ("reasons", "quote"),
                // Left out, the account's own preference would hide strangers.
                ("priority", "false"),
            ];
            parameters.extend(wanted.cursor().map(|cursor| ("cursor", cursor)));
            let method = "app.bsky.notification.listNotifications";
            match self.call(&Call::Query { method, parameters: &parameters }).await {
                Err(Trouble::TooLarge) if limit > 1 => limit = (limit / 4).max(1),
                answer => return answer.map_err(Trouble::when_reading),
            }
        }
    }

    /// What the network's search knows of posts that mention the desk: sometimes more than it tells in
    /// notifications.
    async fn search(&self, desk: &Account) -> Result<Found, Failure> {
        let since = clock::now().checked_sub(memory::SEARCH_BACK).unwrap_or(Timestamp::MIN).to_string();
        let parameters = [
            ("q", desk.handle.as_str()),
            ("mentions", desk.id.id.as_str()),
            ("sort", "latest"),
            ("since", since.as_str()),
            ("limit", SEARCH_LIMIT),
        ];
        let call = Call::Query { method: "app.bsky.feed.searchPosts", parameters: &parameters };
        self.call(&call).await.map_err(Trouble::when_reading)
    }

    /// New public posts with one of the hashtags, which are not for the desk.
    async fn overhear(&self, memory: &mut Memory, desk: &Account) -> Vec<Overheard> {
        if self.settings.hashtags.is_empty() || !memory.listening_is_due(clock::now()) {
            return Vec::new();
        }
        let mut overheard = Vec::new();
        for hashtag in &self.settings.hashtags {
            let query = format!("#{hashtag}");
            let parameters = [
                ("q", query.as_str()),
                ("tag", hashtag.as_str()),
                ("sort", "latest"),
                ("limit", SEARCH_LIMIT),
            ];
            let call = Call::Query { method: "app.bsky.feed.searchPosts", parameters: &parameters };
            match self.call::<Found>(&call).await {
                Ok(found) => {
                    overheard.extend(memory.take_overheard(found.strangers(desk, clock::now())));
                }
                Err(trouble) => {
                    debug!(failure = %trouble.when_reading(), "Bluesky could not be searched for a hashtag");
                }
            }
        }
        overheard
            .into_iter()
            .filter_map(|post| Some(Overheard { address: address_of(&post)?, post }))
            .collect()
    }

    async fn post(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        let session = self.session().await?;
        if let Some(place) = &outgoing.reply_to {
            self.can_be_replied_to(place, &session).await?;
        }
        for turn in 0..KEYS_MAX {
            let key = key_of(&outgoing.letter.id, outgoing.letter.made_at, turn);
            let body = record::put_body(outgoing, &session.did, &key).map_err(not_sent)?;
            let call = Call::Procedure { method: "com.atproto.repo.putRecord", body };
            match self.call::<Stored>(&call).await {
                Ok(stored) => return place(stored, outgoing).ok_or(UNCLEAR_ANSWER),
                Err(Trouble::Refused(no)) if no.dislikes_the_key() => continue,
                Err(Trouble::Refused(no)) if no.is_taken() => match self.under(&key, outgoing).await {
                    Ok(Under::ThisLetter(place)) => return Ok(place),
                    Ok(Under::Another) => continue,
                    Ok(Under::Nothing) => return Err(Failure::Unsure("the post came and went")),
                    Err(trouble) => return Err(unsure_after(trouble)),
                },
                Err(trouble) => return Err(trouble.when_sending()),
            }
        }
        Err(Failure::Refused(Refusal::Rejected))
    }

    async fn look_for(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        for turn in 0..KEYS_MAX {
            let key = key_of(&outgoing.letter.id, outgoing.letter.made_at, turn);
            match self.under(&key, outgoing).await.map_err(Trouble::when_reading)? {
                Under::ThisLetter(place) => return Ok(Some(place)),
                Under::Nothing => return Ok(None),
                Under::Another => continue,
            }
        }
        Ok(None)
    }

    async fn delete(&self, post: &PostId) -> Result<Place, Failure> {
        let (key, place) = self.own_post(post).await?;
        let session = self.session().await?;
        let body = json!({"repo": session.did, "collection": POSTS, "rkey": key}).to_string();
        let call = Call::Procedure { method: "com.atproto.repo.deleteRecord", body };
        self.call::<IgnoredAny>(&call).await.map_err(Trouble::when_sending)?;
        Ok(place)
    }

    /// What the desk has under a key of a letter.
    async fn under(&self, key: &str, outgoing: &Outgoing) -> Result<Under, Trouble> {
        let Some(stored) = self.record(key).await? else { return Ok(Under::Nothing) };
        let Content::Post { text, .. } = &outgoing.letter.content else { return Ok(Under::Another) };
        // Compared by the text: a later version of the desk may find other links in it, and it is
        // the same letter all the same.
        let same = stored.value.get("text").and_then(Value::as_str) == Some(text.reveal());
        Ok(place(stored, outgoing).filter(|_| same).map_or(Under::Another, Under::ThisLetter))
    }

    /// The desk's own record under a key; `None` where there is none.
    async fn record(&self, key: &str) -> Result<Option<Stored>, Trouble> {
        self.record_in(POSTS, key).await
    }

    async fn record_in(&self, collection: &str, key: &str) -> Result<Option<Stored>, Trouble> {
        let session = self.session().await.map_err(Trouble::NoSession)?;
        let parameters = [("repo", session.did.as_str()), ("collection", collection), ("rkey", key)];
        let call = Call::Query { method: "com.atproto.repo.getRecord", parameters: &parameters };
        match self.call(&call).await {
            Ok(stored) => Ok(Some(stored)),
            Err(Trouble::Refused(no)) if no.is_missing() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The key of a post of the desk's own, and its place.
    async fn own_post(&self, post: &PostId) -> Result<(String, Place), Failure> {
        let session = self.session().await?;
        let key = post.id.strip_prefix(&format!("at://{}/{POSTS}/", session.did));
        let key = key.filter(|key| post.network == Network::Bluesky && !key.is_empty() && !key.contains('/'));
        let key = key.ok_or(Failure::Refused(Refusal::Rejected))?;
        let anchor = Anchor::new(post.id.clone());
        Ok((key.to_owned(), Place::top(Network::Bluesky, anchor)))
    }

    /// The network takes a reply to a post that was deleted, or whose author lets nobody reply, and
    /// then shows it to nobody. So it is looked at first.
    async fn can_be_replied_to(&self, place: &Place, session: &Session) -> Result<(), Failure> {
        // The desk's own posts can be there before the network shows them.
        if place.post.id.starts_with(&format!("at://{}/", session.did)) {
            return Ok(());
        }
        let parameters = [("uris", place.post.id.as_str())];
        let call = Call::Query { method: "app.bsky.feed.getPosts", parameters: &parameters };
        let answer: Value = match self.call(&call).await {
            Ok(answer) => answer,
            Err(Trouble::NoSession(failure)) => return Err(failure),
            Err(Trouble::Later(after)) => return Err(Failure::Later { after }),
            // Only a look ahead: where it fails, sending the letter tells more.
            Err(_) => return Ok(()),
        };
        let Some(posts) = answer.get("posts").and_then(Value::as_array) else { return Ok(()) };
        let is = |post: &Value, pointer: &str| post.pointer(pointer).and_then(Value::as_bool) == Some(true);
        let open = posts
            .first()
            .is_some_and(|post| !is(post, "/viewer/replyDisabled") && !is(post, "/author/viewer/blockedBy"));
        if open { Ok(()) } else { Err(Failure::Refused(Refusal::Unreachable)) }
    }

    async fn repository(&self) -> Result<(), Failure> {
        let session = self.session().await?;
        let parameters = [("repo", session.did.as_str())];
        let call = Call::Query { method: "com.atproto.repo.describeRepo", parameters: &parameters };
        self.call::<IgnoredAny>(&call).await.map(|_| ()).map_err(Trouble::when_reading)
    }
}

const UNCLEAR_ANSWER: Failure = Failure::Unsure("the server does not say where the post is");

/// Where people read a post in the network's own app.
fn address_of(post: &Post) -> Option<String> {
    let key = post.place.post.id.rsplit('/').next()?;
    Some(format!("https://bsky.app/profile/{}/post/{key}", post.author.id.id))
}

/// The desk's own account. The desk is automated, and says so.
fn account(did: String, handle: String) -> Account {
    Account { id: AccountId::new(Network::Bluesky, did), handle, bot: true }
}

fn place(stored: Stored, outgoing: &Outgoing) -> Option<Place> {
    let cid = stored.cid.filter(|cid| !cid.is_empty())?;
    if !stored.uri.starts_with("at://") {
        return None;
    }
    let post = Anchor { id: stored.uri, revision: Some(cid) };
    let root = outgoing.reply_to.as_ref().map_or_else(|| post.clone(), |reply_to| reply_to.root.clone());
    Some(Place { network: Network::Bluesky, post, root })
}

fn not_sent(why: NotAPost) -> Failure {
    Failure::Refused(match why {
        NotAPost::Deletion | NotAPost::Malformed => Refusal::Rejected,
        NotAPost::NowhereToReply => Refusal::Unreachable,
    })
}

/// Something is under the letter's key, and what it is could not be read.
fn unsure_after(trouble: Trouble) -> Failure {
    match trouble.when_reading() {
        Failure::Transient(why) | Failure::Unsure(why) => Failure::Unsure(why),
        failure @ (Failure::Later { .. } | Failure::AccountDead(_) | Failure::Refused(_)) => failure,
    }
}
