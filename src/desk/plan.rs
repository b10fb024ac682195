//! How many librarians are asked next, and how long it is until more are, by the desk's policy.
//!
//! **Invariant:** nothing is decided here about who they are, and there always is a time for the next.

use jiff::SignedDuration;

use crate::desk::draft::Draft;
use crate::desk::escalation::{LOOK_AGAIN_AFTER, circumstances, waiting_invitations};
use crate::desk::ids::Code;
use crate::desk::question::{Fate, Question, Rung};
use crate::desk::routing::{self, Found};
use crate::desk::settings::Policy;
use crate::desk::waves::{self, Waiting};

/// Why more librarians are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A librarian is looked for, for the first time or again.
    Begin,
    /// Somebody who was asked declined.
    Declined,
    /// Those asked had their time.
    TimePassed,
    /// A librarian named another subject, whose librarians are asked in any case.
    HandedOn,
}

/// How many of those found are invited now, by the desk's policy, and how likely it is under
/// [`Policy::Waves`] that one of all who think about it then claims in time.
pub(crate) fn how_many(
    draft: &Draft<'_>,
    question: &Question,
    found: &Found,
    occasion: Occasion,
) -> (usize, f64) {
    let settings = draft.view.settings;
    let waiting = waiting_invitations(draft, &question.code);
    let missing = |wanted: usize| match occasion {
        Occasion::Begin | Occasion::Declined => wanted.saturating_sub(waiting),
        Occasion::TimePassed => wanted,
        Occasion::HandedOn => wanted.saturating_sub(waiting).max(1),
    };
    match settings.policy {
        Policy::Waves => {
            let at_least = match occasion {
                Occasion::Begin | Occasion::Declined => usize::from(waiting == 0),
                Occasion::TimePassed | Occasion::HandedOn => 1,
            };
            let silent =
                waves::silence(&still_waiting(draft, question), &circumstances(draft), SignedDuration::ZERO);
            let chances = found.ready.iter().map(|candidate| candidate.chance);
            let is_anybodys = question.subjects.is_empty()
                && found.ready.first().is_none_or(|first| first.rung == Rung::Generalists);
            let most = match occasion {
                Occasion::Begin if is_anybodys => waves::WITHOUT_SUBJECT,
                Occasion::Begin | Occasion::HandedOn => settings.invite_at_most,
                Occasion::Declined => 1,
                Occasion::TimePassed => waves::LATER,
            };
            waves::enough(chances.take(most.max(at_least)), silent, at_least, settings)
        }
        Policy::Broadcast => (found.ready.len(), 0.0),
        Policy::OneAtATime => (missing(1), 0.0),
        Policy::RoundRobin => (missing(settings.invite_at_once), 0.0),
    }
}

/// How long it is until more are asked.
pub(crate) fn wait_for_next(draft: &Draft<'_>, code: &Code, found: &Found) -> SignedDuration {
    let settings = draft.view.settings;
    let question = draft.question(code);
    let wait = match question.map(|question| (question, still_waiting(draft, question))) {
        None => LOOK_AGAIN_AFTER,
        // There is nobody for whom to hurry: people join and become free without a timer of their own.
        Some((_, waiting)) if waiting.is_empty() || found.ready.is_empty() => LOOK_AGAIN_AFTER,
        Some((question, waiting)) => match settings.policy {
            Policy::Waves => {
                let mut ready = found.ready.iter();
                let next = ready.find(|candidate| question.invitation(&candidate.librarian.id).is_none());
                // Where nobody is left of these, others may be as likely as anybody.
                waves::wait(&waiting, next.map_or(1.0, |next| next.chance), &circumstances(draft))
            }
            Policy::Broadcast | Policy::OneAtATime | Policy::RoundRobin => settings.ask_next_after,
        },
    };
    let start = found.next_start.map_or(wait, |start| start.duration_since(draft.now));
    wait.min(start).max(SignedDuration::from_secs(1))
}

/// Those who were asked and have not said anything yet, as far as they are still librarians.
fn still_waiting<'d>(draft: &'d Draft<'_>, question: &Question) -> Vec<Waiting<'d>> {
    let waiting = question.invitations.iter().filter(|invitation| invitation.fate == Fate::Waiting);
    let known = waiting.filter_map(|invitation| {
        let librarian = draft.person(&invitation.librarian.id)?.librarian.as_ref()?;
        let subject = routing::subject_asked(&invitation.why);
        Some(Waiting { librarian, subject, sent_at: invitation.sent_at })
    });
    known.collect()
}
