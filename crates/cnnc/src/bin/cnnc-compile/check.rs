//! `cnnc check`: a compiled network against the same network in f64.

use crate::compile::{compile_binding, declared_input};
use crate::failure;
use crate::options::options;
use cnnc_artifact::{Layer, Variant};
use cnnc_cli::args::{SourceArgs, processors};
use cnnc_cli::commands::check::Args;
use cnnc_cli::table::{Table, shortened};
use cnnc_cli::{CliError, Input, feeds, source};
use cnnc_compiler::{Compiled, Options, compile_graph, import_and_optimize};
use cnnc_ir::graph::{Graph, evaluate, widened};
use cnnc_runtime::{Model, Session};
use cnnc_tensor::{DType, Tensor};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

#[derive(Serialize)]
struct Report {
    model: String,
    isa: String,
    backend: String,
    threads: usize,
    /// The bound.
    max_error: f64,
    /// What the layers' declared errors add up to.
    expected_error: f64,
    outputs: Vec<Difference>,
    layers: Vec<Difference>,
}

#[derive(Serialize)]
struct Difference {
    name: String,
    /// Largest distance from the reference, relative to the reference's largest element; of integers, the share that
    /// differs.
    error: f64,
    /// Largest element of the reference.
    largest: f64,
    /// Declared error of the layer; 0 for outputs of the network.
    declared: f64,
    candidate: String,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let path = &args.source.model;
    if source::is_artifact(path) {
        let why = "an artifact does not hold the network that it was made from: name the model";
        return Err(CliError::File { path: path.clone(), what: why.into() });
    }
    let threads = args.source.threads().unwrap_or_else(processors);
    let mut options = options(&args.source.compile, threads)?;
    if options.targets.len() > 1 {
        return Err(CliError::Usage("--target: a check runs one instruction set".into()));
    }
    let (given, mut offers) = inputs(&args.source, &mut options)?;
    let compiled = compile_binding(path, &mut options, &mut offers, args.source.compile.db.as_deref())?;
    let imported = cnnc_onnx::import_file(path, &options.import).map_err(failure::import)?.graph;
    let (variant, outputs, expected) = both(compiled, &imported, &given, threads)?;
    let names = imported.outputs.iter().map(|o| o.name.clone());
    let outputs = names.zip(outputs.iter().zip(&expected)).map(|(name, (got, want))| difference(name, got, want, None));
    let report = Report {
        model: imported.name.clone(),
        isa: variant.isa,
        backend: variant.backend,
        threads,
        max_error: options.bounds.max_error,
        expected_error: variant.plan.expected_error,
        outputs: outputs.collect(),
        layers: if args.layers { layers(args, &options, &given, threads)? } else { vec![] },
    };
    cnnc_cli::say(&if args.json { cnnc_cli::json(&report)? } else { text(&report) })?;
    match report.outputs.iter().find(|o| o.error.is_nan() || o.error > report.max_error) {
        Some(beyond) => {
            Err(CliError::Beyond { output: beyond.name.clone(), error: beyond.error, bound: report.max_error })
        }
        None => Ok(()),
    }
}

/// Tensors by the name of the input.
type Tensors = BTreeMap<String, Tensor>;

/// The tensors that the arguments name; inputs' shapes go into the options, contents that may have to be bound apart.
fn inputs(args: &SourceArgs, options: &mut Options) -> Result<(Tensors, Tensors), CliError> {
    let (mut given, mut offers) = (BTreeMap::new(), BTreeMap::new());
    if args.input.is_empty() {
        return Ok((given, offers));
    }
    let declared = cnnc_onnx::inspect_inputs(&args.model).map_err(failure::import)?;
    let known: Vec<Input> = declared.into_iter().map(declared_input).collect();
    for (input, file) in feeds::assign(&args.input, &known)? {
        let tensor = feeds::read_one(file, input, &args.preprocess)?;
        if input.has_default {
            options.import.bound.insert(input.name.clone(), tensor);
            continue;
        }
        options.import.shapes.insert(input.name.clone(), tensor.dims().to_vec());
        if feeds::is_npy(file) {
            offers.insert(input.name.clone(), tensor.clone());
        }
        given.insert(input.name.clone(), tensor);
    }
    Ok((given, offers))
}

/// The outputs of the compiled network and those of the graph in f64, on the same inputs.
fn both(
    compiled: Compiled,
    graph: &Graph,
    given: &BTreeMap<String, Tensor>,
    threads: usize,
) -> Result<(Variant, Vec<Tensor>, Vec<Tensor>), CliError> {
    let internal = |what: String| CliError::Crash(format!("internal error: {what}"));
    let variant = compiled.variants.into_iter().next().ok_or_else(|| internal("no code was made".into()))?;
    let model = Arc::new(Model::from_variant(&compiled.model, variant.clone())?);
    let feed = |io| given.get(&cnnc_artifact::Io::clone(io).name).cloned().map_or_else(|| feeds::seeded(io), Ok);
    let inputs = model.inputs().iter().map(feed).collect::<Result<Vec<_>, _>>()?;
    let outputs = Session::new(&model, threads)?.run_tensors(&inputs)?;
    let wide = widened(graph).map_err(|error| internal(error.to_string()))?;
    let expected = evaluate(&wide, &inputs).map_err(|error| internal(error.to_string()))?;
    Ok((variant, outputs, expected))
}

/// The error of every layer's result, against the optimized graph in f64.
fn layers(
    args: &Args,
    options: &Options,
    given: &BTreeMap<String, Tensor>,
    threads: usize,
) -> Result<Vec<Difference>, CliError> {
    let optimized = import_and_optimize(&args.source.model, options, &mut |_, _| Ok(())).map_err(failure::compile)?;
    let graph = with_every_result(&optimized);
    let compiled = compile_graph(&graph, options).map_err(failure::compile)?;
    let (variant, outputs, expected) = both(compiled, &graph, given, threads)?;
    let layer = |name: &str| variant.plan.layers.iter().find(|l| l.name == name && l.op != "copy" && l.op != "convert");
    let results = graph.outputs.iter().zip(outputs.iter().zip(&expected));
    Ok(results.map(|(output, (got, want))| difference(output.name.clone(), got, want, layer(&output.name))).collect())
}

/// The graph with every float result as an output, by the name of its node and in the order of the nodes.
fn with_every_result(graph: &Graph) -> Graph {
    let mut all = graph.clone();
    all.outputs.clear();
    let mut named = HashSet::new();
    for (_, node) in graph.nodes() {
        let value = node.outputs[0];
        if graph.ty(value).dtype == DType::F32 && named.insert(&node.name) {
            all.add_output(&node.name, value);
        }
    }
    all
}

fn difference(name: String, got: &Tensor, want: &Tensor, layer: Option<&Layer>) -> Difference {
    let (error, largest) = distance(got, want);
    let declared = layer.map_or(0.0, |l| l.error);
    Difference { name, error, largest, declared, candidate: layer.map_or_else(String::new, |l| l.candidate.clone()) }
}

/// Largest distance relative to the largest element of the reference, and that element. What is infinite or NaN in
/// both is equal.
fn distance(got: &Tensor, want: &Tensor) -> (f64, f64) {
    let (got_values, values) = (got.to_f64_vec(), want.to_f64_vec());
    let largest = values.iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
    if got.dims() != want.dims() {
        return (f64::INFINITY, largest);
    }
    if !want.dtype().is_float() {
        let differing = got_values.iter().zip(&values).filter(|(a, b)| a != b).count();
        return (differing as f64 / values.len().max(1) as f64, largest);
    }
    let beyond = |(&a, &b): (&f64, &f64)| {
        if a == b || (a.is_nan() && b.is_nan()) {
            0.0
        } else {
            // An element that is out of range in single precision only is as far off as can be.
            let distance = (a - b).abs();
            if distance.is_finite() { distance } else { f64::INFINITY }
        }
    };
    let most = got_values.iter().zip(&values).map(beyond).fold(0.0, f64::max);
    (if most == 0.0 { 0.0 } else { most / largest }, largest)
}

fn text(report: &Report) -> String {
    let threads = if report.threads == 1 { "1 thread".into() } else { format!("{} threads", report.threads) };
    let mut text = format!("{} on {threads} ({}, {})\n", report.model, report.isa, report.backend);
    if !report.layers.is_empty() {
        let mut table = Table::new(&["layer", ">error", ">declared", ">largest", "candidate"]);
        for l in &report.layers {
            let numbers = [l.error, l.declared, l.largest].map(|v| format!("{v:.1e}"));
            let [error, declared, largest] = numbers;
            table.row(vec![shortened(&l.name), error, declared, largest, l.candidate.clone()]);
        }
        text += &format!("{table}\n");
    }
    let mut table = Table::new(&["output", ">error", ">largest"]);
    for o in &report.outputs {
        table.row(vec![o.name.clone(), format!("{:.2e}", o.error), format!("{:.4}", o.largest)]);
    }
    text + &format!(
        "{table}bound {:.1e}, expected {:.1e} by the layers' declared errors\n",
        report.max_error, report.expected_error
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_relative_to_the_largest_element() {
        let t = |values: &[f64]| Tensor::from_vec(&[values.len()], values).unwrap();
        assert_eq!(distance(&t(&[1.0, -4.0, 0.5]), &t(&[1.0, -4.0, 0.0])), (0.125, 4.0));
        assert_eq!(distance(&t(&[f64::NAN, f64::INFINITY, 2.0]), &t(&[f64::NAN, f64::INFINITY, 2.0])), (0.0, 2.0));
        assert_eq!(distance(&t(&[f64::NAN, 2.0]), &t(&[1.0, 2.0])).0, f64::INFINITY);
        assert_eq!(distance(&t(&[0.0, 0.0]), &t(&[0.0, 0.0])), (0.0, 0.0));
        let i = |values: &[i64]| Tensor::from_vec(&[values.len()], values).unwrap();
        assert_eq!(distance(&i(&[1, 2, 3, 4]), &i(&[1, 2, 3, 5])).0, 0.25);
    }
}
