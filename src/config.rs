//! `bot.toml`: what a coordinator writes, checked and ready to use.
//!
//! Reading has two halves. [`parse`] is pure: text in, a [`Config`] and every fault out, all at once.
//! [`load`] adds the file system. Secrets are never in the file; the file says where they are, and
//! [`secrets`] fetches them when a network is about to be used.
//!
//! **Invariant:** nothing here prints or quotes a line of the file, which may hold a secret by
//! mistake, and a [`Config`] exists only where there was no error.

use std::io::Read;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use crate::desk::{Network, Settings};
use crate::fault::{Fault, Severity};

mod behaviour;
pub mod bluesky;
mod duration;
pub mod mastodon;
mod outlets;
mod reader;
pub mod rules_dir;
pub mod secrets;
pub mod x;

use behaviour::Folders;
use bluesky::Bluesky;
use mastodon::Mastodon;
pub use outlets::{Atom, Facebook};
use reader::{Faults, Sections};

/// The file that `stumper` reads when it is told no other.
pub const FILE_NAME: &str = "bot.toml";

/// The largest file that is read: a hundred times what anybody needs.
const FILE_BYTES_MAX: u64 = 1 << 20;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Every section and its keys, in the order of the shipped file. What is not here is unknown.
const KEYS: &[(&str, &[&str])] = &[
    ("desk", &["name", "contact", "language", "time_zone", "holidays", "rules", "data"]),
    (
        "routing",
        &[
            "sure_from_percent",
            "policy",
            "claim_chance_percent",
            "claim_within",
            "invite_at_most",
            "invitations_per_day",
            "invite_at_once",
            "ask_next_after",
            "give_up_after",
            "remind_after",
            "release_after",
            "interview_for",
            "close_after",
            "default_limit",
        ],
    ),
    ("library", &["id", "name", "head_start", "holidays"]),
    ("privacy", &["keep_for", "learn_from_questions"]),
    ("limits", &["replies_per_person_hour", "letters_per_question_hour", "mentions_max"]),
    ("outlets", outlets::KEYS),
    ("web", &["listen"]),
    ("network.sandbox", &["enabled"]),
    ("network.mastodon", &["enabled", "server", "streaming", "poll", "token_env", "token_file", "hashtags"]),
    (
        "network.bluesky",
        &[
            "enabled",
            "service",
            "identifier",
            "poll",
            "password_env",
            "password_file",
            "chat_service",
            "hashtags",
        ],
    ),
    (
        "network.x",
        &[
            "enabled",
            "service",
            "log_in",
            "client_id",
            "redirect",
            "poll",
            "poll_messages",
            "field_names",
            "ask_for_authors",
            "secrets_env",
            "secrets_file",
        ],
    ),
    (
        "network.budget",
        &[
            "monthly_dollars",
            "price_read_post",
            "price_read_message",
            "price_read_user",
            "price_post",
            "price_post_with_address",
            "price_message",
            "price_other",
        ],
    ),
];

/// Everything the desk needs to know to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How the desk behaves. The accounts are empty until the networks were asked for them.
    pub settings: Settings,
    /// The folder of rule files.
    pub rules: PathBuf,
    /// The folder where the desk remembers.
    pub data: PathBuf,
    /// Where the desk's page listens: an address of this computer only.
    pub listen: SocketAddr,
    /// Whether the built-in network in the browser is in use.
    pub sandbox: bool,
    /// The account on Bluesky, where it is in use.
    pub bluesky: Option<Bluesky>,
    /// The Facebook Page on which questions are published, where there is one.
    pub facebook: Option<Facebook>,
    /// The feed of published questions, where there is one.
    pub atom: Option<Atom>,
    /// The account on X, where it is in use.
    pub x: Option<x::X>,
    /// The account on a server of the Mastodon API, where it is in use.
    pub mastodon: Option<Mastodon>,
}

/// Where a password is to be found. Tried in the order of the fields, then the systemd credential.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Password {
    /// The name of an environment variable.
    pub env: Option<(String, Range<usize>)>,
    /// A file that holds the password and nothing else.
    pub file: Option<(PathBuf, Range<usize>)>,
    /// The network's section in `bot.toml`, for faults about it as a whole.
    pub section: Option<Range<usize>>,
}

/// What reading `bot.toml` came to.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `None` where a fault is an error.
    pub config: Option<Config>,
    pub faults: Vec<Fault>,
    /// The file's text, for finding the lines of faults. Not to be shown.
    pub text: String,
}

/// Reads and checks the file at `path`. Folders in it are meant relative to the folder it is in.
pub fn load(path: &Path) -> Loaded {
    let file = path.display().to_string();
    let text = match read_text(path) {
        Ok(text) => text,
        Err((what, hint)) => {
            let fault = Fault { file, span: None, severity: Severity::Error, what, hint };
            return Loaded { config: None, faults: vec![fault], text: String::new() };
        }
    };
    let (config, faults) = parse(&file, &text);
    let home = path.parent().unwrap_or(Path::new(""));
    let config = config.map(|config| Config {
        rules: home.join(config.rules),
        data: home.join(config.data),
        bluesky: config.bluesky.map(|bluesky| Bluesky { password: bluesky.password.below(home), ..bluesky }),
        facebook: config.facebook.map(|page| Facebook { token: page.token.below(home), ..page }),
        atom: config.atom.map(|atom| Atom { file: home.join(atom.file), ..atom }),
        x: config.x.map(|x| x::X { secrets: x.secrets.below(home), ..x }),
        mastodon: config.mastodon.map(|mastodon| Mastodon { token: mastodon.token.below(home), ..mastodon }),
        ..config
    });
    Loaded { config, faults, text }
}

/// Checks the text of a `bot.toml`. `file` is its name as the user knows it.
pub fn parse(file: &str, text: &str) -> (Option<Config>, Vec<Fault>) {
    let (table, syntax) = toml::de::DeTable::parse_recoverable(text);
    let mut faults = Faults::new(file);
    let config = read_config(table.get_ref(), &mut faults);
    let mut faults = faults.into_list();
    // What was recovered from a broken line is a guess: only the syntax of that line is to be shown.
    let broken: Vec<usize> =
        syntax.iter().filter_map(|error| Some(line_of(text, error.span()?.start))).collect();
    faults.retain(|fault| match &fault.span {
        Some(span) => !broken.contains(&line_of(text, span.start)),
        None => true,
    });
    faults.extend(syntax.iter().map(|error| Fault {
        file: file.to_owned(),
        span: error.span(),
        severity: Severity::Error,
        what: format!("this is not valid TOML: {}", error.message()),
        hint: Some("write text as `key = \"value\"` and start each section with `[name]`".to_owned()),
    }));
    faults.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
    let usable = faults.iter().all(|fault| fault.severity < Severity::Error);
    (config.filter(|_| usable), faults)
}

/// Reads a length of time as `bot.toml` has it, such as `3d`, for arguments on the command line.
///
/// # Errors
///
/// What is wrong with it, in words for the user.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    duration::parse(text).map_err(|why| format!("{why}; {}", duration::HINT))
}

impl Password {
    /// Makes a relative path mean one below `home`.
    fn below(self, home: &Path) -> Password {
        Password { file: self.file.map(|(path, span)| (home.join(path), span)), ..self }
    }
}

fn read_text(path: &Path) -> Result<String, (String, Option<String>)> {
    let unreadable = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let hint =
                "name the right one with `--config FILE`, or copy the `bot.toml` that ships with Stumper";
            return ("there is no such file".to_owned(), Some(hint.to_owned()));
        }
        if error.kind() == std::io::ErrorKind::IsADirectory {
            let hint = "name the file in it, such as `--config FOLDER/bot.toml`";
            return ("this is a folder, not a file".to_owned(), Some(hint.to_owned()));
        }
        let hint = "let the user that runs Stumper read it, for example with `chmod u+r`";
        (format!("the file cannot be read: {}", error.kind()), Some(hint.to_owned()))
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err((
            "the file is larger than 1 MiB".to_owned(),
            Some("check that this is the right file".to_owned()),
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| ("the file is not UTF-8 text".to_owned(), Some("save it as UTF-8".to_owned())))
}

/// The line a byte offset is on, counted from 0.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn read_config(table: &toml::de::DeTable<'_>, faults: &mut Faults) -> Option<Config> {
    let sections = Sections::new(table, KEYS, faults);
    let mut settings = Settings::default();
    let Folders { rules, data } = behaviour::read(&sections, &mut settings, faults);
    let listen = read_web(&sections, faults);
    let sandbox = {
        let mut section = sections.open("network.sandbox");
        let enabled = section.flag("enabled", faults).unwrap_or(false);
        section.close(faults);
        enabled
    };
    let bluesky = bluesky::read(&sections, faults);
    let x = x::read(&sections, faults);
    let mastodon = mastodon::read(&sections, faults);
    let in_use = |network| match network {
        Network::Sandbox => sandbox,
        Network::Bluesky => bluesky.is_some(),
        Network::Mastodon => mastodon.is_some(),
        Network::X | Network::Facebook => false,
    };
    let (facebook, atom) = outlets::read(&sections, &mut settings, in_use, faults);
    if !sandbox && bluesky.is_none() && mastodon.is_none() && x.is_none() && faults.is_empty() {
        faults.add(
            None,
            "no network is in use, so nobody could reach the desk",
            "set `enabled = true` in `[network.sandbox]` to try the desk in the browser",
        );
    }
    Some(Config { settings, rules, data, listen: listen?, sandbox, bluesky, mastodon, x, facebook, atom })
}

/// Whether this looks like a BCP 47 tag: a language of two or three letters, then subtags.
pub(crate) fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

fn read_web(sections: &Sections<'_>, faults: &mut Faults) -> Option<SocketAddr> {
    let mut section = sections.open("web");
    let written = section.text("listen", faults);
    section.close(faults);
    let Some((listen, span)) = written else { return Some(SocketAddr::from(([127, 0, 0, 1], 7365))) };
    let Ok(address) = listen.parse::<SocketAddr>() else {
        faults.add(
            Some(span),
            "this is not an address with a port",
            "write one such as \"127.0.0.1:7365\" or \"[::1]:7365\"",
        );
        return None;
    };
    if !address.ip().is_loopback() {
        faults.add(
            Some(span),
            "the page would be open to other computers, and it has no log-in yet",
            "listen on 127.0.0.1 or [::1]; from elsewhere, reach it through an SSH tunnel",
        );
        return None;
    }
    Some(address)
}

/// The hashtags to which the desk listens on a network.
fn hashtags(section: &mut reader::Section<'_>, faults: &mut Faults) -> Vec<String> {
    let mut hashtags = Vec::new();
    for (tag, span) in section.text_list("hashtags", faults) {
        match outlets::hashtag(&tag) {
            Some(tag) => hashtags.push(tag),
            None => faults.add(Some(span), outlets::NO_HASHTAG, outlets::NO_HASHTAG_HINT),
        }
    }
    hashtags
}

/// Whether this is `https://` and a host; plain `http://` only to this computer, for trials.
fn is_service_address(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else { return false };
    let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => bare,
        ("http", Some("127.0.0.1" | "localhost" | "[::1]")) => bare,
        _ => false,
    }
}
