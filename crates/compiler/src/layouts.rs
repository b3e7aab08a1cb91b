//! Which layouts an operator could work in: the options that [`choose`](crate::choose) weighs.

use cnnc_ir::graph::{Op, TensorType};
use cnnc_tensor::{DType, Layout};

/// The layouts of one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutOption {
    /// Layout wanted for each operand; `None` takes the operand as it comes.
    pub inputs: Vec<Option<Layout>>,
    /// Layout of every result.
    pub output: Layout,
}

/// The options of an operator, given its operand and result types. Whether an algorithm works in an option is for
/// the algorithms to say.
pub fn layout_options(op: &Op, inputs: &[&TensorType], output: &TensorType, block: usize) -> Vec<LayoutOption> {
    let plain = LayoutOption { inputs: vec![Some(Layout::Plain); inputs.len()], output: Layout::Plain };
    let blocked = Layout::Blocked(block);
    let image = |ty: &TensorType| ty.dims.len() >= 3 && ty.dtype == DType::F32;
    if !image(output) || inputs.is_empty() {
        return vec![plain];
    }
    let full = |ty: &TensorType| if ty.dims == output.dims { Some(blocked) } else { beside_blocked(ty, output) };
    let with_first = |first: Layout| LayoutOption {
        inputs: inputs.iter().enumerate().map(|(k, ty)| if k == 0 { Some(first) } else { full(ty) }).collect(),
        output: blocked,
    };
    match op {
        Op::Conv { .. } | Op::ConvTranspose { .. } => {
            let mut options = vec![with_first(blocked), with_first(Layout::Plain), plain];
            for option in &mut options {
                option.inputs[1] = Some(Layout::Plain);
            }
            options
        }
        Op::Separable { .. } => {
            let mut option = with_first(blocked);
            for k in [1, 3] {
                option.inputs[k] = Some(Layout::Plain);
            }
            vec![option]
        }
        Op::Pool { .. } | Op::Lrn { .. } | Op::Resize { .. } | Op::Pad { .. } | Op::Slice { .. } => {
            let mut option = with_first(blocked);
            option.inputs[1..].fill(Some(Layout::Plain));
            vec![option, plain]
        }
        Op::Reduce { axes, keep_dims: true, .. } if axes.iter().all(|&a| a >= 2) => vec![with_first(blocked), plain],
        // Its copies read any layout.
        Op::Transpose { .. } => vec![LayoutOption { inputs: vec![None], output: Layout::Plain }],
        Op::Concat { .. } => vec![LayoutOption { inputs: vec![Some(blocked); inputs.len()], output: blocked }, plain],
        Op::Map { .. } if inputs.iter().any(|ty| ty.dims == output.dims) => {
            vec![LayoutOption { inputs: inputs.iter().map(|ty| full(ty)).collect(), output: blocked }, plain]
        }
        _ => vec![plain],
    }
}

/// The layout of an operand that broadcasts to a blocked result: one value per channel may come as it is.
fn beside_blocked(ty: &TensorType, output: &TensorType) -> Option<Layout> {
    let per_channel = ty.dims.len() == output.dims.len() && ty.dims[2..].iter().all(|&d| d == 1);
    if per_channel { None } else { Some(Layout::Plain) }
}
