//! Register tiles of a convolution on blocked channels, as benchmarks: `cargo bench -p cnnc-codegen --features llvm`.
//! A criterion filter picks some: `-- x86-64-v3/3x3`. `peak` is a loop of multiply-adds on registers: a tile's
//! throughput by that of `peak` is its share of the machine's peak.
//!
//! A tile is `MRxNV`, pixels times vectors of output channels.

#[path = "../tests/machine/mod.rs"]
mod machine;

use cnnc_codegen::{Backend, emit};
use cnnc_ir::kernel::{Axis, Kernel, KernelBuilder, Role, Ty};
use cnnc_tensor::{DType, Isa, Scalar, Target, Tensor};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};

/// Register tiles that fit 16 registers, and 32: pixels and vectors.
const TILES_16: &[(usize, usize)] = &[(14, 1), (7, 1), (6, 2), (4, 2), (4, 3), (2, 4)];
const TILES_32: &[(usize, usize)] = &[(28, 1), (14, 1), (14, 2), (8, 3), (7, 2), (6, 4), (4, 4), (4, 6)];

/// Register tile and layer.
struct Tile {
    pixels: usize,
    vectors: usize,
    kernel: usize,
    channels: usize,
    filters: usize,
    width: usize,
    isa: Isa,
}

impl Tile {
    /// A tile over a layer of 28 pixels a row, with filters of `kernel` squared; channels in whole bundles of vectors.
    fn new(isa: Isa, (pixels, vectors): (usize, usize), kernel: usize) -> Tile {
        let bundle = vectors * isa.lanes();
        let filters = (128 / bundle).max(1) * bundle;
        Tile { pixels, vectors, kernel, channels: 128, filters, width: 28, isa }
    }

    fn flops(&self, kernel: &Kernel) -> u64 {
        let block = self.isa.lanes();
        2 * (kernel.extent * self.pixels * self.vectors * block * self.channels * self.kernel * self.kernel) as u64
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
                        b.for_axis(Axis::Serial, begin, end, 1, |b, channel| {
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

/// Adds a kernel of that many operations to a group.
fn bench(group: &mut BenchmarkGroup<WallTime>, name: &str, kernel: &Kernel, target: &Target, flops: u64) {
    let code = emit(std::slice::from_ref(kernel), target, Backend::Llvm).expect("emits");
    let machine = machine::Machine::load(&code);
    let filled = |elems: usize| {
        let values: Vec<f32> = (0..elems).map(|k| (k % 13) as f32 / 6.0 - 1.0).collect();
        Tensor::from_vec(&[elems], &values).expect("a tensor")
    };
    let mut tensors: Vec<Tensor> = kernel.buffers.iter().map(|buffer| filled(buffer.elems)).collect();
    let pointers: Vec<*mut u8> = tensors.iter_mut().map(|t| t.bytes_mut().as_mut_ptr()).collect();
    group.throughput(Throughput::Elements(flops));
    group.bench_function(name, |bencher| {
        // SAFETY: the buffers are as long as the kernel says.
        bencher.iter(|| unsafe { machine.call(0, &pointers, 0, kernel.extent, std::ptr::null_mut()) });
    });
}

fn tiles(criterion: &mut Criterion) {
    let host = Isa::detect().expect("a processor that is known");
    for isa in [Isa::X86V3, Isa::X86V4].into_iter().filter(|isa| *isa <= host) {
        let target = Target::of(isa);
        let mut group = criterion.benchmark_group(isa.name());
        let rounds = 100_000;
        let flops = 2 * rounds * (chains(isa) * isa.lanes()) as u64;
        bench(&mut group, "peak", &peak(isa, rounds as i64), &target, flops);
        for kernel in [1, 3] {
            for &shape in if isa == Isa::X86V4 { TILES_32 } else { TILES_16 } {
                let tile = Tile::new(isa, shape, kernel);
                let built = tile.build();
                let name = format!("{kernel}x{kernel}/{}x{}", shape.0, shape.1);
                bench(&mut group, &name, &built, &target, tile.flops(&built));
            }
        }
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    tiles(&mut criterion);
    criterion.final_summary();
}
