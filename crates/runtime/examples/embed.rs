//! A network in a service: load once, one session a thread, run without allocating.
//!
//! `cargo run --release -p cnnc-runtime --example embed -- net.cnna`

use cnnc_runtime::{Model, Session};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: embed NET.cnna")?;
    let model = Arc::new(Model::open(path.as_ref())?);
    let sizes = |list: &[cnnc_artifact::Io]| list.iter().map(|io| io.bytes().unwrap_or(0) as usize).collect::<Vec<_>>();
    let inputs: Vec<Vec<u8>> = sizes(model.inputs()).into_iter().map(|size| vec![0; size]).collect();
    let mut outputs: Vec<Vec<u8>> = sizes(model.outputs()).into_iter().map(|size| vec![0; size]).collect();
    let mut session = Session::new(&model, 1)?;
    let feeds: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    session.run(&feeds, &mut outputs.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>())?;
    for io in model.outputs() {
        println!("{io}");
    }
    Ok(())
}
