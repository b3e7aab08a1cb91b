//! `cnnc opt`: the graph of a model after any pass, as text.

use crate::failure;
use crate::options::options;
use cnnc_artifact::write_atomically;
use cnnc_cli::CliError;
use cnnc_cli::commands::opt::Args;
use cnnc_compiler::CompileError;
use cnnc_ir::graph::{Graph, parse_graph, parse_graph_with, print_with_constants};
use cnnc_passes::PIPELINE;
use std::io::Write;
use std::path::Path;

pub fn run(args: &Args) -> Result<(), CliError> {
    let stop = args.stop_after.as_deref().map(parse_stop).transpose()?;
    let graph = load(args)?;
    let mut stages = Stages { dump: args.compile.dump.as_deref(), number: 0 };
    stages.write("import", &graph)?;
    let (graph, failure) = optimize(graph, stop.as_ref(), &mut stages);
    failure?;
    let text = match &args.constants {
        Some(folder) => {
            print_with_constants(&graph, folder).map_err(|source| CliError::Write { path: folder.clone(), source })?
        }
        None => graph.to_string(),
    };
    match &args.output {
        Some(path) => write_atomically(path, |file| file.write_all(text.as_bytes()))?,
        None if args.compile.dump.is_none() => cnnc_cli::say(&text)?,
        None => {}
    }
    Ok(())
}

/// Runs the pipeline up to the pass to stop after.
fn optimize(graph: Graph, stop: Option<&(String, usize)>, stages: &mut Stages) -> (Graph, Result<(), CliError>) {
    if stop.is_some_and(|(name, _)| name == "import") {
        return (graph, Ok(()));
    }
    let mut kept = None;
    let mut latest = graph.clone();
    let mut seen = 0;
    let mut result = Ok(());
    let optimized = cnnc_passes::optimize(graph, &mut |pass, changed| {
        if kept.is_some() || result.is_err() {
            return;
        }
        if let Some(graph) = changed {
            latest = graph.clone();
            result = verify(pass, graph).and_then(|()| stages.write(pass, graph));
        }
        if let Some((name, times)) = stop
            && name == pass
        {
            seen += 1;
            if seen == *times {
                kept = Some(latest.clone());
            }
        }
    });
    (kept.unwrap_or(optimized), result)
}

fn load(args: &Args) -> Result<Graph, CliError> {
    if args.model.extension().is_some_and(|e| e == "cir") {
        let path = args.model.clone();
        let text = std::fs::read_to_string(&path).map_err(|source| CliError::Read { path: path.clone(), source })?;
        let wrong = |what: String| CliError::File { path: path.clone(), what };
        let graph = match &args.constants {
            Some(folder) => parse_graph_with(&text, folder),
            None => parse_graph(&text),
        };
        let graph = graph.map_err(|e| wrong(e.to_string()))?;
        cnnc_ir::graph::verify(&graph).map_err(|e| wrong(e.to_string()))?;
        return Ok(graph);
    }
    let options = options(&args.compile, 1)?;
    let graph = cnnc_onnx::import_file(&args.model, &options.import).map_err(failure::import)?.graph;
    verify("import", &graph)?;
    Ok(graph)
}

fn verify(stage: &str, graph: &Graph) -> Result<(), CliError> {
    let internal = |what: String| CompileError::Internal { stage: stage.to_string(), what };
    cnnc_ir::graph::verify(graph).map_err(|error| failure::compile(internal(error.to_string())))
}

/// Name of a pass, and after which of its runs to stop.
fn parse_stop(text: &str) -> Result<(String, usize), CliError> {
    let (name, times) = text.split_once(':').unwrap_or((text, "1"));
    let there = if name == "import" { 1 } else { PIPELINE.iter().filter(|pass| pass.name == name).count() };
    if there == 0 {
        return Err(CliError::Usage(format!("there is no pass {name}; `cnnc list passes` shows them")));
    }
    let times = times.parse().ok().filter(|n| (1..=there).contains(n));
    let times = times.ok_or_else(|| CliError::Usage(format!("--stop-after {text}: {name} runs {there} times")))?;
    Ok((name.to_string(), times))
}

/// Numbered files of the stages that changed something.
struct Stages<'a> {
    dump: Option<&'a Path>,
    number: usize,
}

impl Stages<'_> {
    fn write(&mut self, stage: &str, graph: &Graph) -> Result<(), CliError> {
        let Some(folder) = self.dump else { return Ok(()) };
        std::fs::create_dir_all(folder).map_err(|source| CliError::Write { path: folder.to_path_buf(), source })?;
        let text = graph.to_string();
        let path = folder.join(format!("{:02}-{stage}.cir", self.number));
        self.number += 1;
        write_atomically(&path, |file| file.write_all(text.as_bytes()))?;
        Ok(())
    }
}
