//! Each instruction on each element type and many lane counts.

use super::machine::Machine;
use super::ulp_table::{Bound, bound};
use super::{LANES, backends, check, check_exactly, difference};
use cnnc_codegen::emit;
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, Inst, Kernel, KernelBuilder, Role, Ty, UnOp, Val, interpret_all, verify};
use cnnc_tensor::{DType, Scalar, Tensor};

/// Iterations of the parallel loop.
const EXTENT: usize = 12;

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// `y[i..] = f(x0[i..], x1[i..], ...)`, vectors side by side; a kernel for each operand type, or none where the result
/// does not verify.
fn map(operands: &[Ty], result: Ty, f: impl FnOnce(&mut KernelBuilder, &[Val]) -> Val) -> Option<Kernel> {
    let mut b = KernelBuilder::new("map");
    let sources: Vec<Buf> =
        operands.iter().map(|ty| b.buffer("x", ty.dtype, EXTENT * usize::from(ty.lanes), Role::Read)).collect();
    let target = b.buffer("y", result.dtype, EXTENT * usize::from(result.lanes), Role::Write);
    b.parallel(EXTENT, |b, i| {
        let mut values = Vec::new();
        for (source, ty) in sources.iter().zip(operands) {
            let at = b.scale(i, ty.lanes.into());
            values.push(b.load(*source, at, ty.lanes));
        }
        let value = f(b, &values);
        let at = b.scale(i, result.lanes.into());
        b.store(target, at, value);
    });
    Some(b.finish()).filter(|kernel| verify(kernel).is_ok())
}

/// Maps over operands of one type, each for every type and lane count that it verifies on.
fn map_all(
    operands: usize,
    result: impl Fn(Ty) -> Ty,
    f: impl Fn(&mut KernelBuilder, Ty, &[Val]) -> Val,
) -> Vec<Kernel> {
    let types = DType::ALL.into_iter().flat_map(|dtype| LANES.map(|lanes| Ty::vector(dtype, lanes)));
    types.filter_map(|ty| map(&vec![ty; operands], result(ty), |b, values| f(b, ty, values))).collect()
}

#[test]
fn unary_operations() {
    let mut kernels = Vec::new();
    let mut bounds = Vec::new();
    for op in UnOp::ALL {
        kernels.extend(map_all(1, |ty| ty, |b, _, v| b.unary(op, v[0])));
        bounds.resize(kernels.len(), bound(&Inst::Unary(op, Val(0))));
    }
    assert!(kernels.len() == 390);
    check(&kernels, &bounds, |_, _| None);
}

#[test]
fn binary_operations() {
    let mut kernels = Vec::new();
    let mut bounds = Vec::new();
    for op in BinOp::ALL {
        kernels.extend(map_all(2, |ty| ty, |b, ty, v| b.inst(ty, Inst::Binary(op, v[0], v[1]))));
        bounds.resize(kernels.len(), bound(&Inst::Binary(op, Val(0), Val(1))));
    }
    assert!(kernels.len() > 800);
    check(&kernels, &bounds, |_, _| None);
}

#[test]
fn division_by_constants() {
    let mut kernels = Vec::new();
    for dtype in DType::ALL.into_iter().filter(|dtype| dtype.is_int()) {
        for by in [0, 1, -1, 2, 3, 7, 16, 100, -5, i64::MIN, i64::MAX] {
            for op in [BinOp::Div, BinOp::Rem] {
                let ty = Ty::scalar(dtype);
                kernels.extend(map(&[ty], ty, |b, v| {
                    let by = b.constant(Scalar::from_i64(dtype, by), 1);
                    b.inst(ty, Inst::Binary(op, v[0], by))
                }));
            }
        }
    }
    check_exactly(&kernels);
}

#[test]
fn comparisons() {
    let mut kernels = Vec::new();
    for op in CmpOp::ALL {
        kernels.extend(map_all(2, |ty| Ty { dtype: DType::Bool, ..ty }, |b, _, v| b.compare(op, v[0], v[1])));
        kernels.extend(map_all(
            2,
            |ty| ty,
            |b, _, v| {
                let c = b.compare(op, v[0], v[1]);
                b.select(c, v[1], v[0])
            },
        ));
    }
    assert!(kernels.len() > 1000);
    check_exactly(&kernels);
}

#[test]
fn conversions_and_bitcasts() {
    let mut kernels = Vec::new();
    let mut bounds = Vec::new();
    for to in DType::ALL {
        kernels.extend(map_all(1, |ty| Ty { dtype: to, ..ty }, |b, _, v| b.convert(v[0], to)));
        bounds.resize(kernels.len(), bound(&Inst::Convert(Val(0))));
        kernels.extend(map_all(1, |ty| Ty { dtype: to, ..ty }, |b, _, v| b.bitcast(v[0], to)));
        bounds.resize(kernels.len(), Bound::Ulps(0));
    }
    assert!(kernels.len() > 13 * 13 * LANES.len());
    check(&kernels, &bounds, |_, _| None);
}

#[test]
fn every_half_and_every_rounding_to_halves() {
    let count = 1 << 16;
    let mut kernels = Vec::new();
    for half in [DType::F16, DType::BF16] {
        for (from, to, lanes) in
            [(half, DType::F32, 4), (half, DType::F64, 3), (DType::F32, half, 4), (DType::F64, half, 1)]
        {
            let mut b = KernelBuilder::new("halves");
            let (x, y) = (b.buffer("x", from, count, Role::Read), b.buffer("y", to, count, Role::Write));
            b.parallel(count / usize::from(lanes), |b, i| {
                let at = b.scale(i, lanes.into());
                let v = b.load(x, at, lanes);
                let v = b.convert(v, to);
                b.store(y, at, v);
            });
            kernels.push(b.finish());
        }
    }
    let source = |dtype: DType, wide: DType| {
        let halves = (0..count as u64).map(|bits| Scalar::from_bits(dtype, bits).to_f64());
        let values = halves.enumerate().map(|(k, value)| {
            let near = Scalar::from_f64(wide, value * [1.0, 1.0 + 2f64.powi(-11), 1.0 - 2f64.powi(-9)][k % 3]);
            Scalar::from_bits(wide, near.bits().wrapping_add([0, 1, u64::MAX][k / 3 % 3]))
        });
        Tensor::from_scalars(wide, &[count], values.collect::<Vec<_>>()).expect("a tensor")
    };
    for (backend, target) in backends() {
        let machine = Machine::load(&emit(&kernels, &target, backend).expect("emits"));
        for (number, kernel) in kernels.iter().enumerate() {
            let half = if number < 4 { DType::F16 } else { DType::BF16 };
            let from = kernel.buffers[0].dtype;
            let input = match is_half(from) {
                true => Tensor::from_scalars(from, &[count], (0..count as u64).map(|k| Scalar::from_bits(from, k))),
                false => Ok(source(half, from)),
            };
            let zeros = Tensor::zeros(kernel.buffers[1].dtype, &[count], Default::default()).expect("a tensor");
            let mut want = [input.expect("a tensor"), zeros];
            let mut got = want.clone();
            interpret_all(kernel, &mut want).expect("runs");
            machine.run(number, kernel, &mut got, 0, kernel.extent);
            if let Some(what) = difference(&got[1], &[&want[1]], 0) {
                panic!("{backend:?} {} {from} {what}: {}", target.isa, want[0].get(0));
            }
        }
    }
}

#[test]
fn fused_products_are_rounded_once_or_twice() {
    let kernels = map_all(3, |ty| ty, |b, _, v| b.mul_add(v[0], v[1], v[2]));
    let bounds = vec![bound(&Inst::MulAdd(Val(0), Val(1), Val(2))); kernels.len()];
    check(&kernels, &bounds, |number, before| {
        let mut after = before.to_vec();
        match kernels[number].buffers[3].dtype {
            DType::F32 => {
                let [x, y, z] = [0, 1, 2].map(|k| before[k].as_slice::<f32>().expect("f32"));
                let out = after[3].as_slice_mut::<f32>().expect("f32");
                (0..out.len()).for_each(|k| out[k] = x[k].mul_add(y[k], z[k]));
            }
            DType::F64 => {
                let [x, y, z] = [0, 1, 2].map(|k| before[k].as_slice::<f64>().expect("f64"));
                let out = after[3].as_slice_mut::<f64>().expect("f64");
                (0..out.len()).for_each(|k| out[k] = x[k].mul_add(y[k], z[k]));
            }
            _ => return None,
        }
        Some(after)
    });
}

#[test]
fn folds() {
    let mut kernels = Vec::new();
    let mut bounds = Vec::new();
    for op in BinOp::ALL {
        kernels.extend(map_all(
            1,
            |ty| Ty::scalar(ty.dtype),
            |b, ty, v| b.inst(Ty::scalar(ty.dtype), Inst::Fold(op, v[0])),
        ));
        bounds.resize(kernels.len(), bound(&Inst::Fold(op, Val(0))));
    }
    assert!(kernels.len() > 7 * 8);
    check(&kernels, &bounds, |_, _| None);
}

#[test]
fn movement_between_lanes() {
    let mut kernels = Vec::new();
    kernels.extend(map_all(
        3,
        |ty| ty,
        |b, ty, v| {
            let zero = b.constant(Scalar::from_f64(DType::Bool, 0.0), ty.lanes);
            let one = b.extract(v[2], ty.lanes - 1);
            let one = b.convert(one, DType::Bool);
            let c = b.insert(zero, ty.lanes / 2, one);
            b.select(c, v[0], v[1])
        },
    ));
    kernels.extend(map_all(
        2,
        |ty| ty,
        |b, ty, v| {
            let lane = b.extract(v[1], ty.lanes / 2);
            let a = b.insert(v[0], ty.lanes - 1, lane);
            b.insert(a, 0, lane)
        },
    ));
    kernels.extend(map_all(
        1,
        |ty| Ty { lanes: 17, ..ty },
        |b, ty, v| {
            let lane = b.extract(v[0], ty.lanes / 3);
            b.inst(Ty { lanes: 17, ..ty }, Inst::Splat(lane))
        },
    ));
    kernels.extend(map_all(
        1,
        |ty| ty,
        |b, ty, v| {
            let lane = b.extract(v[0], ty.lanes - 1);
            b.lanes(lane, ty.lanes)
        },
    ));
    kernels.extend(map_all(1, |ty| ty, |b, ty, _| b.constant(Scalar::from_f64(ty.dtype, 1.0), ty.lanes)));
    for (multiplier, offset, wide) in [(1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 1), (5, 3, 2), (7, 2, 0), (0, 3, 1)] {
        let lanes = |ty: Ty| if wide == 2 { (2 * ty.lanes).min(64) } else { ty.lanes.div_ceil(2 - wide) };
        kernels.extend(map_all(
            2,
            |ty| Ty { lanes: lanes(ty), ..ty },
            |b, ty, v| {
                let pick = (0..lanes(ty)).map(|k| (k * multiplier + offset) % (2 * ty.lanes)).collect();
                b.shuffle(v[0], v[1], pick)
            },
        ));
    }
    assert!(kernels.len() > 1300, "{}", kernels.len());
    check_exactly(&kernels);
}
