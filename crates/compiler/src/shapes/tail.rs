//! Tails by name: `bias+add+relu` for `relu(add(add($0, $1), $2))`.

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, ExprId, UnaryOp};
use cnnc_tensor::Scalar;

/// What one word does to the element.
type Word = (&'static str, fn(&mut ExprBuilder, ExprId, &mut u32) -> ExprId);

/// The words, operands first.
const WORDS: &[Word] = &[
    ("bias", operand),
    ("add", operand),
    ("relu", |b, x, _| b.unary(UnaryOp::Relu, x)),
    ("relu6", |b, x, _| {
        let (zero, six) = (b.constant(Scalar::f32(0.0)), b.constant(Scalar::f32(6.0)));
        let positive = b.binary(BinaryOp::Max, x, zero);
        b.binary(BinaryOp::Min, positive, six)
    }),
    ("sigmoid", |b, x, _| b.unary(UnaryOp::Sigmoid, x)),
    ("tanh", |b, x, _| b.unary(UnaryOp::Tanh, x)),
    ("silu", |b, x, _| {
        let gate = b.unary(UnaryOp::Sigmoid, x);
        b.binary(BinaryOp::Mul, x, gate)
    }),
];

/// Words of which a tail has one at most.
const ACTIVATIONS: &[&str] = &["relu", "relu6", "sigmoid", "tanh", "silu"];

fn operand(b: &mut ExprBuilder, x: ExprId, next: &mut u32) -> ExprId {
    let other = b.input(*next);
    *next += 1;
    b.binary(BinaryOp::Add, x, other)
}

/// The tail that the words say, and which of them take an operand, in order; `None` for an unknown word.
pub(super) fn of_words<'a>(words: &[&'a str]) -> Option<(Expr, Vec<&'a str>)> {
    let mut builder = ExprBuilder::default();
    let (mut x, mut next) = (builder.input(0), 1);
    let mut operands = vec![];
    for word in words {
        let (name, apply) = WORDS.iter().find(|(name, _)| name == word)?;
        if matches!(*name, "bias" | "add") {
            operands.push(*word);
        }
        x = apply(&mut builder, x, &mut next);
    }
    Some((builder.finish(x), operands))
}

/// Every word, for messages.
pub(super) fn known() -> String {
    WORDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The words for a tail whose operands are of those kinds (`bias` or `add`, in order), if there are any.
pub(super) fn words_for(tail: &Expr, kinds: &[&str]) -> Option<String> {
    let bias: &[&str] = if kinds.first() == Some(&"bias") { &["bias"] } else { &[] };
    let add: &[&str] = if kinds.get(bias.len()) == Some(&"add") { &["add"] } else { &[] };
    if bias.len() + add.len() != kinds.len() {
        return None;
    }
    let activations = std::iter::once(None).chain(ACTIVATIONS.iter().map(Some));
    activations
        .flat_map(|activation| {
            let activation: Vec<&str> = activation.into_iter().copied().collect();
            [[bias, add, &activation].concat(), [bias, &activation, add].concat()]
        })
        .find(|words| !words.is_empty() && of_words(words).is_some_and(|(expr, _)| expr == *tail))
        .map(|words| words.join("+"))
}
