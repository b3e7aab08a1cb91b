//! Graph IR, the *what*: a static-shape SSA graph of tensor operators.
//!
//! Invariants (checked by [`verify`](fn@verify)): every value is defined once, before its uses, since nodes stand in
//! topological order; result types are what [`infer`](fn@infer) says; dims are static; layouts are part of a type and
//! change only through [`Op::Convert`]; a blocked value has rank 2 or more.

mod eval;
mod infer;
pub mod ops;
mod rewrite;
mod text;
mod verify;
mod widen;

use cnnc_tensor::{DType, Layout, Tensor};
use std::collections::BTreeMap;

pub use eval::{EvalError, eval_op, evaluate, evaluate_observed};
pub use infer::{InferError, infer};
pub use ops::Op;
pub use rewrite::Rewriter;
pub use text::{
    INLINE_ELEMENTS, ParseError, parse_candidate, parse_graph, parse_graph_with, print_with_constants, seeded,
};
pub use verify::{VerifyError, verify};
pub use widen::widened;

/// Index of a value in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Index of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Logical dims; any may be 0.
    pub dims: Vec<usize>,
    /// Physical layout.
    pub layout: Layout,
}

impl TensorType {
    /// A plain tensor type.
    pub fn plain(dtype: DType, dims: &[usize]) -> TensorType {
        TensorType { dtype, dims: dims.to_vec(), layout: Layout::Plain }
    }

    /// The type of a tensor.
    pub fn of(tensor: &Tensor) -> TensorType {
        TensorType { dtype: tensor.dtype(), dims: tensor.dims().to_vec(), layout: tensor.layout() }
    }

    /// The same type in another layout.
    pub fn with_layout(&self, layout: Layout) -> TensorType {
        TensorType { layout, ..self.clone() }
    }

    /// Number of logical elements.
    pub fn count(&self) -> usize {
        self.dims.iter().product()
    }

    /// Bytes in memory, tail lanes counted.
    pub fn bytes(&self) -> usize {
        self.layout.physical_count(&self.dims).unwrap_or(usize::MAX).saturating_mul(self.dtype.size())
    }
}

/// What defines a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Def {
    /// The graph's k-th input.
    Input(usize),
    /// A constant.
    Const(Tensor),
    /// A trained parameter with its present content: a constant to inference, an operand to training.
    Param(Tensor),
    /// The k-th result of a node.
    Result(NodeId, usize),
}

/// A value: a tensor that flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Name in the source model, where it has one.
    pub name: Option<String>,
    /// Type.
    pub ty: TensorType,
    /// What defines it.
    pub def: Def,
}

/// A choice of algorithm for a node, as data: `direct(mr=14, nv=2)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Candidate {
    /// Name of the algorithm, as in the list of algorithms.
    pub algorithm: String,
    /// Its parameters.
    pub params: BTreeMap<String, i64>,
}

impl Candidate {
    /// A candidate with those parameters.
    pub fn new(algorithm: &str, params: &[(&str, i64)]) -> Candidate {
        let params = params.iter().map(|(k, v)| ((*k).to_string(), *v)).collect();
        Candidate { algorithm: algorithm.to_string(), params }
    }
}

/// An operator applied to values.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name of the ONNX node (or nodes, `a+b` after fusion) that this computes.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<ValueId>,
    /// Results.
    pub outputs: Vec<ValueId>,
    /// How it is to be computed, once chosen. The weights of a chosen node may be packed: their type is then the
    /// algorithm's affair.
    pub candidate: Option<Candidate>,
}

/// A graph output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Name in the model.
    pub name: String,
    /// The value.
    pub value: ValueId,
    /// An i64 value of one element: how much of axis 0 is valid, where that depends on data (NonMaxSuppression).
    pub extent: Option<ValueId>,
}

/// A graph. Nodes stand in topological order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Graph {
    /// Name of the model.
    pub name: String,
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    /// The outputs, in the model's order.
    pub outputs: Vec<Output>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Graph {
        Graph { name: name.to_string(), ..Graph::default() }
    }

    /// Adds a graph input.
    pub fn add_input(&mut self, name: &str, ty: TensorType) -> ValueId {
        let id = self.new_value(Some(name.to_string()), ty, Def::Input(self.inputs.len()));
        self.inputs.push(id);
        id
    }

    /// Adds a constant.
    pub fn add_const(&mut self, name: Option<&str>, tensor: Tensor) -> ValueId {
        self.new_value(name.map(str::to_string), TensorType::of(&tensor), Def::Const(tensor))
    }

    /// Adds a parameter.
    pub fn add_param(&mut self, name: Option<&str>, tensor: Tensor) -> ValueId {
        self.new_value(name.map(str::to_string), TensorType::of(&tensor), Def::Param(tensor))
    }

    /// Adds a node at the end, its result types inferred; returns its results.
    pub fn add(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<Vec<ValueId>, InferError> {
        let types: Vec<&TensorType> = inputs.iter().map(|&v| self.ty(v)).collect();
        let results = infer(&op, &types)?;
        Ok(self.add_typed(name, op, inputs, results, None))
    }

    /// [`add`](Graph::add) for operators with one result.
    pub fn add1(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId, InferError> {
        Ok(self.add(name, op, inputs)?[0])
    }

    /// Adds a node whose result types are given: for nodes with a candidate, whose operands may be packed.
    pub fn add_typed(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[ValueId],
        results: Vec<TensorType>,
        candidate: Option<Candidate>,
    ) -> Vec<ValueId> {
        let node = NodeId(self.nodes.len() as u32);
        let outputs: Vec<ValueId> =
            results.into_iter().enumerate().map(|(k, ty)| self.new_value(None, ty, Def::Result(node, k))).collect();
        self.nodes.push(Node {
            name: name.to_string(),
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            candidate,
        });
        outputs
    }

    /// Adds a graph output.
    pub fn add_output(&mut self, name: &str, value: ValueId) {
        self.outputs.push(Output { name: name.to_string(), value, extent: None });
    }

    /// Names a value.
    pub fn set_name(&mut self, value: ValueId, name: &str) {
        self.values[value.0 as usize].name = Some(name.to_string());
    }

    /// A value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// A value's type.
    pub fn ty(&self, id: ValueId) -> &TensorType {
        &self.values[id.0 as usize].ty
    }

    /// The content of a constant or parameter.
    pub fn constant(&self, id: ValueId) -> Option<&Tensor> {
        match &self.value(id).def {
            Def::Const(tensor) | Def::Param(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The node that makes a value, where one does.
    pub fn producer(&self, id: ValueId) -> Option<NodeId> {
        if let Def::Result(node, _) = self.value(id).def { Some(node) } else { None }
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// All nodes with their ids, in topological order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(k, n)| (NodeId(k as u32), n))
    }

    /// All values with their ids.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &Value)> {
        self.values.iter().enumerate().map(|(k, v)| (ValueId(k as u32), v))
    }

    /// The inputs.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The users of every value, by value index: a node stands once for each operand place.
    pub fn users(&self) -> Vec<Vec<NodeId>> {
        let mut users = vec![Vec::new(); self.values.len()];
        for (id, node) in self.nodes() {
            for input in &node.inputs {
                users[input.0 as usize].push(id);
            }
        }
        users
    }

    /// Whether a value is a graph output or an output's extent.
    pub fn is_output(&self, id: ValueId) -> bool {
        self.outputs.iter().any(|o| o.value == id || o.extent == Some(id))
    }

    fn new_value(&mut self, name: Option<String>, ty: TensorType, def: Def) -> ValueId {
        self.values.push(Value { name, ty, def });
        ValueId(self.values.len() as u32 - 1)
    }
}
