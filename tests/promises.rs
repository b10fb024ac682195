//! The promises of the desk, held over anything people may say in any order.
//!
//! A small town of people says random things, true commands and nonsense among them, in public and in
//! private, on two networks, again and again, while time passes and networks fail. After every input
//! [`World::check_promises`] looks at everything that was posted and stored.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses another part of the world")]
mod world;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use stumper::desk::{Account, Action, Input, Network, Outcome, Place, Post, Settings, Visibility};
use stumper::subjects::SubjectId;
use world::{World, account};

const PEOPLE: [&str; 7] = ["ann", "bob", "clio", "otto", "vera", "gena", "loop.bot"];

/// What people say. Long enough texts are unmistakable, so that a leak is seen.
const WORDS: [&str; 61] = [
    "When did the Ottoman Empire end?",
    "Which parish register names my ancestor Patrick?",
    "Is there a patent on Mozart's symphony?",
    "My landlord, old Mister Grimble, cites a statute",
    "It was in the census of 1901, I think",
    "The answer is in volume two, page ninety-nine",
    "I do not know, but the museum might",
    "join history",
    "join genealogy, law",
    "join general",
    "join everything",
    "hours 9-17 Europe/Berlin weekdays",
    "hours any",
    "limit 1",
    "pause 3 days",
    "back",
    "leave",
    "my questions",
    "claim",
    "pass",
    "pass, not my century",
    "refer to law",
    "refer to @otto",
    "refer to @nobody",
    "wrong subject: law",
    "it's history, not law",
    "wrong subject",
    "music",
    "no learning",
    "ask: which county was that, and when?",
    "done",
    "also: there is a second volume in Dublin",
    "status",
    "cancel",
    "thanks so much, that helped a lot today",
    "stop",
    "forget me",
    "help",
    "frobnicate",
    "",
    "\u{200b}\u{202e}",
    "@ann @bob @clio @otto @vera @gena look here",
    "What about @somebody who knows the empire?",
    "claim K7Q4",
    "🏰🏰🏰",
    "Buy real followers of the Ottoman Empire, DM me now",
    "You are all useless idiots, every one of you",
    "solved",
    "not solved, I need the treaty of 1923 as well",
    "block",
    "unblock all",
    "keep",
    "why me?",
    "away tomorrow",
    "invitations 2 a day",
    "digest on",
    "by name yes",
    "need by Friday",
    "done 2 sources: OED",
    "my help",
    "for @clio who was the last king of the medieval empire?",
];

/// One thing that happens in the town.
#[derive(Clone, Debug)]
enum Happening {
    /// Somebody writes, perhaps in reply to a post of the desk, counted from the latest.
    Says {
        who: usize,
        on: Network,
        words: usize,
        visibility: Visibility,
        calls: bool,
        reply_to: Option<usize>,
    },
    /// A network shows an old post again.
    Repeated {
        which: usize,
    },
    Waits {
        minutes: i64,
    },
    Coordinator {
        action: usize,
        whom: usize,
        question: usize,
    },
    /// Somebody edits, or deletes, what they asked last.
    Edits {
        who: usize,
        on: Network,
        words: usize,
    },
    Deletes {
        who: usize,
        on: Network,
    },
    NetworkDown,
    NetworkUp,
}

fn happening() -> impl Strategy<Value = Happening> {
    let network = || {
        prop_oneof![
            3 => Just(Network::Sandbox),
            1 => Just(Network::Bluesky),
            1 => Just(Network::Mastodon),
            2 => Just(Network::X),
        ]
    };
    let visibility = prop_oneof![
        2 => Just(Visibility::Public),
        2 => Just(Visibility::Direct),
        1 => Just(Visibility::Unlisted),
    ];
    let says =
        (0..PEOPLE.len(), network(), 0..WORDS.len(), visibility, any::<bool>(), prop::option::of(0..6usize))
            .prop_map(|(who, on, words, visibility, calls, reply_to)| Happening::Says {
                who,
                on,
                words,
                visibility: match (on, visibility) {
                    (Network::Sandbox | Network::Mastodon, _) => visibility,
                    (Network::Bluesky | Network::X, Visibility::Direct) => visibility,
                    (Network::Bluesky | Network::X | Network::Facebook, _) => Visibility::Public,
                },
                calls,
                reply_to,
            });
    prop_oneof![
        12 => says,
        1 => (0..50usize).prop_map(|which| Happening::Repeated { which }),
        3 => prop_oneof![Just(5), Just(15), Just(700), Just(3000), Just(60_000)]
            .prop_map(|minutes| Happening::Waits { minutes }),
        1 => (0..5usize, 0..PEOPLE.len(), 0..4usize)
            .prop_map(|(action, whom, question)| Happening::Coordinator { action, whom, question }),
        1 => (0..PEOPLE.len(), network(), 0..WORDS.len())
            .prop_map(|(who, on, words)| Happening::Edits { who, on, words }),
        1 => (0..PEOPLE.len(), network()).prop_map(|(who, on)| Happening::Deletes { who, on }),
        1 => Just(Happening::NetworkDown),
        1 => Just(Happening::NetworkUp),
    ]
}

/// A town in which something has been going on, and what was posted to the desk.
struct Town {
    world: World,
    posts: Vec<Post>,
    marks: usize,
}

impl Town {
    fn new(settings: Settings) -> Town {
        // More often than people usually want, so that more happens.
        let settings = Settings { invitations_per_day: 9, ..settings };
        let mut town = Town { world: World::with(settings), posts: Vec::new(), marks: 0 };
        for (who, words) in
            [("clio", "join history, genealogy"), ("otto", "join history"), ("vera", "join general")]
        {
            town.says(&account(Network::Sandbox, who), words, Visibility::Direct, None);
        }
        town.says(&account(Network::Bluesky, "gena"), "@desk join law", Visibility::Public, None);
        town.says(&account(Network::X, "otto"), "join history, law", Visibility::Direct, None);
        town.says(&account(Network::X, "vera"), "@desk join general", Visibility::Public, None);
        town.says(&account(Network::Mastodon, "mara"), "@desk join history", Visibility::Unlisted, None);
        town
    }

    fn says(
        &mut self,
        who: &Account,
        text: &str,
        visibility: Visibility,
        reply_to: Option<&Place>,
    ) -> Outcome {
        let text = self.marked(text);
        let post = self.world.post(who, &text, visibility, reply_to);
        self.posts.push(post.clone());
        self.world.input(Input::Post(Box::new(post)))
    }

    /// Prose gets a mark of its own, so that any copy of it can be told from all others.
    fn marked(&mut self, text: &str) -> String {
        const PROSE: [&str; 16] = [
            "@ann",
            "When",
            "Which",
            "Is there",
            "My",
            "It was",
            "The answer",
            "I do",
            "What",
            "thanks",
            "ask:",
            "also:",
            "Buy",
            "You are",
            "not solved",
            "for @clio",
        ];
        if !PROSE.iter().any(|start| text.trim_start_matches("@desk ").starts_with(start)) {
            return text.to_owned();
        }
        self.marks += 1;
        format!("{text} §{} indeed", self.marks)
    }

    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Says { who, on, words, visibility, calls, reply_to } => {
                let who = account(*on, PEOPLE[*who]);
                let posted: Vec<Place> =
                    self.world.posted.iter().rev().map(|posted| posted.place.clone()).collect();
                let place =
                    reply_to.and_then(|at| posted.get(at)).filter(|place| place.network == *on).cloned();
                let text = if *calls { format!("@desk {}", WORDS[*words]) } else { WORDS[*words].to_owned() };
                self.says(&who, &text, *visibility, place.as_ref());
            }
            Happening::Repeated { which } => {
                if let Some(post) = self.posts.get(*which % self.posts.len().max(1)).cloned() {
                    self.repeat(post);
                }
            }
            Happening::Waits { minutes } => self.world.wait(SignedDuration::from_mins(*minutes)),
            Happening::Coordinator { action, whom, question } => self.coordinate(*action, *whom, *question),
            Happening::Edits { who, on, words } => {
                let who = account(*on, PEOPLE[*who]);
                if self.world.has_asked(&who) {
                    let text = self.marked(WORDS[*words]);
                    self.world.edits(&who, &text);
                }
            }
            Happening::Deletes { who, on } => {
                let who = account(*on, PEOPLE[*who]);
                if self.world.has_asked(&who) {
                    self.world.deletes(&who);
                }
            }
            Happening::NetworkDown => self.world.network_down = true,
            Happening::NetworkUp => {
                self.world.network_down = false;
                self.world.deliver();
            }
        }
    }

    /// Promise 3: an input that comes again changes nothing at all.
    fn repeat(&mut self, post: Post) {
        let before = (self.world.questions(), self.world.posted.len());
        self.world.input(Input::Post(Box::new(post)));
        assert_eq!(
            before,
            (self.world.questions(), self.world.posted.len()),
            "promise 3: a repeat took effect"
        );
    }

    fn coordinate(&mut self, action: usize, whom: usize, question: usize) {
        let account = account(Network::Sandbox, PEOPLE[whom]);
        let questions = self.world.questions();
        let code = questions.get(question).map(|question| question.code.clone());
        let action = match (action, code) {
            (0, Some(code)) => Action::CloseQuestion { code },
            (1, Some(code)) => Action::ReassignQuestion { code, to: account.id },
            (4, Some(code)) => Action::ReleaseQuestion { code },
            (2, _) => Action::RemoveLibrarian { account: account.id },
            (3, _) => Action::AddLibrarian {
                account,
                subjects: vec![SubjectId::new("history"), SubjectId::general()],
                hours: Vec::new(),
                languages: Vec::new(),
                limit: None,
                library: None,
                opted_in_at: None,
            },
            _ => Action::PauseLibrarian { account: account.id, until: None },
        };
        self.world.coordinator(action);
    }
}

fn config() -> ProptestConfig {
    let cases = std::env::var("PROMISES_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Promises 1 to 5: never wider, opt-in only, once, nothing lost silently, one owner.
    #[test]
    fn promises_1_to_5_hold_whatever_people_say(happenings in prop::collection::vec(happening(), 1..60)) {
        let mut town = Town::new(Settings { learn_from_questions: true, ..Settings::default() });
        for happening in &happenings {
            town.happens(happening);
            prop_assert_eq!(town.world.posted_to_stopped(), 0, "promise 2: wrote to somebody who said stop");
        }
    }

    /// Promise 6, no loops: however often one account writes within an hour, the desk's posts to it and
    /// about its question stay within the caps, and bots are never answered.
    #[test]
    fn promise_6_the_desk_never_talks_without_end(
        words in prop::collection::vec(0..WORDS.len(), 30..80),
        reply in any::<bool>(),
    ) {
        let settings = Settings { replies_per_person_hour: 8, letters_per_question_hour: 12, ..Settings::default() };
        let mut town = Town::new(settings);
        let before = town.world.posted.len();
        for who in ["bob", "loop.bot"] {
            let who = account(Network::Sandbox, who);
            for word in &words {
                // A flood without end words: `stop` and `forget me` always work and start anew.
                let text = WORDS[*word];
                if ["stop", "forget me"].contains(&text) {
                    continue;
                }
                let place = town.world.latest_to(&who.id, None).map(|posted| posted.place.clone()).filter(|_| reply);
                town.says(&who, &format!("@desk {text}"), Visibility::Public, place.as_ref());
            }
        }
        let to = |handle: &str| {
            town.world.posted.iter().skip(before).filter(|posted| posted.letter.to.handle == handle).count()
        };
        // One input can make two posts to its author, so the cap can be passed by one.
        prop_assert!(to("bob") <= 9, "promise 6: {} posts to one account in an hour", to("bob"));
        for question in town.world.questions() {
            let about = |posted: &&world::Posted| posted.letter.about.as_ref() == Some(&question.code);
            let count = town.world.posted.iter().filter(about).count();
            // A question that is withdrawn is told to everybody who was asked, whatever the cap.
            let cap = 12 + 2 + question.invitations.len();
            prop_assert!(count <= cap, "promise 6: {} posts about one question in an hour", count);
        }
        prop_assert_eq!(to("loop.bot"), 0, "promise 6: a bot was answered");
    }
}

/// Promise 2, opt-in only: `leave` is obeyed also where somebody wrote so much that the desk is silent.
#[test]
fn promise_2_whoever_leaves_in_a_flood_is_asked_no_more() {
    let mut town = Town::new(Settings { replies_per_person_hour: 3, ..Settings::default() });
    let otto = account(Network::Sandbox, "otto");
    for _ in 0..6 {
        town.says(&otto, "help", Visibility::Direct, None);
    }
    assert_eq!(town.says(&otto, "leave", Visibility::Direct, None), Outcome::Capped, "it is a flood");
    let ann = account(Network::Sandbox, "ann");
    town.says(&ann, "@desk When did the Ottoman Empire end?", Visibility::Public, None);
    let asked = town.world.questions().pop().unwrap().invitations;
    assert!(!asked.is_empty(), "others are asked");
    assert!(asked.iter().all(|invitation| invitation.librarian.id != otto.id), "promise 2: he left");
}

/// Promises 2 and 4: whoever comes late to the question of somebody who said `stop` learns that it is over,
/// and is not told that their answer is on its way.
#[test]
fn promise_2_a_late_answer_is_not_written_to_whoever_said_stop() {
    let mut town = Town::new(Settings::default());
    let (ann, otto) = (account(Network::Sandbox, "ann"), account(Network::Sandbox, "otto"));
    town.says(&ann, "@desk When did the Ottoman Empire end?", Visibility::Public, None);
    let invitation = town.world.latest_to(&otto.id, None).unwrap().place.clone();
    town.world.wait(SignedDuration::from_hours(24 * 14));
    let given_up = town.world.questions().pop().unwrap();
    assert_eq!(given_up.state.word(), "unanswered");
    town.says(&ann, "stop", Visibility::Direct, None);
    let outcome = town.says(&otto, "It ended on 1 November 1922.", Visibility::Public, Some(&invitation));
    assert_ne!(outcome, Outcome::Answered);
    assert_eq!(town.world.posted_to_stopped(), 0, "promise 2: she said stop");
    let told = town.world.latest_to(&otto.id, None).unwrap();
    assert!(!told.text.contains("on its way"), "{}", told.text);
}

/// Promise 7, confidential: whoever is forgotten leaves no name behind in what they corrected, and what
/// their words taught may still be learnt.
#[test]
fn promise_7_a_forgotten_librarian_leaves_no_name_in_a_correction() {
    let mut town = Town::new(Settings { learn_from_questions: true, ..Settings::default() });
    let (ann, otto) = (account(Network::Sandbox, "ann"), account(Network::Sandbox, "otto"));
    town.says(&ann, "@desk When did the Ottoman Empire end?", Visibility::Public, None);
    let invitation = town.world.latest_to(&otto.id, None).unwrap().place.clone();
    town.says(&otto, "wrong subject, this is law", Visibility::Public, Some(&invitation));
    let corrected = |town: &Town| {
        let question = town.world.questions().pop().unwrap();
        assert_eq!(question.teaches().map(ToString::to_string).as_deref(), Some("law"));
        question.correction.unwrap().by.handle
    };
    assert_eq!(corrected(&town), "otto");
    town.says(&otto, "@desk forget me", Visibility::Public, None);
    assert_eq!(corrected(&town), "");
    let kept = serde_json::to_string(&town.world.questions()).unwrap();
    assert!(!kept.contains("\"otto\""), "{kept}");
    // The patron's own word erases the question, and takes what could be learnt from it away.
    town.says(&ann, "@desk forget me", Visibility::Public, None);
    assert_eq!(town.world.questions(), []);
}

/// What takes a question away from the rules.
#[test]
fn promise_7_only_what_may_be_learnt_from_teaches() {
    let ann = account(Network::Sandbox, "ann");
    let otto = account(Network::Sandbox, "otto");
    let teaches = |allowed: bool, asked: Visibility, then: &[(&str, Visibility)]| {
        let mut town = Town::new(Settings { learn_from_questions: allowed, ..Settings::default() });
        let place = town.world.says(&ann, "@desk When did the Ottoman Empire end?", asked, None);
        let invitation = town.world.latest_to(&otto.id, None).unwrap().place.clone();
        town.says(&otto, "wrong subject, this is law", asked, Some(&invitation));
        for (words, visibility) in then {
            town.world.says(&ann, words, *visibility, Some(&place));
        }
        town.world.questions().pop().is_some_and(|question| question.teaches().is_some())
    };
    use Visibility::{Direct, Public, Unlisted};
    assert!(teaches(true, Public, &[]));
    assert!(teaches(true, Public, &[("It was in the census of 1901, I think", Public)]));
    for (name, allowed, asked, then) in [
        ("not allowed", false, Public, vec![]),
        ("private", true, Direct, vec![]),
        ("unlisted", true, Unlisted, vec![]),
        ("a private word", true, Public, vec![("It was my great-aunt's flat in the Lindenstrasse", Direct)]),
        ("an objection", true, Public, vec![("no learning", Public)]),
        ("taken back", true, Public, vec![("cancel", Public)]),
        ("stop", true, Public, vec![("stop", Public)]),
        ("forgotten", true, Public, vec![("forget me", Public)]),
    ] {
        assert!(!teaches(allowed, asked, &then), "{name}");
    }
}
