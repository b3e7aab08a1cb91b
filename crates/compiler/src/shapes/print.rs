//! Layers as text.

use super::{Layer, LayerOperand, tail};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;
use std::fmt;

/// A list of layers, one a line.
pub fn print_layers(layers: &[Layer]) -> String {
    layers.iter().map(|layer| format!("{layer}\n")).collect()
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.name())?;
        // The bias between two convolutions has the channels of the first.
        let named: &[usize] = if let Op::Separable { .. } = self.op { &[0, 1, 3] } else { &[0, 1] };
        for &operand in named {
            write!(f, " {}", dims(&self.operands[operand].dims))?;
        }
        match &self.op {
            Op::Conv { window, groups, interleaved, .. } => {
                write_window(f, window, *groups)?;
                f.write_str(if *interleaved { " outputs=interleaved" } else { "" })?;
            }
            Op::ConvTranspose { window, output_pads, groups, .. } => {
                write_window(f, window, *groups)?;
                write_axes(f, "output_pad", output_pads, 0)?;
            }
            Op::Separable { window, between, .. } => {
                write_window(f, window, 1)?;
                let words = tail::words_for(between, &["bias"]).or_else(|| tail::words_for(between, &[]));
                let words = words.unwrap_or_else(|| between.to_string().replace(' ', ""));
                f.write_str(&if between.is_identity() { String::new() } else { format!(" between={words}") })?;
            }
            Op::MatMul { trans_a, trans_b, .. } if *trans_a || *trans_b => {
                write!(f, " transpose={}{}", if *trans_a { "a" } else { "" }, if *trans_b { "b" } else { "" })?;
            }
            _ => {}
        }
        if !self.operands[1].constant {
            f.write_str(" weights=input")?;
        }
        self.write_tail(f)?;
        if self.count != 1 {
            write!(f, " count={}", self.count)?;
        }
        if !self.note.is_empty() {
            write!(f, "  # {}", self.note)?;
        }
        Ok(())
    }
}

impl Layer {
    fn write_tail(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((expr, fixed)) = self.op.tail() else { return Ok(()) };
        let operands = &self.operands[fixed..];
        if expr.is_identity() && operands.is_empty() {
            return Ok(());
        }
        let kinds: Vec<String> = operands.iter().map(|operand| self.kind(operand)).collect();
        let names: Vec<&str> = kinds
            .iter()
            .map(|kind| match kind.as_str() {
                "channel" => "bias",
                "result" => "add",
                other => other,
            })
            .collect();
        if let Some(words) = tail::words_for(expr, &names) {
            return write!(f, " tail={words}");
        }
        write!(f, " tail={}", expr.to_string().replace(' ', ""))?;
        if kinds.is_empty() { Ok(()) } else { write!(f, " with={}", kinds.join(",")) }
    }

    fn kind(&self, operand: &LayerOperand) -> String {
        let result = self.result().map(|ty| ty.dims).unwrap_or_default();
        let channel = super::parse::channel_dims(&self.op, &result);
        match operand.constant {
            true if operand.dims == channel => "channel".into(),
            false if operand.dims == result => "result".into(),
            true => format!("const:{}", dims(&operand.dims)),
            false => format!("input:{}", dims(&operand.dims)),
        }
    }
}

fn write_window(f: &mut fmt::Formatter<'_>, window: &Window, groups: usize) -> fmt::Result {
    write_axes(f, "stride", &window.strides, 1)?;
    if window.pads_begin == window.pads_end {
        write_axes(f, "pad", &window.pads_begin, 0)?;
    } else {
        write!(f, " pad={}:{}", dims(&window.pads_begin), dims(&window.pads_end))?;
    }
    write_axes(f, "dilation", &window.dilations, 1)?;
    if groups == 1 { Ok(()) } else { write!(f, " groups={groups}") }
}

/// ` key=2` where all axes have 2, ` key=2x1` where they differ, nothing where all are as usual.
fn write_axes(f: &mut fmt::Formatter<'_>, key: &str, values: &[usize], usual: usize) -> fmt::Result {
    match values {
        all if all.iter().all(|&v| v == usual) => Ok(()),
        [first, rest @ ..] if rest.iter().all(|v| v == first) => write!(f, " {key}={first}"),
        _ => write!(f, " {key}={}", dims(values)),
    }
}

fn dims(dims: &[usize]) -> String {
    if dims.is_empty() {
        return "scalar".into();
    }
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
