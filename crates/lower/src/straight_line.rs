//! Straight-line programs of additions, subtractions and multiply-adds on vectors: linear maps that have a fast algorithm.
//!
//! While a program is written, a term stands for a value times a factor that is not multiplied yet: sums take it along,
//! so that signs cost nothing and a factor becomes part of a multiply-add wherever it can.

use cnnc_ir::kernel::{KernelBuilder, Val};

/// A value of a program under construction, times a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    value: usize,
    factor: f64,
}

impl Term {
    /// The term times a number.
    pub fn times(self, by: f64) -> Term {
        Term { factor: self.factor * by, ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Add(usize, usize),
    Sub(usize, usize),
    /// A value times a number.
    Scale(usize, f64),
    /// A value times a number, plus another value.
    MulAdd(usize, f64, usize),
}

impl Step {
    fn operands(self) -> (usize, usize) {
        match self {
            Step::Add(a, b) | Step::Sub(a, b) | Step::MulAdd(a, _, b) => (a, b),
            Step::Scale(a, _) => (a, a),
        }
    }

    fn with_operands(self, of: impl Fn(usize) -> usize) -> Step {
        match self {
            Step::Add(a, b) => Step::Add(of(a), of(b)),
            Step::Sub(a, b) => Step::Sub(of(a), of(b)),
            Step::Scale(a, factor) => Step::Scale(of(a), factor),
            Step::MulAdd(a, factor, b) => Step::MulAdd(of(a), factor, of(b)),
        }
    }
}

/// A program. Its values are its operands and then what its steps make.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct StraightLine {
    operands: usize,
    steps: Vec<Step>,
    results: Vec<usize>,
}

impl StraightLine {
    /// A program of so many operands that has no result yet, and the operands.
    pub fn new(operands: usize) -> (StraightLine, Vec<Term>) {
        let program = StraightLine { operands, ..StraightLine::default() };
        (program, (0..operands).map(|value| Term { value, factor: 1.0 }).collect())
    }

    fn push(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.operands + self.steps.len() - 1
    }

    /// Sum of two terms.
    pub fn add(&mut self, a: Term, b: Term) -> Term {
        // The factor that is left on the sum: one that costs least.
        let (a, b) = if b.factor == 1.0 && a.factor != 1.0 { (b, a) } else { (a, b) };
        let (a, b) = if b.factor.abs() == 1.0 && a.factor.abs() != 1.0 { (b, a) } else { (a, b) };
        let ratio = b.factor / a.factor;
        let step = if ratio == 1.0 {
            Step::Add(a.value, b.value)
        } else if ratio == -1.0 {
            Step::Sub(a.value, b.value)
        } else {
            Step::MulAdd(b.value, ratio, a.value)
        };
        Term { value: self.push(step), factor: a.factor }
    }

    /// Difference of two terms.
    pub fn sub(&mut self, a: Term, b: Term) -> Term {
        self.add(a, b.times(-1.0))
    }

    /// Makes a term the next result.
    pub fn result(&mut self, term: Term) {
        let value = if term.factor == 1.0 { term.value } else { self.push(Step::Scale(term.value, term.factor)) };
        self.results.push(value);
    }

    /// The program without the steps that no result needs.
    pub fn finish(self) -> StraightLine {
        let mut needed = vec![false; self.operands + self.steps.len()];
        self.results.iter().for_each(|&r| needed[r] = true);
        for (k, step) in self.steps.iter().enumerate().rev() {
            if needed[self.operands + k] {
                let (a, b) = step.operands();
                (needed[a], needed[b]) = (true, true);
            }
        }
        let (mut program, _) = StraightLine::new(self.operands);
        let mut place: Vec<usize> = (0..self.operands).collect();
        for (k, &step) in self.steps.iter().enumerate() {
            let moved = |value: usize| place.get(value).copied().unwrap_or(0);
            let to = if needed[self.operands + k] { program.push(step.with_operands(moved)) } else { 0 };
            place.push(to);
        }
        program.results = self.results.iter().map(|&r| place[r]).collect();
        program
    }

    /// Number of operands.
    pub fn operands(&self) -> usize {
        self.operands
    }

    /// Number of results.
    pub fn results(&self) -> usize {
        self.results.len()
    }

    /// Arithmetic instructions.
    pub fn instructions(&self) -> usize {
        self.steps.len()
    }

    /// Emits the program on vectors of `lanes` elements. Operands are loaded where they are first used and results
    /// stored as soon as they are there, to keep few in registers.
    pub fn emit(
        &self,
        b: &mut KernelBuilder,
        lanes: u16,
        load: &mut dyn FnMut(&mut KernelBuilder, usize) -> Val,
        store: &mut dyn FnMut(&mut KernelBuilder, usize, Val),
    ) {
        let mut values: Vec<Option<Val>> = vec![None; self.operands];
        let mut operand = |b: &mut KernelBuilder, values: &mut Vec<Option<Val>>, at: usize| match values[at] {
            Some(value) => value,
            None => *values[at].insert(load(b, at)),
        };
        for step in &self.steps {
            let (x, y) = step.operands();
            let (x, y) = (operand(b, &mut values, x), operand(b, &mut values, y));
            let value = match *step {
                Step::Add(..) => b.add(x, y),
                Step::Sub(..) => b.sub(x, y),
                Step::Scale(_, factor) => {
                    let factor = b.f32(factor as f32, lanes);
                    b.mul(factor, x)
                }
                Step::MulAdd(_, factor, _) => {
                    let factor = b.f32(factor as f32, lanes);
                    b.mul_add(factor, x, y)
                }
            };
            values.push(Some(value));
            let here = values.len() - 1;
            self.results.iter().enumerate().filter(|(_, r)| **r == here).for_each(|(k, _)| store(b, k, value));
        }
        for (k, &at) in self.results.iter().enumerate().filter(|(_, r)| **r < self.operands) {
            let value = operand(b, &mut values, at);
            store(b, k, value);
        }
    }

    /// The results in f64.
    #[cfg(test)]
    pub fn evaluate(&self, operands: &[f64]) -> Vec<f64> {
        let mut values = operands.to_vec();
        for step in &self.steps {
            values.push(match *step {
                Step::Add(a, b) => values[a] + values[b],
                Step::Sub(a, b) => values[a] - values[b],
                Step::Scale(a, factor) => factor * values[a],
                Step::MulAdd(a, factor, b) => factor * values[a] + values[b],
            });
        }
        self.results.iter().map(|&r| values[r]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_become_multiply_adds() {
        let (mut program, x) = StraightLine::new(3);
        let half = x[1].times(0.5);
        let (sum, difference) = (program.add(x[0], half), program.sub(x[0], half));
        let unused = program.add(x[2], x[2].times(3.0));
        let opposite = program.add(sum.times(-1.0), x[2].times(-1.0));
        [sum, difference, opposite, x[2]].into_iter().for_each(|term| program.result(term));
        assert_eq!(program.instructions(), 5);
        assert_ne!(unused, sum);
        let program = program.finish();
        // Two multiply-adds, a sum and the sign that it leaves on the result.
        assert_eq!((program.operands(), program.results(), program.instructions()), (3, 4, 4));
        assert_eq!(program.evaluate(&[1.0, 4.0, 5.0]), [3.0, -1.0, -8.0, 5.0]);
    }
}
