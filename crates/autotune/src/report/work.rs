//! What a layer has to do at least: operations and bytes of its definition.

use crate::Workload;
use cnnc_compiler::shapes::{Layer, LayerOperand, parse_layers};
use cnnc_ir::graph::Op;

/// Work of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Floating-point operations by definition, padding counted; an algorithm may need fewer.
    pub flops: f64,
    /// Bytes of operands and result, each once.
    pub bytes: f64,
}

impl Work {
    /// The work of a workload; `None` where its line is no layer.
    pub fn of(workload: &Workload) -> Option<Work> {
        match &parse_layers(&workload.0).ok()?[..] {
            [layer] => Work::of_layer(layer),
            _ => None,
        }
    }

    fn of_layer(layer: &Layer) -> Option<Work> {
        let (x, w) = (layer.operands.first()?, layer.operands.get(1)?);
        let result = product(&layer.result().ok()?.dims);
        let multiply_adds = match &layer.op {
            // Weights are outputs x inputs of a group x window: each element of the result is a sum over the rest.
            Op::Conv { .. } => result * product(w.dims.get(1..)?),
            // Weights are inputs x outputs of a group x window: each element of the input is added to so many sums.
            Op::ConvTranspose { .. } => product(&x.dims) * product(w.dims.get(1..)?),
            // Each channel of each position is a sum over the window, each result one over the channels.
            Op::Separable { .. } => {
                let results = *layer.result().ok()?.dims.get(1)? as f64;
                result / results * product(&w.dims) + result * *x.dims.get(1)? as f64
            }
            Op::MatMul { trans_a, .. } => {
                let rank = x.dims.len();
                let inner = rank.checked_sub(if *trans_a && rank > 1 { 2 } else { 1 })?;
                result * *x.dims.get(inner)? as f64
            }
            _ => return None,
        };
        let operands: f64 = layer.operands.iter().map(|LayerOperand { dims, .. }| product(dims)).sum();
        Some(Work { flops: 2.0 * multiply_adds, bytes: 4.0 * (operands + result) })
    }

    /// Operations for each byte.
    pub fn intensity(&self) -> f64 {
        self.flops / self.bytes
    }
}

fn product(dims: &[usize]) -> f64 {
    dims.iter().map(|&d| d as f64).product()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn work(line: &str) -> Option<Work> {
        Work::of(&Workload(line.into()))
    }

    #[test]
    fn work_is_that_of_the_definition() {
        let conv = work("conv 1x64x56x56 32x64x3x3 pad=1 tail=bias+relu").unwrap();
        assert_eq!(conv.flops, 2.0 * (32 * 56 * 56 * 64 * 9) as f64);
        assert_eq!(conv.bytes, 4.0 * (64 * 56 * 56 + 32 * 64 * 9 + 32 + 32 * 56 * 56) as f64);
        let depthwise = work("conv 1x64x56x56 64x1x3x3 pad=1 groups=64").unwrap();
        assert_eq!(depthwise.flops, 2.0 * (64 * 56 * 56 * 9) as f64);
        let transposed = work("conv_transpose 1x8x10x10 8x4x2x2 stride=2").unwrap();
        assert_eq!(transposed.flops, 2.0 * (8 * 100 * 4 * 4) as f64);
        let product = work("matmul 3x5x7 7x11").unwrap();
        assert_eq!(product.flops, 2.0 * (3 * 5 * 7 * 11) as f64);
        assert_eq!(work("matmul 7x5 7x11 transpose=a").unwrap().flops, 2.0 * (5 * 7 * 11) as f64);
    }

    #[test]
    fn what_is_no_layer_has_no_work() {
        for line in
            ["", "pool 1x2", "conv <script>", "# note", "matmul 1x2 2x3\nmatmul 1x2 2x3", "conv 1x0x1x1 1x0x1x1"]
        {
            assert_eq!(work(line), None, "{line}");
        }
    }
}
