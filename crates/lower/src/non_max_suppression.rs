//! NonMaxSuppression: of overlapping boxes the one of highest score is kept, for each batch and class apart.
//!
//! First kernel, parallel over batches and classes: the boxes above the score threshold are collected in scratch; then,
//! once for each box to be selected, one pass over those left takes the best (the first among equals) and drops those
//! that overlap the one taken before it by more than the threshold. Second kernel: the selections are joined in order of
//! batch, class and score, the rest of the result is zeroed. Boxes without area overlap nothing.

use crate::copy_kernel::not_here;
use crate::row_copy::parallel_items;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Ty, Val, Var};
use cnnc_tensor::{DType, Layout, Target};

/// Selection of boxes.
pub static NON_MAX_SUPPRESSION: Algorithm = Algorithm {
    name: "non_max_suppression",
    about: "of overlapping boxes the best is kept",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Generic,
    candidates: |region, _, _| suppression(region).map_or(vec![], |_| vec![Candidate::new("non_max_suppression", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, _| {
        let scores = region.inputs[1].count() as f64;
        Work { flops: 0.0, seconds: scores * 10e-9 + region.outputs[0].count() as f64 * 20e-9 }
    },
    lower,
};

struct Suppression {
    center_point: bool,
    batches: usize,
    classes: usize,
    boxes: usize,
    /// Boxes selected of a class and batch at most.
    most: usize,
    iou_threshold: f32,
    score_threshold: f32,
}

fn suppression(region: &Region) -> Option<Suppression> {
    let &Op::NonMaxSuppression { center_point, per_class, iou_threshold, score_threshold } = region.op else {
        return None;
    };
    let (boxes, scores) = (&region.inputs[0], &region.inputs[1]);
    let typed = |ty: &cnnc_ir::graph::TensorType| ty.dtype == DType::F32 && ty.layout == Layout::Plain;
    (typed(boxes) && typed(scores)).then(|| Suppression {
        center_point,
        batches: scores.dims[0],
        classes: scores.dims[1],
        boxes: scores.dims[2],
        most: per_class.min(scores.dims[2]),
        iou_threshold: f32::from_bits(iou_threshold),
        score_threshold: f32::from_bits(score_threshold),
    })
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let Some(suppression) = suppression(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    let rows = suppression.batches * suppression.classes;
    let selected = lowering.workspace(rows * suppression.most * 8);
    let counts = lowering.workspace(rows * 8);
    if rows * suppression.most > 0 {
        let operands = vec![Operand::Input(0), Operand::Input(1), selected, counts];
        lowering.call(suppression.select(), operands);
    }
    lowering.call(suppression.join(), vec![selected, counts, Operand::Output(0), Operand::Output(1)]);
    Ok(lowering.finish())
}

/// Boxes still in the race, as parallel lists; a box is two corners.
#[derive(Clone, Copy)]
struct Lists {
    sides: [Buf; 4],
    scores: Buf,
    numbers: Buf,
}

impl Lists {
    fn sides(&self, b: &mut KernelBuilder, at: Val) -> [Val; 4] {
        self.sides.map(|side| b.load(side, at, 1))
    }
}

impl Suppression {
    fn select(&self) -> Kernel {
        let (n, rows) = (self.boxes, self.batches * self.classes);
        let mut b = KernelBuilder::new("non_max_suppression_select");
        let boxes = b.buffer("boxes", DType::F32, self.batches * n * 4, Role::Read);
        let scores = b.buffer("scores", DType::F32, rows * n, Role::Read);
        let selected = b.buffer("selected", DType::I64, rows * self.most, Role::Write);
        let counts = b.buffer("counts", DType::I64, rows, Role::Write);
        let lists = Lists {
            sides: ["low0", "low1", "high0", "high1"].map(|side| b.buffer(side, DType::F32, n, Role::Scratch)),
            scores: b.buffer("left", DType::F32, n, Role::Scratch),
            numbers: b.buffer("numbers", DType::I64, n, Role::Scratch),
        };
        let (left, best) = (b.var(Ty::INDEX), b.var(Ty::INDEX));
        let best_score = b.var(Ty::scalar(DType::F32));
        let taken = b.var(Ty::INDEX);
        let last: [Var; 4] = [0; 4].map(|_| b.var(Ty::scalar(DType::F32)));
        b.parallel(rows, |b, row| {
            let (batch, _) = b.div_rem(row, self.classes as i64);
            let zero = b.index(0);
            b.set(left, zero);
            b.serial(0, n as i64, |b, k| {
                let at = b.address(0, &[(row, n as i64), (k, 1)]);
                let score = b.load(scores, at, 1);
                let collect = |b: &mut KernelBuilder| {
                    let first = b.address(0, &[(batch, n as i64 * 4), (k, 4)]);
                    let at = b.get(left);
                    let sides = self.corners(b, boxes, first);
                    lists.sides.iter().zip(sides).for_each(|(&list, side)| b.store(list, at, side));
                    b.store(lists.scores, at, score);
                    b.store(lists.numbers, at, k);
                    let next = b.offset(at, 1);
                    b.set(left, next);
                };
                if self.score_threshold == f32::NEG_INFINITY {
                    return collect(b);
                }
                let threshold = b.f32(self.score_threshold, 1);
                let above = b.compare(CmpOp::Gt, score, threshold);
                b.if_(above, collect);
            });
            b.set(taken, zero);
            // No box taken yet: one without area, which suppresses nothing.
            let nowhere = b.f32(0.0, 1);
            last.iter().for_each(|&side| b.set(side, nowhere));
            b.serial(0, self.most as i64, |b, _| {
                let remaining = b.get(left);
                let (zero, none) = (b.index(0), b.index(-1));
                let any = b.compare(CmpOp::Gt, remaining, zero);
                b.if_(any, |b| {
                    let lowest = b.f32(f32::NEG_INFINITY, 1);
                    b.set(best, none);
                    b.set(best_score, lowest);
                    b.set(left, zero);
                    b.for_axis(Axis::Serial, zero, remaining, 1, |b, k| {
                        self.keep_unless_dropped(b, &lists, k, &last, left, best, best_score);
                    });
                    let found = b.get(best);
                    let any = b.compare(CmpOp::Ge, found, zero);
                    b.if_(any, |b| {
                        let (found, count) = (b.get(best), b.get(taken));
                        let sides = lists.sides(b, found);
                        last.iter().zip(sides).for_each(|(&var, side)| b.set(var, side));
                        let number = b.load(lists.numbers, found, 1);
                        let to = b.address(0, &[(row, self.most as i64), (count, 1)]);
                        b.store(selected, to, number);
                        let next = b.offset(count, 1);
                        b.set(taken, next);
                        self.forget(b, &lists, found);
                    });
                });
            });
            let count = b.get(taken);
            b.store(counts, row, count);
        });
        b.finish()
    }

    /// Moves a box to the end of those kept so far unless it overlaps the last one taken or was taken; the best of those
    /// kept is noted.
    fn keep_unless_dropped(
        &self,
        b: &mut KernelBuilder,
        lists: &Lists,
        k: Val,
        last: &[Var; 4],
        left: Var,
        best: Var,
        best_score: Var,
    ) {
        let (number, sides) = (b.load(lists.numbers, k, 1), lists.sides(b, k));
        let last = last.map(|side| b.get(side));
        let overlaps = self.overlaps(b, sides, last);
        let zero = b.index(0);
        let gone = b.compare(CmpOp::Lt, number, zero);
        let dropped = b.binary(BinOp::Or, overlaps, gone);
        b.if_else(
            dropped,
            |_| {},
            |b| {
                let (at, score) = (b.get(left), b.load(lists.scores, k, 1));
                lists.sides.iter().zip(sides).for_each(|(&list, side)| b.store(list, at, side));
                b.store(lists.scores, at, score);
                b.store(lists.numbers, at, number);
                let next = b.offset(at, 1);
                b.set(left, next);
                let (held, highest) = (b.get(best), b.get(best_score));
                let higher = b.compare(CmpOp::Gt, score, highest);
                let none = b.compare(CmpOp::Lt, held, zero);
                let better = b.binary(BinOp::Or, higher, none);
                b.if_(better, |b| {
                    b.set(best, at);
                    b.set(best_score, score);
                });
            },
        );
    }

    /// Marks a box as taken.
    fn forget(&self, b: &mut KernelBuilder, lists: &Lists, at: Val) {
        let gone = b.index(-1);
        b.store(lists.numbers, at, gone);
    }

    /// `[low, low, high, high]` of the box at an element.
    fn corners(&self, b: &mut KernelBuilder, boxes: Buf, first: Val) -> [Val; 4] {
        let given = [0, 1, 2, 3].map(|k| {
            let at = b.offset(first, k);
            b.load(boxes, at, 1)
        });
        let pair = |b: &mut KernelBuilder, k: usize| {
            if !self.center_point {
                let low = b.binary(BinOp::Min, given[k], given[k + 2]);
                return (low, b.binary(BinOp::Max, given[k], given[k + 2]));
            }
            let half = b.f32(0.5, 1);
            let reach = b.mul(given[k + 2], half);
            (b.sub(given[k], reach), b.add(given[k], reach))
        };
        let ((low0, high0), (low1, high1)) = (pair(b, 0), pair(b, 1));
        [low0, low1, high0, high1]
    }

    /// Whether intersection over union is above the threshold; false for boxes without area.
    fn overlaps(&self, b: &mut KernelBuilder, a: [Val; 4], c: [Val; 4]) -> Val {
        let zero = b.f32(0.0, 1);
        let area = |b: &mut KernelBuilder, x: [Val; 4]| {
            let (first, second) = (b.sub(x[2], x[0]), b.sub(x[3], x[1]));
            b.mul(first, second)
        };
        let side = |b: &mut KernelBuilder, k: usize| {
            let (low, high) = (b.binary(BinOp::Max, a[k], c[k]), b.binary(BinOp::Min, a[k + 2], c[k + 2]));
            let length = b.sub(high, low);
            b.binary(BinOp::Max, length, zero)
        };
        let (first, second) = (side(b, 0), side(b, 1));
        let common = b.mul(first, second);
        let (area_a, area_c) = (area(b, a), area(b, c));
        let both = b.add(area_a, area_c);
        let union = b.sub(both, common);
        let ratio = b.binary(BinOp::Div, common, union);
        let threshold = b.f32(self.iou_threshold, 1);
        let mut result = b.compare(CmpOp::Gt, ratio, threshold);
        for size in [area_a, area_c, union] {
            let positive = b.compare(CmpOp::Gt, size, zero);
            result = b.binary(BinOp::And, result, positive);
        }
        result
    }

    /// Joins the selections of all batches and classes.
    fn join(&self) -> Kernel {
        let (rows, most) = (self.batches * self.classes, self.most);
        let mut b = KernelBuilder::new("non_max_suppression_join");
        let selected = b.buffer("selected", DType::I64, rows * most, Role::Read);
        let counts = b.buffer("counts", DType::I64, rows, Role::Read);
        let result = b.buffer("result", DType::I64, rows * most * 3, Role::Write);
        let count = b.buffer("count", DType::I64, 1, Role::Write);
        let total = b.var(Ty::INDEX);
        parallel_items(&mut b, 1, 1, |b, _| {
            let zero = b.index(0);
            b.set(total, zero);
            if most > 0 {
                b.serial(0, rows as i64, |b, row| {
                    let (batch, class) = b.div_rem(row, self.classes as i64);
                    let (begin, own) = (b.index(0), b.load(counts, row, 1));
                    b.for_axis(Axis::Serial, begin, own, 1, |b, k| {
                        let from = b.address(0, &[(row, most as i64), (k, 1)]);
                        let number = b.load(selected, from, 1);
                        let at = b.get(total);
                        let next = b.offset(at, 1);
                        b.set(total, next);
                        for (column, value) in [batch, class, number].into_iter().enumerate() {
                            let to = b.address(column as i64, &[(at, 3)]);
                            b.store(result, to, value);
                        }
                    });
                });
            }
            let found = b.get(total);
            b.store(count, zero, found);
            let (begin, end) = (b.scale(found, 3), b.index((rows * most * 3) as i64));
            b.for_axis(Axis::Serial, begin, end, 1, |b, at| {
                let zero = b.index(0);
                b.store(result, at, zero);
            });
        });
        b.finish()
    }
}
