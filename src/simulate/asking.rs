//! Patrons: when they ask, about what, and how long they wait.
//!
//! **Invariant:** what is asked depends on the population and the seed alone, so that all policies are asked
//! the same questions at the same times.

use std::ops::Range;

use jiff::Timestamp;

use crate::desk::{Account, Network, Place, Visibility};
use crate::simulate::dice::{Dice, Stream};
use crate::simulate::people::{self, DAY, HOUR, Millis, People};
use crate::simulate::population::Population;
use crate::simulate::reacting::Doing;

/// One question of a world, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Millis,
    pub(crate) patron: Account,
    /// Whether the patron is an automaton that answers every letter.
    pub(crate) is_echo: bool,
    /// The place of the subject that the patron means.
    pub(crate) about: usize,
    /// The same, where their words tell it; `None` as long as nobody can tell it from them.
    pub(crate) subject: Option<usize>,
    pub(crate) visibility: Visibility,
    /// The post that asks it, once it was written.
    pub(crate) place: Option<Place>,
    /// Whether it belongs to the days that count.
    pub(crate) counts: bool,
    /// When the first answer was there for the patron to see.
    pub(crate) answered_at: Option<Millis>,
    /// How many librarians were invited.
    pub(crate) invitations: u32,
    /// How many of them outside their hours.
    pub(crate) outside_hours: u32,
    /// How many letters the automaton has answered.
    pub(crate) echoes: u32,
}

/// All questions of a world, in the order in which they are asked.
pub(crate) fn questions(
    population: &Population,
    people: &People,
    seed: u64,
    span: Range<Millis>,
    counted_from: Millis,
) -> Vec<Asked> {
    let patrons = &population.patrons;
    let mut dice = Dice::of(seed, Stream::Questions, 0, 0);
    let most = patrons.hours.iter().copied().fold(0.0, f64::max);
    let mean = patrons.hours.iter().sum::<f64>() / patrons.hours.len() as f64;
    // Questions come as often as in the busiest hour, and are thinned out for the others.
    let per_day = patrons.questions_per_day * population.scale * most / mean;
    let mut found = Vec::new();
    let mut at = span.start;
    loop {
        at = at.saturating_add(dice.exponential(DAY as f64 / per_day) as Millis + 1);
        if span.end <= at {
            return found;
        }
        let zone = people.zones.get(dice.weighted(people.zones.iter().map(|(_, weight)| *weight)));
        let hour = zone.zip(Timestamp::from_millisecond(at).ok());
        let hour = hour.map_or(0, |((zone, _), at)| zone.to_datetime(at).hour());
        let weight = patrons.hours.get(usize::from(hour.unsigned_abs())).copied().unwrap_or_default();
        if !dice.happens(weight / most) {
            continue;
        }
        found.push(question(population, people, &mut dice, at, counted_from <= at));
    }
}

fn question(population: &Population, people: &People, dice: &mut Dice, at: Millis, counts: bool) -> Asked {
    let patrons = &population.patrons;
    let number = dice.below(population.scaled(patrons.count));
    let is_echo = dice.happens(patrons.bots);
    let librarian = people.librarians.get(dice.below(people.librarians.len().max(1)));
    let librarian = librarian.filter(|_| dice.happens(patrons.librarians_ask));
    let name = if is_echo { format!("echo{number}") } else { format!("patron{number}") };
    let patron = people::account(Network::Sandbox.name(), &name);
    let patron = librarian.map_or(patron, |librarian| librarian.account.clone());
    let subject = dice.weighted(people.weights.iter().copied());
    let is_unclear = dice.happens(population.subjects.unclear);
    let may_be_private = patron.id.network.copy_visibility(Visibility::Direct).is_some();
    let is_private = dice.happens(patrons.private) && may_be_private;
    Asked {
        at,
        patron,
        is_echo,
        about: subject,
        subject: Some(subject).filter(|_| !is_unclear),
        visibility: if is_private { Visibility::Direct } else { Visibility::Public },
        place: None,
        counts,
        answered_at: None,
        invitations: 0,
        outside_hours: 0,
        echoes: 0,
    }
}

/// What is asked. The mark at its end tells any copy of it from all others.
pub(crate) fn text(question: &Asked, place: usize) -> String {
    match question.subject.map(people::term) {
        Some(term) => format!("Which book about {term} is the best for a beginner? {}", mark(place)),
        None => format!("Which book of those is the best for a beginner? {}", mark(place)),
    }
}

/// What is asked after an edit: the same, under a mark of its own.
pub(crate) fn edited(question: &Asked, place: usize) -> String {
    let (old, new) = (mark(place), format!("§{place}e§"));
    text(question, place).replace(&old, &format!("I mean the newer ones. {new}"))
}

/// The mark of the question at this place.
pub(crate) fn mark(place: usize) -> String {
    format!("§{place}§")
}

/// What this patron wants after all, and when after asking, in milliseconds, if anything.
pub(crate) fn second_thought(population: &Population, seed: u64, place: usize) -> Option<(Doing, f64)> {
    let mut dice = Dice::of(seed, Stream::Patron, place as u64, 3);
    let wait = dice.exponential(HOUR);
    let what = [Doing::Edit, Doing::Delete, Doing::ForgetMe].get(dice.below(3)).copied()?;
    dice.happens(population.patrons.second_thoughts).then_some((what, wait))
}

/// How long this patron waits before taking the question back, in milliseconds, if they do.
pub(crate) fn patience(population: &Population, seed: u64, place: usize) -> Option<f64> {
    let mut dice = Dice::of(seed, Stream::Patron, place as u64, 0);
    let wait = dice.log_normal(population.patrons.patience_hours * HOUR, 0.5);
    dice.happens(population.patrons.impatient).then_some(wait)
}
