//! A kernel as an LLVM module in text: entry, loops, branches and variables.
//!
//! The text holds no name of the kernel or its buffers: kernels that differ in names only give the same text. Variables
//! are stack slots of the entry block, which LLVM turns into SSA values. Accesses to buffers that cannot overlap carry
//! alias scopes that say so; all buffers that may alias share one scope.
//!
//! Text, not LLVM's builder functions: alias scopes, loop metadata and assumptions are not reachable through a safe
//! builder interface, an ill-typed instruction is an error instead of undefined behaviour, and the text of a kernel is
//! its identity (equal text is compiled once).

use super::text;
use cnnc_ir::kernel::{Axis, Buf, Inst, Kernel, Role, Stmt, Val};
use cnnc_tensor::Isa;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What cannot be expressed: a bug of the lowering.
pub(super) type Result<T> = std::result::Result<T, String>;

/// The name of the function in the module.
pub(super) const SYMBOL: &str = "kernel";

/// The module of a kernel.
pub(super) fn module(kernel: &Kernel, isa: Isa) -> Result<String> {
    let mut emitter = Emitter::new(kernel, isa);
    emitter.entry();
    emitter.statements(&kernel.body)?;
    Ok(emitter.finish())
}

/// Whether the kernel computes on explicit vectors: then LLVM is not to make other ones.
pub(super) fn has_vectors(kernel: &Kernel) -> bool {
    kernel.values.iter().any(|ty| ty.lanes > 1)
}

/// Emits one kernel.
pub(super) struct Emitter<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) isa: Isa,
    /// Instructions so far.
    body: String,
    /// What each value is called, or its text if it is a constant.
    operands: Vec<String>,
    /// Values of the constants, as i64.
    constants: Vec<Option<i64>>,
    names: u32,
    /// Label of the block that instructions go to.
    block: String,
    /// Declarations of the intrinsics used.
    declarations: BTreeSet<String>,
    /// Metadata nodes, by number.
    metadata: Vec<String>,
    /// Metadata of the accesses to each buffer.
    access: Vec<String>,
}

impl<'k> Emitter<'k> {
    fn new(kernel: &'k Kernel, isa: Isa) -> Emitter<'k> {
        let mut emitter = Emitter {
            kernel,
            isa,
            body: String::new(),
            operands: vec![String::new(); kernel.values.len()],
            constants: vec![None; kernel.values.len()],
            names: 0,
            block: "entry".into(),
            declarations: BTreeSet::new(),
            metadata: vec![],
            access: vec![],
        };
        emitter.alias_scopes();
        emitter
    }

    /// Gives each buffer the metadata of its loads and stores: its scope, the scopes it does not touch, and whether
    /// its content is constant.
    fn alias_scopes(&mut self) {
        let domain = self.node("!{!\"cnnc\"}".into());
        let mut shared = None;
        let scopes: Vec<usize> = (self.kernel.buffers.iter().enumerate())
            .map(|(k, buffer)| match shared {
                Some(scope) if buffer.may_alias => scope,
                _ => {
                    let scope = self.node(format!("!{{!\"{k}\", !{domain}}}"));
                    shared = shared.or(buffer.may_alias.then_some(scope));
                    scope
                }
            })
            .collect();
        let invariant = self.node("!{}".into());
        for (buffer, &own) in self.kernel.buffers.iter().zip(&scopes) {
            let others: BTreeSet<usize> = scopes.iter().copied().filter(|&s| s != own).collect();
            let mut access = String::new();
            if !others.is_empty() {
                let list: Vec<String> = others.iter().map(|s| format!("!{s}")).collect();
                let own = self.node(format!("!{{!{own}}}"));
                let others = self.node(format!("!{{{}}}", list.join(", ")));
                access = format!(", !alias.scope !{own}, !noalias !{others}");
            }
            if buffer.role == Role::Read && !buffer.may_alias {
                access += &format!(", !invariant.load !{invariant}");
            }
            self.access.push(access);
        }
    }

    /// Loads the buffers' addresses, states what is known of the arguments and makes the variables.
    fn entry(&mut self) {
        let mut slot = 0;
        for (k, buffer) in self.kernel.buffers.iter().enumerate() {
            if buffer.role == Role::Scratch {
                let offset = self.kernel.scratch_offset(Buf(k as u32));
                self.line(format_args!("%b{k} = getelementptr inbounds i8, ptr %scratch, i64 {offset}"));
                continue;
            }
            let bytes = buffer.elems * buffer.dtype.size();
            let mut known = String::new();
            if bytes > 0 {
                let size = self.node(format!("!{{i64 {bytes}}}"));
                known = format!(", !dereferenceable !{size}");
            }
            let address = self.value(format_args!("getelementptr inbounds ptr, ptr %buffers, i64 {slot}"));
            self.line(format_args!("%b{k} = load ptr, ptr {address}, align 8{known}"));
            slot += 1;
        }
        for (left, order, right) in [("%begin", "sge", "0"), ("%end", "sle", &self.kernel.extent.to_string())] {
            let holds = self.value(format_args!("icmp {order} i64 {left}, {right}"));
            self.call("llvm.assume", "void", &[("i1", &holds)]);
        }
        for (k, &ty) in self.kernel.vars.iter().enumerate() {
            self.line(format_args!("%x{k} = alloca {}", text::ty(ty)));
        }
    }

    fn statements(&mut self, statements: &[Stmt]) -> Result<()> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt) -> Result<()> {
        match statement {
            Stmt::Let(value, Inst::Const(scalar)) => {
                let ty = self.kernel.ty(*value);
                let constant = text::splat(text::element(ty.dtype), ty.lanes, &text::scalar(*scalar));
                self.constants[value.0 as usize] = Some(scalar.to_i64());
                self.define(*value, constant);
            }
            Stmt::Let(value, inst) => {
                let result = self.instruction(self.kernel.ty(*value), inst)?;
                self.define(*value, result);
            }
            Stmt::Set(var, value) => {
                let (ty, value) = (text::ty(self.kernel.ty(*value)), self.operand(*value));
                self.line(format_args!("store {ty} {value}, ptr %x{}", var.0));
            }
            Stmt::Store { buffer, index, value, count } => self.store(*buffer, *index, *value, *count),
            Stmt::Prefetch { buffer, index } => self.prefetch(*buffer, *index),
            Stmt::For { axis, index, begin, end, step, body } => {
                let bounds = (self.constants[begin.0 as usize], self.constants[end.0 as usize]);
                match (axis, bounds) {
                    (Axis::Unrolled, (Some(begin), Some(end))) => {
                        for counter in (begin..end).step_by(usize::try_from(*step).map_err(|e| e.to_string())?) {
                            self.constants[index.0 as usize] = Some(counter);
                            self.define(*index, counter.to_string());
                            self.statements(body)?;
                        }
                    }
                    (Axis::Parallel, _) => self.counted_loop(*index, "%begin", "%end", *step, body)?,
                    _ => {
                        let (begin, end) = (self.operand(*begin), self.operand(*end));
                        self.counted_loop(*index, &begin, &end, *step, body)?;
                    }
                }
            }
            Stmt::If { cond, then, otherwise } => {
                let (cond, label) = (self.operand(*cond), self.fresh());
                self.line(format_args!("br i1 {cond}, label %then{label}, label %else{label}"));
                for (name, branch) in [("then", then), ("else", otherwise)] {
                    self.begin_block(format!("{name}{label}"));
                    self.statements(branch)?;
                    self.line(format_args!("br label %join{label}"));
                }
                self.begin_block(format!("join{label}"));
            }
        }
        Ok(())
    }

    fn counted_loop(&mut self, index: Val, begin: &str, end: &str, step: i64, body: &[Stmt]) -> Result<()> {
        let (before, label) = (self.block.clone(), self.fresh());
        self.line(format_args!("br label %head{label}"));
        self.begin_block(format!("head{label}"));
        let counter = format!("%i{label}");
        self.line(format_args!("{counter} = phi i64 [ {begin}, %{before} ], [ %n{label}, %latch{label} ]"));
        let more = self.value(format_args!("icmp slt i64 {counter}, {end}"));
        self.line(format_args!("br i1 {more}, label %body{label}, label %exit{label}"));
        self.begin_block(format!("body{label}"));
        self.define(index, counter.clone());
        self.statements(body)?;
        self.line(format_args!("br label %latch{label}"));
        self.begin_block(format!("latch{label}"));
        self.line(format_args!("%n{label} = add nsw i64 {counter}, {step}"));
        self.line(format_args!("br label %head{label}"));
        self.begin_block(format!("exit{label}"));
        Ok(())
    }

    fn finish(mut self) -> String {
        self.line(format_args!("ret void"));
        let (cpu, width) = (self.isa.name(), 32 * self.isa.lanes());
        let mut module = format!(
            "target triple = \"x86_64-unknown-linux-gnu\"\n\n\
             define void @{SYMBOL}(ptr noalias nocapture noundef readonly %buffers, i64 noundef %begin, \
             i64 noundef %end, ptr noalias nocapture align 64 %scratch) #0 align 64 {{\nentry:\n{}}}\n\n",
            self.body
        );
        for declaration in &self.declarations {
            module += &format!("declare {declaration}\n");
        }
        module += &format!(
            "\nattributes #0 = {{ nofree norecurse nosync nounwind mustprogress \"no-builtins\" \"target-cpu\"=\"{cpu}\" \
             \"prefer-vector-width\"=\"{width}\" \"denormal-fp-math\"=\"dynamic,dynamic\" }}\n\n"
        );
        for (k, node) in self.metadata.iter().enumerate() {
            module += &format!("!{k} = {node}\n");
        }
        module
    }

    /// What a value is called.
    pub(super) fn operand(&self, value: Val) -> String {
        self.operands[value.0 as usize].clone()
    }

    /// The value of a constant, as i64.
    pub(super) fn known(&self, value: Val) -> Option<i64> {
        self.constants[value.0 as usize]
    }

    /// Metadata of the accesses to a buffer.
    pub(super) fn access_metadata(&self, buffer: Buf) -> String {
        self.access[buffer.0 as usize].clone()
    }

    /// Emits an instruction with a result; returns the result's name.
    pub(super) fn value(&mut self, instruction: std::fmt::Arguments) -> String {
        let name = format!("%t{}", self.fresh());
        self.line(format_args!("{name} = {instruction}"));
        name
    }

    /// Calls an intrinsic with arguments (type, value); returns the result's name, empty for `void`.
    pub(super) fn call(&mut self, intrinsic: &str, result: &str, arguments: &[(&str, &str)]) -> String {
        self.call_with(intrinsic, result, arguments, "")
    }

    /// [`call`](Emitter::call) with metadata.
    pub(super) fn call_with(
        &mut self,
        intrinsic: &str,
        result: &str,
        arguments: &[(&str, &str)],
        metadata: &str,
    ) -> String {
        let types: Vec<&str> = arguments.iter().map(|a| a.0).collect();
        self.declarations.insert(format!("{result} @{intrinsic}({})", types.join(", ")));
        let list: Vec<String> = arguments.iter().map(|(ty, value)| format!("{ty} {value}")).collect();
        let call = format!("call {result} @{intrinsic}({}){metadata}", list.join(", "));
        if result == "void" {
            self.line(format_args!("{call}"));
            return String::new();
        }
        self.value(format_args!("{call}"))
    }

    /// Emits an instruction without a result.
    pub(super) fn line(&mut self, instruction: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "  {instruction}");
    }

    fn begin_block(&mut self, label: String) {
        let _ = writeln!(self.body, "{label}:");
        self.block = label;
    }

    fn define(&mut self, value: Val, operand: String) {
        self.operands[value.0 as usize] = operand;
    }

    fn fresh(&mut self) -> u32 {
        self.names += 1;
        self.names
    }

    fn node(&mut self, node: String) -> usize {
        self.metadata.push(node);
        self.metadata.len() - 1
    }
}
