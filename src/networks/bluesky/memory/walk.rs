//! Which page of notifications is to be read next, on the two walks through the list: from the top, and
//! over everything below.
//!
//! **Invariant:** nothing here knows what is on a page but the times of the network at its two ends.

use jiff::{SignedDuration, Timestamp};

use crate::networks::bluesky::memory::before;

/// How far below the newest post known the walk from the top goes.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);

/// How many pages one fetch reads from the top, and how many more below.
pub(super) const TOP_PAGES_MAX: usize = 10;
pub(super) const SWEEP_PAGES_MAX: usize = 2;

/// How often the same page may fail before it is given up: a cursor that a server does not
/// understand is a 502 that never heals.
const PAGE_FAILURES_MAX: u32 = 2;

/// A page to be read.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::networks::bluesky) enum Wanted {
    Top(Option<String>),
    Sweep(String),
}

impl Wanted {
    /// The network's cursor for this page; `None` for the first one.
    pub(in crate::networks::bluesky) fn cursor(&self) -> Option<&str> {
        match self {
            Wanted::Top(cursor) => cursor.as_deref(),
            Wanted::Sweep(cursor) => Some(cursor),
        }
    }
}

/// The times of the newest and the oldest post of a page, by the network's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) newest: Option<Timestamp>,
    pub(super) oldest: Option<Timestamp>,
}

/// Where both walks are.
#[derive(Debug)]
pub(super) struct Walk {
    top: Top,
    /// Where the sweep goes on; `None` between two sweeps.
    sweep: Option<String>,
    /// How often the same page has failed, and whether it failed in this fetch.
    failures: u32,
    page_failed: bool,
    top_pages: usize,
    sweep_pages: usize,
}

/// The walk from the top.
#[derive(Debug)]
enum Top {
    /// It begins, or goes on at a cursor.
    At { next: Option<String>, newest: Option<Timestamp> },
    /// It is down at what was known before.
    Done { newest: Option<Timestamp> },
}

impl Walk {
    pub(super) fn new() -> Walk {
        Walk {
            top: Top::At { next: None, newest: None },
            sweep: None,
            failures: 0,
            page_failed: false,
            top_pages: 0,
            sweep_pages: 0,
        }
    }

    /// Begins both walks anew.
    pub(super) fn start_over(&mut self) {
        self.top = Top::At { next: None, newest: None };
        self.sweep = None;
    }

    /// Begins a fetch, which goes on where the last one ended.
    pub(super) fn begin(&mut self) {
        if let Top::Done { .. } = self.top {
            self.top = Top::At { next: None, newest: None };
        }
        self.page_failed = false;
        (self.top_pages, self.sweep_pages) = (0, 0);
    }

    /// The next page to read in this fetch.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        if self.page_failed {
            return None;
        }
        match (&self.top, &self.sweep) {
            (Top::At { next, .. }, _) => (self.top_pages < TOP_PAGES_MAX).then(|| Wanted::Top(next.clone())),
            (Top::Done { .. }, Some(next)) => {
                (self.sweep_pages < SWEEP_PAGES_MAX).then(|| Wanted::Sweep(next.clone()))
            }
            (Top::Done { .. }, None) => None,
        }
    }

    /// Notes that a page was read, and answers whether it was the last one of the list. `next` is the
    /// network's cursor for the one after it, `known` the time down to which the list was known before.
    pub(super) fn page_taken(
        &mut self,
        wanted: &Wanted,
        ends: Ends,
        next: Option<String>,
        known: Option<Timestamp>,
    ) -> bool {
        self.failures = 0;
        // A server that names the same page again has come to its end.
        let next = next.filter(|next| wanted.cursor() != Some(next));
        let at_end = next.is_none();
        match wanted {
            Wanted::Top(_) => self.top_page_taken(ends, next, known),
            Wanted::Sweep(_) => {
                self.sweep_pages += 1;
                self.sweep = next;
            }
        }
        at_end
    }

    fn top_page_taken(&mut self, ends: Ends, next: Option<String>, known: Option<Timestamp>) {
        self.top_pages += 1;
        let Top::At { newest: so_far, .. } = &self.top else { return };
        let newest = ends.newest.max(*so_far);
        let is_below = |known| ends.oldest.is_some_and(|oldest| oldest < before(known, OVERLAP));
        if !known.is_some_and(is_below) && next.is_some() {
            self.top = Top::At { next, newest };
            return;
        }
        self.top = Top::Done { newest };
        if self.sweep.is_none() {
            self.sweep = next;
        }
    }

    /// Notes that a page could not be read. Nothing more is wanted in this fetch.
    pub(super) fn failed(&mut self, wanted: &Wanted) {
        self.page_failed = true;
        self.failures += 1;
        if self.failures < PAGE_FAILURES_MAX {
            return;
        }
        self.failures = 0;
        match wanted {
            Wanted::Top(_) => self.top = Top::At { next: None, newest: None },
            Wanted::Sweep(_) => self.sweep = None,
        }
    }

    /// Whether a page could not be read in this fetch.
    pub(super) fn has_failed(&self) -> bool {
        self.page_failed
    }

    /// Whether the walk from the top is down at what was known before.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.top, Top::Done { .. })
    }

    /// The time of the newest post that the walk from the top has met.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        match self.top {
            Top::At { newest, .. } | Top::Done { newest } => newest,
        }
    }
}
