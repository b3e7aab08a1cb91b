//! Random numbers (SplitMix64), and numbers at which code breaks.

/// A source of random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A source; equal seeds give equal numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where that is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// An element; `None` of nothing.
    pub fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let k = self.below(list.len());
        list.get(k)
    }

    /// An integer: mostly small, at times at an edge.
    pub fn int(&mut self) -> i64 {
        match self.below(8) {
            0..=3 => self.below(8) as i64 - 2,
            4 => self.below(300) as i64,
            5 => {
                let bit = 1i64 << self.below(63);
                let near = bit + self.below(3) as i64 - 1;
                if self.one_in(3) { -near } else { near }
            }
            6 => [i64::MAX, i64::MIN, i64::from(i32::MAX), i64::from(i32::MIN), 65535, 65536][self.below(6)],
            _ => self.next() as i64,
        }
    }

    /// A float, at times an odd one.
    pub fn float(&mut self) -> f32 {
        match self.below(4) {
            0 => [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-45, 1e30][self.below(8)],
            1 => self.int() as f32,
            _ => self.below(64) as f32 / 8.0 - 2.0,
        }
    }
}

/// Changes bytes without a thought of what they mean: sets, flips, inserts, removes, doubles, cuts.
pub fn edit_bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, random.next() as u8),
            3 => _ = bytes.drain(at..(at + 1 + random.below(16)).min(bytes.len())),
            4 => {
                let part = bytes[at..(at + 1 + random.below(64)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            5 => bytes[at] = [0, 0x7f, 0x80, 0xff][random.below(4)],
            _ if random.one_in(4) => bytes.truncate(at),
            _ => {
                let value = random.int().to_le_bytes();
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
        }
    }
}
