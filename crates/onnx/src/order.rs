//! The order in which nodes are imported: every value before its uses, the model's own order where that is one.

use crate::flatten::FlatNode;
use std::collections::HashMap;

/// Indices of the nodes that the outputs need, in topological order. `given` holds the names that stand without a
/// node: inputs and initializers. Cycles, values defined twice and values defined nowhere are errors.
pub fn sort(nodes: &[FlatNode], given: &[&str], outputs: &[&str]) -> Result<Vec<usize>, String> {
    const GIVEN: usize = usize::MAX;
    let mut makers: HashMap<&str, usize> = given.iter().map(|&name| (name, GIVEN)).collect();
    for (k, node) in nodes.iter().enumerate() {
        for name in node.proto.output.iter().filter(|name| !name.is_empty()) {
            if let Some(other) = makers.insert(name, k) {
                let other = if other == GIVEN { "an input or initializer" } else { nodes[other].name.as_str() };
                return Err(format!("value '{name}' is defined twice: by node '{}' and by {other}", node.name));
            }
        }
    }
    let operands = |k: usize| nodes[k].proto.input.iter().filter(|name| !name.is_empty());
    for (k, node) in nodes.iter().enumerate() {
        for name in operands(k) {
            if !makers.contains_key(name.as_str()) {
                let op = node.proto.op_type.as_deref().unwrap_or("");
                return Err(format!("node '{}' ({op}) uses the value '{name}', which nothing defines", node.name));
            }
        }
    }
    let order = topological(nodes, &makers, GIVEN)?;
    let mut live = vec![false; nodes.len()];
    for &name in outputs {
        match makers.get(name) {
            None => return Err(format!("output '{name}' is defined by nothing")),
            Some(&GIVEN) => {}
            Some(&k) => live[k] = true,
        }
    }
    for &k in order.iter().rev() {
        if live[k] {
            operands(k)
                .filter_map(|name| makers.get(name.as_str()))
                .filter(|&&m| m != GIVEN)
                .for_each(|&m| live[m] = true);
        }
    }
    Ok(order.into_iter().filter(|&k| live[k]).collect())
}

/// Depth-first order over all nodes, without recursion.
fn topological(nodes: &[FlatNode], makers: &HashMap<&str, usize>, given: usize) -> Result<Vec<usize>, String> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut state = vec![State::New; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    for start in 0..nodes.len() {
        if state[start] == State::Done {
            continue;
        }
        let mut path = vec![(start, 0)];
        state[start] = State::Open;
        while let Some((k, next)) = path.last_mut() {
            let k = *k;
            let Some(name) = nodes[k].proto.input.get(*next) else {
                state[k] = State::Done;
                order.push(k);
                path.pop();
                continue;
            };
            *next += 1;
            let Some(&maker) = makers.get(name.as_str()).filter(|&&m| m != given) else { continue };
            match state[maker] {
                State::Done => {}
                State::New => {
                    state[maker] = State::Open;
                    path.push((maker, 0));
                }
                State::Open => {
                    let from = path.iter().position(|&(p, _)| p == maker).unwrap_or(0);
                    let names: Vec<&str> = path[from..].iter().take(8).map(|&(p, _)| nodes[p].name.as_str()).collect();
                    return Err(format!("the graph has a cycle through the nodes {}", names.join(", ")));
                }
            }
        }
    }
    Ok(order)
}
