//! Each layer alone: what it would take if the network around it cost nothing.

use crate::CliError;
use crate::commands::bench::Ready;
use cnnc_runtime::statistics::median;
use cnnc_runtime::{Timeline, Weights};

/// Runs of each layer with warm weights, and as many with cold ones.
const RUNS: usize = 7;

/// Median seconds of a layer alone; its activations are warm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone {
    /// With warm weights.
    pub warm: f64,
    /// With weights in memory.
    pub cold: f64,
}

/// Measures every layer of a network alone. What stands in the session's memory is of no use afterwards.
pub fn measure(ready: &mut Ready) -> Result<Vec<Alone>, CliError> {
    let layers = ready.session.model().plan().layers.len();
    let mut timeline = Timeline::new();
    ready.with(|session, inputs, outputs| {
        let mut once = |layer, weights| session.run_layer(layer, weights, inputs, outputs, &mut timeline);
        let mut typical = |layer, weights| -> Result<f64, CliError> {
            let mut samples = [0.0; RUNS];
            for sample in &mut samples {
                *sample = once(layer, weights)?.as_secs_f64();
            }
            Ok(median(&samples).unwrap_or_default())
        };
        let alone = |layer| {
            // Warms the activations.
            typical(layer, Weights::Warm)?;
            Ok(Alone { warm: typical(layer, Weights::Warm)?, cold: typical(layer, Weights::Cold)? })
        };
        (0..layers).map(alone).collect()
    })
}
