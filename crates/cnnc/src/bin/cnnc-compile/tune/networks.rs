//! The models that are tuned.

use super::tasks::{Place, Spot, spots};
use crate::failure;
use crate::shapes::read_list;
use cnnc_autotune::layer::contents;
use cnnc_cli::CliError;
use cnnc_compiler::{Choices, Options, fuse_separable, import_and_optimize, ways};
use cnnc_ir::graph::Graph;
use cnnc_lower::Breadth;
use cnnc_tensor::Target;
use std::path::{Path, PathBuf};

/// A model, imported and optimized; or a list of layers.
pub struct Network {
    /// Its file.
    pub path: PathBuf,
    /// Its graph; a list has none.
    pub graph: Option<Graph>,
    /// Its layers that can be tuned, in the layouts that are chosen by estimate.
    pub by_estimate: Vec<Spot>,
    /// The same in the layouts that they are tuned in, where these are others.
    pub settled: Option<Vec<Spot>>,
}

impl Network {
    /// Its layers that can be tuned, in the layouts that they are tuned in.
    pub fn spots(&self) -> &[Spot] {
        self.settled.as_ref().unwrap_or(&self.by_estimate)
    }

    /// Name of the file without its ending.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Loads models and the models of folders. Of a folder, those that cannot be imported are left out with a note; it is
/// an error where none is left.
pub fn load(paths: &[PathBuf], options: &Options, target: &Target) -> Result<Vec<Network>, CliError> {
    let mut networks = vec![];
    for path in paths {
        if path.is_dir() {
            let before = networks.len();
            for model in models_in(path)? {
                match import(&model, options, target) {
                    Ok(network) => networks.push(network),
                    Err(error) => eprintln!("note: {} is left out: {error}", model.display()),
                }
            }
            if networks.len() == before {
                return Err(CliError::File { path: path.clone(), what: "no model in this folder can be tuned".into() });
            }
        } else if path.extension().is_some_and(|ending| ending == "txt") {
            networks.push(list(path, target)?);
        } else {
            networks.push(import(path, options, target)?);
        }
    }
    Ok(networks)
}

fn import(path: &Path, options: &Options, target: &Target) -> Result<Network, CliError> {
    let graph = import_and_optimize(path, options, &mut |_, _| Ok(())).map_err(failure::compile)?;
    // Pairs of layers that are one are tuned as one, unless they do not keep to a bound so.
    let fused = fuse_separable(&graph, target, &Choices::default());
    let fused = fused.and_then(|graph| Some((spots(&graph, target, &options.bounds).ok()?, graph)));
    let (by_estimate, graph) = match fused {
        Some(fused) => fused,
        None => (spots(&graph, target, &options.bounds)?, graph),
    };
    Ok(Network { path: path.to_path_buf(), graph: Some(graph), by_estimate, settled: None })
}

/// A list of layers, each in the layouts that are fastest by estimate.
fn list(path: &Path, target: &Target) -> Result<Network, CliError> {
    let wrong = |what: String| CliError::File { path: path.to_path_buf(), what };
    let mut spots = vec![];
    for layer in read_list(path)? {
        let contents = contents::of(&layer).map_err(failure::tune)?;
        let graph = layer.graph(&contents).map_err(|e| wrong(e.to_string()))?;
        let ways = ways(&graph, target, Breadth::Offered).map_err(failure::compile)?;
        let best = ways.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let best = best.ok_or_else(|| wrong(format!("nothing computes {layer}")))?;
        let place = Place { workload: layer.workload(), input: best.input, output: best.output };
        let (name, count) = (place.workload.clone(), layer.count);
        spots.push(Spot { name, place, layer, count, untuned: best.candidate.clone() });
    }
    Ok(Network { path: path.to_path_buf(), graph: None, by_estimate: spots, settled: None })
}

fn models_in(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |source| CliError::Read { path: folder.to_path_buf(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut models: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    models.retain(|path| path.extension().is_some_and(|ending| ending == "onnx"));
    models.sort();
    Ok(models)
}
