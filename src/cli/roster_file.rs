//! The roster as a file: TOML for people, JSON lines for programs.
//!
//! **Invariant:** what was exported can be imported, and an entry without `opted_in_at` stays one who
//! has not joined.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cli::librarians;
use crate::cli::output::{self, Problem};
use crate::config;
use crate::desk::commands::hours;
use crate::desk::person::Hours;
use crate::desk::{AccountId, Action};
use crate::engine::control::RosterRow;
use crate::fault::Position;
use crate::subjects::SubjectId;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// How many librarians one file may hold.
const LIBRARIANS_MAX: usize = 10_000;

/// How many open questions a librarian can have at a time, as for `add`.
pub(super) const LIMITS: std::ops::RangeInclusive<i64> = 1..=100;

/// How a roster is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One table for each librarian.
    Toml,
    /// One JSON object a line.
    Jsonl,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roster {
    #[serde(default)]
    librarian: Vec<Entry>,
}

/// One librarian in a roster file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// `network:id`.
    account: String,
    handle: String,
    subjects: Vec<SubjectId>,
    #[serde(default)]
    languages: BTreeSet<String>,
    limit: Option<u32>,
    /// The id of their library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    library: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opted_in_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hours: Vec<Hours>,
}

/// The roster in one of the formats.
pub(super) fn write(rows: &[RosterRow], format: Format) -> Result<String, Problem> {
    let entries: Vec<Entry> = rows.iter().map(entry).collect();
    let written = match format {
        Format::Toml => toml::to_string(&Roster { librarian: entries }).ok(),
        Format::Jsonl => {
            entries.iter().map(|entry| Some(serde_json::to_string(entry).ok()? + "\n")).collect()
        }
    };
    written.ok_or_else(|| Problem::unexpected("the roster cannot be written in this format"))
}

/// The librarians of a file, each as the wish to add them.
pub(super) fn read(file: &Path) -> Result<Vec<Action>, Problem> {
    let text = read_text(file)?;
    let entries = match file.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => parse_toml(file, &text)?,
        Some("jsonl" | "json" | "ndjson") => parse_lines(file, &text)?,
        Some(_) | None => {
            return Err(Problem::new(
                "the file's name does not say what is in it",
                "let it end in `.toml` or `.jsonl`",
            ));
        }
    };
    if entries.len() > LIBRARIANS_MAX {
        return Err(Problem::new(
            format!("the file holds more than {LIBRARIANS_MAX} librarians"),
            "split it into several files",
        ));
    }
    entries.into_iter().map(action).collect()
}

fn read_text(file: &Path) -> Result<String, Problem> {
    let name = file.display();
    let unreadable = |why: String| {
        Problem::new(
            format!("{name} cannot be read: {why}"),
            "name a file that `stumper librarians export` wrote",
        )
    };
    let opened = std::fs::File::open(file).map_err(|error| unreadable(error.kind().to_string()))?;
    let mut text = String::new();
    let mut limited = opened.take(FILE_BYTES_MAX + 1);
    limited.read_to_string(&mut text).map_err(|error| unreadable(error.kind().to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable("it is larger than 16 MiB".to_owned()));
    }
    Ok(text)
}

fn parse_toml(file: &Path, text: &str) -> Result<Vec<Entry>, Problem> {
    let roster: Roster = toml::from_str(text).map_err(|error| {
        let place =
            error.span().map(|span| format!(":{}", Position::of(text, span.start))).unwrap_or_default();
        fault(&format!("{}{place}", file.display()), error.message())
    })?;
    Ok(roster.librarian)
}

fn parse_lines(file: &Path, text: &str) -> Result<Vec<Entry>, Problem> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line)
                .map_err(|error| fault(&format!("{}:{}", file.display(), at + 1), &error.to_string()))
        })
        .collect()
}

fn fault(place: &str, what: &str) -> Problem {
    Problem::new(
        format!("{place}: {what}; nobody was added"),
        "see what `stumper librarians export` writes for the fields and their form",
    )
}

fn entry(row: &RosterRow) -> Entry {
    let librarian = row.librarian.clone();
    Entry {
        account: AccountId::new(row.network, row.id.clone()).key(),
        handle: row.handle.clone(),
        subjects: librarian.subjects.into_iter().collect(),
        languages: librarian.languages,
        limit: Some(librarian.limit),
        library: row.library.clone(),
        opted_in_at: librarian.opted_in_at,
        hours: librarian.hours,
    }
}

fn action(entry: Entry) -> Result<Action, Problem> {
    check(&entry)?;
    let account = librarians::account(&entry.account, Some(&entry.handle));
    Ok(Action::AddLibrarian {
        account: account.map_err(|problem| {
            problem.with_place(&format!("nobody was added; the entry of {}", entry.account))
        })?,
        subjects: entry.subjects,
        hours: entry.hours,
        languages: entry.languages.into_iter().collect(),
        limit: entry.limit,
        library: entry.library,
        opted_in_at: entry.opted_in_at,
    })
}

/// What a file can say and the desk could not use. Hours in a zone that is not known would be other hours.
fn check(entry: &Entry) -> Result<(), Problem> {
    let account = &entry.account;
    let of = |what: &str, hint: &str| {
        Err(Problem::new(format!("the entry of {account} has {what}; nobody was added"), hint))
    };
    if let Some(hours) = entry.hours.iter().find(|hours| hours::zone_named(&hours.zone).is_none()) {
        let what = format!("hours in the time zone `{}`, which is not known", output::line(&hours.zone));
        return of(&what, "write one such as `Europe/Berlin`");
    }
    if entry.hours.iter().any(|hours| hours.days.iter().any(|day| !(1..=7).contains(day))) {
        return of("hours on a day that is not known", "number the days from 1, Monday, to 7, Sunday");
    }
    if entry.limit.is_some_and(|limit| !LIMITS.contains(&i64::from(limit))) {
        return of("a limit out of range", "write a number from 1 to 100");
    }
    if !entry.languages.iter().all(|tag| config::is_language_tag(tag)) {
        return of("a language that is no language tag", "write one such as `en`, `de` or `pt-BR`");
    }
    Ok(())
}
