//! The promises of the desk, looked at after every step of a simulated world.
//!
//! The watch knows what people said and opted in to by itself, from what happened in the world, and not from
//! what the desk remembers of it.
//!
//! **Invariant:** watching changes nothing. What is wrong is written down with the time, and the world goes on.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::desk::allowance::Per;
use crate::desk::letter::{Content, Purpose};
use crate::desk::question::{Fate, Reason, Why};
use crate::desk::{
    AccountId, Code, Input, Letter, LetterId, Outcome, Person, Post, PostId, Question, State, Step, View,
    Visibility,
};
use crate::simulate::books::Books;
use crate::simulate::people::{HOUR, Millis, People};

/// Of more than so many the rest is only counted.
const WRITTEN_DOWN_MAX: usize = 20;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub at: Timestamp,
    /// Which promise, in a few words.
    pub promise: &'static str,
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.at, self.promise, self.what)
    }
}

/// What the watch has seen.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) broken: Vec<Broken>,
    pub(crate) broken_count: u64,
    pub(crate) steps: u64,
    spoke: HashSet<AccountId>,
    opted_in: HashSet<AccountId>,
    stopped: HashSet<AccountId>,
    /// Marks of what was said, who said it, and for whom it was meant.
    marks: HashMap<String, (AccountId, Visibility)>,
    /// The marks of each post, as it is now.
    posts: HashMap<PostId, Vec<String>>,
    /// Marks of what was deleted, or said by somebody who is forgotten.
    gone: HashSet<String>,
    /// Marks of what says something else now.
    replaced: HashSet<String>,
    forgotten: HashSet<AccountId>,
    published: HashSet<LetterId>,
    /// When the desk wrote to people because of what they themselves wrote.
    replies: HashMap<AccountId, VecDeque<Millis>>,
    /// How many invitations each librarian got on a day by their own clock.
    daily: HashMap<(AccountId, Date), u32>,
    now: Timestamp,
}

impl Watch {
    pub(crate) fn new(people: &People) -> Watch {
        Watch {
            broken: Vec::new(),
            broken_count: 0,
            steps: 0,
            spoke: HashSet::new(),
            opted_in: people.librarians.iter().map(|librarian| librarian.account.id.clone()).collect(),
            stopped: HashSet::new(),
            marks: HashMap::new(),
            posts: HashMap::new(),
            gone: HashSet::new(),
            replaced: HashSet::new(),
            forgotten: HashSet::new(),
            published: HashSet::new(),
            replies: HashMap::new(),
            daily: HashMap::new(),
            now: Timestamp::MIN,
        }
    }

    fn must(&mut self, holds: bool, promise: &'static str, what: impl FnOnce() -> String) {
        if holds {
            return;
        }
        self.broken_count += 1;
        if self.broken.len() < WRITTEN_DOWN_MAX {
            self.broken.push(Broken { at: self.now, promise, what: what() });
        }
    }

    /// Somebody wrote to the desk, or edited what they had written.
    pub(crate) fn said(&mut self, post: &Post) {
        self.spoke.insert(post.author.id.clone());
        for mark in marks(post.text.reveal()) {
            self.marks.insert(mark.to_owned(), (post.author.id.clone(), post.visibility));
        }
    }

    /// The desk has read a post, or heard of an edit or a deletion: from now on it must not write to whoever
    /// said `stop`, nor repeat what nobody says any more.
    fn heard(&mut self, input: &Input) {
        let post = match input {
            Input::Post(post) => post,
            Input::Edited { post, .. } => {
                let now = marks(post.text.reveal()).map(str::to_owned).collect();
                self.replaced.extend(self.posts.insert(post.id(), now).into_iter().flatten());
                return;
            }
            Input::Gone { post } => {
                self.gone.extend(self.posts.remove(post).into_iter().flatten());
                return;
            }
            Input::Overheard { .. }
            | Input::Timer { .. }
            | Input::Delivered { .. }
            | Input::Refused { .. }
            | Input::Coordinator { .. } => return,
        };
        let author = &post.author.id;
        // What comes in after `forget me`, though written before, is said anew as far as anybody can tell.
        self.spoke.insert(author.clone());
        let said: Vec<String> = marks(post.text.reveal()).map(str::to_owned).collect();
        self.gone.retain(|mark| !said.contains(mark));
        self.posts.insert(post.id(), said);
        match post.text.reveal() {
            "stop" => {
                self.stopped.insert(author.clone());
                self.opted_in.remove(author);
            }
            "forget me" => {
                self.forgotten.insert(author.clone());
                self.spoke.remove(author);
                self.opted_in.remove(author);
                self.stopped.remove(author);
                // Nobody remembers how much they were written.
                self.replies.remove(author);
                let theirs = self.marks.iter().filter(|(_, (said_by, _))| said_by == author);
                self.gone.extend(theirs.map(|(mark, _)| mark.clone()));
            }
            text => {
                self.stopped.remove(author);
                if text == "leave" {
                    self.opted_in.remove(author);
                }
            }
        }
    }

    /// A letter appeared on its network.
    pub(crate) fn published(&mut self, letter: &Letter, question: Option<&Question>, now: Millis) {
        self.now = Timestamp::from_millisecond(now).unwrap_or(Timestamp::MAX);
        let is_new = self.published.insert(letter.id.clone());
        self.must(is_new, "once", || format!("a letter ({}) was posted twice", letter.purpose.word()));
        let is_last_word = letter.purpose == Purpose::Farewell || letter.purpose == Purpose::Deletion;
        let is_welcome = is_last_word || !self.stopped.contains(&letter.to.id);
        self.must(is_welcome, "opt-in only", || {
            format!("a letter ({}) was sent to somebody who said `stop`", letter.purpose.word())
        });
        if let Content::Post { text, .. } = &letter.content {
            let gone = marks(text.reveal()).find(|mark| self.gone.contains(*mark)).map(str::to_owned);
            self.must(gone.is_none(), "confidential", || {
                format!("{gone:?} was posted ({}) after it was deleted", letter.purpose.word())
            });
        }
        let is_open = question.is_some_and(|question| question.state == State::Seeking);
        let is_invitation = letter.purpose == Purpose::Invitation;
        self.must(!is_invitation || is_open, "one owner", || {
            "an invitation to a taken question was sent".to_owned()
        });
    }

    /// One step, before it is applied to the books.
    pub(crate) fn check(&mut self, view: &View<'_>, input: &Input, step: &Step, people: &People) {
        self.steps += 1;
        self.now = step.at;
        self.heard(input);
        for question in &step.questions {
            let before = view.questions.iter().find(|before| before.code == question.code);
            self.looked_after(question);
            self.one_owner(question);
            self.ends_are_told(before, question, input, step);
            self.taken_back(before, question, view);
            self.invited(before, question, view, step, people);
            self.explained(before, question, step);
        }
        for person in &step.people {
            self.limits(person);
        }
        for letter in &step.letters {
            self.letter(letter, view, step);
        }
        self.loops(view, input, step);
        self.nothing_is_shown_to_logs(input, step);
        for code in &step.erase {
            let before = view.questions.iter().find(|before| before.code == *code);
            let is_over = before.is_none_or(|before| {
                let is_forgotten = step.forget.contains(&before.patron.id);
                is_forgotten || before.state.is_final() || before.state.is_held()
            });
            self.must(is_over, "nothing is lost silently", || format!("{code} was erased while it was open"));
        }
    }

    /// Every open question has the timer that its state needs.
    fn looked_after(&mut self, question: &Question) {
        let reasons: &[Reason] = match question.state {
            State::Seeking => &[Reason::AskNext, Reason::GiveUp],
            State::Claimed { .. } => &[Reason::RemindOwner, Reason::ReleaseClaim],
            State::Interview { .. } => &[Reason::InterviewOver],
            State::Answered { .. } => &[Reason::CloseQuiet],
            State::Closed | State::Unanswered | State::Withdrawn | State::Held { .. } => &[Reason::Erase],
        };
        let has_one = reasons.iter().any(|reason| question.timers.contains_key(reason));
        self.must(has_one, "nothing is lost silently", || {
            format!("{} is {} and has none of the timers {reasons:?}", question.code, question.state.word())
        });
        let is_given_up_on =
            question.state == State::Seeking && !question.timers.contains_key(&Reason::GiveUp);
        self.must(!is_given_up_on, "nothing is lost silently", || {
            format!("{} is looked for without an end", question.code)
        });
    }

    fn one_owner(&mut self, question: &Question) {
        let Some(owner) = question.owner() else { return };
        let others = question.invitations.iter().filter(|invitation| {
            invitation.librarian.id != *owner
                && matches!(invitation.fate, Fate::Waiting | Fate::Claimed)
                && invitation.why != Why::Assigned
        });
        let count = others.count();
        self.must(count == 0, "one owner", || {
            format!("{} has an owner, and {count} others may believe that it is theirs", question.code)
        });
    }

    /// Whoever's question ends, or is answered, is told in the same step; but who deleted it knows.
    fn ends_are_told(&mut self, before: Option<&Question>, question: &Question, input: &Input, step: &Step) {
        if before.is_some_and(|before| before.state == question.state) {
            return;
        }
        let to_patron = |purpose: &[Purpose]| {
            let mut letters = step.letters.iter().filter(|letter| letter.to.id == question.patron.id);
            letters.any(|letter| purpose.contains(&letter.purpose))
        };
        let is_told = match question.state {
            State::Answered { .. } => to_patron(&[Purpose::Answer]),
            State::Interview { .. } => to_patron(&[Purpose::Interview]),
            State::Withdrawn if matches!(input, Input::Gone { .. }) => true,
            State::Unanswered | State::Withdrawn => {
                to_patron(&[Purpose::Ending, Purpose::Notice, Purpose::Reply, Purpose::Farewell])
            }
            State::Seeking if before.is_none() => to_patron(&[Purpose::Acknowledgement]),
            State::Seeking | State::Claimed { .. } | State::Closed | State::Held { .. } => true,
        };
        let is_stopped = self.stopped.contains(&question.patron.id);
        self.must(is_told || is_stopped, "nothing is lost silently", || {
            format!("{} became {} and its patron was not told", question.code, question.state.word())
        });
    }

    fn invited(
        &mut self,
        before: Option<&Question>,
        question: &Question,
        view: &View<'_>,
        step: &Step,
        people: &People,
    ) {
        let known = before.map_or(0, |before| before.invitations.len());
        let code = &question.code;
        let mut asked: HashSet<&AccountId> =
            question.invitations.iter().take(known).map(|invitation| &invitation.librarian.id).collect();
        for invitation in question.invitations.iter().skip(known) {
            let librarian = &invitation.librarian.id;
            self.must(asked.insert(librarian), "asked once", || {
                format!("{code} was offered to somebody again")
            });
            self.must(*librarian != question.patron.id, "asked once", || {
                format!("{code} was offered to its own patron")
            });
            self.must(self.opted_in.contains(librarian), "opt-in only", || {
                format!("{code} was offered to somebody who did not opt in")
            });
            self.must(!self.stopped.contains(librarian), "opt-in only", || {
                format!("{code} was offered to somebody who said `stop`")
            });
            self.allowance(librarian, view, step);
            let place = people.by_account.get(librarian);
            let is_in_hours = place.is_none_or(|place| people.is_in_hours(*place, step.at.as_millisecond()));
            self.must(
                is_in_hours || matches!(invitation.why, Why::Assigned | Why::Digest),
                "quiet hours",
                || format!("{code} was offered to somebody outside their hours"),
            );
            let is_paused = |person: &Person| {
                person
                    .librarian
                    .as_ref()
                    .and_then(|found| found.paused_until)
                    .is_some_and(|until| step.at < until)
            };
            self.must(!view.roster.get(librarian).is_some_and(is_paused), "quiet hours", || {
                format!("{code} was offered to somebody who pauses")
            });
        }
    }

    /// Nobody gets more invitations on a day of theirs than they want.
    fn allowance(&mut self, librarian: &AccountId, view: &View<'_>, step: &Step) {
        let changed = step.people.iter().find(|person| person.account.id == *librarian);
        let person = changed.or_else(|| view.roster.get(librarian));
        let Some(found) = person.and_then(|person| person.librarian.as_ref()) else { return };
        if found.invitations.per != Per::Day {
            return;
        }
        let day = found.zone().to_datetime(step.at).date();
        let count = self.daily.entry((librarian.clone(), day)).or_default();
        *count += 1;
        let (count, most) = (*count, found.invitations.count);
        self.must(count <= most, "limits", || {
            format!("a librarian who wants {most} a day was asked {count} times")
        });
    }

    /// An invitation that could not be delivered, or should not have been sent, does not count.
    fn taken_back(&mut self, before: Option<&Question>, question: &Question, view: &View<'_>) {
        for invitation in &question.invitations {
            let was = before.and_then(|before| before.invitation(&invitation.librarian.id));
            let is_taken_back = |fate: Fate| matches!(fate, Fate::Undelivered | Fate::Misdirected);
            if !is_taken_back(invitation.fate) || was.is_none_or(|was| is_taken_back(was.fate)) {
                continue;
            }
            let librarian = &invitation.librarian.id;
            let found = view.roster.get(librarian).and_then(|person| person.librarian.as_ref());
            let Some(zone) = found.map(|found| found.zone()) else { continue };
            let day = zone.to_datetime(invitation.sent_at).date();
            if let Some(count) = self.daily.get_mut(&(librarian.clone(), day)) {
                *count = count.saturating_sub(1);
            }
        }
    }

    fn limits(&mut self, person: &Person) {
        let Some(librarian) = &person.librarian else { return };
        let (open, limit) = (librarian.open.len(), librarian.limit as usize);
        self.must(open <= limit, "limits", || {
            format!("a librarian with a limit of {limit} has {open} questions")
        });
    }

    fn letter(&mut self, letter: &Letter, view: &View<'_>, step: &Step) {
        let to = &letter.to.id;
        let is_last_word = letter.purpose == Purpose::Farewell || letter.purpose == Purpose::Deletion;
        let is_known = self.spoke.contains(to) || self.opted_in.contains(to);
        let is_farewell = is_last_word && self.forgotten.contains(to);
        self.must(is_known || is_farewell, "opt-in only", || {
            format!("the desk wrote ({}) to somebody it does not know", letter.purpose.word())
        });
        self.must(is_last_word || !self.stopped.contains(to), "opt-in only", || {
            "the desk wrote to somebody who said `stop`".to_owned()
        });
        let Content::Post { text, mentions, visibility, .. } = &letter.content else { return };
        let elsewhere = mentions.iter().filter(|mention| mention.account.id != *to).count();
        self.must(elsewhere == 0, "opt-in only", || "a letter mentions somebody else".to_owned());
        let meant_for = |mark: &str| Some((mark.to_owned(), self.marks.get(mark)?.1));
        let said: BTreeSet<(String, Visibility)> = marks(text.reveal()).filter_map(meant_for).collect();
        for (mark, meant_for) in said {
            let is_said_no_more = self.gone.contains(&mark) || self.replaced.contains(&mark);
            self.must(!is_said_no_more, "confidential", || {
                format!("{mark} was passed on ({}) though nobody says it any more", letter.purpose.word())
            });
            self.must(*visibility <= meant_for, "never wider", || format!("{mark} became more visible"));
        }
        let about = letter.about.as_ref();
        let found = step.questions.iter().chain(&view.questions).find(|found| Some(&found.code) == about);
        if let Some(question) = found {
            self.must(*visibility <= question.visibility, "never wider", || {
                format!("a letter about {} is more visible than it", question.code)
            });
        }
    }

    /// What somebody is written because they wrote stays within the cap, and automata get no answer.
    fn loops(&mut self, view: &View<'_>, input: &Input, step: &Step) {
        let Input::Post(post) = input else { return };
        let author = &post.author.id;
        let count = step.letters.iter().filter(|letter| letter.to.id == *author).count();
        self.must(!post.author.bot || count == 0, "no loops", || "an automaton was answered".to_owned());
        if count == 0 || step.outcome == Outcome::Forgotten {
            return;
        }
        let now = step.at.as_millisecond();
        let replies = self.replies.entry(author.clone()).or_default();
        while replies.front().is_some_and(|at| *at <= now - HOUR as Millis) {
            replies.pop_front();
        }
        replies.extend(std::iter::repeat_n(now, count));
        // One input makes few letters, so that the cap can be passed by a little.
        let (within, cap) = (replies.len(), view.settings.replies_per_person_hour + 2);
        self.must(within <= cap, "no loops", || format!("{within} letters to one person in an hour"));
    }

    /// Whoever is asked is told why, and a new question says why it is in its subjects.
    fn explained(&mut self, before: Option<&Question>, question: &Question, step: &Step) {
        let code = &question.code;
        let is_noted = step.journal.iter().any(|entry| entry.code == *code);
        self.must(before.is_some() || is_noted, "explained", || {
            format!("nothing says why {code} is where it is")
        });
        let known = before.map_or(0, |before| before.invitations.len());
        for invitation in question.invitations.iter().skip(known) {
            let why = |letter: &Letter| match &letter.content {
                Content::Post { text, .. } => text.reveal().contains("You're asked because"),
                Content::Delete { .. } => false,
            };
            let mut theirs = step.letters.iter().filter(|letter| letter.to.id == invitation.librarian.id);
            let is_told = theirs.any(why) || invitation.why == Why::Digest;
            self.must(is_told, "explained", || format!("{code} was offered to somebody who is not told why"));
        }
    }

    /// What goes into logs when somebody writes down a step is no word of anybody's.
    fn nothing_is_shown_to_logs(&mut self, input: &Input, step: &Step) {
        let shown = format!("{input:?} {step:?}");
        self.must(!shown.contains('§'), "confidential", || "what somebody wrote can be logged".to_owned());
    }

    /// The world is at its end: nothing is open, nothing is kept, and every letter is settled.
    pub(crate) fn at_end(&mut self, books: &Books) {
        for question in books.questions() {
            let (code, state) = (&question.code, question.state.word());
            self.must(question.state.is_final(), "nothing is lost silently", || {
                format!("{code} is {state} at the end of all time")
            });
            self.must(!question.state.is_final(), "confidential", || {
                format!("{code} ({state}) is kept for ever")
            });
        }
        let unsettled = books.unsettled();
        self.must(unsettled == 0, "nothing is lost silently", || {
            format!("{unsettled} letters were never settled")
        });
        let burdened: Vec<(usize, Code)> = books
            .roster
            .iter()
            .filter_map(|(_, librarian)| Some((librarian.open.len(), librarian.open.first()?.clone())))
            .collect();
        self.must(burdened.is_empty(), "limits", || {
            format!(
                "{} librarians have questions on their list that are over, such as {:?}",
                burdened.len(),
                burdened
            )
        });
    }
}

/// The marks in a text: what stands between two `§`.
fn marks(text: &str) -> impl Iterator<Item = &str> {
    text.split('§').skip(1).step_by(2).filter(|mark| !mark.is_empty() && mark.len() < 20)
}

#[cfg(test)]
mod tests;
