//! What every store promises. Each test runs against each store.

use jiff::Timestamp;
use stumper::desk::letter::{Content, Delivery};
use stumper::desk::question::Reason;
use stumper::desk::*;
use stumper::store::archive::{self, ArchiveError, LineFault};
use stumper::store::{Committed, Counts, ROW_BYTES_MAX, Store, StoreError};
use stumper::subjects::SubjectId;

use crate::world::*;

/// Makes a module for each store, with all tests of the list in each.
macro_rules! for_every_store {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(stumper::store::Store::memory()).await;
            })*
        }

        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let dir = tempfile::tempdir().unwrap();
                let store = stumper::store::Store::open_sled(&dir.path().join("desk")).unwrap();
                super::$test(store).await;
            })*
        }
    };
}

for_every_store! {
    an_input_takes_effect_once
    a_step_from_an_older_version_is_stale
    a_step_that_is_not_stored_changes_nothing
    each_commit_counts_the_version_up
    only_one_of_many_at_once_wins
    timers_follow_their_question
    involvement_follows_its_question
    erasing_leaves_no_trace
    erasing_keeps_the_deletions_until_they_are_done
    erasing_leaves_links_that_lead_elsewhere_by_now
    the_outbox_shows_what_is_to_be_done_now
    the_outbox_keeps_the_order_of_a_step
    a_chain_is_shown_one_by_one
    a_letter_moves_only_from_where_it_is
    claimed_letters_are_in_hand
    refused_letters_are_shown_latest_first
    a_letter_that_is_there_stays_as_it_is
    letters_and_lines_are_found_by_question
    links_are_found_by_post
    the_roster_is_always_as_last_committed
    forgetting_a_person_takes_them_off_the_roster
    forgetting_a_person_takes_their_letters_and_links
    old_talk_expires_and_nothing_else
    questions_come_in_pages
    cursors_are_kept_by_network
    old_inputs_are_forgotten
    long_rows_are_kept_whole
    rows_that_are_too_long_are_refused
    an_archive_gives_the_same_store
    an_archive_goes_into_an_empty_store_only
    a_broken_archive_leaves_nothing
    a_closed_store_says_so
}

async fn an_input_takes_effect_once(desk: Store) {
    assert_eq!(desk.has_seen(&input("a")), Ok(false));
    let first = Step { questions: vec![question(1, "ada")], ..step("a") };
    store(&desk, first.clone()).await;
    assert_eq!(desk.has_seen(&input("a")), Ok(true));
    assert_eq!(desk.commit(first).await, Ok(Committed::SeenBefore));
    let other = Step { questions: vec![question(2, "ada")], ..step("a") };
    assert_eq!(desk.commit(other).await, Ok(Committed::SeenBefore));
    assert_eq!(desk.question(&code(2)), Ok(None));
    assert_eq!(desk.question(&code(1)).unwrap().unwrap().version, 1);
}

async fn a_step_from_an_older_version_is_stale(desk: Store) {
    let people = vec![Person::new(account("ada"))];
    store(&desk, Step { questions: vec![question(1, "ada")], people, ..step("a") }).await;
    let question_at =
        |version| Step { questions: vec![Question { version, ..question(1, "ada") }], ..step("b") };
    let person_at =
        |version| Step { people: vec![Person { version, ..Person::new(account("ada")) }], ..step("b") };
    let rows = [
        ("a question made twice", question_at(0)),
        ("a question from the future", question_at(2)),
        ("a person made twice", person_at(0)),
        ("a person from the future", person_at(2)),
        ("a question that is not there", {
            Step { questions: vec![Question { version: 1, ..question(2, "ada") }], ..step("b") }
        }),
        ("one of two questions", {
            let mut step = question_at(1);
            step.questions.push(Question { version: 7, ..question(2, "ada") });
            step
        }),
    ];
    for (name, step) in rows {
        assert_eq!(desk.commit(step).await, Ok(Committed::Stale), "{name}");
        assert_eq!(desk.has_seen(&input("b")), Ok(false), "{name}");
    }
    store(&desk, question_at(1)).await;
}

async fn a_step_that_is_not_stored_changes_nothing(desk: Store) {
    store(&desk, full_step("a", 1)).await;
    let before = export(&desk);
    let mut stale = full_step("b", 1);
    stale.people.clear();
    stale.erase = vec![code(1)];
    stale.forget = vec![id("ada")];
    stale.settled = vec![(LetterId::derive(&input("a"), 0), sent(1))];
    assert_eq!(desk.commit(stale).await, Ok(Committed::Stale));
    let mut again = full_step("a", 2);
    again.people.clear();
    assert_eq!(desk.commit(again).await, Ok(Committed::SeenBefore));
    assert_eq!(export(&desk), before);
}

async fn each_commit_counts_the_version_up(desk: Store) {
    for turn in 1..=3 {
        let stored = desk.question(&code(1)).unwrap().unwrap_or(question(1, "ada"));
        let person = desk.person(&id("ada")).unwrap().unwrap_or(Person::new(account("ada")));
        let next = Step { questions: vec![stored], people: vec![person], ..step(&format!("{turn}")) };
        store(&desk, next).await;
        assert_eq!(desk.question(&code(1)).unwrap().unwrap().version, turn);
        assert_eq!(desk.person(&id("ada")).unwrap().unwrap().version, turn);
    }
}

async fn only_one_of_many_at_once_wins(desk: Store) {
    const TASKS: usize = 8;
    const TURNS: usize = 20;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let desk = desk.clone();
            tokio::spawn(async move {
                for turn in 0..TURNS {
                    // Read, decide and commit until nobody else was faster.
                    while {
                        let stored = desk.question(&code(1)).unwrap().unwrap_or(question(1, "ada"));
                        let name = format!("{task}-{turn}");
                        let journal = vec![entry(&name, 1, "turned")];
                        let next = Step { questions: vec![stored], journal, ..step(&name) };
                        desk.commit(next).await.unwrap() != Committed::Stored
                    } {}
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(desk.question(&code(1)).unwrap().unwrap().version, (TASKS * TURNS) as u64);
    assert_eq!(desk.journal(&code(1)).unwrap().len(), TASKS * TURNS);
}

async fn timers_follow_their_question(desk: Store) {
    use Reason::{AskNext, CloseQuiet, Erase, GiveUp};
    // Each row replaces the timers of question 1 and tells what is due at minute 20 of all.
    let rows: [(&[(Reason, i64)], &[(usize, Reason, i64)]); 6] = [
        (&[(AskNext, 10), (GiveUp, 30)], &[(1, AskNext, 10), (2, AskNext, 15)]),
        (&[(AskNext, 20), (GiveUp, 30)], &[(2, AskNext, 15), (1, AskNext, 20)]),
        (&[(CloseQuiet, 14), (GiveUp, 16)], &[(1, CloseQuiet, 14), (2, AskNext, 15), (1, GiveUp, 16)]),
        (&[(GiveUp, 15), (AskNext, 15)], &[(1, AskNext, 15), (1, GiveUp, 15), (2, AskNext, 15)]),
        (&[(Erase, 21)], &[(2, AskNext, 15)]),
        (&[], &[(2, AskNext, 15)]),
    ];
    assert_eq!(desk.next_due(), Ok(None));
    let other = with_timers(question(2, "ada"), &[(AskNext, 15)]);
    store(&desk, Step { questions: vec![other], ..step("other") }).await;
    for (turn, (timers, due)) in rows.into_iter().enumerate() {
        let stored = desk.question(&code(1)).unwrap().unwrap_or(question(1, "ada"));
        let questions = vec![with_timers(stored, timers)];
        store(&desk, Step { questions, ..step(&format!("{turn}")) }).await;
        let due: Vec<_> = due.iter().map(|(number, reason, m)| (code(*number), *reason, at(*m))).collect();
        assert_eq!(desk.due(at(20), 9).as_ref(), Ok(&due), "row {turn}");
        assert_eq!(desk.due(at(20), 1).unwrap(), due[..1], "row {turn}");
        assert_eq!(desk.next_due(), Ok(Some((due[0].2, due[0].1))), "row {turn}");
    }
    assert_eq!(desk.due(at(14), 9), Ok(Vec::new()));
}

async fn involvement_follows_its_question(desk: Store) {
    let involving = |name: &str| -> Vec<Code> {
        let questions = desk.questions_involving(&id(name)).unwrap();
        questions.into_iter().map(|question| question.code).collect()
    };
    let mut first = question(1, "ada");
    first.invitations = vec![invitation("ben"), invitation("cleo"), invitation("ben")];
    let mut second = question(2, "ben");
    second.invitations = vec![invitation("ada")];
    store(&desk, Step { questions: vec![first, second], ..step("a") }).await;
    assert_eq!(involving("ada"), [code(1), code(2)]);
    assert_eq!(involving("ben"), [code(1), code(2)]);
    assert_eq!(involving("cleo"), [code(1)]);
    let mut first = desk.question(&code(1)).unwrap().unwrap();
    first.invitations = vec![invitation("dora")];
    store(&desk, Step { questions: vec![first], ..step("b") }).await;
    assert_eq!(involving("ben"), [code(2)]);
    assert_eq!(involving("cleo"), Vec::<Code>::new());
    assert_eq!(involving("dora"), [code(1)]);
}

async fn erasing_leaves_no_trace(desk: Store) {
    store(&desk, full_step("a", 1)).await;
    let mut more = full_step("b", 1);
    more.questions[0].version = 1;
    more.questions[0].publicity.offers = vec![offer("zoe")];
    more.people[0].version = 1;
    more.settled = vec![(LetterId::derive(&input("a"), 0), sent(1))];
    store(&desk, more).await;
    assert_eq!(desk.questions_involving(&id("zoe")).unwrap().len(), 1);
    assert!(export(&desk).contains(SECRET));
    let mut last = step("erase");
    last.erase = vec![code(1)];
    last.forget = vec![id("ada")];
    // What the same step says about the question goes as well.
    last.journal = vec![entry("erase", 1, "erased")];
    last.links = vec![(post("latest"), link(1, "ada"))];
    store(&desk, last).await;
    assert_eq!(desk.counts(), Ok(Counts { seen: 3, ..Counts::default() }));
    let archive = export(&desk);
    for trace in [SECRET, "moonwort", "ada", code(1).as_str(), "ben", "zoe", "latest"] {
        assert!(!archive.contains(trace), "`{trace}` is still there");
    }
    // The code is free again, and the new question has nothing of the old one.
    store(&desk, Step { questions: vec![question(1, "eve")], ..step("c") }).await;
    assert_eq!(desk.journal(&code(1)), Ok(Vec::new()));
    assert_eq!(desk.letters_about(&code(1)), Ok(Vec::new()));
}

async fn erasing_keeps_the_deletions_until_they_are_done(desk: Store) {
    store(&desk, full_step("a", 1)).await;
    let letters = vec![deletion("x", 1, None), deletion("y", 2, None)];
    store(&desk, Step { erase: vec![code(1)], forget: vec![id("ada")], letters, ..step("erase") }).await;
    assert_eq!(ids(desk.outbox(Network::Sandbox, at(9), 9)), ["x", "y"].map(first_id));
    assert!(desk.deliver(&first_id("x"), &waiting(1, 0), sent(3)).await.unwrap());
    assert_eq!(desk.letter(&first_id("x")), Ok(None));
    assert!(desk.letter(&first_id("y")).unwrap().is_some());
    let settled = vec![(first_id("y"), sent(3)), (first_id("unknown"), sent(3))];
    store(&desk, Step { settled, ..step("done") }).await;
    assert_eq!(desk.counts(), Ok(Counts { seen: 3, ..Counts::default() }));
}

async fn erasing_leaves_links_that_lead_elsewhere_by_now(desk: Store) {
    let questions = vec![question(1, "ada"), question(2, "ada")];
    let links = vec![(post("p"), link(1, "ada")), (post("q"), link(1, "ada"))];
    store(&desk, Step { questions, links, ..step("a") }).await;
    store(&desk, Step { links: vec![(post("p"), link(2, "ada"))], ..step("b") }).await;
    store(&desk, Step { erase: vec![code(1)], ..step("c") }).await;
    assert_eq!(desk.link(&post("p")), Ok(Some(link(2, "ada"))));
    assert_eq!(desk.link(&post("q")), Ok(None));
}

async fn the_outbox_shows_what_is_to_be_done_now(desk: Store) {
    let bluesky = Letter { network: Network::Bluesky, ..letter("blue", 1, None, None) };
    let letters = vec![letter("late", 30, None, None), letter("b", 2, None, None), bluesky];
    store(&desk, Step { letters, ..step("1") }).await;
    store(&desk, Step { letters: vec![letter("a", 1, None, None)], ..step("2") }).await;
    // Each row moves one letter and tells what is to be done at minute 20, and when next.
    let rows: [(&str, Delivery, &[&str], i64); 7] = [
        ("a", waiting(1, 0), &["a", "b"], 1),
        ("a", claimed(5), &["b"], 2),
        ("a", waiting(25, 1), &["b"], 2),
        ("b", claimed(6), &[], 25),
        ("b", unsure(15), &["b"], 15),
        ("a", unsure(10), &["a", "b"], 10),
        ("b", sent(16), &["a"], 10),
    ];
    for (turn, (name, delivery, shown, next)) in rows.into_iter().enumerate() {
        let settled = vec![(first_id(name), delivery.clone())];
        store(&desk, Step { settled, ..step(&format!("move {turn}")) }).await;
        let outbox = desk.outbox(Network::Sandbox, at(20), 9);
        let shown: Vec<_> = shown.iter().copied().map(first_id).collect();
        assert_eq!(ids(outbox), shown, "row {turn}");
        assert_eq!(desk.next_outbox(Network::Sandbox), Ok(Some(at(next))), "row {turn}");
        assert_eq!(desk.letter(&first_id(name)).unwrap().unwrap().1, delivery, "row {turn}");
    }
    assert_eq!(ids(desk.outbox(Network::Sandbox, at(40), 1)), [first_id("a")]);
    assert_eq!(ids(desk.outbox(Network::Bluesky, at(40), 9)), [first_id("blue")]);
    let settled = vec![(first_id("a"), refused(20)), (first_id("late"), sent(30))];
    store(&desk, Step { settled, ..step("end") }).await;
    assert_eq!(desk.next_outbox(Network::Sandbox), Ok(None));
}

async fn the_outbox_keeps_the_order_of_a_step(desk: Store) {
    let names: Vec<String> = (0..20).map(|number| format!("letter {number}")).collect();
    let letters = names.iter().map(|name| letter(name, 1, Some(1), None)).collect();
    store(&desk, Step { letters, ..step("a") }).await;
    let expected: Vec<LetterId> = names.iter().map(|name| first_id(name)).collect();
    assert_eq!(ids(desk.outbox(Network::Sandbox, at(1), 99)), expected);
    assert_eq!(ids(desk.letters_about(&code(1))), expected);
}

async fn a_chain_is_shown_one_by_one(desk: Store) {
    let after = |name: &str| Some(ReplyTo::Letter(first_id(name)));
    let letters = vec![
        letter("1", 5, None, None),
        letter("2", 1, None, after("1")),
        letter("3", 1, None, after("2")),
        letter("orphan", 9, None, after("erased long ago")),
    ];
    store(&desk, Step { letters, ..step("a") }).await;
    // Each row moves a letter of the chain and tells which letters are shown then.
    let rows: [(&str, Delivery, &[&str], i64); 5] = [
        ("1", waiting(5, 0), &["1", "orphan"], 5),
        ("1", claimed(6), &["orphan"], 9),
        ("1", unsure(12), &["orphan", "1"], 9),
        ("1", sent(13), &["2", "orphan"], 1),
        // The rest of a broken chain is shown, so that it can be refused too.
        ("2", refused(14), &["3", "orphan"], 1),
    ];
    for (turn, (name, delivery, shown, next)) in rows.into_iter().enumerate() {
        store(&desk, Step { settled: vec![(first_id(name), delivery)], ..step(&format!("move {turn}")) })
            .await;
        let shown: Vec<_> = shown.iter().copied().map(first_id).collect();
        assert_eq!(ids(desk.outbox(Network::Sandbox, at(20), 9)), shown, "row {turn}");
        assert_eq!(desk.next_outbox(Network::Sandbox), Ok(Some(at(next))), "row {turn}");
    }
}

async fn a_letter_moves_only_from_where_it_is(desk: Store) {
    store(&desk, Step { letters: vec![letter("a", 1, None, None)], ..step("a") }).await;
    let a = first_id("a");
    let rows = [
        ("not where it is", claimed(1), sent(2), false),
        ("other tries", waiting(1, 1), claimed(2), false),
        ("claim", waiting(1, 0), claimed(2), true),
        ("claim again", waiting(1, 0), claimed(2), false),
        ("unsure", claimed(2), unsure(5), true),
        ("back to waiting", unsure(5), waiting(1, 0), true),
        ("sent", waiting(1, 0), sent(9), true),
        ("sent twice", waiting(1, 0), sent(9), false),
    ];
    for (name, from, to, moved) in rows {
        assert_eq!(desk.deliver(&a, &from, to).await, Ok(moved), "{name}");
    }
    assert_eq!(desk.deliver(&first_id("unknown"), &waiting(1, 0), claimed(2)).await, Ok(false));
    assert_eq!(desk.letter(&a).unwrap().unwrap().1, sent(9));
}

async fn claimed_letters_are_in_hand(desk: Store) {
    let letters = vec![letter("a", 1, None, None), letter("b", 2, None, None), letter("c", 3, None, None)];
    store(&desk, Step { letters, ..step("a") }).await;
    assert!(desk.deliver(&first_id("a"), &waiting(1, 0), claimed(9)).await.unwrap());
    assert!(desk.deliver(&first_id("b"), &waiting(2, 0), claimed(8)).await.unwrap());
    assert_eq!(ids(desk.in_hand(Network::Sandbox)), ["b", "a"].map(first_id));
    assert_eq!(ids(desk.in_hand(Network::Bluesky)), []);
    assert_eq!(ids(desk.outbox(Network::Sandbox, at(9), 9)), [first_id("c")]);
}

async fn refused_letters_are_shown_latest_first(desk: Store) {
    let letters = vec![letter("a", 1, Some(1), None), letter("b", 1, None, None), letter("c", 1, None, None)];
    store(&desk, Step { letters, ..step("a") }).await;
    let settled = vec![(first_id("a"), refused(3)), (first_id("b"), refused(5)), (first_id("c"), sent(4))];
    store(&desk, Step { settled, ..step("b") }).await;
    assert_eq!(ids(desk.undelivered(9)), ["b", "a"].map(first_id));
    assert_eq!(ids(desk.undelivered(1)), [first_id("b")]);
    store(&desk, Step { erase: vec![code(1)], ..step("c") }).await;
    assert_eq!(ids(desk.undelivered(9)), [first_id("b")]);
}

async fn a_letter_that_is_there_stays_as_it_is(desk: Store) {
    store(&desk, Step { letters: vec![letter("a", 1, Some(1), None)], ..step("a") }).await;
    assert!(desk.deliver(&first_id("a"), &waiting(1, 0), sent(2)).await.unwrap());
    store(&desk, Step { letters: vec![letter("a", 7, Some(1), None)], ..step("b") }).await;
    let (kept, delivery) = desk.letter(&first_id("a")).unwrap().unwrap();
    assert_eq!((kept.made_at, delivery), (at(1), sent(2)));
    assert_eq!(ids(desk.letters_about(&code(1))).len(), 1);
    assert_eq!(desk.next_outbox(Network::Sandbox), Ok(None));
}

async fn letters_and_lines_are_found_by_question(desk: Store) {
    for (turn, name) in ["a", "b", "c"].into_iter().enumerate() {
        let letters = vec![letter(name, turn as i64, Some(1), None)];
        let journal = vec![entry(name, 1, "one"), entry(name, 2, "other"), entry(name, 1, "two")];
        store(&desk, Step { letters, journal, ..step(name) }).await;
    }
    assert_eq!(ids(desk.letters_about(&code(1))), ["a", "b", "c"].map(first_id));
    assert_eq!(ids(desk.letters_about(&code(2))), []);
    let lines = desk.journal(&code(1)).unwrap().into_iter().map(|line| (line.input, line.what));
    let expected = ["a", "b", "c"].map(|name| ["one", "two"].map(|what| (input(name), what.to_owned())));
    assert_eq!(lines.collect::<Vec<_>>(), expected.concat());
    assert_eq!(desk.journal(&code(2)).unwrap().len(), 3);
    assert_eq!(desk.journal(&code(3)), Ok(Vec::new()));
}

async fn links_are_found_by_post(desk: Store) {
    let links = vec![(post("p"), link(1, "ada")), (post("q"), link(2, "ben"))];
    store(&desk, Step { links, ..step("a") }).await;
    assert_eq!(desk.link(&post("p")), Ok(Some(link(1, "ada"))));
    assert_eq!(desk.link(&post("q")), Ok(Some(link(2, "ben"))));
    assert_eq!(desk.link(&PostId::new(Network::Bluesky, "p")), Ok(None));
    store(&desk, Step { links: vec![(post("p"), link(2, "ada"))], ..step("b") }).await;
    assert_eq!(desk.link(&post("p")), Ok(Some(link(2, "ada"))));
}

async fn the_roster_is_always_as_last_committed(desk: Store) {
    let takers = |subject: &str| -> Vec<String> {
        let roster = desk.roster();
        roster.of_subject(&SubjectId::new(subject)).map(|(person, _)| person.account.handle.clone()).collect()
    };
    let people = vec![librarian("ben", &["history", "maps"]), Person::new(account("ada"))];
    store(&desk, Step { people, ..step("a") }).await;
    assert_eq!((takers("history"), takers("maps")), (vec!["ben".to_owned()], vec!["ben".to_owned()]));
    let ben = Person { version: 1, ..librarian("ben", &["maps"]) };
    let ada = Person { version: 1, ..librarian("ada", &["maps"]) };
    store(&desk, Step { people: vec![ben, ada], ..step("b") }).await;
    assert_eq!((takers("history"), takers("maps").len()), (Vec::new(), 2));
    assert_eq!(desk.roster().get(&id("ben")), desk.person(&id("ben")).unwrap().as_ref());
    let retired = Person { version: 2, ..Person::new(account("ben")) };
    store(&desk, Step { people: vec![retired], ..step("c") }).await;
    assert_eq!(takers("maps"), ["ada"]);
    let stale = Person { version: 1, ..librarian("ben", &["history"]) };
    assert_eq!(desk.commit(Step { people: vec![stale], ..step("d") }).await, Ok(Committed::Stale));
    assert_eq!(takers("history"), Vec::<String>::new());
}

async fn forgetting_a_person_takes_them_off_the_roster(desk: Store) {
    let people = vec![librarian("ben", &["maps"]), librarian("cleo", &["maps"])];
    store(&desk, Step { people, ..step("a") }).await;
    store(&desk, Step { forget: vec![id("ben"), id("stranger")], ..step("b") }).await;
    assert_eq!(desk.person(&id("ben")), Ok(None));
    assert!(desk.roster().get(&id("ben")).is_none());
    assert!(desk.roster().get(&id("cleo")).is_some());
    // Somebody who comes back is new.
    store(&desk, Step { people: vec![librarian("ben", &["maps"])], ..step("c") }).await;
    assert_eq!(desk.roster().get(&id("ben")).unwrap().version, 1);
}

async fn forgetting_a_person_takes_their_letters_and_links(desk: Store) {
    let to_ben = Letter { to: account("ben"), ..letter("to ben", 1, Some(1), None) };
    let by_ben = Letter { words_of: Some(id("ben")), ..letter("by ben", 1, Some(1), None) };
    let other = letter("other", 1, Some(1), None);
    let links = vec![(post("p"), link(1, "ben")), (post("q"), link(1, "ada"))];
    let letters = vec![to_ben, by_ben, other];
    store(&desk, Step { questions: vec![question(1, "ada")], letters, links, ..step("a") }).await;
    // The last word of the very step stays until it is said.
    let farewell =
        Letter { to: account("ben"), purpose: Purpose::Farewell, ..letter("farewell", 2, None, None) };
    store(&desk, Step { forget: vec![id("ben")], letters: vec![farewell], ..step("b") }).await;
    assert_eq!(ids(desk.letters_about(&code(1))), [first_id("other")]);
    assert_eq!(ids(desk.outbox(Network::Sandbox, at(9), 9)), [first_id("other"), first_id("farewell")]);
    assert_eq!(desk.link(&post("p")), Ok(None));
    assert!(desk.link(&post("q")).unwrap().is_some());
    store(&desk, Step { settled: vec![(first_id("farewell"), sent(3))], ..step("c") }).await;
    assert!(!export(&desk).contains("ben"));
}

async fn old_talk_expires_and_nothing_else(desk: Store) {
    let people = vec![
        Person::new(account("idle")),
        Person { recent_replies: vec![at(50)], ..Person::new(account("lately")) },
        Person { stopped: true, ..Person::new(account("stopped")) },
        librarian("ben", &["maps"]),
    ];
    let letters = vec![
        letter("said", 1, None, None),
        letter("waits", 1, None, None),
        letter("lately", 50, None, None),
        letter("about", 1, Some(1), None),
    ];
    let settled = ["said", "lately", "about"].map(|name| (first_id(name), sent(51))).to_vec();
    let links = vec![(post("sent"), Link { code: None, with: id("idle") })];
    store(&desk, Step { questions: vec![question(1, "ada")], people, letters, ..step("a") }).await;
    store(&desk, Step { settled, links, ..step("b") }).await;
    assert_eq!(desk.expire_talk(at(10), 1).await, Ok(1));
    assert_eq!(desk.expire_talk(at(10), 9).await, Ok(1));
    assert_eq!(desk.expire_talk(at(10), 9).await, Ok(0));
    assert_eq!(desk.letter(&first_id("said")), Ok(None));
    for name in ["waits", "lately", "about"] {
        assert!(desk.letter(&first_id(name)).unwrap().is_some(), "{name}");
    }
    assert_eq!(desk.person(&id("idle")), Ok(None));
    for name in ["lately", "stopped", "ben"] {
        assert!(desk.person(&id(name)).unwrap().is_some(), "{name}");
    }
    assert_eq!(desk.link(&post("sent")), Ok(None));
}

async fn questions_come_in_pages(desk: Store) {
    let mut expected: Vec<Code> = (0..25).map(|number| code(number * 1_000)).collect();
    let questions = (0..25).map(|number| question(number * 1_000, "ada")).collect();
    store(&desk, Step { questions, ..step("a") }).await;
    expected.sort();
    let mut found: Vec<Code> = Vec::new();
    loop {
        let page = desk.questions(found.last(), 4).unwrap();
        assert!(page.len() == 4 || page.len() == 1 || page.is_empty());
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|question| question.code));
    }
    assert_eq!(found, expected);
    assert_eq!(desk.questions(None, 0), Ok(Vec::new()));
}

async fn cursors_are_kept_by_network(desk: Store) {
    assert_eq!(desk.cursor(Network::Bluesky), Ok(None));
    desk.set_cursor(Network::Bluesky, "one".to_owned()).await.unwrap();
    desk.set_cursor(Network::Sandbox, "s".repeat(5_000)).await.unwrap();
    desk.set_cursor(Network::Bluesky, "two".to_owned()).await.unwrap();
    assert_eq!(desk.cursor(Network::Bluesky), Ok(Some("two".to_owned())));
    assert_eq!(desk.cursor(Network::Sandbox), Ok(Some("s".repeat(5_000))));
}

async fn old_inputs_are_forgotten(desk: Store) {
    for minute in 0..30 {
        store(&desk, Step { at: at(minute), ..step(&format!("{minute}")) }).await;
    }
    assert_eq!(desk.expire_seen(at(10), 4).await, Ok(4));
    assert_eq!(desk.expire_seen(at(10), 99).await, Ok(6));
    assert_eq!(desk.expire_seen(at(10), 99).await, Ok(0));
    for minute in 0..30 {
        assert_eq!(desk.has_seen(&input(&format!("{minute}"))), Ok(minute >= 10), "{minute}");
    }
}

async fn long_rows_are_kept_whole(desk: Store) {
    // Rows grow and shrink across the sizes at which a store may begin to treat them in another way.
    for (turn, size) in [10, 4_000, 4_090, 4_100, 9_000, 100_000, 8_000, 5, 20_000].into_iter().enumerate() {
        let mut next = desk.question(&code(1)).unwrap().unwrap_or(question(1, "ada"));
        next.text = Confidential::new("é".repeat(size));
        next.invitations = (0..size / 100).map(|number| invitation(&format!("librarian {number}"))).collect();
        let name = format!("{turn}");
        let mut long = letter(&name, 1, Some(1), None);
        long.content = Content::Post {
            text: next.text.clone(),
            mentions: Vec::new(),
            visibility: Visibility::Public,
            reply_to: None,
            language: None,
            warning: None,
        };
        let journal = vec![entry(&name, 1, &"x".repeat(size))];
        store(&desk, Step { questions: vec![next.clone()], letters: vec![long], journal, ..step(&name) })
            .await;
        let stored = desk.question(&code(1)).unwrap().unwrap();
        assert_eq!(stored, Question { version: next.version + 1, ..next });
        assert_eq!(desk.journal(&code(1)).unwrap()[turn].what.len(), size);
    }
    assert_eq!(desk.letters_about(&code(1)).unwrap().len(), 9);
    assert_eq!(desk.counts().unwrap().involved, 201);
    store(&desk, Step { erase: vec![code(1)], ..step("erase") }).await;
    assert_eq!(desk.counts(), Ok(Counts { seen: 10, ..Counts::default() }));
}

async fn rows_that_are_too_long_are_refused(desk: Store) {
    let mut next = question(1, "ada");
    next.text = Confidential::new("x".repeat(ROW_BYTES_MAX));
    let refused = desk.commit(Step { questions: vec![next], ..step("a") }).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { row: "a question", .. })), "{refused:?}");
    assert_eq!(desk.has_seen(&input("a")), Ok(false));
    let refused = desk.set_cursor(Network::Sandbox, "x".repeat(ROW_BYTES_MAX + 1)).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { row: "a cursor", .. })), "{refused:?}");
}

async fn an_archive_gives_the_same_store(desk: Store) {
    fill(&desk).await;
    let archive = export(&desk);
    let dir = tempfile::tempdir().unwrap();
    // From one store to the other and back again.
    let memory = imported(&archive, Store::memory()).await;
    let sled = imported(&export(&memory), Store::open_sled(&dir.path().join("desk")).unwrap()).await;
    let back = imported(&export(&sled), Store::memory()).await;
    for copy in [&memory, &sled, &back] {
        assert_eq!(export(copy), archive);
        assert_eq!(copy.counts(), desk.counts());
        assert_eq!(roster(copy), roster(&desk));
        assert_eq!(copy.due(at(99), 99), desk.due(at(99), 99));
        assert_eq!(copy.outbox(Network::Sandbox, at(99), 99), desk.outbox(Network::Sandbox, at(99), 99));
        assert_eq!(copy.undelivered(99), desk.undelivered(99));
        for number in 1..4 {
            assert_eq!(copy.journal(&code(number)), desk.journal(&code(number)));
            assert_eq!(copy.letters_about(&code(number)), desk.letters_about(&code(number)));
        }
    }
    // A copy is a desk that goes on.
    let mut next = full_step("next", 1);
    next.questions[0].version = 1;
    next.people[0].version = 2;
    next.erase = vec![code(2)];
    store(&sled, next.clone()).await;
    store(&desk, next).await;
    assert_eq!(export(&sled), export(&desk));
}

async fn an_archive_goes_into_an_empty_store_only(desk: Store) {
    store(&desk, step("a")).await;
    let archive = export(&Store::memory());
    let refused = archive::import(&desk, archive.as_bytes()).await;
    assert!(matches!(refused, Err(ArchiveError::NotEmpty)), "{refused:?}");
    assert_eq!(desk.has_seen(&input("a")), Ok(true));
}

async fn a_broken_archive_leaves_nothing(desk: Store) {
    let whole = {
        let memory = Store::memory();
        fill(&memory).await;
        export(&memory)
    };
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let last = lines.len();
    let without = |left_out: usize| -> String {
        let kept = lines.iter().enumerate().filter(|(at, _)| at + 1 != left_out);
        kept.map(|(_, line)| *line).collect()
    };
    let newer = r#"{"archive":"stumper","format":2,"version":"9"}"#;
    let rows = [
        ("nothing", String::new(), 1, LineFault::NotAnArchive),
        ("another file", "name,handle\n".to_owned(), 1, LineFault::NotAnArchive),
        ("a newer one", format!("{newer}\n"), 1, LineFault::NewerFormat { found: 2, known: 1 }),
        ("no closing line", without(last), last, LineFault::CutShort),
        ("half a line", whole[..whole.len() - 9].to_owned(), last, LineFault::CutShort),
        ("a row is missing", without(3), last - 1, LineFault::WrongCount),
        ("a letter is changed", whole.replacen("moonwort", "sunworts", 1), last, LineFault::WrongChecksum),
        (
            "a strange row",
            format!("{}{{\"row\":\"stone\"}}\n", lines[0]),
            2,
            LineFault::NotARow { column: 14 },
        ),
        ("more behind the end", format!("{whole}{{}}\n"), last + 1, LineFault::AfterEnd),
        ("an endless line", "x".repeat(3 * ROW_BYTES_MAX), 1, LineFault::TooLong),
    ];
    for (name, archive, line, fault) in rows {
        match archive::import(&desk, archive.as_bytes()).await {
            Err(ArchiveError::Line { line: found, fault: why }) => {
                assert_eq!((found, why), (line as u64, fault), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(desk.counts(), Ok(Counts::default()), "{name}");
        assert_eq!(desk.roster().iter().count(), 0, "{name}");
    }
    archive::import(&desk, whole.as_bytes()).await.unwrap();
    assert_eq!(export(&desk), whole);
}

async fn a_closed_store_says_so(desk: Store) {
    store(&desk, full_step("a", 1)).await;
    desk.close().await.unwrap();
    desk.close().await.unwrap();
    assert_eq!(desk.commit(step("b")).await, Err(StoreError::Closed));
    assert_eq!(desk.deliver(&first_id("a"), &waiting(0, 0), sent(1)).await, Err(StoreError::Closed));
    assert_eq!(desk.set_cursor(Network::Sandbox, String::new()).await, Err(StoreError::Closed));
    assert_eq!(desk.has_seen(&input("a")), Err(StoreError::Closed));
    assert_eq!(desk.question(&code(1)), Err(StoreError::Closed));
    assert_eq!(desk.due(Timestamp::MAX, 1), Err(StoreError::Closed));
}

/// A step with something of everything about one question.
fn full_step(name: &str, number: usize) -> Step {
    let mut asked = with_timers(question(number, "ada"), &[(Reason::AskNext, 10), (Reason::GiveUp, 20)]);
    asked.invitations = vec![invitation("ben")];
    Step {
        questions: vec![asked],
        people: vec![Person::new(account("ada"))],
        letters: vec![letter(name, 1, Some(number), None)],
        links: vec![(post(&format!("post {name}")), link(number, "ada"))],
        journal: vec![entry(name, number, "asked"), entry(name, number, "invited one librarian")],
        ..step(name)
    }
}

/// Fills a store with something of everything in every state.
async fn fill(desk: &Store) {
    store(desk, full_step("a", 1)).await;
    let mut second = full_step("b", 2);
    second.people = vec![librarian("ben", &["maps"]), Person { version: 1, ..Person::new(account("ada")) }];
    second.letters.push(deletion("deletion", 4, Some(1)));
    second.letters.push(letter("claimed", 4, Some(2), None));
    second.letters.push(letter("unsure", 4, None, Some(ReplyTo::Post(place("p")))));
    second.letters.push(letter("refused", 4, Some(1), Some(ReplyTo::Letter(first_id("a")))));
    store(desk, second).await;
    let settled = vec![
        (first_id("a"), sent(5)),
        (first_id("deletion"), sent(5)),
        (first_id("claimed"), claimed(5)),
        (first_id("unsure"), unsure(6)),
        (first_id("refused"), refused(7)),
    ];
    let journal = vec![entry("c", 2, "later"), entry("c", 1, "later")];
    store(desk, Step { settled, journal, at: at(-5), ..step("c") }).await;
    store(desk, Step { erase: vec![code(3)], ..full_step("d", 4) }.without_people()).await;
    desk.set_cursor(Network::Sandbox, "17".to_owned()).await.unwrap();
    desk.set_cursor(Network::Bluesky, "2026".to_owned()).await.unwrap();
}

trait WithoutPeople {
    fn without_people(self) -> Self;
}

impl WithoutPeople for Step {
    fn without_people(mut self) -> Step {
        self.people.clear();
        self
    }
}

fn first_id(name: &str) -> LetterId {
    LetterId::derive(&input(name), 0)
}

fn ids(letters: Result<Vec<(Letter, Delivery)>, StoreError>) -> Vec<LetterId> {
    letters.unwrap().into_iter().map(|(letter, _)| letter.id).collect()
}
