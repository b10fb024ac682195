//! What people see when they say something: every command in each of the three ways (in a mention, in a
//! reply, in a direct message), and posts that nobody should write.
//!
//! **Invariant:** a command comes to the same and is answered with the same words whichever way it is
//! said, and no post, however odd, is answered in a way that these tables do not say.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses another part of the world")]
mod world;

use jiff::SignedDuration;
use stumper::desk::{Confidential, Input, Network, Outcome, Post, Visibility};
use stumper::subjects::{RuleFile, Subjects};
use world::{World, account};

/// How something is said.
#[derive(Clone, Copy, Debug)]
enum Way {
    Mention,
    Reply,
    Direct,
}

/// How far Ann's question has come when somebody speaks.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Clio and Otto are asked.
    Asked,
    /// Clio has claimed it.
    Claimed,
    /// Clio has answered it.
    Answered,
}

/// Says something and answers what it came to and the first words that the speaker gets back.
fn said(stage: Stage, who: &str, text: &str, way: Way) -> (Outcome, Option<String>) {
    let mut world = World::new();
    let person = |name: &str| account(Network::Sandbox, name);
    for (name, words) in [("clio", "join history"), ("otto", "join history, law")] {
        world.says(&person(name), words, Visibility::Direct, None);
    }
    world.says(&person("ann"), "@desk When did the Ottoman Empire end?", Visibility::Public, None);
    let words = match stage {
        Stage::Asked => None,
        Stage::Claimed => Some("claim"),
        Stage::Answered => Some("In 1922."),
    };
    if let Some(words) = words {
        let invitation = world.latest_to(&person("clio").id, None).unwrap().place.clone();
        world.says(&person("clio"), words, Visibility::Public, Some(&invitation));
    }
    let before = world.posted.len();
    let speaker = person(who);
    let place = world.latest_to(&speaker.id, None).map(|posted| posted.place.clone());
    let post = match way {
        Way::Mention => world.post(&speaker, &format!("@desk {text}"), Visibility::Public, None),
        Way::Reply => world.post(&speaker, text, Visibility::Public, Some(&place.unwrap())),
        Way::Direct => world.post(&speaker, text, Visibility::Direct, None),
    };
    let outcome = world.input(Input::Post(Box::new(post)));
    let reply = world.posted.iter().skip(before).find(|posted| posted.letter.to.id == speaker.id);
    (outcome, reply.map(|posted| posted.text.clone()))
}

#[test]
fn every_command_in_a_mention_a_reply_and_a_direct_message() {
    use Stage::{Answered, Asked, Claimed};
    let rows = [
        (Asked, "ann", "help", Outcome::Helped),
        (Asked, "ann", "status", Outcome::Commanded),
        (Asked, "ann", "cancel", Outcome::Withdrawn),
        (Asked, "ann", "my questions", Outcome::Commanded),
        (Asked, "ann", "stop", Outcome::Commanded),
        (Asked, "ann", "forget me", Outcome::Forgotten),
        (Answered, "ann", "thanks!", Outcome::Thanked),
        (Asked, "clio", "help", Outcome::Helped),
        (Asked, "clio", "join law", Outcome::Commanded),
        (Asked, "clio", "hours 18:00-22:00 Europe/Berlin weekdays", Outcome::Commanded),
        (Asked, "clio", "languages en, de", Outcome::Commanded),
        (Asked, "clio", "limit 2", Outcome::Commanded),
        (Asked, "clio", "pause 3 days", Outcome::Commanded),
        (Asked, "clio", "back", Outcome::Commanded),
        (Asked, "clio", "leave", Outcome::Commanded),
        (Asked, "clio", "my questions", Outcome::Commanded),
        (Asked, "clio", "claim", Outcome::Claimed),
        (Asked, "clio", "pass", Outcome::Passed),
        (Asked, "clio", "refer to law", Outcome::Referred),
        (Asked, "clio", "refer to @ann", Outcome::Helped),
        (Asked, "clio", "ask: which of the two?", Outcome::Interviewed),
        (Answered, "clio", "done", Outcome::Closed),
        (Asked, "clio", "also: in 1922", Outcome::Answered),
        (Claimed, "otto", "claim {code}", Outcome::Outdated),
        (Claimed, "otto", "also: {code} the caliphate ended in 1924", Outcome::Answered),
        (Asked, "clio", "{code} In 1922.", Outcome::Answered),
    ];
    for (stage, who, text, expected) in rows {
        let text = text.replace("{code}", "N7J9");
        let (outcome, reply) = said(stage, who, &text, Way::Reply);
        assert_eq!(outcome, expected, "{who} replies: {text}");
        for way in [Way::Mention, Way::Direct] {
            assert_eq!(said(stage, who, &text, way), (outcome, reply.clone()), "{who}, {way:?}: {text}");
        }
    }
}

/// What Ann sees after one post, each reply cut after its first words, and how many questions there are.
fn seen_after(text: &str, mentions: usize) -> (Vec<String>, usize) {
    let mut world = World::new();
    let (ann, clio) = (account(Network::Sandbox, "ann"), account(Network::Sandbox, "clio"));
    world.says(&clio, "join history", Visibility::Direct, None);
    let crowd: String = (0..mentions).map(|number| format!("@p{number} ")).collect();
    let post = world.post(&ann, &format!("@desk {crowd}{text}"), Visibility::Public, None);
    world.input(Input::Post(Box::new(post.clone())));
    // The same id once more, with other words: an edit, or a network that repeats itself.
    world.input(Input::Post(Box::new(Post { text: Confidential::new("What else?"), ..post })));
    let to_ann = world.posted.iter().filter(|posted| posted.letter.to.id == ann.id);
    let begins = |posted: &world::Posted| posted.text.chars().take(60).collect::<String>();
    (to_ann.map(begins).collect(), world.questions().len())
}

#[test]
fn bad_input_is_answered_or_passed_over_and_never_twice() {
    let long = "When did the Ottoman Empire end? ".repeat(160_000);
    assert!(long.len() > 5_000_000);
    let subjects: String = (0..500).map(|number| format!("subject{number}, ")).collect();
    let asked = "@ann Thank you for asking! This is question ";
    let helped = "@ann Ask me anything in your own words; I find a librarian who";
    let rows = [
        ("5 MB", long.as_str(), 0, Some(asked), 1),
        ("5 MB without a space", &long.replace(' ', ""), 0, Some(asked), 1),
        ("nothing", "", 0, Some(helped), 0),
        ("nothing that can be seen", "\u{200b}\u{2060}\u{202e}\u{feff}", 0, Some(helped), 0),
        ("300 mentions", "When did the Ottoman Empire end?", 300, None, 0),
        ("300 mentions and nothing else", "", 300, None, 0),
        ("turned around", "\u{202e}When did the Ottoman Empire end?", 0, Some(asked), 1),
        (
            "a command in marks",
            "\u{200f}\u{200b}status\u{200b}\u{200f}",
            0,
            Some("@ann I don't have an open question"),
            0,
        ),
        (
            "500 subjects",
            &format!("join history, {subjects}"),
            0,
            Some("@ann That's more than 30 subjects. Say join general"),
            0,
        ),
        ("control characters", "\0\u{1}\u{7f} When did the Ottoman Empire end?\u{1b}[2J", 0, Some(asked), 1),
    ];
    for (name, text, mentions, wanted, questions) in rows {
        let (seen, asked) = seen_after(text, mentions);
        assert_eq!((seen.len(), asked), (usize::from(wanted.is_some()), questions), "{name}: {seen:?}");
        let begins = seen
            .first()
            .zip(wanted)
            .is_none_or(|(seen, wanted)| wanted.starts_with(seen) || seen.starts_with(wanted));
        assert!(begins, "{name}: {seen:?}");
    }
}

/// Whoever joins one subject after another meets the same limit.
#[test]
fn bad_input_five_hundred_subjects_one_by_one() {
    let rules: Vec<RuleFile> = (0..500)
        .map(|number| RuleFile {
            name: format!("s{number}.toml"),
            text: format!("id = \"s{number}\"\nname = \"S{number}\"\nstrong = [\"term{number}\"]\n")
                .into_bytes(),
        })
        .collect();
    let mut world = World::new();
    world.engine.replace_subjects(Subjects::compile(&rules).0);
    let clio = account(Network::Sandbox, "clio");
    for number in 0..500 {
        world.says(&clio, &format!("join s{number}"), Visibility::Direct, None);
        // An hour between them, so that the caps on loops are not what stops it.
        world.wait(SignedDuration::from_hours(1));
    }
    let person = world.engine.store().person(&clio.id).unwrap().unwrap();
    assert_eq!(person.librarian.unwrap().subjects.len(), 30);
    let last = world.latest_to(&clio.id, None).unwrap();
    assert_eq!(
        last.text,
        "@clio That's more than 30 subjects. Say join general to be asked anything, or name those you know best."
    );
}
