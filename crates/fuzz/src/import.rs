//! Models whose structure was changed: import with random shapes; small graphs go through passes, choice and
//! lowering, where each result must verify.

use crate::random::{Random, edit_bytes};
use crate::{Outcome, Target, import_edit, models};
use cnnc_artifact::{Variant, check_variant};
use cnnc_codegen::Backend;
use cnnc_compiler::{Bounds, CompileError, choose, detect_target, lower};
use cnnc_ir::graph::Graph;
use cnnc_onnx::proto::{DimensionProto, ModelProto};
use cnnc_onnx::{ImportOptions, Imported, import_bytes};
use cnnc_tensor::Isa;
use prost::Message;

/// Bytes that a graph's values may have for the later stages to be tried.
const SMALL: usize = 4 << 20;

/// The fuzzer of the compiler's front.
pub struct Import {
    seeds: Vec<ModelProto>,
    shipped: Option<ModelProto>,
    targets: Vec<cnnc_tensor::Target>,
}

impl Import {
    /// With the seeds that are there.
    pub fn new() -> Import {
        let mut seeds = models::small();
        let own = seeds.clone();
        seeds.extend(models::conformance());
        // A third of all inputs start from the models built here.
        while seeds.len() >= 3 * own.len() && seeds.iter().filter(|s| own.contains(s)).count() * 3 < seeds.len() {
            seeds.extend(own.clone());
        }
        let backends = [Backend::Llvm, Backend::Cranelift];
        let targets = Isa::ALL.into_iter().flat_map(|isa| backends.map(|b| detect_target(isa, b, 2))).collect();
        Import { seeds, shipped: models::shipped(), targets }
    }
}

impl Target for Import {
    fn input(&mut self, random: &mut Random) -> Vec<u8> {
        let seed = if random.one_in(50) { self.shipped.as_ref() } else { None };
        let Some(mut model) = seed.or_else(|| random.of(&self.seeds)).cloned() else { return vec![] };
        for _ in 0..random.below(5) {
            import_edit::edit(&mut model, &self.seeds, random);
        }
        let mut bytes = model.encode_to_vec();
        if random.one_in(6) {
            edit_bytes(&mut bytes, random);
        }
        if random.one_in(100) {
            let mut bomb = bomb(random);
            if random.one_in(2) {
                bytes.append(&mut bomb);
            } else {
                bytes = bomb;
            }
        }
        bytes
    }

    fn run(&mut self, input: &[u8]) -> Outcome {
        let mut random = Random::new(input.iter().fold(7, |h: u64, &b| h.wrapping_mul(31).wrapping_add(u64::from(b))));
        let outcome = |accepted, declared, broken| Outcome { accepted, declared, broken };
        let mut options = ImportOptions::default();
        if random.one_in(3) {
            let dims = (0..random.below(6)).map(|_| random.int().unsigned_abs() as usize).collect();
            options.shapes.insert("x".into(), dims);
        }
        let imported = match import_bytes(input.to_vec(), None, &options) {
            Ok(Imported { graph, .. }) => graph,
            Err(error) => {
                let empty = error.to_string().is_empty().then(|| "an error without a message".to_string());
                return outcome(false, declared_inputs(input, &options), empty);
            }
        };
        if let Err(error) = cnnc_ir::graph::verify(&imported) {
            return outcome(true, 0, Some(format!("after import: {error}")));
        }
        let bytes = imported.values().fold(0usize, |sum, (_, v)| sum.saturating_add(v.ty.bytes()));
        let declared = bytes as u64;
        if bytes > SMALL || imported.nodes().count() > 64 {
            return outcome(true, declared, None);
        }
        let target = &self.targets[random.below(self.targets.len())];
        let broken = compile(imported, target).err();
        outcome(true, declared, broken)
    }

    /// What the importer may fold at most, and what it keeps of messages that declare nothing.
    fn allowance(&self) -> u64 {
        96 << 20
    }
}

/// The later stages; a message where a promise is broken.
fn compile(graph: Graph, target: &cnnc_tensor::Target) -> Result<(), String> {
    let mut failure = Ok(());
    let graph = cnnc_passes::optimize(graph, &mut |pass, changed| {
        if let (Some(graph), Ok(())) = (changed, &failure) {
            failure = cnnc_ir::graph::verify(graph).map_err(|error| format!("after pass {pass}: {error}"));
        }
    });
    failure?;
    let internal = |error: CompileError| match error {
        CompileError::Lower(_) => None,
        users if users.is_users() => None,
        other => Some(other.to_string()),
    };
    let chosen = match choose(&graph, target, &Bounds::default()) {
        Ok(chosen) => chosen,
        Err(error) => return internal(error).map_or(Ok(()), Err),
    };
    cnnc_ir::graph::verify(&chosen).map_err(|error| format!("after choice: {error}"))?;
    let program = match lower(&chosen, target) {
        Ok(program) => program,
        Err(error) => return internal(error).map_or(Ok(()), Err),
    };
    for kernel in &program.kernels {
        cnnc_ir::kernel::verify(kernel).map_err(|error| format!("after lowering: {error}"))?;
    }
    let mut plan = program.plan;
    plan.entries = vec![0; plan.kernels.len()];
    let variant =
        Variant { plan, code: vec![0xc3], constants: program.constants, isa: "any".into(), backend: "none".into() };
    check_variant(&variant).map_err(|what| format!("after lowering: {what}"))
}

/// Bytes of the inputs that a model or its caller declares, eight an element; large files are not looked into.
fn declared_inputs(bytes: &[u8], options: &ImportOptions) -> u64 {
    let bytes_of = |dims: &mut dyn Iterator<Item = u64>| dims.fold(8, |n: u64, d| n.saturating_mul(d.max(1)));
    let given = options.shapes.values().map(|dims| bytes_of(&mut dims.iter().map(|&d| d as u64)));
    let given = given.fold(0, u64::saturating_add);
    let model = if bytes.len() < 1 << 16 { ModelProto::decode(bytes).ok() } else { None };
    let inputs = model.and_then(|m| m.graph).map(|g| g.input).unwrap_or_default();
    let tensors = inputs.iter().filter_map(|i| i.ty.as_ref()?.tensor_type.as_ref()?.shape.as_ref());
    let dim = |d: &DimensionProto| d.dim_value.unwrap_or(1).unsigned_abs();
    tensors.map(|shape| bytes_of(&mut shape.dim.iter().map(dim))).fold(given, u64::saturating_add)
}

/// Very many messages of two bytes, at some depth.
fn bomb(random: &mut Random) -> Vec<u8> {
    let count = 1 << (10 + random.below(10));
    let field = [1u8, 2, 5, 6, 7, 8, 9, 11, 12, 15, 21][random.below(11)];
    let mut bytes: Vec<u8> = [field << 3 | 2, 0].repeat(count);
    for _ in 0..random.below(5) {
        let field = [1u8, 5, 6, 7, 11, 2][random.below(6)];
        let mut outer = vec![field << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.append(&mut bytes);
        bytes = outer;
    }
    let mut outer = vec![7 << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
    outer.append(&mut bytes);
    outer
}
