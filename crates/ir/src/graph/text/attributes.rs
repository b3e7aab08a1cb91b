//! Attributes of operators as `key=value`: one list of fields for each operator serves the printer and the parser.

use super::cursor::Cursor;
use crate::expr::{Expr, parse_expr};
use crate::graph::Op;
use crate::graph::ops::{GridMode, GridPadding, PadMode, PoolKind, ReduceKind, ScatterKind, Window};
use cnnc_tensor::{Layout, Scalar};

/// Something that stands behind `key=`.
trait Attribute {
    /// Its text.
    fn text(&self) -> String;
    /// Reads it; `None` where the text is not one.
    fn read(&mut self, text: &str) -> Option<()>;
    /// Whether it is what an absent key means.
    fn is_default(&self) -> bool {
        false
    }
}

/// A field of an operator.
type Field<'a> = (&'static str, Box<dyn Attribute + 'a>);

/// The attributes of an operator in braces; nothing where all are as an absent key means.
pub(super) fn print(op: &Op) -> String {
    let mut op = op.clone();
    let fields: Vec<String> = fields(&mut op)
        .into_iter()
        .filter(|(_, value)| !value.is_default())
        .map(|(key, value)| format!("{key}={}", value.text()))
        .collect();
    if fields.is_empty() { String::new() } else { format!("{{{}}}", fields.join(", ")) }
}

/// Reads an operator's attributes.
pub(super) fn parse(name: &str, cursor: &mut Cursor) -> Result<Op, String> {
    let mut op = blank(name).ok_or_else(|| format!("no operator {name}"))?;
    let mut seen: Vec<&str> = Vec::new();
    if cursor.take("{") {
        while !cursor.take("}") {
            if !seen.is_empty() {
                cursor.expect(",")?;
            }
            let key = cursor.some_word("an attribute")?;
            if seen.contains(&key) {
                return Err(format!("{key} stands twice"));
            }
            seen.push(key);
            cursor.expect("=")?;
            let text = cursor.raw_value();
            let field = fields(&mut op).into_iter().find(|(k, _)| *k == key);
            let (_, mut value) = field.ok_or_else(|| format!("{name} has no attribute {key}"))?;
            value.read(text).ok_or_else(|| match parse_expr(text) {
                Err(why) if matches!(key, "tail" | "between" | "expr") => format!("{key}: {why}"),
                _ => format!("{:?} is no {key}", text.chars().take(40).collect::<String>()),
            })?;
        }
    }
    fill(&mut op);
    Ok(op)
}

/// Lists that were left out because all their entries are the usual ones.
fn fill(op: &mut Op) {
    let usual = |list: &mut Vec<usize>, len: usize, entry: usize| {
        if list.is_empty() {
            *list = vec![entry; len];
        }
    };
    match op {
        Op::Conv { window, .. }
        | Op::ConvTranspose { window, .. }
        | Op::Separable { window, .. }
        | Op::Pool { window, .. } => {
            let len = window.kernel.len();
            usual(&mut window.strides, len, 1);
            usual(&mut window.dilations, len, 1);
            usual(&mut window.pads_begin, len, 0);
            usual(&mut window.pads_end, len, 0);
        }
        Op::Slice { starts, steps, .. } if steps.is_empty() => *steps = vec![1; starts.len()],
        Op::FilterTransform { outputs, strides } => usual(strides, outputs.len(), 1),
        _ => {}
    }
    if let Op::ConvTranspose { window, output_pads, .. } = op {
        usual(output_pads, window.kernel.len(), 0);
    }
}

/// An operator of that name with nothing set.
fn blank(name: &str) -> Option<Op> {
    let window = Window { kernel: vec![], strides: vec![], dilations: vec![], pads_begin: vec![], pads_end: vec![] };
    let tail = Expr::input(0);
    Some(match name {
        "map" => Op::Map { expr: tail, dims: vec![] },
        "conv" => Op::Conv { window, groups: 1, interleaved: false, tail },
        "conv_transpose" => Op::ConvTranspose { window, output_pads: vec![], groups: 1, tail },
        "separable" => Op::Separable { window, between: Expr::input(0), tail },
        "matmul" => Op::MatMul { trans_a: false, trans_b: false, tail },
        "pool" => {
            let (kind, count_pads_end) = (PoolKind::Max, vec![]);
            Op::Pool { kind, window, count_pads_end, indices: false, column_major: false }
        }
        "reduce" => Op::Reduce { kind: ReduceKind::Sum, axes: vec![], keep_dims: false },
        "arg_reduce" => Op::ArgReduce { largest: false, axis: 0, keep_dims: false, last: false },
        "softmax" => Op::Softmax { axis: 0, end: 0, log: false },
        "normalize" => Op::Normalize { axes: vec![], epsilon: 0, center: false, tail },
        "lrn" => Op::Lrn { size: 0, alpha: 0, beta: 0, bias: 0 },
        "concat" => Op::Concat { axis: 0 },
        "slice" => Op::Slice { starts: vec![], steps: vec![], dims: vec![] },
        "pad" => Op::Pad { mode: PadMode::Constant, begin: vec![], end: vec![] },
        "reshape" => Op::Reshape { dims: vec![] },
        "transpose" => Op::Transpose { perm: vec![] },
        "broadcast" => Op::Broadcast { dims: vec![] },
        "gather" => Op::Gather { axis: 0 },
        "gather_elements" => Op::GatherElements { axis: 0 },
        "gather_nd" => Op::GatherNd { batch_dims: 0 },
        "scatter_elements" => Op::ScatterElements { axis: 0, kind: ScatterKind::Replace },
        "scatter_nd" => Op::ScatterNd { kind: ScatterKind::Replace },
        "top_k" => Op::TopK { k: 0, axis: 0, largest: false },
        "cum_sum" => Op::CumSum { axis: 0, exclusive: false, reverse: false },
        "resize" => Op::Resize { axes: vec![], sizes: vec![] },
        "grid_sample" => Op::GridSample { mode: GridMode::Linear, padding: GridPadding::Zeros, align_corners: false },
        "non_max_suppression" => {
            Op::NonMaxSuppression { center_point: false, per_class: 0, iou_threshold: 0, score_threshold: 0 }
        }
        "filter_transform" => Op::FilterTransform { outputs: vec![], strides: vec![] },
        "filter_spectrum" => Op::FilterSpectrum { sizes: vec![] },
        "combine" => Op::Combine { coefficients: vec![] },
        "convert" => Op::Convert { layout: Layout::Plain },
        _ => return None,
    })
}

fn fields(op: &mut Op) -> Vec<Field<'_>> {
    match op {
        Op::Map { expr, dims } => vec![("expr", Box::new(expr)), ("dims", list(dims))],
        Op::Conv { window, groups, interleaved, tail } => {
            let mut fields = window_fields(window);
            fields.extend([
                ("groups", Box::new(groups) as Box<dyn Attribute>),
                ("interleaved", Box::new(interleaved)),
                ("tail", Box::new(tail)),
            ]);
            fields
        }
        Op::ConvTranspose { window, output_pads, groups, tail } => {
            let len = window.kernel.len();
            let mut fields = window_fields(window);
            let output_pads = Box::new(Usual { list: output_pads, len, entry: 0 });
            fields.extend([
                ("output_pads", output_pads as Box<dyn Attribute>),
                ("groups", Box::new(groups)),
                ("tail", Box::new(tail)),
            ]);
            fields
        }
        Op::Separable { window, between, tail } => {
            let mut fields = window_fields(window);
            fields.extend([("between", Box::new(between) as Box<dyn Attribute>), ("tail", Box::new(tail))]);
            fields
        }
        Op::MatMul { trans_a, trans_b, tail } => {
            vec![("trans_a", Box::new(trans_a)), ("trans_b", Box::new(trans_b)), ("tail", Box::new(tail))]
        }
        Op::Pool { kind, window, count_pads_end, indices, column_major } => {
            let mut fields: Vec<Field> = vec![("kind", Box::new(kind))];
            fields.extend(window_fields(window));
            fields.extend([
                ("count_pads_end", list(count_pads_end)),
                ("indices", Box::new(indices)),
                ("column_major", Box::new(column_major)),
            ]);
            fields
        }
        Op::Reduce { kind, axes, keep_dims } => {
            vec![("kind", Box::new(kind)), ("axes", list(axes)), ("keep_dims", Box::new(keep_dims))]
        }
        Op::ArgReduce { largest, axis, keep_dims, last } => vec![
            ("largest", Box::new(largest)),
            ("axis", Box::new(axis)),
            ("keep_dims", Box::new(keep_dims)),
            ("last", Box::new(last)),
        ],
        Op::Softmax { axis, end, log } => {
            vec![("axis", Box::new(axis)), ("end", Box::new(end)), ("log", Box::new(log))]
        }
        Op::Normalize { axes, epsilon, center, tail } => vec![
            ("axes", list(axes)),
            ("epsilon", float(epsilon)),
            ("center", Box::new(center)),
            ("tail", Box::new(tail)),
        ],
        Op::Lrn { size, alpha, beta, bias } => {
            vec![("size", Box::new(size)), ("alpha", float(alpha)), ("beta", float(beta)), ("bias", float(bias))]
        }
        Op::Concat { axis } | Op::Gather { axis } | Op::GatherElements { axis } => vec![("axis", Box::new(axis))],
        Op::Slice { starts, steps, dims } => {
            let len = starts.len();
            vec![
                ("starts", list(starts)),
                ("steps", Box::new(Usual { list: steps, len, entry: 1 })),
                ("dims", list(dims)),
            ]
        }
        Op::Pad { mode, begin, end } => vec![("mode", Box::new(mode)), ("begin", list(begin)), ("end", list(end))],
        Op::Reshape { dims } | Op::Broadcast { dims } => vec![("dims", list(dims))],
        Op::Transpose { perm } => vec![("perm", list(perm))],
        Op::GatherNd { batch_dims } => vec![("batch_dims", Box::new(batch_dims))],
        Op::ScatterElements { axis, kind } => vec![("axis", Box::new(axis)), ("kind", Box::new(kind))],
        Op::ScatterNd { kind } => vec![("kind", Box::new(kind))],
        Op::TopK { k, axis, largest } => {
            vec![("k", Box::new(k)), ("axis", Box::new(axis)), ("largest", Box::new(largest))]
        }
        Op::CumSum { axis, exclusive, reverse } => {
            vec![("axis", Box::new(axis)), ("exclusive", Box::new(exclusive)), ("reverse", Box::new(reverse))]
        }
        Op::Resize { axes, sizes } => vec![("axes", list(axes)), ("sizes", list(sizes))],
        Op::GridSample { mode, padding, align_corners } => {
            vec![("mode", Box::new(mode)), ("padding", Box::new(padding)), ("align_corners", Box::new(align_corners))]
        }
        Op::NonMaxSuppression { center_point, per_class, iou_threshold, score_threshold } => vec![
            ("center_point", Box::new(center_point)),
            ("per_class", Box::new(per_class)),
            ("iou_threshold", float(iou_threshold)),
            ("score_threshold", float(score_threshold)),
        ],
        Op::FilterTransform { outputs, strides } => {
            let len = outputs.len();
            vec![("outputs", list(outputs)), ("strides", Box::new(Usual { list: strides, len, entry: 1 }))]
        }
        Op::FilterSpectrum { sizes } => vec![("sizes", list(sizes))],
        Op::Combine { coefficients } => vec![("coefficients", list(coefficients))],
        Op::Convert { layout } => vec![("layout", Box::new(layout))],
    }
}

fn window_fields(window: &mut Window) -> Vec<Field<'_>> {
    let len = window.kernel.len();
    vec![
        ("kernel", list(&mut window.kernel)),
        ("strides", Box::new(Usual { list: &mut window.strides, len, entry: 1 })),
        ("dilations", Box::new(Usual { list: &mut window.dilations, len, entry: 1 })),
        ("pads_begin", Box::new(Usual { list: &mut window.pads_begin, len, entry: 0 })),
        ("pads_end", Box::new(Usual { list: &mut window.pads_end, len, entry: 0 })),
    ]
}

/// A list that is empty where it is left out.
fn list<T: Entry>(list: &mut Vec<T>) -> Box<dyn Attribute + '_> {
    Box::new(Usual { list, len: 0, entry: T::default() })
}

/// The bits of an f32.
fn float(bits: &mut u32) -> Box<dyn Attribute + '_> {
    Box::new(FloatBits(bits))
}

trait Entry: Copy + Default + PartialEq + std::fmt::Display + std::str::FromStr {}
impl Entry for usize {}
impl Entry for isize {}

/// A list, left out where it is `len` times `entry`.
struct Usual<'a, T> {
    list: &'a mut Vec<T>,
    len: usize,
    entry: T,
}

impl<T: Entry> Attribute for Usual<'_, T> {
    fn text(&self) -> String {
        let entries: Vec<String> = self.list.iter().map(T::to_string).collect();
        format!("[{}]", entries.join(","))
    }

    fn read(&mut self, text: &str) -> Option<()> {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        let entries = inside.split(',').filter(|_| !inside.trim().is_empty()).map(|e| e.trim().parse().ok());
        *self.list = entries.collect::<Option<_>>()?;
        Some(())
    }

    fn is_default(&self) -> bool {
        self.list.len() == self.len && self.list.iter().all(|e| *e == self.entry)
    }
}

struct FloatBits<'a>(&'a mut u32);

impl Attribute for FloatBits<'_> {
    fn text(&self) -> String {
        Scalar::f32(f32::from_bits(*self.0)).to_string()
    }

    fn read(&mut self, text: &str) -> Option<()> {
        *self.0 = Scalar::parse(cnnc_tensor::DType::F32, text)?.bits() as u32;
        Some(())
    }
}

impl Attribute for &mut usize {
    fn text(&self) -> String {
        self.to_string()
    }

    fn read(&mut self, text: &str) -> Option<()> {
        **self = text.parse().ok()?;
        Some(())
    }
}

impl Attribute for &mut bool {
    fn text(&self) -> String {
        self.to_string()
    }

    fn read(&mut self, text: &str) -> Option<()> {
        **self = text.parse().ok()?;
        Some(())
    }

    fn is_default(&self) -> bool {
        !**self
    }
}

impl Attribute for &mut Expr {
    fn text(&self) -> String {
        self.to_string()
    }

    fn read(&mut self, text: &str) -> Option<()> {
        **self = parse_expr(text).ok()?;
        Some(())
    }

    fn is_default(&self) -> bool {
        self.is_identity()
    }
}

impl Attribute for &mut Layout {
    fn text(&self) -> String {
        self.to_string()
    }

    fn read(&mut self, text: &str) -> Option<()> {
        **self = Layout::parse(text)?;
        Some(())
    }
}

impl Attribute for &mut PoolKind {
    fn text(&self) -> String {
        match self {
            PoolKind::Max => "max".to_string(),
            PoolKind::Average => "average".to_string(),
            PoolKind::AverageIncludePad => "average_include_pad".to_string(),
            PoolKind::Lp(p) => format!("lp{p}"),
        }
    }

    fn read(&mut self, text: &str) -> Option<()> {
        **self = match text {
            "max" => PoolKind::Max,
            "average" => PoolKind::Average,
            "average_include_pad" => PoolKind::AverageIncludePad,
            _ => PoolKind::Lp(text.strip_prefix("lp")?.parse().ok()?),
        };
        Some(())
    }
}

macro_rules! words {
    ($($kind:ident { $($variant:ident = $word:literal),* })*) => { $(
        impl Attribute for &mut $kind {
            fn text(&self) -> String {
                match self { $($kind::$variant => $word,)* }.to_string()
            }

            fn read(&mut self, text: &str) -> Option<()> {
                **self = match text { $($word => $kind::$variant,)* _ => return None };
                Some(())
            }
        }
    )* };
}

words! {
    ReduceKind { Sum = "sum", Mean = "mean", Max = "max", Min = "min", Prod = "prod" }
    ScatterKind { Replace = "replace", Add = "add", Mul = "mul", Max = "max", Min = "min" }
    PadMode { Constant = "constant", Reflect = "reflect", Edge = "edge", Wrap = "wrap" }
    GridMode { Nearest = "nearest", Linear = "linear", Cubic = "cubic" }
    GridPadding { Zeros = "zeros", Border = "border", Reflection = "reflection" }
}
