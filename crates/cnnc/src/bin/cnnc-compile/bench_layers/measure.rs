//! Times of candidates that take turns.

use super::reference::Reference;
use cnnc_cli::{CliError, process};
use cnnc_codegen::Backend;
use cnnc_compiler::shapes::Layer;
use cnnc_compiler::{Way, alone, compile_chosen};
use cnnc_ir::graph::Graph;
use cnnc_runtime::{Model, Session, Timeline, Weights};
use cnnc_tensor::{Target, Tensor};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of sessions and weights that are held at once.
const AT_ONCE: usize = 1 << 30;
/// Turns at least, however long they take.
const FEWEST: usize = 3;
/// Turns at most.
const MOST: usize = 1000;

/// How to measure.
pub struct Measurer<'a> {
    /// The target.
    pub target: &'a Target,
    /// The code generator.
    pub backend: Backend,
    /// Seconds for each candidate.
    pub seconds: f64,
}

/// A candidate that was measured.
pub struct Timed {
    /// The candidate.
    pub way: Way,
    /// Median with activations and weights in the caches, as far as they fit, in seconds.
    pub warm: f64,
    /// Median with weights in memory.
    pub cold: f64,
    /// Distance from exact sums.
    pub error: f64,
}

impl Measurer<'_> {
    /// Measures a layer, the only node of a graph, in some ways; the fastest with cold weights first.
    pub fn measure(
        &self,
        layer: &Layer,
        graph: &Graph,
        contents: &[Tensor],
        ways: Vec<Way>,
    ) -> Result<Vec<Timed>, CliError> {
        let reference = Reference::new(layer, contents)?;
        let bytes: usize = contents.iter().map(|t| t.bytes().len()).sum::<usize>() * 2;
        let at_once = (AT_ONCE / bytes.max(1)).clamp(1, 64);
        let mut timed = vec![];
        for some in ways.chunks(at_once) {
            if process::interrupted() {
                break;
            }
            let mut runs = vec![];
            for way in some {
                runs.push(self.prepare(layer, graph, contents, way, &reference)?);
            }
            take_turns(&mut runs, self.seconds)?;
            timed.extend(runs.into_iter().map(Run::timed));
        }
        timed.sort_by(|a, b| a.cold.total_cmp(&b.cold));
        Ok(timed)
    }

    fn prepare(
        &self,
        layer: &Layer,
        graph: &Graph,
        contents: &[Tensor],
        way: &Way,
        reference: &Reference,
    ) -> Result<Run, CliError> {
        let chosen = alone(graph, way, self.target).map_err(crate::failure::compile)?;
        let variant = compile_chosen(&chosen, self.target, self.backend).map_err(crate::failure::compile)?;
        let model = Arc::new(Model::from_variant("layer", variant)?);
        let mut session = Session::new(&model, self.target.threads)?;
        let inputs: Vec<Tensor> =
            layer.operands.iter().zip(contents).filter(|(o, _)| !o.constant).map(|(_, t)| t.clone()).collect();
        let outputs = session.run_tensors(&inputs)?;
        let error = reference.error(outputs.first().and_then(|t| t.as_slice::<f32>()).unwrap_or_default());
        let index = model.plan().layers.iter().position(|l| l.name == "layer").unwrap_or(0);
        let (warm, cold) = (vec![], vec![]);
        Ok(Run { way: way.clone(), session, index, inputs, outputs, error, timeline: Timeline::new(), warm, cold })
    }
}

/// A candidate, ready to run.
struct Run {
    way: Way,
    session: Session,
    /// The layer in the session's plan.
    index: usize,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    error: f64,
    timeline: Timeline,
    warm: Vec<f64>,
    cold: Vec<f64>,
}

impl Run {
    fn once(&mut self, weights: Weights) -> Result<f64, CliError> {
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Tensor::bytes).collect();
        let mut outputs: Vec<&mut [u8]> = self.outputs.iter_mut().map(Tensor::bytes_mut).collect();
        let time = self.session.run_layer(self.index, weights, &inputs, &mut outputs, &mut self.timeline)?;
        Ok(time.as_secs_f64())
    }

    fn turn(&mut self) -> Result<(), CliError> {
        // The first run brings back what the others have pushed out of the caches.
        self.once(Weights::Warm)?;
        for _ in 0..3 {
            let time = self.once(Weights::Warm)?;
            self.warm.push(time);
        }
        let time = self.once(Weights::Cold)?;
        self.cold.push(time);
        Ok(())
    }

    fn timed(self) -> Timed {
        Timed { way: self.way, warm: median(self.warm), cold: median(self.cold), error: self.error }
    }
}

/// Lets each run in turn until the time is used up.
fn take_turns(runs: &mut [Run], seconds: f64) -> Result<(), CliError> {
    let budget = Duration::from_secs_f64(seconds * runs.len() as f64);
    let start = Instant::now();
    for turn in 0..MOST {
        if turn >= FEWEST && (start.elapsed() > budget || process::interrupted()) {
            break;
        }
        runs.iter_mut().try_for_each(Run::turn)?;
    }
    Ok(())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}
