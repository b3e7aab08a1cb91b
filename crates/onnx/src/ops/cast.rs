//! Cast, CastLike.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_tensor::DType;

/// The type is an attribute of ONNX's numbering (opset 6 and later).
pub fn cast(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let Some(dtype) = node.opt_dtype("to")? else { return invalid("attribute 'to' is missing") };
    Ok(vec![cx.cast(dtype, x)?])
}

/// The type is an attribute of text (opsets 1 to 5).
pub fn cast_1(cx: &mut Context, node: &Node) -> Results {
    let x = node.input(0)?;
    let Some(name) = node.opt_string("to")? else { return invalid("attribute 'to' is missing") };
    Ok(vec![cx.cast(named(name)?, x)?])
}

/// The type is the second operand's.
pub fn cast_like(cx: &mut Context, node: &Node) -> Results {
    let (x, like) = (node.input(0)?, node.input(1)?);
    let dtype = cx.dtype(like);
    Ok(vec![cx.cast(dtype, x)?])
}

fn named(name: &str) -> Result<DType, Reason> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "FLOAT" => DType::F32,
        "DOUBLE" => DType::F64,
        "FLOAT16" => DType::F16,
        "INT8" => DType::I8,
        "INT16" => DType::I16,
        "INT32" => DType::I32,
        "INT64" => DType::I64,
        "UINT8" => DType::U8,
        "UINT16" => DType::U16,
        "UINT32" => DType::U32,
        "UINT64" => DType::U64,
        "BOOL" => DType::Bool,
        _ => return invalid(format!("element type '{name}' is not supported")),
    })
}
