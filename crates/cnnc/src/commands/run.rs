//! `cnnc run`: runs a network once and writes or shows its outputs.

use crate::args::SourceArgs;
use crate::feeds::{self, Input};
use crate::{CliError, npy, source};
use cnnc_runtime::Session;
use cnnc_tensor::Tensor;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  cnnc run net.cnna --input data=x.npy --output-dir out
  cnnc run net.onnx --input a=a.npy --input sizes=sizes.npy --output-dir out
  cnnc run efficientnet.cnna --input cat.png --top 5 --labels labels.txt \\
      --preprocess \"crop=0.875,size=224,filter=bicubic,mean=127,std=128\"

Preprocessing of images, steps in this order:
  crop=F            centred square, F of the shorter side     [whole image]
  size=N, size=HxW  resize                                    [the input's height and width]
  filter=           nearest, bilinear, bicubic, lanczos       [bilinear]
  order=            rgb, bgr, gray                            [rgb]
  mean=M, std=S     (x - M) / S, x from 0 to 255; or one per channel: 123.7/116.3/103.5
  layout=           nchw, nhwc                                [what fits the input]";

/// Run a model or an artifact once
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The network and what it is fed.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Folder for the outputs: 0.npy, 1.npy, ... in the model's order
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Show the N largest elements of the first output as a classification
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Names of the classes for --top: one a line, or a JSON array
    #[arg(long, value_name = "FILE", requires = "top")]
    labels: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CliError> {
    let labels = args.labels.as_deref().map(read_labels).transpose()?;
    let threads = args.source.threads();
    let source = source::load(&args.source)?;
    let model = source.model;
    let inputs = model.inputs().iter().map(Input::of_io).collect::<Vec<_>>();
    let feeds = feeds::in_order(source.feeds, &inputs)?;
    let mut session = Session::new(&model, threads.unwrap_or(model.plan().threads as usize))?;
    let outputs = session.run_tensors(&feeds)?;
    if let Some(folder) = &args.output_dir {
        std::fs::create_dir_all(folder).map_err(|source| CliError::Write { path: folder.clone(), source })?;
        for (k, output) in outputs.iter().enumerate() {
            npy::write(&folder.join(format!("{k}.npy")), output)?;
        }
    }
    if let Some(count) = args.top {
        let first = outputs.first().ok_or_else(|| CliError::Usage("--top: the network has no output".into()))?;
        crate::say(&classification(first, count, labels.as_deref()))?;
    } else if args.output_dir.is_none() {
        for (io, output) in model.outputs().iter().zip(&outputs) {
            crate::say(&(summary(&io.name, output) + "\n"))?;
        }
    }
    Ok(())
}

/// The largest elements, as probabilities: as they are where they sum to 1, else their softmax.
fn classification(output: &Tensor, count: usize, labels: Option<&[String]>) -> String {
    let scores = output.to_f64_vec();
    let sum: f64 = scores.iter().sum();
    let are_probabilities = scores.iter().all(|p| (0.0..=1.0).contains(p)) && (sum - 1.0).abs() < 1e-3;
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|s| (s - most).exp()).sum();
    let mut ranked: Vec<(usize, f64)> = scores.into_iter().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut text = String::new();
    for (class, score) in ranked.into_iter().take(count) {
        let probability = if are_probabilities { score } else { (score - most).exp() / total };
        let label = labels.and_then(|l| l.get(class)).map_or("", String::as_str);
        text += &format!("{:7.3}%  {class:5}  {label}\n", 100.0 * probability);
    }
    text
}

/// Name, type, and what its values are like.
fn summary(name: &str, output: &Tensor) -> String {
    let values = output.to_f64_vec();
    let dims: Vec<String> = output.dims().iter().map(usize::to_string).collect();
    let head = format!("{name}: {}[{}]", output.dtype(), dims.join(","));
    if values.is_empty() {
        return head;
    }
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let first: Vec<String> = values.iter().take(6).map(|v| format!("{v:.5}")).collect();
    let dots = if values.len() > 6 { ", ..." } else { "" };
    format!("{head}  min {low:.5}  mean {mean:.5}  max {high:.5}  [{}{dots}]", first.join(", "))
}

fn read_labels(path: &Path) -> Result<Vec<String>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_path_buf(), source })?;
    if text.trim_start().starts_with('[') {
        let bad =
            |error| CliError::File { path: path.to_path_buf(), what: format!("not a JSON array of names: {error}") };
        return serde_json::from_str(&text).map_err(bad);
    }
    Ok(text.lines().map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_become_probabilities_once() {
        let logits = Tensor::from_vec(&[1, 3], &[0f32, 2f32.ln(), 0.0]).unwrap();
        let labels = ["cat".to_string(), "dog".to_string()];
        assert_eq!(classification(&logits, 2, Some(&labels)), " 50.000%      1  dog\n 25.000%      0  cat\n");
        let probabilities = Tensor::from_vec(&[1, 3], &[0.2f32, 0.5, 0.3]).unwrap();
        assert_eq!(classification(&probabilities, 1, None), " 50.000%      1  \n");
    }
}
