//! What a step, or a change of one letter, means for the rows.
//!
//! **Invariant:** nothing here gives anything to sled; all writes go to the [`Layers`], and whoever
//! asked drops them if the answer is an error or that nothing is to be changed.

use serde::de::IgnoredAny;
use sled::IVec;

use crate::desk::letter::Delivery;
use crate::desk::{AccountId, Code, Letter, LetterId, Link, Person, PostId};
use crate::store::rows::{self, Row};
use crate::store::sled::codec::{Encoded, encode, encode_any};
use crate::store::sled::keys;
use crate::store::sled::layers::Layers;
use crate::store::sled::prepare::{
    self, CURSOR, CursorRow, Draft, FILE, FileRow, LINK, LetterHead, LetterRow, LinkRow, NewPerson,
    NewQuestion, NewRecord, PERSON, PersonHead, Prepared, QUESTION, QuestionHead, RECORD, Record, SEEN,
    STAND, SeenRow, StandRow, WholeRecord,
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
    key: Vec<u8>,
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
        let old = old_question(layers, &question.code)?;
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
        put_question(layers, question, old)?;
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
    for account in step.forget {
        forget(layers, account, roster)?;
    }
    for record in step.records {
        put_record(layers, record)?;
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
    let Some(letter) = stored_letter(layers, &keys::letter(id))? else { return Ok(false) };
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
    if key.first() != Some(&keys::LETTER) {
        let Some(main) = layers.get(key)? else { return Ok(false) };
        let person: Person = layers.decode(PERSON, key, &main)?;
        let is_gone = rows::is_long_gone(&person, before);
        if is_gone {
            layers.remove(key, Some(&main));
        }
        return Ok(is_gone);
    }
    let Some(letter) = stored_letter::<Letter>(layers, key)? else { return Ok(false) };
    let is_old = rows::is_old_talk(&letter.letter, &letter.delivery, before);
    if is_old {
        if let Some(post) = rows::post_of(&letter.delivery) {
            let link = keys::link(&post);
            let old = layers.get(&link)?;
            layers.remove(&link, old.as_deref());
        }
        remove_letter(layers, &letter.head())?;
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
            put_question(layers, prepare::stored_question(question.version, &question)?, None)?;
        }
        Row::Person { person } => {
            put_person(layers, prepare::stored_person(person.version, *person)?, None, roster);
        }
        Row::Letter { letter, turn, delivery } => {
            let letters = vec![LetterRow { turn, letter: &*letter }];
            put_record(layers, Draft { letters, ..Draft::default() }.record(letter.about.as_ref())?)?;
            if delivery != rows::first_delivery(&letter)
                && let Some(stored) = stored_letter(layers, &keys::letter(&letter.id))?
            {
                put_delivery(layers, &stored, &delivery)?;
            }
        }
        Row::Link { post, link } => {
            if let Some(code) = &link.code {
                put_record(layers, Draft { links: vec![&post], ..Draft::default() }.record(Some(code))?)?;
            }
            let link = prepare::new_link(&post, &link, &[])?;
            if let Some(row) = link.row {
                layers.put_new(&link.key, row);
            }
        }
        Row::Entry { entry } => {
            put_record(
                layers,
                Draft { entries: vec![&entry], ..Draft::default() }.record(Some(&entry.code))?,
            )?;
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

fn old_question(layers: &Layers<'_>, code: &Code) -> Result<Option<Old<QuestionHead>>, StoreError> {
    let Some(number) = layers.file(code)?.and_then(|file| file.question) else { return Ok(None) };
    let key = keys::question(number, code);
    let Some(main) = layers.get(&key)? else { return Ok(None) };
    let head = layers.decode(QUESTION, &key, &main)?;
    Ok(Some(Old { key, main, head }))
}

fn old_person(layers: &Layers<'_>, key: &[u8]) -> Result<Option<Old<PersonHead>>, StoreError> {
    let Some(main) = layers.get(key)? else { return Ok(None) };
    let head = layers.decode(PERSON, key, &main)?;
    Ok(Some(Old { key: key.to_vec(), main, head }))
}

/// Writes a question, and of the marks that follow from it only those that changed.
fn put_question(
    layers: &mut Layers<'_>,
    question: NewQuestion,
    old: Option<Old<QuestionHead>>,
) -> Result<(), StoreError> {
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
    if let Some(old) = old {
        layers.put(&old.key, question.row, Some(&old.main));
        return Ok(());
    }
    let number = layers.take_number();
    layers.put_new(&keys::question(number, &question.code), question.row);
    change_file(layers, &question.code, |file| file.question = Some(number))
}

fn change_file(
    layers: &mut Layers<'_>,
    code: &Code,
    change: impl FnOnce(&mut FileRow),
) -> Result<(), StoreError> {
    let key = keys::file(code);
    let old = layers.get(&key)?;
    let mut file = match &old {
        Some(main) => layers.decode(FILE, &key, main)?,
        None => FileRow::default(),
    };
    change(&mut file);
    layers.put(&key, encode_any(FILE, &file)?, old.as_deref());
    Ok(())
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
    for (key, main) in layers.scan_prefix(&[keys::POST])? {
        if keys::about(&key) != Some(keys::About::Link) {
            continue;
        }
        let row: LinkRow<IgnoredAny, Link> = layers.decode(LINK, &key, &main)?;
        if row.link.with == account {
            layers.remove(&key, Some(&main));
        }
    }
    for (key, main) in layers.scan_prefix(&[keys::RECORD])? {
        let record: Record<Letter, IgnoredAny, IgnoredAny> = layers.decode(RECORD, &key, &main)?;
        for row in record.letters.iter().filter(|row| row.letter.concerns(&account)) {
            if let Some(letter) = stored_letter(layers, &keys::letter(&row.letter.id))? {
                remove_letter(layers, &letter)?;
            }
        }
    }
    roster.push(RosterChange::Remove(account));
    Ok(())
}

/// Adds a record. A letter that is there already is left out: its id says that it would be the same.
fn put_record(layers: &mut Layers<'_>, new: NewRecord) -> Result<(), StoreError> {
    let number = layers.take_number();
    let mut known = Vec::new();
    for letter in new.letters {
        if layers.get(&letter.key)?.is_some() {
            known.push(letter.key);
            continue;
        }
        let stand = StandRow::<&Delivery> { record: number, delivery: None };
        layers.put_new(&letter.key, encode(STAND, &stand)?);
        layers.put_mark(letter.outbox_key);
    }
    let key = keys::record(number);
    layers.put_new(&key, new.row);
    if !known.is_empty() {
        keep_letters(layers, number, |letter| !known.contains(&keys::letter(&letter.id)))?;
    }
    let Some(code) = &new.code else { return Ok(()) };
    change_file(layers, code, |file| file.records.push(number))
}

/// Writes a record again without those letters that are not to be kept. One without any letter and
/// without a question is removed: nothing names it.
fn keep_letters(
    layers: &mut Layers<'_>,
    number: u64,
    mut keep: impl FnMut(&Letter) -> bool,
) -> Result<(), StoreError> {
    let key = keys::record(number);
    let Some(main) = layers.get(&key)? else { return Ok(()) };
    let mut record: WholeRecord = layers.decode(RECORD, &key, &main)?;
    record.letters.retain(|row| keep(&row.letter));
    if record.letters.is_empty() && record.code.is_none() {
        layers.remove(&key, Some(&main));
        return Ok(());
    }
    layers.put(&key, encode_any(RECORD, &record)?, Some(&main));
    Ok(())
}

/// A letter in the outbox, or settled, as it is stored.
pub(super) struct StoredLetter<L> {
    key: Vec<u8>,
    record: u64,
    pub(super) turn: u32,
    pub(super) letter: L,
    /// The row that says where it stands.
    stand_main: IVec,
    pub(super) delivery: Delivery,
}

impl StoredLetter<Letter> {
    fn head(self) -> StoredLetter<LetterHead> {
        let letter = LetterHead::of(&self.letter);
        let StoredLetter { key, record, turn, letter: _, stand_main, delivery } = self;
        StoredLetter { key, record, turn, letter, stand_main, delivery }
    }
}

/// As much of a letter as tells which one it is, and when it was made.
pub(super) trait IsLetter: serde::de::DeserializeOwned {
    fn id(&self) -> &LetterId;
    fn made_at(&self) -> jiff::Timestamp;
}

impl IsLetter for Letter {
    fn id(&self) -> &LetterId {
        &self.id
    }

    fn made_at(&self) -> jiff::Timestamp {
        self.made_at
    }
}

impl IsLetter for LetterHead {
    fn id(&self) -> &LetterId {
        &self.id
    }

    fn made_at(&self) -> jiff::Timestamp {
        self.made_at
    }
}

/// The letter with this key.
pub(super) fn stored_letter<L: IsLetter>(
    layers: &Layers<'_>,
    key: &[u8],
) -> Result<Option<StoredLetter<L>>, StoreError> {
    let Some(stand_main) = layers.get(key)? else { return Ok(None) };
    let stand: StandRow<Delivery> = layers.decode(STAND, key, &stand_main)?;
    let record: Option<Record<L, IgnoredAny, IgnoredAny>> =
        layers.row(RECORD, &keys::record(stand.record))?;
    let letters = record.map(|record| record.letters).unwrap_or_default();
    let row = letters.into_iter().find(|row| keys::letter(row.letter.id()) == key);
    let LetterRow { turn, letter } = row.ok_or(RECORD.unreadable("a letter is missing in it"))?;
    let first = || Delivery::Waiting { not_before: letter.made_at(), tries: 0 };
    let delivery = stand.delivery.unwrap_or_else(first);
    Ok(Some(StoredLetter { key: key.to_vec(), record: stand.record, turn, letter, stand_main, delivery }))
}

fn settle(layers: &mut Layers<'_>, id: &LetterId, delivery: &Delivery) -> Result<(), StoreError> {
    match stored_letter(layers, &keys::letter(id))? {
        Some(letter) => move_letter(layers, &letter, delivery),
        None => Ok(()),
    }
}

/// Gives a letter a new delivery, and forgets it where nothing needs it any more.
fn move_letter(
    layers: &mut Layers<'_>,
    stored: &StoredLetter<LetterHead>,
    to: &Delivery,
) -> Result<(), StoreError> {
    if rows::is_done_with(stored.letter.about.as_ref(), stored.letter.purpose, to) {
        return remove_letter(layers, stored);
    }
    put_delivery(layers, stored, to)
}

fn put_delivery(
    layers: &mut Layers<'_>,
    stored: &StoredLetter<LetterHead>,
    to: &Delivery,
) -> Result<(), StoreError> {
    let old = stored.letter.outbox_key(stored.turn, &stored.delivery);
    let new = stored.letter.outbox_key(stored.turn, to);
    if old != new {
        if let Some(old) = old {
            layers.remove(&old, None);
        }
        if let Some(new) = new {
            layers.put_mark(new);
        }
    }
    let stand = StandRow { record: stored.record, delivery: Some(to) };
    layers.put(&stored.key, encode(STAND, &stand)?, Some(&stored.stand_main));
    Ok(())
}

/// Removes a letter, and its text from its record.
fn remove_letter(layers: &mut Layers<'_>, stored: &StoredLetter<LetterHead>) -> Result<(), StoreError> {
    remove_stand(layers, stored);
    keep_letters(layers, stored.record, |letter| letter.id != stored.letter.id)
}

/// Removes all of a letter but its text.
fn remove_stand(layers: &mut Layers<'_>, stored: &StoredLetter<LetterHead>) {
    if let Some(key) = stored.letter.outbox_key(stored.turn, &stored.delivery) {
        layers.remove(&key, None);
    }
    layers.remove(&stored.key, Some(&stored.stand_main));
}

/// Removes a question and every row that belongs to it.
fn erase(layers: &mut Layers<'_>, code: &Code) -> Result<(), StoreError> {
    let Some(file) = layers.file(code)? else { return Ok(()) };
    if let Some(old) = old_question(layers, code)? {
        for mark in old.head.marks(code) {
            layers.remove(&mark, None);
        }
        layers.remove(&old.key, Some(&old.main));
    }
    for number in file.records {
        let key = keys::record(number);
        let Some(main) = layers.get(&key)? else { continue };
        let record: Record<LetterHead, IgnoredAny, PostId> = layers.decode(RECORD, &key, &main)?;
        for row in record.letters {
            if let Some(letter) = stored_letter(layers, &keys::letter(&row.letter.id))? {
                remove_stand(layers, &letter);
            }
        }
        for post in &record.links {
            erase_link(layers, code, post)?;
        }
        layers.remove(&key, Some(&main));
    }
    let key = keys::file(code);
    let main = layers.get(&key)?;
    layers.remove(&key, main.as_deref());
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
