//! Questions that are published, and what strangers offer: the promises about outlets as a table, and over
//! anything people may do in any order.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses another part of the world")]
mod world;

use jiff::SignedDuration;
use proptest::prelude::*;
use stumper::desk::outlets::{OFFER_CHARS_MAX, OFFERS_MAX, OFFERS_OF_ONE_MAX, Verdict};
use stumper::desk::settings::Outlets;
use stumper::desk::{Action, Network, Outcome, Place, Purpose, Question, Settings, Visibility};
use world::{Posted, World, account};

const TIMELINES: [Network; 3] = [Network::Sandbox, Network::Bluesky, Network::Facebook];

/// A desk that publishes wherever it can.
fn desk() -> World {
    desk_with(Outlets { posts: TIMELINES.into(), hashtag: Some("stumper".to_owned()), feed: true })
}

fn desk_with(outlets: Outlets) -> World {
    World::with(Settings { outlets, ..Settings::default() })
}

/// What is on the networks for everybody.
fn published(world: &World) -> Vec<&Posted> {
    world.posted.iter().filter(|posted| posted.letter.purpose == Purpose::Stumper).collect()
}

fn the_question(world: &World) -> Question {
    world.questions().pop().unwrap()
}

/// What people say one after the other, each in reply to the desk's latest post to them; how many posts are
/// out for everybody then, and whether the feed has the question.
#[track_caller]
fn check(what: &str, said: &[(&str, &str, Visibility)], expected: usize, in_feed: bool) {
    let mut world = desk();
    for (turn, (who, text, visibility)) in said.iter().enumerate() {
        let who = account(Network::Sandbox, who);
        let place = world.latest_to(&who.id, None).map(|posted| posted.place.clone()).filter(|_| turn > 0);
        let text = if place.is_none() { format!("@desk {text}") } else { (*text).to_owned() };
        world.says(&who, &text, *visibility, place.as_ref());
    }
    assert_eq!(published(&world).len(), expected, "{what}");
    let shown = world.questions().iter().any(|question| question.open_stumper().is_some());
    assert_eq!(shown, in_feed, "{what}: the feed");
}

#[test]
fn promises_1_and_7_what_is_published_and_what_never_is() {
    use Visibility::{Direct, Public, Unlisted};
    const ASKED: (&str, &str, Visibility) = ("ann", "Is this patent still in force?", Public);
    let private = ("ann", "Is this patent still in force?", Direct);
    let unlisted = ("ann", "Is this patent still in force?", Unlisted);
    let says = |text: &'static str| ("ann", text, Public);
    check("without a word nothing is", &[ASKED], 0, false);
    check("nor after other words", &[ASKED, says("status"), says("It is about skates, I think")], 0, false);
    check("with consent", &[ASKED, says("publish")], 3, true);
    check("in other words", &[ASKED, says("Publish it, please!")], 3, true);
    check("once", &[ASKED, says("publish"), says("publish")], 3, true);
    check("consent may be private", &[ASKED, ("ann", "publish", Direct)], 3, true);
    check("never a private one", &[private, ("ann", "publish", Direct)], 0, false);
    check("not even by a public word", &[private, says("publish")], 0, false);
    check("nor one that is unlisted", &[unlisted, ("ann", "publish", Unlisted)], 0, false);
    check("nor somebody else's", &[ASKED, ("bob", "publish", Public)], 0, false);
    check("taken back", &[ASKED, says("publish"), says("unpublish")], 0, false);
    check("and given again", &[ASKED, says("publish"), says("unpublish"), says("publish")], 3, true);
    check("cancelled", &[ASKED, says("publish"), says("cancel")], 0, false);
    check("stopped", &[ASKED, says("publish"), says("stop")], 0, false);
    check("forgotten", &[ASKED, says("publish"), says("forget me")], 0, false);
    check(
        "a part of it is private",
        &[ASKED, says("publish"), ("ann", "It is my late aunt's", Direct)],
        0,
        false,
    );
    check("ended", &[ASKED, says("cancel"), says("publish")], 0, false);
}

#[test]
fn promise_2_a_desk_without_outlets_publishes_and_suggests_nothing() {
    let mut world = desk_with(Outlets { hashtag: Some("stumper".to_owned()), ..Outlets::default() });
    let ann = account(Network::Sandbox, "ann");
    world.says(&ann, "@desk Is this patent still in force?", Visibility::Public, None);
    world.says(&ann, "@desk publish", Visibility::Public, None);
    assert!(published(&world).is_empty() && the_question(&world).publicity.published.is_none());
    assert!(!world.heard().contains("say publish"));
}

#[test]
fn promise_7_no_name_no_ping_and_not_without_end() {
    let mut world = desk();
    let ann = account(Network::Bluesky, "ann");
    let long = format!("@desk I, @ANN, and @bob ask: {} end?", "why did the empire, ".repeat(500));
    world.says(&ann, &long, Visibility::Public, None);
    world.says(&ann, "@desk publish", Visibility::Public, None);
    // The world looks at every post for names and mentions; here it is seen that there is something to look at.
    for network in TIMELINES {
        let text: String = published(&world)
            .into_iter()
            .filter(|posted| posted.letter.network == network)
            .map(|posted| posted.text.as_str())
            .collect();
        assert!(text.contains("I, …, and @\u{200b}bob ask"), "{network}: {text}");
        assert!(text.contains("#stumper") && text.chars().count() < 1_800, "{network}");
        let calls = text.contains("reply here");
        assert_eq!(calls, network != Network::Facebook, "{network}: nobody hears replies there");
    }
}

#[test]
fn strangers_are_heard_within_bounds_and_never_relayed_unseen() {
    let mut world = desk();
    let ann = account(Network::Sandbox, "ann");
    world.says(&ann, "@desk Is this patent still in force?", Visibility::Public, None);
    world.says(&ann, "@desk publish", Visibility::Public, None);
    let place = published(&world)
        .into_iter()
        .find(|posted| posted.letter.network == Network::Sandbox)
        .unwrap()
        .place
        .clone();
    let posted = world.posted.len();
    let long = "It lapsed, as far as I know, in 2019. ".repeat(200);
    for turn in 0..OFFERS_MAX + 10 {
        let zoe = account(Network::Sandbox, &format!("zoe{}", turn / (OFFERS_OF_ONE_MAX + 1)));
        world.says(&zoe, &format!("{long} {turn}"), Visibility::Public, Some(&place));
    }
    let bot = account(Network::Sandbox, "rob.bot");
    world.says(&bot, "It lapsed in 2019, says the machine.", Visibility::Public, Some(&place));
    let publicity = the_question(&world).publicity;
    assert_eq!(publicity.offers.len(), OFFERS_MAX);
    assert_eq!(usize::try_from(publicity.unkept).unwrap(), 10);
    assert!(publicity.offers.iter().all(|offer| offer.text.reveal().chars().count() <= OFFER_CHARS_MAX + 5));
    assert!(publicity.offers.iter().all(|offer| !offer.author.bot), "promise 6: bots are ignored");
    assert_eq!(world.posted.len(), posted, "promise 6: nobody is answered, and nothing passed on");
    // The coordinator passes one on, once.
    let code = the_question(&world).code;
    let relay = |number| Action::JudgeOffer { code: code.clone(), number, verdict: Verdict::Relay };
    assert_eq!(world.coordinator(relay(2)), Outcome::Relayed);
    assert_eq!(world.coordinator(relay(2)), Outcome::Outdated);
    assert_eq!(world.coordinator(relay(99)), Outcome::Outdated);
    assert!(world.posted[posted..].iter().all(|posted| posted.letter.to == ann));
    assert_eq!(the_question(&world).publicity.waiting(), OFFERS_MAX - 1);
    // Whoever offered something can have it forgotten.
    world.says(&account(Network::Sandbox, "zoe0"), "@desk forget me", Visibility::Public, None);
    let kept = serde_json::to_string(&world.questions()).unwrap();
    assert!(!kept.contains("\"zoe0\""), "promise 7: {kept}");
    assert_eq!(the_question(&world).publicity.offers.len(), OFFERS_MAX - OFFERS_OF_ONE_MAX);
    assert!(!world.posted.iter().any(|posted| posted.text.contains("somebody who read")));
}

/// One thing that people, the coordinator, time or the networks do.
#[derive(Clone, Debug)]
enum Happening {
    Says { who: usize, words: usize, visibility: Visibility, reply_to: Option<usize> },
    Judges { number: u32, verdict: Verdict },
    Closes,
    Waits { minutes: i64 },
    Down,
    Up,
}

const WORDS: [&str; 14] = [
    "@desk Is there a patent on ice skates from Ohio?",
    "@desk Which copyright protects old maps of Norway?",
    "publish",
    "publish",
    "@desk publish",
    "unpublish",
    "It is about the year eighteen ninety, I believe",
    "The register of nineteen hundred and four has it",
    "cancel",
    "done",
    "thanks a lot for all of this work",
    "stop",
    "forget me",
    "@desk join law",
];

fn happening() -> impl Strategy<Value = Happening> {
    let visibility = prop_oneof![3 => Just(Visibility::Public), 1 => Just(Visibility::Direct), 1 => Just(Visibility::Unlisted)];
    let says = (0..4usize, 0..WORDS.len(), visibility, prop::option::of(0..4usize))
        .prop_map(|(who, words, visibility, reply_to)| Happening::Says { who, words, visibility, reply_to });
    let verdict = prop_oneof![Just(Verdict::Relay), Just(Verdict::Dismiss)];
    prop_oneof![
        14 => says,
        2 => (1..5u32, verdict).prop_map(|(number, verdict)| Happening::Judges { number, verdict }),
        1 => Just(Happening::Closes),
        2 => prop_oneof![Just(5), Just(700), Just(3_000), Just(60_000)]
            .prop_map(|minutes| Happening::Waits { minutes }),
        1 => Just(Happening::Down),
        2 => Just(Happening::Up),
    ]
}

fn happens(world: &mut World, turn: usize, happening: &Happening) {
    let code = world.questions().pop().map(|question| question.code);
    match happening {
        Happening::Says { who, words, visibility, reply_to } => {
            let who = account(Network::Sandbox, ["ann", "bob", "clio", "zoe"][*who]);
            let places: Vec<Place> = world.posted.iter().rev().map(|posted| posted.place.clone()).collect();
            let place =
                reply_to.and_then(|at| places.get(at)).filter(|place| place.network == Network::Sandbox);
            let words = WORDS[*words];
            let prose = words.split(' ').count() > 4;
            // A mark of its own, so that any copy can be told from all others.
            let text = if prose { format!("{words} §{turn} indeed") } else { words.to_owned() };
            world.says(&who, &text, *visibility, place);
        }
        Happening::Judges { number, verdict } => {
            let Some(code) = code else { return };
            world.coordinator(Action::JudgeOffer { code, number: *number, verdict: *verdict });
        }
        Happening::Closes => {
            let Some(code) = code else { return };
            world.coordinator(Action::CloseQuestion { code });
        }
        Happening::Waits { minutes } => world.wait(SignedDuration::from_mins(*minutes)),
        Happening::Down => world.network_down = true,
        Happening::Up => {
            world.network_down = false;
            world.deliver();
        }
    }
}

fn cases() -> u32 {
    std::env::var("PROMISES_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Promises 1, 2 and 7: never wider, never without consent, withdrawn everywhere, whatever happens in
    /// whatever order. The world looks after every input.
    #[test]
    fn promises_1_2_and_7_hold_for_whatever_is_published(happenings in prop::collection::vec(happening(), 1..50)) {
        let mut world = desk();
        for (turn, happening) in happenings.iter().enumerate() {
            happens(&mut world, turn, happening);
            prop_assert_eq!(world.posted_to_stopped(), 0, "promise 2: wrote to somebody who said stop");
        }
        world.network_down = false;
        world.deliver();
        world.check_promises();
        // Everything ends, and then nothing is left for everybody to see.
        world.wait(SignedDuration::from_hours(24 * 60));
        world.check_promises();
        prop_assert!(published(&world).is_empty(), "promise 7: something outlives its question");
    }
}
