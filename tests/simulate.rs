//! `stumper simulate`: the simulated world agrees with formulas where there are any, keeps the desk's promises
//! under faults, and gives the same result for the same seed.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

use std::process::{Command, Output};

use jiff::SignedDuration;
use stumper::desk::Settings;
use stumper::desk::settings::Policy;
use stumper::simulate::{self, Population, Results, Run, population};

/// A desk so simple that there is a formula: librarians of one subject, always there, whose reaction times have
/// no memory, and networks without delay.
fn simple(librarians: usize, mean_minutes: f64, answers: f64) -> Population {
    let text = format!(
        r#"
        name = "simple"
        about = "A desk simple enough for a formula"
        days = 40

        [subjects]
        count = 1
        unclear = 0.0

        [patrons]
        count = 1000
        questions_per_day = 10.0
        hours = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]
        zones = {{ UTC = 1 }}
        impatient = 0.0
        patience_hours = 1.0
        thanks = 0.0

        [[librarians]]
        name = "all"
        count = {librarians}
        zones = {{ UTC = 1 }}
        hours = {{ any = 1 }}
        subjects = [1, 1]
        limit = 50
        per_day = 100
        at_hand = 1.0
        reaction_minutes = {mean_minutes:?}
        away_hours = 1.0
        answers = {answers:?}
        passes = 0.0
        writing_minutes = 0.0

        [network]
        to_desk_seconds = 0.0
        from_desk_seconds = 0.0
        "#
    );
    population::parse("simple.toml", &text).unwrap()
}

fn run(population: &Population, policy: Policy, seed: u64) -> Results {
    let settings = Settings { ask_next_after: SignedDuration::from_mins(10), ..Settings::default() };
    let run = Run { population, settings: &settings, policy, days: population.days, seed, watched: false };
    simulate::run(&run, &mut |_| {})
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// How far the mean of some times may lie from a formula: four standard errors, which chance passes once in
/// sixteen thousand times.
fn tolerance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    4.0 * (variance / values.len() as f64).sqrt()
}

/// The first of n librarians whose reactions have no memory comes after the mean divided by n.
#[test]
fn asking_all_agrees_with_the_formula() {
    for (librarians, mean_minutes) in [(1, 30.0), (3, 30.0), (6, 60.0)] {
        let found = run(&simple(librarians, mean_minutes, 1.0), Policy::Broadcast, 11);
        let expected = mean_minutes / librarians as f64;
        assert!(300 < found.questions, "{found:?}");
        assert_eq!(found.answered, 1.0);
        let difference = (mean(&found.minutes) - expected).abs();
        assert!(
            difference < tolerance(&found.minutes),
            "{librarians}: {} is not {expected}",
            mean(&found.minutes)
        );
        // As many as there are, whoever answers: all were asked.
        assert_eq!(found.invitations_per_answer, Some(librarians as f64));
    }
}

/// Asked one after the other, ten minutes apart, k librarians think about it after k times ten minutes. The
/// chance that none has answered by then is a product of exponentials; the mean is its integral.
#[test]
fn asking_one_at_a_time_agrees_with_the_formula() {
    let (librarians, mean_minutes, apart) = (5, 25.0, 10.0);
    let found = run(&simple(librarians, mean_minutes, 1.0), Policy::OneAtATime, 12);
    let mut expected = 0.0;
    // How much thinking there was so far, counted in means.
    let mut thought = 0.0_f64;
    for thinking in 1..=librarians {
        let rate = thinking as f64 / mean_minutes;
        let is_last = thinking == librarians;
        let part = if is_last { 1.0 } else { 1.0 - (-rate * apart).exp() };
        expected += (-thought).exp() * part / rate;
        thought += rate * apart;
    }
    let difference = (mean(&found.minutes) - expected).abs();
    assert!(difference < tolerance(&found.minutes), "{} is not {expected}", mean(&found.minutes));
}

/// Where each of n librarians answers with a chance of their own, at least one does with 1 - (1 - p)^n.
#[test]
fn the_share_of_answers_agrees_with_the_formula() {
    let found = run(&simple(3, 5.0, 0.4), Policy::Broadcast, 13);
    let expected = 1.0 - 0.6_f64.powi(3);
    let error = (expected * (1.0 - expected) / found.questions as f64).sqrt();
    assert!((found.answered - expected).abs() < 4.0 * error, "{} is not {expected}", found.answered);
}

/// A small desk where everything goes wrong: letters are lost, refused and shown twice, networks are down for
/// hours, librarians quit in the middle, patrons edit and delete what they asked and want to be forgotten, automata
/// answer everything.
fn hostile() -> Population {
    let text = include_str!("simulate/hostile.toml");
    population::parse("hostile.toml", text).unwrap()
}

/// Promises 1 to 8, quiet hours and limits: checked after every step of many worlds, each to its end.
#[test]
fn promises_1_to_8_hold_in_worlds_where_everything_goes_wrong() {
    let worlds: u64 = std::env::var("SIMULATE_WORLDS").ok().map_or(1_000, |worlds| worlds.parse().unwrap());
    let first: u64 = std::env::var("SIMULATE_FIRST").ok().map_or(1, |first| first.parse().unwrap());
    let population = hostile();
    let settings = Settings { replies_per_person_hour: 8, ..Settings::default() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let steps: u64 = std::thread::scope(|scope| {
        let part = |thread: u64| {
            let (population, settings) = (&population, &settings);
            move || {
                (first..first + worlds)
                    .filter(|seed| seed % threads == thread)
                    .map(|seed| {
                        let (_, policy) = Policy::NAMES[seed as usize / 2 % Policy::NAMES.len()];
                        let run =
                            Run { population, settings, policy, days: population.days, seed, watched: true };
                        let results = simulate::run(&run, &mut |_| {});
                        let broken: Vec<String> = results.broken.iter().map(ToString::to_string).collect();
                        assert!(broken.is_empty(), "seed {seed}, {policy:?}: {broken:#?}");
                        results.watched.1
                    })
                    .sum::<u64>()
            }
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(part(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(worlds * 20 < steps, "only {steps} steps: nothing happened in these worlds");
}

/// Faults and all: the seed decides everything.
#[test]
fn the_same_seed_gives_the_same_result_and_another_seed_another() {
    let population = hostile();
    let once = run(&population, Policy::Waves, 3);
    assert_eq!(once, run(&population, Policy::Waves, 3));
    assert_ne!(once, run(&population, Policy::Waves, 4));
}

#[test]
fn what_is_shipped_can_be_read() {
    for (name, text) in population::PRESETS {
        let population = population::parse(name, text).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        assert_eq!(population.name, name);
        // What is said to be reported stands in the file.
        let keys: Vec<String> = population::numbers(text).into_iter().map(|(key, _)| key).collect();
        for key in population.reported.keys() {
            assert!(keys.contains(key), "{name}: {key}");
        }
    }
}

fn stumper(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stumper")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What programs read: exactly these fields, whatever else people are shown.
#[test]
fn json_has_the_fields_it_is_documented_to_have() {
    let output = stumper(&[
        "simulate",
        "--preset",
        "town",
        "--policy",
        "round_robin",
        "--days",
        "2",
        "--seed",
        "7",
        "--json",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "no progress bar but on a terminal");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "preset",
        "policy",
        "seed",
        "days",
        "questions",
        "answered",
        "within_10m",
        "within_1h",
        "within_1d",
        "median_minutes",
        "p90_minutes",
        "invitations_per_answer",
        "contacts_per_librarian_day",
        "outside_hours",
        "gini",
    ];
    expected.sort_unstable();
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!((&found["preset"], &found["policy"]), (&"town".into(), &"round_robin".into()));
    assert_eq!((&found["seed"], &found["days"]), (&7.into(), &2.into()));
    assert_eq!(found["outside_hours"], 0.0);
}

#[test]
fn comparing_writes_a_line_for_each_policy_and_seed_and_draws() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.svg");
    let output = stumper(&[
        "simulate",
        "--population",
        "tests/simulate/hostile.toml",
        "--compare",
        "--seeds",
        "2",
        "--json",
        "--svg",
        picture.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 8);
    let drawn = std::fs::read_to_string(picture).unwrap();
    for (name, _) in Policy::NAMES {
        assert!(drawn.contains(&name.replace('_', " ")), "{name}");
    }
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
}

#[test]
fn people_are_told_what_is_assumed_and_what_was_reported() {
    let output = stumper(&["simulate", "--population", "tests/simulate/hostile.toml"]);
    assert!(text(&output.stdout).contains("assumed: "), "{}", text(&output.stdout));
    let shown = stumper(&["simulate", "--show-preset", "aardvark"]);
    assert!(text(&shown.stdout).contains("[reported]"));
}

#[test]
fn wrong_arguments_are_told_clearly() {
    for (arguments, expected) in [
        (vec!["--preset", "city"], "the presets are town, state, world, aardvark"),
        (vec!["--policy", "loudest"], "the policies are waves, broadcast, one_at_a_time, round_robin"),
        (vec!["--days", "0"], "0 is not in 1..=366"),
        (vec!["--population", "no/such/file.toml"], "cannot read no/such/file.toml"),
        (vec!["--preset", "town", "--population", "x.toml"], "cannot be used with"),
    ] {
        let output = stumper(&[&["simulate"], arguments.as_slice()].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn faults_of_a_population_are_shown_with_their_places() {
    let (_, town) = population::PRESETS[0];
    for (from, to, expected) in [
        ("thanks = 0.5", "thanks = 5.0", "`thanks` must be from 0 to 1"),
        ("at_hand = 0.5", "at_hand = -1", "`at_hand` must be from 0 to 1"),
        (
            "\"Europe/Berlin\" = 1 }\nimpatient",
            "\"Europe/Atlantis\" = 1 }\nimpatient",
            "a time zone that is not known",
        ),
        ("\"17-22\" = 2", "\"17-99\" = 2", "holds hours that cannot be read"),
        ("questions_per_day", "questions_per_dya", "unknown field"),
        ("[3, 6]", "[3, 60]", "must be two numbers up to 12"),
    ] {
        let broken = town.replace(from, to);
        assert_ne!(broken, town, "{from}");
        let faults = population::parse("mine.toml", &broken).unwrap_err();
        let told: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
        assert!(told.iter().any(|what| what.contains(expected)), "{to}: {told:?}");
        assert!(faults.iter().all(|fault| fault.span.is_some()), "{to}: {faults:?}");
    }
}
