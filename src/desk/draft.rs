//! A step in the making: working copies of everything the view holds, and the letters to be sent.
//!
//! The other files of the desk say what happens; this one keeps the books, so that whatever they
//! change ends up in the step, and nothing else does.
//!
//! **Invariant:** a letter about a question is never more visible than the question, than the words
//! it carries, or than the conversation it continues ([`Draft::write`] is the only way to make one),
//! and never goes to somebody who said `stop`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::desk::ids::{Code, LetterId};
use crate::desk::input::Input;
use crate::desk::letter::{Content, Letter, Purpose, ReplyTo};
use crate::desk::manners::{Occasion, Way};
use crate::desk::outbox::{self, Mentioned};
use crate::desk::outlets;
use crate::desk::person::Person;
use crate::desk::post::{Account, AccountId, Network, Place, Post, PostId, Visibility};
use crate::desk::question::{Entry, Event, Question, Reason};
use crate::desk::step::{Link, Outcome, Step, View};

/// The time over which replies are counted for the caps on loops.
const CAP_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Help that nobody asked for is given at most once in this time.
const HELP_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A step in the making.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) now: Timestamp,
    /// Who wrote the post that is decided about; `None` for any other input.
    author: Option<AccountId>,
    /// How visible that post is.
    heard_as: Option<Visibility>,
    step: Step,
    people: BTreeMap<AccountId, Person>,
    questions: BTreeMap<Code, Question>,
}

/// A letter before it has an id, parts and a place in the outbox.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) to: &'a Account,
    pub(crate) about: Option<&'a Code>,
    /// The narrowest of everything the letter comes from; what the network makes of it follows.
    pub(crate) original: Visibility,
    pub(crate) place: Option<&'a Place>,
    /// Whose words `body` carries, where they are not the desk's own.
    pub(crate) words_of: Option<&'a AccountId>,
    pub(crate) body: String,
}

/// What became of an attempt to write to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Written {
    /// It is in the outbox; this is the first letter.
    Yes(LetterId),
    /// Their network has nothing as private as it must be. Nothing was written.
    NotPrivately,
    /// They said `stop`. Nothing was written.
    Unwanted,
    /// Their network's rules do not let the desk say this there. Nothing was written.
    AgainstTheRules,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(view: &'a View<'a>, input: &Input, now: Timestamp) -> Draft<'a> {
        let (author, heard_as) = match input {
            Input::Post(post) => (Some(post.author.id.clone()), Some(post.visibility)),
            Input::Overheard { .. }
            | Input::Edited { .. }
            | Input::Gone { .. }
            | Input::Timer { .. }
            | Input::Delivered { .. }
            | Input::Refused { .. }
            | Input::Coordinator { .. } => (None, None),
        };
        let questions =
            view.questions.iter().map(|question| (question.code.clone(), question.clone())).collect();
        let step = Step::nothing(input.id(), now, Outcome::Outdated);
        Draft { view, now, author, heard_as, step, people: BTreeMap::new(), questions }
    }

    /// The step: what differs from the view, and what was added.
    pub(crate) fn finish(mut self, outcome: Outcome) -> Step {
        let erased = &self.step.erase;
        let before = |code: &Code| self.view.questions.iter().find(|question| question.code == *code);
        let changed = |question: &Question| {
            before(&question.code) != Some(question) && !erased.contains(&question.code)
        };
        self.step.questions = self.questions.into_values().filter(changed).collect();
        let known = |account: &AccountId| known_person(self.view, account);
        let forgotten = &self.step.forget;
        let changed = |person: &Person| {
            known(&person.account.id) != Some(person) && !forgotten.contains(&person.account.id)
        };
        self.step.people = self.people.into_values().filter(changed).collect();
        self.step.outcome = outcome;
        self.step
    }

    /// A question as it stands in this step.
    pub(crate) fn question(&self, code: &Code) -> Option<&Question> {
        self.questions.get(code)
    }

    /// All questions of the view, as they stand in this step.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.values()
    }

    pub(crate) fn question_mut(&mut self, code: &Code) -> Option<&mut Question> {
        self.questions.get_mut(code)
    }

    pub(crate) fn add_question(&mut self, question: Question) {
        self.questions.insert(question.code.clone(), question);
    }

    /// Moves a question's state. `false`, and no change, where the event is not possible.
    pub(crate) fn apply(&mut self, code: &Code, event: Event) -> bool {
        let Some(question) = self.questions.get_mut(code) else { return false };
        let Some(state) = question.state.after(event) else { return false };
        question.state = state;
        true
    }

    /// Sets a timer, or moves it.
    pub(crate) fn set_timer(&mut self, code: &Code, reason: Reason, after: SignedDuration) {
        let at = self.now.checked_add(after).unwrap_or(Timestamp::MAX);
        if let Some(question) = self.questions.get_mut(code) {
            question.timers.insert(reason, at);
        }
    }

    pub(crate) fn clear_timers(&mut self, code: &Code) {
        if let Some(question) = self.questions.get_mut(code) {
            question.timers.clear();
        }
    }

    /// How visible a post is that is decided about, whatever audience it is meant for.
    pub(crate) fn heard_as(&self, post: &Post) -> Visibility {
        self.heard_as.map_or(post.visibility, |heard_as| heard_as.min(post.visibility))
    }

    /// Somebody as they stand in this step: the author of the input, or a librarian.
    pub(crate) fn person(&self, account: &AccountId) -> Option<&Person> {
        self.people.get(account).or_else(|| known_person(self.view, account))
    }

    /// The same, to be changed. Somebody unknown is made known; that is right only for the author of
    /// the input and for librarians, because nobody else is in the view.
    pub(crate) fn person_mut(&mut self, account: &Account) -> &mut Person {
        let view = self.view;
        self.people.entry(account.id.clone()).or_insert_with(|| {
            known_person(view, &account.id).cloned().unwrap_or_else(|| Person::new(account.clone()))
        })
    }

    /// People this step changes, for decisions that depend on its own changes.
    pub(crate) fn changed_people(&self) -> &BTreeMap<AccountId, Person> {
        &self.people
    }

    /// Takes a question off a librarian's list.
    pub(crate) fn relieve(&mut self, librarian: &Account, code: &Code) {
        if self.person(&librarian.id).is_none() {
            return;
        }
        if let Some(found) = self.person_mut(librarian).librarian.as_mut() {
            found.open.remove(code);
        }
    }

    /// Adds a line to a question's history.
    pub(crate) fn note(&mut self, code: &Code, what: impl Into<String>) {
        let entry =
            Entry { code: code.clone(), at: self.now, input: self.step.input.clone(), what: what.into() };
        self.step.journal.push(entry);
    }

    pub(crate) fn link(&mut self, post: PostId, code: Option<Code>, with: AccountId) {
        self.step.links.push((post, Link { code, with }));
    }

    pub(crate) fn settle(&mut self, letter: &Letter, delivery: crate::desk::letter::Delivery) {
        self.step.settled.push((letter.id.clone(), delivery));
    }

    /// Erases a question. What this step says to others about it is still said, but belongs to no
    /// question any more.
    pub(crate) fn erase(&mut self, code: &Code) {
        self.step.erase.push(code.clone());
        for letter in self.step.letters.iter_mut().filter(|letter| letter.about.as_ref() == Some(code)) {
            letter.about = None;
        }
        self.step.journal.retain(|entry| entry.code != *code);
    }

    pub(crate) fn forget(&mut self, account: &AccountId) {
        self.step.forget.push(account.clone());
        self.step.links.retain(|(_, link)| link.with != *account);
    }

    /// Replies to a post, outside any question.
    pub(crate) fn reply(&mut self, post: &Post, purpose: Purpose, body: String) {
        self.reply_about(post, None, purpose, body);
    }

    /// Replies to a post by which somebody spoke of a question, so that what they reply to that is about
    /// the question as well.
    pub(crate) fn reply_about(&mut self, post: &Post, about: Option<&Code>, purpose: Purpose, body: String) {
        // A message is answered by a message, even where what it says is meant for everybody.
        let is_flat = post.author.id.network.has_flat_messages();
        let original = if is_flat { self.heard_as(post) } else { post.visibility };
        let words = Words {
            purpose,
            to: &post.author,
            about,
            original,
            place: Some(&post.place),
            words_of: None,
            body,
        };
        // Where nothing private can be written, a private post was declined before it came to this.
        let _ = self.write(words);
    }

    /// Writes to the patron of a question, in their own thread. `source` is the visibility of the post
    /// whose words the letter carries.
    pub(crate) fn tell_patron(
        &mut self,
        code: &Code,
        purpose: Purpose,
        source: Option<(&AccountId, Visibility)>,
        body: String,
    ) -> Written {
        let Some(question) = self.questions.get(code).cloned() else { return Written::Unwanted };
        let narrowest = source.map_or(question.visibility, |(_, source)| source.min(question.visibility));
        self.write(Words {
            purpose,
            to: &question.patron,
            about: Some(code),
            original: narrowest,
            place: Some(&question.place),
            words_of: source.map(|(account, _)| account),
            body,
        })
    }

    /// Writes to a librarian who was invited to a question, where they last spoke about it.
    pub(crate) fn tell_librarian(
        &mut self,
        code: &Code,
        librarian: &AccountId,
        purpose: Purpose,
        source: Option<(&AccountId, Visibility)>,
        body: String,
    ) -> Written {
        let Some(question) = self.questions.get(code) else { return Written::Unwanted };
        let Some(invitation) = question.invitation(librarian).cloned() else { return Written::Unwanted };
        let conversation = question.visibility.min(invitation.visibility);
        let narrowest = source.map_or(conversation, |(_, source)| source.min(conversation));
        self.write(Words {
            purpose,
            to: &invitation.librarian,
            about: Some(code),
            original: narrowest,
            place: invitation.place.as_ref(),
            words_of: source.map(|(account, _)| account),
            body,
        })
    }

    /// Puts a letter into the outbox, in as many parts as its network needs.
    pub(crate) fn write(&mut self, words: Words<'_>) -> Written {
        let network = words.to.id.network;
        let is_stopped = self.person(&words.to.id).is_some_and(|person| person.stopped);
        if is_stopped && words.purpose != Purpose::Farewell || words.to.is_nobody() {
            return Written::Unwanted;
        }
        let place = words.place.filter(|place| place.network == network).cloned();
        let visibility = match network.allows(&self.occasion(&words, place.as_ref())) {
            Way::As(visibility) => visibility,
            Way::NotPrivately => return Written::NotPrivately,
            Way::AgainstTheRules => return Written::AgainstTheRules,
        };
        self.note_reply(words.about, place.as_ref());
        let mut reply_to = place.map(ReplyTo::Post);
        let language = Some(self.view.settings.language.clone());
        let warning = words.about.and_then(|code| self.questions.get(code)?.warning.clone());
        let limits = self.view.settings.limits_on(network, visibility);
        let (warning, limits) = outbox::under_warning(warning, limits);
        let (warning, body) = match warning {
            Some(warning) if network.has_warnings() => (Some(warning), words.body),
            Some(warning) if words.words_of.is_some() => {
                (None, crate::desk::wording::warned(warning.reveal(), &words.body))
            }
            Some(_) | None => (None, words.body),
        };
        let mut first = None;
        for part in outbox::posts(words.to, &body, visibility, limits) {
            let id = self.next_letter_id();
            self.step.letters.push(Letter {
                id: id.clone(),
                network,
                about: words.about.cloned(),
                purpose: words.purpose,
                to: words.to.clone(),
                words_of: words.words_of.cloned(),
                content: Content::Post {
                    text: crate::desk::post::Confidential::new(part.text),
                    mentions: part.mentions,
                    visibility,
                    reply_to: reply_to.replace(ReplyTo::Letter(id.clone())),
                    language: language.clone(),
                    warning: warning.clone(),
                },
                made_at: self.now,
            });
            first.get_or_insert(id);
        }
        self.count_letter(words.to, words.about);
        first.map_or(Written::Unwanted, Written::Yes)
    }

    /// Puts a question before everybody on a network, as a post of its own that mentions nobody, and
    /// answers with its letters. None where the question is not public.
    pub(crate) fn publish(&mut self, code: &Code, network: Network, body: &str) -> Vec<LetterId> {
        let public = |question: &&Question| question.visibility == Visibility::Public;
        let Some(question) = self.questions.get(code).filter(public).cloned() else { return Vec::new() };
        let language = question.language.unwrap_or_else(|| self.view.settings.language.clone());
        let limits = self.view.settings.limits_on(network, Visibility::Public);
        let (warning, limits) = outbox::under_warning(question.warning, limits);
        let warning = warning.filter(|_| network.has_warnings());
        let mut letters: Vec<LetterId> = Vec::new();
        for part in outbox::parts(&outlets::everybody(network), body, limits, Mentioned::Nowhere) {
            let id = self.next_letter_id();
            self.step.letters.push(Letter {
                id: id.clone(),
                network,
                about: Some(code.clone()),
                purpose: Purpose::Stumper,
                to: outlets::everybody(network),
                words_of: Some(question.patron.id.clone()),
                content: Content::Post {
                    text: crate::desk::post::Confidential::new(part.text),
                    mentions: part.mentions,
                    visibility: Visibility::Public,
                    reply_to: letters.last().cloned().map(ReplyTo::Letter),
                    language: Some(language.clone()),
                    warning: warning.clone(),
                },
                made_at: self.now,
            });
            letters.push(id);
        }
        self.count_letter(&outlets::everybody(network), Some(code));
        letters
    }

    /// What a network's rules look at.
    fn occasion(&self, words: &Words<'_>, place: Option<&Place>) -> Occasion {
        let question = words.about.and_then(|code| self.questions.get(code));
        let is_replied_to = place.is_some_and(|place| {
            let in_this_step = self.step.letters.iter().any(|letter| match &letter.content {
                Content::Post { reply_to: Some(ReplyTo::Post(other)), .. } => other.post == place.post,
                Content::Post { .. } | Content::Delete { .. } => false,
            });
            let post = place.post_id();
            in_this_step || self.questions().any(|found| found.replied_to.as_ref() == Some(&post))
        });
        let to_patron = question.is_some_and(|question| question.patron.id == words.to.id);
        // A patron who said anything about it in a direct message need not be in the view.
        let asked_directly =
            to_patron && question.is_some_and(|found| found.visibility == Visibility::Direct);
        let wrote_directly = self.person(&words.to.id).is_some_and(|person| person.wrote_directly);
        Occasion {
            purpose: words.purpose,
            original: words.original,
            to_patron,
            is_called_for: place.is_some() && !is_replied_to,
            wrote_directly: wrote_directly || asked_directly,
        }
    }

    /// Whether a letter of this step goes out as a direct message.
    pub(crate) fn is_direct(&self, letter: &LetterId) -> bool {
        let found = self.step.letters.iter().find(|written| written.id == *letter);
        found.is_some_and(|written| match written.content {
            Content::Post { visibility, .. } => visibility == Visibility::Direct,
            Content::Delete { .. } => false,
        })
    }

    /// Remembers which post of the patron's has its reply.
    fn note_reply(&mut self, about: Option<&Code>, place: Option<&Place>) {
        let Some(place) = place.filter(|place| place.network.wants_the_first_word()) else { return };
        if let Some(question) = about.and_then(|code| self.questions.get_mut(code))
            && question.place.post == place.post
        {
            question.replied_to = Some(place.post_id());
        }
    }

    /// Has one of the desk's posts deleted.
    pub(crate) fn delete_post(&mut self, post: &PostId, to: &Account) {
        let id = self.next_letter_id();
        self.step.letters.push(Letter {
            id,
            network: post.network,
            about: None,
            purpose: Purpose::Deletion,
            to: to.clone(),
            words_of: None,
            content: Content::Delete { post: post.clone() },
            made_at: self.now,
        });
    }

    /// Whether the caps on loops still let the desk react to this author, about this question.
    pub(crate) fn room(&mut self, author: &Account, code: Option<&Code>) -> Room {
        let settings = self.view.settings;
        let since = self.now.checked_sub(CAP_WINDOW).unwrap_or(Timestamp::MIN);
        let count = |times: &[Timestamp]| times.iter().filter(|at| since < **at).count();
        let replies = self.person(&author.id).map_or(0, |person| count(&person.recent_replies));
        let letters = code
            .and_then(|code| self.questions.get(code))
            .map_or(0, |question| count(&question.recent_letters));
        let left = settings
            .replies_per_person_hour
            .saturating_sub(replies)
            .min(settings.letters_per_question_hour.saturating_sub(letters));
        match left {
            0 => Room::None,
            // One input makes few letters, so the last word is said a little early.
            1..=2 => Room::LastWord(self.now.checked_add(CAP_WINDOW).unwrap_or(Timestamp::MAX)),
            3.. => Room::Plenty,
        }
    }

    /// Whether this person may be given help that they did not ask for, which then counts as given.
    pub(crate) fn may_help(&mut self, account: &Account) -> bool {
        let now = self.now;
        let person = self.person_mut(account);
        let is_due = person.helped_at.is_none_or(|at| HELP_AGAIN_AFTER <= now.duration_since(at));
        if is_due {
            person.helped_at = Some(now);
        }
        is_due
    }

    /// Uses up the room that is left, after the last word was said.
    pub(crate) fn use_up_room(&mut self, author: &Account, code: Option<&Code>) {
        let (now, settings) = (self.now, self.view.settings);
        let person = self.person_mut(author);
        person.recent_replies.resize(settings.replies_per_person_hour.max(person.recent_replies.len()), now);
        if let Some(question) = code.and_then(|code| self.questions.get_mut(code)) {
            let count = settings.letters_per_question_hour.max(question.recent_letters.len());
            question.recent_letters.resize(count, now);
        }
    }

    /// Counts a letter for the caps, on its question and, where the input is by its addressee, on them.
    fn count_letter(&mut self, to: &Account, about: Option<&Code>) {
        let now = self.now;
        let since = now.checked_sub(CAP_WINDOW).unwrap_or(Timestamp::MIN);
        if let Some(question) = about.and_then(|code| self.questions.get_mut(code)) {
            question.recent_letters.retain(|at| since < *at);
            question.recent_letters.push(now);
        }
        let is_author = self.author.as_ref() == Some(&to.id);
        if is_author {
            let person = self.person_mut(to);
            person.recent_replies.retain(|at| since < *at);
            person.recent_replies.push(now);
        }
    }

    fn next_letter_id(&self) -> LetterId {
        LetterId::derive(&self.step.input, self.step.letters.len())
    }
}

/// How much the caps on loops still allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Plenty,
    /// Say that no more will be said before this time.
    LastWord(Timestamp),
    None,
}

fn known_person<'a>(view: &'a View<'_>, account: &AccountId) -> Option<&'a Person> {
    let own = view.person.iter().chain(&view.others).find(|person| person.account.id == *account);
    own.or_else(|| view.roster.get(account))
}
