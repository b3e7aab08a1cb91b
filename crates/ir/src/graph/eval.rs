//! Reference evaluation: slow, plain, obviously right. The dispatch to one function an operator in [`ops`], and the
//! walk over a graph.

use super::infer::check_type;
use super::ops::number::Evaluated;
use super::ops::*;
use super::{Def, Graph, Node, Op, TensorType, ValueId, infer};
use cnnc_tensor::{Layout, Tensor};

/// Why an evaluation failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{op}: {what}")]
pub struct EvalError {
    /// Name of the operator.
    pub op: String,
    /// What is wrong.
    pub what: String,
}

/// Evaluates one operator. Floats are computed in f64 and rounded once to the result's type; integers wrap. Blocked
/// operands give a result in the layout that [`infer`](fn@infer) says.
pub fn eval_op(op: &Op, inputs: &[&Tensor]) -> Result<Vec<Tensor>, EvalError> {
    let error = |what: String| EvalError { op: op.name().into(), what };
    let types: Vec<TensorType> = inputs.iter().map(|t| TensorType::of(t)).collect();
    let results = infer(op, &types.iter().collect::<Vec<_>>()).map_err(|e| error(e.what))?;
    eval_typed(op, inputs, &results).map_err(error)
}

/// Evaluates an operator whose result types are given: in plain layout, then converted to the layouts of the results.
fn eval_typed(op: &Op, inputs: &[&Tensor], results: &[TensorType]) -> Evaluated {
    if let (Op::Convert { layout }, [x]) = (op, inputs) {
        return Ok(vec![convert::eval(*layout, x)?]);
    }
    let plain: Vec<Tensor> = inputs.iter().map(|t| convert::eval(Layout::Plain, t)).collect::<Result<_, _>>()?;
    let plain: Vec<&Tensor> = plain.iter().collect();
    let plain_results: Vec<TensorType> = results.iter().map(|ty| ty.with_layout(Layout::Plain)).collect();
    let values = dispatch(op, &plain, &plain_results)?;
    values.into_iter().zip(results).map(|(value, ty)| convert::eval(ty.layout, &value)).collect()
}

fn dispatch(op: &Op, inputs: &[&Tensor], results: &[TensorType]) -> Evaluated {
    let ty = &results[0];
    match op {
        Op::Map { expr, .. } => map::eval(expr, inputs, ty),
        Op::Conv { window, groups, interleaved, tail } => conv::eval(window, (*groups, *interleaved), tail, inputs, ty),
        Op::ConvTranspose { window, groups, tail, .. } => conv_transpose::eval(window, *groups, tail, inputs, ty),
        Op::Separable { window, between, tail } => separable::eval(window, between, tail, inputs, ty),
        Op::MatMul { trans_a, trans_b, tail } => matmul::eval(*trans_a, *trans_b, tail, inputs, ty),
        Op::Pool { kind, window, count_pads_end, column_major, .. } => {
            pool::eval(*kind, window, count_pads_end, *column_major, inputs, results)
        }
        Op::Reduce { kind, axes, .. } => reduce::eval(*kind, axes, inputs, ty),
        Op::ArgReduce { largest, axis, last, .. } => arg_reduce::eval(*largest, *axis, *last, inputs, ty),
        Op::Softmax { axis, end, log } => softmax::eval(*axis, *end, *log, inputs, ty),
        Op::Normalize { axes, epsilon, center, tail } => normalize::eval(axes, *epsilon, *center, tail, inputs, ty),
        Op::Lrn { size, alpha, beta, bias } => lrn::eval(*size, *alpha, *beta, *bias, inputs, ty),
        Op::Concat { axis } => concat::eval(*axis, inputs, ty),
        Op::Slice { starts, steps, .. } => slice::eval(starts, steps, inputs, ty),
        Op::Pad { mode, begin, .. } => pad::eval(*mode, begin, inputs, ty),
        Op::Reshape { dims } => reshape::eval(dims, inputs),
        Op::Transpose { perm } => transpose::eval(perm, inputs, ty),
        Op::Broadcast { dims } => broadcast::eval(dims, inputs),
        Op::Gather { axis } => gather::eval(*axis, inputs, ty),
        Op::GatherElements { axis } => gather_elements::eval(*axis, inputs, ty),
        Op::GatherNd { batch_dims } => gather_nd::eval(*batch_dims, inputs, ty),
        Op::ScatterElements { axis, kind } => scatter_elements::eval(*axis, *kind, inputs),
        Op::ScatterNd { kind } => scatter_nd::eval(*kind, inputs),
        Op::TopK { k, axis, largest } => top_k::eval(*k, *axis, *largest, inputs, results),
        Op::CumSum { axis, exclusive, reverse } => cum_sum::eval(*axis, *exclusive, *reverse, inputs, ty),
        Op::Resize { axes, .. } => resize::eval(axes, inputs, ty),
        Op::GridSample { mode, padding, align_corners } => {
            grid_sample::eval(*mode, *padding, *align_corners, inputs, ty)
        }
        Op::NonMaxSuppression { center_point, per_class, iou_threshold, score_threshold } => {
            non_max_suppression::eval(*center_point, *per_class, *iou_threshold, *score_threshold, inputs, results)
        }
        Op::FilterTransform { outputs, strides } => filter_transform::eval((outputs, strides), inputs, ty),
        Op::FilterSpectrum { sizes } => filter_spectrum::eval(sizes, inputs, ty),
        Op::Combine { coefficients } => combine::eval(coefficients, inputs, ty),
        Op::Convert { layout } => Ok(vec![convert::eval(*layout, inputs[0])?]),
    }
}

/// Evaluates a graph on its inputs, in order; returns the outputs, in order, cut to their extents.
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
    evaluate_observed(graph, inputs, &mut |_, _| {})
}

/// [`evaluate`], with `observe` called for every node result as it is made. A value is dropped after its last use.
pub fn evaluate_observed(
    graph: &Graph,
    inputs: &[Tensor],
    observe: &mut dyn FnMut(ValueId, &Tensor),
) -> Result<Vec<Tensor>, EvalError> {
    let error = |what: String| EvalError { op: format!("graph {:?}", graph.name), what };
    let mut values = Values::new(graph, inputs).map_err(error)?;
    for (_, node) in graph.nodes() {
        let results = eval_node(graph, node, &values)
            .map_err(|what| EvalError { op: format!("{} {:?}", node.op.name(), node.name), what })?;
        for (&id, result) in node.outputs.iter().zip(results) {
            observe(id, &result);
            values.put(id, result);
        }
        node.inputs.iter().for_each(|&id| values.drop_use(id));
    }
    graph.outputs.iter().map(|o| values.output(o.value, o.extent)).collect::<Result<_, _>>().map_err(error)
}

fn eval_node(graph: &Graph, node: &Node, values: &Values) -> Evaluated {
    let operands: Vec<&Tensor> = node.inputs.iter().map(|&id| values.get(id)).collect::<Result<_, _>>()?;
    let declared: Vec<TensorType> = node.outputs.iter().map(|&id| graph.ty(id).clone()).collect();
    // A chosen node may take and give any layouts, so it is inferred in plain ones.
    let types: Vec<TensorType> = operands.iter().map(|t| TensorType::of(t).with_layout(Layout::Plain)).collect();
    let inferred = infer(&node.op, &types.iter().collect::<Vec<_>>()).map_err(|e| e.what)?;
    let agree = inferred.len() == declared.len()
        && inferred.iter().zip(&declared).all(|(i, d)| i.dims == d.dims && i.dtype == d.dtype);
    if !agree {
        let list = |types: &[TensorType]| types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ");
        return Err(format!("result types are declared as {}, but are {}", list(&declared), list(&inferred)));
    }
    declared.iter().try_for_each(check_type)?;
    eval_typed(&node.op, &operands, &declared)
}

/// The tensors that are alive, and how many uses each has left.
struct Values<'a> {
    graph: &'a Graph,
    tensors: Vec<Option<Tensor>>,
    uses: Vec<usize>,
}

impl<'a> Values<'a> {
    fn new(graph: &'a Graph, inputs: &[Tensor]) -> Result<Values<'a>, String> {
        let count = graph.values().count();
        let mut values = Values { graph, tensors: vec![None; count], uses: vec![0; count] };
        if inputs.len() != graph.inputs().len() {
            return Err(format!("takes {} inputs, got {}", graph.inputs().len(), inputs.len()));
        }
        let outputs = graph.outputs.iter().flat_map(|o| std::iter::once(o.value).chain(o.extent));
        let operands = graph.nodes().flat_map(|(_, n)| n.inputs.iter().copied());
        operands.chain(outputs).for_each(|id| values.uses[id.0 as usize] += 1);
        for (&id, input) in graph.inputs().iter().zip(inputs) {
            let ty = graph.ty(id);
            if input.dtype() != ty.dtype || input.dims() != ty.dims {
                let name = graph.value(id).name.as_deref().unwrap_or("");
                return Err(format!("input {name:?} is {ty}, got {}", TensorType::of(input)));
            }
            values.put(id, convert::eval(ty.layout, input)?);
        }
        Ok(values)
    }

    fn get(&self, id: ValueId) -> Result<&Tensor, String> {
        match &self.graph.value(id).def {
            Def::Const(tensor) | Def::Param(tensor) => Ok(tensor),
            _ => {
                self.tensors[id.0 as usize].as_ref().ok_or_else(|| format!("value {} is used before it is made", id.0))
            }
        }
    }

    fn put(&mut self, id: ValueId, tensor: Tensor) {
        if self.uses[id.0 as usize] > 0 {
            self.tensors[id.0 as usize] = Some(tensor);
        }
    }

    fn drop_use(&mut self, id: ValueId) {
        let uses = &mut self.uses[id.0 as usize];
        *uses -= 1;
        if *uses == 0 {
            self.tensors[id.0 as usize] = None;
        }
    }

    fn output(&self, id: ValueId, extent: Option<ValueId>) -> Result<Tensor, String> {
        let value = self.get(id)?;
        let Some(extent) = extent else { return Ok(value.clone()) };
        let extent = self.get(extent)?.to_i64_vec().first().copied().unwrap_or(0);
        let rows = value.dims().first().copied().unwrap_or(0);
        let valid = usize::try_from(extent).ok().filter(|&n| n <= rows);
        let valid = valid.ok_or_else(|| format!("extent {extent} is outside output dims {:?}", value.dims()))?;
        let mut dims = value.dims().to_vec();
        if let Some(first) = dims.first_mut() {
            *first = valid;
        }
        // Axis 0 is the outermost in every layout.
        let bytes = value.bytes().len() / rows.max(1) * valid;
        Tensor::from_bytes(value.dtype(), &dims, value.layout(), &value.bytes()[..bytes]).map_err(|e| e.to_string())
    }
}
