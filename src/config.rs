//! (to be written)

pub mod rules_dir;
