//! What a coordinator can set about the desk's behaviour, checked and ready to use.
//!
//! **Invariant:** plain values only. Where they come from is `config`'s business.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::desk::holidays::Holidays;
use crate::desk::person::Person;
use crate::desk::post::{Account, Network, TextLimits, Visibility};

/// How librarians are invited. All but [`Policy::Waves`] are there to be compared with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// As many at once as it takes for one of them to claim in time, as far as can be told.
    #[default]
    Waves,
    /// Everybody who may be asked, at once.
    Broadcast,
    /// The best one, and the next after [`Settings::ask_next_after`].
    OneAtATime,
    /// [`Settings::invite_at_once`] at a time, whoever was asked longest ago first.
    RoundRobin,
}

impl Policy {
    /// All policies, with their names in `bot.toml`.
    pub const NAMES: [(&'static str, Policy); 4] = [
        ("waves", Policy::Waves),
        ("broadcast", Policy::Broadcast),
        ("one_at_a_time", Policy::OneAtATime),
        ("round_robin", Policy::RoundRobin),
    ];

    /// The policy of this name.
    pub fn named(name: &str) -> Option<Policy> {
        Policy::NAMES.iter().find(|(known, _)| *known == name).map(|(_, policy)| *policy)
    }
}

/// One of the libraries that share a desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    pub id: String,
    /// What people call it.
    pub name: String,
    /// For so long after a question only librarians of its patron's own library are asked.
    pub head_start: SignedDuration,
    /// The holidays of its librarians: its own, and those of the desk.
    pub holidays: Holidays,
}

/// Where questions are published whose patrons agree to it. Nowhere, unless the coordinator says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlets {
    /// The networks on which the desk posts them, on its own timeline or page.
    pub posts: BTreeSet<Network>,
    /// The hashtag of those posts, without `#`.
    pub hashtag: Option<String>,
    /// Whether the desk writes a feed of them.
    pub feed: bool,
}

impl Outlets {
    /// Whether anything is published at all.
    pub fn is_any(&self) -> bool {
        self.feed || !self.posts.is_empty()
    }
}

/// How the desk behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What the desk calls itself.
    pub name: String,
    /// Whom to ask about the desk: shown in help and in the privacy notice.
    pub contact: Option<String>,
    /// The language the desk speaks: a BCP 47 tag.
    pub language: String,
    /// The time zone in which the desk tells people times.
    pub time_zone: TimeZone,
    /// The desk's own account on each network that is in use.
    pub accounts: BTreeMap<Network, Account>,
    /// How long a post may be where a server itself says so, as on Mastodon.
    pub limits: BTreeMap<Network, TextLimits>,
    /// About how long letters wait on a network where there is more to write than it takes.
    pub behind: BTreeMap<Network, SignedDuration>,
    /// How sure the desk has to be of a subject, in per cent, to ask its librarians. Doubtful questions
    /// go to the general desk.
    pub sure_from_percent: u8,
    /// The libraries that share the desk, where they do.
    pub libraries: Vec<Library>,
    /// The holidays of everybody whose library has no others.
    pub holidays: Holidays,
    /// How librarians are invited.
    pub policy: Policy,
    /// How likely, in per cent, one of those invited together shall be to claim the question …
    pub claim_chance_percent: u8,
    /// … within this time.
    pub claim_within: SignedDuration,
    /// How many are invited together at most, however unlikely each of them is to claim.
    pub invite_at_most: usize,
    /// How many invitations a day a librarian gets at most unless they say otherwise.
    pub invitations_per_day: u32,
    /// How many librarians are asked at a time under [`Policy::RoundRobin`].
    pub invite_at_once: usize,
    /// How long they have before the next ones are asked, under any policy but [`Policy::Waves`].
    pub ask_next_after: SignedDuration,
    /// How long a librarian is looked for in all.
    pub give_up_after: SignedDuration,
    /// How long a claimed question may be silent before its owner is reminded.
    pub remind_after: SignedDuration,
    /// How long after the reminder it is given to others.
    pub release_after: SignedDuration,
    /// How long a patron has to reply to a librarian's question.
    pub interview_for: SignedDuration,
    /// How long after the answer a quiet conversation stays open.
    pub close_after: SignedDuration,
    /// How long an ended question is kept before it is erased.
    pub keep_for: SignedDuration,
    /// Whether the rules may learn from public questions whose subject a librarian corrected. Patrons
    /// are told, and can object.
    pub learn_from_questions: bool,
    /// Where questions are published whose patrons agree to it.
    pub outlets: Outlets,
    /// How many open questions a librarian has at most unless they say otherwise.
    pub default_limit: u32,
    /// How many replies to one person the desk makes in an hour.
    pub replies_per_person_hour: usize,
    /// How many letters about one question the desk makes in an hour.
    pub letters_per_question_hour: usize,
    /// A post that mentions more accounts than this, the desk not counted, is no question.
    pub mentions_max: usize,
}

impl Settings {
    /// How long one post may be on a network.
    pub fn limits_on(&self, network: Network, visibility: Visibility) -> TextLimits {
        self.limits.get(&network).copied().unwrap_or_else(|| network.limits(visibility))
    }

    /// The holidays of somebody who may belong to a library.
    pub fn holidays_of(&self, person: &Person) -> &Holidays {
        let of_library =
            person.library.as_ref().and_then(|id| self.libraries.iter().find(|one| one.id == *id));
        of_library.map_or(&self.holidays, |library| &library.holidays)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            name: "the reference desk".to_owned(),
            contact: None,
            language: "en".to_owned(),
            time_zone: TimeZone::UTC,
            accounts: BTreeMap::new(),
            limits: BTreeMap::new(),
            behind: BTreeMap::new(),
            sure_from_percent: 20,
            libraries: Vec::new(),
            holidays: Holidays::default(),
            policy: Policy::Waves,
            claim_chance_percent: 80,
            claim_within: SignedDuration::from_mins(10),
            invite_at_most: 20,
            invitations_per_day: 1,
            invite_at_once: 2,
            ask_next_after: SignedDuration::from_mins(10),
            give_up_after: SignedDuration::from_hours(48),
            remind_after: SignedDuration::from_hours(12),
            release_after: SignedDuration::from_hours(6),
            interview_for: SignedDuration::from_hours(72),
            close_after: SignedDuration::from_hours(72),
            keep_for: SignedDuration::from_hours(30 * 24),
            learn_from_questions: false,
            outlets: Outlets::default(),
            default_limit: 3,
            replies_per_person_hour: 20,
            letters_per_question_hour: 40,
            mentions_max: 5,
        }
    }
}
