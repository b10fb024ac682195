//! What people do when something reaches them: look, pass, claim, ask back, answer, thank.
//!
//! **Invariant:** what a librarian does with a question depends on the two of them and the seed, never on the
//! policy by which they were chosen.

use crate::desk::letter::Purpose;
use crate::desk::question::Fate;
use crate::desk::{Input, Letter, Place, Post, State};
use crate::simulate::asking;
use crate::simulate::dice::{Dice, Stream};
use crate::simulate::people::{self, HOUR, MINUTE, Millis};
use crate::simulate::population::Group;
use crate::simulate::world::{Happening, World};

/// How many letters an automaton answers about one question.
const ECHOES_MAX: u32 = 60;

/// The share of librarians who answer after all when they are reminded of a forgotten claim.
const REMINDED: f64 = 0.5;

/// The share of patrons who reply to a reference interview, and how long half of them take, in minutes.
const REPLIES: (f64, f64) = (0.9, 15.0);

/// How long half of the patrons take to say thanks, in minutes.
const THANKS_MINUTES: f64 = 20.0;

/// Something that somebody does about a question.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) who: Who,
    pub(crate) what: Doing,
    /// The place of the question.
    pub(crate) question: usize,
    /// The post they reply to; the question itself where nothing is said.
    pub(crate) below: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Patron,
    Librarian(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Pass,
    Claim,
    /// The reference interview.
    AskBack,
    Answer,
    /// The answer to a question that they claimed before: only where it is still theirs.
    AnswerOwn,
    Reply,
    /// A word about the subject, which their question did not tell.
    Clarify,
    Thanks,
    Cancel,
    /// Of the post that asked.
    Edit,
    /// Of the post that asked.
    Delete,
    ForgetMe,
    Echo,
    Stop,
    Leave,
    /// For a day.
    Pause,
}

impl World<'_> {
    /// A letter is there for its addressee to see.
    pub(crate) fn shown(&mut self, letter: &Letter, place: &Place) {
        let Some(question) = letter.about.as_ref().and_then(|code| self.by_code.get(code)).copied() else {
            return;
        };
        let Some(asked) = self.questions.get(question) else { return };
        if asked.patron.id == letter.to.id {
            self.shown_to_patron(letter, question, place);
            return;
        }
        let Some(librarian) = self.people.by_account.get(&letter.to.id).copied() else { return };
        match letter.purpose {
            Purpose::Invitation if self.is_invitation(letter) => {
                self.count_contact(question, librarian);
                self.consider(librarian, question, place, 0);
            }
            Purpose::Detail => self.hear_details(librarian, question, place),
            Purpose::Notice => self.hear_notice(letter, librarian, question, place),
            Purpose::Invitation
            | Purpose::Acknowledgement
            | Purpose::Interview
            | Purpose::Answer
            | Purpose::Thanks
            | Purpose::Ending
            | Purpose::Stumper
            | Purpose::Reply
            | Purpose::Farewell
            | Purpose::Deletion => {}
        }
    }

    fn count_contact(&mut self, question: usize, librarian: usize) {
        let is_outside = !self.people.is_in_hours(librarian, self.now);
        let Some(asked) = self.questions.get_mut(question) else { return };
        asked.invitations += 1;
        asked.outside_hours += u32::from(is_outside);
        if asked.counts
            && let Some(count) = self.contacts.get_mut(librarian)
        {
            *count += 1;
        }
    }

    /// A librarian has an invitation before them, now or when they come back. `turn` counts how often.
    fn consider(&mut self, librarian: usize, question: usize, place: &Place, turn: u64) {
        let Some((volunteer, group)) = self.volunteer(librarian) else { return };
        let mut dice = Dice::of(self.seed, Stream::Reaction, librarian as u64, question as u64 * 4 + turn);
        let wait = if dice.happens(volunteer.at_hand) {
            lasting(&mut dice, group.reaction_minutes * MINUTE, group)
        } else {
            dice.exponential(group.away_hours * HOUR)
        };
        let subject = self.questions.get(question).and_then(|asked| asked.subject);
        let is_fitting = subject.is_some_and(|subject| volunteer.subjects.contains(&subject));
        let answers = volunteer.answers * if is_fitting { 1.0 } else { group.outside_subject };
        let decision = dice.share();
        let writing = lasting(&mut dice, group.writing_minutes * MINUTE, group);
        let (claims, asks_back) = (dice.happens(group.claims), dice.happens(group.asks_back));
        let forgets = dice.happens(group.forgets);
        let (passes, group_quits) = (group.passes, group.quits);
        let quits_by = [Doing::Stop, Doing::Leave, Doing::Pause, Doing::ForgetMe].get(dice.below(4)).copied();
        let quits_by = quits_by.unwrap_or(Doing::Leave);
        let looks_at = self.people.next_in_hours(librarian, self.now.saturating_add(wait as Millis));
        let who = Who::Librarian(librarian);
        let mut act = |at: Millis, what: Doing| {
            let act = Act { who, what, question, below: Some(place.clone()) };
            self.push(at, Happening::Acts(Box::new(act)));
        };
        let writes_until = looks_at.saturating_add(writing as Millis);
        if decision < answers {
            match (asks_back, claims) {
                (true, _) => act(looks_at, Doing::AskBack),
                (false, false) => act(writes_until, Doing::Answer),
                (false, true) => {
                    act(looks_at, Doing::Claim);
                    if !forgets {
                        act(writes_until, Doing::AnswerOwn);
                    }
                }
            }
        } else if decision < answers + passes {
            act(looks_at, Doing::Pass);
        } else if decision < answers + passes + group_quits {
            act(looks_at, quits_by);
        }
    }

    fn volunteer(&self, librarian: usize) -> Option<(&crate::simulate::people::Volunteer, &Group)> {
        let volunteer = self.people.librarians.get(librarian)?;
        Some((volunteer, self.population.librarians.get(volunteer.group)?))
    }

    /// The patron has replied to the reference interview, so now the answer can be written.
    fn hear_details(&mut self, librarian: usize, question: usize, place: &Place) {
        let Some((_, group)) = self.volunteer(librarian) else { return };
        let mut dice = Dice::of(self.seed, Stream::Reaction, librarian as u64, question as u64 * 4 + 2);
        let wait = lasting(&mut dice, (group.reaction_minutes + group.writing_minutes) * MINUTE, group);
        let act = Act {
            who: Who::Librarian(librarian),
            what: Doing::AnswerOwn,
            question,
            below: Some(place.clone()),
        };
        self.push_after(wait, Happening::Acts(Box::new(act)));
    }

    /// Told that a question is open again, a librarian considers it anew; reminded of it, they may answer.
    fn hear_notice(&mut self, letter: &Letter, librarian: usize, question: usize, place: &Place) {
        let Some(found) = letter.about.as_ref().and_then(|code| self.books.question(code)) else { return };
        let is_theirs = found.owner() == Some(&letter.to.id);
        let fate = found.invitation(&letter.to.id).map(|invitation| invitation.fate);
        if fate == Some(Fate::Waiting) {
            self.consider(librarian, question, place, 1);
        } else if is_theirs && matches!(found.state, State::Claimed { .. }) {
            let mut dice = Dice::of(self.seed, Stream::Reaction, librarian as u64, question as u64 * 4 + 3);
            if dice.happens(REMINDED) {
                let act = Act {
                    who: Who::Librarian(librarian),
                    what: Doing::AnswerOwn,
                    question,
                    below: Some(place.clone()),
                };
                let at = self.now.saturating_add(dice.exponential(HOUR) as Millis);
                self.push(self.people.next_in_hours(librarian, at), Happening::Acts(Box::new(act)));
            }
        }
    }

    fn shown_to_patron(&mut self, letter: &Letter, question: usize, place: &Place) {
        let (population, seed, now) = (self.population, self.seed, self.now);
        let Some(asked) = self.questions.get_mut(question) else { return };
        let mut doing = None;
        let mut dice = Dice::of(seed, Stream::Patron, question as u64, 1);
        if letter.purpose == Purpose::Answer && asked.answered_at.is_none() {
            asked.answered_at = Some(now);
            let wait = dice.log_normal(THANKS_MINUTES * MINUTE, 1.0);
            doing = dice.happens(population.patrons.thanks).then_some((Doing::Thanks, wait));
        }
        if letter.purpose == Purpose::Acknowledgement && asked.subject.is_none() {
            // Of their own dice, so that everything else happens as it would without.
            let mut dice = Dice::of(seed, Stream::Patron, question as u64, 2);
            let wait = dice.log_normal(population.patrons.clarify_minutes * MINUTE, 1.0);
            doing = dice.happens(population.patrons.clarify).then_some((Doing::Clarify, wait));
        }
        if letter.purpose == Purpose::Interview {
            let (share, median) = REPLIES;
            let wait = dice.log_normal(median * MINUTE, 1.0);
            doing = dice.happens(share).then_some((Doing::Reply, wait));
        }
        if asked.is_echo && asked.echoes < ECHOES_MAX {
            asked.echoes += 1;
            doing = Some((Doing::Echo, MINUTE / 4.0));
        }
        if let Some((what, wait)) = doing {
            let act = Act { who: Who::Patron, what, question, below: Some(place.clone()) };
            self.push_after(wait, Happening::Acts(Box::new(act)));
        }
    }

    /// Somebody writes.
    pub(crate) fn act(&mut self, act: &Act) {
        let Some(asked) = self.questions.get_mut(act.question) else { return };
        if matches!(act.what, Doing::Cancel | Doing::Clarify) && asked.answered_at.is_some() {
            return;
        }
        if act.what == Doing::Clarify {
            asked.subject = Some(asked.about);
        }
        let Some(asked) = self.questions.get(act.question) else { return };
        let author = match act.who {
            Who::Patron => asked.patron.clone(),
            Who::Librarian(librarian) => {
                let Some((volunteer, _)) = self.volunteer(librarian) else { return };
                let account = volunteer.account.clone();
                if act.what == Doing::AnswerOwn && !self.is_owner(act.question, &account.id) {
                    return;
                }
                account
            }
        };
        let text = match act.what {
            Doing::Edit | Doing::Delete => return self.amend(act.question, act.what),
            Doing::Pass => "pass".to_owned(),
            Doing::Claim => "claim".to_owned(),
            Doing::AskBack => "ask: which of the two do you mean?".to_owned(),
            Doing::Answer | Doing::AnswerOwn => {
                "Start with the second edition of the standard handbook; the first chapter is on just that."
                    .to_owned()
            }
            Doing::Reply => "The second one, and it is for a child of ten.".to_owned(),
            Doing::Clarify => format!("It is about {}.", people::term(asked.about)),
            Doing::Thanks => "Thank you so much, that helped!".to_owned(),
            Doing::Cancel => "cancel".to_owned(),
            Doing::ForgetMe => "forget me".to_owned(),
            Doing::Stop => "stop".to_owned(),
            Doing::Leave => "leave".to_owned(),
            Doing::Pause => "pause 1 day".to_owned(),
            Doing::Echo => "I am an automaton and have read this with interest, thank you.".to_owned(),
        };
        let below = act.below.clone().or_else(|| asked.place.clone());
        let visibility = asked.visibility;
        let post = self.post(author, text, visibility, below.as_ref());
        self.say(post);
    }

    /// A patron edits or deletes the post that asked.
    fn amend(&mut self, question: usize, what: Doing) {
        let Some(asked) = self.questions.get(question) else { return };
        let Some(place) = asked.place.clone() else { return };
        let input = if what == Doing::Delete {
            Input::Gone { post: place.post_id() }
        } else {
            let text = asking::edited(asked, question);
            let (author, visibility) = (asked.patron.clone(), asked.visibility);
            let post = Post { place, addressed: true, ..self.post(author, text, visibility, None) };
            Input::Edited { at: post.seen_at, post: Box::new(post) }
        };
        self.hear_of(input);
    }

    fn is_owner(&self, question: usize, account: &crate::desk::AccountId) -> bool {
        let post = self.questions.get(question).and_then(|asked| asked.place.as_ref());
        let code = post.and_then(|post| self.books.link(&post.post_id())).and_then(|link| link.code.as_ref());
        let found = code.and_then(|code| self.books.question(code));
        found.is_some_and(|found| found.owner() == Some(account) && !found.state.is_final())
    }
}

/// A time as a librarian of this group takes it, in milliseconds.
fn lasting(dice: &mut Dice, middle: f64, group: &Group) -> f64 {
    match group.spread {
        Some(spread) => dice.log_normal(middle, spread),
        None => dice.exponential(middle),
    }
}
