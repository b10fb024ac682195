//! What is special about a store on disk: it is there again, and says clearly why it does not open.

use std::fs;
use std::path::Path;

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
