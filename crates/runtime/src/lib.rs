//! Loads and runs compiled networks. No IR and no code generator is in here: this is what a service embeds.
//!
//! ```no_run
//! # use std::{path::Path, sync::Arc};
//! # use cnnc_runtime::{Model, Session};
//! # fn main() -> Result<(), cnnc_runtime::RuntimeError> {
//! let model = Arc::new(Model::open(Path::new("resnet50.cnna"))?);
//! let mut session = Session::new(&model, 4)?;
//! let image = vec![0u8; 4 * 3 * 224 * 224];
//! let mut scores = vec![0u8; 4 * 1000];
//! session.run(&[&image], &mut [&mut scores])?;
//! # Ok(())
//! # }
//! ```
//!
//! Unsafe code stands where memory becomes code or buffers become pointers, and nowhere else: it relies on the plan
//! having been checked ([`cnnc_artifact::check_plan`]) and on the machine code, which is trusted as that of a shared
//! object is.

mod alone;
mod barrier;
mod constants;
mod error;
mod execute;
mod float_mode;
pub mod machine;
mod memory;
mod model;
mod peak;
mod profile;
mod session;
mod shares;
pub mod statistics;

pub use alone::Weights;
pub use error::RuntimeError;
pub use model::Model;
pub use peak::{measure_isa_peak_gflops, measure_peak_gflops};
pub use profile::Timeline;
pub use session::Session;
