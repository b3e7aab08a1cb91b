//! Adjacent axes made one, so that loops are few and rows long.

/// Groups of adjacent axes that may be walked as one. `key` says what matters about an axis (`None` for an axis of one
/// element, which fits anywhere): neighbours of equal keys are joined, unless one of them is `apart`.
pub fn groups<K: PartialEq>(
    rank: usize,
    key: impl Fn(usize) -> Option<K>,
    apart: impl Fn(usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Vec<usize>, Option<K>)> = Vec::new();
    for axis in 0..rank {
        let own = key(axis);
        match groups.last_mut() {
            Some((group, kept))
                if !apart(axis) && !apart(group[0]) && (kept.is_none() || own.is_none() || *kept == own) =>
            {
                group.push(axis);
                *kept = kept.take().or(own);
            }
            _ => groups.push((vec![axis], own)),
        }
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

/// The dims of the groups: products of the dims of their axes. At least one axis: a scalar has one of one element.
pub fn merged_dims(groups: &[Vec<usize>], dims: &[usize]) -> Vec<usize> {
    let merged: Vec<usize> = groups.iter().map(|group| group.iter().map(|&axis| dims[axis]).product()).collect();
    if merged.is_empty() { vec![1] } else { merged }
}

/// Dims aligned to the last axis of a shape of `rank` axes, missing ones 1.
pub fn aligned_dims(dims: &[usize], rank: usize) -> Vec<usize> {
    [vec![1; rank.saturating_sub(dims.len())], dims.to_vec()].concat()
}
