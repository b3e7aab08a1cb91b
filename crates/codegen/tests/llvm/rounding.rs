//! Conversions to 16-bit floats, where rounding twice would show.

use super::code;
use super::machine::Machine;
use cnnc_ir::kernel::{KernelBuilder, Role, interpret};
use cnnc_tensor::{DType, Isa, Scalar, Tensor};

/// Wide numbers at, just above and just below the middle between two 16-bit floats are rounded once.
#[test]
fn narrowing_rounds_once() {
    for from in [DType::F64, DType::I32, DType::U32, DType::I64, DType::U64] {
        for to in [DType::F16, DType::BF16] {
            let mut b = KernelBuilder::new("narrow");
            let (x, y) = (b.buffer("x", from, 1024, Role::Read), b.buffer("y", to, 1024, Role::Write));
            b.parallel(64, |b, task| {
                let at = b.scale(task, 16);
                let value = b.load(x, at, 16);
                let narrow = b.convert(value, to);
                b.store(y, at, narrow);
            });
            let kernel = b.finish();
            let input = Tensor::from_scalars(
                from,
                &[1024],
                (0..1024i64)
                    .map(|k| {
                        let (exponent, fraction, beside) = (k % 62, 257 + 2 * (k % 7), k / 7 % 3 - 1);
                        let sign = if from.is_signed_int() && k % 2 == 0 { -1 } else { 1 };
                        if from == DType::F64 {
                            let odd = if to == DType::F16 { 8 * fraction + 1 } else { fraction };
                            let middle = odd as f64 * 2f64.powi(exponent as i32 - 31);
                            return Scalar::from_bits(from, (middle.to_bits() as i64 + beside) as u64);
                        }
                        let bits = 8 * from.size() as i64 - 1;
                        Scalar::from_i64(from, sign * ((fraction << (exponent % (bits - 9))) + beside))
                    })
                    .collect::<Vec<_>>(),
            );
            let mut want =
                [input.expect("a tensor"), Tensor::zeros(to, &[1024], Default::default()).expect("a tensor")];
            let before = want.clone();
            interpret(&kernel, &mut want, 0, 64).expect("interprets");
            for isa in Isa::ALL.into_iter().filter(|&isa| Isa::detect() >= Some(isa)) {
                let mut got = before.clone();
                Machine::load(&code(std::slice::from_ref(&kernel), isa)).run(0, &kernel, &mut got, 0, 64);
                for k in 0..1024 {
                    let (x, want, got) = (want[0].get(k), want[1].get(k), got[1].get(k));
                    assert_eq!(want, got, "{isa} {from} {x} to {to}: {got}, not {want}");
                }
            }
        }
    }
}
