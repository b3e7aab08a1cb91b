//! Direct convolution on the blocked layout.

use super::{ConvShape, dense_sum, pack_weights};
use crate::tiled::{self, Tiling};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Candidate;
use cnnc_tensor::Target;

/// Direct convolution.
pub const DIRECT: Algorithm = Algorithm {
    name: "direct",
    about: "direct convolution on blocked channels, register tiles of pixels x output channels",
    accuracy: Accuracy::Exact,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

fn candidates(_region: &Region, _target: &Target) -> Vec<Candidate> {
    vec![]
}

fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    match (ConvShape::of(region), Tiling::of(candidate)) {
        (Some(shape), Some(tiling)) => vec![pack_weights(&shape, region.inputs[0].layout, target.lanes, tiling.nv)],
        _ => vec![],
    }
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let _ = (region, candidate, target);
    Work::default()
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let illegal = |why: &str| LowerError::Illegal {
        node: region.name.into(),
        candidate: format!("{candidate:?}"),
        why: why.into(),
    };
    let shape = ConvShape::of(region).ok_or_else(|| illegal("not a convolution"))?;
    let tiling = Tiling::of(candidate).ok_or_else(|| illegal("parameters missing"))?;
    let flat = shape.is_pointwise() && shape.window.strides.iter().all(|&s| s == 1);
    let sum = dense_sum(&shape, region.inputs[0].layout, target.lanes, tiling.nv, flat);
    let elems = region.inputs[0].layout.physical_count(&region.inputs[0].dims).unwrap_or(0);
    let (kernel, operands, in_place) = tiled::emit("direct", region, &sum, &tiling, (Operand::Input(0), elems));
    let mut lowering = LoweringBuilder::default();
    lowering.call(kernel, operands);
    in_place.into_iter().for_each(|(i, o)| lowering.in_place(i, o));
    Ok(lowering.finish())
}
