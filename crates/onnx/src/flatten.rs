//! Model-local functions inlined: the model's nodes as one list.
//!
//! Values inside a function get the name of the calling node as a prefix, and so do its nodes, so that names stay
//! unique and say where they come from. Attribute references are resolved from the call or the function's defaults.

use crate::proto::{AttributeProto, FunctionProto, ModelProto, NodeProto, OperatorSetIdProto};
use std::borrow::Cow;
use std::collections::HashMap;

/// Most nodes that a model may have once functions are inlined.
const MAX_NODES: usize = 1 << 18;
/// Most bytes that the names of inlined nodes and their values may take.
const MAX_NAMES: usize = 256 << 20;
/// Deepest call of functions by functions.
const MAX_DEPTH: usize = 64;

/// A node after inlining.
pub struct FlatNode<'a> {
    /// The node, with the names of its values as they are in the flat graph.
    pub proto: Cow<'a, NodeProto>,
    /// Name, with the callers' names before it.
    pub name: String,
    /// Version of ONNX's own operator set that holds for it.
    pub opset: i64,
}

/// `""` for ONNX's own domain, which has two names.
pub fn domain_of(domain: Option<&str>) -> &str {
    match domain {
        None | Some("ai.onnx") => "",
        Some(other) => other,
    }
}

/// The version of ONNX's own operator set in a list of imports. Models of the first IR versions have none: it is 1.
pub fn opset_of(imports: &[OperatorSetIdProto]) -> i64 {
    let own = imports.iter().find(|o| domain_of(o.domain.as_deref()).is_empty());
    own.and_then(|o| o.version).unwrap_or(1)
}

type Functions<'a> = HashMap<(&'a str, &'a str, &'a str), &'a FunctionProto>;

/// What a name or an attribute of a function body stands for.
struct Scope<'s> {
    prefix: String,
    names: HashMap<&'s str, String>,
    attributes: HashMap<&'s str, &'s AttributeProto>,
}

impl Scope<'_> {
    fn name(&self, name: &str) -> String {
        match self.names.get(name) {
            Some(actual) => actual.clone(),
            None if name.is_empty() => String::new(),
            None => format!("{}{name}", self.prefix),
        }
    }

    fn attribute(&self, attribute: &AttributeProto) -> Option<AttributeProto> {
        match attribute.ref_attr_name.as_deref() {
            None | Some("") => Some(attribute.clone()),
            Some(reference) => self.attributes.get(reference).map(|&actual| AttributeProto {
                name: attribute.name.clone(),
                ref_attr_name: None,
                ..actual.clone()
            }),
        }
    }

    fn node(&self, node: &NodeProto) -> NodeProto {
        NodeProto {
            input: node.input.iter().map(|n| self.name(n)).collect(),
            output: node.output.iter().map(|n| self.name(n)).collect(),
            name: node.name.clone(),
            op_type: node.op_type.clone(),
            domain: node.domain.clone(),
            overload: node.overload.clone(),
            attribute: node.attribute.iter().filter_map(|a| self.attribute(a)).collect(),
        }
    }
}

/// All nodes of a model, functions inlined, in the model's order.
pub fn flatten(model: &ModelProto) -> Result<Vec<FlatNode<'_>>, String> {
    let mut functions = Functions::new();
    for f in &model.functions {
        let key =
            (domain_of(f.domain.as_deref()), f.name.as_deref().unwrap_or(""), f.overload.as_deref().unwrap_or(""));
        if functions.insert(key, f).is_some() {
            return Err(format!("function '{}' of domain '{}' is defined twice", key.1, key.0));
        }
    }
    let mut inliner = Inliner { functions, stack: vec![], flat: vec![], names: 0 };
    let opset = opset_of(&model.opset_import);
    let nodes = model.graph.as_ref().map_or(&[][..], |g| &g.node);
    for (k, node) in nodes.iter().enumerate() {
        inliner.expand(Cow::Borrowed(node), node_name(node, k), opset)?;
    }
    Ok(inliner.flat)
}

fn node_name(node: &NodeProto, k: usize) -> String {
    match node.name.as_deref() {
        None | Some("") => format!("{}_{k}", node.op_type.as_deref().unwrap_or("")),
        Some(name) => name.to_string(),
    }
}

struct Inliner<'a> {
    functions: Functions<'a>,
    /// The functions that are being expanded, outermost first.
    stack: Vec<&'a FunctionProto>,
    flat: Vec<FlatNode<'a>>,
    /// Bytes of names made.
    names: usize,
}

impl<'a> Inliner<'a> {
    fn push(&mut self, proto: Cow<'a, NodeProto>, name: String, opset: i64) -> Result<(), String> {
        if matches!(proto, Cow::Owned(_)) {
            let values = proto.input.iter().chain(&proto.output).map(String::len).sum::<usize>();
            self.names = self.names.saturating_add(values).saturating_add(name.len());
            if self.flat.len() >= MAX_NODES || self.names > MAX_NAMES {
                return Err(format!(
                    "inlining the model's functions gives more than {MAX_NODES} nodes or too long names"
                ));
            }
        }
        self.flat.push(FlatNode { proto, name, opset });
        Ok(())
    }

    fn expand(&mut self, node: Cow<'a, NodeProto>, name: String, opset: i64) -> Result<(), String> {
        let key = (
            domain_of(node.domain.as_deref()),
            node.op_type.as_deref().unwrap_or(""),
            node.overload.as_deref().unwrap_or(""),
        );
        let Some(&function) = self.functions.get(&key) else { return self.push(node, name, opset) };
        if self.stack.len() >= MAX_DEPTH {
            return Err(format!("functions call functions more than {MAX_DEPTH} deep at node '{name}'"));
        }
        if self.stack.iter().any(|&f| std::ptr::eq(f, function)) {
            return Err(format!("function '{}' of domain '{}' calls itself (node '{name}')", key.1, key.0));
        }
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return Err(format!(
                "node '{name}' gives function '{}' {} operands and {} results; it has {} and {}",
                key.1,
                node.input.len(),
                node.output.len(),
                function.input.len(),
                function.output.len()
            ));
        }
        let prefix = format!("{name}/");
        let mut names = HashMap::new();
        for (k, formal) in function.input.iter().enumerate() {
            names.insert(formal.as_str(), node.input.get(k).cloned().unwrap_or_default());
        }
        let mut copies = vec![];
        for (formal, actual) in function.output.iter().zip(&node.output).filter(|(_, actual)| !actual.is_empty()) {
            match names.get(formal.as_str()) {
                // an operand handed through, or one result wanted under two names
                Some(source) => copies.push((source.clone(), actual.clone())),
                None => {
                    names.insert(formal.as_str(), actual.clone());
                }
            }
        }
        let defaults = function.attribute_proto.iter().filter_map(|a| Some((a.name.as_deref()?, a)));
        let given = node.attribute.iter().filter_map(|a| Some((a.name.as_deref()?, a)));
        let scope = Scope { prefix, names, attributes: defaults.chain(given).collect() };
        let inner_opset = if function.opset_import.is_empty() { opset } else { opset_of(&function.opset_import) };
        self.stack.push(function);
        for (k, inner) in function.node.iter().enumerate() {
            let inner_name = format!("{}{}", scope.prefix, node_name(inner, k));
            self.expand(Cow::Owned(scope.node(inner)), inner_name, inner_opset)?;
        }
        for (source, target) in copies {
            let copy = NodeProto {
                input: vec![source],
                output: vec![target],
                op_type: Some("Identity".into()),
                ..NodeProto::default()
            };
            self.push(Cow::Owned(copy), name.clone(), inner_opset)?;
        }
        self.stack.pop();
        Ok(())
    }
}
