//! What is special about a store on disk: it is there again, and says clearly why it does not open.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use stumper::desk::*;
use stumper::store::{OpenError, Store};

use crate::world::*;

#[tokio::test]
async fn what_was_stored_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new").join("desk");
    let mut before = String::new();
    for round in 0..5 {
        let desk = Store::open_sled(&dir).unwrap();
        assert_eq!(export(&desk), if round == 0 { export(&Store::memory()) } else { before });
        let name = format!("round {round}");
        let people = vec![librarian(&name, &["maps"])];
        let questions = vec![question(round, "ada")];
        let letters = vec![letter(&name, 1, Some(round), None)];
        store(&desk, Step { people, questions, letters, ..step(&name) }).await;
        assert_eq!(desk.roster().iter().count(), round + 1);
        before = export(&desk);
        // Once closed, once only dropped.
        if round % 2 == 0 {
            desk.close().await.unwrap();
        }
    }
}

#[test]
fn a_question_from_before_corrections_can_still_be_read() {
    let whole = serde_json::to_value(question(1, "ada")).unwrap();
    let mut earlier = whole.clone();
    for field in ["correction", "learnable"] {
        assert!(earlier.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    let read: Question = serde_json::from_value(earlier).unwrap();
    assert_eq!(read, Question { correction: None, learnable: false, ..question(1, "ada") });
}

/// The rows of an archive where format 1 kept them.
fn write_format_1(dir: &Path, archive: &str) {
    let old = sled::open(dir).unwrap();
    let desk = old.open_tree("desk").unwrap();
    let put = |key: Vec<u8>, row: &serde_json::Value| {
        desk.insert(key, serde_json::to_vec(&serde_json::json!({"v": 1, "row": row})).unwrap()).unwrap();
    };
    let digest = |name: String| Sha256::digest(name)[..16].to_vec();
    let of_account = |id: &serde_json::Value| {
        format!("{}:{}", id["network"].as_str().unwrap(), id["id"].as_str().unwrap())
    };
    put(b"!format".to_vec(), &1.into());
    for (number, line) in archive.lines().enumerate() {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields = row.as_object_mut().unwrap();
        let kind = fields.remove("row").unwrap_or_default();
        match kind.as_str().unwrap_or_default() {
            "question" => {
                let code = row["question"]["code"].as_str().unwrap().as_bytes().to_vec();
                put([b"q".to_vec(), code].concat(), &row["question"]);
            }
            "person" => {
                let name = of_account(&row["person"]["account"]["id"]);
                put([b"p".to_vec(), digest(name)].concat(), &row["person"]);
            }
            "letter" => {
                let id = row["letter"]["id"].as_str().unwrap();
                let name: Vec<u8> =
                    (0..16).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
                let delivery = fields_of(&mut row, "delivery");
                put([b"d".to_vec(), name.clone()].concat(), &delivery);
                put([b"l".to_vec(), name].concat(), &row);
            }
            "link" => put([b"k".to_vec(), digest(of_account(&row["post"]))].concat(), &row),
            "entry" => {
                let code = row["entry"]["code"].as_str().unwrap().as_bytes().to_vec();
                let history = serde_json::json!({"entries": [row["entry"]], "letters": [], "links": []});
                let number = u32::try_from(number).unwrap().to_be_bytes().to_vec();
                put([b"h".to_vec(), code, vec![0], number].concat(), &history);
            }
            "seen" => {
                let name = row["input"].as_str().unwrap().to_owned();
                put([b"s".to_vec(), digest(name)].concat(), &row);
            }
            "cursor" => {
                let network = row["network"].as_str().unwrap().as_bytes()[0];
                put(vec![b'c', network], &row);
            }
            _ => {}
        }
    }
    old.flush().unwrap();
}

fn fields_of(row: &mut serde_json::Value, name: &str) -> serde_json::Value {
    row.as_object_mut().unwrap().remove(name).unwrap()
}

#[tokio::test]
async fn a_database_of_format_1_is_moved() {
    let memory = Store::memory();
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut asked = question(number, "ada");
        asked.text = Confidential::new("x".repeat(3_000));
        let next = Step {
            questions: vec![asked],
            people: vec![librarian(&format!("ben {name}"), &["maps"])],
            letters: vec![letter(name, 1, Some(number), None), letter(&format!("{name}!"), 2, None, None)],
            links: vec![(post(name), link(number, "ada"))],
            journal: vec![entry(name, number, "asked"), entry(name, number, "invited")],
            ..Step::nothing(InputId::of_post(&post(name)), at(1), step(name).outcome)
        };
        store(&memory, next).await;
    }
    let settled =
        vec![(LetterId::derive(&input("a"), 0), sent(3)), (LetterId::derive(&input("b!"), 0), refused(4))];
    store(&memory, Step { settled, ..step("d") }).await;
    memory.set_cursor(Network::Bluesky, "17".to_owned()).await.unwrap();
    let archive = export(&memory);

    let dir = tempfile::tempdir().unwrap();
    write_format_1(dir.path(), &archive);
    let desk = Store::open_sled(dir.path()).unwrap();
    assert_eq!(export(&desk), archive);
    assert_eq!(desk.counts(), memory.counts());
    assert_eq!(roster(&desk), roster(&memory));
    assert_eq!(desk.outbox(Network::Sandbox, at(9), 9), memory.outbox(Network::Sandbox, at(9), 9));
    for name in ["a", "a!", "c!"] {
        let id = LetterId::derive(&input(name), 0);
        assert_eq!(desk.letter(&id), memory.letter(&id), "{name}");
    }
    // It goes on, and what it is told to erase is gone, also from where it was.
    let erase = (0..3).map(code).collect();
    store(&desk, Step { erase, forget: vec![id("ada"), id("reader")], ..step("erase") }).await;
    assert_eq!(desk.counts().unwrap().letters, 0);
    assert!(!export(&desk).contains("moonwort"));
    desk.close().await.unwrap();
    drop(desk);
    let again = Store::open_sled(dir.path()).unwrap();
    assert_eq!(again.counts().unwrap().questions, 0);
    drop(again);
    // What is left in the old place tells earlier versions that they cannot read it.
    let old = sled::open(dir.path()).unwrap();
    let left: Vec<_> = old.open_tree("desk").unwrap().iter().map(|row| row.unwrap()).collect();
    assert_eq!(left, [(b"!format"[..].into(), br#"{"v":1,"row":2}"#[..].into())]);
}

#[tokio::test]
async fn a_move_that_was_broken_off_begins_again() {
    let memory = Store::memory();
    store(&memory, Step { questions: vec![question(1, "ada")], ..step("a") }).await;
    let archive = export(&memory);
    let dir = tempfile::tempdir().unwrap();
    write_format_1(dir.path(), &archive);
    let half = sled::open(dir.path()).unwrap();
    half.open_tree("desk-2").unwrap().insert("q half of a move", "half").unwrap();
    half.flush().unwrap();
    drop(half);
    assert_eq!(export(&Store::open_sled(dir.path()).unwrap()), archive);
}

#[tokio::test]
async fn what_was_begun_before_closing_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Store::open_sled(dir.path()).unwrap();
    let steps = (0..200).map(|number| {
        let desk = desk.clone();
        let next = Step { questions: vec![question(number, "ada")], ..step(&format!("{number}")) };
        tokio::spawn(async move { desk.commit(next).await })
    });
    let steps: Vec<_> = steps.collect();
    tokio::task::yield_now().await;
    desk.close().await.unwrap();
    let mut stored = 0;
    for step in steps {
        stored += usize::from(step.await.unwrap().is_ok());
    }
    let again = Store::open_sled(dir.path()).unwrap();
    assert_eq!(again.counts().unwrap().questions, stored);
}

#[test]
fn a_database_that_is_in_use_is_not_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let _desk = Store::open_sled(dir.path()).unwrap();
    assert_eq!(refusal(dir.path()), OpenError::Locked { dir: dir.path().to_owned() });
}

#[test]
fn a_directory_with_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "chapter one").unwrap();
    let not_ours = |dir: &Path| OpenError::NotADatabase { dir: dir.to_owned() };
    assert_eq!(refusal(dir.path()), not_ours(dir.path()));
    assert_eq!(names(dir.path()), ["thesis.txt"]);
    let file = dir.path().join("thesis.txt");
    assert_eq!(refusal(&file), not_ours(&file));
}

#[test]
fn another_programs_sled_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let theirs = sled::open(dir.path()).unwrap();
    theirs.insert("their key", "their value").unwrap();
    theirs.flush().unwrap();
    drop(theirs);
    assert_eq!(refusal(dir.path()), OpenError::NotADatabase { dir: dir.path().to_owned() });
    let theirs = sled::open(dir.path()).unwrap();
    assert_eq!(theirs.get("their key").unwrap().unwrap(), "their value");
    assert_eq!(theirs.tree_names().len(), 1);
}

#[tokio::test]
async fn a_half_written_snapshot_is_named_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("desk");
    let desk = Store::open_sled(&place).unwrap();
    store(&desk, Step { questions: vec![question(1, "ada")], ..step("a") }).await;
    let before = export(&desk);
    desk.close().await.unwrap();
    let half = place.join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(&half, "half of it").unwrap();
    let error = refusal(&place);
    assert_eq!(error, OpenError::HalfSnapshot { file: half.clone() });
    assert!(error.hint().contains("move this one file"));
    // Nothing was touched, and no copy was left behind.
    assert_eq!(fs::read(&half).unwrap(), b"half of it");
    assert_eq!(names(dir.path()), ["desk"]);
    // What the hint says helps.
    fs::rename(&half, dir.path().join("moved")).unwrap();
    assert_eq!(export(&Store::open_sled(&place).unwrap()), before);
}

#[tokio::test]
async fn a_damaged_database_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("desk");
    let desk = Store::open_sled(&place).unwrap();
    store(&desk, Step { questions: vec![question(1, "ada")], ..step("a") }).await;
    desk.close().await.unwrap();
    drop(Store::open_sled(&place).unwrap());
    let snapshot = names(&place).into_iter().find(|name| name.starts_with("snap.")).unwrap();
    fs::write(place.join(&snapshot), "not a snapshot at all").unwrap();
    let error = refusal(&place);
    assert!(matches!(&error, OpenError::Damaged { dir, .. } if *dir == place), "{error:?}");
    assert_eq!(fs::read(place.join(snapshot)).unwrap(), b"not a snapshot at all");
    assert_eq!(names(dir.path()), ["desk"]);
}

#[tokio::test]
async fn no_row_goes_into_a_file_that_sled_does_not_sync() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Store::open_sled(dir.path()).unwrap();
    // Many neighbouring rows, each as long as a row can be, that come and go.
    for round in 0..6 {
        let numbers = (0..30).map(|number| number * 7 + round);
        let questions = numbers.clone().map(|number| {
            let stored = desk.question(&code(number)).unwrap();
            let mut next = stored.unwrap_or(question(number, "ada"));
            next.text = Confidential::new("x".repeat(3_000 + 500 * (number % 9)));
            next
        });
        let erase = numbers.filter(|number| number % 3 == 0).map(|number| code(number + 1)).collect();
        store(&desk, Step { questions: questions.collect(), erase, ..step(&format!("{round}")) }).await;
        assert_eq!(names(&dir.path().join("blobs")), Vec::<String>::new());
    }
}

fn refusal(dir: &Path) -> OpenError {
    Store::open_sled(dir).expect_err("this must not open")
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}
