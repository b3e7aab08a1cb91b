//! Estimated costs of convolutions and the tilings that they choose among: what has to be told apart, and what does not;
//! and what makes their code fast without a trace in results.
#![allow(clippy::unwrap_used)] // helpers of tests

use cnnc_ir::expr::Expr;
use cnnc_ir::graph::ops::Window;
use cnnc_ir::graph::{Candidate, Graph, Op, TensorType};
use cnnc_lower::cost::conversion;
use cnnc_lower::{ALGORITHMS, Breadth, Region, candidates};
use cnnc_tensor::{Ceilings, DType, Isa, Layout, Target, Tensor};

/// A square convolution of one image: (channels, extent), (outputs, kernel, stride, padding).
fn graph(input: (usize, usize), conv: (usize, usize, usize, usize), layouts: (Layout, Layout)) -> Graph {
    let ((channels, extent), (outputs, kernel, stride, pad)) = (input, conv);
    let window = Window {
        kernel: vec![kernel; 2],
        strides: vec![stride; 2],
        dilations: vec![1; 2],
        pads_begin: vec![pad; 2],
        pads_end: vec![pad; 2],
    };
    let out = (extent + 2 * pad - kernel) / stride + 1;
    let f32s = |dims: &[usize]| TensorType { dtype: DType::F32, dims: dims.to_vec(), layout: Layout::Plain };
    let mut graph = Graph::new("test");
    let x = graph.add_input("x", f32s(&[1, channels, extent, extent]).with_layout(layouts.0));
    let w =
        graph.add_const(None, Tensor::zeros(DType::F32, &[outputs, channels, kernel, kernel], Layout::Plain).unwrap());
    let result = f32s(&[1, outputs, out, out]).with_layout(layouts.1);
    let op = Op::Conv { window, groups: 1, interleaved: false, tail: Expr::input(0) };
    graph.add_typed("conv", op, &[x, w], vec![result], None);
    graph
}

/// Candidates of an algorithm with their estimated seconds.
fn estimates(graph: &Graph, target: &Target, algorithm: &str) -> Vec<(Candidate, f64)> {
    let (_, node) = graph.nodes().next().unwrap();
    let region = Region::of(graph, node);
    let found = candidates(&region, target, Breadth::Offered).into_iter().filter(|(a, _)| a.name == algorithm);
    found.map(|(a, candidate)| (candidate.clone(), (a.work)(&region, &candidate, target).seconds)).collect()
}

/// The Zen 4 core that the times below were measured on; two threads share the way to memory.
fn zen4(isa: Isa, threads: usize) -> Target {
    let memory = if threads > 1 { 17_200 } else { 31_000 };
    let ceilings = Ceilings { l1: 213_700, l2: 112_800, l3: 100_100, memory, ..Ceilings::of(isa) };
    Target { threads, l3: 32 << 20, ..Target::of(isa).with_ceilings(ceilings) }
}

fn least(estimates: &[(Candidate, f64)]) -> f64 {
    estimates.iter().map(|(_, seconds)| *seconds).fold(f64::INFINITY, f64::min)
}

/// Measured on Cascade Lake: 1.8 ms for 7x7 and 1.7 ms for 3x3, against 2.6 ms and more by a conversion and another
/// algorithm.
#[test]
fn images_are_read_as_they_are() {
    let target = Target::of(Isa::X86V4).with_ceilings(Ceilings::of_intel(Isa::X86V4));
    let blocked = Layout::Blocked(target.lanes);
    for conv in [(64, 7, 2, 3), (64, 3, 1, 1), (96, 11, 4, 2), (32, 3, 2, 1)] {
        let image = graph((3, 224), conv, (Layout::Plain, blocked));
        let plain = least(&estimates(&image, &target, "direct_plain_input"));
        let converted = graph((3, 224), conv, (blocked, blocked));
        let (_, node) = image.nodes().next().unwrap();
        let conversion = conversion(image.ty(node.inputs[0]), &target);
        for algorithm in ["direct", "winograd", "im2col", "implicit_gemm"] {
            let other = conversion + least(&estimates(&converted, &target, algorithm));
            assert!(plain < other, "{conv:?}: {plain} s, {other} s by {algorithm}");
        }
    }
}

/// Rows of one bundle follow one another on one thread in any order of the loops.
#[test]
fn one_bundle_on_one_thread_is_one_item() {
    let one = Target::of(Isa::X86V4);
    let two = Target { threads: 2, ..one.clone() };
    let blocked = Layout::Blocked(one.lanes);
    let layer = graph((3, 96), (10, 3, 1, 0), (Layout::Plain, blocked));
    let items = |target: &Target| {
        estimates(&layer, target, "direct_plain_input").iter().map(|(c, _)| c.params["rows"]).collect::<Vec<_>>()
    };
    assert!(!items(&one).is_empty() && items(&one).iter().all(|&rows| rows == 94), "{:?}", items(&one));
    assert!(items(&two).iter().all(|&rows| rows < 94), "{:?}", items(&two));
}

/// Measured on Zen 4: 960 to 160 channels at 7x7 take 0.37 ms by two levels of one register tile of rows each, 0.28 ms as
/// a plain product; at 28x28 512 to 512 channels two levels are the fastest.
#[test]
fn two_levels_of_strassen_are_offered_where_weights_are_used_again() {
    let target = Target::of(Isa::X86V4);
    let blocked = Layout::Blocked(target.lanes);
    let two_levels = |input, outputs| {
        let layer = graph(input, (outputs, 1, 1, 0), (blocked, blocked));
        estimates(&layer, &target, "strassen").iter().any(|(c, _)| c.params["levels"] == 2)
    };
    assert!(!two_levels((960, 7), 160));
    assert!(two_levels((512, 28), 512));
}

/// Measured on Zen 4: 512 to 1024 channels at 14x14 have 49 rows in each quarter; in blocks of 28 two threads take
/// 0.84 ms, of 25 0.81 ms.
#[test]
fn threads_share_strassens_rows_evenly() {
    let target = Target { threads: 2, ..Target::of(Isa::X86V4) };
    let blocked = Layout::Blocked(target.lanes);
    let found = estimates(&graph((512, 14), (1024, 1, 1, 0), (blocked, blocked)), &target, "strassen");
    let fastest = &found.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
    let rows = if fastest.params["levels"] == 2 { 49 } else { 98 };
    assert!(fastest.params["tiles"] <= rows / 2 + 2, "{fastest}");
}

/// Measured on Zen 4: of a network whose 10 channels at 47x47 two threads had shared as 54 and 27 tiles, the whole takes
/// 4% less in even blocks.
#[test]
fn threads_share_winograds_tiles_evenly() {
    let target = zen4(Isa::X86V4, 2);
    let blocked = Layout::Blocked(target.lanes);
    for (channels, size) in [(16, 45), (32, 32), (32, 64), (64, 40)] {
        let layer = graph((channels, size), (channels, 3, 1, 1), (blocked, blocked));
        let found = estimates(&layer, &target, "winograd");
        let fastest = &found.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
        let param = |name: &str| fastest.params[name] as usize;
        let all = size.div_ceil(param("m0")) * size.div_ceil(param("m1"));
        let busiest = all.min(all.div_ceil(param("tiles")).div_ceil(2) * param("tiles"));
        assert!(fastest.params["shared"] == 1 || 100 * busiest <= 54 * all, "{busiest} of {all}: {fastest}");
    }
}

/// Measured on Zen 4: with blocks whose products leave the second-level cache before they are read googlenet takes 1.2%
/// longer and vgg16 0.6%, and twice the memory.
#[test]
fn products_at_points_stay_in_the_second_level_cache() {
    let target = zen4(Isa::X86V4, 1);
    let blocked = Layout::Blocked(target.lanes);
    for (channels, size, outputs) in [(64, 56, 192), (128, 112, 128)] {
        let found = estimates(&graph((channels, size), (outputs, 3, 1, 1), (blocked, blocked)), &target, "winograd");
        let fastest = &found.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
        let param = |name: &str| fastest.params[name] as usize;
        let points = (param("m0") + 2) * (param("m1") + 2);
        let products = points * param("tiles") * param("nv") * target.lanes * size_of::<f32>();
        assert!(products <= target.l2 / 2, "{products} bytes: {fastest}");
    }
}

/// Measured with AVX2 on Zen 4: 1024 to 256 channels at 14x14 take 0.81 ms by two levels, 0.90 ms as a plain product.
#[test]
fn narrow_vectors_take_strassens_product() {
    let target = zen4(Isa::X86V3, 1);
    let blocked = Layout::Blocked(target.lanes);
    let layer = graph((1024, 14), (256, 1, 1, 0), (blocked, blocked));
    let [strassen, plain] = ["strassen", "pointwise"].map(|algorithm| least(&estimates(&layer, &target, algorithm)));
    assert!(strassen < plain, "{strassen} s, {plain} s as a plain product");
}

/// Rows of 7 pixels leave most of a vector empty; all 49 fill four.
#[test]
fn pixels_of_a_plain_1x1_are_one_row() {
    let layer = |kernel, pad| graph((64, 7), (24, kernel, 1, pad), (Layout::Plain, Layout::Plain));
    let longest = |graph: &Graph| {
        let found = estimates(graph, &Target::of(Isa::X86V4), "direct_plain");
        found.iter().map(|(c, _)| c.params["run"]).max().unwrap()
    };
    assert_eq!((longest(&layer(1, 0)), longest(&layer(3, 1))), (4, 1));
}

/// A register tile that is the only user of its weights asks for those beyond the page where it is tall.
#[test]
fn tall_tiles_alone_ask_ahead() {
    let target = Target::of(Isa::X86V4);
    let blocked = Layout::Blocked(target.lanes);
    let graph = graph((64, 12), (64, 3, 1, 1), (blocked, blocked));
    let (_, node) = graph.nodes().next().unwrap();
    let region = Region::of(&graph, node);
    let algorithm = ALGORITHMS.iter().find(|a| a.name == "winograd").unwrap();
    let asks = |mr: i64| {
        let params = [("m0", 4), ("m1", 4), ("mr", mr), ("nv", 2), ("shared", 0), ("tiles", mr)];
        let candidate = Candidate::new("winograd", &params);
        let lowering = (algorithm.lower)(&region, &candidate, &target).unwrap();
        lowering.kernels.iter().any(|kernel| kernel.to_string().contains("prefetch"))
    };
    assert_eq!([9, 8, 7, 3].map(asks), [true, true, false, false]);
}
