//! Artifacts whose metadata was changed and whose checksums are right again: the reader, and loading without running.
//! Machine code stays as it is: it is trusted as a shared object is.

use crate::random::{Random, edit_bytes};
use crate::{Outcome, Target, models};
use cnnc_artifact::{Artifact as Content, Place, Reader, format};
use cnnc_codegen::Backend;
use cnnc_compiler::{Options, compile_graph};
use cnnc_onnx::{ImportOptions, import_bytes};
use cnnc_runtime::{Model, Session};
use cnnc_tensor::{AlignedBytes, Isa};
use prost::Message;
use serde_json::Value;
use std::sync::Arc;

const HEADER: usize = 64;
const ENTRY: usize = 40;

/// The fuzzer of the reader.
pub struct Artifact {
    seeds: Vec<Vec<u8>>,
}

impl Artifact {
    /// Compiles the small models.
    pub fn new() -> Result<Artifact, String> {
        let mut seeds = vec![];
        for model in models::small() {
            let imported = import_bytes(model.encode_to_vec(), None, &ImportOptions::default());
            let Ok(imported) = imported else { continue };
            let graph = cnnc_passes::optimize(imported.graph, &mut |_, _| {});
            let options = Options::new(&[Isa::X86V2, Isa::X86V3], Backend::Cranelift, 2).ok_or("unknown machine")?;
            let compiled = compile_graph(&graph, &options).map_err(|error| error.to_string())?;
            let producer = "cnnc fuzz".to_string();
            let content = Content { model: compiled.model, producer, variants: compiled.variants };
            seeds.push(content.to_bytes().map_err(|error| error.to_string())?);
        }
        if seeds.is_empty() { Err("no small model compiles".into()) } else { Ok(Artifact { seeds }) }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The file with its manifest replaced; it stands last before the table.
fn with_manifest(file: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let table = u64_at(file, 24) as usize;
    let last = file.len().checked_sub(ENTRY)?;
    let start = u64_at(file, last + 8) as usize;
    let manifest = change(file.get(start..table)?);
    let mut new = file.get(..start)?.to_vec();
    new.extend_from_slice(&manifest);
    let (at, entries) = (new.len() as u64, file.get(table..)?);
    new.extend_from_slice(entries);
    let last = new.len() - ENTRY;
    new[last + 16..last + 24].copy_from_slice(&(manifest.len() as u64).to_le_bytes());
    let length = new.len() as u64;
    new[16..24].copy_from_slice(&length.to_le_bytes());
    new[24..32].copy_from_slice(&at.to_le_bytes());
    Some(new)
}

/// Changes one value of a JSON document.
fn edit(root: &mut Value, random: &mut Random) {
    let mut at = root;
    // Down to a random depth: mostly into steps, which are most of a plan.
    while !random.one_in(6) {
        let children = match at {
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        };
        if children == 0 {
            break;
        }
        let k = random.below(children);
        let child = match at {
            Value::Array(list) => list.get_mut(k),
            Value::Object(map) => map.values_mut().nth(k),
            _ => None,
        };
        let Some(child) = child else { return };
        at = child;
    }
    match at {
        Value::Number(number) => {
            let near = number.as_u64().unwrap_or(0);
            *at = match random.below(6) {
                0 => Value::from(near.wrapping_add(1)),
                1 => Value::from(near.wrapping_sub(1)),
                2 => Value::from(u64::MAX),
                3 => Value::from(1u64 << random.below(64)),
                4 => Value::from(f64::from(random.float())),
                _ => Value::from(random.int()),
            };
        }
        Value::String(text) => {
            let names = ["", "f32", "i64", "bool", "x86-64-v2", "x86-64-v4", "a", "\u{0}\n", "%s"];
            *text = random.of(&names).map(|n| n.to_string()).unwrap_or_default();
        }
        Value::Array(list) => {
            let k = random.below(list.len());
            match random.below(5) {
                0 => list.clear(),
                1 if !list.is_empty() => _ = list.remove(k),
                2 => _ = list.get(k).cloned().map(|value| list.push(value)),
                3 => {
                    let value = list.get(k).cloned().unwrap_or(Value::Null);
                    list.extend(std::iter::repeat_n(value, 1 << random.below(10)));
                }
                _ => list.reverse(),
            }
        }
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let Some(key) = random.of(&keys) else { return };
            let value = map.remove(key);
            if let (Some(value), false) = (value, random.one_in(3)) {
                let key = ["a", "c", "i", "o", "extent", "steps"][random.below(6)];
                map.insert(key.into(), if random.one_in(3) { Value::from(random.int()) } else { value });
            }
        }
        other => *other = Value::from(random.int()),
    }
}

impl Target for Artifact {
    fn input(&mut self, random: &mut Random) -> Vec<u8> {
        let Some(seed) = random.of(&self.seeds) else { return vec![] };
        let mut bytes = match random.below(8) {
            0 => {
                // Header and section table, number by number.
                let mut bytes = seed.clone();
                let table = u64_at(&bytes, 24) as usize;
                for _ in 0..1 + random.below(3) {
                    let places = (HEADER + bytes.len() - table) / 4;
                    let k = 4 * random.below(places);
                    let at = if k < HEADER { k } else { table + k - HEADER };
                    let value = if random.one_in(2) { random.int() as u64 } else { bytes.len() as u64 };
                    let end = (at + 8).min(bytes.len());
                    bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                }
                bytes
            }
            1 => {
                let mut bytes = seed.clone();
                edit_bytes(&mut bytes, random);
                bytes
            }
            2 => with_manifest(seed, |manifest| {
                let mut manifest = manifest.to_vec();
                if random.one_in(20) {
                    manifest = b"[".repeat(1 << random.below(18));
                }
                edit_bytes(&mut manifest, random);
                manifest
            })
            .unwrap_or_default(),
            _ => with_manifest(seed, |manifest| {
                let mut json: Value = serde_json::from_slice(manifest).unwrap_or_default();
                for _ in 0..1 + random.below(4) {
                    edit(&mut json, random);
                }
                json.to_string().into_bytes()
            })
            .unwrap_or_default(),
        };
        if !random.one_in(50) {
            format::reseal(&mut bytes);
        }
        bytes
    }

    fn run(&mut self, input: &[u8]) -> Outcome {
        let no = |broken| Outcome { accepted: false, declared: 0, broken };
        let reader = match Reader::from_bytes(AlignedBytes::copied(input)) {
            Ok(reader) => Arc::new(reader),
            Err(error) => {
                return no(error.to_string().is_empty().then(|| "an error without a message".to_string()));
            }
        };
        let broken = promises(&reader).err();
        for k in 0..reader.variants().len().min(4) {
            let Ok(model) = Model::load_variant(&reader, k) else { continue };
            let model = Arc::new(model);
            for threads in [1, 3] {
                // Never run: what the changed plan would do with trusted code is not the question here.
                drop(Session::new(&model, threads));
            }
        }
        let _ = Model::load(&reader);
        Outcome { accepted: true, declared: 0, broken }
    }

    fn allowance(&self) -> u64 {
        4 << 20
    }
}

/// What an accepted file has to hold: every place in its area, every index in range.
fn promises(reader: &Reader) -> Result<(), String> {
    for (k, variant) in reader.variants().iter().enumerate() {
        let plan = &variant.plan;
        let (code, file) = (reader.code(k).len() as u64, reader.bytes().len() as u64);
        if plan.entries.iter().any(|&entry| entry >= code) || plan.entries.len() != plan.kernels.len() {
            return Err("an entry point outside the code".into());
        }
        let size = |list: &[cnnc_artifact::Io], k: u32| list.get(k as usize).and_then(|io| io.bytes()).unwrap_or(0);
        let inside = |place: Place, bytes: u64| {
            let (at, area) = match place {
                Place::Arena(at) => (at, plan.arena_bytes),
                Place::Constant(at) => (at, file),
                Place::Input(k, at) => (at, size(&plan.inputs, k)),
                Place::Output(k, at) => (at, size(&plan.outputs, k)),
            };
            u128::from(at) + u128::from(bytes) <= u128::from(area)
        };
        for step in &plan.steps {
            if step.layer as usize >= plan.layers.len() || step.kernel as usize >= plan.entries.len() {
                return Err("a step of no layer or kernel".into());
            }
            if i64::try_from(step.extent).is_err() {
                return Err("an extent above i64".into());
            }
            for &(place, bytes) in &step.args {
                if !inside(place, bytes) {
                    return Err(format!("{bytes} bytes at {place:?} outside their area"));
                }
                let constant = |s: &format::Section| s.kind == format::Kind::Constant;
                if let Place::Constant(at) = place
                    && !reader
                        .sections()
                        .iter()
                        .filter(|s| constant(s))
                        .any(|s| s.offset <= at && at + bytes <= s.offset + s.length)
                {
                    return Err(format!("{bytes} bytes at {place:?} in no constant section"));
                }
            }
        }
        if plan.outputs.iter().filter_map(|o| o.extent).any(|place| !inside(place, 8)) {
            return Err("an extent outside its area".into());
        }
    }
    Ok(())
}
