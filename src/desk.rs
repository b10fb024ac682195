//! The desk itself: what happens to a question, decided by pure functions.
//!
//! [`decide`] is the only entrance. It takes what is known ([`View`]), what happened ([`Input`])
//! and the time, and answers with a [`Step`]: everything that changes, to be committed together or
//! not at all.
//!
//! **Invariant:** nothing in this module or below does I/O, reads a clock, draws randomness, waits,
//! or knows a store or a network's wire format. The same view, input and time give the same step.

pub mod commands;
mod draft;
pub mod ids;
pub mod input;
pub mod letter;
pub mod outbox;
pub mod person;
pub mod post;
pub mod question;
pub mod settings;
pub mod step;
pub mod wording;

pub use ids::{Code, InputId, LetterId};
pub use input::{Action, Input};
pub use letter::{Content, Letter, Purpose, ReplyTo};
pub use person::{Librarian, Person, Roster};
pub use post::{Account, AccountId, Anchor, Confidential, Network, Place, Post, PostId, Visibility};
pub use question::{Question, State};
pub use settings::Settings;
pub use step::{Link, Outcome, Step, View};

/// Temporary stub.
pub fn decide(_view: &View<'_>, input: &Input, now: jiff::Timestamp) -> Step {
    Step::nothing(input.id(), now, Outcome::Outdated)
}
