//! A small world around the real desk: people, a clock that a test moves, networks that deliver at
//! once. What is said in it is written down as a transcript that reads like a conversation.
//!
//! **Invariant:** the desk in it is the real one, from the engine's handling of an input to the store;
//! only clock and networks are the test's. After every input the promises that hold at all times are
//! checked ([`World::check_promises`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use stumper::config::rules_dir;
use stumper::desk::letter::{Content, Delivery, Refusal, ReplyTo};
use stumper::desk::linking::OneTimeCode;
use stumper::desk::{
    Account, AccountId, Action, Anchor, Code, Confidential, Input, Letter, Network, Outcome, Place, Post,
    PostId, Purpose, Question, Settings, Visibility,
};
use stumper::desk::{outbox, weight};
use stumper::engine::{Engine, Handled};
use stumper::store::Store;
use stumper::subjects::{RuleFile, SCREENING_FOLDER, Subjects};

/// A Monday morning.
pub const START: &str = "2026-03-02T10:00:00Z";

/// Rules that are small enough to be read beside a story.
const RULES: &[(&str, &str)] = &[
    (
        "history.toml",
        r#"
        id = "history"
        name = "History"
        strong = ["ottoman", "empire", "medieval", "world war", "suffragette"]
        weak = ["king", "century"]
        [[terms]]
        language = "de"
        strong = ["kaiser", "mittelalter"]
        [[terms]]
        language = "es"
        strong = ["imperio", "edad media"]
        "#,
    ),
    (
        "genealogy.toml",
        r#"
        id = "genealogy"
        name = "Genealogy and local history"
        parent = "history"
        hashtags = ["familyhistory"]
        strong = ["genealogy", "parish register", "ancestor", "census"]
        "#,
    ),
    (
        "law.toml",
        r#"
        id = "law"
        name = "Law and patents"
        strong = ["patent", "copyright", "statute"]
        "#,
    ),
    (
        "music.toml",
        r#"
        id = "music"
        name = "Music"
        strong = ["symphony", "lyrics", "mozart"]
        "#,
    ),
];

/// A post by the desk that is on a network.
#[derive(Clone, Debug)]
pub struct Posted {
    /// How many posts the desk had made before this one.
    pub turn: usize,
    pub letter: Letter,
    pub text: String,
    pub visibility: Visibility,
    pub place: Place,
}

pub struct World {
    pub engine: Engine,
    pub now: Timestamp,
    /// Everything the desk has posted, in order; deleted posts are taken out.
    pub posted: Vec<Posted>,
    /// Codes in the order in which their questions were asked.
    pub codes: Vec<Code>,
    /// What happened since the transcript was last taken.
    heard: String,
    posts: u64,
    /// How many posts the desk has made, deleted ones included.
    made: usize,
    wishes: u64,
    /// How widely each text that people wrote was visible: whole sentences, and words that a test made
    /// unmistakable by beginning them with `§`.
    said: Vec<(String, Visibility)>,
    /// How widely each post by anybody can be seen, as its network has it.
    audiences: BTreeMap<PostId, Visibility>,
    /// Everybody who wrote to the desk, or said `join`.
    spoke: BTreeSet<AccountId>,
    /// Who wrote each post that is not the desk's, and who wrote to the desk privately.
    authors: BTreeMap<PostId, AccountId>,
    spoke_directly: BTreeSet<AccountId>,
    /// Everybody who opted in with their own words.
    joined: BTreeSet<AccountId>,
    /// Who said `stop`, and how many posts the desk had made by then.
    stopped: BTreeMap<AccountId, usize>,
    /// People to whom networks deliver nothing.
    pub unreachable: BTreeSet<String>,
    /// The one-time code that the desk gave out last.
    pub one_time: Option<String>,
    /// Who cannot be written to in private.
    pub closed: BTreeSet<String>,
    /// The language that people's clients declare.
    pub declared: Option<String>,
    /// Hold back letters instead of delivering them, as while a network is down.
    pub network_down: bool,
    runtime: tokio::runtime::Runtime,
}

impl World {
    pub fn new() -> World {
        World::with(Settings::default())
    }

    pub fn with(mut settings: Settings) -> World {
        let mut files: Vec<RuleFile> = RULES
            .iter()
            .map(|(name, text)| RuleFile { name: (*name).to_owned(), text: text.as_bytes().to_vec() })
            .collect();
        // What is no question is told by the rules as shipped.
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(SCREENING_FOLDER);
        files.extend(rules_dir::read(&shipped).unwrap());
        let (subjects, faults) = Subjects::compile(&files);
        assert_eq!(faults, [], "the rules of the stories are in order");
        for network in Network::ALL {
            settings.accounts.insert(network, account(network, "desk"));
        }
        World {
            engine: Engine::new(Store::memory(), subjects, settings),
            now: START.parse().unwrap(),
            posted: Vec::new(),
            codes: Vec::new(),
            heard: String::new(),
            posts: 0,
            made: 0,
            wishes: 0,
            said: Vec::new(),
            audiences: BTreeMap::new(),
            spoke: BTreeSet::new(),
            authors: BTreeMap::new(),
            spoke_directly: BTreeSet::new(),
            joined: BTreeSet::new(),
            stopped: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            one_time: None,
            closed: BTreeSet::new(),
            declared: None,
            network_down: false,
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        }
    }

    /// What happened since this was last called.
    pub fn heard(&mut self) -> String {
        std::mem::take(&mut self.heard)
    }

    /// Somebody writes. `reply_to` is the post they reply to.
    pub fn says(
        &mut self,
        who: &Account,
        text: &str,
        visibility: Visibility,
        reply_to: Option<&Place>,
    ) -> Place {
        let post = self.post(who, text, visibility, reply_to);
        let place = post.place.clone();
        self.input(Input::Post(Box::new(post)));
        place
    }

    /// Somebody writes to nobody in particular, with a hashtag to which the desk listens.
    pub fn wonders(&mut self, who: &Account, text: &str) {
        let post = Post { addressed: false, ..self.post(who, text, Visibility::Public, None) };
        let address = format!("https://{}.example/{}", who.id.network, post.place.post.id);
        self.input(Input::Overheard { post: Box::new(post), address });
    }

    /// Somebody edits the post that asked their latest question.
    pub fn edits(&mut self, who: &Account, text: &str) {
        let question = self.latest_question(who);
        let mut post = self.post(who, text, question.visibility, None);
        post.place = Place { post: Anchor::new(question.said[0].post.id.clone()), ..post.place };
        self.input(Input::Edited { post: Box::new(post), at: self.now });
    }

    /// Somebody deletes the post that asked their latest question.
    pub fn deletes(&mut self, who: &Account) {
        let post = self.latest_question(who).said[0].post.clone();
        self.input(Input::Gone { post });
    }

    pub fn has_asked(&self, who: &Account) -> bool {
        self.questions().iter().any(|question| question.patron.id == who.id)
    }

    fn latest_question(&self, who: &Account) -> Question {
        let theirs = self.questions().into_iter().filter(|question| question.patron.id == who.id);
        theirs.max_by_key(|question| question.asked_at).expect("they have asked something")
    }

    /// A post as a connector would hand it over, not yet given to the desk.
    pub fn post(
        &mut self,
        who: &Account,
        text: &str,
        visibility: Visibility,
        reply_to: Option<&Place>,
    ) -> Post {
        self.posts += 1;
        let anchor = Anchor::new(format!("p{}", self.posts));
        let place = Place {
            network: who.id.network,
            root: reply_to.map_or_else(|| anchor.clone(), |place| place.root.clone()),
            post: anchor,
        };
        self.audiences.insert(place.post_id(), visibility);
        self.authors.insert(place.post_id(), who.id.clone());
        let names: Vec<&str> = text.split_whitespace().filter_map(|word| word.strip_prefix('@')).collect();
        let text = text.replace("@desk", "").trim().to_owned();
        Post {
            place,
            author: who.clone(),
            addressed: names.contains(&"desk") || visibility == Visibility::Direct,
            mentions: names
                .iter()
                .filter(|name| **name != "desk")
                .map(|name| account(who.id.network, name))
                .collect(),
            text: Confidential::new(text),
            visibility,
            in_reply_to: reply_to.map(Place::post_id),
            language: self.declared.clone(),
            warning: None,
            seen_at: self.now,
        }
    }

    /// Lets an input take effect, delivers what follows from it, and writes it down.
    pub fn input(&mut self, input: Input) -> Outcome {
        let before = self.states();
        let now = self.now;
        let audience = match &input {
            Input::Post(post) | Input::Edited { post, .. } => Some(self.audience_of(post)),
            Input::Overheard { .. }
            | Input::Gone { .. }
            | Input::Timer { .. }
            | Input::Delivered { .. }
            | Input::Refused { .. }
            | Input::Coordinator { .. } => None,
        };
        let handled = self.runtime.block_on(self.engine.handle_at(input.clone(), now)).unwrap();
        let Handled::Done(outcome) = handled else {
            assert_eq!(handled, Handled::SeenBefore, "no input may make the core fail");
            return Outcome::Outdated;
        };
        if let (Input::Post(post) | Input::Edited { post, .. }, Some(audience)) = (&input, audience) {
            self.remember(post, audience);
        }
        self.deliver();
        self.write_states(&before);
        self.check_promises();
        outcome
    }

    /// The coordinator wants something.
    pub fn coordinator(&mut self, action: Action) -> Outcome {
        self.wishes += 1;
        self.input(Input::Coordinator { id: self.wishes.to_string(), action })
    }

    /// Time passes; timers fire when their time comes.
    pub fn wait(&mut self, length: SignedDuration) {
        let until = self.now.checked_add(length).unwrap();
        while let Some((at, _)) = self.engine.store().next_due().unwrap().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            let due = self.engine.store().due(self.now, 1).unwrap();
            let (code, reason, at) = due.into_iter().next().unwrap();
            let mark = self.heard.len();
            self.input(Input::Timer { code, reason, at });
            if mark < self.heard.len() {
                let time = self.now.to_zoned_datetime(TimeZone::UTC).strftime("%a %H:%M").to_string();
                self.heard.insert_str(mark, &format!("    [{time}]\n"));
            }
        }
        self.now = until;
        self.deliver();
    }

    /// The latest post by the desk to somebody, about a question where one is given.
    pub fn latest_to(&self, who: &AccountId, about: Option<&Code>) -> Option<&Posted> {
        let fits = |posted: &&Posted| {
            posted.letter.to.id == *who && (about.is_none() || posted.letter.about.as_ref() == about)
        };
        self.posted.iter().rev().find(fits)
    }

    pub fn questions(&self) -> Vec<Question> {
        self.engine.store().questions(None, 1000).unwrap()
    }

    /// Delivers everything that is due, as networks in good order do.
    pub fn deliver(&mut self) {
        if self.network_down {
            return;
        }
        for _ in 0..1000 {
            let store = self.engine.store();
            let mut due = Vec::new();
            for network in Network::ALL {
                due.extend(store.outbox(network, self.now, 100).unwrap());
            }
            if due.is_empty() {
                return;
            }
            for (letter, _) in due {
                self.deliver_one(letter);
            }
        }
        panic!("the desk never stops writing");
    }

    fn deliver_one(&mut self, letter: Letter) {
        let store = self.engine.store();
        let question = letter.about.as_ref().and_then(|code| store.question(code).unwrap());
        let person = store.person(&letter.to.id).unwrap();
        let (settings, now) = (self.engine.settings(), self.now);
        if let Some(why) = outbox::unwanted(&letter, question.as_ref(), person.as_ref(), &settings, now) {
            self.settle(Input::Refused { letter: Box::new(letter), why }, now);
            return;
        }
        if self.unreachable.contains(&letter.to.handle) {
            writeln!(self.heard, "    ✗ {} could not be reached", letter.to.handle).unwrap();
            self.settle(Input::Refused { letter: Box::new(letter), why: Refusal::Unreachable }, now);
            return;
        }
        let is_private =
            matches!(letter.content, Content::Post { visibility, .. } if visibility == Visibility::Direct);
        if is_private && self.closed.contains(&letter.to.handle) {
            writeln!(self.heard, "    ✗ {} could not be reached in private", letter.to.handle).unwrap();
            self.settle(Input::Refused { letter: Box::new(letter), why: Refusal::NotPrivate }, now);
            return;
        }
        let place = match &letter.content {
            Content::Delete { post } => {
                self.posted.retain(|posted| posted.place.post_id() != *post);
                writeln!(self.heard, "    ✗ deleted a post").unwrap();
                Place::top(letter.network, Anchor::new(post.id.clone()))
            }
            Content::Post { text, visibility, reply_to, .. } => {
                self.posts += 1;
                let parent = match reply_to {
                    Some(ReplyTo::Post(place)) => self.audiences.get(&place.post_id()).copied(),
                    Some(ReplyTo::Letter(_)) | None => None,
                };
                // Networks refuse this, so that the words would be lost as well.
                assert!(
                    parent.is_none_or(|parent| *visibility <= parent),
                    "promise 1: wider than what it replies to"
                );
                let anchor = Anchor::new(format!("p{}", self.posts));
                let root = match reply_to {
                    None => anchor.clone(),
                    Some(ReplyTo::Post(place)) => place.root.clone(),
                    Some(ReplyTo::Letter(id)) => match store.letter(id).unwrap() {
                        Some((_, Delivery::Sent { place, .. })) => place.root,
                        other => panic!("a letter in a chain comes before the one it follows: {other:?}"),
                    },
                };
                let place = Place { network: letter.network, post: anchor, root };
                let posted = Posted {
                    turn: self.made,
                    text: text.reveal().to_owned(),
                    visibility: *visibility,
                    place: place.clone(),
                    letter: letter.clone(),
                };
                self.audiences.insert(place.post_id(), *visibility);
                if posted.letter.purpose == Purpose::Stumper {
                    self.check_stumper(&posted);
                } else {
                    self.check_addressee(&posted);
                }
                self.check_rules_of_x(&posted, reply_to.as_ref());
                self.check_names(&posted);
                self.write_post(&posted, reply_to.is_none());
                self.posted.push(posted);
                self.made += 1;
                place
            }
        };
        self.settle(Input::Delivered { letter: Box::new(letter), place }, now);
    }

    fn settle(&mut self, input: Input, now: Timestamp) {
        self.runtime.block_on(self.engine.handle_at(input, now)).unwrap();
    }

    fn write_post(&mut self, posted: &Posted, is_new_thread: bool) {
        let to = &posted.letter.to;
        let name = format!("@{} ", to.handle);
        let text = posted.text.strip_prefix(&name).unwrap_or(&posted.text).replace('\n', "\n      ");
        let text = text.replace("\n      \n", "\n\n");
        let text = match text.split(' ').find(|word| OneTimeCode::parse(word).is_some()) {
            Some(code) => {
                self.one_time = Some(code.to_owned());
                text.replace(code, "{one-time code}")
            }
            None => text,
        };
        let network =
            if to.id.network == Network::Sandbox { String::new() } else { format!("@{}", to.id.network) };
        let how = match (posted.visibility, is_new_thread) {
            (Visibility::Direct, _) => " (direct)",
            (_, true) => " (new post)",
            (_, false) => "",
        };
        let name = if posted.letter.purpose == Purpose::Stumper { "everybody" } else { &to.handle };
        writeln!(self.heard, "    → {name}{network}{how}: {text}").unwrap();
    }

    fn states(&self) -> BTreeMap<Code, &'static str> {
        self.questions().into_iter().map(|question| (question.code, question.state.word())).collect()
    }

    fn write_states(&mut self, before: &BTreeMap<Code, &'static str>) {
        let after = self.states();
        for (code, state) in &after {
            match before.get(code) {
                None => {
                    self.codes.push(code.clone());
                    writeln!(self.heard, "    = {code} {state}").unwrap();
                }
                Some(old) if old != state => writeln!(self.heard, "    = {code} {old} ⇒ {state}").unwrap(),
                Some(_) => {}
            }
        }
        for code in before.keys().filter(|code| !after.contains_key(code)) {
            writeln!(self.heard, "    = {code} erased").unwrap();
        }
    }

    /// For whom a post is meant. A reply that is unlisted because the desk's post about a public question
    /// is unlisted there is meant for everybody; any other is for those who can see it.
    fn audience_of(&self, post: &Post) -> Visibility {
        let parent = self.posted.iter().find(|posted| Some(posted.place.post_id()) == post.in_reply_to);
        let named = self.codes.iter().find(|code| post.text.reveal().contains(code.as_str()));
        let is_message = post.author.id.network == Network::X && post.visibility == Visibility::Direct;
        let code = named.filter(|_| is_message).or(parent.and_then(|posted| posted.letter.about.as_ref()));
        let question = code.and_then(|code| self.engine.store().question(code).unwrap());
        // Librarians on X are asked in direct messages whatever the question is.
        if is_message {
            let author = &post.author.id;
            let was_asked = question.is_some_and(|question| {
                question.visibility == Visibility::Public
                    && question.patron.id != *author
                    && question.invitation(author).is_some()
            });
            return if was_asked { Visibility::Public } else { post.visibility };
        }
        let is_public = question.is_some_and(|question| question.visibility == Visibility::Public);
        if post.visibility == Visibility::Unlisted && is_public {
            Visibility::Public
        } else {
            post.visibility
        }
    }

    fn remember(&mut self, post: &Post, audience: Visibility) {
        let text = post.text.reveal().to_owned();
        self.spoke.insert(post.author.id.clone());
        if post.visibility == Visibility::Direct {
            self.spoke_directly.insert(post.author.id.clone());
        }
        if text.to_lowercase().starts_with("join") {
            self.joined.insert(post.author.id.clone());
        }
        self.stopped.remove(&post.author.id);
        let is_stop = text.trim_end_matches('.').eq_ignore_ascii_case("stop");
        if is_stop && (post.addressed || post.in_reply_to.is_some()) {
            self.stopped.insert(post.author.id.clone(), self.made);
        }
        let marks = text.split_whitespace().filter(|word| word.starts_with('§'));
        self.said.extend(marks.map(|mark| (format!("{mark} "), audience)));
        if text.split_whitespace().count() > 4 {
            self.said.push((outbox::defused(&text), audience));
        }
    }

    /// The promises that can be seen at any time, in everything the desk has posted and stored.
    pub fn check_promises(&self) {
        for posted in &self.posted {
            // Promise 1, never wider: no post carries words that were said to fewer people.
            for (words, visibility) in &self.said {
                let is_copy = posted.text.contains(words);
                assert!(
                    !is_copy || posted.visibility <= *visibility,
                    "promise 1: {words:?} became more visible"
                );
            }
        }
        // Promises 1, 2 and 7: what everybody can see is held by a consent that stands.
        for posted in self.posted.iter().filter(|posted| posted.letter.purpose == Purpose::Stumper) {
            let code = posted.letter.about.as_ref().unwrap();
            let question = self.engine.store().question(code).unwrap();
            let stands = question.is_some_and(|question| {
                question.publicity.holds(&posted.letter.id) && question.visibility == Visibility::Public
            });
            assert!(stands || self.network_down, "promise 7: {code} is still published");
        }
        // Promise 3, once: no letter is on the network twice.
        let letters: BTreeSet<_> = self.posted.iter().map(|posted| &posted.letter.id).collect();
        assert_eq!(letters.len(), self.posted.len(), "promise 3: a letter was posted twice");
        for question in self.questions() {
            // Promise 4, nothing is lost silently: an open question has an owner or a timer.
            assert!(
                question.is_looked_after(),
                "promise 4: {} is forgotten in {:?}",
                question.code,
                question.state
            );
            // Promise 7, confidential: the rules learn from nothing that was said to fewer than all.
            let is_private = |(words, visibility): &(String, Visibility)| {
                *visibility < Visibility::Public && question.text.reveal().contains(words)
            };
            assert!(
                question.teaches().is_none() || !self.said.iter().any(is_private),
                "promise 7: {} would be learnt from",
                question.code
            );
            // What is held back reaches nobody before the coordinator has seen it.
            assert!(
                !question.state.is_held() || question.invitations.is_empty() && question.posts.is_empty(),
                "{} is held back, and somebody heard of it",
                question.code
            );
            // Nobody is asked twice, and nobody is asked their own question.
            let asked = question.invitations.iter().map(|invitation| &invitation.librarian.id);
            let known: Vec<&AccountId> = asked.filter(|asked| !asked.id.is_empty()).collect();
            let once: BTreeSet<&AccountId> = known.iter().copied().collect();
            assert_eq!(known.len(), once.len(), "{}: somebody was asked twice", question.code);
            assert!(!once.contains(&question.patron.id), "{}: its patron was asked", question.code);
            // Promise 5, one owner: nobody else still believes that it is theirs to take.
            if let Some(owner) = question.owner() {
                let others =
                    question.invitations.iter().filter(|invitation| invitation.librarian.id != *owner);
                for other in others {
                    assert!(
                        !matches!(
                            other.fate,
                            stumper::desk::question::Fate::Waiting | stumper::desk::question::Fate::Claimed
                        ) || other.why == stumper::desk::question::Why::Assigned,
                        "promise 5: {} has an owner and another {:?} invitation",
                        question.code,
                        other.fate
                    );
                }
            }
        }
    }

    /// Promise 2, opt-in only: whoever the desk wrote to had written to it first, whoever was asked had
    /// said `join` themselves, from this account or one that they linked with it, and nobody else is called.
    fn check_addressee(&self, posted: &Posted) {
        let to = &posted.letter.to;
        assert!(self.spoke.contains(&to.id), "promise 2: {} never wrote", to.handle);
        let is_invitation = posted.letter.purpose == Purpose::Invitation;
        let accounts =
            self.engine.store().person(&to.id).unwrap().map(|person| person.linked).unwrap_or_default();
        let has_joined = self.joined.contains(&to.id) || accounts.iter().any(|one| self.joined.contains(one));
        assert!(!is_invitation || has_joined, "promise 2: {} never joined", to.handle);
        let Content::Post { mentions, .. } = &posted.letter.content else { return };
        assert!(mentions.iter().all(|mention| mention.account == *to), "promise 2: somebody else is called");
        let begins = |at: usize| posted.text.get(at + 1..).is_some_and(|rest| !rest.starts_with('\u{200b}'));
        let called: Vec<usize> =
            posted.text.match_indices('@').map(|(at, _)| at).filter(|at| begins(*at)).collect();
        let own: Vec<usize> = mentions.iter().map(|mention| mention.start).collect();
        assert_eq!(called, own, "promise 2: an @ was not made harmless");
    }

    /// What is published was public, its patron agreed, and it names and calls nobody.
    fn check_stumper(&self, posted: &Posted) {
        let code = posted.letter.about.as_ref().unwrap();
        let question = self.engine.store().question(code).unwrap().unwrap();
        assert_eq!(question.visibility, Visibility::Public, "promise 1: a private question was published");
        let agreed = question.publicity.holds(&posted.letter.id);
        assert!(agreed, "promise 2: {code} was published without its patron's consent");
        let Content::Post { mentions, .. } = &posted.letter.content else { return };
        assert_eq!(mentions, &[], "promise 2: a published question calls somebody");
        let harmless = |at: usize| posted.text.get(at + 1..).is_some_and(|rest| rest.starts_with('\u{200b}'));
        let called = posted.text.match_indices('@').any(|(at, _)| !harmless(at));
        assert!(!called, "promise 2: an @ was not made harmless");
        let mut words = posted.text.split(|sign: char| !sign.is_alphanumeric());
        assert!(
            !words.any(|word| word.eq_ignore_ascii_case(&question.patron.handle)),
            "promise 7: {code} was published with its patron's name"
        );
    }

    /// What X lets the desk say: one reply to each post that calls it, and messages to whoever wrote one.
    fn check_rules_of_x(&self, posted: &Posted, reply_to: Option<&ReplyTo>) {
        let (letter, to) = (&posted.letter, &posted.letter.to);
        if letter.network != Network::X {
            return;
        }
        if posted.visibility == Visibility::Direct {
            assert!(self.spoke_directly.contains(&to.id), "X: {} wrote no message first", to.handle);
            return;
        }
        let Some(ReplyTo::Post(parent)) = reply_to else { panic!("X: a post that is no reply") };
        assert_eq!(self.authors.get(&parent.post_id()), Some(&to.id), "X: a reply to somebody else");
        let is_reply_to_same = |other: &&Posted| match &other.letter.content {
            Content::Post { reply_to: Some(ReplyTo::Post(other)), .. } => other.post == parent.post,
            Content::Post { .. } | Content::Delete { .. } => false,
        };
        let network = |other: &&Posted| other.letter.network == Network::X;
        let others = self.posted.iter().filter(network).filter(is_reply_to_same).count();
        assert_eq!(others, 0, "X: a second reply to one post");
        let is_courtesy =
            matches!(letter.purpose, Purpose::Acknowledgement | Purpose::Notice | Purpose::Invitation);
        assert!(!is_courtesy, "X: {:?} in public", letter.purpose);
        assert!(weight::weigh(&posted.text, &weight::X) <= 280, "X: too long");
    }

    /// What the desk says to a patron in its own words names nobody: who was asked is their own business
    /// until they answer.
    fn check_names(&self, posted: &Posted) {
        let is_own_words =
            matches!(posted.letter.purpose, Purpose::Acknowledgement | Purpose::Notice | Purpose::Ending);
        let code = posted.letter.about.as_ref().filter(|_| is_own_words);
        let Some(question) = code.and_then(|code| self.engine.store().question(code).unwrap()) else {
            return;
        };
        if question.patron.id != posted.letter.to.id {
            return;
        }
        let words =
            posted.text.split(|sign: char| !sign.is_alphanumeric()).filter(|word| !word.is_empty()).skip(1);
        let named = |word: &str| question.invitations.iter().any(|asked| asked.librarian.handle == word);
        assert!(
            !words.map(str::to_lowercase).any(|word| named(&word)),
            "{} learns who was asked",
            posted.letter.to.handle
        );
    }

    /// How many posts the desk has made to people after they said `stop`, the farewell not counted.
    pub fn posted_to_stopped(&self) -> usize {
        let after_stop = |posted: &&Posted| {
            self.stopped.get(&posted.letter.to.id).is_some_and(|before| *before <= posted.turn)
        };
        self.posted
            .iter()
            .filter(after_stop)
            .filter(|posted| posted.letter.purpose != Purpose::Farewell)
            .count()
    }
}

/// An account by its handle; handles that end in `.bot` say that they are automated.
pub fn account(network: Network, handle: &str) -> Account {
    let bot = handle.ends_with(".bot");
    Account { id: AccountId::new(network, handle), handle: handle.to_owned(), bot }
}

/// The post of this id, for links by hand.
pub fn post_id(network: Network, id: &str) -> PostId {
    PostId::new(network, id)
}
