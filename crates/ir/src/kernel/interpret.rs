//! The interpreter of the kernel IR: the definition that every backend is checked against.
//!
//! A kernel is verified, flattened to a list of operations over one file of lanes (`program`), and run (`machine`);
//! what an instruction does to a lane stands in `lane`.

mod lane;
mod machine;
mod program;

use super::{Kernel, Role, verify};
use cnnc_tensor::Tensor;
use machine::Memory;

/// Why a kernel could not be interpreted: always a bug of the lowering that made it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("kernel {kernel}: {what}")]
pub struct InterpretError {
    /// Name of the kernel.
    pub kernel: String,
    /// What is wrong, such as an access outside a buffer.
    pub what: String,
}

/// Runs the part `begin..end` of a kernel on its buffers (those that are not scratch, in order; tensors of the right
/// type and number of physical elements). Every access is checked; scratch starts as NaN or all ones, and so does every
/// variable in each iteration of the parallel loop. A `mul_add` is rounded twice.
pub fn interpret(kernel: &Kernel, buffers: &mut [Tensor], begin: usize, end: usize) -> Result<(), InterpretError> {
    let fail = |what: String| InterpretError { kernel: kernel.name.clone(), what };
    verify(kernel).map_err(|error| fail(error.what))?;
    if begin > end || end > kernel.extent {
        return Err(fail(format!("part {begin}..{end} of a parallel loop of {}", kernel.extent)));
    }
    let wanted = kernel.buffers.iter().filter(|buffer| buffer.role != Role::Scratch).count();
    if buffers.len() != wanted {
        return Err(fail(format!("{wanted} buffers needed, {} given", buffers.len())));
    }
    let mut tensors = buffers.iter_mut();
    let mut memory = Vec::with_capacity(kernel.buffers.len());
    for buffer in &kernel.buffers {
        let size = buffer.elems * buffer.dtype.size();
        let tensor = if buffer.role == Role::Scratch { None } else { tensors.next() };
        memory.push(match tensor {
            None => Memory::Own(vec![if buffer.dtype == cnnc_tensor::DType::Bool { 1 } else { 0xff }; size]),
            Some(tensor) if tensor.dtype() != buffer.dtype || tensor.bytes().len() != size => {
                let elems = tensor.bytes().len() / tensor.dtype().size();
                return Err(fail(format!(
                    "buffer {} has {} elements of {}, the tensor given {elems} of {}",
                    buffer.name,
                    buffer.elems,
                    buffer.dtype,
                    tensor.dtype()
                )));
            }
            Some(tensor) if buffer.role == Role::Read => Memory::Read(tensor.bytes()),
            Some(tensor) => Memory::Write(tensor.bytes_mut()),
        });
    }
    machine::run(program::flatten(kernel), kernel, &mut memory, begin as i64, end as i64).map_err(fail)
}

/// Runs the whole of a kernel: [`interpret`] over `0..extent`.
pub fn interpret_all(kernel: &Kernel, buffers: &mut [Tensor]) -> Result<(), InterpretError> {
    interpret(kernel, buffers, 0, kernel.extent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Axis, BinOp, CmpOp, DType, KernelBuilder, Ty};
    use cnnc_tensor::Scalar;

    fn f32s(values: &[f32]) -> Tensor {
        Tensor::from_vec(&[values.len()], values).unwrap()
    }

    /// C (6 x 8) = A (6 x 5) B (5 x 8), one row an iteration.
    fn matmul() -> Kernel {
        let mut b = KernelBuilder::new("matmul");
        let (a, w) = (b.buffer("a", DType::F32, 30, Role::Read), b.buffer("b", DType::F32, 40, Role::Read));
        let c = b.buffer("c", DType::F32, 48, Role::Write);
        b.parallel(6, |b, row| {
            let sum = b.var(Ty::vector(DType::F32, 8));
            let zero = b.f32(0.0, 8);
            b.set(sum, zero);
            b.serial(0, 5, |b, k| {
                let at = b.address(0, &[(row, 5), (k, 1)]);
                let x = b.load_splat(a, at, 8);
                let at = b.scale(k, 8);
                let y = b.load(w, at, 8);
                let old = b.get(sum);
                let new = b.mul_add(x, y, old);
                b.set(sum, new);
            });
            let at = b.scale(row, 8);
            let all = b.get(sum);
            b.store(c, at, all);
        });
        b.finish()
    }

    #[test]
    fn matrix_product() {
        let a: Vec<f32> = (0..30).map(|i| (i % 7) as f32 - 3.0).collect();
        let w: Vec<f32> = (0..40).map(|i| (i % 5) as f32 - 2.0).collect();
        let mut want = [f32::NAN; 48];
        for (i, out) in want.iter_mut().enumerate().skip(8) {
            *out = (0..5).map(|k| a[i / 8 * 5 + k] * w[k * 8 + i % 8]).sum();
        }
        let mut buffers = [f32s(&a), f32s(&w), f32s(&[f32::NAN; 48])];
        interpret(&matmul(), &mut buffers, 1, 6).unwrap();
        let got = buffers[2].as_slice::<f32>().unwrap();
        assert!(got[..8].iter().all(|x| x.is_nan()));
        assert_eq!(got[8..], want[8..]);
    }

    #[test]
    fn an_access_outside_names_the_buffer_and_the_index() {
        let mut b = KernelBuilder::new("over");
        let (x, y) = (b.buffer("x", DType::F32, 10, Role::Read), b.buffer("y", DType::F32, 10, Role::Write));
        b.parallel(3, |b, i| {
            let at = b.scale(i, 4);
            let v = b.load(x, at, 4);
            b.store(y, at, v);
        });
        let mut buffers = [f32s(&[0.0; 10]), f32s(&[0.0; 10])];
        let error = interpret_all(&b.finish(), &mut buffers).unwrap_err();
        assert_eq!(error.to_string(), "kernel over: access to x[8], 4 lanes, outside its 10 elements of f32");
    }

    #[test]
    fn counted_accesses_touch_only_their_lanes() {
        let mut b = KernelBuilder::new("tail");
        let (x, y) = (b.buffer("x", DType::F32, 10, Role::Read), b.buffer("y", DType::F32, 10, Role::Write));
        b.parallel(3, |b, i| {
            let (at, ten, four) = (b.scale(i, 4), b.index(10), b.index(4));
            let left = b.sub(ten, at);
            let count = b.binary(BinOp::Min, left, four);
            let v = b.load_count(x, at, 4, count);
            let twice = b.add(v, v);
            b.store_count(y, at, twice, count);
        });
        let x: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let mut buffers = [f32s(&x), f32s(&[0.0; 10])];
        interpret_all(&b.finish(), &mut buffers).unwrap();
        assert_eq!(buffers[1].as_slice::<f32>().unwrap(), x.iter().map(|v| v + v).collect::<Vec<_>>());
    }

    #[test]
    fn scratch_starts_as_nan_and_branches_and_steps_work() {
        let mut b = KernelBuilder::new("scratch");
        let s = b.buffer("s", DType::F32, 8, Role::Scratch);
        let y = b.buffer("y", DType::F32, 8, Role::Write);
        b.parallel(1, |b, _| {
            let (zero, eight) = (b.index(0), b.index(8));
            b.for_axis(Axis::Serial, zero, eight, 3, |b, i| {
                let three = b.index(3);
                let small = b.compare(CmpOp::Le, i, three);
                b.if_(small, |b| {
                    let one = b.constant(Scalar::f32(1.0), 1);
                    b.store(s, i, one);
                });
            });
            let v = b.load(s, zero, 8);
            b.store(y, zero, v);
        });
        let mut buffers = [f32s(&[0.0; 8])];
        interpret_all(&b.finish(), &mut buffers).unwrap();
        let ones: Vec<bool> = buffers[0].as_slice::<f32>().unwrap().iter().map(|&v| v == 1.0).collect();
        let nans: Vec<bool> = buffers[0].as_slice::<f32>().unwrap().iter().map(|v| v.is_nan()).collect();
        assert_eq!(ones, [true, false, false, true, false, false, false, false]);
        assert!(ones.iter().zip(nans).all(|(one, nan)| *one != nan));
    }

    #[test]
    fn wrong_buffers_are_errors() {
        assert!(interpret_all(&matmul(), &mut []).is_err());
        let mut wrong = [f32s(&[0.0; 29]), f32s(&[0.0; 40]), f32s(&[0.0; 48])];
        assert!(interpret_all(&matmul(), &mut wrong).unwrap_err().what.contains("buffer a has 30"));
        assert!(interpret(&matmul(), &mut wrong, 0, 7).is_err());
    }
}
