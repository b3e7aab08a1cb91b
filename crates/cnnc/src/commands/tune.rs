//! Arguments of `cnnc tune`: candidates measured, the best of them locked.

use crate::args::{CompileArgs, byte_count};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  cnnc tune resnet50.onnx --budget 20m             (writes resnet50.lock)
  cnnc compile resnet50.onnx --lock resnet50.lock
  cnnc tune zoo/ --budget 8h --threads 1           (every model of a folder; layers that they share are tuned once)
  cnnc tune layers.txt --exhaustive --certify      (layers alone)
  cnnc tune resnet50.onnx --budget 0s --max-memory 120M   (another point of what is known: less memory, more time)
  mpirun --bind-to none -n 2 --host a,b cnnc tune resnet50.onnx  (machines of one kind; built with --features mpi)

What is measured is kept in a database (`cnnc db`): a run that ends early goes on where it was.";

/// Measure candidates for every layer of a model on this machine, and lock the best of them
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Models (.onnx), folders of them, and lists of layer shapes (.txt, see `cnnc shapes`)
    #[arg(required = true)]
    pub models: Vec<PathBuf>,
    /// How long it may take, all models together: 90s, 20m, 8h
    #[arg(long, default_value = "10m", value_parser = duration, value_name = "TIME")]
    pub budget: Duration,
    /// Threads that the networks will run on [default: the number of processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// The lock file to write, for one model; else the folder for one of each model [default: the model's name with
    /// .lock, in this folder]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Number that the search draws from: the same number and the same measurements give the same choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Most memory that packed weights and workspace of a model's layers may take together: 64M. The lock holds the fastest
    /// candidates within it; with `--budget 0s`, of those that are known
    #[arg(long, value_name = "BYTES", value_parser = byte_count)]
    pub max_memory: Option<usize>,
    /// Processes that compile, besides the one that measures, which does so while nothing is to be measured [default: one
    /// for each processor that does not measure]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Then measure the best candidates of each layer again in turn, and print how far the winner may be from the best
    #[arg(long)]
    pub certify: bool,
    /// Try every candidate of every layer, as far as the budget goes
    #[arg(long)]
    pub exhaustive: bool,
    /// Do not measure: search a recorded session again, and write the locks that it wrote. Its name, as the event
    /// `begin` of --json has it, or `last`
    #[arg(long, value_name = "SESSION")]
    pub replay: Option<String>,
    /// Print events as JSON, one a line
    #[arg(long)]
    pub json: bool,
    /// How to compile.
    #[command(flatten)]
    pub compile: CompileArgs,
}

impl Args {
    /// The bound of memory, if there is one.
    pub fn memory_bound(&self) -> Option<u64> {
        self.max_memory.map(|bytes| bytes as u64)
    }

    /// The seed, unless every candidate is to be tried.
    pub fn seed(&self, seed: u64) -> Option<u64> {
        (!self.exhaustive).then_some(seed)
    }

    /// The lock file of a model, where there are so many models.
    pub fn lock_of(&self, model: &Path, models: usize) -> PathBuf {
        let name = PathBuf::from(model.file_name().unwrap_or_default()).with_extension("lock");
        match &self.output {
            Some(path) if models == 1 && !path.is_dir() => path.clone(),
            Some(folder) => folder.join(name),
            None => name,
        }
    }
}

/// A time with its unit: 90s, 20m, 8h.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match &text[digits.len()..] {
        "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let seconds = digits.parse::<f64>().ok().zip(unit).map(|(count, unit)| count * unit);
    let seconds = seconds.filter(|s| *s == 0.0 || (1.0..=1e7).contains(s)).map(Duration::from_secs_f64);
    seconds.ok_or_else(|| "a budget is a time of a second or more with its unit, as 90s, 20m or 8h, or 0s".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_have_units() {
        assert_eq!(duration("20m"), Ok(Duration::from_secs(1200)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        for wrong in ["20", "m", "-1m", "1d", "1hm", "nanm", "infh"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
