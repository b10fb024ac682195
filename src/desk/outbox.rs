//! From words to letters: the mention in front, other mentions defused, long texts in parts.
//!
//! **Invariant:** every part fits its network, mentions nobody but its addressee, and no text is
//! cut inside a grapheme.

use jiff::Timestamp;
use unicode_segmentation::UnicodeSegmentation;

use crate::desk::commands::hours;
use crate::desk::ids::Code;
use crate::desk::letter::{Content, Letter, Mention, Purpose, Refusal};
use crate::desk::person::Person;
use crate::desk::post::{Account, Confidential, Network, TextLimits, Visibility};
use crate::desk::question::{Fate, Question, State, Why};
use crate::desk::settings::Settings;
use crate::desk::weight;

/// A text is sent in at most this many posts; what is beyond is left out, and said to be.
pub const PARTS_MAX: usize = 20;

/// Room kept at the end of each part for its number, ` (12/20)`.
const NUMBER_GRAPHEMES: usize = 8;

/// The longest warning that is kept, in graphemes.
const WARNING_GRAPHEMES_MAX: usize = 100;

/// What stands where a text was cut because it had more than [`PARTS_MAX`] parts.
const CUT_MARK: &str = " […]";

/// What the mark weighs where texts are weighed.
const CUT_MARK_WEIGHT: usize = 5;

/// One post of a letter, with its mentions.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub text: String,
    pub mentions: Vec<Mention>,
}

/// Makes the posts of a letter as its addressee's network wants them.
pub fn posts(to: &Account, body: &str, visibility: Visibility, limits: TextLimits) -> Vec<Part> {
    let network = to.id.network;
    match network.weight_max(visibility) {
        Some(weight_max) => unaddressed(vec![one_post(body, weight_max)]),
        None => parts(to, body, limits, network.mentioned(visibility)),
    }
}

/// A relayed text inside the desk's own words, and whether it was cut so that all of it is one post
/// where only one may be written: the desk's words are kept whole.
pub fn in_one_post(
    network: Network,
    visibility: Visibility,
    text: &str,
    written: impl Fn(&str) -> String,
) -> (String, bool) {
    let body = written(text);
    let weigh = |text: &str| weight::weigh(text.trim(), &weight::X);
    match network.weight_max(visibility) {
        Some(weight_max) if weight_max < weigh(&body) => {
            let room = weight_max.saturating_sub(weigh(&written("x")));
            (written(&one_post(text, room)), true)
        }
        Some(_) | None => (body, false),
    }
}

/// The text, or as much of it as one post can hold, with a mark that says so.
fn one_post(body: &str, weight_max: usize) -> String {
    let body = body.trim();
    if weight::weigh(body, &weight::X) <= weight_max {
        return body.to_owned();
    }
    let room = weight_max.saturating_sub(CUT_MARK_WEIGHT);
    let ends = body.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
    let fitting = |end: &usize| body.get(..*end).is_some_and(|part| weight::weigh(part, &weight::X) <= room);
    let end = ends.take_while(fitting).last().unwrap_or_default();
    let end = nice_end(body, end);
    format!("{}{CUT_MARK}", body.get(..end).unwrap_or_default().trim_end())
}

fn unaddressed(texts: Vec<String>) -> Vec<Part> {
    texts.into_iter().map(|text| Part { text, mentions: Vec::new() }).collect()
}

/// Which parts of a letter mention its addressee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mentioned {
    /// The others follow in the thread.
    InFirst,
    /// A private post of its network reaches only whom it mentions.
    InEach,
    /// A message of its network has one reader, or a reply there tells whom it replies to.
    Nowhere,
}

/// Addresses `body` to somebody and cuts it into parts that fit.
pub fn parts(to: &Account, body: &str, limits: TextLimits, mentioned: Mentioned) -> Vec<Part> {
    if mentioned == Mentioned::Nowhere {
        return unaddressed(numbered(split(body.trim(), limits)));
    }
    let name = format!("@{}", to.handle);
    let mention = Mention { start: 0, end: name.len(), account: to.clone() };
    // A name that leaves no room for words is cut like any other text, and reaches nobody.
    if mentioned == Mentioned::InEach && name.len() < limits.graphemes_max / 2 {
        return parts_with_name(&name, &mention, body, limits);
    }
    let whole = format!("{name} {}", body.trim());
    let texts = numbered(split(&whole, limits));
    let mut mentions =
        Some(mention).filter(|mention| texts.first().is_some_and(|text| mention.end <= text.len()));
    texts.into_iter().map(|text| Part { text, mentions: mentions.take().into_iter().collect() }).collect()
}

/// Numbers the parts of a text, where there are several.
fn numbered(mut texts: Vec<String>) -> Vec<String> {
    let count = texts.len();
    if count > 1 {
        for (at, text) in texts.iter_mut().enumerate() {
            text.push_str(&format!(" ({}/{count})", at + 1));
        }
    }
    texts
}

fn parts_with_name(name: &str, mention: &Mention, body: &str, limits: TextLimits) -> Vec<Part> {
    let left = TextLimits {
        graphemes_max: limits.graphemes_max - name.len() - 1,
        bytes_max: limits.bytes_max.saturating_sub(name.len() + 1).max(limits.bytes_max / 2),
        ..limits
    };
    let texts = split(body.trim(), left);
    let count = texts.len();
    let number = |at: usize| if count > 1 { format!(" ({}/{count})", at + 1) } else { String::new() };
    let texts = texts.into_iter().enumerate().map(|(at, text)| format!("{name} {text}{}", number(at)));
    texts.map(|text| Part { text, mentions: vec![mention.clone()] }).collect()
}

/// Makes every `@` in a relayed text harmless: a zero-width space after it keeps networks from
/// reading a mention, and people still read the name.
pub fn defused(text: &str) -> String {
    text.replace('@', "@\u{200B}").replace('＠', "＠\u{200B}")
}

/// The words of a text that are to be passed on: without the question's code at its beginning, which was
/// for the desk, and with every `@` made harmless.
pub fn relayed(text: &str, code: &Code) -> String {
    let text = text.trim_start();
    let first = text.split_whitespace().next().unwrap_or_default();
    let names = Code::parse(first.trim_matches(|sign: char| !sign.is_alphanumeric())).as_ref() == Some(code);
    let rest = text.get(first.len()..).unwrap_or_default().trim_start();
    defused(if names && !rest.is_empty() { rest } else { text })
}

/// Cuts at the end of a paragraph, sentence or word where one is near enough, else between graphemes.
fn split(text: &str, limits: TextLimits) -> Vec<String> {
    if fits(text, limits) {
        return vec![text.to_owned()];
    }
    let limits = TextLimits {
        graphemes_max: limits.graphemes_max - NUMBER_GRAPHEMES,
        bytes_max: limits.bytes_max - NUMBER_GRAPHEMES - CUT_MARK.len(),
        ..limits
    };
    let mut texts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && texts.len() < PARTS_MAX {
        let (part, after) = rest.split_at(cut_at(rest, limits));
        texts.push(part.trim_end().to_owned());
        rest = after.trim_start();
    }
    if let Some(last) = texts.last_mut().filter(|_| !rest.is_empty()) {
        let kept: usize = last.graphemes(true).rev().take(CUT_MARK.len()).map(str::len).sum();
        last.truncate(last.len() - kept);
        last.push_str(CUT_MARK);
    }
    texts
}

fn fits(text: &str, limits: TextLimits) -> bool {
    text.len() <= limits.bytes_max
        && text.graphemes(true).count() + short_links(text, limits) <= limits.graphemes_max
}

/// By how many graphemes the links of a text count more than they have.
fn short_links(text: &str, limits: TextLimits) -> usize {
    if limits.link_graphemes_min == 0 {
        return 0;
    }
    let links = text.split_whitespace().filter_map(|word| word.find("http").and_then(|at| word.get(at..)));
    links
        .filter(|link| link.starts_with("http://") || link.starts_with("https://"))
        .map(|link| limits.link_graphemes_min.saturating_sub(link.graphemes(true).count()))
        .sum()
}

/// A warning as long as may stand above a post, and what it leaves for the text: servers count both.
pub(crate) fn under_warning(
    warning: Option<Confidential>,
    limits: TextLimits,
) -> (Option<Confidential>, TextLimits) {
    let Some(warning) = warning else { return (None, limits) };
    let short: String = warning.reveal().graphemes(true).take(WARNING_GRAPHEMES_MAX).collect();
    let left = TextLimits {
        graphemes_max: limits.graphemes_max.saturating_sub(short.graphemes(true).count()),
        bytes_max: limits.bytes_max.saturating_sub(short.len()),
        ..limits
    };
    // Hundreds of combining marks on one letter leave no room, and are no warning to anybody.
    if left.graphemes_max < limits.graphemes_max / 2 || left.bytes_max < limits.bytes_max / 2 {
        return (None, limits);
    }
    (Some(Confidential::new(short)), left)
}

/// The byte offset at which the first part of `text` ends.
fn cut_at(text: &str, limits: TextLimits) -> usize {
    let mut end = 0;
    for (count, (at, grapheme)) in text.grapheme_indices(true).enumerate() {
        let after = at + grapheme.len();
        if limits.graphemes_max <= count || limits.bytes_max < after {
            break;
        }
        end = after;
    }
    // Short links count more than they show.
    while !text.get(..end).is_some_and(|part| fits(part, limits)) {
        let shorter = text.get(..text.floor_char_boundary(end / 4 * 3)).unwrap_or_default();
        end = shorter.grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
    }
    if end == 0 {
        let first = text.graphemes(true).next().map_or(0, str::len);
        end = if first <= limits.bytes_max { first } else { 0 };
    }
    if end == text.len() {
        return end;
    }
    // A single grapheme can be longer than a whole post (hundreds of combining marks); then it is cut
    // between its characters, because it must be cut somewhere.
    if end == 0 {
        return text
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .take_while(|at| *at <= limits.bytes_max)
            .last()
            .unwrap_or(text.len());
    }
    nice_end(text, end)
}

/// The end of a paragraph, a sentence or a word shortly before `end`; `end` where there is none.
fn nice_end(text: &str, end: usize) -> usize {
    let Some(window) = text.get(..end) else { return end };
    let near = |at: &usize| end / 2 <= *at;
    let ends_after = |sign: &str| window.rfind(sign).map(|at| at + sign.len()).filter(near);
    ends_after("\n\n")
        .or_else(|| [". ", "? ", "! ", "\n"].into_iter().filter_map(ends_after).max())
        .or_else(|| ends_after(" "))
        .unwrap_or(end)
}

/// The last look before a letter is sent: why it is not to be sent any more, as things stand now; `None`
/// where it is.
///
/// `question` is the one the letter is about, `person` its addressee, each `None` where unknown.
pub fn unwanted(
    letter: &Letter,
    question: Option<&Question>,
    person: Option<&Person>,
    settings: &Settings,
    now: Timestamp,
) -> Option<Refusal> {
    if !is_wanted(letter, question, person) {
        return Some(Refusal::Outdated);
    }
    is_off_duty(letter, question, person, settings, now).then_some(Refusal::OffDuty)
}

/// Whether a letter is an invitation that would reach its librarian in their quiet hours, because it had to
/// wait: the network was down, or the hours were nearly over when it was decided. Whoever asked for it
/// themselves gets it, and the coordinator may look past hours.
fn is_off_duty(
    letter: &Letter,
    question: Option<&Question>,
    person: Option<&Person>,
    settings: &Settings,
    now: Timestamp,
) -> bool {
    let invitation = question.and_then(|question| question.invitation(&letter.to.id));
    let is_bound = letter.purpose == Purpose::Invitation
        && invitation.is_some_and(|invitation| !matches!(invitation.why, Why::Assigned | Why::Digest));
    let Some(person) = person.filter(|_| is_bound) else { return false };
    person.librarian.as_ref().is_some_and(|librarian| {
        let away = [librarian.paused_until, librarian.away_until(now)];
        let is_away = away.into_iter().flatten().any(|until| now < until);
        is_away || !hours::contain(&librarian.hours, settings.holidays_of(person), now)
    })
}

fn is_wanted(letter: &Letter, question: Option<&Question>, person: Option<&Person>) -> bool {
    if matches!(letter.content, Content::Delete { .. }) || letter.purpose == Purpose::Farewell {
        return true;
    }
    if person.is_some_and(|person| person.stopped) {
        return false;
    }
    match (letter.about.as_ref(), question) {
        (Some(_), None) => false,
        // Nobody answers below a post that its author deleted, or repeats what it said.
        (Some(_), Some(question))
            if question.gone
                && [Some(&letter.to.id), letter.words_of.as_ref()].contains(&Some(&question.patron.id)) =>
        {
            false
        }
        (Some(_), Some(question)) if letter.purpose == Purpose::Invitation => {
            let invitation = question.invitation(&letter.to.id);
            // Who took it from the list of stumpers has not seen it yet.
            let took_it = question.owner() == Some(&letter.to.id)
                && invitation.is_some_and(|found| found.why == Why::Digest);
            let is_waiting = matches!(question.state, State::Seeking)
                && invitation.is_some_and(|found| found.fate == Fate::Waiting);
            is_waiting || took_it
        }
        (Some(_), Some(question)) if letter.purpose == Purpose::Stumper => {
            question.publicity.holds(&letter.id) && !matches!(question.state, State::Answered { .. })
        }
        (Some(_), Some(_)) | (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::desk::post::Network;

    const SMALL: TextLimits = TextLimits { graphemes_max: 60, bytes_max: 600, link_graphemes_min: 0 };

    fn ann() -> Account {
        Account::new(Network::Bluesky, "did:plc:ann", "ann.example")
    }

    fn texts(body: &str) -> Vec<String> {
        parts(&ann(), body, SMALL, Mentioned::InFirst).into_iter().map(|part| part.text).collect()
    }

    #[test]
    fn a_text_that_fits_is_one_post() {
        assert_eq!(texts("In 1922."), ["@ann.example In 1922."]);
    }

    #[test]
    fn a_long_text_is_cut_at_the_end_of_a_sentence_or_word() {
        let body = "The sultanate was abolished in 1922. The caliph stayed until 1924. Then he left for Switzerland and never returned.";
        insta::assert_snapshot!(texts(body).join("\n"), @r"
        @ann.example The sultanate was abolished in 1922. (1/3)
        The caliph stayed until 1924. (2/3)
        Then he left for Switzerland and never returned. (3/3)
        ");
    }

    #[test]
    fn only_the_first_post_mentions_its_addressee() {
        let parts = parts(&ann(), &"word ".repeat(50), SMALL, Mentioned::InFirst);
        assert!(parts.len() > 1);
        for (at, part) in parts.iter().enumerate() {
            let mentioned: Vec<&str> =
                part.mentions.iter().map(|found| part.text.get(found.start..found.end).unwrap()).collect();
            assert_eq!(mentioned, if at == 0 { vec!["@ann.example"] } else { vec![] });
        }
    }

    #[test]
    fn a_text_without_end_is_cut_and_says_so() {
        let parts = texts(&"word ".repeat(5_000));
        assert_eq!(parts.len(), PARTS_MAX);
        assert!(parts.last().unwrap().contains("[…]"));
    }

    #[test]
    fn mentions_in_relayed_words_are_defused() {
        assert_eq!(defused("ask @museum or ＠museum"), "ask @\u{200B}museum or ＠\u{200B}museum");
    }

    #[test]
    fn the_code_that_named_the_question_is_not_passed_on() {
        let code = Code::parse("K7Q4").unwrap();
        let rows = [
            ("K7Q4: In 1922, says @museum.", "In 1922, says @\u{200B}museum."),
            ("#k7q4 In 1922.", "In 1922."),
            ("In 1922, see K7Q4.", "In 1922, see K7Q4."),
            ("M3X9: In 1922.", "M3X9: In 1922."),
            ("K7Q4", "K7Q4"),
        ];
        for (said, passed_on) in rows {
            assert_eq!(relayed(said, &code), passed_on, "{said}");
        }
    }

    proptest! {
        /// Nothing is lost and every part fits, whatever the text is made of.
        #[test]
        fn every_part_fits_and_nothing_is_lost(body in "(\\PC|[ .\n]|👨‍👩‍👧‍👦|e\u{301}{0,700}){1,120}") {
            for part in parts(&ann(), &body, SMALL, Mentioned::InEach) {
                prop_assert!(fits(&part.text, SMALL), "{} bytes", part.text.len());
                prop_assert!(part.text.starts_with("@ann.example "));
                prop_assert_eq!(part.mentions.len(), 1);
            }
            let links = TextLimits { link_graphemes_min: 23, ..SMALL };
            for part in parts(&ann(), &format!("{body} {}", "http://a.b ".repeat(9)), links, Mentioned::InFirst) {
                prop_assert!(fits(&part.text, links), "{} bytes", part.text.len());
            }
            let parts = parts(&ann(), &body, SMALL, Mentioned::InFirst);
            for part in &parts {
                prop_assert!(fits(&part.text, SMALL), "{} bytes", part.text.len());
            }
            let whole: String = parts.iter().map(|part| part.text.as_str()).collect();
            if parts.len() < PARTS_MAX {
                let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                let numbers = if parts.len() > 1 { parts.len() } else { 0 };
                let without_numbers = (1..=numbers).fold(whole, |text, at| text.replacen(&format!(" ({at}/{numbers})"), "", 1));
                prop_assert_eq!(bare(&without_numbers), bare(&format!("@ann.example {body}")));
            }
        }
    }
}
