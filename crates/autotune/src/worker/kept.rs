//! What a worker keeps of the last few layers, since many candidates follow each other on one.

use crate::TuneError;
use crate::layer::{Reference, Runner, contents};
use cnnc_compiler::Packed;
use cnnc_compiler::shapes::{Layer, parse_layers};
use cnnc_ir::graph::Graph;
use cnnc_runtime::Model;
use cnnc_tensor::Tensor;
use std::path::{Path, PathBuf};

/// Layers that are kept.
const MOST_LAYERS: usize = 4;
/// Bytes of contents, packed or not, of the layers that are kept, when one more comes.
const MOST_BYTES: usize = 512 << 20;

/// A layer with what its candidates share.
pub(super) struct KeptLayer {
    pub layer: Layer,
    pub contents: Vec<Tensor>,
    /// The layer alone, its weights constants.
    pub graph: Graph,
    pub packed: Packed,
    reference: Option<Reference>,
    incumbent: Option<Incumbent>,
}

struct Incumbent {
    file: PathBuf,
    threads: usize,
    runner: Runner,
}

/// The last few layers; the one in use is the last.
#[derive(Default)]
pub(super) struct Kept(Vec<(String, KeptLayer)>);

impl Kept {
    /// The layer of a line.
    pub(super) fn layer(&mut self, line: &str) -> Result<&mut KeptLayer, TuneError> {
        let entry = match self.0.iter().position(|(known, _)| known == line) {
            Some(at) => self.0.remove(at),
            None => {
                let new = KeptLayer::new(line)?;
                let mut bytes: usize = self.0.iter().map(|(_, kept)| kept.bytes()).sum();
                while self.0.len() >= MOST_LAYERS || (bytes > MOST_BYTES && !self.0.is_empty()) {
                    bytes -= self.0.remove(0).1.bytes();
                }
                (line.to_string(), new)
            }
        };
        self.0.push(entry);
        self.0.last_mut().map(|(_, kept)| kept).ok_or_else(|| TuneError::Layer("no layer".into()))
    }
}

impl KeptLayer {
    fn new(line: &str) -> Result<KeptLayer, TuneError> {
        let mut layers = parse_layers(line).map_err(|e| TuneError::Layer(e.what))?;
        let (Some(layer), true) = (layers.pop(), layers.is_empty()) else {
            return Err(TuneError::Layer("one layer is wanted".into()));
        };
        let contents = contents::of(&layer)?;
        let graph = layer.graph(&contents).map_err(|e| TuneError::Layer(e.to_string()))?;
        Ok(KeptLayer { layer, contents, graph, packed: Packed::default(), reference: None, incumbent: None })
    }

    fn bytes(&self) -> usize {
        self.contents.iter().map(|t| t.bytes().len()).sum::<usize>() + self.packed.bytes()
    }

    /// Exact values of the result.
    pub(super) fn reference(&mut self) -> Result<&Reference, TuneError> {
        if self.reference.is_none() {
            self.reference = Some(Reference::new(&self.layer, &self.contents)?);
        }
        self.reference.as_ref().ok_or_else(|| TuneError::Layer("no reference".into()))
    }

    /// A compiled candidate, loaded and run once.
    pub(super) fn runner(&self, file: &Path, threads: usize) -> Result<Runner, TuneError> {
        Runner::new(Model::open(file)?, threads, &self.layer, &self.contents)
    }

    /// The incumbent of an artifact, loaded unless it is the one of last time.
    pub(super) fn incumbent(&mut self, file: &Path, threads: usize) -> Result<&mut Runner, TuneError> {
        let held = self.incumbent.take().filter(|held| held.file == file && held.threads == threads);
        let held = match held {
            Some(held) => held,
            None => Incumbent { file: file.to_path_buf(), threads, runner: self.runner(file, threads)? },
        };
        Ok(&mut self.incumbent.insert(held).runner)
    }
}
