//! Turning a step into rows. This is most of the work of a commit, and is done by whoever commits,
//! so that the one thread that writes has little left to do.
//!
//! **Invariant:** nothing here reads the database.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::letter::{Content, Delivery, Purpose, ReplyTo};
use crate::desk::question::{Entry, Reason};
use crate::desk::{AccountId, Code, Letter, LetterId, Link, Network, Person, PostId, Question, Step};
use crate::store::sled::codec::{Encoded, Kind, encode, encode_any};
use crate::store::sled::keys::{self, Shelf};
use crate::store::{StoreError, rows};

pub(super) const QUESTION: Kind = Kind::new("questions", "a question");
pub(super) const PERSON: Kind = Kind::new("people", "a person");
pub(super) const STAND: Kind = Kind::new("letters", "where a letter stands");
pub(super) const LINK: Kind = Kind::new("links", "what a post is to the desk");
pub(super) const RECORD: Kind = Kind::new("records", "letters and a line of a question's history");
pub(super) const FILE: Kind = Kind::new("files", "what belongs to a question");
pub(super) const SEEN: Kind = Kind::new("seen", "an input that took effect");
pub(super) const CURSOR: Kind = Kind::new("cursors", "where reading goes on");

/// A letter as it is stored, in a record. It never changes; where it stands is another row.
#[derive(Serialize, Deserialize)]
pub(super) struct LetterRow<L> {
    /// Its place among the letters of its step.
    pub(super) turn: u32,
    pub(super) letter: L,
}

/// As much of a letter as is needed to move it in the outbox.
#[derive(Deserialize)]
pub(super) struct LetterHead {
    pub(super) id: LetterId,
    pub(super) network: Network,
    pub(super) about: Option<Code>,
    pub(super) purpose: Purpose,
    pub(super) content: ContentHead,
    pub(super) made_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub(super) enum ContentHead {
    Post { reply_to: Option<ReplyTo> },
    Delete {},
}

/// As much of a question as is needed to find the rows that follow from it.
#[derive(Deserialize)]
pub(super) struct QuestionHead {
    pub(super) version: u64,
    patron: AccountHead,
    invitations: Vec<InvitationHead>,
    timers: BTreeMap<Reason, Timestamp>,
    #[serde(default)]
    publicity: PublicityHead,
}

#[derive(Deserialize)]
struct AccountHead {
    id: AccountId,
}

#[derive(Deserialize)]
struct InvitationHead {
    librarian: AccountHead,
}

#[derive(Default, Deserialize)]
struct PublicityHead {
    offers: Vec<OfferHead>,
}

#[derive(Deserialize)]
struct OfferHead {
    author: AccountHead,
}

/// As much of a person as is needed to replace them.
#[derive(Deserialize)]
pub(super) struct PersonHead {
    pub(super) version: u64,
    pub(super) librarian: Option<serde::de::IgnoredAny>,
}

/// What a post is to the desk, with the post's own name.
#[derive(Serialize, Deserialize)]
pub(super) struct LinkRow<P, L> {
    pub(super) post: P,
    pub(super) link: L,
}

/// An input that took effect.
#[derive(Serialize, Deserialize)]
pub(super) struct SeenRow<I> {
    pub(super) input: I,
    pub(super) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CursorRow<C> {
    pub(super) network: Network,
    pub(super) cursor: C,
}

/// What one step added to one question: its letters, its lines, and where to find its links when the
/// question is erased. Or its letters about no question.
///
/// A record holds nothing of any other question, so that erasing one is removing its records.
#[derive(Serialize, Deserialize)]
pub(super) struct Record<L, E, P> {
    pub(super) code: Option<Code>,
    pub(super) letters: Vec<LetterRow<L>>,
    pub(super) entries: Vec<E>,
    pub(super) links: Vec<P>,
}

/// A record as it is read as a whole.
pub(super) type WholeRecord = Record<Letter, Entry, PostId>;

/// Which rows belong to a code.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct FileRow {
    /// The number of the question, unless it is not there.
    pub(super) question: Option<u64>,
    /// The numbers of its records, in the order in which they were written.
    pub(super) records: Vec<u64>,
}

/// Where a letter is to be found, and where it stands: `None` as long as it waits as it did when it
/// was decided.
#[derive(Serialize, Deserialize)]
pub(super) struct StandRow<D> {
    pub(super) record: u64,
    pub(super) delivery: Option<D>,
}

/// A step as rows.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) seen_key: Vec<u8>,
    pub(super) seen: Encoded,
    pub(super) questions: Vec<NewQuestion>,
    pub(super) people: Vec<NewPerson>,
    pub(super) settled: Vec<(LetterId, Delivery)>,
    pub(super) links: Vec<NewLink>,
    pub(super) records: Vec<NewRecord>,
    pub(super) erase: Vec<Code>,
    pub(super) forget: Vec<AccountId>,
}

#[derive(Debug)]
pub(super) struct NewQuestion {
    pub(super) code: Code,
    /// The version that must be stored now.
    pub(super) version: u64,
    pub(super) row: Encoded,
    pub(super) marks: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct NewPerson {
    pub(super) key: Vec<u8>,
    pub(super) version: u64,
    pub(super) row: Encoded,
    /// As stored, for the roster.
    pub(super) person: Person,
}

#[derive(Debug)]
pub(super) struct NewRecord {
    pub(super) code: Option<Code>,
    pub(super) row: Encoded,
    pub(super) letters: Vec<NewLetter>,
}

#[derive(Debug)]
pub(super) struct NewLetter {
    pub(super) key: Vec<u8>,
    pub(super) outbox_key: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct NewLink {
    pub(super) key: Vec<u8>,
    /// `None` where the step erases the question as well.
    pub(super) row: Option<Encoded>,
}

/// Makes the rows of a step.
pub(super) fn prepare(step: Step) -> Result<Prepared, StoreError> {
    let seen_key = keys::seen(&step.input);
    let seen = encode(SEEN, &SeenRow { input: &step.input, at: step.at })?;
    let records = records(&step)?;
    if records.iter().any(|record| record.row.json_bytes > rows::ROW_BYTES_MAX) {
        // Each of its letters and lines may be as long as a row, but none longer.
        rows::check_sizes(&step)?;
    }
    let links = step.links.iter().map(|(post, link)| new_link(post, link, &step.erase));
    let links = links.collect::<Result<_, _>>()?;
    Ok(Prepared {
        seen_key,
        seen,
        questions: step.questions.into_iter().map(new_question).collect::<Result<_, _>>()?,
        people: step.people.into_iter().map(new_person).collect::<Result<_, _>>()?,
        settled: step.settled,
        links,
        records,
        erase: step.erase,
        forget: step.forget,
    })
}

/// The rows that are nothing but a key and follow from a question: its earliest timer, and everybody
/// with a part in it.
pub(super) fn marks<'a>(
    code: &Code,
    timers: &BTreeMap<Reason, Timestamp>,
    involved: impl Iterator<Item = &'a AccountId>,
) -> Vec<Vec<u8>> {
    let timer = timers.values().min().map(|at| keys::timer(*at, code));
    let mut marks: Vec<Vec<u8>> =
        involved.map(|account| keys::involved(account, code)).chain(timer).collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}

impl QuestionHead {
    pub(super) fn marks(&self, code: &Code) -> Vec<Vec<u8>> {
        let asked = self.invitations.iter().map(|invitation| &invitation.librarian.id);
        let offered = self.publicity.offers.iter().map(|offer| &offer.author.id);
        marks(code, &self.timers, asked.chain(offered).chain([&self.patron.id]))
    }
}

impl LetterHead {
    pub(super) fn of(letter: &Letter) -> LetterHead {
        LetterHead {
            id: letter.id.clone(),
            network: letter.network,
            about: letter.about.clone(),
            purpose: letter.purpose,
            content: match &letter.content {
                Content::Post { reply_to, .. } => ContentHead::Post { reply_to: reply_to.clone() },
                Content::Delete { .. } => ContentHead::Delete {},
            },
            made_at: letter.made_at,
        }
    }

    /// Where the letter lies in the outbox, if anything is to be done with it.
    pub(super) fn outbox_key(&self, turn: u32, delivery: &Delivery) -> Option<Vec<u8>> {
        let (shelf, at) = match delivery {
            Delivery::Waiting { not_before, .. } => (Shelf::ToDo(self.network), not_before),
            Delivery::Unsure { look_at, .. } => (Shelf::ToDo(self.network), look_at),
            Delivery::Claimed { at, .. } => (Shelf::InHand(self.network), at),
            Delivery::Refused { at, .. } => (Shelf::Refused, at),
            Delivery::Sent { .. } => return None,
        };
        Some(keys::outbox(shelf, *at, turn, &self.id))
    }
}

fn new_question(mut question: Question) -> Result<NewQuestion, StoreError> {
    let version = question.version;
    question.version += 1;
    stored_question(version, &question)
}

/// A question that is stored as it is, version and all.
pub(super) fn stored_question(version: u64, question: &Question) -> Result<NewQuestion, StoreError> {
    Ok(NewQuestion {
        code: question.code.clone(),
        version,
        row: encode(QUESTION, question)?,
        marks: marks(&question.code, &question.timers, rows::involved(question).into_iter()),
    })
}

fn new_letter(turn: u32, letter: &Letter) -> NewLetter {
    let outbox_key = LetterHead::of(letter).outbox_key(turn, &rows::first_delivery(letter));
    NewLetter {
        key: keys::letter(&letter.id),
        outbox_key: outbox_key.expect("a letter that waits lies in the outbox"),
    }
}

fn new_person(mut person: Person) -> Result<NewPerson, StoreError> {
    let version = person.version;
    person.version += 1;
    stored_person(version, person)
}

/// A person who is stored as they are, version and all.
pub(super) fn stored_person(version: u64, person: Person) -> Result<NewPerson, StoreError> {
    Ok(NewPerson { key: keys::person(&person.account.id), version, row: encode(PERSON, &person)?, person })
}

pub(super) fn new_link(post: &PostId, link: &Link, erase: &[Code]) -> Result<NewLink, StoreError> {
    let erased = link.code.as_ref().is_some_and(|code| erase.contains(code));
    let row = if erased { None } else { Some(encode(LINK, &LinkRow { post, link })?) };
    Ok(NewLink { key: keys::link(post), row })
}

/// What the step adds to each question, and its letters about none. Of a question it erases only the
/// letters stay.
fn records(step: &Step) -> Result<Vec<NewRecord>, StoreError> {
    let mut added: BTreeMap<Option<&Code>, Draft<'_>> = BTreeMap::new();
    for entry in step.journal.iter().filter(|entry| !step.erase.contains(&entry.code)) {
        added.entry(Some(&entry.code)).or_default().entries.push(entry);
    }
    for (post, link) in &step.links {
        let Some(code) = link.code.as_ref().filter(|code| !step.erase.contains(code)) else { continue };
        added.entry(Some(code)).or_default().links.push(post);
    }
    for (turn, letter) in (0..).zip(&step.letters) {
        added.entry(letter.about.as_ref()).or_default().letters.push(LetterRow { turn, letter });
    }
    added.into_iter().map(|(code, draft)| draft.record(code)).collect()
}

/// What goes into a record.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) letters: Vec<LetterRow<&'a Letter>>,
    pub(super) entries: Vec<&'a Entry>,
    pub(super) links: Vec<&'a PostId>,
}

impl Draft<'_> {
    pub(super) fn record(self, code: Option<&Code>) -> Result<NewRecord, StoreError> {
        let Draft { letters, entries, links } = self;
        let new_letters = letters.iter().map(|row| new_letter(row.turn, row.letter)).collect();
        let record = Record { code: code.cloned(), letters, entries, links };
        Ok(NewRecord { code: record.code.clone(), row: encode_any(RECORD, &record)?, letters: new_letters })
    }
}
