//! New rules for a desk that runs: read again when somebody asks, or when a file has changed.
//!
//! **Invariant:** questions are decided by the rules in use until new ones are complete, and rules with
//! an error never come into use.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{error, info};

use crate::engine::Engine;
use crate::engine::run::Stop;
use crate::subjects::Subjects;

/// How often it is looked whether a file has changed. What has changed must look the same twice before
/// it is read, so that a file is not read while an editor writes it.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How many files and folders are looked at; changes of others are read when somebody asks.
const ENTRIES_MAX: usize = 5_000;

/// How deep folders in folders are looked at.
const DEPTH_MAX: usize = 4;

/// How many faults of refused rules are logged.
const FAULTS_LOGGED_MAX: usize = 20;

/// Where the rules are, and how they are read.
pub struct RulesFolder {
    folder: PathBuf,
    /// What the folder looked like before the rules in use were read from it.
    seen: Looks,
    read: Box<ReadRules>,
}

/// Reads and compiles the rules. Where they cannot be used it answers with every error, each as a line
/// that says the place and what is wrong.
pub type ReadRules = dyn Fn(&Path) -> Result<Subjects, Vec<String>> + Send + Sync;

/// Every file of a folder and its folders: when it was changed last, and its length.
type Looks = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

impl RulesFolder {
    /// To be made before the rules that are to be in use first are read, so that no change is missed.
    pub fn new(
        folder: PathBuf,
        read: impl Fn(&Path) -> Result<Subjects, Vec<String>> + Send + Sync + 'static,
    ) -> RulesFolder {
        RulesFolder { seen: look(&folder), folder, read: Box::new(read) }
    }
}

impl fmt::Debug for RulesFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} files)", self.folder.display(), self.seen.len())
    }
}

/// Watches the folder until the desk stops.
pub(super) async fn watch(engine: Arc<Engine>, rules: Arc<RulesFolder>, mut stop: Stop) {
    let mut in_use = rules.seen.clone();
    let mut before = in_use.clone();
    loop {
        let woken = async {
            tokio::select! {
                () = engine.reread.notified() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            }
        };
        let Some(is_asked) = stop.or(woken).await else { return };
        let now = blocking(&rules, |rules| look(&rules.folder)).await.unwrap_or_default();
        let is_settled = now == before;
        before = now.clone();
        if is_asked || (is_settled && now != in_use) {
            // Not interrupted by a stop: it takes less time than a stop has.
            reread(&engine, &rules).await;
            in_use = now;
        }
    }
}

/// Reads the rules anew and uses them, or says in the log why not.
async fn reread(engine: &Engine, rules: &Arc<RulesFolder>) {
    match blocking(rules, |rules| (rules.read)(&rules.folder)).await {
        None => error!("Reading the rules anew failed; the old ones stay in use. Please report this"),
        Some(Ok(subjects)) => {
            let count = subjects.iter().count();
            engine.replace_subjects(subjects);
            info!(subjects = count, "The rules were read anew: {count} subjects");
        }
        Some(Err(faults)) => {
            let count = faults.len();
            for fault in faults.iter().take(FAULTS_LOGGED_MAX) {
                error!("{fault}");
            }
            error!(
                faults = count,
                "The new rules have {count} faults, so the old ones stay in use; see `stumper check`"
            );
        }
    }
}

/// Does what takes long beside the desk's work. `None` where it panicked.
async fn blocking<T: Send + 'static>(
    rules: &Arc<RulesFolder>,
    work: impl FnOnce(&RulesFolder) -> T + Send + 'static,
) -> Option<T> {
    let rules = rules.clone();
    tokio::task::spawn_blocking(move || work(&rules)).await.ok()
}

/// What the folder looks like. What cannot be read is not there.
fn look(folder: &Path) -> Looks {
    let mut looks = Looks::new();
    let mut entries_left = ENTRIES_MAX;
    look_into(folder, DEPTH_MAX, &mut entries_left, &mut looks);
    looks
}

fn look_into(folder: &Path, depth: usize, entries_left: &mut usize, looks: &mut Looks) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(left) = entries_left.checked_sub(1) else { return };
        *entries_left = left;
        let path = entry.path();
        // Editors keep their copies in hidden files.
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // Follows links: rules may be linked from elsewhere.
        let Some(about) = std::fs::metadata(&path).ok().filter(|_| !is_hidden) else { continue };
        if about.is_dir() {
            if depth > 1 {
                look_into(&path, depth - 1, entries_left, looks);
            }
        } else {
            looks.insert(path, (about.modified().ok(), about.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::rules_dir;
    use crate::desk::Settings;
    use crate::engine::start;
    use crate::store::Store;

    fn rule(id: &str, term: &str) -> String {
        format!("id = \"{id}\"\nname = \"{id}\"\nstrong = [\"{term}\"]\n")
    }

    fn read(folder: &Path) -> Result<Subjects, Vec<String>> {
        let files = rules_dir::read(folder).map_err(|error| vec![error.to_string()])?;
        let (subjects, faults) = Subjects::compile(&files);
        if faults.is_empty() { Ok(subjects) } else { Err(vec!["a fault".to_owned()]) }
    }

    #[test]
    fn a_look_sees_every_change_and_no_hidden_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("learned/deep")).unwrap();
        fs::write(path("law.toml"), "a").unwrap();
        let mut last = look(dir.path());
        let mut changes = |name: &str, change: &dyn Fn(), expected: bool| {
            change();
            let now = look(dir.path());
            assert_eq!(now != last, expected, "{name}");
            last = now;
        };
        changes("nothing", &|| {}, false);
        changes("longer", &|| fs::write(path("law.toml"), "ab").unwrap(), true);
        let another_time = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let touch = || {
            fs::File::options()
                .write(true)
                .open(path("law.toml"))
                .unwrap()
                .set_modified(another_time)
                .unwrap()
        };
        changes("touched", &touch, true);
        changes("below", &|| fs::write(path("learned/law.tsv"), "x").unwrap(), true);
        changes("deeper", &|| fs::write(path("learned/deep/law.tsv"), "x").unwrap(), true);
        changes("hidden", &|| fs::write(path(".law.toml.swp"), "x").unwrap(), false);
        changes("renamed", &|| fs::rename(path("law.toml"), path("patents.toml")).unwrap(), true);
        changes("gone", &|| fs::remove_dir_all(dir.path()).unwrap(), true);
        changes("still gone", &|| {}, false);
    }

    /// Time is the test's here: it passes only while nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn changed_rules_come_into_use_and_broken_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("law.toml"), rule("law", "patent")).unwrap();
        let rules = RulesFolder::new(dir.path().to_owned(), read);
        let subjects = read(dir.path()).unwrap();
        let engine = Arc::new(Engine::new(Store::memory(), subjects, Settings::default()));
        let data = tempfile::tempdir().unwrap();
        let mut running = start(&engine, Vec::new(), data.path().to_owned());
        running.watch_rules(&engine, rules);
        let names = || engine.subjects().iter().map(|subject| subject.id.to_string()).collect::<Vec<_>>();
        let looks = async |count: u32| tokio::time::sleep(LOOK_EVERY * count + LOOK_EVERY / 2).await;

        fs::write(dir.path().join("music.toml"), rule("music", "mozart")).unwrap();
        assert_eq!(names(), ["law"]);
        looks(3).await;
        assert_eq!(names(), ["law", "music"]);

        // A question that is being decided keeps the rules it began with.
        let held = engine.subjects();
        fs::write(dir.path().join("art.toml"), format!("{}weak = 5\n", rule("art", "fresco"))).unwrap();
        looks(3).await;
        assert_eq!(names(), ["law", "music"], "broken rules are refused");
        engine.reread_rules();
        looks(1).await;
        assert_eq!(names(), ["law", "music"], "even when somebody asks for them");

        fs::remove_file(dir.path().join("art.toml")).unwrap();
        fs::remove_file(dir.path().join("music.toml")).unwrap();
        engine.reread_rules();
        looks(1).await;
        assert_eq!(names(), ["law"]);
        assert_eq!(held.iter().count(), 2);
        fs::remove_dir_all(dir.path()).unwrap();
        looks(3).await;
        assert_eq!(names(), ["law"], "a folder that is gone takes no rules away");
        running.stop().await;
    }
}
