//! Finds the subject that somebody means by a few words.
//!
//! **Invariant:** a subject is only named when nothing else could be meant.

use crate::subjects::language::Language;
use crate::subjects::words::{Words, fold_phrase, fold_tag};
use crate::subjects::{GENERAL_DESK, Subject, SubjectId};

/// Longer words, in bytes, name no subject.
const NAME_BYTES_MAX: usize = 100;

/// What people call the general desk, folded.
const GENERAL_WORDS: &[&str] = &[GENERAL_DESK, "everything", "general desk", "the general desk"];

/// See [`Subjects::named`](crate::subjects::Subjects::named).
pub(super) fn named(subjects: &[Subject], words: &str) -> Option<SubjectId> {
    let words = words.trim();
    if words.len() > NAME_BYTES_MAX {
        return None;
    }
    let phrase = fold_phrase(words);
    if phrase.is_empty() {
        return None;
    }
    if GENERAL_WORDS.contains(&phrase.as_str()) {
        return Some(SubjectId::general());
    }
    let tag = fold_tag(words.trim_start_matches(['#', '＃']));
    let stems = stems(words);
    let ways: [&dyn Fn(&Subject) -> bool; 4] = [
        &|subject| fold_phrase(subject.id.as_str()) == phrase,
        &|subject| fold_phrase(&subject.name) == phrase,
        &|subject| subject.hashtags.iter().any(|hashtag| fold_tag(hashtag) == tag),
        &|subject| holds(&self::stems(&subject.name), &stems),
    ];
    for way in ways {
        let mut found = subjects.iter().filter(|subject| way(subject));
        if let Some(first) = found.next() {
            return found.next().is_none().then(|| first.id.clone());
        }
    }
    None
}

/// See [`Subjects::closest`](crate::subjects::Subjects::closest).
pub(super) fn closest<'a>(subjects: &'a [Subject], words: &str) -> Option<&'a Subject> {
    let words = words.trim();
    if words.len() > NAME_BYTES_MAX {
        return None;
    }
    let phrase = fold_phrase(words);
    let distance_to = |subject: &Subject| {
        let name = fold_phrase(&subject.name);
        let parts = name.split(' ').filter(|part| part.chars().count() > 3).map(str::to_owned);
        let hashtags = subject.hashtags.iter().map(|hashtag| fold_tag(hashtag));
        let names = [fold_phrase(subject.id.as_str()), name.clone()].into_iter().chain(parts).chain(hashtags);
        names.filter_map(|name| near(&phrase, &name)).min()
    };
    subjects
        .iter()
        .filter_map(|subject| Some((distance_to(subject)?, subject)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, subject)| subject)
}

/// The candidate that looks most like `word`, if one looks like it at all.
pub(crate) fn closest_word<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .filter_map(|candidate| Some((near(word, candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The number of slips between two words; `None` where that is more than one in three letters.
fn near(typed: &str, meant: &str) -> Option<usize> {
    if typed.is_empty() || typed.len() > NAME_BYTES_MAX || meant.len() > NAME_BYTES_MAX {
        return None;
    }
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    let meant: Vec<char> = meant.to_lowercase().chars().collect();
    let slips_max = (typed.len().max(meant.len()) / 3).max(1);
    let slips = slips(&typed, &meant);
    (slips <= slips_max && slips < meant.len()).then_some(slips)
}

/// The edit distance: letters added, left out, changed, or swapped with their neighbour.
fn slips(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let changed = last[column] + usize::from(a != b);
            let mut best = changed.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swapped = row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b;
            if is_swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

fn stems(text: &str) -> Vec<String> {
    let rules = Language::ENGLISH.rules();
    let words = Words::of(text);
    let stem = |word| rules.stem(rules.base(words.folded(word))).into_owned();
    words.words().iter().map(stem).collect()
}

fn holds(name: &[String], part: &[String]) -> bool {
    !part.is_empty() && name.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(id: &str, name: &str, hashtags: &[&str]) -> Subject {
        Subject {
            id: SubjectId::new(id),
            name: name.to_owned(),
            parent: None,
            lcc: Vec::new(),
            ddc: Vec::new(),
            hashtags: hashtags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    fn subjects() -> Vec<Subject> {
        vec![
            subject("arts_design", "Art, design and photography", &["art", "photography"]),
            subject("film_tv", "Film, television and performing arts", &["film", "TVSeries"]),
            subject("history", "History", &["history", "twitterstorians"]),
            subject("genealogy", "Genealogy and local history", &["genealogy", "family_history"]),
            subject("physics_astronomy", "Physics, astronomy and space", &[]),
        ]
    }

    #[test]
    fn subjects_are_named_in_many_ways() {
        let rows = [
            ("history", Some("history")),
            ("  HISTORY ", Some("history")),
            ("film_tv", Some("film_tv")),
            ("film tv", Some("film_tv")),
            ("Film, Television and Performing Arts", Some("film_tv")),
            ("television", Some("film_tv")),
            ("performing arts", Some("film_tv")),
            ("performing art", Some("film_tv")),
            ("local history", Some("genealogy")),
            ("#twitterstorians", Some("history")),
            ("familyhistory", Some("genealogy")),
            ("art", Some("arts_design")),
            ("astronomy", Some("physics_astronomy")),
            ("general", Some("general")),
            ("Everything", Some("general")),
            ("arts", None),
            ("and", None),
            ("hist", None),
            ("", None),
            ("?!", None),
        ];
        for (words, expected) in rows {
            let found = named(&subjects(), words);
            assert_eq!(found.as_ref().map(SubjectId::as_str), expected, "{words:?}");
        }
        assert_eq!(named(&subjects(), &"history ".repeat(1_000)), None);
    }

    #[test]
    fn slips_of_the_finger_find_the_closest_subject() {
        let rows = [
            ("histroy", Some("history")),
            ("histori", Some("history")),
            ("geneology", Some("genealogy")),
            ("phisics", Some("physics_astronomy")),
            ("astronmy", Some("physics_astronomy")),
            ("televison", Some("film_tv")),
            ("gardening", None),
            ("x", None),
            ("", None),
        ];
        for (words, expected) in rows {
            let subjects = subjects();
            let found = closest(&subjects, words);
            assert_eq!(found.map(|subject| subject.id.as_str()), expected, "{words:?}");
        }
        assert_eq!(closest(&subjects(), &"x".repeat(100_000)), None);
    }
}
