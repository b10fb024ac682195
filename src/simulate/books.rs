//! What the simulated desk remembers: as a store does, in plain maps and without asking a disk.
//!
//! **Invariant:** a step is applied as [`Store::commit`](crate::store::Store::commit) says, in the same order;
//! an input takes effect once.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::desk::letter::Delivery;
use crate::desk::question::State;
use crate::desk::{
    AccountId, Code, InputId, Letter, LetterId, Link, Person, Place, PostId, Question, Roster, Step,
};

/// Everything in maps. They are looked things up in, and never gone through in their own order.
#[derive(Debug, Default)]
pub(crate) struct Books {
    questions: HashMap<Code, Question>,
    /// Questions that are not at their end, by who has a part in them.
    open: HashMap<AccountId, BTreeSet<Code>>,
    people: HashMap<AccountId, Person>,
    pub(crate) roster: Roster,
    links: HashMap<PostId, Link>,
    links_of: HashMap<Code, Vec<PostId>>,
    letters: HashMap<LetterId, Kept>,
    letters_of: HashMap<Code, Vec<LetterId>>,
    seen: HashSet<InputId>,
}

/// A letter and where it stands.
#[derive(Debug)]
pub(crate) struct Kept {
    /// `None` once it is settled: what it said is not needed any more.
    pub(crate) letter: Option<Box<Letter>>,
    /// Where it is on the network, if it is.
    pub(crate) place: Option<Place>,
}

impl Books {
    pub(crate) fn question(&self, code: &Code) -> Option<&Question> {
        self.questions.get(code)
    }

    /// Everybody and everything that a question has, in the order of their codes.
    pub(crate) fn questions(&self) -> Vec<&Question> {
        let mut all: Vec<&Question> = self.questions.values().collect();
        all.sort_by(|one, other| one.code.cmp(&other.code));
        all
    }

    pub(crate) fn person(&self, account: &AccountId) -> Option<&Person> {
        self.people.get(account)
    }

    pub(crate) fn link(&self, post: &PostId) -> Option<&Link> {
        self.links.get(post)
    }

    pub(crate) fn has_seen(&self, input: &InputId) -> bool {
        self.seen.contains(input)
    }

    pub(crate) fn letter(&self, id: &LetterId) -> Option<&Kept> {
        self.letters.get(id)
    }

    /// How many letters are still on their way.
    pub(crate) fn unsettled(&self) -> usize {
        self.letters.values().filter(|kept| kept.letter.is_some()).count()
    }

    /// Notes where a letter is, before the desk is told.
    pub(crate) fn put_place(&mut self, id: &LetterId, place: Place) {
        if let Some(kept) = self.letters.get_mut(id) {
            kept.place = Some(place);
        }
    }

    /// The questions that may be meant by an input, as [`View`](crate::desk::View) wants them. Of those that
    /// are at their end only the ones that are named: nothing anybody says in a simulated world is about others.
    pub(crate) fn questions_for(&self, who: Option<&AccountId>, named: &[Code]) -> Vec<Question> {
        let open = who.and_then(|who| self.open.get(who)).into_iter().flatten();
        let codes: BTreeSet<&Code> = open.chain(named).collect();
        codes.into_iter().filter_map(|code| self.questions.get(code)).cloned().collect()
    }

    /// The codes of all questions that somebody has a part in, also of those that are over.
    pub(crate) fn involving(&self, who: &AccountId) -> Vec<Code> {
        let theirs = self.questions.values().filter(|question| question.involves(who));
        theirs.map(|question| question.code.clone()).collect()
    }

    /// The first code for this input that no question has.
    pub(crate) fn free_code(&self, input: &InputId) -> Option<Code> {
        Code::candidates(input).find(|code| !self.questions.contains_key(code))
    }

    /// Applies a step, and gives back the ids of its letters.
    pub(crate) fn apply(&mut self, step: Step) -> Vec<LetterId> {
        for mut question in step.questions {
            question.version += 1;
            self.put_question(question);
        }
        for mut person in step.people {
            person.version += 1;
            if person.librarian.is_some() || self.roster.get(&person.account.id).is_some() {
                self.roster.put(person.clone());
            }
            self.people.insert(person.account.id.clone(), person);
        }
        for (id, delivery) in step.settled {
            let Some(kept) = self.letters.get_mut(&id) else { continue };
            kept.letter = None;
            if let Delivery::Sent { place, .. } = delivery {
                kept.place = Some(place);
            }
        }
        for (post, link) in step.links {
            if let Some(code) = &link.code {
                self.links_of.entry(code.clone()).or_default().push(post.clone());
            }
            self.links.insert(post, link);
        }
        for code in &step.erase {
            self.erase(code);
        }
        for account in &step.forget {
            self.people.remove(account);
            self.roster.remove(account);
            self.links.retain(|_, link| link.with != *account);
            self.letters
                .retain(|_, kept| !kept.letter.as_ref().is_some_and(|letter| letter.concerns(account)));
        }
        let ids = step.letters.iter().map(|letter| letter.id.clone()).collect();
        for letter in step.letters {
            if let Some(code) = &letter.about {
                self.letters_of.entry(code.clone()).or_default().push(letter.id.clone());
            }
            let id = letter.id.clone();
            self.letters.insert(id, Kept { letter: Some(Box::new(letter)), place: None });
        }
        self.seen.insert(step.input);
        ids
    }

    fn put_question(&mut self, question: Question) {
        let code = &question.code;
        // A librarian may come late to a question that is given up, as long as its patron has not left.
        let is_open = !question.state.is_final() || question.state == State::Unanswered;
        let asked = question.invitations.iter().map(|invitation| &invitation.librarian.id);
        for account in asked.chain([&question.patron.id]) {
            let codes = self.open.entry(account.clone()).or_default();
            if is_open {
                codes.insert(code.clone());
            } else {
                codes.remove(code);
            }
        }
        self.questions.insert(code.clone(), question);
    }

    fn erase(&mut self, code: &Code) {
        let Some(question) = self.questions.remove(code) else { return };
        let asked = question.invitations.iter().map(|invitation| &invitation.librarian.id);
        for account in asked.chain([&question.patron.id]) {
            if let Some(codes) = self.open.get_mut(account) {
                codes.remove(code);
            }
        }
        for post in self.links_of.remove(code).into_iter().flatten() {
            self.links.remove(&post);
        }
        for id in self.letters_of.remove(code).into_iter().flatten() {
            self.letters.remove(&id);
        }
    }
}
