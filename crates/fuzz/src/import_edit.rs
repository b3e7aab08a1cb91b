//! Changes of a model's structure.

use crate::models::{int, ints, value};
use crate::random::Random;
use cnnc_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, SegmentProto, StringStringEntryProto, TensorProto,
    ValueInfoProto,
};
use prost::bytes::Bytes;

/// Attributes that some operator reads.
#[rustfmt::skip]
const ATTRIBUTES: &[&str] = &[
    "kernel_shape", "strides", "pads", "dilations", "group", "auto_pad", "axis", "axes", "output_shape", "alpha",
    "output_padding", "ceil_mode", "p", "num_groups", "size", "keepdims", "broadcast", "to", "shape", "perm", "split",
    "starts", "ends", "value_ints", "k", "repeats", "blocksize", "scales", "batch_dims", "num_outputs", "upper",
    "value", "mode", "equation", "count_include_pad", "epsilon", "transA", "transB", "nearest_mode", "reduction",
    "coordinate_transformation_mode", "sizes", "storage_order", "largest", "exclusive", "reverse", "dtype", "bias",
];
const STRINGS: &[&str] = &[
    "SAME_UPPER",
    "SAME_LOWER",
    "VALID",
    "NOTSET",
    "linear",
    "cubic",
    "nearest",
    "reflect",
    "edge",
    "wrap",
    "add",
    "mul",
    "max",
    "min",
    "align_corners",
    "tf_crop_and_resize",
    "ij,jk->ik",
    "ii->i",
    "...ij->...j",
    "DCR",
    "CRD",
    "",
];

/// Changes a model once.
pub fn edit(model: &mut ModelProto, donors: &[ModelProto], random: &mut Random) {
    if random.one_in(16) {
        let version = if random.one_in(4) { random.int() } else { random.below(30) as i64 };
        match random.below(model.opset_import.len() + 1) {
            k if k < model.opset_import.len() => model.opset_import[k].version = Some(version),
            _ => model.opset_import.clear(),
        }
        return;
    }
    if random.one_in(12) && !model.functions.is_empty() {
        let k = random.below(model.functions.len());
        let function = &mut model.functions[k];
        match random.below(5) {
            0 => function.input.pop().map(drop).unwrap_or_default(),
            1 => function.output.push("q2".into()),
            2 => {
                let call =
                    NodeProto { op_type: function.name.clone(), domain: function.domain.clone(), ..Default::default() };
                function.node.push(call);
            }
            3 => _ = function.attribute_proto.pop(),
            _ => {
                let names = function.input.iter().chain(&function.output).cloned().collect::<Vec<_>>();
                if let Some(node) = pick(&mut function.node, random) {
                    edit_node(node, &names, random);
                }
            }
        }
        return;
    }
    let donor = random.of(donors).and_then(|d| d.graph.as_ref());
    let Some(graph) = &mut model.graph else { return };
    edit_graph(graph, donor, random);
}

fn pick<'a, T>(list: &'a mut [T], random: &mut Random) -> Option<&'a mut T> {
    let k = random.below(list.len());
    list.get_mut(k)
}

fn names(graph: &GraphProto) -> Vec<String> {
    let nodes = graph.node.iter().flat_map(|n| n.output.iter().cloned());
    let inputs = graph.input.iter().filter_map(|i| i.name.clone());
    nodes.chain(inputs).chain(graph.initializer.iter().filter_map(|t| t.name.clone())).collect()
}

fn edit_graph(graph: &mut GraphProto, donor: Option<&GraphProto>, random: &mut Random) {
    match random.below(14) {
        0..=4 => {
            let names = names(graph);
            if let Some(node) = pick(&mut graph.node, random) {
                edit_node(node, &names, random);
            }
        }
        5 | 6 => {
            if let Some(tensor) = pick(&mut graph.initializer, random) {
                edit_tensor(tensor, random);
            }
        }
        7 | 8 => {
            if let Some(input) = pick(&mut graph.input, random) {
                edit_value(input, random);
            }
        }
        9 => {
            let k = random.below(graph.node.len());
            if let Some(node) = graph.node.get(k).cloned() {
                match random.below(3) {
                    0 => _ = graph.node.remove(k),
                    1 => graph.node.push(node),
                    _ => graph.node.swap(k, 0),
                }
            }
        }
        10 => {
            let names = names(graph);
            if let Some(name) = random.of(&names) {
                graph.output.push(value(name, 1, &[]));
            }
        }
        11 => {
            // An initializer becomes an input, or an input a default.
            let k = random.below(graph.initializer.len());
            if random.one_in(2) && k < graph.initializer.len() {
                let tensor = graph.initializer.remove(k);
                let kind = tensor.data_type.unwrap_or(1);
                graph.input.push(value(tensor.name.as_deref().unwrap_or(""), kind, &tensor.dims));
            } else if let Some(input) = graph.input.first() {
                let raw_data = Some(Bytes::from(vec![0; random.below(64)]));
                let dims = (0..random.below(4)).map(|_| random.int()).collect();
                let name = input.name.clone();
                graph.initializer.push(TensorProto { name, dims, data_type: Some(1), raw_data, ..Default::default() });
            }
        }
        _ => {
            // A node of another model, fed with what is here.
            let Some(donor) = donor else { return };
            let Some(mut node) = random.of(&donor.node).cloned() else { return };
            for input in &node.input {
                if let Some(tensor) = donor.initializer.iter().find(|t| t.name.as_ref() == Some(input)) {
                    graph.initializer.push(tensor.clone());
                }
            }
            let names = names(graph);
            for input in &mut node.input {
                if !names.contains(input)
                    && let Some(name) = random.of(&names)
                {
                    input.clone_from(name);
                }
            }
            if let (Some(output), Some(target)) = (node.output.first_mut(), pick(&mut graph.node, random)) {
                *output = format!("x{}", random.below(100));
                if let Some(input) = target.input.first_mut() {
                    input.clone_from(output);
                }
            }
            graph.node.push(node);
        }
    }
}

fn edit_node(node: &mut NodeProto, names: &[String], random: &mut Random) {
    let name = random.of(names).cloned().unwrap_or_default();
    match random.below(12) {
        0 => {
            let operators: Vec<&str> = cnnc_onnx::operators().map(|(op, _)| op).collect();
            node.op_type = random.of(&operators).map(|op| op.to_string());
        }
        1 => {
            if let Some(input) = pick(&mut node.input, random) {
                *input = if random.one_in(4) { String::new() } else { name };
            }
        }
        2 => node.input.push(name),
        3 => _ = node.input.pop(),
        4 => match random.below(3) {
            0 => node.output.push(name),
            1 => node.output.insert(0, String::new()),
            _ => _ = node.output.pop(),
        },
        5 => node.attribute.push(attribute(random)),
        6 => {
            let k = random.below(node.attribute.len());
            if k < node.attribute.len() {
                node.attribute.remove(k);
            }
        }
        _ => match pick(&mut node.attribute, random) {
            Some(attribute) => edit_attribute(attribute, random),
            None => node.attribute.push(attribute(random)),
        },
    }
}

fn attribute(random: &mut Random) -> AttributeProto {
    let name = random.of(ATTRIBUTES).copied().unwrap_or("axis");
    match random.below(4) {
        0 => int(name, random.int()),
        1 => ints(name, &(0..random.below(6)).map(|_| random.int()).collect::<Vec<_>>()),
        2 => {
            let text = random.of(STRINGS).copied().unwrap_or("");
            let s = Some(Bytes::from(text.as_bytes()));
            AttributeProto { name: Some(name.into()), kind: Some(3), s, ..AttributeProto::default() }
        }
        _ => {
            let floats = (0..random.below(5)).map(|_| random.float()).collect();
            let f = Some(random.float());
            AttributeProto { name: Some(name.into()), f, floats, ..AttributeProto::default() }
        }
    }
}

fn edit_attribute(attribute: &mut AttributeProto, random: &mut Random) {
    if let Some(tensor) = &mut attribute.t
        && random.one_in(2)
    {
        return edit_tensor(tensor, random);
    }
    match random.below(8) {
        0 => attribute.kind = Some(random.below(13) as i32),
        1 => attribute.i = Some(random.int()),
        2 => attribute.f = Some(random.float()),
        3 => attribute.ints.push(random.int()),
        4 => _ = attribute.ints.pop(),
        5 => attribute.s = random.of(STRINGS).map(|s| Bytes::from(s.as_bytes())),
        _ => match pick(&mut attribute.ints, random) {
            Some(i) => *i = random.int(),
            None => attribute.i = Some(random.int()),
        },
    }
}

fn edit_tensor(tensor: &mut TensorProto, random: &mut Random) {
    match random.below(11) {
        0..=2 => match pick(&mut tensor.dims, random) {
            Some(dim) => *dim = random.int(),
            None => tensor.dims.push(random.int()),
        },
        3 => tensor.dims.push(random.below(3) as i64),
        4 => _ = tensor.dims.pop(),
        5 => tensor.data_type = Some(random.below(24) as i32),
        6 => tensor.raw_data = Some(Bytes::from(vec![random.next() as u8; random.below(200)])),
        7 => match pick(&mut tensor.int64_data, random) {
            Some(value) => *value = random.int(),
            None => tensor.int64_data.push(random.int()),
        },
        8 => match pick(&mut tensor.float_data, random) {
            Some(value) => *value = random.float(),
            None => _ = tensor.float_data.pop(),
        },
        9 => tensor.segment = Some(SegmentProto { begin: Some(random.int()), end: Some(random.int()) }),
        _ => {
            tensor.data_location = Some(1);
            let pair = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
            tensor.external_data = vec![
                pair("location", ["missing.bin", "", "../x", "/dev/zero"][random.below(4)].into()),
                pair("offset", random.int().to_string()),
                pair("length", random.int().to_string()),
            ];
        }
    }
}

fn edit_value(input: &mut ValueInfoProto, random: &mut Random) {
    let Some(tensor) = input.ty.as_mut().and_then(|t| t.tensor_type.as_mut()) else {
        input.ty = value("", 1, &[1]).ty;
        return;
    };
    match (random.below(6), &mut tensor.shape) {
        (0, _) => tensor.elem_type = Some(random.below(24) as i32),
        (1, shape) => *shape = None,
        (2, Some(shape)) => {
            shape.dim.push(cnnc_onnx::proto::DimensionProto { dim_value: Some(random.int()), dim_param: None })
        }
        (3, Some(shape)) => _ = shape.dim.pop(),
        (_, Some(shape)) => {
            if let Some(dim) = pick(&mut shape.dim, random) {
                (dim.dim_value, dim.dim_param) =
                    if random.one_in(4) { (None, Some("n".into())) } else { (Some(random.int()), None) };
            }
        }
        _ => {}
    }
}
