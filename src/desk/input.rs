//! Everything that can happen to the desk, as one closed set.
//!
//! **Invariant:** nothing changes the desk but an [`Input`]: a post, a timer that fires, what became
//! of a letter, a coordinator's wish. Each has an id, so that it takes effect once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::ids::{Code, InputId};
use crate::desk::letter::{Letter, Refusal};
use crate::desk::outlets::Verdict;
use crate::desk::person::Hours;
use crate::desk::post::{Account, AccountId, Place, Post, PostId};
use crate::desk::question::Reason;
use crate::subjects::SubjectId;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Somebody wrote.
    Post(Box<Post>),
    /// Somebody wrote, not to the desk, with a hashtag to which it listens. `address` is where people read
    /// the post.
    Overheard { post: Box<Post>, address: String },
    /// The time came that a question's timer named.
    Timer { code: Code, reason: Reason, at: Timestamp },
    /// Somebody edited a post of theirs, at this time. The post is as it is now.
    Edited { post: Box<Post>, at: Timestamp },
    /// Somebody deleted a post of theirs, or lets the desk not see it any more.
    Gone { post: PostId },
    /// A network confirmed a letter.
    Delivered { letter: Box<Letter>, place: Place },
    /// A network will not take a letter.
    Refused { letter: Box<Letter>, why: Refusal },
    /// The coordinator wants something. `id` is new for each wish.
    Coordinator { id: String, action: Action },
}

/// What a coordinator can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Prepare a librarian's entry. They are asked nothing before they say `join` themselves.
    AddLibrarian {
        account: Account,
        subjects: Vec<SubjectId>,
        hours: Vec<Hours>,
        languages: Vec<String>,
        limit: Option<u32>,
        /// The id of the library they belong to, where the desk serves several.
        #[serde(default)]
        library: Option<String>,
        /// Set only when importing an exported roster: when this librarian opted in.
        opted_in_at: Option<Timestamp>,
    },
    /// Ask this librarian nothing until then; `None` ends the pause.
    PauseLibrarian { account: AccountId, until: Option<Timestamp> },
    /// Take a librarian off the roster and give back what they had.
    RemoveLibrarian { account: AccountId },
    /// End a question, telling its patron.
    CloseQuestion { code: Code },
    /// Take a held post for a question after all.
    ReleaseQuestion { code: Code },
    /// Offer a question to one librarian.
    ReassignQuestion { code: Code, to: AccountId },
    /// Pass on, or put aside, what a stranger offered as an answer to a published question.
    JudgeOffer { code: Code, number: u32, verdict: Verdict },
}

impl Input {
    /// The account whose entry and questions this may change, if it is somebody's.
    pub(crate) fn whose(&self) -> Option<&AccountId> {
        match self {
            Input::Post(post) | Input::Overheard { post, .. } | Input::Edited { post, .. } => {
                Some(&post.author.id)
            }
            Input::Timer { .. } | Input::Gone { .. } => None,
            Input::Delivered { letter, .. } | Input::Refused { letter, .. } => Some(&letter.to.id),
            Input::Coordinator { action, .. } => match action {
                Action::AddLibrarian { account, .. } => Some(&account.id),
                Action::PauseLibrarian { account, .. } | Action::RemoveLibrarian { account } => Some(account),
                Action::CloseQuestion { .. } | Action::ReleaseQuestion { .. } | Action::JudgeOffer { .. } => {
                    None
                }
                Action::ReassignQuestion { to, .. } => Some(to),
            },
        }
    }

    /// What makes this input the same when it comes again.
    pub fn id(&self) -> InputId {
        match self {
            Input::Post(post) => InputId::of_post(&post.id()),
            Input::Overheard { post, .. } => InputId::of_overheard(&post.id()),
            Input::Edited { post, at } => InputId::of_edit(&post.id(), *at),
            Input::Gone { post } => InputId::of_deletion(post),
            Input::Timer { code, reason, at } => {
                InputId::new("timer", format_args!("{code}:{}:{}", reason.name(), at.as_millisecond()))
            }
            Input::Delivered { letter, .. } => InputId::new("delivered", &letter.id),
            Input::Refused { letter, .. } => InputId::new("refused", &letter.id),
            Input::Coordinator { id, .. } => InputId::new("coordinator", id),
        }
    }
}
