//! The numbers of a Winograd convolution: F(m, r) on each axis of its tiles.

use crate::conv::ConvShape;
use crate::conv::bilinear::{Blocking, TileAxis, Tiling};
use crate::linear_map::LinearMap;
use cnnc_ir::minimal_filtering::MinimalFiltering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// F(m, r) of one spatial axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// B^T.
    pub forward: LinearMap,
    /// B^T for a tap less: no last input, no last point.
    pub short: LinearMap,
    /// A^T.
    pub inverse: LinearMap,
    /// How the transforms of the axis amplify rounding errors.
    pub amplification: f64,
}

/// A convolution that minimal filtering takes, under a blocking.
#[derive(Clone, Debug, PartialEq)]
pub struct Winograd {
    /// Its tiles: as many points as inputs. Their size in the blocking is m.
    pub tiling: Tiling,
    /// The spatial axes.
    pub axes: Vec<Arc<Axis>>,
}

/// Most points of a tile, and phases of a window.
const MOST_POINTS: usize = 512;
const MOST_PHASES: usize = 16;

/// The axes that were made, by m and r: exact arithmetic takes longer than all else of a cost.
static AXES: Mutex<BTreeMap<(usize, usize), Arc<Axis>>> = Mutex::new(BTreeMap::new());

impl Axis {
    /// F(m, r); `None` where there is none.
    fn of(m: usize, r: usize) -> Option<Arc<Axis>> {
        let mut axes = AXES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(axis) = axes.get(&(m, r)) {
            return Some(axis.clone());
        }
        let filtering = MinimalFiltering::new(m, r)?;
        let finite: Vec<Vec<f64>> = filtering
            .input
            .split_last()
            .map_or(vec![], |(_, rows)| rows.iter().map(|row| row[..rows.len()].to_vec()).collect());
        let axis = Arc::new(Axis {
            forward: LinearMap::new(&filtering.input),
            short: LinearMap::new(&finite),
            inverse: LinearMap::new(&filtering.output),
            amplification: filtering.amplification(),
        });
        axes.insert((m, r), axis.clone());
        Some(axis)
    }
}

impl Winograd {
    /// The convolution under a blocking; `None` where a window does not fit.
    pub fn new(shape: &ConvShape, blocking: Blocking, lanes: usize) -> Option<Winograd> {
        let (mut tiles, mut axes) = (vec![], vec![]);
        for k in 0..shape.input.len() {
            let m = *blocking.tile.get(k)?;
            let tile = TileAxis::new(shape, k, m)?;
            // An axis of one tap has nothing to gain from longer tiles.
            let r = tile.phases.taps;
            axes.push(Axis::of(m, r).filter(|_| r > 1 || m == 1)?);
            tiles.push(tile);
        }
        let points = tiles.iter().map(|a| a.size).product();
        let tiling = Tiling { shape: shape.clone(), axes: tiles, points, blocking, lanes };
        let fits =
            points > 1 && points <= MOST_POINTS && tiling.phases() <= MOST_PHASES && tiling.takes(tiling.blocking.nv);
        fits.then_some(Winograd { tiling, axes })
    }

    /// B^T of an axis for a phase whose tiles have so many inputs.
    pub fn forward_map(&self, axis: usize, inputs: usize) -> &LinearMap {
        let full = inputs == self.tiling.axes[axis].size;
        if full { &self.axes[axis].forward } else { &self.axes[axis].short }
    }
}
