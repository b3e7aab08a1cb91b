//! The terms of analytic costs, with their usual values.

/// A term of the analytic costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// Loads (or broadcasts) that a register tile starts in a cycle.
    TiledLoads,
    /// The same where inputs lie on few lines: positions of few plain channels.
    TiledLoadsNear,
    /// Share of a register tile's loads that does not hide behind its multiply-adds.
    TiledLoadsBeside,
    /// Instructions of a register tile that are started in a cycle.
    TiledIssue,
    /// Share of its weights' way from their cache that does not.
    TiledWeightsBeside,
    /// Cycles of the end of an innermost loop.
    TiledLoop,
    /// Cycles of each vector at the end of a register tile: tail and store.
    TiledEndOfVector,
    /// Cycles of a register tile's end.
    TiledEnd,
    /// Cycles of a vector that is put by and taken up again between chunks of channels.
    TiledPartial,
    /// Cycles of a block of channels in a register tile, besides its taps.
    TiledBlock,
    /// Share of the first touch of operands and results that is waited for.
    FirstTouch,
    /// The same of weights that a register-tiled sum reads again.
    WeightsAgain,
    /// The same of its input.
    InputAgain,
    /// Share of the first-level cache that a stream may fill to be found there again.
    HeldByL1,
    /// The same of the second-level cache.
    HeldByL2,
    /// Time of weights from memory over that of one plain stream.
    FromMemory,
    /// Share of that time that hides behind the multiply-adds of tiles that ask ahead.
    AskedAhead,
    /// Time of the innermost bodies of a convolution on plain channels over a count of their instructions.
    PlainBody,
    /// Cycles of a vector of its result: tail and store.
    PlainStore,
    /// Products at points: share of the loads that does not hide behind the multiply-adds.
    PointLoadsBeside,
    /// The same of weights from their cache.
    PointWeightsBeside,
    /// Cycles of each vector at the end of a register tile of products.
    PointEndOfVector,
    /// Cycles of such a tile's end.
    PointEnd,
    /// Least share of the traffic that hides behind products at points.
    PointHidden,
    /// How often a transformed input that the second-level cache does not hold goes to the third and back, besides being read.
    PointSpills,
    /// How often products of a bundle that the second-level cache does not hold go to the third and back.
    PointProducts,
    /// Time of reading transformed input for every bundle over a count of its bytes.
    PointInputAgain,
    /// The same of weights for every further block.
    PointWeightsAgain,
    /// Share of the second-level cache that a block of tiles may fill.
    PointBlockInL2,
    /// Time of Winograd's input transform over a count of its instructions.
    WinogradForward,
    /// The same of the output transform.
    WinogradInverse,
    /// Cycles of a transform of a tile besides.
    WinogradTile,
    /// Time of Fourier transforms over a count of their instructions.
    FftTransform,
    /// Time of Strassen's product with one level over a count of instructions and bytes.
    StrassenOne,
    /// The same with two levels.
    StrassenTwo,
    /// Instructions of the sums of a vector of a tile and its partners, one level.
    StrassenSumsOne,
    /// The same with two levels.
    StrassenSumsTwo,
    /// Time in which Strassen's sums of the input are read for every bundle, and go beyond the second-level cache where that
    /// does not hold them, over a count of their bytes.
    StrassenInput,
    /// Share of its weights' way from memory that hides behind its products.
    StrassenAhead,
    /// Time of a depthwise convolution's multiply-adds over a count of them.
    DepthwiseStep,
    /// Cycles of a vector of its result: tail and store.
    DepthwiseStore,
    /// Cycles of a tile of it.
    DepthwiseTile,
    /// Cycles of a work item of it: its weights are loaded, its pointers made.
    DepthwiseItem,
    /// Share of the lesser of its arithmetic and traffic that does not hide behind the other.
    DepthwiseBeside,
    /// Time of a conversion to another layout, as the plan of layouts sees it, over that of its bytes as a plain stream.
    Conversion,
}

/// A term, its name in files, and its values for each [`Core`].
const TABLE: [(Term, &str, [f64; 3]); 45] = [
    (Term::TiledLoads, "tiled_loads", [1.53, 0.932, 1.48]),
    (Term::TiledLoadsNear, "tiled_loads_near", [1.6, 2.0, 1.48]),
    (Term::TiledLoadsBeside, "tiled_loads_beside", [0.0816, 0.124, 0.0853]),
    (Term::TiledIssue, "tiled_issue", [6.0, 4.0, 6.0]),
    (Term::TiledWeightsBeside, "tiled_weights_beside", [0.395, 0.45, 0.387]),
    (Term::TiledLoop, "tiled_loop", [1.02, 1.5, 0.753]),
    (Term::TiledEndOfVector, "tiled_end_of_vector", [2.64, 1.71, 2.22]),
    (Term::TiledEnd, "tiled_end", [22.2, 21.6, 28.3]),
    (Term::TiledPartial, "tiled_partial", [2.96, 1.2, 1.46]),
    (Term::TiledBlock, "tiled_block", [7.53, 10.6, 6.08]),
    (Term::FirstTouch, "first_touch", [0.818, 0.262, 0.708]),
    (Term::WeightsAgain, "weights_again", [0.8, 0.807, 1.08]),
    (Term::InputAgain, "input_again", [0.359, 0.277, 0.296]),
    (Term::HeldByL1, "held_by_l1", [0.533, 1.1, 0.372]),
    (Term::HeldByL2, "held_by_l2", [0.7, 0.217, 0.572]),
    (Term::FromMemory, "from_memory", [1.25, 1.08, 1.21]),
    (Term::AskedAhead, "asked_ahead", [0.798, 0.806, 0.952]),
    (Term::PlainBody, "plain_body", [1.0, 1.25, 1.0]),
    (Term::PlainStore, "plain_store", [4.0, 4.0, 4.0]),
    (Term::PointLoadsBeside, "point_loads_beside", [0.0741, 0.0614, 0.0583]),
    (Term::PointWeightsBeside, "point_weights_beside", [0.103, 0.096, 0.143]),
    (Term::PointEndOfVector, "point_end_of_vector", [1.37, 1.54, 1.5]),
    (Term::PointEnd, "point_end", [8.89, 12.7, 12.0]),
    (Term::PointHidden, "point_hidden", [0.334, 0.113, 0.228]),
    (Term::PointSpills, "point_spills", [4.05, 2.97, 4.6]),
    (Term::PointProducts, "point_products", [1.2, 1.2, 1.2]),
    (Term::PointInputAgain, "point_input_again", [1.0, 2.68, 0.702]),
    (Term::PointWeightsAgain, "point_weights_again", [0.741, 1.5, 0.567]),
    (Term::PointBlockInL2, "point_block_in_l2", [0.73, 0.463, 0.572]),
    (Term::WinogradForward, "winograd_forward", [1.26, 1.1, 0.944]),
    (Term::WinogradInverse, "winograd_inverse", [1.04, 1.62, 0.998]),
    (Term::WinogradTile, "winograd_tile", [25.0, 16.6, 21.6]),
    (Term::FftTransform, "fft_transform", [1.1, 1.59, 2.06]),
    (Term::StrassenOne, "strassen_one", [0.924, 0.915, 1.12]),
    (Term::StrassenTwo, "strassen_two", [0.943, 1.62, 1.12]),
    (Term::StrassenSumsOne, "strassen_sums_one", [40.4, 53.9, 30.0]),
    (Term::StrassenSumsTwo, "strassen_sums_two", [281.0, 220.0, 342.0]),
    (Term::StrassenInput, "strassen_input", [0.965, 1.18, 0.5]),
    (Term::StrassenAhead, "strassen_ahead", [0.906, 0.4, 0.952]),
    (Term::DepthwiseStep, "depthwise_step", [1.0, 1.28, 0.741]),
    (Term::DepthwiseStore, "depthwise_store", [1.88, 2.0, 1.48]),
    (Term::DepthwiseTile, "depthwise_tile", [6.6, 8.0, 13.7]),
    (Term::DepthwiseItem, "depthwise_item", [0.0, 0.0, 27.0]),
    (Term::DepthwiseBeside, "depthwise_beside", [0.405, 0.3, 0.3]),
    (Term::Conversion, "conversion", [2.0, 2.0, 10.0]),
];

/// Kinds of cores that the usual values are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Core {
    /// Vectors of 512 bits, of which one multiply-add is started in a cycle.
    WideOnce,
    /// Of which two are.
    WideTwice,
    /// Narrower vectors.
    Narrow,
}

impl Term {
    /// All terms, in order.
    pub const ALL: [Term; TABLE.len()] = {
        let mut all = [Term::TiledLoads; TABLE.len()];
        let mut k = 0;
        while k < all.len() {
            all[k] = TABLE[k].0;
            k += 1;
        }
        all
    };

    /// Its name: `tiled_loads`.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The term of that name.
    pub fn from_name(name: &str) -> Option<Term> {
        Term::ALL.into_iter().find(|term| term.name() == name)
    }

    /// The most that makes sense: of a share that is hidden, or is not, all of it.
    pub fn most(self) -> f64 {
        use Term::*;
        match self {
            TiledLoadsBeside | TiledWeightsBeside | FirstTouch | AskedAhead | PointLoadsBeside | PointWeightsBeside
            | PointHidden | PointBlockInL2 | StrassenAhead | DepthwiseBeside => 1.0,
            _ => f64::INFINITY,
        }
    }

    /// Its usual value.
    pub(super) fn usual(self, core: Core) -> f64 {
        TABLE[self as usize].2[core as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_names_are_different() {
        for (k, term) in Term::ALL.into_iter().enumerate() {
            assert_eq!(term as usize, k);
            assert_eq!(Term::from_name(term.name()), Some(term));
        }
        assert_eq!(Term::from_name("nothing"), None);
    }
}
