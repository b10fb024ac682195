//! Random histories of a desk: sled must answer everything as plain maps do.
//!
//! **Invariant:** the maps of the memory store are the model; they keep no encoded rows and share no
//! plan with sled.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use stumper::desk::letter::Delivery;
use stumper::desk::question::Reason;
use stumper::desk::*;
use stumper::store::Store;

use crate::world::*;

/// How many questions and people the small world has: few, so that things happen to the same ones.
const QUESTIONS: usize = 4;
const PEOPLE: usize = 3;

/// How many steps a history has at most.
const STEPS: usize = 24;

/// One thing that is done to the store. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Doing {
    Commit(Box<Sketch>),
    Deliver { letter: usize, to: usize, from_truth: bool },
    Cursor(usize),
    Expire { before: i64, limit: usize },
    Reopen,
}

/// A step in numbers.
#[derive(Clone, Debug)]
struct Sketch {
    /// Inputs repeat now and then.
    input: usize,
    at: i64,
    /// Question, whether its version is right, its timers, who was asked, who offered an answer, the
    /// length of its text.
    questions: Vec<(usize, bool, Vec<(usize, i64)>, Vec<usize>, Vec<usize>, usize)>,
    /// Person, whether their version is right, whether they are a librarian.
    people: Vec<(usize, bool, bool)>,
    /// About which question, the letter before it in its chain, whether it is a deletion.
    letters: Vec<(Option<usize>, Option<usize>, bool)>,
    settled: Vec<(usize, usize)>,
    links: Vec<(usize, usize)>,
    journal: Vec<usize>,
    erase: Vec<usize>,
    forget: Vec<usize>,
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        12 => sketch().prop_map(|sketch| Doing::Commit(Box::new(sketch))),
        4 => (0..40_usize, 0..6_usize, any::<bool>())
            .prop_map(|(letter, to, from_truth)| Doing::Deliver { letter, to, from_truth }),
        1 => (0..9_usize).prop_map(Doing::Cursor),
        1 => (0..60_i64, 1..4_usize).prop_map(|(before, limit)| Doing::Expire { before, limit }),
        1 => Just(Doing::Reopen),
    ]
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let mostly = || prop::bool::weighted(0.9);
    let timers = prop::collection::vec((0..7_usize, 0..60_i64), 0..3);
    let asked = prop::collection::vec(0..PEOPLE, 0..3);
    let offered = prop::collection::vec(0..PEOPLE, 0..2);
    let text = prop_oneof![9 => 0..99_usize, 1 => 3_000..20_000_usize];
    let question = (0..QUESTIONS, mostly(), timers, asked, offered, text);
    let rows = (
        prop::collection::vec(question, 0..3),
        prop::collection::vec((0..PEOPLE, mostly(), any::<bool>()), 0..3),
        prop::collection::vec(
            (prop::option::of(0..QUESTIONS), prop::option::of(0..40_usize), prop::bool::weighted(0.2)),
            0..4,
        ),
        prop::collection::vec((0..40_usize, 0..6_usize), 0..3),
        prop::collection::vec((0..6_usize, 0..QUESTIONS), 0..3),
        prop::collection::vec(0..QUESTIONS, 0..3),
        prop::collection::vec(0..QUESTIONS, 0..2),
        prop::collection::vec(0..PEOPLE, 0..2),
    );
    // Most steps erase and forget nothing.
    let rarely = || prop::bool::weighted(0.15);
    (0..200_usize, 0..60_i64, rows, rarely(), rarely()).prop_map(|(input, at, rows, erases, forgets)| {
        let (questions, people, letters, settled, links, journal, mut erase, mut forget) = rows;
        erase.retain(|_| erases);
        forget.retain(|_| forgets);
        Sketch { input, at, questions, people, letters, settled, links, journal, erase, forget }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn sled_answers_as_plain_maps_do(history in prop::collection::vec(doing(), 1..STEPS)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(history));
    }
}

async fn live(history: Vec<Doing>) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("desk");
    let model = Store::memory();
    let mut sled = Store::open_sled(&dir).unwrap();
    let mut letters: Vec<LetterId> = Vec::new();
    for doing in history {
        match doing {
            Doing::Commit(sketch) => {
                let step = draw(*sketch, &model, &mut letters);
                assert_eq!(sled.commit(step.clone()).await, model.commit(step).await);
            }
            Doing::Deliver { letter, to, from_truth } => {
                let Some(id) = pick(&letters, letter) else { continue };
                let stored = model.letter(id).unwrap().map(|(_, delivery)| delivery);
                let from = stored.filter(|_| from_truth).unwrap_or(claimed(1));
                let to = delivery(to);
                assert_eq!(sled.deliver(id, &from, to.clone()).await, model.deliver(id, &from, to).await);
            }
            Doing::Cursor(number) => {
                sled.set_cursor(Network::Bluesky, number.to_string()).await.unwrap();
                model.set_cursor(Network::Bluesky, number.to_string()).await.unwrap();
            }
            Doing::Expire { before, limit } => {
                let expired = sled.expire_seen(at(before), limit).await;
                assert_eq!(expired, model.expire_seen(at(before), limit).await);
            }
            Doing::Reopen => {
                sled.close().await.unwrap();
                sled = Store::open_sled(&dir).unwrap();
            }
        }
        compare(&sled, &model, &letters);
    }
    assert_eq!(export(&sled), export(&model));
    // The rows that follow from others are what they are when they are made anew.
    let anew = imported(&export(&sled), Store::memory()).await;
    assert_eq!(sled.counts(), anew.counts());
}

fn compare(sled: &Store, model: &Store, letters: &[LetterId]) {
    assert_eq!(sled.counts(), model.counts());
    assert_eq!(sled.questions(None, 99), model.questions(None, 99));
    assert_eq!(roster(sled), roster(model));
    assert_eq!(sled.next_due(), model.next_due());
    assert_eq!(sled.undelivered(3), model.undelivered(3));
    for minute in [0, 20, 60] {
        assert_eq!(sled.due(at(minute), 3), model.due(at(minute), 3));
        let outbox = sled.outbox(Network::Sandbox, at(minute), 3);
        assert_eq!(outbox, model.outbox(Network::Sandbox, at(minute), 3));
    }
    for network in Network::ALL {
        assert_eq!(sled.next_outbox(network), model.next_outbox(network));
        assert_eq!(sled.in_hand(network), model.in_hand(network));
        assert_eq!(sled.cursor(network), model.cursor(network));
    }
    for number in 0..QUESTIONS {
        assert_eq!(sled.journal(&code(number)), model.journal(&code(number)));
        assert_eq!(sled.letters_about(&code(number)), model.letters_about(&code(number)));
    }
    for person in 0..PEOPLE {
        let account = id(&format!("person {person}"));
        assert_eq!(sled.person(&account), model.person(&account));
        assert_eq!(sled.questions_involving(&account), model.questions_involving(&account));
    }
    for number in 0..6 {
        let post = post(&format!("post {number}"));
        assert_eq!(sled.link(&post), model.link(&post));
    }
    for id in letters {
        assert_eq!(sled.letter(id), model.letter(id));
    }
}

/// Makes a step of a sketch, with the versions that the model holds now.
fn draw(sketch: Sketch, model: &Store, letters: &mut Vec<LetterId>) -> Step {
    let name = format!("{}", sketch.input);
    let mut step = Step { at: at(sketch.at), ..step(&name) };
    for (number, is_right, timers, asked, offered, length) in sketch.questions {
        let stored = model.question(&code(number)).unwrap().map_or(0, |question| question.version);
        let mut next = question(number, &format!("person {}", number % PEOPLE));
        next.version = if is_right { stored } else { stored + 1 };
        next.timers = timers.into_iter().map(|(reason, minutes)| (REASONS[reason], at(minutes))).collect();
        next.invitations = asked.into_iter().map(|person| invitation(&format!("person {person}"))).collect();
        next.publicity.offers =
            offered.into_iter().map(|person| offer(&format!("person {person}"))).collect();
        next.text = Confidential::new("x".repeat(length));
        step.questions.push(next);
    }
    for (number, is_right, is_librarian) in sketch.people {
        let name = format!("person {number}");
        let stored = model.person(&id(&name)).unwrap().map_or(0, |person| person.version);
        let mut next = if is_librarian { librarian(&name, &["maps"]) } else { Person::new(account(&name)) };
        next.version = if is_right { stored } else { stored + 1 };
        step.people.push(next);
    }
    for (turn, (about, previous, is_deletion)) in sketch.letters.into_iter().enumerate() {
        let reply_to = previous.and_then(|number| pick(letters, number)).cloned().map(ReplyTo::Letter);
        let mut next = letter(&name, sketch.at, about, reply_to);
        if is_deletion {
            next.content = deletion(&name, sketch.at, about).content;
        }
        next.id = LetterId::derive(&step.input, turn);
        letters.push(next.id.clone());
        step.letters.push(next);
    }
    for (number, to) in sketch.settled {
        step.settled.extend(pick(letters, number).map(|id| (id.clone(), delivery(to))));
    }
    let links = sketch.links.into_iter();
    step.links = links.map(|(number, about)| (post(&format!("post {number}")), link(about, "ada"))).collect();
    step.journal = sketch.journal.into_iter().map(|number| entry(&name, number, "turned")).collect();
    step.erase = sketch.erase.into_iter().map(code).collect();
    step.forget = sketch.forget.into_iter().map(|number| id(&format!("person {number}"))).collect();
    step
}

const REASONS: [Reason; 7] = [
    Reason::AskNext,
    Reason::GiveUp,
    Reason::RemindOwner,
    Reason::ReleaseClaim,
    Reason::InterviewOver,
    Reason::CloseQuiet,
    Reason::Erase,
];

fn delivery(number: usize) -> Delivery {
    match number {
        0 => waiting(30, 1),
        1 => claimed(10),
        2 => unsure(20),
        3 => refused(15),
        _ => sent(25),
    }
}

fn pick(letters: &[LetterId], number: usize) -> Option<&LetterId> {
    letters.get(number % letters.len().max(1))
}
