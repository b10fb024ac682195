//! X: what the connector and the whole desk do there, against a server of our own that behaves as X does.
//!
//! **Invariant:** everything here happens on loopback.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

mod cli;
mod description;
mod faults;
mod lost;
#[path = "../support/samples.rs"]
mod samples;
#[path = "../support/x.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses another part of it")]
mod server;
mod stories;
mod weight;
mod wire;
