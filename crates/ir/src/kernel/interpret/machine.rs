//! Runs a flattened kernel over its buffers, every access checked.

use super::lane;
use super::program::{Count, Op, Program, Reg};
use crate::kernel::{BinOp, Buffer, Kernel};
use cnnc_tensor::DType;

/// The memory of a buffer.
pub enum Memory<'a> {
    /// Of a buffer that is only read.
    Read(&'a [u8]),
    /// Of any other that the caller has.
    Write(&'a mut [u8]),
    /// Scratch.
    Own(Vec<u8>),
}

impl Memory<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Memory::Read(bytes) => bytes,
            Memory::Write(bytes) => bytes,
            Memory::Own(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Memory::Read(_) => &mut [],
            Memory::Write(bytes) => bytes,
            Memory::Own(bytes) => bytes,
        }
    }
}

/// Runs the part `begin..end`. An error says which access is wrong.
pub fn run(program: Program, kernel: &Kernel, memory: &mut [Memory], begin: i64, end: i64) -> Result<(), String> {
    let Program { ops, mut file, unset, part } = program;
    file[part.0] = begin as u64;
    file[part.1] = end as u64;
    let mut place = 0;
    while let Some(op) = ops.get(place) {
        place += 1;
        match *op {
            Op::Copy { to, from, n } => file.copy_within(from..from + n, to),
            Op::Load { to, n, buffer, index, count } => {
                let range = access(&file, &kernel.buffers[buffer], index, count, n)?;
                let done = range.len();
                load(kernel.buffers[buffer].dtype, memory[buffer].bytes(), range.start, &mut file[to..to + done]);
                file[to + done..to + n].fill(0);
            }
            Op::Store { from, n, buffer, index, count } => {
                let range = access(&file, &kernel.buffers[buffer], index, count, n)?;
                let lanes = &file[from..from + range.len()];
                store(kernel.buffers[buffer].dtype, memory[buffer].bytes_mut(), range.start, lanes);
            }
            Op::Splat { to, n, from } => {
                let value = file[from];
                file[to..to + n].fill(value);
            }
            Op::Lanes { to, n, from, dtype } => {
                let first = file[from];
                for (k, lane) in file[to..to + n].iter_mut().enumerate() {
                    *lane = first.wrapping_add(k as u64) & lane::mask(dtype);
                }
            }
            Op::Unary { op, dtype, to, n, a } => map1(&mut file, to, n, a, |x| lane::unary(op, dtype, x)),
            Op::Binary { op, dtype, to, n, a, b } => binary(&mut file, op, dtype, to, n, a, b),
            Op::Compare { op, dtype, to, n, a, b } => {
                map2(&mut file, to, n, a, b, |x, y| u64::from(lane::compare(op, dtype, x, y)));
            }
            Op::MulAdd { dtype: DType::F32, to, n, a, b, c } => map3(&mut file, to, n, a, b, c, |x, y, z| {
                u64::from((f32::from_bits(x as u32) * f32::from_bits(y as u32) + f32::from_bits(z as u32)).to_bits())
            }),
            Op::MulAdd { dtype, to, n, a, b, c } => {
                map3(&mut file, to, n, a, b, c, |x, y, z| lane::mul_add(dtype, x, y, z));
            }
            Op::Select { to, n, c, a, b } => map3(&mut file, to, n, c, a, b, |c, x, y| if c != 0 { x } else { y }),
            Op::Convert { from, dtype, to, n, a } => map1(&mut file, to, n, a, |x| lane::convert(from, dtype, x)),
            Op::Fold { op, dtype, to, n, a } => file[to] = fold(op, dtype, &file[a..a + n]),
            Op::Gather { to, ref from } => {
                for (k, &from) in from.iter().enumerate() {
                    file[to + k] = file[from];
                }
            }
            Op::Jump(to) => place = to,
            Op::Unless { cond, place: to } => {
                if file[cond] == 0 {
                    place = to;
                }
            }
            Op::Enter { index, begin, end, exit } => {
                file[index] = file[begin];
                if file[begin] as i64 >= file[end] as i64 {
                    place = exit;
                }
            }
            Op::Next { index, end, step, body } => {
                if let Some(next) = (file[index] as i64).checked_add(step).filter(|&next| next < file[end] as i64) {
                    file[index] = next as u64;
                    place = body;
                }
            }
            Op::Forget => file[..unset.len()].copy_from_slice(&unset),
        }
    }
    Ok(())
}

/// The elements of an access: those of its valid lanes.
fn access(
    file: &[u64],
    buffer: &Buffer,
    index: Reg,
    count: Count,
    lanes: usize,
) -> Result<std::ops::Range<usize>, String> {
    let done = match count {
        Count::All => lanes,
        Count::Reg(reg) => match file[reg] as i64 {
            count if (0..=lanes as i64).contains(&count) => count as usize,
            count => return Err(format!("access to {} with count {count} of {lanes} lanes", buffer.name)),
        },
    };
    if done == 0 {
        return Ok(0..0);
    }
    let index = file[index] as i64;
    match usize::try_from(index).ok().and_then(|first| Some(first..first.checked_add(done)?)) {
        Some(range) if range.end <= buffer.elems => Ok(range),
        _ => Err(format!(
            "access to {}[{index}], {done} lanes, outside its {} elements of {}",
            buffer.name, buffer.elems, buffer.dtype
        )),
    }
}

fn load(dtype: DType, bytes: &[u8], first: usize, lanes: &mut [u64]) {
    let size = dtype.size();
    let bytes = &bytes[first * size..(first + lanes.len()) * size];
    match size {
        1 if dtype == DType::Bool => {
            for (lane, &byte) in lanes.iter_mut().zip(bytes) {
                *lane = u64::from(byte != 0);
            }
        }
        4 => {
            for (lane, word) in lanes.iter_mut().zip(bytes.as_chunks().0) {
                *lane = u64::from(u32::from_le_bytes(*word));
            }
        }
        _ => {
            for (lane, element) in lanes.iter_mut().zip(bytes.chunks_exact(size)) {
                let mut word = [0; 8];
                word[..size].copy_from_slice(element);
                *lane = u64::from_le_bytes(word);
            }
        }
    }
}

fn store(dtype: DType, bytes: &mut [u8], first: usize, lanes: &[u64]) {
    let size = dtype.size();
    let bytes = &mut bytes[first * size..(first + lanes.len()) * size];
    match size {
        4 => {
            for (&lane, word) in lanes.iter().zip(bytes.as_chunks_mut().0) {
                *word = (lane as u32).to_le_bytes();
            }
        }
        _ => {
            for (lane, element) in lanes.iter().zip(bytes.chunks_exact_mut(size)) {
                element.copy_from_slice(&lane.to_le_bytes()[..size]);
            }
        }
    }
}

fn binary(file: &mut [u64], op: BinOp, dtype: DType, to: Reg, n: usize, a: Reg, b: Reg) {
    let f32s = |f: fn(f32, f32) -> f32| {
        move |x: u64, y: u64| u64::from(f(f32::from_bits(x as u32), f32::from_bits(y as u32)).to_bits())
    };
    match (dtype, op) {
        (DType::I64, BinOp::Add) => map2(file, to, n, a, b, u64::wrapping_add),
        (DType::I64, BinOp::Mul) => map2(file, to, n, a, b, u64::wrapping_mul),
        (DType::F32, BinOp::Add) => map2(file, to, n, a, b, f32s(|x, y| x + y)),
        (DType::F32, BinOp::Mul) => map2(file, to, n, a, b, f32s(|x, y| x * y)),
        _ => map2(file, to, n, a, b, |x, y| lane::binary(op, dtype, x, y)),
    }
}

/// Halves are folded together until one lane is left; the lower half is the first operand.
fn fold(op: BinOp, dtype: DType, lanes: &[u64]) -> u64 {
    let mut lanes = lanes.to_vec();
    while lanes.len() > 1 {
        let half = lanes.len() / 2;
        for k in 0..half {
            lanes[k] = lane::binary(op, dtype, lanes[k], lanes[k + half]);
        }
        lanes.truncate(half);
    }
    lanes[0]
}

#[inline(always)]
fn map1(file: &mut [u64], to: Reg, n: usize, a: Reg, f: impl Fn(u64) -> u64) {
    let (below, above) = file.split_at_mut(to);
    for (lane, &x) in above[..n].iter_mut().zip(&below[a..a + n]) {
        *lane = f(x);
    }
}

#[inline(always)]
fn map2(file: &mut [u64], to: Reg, n: usize, a: Reg, b: Reg, f: impl Fn(u64, u64) -> u64) {
    let (below, above) = file.split_at_mut(to);
    for ((lane, &x), &y) in above[..n].iter_mut().zip(&below[a..a + n]).zip(&below[b..b + n]) {
        *lane = f(x, y);
    }
}

#[inline(always)]
fn map3(file: &mut [u64], to: Reg, n: usize, a: Reg, b: Reg, c: Reg, f: impl Fn(u64, u64, u64) -> u64) {
    let (below, above) = file.split_at_mut(to);
    let (xs, ys, zs) = (&below[a..a + n], &below[b..b + n], &below[c..c + n]);
    for (((lane, &x), &y), &z) in above[..n].iter_mut().zip(xs).zip(ys).zip(zs) {
        *lane = f(x, y, z);
    }
}
