//! The arrows between modules, and what may never stand in the core: read from the source itself.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use; everything not named is forbidden. See `src/architecture.md`.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("fault", vec![]),
        ("subjects", vec!["fault"]),
        ("desk", vec!["subjects"]),
        ("clock", vec![]),
        ("store", vec!["desk", "subjects"]),
        ("networks", vec!["desk", "clock"]),
        ("web", vec!["networks", "desk", "clock"]),
        ("config", vec!["desk", "subjects", "fault", "networks"]),
        ("engine", vec!["networks", "store", "web", "desk", "subjects", "clock", "config"]),
        ("simulate", vec!["desk", "subjects", "fault"]),
        (
            "cli",
            vec![
                "simulate", "engine", "networks", "store", "web", "desk", "subjects", "fault", "config",
                "clock",
            ],
        ),
    ])
}

/// Words that would be I/O, time or chance in a module that only thinks.
const IMPURE: [&str; 12] = [
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "tokio",
    "async fn",
    "fastrand",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with the top module it belongs to, and its text without its unit tests.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let below = path.strip_prefix(&root).unwrap().components().next().unwrap();
            let module = below.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            (module, path, code)
        })
        .filter(|(module, ..)| module != "lib" && module != "main")
        .collect()
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn arrows_point_one_way() {
    let allowed = allowed();
    for (module, path, text) in modules() {
        let may = allowed
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{module} has no place in the architecture"));
        for line in code_lines(&text) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_module = allowed.contains_key(used.as_str());
                let is_fine = !is_module || used == module || may.contains(&used.as_str());
                assert!(is_fine, "{} may not use `{used}`: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_core_only_thinks() {
    for (module, path, text) in
        modules().into_iter().filter(|(module, ..)| ["desk", "subjects"].contains(&module.as_str()))
    {
        for line in code_lines(&text) {
            let found = IMPURE.iter().find(|word| line.contains(*word));
            assert!(found.is_none(), "{} ({module}): {found:?} in {line}", path.display());
        }
    }
}

#[test]
fn only_its_own_file_knows_sled() {
    for (_, path, text) in modules() {
        let is_home = path.to_string_lossy().contains("store/sled");
        let knows = code_lines(&text).any(|line| line.contains("sled::") && !line.contains("mod sled"));
        assert!(is_home || !knows || path.ends_with("store.rs"), "{} knows sled", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for_and_what_never_happens_in_it() {
    for (_, path, _) in modules() {
        let text = fs::read_to_string(&path).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(head.contains("**Invariant:**"), "{} has no invariant at its top", path.display());
    }
}
