//! The sizes of tiles worth trying for a convolution.

use crate::conv::ConvShape;
use cnnc_ir::minimal_filtering::Phases;

/// Outputs of a tile for filters of three taps and for longer ones. More points would amplify errors too much.
const OUTPUTS_OF_THREE: [usize; 5] = [2, 3, 4, 5, 6];
const OUTPUTS_OF_MORE: [usize; 3] = [2, 3, 4];
/// Longest filter: with four outputs, ten points.
const MOST_TAPS: usize = 7;

/// Outputs of a tile along each axis: the same for axes of equally many taps.
pub fn outputs(shape: &ConvShape) -> Vec<Vec<usize>> {
    let of_phase = |(&taps, &stride): (&usize, &usize)| Phases::of(taps, stride).taps;
    let kernel: Vec<usize> = shape.window.kernel.iter().zip(&shape.window.strides).map(of_phase).collect();
    if kernel.iter().any(|&r| r > MOST_TAPS) {
        return vec![];
    }
    let choices = |taps: usize| match taps {
        1 => vec![1],
        2 | 3 => OUTPUTS_OF_THREE.to_vec(),
        _ => OUTPUTS_OF_MORE.to_vec(),
    };
    let mut found: Vec<Vec<usize>> = vec![];
    for &first in OUTPUTS_OF_THREE.iter().chain(&[1]) {
        for time in [first, 2] {
            // Of three axes the first is often short: it may have a size of its own.
            let m: Option<Vec<usize>> = kernel
                .iter()
                .zip(&shape.output)
                .enumerate()
                .map(|(k, (&taps, &extent))| {
                    let wanted = if taps == 1 {
                        1
                    } else if k == 0 && kernel.len() == 3 {
                        time
                    } else {
                        first
                    };
                    (choices(taps).contains(&wanted) && (wanted <= extent || wanted == 2 || taps == 1))
                        .then_some(wanted)
                })
                .collect();
            found.extend(m.filter(|m| !found.contains(m)));
        }
    }
    found
}
