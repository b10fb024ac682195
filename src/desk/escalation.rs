//! Asking librarians, and asking the next ones when time passes.
//!
//! **Invariant:** a question that is being looked for always has a timer when these functions are
//! done with it, so that it can never be forgotten.

use jiff::{SignedDuration, Timestamp};

use crate::desk::draft::{Draft, Words, Written};
use crate::desk::ids::Code;
use crate::desk::intake;
use crate::desk::ladder;
use crate::desk::letter::Purpose;
use crate::desk::outbox;
use crate::desk::outcomes;
use crate::desk::plan::{self, Occasion};
use crate::desk::post::{Account, AccountId, Visibility};
use crate::desk::question::{Event, Fate, Invitation, Question, Reason, Rung, State, Why};
use crate::desk::routing::{self, Availability, Candidate, Circumstances, Found};
use crate::desk::step::Outcome;
use crate::desk::wording::{self, Audience, Search};
use crate::subjects::{Language, SubjectId};

/// While nobody is free, the desk looks again at least this often: limits free up and people join
/// without a timer of their own.
pub(crate) const LOOK_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// A timer of a question has fired.
pub(crate) fn on_timer(draft: &mut Draft<'_>, code: &Code, reason: Reason, at: Timestamp) -> Outcome {
    let is_current = draft.question(code).is_some_and(|question| question.timers.get(&reason) == Some(&at));
    if !is_current {
        return Outcome::Outdated;
    }
    if let Some(question) = draft.question_mut(code) {
        question.timers.remove(&reason);
    }
    match reason {
        Reason::AskNext => {
            outcomes::count_unanswered(draft, code);
            ask_more(draft, code, Occasion::TimePassed);
            Outcome::Invited
        }
        Reason::Digest => ladder::send_lists(draft, code),
        Reason::GiveUp => give_up(draft, code),
        Reason::RemindOwner => remind_owner(draft, code),
        Reason::ReleaseClaim => {
            release_silent_owner(draft, code);
            Outcome::Released
        }
        Reason::InterviewOver => interview_over(draft, code),
        Reason::CloseQuiet => {
            close(draft, code, "Closed after the conversation had been quiet");
            Outcome::Closed
        }
        Reason::Erase => {
            draft.erase(code);
            Outcome::Erased
        }
    }
}

/// Starts, or starts again, to look for a librarian: asks the first ones and sets the timers.
pub(crate) fn seek(draft: &mut Draft<'_>, code: &Code) -> Search {
    draft.clear_timers(code);
    let looked_for = looked_for(draft, code);
    draft.set_timer(code, Reason::GiveUp, looked_for);
    if let Some(search) = ask_by_name(draft, code) {
        return search;
    }
    ask_more(draft, code, Occasion::Begin)
}

/// How long a librarian is looked for from now on: not beyond the day by which the patron needs it.
pub(crate) fn looked_for(draft: &Draft<'_>, code: &Code) -> SignedDuration {
    let longest = draft.view.settings.give_up_after;
    let left = time_left(draft, code);
    left.map_or(longest, |left| left.min(longest))
}

/// After how long an owner is reminded: earlier where the patron needs it soon.
pub(crate) fn remind_after(draft: &Draft<'_>, code: &Code) -> SignedDuration {
    let usual = draft.view.settings.remind_after;
    let left = time_left(draft, code).map(|left| (left / 2).max(SignedDuration::from_mins(10)));
    left.map_or(usual, |left| left.min(usual))
}

/// How long it is until the patron needs the answer, where they said so and it is not too late.
fn time_left(draft: &Draft<'_>, code: &Code) -> Option<SignedDuration> {
    let end = draft.question(code)?.need_by.filter(|end| draft.now < *end)?;
    Some(end.duration_since(draft.now))
}

/// Within how many minutes such questions were taken lately at this hour, where enough is known.
pub(crate) fn usual_wait(draft: &Draft<'_>, code: &Code) -> Option<u32> {
    let question = draft.question(code)?;
    let subject = question.subjects.first().map_or_else(SubjectId::general, |found| found.subject.clone());
    draft.view.roster.crowd().usual_wait(&subject, draft.now)
}

/// Asks the librarian for whom the patron asked, if they accept that and may be asked now.
fn ask_by_name(draft: &mut Draft<'_>, code: &Code) -> Option<Search> {
    let question = draft.question(code)?;
    let person = draft.person(question.asked_for.as_ref()?)?;
    let librarian = person.librarian.as_ref().filter(|librarian| librarian.by_name)?;
    let is_ready =
        routing::availability(question, person, librarian, &circumstances(draft)) == Availability::Ready;
    let candidate = Candidate::chosen(person.account.clone(), Rung::Specialists, Why::ByName);
    if !is_ready || !invite(draft, code, &candidate) {
        return None;
    }
    draft.set_timer(code, Reason::AskNext, draft.view.settings.claim_within);
    Some(Search::ByName)
}

/// Asks more librarians, if they can be found, and sets the time for the next.
pub(crate) fn ask_more(draft: &mut Draft<'_>, code: &Code, occasion: Occasion) -> Search {
    let Some(question) = draft.question(code).filter(|question| question.state == State::Seeking).cloned()
    else {
        return Search::NobodyYet;
    };
    let found = find(draft, &question);
    let (count, together) = plan::how_many(draft, &question, &found, occasion);
    let mut asked = 0;
    for candidate in &found.ready {
        if asked == count {
            break;
        }
        asked += usize::from(invite(draft, code, candidate));
    }
    note_together(draft, code, together);
    let nearest = found.ready.first().map(|candidate| candidate.rung);
    let wait = plan::wait_for_next(draft, code, &found);
    draft.set_timer(code, Reason::AskNext, wait);
    ladder::climb(draft, code, &found, asked, occasion);
    let unspoken = || routing::language_without_speakers(&question, &circumstances(draft));
    match (asked, found.next_start) {
        (1.., _) if nearest == Some(Rung::Speakers) => {
            Search::AskedSpeakers(asked, language_name(question.language.as_deref()))
        }
        (1.., _) => Search::Asked(asked),
        (0, Some(start)) => Search::Later(start),
        (0, None) if found.anybody => {
            Search::Later(draft.now.checked_add(LOOK_AGAIN_AFTER).unwrap_or(Timestamp::MAX))
        }
        (0, None) => match unspoken() {
            Some(language) => Search::NobodySpeaks(language_name(Some(language.code()))),
            None => Search::NobodyYet,
        },
    }
}

/// Notes with the invitations of this step how likely all who were asked were to claim in time.
fn note_together(draft: &mut Draft<'_>, code: &Code, together: f64) {
    let now = draft.now;
    let Some(question) = draft.question_mut(code) else { return };
    for invitation in question.invitations.iter_mut().filter(|invitation| invitation.sent_at == now) {
        invitation.together = percent(together);
    }
}

fn percent(share: f64) -> u8 {
    // In range by the clamp, and a whole number.
    (share * 100.0).round().clamp(0.0, 100.0) as u8
}

/// The English name of a language that a tag names.
fn language_name(tag: Option<&str>) -> String {
    let language = tag.and_then(Language::parse);
    language.and_then(Language::name).unwrap_or("this language").to_owned()
}

/// Who may be asked now.
pub(crate) fn find(draft: &Draft<'_>, question: &Question) -> Found {
    routing::find(question, &circumstances(draft))
}

pub(crate) fn circumstances<'a>(draft: &'a Draft<'_>) -> Circumstances<'a> {
    Circumstances {
        settings: draft.view.settings,
        subjects: draft.view.subjects,
        roster: draft.view.roster,
        changed: draft.changed_people(),
        now: draft.now,
    }
}

/// Re-posts a question to one librarian. `false` where it cannot be sent as privately as it must be.
pub(crate) fn invite(draft: &mut Draft<'_>, code: &Code, candidate: &Candidate) -> bool {
    let Some(question) = draft.question(code).cloned() else { return false };
    let librarian = &candidate.librarian;
    // What they reply in private to a public question is passed on in public, which they have to know.
    let asked_in_private = librarian.id.network.has_flat_messages()
        && draft.person(&librarian.id).is_some_and(|person| person.wrote_directly);
    let audience = if asked_in_private && question.visibility == Visibility::Public {
        Audience::Everybody
    } else {
        Audience::AsReplied
    };
    let mut reason = reason_in_words(draft, &question, &candidate.why);
    if let Some(end) = question.need_by {
        reason.push_str(&wording::asking::needed_by(&intake::day_in_words(end, draft.view.settings)));
    }
    let mut body = wording::invitation(
        code,
        audience,
        &asker(&question, librarian),
        &subject_names(draft, &question),
        &reason,
        &outbox::defused(question.text.reveal()),
    );
    if let Some(weight_max) = question.patron.id.network.weight_max(question.visibility) {
        body.push_str(&wording::answer_in_one_post(weight_max));
    }
    let written = draft.write(Words {
        purpose: Purpose::Invitation,
        to: librarian,
        about: Some(code),
        original: question.visibility,
        place: None,
        words_of: Some(&question.patron.id),
        body,
    });
    let Written::Yes(letter) = written else { return false };
    let privately = draft.is_direct(&letter);
    let now = draft.now;
    if let Some(entry) = draft.person_mut(librarian).librarian.as_mut() {
        entry.open.insert(code.clone());
        entry.asked_at = Some(now);
        entry.load.add(entry.day(now));
        entry.asked_total = entry.asked_total.saturating_add(1);
    }
    if let Some(question) = draft.question_mut(code) {
        question.rung = question.rung.max(candidate.rung);
        let (visibility, why) = (question.visibility, candidate.why.clone());
        let invitation = Invitation::new(librarian.clone(), letter, now, visibility, why);
        question.invitations.push(Invitation { chance: percent(candidate.chance), privately, ..invitation });
    }
    draft.note(code, format!("Asked a librarian: {}", why_for_history(&candidate.why)));
    true
}

/// Takes a question from its owner, or from one of those asked, and asks somebody else.
pub(crate) fn let_go(draft: &mut Draft<'_>, code: &Code, librarian: &Account, fate: Fate) {
    let was_owner = draft.question(code).and_then(Question::owner) == Some(&librarian.id);
    outcomes::count(draft, code, &librarian.id, fate);
    set_fate(draft, code, &librarian.id, fate);
    draft.relieve(librarian, code);
    if was_owner {
        if draft.apply(code, Event::Release) {
            // Who was asked about the wrong subject hears no more of it.
            if fate != Fate::Misdirected {
                open_again(draft, code, &librarian.id);
            }
            seek(draft, code);
        } else {
            // It was answered already. What the patron may still write is a new question then.
            close(draft, code, "Closed: its librarian let it go after answering");
        }
        return;
    }
    ask_more_if_seeking(draft, code);
}

/// Tells those whose invitation lapsed because somebody else had the question that it is open again:
/// nobody is asked twice, but who was asked may still answer.
pub(crate) fn open_again(draft: &mut Draft<'_>, code: &Code, former_owner: &AccountId) {
    let Some(question) = draft.question(code).cloned() else { return };
    let lapsed = question.invitations.iter().filter(|invitation| invitation.fate == Fate::Lapsed);
    for invitation in lapsed.filter(|invitation| invitation.librarian.id != *former_owner) {
        let account = &invitation.librarian;
        let is_free = draft.person(&account.id).is_some_and(|person| {
            let as_if_not_asked = Question { invitations: Vec::new(), ..question.clone() };
            person.librarian.clone().is_some_and(|mut librarian| {
                // It is the invitation they had, not one more.
                librarian.load.take_back();
                let around = circumstances(draft);
                routing::availability(&as_if_not_asked, person, &librarian, &around) == Availability::Ready
            })
        });
        if !is_free {
            continue;
        }
        set_fate(draft, code, &account.id, Fate::Waiting);
        if let Some(entry) = draft.person_mut(account).librarian.as_mut() {
            entry.open.insert(code.clone());
        }
        let _ = draft.tell_librarian(code, &account.id, Purpose::Notice, None, wording::open_again(code));
    }
}

fn ask_more_if_seeking(draft: &mut Draft<'_>, code: &Code) {
    if draft.question(code).is_some_and(|question| question.state == State::Seeking) {
        ask_more(draft, code, Occasion::Declined);
    }
}

/// Makes a librarian the owner: the others' invitations lapse, and the search is over.
pub(crate) fn give_to(draft: &mut Draft<'_>, code: &Code, owner: &AccountId) {
    outcomes::count_all(draft, code, Some(owner));
    let Some(question) = draft.question_mut(code) else { return };
    let mut relieved = Vec::new();
    for invitation in &mut question.invitations {
        if invitation.librarian.id == *owner {
            invitation.fate = Fate::Claimed;
        } else if invitation.fate == Fate::Waiting {
            invitation.fate = Fate::Lapsed;
            relieved.push(invitation.librarian.clone());
        }
    }
    for librarian in relieved {
        draft.relieve(&librarian, code);
    }
    draft.clear_timers(code);
}

/// Ends a question in whatever way its state now says: nobody has it on their list any more, and it is
/// erased when the time for which ended questions are kept is over.
pub(crate) fn end(draft: &mut Draft<'_>, code: &Code) {
    outcomes::count_all(draft, code, None);
    let Some(question) = draft.question_mut(code) else { return };
    let mut relieved = Vec::new();
    for invitation in &mut question.invitations {
        if invitation.fate == Fate::Waiting {
            invitation.fate = Fate::Lapsed;
        }
        relieved.push(invitation.librarian.clone());
    }
    for librarian in relieved {
        draft.relieve(&librarian, code);
    }
    draft.clear_timers(code);
    draft.set_timer(code, Reason::Erase, draft.view.settings.keep_for);
}

/// Closes an answered question without a word.
pub(crate) fn close(draft: &mut Draft<'_>, code: &Code, what: &str) {
    if draft.apply(code, Event::Close) {
        end(draft, code);
        draft.note(code, what);
    }
}

pub(crate) fn set_fate(draft: &mut Draft<'_>, code: &Code, librarian: &AccountId, fate: Fate) {
    let Some(question) = draft.question_mut(code) else { return };
    let newest =
        question.invitations.iter_mut().rev().find(|invitation| invitation.librarian.id == *librarian);
    if let Some(invitation) = newest {
        invitation.fate = fate;
    }
}

/// The names of a question's subjects, best first; "general desk" where there is none.
pub(crate) fn subject_names(draft: &Draft<'_>, question: &Question) -> String {
    if question.subjects.is_empty() {
        return "general desk".to_owned();
    }
    let names = question.subjects.iter().map(|found| subject_name(draft, &found.subject));
    names.collect::<Vec<_>>().join(", ")
}

/// The name people know a subject by.
pub(crate) fn subject_name(draft: &Draft<'_>, subject: &SubjectId) -> String {
    if *subject == SubjectId::general() {
        return "general desk".to_owned();
    }
    draft.view.subjects.get(subject).map_or_else(|| subject.to_string(), |subject| subject.name.clone())
}

fn give_up(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    let Some(asked_at) = draft.question(code).map(|question| question.asked_at) else {
        return Outcome::Outdated;
    };
    if !draft.apply(code, Event::GiveUp) {
        return Outcome::Outdated;
    }
    end(draft, code);
    let waited = draft.now.duration_since(asked_at);
    let once = draft.question(code).is_some_and(writes_once);
    let body = if once { wording::gave_up_for_good(code, waited) } else { wording::gave_up(code, waited) };
    let told = draft.tell_patron(code, Purpose::Ending, None, body);
    let what = match told {
        Written::AgainstTheRules => {
            "Nobody was found, and the network's rules leave no room to tell the patron"
        }
        Written::Yes(_) | Written::NotPrivately | Written::Unwanted => {
            "Told the patron that nobody was found"
        }
    };
    draft.note(code, what);
    Outcome::GaveUp
}

/// Whether the patron's network lets the desk write to them once only.
fn writes_once(question: &Question) -> bool {
    question.patron.id.network.weight_max(question.visibility).is_some()
}

fn remind_owner(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    let Some(owner) = draft.question(code).and_then(Question::owner).cloned() else {
        return Outcome::Outdated;
    };
    let release_after = draft.view.settings.release_after;
    let _ = draft.tell_librarian(code, &owner, Purpose::Notice, None, wording::reminder(code, release_after));
    draft.set_timer(code, Reason::ReleaseClaim, release_after);
    draft.note(code, "Reminded the librarian");
    Outcome::Reminded
}

fn release_silent_owner(draft: &mut Draft<'_>, code: &Code) {
    let owner = draft.question(code).and_then(Question::owner).cloned();
    let Some(owner) = owner else { return };
    let Some(account) = draft
        .question(code)
        .and_then(|question| question.invitation(&owner))
        .map(|invitation| invitation.librarian.clone())
    else {
        return;
    };
    draft.note(code, "Released: the librarian had been silent");
    let _ = draft.tell_librarian(code, &owner, Purpose::Notice, None, wording::released_to_librarian(code));
    let _ = draft.tell_patron(code, Purpose::Notice, None, wording::looking_again(code));
    let_go(draft, code, &account, Fate::Lapsed);
}

fn interview_over(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    let Some(owner) = draft.question(code).and_then(Question::owner).cloned() else {
        return Outcome::Outdated;
    };
    if !draft.apply(code, Event::Withdraw) {
        return Outcome::Outdated;
    }
    let _ = draft.tell_patron(code, Purpose::Ending, None, wording::interview_over_to_patron(code));
    let _ =
        draft.tell_librarian(code, &owner, Purpose::Notice, None, wording::interview_over_to_librarian(code));
    end(draft, code);
    draft.note(code, "Put aside: the patron did not reply to the reference interview");
    Outcome::Withdrawn
}

pub(crate) fn waiting_invitations(draft: &Draft<'_>, code: &Code) -> usize {
    draft.question(code).map_or(0, |question| {
        question.invitations.iter().filter(|invitation| invitation.fate == Fate::Waiting).count()
    })
}

/// Who asks, as a librarian sees it: the handle only where the question was public on the librarian's
/// own network, so that identities are never carried across.
fn asker(question: &Question, librarian: &Account) -> String {
    let is_public = !question.visibility.is_private();
    if is_public && question.patron.id.network == librarian.id.network {
        return question.patron.handle.clone();
    }
    "a patron".to_owned()
}

pub(crate) fn reason_in_words(draft: &Draft<'_>, question: &Question, why: &Why) -> String {
    match why {
        Why::Subject { subject } if question.correction.as_ref().is_some_and(|said| said.to == *subject) => {
            wording::why_corrected(&subject_name(draft, subject))
        }
        Why::Subject { subject } => {
            let found = question.subjects.iter().find(|found| found.subject == *subject);
            let terms = found.into_iter().flat_map(|found| &found.because);
            let terms: Vec<String> = terms.map(|term| outbox::defused(term)).collect();
            wording::why_subject(&subject_name(draft, subject), &terms)
        }
        Why::Parent { subject } => wording::why_parent(&subject_name(draft, subject)),
        Why::Neighbour { subject } => wording::asking::why_neighbour(&subject_name(draft, subject)),
        Why::Generalist => wording::why_generalist(),
        Why::Language { language } => wording::why_language(&language_name(Some(language))),
        Why::Referred => wording::why_referred(),
        Why::Assigned => wording::why_assigned(),
        Why::ByName => wording::asking::why_by_name(),
        Why::Digest => wording::asking::why_digest(),
    }
}

/// Why somebody was asked, for the coordinator.
pub fn why_for_history(why: &Why) -> String {
    match why {
        Why::Subject { subject } => format!("opted in to {subject}"),
        Why::Parent { subject } => format!("opted in to {subject}, the parent of a subject of the question"),
        Why::Neighbour { subject } => format!("opted in to {subject}, near a subject of the question"),
        Why::Generalist => "takes any question".to_owned(),
        Why::Language { language } => format!("speaks its language, {language}, which has no rules"),
        Why::Referred => "a colleague referred it".to_owned(),
        Why::Assigned => "the coordinator assigned it".to_owned(),
        Why::ByName => "the patron asked for them by name".to_owned(),
        Why::Digest => "took it from the list of stumpers".to_owned(),
    }
}
