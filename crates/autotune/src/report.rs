//! What tuning has found, as one page of HTML: how far it came, what each layer's candidates took, where the chosen
//! ones stand below the machine's ceilings, what memory they could save.
//!
//! A [`Section`] holds what is known of one setting, a [`Peers`] a comparison with other engines; [`Report::html`] makes
//! the page of them. It is one file that loads nothing: figures are SVG, the style sheet and a small script stand
//! within. The page is complete without the script, which adds what a hand on the mouse expects. The same data give the
//! same page.

mod candidates;
mod chart;
mod format;
mod layers;
mod markup;
mod memory;
mod page;
mod palette;
mod peers;
mod progress;
mod roofline;
#[cfg(test)]
mod samples;
mod scale;
mod scatter;
mod section;
mod verdict;
mod work;

pub use candidates::{Measured, State, Tried};
pub use peers::{PeerRow, Peers};
pub use progress::Progress;
pub use section::{Section, sections};
pub use verdict::Verdict;
pub use work::Work;

/// Everything that a page shows.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the page is about, in a few words: the name of the database's file.
    pub subject: String,
    /// Settings, the one with the latest trial first.
    pub sections: Vec<Section>,
    /// Comparisons with other engines.
    pub peers: Vec<Peers>,
}

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        page::page(self)
    }
}
