//! A node as its handler sees it: operands as graph values, attributes with their types checked.

use crate::error::{Reason, invalid};
use crate::proto::{AttributeProto, attribute_kind as kind};
use crate::{context::Context, tensor};
use cnnc_ir::graph::ValueId;
use cnnc_tensor::{DType, Tensor};
use std::path::Path;

/// A node of the model with its operands resolved.
pub struct Node<'a> {
    /// Operator.
    pub op: &'a str,
    /// Operands; an absent optional one is `None`.
    pub inputs: Vec<Option<ValueId>>,
    /// Names of the results; an unwanted one is empty.
    pub outputs: &'a [String],
    /// The model's folder.
    pub base: Option<&'a Path>,
    /// Attributes.
    pub attributes: &'a [AttributeProto],
}

impl Node<'_> {
    /// The k-th operand, which must be there.
    pub fn input(&self, k: usize) -> Result<ValueId, Reason> {
        match self.optional(k) {
            Some(value) => Ok(value),
            None => invalid(format!("operand {k} is missing; the node has {}", self.inputs.len())),
        }
    }

    /// The k-th operand, where it is there.
    pub fn optional(&self, k: usize) -> Option<ValueId> {
        self.inputs.get(k).copied().flatten()
    }

    /// All operands, none of which may be absent.
    pub fn all_inputs(&self) -> Result<Vec<ValueId>, Reason> {
        (0..self.inputs.len()).map(|k| self.input(k)).collect()
    }

    /// Whether the model uses the k-th result.
    pub fn wants(&self, k: usize) -> bool {
        self.outputs.get(k).is_some_and(|name| !name.is_empty())
    }

    /// The content of the k-th operand, which must be there and constant; `operand` is its name in the specification.
    pub fn tensor_input(&self, cx: &Context, k: usize, operand: &str) -> Result<Tensor, Reason> {
        let value = self.input(k)?;
        match cx.graph.constant(value) {
            Some(tensor) => Ok(tensor.clone()),
            None => Err(Reason::NeedsValue { operand: operand.to_string(), value }),
        }
    }

    /// The constant k-th operand as integers, in row-major order.
    pub fn ints_input(&self, cx: &Context, k: usize, operand: &str) -> Result<Vec<i64>, Reason> {
        let tensor = self.tensor_input(cx, k, operand)?;
        if !tensor.dtype().is_int() {
            return invalid(format!("operand '{operand}' must hold integers, not {}", tensor.dtype()));
        }
        Ok(tensor.to_i64_vec())
    }

    /// [`ints_input`](Node::ints_input) for an operand that may be absent.
    pub fn optional_ints_input(&self, cx: &Context, k: usize, operand: &str) -> Result<Option<Vec<i64>>, Reason> {
        self.optional(k).map(|_| self.ints_input(cx, k, operand)).transpose()
    }

    /// The constant k-th operand as one integer (of any rank, one element).
    pub fn int_input(&self, cx: &Context, k: usize, operand: &str) -> Result<i64, Reason> {
        match self.ints_input(cx, k, operand)?[..] {
            [one] => Ok(one),
            ref many => invalid(format!("operand '{operand}' must hold one element, not {}", many.len())),
        }
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|a| a.name.as_deref() == Some(name))
    }

    /// Whether an attribute is there.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// The attribute of that name, checked to be of a type; the oldest models do not state types.
    fn typed(&self, name: &str, want: i32, what: &str) -> Result<Option<&AttributeProto>, Reason> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        match attribute.kind.unwrap_or(0) {
            0 => Ok(Some(attribute)),
            k if k == want => Ok(Some(attribute)),
            k => invalid(format!("attribute '{name}' must be {what}, not of attribute type {k}")),
        }
    }

    /// An integer attribute.
    pub fn opt_int(&self, name: &str) -> Result<Option<i64>, Reason> {
        Ok(self.typed(name, kind::INT, "an integer")?.map(|a| a.i.unwrap_or(0)))
    }

    /// An integer attribute, or its default.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, Reason> {
        Ok(self.opt_int(name)?.unwrap_or(default))
    }

    /// An integer attribute that must be there.
    pub fn need_int(&self, name: &str) -> Result<i64, Reason> {
        self.opt_int(name)?.map_or_else(|| invalid(format!("attribute '{name}' is missing")), Ok)
    }

    /// A truth-valued integer attribute, or its default.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Reason> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// A float attribute.
    pub fn opt_float(&self, name: &str) -> Result<Option<f32>, Reason> {
        Ok(self.typed(name, kind::FLOAT, "a float")?.map(|a| a.f.unwrap_or(0.0)))
    }

    /// A float attribute, or its default.
    pub fn float(&self, name: &str, default: f32) -> Result<f32, Reason> {
        Ok(self.opt_float(name)?.unwrap_or(default))
    }

    /// A list of integers.
    pub fn opt_ints(&self, name: &str) -> Result<Option<Vec<i64>>, Reason> {
        Ok(self.typed(name, kind::INTS, "a list of integers")?.map(|a| a.ints.clone()))
    }

    /// A list of integers that must be there.
    pub fn need_ints(&self, name: &str) -> Result<Vec<i64>, Reason> {
        self.opt_ints(name)?.map_or_else(|| invalid(format!("attribute '{name}' is missing")), Ok)
    }

    /// A list of floats.
    pub fn opt_floats(&self, name: &str) -> Result<Option<Vec<f32>>, Reason> {
        Ok(self.typed(name, kind::FLOATS, "a list of floats")?.map(|a| a.floats.clone()))
    }

    /// A string attribute.
    pub fn opt_string(&self, name: &str) -> Result<Option<&str>, Reason> {
        let Some(attribute) = self.typed(name, kind::STRING, "a string")? else { return Ok(None) };
        match std::str::from_utf8(attribute.s.as_deref().unwrap_or_default()) {
            Ok(text) => Ok(Some(text)),
            Err(_) => invalid(format!("attribute '{name}' is not UTF-8")),
        }
    }

    /// A string attribute, or its default.
    pub fn string<'b>(&'b self, name: &str, default: &'b str) -> Result<&'b str, Reason> {
        Ok(self.opt_string(name)?.unwrap_or(default))
    }

    /// A tensor attribute.
    pub fn opt_tensor(&self, name: &str) -> Result<Option<Tensor>, Reason> {
        let Some(attribute) = self.typed(name, kind::TENSOR, "a tensor")? else { return Ok(None) };
        let Some(proto) = &attribute.t else { return invalid(format!("attribute '{name}' holds no tensor")) };
        tensor::load(proto, self.base).map(Some).map_err(|e| Reason::Invalid(format!("attribute '{name}': {e}")))
    }

    /// A sparse tensor attribute, made dense.
    pub fn opt_sparse_tensor(&self, name: &str) -> Result<Option<Tensor>, Reason> {
        let Some(attribute) = self.typed(name, kind::SPARSE_TENSOR, "a sparse tensor")? else { return Ok(None) };
        let Some(proto) = &attribute.sparse_tensor else {
            return invalid(format!("attribute '{name}' holds no sparse tensor"));
        };
        tensor::load_sparse(proto, self.base).map(Some).map_err(|e| Reason::Invalid(format!("attribute '{name}': {e}")))
    }

    /// An element type given as an integer attribute (`to`, `dtype`).
    pub fn opt_dtype(&self, name: &str) -> Result<Option<DType>, Reason> {
        let Some(number) = self.opt_int(name)? else { return Ok(None) };
        let known = i32::try_from(number).map_err(|_| format!("element type {number} is unknown"));
        known.and_then(tensor::dtype_of).map(Some).map_err(|e| Reason::Invalid(format!("attribute '{name}': {e}")))
    }
}

/// An axis of a tensor of `rank` axes, counted from the end where negative.
pub fn axis_of(axis: i64, rank: usize) -> Result<usize, Reason> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(from_start) {
        Ok(a) if a < rank => Ok(a),
        _ => invalid(format!("axis {axis} is outside a tensor of {rank} axes")),
    }
}

/// Axes, normalised, sorted and distinct.
pub fn axes_of(axes: &[i64], rank: usize) -> Result<Vec<usize>, Reason> {
    let mut list = axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>, _>>()?;
    list.sort_unstable();
    if list.windows(2).any(|w| w[0] == w[1]) {
        return invalid(format!("axes {axes:?} name an axis twice"));
    }
    Ok(list)
}

/// Sizes as `usize`; negative ones are errors that name the list.
pub fn sizes_of(list: &[i64], what: &str) -> Result<Vec<usize>, Reason> {
    list.iter()
        .map(|&v| {
            usize::try_from(v).map_err(|_| Reason::Invalid(format!("{what} {list:?} hold the negative value {v}")))
        })
        .collect()
}
