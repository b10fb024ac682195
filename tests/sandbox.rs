//! The sandbox: as a network, as the desk reads and writes it, and over HTTP.
//!
//! **Invariant:** no test waits for a time to pass; what must not arrive is proved by something later
//! that does.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use stumper::desk::letter::{Mention, Purpose, Refusal};
use stumper::desk::{
    Account, Anchor, Confidential, Content, InputId, Letter, LetterId, Network, Place, Post, PostId,
    Visibility,
};
use stumper::networks::sandbox::{Connector, Entry, Handle, Placed, Sandbox, Saying, Trouble, posts};
use stumper::networks::{Batch, Failure, Outgoing};
use stumper::web;
use tempfile::TempDir;

/// A sandbox in a folder of its own.
struct World {
    folder: TempDir,
    sandbox: Arc<Sandbox>,
    desk: Connector,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Arc::new(Sandbox::open(&folder.path().join("sandbox.jsonl"), "desk").unwrap());
        World { desk: Connector::new(Arc::clone(&sandbox)), sandbox, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("sandbox.jsonl")
    }

    /// Closes the sandbox and opens it again from its file.
    fn reopened(self) -> World {
        let World { folder, sandbox, desk } = self;
        drop(desk);
        drop(Arc::into_inner(sandbox).expect("nobody else has the sandbox"));
        let sandbox = Arc::new(Sandbox::open(&folder.path().join("sandbox.jsonl"), "desk").unwrap());
        World { desk: Connector::new(Arc::clone(&sandbox)), sandbox, folder }
    }

    async fn say(&self, author: &str, visibility: Visibility, text: &str) -> Placed {
        self.sandbox.say(saying(author, visibility, text), noon()).await.unwrap()
    }

    async fn reply(&self, author: &str, to: Placed, visibility: Visibility, text: &str) -> Placed {
        let saying = Saying { in_reply_to: Some(to.id), ..saying(author, visibility, text) };
        self.sandbox.say(saying, noon()).await.unwrap()
    }

    /// Everything for the desk, from the beginning.
    async fn fetched(&self) -> Vec<Post> {
        self.desk.fetch(None).await.unwrap().posts
    }

    /// The texts that somebody is shown anywhere.
    fn seen_by(&self, reader: &str) -> BTreeSet<String> {
        let reader = handle(reader);
        let posts = self.sandbox.posts();
        let mut threads = posts.timeline(&reader, u64::MAX);
        threads.extend(posts.inbox(&reader, u64::MAX));
        let roots: Vec<u64> = posts.after(0).map(|(id, _)| id).collect();
        let mut entries: Vec<Entry> = threads.into_iter().flat_map(|thread| thread.posts).collect();
        entries.extend(roots.into_iter().flat_map(|root| posts.thread(&reader, root)));
        entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Post(post) => Some(post.text.reveal().to_owned()),
                Entry::Gone(_) => None,
            })
            .collect()
    }
}

fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn handle(name: &str) -> Handle {
    Handle::parse(name).unwrap()
}

fn saying(author: &str, visibility: Visibility, text: &str) -> Saying {
    Saying {
        author: handle(author),
        text: Confidential::new(text),
        visibility,
        to: BTreeSet::new(),
        in_reply_to: None,
        language: None,
        key: None,
    }
}

fn account(name: &str) -> Account {
    samples::account(Network::Sandbox, name)
}

fn place(placed: Placed) -> Place {
    let anchor = |id: u64| Anchor::new(id.to_string());
    Place { network: Network::Sandbox, post: anchor(placed.id), root: anchor(placed.root) }
}

/// A letter by the desk; `turn` makes it another letter.
fn letter(turn: usize, to: &str, visibility: Visibility, text: &str, reply_to: Option<Placed>) -> Outgoing {
    let mention = text.find('@').map(|start| Mention {
        start,
        end: text.len(),
        account: account(text.get(start + 1..).unwrap()),
    });
    let content = samples::words(text, mention.into_iter().collect(), visibility);
    outgoing(turn, to, content, reply_to)
}

fn deletion(turn: usize, place: &Place) -> Outgoing {
    outgoing(turn, "ann", Content::Delete { post: place.post_id() }, None)
}

fn outgoing(turn: usize, to: &str, content: Content, reply_to: Option<Placed>) -> Outgoing {
    let letter = samples::letter(&format!("letter {turn}"), account(to), content, noon());
    let letter = Letter { purpose: Purpose::Invitation, ..letter };
    Outgoing { letter, reply_to: reply_to.map(place) }
}

// ---- Who sees what

#[tokio::test]
async fn never_wider_a_direct_post_reaches_nobody_else() {
    let world = World::new();
    let public = world.say("ann", Visibility::Public, "@desk public?").await;
    world.say("ann", Visibility::Unlisted, "@desk unlisted?").await;
    let direct = world.say("ann", Visibility::Direct, "@desk direct?").await;
    world.reply("ann", direct, Visibility::Direct, "more of it").await;
    world.reply("carl", public, Visibility::Direct, "a secret for @ben").await;
    let invitation = letter(1, "clio", Visibility::Direct, "K7Q4: direct? not for @ben", None);
    let invitation = world.desk.send(&invitation).await.unwrap();
    let invitation =
        Placed { id: invitation.post.id.parse().unwrap(), root: invitation.root.id.parse().unwrap() };
    world.reply("clio", invitation, Visibility::Direct, "claim").await;

    let everybody = ["@desk public?", "@desk unlisted?"];
    let rows: &[(&str, &[&str])] = &[
        ("ann", &["@desk direct?", "more of it", "a secret for @ben"]),
        ("ben", &["a secret for @ben"]),
        ("carl", &["a secret for @ben"]),
        ("clio", &["K7Q4: direct? not for @ben", "claim"]),
        ("desk", &["@desk direct?", "more of it", "K7Q4: direct? not for @ben", "claim"]),
        ("mallory", &[]),
    ];
    for (reader, private) in rows {
        let wanted = everybody.iter().chain(*private).map(|text| (*text).to_owned()).collect();
        assert_eq!(world.seen_by(reader), wanted, "{reader}");
    }
}

#[tokio::test]
async fn what_may_be_posted() {
    let world = World::new();
    let public = world.say("ann", Visibility::Public, "@desk hello").await;
    let direct = world.say("ann", Visibility::Direct, "@desk psst").await;
    let long = "é".repeat(posts::TEXT_CHARS_MAX);
    let by = |author, visibility, text: &str| saying(author, visibility, text);
    let reply =
        |author, visibility, to: u64| Saying { in_reply_to: Some(to), ..saying(author, visibility, "hm") };
    let rows = [
        ("an ordinary post", by("ann", Visibility::Public, "hello"), Ok(())),
        ("nothing", by("ann", Visibility::Public, ""), Err(Trouble::Empty)),
        (
            "nothing that can be seen",
            by("ann", Visibility::Public, " \u{200b}\n\u{200f}"),
            Err(Trouble::Empty),
        ),
        ("as long as can be", by("ann", Visibility::Public, &long), Ok(())),
        ("longer", by("ann", Visibility::Public, &format!("{long}e")), Err(Trouble::TooLong)),
        ("5 MB", by("ann", Visibility::Public, &"@desk ".repeat(833_333)), Err(Trouble::TooLong)),
        ("as the desk", by("desk", Visibility::Public, "I am the desk"), Err(Trouble::DeskHandle)),
        ("a message to nobody", by("ann", Visibility::Direct, "psst"), Err(Trouble::NobodyAddressed)),
        ("a message to oneself", by("ann", Visibility::Direct, "@ann psst"), Err(Trouble::NobodyAddressed)),
        ("a reply", reply("ben", Visibility::Public, public.id), Ok(())),
        ("a private reply", reply("ben", Visibility::Direct, public.id), Ok(())),
        ("a reply to what is not there", reply("ben", Visibility::Public, 7), Err(Trouble::NoSuchPost)),
        (
            "a reply to what is not theirs",
            reply("ben", Visibility::Direct, direct.id),
            Err(Trouble::NoSuchPost),
        ),
        (
            "a public reply to a message",
            reply("ann", Visibility::Public, direct.id),
            Err(Trouble::WiderThanParent),
        ),
    ];
    for (name, saying, wanted) in rows {
        assert_eq!(world.sandbox.say(saying, noon()).await.map(drop), wanted, "{name}");
    }
}

#[tokio::test]
async fn inbox_lists_conversations_and_counts_what_is_unread() {
    let world = World::new();
    let question = world.say("ann", Visibility::Public, "@desk who was Ada?").await;
    world.say("ben", Visibility::Public, "nothing for anybody").await;
    let sent =
        world.desk.send(&letter(1, "ann", Visibility::Public, "I ask around", Some(question))).await.unwrap();
    let posts = world.sandbox.posts();
    let inbox = posts.inbox(&handle("ann"), u64::MAX);
    assert_eq!(
        inbox.iter().map(|thread| (thread.root, thread.posts.len())).collect::<Vec<_>>(),
        [(question.id, 2)]
    );
    assert!(posts.inbox(&handle("ben"), u64::MAX).is_empty());
    let before: u64 = sent.post.id.parse().unwrap();
    assert!(posts.inbox(&handle("ann"), before).is_empty(), "the next page does not repeat it");
    let unread = posts.unread(&handle("ann"), 0);
    assert_eq!((unread.posts, unread.invitations, unread.answers, unread.known), (1, 1, 0, true));
    assert_eq!(posts.unread(&handle("ann"), before).posts, 0);
    assert!(!posts.unread(&handle("nobody"), 0).known);
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let world = World::new();
    for number in 0..posts::PAGE_MAX * 2 + 1 {
        world.say("ann", Visibility::Public, &format!("@ben number {number}")).await;
    }
    let posts = world.sandbox.posts();
    for page in [posts::Posts::timeline, posts::Posts::inbox] {
        let (mut before, mut roots) = (u64::MAX, Vec::new());
        loop {
            let threads = page(&posts, &handle("ben"), before);
            let Some(last) = threads.last() else { break };
            before = last.newest;
            roots.extend(threads.iter().map(|thread| thread.root));
        }
        assert_eq!(roots.len(), posts::PAGE_MAX * 2 + 1);
        assert!(roots.is_sorted_by(|newer, older| newer > older));
    }
}

// ---- What the desk reads

#[tokio::test]
async fn the_desk_hears_what_is_for_it() {
    let world = World::new();
    let own = world.desk.send(&letter(1, "ann", Visibility::Public, "hello", None)).await.unwrap();
    let own = Placed { id: own.post.id.parse().unwrap(), root: own.root.id.parse().unwrap() };
    let many = (0..300).fold(String::from("@desk"), |mut text, number| {
        write!(text, " @p{number}").unwrap();
        text
    });
    /// The text, whether the desk was addressed, and how many others were mentioned.
    type Heard = Option<(&'static str, bool, usize)>;
    let rows: &[(&str, Visibility, Option<Placed>, &str, Heard)] = &[
        ("a question", Visibility::Public, None, "@desk who?", Some(("who?", true, 0))),
        ("unlisted", Visibility::Unlisted, None, "@Desk: who?", Some(("who?", true, 0))),
        ("a message", Visibility::Direct, None, "@desk who?", Some(("who?", true, 0))),
        ("others named", Visibility::Public, None, "@desk @ben who?", Some(("@ben who?", true, 1))),
        ("named at the end", Visibility::Public, None, "who? @desk", Some(("who?", true, 0))),
        ("a plain reply", Visibility::Public, Some(own), "thanks", Some(("thanks", false, 0))),
        ("a private reply", Visibility::Direct, Some(own), "claim", Some(("claim", false, 0))),
        ("a reply that names it", Visibility::Public, Some(own), "@desk status", Some(("status", true, 0))),
        ("only the name", Visibility::Public, None, "@desk", Some(("", true, 0))),
        ("direction marks", Visibility::Public, None, "\u{200f}@desk\u{200f} מי?", Some(("מי?", true, 0))),
        (
            "zero-width spaces",
            Visibility::Public,
            None,
            "\u{200b}@desk\u{200b} who?",
            Some(("who?", true, 0)),
        ),
        ("a crowd", Visibility::Public, None, &many, Some(("", true, 300))),
        ("a longer name", Visibility::Public, None, "@desktop who?", None),
        ("an address", Visibility::Public, None, "ann@desk.example", None),
        ("a harmless @", Visibility::Public, None, "@\u{200b}desk who?", None),
        ("somebody else", Visibility::Public, None, "@ben who?", None),
        ("a message to somebody else", Visibility::Direct, None, "@ben the desk is odd", None),
    ];
    let mut cursor = world.desk.fetch(None).await.unwrap().cursor;
    for (name, visibility, reply_to, text, wanted) in rows {
        let saying = Saying { in_reply_to: reply_to.map(|own| own.id), ..saying("ann", *visibility, text) };
        let placed = world.sandbox.say(saying, noon()).await.unwrap();
        let Batch { posts, cursor: next, more, unreadable, overheard: _ } =
            world.desk.fetch(cursor.as_deref()).await.unwrap();
        cursor = next;
        assert_eq!((more, unreadable), (false, 0), "{name}");
        assert_eq!(posts.len(), usize::from(wanted.is_some()), "{name}");
        let (Some(post), Some((text, addressed, mentions))) = (posts.first(), wanted) else { continue };
        assert_eq!(post.place, place(placed), "{name}");
        assert_eq!((post.visibility, post.author.handle.as_str()), (*visibility, "ann"), "{name}");
        assert_eq!(
            post.in_reply_to,
            reply_to.map(|own| PostId::new(Network::Sandbox, own.id.to_string())),
            "{name}"
        );
        assert_eq!((post.addressed, post.mentions.len()), (*addressed, *mentions), "{name}");
        if *mentions < 300 {
            assert_eq!(post.text.reveal(), *text, "{name}");
        }
    }
}

#[tokio::test]
async fn no_loops_bots_are_marked_and_the_desk_does_not_hear_itself() {
    let world = World::new();
    world.say("echo.bot", Visibility::Public, "@desk hello").await;
    world.desk.send(&letter(1, "ann", Visibility::Public, "I am @desk", None)).await.unwrap();
    let posts = world.fetched().await;
    assert_eq!(posts.iter().map(|post| post.author.bot).collect::<Vec<_>>(), [true]);
    assert!(world.desk.connect().await.unwrap().bot);
}

#[tokio::test]
async fn once_a_cursor_goes_on_where_it_ended_even_after_a_restart() {
    let world = World::new();
    for number in 0..120 {
        world.say("ann", Visibility::Public, &format!("@desk {number}")).await;
    }
    let (mut cursor, mut texts, mut pages) = (None, Vec::new(), 0);
    loop {
        let batch = world.desk.fetch(cursor.as_deref()).await.unwrap();
        texts.extend(batch.posts.iter().map(|post| post.text.reveal().to_owned()));
        cursor = batch.cursor;
        pages += 1;
        if !batch.more {
            break;
        }
    }
    assert_eq!(texts, (0..120).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    let world = world.reopened();
    assert!(world.desk.fetch(cursor.as_deref()).await.unwrap().posts.is_empty());
    world.say("ann", Visibility::Public, "@desk again").await;
    assert_eq!(world.desk.fetch(cursor.as_deref()).await.unwrap().posts.len(), 1);
    assert_eq!(world.desk.fetch(Some("no number")).await.unwrap().posts.len(), 50);
}

#[tokio::test]
async fn a_new_file_never_uses_an_old_id_again() {
    let old = World::new();
    let last = old.say("ann", Visibility::Public, "@desk one").await;
    let cursor = old.desk.fetch(None).await.unwrap().cursor;
    let new = World::new();
    let later = noon() + jiff::SignedDuration::from_secs(1);
    let placed = new.sandbox.say(saying("ann", Visibility::Public, "@desk two"), later).await.unwrap();
    assert!(placed.id > last.id);
    assert_eq!(new.desk.fetch(cursor.as_deref()).await.unwrap().posts.len(), 1);
}

#[tokio::test]
async fn waiting_ends_when_somebody_posts() {
    let world = World::new();
    // Before the first fetch there may always be something.
    world.desk.wait().await;
    world.fetched().await;
    let (placed, ()) = tokio::join!(world.say("ann", Visibility::Public, "@desk hello"), world.desk.wait());
    // Heard of, but not fetched yet: it is still something new.
    world.desk.wait().await;
    assert_eq!(world.fetched().await.first().unwrap().place, place(placed));
}

// ---- What the desk writes

#[tokio::test]
async fn once_the_same_letter_is_the_same_post() {
    let world = World::new();
    let first = letter(1, "clio", Visibility::Direct, "K7Q4: who?", None);
    assert_eq!(world.desk.look(&first).await.unwrap(), None);
    let sent = world.desk.send(&first).await.unwrap();
    assert_eq!(world.desk.send(&first).await.unwrap(), sent);
    assert_eq!(world.desk.look(&first).await.unwrap(), Some(sent.clone()));
    let world = world.reopened();
    assert_eq!(world.desk.send(&first).await.unwrap(), sent, "after a restart");
    assert_ne!(
        world.desk.send(&letter(2, "clio", Visibility::Direct, "K7Q4: who?", None)).await.unwrap(),
        sent
    );
    assert_eq!(world.sandbox.posts().len(), 2);

    // A person's key is their own: it neither finds nor hides a letter of the desk.
    let key = Some(LetterId::derive(&InputId::new("test", "letter"), 3).to_string());
    let by_ann = Saying { key, ..saying("ann", Visibility::Public, "mine") };
    let mine = world.sandbox.say(by_ann.clone(), noon()).await.unwrap();
    assert_eq!(world.sandbox.say(by_ann, noon()).await.unwrap(), mine);
    assert_eq!(world.desk.look(&letter(3, "ann", Visibility::Public, "hello", None)).await.unwrap(), None);
}

#[tokio::test]
async fn confidential_a_deleted_text_is_gone_everywhere() {
    let world = World::new();
    let secret = letter(1, "ann", Visibility::Public, "a unicorn", None);
    let sent = world.desk.send(&secret).await.unwrap();
    let placed = Placed { id: sent.post.id.parse().unwrap(), root: sent.root.id.parse().unwrap() };
    let reply = world.reply("ann", placed, Visibility::Public, "oh").await;
    let theirs = world.say("ann", Visibility::Public, "a dragon").await;
    assert_eq!(world.desk.look(&deletion(2, &sent)).await.unwrap(), None);
    world.desk.send(&deletion(2, &sent)).await.unwrap();
    world.desk.send(&deletion(2, &sent)).await.expect("what is gone already is success");
    world.sandbox.delete(&handle("ann"), theirs.id).await.unwrap();
    let keyed = Saying { key: Some("k".to_owned()), ..saying("zoe", Visibility::Public, "a griffin") };
    let keyed = world.sandbox.say(keyed, noon()).await.unwrap();
    world.sandbox.delete(&handle("zoe"), keyed.id).await.unwrap();
    assert!(world.desk.look(&deletion(2, &sent)).await.unwrap().is_some());
    assert_eq!(world.seen_by("ann"), BTreeSet::from(["oh".to_owned()]));

    let world = world.reopened();
    let file = fs::read_to_string(world.file()).unwrap();
    for word in ["unicorn", "dragon", "griffin", "zoe"] {
        assert!(!file.contains(word), "{word} is still in the file");
    }
    assert_eq!(world.seen_by("ann"), BTreeSet::from(["oh".to_owned()]));
    assert_eq!(world.desk.send(&secret).await.unwrap(), sent, "and it does not come back");
    assert_eq!(world.seen_by("ann"), BTreeSet::from(["oh".to_owned()]));
    assert!(world.sandbox.posts().post(reply.id).is_some());
}

#[tokio::test]
async fn a_file_that_cannot_be_tidied_loses_nothing() {
    let world = World::new();
    let gone = world.say("ann", Visibility::Public, "a dragon").await;
    world.say("ann", Visibility::Public, "a horse").await;
    // Something is in the way of the new file.
    let obstacle = world.folder.path().join("sandbox.jsonl.new");
    fs::create_dir(&obstacle).unwrap();
    world.sandbox.delete(&handle("ann"), gone.id).await.unwrap();
    let world = world.reopened();
    assert_eq!(world.seen_by("ann"), BTreeSet::from(["a horse".to_owned()]));
    world.say("ann", Visibility::Public, "a bird").await;
    fs::remove_dir(obstacle).unwrap();
    // Once it is away, the deleted text goes too.
    let world = world.reopened();
    assert!(!fs::read_to_string(world.file()).unwrap().contains("dragon"));
    assert_eq!(world.seen_by("ann"), BTreeSet::from(["a bird".to_owned(), "a horse".to_owned()]));
}

#[tokio::test]
async fn only_its_author_deletes_a_post() {
    let world = World::new();
    let public = world.say("ann", Visibility::Public, "hello").await;
    let direct = world.say("ann", Visibility::Direct, "@desk psst").await;
    let ben = handle("ben");
    assert_eq!(world.sandbox.delete(&ben, public.id).await, Err(Trouble::NotYours));
    assert_eq!(world.sandbox.delete(&ben, direct.id).await, Ok(()), "ben cannot tell whether it exists");
    assert_eq!(world.seen_by("ann").len(), 2);
    let theirs = deletion(1, &place(public));
    assert_eq!(world.desk.send(&theirs).await, Err(Failure::Refused(Refusal::Rejected)));
}

#[tokio::test]
async fn letters_that_cannot_be_sent_say_why() {
    let world = World::new();
    let direct = world.say("ann", Visibility::Direct, "@desk psst").await;
    let foreign = world.say("ann", Visibility::Direct, "@ben psst").await;
    let missing = Placed { id: 7, root: 7 };
    let long = "é".repeat(501);
    let rows = [
        ("a reply", letter(1, "ann", Visibility::Direct, "yes?", Some(direct)), Ok(())),
        ("too long", letter(2, "ann", Visibility::Direct, &long, None), Err(Refusal::Rejected)),
        ("empty", letter(3, "ann", Visibility::Direct, "", None), Err(Refusal::Rejected)),
        (
            "to what is gone",
            letter(4, "ann", Visibility::Public, "?", Some(missing)),
            Err(Refusal::Unreachable),
        ),
        (
            "to what it cannot see",
            letter(5, "ann", Visibility::Direct, "?", Some(foreign)),
            Err(Refusal::Unreachable),
        ),
        (
            "wider than asked",
            letter(6, "ann", Visibility::Public, "?", Some(direct)),
            Err(Refusal::NotPrivate),
        ),
        ("followers only", letter(7, "ann", Visibility::Followers, "for you", None), Ok(())),
    ];
    for (name, outgoing, wanted) in rows {
        assert_eq!(world.desk.send(&outgoing).await.map(drop), wanted.map_err(Failure::Refused), "{name}");
    }
    assert!(!world.seen_by("ben").contains("for you"));
    assert!(world.seen_by("ann").contains("for you"));
}

#[tokio::test]
async fn opt_in_only_a_letter_notifies_whom_it_mentions() {
    let world = World::new();
    let outgoing = letter(1, "ann", Visibility::Public, "about @ben", None);
    let mut defused = letter(2, "ann", Visibility::Public, "about @carl", None);
    if let Content::Post { mentions, .. } = &mut defused.letter.content {
        mentions.clear();
    }
    world.desk.send(&outgoing).await.unwrap();
    world.desk.send(&defused).await.unwrap();
    let posts = world.sandbox.posts();
    let counts = ["ann", "ben", "carl"].map(|name| posts.unread(&handle(name), 0).posts);
    assert_eq!(counts, [0, 1, 0]);
}

// ---- The file

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_nothing_else_is_lost() {
    let world = World::new();
    world.say("ann", Visibility::Public, "one").await;
    let file = world.file();
    let World { folder, sandbox, desk } = world;
    drop((sandbox, desk));
    let whole = fs::read_to_string(&file).unwrap();
    for torn in ["{", "{\"post\":{\"id\":17", "\u{0}\u{0}\u{0}", "{\"post\":{\"id\":17,\"text\":\"caf\u{e9}"]
    {
        fs::write(&file, format!("{whole}{torn}")).unwrap();
        let sandbox = Sandbox::open(&file, "desk").unwrap();
        assert_eq!(sandbox.posts().len(), 1, "{torn:?}");
        sandbox.say(saying("ann", Visibility::Public, "two"), noon()).await.unwrap();
        drop(sandbox);
        assert_eq!(Sandbox::open(&file, "desk").unwrap().posts().len(), 2, "{torn:?}");
    }
    drop(folder);
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_line() {
    let header = "{\"stumper_sandbox\":1}\n";
    let post = "{\"post\":{\"id\":5,\"author\":\"ann\",\"text\":\"hello\",\"visibility\":\"public\",\"to\":[],\
                \"root\":5,\"created_at\":\"2026-11-24T12:00:00Z\"}}\n";
    let rows = [
        ("good", format!("{header}{post}"), "opened"),
        ("empty", String::new(), "opened"),
        ("begun", "{\"stump".to_owned(), "opened"),
        (
            "a broken line",
            format!("{header}{{\"post\":secret}}\n{post}"),
            "line 2 of the sandbox's file `FILE` cannot be read, near column 9 (hint: mend or remove that line)",
        ),
        (
            "a broken last line",
            format!("{header}{post}secret\n"),
            "line 3 of the sandbox's file `FILE` cannot be read, near column 1 (hint: mend or remove that line)",
        ),
        (
            "a blank line",
            format!("{header}\n{post}"),
            "line 2 of the sandbox's file `FILE` cannot be read, near column 0 (hint: mend or remove that line)",
        ),
        (
            "no handle",
            format!("{header}{}", post.replace("ann", "<script>")),
            "line 2 of the sandbox's file `FILE` cannot be read, near column 35 (hint: mend or remove that line)",
        ),
        (
            "a later format",
            "{\"stumper_sandbox\":2}\n".to_owned(),
            "the sandbox's file `FILE` has format 2, and this program reads 1 (hint: use the program that wrote it)",
        ),
        (
            "another file",
            "# Shopping\nmilk\n".to_owned(),
            "`FILE` is not a sandbox file (hint: name another file, or move this one away)",
        ),
        (
            "another short file",
            "milk".to_owned(),
            "`FILE` is not a sandbox file (hint: name another file, or move this one away)",
        ),
    ];
    for (name, content, wanted) in rows {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sandbox.jsonl");
        fs::write(&path, &content).unwrap();
        let found = match Sandbox::open(&path, "desk") {
            Ok(_) => "opened".to_owned(),
            Err(error) => error.to_string().replace(&path.display().to_string(), "FILE"),
        };
        assert_eq!(found, wanted, "{name}");
        if found != "opened" {
            assert_eq!(fs::read_to_string(&path).unwrap(), content, "{name}: the file is left alone");
        }
    }
}

#[tokio::test]
async fn two_desks_cannot_use_one_file() {
    let world = World::new();
    let error = Sandbox::open(&world.file(), "desk").unwrap_err().to_string();
    assert!(error.ends_with("is in use by another process (hint: stop the other desk)"), "{error}");
    assert!(Sandbox::open(&world.folder.path().join("other"), "the desk").is_err());
}

#[tokio::test]
async fn many_posts_at_once_are_all_there_and_in_order() {
    let world = World::new();
    let posting = (0..100).map(|number| {
        let sandbox = Arc::clone(&world.sandbox);
        let text = format!("@desk {number}");
        tokio::spawn(
            async move { sandbox.say(saying("ann", Visibility::Public, &text), noon()).await.unwrap() },
        )
    });
    let mut ids = BTreeSet::new();
    for one in posting.collect::<Vec<_>>() {
        ids.insert(one.await.unwrap().id);
    }
    assert_eq!(ids.len(), 100);
    let world = world.reopened();
    let found: Vec<u64> = world.sandbox.posts().after(0).map(|(id, _)| id).collect();
    assert_eq!(found, ids.into_iter().collect::<Vec<_>>());
}

// ---- Over HTTP

/// A sandbox served on a port of its own.
struct Site {
    world: World,
    address: String,
    browser: reqwest::Client,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<(), web::ServeError>>,
}

impl Site {
    async fn new() -> Site {
        // Whichever test comes first; all choose the same.
        rustls::crypto::ring::default_provider().install_default().ok();
        let world = World::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = web::App { sandbox: Some(Arc::clone(&world.sandbox)), ..web::App::default() };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(web::serve(listener, app, async move { drop(stopped.await) }));
        Site { world, address, browser: reqwest::Client::new(), stop, serving }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        answer(self.browser.get(format!("{}{path}", self.address))).await
    }

    async fn post(&self, body: serde_json::Value) -> (u16, String) {
        answer(self.browser.post(format!("{}/sandbox/posts", self.address)).json(&body)).await
    }

    async fn listen(&self, path: &str) -> Stream {
        let response = self.browser.get(format!("{}{path}", self.address)).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { response, heard: String::new() }
    }
}

/// An open stream of changes.
struct Stream {
    response: reqwest::Response,
    heard: String,
}

impl Stream {
    /// The name and data of the next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.heard.split_once("\n\n") {
                let field = |name| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                let found = (field("event:"), field("data:"));
                self.heard = rest.to_owned();
                return Some(found);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.heard.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn never_wider_no_address_shows_a_direct_post_to_a_third() {
    let site = Site::new().await;
    let secret = serde_json::json!({"as": "ann", "text": "@desk psst", "visibility": "direct"});
    let (status, placed) = site.post(secret).await;
    assert_eq!(status, 201);
    let placed: serde_json::Value = serde_json::from_str(&placed).unwrap();
    let id = placed["id"].as_str().unwrap();
    let sent = site.world.desk.send(&letter(1, "ann", Visibility::Direct, "psst too", None)).await.unwrap();

    for path in ["timeline", "inbox", &format!("thread/{id}"), &format!("thread/{}", sent.post.id)] {
        let (_, for_ann) = site.get(&format!("/sandbox/{path}?as=ann")).await;
        assert_eq!(for_ann.contains("psst"), path != "timeline", "{path}");
        let (_, for_ben) = site.get(&format!("/sandbox/{path}?as=ben")).await;
        assert!(!for_ben.contains("psst") && !for_ben.contains(id), "{path}: {for_ben}");
    }
    let (_, counts) = site.get("/sandbox/unread?who=ben:0,ann:0").await;
    assert_eq!(
        counts,
        format!(
            r#"{{"ann":{{"posts":1,"invitations":1,"answers":0,"known":true,"newest":"{}"}},"ben":{{"posts":0,"invitations":0,"answers":0,"known":false,"newest":null}}}}"#,
            sent.post.id
        )
    );
    // ben cannot reply to it either, and cannot tell it from a post that is not there.
    let reply = serde_json::json!({"as": "ben", "text": "hm", "visibility": "public", "in_reply_to": id});
    let missing = serde_json::json!({"as": "ben", "text": "hm", "visibility": "public", "in_reply_to": "7"});
    assert_eq!(site.post(reply).await, site.post(missing).await);
    // Nobody reads as the desk.
    for path in ["timeline", "inbox", "events", &format!("thread/{id}")] {
        assert_eq!(site.get(&format!("/sandbox/{path}?as=DESK")).await.0, 403, "{path}");
    }
}

#[tokio::test]
async fn changes_are_told_to_those_who_may_know() {
    let site = Site::new().await;
    let mut ben = site.listen("/sandbox/events?as=ben").await;
    let mut ann = site.listen("/sandbox/events?as=ann").await;
    let secret = site.world.say("ann", Visibility::Direct, "@desk psst").await.id.to_string();
    let public = site.world.say("ann", Visibility::Public, "hello").await.id;
    site.world.sandbox.delete(&handle("ann"), public).await.unwrap();
    let event = |name: &str, id: &str| Some((name.to_owned(), id.to_owned()));
    assert_eq!(ann.next().await, event("posted", &secret));
    assert_eq!(ann.next().await, event("posted", &public.to_string()));
    assert_eq!(ben.next().await, event("posted", &public.to_string()));
    assert_eq!(ben.next().await, event("deleted", &public.to_string()));

    // Open streams do not keep the desk from stopping.
    site.stop.send(()).unwrap();
    assert_eq!(ben.next().await.unwrap().0, "end");
    assert_eq!(ben.next().await, None);
    drop(ann);
    site.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn requests_that_are_not_carried_out_say_why() {
    let site = Site::new().await;
    let good = serde_json::json!({"as": "ann", "text": "hello", "visibility": "public"});
    let with = |field: &str, value: serde_json::Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let rows = [
        ("good", good.clone(), 201, ""),
        ("nobody", with("as", "".into()), 400, "Say who you are"),
        ("a script", with("as", "<script>".into()), 400, "Say who you are"),
        ("the desk", with("as", "@Desk".into()), 403, "The desk writes its own posts."),
        ("empty", with("text", "\u{200b}".into()), 400, "There is nothing in this post."),
        ("too long", with("text", "x".repeat(5_001).into()), 413, "This post is too long."),
        ("5 MB", with("text", "x".repeat(5_000_000).into()), 413, "This post is too long."),
        ("unknown visibility", with("visibility", "followers".into()), 400, "This is not a post"),
        ("unknown field", with("purpose", "answer".into()), 400, "This is not a post"),
        ("a missing field", serde_json::json!({"as": "ann", "text": "hello"}), 400, "This is not a post"),
        ("a number for a text", with("text", 5.into()), 400, "This is not a post"),
        ("nobody's name", with("as", serde_json::Value::Null), 400, "This is not a post"),
        ("no post", "hello".into(), 400, "This is not a post"),
        ("an unknown parent", with("in_reply_to", "12x".into()), 404, "The post you reply to does not exist"),
        ("a wrong addressee", with("to", serde_json::json!(["a b"])), 400, "One of those you send this to"),
        ("a crowd", with("to", serde_json::json!(vec!["ben"; 21])), 400, "A message can be sent to 20"),
        ("a wrong language", with("language", "<i>".into()), 400, "The language is not a language tag"),
        ("a long key", with("key", "k".repeat(101).into()), 400, "The key of this post is too long."),
    ];
    for (name, body, wanted, why) in rows {
        let (status, told) = site.post(body).await;
        assert_eq!(status, wanted, "{name}: {told}");
        assert!(told.contains(why), "{name}: {told}");
    }
    let post = || site.browser.post(format!("{}/sandbox/posts", site.address));
    assert_eq!(answer(post().body(good.to_string())).await.0, 415, "a form of another page");
    let whole = good.to_string();
    let raw = [
        (
            "breaks off",
            whole.split_at(whole.len() / 2).0.as_bytes(),
            "This is not a post, from column 24 of line 1.",
        ),
        ("no text at all", b"", "This is not a post, from column 0 of line 1."),
        ("HTML", b"<html>Hi</html>", "This is not a post, from column 1 of line 1."),
        ("bytes", &[0xff, 0xfe, 0x00], "This is not a post, from column 1 of line 1."),
        ("a field twice", br#"{"as":"ann","as":"ben"}"#, "This is not a post, from column 16 of line 1."),
    ];
    for (name, body, why) in raw {
        let sent = post().header("content-type", "application/json").body(body.to_owned());
        assert_eq!(answer(sent).await, (400, format!("{{\"error\":\"{why}\"}}")), "{name}");
    }
    for path in ["/sandbox/thread/7?as=ann", "/nothing", "/sandbox/timeline/x"] {
        assert_eq!(site.get(path).await.0, 404, "{path}");
    }
    for path in ["/sandbox/timeline", "/sandbox/thread/x?as=ann", "/sandbox/inbox?as=ann&before=x"] {
        assert_eq!(site.get(path).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn only_this_machine_and_its_own_pages() {
    let site = Site::new().await;
    let rows: &[(&str, &str, &str, u16)] = &[
        ("a program", "host", "localhost", 201),
        ("another name for this machine", "host", "evil.example", 421),
        ("another site", "sec-fetch-site", "cross-site", 403),
        ("a page of another port", "origin", "http://127.0.0.1:1", 403),
        ("our page", "origin", &site.address, 201),
    ];
    for (name, header, value, wanted) in rows {
        let body = serde_json::json!({"as": "ann", "text": "hello", "visibility": "public"});
        let post = site.browser.post(format!("{}/sandbox/posts", site.address)).json(&body);
        assert_eq!(answer(post.header(*header, *value)).await.0, *wanted, "{name}");
    }
    let read = site.browser.get(format!("{}/sandbox/timeline?as=ann", site.address));
    assert_eq!(answer(read.header("host", "evil.example")).await.0, 421);
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = web::serve(listener, web::App::default(), async {}).await.unwrap_err().to_string();
    assert!(refused.starts_with("the web page is for this machine only"), "{refused}");
}

#[tokio::test]
async fn a_post_is_made_once_and_deleted_by_its_author() {
    let site = Site::new().await;
    let body = serde_json::json!({"as": "ann", "text": "hello", "visibility": "public", "key": "k1"});
    let first = site.post(body.clone()).await;
    assert_eq!(site.post(body).await, first);
    let id = serde_json::from_str::<serde_json::Value>(&first.1).unwrap()["id"].as_str().unwrap().to_owned();
    let delete = |who: &str| site.browser.delete(format!("{}/sandbox/posts/{id}?as={who}", site.address));
    assert_eq!(answer(delete("ben")).await.0, 403);
    assert_eq!(answer(delete("ann")).await.0, 204);
    assert_eq!(answer(delete("ann")).await.0, 204);
    assert_eq!(site.get("/sandbox/timeline?as=ann").await.1, r#"{"threads":[],"before":null}"#);
}

#[tokio::test]
async fn every_page_forbids_foreign_scripts() {
    let site = Site::new().await;
    for path in ["/", "/sandbox.js", "/sandbox.css", "/health", "/nothing", "/sandbox/timeline?as=ann"] {
        let response = site.browser.get(format!("{}{path}", site.address)).send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("<script>") && !text.contains("style=\""), "{path}");
    }
}

#[tokio::test]
async fn without_a_sandbox_the_page_says_so() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let more = axum::Router::new().route("/more", axum::routing::get(|| async { "more" }));
    let app = web::App { more, ..web::App::default() };
    let serving = tokio::spawn(web::serve(listener, app, async move { drop(stopped.await) }));
    let browser = reqwest::Client::new();
    let get = |path: &str| answer(browser.get(format!("{address}{path}")));
    assert!(get("/").await.1.contains("sandbox is switched off"));
    assert_eq!(get("/health").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/more").await, (200, "more".to_owned()));
    assert_eq!(get("/sandbox/timeline?as=ann").await.0, 404);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
