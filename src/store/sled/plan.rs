//! What a step, or a change of one letter, means for the rows.
//!
//! **Invariant:** nothing here gives anything to sled; all writes go to the [`Layers`], and whoever
//! asked drops them if the answer is an error or that nothing is to be changed.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;
use sled::IVec;

use crate::desk::letter::Delivery;
use crate::desk::{AccountId, Code, Letter, LetterId, Link, Person, PostId};
use crate::store::rows::{self, Row};
use crate::store::sled::codec::{Encoded, encode};
use crate::store::sled::keys;
use crate::store::sled::layers::Layers;
use crate::store::sled::prepare::{
    self, CURSOR, CursorRow, DELIVERY, HISTORY, History, HistoryRow, LETTER, LINK, LetterHead, LetterRow,
    LinkRow, NewLetter, NewPerson, NewQuestion, PERSON, PersonHead, Prepared, QUESTION, QuestionHead, SEEN,
    SeenRow,
};
use crate::store::{Committed, StoreError};

/// What changes in the roster.
#[derive(Debug)]
pub(super) enum RosterChange {
    Put(Box<Person>),
    Remove(AccountId),
}

/// A row that was there before, as it was read.
struct Old<H> {
    main: IVec,
    head: H,
}

/// Plans a step.
pub(super) fn commit(
    layers: &mut Layers<'_>,
    step: Prepared,
    roster: &mut Vec<RosterChange>,
) -> Result<Committed, StoreError> {
    if layers.get(&step.seen_key)?.is_some() {
        return Ok(Committed::SeenBefore);
    }
    let mut questions = Vec::with_capacity(step.questions.len());
    for question in step.questions {
        let old = old_question(layers, &question.key)?;
        if old.as_ref().map_or(0, |old| old.head.version) != question.version {
            return Ok(Committed::Stale);
        }
        questions.push((question, old));
    }
    let mut people = Vec::with_capacity(step.people.len());
    for person in step.people {
        let old = old_person(layers, &person.key)?;
        if old.as_ref().map_or(0, |old| old.head.version) != person.version {
            return Ok(Committed::Stale);
        }
        people.push((person, old));
    }
    for (question, old) in questions {
        put_question(layers, question, old);
    }
    for (person, old) in people {
        put_person(layers, person, old, roster);
    }
    for (id, delivery) in &step.settled {
        settle(layers, id, delivery)?;
    }
    for link in step.links {
        let old = layers.get(&link.key)?;
        match link.row {
            Some(row) => layers.put(&link.key, row, old.as_deref()),
            None => layers.remove(&link.key, old.as_deref()),
        }
    }
    for code in &step.erase {
        erase(layers, code)?;
    }
    for (code, row) in step.history {
        put_history(layers, &code, row)?;
    }
    for account in step.forget {
        forget(layers, account, roster)?;
    }
    for letter in step.letters {
        put_letter(layers, letter)?;
    }
    layers.put_new(&step.seen_key, step.seen);
    Ok(Committed::Stored)
}

/// Plans the change of one letter's delivery. `false` if it is not in the state `from`.
pub(super) fn deliver(
    layers: &mut Layers<'_>,
    id: &LetterId,
    from: &Delivery,
    to: &Delivery,
) -> Result<bool, StoreError> {
    let Some(letter) = stored_letter(layers, id)? else { return Ok(false) };
    if letter.delivery != *from {
        return Ok(false);
    }
    move_letter(layers, &letter, to)?;
    Ok(true)
}

/// Plans the removal of a seen input that is older than `before`. `false` if it is not there.
pub(super) fn forget_seen(
    layers: &mut Layers<'_>,
    key: &[u8],
    before: jiff::Timestamp,
) -> Result<bool, StoreError> {
    let Some(main) = layers.get(key)? else { return Ok(false) };
    let row: SeenRow<IgnoredAny> = layers.decode(SEEN, key, &main)?;
    if row.at >= before {
        return Ok(false);
    }
    layers.remove(key, Some(&main));
    Ok(true)
}

/// Plans the removal of talk that is older than `before`: a settled letter about no question, with the
/// link of its post, or a person about whom nothing has to be remembered. `false` if the key names
/// neither.
pub(super) fn forget_talk(
    layers: &mut Layers<'_>,
    key: &[u8],
    before: jiff::Timestamp,
) -> Result<bool, StoreError> {
    let Some(main) = layers.get(key)? else { return Ok(false) };
    if key.first() == Some(&keys::PERSON) {
        let person: Person = layers.decode(PERSON, key, &main)?;
        let is_gone = rows::is_long_gone(&person, before);
        if is_gone {
            layers.remove(key, Some(&main));
        }
        return Ok(is_gone);
    }
    let row: LetterRow<Letter> = layers.decode(LETTER, key, &main)?;
    let Some(letter) = stored_letter(layers, &row.letter.id)? else { return Ok(false) };
    let is_old = rows::is_old_talk(&row.letter, &letter.delivery, before);
    if is_old {
        remove_letter(layers, &letter);
        if let Some(post) = rows::post_of(&letter.delivery) {
            let link = keys::link(&post);
            let old = layers.get(&link)?;
            layers.remove(&link, old.as_deref());
        }
    }
    Ok(is_old)
}

/// Plans the writing of a cursor.
pub(super) fn put_cursor(layers: &mut Layers<'_>, key: &[u8], row: Encoded) -> Result<(), StoreError> {
    let old = layers.get(key)?;
    layers.put(key, row, old.as_deref());
    Ok(())
}

/// Plans the adding of a row to a store that is being filled.
pub(super) fn add_row(
    layers: &mut Layers<'_>,
    row: Row,
    roster: &mut Vec<RosterChange>,
) -> Result<(), StoreError> {
    match row {
        Row::Question { question } => {
            put_question(layers, prepare::stored_question(question.version, &question)?, None);
        }
        Row::Person { person } => {
            put_person(layers, prepare::stored_person(person.version, *person)?, None, roster);
        }
        Row::Letter { letter, turn, delivery } => {
            if let Some(code) = &letter.about {
                add_history(
                    layers,
                    code,
                    HistoryRow { letters: vec![letter.id.clone()], ..History::default() },
                )?;
            }
            put_letter(layers, prepare::new_letter(turn, &letter)?)?;
            if let Some(stored) = stored_letter(layers, &letter.id)?
                && stored.delivery != delivery
            {
                put_delivery(layers, &stored, &delivery)?;
            }
        }
        Row::Link { post, link } => {
            if let Some(code) = &link.code {
                add_history(layers, code, HistoryRow { links: vec![post.clone()], ..History::default() })?;
            }
            let link = prepare::new_link(&post, &link, &[])?;
            if let Some(row) = link.row {
                layers.put_new(&link.key, row);
            }
        }
        Row::Entry { entry } => {
            let code = entry.code.clone();
            add_history(layers, &code, HistoryRow { entries: vec![entry], ..History::default() })?;
        }
        Row::Seen { input, at } => {
            layers.put_new(&keys::seen(&input), encode(SEEN, &SeenRow { input, at })?);
        }
        Row::Cursor { network, cursor } => {
            put_cursor(layers, &keys::cursor(network), encode(CURSOR, &CursorRow { network, cursor })?)?;
        }
    }
    Ok(())
}

/// Plans the removal of up to `limit` rows, whatever they are.
pub(super) fn empty(layers: &mut Layers<'_>, limit: usize) -> Result<usize, StoreError> {
    let rows = layers.scan(keys::FIRST_ROW, keys::AFTER_ROWS, limit)?;
    for (key, _) in &rows {
        layers.remove(key, None);
    }
    Ok(rows.len())
}

fn old_question(layers: &Layers<'_>, key: &[u8]) -> Result<Option<Old<QuestionHead>>, StoreError> {
    let Some(main) = layers.get(key)? else { return Ok(None) };
    let head = layers.decode(QUESTION, key, &main)?;
    Ok(Some(Old { main, head }))
}

fn old_person(layers: &Layers<'_>, key: &[u8]) -> Result<Option<Old<PersonHead>>, StoreError> {
    let Some(main) = layers.get(key)? else { return Ok(None) };
    let head = layers.decode(PERSON, key, &main)?;
    Ok(Some(Old { main, head }))
}

/// Writes a question, and of the marks that follow from it only those that changed.
fn put_question(layers: &mut Layers<'_>, question: NewQuestion, old: Option<Old<QuestionHead>>) {
    let old_marks = old.as_ref().map(|old| old.head.marks(&question.code)).unwrap_or_default();
    for mark in &old_marks {
        if question.marks.binary_search(mark).is_err() {
            layers.remove(mark, None);
        }
    }
    for mark in question.marks {
        if old_marks.binary_search(&mark).is_err() {
            layers.put_mark(mark);
        }
    }
    layers.put(&question.key, question.row, old.as_ref().map(|old| &old.main[..]));
}

fn put_person(
    layers: &mut Layers<'_>,
    person: NewPerson,
    old: Option<Old<PersonHead>>,
    roster: &mut Vec<RosterChange>,
) {
    let was_librarian = old.as_ref().is_some_and(|old| old.head.librarian.is_some());
    let mark = keys::librarian(&person.person.account.id);
    match (was_librarian, person.person.librarian.is_some()) {
        (false, true) => layers.put_mark(mark),
        (true, false) => layers.remove(&mark, None),
        (false, false) | (true, true) => {}
    }
    layers.put(&person.key, person.row, old.as_ref().map(|old| &old.main[..]));
    roster.push(RosterChange::Put(Box::new(person.person)));
}

/// Forgets a person: their row, every link to them, every letter to them or in their words. Nothing
/// finds those by the person, so all letters and links are read; it is asked for seldom.
fn forget(
    layers: &mut Layers<'_>,
    account: AccountId,
    roster: &mut Vec<RosterChange>,
) -> Result<(), StoreError> {
    let key = keys::person(&account);
    if let Some(main) = layers.get(&key)? {
        layers.remove(&key, Some(&main));
        layers.remove(&keys::librarian(&account), None);
    }
    for (key, main) in layers.scan_prefix(&[keys::LINK])? {
        let row: LinkRow<IgnoredAny, Link> = layers.decode(LINK, &key, &main)?;
        if row.link.with == account {
            layers.remove(&key, Some(&main));
        }
    }
    for (key, main) in layers.scan_prefix(&[keys::LETTER])? {
        let row: LetterRow<Letter> = layers.decode(LETTER, &key, &main)?;
        if rows::concerns(&row.letter, &account)
            && let Some(letter) = stored_letter(layers, &row.letter.id)?
        {
            remove_letter(layers, &letter);
        }
    }
    roster.push(RosterChange::Remove(account));
    Ok(())
}

/// Adds a letter, unless it is there already: its id says that it would be the same.
fn put_letter(layers: &mut Layers<'_>, letter: NewLetter) -> Result<(), StoreError> {
    if layers.get(&letter.key)?.is_none() {
        layers.put_new(&letter.key, letter.row);
        layers.put_mark(letter.outbox_key);
    }
    Ok(())
}

fn put_history(layers: &mut Layers<'_>, code: &Code, row: Encoded) -> Result<(), StoreError> {
    let last = layers.last_key(&keys::history_of(code))?;
    let number = last.and_then(|key| keys::history_number(&key)).map_or(0, |number| number.saturating_add(1));
    layers.put_new(&keys::history(code, number), row);
    Ok(())
}

fn add_history(layers: &mut Layers<'_>, code: &Code, row: History) -> Result<(), StoreError> {
    put_history(layers, code, encode(HISTORY, &row)?)
}

/// A letter in the outbox, or settled, as it is stored.
struct StoredLetter {
    main: IVec,
    turn: u32,
    head: LetterHead,
    /// The row of its delivery; there is none as long as it is as it was when it was decided.
    delivery_main: Option<IVec>,
    delivery: Delivery,
}

fn stored_letter(layers: &Layers<'_>, id: &LetterId) -> Result<Option<StoredLetter>, StoreError> {
    let key = keys::letter(id);
    let Some(main) = layers.get(&key)? else { return Ok(None) };
    let row: LetterRow<LetterHead> = layers.decode(LETTER, &key, &main)?;
    let delivery_key = keys::delivery(id);
    let delivery_main = layers.get(&delivery_key)?;
    let delivery = match &delivery_main {
        Some(main) => layers.decode(DELIVERY, &delivery_key, main)?,
        None => Delivery::Waiting { not_before: row.letter.made_at, tries: 0 },
    };
    Ok(Some(StoredLetter { main, turn: row.turn, head: row.letter, delivery_main, delivery }))
}

fn settle(layers: &mut Layers<'_>, id: &LetterId, delivery: &Delivery) -> Result<(), StoreError> {
    match stored_letter(layers, id)? {
        Some(letter) => move_letter(layers, &letter, delivery),
        None => Ok(()),
    }
}

/// Gives a letter a new delivery, and forgets it where nothing needs it any more.
fn move_letter(layers: &mut Layers<'_>, letter: &StoredLetter, to: &Delivery) -> Result<(), StoreError> {
    if rows::is_done_with(letter.head.about.as_ref(), letter.head.purpose, to) {
        remove_letter(layers, letter);
        return Ok(());
    }
    put_delivery(layers, letter, to)
}

fn put_delivery(layers: &mut Layers<'_>, letter: &StoredLetter, to: &Delivery) -> Result<(), StoreError> {
    let old = letter.head.outbox_key(letter.turn, &letter.delivery);
    let new = letter.head.outbox_key(letter.turn, to);
    if old != new {
        if let Some(old) = old {
            layers.remove(&old, None);
        }
        if let Some(new) = new {
            layers.put_mark(new);
        }
    }
    let row = encode(DELIVERY, to)?;
    layers.put(&keys::delivery(&letter.head.id), row, letter.delivery_main.as_deref());
    Ok(())
}

fn remove_letter(layers: &mut Layers<'_>, letter: &StoredLetter) {
    if let Some(key) = letter.head.outbox_key(letter.turn, &letter.delivery) {
        layers.remove(&key, None);
    }
    if let Some(main) = &letter.delivery_main {
        layers.remove(&keys::delivery(&letter.head.id), Some(main));
    }
    layers.remove(&keys::letter(&letter.head.id), Some(&letter.main));
}

/// Removes a question and every row that belongs to it.
fn erase(layers: &mut Layers<'_>, code: &Code) -> Result<(), StoreError> {
    let key = keys::question(code);
    if let Some(old) = old_question(layers, &key)? {
        for mark in old.head.marks(code) {
            layers.remove(&mark, None);
        }
        layers.remove(&key, Some(&old.main));
    }
    let mut letters: BTreeSet<LetterId> = BTreeSet::new();
    let mut links: BTreeSet<PostId> = BTreeSet::new();
    for (key, main) in layers.scan_prefix(&keys::history_of(code))? {
        let row: HistoryRow<IgnoredAny, LetterId, PostId> = layers.decode(HISTORY, &key, &main)?;
        letters.extend(row.letters);
        links.extend(row.links);
        layers.remove(&key, Some(&main));
    }
    for id in &letters {
        if let Some(letter) = stored_letter(layers, id)? {
            remove_letter(layers, &letter);
        }
    }
    for post in &links {
        erase_link(layers, code, post)?;
    }
    Ok(())
}

/// Removes the link of a post, unless it leads to another question by now.
fn erase_link(layers: &mut Layers<'_>, code: &Code, post: &PostId) -> Result<(), StoreError> {
    let key = keys::link(post);
    let Some(main) = layers.get(&key)? else { return Ok(()) };
    let row: LinkRow<IgnoredAny, Link> = layers.decode(LINK, &key, &main)?;
    if row.link.code.as_ref() == Some(code) {
        layers.remove(&key, Some(&main));
    }
    Ok(())
}
