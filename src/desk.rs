//! The desk itself: what happens to a question, decided by pure functions.
//!
//! [`decide`] is the only entrance. It takes what is known ([`View`]), what happened ([`Input`])
//! and the time, and answers with a [`Step`]: everything that changes, to be committed together or
//! not at all.
//!
//! **Invariant:** nothing in this module or below does I/O, reads a clock, draws randomness, waits,
//! or knows a store or a network's wire format. The same view, input and time give the same step.

mod aftercare;
pub mod allowance;
mod amendment;
mod blocking;
pub mod commands;
mod conversation;
mod coordination;
mod delivery;
mod draft;
pub mod escalation;
pub mod grammar;
mod held;
pub mod holidays;
pub mod ids;
pub mod input;
mod intake;
mod ladder;
pub mod letter;
mod librarian;
pub(crate) mod libraries;
pub mod linking;
pub mod manners;
pub mod outbox;
mod outcomes;
pub mod outlets;
mod overheard;
mod patron;
pub mod person;
mod plan;
pub mod post;
mod privacy;
pub mod question;
pub mod record;
pub mod roster;
pub mod routing;
pub mod settings;
pub mod step;
mod volunteering;
mod waves;
pub mod weight;
pub mod wording;

pub use ids::{Code, InputId, LetterId};
pub use input::{Action, Input};
pub use letter::{Content, Letter, Purpose, ReplyTo};
pub use person::{Librarian, Person};
pub use post::{Account, AccountId, Anchor, Confidential, Network, Place, Post, PostId, Visibility};
pub use question::{Question, State};
pub use roster::Roster;
pub use settings::{Library, Policy, Settings};
pub use step::{Link, Outcome, Step, View};

use jiff::Timestamp;

/// Decides what one input changes.
///
/// The step is complete: new states, timers, letters, links and history. It is made from the view
/// alone, so that deciding again from a newer view is always right when the store answers *stale*.
pub fn decide(view: &View<'_>, input: &Input, now: Timestamp) -> Step {
    let mut draft = draft::Draft::new(view, input, now);
    let outcome = match input {
        Input::Post(post) => conversation::on_post(&mut draft, post),
        Input::Overheard { post, address } => overheard::offer(&mut draft, post, address),
        Input::Edited { post, .. } => amendment::on_edited(&mut draft, post),
        Input::Gone { post } => amendment::on_gone(&mut draft, post),
        Input::Timer { code, reason, at } => escalation::on_timer(&mut draft, code, *reason, *at),
        Input::Delivered { letter, place } => delivery::on_delivered(&mut draft, letter, place),
        Input::Refused { letter, why } => delivery::on_refused(&mut draft, letter, *why),
        Input::Coordinator { action, .. } => coordination::on_action(&mut draft, action),
    };
    draft.finish(outcome)
}
