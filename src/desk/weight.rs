//! The length of a text as X weighs it: by its published counting, version 3.
//!
//! Latin, Greek, Cyrillic, Hebrew and Arabic letters weigh 1, everything else 2, an emoji of however
//! many characters 2, and each web address 23, because X replaces it by a short one.
//!
//! Two things are known to X alone and change with time: which endings of host names exist, and which
//! sequences of characters are one emoji. An address with an ending that is not surely known weighs
//! what it would weigh as text where that is more.
//!
//! **Invariant:** nothing here cuts or changes a text.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization;

use crate::desk::grammar;

/// One version of the counting. X publishes them as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The heaviest text that one post may hold.
    pub weight_max: usize,
    /// What a web address weighs.
    pub address: usize,
    /// The ranges of characters that weigh 1, both ends included. All others weigh 2.
    pub light: &'static [(char, char)],
    /// Whether a sequence that makes one emoji weighs 2 as a whole.
    pub emoji_as_one: bool,
}

/// The counting that X uses now.
pub const X: Scale = Scale {
    weight_max: 280,
    address: 23,
    light: &[
        ('\0', '\u{10FF}'),
        ('\u{2000}', '\u{200D}'),
        ('\u{2010}', '\u{201F}'),
        ('\u{2032}', '\u{2037}'),
    ],
    emoji_as_one: true,
};

/// The longest label of a host name, in the ASCII form that is looked up.
const LABEL_MAX: usize = 63;

/// The longest web address.
const ADDRESS_CHARS_MAX: usize = 4_096;

/// Endings of host names that surely exist, beside those of countries, which are two letters.
const ENDINGS: &[&str] = &[
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "museum", "jobs", "mobi", "aero",
    "coop", "pro", "asia", "cat", "tel", "travel", "post", "arpa",
];

/// What an emoji looks like: a key, a flag, or pictures with their skin tones and tags, joined.
static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    let picture = r"\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\x{FE0F})?(?:[\x{E0020}-\x{E007F}]+)?";
    let emoji = format!(
        r"[0-9#*]\x{{FE0F}}?\x{{20E3}}|\p{{Regional_Indicator}}{{2}}|{picture}(?:\x{{200D}}{picture})*"
    );
    Regex::new(&emoji).expect("the pattern is part of the program")
});

/// What may be a web address: perhaps a scheme, a host with at least one dot or numbered, a port, a path,
/// a query.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    let label = r"[\p{L}\p{M}\p{N}\p{S}_](?:[\p{L}\p{M}\p{N}\p{S}_-]*[\p{L}\p{M}\p{N}\p{S}_])?";
    let ascii = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?";
    let path = r"(?:/(?:[a-zA-Z0-9\p{Cyrillic}À-ɏ!*';:=+,.$%/#\[\]\-–_~@|&()]*[a-zA-Z0-9\p{Cyrillic}À-ɏ+\-=_#/)])?)?";
    let query = r"(?:\?[a-zA-Z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-zA-Z0-9\-_&=#/])?";
    let number = r"\[[0-9A-Fa-f:.]+\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3}";
    let rest = format!("(?::[0-9]+)?{path}{query}");
    let address = format!(
        r"(?i:(?P<scheme>https?://))(?P<host>(?:{label}\.)+\p{{L}}{{2,}}){rest}|(?i:https?://)(?P<number>{number}){rest}|(?P<bare>(?:{ascii}\.)+[A-Za-z]{{2,}}){rest}"
    );
    Regex::new(&address).expect("the pattern is part of the program")
});

/// What a text weighs.
pub fn weigh(text: &str, scale: &Scale) -> usize {
    let text: String = text.nfc().collect();
    let mut weight = 0;
    let mut from = 0;
    for found in ADDRESS.captures_iter(&text) {
        let Some(whole) = found.get(0) else { continue };
        let (before, after) = (text.get(from..whole.start()), text.get(whole.end()..));
        let (Some(before), Some(after)) = (before, after) else { continue };
        let plain = of_characters(whole.as_str(), scale);
        weight += of_characters(before, scale);
        weight += match kind(&found, text.get(..whole.start()).unwrap_or_default(), after) {
            Kind::Address if whole.as_str().chars().count() <= ADDRESS_CHARS_MAX => scale.address,
            Kind::Perhaps => plain.max(scale.address),
            Kind::Address | Kind::Text => plain,
        };
        from = whole.end();
    }
    weight + of_characters(text.get(from..).unwrap_or_default(), scale)
}

/// Whether X may find a web address in a text. Where that is not sure, it may.
pub fn holds_address(text: &str) -> bool {
    let text: String = text.nfc().collect();
    ADDRESS.captures_iter(&text).any(|found| !matches!(kind(&found, "", ""), Kind::Text))
}

/// Whether X takes something that looks like an address for one.
enum Kind {
    Address,
    Perhaps,
    Text,
}

fn kind(found: &Captures<'_>, before: &str, after: &str) -> Kind {
    if found.name("number").is_some() {
        let is_address = found.get(0).is_some_and(|whole| grammar::is_address(whole.as_str()));
        return if is_address { Kind::Perhaps } else { Kind::Text };
    }
    let host = found.name("host").or(found.name("bare")).map_or("", |host| host.as_str());
    let has_scheme = found.name("scheme").is_some();
    if host.split('.').any(|label| LABEL_MAX < ascii_length(label)) {
        return Kind::Text;
    }
    let ending = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_glued = before.ends_with(|c: char| c.is_alphanumeric() || "@＠$#＃-_./".contains(c))
        || after.starts_with(|c: char| c.is_alphanumeric() || c == '@');
    match (ENDINGS.contains(&ending.as_str()), ending.len() == 2 && ending.is_ascii()) {
        _ if is_glued || !grammar::is_host(host) => Kind::Perhaps,
        (true, _) => Kind::Address,
        (_, true) if has_scheme => Kind::Address,
        _ => Kind::Perhaps,
    }
}

fn of_characters(text: &str, scale: &Scale) -> usize {
    let plain = |text: &str| -> usize {
        let is_light = |c: char| scale.light.iter().any(|(first, last)| (*first..=*last).contains(&c));
        text.chars().map(|c| if is_light(c) { 1 } else { 2 }).sum()
    };
    if !scale.emoji_as_one || text.is_ascii() {
        return plain(text);
    }
    let mut from = 0;
    let mut weight = 0;
    for emoji in EMOJI.find_iter(text) {
        weight += plain(text.get(from..emoji.start()).unwrap_or_default()) + 2;
        from = emoji.end();
    }
    weight + plain(text.get(from..).unwrap_or_default())
}

/// How long a label of a host name is once it is written in ASCII: `xn--` and its Punycode (RFC 3492).
fn ascii_length(label: &str) -> usize {
    if label.is_ascii() {
        return label.len();
    }
    // Longer than any label may be, and Punycode takes time by the square of it.
    if LABEL_MAX < label.chars().count() {
        return label.chars().count();
    }
    let characters: Vec<u32> = label.chars().flat_map(char::to_lowercase).map(u32::from).collect();
    let basic = characters.iter().filter(|c| **c < 0x80).count();
    let mut length = "xn--".len() + basic + usize::from(basic > 0);
    let (mut n, mut delta, mut bias, mut handled) = (0x80_u32, 0_u32, 72_u32, basic);
    while handled < characters.len() {
        let next = characters.iter().copied().filter(|c| n <= *c).min().unwrap_or(n);
        let steps = u32::try_from(handled + 1).unwrap_or(u32::MAX);
        delta = delta.saturating_add((next - n).saturating_mul(steps));
        n = next;
        for c in &characters {
            if *c < n {
                delta = delta.saturating_add(1);
            }
            if *c == n {
                length += digits(delta, bias);
                let points = u32::try_from(handled + 1).unwrap_or(u32::MAX);
                bias = adapted(delta, points, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.saturating_add(1);
        n = n.saturating_add(1);
    }
    length
}

/// How many digits a number takes in Punycode.
fn digits(number: u32, bias: u32) -> usize {
    let (mut rest, mut k, mut count) = (number, 36_u32, 1);
    loop {
        let threshold = k.saturating_sub(bias).clamp(1, 26);
        if rest < threshold {
            return count;
        }
        rest = (rest - threshold) / (36 - threshold);
        k += 36;
        count += 1;
    }
}

fn adapted(delta: u32, points: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_weigh_what_x_says() {
        for (name, text, want) in [
            ("nothing", "", 0),
            ("letters", "When did it end?", 16),
            ("an accent written in two characters", "e\u{301}", 1),
            ("Greek, Cyrillic, Arabic", "αяع", 3),
            ("Chinese", "图书馆", 6),
            ("quotation marks and dashes are light", "“so” – yes", 10),
            ("an ellipsis is not", "…", 2),
            ("a picture", "📚", 2),
            ("a family of four is one emoji", "👩‍👩‍👧‍👦", 2),
            ("a skin tone", "👋🏽", 2),
            ("a flag", "🇮🇪", 2),
            (
                "the flag of Scotland, with its tags",
                "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
                2,
            ),
            ("a key", "3\u{FE0F}\u{20E3}", 2),
            ("an address", "See https://lib.example.org/a/very/long/path?that=is&shortened=1", 27),
            ("an address in brackets", "(http://lib.example.org)", 25),
            ("an address at the end of a sentence", "http://lib.example.org.", 24),
            ("an address without a scheme", "example.com", 23),
            ("a numbered host may be one, short", "http://10.0.0.1/", 23),
            ("a numbered host may be one, long", "http://[2001:db8::7]:8080/shelf", 31),
            ("no host has such a number", "http://10.0.0.999/", 18),
            ("no domain holds an underscore", "https://the_library_of_the_world.com", 36),
            ("a subdomain may", "https://the_catalogue.thelibraryoftheworld.com", 23),
            ("a country's", "https://lib.de/x", 23),
            ("an ending that may be none, short", "some.thing", 23),
            ("an ending that may be none, long", "https://catalogue.thelibraryoftheworld.nosuchending", 51),
            ("no address: one letter", "e.g. this", 9),
            ("an abbreviation that may be one", "vol.IV", 23),
            ("a number", "1.5 km", 6),
        ] {
            assert_eq!(weigh(text, &X), want, "{name}");
        }
    }

    #[test]
    fn host_names_are_measured_in_ascii() {
        for (label, want) in [
            ("example", 7),
            ("bücher", "xn--bcher-kva".len()),
            ("münchen", "xn--mnchen-3ya".len()),
            ("例え", "xn--r8jz45g".len()),
            ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye".len()),
        ] {
            assert_eq!(ascii_length(label), want, "{label}");
        }
    }

    proptest::proptest! {
        /// Any text can be weighed, and a text in front adds no more than its own characters and one
        /// address could.
        #[test]
        fn any_text_can_be_weighed(text in "(\\PC|[ .:/?@\n]|https?://|👨‍👩‍👧‍👦|\\.com|e\u{301}){0,80}") {
            let weight = weigh(&text, &X);
            let longest = text.chars().count() * (2 + X.address);
            proptest::prop_assert!(weight <= longest, "{weight}");
            proptest::prop_assert_eq!(text.is_empty(), weight == 0);
        }
    }
}
