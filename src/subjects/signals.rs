//! Signs in a text that words cannot carry: numbers to call, prices, links, shouting.
//!
//! Each has a name that people read as evidence and counts like a term of a rule file. None of them
//! is enough alone to hold a post back, but for numbers and prices that only adverts write.
//!
//! **Invariant:** a sign is found by the text's form alone, never by who wrote it.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::subjects::screening::Kind;
use crate::subjects::words::{TEXT_BYTES_MAX, Words};

/// This many figures are prices, numbers and dates on one heap.
const FIGURES_MIN: usize = 10;

/// This many words such as `2claim` or `M263UZ` are the shorthand of adverts, or their codes.
const MIXED_WORDS_MIN: usize = 2;

/// This many words in capitals are shouting; fewer are abbreviations.
const SHOUTED_WORDS_MIN: usize = 3;

/// A shorter word in capitals may well be an abbreviation.
const SHOUTED_LETTERS_MIN: usize = 3;

/// A text with this many hashtags is written for those who search, not for a librarian.
const TAGS_MIN: usize = 6;

/// This many pictures are a banner.
const PICTURES_MIN: usize = 5;

/// This many letters of mathematics are a disguise; fewer are a formula.
const DISGUISED_LETTERS_MIN: usize = 8;

/// How many digits a number to call has: an older ISBN, which may begin like one, has 10; more than 15 are
/// an account.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 11..=15;

/// A sign that a text bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    PremiumNumber,
    NumberToText,
    Tariff,
    PhoneNumber,
    Price,
    Link,
    Figures,
    MixedWords,
    Shouting,
    Tags,
    Pictures,
    Disguise,
    QuestionMark,
}

impl Signal {
    pub(super) const ALL: [Signal; 13] = [
        Signal::PremiumNumber,
        Signal::NumberToText,
        Signal::Tariff,
        Signal::PhoneNumber,
        Signal::Price,
        Signal::Link,
        Signal::Figures,
        Signal::MixedWords,
        Signal::Shouting,
        Signal::Tags,
        Signal::Pictures,
        Signal::Disguise,
        Signal::QuestionMark,
    ];

    /// What people read as evidence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Signal::PremiumNumber => "a free or premium number",
            Signal::NumberToText => "a number to text to",
            Signal::Tariff => "a price for each message or minute",
            Signal::PhoneNumber => "a phone number",
            Signal::Price => "a price",
            Signal::Link => "a link",
            Signal::Figures => "many figures",
            Signal::MixedWords => "words of letters and figures",
            Signal::Shouting => "words in capitals",
            Signal::Tags => "many hashtags",
            Signal::Pictures => "many emoji",
            Signal::Disguise => "letters in disguise",
            Signal::QuestionMark => "a question mark",
        }
    }

    pub(super) fn speaks_for(self) -> Kind {
        match self {
            Signal::QuestionMark => Kind::Question,
            Signal::PremiumNumber
            | Signal::NumberToText
            | Signal::Tariff
            | Signal::PhoneNumber
            | Signal::Price
            | Signal::Link
            | Signal::Figures
            | Signal::MixedWords
            | Signal::Shouting
            | Signal::Tags
            | Signal::Pictures
            | Signal::Disguise => Kind::Spam,
        }
    }

    /// What it counts: as much as a strong or a weak term.
    pub(super) fn weight(self) -> f64 {
        match self {
            Signal::PremiumNumber | Signal::NumberToText | Signal::Tariff => 3.0,
            Signal::Price | Signal::Link | Signal::QuestionMark => 2.0,
            Signal::PhoneNumber
            | Signal::Figures
            | Signal::MixedWords
            | Signal::Shouting
            | Signal::Tags
            | Signal::Pictures
            | Signal::Disguise => 1.0,
        }
    }

    /// Where it stands first; all of the text where it is a matter of the whole.
    fn find(self, text: &str, words: &Words) -> Option<Range<usize>> {
        let whole = |is_there: bool| is_there.then_some(0..text.len());
        let matched = |regex: &Regex| regex.find(text).map(|found| found.range());
        match self {
            Signal::PremiumNumber => number(text, is_premium),
            Signal::NumberToText => matched(&NUMBER_TO_TEXT),
            Signal::Tariff => matched(&TARIFF),
            Signal::PhoneNumber => number(text, is_phone).filter(|_| number(text, is_premium).is_none()),
            Signal::Price => matched(&PRICE).filter(|_| !TARIFF.is_match(text)),
            Signal::Link => matched(&LINK),
            Signal::Figures => whole(FIGURES_MIN <= count(text, |c| c.is_ascii_digit())),
            Signal::MixedWords => whole(MIXED_WORDS_MIN <= words_that(text, is_mixed)),
            Signal::Shouting => whole(SHOUTED_WORDS_MIN <= words_that(text, is_shouted)),
            Signal::Tags => whole(TAGS_MIN <= words.tags().len()),
            Signal::Pictures => whole(PICTURES_MIN <= count(text, is_picture)),
            Signal::Disguise => whole(DISGUISED_LETTERS_MIN <= count(text, is_disguised)),
            Signal::QuestionMark => text
                .char_indices()
                .find(|(_, c)| matches!(c, '?' | '？' | '؟' | '՞' | '፧' | '⁇'))
                .map(|(at, c)| at..at + c.len_utf8()),
        }
    }
}

/// All signs of a text and where each stands.
pub(super) fn signals(text: &str, words: &Words) -> Vec<(Signal, Range<usize>)> {
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    let found = |signal: Signal| Some((signal, signal.find(text, words)?));
    Signal::ALL.into_iter().filter_map(found).collect()
}

/// Digits as people group them.
static DIGITS: LazyLock<Regex> = LazyLock::new(|| regex(r"\+?[0-9](?:[ .-]?[0-9]){9,17}"));

/// A word that asks for a message, and the short number it goes to.
static NUMBER_TO_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)\b(?:te?xt|send|sms|reply|msg|ans|answer)[^?!\n]{0,60}\b(?:to|on)(?: no)?:? ?[0-9]{4,6}\b")
});

/// `150p/msg`, `10p per min`, `150ppm`, `£1.50/wk`, `£3.00 sub`.
static TARIFF: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?xi) \b[0-9]{1,3} \s? p(?:ence)? \s? (?:/|per\ ?) \s? (?:m\b|mi?n|msg|mt|txt|text|te?xt|rcv|call|day|wk|week)
        | [0-9]{2,3} ppm
        | [£$€] \s? [0-9]+ (?:[.][0-9]+)? \s? (?:/|per\ ?|a\ |pm) \s? (?:mi?n|msg|txt|text|rcv|wk|sub|pm\b)
        | [£$€] \s? [0-9]+ (?:[.][0-9]+)? \s? (?:subs?\b|std\b|pm\b)",
    )
});

/// An amount of money. `$2^x$` is a formula.
static PRICE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?xi) [£€¥₹] \s? [0-9]
        | [$] [0-9][0-9.,]* [km]? (?:[\s.,;:!?)/+-]|$)
        | \b[0-9][0-9.,]* \s? (?:k\ )? (?:gbp|usd|usdt|eur|pounds?|dollars?|euros?|bucks|btc|eth)\b
        | \b[1-9][0-9]{1,2} p\b",
    )
});

/// An address on the web, with or without its beginning.
static LINK: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?xi) https?: | \bwww[.] | \b[a-z0-9-]+ [.] (?:com|net|org|info|biz|tv|me|io|ly|gg|gl|gd|to|xyz|top|shop
        |site|club|online|store|click|link|app|live|vip|win|loan|co[.]uk|ac[.]uk|org[.]uk)\b (?:/[^\s]*)?",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a test compiles every pattern")
}

/// The first number whose digits fit.
fn number(text: &str, fits: fn(&str) -> bool) -> Option<Range<usize>> {
    let digits = |found: &str| found.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect::<String>();
    DIGITS.find_iter(text).find(|found| fits(&digits(found.as_str()))).map(|found| found.range())
}

/// British numbers that cost, or that are free because somebody else pays.
fn is_premium(digits: &str) -> bool {
    let begins = ["09", "080", "084", "087"].iter().any(|beginning| digits.starts_with(beginning));
    PHONE_DIGITS.contains(&digits.len()) && begins
}

/// A number with its area or country: `07…`, `+44…`, `1-888-…`.
fn is_phone(digits: &str) -> bool {
    let is_american = digits.len() == 11 && (digits.starts_with("18") || digits.starts_with("19"));
    let is_long = PHONE_DIGITS.contains(&digits.len());
    is_american || is_long && (digits.starts_with('+') || digits.starts_with('0'))
}

fn words_that(text: &str, fits: fn(&str) -> bool) -> usize {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| fits(word)).count()
}

/// Whether letters and figures are mixed, other than in times and ordinals: `9am`, `1920s`, `3rd`.
fn is_mixed(word: &str) -> bool {
    let letters = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number =
        letters.len() < word.len() && matches!(letters, "am" | "pm" | "s" | "st" | "nd" | "rd" | "th");
    word.contains(|c: char| c.is_ascii_digit()) && word.contains(char::is_alphabetic) && !is_number
}

fn is_shouted(word: &str) -> bool {
    SHOUTED_LETTERS_MIN <= word.chars().count() && word.chars().all(char::is_uppercase)
}

fn is_picture(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}')
}

/// Letters that only look like letters: of mathematics, in circles and squares, as wide as a character
/// of Chinese.
fn is_disguised(c: char) -> bool {
    matches!(c,
        '\u{1d400}'..='\u{1d7ff}' | '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}'
        | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}')
}

fn count(text: &str, is_counted: impl Fn(char) -> bool) -> usize {
    text.chars().filter(|c| is_counted(*c)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which signs a text bears, question marks and figures aside.
    #[track_caller]
    fn check(text: &str, expected: &[Signal]) {
        let found = signals(text, &Words::of(text)).into_iter().map(|(signal, place)| {
            assert!(text.get(place).is_some(), "{text}: a place lies between characters");
            signal
        });
        let found: Vec<Signal> =
            found.filter(|signal| !matches!(signal, Signal::QuestionMark | Signal::Figures)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn signs_are_found_by_their_form() {
        use Signal::*;
        check("Call 09061701461 now", &[PremiumNumber]);
        check("call09061701461from landline", &[PremiumNumber]);
        check("Ring 0871-872-9758, box 95", &[PremiumNumber]);
        check("on 0800 169 6031 between 10am and 9pm", &[PremiumNumber]);
        check("message me at +1 (no) 07946 746291", &[PhoneNumber]);
        check("Support: +44 7700 900123", &[PhoneNumber]);
        check("Tech support 1-888-555-0123", &[PhoneNumber]);
        check("Text WIN to 80086", &[NumberToText]);
        check("txt HORO to No: 86888", &[NumberToText]);
        check("only 150p/msg", &[Tariff]);
        check("cost 10p per min", &[Tariff]);
        check("150ppm applies", &[Tariff]);
        check("£1.50/wk", &[Tariff]);
        check("just $500", &[Price]);
        check("it was 50 dollars", &[Price]);
        check("see https://example.org/x", &[Link]);
        check("visit Example.com/win", &[Link]);
        check("THIS IS YOUR LAST CHANCE TO READ IT", &[Shouting]);
        check("2claim ur prize txt WIN2DAY", &[MixedWords]);
        check("#a #b #c #d #e #f", &[Tags]);
        check("🚀🚀🚀🔥💰 now", &[Pictures]);
        check("𝐅𝐫𝐞𝐞 𝐦𝐨𝐧𝐞𝐲 for all", &[Disguise]);
    }

    #[test]
    fn what_patrons_write_bears_none() {
        for text in [
            "Is ISBN 0871138190 still in print?",
            "Who translated 978-0-14-044913-6?",
            "Sum of all primes from 1 to 10000",
            "Who ruled from 1066 to 1154?",
            "Is 1080p the same as full HD?",
            "Chlorine of 5 ppm in tap water",
            "What do NATO and UNESCO stand for?",
            "The proof that 𝑥 + 𝑦 = 𝑧",
            "🙂 thank you",
            "What does 09026763x mean on a record?",
            "",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn every_pattern_compiles() {
        for pattern in [&DIGITS, &NUMBER_TO_TEXT, &TARIFF, &PRICE, &LINK] {
            assert!(!pattern.is_match(""));
        }
    }
}
