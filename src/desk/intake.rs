//! What a new question says about itself besides its subject: when it is needed, for whom it is meant,
//! how much work it is.
//!
//! **Invariant:** what is not plainly said is not guessed: then nothing is noted.

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use crate::desk::commands::days::{self, Day};
use crate::desk::draft::Draft;
use crate::desk::ids::Code;
use crate::desk::libraries;
use crate::desk::person::Level;
use crate::desk::post::{AccountId, Post};
use crate::desk::settings::Settings;

/// A question of fact has at most so many words, and a question of research at least so many.
const READY_WORDS_MAX: usize = 15;
const RESEARCH_WORDS_MIN: usize = 60;

/// Words with which questions of fact begin, and words that ask for more than a fact.
const READY: [&str; 6] = ["who", "when", "where", "what", "which", "how"];
const RESEARCH: [&str; 6] = ["bibliography", "sources", "overview", "literature", "research", "studies"];

/// Notes it with the question.
pub(crate) fn note(draft: &mut Draft<'_>, code: &Code) {
    let Some(question) = draft.question(code) else { return };
    let text = question.text.reveal();
    let (level, needed) = (level_of(text), days::needed_by(text));
    let blocked = draft.person(&question.patron.id).map(|person| person.blocked.clone()).unwrap_or_default();
    let need_by = needed.and_then(|day| end_of(day, draft.now, draft.view.settings));
    if let Some(question) = draft.question_mut(code) {
        question.level = level;
        question.need_by = need_by;
        question.blocked = blocked;
    }
    libraries::note(draft, code);
}

/// The end of the day that somebody named now, by the desk's clock.
pub(crate) fn end_of(day: Day, now: Timestamp, settings: &Settings) -> Option<Timestamp> {
    let zone = &settings.time_zone;
    let date = day.after(zone.to_datetime(now).date())?;
    let end = zone.to_timestamp(date.tomorrow().ok()?.to_datetime(Time::midnight())).ok()?;
    (now < end).then_some(end)
}

/// The day that ends then, as people read it.
pub(crate) fn day_in_words(end: Timestamp, settings: &Settings) -> String {
    let last = end.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(end);
    date_in_words(settings.time_zone.to_datetime(last).date())
}

pub(crate) fn date_in_words(date: Date) -> String {
    date.strftime("%A %-d %B").to_string()
}

/// The librarian that a question begins by naming, `for @clio: …`, where the patron's network says who
/// that is.
pub(crate) fn asked_for(post: &Post) -> Option<AccountId> {
    let text = post.text.reveal().trim_start();
    let named = text.strip_prefix("for @").or_else(|| text.strip_prefix("For @"))?;
    let end = named.find(|c: char| c.is_whitespace() || matches!(c, ':' | ',')).unwrap_or(named.len());
    let handle = named.get(..end)?;
    let mention = post.mentions.iter().find(|mention| mention.handle.eq_ignore_ascii_case(handle))?;
    Some(mention.id.clone())
}

fn level_of(text: &str) -> Option<Level> {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .collect();
    let is_research = |word: &String| RESEARCH.contains(&word.as_str());
    if RESEARCH_WORDS_MIN <= words.len() || words.iter().any(is_research) {
        return Some(Level::Research);
    }
    let begins = words.first().is_some_and(|word| READY.contains(&word.as_str()));
    (begins && words.len() <= READY_WORDS_MAX).then_some(Level::Ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_a_question_is_noted_only_where_it_is_plain() {
        for (text, expected) in [
            ("Who was the last king of Georgia?", Some(Level::Ready)),
            ("I'm looking for sources about the last king of Georgia", Some(Level::Research)),
            ("The last king of Georgia?", None),
        ] {
            assert_eq!(level_of(text), expected, "{text}");
        }
    }
}
