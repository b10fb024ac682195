//! What all stores agree on about single rows: which rows there are, how large one may be, and what
//! follows from a value without looking at anything else.
//!
//! **Invariant:** nothing here reads or writes a store.

use std::collections::BTreeSet;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::desk::letter::{Delivery, Purpose};
use crate::desk::question::Entry;
use crate::desk::{AccountId, Code, InputId, Letter, Link, Network, Person, PostId, Question, Step};
use crate::store::StoreError;

/// The largest row that is stored, as JSON. A question with a text of 100,000 bytes and a thousand
/// invitations fits.
pub const ROW_BYTES_MAX: usize = 1 << 20;

/// A short name for a longer one, such as an account or a post. Archives list people, links and seen
/// inputs in the order of their digests, whatever the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Digest(pub(super) [u8; 16]);

impl Digest {
    pub(super) fn of(name: &str) -> Digest {
        let digest: [u8; 32] = Sha256::digest(name).into();
        let (first, _) = digest.split_first_chunk().expect("32 bytes begin with 16");
        Digest(*first)
    }

    /// Of an input. One that is a post has the digest of the post, which its id holds.
    pub(super) fn of_input(input: &InputId) -> Digest {
        let of_post = input.as_str().strip_prefix("post:").and_then(from_hex);
        of_post.unwrap_or_else(|| Digest::of(input.as_str()))
    }
}

/// The 16 bytes that 32 hexadecimal digits in lower case stand for.
fn from_hex(digits: &str) -> Option<Digest> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes: Vec<u8> =
        pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect::<Option<_>>()?;
    if rest.is_empty() { bytes.try_into().ok().map(Digest) } else { None }
}

/// One row of a store, as the archive writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "row")]
pub(super) enum Row {
    Question {
        question: Box<Question>,
    },
    Person {
        person: Box<Person>,
    },
    /// `turn` is the letter's place among the letters of its step.
    Letter {
        letter: Box<Letter>,
        turn: u32,
        delivery: Delivery,
    },
    Link {
        post: PostId,
        link: Link,
    },
    Entry {
        entry: Entry,
    },
    Seen {
        input: InputId,
        at: Timestamp,
    },
    Cursor {
        network: Network,
        cursor: String,
    },
}

impl Row {
    /// The name of its kind, as the archive writes it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Row::Question { .. } => "question",
            Row::Person { .. } => "person",
            Row::Letter { .. } => "letter",
            Row::Link { .. } => "link",
            Row::Entry { .. } => "entry",
            Row::Seen { .. } => "seen",
            Row::Cursor { .. } => "cursor",
        }
    }
}

/// What came before a step's new letter: nothing, so it waits from the time it was made.
pub(super) fn first_delivery(letter: &Letter) -> Delivery {
    Delivery::Waiting { not_before: letter.made_at, tries: 0 }
}

/// Everybody who has a part in the question, or whose words are kept with it: its patron, those who were
/// asked, and strangers who offered an answer.
pub(super) fn involved(question: &Question) -> BTreeSet<&AccountId> {
    let asked = question.invitations.iter().map(|invitation| &invitation.librarian.id);
    let offered = question.publicity.offers.iter().map(|offer| &offer.author.id);
    asked.chain(offered).chain([&question.patron.id]).collect()
}

/// Whether nothing needs this letter any more: a deletion that is done, or the last word to somebody,
/// which is the last thing that names them.
pub(super) fn is_done_with(about: Option<&Code>, purpose: Purpose, delivery: &Delivery) -> bool {
    let is_last = matches!(purpose, Purpose::Deletion | Purpose::Farewell);
    about.is_none() && is_last && matches!(delivery, Delivery::Sent { .. })
}

/// Whether a letter about no question is settled and older than `before`, so that it may go.
pub(super) fn is_old_talk(letter: &Letter, delivery: &Delivery, before: Timestamp) -> bool {
    letter.about.is_none() && letter.made_at < before && delivery.is_settled()
}

/// The post that a letter became.
pub(super) fn post_of(delivery: &Delivery) -> Option<PostId> {
    match delivery {
        Delivery::Sent { place, .. } => Some(place.post_id()),
        Delivery::Waiting { .. }
        | Delivery::Claimed { .. }
        | Delivery::Unsure { .. }
        | Delivery::Refused { .. } => None,
    }
}

/// Whether nothing about this person has to be remembered: no librarian, nobody who said `stop` or
/// `no learning`, and nothing said to them since `before`.
pub(super) fn is_long_gone(person: &Person, before: Timestamp) -> bool {
    let last = person.recent_replies.iter().copied().chain(person.helped_at).max();
    let wishes = person.stopped || person.no_learning || !person.linked.is_empty();
    person.librarian.is_none() && !wishes && last.is_none_or(|last| last < before)
}

/// Leaves only the last value of each question and person that a step holds more than once.
pub(super) fn without_repeats(mut step: Step) -> Step {
    let mut codes = BTreeSet::new();
    let mut accounts = BTreeSet::new();
    step.questions.reverse();
    step.questions.retain(|question| codes.insert(question.code.clone()));
    step.people.reverse();
    step.people.retain(|person| accounts.insert(person.account.id.clone()));
    step
}

/// Refuses a row that is too large.
pub(super) fn check_size(row: &'static str, bytes: usize) -> Result<(), StoreError> {
    if bytes > ROW_BYTES_MAX { Err(StoreError::TooLarge { row, bytes }) } else { Ok(()) }
}

/// Refuses a step that holds a row that is too large.
pub(super) fn check_sizes(step: &Step) -> Result<(), StoreError> {
    for question in &step.questions {
        check_size("a question", json_bytes(question))?;
    }
    for person in &step.people {
        check_size("a person", json_bytes(person))?;
    }
    for letter in &step.letters {
        check_size("a letter", json_bytes(letter))?;
    }
    for (post, link) in &step.links {
        check_size("a link", json_bytes(&(post, link)))?;
    }
    for entry in &step.journal {
        check_size("a line of a question's history", json_bytes(entry))?;
    }
    Ok(())
}

fn json_bytes(value: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

/// Counts what is written to it.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
