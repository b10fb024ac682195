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
