//! Which language a text is written in, told by its small words and its letters.
//!
//! Every function word and every telling letter is a vote for the languages that use it. Short
//! questions are told better so than by frequent groups of letters, which need longer texts, and the
//! words are looked up anyway. A script that only one language writes needs no votes.
//!
//! **Invariant:** a text of few letters has no language, and neither has one whose votes go nowhere
//! clearly: a text without a language is read as English.

use std::sync::LazyLock;

use hashbrown::HashMap;

use crate::subjects::language::Language;
use crate::subjects::language::function_words::LANGUAGES;
use crate::subjects::words::Words;

/// The language of a text with fewer letters is not told.
const LETTERS_MIN: usize = 20;

/// A character of Chinese, Japanese or Korean says about as much as so many letters.
const LETTERS_A_CHARACTER: usize = 3;

/// How much of a text is looked at for its letters, in bytes.
const LETTERS_BYTES_MAX: usize = 2_000;

/// A language other than English needs so many votes, and so many more than English has: English
/// texts hold foreign names and titles more often than the other way round.
const VOTES_MIN: u16 = 2;

/// So many votes belie what a post declares, where the declared language has this share of them or
/// less. A sentence quoted in a question about it is not enough.
const VOTES_BELYING: u16 = 4;
const VOTES_DECLARED_SHARE: u16 = 4;

/// The languages in which a word is a function word: a place among such sets, and one of the two bits
/// below. 0: in none.
pub(in crate::subjects) type Marks = u16;

/// English is among the languages.
const OF_ENGLISH: u32 = 15;

/// English is not among them.
const FOREIGN: u32 = 14;

/// A set of languages: a bit for each of [`LANGUAGES`].
type Set = u64;

/// What the words and letters of [`LANGUAGES`] come to.
struct Table {
    sets: Vec<Set>,
    words: HashMap<Box<str>, Marks>,
    letters: HashMap<char, Set>,
    cyrillic: Set,
    vietnamese: Set,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

impl Table {
    fn new() -> Table {
        let mut words: HashMap<String, Set> = HashMap::new();
        let mut letters: HashMap<char, Set> = HashMap::new();
        let (mut english, mut cyrillic, mut vietnamese) = (0, 0, 0);
        for (place, (code, its_words, its_letters)) in LANGUAGES.iter().enumerate() {
            let own: Set = 1 << place;
            its_words.split_whitespace().for_each(|word| *words.entry(folded(word)).or_default() |= own);
            its_letters.chars().for_each(|letter| *letters.entry(letter).or_default() |= own);
            if its_letters.chars().any(is_cyrillic) {
                cyrillic |= own;
            }
            match *code {
                "en" => english = own,
                "vi" => vietnamese = own,
                _ => {}
            }
        }
        let mut sets = vec![0];
        let mut marks = HashMap::new();
        for (word, set) in words {
            let known = sets.iter().position(|known| *known == set).unwrap_or(sets.len());
            if known == sets.len() {
                sets.push(set);
            }
            let place = Marks::try_from(known).expect("there are few function words");
            marks.insert(word.into(), place | 1 << if set & english == 0 { FOREIGN } else { OF_ENGLISH });
        }
        Table { sets, words: marks, letters, cyrillic, vietnamese }
    }
}

/// A word of the table as it stands in a text: folded, with the apostrophe by which it clings.
fn folded(word: &str) -> String {
    let cut = Words::of(word);
    let mut folded: String = cut.words().iter().map(|word| cut.folded(word)).collect();
    if word.ends_with('\'') {
        folded.push('\'');
    }
    folded
}

/// What a folded word says about the language of its text.
pub(in crate::subjects) fn marks_of(folded: &str) -> Marks {
    let words = &TABLE.words;
    let clinging = || words.get(folded.get(..=folded.find('\'')?)?);
    words.get(folded).or_else(clinging).copied().unwrap_or_default()
}

fn set_of(marks: Marks) -> Set {
    let place = marks & !(1 << OF_ENGLISH | 1 << FOREIGN);
    TABLE.sets.get(usize::from(place)).copied().unwrap_or_default()
}

/// Whether a folded word is a function word of a language.
pub(in crate::subjects) fn is_function_word(folded: &str, language: Language) -> bool {
    place_of(language).is_some_and(|place| set_of(marks_of(folded)) & (1 << place) != 0)
}

/// What the words of a text show at once, counted while they are looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::subjects) struct Glance {
    /// Function words of English, whether or not of others too.
    english: u16,
    /// Function words of other languages only.
    foreign: u16,
    /// The length of all words.
    bytes: usize,
}

impl Glance {
    /// Takes in a word, given with its marks and its length.
    pub(in crate::subjects) fn at(&mut self, marks: Marks, bytes: usize) {
        // A text of the length that is read has fewer words than this can count.
        self.english += marks >> OF_ENGLISH;
        self.foreign += marks >> FOREIGN & 1;
        self.bytes += bytes;
    }

    /// Whether no other language can lead: each has at most the votes of English, those of foreign
    /// words, and one for each of so many foreign letters.
    fn is_english_or_nothing(self, letters: usize) -> bool {
        let foreign = usize::from(self.foreign) + letters;
        foreign == 0 || (foreign < usize::from(VOTES_MIN) && VOTES_MIN <= self.english)
    }
}

/// The language of a text that declares one or none, and has words with these marks: the declared one,
/// unless it is surely another; without one, the one that the votes go to.
///
/// Many clients declare the language of the device in every post. So a text of many small words of one
/// language and next to none of the declared one is believed, and not its client.
pub(in crate::subjects) fn language_of(
    text: &str,
    is_plain: bool,
    glance: Glance,
    words: impl Iterator<Item = Marks>,
    declared: Option<Language>,
) -> Option<Language> {
    let may_be_english = declared.is_none_or(|declared| declared == Language::ENGLISH);
    let foreign = |c: &char| !c.is_ascii() && (c.is_alphabetic() || is_opening(*c));
    let letters =
        || if is_plain { 0 } else { text.chars().filter(foreign).take(usize::from(VOTES_MIN)).count() };
    // Most questions are plainly English, and no votes need be counted.
    if may_be_english && glance.is_english_or_nothing(letters()) {
        let is_told = 0 < glance.english && LETTERS_MIN <= glance.bytes;
        return if is_told { Some(Language::ENGLISH) } else { declared };
    }
    let votes = Votes::of(text, glance, words);
    match (declared, votes.leader()) {
        (Some(declared), Some(leader)) if votes.belie(declared, leader) => Some(leader.language),
        (Some(declared), _) => Some(declared),
        (None, leader) => leader.map(|leader| leader.language),
    }
}

/// The votes of one text.
#[derive(Clone, Debug)]
struct Votes {
    /// One count for each of [`LANGUAGES`].
    counts: [u16; Set::BITS as usize],
    /// The languages that have any.
    seen: Set,
    letters: usize,
    /// The language of the script that most of its letters are of, where only one language writes it.
    script: Option<Language>,
}

/// A language with its votes.
#[derive(Clone, Copy, Debug)]
struct Leader {
    language: Language,
    votes: u16,
}

impl Votes {
    fn of(text: &str, glance: Glance, words: impl Iterator<Item = Marks>) -> Votes {
        let mut votes = Votes { counts: [0; Set::BITS as usize], seen: 0, letters: 0, script: None };
        for marks in words.filter(|marks| *marks != 0) {
            votes.add(set_of(marks), 1);
        }
        let text = text.get(..text.floor_char_boundary(LETTERS_BYTES_MAX)).unwrap_or_default();
        if text.is_ascii() {
            votes.letters = glance.bytes;
        } else {
            votes.count_letters(text);
        }
        votes
    }

    fn add(&mut self, set: Set, votes: u16) {
        self.seen |= set;
        let mut rest = set;
        while rest != 0 {
            if let Some(count) = self.counts.get_mut(rest.trailing_zeros() as usize) {
                *count = count.saturating_add(votes);
            }
            rest &= rest - 1;
        }
    }

    fn count_letters(&mut self, text: &str) {
        let mut scripts: Vec<(Language, usize)> = Vec::new();
        let mut met: Vec<char> = Vec::new();
        let mut cyrillic = 0;
        for c in text.chars().filter(|c| c.is_alphabetic() || is_opening(*c)) {
            let Some(language) = language_of_script(c) else {
                self.letters += 1;
                cyrillic += usize::from(is_cyrillic(c));
                let small = c.to_lowercase().next().unwrap_or(c);
                if !c.is_ascii() && !met.contains(&small) {
                    met.push(small);
                }
                continue;
            };
            let weight = if is_character(language) { LETTERS_A_CHARACTER } else { 1 };
            self.letters += weight;
            match scripts.iter_mut().find(|(known, _)| *known == language) {
                Some((_, letters)) => *letters += weight,
                None => scripts.push((language, weight)),
            }
        }
        for letter in met {
            let is_tone = ('\u{1ea0}'..='\u{1ef9}').contains(&letter);
            let set = if is_tone { Some(TABLE.vietnamese) } else { TABLE.letters.get(&letter).copied() };
            self.add(set.unwrap_or_default(), 1);
        }
        // Half of a short question may show no letter that only some of these languages have. The
        // first of them in the list is then by far the commonest.
        if self.letters < 2 * cyrillic {
            self.add(TABLE.cyrillic, VOTES_MIN);
        }
        // Japanese mixes Chinese characters into its own.
        let japanese = Language("ja");
        if scripts.iter().any(|(language, _)| *language == japanese) {
            scripts
                .iter_mut()
                .filter(|(language, _)| language.0 == "zh")
                .for_each(|(language, _)| *language = japanese);
        }
        let of = |wanted: Language| {
            let letters =
                scripts.iter().filter(|(language, _)| *language == wanted).map(|(_, letters)| letters);
            letters.sum::<usize>()
        };
        let first = scripts.iter().map(|(language, _)| *language).max_by_key(|language| of(*language));
        self.script = first.filter(|language| self.letters <= 2 * of(*language));
    }

    /// The language most votes go to; of two with the same, the first in the list. Where no other
    /// leads clearly, English with enough votes does.
    fn leader(&self) -> Option<Leader> {
        if self.letters < LETTERS_MIN {
            return None;
        }
        if let Some(language) = self.script {
            return Some(Leader { language, votes: u16::MAX });
        }
        let mut leader: Option<Leader> = None;
        let mut rest = self.seen;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let (Some(votes), Some((code, ..))) = (self.counts.get(place), LANGUAGES.get(place)) else {
                break;
            };
            if leader.is_none_or(|leader| leader.votes < *votes) {
                leader = Some(Leader { language: Language(code), votes: *votes });
            }
        }
        let english = self.votes_for(Language::ENGLISH).unwrap_or_default();
        let leads = |leader: &Leader| {
            leader.language == Language::ENGLISH
                || (VOTES_MIN <= leader.votes && (english == 0 || english + VOTES_MIN <= leader.votes))
        };
        let instead = Leader { language: Language::ENGLISH, votes: english };
        leader.filter(leads).or_else(|| (VOTES_MIN <= english).then_some(instead))
    }

    /// Whether a text that declares a language is surely in the leader's.
    fn belie(&self, declared: Language, leader: Leader) -> bool {
        let votes = match self.votes_for(declared) {
            Some(votes) => votes,
            // A name of Chinese characters alone may be Japanese.
            None if declared.0 == "ja" && leader.language.0 == "zh" => return false,
            // What it looks like is not known.
            None if !HAS_OWN_SCRIPT.contains(&declared.0) => return false,
            None => 0,
        };
        declared != leader.language
            && VOTES_BELYING <= leader.votes
            && votes.saturating_mul(VOTES_DECLARED_SHARE) <= leader.votes
    }

    /// The votes of a language that stands in the list.
    fn votes_for(&self, language: Language) -> Option<u16> {
        self.counts.get(place_of(language)?).copied()
    }
}

fn place_of(language: Language) -> Option<usize> {
    LANGUAGES.iter().position(|(code, ..)| *code == language.0)
}

/// The signs with which Spanish questions and exclamations begin, which tell as much as a letter.
fn is_opening(c: char) -> bool {
    matches!(c, '¿' | '¡')
}

fn is_cyrillic(c: char) -> bool {
    ('\u{400}'..='\u{52f}').contains(&c)
}

fn is_character(language: Language) -> bool {
    matches!(language.0, "zh" | "ja" | "ko")
}

/// The languages that [`language_of_script`] can name.
const HAS_OWN_SCRIPT: &[&str] = &[
    "el", "hy", "he", "bn", "pa", "gu", "ta", "te", "kn", "ml", "si", "th", "lo", "bo", "my", "ka", "am",
    "km", "ko", "ja", "zh",
];

/// The language of a letter that only one language writes, or one among few that are seldom met.
fn language_of_script(c: char) -> Option<Language> {
    let code = match c {
        '\0'..='\u{36f}' => return None,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => "el",
        '\u{530}'..='\u{58f}' => "hy",
        '\u{590}'..='\u{5ff}' => "he",
        '\u{980}'..='\u{9ff}' => "bn",
        '\u{a00}'..='\u{a7f}' => "pa",
        '\u{a80}'..='\u{aff}' => "gu",
        '\u{b80}'..='\u{bff}' => "ta",
        '\u{c00}'..='\u{c7f}' => "te",
        '\u{c80}'..='\u{cff}' => "kn",
        '\u{d00}'..='\u{d7f}' => "ml",
        '\u{d80}'..='\u{dff}' => "si",
        '\u{e00}'..='\u{e7f}' => "th",
        '\u{e80}'..='\u{eff}' => "lo",
        '\u{f00}'..='\u{fff}' => "bo",
        '\u{1000}'..='\u{109f}' => "my",
        '\u{10a0}'..='\u{10ff}' => "ka",
        '\u{1200}'..='\u{139f}' => "am",
        '\u{1780}'..='\u{17ff}' => "km",
        '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => "ko",
        '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9d}' => "ja",
        '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => "zh",
        _ => return None,
    };
    Some(Language(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the language of a text that declares none or one.
    #[track_caller]
    fn check(name: &str, declared: &str, text: &str, expected: &str) {
        let words = Words::of(text);
        let marks = words.words().iter().map(|word| marks_of(words.folded(word)));
        let mut glance = Glance::default();
        words
            .words()
            .iter()
            .zip(marks.clone())
            .for_each(|(word, marks)| glance.at(marks, word.end() - word.start()));
        let language = language_of(text, words.are_plain(), glance, marks, Language::parse(declared));
        assert_eq!(language.map_or("-", Language::code), expected, "{name}");
    }

    #[test]
    fn a_text_tells_its_language() {
        check("English", "", "When did the Ottoman Empire fall?", "en");
        check("German", "", "Wer regierte im Mittelalter über Sachsen?", "de");
        check("French", "", "Quelle est l'histoire de la commune de Paris ?", "fr");
        check("Spanish", "", "¿Cuándo cayó el Imperio otomano?", "es");
        check("Spanish without its signs", "", "cuando cayo el imperio otomano y por que", "es");
        check("Italian", "", "Quando è stata costruita la torre di Pisa?", "it");
        check("Portuguese", "", "Quem foi o primeiro rei de Portugal e quando nasceu?", "pt");
        check("Dutch", "", "Wanneer werd het Vredespaleis gebouwd?", "nl");
        check("Icelandic", "", "Hvenær var fyrsta bókasafnið á Íslandi stofnað?", "is");
        check("Norwegian", "", "Hva heter den eldste kirken i Norge?", "no");
        check("Polish", "", "Kiedy wybudowano zamek w Malborku?", "pl");
        check("Turkish", "", "Osmanlı İmparatorluğu ne zaman yıkıldı ve neden?", "tr");
        check("Russian", "", "Когда была основана эта библиотека?", "ru");
        check("Ukrainian", "", "Коли була заснована ця бібліотека?", "uk");
        check("Cyrillic that shows no more", "", "Преобразование больших чисел", "ru");
        check("Persian", "", "قدیمی ترین کتابخانه ایران کجا است؟", "fa");
        check("Arabic", "", "متى تأسست أول مكتبة في القاهرة؟", "ar");
        check("a script of its own", "", "Πότε ιδρύθηκε η βιβλιοθήκη;", "el");
        check("Japanese, mostly in Chinese characters", "", "国立国会図書館はいつ設立", "ja");
        check("Chinese", "", "中國第一座公共圖書館何時成立", "zh");
    }

    #[test]
    fn what_tells_nothing_has_no_language() {
        check("too short", "", "Wer ist das und wo?", "-");
        check("nothing", "", "", "-");
        check("names", "", "Sibelius Kullervo partitura Helsinki", "-");
        check("a single German word", "", "Bibliothek Straßburg Handschrift", "-");
        check("numbers and signs", "", "12345 67890 … ??? 🎨🎨🎨🎨🎨🎨🎨🎨", "-");
    }

    #[test]
    fn english_may_hold_foreign_words() {
        check("a title", "", "Who wrote Der Untergang des Abendlandes and when?", "en");
        check("a name with accents", "", "Where was António Lobo Antunes born?", "en");
        check("an author's particle", "", "Which books did Simone de Beauvoir write?", "en");
        check("a phrase in quotes", "en", "What does “Wer hat das mit dem da gemacht” mean?", "en");
    }

    /// Many clients declare the language of the device.
    #[test]
    fn what_is_declared_counts_unless_the_text_belies_it() {
        let german = "Wer war der letzte Kaiser, und wann ist er gestorben?";
        check("without a doubt", "de", german, "de");
        check("an English device", "en", german, "de");
        check("a device of another script", "ja", german, "de");
        check("a German device", "de", "What is the oldest library in the world, and who built it?", "en");
        check("too little to be sure", "en", "Wann startete der Sender?", "en");
        check("too short to be sure", "en", "Wer ist das und wo?", "en");
        check("a neighbour", "da", "Hva heter den eldste kirken i Norge, og hvor er den?", "da");
        check("the other script of a language", "sr", "Kada je bio rat i šta je posle bilo sa njima?", "sr");
        check(
            "a language that is not known here",
            "gd",
            "Agus cad é an scéal is fearr leis na daoine?",
            "gd",
        );
        check("a name in Chinese characters", "ja", "東京都立中央図書館", "ja");
        check("Greek from an English device", "en", "Πότε ιδρύθηκε η βιβλιοθήκη;", "el");
        check("a tag nobody knows", "tlhx", german, "de");
    }

    #[test]
    fn the_table_holds_together() {
        assert!(LANGUAGES.len() <= Set::BITS as usize);
        for (place, (code, words, _)) in LANGUAGES.iter().enumerate() {
            assert_eq!(Language::parse(code).map(Language::code), Some(*code), "{code}");
            assert_eq!(place_of(Language(code)), Some(place), "{code} stands here twice");
            assert_eq!(Language(code).name().and_then(Language::named), Some(Language(code)), "{code}");
            for word in words.split_whitespace() {
                assert!(is_function_word(&folded(word), Language(code)), "{code}: {word}");
            }
        }
        for code in HAS_OWN_SCRIPT {
            assert_eq!(Language::parse(code).map(Language::code), Some(*code));
            assert_eq!(Language(code).name().and_then(Language::named), Some(Language(code)), "{code}");
            assert_eq!(place_of(Language(code)), None, "{code} has no need of votes");
        }
        let named: std::collections::BTreeSet<&str> =
            ('\0'..=char::MAX).filter_map(language_of_script).map(Language::code).collect();
        assert_eq!(named, HAS_OWN_SCRIPT.iter().copied().collect());
    }
}
