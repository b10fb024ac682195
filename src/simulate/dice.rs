//! Chance that can be repeated: the same seed gives the same throws on every machine.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
//! OOPSLA 2014). Each thing that happens by chance has a stream of its own, named by what it is about. So a
//! librarian reacts to a question in the same way whatever else the desk did, and policies are compared
//! under the same luck.
//!
//! **Invariant:** no throw depends on the platform: integers, the four operations and square roots of IEEE
//! 754, and the `libm` crate's logarithms, which are the same code everywhere.

/// What a stream of throws is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Who there is.
    Librarian,
    /// When questions come, from whom, about what.
    Questions,
    /// What a librarian does with an invitation.
    Reaction,
    /// What a patron does.
    Patron,
    /// What the networks do with a letter.
    Sending,
    /// What the networks do with a post to the desk.
    Receiving,
}

/// One stream of throws.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// The stream about one thing, which is named by up to two numbers.
    pub(crate) fn of(seed: u64, stream: Stream, one: u64, other: u64) -> Dice {
        let mut dice = Dice { state: seed };
        for part in [stream as u64, one, other] {
            dice.state = dice.next() ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        }
        dice
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to and without 1.
    pub(crate) fn share(&mut self) -> f64 {
        // 53 bits are what a float holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        self.share() < chance
    }

    /// A whole number below `count`, which is not 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let wide = u128::from(self.next()) * count as u128;
        (wide >> 64) as usize
    }

    /// Waiting times without memory, with this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.share())
    }

    /// Times as people take them: half are below `median`; `spread` is the standard deviation of their
    /// logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        let (radius, angle) = (1.0 - self.share(), self.share());
        let normal = libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * std::f64::consts::PI * angle);
        median * libm::exp(spread * normal)
    }

    /// The place of one of several weights, each as likely as it is heavy.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let total: f64 = weights.clone().sum();
        let mut left = self.share() * total;
        let mut last = 0;
        for (at, weight) in weights.enumerate() {
            if left < weight {
                return at;
            }
            left -= weight;
            last = at;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_are_the_same_everywhere() {
        let mut dice = Dice { state: 1_234_567 };
        // The first numbers of the published generator from this state.
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
        let mut dice = Dice::of(7, Stream::Reaction, 3, 4);
        let drawn = [dice.share(), dice.exponential(1.0), dice.log_normal(1.0, 1.0)].map(f64::to_bits);
        assert_eq!(drawn, DRAWN);
    }

    /// Bits, so that the smallest difference between machines is seen.
    const DRAWN: [u64; 3] = [4_595_602_478_584_793_904, 4_603_758_833_454_054_489, 4_606_532_808_608_391_138];

    #[test]
    fn throws_have_the_moments_they_should() {
        let mut dice = Dice::of(1, Stream::Questions, 0, 0);
        let many = 100_000;
        let mean = |throw: &mut dyn FnMut() -> f64| (0..many).map(|_| throw()).sum::<f64>() / f64::from(many);
        assert!((mean(&mut || dice.share()) - 0.5).abs() < 0.01);
        assert!((mean(&mut || dice.exponential(3.0)) - 3.0).abs() < 0.05);
        assert!((mean(&mut || f64::from(u8::from(dice.log_normal(5.0, 1.5) < 5.0))) - 0.5).abs() < 0.01);
        assert!((mean(&mut || dice.below(7) as f64) - 3.0).abs() < 0.03);
        let thirds = mean(&mut || dice.weighted([1.0, 2.0].into_iter()) as f64);
        assert!((thirds - 2.0 / 3.0).abs() < 0.01);
    }
}
