//! One question, from the mention that brought it to its end.
//!
//! **Invariant:** [`State::after`] is the only place that knows which transitions are legal, and a
//! question that is not at its end always has a timer or an owner ([`Question::is_looked_after`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::ids::{Code, InputId, LetterId};
use crate::desk::outlets::Publicity;
use crate::desk::person::Level;
use crate::desk::post::{Account, AccountId, Confidential, Place, PostId, Visibility};
use crate::subjects::{Kind, SubjectId};

/// A reference question and all that the desk remembers of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub code: Code,
    /// How often this question was stored; 0 for one that never was. A step made from an older
    /// version is answered *stale* by the store.
    pub version: u64,
    pub patron: Account,
    /// Who may see the question. No copy is ever visible to more.
    pub visibility: Visibility,
    /// The language the question is written in, where known.
    pub language: Option<String>,
    /// What was asked, with the details that came later, each on its own paragraph.
    pub text: Confidential,
    /// The warning above the patron's first post: copies and replies carry it too.
    #[serde(default)]
    pub warning: Option<Confidential>,
    /// The patron's posts that `text` is made of, in its order.
    #[serde(default)]
    pub said: Vec<Piece>,
    /// Whether its patron deleted the post that asked it, so that every copy goes as well.
    #[serde(default)]
    pub gone: bool,
    /// The patron's latest post: where the next reply to them attaches.
    pub place: Place,
    pub asked_at: Timestamp,
    pub state: State,
    /// The subjects it was found to belong to, best first, with the evidence.
    pub subjects: Vec<FoundSubject>,
    /// What a librarian said about its subject, where the rules were wrong.
    #[serde(default)]
    pub correction: Option<Correction>,
    /// Whether the rules may learn from its text: its patron was told so when they asked, and has not
    /// objected. See [`Question::teaches`] for all that it takes.
    #[serde(default)]
    pub learnable: bool,
    /// Which circle of librarians is being asked now.
    pub rung: Rung,
    /// Everybody who was asked, in the order of asking.
    pub invitations: Vec<Invitation>,
    /// What is to happen at which time unless something else happens first.
    pub timers: BTreeMap<Reason, Timestamp>,
    /// Posts by the desk about this question that are on a network, so that they can be deleted.
    pub posts: Vec<DeskPost>,
    /// Whether it is published for everybody, and what strangers offered.
    #[serde(default)]
    pub publicity: Publicity,
    /// The post of the patron's that the desk replied to last, on networks that let it reply to each
    /// post once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replied_to: Option<PostId>,
    /// When the desk wrote about this question within the last hour, for the cap on loops.
    pub recent_letters: Vec<Timestamp>,
    /// Librarians who are never asked this: their patron blocked them. See [`AccountId::digest`].
    #[serde(default)]
    pub blocked: BTreeSet<String>,
    /// When its patron needs the answer, where they said so: the end of that day.
    #[serde(default)]
    pub need_by: Option<Timestamp>,
    /// The librarian its patron asked for by name.
    #[serde(default)]
    pub asked_for: Option<AccountId>,
    /// How much work it seems to be.
    #[serde(default)]
    pub level: Option<Level>,
    /// The library of its patron, by its id.
    #[serde(default)]
    pub library: Option<String>,
    /// It never leaves that library.
    #[serde(default)]
    pub only_library: bool,
    /// What the patron was told last about how far the search has come.
    #[serde(default)]
    pub told: Told,
}

/// How far the search for a librarian has come, as the patron knows it. Each is higher than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    #[default]
    Specialists,
    Generalists,
    /// The daily list for librarians who like hard ones.
    Digest,
    /// The coordinator sees it as a stumper.
    Coordinator,
}

impl Question {
    /// A public question that somebody asked, for which nothing was done yet.
    pub fn new(
        code: Code,
        patron: Account,
        place: Place,
        text: Confidential,
        asked_at: Timestamp,
    ) -> Question {
        Question {
            code,
            version: 0,
            patron,
            visibility: Visibility::Public,
            language: None,
            text,
            warning: None,
            said: Vec::new(),
            gone: false,
            place,
            asked_at,
            state: State::Seeking,
            subjects: Vec::new(),
            correction: None,
            learnable: false,
            rung: Rung::Specialists,
            invitations: Vec::new(),
            timers: Default::default(),
            posts: Vec::new(),
            publicity: Default::default(),
            replied_to: None,
            recent_letters: Vec::new(),
            blocked: Default::default(),
            need_by: None,
            asked_for: None,
            level: None,
            library: None,
            only_library: false,
            told: Default::default(),
        }
    }

    /// The librarian who has taken it, if somebody has.
    pub fn owner(&self) -> Option<&AccountId> {
        match &self.state {
            State::Claimed { by } | State::Interview { by } | State::Answered { by } => Some(by),
            State::Seeking | State::Closed | State::Unanswered | State::Withdrawn | State::Held { .. } => {
                None
            }
        }
    }

    /// The newest invitation to this account.
    pub fn invitation(&self, librarian: &AccountId) -> Option<&Invitation> {
        self.invitations.iter().rev().find(|invitation| invitation.librarian.id == *librarian)
    }

    /// For sorting: what is needed first comes first, then what has no day, the oldest first.
    pub fn in_order_of_need(&self) -> (Timestamp, Timestamp) {
        (self.need_by.unwrap_or(Timestamp::MAX), self.asked_at)
    }

    /// Whether it has ended, or somebody or some timer will move it on.
    pub fn is_looked_after(&self) -> bool {
        self.state.is_final() || !self.timers.is_empty() || self.owner().is_some()
    }

    /// The subject that the rules may learn from its text: a librarian named it, the patron was told
    /// and has not objected, nobody took the question back, and everything in it was said in public.
    pub fn teaches(&self) -> Option<&SubjectId> {
        let is_offered = self.learnable && self.visibility == Visibility::Public;
        let correction = self.correction.as_ref().filter(|_| is_offered && self.state != State::Withdrawn)?;
        Some(&correction.to)
    }

    /// Whether nothing of it goes on: it has ended, and nothing of it is published either.
    pub fn is_over(&self) -> bool {
        self.state.is_final() && self.publicity.published.is_none()
    }

    /// Whether this account has a part in it: as its patron or as somebody who was asked.
    pub fn involves(&self, account: &AccountId) -> bool {
        self.patron.id == *account || self.invitation(account).is_some()
    }
}

/// One of the patron's posts, as a part of a question's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    pub post: PostId,
    /// How much of the text it is, in bytes. Pieces are separated by an empty line.
    pub bytes: usize,
}

/// Where a question stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum State {
    /// A librarian is being looked for.
    Seeking,
    /// A librarian works on it.
    Claimed { by: AccountId },
    /// The librarian asked the patron something (the reference interview) and waits for the reply.
    Interview { by: AccountId },
    /// The patron has an answer; thanks and follow-ups are still welcome.
    Answered { by: AccountId },
    /// Answered and at its end.
    Closed,
    /// Nobody was found, and the patron was told so. An answer may still come late.
    Unanswered,
    /// The patron or the coordinator took it back.
    Withdrawn,
    /// It seems to be no question, and waits for the coordinator to look at it. Nobody was told.
    Held {
        /// What it seems to be.
        kind: Kind,
        /// What speaks for that, the most telling first; never the author's words.
        because: Vec<String>,
        /// How many more of its author's posts were only counted.
        more: u32,
    },
}

/// What can happen to a question's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A librarian takes it.
    Claim { by: AccountId },
    /// The owner lets it go: by passing, referring, leaving, or not being heard of.
    Release,
    /// The owner asks the patron something.
    Ask,
    /// The patron replied to the owner's question.
    Reply,
    /// A librarian answers, claiming it by that where nobody had.
    Answer { by: AccountId },
    /// The conversation is over.
    Close,
    /// Nobody was found.
    GiveUp,
    /// The patron or the coordinator takes it back.
    Withdraw,
    /// The coordinator finds that a held post is a question.
    Admit,
    /// The patron says that the answer did not solve it.
    Reopen,
}

impl State {
    /// The state after `event`, or `None` where the event is not possible. This is the whole table
    /// of legal transitions.
    pub fn after(&self, event: Event) -> Option<State> {
        use State::{Answered, Claimed, Closed, Held, Interview, Seeking, Unanswered, Withdrawn};
        match (self, event) {
            (Seeking | Unanswered, Event::Claim { by }) => Some(Claimed { by }),
            (Claimed { .. } | Interview { .. }, Event::Release) => Some(Seeking),
            (Claimed { by } | Interview { by } | Answered { by }, Event::Ask) => {
                Some(Interview { by: by.clone() })
            }
            (Interview { by }, Event::Reply) => Some(Claimed { by: by.clone() }),
            (Seeking | Unanswered, Event::Answer { by }) => Some(Answered { by }),
            (Claimed { by } | Interview { by } | Answered { by }, Event::Answer { by: who }) => {
                (*by == who).then(|| Answered { by: by.clone() })
            }
            (Answered { .. }, Event::Close) => Some(Closed),
            (Seeking, Event::GiveUp) => Some(Unanswered),
            (Seeking | Claimed { .. } | Interview { .. } | Unanswered | Held { .. }, Event::Withdraw) => {
                Some(Withdrawn)
            }
            (Answered { .. }, Event::Withdraw) => Some(Closed),
            (Held { .. }, Event::Admit) => Some(Seeking),
            (Answered { .. } | Closed, Event::Reopen) => Some(Seeking),
            (Closed | Withdrawn | Held { .. }, _) => None,
            (_, Event::Claim { .. } | Event::Release | Event::Ask | Event::Reply) => None,
            (_, Event::Close | Event::GiveUp | Event::Admit | Event::Reopen) => None,
        }
    }

    /// Whether nothing more is going to happen unless somebody speaks.
    pub fn is_final(&self) -> bool {
        match self {
            State::Closed | State::Unanswered | State::Withdrawn => true,
            State::Seeking
            | State::Claimed { .. }
            | State::Interview { .. }
            | State::Answered { .. }
            | State::Held { .. } => false,
        }
    }

    /// Whether it waits for the coordinator to see whether it is a question at all.
    pub fn is_held(&self) -> bool {
        matches!(self, State::Held { .. })
    }

    /// Puts another account in the owner's place; for striking out somebody who is to be forgotten.
    pub fn rename_owner(&mut self, from: &AccountId, to: &AccountId) {
        match self {
            State::Claimed { by } | State::Interview { by } | State::Answered { by } => {
                if by == from {
                    *by = to.clone();
                }
            }
            State::Seeking | State::Closed | State::Unanswered | State::Withdrawn | State::Held { .. } => {}
        }
    }

    /// The word for it in commands and pages.
    pub fn word(&self) -> &'static str {
        match self {
            State::Seeking => "seeking",
            State::Claimed { .. } => "claimed",
            State::Interview { .. } => "interview",
            State::Answered { .. } => "answered",
            State::Closed => "closed",
            State::Unanswered => "unanswered",
            State::Withdrawn => "withdrawn",
            State::Held { .. } => "held",
        }
    }
}

/// Why the desk will look at a question again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody claimed it in time: ask the next librarians.
    AskNext,
    /// It is a stumper: list it in the daily digest.
    Digest,
    /// It has been looked for long enough: tell the patron honestly.
    GiveUp,
    /// The owner has been silent: remind them before letting go.
    RemindOwner,
    /// The owner stayed silent: let go and ask others.
    ReleaseClaim,
    /// The patron did not reply to the interview: close with a word.
    InterviewOver,
    /// The answered conversation has been quiet: close it.
    CloseQuiet,
    /// The time for which closed questions and held posts are kept is over: erase it.
    Erase,
}

impl Reason {
    /// The name used in stored keys.
    pub fn name(self) -> &'static str {
        match self {
            Reason::AskNext => "ask_next",
            Reason::Digest => "digest",
            Reason::GiveUp => "give_up",
            Reason::RemindOwner => "remind_owner",
            Reason::ReleaseClaim => "release_claim",
            Reason::InterviewOver => "interview_over",
            Reason::CloseQuiet => "close_quiet",
            Reason::Erase => "erase",
        }
    }
}

/// A subject a question was found to belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundSubject {
    pub subject: SubjectId,
    /// From 0 to 1.
    pub confidence: f64,
    /// The terms of its rule file that matched, as the rule file writes them.
    pub because: Vec<String>,
}

/// A librarian's word that a question belongs to another subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    pub to: SubjectId,
    /// What the rules had found.
    pub from: Vec<FoundSubject>,
    pub by: Account,
    pub at: Timestamp,
}

/// Which circle of librarians is being asked. Each circle is wider than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Librarians of the question's own subjects.
    Specialists,
    /// Librarians of the parent subjects.
    Parents,
    /// Librarians of subjects beside or below the question's own.
    Neighbours,
    /// Librarians who take any question.
    Generalists,
    /// Whoever speaks its language, where that is one without rules.
    Speakers,
}

/// One re-post of the question to one librarian.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    pub librarian: Account,
    /// The first letter of the re-post.
    pub letter: LetterId,
    pub sent_at: Timestamp,
    pub fate: Fate,
    /// The narrowest that the librarian or the desk wrote about it: what follows is no wider.
    pub visibility: Visibility,
    /// Why this librarian: which subject they opted in to.
    pub why: Why,
    /// The librarian's latest post about it, or the invitation itself: where a word to them attaches.
    pub place: Option<Place>,
    /// They said `wrong subject`, and the desk waits to hear which one it is.
    #[serde(default)]
    pub asked_subject: bool,
    /// They were asked in a direct message.
    #[serde(default)]
    pub privately: bool,
    /// Their record knows already that they left it unanswered.
    #[serde(default)]
    pub counted: bool,
    /// How likely, in per cent, they were to claim it in time when they were asked; 0 where it was not
    /// the odds that chose them.
    #[serde(default)]
    pub chance: u8,
    /// How likely all who were being asked then were together.
    #[serde(default)]
    pub together: u8,
}

impl Invitation {
    /// A re-post that is in the outbox now.
    pub fn new(
        librarian: Account,
        letter: LetterId,
        sent_at: Timestamp,
        visibility: Visibility,
        why: Why,
    ) -> Invitation {
        Invitation {
            librarian,
            letter,
            sent_at,
            fate: Fate::Waiting,
            visibility,
            why,
            place: None,
            asked_subject: false,
            privately: false,
            counted: false,
            chance: 0,
            together: 0,
        }
    }
}

/// A post by the desk that is on a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeskPost {
    pub post: PostId,
    pub to: AccountId,
    /// Whose words it carries, where they are not the desk's own.
    pub words_of: Option<AccountId>,
}

/// What became of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Waiting,
    Claimed,
    Passed,
    /// They referred it to a colleague or to another subject.
    Referred,
    /// They answered, and the patron said that it did not solve it.
    NotSolved,
    /// They said that it is of another subject. The desk had been wrong to ask them.
    Misdirected,
    /// Somebody else took the question, or time passed.
    Lapsed,
    /// The invitation could not be delivered.
    Undelivered,
}

/// Why a librarian was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Why {
    /// They opted in to this subject of the question.
    Subject { subject: SubjectId },
    /// They opted in to the parent of a subject of the question.
    Parent { subject: SubjectId },
    /// They opted in to a subject beside or below one of the question's.
    Neighbour { subject: SubjectId },
    /// They take any question.
    Generalist,
    /// They speak the question's language, in which no subject has terms. A code such as `is`.
    Language { language: String },
    /// A colleague referred it to them.
    Referred,
    /// The coordinator gave it to them.
    Assigned,
    /// The patron asked for them by name.
    ByName,
    /// They took it from the daily list of stumpers.
    Digest,
}

/// One line of a question's history: what happened, never anybody's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub code: Code,
    pub at: Timestamp,
    /// The input that caused it.
    pub input: InputId,
    /// What happened, in words that name no patron and quote nobody.
    pub what: String,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rung::Specialists => "specialists",
            Rung::Parents => "librarians of the wider subject",
            Rung::Neighbours => "librarians of near subjects",
            Rung::Generalists => "generalists",
            Rung::Speakers => "librarians who speak its language",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::post::Network;

    fn who(name: &str) -> AccountId {
        AccountId::new(Network::Sandbox, name)
    }

    /// The whole table: what each event makes of each state; `·` where it is not possible.
    #[test]
    fn the_table_of_legal_transitions() {
        let (clio, otto) = (who("clio"), who("otto"));
        let by = || clio.clone();
        let states = [
            State::Seeking,
            State::Claimed { by: by() },
            State::Interview { by: by() },
            State::Answered { by: by() },
            State::Closed,
            State::Unanswered,
            State::Withdrawn,
            State::Held { kind: Kind::Spam, because: Vec::new(), more: 0 },
        ];
        let events = [
            ("claim", Event::Claim { by: by() }),
            ("release", Event::Release),
            ("ask", Event::Ask),
            ("reply", Event::Reply),
            ("answer", Event::Answer { by: by() }),
            ("other's answer", Event::Answer { by: otto }),
            ("close", Event::Close),
            ("give up", Event::GiveUp),
            ("withdraw", Event::Withdraw),
            ("admit", Event::Admit),
            ("not solved", Event::Reopen),
        ];
        let mut table = String::new();
        for (name, event) in &events {
            let after =
                states.iter().map(|state| state.after(event.clone()).map_or("·", |state| state.word()));
            table.push_str(&format!(
                "{name:15}{}\n",
                after.map(|word| format!("{word:11}")).collect::<String>().trim_end()
            ));
        }
        let head: String = states.iter().map(|state| format!("{:11}", state.word())).collect();
        insta::assert_snapshot!(format!("{:15}{}\n{table}", "", head.trim_end()), @r"
                       seeking    claimed    interview  answered   closed     unanswered withdrawn  held
        claim          claimed    ·          ·          ·          ·          claimed    ·          ·
        release        ·          seeking    seeking    ·          ·          ·          ·          ·
        ask            ·          interview  interview  interview  ·          ·          ·          ·
        reply          ·          ·          claimed    ·          ·          ·          ·          ·
        answer         answered   answered   answered   answered   ·          answered   ·          ·
        other's answer answered   ·          ·          ·          ·          answered   ·          ·
        close          ·          ·          ·          closed     ·          ·          ·          ·
        give up        unanswered ·          ·          ·          ·          ·          ·          ·
        withdraw       withdrawn  withdrawn  withdrawn  closed     ·          withdrawn  ·          withdrawn
        admit          ·          ·          ·          ·          ·          ·          ·          seeking
        not solved     ·          ·          ·          seeking    seeking    ·          ·          ·
        ");
    }
}
