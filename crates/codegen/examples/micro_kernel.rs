//! Times register tiles of a convolution on NCHW16c against the machine's FMA peak:
//! `cargo run --release --features llvm --example micro_kernel [TILE...]`.
//!
//! A tile is `MRxNV`, pixels times vectors of output channels; `u4` unrolls the channel loop by 4, `k3` makes a 3x3
//! kernel of it, `v3` compiles for x86-64-v3: `14x2u4k3`. With `DUMP=DIR` the code is written there.

#[path = "../tests/machine/mod.rs"]
mod machine;

use cnnc_codegen::{Backend, emit, llvm_text};
use cnnc_ir::kernel::{Axis, Kernel, KernelBuilder, Role, Ty};
use cnnc_tensor::{DType, Isa, Scalar, Target, Tensor};
use std::time::{Duration, Instant};

/// Register tile and layer.
struct Tile {
    pixels: usize,
    vectors: usize,
    unroll: usize,
    kernel: usize,
    channels: usize,
    filters: usize,
    width: usize,
    isa: Isa,
}

impl Tile {
    fn parse(name: &str) -> Tile {
        let number = |letter: char| {
            let at = name.find(letter)? + 1;
            let digits: String = name[at..].chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        let pixels = name.split('x').next().and_then(|n| n.parse().ok()).expect("a tile: 14x2");
        let isa = if number('v') == Some(3usize) { Isa::X86V3 } else { Isa::X86V4 };
        Tile {
            pixels,
            vectors: number('x').expect("a tile: 14x2"),
            unroll: number('u').unwrap_or(1),
            kernel: number('k').unwrap_or(1),
            channels: number('c').unwrap_or(128),
            filters: number('f').unwrap_or(128),
            width: number('w').unwrap_or(28),
            isa,
        }
    }

    fn flops(&self, kernel: &Kernel) -> f64 {
        let block = self.isa.lanes();
        2.0 * (kernel.extent * self.pixels * self.vectors * block * self.channels * self.kernel * self.kernel) as f64
    }

    /// Input rows are `width + kernel - 1` pixels wide: padded before.
    fn build(&self) -> Kernel {
        let block = self.isa.lanes();
        let lanes = block as u16;
        let row = self.width + self.kernel - 1;
        let blocks = self.channels / block;
        let plane = row * row * block;
        let taps = self.kernel * self.kernel;
        let filters = self.filters / block / self.vectors;
        let tiles = self.width / self.pixels;
        let rows = self.width;
        let filter_size = blocks * taps * block * block;
        let out_plane = self.width * self.width * block;
        let mut b = KernelBuilder::new("tile");
        let input = b.buffer("input", DType::F32, blocks * plane, Role::Read);
        let weights = b.buffer("weights", DType::F32, self.filters / block * filter_size, Role::Read);
        let output = b.buffer("output", DType::F32, self.filters / block * out_plane, Role::Write);
        let ty = Ty::vector(DType::F32, lanes);
        let sums: Vec<_> = (0..self.pixels * self.vectors).map(|_| b.var(ty)).collect();
        b.parallel(filters * rows * tiles, |b, task| {
            let coords = b.unflatten(task, &[filters, rows, tiles]);
            let zero = b.constant(Scalar::f32(0.0), lanes);
            for &sum in &sums {
                b.set(sum, zero);
            }
            let pixels = self.pixels as i64;
            let start = b.address(0, &[(coords[1], (row * block) as i64), (coords[2], pixels * block as i64)]);
            let filter = b.scale(coords[0], (self.vectors * filter_size) as i64);
            b.serial(0, blocks as i64, |b, cb| {
                b.serial(0, self.kernel as i64, |b, kh| {
                    b.serial(0, self.kernel as i64, |b, kw| {
                        let here = b.address(
                            0,
                            &[(start, 1), (cb, plane as i64), (kh, (row * block) as i64), (kw, block as i64)],
                        );
                        let tap = b.address(
                            0,
                            &[
                                (filter, 1),
                                (cb, (taps * block * block) as i64),
                                (kh, (self.kernel * block * block) as i64),
                                (kw, (block * block) as i64),
                            ],
                        );
                        let (begin, end) = (b.index(0), b.index(block as i64));
                        b.for_axis(Axis::Serial, begin, end, self.unroll as i64, |b, c| {
                            for u in 0..self.unroll {
                                let channel = b.offset(c, u as i64);
                                let w0 = b.address(0, &[(tap, 1), (channel, block as i64)]);
                                let a0 = b.add(here, channel);
                                let w: Vec<_> = (0..self.vectors)
                                    .map(|v| {
                                        let at = b.offset(w0, (v * filter_size) as i64);
                                        b.load(weights, at, lanes)
                                    })
                                    .collect();
                                for p in 0..self.pixels {
                                    let at = b.offset(a0, (p * block) as i64);
                                    let a = b.load_splat(input, at, lanes);
                                    for v in 0..self.vectors {
                                        let sum = b.get(sums[p * self.vectors + v]);
                                        let sum = b.mul_add(a, w[v], sum);
                                        b.set(sums[p * self.vectors + v], sum);
                                    }
                                }
                            }
                        });
                    });
                });
            });
            let out = b.address(
                0,
                &[
                    (coords[0], (self.vectors * out_plane) as i64),
                    (coords[1], (self.width * block) as i64),
                    (coords[2], pixels * block as i64),
                ],
            );
            for p in 0..self.pixels {
                for v in 0..self.vectors {
                    let at = b.offset(out, (p * block + v * out_plane) as i64);
                    let sum = b.get(sums[p * self.vectors + v]);
                    b.store(output, at, sum);
                }
            }
        });
        b.finish()
    }
}

/// Independent multiply-adds on registers only.
fn peak(isa: Isa, rounds: i64) -> Kernel {
    let lanes = isa.lanes() as u16;
    let mut b = KernelBuilder::new("peak");
    let output = b.buffer("output", DType::F32, chains(isa) * isa.lanes(), Role::Write);
    b.parallel(1, |b, _| {
        let sums: Vec<_> = (0..chains(isa)).map(|_| b.var(Ty::vector(DType::F32, lanes))).collect();
        for (k, &sum) in sums.iter().enumerate() {
            let start = b.f32(k as f32, lanes);
            b.set(sum, start);
        }
        let (factor, term) = (b.f32(0.9999, lanes), b.f32(1e-6, lanes));
        b.serial(0, rounds, |b, _| {
            for &sum in &sums {
                let old = b.get(sum);
                let new = b.mul_add(old, factor, term);
                b.set(sum, new);
            }
        });
        for (k, &sum) in sums.iter().enumerate() {
            let (at, sum) = (b.index((k * isa.lanes()) as i64), b.get(sum));
            b.store(output, at, sum);
        }
    });
    b.finish()
}

/// Independent chains: more than the latency needs, and they fit the registers next to two constants.
fn chains(isa: Isa) -> usize {
    if isa == Isa::X86V4 { 24 } else { 12 }
}

/// The best time of a call in seconds, and the time it took to compile.
fn time(kernel: &Kernel, target: &Target, dump: &str) -> (f64, Duration) {
    let start = Instant::now();
    let code = emit(std::slice::from_ref(kernel), target, Backend::Llvm).expect("emits");
    let compile = start.elapsed();
    if let Ok(dir) = std::env::var("DUMP") {
        std::fs::write(format!("{dir}/{dump}.bin"), &code.bytes).expect("writes");
        std::fs::write(format!("{dir}/{dump}.ll"), llvm_text(kernel, target).expect("text")).expect("writes");
    }
    let machine = machine::Machine::load(&code);
    let filled = |elems: usize| {
        let values: Vec<f32> = (0..elems).map(|k| (k % 13) as f32 / 6.0 - 1.0).collect();
        Tensor::from_vec(&[elems], &values).expect("a tensor")
    };
    let mut tensors: Vec<Tensor> = kernel.buffers.iter().map(|buffer| filled(buffer.elems)).collect();
    let pointers: Vec<*mut u8> = tensors.iter_mut().map(|t| t.bytes_mut().as_mut_ptr()).collect();
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.4 {
        let start = Instant::now();
        // SAFETY: the buffers are as long as the kernel says.
        unsafe { machine.call(0, &pointers, 0, kernel.extent, std::ptr::null_mut()) };
        best = best.min(start.elapsed().as_secs_f64());
    }
    (best, compile)
}

fn main() {
    for name in std::env::args().skip(1) {
        let tile = Tile::parse(&name);
        let (kernel, target) = (tile.build(), Target::of(tile.isa));
        let rounds = 1_000_000;
        let ceiling = 2.0 * (rounds as usize * chains(tile.isa) * tile.isa.lanes()) as f64
            / time(&peak(tile.isa, rounds), &target, "peak").0;
        let (seconds, compile) = time(&kernel, &target, &name);
        let rate = tile.flops(&kernel) / seconds;
        let share = 100.0 * rate / ceiling;
        println!("{name:20} {:6.1} GFLOP/s, {share:3.0}% of the peak   compiled in {compile:.0?}", rate / 1e9);
    }
}
