//! `stumper simulate`: how fast questions would be answered, and at what burden to the librarians.
//!
//! **Invariant:** the real desk is neither asked nor changed, except that `--from-desk` reads counts and times
//! out of its store; no name and no text leaves it.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::SignedDuration;

use crate::cli::Exit;
use crate::cli::check;
use crate::cli::output::{self, Problem};
use crate::cli::reach;
use crate::cli::render::{self, Colour, Lines};
use crate::config::{self, Config};
use crate::desk::settings::Policy;
use crate::desk::{Person, Question, Settings};
use crate::simulate::staff::{self, Goal, Plan};
use crate::simulate::{self, Population, Results, Run, Spread, history, population};
use crate::store::StoreError;

/// The most worlds that one command simulates with one policy.
const SEEDS_MAX: u64 = 1_000;

/// How many questions are read from the store at a time.
const PAGE: usize = 500;

/// How wide the progress bar is.
const BAR: usize = 30;

#[derive(Clone, Debug, Args)]
pub(super) struct Arguments {
    /// A population that ships with Stumper: `town`, `state`, `world` or `aardvark`.
    #[arg(long, value_name = "NAME", value_parser = preset, conflicts_with = "population")]
    preset: Option<String>,
    /// A population of your own, in a file.
    #[arg(long, value_name = "FILE")]
    population: Option<PathBuf>,
    /// The desk's own history and roster, as counts and hours without names.
    #[arg(long, conflicts_with_all = ["preset", "population"])]
    from_desk: bool,
    /// Let the desk behave as its configuration says, instead of as shipped.
    #[arg(long)]
    as_configured: bool,
    /// How librarians are invited: `waves`, `broadcast`, `one_at_a_time` or `round_robin`.
    #[arg(long, value_name = "NAME", value_parser = policy, default_value = "waves")]
    policy: Policy,
    /// Simulate every policy, with the same seeds.
    #[arg(long, conflicts_with = "policy")]
    compare: bool,
    /// How many days to simulate; the population says how many if you do not.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=366))]
    days: Option<u32>,
    /// The seed: the same seed gives the same result.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many worlds to simulate, with this seed and those after it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    seeds: u64,
    /// Check the desk's promises after every step, and tell what was broken.
    #[arg(long)]
    watch: bool,
    /// Find out how many volunteers it takes, at which hours and in which subjects, to answer enough
    /// questions in time.
    #[arg(long, conflicts_with_all = ["compare", "svg", "watch", "seeds", "days", "policy"])]
    staff: bool,
    /// With `--staff`: the share of questions to answer in time, in per cent.
    #[arg(long, value_name = "PERCENT", default_value_t = 90, requires = "staff", value_parser = clap::value_parser!(u8).range(1..=99))]
    goal: u8,
    /// With `--staff`: the time in which to answer them.
    #[arg(long, value_name = "TIME", default_value = "15m", requires = "staff", value_parser = config::parse_duration)]
    within: SignedDuration,
    /// Draw the share of answered questions over time into this file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Write one JSON object for each run.
    #[arg(long)]
    json: bool,
    /// Show the file of a preset, to begin one of your own with.
    #[arg(long, value_name = "NAME", value_parser = preset, exclusive = true)]
    show_preset: Option<String>,
}

fn preset(name: &str) -> Result<String, String> {
    let names = population::PRESETS.map(|(name, _)| name);
    let known = names.contains(&name);
    known.then(|| name.to_owned()).ok_or_else(|| format!("the presets are {}", names.join(", ")))
}

fn policy(name: &str) -> Result<Policy, String> {
    let names = Policy::NAMES.map(|(name, _)| name);
    Policy::named(name).ok_or_else(|| format!("the policies are {}", names.join(", ")))
}

/// Simulates, and shows what came of it.
pub(super) fn run(config: &Path, arguments: &Arguments) -> Result<Exit, Problem> {
    if let Some(name) = &arguments.show_preset {
        return output::data(text_of(name)).map(|()| Exit::Fine);
    }
    let (population, text, settings) = if arguments.from_desk {
        check::usable_config(config).and_then(|config| of_desk(&config))?
    } else {
        let (population, text) = the_population(arguments)?;
        let settings = match arguments.as_configured {
            true => check::usable_config(config)?.settings,
            false => Settings::default(),
        };
        (population, text, settings)
    };
    if arguments.staff {
        return staff(arguments, &population, &settings, &text);
    }
    let days = arguments.days.unwrap_or(population.days);
    let policies: Vec<Policy> = match arguments.compare {
        true => Policy::NAMES.iter().map(|(_, policy)| *policy).collect(),
        false => vec![arguments.policy],
    };
    let mut bar = Bar::new(policies.len() as u64 * arguments.seeds);
    let mut all: Vec<Vec<Results>> = Vec::new();
    for policy in policies {
        let mut of_policy = Vec::new();
        for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
            let run = Run {
                population: &population,
                settings: &settings,
                policy,
                days,
                seed,
                watched: arguments.watch,
            };
            let results = simulate::run(&run, &mut |done| bar.show(done));
            bar.next();
            if arguments.json {
                bar.clear();
                output::json(&results)?;
            }
            of_policy.push(results);
        }
        all.push(of_policy);
    }
    bar.clear();
    if !arguments.json {
        output::data(&shown(&population, days, &all))?;
        output::data(&origins(&population, &text))?;
    }
    if let Some(file) = &arguments.svg {
        let drawn = simulate::picture::draw(&population, &all);
        std::fs::write(file, drawn).map_err(|error| {
            Problem::new(
                format!("cannot write {}: {error}", file.display()),
                "name a file in a folder that exists",
            )
        })?;
    }
    tell_broken(arguments, &all)
}

/// How many volunteers, when and for what.
fn staff(
    arguments: &Arguments,
    population: &Population,
    settings: &Settings,
    text: &str,
) -> Result<Exit, Problem> {
    let minutes = arguments.within.as_secs_f64() / 60.0;
    let goal = Goal { share: f64::from(arguments.goal) / 100.0, minutes };
    let bar = Bar::new(1);
    let plan = staff::plan(population, settings, goal, arguments.seed, &mut |done| bar.show(done));
    bar.clear();
    if arguments.json {
        output::json(&plan)?;
    } else {
        output::data(&planned(arguments, population, &plan))?;
        output::data(&origins(population, text))?;
    }
    Ok(Exit::Fine)
}

fn planned(arguments: &Arguments, population: &Population, plan: &Plan) -> String {
    let within = output::roughly(arguments.within);
    let goal = format!("{} % of questions within {within}", arguments.goal);
    let share = |share: f64| format!("{:.1} %", share * 100.0);
    let found = match plan.reached {
        true => format!("{} volunteers answer {goal}", plan.volunteers),
        false => {
            let later = plan.minutes.map_or_else(String::new, |minutes| {
                let minutes = output::roughly(SignedDuration::from_mins(minutes.into()));
                format!(" and {} % within {minutes}", arguments.goal)
            });
            format!(
                "No plan was found that answers {goal}: as these people react and write, more of them bring no\n\
                 more. The best has {} volunteers, who answer {} in that time{later}",
                plan.volunteers,
                share(plan.share),
            )
        }
    };
    let rows: Vec<Vec<String>> = plan
        .shifts
        .iter()
        .map(|shift| {
            let mut subjects = shift.subjects.clone();
            if shift.general {
                subjects.push("general".to_owned());
            }
            let hours = format!("{} {}", shift.hours, shift.zone);
            vec![hours, shift.volunteers.to_string(), subjects.join(", ")]
        })
        .collect();
    format!(
        "{}: {found}\n\n{}\nIn five other worlds {} were answered in time ({} to {}).\n\
         Every volunteer is assumed to be like the first group of the population, to be on duty each day, and to\n\
         take turns with nobody; holidays and illness come on top.\n",
        population.about,
        output::table(&["HOURS", "VOLUNTEERS", "SUBJECTS"], &rows),
        share(plan.share),
        share(plan.least),
        share(plan.most),
    )
}

fn text_of(preset: &str) -> &'static str {
    population::PRESETS.iter().find(|(name, _)| *name == preset).map_or("", |(_, text)| text)
}

/// The desk's own history as a population, with its text, and how the desk behaves.
fn of_desk(config: &Config) -> Result<(Population, String, Settings), Problem> {
    let failed = |error: StoreError| Problem::unexpected(error.to_string());
    let store = reach::open_store(&config.data)?;
    let mut questions: Vec<Question> = Vec::new();
    loop {
        let after = questions.last().map(|question| question.code.clone());
        let page = store.questions(after.as_ref(), PAGE).map_err(failed)?;
        let is_last = page.len() < PAGE;
        questions.extend(page);
        if is_last {
            break;
        }
    }
    let roster: Vec<Person> = store.roster().iter().map(|(person, _)| person.clone()).collect();
    let population = history::population(&questions, &roster, &config.settings).map_err(|little| {
        Problem::new(little.to_string(), "simulate a preset, or a population file of your own")
    })?;
    let text = toml::to_string(&population)
        .map_err(|error| Problem::unexpected(format!("cannot write the population: {error}")))?;
    // What is simulated must hold for a file as well, so that a desk's history is no way around the checks.
    population::parse("the desk", &text)
        .map(|population| (population, text, config.settings.clone()))
        .map_err(|faults| {
            Problem::unexpected(faults.into_iter().map(|fault| fault.what).collect::<Vec<_>>().join("; "))
        })
}

/// The population and the text of its file.
fn the_population(arguments: &Arguments) -> Result<(Population, String), Problem> {
    let (name, text) = match &arguments.population {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let what = format!("cannot read {}: {error}", path.display());
                Problem::new(what, "write one like `stumper simulate --show-preset town` does")
            })?;
            (path.display().to_string(), text)
        }
        None => {
            let name = arguments.preset.as_deref().unwrap_or("town");
            (format!("{name}.toml"), text_of(name).to_owned())
        }
    };
    match population::parse(&name, &text) {
        Ok(population) => Ok((population, text)),
        Err(faults) => {
            let shown = render::faults(&faults, |_| Some(&text), Lines::Shown, Colour::of_stderr());
            output::note(shown.trim_end());
            Err(Problem::said())
        }
    }
}

/// One row a number, one column a policy; with more than one seed, each with its spread.
fn shown(population: &Population, days: u32, all: &[Vec<Results>]) -> String {
    let mut headings = vec!["".to_owned()];
    headings.extend(all.iter().filter_map(|of_policy| Some(of_policy.first()?.policy.to_owned())));
    let rows = ROWS.iter().map(|(label, unit, value)| {
        let mut row = vec![(*label).to_owned()];
        row.extend(all.iter().map(|of_policy| {
            let values: Vec<f64> = of_policy.iter().filter_map(value).collect();
            Spread::of(&values).map_or_else(|| "none".to_owned(), |spread| unit.write(spread, values.len()))
        }));
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let seeds = all.first().map_or(0, Vec::len);
    let runs =
        if seeds == 1 { String::new() } else { format!(", {seeds} seeds (mean ± standard deviation)") };
    let librarians = population.librarians();
    format!(
        "{}, {librarians} librarians simulated, {days} days{runs}\n\n{}",
        population.about,
        output::table(&headings, &rows)
    )
}

/// How a number is written.
enum Unit {
    Count,
    PerCent,
    Minutes,
    Plain,
}

impl Unit {
    fn write(&self, spread: Spread, count: usize) -> String {
        let (mean, deviation) = (spread.mean, spread.deviation);
        let (mean, deviation) = match self {
            Unit::Count => (format!("{mean:.0}"), format!("{deviation:.0}")),
            Unit::PerCent => (format!("{:.1} %", mean * 100.0), format!("{:.1}", deviation * 100.0)),
            Unit::Minutes => (format!("{mean:.1} min"), format!("{deviation:.1}")),
            Unit::Plain => (format!("{mean:.2}"), format!("{deviation:.2}")),
        };
        if count < 2 { mean } else { format!("{mean} ± {deviation}") }
    }
}

type Row = (&'static str, Unit, fn(&Results) -> Option<f64>);

const ROWS: [Row; 12] = [
    ("questions", Unit::Count, |results| Some(results.questions as f64)),
    ("answered", Unit::PerCent, |results| Some(results.answered)),
    ("within 10 minutes", Unit::PerCent, |results| Some(results.within_10m)),
    ("within an hour", Unit::PerCent, |results| Some(results.within_1h)),
    ("within a day", Unit::PerCent, |results| Some(results.within_1d)),
    ("first answer, median", Unit::Minutes, |results| results.median_minutes),
    ("first answer, 90th percentile", Unit::Minutes, |results| results.p90_minutes),
    ("invitations per answer", Unit::Plain, |results| results.invitations_per_answer),
    ("contacts per librarian and day", Unit::Plain, |results| Some(results.contacts_per_librarian_day)),
    ("the same, the busiest librarian", Unit::Plain, |results| Some(results.busiest_per_day)),
    ("questions outside hours", Unit::PerCent, |results| Some(results.outside_hours)),
    ("unevenness of the burden (Gini)", Unit::Plain, |results| Some(results.gini)),
];

/// Where each number of the population comes from.
fn origins(population: &Population, text: &str) -> String {
    let mut shown = String::from("\nWhat this rests on\n");
    let mut assumed = Vec::new();
    for (key, value) in population::numbers(text) {
        match population.reported.get(&key) {
            Some(source) => {
                shown.push_str(&format!("  reported: {key} = {value} ({})\n", output::line(source)))
            }
            None => assumed.push(format!("{key} = {value}")),
        }
    }
    let assumed = format!("  assumed: {}", assumed.join("; "));
    shown.push_str(&render::wrapped(&output::line(&assumed), 4));
    shown.push('\n');
    shown
}

/// Tells which promises were broken, where it was watched.
fn tell_broken(arguments: &Arguments, all: &[Vec<Results>]) -> Result<Exit, Problem> {
    if !arguments.watch {
        return Ok(Exit::Fine);
    }
    let (mut broken, mut steps) = (0, 0);
    for results in all.iter().flatten() {
        broken += results.watched.0;
        steps += results.watched.1;
        for each in &results.broken {
            output::note(&format!("{} seed {}: {each}", results.policy, results.seed));
        }
    }
    output::note(&format!("{steps} steps were watched; {broken} times a promise was broken"));
    Ok(if broken == 0 { Exit::Fine } else { Exit::Unexpected })
}

/// How far it is, on a terminal.
struct Bar {
    is_shown: bool,
    runs: u64,
    done: u64,
}

impl Bar {
    fn new(runs: u64) -> Bar {
        Bar { is_shown: std::io::stderr().is_terminal(), runs: runs.max(1), done: 0 }
    }

    fn show(&self, share: f64) {
        if !self.is_shown {
            return;
        }
        let whole = (self.done as f64 + share.clamp(0.0, 1.0)) / self.runs as f64;
        let full = (whole * BAR as f64) as usize;
        let bar: String = (0..BAR).map(|at| if at < full { '█' } else { '░' }).collect();
        // Whoever does not see it misses nothing.
        write!(std::io::stderr().lock(), "\r{bar} {:3.0} %", whole * 100.0).ok();
    }

    fn next(&mut self) {
        self.done += 1;
    }

    fn clear(&self) {
        if self.is_shown {
            write!(std::io::stderr().lock(), "\r{:BAR$}       \r", "").ok();
        }
    }
}
