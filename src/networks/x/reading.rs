//! Posts and direct messages as X writes them, read into the desk's posts.
//!
//! X renames its fields (`tweet` became `post`), leaves out what it has none of, and puts errors beside
//! data. So every name is looked for under both spellings, and only an id, an author and a text are
//! needed.
//!
//! **Invariant:** each item is read for itself: one that is broken is counted, and hides no other.
//! Nothing here decides whether a post is new.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::desk::{Account, AccountId, Anchor, Confidential, Network, Place, Post, PostId, Visibility};

/// The longest text that is read: that of a long post.
const TEXT_CHARS_MAX: usize = 30_000;

/// The longest name, address or tag that is read, in bytes.
const NAME_BYTES_MAX: usize = 1_000;

/// The first millisecond of X's ids, since 1970.
const EPOCH_MS: i64 = 1_288_834_974_657;

/// What stands before the id of a direct message and of its conversation, which are numbers as those
/// of posts are.
pub(super) const MESSAGE: &str = "dm:";

/// One page of an answer.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Newest first, as X lists them.
    pub(super) items: Vec<Item>,
    pub(super) next: Option<String>,
}

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    /// `None` where even that cannot be read.
    pub(super) id: Option<u64>,
    pub(super) content: Content,
}

/// What an item holds for the desk.
#[derive(Debug)]
pub(super) enum Content {
    Post(Box<Post>),
    /// A direct message of the desk's own, in this conversation.
    Own {
        conversation: String,
    },
    /// Somebody else's business: a group, a repost, a post of the desk's own.
    Nothing,
    Unreadable,
}

/// The id that a post made at this time has, at least.
pub(super) fn first_id_at(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond().saturating_sub(EPOCH_MS)).unwrap_or(0) << 22
}

/// When something with this id was made.
pub(super) fn time_of(id: u64) -> Timestamp {
    let ms = i64::try_from(id >> 22).unwrap_or(0).saturating_add(EPOCH_MS);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN)
}

/// The posts of an answer, as posts that may be for the desk.
pub(super) fn mentions(answer: &Value, desk: &Account, now: Timestamp) -> Page {
    page(answer, |item, users| post(item, users, desk, now))
}

/// The direct messages of an answer.
pub(super) fn messages(answer: &Value, desk: &Account, now: Timestamp) -> Page {
    page(answer, |item, users| message(item, users, desk, now))
}

fn page(answer: &Value, read: impl Fn(&Value, &BTreeMap<&str, &Value>) -> Option<Content>) -> Page {
    let list =
        |pointer: &str| answer.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or(&[]);
    let users: BTreeMap<&str, &Value> =
        list("/includes/users").iter().filter_map(|user| Some((name(user, "id")?, user))).collect();
    let items = list("/data").iter().map(|item| Item {
        id: name(item, "id").and_then(|id| id.parse().ok()),
        content: read(item, &users).unwrap_or(Content::Unreadable),
    });
    Page {
        items: items.collect(),
        next: answer.pointer("/meta/next_token").and_then(Value::as_str).map(str::to_owned),
    }
}

fn post(item: &Value, users: &BTreeMap<&str, &Value>, desk: &Account, now: Timestamp) -> Option<Content> {
    let id: u64 = name(item, "id")?.parse().ok()?;
    let author = author(name(item, "author_id")?, users);
    if author.id == desk.id {
        return Some(Content::Nothing);
    }
    let refers = |kind: &str| {
        let list = either(item, "referenced_posts", "referenced_tweets").and_then(Value::as_array)?;
        list.iter().find(|other| name(other, "type") == Some(kind)).and_then(|other| name(other, "id"))
    };
    if refers("retweeted").is_some() {
        return Some(Content::Nothing);
    }
    let replied_to = refers("replied_to");
    let read = text(item, replied_to.is_some(), desk)?;
    let id = id.to_string();
    let root = name(item, "conversation_id").unwrap_or(&id).to_owned();
    let protected = users.get(author.id.id.as_str()).and_then(|user| user.get("protected")?.as_bool());
    Some(Content::Post(Box::new(Post {
        place: Place { network: Network::X, post: Anchor::new(id.clone()), root: Anchor::new(root) },
        author,
        text: Confidential::new(read.text),
        addressed: read.addressed,
        mentions: read.mentions,
        visibility: if protected == Some(true) { Visibility::Followers } else { Visibility::Public },
        in_reply_to: replied_to.map(|id| PostId::new(Network::X, id)),
        language: language(item),
        warning: None,
        seen_at: seen_at(item, &id, now),
    })))
}

fn message(item: &Value, users: &BTreeMap<&str, &Value>, desk: &Account, now: Timestamp) -> Option<Content> {
    if name(item, "event_type").is_some_and(|kind| kind != "MessageCreate") {
        return Some(Content::Nothing);
    }
    let id: u64 = name(item, "id")?.parse().ok()?;
    let conversation = name(item, "dm_conversation_id")?;
    let sender = name(item, "sender_id")?;
    // The id of a conversation between two is made of theirs; whatever else is a group.
    let Some((one, other)) = conversation.split_once('-') else { return Some(Content::Nothing) };
    if one != desk.id.id && other != desk.id.id {
        return Some(Content::Nothing);
    }
    if sender == desk.id.id {
        return Some(Content::Own { conversation: conversation.to_owned() });
    }
    let said = item.get("text")?.as_str().filter(|text| text.chars().count() <= TEXT_CHARS_MAX)?;
    let said = decoded(&with_long_addresses(said, item.get("entities")));
    let at = |id: &str| Anchor::new(format!("{MESSAGE}{id}"));
    Some(Content::Post(Box::new(Post {
        place: Place { network: Network::X, post: at(&id.to_string()), root: at(conversation) },
        author: author(sender, users),
        text: Confidential::new(said.trim()),
        addressed: true,
        mentions: Vec::new(),
        visibility: Visibility::Direct,
        in_reply_to: None,
        language: None,
        warning: None,
        seen_at: seen_at(item, &id.to_string(), now),
    })))
}

/// What a post says, without what X put in front and around it.
struct Read {
    text: String,
    addressed: bool,
    mentions: Vec<Account>,
}

/// A mention inside a text, in characters.
struct Mentioned {
    start: usize,
    end: usize,
    account: Account,
}

fn text(item: &Value, is_reply: bool, desk: &Account) -> Option<Read> {
    // The text of a long post is cut in `text` and whole in its note.
    let note =
        either(item, "note_post", "note_tweet").filter(|note| note.get("text").is_some_and(Value::is_string));
    let source = note.unwrap_or(item);
    let written: Vec<char> = source.get("text")?.as_str()?.chars().collect();
    if TEXT_CHARS_MAX < written.len() {
        return None;
    }
    let mentions = mentioned(source.get("entities"), &written);
    // A client puts the people of the thread in front of a reply; nobody typed these.
    let typed_from = match item.pointer("/display_text_range/0").and_then(Value::as_u64) {
        Some(start) if note.is_none() => usize::try_from(start).unwrap_or(0).min(written.len()),
        Some(_) | None if is_reply => end_of_leading_mentions(&written),
        Some(_) | None => 0,
    };
    let is_desk = |mention: &Mentioned| {
        mention.account.id == desk.id || mention.account.handle.eq_ignore_ascii_case(&desk.handle)
    };
    let typed = |mention: &&Mentioned| typed_from <= mention.start;
    let addressed = mentions.iter().filter(typed).any(is_desk);
    let mut kept = String::new();
    let mut from = typed_from;
    for mention in mentions.iter().filter(typed).filter(|mention| is_desk(mention)) {
        kept.extend(written.get(from..mention.start).unwrap_or_default());
        from = mention.end.max(from);
    }
    kept.extend(written.get(from..).unwrap_or_default());
    let text = decoded(&with_long_addresses(&kept, source.get("entities")));
    let others = mentions.iter().filter(typed).filter(|mention| !is_desk(mention));
    Some(Read {
        text: text.trim().to_owned(),
        addressed,
        mentions: others.map(|mention| mention.account.clone()).collect(),
    })
}

/// The mentions of a text, in its order. X counts their places in characters; where a place does not
/// hold the name, the name is looked for.
fn mentioned(entities: Option<&Value>, text: &[char]) -> Vec<Mentioned> {
    let list = entities.and_then(|entities| entities.get("mentions")).and_then(Value::as_array);
    let mut found: Vec<Mentioned> = Vec::new();
    for entity in list.map(Vec::as_slice).unwrap_or_default() {
        let Some(handle) = name(entity, "username") else { continue };
        let id = name(entity, "id").unwrap_or(handle);
        let written: Vec<char> = handle.chars().collect();
        let is_at = |start: usize| {
            let sign = text.get(start).is_some_and(|sign| matches!(sign, '@' | '＠'));
            let name = text.get(start + 1..start + 1 + written.len());
            sign && name.is_some_and(|name| name.iter().zip(&written).all(|(a, b)| a.eq_ignore_ascii_case(b)))
        };
        let said = entity.get("start").and_then(Value::as_u64).and_then(|start| usize::try_from(start).ok());
        let is_free = |start: &usize| found.iter().all(|other| other.start != *start);
        let start = said.filter(|start| *start < text.len() && is_at(*start));
        let Some(start) = start.or_else(|| (0..text.len()).filter(is_free).find(|start| is_at(*start)))
        else {
            continue;
        };
        let account = Account::new(Network::X, id, handle);
        found.push(Mentioned { start, end: start + 1 + written.len(), account });
    }
    found.sort_by_key(|mention| mention.start);
    found
}

/// Where the run of names ends that a text begins with.
fn end_of_leading_mentions(text: &[char]) -> usize {
    let mut end = 0;
    while text.get(end).is_some_and(|sign| matches!(sign, '@' | '＠')) {
        let name = text.iter().skip(end + 1).take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count();
        let space = text.iter().skip(end + 1 + name).take_while(|c| c.is_whitespace()).count();
        if name == 0 || (space == 0 && end + 1 + name < text.len()) {
            break;
        }
        end += 1 + name + space;
    }
    end
}

/// The text with the addresses that X shortened written out.
pub(super) fn with_long_addresses(text: &str, entities: Option<&Value>) -> String {
    let list = entities.and_then(|entities| entities.get("urls")).and_then(Value::as_array);
    let mut text = text.to_owned();
    for entity in list.map(Vec::as_slice).unwrap_or_default() {
        let Some(short) = name(entity, "url").filter(|short| short.starts_with("https://t.co/")) else {
            continue;
        };
        let long = name(entity, "unwound_url").or(name(entity, "expanded_url"));
        if let Some(long) = long.filter(|long| long.starts_with("http")) {
            text = text.replacen(short, long, 1);
        }
    }
    text
}

/// X escapes three signs.
pub(super) fn decoded(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn author(id: &str, users: &BTreeMap<&str, &Value>) -> Account {
    let user = users.get(id);
    // Without their handle they are known by their number, by which X finds them as well.
    let handle = user.and_then(|user| name(user, "username")).unwrap_or(id);
    Account {
        id: AccountId::new(Network::X, id),
        handle: handle.to_owned(),
        bot: user.is_some_and(|user| is_automated(user)),
    }
}

/// Whether X says that an account is automated. Its description does not name the field, so that the
/// label is looked for where accounts have carried it.
fn is_automated(user: &Value) -> bool {
    let label =
        ["/affiliation/description", "/affiliation/user_label_type", "/account_label/type", "/verified_type"];
    user.get("automated").and_then(Value::as_bool) == Some(true)
        || label.iter().filter_map(|pointer| user.pointer(pointer).and_then(Value::as_str)).any(|label| {
            let label = label.to_lowercase();
            label.starts_with("automated")
        })
}

fn language(item: &Value) -> Option<String> {
    let tag = name(item, "lang")?;
    // `und`, `qme`, `zxx` and their like say that nobody knows.
    let is_known = !tag.starts_with('q') && !["und", "zxx", "art"].contains(&tag);
    let is_tag =
        (2..=35).contains(&tag.len()) && tag.bytes().all(|sign| sign.is_ascii_alphanumeric() || sign == b'-');
    (is_known && is_tag).then(|| tag.to_owned())
}

/// When X saw it: by its id, which nobody but X makes.
fn seen_at(item: &Value, id: &str, now: Timestamp) -> Timestamp {
    let by_id = id.parse().ok().filter(|id| 1 << 40 < *id).map(time_of);
    let said = name(item, "created_at").and_then(|time| time.parse::<Timestamp>().ok());
    by_id.or(said).map_or(now, |time| time.min(now))
}

fn either<'v>(value: &'v Value, one: &str, other: &str) -> Option<&'v Value> {
    value.get(one).or_else(|| value.get(other))
}

pub(super) fn name<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-24T10:01:00Z";

    pub(in crate::networks::x) fn desk() -> Account {
        Account { bot: true, ..Account::new(Network::X, "11", "libbot") }
    }

    fn read(item: Value) -> Content {
        let answer = json!({"data": [item], "includes": {"users": [
            {"id": "22", "username": "ann"}, {"id": "33", "username": "robo", "automated": true}]}});
        mentions(&answer, &desk(), NOW.parse().unwrap()).items.remove(0).content
    }

    fn read_post(item: Value) -> Post {
        match read(item) {
            Content::Post(post) => *post,
            other @ (Content::Own { .. } | Content::Nothing | Content::Unreadable) => panic!("{other:?}"),
        }
    }

    fn item() -> Value {
        json!({"id": "2080", "text": "@libbot who wrote &quot;x&quot; &amp;amp; y?", "author_id": "22",
            "conversation_id": "2080", "created_at": "2026-11-24T10:00:00.000Z", "lang": "en",
            "entities": {"mentions": [{"start": 0, "end": 7, "username": "libbot", "id": "11"}]}})
    }

    fn with(change: Value) -> Value {
        let mut item = item();
        for (name, value) in change.as_object().unwrap() {
            item[name] = value.clone();
        }
        item
    }

    #[test]
    fn a_mention_is_read() {
        let post = read_post(item());
        assert_eq!(post.text.reveal(), "who wrote \"x\" &amp; y?");
        assert_eq!((post.author.handle.as_str(), post.author.id.id.as_str()), ("ann", "22"));
        assert!(post.addressed && post.mentions.is_empty() && !post.author.bot);
        assert_eq!(post.seen_at.to_string(), "2026-11-24T10:00:00Z");
        assert_eq!(post.language.as_deref(), Some("en"));
    }

    #[test]
    fn an_author_known_by_number_only_is_enough() {
        let answer = json!({"data": [item()]});
        let items = mentions(&answer, &desk(), NOW.parse().unwrap()).items;
        assert!(matches!(&items[0].content, Content::Post(post) if post.author.handle == "22"));
    }

    #[test]
    fn both_spellings_of_every_name_are_read() {
        for (references, note) in [("referenced_posts", "note_post"), ("referenced_tweets", "note_tweet")] {
            let long = "@libbot ".to_owned() + &"why ".repeat(200);
            let post = read_post(with(json!({
                references: [{"type": "quoted", "id": "7"}, {"type": "replied_to", "id": "8"}],
                "text": "@libbot why why…", "display_text_range": [0, 16],
                note: {"text": long, "entities": {"mentions": [{"start": 0, "end": 7, "username": "libbot"}]}},
            })));
            assert_eq!(post.in_reply_to.unwrap().id, "8", "{references}");
            assert!(post.text.reveal().len() > 700, "{note}");
        }
    }

    #[test]
    fn a_name_carried_over_from_the_thread_does_not_call_the_desk() {
        let reply = |text: &str, range: Value| {
            let mut item =
                with(json!({"text": text, "referenced_posts": [{"type": "replied_to", "id": "8"}],
                "entities": {"mentions": [{"start": 0, "end": 4, "username": "bob", "id": "44"},
                    {"start": 5, "end": 12, "username": "libbot", "id": "11"}]}}));
            if !range.is_null() {
                item["display_text_range"] = range;
            }
            let post = read_post(item);
            (post.addressed, post.text.reveal().to_owned(), post.mentions.len())
        };
        assert_eq!(reply("@bob @libbot thanks", json!([13, 19])), (false, "thanks".to_owned(), 0));
        assert_eq!(
            reply("@bob @libbot who wrote it?", json!([5, 26])),
            (true, "who wrote it?".to_owned(), 0)
        );
        assert_eq!(reply("@bob @libbot who wrote it?", Value::Null), (false, "who wrote it?".to_owned(), 0));
    }

    #[test]
    fn a_mention_is_found_where_its_place_is_wrong() {
        let post = read_post(with(json!({
            "text": "👋 hey @LibBot, who? And @bob", "entities": {"mentions": [
                {"start": 999, "end": 1_000, "username": "libbot", "id": "11"}, {"start": 24, "end": 28, "username": "bob"}]},
        })));
        assert_eq!(post.text.reveal(), "👋 hey , who? And @bob");
        assert!(post.addressed);
        assert_eq!(post.mentions.len(), 1);
    }

    #[test]
    fn short_addresses_are_written_out() {
        let post = read_post(with(json!({
            "text": "@libbot see https://t.co/a", "entities": {
                "mentions": [{"start": 0, "end": 7, "username": "libbot", "id": "11"}],
                "urls": [{"url": "https://t.co/a", "expanded_url": "https://lib.example/x?a=1"}, {"url": 7}]},
        })));
        assert_eq!(post.text.reveal(), "see https://lib.example/x?a=1");
    }

    #[test]
    fn what_is_not_for_the_desk_is_left_out() {
        assert!(matches!(read(with(json!({"author_id": "11"}))), Content::Nothing), "the desk's own");
        let repost = with(json!({"referenced_tweets": [{"type": "retweeted", "id": "7"}]}));
        assert!(matches!(read(repost), Content::Nothing), "a repost");
        assert!(read_post(with(json!({"author_id": "33"}))).author.bot, "an automated account says so");
    }

    #[test]
    fn broken_items_are_counted_and_hide_no_other() {
        let answer = json!({"data": [null, 7, {}, {"id": "x"}, {"id": "1", "text": 7, "author_id": "22"}, item()],
            "errors": [{"title": "Not Found"}], "meta": {"next_token": "n"}});
        let page = mentions(&answer, &desk(), NOW.parse().unwrap());
        let broken = page.items.iter().filter(|item| matches!(item.content, Content::Unreadable)).count();
        assert_eq!((broken, page.items.len(), page.next.as_deref()), (5, 6, Some("n")));
        assert!(
            mentions(&json!({"meta": {"result_count": 0}}), &desk(), NOW.parse().unwrap()).items.is_empty()
        );
        assert!(mentions(&json!([]), &desk(), NOW.parse().unwrap()).items.is_empty());
    }

    #[test]
    fn messages_between_two_are_read_and_groups_are_not() {
        let answer = json!({"data": [
            {"id": "5", "event_type": "MessageCreate", "text": "join history &amp; law", "sender_id": "22", "dm_conversation_id": "11-22"},
            {"id": "4", "event_type": "MessageCreate", "text": "Hello", "sender_id": "11", "dm_conversation_id": "11-22"},
            {"id": "3", "event_type": "MessageCreate", "text": "all", "sender_id": "22", "dm_conversation_id": "1584988213961031680"},
            {"id": "2", "event_type": "ParticipantsJoin"},
        ]});
        let page = messages(&answer, &desk(), NOW.parse().unwrap());
        let contents: Vec<&Content> = page.items.iter().map(|item| &item.content).collect();
        assert!(matches!(contents.as_slice(), [
            Content::Post(post), Content::Own { conversation }, Content::Nothing, Content::Nothing,
        ] if post.text.reveal() == "join history & law" && post.visibility == Visibility::Direct
            && post.place.post.id == "dm:5" && conversation == "11-22"));
    }

    #[test]
    fn an_id_holds_its_time() {
        let time: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        assert_eq!(time_of(first_id_at(time)), time);
        assert_eq!(time_of(1_460_323_737_035_677_698).to_string(), "2021-11-15T19:08:05.069Z");
        assert_eq!(first_id_at(Timestamp::MIN), 0);
    }

    proptest::proptest! {
        /// Whatever X sends, reading it neither panics nor makes more of it than it is.
        #[test]
        fn any_text_and_any_places_are_survived(
            text in "(\\PC|@libbot|@bob|[ \n]|&amp;|https://t.co/a){0,40}",
            start in 0_u64..60, shown in 0_u64..60, is_reply: bool,
        ) {
            let mut item = with(json!({"text": text, "display_text_range": [shown, 99],
                "entities": {"mentions": [{"start": start, "end": start + 7, "username": "libbot", "id": "11"},
                    {"start": 0, "end": 4, "username": "bob"}]}}));
            if is_reply {
                item["referenced_posts"] = json!([{"type": "replied_to", "id": "8"}]);
            }
            let post = read_post(item);
            proptest::prop_assert!(post.text.reveal().chars().count() <= text.chars().count());
        }
    }
}
