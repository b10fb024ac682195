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
use std::time::Duration;

use jiff::SignedDuration;

use crate::desk::commands::hours;
use crate::desk::{Library, Network, Policy, Settings};
use crate::fault::{Fault, Severity};

mod duration;
mod outlets;
mod reader;
pub mod rules_dir;
pub mod secrets;
pub mod x;

pub use outlets::{Atom, Facebook};
use reader::{Faults, Sections};

/// The file that `stumper` reads when it is told no other.
pub const FILE_NAME: &str = "bot.toml";

/// The largest file that is read: a hundred times what anybody needs.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How often Bluesky is asked for news unless the file says otherwise. A mention waits half of that on
/// average, and the network allows 3,000 requests in 5 minutes.
const POLL: SignedDuration = SignedDuration::from_secs(20);

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Every section and its keys, in the order of the shipped file. What is not here is unknown.
const KEYS: &[(&str, &[&str])] = &[
    ("desk", &["name", "contact", "language", "time_zone", "rules", "data"]),
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
    ("library", &["id", "name", "head_start"]),
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

/// The desk's account on Mastodon, or on another server that speaks its API.
#[derive(Clone, Debug, PartialEq)]
pub struct Mastodon {
    /// The address of the server, such as `https://lib.example`.
    pub server: String,
    /// Where the server tells news at once, where it names a wrong address itself.
    pub streaming: Option<String>,
    pub token: Password,
    /// How often it is looked for mentions and replies while the server does not tell of them.
    pub poll: Duration,
    /// Hashtags, without `#`, whose public posts the desk overhears.
    pub hashtags: Vec<String>,
}

/// The desk's account on Bluesky, or on another service that speaks the AT Protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Bluesky {
    /// The address of the service, such as `https://bsky.social`.
    pub service: String,
    /// The handle or DID to log in with, without `@`.
    pub identifier: String,
    pub password: Password,
    /// How often it is looked for mentions and replies.
    pub poll: Duration,
    /// The service of direct messages, where it is not the usual one.
    pub chat_service: Option<String>,
    /// Hashtags, without `#`, whose public posts the desk overhears.
    pub hashtags: Vec<String>,
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
    let (rules, data) = read_desk(&sections, &mut settings, faults);
    read_routing(&sections, &mut settings, faults);
    settings.libraries = read_libraries(&sections, faults);
    read_privacy(&sections, &mut settings, faults);
    read_limits(&sections, &mut settings, faults);
    let listen = read_web(&sections, faults);
    let sandbox = {
        let mut section = sections.open("network.sandbox");
        let enabled = section.flag("enabled", faults).unwrap_or(false);
        section.close(faults);
        enabled
    };
    let bluesky = read_bluesky(&sections, faults);
    let x = x::read(&sections, faults);
    let mastodon = read_mastodon(&sections, faults);
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

fn read_desk(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) -> (PathBuf, PathBuf) {
    let mut section = sections.open("desk");
    if let Some((name, span)) = section.text("name", faults) {
        if name.trim().is_empty() || name.contains('@') || name.chars().count() > NAME_CHARS_MAX {
            faults.add(
                Some(span),
                "this cannot be the desk's name",
                "use one to 60 characters without `@`, such as \"the reference desk\"",
            );
        }
        settings.name = name.trim().to_owned();
    }
    if let Some((contact, _)) = section.text("contact", faults) {
        settings.contact = Some(contact.trim().to_owned()).filter(|contact| !contact.is_empty());
    }
    if let Some((language, span)) = section.text("language", faults) {
        if !is_language_tag(&language) {
            faults.add(Some(span), "this is not a language tag", "write one such as `en`, `de` or `pt-BR`");
        }
        settings.language = language;
    }
    if let Some((name, span)) = section.text("time_zone", faults) {
        match hours::zone_named(&name) {
            Some(zone) => settings.time_zone = zone,
            None => faults.add(
                Some(span),
                "there is no such time zone",
                "write one such as `Europe/Berlin`, `America/New_York` or `UTC`",
            ),
        }
    }
    let mut folder = |key: &'static str, default: &str, faults: &mut Faults| match section.text(key, faults) {
        Some((path, span)) if path.trim().is_empty() => {
            faults.add(Some(span), "this folder has no name", &format!("write one such as \"{default}\""));
            PathBuf::from(default)
        }
        Some((path, _)) => PathBuf::from(path),
        None => PathBuf::from(default),
    };
    let (rules, data) = (folder("rules", "rules", faults), folder("data", "data", faults));
    section.close(faults);
    (rules, data)
}

/// The longest name a desk can have: it must leave room in a post.
const NAME_CHARS_MAX: usize = 60;

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

fn read_routing(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) {
    let mut section = sections.open("routing");
    let sure = section.count("sure_from_percent", 0..=100, usize::from(settings.sure_from_percent), faults);
    settings.sure_from_percent = u8::try_from(sure).unwrap_or(settings.sure_from_percent);
    if let Some((policy, span)) = section.text("policy", faults) {
        match Policy::named(&policy) {
            Some(policy) => settings.policy = policy,
            None => faults.add(
                Some(span),
                "there is no such way to invite librarians",
                "write `waves`, `broadcast`, `one_at_a_time` or `round_robin`",
            ),
        }
    }
    let chance = usize::from(settings.claim_chance_percent);
    let chance = section.count("claim_chance_percent", 1..=99, chance, faults);
    settings.claim_chance_percent = u8::try_from(chance).unwrap_or(settings.claim_chance_percent);
    settings.claim_within = section.duration("claim_within", MINUTE * 2..=DAY, settings.claim_within, faults);
    settings.invite_at_most = section.count("invite_at_most", 1..=100, settings.invite_at_most, faults);
    let daily = section.count("invitations_per_day", 1..=100, settings.invitations_per_day as usize, faults);
    settings.invitations_per_day = u32::try_from(daily).unwrap_or(settings.invitations_per_day);
    settings.invite_at_once = section.count("invite_at_once", 1..=20, settings.invite_at_once, faults);
    let ask_next = section.span("ask_next_after");
    settings.ask_next_after =
        section.duration("ask_next_after", MINUTE..=DAY * 7, settings.ask_next_after, faults);
    settings.give_up_after =
        section.duration("give_up_after", MINUTE * 2..=DAY * 365, settings.give_up_after, faults);
    settings.remind_after =
        section.duration("remind_after", MINUTE..=DAY * 90, settings.remind_after, faults);
    settings.release_after =
        section.duration("release_after", MINUTE..=DAY * 90, settings.release_after, faults);
    settings.interview_for =
        section.duration("interview_for", HOUR..=DAY * 90, settings.interview_for, faults);
    settings.close_after = section.duration("close_after", HOUR..=DAY * 90, settings.close_after, faults);
    let limit = section.count("default_limit", 1..=100, settings.default_limit as usize, faults);
    settings.default_limit = u32::try_from(limit).unwrap_or(settings.default_limit);
    if faults.is_empty() && settings.ask_next_after >= settings.give_up_after {
        faults.add(
            ask_next,
            "`ask_next_after` is not shorter than `give_up_after`, so only the first librarians would ever be asked",
            "make `ask_next_after` shorter or `give_up_after` longer",
        );
    }
    section.close(faults);
}

/// The libraries that share the desk: one `[[library]]` for each.
fn read_libraries(sections: &Sections<'_>, faults: &mut Faults) -> Vec<Library> {
    let mut libraries: Vec<Library> = Vec::new();
    for mut section in sections.each("library") {
        let id = section.text("id", faults).map(|(id, _)| id.trim().to_owned()).unwrap_or_default();
        let name = section.text("name", faults).map(|(name, _)| name.trim().to_owned());
        let head_start = section.duration("head_start", MINUTE..=DAY * 7, HOUR, faults);
        let whole = section.whole();
        section.close(faults);
        let is_known = libraries.iter().any(|library| library.id == id);
        if id.is_empty() || is_known || id.eq_ignore_ascii_case("none") {
            let hint = "write `id = \"springfield\"`, another one for each library";
            faults.add(whole, "this library has no id of its own", hint);
            continue;
        }
        libraries.push(Library { name: name.unwrap_or_else(|| id.clone()), id, head_start });
    }
    libraries
}

fn read_privacy(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) {
    let mut section = sections.open("privacy");
    settings.keep_for = section.duration("keep_for", HOUR..=DAY * 3_650, settings.keep_for, faults);
    settings.learn_from_questions =
        section.flag("learn_from_questions", faults).unwrap_or(settings.learn_from_questions);
    section.close(faults);
}

fn read_limits(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) {
    let mut section = sections.open("limits");
    let replies = settings.replies_per_person_hour;
    settings.replies_per_person_hour = section.count("replies_per_person_hour", 1..=1_000, replies, faults);
    let letters = settings.letters_per_question_hour;
    settings.letters_per_question_hour =
        section.count("letters_per_question_hour", 5..=1_000, letters, faults);
    settings.mentions_max = section.count("mentions_max", 0..=50, settings.mentions_max, faults);
    section.close(faults);
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

fn read_bluesky(sections: &Sections<'_>, faults: &mut Faults) -> Option<Bluesky> {
    let mut section = sections.open("network.bluesky");
    let enabled = section.flag("enabled", faults).unwrap_or(false);
    let service = section.text("service", faults);
    let identifier = section.text("identifier", faults);
    let env = section.text("password_env", faults);
    let file = section.text("password_file", faults);
    let poll = section.duration("poll", SECOND..=HOUR, POLL, faults);
    let chat_service = section.text("chat_service", faults);
    let hashtags = hashtags(&mut section, faults);
    let whole = section.whole();
    section.close(faults);
    if !enabled {
        return None;
    }
    let (chat_service, chat_span) = chat_service.unzip();
    let is_service = |name: &String| name.starts_with("did:") && name.contains('#');
    if chat_service.as_ref().is_some_and(|name| !is_service(name)) {
        faults.add(
            chat_span,
            "this is not the name of a service",
            "write one such as \"did:web:api.bsky.chat#bsky_chat\", or leave it out",
        );
    }
    let (service, service_span) = service.unzip();
    let service = service.unwrap_or_else(|| "https://bsky.social".to_owned());
    if !is_service_address(&service) {
        faults.add(
            service_span,
            "this is not the address of a service",
            "write one such as \"https://bsky.social\"",
        );
    }
    let (identifier, identifier_span) = identifier.unzip();
    let identifier =
        identifier.map(|name| name.trim().trim_start_matches('@').to_owned()).unwrap_or_default();
    if identifier.is_empty() {
        faults.add(
            identifier_span.or(whole.clone()),
            "Bluesky is enabled but the account is not named",
            "add `identifier = \"desk.example.org\"` with the account's handle",
        );
    }
    let file = file.map(|(path, span)| (PathBuf::from(path), span));
    let password = Password { env, file, section: whole };
    let service = service.trim_end_matches('/').to_owned();
    Some(Bluesky { service, identifier, password, poll: poll.unsigned_abs(), chat_service, hashtags })
}

/// How often a server of the Mastodon API is asked while it does not tell of news by itself: a twelfth
/// of what Mastodon allows.
const MASTODON_POLL: SignedDuration = SignedDuration::from_secs(5);

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

fn read_mastodon(sections: &Sections<'_>, faults: &mut Faults) -> Option<Mastodon> {
    let mut section = sections.open("network.mastodon");
    let enabled = section.flag("enabled", faults).unwrap_or(false);
    let server = section.text("server", faults);
    let streaming = section.text("streaming", faults);
    let env = section.text("token_env", faults);
    let file = section.text("token_file", faults);
    let poll = section.duration("poll", SECOND * 2..=HOUR, MASTODON_POLL, faults);
    let hashtags = hashtags(&mut section, faults);
    let whole = section.whole();
    section.close(faults);
    if !enabled {
        return None;
    }
    let (server, server_span) = server.unzip();
    let server = server.unwrap_or_default();
    if server.is_empty() {
        faults.add(
            server_span.or(whole.clone()),
            "Mastodon is enabled but the server is not named",
            "add `server = \"https://lib.example\"` with the server where the desk has its account",
        );
    } else if !is_service_address(&server) {
        faults.add(
            server_span,
            "this is not the address of a server",
            "write one such as \"https://lib.example\"",
        );
    }
    if let Some((address, span)) = &streaming
        && !is_streaming_address(address)
    {
        faults.add(
            Some(span.clone()),
            "this is not an address for streaming",
            "write one such as \"wss://streaming.lib.example\", or leave it out",
        );
    }
    let file = file.map(|(path, span)| (PathBuf::from(path), span));
    let token = Password { env, file, section: whole };
    let server = server.trim_end_matches('/').to_owned();
    let streaming = streaming.map(|(address, _)| address);
    Some(Mastodon { server, streaming, token, poll: poll.unsigned_abs(), hashtags })
}

/// Whether this is `wss://` and a host; plain `ws://` only to this computer.
fn is_streaming_address(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else { return false };
    match (url.scheme(), url.host_str()) {
        ("wss", Some(_)) => url.username().is_empty() && url.query().is_none(),
        ("ws", Some("127.0.0.1" | "localhost" | "[::1]")) => url.query().is_none(),
        _ => false,
    }
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
