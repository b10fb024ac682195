//! (to be written)

pub mod classify;
pub mod render;
pub mod rules;

/// What a command came to: the exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Fine,
    /// What the user gave is at fault: arguments, files, rules.
    InputAtFault,
    /// Something else went wrong.
    Unexpected,
}

impl Exit {
    /// 0, 1 or 2.
    pub fn code(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::InputAtFault => 1,
            Exit::Unexpected => 2,
        }
    }
}
