//! A network that runs, timed as a whole and layer by layer.

use cnnc_artifact::Variant;
use cnnc_autotune::statistics::median;
use cnnc_cli::{CliError, feeds};
use cnnc_runtime::{Model, Session, Timeline};
use cnnc_tensor::Tensor;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Turns at least and at most.
const TURNS: (usize, usize) = (5, 300);

/// A compiled network with inputs, and the times of its runs.
pub struct Running {
    session: Session,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    timeline: Timeline,
    /// Seconds of each run.
    totals: Vec<f64>,
    /// Seconds of each layer of the plan in each run.
    layers: Vec<Vec<f64>>,
}

impl Running {
    /// Readies a network, and runs it once.
    pub fn new(name: &str, variant: Variant) -> Result<Running, CliError> {
        let model = Arc::new(Model::from_variant(name, variant)?);
        let inputs = model.inputs().iter().map(feeds::seeded).collect::<Result<Vec<_>, _>>()?;
        let mut session = Session::new(&model, model.plan().threads as usize)?;
        session.run_tensors(&inputs)?;
        let full = |io: &cnnc_artifact::Io| {
            let dtype = io.dtype().ok_or_else(|| CliError::Crash(format!("output {io} has no type")))?;
            Tensor::zeros(dtype, &io.dims, cnnc_tensor::Layout::Plain).map_err(|e| CliError::Crash(e.to_string()))
        };
        let outputs = model.outputs().iter().map(full).collect::<Result<Vec<_>, _>>()?;
        let layers = vec![vec![]; model.plan().layers.len()];
        Ok(Running { session, inputs, outputs, timeline: Timeline::new(), totals: vec![], layers })
    }

    fn once(&mut self) -> Result<(), CliError> {
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Tensor::bytes).collect();
        let mut outputs: Vec<&mut [u8]> = self.outputs.iter_mut().map(Tensor::bytes_mut).collect();
        let begin = Instant::now();
        self.session.run_timed(&inputs, &mut outputs, &mut self.timeline)?;
        self.totals.push(begin.elapsed().as_secs_f64());
        let run = self.totals.len() - 1;
        self.layers.iter_mut().for_each(|times| times.push(0.0));
        for (k, step) in self.session.model().plan().steps.iter().enumerate() {
            self.layers[step.layer as usize][run] += self.timeline.step(k).as_secs_f64();
        }
        Ok(())
    }

    /// Seconds of each run.
    pub fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// Median seconds of a run.
    pub fn seconds(&self) -> f64 {
        seconds(&self.totals)
    }

    /// Seconds in each run of the layers of some names, their mean.
    pub fn mean_of(&self, names: &[String]) -> Vec<f64> {
        let layers = &self.session.model().plan().layers;
        let times: Vec<&Vec<f64>> =
            layers.iter().zip(&self.layers).filter(|(layer, _)| names.contains(&layer.name)).map(|(_, t)| t).collect();
        let mean = |run: usize| times.iter().map(|times| times[run]).sum::<f64>() / times.len() as f64;
        if times.is_empty() { vec![] } else { (0..self.totals.len()).map(mean).collect() }
    }

    /// Median seconds of all layers together.
    pub fn all_layers(&self) -> f64 {
        self.layers.iter().map(|times| seconds(times)).sum()
    }
}

/// Median of the times of runs; infinite where there was none.
pub fn seconds(times: &[f64]) -> f64 {
    median(times).unwrap_or(f64::INFINITY)
}

/// Runs networks in turn, for so long.
pub fn in_turn(runs: &mut [Running], longest: Duration) -> Result<(), CliError> {
    let start = Instant::now();
    for turn in 0..TURNS.1 {
        if turn >= TURNS.0 && start.elapsed() > longest {
            break;
        }
        runs.iter_mut().try_for_each(Running::once)?;
    }
    Ok(())
}
