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
const FOLD_INTS: usize = 1 << 22;
/// Most elements that operands and result of a folded product may have: its work grows faster than its size.
const FOLD_PRODUCT: usize = 1 << 12;
/// Bytes that folded operators may read and write in one import, beside what [`Context::new`] is given.
const FOLD_BYTES: usize = 64 << 20;
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
    /// Bytes that folding may still read and write.
    fold_budget: usize,
    /// How much of axis 0 of a value is valid, where that depends on data.
    pub extents: HashMap<ValueId, ValueId>,
    /// Name of the model's node that is being imported.
    pub node: String,
}

impl Context {
    /// An empty graph of that name, imported from a model of so many bytes.
    pub fn new(name: &str, model_bytes: usize) -> Context {
        let fold_budget = FOLD_BYTES.saturating_add(model_bytes.saturating_mul(4));
        Context { graph: Graph::new(name), fold_budget, ..Context::default() }
    }

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

    fn fold(&mut self, op: &Op, inputs: &[ValueId], results: &[TensorType]) -> Option<Vec<Tensor>> {
        let limit = |ty: &TensorType| match op {
            Op::Pool { .. } | Op::Lrn { .. } => 0,
            Op::Conv { .. } | Op::ConvTranspose { .. } | Op::MatMul { .. } | Op::NonMaxSuppression { .. } => {
                FOLD_PRODUCT
            }
            _ if ty.dtype.is_int() => FOLD_INTS,
            _ => FOLD_FLOATS,
        };
        let operands = inputs.iter().map(|&v| self.ty(v));
        if results.iter().any(|ty| ty.count() > limit(ty)) || operands.clone().any(|ty| ty.count() > 4 * limit(ty)) {
            return None;
        }
        let bytes: usize = operands.chain(results).map(TensorType::bytes).fold(0, usize::saturating_add);
        let tensors: Vec<&Tensor> = inputs.iter().map(|&v| self.graph.constant(v)).collect::<Option<_>>()?;
        let left = self.fold_budget.checked_sub(bytes)?;
        let folded = eval_op(op, &tensors).ok()?;
        self.fold_budget = left;
        Some(folded)
    }

    /// An elementwise operator whose expression `build` makes of its operands; they broadcast. Constant operands of
    /// one element become constants of the expression.
    pub fn map(
        &mut self,
        inputs: &[ValueId],
        build: impl FnOnce(&mut ExprBuilder, &[ExprId]) -> ExprId,
    ) -> Result<ValueId, Reason> {
        let mut dims = vec![];
        for &input in inputs {
            let of = &self.ty(input).dims;
            match cnnc_tensor::broadcast_dims(&dims, of) {
                Some(joined) => dims = joined,
                None => return invalid(format!("dims {dims:?} and {of:?} do not broadcast")),
            }
        }
        let mut b = ExprBuilder::default();
        let mut kept = vec![];
        let mut operands = vec![];
        for &input in inputs {
            let single = self.graph.constant(input).filter(|t| t.count() == 1).map(|t| t.get(0));
            operands.push(match single {
                Some(value) => b.constant(value),
                None => {
                    let k = kept.iter().position(|&other| other == input).unwrap_or_else(|| {
                        kept.push(input);
                        kept.len() - 1
                    });
                    b.input(k as u32)
                }
            });
        }
        let result = build(&mut b, &operands);
        let expr = b.finish(result);
        kept.truncate(expr.input_count());
        // Operands that the expression dropped may have broadcast the result further.
        let mut reached = vec![];
        for &input in &kept {
            reached = cnnc_tensor::broadcast_dims(&reached, &self.ty(input).dims).unwrap_or_default();
        }
        let dims = if reached == dims { vec![] } else { dims };
        self.add1(Op::Map { expr, dims }, &kept)
    }

    /// An elementwise operation of one operand.
    pub fn unary(&mut self, op: UnaryOp, x: ValueId) -> Result<ValueId, Reason> {
        self.map(&[x], |b, v| b.unary(op, v[0]))
    }

    /// An elementwise operation of two operands of one type; they broadcast.
    pub fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> Result<ValueId, Reason> {
        self.map(&[a, b], |b, v| b.binary(op, v[0], v[1]))
    }

    /// A value converted to an element type; itself where it has that type.
    pub fn cast(&mut self, dtype: DType, x: ValueId) -> Result<ValueId, Reason> {
        if self.dtype(x) == dtype { Ok(x) } else { self.add1(Op::cast(dtype), &[x]) }
    }

    /// One value per channel, dims `[C]` (or `[1]`), so that it broadcasts along axis 1 of a tensor of `rank` axes.
    pub fn per_channel(&mut self, x: ValueId, rank: usize) -> Result<ValueId, Reason> {
        let count = self.ty(x).count();
        let dims: Vec<usize> = std::iter::once(count).chain(std::iter::repeat_n(1, rank.saturating_sub(2))).collect();
        self.reshape(x, &dims)
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
