//! A session: the memory and the threads that one run of a network needs at a time.
//!
//! The threads run the plan side by side: each goes through all steps, computes its part of each, and waits for the
//! others at a barrier where the next step may need what they computed. A run forks and joins once, and a step costs
//! one barrier. Parts begin even and contiguous, and iterations of a step are independent, so neither the number of
//! threads nor who runs what changes a bit of the result.
//!
//! Nothing is allocated in a run: memory, threads and the table of buffer pointers are made with the session.

use crate::barrier::Barrier;
use crate::execute::Shared;
use crate::float_mode::KernelMode;
use crate::profile::Timeline;
use crate::{Model, RuntimeError};
use cnnc_artifact::Io;
use cnnc_tensor::{Layout, Tensor};
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Most threads of a session.
const MOST_THREADS: usize = 1024;

/// Runs a network. One run at a time; for several at once, make several sessions of one model.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Valid part of axis 0 of each output after the last run.
    extents: Vec<usize>,
}

impl Session {
    /// A session with that many threads, the caller's counted; no more than the plan can use.
    pub fn new(model: &Arc<Model>, threads: usize) -> Result<Session, RuntimeError> {
        let usable = match model.plan().threads {
            0 => MOST_THREADS,
            most => most as usize,
        };
        let threads = threads.clamp(1, usable.min(MOST_THREADS));
        let shared = Arc::new(Shared::new(model.clone(), Barrier::new(threads), threads)?);
        let extents = model.outputs().iter().map(|io| io.dims.first().copied().unwrap_or(1)).collect();
        let mut session = Session { shared: shared.clone(), workers: vec![], extents };
        for thread in 1..threads {
            let shared = shared.clone();
            let worker = std::thread::Builder::new().name(format!("cnnc-{thread}")).spawn(move || shared.work(thread));
            match worker {
                Ok(handle) => session.workers.push(handle),
                Err(error) => return Err(RuntimeError::Thread(error)),
            }
        }
        Ok(session)
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.shared.model
    }

    /// Number of threads, the caller's counted.
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Runs the network on inputs in the model's order, plain layout, little-endian, and fills the output buffers.
    pub fn run(&mut self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), RuntimeError> {
        self.run_with(inputs, outputs, None)
    }

    /// [`run`](Session::run) that also takes the time of every step on every thread.
    pub fn run_timed(
        &mut self,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        timeline: &mut Timeline,
    ) -> Result<(), RuntimeError> {
        timeline.fit(self.threads(), self.model().plan().steps.len());
        self.run_with(inputs, outputs, Some(timeline))
    }

    /// Runs the network on tensors and returns its outputs, cut to their valid part.
    pub fn run_tensors(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RuntimeError> {
        let model = self.model().clone();
        check_count(&model, inputs.len())?;
        for (io, tensor) in model.inputs().iter().zip(inputs) {
            if io.dtype() != Some(tensor.dtype()) || io.dims != tensor.dims() || tensor.layout() != Layout::Plain {
                let dims: Vec<String> = tensor.dims().iter().map(usize::to_string).collect();
                let got = format!("{}[{}]", tensor.dtype(), dims.join(","));
                return Err(RuntimeError::Input { want: io.to_string(), got });
            }
        }
        let bad = |io: &Io| RuntimeError::Plan(format!("output {io}"));
        let mut outputs = vec![];
        for io in model.outputs() {
            let dtype = io.dtype().ok_or_else(|| bad(io))?;
            affordable(io.bytes().unwrap_or(u64::MAX))?;
            outputs.push(Tensor::zeros(dtype, &io.dims, Layout::Plain).map_err(|_| bad(io))?);
        }
        let inputs: Vec<&[u8]> = inputs.iter().map(Tensor::bytes).collect();
        let mut buffers: Vec<&mut [u8]> = outputs.iter_mut().map(Tensor::bytes_mut).collect();
        self.run(&inputs, &mut buffers)?;
        for (k, (io, output)) in model.outputs().iter().zip(&mut outputs).enumerate() {
            let (Some(&most), extent) = (io.dims.first(), self.extents[k]) else { continue };
            if extent < most {
                let dims: Vec<usize> = [&[extent], &io.dims[1..]].concat();
                let bytes = &output.bytes()[..output.bytes().len() / most * extent];
                *output = Tensor::from_bytes(output.dtype(), &dims, Layout::Plain, bytes).map_err(|_| bad(io))?;
            }
        }
        Ok(outputs)
    }

    /// The valid part of axis 0 of the k-th output after a run: its dim, or less where it depends on data.
    pub fn extent(&self, k: usize) -> Option<usize> {
        self.extents.get(k).copied()
    }

    fn run_with(
        &mut self,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        timeline: Option<&mut Timeline>,
    ) -> Result<(), RuntimeError> {
        let steps = self.model().plan().steps.len();
        self.run_steps(0..steps, inputs, outputs, timeline)?;
        for (k, io) in self.shared.model.outputs().iter().enumerate() {
            if let (Some(place), Some(&most)) = (io.extent, io.dims.first()) {
                self.extents[k] = self.shared.read_extent(place, inputs, outputs).clamp(0, most as i64) as usize;
            }
        }
        Ok(())
    }

    /// Runs some steps of the plan. A timeline has room for all of the plan.
    pub(crate) fn run_steps(
        &mut self,
        steps: Range<usize>,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
        timeline: Option<&mut Timeline>,
    ) -> Result<(), RuntimeError> {
        self.check(inputs, outputs)?;
        let _mode = KernelMode::enter();
        // SAFETY: the buffers were checked to have the plan's sizes, and live until the call returns.
        unsafe { self.shared.run(steps, inputs, outputs, timeline) };
        Ok(())
    }

    fn check(&self, inputs: &[&[u8]], outputs: &[&mut [u8]]) -> Result<(), RuntimeError> {
        let model = &self.shared.model;
        check_count(model, inputs.len())?;
        for (io, given) in model.inputs().iter().zip(inputs) {
            if io.bytes() != Some(given.len() as u64) {
                return Err(RuntimeError::Input { want: io.to_string(), got: format!("{} bytes", given.len()) });
            }
        }
        if outputs.len() != model.outputs().len() {
            return Err(RuntimeError::OutputCount { want: model.outputs().len(), got: outputs.len() });
        }
        for (io, given) in model.outputs().iter().zip(outputs) {
            if io.bytes() != Some(given.len() as u64) {
                let bytes = io.bytes().unwrap_or(0) as usize;
                return Err(RuntimeError::Output { want: io.to_string(), bytes, got: given.len() });
            }
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The caller, and those that could not be started.
        self.shared.stop(self.shared.threads - self.workers.len());
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

/// Whether that many bytes can be had, where to allocate them at once would end the process if they cannot.
fn affordable(bytes: u64) -> Result<(), RuntimeError> {
    let probe = usize::try_from(bytes).ok().map(|n| Vec::<u8>::new().try_reserve_exact(n));
    match probe {
        Some(Ok(())) => Ok(()),
        _ => Err(RuntimeError::Memory { bytes, what: "an output", source: std::io::ErrorKind::OutOfMemory.into() }),
    }
}

fn check_count(model: &Model, got: usize) -> Result<(), RuntimeError> {
    let want = model.inputs().len();
    if got == want {
        return Ok(());
    }
    let names: Vec<&str> = model.inputs().iter().map(|io| io.name.as_str()).collect();
    Err(RuntimeError::InputCount { want, names: names.join(", "), got })
}
