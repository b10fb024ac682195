//! A seeded world around the real desk: how fast answers would come, and at what burden.
//!
//! Patrons ask, librarians react, networks delay and lose, and the desk in the middle is the one that runs
//! for real patrons: [`desk::decide`](crate::desk::decide) with its routing, timers, commands and letters. Time is a
//! number that jumps from one happening to the next, so that a month takes seconds.
//!
//! **Invariant:** the same population, settings and seed give the same results, on every machine. No clock is
//! read, no file and no network is touched.

use crate::desk::Settings;
use crate::desk::settings::Policy;

mod asking;
mod books;
mod dice;
pub mod history;
mod people;
pub mod picture;
pub mod population;
mod reacting;
pub mod results;
pub mod staff;
mod watch;
mod world;

pub use population::Population;
pub use results::{Results, Spread};
pub use watch::Broken;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Run<'p> {
    pub population: &'p Population,
    pub settings: &'p Settings,
    pub policy: Policy,
    /// The number of days that count.
    pub days: u32,
    pub seed: u64,
    /// Whether the promises are checked after every step, and the world is lived to its end.
    pub watched: bool,
}

/// Simulates one world. `progress` is told how much is done, from 0 to 1.
pub fn run(run: &Run<'_>, progress: &mut dyn FnMut(f64)) -> Results {
    let settings = Settings { policy: run.policy, ..run.settings.clone() };
    let mut world = world::World::new(run.population, &settings, run.days, run.seed, run.watched);
    world.run(progress);
    Results::of(&world, policy_name(run.policy), run.days)
}

/// The name of a policy on the command line and in results.
pub fn policy_name(policy: Policy) -> &'static str {
    Policy::NAMES.iter().find(|(_, listed)| *listed == policy).map_or("waves", |(name, _)| name)
}
