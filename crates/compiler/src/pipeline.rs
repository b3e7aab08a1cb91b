//! The pipeline, one readable function: import, optimize, choose, lower, emit.

use crate::dump::Dump;
use crate::{Choices, CompileError, Options, Program, choose_with, lower};
use cnnc_artifact::Variant;
use cnnc_codegen::Backend;
use cnnc_ir::graph::Graph;
use cnnc_tensor::Target;
use std::path::Path;

/// A compiled network: what an artifact holds.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Name of the model.
    pub model: String,
    /// One for each target.
    pub variants: Vec<Variant>,
}

/// Compiles an ONNX file. Where the options bring no measured choices, not even an empty lock's, `consult` is asked for
/// those of the optimized graph.
pub fn compile(model: &Path, options: &Options, consult: &dyn Fn(&Graph) -> Choices) -> Result<Compiled, CompileError> {
    let mut dump = Dump::new(options.dump.clone())?;
    let graph = import_and_optimize(model, options, &mut |stage, graph| dump.stage(stage, || graph.to_string()))?;
    if options.choices.source.is_empty() {
        let options = Options { choices: consult(&graph), ..options.clone() };
        return compile_dumping(&graph, &options, &mut dump);
    }
    compile_dumping(&graph, options, &mut dump)
}

/// Compiles a graph that is optimized already.
pub fn compile_graph(graph: &Graph, options: &Options) -> Result<Compiled, CompileError> {
    compile_dumping(graph, options, &mut Dump::new(options.dump.clone())?)
}

/// Imports and optimizes an ONNX file; `observe` sees the imported graph and the graph after each pass that changed it.
pub fn import_and_optimize(
    model: &Path,
    options: &Options,
    observe: &mut dyn FnMut(&str, &Graph) -> Result<(), CompileError>,
) -> Result<Graph, CompileError> {
    let graph = cnnc_onnx::import_file(model, &options.import)?.graph;
    verify_graph("import", &graph)?;
    observe("import", &graph)?;
    let mut failure = Ok(());
    let graph = cnnc_passes::optimize(graph, &mut |pass, changed| {
        if let (Some(graph), Ok(())) = (changed, &failure) {
            failure = verify_graph(pass, graph).and_then(|()| observe(pass, graph));
        }
    });
    failure.map(|()| graph)
}

fn compile_dumping(graph: &Graph, options: &Options, dump: &mut Dump) -> Result<Compiled, CompileError> {
    let mut compiled = Compiled { model: graph.name.clone(), variants: vec![] };
    for target in &options.targets {
        let chosen = choose_with(graph, target, &options.bounds, &options.choices)?;
        verify_graph("choose", &chosen.graph)?;
        dump.stage(&format!("choose-{}", target.isa), || chosen.graph.to_string())?;
        let mut program = lower(&chosen.graph, target)?;
        for layer in program.plan.layers.iter_mut().filter(|layer| chosen.measured.contains(&layer.name)) {
            layer.chosen_by.clone_from(&options.choices.source);
        }
        dump.stage(&format!("lower-{}", target.isa), || program.to_string())?;
        let mut variant = emit(program, target, options.backend)?;
        variant.plan.max_error = options.bounds.max_error;
        compiled.variants.push(variant);
    }
    Ok(compiled)
}

/// Compiles a graph whose nodes are chosen already.
pub fn compile_chosen(graph: &Graph, target: &Target, backend: Backend) -> Result<Variant, CompileError> {
    verify_graph("choose", graph)?;
    emit(lower(graph, target)?, target, backend)
}

fn emit(program: Program, target: &Target, backend: Backend) -> Result<Variant, CompileError> {
    verify_kernels(&program)?;
    let code = cnnc_codegen::emit(&program.kernels, target, backend)?;
    let mut plan = program.plan;
    plan.entries = code.entries;
    Ok(Variant {
        isa: target.isa.name().to_string(),
        backend: backend.version(),
        plan,
        code: code.bytes,
        constants: program.constants,
    })
}

fn verify_graph(stage: &str, graph: &Graph) -> Result<(), CompileError> {
    cnnc_ir::graph::verify(graph)
        .map_err(|error| CompileError::Internal { stage: stage.into(), what: error.to_string() })
}

fn verify_kernels(program: &Program) -> Result<(), CompileError> {
    for kernel in &program.kernels {
        cnnc_ir::kernel::verify(kernel)
            .map_err(|error| CompileError::Internal { stage: "lower".into(), what: error.to_string() })?;
    }
    Ok(())
}
