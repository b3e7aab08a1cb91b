//! A compiled layer, ready to be run alone.

use super::undisturbed::undisturbed;
use crate::TuneError;
use cnnc_compiler::shapes::Layer;
use cnnc_runtime::{Model, Session, Timeline, Weights};
use cnnc_tensor::{Tensor, cache_bytes};
use std::sync::Arc;

/// Bytes that push everything else out of the second-level cache.
fn others() -> usize {
    2 * cache_bytes(2).unwrap_or(1 << 20)
}

/// A network of one layer (with the conversions around it) and what it is fed.
pub struct Runner {
    session: Session,
    /// The layer in the session's plan.
    index: usize,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    timeline: Timeline,
    /// More than the second-level cache holds.
    other: Vec<u64>,
}

impl Runner {
    /// Runs the network once, so that the layer finds its operands.
    pub fn new(model: Model, threads: usize, layer: &Layer, contents: &[Tensor]) -> Result<Runner, TuneError> {
        let model = Arc::new(model);
        let mut session = Session::new(&model, threads)?;
        let operands = layer.operands.iter().zip(contents);
        let inputs: Vec<Tensor> = operands.filter(|(o, _)| !o.constant).map(|(_, t)| t.clone()).collect();
        let outputs = session.run_tensors(&inputs)?;
        let index = model.plan().layers.iter().position(|l| l.name == "layer").unwrap_or(0);
        Ok(Runner { session, index, inputs, outputs, timeline: Timeline::new(), other: vec![1; others() / 8] })
    }

    /// The plain result.
    pub fn result(&self) -> &[f32] {
        self.outputs.first().and_then(|t| t.as_slice::<f32>()).unwrap_or_default()
    }

    /// Runs the layer as in a network; seconds. Something else has been in the second-level cache, the layers before it
    /// have just made its operands, and its weights are in memory.
    pub fn within(&mut self) -> Result<f64, TuneError> {
        undisturbed(|| self.within_once())
    }

    fn within_once(&mut self) -> Result<f64, TuneError> {
        let read = self.other.iter().step_by(8).fold(0u64, |sum, word| sum.wrapping_add(*word));
        std::hint::black_box(read);
        for input in &self.inputs {
            let read = input.bytes().iter().step_by(64).fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            std::hint::black_box(read);
        }
        for layer in 0..self.index {
            self.run(layer, Weights::Warm)?;
        }
        self.run(self.index, Weights::Cold)
    }

    /// Runs the layer alone; seconds.
    pub fn once(&mut self, weights: Weights) -> Result<f64, TuneError> {
        undisturbed(|| self.run(self.index, weights))
    }

    fn run(&mut self, layer: usize, weights: Weights) -> Result<f64, TuneError> {
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Tensor::bytes).collect();
        let mut outputs: Vec<&mut [u8]> = self.outputs.iter_mut().map(Tensor::bytes_mut).collect();
        let time = self.session.run_layer(layer, weights, &inputs, &mut outputs, &mut self.timeline)?;
        Ok(time.as_secs_f64())
    }
}
