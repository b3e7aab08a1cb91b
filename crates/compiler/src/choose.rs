//! Choice: layout and candidate of every node, by least estimated time, conversions included.
//!
//! Layouts are settled over the whole graph first ([`layout_plan`](crate::layout_plan)); then each node in order takes the
//! fastest candidate in its layouts. Conversions are inserted where they are needed and shared by all users; constants are
//! converted and packed at once. After it every node but reshapes has a candidate, and graph outputs are plain.
//!
//! Where the fastest candidates together break the bound on the network's error, [`budget`](crate::budget) gives each
//! node a limit of declared error, and the walk is repeated within them.

mod fastest;
mod rewrite;

use crate::budget::{self, Alternative};
use crate::fuse_separable::fuse_separable;
use crate::layout_plan::{LayoutPlan, NodeOption};
use crate::layouts::{LayoutOption, layout_options};
use crate::shapes::layer_of;
use crate::{Bounds, Choices, CompileError, MeasuredWay};
use cnnc_ir::graph::{Candidate, Graph, Node, NodeId, Op, Output, TensorType, ValueId};
use cnnc_lower::{Algorithm, Breadth, Region, choose_among, cost};
use cnnc_tensor::{Layout, Target};
pub(crate) use rewrite::fold_chain;
use std::collections::{HashMap, HashSet};

/// A graph with its choices made.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// A candidate on every node, layouts settled and weights packed.
    pub graph: Graph,
    /// Names of the nodes whose candidates were measured.
    pub measured: HashSet<String>,
}

/// The graph with a candidate on every node, layouts settled and weights packed, all by estimate.
pub fn choose(graph: &Graph, target: &Target, bounds: &Bounds) -> Result<Graph, CompileError> {
    choose_with(graph, target, bounds, &Choices::default()).map(|chosen| chosen.graph)
}

/// As [`choose`], with measured choices where there are some.
pub fn choose_with(graph: &Graph, target: &Target, bounds: &Bounds, choices: &Choices) -> Result<Chosen, CompileError> {
    let fused = fuse_separable(graph, target, choices).map(|fused| choose_nodes(&fused, target, bounds, choices));
    match fused {
        // Where layers in one do not keep to a bound, they may do so apart.
        Some(Err(CompileError::WorkspaceBound { .. } | CompileError::ErrorBound { .. })) | None => {
            choose_nodes(graph, target, bounds, choices)
        }
        Some(done) => done,
    }
}

fn choose_nodes(graph: &Graph, target: &Target, bounds: &Bounds, choices: &Choices) -> Result<Chosen, CompileError> {
    let fastest = choose_within(graph, target, bounds, choices, None)?;
    if budget::network_error(declared_errors(&fastest.graph, target)) <= bounds.max_error {
        return Ok(fastest);
    }
    let chooser = Chooser::new(graph, target, bounds, choices, None);
    let alternatives: Vec<Vec<Alternative>> = graph.nodes().map(|(_, node)| chooser.alternatives(node)).collect();
    let limits = budget::limits(&alternatives, bounds.max_error)
        .map_err(|floor| CompileError::ErrorBound { bound: bounds.max_error, floor: budget::two_digits_up(floor) })?;
    choose_within(graph, target, bounds, choices, Some(&limits))
}

/// The declared error of every chosen node of a graph.
fn declared_errors(graph: &Graph, target: &Target) -> Vec<f64> {
    let chosen = graph.nodes().filter_map(|(_, node)| Some((node, node.candidate.as_ref()?)));
    let declared = chosen.map(|(node, candidate)| {
        let algorithm = cnnc_lower::find(&candidate.algorithm)?;
        Some((algorithm.error)(&Region::of(graph, node), candidate, target))
    });
    declared.map(Option::unwrap_or_default).collect()
}

/// The choice with a limit of declared error for each node of the graph.
fn choose_within(
    graph: &Graph,
    target: &Target,
    bounds: &Bounds,
    choices: &Choices,
    limits: Option<&[f64]>,
) -> Result<Chosen, CompileError> {
    let mut chooser = Chooser::new(graph, target, bounds, choices, limits);
    chooser.refuse_unlisted()?;
    chooser.planned = chooser.plan();
    for &input in graph.inputs() {
        let value = graph.value(input);
        let id = chooser.new.add_input(value.name.as_deref().unwrap_or(""), value.ty.clone());
        chooser.versions.insert((input, value.ty.layout), id);
    }
    for (id, node) in graph.nodes() {
        chooser.node(id, node)?;
    }
    for output in &graph.outputs {
        let value = chooser.version(output.value, Layout::Plain)?;
        let extent = output.extent.map(|v| chooser.version(v, Layout::Plain)).transpose()?;
        chooser.new.outputs.push(Output { name: output.name.clone(), value, extent });
    }
    Ok(Chosen { graph: chooser.new.without_dead(), measured: chooser.measured })
}

struct Chooser<'a> {
    old: &'a Graph,
    new: Graph,
    target: &'a Target,
    bounds: &'a Bounds,
    choices: &'a Choices,
    /// The workload of each node that is a layer with measured choices.
    workloads: Vec<Option<String>>,
    /// Names of nodes that took one of them.
    measured: HashSet<String>,
    /// The largest declared error of each node.
    limits: Option<&'a [f64]>,
    /// The option of each node in the plan of layouts.
    planned: Vec<usize>,
    /// New values by old value and layout.
    versions: HashMap<(ValueId, Layout), ValueId>,
    /// Packed constants by new value and packing.
    packed: HashMap<(ValueId, Vec<Op>), ValueId>,
}

impl<'a> Chooser<'a> {
    fn new(
        graph: &'a Graph,
        target: &'a Target,
        bounds: &'a Bounds,
        choices: &'a Choices,
        limits: Option<&'a [f64]>,
    ) -> Chooser<'a> {
        let (versions, packed) = (HashMap::new(), HashMap::new());
        let listed = |node: &Node| {
            let workload = layer_of(graph, node)?.workload();
            (choices.strict || !choices.ways(target.isa, &workload).is_empty()).then_some(workload)
        };
        let asked = !choices.is_empty() || choices.strict;
        let workloads = graph.nodes().map(|(_, node)| if asked { listed(node) } else { None }).collect();
        let (planned, measured) = (vec![], HashSet::new());
        let new = Graph::new(&graph.name);
        Chooser { old: graph, new, target, bounds, choices, workloads, measured, limits, planned, versions, packed }
    }

    /// Where only listed layers are allowed, all others at once.
    fn refuse_unlisted(&self) -> Result<(), CompileError> {
        let unlisted = |workload: &&String| self.choices.ways(self.target.isa, workload).is_empty();
        let mut missing: Vec<String> = self.workloads.iter().flatten().filter(unlisted).cloned().collect();
        missing.sort_unstable();
        missing.dedup();
        if self.choices.strict && !missing.is_empty() {
            return Err(CompileError::NotLocked { isa: self.target.isa, layers: missing });
        }
        Ok(())
    }

    /// The measured way of a node in some layouts: `None` where the node has no measured ways that keep to the limit,
    /// else the way, if there is one in these layouts.
    fn measured(&self, id: NodeId, region: &Region, limit: f64) -> Option<Option<&MeasuredWay>> {
        let workload = self.workloads.get(id.0 as usize)?.as_deref()?;
        let legal = |way: &&MeasuredWay| {
            let algorithm = cnnc_lower::find(&way.candidate.algorithm);
            let here = (way.input, way.output) == (region.inputs[0].layout, region.outputs[0].layout);
            !here || algorithm.is_some_and(|a| (a.error)(region, &way.candidate, self.target) <= limit)
        };
        let mut ways = self.choices.ways(self.target.isa, workload).iter().filter(legal).peekable();
        ways.peek()?;
        Some(ways.find(|way| (way.input, way.output) == (region.inputs[0].layout, region.outputs[0].layout)))
    }

    fn options(&self, node: &Node) -> Vec<LayoutOption> {
        let types: Vec<&TensorType> = node.inputs.iter().map(|&v| self.old.ty(v)).collect();
        layout_options(&node.op, &types, self.old.ty(node.outputs[0]), self.target.lanes)
    }

    /// The options of every node that take the least time together.
    fn plan(&self) -> Vec<usize> {
        let options = self.old.nodes().map(|(id, node)| {
            if let Op::Reshape { .. } = node.op {
                let inputs = vec![Some(Layout::Plain); node.inputs.len()];
                return vec![NodeOption { inputs, output: Layout::Plain, seconds: 0.0 }];
            }
            let limit = self.limit(id);
            let options = self.options(node).into_iter().map(|option| {
                let region = self.region(node, &option);
                if let Some(way) = self.measured(id, &region, limit) {
                    let seconds = way.map_or(f64::INFINITY, |way| way.seconds);
                    return NodeOption { inputs: option.inputs, output: option.output, seconds };
                }
                let within = |a: &Algorithm, c: &Candidate| (a.error)(&region, c, self.target) <= limit;
                let fastest = choose_among(&region, self.target, &within);
                let seconds = fastest.map_or(f64::INFINITY, |(a, c)| (a.work)(&region, &c, self.target).seconds);
                NodeOption { inputs: option.inputs, output: option.output, seconds }
            });
            options.collect()
        });
        LayoutPlan::new(self.old, options.collect(), |value| self.conversion_of(value)).solve()
    }

    /// The largest declared error that a node may have.
    fn limit(&self, id: NodeId) -> f64 {
        self.limits.and_then(|limits| limits.get(id.0 as usize)).copied().unwrap_or(f64::INFINITY)
    }

    /// All ways to compute a node, in any layout; none for views.
    fn alternatives(&self, node: &Node) -> Vec<Alternative> {
        if let Op::Reshape { .. } = node.op {
            return vec![];
        }
        let mut found = vec![];
        for option in self.options(node) {
            let region = self.region(node, &option);
            found.extend(cnnc_lower::candidates(&region, self.target, Breadth::Offered).iter().map(
                |(algorithm, candidate)| Alternative {
                    error: (algorithm.error)(&region, candidate, self.target),
                    seconds: (algorithm.work)(&region, candidate, self.target).seconds,
                },
            ));
        }
        found
    }

    /// The node as an option sees it.
    fn region<'b>(&'b self, node: &'b Node, option: &LayoutOption) -> Region<'b> {
        let input = |(&v, &layout): (&ValueId, &Option<Layout>)| {
            let layout = layout.unwrap_or_else(|| self.present_layout(v));
            self.old.ty(v).with_layout(layout)
        };
        Region {
            name: &node.name,
            op: &node.op,
            inputs: node.inputs.iter().zip(&option.inputs).map(input).collect(),
            constants: node.inputs.iter().map(|&v| self.old.constant(v)).collect(),
            outputs: node.outputs.iter().map(|&v| self.old.ty(v).with_layout(option.output)).collect(),
        }
    }

    /// A layout that a value has already: plain if it has that.
    fn present_layout(&self, old: ValueId) -> Layout {
        let blocked = Layout::Blocked(self.target.lanes);
        let only_blocked =
            !self.versions.contains_key(&(old, Layout::Plain)) && self.versions.contains_key(&(old, blocked));
        if only_blocked { blocked } else { Layout::Plain }
    }

    /// Seconds of a value's conversion to another layout.
    fn conversion_of(&self, value: ValueId) -> f64 {
        cost::conversion(self.old.ty(value), self.target)
    }
}
