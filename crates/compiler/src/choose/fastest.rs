//! The choice for one node in its turn: the fastest that keeps to the bounds.

use super::Chooser;
use crate::CompileError;
use crate::layouts::LayoutOption;
use cnnc_ir::graph::{Candidate, Node, NodeId, Op, ValueId, infer};
use cnnc_lower::{Algorithm, LowerError, choose_among};
use cnnc_tensor::Layout;

/// A way to compute a node.
pub(super) struct Choice {
    pub(super) seconds: f64,
    pub(super) option: LayoutOption,
    pub(super) algorithm: &'static Algorithm,
    pub(super) candidate: Candidate,
    pub(super) is_measured: bool,
}

impl Chooser<'_> {
    /// Chooses for a node, and adds it to the new graph.
    pub(super) fn node(&mut self, id: NodeId, node: &Node) -> Result<(), CompileError> {
        if let Op::Reshape { .. } = node.op {
            return self.reshape(node);
        }
        let (limit, bound) = (self.limit(id), self.bounds.workspace());
        let planned: Vec<LayoutOption> =
            self.planned.get(id.0 as usize).and_then(|&k| self.options(node).into_iter().nth(k)).into_iter().collect();
        // Choices that would take more workspace than they may, with what they take.
        let mut too_large: Vec<(usize, Choice)> = vec![];
        loop {
            // Where nothing in the planned layouts stays within the bounds, any other will do.
            let fastest = self.fastest(id, node, &planned, limit, &too_large);
            let fastest = fastest.or_else(|_| self.fastest(id, node, &self.options(node), limit, &too_large));
            let failure = match fastest {
                Ok(choice) => match self.workspace(node, &choice) {
                    bytes if bytes <= bound => return self.apply(node, choice),
                    bytes => {
                        too_large.push((bytes, choice));
                        continue;
                    }
                },
                Err(failure) => failure,
            };
            let Some((least, choice)) = too_large.into_iter().min_by_key(|(bytes, _)| *bytes) else {
                return Err(failure.into());
            };
            if self.bounds.max_workspace.is_some() {
                return Err(CompileError::WorkspaceBound { node: node.name.clone(), bound, least });
            }
            return self.apply(node, choice);
        }
    }

    /// The layouts and the candidate of least time within a limit of declared error, but for those that are excluded.
    fn fastest(
        &self,
        id: NodeId,
        node: &Node,
        options: &[LayoutOption],
        limit: f64,
        excluded: &[(usize, Choice)],
    ) -> Result<Choice, LowerError> {
        let mut best: Option<Choice> = None;
        let mut failure =
            LowerError::NoAlgorithm { node: node.name.clone(), op: node.op.name(), types: "its operands".into() };
        for option in options {
            let region = self.region(node, option);
            let acceptable = |algorithm: &Algorithm, candidate: &Candidate| {
                (algorithm.error)(&region, candidate, self.target) <= limit
                    && !excluded.iter().any(|(_, c)| c.option == *option && c.candidate == *candidate)
            };
            let measured = self.measured(id, &region, limit).flatten().and_then(|way| {
                let algorithm = cnnc_lower::find(&way.candidate.algorithm)?;
                acceptable(algorithm, &way.candidate).then(|| (algorithm, way.candidate.clone(), way.seconds))
            });
            let is_measured = measured.is_some();
            let found = measured.map_or_else(
                || {
                    choose_among(&region, self.target, &acceptable).map(|(algorithm, candidate)| {
                        let seconds = (algorithm.work)(&region, &candidate, self.target).seconds;
                        (algorithm, candidate, seconds)
                    })
                },
                Ok,
            );
            match found {
                Ok((algorithm, candidate, work)) => {
                    let seconds = work + self.conversion_seconds(node, option);
                    // A measured way goes before all estimates.
                    if best.as_ref().is_none_or(|b| (!is_measured, seconds) < (!b.is_measured, b.seconds)) {
                        best = Some(Choice { seconds, option: option.clone(), algorithm, candidate, is_measured });
                    }
                }
                Err(error) => failure = error,
            }
        }
        best.ok_or(failure)
    }

    /// Bytes of workspace that a choice takes; 0 where it turns out to have no lowering, which is reported later.
    fn workspace(&self, node: &Node, choice: &Choice) -> usize {
        let mut region = self.region(node, &choice.option);
        for packing in (choice.algorithm.packings)(&region, &choice.candidate, self.target) {
            let mut ty = region.inputs[packing.input].with_layout(Layout::Plain);
            for op in &packing.ops {
                let Some(packed) = infer(op, &[&ty]).ok().and_then(|mut types| types.pop()) else { return 0 };
                ty = packed;
            }
            region.inputs[packing.input] = ty;
        }
        let lowering = (choice.algorithm.lower)(&region, &choice.candidate, self.target);
        lowering.map_or(0, |lowering| lowering.workspace_bytes(self.target.threads))
    }

    fn conversion_seconds(&self, node: &Node, option: &LayoutOption) -> f64 {
        let seconds = |(&v, &layout): (&ValueId, &Option<Layout>)| {
            let Some(layout) = layout else { return 0.0 };
            if self.old.constant(v).is_some() || self.versions.contains_key(&(v, layout)) {
                return 0.0;
            }
            self.conversion_of(v)
        };
        node.inputs.iter().zip(&option.inputs).map(seconds).sum()
    }
}
