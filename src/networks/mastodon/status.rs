//! Notifications and statuses as servers write them, read into posts.
//!
//! **Invariant:** each item is read for itself: one that is broken is counted, and hides no other.
//! Unknown fields and unknown kinds are fine; a visibility that is not known is taken for the narrowest.

use jiff::Timestamp;
use serde_json::Value;

use crate::desk::{Account, AccountId, Anchor, Confidential, Network, Place, Post, PostId, Visibility};
use crate::networks::is_language_tag;
use crate::networks::mastodon::html::{self, Names};

/// The longest identifier, address or handle that is read.
const NAME_BYTES_MAX: usize = 2_000;

/// The longest HTML of one post that is read. Servers allow a tenth of it at most.
const HTML_BYTES_MAX: usize = 1 << 20;

/// How many mentions of one post are looked at.
const MENTIONS_MAX: usize = 200;

/// The longest warning that is read, in bytes.
const WARNING_BYTES_MAX: usize = 2_000;

/// The desk's own account, as its server knows it.
#[derive(Clone, PartialEq)]
pub(super) struct Me {
    /// The server's own id for it.
    pub(super) id: String,
    pub(super) account: Account,
    /// What follows the `@` in the handles of the server's own accounts.
    pub(super) domain: String,
}

/// What a notification holds for the desk.
#[derive(Debug)]
pub(super) enum Content {
    Post(Box<Post>),
    /// The desk's own post, a like, a follow: nothing to read.
    Nothing,
    Unreadable,
}

/// One notification.
#[derive(Debug)]
pub(super) struct Item {
    /// `None` where it has none that can be read.
    pub(super) id: Option<String>,
    pub(super) content: Content,
    /// The author, as the server and as the desk know them.
    pub(super) author: Option<(AccountId, String)>,
}

impl Me {
    /// Reads what `verify_credentials` answers.
    pub(super) fn read(account: &Value, domain: Option<&str>, server: &str) -> Option<Me> {
        let id = text(account, "id")?.to_owned();
        let host = || server.split("://").nth(1)?.split(['/', ':']).next().map(str::to_lowercase);
        let domain = domain.map(str::to_owned).or_else(host)?;
        let mut account = author(account, &domain)?;
        // The desk is automated, whether or not its profile says so.
        account.bot = true;
        Some(Me { id, account, domain })
    }
}

/// Reads one notification.
pub(super) fn item(notification: &Value, me: &Me, now: Timestamp) -> Item {
    let id = text(notification, "id").map(str::to_owned);
    let kind = text(notification, "type").unwrap_or_default();
    if !matches!(kind, "mention" | "quote") {
        let content = if kind.is_empty() { Content::Unreadable } else { Content::Nothing };
        return Item { id, content, author: None };
    }
    let Some(status) = notification.get("status").filter(|status| status.is_object()) else {
        return Item { id, content: Content::Unreadable, author: None };
    };
    // By the clock of the desk's own server, where an author's server may have another.
    let seen_at = time(notification, "created_at").or_else(|| time(status, "created_at")).unwrap_or(now);
    let read = post(status, me, seen_at.min(now));
    let author = read
        .as_ref()
        .and_then(|post| Some((post.author.id.clone(), text(status.get("account")?, "id")?.to_owned())));
    let content = match read {
        None => Content::Unreadable,
        Some(post) if post.author.id == me.account.id => Content::Nothing,
        Some(post) => Content::Post(Box::new(post)),
    };
    Item { id, content, author }
}

/// Reads a status as a post for the desk. `None` where something is missing or of the wrong kind.
pub(super) fn post(status: &Value, me: &Me, seen_at: Timestamp) -> Option<Post> {
    let id = text(status, "id")?;
    let author = author(status.get("account")?, &me.domain)?;
    let visibility = visibility(status);
    let mentioned = mentioned(status, &me.domain);
    let has_quote = status.get("quote").is_some_and(|quote| !quote.is_null());
    let html = status.get("content").map_or(Some(""), Value::as_str)?;
    if html.len() > HTML_BYTES_MAX {
        return None;
    }
    let plain = html::plain(html, &Known { mentioned: &mentioned, me }, has_quote);
    let said = without_address(&plain, me);
    let body_names_desk = said.contains(&format!("@{}", me.account.handle));
    let warning = status.get("spoiler_text").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let warning = warning.get(..warning.floor_char_boundary(WARNING_BYTES_MAX)).unwrap_or_default();
    // Some write everything into the warning.
    let (said, warning) = if said.is_empty() { (warning, "") } else { (said, warning) };
    let in_reply_to = text(status, "in_reply_to_id");
    let below_desk = in_reply_to.is_some() && text(status, "in_reply_to_account_id") == Some(me.id.as_str());
    let names_desk = mentioned.iter().any(|account| account.id == me.account.id);
    let mut mentions: Vec<Account> = Vec::new();
    for account in mentioned {
        let is_known = mentions.iter().any(|known| known.id == account.id);
        if account.id != me.account.id && account.id != author.id && !is_known {
            mentions.push(account);
        }
    }
    Some(Post {
        place: Place::top(Network::Mastodon, Anchor::new(id)),
        author,
        text: Confidential::new(said),
        warning: Some(warning).filter(|warning| !warning.is_empty()).map(Confidential::new),
        // Whoever replies to a post of the desk mentions it without meaning to.
        addressed: visibility == Visibility::Direct || body_names_desk || (names_desk && !below_desk),
        mentions,
        visibility,
        in_reply_to: in_reply_to.map(|id| PostId::new(Network::Mastodon, id)),
        language: text(status, "language").filter(|tag| is_language_tag(tag)).map(str::to_owned),
        seen_at,
    })
}

/// The text of a status, for finding the desk's own letters again.
pub(super) fn whole_text(status: &Value, me: &Me) -> Option<String> {
    let html = status.get("content")?.as_str().filter(|html| html.len() <= HTML_BYTES_MAX)?;
    let mentioned = mentioned(status, &me.domain);
    Some(html::plain(html, &Known { mentioned: &mentioned, me }, false).text)
}

/// Who can see a status.
pub(super) fn visibility(status: &Value) -> Visibility {
    match text(status, "visibility") {
        Some("public") => Visibility::Public,
        Some("unlisted") => Visibility::Unlisted,
        // `local` is what everybody on one server can see.
        Some("private" | "local") => Visibility::Followers,
        Some(_) | None => Visibility::Direct,
    }
}

/// The accounts that a status mentions.
pub(super) fn mentioned(status: &Value, domain: &str) -> Vec<Account> {
    let mentions = status.get("mentions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    mentions.iter().take(MENTIONS_MAX).filter_map(|mention| author(mention, domain)).collect()
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX)
}

pub(super) fn time(value: &Value, name: &str) -> Option<Timestamp> {
    text(value, name)?.parse().ok()
}

/// An account as the desk knows it: by the address of its profile, which is the same on every server.
pub(super) fn author(account: &Value, domain: &str) -> Option<Account> {
    let acct = text(account, "acct").or_else(|| text(account, "username"))?.trim_start_matches('@');
    let handle = if acct.contains('@') { acct.to_owned() } else { format!("{acct}@{domain}") };
    if handle.chars().any(char::is_whitespace) {
        return None;
    }
    let url = text(account, "url").or_else(|| text(account, "uri")).filter(|url| url.starts_with("http"));
    let id = url.map_or_else(|| format!("acct:{handle}"), str::to_owned);
    let bot = account.get("bot").and_then(Value::as_bool).unwrap_or(false);
    Some(Account { id: AccountId::new(Network::Mastodon, id), handle, bot })
}

/// The text without the mentions before its first word.
fn without_address<'p>(plain: &'p html::Plain, me: &Me) -> &'p str {
    let mut said = plain.text.get(plain.address_end..).unwrap_or(&plain.text).trim();
    let short = me.account.handle.split('@').next().unwrap_or_default();
    // A server that does not mark mentions as such leaves them in the text.
    for name in [me.account.handle.as_str(), short] {
        if let Some(after) = said.strip_prefix('@').and_then(|said| strip_prefix_any_case(said, name))
            && !after
                .starts_with(|sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '@' | '-' | '.'))
        {
            said = after.trim_start_matches([',', ':']).trim();
        }
    }
    said
}

fn strip_prefix_any_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let found = text.get(..prefix.len())?;
    found.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

/// The accounts whose addresses may stand behind a mention.
struct Known<'a> {
    mentioned: &'a [Account],
    me: &'a Me,
}

impl Names for Known<'_> {
    fn handle_at(&self, href: &str) -> Option<String> {
        let known = self.mentioned.iter().chain([&self.me.account]);
        known.into_iter().find(|account| account.id.id == href).map(|account| account.handle.clone())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-24T10:01:00Z";

    pub(in crate::networks::mastodon) fn me() -> Me {
        let account = json!({"id": "7", "acct": "bot", "url": "https://l.example/@bot", "bot": false});
        Me::read(&account, Some("l.example"), "https://l.example").unwrap()
    }

    /// A mention as a server sends it, with `change` made to it.
    fn mention(change: impl FnOnce(&mut Value)) -> Value {
        let bot = "<span class=\"h-card\"><a class=\"u-url mention\" href=\"https://l.example/@bot\">@<span>bot</span></a></span>";
        let mut item = json!({
            "id": "5501", "type": "mention", "created_at": "2026-11-24T10:00:00.000Z",
            "account": {"id": "10922", "acct": "ann@lib.example", "url": "https://lib.example/@ann", "bot": false},
            "status": {"id": "1135", "uri": "https://lib.example/s/9", "in_reply_to_id": null,
                "account": {"id": "10922", "acct": "ann@lib.example", "url": "https://lib.example/@ann", "bot": false},
                "visibility": "public", "language": "en", "spoiler_text": "", "edited_at": null,
                "created_at": "2026-11-24T09:00:00.000Z",
                "content": format!("<p>{bot} who wrote this?</p>"),
                "mentions": [{"id": "7", "acct": "bot", "url": "https://l.example/@bot"}], "tags": []},
        });
        change(&mut item);
        item
    }

    fn read(notification: &Value) -> Content {
        item(notification, &me(), NOW.parse().unwrap()).content
    }

    fn got(change: impl FnOnce(&mut Value)) -> Post {
        let content = read(&mention(change));
        let Content::Post(post) = content else { panic!("no post, but {content:?}") };
        *post
    }

    #[test]
    fn a_mention_is_a_post_for_the_desk() {
        let post = got(|_| {});
        assert_eq!(post.text.reveal(), "who wrote this?");
        assert_eq!(post.author.id.id, "https://lib.example/@ann");
        assert_eq!(post.author.handle, "ann@lib.example");
        assert_eq!(post.place.post.id, "1135");
        assert_eq!(post.language.as_deref(), Some("en"));
        assert_eq!(post.seen_at.to_string(), "2026-11-24T10:00:00Z", "by the desk's own server");
        assert!(post.addressed && post.mentions.is_empty() && post.warning.is_none());
        assert_eq!(me().account.handle, "bot@l.example");
    }

    #[test]
    fn visibilities_are_never_read_wider_than_they_are() {
        for (word, want) in [
            (json!("public"), Visibility::Public),
            (json!("unlisted"), Visibility::Unlisted),
            (json!("private"), Visibility::Followers),
            (json!("local"), Visibility::Followers),
            (json!("direct"), Visibility::Direct),
            (json!("list"), Visibility::Direct),
            (json!("tomorrow"), Visibility::Direct),
            (json!(null), Visibility::Direct),
            (json!(3), Visibility::Direct),
        ] {
            assert_eq!(got(|item| item["status"]["visibility"] = word.clone()).visibility, want, "{word}");
        }
    }

    #[test]
    fn a_content_warning_is_kept_and_never_the_whole_question() {
        let post = got(|item| item["status"]["spoiler_text"] = json!("surgery"));
        assert_eq!(post.warning.unwrap().reveal(), "surgery");
        let post = got(|item| {
            item["status"]["spoiler_text"] = json!("Which poem is this?");
            item["status"]["content"] = json!("");
        });
        assert_eq!((post.text.reveal(), post.warning), ("Which poem is this?", None));
    }

    /// Promise 6: somebody who joins a thread below the desk's post mentions it without meaning to.
    #[test]
    fn a_reply_below_the_desk_is_addressed_only_where_it_says_so() {
        let below = |item: &mut Value| {
            item["status"]["in_reply_to_id"] = json!("88");
            item["status"]["in_reply_to_account_id"] = json!("7");
        };
        let post = got(below);
        assert!(!post.addressed);
        assert_eq!(post.in_reply_to.unwrap().id, "88");
        assert!(
            got(|item| {
                below(item);
                item["status"]["visibility"] = json!("direct");
            })
            .addressed
        );
    }

    #[test]
    fn others_are_mentioned_by_their_whole_handles() {
        let post = got(|item| {
            item["status"]["mentions"] = json!([
                {"id": "7", "acct": "bot", "url": "https://l.example/@bot"},
                {"id": "8", "acct": "eve", "url": "https://l.example/@eve"},
                {"id": "8", "acct": "eve", "url": "https://l.example/@eve"},
                {"id": "10922", "acct": "ann@lib.example", "url": "https://lib.example/@ann"},
                {"nonsense": 1}, 7,
            ]);
            item["status"]["content"] = json!(
                "<p>refer to <a class=\"mention\" href=\"https://l.example/@eve\">@<span>eve</span></a></p>"
            );
        });
        assert_eq!(post.text.reveal(), "refer to @eve@l.example");
        assert_eq!(
            post.mentions.iter().map(|account| account.handle.as_str()).collect::<Vec<_>>(),
            ["eve@l.example"]
        );
    }

    #[test]
    fn a_mention_that_is_plain_text_is_cut_off_too() {
        for content in ["@bot who?", "@bot@l.example who?", "<p>@Bot: who?</p>"] {
            assert_eq!(
                got(|item| item["status"]["content"] = json!(content)).text.reveal(),
                "who?",
                "{content}"
            );
        }
        assert_eq!(
            got(|item| item["status"]["content"] = json!("@bottle who?")).text.reveal(),
            "@bottle who?"
        );
    }

    #[test]
    fn what_is_not_for_the_desk_is_nothing() {
        for kind in ["favourite", "reblog", "follow", "status", "something-new", "admin.sign_up"] {
            assert!(matches!(read(&mention(|item| item["type"] = json!(kind))), Content::Nothing), "{kind}");
        }
        let own = mention(|item| {
            item["status"]["account"] = json!({"id": "7", "acct": "bot", "url": "https://l.example/@bot"});
        });
        assert!(matches!(read(&own), Content::Nothing));
    }

    #[test]
    fn a_broken_item_is_unreadable_and_no_more() {
        let check = |name: &str, change: fn(&mut Value)| {
            assert!(matches!(read(&mention(change)), Content::Unreadable), "{name}");
        };
        check("no item", |item| *item = json!(7));
        check("empty", |item| *item = json!({}));
        check("no status", |item| item["status"] = json!(null));
        check("a status without an id", |item| item["status"]["id"] = json!(1135));
        check("no author", |item| item["status"]["account"] = json!("ann"));
        check("a number for a text", |item| item["status"]["content"] = json!(42));
        check("a text without end", |item| item["status"]["content"] = json!("a".repeat(2_000_000)));
        check("a handle with a space", |item| item["status"]["account"]["acct"] = json!("a b"));
    }

    #[test]
    fn odd_extras_do_no_harm() {
        let check = |name: &str, change: fn(&mut Value)| {
            assert!(matches!(read(&mention(change)), Content::Post(_)), "{name}");
        };
        check("no time", |item| item["created_at"] = json!("yesterday"));
        check("a time without milliseconds", |item| item["created_at"] = json!("2026-11-24T10:00:00Z"));
        check("no language", |item| item["status"]["language"] = json!("en_US?"));
        check("mentions of another shape", |item| item["status"]["mentions"] = json!({"a": 1}));
        check("no content", |item| {
            item["status"].as_object_mut().unwrap().remove("content");
        });
        check("no address of a profile", |item| item["status"]["account"]["url"] = json!(null));
    }

    #[test]
    fn bots_say_that_they_are() {
        assert!(got(|item| item["status"]["account"]["bot"] = json!(true)).author.bot);
    }
}
