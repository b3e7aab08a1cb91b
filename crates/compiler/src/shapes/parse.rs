//! Text as layers.

use super::{Layer, LayerOperand, tail};
use cnnc_ir::expr::{Expr, parse_expr};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;

/// Most bytes of an operand or result: a shape is to be timed, not to exhaust the machine.
const MOST_BYTES: usize = 4 << 30;

/// What is wrong with a list of layers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ShapesError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// Reads a list of layers.
pub fn parse_layers(text: &str) -> Result<Vec<Layer>, ShapesError> {
    let mut layers = vec![];
    for (k, line) in text.lines().enumerate() {
        let layer = parse_layer(line).map_err(|what| ShapesError { line: k + 1, what })?;
        layers.extend(layer);
    }
    Ok(layers)
}

fn parse_layer(line: &str) -> Result<Option<Layer>, String> {
    // Coordinates in a tail are written `#0`: a note begins behind a blank.
    let (text, note) =
        match line.char_indices().find(|&(at, c)| c == '#' && (at == 0 || line[..at].ends_with([' ', '\t']))) {
            Some((at, _)) => (&line[..at], line[at + 1..].trim()),
            None => (line, ""),
        };
    let mut words = text.split_whitespace();
    let Some(name) = words.next() else { return Ok(None) };
    let mut operand = |what: &str| {
        let word =
            words.next().filter(|w| !w.contains('=')).ok_or_else(|| format!("the dims of the {what} are missing"))?;
        parse_dims(word)
    };
    let (x, w) = (operand("input")?, operand("weights")?);
    let second = if name == "separable" { Some(operand("second weights")?) } else { None };
    let mut keys = Keys::read(words)?;
    let mut op = match name {
        "conv" => {
            let (window, groups) = (keys.window(&x, &w)?, keys.number("groups", 1)?);
            Op::Conv { window, groups, interleaved: keys.flag("outputs", "interleaved")?, tail: Expr::input(0) }
        }
        "conv_transpose" => {
            let window = keys.window(&x, &w)?;
            let output_pads = keys.axes("output_pad", window.kernel.len(), 0)?;
            Op::ConvTranspose { window, output_pads, groups: keys.number("groups", 1)?, tail: Expr::input(0) }
        }
        "separable" => {
            let (window, between) = (keys.window(&x, &w)?, keys.between()?);
            Op::Separable { window, between, tail: Expr::input(0) }
        }
        "matmul" => {
            let flags = keys.take("transpose").unwrap_or_default();
            if !["", "a", "b", "ab"].contains(&flags) {
                return Err(format!("transpose={flags}: it is a, b or ab"));
            }
            Op::MatMul { trans_a: flags.contains('a'), trans_b: flags.contains('b'), tail: Expr::input(0) }
        }
        _ => return Err(format!("unknown operator {name}: known are conv, conv_transpose, separable and matmul")),
    };
    let constant = second.is_some() || !keys.flag("weights", "input")?;
    let count = keys.number("count", 1)?;
    let bias = channel_dims(&op, &x);
    let mut operands = vec![LayerOperand { dims: x, constant: false }, LayerOperand { dims: w, constant }];
    if let Some(second) = second {
        operands.extend([bias, second].map(|dims| LayerOperand { dims, constant }));
    }
    let layer = Layer { op: op.clone(), operands, count, note: note.into() };
    let result = fitting(&layer)?;
    let (expr, kinds) = keys.tail()?;
    let operands = kinds.iter().map(|kind| parse_kind(kind, &op, &result)).collect::<Result<Vec<_>, _>>()?;
    if let Some(tail) = op.tail_mut() {
        *tail = expr;
    }
    let layer = Layer { op, operands: [layer.operands, operands].concat(), ..layer };
    fitting(&layer)?;
    keys.finish()?;
    Ok(Some(layer))
}

/// The dims of the result; an error where the layer is none, or is too large.
fn fitting(layer: &Layer) -> Result<Vec<usize>, String> {
    let result = layer.result().map_err(|e| e.what)?;
    let empty = |dims: &[usize]| dims.contains(&0);
    if empty(&result.dims) || layer.operands.iter().any(|o| empty(&o.dims)) {
        return Err("a dim is 0".into());
    }
    if let Some(ty) =
        layer.operands.iter().map(LayerOperand::ty).chain([result.clone()]).find(|ty| ty.bytes() > MOST_BYTES)
    {
        return Err(format!("{ty} is larger than {} GiB", MOST_BYTES >> 30));
    }
    Ok(result.dims)
}

/// Dims of one value for each output channel.
pub(super) fn channel_dims(op: &Op, result: &[usize]) -> Vec<usize> {
    match op {
        Op::MatMul { .. } => result.last().copied().into_iter().collect(),
        _ => result.iter().skip(1).enumerate().map(|(k, &d)| if k == 0 { d } else { 1 }).collect(),
    }
}

fn parse_kind(kind: &str, op: &Op, result: &[usize]) -> Result<LayerOperand, String> {
    let known = || format!("unknown tail operand {kind}: it is channel, result, const:DIMS or input:DIMS");
    match kind {
        "channel" => Ok(LayerOperand { dims: channel_dims(op, result), constant: true }),
        "result" => Ok(LayerOperand { dims: result.to_vec(), constant: false }),
        _ => {
            let (form, dims) = kind.split_once(':').ok_or_else(known)?;
            let constant = match form {
                "const" => true,
                "input" => false,
                _ => return Err(known()),
            };
            let dims = if dims == "scalar" { vec![] } else { parse_dims(dims)? };
            Ok(LayerOperand { dims, constant })
        }
    }
}

fn parse_dims(text: &str) -> Result<Vec<usize>, String> {
    let dims: Option<Vec<usize>> = text.split('x').map(|d| d.parse().ok()).collect();
    dims.ok_or_else(|| format!("`{text}` are no dims; write them as 1x64x56x56"))
}

/// The `key=value` words of a line that are not used up yet.
struct Keys<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Keys<'a> {
    fn read(words: impl Iterator<Item = &'a str>) -> Result<Keys<'a>, String> {
        let mut keys: Vec<(&str, &str)> = vec![];
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not of the form KEY=VALUE"))?;
            if keys.iter().any(|(k, _)| *k == key) {
                return Err(format!("{key} stands twice"));
            }
            keys.push((key, value));
        }
        Ok(Keys(keys))
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(k, _)| *k == key)?;
        Some(self.0.remove(at).1)
    }

    /// A positive number.
    fn number(&mut self, key: &str, usual: usize) -> Result<usize, String> {
        let Some(text) = self.take(key) else { return Ok(usual) };
        text.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("{key}={text}: it is to be a number above 0"))
    }

    /// Whether a key is there that can have one value only.
    fn flag(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match self.take(key) {
            None => Ok(false),
            Some(text) if text == value => Ok(true),
            Some(other) => Err(format!("{key}={other}: it can only be {value}")),
        }
    }

    /// A number for each axis, or one for all.
    fn axes(&mut self, key: &str, rank: usize, usual: usize) -> Result<Vec<usize>, String> {
        self.take(key).map_or(Ok(vec![usual; rank]), |text| parse_axes(key, text, rank))
    }

    fn window(&mut self, x: &[usize], w: &[usize]) -> Result<Window, String> {
        if x.len() != w.len() || !(3..=5).contains(&x.len()) {
            return Err("input and weights are to have 1 to 3 spatial axes, both the same number".into());
        }
        let rank = x.len() - 2;
        let pads = self.take("pad").unwrap_or("0");
        let (begin, end) = pads.split_once(':').unwrap_or((pads, pads));
        Ok(Window {
            kernel: w[2..].to_vec(),
            strides: self.axes("stride", rank, 1)?,
            dilations: self.axes("dilation", rank, 1)?,
            pads_begin: parse_axes("pad", begin, rank)?,
            pads_end: parse_axes("pad", end, rank)?,
        })
    }

    /// What is done between two convolutions, to `$0` with the bias `$1`.
    fn between(&mut self) -> Result<Expr, String> {
        let Some(text) = self.take("between") else { return Ok(Expr::input(0)) };
        let expr = match text.contains(['$', '(']) {
            true => parse_expr(text).map_err(|e| format!("between: {e}"))?,
            false => match tail::of_words(&text.split('+').collect::<Vec<_>>()) {
                Some((expr, operands)) if operands.is_empty() || operands == ["bias"] => expr,
                _ => return Err(format!("between={text}: its words are {}, without add", tail::known())),
            },
        };
        if expr.input_count() > 2 { Err(format!("between={text} reads more than a bias")) } else { Ok(expr) }
    }

    /// The tail and the kinds of its operands.
    fn tail(&mut self) -> Result<(Expr, Vec<&'a str>), String> {
        let (text, with) = (self.take("tail"), self.take("with"));
        let Some(text) = text else {
            return if with.is_some() { Err("with= without tail=".into()) } else { Ok((Expr::input(0), vec![])) };
        };
        if text.contains(['$', '(']) {
            let expr = parse_expr(text).map_err(|e| format!("tail: {e}"))?;
            let kinds: Vec<&str> = with.map_or(vec![], |with| with.split(',').collect());
            if expr.input_count().saturating_sub(1) > kinds.len() {
                return Err(format!("the tail reads {} operands, with= names {}", expr.input_count() - 1, kinds.len()));
            }
            return Ok((expr, kinds));
        }
        if with.is_some() {
            return Err("with= belongs to a tail that is an expression".into());
        }
        let words: Vec<&str> = text.split('+').collect();
        let (expr, operands) = tail::of_words(&words)
            .ok_or_else(|| format!("unknown tail {text}: its words are {}; else write an expression", tail::known()))?;
        Ok((expr, operands.into_iter().map(|w| if w == "bias" { "channel" } else { "result" }).collect()))
    }

    fn finish(self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |(key, _)| Err(format!("unknown key {key}, or not for this operator")))
    }
}

fn parse_axes(key: &str, text: &str, rank: usize) -> Result<Vec<usize>, String> {
    let wrong = || format!("{key}={text}: it is to be one number, or {rank} with x between them");
    let values = parse_dims(text).map_err(|_| wrong())?;
    match values.len() {
        1 => Ok(vec![values[0]; rank]),
        n if n == rank => Ok(values),
        _ => Err(wrong()),
    }
}
