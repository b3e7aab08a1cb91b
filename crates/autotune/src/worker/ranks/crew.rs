//! Which of the other ranks take part.

use super::post::Arrival;
use super::rank::Rank;
use crate::Setting;
use std::sync::Arc;

/// The other ranks.
#[derive(Debug, Default)]
pub struct Crew {
    /// Those that take part: machines of the same kind, code by the same compiler.
    pub ranks: Vec<Arc<Rank>>,
    /// Those that do not.
    pub refused: Vec<Refused>,
    /// How many have not come in time.
    pub absent: usize,
}

/// A rank that takes no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number.
    pub number: usize,
    /// The name of its machine.
    pub host: String,
    /// Why.
    pub why: String,
}

impl Crew {
    /// Takes a rank in where it is of a setting: its times would say nothing of another.
    pub(super) fn take(&mut self, arrival: Arrival, setting: &Setting) {
        match arrival {
            Arrival::Rank(rank) => {
                let differences = rank.able().setting.differences(setting);
                if differences.is_empty() {
                    self.ranks.push(rank);
                } else {
                    let (number, host) = (rank.number(), rank.host().to_string());
                    self.refused.push(Refused { number, host, why: differences.join(", ") });
                }
            }
            Arrival::Unable { number, host, why } => self.refused.push(Refused { number, host, why }),
        }
    }
}
