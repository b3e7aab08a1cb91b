//! A small constant matrix applied to vectors in registers: straight-line code with common subexpressions shared.
//!
//! The matrices of minimal filtering come in pairs: rows (of the input's matrix) and columns (of the output's) whose
//! entries differ in signs alone, those of the points p and -p. A pair of columns becomes a sum and a difference of its
//! operands that are formed once; a pair of rows becomes the sum and the difference of what they have in common.

use cnnc_ir::kernel::{KernelBuilder, Val};
use std::collections::HashSet;

/// A linear map of vectors, as a program.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearMap {
    /// Pairs of operands that are replaced by their sum and difference.
    operand_pairs: Vec<(usize, usize)>,
    /// Weighted sums of the operands.
    sums: Vec<Vec<(usize, f64)>>,
    /// Each result.
    results: Vec<Outcome>,
}

/// A result in terms of the sums.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Sum(usize),
    /// The sum of two sums.
    Plus(usize, usize),
    /// Their difference.
    Minus(usize, usize),
}

impl LinearMap {
    /// The program of a matrix, given by rows of equal length.
    pub fn new(rows: &[Vec<f64>]) -> LinearMap {
        let mut rows = rows.to_vec();
        let columns = rows.first().map_or(0, Vec::len);
        let mut map = LinearMap { operand_pairs: vec![], sums: vec![], results: vec![] };
        for first in 0..columns {
            for second in first + 1..columns {
                let free = !map.operand_pairs.iter().any(|&(a, b)| [a, b].contains(&first) || [a, b].contains(&second));
                if free && is_pair(rows.iter().map(|row| (row[first], row[second]))) {
                    map.operand_pairs.push((first, second));
                    for row in &mut rows {
                        // a x + a y = a (x + y), a x - a y = a (x - y)
                        let (sum, difference) =
                            if row[first] == row[second] { (row[first], 0.0) } else { (0.0, row[first]) };
                        (row[first], row[second]) = (sum, difference);
                    }
                }
            }
        }
        let mut done: Vec<Option<Outcome>> = vec![None; rows.len()];
        for first in 0..rows.len() {
            if done[first].is_some() {
                continue;
            }
            let partner = (first + 1..rows.len()).find(|&second| {
                done[second].is_none() && is_pair(rows[first].iter().copied().zip(rows[second].iter().copied()))
            });
            match partner {
                Some(second) => {
                    let same = |k: usize| rows[first][k] == rows[second][k];
                    let part = |wanted: bool| {
                        let entries = rows[first].iter().enumerate();
                        entries.filter(|(k, v)| **v != 0.0 && same(*k) == wanted).map(|(k, v)| (k, *v)).collect()
                    };
                    map.sums.extend([part(true), part(false)]);
                    let at = map.sums.len();
                    done[first] = Some(Outcome::Plus(at - 2, at - 1));
                    done[second] = Some(Outcome::Minus(at - 2, at - 1));
                }
                None => {
                    map.sums.push(rows[first].iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect());
                    done[first] = Some(Outcome::Sum(map.sums.len() - 1));
                }
            }
        }
        map.results = done.into_iter().flatten().collect();
        map
    }

    /// Number of operands and results counted as one: what a pass over them loads and stores.
    pub fn results(&self) -> usize {
        self.results.len()
    }

    /// Arithmetic instructions of the program.
    pub fn instructions(&self) -> usize {
        let of_sum = |sum: &Vec<(usize, f64)>| match sum.iter().any(|(_, v)| *v == 1.0) {
            true => sum.len() - 1,
            false => sum.len(),
        };
        let joined = self.results.iter().filter(|r| !matches!(r, Outcome::Sum(_))).count();
        2 * self.operand_pairs.len() + self.sums.iter().map(of_sum).sum::<usize>() + joined
    }

    /// Emits the program on vectors of `lanes` elements.
    pub fn emit(&self, b: &mut KernelBuilder, operands: &[Val], lanes: u16) -> Vec<Val> {
        let all: Vec<usize> = (0..self.results.len()).collect();
        let operands: Vec<Option<Val>> = operands.iter().copied().map(Some).collect();
        self.emit_some(b, &operands, &all, lanes)
    }

    /// Emits what some of the results need. The operands that [`Group`]s of them name must be there.
    pub fn emit_some(
        &self,
        b: &mut KernelBuilder,
        operands: &[Option<Val>],
        results: &[usize],
        lanes: u16,
    ) -> Vec<Val> {
        let mut operands = operands.to_vec();
        for &(first, second) in &self.operand_pairs {
            if let (Some(x), Some(y)) = (operands[first], operands[second]) {
                (operands[first], operands[second]) = (Some(b.add(x, y)), Some(b.sub(x, y)));
            }
        }
        let mut sums: Vec<Option<Val>> = vec![None; self.sums.len()];
        let mut sum = |b: &mut KernelBuilder, k: usize| {
            let terms = self.sums[k].iter().filter_map(|&(at, factor)| Some((operands[at]?, factor)));
            *sums[k].get_or_insert_with(|| weighted_sum(b, terms.collect(), lanes))
        };
        let mut result = |k: usize| match self.results[k] {
            Outcome::Sum(k) => sum(b, k),
            Outcome::Plus(x, y) => {
                let (x, y) = (sum(b, x), sum(b, y));
                b.add(x, y)
            }
            Outcome::Minus(x, y) => {
                let (x, y) = (sum(b, x), sum(b, y));
                b.sub(x, y)
            }
        };
        results.iter().map(|&k| result(k)).collect()
    }

    /// The results in groups of those that share what is computed for them.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<(Group, HashSet<Shared>)> = vec![];
        for (k, result) in self.results.iter().enumerate() {
            let sums = match *result {
                Outcome::Sum(x) => vec![x],
                Outcome::Plus(x, y) | Outcome::Minus(x, y) => vec![x, y],
            };
            let mut own: (Group, HashSet<Shared>) = (Group { results: vec![k], operands: vec![] }, HashSet::new());
            for &sum in &sums {
                own.1.extend((sums.len() > 1).then_some(Shared::Sum(sum)));
                for &(at, _) in &self.sums[sum] {
                    match self.operand_pairs.iter().find(|(x, y)| [*x, *y].contains(&at)) {
                        Some(&(x, y)) => {
                            own.0.operands.extend([x, y]);
                            own.1.insert(Shared::Operand(at));
                        }
                        None => own.0.operands.push(at),
                    }
                }
            }
            // Joined with every group that shares something with it.
            let (same, others) = groups.into_iter().partition(|(_, shared)| !shared.is_disjoint(&own.1));
            groups = others;
            for (group, shared) in same as Vec<(Group, HashSet<Shared>)> {
                own.0.results.extend(group.results);
                own.0.operands.extend(group.operands);
                own.1.extend(shared);
            }
            groups.push(own);
        }
        let sorted = |mut list: Vec<usize>| {
            list.sort_unstable();
            list.dedup();
            list
        };
        groups.into_iter().map(|(g, _)| Group { results: sorted(g.results), operands: sorted(g.operands) }).collect()
    }
}

/// Results of a map that share intermediate values, and the operands that they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which results.
    pub results: Vec<usize>,
    /// Which operands.
    pub operands: Vec<usize>,
}

/// What results may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shared {
    /// A weighted sum.
    Sum(usize),
    /// The sum or the difference of two operands.
    Operand(usize),
}

/// Whether two lines of a matrix differ in signs alone, and have both a common and an opposite part.
fn is_pair(entries: impl Iterator<Item = (f64, f64)> + Clone) -> bool {
    let mut nonzero = entries.clone().filter(|(a, b)| *a != 0.0 || *b != 0.0);
    entries.clone().all(|(a, b)| a.abs() == b.abs())
        && nonzero.clone().any(|(a, b)| a == b)
        && nonzero.any(|(a, b)| a == -b)
}

fn weighted_sum(b: &mut KernelBuilder, mut terms: Vec<(Val, f64)>, lanes: u16) -> Val {
    if let Some(plain) = terms.iter().position(|(_, v)| *v == 1.0) {
        terms.swap(0, plain);
    }
    let mut total: Option<Val> = None;
    for (x, factor) in terms {
        total = Some(match total {
            None if factor == 1.0 => x,
            None => {
                let factor = b.f32(factor as f32, lanes);
                b.mul(factor, x)
            }
            Some(so_far) if factor == 1.0 => b.add(so_far, x),
            Some(so_far) if factor == -1.0 => b.sub(so_far, x),
            Some(so_far) => {
                let factor = b.f32(factor as f32, lanes);
                b.mul_add(factor, x, so_far)
            }
        });
    }
    total.unwrap_or_else(|| b.f32(0.0, lanes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnnc_ir::minimal_filtering::MinimalFiltering;

    #[test]
    fn groups_are_even_and_odd() {
        let f = MinimalFiltering::new(4, 3).unwrap();
        let groups = |rows: &[Vec<f64>]| LinearMap::new(rows).groups();
        let results: Vec<Vec<usize>> = groups(&f.output).into_iter().map(|g| g.results).collect();
        assert_eq!(results, [[0, 2], [1, 3]]);
        let input = groups(&f.input);
        assert_eq!(input.iter().map(|g| g.results.len()).sum::<usize>(), 6);
        assert!(input.iter().all(|g| g.results.len() <= 2 && g.operands.len() <= 4), "{input:?}");
    }

    #[test]
    fn pairs_are_shared() {
        let f = MinimalFiltering::new(4, 3).unwrap();
        // Written by hand: 12 for the input, 10 for the output (Lavin and Gray).
        assert!(LinearMap::new(&f.input).instructions() <= 14, "{}", LinearMap::new(&f.input).instructions());
        assert!(LinearMap::new(&f.output).instructions() <= 11, "{}", LinearMap::new(&f.output).instructions());
        let plain: usize = f.input.iter().map(|row| row.iter().filter(|v| **v != 0.0).count()).sum();
        assert!(LinearMap::new(&f.input).instructions() < plain);
    }
}
