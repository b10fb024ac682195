//! What holds for rules and texts of any kind: broken files, half words, odd characters.
//!
//! **Invariant:** nothing that anybody writes stops the desk, and whatever it finds in a text it can
//! show in the text.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use stumper::subjects::{Classification, RuleFile, Subjects};

/// Rules with every kind of term, in several languages, hand-written and learned.
const RULES: [(&str, &str); 4] = [
    (
        "rules/history.toml",
        r##"
        id = "history"
        name = "History"
        hashtags = ["WorldWar", "ww2"]
        strong = ["art history", "ottoman*", "o'neill's war", "c++ war", "日本"]
        weak = ["war", "empire", "a b c d e f g h i j k l"]
        against = ["browser history"]
        ignore = ["history channel"]
        [[terms]]
        language = "fr"
        strong = ["l'histoire", "guerre*", "moyen âge"]
        "##,
    ),
    (
        "rules/art.toml",
        r##"
        id = "art"
        name = "Art"
        strong = ["art", "café society", "naïve"]
        weak = ["war", "oil", "c"]
        [[terms]]
        language = "de"
        strong = ["Geschichte der Kunst", "kunst*", "straße"]
        "##,
    ),
    ("rules/law.toml", "id = \"law\"\nname = \"Law\"\nstrong = [\"law of war\", \"straße\"]\n"),
    (
        "rules/learned/words.tsv",
        "subject\this\thistory\nsubject\tart\tart\n*\t9\t2\this-10 art-20\nempire\t9\t2\this+214 art-38\n\
         art\t9\t2\tart+120\nc++\t7\t1\this+30\nart history\t5\t2\tart+7 his+41\n*ology\t4\t2\this+31\n\
         anti*\t4\t2\tart+31\n*art*\t4\t2\tart+11 his-3\nwar\t4\t2\this+25\n",
    ),
];

/// Pieces of texts: words of the rules, and what is hard to cut.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "art", "Art", "arts", "history", "HISTORY'S", "ottomans", "empire", "war", "wars", "law", "of", "browser",
    "channel", "the", "what is", "l'histoire", "guerres", "moyen", "âge", "geschichte", "der", "kunstwerk",
    "STRASSE", "straße", "naive", "naïve", "cafe\u{301}", "society", "c++", "C", "c#", "o'neill", "O’Neill’s",
    "日本", "日", "รถไฟ", "biology", "antiart", "heart", "#", "＃", "@", "@desk", "#WorldWar", "#world_war", "#ww2",
    "#ArtHistory", "#arthistory", "'", "’", "`", "_", "+", "-", ".", "\u{200b}", "\u{ad}", "\u{301}", "\u{202e}",
    "\u{fe0f}", "🏰", "ﬁ", "ǅ", "İ", "ß", "\0", "\n", "\t", " ", " ", " ", " ", "a b c d e f g h i j k l m",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1914", "ww", "2",
];

/// Pieces of files: what rules are made of, whole and broken.
#[rustfmt::skip]
const LINES: &[&str] = &[
    "id = \"history\"", "id = \"x\"", "name = \"History\"", "parent = \"art\"", "parent = \"history\"", "lcc = [\"D\"]",
    "ddc = [\"9\", \"900-999\"]", "strong = [", "weak = [\"war\"]", "against = [\"war\", \"art\"]", "]", "\"art*\",",
    "\"*art\",", "\"a*\",", "\"ar*t\",", "\"\",", "\"#\",", "\"war\"", "\"\\u0000\"", "hashtags = [\"#a\", \"b c\"]",
    "[[terms]]", "language = \"fr\"", "language = 7", "[[example]]", "yes = \"war\"", "no = \"art\"", "ignore = []",
    "subject\this\thistory", "subject\t1\t2\ta+1", "term\tquestions\tsources\tweights", "war\t4\t2\this+25",
    "war\t4\t2\this-99999", "*\t1\t1\this+1", "*\t1\t1\t", "**\t1\t1\this+1", "a*\t1\t1\this+1", "*é*\t1\t1\this-1",
    "\t\t\t", "war", "war\t-1\t2\t", "日本\t4\t2\this+5 his+6", "art war\t4\t2\this+1 nobody+1", "# note", "'''", "\"\"\"",
    "\u{feff}", "\r", "=", "{", "\\",
];

fn config() -> ProptestConfig {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256);
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

fn pieces(of: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        12 => prop::sample::select(of).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        1 => any::<char>().prop_map(String::from),
    ];
    (prop::collection::vec((piece, prop::bool::weighted(0.6)), 0..most)).prop_map(|pieces| {
        let spaced = |(piece, is_spaced)| if is_spaced { piece + " " } else { piece };
        pieces.into_iter().map(spaced).collect()
    })
}

fn text() -> impl Strategy<Value = String> {
    pieces(PIECES, 24)
}

fn file() -> impl Strategy<Value = RuleFile> {
    let name = prop::sample::select(&[
        "rules/history.toml",
        "rules/art.toml",
        "rules/General.toml",
        "rules/learned/words.tsv",
        "rules/learned/shapes.tsv",
    ]);
    let lines = prop::collection::vec(
        prop_oneof![
            9 => prop::sample::select(LINES).prop_map(str::to_owned),
            1 => pieces(PIECES, 4),
        ],
        0..14,
    );
    let lines = lines.prop_map(|lines| lines.join("\n").into_bytes());
    let bytes = prop_oneof![8 => lines, 1 => prop::collection::vec(any::<u8>(), 0..60)];
    (name, bytes).prop_map(|(name, text)| RuleFile { name: name.to_owned(), text })
}

fn language() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(&[None, Some("en"), Some("fr"), Some("de"), Some("ja"), Some("nonsense")])
}

static SUBJECTS: LazyLock<Subjects> = LazyLock::new(|| {
    let file =
        |(name, text): (&str, &str)| RuleFile { name: name.to_owned(), text: text.as_bytes().to_vec() };
    let (subjects, faults) = Subjects::compile(&RULES.map(file));
    assert_eq!(faults, []);
    subjects
});

/// Every match is a part of the text, in its order; and scores are the sums of their matches, for the
/// subjects whose learned terms are shown too.
fn check(text: &str, found: &Classification) {
    for matched in &found.matched {
        assert!(text.get(matched.start..matched.end).is_some(), "{matched:?} is no part of {text:?}");
    }
    assert!(found.matched.is_sorted_by_key(|matched| (matched.start, matched.end)), "{found:?}");
    let hundredths = |number: f64| (number * 100.0).round() as i64;
    for ranked in found.subjects.iter().take(3) {
        let own = found.matched.iter().filter(|matched| matched.subject == ranked.id);
        let sum: i64 = own.map(|matched| hundredths(matched.weight)).sum();
        assert_eq!(sum, hundredths(ranked.score), "{} in {text:?}: {found:?}", ranked.id);
        assert!((0.0..=1.0).contains(&ranked.confidence), "{found:?}");
    }
    assert!(found.subjects.is_sorted_by(|one, other| one.score >= other.score), "{found:?}");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_read_and_what_was_read_before_changes_nothing(
        texts in prop::collection::vec((text(), language()), 1..4)
    ) {
        let mut reader = SUBJECTS.reader();
        for (text, language) in &texts {
            let found = reader.classify(text, *language);
            check(text, &found);
            prop_assert_eq!(&found, &SUBJECTS.classify(text, *language), "{:?}", texts);
        }
    }

    /// A sign that is no word makes a plain text one that is read with thought.
    #[test]
    fn plain_texts_are_read_as_any_other(text in "([a-zA-Z0-9' ]|art|war|[.,_-]|oil ){0,90}") {
        let (plain, other) = (SUBJECTS.classify(&text, None), SUBJECTS.classify(&format!("{text} @"), None));
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn any_files_give_rules_or_faults(files in prop::collection::vec(file(), 1..4), text in text()) {
        let (subjects, faults) = Subjects::compile(&files);
        for fault in &faults {
            let end = fault.span.as_ref().map_or(0, |span| span.start.max(span.end));
            let is_in = |file: &RuleFile| file.name == fault.file && end <= file.text.len();
            prop_assert!(files.iter().any(is_in), "{:?}", fault);
        }
        prop_assert!(subjects.iter().next().is_some() || !faults.is_empty() || is_learned_only(&files));
        let found = subjects.classify(&text, None);
        check(&text, &found);
        let mut turned = files.clone();
        turned.reverse();
        if has_no_name_twice(&files) {
            prop_assert_eq!(found, Subjects::compile(&turned).0.classify(&text, None));
        }
    }
}

fn is_learned_only(files: &[RuleFile]) -> bool {
    files.iter().all(|file| file.name.ends_with(".tsv"))
}

fn has_no_name_twice(files: &[RuleFile]) -> bool {
    files.iter().enumerate().all(|(at, file)| files.iter().skip(at + 1).all(|other| other.name != file.name))
}
