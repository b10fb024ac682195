//! How often the language of a text is told rightly, over texts whose language is known.
//!
//! The texts are not part of the project. They are looked for in `../shared/data`, or in the folder
//! that `SHARED_DATA` names; without them this test says so and is skipped.
//!
//! **Invariant:** what is asked for here is a little less than what was reached when it was written, so
//! that only a real step back fails.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stumper::subjects::{RuleFile, Subjects};

/// Texts of a language, and how many of them were told rightly and wrongly; the rest were not told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    texts: usize,
    right: usize,
    wrong: usize,
}

impl Told {
    fn share(count: usize, of: usize) -> f64 {
        count as f64 / of as f64
    }
}

/// Tells the language of every row, and counts by the language that it is in.
fn tell(rows: &str, label: impl Fn(&str) -> String) -> BTreeMap<String, Told> {
    let rule = RuleFile { name: "x.toml".to_owned(), text: b"id = 'x'\nname = 'X'\nstrong = ['x']".to_vec() };
    let (subjects, _) = Subjects::compile(&[rule]);
    let mut reader = subjects.reader();
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for row in rows.lines() {
        let (language, text) = row.split_once('\t').unwrap();
        let language = label(language);
        let found = reader.classify(text.split('\t').next().unwrap(), None).language;
        let counts = told.entry(language.clone()).or_default();
        counts.texts += 1;
        counts.right += usize::from(found.as_ref() == Some(&language));
        counts.wrong += usize::from(found.is_some_and(|found| found != language));
    }
    told
}

#[track_caller]
fn check(told: &BTreeMap<String, Told>, languages: &[&str], right_min: f64, wrong_max: f64) {
    let mut sum = Told::default();
    for (_, counts) in
        told.iter().filter(|(code, _)| languages.is_empty() || languages.contains(&code.as_str()))
    {
        sum.texts += counts.texts;
        sum.right += counts.right;
        sum.wrong += counts.wrong;
    }
    let (right, wrong) = (Told::share(sum.right, sum.texts), Told::share(sum.wrong, sum.texts));
    assert!(right_min <= right && wrong <= wrong_max, "{languages:?}: {right:.3} right, {wrong:.4} wrong");
}

#[test]
fn languages_are_told() {
    let data = std::env::var_os("SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let read = |name: &str| std::fs::read_to_string(data.join(name));
    let (Ok(sentences), Ok(questions), Ok(english)) = (
        read("language/langid.tsv"),
        read("language/qald_multilang.tsv"),
        read("questions/stackexchange.tsv"),
    ) else {
        eprintln!("skipped: there is no shared data in {}", data.display());
        return;
    };
    let code = |label: &str| if label == "nb" { "no".to_owned() } else { label.to_owned() };
    let told = tell(&sentences, code);
    check(&told, &["en", "de", "fr", "es"], 0.92, 0.03);
    check(&told, &[], 0.94, 0.03);
    let told = tell(&questions, code);
    check(&told, &["en", "de", "fr"], 0.92, 0.01);
    check(&told, &[], 0.83, 0.07);
    // Titles of questions in English, some of them about other languages.
    check(&tell(&english, |_| "en".to_owned()), &[], 0.90, 0.01);
}
