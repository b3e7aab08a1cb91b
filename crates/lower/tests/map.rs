//! The fused elementwise kernel against the reference evaluation.

mod common;

use cnnc_ir::expr::{BinaryOp, UnaryOp};
use cnnc_ir::graph::Op;
use cnnc_tensor::DType;
use common::{Case, Random};

#[test]
#[ignore = "no map yet"]
fn one_operand() {
    let mut random = Random::new(1);
    Case::new(Op::unary(UnaryOp::Neg), vec![random.tensor(DType::F32, &[2, 3, 5])]).check_all();
    let (x, y) = (random.tensor(DType::F32, &[2, 3, 5]), random.tensor(DType::F32, &[3, 1]));
    Case::new(Op::binary(BinaryOp::Add), vec![x, y]).check_all();
}
