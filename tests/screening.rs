//! Screening with the rules as shipped: posts beside what they are, and how often it is right on messages
//! and questions that other people wrote.
//!
//! The measured texts are no part of this project. They are looked for in `../shared/data`, or where
//! `STUMPER_DATA` says; where there are none, that test says so and measures nothing.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use stumper::config::rules_dir;
use stumper::fault::Severity;
use stumper::subjects::{HOLD_MIN, Kind, Subjects};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn desk() -> Subjects {
    let (subjects, mut faults) = Subjects::compile(&rules_dir::read(&root().join("rules")).unwrap());
    faults.retain(|fault| fault.severity == Severity::Error);
    assert_eq!(faults, [], "the shipped rules are in order");
    subjects
}

/// The same, read once for many texts.
fn shipped() -> &'static Subjects {
    static SHIPPED: LazyLock<Subjects> = LazyLock::new(desk);
    &SHIPPED
}

/// Checks what each post is taken for.
#[track_caller]
fn check(kind: Kind, posts: &[&str]) {
    let desk = desk();
    let mut screener = desk.screener();
    let wrong = posts.iter().map(|post| (post, screener.screen(post, None)));
    let wrong: Vec<_> = wrong.filter(|(_, found)| found.kind != kind).collect();
    assert!(wrong.is_empty(), "these are {kind}: {wrong:#?}");
}

#[test]
fn hard_questions_are_questions() {
    check(
        Kind::Question,
        &[
            "How did the Moors murderers choose their victims?",
            "Which poison did Agatha Christie use most often, and how fast does it kill?",
            "What is the age of consent in Malta?",
            "Why do men have nipples?",
            "Is masturbation a sin in Islam?",
            "How many people were executed for witchcraft in Scotland",
            "what happens to the body when you die",
            "Where did pornography come from as a word?",
            "history of the swastika before 1900",
            "I was raped. Which books have helped others?",
            "What does the Bible say about homosexuality?",
            "suicide in the works of Sylvia Plath",
            "How do prize draw scams work, and who runs them?",
            "Is it legal to buy followers?",
            "books on casino mathematics",
            "Which bank first offered free credit with a phone call, and what did it cost?",
        ],
    );
}

#[test]
fn a_question_with_an_insult_in_it_is_a_question() {
    check(
        Kind::Question,
        &[
            "You idiots, when did the Ottoman Empire end?",
            "Who invented the fucking zipper, you morons",
            "Shut up and tell me who wrote the Decameron",
            "why is this damn printer so stupid",
            "The Idiot by Dostoevsky",
            "bitch: origin of the word",
            "Fuck You (An Ode to No One), which album",
            "You useless bot, Ottoman sultans after 1800",
            "Are there novels where somebody says “I will kill you” to a librarian?",
        ],
    );
}

#[test]
fn abuse_is_said_to_somebody_and_asks_nothing() {
    check(
        Kind::Abuse,
        &[
            "Fuck you",
            "you are all useless idiots",
            "Shut up, stupid bot!!!",
            "I know where you live and I will kill you",
            "Go to hell, all of you",
            "Are you stupid, you morons?",
            "burn your library, you pigs",
            "KYS",
        ],
    );
}

#[test]
fn adverts_of_the_social_web_are_spam() {
    check(
        Kind::Spam,
        &[
            "Buy real followers, 10k followers for $20, DM me now",
            "I made $5,000 in one week with forex, contact him on WhatsApp +1 555 010 9999",
            "🚀🚀🚀 $MOON presale is live!! Next 100x gem, join our Telegram t.me/moon",
            "Hot girls in your area want to chat, click the link in my bio",
            "FREE BITCOIN GIVEAWAY send 0.1 BTC and get 0.2 back",
            "Lost your crypto to a scam? Ethical hacker on Instagram helped me recover everything",
            "Use code SAVE50 at checkout, limited time offer, shop now https://bit.ly/x1",
            "Write my essay? Our essay writing service is plagiarism free, DM us",
            "𝐄𝐚𝐫𝐧 𝐝𝐚𝐢𝐥𝐲 𝐩𝐫𝐨𝐟𝐢𝐭 with my crypto mentor, inbox me",
            "#follow4follow #like4like",
        ],
    );
}

#[test]
fn courtesy_is_nothing_else() {
    check(Kind::Greeting, &["Hello!", "hi hi", "Good morning, dear desk 🙂", "hey, how are you?"]);
    check(Kind::Thanks, &["Thank you so much!", "ty", "Hello and thanks for your help", "muchas gracias"]);
    check(Kind::Empty, &["", "?!", "🙂🙂", "@somebody"]);
    check(
        Kind::Question,
        &[
            "Good morning, midnight",
            "Goodbye to all that",
            "hello dolly",
            "Hi, my grandfather was a miner in Fife",
            "thanks, and which edition",
            "thank you for smoking",
        ],
    );
}

#[test]
fn what_is_found_is_explained() {
    let found = desk().screen("You have WON a cash prize! Call 09061701461", None);
    let mut told = format!("{}\n", found.kind);
    for found in &found.evidence {
        let place = format!("{}..{}", found.start, found.end);
        told.push_str(&format!("{:+} {}: {} at {place}\n", found.weight, found.speaks_for, found.because));
    }
    insta::assert_snapshot!(told, @r"
    spam
    +3 spam: you have won at 0..12
    +1 spam: many figures at 0..43
    +3 spam: cash prize at 15..25
    +1 spam: call at 27..31
    +3 spam: a free or premium number at 32..43
    ");
}

proptest::proptest! {
    #[test]
    fn any_text_is_screened_and_explained(text in "(\\PC|[ \n0-9£$?!#@]|you |free |call |http://|[𝐀-𝐙🚀]){0,120}") {
        let desk = shipped();
        let found = desk.screen(&text, None);
        for evidence in &found.evidence {
            proptest::prop_assert!(text.get(evidence.start..evidence.end).is_some(), "{evidence:?}");
        }
        let question = found.sum(Kind::Question).max(0.0);
        let held = matches!(found.kind, Kind::Spam | Kind::Abuse);
        proptest::prop_assert!(!held || HOLD_MIN <= found.sum(found.kind) - question);
        proptest::prop_assert_eq!(&found, &desk.screen(&text, None));
    }
}

/// Rows of one file: label and text.
fn rows(data: &Path, file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(data.join(file)).unwrap();
    let row = |line: &str| {
        let mut columns = line.split('\t');
        Some((columns.next()?.to_owned(), columns.next()?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// Texts that are held back, and those that are taken for no question in any other way.
struct Counted {
    name: &'static str,
    texts: usize,
    held: usize,
    other: usize,
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn count(desk: &Subjects, name: &'static str, texts: &[String]) -> Counted {
    let mut screener = desk.screener();
    let mut counted = Counted { name, texts: texts.len(), held: 0, other: 0 };
    for text in texts {
        match screener.screen(text, None).kind {
            Kind::Question => {}
            Kind::Spam | Kind::Abuse => counted.held += 1,
            Kind::Greeting | Kind::Thanks | Kind::Empty => counted.other += 1,
        }
    }
    counted
}

/// The rules were written with the even-numbered messages in sight. Those that count here are the others.
#[test]
fn spam_is_caught_and_questions_are_heard() {
    let data = std::env::var_os("STUMPER_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if !data.join("safety").is_dir() {
        eprintln!("skipped: there are no texts to measure in {}", data.display());
        return;
    }
    let desk = desk();
    let texts = |file: &str, label: &str| -> Vec<String> {
        let fits = |row: &(String, String)| label.is_empty() || row.0 == label;
        rows(&data, file).into_iter().filter(fits).map(|(_, text)| text).collect()
    };
    let messages = rows(&data, "safety/safety_sms_spam.tsv");
    let unseen = |label: &str| -> Vec<String> {
        let odd = messages.iter().step_by(2);
        odd.filter(|(found, _)| found == label).map(|(_, text)| text.clone()).collect()
    };
    let spam = count(&desk, "spam, unseen", &unseen("spam"));
    let ham = count(&desk, "ham, unseen", &unseen("ham"));
    let titles =
        [texts("questions/stackexchange.tsv", ""), texts("questions/stackexchange_more.tsv", "")].concat();
    let questions = [
        count(&desk, "titles of questions", &titles),
        count(&desk, "library FAQ", &texts("questions/library_faq.tsv", "")),
        count(&desk, "library queries", &texts("questions/library_queries.tsv", "")),
        count(&desk, "questions in 9 languages", &texts("language/qald_multilang.tsv", "")),
        count(&desk, "hard questions, safe", &texts("safety/safety_xstest.tsv", "safe")),
    ];
    let others = count(&desk, "hard questions, unsafe", &texts("safety/safety_xstest.tsv", "unsafe"));
    eprintln!("{:<26} {:>7} {:>7} {:>7}  no question", "texts", "number", "held", "other");
    for Counted { name, texts, held, other } in [&spam, &ham].into_iter().chain(&questions).chain([&others]) {
        let refused = 100.0 * share(held + other, *texts);
        eprintln!("{name:<26} {texts:>7} {held:>7} {other:>7} {refused:>11.2}%");
    }
    assert!(0.95 <= share(spam.held, spam.texts), "spam is caught");
    for Counted { name, texts, held, other } in &questions {
        assert!(share(held + other, *texts) <= 0.005, "{name}: questions are heard");
    }
}
