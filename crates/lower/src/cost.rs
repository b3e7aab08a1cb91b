//! Analytic costs: a roofline of arithmetic and traffic under the target's ceilings.

use crate::{Region, Work};
use cnnc_ir::graph::TensorType;
use cnnc_tensor::{Layout, Target, Term};

/// What a kernel call costs beyond its work: the barrier and the entry.
pub const CALL_SECONDS: f64 = 0.5e-6;

/// Floating-point operations per second of one thread at best (a multiply-add is two).
pub fn peak_flops(target: &Target) -> f64 {
    2.0 * target.lanes as f64 * f64::from(target.ceilings.multiply_adds) * target.ceilings.hertz()
}

/// Bytes per second that one thread reads and writes, where `bytes` are touched in all.
pub fn bandwidth(target: &Target, bytes: f64) -> f64 {
    let rate = if bytes <= target.l2 as f64 {
        target.ceilings.l2
    } else if bytes <= target.l3 as f64 {
        target.ceilings.l3
    } else {
        target.ceilings.memory
    };
    f64::from(rate) * 1e6
}

/// The work of the busiest thread over that of the average, where the target's threads share `items` equal items.
pub fn imbalance(target: &Target, items: usize) -> f64 {
    imbalance_with_short(target, items.max(1), 0, 0.0)
}

/// The same where there are also `short` items that are only a `share` of the others, such as the last blocks of rows.
pub fn imbalance_with_short(target: &Target, full: usize, short: usize, share: f64) -> f64 {
    let threads = target.threads.max(1);
    if threads == 1 || full + short == 0 {
        return 1.0;
    }
    let mut busy: Vec<f64> = (0..threads).map(|k| ((full + threads - 1 - k) / threads) as f64).collect();
    for _ in 0..short {
        // Whoever is done first takes the next.
        if let Some(next) = busy.iter_mut().min_by(|a, b| a.total_cmp(b)) {
            *next += share;
        }
    }
    let all: f64 = busy.iter().sum();
    busy.iter().fold(0.0, |most: f64, &busy| most.max(busy)) * threads as f64 / all
}

/// Bytes of the operands and results of a region.
pub fn region_bytes(region: &Region) -> f64 {
    region.inputs.iter().chain(&region.outputs).map(|ty| ty.bytes() as f64).sum()
}

/// Estimated time of `flops` operations at a fraction `efficiency` of the peak over `bytes` of traffic, in `calls`
/// kernel calls.
pub fn roofline(target: &Target, flops: f64, efficiency: f64, bytes: f64, calls: usize) -> f64 {
    let arithmetic = flops / (peak_flops(target) * efficiency);
    let traffic = bytes / bandwidth(target, bytes);
    arithmetic.max(traffic) + calls as f64 * CALL_SECONDS
}

/// Estimated seconds of a value's conversion from plain to blocked channels or back.
pub fn conversion(value: &TensorType, target: &Target) -> f64 {
    let bytes = |layout: Layout| value.with_layout(layout).bytes() as f64;
    let bytes = bytes(Layout::Plain) + bytes(Layout::Blocked(target.lanes));
    let plain_stream = bytes / bandwidth(target, bytes);
    CALL_SECONDS + target.calibration.get(Term::Conversion) * plain_stream
}

/// The work of a region that touches each operand and result once, in one call at an efficiency.
pub fn streaming(region: &Region, target: &Target, flops: f64, efficiency: f64) -> Work {
    Work { flops, seconds: roofline(target, flops, efficiency, region_bytes(region), 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnnc_tensor::Isa;

    #[test]
    fn few_items_leave_threads_idle() {
        let on = |threads| Target { threads, ..Target::of(Isa::X86V3) };
        assert_eq!(imbalance(&on(1), 3), 1.0);
        assert_eq!(imbalance(&on(2), 64), 1.0);
        assert_eq!(imbalance(&on(2), 3), 4.0 / 3.0);
        assert_eq!(imbalance(&on(4), 1), 4.0);
        assert_eq!(imbalance(&on(4), 0), 4.0);
        // 28 and 21 of 49; three of which the last is short, and four of which two are.
        assert_eq!(imbalance_with_short(&on(2), 1, 1, 0.75), 2.0 / 1.75);
        assert_eq!(imbalance_with_short(&on(2), 2, 1, 0.5), 3.0 / 2.5);
        assert_eq!(imbalance_with_short(&on(2), 2, 2, 0.5), 1.0);
    }
}
