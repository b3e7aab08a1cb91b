//! The phases of a window with strides: which inputs they read, and at which points they have products.
//!
//! Along an axis the first phases have a tap more than the others, unless all have as many. At the last point, infinity,
//! only those have products.

use super::{TileAxis, Tiling};
use crate::point_product::PointGroup;
use cnnc_ir::minimal_filtering::Phases;
use cnnc_tensor::row_major_strides;
use std::ops::Range;

impl TileAxis {
    /// The kinds of its phases: those of as many taps each, and inputs of a tile for them.
    pub fn kinds(&self) -> Vec<(Range<usize>, usize)> {
        let Phases { count, full, .. } = self.phases;
        let kinds = [(0..full, self.size), (full..count, self.size - 1)];
        kinds.into_iter().filter(|(range, _)| !range.is_empty()).collect()
    }

    /// The kinds of its points: those at which as many phases have products, which are the first ones.
    fn points(&self) -> Vec<(Range<usize>, usize)> {
        let Phases { count, full, .. } = self.phases;
        if full == count {
            return vec![(0..self.size, count)];
        }
        vec![(0..self.size - 1, count), (self.size - 1..self.size, full)]
    }
}

impl Tiling {
    /// Phases of the window.
    pub fn phases(&self) -> usize {
        self.axes.iter().map(|a| a.phases.count).product()
    }

    /// The kinds of phases: how many there are, and inputs of a tile for them along each axis.
    pub fn phase_kinds(&self) -> Vec<(usize, Vec<usize>)> {
        let one = |kinds: Vec<(Range<usize>, usize)>| {
            let count = kinds.iter().map(|(range, _)| range.len()).product();
            (count, kinds.into_iter().map(|(_, size)| size).collect())
        };
        one_of_each(self.axes.iter().map(TileAxis::kinds)).into_iter().map(one).collect()
    }

    /// The points by the phases that have products there.
    pub fn point_groups(&self) -> Vec<PointGroup> {
        if self.phases() == 1 {
            return vec![PointGroup::all(self.points)];
        }
        let strides = row_major_strides(&self.sizes());
        let group = |kinds: Vec<(Range<usize>, usize)>| {
            let counts: Vec<usize> = kinds.iter().map(|(_, count)| *count).collect();
            let axes = kinds.into_iter().map(|(range, _)| range).zip(strides.iter().copied()).collect();
            PointGroup { axes, phases: self.first_phases(&counts) }
        };
        one_of_each(self.axes.iter().map(TileAxis::points)).into_iter().map(group).collect()
    }

    /// The first `counts` phases along each axis, as runs of neighbours.
    fn first_phases(&self, counts: &[usize]) -> Vec<Range<usize>> {
        let all: Vec<usize> = self.axes.iter().map(|a| a.phases.count).collect();
        let strides = row_major_strides(&all);
        let mut runs: Vec<Range<usize>> = vec![];
        for at in one_of_each(counts.iter().map(|&count| (0..count).collect())) {
            let phase: usize = at.iter().zip(&strides).map(|(at, stride)| at * stride).sum();
            match runs.last_mut() {
                Some(run) if run.end == phase => run.end += 1,
                _ => runs.push(phase..phase + 1),
            }
        }
        runs
    }
}

/// All lists that take one entry of each of some lists, the last list's fastest.
fn one_of_each<T: Clone>(lists: impl Iterator<Item = Vec<T>>) -> Vec<Vec<T>> {
    lists.fold(vec![vec![]], |all, list| {
        let with = |so_far: &Vec<T>| {
            list.iter().map(|entry| [&so_far[..], std::slice::from_ref(entry)].concat()).collect::<Vec<_>>()
        };
        all.iter().flat_map(with).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::ConvShape;
    use crate::conv::bilinear::Blocking;
    use cnnc_ir::graph::ops::Window;

    fn tiling(kernel: [usize; 2], strides: [usize; 2], m: usize) -> Tiling {
        let window = Window {
            kernel: kernel.to_vec(),
            strides: strides.to_vec(),
            dilations: vec![1, 1],
            pads_begin: vec![0, 0],
            pads_end: vec![0, 0],
        };
        let (images, channels, outputs, groups) = (1, 8, 8, 1);
        let (input, output) = (vec![64, 64], vec![16, 16]);
        let shape = ConvShape { images, channels, outputs, groups, interleaved: false, window, input, output };
        let axes: Vec<TileAxis> = (0..2).map(|k| TileAxis::new(&shape, k, m).unwrap()).collect();
        let points = axes.iter().map(|a| a.size).product();
        let blocking = Blocking { tile: vec![m, m], tiles: 4, mr: 4, nv: 2, shared: false };
        Tiling { shape, axes, points, blocking, lanes: 8 }
    }

    fn products(tiling: &Tiling) -> usize {
        tiling.point_groups().iter().map(|g| g.points() * g.depth()).sum()
    }

    #[test]
    fn products_are_those_of_minimal_filtering() {
        assert_eq!(products(&tiling([3, 3], [1, 1], 4)), 36);
        assert_eq!(products(&tiling([3, 3], [2, 2], 4)), 81);
        assert_eq!(products(&tiling([7, 7], [2, 2], 4)), 169);
        assert_eq!(products(&tiling([4, 4], [2, 2], 2)), 36);
        assert_eq!(products(&tiling([3, 3], [2, 1], 4)), 54);
        assert_eq!(products(&tiling([11, 11], [4, 4], 4)), 23 * 23);
    }

    #[test]
    fn every_phase_has_a_kind_and_every_point_a_group() {
        let strided = tiling([3, 5], [2, 2], 4);
        assert_eq!(strided.phase_kinds(), [(1, vec![5, 6]), (1, vec![5, 5]), (1, vec![4, 6]), (1, vec![4, 5])]);
        let groups = strided.point_groups();
        assert_eq!(groups.iter().map(PointGroup::points).sum::<usize>(), strided.points);
        let phases: Vec<Vec<usize>> = groups.into_iter().map(|g| g.phases.into_iter().flatten().collect()).collect();
        assert_eq!(phases, [vec![0, 1, 2, 3], vec![0, 2], vec![0, 1], vec![0]]);
    }
}
