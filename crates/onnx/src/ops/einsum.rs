//! Einsum: each operand is brought to one set of labels, then they are multiplied two by two as matrix products.
//!
//! Labels summed over and present in both operands of a product are its inner axis; labels in both and in what follows
//! are batch axes; labels that no later operand and no result needs are summed away at once.

use crate::context::{Context, Results};
use crate::error::{Reason, invalid};
use crate::node::Node;
use cnnc_ir::expr::{BinaryOp, Expr};
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Op, ValueId};
use std::collections::BTreeMap;

/// An operand with the label of each axis. Labels of `...` are those from [`ELLIPSIS`] on.
struct Labelled {
    value: ValueId,
    labels: Vec<char>,
}

/// First label given to the axes of an ellipsis: private-use characters, the last axis last.
const ELLIPSIS: u32 = 0xE000;

/// Einsum.
pub fn einsum(cx: &mut Context, node: &Node) -> Results {
    let text: String = node.string("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let inputs = node.all_inputs()?;
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (text.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != inputs.len() {
        return invalid(format!("equation '{text}' has {} terms for {} operands", terms.len(), inputs.len()));
    }
    let mut operands = Vec::with_capacity(terms.len());
    for (term, &value) in terms.iter().zip(&inputs) {
        let labels = labels_of(term, cx.rank(value))?;
        operands.push(diagonal(cx, Labelled { value, labels })?);
    }
    let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
    for operand in &operands {
        for (&label, size) in operand.labels.iter().zip(cx.dims(operand.value)) {
            let known = sizes.entry(label).or_insert(size);
            if *known == 1 {
                *known = size;
            } else if size != *known && size != 1 {
                return invalid(format!("equation '{text}': label '{label}' has sizes {known} and {size}"));
            }
        }
    }
    let result = match right {
        Some(right) => labels_of(right, right.chars().filter(|c| *c != '.').count() + ellipsis_rank(&operands))?,
        None => implicit_result(left, &operands),
    };
    if let Some(label) = result.iter().find(|l| !sizes.contains_key(l)) {
        return invalid(format!("equation '{text}': no operand has label '{label}'"));
    }
    let mut rest = operands.into_iter();
    let Some(mut product) = rest.next() else { return invalid("no operands") };
    let mut rest: Vec<Labelled> = rest.collect();
    rest.reverse();
    while let Some(next) = rest.pop() {
        let needed = |l: &char| result.contains(l) || rest.iter().any(|o| o.labels.contains(l));
        product = multiply(cx, product, next, &needed)?;
    }
    let product = sum_away(cx, product, &|l| result.contains(l))?;
    let perm = positions(&product.labels, &result);
    let y = cx.transpose(product.value, &perm)?;
    Ok(vec![y])
}

/// The labels of a term for an operand of a rank.
fn labels_of(term: &str, rank: usize) -> Result<Vec<char>, Reason> {
    let named = term.replace("...", "");
    if named.chars().any(|c| !c.is_ascii_alphabetic()) {
        return invalid(format!("term '{term}' holds something else than letters and one '...'"));
    }
    let Some(hidden) = rank.checked_sub(named.chars().count()) else {
        return invalid(format!("term '{term}' names more axes than an operand of {rank} axes has"));
    };
    let dots: Vec<char> =
        (0..hidden).filter_map(|k| char::from_u32(ELLIPSIS + 64 + k as u32 - hidden as u32)).collect();
    match term.split_once("...") {
        Some((before, after)) => Ok(before.chars().chain(dots).chain(after.chars()).collect()),
        None if hidden > 0 => invalid(format!("term '{term}' names fewer axes than an operand of {rank} axes has")),
        None => Ok(named.chars().collect()),
    }
}

fn is_ellipsis(label: char) -> bool {
    label as u32 >= ELLIPSIS
}

fn ellipsis_rank(operands: &[Labelled]) -> usize {
    operands.iter().map(|o| o.labels.iter().filter(|l| is_ellipsis(**l)).count()).max().unwrap_or(0)
}

/// Without `->`: the ellipsis, then the labels that appear once, in alphabetical order.
fn implicit_result(left: &str, operands: &[Labelled]) -> Vec<char> {
    let widest = operands.iter().max_by_key(|o| o.labels.iter().filter(|l| is_ellipsis(**l)).count());
    let mut result: Vec<char> =
        widest.map_or(vec![], |o| o.labels.iter().copied().filter(|l| is_ellipsis(*l)).collect());
    let mut once: Vec<char> = left.chars().filter(|c| c.is_ascii_alphabetic()).collect();
    once.sort_unstable();
    let single = |c: &char| left.chars().filter(|d| d == c).count() == 1;
    result.extend(once.iter().filter(|c| single(c)));
    result
}

/// The operand with each repeated label reduced to its diagonal: a gather along the flattened pair of axes.
fn diagonal(cx: &mut Context, operand: Labelled) -> Result<Labelled, Reason> {
    let Labelled { mut value, mut labels } = operand;
    while let Some((i, j)) = repeated(&labels) {
        let dims = cx.dims(value);
        let (n, rank) = (dims[i], dims.len());
        if dims[j] != n {
            return invalid(format!("label '{}' has sizes {n} and {} in one operand", labels[i], dims[j]));
        }
        let others = (0..rank).filter(|&k| k != i && k != j);
        let perm: Vec<usize> = others.clone().chain([i, j]).collect();
        let kept: Vec<usize> = others.map(|k| dims[k]).collect();
        let moved = cx.transpose(value, &perm)?;
        let flat: Vec<usize> = kept.iter().copied().chain([n * n]).collect();
        let flat = cx.reshape(moved, &flat)?;
        let picks: Vec<i64> = (0..n).map(|k| (k * (n + 1)) as i64).collect();
        let picks = cx.ints(&picks)?;
        value = cx.add1(Op::Gather { axis: kept.len() }, &[flat, picks])?;
        let label = labels[i];
        labels =
            labels.iter().enumerate().filter(|(k, _)| *k != i && *k != j).map(|(_, l)| *l).chain([label]).collect();
    }
    Ok(Labelled { value, labels })
}

fn repeated(labels: &[char]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|i| (i + 1..labels.len()).find(|&j| labels[i] == labels[j]).map(|j| (i, j)))
}

/// Sums over the labels that are not needed.
fn sum_away(cx: &mut Context, operand: Labelled, needed: &dyn Fn(&char) -> bool) -> Result<Labelled, Reason> {
    let axes: Vec<usize> = (0..operand.labels.len()).filter(|&k| !needed(&operand.labels[k])).collect();
    if axes.is_empty() {
        return Ok(operand);
    }
    let labels = operand.labels.iter().copied().filter(|l| needed(l)).collect();
    let value = cx.add1(Op::Reduce { kind: ReduceKind::Sum, axes, keep_dims: false }, &[operand.value])?;
    Ok(Labelled { value, labels })
}

fn positions(labels: &[char], wanted: &[char]) -> Vec<usize> {
    wanted.iter().filter_map(|w| labels.iter().position(|l| l == w)).collect()
}

/// The product of two operands, summed over the labels that only they have.
fn multiply(cx: &mut Context, a: Labelled, b: Labelled, needed: &dyn Fn(&char) -> bool) -> Result<Labelled, Reason> {
    let a = sum_away(cx, a, &|l| needed(l) || b.labels.contains(l))?;
    let b = sum_away(cx, b, &|l| needed(l) || a.labels.contains(l))?;
    let shared: Vec<char> = a.labels.iter().copied().filter(|l| b.labels.contains(l)).collect();
    let (batch, inner): (Vec<char>, Vec<char>) = shared.iter().partition(|l| needed(l));
    let own = |o: &Labelled| -> Vec<char> { o.labels.iter().copied().filter(|l| !shared.contains(l)).collect() };
    let (rows, columns) = (own(&a), own(&b));
    let labels: Vec<char> = batch.iter().chain(&rows).chain(&columns).copied().collect();
    if inner.is_empty() {
        let x = spread(cx, &a, &labels)?;
        let y = spread(cx, &b, &labels)?;
        return Ok(Labelled { value: cx.binary(BinaryOp::Mul, x, y)?, labels });
    }
    let (left, batch_a, row_dims, _) = as_matrices(cx, &a, &batch, &rows, &inner)?;
    let (right, batch_b, _, column_dims) = as_matrices(cx, &b, &batch, &inner, &columns)?;
    let product = cx.add1(Op::MatMul { trans_a: false, trans_b: false, tail: Expr::input(0) }, &[left, right])?;
    let joined = cnnc_tensor::broadcast_dims(&batch_a, &batch_b);
    let Some(mut dims) = joined else { return invalid(format!("batch dims {batch_a:?} and {batch_b:?} differ")) };
    dims.extend(row_dims.iter().chain(&column_dims));
    Ok(Labelled { value: cx.reshape(product, &dims)?, labels })
}

/// The operand with size-1 axes for the labels it lacks, in the order of `labels`.
fn spread(cx: &mut Context, operand: &Labelled, labels: &[char]) -> Result<ValueId, Reason> {
    let sorted = cx.transpose(operand.value, &positions(&operand.labels, labels))?;
    let mut own = cx.dims(sorted).into_iter();
    let dims: Vec<usize> =
        labels.iter().map(|l| if operand.labels.contains(l) { own.next().unwrap_or(1) } else { 1 }).collect();
    cx.reshape(sorted, &dims)
}

/// The operand as matrices `[batch.., rows, columns]`, with the sizes of each set of labels.
#[allow(clippy::type_complexity)]
fn as_matrices(
    cx: &mut Context,
    operand: &Labelled,
    batch: &[char],
    rows: &[char],
    columns: &[char],
) -> Result<(ValueId, Vec<usize>, Vec<usize>, Vec<usize>), Reason> {
    let order: Vec<char> = batch.iter().chain(rows).chain(columns).copied().collect();
    let sorted = cx.transpose(operand.value, &positions(&operand.labels, &order))?;
    let dims = cx.dims(sorted);
    let (batch_dims, rest) = dims.split_at(batch.len());
    let (row_dims, column_dims) = rest.split_at(rows.len());
    let mut flat = batch_dims.to_vec();
    flat.extend([row_dims.iter().product::<usize>(), column_dims.iter().product()]);
    Ok((cx.reshape(sorted, &flat)?, batch_dims.to_vec(), row_dims.to_vec(), column_dims.to_vec()))
}
