//! Weighing texts, by the vectors that X publishes.
//!
//! They are no part of this project. They are looked for in `../shared/x`, or where `STUMPER_X` says;
//! where there are none, the test says so and weighs nothing. Vectors of our own stand beside the code.

use std::path::PathBuf;

use stumper::desk::weight::{Scale, X, weigh};

/// The two older countings, for which X publishes vectors as well.
const FIRST: Scale = Scale { weight_max: 140, address: 23, light: &[('\0', char::MAX)], emoji_as_one: false };
const SECOND: Scale = Scale { emoji_as_one: false, ..X };

/// A file of X's own; `None`, and a line about it, where it is not there.
pub(crate) fn published(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STUMPER_X").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/x"));
    let path = folder.join(name);
    if !path.is_file() {
        eprintln!("skipped: there is no {name} in ../shared/x, nor where STUMPER_X says");
        return None;
    }
    Some(path)
}

/// One vector: the section it stands in, its name, its text, and its numbers.
#[derive(Debug, Default)]
struct Vector {
    section: String,
    name: String,
    text: String,
    expected: Option<bool>,
    weight: Option<usize>,
    valid: Option<bool>,
}

/// Reads as much YAML as the file uses: sections, lists of keys with plain or quoted values.
fn vectors(yaml: &str) -> Vec<Vector> {
    let (mut section, mut found): (String, Vec<Vector>) = Default::default();
    for line in yaml.lines() {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        if indent == 2 && line.ends_with(':') {
            section = line.trim_end_matches(':').to_owned();
        }
        let line = match line.strip_prefix("- ") {
            Some(rest) => {
                found.push(Vector { section: section.clone(), ..Vector::default() });
                rest
            }
            None => line,
        };
        let (Some((key, value)), Some(vector)) = (line.split_once(": "), found.last_mut()) else { continue };
        match key {
            "description" => vector.name = unquoted(value),
            "text" => vector.text = unquoted(value),
            "expected" => vector.expected = value.parse().ok(),
            "weightedLength" => vector.weight = value.parse().ok(),
            "valid" => vector.valid = value.parse().ok(),
            _ => {}
        }
    }
    found
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.trim_matches('\'').to_owned();
    };
    let mut text = String::new();
    let mut signs = inner.chars();
    while let Some(sign) = signs.next() {
        if sign != '\\' {
            text.push(sign);
            continue;
        }
        let digits = match signs.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('n') => {
                text.push('\n');
                continue;
            }
            Some(other) => {
                text.push(other);
                continue;
            }
            None => continue,
        };
        let digits: String = signs.by_ref().take(digits).collect();
        text.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
    }
    text
}

#[test]
fn all_vectors_that_x_publishes_hold() {
    let Some(path) = published("twitter-text-validate.yml") else { return };
    let vectors = vectors(&std::fs::read_to_string(path).unwrap());
    let mut weighed = 0;
    let mut wrong = Vec::new();
    for vector in &vectors {
        let scale = match vector.section.as_str() {
            "tweets" => FIRST,
            "WeightedTweetsCounterTest" => SECOND,
            "WeightedTweetsWithDiscountedEmojiCounterTest" | "UnicodeDirectionalMarkerCounterTest" => X,
            // Names, lists, hashtags and addresses: nothing that a post's length depends on.
            _ => continue,
        };
        weighed += 1;
        let weight = weigh(&vector.text, &scale);
        let fits = (1..=scale.weight_max).contains(&weight);
        let is_right = vector.weight.is_none_or(|want| want == weight)
            && vector.expected.is_none_or(|want| want == fits)
            // Texts with forbidden characters have a weight and are not valid all the same.
            && (vector.valid.is_none_or(|want| want == fits) || vector.text.contains('\u{FFFF}'));
        if !is_right {
            wrong.push(format!("{}, {}: {weight}, not {:?}", vector.section, vector.name, vector.weight));
        }
    }
    assert!(wrong.is_empty(), "{} of {weighed}: {wrong:#?}", wrong.len());
    assert_eq!(weighed, 52, "all of the four sections that are about length");
}
