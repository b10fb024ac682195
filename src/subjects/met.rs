//! Which numbers were met in one text: a set that is emptied without touching what it holds.
//!
//! It is asked of each term that is found, for nearly every text. With the set of a library, that alone
//! took a sixth of the time of a question with many terms.
//!
//! **Invariant:** no number of an earlier text counts.

/// Numbers that were met since the last [`Met::forget`].
#[derive(Debug, Default)]
pub(super) struct Met {
    /// What was written in another round does not count.
    round: u32,
    /// More than twice as many as there is room for, and a power of 2.
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    round: u32,
    number: u32,
}

impl Met {
    /// Forgets all, and makes room for so many.
    pub(super) fn forget(&mut self, room: usize) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 || self.places.len() <= 2 * room {
            let places = self.places.len().max((2 * room + 1).next_power_of_two());
            self.places.clear();
            self.places.resize(places, Place::default());
            self.round = 1;
        }
    }

    /// Whether a number is met for the first time. There must be room for it.
    pub(super) fn is_new(&mut self, number: u32) -> bool {
        // Numbers of neighbours are spread far: by the golden ratio, as Knuth has it (6.4).
        let mut at = (number.wrapping_mul(0x9e37_79b9) >> 8) as usize;
        for _ in 0..self.places.len() {
            at &= self.places.len() - 1;
            let Some(place) = self.places.get_mut(at) else { break };
            if place.round != self.round {
                *place = Place { round: self.round, number };
                return true;
            }
            if place.number == number {
                return false;
            }
            at += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn it_is_a_set() {
        let mut met = Met::default();
        for round in [3, 50, 0, 1, 7, 2_000, 20] {
            met.forget(2 * round);
            let mut set = HashSet::new();
            let numbers = (0..2 * round as u32).map(|n| n * n % 1_009 * 65_537);
            for number in numbers {
                assert_eq!(met.is_new(number), set.insert(number), "{number} of {round}");
            }
        }
    }

    #[test]
    fn an_old_round_does_not_come_back() {
        let mut met = Met::default();
        met.forget(1);
        assert!(met.is_new(5));
        met.round = u32::MAX;
        met.forget(1);
        assert!(met.is_new(5));
    }
}
