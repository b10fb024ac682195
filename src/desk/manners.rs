//! What the rules of a network let the desk say, and where: decided before a letter is made.
//!
//! Most networks let everybody say everything. X lets a program reply only to a post that called it,
//! once to each, and lets it write privately only to people who wrote to it privately before. So on X
//! the one reply is kept for what the patron waits for: the answer, the librarian's question back, or
//! how the question ended. There is no acknowledgement, no librarian is mentioned in public, and
//! librarians are asked in direct messages.
//!
//! **Invariant:** the rules only ever take away: nothing here lets a letter be seen by more people than
//! [`Network::copy_visibility`] does.

use crate::desk::letter::Purpose;
use crate::desk::post::{Network, Visibility};

/// What a letter is to be, and what has happened between the desk and its addressee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    pub purpose: Purpose,
    /// The narrowest of everything the letter comes from.
    pub original: Visibility,
    /// Whether it goes to the patron of the question it is about, and not to a librarian.
    pub to_patron: bool,
    /// Whether there is a post of the addressee for it to reply to that has no reply yet.
    pub is_called_for: bool,
    /// Whether the addressee has written to the desk privately before.
    pub wrote_directly: bool,
}

/// How a letter may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// So visible, and no more.
    As(Visibility),
    /// It would have to be private, and cannot be.
    NotPrivately,
    /// The network's rules do not let the desk say this here.
    AgainstTheRules,
}

impl Network {
    /// How a letter may go out there.
    pub fn allows(self, occasion: &Occasion) -> Way {
        let copy = self.copy_visibility(occasion.original);
        match (self, copy) {
            (_, None) => Way::NotPrivately,
            (Network::Bluesky, Some(Visibility::Public)) if is_for_a_librarian_in_private(occasion) => {
                Way::As(Visibility::Direct)
            }
            (Network::Sandbox | Network::Bluesky | Network::Mastodon, Some(visibility)) => {
                Way::As(visibility)
            }
            (Network::X, Some(visibility)) => on_x(visibility, occasion),
        }
    }

    /// Whether people there are written to privately only after they wrote privately themselves.
    pub fn wants_the_first_word(self) -> bool {
        match self {
            Network::Sandbox | Network::Bluesky | Network::Mastodon => false,
            Network::X => true,
        }
    }

    /// Whether librarians there are always asked in direct messages, whatever the question is. What
    /// they reply there to a public question is meant for everybody, as the question is.
    pub fn asks_in_direct_messages(self) -> bool {
        self.wants_the_first_word()
    }

    /// Whether a direct message there is no reply to another one, so that what it is about has to be told
    /// from what was said before.
    pub fn has_flat_messages(self) -> bool {
        match self {
            Network::Sandbox | Network::Mastodon => false,
            Network::Bluesky | Network::X => true,
        }
    }
}

/// Whether this is for a librarian who writes to the desk in direct messages, and so is asked in them.
fn is_for_a_librarian_in_private(occasion: &Occasion) -> bool {
    match occasion.purpose {
        Purpose::Invitation | Purpose::Detail | Purpose::Thanks | Purpose::Notice => {
            occasion.wrote_directly && !occasion.to_patron
        }
        Purpose::Acknowledgement
        | Purpose::Answer
        | Purpose::Interview
        | Purpose::Ending
        | Purpose::Reply
        | Purpose::Farewell
        | Purpose::Deletion => false,
    }
}

fn on_x(visibility: Visibility, occasion: &Occasion) -> Way {
    let directly = if occasion.wrote_directly { Way::As(Visibility::Direct) } else { Way::NotPrivately };
    if visibility.is_private() {
        return directly;
    }
    match occasion.purpose {
        Purpose::Answer | Purpose::Interview | Purpose::Ending | Purpose::Reply | Purpose::Farewell
            if occasion.is_called_for =>
        {
            Way::As(visibility)
        }
        Purpose::Invitation | Purpose::Detail | Purpose::Thanks => directly,
        Purpose::Notice if !occasion.to_patron => directly,
        Purpose::Acknowledgement
        | Purpose::Notice
        | Purpose::Answer
        | Purpose::Interview
        | Purpose::Ending
        | Purpose::Reply
        | Purpose::Farewell
        | Purpose::Deletion => Way::AgainstTheRules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Way = Way::As(Visibility::Public);
    const DIRECT: Way = Way::As(Visibility::Direct);

    #[test]
    fn what_x_lets_the_desk_say() {
        let called = Occasion {
            purpose: Purpose::Answer,
            original: Visibility::Public,
            to_patron: true,
            is_called_for: true,
            wrote_directly: false,
        };
        let rows = [
            ("the answer", called, PUBLIC),
            ("a second answer", Occasion { is_called_for: false, ..called }, Way::AgainstTheRules),
            ("a question back", Occasion { purpose: Purpose::Interview, ..called }, PUBLIC),
            ("nobody was found", Occasion { purpose: Purpose::Ending, ..called }, PUBLIC),
            ("help", Occasion { purpose: Purpose::Reply, ..called }, PUBLIC),
            (
                "no acknowledgement",
                Occasion { purpose: Purpose::Acknowledgement, ..called },
                Way::AgainstTheRules,
            ),
            ("no word in between", Occasion { purpose: Purpose::Notice, ..called }, Way::AgainstTheRules),
            (
                "nor in a direct message, where they asked in public",
                Occasion { purpose: Purpose::Notice, wrote_directly: true, ..called },
                Way::AgainstTheRules,
            ),
            (
                "an acknowledgement in a direct message",
                Occasion {
                    purpose: Purpose::Acknowledgement,
                    original: Visibility::Direct,
                    wrote_directly: true,
                    ..called
                },
                DIRECT,
            ),
            (
                "an invitation to somebody who wrote first",
                Occasion { purpose: Purpose::Invitation, to_patron: false, wrote_directly: true, ..called },
                DIRECT,
            ),
            (
                "an invitation to somebody who did not",
                Occasion { purpose: Purpose::Invitation, to_patron: false, ..called },
                Way::NotPrivately,
            ),
            (
                "a reminder to a librarian",
                Occasion { purpose: Purpose::Notice, to_patron: false, wrote_directly: true, ..called },
                DIRECT,
            ),
            (
                "an answer in private to somebody who only wrote in public",
                Occasion { original: Visibility::Direct, ..called },
                Way::NotPrivately,
            ),
        ];
        for (name, occasion, want) in rows {
            assert_eq!(Network::X.allows(&occasion), want, "{name}");
        }
    }

    /// Promise 1, never wider: rules only take away, and on X nothing is public but what was called for.
    #[test]
    fn never_wider_whatever_the_occasion() {
        use Purpose::*;
        use Visibility::{Direct, Followers, Public, Unlisted};
        let purposes =
            [Acknowledgement, Invitation, Interview, Detail, Answer, Thanks, Notice, Ending, Reply, Farewell];
        for network in Network::ALL {
            for purpose in purposes {
                for original in [Direct, Followers, Unlisted, Public] {
                    for bits in 0..8 {
                        let bit = |at: u8| bits & (1 << at) != 0;
                        let occasion = Occasion {
                            purpose,
                            original,
                            to_patron: bit(0),
                            is_called_for: bit(1),
                            wrote_directly: bit(2),
                        };
                        let Way::As(visibility) = network.allows(&occasion) else { continue };
                        let copy = network.copy_visibility(original);
                        assert!(copy.is_some_and(|widest| visibility <= widest), "{network} {occasion:?}");
                        if network == Network::X {
                            assert!(visibility == Direct || occasion.is_called_for, "{occasion:?}");
                            assert!(visibility != Direct || occasion.wrote_directly, "{occasion:?}");
                        }
                    }
                }
            }
        }
    }
}
