//! Range: a constant, since its length is a dim.

use crate::context::{Context, Results};
use crate::error::invalid;
use crate::node::Node;
use cnnc_tensor::{Scalar, Tensor};

/// Most elements of a Range.
const MAX_RANGE: f64 = (1u64 << 28) as f64;

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
    if delta == 0.0 || count.is_nan() || count > MAX_RANGE {
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
