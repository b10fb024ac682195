//! One world: a clock, a queue of what is going to happen, and the real desk in the middle.
//!
//! **Invariant:** whatever changes the desk goes through [`desk::decide`] and [`Books::apply`], as in a running
//! desk; things that happen at the same millisecond happen in the order in which they were thought of.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use jiff::Timestamp;

use crate::desk::letter::{Content, Purpose, Refusal};
use crate::desk::question::Reason;
use crate::desk::{
    self, Account, Anchor, Code, Confidential, Input, Letter, LetterId, Network, Outcome, Place, Post,
    PostId, ReplyTo, Settings, View, Visibility, outbox,
};
use crate::simulate::asking::{self, Asked};
use crate::simulate::books::Books;
use crate::simulate::dice::{Dice, Stream};
use crate::simulate::people::{self, DAY, HOUR, MINUTE, Millis, People, SECOND};
use crate::simulate::population::Population;
use crate::simulate::reacting::{Act, Doing, Who};
use crate::simulate::watch::Watch;
use crate::subjects::Subjects;

/// How long the world goes on after the last question, so that it is known how each ends.
const AFTERMATH: Millis = 3 * DAY;

/// How long a letter rests while its network is out of order, or while it waits for the one before it.
const HELD_UP: f64 = 30.0 * SECOND;

/// How long after a letter was lost sight of it is looked for.
const LOOK_AFTER: f64 = 60.0 * SECOND;

/// How often a letter that was lost is sent again.
const TRIES_MAX: u8 = 20;

/// What is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A patron asks: the place of the question.
    Asks(usize),
    /// A post comes to the desk.
    Arrives(Box<Post>),
    /// The desk hears that a post was edited or deleted.
    HearsOf(Box<Input>),
    /// A letter's turn has come; how often it was tried before.
    Send(LetterId, u8),
    /// It is looked whether a letter is on its network.
    Look(LetterId, u8),
    Timer(Code, Reason, Timestamp),
    /// Somebody does something.
    Acts(Box<Act>),
}

/// A happening and its turn. Ordered by time, then by turn.
#[derive(Debug)]
struct Due {
    at: Millis,
    turn: u64,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        (self.at, self.turn) == (other.at, other.turn)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.at, self.turn).cmp(&(other.at, other.turn))
    }
}

/// A world and everything that happened in it.
#[derive(Debug)]
pub(crate) struct World<'p> {
    pub(crate) population: &'p Population,
    pub(crate) seed: u64,
    pub(crate) people: People,
    pub(crate) questions: Vec<Asked>,
    /// The question that has a code now.
    pub(crate) by_code: HashMap<Code, usize>,
    /// The questions by the posts that asked them.
    by_post: HashMap<PostId, usize>,
    /// How often each librarian was invited to a question that counts.
    pub(crate) contacts: Vec<u32>,
    pub(crate) books: Books,
    pub(crate) now: Millis,
    pub(crate) watch: Option<Watch>,
    settings: Settings,
    subjects: Subjects,
    queue: BinaryHeap<Reverse<Due>>,
    turns: u64,
    posts: u64,
    until: Millis,
}

impl<'p> World<'p> {
    /// A world before its first day. `is_watched` has the desk's promises checked after every step.
    pub(crate) fn new(
        population: &'p Population,
        settings: &Settings,
        days: u32,
        seed: u64,
        is_watched: bool,
    ) -> World<'p> {
        let first = jiff::civil::date(2026, 3, 2);
        let start = first.to_zoned_datetime(jiff::tz::TimeZone::UTC);
        let start = start.map_or(0, |start| start.timestamp().as_millisecond());
        let all_days = i64::from(population.warm_up_days) + i64::from(days);
        let people = People::new(population, seed, first, all_days + 10);
        let from = start + i64::from(population.warm_up_days) * DAY;
        let mut settings = settings.clone();
        for network in Network::ALL {
            settings.accounts.insert(network, people::account(network.name(), "desk"));
        }
        let subjects = Subjects::compile(&people::rules(population)).0;
        let subjects = subjects.with_confidence_min(f64::from(settings.sure_from_percent) / 100.0);
        let until = from + i64::from(days) * DAY;
        let questions = asking::questions(population, &people, seed, start..until, from);
        let mut world = World {
            population,
            seed,
            contacts: vec![0; people.librarians.len()],
            watch: is_watched.then(|| Watch::new(&people)),
            people,
            questions,
            by_code: HashMap::new(),
            by_post: HashMap::new(),
            books: Books::default(),
            now: start - 30 * DAY,
            settings,
            subjects,
            queue: BinaryHeap::new(),
            turns: 0,
            posts: 0,
            until,
        };
        world.open();
        world.now = start;
        world
    }

    /// Puts librarians on the roster and questions into the queue.
    fn open(&mut self) {
        let at = self.time();
        let usual = self.settings.invitations_per_day;
        for librarian in 0..self.people.librarians.len() {
            let Some(action) = self.people.opting_in(librarian, self.population, at) else { continue };
            // Whoever comes onto the roster gets the desk's default, so that is what is set for each.
            let group = self.people.librarians.get(librarian).map(|volunteer| volunteer.group);
            let group = group.and_then(|group| self.population.librarians.get(group));
            self.settings.invitations_per_day = group.and_then(|group| group.per_day).unwrap_or(usual);
            self.decide(Input::Coordinator { id: librarian.to_string(), action });
        }
        self.settings.invitations_per_day = usual;
        for place in 0..self.questions.len() {
            let Some(question) = self.questions.get(place) else { continue };
            self.push(question.at, Happening::Asks(place));
        }
    }

    /// Lets everything happen. `progress` is told how much is done, from 0 to 1.
    pub(crate) fn run(&mut self, progress: &mut dyn FnMut(f64)) {
        // A watched world is lived to its end, so that nothing that goes wrong late is missed.
        let end = if self.watch.is_some() { Millis::MAX } else { self.until + AFTERMATH };
        let start = self.now;
        let mut told = start;
        while let Some(Reverse(due)) = self.queue.pop() {
            if end <= due.at {
                break;
            }
            self.now = self.now.max(due.at);
            if told + DAY / 4 <= self.now {
                told = self.now;
                progress((self.now - start) as f64 / (self.until + AFTERMATH - start) as f64);
            }
            self.happen(due.what);
        }
        if let Some(watch) = &mut self.watch {
            watch.at_end(&self.books);
        }
        progress(1.0);
    }

    pub(crate) fn push_after(&mut self, wait: f64, what: Happening) {
        let at = self.now.saturating_add(wait as Millis);
        self.push(at, what);
    }

    pub(crate) fn push(&mut self, at: Millis, what: Happening) {
        if at == Millis::MAX {
            return;
        }
        self.turns += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), turn: self.turns, what }));
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now).unwrap_or(Timestamp::MAX)
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Asks(place) => self.ask(place),
            Happening::Arrives(post) => self.arrive(post),
            Happening::HearsOf(input) => self.decide(*input),
            Happening::Send(id, tries) => self.send(&id, tries),
            Happening::Look(id, tries) => self.look(&id, tries),
            Happening::Timer(code, reason, at) => {
                let is_current = |question: &desk::Question| question.timers.get(&reason) == Some(&at);
                // The store gives the alarm no timer that was moved since.
                if self.books.question(&code).is_some_and(is_current) {
                    self.decide(Input::Timer { code, reason, at });
                }
            }
            Happening::Acts(act) => self.act(&act),
        }
    }

    fn ask(&mut self, place: usize) {
        let Some(question) = self.questions.get(place) else { return };
        let (author, visibility) = (question.patron.clone(), question.visibility);
        let text = asking::text(question, place);
        let post = self.post(author, text, visibility, None);
        self.by_post.insert(post.id(), place);
        if let Some(question) = self.questions.get_mut(place) {
            question.place = Some(post.place.clone());
        }
        self.say(post);
        if let Some(wait) = asking::patience(self.population, self.seed, place) {
            let act = Act { who: Who::Patron, what: Doing::Cancel, question: place, below: None };
            self.push_after(wait, Happening::Acts(Box::new(act)));
        }
        if let Some((what, wait)) = asking::second_thought(self.population, self.seed, place) {
            let act = Act { who: Who::Patron, what, question: place, below: None };
            self.push_after(wait, Happening::Acts(Box::new(act)));
        }
    }

    /// A new post, which replies to `below` where it is given.
    pub(crate) fn post(
        &mut self,
        author: Account,
        text: String,
        visibility: Visibility,
        below: Option<&Place>,
    ) -> Post {
        self.posts += 1;
        let network = author.id.network;
        let anchor = Anchor::new(format!("said{}", self.posts));
        let root = below.map_or_else(|| anchor.clone(), |below| below.root.clone());
        Post {
            place: Place { network, post: anchor, root },
            author,
            text: Confidential::new(text),
            addressed: below.is_none(),
            mentions: Vec::new(),
            visibility,
            warning: None,
            in_reply_to: below.map(Place::post_id),
            language: Some("en".to_owned()),
            seen_at: self.time(),
        }
    }

    /// Sends a post on its way to the desk.
    pub(crate) fn say(&mut self, post: Post) {
        if let Some(watch) = &mut self.watch {
            watch.said(&post);
        }
        let mut dice = Dice::of(self.seed, Stream::Receiving, self.posts, 0);
        let network = &self.population.network;
        let wait = dice.exponential(network.to_desk_seconds * SECOND);
        if dice.happens(network.repeated) {
            let again = wait + dice.exponential(HOUR);
            self.push_after(again, Happening::Arrives(Box::new(post.clone())));
        }
        self.push_after(wait, Happening::Arrives(Box::new(post)));
    }

    /// The network tells the desk, later than its posts, that somebody edited or deleted one of theirs.
    pub(crate) fn hear_of(&mut self, change: Input) {
        if let (Some(watch), Input::Edited { post, .. }) = (&mut self.watch, &change) {
            watch.said(post);
        }
        let mut dice = Dice::of(self.seed, Stream::Receiving, self.posts, 1);
        let wait = dice.exponential(2.0 * self.population.network.to_desk_seconds * SECOND);
        self.push_after(wait, Happening::HearsOf(Box::new(change)));
    }

    fn arrive(&mut self, post: Box<Post>) {
        // As the engine does: a reply to a letter that is still in doubt waits until it is settled.
        let is_in_doubt = post.in_reply_to.as_ref().is_some_and(|parent| {
            self.books.link(parent).is_none()
                && self.population.network.unsure > 0.0
                && parent.id.starts_with("sent")
        });
        if is_in_doubt && self.now < post.seen_at.as_millisecond() + HOUR as Millis {
            self.push_after(LOOK_AFTER, Happening::Arrives(post));
            return;
        }
        self.decide(Input::Post(post));
    }

    /// Lets an input take effect.
    fn decide(&mut self, input: Input) {
        let id = input.id();
        if self.books.has_seen(&id) {
            return;
        }
        let who = input.whose();
        let mut named: Vec<Code> = Vec::new();
        let mut link = None;
        match &input {
            Input::Post(post) => {
                link = post.in_reply_to.as_ref().and_then(|parent| self.books.link(parent)).cloned();
                if matches!(post.text.reveal(), "stop" | "forget me") {
                    named.extend(self.books.involving(&post.author.id));
                }
            }
            Input::Timer { code, .. } => named.push(code.clone()),
            Input::Delivered { letter, .. } | Input::Refused { letter, .. } => {
                named.extend(letter.about.iter().cloned());
            }
            Input::Edited { post, .. } => link = self.books.link(&post.id()).cloned(),
            Input::Gone { post } => link = self.books.link(post).cloned(),
            // Nothing is overheard here.
            Input::Coordinator { .. } | Input::Overheard { .. } => {}
        }
        named.extend(link.iter().filter_map(|link| link.code.clone()));
        let is_post = matches!(input, Input::Post(_));
        // What became of a letter concerns the question it is about, and no other.
        let others = who.filter(|_| is_post);
        let free_code = if is_post { self.books.free_code(&id) } else { Code::parse("C3C3") };
        let Some(free_code) = free_code else { return };
        let view = View {
            settings: &self.settings,
            subjects: &self.subjects,
            roster: &self.books.roster,
            person: who.and_then(|who| self.books.person(who)).cloned(),
            questions: self.books.questions_for(others, &named),
            link,
            free_code,
            // Nobody links accounts here, so that nothing depends on these.
            others: Vec::new(),
            chance: self.turns,
        };
        let step = desk::decide(&view, &input, self.time());
        if let Some(watch) = &mut self.watch {
            watch.check(&view, &input, &step, &self.people);
        }
        self.note(&input, &step);
        let letters = self.books.apply(step);
        let mut dice = Dice::of(self.seed, Stream::Sending, self.turns, 0);
        for id in letters {
            let wait = dice.exponential(self.population.network.from_desk_seconds * SECOND);
            self.push_after(wait, Happening::Send(id, 0));
        }
    }

    /// Takes from a step what the world has to know: timers, and the code of a new question.
    fn note(&mut self, input: &Input, step: &desk::Step) {
        for question in &step.questions {
            let before = self.books.question(&question.code);
            let timers = question.timers.iter();
            let new: Vec<(Reason, Timestamp)> = timers
                .filter(|(reason, at)| before.and_then(|before| before.timers.get(reason)) != Some(at))
                .map(|(reason, at)| (*reason, *at))
                .collect();
            for (reason, at) in new {
                let happening = Happening::Timer(question.code.clone(), reason, at);
                self.push(at.as_millisecond(), happening);
            }
        }
        let Input::Post(post) = input else { return };
        if step.outcome != Outcome::Asked {
            return;
        }
        let asked = self.by_post.get(&post.id()).copied();
        let code = step.questions.iter().find(|question| question.place == post.place);
        if let Some((place, question)) = asked.zip(code) {
            self.by_code.insert(question.code.clone(), place);
        }
    }

    fn send(&mut self, id: &LetterId, tries: u8) {
        let Some(letter) = self.books.letter(id).and_then(|kept| kept.letter.as_deref()).cloned() else {
            return;
        };
        let mut dice = Dice::of(self.seed, Stream::Sending, hash(id), u64::from(tries) + 1);
        let network = &self.population.network;
        let hour = (self.now as f64 / HOUR) as u64;
        if Dice::of(self.seed, Stream::Sending, hour, u64::MAX).happens(network.outages) {
            self.push_after(HELD_UP + dice.share() * 10.0 * MINUTE, Happening::Send(id.clone(), tries));
            return;
        }
        let question = letter.about.as_ref().and_then(|code| self.books.question(code));
        let person = self.books.person(&letter.to.id);
        if let Some(why) = outbox::unwanted(&letter, question, person, &self.settings, self.time()) {
            self.decide(Input::Refused { letter: Box::new(letter), why });
            return;
        }
        let root = match self.root(&letter) {
            Ok(root) => root,
            Err(Chain::Waits) => {
                self.push_after(HELD_UP, Happening::Send(id.clone(), tries));
                return;
            }
            Err(Chain::Broken) => {
                self.decide(Input::Refused { letter: Box::new(letter), why: Refusal::ChainBroken });
                return;
            }
        };
        if dice.happens(network.refused) {
            self.decide(Input::Refused { letter: Box::new(letter), why: Refusal::Unreachable });
            return;
        }
        let is_lost = tries < TRIES_MAX && dice.happens(network.unsure);
        let arrives = !is_lost || dice.happens(0.5);
        if arrives {
            self.publish(&letter, root);
        }
        if is_lost {
            self.push_after(LOOK_AFTER, Happening::Look(id.clone(), tries));
        } else {
            self.confirm(letter);
        }
    }

    /// It is looked for a letter of which nobody heard: it is there, or it is sent again.
    fn look(&mut self, id: &LetterId, tries: u8) {
        let Some(kept) = self.books.letter(id) else { return };
        let Some(letter) = kept.letter.as_deref().cloned() else { return };
        if kept.place.is_some() {
            self.confirm(letter);
        } else {
            self.push_after(0.0, Happening::Send(id.clone(), tries + 1));
        }
    }

    fn confirm(&mut self, letter: Letter) {
        let Some(place) = self.books.letter(&letter.id).and_then(|kept| kept.place.clone()) else { return };
        self.decide(Input::Delivered { letter: Box::new(letter), place });
    }

    /// The post at which a letter's thread begins, if it replies to one.
    fn root(&self, letter: &Letter) -> Result<Option<Anchor>, Chain> {
        match &letter.content {
            Content::Delete { .. } | Content::Post { reply_to: None, .. } => Ok(None),
            Content::Post { reply_to: Some(ReplyTo::Post(place)), .. } => Ok(Some(place.root.clone())),
            Content::Post { reply_to: Some(ReplyTo::Letter(previous)), .. } => {
                match self.books.letter(previous) {
                    Some(kept) => match (&kept.place, &kept.letter) {
                        (Some(place), None) => Ok(Some(place.root.clone())),
                        (_, Some(_)) => Err(Chain::Waits),
                        (None, None) => Err(Chain::Broken),
                    },
                    None => Err(Chain::Broken),
                }
            }
        }
    }

    /// A letter appears on its network, where its addressee may see it.
    fn publish(&mut self, letter: &Letter, root: Option<Anchor>) {
        self.posts += 1;
        let anchor = match &letter.content {
            Content::Post { .. } => Anchor::new(format!("sent{}", self.posts)),
            Content::Delete { post } => Anchor::new(post.id.clone()),
        };
        let place =
            Place { network: letter.network, root: root.unwrap_or_else(|| anchor.clone()), post: anchor };
        self.books.put_place(&letter.id, place.clone());
        if let Some(watch) = &mut self.watch {
            let question = letter.about.as_ref().and_then(|code| self.books.question(code));
            watch.published(letter, question, self.now);
        }
        if matches!(letter.content, Content::Post { .. }) {
            self.shown(letter, &place);
        }
    }

    /// Whether a letter is the invitation itself, and not a later part of it.
    pub(crate) fn is_invitation(&self, letter: &Letter) -> bool {
        let question = letter.about.as_ref().and_then(|code| self.books.question(code));
        letter.purpose == Purpose::Invitation
            && question.is_some_and(|question| {
                question.invitations.iter().any(|invitation| invitation.letter == letter.id)
            })
    }
}

/// Why a part of a long letter cannot be sent now.
enum Chain {
    Waits,
    Broken,
}

/// A number for a letter, for its own stream of chance.
fn hash(id: &LetterId) -> u64 {
    id.as_str().bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
