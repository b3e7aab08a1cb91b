//! What analytic costs cannot count: factors and overheads that are fitted to measurements.
//!
//! A cost counts instructions, bytes and calls. How far loads hide behind multiply-adds, what the end of a register tile
//! takes, how much of the first-level cache a stream may fill: such terms are properties of a processor's core and of the
//! code generator. `cnnc db fit` finds those under which the choices by estimate are best on what a database has; the
//! values here are for machines without such a fit: those for 512-bit vectors of which one multiply-add is started in a
//! cycle were fitted on Zen 4, those for two on Cascade Lake, those for narrower ones on Zen 3.

mod term;

use term::Core;
pub use term::Term;

/// Terms in whole numbers are so many times as large: targets can be compared and hashed.
const UNIT: f64 = 1e4;

/// The terms of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Calibration([u32; Term::ALL.len()]);

impl Calibration {
    /// Those for vectors of so many lanes of f32, of which so many multiply-adds are started in a cycle.
    pub fn of(lanes: usize, multiply_adds: u32) -> Calibration {
        let core = match (lanes, multiply_adds) {
            (16.., ..=1) => Core::WideOnce,
            (16.., _) => Core::WideTwice,
            _ => Core::Narrow,
        };
        let mut calibration = Calibration([0; Term::ALL.len()]);
        Term::ALL.into_iter().for_each(|term| calibration.set(term, term.usual(core)));
        calibration
    }

    /// The value of a term.
    pub fn get(&self, term: Term) -> f64 {
        f64::from(self.0[term as usize]) / UNIT
    }

    /// Gives a term a value, as far as it can be held: four decimals, and neither negative nor beyond 400,000.
    pub fn set(&mut self, term: Term, value: f64) {
        self.0[term as usize] = (value * UNIT).round() as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_kept_to_four_decimals() {
        let mut calibration = Calibration::of(8, 2);
        for (value, kept) in [(1.3225, 1.3225), (0.00004, 0.0), (-3.0, 0.0), (f64::NAN, 0.0), (1e9, 429_496.729_5)] {
            calibration.set(Term::StrassenTwo, value);
            assert_eq!(calibration.get(Term::StrassenTwo), kept);
        }
        assert_eq!(calibration.get(Term::TiledEnd), Calibration::of(8, 2).get(Term::TiledEnd));
        assert_ne!(Calibration::of(16, 1), Calibration::of(8, 2));
        assert_ne!(Calibration::of(16, 1), Calibration::of(16, 2));
    }
}
