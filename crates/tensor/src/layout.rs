//! Physical layouts: where an element of a logical shape lies in memory.

use std::fmt;

/// How a tensor's elements are laid out. Dims always stay logical (`[N, C, H, W]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Layout {
    /// Row-major.
    #[default]
    Plain,
    /// Axis 1 (channels) split into blocks: `[N, ceil(C/b), spatial..., b]`, tail lanes zero. Rank at least 2.
    Blocked(usize),
}

impl Layout {
    /// The row-major shape that the layout gives to logical dims. A blocked layout needs rank 2 or more; of a lower
    /// rank the dims are returned as they are (the verifier forbids it).
    pub fn physical_dims(self, dims: &[usize]) -> Vec<usize> {
        match self {
            Layout::Blocked(block) if dims.len() >= 2 => {
                let mut physical = dims.to_vec();
                physical[1] = dims[1].div_ceil(block);
                physical.push(block);
                physical
            }
            _ => dims.to_vec(),
        }
    }

    /// Number of elements that a tensor of those dims occupies, tail lanes counted.
    pub fn physical_count(self, dims: &[usize]) -> Option<usize> {
        crate::element_count(&self.physical_dims(dims))
    }

    /// Name in texts: `plain` or `c16`.
    pub fn parse(text: &str) -> Option<Layout> {
        if text == "plain" {
            return Some(Layout::Plain);
        }
        let block: usize = text.strip_prefix('c')?.parse().ok()?;
        (block >= 2).then_some(Layout::Blocked(block))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Plain => f.write_str("plain"),
            Layout::Blocked(block) => write!(f, "c{block}"),
        }
    }
}
