//! The end of a register tile: where its vectors stand in the result, and their tail.

use super::microkernel::Accumulators;
use super::nest::{Nest, Place};
use super::{ResultPlace, Segment};
use crate::operand::Position;
use cnnc_ir::kernel::{KernelBuilder, Val};

impl Nest<'_> {
    /// Applies the tail to the accumulators of a tile whose first output along the columns is `first`, and stores them.
    pub(super) fn store(
        &self,
        b: &mut KernelBuilder,
        place: &Place,
        segment: &Segment,
        first: Val,
        acc: &Accumulators,
    ) {
        let sum = self.sum;
        let axis = &sum.columns.axis;
        let lanes = sum.lanes as i64;
        let vector = b.scale(place.item.bundle, self.tiling.nv as i64);
        let column = b.address(axis.result_first as i64, &[(first, axis.result_step as i64)]);
        for (j, count) in place.bundle.counts.iter().enumerate() {
            let vector = b.offset(vector, j as i64);
            let channel = b.scale(vector, lanes);
            let count = count.map(|count| b.index(count));
            let mut fixed = None;
            for i in 0..segment.outputs {
                let column = b.offset(column, (i * axis.result_step) as i64);
                let (coords, flat) = self.result_index(b, place, vector, channel, column);
                let at = Position { coords: &coords, flat, lanes: sum.lanes as u16, count };
                let columns_axis = self.column_coordinate(&coords);
                let fixed = fixed.get_or_insert_with(|| self.tail.load_fixed(b, &at, columns_axis));
                let element = acc.get(b, i, j);
                let value = self.tail.apply_with(b, element, &at, fixed);
                match count {
                    Some(count) => b.store_count(self.buffers.out, flat, value, count),
                    None => b.store(self.buffers.out, flat, value),
                }
            }
        }
    }

    /// Which coordinate of the result walks along the columns.
    fn column_coordinate(&self, coords: &[Val]) -> usize {
        match self.sum.place {
            ResultPlace::Blocked { flattened: false, .. } => 2 + self.sum.rows.len(),
            ResultPlace::Blocked { .. } => coords.len() - 1,
            ResultPlace::Rows { .. } => coords.len() - 2,
        }
    }

    /// Coordinates and element index of a result vector. Of flattened axes only the last coordinate is given, and it is
    /// the flat position.
    fn result_index(
        &self,
        b: &mut KernelBuilder,
        place: &Place,
        vector: Val,
        channel: Val,
        column: Val,
    ) -> (Vec<Val>, Val) {
        let sum = self.sum;
        let lanes = sum.lanes as i64;
        let mut coords = place.item.batch.clone();
        match &sum.place {
            ResultPlace::Rows { rank } => {
                let (m, n) = (sum.columns.axis.outputs as i64, sum.outputs as i64);
                let mut terms = vec![];
                let mut stride = m * n;
                for (&at, axis) in coords.iter().zip(&sum.batch).rev() {
                    terms.push((at, stride));
                    stride *= axis.extent as i64;
                }
                terms.extend([(channel, 1), (column, n)]);
                let flat = b.address(0, &terms);
                while coords.len() + 2 < *rank {
                    coords.push(b.index(0));
                }
                coords.extend([column, channel]);
                (coords, flat)
            }
            ResultPlace::Blocked { spatial, flattened } => {
                let size = spatial.iter().product::<usize>() as i64 * lanes;
                let mut terms = vec![(vector, size)];
                if let Some(&n) = coords.first() {
                    terms.insert(0, (n, sum.vectors() as i64 * size));
                }
                coords.push(channel);
                if *flattened {
                    coords.extend(spatial[1..].iter().map(|_| b.index(0)));
                } else {
                    let mut stride = size;
                    for ((&output, row), &extent) in place.rows.iter().zip(&sum.rows).zip(spatial) {
                        stride /= extent as i64;
                        let at = b.address(row.axis.result_first as i64, &[(output, row.axis.result_step as i64)]);
                        terms.push((at, stride));
                        coords.push(at);
                    }
                }
                coords.push(column);
                while coords.len() < spatial.len() + 2 {
                    coords.push(b.index(0));
                }
                terms.push((column, lanes));
                (coords, b.address(0, &terms))
            }
        }
    }
}
