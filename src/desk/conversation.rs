//! A post arrives: is it for us, about which question, and who is speaking?
//!
//! **Invariant:** a post of a bot or of the desk itself changes nothing; nor does one by somebody
//! without a part in the conversation that mentions a crowd or does not call the desk, except the two
//! words that always work: `stop` and `forget me`.

use std::borrow::Cow;

use crate::desk::commands::redirect::{self, Redirect};
use crate::desk::commands::{self, Mistake, Said, Speaker};
use crate::desk::draft::{Draft, Room};
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::post::{AccountId, Post, Visibility};
use crate::desk::question::{DeskPost, Question, State};
use crate::desk::step::Outcome;
use crate::desk::{
    aftercare, blocking, held, ladder, librarian, libraries, linking, outlets, patron, privacy, volunteering,
    wording,
};
use crate::subjects::{Kind, SubjectId};

/// A post, with what is known about its place in the conversation.
#[derive(Debug)]
pub(crate) struct Spoken<'a> {
    pub(crate) post: &'a Post,
    /// The question it is about, if it replies to one or names one of the author's.
    pub(crate) about: Option<Code>,
    /// The code in its text, of whatever question.
    pub(crate) named: Option<Code>,
    pub(crate) speaker: Speaker,
}

/// Decides about a post.
pub(crate) fn on_post(draft: &mut Draft<'_>, post: &Post) -> Outcome {
    if let Some(ignored) = by_no_person(draft, post) {
        return ignored;
    }
    if let Some(offered) = outlets::take_offer(draft, post) {
        return offered;
    }
    if let Some(ignored) = not_for_us(draft, post) {
        return ignored;
    }
    let about = about(draft, post);
    let post = &*as_meant(draft, post, about.as_ref());
    let mut spoken = spoken(draft, post, about);
    let reading = commands::read(post.text.reveal(), spoken.speaker, draft.view.subjects);
    spoken.named = reading.code;
    let is_stopped = draft.person(&post.author.id).is_some_and(|person| person.stopped);
    if is_stopped && reading.said == Said::Stop {
        return Outcome::Commanded;
    }
    // Whoever writes to the desk again may be written to again. Even `stop` passes here: its last
    // word is said before the door is closed.
    let now = draft.now;
    draft.person_mut(&post.author).account = post.author.clone();
    for account in linking::accounts_of(draft, &post.author.id) {
        if draft.person(&account.id).is_some_and(|person| person.stopped) {
            draft.person_mut(&account).stopped = false;
        }
    }
    linking::follow(draft, &post.author);
    if let Some(code) = &spoken.about {
        linking::take_over(draft, code, &post.author);
    }
    draft.person_mut(&post.author).librarian.iter_mut().for_each(|librarian| librarian.seen_at = Some(now));
    if draft.heard_as(post) == Visibility::Direct && post.author.id.network.has_flat_messages() {
        draft.person_mut(&post.author).wrote_directly = true;
    }
    if reading.said == Said::Stop {
        return privacy::stop(draft, &spoken);
    }
    if reading.said == Said::ForgetMe {
        return privacy::forget_me(draft, &spoken);
    }
    if post.author.id.network.copy_visibility(post.visibility).is_none() {
        return decline(draft, post);
    }
    let room = draft.room(&post.author, spoken.about.as_ref());
    // Whoever leaves is asked nothing more, also where they wrote so much that they are answered no more.
    if reading.said == Said::Leave && room != Room::Plenty {
        volunteering::resign(draft, &post.author);
    }
    match room {
        Room::Plenty => {}
        Room::LastWord(until) => {
            draft.reply(post, Purpose::Reply, wording::capped(until, draft.view.settings));
            draft.use_up_room(&post.author, spoken.about.as_ref());
            return Outcome::Capped;
        }
        Room::None => return Outcome::Capped,
    }
    if let Some(code) = &spoken.about {
        draft.link(post.id(), Some(code.clone()), post.author.id.clone());
    }
    react(draft, &spoken, reading.said)
}

/// What no person wrote: the desk's own posts, and those of bots.
fn by_no_person(draft: &Draft<'_>, post: &Post) -> Option<Outcome> {
    let settings = draft.view.settings;
    if settings.accounts.get(&post.author.id.network).is_some_and(|desk| desk.id == post.author.id) {
        return Some(Outcome::IgnoredOwn);
    }
    post.author.bot.then_some(Outcome::IgnoredBot)
}

/// What is not for the desk, and why.
fn not_for_us(draft: &Draft<'_>, post: &Post) -> Option<Outcome> {
    let settings = draft.view.settings;
    if has_a_part(draft, post) || asks_to_be_left_alone(draft, post) || asks_for_a_rest(draft, post) {
        return None;
    }
    if settings.mentions_max < post.mentions.len() {
        return Some(Outcome::IgnoredCrowd);
    }
    (!post.addressed).then_some(Outcome::IgnoredStranger)
}

/// Whether a reply comes from somebody the conversation is with.
fn has_a_part(draft: &Draft<'_>, post: &Post) -> bool {
    let Some(link) = &draft.view.link else { return false };
    let question = link.code.as_ref().and_then(|code| draft.question(code));
    link.with == post.author.id || question.is_some_and(|question| question.involves(&post.author.id))
}

/// Whether the post is one of the two words that always work, even below a post of the desk that was
/// forgotten since.
pub(crate) fn asks_to_be_left_alone(draft: &Draft<'_>, post: &Post) -> bool {
    let said = commands::read(post.text.reveal(), Speaker::Anyone, draft.view.subjects).said;
    matches!(said, Said::Stop | Said::ForgetMe)
}

/// Whether a librarian wants to be asked no more, or not now. That works below a post of the desk that was
/// forgotten since, as the two words do that work for everybody.
fn asks_for_a_rest(draft: &Draft<'_>, post: &Post) -> bool {
    let is_librarian = draft.person(&post.author.id).is_some_and(|person| person.librarian.is_some());
    let said = || commands::read(post.text.reveal(), Speaker::Anyone, draft.view.subjects).said;
    is_librarian && matches!(said(), Said::Leave | Said::Pause(_))
}

/// The post with the audience its author meant. Where a network's copies of what is public are unlisted,
/// out of courtesy to its timelines, a reply below such a copy is unlisted because the desk's post was:
/// it is meant for everybody, as the question is. So is what a librarian says to a public question in a
/// direct message, where they were asked in one.
fn as_meant<'p>(draft: &Draft<'_>, post: &'p Post, about: Option<&Code>) -> Cow<'p, Post> {
    let meant_for_all = || Cow::Owned(Post { visibility: Visibility::Public, ..post.clone() });
    if is_message(post) {
        let was_asked = about.and_then(|code| draft.question(code)).is_some_and(|question| {
            let author = &post.author.id;
            question.visibility == Visibility::Public
                && question.patron.id != *author
                && question.invitation(author).is_some_and(|invitation| invitation.privately)
        });
        return if was_asked { meant_for_all() } else { Cow::Borrowed(post) };
    }
    let courtesy = post.author.id.network.copy_visibility(Visibility::Public);
    let question = draft.view.link.as_ref().and_then(|link| link.code.as_ref());
    let question = question.and_then(|code| draft.question(code));
    let is_below_public_copy = question.is_some_and(|question| {
        let below = |own: &DeskPost| post.in_reply_to.as_ref() == Some(&own.post);
        question.visibility == Visibility::Public && question.posts.iter().any(below)
    });
    if post.visibility < Visibility::Public && courtesy == Some(post.visibility) && is_below_public_copy {
        return meant_for_all();
    }
    Cow::Borrowed(post)
}

/// Whether this is a direct message of a network where messages are no replies to one another.
fn is_message(post: &Post) -> bool {
    post.visibility == Visibility::Direct && post.author.id.network.has_flat_messages()
}

/// The question that a post is about: the one named by its code, else the one it replies to. What a
/// librarian says in a message is about what the desk wrote last, unless they have several questions and
/// might mean another: an answer must not reach the wrong patron.
fn about(draft: &Draft<'_>, post: &Post) -> Option<Code> {
    let author = &post.author.id;
    let accounts = linking::accounts_of(draft, author);
    let involves = |question: &Question| {
        question.involves(author) || accounts.iter().any(|account| question.involves(&account.id))
    };
    let is_theirs = |code: &Code| draft.question(code).is_some_and(involves);
    let named = commands::codes_in(post.text.reveal()).find(is_theirs);
    let linked = draft.view.link.as_ref().and_then(|link| link.code.clone()).filter(is_theirs);
    if named.is_some() || !is_message(post) {
        return named.or(linked);
    }
    let live: Vec<&Question> =
        draft.questions().filter(|question| librarian::is_live(question, author)).collect();
    // Without words of its own about which question it is, a message is taken for an answer only where
    // the desk's last message was about the question and nothing else can be meant.
    let is_unanswered = |question: &Question| !matches!(question.state, State::Answered { .. });
    match linked {
        None => None,
        Some(linked) if live.is_empty() => Some(linked),
        Some(linked) => {
            let is_open = live.iter().any(|question| question.code == linked);
            let others = live.iter().any(|question| question.code != linked && is_unanswered(question));
            (is_open && !others).then_some(linked)
        }
    }
}

/// Whether a question was asked by this person, from whichever account.
fn is_patron(draft: &Draft<'_>, question: &Question, author: &AccountId) -> bool {
    let accounts = linking::accounts_of(draft, author);
    question.patron.id == *author || accounts.iter().any(|account| account.id == question.patron.id)
}

/// Who is speaking, and about what.
fn spoken<'a>(draft: &Draft<'_>, post: &'a Post, about: Option<Code>) -> Spoken<'a> {
    let author = &post.author.id;
    let speaker = match about.as_ref().and_then(|code| draft.question(code)) {
        None if draft.questions().any(|question| librarian::is_live(question, author)) => Speaker::Asked,
        None => Speaker::Anyone,
        Some(question) if is_patron(draft, question, author) => Speaker::Patron,
        Some(_) => Speaker::Invited,
    };
    Spoken { post, about, named: None, speaker }
}

/// A private post where the desk cannot write privately: a kind word without a word of the content.
fn decline(draft: &mut Draft<'_>, post: &Post) -> Outcome {
    let public = Post { visibility: Visibility::Public, ..post.clone() };
    if draft.may_help(&post.author) {
        draft.reply(&public, Purpose::Reply, wording::declined_private());
    }
    Outcome::Declined
}

fn react(draft: &mut Draft<'_>, spoken: &Spoken<'_>, said: Said) -> Outcome {
    match said {
        Said::Help => help(draft, spoken),
        Said::NoLearning => patron::no_learning(draft, spoken),
        Said::Status => patron::status(draft, spoken),
        Said::Cancel => patron::cancel(draft, spoken),
        Said::Publish => outlets::publish(draft, spoken),
        Said::Unpublish => outlets::unpublish(draft, spoken),
        Said::Thanks => patron::thanks(draft, spoken),
        Said::MyQuestions => patron::my_questions(draft, spoken),
        Said::Done if spoken.speaker == Speaker::Patron => patron::done(draft, spoken),
        Said::Link => linking::begin(draft, spoken),
        Said::LinkWith(code) => linking::complete(draft, spoken, &code),
        Said::Unlink => linking::unlink(draft, spoken),
        Said::Sign(name) => volunteering::sign(draft, spoken, name),
        Said::Join(subjects) => volunteering::join(draft, spoken, subjects),
        Said::Leave => volunteering::leave(draft, spoken),
        Said::Hours(hours) => volunteering::hours(draft, spoken, hours),
        Said::Languages(languages) => volunteering::languages(draft, spoken, languages),
        Said::Limit(limit) => volunteering::limit(draft, spoken, limit),
        Said::Pause(length) => volunteering::pause(draft, spoken, length),
        Said::Back => volunteering::back(draft, spoken),
        Said::MyHelp => volunteering::my_help(draft, spoken),
        Said::Away(from, until) => volunteering::away(draft, spoken, from, until),
        Said::OnlyOn(days) => volunteering::only_on(draft, spoken, &days),
        Said::Invitations(allowance) => volunteering::invitations(draft, spoken, allowance),
        Said::Level(level) => volunteering::level(draft, spoken, level),
        Said::ByName(may) => volunteering::by_name(draft, spoken, may),
        Said::Digest(wanted) => volunteering::digest(draft, spoken, wanted),
        Said::Block(handle) => blocking::block(draft, spoken, handle.as_deref()),
        Said::Unblock(handle) => blocking::unblock(draft, spoken, handle.as_deref()),
        // From a librarian these words are the answer.
        Said::Solved if spoken.speaker == Speaker::Invited => words(draft, spoken),
        Said::Solved => aftercare::solved(draft, spoken),
        Said::NotSolved(detail) => aftercare::not_solved(draft, spoken, &detail),
        Said::NeedBy(day) => aftercare::need_by(draft, spoken, day),
        Said::DoneWith(effort) => librarian::with_question(draft, spoken, |draft, spoken, code| {
            aftercare::done_with(draft, spoken, code, &effort)
        }),
        Said::MyLibrary(name) => libraries::my_library(draft, spoken, &name),
        Said::OnlyMyLibrary => libraries::keep_in(draft, spoken),
        Said::WhyMe => librarian::with_question(draft, spoken, librarian::why_me),
        Said::Claim | Said::Nothing if is_stumper_named(draft, spoken) => {
            let named = spoken.named.clone().unwrap_or_else(|| draft.view.free_code.clone());
            ladder::take(draft, spoken, &named)
        }
        Said::Nothing if spoken.named.is_some() && spoken.speaker == Speaker::Invited => {
            librarian::with_question(draft, spoken, librarian::claim)
        }
        Said::Claim => librarian::with_question(draft, spoken, librarian::claim),
        Said::Pass => librarian::with_question(draft, spoken, librarian::pass),
        Said::Done => librarian::with_question(draft, spoken, librarian::done),
        Said::ReferToPerson(handle) => librarian::with_question(draft, spoken, |draft, spoken, code| {
            librarian::refer_to_person(draft, spoken, code, &handle)
        }),
        Said::ReferToSubject(subject) => librarian::with_question(draft, spoken, |draft, spoken, code| {
            librarian::refer_to_subject(draft, spoken, code, &subject)
        }),
        // Said of a question that is not there at all, it is an answer.
        Said::WrongSubject(Redirect::Instead { of, .. }) if !is_found_in(draft, spoken, &of) => {
            words(draft, spoken)
        }
        Said::WrongSubject(redirect) => librarian::with_question(draft, spoken, |draft, spoken, code| {
            librarian::wrong_subject(draft, spoken, code, &redirect)
        }),
        Said::Ask(text) => librarian::with_question(draft, spoken, |draft, spoken, code| {
            librarian::ask(draft, spoken, code, &text)
        }),
        Said::Also(text) => librarian::with_question(draft, spoken, |draft, spoken, code| {
            librarian::also(draft, spoken, code, &text)
        }),
        Said::Mistaken(mistake) => mistaken(draft, spoken, &mistake),
        Said::Words => words(draft, spoken),
        Said::Nothing => help_once(draft, spoken),
        Said::Stop | Said::ForgetMe => Outcome::Commanded,
    }
}

/// Whether a librarian names a question of the daily list, which nobody asked them yet.
fn is_stumper_named(draft: &Draft<'_>, spoken: &Spoken<'_>) -> bool {
    let author = &spoken.post.author.id;
    let is_librarian = draft.person(author).is_some_and(|person| person.librarian.is_some());
    let question = spoken.named.as_ref().and_then(|code| draft.question(code));
    is_librarian && question.is_some_and(|question| !question.involves(author))
}

/// Plain words: an answer, more of a question, or a new question.
fn words(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let question = spoken.about.as_ref().and_then(|code| draft.question(code));
    match (spoken.speaker, question) {
        (Speaker::Invited, Some(question)) => {
            let code = question.code.clone();
            match subject_asked_for(draft, spoken, question) {
                Some(to) => librarian::with_question(draft, spoken, |draft, spoken, code| {
                    librarian::wrong_subject(draft, spoken, code, &Redirect::To(to))
                }),
                None => librarian::answer(draft, spoken, &code),
            }
        }
        (Speaker::Patron, Some(question)) if takes_more(question) => {
            let code = question.code.clone();
            patron::more(draft, spoken, &code)
        }
        // It may be the answer to either of several questions.
        (Speaker::Asked, None) if is_message(spoken.post) => librarian::which_one(draft, spoken),
        (speaker, _) => {
            if let Some(outcome) = no_question(draft, spoken) {
                return outcome;
            }
            let is_question = spoken.post.addressed || commands::asks(spoken.post.text.reveal());
            if is_question || speaker == Speaker::Patron {
                return patron::ask(draft, spoken.post);
            }
            // A reply to small talk of the desk that neither calls it nor asks: it is not guessed to be a question.
            help_once(draft, spoken)
        }
    }
}

/// The subject that a librarian names when the desk had asked them which one it is. Anything else they
/// say then is an answer, as always.
fn subject_asked_for(draft: &Draft<'_>, spoken: &Spoken<'_>, question: &Question) -> Option<SubjectId> {
    let invitation = question.invitation(&spoken.post.author.id)?;
    let text = spoken.post.text.reveal();
    invitation.asked_subject.then(|| redirect::subject_named(text, draft.view.subjects)).flatten()
}

fn is_found_in(draft: &Draft<'_>, spoken: &Spoken<'_>, subject: &SubjectId) -> bool {
    let question = spoken.about.as_ref().and_then(|code| draft.question(code));
    question.is_some_and(|question| question.subjects.iter().any(|found| found.subject == *subject))
}

/// Whether what its patron writes below a question belongs to it; below an ended one it is a new one, and
/// so it is below one that nobody has seen.
fn takes_more(question: &Question) -> bool {
    !question.state.is_final() && !question.state.is_held()
}

/// What is no question is treated as what it is; `None` for a question. Whoever opted in as a librarian is
/// known to the desk, so nothing of theirs is held back.
fn no_question(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Option<Outcome> {
    let post = spoken.post;
    let screening = draft.view.subjects.screen(post.text.reveal(), post.language.as_deref());
    let person = draft.person(&post.author.id).and_then(|person| person.librarian.as_ref());
    let is_librarian = person.is_some_and(|librarian| librarian.opted_in_at.is_some());
    match screening.kind {
        Kind::Question => None,
        Kind::Spam | Kind::Abuse if is_librarian => None,
        Kind::Spam | Kind::Abuse => Some(held::hold(draft, post, &screening)),
        Kind::Greeting => Some(greet(draft, spoken)),
        Kind::Thanks => Some(patron::thanks(draft, spoken)),
        Kind::Empty => Some(help_once(draft, spoken)),
    }
}

/// Greets back, and tells how to ask; once, as with help.
fn greet(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    if draft.may_help(&spoken.post.author) {
        draft.reply(spoken.post, Purpose::Reply, wording::greeting());
    }
    Outcome::Helped
}

fn mistaken(draft: &mut Draft<'_>, spoken: &Spoken<'_>, mistake: &Mistake) -> Outcome {
    let is_unknown_word = matches!(mistake, Mistake::Word { .. });
    // A single word may be a greeting, and no slip of the finger.
    if let Some(outcome) = is_unknown_word.then(|| no_question(draft, spoken)).flatten() {
        return outcome;
    }
    if !is_unknown_word || draft.may_help(&spoken.post.author) {
        draft.reply(spoken.post, Purpose::Reply, wording::mistakes::mistaken(mistake));
    }
    Outcome::Helped
}

fn help_once(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    if !draft.may_help(&spoken.post.author) {
        return Outcome::Helped;
    }
    help(draft, spoken)
}

fn help(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let post = spoken.post;
    let is_librarian = draft.person(&post.author.id).is_some_and(|person| person.librarian.is_some());
    let body = match post.author.id.network.weight_max(draft.heard_as(post)) {
        Some(_) => wording::help_in_one_post(),
        None => wording::help(draft.view.settings, is_librarian),
    };
    draft.reply(post, Purpose::Reply, body);
    Outcome::Helped
}
