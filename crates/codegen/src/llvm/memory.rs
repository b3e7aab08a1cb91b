//! Loads and stores.
//!
//! Accesses are aligned to the element only. Masked ones use LLVM's masked intrinsics, which touch no byte of a lane
//! that is masked off; their addresses may lie outside the buffer where no lane is on.

use super::function::Emitter;
use super::text;
use cnnc_ir::kernel::{Buf, Ty, Val};
use cnnc_tensor::DType;

/// One access: what is common to loads and stores.
struct Access {
    address: String,
    /// Type in memory, and the same as a vector (which a scalar becomes for the masked intrinsics).
    memory: String,
    vector: String,
    suffix: String,
    /// The mask, of type `mask_ty`, if not all lanes are touched.
    mask: Option<String>,
    mask_ty: String,
    align: String,
    metadata: String,
}

impl Emitter<'_> {
    pub(super) fn load(&mut self, ty: Ty, buffer: Buf, index: Val, count: Option<Val>) -> String {
        let Access { address, memory, vector, suffix, mask, mask_ty, align, metadata } =
            self.access(ty, buffer, index, count);
        let loaded = match mask {
            None => self.value(format_args!("load {memory}, ptr {address}, align {align}{metadata}")),
            Some(mask) => {
                let name = format!("llvm.masked.load.{suffix}.p0");
                let arguments = [("ptr", &*address), ("i32", &align), (&mask_ty, &mask), (&vector, "zeroinitializer")];
                let loaded = self.call_with(&name, &vector, &arguments, &metadata);
                self.reshape(&loaded, &vector, &memory)
            }
        };
        if ty.dtype == DType::Bool {
            let zero = text::splat("i8", ty.lanes, "0");
            return self.value(format_args!("icmp ne {memory} {loaded}, {zero}"));
        }
        loaded
    }

    pub(super) fn store(&mut self, buffer: Buf, index: Val, value: Val, count: Option<Val>) {
        let ty = self.kernel.ty(value);
        let Access { address, memory, vector, suffix, mask, mask_ty, align, metadata } =
            self.access(ty, buffer, index, count);
        let mut value = self.operand(value);
        if ty.dtype == DType::Bool {
            value = self.value(format_args!("zext {} {value} to {memory}", text::ty(ty)));
        }
        let Some(mask) = mask else {
            return self.line(format_args!("store {memory} {value}, ptr {address}, align {align}{metadata}"));
        };
        value = self.reshape(&value, &memory, &vector);
        let arguments = [(&*vector, &*value), ("ptr", &address), ("i32", &align), (&mask_ty, &mask)];
        self.call_with(&format!("llvm.masked.store.{suffix}.p0"), "void", &arguments, &metadata);
    }

    /// Into the second-level cache: there are more lines under way than the first level could hold.
    pub(super) fn prefetch(&mut self, buffer: Buf, index: Val) {
        const READ: &str = "0";
        const SECOND_LEVEL: &str = "2";
        const DATA: &str = "1";
        let element = text::memory_element(self.kernel.buffers[buffer.0 as usize].dtype);
        let index = self.operand(index);
        let address = self.value(format_args!("getelementptr {element}, ptr %b{}, i64 {index}", buffer.0));
        let arguments = [("ptr", &*address), ("i32", READ), ("i32", SECOND_LEVEL), ("i32", DATA)];
        self.call_with("llvm.prefetch.p0", "void", &arguments, "");
    }

    fn access(&mut self, ty: Ty, buffer: Buf, index: Val, count: Option<Val>) -> Access {
        let element = text::memory_element(ty.dtype);
        let count = count.filter(|&c| self.known(c) != Some(i64::from(ty.lanes)));
        let mask = count.map(|count| self.mask(ty, count));
        let inside = if mask.is_none() { " inbounds" } else { "" };
        let index = self.operand(index);
        Access {
            address: self.value(format_args!("getelementptr{inside} {element}, ptr %b{}, i64 {index}", buffer.0)),
            memory: text::vector(element, ty.lanes),
            vector: format!("<{} x {element}>", ty.lanes),
            suffix: format!("v{}{}", ty.lanes, text::suffix(element, 1)),
            mask,
            mask_ty: format!("<{} x i1>", ty.lanes),
            align: ty.dtype.size().to_string(),
            metadata: self.access_metadata(buffer),
        }
    }

    /// `lane < count` for each lane, compared in integers as wide as the element: what the instruction set wants.
    fn mask(&mut self, ty: Ty, count: Val) -> String {
        let element = text::integer(ty.dtype.size());
        let count = self.operand(count);
        let count = if element == "i64" { count } else { self.value(format_args!("trunc i64 {count} to {element}")) };
        let vector = format!("<{} x {element}>", ty.lanes);
        let first = self.value(format_args!("insertelement {vector} poison, {element} {count}, i32 0"));
        let counts = self.value(format_args!(
            "shufflevector {vector} {first}, {vector} poison, <{} x i32> zeroinitializer",
            ty.lanes
        ));
        let lanes = text::numbers(element, 0..i64::from(ty.lanes));
        self.value(format_args!("icmp slt {vector} {lanes}, {counts}"))
    }

    fn reshape(&mut self, value: &str, from: &str, to: &str) -> String {
        if from == to { value.into() } else { self.value(format_args!("bitcast {from} {value} to {to}")) }
    }
}
