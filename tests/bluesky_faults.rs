//! Fault runs on Bluesky, over a stand-in: requests and answers are lost, late, repeated and refused, tokens
//! expire, the desk is ended in the middle of its work, and its clock jumps over hours. Each run has a seed
//! and a clock of its own; a run that fails can be repeated by its number.
//!
//! The rules that are held here. A public letter has a record key that follows from the letter, so that it
//! cannot be there twice. A direct message has none: it is said again only after it was looked for in its
//! conversation at least two minutes after the last attempt, which is later than any request can still
//! arrive.
//!
//! `FAULT_RUNS` says how many runs are made, `FAULT_RUN` which one alone.
//!
//! **Invariant:** nothing waits for real time to pass.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a panic here is a failed test")]

#[path = "support/bluesky_stand_in.rs"]
#[allow(unreachable_pub, reason = "a module of this test")]
mod bluesky_stand_in;
#[path = "support/fault_runs.rs"]
mod fault_runs;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bluesky_stand_in::{Fault, Server};
use fault_runs::Dice;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use stumper::config::rules_dir;
use stumper::desk::letter::Delivery;
use stumper::desk::{Network, Settings};
use stumper::engine::{self, Engine};
use stumper::networks::{Connector, bluesky as network, http};
use stumper::store::Store;
use stumper::subjects::Subjects;

/// How many runs there are, unless `FAULT_RUNS` says otherwise.
const RUNS: u64 = 50;

/// How many rounds of looking, deciding and sending one run has before its faults end, and after.
const ROUNDS_WITH_FAULTS: usize = 24;
const ROUNDS_AFTER: usize = 120;

/// What goes wrong with a request, now and then.
fn fault(dice: &mut Dice, method: &str) -> Fault {
    let writes = method.ends_with("putRecord") || method.ends_with("sendMessage");
    match dice.below(100) {
        0..8 => Fault::LostAnswer,
        8..14 => Fault::LostRequest,
        14..24 if writes => Fault::Late(i64::try_from(dice.below(60)).unwrap()),
        24..28 => Fault::ErrorAfter,
        28..31 => Fault::PageAfter,
        31..34 => Fault::BadGateway,
        34..36 => Fault::TooMany,
        36..40 => Fault::Expired,
        40..46 => Fault::Shuffled,
        _ => Fault::None,
    }
}

/// How somebody writes to the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Publicly,
    Directly,
}

/// A desk in a world whose clock is the test's.
struct Run {
    server: Server,
    engine: Engine,
    connector: Connector,
    subjects: Subjects,
    folder: tempfile::TempDir,
    now: Arc<Mutex<Timestamp>>,
    dice: Dice,
    http: reqwest::Client,
}

impl Run {
    async fn new(seed: u64, subjects: &Subjects, http: &reqwest::Client) -> Run {
        // Rounded, because stored times are.
        let now = stumper::clock::now();
        let server = Server::start(now).await;
        let now = Arc::new(Mutex::new(now));
        let mut dice = Dice(seed);
        server.world().clock_off =
            SignedDuration::from_mins([0, 60, -60][usize::try_from(dice.below(3)).unwrap()]);
        let engine = Engine::new(Store::memory(), subjects.clone(), Settings::default());
        let folder = tempfile::tempdir().unwrap();
        let connector = connector(&server, folder.path(), http);
        let (subjects, http) = (subjects.clone(), http.clone());
        let run = Run { server, engine, connector, subjects, folder, now, dice, http };
        fault_runs::log_in(&run.engine, &run.connector).await;
        fault_runs::round(&run.engine, &run.connector, run.time()).await;
        run
    }

    fn time(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn set_clock(&self, ahead: SignedDuration) {
        let now = self.time().checked_add(ahead).unwrap();
        *self.now.lock().unwrap() = now;
        self.server.set_clock(now);
    }

    fn says(&self, who: &str, way: Way, text: &str) {
        let mut world = self.server.world();
        match way {
            Way::Publicly => world.post(who, &format!("@desk.test {text}"), None),
            Way::Directly => world.message(who, text),
        }
    }

    /// Ends the desk as a kill does, and starts it on what it remembers.
    async fn restart(&mut self) {
        self.engine = Engine::new(self.engine.store().clone(), self.subjects.clone(), Settings::default());
        self.connector = connector(&self.server, self.folder.path(), &self.http);
        // Logging in also ends the minute for which a chat service in trouble is left alone.
        fault_runs::log_in(&self.engine, &self.connector).await;
        let clock = || self.time();
        engine::take_stock(&self.engine, &self.connector, &clock).await.unwrap();
    }

    fn is_settled(&self) -> bool {
        self.engine.store().counts().unwrap().unsettled == 0
    }

    /// The librarian answers the next invitation that they did not answer yet, where it was said.
    fn answer_one(&self, answered: &mut Vec<String>) {
        let mut world = self.server.world();
        let public =
            world.posts.iter().filter(|post| post.author == "desk" && post.text.contains("@clio.test"));
        let public = public.map(|post| (post.text.clone(), Some(post.uri.clone())));
        let direct = world.messages.iter().filter(|said| said.by_desk && said.with == "clio");
        let direct = direct.map(|said| (said.text.clone(), None));
        let next = public.chain(direct).find_map(|(text, uri)| {
            let code = text.split_once(" for you, ")?.1.get(..4)?.to_owned();
            (!answered.contains(&code)).then_some((code, uri))
        });
        let Some((code, uri)) = next else { return };
        let text = format!("{code}: the answer is in chapter {}.", answered.len() + 1);
        match uri {
            Some(uri) => world.post("clio", &text, Some(&uri)),
            None => world.message("clio", &text),
        }
        answered.push(code);
    }
}

fn connector(server: &Server, folder: &Path, http: &reqwest::Client) -> Connector {
    let password = SecretString::from("app-password");
    let settings = network::Settings::new(&server.address, "desk.test", password, folder.join("session"));
    Connector::Bluesky(network::Connector::new(settings, http.clone()))
}

fn subjects() -> Subjects {
    let rules = rules_dir::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap();
    Subjects::compile(&rules).0
}

async fn fault_run(seed: u64, subjects: &Subjects, http: &reqwest::Client) {
    let mut run = Run::new(seed, subjects, http).await;
    let pick = |dice: &mut Dice| if dice.below(2) == 0 { Way::Publicly } else { Way::Directly };
    let joined = pick(&mut run.dice);
    run.says("clio", joined, "join history, law");
    fault_runs::round(&run.engine, &run.connector, run.time()).await;
    fault_runs::round(&run.engine, &run.connector, run.time()).await;
    let mut requests = run.dice.clone();
    run.server.goes_wrong(move |method| fault(&mut requests, method));
    let asked = [pick(&mut run.dice), pick(&mut run.dice)];
    run.says("ann", asked[0], "When did the Ottoman Empire end?");
    run.says("ben", asked[1], "Can my landlord evict me without a court order?");
    let mut answered = Vec::new();
    for _ in 0..ROUNDS_WITH_FAULTS {
        match run.dice.below(8) {
            0 => {
                fault_runs::round_cut_short(&run.engine, &run.connector, run.time()).await;
                run.restart().await;
            }
            1 => run.restart().await,
            2..5 => {
                fault_runs::log_in(&run.engine, &run.connector).await;
                fault_runs::round(&run.engine, &run.connector, run.time()).await;
            }
            _ => fault_runs::round(&run.engine, &run.connector, run.time()).await,
        }
        run.answer_one(&mut answered);
        let ahead = [1, 1, 2, 2, 5, 10, 30, 130, 700, 3_700];
        let ahead = ahead[usize::try_from(run.dice.below(10)).unwrap()];
        run.set_clock(SignedDuration::from_secs(ahead));
    }
    run.server.goes_wrong(|_| Fault::None);
    fault_runs::log_in(&run.engine, &run.connector).await;
    for _ in 0..ROUNDS_AFTER {
        fault_runs::round(&run.engine, &run.connector, run.time()).await;
        let before = answered.len();
        run.answer_one(&mut answered);
        if run.is_settled() && before == answered.len() {
            break;
        }
        run.set_clock(SignedDuration::from_secs(240));
    }
    if std::env::var("FAULT_RUN").is_ok() {
        eprintln!("{}", run.server.world().log.join("\n"));
    }
    assert!(run.is_settled(), "promise 4, run {seed}: something is left in the outbox");
    once(&run, seed);
    never_wider(&run, [("ann", asked[0], "Ottoman"), ("ben", asked[1], "landlord")], seed);
    let undelivered = run.engine.store().undelivered(50).unwrap();
    let outdated = |delivery: &Delivery| {
        matches!(delivery, Delivery::Refused { why: stumper::desk::letter::Refusal::Outdated, .. })
    };
    let lost: Vec<_> = undelivered.iter().filter(|(_, delivery)| !outdated(delivery)).collect();
    assert!(lost.is_empty(), "promise 4, run {seed}: given up: {lost:?}");
    let heard: usize = ["ann", "ben"].iter().map(|who| questions_of(&run, who)).sum();
    assert_eq!(heard, 2, "promise 4, run {seed}: a question was not taken in, or twice");
}

fn questions_of(run: &Run, who: &str) -> usize {
    let account = stumper::desk::AccountId::new(Network::Bluesky, format!("did:plc:{who}"));
    let questions = run.engine.store().questions(None, 100).unwrap();
    questions.iter().filter(|question| question.patron.id == account).count()
}

/// Promise 3: no letter is posted or said twice.
fn once(run: &Run, seed: u64) {
    let world = run.server.world();
    let posts = world.posts.iter().filter(|post| post.author == "desk");
    let posts = posts.map(|post| (post.parent.clone().unwrap_or_default(), post.text.clone()));
    let said = world.messages.iter().filter(|said| said.by_desk);
    let said = said.map(|said| (said.with.clone(), said.text.clone()));
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for letter in posts.chain(said) {
        *times.entry(letter).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "promise 3, run {seed}: twice: {twice:?}");
}

/// Promise 1: nothing of a private question is in a post, nor whom it is from.
fn never_wider(run: &Run, asked: [(&str, Way, &str); 2], seed: u64) {
    let world = run.server.world();
    for (who, way, word) in asked {
        let is_about = |text: &str| text.contains(word) || text.contains(&format!("@{who}.test"));
        let shown = world.posts.iter().filter(|post| post.author == "desk" && is_about(&post.text)).count();
        assert!(way == Way::Publicly || shown == 0, "promise 1, run {seed}: {who} asked in private");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_appear_once_and_nothing_private_in_public() {
    let runs = std::env::var("FAULT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let from = std::env::var("FAULT_RUN").ok().and_then(|run| run.parse().ok());
    let subjects = subjects();
    // One for all runs: it reads the system's certificates.
    let http = http::client().unwrap();
    let (first, last) = from.map_or((0, runs), |run: u64| (run, run + 1));
    for run in first..last {
        fault_run(run, &subjects, &http).await;
    }
}
