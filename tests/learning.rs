//! Learning from outside: what comes of questions whose subject is known, and what people's rules do
//! with it.
//!
//! **Invariant:** the questions are made up here, of a few words each, so that what is to be learned can
//! be seen.

use stumper::fault::Severity;
use stumper::subjects::learn::{Labelled, Learning, NothingLearned, learn};
use stumper::subjects::{Classification, RuleFile, Subjects};

const NATURE: &[&str] = &["badger", "heron", "orchid", "beetle", "moss", "salmon"];
const TRAINS: &[&str] = &["locomotive", "signalbox", "timetable", "platform", "engine", "carriage"];
const MUSIC: &[&str] = &["violin", "sonata", "choir", "trumpet", "overture", "cellist"];

/// What people ask about all of them.
const FRAMES: &[&str] =
    &["How old is a {}?", "Where can I see a {} and a {}?", "Who first drew the {} here?"];

fn file(name: &str, text: &str) -> RuleFile {
    RuleFile { name: format!("rules/{name}"), text: text.as_bytes().to_vec() }
}

/// Rules of three subjects, with these lines in those of nature.
fn rules(more: &str) -> Vec<RuleFile> {
    let rules = |id: &str, more: &str| {
        file(&format!("{id}.toml"), &format!("id = \"{id}\"\nname = \"{id}\"\n{more}"))
    };
    vec![rules("nature", more), rules("trains", ""), rules("music", "")]
}

/// Thirty-six questions a subject, from two places.
fn questions() -> Vec<(&'static str, String, &'static str)> {
    let mut questions = Vec::new();
    for (subject, words) in [("nature", NATURE), ("trains", TRAINS), ("music", MUSIC)] {
        for (place, word) in words.iter().enumerate() {
            for (number, frame) in FRAMES.iter().cycle().take(6).enumerate() {
                let other = words[(place + number + 1) % words.len()];
                let text = frame.replacen("{}", word, 1).replacen("{}", other, 1);
                questions.push((subject, text, ["here", "there"][number % 2]));
            }
        }
    }
    questions
}

fn learned_from(files: &[RuleFile], questions: &[(&str, String, &str)]) -> Result<Learning, NothingLearned> {
    let labelled: Vec<Labelled<'_>> =
        questions.iter().map(|(subject, text, source)| Labelled { subject, text, source }).collect();
    learn(files, &labelled)
}

fn desk(more: &str) -> Subjects {
    let mut files = rules(more);
    let learning = learned_from(&rules(""), &questions()).expect("there are questions enough");
    files.extend(learning.files);
    let (subjects, faults) = Subjects::compile(&files);
    assert_eq!(faults, []);
    subjects
}

fn best(found: &Classification) -> Option<&str> {
    found.best.as_ref().map(|best| best.as_str())
}

/// The whole weight of a term for nature.
fn weight_of(more: &str, text: &str, term: &str) -> f64 {
    let found = desk(more).classify(text, Some("en")).matched;
    let of_nature = found.iter().filter(|found| found.subject.as_str() == "nature" && found.term == term);
    of_nature.map(|found| found.weight).sum()
}

fn texts(learning: &Learning) -> Vec<&str> {
    learning
        .files
        .iter()
        .map(|file| std::str::from_utf8(&file.text).expect("learned files are text"))
        .collect()
}

#[test]
fn questions_like_those_learned_from_find_their_subject() {
    let desk = desk("");
    let rows = [
        ("Is that a heron?", Some("nature")),
        ("the badgers of my county", Some("nature")),
        ("an engine and its carriages", Some("trains")),
        ("A SONATA for trumpet", Some("music")),
        // Nobody asked about violinists or beetroot; their beginnings are known.
        ("a violinist", Some("music")),
        ("How old is it?", None),
        ("", None),
    ];
    for (text, expected) in rows {
        assert_eq!(best(&desk.classify(text, Some("en"))), expected, "{text:?}");
    }
}

#[test]
fn explained_every_score_is_the_sum_of_what_is_shown() {
    let desk = desk("strong = [\"heron\"]\nweak = [\"old beetle\"]");
    for (_, text, _) in questions() {
        let found = desk.classify(&text, Some("en"));
        for ranked in found.subjects.iter().take(3) {
            let weights =
                found.matched.iter().filter(|term| term.subject == ranked.id).map(|term| term.weight);
            assert!((weights.sum::<f64>() - ranked.score).abs() < 1e-9, "{text:?} {ranked:?}");
        }
        assert!(found.subjects.iter().all(|ranked| ranked.score > 0.0), "{text:?}: {:?}", found.subjects);
        assert!(found.subjects.is_sorted_by(|one, next| one.confidence >= next.confidence), "{text:?}");
        let support = found.matched.iter().filter_map(|term| term.learned);
        assert!(support.clone().count() > 0 && support.into_iter().all(|support| 2 <= support.questions));
    }
}

#[test]
fn what_people_write_wins() {
    let text = "a badger";
    let alone = weight_of("", text, "badger");
    assert!(0.3 < alone, "{alone}");
    let rows = [
        ("strong = [\"badger\"]", 3.0..=6.0),
        ("weak = [\"badger\"]", 1.0..=3.0),
        ("against = [\"badger\"]", -6.0..=-3.0),
        ("ignore = [\"badger\"]", 0.0..=0.0),
    ];
    for (list, expected) in rows {
        let weight = weight_of(list, text, "badger");
        assert!(expected.contains(&weight), "{list}: {weight}");
        // Nothing learned of the word is left beside it.
        let found = desk(list).classify(text, Some("en")).matched;
        let is_left = |term: &&stumper::subjects::Match| {
            term.subject.as_str() == "nature" && term.learned.is_some() && term.start >= 2
        };
        assert_eq!(found.iter().filter(is_left).count(), 0, "{list}: {found:?}");
    }
    assert_eq!(best(&desk("against = [\"badger\"]").classify(text, Some("en"))), None);
}

#[test]
fn a_subject_that_nobody_taught_is_heard() {
    let mut files = rules("");
    let learning = learned_from(&files, &questions()).unwrap();
    files.push(file("loans.toml", "id = \"loans\"\nname = \"Loans\"\nstrong = [\"badger card\"]"));
    files.extend(learning.files);
    let (subjects, faults) = Subjects::compile(&files);
    assert_eq!(faults, []);
    assert_eq!(best(&subjects.classify("Where can I see a badger?", Some("en"))), Some("nature"));
    assert_eq!(best(&subjects.classify("my badger card", Some("en"))), Some("loans"));
}

#[test]
fn the_same_questions_teach_the_same_to_the_letter() {
    let once = learned_from(&rules(""), &questions()).unwrap();
    let again = learned_from(&rules(""), &questions()).unwrap();
    assert_eq!(texts(&once), texts(&again));
    assert_eq!((once.questions, once.sources), (108, 2));
    // What was learned before is not learned from.
    let mut files = rules("");
    files.extend(once.files.iter().cloned());
    assert_eq!(texts(&learned_from(&files, &questions()).unwrap()), texts(&once));
    for text in texts(&once) {
        let terms: Vec<&str> = text.lines().skip(6).filter_map(|line| line.split('\t').next()).collect();
        assert!(terms.is_sorted(), "small changes stay small: {terms:?}");
    }
}

#[test]
fn confidential_no_word_of_a_single_question_is_written_down() {
    let mut questions = questions();
    questions.push(("nature", "A badger bit my neighbour Przybylski in Ullapool".to_owned(), "here"));
    let learning = learned_from(&rules(""), &questions).unwrap();
    for text in texts(&learning) {
        for part in ["przybylski", "ullapool", "neighbour", "*ylsk*", "*lapo*", "badger bit"] {
            assert!(!text.contains(part), "{part}");
        }
    }
}

#[test]
fn what_cannot_be_learned_from_is_told() {
    let few: Vec<_> = questions().into_iter().take(5).collect();
    assert_eq!(learned_from(&rules(""), &few).unwrap_err(), NothingLearned::NoQuestions);
    let one: Vec<_> = questions().into_iter().filter(|question| question.0 == "music").collect();
    assert_eq!(learned_from(&rules(""), &one).unwrap_err(), NothingLearned::OneSubject);
    let mut questions = questions();
    questions.push(("geology", "What is slate?".to_owned(), "here"));
    let learning = learned_from(&rules(""), &questions).unwrap();
    assert_eq!(
        learning.left_out.iter().map(|(id, n)| (id.as_str(), *n)).collect::<Vec<_>>(),
        [("geology", 1)]
    );
}

#[test]
fn faults_of_learned_files_keep_no_rules_from_being_used() {
    let good = "subject\tnat\tnature\nheron\t4\t2\tnat+120\n";
    let rows = [
        (good.to_owned(), None),
        (format!("# a note\n\n{good}"), None),
        (format!("{good}badger\n"), Some("this is no line of a learned file")),
        (format!("{good}badger\t4\ttwo\tnat+1\n"), Some("this is no line of a learned file")),
        (format!("{good}badger\t4\t2\tnat1\n"), Some("this weight has no sign")),
        (format!("{good}badger\t4\t2\tnat+x\n"), Some("this weight is no number")),
        (format!("{good}badger\t4\t2\tnat+40000\n"), Some("this weight is no number")),
        (format!("{good}badger\t4\t2\ttra+1\n"), Some("no line above says which subject this short name is")),
        (format!("{good}subject\tgeo\tgeology\n"), Some("no rule file has this subject")),
        (format!("{good}?!\t4\t2\tnat+1\n"), Some("this term has no word in it")),
    ];
    for (text, expected) in rows {
        let mut files = rules("");
        files.push(file("learned/words.tsv", &text));
        let (subjects, faults) = Subjects::compile(&files);
        assert_eq!(
            faults.iter().map(|fault| fault.what.as_str()).collect::<Vec<_>>(),
            Vec::from_iter(expected)
        );
        assert!(faults.iter().all(|fault| fault.severity < Severity::Error && fault.hint.is_some()));
        let found = subjects.classify("heron", Some("en"));
        assert_eq!(found.matched.first().map(|found| found.weight), Some(1.2), "{text}");
    }
    let mut files = rules("strong = [\"heron\"]");
    files.push(RuleFile { name: "rules/learned/words.tsv".to_owned(), text: vec![0xff, 0xfe] });
    let (subjects, faults) = Subjects::compile(&files);
    assert_eq!(
        faults.first().map(|fault| fault.what.as_str()),
        Some("from here on the file is not UTF-8 text")
    );
    assert_eq!(best(&subjects.classify("heron", Some("en"))), Some("nature"));
}
