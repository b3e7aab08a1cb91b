//! Text of scalar expressions: `relu(add($0, $1))`.
//!
//! `$k` is operand k, `#k` the output's coordinate along axis k, `f32:1.5` a constant, `i64(..)` a conversion,
//! `select(c, a, b)` and the names of [`UnaryOp`] and [`BinaryOp`] are what they say. A node that is used more than
//! once is named where it first stands, `mul(t0=exp($0), t0)`, so that the text is never longer than the list of nodes.

use super::{BinaryOp, Expr, ExprBuilder, ExprId, ExprNode, UnaryOp};
use cnnc_tensor::{DType, Scalar};
use std::fmt;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 500;
/// Most nodes that are read; building an expression takes time quadratic in their number.
const MAX_NODES: usize = 4096;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut uses = vec![0; self.nodes().len()];
        self.nodes().iter().flat_map(ExprNode::operands).for_each(|id| uses[id.0 as usize] += 1);
        let mut printer = Printer { expr: self, uses, names: vec![None; self.nodes().len()], named: 0 };
        printer.print(f, self.result())
    }
}

struct Printer<'a> {
    expr: &'a Expr,
    uses: Vec<usize>,
    names: Vec<Option<usize>>,
    named: usize,
}

impl Printer<'_> {
    fn print(&mut self, f: &mut fmt::Formatter<'_>, id: ExprId) -> fmt::Result {
        let at = id.0 as usize;
        if let Some(name) = self.names[at] {
            return write!(f, "t{name}");
        }
        let node = self.expr.nodes()[at];
        if self.uses[at] > 1 && node.operands().next().is_some() {
            // The name is taken when the node is complete: its operands may take names first.
            let name = self.named;
            self.named += 1;
            write!(f, "t{name}=")?;
            self.print_node(f, node)?;
            self.names[at] = Some(name);
            return Ok(());
        }
        self.print_node(f, node)
    }

    fn print_node(&mut self, f: &mut fmt::Formatter<'_>, node: ExprNode) -> fmt::Result {
        match node {
            ExprNode::Input(k) => return write!(f, "${k}"),
            ExprNode::Index(axis) => return write!(f, "#{axis}"),
            ExprNode::Const(value) => return write!(f, "{}:{value}", value.dtype()),
            ExprNode::Unary(op, _) => f.write_str(op.name())?,
            ExprNode::Binary(op, ..) => f.write_str(op.name())?,
            ExprNode::Select(..) => f.write_str("select")?,
            ExprNode::Cast(dtype, _) => write!(f, "{dtype}")?,
        }
        f.write_str("(")?;
        for (k, operand) in node.operands().enumerate() {
            f.write_str(if k > 0 { ", " } else { "" })?;
            self.print(f, operand)?;
        }
        f.write_str(")")
    }
}

/// Reads what [`Display`](std::fmt::Display) of an expression printed.
pub fn parse_expr(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { rest: text, builder: ExprBuilder::default(), names: vec![] };
    let result = parser.expression(0)?;
    if !parser.rest.trim_start().is_empty() {
        return Err(format!("unexpected text after an expression: {}", start_of(parser.rest)));
    }
    Ok(parser.builder.finish(result))
}

struct Parser<'a> {
    rest: &'a str,
    builder: ExprBuilder,
    names: Vec<(&'a str, ExprId)>,
}

impl<'a> Parser<'a> {
    fn expression(&mut self, depth: usize) -> Result<ExprId, String> {
        if depth > MAX_DEPTH {
            return Err(format!("expression is nested deeper than {MAX_DEPTH}"));
        }
        self.rest = self.rest.trim_start();
        if let Some(k) = self.after('$') {
            return self.push(ExprNode::Input(number(k)?));
        }
        if let Some(axis) = self.after('#') {
            return self.push(ExprNode::Index(number(axis)?));
        }
        let word = self.word();
        if word.is_empty() {
            return Err(format!("expected an expression, found {}", start_of(self.rest)));
        }
        if self.take(':') {
            return self.constant(word);
        }
        if self.take('=') {
            let id = self.expression(depth + 1)?;
            if self.names.iter().any(|(name, _)| *name == word) {
                return Err(format!("{word} is named twice"));
            }
            self.names.push((word, id));
            return Ok(id);
        }
        if self.take('(') {
            return self.call(word, depth);
        }
        let named = self.names.iter().find(|(name, _)| *name == word);
        named.map(|(_, id)| *id).ok_or_else(|| format!("{word} is not named before its use"))
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<ExprId, String> {
        let mut operands = Vec::new();
        while !self.take(')') {
            if !operands.is_empty() && !self.take(',') {
                return Err(format!("expected , or ) in {name}, found {}", start_of(self.rest)));
            }
            if operands.len() == 3 {
                return Err(format!("{name} has more than 3 operands"));
            }
            operands.push(self.expression(depth + 1)?);
        }
        let node = match operands[..] {
            [a] => UnaryOp::from_name(name)
                .map(|op| ExprNode::Unary(op, a))
                .or_else(|| DType::from_name(name).map(|dtype| ExprNode::Cast(dtype, a))),
            [a, b] => BinaryOp::from_name(name).map(|op| ExprNode::Binary(op, a, b)),
            [c, a, b] if name == "select" => Some(ExprNode::Select(c, a, b)),
            _ => None,
        };
        self.push(node.ok_or_else(|| format!("no operation {name} of {} operands", operands.len()))?)
    }

    fn constant(&mut self, dtype: &str) -> Result<ExprId, String> {
        let value = self.run(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c));
        let dtype = DType::from_name(dtype).ok_or_else(|| format!("no element type {dtype}"))?;
        let scalar = Scalar::parse(dtype, value).ok_or_else(|| format!("{} is no {dtype}", start_of(value)))?;
        self.push(ExprNode::Const(scalar))
    }

    fn push(&mut self, node: ExprNode) -> Result<ExprId, String> {
        let id = self.builder.push(node);
        if id.0 as usize >= MAX_NODES { Err(format!("expression has more than {MAX_NODES} nodes")) } else { Ok(id) }
    }

    fn word(&mut self) -> &'a str {
        self.run(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn after(&mut self, mark: char) -> Option<&'a str> {
        self.take(mark).then(|| self.run(|c| c.is_ascii_digit()))
    }

    fn take(&mut self, mark: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }
}

fn number(digits: &str) -> Result<u32, String> {
    digits.parse().map_err(|_| format!("{} is no operand or axis number", start_of(digits)))
}

/// The first characters of a text, for messages.
fn start_of(text: &str) -> String {
    if text.is_empty() { "nothing".to_string() } else { format!("{:?}", text.chars().take(20).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A random expression: each step adds a node on earlier ones; types do not matter to the text.
    pub(crate) fn any_expr() -> impl Strategy<Value = Expr> {
        prop::collection::vec((0u32..8, any::<u64>(), any::<[u16; 3]>()), 1..25).prop_map(|steps| {
            let mut b = ExprBuilder::default();
            let mut last = b.input(0);
            for (kind, bits, picks) in steps {
                let at = |k: usize| ExprId(u32::from(picks[k]) % (last.0 + 1));
                let pick = bits as usize;
                let node = match kind {
                    0 => ExprNode::Input(bits as u32),
                    1 => ExprNode::Index(bits as u32 % 7),
                    2 => ExprNode::Const(Scalar::from_bits(DType::ALL[pick % 13], bits)),
                    3 => ExprNode::Cast(DType::ALL[pick % 13], at(0)),
                    4 => ExprNode::Select(at(0), at(1), at(2)),
                    5 => ExprNode::Unary(UnaryOp::ALL[pick % UnaryOp::ALL.len()], at(0)),
                    _ => ExprNode::Binary(BinaryOp::ALL[pick % BinaryOp::ALL.len()], at(0), at(1)),
                };
                last = b.push(node).max(last);
            }
            b.finish(last)
        })
    }

    proptest! {
        #[test]
        fn text_reads_back(expr in any_expr()) {
            prop_assert_eq!(parse_expr(&expr.to_string()), Ok(expr));
        }

        #[test]
        fn garbage_is_an_error_or_an_expression(text in "[$#a-z0-9(),:=. -]{0,40}") {
            let _ = parse_expr(&text);
        }
    }

    #[test]
    fn shared_nodes_are_printed_once() {
        let mut b = ExprBuilder::default();
        let mut x = b.input(0);
        for _ in 0..64 {
            x = b.binary(BinaryOp::Mul, x, x);
        }
        let expr = b.finish(x);
        assert_eq!(parse_expr(&expr.to_string()), Ok(expr));
        let two = parse_expr("add(t0=exp(mul($0, f32:-1.5)), mul(t0, i64(#1)))").unwrap();
        assert_eq!(two.to_string(), "add(t0=exp(mul($0, f32:-1.5)), mul(t0, i64(#1)))");
    }

    #[test]
    fn nesting_and_errors_are_bounded() {
        let deep = "neg(".repeat(100_000);
        assert!(parse_expr(&deep).unwrap_err().contains("nested deeper"));
        for (text, want) in [
            ("", "expected an expression"),
            ("add($0)", "no operation add of 1"),
            ("t0", "not named"),
            ("f32:x", "is no f32"),
            ("u8:256", "is no u8"),
            ("$4294967296", "is no operand"),
            ("$0 $1", "unexpected text"),
            ("select($0, $1, $2, $3)", "more than 3"),
        ] {
            let error = parse_expr(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
