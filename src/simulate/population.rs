//! Who lives in a simulated world: patrons, librarians, subjects, networks.
//!
//! A population is written down in a TOML file; the presets are such files. Numbers that others have
//! reported are named with their source under `[reported]`; every other number is an assumption, and is
//! shown as one.
//!
//! **Invariant:** a population holds no person: only counts, rates and shares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod check;

pub use check::parse;

/// A preset by its name: the name and its file.
pub const PRESETS: [(&str, &str); 4] = [
    ("town", include_str!("presets/town.toml")),
    ("state", include_str!("presets/state.toml")),
    ("world", include_str!("presets/world.toml")),
    ("aardvark", include_str!("presets/aardvark.toml")),
];

/// Everything that is assumed about a world.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// What it is called in results.
    pub name: String,
    /// One sentence for people.
    pub about: String,
    /// Patrons, questions and librarians are simulated at this scale, from 0 to 1.
    #[serde(default = "one")]
    pub scale: f64,
    /// How many days are simulated where nobody says otherwise.
    pub days: u32,
    /// Days before those, which are simulated and not counted, so that the desk knows its librarians.
    #[serde(default)]
    pub warm_up_days: u32,
    pub subjects: Subjects,
    pub patrons: Patrons,
    pub librarians: Vec<Group>,
    #[serde(default)]
    pub network: Network,
    /// Keys of this file whose values others have reported, each with its source.
    #[serde(default)]
    pub reported: BTreeMap<String, String>,
}

/// What questions are about.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    pub count: usize,
    /// The subject at place n is asked about in proportion to 1 / n to this power.
    #[serde(default)]
    pub zipf: f64,
    /// How often each subject is asked about, in any unit; instead of `zipf`.
    #[serde(default)]
    pub weights: Vec<f64>,
    /// The ids of the subjects, as their rule files have them; those without one are numbered.
    #[serde(default)]
    pub names: Vec<String>,
    /// How many wider subjects there are, to each of which its share of the others belongs; 0 for none.
    #[serde(default)]
    pub parents: usize,
    /// The share of questions in which the rules find no subject.
    pub unclear: f64,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Patrons {
    pub count: usize,
    pub questions_per_day: f64,
    /// How much is asked in each of the 24 hours of a patron's day, in any unit.
    pub hours: Vec<f64>,
    /// Time zones and how many patrons live there, in any unit.
    pub zones: BTreeMap<String, f64>,
    /// The share who take the question back if nobody answers in time.
    pub impatient: f64,
    /// How long half of these wait, in hours; the others wait longer.
    pub patience_hours: f64,
    /// The share who say thanks.
    pub thanks: f64,
    /// The share who tell the subject when the desk cannot, and asks at once.
    #[serde(default)]
    pub clarify: f64,
    /// How long half of these take, in minutes.
    #[serde(default = "clarify_minutes")]
    pub clarify_minutes: f64,
    /// The share who edit what they asked, delete it, or say `forget me`, within about an hour.
    #[serde(default)]
    pub second_thoughts: f64,
    /// The share of questions asked in private.
    #[serde(default)]
    pub private: f64,
    /// The share of questions asked by librarians.
    #[serde(default)]
    pub librarians_ask: f64,
    /// The share of accounts that are automated and answer every post.
    #[serde(default)]
    pub bots: f64,
}

/// Librarians who are alike.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub count: usize,
    #[serde(default = "sandbox")]
    pub network: String,
    pub zones: BTreeMap<String, f64>,
    /// Hours as a librarian writes them, without the zone, and how many have them, in any unit. Windows of
    /// other days stand behind a `;`.
    pub hours: BTreeMap<String, f64>,
    /// The least and the largest number of subjects of one librarian.
    #[serde(default)]
    pub subjects: [usize; 2],
    /// The subjects that each of them takes, by their places from 0 on; instead of `subjects`.
    #[serde(default)]
    pub takes: Vec<usize>,
    /// The share who take any question besides.
    #[serde(default)]
    pub generalists: f64,
    /// How many open questions each has at most; the desk's default where nothing is said.
    pub limit: Option<u32>,
    /// How many invitations a day each wants at most; the desk's default where nothing is said.
    pub per_day: Option<u32>,
    /// How often somebody is there when invited in their hours.
    pub at_hand: f64,
    /// How long half of those who are there take to look at an invitation, in minutes.
    pub reaction_minutes: f64,
    /// The spread of reaction and writing times: the standard deviation of their logarithm. Without it,
    /// times have no memory (exponential), with the means given.
    pub spread: Option<f64>,
    /// How long the others are away on average, in hours.
    pub away_hours: f64,
    /// Of the invitations in their subject that librarians look at: the share they answer, and the share they
    /// pass. The rest they leave lying.
    pub answers: f64,
    pub passes: f64,
    /// The share that make them say `stop`, `leave` or `pause` instead.
    #[serde(default)]
    pub quits: f64,
    /// How much of `answers` is left outside one's own subjects.
    #[serde(default = "one")]
    pub outside_subject: f64,
    /// How long half of the answers take to write, in minutes.
    pub writing_minutes: f64,
    /// Of those who answer: the share who say `claim` first.
    #[serde(default)]
    pub claims: f64,
    /// Of those who answer: the share who ask the patron something first.
    #[serde(default)]
    pub asks_back: f64,
    /// Of those who claim: the share who are not heard of again.
    #[serde(default)]
    pub forgets: f64,
    /// How much librarians of the group differ in `at_hand` and `answers`: 0.5 means from half to one and a half.
    #[serde(default)]
    pub differ: f64,
}

/// What the networks do.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// How long a post takes to reach the desk on average, in seconds.
    pub to_desk_seconds: f64,
    /// How long a letter takes to reach its network on average, in seconds.
    pub from_desk_seconds: f64,
    /// The share of posts that are shown to the desk twice.
    #[serde(default)]
    pub repeated: f64,
    /// The share of letters of whose sending nobody hears; half of them were sent.
    #[serde(default)]
    pub unsure: f64,
    /// The share of letters that a network will never take.
    #[serde(default)]
    pub refused: f64,
    /// The share of hours in which nothing can be sent.
    #[serde(default)]
    pub outages: f64,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            to_desk_seconds: 10.0,
            from_desk_seconds: 2.0,
            repeated: 0.0,
            unsure: 0.0,
            refused: 0.0,
            outages: 0.0,
        }
    }
}

fn one() -> f64 {
    1.0
}

fn sandbox() -> String {
    crate::desk::Network::Sandbox.name().to_owned()
}

fn clarify_minutes() -> f64 {
    3.0
}

impl Population {
    /// How many there are at the scale of this population; at least one of what there is at all.
    pub(crate) fn scaled(&self, count: usize) -> usize {
        let scaled = (count as f64 * self.scale) as usize;
        if count == 0 { 0 } else { scaled.max(1) }
    }

    /// The number of librarians at the scale of this population.
    pub fn librarians(&self) -> usize {
        self.librarians.iter().map(|group| self.scaled(group.count)).sum()
    }
}

/// Every value of a population file with its dotted key, in the order of the file, for showing where it comes from.
pub fn numbers(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        gather("", &toml::Value::Table(table), &mut found);
    }
    found.retain(|(key, _)| !key.starts_with("reported.") && key != "name" && key != "about");
    found
}

fn gather(above: &str, value: &toml::Value, found: &mut Vec<(String, String)>) {
    let below = |key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
    match value {
        toml::Value::Table(table)
            if above.rsplit('.').next().is_some_and(|key| key == "zones" || key == "hours") =>
        {
            let parts: Vec<String> = table.iter().map(|(key, value)| format!("{key} {value}")).collect();
            found.push((above.to_owned(), parts.join(", ")));
        }
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| gather(&below(key), value, found)),
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            list.iter().enumerate().for_each(|(at, value)| gather(&below(&at.to_string()), value, found));
        }
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_) => found.push((above.to_owned(), value.to_string())),
    }
}
