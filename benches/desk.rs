//! The whole desk: from a mention on the sandbox to its durable decision, and the process at rest.
//!
//! The process is the one built with the bench. To measure the one that is shipped:
//!
//! ```sh
//! cargo build --release && cargo bench --bench desk -- target/release/stumper
//! ```
//!
//! **Invariant:** the parts are the real ones: sandbox file, connector, listener, core, sled with its
//! sync. Times are medians; they depend on the disk, so they are shown beside a bare write and sync.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people to run by hand")]

#[path = "../tests/support/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use stumper::clock;
use stumper::config::rules_dir;
use stumper::desk::{Confidential, Input, InputId, Network, Post, PostId, Settings, Visibility};
use stumper::engine::{self, Engine};
use stumper::networks::Connector;
use stumper::networks::sandbox::{self, Handle, Sandbox, Saying};
use stumper::store::Store;
use stumper::subjects::Subjects;

const MENTIONS: usize = 400;
const AT_ONCE: usize = 2_000;
const IN_FLIGHT: usize = 64;
const STARTS: usize = 10;

/// How long the process rests before its memory is looked at.
const REST: Duration = Duration::from_secs(5);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    println!("a write of 1 KiB and its sync:          {:>8.2} ms", bare_sync(folder.path()) * 1e3);
    runtime.block_on(one_after_another(&folder.path().join("one")));
    runtime.block_on(many_in_flight(&folder.path().join("many")));
    at_rest();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn bare_sync(folder: &Path) -> f64 {
    let mut file = fs::File::create(folder.join("bare")).unwrap();
    let write = |file: &mut fs::File| {
        let start = Instant::now();
        file.write_all(&[b'x'; 1024]).unwrap();
        file.sync_data().unwrap();
        start.elapsed().as_secs_f64()
    };
    median((0..MENTIONS).map(|_| write(&mut file)).collect())
}

fn engine_in(folder: &Path) -> Arc<Engine> {
    fs::create_dir_all(folder).unwrap();
    let (subjects, _) = Subjects::compile(&rules_dir::read(Path::new("rules")).unwrap());
    let settings = Settings { replies_per_person_hour: usize::MAX, ..Settings::default() };
    Arc::new(Engine::new(Store::open_sled(&folder.join("store")).unwrap(), subjects, settings))
}

/// A mention is posted when the one before is decided: how long a person waits for the desk.
async fn one_after_another(folder: &Path) {
    let engine = engine_in(folder);
    let sandbox = Arc::new(Sandbox::open(&folder.join("sandbox"), "desk").unwrap());
    let connector = Arc::new(Connector::Sandbox(sandbox::Connector::new(sandbox.clone())));
    let running = engine::start(&engine, vec![connector], folder.to_owned());
    let mut times = Vec::new();
    for number in 0..MENTIONS {
        let placed = sandbox.say(saying(number), clock::now()).await.unwrap();
        let start = Instant::now();
        let input = InputId::of_post(&PostId::new(Network::Sandbox, placed.id.to_string()));
        let mut changes = engine.changes();
        while !engine.store().has_seen(&input).unwrap() {
            changes.changed().await.unwrap();
        }
        times.push(start.elapsed().as_secs_f64());
    }
    println!(
        "mention on the sandbox to committed:    {:>8.2} ms (median of {MENTIONS})",
        median(times) * 1e3
    );
    running.stop().await;
}

fn saying(number: usize) -> Saying {
    Saying {
        author: Handle::parse(&format!("patron{}", number % 50)).unwrap(),
        text: Confidential::new(format!("@desk Which Ottoman sultan was number {number} of the empire?")),
        visibility: Visibility::Public,
        to: BTreeSet::new(),
        in_reply_to: None,
        language: None,
        key: None,
    }
}

/// Many mentions are decided and committed at the same time: what the store's groups are good for.
async fn many_in_flight(folder: &Path) {
    for in_flight in [1, IN_FLIGHT] {
        let engine = engine_in(&folder.join(in_flight.to_string()));
        let start = Instant::now();
        stream::iter(0..AT_ONCE)
            .for_each_concurrent(in_flight, |number| {
                let engine = &engine;
                async move {
                    engine.handle(Input::Post(Box::new(mention(number)))).await.unwrap();
                }
            })
            .await;
        let rate = AT_ONCE as f64 / start.elapsed().as_secs_f64();
        println!("decided and committed, {in_flight:>2} in flight:    {rate:>8.0} mentions/s");
        engine.store().close().await.unwrap();
    }
}

fn mention(number: usize) -> Post {
    let patron = samples::account(Network::Sandbox, &format!("patron{number}"));
    let text = format!("Which Ottoman sultan was number {number} of the empire?");
    samples::post(patron, number.to_string(), text, clock::now())
}

/// The program with the rules that ship: from its start to its first page, and its memory when nothing
/// happens.
fn at_rest() {
    let given = std::env::args().skip(1).find(|argument| argument != "--bench");
    let program = fs::canonicalize(given.as_deref().unwrap_or(env!("CARGO_BIN_EXE_stumper"))).unwrap();
    let mib = fs::metadata(&program).unwrap().len() as f64 / f64::from(1 << 20);
    println!("the program, {}:", program.display());
    println!("its size:                               {mib:>8.1} MiB");
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string("bot.toml").unwrap().replace("127.0.0.1:7365", "127.0.0.1:0");
    fs::write(folder.path().join("bot.toml"), text).unwrap();
    for file in rules_dir::read(Path::new("rules")).unwrap() {
        let path = folder.path().join(&file.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.text).unwrap();
    }
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let (child, elapsed) = first_page(&program, folder.path());
        times.push(elapsed);
        end(child);
    }
    println!("start to first page:                    {:>8.1} ms (median of {STARTS})", median(times) * 1e3);
    let (child, _) = first_page(&program, folder.path());
    std::thread::sleep(REST);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    for (key, what) in [("VmRSS:", "memory at rest, all of it:"), ("RssAnon:", "memory at rest, its own:")] {
        let kib: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        println!("{what:<39} {:>8.1} MiB", kib / 1024.0);
    }
    end(child);
}

/// Starts the program and fetches its page; answers how long that took.
fn first_page(program: &Path, folder: &Path) -> (Child, f64) {
    let start = Instant::now();
    let mut child = Command::new(program)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/');
    let mut page = TcpStream::connect(address).unwrap();
    write!(page, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    (child, start.elapsed().as_secs_f64())
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
