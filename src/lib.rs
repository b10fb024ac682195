#![doc = include_str!("architecture.md")]

pub mod fault;

pub mod subjects;

pub mod desk;

pub mod clock;

pub mod store;

pub mod networks;

pub mod engine;

pub mod web;

pub mod config;

pub mod simulate;

pub mod cli;

// Tests of the library share their posts and letters with those in `tests`, to whom it is `stumper`.
#[cfg(test)]
extern crate self as stumper;

#[cfg(test)]
#[path = "../tests/support/samples.rs"]
mod samples;
