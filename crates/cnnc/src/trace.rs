//! A run as a trace in the format of Chrome's tracing and Perfetto ("Trace Event Format").

use crate::CliError;
use cnnc_artifact::write_atomically;
use cnnc_runtime::{Model, Timeline};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Writes the timeline of a run of the model: one row a thread, one box a step.
pub fn write(path: &Path, model: &Model, timeline: &Timeline) -> Result<(), CliError> {
    let plan = model.plan();
    let mut events = vec![];
    for thread in 0..timeline.threads() {
        let name = json!({"name": format!("thread {thread}")});
        events.push(json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": thread, "args": name}));
        for (k, step) in plan.steps.iter().enumerate() {
            let Some((begin, end)) = timeline.span(thread, k) else { continue };
            let layer = &plan.layers[step.layer as usize];
            let micros = |d: std::time::Duration| d.as_nanos() as f64 / 1e3;
            events.push(json!({
                "ph": "X", "pid": 1, "tid": thread, "name": layer.name, "cat": layer.op,
                "ts": micros(begin), "dur": micros(end.saturating_sub(begin)),
                "args": {
                    "candidate": layer.candidate, "output": layer.output, "kernel": plan.kernels[step.kernel as usize],
                },
            }));
        }
    }
    let text = crate::json(&json!({"displayTimeUnit": "ns", "traceEvents": events}))?;
    write_atomically(path, |file| file.write_all(text.as_bytes()))?;
    Ok(())
}
