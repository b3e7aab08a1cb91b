//! Bitcasts and shuffles.

use super::function::Emitter;
use super::parts::{Parts, scalar_type, shape, vector_type, width};
use cnnc_ir::kernel::Ty;
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Value, types};

impl Emitter<'_> {
    pub(super) fn bitcast(&mut self, from: Ty, to: Ty, a: &[Value]) -> Parts {
        let (vectors, _) = shape(from);
        let parts = a.iter().enumerate();
        parts
            .map(|(part, &a)| {
                let ty = if part < vectors { vector_type(to.dtype) } else { scalar_type(to.dtype) };
                self.cast(ty, a)
            })
            .collect()
    }

    /// `pick` has a lane number for each lane of `to`, those of `b` after those of `a`.
    pub(super) fn shuffle(&mut self, from: Ty, to: Ty, a: &[Value], b: &[Value], pick: &[u16]) -> Parts {
        let width = width(to.dtype);
        let (from_vectors, _) = shape(from);
        let (vectors, _) = shape(to);
        let (groups, rest) = pick.split_at(vectors * usize::from(width));
        let mut parts = Vec::new();
        for group in groups.chunks(usize::from(width)) {
            let source = |&lane: &u16| {
                let (parts, lane) = if lane < from.lanes { (a, lane) } else { (b, lane - from.lanes) };
                let part = usize::from(lane / width);
                (part < from_vectors).then(|| (parts[part], (lane % width) as u8))
            };
            let sources: Option<Vec<(Value, u8)>> = group.iter().map(source).collect();
            parts.push(match sources {
                Some(sources) => self.gather(&sources),
                None => {
                    let lanes: Vec<Value> = group.iter().map(|&lane| self.pick(from, a, b, lane)).collect();
                    self.vector(to.dtype, &lanes)
                }
            });
        }
        parts.extend(rest.iter().map(|&lane| self.pick(from, a, b, lane)).collect::<Vec<_>>());
        parts
    }

    fn pick(&mut self, from: Ty, a: &[Value], b: &[Value], lane: u16) -> Value {
        if lane < from.lanes { self.lane(from, a, lane) } else { self.lane(from, b, lane - from.lanes) }
    }

    /// A vector of lanes of vectors, two of them at a time.
    fn gather(&mut self, sources: &[(Value, u8)]) -> Value {
        let first = sources[0].0;
        if sources.iter().enumerate().all(|(k, &source)| source == (first, k as u8)) {
            return first;
        }
        let second = sources.iter().map(|source| source.0).find(|&vector| vector != first).unwrap_or(first);
        let near = |vector: Value| vector == first || vector == second;
        if sources.iter().all(|source| near(source.0)) {
            return self.shuffle_two(first, second, sources);
        }
        let here: Vec<_> = sources.iter().map(|&(v, lane)| if near(v) { (v, lane) } else { (first, 0) }).collect();
        let here = self.gather(&here);
        let Some(third) = sources.iter().map(|source| source.0).find(|&vector| !near(vector)) else {
            return here;
        };
        let there: Vec<_> = sources.iter().map(|&(v, lane)| if near(v) { (third, 0) } else { (v, lane) }).collect();
        let there = self.gather(&there);
        let merge = sources.iter().enumerate();
        let merge: Vec<_> = merge.map(|(k, source)| (if near(source.0) { here } else { there }, k as u8)).collect();
        self.shuffle_two(here, there, &merge)
    }

    fn shuffle_two(&mut self, first: Value, second: Value, sources: &[(Value, u8)]) -> Value {
        let ty = self.b.func.dfg.value_type(first);
        let size = 16 / sources.len() as u8;
        let bytes: Vec<u8> = sources
            .iter()
            .flat_map(|&(vector, lane)| {
                let start = if vector == first { 0 } else { 16 } + lane * size;
                start..start + size
            })
            .collect();
        let mask = self.b.func.dfg.immediates.push(ConstantData::from(&bytes[..]));
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        let [first, second] = [first, second].map(|vector| self.b.ins().bitcast(types::I8X16, flags, vector));
        let bytes = self.b.ins().shuffle(first, second, mask);
        self.b.ins().bitcast(ty, flags, bytes)
    }
}
