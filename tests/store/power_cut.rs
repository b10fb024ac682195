//! Power cuts, simulated: a database on a file system of its own in a file. A writer is killed, and
//! the file is copied at once, so that the copy holds just what had reached the device by then. The
//! copy is mounted and opened, and everything that was acknowledged has to be there.
//!
//! It does not simulate a disk whose own cache is lost. It needs root, loop devices and `mkfs.ext4`;
//! elsewhere it says so, and fails only if `STUMPER_POWER_CUTS=required` is set.
//!
//! **Invariant:** whatever is mounted is unmounted again, also by a test that fails.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use stumper::desk::Step;
use stumper::store::Store;

use crate::world::{code, entry, letter, link, post, question, step};

const CUTS: usize = 20;

/// How large the file system is.
const IMAGE_MIB: u32 = 96;

/// Where the writer finds its database.
const DIR_VARIABLE: &str = "STUMPER_POWER_CUT_DIR";

/// A file system in a file, mounted.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: &Path) -> Option<Mounted> {
        std::fs::create_dir_all(at).unwrap();
        let options = ["-o", "loop"].map(str::to_owned);
        let paths = [image, at].map(|path| path.display().to_string());
        run("mount", &[options, paths].concat()).then(|| Mounted(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.0.display().to_string()]);
    }
}

fn run(program: &str, arguments: &[String]) -> bool {
    let quiet = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// An empty file system, mounted, or `None` where that is not possible.
fn file_system(folder: &Path) -> Option<(PathBuf, Mounted)> {
    let image = folder.join("image");
    let file = std::fs::File::create(&image).unwrap();
    file.set_len(u64::from(IMAGE_MIB) << 20).unwrap();
    let made = run("mkfs.ext4", &["-q".to_owned(), "-F".to_owned(), image.display().to_string()]);
    let mounted = made.then(|| Mounted::new(&image, &folder.join("disk"))).flatten()?;
    Some((image, mounted))
}

#[tokio::test]
async fn what_was_acknowledged_survives_twenty_power_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, disk)) = file_system(folder.path()) else {
        let required = std::env::var("STUMPER_POWER_CUTS").is_ok_and(|value| value == "required");
        assert!(!required, "power cuts need root, loop devices and mkfs.ext4");
        println!("skipped: power cuts need root, loop devices and mkfs.ext4");
        return;
    };
    let mut acknowledged: BTreeSet<usize> = BTreeSet::new();
    for cut in 0..CUTS {
        let first = acknowledged.last().map_or(0, |last| last + 1_000);
        acknowledged.extend(write_until_killed(&disk.0.join("desk"), first, cut));
        let copy = folder.path().join("copy");
        std::fs::copy(&image, &copy).unwrap();
        let after = Mounted::new(&copy, &folder.path().join("after")).unwrap();
        let store =
            Store::open_sled(&after.0.join("desk")).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        let lost: Vec<usize> = acknowledged
            .iter()
            .copied()
            .filter(|number| store.question(&code(*number)).unwrap().is_none())
            .collect();
        assert!(
            lost.is_empty(),
            "cut {cut}: {} of {} acknowledged steps are lost",
            lost.len(),
            acknowledged.len()
        );
        // None is torn either: with each question came its letter, its link and its history.
        for number in &acknowledged {
            assert_eq!(store.letters_about(&code(*number)).unwrap().len(), 1, "cut {cut}");
            assert_eq!(store.journal(&code(*number)).unwrap().len(), 1, "cut {cut}");
            assert!(store.link(&post(&format!("post {number}"))).unwrap().is_some(), "cut {cut}");
        }
        store.close().await.unwrap();
    }
    assert!(acknowledged.len() > CUTS * 10, "only {} steps were acknowledged", acknowledged.len());
}

/// Runs the writer for a moment and answers the numbers of the steps that it said were stored.
fn write_until_killed(dir: &Path, first: usize, cut: usize) -> Vec<usize> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power_cut::the_writer", "--nocapture"])
        .env(DIR_VARIABLE, dir)
        .env("STUMPER_POWER_CUT_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.filter_map(|line| line.strip_prefix("stored ")?.parse().ok()).collect::<Vec<usize>>()
    });
    // The power fails at another moment of the work each time: that is the point of waiting.
    std::thread::sleep(Duration::from_millis(150 + 37 * u64::try_from(cut).unwrap() % 290));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// The process that is killed: it stores one step after another, many at a time, and says which are
/// durable. As a test of its own it does nothing.
#[tokio::test]
async fn the_writer() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else { return };
    let first: usize = std::env::var("STUMPER_POWER_CUT_FIRST").unwrap().parse().unwrap();
    let store = Store::open_sled(Path::new(&dir)).unwrap();
    let mut number = first;
    loop {
        let group: Vec<usize> = (number..number + 8).collect();
        let commits = group.iter().map(|number| store.commit(full(*number)));
        for (number, committed) in group.iter().zip(futures_util::future::join_all(commits).await) {
            committed.unwrap();
            println!("stored {number}");
        }
        number += group.len();
    }
}

fn full(number: usize) -> Step {
    let name = format!("number {number}");
    Step {
        questions: vec![question(number, "ada")],
        letters: vec![letter(&name, 1, Some(number), None)],
        links: vec![(post(&format!("post {number}")), link(number, "ada"))],
        journal: vec![entry(&name, number, "asked")],
        ..step(&name)
    }
}
