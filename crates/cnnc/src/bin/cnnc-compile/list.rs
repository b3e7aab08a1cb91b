//! `cnnc list`: what the compiler can do, from the lists that it works by.

use cnnc_cli::CliError;
use cnnc_cli::commands::list::{Args, What};
use cnnc_cli::table::Table;
use cnnc_codegen::Backend;
use cnnc_lower::{ALGORITHMS, Class};
use cnnc_passes::PIPELINE;
use cnnc_tensor::Isa;
use serde_json::json;

pub fn run(args: &Args) -> Result<(), CliError> {
    let (headings, rows): (&[&str], Vec<Vec<String>>) = match args.what {
        What::Ops => {
            let mut ops: Vec<(&str, i64)> = cnnc_onnx::operators().collect();
            ops.sort_unstable();
            (&["operator", ">since opset"], ops.iter().map(|(n, v)| vec![n.to_string(), v.to_string()]).collect())
        }
        What::Passes => {
            let row = |p: &&cnnc_passes::Pass| vec![p.name.into(), p.accuracy.name().into(), p.about.into()];
            (&["pass", "accuracy", "about"], PIPELINE.iter().map(row).collect())
        }
        What::Algorithms => {
            let class = |class| if class == Class::Generic { "generic" } else { "tuned" };
            let row = |a: &&cnnc_lower::Algorithm| {
                vec![a.name.into(), a.accuracy.name().into(), class(a.class).into(), a.about.into()]
            };
            (&["algorithm", "accuracy", "class", "about"], ALGORITHMS.iter().map(row).collect())
        }
        What::Targets => (&["target", "kind", "here"], targets()),
    };
    if args.json {
        let names: Vec<&str> = headings.iter().map(|h| h.trim_start_matches('>')).collect();
        let object = |row: &Vec<String>| -> serde_json::Value {
            names.iter().zip(row).map(|(name, cell)| (name.to_string(), json!(cell))).collect()
        };
        return cnnc_cli::say(&cnnc_cli::json(&rows.iter().map(object).collect::<Vec<_>>())?);
    }
    let mut table = Table::new(headings);
    rows.into_iter().for_each(|row| table.row(row));
    cnnc_cli::say(&table.to_string())
}

fn targets() -> Vec<Vec<String>> {
    let host = Isa::detect();
    let isas = Isa::ALL.iter().map(|isa| {
        let here = match host {
            Some(host) if host == *isa => "native",
            Some(host) if host > *isa => "yes",
            _ => "no",
        };
        vec![isa.name().to_string(), format!("instruction set, {} lanes of f32", isa.lanes()), here.to_string()]
    });
    let backends = [("llvm", Backend::Llvm), ("cranelift", Backend::Cranelift)].map(|(name, backend)| {
        let here = if backend.available() { backend.version() } else { "not built in".to_string() };
        vec![name.to_string(), "code generator".to_string(), here]
    });
    isas.chain(backends).collect()
}
