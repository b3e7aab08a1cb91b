//! The importer's state while it builds the graph, and the operations that handlers build with.
//!
//! Constants are folded as nodes are added: a small or integer result of constant operands becomes a constant at
//! once, so computed pads, Resize sizes and chains after Shape are known where a shape depends on them.

use crate::error::{Reason, invalid};
use cnnc_ir::expr::{BinaryOp, ExprBuilder, ExprId, UnaryOp};
use cnnc_ir::graph::{Def, Graph, Op, TensorType, ValueId, eval_op, infer};
use cnnc_tensor::{DType, Scalar, Tensor};
use std::collections::{BTreeSet, HashMap};

/// Most elements of a folded result of float or bool type.
const FOLD_FLOATS: usize = 1 << 20;
/// Most elements of a folded result of integer type.
const FOLD_INTS: usize = 1 << 24;
/// Most elements that the operands of a folded operator may have together.
const FOLD_OPERANDS: usize = 1 << 24;
/// Most elements of any value: above it sizes in bytes could overflow.
const MAX_ELEMENTS: usize = 1 << 48;

/// What a handler returns: its results, in order.
pub type Results = Result<Vec<ValueId>, Reason>;

/// The importer's state.
#[derive(Default)]
pub struct Context {
    /// The graph under construction.
    pub graph: Graph,
    /// Values by their names in the model.
    pub values: HashMap<String, ValueId>,
    /// How much of axis 0 of a value is valid, where that depends on data.
    pub extents: HashMap<ValueId, ValueId>,
    /// Name of the model's node that is being imported.
    pub node: String,
}

impl Context {
    /// A value's type.
    pub fn ty(&self, value: ValueId) -> &TensorType {
        self.graph.ty(value)
    }

    /// A value's dims.
    pub fn dims(&self, value: ValueId) -> Vec<usize> {
        self.graph.ty(value).dims.clone()
    }

    /// A value's number of axes.
    pub fn rank(&self, value: ValueId) -> usize {
        self.graph.ty(value).dims.len()
    }

    /// A value's element type.
    pub fn dtype(&self, value: ValueId) -> DType {
        self.graph.ty(value).dtype
    }

    /// A constant without a name.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.add_const(None, tensor)
    }

    /// A 0-dimensional constant.
    pub fn scalar(&mut self, value: Scalar) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    /// A constant list of i64.
    pub fn ints(&mut self, values: &[i64]) -> Result<ValueId, Reason> {
        Ok(self.constant(Tensor::from_vec(&[values.len()], values)?))
    }

    /// Adds an operator, or its results where they can be folded.
    pub fn add(&mut self, op: Op, inputs: &[ValueId]) -> Results {
        let types: Vec<&TensorType> = inputs.iter().map(|&v| self.ty(v)).collect();
        let results = infer(&op, &types)?;
        for ty in &results {
            let nonzero: Vec<usize> = ty.dims.iter().copied().filter(|&d| d != 0).collect();
            if cnnc_tensor::element_count(&nonzero).is_none_or(|n| n > MAX_ELEMENTS) {
                return invalid(format!("the result's dims {:?} are larger than memory", ty.dims));
            }
        }
        if let Some(folded) = self.fold(&op, inputs, &results) {
            return Ok(folded.into_iter().map(|t| self.constant(t)).collect());
        }
        Ok(self.graph.add_typed(&self.node, op, inputs, results, None))
    }

    /// [`add`](Context::add) for operators with one result.
    pub fn add1(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, Reason> {
        Ok(self.add(op, inputs)?[0])
    }

    fn fold(&self, op: &Op, inputs: &[ValueId], results: &[TensorType]) -> Option<Vec<Tensor>> {
        let limit = |ty: &TensorType| if ty.dtype.is_int() { FOLD_INTS } else { FOLD_FLOATS };
        if results.iter().any(|ty| ty.count() > limit(ty)) {
            return None;
        }
        let tensors: Vec<&Tensor> = inputs.iter().map(|&v| self.graph.constant(v)).collect::<Option<_>>()?;
        if tensors.iter().map(|t| t.count()).sum::<usize>() > FOLD_OPERANDS {
            return None;
        }
        let heavy = matches!(op, Op::Conv { .. } | Op::ConvTranspose { .. } | Op::MatMul { .. } | Op::Pool { .. });
        if heavy && results.iter().any(|ty| ty.count() > 1 << 12) {
            return None;
        }
        eval_op(op, &tensors).ok()
    }

    /// An elementwise operator whose expression `build` makes of its operands; they broadcast.
    pub fn map(
        &mut self,
        inputs: &[ValueId],
        build: impl FnOnce(&mut ExprBuilder, &[ExprId]) -> ExprId,
    ) -> Result<ValueId, Reason> {
        let mut b = ExprBuilder::default();
        let operands: Vec<ExprId> = (0..inputs.len()).map(|k| b.input(k as u32)).collect();
        let result = build(&mut b, &operands);
        let expr = b.finish(result);
        // An expression that does not use its last operands must not lose their broadcast.
        let used = expr.input_count();
        let mut dims = vec![];
        if used < inputs.len() {
            for &input in inputs {
                let of = &self.ty(input).dims;
                match cnnc_tensor::broadcast_dims(&dims, of) {
                    Some(joined) => dims = joined,
                    None => return invalid(format!("dims {dims:?} and {of:?} do not broadcast")),
                }
            }
        }
        self.add1(Op::Map { expr, dims }, &inputs[..used])
    }

    /// An elementwise operation of one operand.
    pub fn unary(&mut self, op: UnaryOp, x: ValueId) -> Result<ValueId, Reason> {
        self.add1(Op::unary(op), &[x])
    }

    /// An elementwise operation of two operands of one type; they broadcast.
    pub fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> Result<ValueId, Reason> {
        self.add1(Op::binary(op), &[a, b])
    }

    /// A value converted to an element type; itself where it has that type.
    pub fn cast(&mut self, dtype: DType, x: ValueId) -> Result<ValueId, Reason> {
        if self.dtype(x) == dtype { Ok(x) } else { self.add1(Op::cast(dtype), &[x]) }
    }

    /// A value under other dims; itself where it has those.
    pub fn reshape(&mut self, x: ValueId, dims: &[usize]) -> Result<ValueId, Reason> {
        if self.ty(x).dims == dims { Ok(x) } else { self.add1(Op::Reshape { dims: dims.to_vec() }, &[x]) }
    }

    /// A value with its axes permuted; itself where the permutation is the identity.
    pub fn transpose(&mut self, x: ValueId, perm: &[usize]) -> Result<ValueId, Reason> {
        let identity = perm.iter().enumerate().all(|(k, &p)| k == p);
        if identity { Ok(x) } else { self.add1(Op::Transpose { perm: perm.to_vec() }, &[x]) }
    }

    /// A value broadcast to dims; itself where it has those.
    pub fn broadcast(&mut self, x: ValueId, dims: &[usize]) -> Result<ValueId, Reason> {
        if self.ty(x).dims == dims { Ok(x) } else { self.add1(Op::Broadcast { dims: dims.to_vec() }, &[x]) }
    }

    /// Names of the graph inputs that a value is computed from, sorted.
    pub fn inputs_behind(&self, value: ValueId) -> Vec<String> {
        let mut seen = BTreeSet::from([value]);
        let mut names = BTreeSet::new();
        let mut stack = vec![value];
        while let Some(id) = stack.pop() {
            let value = self.graph.value(id);
            match &value.def {
                Def::Input(_) => {
                    names.insert(value.name.clone().unwrap_or_default());
                }
                Def::Result(node, _) => {
                    stack.extend(self.graph.node(*node).inputs.iter().filter(|&&v| seen.insert(v)));
                }
                Def::Const(_) | Def::Param(_) => {}
            }
        }
        names.into_iter().collect()
    }
}
