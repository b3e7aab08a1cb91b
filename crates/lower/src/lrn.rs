//! Local response normalisation across channels: `x / (bias + alpha/size * sum x^2)^beta`.
//!
//! In a blocked layout the squares of a pixel's block and of its neighbour blocks are shifted against each other in
//! registers; in the plain one vectors run over the pixels and the window's channels are loaded. The common exponents 1/2,
//! 3/4 and 1 take square roots and a division, others the power function.

use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::math::{Floats, pow};
use crate::operand::{elements, zero_tail_lanes};
use crate::rows::parallel_rows;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Ty, UnOp, Val};
use cnnc_tensor::{DType, Layout, Scalar, Target};

/// Local response normalisation.
pub static LRN: Algorithm = Algorithm {
    name: "lrn",
    about: "local response normalisation across channels",
    accuracy: Accuracy::Rounding,
    error: crate::error::elementwise,
    class: Class::Tuned,
    candidates: |region, _, _| {
        let applies = matches!(region.op, Op::Lrn { .. }) && region.inputs[0].layout == region.outputs[0].layout;
        if applies { vec![Candidate::new("lrn", &[])] } else { vec![] }
    },
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let Op::Lrn { size, .. } = region.op else { return Work::default() };
        let count = region.inputs[0].count() as f64;
        let flops = count * (2 * size + 8) as f64;
        Work { flops, seconds: roofline(target, flops + 60.0 * count, 0.5, region_bytes(region), 1) }
    },
    lower,
};

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Op::Lrn { size, alpha, beta, bias } = *region.op else {
        let candidate = candidate.algorithm.clone();
        return Err(LowerError::Illegal { node: region.name.into(), candidate, why: "not an lrn".into() });
    };
    let mut lowering = LoweringBuilder::default();
    let x = &region.inputs[0];
    if x.count() == 0 {
        return Ok(lowering.finish());
    }
    let [alpha, beta, bias] = [alpha, beta, bias].map(|bits| f64::from(f32::from_bits(bits)));
    let lrn = Lrn { ty: x, size, scale: alpha / size as f64, beta, bias };
    lowering.call(lrn.kernel(target), vec![Operand::Input(0), Operand::Output(0)]);
    Ok(lowering.finish())
}

struct Lrn<'a> {
    ty: &'a TensorType,
    size: usize,
    scale: f64,
    beta: f64,
    bias: f64,
}

impl Lrn<'_> {
    fn kernel(&self, target: &Target) -> Kernel {
        let mut b = KernelBuilder::new("lrn");
        let count = elements(self.ty);
        let x = b.buffer("x", self.ty.dtype, count, Role::Read);
        let y = b.buffer("y", self.ty.dtype, count, Role::Write);
        match self.ty.layout {
            Layout::Plain => self.plain(&mut b, x, y, target),
            Layout::Blocked(block) => self.blocked(&mut b, x, y, block),
        }
        b.finish()
    }

    fn dtype(&self) -> DType {
        working_type(self.ty.dtype)
    }

    fn pixels(&self) -> usize {
        self.ty.dims[2..].iter().product()
    }

    /// Channels of the window before and behind its centre.
    fn reach(&self) -> (i64, i64) {
        ((self.size as i64 - 1) / 2, self.size as i64 / 2)
    }

    fn plain(&self, b: &mut KernelBuilder, x: Buf, y: Buf, target: &Target) {
        let (channels, pixels) = (self.ty.dims[1] as i64, self.pixels());
        let lanes = (target.lanes * 4 / self.dtype().size()).min(1 << pixels.ilog2());
        let (before, behind) = self.reach();
        let outer = [self.ty.dims[0], self.ty.dims[1]];
        parallel_rows(b, &outer, pixels.div_ceil(lanes), lanes * self.size, |b, row, begin, end| {
            let (zero, all) = (b.index(0), b.index(channels));
            let first = b.offset(row[1], -before);
            let first = b.binary(BinOp::Max, first, zero);
            let last = b.offset(row[1], behind + 1);
            let last = b.binary(BinOp::Min, last, all);
            b.for_axis(Axis::Serial, begin, end, 1, |b, at| {
                let mut pixel = b.scale(at, lanes as i64);
                if !pixels.is_multiple_of(lanes) {
                    // The last vector overlaps the one before.
                    let end = b.index((pixels - lanes) as i64);
                    pixel = b.binary(BinOp::Min, pixel, end);
                }
                let image = b.address(0, &[(row[0], channels * pixels as i64), (pixel, 1)]);
                let sum = b.var(Ty::vector(self.dtype(), lanes as u16));
                let nothing = b.constant(Scalar::from_f64(self.dtype(), 0.0), lanes as u16);
                b.set(sum, nothing);
                b.for_axis(Axis::Serial, first, last, 1, |b, channel| {
                    let value = self.load(b, x, image, channel, pixels, lanes);
                    let total = b.get(sum);
                    let total = b.mul_add(value, value, total);
                    b.set(sum, total);
                });
                let value = self.load(b, x, image, row[1], pixels, lanes);
                let sum = b.get(sum);
                let result = self.normalized(b, value, sum);
                let result = b.convert(result, self.ty.dtype);
                let at = b.address(0, &[(image, 1), (row[1], pixels as i64)]);
                b.store(y, at, result);
            });
        });
    }

    fn load(&self, b: &mut KernelBuilder, x: Buf, image: Val, channel: Val, pixels: usize, lanes: usize) -> Val {
        let at = b.address(0, &[(image, 1), (channel, pixels as i64)]);
        let value = b.load(x, at, lanes as u16);
        b.convert(value, self.dtype())
    }

    fn blocked(&self, b: &mut KernelBuilder, x: Buf, y: Buf, block: usize) {
        let (blocks, pixels) = (self.ty.dims[1].div_ceil(block) as i64, self.pixels());
        let (before, behind) = self.reach();
        let width = block as i64;
        // Neighbour blocks that the window of some lane reaches.
        let (low, high) = ((-before).div_euclid(width), (width - 1 + behind).div_euclid(width));
        let plane = pixels as i64 * width;
        let outer = [self.ty.dims[0], blocks as usize];
        parallel_rows(b, &outer, pixels, block * self.size, |b, row, begin, end| {
            let (zero, last) = (b.index(0), b.index(blocks - 1));
            let neighbours: Vec<(Val, Option<Val>)> = (low..=high)
                .map(|offset| {
                    let wanted = b.offset(row[1], offset);
                    let inside = b.binary(BinOp::Max, wanted, zero);
                    let inside = b.binary(BinOp::Min, inside, last);
                    let start = b.address(0, &[(row[0], blocks * plane), (inside, plane)]);
                    let there = (offset != 0).then(|| b.compare(CmpOp::Eq, wanted, inside));
                    (start, there.map(|there| b.splat(there, block as u16)))
                })
                .collect();
            b.for_axis(Axis::Serial, begin, end, 1, |b, at| {
                let nothing = b.constant(Scalar::from_f64(self.dtype(), 0.0), block as u16);
                let mut centre = nothing;
                let squares: Vec<Val> = neighbours
                    .iter()
                    .map(|&(start, there)| {
                        let index = b.address(0, &[(start, 1), (at, width)]);
                        let value = b.load(x, index, block as u16);
                        let value = b.convert(value, self.dtype());
                        let square = b.mul(value, value);
                        match there {
                            Some(there) => b.select(there, square, nothing),
                            None => {
                                centre = value;
                                square
                            }
                        }
                    })
                    .collect();
                let mut sum: Option<Val> = None;
                for offset in -before..=behind {
                    let (neighbour, shift) = (offset.div_euclid(width), offset.rem_euclid(width) as u16);
                    let from = (neighbour - low) as usize;
                    let term = match shift {
                        0 => squares[from],
                        _ => b.shuffle(squares[from], squares[from + 1], (shift..shift + block as u16).collect()),
                    };
                    sum = Some(sum.map_or(term, |sum| b.add(sum, term)));
                }
                let result = self.normalized(b, centre, sum.unwrap_or(nothing));
                let channel = b.scale(row[1], width);
                let result = zero_tail_lanes(b, result, self.ty, channel);
                let result = b.convert(result, self.ty.dtype);
                let index = b.address(0, &[(row[0], blocks * plane), (row[1], plane), (at, width)]);
                b.store(y, index, result);
            });
        });
    }

    /// `value / (bias + scale * sum)^beta`.
    fn normalized(&self, b: &mut KernelBuilder, value: Val, sum: Val) -> Val {
        let lanes = b.ty(value).lanes;
        let constant = |b: &mut KernelBuilder, c: f64| b.constant(Scalar::from_f64(self.dtype(), c), lanes);
        let (scale, bias) = (constant(b, self.scale), constant(b, self.bias));
        let base = b.mul_add(sum, scale, bias);
        let divisor = if self.beta == 1.0 {
            base
        } else if self.beta == 0.5 {
            b.unary(UnOp::Sqrt, base)
        } else if self.beta == 0.75 {
            let root = b.unary(UnOp::Sqrt, base);
            let fourth = b.unary(UnOp::Sqrt, root);
            b.mul(root, fourth)
        } else {
            let exponent = constant(b, self.beta);
            pow(&Floats::like(b, base), base, exponent)
        };
        b.binary(BinOp::Div, value, divisor)
    }
}
