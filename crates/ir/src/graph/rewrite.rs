//! A graph made anew: node by node, and without what nobody needs.

use super::{Def, Graph, NodeId, Output, ValueId};

/// Rewrites a graph node by node into a new one: how every pass works. What the new graph does not use is dropped by
/// [`finish`](Rewriter::finish).
pub struct Rewriter<'a> {
    old: &'a Graph,
    /// The graph under construction.
    pub new: Graph,
    map: Vec<Option<ValueId>>,
}

impl<'a> Rewriter<'a> {
    /// Starts from a graph: its inputs are taken over at once, constants when they are first asked for.
    pub fn new(old: &'a Graph) -> Rewriter<'a> {
        let mut new = Graph::new(&old.name);
        let mut map = vec![None; old.values.len()];
        for &input in &old.inputs {
            let value = old.value(input);
            let name = value.name.as_deref().unwrap_or("");
            map[input.0 as usize] = Some(new.add_input(name, value.ty.clone()));
        }
        Rewriter { old, new, map }
    }

    /// The new value that stands for an old one.
    ///
    /// # Panics
    /// Where the old value's producer was not rewritten yet: nodes must be visited in order.
    pub fn get(&mut self, old: ValueId) -> ValueId {
        if let Some(new) = self.map[old.0 as usize] {
            return new;
        }
        let value = self.old.value(old);
        let new = match &value.def {
            Def::Const(tensor) => self.new.add_const(value.name.as_deref(), tensor.clone()),
            Def::Param(tensor) => self.new.add_param(value.name.as_deref(), tensor.clone()),
            _ => panic!("value {old:?} of graph {} asked for before it was rewritten", self.old.name),
        };
        self.map[old.0 as usize] = Some(new);
        new
    }

    /// Lets a new value stand for an old one; the old name is kept where the new value has none.
    pub fn set(&mut self, old: ValueId, new: ValueId) {
        if let (Some(name), None) = (&self.old.value(old).name, &self.new.value(new).name) {
            self.new.set_name(new, name);
        }
        self.map[old.0 as usize] = Some(new);
    }

    /// Whether an old value has been rewritten.
    pub fn has(&self, old: ValueId) -> bool {
        self.map[old.0 as usize].is_some()
    }

    /// Takes a node over as it is (types as they were), on the new operands.
    pub fn copy(&mut self, id: NodeId) {
        let node = self.old.node(id);
        let inputs: Vec<ValueId> = node.inputs.iter().map(|&v| self.get(v)).collect();
        let types = node.outputs.iter().map(|&v| self.old.ty(v).clone()).collect();
        let outputs = self.new.add_typed(&node.name, node.op.clone(), &inputs, types, node.candidate.clone());
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.set(old, new);
        }
    }

    /// Takes the outputs over and returns the new graph without dead nodes and constants.
    pub fn finish(mut self) -> Graph {
        for output in &self.old.outputs {
            let (value, extent) = (self.get(output.value), output.extent.map(|v| self.get(v)));
            self.new.outputs.push(Output { name: output.name.clone(), value, extent });
        }
        self.new.without_dead()
    }
}

impl Graph {
    /// The graph without nodes and constants that no output needs; inputs stay.
    pub fn without_dead(&self) -> Graph {
        let mut live = vec![false; self.values.len()];
        for output in &self.outputs {
            live[output.value.0 as usize] = true;
            if let Some(extent) = output.extent {
                live[extent.0 as usize] = true;
            }
        }
        for node in self.nodes.iter().rev() {
            if node.outputs.iter().any(|v| live[v.0 as usize]) {
                node.inputs.iter().chain(&node.outputs).for_each(|v| live[v.0 as usize] = true);
            }
        }
        let mut new = Graph::new(&self.name);
        let mut map = vec![ValueId(u32::MAX); self.values.len()];
        let mut node_map = vec![NodeId(u32::MAX); self.nodes.len()];
        for (k, node) in self.nodes.iter().enumerate() {
            if node.outputs.iter().any(|v| live[v.0 as usize]) {
                node_map[k] = NodeId(new.nodes.len() as u32);
                new.nodes.push(node.clone());
            }
        }
        for (k, value) in self.values.iter().enumerate() {
            let input = matches!(value.def, Def::Input(_));
            if live[k] || input {
                let def = match value.def {
                    Def::Result(node, result) => Def::Result(node_map[node.0 as usize], result),
                    ref other => other.clone(),
                };
                map[k] = new.new_value(value.name.clone(), value.ty.clone(), def);
                if input {
                    new.inputs.push(map[k]);
                }
            }
        }
        let renamed = |v: ValueId| map[v.0 as usize];
        for node in &mut new.nodes {
            node.inputs.iter_mut().chain(&mut node.outputs).for_each(|v| *v = renamed(*v));
        }
        new.outputs = self.outputs.clone();
        for output in &mut new.outputs {
            output.value = renamed(output.value);
            output.extent = output.extent.map(renamed);
        }
        new
    }
}
