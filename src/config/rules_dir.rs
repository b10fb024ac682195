//! Reads the directory of rule files.
//!
//! **Invariant:** nothing is judged here. A file is read as bytes, and no further than it takes to
//! see that it is too large.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::subjects::{
    LEARNED_ENDING, LEARNED_FILE_BYTES_MAX, LEARNED_FOLDER, RULE_FILE_BYTES_MAX, RuleFile, SCREENING_FOLDER,
};

/// How many rule files a directory may hold.
pub const RULE_FILES_MAX: usize = 1_000;

/// The ending of rule files that people write.
const ENDING: &str = "toml";

/// Reads every `*.toml` file in `dir` and, where there are such folders, the rules that tell questions
/// from other posts, and what was learned; sorted by name. Hidden files and what lies in other
/// directories below are left out.
///
/// # Errors
///
/// Where the directory or one of its rule files cannot be read, or holds too many; the message
/// names the path.
pub fn read(dir: &Path) -> io::Result<Vec<RuleFile>> {
    let mut files = Vec::new();
    read_folder(dir, ENDING, RULE_FILE_BYTES_MAX, &mut files)?;
    let folders = [
        (SCREENING_FOLDER, ENDING, RULE_FILE_BYTES_MAX),
        (LEARNED_FOLDER, LEARNED_ENDING, LEARNED_FILE_BYTES_MAX),
    ];
    for (folder, ending, bytes_max) in folders {
        let folder = dir.join(folder);
        if folder.is_dir() {
            read_folder(&folder, ending, bytes_max, &mut files)?;
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Whether there is any file that [`read`] would read. Nothing is read yet.
pub fn has_any(dir: &Path) -> bool {
    let learned = dir.join(LEARNED_FOLDER);
    [(dir, ENDING), (&dir.join(SCREENING_FOLDER), ENDING), (&learned, LEARNED_ENDING)].into_iter().any(
        |(folder, ending)| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| is_rules(&entry.path(), ending))
        },
    )
}

fn is_rules(path: &Path, ending: &str) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !is_hidden && path.extension().is_some_and(|its| its == ending) && !path.is_dir()
}

fn read_folder(dir: &Path, ending: &str, bytes_max: usize, files: &mut Vec<RuleFile>) -> io::Result<()> {
    for entry in fs::read_dir(dir).map_err(|error| named(error, dir))? {
        let path = entry.map_err(|error| named(error, dir))?.path();
        if !is_rules(&path, ending) {
            continue;
        }
        if files.len() >= RULE_FILES_MAX {
            let what = format!("{}: more than {RULE_FILES_MAX} rule files", dir.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let text = read_file(&path, bytes_max).map_err(|error| named(error, &path))?;
        files.push(RuleFile { name: path.display().to_string(), text });
    }
    Ok(())
}

fn read_file(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let bytes = file.metadata().map_or(0, |about| about.len());
    // One byte more than there is, to see the end without growing.
    let mut text = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default().min(bytes_max) + 1);
    file.take(bytes_max as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn named(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rule_files_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".hidden.toml"), "").unwrap();
        assert!(!has_any(dir.path()));
        fs::create_dir(dir.path().join("learned")).unwrap();
        fs::write(dir.path().join("learned/words.tsv"), "").unwrap();
        assert!(has_any(dir.path()));
        fs::write(dir.path().join("music.toml"), "id").unwrap();
        fs::write(dir.path().join("art.toml"), vec![b'#'; RULE_FILE_BYTES_MAX * 10]).unwrap();
        fs::write(dir.path().join("art.toml~"), "").unwrap();
        fs::create_dir(dir.path().join("old.toml")).unwrap();
        for folder in ["screening", "drafts"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("spam.toml"), "id = 1").unwrap();
        }
        let files = read(dir.path()).unwrap();
        let name = |file: &RuleFile| file.name.replace(dir.path().to_str().unwrap(), "");
        let found: Vec<(String, usize)> = files.iter().map(|file| (name(file), file.text.len())).collect();
        let expected = [
            ("/art.toml", RULE_FILE_BYTES_MAX + 1),
            ("/learned/words.tsv", 0),
            ("/music.toml", 2),
            ("/screening/spam.toml", 6),
        ];
        assert_eq!(found, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = read(Path::new("no/such/rules")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("no/such/rules: "), "{error}");
        assert!(!has_any(Path::new("no/such/rules")));
    }
}
