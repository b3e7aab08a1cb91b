//! Matrix products: every candidate of every algorithm against the reference evaluation.

mod common;

use cnnc_ir::expr::{BinaryOp, ExprBuilder, UnaryOp};
use cnnc_ir::graph::{Candidate, Op};
use cnnc_lower::Breadth;
use cnnc_tensor::{DType, Tensor};
use common::{Case, Random, targets};

struct Product {
    a: Vec<usize>,
    b: Vec<usize>,
    trans_a: bool,
    trans_b: bool,
}

impl Product {
    fn new(batch_a: &[usize], batch_b: &[usize], m: usize, k: usize, n: usize) -> Product {
        let dims = |batch: &[usize], inner: [usize; 2]| batch.iter().copied().chain(inner).collect();
        Product { a: dims(batch_a, [m, k]), b: dims(batch_b, [k, n]), trans_a: false, trans_b: false }
    }

    fn transposed(mut self, a: bool, b: bool) -> Product {
        let swap = |dims: &mut Vec<usize>| {
            let rank = dims.len();
            dims.swap(rank - 2, rank - 1);
        };
        if a {
            swap(&mut self.a);
        }
        if b {
            swap(&mut self.b);
        }
        Product { trans_a: a, trans_b: b, ..self }
    }

    /// A case with a tail of that many operands given.
    fn case(&self, random: &mut Random, dtype: DType, tail: Vec<Tensor>, constant: bool) -> Case {
        let mut e = ExprBuilder::default();
        let mut value = e.input(0);
        for k in 0..tail.len() {
            let operand = e.input(k as u32 + 1);
            value = e.binary(BinaryOp::Add, value, operand);
        }
        if tail.len() == 1 {
            value = e.unary(UnaryOp::Relu, value);
        }
        let op = Op::MatMul { trans_a: self.trans_a, trans_b: self.trans_b, tail: e.finish(value) };
        let mut inputs = vec![random.tensor(dtype, &self.a), random.tensor(dtype, &self.b)];
        inputs.extend(tail);
        let case = Case::new(op, inputs).tolerance(4e-6);
        if constant { case.constants(&[1]) } else { case }
    }
}

#[test]
fn random_products() {
    let mut random = Random::new(3);
    let extents = [0, 1, 1, 2, 3, 5, 16, 17, 31, 40];
    for round in 0..60 {
        let (m, k, n) = (random.pick(&extents), random.pick(&extents), random.pick(&[1, 2, 4, 15, 16, 33, 64, 70]));
        let batches: [(&[usize], &[usize]); 6] =
            [(&[], &[]), (&[3], &[]), (&[2, 3], &[2, 3]), (&[3], &[2, 1]), (&[1], &[3]), (&[2, 1], &[1, 2])];
        let (batch_a, batch_b) = random.pick(&batches);
        let product = Product::new(batch_a, batch_b, m, k, n).transposed(random.below(2) == 1, random.below(2) == 1);
        let tail = match round % 4 {
            0 => vec![],
            1 => vec![random.tensor(DType::F32, &[n])],
            2 => vec![random.tensor(DType::F32, &[m, 1]), random.tensor(DType::F32, &[1])],
            _ => vec![random.tensor(DType::F32, &[m, n]), random.tensor(DType::F32, &[1, n])],
        };
        product.case(&mut random, DType::F32, tail, round % 3 == 0).check_all();
    }
}

#[test]
fn fully_connected_layers_and_attention_are_tuned() {
    let mut random = Random::new(4);
    let products = [
        Product::new(&[], &[], 1, 300, 100).transposed(false, true),
        Product::new(&[], &[], 3, 64, 40),
        Product::new(&[2, 3], &[2, 3], 19, 16, 19).transposed(false, true),
        Product::new(&[2, 3], &[2, 3], 19, 19, 16),
        Product::new(&[1], &[], 19, 48, 50),
    ];
    for product in products {
        for target in targets() {
            let bias = random.tensor(DType::F32, &[product.b[product.b.len() - if product.trans_b { 2 } else { 1 }]]);
            let found = product.case(&mut random, DType::F32, vec![bias], true).check(&target);
            assert!(found.iter().any(|c| c.algorithm == "gemm"), "{found:?}");
        }
    }
}

#[test]
fn every_element_type_has_a_product() {
    let mut random = Random::new(5);
    for dtype in [DType::F64, DType::F16, DType::BF16, DType::I32, DType::I64, DType::U8, DType::I8, DType::U64] {
        let product = Product::new(&[2], &[], 3, 7, 5);
        let tolerance = if dtype == DType::BF16 { 1e-2 } else { 2e-3 };
        product.case(&mut random, dtype, vec![], false).tolerance(tolerance).check_all();
    }
}

#[test]
fn large_products_of_constants_have_a_strassen_scheme() {
    let mut random = Random::new(6);
    for target in targets() {
        let n = 4 * target.lanes;
        let k = 2 * target.lanes;
        for (batch, m, transposed) in [(vec![], 7, false), (vec![], 12, true), (vec![2], 5, false)] {
            let product = Product::new(&batch, &[], m, k, n).transposed(false, transposed);
            let tail = vec![random.tensor(DType::F32, &[n])];
            let found = product.case(&mut random, DType::F32, tail, true).check(&target);
            assert!(found.iter().any(|c| c.algorithm == "strassen"), "{found:?}");
        }
        // Two levels: parts of rows, of channels and of outputs that are not there among them.
        let two = |c: &Candidate| c.params.get("levels") == Some(&2) && c.params["mr"] == 2;
        for (batch, m, vectors) in [(vec![], 9, (4, 8)), (vec![3], 7, (8, 4)), (vec![], 16, (4, 4))] {
            let (k, n) = (vectors.0 * target.lanes, vectors.1 * target.lanes);
            let tail = vec![random.tensor(DType::F32, &[n])];
            let case = Product::new(&batch, &[], m, k, n).case(&mut random, DType::F32, tail, true);
            assert!(!case.check_among(&target, Breadth::Space, &two).is_empty());
        }
        // Weights that are known only when the network runs, and several matrices of weights, are left to others.
        let varying = Product::new(&[2], &[2], 6, k, n).case(&mut random, DType::F32, vec![], true).check(&target);
        let late = Product::new(&[], &[], 6, k, n).case(&mut random, DType::F32, vec![], false).check(&target);
        assert!(varying.iter().chain(&late).all(|c| c.algorithm != "strassen"));
    }
}
