//! What the connector does with every answer that X can give.
//!
//! **Invariant:** whatever goes wrong, nothing is posted twice, nothing is charged beyond the budget, and
//! no answer's words get into a failure.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use stumper::desk::letter::Refusal;
use stumper::desk::{Account, Anchor, Content, Network, Place, Post, PostId, Visibility};
use stumper::networks::x::{self, Connector, FieldNames, Settings};
use stumper::networks::{Failure, Outgoing, http};

use crate::samples;
use crate::server::{DESK, Fault, X, challenge_of};

pub(crate) const ANN: &str = "22";
const TWEETS: &str = "POST /2/tweets";
const MENTIONS: &str = "GET /2/users/11/mentions";
const MESSAGES: &str = "GET /2/dm_events";

/// A server, and a connector that uses it.
pub(crate) struct Fake {
    pub(crate) x: X,
    folder: tempfile::TempDir,
    pub(crate) connector: Connector,
}

impl Fake {
    pub(crate) async fn new() -> Fake {
        Fake::with(|_| {}).await
    }

    /// One whose connector waits for every answer: what arrives late arrives before anybody looks.
    pub(crate) async fn patient() -> Fake {
        let fake = Fake::new().await;
        let connector = Connector::new(fake.x.settings(fake.folder.path()), http::client().unwrap());
        Fake { connector, ..fake }
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Fake {
        let x = X::start().await;
        x.person(ANN, "ann");
        // Where there is a disk in memory, writing down what is spent is no part of what is measured.
        let memory = std::path::Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let mut settings = x.settings(folder.path());
        change(&mut settings);
        let connector = Connector::new(settings, client());
        Fake { x, folder, connector }
    }

    /// The same account in a new process.
    fn restarted(&self) -> Connector {
        Connector::new(self.x.settings(self.folder.path()), client())
    }

    fn spent(&self) -> u64 {
        let spent = std::fs::read(self.folder.path().join("x-spent.json")).unwrap();
        serde_json::from_slice::<Value>(&spent).unwrap()["spent"].as_u64().unwrap()
    }

    /// Looks for the first time, so that whatever comes now is new.
    async fn begins(&self) -> String {
        self.connector.fetch(None).await.unwrap().cursor.unwrap()
    }

    async fn fetched(&self, cursor: &str) -> Vec<Post> {
        self.connector.fetch(Some(cursor)).await.unwrap().posts
    }
}

/// A client that gives up soon: some requests here hang.
pub(crate) fn client() -> reqwest::Client {
    let _ = http::client().unwrap();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap()
}

fn account(id: &str) -> Account {
    Account::new(Network::X, id, "ann")
}

fn anchor(id: impl ToString) -> Anchor {
    Anchor::new(id.to_string())
}

pub(crate) fn outgoing(number: usize, text: &str, visibility: Visibility, reply_to: Option<u64>) -> Outgoing {
    let content = samples::words(text, Vec::new(), visibility);
    let letter = samples::letter(&number.to_string(), account(ANN), content, stumper::clock::now());
    let reply_to = reply_to.map(|id| Place::top(Network::X, anchor(id)));
    Outgoing { letter, reply_to }
}

fn reply(text: &str, to: u64) -> Outgoing {
    outgoing(0, text, Visibility::Public, Some(to))
}

fn message(text: &str) -> Outgoing {
    outgoing(0, text, Visibility::Direct, None)
}

fn deletion(id: &str) -> Outgoing {
    let mut outgoing = message("");
    outgoing.letter.content = Content::Delete { post: PostId::new(Network::X, id) };
    outgoing
}

fn texts(posts: &[Post]) -> Vec<&str> {
    posts.iter().map(|post| post.text.reveal()).collect()
}

// ---- Reading ----

#[tokio::test]
async fn mentions_and_messages_come_oldest_first_and_once() {
    let fake = Fake::new().await;
    fake.x.post(ANN, "@libbot from before the desk opened", None);
    fake.x.message(ANN, "from before as well");
    let cursor = fake.begins().await;
    let first = fake.x.post(ANN, "@libbot who wrote \"Ulysses\" & why?", None);
    fake.x.post(ANN, "@libbot and when?", Some(first));
    fake.x.message(ANN, "join history");
    let batch = fake.connector.fetch(Some(&cursor)).await.unwrap();
    assert_eq!(texts(&batch.posts), ["who wrote \"Ulysses\" & why?", "and when?", "join history"]);
    assert_eq!(batch.posts[0].author.handle, "ann");
    assert_eq!(batch.posts[1].in_reply_to.as_ref().unwrap().id, first.to_string());
    assert_eq!(batch.posts[2].visibility, Visibility::Direct);
    let cursor = batch.cursor.unwrap();
    assert_eq!(texts(&fake.fetched(&cursor).await), [""; 0]);
    // A new process has forgotten what it has seen within the last minutes, and shows it again.
    let again = fake.restarted().fetch(Some(&cursor)).await.unwrap().posts;
    assert_eq!(texts(&again), ["who wrote \"Ulysses\" & why?", "and when?"], "nothing from before");
}

#[tokio::test]
async fn whatever_x_calls_its_fields_is_understood() {
    for usual in [FieldNames::Post, FieldNames::Tweet] {
        for field_names in [Some("post.fields"), Some("tweet.fields"), None] {
            for refuse_expansions in [false, true] {
                let fake = Fake::with(|settings| settings.field_names = usual).await;
                fake.x.lock().field_names = field_names;
                fake.x.lock().refuse_expansions = refuse_expansions;
                let cursor = fake.begins().await;
                fake.x.post(ANN, "@libbot who?", None);
                let batch = fake.connector.fetch(Some(&cursor)).await.unwrap();
                // Under the new names X tells the author only by an expansion: then nobody can know.
                let tells = !refuse_expansions || field_names != Some("post.fields");
                let name = format!("{usual:?} {field_names:?} {refuse_expansions}");
                assert_eq!(batch.posts.len(), usize::from(tells), "{name}");
                assert_eq!(batch.unreadable, usize::from(!tells), "{name}");
                let handle = if refuse_expansions { ANN } else { "ann" };
                assert!(
                    batch.posts.iter().all(|post| post.author.id.id == ANN && post.author.handle == handle),
                    "{name}"
                );
            }
        }
    }
}

#[tokio::test]
async fn more_mentions_than_a_page_holds_all_come() {
    let fake = Fake::new().await;
    let cursor = fake.begins().await;
    for number in 0..230 {
        fake.x.post(ANN, &format!("@libbot number {number}?"), None);
    }
    let posts = fake.fetched(&cursor).await;
    let want: Vec<String> = (0..230).map(|number| format!("number {number}?")).collect();
    assert_eq!(texts(&posts), want);
}

#[tokio::test]
async fn a_muddled_list_is_put_in_order() {
    let fake = Fake::new().await;
    let cursor = fake.begins().await;
    for text in ["one", "two", "three"] {
        fake.x.post(ANN, &format!("@libbot {text}"), None);
        fake.x.message(ANN, text);
    }
    fake.x.spoil(MENTIONS, Fault::Muddled);
    fake.x.spoil(MESSAGES, Fault::Muddled);
    let posts = fake.fetched(&cursor).await;
    let public: Vec<&Post> = posts.iter().filter(|post| post.visibility == Visibility::Public).collect();
    assert_eq!(public.iter().map(|post| post.text.reveal()).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(posts.len(), 6);
}

#[tokio::test]
async fn what_goes_wrong_while_reading_says_when_to_come_back() {
    let soon = stumper::clock::now().as_second() + 100;
    let rows = [
        ("a limit with its end", Fault::RateLimit(Some(soon)), "95 to 100"),
        ("a limit without", Fault::RateLimit(None), "60"),
        ("a web page", Fault::Page(502), "out of order"),
        ("a web page that says no", Fault::Page(403), "refuses"),
        ("nothing whole", Fault::LostRequest, "no answer"),
        ("nothing at all", Fault::Hangs, "no answer"),
        ("no credits", Fault::No(402, json!({"title": "CreditsDepleted"})), "buy credits"),
        (
            "the cap",
            Fault::No(429, json!({"type": "https://api.x.com/2/problems/usage-capped"})),
            "buy credits",
        ),
        ("suspended", Fault::No(403, json!({"detail": "Your account is suspended."})), "suspended"),
    ];
    for (name, fault, want) in rows {
        let fake = Fake::new().await;
        let cursor = fake.begins().await;
        fake.x.post(ANN, "@libbot who?", None);
        fake.x.spoil(MENTIONS, fault);
        let failure = fake.connector.fetch(Some(&cursor)).await.unwrap_err();
        let said = failure.to_string();
        match (&failure, want) {
            (Failure::Later { after }, "95 to 100") => {
                assert!((90..=101).contains(&after.as_secs()), "{name}: {said}")
            }
            _ => assert!(said.contains(want), "{name}: {said}"),
        }
        assert!(!said.contains("@ann") && !said.contains("secret"), "{name} quotes X: {said}");
        // Nothing is lost by it.
        assert_eq!(texts(&fake.fetched(&cursor).await), ["who?"], "{name}");
    }
}

#[tokio::test]
async fn direct_messages_may_be_limited_without_stopping_mentions() {
    let fake = Fake::new().await;
    let cursor = fake.begins().await;
    fake.x.spoil(MESSAGES, Fault::RateLimit(None));
    fake.x.post(ANN, "@libbot who?", None);
    assert_eq!(texts(&fake.fetched(&cursor).await), ["who?"]);
}

// ---- Logging in ----

#[tokio::test]
async fn a_clock_that_is_an_hour_wrong_is_no_trouble() {
    for hours in [-1, 1] {
        let fake = Fake::new().await;
        fake.x.lock().clock_off = SignedDuration::from_hours(hours);
        assert_eq!(fake.connector.connect().await.unwrap().handle, "libbot");
        let cursor = fake.begins().await;
        let question = fake.x.post(ANN, "@libbot who?", None);
        assert_eq!(texts(&fake.fetched(&cursor).await), ["who?"], "{hours}");
        // The end of a limit is a time by X's clock.
        let end = stumper::clock::now().as_second() + hours * 3_600 + 50;
        fake.x.spoil(TWEETS, Fault::RateLimit(Some(end)));
        let failure = fake.connector.send(&reply("Joyce.", question)).await.unwrap_err();
        assert!(
            matches!(failure, Failure::Later { after } if (45..=51).contains(&after.as_secs())),
            "{hours}: {failure:?}"
        );
        // A lost answer is found although the times of posts are by X's clock.
        fake.x.spoil(TWEETS, Fault::LostAnswer);
        assert!(matches!(fake.connector.send(&reply("Joyce.", question)).await, Err(Failure::Unsure(_))));
        assert!(fake.connector.look(&reply("Joyce.", question)).await.unwrap().is_some(), "{hours}");
    }
}

#[tokio::test]
async fn wrong_keys_are_named_as_the_trouble() {
    let fake = Fake::with(|settings| {
        let keys = ["consumer-key", "another", "11-token", "token-secret"].map(Into::into);
        let [consumer_key, consumer_secret, token, token_secret] = keys;
        settings.log_in = x::LogIn::Keys(x::Keys { consumer_key, consumer_secret, token, token_secret });
    })
    .await;
    let failure = fake.connector.connect().await.unwrap_err();
    assert!(matches!(failure, Failure::AccountDead(why) if why.contains("make new keys")), "{failure:?}");
}

fn app() -> x::App {
    x::App { client_id: "client".to_owned(), client_secret: "client-secret".into() }
}

async fn with_app() -> Fake {
    Fake::with(|settings| settings.log_in = x::LogIn::App(app())).await
}

/// Logs in as a coordinator does.
async fn log_in(fake: &Fake) -> Result<(), Failure> {
    let verifier = "v".repeat(64);
    fake.x.lock().codes.insert("code".to_owned(), challenge_of(&verifier));
    let session = fake.folder.path().join("x-session.json");
    let redirect = "http://127.0.0.1:7366/";
    x::log_in(
        &client(),
        &fake.x.address,
        &app(),
        &session,
        x::Allowed { code: "code", redirect, verifier: &verifier },
    )
    .await
}

#[tokio::test]
async fn a_renewed_log_in_is_kept_before_it_is_used() {
    let fake = with_app().await;
    let failure = fake.connector.connect().await.unwrap_err();
    assert!(failure.to_string().contains("stumper network login x"), "{failure}");
    log_in(&fake).await.unwrap();
    fake.connector.connect().await.unwrap();
    // The token expires, and X takes the refresh token once only.
    fake.x.lock().access.clear();
    let kept = || std::fs::read_to_string(fake.folder.path().join("x-session.json")).unwrap();
    assert!(kept().contains("refresh-1"));
    fake.connector.connect().await.unwrap();
    assert!(kept().contains("refresh-2") && !kept().contains("refresh-1"));
    assert_eq!(fake.x.requests("POST /2/oauth2/token").len(), 2);
    // Another process goes on with what was kept, and many calls at once renew once.
    fake.x.lock().access.clear();
    let mut settings = fake.x.settings(fake.folder.path());
    settings.log_in = x::LogIn::App(app());
    let connector = Connector::new(settings, client());
    connector.connect().await.unwrap();
    fake.x.lock().access.clear();
    let gone = deletion("7");
    let (one, two) = tokio::join!(connector.fetch(None), connector.look(&gone));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(fake.x.requests("POST /2/oauth2/token").len(), 4);
}

#[tokio::test]
async fn a_lost_renewal_needs_a_person_and_says_so() {
    let fake = with_app().await;
    log_in(&fake).await.unwrap();
    fake.connector.connect().await.unwrap();
    fake.x.lock().access.clear();
    fake.x.spoil("POST /2/oauth2/token", Fault::LostAnswer);
    assert!(matches!(fake.connector.connect().await, Err(Failure::Transient(_))));
    let failure = fake.connector.connect().await.unwrap_err();
    assert!(
        matches!(failure, Failure::AccountDead(why) if why.contains("stumper network login x")),
        "{failure:?}"
    );
    // The running desk takes up the new log-in by itself.
    log_in(&fake).await.unwrap();
    fake.connector.connect().await.unwrap();
}

#[tokio::test]
async fn a_session_that_cannot_be_kept_is_not_used() {
    let fake = Fake::with(|settings| {
        settings.log_in = x::LogIn::App(app());
        settings.session_file = "/dev/null/x-session.json".into();
    })
    .await;
    let verifier = "v".repeat(64);
    fake.x.lock().codes.insert("code".to_owned(), challenge_of(&verifier));
    let file = std::path::Path::new("/dev/null/x-session.json");
    let allowed = |code| x::Allowed { code, redirect: "http://127.0.0.1:1/", verifier: &verifier };
    let logged_in = x::log_in(&client(), &fake.x.address, &app(), file, allowed("code")).await;
    assert!(matches!(logged_in, Err(Failure::AccountDead(_))));
    let wrong = x::log_in(&client(), &fake.x.address, &app(), file, allowed("guess")).await;
    assert!(wrong.unwrap_err().to_string().contains("does not take the code"));
}

// ---- Writing ----

#[tokio::test]
async fn a_reply_is_posted_and_deleted() {
    let fake = Fake::new().await;
    let question = fake.x.post(ANN, "@libbot who?", None);
    let place = fake.connector.send(&reply("Joyce.", question)).await.unwrap();
    assert_eq!(fake.x.by_desk()[0].text, "Joyce.");
    assert_eq!(place.post.id, fake.x.by_desk()[0].id.to_string());
    assert_eq!(fake.connector.look(&deletion(&place.post.id)).await.unwrap(), None, "still there");
    fake.connector.send(&deletion(&place.post.id)).await.unwrap();
    assert_eq!(fake.x.by_desk().len(), 0);
    assert!(fake.connector.look(&deletion(&place.post.id)).await.unwrap().is_some(), "gone");
    fake.connector.send(&deletion(&place.post.id)).await.unwrap();
    fake.x.message(ANN, "hello");
    let place = fake.connector.send(&message("Welcome.")).await.unwrap();
    assert!(
        place.post.id.starts_with("dm:") && place.root.id == "dm:11-22",
        "a message has its conversation"
    );
    assert_eq!(fake.x.messages_to(ANN), ["Welcome."]);
    fake.connector.send(&deletion(&place.post.id)).await.unwrap();
    assert_eq!(fake.x.messages_to(ANN).len(), 0);
    assert_eq!(fake.x.wrongs(), Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_called_for_is_not_even_tried() {
    let fake = Fake::new().await;
    let post = outgoing(0, "Hello, everybody", Visibility::Public, None);
    assert_eq!(fake.connector.send(&post).await, Err(Failure::Refused(Refusal::Unreachable)));
    let mut to_message = reply("Joyce.", 1);
    to_message.reply_to = Some(Place::top(Network::X, anchor("dm:7")));
    assert_eq!(
        fake.connector.send(&to_message).await,
        Err(Failure::Refused(Refusal::Unreachable)),
        "promise 1: no reply to a private message in public"
    );
    assert_eq!(fake.x.requests(TWEETS).len(), 0);
}

#[tokio::test]
async fn each_no_of_x_is_what_it_is() {
    let no = |status, detail: &str| {
        Fault::No(status, json!({"title": "Forbidden", "type": "about:blank", "detail": detail}))
    };
    let rows = [
        (
            "not called",
            no(403, "You can only reply to or quote posts where you are mentioned."),
            Failure::Refused(Refusal::Rejected),
        ),
        ("few may reply", no(403, "The author limits who can reply."), Failure::Refused(Refusal::Rejected)),
        (
            "deleted",
            no(400, "The Tweet you attempted to reply to has been deleted or not visible to you."),
            Failure::Refused(Refusal::Unreachable),
        ),
        ("too long", no(400, "Your Tweet text is too long."), Failure::Refused(Refusal::Rejected)),
        ("no credits", no(402, "x"), Failure::AccountDead("buy credits")),
        ("the spend cap", no(403, "Spend cap reached"), Failure::AccountDead("buy credits")),
        ("suspended", no(403, "Your account is suspended"), Failure::AccountDead("suspended")),
        ("the app", no(403, "client-forbidden"), Failure::AccountDead("the app may not")),
        ("a limit", Fault::RateLimit(None), Failure::Later { after: Duration::from_secs(60) }),
        ("a web page", Fault::Page(403), Failure::Transient("")),
        ("out of order", Fault::Page(503), Failure::Unsure("")),
        ("too late", Fault::Page(504), Failure::Unsure("")),
        ("nothing whole", Fault::LostRequest, Failure::Unsure("")),
        ("nothing at all", Fault::Hangs, Failure::Unsure("")),
        ("a success without an id", Fault::No(201, json!({"data": {}})), Failure::Unsure("")),
    ];
    for (name, fault, want) in rows {
        let fake = Fake::new().await;
        let question = fake.x.post(ANN, "@libbot who?", None);
        fake.x.spoil(TWEETS, fault);
        let got = fake.connector.send(&reply("Joyce.", question)).await.unwrap_err();
        match (&want, &got) {
            (Failure::AccountDead(part), Failure::AccountDead(why)) => {
                assert!(why.contains(part), "{name}: {why}")
            }
            (Failure::Transient(_), Failure::Transient(_)) | (Failure::Unsure(_), Failure::Unsure(_)) => {}
            _ => assert_eq!(got, want, "{name}"),
        }
    }
}

#[tokio::test]
async fn a_text_that_x_has_already_is_there_or_refused() {
    let fake = Fake::new().await;
    let (one, two) = (fake.x.post(ANN, "@libbot who?", None), fake.x.post(ANN, "@libbot and who?", None));
    let place = fake.connector.send(&reply("Joyce.", one)).await.unwrap();
    let again = fake.connector.send(&reply("Joyce.", one)).await.unwrap();
    assert_eq!(again, place, "it is this very letter");
    let other = fake.connector.send(&reply("Joyce.", two)).await;
    assert_eq!(other, Err(Failure::Refused(Refusal::Rejected)), "another letter with the same words");
    assert_eq!(fake.x.by_desk().len(), 1);
}

#[tokio::test]
async fn a_letter_whose_answer_was_lost_is_found_however_x_shows_it() {
    let fake = Fake::new().await;
    let question = fake.x.post(ANN, "@libbot who?", None);
    let other = fake.x.post(ANN, "@libbot and when?", None);
    let text = "Joyce & co: \"Ulysses\" <1922>, see https://lib.example/x?a=1&b=2 and e\u{301}";
    fake.x.spoil(TWEETS, Fault::LostAnswer);
    assert!(matches!(fake.connector.send(&reply(text, question)).await, Err(Failure::Unsure(_))));
    let place = fake.connector.look(&reply(text, question)).await.unwrap();
    assert_eq!(place.unwrap().post.id, fake.x.by_desk()[0].id.to_string());
    assert_eq!(fake.connector.look(&reply(text, other)).await.unwrap(), None, "another post's reply");
    assert_eq!(fake.connector.look(&reply("Another", question)).await.unwrap(), None, "another text");
    fake.x.message(ANN, "hello");
    fake.x.spoil("POST /2/dm_conversations", Fault::HangsAfter);
    assert!(matches!(
        fake.connector.send(&message("See <https://lib.example>")).await,
        Err(Failure::Unsure(_))
    ));
    assert!(fake.connector.look(&message("See <https://lib.example>")).await.unwrap().is_some());
    assert_eq!(fake.connector.look(&message("See")).await.unwrap(), None);
}

#[tokio::test]
async fn somebody_who_takes_no_messages_is_out_of_reach() {
    let fake = Fake::new().await;
    let sent = fake.connector.send(&message("hello")).await;
    assert_eq!(sent, Err(Failure::Refused(Refusal::Unreachable)));
}

// ---- Money ----

#[tokio::test]
async fn the_desk_stops_before_the_budget_is_passed() {
    let fake = Fake::with(|settings| settings.prices.monthly = x::DOLLAR).await;
    let cursor = fake.begins().await;
    for number in 0..300 {
        fake.x.post(ANN, &format!("@libbot number {number}?"), None);
    }
    let mut cursor = Some(cursor);
    let mut read = 0;
    // Until there is nothing more, and a few times after.
    for _ in 0..20 {
        let batch = fake.connector.fetch(cursor.as_deref()).await.unwrap();
        read += batch.posts.len();
        cursor = batch.cursor.or(cursor);
    }
    assert!(read > 0);
    assert!(fake.spent() <= 900_000 && fake.x.lock().charged <= fake.spent(), "{}", fake.spent());
    let questions: Vec<u64> = fake.x.lock().posts.iter().map(|post| post.id).collect();
    let mut sent = 0;
    let mut last = None;
    for (number, question) in questions.iter().enumerate() {
        match fake
            .connector
            .send(&outgoing(number, &format!("Answer {number}"), Visibility::Public, Some(*question)))
            .await
        {
            Ok(_) => sent += 1,
            Err(failure) => last = Some(failure),
        }
    }
    assert!(sent >= 6, "the last tenth was kept for answers: {sent}");
    assert!(last.unwrap().to_string().contains("monthly_dollars"));
    assert!(fake.x.lock().charged <= fake.spent() && fake.spent() <= x::DOLLAR);
    // Nor is it passed by a new process.
    let before = fake.x.lock().requests.len();
    let connector = Connector::new(
        {
            let mut settings = fake.x.settings(fake.folder.path());
            settings.prices.monthly = x::DOLLAR;
            settings
        },
        client(),
    );
    assert!(connector.send(&reply("See https://lib.example", questions[0])).await.is_err());
    assert!(fake.x.lock().requests.len() <= before + 1, "at most who the desk is was asked");
}

#[tokio::test]
async fn a_check_shows_what_was_spent_and_writes_nothing() {
    let fake = Fake::new().await;
    let report = fake.connector.check().await;
    assert!(report.findings.iter().all(|finding| finding.ok), "{report:#?}");
    let budget = report.findings.iter().find(|finding| finding.what == "budget").unwrap();
    assert_eq!(budget.found, "$0.01 of $1000.00 spent this month");
    let wrote = |request: &&String| !request.starts_with("GET");
    assert_eq!(fake.x.lock().requests.iter().filter(wrote).count(), 0);
    let poor = Fake::with(|settings| settings.prices.monthly = 20_000).await;
    let report = poor.connector.check().await;
    let budget = report.findings.iter().find(|finding| finding.what == "budget").unwrap();
    assert!(!budget.ok && budget.mend.as_ref().unwrap().contains("monthly_dollars"), "{budget:?}");
    assert_eq!(report.account.is_some(), report.findings[0].ok);
    assert_eq!(DESK, "11");
}
