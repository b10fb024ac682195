//! Fault runs: requests and answers are lost, late, repeated and refused, the desk is ended in the middle
//! of its work, and its clock jumps over hours. Each run has a seed, a server of some kind, and a clock of
//! its own; a run that fails can be repeated by its number.
//!
//! The rule that is held here. On a server that knows keys no letter is ever posted twice: within 50
//! minutes of its making a letter is repeated under its key, and later only after it was looked for in
//! the same breath; after two unclear answers the desk waits until the request must have arrived, and
//! looks. On a server that knows no keys a letter is repeated only after it was looked for at least two
//! minutes after the last attempt, which is later than any request can still arrive.
//!
//! `FAULT_RUNS` says how many runs are made for each kind of server.
//!
//! **Invariant:** nothing waits for real time to pass.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a panic here is a failed test")]

#[path = "support/fault_runs.rs"]
mod fault_runs;
#[path = "support/mastodon.rs"]
mod mastodon;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fault_runs::Dice;
use jiff::{SignedDuration, Timestamp};
use mastodon::{Fault, Person, Profile, Server};
use secrecy::SecretString;
use stumper::config::rules_dir;
use stumper::desk::letter::Delivery;
use stumper::desk::{Network, Settings};
use stumper::engine::{self, Engine};
use stumper::networks::{Connector, http, mastodon as network};
use stumper::store::Store;
use stumper::subjects::Subjects;

/// How many runs there are for each kind of server, unless `FAULT_RUNS` says otherwise.
const RUNS: u64 = 50;

/// How many rounds of looking, deciding and sending one run has before its faults end, and after.
const ROUNDS_WITH_FAULTS: usize = 24;
const ROUNDS_AFTER: usize = 120;

/// What goes wrong with a request, now and then.
fn fault(dice: &mut Dice, method: &str, path: &str) -> Fault {
    let writes = method == "POST" && path == "/api/v1/statuses";
    match dice.below(100) {
        0..10 => Fault::LostAnswer,
        10..16 => Fault::LostRequest,
        16..26 if writes => Fault::Late(i64::try_from(dice.below(60)).unwrap()),
        26..30 => Fault::ErrorAfter,
        30..33 => Fault::PageAfter,
        33..36 => Fault::Truncated,
        36..39 => Fault::BadGateway,
        39..41 => Fault::TooMany { says: true },
        41..42 => Fault::TooMany { says: false },
        42..44 => Fault::Busy,
        44..50 => Fault::Shuffled,
        _ => Fault::None,
    }
}

/// A desk in a world whose clock is the test's.
struct Run {
    server: Server,
    engine: Engine,
    connector: Connector,
    subjects: Subjects,
    now: Arc<Mutex<Timestamp>>,
    dice: Dice,
    http: reqwest::Client,
}

impl Run {
    async fn new(profile: Profile, seed: u64, subjects: &Subjects, http: &reqwest::Client) -> Run {
        let server = Server::start(profile).await;
        let mut dice = Dice(seed);
        {
            let mut world = server.world();
            world.key_repeats_fail = dice.below(3) == 0;
            world.clock_off =
                SignedDuration::from_mins([0, 60, -60][usize::try_from(dice.below(3)).unwrap()]);
            // Only Mastodon itself is known to drop posts in silence.
            let swallowed = usize::try_from(dice.below(2)).unwrap();
            world.swallows = (profile == Profile::Mastodon46).then_some(("The answer is", swallowed));
        }
        let store = Store::memory();
        let engine = Engine::new(store, subjects.clone(), Settings::default());
        let connector = connector(&server, http);
        // Rounded, because stored times are.
        let now = Arc::new(Mutex::new(stumper::clock::now()));
        let run =
            Run { server, engine, connector, subjects: subjects.clone(), now, dice, http: http.clone() };
        run.engine.set_account(run.connector.connect().await.unwrap());
        run.set_clock(SignedDuration::ZERO);
        let batch = run.connector.fetch(None).await.unwrap();
        run.engine.store().set_cursor(Network::Mastodon, batch.cursor.unwrap()).await.unwrap();
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

    /// Ends the desk as a kill does, and starts it on what it remembers.
    async fn restart(&mut self) {
        self.engine = Engine::new(self.engine.store().clone(), self.subjects.clone(), Settings::default());
        self.connector = connector(&self.server, &self.http);
        fault_runs::log_in(&self.engine, &self.connector).await;
        let clock = || self.time();
        engine::take_stock(&self.engine, &self.connector, &clock).await.unwrap();
    }

    fn is_settled(&self) -> bool {
        self.engine.store().counts().unwrap().unsettled == 0
    }
}

fn connector(server: &Server, http: &reqwest::Client) -> Connector {
    let token = SecretString::from(server.person("desk").account().token);
    // What the real pace is is tested beside it; here the clocks differ.
    let much = network::Rate { count: 1_000_000, within: SignedDuration::from_secs(1) };
    let limits = network::Limits { requests: much, posts: much, deletions: much };
    let settings = network::Settings::new(&server.address, token).with_limits(limits);
    Connector::Mastodon(Box::new(network::Connector::new(settings, http.clone())))
}

fn subjects() -> Subjects {
    let rules = rules_dir::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap();
    Subjects::compile(&rules).0
}

async fn fault_run(profile: Profile, seed: u64, subjects: &Subjects, http: &reqwest::Client) {
    let mut run = Run::new(profile, seed, subjects, http).await;
    let (ann, ben, clio) = (run.server.person("ann"), run.server.person("ben"), run.server.person("clio"));
    let visibilities = ["public", "unlisted", "private", "direct"];
    clio.post("@desk join history, law", "unlisted", None);
    fault_runs::round(&run.engine, &run.connector, run.time()).await;
    fault_runs::round(&run.engine, &run.connector, run.time()).await;
    let mut requests = run.dice.clone();
    run.server.goes_wrong(move |method, path| fault(&mut requests, method, path));
    let pick = |dice: &mut Dice| visibilities[usize::try_from(dice.below(4)).unwrap()];
    let asked_as = [pick(&mut run.dice), pick(&mut run.dice)];
    ann.post("@desk When did the Ottoman Empire end?", asked_as[0], None);
    ben.post("@desk Can my landlord evict me without a court order?", asked_as[1], None);
    for _ in 0..ROUNDS_WITH_FAULTS {
        match run.dice.below(8) {
            0 => {
                fault_runs::round_cut_short(&run.engine, &run.connector, run.time()).await;
                run.restart().await;
            }
            1 => run.restart().await,
            _ => fault_runs::round(&run.engine, &run.connector, run.time()).await,
        }
        answer_one(&run, &clio);
        let ahead = [1, 1, 2, 2, 5, 10, 30, 130, 700, 3_700];
        let ahead = ahead[usize::try_from(run.dice.below(10)).unwrap()];
        run.set_clock(SignedDuration::from_secs(ahead));
    }
    run.server.goes_wrong(|_, _| Fault::None);
    for _ in 0..ROUNDS_AFTER {
        fault_runs::round(&run.engine, &run.connector, run.time()).await;
        answer_one(&run, &clio);
        if run.is_settled() && clio.heard().iter().all(|said| is_answered(&run, said)) {
            break;
        }
        run.set_clock(SignedDuration::from_secs(240));
    }
    assert!(run.is_settled(), "promise 4, {profile:?} run {seed}: something is left in the outbox");
    once(&run, profile, seed);
    never_wider(&run, [(&ann, asked_as[0], "Ottoman"), (&ben, asked_as[1], "landlord")], seed);
    let undelivered = run.engine.store().undelivered(50).unwrap();
    let lost: Vec<_> = undelivered.iter().filter(|(_, delivery)| !is_expected(delivery, profile)).collect();
    assert!(lost.is_empty(), "promise 4, {profile:?} run {seed}: given up: {lost:?}");
}

/// What may be refused: what is outdated, and on a server that keeps nothing private, what is private.
fn is_expected(delivery: &Delivery, profile: Profile) -> bool {
    use stumper::desk::letter::Refusal;
    match delivery {
        Delivery::Refused { why: Refusal::Outdated, .. } => true,
        Delivery::Refused { why: Refusal::NotPrivate, .. } => profile == Profile::Snac,
        Delivery::Waiting { .. }
        | Delivery::Claimed { .. }
        | Delivery::Unsure { .. }
        | Delivery::Sent { .. }
        | Delivery::Refused { .. } => false,
    }
}

fn is_answered(run: &Run, said: &mastodon::Status) -> bool {
    let world = run.server.world();
    !said.text.contains("A question from")
        || world.statuses.iter().any(|status| status.in_reply_to.as_ref() == Some(&said.id))
}

/// The librarian answers what they were asked and did not answer yet.
fn answer_one(run: &Run, clio: &Person) {
    let asked = clio.heard().into_iter().find(|said| !is_answered(run, said));
    if let Some(asked) = asked {
        clio.reply(&asked.id, &format!("The answer is in chapter {}.", asked.number));
    }
}

/// Promise 3: no letter is posted twice.
fn once(run: &Run, profile: Profile, seed: u64) {
    let mut times: BTreeMap<(Option<String>, String), usize> = BTreeMap::new();
    let world = run.server.world();
    for status in world.statuses.iter().filter(|status| status.author == "desk") {
        *times.entry((status.in_reply_to.clone(), status.text.clone())).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    if !twice.is_empty() && std::env::var("FAULT_RUN").is_ok() {
        eprintln!("{}", world.log.join("\n"));
    }
    assert!(twice.is_empty(), "promise 3, {profile:?} run {seed}: posted twice: {twice:?}");
}

/// Promise 1: no post is visible to more people than its question, not even for a moment.
fn never_wider(run: &Run, asked: [(&Person, &str, &str); 2], seed: u64) {
    let rank = |visibility: &str| match visibility {
        "public" => 3,
        "unlisted" => 2,
        "private" => 1,
        _ => 0,
    };
    let world = run.server.world();
    for status in world.statuses.iter().filter(|status| status.author == "desk") {
        for (person, visibility, word) in asked {
            let is_about = status.text.contains(word) || status.mentions.contains(&person.name);
            if is_about {
                let kind = world.profile;
                assert!(
                    rank(&status.visibility) <= rank(visibility),
                    "promise 1, {kind:?} run {seed}: {} after {visibility}",
                    status.visibility
                );
                assert_eq!(status.mentions.len(), 1, "promise 2, {kind:?} run {seed}");
            }
        }
    }
}

async fn fault_runs(profile: Profile) {
    let runs = std::env::var("FAULT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let from = std::env::var("FAULT_RUN").ok().and_then(|run| run.parse().ok());
    let subjects = subjects();
    // One for all runs: it reads the system's certificates.
    let http = http::client().unwrap();
    let (first, last) = from.map_or((0, runs), |run: u64| (run, run + 1));
    for run in first..last {
        fault_run(profile, run, &subjects, &http).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mastodon() {
    fault_runs(Profile::Mastodon46).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_gotosocial() {
    fault_runs(Profile::GoToSocial).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mitra() {
    fault_runs(Profile::Mitra).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_akkoma() {
    fault_runs(Profile::Akkoma).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_snac() {
    fault_runs(Profile::Snac).await;
}
