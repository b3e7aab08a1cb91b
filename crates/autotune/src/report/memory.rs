//! What memory the layers could save, and what time that would take.

use super::candidates::{Measured, State, Tried};
use super::chart::{Axis, Chart};
use super::format::{byte_unit, bytes, milliseconds};
use super::markup::{Table, code};
use super::scale::Scale;
use super::section::Section;
use crate::front::{Trade, trades};

/// Shares of time that the table offers to give up.
const OFFERS: [f64; 5] = [0.01, 0.02, 0.05, 0.10, 0.20];

/// Time and size of all layers together, from the fastest choice of candidates to the smallest.
pub struct Front<'a> {
    /// Seconds and bytes of the fastest choice.
    start: (f64, f64),
    trades: Vec<Trade>,
    layers: Vec<(&'a Measured, Vec<&'a Tried>)>,
}

impl Front<'_> {
    /// Of a section's layers; `None` where none has a time.
    pub fn of(section: &Section) -> Option<Front<'_>> {
        // Nothing is chosen whose own code was not timed: the same code has the same time, and mostly the same size.
        let timed = |layer: &'_ Measured| layer.winner().is_some();
        let layers: Vec<(&Measured, Vec<&Tried>)> = (section.layers.iter().filter(|layer| timed(layer)))
            .map(|layer| (layer, layer.candidates.iter().filter(|t| t.state == State::Timed).collect()))
            .collect();
        layers.first()?;
        let costs: Vec<Vec<(f64, f64)>> = (layers.iter())
            .map(|(layer, tried)| {
                let count = layer.count as f64;
                tried.iter().map(|t| (t.seconds * count, t.bytes() * count)).collect()
            })
            .collect();
        let (start, trades) = trades(&costs);
        Some(Front { start, trades, layers })
    }

    fn last(&self) -> (f64, f64) {
        self.trades.last().map_or(self.start, |trade| (trade.time, trade.size))
    }

    fn taken(&self, trade: &Trade) -> (&Measured, &Tried) {
        let (layer, tried) = &self.layers[trade.layer];
        (layer, tried[trade.candidate])
    }

    /// The figure.
    pub fn figure(&self, size: (f64, f64)) -> String {
        let (unit, name) = byte_unit(self.start.1);
        let place = |(seconds, size): (f64, f64)| (size / unit, seconds * 1e3);
        let all: Vec<(f64, f64)> =
            std::iter::once(self.start).chain(self.trades.iter().map(|t| (t.time, t.size))).map(place).collect();
        let title = format!("workspace and packed weights, sum over layers ({name})");
        let x = Axis { scale: Scale::from_zero(all.iter().map(|p| p.0)), title: &title };
        let y = Axis { scale: Scale::linear(all.iter().map(|p| p.1)), title: "sum of the layers’ times (ms)" };
        let mut chart = Chart::new("Time against memory of all layers together", size, x, y);
        chart.line("line", &all);
        const DOT: &str = "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0z";
        for trade in &self.trades {
            let (layer, tried) = self.taken(trade);
            let lost = (trade.time / self.start.0 - 1.0) * 100.0;
            let lines = [
                format!("{} ms (+{lost:.1} %), {}", milliseconds(trade.time), bytes(trade.size)),
                layer.workload.0.clone(),
                format!("takes {}", tried.candidate),
            ];
            chart.mark("dot", place((trade.time, trade.size)), DOT, &lines);
        }
        let fastest = [format!("{} ms, {}", milliseconds(self.start.0), bytes(self.start.1)), "the winners".into()];
        chart.mark("dot", all[0], DOT, &fastest);
        chart.text("value", all[0], (-8.0, 14.0), "end", "fastest");
        if !self.trades.is_empty() {
            chart.text("value", place(self.last()), (8.0, -6.0), "start", "smallest");
        }
        chart.finish()
    }

    /// What giving up some time saves, as a table.
    pub fn table(&self) -> String {
        let mut table = Table::new(&["choice", ">time (ms)", ">memory", ">saved"]);
        let mut row = |name: &str, (time, size): (f64, f64)| {
            let saved = if self.start.1 > 0.0 { (1.0 - size / self.start.1) * 100.0 } else { 0.0 };
            table.row("", &[name.into(), milliseconds(time), bytes(size), format!("{saved:.0} %")]);
        };
        row("fastest", self.start);
        let mut made = 0;
        for offer in OFFERS {
            let within = |trade: &&Trade| trade.time <= self.start.0 * (1.0 + offer);
            let count = self.trades.iter().take_while(within).count();
            // What more time saves nothing more for is not offered; all trades are the last row.
            if count > made && count < self.trades.len() {
                let Trade { time, size, .. } = self.trades[count - 1];
                row(&format!("up to {:.0} % slower", offer * 100.0), (time, size));
            }
            made = count;
        }
        row("smallest", self.last());
        let mut text = table.markup();
        if let Some(trade) = self.trades.first() {
            let (layer, tried) = self.taken(trade);
            text += &format!(
                "<p class=\"note\">The first trade: {} takes {}.</p>\n",
                code(&layer.workload.0),
                code(&tried.candidate)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{record, section, with_bytes};
    use super::*;
    use crate::Outcome;

    #[test]
    fn memory_is_traded_for_time() {
        let records = [
            with_bytes(500_000, 500_000, record("a", "x(k=1)", Outcome::Timed, 1.00e-3)),
            with_bytes(0, 100_000, record("a", "x(k=2)", Outcome::Timed, 1.01e-3)),
            with_bytes(0, 0, record("a", "x(k=3)", Outcome::Timed, 9e-3)),
            with_bytes(0, 0, record("b", "y(k=1)", Outcome::Timed, 1e-3)),
            with_bytes(0, 0, record("c", "y(k=1)", Outcome::TimedOut, 0.0)),
        ];
        let section = section(&records);
        let front = Front::of(&section);
        let (figure, table) = front.map(|f| (f.figure((500.0, 400.0)), f.table())).unwrap_or_default();
        assert!(figure.contains("2.010 ms (+0.5 %), 100.0 kB&#10;a&#10;takes x(k=2)"), "{figure}");
        assert!(table.contains("<td>up to 1 % slower</td><td class=\"n\">2.010</td><td class=\"n\">100.0 kB</td>"));
        assert!(Front::of(&super::super::samples::section(&records[4..])).is_none());
    }
}
