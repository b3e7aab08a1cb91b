//! `parse(print(g)) == g` on random graphs, and texts that are not graphs.

#![allow(clippy::unwrap_used)] // helpers of tests

mod random_graph;

use cnnc_ir::graph::{Graph, parse_graph, parse_graph_with, print_with_constants, verify};
use proptest::prelude::*;
use random_graph::{random_graph, random_op};

/// Cases of a property: as usual, or as a long run says.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn random_graphs_read_back(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let graph = random_graph(&bytes);
        prop_assert_eq!(verify(&graph), Ok(()));
        let text = graph.to_string();
        prop_assert_eq!(&parse_graph(&text), &Ok(graph.clone()), "{}", text);
        let live = graph.without_dead();
        prop_assert_eq!(verify(&live), Ok(()));
        prop_assert_eq!(&parse_graph(&live.to_string()), &Ok(live));
    }

    #[test]
    fn operators_read_back_whatever_their_attributes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut graph = Graph::new("");
        let op = random_op(&mut bytes.into_iter());
        let ty = cnnc_ir::graph::TensorType::plain(cnnc_tensor::DType::F32, &[2]);
        graph.add_typed("n", op, &[], vec![ty], None);
        let text = graph.to_string();
        prop_assert_eq!(&parse_graph(&text), &Ok(graph), "{}", text);
    }

    #[test]
    fn mutated_texts_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        edits in prop::collection::vec((any::<u16>(), 0u8..4, any::<char>()), 1..12),
    ) {
        let mut text: Vec<char> = random_graph(&bytes).to_string().chars().collect();
        for (at, kind, c) in edits {
            let at = usize::from(at) % text.len().max(1);
            match kind {
                0 if at < text.len() => { text.remove(at); }
                1 => text.insert(at, c),
                2 => text.insert(at, "0123456789%,[]{}()=\"@;/"[at % 23..].chars().next().unwrap_or('-')),
                _ => text.truncate(at.max(text.len() / 2)),
            }
        }
        if let Ok(graph) = parse_graph(&text.into_iter().collect::<String>()) {
            let _ = verify(&graph);
            let _ = graph.to_string();
        }
    }

    #[test]
    fn random_texts_never_panic(text in "(graph \"[a-z]\" \\{\n)?[%0-9a-z:\\[\\],=\\{\\}@\"/ \n;$()]{0,120}") {
        if let Ok(graph) = parse_graph(&text) {
            let _ = verify(&graph);
        }
    }
}

#[test]
fn large_constants_go_to_a_folder() {
    let folder = std::env::temp_dir().join(format!("cnnc-graph-text-{}", std::process::id()));
    let values: Vec<f32> = (0..100).map(|k| k as f32).collect();
    let mut graph = Graph::new("g");
    let c = graph.add_const(Some("c"), cnnc_tensor::Tensor::from_vec(&[10, 10], &values).unwrap());
    graph.add_output("c", c);
    let text = print_with_constants(&graph, &folder).unwrap();
    assert_eq!(text, graph.to_string());
    assert_eq!(parse_graph_with(&text, &folder), Ok(graph));
    assert!(parse_graph(&text).unwrap_err().what.contains("folder that was not given"));
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, vec![0; 400]).unwrap();
    assert!(parse_graph_with(&text, &folder).unwrap_err().what.contains("holds @"));
    std::fs::write(&file, vec![0; 4]).unwrap();
    assert!(parse_graph_with(&text, &folder).unwrap_err().what.contains("has 4 bytes, f32[10,10] needs 400"));
    let elsewhere = text.replace('@', "@../");
    assert!(parse_graph_with(&elsewhere, &folder).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn errors_name_the_line_and_what_is_wrong() {
    let line =
        |statement: &str| parse_graph(&format!("graph \"g\" {{\n  %0: f32[2] = input\n  {statement}\n}}")).unwrap_err();
    for (statement, want) in [
        ("%1: f32[2] = relu %0", "no operator relu"),
        ("%1: f32[2] = map %7 {expr=neg($0)}", "%7 is not defined before its use"),
        ("%0: f32[2] = input", "%0 is defined twice"),
        ("%1 = input", "input needs a type"),
        ("%1 = map %0 {expr=neg($0), expr=$0}", "expr stands twice"),
        ("%1 = map %0 {axis=1}", "map has no attribute axis"),
        ("%1 = map %0 {expr=neg($0}", "expr: expected , or )"),
        ("%1 = softmax %0 {axis=-1, end=1}", "\"-1\" is no axis"),
        ("%1 = softmax %0 {axis=5, end=6}", "softmax: axes 5..6 are not axes of f32[2]"),
        ("%1, %2 = map %0 {expr=neg($0)}", "map has 1 results, 2 are defined"),
        ("%1: f33[2] = input", "no element type f33"),
        ("%1: f32[99999999999999999999] = input", "is no dim"),
        ("%1: f32[2]/z16 = input", "no layout \"z16\""),
        ("%1: f32[2] = const {1.0}", "needs 8 bytes, got 4"),
        ("%1: f32[2] = const {1.0, x}", "\"x\" is no f32"),
        ("%1: f32[1073741824,1073741824] = const seed=1", "take more than"),
        ("%1: f32[2]/c4 = const seed=1", "cannot be blocked"),
        ("%1: f32[4] = const @0123", "folder that was not given"),
        ("output \"y", "no closing quote"),
        ("output \"\\q\" %0", "unknown escape"),
        ("nonsense", "expected output, found \"nonsense\""),
        ("output \"y\" %0 5", "unexpected \"5\""),
    ] {
        let error = line(statement);
        assert!(error.line == 3 && error.what.contains(want), "{statement}: {error}");
    }
    assert_eq!(parse_graph("").unwrap_err().to_string(), "line 1: expected a graph");
    assert_eq!(parse_graph("; only\ngraph {").unwrap_err().to_string(), "line 2: the graph has no closing brace");
}
