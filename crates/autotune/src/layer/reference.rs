//! The error of a result against sums in f64: of all elements where that is quick, else of a sample.

use crate::TuneError;
use cnnc_compiler::shapes::Layer;
use cnnc_ir::expr::{Expr, ExprBuilder, ExprNode};
use cnnc_ir::graph::ops::{Window, group_of};
use cnnc_ir::graph::{Op, evaluate, widened};
use cnnc_tensor::{DType, Scalar, Tensor};

/// Products that are summed for a reference at most, where a sample can do.
const PRODUCTS: usize = 20_000_000;
/// Elements of a sample at least.
const SAMPLE: usize = 2000;

/// The sum of products at the coordinates of a result element.
type Sum<'a> = dyn Fn(&[usize]) -> f64 + 'a;

/// Exact values of some elements of a layer's result.
pub struct Reference {
    /// Index in the plain result, and value.
    elements: Vec<(usize, f64)>,
}

impl Reference {
    /// Of a layer on contents.
    pub fn new(layer: &Layer, contents: &[Tensor]) -> Result<Reference, TuneError> {
        let result = layer.result().map_err(|e| TuneError::Layer(e.to_string()))?;
        let count = result.count();
        let (x, w) = (&contents[0], &contents[1]);
        let (floats, weights) = (x.as_slice::<f32>().unwrap_or_default(), w.as_slice::<f32>().unwrap_or_default());
        let sum: Box<Sum> = match &layer.op {
            Op::Conv { window, groups, interleaved, .. } => {
                let group = move |output: usize| group_of(output, w.dims()[0], *groups, *interleaved);
                Box::new(move |at| convolve(window, group(at[1]), (x.dims(), floats), (w.dims(), weights), at))
            }
            Op::MatMul { trans_a, trans_b, .. } => {
                Box::new(move |at| product((x.dims(), floats, *trans_a), (w.dims(), weights, *trans_b), at))
            }
            _ => return Reference::evaluated(layer, contents),
        };
        let terms = match &layer.op {
            Op::Conv { .. } => w.dims()[1..].iter().product(),
            Op::MatMul { trans_a, .. } => x.dims().iter().rev().nth(usize::from(*trans_a)).copied().unwrap_or(1),
            _ => 1usize,
        };
        let sample = (PRODUCTS / terms.max(1)).max(SAMPLE).min(count);
        let (tail, _) = layer.op.tail().ok_or_else(|| TuneError::Layer("a layer without a tail".into()))?;
        let tail = in_f64(tail);
        let elements = (0..sample).map(|k| {
            // Evenly spread, each at a place of its own within its part.
            let (from, to) = (k * count / sample, (k + 1) * count / sample);
            let index = from + k.wrapping_mul(0x9e37_79b9) % (to - from).max(1);
            let at = coordinates(index, &result.dims);
            let mut inputs = vec![double(sum(&at))];
            inputs.extend(contents[2..].iter().map(|t| double(t.get(broadcast(&at, t.dims())).to_f64())));
            let coords: Vec<i64> = at.iter().map(|&c| c as i64).collect();
            (index, tail.eval(&inputs, &coords).to_f64())
        });
        Ok(Reference { elements: elements.collect() })
    }

    /// By evaluation of the operator on operands in f64.
    fn evaluated(layer: &Layer, contents: &[Tensor]) -> Result<Reference, TuneError> {
        let graph =
            layer.graph(contents).and_then(|graph| widened(&graph)).map_err(|e| TuneError::Layer(e.to_string()))?;
        let operands = layer.operands.iter().zip(contents).filter(|(operand, _)| !operand.constant);
        let inputs: Vec<Tensor> = operands.map(|(_, content)| content.clone()).collect();
        let results = evaluate(&graph, &inputs).map_err(|e| TuneError::Layer(e.to_string()))?;
        let values = results.first().map(Tensor::to_f64_vec).unwrap_or_default();
        Ok(Reference { elements: values.into_iter().enumerate().collect() })
    }

    /// The largest distance of a plain result in f32 from the exact values, relative to its largest element.
    pub fn error(&self, result: &[f32]) -> f64 {
        let exact = self.elements.iter().fold(0.0, |most: f64, (_, value)| most.max(value.abs()));
        let largest = result.iter().fold(0.0, |most: f64, &v| most.max(f64::from(v).abs()));
        let largest = if largest.is_finite() && largest < 2.0 * exact.max(1e-30) { largest.max(exact) } else { exact };
        let off = |(at, want): &(usize, f64)| {
            let distance = (f64::from(result.get(*at).copied().unwrap_or(f32::NAN)) - want).abs();
            if distance.is_nan() { f64::INFINITY } else { distance }
        };
        self.elements.iter().map(off).fold(0.0, f64::max) / largest.max(1e-30)
    }
}

/// The same expression with constants and conversions in f64 where they were in f32.
fn in_f64(expr: &Expr) -> Expr {
    let mut builder = ExprBuilder::default();
    let result = builder.append(expr, |b, node| {
        b.push(match node {
            ExprNode::Const(value) if value.dtype() == DType::F32 => ExprNode::Const(double(value.to_f64())),
            ExprNode::Cast(DType::F32, a) => ExprNode::Cast(DType::F64, a),
            other => other,
        })
    });
    builder.finish(result)
}

/// The sum at a place of the result, whose channel reads the channels of `group`.
fn convolve(window: &Window, group: usize, x: (&[usize], &[f32]), w: (&[usize], &[f32]), at: &[usize]) -> f64 {
    let group_channels = w.0[1];
    let (pixels, taps) = (x.0[2..].iter().product::<usize>(), w.0[2..].iter().product::<usize>());
    // Offset in the image of each tap that does not see padding.
    let seen: Vec<(usize, usize)> = (0..taps)
        .filter_map(|tap| {
            let tap_at = coordinates(tap, &w.0[2..]);
            let mut offset = 0;
            for (axis, &t) in tap_at.iter().enumerate() {
                let place = (at[axis + 2] * window.strides[axis] + t * window.dilations[axis])
                    .checked_sub(window.pads_begin[axis])
                    .filter(|&p| p < x.0[axis + 2])?;
                offset = offset * x.0[axis + 2] + place;
            }
            Some((tap, offset))
        })
        .collect();
    let mut sum = 0.0;
    for c in 0..group_channels {
        let image = &x.1[(at[0] * x.0[1] + group * group_channels + c) * pixels..][..pixels];
        let filter = &w.1[(at[1] * group_channels + c) * taps..][..taps];
        sum += seen.iter().map(|&(tap, offset)| f64::from(filter[tap]) * f64::from(image[offset])).sum::<f64>();
    }
    sum
}

fn product(a: (&[usize], &[f32], bool), b: (&[usize], &[f32], bool), at: &[usize]) -> f64 {
    let (row, column) = (at[at.len() - 2], at[at.len() - 1]);
    let matrix = |m: &(&[usize], &[f32], bool)| {
        let (batch, sizes) = m.0.split_at(m.0.len() - 2);
        let start = broadcast(&at[..at.len() - 2], batch) * sizes[0] * sizes[1];
        (start, sizes[1], if m.2 { sizes[0] } else { sizes[1] })
    };
    let ((a_start, a_width, terms), (b_start, b_width, _)) = (matrix(&a), matrix(&b));
    (0..terms)
        .map(|k| {
            let left = if a.2 { k * a_width + row } else { row * a_width + k };
            let right = if b.2 { column * b_width + k } else { k * b_width + column };
            f64::from(a.1[a_start + left]) * f64::from(b.1[b_start + right])
        })
        .sum()
}

/// Coordinates of an index in row-major dims.
fn coordinates(mut index: usize, dims: &[usize]) -> Vec<usize> {
    let mut at = vec![0; dims.len()];
    for (c, &d) in at.iter_mut().zip(dims).rev() {
        (*c, index) = (index % d.max(1), index / d.max(1));
    }
    at
}

/// Index of the element of an operand that broadcasts to a place.
fn broadcast(at: &[usize], dims: &[usize]) -> usize {
    let leading = at.len() - dims.len();
    dims.iter().zip(&at[leading..]).fold(0, |index, (&d, &c)| index * d + if d == 1 { 0 } else { c })
}

fn double(value: f64) -> Scalar {
    Scalar::from_f64(DType::F64, value)
}
