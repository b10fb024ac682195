//! Reading typed keys out of a parsed TOML table, collecting every fault on the way.
//!
//! **Invariant:** a fault's words come from this program, never from the file.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use jiff::SignedDuration;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::config::duration;
use crate::fault::{Fault, Severity};

/// Keys longer than this are not compared for "did you mean".
const KEY_BYTES_MAX: usize = 64;

/// How many letters may differ for "did you mean".
const TYPOS_MAX: usize = 2;

/// Names of keys that people expect to hold a secret.
const SECRET_KEYS: &[&str] =
    &["password", "app_password", "secret", "token", "access_token", "key", "api_key"];

/// The section of which there may be several.
const REPEATED: &str = "library";

/// The faults of one file.
#[derive(Debug)]
pub(super) struct Faults {
    file: String,
    list: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(file: &str) -> Faults {
        Faults { file: file.to_owned(), list: Vec::new() }
    }

    /// Notes an error.
    pub(super) fn add(&mut self, span: Option<Range<usize>>, what: &str, hint: &str) {
        self.list.push(Fault {
            file: self.file.clone(),
            span,
            severity: Severity::Error,
            what: what.to_owned(),
            hint: Some(hint.to_owned()),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Fault> {
        self.list
    }
}

type Entry<'t> = (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>);

/// The sections of the file, by their dotted names.
#[derive(Debug)]
pub(super) struct Sections<'t> {
    known: &'static [(&'static str, &'static [&'static str])],
    found: BTreeMap<&'static str, (&'t DeTable<'t>, Range<usize>)>,
    /// Sections that may stand in the file several times, with two brackets.
    repeated: BTreeMap<&'static str, Vec<(&'t DeTable<'t>, Range<usize>)>>,
}

impl<'t> Sections<'t> {
    /// Sorts the tables of the file into the known sections; the others are faults.
    pub(super) fn new(
        table: &'t DeTable<'t>,
        known: &'static [(&'static str, &'static [&'static str])],
        faults: &mut Faults,
    ) -> Sections<'t> {
        let mut sections = Sections { known, found: BTreeMap::new(), repeated: BTreeMap::new() };
        sections.sort("", table, faults);
        sections
    }

    fn sort(&mut self, above: &str, table: &'t DeTable<'t>, faults: &mut Faults) {
        for (key, value) in table {
            let name = format!("{above}{}", key.get_ref());
            let section = self.known.iter().map(|(section, _)| *section).find(|section| **section == name);
            match (section, value.get_ref()) {
                (Some(section), DeValue::Table(inner)) if section != REPEATED => {
                    self.found.insert(section, (inner, key.span()));
                }
                (Some(section), DeValue::Array(all)) if section == REPEATED => {
                    let tables = all.iter().filter_map(|one| Some((one.get_ref().as_table()?, one.span())));
                    self.repeated.insert(section, tables.collect());
                }
                (None, DeValue::Table(inner)) if above.is_empty() && name == "network" => {
                    self.sort("network.", inner, faults);
                }
                (Some(REPEATED), _) => {
                    let hint = format!("write `[[{REPEATED}]]` on a line of its own, and its keys below");
                    faults.add(Some(key.span()), "this is the name of a section", &hint);
                }
                (Some(section), _) => {
                    let hint = format!("write `[{section}]` on a line of its own, and its keys below");
                    faults.add(Some(key.span()), "this is the name of a section", &hint);
                }
                (None, _) => self.unknown(above, key, faults),
            }
        }
    }

    fn unknown(&self, above: &str, key: &Spanned<DeString<'_>>, faults: &mut Faults) {
        let name = format!("{above}{}", key.get_ref());
        let sections = || self.known.iter().map(|(section, _)| *section);
        if let Some((section, _)) = self.known.iter().find(|(_, keys)| keys.contains(&key.get_ref().as_ref()))
        {
            let hint = format!("move it into the section `[{section}]`");
            faults.add(Some(key.span()), "this key stands outside its section", &hint);
        } else if is_secret(key.get_ref()) {
            secret(key.span(), faults);
        } else {
            let hint = match closest(&name, sections()) {
                Some(section) => format!("did you mean `[{section}]`?"),
                None => format!("the sections are `[{}]`", sections().collect::<Vec<_>>().join("]`, `[")),
            };
            faults.add(Some(key.span()), "there is no such section", &hint);
        }
    }

    /// All sections with a name that may stand in the file several times.
    pub(super) fn each(&self, name: &'static str) -> Vec<Section<'t>> {
        let all = self.repeated.get(name).into_iter().flatten();
        let section = |(table, span): &(&'t DeTable<'t>, Range<usize>)| Section {
            name,
            known: self.known,
            entries: table.iter().map(|(key, value)| (key.get_ref().as_ref(), (key, value))).collect(),
            span: Some(span.clone()),
        };
        all.map(section).collect()
    }

    /// The section with this name. One that is not in the file is empty.
    pub(super) fn open(&self, name: &'static str) -> Section<'t> {
        let (entries, span) = match self.found.get(name) {
            Some((table, span)) => (
                table.iter().map(|(key, value)| (key.get_ref().as_ref(), (key, value))).collect(),
                Some(span.clone()),
            ),
            None => (BTreeMap::new(), None),
        };
        Section { name, known: self.known, entries, span }
    }
}

/// One section while it is read: what was taken is gone, and what remains is unknown.
#[derive(Debug)]
pub(super) struct Section<'t> {
    name: &'static str,
    known: &'static [(&'static str, &'static [&'static str])],
    entries: BTreeMap<&'t str, Entry<'t>>,
    span: Option<Range<usize>>,
}

impl Section<'_> {
    /// Where the section's name stands.
    pub(super) fn whole(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// Where the value of a key stands that was not taken yet.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.entries.get(key).map(|(_, value)| value.span())
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str, faults: &mut Faults) -> Option<(String, Range<usize>)> {
        let (_, value) = self.entries.remove(key)?;
        let Some(text) = value.get_ref().as_str() else {
            faults.add(
                Some(value.span()),
                "a text belongs here",
                &format!("write `{key} = \"…\"`, with the quotes"),
            );
            return None;
        };
        Some((text.to_owned(), value.span()))
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str, faults: &mut Faults) -> Option<bool> {
        let (_, value) = self.entries.remove(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            faults.add(
                Some(value.span()),
                "`true` or `false` belongs here",
                &format!("write `{key} = true` or `{key} = false`, without quotes"),
            );
        }
        flag
    }

    /// A whole number within `range`.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
        default: usize,
        faults: &mut Faults,
    ) -> usize {
        let Some((_, value)) = self.entries.remove(key) else { return default };
        let (least, most) = (range.start(), range.end());
        let Some(number) = value.get_ref().as_integer() else {
            let hint = format!("write a number from {least} to {most}, such as `{key} = {default}`");
            faults.add(Some(value.span()), "a whole number belongs here", &hint);
            return default;
        };
        let number = usize::from_str_radix(number.as_str(), number.radix()).ok();
        number.filter(|number| range.contains(number)).unwrap_or_else(|| {
            let hint = format!("write a number from {least} to {most}");
            faults.add(Some(value.span()), "this number is out of range", &hint);
            default
        })
    }

    /// An amount of dollars, in millionths, up to `most`.
    pub(super) fn dollars(&mut self, key: &'static str, most: u64, default: u64, faults: &mut Faults) -> u64 {
        let Some((_, value)) = self.entries.remove(key) else { return default };
        let written = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => "",
        };
        match millionths(written) {
            Some(amount) if amount <= most => amount,
            Some(_) => {
                let hint = format!("write at most {}", most / 1_000_000);
                faults.add(Some(value.span()), "this amount is too large", &hint);
                default
            }
            None => {
                let hint = format!("write dollars without quotes, such as `{key} = 10` or `{key} = 0.015`");
                faults.add(Some(value.span()), "an amount of dollars belongs here", &hint);
                default
            }
        }
    }

    /// A length of time within `range`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<SignedDuration>,
        default: SignedDuration,
        faults: &mut Faults,
    ) -> SignedDuration {
        let Some((_, value)) = self.entries.remove(key) else { return default };
        let parsed = match value.get_ref() {
            DeValue::String(text) => duration::parse(text),
            DeValue::Integer(_) | DeValue::Float(_) => Err("this length of time has no unit"),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Err("a length of time belongs here")
            }
        };
        match parsed {
            Ok(length) if range.contains(&length) => length,
            Ok(_) => {
                let (least, most) = (duration::show(*range.start()), duration::show(*range.end()));
                let hint = format!("write a length from {least} to {most}");
                faults.add(Some(value.span()), "this length of time is out of range", &hint);
                default
            }
            Err(why) => {
                faults.add(Some(value.span()), why, duration::HINT);
                default
            }
        }
    }

    /// Whatever was not taken is not known.
    pub(super) fn close(self, faults: &mut Faults) {
        for (name, (key, _)) in &self.entries {
            if is_secret(name) {
                secret(key.span(), faults);
                continue;
            }
            let own = self.known.iter().filter(|(section, _)| *section == self.name);
            let keys: Vec<&str> = own.flat_map(|(_, keys)| keys.iter().copied()).collect();
            let elsewhere = self.known.iter().find(|(_, keys)| keys.contains(name));
            let hint = match (elsewhere, closest(name, keys.iter().copied())) {
                (Some((section, _)), _) => format!("it belongs in the section `[{section}]`"),
                (None, Some(key)) => format!("did you mean `{key}`?"),
                (None, None) => format!("the keys here are `{}`", keys.join("`, `")),
            };
            faults.add(Some(key.span()), &format!("there is no such key in `[{}]`", self.name), &hint);
        }
    }
}

/// A decimal number, with six digits after the point at most, in millionths. Read by its digits, so that
/// no amount is off by what binary fractions cannot hold.
fn millionths(written: &str) -> Option<u64> {
    let (whole, part) = written.split_once('.').unwrap_or((written, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 6 {
        return None;
    }
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(part)
}

fn is_secret(key: &str) -> bool {
    SECRET_KEYS.contains(&key)
}

fn secret(span: Range<usize>, faults: &mut Faults) {
    faults.add(
        Some(span),
        "a secret does not belong in this file",
        "remove it here, change it at its network, and say where the new one is with `password_env` or `password_file`",
    );
}

/// The candidate that looks most like `name`, if any is near enough to be a slip of the hand.
fn closest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > KEY_BYTES_MAX {
        return None;
    }
    let name = name.to_lowercase().replace('-', "_");
    candidates
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= TYPOS_MAX && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out or changed to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        let mut next = vec![left];
        for (other, above) in to.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(letter != *other)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
