//! A watch that never finds anything proves nothing: here the desk is broken on purpose, in one way after the
//! other, and each is found.
//!
//! **Invariant:** the watch is the one that every world has; what is broken is only what it looks at.

use super::*;
use crate::desk::letter::Mention;
use crate::desk::{self, Account, Confidential, Network, Settings};
use crate::samples;
use crate::simulate::people::{self, account, term};
use crate::simulate::population;
use crate::subjects::Subjects;

/// Two librarians, on duty from 8 to 20, and a patron.
struct Scene {
    people: People,
    subjects: Subjects,
    settings: Settings,
    books: Books,
    watch: Watch,
    posts: u32,
}

fn morning() -> Timestamp {
    "2026-03-03T10:00:00Z".parse().unwrap()
}

fn ann() -> Account {
    account("sandbox", "ann")
}

fn librarian(number: usize) -> Account {
    account("sandbox", &format!("librarian{number}"))
}

impl Scene {
    fn new() -> Scene {
        let text = include_str!("../presets/town.toml")
            .replace("count = 5", "count = 2")
            .replace(r#""9-17 weekdays" = 2, "17-22" = 2, "any" = 1"#, r#""8-20" = 1"#)
            .replace("subjects = [3, 6]", "takes = [0]");
        let population = population::parse("scene.toml", &text).unwrap();
        let people = People::new(&population, 1, jiff::civil::date(2026, 3, 2), 10);
        let mut settings = Settings::default();
        for network in Network::ALL {
            settings.accounts.insert(network, account(network.name(), "desk"));
        }
        let mut scene = Scene {
            subjects: Subjects::compile(&people::rules(&population)).0,
            watch: Watch::new(&people),
            people,
            settings,
            books: Books::default(),
            posts: 0,
        };
        for number in 0..2 {
            let action = scene.people.opting_in(number, &population, Timestamp::UNIX_EPOCH).unwrap();
            let input = Input::Coordinator { id: number.to_string(), action };
            let step = desk::decide(&scene.view(&input), &input, morning());
            scene.books.apply(step);
        }
        scene
    }

    fn view(&self, input: &Input) -> View<'_> {
        let who = input.whose();
        View {
            settings: &self.settings,
            subjects: &self.subjects,
            roster: &self.books.roster,
            person: who.and_then(|who| self.books.person(who)).cloned(),
            others: Vec::new(),
            questions: self.books.questions_for(who, &[]),
            link: None,
            free_code: self.books.free_code(&input.id()).unwrap(),
            chance: 1,
        }
    }

    /// Somebody writes to the desk, and the watch hears it.
    fn says(&mut self, who: &Account, text: &str, visibility: Visibility) -> Input {
        self.posts += 1;
        let post = samples::post(who.clone(), format!("post{}", self.posts), text, morning());
        let post = Post { visibility, ..post };
        self.watch.said(&post);
        Input::Post(Box::new(post))
    }

    /// Ann asks about something that both librarians take: what she says, and what the desk decides.
    fn asks(&mut self, visibility: Visibility) -> (Input, Step) {
        let text = format!("What is §mark§ about {}?", term(0));
        let input = self.says(&ann(), &text, visibility);
        let step = desk::decide(&self.view(&input), &input, morning());
        assert_eq!(step.questions[0].invitations.len(), 2, "both are asked");
        (input, step)
    }

    /// Looks at a step.
    fn check(&mut self, input: &Input, step: &Step) {
        // The watch and the view look at different parts of the scene.
        let mut watch = std::mem::replace(&mut self.watch, Watch::new(&self.people));
        watch.check(&self.view(input), input, step, &self.people);
        self.watch = watch;
    }

    /// What the watch has found, each promise once.
    fn found(&self) -> Vec<&'static str> {
        let promises: BTreeSet<&'static str> =
            self.watch.broken.iter().map(|broken| broken.promise).collect();
        promises.into_iter().collect()
    }

    /// How it was said what is wrong.
    fn told(&self) -> String {
        self.watch.broken.iter().map(|broken| format!("{broken}\n")).collect()
    }
}

fn question(step: &mut Step) -> &mut Question {
    step.questions.first_mut().unwrap()
}

fn letter(step: &mut Step, purpose: Purpose) -> &mut Letter {
    step.letters.iter_mut().find(|letter| letter.purpose == purpose).unwrap()
}

fn widen(letter: &mut Letter, to: Visibility) {
    if let Content::Post { visibility, .. } = &mut letter.content {
        *visibility = to;
    }
}

type Change = fn(&mut Scene, &mut Input, &mut Step);

/// Each row breaks one step of the desk in one way, and says under which promise the watch must report it, and in
/// which words.
#[test]
fn each_broken_promise_is_noticed() {
    const OPT_IN: &str = "opt-in only";
    const WIDER: &str = "never wider";
    const LOST: &str = "nothing is lost silently";
    const ONCE: &str = "asked once";
    const OWNER: &str = "one owner";
    const QUIET: &str = "quiet hours";
    const LIMITS: &str = "limits";
    const LOOPS: &str = "no loops";
    const CONFIDENTIAL: &str = "confidential";
    const EXPLAINED: &str = "explained";
    let rows: &[(&str, Change, &str, &str)] = &[
        (
            "a letter to a stranger",
            |_, _, step| {
                let stranger = Letter { to: account("sandbox", "eve"), ..step.letters[0].clone() };
                step.letters.push(stranger);
            },
            OPT_IN,
            "to somebody it does not know",
        ),
        (
            "a stranger is mentioned",
            |_, _, step| {
                if let Content::Post { mentions, .. } = &mut step.letters[0].content {
                    mentions.push(Mention { start: 0, end: 4, account: account("sandbox", "eve") });
                }
            },
            OPT_IN,
            "mentions somebody else",
        ),
        (
            "an invitation to somebody who left",
            |scene, _, _| {
                let leaving = scene.says(&librarian(0), "leave", Visibility::Direct);
                scene.watch.heard(&leaving);
            },
            OPT_IN,
            "offered to somebody who did not opt in",
        ),
        (
            "an invitation to somebody who is forgotten",
            |scene, _, _| {
                let forgetting = scene.says(&librarian(0), "forget me", Visibility::Direct);
                scene.watch.heard(&forgetting);
            },
            OPT_IN,
            "wrote (invitation) to somebody it does not know",
        ),
        (
            "an invitation to somebody who said stop",
            |scene, _, _| {
                let stopping = scene.says(&librarian(0), "stop", Visibility::Direct);
                scene.watch.heard(&stopping);
            },
            OPT_IN,
            "wrote to somebody who said `stop`",
        ),
        (
            "a letter about a private question that everybody can read",
            |scene, input, step| {
                (*input, *step) = scene.asks(Visibility::Direct);
                let acknowledgement = letter(step, Purpose::Acknowledgement);
                widen(acknowledgement, Visibility::Public);
            },
            WIDER,
            "is more visible than it",
        ),
        (
            "private words in a letter about nothing",
            |scene, input, step| {
                (*input, *step) = scene.asks(Visibility::Direct);
                let invitation = letter(step, Purpose::Invitation);
                invitation.about = None;
                widen(invitation, Visibility::Unlisted);
            },
            WIDER,
            "mark became more visible",
        ),
        ("no timer", |_, _, step| question(step).timers.clear(), LOST, "has none of the timers"),
        (
            "no end to the search",
            |_, _, step| {
                question(step).timers.remove(&Reason::GiveUp);
            },
            LOST,
            "is looked for without an end",
        ),
        (
            "no thanks for asking",
            |_, _, step| step.letters.retain(|letter| letter.purpose != Purpose::Acknowledgement),
            LOST,
            "its patron was not told",
        ),
        (
            "an end that is not told",
            |_, _, step| {
                question(step).state = State::Unanswered;
                question(step).timers.insert(Reason::Erase, morning());
            },
            LOST,
            "became unanswered and its patron was not told",
        ),
        (
            "an open question is erased",
            |scene, _, step| {
                scene.books.apply(step.clone());
                *step = Step::nothing(step.input.clone(), step.at, Outcome::Closed);
                step.erase = scene.books.questions().iter().map(|question| question.code.clone()).collect();
            },
            LOST,
            "was erased while it was open",
        ),
        (
            "the same librarian is asked twice",
            |_, _, step| {
                let again = question(step).invitations[0].clone();
                for person in &mut step.people {
                    person.librarian.iter_mut().for_each(|entry| entry.invitations.count = 9);
                }
                question(step).invitations.push(again);
            },
            ONCE,
            "offered to somebody again",
        ),
        (
            "its own patron is asked",
            |scene, _, step| {
                scene.watch.opted_in.insert(ann().id);
                question(step).invitations[0].librarian = ann();
                let mut own = Letter { to: ann(), ..letter(step, Purpose::Invitation).clone() };
                if let Content::Post { mentions, .. } = &mut own.content {
                    mentions.clear();
                }
                step.letters.push(own);
            },
            ONCE,
            "offered to its own patron",
        ),
        (
            "others wait for a question that is taken",
            |_, _, step| {
                question(step).state = State::Claimed { by: librarian(0).id };
                question(step).timers.insert(Reason::RemindOwner, morning());
            },
            OWNER,
            "has an owner, and 1 others",
        ),
        (
            "two have claimed it",
            |_, _, step| {
                question(step).state = State::Claimed { by: librarian(0).id };
                question(step).timers.insert(Reason::RemindOwner, morning());
                question(step).invitations.iter_mut().for_each(|invitation| invitation.fate = Fate::Claimed);
            },
            OWNER,
            "has an owner, and 1 others",
        ),
        (
            "at night",
            |_, _, step| step.at = "2026-03-03T23:00:00Z".parse().unwrap(),
            QUIET,
            "outside their hours",
        ),
        (
            "on a pause",
            |scene, _, _| {
                let mut pausing = scene.books.person(&librarian(0).id).unwrap().clone();
                pausing.librarian.as_mut().unwrap().paused_until = Some(Timestamp::MAX);
                scene.books.roster.put(pausing);
            },
            QUIET,
            "somebody who pauses",
        ),
        (
            "more open questions than a librarian wants",
            |scene, _, step| {
                let mut busy = scene.books.person(&librarian(0).id).unwrap().clone();
                let codes = Code::candidates(&step.input);
                let entry = busy.librarian.as_mut().unwrap();
                entry.open = codes.take(entry.limit as usize + 1).collect();
                step.people.push(busy);
            },
            LIMITS,
            "a librarian with a limit of",
        ),
        (
            "an automaton is answered",
            |_, input, _| {
                if let Input::Post(post) = input {
                    post.author.bot = true;
                }
            },
            LOOPS,
            "an automaton was answered",
        ),
        (
            "letters without end",
            |scene, _, step| {
                let acknowledgement = letter(step, Purpose::Acknowledgement).clone();
                let many = scene.settings.replies_per_person_hour + 3;
                step.letters.extend(std::iter::repeat_n(acknowledgement, many));
            },
            LOOPS,
            "letters to one person in an hour",
        ),
        (
            "what was deleted is passed on",
            |scene, input, _| {
                scene.watch.heard(input);
                let Input::Post(post) = &input else { return };
                *input = Input::Gone { post: post.id() };
            },
            CONFIDENTIAL,
            "mark was passed on (invitation) though nobody says it any more",
        ),
        (
            "what was edited is passed on as it was",
            |scene, input, _| {
                scene.watch.heard(input);
                let Input::Post(post) = &input else { return };
                let now = Post { text: Confidential::new("What is §this§?"), ..*post.clone() };
                *input = Input::Edited { at: now.seen_at, post: Box::new(now) };
            },
            CONFIDENTIAL,
            "mark was passed on (invitation) though nobody says it any more",
        ),
        (
            "what somebody wrote can be logged",
            |_, _, step| step.journal[0].what.push_str("§mark§"),
            CONFIDENTIAL,
            "what somebody wrote can be logged",
        ),
        ("nothing says why", |_, _, step| step.journal.clear(), EXPLAINED, "nothing says why"),
        (
            "a librarian is not told why",
            |_, _, step| {
                if let Content::Post { text, .. } = &mut letter(step, Purpose::Invitation).content {
                    *text = Confidential::new("A question for you: what is §mark§?");
                }
            },
            EXPLAINED,
            "somebody who is not told why",
        ),
    ];
    for (name, change, promise, words) in rows {
        let mut scene = Scene::new();
        let (mut input, mut step) = scene.asks(Visibility::Public);
        scene.check(&input, &step);
        assert_eq!(scene.told(), "", "{name}: nothing is wrong before");
        // The watch is another one, which has seen nothing of this step yet.
        let mut scene = Scene::new();
        (input, step) = scene.asks(Visibility::Public);
        change(&mut scene, &mut input, &mut step);
        scene.check(&input, &step);
        assert_eq!(scene.found(), [*promise], "{name}: {}", scene.told());
        assert!(scene.told().contains(words), "{name}: {}", scene.told());
    }
}

/// More invitations on one day than a librarian wants, of which none alone is too many.
#[test]
fn one_invitation_too_many_on_a_day_is_noticed() {
    let mut scene = Scene::new();
    let (input, step) = scene.asks(Visibility::Public);
    let entry = scene.books.person(&librarian(0).id).unwrap().librarian.as_ref().unwrap();
    for _ in 0..entry.invitations.count {
        assert_eq!(scene.told(), "");
        scene.check(&input, &step);
    }
    assert_eq!(scene.told(), "");
    scene.check(&input, &step);
    assert_eq!(scene.found(), ["limits"], "{}", scene.told());
}

/// Promises 2, 3, 5 and 7, for letters that come out on a network.
#[test]
fn letters_that_should_not_appear_are_noticed() {
    let appears = |times: usize, change: fn(&mut Scene, &mut Letter, &mut Question)| {
        let mut scene = Scene::new();
        let (_, mut step) = scene.asks(Visibility::Public);
        let mut invitation = letter(&mut step, Purpose::Invitation).clone();
        let mut asked = question(&mut step).clone();
        change(&mut scene, &mut invitation, &mut asked);
        for _ in 0..times {
            scene.watch.published(&invitation, Some(&asked), morning().as_millisecond());
        }
        scene.found()
    };
    assert_eq!(appears(1, |_, _, _| {}), [""; 0]);
    assert_eq!(appears(2, |_, _, _| {}), ["once"]);
    let taken = appears(1, |_, _, asked| asked.state = State::Claimed { by: librarian(1).id });
    assert_eq!(taken, ["one owner"]);
    let stopped = |scene: &mut Scene, letter: &mut Letter, _: &mut Question| {
        let stopping = scene.says(&letter.to.clone(), "stop", Visibility::Direct);
        scene.watch.heard(&stopping);
    };
    assert_eq!(appears(1, stopped), ["opt-in only"]);
    let deleted = |scene: &mut Scene, _: &mut Letter, _: &mut Question| {
        scene.watch.gone.insert("mark".to_owned());
    };
    assert_eq!(appears(1, deleted), ["confidential"]);
}

/// Promise 4, at the end of a world: open questions, letters under way, lists of what is over.
#[test]
fn what_is_left_over_at_the_end_is_noticed() {
    let mut scene = Scene::new();
    scene.watch.at_end(&scene.books);
    assert_eq!(scene.told(), "");
    let (_, mut step) = scene.asks(Visibility::Public);
    let code = step.questions[0].code.clone();
    let mut burdened = scene.books.person(&librarian(0).id).unwrap().clone();
    burdened.librarian.as_mut().unwrap().open = std::iter::once(code).collect();
    step.people.push(burdened);
    scene.books.apply(step);
    scene.watch.at_end(&scene.books);
    assert_eq!(scene.found(), ["limits", "nothing is lost silently"], "{}", scene.told());
    for words in ["is seeking at the end of all time", "letters were never settled", "that are over"] {
        assert!(scene.told().contains(words), "{words}: {}", scene.told());
    }
}

/// Promise 7: what is over is erased in time.
#[test]
fn what_is_kept_for_ever_is_noticed() {
    let mut scene = Scene::new();
    let (_, mut step) = scene.asks(Visibility::Public);
    step.letters.clear();
    step.people.clear();
    question(&mut step).state = State::Closed;
    scene.books.apply(step);
    scene.watch.at_end(&scene.books);
    assert_eq!(scene.found(), ["confidential"], "{}", scene.told());
}

/// Whatever is wrong in a long world, only the first cases are written down; all are counted.
#[test]
fn of_many_faults_the_first_are_written_down_and_all_are_counted() {
    let mut scene = Scene::new();
    for _ in 0..50 {
        scene.watch.must(false, "once", || "again".to_owned());
    }
    assert_eq!((scene.watch.broken.len(), scene.watch.broken_count), (WRITTEN_DOWN_MAX, 50));
}
