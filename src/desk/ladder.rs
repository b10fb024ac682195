//! The ladder for stumpers: when those who were asked did not take a question, generalists are asked,
//! then it is on a daily list for librarians who like hard ones, then the coordinator sees it.
//!
//! **Invariant:** each step is told to the patron once, and the list holds nobody's words: a question is
//! shown only to whoever asks for it by its code and may be asked it.

use jiff::{SignedDuration, Timestamp};

use crate::desk::conversation::Spoken;
use crate::desk::draft::{Draft, Words};
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::intake;
use crate::desk::letter::Purpose;
use crate::desk::librarian;
use crate::desk::person::{Librarian, Person};
use crate::desk::plan::Occasion;
use crate::desk::post::{AccountId, Visibility};
use crate::desk::question::{Question, Reason, Rung, State, Told, Why};
use crate::desk::routing::{self, Availability, Candidate, Found};
use crate::desk::step::Outcome;
use crate::desk::wording;

/// A list names at most so many stumpers.
const LISTED_MAX: usize = 10;

/// Those who were asked last have so long before a question is called a stumper.
const TIME_TO_THINK: SignedDuration = SignedDuration::from_mins(30);

/// Where nobody comes on duty within this time, waiting for hours is no search any more.
const SOON: SignedDuration = SignedDuration::from_hours(12);

/// Takes the next step up, where it is time, and tells the patron. `asked` is how many were asked just
/// now.
pub(crate) fn climb(draft: &mut Draft<'_>, code: &Code, found: &Found, asked: usize, occasion: Occasion) {
    let Some(question) = draft.question(code).cloned() else { return };
    let is_first = occasion == Occasion::Begin || question.invitations.len() <= asked;
    if is_first {
        return;
    }
    let rung = found.ready.first().map(|candidate| candidate.rung);
    if 0 < asked {
        if rung >= Some(Rung::Generalists) && question.told < Told::Generalists {
            tell(draft, code, Told::Generalists, wording::asking::now_generalists(code));
        }
        return;
    }
    let comes_soon = found.next_start.is_some_and(|start| start.duration_since(draft.now) < SOON);
    let latest = question.invitations.iter().map(|invitation| invitation.sent_at).max();
    let is_early = latest.is_some_and(|at| draft.now.duration_since(at) < TIME_TO_THINK);
    if occasion != Occasion::TimePassed || comes_soon || is_early {
        return;
    }
    if question.told < Told::Digest && has_readers(draft, &question) {
        draft.set_timer(code, Reason::Digest, until_full_hour(draft.now));
        draft.note(code, "A stumper: it is on the daily list now");
        tell(draft, code, Told::Digest, wording::asking::now_digest(code));
    } else if question.told < Told::Coordinator && !is_in_list_alone(&question, draft.now) {
        let until = question.timers.get(&Reason::GiveUp).copied();
        draft.note(code, "A stumper: nobody is left to be asked; over to the coordinator");
        let body = wording::asking::now_coordinator(code, until, draft.view.settings);
        tell(draft, code, Told::Coordinator, body);
    }
}

/// The list was sent when this timer fired last; for a day it has its chance.
fn is_in_list_alone(question: &Question, now: Timestamp) -> bool {
    let latest = question.invitations.iter().map(|invitation| invitation.sent_at).max();
    let day = SignedDuration::from_hours(24);
    question.told == Told::Digest && latest.is_some_and(|at| now.duration_since(at) < day)
}

fn tell(draft: &mut Draft<'_>, code: &Code, told: Told, body: String) {
    if let Some(question) = draft.question_mut(code) {
        question.told = told;
    }
    let _ = draft.tell_patron(code, Purpose::Notice, None, body);
}

/// The list goes out: to everybody on duty who had none today, with all open stumpers they may see.
pub(crate) fn send_lists(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    let mut stumpers: Vec<Question> = draft
        .questions()
        .filter(|question| question.state == State::Seeking && question.told >= Told::Digest)
        .filter(|question| question.code == *code || question.timers.contains_key(&Reason::Digest))
        .cloned()
        .collect();
    // What is needed first stands first, then what was asked first.
    stumpers.sort_by_key(|question| question.in_order_of_need());
    let readers: Vec<AccountId> =
        draft.view.roster.digest_readers().map(|person| person.account.id.clone()).collect();
    for reader in readers {
        send_list(draft, &reader, &stumpers);
    }
    let wait = until_full_hour(draft.now);
    for stumper in &stumpers {
        draft.set_timer(&stumper.code, Reason::Digest, wait);
    }
    Outcome::Invited
}

fn send_list(draft: &mut Draft<'_>, reader: &AccountId, stumpers: &[Question]) {
    let now = draft.now;
    let Some(person) = draft.person(reader).cloned() else { return };
    let Some(entry) = person.librarian.as_ref().filter(|entry| is_due(entry, now)) else { return };
    let seen =
        stumpers.iter().filter(|question| availability(draft, question, &person) == Availability::Ready);
    let lines: Vec<String> = seen.take(LISTED_MAX).map(|question| line(draft, question)).collect();
    if lines.is_empty() || !entry.digest {
        return;
    }
    // There are no words of a patron in it, so it need not be as private as they were.
    let narrowest = [Visibility::Direct, Visibility::Followers, Visibility::Unlisted, Visibility::Public];
    let network = reader.network;
    let Some(original) = narrowest.into_iter().find(|wanted| network.copy_visibility(*wanted).is_some())
    else {
        return;
    };
    let _ = draft.write(Words {
        purpose: Purpose::Notice,
        to: &person.account,
        about: None,
        original,
        place: None,
        words_of: None,
        body: wording::asking::digest(&lines),
    });
    if let Some(entry) = draft.person_mut(&person.account).librarian.as_mut() {
        entry.digest_at = Some(now);
    }
}

fn line(draft: &Draft<'_>, question: &Question) -> String {
    let waited = draft.now.duration_since(question.asked_at);
    let hours = SignedDuration::from_hours(waited.as_hours().max(1));
    let need_by = question.need_by.map(|end| intake::day_in_words(end, draft.view.settings));
    let subjects = escalation::subject_names(draft, question);
    wording::asking::digest_line(&question.code, &subjects, &wording::duration(hours), need_by.as_deref())
}

/// One list a day, by their own clock.
fn is_due(entry: &Librarian, now: Timestamp) -> bool {
    entry.digest_at.is_none_or(|at| entry.day(at) < entry.day(now))
}

/// A librarian names a stumper: it is shown to them, and it is theirs.
pub(crate) fn take(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code) -> Outcome {
    let author = &spoken.post.author;
    let person = draft.person(&author.id).cloned();
    let question = draft.question(code).filter(|question| question.state == State::Seeking).cloned();
    let may = person.as_ref().zip(question.as_ref()).is_some_and(|(person, question)| {
        // They ask for it themselves, so hours and limits do not matter; consent and privacy do.
        question.told >= Told::Digest && availability(draft, question, person) != Availability::Never
    });
    let candidate = Candidate::chosen(author.clone(), Rung::Generalists, Why::Digest);
    if !may || !escalation::invite(draft, code, &candidate) {
        draft.reply(spoken.post, Purpose::Reply, wording::asking::digest_gone(code));
        return Outcome::Helped;
    }
    librarian::claim(draft, spoken, code)
}

/// Whether the list may show a question to somebody now. The list is no invitation, so that how often
/// they want to be invited does not matter.
fn availability(draft: &Draft<'_>, question: &Question, person: &Person) -> Availability {
    let Some(mut entry) = person.librarian.clone() else { return Availability::Never };
    entry.load = Default::default();
    routing::availability(question, person, &entry, &escalation::circumstances(draft))
}

fn has_readers(draft: &Draft<'_>, question: &Question) -> bool {
    let mut readers = draft.view.roster.digest_readers();
    readers.any(|person| availability(draft, question, person) != Availability::Never)
}

/// All stumpers are listed at full hours, so that one list holds them all.
fn until_full_hour(now: Timestamp) -> SignedDuration {
    SignedDuration::from_secs(3_600 - now.as_second().rem_euclid(3_600))
}
