//! A Facebook Page, for publishing only: the Graph API, by which the desk posts as the Page and deletes
//! what it posted.
//!
//! Nobody is heard there: what people comment is read by whoever runs the Page. The API has no key by
//! which a repeated post would be known as the same, so that an unsure one is looked for by its text,
//! which holds the question's code.
//!
//! **Invariant:** nothing is posted that is not public, nothing but the desk's own posts is deleted, and
//! the token travels in a header to the configured service and nowhere else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use crate::clock;
use crate::desk::letter::{Content, Refusal};
use crate::desk::{Account, AccountId, Anchor, Network, Place, PostId, Visibility};
use crate::networks::http::{self, Answer, Silence};
use crate::networks::{Batch, Failure, Finding, Outgoing, Report};

/// Where the Graph API is.
pub const SERVICE: &str = "https://graph.facebook.com";

/// The version of the Graph API that is spoken.
const VERSION: &str = "v25.0";

/// How long the desk rests between looking whether the token still holds: there is nothing to hear.
const WAIT: Duration = Duration::from_secs(3_600);

/// How long to wait where a limit was reached and nothing is said: limits count by the hour.
const LIMIT_WAIT: Duration = Duration::from_secs(900);

/// How many posts one page of the Page's feed brings.
const PAGE: usize = 100;

/// How many pages of the feed are looked through for a post.
const PAGES_MAX: usize = 5;

/// How far the clocks of the desk and of the network may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);

/// The longest identifier of a post or a Page, in bytes.
const ID_BYTES_MAX: usize = 100;

/// What the connector needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The address of the Graph API, without a version.
    pub service: String,
    /// The Page's id.
    pub page: String,
    /// A token of the Page, not of a person.
    pub token: SecretString,
}

/// The desk's Page.
#[derive(Debug)]
pub struct Connector {
    settings: Settings,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Page {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

#[derive(Deserialize)]
struct Feed {
    data: Vec<Entry>,
    #[serde(default)]
    paging: Paging,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Default, Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Cursors,
    /// Only whether there is one: it repeats the token, so that it is never followed.
    #[serde(default)]
    next: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

#[derive(Deserialize)]
struct Wrong {
    error: Error,
}

/// An error as the Graph API tells it. Its message is not read: it may quote what was sent.
#[derive(Clone, Copy, Deserialize)]
struct Error {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    error_subcode: i64,
    #[serde(default)]
    is_transient: bool,
}

/// What a call came to that gave no result.
enum Trouble {
    Silent(Silence),
    Said {
        error: Error,
        wait: Option<Duration>,
    },
    /// An answer in another form than the API's, such as a page of HTML.
    Odd {
        status: u16,
        wait: Option<Duration>,
    },
}

impl Connector {
    pub fn new(settings: Settings, http: reqwest::Client) -> Connector {
        Connector { settings, http }
    }

    /// Asks whether the token holds, and which Page it is.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says.
    pub async fn connect(&self) -> Result<Account, Failure> {
        let query = [("fields", "id,name".to_owned())];
        let page: Page = self.get(&self.settings.page, &query).await.map_err(Trouble::when_reading)?;
        let id = AccountId::new(Network::Facebook, page.id);
        Ok(Account { id, handle: page.name, bot: true })
    }

    /// Nothing is heard here.
    ///
    /// # Errors
    ///
    /// Never.
    pub async fn fetch(&self, _: Option<&str>) -> Result<Batch, Failure> {
        Ok(Batch::default())
    }

    /// Returns after a long while.
    pub async fn wait(&self) {
        tokio::time::sleep(WAIT).await;
    }

    /// Posts a letter, or deletes an earlier one.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says. Sending the same letter again makes a second post.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Place, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => self.delete(post).await,
            Content::Post { visibility, .. } if *visibility != Visibility::Public => {
                Err(Failure::Refused(Refusal::NotPrivate))
            }
            Content::Post { .. } if outgoing.reply_to.is_some() => {
                Err(Failure::Refused(Refusal::Unreachable))
            }
            Content::Post { text, .. } => self.post(text.reveal(), outgoing.letter.made_at).await,
        }
    }

    /// Finds a letter by its text; for a deletion, finds out whether the post is gone.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says.
    pub async fn look(&self, outgoing: &Outgoing) -> Result<Option<Place>, Failure> {
        match &outgoing.letter.content {
            Content::Delete { post } => {
                let query = [("fields", "id".to_owned())];
                match self.get::<Made>(id_of(post)?, &query).await {
                    Ok(_) => Ok(None),
                    Err(trouble) if trouble.is_gone() => Ok(Some(place(&post.id))),
                    Err(trouble) => Err(trouble.when_reading()),
                }
            }
            Content::Post { text, .. } => self.find(text.reveal(), outgoing.letter.made_at).await,
        }
    }

    /// Tries what can be tried without posting.
    pub async fn check(&self) -> Report {
        let mut report = Report { network: Network::Facebook, account: None, findings: Vec::new() };
        match self.connect().await {
            Ok(page) => {
                report.findings.push(Finding::good("log-in", "the token opens the Page"));
                report.account = Some(page.handle).filter(|name| !name.is_empty());
            }
            Err(failure) => {
                report.findings.push(bad("log-in", &failure));
                return report;
            }
        }
        report.findings.push(match self.feed(clock::now(), None).await {
            Ok(_) => Finding::good("reading", "the Page's posts can be read; none was written to try it"),
            Err(trouble) => bad("reading", &trouble.when_reading()),
        });
        report
    }

    async fn post(&self, text: &str, made_at: Timestamp) -> Result<Place, Failure> {
        let path = format!("{}/feed", self.settings.page);
        let request = self.request(Method::POST, &path).json(&json!({"message": text}));
        match self.call::<Made>(request).await {
            Ok(made) if is_id(&made.id) => Ok(place(&made.id)),
            Ok(_) => Err(Failure::Unsure("the network did not say where the post is")),
            // The text holds the question's code, so that only an earlier try can be what it repeats.
            Err(trouble) if trouble.code() == Some(506) => {
                self.find(text, made_at).await?.ok_or(Failure::Refused(Refusal::Rejected))
            }
            Err(trouble) => Err(trouble.when_posting()),
        }
    }

    async fn delete(&self, post: &PostId) -> Result<Place, Failure> {
        let request = self.request(Method::DELETE, id_of(post)?);
        match self.call::<IgnoredAny>(request).await {
            Ok(_) => Ok(place(&post.id)),
            Err(trouble) if trouble.is_gone() => Ok(place(&post.id)),
            // However it ended, deleting once more does no harm.
            Err(trouble) => Err(trouble.when_reading()),
        }
    }

    /// The post with this text, made about this time or later.
    async fn find(&self, text: &str, made_at: Timestamp) -> Result<Option<Place>, Failure> {
        let since = made_at.checked_sub(CLOCKS_APART).unwrap_or(Timestamp::MIN);
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let feed = self.feed(since, after.as_deref()).await.map_err(Trouble::when_reading)?;
            let same = |entry: &&Entry| {
                entry.message.as_deref().is_some_and(|message| words(message).eq(words(text)))
            };
            if let Some(entry) = feed.data.iter().filter(|entry| is_id(&entry.id)).find(same) {
                return Ok(Some(place(&entry.id)));
            }
            match feed.paging {
                Paging { next: Some(_), cursors: Cursors { after: Some(cursor) } } => after = Some(cursor),
                Paging { .. } => return Ok(None),
            }
        }
        // Nobody knows what lies further back, and a second post would be worse than none.
        Err(Failure::Refused(Refusal::Rejected))
    }

    async fn feed(&self, since: Timestamp, after: Option<&str>) -> Result<Feed, Trouble> {
        let mut query = vec![
            ("fields", "id,message".to_owned()),
            ("limit", PAGE.to_string()),
            ("since", since.as_second().to_string()),
        ];
        query.extend(after.map(|after| ("after", after.to_owned())));
        self.get(&format!("{}/feed", self.settings.page), &query).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Trouble> {
        self.call(self.request(Method::GET, path).query(query)).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let address = format!("{}/{VERSION}/{path}", self.settings.service);
        self.http.request(method, address).bearer_auth(self.settings.token.expose_secret())
    }

    async fn call<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Trouble> {
        let answer = http::ask(request).await.map_err(Trouble::Silent)?;
        // An error may come with any status.
        if let Some(Wrong { error }) = answer.json::<Wrong>() {
            return Err(Trouble::Said { error, wait: answer.wait });
        }
        let Answer { status, wait, .. } = answer;
        let result = (200..300).contains(&status).then(|| answer.json()).flatten();
        result.ok_or(Trouble::Odd { status, wait })
    }
}

impl Trouble {
    fn code(&self) -> Option<i64> {
        match self {
            Trouble::Said { error, .. } => Some(error.code),
            Trouble::Silent(_) | Trouble::Odd { .. } => None,
        }
    }

    /// Whether what was asked for is not there.
    fn is_gone(&self) -> bool {
        match self {
            Trouble::Said { error, .. } => {
                matches!((error.code, error.error_subcode), (100, 33) | (33 | 803, _))
            }
            Trouble::Odd { status, .. } => *status == 404,
            Trouble::Silent(_) => false,
        }
    }

    /// What it means for a call that changes nothing, or that may be repeated.
    fn when_reading(self) -> Failure {
        let failure = self.when_posting();
        if let Failure::Unsure(why) = failure { Failure::Transient(why) } else { failure }
    }

    /// What it means for a call that makes a post.
    fn when_posting(self) -> Failure {
        match self {
            Trouble::Silent(Silence::NotAnAddress | Silence::NotSent) => {
                Failure::Transient("there is no connection")
            }
            Trouble::Silent(Silence::Lost | Silence::TooLarge) => Failure::Unsure("the answer was lost"),
            Trouble::Said { error, wait } => said(error, wait),
            Trouble::Odd { status: 429, wait } => Failure::Later { after: wait.unwrap_or(LIMIT_WAIT) },
            Trouble::Odd { status: 300..=499, .. } => Failure::Transient("the answer is not the API's"),
            Trouble::Odd { .. } => Failure::Unsure("the answer is not the API's"),
        }
    }
}

/// What an error of the Graph API means. The numbers are in its documentation.
fn said(error: Error, wait: Option<Duration>) -> Failure {
    match error.code {
        102 | 190 => Failure::AccountDead("the token is not valid any more; make a new one for the Page"),
        10 | 200..=299 => Failure::AccountDead(
            "the token may not do this; it needs pages_manage_posts and pages_read_engagement",
        ),
        4 | 17 | 32 | 341 | 368 | 613 => Failure::Later { after: wait.unwrap_or(LIMIT_WAIT) },
        1 | 2 => Failure::Unsure("the network is out of order"),
        _ if error.is_transient => Failure::Unsure("the network is out of order"),
        _ => Failure::Refused(Refusal::Rejected),
    }
}

fn place(id: &str) -> Place {
    Place::top(Network::Facebook, Anchor::new(id))
}

/// The id of a post, if it can be part of an address.
fn id_of(post: &PostId) -> Result<&str, Failure> {
    if is_id(&post.id) { Ok(&post.id) } else { Err(Failure::Refused(Refusal::Unreachable)) }
}

/// Whether this can be the id of a post or a Page: what cannot must not become part of an address.
pub fn is_id(id: &str) -> bool {
    let plain = |sign: u8| sign.is_ascii_digit() || sign == b'_';
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(plain)
}

/// What two texts must share to be the same: networks change blanks and the ends of lines.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

fn bad(what: &'static str, failure: &Failure) -> Finding {
    let mend = match failure {
        Failure::AccountDead(_) | Failure::Refused(_) => {
            "see that `facebook_page` is the Page's number, and make a new token of the Page with pages_manage_posts and pages_read_engagement"
        }
        Failure::Later { .. } | Failure::Transient(_) | Failure::Unsure(_) => "try again in a while",
    };
    Finding { what, ok: false, found: failure.to_string(), mend: Some(mend.to_owned()) }
}
