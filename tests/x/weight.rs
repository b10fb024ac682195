//! Texts as X reads them: their weight, and how handles, lists, hashtags and web addresses are spelled, by
//! the vectors that X publishes.
//!
//! They are no part of this project. They are looked for in `../shared/x`, or where `STUMPER_X` says;
//! where there are none, the test says so and reads nothing. Vectors of our own stand beside the code.

use std::path::PathBuf;

use stumper::desk::grammar;
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
    let wrong: Vec<String> = vectors.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), vectors.len());
    assert_eq!(vectors.len(), 97, "all vectors of all sections");
}

/// What is wrong about one vector, if anything.
fn wrong(vector: &Vector) -> Option<String> {
    let (text, expected) = (vector.text.as_str(), vector.expected);
    let spelled = |is_well: bool| {
        let is_right = Some(is_well) == expected;
        (!is_right).then(|| format!("{}, {}: {is_well}", vector.section, vector.name))
    };
    let after = |sign: char, is_well: fn(&str) -> bool| spelled(text.strip_prefix(sign).is_some_and(is_well));
    let weighs = |scale: Scale| {
        let weight = weigh(text, &scale);
        let fits = (1..=scale.weight_max).contains(&weight);
        let is_right = vector.weight.is_none_or(|want| want == weight)
            && expected.is_none_or(|want| want == fits)
            // Texts with forbidden characters have a weight and are not valid all the same.
            && (vector.valid.is_none_or(|want| want == fits) || text.contains('\u{FFFF}'));
        let says_something = vector.weight.is_some() || expected.is_some();
        (!is_right || !says_something)
            .then(|| format!("{}, {}: {weight}, not {:?}", vector.section, vector.name, vector.weight))
    };
    match vector.section.as_str() {
        "tweets" => weighs(FIRST),
        "WeightedTweetsCounterTest" => weighs(SECOND),
        "WeightedTweetsWithDiscountedEmojiCounterTest" | "UnicodeDirectionalMarkerCounterTest" => weighs(X),
        "usernames" => after('@', grammar::is_handle),
        "lists" => after('@', grammar::is_list),
        "hashtags" => after('#', grammar::is_hashtag),
        "urls" | "urls_without_protocol" => spelled(grammar::is_address(text)),
        unknown => Some(format!("nothing is known of the section {unknown}")),
    }
}
