//! The file format: what is written can be read back, and whatever else is read is an error that names what is wrong.
#![allow(clippy::unwrap_used)]

use cnnc_artifact::{Artifact, ArtifactError, Io, Layer, Place, Plan, Reader, Step, Variant, format, write_atomically};
use cnnc_tensor::{AlignedBytes, Tensor};
use proptest::prelude::*;
use std::io::{self, Write};

fn io(name: &str, dims: &[usize]) -> Io {
    Io { name: name.into(), dtype: "f32".into(), dims: dims.to_vec(), extent: None }
}

fn layer(name: &str) -> Layer {
    let text = |s: &str| s.to_string();
    Layer {
        name: text(name),
        op: text("Conv"),
        candidate: text("direct(mr=14, nv=2)"),
        chosen_by: String::new(),
        generic: false,
        flops: 1024.0,
        output: text("f32[1,16]/plain"),
        error: 3e-7,
        workspace: 4096,
    }
}

/// A variant of `steps` steps that reads the tensors, one a step.
fn variant(isa: &str, steps: usize, tensors: &[Tensor]) -> Variant {
    let mut constants = vec![];
    let mut next = 0;
    for tensor in tensors {
        constants.push((next, tensor.clone()));
        next += (tensor.bytes().len().max(1) as u64).next_multiple_of(64);
    }
    let step = |k: usize| {
        let (at, tensor) = &constants[k % constants.len()];
        let args = vec![
            (Place::Input(0, 0), 64),
            (Place::Constant(at + 4), tensor.bytes().len() as u64 - 4),
            (Place::Arena(64 * (k as u64 % 16)), 64),
            (Place::Output(0, 0), 64),
        ];
        Step { layer: k as u32, kernel: 0, extent: 14, args }
    };
    let mut output = io("scores", &[1, 16]);
    output.extent = Some(Place::Arena(8));
    let plan = Plan {
        inputs: vec![io("data", &[1, 16])],
        outputs: vec![output],
        layers: (0..steps).map(|k| layer(&format!("node_{k}"))).collect(),
        steps: (0..steps).map(step).collect(),
        entries: vec![16],
        kernels: vec!["k0_direct".into()],
        arena_bytes: 1024,
        scratch_bytes: 256,
        threads: 4,
        max_error: 1e-4,
        expected_error: 2e-6,
    };
    Variant { isa: isa.into(), backend: "test".into(), plan, code: vec![0xc3; 5000], constants }
}

fn tensors() -> Vec<Tensor> {
    (1..4).map(|k| Tensor::from_vec(&[10 * k], &vec![k as f32; 10 * k]).unwrap()).collect()
}

fn artifact() -> Artifact {
    let mut two = tensors();
    two.remove(0);
    two.push(Tensor::from_vec(&[3], &[7i64, 8, 9]).unwrap());
    let variants = vec![variant("x86-64-v4", 5, &tensors()), variant("x86-64-v3", 3, &two)];
    Artifact { model: "net".into(), producer: "cnnc test".into(), variants }
}

fn read(bytes: &[u8]) -> Result<Reader, ArtifactError> {
    let reader = Reader::from_bytes(AlignedBytes::copied(bytes))?;
    reader.verify_all()?;
    Ok(reader)
}

fn message(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.cnna");
    let artifact = artifact();
    artifact.write_file(&path).unwrap();
    let reader = Reader::open(&path).unwrap();
    reader.verify_all().unwrap();
    assert_eq!((reader.model(), reader.producer()), ("net", "cnnc test"));
    assert_eq!(reader.bytes().as_ptr() as usize % 64, 0);
    for (k, (stored, variant)) in reader.variants().iter().zip(&artifact.variants).enumerate() {
        assert_eq!((&stored.isa, &stored.backend), (&variant.isa, &variant.backend));
        assert_eq!(reader.code(k), variant.code);
        assert_eq!(
            Plan { steps: vec![], ..stored.plan.clone() },
            Plan { steps: vec![], ..variant.plan.clone() },
            "all but the places of constants is the same"
        );
        for (step, own) in stored.plan.steps.iter().zip(&variant.plan.steps) {
            for ((place, bytes), (from, len)) in step.args.iter().zip(&own.args) {
                assert_eq!(bytes, len);
                let (Place::Constant(at), Place::Constant(from)) = (*place, *from) else {
                    assert_eq!(place, from);
                    continue;
                };
                let (start, tensor) = variant.constants.iter().rfind(|(start, _)| *start <= from).unwrap();
                let content = &tensor.bytes()[(from - start) as usize..][..*len as usize];
                assert_eq!(&reader.bytes()[at as usize..][..*len as usize], content);
            }
        }
    }
    let constants = reader.sections().iter().filter(|s| s.kind == format::Kind::Constant);
    assert_eq!(constants.count(), 4, "the two tensors that both variants use are stored once");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn errors_name_what_is_wrong() {
    let good = artifact().to_bytes().unwrap();
    assert_eq!(message(b""), "not a cnnc artifact: the file is empty");
    assert_eq!(message(b"\x08\x07\x12\x07pytorch"), "not a cnnc artifact");
    assert_eq!(message(&good[..40]), "truncated: 40 bytes, less than the header");
    let length = good.len();
    assert_eq!(message(&good[..length - 1]), format!("truncated: the file has {} bytes of {length}", length - 1));
    let mut text = good.clone();
    text.remove(5);
    assert!(message(&text).starts_with("not a cnnc artifact: its line ends"), "{}", message(&text));
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(message(&longer), "invalid artifact: 1 bytes follow its end");
    let mut newer = good.clone();
    newer[8] = 7;
    assert!(message(&newer).starts_with("artifact of format 7, this build reads format 1"));
    let mut header = good.clone();
    header[20] ^= 1;
    assert_eq!(message(&header), "damaged: checksum of the header is wrong");
    let reader = read(&good).unwrap();
    for (k, section) in reader.sections().iter().enumerate() {
        let mut damaged = good.clone();
        damaged[(section.offset + section.length / 2) as usize] ^= 0x10;
        let want =
            format!("damaged: checksum of section {k} ({}, {} bytes) is wrong", section.kind.name(), section.length);
        assert_eq!(message(&damaged), want);
    }
}

#[test]
fn plans_that_leave_their_memory_are_refused() {
    let refused = |change: &dyn Fn(&mut Plan), want: &str| {
        let mut artifact = artifact();
        change(&mut artifact.variants[0].plan);
        let error = artifact.to_bytes().unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    };
    refused(&|p| p.steps[1].args[2] = (Place::Arena(1000), 64), "step 1 (node_1): 64 bytes at Arena(1000) lie outside");
    refused(&|p| p.steps[1].args[2] = (Place::Arena(u64::MAX), 64), "lie outside");
    refused(&|p| p.steps[1].args[0] = (Place::Input(1, 0), 1), "lie outside");
    refused(&|p| p.steps[1].args[0] = (Place::Output(0, 1), 64), "lie outside");
    refused(&|p| p.steps[1].args[0] = (Place::Constant(40), 8), "lie outside");
    refused(&|p| p.steps[0].kernel = 1, "step 0 (node_0) calls kernel 1, of 1");
    refused(&|p| p.steps[0].layer = 9, "step 0 is of layer 9, of 5");
    refused(&|p| p.steps[0].extent = u64::MAX, "has extent 18446744073709551615");
    refused(&|p| p.entries[0] = 5000, "entry point of kernel k0_direct lies outside the code");
    refused(&|p| p.entries.clear(), "1 kernel names and 0 entry points");
    refused(&|p| p.arena_bytes = 1 << 60, "arena of");
    refused(&|p| p.inputs[0].dims = vec![usize::MAX, 4], "input data");
    refused(&|p| p.inputs[0].dtype = "f80".into(), "unknown element type");
    refused(&|p| p.outputs[0].extent = Some(Place::Arena(1020)), "its extent has no place");
    refused(&|p| p.layers[0].flops = f64::NAN, "layer node_0 counts NaN operations");
}

#[test]
fn the_reader_checks_plans_too() {
    let mut bytes = artifact().to_bytes().unwrap();
    let field = b"\"arena_bytes\":1024";
    let at = bytes.windows(field.len()).position(|w| w == field).unwrap();
    bytes[at + 14..at + 18].copy_from_slice(b"  64");
    assert!(message(&bytes).starts_with("damaged: checksum of section 6 (manifest"));
    format::reseal(&mut bytes);
    let want = "invalid artifact: variant x86-64-v4: step 1 (node_1): 64 bytes at Arena(64) lie outside";
    assert_eq!(message(&bytes), want);
}

#[test]
fn a_failed_write_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.cnna");
    std::fs::write(&path, b"before").unwrap();
    let error = write_atomically(&path, |w| {
        w.write_all(&[1; 1 << 20])?;
        Err(io::Error::other("no space left"))
    });
    assert!(error.unwrap_err().to_string().ends_with("net.cnna: no space left"));
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = artifact().write_file(&folder.path().join("none/net.cnna"));
    assert!(matches!(nowhere, Err(ArtifactError::Write { .. })));
    if std::path::Path::new("/dev/full").exists() {
        let full = artifact().write_file("/dev/full".as_ref()).unwrap_err().to_string();
        assert!(full.starts_with("cannot write /dev/full: No space left"), "{full}");
    }
}

#[test]
fn a_large_manifest_opens_quickly() {
    let tensors: Vec<Tensor> = (0..300).map(|k| Tensor::from_vec(&[16], &[k as f32; 16]).unwrap()).collect();
    let big = Artifact { variants: vec![variant("x86-64-v3", 3000, &tensors)], ..artifact() };
    let bytes = AlignedBytes::copied(&big.to_bytes().unwrap());
    let best = (0..5).map(|_| {
        let bytes = bytes.clone();
        let start = std::time::Instant::now();
        let steps = Reader::from_bytes(bytes).unwrap().variants()[0].plan.steps.len();
        assert_eq!(steps, 3000);
        start.elapsed()
    });
    // ResNet-50 has 200 steps; ten times its size is allowed to take 100 ms even in a debug build.
    let best = best.min().unwrap();
    assert!(best.as_millis() < 100, "{best:?}");
}

/// A change of the file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Flip(usize, u8),
    Number(usize, u64),
    Cut(usize),
    Digit(usize, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let edge =
        prop_oneof![Just(0), Just(1), Just(63), Just(64), Just(u64::MAX), Just(1 << 63), Just(1 << 40), any::<u64>()];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, b)| Change::Set(at, b)),
        (any::<usize>(), 0..8u8).prop_map(|(at, b)| Change::Flip(at, b)),
        (any::<usize>(), edge).prop_map(|(at, n)| Change::Number(at, n)),
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), b'0'..=b'9').prop_map(|(at, b)| Change::Digit(at, b)),
    ]
}

/// Applies a change to header, section table or manifest: code and constants have nothing to parse.
fn apply(bytes: &mut Vec<u8>, change: &Change, metadata: &[usize]) {
    let place = |at: usize| metadata[at % metadata.len()];
    match *change {
        Change::Set(at, b) => bytes[place(at)] = b,
        Change::Flip(at, bit) => bytes[place(at)] ^= 1 << bit,
        Change::Number(at, n) => {
            let at = place(at) & !7;
            bytes[at..at + 8].copy_from_slice(&n.to_le_bytes());
        }
        Change::Cut(at) => bytes.truncate(place(at)),
        Change::Digit(at, digit) => {
            // The next digit of the manifest, so that a number changes and the JSON stays JSON.
            let at = place(at);
            if let Some(k) = (at..bytes.len()).find(|&k| bytes[k].is_ascii_digit()) {
                bytes[k] = digit;
            }
        }
    }
}

/// `PROPTEST_CASES` makes it a long run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(3000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the metadata says, reading it is a value or an error; and what is accepted is consistent.
    #[test]
    fn no_metadata_makes_the_reader_panic(changes in prop::collection::vec(change(), 1..6)) {
        let mut bytes = artifact().to_bytes().unwrap();
        let table = u64::from_le_bytes(bytes[24..32].try_into().unwrap()) as usize;
        let manifest = u64::from_le_bytes(bytes[bytes.len() - 32..bytes.len() - 24].try_into().unwrap()) as usize;
        let metadata: Vec<usize> = (0..64).chain(manifest..table).chain(table..bytes.len() - 8).collect();
        for change in &changes {
            let metadata: Vec<usize> = metadata.iter().copied().filter(|&k| k + 8 < bytes.len()).collect();
            if metadata.is_empty() {
                break;
            }
            apply(&mut bytes, change, &metadata);
        }
        format::reseal(&mut bytes);
        if let Ok(reader) = read(&bytes) {
            for (k, variant) in reader.variants().iter().enumerate() {
                prop_assert!(variant.plan.entries.iter().all(|&e| e < reader.code(k).len() as u64));
                for (place, len) in variant.plan.steps.iter().flat_map(|s| &s.args) {
                    if let Place::Constant(at) = place {
                        prop_assert!(at + len <= reader.bytes().len() as u64);
                    }
                }
            }
        }
    }
}
