//! Offsets in the arena: buffers whose lifetimes do not meet may share memory.
//!
//! Largest first, each at the lowest offset that is free over its whole lifetime (Pisarchyk and Lee, "Efficient memory
//! management for deep neural net inference", 2020, "greedy by size").

/// A buffer to place: lives from the `first` to the `last` position, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Size in bytes.
    pub bytes: u64,
    /// First position at which it is written.
    pub first: usize,
    /// Last position at which it is read.
    pub last: usize,
}

/// Alignment of every buffer in bytes.
pub const ALIGNMENT: u64 = 64;

/// Offsets of the buffers, multiples of [`ALIGNMENT`], and the size of the arena.
pub fn assign_offsets(buffers: &[Interval]) -> (Vec<u64>, u64) {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&k| (std::cmp::Reverse(buffers[k].bytes), buffers[k].first, k));
    let mut offsets = vec![0; buffers.len()];
    let mut placed: Vec<(u64, u64, usize)> = Vec::new();
    let mut total = 0;
    for k in order {
        let buffer = buffers[k];
        let size = buffer.bytes.next_multiple_of(ALIGNMENT);
        let mut offset = 0;
        for &(begin, end, other) in &placed {
            let meets = buffers[other].first <= buffer.last && buffer.first <= buffers[other].last;
            if meets && end > offset {
                if begin >= offset + size {
                    break;
                }
                offset = end;
            }
        }
        offsets[k] = offset;
        total = total.max(offset + size);
        let at = placed.partition_point(|p| p.0 < offset);
        placed.insert(at, (offset, offset + size, k));
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn live_buffers_never_overlap(list in prop::collection::vec((0u64..2000, 0usize..30, 0usize..10), 0..60)) {
            let buffers: Vec<Interval> =
                list.iter().map(|&(bytes, first, length)| Interval { bytes, first, last: first + length }).collect();
            let (offsets, total) = assign_offsets(&buffers);
            for (i, a) in buffers.iter().enumerate() {
                prop_assert!(offsets[i] % ALIGNMENT == 0 && offsets[i] + a.bytes <= total);
                for (j, b) in buffers.iter().enumerate().skip(i + 1) {
                    let alive = a.first <= b.last && b.first <= a.last;
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    prop_assert!(!alive || apart || a.bytes == 0 || b.bytes == 0);
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<Interval> = (0..10).map(|k| Interval { bytes: 100, first: k, last: k + 1 }).collect();
        assert_eq!(assign_offsets(&chain).1, 256);
    }
}
