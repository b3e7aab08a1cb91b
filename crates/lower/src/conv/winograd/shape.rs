//! The numbers of a Winograd convolution: F(m, r) on each axis of its tiles.

use crate::conv::ConvShape;
use crate::conv::bilinear::{Blocking, TileAxis, Tiling};
use crate::linear_map::LinearMap;
use cnnc_ir::minimal_filtering::MinimalFiltering;

/// F(m, r) of one spatial axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// B^T.
    pub forward: LinearMap,
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
    pub axes: Vec<Axis>,
}

impl Winograd {
    /// The convolution under a blocking; `None` where a window does not fit.
    pub fn new(shape: &ConvShape, blocking: Blocking, lanes: usize) -> Option<Winograd> {
        let (mut tiles, mut axes) = (vec![], vec![]);
        for k in 0..shape.input.len() {
            let (m, r) = (*blocking.tile.get(k)?, shape.window.kernel[k]);
            // An axis of one tap has nothing to gain from longer tiles.
            let filtering = MinimalFiltering::new(m, r).filter(|_| r > 1 || m == 1)?;
            tiles.push(TileAxis::new(shape, k, m)?);
            axes.push(Axis {
                forward: LinearMap::new(&filtering.input),
                inverse: LinearMap::new(&filtering.output),
                amplification: filtering.amplification(),
            });
        }
        let points = tiles.iter().map(|a| a.size).product();
        let tiling = Tiling { shape: shape.clone(), axes: tiles, points, blocking, lanes };
        (points <= 512).then_some(Winograd { tiling, axes })
    }
}
