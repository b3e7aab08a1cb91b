//! Arguments of `cnnc-compile worker`, which the autotuner starts.

/// Answer the autotuner's requests on standard input, a line of JSON each
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Bytes of memory that the process may take
    #[arg(long, value_name = "BYTES")]
    pub memory: Option<u64>,
    /// Cores to run on: 0,2
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub cores: Vec<usize>,
}
