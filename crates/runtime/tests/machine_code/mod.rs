//! Kernels assembled by hand, and plans over them.
#![allow(clippy::unwrap_used, dead_code)]

use cnnc_artifact::{Io, Layer, Place, Plan, Step, Variant};
use cnnc_tensor::Tensor;

/// `out[i] = in[i] + i` over u64; buffers in, out.
const ADD_INDEX: &[u8] = &[
    0x48, 0x8b, 0x07, // mov rax, [rdi]
    0x4c, 0x8b, 0x47, 0x08, // mov r8, [rdi+8]
    0x48, 0x39, 0xd6, // 1: cmp rsi, rdx
    0x7d, 0x10, // jge 2f
    0x4c, 0x8b, 0x0c, 0xf0, // mov r9, [rax+rsi*8]
    0x49, 0x01, 0xf1, // add r9, rsi
    0x4d, 0x89, 0x0c, 0xf0, // mov [r8+rsi*8], r9
    0x48, 0xff, 0xc6, // inc rsi
    0xeb, 0xeb, // jmp 1b
    0xc3, // 2: ret
];

/// `out[i] = MXCSR` over u32; buffer out.
const STORE_MODE: &[u8] = &[
    0x48, 0x8b, 0x07, // mov rax, [rdi]
    0x48, 0x39, 0xd6, // 1: cmp rsi, rdx
    0x7d, 0x09, // jge 2f
    0x0f, 0xae, 0x1c, 0xb0, // stmxcsr [rax+rsi*4]
    0x48, 0xff, 0xc6, // inc rsi
    0xeb, 0xf2, // jmp 1b
    0xc3, // 2: ret
];

/// `out[2i] = begin << 32 | end; out[2i+1] = scratch` over u64, and stores into scratch; buffer out.
const STORE_PART: &[u8] = &[
    0x48, 0x8b, 0x07, // mov rax, [rdi]
    0x48, 0x89, 0x31, // mov [rcx], rsi
    0x49, 0x89, 0xf2, // mov r10, rsi
    0x49, 0xc1, 0xe2, 0x20, // shl r10, 32
    0x49, 0x09, 0xd2, // or r10, rdx
    0x48, 0x39, 0xd6, // 1: cmp rsi, rdx
    0x7d, 0x14, // jge 2f
    0x49, 0x89, 0xf1, // mov r9, rsi
    0x4d, 0x01, 0xc9, // add r9, r9
    0x4e, 0x89, 0x14, 0xc8, // mov [rax+r9*8], r10
    0x4a, 0x89, 0x4c, 0xc8, 0x08, // mov [rax+r9*8+8], rcx
    0x48, 0xff, 0xc6, // inc rsi
    0xeb, 0xe7, // jmp 1b
    0xc3, // 2: ret
];

/// `out[i] = in[i] * by[i] + in[99999 - i]` over f32: reads what other threads wrote; buffers in, by, out.
const REVERSE_MUL: &[u8] = &[
    0x48, 0x8b, 0x07, // mov rax, [rdi]
    0x4c, 0x8b, 0x47, 0x08, // mov r8, [rdi+8]
    0x4c, 0x8b, 0x4f, 0x10, // mov r9, [rdi+16]
    0x48, 0x39, 0xd6, // 1: cmp rsi, rdx
    0x7d, 0x26, // jge 2f
    0xf3, 0x0f, 0x10, 0x04, 0xb0, // movss xmm0, [rax+rsi*4]
    0xf3, 0x41, 0x0f, 0x59, 0x04, 0xb0, // mulss xmm0, [r8+rsi*4]
    0x49, 0xc7, 0xc2, 0x9f, 0x86, 0x01, 0x00, // mov r10, 99999
    0x49, 0x29, 0xf2, // sub r10, rsi
    0xf3, 0x42, 0x0f, 0x58, 0x04, 0x90, // addss xmm0, [rax+r10*4]
    0xf3, 0x41, 0x0f, 0x11, 0x04, 0xb1, // movss [r9+rsi*4], xmm0
    0x48, 0xff, 0xc6, // inc rsi
    0xeb, 0xd5, // jmp 1b
    0xc3, // 2: ret
];

/// The kernels above.
#[derive(Clone, Copy)]
pub enum Kernel {
    AddIndex,
    StoreMode,
    StorePart,
    ReverseMul,
}

/// Elements of the `ReverseMul` kernel.
pub const COUNT: usize = 100_000;

pub fn io(name: &str, dtype: &str, dims: &[usize]) -> Io {
    Io { name: name.into(), dtype: dtype.into(), dims: dims.to_vec(), extent: None }
}

/// A call: kernel, extent, buffers and their sizes.
pub type Call = (Kernel, u64, Vec<(Place, u64)>);

/// A plan of calls.
pub fn variant(inputs: Vec<Io>, outputs: Vec<Io>, calls: &[Call], constants: Vec<(u64, Tensor)>) -> Variant {
    let mut code = vec![];
    let mut entries = vec![];
    for kernel in [ADD_INDEX, STORE_MODE, STORE_PART, REVERSE_MUL] {
        code.resize(code.len().next_multiple_of(64), 0xcc);
        entries.push(code.len() as u64);
        code.extend_from_slice(kernel);
    }
    let layer = Layer {
        name: "node".into(),
        op: "Test".into(),
        candidate: "machine_code()".into(),
        chosen_by: String::new(),
        generic: false,
        flops: 1e9,
        output: "u64[1]".into(),
        error: 0.0,
        workspace: 0,
    };
    let step =
        |(kernel, extent, args): &Call| Step { layer: 0, kernel: *kernel as u32, extent: *extent, args: args.clone() };
    let arena = calls.iter().flat_map(|c| &c.2).filter_map(|(place, bytes)| match place {
        Place::Arena(at) => Some(at + bytes),
        _ => None,
    });
    let plan = Plan {
        inputs,
        outputs,
        layers: vec![layer],
        steps: calls.iter().map(step).collect(),
        entries,
        kernels: ["add_index", "store_mode", "store_part", "reverse_mul"].map(String::from).to_vec(),
        arena_bytes: arena.max().unwrap_or(0),
        scratch_bytes: 100,
        threads: 0,
        max_error: 0.0,
        expected_error: 0.0,
    };
    Variant { isa: "x86-64-v2".into(), backend: "by hand".into(), plan, code, constants }
}

/// `ReverseMul` applied `rounds` times from the input to the output, through the arena.
pub fn reversing(rounds: usize) -> Variant {
    let bytes = 4 * COUNT as u64;
    let factors: Vec<f32> = (0..COUNT).map(|i| (i % 7) as f32 * 0.125).collect();
    let place = |k: usize| match k {
        0 => Place::Input(0, 0),
        k if k == rounds => Place::Output(0, 0),
        k => Place::Arena(k as u64 % 2 * bytes),
    };
    let call = |k: usize| {
        let args = vec![(place(k), bytes), (Place::Constant(64), bytes), (place(k + 1), bytes)];
        (Kernel::ReverseMul, COUNT as u64, args)
    };
    let calls: Vec<_> = (0..rounds).map(call).collect();
    let constants =
        vec![(0, Tensor::from_vec(&[1], &[0u8]).unwrap()), (64, Tensor::from_vec(&[COUNT], &factors).unwrap())];
    variant(vec![io("data", "f32", &[COUNT])], vec![io("scores", "f32", &[COUNT])], &calls, constants)
}

/// What [`reversing`] computes.
pub fn reversed(rounds: usize, input: &[f32]) -> Vec<f32> {
    (0..rounds)
        .fold(input.to_vec(), |x, _| (0..COUNT).map(|i| x[i] * ((i % 7) as f32 * 0.125) + x[COUNT - 1 - i]).collect())
}
