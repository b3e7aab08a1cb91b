//! What was measured, as tables and as JSON.

use cnnc_autotune::layer::Timed;
use cnnc_cli::table::Table;
use cnnc_compiler::shapes::Layer;
use cnnc_runtime::measure_isa_peak_gflops;
use cnnc_tensor::Target;
use serde::Serialize;

/// Everything that was measured.
#[derive(Serialize)]
pub struct Report {
    target: String,
    backend: String,
    threads: usize,
    /// Measured peak of multiply-adds on those threads.
    pub peak_gflops: Option<f64>,
    /// Whether all layers of the list are there: not where the run was ended before.
    pub complete: bool,
    /// The layers, in the order of the list.
    pub layers: Vec<LayerReport>,
}

/// A layer.
#[derive(Serialize)]
pub struct LayerReport {
    /// Its line in the list of shapes.
    layer: String,
    count: usize,
    flops: f64,
    /// The fastest with cold weights first.
    candidates: Vec<CandidateReport>,
}

#[derive(Serialize)]
struct CandidateReport {
    candidate: String,
    algorithm: &'static str,
    input_layout: String,
    output_layout: String,
    /// Medians: with warm weights, and with weights in memory.
    warm_ms: f64,
    cold_ms: f64,
    /// By the analytic cost, on one thread.
    estimated_ms: f64,
    warm_gflops: f64,
    cold_gflops: f64,
    warm_peak_share: Option<f64>,
    cold_peak_share: Option<f64>,
    /// Largest distance from sums in f64, relative to the largest element.
    error: f64,
    declared_error: f64,
    error_exceeded: bool,
}

impl Report {
    /// An empty report.
    pub fn new(target: &Target, backend: &str) -> Report {
        let (threads, peak_gflops) = (target.threads, measure_isa_peak_gflops(target.isa, target.threads));
        Report {
            target: target.isa.to_string(),
            backend: backend.into(),
            threads,
            peak_gflops,
            complete: false,
            layers: vec![],
        }
    }
}

impl LayerReport {
    /// Of a layer whose candidates were timed.
    pub fn new(layer: &Layer, timed: Vec<Timed>, peak: Option<f64>) -> LayerReport {
        let flops = timed.first().map_or(0.0, |t| t.way.flops);
        let candidates = timed.into_iter().map(|t| CandidateReport::new(t, peak)).collect();
        LayerReport { layer: layer.to_string(), count: layer.count, flops, candidates }
    }
}

impl CandidateReport {
    fn new(timed: Timed, peak: Option<f64>) -> CandidateReport {
        let way = timed.way;
        let rate = |seconds: f64| way.flops / seconds * 1e-9;
        CandidateReport {
            candidate: way.candidate.to_string(),
            algorithm: way.algorithm.name,
            input_layout: way.input.to_string(),
            output_layout: way.output.to_string(),
            warm_ms: timed.warm * 1e3,
            cold_ms: timed.cold * 1e3,
            estimated_ms: way.seconds * 1e3,
            warm_gflops: rate(timed.warm),
            cold_gflops: rate(timed.cold),
            warm_peak_share: peak.map(|peak| rate(timed.warm) / peak),
            cold_peak_share: peak.map(|peak| rate(timed.cold) / peak),
            error: timed.error,
            declared_error: way.error,
            error_exceeded: timed.error > way.error,
        }
    }
}

/// A layer's table, the layer's place in the list above it.
pub fn text(layer: &LayerReport, at: usize, of: usize) -> String {
    let heading = format!("[{}/{of}] {}", at + 1, layer.layer);
    if layer.candidates.is_empty() {
        return format!("{heading}\n  no candidate\n\n");
    }
    let headings = [
        "  candidate",
        "layouts",
        ">warm ms",
        ">cold ms",
        ">est. ms",
        ">GFLOP/s",
        ">% peak",
        ">cold %",
        ">error",
        ">declared",
    ];
    let mut table = Table::new(&headings);
    let percent = |share: Option<f64>| share.map_or("-".into(), |s| format!("{:.1}", s * 100.0));
    for c in &layer.candidates {
        table.row(vec![
            format!("  {}", c.candidate),
            format!("{}>{}", c.input_layout, c.output_layout),
            format!("{:.4}", c.warm_ms),
            format!("{:.4}", c.cold_ms),
            format!("{:.4}", c.estimated_ms),
            format!("{:.1}", c.warm_gflops),
            percent(c.warm_peak_share),
            percent(c.cold_peak_share),
            format!("{:.1e}", c.error),
            format!("{:.1e}{}", c.declared_error, if c.error_exceeded { " !" } else { "" }),
        ]);
    }
    format!("{heading}\n{table}\n")
}

/// The last lines: the best of each layer, as often as the network has it.
pub fn summary(report: &Report) -> String {
    let sum = |time: fn(&CandidateReport) -> f64| -> f64 {
        let best = |l: &LayerReport| l.candidates.iter().map(time).fold(f64::INFINITY, f64::min) * l.count as f64;
        report.layers.iter().filter(|l| !l.candidates.is_empty()).map(best).sum()
    };
    let flops: f64 = report.layers.iter().map(|l| l.flops * l.count as f64).sum();
    let (warm, cold) = (sum(|c| c.warm_ms), sum(|c| c.cold_ms));
    let peak = report.peak_gflops.map_or("not measured".into(), |p| format!("{p:.1} GFLOP/s"));
    let exceeded = report.layers.iter().flat_map(|l| &l.candidates).filter(|c| c.error_exceeded).count();
    let exceeded =
        if exceeded > 0 { format!("; {exceeded} candidates exceed their declared error (!)") } else { String::new() };
    format!(
        "best of each layer, counted: {warm:.3} ms warm, {cold:.3} ms cold weights, {:.1} GFLOP/s; peak {peak} on {} thread(s) ({}, {}){exceeded}\n",
        flops / cold * 1e-6,
        report.threads,
        report.target,
        report.backend
    )
}
