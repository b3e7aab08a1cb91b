//! Which values share memory: views, results computed in place, and concatenations written by their producers.
//!
//! A *storage* is a piece of memory; every value is a view of one, at an offset. Storages live from their first
//! definition to the last use of any value in them.

use cnnc_ir::graph::{Def, Graph, Node, NodeId, Op, ValueId};
use cnnc_tensor::Layout;

/// What kind of memory a storage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In the arena.
    Arena,
    /// The content of a constant.
    Constant(ValueId),
    /// The k-th input's buffer.
    Input(usize),
    /// The k-th output's buffer.
    Output(usize),
}

/// A piece of memory.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Kind.
    pub kind: Kind,
    /// Size in bytes.
    pub bytes: u64,
    /// Position of the node that first writes it.
    pub first: usize,
    /// Position of the last node that uses it.
    pub last: usize,
    members: Vec<ValueId>,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Which storage.
    pub storage: usize,
    /// Byte offset in it.
    pub offset: u64,
}

/// The storages of a graph under lowering. Nodes are to be visited in order.
#[derive(Debug)]
pub struct Storages<'a> {
    graph: &'a Graph,
    /// All storages.
    pub list: Vec<Storage>,
    views: Vec<Option<View>>,
    /// Position of the last node that uses a value; past the last node for outputs.
    last_use: Vec<usize>,
    /// Operands of concatenations that are written in place: the concatenation's result and the byte offset in it.
    placed: Vec<Option<(ValueId, u64)>>,
}

impl<'a> Storages<'a> {
    /// Plans the storages of a graph whose nodes are chosen.
    pub fn new(graph: &'a Graph) -> Storages<'a> {
        let values = graph.values().count();
        let mut last_use = vec![0; values];
        for (id, node) in graph.nodes() {
            for v in &node.inputs {
                last_use[v.0 as usize] = id.0 as usize;
            }
        }
        let end = graph.nodes().count();
        for output in &graph.outputs {
            for v in [Some(output.value), output.extent].into_iter().flatten() {
                last_use[v.0 as usize] = end;
            }
        }
        let mut storages =
            Storages { graph, list: vec![], views: vec![None; values], last_use, placed: vec![None; values] };
        storages.place_concats();
        storages
    }

    /// Lets the producers of a concatenation's operands write into its result where the operands are contiguous there.
    fn place_concats(&mut self) {
        for (_, node) in self.graph.nodes().rev() {
            let Op::Concat { axis } = node.op else { continue };
            if !contiguous_parts(self.graph, node, axis) {
                continue;
            }
            let mut offset = 0;
            for &v in &node.inputs {
                let fresh = self.graph.producer(v).is_some_and(|p| !is_view(self.graph, self.graph.node(p)));
                let once = node.inputs.iter().filter(|&&w| w == v).count() == 1;
                if fresh && once && !self.graph.is_output(v) && self.placed[v.0 as usize].is_none() {
                    self.placed[v.0 as usize] = Some((node.outputs[0], offset));
                }
                offset += self.graph.ty(v).bytes() as u64;
            }
        }
    }

    /// Whether a concatenation's operand is written in place by its producer.
    pub fn is_placed(&self, operand: ValueId, concat: ValueId) -> bool {
        self.placed[operand.0 as usize].is_some_and(|(parent, _)| parent == concat)
    }

    /// Where a value lies; it must have been defined.
    pub fn view(&mut self, value: ValueId) -> Option<View> {
        if self.views[value.0 as usize].is_none() {
            let kind = match self.graph.value(value).def {
                Def::Input(k) => Kind::Input(k),
                Def::Const(_) | Def::Param(_) => Kind::Constant(value),
                Def::Result(..) => return None,
            };
            self.add(value, kind, 0);
        }
        self.views[value.0 as usize]
    }

    /// Gives a node's result memory of its own (or its part of a concatenation).
    pub fn define(&mut self, value: ValueId, at: usize) -> View {
        if let Some(view) = self.views[value.0 as usize] {
            return view;
        }
        let Some((parent, offset)) = self.placed[value.0 as usize] else {
            return self.add(value, Kind::Arena, at);
        };
        let base = self.define(parent, at);
        self.join(value, View { storage: base.storage, offset: base.offset + offset })
    }

    /// Makes a value a view of another at an offset.
    pub fn define_view(&mut self, value: ValueId, of: View) {
        self.join(value, of);
    }

    /// Makes a node's result overwrite an operand, where nobody needs the operand afterwards.
    pub fn define_in_place(&mut self, node: &Node, id: NodeId, input: usize, output: usize) -> bool {
        let (from, to) = (node.inputs[input], node.outputs[output]);
        let Some(view) = self.view(from) else { return false };
        let storage = &self.list[view.storage];
        let at = id.0 as usize;
        let free = storage.members.iter().all(|v| self.last_use[v.0 as usize] <= at);
        let whole = view.offset == 0 && storage.bytes == self.graph.ty(to).bytes() as u64;
        let fresh = self.placed[to.0 as usize].is_none() && self.views[to.0 as usize].is_none();
        let sharing = node
            .inputs
            .iter()
            .filter(|v| self.views[v.0 as usize].is_some_and(|other| other.storage == view.storage))
            .count();
        if storage.kind != Kind::Arena || !free || !whole || !fresh || sharing != 1 {
            return false;
        }
        self.join(to, view);
        true
    }

    /// Adds memory that only one node needs.
    pub fn add_workspace(&mut self, bytes: u64, at: usize) -> View {
        self.list.push(Storage { kind: Kind::Arena, bytes, first: at, last: at, members: vec![] });
        View { storage: self.list.len() - 1, offset: 0 }
    }

    /// Turns the storage of a graph output into that output's buffer, where it is nothing else.
    pub fn make_output(&mut self, k: usize, value: ValueId) -> bool {
        let Some(view) = self.view(value) else { return false };
        let outputs = self.graph.outputs.iter().filter(|o| {
            [Some(o.value), o.extent]
                .into_iter()
                .flatten()
                .any(|v| self.views[v.0 as usize].is_some_and(|w| w.storage == view.storage))
        });
        let alone = outputs.count() == 1;
        let storage = &mut self.list[view.storage];
        let whole = view.offset == 0 && storage.bytes == self.graph.ty(value).bytes() as u64;
        if storage.kind != Kind::Arena || !alone || !whole {
            return false;
        }
        storage.kind = Kind::Output(k);
        true
    }

    fn add(&mut self, value: ValueId, kind: Kind, at: usize) -> View {
        let bytes = self.graph.ty(value).bytes() as u64;
        self.list.push(Storage { kind, bytes, first: at, last: at, members: vec![] });
        self.join(value, View { storage: self.list.len() - 1, offset: 0 })
    }

    fn join(&mut self, value: ValueId, view: View) -> View {
        let storage = &mut self.list[view.storage];
        storage.members.push(value);
        storage.last = storage.last.max(self.last_use[value.0 as usize]);
        self.views[value.0 as usize] = Some(view);
        view
    }
}

/// Whether a node's result is its operand's memory under another type.
pub fn is_view(graph: &Graph, node: &Node) -> bool {
    match node.op {
        Op::Reshape { .. } => true,
        Op::Convert { layout: Layout::Plain } => {
            let ty = graph.ty(node.inputs[0]);
            let Layout::Blocked(block) = ty.layout else { return true };
            let points = ty.dims[2..].iter().all(|&d| d == 1);
            points && (ty.dims[0] == 1 || ty.dims[1].is_multiple_of(block))
        }
        _ => false,
    }
}

/// Whether the operands of a concatenation lie one after the other in its result.
fn contiguous_parts(graph: &Graph, node: &Node, axis: usize) -> bool {
    let ty = graph.ty(node.outputs[0]);
    if ty.dims[..axis].iter().any(|&d| d != 1) {
        return false;
    }
    match ty.layout {
        Layout::Plain => true,
        Layout::Blocked(block) => {
            let (_, but_last) = match node.inputs.split_last() {
                Some(split) => split,
                None => return false,
            };
            axis == 1 && but_last.iter().all(|&v| graph.ty(v).dims[1].is_multiple_of(block))
        }
    }
}
