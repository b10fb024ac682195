//! Languages of rule terms and of posts, and how the words of each come down to their stems.
//!
//! **Invariant:** stemming works on folded words only, and rule terms and posts go through the same
//! function, so that a stem that looks odd is odd on both sides.

pub(super) mod detection;
mod function_words;

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};

/// Two-letter codes of ISO 639-1, and the three-letter ones that networks offer to their users,
/// in their order, so that one is found without reading all.
#[rustfmt::skip]
const KNOWN_CODES: &[&str] = &[
    "aa", "ab", "ae", "af", "ak", "am", "an", "ar", "as", "ast", "av", "ay", "az", "ba", "be", "bg", "bh",
    "bi", "bm", "bn", "bo", "br", "bs", "ca", "ce", "ch", "chr", "ckb", "cmn", "cnr", "co", "cr", "cs",
    "csb", "cu", "cv", "cy", "da", "de", "dv", "dz", "ee", "el", "en", "eo", "es", "et", "eu", "fa", "ff",
    "fi", "fil", "fj", "fo", "fr", "fy", "ga", "gd", "gl", "gn", "gsw", "gu", "gv", "ha", "haw", "he", "hi",
    "ho", "hr", "ht", "hu", "hy", "hz", "ia", "id", "ie", "ig", "ii", "ik", "io", "is", "it", "iu", "ja",
    "jbo", "jv", "ka", "kab", "kg", "ki", "kj", "kk", "kl", "km", "kn", "ko", "kr", "ks", "ku", "kv", "kw",
    "ky", "la", "lb", "ldn", "lfn", "lg", "li", "ln", "lo", "lt", "lu", "lv", "mg", "mh", "mi", "mk", "ml",
    "mn", "moh", "mr", "ms", "mt", "my", "na", "nb", "nd", "nds", "ne", "ng", "nl", "nn", "no", "nr", "nv",
    "ny", "oc", "oj", "om", "or", "os", "pa", "pdc", "pi", "pl", "ps", "pt", "qu", "rm", "rn", "ro", "ru",
    "rw", "sa", "sc", "sco", "sd", "se", "sg", "si", "sk", "sl", "sm", "sma", "smj", "sn", "so", "sq", "sr",
    "ss", "st", "su", "sv", "sw", "szl", "ta", "te", "tg", "th", "ti", "tk", "tl", "tn", "to", "tok", "tr",
    "ts", "tt", "tw", "ty", "ug", "uk", "ur", "uz", "vai", "ve", "vi", "vo", "wa", "wo", "xal", "xh", "yi",
    "yo", "yue", "za", "zba", "zgh", "zh", "zu",
];

/// What people call the commoner languages, every one that can be told from a text among them.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("af", "Afrikaans"), ("am", "Amharic"), ("ar", "Arabic"), ("az", "Azerbaijani"), ("ba", "Bashkir"),
    ("be", "Belarusian"), ("bg", "Bulgarian"), ("bn", "Bengali"), ("bo", "Tibetan"), ("bs", "Bosnian"),
    ("ca", "Catalan"), ("cs", "Czech"), ("cy", "Welsh"), ("da", "Danish"), ("de", "German"), ("el", "Greek"),
    ("en", "English"), ("eo", "Esperanto"), ("es", "Spanish"), ("et", "Estonian"), ("eu", "Basque"),
    ("fa", "Persian"), ("fi", "Finnish"), ("fo", "Faroese"), ("fr", "French"), ("ga", "Irish"),
    ("gd", "Scottish Gaelic"), ("gl", "Galician"), ("gu", "Gujarati"), ("he", "Hebrew"), ("hi", "Hindi"),
    ("hr", "Croatian"), ("ht", "Haitian Creole"), ("hu", "Hungarian"), ("hy", "Armenian"), ("id", "Indonesian"),
    ("is", "Icelandic"), ("it", "Italian"), ("ja", "Japanese"), ("ka", "Georgian"), ("kk", "Kazakh"),
    ("km", "Khmer"), ("kn", "Kannada"), ("ko", "Korean"), ("la", "Latin"), ("lo", "Lao"), ("lt", "Lithuanian"),
    ("lv", "Latvian"), ("mk", "Macedonian"), ("ml", "Malayalam"), ("mr", "Marathi"), ("ms", "Malay"),
    ("my", "Burmese"), ("ne", "Nepali"), ("nl", "Dutch"), ("no", "Norwegian"), ("pa", "Punjabi"),
    ("pl", "Polish"), ("pt", "Portuguese"), ("ro", "Romanian"), ("ru", "Russian"), ("si", "Sinhala"),
    ("sk", "Slovak"), ("sl", "Slovene"), ("sq", "Albanian"), ("sr", "Serbian"), ("sv", "Swedish"),
    ("sw", "Swahili"), ("ta", "Tamil"), ("te", "Telugu"), ("th", "Thai"), ("tl", "Filipino"), ("tr", "Turkish"),
    ("uk", "Ukrainian"), ("ur", "Urdu"), ("vi", "Vietnamese"), ("yi", "Yiddish"), ("zh", "Chinese"),
];

/// A language as far as the desk tells them apart: its primary code, with the two written forms of
/// Norwegian as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(&'static str);

impl Language {
    /// Rule terms are English unless they say otherwise.
    pub const ENGLISH: Language = Language("en");

    /// Reads a BCP 47 tag such as `de` or `pt-BR`; `None` for a language nobody has heard of.
    pub fn parse(tag: &str) -> Option<Language> {
        let code = tag.split(['-', '_']).next().unwrap_or_default();
        let lower = || code.bytes().map(|letter| letter.to_ascii_lowercase());
        let place = KNOWN_CODES.binary_search_by(|known| known.bytes().cmp(lower())).ok()?;
        Some(Language(match *KNOWN_CODES.get(place)? {
            "nb" | "nn" => "no",
            other => other,
        }))
    }

    /// Its code, such as `de`: two letters, or three where it has no shorter one.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// The language of this English name, in any case.
    pub fn named(name: &str) -> Option<Language> {
        let known = NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        known.map(|(code, _)| Language(code))
    }

    /// Its English name, where it is one of the commoner languages.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(code, _)| *code == self.0).map(|(_, name)| *name)
    }

    /// How words of this language are stemmed.
    pub(super) fn rules(self) -> WordRules {
        let stemmer = match self.0 {
            "en" => Some(Algorithm::English),
            "de" => Some(Algorithm::German),
            "fr" => Some(Algorithm::French),
            "es" => Some(Algorithm::Spanish),
            "it" => Some(Algorithm::Italian),
            "pt" => Some(Algorithm::Portuguese),
            "nl" => Some(Algorithm::Dutch),
            "sv" => Some(Algorithm::Swedish),
            "no" => Some(Algorithm::Norwegian),
            "da" => Some(Algorithm::Danish),
            "fi" => Some(Algorithm::Finnish),
            _ => None,
        };
        let apostrophe = match self.0 {
            "fr" | "it" | "ca" | "oc" => Apostrophe::AfterArticle,
            _ => Apostrophe::BeforeEnding,
        };
        WordRules { stemmer: stemmer.map(Stemmer::new), apostrophe }
    }
}

/// What an apostrophe inside a word parts.
#[derive(Clone, Copy, Debug)]
enum Apostrophe {
    /// The possessive of English and its like: `cat's` is `cat`.
    BeforeEnding,
    /// The elided article of French and its like: `l'histoire` is `histoire`.
    AfterArticle,
}

/// How the words of one language are brought to the form in which they are compared.
#[derive(Clone)]
pub(super) struct WordRules {
    stemmer: Option<Stemmer>,
    apostrophe: Apostrophe,
}

impl WordRules {
    /// A folded word without possessive or elided article.
    pub(super) fn base<'a>(&self, folded: &'a str) -> &'a str {
        match self.apostrophe {
            Apostrophe::BeforeEnding => folded.strip_suffix("'s").unwrap_or(folded),
            Apostrophe::AfterArticle => folded.rsplit('\'').next().unwrap_or(folded),
        }
    }

    /// The stem of a word that [`base`](WordRules::base) gave.
    pub(super) fn stem<'a>(&self, base: &'a str) -> Cow<'a, str> {
        match &self.stemmer {
            Some(stemmer) => stemmer.stem(base),
            None => Cow::Borrowed(base),
        }
    }
}

impl std::fmt::Debug for WordRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stemmer = self.stemmer.map(|stemmer| stemmer.algorithm());
        f.debug_struct("WordRules").field("stemmer", &stemmer).field("apostrophe", &self.apostrophe).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN_CODES, Language};

    #[test]
    fn every_known_code_is_found_in_any_case_and_with_a_region() {
        for code in KNOWN_CODES {
            let found = Language::parse(code);
            assert!(found.is_some(), "{code}");
            assert_eq!(Language::parse(&code.to_ascii_uppercase()), found);
            assert_eq!(Language::parse(&format!("{code}-XX")), found);
        }
        assert_eq!(Language::parse("pt_BR").map(Language::code), Some("pt"));
        assert_eq!(Language::parse("nb").map(Language::code), Some("no"));
        for unknown in ["", "q", "qq", "english", "-", "de1"] {
            assert_eq!(Language::parse(unknown), None, "{unknown}");
        }
    }
}
