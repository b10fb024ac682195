//! What every store promises, tried on every store.
//!
//! **Invariant:** nothing here looks inside a store; whatever is checked, a caller could see.

#![allow(clippy::unwrap_used, reason = "a panic in a test is a failed test")]
#![allow(clippy::type_complexity, reason = "tables of rows read best where they stand")]

mod contract;
mod model;
mod on_disk;
mod power_cut;
#[path = "../support/samples.rs"]
mod samples;
mod world;
