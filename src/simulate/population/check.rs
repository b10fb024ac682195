//! Reading a population file: every number is looked at, and what is wrong is told with its place.
//!
//! **Invariant:** a [`Population`] that comes out of here can be simulated: no share is outside 0 to 1, no
//! count is out of bounds, every zone and every window of hours is known.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::desk::Network;
use crate::desk::commands::hours;
use crate::fault::Fault;
use crate::simulate::population::{Group, Population};
use crate::subjects::GENERAL_DESK;

/// The largest counts that make sense on one machine.
const PEOPLE_MAX: usize = 200_000;
const QUESTIONS_PER_DAY_MAX: f64 = 100_000.0;
const SUBJECTS_MAX: usize = 500;
const DAYS_MAX: u32 = 366;

/// The longest id of a subject, in bytes.
const ID_MAX: usize = 40;

/// Reads the text of a population file. `file` is its name as the user knows it.
///
/// # Errors
///
/// Everything that keeps it from being simulated, at once where the file can be read as a whole.
pub fn parse(file: &str, text: &str) -> Result<Population, Vec<Fault>> {
    let population: Population = toml::from_str(text).map_err(|error| {
        let hint = "the presets are such files: see `stumper simulate --show-preset town`";
        vec![Fault::error(file, error.span(), first_line(error.message())).with_hint(hint)]
    })?;
    let mut check = Check { wrong: Vec::new() };
    check.whole(&population);
    if check.wrong.is_empty() {
        return Ok(population);
    }
    let table = DeTable::parse(text).ok();
    let place = |path: &str| table.as_ref().and_then(|table| span_of(table.get_ref(), path));
    let faults = check.wrong.iter().map(|(path, what)| {
        let key = path.rsplit('.').next().unwrap_or(path);
        Fault::error(file, place(path), format!("`{key}` {what}"))
    });
    Err(faults.collect())
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// Where the value at a dotted path stands; numbers are places in lists.
fn span_of(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = table.iter().find(|(key, _)| key.get_ref().as_ref() == first)?.1;
    let mut at = value;
    let mut rest = rest;
    while let Some(path) = rest {
        let (first, after) = path.split_once('.').map_or((path, None), |(first, after)| (first, Some(after)));
        at = match at.get_ref() {
            DeValue::Table(inner) => inner.iter().find(|(key, _)| key.get_ref().as_ref() == first)?.1,
            DeValue::Array(list) => list.get(first.parse::<usize>().ok()?)?,
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => return Some(at.span()),
        };
        rest = after;
    }
    Some(at.span())
}

/// What is wrong so far: the path of a key, and what is wrong with its value.
struct Check {
    wrong: Vec<(String, String)>,
}

impl Check {
    fn add(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.wrong.push((path.into(), what.into()));
    }

    fn share(&mut self, path: impl Into<String>, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.add(path, "must be from 0 to 1");
        }
    }

    fn within(&mut self, path: impl Into<String>, value: f64, least: f64, most: f64) {
        if !(least..=most).contains(&value) {
            self.add(path, format!("must be from {least} to {most}"));
        }
    }

    fn weights<'w>(&mut self, path: &str, weights: impl Iterator<Item = &'w f64>) {
        let weights: Vec<f64> = weights.copied().collect();
        if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
            self.add(path, "must hold no number below 0");
        } else if weights.iter().sum::<f64>() <= 0.0 {
            self.add(path, "must hold at least one number above 0");
        }
    }

    fn zones<'z>(&mut self, path: &str, zones: impl Iterator<Item = &'z String>) {
        for zone in zones.filter(|zone| hours::zone_named(zone).is_none()) {
            self.add(format!("{path}.{zone}"), "holds a time zone that is not known");
        }
    }

    fn whole(&mut self, population: &Population) {
        if !(population.scale > 0.0 && population.scale <= 1.0) {
            self.add("scale", "must be above 0 and at most 1");
        }
        self.within("days", f64::from(population.days), 1.0, f64::from(DAYS_MAX));
        self.within("warm_up_days", f64::from(population.warm_up_days), 0.0, f64::from(DAYS_MAX));
        let subjects = &population.subjects;
        self.within("subjects.count", subjects.count as f64, 1.0, SUBJECTS_MAX as f64);
        self.within("subjects.zipf", subjects.zipf, 0.0, 5.0);
        self.within("subjects.parents", subjects.parents as f64, 0.0, subjects.count as f64);
        self.share("subjects.unclear", subjects.unclear);
        if !subjects.weights.is_empty() {
            self.weights("subjects.weights", subjects.weights.iter());
            if subjects.weights.len() != subjects.count {
                self.add("subjects.weights", "must hold as many numbers as `count` says");
            }
        }
        let is_id = |name: &String| {
            let is_sign =
                |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || "_-".contains(sign);
            !name.is_empty() && name.len() <= ID_MAX && name.chars().all(is_sign) && *name != GENERAL_DESK
        };
        if !subjects.names.iter().all(is_id) {
            self.add("subjects.names", "must hold ids of subjects: small letters, digits, `_` and `-`");
        } else if subjects.names.iter().collect::<BTreeSet<_>>().len() < subjects.names.len() {
            self.add("subjects.names", "must hold each id once");
        }
        self.patrons(population);
        if population.librarians.is_empty() {
            self.add("librarians", "must hold at least one group, written as `[[librarians]]`");
        }
        for (at, group) in population.librarians.iter().enumerate() {
            self.group(&format!("librarians.{at}"), group, subjects.count);
        }
        let people: usize = population.librarians.iter().map(|group| group.count).sum();
        if PEOPLE_MAX < people {
            self.add("librarians", format!("must be {PEOPLE_MAX} people at most"));
        }
        let network = &population.network;
        self.within("network.to_desk_seconds", network.to_desk_seconds, 0.0, 86_400.0);
        self.within("network.from_desk_seconds", network.from_desk_seconds, 0.0, 86_400.0);
        self.share("network.repeated", network.repeated);
        // Nothing would ever be sent, and the world would not come to its end.
        self.within("network.unsure", network.unsure, 0.0, 0.9);
        self.share("network.refused", network.refused);
        self.within("network.outages", network.outages, 0.0, 0.9);
    }

    fn patrons(&mut self, population: &Population) {
        let patrons = &population.patrons;
        self.within("patrons.count", patrons.count as f64, 1.0, PEOPLE_MAX as f64);
        self.within("patrons.questions_per_day", patrons.questions_per_day, 0.01, QUESTIONS_PER_DAY_MAX);
        if patrons.hours.len() != 24 {
            self.add("patrons.hours", "must hold 24 numbers, one for each hour of the day");
        }
        self.weights("patrons.hours", patrons.hours.iter());
        self.weights("patrons.zones", patrons.zones.values());
        self.zones("patrons.zones", patrons.zones.keys());
        self.within("patrons.patience_hours", patrons.patience_hours, 0.01, 10_000.0);
        self.within("patrons.clarify_minutes", patrons.clarify_minutes, 0.01, 100_000.0);
        for (key, value) in [
            ("impatient", patrons.impatient),
            ("thanks", patrons.thanks),
            ("second_thoughts", patrons.second_thoughts),
            ("clarify", patrons.clarify),
            ("private", patrons.private),
            ("librarians_ask", patrons.librarians_ask),
            ("bots", patrons.bots),
        ] {
            self.share(format!("patrons.{key}"), value);
        }
    }

    fn group(&mut self, path: &str, group: &Group, subjects: usize) {
        let subjects = subjects.max(1);
        self.within(format!("{path}.count"), group.count as f64, 1.0, PEOPLE_MAX as f64);
        if Network::named(&group.network).is_none() {
            self.add(format!("{path}.network"), "names a network that is not known");
        }
        self.weights(&format!("{path}.zones"), group.zones.values());
        self.zones(&format!("{path}.zones"), group.zones.keys());
        self.weights(&format!("{path}.hours"), group.hours.values());
        for text in group.hours.keys() {
            if crate::simulate::people::windows(text, "UTC").is_none() {
                let what = "holds hours that cannot be read; write them as `18-22 weekdays` or `any`";
                self.add(format!("{path}.hours.{text}"), what);
            }
        }
        let [least, most] = group.subjects;
        if group.takes.iter().any(|place| subjects <= *place) {
            self.add(
                format!("{path}.takes"),
                format!("must hold places of subjects, from 0 to {}", subjects - 1),
            );
        }
        if group.takes.is_empty() && (most < least || most == 0 || subjects < most) {
            self.add(
                format!("{path}.subjects"),
                format!("must be two numbers up to {subjects}, as `[1, 3]`"),
            );
        }
        if group.limit.is_some_and(|limit| !(1..=50).contains(&limit)) {
            self.add(format!("{path}.limit"), "must be from 1 to 50");
        }
        if group.per_day.is_some_and(|per_day| !(1..=100).contains(&per_day)) {
            self.add(format!("{path}.per_day"), "must be from 1 to 100");
        }
        self.within(format!("{path}.reaction_minutes"), group.reaction_minutes, 0.0, 100_000.0);
        self.within(format!("{path}.writing_minutes"), group.writing_minutes, 0.0, 100_000.0);
        self.within(format!("{path}.away_hours"), group.away_hours, 0.0, 10_000.0);
        self.within(format!("{path}.spread"), group.spread.unwrap_or_default(), 0.0, 5.0);
        if group.answers + group.passes + group.quits > 1.0 {
            self.add(format!("{path}.passes"), "and `answers` and `quits` are more than 1 together");
        }
        for (key, value) in [
            ("generalists", group.generalists),
            ("at_hand", group.at_hand),
            ("answers", group.answers),
            ("passes", group.passes),
            ("quits", group.quits),
            ("outside_subject", group.outside_subject),
            ("claims", group.claims),
            ("asks_back", group.asks_back),
            ("forgets", group.forgets),
            ("differ", group.differ),
        ] {
            self.share(format!("{path}.{key}"), value);
        }
    }
}
