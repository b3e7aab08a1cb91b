//! Sessions over machine code assembled by hand: parts, places, modes, messages.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used)]

mod machine_code;

use cnnc_artifact::{Artifact, Place, Reader};
use cnnc_runtime::{Model, RuntimeError, Session, Timeline, Weights};
use cnnc_tensor::Tensor;
use machine_code::{COUNT, Kernel, io, reversed, reversing, variant};
use std::sync::Arc;

fn model(variant: cnnc_artifact::Variant) -> Arc<Model> {
    Arc::new(Model::from_variant("net", variant).unwrap())
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn the_result_has_the_same_bits_on_any_number_of_threads() {
    let rounds = 13;
    let input: Vec<f32> = (0..COUNT).map(|i| (i as f32 * 0.37).sin()).collect();
    let want = Tensor::from_vec(&[COUNT], &reversed(rounds, &input)).unwrap();
    let tensor = Tensor::from_vec(&[COUNT], &input).unwrap();
    let model = model(reversing(rounds));
    for threads in [1, 2, 3, 5] {
        let mut session = Session::new(&model, threads).unwrap();
        assert_eq!(session.threads(), threads);
        for _ in 0..10 {
            assert_eq!(session.run_tensors(std::slice::from_ref(&tensor)).unwrap()[0], want);
        }
    }
    let sessions = (0..3).map(|_| {
        let (model, tensor, want) = (model.clone(), tensor.clone(), want.clone());
        std::thread::spawn(move || {
            let mut session = Session::new(&model, 2).unwrap();
            (0..5).all(|_| session.run_tensors(std::slice::from_ref(&tensor)).unwrap()[0] == want)
        })
    });
    assert!(sessions.collect::<Vec<_>>().into_iter().all(|s| s.join().unwrap()), "sessions share a model");
}

#[test]
fn an_artifact_gives_the_same_as_the_variant_it_was_written_from() {
    let folder = std::env::temp_dir().join(format!("cnnc-runtime-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("net.cnna");
    let input: Vec<f32> = (0..COUNT).map(|i| i as f32).collect();
    let tensor = Tensor::from_vec(&[COUNT], &input).unwrap();
    let mut newer = reversing(2);
    newer.isa = "x86-64-v9".into();
    let variants = vec![newer, reversing(3)];
    Artifact { model: "net".into(), producer: "test".into(), variants }.write_file(&path).unwrap();
    let model = Arc::new(Model::open(&path).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(model.isa().name(), "x86-64-v2", "the variant that this machine can run");
    let got = Session::new(&model, 2).unwrap().run_tensors(&[tensor]).unwrap();
    assert_eq!(got[0].as_slice::<f32>().unwrap(), reversed(3, &input));
}

#[test]
fn every_iteration_is_run_in_one_piece_with_the_scratch_of_one_thread() {
    let (extent, bytes) = (1000u64, 16_000);
    let calls = [(Kernel::StorePart, extent, vec![(Place::Output(0, 0), bytes)])];
    let model = model(variant(vec![], vec![io("parts", "u64", &[2000])], &calls, vec![]));
    let mut session = Session::new(&model, 3).unwrap();
    let mut out = vec![0u8; bytes as usize];
    session.run(&[], &mut [&mut out]).unwrap();
    let got = words(&out);
    let (mut at, mut scratch) = (0, vec![]);
    while at < extent as usize {
        let (begin, end) = ((got[2 * at] >> 32) as usize, (got[2 * at] & 0xffff_ffff) as usize);
        assert!(begin == at && end > at && end <= extent as usize);
        assert!((begin..end).all(|i| got[2 * i..2 * i + 2] == got[2 * at..2 * at + 2]));
        assert!(end - begin <= 167, "half of an even part at most");
        scratch.push(got[2 * at + 1]);
        at = end;
    }
    scratch.sort_unstable();
    scratch.dedup();
    assert!(scratch.len() <= 3 && scratch.iter().all(|s| s.is_multiple_of(64)));
    assert!(scratch.windows(2).all(|w| w[1] - w[0] >= 128));
}

#[test]
fn small_steps_run_on_the_caller_alone() {
    let calls = [
        (Kernel::StorePart, 1, vec![(Place::Output(0, 0), 16)]),
        (Kernel::StorePart, 4, vec![(Place::Output(0, 16), 64)]),
    ];
    let mut small = variant(vec![], vec![io("parts", "u64", &[10])], &calls, vec![]);
    small.plan.layers[0].flops = 10.0;
    let mut session = Session::new(&model(small), 4).unwrap();
    let mut out = vec![0u8; 80];
    let mut timeline = Timeline::new();
    session.run_timed(&[], &mut [&mut out], &mut timeline).unwrap();
    assert_eq!(words(&out).iter().step_by(2).collect::<Vec<_>>(), [&1, &4, &4, &4, &4]);
    assert!(timeline.span(0, 1).is_some() && (1..4).all(|t| timeline.span(t, 1).is_none()));
    assert!(timeline.span(0, 1).unwrap().0 >= timeline.span(0, 0).unwrap().1);
    assert_eq!(timeline.span(0, 2), None);
}

#[test]
fn kernels_run_with_denormals_off_and_the_callers_mode_comes_back() {
    let calls = [(Kernel::StoreMode, 5000, vec![(Place::Output(0, 0), 20_000)])];
    let model = model(variant(vec![], vec![io("mode", "u32", &[5000])], &calls, vec![]));
    let mut session = Session::new(&model, 2).unwrap();
    let denormal = std::hint::black_box(f32::MIN_POSITIVE) / 4.0;
    let mut out = vec![0u8; 20_000];
    session.run(&[], &mut [&mut out]).unwrap();
    let modes = out.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
    assert!(modes.into_iter().all(|m| m & !0x3f == 0x9fc0), "FTZ, DAZ, all masked, to nearest");
    assert!(std::hint::black_box(f32::MIN_POSITIVE) / 4.0 > 0.0 && denormal > 0.0, "the caller has its denormals");
}

#[test]
fn outputs_are_cut_to_their_extent() {
    // x + i over one element of the arena: the extent is what the input says.
    let calls = [
        (Kernel::AddIndex, 1, vec![(Place::Input(0, 0), 8), (Place::Arena(128), 8)]),
        (Kernel::AddIndex, 6, vec![(Place::Input(1, 0), 48), (Place::Output(0, 0), 48)]),
    ];
    let mut output = io("boxes", "i64", &[3, 2]);
    output.extent = Some(Place::Arena(128));
    let inputs = vec![io("count", "i64", &[1]), io("data", "i64", &[6])];
    let model = model(variant(inputs, vec![output], &calls, vec![]));
    let mut session = Session::new(&model, 1).unwrap();
    let data = Tensor::from_vec(&[6], &[10i64, 10, 10, 10, 10, 10]).unwrap();
    for (count, want) in [(2, 2), (0, 0), (3, 3), (99, 3), (-1, 0)] {
        let count = Tensor::from_vec(&[1], &[count as i64]).unwrap();
        let got = session.run_tensors(&[count, data.clone()]).unwrap();
        assert_eq!(got[0].dims(), [want, 2]);
        assert_eq!(session.extent(0), Some(want));
        assert_eq!(got[0].to_i64_vec(), (10..10 + 2 * want as i64).collect::<Vec<_>>());
    }
}

#[test]
fn wrong_buffers_are_named() {
    let model = model(reversing(1));
    let mut session = Session::new(&model, 1).unwrap();
    let mut out = vec![0u8; 4 * COUNT];
    let wrong = session.run(&[&[0; 16]], &mut [&mut out]).unwrap_err();
    assert_eq!(wrong.to_string(), "input data: f32[100000]: got 16 bytes");
    assert!(wrong.is_users());
    assert_eq!(session.run(&[], &mut []).unwrap_err().to_string(), "the network has 1 inputs (data), got 0");
    let input = vec![0; 4 * COUNT];
    let short = session.run(&[&input], &mut [&mut [0; 3]]).unwrap_err();
    assert_eq!(short.to_string(), "output scores: f32[100000] needs a buffer of 400000 bytes, got 3");
    let tensor = Tensor::from_vec(&[2, 3], &[0f64; 6]).unwrap();
    let typed = session.run_tensors(&[tensor]).unwrap_err();
    assert_eq!(typed.to_string(), "input data: f32[100000]: got f64[2,3]");
}

#[test]
fn what_cannot_run_here_is_refused() {
    let mut foreign = reversing(1);
    foreign.isa = "sm_90".into();
    let bytes = Artifact { variants: vec![foreign.clone()], ..Artifact::default() }.to_bytes().unwrap();
    let reader = Arc::new(Reader::from_bytes(cnnc_tensor::AlignedBytes::copied(&bytes)).unwrap());
    let error = Model::load(&reader).unwrap_err().to_string();
    assert!(error.starts_with("no variant for this processor: the artifact holds sm_90, the processor has"), "{error}");
    assert!(matches!(Model::from_variant("net", foreign), Err(RuntimeError::NoVariant { .. })));
    let mut broken = reversing(1);
    broken.plan.steps[0].kernel = 77;
    assert!(matches!(Model::from_variant("net", broken), Err(RuntimeError::Plan(_))));
    let mut large = reversing(1);
    large.plan.arena_bytes = 1 << 46;
    // A system may promise more than it has; one that does not says so.
    if let Err(error) = Session::new(&model(large), 1) {
        assert!(error.to_string().starts_with("cannot allocate 70368744177664 bytes for the arena"), "{error}");
    }
}

#[test]
fn a_damaged_constant_is_found_when_its_variant_is_loaded() {
    let mut bytes = Artifact { variants: vec![reversing(1)], ..Artifact::default() }.to_bytes().unwrap();
    bytes[1000] ^= 1;
    let reader = Arc::new(Reader::from_bytes(cnnc_tensor::AlignedBytes::copied(&bytes)).unwrap());
    let error = Model::load(&reader).unwrap_err().to_string();
    assert_eq!(error, "damaged: checksum of section 1 (constant, 400000 bytes) is wrong");
}

/// Prints what a step costs beyond its work: run it with `--ignored --nocapture` on a quiet machine.
#[test]
#[ignore = "a measurement"]
fn the_cost_of_a_step() {
    for threads in [1, 2] {
        let steps = 200;
        let call = (Kernel::StorePart, 2, vec![(Place::Output(0, 0), 32)]);
        let model = model(variant(vec![], vec![io("parts", "u64", &[4])], &vec![call; steps], vec![]));
        let mut session = Session::new(&model, threads).unwrap();
        let mut out = vec![0u8; 32];
        let mut best = std::time::Duration::MAX;
        for _ in 0..500 {
            let begin = std::time::Instant::now();
            session.run(&[], &mut [&mut out]).unwrap();
            best = best.min(begin.elapsed());
        }
        println!("{threads} threads: {} ns a step", best.as_nanos() / steps as u128);
    }
}

#[test]
fn a_layer_runs_alone_on_what_the_last_run_left() {
    let rounds = 5;
    let input: Vec<f32> = (0..COUNT).map(|i| i as f32).collect();
    let tensor = Tensor::from_vec(&[COUNT], &input).unwrap();
    let model = model(reversing(rounds));
    for threads in [1, 3] {
        let mut session = Session::new(&model, threads).unwrap();
        let want = session.run_tensors(std::slice::from_ref(&tensor)).unwrap().remove(0);
        let mut out = vec![0u8; want.bytes().len()];
        let mut timeline = Timeline::new();
        let last = model.plan().layers.len() - 1;
        for weights in [Weights::Warm, Weights::Cold] {
            out.fill(0xff);
            let time = session.run_layer(last, weights, &[tensor.bytes()], &mut [&mut out], &mut timeline).unwrap();
            assert!(!time.is_zero());
            let steps = &model.plan().steps;
            let ran: Vec<bool> =
                (0..steps.len()).map(|k| (0..threads).any(|t| timeline.span(t, k).is_some())).collect();
            let its: Vec<bool> = steps.iter().map(|step| step.layer as usize == last).collect();
            assert_eq!(ran, its, "the steps of the layer and no others");
        }
        let beyond = session.run_layer(last + 1, Weights::Cold, &[tensor.bytes()], &mut [&mut out], &mut timeline);
        assert!(beyond.unwrap().is_zero());
        let short = session.run_layer(last, Weights::Warm, &[&[0]], &mut [&mut out], &mut timeline);
        assert!(matches!(short, Err(RuntimeError::Input { .. })));
        assert_eq!(session.run_tensors(std::slice::from_ref(&tensor)).unwrap()[0], want, "a whole run is as before");
    }
}
