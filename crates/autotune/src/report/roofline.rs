//! The chosen kernels below the machine's ceilings.

use super::chart::{Axis, Chart};
use super::format::{milliseconds, significant};
use super::scale::Scale;
use super::section::Section;
use cnnc_runtime::machine::Machine;

/// Radius of a layer that takes no time, and of the one that takes most.
const SMALLEST: f64 = 3.0;
const LARGEST: f64 = 10.0;

/// What a machine can do at best on some threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceilings {
    /// GFLOP/s of multiply-adds.
    pub peak: f64,
    /// Levels of memory with their GB/s.
    pub bandwidths: Vec<(String, f64)>,
}

impl Ceilings {
    /// Of a section's machine; `None` where it is not known, or lacks the instruction set.
    pub fn of(section: &Section) -> Option<Ceilings> {
        let (machine, setting) = (section.machine.as_ref()?, &section.setting);
        let peak = machine.peaks.iter().find(|peak| peak.isa == setting.isa)?;
        let peak = on_threads(machine, setting.threads, peak.one, peak.all);
        let levels = machine.bandwidths.iter();
        let rates = levels.map(|b| (b.level.clone(), on_threads(machine, setting.threads, b.one, b.all)));
        let usable = |rate: f64| rate > 0.0 && rate < 1e9;
        let bandwidths = rates.filter(|(_, rate)| usable(*rate)).collect();
        usable(peak).then_some(Ceilings { peak, bandwidths })
    }
}

/// A rate on some threads, between that on one and that on all processors.
fn on_threads(machine: &Machine, threads: usize, one: f64, all: f64) -> f64 {
    if threads <= 1 || machine.processors <= 1 {
        return one;
    }
    let share = (threads - 1) as f64 / (machine.processors - 1) as f64;
    one + (all - one) * share.min(1.0)
}

/// The figure; `None` where no layer's work is known. Marks lead to the layers, whose names begin with `prefix`.
pub fn figure(section: &Section, prefix: &str, size: (f64, f64)) -> Option<String> {
    let ceilings = Ceilings::of(section);
    let placed: Vec<(usize, f64, f64)> = (section.layers.iter().enumerate())
        .filter_map(|(k, layer)| Some((k, layer.work?.intensity(), layer.rate()?)))
        .collect();
    placed.first()?;
    // Slopes and roof are to be seen, whatever the layers: all ridges have their place, and something below them.
    let ridges = ceilings.iter().flat_map(|c| c.bandwidths.iter().map(|b| c.peak / b.1)).flat_map(|r| [0.4 * r, r]);
    let xs = placed.iter().map(|p| p.1).chain(ridges);
    let ys = placed.iter().map(|p| p.2).chain(ceilings.iter().flat_map(|c| [c.peak / 5.0, c.peak]));
    let x = Axis { scale: Scale::logarithmic(xs), title: "arithmetic intensity of the layer (FLOP/byte)" };
    let y = Axis { scale: Scale::logarithmic(ys), title: "rate of the chosen kernel (GFLOP/s)" };
    let (x_low, x_high) = (x.scale.low(), x.scale.high());
    let mut chart = Chart::new("Roofline of the chosen kernels", size, x, y);
    if let Some(ceilings) = &ceilings {
        roofs(&mut chart, ceilings, x_low, x_high);
    }
    let most = section.layers.iter().map(|layer| layer.seconds()).fold(f64::MIN_POSITIVE, f64::max);
    for (k, intensity, rate) in placed {
        let layer = &section.layers[k];
        let Some(winner) = layer.winner() else { continue };
        let look = section.palette.look(winner.algorithm());
        let share = layer.seconds() / most;
        let radius = (SMALLEST.powi(2) + share * (LARGEST.powi(2) - SMALLEST.powi(2))).sqrt();
        let of_peak = ceilings.as_ref().map_or(String::new(), |c| format!(", {:.0} % of peak", rate / c.peak * 100.0));
        let lines = [
            layer.workload.0.clone(),
            winner.candidate.clone(),
            format!("{} GFLOP/s{of_peak}", significant(rate, 4)),
            format!("{} FLOP/byte, {} ms", significant(intensity, 3), milliseconds(winner.seconds)),
        ];
        chart.begin_link(&format!("{prefix}{k}"));
        chart.mark(&look.class(), (intensity, rate), &look.path(radius), &lines);
        chart.end_link();
    }
    Some(chart.finish())
}

fn roofs(chart: &mut Chart, ceilings: &Ceilings, x_low: f64, x_high: f64) {
    let (y_low, peak) = (chart.y_low(), ceilings.peak);
    let widest = ceilings.bandwidths.iter().map(|b| b.1).fold(0.0, f64::max);
    let from = if widest > 0.0 { (peak / widest).clamp(x_low, x_high) } else { x_low };
    chart.line("roof", &[(from, peak), (x_high, peak)]);
    let name = format!("peak {} GFLOP/s", significant(peak, 3));
    chart.text("roofname", (x_high, peak), (-4.0, -6.0), "end", &name);
    let ends = |rate: f64| (x_low.max(y_low / rate), x_high.min(peak / rate));
    let seen = |(_, rate): &&(String, f64)| ends(*rate).0 < ends(*rate).1;
    let seen: Vec<&(String, f64)> = ceilings.bandwidths.iter().filter(seen).collect();
    for (_, rate) in &seen {
        let (begin, end) = ends(*rate);
        chart.line("roof", &[(begin, begin * rate), (end, end * rate)]);
    }
    for (k, (level, rate)) in seen.iter().enumerate() {
        let (begin, end) = ends(*rate);
        let at = begin * (end / begin).powf(0.12);
        // Where the line above is close, the name has room below its own.
        let crowded = k > 0 && seen[k - 1].1 < rate * 1.5;
        let below = if crowded { 13.0 } else { -4.0 };
        let name = format!("{level} {} GB/s", significant(*rate, 3));
        chart.along("roofname", (at, at * rate), (end, end * rate), below, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{record, section};
    use super::*;
    use crate::Outcome;
    use cnnc_runtime::machine::{Bandwidth, Peak};

    fn machine() -> Machine {
        let bandwidth = |level: &str, one| Bandwidth { level: level.into(), one, all: 2.0 * one };
        Machine {
            fingerprint: "A".into(),
            processor: "A".into(),
            processors: 3,
            cache_bytes: [1, 2, 3],
            clock_mhz: 1e3,
            peaks: vec![Peak { isa: "x86-64-v4".into(), one: 100.0, all: 200.0, multiply_adds: None }],
            bandwidths: vec![bandwidth("L1", 200.0), bandwidth("memory", 20.0)],
            fork_join_us: 1.0,
        }
    }

    #[test]
    fn kernels_stand_below_the_ceilings_of_their_threads() {
        let records = [record("conv 1x16x8x8 16x16x3x3 pad=1", "direct(mr=4)", Outcome::Timed, 1e-5)];
        let mut section = section(&records);
        assert_eq!(Ceilings::of(&section), None);
        let plain = figure(&section, "s0l", (500.0, 400.0)).unwrap_or_default();
        assert!(plain.contains("<a href=\"#s0l0\">") && !plain.contains("class=\"roof\""), "{plain}");
        section.machine = Some(machine());
        section.setting.threads = 2;
        let ceilings = Ceilings::of(&section);
        assert_eq!(ceilings.as_ref().map(|c| (c.peak, c.bandwidths[1].1)), Some((150.0, 30.0)));
        let svg = figure(&section, "s0l", (500.0, 400.0)).unwrap_or_default();
        assert!(svg.contains("peak 150 GFLOP/s") && svg.contains("memory 30.0 GB/s"), "{svg}");
        assert!(svg.contains("29.49 GFLOP/s, 20 % of peak"), "{svg}");
        section.setting.isa = "other".into();
        assert_eq!(Ceilings::of(&section), None);
    }
}
