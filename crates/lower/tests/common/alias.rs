//! Lets an operand and a result of a lowering share memory, as the memory planner may.

use cnnc_ir::kernel::{Buf, Inst, Kernel, Role, Stmt};
use cnnc_lower::{Lowering, Operand};

/// The lowering with one of its `in_place` pairs made one buffer in every kernel; its `in_place` holds only that pair.
/// `None` where a kernel sees the two as different element types (the interpreter has no untyped memory).
pub fn shared(lowering: &Lowering, input: usize, output: usize) -> Option<Lowering> {
    let mut shared = lowering.clone();
    shared.in_place = vec![(input, output)];
    shared.workspace = lowering.workspace.clone();
    for (number, step) in shared.steps.iter_mut().enumerate() {
        let kernel = &mut shared.kernels[step.kernel];
        assert!(
            lowering.steps.iter().filter(|s| s.kernel == step.kernel).count() == 1,
            "kernel {} is called twice (step {number})",
            kernel.name
        );
        let bound: Vec<usize> =
            (0..kernel.buffers.len()).filter(|&k| kernel.buffers[k].role != Role::Scratch).collect();
        let place = |wanted: Operand| step.operands.iter().position(|&o| o == wanted).map(|k| bound[k]);
        let from = place(Operand::Input(input));
        let Some(to) = place(Operand::Output(output)) else {
            if from.is_some() && number > 0 {
                rebind(step, input, output);
            }
            continue;
        };
        let Some(from) = from else { continue };
        if kernel.buffers[from].dtype != kernel.buffers[to].dtype {
            return None;
        }
        assert!(kernel.buffers[from].may_alias && kernel.buffers[to].may_alias, "{}: not marked", kernel.name);
        merge(kernel, Buf(from as u32), Buf(to as u32));
    }
    Some(shared)
}

/// Whether a lowering came from [`shared`]: then its results start with the operand's content.
pub fn is_shared(lowering: &Lowering) -> bool {
    lowering.in_place.len() == 1 && lowering.kernels.iter().any(|k| k.buffers.iter().any(|b| b.name == "shared"))
}

fn rebind(step: &mut cnnc_lower::Step, input: usize, output: usize) {
    for operand in &mut step.operands {
        if *operand == Operand::Input(input) {
            *operand = Operand::Output(output);
        }
    }
}

fn merge(kernel: &mut Kernel, from: Buf, to: Buf) {
    let result = &mut kernel.buffers[to.0 as usize];
    result.role = Role::ReadWrite;
    result.name = "shared".into();
    rename(&mut kernel.body, from, to);
}

fn rename(body: &mut [Stmt], from: Buf, to: Buf) {
    for stmt in body {
        match stmt {
            Stmt::Let(_, Inst::Load { buffer, .. }) if *buffer == from => *buffer = to,
            Stmt::For { body, .. } => rename(body, from, to),
            Stmt::If { then, otherwise, .. } => {
                rename(then, from, to);
                rename(otherwise, from, to);
            }
            _ => {}
        }
    }
}
