//! Every command, said in each of the three ways: in a mention, in a reply, in a direct message.
//!
//! **Invariant:** a row of the table is one command; it comes to the same and is answered with the same
//! words, whichever way it is said.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses another part of the world")]
mod world;

use stumper::desk::{Input, Network, Outcome, Visibility};
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
