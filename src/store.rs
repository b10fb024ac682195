//! Remembering: one interface, several stores.
//!
//! A [`Step`] is committed whole or not at all, and nothing is acknowledged before it would survive
//! a power cut. Reads see everything that was acknowledged.
//!
//! **Invariant:** nothing here decides anything about a question, and nothing outside `store::sled`
//! knows sled.

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Everything in the step is durable.
    Stored,
    /// The step's input took effect earlier; nothing was changed.
    SeenBefore,
    /// Somebody else changed one of the step's questions or people since they were read; nothing was
    /// changed. Read, decide and commit again.
    Stale,
}
