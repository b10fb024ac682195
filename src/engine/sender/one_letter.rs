//! Sending one letter: a last look at whether it is wanted, the claim, the call, and what came of it.
//!
//! **Invariant:** nothing leaves this computer before its claim is stored.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, warn};

use crate::desk::letter::{Content, Delivery, Purpose, Refusal};
use crate::desk::{Input, Letter, Place, ReplyTo, outbox};
use crate::engine::sender::order::BACKLOG_MAX;
use crate::engine::sender::outcome::{Next, after_look, after_previous, after_send, tries};
use crate::engine::sender::weather::{Weather, weather};
use crate::engine::sender::{CALL_TIME_MAX, Sender};
use crate::engine::{Handled, backoff, revisit};
use crate::networks::{Failure, Outgoing};
use crate::store::StoreError;

/// A letter that could not be sent for so long is given up: its words are about the past.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The longest rest before the limits of a network are looked at anew.
const HOLD_MAX: Duration = Duration::from_secs(60);

impl Sender<'_> {
    /// One letter: a last look at whether it is wanted, then a call, then what comes of it.
    pub(super) async fn one(self, letter: Letter, delivery: Delivery) -> Result<Weather, Held> {
        let now = (self.clock)();
        let may_have_arrived = match delivery {
            Delivery::Unsure { .. } => true,
            Delivery::Waiting { .. } => false,
            Delivery::Claimed { .. } | Delivery::Sent { .. } | Delivery::Refused { .. } => {
                return Ok(Weather::Fair);
            }
        };
        if !may_have_arrived {
            if let Some(wait) = self.connector.hold(&letter, now) {
                return self.held_back(letter, &delivery, wait, now).await;
            }
            // Trouble with that is no reason to keep an answer back; being told to wait is.
            if let Err(Failure::Later { after }) = self.looks_at_question(&letter).await {
                return Ok(Weather::Rest(after.min(backoff::LONGEST)));
            }
        }
        if !may_have_arrived && let Some(why) = self.unwanted(&letter, now)? {
            return self.settle(letter, &delivery, Next::GiveUp(why)).await.map(|()| Weather::Fair);
        }
        let reply_to = match self.reply_to(&letter, now)? {
            Ok(place) => place,
            Err(next) => {
                let held = matches!(next, Next::Keep(_));
                self.settle(letter, &delivery, next).await?;
                return if held { Err(Held::ByAnother) } else { Ok(Weather::Fair) };
            }
        };
        let outgoing = Outgoing { letter, reply_to };
        let (delivery, next, weather) = if may_have_arrived {
            let found = timed(self.connector.look(&outgoing)).await;
            let weather = weather(found.as_ref().err());
            let next = after_look(found, &delivery, (self.clock)());
            (delivery, next, weather)
        } else if self.looks_first(&outgoing.letter, &delivery, now)
            && let found @ (Ok(Some(_)) | Err(_)) = timed(self.connector.look(&outgoing)).await
        {
            let weather = weather(found.as_ref().err());
            let next = match found {
                // It was not known to be there, and could not be looked for: it stays as it is.
                Err(Failure::Refused(_) | Failure::Transient(_) | Failure::Unsure(_)) => {
                    let wait = backoff::wait(tries(&delivery), now);
                    Next::Keep(Delivery::Waiting {
                        not_before: backoff::after(now, wait),
                        tries: tries(&delivery),
                    })
                }
                found => after_look(found, &delivery, now),
            };
            (delivery, next, weather)
        } else {
            let claimed = self.claim(&outgoing.letter, &delivery, now).await?;
            let sent = timed(self.connector.send(&outgoing)).await;
            let weather = weather(sent.as_ref().err());
            let repeats = self.repeats(&outgoing.letter, &claimed, now);
            let next = after_send(sent, &claimed, repeats, (self.clock)());
            (claimed, next, weather)
        };
        self.settle(outgoing.letter, &delivery, next).await?;
        Ok(weather)
    }

    /// Looks at a question's post once more before its answer goes out: it may be gone.
    async fn looks_at_question(self, letter: &Letter) -> Result<(), Failure> {
        if !matches!(letter.purpose, Purpose::Answer | Purpose::Interview) || !self.connector.can_revisit() {
            return Ok(());
        }
        let question =
            letter.about.as_ref().and_then(|code| self.engine.store().question(code).ok().flatten());
        let asked = question.and_then(|question| revisit::asked_at(&question, self.connector.network()));
        match asked {
            Some(post) => revisit::look_at(self.engine, self.connector, &post).await,
            None => Ok(()),
        }
    }

    /// A letter that the network's limits keep back. Posts wait together; a deletion waits by itself, so
    /// that it keeps no answer back.
    async fn held_back(
        self,
        letter: Letter,
        delivery: &Delivery,
        wait: Duration,
        now: Timestamp,
    ) -> Result<Weather, Held> {
        if matches!(letter.content, Content::Post { .. }) {
            let waiting = self.engine.store().outbox(self.connector.network(), now, BACKLOG_MAX)?;
            self.tell_behind(waiting.len(), now);
            return Ok(Weather::Rest(wait.min(HOLD_MAX)));
        }
        let not_before = backoff::after(now, wait);
        let later = Next::Keep(Delivery::Waiting { not_before, tries: tries(delivery) });
        self.settle(letter, delivery, later).await?;
        Ok(Weather::Fair)
    }

    /// Notes durably that the letter is in hand, before anything leaves this computer.
    async fn claim(self, letter: &Letter, from: &Delivery, now: Timestamp) -> Result<Delivery, Held> {
        let claimed = Delivery::Claimed { at: now, tries: tries(from) };
        let ours = self.engine.deliver(&letter.id, from, claimed.clone()).await?;
        if ours { Ok(claimed) } else { Err(Held::ByAnother) }
    }

    /// Why the letter is not to be sent any more, if so.
    fn unwanted(self, letter: &Letter, now: Timestamp) -> Result<Option<Refusal>, Held> {
        let store = self.engine.store();
        let question = letter.about.as_ref().map(|code| store.question(code)).transpose()?.flatten();
        let person = store.person(&letter.to.id)?;
        let settings = self.engine.settings();
        if let Some(why) = outbox::unwanted(letter, question.as_ref(), person.as_ref(), &settings, now) {
            return Ok(Some(why));
        }
        let deletion = match letter.content {
            Content::Post { .. } => false,
            // However late, what a person wanted deleted is deleted.
            Content::Delete { .. } => true,
        };
        if !deletion && letter.made_at.duration_until(now) > AGE_MAX {
            let network = letter.network.name();
            warn!(network, letter = %letter.id, "A letter could not be sent for a week and was given up");
            return Ok(Some(Refusal::Outdated));
        }
        Ok(None)
    }

    /// The place the letter replies to, or what to do where there is none yet or never will be.
    fn reply_to(self, letter: &Letter, now: Timestamp) -> Result<Result<Option<Place>, Next>, Held> {
        let previous = match &letter.content {
            Content::Delete { .. } | Content::Post { reply_to: None, .. } => return Ok(Ok(None)),
            Content::Post { reply_to: Some(ReplyTo::Post(place)), .. } => return Ok(Ok(Some(place.clone()))),
            Content::Post { reply_to: Some(ReplyTo::Letter(previous)), .. } => previous,
        };
        let before = self.engine.store().letter(previous)?;
        Ok(after_previous(before.map(|(_, delivery)| delivery), now))
    }

    /// Writes down what came of a letter.
    async fn settle(self, letter: Letter, from: &Delivery, next: Next) -> Result<(), Held> {
        let id = letter.id.clone();
        let (input, settled) = match next {
            Next::Keep(to) => {
                self.engine.deliver(&id, from, to).await?;
                return Ok(());
            }
            Next::Delivered(place) => {
                debug!(network = letter.network.name(), letter = %id, "Sent a letter");
                let settled = Delivery::Sent { place: place.clone(), at: (self.clock)() };
                (Input::Delivered { letter: Box::new(letter), place }, settled)
            }
            Next::GiveUp(why) => {
                report_refusal(&letter, why);
                let settled = Delivery::Refused { why, at: (self.clock)() };
                (Input::Refused { letter: Box::new(letter), why }, settled)
            }
        };
        let handled = self.engine.handle_at(input, (self.clock)()).await;
        if let Ok(Handled::Done(_)) = handled {
            return Ok(());
        }
        // Whatever kept the core from taking note of it, the letter itself must be settled.
        if let Err(error) = handled {
            warn!(%error, "What became of a letter could not be noted with its question: {error}");
        }
        self.engine.deliver(&id, from, settled).await?;
        Ok(())
    }
}

/// Why a letter stays where it is although it was due.
#[derive(Debug)]
pub(super) enum Held {
    /// Another letter has to be sent first, or somebody else has taken it.
    ByAnother,
    ByDesk(StoreError),
}

impl From<StoreError> for Held {
    fn from(error: StoreError) -> Held {
        Held::ByDesk(error)
    }
}

fn report_refusal(letter: &Letter, why: Refusal) {
    let (network, purpose) = (letter.network.name(), letter.purpose);
    match why {
        Refusal::Outdated | Refusal::OffDuty => debug!(network, ?purpose, "A letter was no longer wanted"),
        Refusal::Rejected | Refusal::Unreachable | Refusal::ChainBroken | Refusal::NotPrivate => warn!(
            network,
            ?purpose,
            ?why,
            letter = %letter.id,
            "A letter on {network} will not be sent; see `stumper questions show` for the question it is about"
        ),
    }
}

/// The call's result; one that takes too long may still have an effect.
async fn timed<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(CALL_TIME_MAX, call).await.unwrap_or(Err(Failure::Unsure("no answer in time")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::clock;
    use crate::desk::{Confidential, Network, Settings, Visibility};
    use crate::engine::{Engine, start};
    use crate::networks::Connector;
    use crate::networks::sandbox::{self, Handle, Sandbox, Saying};
    use crate::store::Store;
    use crate::subjects::Subjects;

    /// What became of the desk's letter to a newcomer after a crash: how many posts of the desk there
    /// are, and how the letter ended.
    async fn after_a_crash(lost_after: LostAfter) -> (usize, Delivery) {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Arc::new(Sandbox::open(&folder.path().join("posts"), "desk").unwrap());
        let engine = Arc::new(Engine::new(Store::memory(), Subjects::default(), Settings::default()));
        let connector = Arc::new(Connector::Sandbox(sandbox::Connector::new(sandbox.clone())));
        engine.set_account(connector.connect().await.unwrap());
        let now = clock::now();
        sandbox.say(saying("nina", "@desk help"), now).await.unwrap();
        let posts = connector.fetch(None).await.unwrap().posts;
        for post in posts {
            engine.handle(Input::Post(Box::new(post))).await.unwrap();
        }
        let (letter, waiting) = engine.store().outbox(Network::Sandbox, clock::now(), 1).unwrap().remove(0);
        let long_ago = now.checked_sub(SignedDuration::from_mins(10)).unwrap();
        let claimed = Delivery::Claimed { at: long_ago, tries: 0 };
        match lost_after {
            LostAfter::Deciding => {}
            LostAfter::Claiming => {
                engine.store().deliver(&letter.id, &waiting, claimed).await.unwrap();
            }
            LostAfter::Sending => {
                engine.store().deliver(&letter.id, &waiting, claimed).await.unwrap();
                let Content::Post { reply_to: Some(ReplyTo::Post(place)), .. } = &letter.content else {
                    panic!("help is a reply");
                };
                let reply_to = Some(place.clone());
                connector.send(&Outgoing { letter: letter.clone(), reply_to }).await.unwrap();
            }
        }

        let mut changes = engine.changes();
        let running = start(&engine, vec![connector], folder.path().to_owned());
        let settled = async {
            loop {
                let (_, delivery) = engine.store().letter(&letter.id).unwrap().unwrap();
                if delivery.is_settled() {
                    return delivery;
                }
                changes.changed().await.unwrap();
            }
        };
        let delivery = tokio::time::timeout(Duration::from_secs(30), settled).await.unwrap();
        running.stop().await;
        let posts = sandbox.posts();
        let by_desk = posts.iter().filter(|entry| match entry {
            sandbox::Entry::Post(post) => post.author == *sandbox.desk(),
            sandbox::Entry::Gone(_) => false,
        });
        (by_desk.count(), delivery)
    }

    /// When the process ended.
    #[derive(Clone, Copy, Debug)]
    enum LostAfter {
        Deciding,
        Claiming,
        Sending,
    }

    fn saying(author: &str, text: &str) -> Saying {
        Saying {
            author: Handle::parse(author).unwrap(),
            text: Confidential::new(text),
            visibility: Visibility::Public,
            to: BTreeSet::new(),
            in_reply_to: None,
            language: None,
            key: None,
        }
    }

    #[tokio::test]
    async fn once_a_letter_is_posted_once_wherever_a_crash_cut_in() {
        for lost_after in [LostAfter::Deciding, LostAfter::Claiming, LostAfter::Sending] {
            let (posts, delivery) = after_a_crash(lost_after).await;
            assert_eq!(posts, 1, "{lost_after:?}");
            assert!(matches!(delivery, Delivery::Sent { .. }), "{lost_after:?}: {delivery:?}");
        }
    }
}
