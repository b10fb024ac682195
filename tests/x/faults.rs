//! Requests and answers that are lost, late and repeated, in any order: what looking first allows.
//!
//! X knows no key that makes a repeat harmless. The rule is: after a request whose end nobody knows,
//! nothing is sent again before X has had its time to show what it took and a look has not found it.
//! So a letter appears at most once, unless X takes a request and shows nothing of it for longer than
//! that time and then takes the same text a second time: then at most once more for each such look.
//!
//! `FAULT_RUNS` sets how many runs are made; a few hundred otherwise. The seed of a failing run is named,
//! and `FAULT_SEED` makes that run alone.
//!
//! **Invariant:** the part of the sender that decides about letters has its own tables of tests beside
//! it; what stands for it here does the same in a clock of its own.

use futures_util::StreamExt;
use stumper::desk::Visibility;
use stumper::networks::Failure;

use crate::server::{Fault, mentions_in};
use crate::wire::{ANN, Fake, outgoing};

const RUNS: u64 = 200;
const LETTERS: usize = 4;

/// How many runs are made at the same time.
const AT_ONCE: usize = 8;

/// How often one letter is tried in one run.
const TRIES_MAX: usize = 60;

/// Numbers that look random (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

/// Whether X shows what it took in time, and whether it refuses a text that it has.
#[derive(Clone, Copy, Debug)]
struct Kind {
    shows_in_time: bool,
    refuses_duplicates: bool,
}

fn fault(numbers: &mut Numbers) -> Option<Fault> {
    Some(match numbers.next(12) {
        0 | 1 => Fault::LostAnswer,
        2 => Fault::LostRequest,
        3 => Fault::LostAndHidden,
        4 => Fault::RateLimit(None),
        5 => Fault::Page(503),
        6 => Fault::Page(502),
        7 => Fault::Page(403),
        8 => Fault::No(500, serde_json::json!({"title": "x"})),
        _ => return None,
    })
}

async fn run(seed: u64, kind: Kind) {
    let mut numbers = Numbers(seed);
    let fake = Fake::patient().await;
    fake.x.lock().allow_duplicates = !kind.refuses_duplicates;
    fake.x.message(ANN, "hello");
    for number in 0..LETTERS {
        let is_public = numbers.next(3) > 0;
        let visibility = if is_public { Visibility::Public } else { Visibility::Direct };
        let question = fake.x.post(ANN, &format!("@libbot question {number}?"), None);
        let text = format!("Answer {number} & more");
        let letter = outgoing(number, &text, visibility, is_public.then_some(question));
        let (sends, looks) = if is_public {
            ("POST /2/tweets", "GET /2/users/11/tweets")
        } else {
            ("POST /2/dm_conversations", "GET /2/dm_conversations")
        };
        let mut may_be_there = false;
        let mut blind_looks = 0;
        let mut is_settled = false;
        let mut went = Vec::new();
        for turn in 0..TRIES_MAX {
            fake.x.lock().faults.clear();
            // Bad weather ends some time, so that every letter must come to its end.
            if let Some(fault) = fault(&mut numbers).filter(|_| turn < TRIES_MAX / 2) {
                fake.x.spoil(if may_be_there { looks } else { sends }, fault);
            }
            if !may_be_there {
                let sent = fake.connector.send(&letter).await;
                went.push(format!("sent: {sent:?}"));
                match sent {
                    Ok(_) | Err(Failure::Refused(_)) => {
                        is_settled = true;
                        break;
                    }
                    Err(Failure::Unsure(_)) => may_be_there = true,
                    Err(Failure::Later { .. } | Failure::Transient(_) | Failure::AccountDead(_)) => {}
                }
                continue;
            }
            // The time that the sender waits before it looks.
            if kind.shows_in_time || numbers.next(2) == 0 {
                fake.x.settle();
            }
            let hidden = fake.x.lock().posts.iter().any(|post| post.hidden)
                || fake.x.lock().messages.iter().any(|message| message.hidden);
            let looked = fake.connector.look(&letter).await;
            went.push(format!("looked: {looked:?}"));
            match looked {
                Ok(Some(_)) => {
                    is_settled = true;
                    break;
                }
                Ok(None) => {
                    may_be_there = false;
                    blind_looks += usize::from(hidden);
                }
                Err(_) => {}
            }
        }
        let there = fake.x.by_desk().iter().filter(|post| post.text == text).count()
            + fake.x.messages_to(ANN).iter().filter(|said| **said == text).count();
        let most = if kind.refuses_duplicates && is_public { 1 } else { 1 + blind_looks };
        assert!((1..=most).contains(&there), "seed {seed}, {kind:?}: letter {number} is there {there} times");
        assert!(is_settled, "seed {seed}, {kind:?}: letter {number} never settled: {went:#?}");
    }
    // Never wider, never to somebody who did not call, whatever was lost.
    let allowed = ["two replies to one post"];
    let wrongs: Vec<String> = fake
        .x
        .wrongs()
        .into_iter()
        .filter(|wrong| kind.shows_in_time || !allowed.contains(&wrong.as_str()))
        .collect();
    assert_eq!(wrongs, Vec::<String>::new(), "seed {seed}");
    for post in fake.x.by_desk() {
        assert!(post.reply_to.is_some() && mentions_in(&post.text).is_empty(), "seed {seed}");
    }
}

/// Promise 3, as far as X lets us know, and promise 1.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_appears_as_often_as_looking_first_allows_and_never_wider() {
    let runs = std::env::var("FAULT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let only = std::env::var("FAULT_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = only.map_or(0..runs, |seed| seed..seed.saturating_add(1));
    let runs = futures_util::stream::iter(seeds).map(|seed| {
        let kind = Kind { shows_in_time: seed % 4 != 3, refuses_duplicates: seed % 2 == 0 };
        run(seed, kind)
    });
    runs.buffer_unordered(AT_ONCE).collect::<()>().await;
}
