//! Layouts over the whole graph: which option every node takes, by least time of nodes and conversions together.
//!
//! A value whose only user is one node makes its producer that node's child: the graph falls into trees, and over a tree
//! dynamic programming finds the best options exactly, given the layouts around it. Trees are taken in turn, last first,
//! until none changes; a step is kept only where the time of the whole graph falls, so the result is never worse than the
//! start, the greedy choice. A chain or a tree is one step, hence optimal; elsewhere two more starts help.

use cnnc_ir::graph::{Def, Graph, NodeId, ValueId};
use cnnc_tensor::Layout;

/// Sweeps over all trees.
const SWEEPS: usize = 6;

/// One option of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeOption {
    /// Layout wanted for each operand; `None` takes it as it comes.
    pub inputs: Vec<Option<Layout>>,
    /// Layout of the results.
    pub output: Layout,
    /// Seconds; infinite where no algorithm takes it.
    pub seconds: f64,
}

/// The problem: options of every node, and what a conversion of a value costs.
pub struct LayoutPlan<'a> {
    graph: &'a Graph,
    options: Vec<Vec<NodeOption>>,
    conversion: Box<dyn Fn(ValueId) -> f64 + 'a>,
    /// Uses of each value: node and operand.
    users: Vec<Vec<(NodeId, usize)>>,
    /// Whether a value has to be plain in the end.
    plain: Vec<bool>,
}

impl<'a> LayoutPlan<'a> {
    /// `options` has at least one option for every node, in the graph's order.
    pub fn new(
        graph: &'a Graph,
        options: Vec<Vec<NodeOption>>,
        conversion: impl Fn(ValueId) -> f64 + 'a,
    ) -> LayoutPlan<'a> {
        let count = graph.values().count();
        let (mut users, mut plain) = (vec![vec![]; count], vec![false; count]);
        for (id, node) in graph.nodes() {
            for (k, v) in node.inputs.iter().enumerate() {
                users[v.0 as usize].push((id, k));
            }
        }
        for output in &graph.outputs {
            for v in [Some(output.value), output.extent].into_iter().flatten() {
                plain[v.0 as usize] = true;
            }
        }
        LayoutPlan { graph, options, conversion: Box::new(conversion), users, plain }
    }

    /// The option of every node: the best of what three starts lead to.
    pub fn solve(&self) -> Vec<usize> {
        let possible = |options: &Vec<NodeOption>| -> Vec<usize> {
            (0..options.len()).filter(|&k| options[k].seconds.is_finite()).collect()
        };
        let first = |options| possible(options).first().copied().unwrap_or_default();
        let last = |options| possible(options).last().copied().unwrap_or_default();
        let starts = [self.greedy(), self.options.iter().map(first).collect(), self.options.iter().map(last).collect()];
        let ends: Vec<Vec<usize>> = starts.into_iter().map(|start| self.descend(start)).collect();
        let best = least(ends.iter().map(|chosen| self.seconds(chosen)));
        ends.into_iter().nth(best).unwrap_or_default()
    }

    /// Improves tree after tree until none changes.
    fn descend(&self, mut chosen: Vec<usize>) -> Vec<usize> {
        let mut seconds = self.seconds(&chosen);
        let roots: Vec<NodeId> = self.graph.nodes().map(|(id, _)| id).filter(|&id| self.parent(id).is_none()).collect();
        for _ in 0..SWEEPS {
            let mut changed = false;
            for &root in roots.iter().rev() {
                let mut next = chosen.clone();
                self.improve(root, &chosen, &mut next);
                let after = self.seconds(&next);
                if next != chosen && after < seconds {
                    (chosen, seconds, changed) = (next, after, true);
                }
            }
            if !changed {
                break;
            }
        }
        chosen
    }

    /// Each node in order takes the option that is cheapest given those before it.
    fn greedy(&self) -> Vec<usize> {
        let mut chosen = vec![];
        for (id, node) in self.graph.nodes() {
            let cost = |option: &NodeOption| {
                let wanted = node.inputs.iter().zip(&option.inputs);
                let conversions = wanted.map(|(&v, &layout)| self.mismatch(v, layout, &chosen)).sum::<f64>();
                option.seconds + conversions
            };
            chosen.push(least(self.options[id.0 as usize].iter().map(cost)));
        }
        chosen
    }

    /// Time of all nodes and conversions.
    fn seconds(&self, chosen: &[usize]) -> f64 {
        let nodes: f64 = chosen.iter().zip(&self.options).map(|(&k, options)| options[k].seconds).sum();
        let values = self.graph.values().map(|(v, _)| v);
        nodes + values.filter(|&v| self.is_converted(v, chosen, None)).map(|v| (self.conversion)(v)).sum::<f64>()
    }

    /// The layout that a value is made in; `None` for constants, which take any.
    fn made(&self, value: ValueId, chosen: &[usize]) -> Option<Layout> {
        match self.graph.value(value).def {
            Def::Const(_) | Def::Param(_) => None,
            Def::Input(_) => Some(self.graph.ty(value).layout),
            Def::Result(node, _) => {
                let at = node.0 as usize;
                Some(self.options[at][*chosen.get(at)?].output)
            }
        }
    }

    /// Whether some user, but for one that is left out, needs a value in another layout than it is made in.
    fn is_converted(&self, value: ValueId, chosen: &[usize], without: Option<NodeId>) -> bool {
        let Some(made) = self.made(value, chosen) else { return false };
        let differs = |&(node, operand): &(NodeId, usize)| {
            let at = node.0 as usize;
            Some(node) != without && self.options[at][chosen[at]].inputs[operand].is_some_and(|wanted| wanted != made)
        };
        (self.plain[value.0 as usize] && made != Layout::Plain) || self.users[value.0 as usize].iter().any(differs)
    }

    /// What it costs to want a value in a layout.
    fn mismatch(&self, value: ValueId, wanted: Option<Layout>, chosen: &[usize]) -> f64 {
        match (wanted, self.made(value, chosen)) {
            (Some(wanted), Some(made)) if wanted != made => (self.conversion)(value),
            _ => 0.0,
        }
    }

    /// The only user of a node's only result.
    fn parent(&self, node: NodeId) -> Option<NodeId> {
        let [result] = self.graph.node(node).outputs[..] else { return None };
        match self.users[result.0 as usize][..] {
            [(user, _)] if !self.plain[result.0 as usize] => Some(user),
            _ => None,
        }
    }

    fn children(&self, node: NodeId) -> Vec<(usize, NodeId)> {
        let inputs = self.graph.node(node).inputs.iter().enumerate();
        let child = |(k, &v): (usize, &ValueId)| match self.graph.value(v).def {
            Def::Result(producer, _) if self.parent(producer) == Some(node) => Some((k, producer)),
            _ => None,
        };
        inputs.filter_map(child).collect()
    }

    /// Sets the options of a tree to the best ones given the layouts around it.
    fn improve(&self, root: NodeId, chosen: &[usize], next: &mut [usize]) {
        // The tree, parents first.
        let mut order = vec![root];
        let mut done = 0;
        while let Some(&node) = order.get(done) {
            order.extend(self.children(node).into_iter().map(|(_, child)| child));
            done += 1;
        }
        // Least seconds of the subtree of a node under each of its options, and the options of its children then.
        let mut best: Vec<Option<Vec<Subtree>>> = vec![None; self.options.len()];
        for &node in order.iter().rev() {
            let options = self.options[node.0 as usize].iter();
            let subtrees = options.map(|option| self.subtree(node, option, chosen, &best)).collect();
            best[node.0 as usize] = Some(subtrees);
        }
        let Some(subtrees) = &best[root.0 as usize] else { return };
        let above = |option: &NodeOption| {
            let made = |&v: &ValueId| {
                let mut assumed = chosen.to_vec();
                assumed[root.0 as usize] =
                    self.options[root.0 as usize].iter().position(|o| o == option).unwrap_or_default();
                if self.is_converted(v, &assumed, None) { (self.conversion)(v) } else { 0.0 }
            };
            self.graph.node(root).outputs.iter().map(made).sum::<f64>()
        };
        let options = &self.options[root.0 as usize];
        next[root.0 as usize] = least(subtrees.iter().zip(options).map(|(tree, option)| tree.seconds + above(option)));
        for &node in &order {
            if let Some(subtrees) = &best[node.0 as usize] {
                for &(child, option) in &subtrees[next[node.0 as usize]].children {
                    next[child.0 as usize] = option;
                }
            }
        }
    }

    fn subtree(&self, node: NodeId, option: &NodeOption, chosen: &[usize], best: &[Option<Vec<Subtree>>]) -> Subtree {
        let children = self.children(node);
        let mut tree = Subtree { seconds: option.seconds, children: vec![] };
        for (k, &value) in self.graph.node(node).inputs.iter().enumerate() {
            let wanted = option.inputs[k];
            let child = children.iter().find(|(operand, _)| *operand == k).map(|(_, child)| *child);
            let Some((child, subtrees)) = child.and_then(|c| Some((c, best[c.0 as usize].as_ref()?))) else {
                // Someone else may pay for the conversion already.
                if !self.is_converted(value, chosen, Some(node)) {
                    tree.seconds += self.mismatch(value, wanted, chosen);
                }
                continue;
            };
            let cost = |(below, own): (&Subtree, &NodeOption)| {
                let converted = wanted.is_some_and(|wanted| wanted != own.output);
                below.seconds + if converted { (self.conversion)(value) } else { 0.0 }
            };
            let costs: Vec<f64> = subtrees.iter().zip(&self.options[child.0 as usize]).map(cost).collect();
            let at = least(costs.iter().copied());
            tree.seconds += costs[at];
            tree.children.push((child, at));
        }
        tree
    }
}

/// A subtree under one option of its root.
#[derive(Clone, Debug)]
struct Subtree {
    seconds: f64,
    /// Options of the root's children.
    children: Vec<(NodeId, usize)>,
}

/// Index of the least, the first among equals.
fn least(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::INFINITY);
    for (k, value) in values.enumerate() {
        if value < best.1 {
            best = (k, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnnc_ir::expr::UnaryOp;
    use cnnc_ir::graph::{Op, TensorType};
    use cnnc_tensor::DType;

    const BLOCKED: Layout = Layout::Blocked(8);

    /// A graph of maps: `edges[k]` are the values that node k reads, 0 being the graph's input.
    fn graph(edges: &[&[usize]]) -> Graph {
        let mut graph = Graph::new("test");
        let mut values = vec![graph.add_input("x", TensorType::plain(DType::F32, &[1, 8, 4, 4]))];
        for (k, inputs) in edges.iter().enumerate() {
            let inputs: Vec<ValueId> = inputs.iter().map(|&v| values[v]).collect();
            let op = match inputs.len() {
                1 => Op::unary(UnaryOp::Relu),
                _ => Op::binary(cnnc_ir::expr::BinaryOp::Add),
            };
            values.push(graph.add(&format!("n{k}"), op, &inputs).unwrap()[0]);
        }
        graph.add_output("y", *values.last().unwrap());
        graph
    }

    fn options(inputs: usize, plain: f64, blocked: f64) -> Vec<NodeOption> {
        let option = |layout, seconds| NodeOption { inputs: vec![Some(layout); inputs], output: layout, seconds };
        vec![option(Layout::Plain, plain), option(BLOCKED, blocked)]
    }

    #[test]
    fn a_chain_is_converted_as_a_whole_where_no_single_node_gains() {
        let graph = graph(&[&[0], &[1], &[2]]);
        let costs = || vec![options(1, 4.0, 2.0), options(1, 4.0, 2.0), options(1, 4.0, 2.0)];
        assert_eq!(LayoutPlan::new(&graph, costs(), |_| 2.5).solve(), [1, 1, 1]);
        assert_eq!(LayoutPlan::new(&graph, costs(), |_| 3.5).solve(), [0, 0, 0]);
    }

    #[test]
    fn every_small_graph_gets_what_trying_all_finds() {
        // Trees and shared values; costs from a fixed sequence.
        let graphs: [&[&[usize]]; 4] = [
            &[&[0], &[1], &[2], &[3]],
            &[&[0], &[0], &[1, 2], &[3]],
            &[&[0], &[0], &[2], &[1, 3], &[4]],
            &[&[0], &[1], &[2, 1], &[3]],
        ];
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / f64::from(1 << 24)
        };
        let (mut exact, mut all) = (0, 0);
        for _ in 0..50 {
            for edges in graphs {
                let graph = graph(edges);
                let costs: Vec<_> = edges.iter().map(|e| options(e.len(), random(), random())).collect();
                let plan = LayoutPlan::new(&graph, costs, |_| 0.3);
                let least = (0..1usize << edges.len())
                    .map(|bits| plan.seconds(&(0..edges.len()).map(|k| bits >> k & 1).collect::<Vec<_>>()))
                    .fold(f64::INFINITY, f64::min);
                let found = plan.seconds(&plan.solve());
                assert!(found <= plan.seconds(&plan.greedy()) + 1e-12);
                all += 1;
                exact += usize::from(found <= least + 1e-12);
            }
        }
        assert!(exact * 100 >= all * 95, "{exact} of {all} are optimal");
    }
}
