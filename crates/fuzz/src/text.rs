//! Texts of graphs and kernels changed token by token: an error, or something that the verifier judges and that reads
//! back equal.

use crate::random::{Random, edit_bytes};
use crate::{Outcome, Target, models};
use cnnc_codegen::Backend;
use cnnc_compiler::{Bounds, choose, detect_target, lower};
use cnnc_ir::kernel::random::random_kernel;
use cnnc_onnx::{ImportOptions, import_bytes};
use cnnc_tensor::Isa;
use prost::Message;
use std::path::Path;

/// Bytes of constants made from seeds that a parser may make (the parser's own bound).
const SEEDED: u64 = 1 << 28;

/// The fuzzer of the texts.
pub struct Text {
    seeds: Vec<String>,
}

impl Text {
    /// With the filetests, and every stage of small models.
    pub fn new() -> Text {
        let mut seeds = vec![];
        collect(&models::repository("tests/filetests"), &mut seeds);
        let target = detect_target(Isa::X86V3, Backend::Llvm, 2);
        for model in models::small().into_iter().chain(models::conformance().into_iter().step_by(9)) {
            let imported = import_bytes(model.encode_to_vec(), None, &ImportOptions::default());
            let Ok(imported) = imported else { continue };
            seeds.push(imported.graph.to_string());
            let graph = cnnc_passes::optimize(imported.graph, &mut |_, _| {});
            let Ok(chosen) = choose(&graph, &target, &Bounds::default()) else { continue };
            seeds.push(chosen.to_string());
            let Ok(program) = lower(&chosen, &target) else { continue };
            seeds.extend(program.kernels.iter().map(|k| k.to_string()).filter(|t| t.len() < 1 << 14));
        }
        seeds.retain(|text| text.len() < 1 << 15);
        Text { seeds }
    }
}

fn collect(folder: &Path, texts: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, texts);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            // A file holds several graphs; one at a time is quicker.
            texts.extend(text.split("\n}\n").filter(|t| !t.trim().is_empty()).map(|t| format!("{t}\n}}\n")));
        }
    }
}

/// Words, numbers, quoted strings, and single characters for all else.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = vec![];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |k| k + 2),
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(end);
        tokens.push(token);
        rest = tail;
    }
    tokens
}

fn number(random: &mut Random) -> String {
    match random.below(5) {
        0 => random.float().to_string(),
        1 => "99999999999999999999999".into(),
        2 => "0".into(),
        _ => random.int().to_string(),
    }
}

fn edit(tokens: &mut Vec<String>, other: &[&str], random: &mut Random) {
    if tokens.is_empty() {
        return;
    }
    // Most edits are of words and numbers, not of blanks.
    let mut at = random.below(tokens.len());
    while tokens[at].trim().is_empty() && !random.one_in(8) {
        at = random.below(tokens.len());
    }
    let is_number = tokens[at].starts_with(|c: char| c.is_ascii_digit());
    let donor = random.of(other).copied().unwrap_or("").to_string();
    match random.below(11) {
        0..=3 if is_number => tokens[at] = number(random),
        0 => tokens[at] = donor,
        1 => {
            let b = random.below(tokens.len());
            tokens[at] = tokens[b].clone();
        }
        2 => _ = tokens.remove(at),
        3 => tokens.insert(at, donor),
        4 => {
            let b = random.below(tokens.len());
            tokens.swap(at, b);
        }
        5 => {
            // A line twice or gone.
            let start = tokens[..at].iter().rposition(|t| t == "\n").map_or(0, |k| k + 1);
            let end = tokens[at..].iter().position(|t| t == "\n").map_or(tokens.len(), |k| at + k + 1);
            let line = tokens[start..end].to_vec();
            if random.one_in(2) {
                tokens.splice(start..start, line);
            } else {
                tokens.drain(start..end);
            }
        }
        6 => {
            let count = if random.one_in(50) { 100_000 } else { 1 + random.below(5) };
            let open = ["(", "[", "{", "neg(", "for", "\"", "-", "\n"][random.below(8)];
            tokens.insert(at, open.repeat(count));
        }
        7 => tokens[at] = number(random),
        8 => {
            let (a, b) = (random.below(other.len()), 1 + random.below(40));
            let part: Vec<String> = other.iter().skip(a).take(b).map(|t| t.to_string()).collect();
            tokens.splice(at..at, part);
        }
        9 if random.one_in(4) => tokens.truncate(at),
        _ => {
            tokens.insert(at, [",", "%0", "$0", "f32", "]", "}", ")", "=", "@", "i64", "bool"][random.below(11)].into())
        }
    }
}

impl Target for Text {
    fn input(&mut self, random: &mut Random) -> Vec<u8> {
        let random_text = random.one_in(4).then(|| {
            let choices: Vec<u8> = (0..random.below(400)).map(|_| random.next() as u8).collect();
            random_kernel(&choices).to_string()
        });
        let other = random.of(&self.seeds).cloned().unwrap_or_default();
        let seed = random_text.or_else(|| random.of(&self.seeds).cloned()).unwrap_or_default();
        let (other, mut own) = (tokens(&other), tokens(&seed).into_iter().map(String::from).collect::<Vec<_>>());
        for _ in 0..1 + random.below(4) {
            edit(&mut own, &other, random);
        }
        let mut bytes = own.concat().into_bytes();
        if random.one_in(8) {
            edit_bytes(&mut bytes, random);
        }
        bytes
    }

    fn run(&mut self, input: &[u8]) -> Outcome {
        let text = String::from_utf8_lossy(input);
        let mut outcome = Outcome { accepted: false, declared: 0, broken: None };
        if let Ok(graph) = cnnc_ir::graph::parse_graph(&text) {
            let constants = graph.values().filter(|(id, _)| graph.constant(*id).is_some());
            outcome.declared = constants.fold(0u64, |sum, (_, v)| sum.saturating_add(v.ty.bytes() as u64));
            if cnnc_ir::graph::verify(&graph).is_ok() {
                outcome.accepted = true;
                let again = graph.to_string();
                match cnnc_ir::graph::parse_graph(&again) {
                    Ok(same) if same == graph => {}
                    // Large constants go to a folder; their hash cannot be read back without it.
                    Err(error) if error.what.contains("folder that was not given") => {}
                    Ok(_) => outcome.broken = Some("a graph that reads back different".into()),
                    Err(error) => outcome.broken = Some(format!("a graph that does not read back: {error}")),
                }
            }
        }
        if let Ok(kernels) = cnnc_ir::kernel::parse_kernels(&text) {
            for kernel in kernels {
                if cnnc_ir::kernel::verify(&kernel).is_err() {
                    continue;
                }
                outcome.accepted = true;
                match cnnc_ir::kernel::parse_kernel(&kernel.to_string()) {
                    Ok(same) if same == kernel => {}
                    Ok(_) => outcome.broken = Some("a kernel that reads back different".into()),
                    Err(error) => outcome.broken = Some(format!("a kernel that does not read back: {error}")),
                }
            }
        }
        outcome
    }

    fn allowance(&self) -> u64 {
        // A refused text's constants are declared, too: each is made once as numbers and once as bytes.
        2 * SEEDED + (16 << 20)
    }
}
