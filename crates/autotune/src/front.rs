//! Fronts of two costs, and trades along many of them.

/// The candidates that no other one beats in both costs, the fastest first: indices into `points`, pairs of time and
/// size.
pub fn pareto(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| {
        let ((time_a, size_a), (time_b, size_b)) = (points[a], points[b]);
        time_a.total_cmp(&time_b).then(size_a.total_cmp(&size_b)).then(a.cmp(&b))
    });
    let mut front: Vec<usize> = vec![];
    for k in order {
        if front.last().is_none_or(|&last| points[k].1 < points[last].1) {
            front.push(k);
        }
    }
    front
}

/// Of a front, what lies on its lower convex hull: where each step saves size for less time than the next one.
pub fn hull(points: &[(f64, f64)], front: &[usize]) -> Vec<usize> {
    let mut hull: Vec<usize> = vec![];
    for &k in front {
        while let [.., before, last] = hull[..]
            && rate(points[before], points[last]) >= rate(points[last], points[k])
        {
            hull.pop();
        }
        hull.push(k);
    }
    hull
}

/// Time lost for each unit of size saved.
fn rate(from: (f64, f64), to: (f64, f64)) -> f64 {
    (to.0 - from.0) / (from.1 - to.1)
}

/// One trade: a layer takes another of its candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trade {
    /// Which layer.
    pub layer: usize,
    /// The candidate from here on.
    pub candidate: usize,
    /// Time of all layers together after it.
    pub time: f64,
    /// Size of all layers together after it.
    pub size: f64,
}

/// From the fastest candidate of each layer to the smallest, always by the trade that loses least time for the size it
/// saves. Each layer is a list of times and sizes, none of them empty. Returns time and size at the start, and the trades.
pub fn trades(layers: &[Vec<(f64, f64)>]) -> ((f64, f64), Vec<Trade>) {
    let hulls: Vec<Vec<usize>> = layers.iter().map(|points| hull(points, &pareto(points))).collect();
    let (mut time, mut size) = (0.0, 0.0);
    let mut steps: Vec<(f64, usize, usize)> = vec![];
    for (layer, (points, hull)) in layers.iter().zip(&hulls).enumerate() {
        let Some(&first) = hull.first() else { continue };
        time += points[first].0;
        size += points[first].1;
        // Rates grow along a hull: sorting all steps by them keeps the order within each layer.
        steps.extend((1..hull.len()).map(|k| (rate(points[hull[k - 1]], points[hull[k]]), layer, k)));
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let start = (time, size);
    let made = steps.into_iter().map(|(_, layer, k)| {
        let (from, to) = (layers[layer][hulls[layer][k - 1]], layers[layer][hulls[layer][k]]);
        time += to.0 - from.0;
        size -= from.1 - to.1;
        Trade { layer, candidate: hulls[layer][k], time, size }
    });
    (start, made.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [(f64, f64); 6] = [(3.0, 1.0), (1.0, 10.0), (2.0, 9.0), (2.5, 3.0), (1.0, 12.0), (4.0, 1.0)];

    #[test]
    fn a_front_holds_what_nothing_beats() {
        assert_eq!(pareto(&POINTS), [1, 2, 3, 0]);
        assert_eq!(hull(&POINTS, &pareto(&POINTS)), [1, 3, 0]);
        assert!(pareto(&[]).is_empty());
        assert_eq!(pareto(&[(1.0, 1.0), (1.0, 1.0)]), [0]);
    }

    #[test]
    fn every_candidate_is_beaten_or_on_the_front() {
        let points: Vec<(f64, f64)> = (0..60).map(|k| (f64::from(k * 37 % 61), f64::from(k * 23 % 53))).collect();
        let front = pareto(&points);
        for (k, p) in points.iter().enumerate() {
            let beaten = points.iter().any(|q| q.0 <= p.0 && q.1 <= p.1 && q != p);
            assert_eq!(!beaten, front.contains(&k), "{k}");
        }
    }

    #[test]
    fn trades_are_made_by_what_they_lose() {
        let layers = [POINTS.to_vec(), vec![(1.0, 5.0), (1.1, 0.0)], vec![(7.0, 2.0)]];
        let (start, trades) = trades(&layers);
        assert_eq!(start, (9.0, 17.0));
        let order: Vec<(usize, usize)> = trades.iter().map(|t| (t.layer, t.candidate)).collect();
        assert_eq!(order, [(1, 1), (0, 3), (0, 0)]);
        let last = trades[2];
        assert!((last.time - 11.1).abs() < 1e-12 && (last.size - 3.0).abs() < 1e-12);
        // No choice of candidates is better than a point of the front in both.
        for a in &layers[0] {
            for b in &layers[1] {
                let (time, size) = (a.0 + b.0 + 7.0, a.1 + b.1 + 2.0);
                assert!(!trades.iter().any(|t| time < t.time - 1e-9 && size < t.size - 1e-9));
            }
        }
    }
}
