//! The frame of a figure: axes with ticks, grid and titles, and the marks within, as SVG.

use super::markup::{escape, tip};
use super::scale::Scale;
use std::fmt::Write;

/// Room around the plot for what the axes say.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Distance of ticks that are easy to tell apart.
const TICK_X: f64 = 66.0;
const TICK_Y: f64 = 48.0;

/// One axis.
pub struct Axis<'a> {
    /// What it spans.
    pub scale: Scale,
    /// What it shows, and the unit.
    pub title: &'a str,
}

/// A figure that is being drawn.
pub struct Chart {
    svg: String,
    width: f64,
    height: f64,
    x: Scale,
    y: Scale,
}

impl Chart {
    /// An empty figure. What it shows is told to those who cannot see it.
    pub fn new(label: &str, (width, height): (f64, f64), x: Axis<'_>, y: Axis<'_>) -> Chart {
        let svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"group\" aria-label=\"{}\">\n",
            escape(label)
        );
        let mut chart = Chart { svg, width, height, x: x.scale, y: y.scale };
        chart.grid(x.title, y.title);
        chart
    }

    fn grid(&mut self, x_title: &str, y_title: &str) {
        let (left, right, top, bottom) = (LEFT, self.width - RIGHT, TOP, self.height - BOTTOM);
        let ticks = self.x.ticks(((right - left) / TICK_X) as usize);
        for (value, name) in ticks.iter().zip(self.x.names(&ticks)) {
            let x = self.x_at(*value);
            let below = bottom + 18.0;
            let _ = writeln!(
                self.svg,
                "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{name}</text>"
            );
        }
        let ticks = self.y.ticks(((bottom - top) / TICK_Y) as usize);
        for (value, name) in ticks.iter().zip(self.y.names(&ticks)) {
            let y = self.y_at(*value);
            let (base, end) = (y + 4.0, left - 8.0);
            let _ = writeln!(
                self.svg,
                "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>\
                 <text class=\"tick\" x=\"{end}\" y=\"{base:.1}\" text-anchor=\"end\">{name}</text>"
            );
        }
        let (middle, below) = ((left + right) / 2.0, self.height - 8.0);
        let _ = writeln!(
            self.svg,
            "<path class=\"axis\" d=\"M{left} {top}V{bottom}H{right}\"/>\
             <text class=\"title\" x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>\
             <text class=\"title\" x=\"8\" y=\"16\">{}</text>",
            escape(x_title),
            escape(y_title)
        );
    }

    /// Pixels from the left of a value.
    pub fn x_at(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (self.width - LEFT - RIGHT)
    }

    /// Pixels from the top of a value.
    pub fn y_at(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.share(value) * (self.height - TOP - BOTTOM)
    }

    /// The least value of the upright axis.
    pub fn y_low(&self) -> f64 {
        self.y.low()
    }

    /// The largest value of the upright axis.
    pub fn y_high(&self) -> f64 {
        self.y.high()
    }

    /// Straight lines from point to point.
    pub fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        self.path(class, points, false);
    }

    /// A line that keeps the height of each point until the next one.
    pub fn steps(&mut self, class: &str, points: &[(f64, f64)]) {
        self.path(class, points, true);
    }

    fn path(&mut self, class: &str, points: &[(f64, f64)], steps: bool) {
        let mut path = String::new();
        for (k, (x, y)) in points.iter().enumerate() {
            let (x, y) = (self.x_at(*x), self.y_at(*y));
            let _ = match (k, steps) {
                (0, _) => write!(path, "M{x:.1} {y:.1}"),
                (_, true) => write!(path, "H{x:.1}V{y:.1}"),
                (_, false) => write!(path, "L{x:.1} {y:.1}"),
            };
        }
        if !path.is_empty() {
            let _ = writeln!(self.svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }

    /// A mark at a point: a path around the origin, with lines that tell of it.
    pub fn mark(&mut self, class: &str, (x, y): (f64, f64), path: &str, lines: &[String]) {
        let (x, y) = (self.x_at(x), self.y_at(y));
        let tip = if lines.is_empty() { String::new() } else { tip(lines) };
        let _ = writeln!(
            self.svg,
            "<path class=\"mark {class}\" transform=\"translate({x:.1} {y:.1})\" d=\"{path}\">{tip}</path>"
        );
    }

    /// Text at a point, moved by some pixels; `anchor` is `start`, `middle` or `end`.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), (dx, dy): (f64, f64), anchor: &str, text: &str) {
        let (x, y) = (self.x_at(x) + dx, self.y_at(y) + dy);
        let _ = writeln!(
            self.svg,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }

    /// Text that begins at a point of the line from there to another one, and follows it so many pixels below.
    pub fn along(&mut self, class: &str, from: (f64, f64), to: (f64, f64), below: f64, text: &str) {
        let (x, y) = (self.x_at(from.0), self.y_at(from.1));
        let angle = (self.y_at(to.1) - y).atan2(self.x_at(to.0) - x).to_degrees();
        let _ = writeln!(
            self.svg,
            "<text class=\"{class}\" transform=\"translate({x:.1} {y:.1}) rotate({angle:.1})\" y=\"{below}\">{}</text>",
            escape(text)
        );
    }

    /// Begins a link to a place of the page; what is drawn until [`end_link`](Chart::end_link) belongs to it.
    pub fn begin_link(&mut self, id: &str) {
        let _ = writeln!(self.svg, "<a href=\"#{id}\">");
    }

    /// Ends a link.
    pub fn end_link(&mut self) {
        self.svg.push_str("</a>\n");
    }

    /// The figure.
    pub fn finish(self) -> String {
        self.svg + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_named_and_marks_stay_within() {
        let x = Axis { scale: Scale::logarithmic([1e-7, 1e-5]), title: "error <relative>" };
        let y = Axis { scale: Scale::from_zero([2.0]), title: "ms" };
        let mut chart = Chart::new("a \"figure\"", (400.0, 300.0), x, y);
        chart.mark("c0", (1e-6, 1.0), "M0 0z", &["one".into()]);
        chart.steps("line", &[(1e-7, 2.0), (1e-6, 1.0)]);
        assert_eq!((chart.x_at(1.0), chart.y_at(1e9), chart.y_at(-5.0)), (400.0 - RIGHT, TOP, 300.0 - BOTTOM));
        let svg = chart.finish();
        for part in [
            "aria-label=\"a &quot;figure&quot;\"",
            "error &lt;relative&gt;</text>",
            ">1e-6</text>",
            "<title>one</title>",
            "H222.0V",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
