//! What the desk must know to use an account on X.
//!
//! **Invariant:** plain values only; secrets and where they are kept are never printed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::networks::x::{App, Keys, Prices};

/// Where X's API is, and the page on which a coordinator allows the desk to act for its account.
pub const SERVICE: &str = "https://api.x.com";
pub const ALLOW_PAGE: &str = "https://x.com/i/oauth2/authorize";

/// How often the desk looks for mentions and for direct messages unless told otherwise. X allows 300
/// and 15 requests in 15 minutes.
pub const POLL: Duration = Duration::from_secs(60);
pub const POLL_MESSAGES: Duration = Duration::from_secs(120);

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
