//! Scales: which values an axis spans, where they stand on it, and which of them it names.

/// What an axis spans, from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// Values beyond these are drawn at them on a logarithmic scale.
const TINIEST: f64 = 1e-30;
const HUGEST: f64 = 1e30;

impl Scale {
    /// From 0 to a little more than the largest of some values.
    pub fn from_zero(values: impl IntoIterator<Item = f64>) -> Scale {
        let high = values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
        Scale { low: 0.0, high: if high > 0.0 { high * 1.04 } else { 1.0 }, logarithmic: false }
    }

    /// Around some values, which may be far from 0.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, high) = extent(values.into_iter().filter(|v| v.is_finite())).unwrap_or((0.0, 1.0));
        let margin = if high > low { (high - low) * 0.06 } else { high.abs().max(1e-12) * 0.1 };
        // What is never negative has no axis below 0.
        let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        Scale { low: (low - margin).max(floor), high: high + margin, logarithmic: false }
    }

    /// Around some values on a logarithmic scale; those that are not positive have no place on it.
    pub fn logarithmic(values: impl IntoIterator<Item = f64>) -> Scale {
        let positive = values.into_iter().filter(|v| *v > 0.0 && v.is_finite()).map(|v| v.clamp(TINIEST, HUGEST));
        let (low, high) = extent(positive).unwrap_or((1.0, 10.0));
        // A twentieth of the axis at each end, and at least a tenth of the value.
        let margin = (high / low).powf(0.05).max(1.1);
        Scale { low: low / margin, high: high * margin, logarithmic: true }
    }

    /// The least value.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The largest value.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Where a value stands: 0 at the low end, 1 at the high one; what lies outside stands at the end.
    pub fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(TINIEST) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// Round values to be named, about so many and never more than twice as many, in ascending order.
    pub fn ticks(&self, about: usize) -> Vec<f64> {
        let about = about.max(2);
        if self.is_even() {
            return self.even_ticks(about);
        }
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = (self.high / self.low).log10();
        let mantissas: &[f64] = match about as f64 / decades {
            room if room >= 5.0 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            room if room >= 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let step = (decades / about as f64).ceil().max(1.0) as usize;
        let exponents = (first..=last).filter(|k| k.rem_euclid(step as i32) == 0);
        let all = exponents.flat_map(|k| mantissas.iter().map(move |m| m * 10f64.powi(k)));
        all.filter(|v| (self.low..=self.high).contains(v)).collect()
    }

    /// Names of ticks: at even steps all with as many decimals as tell them apart, else each as short as it is.
    pub fn names(&self, ticks: &[f64]) -> Vec<String> {
        let largest = ticks.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let least = ticks.iter().filter(|v| **v != 0.0).fold(f64::INFINITY, |m, v| m.min(v.abs()));
        if largest >= 1e6 || least < 1e-4 {
            return ticks.iter().map(|v| if *v == 0.0 { "0".into() } else { exponential(*v) }).collect();
        }
        let short: Vec<String> = ticks.iter().map(|v| shortest(*v)).collect();
        if !self.is_even() {
            return short;
        }
        let decimals = short.iter().map(|name| name.split_once('.').map_or(0, |(_, d)| d.len())).max().unwrap_or(0);
        ticks.iter().map(|v| format!("{v:.decimals$}")).collect()
    }

    /// Whether ticks stand at even steps: a logarithmic scale of a small range is nearly even, too.
    fn is_even(&self) -> bool {
        !self.logarithmic || self.high / self.low < 4.0
    }

    /// Ticks at even steps of 1, 2 or 5 times a power of ten.
    fn even_ticks(&self, about: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / about as f64;
        let power = 10f64.powi(rough.log10().floor() as i32);
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|step| *step >= rough * 0.8);
        let Some(step) = step.filter(|step| step.is_normal()) else { return vec![] };
        let first = (self.low / step).ceil();
        let ticks = (0..=2 * about).map(|k| (first + k as f64) * step);
        ticks.take_while(|v| *v <= self.high + step * 1e-9).collect()
    }
}

/// Least and largest.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |found, v| match found {
        None => Some((v, v)),
        Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
    })
}

/// `2e-7`, `1.5e-7`.
fn exponential(value: f64) -> String {
    let text = format!("{value:.1e}");
    text.replace(".0e", "e")
}

/// A tick without what rounding has left.
fn shortest(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_order_and_within() {
        let linear = Scale::linear([2.0, 4.0, f64::NAN, f64::INFINITY]);
        assert!(linear.low() < 2.0 && linear.high() > 4.0 && linear.low() > 1.8);
        assert!((linear.share(3.0) - 0.5).abs() < 1e-12);
        let log = Scale::logarithmic([1e-7, 1e-5, 0.0, -3.0]);
        assert!((log.share(1e-6) - 0.5).abs() < 1e-12);
        assert_eq!((log.share(0.0), log.share(-1.0), log.share(1e9), log.share(f64::NAN)), (0.0, 0.0, 1.0, 0.0));
        assert_eq!(Scale::from_zero([0.0, 10.0]).low(), 0.0);
        assert_eq!(Scale::linear([0.0, 1.0]).low(), 0.0);
    }

    #[test]
    fn ticks_are_round() {
        let named = |scale: Scale, about| scale.names(&scale.ticks(about));
        assert_eq!(Scale::from_zero([10.0]).ticks(5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(named(Scale::linear([0.42, 0.58]), 5), ["0.45", "0.50", "0.55"]);
        assert_eq!(named(Scale::logarithmic([1e-7, 5e-6]), 6), ["1e-7", "2e-7", "5e-7", "1e-6", "2e-6", "5e-6"]);
        let tenths = ["0.3", "0.5", "0.7", "1", "1.5", "2", "3", "5", "7", "10"];
        assert_eq!(named(Scale::logarithmic([0.3, 9.0]), 10), tenths);
        assert_eq!(named(Scale::logarithmic([0.5, 600.0]), 5), ["1", "10", "100"]);
    }

    #[test]
    fn no_range_breaks_them() {
        let numbers = [0.0, 1e-300, 5e-324, 1e-12, 1.0, 1.0 + 1e-15, 1e12, 1e300, f64::MAX, f64::NAN, -1.0];
        for a in numbers {
            for b in numbers {
                let scales = [Scale::linear([a, b]), Scale::logarithmic([a, b]), Scale::from_zero([a, b])];
                for scale in scales {
                    let ticks = scale.ticks(6);
                    assert!(ticks.len() <= 13, "{a} {b} {scale:?} {ticks:?}");
                    assert!(ticks.is_sorted(), "{a} {b} {ticks:?}");
                    assert_eq!(scale.names(&ticks).len(), ticks.len());
                    for v in [a, b] {
                        assert!((0.0..=1.0).contains(&scale.share(v)), "{a} {b} {v}");
                    }
                }
            }
        }
        assert!(!Scale::linear([]).ticks(5).is_empty() && !Scale::logarithmic([]).ticks(5).is_empty());
    }
}
