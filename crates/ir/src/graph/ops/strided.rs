//! Copies between strided arrays of elements of any size: what every operator that only moves data is made of.
//!
//! Bytes are copied as they are. Constants of a hundred million elements are packed this way, so contiguous runs are
//! slice copies, and where source and target run along different axes the two axes are walked in tiles.

/// Edge of a tile of a transposing copy, in elements.
const TILE: isize = 32;

/// A strided array: element `i` lies at element `offset + sum i[a] * strides[a]` of the bytes.
pub(super) struct Strided<B, S> {
    /// The bytes.
    pub bytes: B,
    /// Where element zero lies.
    pub offset: usize,
    /// Distance along each axis, in elements.
    pub strides: S,
}

#[derive(Clone, Copy)]
struct Loop {
    count: isize,
    from: isize,
    to: isize,
}

/// Copies an array of those dims, of elements of `size` bytes (1, 2, 4 or 8).
///
/// # Panics
/// Where an element lies outside its bytes.
pub(super) fn copy(size: usize, dims: &[usize], from: Strided<&[u8], &[isize]>, to: Strided<&mut [u8], &[isize]>) {
    if dims.contains(&0) {
        return;
    }
    let loops = merged(dims, from.strides, to.strides);
    let offsets = (from.offset as isize, to.offset as isize);
    match loops.split_last() {
        None => {
            let (f, t) = (from.offset * size, to.offset * size);
            to.bytes[t..t + size].copy_from_slice(&from.bytes[f..f + size]);
        }
        Some((&Loop { count, from: 1, to: 1 }, outer)) => {
            let run = count as usize * size;
            for_each_offset(outer, offsets, &mut |f, t| {
                let (f, t) = (f as usize * size, t as usize * size);
                to.bytes[t..t + run].copy_from_slice(&from.bytes[f..f + run]);
            });
        }
        Some((&inner, outer)) => match size {
            1 => move_elements::<1>(outer, inner, from.bytes, to.bytes, offsets),
            2 => move_elements::<2>(outer, inner, from.bytes, to.bytes, offsets),
            4 => move_elements::<4>(outer, inner, from.bytes, to.bytes, offsets),
            _ => move_elements::<8>(outer, inner, from.bytes, to.bytes, offsets),
        },
    }
}

/// The loops, without those of one step, neighbours made one where both strides allow it.
fn merged(dims: &[usize], from: &[isize], to: &[isize]) -> Vec<Loop> {
    let mut loops: Vec<Loop> = Vec::with_capacity(dims.len());
    for ((&count, &from), &to) in dims.iter().zip(from).zip(to) {
        let count = count as isize;
        match loops.last_mut() {
            _ if count == 1 => {}
            Some(outer) if outer.from == from * count && outer.to == to * count => {
                *outer = Loop { count: outer.count * count, from, to };
            }
            _ => loops.push(Loop { count, from, to }),
        }
    }
    loops
}

fn move_elements<const N: usize>(outer: &[Loop], inner: Loop, from: &[u8], to: &mut [u8], offsets: (isize, isize)) {
    let from = from.as_chunks::<N>().0;
    let to = to.as_chunks_mut::<N>().0;
    let source_axis = outer.iter().position(|l| l.from.abs() == 1).filter(|_| inner.to == 1);
    let Some(axis) = source_axis else {
        return for_each_offset(outer, offsets, &mut |mut f, mut t| {
            for _ in 0..inner.count {
                to[t as usize] = from[f as usize];
                (f, t) = (f + inner.from, t + inner.to);
            }
        });
    };
    let mut outer = outer.to_vec();
    let across = outer.remove(axis);
    for_each_offset(&outer, offsets, &mut |f, t| {
        for i in (0..across.count).step_by(TILE as usize) {
            for j in (0..inner.count).step_by(TILE as usize) {
                for a in i..(i + TILE).min(across.count) {
                    let (f, t) = (f + a * across.from, t + a * across.to);
                    for b in j..(j + TILE).min(inner.count) {
                        to[(t + b * inner.to) as usize] = from[(f + b * inner.from) as usize];
                    }
                }
            }
        }
    });
}

fn for_each_offset(loops: &[Loop], (from, to): (isize, isize), f: &mut dyn FnMut(isize, isize)) {
    match loops.split_first() {
        None => f(from, to),
        Some((l, rest)) => (0..l.count).for_each(|k| for_each_offset(rest, (from + k * l.from, to + k * l.to), f)),
    }
}

/// Row-major strides of a shape, for [`Strided`].
pub(super) fn row_major(dims: &[usize]) -> Vec<isize> {
    cnnc_tensor::row_major_strides(dims).into_iter().map(|s| s as isize).collect()
}

/// The offsets `sum i[a] * strides[a]` of all index tuples of `dims` in row-major order.
pub(super) fn offsets<'a>(dims: &'a [usize], strides: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let mut index = vec![0; dims.len()];
    let mut offset = 0;
    (0..dims.iter().product::<usize>()).map(move |_| {
        let here = offset;
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            offset -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
        here
    })
}

/// Copies `from` (row-major of `dims`) to `to` (row-major) with the coordinate of axis a replaced by `tables[a]`; an
/// axis without table is taken as it is.
pub(super) fn take(size: usize, dims: &[usize], tables: &[Option<Vec<usize>>], from: &[u8], to: &mut [u8]) {
    let run_axes = tables.iter().rev().take_while(|t| t.is_none()).count();
    let outer = dims.len() - run_axes;
    let run = dims[outer..].iter().product::<usize>() * size;
    let strides: Vec<usize> = cnnc_tensor::row_major_strides(dims).into_iter().map(|s| s * size).take(outer).collect();
    let mut written = 0;
    take_axis(&tables[..outer], dims, &strides, 0, &mut |f| {
        to[written..written + run].copy_from_slice(&from[f..f + run]);
        written += run;
    });
}

fn take_axis(tables: &[Option<Vec<usize>>], dims: &[usize], strides: &[usize], from: usize, f: &mut dyn FnMut(usize)) {
    match tables.split_first() {
        None => f(from),
        Some((Some(table), rest)) => {
            table.iter().for_each(|&k| take_axis(rest, &dims[1..], &strides[1..], from + k * strides[0], f));
        }
        Some((None, rest)) => {
            (0..dims[0]).for_each(|k| take_axis(rest, &dims[1..], &strides[1..], from + k * strides[0], f));
        }
    }
}
