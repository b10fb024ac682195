//! `stumper simulate` for a coordinator: how many volunteers it takes (`--staff`), and a desk's own history as a
//! population (`--from-desk`).
//!
//! **Invariant:** what is simulated of a desk tells nothing of the people and texts in it.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses another part of the world")]
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use jiff::SignedDuration;
use stumper::desk::settings::Policy;
use stumper::desk::{Account, Network, Settings, Visibility};
use stumper::engine::Engine;
use stumper::simulate::population::Group;
use stumper::simulate::staff::{self, Goal, Plan};
use stumper::simulate::{self, Population, Run, population};
use stumper::store::Store;
use tempfile::TempDir;
use world::{World, account};

const SMALL: &str = "tests/simulate/small.toml";

/// Of the small population, seven questions in ten within half an hour.
const GOAL: Goal = Goal { share: 0.7, minutes: 30.0 };

fn small() -> Population {
    population::parse(SMALL, include_str!("simulate/small.toml")).unwrap()
}

/// The share of questions that so many volunteers of a plan answer in time, in five worlds that it was not
/// tried in. `kept` says how many of those in each shift are there.
fn share_with(population: &Population, plan: &Plan, kept: impl Fn(usize) -> usize) -> f64 {
    let places: BTreeMap<String, usize> = (0..).map(|at| format!("field{at}")).zip(0..2).collect();
    let groups = plan.shifts.iter().filter(|shift| 0 < kept(shift.volunteers)).map(|shift| Group {
        count: kept(shift.volunteers),
        zones: BTreeMap::from([(shift.zone.clone(), 1.0)]),
        hours: BTreeMap::from([(shift.hours.clone(), 1.0)]),
        takes: shift.subjects.iter().map(|id| places[id]).collect(),
        generalists: f64::from(u8::from(shift.general)),
        ..population.librarians[0].clone()
    });
    let staffed = Population { librarians: groups.collect(), ..population.clone() };
    let shares = (100..105).map(|seed| {
        let settings = Settings::default();
        let run = Run {
            population: &staffed,
            settings: &settings,
            policy: Policy::Waves,
            days: 7,
            seed,
            watched: false,
        };
        simulate::run(&run, &mut |_| {}).within_minutes(GOAL.minutes)
    });
    shares.sum::<f64>() / 5.0
}

/// Whoever is recommended is enough, also when it is simulated anew, and half of them are not.
#[test]
fn as_many_volunteers_as_are_recommended_are_enough_and_half_of_them_are_not() {
    let population = small();
    let plan = staff::plan(&population, &Settings::default(), GOAL, 5, &mut |_| {});
    assert!(plan.reached && GOAL.share <= plan.share, "{plan:#?}");
    assert!(plan.least <= plan.share && plan.share <= plan.most, "{plan:#?}");
    assert_eq!(plan.volunteers, plan.shifts.iter().map(|shift| shift.volunteers).sum::<usize>());
    // Other worlds have other luck: four questions in a hundred.
    let found = share_with(&population, &plan, |count| count);
    assert!(GOAL.share - 0.04 <= found, "{found}: {plan:#?}");
    let minutes = f64::from(plan.minutes.unwrap());
    assert!(0.0 < minutes && minutes <= GOAL.minutes, "{plan:#?}");
    let of_half = share_with(&population, &plan, |count| count / 2);
    assert!(of_half < GOAL.share - 0.04, "{of_half}: {plan:#?}");
}

#[test]
fn a_higher_goal_takes_more_volunteers() {
    let population = small();
    let volunteers = [0.5, 0.75].map(|share| {
        let goal = Goal { share, ..GOAL };
        let plan = staff::plan(&population, &Settings::default(), goal, 5, &mut |_| {});
        assert!(plan.reached, "{plan:#?}");
        plan.volunteers
    });
    assert!(volunteers[0] < volunteers[1], "{volunteers:?}");
}

/// Nobody answers within the time it takes to write: this is said, and the search ends.
#[test]
fn a_goal_that_nobody_can_reach_is_said_to_be_out_of_reach() {
    let mut population = small();
    population.librarians[0].answers = 0.0;
    let plan = staff::plan(&population, &Settings::default(), GOAL, 5, &mut |_| {});
    assert!(!plan.reached, "{plan:#?}");
    assert_eq!((plan.share, plan.most, plan.minutes), (0.0, 0.0, None));
    assert!(plan.volunteers < 20, "more volunteers were no help: {plan:#?}");
}

fn stumper(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stumper")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_plan_for_programs_and_for_people() {
    let staff = |more: &[&str]| {
        let arguments = ["simulate", "--staff", "--population", SMALL, "--goal", "60", "--within", "30m"];
        let output = stumper(&[&arguments[..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "no progress bar but on a terminal");
        text(&output.stdout).to_owned()
    };
    let once = staff(&["--json", "--seed", "8"]);
    assert_eq!(once, staff(&["--json", "--seed", "8"]));
    let plan: serde_json::Value = serde_json::from_str(&once).unwrap();
    let keys: Vec<&str> = plan.as_object().unwrap().keys().map(String::as_str).collect();
    for key in ["reached", "volunteers", "share", "least", "most", "minutes", "shifts"] {
        assert!(keys.contains(&key), "{key}: {once}");
    }
    assert_eq!(plan["reached"], true);
    let shown = staff(&["--seed", "8"]);
    let begin = format!("{} volunteers answer 60 % of questions within 30 min", plan["volunteers"]);
    assert!(shown.contains(&begin), "{begin}: {shown}");
    let per_cent = format!("{:.1} %", plan["share"].as_f64().unwrap() * 100.0);
    assert!(shown.contains(&format!("In five other worlds {per_cent} were answered in time")), "{shown}");
    assert!(shown.contains("assumed: days = 7"), "{shown}");
}

/// Nobody reads and answers within a minute. That is said, with the time in which it can be done.
#[test]
fn where_more_volunteers_are_no_help_it_is_said_how_long_it_takes() {
    let output = stumper(&["simulate", "--staff", "--population", SMALL, "--goal", "50", "--within", "1m"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("No plan was found that answers 50 % of questions within 1 min"), "{shown}");
    assert!(shown.contains("more of them bring no\nmore") && shown.contains(" and 50 % within "), "{shown}");
}

/// A desk that asks one librarian at a time comes to other numbers, and does so only where it is told to.
#[test]
fn the_desk_behaves_as_configured_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bot.toml");
    std::fs::write(&config, "[routing]\ninvite_at_most = 1\n[network.sandbox]\nenabled = true\n").unwrap();
    let invitations = |more: &[&str]| {
        let config = config.to_str().unwrap();
        let arguments = ["--config", config, "simulate", "--preset", "town", "--days", "2", "--json"];
        let output = stumper(&[&arguments[..], more].concat());
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        found["invitations_per_answer"].as_f64().unwrap()
    };
    let (as_shipped, as_configured) = (invitations(&[]), invitations(&["--as-configured"]));
    assert_ne!(as_configured, as_shipped);
    assert_eq!(invitations(&[]), as_shipped);
}

#[test]
fn what_does_not_go_with_staff_is_refused() {
    for more in
        [vec!["--policy", "broadcast"], vec!["--compare"], vec!["--goal", "100"], vec!["--seeds", "3"]]
    {
        let output = stumper(&[&["simulate", "--staff"], more.as_slice()].concat());
        assert_eq!(output.status.code(), Some(1), "{more:?}");
    }
}

/// A desk that has had questions, in a folder with its `bot.toml`, and stands still.
struct Desk(TempDir);

impl Desk {
    /// `say` is what a desk's people say, before it is stopped.
    fn after(say: impl FnOnce(&mut World)) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bot.toml"), "[network.sandbox]\nenabled = true\n").unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let mut world = World::new();
        let store = Store::open_sled(&folder.path().join("data/store")).unwrap();
        let (subjects, settings) = (world.engine.subjects(), world.engine.settings());
        world.engine = Engine::new(store, (*subjects).clone(), (*settings).clone());
        say(&mut world);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(world.engine.store().close()).unwrap();
        Desk(folder)
    }

    /// What `stumper simulate --from-desk` comes to.
    fn simulated(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stumper"));
        let arguments = [&["simulate", "--from-desk"], more].concat();
        command.args(arguments).current_dir(self.0.path()).env_remove("RUST_LOG").output().unwrap()
    }
}

fn person(name: &str) -> Account {
    account(Network::Sandbox, name)
}

/// Clio, on duty in her evenings, answers every question about history, of which one is asked every second hour.
fn history_of(world: &mut World, questions: usize) {
    let clio = person("cliohandle");
    world.says(&clio, "join history", Visibility::Direct, None);
    world.says(&clio, "hours 6:00-23:00 Europe/Berlin", Visibility::Direct, None);
    world.says(&person("ottohandle"), "join law, general", Visibility::Direct, None);
    for number in 0..questions {
        let patron = person(&format!("patronhandle{}", number % 7));
        let words = match number % 5 {
            0 => format!("Where can I find secretwords{number} about nothing in particular?"),
            _ => format!("When did the Ottoman Empire secretwords{number} end?"),
        };
        let visibility = if number % 4 == 0 { Visibility::Direct } else { Visibility::Public };
        world.says(&patron, &format!("@desk {words}"), visibility, None);
        world.wait(SignedDuration::from_mins(5));
        let code = world.questions().into_iter().max_by_key(|question| question.asked_at).unwrap().code;
        let invitation = world.latest_to(&clio.id, Some(&code)).map(|posted| posted.place.clone());
        if let Some(invitation) = invitation {
            world.says(&clio, &format!("In secretanswer{number} 1922."), visibility, Some(&invitation));
        }
        world.wait(SignedDuration::from_mins(115));
    }
}

/// Promise 7: counts and hours come out of a desk, and nothing else.
#[test]
fn promise_7_a_desk_is_simulated_without_a_name_or_a_text() {
    let desk = Desk::after(|world| history_of(world, 24));
    let shown = desk.simulated(&["--days", "2", "--watch"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    for (what, words) in [
        ("how many questions", "This desk, after 24 questions, 2 librarians simulated, 2 days"),
        ("the share in private", "reported: patrons.private = 0.25 (counted by this desk)"),
        ("patrons", "reported: patrons.count = 7 (counted by this desk)"),
        ("subjects", "\"history\", \"law\""),
        ("questions without a subject", "subjects.unclear = 0.20"),
        ("hours", "06:00-23:00"),
        ("their zone", "Europe/Berlin"),
        ("what is assumed", "assumed: "),
    ] {
        assert!(text(&shown.stdout).contains(words), "{what}: {}", text(&shown.stdout));
    }
    let json = desk.simulated(&["--days", "2", "--json"]);
    assert!(json.status.success(), "{}", text(&json.stderr));
    let first: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&first["preset"], &first["outside_hours"]), (&"desk".into(), &0.0.into()));
    assert_ne!(first["questions"], 0);
    // The desk is as it was: it can be simulated again, with the same result.
    let again = desk.simulated(&["--days", "2", "--json"]);
    assert_eq!(text(&again.stdout), text(&json.stdout));
    for output in [&shown, &json] {
        for written in [text(&output.stdout), text(&output.stderr)] {
            for secret in ["handle", "secret", "Ottoman", "1922", "Where can"] {
                assert!(!written.contains(secret), "{secret}: {written}");
            }
        }
    }
}

#[test]
fn a_desk_that_found_no_subject_for_anything_is_simulated_too() {
    let desk = Desk::after(|world| {
        world.says(&person("otto"), "join general", Visibility::Direct, None);
        for number in 0..20 {
            let words = "@desk Where can I find out about nothing in particular?";
            world.says(&person(&format!("ann{number}")), words, Visibility::Public, None);
            world.wait(SignedDuration::from_hours(1));
        }
    });
    let shown = desk.simulated(&["--days", "2"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert!(text(&shown.stdout).contains("subjects.unclear = 1.0"), "{}", text(&shown.stdout));
}

/// What a few questions or nobody can tell is not guessed.
#[test]
fn a_desk_that_has_seen_too_little_says_so() {
    let few = Desk::after(|world| history_of(world, 19)).simulated(&[]);
    assert_eq!((few.status.code(), text(&few.stdout)), (Some(1), ""));
    assert!(
        text(&few.stderr).contains("the desk has had fewer than 20 questions, which says too little"),
        "{}",
        text(&few.stderr)
    );
    assert!(text(&few.stderr).contains("simulate a preset, or a population file"), "{}", text(&few.stderr));
    let alone = Desk::after(|world| {
        for number in 0..20 {
            let words = "@desk When did the Ottoman Empire end?";
            world.says(&person(&format!("ann{number}")), words, Visibility::Public, None);
            world.wait(SignedDuration::from_hours(1));
        }
    });
    let alone = alone.simulated(&[]);
    assert_eq!((alone.status.code(), text(&alone.stdout)), (Some(1), ""));
    assert!(text(&alone.stderr).contains("nobody has opted in as a librarian"), "{}", text(&alone.stderr));
}
