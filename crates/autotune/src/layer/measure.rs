//! Times of candidates that take turns.

use super::{Reference, Runner};
use crate::TuneError;
use crate::statistics::median;
use cnnc_codegen::Backend;
use cnnc_compiler::shapes::Layer;
use cnnc_compiler::{Way, alone, compile_chosen};
use cnnc_ir::graph::Graph;
use cnnc_runtime::{Model, Weights};
use cnnc_tensor::{Target, Tensor};
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
    /// Whether to end with what is done.
    pub interrupted: &'a dyn Fn() -> bool,
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
    ) -> Result<Vec<Timed>, TuneError> {
        let reference = Reference::new(layer, contents)?;
        let bytes: usize = contents.iter().map(|t| t.bytes().len()).sum::<usize>() * 2;
        let at_once = (AT_ONCE / bytes.max(1)).clamp(1, 64);
        let mut timed = vec![];
        for some in ways.chunks(at_once) {
            if (self.interrupted)() {
                break;
            }
            let mut runs = vec![];
            for way in some {
                let chosen = alone(graph, way, self.target)?;
                let variant = compile_chosen(&chosen, self.target, self.backend)?;
                let model = Model::from_variant("layer", variant)?;
                let runner = Runner::new(model, self.target.threads, layer, contents)?;
                let error = reference.error(runner.result());
                runs.push(Run { way: way.clone(), runner, error, warm: vec![], cold: vec![] });
            }
            self.take_turns(&mut runs)?;
            timed.extend(runs.into_iter().map(Run::timed));
        }
        timed.sort_by(|a, b| a.cold.total_cmp(&b.cold));
        Ok(timed)
    }

    /// Lets each run in turn until the time is used up.
    fn take_turns(&self, runs: &mut [Run]) -> Result<(), TuneError> {
        let budget = Duration::from_secs_f64(self.seconds * runs.len() as f64);
        let start = Instant::now();
        for turn in 0..MOST {
            if turn >= FEWEST && (start.elapsed() > budget || (self.interrupted)()) {
                break;
            }
            runs.iter_mut().try_for_each(Run::turn)?;
        }
        Ok(())
    }
}

/// A candidate, ready to run.
struct Run {
    way: Way,
    runner: Runner,
    error: f64,
    warm: Vec<f64>,
    cold: Vec<f64>,
}

impl Run {
    fn turn(&mut self) -> Result<(), TuneError> {
        // The first run brings back what the others have pushed out of the caches.
        self.runner.once(Weights::Warm)?;
        for _ in 0..3 {
            self.warm.push(self.runner.once(Weights::Warm)?);
        }
        self.cold.push(self.runner.once(Weights::Cold)?);
        Ok(())
    }

    fn timed(self) -> Timed {
        let median = |times: &[f64]| median(times).unwrap_or(f64::NAN);
        Timed { way: self.way, warm: median(&self.warm), cold: median(&self.cold), error: self.error }
    }
}
