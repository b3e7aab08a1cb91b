//! Lists of layer shapes: text, one layer a line, to be read, edited and compared by people, and to be timed.
//!
//! ```text
//! # ResNet-50
//! conv 1x64x56x56 64x64x3x3 pad=1 tail=bias+relu count=3  # layer1
//! matmul 1x2048 2048x1000 tail=bias
//! ```
//!
//! A line names the operator, the dims of its two operands (weights as the operator has them: `O x C/groups x kernel`),
//! and what is not as usual. A depthwise convolution with the 1x1 convolution behind it is `separable`, with the weights of
//! both: `separable 1x32x112x112 32x1x3x3 16x32x1x1 pad=1 between=bias+relu6 tail=bias`.
//!
//! | word | says | usual |
//! |---|---|---|
//! | `stride=2`, `stride=2x1` | step between windows, of all axes or of each | 1 |
//! | `pad=1`, `pad=1x0`, `pad=0x0:1x1` | padding of all axes, of each, before and after each | 0 |
//! | `dilation=2` | step between taps | 1 |
//! | `groups=32` | groups | 1 |
//! | `outputs=interleaved` | channel `o` of the result is of group `o % groups` | group after group |
//! | `output_pad=1` | of a transposed convolution | 0 |
//! | `between=bias+relu` | what is done to what a depthwise convolution makes | nothing |
//! | `transpose=a`, `b` or `ab` | operands of a product that are stored transposed | none |
//! | `weights=input` | the second operand is no constant | constant |
//! | `tail=bias+relu` | what is done to each element: `bias`, `add` (another tensor), activations, in this order | nothing |
//! | `tail=EXPR with=KIND,..` | any tail, as an expression of the graph IR, with its operands | |
//! | `count=3` | how often the network has the layer | 1 |
//!
//! A tail operand is `channel` (a constant for each output channel), `result` (a tensor of the result's dims),
//! `const:DIMS` or `input:DIMS`; the dims of one element alone are `scalar`. All elements are f32. What stands behind
//! `#` is the layer's note. `parse(print(list)) == list`.

mod of_graph;
mod parse;
mod print;
mod tail;

pub use of_graph::{layer_of, layers_of};
pub use parse::{ShapesError, parse_layers};
pub use print::print_layers;

use cnnc_ir::graph::{Graph, InferError, Op, TensorType, ValueId, infer};
use cnnc_tensor::{DType, Tensor};

/// A layer: a convolution, transposed convolution, separable convolution or matrix product with its tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The operator.
    pub op: Op,
    /// Its operands, those of the tail last.
    pub operands: Vec<LayerOperand>,
    /// How often the network has it.
    pub count: usize,
    /// Where it stands in the network, or whatever there is to say; one line.
    pub note: String,
}

/// An operand of a layer: f32, plain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerOperand {
    /// Dims.
    pub dims: Vec<usize>,
    /// Whether its content is known when the layer is compiled.
    pub constant: bool,
}

impl LayerOperand {
    /// Its type.
    pub fn ty(&self) -> TensorType {
        TensorType::plain(DType::F32, &self.dims)
    }
}

impl Layer {
    /// The type of its result; an error where operator and operands do not fit.
    pub fn result(&self) -> Result<TensorType, InferError> {
        let types: Vec<TensorType> = self.operands.iter().map(LayerOperand::ty).collect();
        let mut results = infer(&self.op, &types.iter().collect::<Vec<_>>())?;
        Ok(results.swap_remove(0))
    }

    /// Its line without count and note: what it has in common with equal layers elsewhere.
    pub fn workload(&self) -> String {
        Layer { count: 1, note: String::new(), ..self.clone() }.to_string()
    }

    /// A graph of the layer alone, with one content for each operand; those that are constant become constants.
    pub fn graph(&self, contents: &[Tensor]) -> Result<Graph, InferError> {
        let mut graph = Graph::new("layer");
        let values: Vec<ValueId> = self
            .operands
            .iter()
            .zip(contents)
            .enumerate()
            .map(|(k, (operand, content))| match operand.constant {
                true => graph.add_const(None, content.clone()),
                false => graph.add_input(&format!("x{k}"), TensorType::of(content)),
            })
            .collect();
        let result = graph.add1("layer", self.op.clone(), &values)?;
        graph.add_output("y", result);
        Ok(graph)
    }
}
