//! `resize`: separable resampling by index and weight tables.

use super::check::{self, Inferred, all_plain, at_least, ensure, list};
use super::number::{Evaluated, Number, zeros};
use super::strided;
use crate::graph::TensorType;
use cnnc_tensor::{DType, Layout, Tensor};

/// A blocked operand keeps its layout where only spatial axes are resampled.
pub(in crate::graph) fn infer(axes: &[usize], sizes: &[usize], inputs: &[&TensorType]) -> Inferred {
    let ([x], tables) = at_least::<1>(inputs)?;
    all_plain(tables)?;
    check::axes(axes, x)?;
    check::one_each("sizes", sizes.len(), axes.len(), x)?;
    ensure(x.layout == Layout::Plain || axes.iter().all(|&a| a >= 2), || {
        format!("a blocked operand is resampled along spatial axes only, got {x}, axes {axes:?}")
    })?;
    ensure(tables.len() == 2 * axes.len(), || {
        format!("takes an index and a weight table for each of the axes {axes:?}, got {}", list(tables))
    })?;
    let mut dims = x.dims.clone();
    for ((&axis, &size), pair) in axes.iter().zip(sizes).zip(tables.chunks(2)) {
        let (index, weight) = (pair[0], pair[1]);
        let fits = index.dtype == DType::I64
            && weight.dtype == DType::F32
            && index.dims == weight.dims
            && matches!(index.dims[..], [out, taps] if out == size && taps > 0);
        ensure(fits, || format!("tables {index}, {weight} of axis {axis} do not give {size} elements"))?;
        ensure(x.dtype.is_float() || index.dims[1] == 1, || {
            format!("{} taps along axis {axis} need floats, got {x}", index.dims[1])
        })?;
        ensure(size == 0 || x.dims[axis] > 0, || format!("axis {axis} of {x} is empty"))?;
        dims[axis] = size;
    }
    Ok(vec![TensorType { dims, ..x.clone() }])
}

/// One axis after the other in f64, rounded once at the end; copies bytes where every table has one tap of weight 1.
pub(in crate::graph) fn eval(axes: &[usize], inputs: &[&Tensor], ty: &TensorType) -> Evaluated {
    let x = inputs[0];
    let mut tables = Vec::with_capacity(axes.len());
    for (&axis, pair) in axes.iter().zip(inputs[1..].chunks(2)) {
        let inside = |i: i64| usize::try_from(i).ok().filter(|&i| i < x.dims()[axis]);
        let index: Option<Vec<usize>> = pair[0].to_i64_vec().into_iter().map(inside).collect();
        let index = index.ok_or_else(|| format!("an index lies outside axis {axis} of dims {:?}", x.dims()))?;
        tables.push(Table { axis, taps: pair[0].dims()[1], index, weight: pair[1].to_f64_vec() });
    }
    if tables.iter().all(|t| t.taps == 1 && t.weight.iter().all(|&w| w == 1.0)) {
        let mut taken = vec![None; x.dims().len()];
        tables.into_iter().for_each(|t| taken[t.axis] = Some(t.index));
        let mut out = zeros(ty)?;
        strided::take(x.dtype().size(), x.dims(), &taken, x.bytes(), out.bytes_mut());
        return Ok(vec![out]);
    }
    if !x.dtype().is_float() {
        return Err(format!("{} cannot be weighted", x.dtype()));
    }
    let (mut values, mut dims) = (x.to_f64_vec(), x.dims().to_vec());
    for table in &tables {
        values = table.apply(&values, &mut dims);
    }
    Ok(vec![f64::tensor(ty, &values)?])
}

/// What one axis is resampled by.
struct Table {
    axis: usize,
    taps: usize,
    index: Vec<usize>,
    weight: Vec<f64>,
}

impl Table {
    fn apply(&self, values: &[f64], dims: &mut [usize]) -> Vec<f64> {
        let size = std::mem::replace(&mut dims[self.axis], self.index.len() / self.taps);
        let inner: usize = dims[self.axis + 1..].iter().product();
        let mut out = vec![0.0; dims.iter().product()];
        if out.is_empty() {
            return out;
        }
        for (row, out) in out.chunks_exact_mut(inner).enumerate() {
            let (outer, at) = (row / dims[self.axis], row % dims[self.axis]);
            for tap in at * self.taps..(at + 1) * self.taps {
                let source = &values[(outer * size + self.index[tap]) * inner..][..inner];
                out.iter_mut().zip(source).for_each(|(o, v)| *o += self.weight[tap] * v);
            }
        }
        out
    }
}
