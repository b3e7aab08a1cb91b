//! Trials an hour of the worker processes on one layer, and where their time goes.
//!
//! ```text
//! cargo run --release --features llvm -p cnnc-autotune --example throughput -- target/release/cnnc-compile \
//!     "conv 1x64x56x56 64x64x3x3 pad=1 tail=bias+relu" 100
//! ```

use cnnc_autotune::layer::{contents, target_here};
use cnnc_autotune::worker::{
    ArtifactFile, CompileJob, CompileSpent, End, MeasureJob, MeasureSpent, Pool, PoolError, PoolOptions,
};
use cnnc_codegen::Backend;
use cnnc_compiler::shapes::parse_layers;
use cnnc_compiler::{Way, ways};
use cnnc_lower::{Breadth, Class};
use cnnc_tensor::Isa;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds of timing for each candidate.
const SECONDS: f64 = 0.05;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, program, line, count] = &args[..] else { return Err("arguments: PROGRAM LAYER CANDIDATES".into()) };
    let (isa, backend) = (Isa::detect().ok_or("unknown machine")?, Backend::Llvm);
    let target = target_here(isa, backend, 1);
    let layer = parse_layers(line)?.pop().ok_or("no layer")?;
    let graph = layer.graph(&contents::of(&layer)?)?;
    let picked = spread(&ways(&graph, &target, Breadth::Offered)?, count.parse()?);
    let mut run = Run::new(Path::new(program), picked.len())?;
    for (input, output, candidate) in &picked {
        let job = CompileJob {
            layer: line.clone(),
            input: input.clone(),
            output: output.clone(),
            candidate: candidate.clone(),
            isa: isa.name().into(),
            backend: "llvm".into(),
            threads: 1,
        };
        let ticket = run.pool.submit_compile(job);
        run.candidates.insert(ticket, candidate.clone());
    }
    run.all();
    run.report();
    Ok(())
}

/// So many ways (layouts and candidate): of each algorithm and layouts in turn the next best by estimate, then the
/// same with one parameter a little more or less, as a search would try them; some of those are illegal.
fn spread(all: &[Way], count: usize) -> Vec<(String, String, String)> {
    let mut ranks: HashMap<String, usize> = HashMap::new();
    let mut ranked: Vec<(usize, &Way)> = vec![];
    for way in all.iter().filter(|way| way.algorithm.class == Class::Tuned) {
        let rank = ranks.entry(format!("{} {} {}", way.algorithm.name, way.input, way.output)).or_default();
        ranked.push((*rank, way));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let near = ranked.iter().flat_map(|(_, way)| {
        way.candidate.params.iter().flat_map(|(key, value)| [value - 1, value + 1].map(|v| (key, v))).map(|(key, v)| {
            let mut candidate = way.candidate.clone();
            candidate.params.insert(key.clone(), v);
            (*way, candidate)
        })
    });
    let all = ranked.iter().map(|(_, way)| (*way, way.candidate.clone())).chain(near);
    all.map(|(way, c)| (way.input.to_string(), way.output.to_string(), c.to_string())).take(count).collect()
}

struct Run {
    pool: Pool,
    total: usize,
    candidates: HashMap<u64, String>,
    known: HashSet<String>,
    files: HashMap<u64, Arc<ArtifactFile>>,
    best: Option<(f64, String, Arc<ArtifactFile>)>,
    start: Instant,
    compile: Vec<(f64, CompileSpent)>,
    measure: Vec<(f64, MeasureSpent)>,
    ends: BTreeMap<String, usize>,
}

impl Run {
    fn new(program: &Path, total: usize) -> Result<Run, PoolError> {
        Ok(Run {
            pool: Pool::new(PoolOptions::new(program))?,
            total,
            candidates: HashMap::new(),
            known: HashSet::new(),
            files: HashMap::new(),
            best: None,
            start: Instant::now(),
            compile: vec![],
            measure: vec![],
            ends: BTreeMap::new(),
        })
    }

    fn all(&mut self) {
        let mut done = 0;
        while done < self.total {
            let Some(event) = self.pool.next_event(Duration::from_secs(60)) else { return };
            let end = match event.end {
                End::Compiled(compiled, file) => {
                    self.compile.push((event.seconds, compiled.spent));
                    if self.known.insert(compiled.code) {
                        let job = MeasureJob {
                            artifact: file.clone(),
                            incumbent: self.best.as_ref().map(|best| best.2.clone()),
                            threads: 1,
                            seconds: SECONDS,
                            stop_above: Some(1.3),
                            max_error: 1e-3,
                        };
                        let ticket = self.pool.submit_measure(job);
                        self.candidates.insert(ticket, self.candidates[&event.ticket].clone());
                        self.files.insert(ticket, file);
                        continue;
                    }
                    "SameCode".to_string()
                }
                End::Measured(measured) => {
                    self.measure.push((event.seconds, measured.spent));
                    let mut cold = measured.samples.cold.clone();
                    cold.sort_by(f64::total_cmp);
                    let file = self.files.remove(&event.ticket);
                    if let (false, Some(&median), Some(file)) = (measured.wrong, cold.get(cold.len() / 2), file)
                        && self.best.as_ref().is_none_or(|best| median < best.0)
                    {
                        self.best = Some((median, self.candidates[&event.ticket].clone(), file));
                    }
                    format!("{:?}", measured.outcome())
                }
                End::Failed(outcome) => format!("{outcome:?} {}", event.said),
            };
            *self.ends.entry(end).or_default() += 1;
            done += 1;
        }
    }

    fn report(&self) {
        let seconds = self.start.elapsed().as_secs_f64();
        println!("{} trials in {seconds:.2} s: {:.0} an hour", self.total, self.total as f64 / seconds * 3600.0);
        println!("ends: {:?}", self.ends);
        if let Some((time, candidate, _)) = &self.best {
            println!("best: {candidate} {:.3} ms", time * 1e3);
        }
        let row = |what: &str, times: Vec<f64>| {
            let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
            let most = times.iter().copied().fold(0.0, f64::max);
            println!("{what:<18} mean {:8.2} ms   most {:8.2} ms", mean * 1e3, most * 1e3);
        };
        type Compile = fn(&(f64, CompileSpent)) -> f64;
        let rows: [(&str, Compile); 5] = [
            ("compile, whole", |c| c.0),
            ("  prepare, pack", |c| c.1.prepare),
            ("  lower", |c| c.1.lower),
            ("  emit", |c| c.1.emit),
            ("  write", |c| c.1.write),
        ];
        rows.iter().for_each(|(what, of)| row(what, self.compile.iter().map(of).collect()));
        type Measure = fn(&(f64, MeasureSpent)) -> f64;
        let rows: [(&str, Measure); 4] = [
            ("measure, whole", |m| m.0),
            ("  load", |m| m.1.load),
            ("  check", |m| m.1.check),
            ("  timing", |m| m.1.timing),
        ];
        rows.iter().for_each(|(what, of)| row(what, self.measure.iter().map(of).collect()));
    }
}
