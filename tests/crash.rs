//! Promise 3, once, and promise 4, nothing is lost: the whole desk as a process of its own, killed
//! with SIGKILL in the middle of its work, again and again, and started on what it remembers.
//!
//! **Invariant:** the desk is the real program with real files. People talk to it while it is killed,
//! and only what was acknowledged to them is expected to be there; but nothing may be there twice.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/bluesky_network.rs"]
mod bluesky_network;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use bluesky_network::{BlueskyNetwork, eventually};
use serde_json::{Value, json};
use stumper::desk::Purpose;
use stumper::networks::sandbox::{Entry, Post, Sandbox};
use stumper::store::Store;
use tempfile::TempDir;

/// How often the desk on the sandbox is killed.
const KILLS: u64 = 50;

/// How often the desk on Bluesky is killed.
const KILLS_ON_BLUESKY: u64 = 12;

/// How long a life of the desk lasts at most, in milliseconds from the moment it serves.
const LIFE_MS_MAX: u64 = 400;

/// The next number of a fixed sequence that looks random (xorshift), so that a run can be repeated.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// A folder in which a desk lives, life after life.
struct Home {
    folder: TempDir,
    password: String,
}

struct Life {
    child: Child,
    address: String,
    /// Held open, so that the desk can write to it.
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Home {
    fn new(networks: &str, password: &str) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let limits = "default_limit = 50\n[limits]\nreplies_per_person_hour = 1000\nletters_per_question_hour = 1000\n";
        let text = format!(
            "[routing]\ninvitations_per_day = 100\n{limits}[web]\nlisten = \"127.0.0.1:0\"\n{networks}"
        );
        fs::write(folder.path().join("bot.toml"), text).unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        for (id, term) in [("history", "empire"), ("law", "patent")] {
            let rule = format!("id = \"{id}\"\nname = \"{id}\"\nstrong = [\"{term}\"]\n");
            fs::write(folder.path().join(format!("rules/{id}.toml")), rule).unwrap();
        }
        Home { folder, password: password.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// How many letters the running desk has still to send, by its own account.
    fn letters_on_their_way(&self) -> usize {
        let mut export = Command::new(env!("CARGO_BIN_EXE_stumper"));
        let export = export.args(["store", "export"]).current_dir(self.folder.path()).output().unwrap();
        assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
        let rows = export.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let rows = rows.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        let is_settled = |row: &Value| row["delivery"]["is"] == "sent" || row["delivery"]["is"] == "refused";
        rows.filter(|row| row["row"] == "letter" && !is_settled(row)).count()
    }

    fn start(&self) -> Life {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stumper"))
            .current_dir(self.folder.path())
            .env_remove("RUST_LOG")
            .env("STUMPER_BLUESKY_PASSWORD", &self.password)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(!address.is_empty(), "the desk must start after every kill: {}", log());
        Life { child, address, _stdout: stdout }
    }
}

impl Drop for Life {
    /// A test that fails leaves no desk behind.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Life {
    /// SIGKILL: nothing is finished, nothing is flushed.
    fn kill(self) {
        drop(self);
    }

    /// SIGTERM: the desk finishes what it has in hand.
    fn end(mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

/// What people were told is there.
#[derive(Default)]
struct Acknowledged {
    /// Questions by their number, with the id of the post.
    questions: BTreeMap<usize, String>,
    /// The invitations that were answered.
    answers: BTreeSet<String>,
}

/// The people of the sandbox, who talk to a desk that may end at any moment.
struct People {
    http: reqwest::Client,
    acknowledged: Mutex<Acknowledged>,
}

impl People {
    /// Posts, and answers the post's id once the sandbox has acknowledged it. The key makes a repeat
    /// after a lost answer the same post.
    async fn say(&self, address: &str, body: Value) -> Option<String> {
        let request = self.http.post(format!("http://{address}/sandbox/posts")).json(&body);
        let answer = request.send().await.ok()?;
        let posted: Value = answer.json().await.ok()?;
        Some(posted["id"].as_str()?.to_owned())
    }

    /// A patron asks one question after another.
    async fn ask(&self, address: &str, who: &str, numbers: impl Iterator<Item = usize>) {
        for number in numbers {
            let term = if number % 2 == 0 { "empire" } else { "patent" };
            let text = format!("@desk Which {term} is meant by number {number}?");
            let body = json!({"as": who, "text": text, "visibility": "public", "key": format!("q{number}")});
            let Some(id) = self.say(address, body).await else { return };
            self.acknowledged.lock().unwrap().questions.insert(number, id);
        }
    }

    /// A librarian answers every invitation they find.
    async fn answer(&self, address: &str, who: &str, subject: &str) {
        let join = json!({"as": who, "text": format!("join {subject}"), "visibility": "direct", "to": ["desk"], "key": "join"});
        if self.say(address, join).await.is_none() {
            return;
        }
        loop {
            let url = format!("http://{address}/sandbox/inbox?as={who}");
            let Ok(answer) = self.http.get(url).send().await else { return };
            let Ok(inbox) = answer.json::<Value>().await else { return };
            for (id, number) in invitations(&inbox) {
                if self.acknowledged.lock().unwrap().answers.contains(&number) {
                    continue;
                }
                let body = json!({
                    "as": who, "text": format!("It is the answer to {number}."), "visibility": "unlisted",
                    "in_reply_to": id, "key": format!("a{number}"),
                });
                if self.say(address, body).await.is_none() {
                    return;
                }
                self.acknowledged.lock().unwrap().answers.insert(number);
            }
        }
    }
}

/// The invitations in an inbox: the id of each and the question's number.
fn invitations(inbox: &Value) -> Vec<(String, String)> {
    let threads = inbox["threads"].as_array().unwrap();
    let posts = threads.iter().flat_map(|thread| thread["posts"].as_array().unwrap());
    let invited = posts.filter(|post| post["purpose"] == "invitation");
    let read = |post: &Value| {
        let text = post["text"].as_str()?;
        let number = text.split("number ").nth(1)?.split('?').next()?;
        Some((post["id"].as_str()?.to_owned(), format!("number {number}")))
    };
    invited.filter_map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn once_and_nothing_lost_on_the_sandbox_through_fifty_kills() {
    let home = Home::new("[network.sandbox]\nenabled = true\n", "");
    let http = reqwest_client();
    let people = People { http, acknowledged: Mutex::default() };
    let mut chance = 0x5eed_u64;
    for round in 0..KILLS {
        let life = home.start();
        let first = usize::try_from(round).unwrap() * 8;
        let work = async {
            tokio::join!(
                people.ask(&life.address, "ann", first..first + 4),
                people.ask(&life.address, "bob", first + 4..first + 8),
                people.answer(&life.address, "clio", "history"),
                people.answer(&life.address, "lexi", "law"),
            )
        };
        // The desk is to be killed at any moment of its work: that is the point of waiting here.
        let life_span = Duration::from_millis(next(&mut chance) % LIFE_MS_MAX);
        tokio::time::timeout(life_span, work).await.ok();
        life.kill();
    }
    let life = home.start();
    settled(&home, &people).await;
    life.end();
    let acknowledged = people.acknowledged.into_inner().unwrap();
    check_sandbox(&home, &acknowledged).await;
}

fn reqwest_client() -> reqwest::Client {
    stumper::networks::http::client().unwrap()
}

/// Waits until everything that was acknowledged has had its effect, as far as can be seen outside.
/// Whether that is once, and whether all else is in order, is checked afterwards.
async fn settled(home: &Home, people: &People) {
    let file = home.path("sandbox.jsonl");
    eventually("everything that was acknowledged has had its effect", || async {
        let text = fs::read_to_string(&file).unwrap();
        let acknowledged = people.acknowledged.lock().unwrap();
        // The last line may be on its way into the file.
        let posts = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let taken_in: BTreeSet<String> = posts
            .filter(|line| line["post"]["purpose"] == "acknowledgement")
            .map(|line| line["post"]["root"].to_string())
            .collect();
        // An answer stands there twice: as the librarian wrote it, and as the desk brought it.
        let is_brought = |number: &String| text.matches(&format!("the answer to {number}.")).count() > 1;
        let is_done = acknowledged.questions.values().all(|id| taken_in.contains(id))
            && acknowledged.answers.iter().all(is_brought);
        (is_done && home.letters_on_their_way() == 0).then_some(())
    })
    .await;
}

/// Looks at everything that is left behind.
async fn check_sandbox(home: &Home, acknowledged: &Acknowledged) {
    assert!(acknowledged.questions.len() > 50, "only {} questions", acknowledged.questions.len());
    assert!(acknowledged.answers.len() > 20, "only {} answers", acknowledged.answers.len());
    let sandbox = Sandbox::open(&home.path("sandbox.jsonl"), "desk").unwrap();
    let posts: Vec<Post> = sandbox
        .posts()
        .iter()
        .filter_map(|entry| match entry {
            Entry::Post(post) => Some(Post::clone(post)),
            Entry::Gone(_) => None,
        })
        .collect();
    let by_desk: Vec<&Post> = posts.iter().filter(|post| post.author == *sandbox.desk()).collect();
    let of = |purpose| by_desk.iter().filter(move |post| post.purpose == Some(purpose));

    // Promise 3: no letter is there twice.
    let keys: BTreeSet<_> = by_desk.iter().map(|post| post.key.clone().unwrap()).collect();
    assert_eq!(keys.len(), by_desk.len(), "promise 3: a letter was posted twice");

    // Promise 4: whatever was acknowledged is there and had its effect, once.
    for (number, id) in &acknowledged.questions {
        let root: u64 = id.parse().unwrap();
        let acknowledgements = of(Purpose::Acknowledgement).filter(|post| post.root == root).count();
        assert_eq!(acknowledgements, 1, "question {number}");
    }
    for number in &acknowledged.answers {
        let text = format!("It is the answer to {number}.");
        let arrived = of(Purpose::Answer).filter(|post| post.text.reveal().contains(&text)).count();
        assert_eq!(arrived, 1, "the answer to {number}");
    }
    // Also of posts whose acknowledgement was lost, each took effect once at most.
    let mut threads: BTreeMap<u64, usize> = BTreeMap::new();
    for post in of(Purpose::Acknowledgement) {
        *threads.entry(post.root).or_default() += 1;
    }
    assert!(threads.values().all(|count| *count == 1), "promise 3: a question was taken in twice");

    let store = Store::open_sled(&home.path("store")).unwrap();
    let questions = store.questions(None, 10_000).unwrap();
    assert!(questions.iter().all(|question| question.is_looked_after()), "promise 4: one is forgotten");
    assert_eq!(questions.len(), threads.len(), "promise 3: one question for each mention");
    assert_eq!(store.counts().unwrap().unsettled, 0, "promise 4: a letter was left lying");
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn once_and_nothing_lost_on_bluesky_through_a_dozen_kills() {
    let Some(net) = BlueskyNetwork::start() else { return };
    let (desk, ann, clio) = (net.account("desk").await, net.account("ann").await, net.account("clio").await);
    let networks = format!(
        "[network.bluesky]\nenabled = true\nservice = \"{}\"\nidentifier = \"{desk}\"\npoll = \"1s\"\n\
         password_env = \"STUMPER_BLUESKY_PASSWORD\"\n",
        net.service()
    );
    let home = Home::new(&networks, &desk.app_password().await);
    let life = home.start();
    clio.post(&format!("@{desk} join history"), &[&desk]).await;
    let welcome = clio.hears("Welcome to the desk").await;
    life.kill();

    let mut chance = 0xb5e_u64;
    let mut questions = Vec::new();
    for number in 0..KILLS_ON_BLUESKY {
        let life = home.start();
        questions.push(ann.post(&format!("@{desk} Which empire is number {number}?"), &[&desk]).await);
        for said in clio.heard().await.iter().filter(|said| said.text.contains("A question from")).take(2) {
            clio.reply(&said.at, &format!("An answer, said before kill {number}."), &[]).await;
        }
        // Longer lives than on the sandbox: a look for news comes once a second. The wait is the point.
        tokio::time::sleep(Duration::from_millis(600 + next(&mut chance) % 1_500)).await;
        life.kill();
    }
    let life = home.start();
    for question in &questions {
        ann.sees(question, "This is question").await;
    }
    clio.reply(&welcome.at, &format!("@{desk} my questions"), &[&desk]).await;
    clio.hears("You were asked").await;
    life.end();

    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for text in desk.texts().await {
        *times.entry(text).or_default() += 1;
    }
    // Confirmations to the librarian may read alike; what is about one question's text may not.
    let twice: Vec<_> =
        times.iter().filter(|(text, times)| text.contains("question") && **times > 1).collect();
    assert!(twice.is_empty(), "promise 3: posted more than once: {twice:?}");
    let store = Store::open_sled(&home.path("store")).unwrap();
    let stored = store.questions(None, 1_000).unwrap();
    assert_eq!(stored.len(), questions.len(), "promise 3: one question for each mention");
    assert!(stored.iter().all(|question| question.is_looked_after()), "promise 4: one is forgotten");
}
