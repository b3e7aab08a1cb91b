//! What kernels are built for: an instruction set and the facts about the machine that lowerings choose by.

use crate::Calibration;
use std::fmt;

/// An instruction set level. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// x86-64-v2: SSE4.2, 128-bit vectors, no fused multiply-add.
    X86V2,
    /// x86-64-v3: AVX2 and FMA, 256-bit vectors.
    X86V3,
    /// x86-64-v4: AVX-512 F, BW, CD, DQ, VL, 512-bit vectors.
    X86V4,
}

impl Isa {
    /// Every level.
    pub const ALL: [Isa; 3] = [Isa::X86V2, Isa::X86V3, Isa::X86V4];

    /// Name: `x86-64-v4`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::X86V2 => "x86-64-v2",
            Isa::X86V3 => "x86-64-v3",
            Isa::X86V4 => "x86-64-v4",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name)
    }

    /// The highest level of this machine; `None` where it has none of them.
    pub fn detect() -> Option<Isa> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let v2 = has!("sse4.2") && has!("popcnt") && has!("ssse3");
            let v3 = v2 && has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2") && has!("f16c") && has!("lzcnt");
            let v4 =
                v3 && has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
            Some(if v4 {
                Isa::X86V4
            } else if v3 {
                Isa::X86V3
            } else {
                Isa::X86V2
            })
            .filter(|_| v2)
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Lanes of f32 in the widest vector.
    pub fn lanes(self) -> usize {
        match self {
            Isa::X86V2 => 4,
            Isa::X86V3 => 8,
            Isa::X86V4 => 16,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this machine's processor is one of Intel's.
pub fn is_intel() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let id = std::arch::x86_64::__cpuid(0);
        [id.ebx, id.edx, id.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What one core does at best: the figures that analytic costs are stated in. Integers, so that targets can be compared
/// and hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ceilings {
    /// Cycles per second in MHz, at which a core that is busy with multiply-adds runs.
    pub clock: u32,
    /// Multiply-adds on whole vectors of the instruction set that are started in a cycle.
    pub multiply_adds: u32,
    /// MB a second that one thread reads from the first-level cache.
    pub l1: u32,
    /// MB a second that one thread reads from the second-level cache.
    pub l2: u32,
    /// MB a second that one thread reads from the last-level cache.
    pub l3: u32,
    /// MB a second that one thread reads from memory.
    pub memory: u32,
}

impl Ceilings {
    /// Those of a common server core (Zen 4 and 3), for machines that were not measured.
    pub fn of(isa: Isa) -> Ceilings {
        let multiply_adds = if isa == Isa::X86V3 { 2 } else { 1 };
        Ceilings { clock: 3_700, multiply_adds, l1: 414_400, l2: 103_600, l3: 59_200, memory: 25_900 }
    }

    /// Those of a server core of Intel's (Cascade Lake), which starts two multiply-adds on 512-bit vectors in a cycle.
    pub fn of_intel(isa: Isa) -> Ceilings {
        let clock = if isa == Isa::X86V4 { 2_300 } else { 2_600 };
        let multiply_adds = if isa == Isa::X86V2 { 1 } else { 2 };
        Ceilings { clock, multiply_adds, l1: 210_000, l2: 95_000, l3: 22_000, memory: 11_000 }
    }

    /// Cycles per second.
    pub fn hertz(&self) -> f64 {
        f64::from(self.clock) * 1e6
    }

    /// Bytes of a cycle at a rate in MB a second.
    pub fn bytes_per_cycle(&self, rate: u32) -> f64 {
        f64::from(rate) / f64::from(self.clock.max(1))
    }
}

/// A target: what a lowering may use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Instruction set.
    pub isa: Isa,
    /// Lanes of f32 that a vector of the backend has (Cranelift: 4 whatever the instruction set). Also the block of
    /// the blocked layout.
    pub lanes: usize,
    /// Vector registers.
    pub registers: usize,
    /// First-level data cache in bytes.
    pub l1: usize,
    /// Second-level cache in bytes, per core.
    pub l2: usize,
    /// Last-level cache in bytes.
    pub l3: usize,
    /// Threads that the network will run on.
    pub threads: usize,
    /// What a core does at best.
    pub ceilings: Ceilings,
    /// What costs cannot count.
    pub calibration: Calibration,
}

impl Target {
    /// A target with 512-bit, 256-bit or 128-bit vectors as the instruction set has them, and common cache sizes.
    pub fn of(isa: Isa) -> Target {
        let registers = if isa == Isa::X86V4 { 32 } else { 16 };
        let ceilings = Ceilings::of(isa);
        let (lanes, calibration) = (isa.lanes(), Calibration::of(isa.lanes(), ceilings.multiply_adds));
        Target { isa, lanes, registers, l1: 32 << 10, l2: 1 << 20, l3: 16 << 20, threads: 1, ceilings, calibration }
    }

    /// The same with other ceilings, and the usual terms of costs that go with them.
    pub fn with_ceilings(self, ceilings: Ceilings) -> Target {
        Target { ceilings, calibration: Calibration::of(self.lanes, ceilings.multiply_adds), ..self }
    }

    /// The same machine through a backend whose vectors have 128 bits.
    pub fn narrow(self) -> Target {
        let multiply_adds = if self.isa == Isa::X86V2 { 1 } else { 2 };
        let ceilings = Ceilings { multiply_adds, ..self.ceilings };
        Target { lanes: 4, registers: 16, ..self }.with_ceilings(ceilings)
    }
}
