//! Lists of layer shapes: `parse(print(x)) == x` on random layers, and texts that are no lists.
#![allow(clippy::unwrap_used)]

use cnnc_compiler::shapes::{Layer, LayerOperand, parse_layers, print_layers};
use cnnc_ir::expr::{Expr, parse_expr};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;
use proptest::prelude::*;

/// Tails, with the operands that each reads.
const TAILS: &[(&str, usize)] = &[
    ("$0", 0),
    ("add($0, $1)", 1),
    ("relu(add($0, $1))", 1),
    ("relu(add(add($0, $1), $2))", 2),
    ("add(relu(add($0, $1)), $2)", 2),
    ("min(max($0, f32:0.0), f32:6.0)", 0),
    ("mul(t0=add($0, $1), sigmoid(t0))", 1),
    ("add($1, $0)", 1),
    ("mul(add($0, f32:-0.25), f32(#0))", 0),
    ("relu(add(add(mul($1, $2), $3), add($0, $4)))", 4),
];

fn window(rank: usize) -> impl Strategy<Value = Window> {
    let list = move |range: std::ops::Range<usize>| prop::collection::vec(range, rank);
    (list(1..4), list(1..3), list(1..3), list(0..3), list(0..3), any::<bool>()).prop_map(
        |(kernel, strides, dilations, pads_begin, pads_end, even)| {
            let pads_end = if even { pads_begin.clone() } else { pads_end };
            Window { kernel, strides, dilations, pads_begin, pads_end }
        },
    )
}

fn identity() -> Expr {
    Expr::input(0)
}

/// An operator without a tail, and the dims of its two operands.
fn product() -> impl Strategy<Value = (Op, Vec<usize>, Vec<usize>)> {
    let conv = (1..4usize, 1..4usize, 1..4usize, 1..4usize, any::<[bool; 2]>()).prop_flat_map(
        |(rank, groups, c, o, flags)| {
            let [back, interleaved] = flags;
            (window(rank), prop::collection::vec(8..12usize, rank), prop::collection::vec(0..2usize, rank)).prop_map(
                move |(window, sizes, output_pads)| {
                    let x = [vec![2, groups * c], sizes].concat();
                    let (first, second) = if back { (groups * c, o) } else { (groups * o, c) };
                    let w = [vec![first, second], window.kernel.clone()].concat();
                    let op = match back {
                        true => Op::ConvTranspose { window, output_pads, groups, tail: identity() },
                        false => Op::Conv { window, groups, interleaved, tail: identity() },
                    };
                    (op, x, w)
                },
            )
        },
    );
    let matmul = (1..5usize, 1..5usize, 1..5usize, any::<bool>(), any::<bool>(), 0..2usize).prop_map(
        |(m, k, n, trans_a, trans_b, batch)| {
            let matrix = |turned, rows, columns| if turned { vec![columns, rows] } else { vec![rows, columns] };
            let a = [vec![3; batch], matrix(trans_a, m, k)].concat();
            (Op::MatMul { trans_a, trans_b, tail: identity() }, a, matrix(trans_b, k, n))
        },
    );
    prop_oneof![conv, matmul]
}

/// What is done between two convolutions.
const BETWEEN: &[&str] = &["$0", "add($0, $1)", "relu(add($0, $1))", "relu($0)", "mul($0, $1)"];

/// A separable convolution of a product's window, if that is a convolution's.
fn separable((op, x, w): &(Op, Vec<usize>, Vec<usize>), between: usize) -> Option<(Op, Vec<LayerOperand>)> {
    let Op::Conv { window, .. } = op else { return None };
    let ones = vec![1; window.kernel.len()];
    let constant = |first: &[usize], rest: &[usize]| LayerOperand { dims: [first, rest].concat(), constant: true };
    let channels = x[1];
    let between = parse_expr(BETWEEN[between % BETWEEN.len()]).ok()?;
    let operands = vec![
        LayerOperand { dims: x.clone(), constant: false },
        constant(&[channels, 1], &window.kernel),
        constant(&[channels], &ones),
        constant(&[w[0], channels], &ones),
    ];
    Some((Op::Separable { window: window.clone(), between, tail: identity() }, operands))
}

fn layer() -> impl Strategy<Value = Layer> {
    let kinds = prop::collection::vec(0..4usize, 4);
    (product(), 0..8usize, 0..TAILS.len(), kinds, 1..40usize, "([a-z0-9/.=#]{1,6}( [a-z#]{1,4})?)?").prop_filter_map(
        "the window is larger than the image",
        |(product, form, tail, kinds, count, note)| {
            let operand = |dims: &[usize], constant| LayerOperand { dims: dims.to_vec(), constant };
            let (op, operands) = match separable(&product, form).filter(|_| form < BETWEEN.len()) {
                Some(separable) => separable,
                None => (product.0, vec![operand(&product.1, false), operand(&product.2, form % 2 == 0)]),
            };
            let mut layer = Layer { op, operands, count, note };
            let result = layer.result().ok()?.dims;
            let mut channel = vec![1; result.len() - 1];
            match layer.op {
                Op::MatMul { .. } => channel = vec![result[result.len() - 1]],
                _ => channel[0] = result[1],
            }
            let (text, count) = TAILS[tail];
            *layer.op.tail_mut()? = parse_expr(text).ok()?;
            layer.operands.extend(kinds[..count].iter().map(|kind| match kind {
                0 => operand(&channel, true),
                1 => operand(&result, false),
                2 => operand(&[], true),
                _ => operand(&channel, false),
            }));
            layer.result().is_ok().then_some(layer)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lists_read_back(layers in prop::collection::vec(layer(), 0..5)) {
        let text = print_layers(&layers);
        prop_assert_eq!(parse_layers(&text), Ok(layers), "{}", text);
    }

    #[test]
    fn damaged_lists_never_panic(
        layer in layer(),
        edits in prop::collection::vec((any::<u16>(), 0u8..3, any::<char>()), 1..6),
    ) {
        let mut text: Vec<char> = layer.to_string().chars().collect();
        for (at, kind, c) in edits {
            let at = usize::from(at) % text.len().max(1);
            match kind {
                0 if at < text.len() => { text.remove(at); }
                1 => text.insert(at, c),
                _ => text.insert(at, ['x', '=', '9', ':', ',', '#', ' ', '0', '+', '$'][at % 10]),
            }
        }
        if let Ok(layers) = parse_layers(&text.into_iter().collect::<String>()) {
            prop_assert_eq!(parse_layers(&print_layers(&layers)), Ok(layers));
        }
    }
}

#[test]
fn words_and_keys_mean_what_the_documentation_says() {
    let text = "conv 1x4x9x8 6x2x3x1 stride=2x1 pad=0x1:2x0 dilation=2x1 groups=2 outputs=interleaved \
                tail=bias+add+relu count=3 # here #1";
    let layers = parse_layers(text).unwrap();
    let Op::Conv { window, groups, interleaved: true, tail } = &layers[0].op else { panic!("{layers:?}") };
    let want = Window {
        kernel: vec![3, 1],
        strides: vec![2, 1],
        dilations: vec![2, 1],
        pads_begin: vec![0, 1],
        pads_end: vec![2, 0],
    };
    assert_eq!((window, *groups), (&want, 2));
    assert_eq!(*tail, parse_expr("relu(add(add($0, $1), $2))").unwrap());
    let dims: Vec<(&[usize], bool)> = layers[0].operands.iter().map(|o| (&o.dims[..], o.constant)).collect();
    let result: &[usize] = &[1, 6, 4, 9];
    assert_eq!(dims[2..], [(&[6, 1, 1][..], true), (result, false)]);
    assert_eq!((layers[0].count, layers[0].note.as_str()), (3, "here #1"));
}
