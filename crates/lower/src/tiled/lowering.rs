//! A register-tiled sum as a whole lowering of one kernel.

use super::{Emitted, Input, TiledSum, Tiling, emit};
use crate::{LowerError, Lowering, LoweringBuilder, Operand, Region};
use cnnc_ir::graph::Candidate;

/// Checks a tiling against a sum.
pub fn check(region: &Region, candidate: &Candidate, sum: &TiledSum, tiling: &Tiling) -> Result<(), LowerError> {
    let why = if sum.is_empty() {
        "the result is empty"
    } else if sum.group_vectors < sum.vectors() && !sum.group_vectors.is_multiple_of(tiling.nv) {
        "a bundle of nv vectors would span two groups"
    } else {
        return Ok(());
    };
    Err(illegal(region, candidate, why))
}

/// An illegal candidate.
pub fn illegal(region: &Region, candidate: &Candidate, why: &str) -> LowerError {
    let params: Vec<String> = candidate.params.iter().map(|(k, v)| format!("{k}={v}")).collect();
    LowerError::Illegal {
        node: region.name.into(),
        candidate: format!("{}({})", candidate.algorithm, params.join(", ")),
        why: why.into(),
    }
}

/// The lowering of a sum whose input is operand 0 and whose (packed) weights are operand 1.
pub fn lower(region: &Region, candidate: &Candidate, sum: &TiledSum, tiling: &Tiling) -> Result<Lowering, LowerError> {
    check(region, candidate, sum, tiling)?;
    let emitted = emit(&candidate.algorithm, region, sum, tiling, Input::Direct(Operand::Input(0)));
    Ok(whole(emitted))
}

/// A lowering of one kernel.
pub fn whole(emitted: Emitted) -> Lowering {
    let mut lowering = LoweringBuilder::default();
    lowering.call(emitted.kernel, emitted.operands);
    emitted.in_place.into_iter().for_each(|operand| lowering.in_place(operand, 0));
    lowering.finish()
}
