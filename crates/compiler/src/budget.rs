//! Error budgets: how much of the network's error bound each layer may use.
//!
//! An algorithm declares the error of a layer relative to the layer's largest result element. Roundings of different
//! layers are independent, so their errors add up as roots of sums of squares; what follows a layer passes on its
//! relative error about as it is. The one constant, [`ROOM`], is calibrated by `cnnc check` over the zoo
//! (`bench-results/errors.md`).
//!
//! The choice knows only the result, a limit of declared error for each node, and this file knows only pairs of error
//! and time, so either can change without the other.

/// Error on a network's outputs over the root of the sum of the layers' squared declared errors. Of 29 networks 25 show
/// less (most below 0.05): a declared error is that of the worst element of the worst input. The four others, up to 1.8,
/// put large sums through sigmoids or exponentials, which magnifies what any layer rounds: with direct convolutions
/// alone their errors are as large.
const ROOM: f64 = 0.25;

/// A way to compute a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alternative {
    /// Declared error relative to the largest element of the result.
    pub error: f64,
    /// Estimated seconds.
    pub seconds: f64,
}

/// The error to be expected on a network's outputs, relative to the largest one, from its layers' declared errors.
pub fn network_error(layers: impl IntoIterator<Item = f64>) -> f64 {
    ROOM * layers.into_iter().map(|error| error * error).sum::<f64>().sqrt()
}

/// The largest declared error that each node may have for the network to keep the bound; nodes without alternatives
/// are unlimited. The fastest alternatives are the start; the node that loses least time for the error that it gives up
/// steps down to a smaller one, until the bound holds.
///
/// # Errors
/// Where the bound is below what the most exact alternatives reach: that floor.
pub fn limits(nodes: &[Vec<Alternative>], bound: f64) -> Result<Vec<f64>, f64> {
    let mut ladders: Vec<Vec<Alternative>> = nodes.iter().map(|alternatives| ladder(alternatives)).collect();
    let floor = network_error(ladders.iter().filter_map(|l| l.last()).map(|a| a.error));
    if floor > bound {
        return Err(floor);
    }
    while network_error(ladders.iter().filter_map(|l| l.first()).map(|a| a.error)) > bound {
        let rate = |ladder: &[Alternative]| match ladder {
            [now, next, ..] => {
                Some((now.error.powi(2) - next.error.powi(2)) / (next.seconds - now.seconds).max(f64::MIN_POSITIVE))
            }
            _ => None,
        };
        let rates = ladders.iter().enumerate().filter_map(|(k, ladder)| Some((rate(ladder)?, k)));
        // The first among equals, so that the result depends on nothing but the network.
        let Some((_, worst)) = rates.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))) else { break };
        ladders[worst].remove(0);
    }
    Ok(ladders.iter().map(|ladder| ladder.first().map_or(f64::INFINITY, |a| a.error)).collect())
}

/// A bound of two digits that is not below the floor, for messages.
pub fn two_digits_up(floor: f64) -> f64 {
    let unit = 10f64.powf(floor.log10().floor() - 1.0);
    if floor > 0.0 && floor.is_finite() { (floor / unit).ceil() * unit } else { floor }
}

/// The alternatives worth having, from the fastest to the most exact: each next one is slower and more exact.
fn ladder(alternatives: &[Alternative]) -> Vec<Alternative> {
    let mut sorted = alternatives.to_vec();
    sorted.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.error.total_cmp(&b.error)));
    let mut steps: Vec<Alternative> = vec![];
    for alternative in sorted {
        if steps.last().is_none_or(|last| alternative.error < last.error) {
            steps.push(alternative);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(pairs: &[(f64, f64)]) -> Vec<Alternative> {
        pairs.iter().map(|&(error, seconds)| Alternative { error, seconds }).collect()
    }

    #[test]
    fn the_cheapest_step_down_is_taken_first() {
        // Equal errors to give up; the second node loses least time by it. The slower and less exact one is never used.
        let nodes = [node(&[(1e-4, 1.0), (1e-6, 3.0)]), node(&[(1e-4, 1.0), (1e-6, 1.5), (1e-5, 9.0)]), vec![]];
        assert_eq!(limits(&nodes, ROOM * 2e-4), Ok(vec![1e-4, 1e-4, f64::INFINITY]));
        assert_eq!(limits(&nodes, ROOM * 1.2e-4), Ok(vec![1e-4, 1e-6, f64::INFINITY]));
        assert_eq!(limits(&nodes, ROOM * 2e-6), Ok(vec![1e-6, 1e-6, f64::INFINITY]));
    }

    #[test]
    fn every_bound_that_is_given_limits_for_is_kept() {
        let ladder = [(3e-5, 1.0), (1e-5, 1.2), (2e-6, 1.9), (4e-7, 2.0)];
        let nodes: Vec<_> = (0..20).map(|k| node(&ladder[k % 4..])).collect();
        for bound in [1e-3, 1e-4, 5e-5, 1e-5, 3e-6] {
            let limits = limits(&nodes, bound).unwrap();
            assert!(network_error(limits.iter().copied()) <= bound);
        }
    }

    #[test]
    fn a_bound_below_the_floor_is_refused_with_the_floor() {
        let nodes = [node(&[(3e-6, 1.0), (1e-4, 0.5)]), node(&[(4e-6, 1.0)])];
        let floor = limits(&nodes, 1e-6).unwrap_err();
        assert!((floor / (ROOM * 5e-6) - 1.0).abs() < 1e-12, "{floor}");
        assert_eq!(format!("{:.1e} {:.1e}", two_digits_up(8.61e-7), two_digits_up(9.99e-6)), "8.7e-7 1.0e-5");
    }
}
