//! How fast steps become durable, compared with appending the same bytes to a file; and what a store
//! full of questions needs: its memory, its disk, and how long it takes to open.
//!
//! 64 producers commit steps, each waiting for its answer before it makes the next one. The same
//! producers then give rows of the same size to a thread that appends whatever waits to one file and
//! syncs it: nothing that is durable on this disk can be faster. A third thread puts them into sled as
//! one row a step in order of time, flushes and syncs: what sled can do where nothing has to be found
//! again. Rounds take turns, so that a change of the machine's mood meets all.
//!
//! Memory is that of processes that do nothing else. Another number of questions, or another disk:
//!
//! ```sh
//! QUESTIONS=1000000 cargo bench --bench commit -- /mnt/disk
//! ```
//!
//! **Invariant:** only ratios within one run mean anything; the disk and its neighbours set the rest.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people to run by hand")]

#[path = "../tests/support/samples.rs"]
mod samples;

use std::env;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use stumper::desk::letter::{Mention, Purpose};
use stumper::desk::question::{Entry, FoundSubject, Invitation, Reason, Why};
use stumper::desk::step::Outcome;
use stumper::desk::*;
use stumper::store::{Committed, Store};
use stumper::subjects::SubjectId;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

const PRODUCERS: usize = 64;
const STEPS_PER_ROUND: usize = 12_800;
const ROUNDS: usize = 7;

/// How many questions the full store has, unless `QUESTIONS` says otherwise.
const QUESTIONS: usize = 100_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    match &arguments[..] {
        [what, database] if what == "fill" => fill(Path::new(database)),
        [what, database] if what == "open" => open(Path::new(database)),
        _ => {
            let dir = tempfile::tempdir_in(arguments.first().map_or("target", String::as_str)).unwrap();
            compare(dir.path());
            let full = dir.path().join("full");
            apart("fill", &full);
            apart("open", &full);
        }
    }
}

/// Lets this program do something in a process of its own.
fn apart(what: &str, database: &Path) {
    let status = Command::new(env::current_exe().unwrap()).arg(what).arg(database).status().unwrap();
    assert!(status.success());
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn compare(dir: &Path) {
    let runtime = runtime();
    let store = Store::open_sled(&dir.join("database")).unwrap();
    let ready: Arc<Vec<u8>> = Arc::new(bytes_of(&step(0)));
    println!("{} bytes a step, {PRODUCERS} producers, {STEPS_PER_ROUND} steps a round", ready.len());
    let mut next = 0;
    let bare = dir.join("bare");
    let mut figures: [Vec<Figure>; 4] = Default::default();
    for round in 0..=ROUNDS {
        let write = |to: Sink| runtime.block_on(append(to, Some(&ready), next));
        let appended = measure(|| write(Sink::file(&dir.join("ready"))));
        let encoded = measure(|| runtime.block_on(append(Sink::file(&dir.join("encoded")), None, next)));
        let sled = Sink::sled(&bare);
        let rows = measure(|| write(sled));
        let committed = measure(|| runtime.block_on(commit(&store, next)));
        next += STEPS_PER_ROUND;
        println!(
            "round {round}: {:.0} / {:.0} / {:.0} / {:.0} steps/s; {:.0} us CPU a commit",
            appended.rate(),
            encoded.rate(),
            rows.rate(),
            committed.rate(),
            committed.cpu_us()
        );
        // The first round warms up.
        if round > 0 {
            for (figures, figure) in figures.iter_mut().zip([appended, encoded, rows, committed]) {
                figures.push(figure);
            }
        }
    }
    let names = [
        "append + fdatasync of ready bytes",
        "the same, made and encoded on the way",
        "ready bytes as one row a step in sled",
        "Store::commit",
    ];
    let medians = figures.map(median);
    for (name, figure) in names.iter().zip(&medians) {
        println!("{name:<40} {:>8.0} steps/s {:>6.1} us CPU a step", figure.rate(), figure.cpu_us());
    }
    println!(
        "commit reaches {:.1} % of the append of ready bytes, {:.1} % of the append that encodes; one row a step \
         in sled reaches {:.1} % of the append of ready bytes",
        100.0 * medians[3].rate() / medians[0].rate(),
        100.0 * medians[3].rate() / medians[1].rate(),
        100.0 * medians[2].rate() / medians[0].rate()
    );
}

fn fill(database: &Path) {
    let questions = env::var("QUESTIONS").map_or(QUESTIONS, |questions| questions.parse().unwrap());
    let runtime = runtime();
    let store = Store::open_sled(database).unwrap();
    println!("an empty store: {:.1} MiB resident", resident_mib());
    let mut next = 0;
    while next < questions {
        runtime.block_on(commit(&store, next));
        next += STEPS_PER_ROUND;
    }
    println!("with {next} questions: {:.1} MiB resident", resident_mib());
    println!("{:?}", store.counts().unwrap());
    runtime.block_on(store.close()).unwrap();
    let bytes = std::fs::metadata(database.join("db")).unwrap().len();
    println!("{} bytes on disk for each question", bytes / next as u64);
}

fn open(database: &Path) {
    let mut stores = Vec::new();
    let opened = measure(|| stores.push(Store::open_sled(database).unwrap()));
    println!(
        "opened again in {:.2} s, {:.2} s CPU; {:.1} MiB resident",
        opened.wall.as_secs_f64(),
        opened.cpu.as_secs_f64(),
        resident_mib()
    );
}

/// What a librarian's mention sets off: a question with an invitation, the patron, the letter to the
/// librarian, the link from the patron's post, one line of history.
fn step(number: usize) -> Step {
    let at = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(1_000 * 1_700_000_000 + number as i64);
    let account = |name: String| {
        Account::new(
            Network::Bluesky,
            format!("did:plc:{}", digits(&name, 24)),
            format!("{name}.bsky.social"),
        )
    };
    let patron = account(format!("patron{number}"));
    let librarian = account(format!("librarian{}", number % 500));
    let post = PostId::new(
        Network::Bluesky,
        format!("at://{}/app.bsky.feed.post/3l{}", patron.id.id, digits(&number.to_string(), 11)),
    );
    let place = Place::top(
        Network::Bluesky,
        Anchor { id: post.id.clone(), revision: Some(format!("bafyrei{}", digits(&patron.handle, 52))) },
    );
    let input = InputId::of_post(&post);
    let code = code(number);
    let text = "Who first described the aurora in print, and in which year? I found a pamphlet from 1716.";
    let invitation = Invitation::new(
        librarian.clone(),
        LetterId::derive(&input, 0),
        at,
        Visibility::Public,
        Why::Subject { subject: SubjectId::new("history-of-science") },
    );
    let question = Question {
        language: Some("en".to_owned()),
        place,
        subjects: vec![FoundSubject {
            subject: SubjectId::new("history-of-science"),
            confidence: 0.82,
            because: vec!["aurora".to_owned()],
        }],
        invitations: vec![invitation],
        timers: [
            (Reason::AskNext, at + SignedDuration::from_mins(10)),
            (Reason::GiveUp, at + SignedDuration::from_hours(48)),
        ]
        .into(),
        recent_letters: vec![at],
        ..samples::question(code.clone(), patron.clone(), text, at)
    };
    let letter_text = format!("@{} {code}: {text} Reply with an answer, pass, or refer.", librarian.handle);
    let mention = Mention { start: 0, end: librarian.handle.len() + 1, account: librarian.clone() };
    let content = samples::words(letter_text, vec![mention], Visibility::Public);
    let letter = Letter {
        id: LetterId::derive(&input, 0),
        about: Some(code.clone()),
        purpose: Purpose::Invitation,
        words_of: Some(patron.id.clone()),
        ..samples::letter("", librarian, content, at)
    };
    let what = "asked; history-of-science by `aurora`; invited one librarian".to_owned();
    let entry = Entry { code: code.clone(), at, input: input.clone(), what };
    let link = Link { code: Some(code), with: patron.id.clone() };
    Step {
        questions: vec![question],
        people: vec![Person::new(patron)],
        letters: vec![letter],
        links: vec![(post, link)],
        journal: vec![entry],
        ..Step::nothing(input, at, Outcome::Asked)
    }
}

/// So many digits of base 32 that look random, as those of real ids do: nothing can make them shorter.
fn digits(name: &str, count: usize) -> String {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let digit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(state >> 32) as usize % 32])
    };
    std::iter::repeat_with(digit).take(count).collect()
}

/// Codes in no order, as real ones are: the digits of the number, the quickest one first.
fn code(number: usize) -> Code {
    let (letters, digits) = (b"CDFGHJKMNPQRTWX", b"34679");
    let mut rest = number;
    let mut text = String::new();
    for _ in 0..4 {
        text.push(char::from(letters[rest % 15]));
        text.push(char::from(digits[rest / 15 % 5]));
        rest /= 75;
    }
    Code::parse(&text).unwrap()
}

/// The rows of a step as JSON, without any index.
fn bytes_of(step: &Step) -> Vec<u8> {
    let rows =
        (&step.questions, &step.people, &step.letters, &step.links, &step.journal, &step.input, step.at);
    serde_json::to_vec(&rows).unwrap()
}

async fn commit(store: &Store, first: usize) {
    each_producer(first, |numbers| {
        let store = store.clone();
        async move {
            for number in numbers {
                assert_eq!(store.commit(step(number)).await.unwrap(), Committed::Stored);
            }
        }
    })
    .await;
}

async fn append(to: Sink, ready: Option<&Arc<Vec<u8>>>, first: usize) {
    let (queue, waiting) = mpsc::channel(1024);
    let thread = std::thread::spawn(move || append_all(to, waiting));
    each_producer(first, |numbers| {
        let queue = queue.clone();
        let ready = ready.cloned();
        async move {
            for number in numbers {
                let bytes = ready.as_ref().map_or_else(|| bytes_of(&step(number)), |ready| ready.to_vec());
                let (reply, answer) = oneshot::channel();
                queue.send((bytes, reply)).await.unwrap();
                answer.await.unwrap();
            }
        }
    })
    .await;
    drop(queue);
    thread.join().unwrap();
}

/// What bytes are written to.
enum Sink {
    File(File),
    /// With the file that sled writes, opened once more so that it can be synced.
    Sled(sled::Db, File),
}

impl Sink {
    fn file(path: &Path) -> Sink {
        Sink::File(File::options().create(true).append(true).open(path).unwrap())
    }

    fn sled(dir: &Path) -> Sink {
        let db = sled::Config::new().path(dir).cache_capacity(32 << 20).flush_every_ms(None).open().unwrap();
        Sink::Sled(db, File::open(dir.join("db")).unwrap())
    }

    fn write(&mut self, group: Vec<&Vec<u8>>) {
        match self {
            Sink::File(file) => {
                file.write_all(&group.into_iter().flatten().copied().collect::<Vec<u8>>()).unwrap();
                file.sync_data().unwrap();
            }
            Sink::Sled(db, file) => {
                let mut batch = sled::Batch::default();
                for bytes in group {
                    batch.insert(&db.generate_id().unwrap().to_be_bytes(), &bytes[..]);
                }
                db.apply_batch(batch).unwrap();
                db.flush().unwrap();
                file.sync_data().unwrap();
            }
        }
    }
}

fn append_all(mut to: Sink, mut waiting: mpsc::Receiver<(Vec<u8>, oneshot::Sender<()>)>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while let Ok(next) = waiting.try_recv() {
            group.push(next);
        }
        to.write(group.iter().map(|(bytes, _)| bytes).collect());
        for (_, reply) in group {
            reply.send(()).unwrap();
        }
    }
}

async fn each_producer<F: Future<Output = ()> + Send + 'static>(
    first: usize,
    produce: impl Fn(std::iter::StepBy<std::ops::Range<usize>>) -> F,
) {
    let until = first + STEPS_PER_ROUND;
    let tasks: Vec<_> = (first..first + PRODUCERS)
        .map(|start| tokio::spawn(produce((start..until).step_by(PRODUCERS))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[derive(Clone, Copy)]
struct Figure {
    wall: Duration,
    cpu: Duration,
}

impl Figure {
    fn rate(&self) -> f64 {
        STEPS_PER_ROUND as f64 / self.wall.as_secs_f64()
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / STEPS_PER_ROUND as f64
    }
}

fn measure<T>(work: impl FnOnce() -> T) -> Figure {
    let (began, cpu_began) = (Instant::now(), cpu_time());
    work();
    Figure { wall: began.elapsed(), cpu: cpu_time() - cpu_began }
}

/// The one with the median rate.
fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by_key(|figure| figure.wall);
    figures[figures.len() / 2]
}

/// User and system time of this process, in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
    pages * 4096.0 / f64::from(1 << 20)
}
