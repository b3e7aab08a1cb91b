//! Normalisation over axes: `(x - mean) / sqrt(variance + epsilon)`, or by the root mean square, with a tail.
//!
//! Mean and variance take a pass each, with several accumulators; a third pass writes. The second pass also sums the
//! deviations, whose mean is what rounding left in the first mean: both moments are corrected by it, so that values
//! which lie close together beside their mean do not magnify it (corrected two-pass algorithm: T. F. Chan,
//! G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", 1983). Axes are joined as far as the
//! tail's operands allow.

use crate::collapse::{aligned_dims, groups, merged_dims};
use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::operand::Position;
use crate::reduction::{Accumulators, Reduction, Site};
use crate::tail::Tail;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::expr::ExprNode;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{BinOp, Buf, Kernel, KernelBuilder, Role, UnOp, Val};
use cnnc_tensor::{DType, Layout, Scalar, Target};

/// Normalisation.
pub static NORMALIZE: Algorithm = Algorithm {
    name: "normalize",
    about: "mean and variance normalisation over axes",
    accuracy: Accuracy::Rounding,
    error: crate::error::elementwise,
    class: Class::Tuned,
    candidates: |region, _, _| {
        let plain = region.inputs.iter().chain(&region.outputs).all(|ty| ty.layout == Layout::Plain);
        if matches!(region.op, Op::Normalize { .. }) && plain { vec![Candidate::new("normalize", &[])] } else { vec![] }
    },
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let flops = 10.0 * region.inputs[0].count() as f64;
        Work { flops, seconds: roofline(target, flops, 0.25, 2.0 * region_bytes(region), 1) }
    },
    lower,
};

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Op::Normalize { axes, epsilon, center, tail } = region.op else {
        let candidate = candidate.algorithm.clone();
        return Err(LowerError::Illegal { node: region.name.into(), candidate, why: "not a normalisation".into() });
    };
    let mut lowering = LoweringBuilder::default();
    if region.inputs[0].count() == 0 {
        return Ok(lowering.finish());
    }
    let indexed = tail.nodes().iter().any(|node| matches!(node, ExprNode::Index(_)));
    let (joined, combined) = join_axes(region, axes, indexed);
    let native = target.lanes * 4 / working_type(region.inputs[0].dtype).size();
    let reduction = Reduction::new(joined.outputs[0].dims.clone(), combined, native);
    let in_place = !reduction.overlaps() && region.inputs[0].dtype == region.outputs[0].dtype;
    let normalize = Normalize {
        region: &joined,
        reduction,
        epsilon: f64::from(f32::from_bits(*epsilon)),
        center: *center,
        in_place,
    };
    let (kernel, mut operands) = normalize.kernel();
    operands.insert(0, Operand::Input(0));
    operands.push(Operand::Output(0));
    lowering.call(kernel, operands);
    if in_place {
        lowering.in_place(0, 0);
    }
    Ok(lowering.finish())
}

/// The region with neighbouring axes joined, and which of its axes are normalised over.
fn join_axes<'a>(region: &Region<'a>, axes: &[usize], indexed: bool) -> (Region<'a>, Vec<bool>) {
    let dims = &region.outputs[0].dims;
    let rank = dims.len();
    let aligned: Vec<Vec<usize>> = region.inputs.iter().map(|ty| aligned_dims(&ty.dims, rank)).collect();
    let key = |axis: usize| -> Option<Vec<bool>> {
        let runs = aligned.iter().map(|dims| dims[axis] != 1);
        (dims[axis] != 1).then(|| runs.chain([axes.contains(&axis)]).collect())
    };
    let groups = groups(rank, key, |_| indexed);
    let merged = |dims: &[usize]| merged_dims(&groups, dims);
    let inputs = region.inputs.iter().zip(&aligned).map(|(ty, dims)| TensorType { dims: merged(dims), ..ty.clone() });
    let output = TensorType { dims: merged(dims), ..region.outputs[0].clone() };
    let combined = |group: &Vec<usize>| {
        group.iter().any(|&a| dims[a] != 1 && axes.contains(&a)) || group.iter().all(|a| axes.contains(a))
    };
    let flags = groups.iter().map(combined).collect();
    (Region { inputs: inputs.collect(), outputs: vec![output], ..region.clone() }, flags)
}

struct Normalize<'a> {
    region: &'a Region<'a>,
    reduction: Reduction,
    epsilon: f64,
    center: bool,
    in_place: bool,
}

impl Normalize<'_> {
    /// The kernel and what its buffers between operand and result are bound to.
    fn kernel(&self) -> (Kernel, Vec<Operand>) {
        let mut b = KernelBuilder::new("normalize");
        let (from, to) = (&self.region.inputs[0], &self.region.outputs[0]);
        let x = b.buffer("x", from.dtype, from.count(), Role::Read);
        let tail = Tail::declare(&mut b, self.region);
        let y = b.buffer("y", to.dtype, to.count(), Role::Write);
        if self.in_place {
            b.may_alias(x);
            b.may_alias(y);
        }
        let dtype = working_type(from.dtype);
        self.reduction.parallel(&mut b, |b, site| {
            let lanes = self.reduction.site_lanes();
            let (centre, variance) = match self.center {
                true => {
                    let (mean, left, variance) = self.moments(b, site, x);
                    (Some((mean, self.reduction.spread(b, left))), variance)
                }
                false => {
                    let [squares] = self.means(b, site, x, |b, value| [b.mul(value, value)]);
                    (None, squares)
                }
            };
            let epsilon = b.constant(Scalar::from_f64(dtype, self.epsilon), lanes);
            let deviation = b.add(variance, epsilon);
            let deviation = b.unary(UnOp::Sqrt, deviation);
            let one = b.constant(Scalar::from_f64(dtype, 1.0), lanes);
            let scale = b.binary(BinOp::Div, one, deviation);
            let scale = self.reduction.spread(b, scale);
            self.reduction.pass(b, site, 1, |b, element| {
                let mut value = element.load(b, x);
                if let Some((mean, left)) = centre {
                    value = b.sub(value, mean);
                    value = b.sub(value, left);
                }
                let value = b.mul(value, scale);
                let value = b.convert(value, from.dtype);
                let at = Position {
                    coords: &element.coords,
                    flat: element.flat,
                    lanes: element.lanes,
                    count: element.count,
                };
                let result = tail.apply(b, value, &at);
                element.store(b, y, result);
            });
        });
        (b.finish(), tail.operands())
    }

    /// The rounded mean of a site in every lane of its vectors, what the true mean has above it, and the variance.
    fn moments(&self, b: &mut KernelBuilder, site: &Site, x: Buf) -> (Val, Val, Val) {
        let [mean] = self.means(b, site, x, |_, value| [value]);
        let mean = self.reduction.spread(b, mean);
        let [left, squares] = self.means(b, site, x, |b, value| {
            let value = b.sub(value, mean);
            [value, b.mul(value, value)]
        });
        let excess = b.mul(left, left);
        let variance = b.sub(squares, excess);
        let zero = Scalar::from_f64(b.ty(variance).dtype, 0.0);
        let zero = b.constant(zero, self.reduction.site_lanes());
        (mean, left, b.binary(BinOp::Max, variance, zero))
    }

    /// The means of terms of each element of a site.
    fn means<const N: usize>(
        &self,
        b: &mut KernelBuilder,
        site: &Site,
        x: Buf,
        terms: impl Fn(&mut KernelBuilder, Val) -> [Val; N],
    ) -> [Val; N] {
        let dtype: DType = working_type(self.region.inputs[0].dtype);
        let zero = Scalar::from_f64(dtype, 0.0);
        let slots = self.reduction.slots();
        let sums: [Accumulators; N] = std::array::from_fn(|_| Accumulators::new(b, slots, self.reduction.lanes, zero));
        self.reduction.pass(b, site, slots, |b, element| {
            let value = element.load(b, x);
            for (sum, term) in sums.iter().zip(terms(b, value)) {
                let term = element.valid(b, term, zero);
                sum.add(b, element.slot, term, |b, total, term| b.add(total, term));
            }
        });
        let count = Scalar::from_f64(dtype, self.reduction.combined_count() as f64);
        let count = b.constant(count, self.reduction.site_lanes());
        sums.map(|sum| {
            let sum = sum.total(b, |b, x, y| b.add(x, y));
            let sum = self.reduction.fold(b, BinOp::Add, sum);
            b.binary(BinOp::Div, sum, count)
        })
    }
}
