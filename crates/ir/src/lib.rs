//! The two intermediate representations: [`graph`], the *what*, and [`kernel`], the *how*; and [`expr`], the scalar
//! expressions that both speak of.
//!
//! Each has a text (`.cir`), a verifier and an interpreter; `parse(print(x)) == x` holds for both.

pub mod expr;
pub mod graph;
pub mod half_spectrum;
pub mod kernel;
pub mod minimal_filtering;

/// What a pass or an algorithm does to the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Accuracy {
    /// The same bits.
    Exact,
    /// The same function in real arithmetic; rounding differs (reassociation, Winograd, FFT).
    Rounding,
    /// Another function; only where asked for.
    Approximate,
}

impl Accuracy {
    /// Name in lists: `exact`, `rounding`, `approximate`.
    pub fn name(self) -> &'static str {
        match self {
            Accuracy::Exact => "exact",
            Accuracy::Rounding => "rounding",
            Accuracy::Approximate => "approximate",
        }
    }
}
