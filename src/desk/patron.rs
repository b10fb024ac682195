//! The patron's side: asking, adding, thanking, cancelling.
//!
//! **Invariant:** a patron's words go only to the librarians of their own question, never wider than
//! the narrowest post they come from.

use crate::desk::commands::Speaker;
use crate::desk::conversation::Spoken;
use crate::desk::draft::{Draft, Written};
use crate::desk::escalation;
use crate::desk::ids::Code;
use crate::desk::intake;
use crate::desk::letter::Purpose;
use crate::desk::outbox;
use crate::desk::plan::Occasion;
use crate::desk::post::{AccountId, Confidential, Post, Visibility};
use crate::desk::question::{Event, Fate, FoundSubject, Piece, Question, Reason, Rung, State};
use crate::desk::step::Outcome;
use crate::desk::wording::Search;
use crate::desk::{aftercare, librarian, linking, outlets, wording};
use crate::subjects::{Classification, SubjectId};

/// A question, with all that is added to it, keeps at most this many bytes.
const QUESTION_BYTES_MAX: usize = 20_000;

/// The bytes between two pieces of a question: an empty line.
pub(crate) const PIECES_APART: usize = 2;

/// Thanks in more words than this say something besides.
const THANKS_WORDS_MAX: usize = 4;

/// Marks where a longer text was cut.
const CUT_MARK: &str = "\n[…]";

/// Takes in a new question.
pub(crate) fn ask(draft: &mut Draft<'_>, post: &Post) -> Outcome {
    let code = draft.view.free_code.clone();
    let accepts = |named: &AccountId| {
        let librarian = draft.view.roster.get(named).and_then(|person| person.librarian.as_ref());
        librarian.is_some_and(|librarian| librarian.by_name)
    };
    let asked_for = intake::asked_for(post).filter(accepts);
    draft.add_question(Question { asked_for, ..question(draft, &code, post, State::Seeking) });
    take_in(draft, &code)
}

/// A post as a question that nothing was done about yet.
pub(crate) fn question(draft: &Draft<'_>, code: &Code, post: &Post, state: State) -> Question {
    let objects = draft.person(&post.author.id).is_some_and(|person| person.no_learning);
    let is_public = post.visibility == Visibility::Public;
    let text = limited(post.text.reveal());
    Question {
        visibility: post.visibility,
        language: post.language.clone(),
        warning: post.warning.as_ref().map(|warning| Confidential::new(outbox::defused(warning.reveal()))),
        said: vec![Piece { post: post.id(), bytes: text.len() }],
        state,
        learnable: draft.view.settings.learn_from_questions && is_public && !objects,
        ..Question::new(
            code.clone(),
            post.author.clone(),
            post.place.clone(),
            Confidential::new(text),
            draft.now,
        )
    }
}

/// Classifies a question, asks the first librarians, and tells the patron.
pub(crate) fn take_in(draft: &mut Draft<'_>, code: &Code) -> Outcome {
    let Some(question) = draft.question(code) else { return Outcome::Outdated };
    let subjects = &draft.view.subjects;
    let found = subjects.classify(question.text.reveal(), question.language.as_deref());
    let (post, patron) = (question.place.post_id(), question.patron.id.clone());
    let patron_network = patron.network;
    let learnable = question.learnable;
    if let Some(question) = draft.question_mut(code) {
        question.subjects = found_subjects(&found);
        question.language = found.language;
    }
    draft.link(post, Some(code.clone()), patron);
    draft.note(code, explanation(draft, code));
    intake::note(draft, code);
    let search = escalation::seek(draft, code);
    let settings = draft.view.settings;
    let mut body = match may_be_placed(draft, code, &search) {
        true => wording::acknowledgement_without_subject(code, &search, settings),
        false => wording::acknowledgement(code, &names(draft, code), &search, settings),
    };
    if let (Search::Asked(_), Some(minutes)) = (&search, escalation::usual_wait(draft, code)) {
        body.push_str(&wording::asking::usual_wait(minutes));
    }
    if let Some(behind) = draft.view.settings.behind.get(&patron_network) {
        body.push_str(&wording::behind(*behind));
    }
    if learnable {
        body.push_str(wording::may_be_learnt_from());
    }
    if matches!(search, Search::NobodyYet | Search::NobodySpeaks(_)) {
        body.push_str(outlets::suggestion(draft, code));
    }
    let _ = draft.tell_patron(code, Purpose::Acknowledgement, None, body);
    Outcome::Asked
}

fn names(draft: &Draft<'_>, code: &Code) -> String {
    draft.question(code).map(|question| escalation::subject_names(draft, question)).unwrap_or_default()
}

/// Whether a word of the patron's would tell a subject that the rules did not find: not where there are none
/// for their language, and not where they said whom to ask.
fn may_be_placed(draft: &Draft<'_>, code: &Code, search: &Search) -> bool {
    let is_without = draft.question(code).is_some_and(|question| question.subjects.is_empty());
    is_without && matches!(search, Search::Asked(_) | Search::Later(_) | Search::NobodyYet)
}

/// Looks anew for a question's subject, now that its patron said more, and asks those who take it: where it
/// had none, where it is about something else altogether now, and where they name another subject. `false`
/// where nothing changes. What a librarian said its subject is stands: they know better than the rules.
pub(crate) fn place(draft: &mut Draft<'_>, code: &Code, added: &str) -> bool {
    let waits = |question: &&Question| question.state == State::Seeking && !is_placed_by_librarian(question);
    let Some(question) = draft.question(code).filter(waits) else { return false };
    let subjects = draft.view.subjects;
    let found = subjects.classify(question.text.reveal(), question.language.as_deref());
    let mut placed = found_subjects(&found);
    let is_known = |of: &SubjectId| question.subjects.iter().any(|known| known.subject == *of);
    if placed.iter().any(|found| is_known(&found.subject)) {
        placed.clear();
    }
    // A subject's bare name need not be a term of it.
    let named = subjects.named(added.trim()).filter(|named| !is_known(named));
    if let Some(subject) = named {
        placed.retain(|found| found.subject != subject);
        placed.insert(0, FoundSubject { subject, confidence: 1.0, because: Vec::new() });
    }
    placed.retain(|found| found.subject != SubjectId::general());
    if placed.is_empty() {
        return false;
    }
    if let Some(question) = draft.question_mut(code) {
        question.subjects = placed;
        question.rung = Rung::Specialists;
    }
    draft.note(code, format!("The patron said more: it is about {}", names(draft, code)));
    let search = escalation::ask_more(draft, code, Occasion::HandedOn);
    let body = wording::now_with_subject(code, &names(draft, code), &search, draft.view.settings);
    let _ = draft.tell_patron(code, Purpose::Notice, None, body);
    true
}

/// Whether a librarian said what the question's subject is.
fn is_placed_by_librarian(question: &Question) -> bool {
    let says = |fate: Fate| matches!(fate, Fate::Referred | Fate::Misdirected);
    question.correction.is_some() || question.invitations.iter().any(|invitation| says(invitation.fate))
}

/// More of the same question: kept with it, and passed on to the librarian who works on it.
pub(crate) fn more(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &Code) -> Outcome {
    let post = spoken.post;
    let Some(question) = draft.question_mut(code) else { return Outcome::Outdated };
    // What was said in private narrows the whole question: later copies hold these words too.
    question.visibility = question.visibility.min(post.visibility);
    question.place = post.place.clone();
    let is_public = question.visibility == Visibility::Public;
    if !is_public && outlets::take_down(draft, code, "a part of it is private now") {
        let _ = draft.tell_patron(code, Purpose::Notice, None, wording::publishing::unpublished(code));
    }
    let Some(question) = draft.question_mut(code) else { return Outcome::Outdated };
    let was_interview = matches!(question.state, State::Interview { .. });
    let owner = question.owner().cloned();
    if !matches!(question.state, State::Answered { .. }) {
        let text = format!("{}\n\n{}", question.text.reveal(), post.text.reveal());
        let text = limited(&text);
        let before = question.text.reveal().len().saturating_add(PIECES_APART);
        question.said.push(Piece { post: post.id(), bytes: text.len().saturating_sub(before) });
        question.text = Confidential::new(text);
    }
    let settings = draft.view.settings;
    if was_interview && draft.apply(code, Event::Reply) {
        draft.clear_timers(code);
        draft.set_timer(code, Reason::RemindOwner, settings.remind_after);
        draft.note(code, "The patron replied to the reference interview");
    }
    if draft.question(code).is_some_and(|question| matches!(question.state, State::Answered { .. })) {
        draft.set_timer(code, Reason::CloseQuiet, settings.close_after);
    }
    match owner {
        Some(owner) => relay_detail(draft, code, &owner, post),
        None => {
            tell_waiting(draft, code, post);
            if !place(draft, code, post.text.reveal()) {
                let _ = draft.tell_patron(code, Purpose::Notice, None, wording::detail_noted(code));
            }
        }
    }
    Outcome::Relayed
}

fn relay_detail(draft: &mut Draft<'_>, code: &Code, owner: &AccountId, post: &Post) {
    let body = wording::detail(code, &outbox::relayed(post.text.reveal(), code));
    let source = Some((&post.author.id, post.visibility));
    if draft.tell_librarian(code, owner, Purpose::Detail, source, body) == Written::NotPrivately {
        draft.reply_about(post, Some(code), Purpose::Notice, wording::reply_must_be_public(code));
    }
}

/// Passes more of a question on to everybody who is still thinking about it.
fn tell_waiting(draft: &mut Draft<'_>, code: &Code, post: &Post) {
    let waiting: Vec<AccountId> = draft.question(code).map_or_else(Vec::new, |question| {
        let waiting = question.invitations.iter().filter(|invitation| invitation.fate == Fate::Waiting);
        waiting.map(|invitation| invitation.librarian.id.clone()).collect()
    });
    for librarian in waiting {
        let body = wording::detail(code, &outbox::relayed(post.text.reveal(), code));
        let _ = draft.tell_librarian(
            code,
            &librarian,
            Purpose::Detail,
            Some((&post.author.id, post.visibility)),
            body,
        );
    }
}

/// Where the patron's questions stand.
pub(crate) fn status(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let about = spoken.about.as_ref().and_then(|code| draft.question(code)).into_iter();
    let open = open_questions(draft, &spoken.post.author.id);
    let asked: Vec<&Question> = if spoken.about.is_some() { about.collect() } else { open };
    let lines: Vec<String> = asked
        .iter()
        .map(|question| {
            let next = question.timers.get(&Reason::AskNext).copied();
            wording::status(question, &escalation::subject_names(draft, question), next, draft.view.settings)
        })
        .collect();
    let body = if lines.is_empty() { wording::no_such_question() } else { lines.join("\n") };
    let only = match asked.as_slice() {
        // What is held back has no conversation that a reply could go on.
        [only] if !only.state.is_held() => Some(only.code.clone()),
        _ => None,
    };
    if let Some(code) = &only {
        linking::take_over(draft, code, &spoken.post.author);
    }
    draft.reply_about(spoken.post, only.as_ref(), Purpose::Reply, body);
    Outcome::Commanded
}

/// The rules learn from none of this patron's questions, asked before or to be asked.
pub(crate) fn no_learning(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let author = &spoken.post.author;
    for account in linking::accounts_of(draft, &author.id) {
        draft.person_mut(&account).no_learning = true;
        let theirs = draft.questions().filter(|question| question.patron.id == account.id);
        for code in theirs.map(|question| question.code.clone()).collect::<Vec<_>>() {
            draft.question_mut(&code).into_iter().for_each(|question| question.learnable = false);
        }
    }
    draft.reply(spoken.post, Purpose::Reply, wording::no_learning());
    Outcome::Commanded
}

/// Takes a question back.
pub(crate) fn cancel(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let Some(code) = own_question(draft, spoken) else { return Outcome::Helped };
    withdraw(draft, &code);
    draft.reply_about(spoken.post, Some(&code), Purpose::Reply, wording::cancelled(&code));
    Outcome::Withdrawn
}

/// Withdraws a question and tells the librarians who have seen it.
pub(crate) fn withdraw(draft: &mut Draft<'_>, code: &Code) {
    let Some(question) = draft.question(code).cloned() else { return };
    if !draft.apply(code, Event::Withdraw) {
        return;
    }
    for invitation in &question.invitations {
        let still_cares = matches!(invitation.fate, Fate::Waiting | Fate::Claimed);
        // Without a place the invitation is not out yet, and the sender will not send it any more.
        if still_cares && invitation.place.is_some() && !matches!(question.state, State::Answered { .. }) {
            let body = wording::withdrawn_to_librarian(code);
            let _ = draft.tell_librarian(code, &invitation.librarian.id, Purpose::Notice, None, body);
        }
    }
    escalation::end(draft, code);
    draft.note(code, "Withdrawn by the patron");
}

/// Thanks are passed on to the librarian, in the patron's words.
pub(crate) fn thanks(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    if spoken.speaker == Speaker::Invited {
        return Outcome::Thanked;
    }
    let post = spoken.post;
    let answered =
        |question: &&Question| matches!(question.state, State::Answered { .. } | State::Claimed { .. });
    let about = spoken.about.clone().or_else(|| {
        let mine = draft.questions().filter(|question| question.patron.id == post.author.id).filter(answered);
        mine.max_by_key(|question| question.asked_at).map(|question| question.code.clone())
    });
    let owner = about.as_ref().and_then(|code| draft.question(code)).and_then(thankable);
    let (Some(code), Some(owner)) = (about, owner) else {
        // "Thanks, and it was the 1904 edition", while nobody has answered: that is more of the question.
        if let Some(code) = &spoken.about
            && THANKS_WORDS_MAX < post.text.reveal().split_whitespace().count()
            && draft.question(code).is_some_and(|question| !question.state.is_final())
        {
            return more(draft, spoken, code);
        }
        if post.addressed {
            draft.reply(post, Purpose::Reply, wording::thanks_from_anyone());
        }
        return Outcome::Thanked;
    };
    let body = wording::thanks_relayed(&code, &outbox::relayed(post.text.reveal(), &code));
    let source = Some((&post.author.id, post.visibility));
    match draft.tell_librarian(&code, &owner, Purpose::Thanks, source, body) {
        Written::Yes(_) => {
            draft.note(&code, "Thanks passed on to the librarian");
            aftercare::count(draft, &code, &owner, |work| work.thanked = work.thanked.saturating_add(1));
            welcome(draft, &code, post);
        }
        Written::NotPrivately => {
            draft.reply_about(post, Some(&code), Purpose::Notice, wording::reply_must_be_public(&code));
        }
        Written::Unwanted | Written::AgainstTheRules => {
            draft.reply_about(post, Some(&code), Purpose::Reply, wording::thanks_from_anyone());
        }
    }
    Outcome::Thanked
}

/// Tells the patron that their thanks are passed on, where they said them. Thanks in private do not make
/// the whole question private, so the conversation stays in its thread then.
fn welcome(draft: &mut Draft<'_>, code: &Code, post: &Post) {
    match draft.question_mut(code).filter(|question| question.visibility <= post.visibility) {
        Some(question) => {
            question.place = post.place.clone();
            let _ = draft.tell_patron(code, Purpose::Notice, None, wording::thanks_from_patron());
        }
        None => draft.reply_about(post, Some(code), Purpose::Reply, wording::thanks_from_patron()),
    }
}

/// The librarian whom thanks reach: the owner, or whoever answered a question that is closed by now.
fn thankable(question: &Question) -> Option<AccountId> {
    let claimed = question.invitations.iter().find(|invitation| invitation.fate == Fate::Claimed);
    question.owner().cloned().or_else(|| claimed.map(|invitation| invitation.librarian.id.clone()))
}

/// The patron says that it is done.
pub(crate) fn done(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let Some(code) = spoken.about.clone() else { return Outcome::Outdated };
    if draft.question(&code).is_some_and(|question| matches!(question.state, State::Answered { .. })) {
        escalation::close(draft, &code, "Closed: the patron said it is done");
        draft.reply_about(spoken.post, Some(&code), Purpose::Reply, wording::thanks_from_anyone());
        return Outcome::Closed;
    }
    cancel(draft, spoken)
}

/// All open questions this person has a part in: those needed first come first, then the others by age.
pub(crate) fn my_questions(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let author = &spoken.post.author.id;
    let line = |question: &Question| {
        wording::one_of_my_questions(question, &escalation::subject_names(draft, question))
    };
    let listed = |mut questions: Vec<&Question>| -> Vec<String> {
        questions.sort_by_key(|question| question.in_order_of_need());
        questions.into_iter().map(line).collect()
    };
    let asked = listed(open_questions(draft, author));
    let accounts = linking::accounts_of(draft, author);
    let is_live =
        |question: &&Question| accounts.iter().any(|account| librarian::is_live(question, &account.id));
    let invited = listed(draft.questions().filter(is_live).collect());
    draft.reply(spoken.post, Purpose::Reply, wording::my_questions(&asked, &invited));
    Outcome::Commanded
}

/// The open questions that a person asked, from whichever of their accounts.
fn open_questions<'d>(draft: &'d Draft<'_>, patron: &AccountId) -> Vec<&'d Question> {
    let accounts = linking::accounts_of(draft, patron);
    let is_theirs = |question: &&Question| {
        question.patron.id == *patron || accounts.iter().any(|account| account.id == question.patron.id)
    };
    draft.questions().filter(is_theirs).filter(|question| !question.is_over()).collect()
}

/// The patron's own question that a command is about: the one named or replied to, else the only open
/// one. Where there is none or more than one, says so.
fn own_question(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Option<Code> {
    let open: Vec<Code> = open_questions(draft, &spoken.post.author.id)
        .into_iter()
        .filter(|question| !question.state.is_held() || spoken.about.as_ref() == Some(&question.code))
        .map(|question| question.code.clone())
        .collect();
    let named = spoken.about.as_ref().filter(|code| open.contains(code)).cloned();
    let only = match open.as_slice() {
        [only] if spoken.about.is_none() => Some(only.clone()),
        _ => None,
    };
    let found = named.or(only);
    if found.is_none() {
        let body = if open.len() > 1 && spoken.about.is_none() {
            wording::which_question(&open)
        } else {
            wording::no_such_question()
        };
        draft.reply(spoken.post, Purpose::Reply, body);
    }
    found
}

/// The subjects to route to, each with the terms that speak for it.
pub(crate) fn found_subjects(classification: &Classification) -> Vec<FoundSubject> {
    let terms_of = |subject: &crate::subjects::SubjectId| {
        let matched = classification.matched.iter();
        let mut found: Vec<_> = matched
            .filter(|found| found.subject == *subject && found.weight > 0.0 && found.is_telling())
            .collect();
        // The most telling terms first; among equals as they stand in the text.
        found.sort_by(|one, other| other.weight.total_cmp(&one.weight));
        let mut terms: Vec<String> = Vec::new();
        for term in found.into_iter().map(|found| &found.term) {
            if !terms.contains(term) {
                terms.push(term.clone());
            }
        }
        terms
    };
    classification
        .chosen()
        .iter()
        .map(|ranked| FoundSubject {
            subject: ranked.id.clone(),
            confidence: ranked.confidence,
            because: terms_of(&ranked.id),
        })
        .collect()
}

/// Why a question went to its subjects, for its history: terms of the rules, not the patron's words.
fn explanation(draft: &Draft<'_>, code: &Code) -> String {
    let Some(question) = draft.question(code) else { return String::new() };
    let subjects: Vec<String> = question
        .subjects
        .iter()
        .map(|found| {
            format!("{} (confidence {:.2}: {})", found.subject, found.confidence, found.because.join(", "))
        })
        .collect();
    match subjects.as_slice() {
        [] => "Asked; too little evidence for a subject, so it went to the general desk".to_owned(),
        subjects => format!("Asked; classified as {}", subjects.join("; ")),
    }
}

/// The text, cut at a character where it is too long, and marked there.
pub(crate) fn limited(text: &str) -> String {
    if text.len() <= QUESTION_BYTES_MAX {
        return text.to_owned();
    }
    let room = QUESTION_BYTES_MAX - CUT_MARK.len();
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= room).last().unwrap_or(0);
    format!("{}{CUT_MARK}", text.split_at(end).0)
}
