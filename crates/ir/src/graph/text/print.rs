//! Printing.

use super::{attributes, constants};
use crate::graph::{Candidate, Def, Graph, Node, TensorType, Value, ValueId};
use cnnc_tensor::Layout;
use std::fmt;
use std::path::Path;

/// Prints as `f32[1,3,224,224]`, blocked as `f32[1,64,56,56]/c16`.
impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (k, dim) in self.dims.iter().enumerate() {
            write!(f, "{}{dim}", if k > 0 { "," } else { "" })?;
        }
        f.write_str("]")?;
        if self.layout == Layout::Plain { Ok(()) } else { write!(f, "/{}", self.layout) }
    }
}

/// Prints as `direct(mr=14, nv=2)`.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params: Vec<String> = self.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
        write!(f, "{}({})", self.algorithm, params.join(", "))
    }
}

/// Prints what [`parse_graph`](super::parse_graph) reads, if every large constant is one that a small seed makes.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self, None).map_err(|_| fmt::Error)?)
    }
}

/// The graph's text, the content of its large constants in files of the folder, which is made where it is missing.
///
/// # Errors
/// Where the folder cannot be written.
pub fn print_with_constants(graph: &Graph, folder: &Path) -> std::io::Result<String> {
    print(graph, Some(folder))
}

fn print(graph: &Graph, folder: Option<&Path>) -> std::io::Result<String> {
    let mut lines = vec![format!("graph {} {{", quoted(&graph.name))];
    for (id, value) in graph.values() {
        let defined = |what: String| format!("  {} = {what}", definition(id, value));
        match &value.def {
            Def::Input(_) => lines.push(defined("input".to_string())),
            Def::Const(tensor) => lines.push(defined(format!("const {}", constants::print(tensor, folder)?))),
            Def::Param(tensor) => lines.push(defined(format!("param {}", constants::print(tensor, folder)?))),
            Def::Result(node, 0) => lines.push(statement(graph, graph.node(*node))),
            Def::Result(..) => {}
        }
    }
    for output in &graph.outputs {
        let extent = output.extent.map(|id| format!(" extent %{}", id.0)).unwrap_or_default();
        lines.push(format!("  output {} %{}{extent}", quoted(&output.name), output.value.0));
    }
    lines.push("}\n".to_string());
    Ok(lines.join("\n"))
}

fn definition(id: ValueId, value: &Value) -> String {
    let name = value.name.as_deref().map(|n| format!(" {}", quoted(n))).unwrap_or_default();
    format!("%{}{name}: {}", id.0, value.ty)
}

fn statement(graph: &Graph, node: &Node) -> String {
    let results: Vec<String> = node.outputs.iter().map(|&id| definition(id, graph.value(id))).collect();
    let mut text = format!("  {} = {}", results.join(", "), node.op.name());
    let operands: Vec<String> = node.inputs.iter().map(|id| format!("%{}", id.0)).collect();
    for part in [operands.join(", "), attributes::print(&node.op)] {
        if !part.is_empty() {
            text = format!("{text} {part}");
        }
    }
    if let Some(candidate) = &node.candidate {
        text = format!("{text} @{candidate}");
    }
    if node.name.is_empty() { text } else { format!("{text} {}", quoted(&node.name)) }
}

/// A name in quotes: quotes and backslashes escaped by a backslash, control characters as `\u{..}`.
fn quoted(name: &str) -> String {
    let mut text = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            _ if c.is_control() => text.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}
