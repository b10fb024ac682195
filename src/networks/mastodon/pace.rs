//! Staying within the limits of a server: those it announces, and those it says are nearly used up.
//!
//! **Invariant:** in no stretch of time as long as a limit's is more begun than the limit allows, and
//! sending never uses up what listening needs. Nothing here reads a clock.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::networks::http::Budget;

/// So much in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: usize,
    pub within: SignedDuration,
}

/// What a server allows an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of any kind.
    pub requests: Rate,
    pub posts: Rate,
    pub deletions: Rate,
}

/// What Mastodon allows. Other servers are no stricter as far as is known, and say so where they are.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            requests: Rate { count: 300, within: SignedDuration::from_mins(5) },
            posts: Rate { count: 300, within: SignedDuration::from_hours(3) },
            deletions: Rate { count: 30, within: SignedDuration::from_mins(30) },
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Listening,
    /// Looking at single posts and accounts, for the sake of sending.
    Looking,
    Posting,
    Deleting,
}

/// What was asked of a server lately.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    requests: VecDeque<Timestamp>,
    posts: VecDeque<Timestamp>,
    deletions: VecDeque<Timestamp>,
    /// What the server says is left: of requests, of posts, of deletions.
    requests_left: Left,
    posts_left: Left,
    deletions_left: Left,
}

/// What is left of a limit that a server tells of.
#[derive(Debug, Default)]
struct Left {
    /// How many more may be begun before the time, and the time; `None` where nothing is known.
    told: Option<(u32, Timestamp)>,
    /// How many were begun of which no answer has come yet.
    in_flight: u32,
}

impl Left {
    /// When the next one may be begun.
    fn free_at(&self) -> Option<Timestamp> {
        self.told.filter(|(remaining, _)| *remaining == 0).map(|(_, until)| until)
    }

    fn begin(&mut self, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.told = self.told.filter(|(_, until)| now < *until);
        if let Some((remaining, _)) = &mut self.told {
            *remaining = remaining.saturating_sub(1);
        }
    }

    /// An answer says what was left when it was made. Those in flight may not be counted in it.
    fn take(&mut self, remaining: u32, until: Timestamp) {
        let remaining = remaining.saturating_sub(self.in_flight);
        // Answers overtake each other: what is known of the same stretch of time only grows less.
        let is_same = |known: Timestamp| known.duration_until(until).abs() <= SAME_TIME;
        let known = self.told.filter(|(_, known)| is_same(*known));
        self.told =
            Some(known.map_or((remaining, until), |(known, at)| (known.min(remaining), at.max(until))));
    }
}

/// Times of one reset differ by so much at most, however they are rounded.
const SAME_TIME: SignedDuration = SignedDuration::from_millis(1_500);

impl Pace {
    pub(super) fn new(limits: Limits) -> Pace {
        Pace {
            limits,
            requests: VecDeque::new(),
            posts: VecDeque::new(),
            deletions: VecDeque::new(),
            requests_left: Left::default(),
            posts_left: Left::default(),
            deletions_left: Left::default(),
        }
    }

    /// How long a request of this kind has to wait; `None` where it may be made now.
    pub(super) fn wait(&self, kind: Kind, now: Timestamp) -> Option<Duration> {
        let Limits { requests, posts, deletions } = self.limits;
        // A sixth of all requests is kept for listening.
        let for_sending = Rate { count: requests.count - requests.count / 6, ..requests };
        let free = match kind {
            Kind::Listening => free_at(&self.requests, requests),
            Kind::Looking => free_at(&self.requests, for_sending),
            Kind::Posting => {
                let free = free_at(&self.requests, for_sending).max(free_at(&self.posts, posts));
                free.max(self.posts_left.free_at())
            }
            Kind::Deleting => {
                let free = free_at(&self.requests, for_sending).max(free_at(&self.deletions, deletions));
                free.max(self.deletions_left.free_at())
            }
        };
        let free = free.max(self.requests_left.free_at())?;
        (now < free).then(|| Duration::try_from(now.duration_until(free)).unwrap_or_default())
    }

    /// Notes that a request is made now.
    pub(super) fn begin(&mut self, kind: Kind, now: Timestamp) {
        let Limits { requests, posts, deletions } = self.limits;
        note(&mut self.requests, requests, now);
        self.requests_left.begin(now);
        match kind {
            Kind::Posting => self.posts_left.begin(now),
            Kind::Deleting => self.deletions_left.begin(now),
            Kind::Listening | Kind::Looking => {}
        }
        match kind {
            Kind::Posting => note(&mut self.posts, posts, now),
            Kind::Deleting => note(&mut self.deletions, deletions, now),
            Kind::Listening | Kind::Looking => {}
        }
    }

    /// Notes that a request has ended, one way or another.
    pub(super) fn end(&mut self, kind: Kind) {
        let one_less = |left: &mut Left| left.in_flight = left.in_flight.saturating_sub(1);
        one_less(&mut self.requests_left);
        match kind {
            Kind::Posting => one_less(&mut self.posts_left),
            Kind::Deleting => one_less(&mut self.deletions_left),
            Kind::Listening | Kind::Looking => {}
        }
    }

    /// Notes what an answer says is left, once its request has ended. Servers tell only of the limit that
    /// is nearest, so that an answer to a post is taken to be about posts.
    pub(super) fn told(&mut self, kind: Kind, budget: Budget, now: Timestamp) {
        let resets_in = SignedDuration::try_from(budget.resets_in).unwrap_or(SignedDuration::from_hours(1));
        let until = now.checked_add(resets_in).unwrap_or(Timestamp::MAX);
        let left = match kind {
            Kind::Listening | Kind::Looking => &mut self.requests_left,
            Kind::Posting => &mut self.posts_left,
            Kind::Deleting => &mut self.deletions_left,
        };
        left.take(budget.remaining, until);
    }
}

/// When the next one may be begun, from those that were begun.
fn free_at(begun: &VecDeque<Timestamp>, rate: Rate) -> Option<Timestamp> {
    let first_that_counts = begun.len().checked_sub(rate.count)?;
    begun.get(first_that_counts)?.checked_add(rate.within).ok()
}

fn note(begun: &mut VecDeque<Timestamp>, rate: Rate, now: Timestamp) {
    begun.push_back(now);
    while begun.len() > rate.count {
        begun.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// Does as much as may be done, for so long, and says when each was begun.
    fn flood(pace: &mut Pace, kind: Kind, seconds: i64) -> Vec<i64> {
        let mut begun = Vec::new();
        for second in 0..seconds {
            while pace.wait(kind, at(second)).is_none() {
                pace.begin(kind, at(second));
                begun.push(second);
            }
        }
        begun
    }

    fn most_within(begun: &[i64], within: i64) -> usize {
        let count =
            |from: &i64| begun.iter().filter(|second| (*from..*from + within).contains(*second)).count();
        begun.iter().map(count).max().unwrap_or(0)
    }

    #[test]
    fn a_flood_of_letters_stays_within_the_announced_limits() {
        let mut pace = Pace::new(Limits::default());
        let posts = flood(&mut pace, Kind::Posting, 9 * 3_600 + 1);
        assert_eq!(most_within(&posts, 3 * 3_600), 300);
        assert_eq!(most_within(&posts, 300), 250, "a sixth of the requests is left for listening");
        assert!(posts.len() >= 900, "nothing is held back longer than it must be: {}", posts.len());
        let mut pace = Pace::new(Limits::default());
        let deletions = flood(&mut pace, Kind::Deleting, 2 * 3_600);
        assert_eq!(most_within(&deletions, 1_800), 30);
        assert_eq!(deletions.len(), 120);
    }

    #[test]
    fn deletions_and_posts_do_not_wait_for_each_other() {
        let mut pace = Pace::new(Limits::default());
        flood(&mut pace, Kind::Deleting, 1);
        assert_eq!(pace.wait(Kind::Deleting, at(0)).unwrap().as_secs(), 1_800);
        assert_eq!(pace.wait(Kind::Posting, at(0)), None);
        assert_eq!(pace.wait(Kind::Listening, at(0)), None);
    }

    #[test]
    fn a_server_that_says_nothing_is_left_is_believed() {
        let mut pace = Pace::new(Limits::default());
        let budget = |remaining| Budget { remaining, resets_in: Duration::from_secs(90) };
        pace.told(Kind::Posting, budget(1), at(0));
        assert_eq!(pace.wait(Kind::Posting, at(0)), None);
        pace.told(Kind::Posting, budget(0), at(0));
        assert_eq!(pace.wait(Kind::Posting, at(0)), Some(Duration::from_secs(90)));
        assert_eq!(pace.wait(Kind::Listening, at(0)), None);
        pace.told(Kind::Listening, budget(0), at(0));
        assert_eq!(pace.wait(Kind::Listening, at(10)), Some(Duration::from_secs(80)));
        assert_eq!(pace.wait(Kind::Posting, at(90)), None);
    }

    #[test]
    fn requests_in_flight_count_before_their_answers_come() {
        let mut pace = Pace::new(Limits::default());
        let budget = |remaining| Budget { remaining, resets_in: Duration::from_secs(90) };
        for _ in 0..3 {
            pace.begin(Kind::Posting, at(0));
        }
        pace.end(Kind::Posting);
        // Two are on their way, and three are left: so one more may go.
        pace.told(Kind::Posting, budget(3), at(0));
        assert_eq!(pace.wait(Kind::Posting, at(0)), None);
        pace.begin(Kind::Posting, at(0));
        assert!(pace.wait(Kind::Posting, at(0)).is_some());
        for remaining in [2, 1, 0] {
            pace.end(Kind::Posting);
            pace.told(Kind::Posting, budget(remaining), at(0));
            assert!(pace.wait(Kind::Posting, at(1)).is_some(), "late answers open nothing again");
        }
        assert_eq!(pace.wait(Kind::Posting, at(91)), None);
    }
}
