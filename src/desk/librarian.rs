//! The librarian's side of a question: claim, pass, refer, the reference interview, the answer.
//!
//! **Invariant:** a claimed question has one owner. Whoever else replies is told so kindly, and their
//! words are passed on only when they say `also:`.

use jiff::{SignedDuration, Timestamp};

use crate::desk::commands::Speaker;
use crate::desk::commands::redirect::Redirect;
use crate::desk::conversation::Spoken;
use crate::desk::draft::{Draft, Written};
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::outbox;
use crate::desk::person::Signature;
use crate::desk::plan::Occasion;
use crate::desk::post::{Account, AccountId, Post};
use crate::desk::question::{Correction, Event, Fate, FoundSubject, Question, Reason, Rung, State, Why};
use crate::desk::routing::{self, Availability, Candidate};
use crate::desk::step::Outcome;
use crate::desk::wording;
use crate::subjects::{Subject, SubjectId};

/// Who passes so often in a row …
const PASSES_BEFORE_REST: u8 = 2;

/// … is asked nothing for so long.
const REST_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How many near subjects are named to a librarian who said `wrong subject`.
const NEAR_SUBJECTS_MAX: usize = 4;

/// Finds the invitation that a command is about, notes where the librarian spoke, and goes on with it.
pub(crate) fn with_question(
    draft: &mut Draft<'_>,
    spoken: &Spoken<'_>,
    then: impl FnOnce(&mut Draft<'_>, &Spoken<'_>, &Code) -> Outcome,
) -> Outcome {
    let author = &spoken.post.author.id;
    let about = spoken.about.clone().filter(|_| spoken.speaker == Speaker::Invited);
    let live = draft.questions().filter(|question| is_live(question, author));
    let mut open: Vec<Code> = live.map(|question| question.code.clone()).collect();
    let found = about.or_else(|| if open.len() == 1 { open.pop() } else { None });
    let Some(code) = found else {
        let is_librarian = draft.person(author).is_some_and(|person| person.librarian.is_some());
        let body = match (open.is_empty(), is_librarian) {
            (false, _) => wording::which_question(&open),
            (true, true) => wording::not_invited(),
            (true, false) => wording::volunteering::not_a_librarian(),
        };
        draft.reply(spoken.post, Purpose::Reply, body);
        return Outcome::Helped;
    };
    note_place(draft, &code, spoken.post);
    then(draft, spoken, &code)
}

/// Asks which of their questions a librarian means.
pub(crate) fn which_one(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let author = &spoken.post.author.id;
    let live = draft.questions().filter(|question| is_live(question, author));
    let open: Vec<Code> = live.map(|question| question.code.clone()).collect();
    draft.reply(spoken.post, Purpose::Reply, wording::which_question(&open));
    Outcome::Helped
}

/// Whether this librarian was asked the question and still has a part in it.
pub(crate) fn is_live(question: &Question, librarian: &AccountId) -> bool {
    let fate = question.invitation(librarian).map(|invitation| invitation.fate);
    matches!(fate, Some(Fate::Waiting | Fate::Claimed)) && !question.state.is_final()
}

/// `claim`: the question is theirs if nobody has it.
pub(crate) fn claim(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code) -> Outcome {
    let author = &spoken.post.author.id;
    let remind_after = escalation::remind_after(draft, code);
    if is_owner(draft, code, author) {
        keep(draft, code);
        say(draft, code, author, wording::kept(code));
        return Outcome::Claimed;
    }
    if !take(draft, code, author) {
        return too_late(draft, code, author);
    }
    say(draft, code, author, wording::claimed_to_librarian(code, remind_after));
    let _ = draft.tell_patron(code, Purpose::Notice, None, wording::claimed_to_patron(code));
    Outcome::Claimed
}

/// `pass`: they decline, or give back what they had claimed.
pub(crate) fn pass(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code) -> Outcome {
    let author = &spoken.post.author;
    if draft.question(code).is_some_and(|question| question.state.is_final()) {
        return too_late(draft, code, &author.id);
    }
    if is_owner(draft, code, &author.id) && is_answered(draft, code) {
        return done(draft, spoken, code);
    }
    draft.note(code, "A librarian passed");
    let was_claimed = is_owner(draft, code, &author.id);
    let is_tired = rests_after(draft, code, author);
    let body = if is_tired { wording::asking::passed_and_rest(code) } else { wording::passed(code) };
    say(draft, code, &author.id, body);
    escalation::let_go(draft, code, author, Fate::Passed);
    if was_claimed {
        let _ = draft.tell_patron(code, Purpose::Notice, None, wording::looking_again(code));
    }
    Outcome::Passed
}

/// Whether this pass is the second in a row; then they are left in peace for a while.
fn rests_after(draft: &mut Draft<'_>, code: &Code, author: &Account) -> bool {
    let until = draft.now.checked_add(REST_FOR).unwrap_or(Timestamp::MAX);
    let fate =
        draft.question(code).and_then(|question| question.invitation(&author.id)).map(|found| found.fate);
    let Some(entry) = draft.person_mut(author).librarian.as_mut() else { return false };
    let is_tired = fate == Some(Fate::Waiting) && PASSES_BEFORE_REST <= entry.record.passes_in_a_row + 1;
    if is_tired {
        entry.resting_until = Some(until);
    }
    is_tired
}

/// `why me`: which subject, which evidence, why this person and not more.
pub(crate) fn why_me(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code) -> Outcome {
    let author = &spoken.post.author.id;
    let Some(question) = draft.question(code) else { return Outcome::Outdated };
    let Some(invitation) = question.invitation(author) else { return Outcome::Outdated };
    let reason = escalation::reason_in_words(draft, question, &invitation.why);
    let together = question.invitations.iter().filter(|other| other.sent_at == invitation.sent_at).count();
    let odds = (invitation.chance != 0 && invitation.together != 0)
        .then_some((invitation.chance, invitation.together));
    let body = wording::asking::why_me(code, &reason, odds, together, draft.view.settings);
    say(draft, code, author, body);
    Outcome::Helped
}

/// A plain reply to an invitation: it is the answer.
pub(crate) fn answer(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code) -> Outcome {
    let post = spoken.post;
    let author = &post.author.id;
    note_place(draft, code, post);
    let Some(question) = draft.question(code) else { return Outcome::Outdated };
    let is_first = !matches!(question.state, State::Answered { .. });
    let why = question.invitation(author).map_or(&Why::Generalist, |invitation| &invitation.why);
    let subject = routing::subject_asked(why);
    let is_possible = question.state.after(Event::Answer { by: author.clone() }).is_some();
    if !is_possible {
        return too_late(draft, code, author);
    }
    let by = signature(draft, question, &post.author);
    let text = outbox::relayed(post.text.reveal(), code);
    let written = |text: &str| {
        if is_first { wording::answer(code, &by, text) } else { wording::more_answer(&by, text) }
    };
    let narrowest = question.visibility.min(post.visibility);
    let (body, is_cut) = outbox::in_one_post(question.patron.id.network, narrowest, &text, written);
    if !relay_to_patron(draft, code, Purpose::Answer, post, body) {
        return Outcome::Declined;
    }
    escalation::give_to(draft, code, author);
    draft.apply(code, Event::Answer { by: author.clone() });
    draft.set_timer(code, Reason::CloseQuiet, draft.view.settings.close_after);
    if is_first {
        draft.note(code, "Answered by a librarian");
        if let Some(librarian) = draft.person_mut(&post.author).librarian.as_mut() {
            librarian.answered_total = librarian.answered_total.saturating_add(1);
            let work = librarian.record.work_mut(&subject);
            work.answered = work.answered.saturating_add(1);
        }
        draft.relieve(&post.author, code);
        say(draft, code, author, wording::answer_passed_on(code));
    }
    if is_cut {
        draft.note(code, "The answer was cut: one post is all that the patron's network allows");
        say(draft, code, author, wording::answer_cut(code));
    }
    Outcome::Answered
}

/// `ask: …`: the reference interview. Asking is claiming.
pub(crate) fn ask(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code, text: &str) -> Outcome {
    let post = spoken.post;
    let author = &post.author.id;
    let is_new = !is_owner(draft, code, author);
    let can_take =
        draft.question(code).and_then(|question| question.state.after(Event::Claim { by: author.clone() }));
    if is_new && can_take.is_none() {
        return too_late(draft, code, author);
    }
    let body = wording::interview(code, &outbox::defused(text));
    if !relay_to_patron(draft, code, Purpose::Interview, post, body) {
        return Outcome::Declined;
    }
    if is_new {
        take(draft, code, author);
    }
    draft.apply(code, Event::Ask);
    let wait = draft.view.settings.interview_for;
    draft.clear_timers(code);
    draft.set_timer(code, Reason::InterviewOver, wait);
    draft.note(code, "The librarian asked the patron something (reference interview)");
    say(draft, code, author, wording::interview_asked(code, wait));
    Outcome::Interviewed
}

/// `done`: the owner says that the conversation is over.
pub(crate) fn done(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code) -> Outcome {
    let author = &spoken.post.author.id;
    let is_open_to_all = draft.question(code).is_some_and(|question| question.state == State::Seeking);
    if !is_owner(draft, code, author) && !is_open_to_all {
        return too_late(draft, code, author);
    }
    if !is_answered(draft, code) {
        say(draft, code, author, wording::not_answered_yet(code));
        return Outcome::Helped;
    }
    say(draft, code, author, wording::done(code));
    escalation::close(draft, code, "Closed by the librarian");
    Outcome::Closed
}

/// `also: …`: a second answer, beside the owner's.
pub(crate) fn also(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code, text: &str) -> Outcome {
    let post = spoken.post;
    let Some(question) = draft.question(code) else { return Outcome::Outdated };
    let by = signature(draft, question, &post.author);
    match question.state {
        State::Withdrawn => return too_late(draft, code, &post.author.id),
        // Nobody answered yet, so this is the answer.
        State::Seeking | State::Unanswered => return answer_with(draft, spoken, code, text),
        State::Claimed { .. }
        | State::Interview { .. }
        | State::Answered { .. }
        | State::Closed
        | State::Held { .. } => {}
    }
    let body = wording::second_answer(code, &by, &outbox::defused(text));
    if !relay_to_patron(draft, code, Purpose::Answer, post, body) {
        return Outcome::Declined;
    }
    draft.note(code, "A second librarian added to the answer");
    say(draft, code, &post.author.id, wording::also_passed_on(code));
    Outcome::Answered
}

/// An answer whose text is a part of the post.
fn answer_with(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code, text: &str) -> Outcome {
    let post = Post { text: crate::desk::post::Confidential::new(text), ..spoken.post.clone() };
    let (about, named) = (spoken.about.clone(), spoken.named.clone());
    answer(draft, &Spoken { post: &post, about, named, speaker: spoken.speaker }, code)
}

/// `refer to @colleague`: the colleague is invited, if they may be.
pub(crate) fn refer_to_person(
    draft: &mut Draft<'_>,
    spoken: &Spoken<'_>,
    code: &Code,
    handle: &str,
) -> Outcome {
    let author = &spoken.post.author;
    let named = format!("@{handle}");
    let Some(question) = referable(draft, code, &author.id) else { return too_late(draft, code, &author.id) };
    let around = escalation::circumstances(draft);
    let colleague = draft.view.roster.iter().find_map(|(person, librarian)| {
        let is_named = person.account.handle.eq_ignore_ascii_case(handle) && person.account.id != author.id;
        let may = || routing::availability(&question, person, librarian, &around) == Availability::Ready;
        (is_named && may()).then(|| person.account.clone())
    });
    let candidate = colleague.map(|librarian| Candidate::chosen(librarian, question.rung, Why::Referred));
    let is_invited = candidate.is_some_and(|candidate| escalation::invite(draft, code, &candidate));
    if !is_invited {
        say(draft, code, &author.id, wording::refer_not_possible(&outbox::defused(&named)));
        return Outcome::Helped;
    }
    draft.note(code, "Referred to a colleague");
    say(draft, code, &author.id, wording::referred(code, &outbox::defused(&named)));
    escalation::let_go(draft, code, author, Fate::Referred);
    Outcome::Referred
}

/// `refer to law`: the question is of that subject now, and its librarians are asked.
pub(crate) fn refer_to_subject(
    draft: &mut Draft<'_>,
    spoken: &Spoken<'_>,
    code: &Code,
    subject: &SubjectId,
) -> Outcome {
    let author = &spoken.post.author;
    if referable(draft, code, &author.id).is_none() {
        return too_late(draft, code, &author.id);
    }
    let name = escalation::subject_name(draft, subject);
    if let Some(question) = draft.question_mut(code) {
        question.subjects.retain(|found| found.subject != *subject);
        // A librarian's word is all the evidence there needs to be; no term of the rules stands for it.
        let referred = FoundSubject { subject: subject.clone(), confidence: 1.0, because: Vec::new() };
        question.subjects.insert(0, referred);
        question.rung = Rung::Specialists;
    }
    draft.note(code, format!("Referred to {subject}"));
    let is_asked = hand_on(draft, code, author, Fate::Referred);
    let body = if is_asked { wording::referred(code, &name) } else { wording::referred_nobody(code, &name) };
    say(draft, code, &author.id, body);
    Outcome::Referred
}

/// `wrong subject, this is law`: the rules were wrong. The question is corrected and goes where it
/// belongs, and it is as if this librarian had never been asked.
pub(crate) fn wrong_subject(
    draft: &mut Draft<'_>,
    spoken: &Spoken<'_>,
    code: &Code,
    redirect: &Redirect,
) -> Outcome {
    let author = &spoken.post.author;
    let Some(question) = referable(draft, code, &author.id) else { return too_late(draft, code, &author.id) };
    let to = match redirect {
        Redirect::To(to) | Redirect::Instead { to, .. } => to,
        Redirect::Unknown(words) => return ask_which(draft, code, &author.id, Some(words)),
        Redirect::Unsaid => return ask_which(draft, code, &author.id, None),
    };
    let name = escalation::subject_name(draft, to);
    let name = if *to == SubjectId::general() { format!("the {name}") } else { name };
    excuse(draft, code, author);
    let is_there = matches!(question.subjects.as_slice(), [only] if only.subject == *to);
    if is_there {
        escalation::let_go(draft, code, author, Fate::Misdirected);
        say(draft, code, &author.id, wording::corrected_already(code, &name));
        return Outcome::Corrected;
    }
    correct(draft, code, author, to);
    let is_asked = hand_on(draft, code, author, Fate::Misdirected);
    let body =
        if is_asked { wording::corrected(code, &name) } else { wording::corrected_nobody(code, &name) };
    say(draft, code, &author.id, body);
    Outcome::Corrected
}

/// Notes the subject that a librarian named, with what the rules had found before anybody corrected it.
fn correct(draft: &mut Draft<'_>, code: &Code, by: &Account, to: &SubjectId) {
    let at = draft.now;
    let Some(question) = draft.question_mut(code) else { return };
    let corrected = FoundSubject { subject: to.clone(), confidence: 1.0, because: Vec::new() };
    let before = std::mem::replace(&mut question.subjects, vec![corrected]);
    question.rung = Rung::Specialists;
    let names: Vec<String> = before.iter().map(|found| found.subject.to_string()).collect();
    let names = if names.is_empty() { SubjectId::general().to_string() } else { names.join(" and ") };
    let from = question.correction.take().map_or(before, |earlier| earlier.from);
    question.correction = Some(Correction { to: to.clone(), from, by: by.clone(), at });
    draft.note(code, format!("A librarian corrected the subject from {names} to {to}"));
}

/// Takes back that a librarian was asked: being asked about another subject is no fault of theirs.
fn excuse(draft: &mut Draft<'_>, code: &Code, librarian: &Account) {
    let fate =
        draft.question(code).and_then(|question| question.invitation(&librarian.id)).map(|found| found.fate);
    if fate == Some(Fate::Misdirected) || draft.person(&librarian.id).is_none() {
        return;
    }
    if let Some(entry) = draft.person_mut(librarian).librarian.as_mut() {
        entry.asked_total = entry.asked_total.saturating_sub(1);
    }
}

/// Asks which subject it is, naming a few that are near; the name alone is enough of a reply then.
fn ask_which(draft: &mut Draft<'_>, code: &Code, librarian: &AccountId, unknown: Option<&str>) -> Outcome {
    let near = near_subjects(draft, code, unknown);
    let invitation = draft.question_mut(code).and_then(|question| {
        question.invitations.iter_mut().rev().find(|invitation| invitation.librarian.id == *librarian)
    });
    invitation.into_iter().for_each(|invitation| invitation.asked_subject = true);
    say(draft, code, librarian, wording::which_subject(code, unknown, &near));
    Outcome::Helped
}

/// The names of subjects that may be meant: written much like the words, spoken for by the question's
/// text, or of the same family as the subjects it is in.
fn near_subjects(draft: &Draft<'_>, code: &Code, words: Option<&str>) -> Vec<String> {
    let Some(question) = draft.question(code) else { return Vec::new() };
    let subjects = draft.view.subjects;
    let alike = words.and_then(|words| subjects.closest(words)).map(|subject| subject.id.clone());
    let found = subjects.classify(question.text.reveal(), question.language.as_deref()).subjects;
    let is_now = |id: &SubjectId| question.subjects.iter().any(|now| now.subject == *id);
    let parents: Vec<&SubjectId> =
        question.subjects.iter().filter_map(|now| subjects.get(&now.subject)?.parent.as_ref()).collect();
    let is_parent = |id: &SubjectId| parents.contains(&id);
    let is_family = |subject: &&Subject| {
        is_parent(&subject.id) || subject.parent.as_ref().is_some_and(|id| is_parent(id) || is_now(id))
    };
    let family = subjects.iter().filter(is_family);
    let mut near: Vec<SubjectId> = Vec::new();
    let ranked = found.into_iter().map(|ranked| ranked.id);
    for id in alike.into_iter().chain(ranked).chain(family.map(|subject| subject.id.clone())) {
        if near.len() < NEAR_SUBJECTS_MAX && !is_now(&id) && !near.contains(&id) {
            near.push(id);
        }
    }
    near.iter().map(|id| escalation::subject_name(draft, id)).collect()
}

/// Lets a question go that is of another subject, and asks there. `false` where nobody is free yet.
fn hand_on(draft: &mut Draft<'_>, code: &Code, from: &Account, fate: Fate) -> bool {
    let asked = |draft: &Draft<'_>| draft.question(code).map_or(0, |question| question.invitations.len());
    let before = asked(draft);
    escalation::let_go(draft, code, from, fate);
    // Others may still be thinking about it, so that nobody was asked by letting go. A colleague's
    // judgement weighs more than that, so the new subject is asked at once all the same.
    if asked(draft) == before {
        escalation::ask_more(draft, code, Occasion::HandedOn);
    }
    before < asked(draft)
}

/// The question, if this librarian may refer it: nobody else has it and it is open.
fn referable(draft: &Draft<'_>, code: &Code, librarian: &AccountId) -> Option<Question> {
    let question = draft.question(code)?;
    let is_free = question.state == State::Seeking || question.owner() == Some(librarian);
    let is_answered = matches!(question.state, State::Answered { .. });
    (is_free && !is_answered).then(|| question.clone())
}

/// Somebody else has it, or it is over: says so kindly.
fn too_late(draft: &mut Draft<'_>, code: &Code, librarian: &AccountId) -> Outcome {
    let Some(question) = draft.question(code) else { return Outcome::Outdated };
    let body = match &question.state {
        State::Claimed { .. } | State::Interview { .. } | State::Answered { .. } => {
            wording::owned_by_colleague(code)
        }
        state @ (State::Closed
        | State::Withdrawn
        | State::Unanswered
        | State::Seeking
        | State::Held { .. }) => wording::question_is_over(code, state),
    };
    say(draft, code, librarian, body);
    Outcome::Outdated
}

fn is_owner(draft: &Draft<'_>, code: &Code, librarian: &AccountId) -> bool {
    draft.question(code).and_then(Question::owner) == Some(librarian)
}

fn is_answered(draft: &Draft<'_>, code: &Code) -> bool {
    draft.question(code).is_some_and(|question| matches!(question.state, State::Answered { .. }))
}

/// Makes the librarian the owner. `false` where somebody else is, or the question is over.
fn take(draft: &mut Draft<'_>, code: &Code, librarian: &AccountId) -> bool {
    if !draft.apply(code, Event::Claim { by: librarian.clone() }) {
        return false;
    }
    escalation::give_to(draft, code, librarian);
    let remind_after = escalation::remind_after(draft, code);
    draft.set_timer(code, Reason::RemindOwner, remind_after);
    draft.note(code, "Claimed by a librarian");
    true
}

/// The owner is still there: the reminder starts anew.
fn keep(draft: &mut Draft<'_>, code: &Code) {
    if draft.question(code).is_some_and(|question| matches!(question.state, State::Claimed { .. })) {
        draft.clear_timers(code);
        draft.set_timer(code, Reason::RemindOwner, draft.view.settings.remind_after);
    }
}

/// Carries a librarian's words to the patron; where that cannot be done as privately as they were
/// said, tells the librarian instead and says `false`.
fn relay_to_patron(draft: &mut Draft<'_>, code: &Code, purpose: Purpose, post: &Post, body: String) -> bool {
    match draft.tell_patron(code, purpose, Some((&post.author.id, post.visibility)), body) {
        Written::Yes(_) => true,
        Written::NotPrivately => {
            say(draft, code, &post.author.id, wording::reply_must_be_public(code));
            false
        }
        Written::Unwanted => false,
        Written::AgainstTheRules => {
            say(draft, code, &post.author.id, wording::no_reply_left(code));
            false
        }
    }
}

fn say(draft: &mut Draft<'_>, code: &Code, librarian: &AccountId, body: String) {
    // A librarian wrote just now on this network, so a word back can be as private as theirs was.
    let _ = draft.tell_librarian(code, librarian, Purpose::Notice, None, body);
}

/// Remembers where the librarian spoke last, and how privately: what follows is no wider.
fn note_place(draft: &mut Draft<'_>, code: &Code, post: &Post) {
    let Some(question) = draft.question_mut(code) else { return };
    let newest =
        question.invitations.iter_mut().rev().find(|invitation| invitation.librarian.id == post.author.id);
    if let Some(invitation) = newest {
        invitation.place = Some(post.place.clone());
        // Whatever they say now, they were heard.
        invitation.asked_subject = false;
        invitation.visibility = invitation.visibility.min(post.visibility);
    }
}

/// How an answer is signed: as the librarian wishes; without a wish by handle, but only where the question
/// was public on the same network.
fn signature(draft: &Draft<'_>, question: &Question, librarian: &Account) -> String {
    let wish = draft.person(&librarian.id).and_then(|person| person.librarian.as_ref());
    match wish.map(|librarian| &librarian.signature) {
        Some(Signature::Name(name)) => name.clone(),
        Some(Signature::Usual) | None
            if !question.visibility.is_private() && question.patron.id.network == librarian.id.network =>
        {
            librarian.handle.clone()
        }
        Some(Signature::Usual | Signature::Nameless) | None => "a librarian".to_owned(),
    }
}
