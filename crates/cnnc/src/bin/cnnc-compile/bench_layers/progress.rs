//! How far a run is, on standard error, where that is a terminal.

use std::io::{IsTerminal, Write};
use std::time::Instant;

/// The line that tells how far a run is.
pub struct Progress {
    start: Instant,
    layers: usize,
    shown: bool,
}

impl Progress {
    /// Of a run over so many layers.
    pub fn new(layers: usize) -> Progress {
        Progress { start: Instant::now(), layers, shown: std::io::stderr().is_terminal() }
    }

    /// Says that a layer begins. The time left is that of the layers so far, on average, times those left.
    pub fn begins(&mut self, layer: usize) {
        if !self.shown {
            return;
        }
        let spent = self.start.elapsed().as_secs_f64();
        let left = spent / layer.max(1) as f64 * (self.layers - layer) as f64;
        let left = if layer == 0 { String::new() } else { format!(", about {left:.0} s left") };
        self.write(&format!("layer {} of {}{left}", layer + 1, self.layers));
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        self.write("");
    }

    fn write(&mut self, text: &str) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            // Nothing is lost where it cannot be shown.
            let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
        }
    }
}
