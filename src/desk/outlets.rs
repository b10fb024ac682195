//! Outlets: open questions shown to everybody, where their patrons want that, and the answers that
//! strangers offer there.
//!
//! A patron says `publish`, and the question goes to the desk's own timeline, its Facebook Page and its
//! feed, whichever the coordinator set up. `unpublish` takes it back, and so does whatever ends the
//! question, but for an answer that is still being talked about. What strangers reply is kept with the question
//! until the coordinator has looked at it.
//!
//! **Invariant:** nothing is published that was not public, to which its patron did not say `publish`, or
//! with the patron's name or a mention in it. No stranger's words reach a patron before the coordinator
//! passed them on, and nobody who replies to what was published is answered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::commands::{self, Mistake, Said, Speaker};
use crate::desk::conversation::Spoken;
use crate::desk::draft::{Draft, Written};
use crate::desk::ids::{Code, LetterId};
use crate::desk::letter::Purpose;
use crate::desk::outbox;
use crate::desk::post::{Account, AccountId, Confidential, Network, Post, PostId, Visibility};
use crate::desk::question::{Question, State};
use crate::desk::settings::Outlets;
use crate::desk::step::Outcome;
use crate::desk::{linking, wording};
use crate::subjects::Kind;

/// How many characters of a question are published: more would fill a timeline.
pub const PUBLISHED_CHARS_MAX: usize = 1_500;

/// How many offered answers to one question are kept. Of more, only the number is.
pub const OFFERS_MAX: usize = 20;

/// How many offered answers of one account to one question are kept.
pub const OFFERS_OF_ONE_MAX: usize = 3;

/// How many characters of an offered answer are kept.
pub const OFFER_CHARS_MAX: usize = 2_000;

/// Marks where a longer text was cut.
const CUT_MARK: &str = " […]";

/// What everybody may see of a question, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Publicity {
    /// What its patron agreed to; `None` before that, and after they took it back.
    pub published: Option<Published>,
    /// Whether its patron ever agreed.
    pub ever: bool,
    /// What strangers offered as an answer, in the order of arrival.
    pub offers: Vec<Offer>,
    /// The number of the latest offer, so that no number is given twice.
    pub last_number: u32,
    /// How many offers were not kept: too many, or spam.
    pub unkept: u32,
}

/// A patron's consent, and what was published by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    pub at: Timestamp,
    /// The words to which the patron agreed. What they write later is not published.
    pub text: Confidential,
    /// The letters that carry it, each a post on a timeline or page. Empty where only the feed does.
    pub letters: Vec<LetterId>,
}

/// What somebody without a part in a question replied to its published post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// What the coordinator calls it by.
    pub number: u32,
    pub author: Account,
    pub text: Confidential,
    pub post: PostId,
    /// Who could see the reply.
    pub visibility: Visibility,
    pub at: Timestamp,
    pub fate: OfferFate,
}

/// What became of an offered answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferFate {
    /// The coordinator has not looked at it yet.
    Waiting,
    /// It was passed on to the patron.
    Relayed,
    /// The coordinator does not pass it on.
    Dismissed,
}

/// What the coordinator finds of an offered answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Relay,
    Dismiss,
}

impl Publicity {
    /// Whether this letter carries what is published with the patron's consent as it stands now.
    pub fn holds(&self, letter: &LetterId) -> bool {
        self.published.as_ref().is_some_and(|published| published.letters.contains(letter))
    }

    /// How many offered answers the coordinator has not looked at.
    pub fn waiting(&self) -> usize {
        self.offers.iter().filter(|offer| offer.fate == OfferFate::Waiting).count()
    }

    /// Forgets what this account offered.
    pub(crate) fn strike_out(&mut self, account: &AccountId) {
        self.offers.retain(|offer| offer.author.id != *account);
    }
}

impl Question {
    /// What its patron agreed to show everybody, while it is an open stumper: published, and neither
    /// claimed nor answered.
    pub fn open_stumper(&self) -> Option<&Published> {
        let is_open = matches!(self.state, State::Seeking | State::Unanswered);
        self.publicity.published.as_ref().filter(|_| is_open && self.visibility == Visibility::Public)
    }
}

/// The addressee of a post that is written to nobody in particular.
pub fn everybody(network: Network) -> Account {
    Account::new(network, "", "")
}

/// What can be added to the news that nobody was found yet; nothing where the question cannot be
/// published or is already.
pub(crate) fn suggestion(draft: &Draft<'_>, code: &Code) -> &'static str {
    let may = draft.question(code).is_some_and(|question| {
        question.visibility == Visibility::Public && question.publicity.published.is_none()
    });
    if may && draft.view.settings.outlets.is_any() { wording::publishing::may_be_published() } else { "" }
}

/// `publish`: the patron agrees that everybody may see their question.
pub(crate) fn publish(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let Some(question) = own_question(draft, spoken) else { return Outcome::Helped };
    let code = question.code.clone();
    let body = match refusal(draft, &question) {
        Some(kindly) => kindly,
        None => {
            if question.publicity.published.is_none() {
                put_out(draft, &question);
            }
            wording::publishing::published(&code, &places(&draft.view.settings.outlets))
        }
    };
    draft.reply_about(spoken.post, Some(&code), Purpose::Reply, body);
    Outcome::Commanded
}

/// `unpublish`: the patron takes it back.
pub(crate) fn unpublish(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let Some(code) = own_question(draft, spoken).map(|question| question.code) else {
        return Outcome::Helped;
    };
    take_down(draft, &code, "the patron took their consent back");
    draft.reply_about(spoken.post, Some(&code), Purpose::Reply, wording::publishing::unpublished(&code));
    Outcome::Commanded
}

/// A question that ended is taken down, unless it ended because nobody was found: then it is what the
/// outlets are for.
pub(crate) fn on_end(draft: &mut Draft<'_>, code: &Code) {
    let is_over = draft.question(code).is_some_and(|question| question.state != State::Unanswered);
    if is_over {
        take_down(draft, code, "the question has ended");
    }
}

/// Takes back what was published: no more of it is sent, and what is on the networks is deleted.
/// `false` where nothing was.
pub(crate) fn take_down(draft: &mut Draft<'_>, code: &Code, why: &str) -> bool {
    let Some(question) = draft.question_mut(code) else { return false };
    if question.publicity.published.take().is_none() {
        return false;
    }
    let (public, rest) = std::mem::take(&mut question.posts).into_iter().partition(|post| {
        let to = everybody(post.post.network);
        post.to == to.id
    });
    question.posts = rest;
    let public: Vec<crate::desk::question::DeskPost> = public;
    for post in public {
        draft.delete_post(&post.post, &everybody(post.post.network));
    }
    draft.note(code, format!("No longer published: {why}"));
    true
}

/// Keeps a stranger's reply to a published question for the coordinator. `None` where the post is
/// something else, such as a command, or a reply by somebody with a part in the question.
pub(crate) fn take_offer(draft: &mut Draft<'_>, post: &Post) -> Option<Outcome> {
    let link = draft.view.link.as_ref().filter(|link| link.with == everybody(link.with.network).id)?;
    let code = link.code.clone()?;
    let question = draft.question(&code)?;
    question.publicity.published.as_ref()?;
    let accounts = linking::accounts_of(draft, &post.author.id);
    let has_a_part =
        question.involves(&post.author.id) || accounts.iter().any(|account| question.involves(&account.id));
    let said = commands::read(post.text.reveal(), Speaker::Anyone, draft.view.subjects).said;
    if has_a_part {
        return None;
    }
    if said == Said::Thanks {
        // Kind, but nothing for the coordinator to look at.
        return Some(Outcome::IgnoredStranger);
    }
    if !matches!(said, Said::Words | Said::Mistaken(Mistake::Word { .. })) {
        return None;
    }
    let screening = draft.view.subjects.screen(post.text.reveal(), post.language.as_deref());
    let is_spam = matches!(screening.kind, Kind::Spam | Kind::Abuse);
    let (now, author) = (draft.now, &post.author);
    let publicity = &mut draft.question_mut(&code)?.publicity;
    let theirs = publicity.offers.iter().filter(|offer| offer.author.id == author.id).count();
    if is_spam || OFFERS_MAX <= publicity.offers.len() || OFFERS_OF_ONE_MAX <= theirs {
        publicity.unkept = publicity.unkept.saturating_add(1);
        return Some(Outcome::Held);
    }
    publicity.last_number = publicity.last_number.saturating_add(1);
    let number = publicity.last_number;
    publicity.offers.push(Offer {
        number,
        author: author.clone(),
        text: Confidential::new(cut(post.text.reveal(), OFFER_CHARS_MAX)),
        post: post.id(),
        visibility: post.visibility,
        at: now,
        fate: OfferFate::Waiting,
    });
    draft.note(&code, format!("Somebody on {} offered an answer, number {number}", author.id.network));
    Some(Outcome::Offered)
}

/// The coordinator has looked at an offered answer.
pub(crate) fn judge(draft: &mut Draft<'_>, code: &Code, number: u32, verdict: Verdict) -> Outcome {
    let waiting = |offer: &&Offer| offer.number == number && offer.fate == OfferFate::Waiting;
    let Some(question) = draft.question(code) else { return Outcome::Outdated };
    let Some(offer) = question.publicity.offers.iter().find(waiting).cloned() else {
        return Outcome::Outdated;
    };
    let (fate, what, outcome) = match verdict {
        Verdict::Dismiss => (OfferFate::Dismissed, "The coordinator dismissed", Outcome::Closed),
        Verdict::Relay => {
            let body =
                wording::publishing::offered(offer.author.id.network, &outbox::defused(offer.text.reveal()));
            let source = Some((&offer.author.id, offer.visibility));
            match draft.tell_patron(code, Purpose::Answer, source, body) {
                Written::Yes(_) => {}
                Written::NotPrivately | Written::AgainstTheRules | Written::Unwanted => {
                    return Outcome::Declined;
                }
            }
            (OfferFate::Relayed, "The coordinator passed on", Outcome::Relayed)
        }
    };
    if let Some(question) = draft.question_mut(code) {
        let offers = question.publicity.offers.iter_mut();
        offers.filter(|offer| offer.number == number).for_each(|offer| offer.fate = fate);
    }
    draft.note(code, format!("{what} the offered answer number {number}"));
    outcome
}

/// Why a question is not published, in words for its patron.
fn refusal(draft: &Draft<'_>, question: &Question) -> Option<String> {
    let code = &question.code;
    if question.visibility != Visibility::Public {
        return Some(wording::publishing::private_is_not_published(code));
    }
    if !draft.view.settings.outlets.is_any() {
        return Some(wording::publishing::nothing_is_published());
    }
    match question.state {
        State::Seeking | State::Unanswered => None,
        State::Claimed { .. } | State::Interview { .. } => {
            Some(wording::publishing::no_need_to_publish(code))
        }
        State::Answered { .. } | State::Closed | State::Withdrawn | State::Held { .. } => {
            Some(wording::publishing::too_late_to_publish(code))
        }
    }
}

/// Writes the question to every outlet.
fn put_out(draft: &mut Draft<'_>, question: &Question) {
    let outlets = draft.view.settings.outlets.clone();
    let code = &question.code;
    let nameless = without_name(question.text.reveal(), &question.patron.handle);
    let text = outbox::defused(&cut(&nameless, PUBLISHED_CHARS_MAX));
    let mut letters = Vec::new();
    for network in &outlets.posts {
        let name = outbox::defused(&draft.view.settings.name);
        let text = match &question.warning {
            Some(warning) if !network.has_warnings() => {
                &wording::warned(&outbox::defused(warning.reveal()), &text)
            }
            Some(_) | None => &text,
        };
        let body = wording::publishing::stumper(
            code,
            &name,
            text,
            network.has_timeline(),
            outlets.hashtag.as_deref(),
        );
        letters.extend(draft.publish(code, *network, &body));
    }
    let text = match &question.warning {
        Some(warning) => wording::warned(&outbox::defused(warning.reveal()), &text),
        None => text,
    };
    let published = Published { at: draft.now, text: Confidential::new(text), letters };
    if let Some(question) = draft.question_mut(code) {
        question.publicity.published = Some(published);
        question.publicity.ever = true;
    }
    draft.note(code, format!("The patron agreed to publish it: {}", places(&outlets)));
}

/// Where questions are published, for the patron and the history.
fn places(outlets: &Outlets) -> String {
    let mut places: Vec<String> = outlets.posts.iter().map(|network| format!("on {network}")).collect();
    places.extend(outlets.feed.then(|| "in the desk's feed".to_owned()));
    wording::join(places.into_iter())
}

/// The question of their own that a patron speaks of: the one named or replied to, else the only one that
/// could be published. Where there is none or more than one, says so.
fn own_question(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Option<Question> {
    let author = &spoken.post.author.id;
    let accounts = linking::accounts_of(draft, author);
    let is_theirs = |question: &&Question| {
        let is_theirs =
            question.patron.id == *author || accounts.iter().any(|account| account.id == question.patron.id);
        is_theirs && !question.state.is_held()
    };
    let named = spoken.about.as_ref().and_then(|code| draft.question(code)).filter(is_theirs).cloned();
    if named.is_some() {
        return named;
    }
    let is_open = |question: &&Question| !question.state.is_final() || question.state == State::Unanswered;
    let mut open: Vec<Question> = draft.questions().filter(is_theirs).filter(is_open).cloned().collect();
    if open.len() == 1 {
        return open.pop();
    }
    let body = if open.is_empty() {
        wording::no_such_question()
    } else {
        wording::which_question(&open.into_iter().map(|question| question.code).collect::<Vec<_>>())
    };
    draft.reply(spoken.post, Purpose::Reply, body);
    None
}

/// The text without the handle of its author, in whatever case they wrote it.
fn without_name(text: &str, handle: &str) -> String {
    if handle.is_empty() {
        return text.to_owned();
    }
    // Lower-casing ASCII keeps every byte where it is.
    let (lower, handle) = (text.to_ascii_lowercase(), handle.to_ascii_lowercase());
    let mut nameless = String::new();
    let mut done = 0;
    for (at, found) in lower.match_indices(&handle) {
        let is_inside = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        if is_inside(before) || is_inside(after) {
            continue;
        }
        nameless.push_str(text.get(done..at).unwrap_or_default().trim_end_matches(['@', '＠']));
        nameless.push('…');
        done = at + found.len();
    }
    nameless.push_str(text.get(done..).unwrap_or_default());
    nameless
}

/// The text, cut where it has more characters.
fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}{CUT_MARK}", text.split_at(at).0),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_authors_handle_is_taken_out() {
        for (text, expected) in [
            ("I am @pat, who knows?", "I am …, who knows?"),
            ("PAT wants to know", "… wants to know"),
            ("Which patent? The patron saint of Pat.", "Which patent? The patron saint of …."),
            ("pat pat", "… …"),
            ("Where is Ürümqi?", "Where is Ürümqi?"),
            ("", ""),
        ] {
            assert_eq!(without_name(text, "pat"), expected, "{text}");
        }
        assert_eq!(without_name("pat.example.org asks", "pat.example.org"), "… asks");
        assert_eq!(without_name("unchanged", ""), "unchanged");
    }

    #[test]
    fn a_long_text_is_cut_and_marked() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü […]");
    }

    proptest! {
        #[test]
        fn promise_7_no_text_keeps_the_name_as_a_word(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let text = format!("{before} @pat.example {after}");
            prop_assert!(!without_name(&text, "pat.example").contains(" @pat.example "));
        }
    }
}
