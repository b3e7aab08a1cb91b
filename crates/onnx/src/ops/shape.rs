//! Shape, Size and Range: constants, since dims are static.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_tensor::{Scalar, Tensor};

/// Most elements of a Range.
const MAX_RANGE: f64 = (1u64 << 28) as f64;

/// Shape; from opset 15 on a part of it.
pub fn shape(cx: &mut Context, node: &Node) -> Results {
    let dims: Vec<i64> = cx.dims(node.input(0)?).iter().map(|&d| d as i64).collect();
    let rank = dims.len() as i64;
    let place = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (place(node.int("start", 0)?), place(node.int("end", rank)?));
    Ok(vec![cx.ints(&dims[start..end.max(start)])?])
}

/// Size.
pub fn size(cx: &mut Context, node: &Node) -> Results {
    let count = cx.ty(node.input(0)?).count();
    Ok(vec![cx.scalar(Scalar::i64(count as i64))])
}

/// Range: `start`, `start + delta`, ... below `limit`.
pub fn range(cx: &mut Context, node: &Node) -> Results {
    let mut numbers = vec![];
    for (k, name) in ["start", "limit", "delta"].into_iter().enumerate() {
        let tensor = node.tensor_input(cx, k, name)?;
        if tensor.count() != 1 {
            return invalid(format!("operand '{name}' must be a scalar"));
        }
        numbers.push(tensor.get(0));
    }
    let dtype = numbers[0].dtype();
    if numbers.iter().any(|n| n.dtype() != dtype) {
        return invalid("start, limit and delta must be of one type");
    }
    let [start, limit, delta] = [0, 1, 2].map(|k| numbers[k].to_f64());
    let count = ((limit - start) / delta).ceil().max(0.0);
    if delta == 0.0 || !(count <= MAX_RANGE) {
        return invalid(format!("a range from {start} to {limit} by {delta} is endless or too long"));
    }
    let value = |k: usize| match dtype.is_int() {
        true => {
            let step = numbers[2].to_i64().wrapping_mul(k as i64);
            Scalar::from_i64(dtype, numbers[0].to_i64().wrapping_add(step))
        }
        false => Scalar::from_f64(dtype, start + k as f64 * delta),
    };
    let count = count as usize;
    Ok(vec![cx.constant(Tensor::from_scalars(dtype, &[count], (0..count).map(value))?)])
}
