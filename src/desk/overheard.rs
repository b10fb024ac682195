//! Questions that nobody put to the desk: public posts with a hashtag to which the coordinator has it
//! listen.
//!
//! Their authors hear nothing. A few librarians of the subject are told quietly, with the address of the
//! post; whoever wants to help replies there, as the person they are.
//!
//! **Invariant:** nothing of such a post is kept, not even who wrote it, and its words are passed on to
//! nobody. Nobody is told of it in public.

use crate::desk::draft::{Draft, Words};
use crate::desk::escalation;
use crate::desk::letter::Purpose;
use crate::desk::patron;
use crate::desk::person::Person;
use crate::desk::post::{Account, Post, Visibility};
use crate::desk::question::{Rung, State};
use crate::desk::step::Outcome;
use crate::desk::wording;
use crate::subjects::Kind;

/// How many librarians are told of one post.
const TOLD_MAX: usize = 2;

/// Tells librarians of the subject of a post that was found by its hashtag. `address` is where people read
/// it.
pub(crate) fn offer(draft: &mut Draft<'_>, post: &Post, address: &str) -> Outcome {
    if !may_be_offered(draft, post) {
        return Outcome::IgnoredStranger;
    }
    let subjects = draft.view.subjects;
    let (text, language) = (post.text.reveal(), post.language.as_deref());
    if subjects.screen(text, language).kind != Kind::Question {
        return Outcome::IgnoredStranger;
    }
    // Never stored: it only asks who takes such questions and is free for one.
    let mut question = patron::question(draft, &draft.view.free_code.clone(), post, State::Seeking);
    let found = subjects.classify(text, language);
    question.subjects = patron::found_subjects(&found);
    question.language = found.language;
    let specialists = escalation::find(draft, &question).ready.into_iter();
    let specialists = specialists.filter(|candidate| candidate.rung == Rung::Specialists);
    let reachable: Vec<Account> = specialists
        .map(|candidate| candidate.librarian)
        .filter(|librarian| draft.person(&librarian.id).is_some_and(can_be_told_quietly))
        .take(TOLD_MAX)
        .collect();
    let names = escalation::subject_names(draft, &question);
    for librarian in &reachable {
        let _ = draft.write(Words {
            purpose: Purpose::Notice,
            to: librarian,
            about: None,
            original: Visibility::Direct,
            place: None,
            words_of: None,
            body: wording::publishing::overheard(&names, address),
        });
        // It counts like an invitation, so that nobody is written to more often than they wish.
        let now = draft.now;
        if let Some(entry) = draft.person_mut(librarian).librarian.as_mut() {
            entry.asked_at = Some(now);
            entry.load.add(entry.day(now));
        }
    }
    if reachable.is_empty() { Outcome::IgnoredStranger } else { Outcome::Overheard }
}

/// Whether a post is one that its author would let others help with: public, by a person who did not send
/// the desk away, and to no crowd.
fn may_be_offered(draft: &Draft<'_>, post: &Post) -> bool {
    let settings = draft.view.settings;
    let is_own = settings.accounts.get(&post.author.id.network).is_some_and(|desk| desk.id == post.author.id);
    let is_stopped = draft.person(&post.author.id).is_some_and(|person| person.stopped);
    post.visibility == Visibility::Public
        && !is_own
        && !post.author.bot
        && !is_stopped
        && post.mentions.len() <= settings.mentions_max
}

fn can_be_told_quietly(person: &Person) -> bool {
    person.wrote_directly || !person.account.id.network.has_flat_messages()
}
