//! A store of plain maps: for tests, for trying the desk, and as the model for the other stores.
//!
//! **Invariant:** nothing here is clever. Answers are found by looking at the values themselves,
//! without encoding them, so that it can say what the other stores ought to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;

use crate::desk::letter::{Content, Delivery, ReplyTo};
use crate::desk::question::{Entry, Reason};
use crate::desk::{
    AccountId, Code, InputId, Letter, LetterId, Link, Network, Person, PostId, Question, Roster, Step,
};
use crate::store::rows::{self, Digest, Row};
use crate::store::{Committed, Counts, StoreError};

/// Everything in maps, behind one lock.
#[derive(Default)]
pub struct Memory {
    tables: RwLock<Tables>,
    roster: RwLock<Roster>,
}

/// Maps are in the order of the archive.
#[derive(Default)]
struct Tables {
    closed: bool,
    questions: BTreeMap<Code, Question>,
    timers: BTreeSet<(Timestamp, Code, Reason)>,
    involved: BTreeMap<AccountId, BTreeSet<Code>>,
    people: BTreeMap<Digest, Person>,
    letters: BTreeMap<LetterId, Kept>,
    about: BTreeMap<Code, BTreeSet<LetterId>>,
    unsettled: BTreeSet<LetterId>,
    links: BTreeMap<Digest, (PostId, Link)>,
    journal: BTreeMap<Code, Vec<Entry>>,
    seen: BTreeMap<Digest, (InputId, Timestamp)>,
    cursors: BTreeMap<Network, String>,
}

/// A letter with its fate.
struct Kept {
    letter: Letter,
    /// Its place among the letters of its step.
    turn: u32,
    delivery: Delivery,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    pub(super) fn commit(&self, step: Step) -> Result<Committed, StoreError> {
        rows::check_sizes(&step)?;
        let mut tables = self.open_for_writing()?;
        if tables.has_seen(&step.input) {
            return Ok(Committed::SeenBefore);
        }
        if tables.is_stale(&step) {
            return Ok(Committed::Stale);
        }
        let people = step.people.clone();
        let forgotten = step.forget.clone();
        tables.apply(step);
        let mut roster = self.roster.write().unwrap_or_else(PoisonError::into_inner);
        for mut person in people {
            person.version += 1;
            roster.put(person);
        }
        for account in &forgotten {
            roster.remove(account);
        }
        Ok(Committed::Stored)
    }

    pub(super) fn has_seen(&self, input: &InputId) -> Result<bool, StoreError> {
        Ok(self.open()?.has_seen(input))
    }

    pub(super) fn question(&self, code: &Code) -> Result<Option<Question>, StoreError> {
        Ok(self.open()?.questions.get(code).cloned())
    }

    pub(super) fn questions(&self, after: Option<&Code>, limit: usize) -> Result<Vec<Question>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tables = self.open()?;
        let page = tables.questions.range::<Code, _>((start, Bound::Unbounded));
        Ok(page.take(limit).map(|(_, question)| question.clone()).collect())
    }

    pub(super) fn questions_involving(&self, account: &AccountId) -> Result<Vec<Question>, StoreError> {
        let tables = self.open()?;
        let codes = tables.involved.get(account).into_iter().flatten();
        Ok(codes.filter_map(|code| tables.questions.get(code)).cloned().collect())
    }

    pub(super) fn person(&self, account: &AccountId) -> Result<Option<Person>, StoreError> {
        Ok(self.open()?.people.get(&digest(account)).cloned())
    }

    pub(super) fn roster(&self) -> RwLockReadGuard<'_, Roster> {
        self.roster.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn link(&self, post: &PostId) -> Result<Option<Link>, StoreError> {
        Ok(self.open()?.links.get(&Digest::of(&post.key())).map(|(_, link)| link.clone()))
    }

    pub(super) fn journal(&self, code: &Code) -> Result<Vec<Entry>, StoreError> {
        Ok(self.open()?.journal.get(code).cloned().unwrap_or_default())
    }

    pub(super) fn letter(&self, id: &LetterId) -> Result<Option<(Letter, Delivery)>, StoreError> {
        Ok(self.open()?.letters.get(id).map(Kept::shown))
    }

    pub(super) fn letters_about(&self, code: &Code) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tables = self.open()?;
        let ids = tables.about.get(code).into_iter().flatten();
        let mut about: Vec<&Kept> = ids.filter_map(|id| tables.letters.get(id)).collect();
        about.sort_by_key(|kept| (kept.letter.made_at, kept.turn));
        Ok(about.into_iter().map(Kept::shown).collect())
    }

    pub(super) fn undelivered(&self, limit: usize) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tables = self.open()?;
        let mut refused: Vec<_> = tables
            .letters
            .values()
            .filter_map(|kept| match &kept.delivery {
                Delivery::Refused { at, .. } => Some((*at, kept.letter.network.name(), kept.turn, kept)),
                Delivery::Waiting { .. }
                | Delivery::Claimed { .. }
                | Delivery::Unsure { .. }
                | Delivery::Sent { .. } => None,
            })
            .collect();
        refused.sort_by_key(|(at, network, turn, kept)| (*at, *network, *turn, kept.letter.id.clone()));
        Ok(refused.into_iter().rev().take(limit).map(|(_, _, _, kept)| kept.shown()).collect())
    }

    pub(super) fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Code, Reason, Timestamp)>, StoreError> {
        let tables = self.open()?;
        let due = tables.timers.iter().take_while(|(at, _, _)| *at <= now);
        Ok(due.take(limit).map(|(at, code, reason)| (code.clone(), *reason, *at)).collect())
    }

    pub(super) fn next_due(&self) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        Ok(self.open()?.timers.first().map(|(at, _, reason)| (*at, *reason)))
    }

    pub(super) fn outbox(
        &self,
        network: Network,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tables = self.open()?;
        let ready = tables.to_act_on(network);
        let ready = ready.into_iter().take_while(|(at, _)| *at <= now);
        Ok(ready.take(limit).map(|(_, kept)| kept.shown()).collect())
    }

    pub(super) fn in_hand(&self, network: Network) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let tables = self.open()?;
        let claimed = tables.in_order(network, |delivery| match delivery {
            Delivery::Claimed { at, .. } => Some(*at),
            Delivery::Waiting { .. }
            | Delivery::Unsure { .. }
            | Delivery::Sent { .. }
            | Delivery::Refused { .. } => None,
        });
        Ok(claimed.into_iter().map(|(_, kept)| kept.shown()).collect())
    }

    pub(super) fn next_outbox(&self, network: Network) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.open()?.to_act_on(network).first().map(|(at, _)| *at))
    }

    pub(super) fn deliver(&self, id: &LetterId, from: &Delivery, to: Delivery) -> Result<bool, StoreError> {
        let mut tables = self.open_for_writing()?;
        if tables.letters.get(id).is_none_or(|kept| kept.delivery != *from) {
            return Ok(false);
        }
        tables.settle(id, to);
        Ok(true)
    }

    pub(super) fn cursor(&self, network: Network) -> Result<Option<String>, StoreError> {
        Ok(self.open()?.cursors.get(&network).cloned())
    }

    pub(super) fn set_cursor(&self, network: Network, cursor: String) -> Result<(), StoreError> {
        rows::check_size("a cursor", cursor.len())?;
        self.open_for_writing()?.cursors.insert(network, cursor);
        Ok(())
    }

    pub(super) fn expire_seen(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut tables = self.open_for_writing()?;
        let old = tables.seen.iter().filter(|(_, (_, at))| *at < before).take(limit);
        let old: Vec<Digest> = old.map(|(input, _)| *input).collect();
        for input in &old {
            tables.seen.remove(input);
        }
        Ok(old.len())
    }

    pub(super) fn expire_talk(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut tables = self.open_for_writing()?;
        let old =
            tables.letters.values().filter(|kept| rows::is_old_talk(&kept.letter, &kept.delivery, before));
        let old: Vec<(LetterId, Option<PostId>)> =
            old.take(limit).map(|kept| (kept.letter.id.clone(), rows::post_of(&kept.delivery))).collect();
        for (id, post) in &old {
            tables.drop_letter(id);
            if let Some(post) = post {
                tables.links.remove(&Digest::of(&post.key()));
            }
        }
        let gone = tables.people.iter().filter(|(_, person)| rows::is_long_gone(person, before));
        let gone: Vec<Digest> = gone.take(limit - old.len()).map(|(key, _)| *key).collect();
        for key in &gone {
            tables.people.remove(key);
        }
        Ok(old.len() + gone.len())
    }

    pub(super) fn counts(&self) -> Result<Counts, StoreError> {
        let tables = self.open()?;
        Ok(Counts {
            questions: tables.questions.len(),
            timers: tables.questions.values().filter(|question| !question.timers.is_empty()).count(),
            involved: tables.involved.values().map(BTreeSet::len).sum(),
            people: tables.people.len(),
            letters: tables.letters.len(),
            unsettled: tables.unsettled.len(),
            refused: tables.letters.values().filter(|kept| kept.is_refused()).count(),
            links: tables.links.len(),
            journal: tables.journal.values().map(Vec::len).sum(),
            seen: tables.seen.len(),
            cursors: tables.cursors.len(),
        })
    }

    pub(super) fn close(&self) -> Result<(), StoreError> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).closed = true;
        Ok(())
    }

    /// Gives every row to `take`, in the order of the archive, as of one moment.
    pub(super) fn each_row<E: From<StoreError>>(
        &self,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let tables = self.open()?;
        for question in tables.questions.values() {
            take(Row::Question { question: Box::new(question.clone()) })?;
        }
        for person in tables.people.values() {
            take(Row::Person { person: Box::new(person.clone()) })?;
        }
        for kept in tables.letters.values() {
            take(kept.row())?;
        }
        for (post, link) in tables.links.values() {
            take(Row::Link { post: post.clone(), link: link.clone() })?;
        }
        for entry in tables.journal.values().flatten() {
            take(Row::Entry { entry: entry.clone() })?;
        }
        for (input, at) in tables.seen.values() {
            take(Row::Seen { input: input.clone(), at: *at })?;
        }
        for network in Network::ALL {
            let Some(cursor) = tables.cursors.get(&network) else { continue };
            take(Row::Cursor { network, cursor: cursor.clone() })?;
        }
        Ok(())
    }

    /// Adds rows as they are. For filling an empty store.
    pub(super) fn put_rows(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut tables = self.open_for_writing()?;
        let mut roster = self.roster.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            if let Row::Person { person } = &row {
                roster.put(Person::clone(person));
            }
            tables.put_row(row);
        }
        Ok(())
    }

    /// Empties the store again after rows were added that turned out to be incomplete.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        *self.open_for_writing()? = Tables::default();
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = Roster::default();
        Ok(())
    }

    fn open(&self) -> Result<RwLockReadGuard<'_, Tables>, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        if tables.closed { Err(StoreError::Closed) } else { Ok(tables) }
    }

    fn open_for_writing(&self) -> Result<RwLockWriteGuard<'_, Tables>, StoreError> {
        let tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if tables.closed { Err(StoreError::Closed) } else { Ok(tables) }
    }
}

impl Tables {
    fn has_seen(&self, input: &InputId) -> bool {
        self.seen.contains_key(&Digest::of_input(input))
    }

    fn is_stale(&self, step: &Step) -> bool {
        let questions = step.questions.iter().any(|question| {
            self.questions.get(&question.code).map_or(0, |stored| stored.version) != question.version
        });
        let people = step.people.iter().any(|person| {
            self.people.get(&digest(&person.account.id)).map_or(0, |stored| stored.version) != person.version
        });
        questions || people
    }

    fn apply(&mut self, step: Step) {
        for mut question in step.questions {
            question.version += 1;
            self.put_question(question);
        }
        for mut person in step.people {
            person.version += 1;
            self.people.insert(digest(&person.account.id), person);
        }
        for (id, delivery) in step.settled {
            self.settle(&id, delivery);
        }
        for (post, link) in step.links {
            self.links.insert(Digest::of(&post.key()), (post, link));
        }
        for entry in step.journal {
            self.journal.entry(entry.code.clone()).or_default().push(entry);
        }
        for code in &step.erase {
            self.erase(code);
        }
        for account in &step.forget {
            self.forget(account);
        }
        for (turn, letter) in (0..).zip(step.letters) {
            let delivery = rows::first_delivery(&letter);
            self.put_letter(Kept { letter, turn, delivery });
        }
        self.seen.insert(Digest::of_input(&step.input), (step.input, step.at));
    }

    fn put_question(&mut self, question: Question) {
        self.drop_question(&question.code);
        for (reason, at) in &question.timers {
            self.timers.insert((*at, question.code.clone(), *reason));
        }
        for account in rows::involved(&question) {
            self.involved.entry(account.clone()).or_default().insert(question.code.clone());
        }
        self.questions.insert(question.code.clone(), question);
    }

    fn drop_question(&mut self, code: &Code) {
        let Some(old) = self.questions.remove(code) else { return };
        for (reason, at) in &old.timers {
            self.timers.remove(&(*at, code.clone(), *reason));
        }
        for account in rows::involved(&old) {
            let Some(codes) = self.involved.get_mut(account) else { continue };
            codes.remove(code);
            if codes.is_empty() {
                self.involved.remove(account);
            }
        }
    }

    fn put_letter(&mut self, kept: Kept) {
        let id = kept.letter.id.clone();
        if self.letters.contains_key(&id) {
            return;
        }
        if let Some(code) = &kept.letter.about {
            self.about.entry(code.clone()).or_default().insert(id.clone());
        }
        if !kept.delivery.is_settled() {
            self.unsettled.insert(id.clone());
        }
        self.letters.insert(id, kept);
    }

    fn drop_letter(&mut self, id: &LetterId) {
        self.unsettled.remove(id);
        let Some(code) = self.letters.remove(id).and_then(|kept| kept.letter.about) else { return };
        if let Some(ids) = self.about.get_mut(&code) {
            ids.remove(id);
        }
    }

    fn settle(&mut self, id: &LetterId, delivery: Delivery) {
        let Some(kept) = self.letters.get_mut(id) else { return };
        kept.delivery = delivery;
        if kept.delivery.is_settled() {
            self.unsettled.remove(id);
        } else {
            self.unsettled.insert(id.clone());
        }
        if rows::is_done_with(kept.letter.about.as_ref(), kept.letter.purpose, &kept.delivery) {
            self.drop_letter(id);
        }
    }

    fn forget(&mut self, account: &AccountId) {
        self.people.remove(&digest(account));
        self.links.retain(|_, (_, link)| link.with != *account);
        let theirs = self.letters.values().filter(|kept| kept.letter.concerns(account));
        let theirs: Vec<LetterId> = theirs.map(|kept| kept.letter.id.clone()).collect();
        for id in &theirs {
            self.drop_letter(id);
        }
    }

    fn erase(&mut self, code: &Code) {
        self.drop_question(code);
        self.journal.remove(code);
        self.links.retain(|_, (_, link)| link.code.as_ref() != Some(code));
        for id in self.about.remove(code).into_iter().flatten() {
            self.letters.remove(&id);
            self.unsettled.remove(&id);
        }
    }

    fn put_row(&mut self, row: Row) {
        match row {
            Row::Question { question } => self.put_question(*question),
            Row::Person { person } => {
                self.people.insert(digest(&person.account.id), *person);
            }
            Row::Letter { letter, turn, delivery } => {
                self.put_letter(Kept { letter: *letter, turn, delivery })
            }
            Row::Link { post, link } => {
                self.links.insert(Digest::of(&post.key()), (post, link));
            }
            Row::Entry { entry } => self.journal.entry(entry.code.clone()).or_default().push(entry),
            Row::Seen { input, at } => {
                self.seen.insert(Digest::of_input(&input), (input, at));
            }
            Row::Cursor { network, cursor } => {
                self.cursors.insert(network, cursor);
            }
        }
    }

    /// The letters to act on at some time, in the order of these times.
    fn to_act_on(&self, network: Network) -> Vec<(Timestamp, &Kept)> {
        let mut waiting = self.in_order(network, |delivery| match delivery {
            Delivery::Waiting { not_before, .. } => Some(*not_before),
            Delivery::Unsure { look_at, .. } => Some(*look_at),
            Delivery::Claimed { .. } | Delivery::Sent { .. } | Delivery::Refused { .. } => None,
        });
        waiting.retain(|(_, kept)| !self.is_held_back(&kept.letter));
        waiting
    }

    fn in_order(
        &self,
        network: Network,
        time_of: impl Fn(&Delivery) -> Option<Timestamp>,
    ) -> Vec<(Timestamp, &Kept)> {
        let letters = self.unsettled.iter().filter_map(|id| self.letters.get(id));
        let letters = letters.filter(|kept| kept.letter.network == network);
        let mut found: Vec<_> = letters.filter_map(|kept| Some((time_of(&kept.delivery)?, kept))).collect();
        found.sort_by_key(|(at, kept)| (*at, kept.turn, kept.letter.id.clone()));
        found
    }

    /// Whether the letter replies to one that is still on its way.
    fn is_held_back(&self, letter: &Letter) -> bool {
        let Content::Post { reply_to: Some(ReplyTo::Letter(previous)), .. } = &letter.content else {
            return false;
        };
        self.letters.get(previous).is_some_and(|kept| !kept.delivery.is_settled())
    }
}

impl Kept {
    fn shown(&self) -> (Letter, Delivery) {
        (self.letter.clone(), self.delivery.clone())
    }

    fn row(&self) -> Row {
        Row::Letter {
            letter: Box::new(self.letter.clone()),
            turn: self.turn,
            delivery: self.delivery.clone(),
        }
    }

    fn is_refused(&self) -> bool {
        match self.delivery {
            Delivery::Refused { .. } => true,
            Delivery::Waiting { .. }
            | Delivery::Claimed { .. }
            | Delivery::Unsure { .. }
            | Delivery::Sent { .. } => false,
        }
    }
}

fn digest(account: &AccountId) -> Digest {
    Digest::of(&account.key())
}
