//! Einsum: operands joined from left to right, each pair by one batched matrix product.
//!
//! Labels are characters; the axes under an ellipsis get labels of their own, aligned at the last, and may broadcast.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, Expr};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Op, ValueId};
use cnnc_tensor::Scalar;

/// A letter of the equation, or the axis that many places from the end of an ellipsis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// A tensor whose axes have labels.
#[derive(Clone)]
struct Term {
    labels: Vec<Label>,
    value: ValueId,
}

/// Einsum.
pub fn einsum(cx: &mut Context, node: &Node) -> Results {
    let Some(equation) = node.opt_string("equation")? else { return invalid("attribute 'equation' is missing") };
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let operands = node.all_inputs()?;
    let parts: Vec<&str> = left.split(',').collect();
    if parts.len() != operands.len() {
        return invalid(format!("equation '{equation}' for {} operands", operands.len()));
    }
    let mut terms = vec![];
    let mut ellipsis = 0;
    for (part, &value) in parts.iter().zip(&operands) {
        let letters = part.replace("...", "").chars().count();
        let hidden = if part.contains("...") { cx.rank(value).saturating_sub(letters) } else { 0 };
        ellipsis = ellipsis.max(hidden);
        let labels = labels(part, hidden)?;
        if labels.len() != cx.rank(value) {
            return invalid(format!("'{part}' of '{equation}' does not fit dims {:?}", cx.dims(value)));
        }
        terms.push(distinct(cx, Term { labels, value })?);
    }
    let output = match right {
        Some(right) => labels(right, ellipsis)?,
        None => implied(left, ellipsis),
    };
    let known = |label: &Label| terms.iter().any(|t| t.labels.contains(label));
    if !output.iter().all(known) || (1..output.len()).any(|k| output[..k].contains(&output[k])) {
        return invalid(format!("the result of equation '{equation}' has a label twice or one that no operand has"));
    }
    let mut rest = terms.into_iter();
    let Some(mut joined) = rest.next() else { return invalid("the node has no operands") };
    let mut rest: Vec<Term> = rest.collect();
    while !rest.is_empty() {
        let term = rest.remove(0);
        let wanted = |label: &Label| output.contains(label) || rest.iter().any(|t| t.labels.contains(label));
        joined = product(cx, joined, term, wanted)?;
    }
    let joined = summed(cx, joined, |label| output.contains(label))?;
    Ok(vec![ordered(cx, &joined, &output)?])
}

/// The labels of one term of the equation whose ellipsis stands for `hidden` axes.
fn labels(text: &str, hidden: usize) -> Result<Vec<Label>, Reason> {
    let mut labels = vec![];
    let mut rest = text;
    let mut seen = false;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...").filter(|_| !seen) {
            labels.extend((0..hidden).rev().map(Label::Ellipsis));
            (seen, rest) = (true, after);
        } else if c.is_alphabetic() {
            labels.push(Label::Letter(c));
            rest = &rest[c.len_utf8()..];
        } else {
            return invalid(format!("'{text}' is no term of an equation"));
        }
    }
    Ok(labels)
}

/// The result where the equation names none: the ellipsis, then the letters that stand once, sorted.
fn implied(left: &str, ellipsis: usize) -> Vec<Label> {
    let mut letters: Vec<char> = left.chars().filter(|c| c.is_alphabetic()).collect();
    letters.sort_unstable();
    let once = letters.iter().filter(|&&c| letters.iter().filter(|&&d| d == c).count() == 1);
    (0..ellipsis).rev().map(Label::Ellipsis).chain(once.map(|&c| Label::Letter(c))).collect()
}

/// The diagonal where a term has a label twice.
fn distinct(cx: &mut Context, mut term: Term) -> Result<Term, Reason> {
    while let Some(second) = (1..term.labels.len()).find(|&k| term.labels[..k].contains(&term.labels[k])) {
        let first = term.labels.iter().position(|l| *l == term.labels[second]).unwrap_or(0);
        let dims = cx.dims(term.value);
        if dims[first] != dims[second] {
            return invalid(format!("axes {first} and {second} of dims {dims:?} have one label"));
        }
        let zero = Scalar::from_i64(cx.dtype(term.value), 0);
        let masked = cx.map(&[term.value], |b, v| {
            let (row, column, zero) = (b.index(first as u32), b.index(second as u32), b.constant(zero));
            let on = b.binary(BinaryOp::Eq, row, column);
            b.select(on, v[0], zero)
        })?;
        term.value = cx.add1(Op::Reduce { kind: ReduceKind::Sum, axes: vec![second], keep_dims: false }, &[masked])?;
        term.labels.remove(second);
    }
    Ok(term)
}

/// The axes that nobody wants any more summed.
fn summed(cx: &mut Context, term: Term, wanted: impl Fn(&Label) -> bool) -> Result<Term, Reason> {
    let axes: Vec<usize> = (0..term.labels.len()).filter(|&k| !wanted(&term.labels[k])).collect();
    if axes.is_empty() {
        return Ok(term);
    }
    let value = cx.add1(Op::Reduce { kind: ReduceKind::Sum, axes, keep_dims: false }, &[term.value])?;
    Ok(Term { labels: term.labels.into_iter().filter(wanted).collect(), value })
}

/// A term's value with axes in the order of those labels, all of which it has.
fn ordered(cx: &mut Context, term: &Term, labels: &[Label]) -> Result<ValueId, Reason> {
    let place = |label: &Label| term.labels.iter().position(|l| l == label).unwrap_or(0);
    let perm: Vec<usize> = labels.iter().map(place).collect();
    cx.transpose(term.value, &perm)
}

/// Two terms multiplied, the labels that are not wanted afterwards summed.
fn product(cx: &mut Context, a: Term, b: Term, wanted: impl Fn(&Label) -> bool) -> Result<Term, Reason> {
    let a = summed(cx, a, |l| b.labels.contains(l) || wanted(l))?;
    let b = summed(cx, b, |l| a.labels.contains(l) || wanted(l))?;
    let shared = |l: &&Label| b.labels.contains(l);
    // Axes that broadcast cannot be contracted: they stay in the batch and are summed afterwards.
    let is_letter = |l: &Label| matches!(l, Label::Letter(_));
    let contracted: Vec<Label> =
        a.labels.iter().filter(shared).filter(|l| !wanted(l) && is_letter(l)).copied().collect();
    let batch: Vec<Label> = a.labels.iter().filter(shared).filter(|l| !contracted.contains(l)).copied().collect();
    let rows: Vec<Label> = a.labels.iter().filter(|l| !b.labels.contains(l)).copied().collect();
    let columns: Vec<Label> = b.labels.iter().filter(|l| !a.labels.contains(l)).copied().collect();
    let left = ordered(cx, &a, &[&batch[..], &rows[..], &contracted[..]].concat())?;
    let right = ordered(cx, &b, &[&batch[..], &contracted[..], &columns[..]].concat())?;
    let (left_dims, right_dims) = (cx.dims(left), cx.dims(right));
    let (row_dims, column_dims) =
        (&left_dims[batch.len()..][..rows.len()], &right_dims[batch.len() + contracted.len()..]);
    let (m, n): (usize, usize) = (row_dims.iter().product(), column_dims.iter().product());
    let k: usize = left_dims[batch.len() + rows.len()..].iter().product();
    if left_dims[batch.len() + rows.len()..] != right_dims[batch.len()..][..contracted.len()] {
        return invalid(format!("dims {left_dims:?} and {right_dims:?} differ in a label that both have"));
    }
    let left = cx.reshape(left, &[&left_dims[..batch.len()], &[m, k][..]].concat())?;
    let right = cx.reshape(right, &[&right_dims[..batch.len()], &[k, n][..]].concat())?;
    let value = cx.add1(Op::MatMul { trans_a: false, trans_b: false, tail: Expr::input(0) }, &[left, right])?;
    let batch_dims = cx.dims(value)[..batch.len()].to_vec();
    let value = cx.reshape(value, &[&batch_dims[..], row_dims, column_dims].concat())?;
    let term = Term { labels: [batch, rows, columns].concat(), value };
    summed(cx, term, wanted)
}
