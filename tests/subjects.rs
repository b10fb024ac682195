//! Subjects from outside: what questions are found to be about, and what is said of faulty rules.
//!
//! **Invariant:** but for the shipped rules, whose languages are counted, nothing here reads a file;
//! rules and questions stand beside what is expected.

use std::fs;

use proptest::prelude::*;
use stumper::fault::{Fault, Position, Severity};
use stumper::subjects::{
    self, CLOSE_SECOND_SHARE, CONFIDENCE_MIN, RULE_FILE_BYTES_MAX, RuleFile, SubjectId, Subjects, TERMS_MAX,
    TEXT_BYTES_MAX, Verdict,
};

const ARTS: &str = r#"
id = "arts"
name = "Art and design"
hashtags = ["art", "PublicArt"]
strong = ["art", "café culture", "naïve painting", "museum", "c++ art"]
weak = ["color", "portrait*"]
against = ["martial art"]

[[terms]]
language = "de"
strong = ["Gemälde", "Künstlerin"]

[[terms]]
language = "fr"
strong = ["œuvre", "histoire de l'art"]
"#;

const HISTORY: &str = r#"
id = "history"
name = "History"
hashtags = ["twitterstorians"]
strong = ["ottoman*", "world war", "world war two", "history", "librar* of alexandria", "תולדות"]
weak = ["war", "king", "don't tread"]
against = ["browser history", "king of pop"]

[[terms]]
language = "zh-Hant"
strong = ["歷史"]
"#;

const GENEALOGY: &str = r#"
id = "genealogy"
name = "Genealogy"
parent = "history"
strong = ["family history", "family tree"]
"#;

fn file(name: &str, text: &str) -> RuleFile {
    RuleFile { name: format!("rules/{name}.toml"), text: text.as_bytes().to_vec() }
}

fn desk() -> Subjects {
    let files = [file("arts", ARTS), file("history", HISTORY), file("genealogy", GENEALOGY)];
    let (subjects, faults) = Subjects::compile(&files);
    assert_eq!(faults, [], "the rules of these tests have no faults");
    subjects
}

/// Checks what is matched, as `subject: term "words of the text"`, in the order of the text.
#[track_caller]
fn check_in(language: Option<&str>, name: &str, text: &str, expected: &[&str]) {
    let found = desk().classify(text, language);
    let matched = found.matched.iter().map(|term| {
        let words = text.get(term.start..term.end).expect("offsets lie between characters");
        format!("{}: {} \"{words}\"", term.subject, term.term)
    });
    assert_eq!(matched.collect::<Vec<_>>(), expected, "{name}");
}

#[track_caller]
fn check(name: &str, text: &str, expected: &[&str]) {
    check_in(None, name, text, expected);
}

#[test]
fn terms_are_found_as_whole_words() {
    check("a word", "What is art?", &[r#"arts: art "art""#]);
    check("not inside a word", "My heart, a party, and Artemis", &[]);
    check(
        "in another form",
        "Two museums and the Arts",
        &[r#"arts: museum "museums""#, r#"arts: art "Arts""#],
    );
    check("possessive", "the museum's roof", &[r#"arts: museum "museum's""#]);
    check("possessive with a curly apostrophe", "the museum’s roof", &[r#"arts: museum "museum’s""#]);
    check("an apostrophe within a phrase", "Don’t tread!", &[r#"history: don't tread "Don’t tread""#]);
    check("a beginning", "The Ottomans", &[r#"history: ottoman* "Ottomans""#]);
    check("a beginning is of a word", "a preottoman wall", &[]);
    check(
        "a beginning within a phrase",
        "Library of Alexandria",
        &[r#"history: librar* of alexandria "Library of Alexandria""#],
    );
    check("a phrase", "about World  War Two", &[r#"history: world war two "World  War Two""#]);
    check(
        "a phrase over punctuation",
        "the world-war, (two)",
        &[r#"history: world war two "world-war, (two""#],
    );
    check("not half a phrase", "the world of a family", &[]);
    check("capitals", "WORLD WAR", &[r#"history: world war "WORLD WAR""#]);
}

#[test]
fn terms_are_found_however_they_are_typed() {
    check("accents left out", "cafe culture", &[r#"arts: café culture "cafe culture""#]);
    check("accents of their own", "cafe\u{301} culture", &["arts: café culture \"cafe\u{301} culture\""]);
    check("invisible characters", "his\u{200b}tory", &["history: history \"his\u{200b}tory\""]);
    check("soft hyphens", "mu\u{ad}seum", &["arts: museum \"mu\u{ad}seum\""]);
    check("ornamental letters", "𝓪𝓻𝓽", &[r#"arts: art "𝓪𝓻𝓽""#]);
    check("emoji beside a word", "🎨art🎨", &[r#"arts: art "art""#]);
    check("right to left", "ספר \u{200f}תולדות\u{200f} העם", &["history: תולדות \"תולדות\""]);
    check("vowel points", "תּוֹלְדוֹת", &[r#"history: תולדות "תּוֹלְדוֹת""#]);
    check("mentions are no evidence", "@art@museum.example hello", &[]);
}

#[test]
fn hashtags_are_words_and_more() {
    check(
        "a hashtag of a subject",
        "help #twitterstorians",
        &[r##"history: twitterstorians "#twitterstorians""##],
    );
    check("it shadows the same word", "#Art", &[r##"arts: art "#Art""##]);
    check("capitals part words", "#FamilyTree", &[r##"genealogy: family tree "#FamilyTree""##]);
    check("underscores part words", "#world_war", &[r##"history: world war "#world_war""##]);
    check("a phrase as one word", "#familyhistory", &[r##"genealogy: family history "#familyhistory""##]);
    check("several spellings", "#public_art", &[r##"arts: PublicArt "#public_art""##]);
    check(
        "words within a longer hashtag",
        "#MyFamilyHistory",
        &[r#"genealogy: family history "FamilyHistory""#, r#"history: history "History""#],
    );
    check("no word within a word", "#heart", &[]);
    check("a hashtag's name without # is no hashtag", "twitterstorians", &[]);
}

#[test]
fn the_longest_term_of_a_subject_counts() {
    check("nested phrases", "world war two", &[r#"history: world war two "world war two""#]);
    check(
        "each place for itself",
        "world war and another war",
        &[r#"history: world war "world war""#, r#"history: war "war""#],
    );
    check(
        "other subjects keep theirs",
        "family history",
        &[r#"genealogy: family history "family history""#, r#"history: history "history""#],
    );
    check(
        "what speaks against shadows too",
        "browser history",
        &[r#"history: browser history "browser history""#],
    );
    check("a term counts once", "art, arts and ART", &[r#"arts: art "art""#]);
}

#[test]
fn a_text_tells_which_terms_count() {
    let gemalde = [r#"arts: Gemälde "Gemälde""#];
    let german = "Wer hat dieses Gemälde gemalt, und wann?";
    check("nothing declared", german, &gemalde);
    check_in(Some("en"), "declared by an English device", german, &gemalde);
    check_in(Some("klingon"), "declared by no tag", german, &gemalde);
    check(
        "French",
        "Qui a écrit cette histoire de l’art ?",
        &["arts: histoire de l'art \"histoire de l’art\""],
    );
    check("too short", "Das Gemälde", &[]);
    check_in(
        Some("de"),
        "English by a German device",
        "What is the history of this?",
        &[r#"history: history "history""#],
    );
}

/// English terms that look like words of another language.
#[test]
fn false_friends_do_not_count() {
    check("German", "Welche Art von Stein war das, und was ist ein King?", &[]);
    check(
        "the same in English",
        "What art is from the war?",
        &[r#"arts: art "art""#, r#"history: war "war""#],
    );
    check_in(Some("de"), "where German is declared", "art war", &[]);
    check("French", "Où est le museum de la ville de Metz ?", &[]);
    check_in(
        Some("is"),
        "a language without rules",
        "Hver er saga Ottomans í þessu landi og hvað er art?",
        &[r#"history: ottoman* "Ottomans""#],
    );
    check(
        "a phrase",
        "Wer hat im Film World War mitgespielt und war er da?",
        &[r#"history: world war "World War""#],
    );
    check("a hashtag", "Wer hat das gemalt, und wann war das? #art", &[r##"arts: art "#art""##]);
    check("a word of a hashtag", "Wer hat das gemalt, und wann war das? #OldArt", &[r#"arts: art "Art""#]);
}

#[test]
fn the_language_that_was_used_is_told() {
    let language = |declared, text: &str| desk().classify(text, declared).language;
    assert_eq!(language(None, "art").as_deref(), None);
    assert_eq!(language(Some("de-AT"), "art").as_deref(), Some("de"));
    assert_eq!(language(Some("nb"), "kunst").as_deref(), Some("no"));
    assert_eq!(language(Some("klingon"), "art").as_deref(), None);
    assert_eq!(language(None, "Where is the art of the Ottomans?").as_deref(), Some("en"));
    assert_eq!(language(None, "Hvenær var fyrsta bókasafnið á Íslandi stofnað?").as_deref(), Some("is"));
}

#[test]
fn terms_of_a_language_count_where_it_is_declared() {
    let gemalde = [r#"arts: Gemälde "Gemälde""#];
    check_in(Some("de"), "German", "Wer malte dieses Gemälde?", &gemalde);
    check_in(Some("de-AT"), "German of Austria", "Gemälde", &gemalde);
    check_in(
        Some("de"),
        "a form with an ending",
        "die Künstlerinnen",
        &[r#"arts: Künstlerin "Künstlerinnen""#],
    );
    check_in(
        Some("de"),
        "English too",
        "history und Gemälde",
        &[r#"history: history "history""#, r#"arts: Gemälde "Gemälde""#],
    );
    check_in(Some("fr"), "an elided article", "L’œuvre", &["arts: œuvre \"L’œuvre\""]);
    check_in(
        Some("fr"),
        "within a phrase",
        "Histoire de l’art",
        &["arts: histoire de l'art \"Histoire de l’art\""],
    );
    check_in(Some("zh"), "a script without spaces", "中國歷史的書", &[r#"history: 歷史 "歷史""#]);
    check_in(Some("en"), "not in English", "Gemälde", &[]);
    check_in(None, "not where nothing is declared", "Gemälde", &[]);
    check_in(Some("klingon"), "an unknown language", "art", &[r#"arts: art "art""#]);
}

/// Checks the chosen subjects and all ranked ones with their scores.
#[track_caller]
fn check_ranking(text: &str, chosen: &[&str], ranked: &[(&str, f64)]) {
    let found = desk().classify(text, None);
    let ids: Vec<&str> = found.chosen().iter().map(|chosen| chosen.id.as_str()).collect();
    assert_eq!(ids, chosen, "chosen for {text:?}");
    assert_eq!(found.best.as_ref().map(SubjectId::as_str), chosen.first().copied(), "best for {text:?}");
    let all: Vec<(&str, f64)> =
        found.subjects.iter().map(|ranked| (ranked.id.as_str(), ranked.score)).collect();
    assert_eq!(all, ranked, "ranked for {text:?}");
}

#[test]
fn subjects_are_chosen_by_their_score() {
    check_ranking("hello", &[], &[]);
    check_ranking("the king", &[], &[("history", 1.0)]);
    check_ranking("a king at war", &["history"], &[("history", 2.0)]);
    check_ranking("the history of the Ottomans", &["history"], &[("history", 6.0)]);
    check_ranking("the king of pop", &[], &[]);
    check_ranking("the art of history", &["arts", "history"], &[("arts", 3.0), ("history", 3.0)]);
    check_ranking("the history of art", &["history", "arts"], &[("history", 3.0), ("arts", 3.0)]);
    check_ranking("a history of war in art", &["history"], &[("history", 4.0), ("arts", 3.0)]);
    check_ranking("kings, war, art, museums", &["arts"], &[("arts", 6.0), ("history", 2.0)]);
    check_ranking("#art", &["arts"], &[("arts", 4.0)]);
    check_ranking("How do I clear my browser history?", &[], &[]);
}

#[test]
fn confidence_grows_with_the_score_and_the_margin() {
    let confidence = |text: &str| desk().classify(text, None).subjects[0].confidence;
    let ranked = ["the king", "history", "history and a war", "history of the Ottomans"].map(confidence);
    assert!(ranked.is_sorted() && ranked[0] < ranked[3], "{ranked:?}");
    assert!(confidence("history and art") < confidence("history"));
    assert!(ranked.iter().all(|confidence| (0.0..1.0).contains(confidence)), "{ranked:?}");
}

#[test]
fn of_a_very_long_text_the_beginning_counts() {
    let within = format!("{} art", "x ".repeat(1_000));
    assert_eq!(desk().classify(&within, None).matched.len(), 1);
    let beyond = format!("{} art", "x ".repeat(TEXT_BYTES_MAX / 2));
    assert_eq!(desk().classify(&beyond, None).matched, []);
}

#[test]
fn what_was_read_before_changes_nothing() {
    let desk = desk();
    let mut reader = desk.reader();
    let german = "Wer hat dieses Gemälde gemalt, und wann war das?";
    for text in ["family history", "die Gemälde", german, "the art of war", "family history"] {
        for language in [None, Some("de"), Some("fr")] {
            assert_eq!(reader.classify(text, language), desk.classify(text, language), "{text}");
        }
    }
}

#[test]
fn the_order_of_files_changes_nothing() {
    let forward = [file("arts", ARTS), file("history", HISTORY), file("genealogy", GENEALOGY)];
    let backward = [file("genealogy", GENEALOGY), file("history", HISTORY), file("arts", ARTS)];
    let text = "the art of family history";
    let classify = |files: &[RuleFile]| Subjects::compile(files).0.classify(text, None);
    assert_eq!(classify(&forward), classify(&backward));
}

#[test]
fn subjects_are_known_by_id_name_and_hashtag() {
    let desk = desk();
    let ids: Vec<&str> = desk.iter().map(|subject| subject.id.as_str()).collect();
    assert_eq!(ids, ["arts", "genealogy", "history"]);
    assert_eq!(desk.get(&SubjectId::new("genealogy")).unwrap().parent, Some(SubjectId::new("history")));
    assert_eq!(desk.named("Design"), Some(SubjectId::new("arts")));
    assert_eq!(desk.named("#publicart"), Some(SubjectId::new("arts")));
    assert_eq!(desk.named("everything"), Some(SubjectId::general()));
    assert_eq!(desk.closest("geneology").unwrap().name, "Genealogy");
}

#[test]
fn examples_are_read_in_their_language() {
    let rules = "id = \"x\"\nname = \"X\"\n[[terms]]\nlanguage = \"de\"\nstrong = [\"Gemälde\"]\n";
    let verdict = |example: &str| {
        let tested = subjects::test(&[file("x", &format!("{rules}[[example]]\n{example}\n"))]);
        tested.iter().map(|tested| tested.verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdict("language = \"de-AT\"\nyes = \"Gemälde\""), [Verdict::Right]);
    assert_eq!(verdict("language = \"de\"\nno = \"Gemälde\""), [Verdict::Noisy]);
    assert_eq!(verdict("yes = \"Gemälde\""), [Verdict::Missing], "one word does not tell its language");
}

/// The beginning of every good file.
const GOOD: &str = "id = \"x\"\nname = \"X\"\n";

fn told(fault: &Fault, source: &[u8]) -> String {
    let source = String::from_utf8_lossy(source);
    let place =
        fault.span.as_ref().map_or("-".to_owned(), |span| Position::of(&source, span.start).to_string());
    let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let warning = if fault.severity == Severity::Warning { "warning: " } else { "" };
    format!("{place} {warning}{}{hint}", fault.what)
}

/// Checks the faults of one rule file, `x.toml`.
#[track_caller]
fn check_faults(text: impl AsRef<[u8]>, expected: &[&str]) {
    let files = [RuleFile { name: "rules/x.toml".to_owned(), text: text.as_ref().to_vec() }];
    let (_, faults) = Subjects::compile(&files);
    let told: Vec<String> = faults.iter().map(|fault| told(fault, text.as_ref())).collect();
    assert_eq!(told, expected);
}

#[test]
fn each_fault_is_told_with_its_place_and_what_to_do() {
    let good = |rest: &str| format!("{GOOD}{rest}\n");
    check_faults(good(""), &[]);
    check_faults("\u{feff}id = \"x\"\nname = \"X\"\n", &[]);
    check_faults(good("").replace('\n', "\r\n"), &[]);
    check_faults(good("stong = [\"a\"]"), &["3:1 this key is not known (did you mean `strong`?)"]);
    check_faults(
        good("colour = 1"),
        &[
            "3:1 this key is not known (the keys here are id, name, parent, lcc, ddc, hashtags, strong, weak, \
         against, ignore, terms, example)",
        ],
    );
    check_faults(
        good("strong = \"art\""),
        &["3:10 a list of texts is expected here, and this is a text (write `strong = [\"…\", \"…\"]`)"],
    );
    check_faults(
        good("strong = [\"art\", 5]"),
        &["3:18 a text in quotes is expected here, and this is a number (put it in quotes)"],
    );
    check_faults(good("strong = [\" \"]"), &["3:11 this text is empty (fill it in, or take it out)"]);
    check_faults(good("strong = [\"?!\"]"), &["3:11 this term has no word in it (write a word or a phrase)"]);
    check_faults(
        good("strong = [\"art*ist\"]"),
        &["3:11 `*` stands inside a word (put it at the word's end, as in \"ottoman*\")"],
    );
    check_faults(
        good("strong = [\"*art\", \"a * b\"]"),
        &[
            "3:11 `*` does not follow a word (put it at the word's end, as in \"ottoman*\")",
            "3:19 `*` does not follow a word (put it at the word's end, as in \"ottoman*\")",
        ],
    );
    check_faults(
        good("strong = [\"ar*\"]"),
        &["3:11 this beginning is so short that it fits anything (write 3 letters or more before the star)"],
    );
    check_faults(
        good("strong = [\"art\", \"ART\"]\nweak = [\"Art\"]"),
        &[
            "3:18 warning: this term stands in the list before",
            "4:9 warning: this term stands in another list of the file, which counts",
        ],
    );
    check_faults(
        good("hashtags = [\"#art\", \"a b\", \"123\"]"),
        &[
            "3:13 warning: hashtags are written without `#` here (leave the `#` out)",
            "3:21 no network reads this as a hashtag (letters, digits and `_`, with one letter at least)",
            "3:28 no network reads this as a hashtag (letters, digits and `_`, with one letter at least)",
        ],
    );
    check_faults(
        good("lcc = [\"PN1-\"]\nddc = [\"9\"]"),
        &[
            "3:8 this is no range of the LCC classification (write a class with or without a range, such as \
         \"PN1560-1998\")",
            "4:8 this is no range of the DDC classification (write three digits with or without a range, such as \
         \"791-792\")",
        ],
    );
    check_faults(
        good("parent = \"y\""),
        &["3:10 no rule file has this id (name the id of another rule file, or take the line out)"],
    );
    check_faults(
        good("parent = \"x\""),
        &[
            "3:10 this subject is its own parent, directly or in a circle (take out one of the parents in the circle)",
        ],
    );
    check_faults(
        good("[[terms]]\nlanguage = \"xx\"\nstrong = [\"a\"]\n[[terms]]\nstrong = [\"b\"]"),
        &[
            "4:12 this is no language code (write one such as \"de\" or \"pt-BR\")",
            "6:1 these terms have no `language` (add one, such as `language = \"de\"`)",
        ],
    );
    check_faults(
        good("[terms]\nlanguage = \"de\""),
        &[
            "3:1 `terms` is a section that may stand more than once (write `[[terms]]` with two brackets on each side)",
        ],
    );
    check_faults(
        good("[[example]]\n[[example]]\nyes = \"a\"\nno = \"b\"\n[[example]]\nyes = 1"),
        &[
            "3:1 this example is empty (give it `yes = \"…\"` or `no = \"…\"`)",
            "4:1 this example has both `yes` and `no` (make it two examples)",
            "8:7 a text in quotes is expected here, and this is a number (put it in quotes)",
        ],
    );
    check_faults(
        good("[[example]]\nlanguage = \"german\"\nyes = \"a\""),
        &["4:12 this is no language code (write one such as \"de\" or \"pt-BR\")"],
    );
    check_faults(
        "",
        &[
            "- the key `id` is missing (add `id = \"x\"`)",
            "- the key `name` is missing (add `name = \"…\"`, what people call x)",
        ],
    );
    check_faults(
        "id = \"y\"\nname = \"X\"",
        &["1:6 the id is not the file's name (write `id = \"x\"`, or rename the file)"],
    );
    check_faults(
        b"id = \"x\"\nname = \"\xff\"\n",
        &["2:9 from here on the file is not UTF-8 text (save it as UTF-8)"],
    );
    check_faults(
        vec![b'#'; 10 * RULE_FILE_BYTES_MAX],
        &[
            "- this file is larger than 1 MiB and was not read (split the subject, or keep the terms that matter)",
        ],
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "id = \"y\"\nnmae = \"X\"\nstrong = [\"art\" \"music\"]\nweak = [5, \"*\"]\nddc = [\"x\"]\n";
    let files = [file("x", text), file("history", HISTORY)];
    let (subjects, faults) = Subjects::compile(&files);
    let places: Vec<String> = faults
        .iter()
        .map(|fault| told(fault, text.as_bytes()).split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(places, ["-", "1:6", "2:1", "3:17", "4:9", "4:12", "5:8"], "{faults:#?}");
    // What could be understood is used, and the other file is not touched by it.
    assert_eq!(subjects.classify("art", None).best, Some(SubjectId::new("x")));
    assert_eq!(subjects.classify("history", None).best, Some(SubjectId::new("history")));
}

#[test]
fn circles_of_parents_are_found_and_cut() {
    let subject =
        |id: &str, parent: &str| file(id, &format!("id = \"{id}\"\nname = \"{id}\"\nparent = \"{parent}\""));
    let (subjects, faults) = Subjects::compile(&[subject("a", "b"), subject("b", "c"), subject("c", "b")]);
    let at: Vec<&str> = faults.iter().map(|fault| fault.file.as_str()).collect();
    assert_eq!(at, ["rules/b.toml", "rules/c.toml"]);
    let parents: Vec<Option<SubjectId>> = subjects.iter().map(|subject| subject.parent.clone()).collect();
    assert_eq!(parents, [Some(SubjectId::new("b")), None, None]);
}

#[test]
fn a_subject_has_one_file() {
    let twice = [file("arts", ARTS), RuleFile { name: "more/arts.toml".to_owned(), text: ARTS.into() }];
    let (subjects, faults) = Subjects::compile(&twice);
    assert_eq!(subjects.iter().count(), 1);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].what, "more/arts.toml already has the rules of this subject");
    let (_, faults) = Subjects::compile(&[file("general", "id = \"general\"\nname = \"General\"")]);
    assert_eq!(faults[0].what, "`general` is the general desk and has no rules");
}

#[test]
fn limits_hold() {
    let terms: Vec<String> = (0..TERMS_MAX + 5).map(|number| format!("\"term{number}\"")).collect();
    let (subjects, faults) =
        Subjects::compile(&[file("x", &format!("{GOOD}strong = [{}]", terms.join(",")))]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].what.starts_with("this file holds more than 20000 terms"));
    assert!(subjects.classify(&format!("term{}", TERMS_MAX - 1), None).best.is_some());
    assert!(subjects.classify(&format!("term{TERMS_MAX}"), None).best.is_none());

    for faulty in ["5,", "\"?\","] {
        let faulty = format!("{GOOD}strong = [{}]", faulty.repeat(10_000));
        let (_, faults) = Subjects::compile(&[file("x", &faulty)]);
        assert_eq!(faults.len(), 101);
        assert_eq!(faults[100].what, "there are more faults in this file than are listed");
    }

    let nested = format!("{GOOD}strong = {}", "[".repeat(100_000));
    assert!(!Subjects::compile(&[file("x", &nested)]).1.is_empty());
}

/// How many terms speak for a subject in a language, and how many examples it has there.
fn spoken(rules: &toml::Table, language: &str) -> (usize, usize) {
    let sections = |key: &str| rules.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    let is_in =
        |section: &&toml::Value| section.get("language").and_then(toml::Value::as_str) == Some(language);
    let length = |list: &toml::Value| list.as_array().map_or(0, Vec::len);
    let terms_of = |section: &toml::Value| {
        ["strong", "weak"].iter().filter_map(|list| section.get(list)).map(length).sum::<usize>()
    };
    (sections("terms").filter(is_in).map(terms_of).sum(), sections("example").filter(is_in).count())
}

#[test]
fn shipped_subjects_speak_more_than_english() {
    let mut subjects = 0;
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        subjects += 1;
        let rules: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for language in ["es", "fr", "de"] {
            let (terms, examples) = spoken(&rules, language);
            let file = path.display();
            assert!(terms >= 25, "{file} has {terms} terms in {language}; 25 are the least");
            assert!(examples >= 1, "{file} has no example in {language}");
        }
    }
    assert!(subjects >= 27, "only {subjects} rule files were found");
}

/// Texts that look like posts: words of the rules, signs, and anything else.
fn posts() -> impl Strategy<Value = String> {
    let words = [
        "art",
        "Art",
        "heart",
        "museums",
        "history",
        "family",
        "history",
        "world",
        "war",
        "two",
        "ottomans",
        "café",
        "culture",
        "Gemälde",
        "#FamilyHistory",
        "#worldwar",
        "@art",
        "歷史",
        "\u{200b}",
        "\u{301}",
        "’",
        "'s",
        "#",
        "_",
        "*",
        "C++",
        "🎨",
        "ﬁ",
        "İ",
        "ß",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => any::<char>().prop_map(String::from),
    ];
    let gap = proptest::sample::select(vec![" ", "", "-", "\n", ", "]).prop_map(str::to_owned);
    proptest::collection::vec((piece, gap), 0..30)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, gap)| [piece, gap]).collect())
}

fn is_letter(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_alphanumeric())
}

proptest! {
    #[test]
    fn every_match_is_its_term_in_whole_words(text in posts(), language in "(de|fr|zh|en)") {
        let desk = desk();
        let found = desk.classify(&text, Some(&language));
        for term in &found.matched {
            let words = text.get(term.start..term.end);
            prop_assert!(words.is_some_and(|words| !words.is_empty()), "offsets lie between characters");
            let words = words.unwrap_or_default();
            let alone = [words.to_owned(), format!("#{words}")].iter().any(|words| {
                let again = desk.classify(words, found.language.as_deref());
                again.matched.iter().any(|other| (&other.subject, &other.term) == (&term.subject, &term.term))
            });
            prop_assert!(alone, "{words:?} is {:?} on its own too", term.term);
            let (before, after) = (text[..term.start].chars().next_back(), text[term.end..].chars().next());
            let is_within_hashtag = text[..term.start].contains(['#', '＃']);
            let cuts_a_word = is_letter(before) && is_letter(words.chars().next())
                || is_letter(after) && is_letter(words.chars().next_back());
            prop_assert!(!cuts_a_word || is_within_hashtag, "{words:?} is cut out of a word");
        }
    }

    #[test]
    fn results_hold_together(text in posts()) {
        let desk = desk();
        let found = desk.classify(&text, None);
        prop_assert_eq!(&found, &desk.classify(&text, None));
        for ranked in &found.subjects {
            let weights = found.matched.iter().filter(|term| term.subject == ranked.id).map(|term| term.weight);
            prop_assert_eq!(weights.sum::<f64>(), ranked.score);
            prop_assert!(ranked.score > 0.0 && (0.0..1.0).contains(&ranked.confidence));
        }
        prop_assert!(found.subjects.is_sorted_by(|a, b| a.score >= b.score));
        let is_sure = found.subjects.first().is_some_and(|best| CONFIDENCE_MIN <= best.confidence);
        prop_assert_eq!(found.best.is_some(), is_sure);
        let share = |confidence: f64| confidence / found.subjects[0].confidence;
        let close = found.chosen().iter().all(|chosen| CLOSE_SECOND_SHARE <= share(chosen.confidence));
        prop_assert!(close && found.chosen().len() <= 2);
    }

    #[test]
    fn any_bytes_are_rules_or_faults(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,200}") {
        for text in [bytes, text.clone().into_bytes(), format!("{GOOD}strong = [\"{text}\"]\nhashtags = [\"{text}\"]").into()] {
            let (subjects, faults) = Subjects::compile(&[RuleFile { name: "rules/x.toml".to_owned(), text }]);
            prop_assert!(faults.iter().all(|fault| !fault.what.is_empty()));
            subjects.classify("art", None);
        }
    }

    #[test]
    fn any_words_may_name_a_subject(words in "\\PC{0,40}") {
        let desk = desk();
        desk.closest(&words);
        if let Some(named) = desk.named(&words) {
            prop_assert!(named == SubjectId::general() || desk.get(&named).is_some());
        }
    }
}
