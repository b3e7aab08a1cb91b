//! Networks against other engines, as a script has measured them in turn.

use super::format::{exponential, significant};
use super::markup::{Table, escape};
use super::scale::Scale;
use serde::Deserialize;

/// Size of the bar of a row in pixels.
const BAR: (f64, f64) = (220.0, 18.0);

/// A comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Peers {
    /// Where it comes from: the name of its file.
    pub name: String,
    /// Geometric mean of the ratios, where the file has it.
    pub geomean: Option<f64>,
    /// Version of ONNX Runtime.
    pub onnxruntime: Option<String>,
    /// Version of OpenVINO.
    pub openvino: Option<String>,
    /// The networks.
    pub rows: Vec<PeerRow>,
}

/// A network under each engine; times are medians in milliseconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PeerRow {
    /// Its name.
    pub model: String,
    /// Threads.
    pub threads: u32,
    /// Under ONNX Runtime.
    #[serde(default)]
    pub ort_ms: Option<f64>,
    /// Under OpenVINO.
    #[serde(default)]
    pub openvino_ms: Option<f64>,
    /// Compiled.
    pub cnnc_ms: f64,
    /// The better peer's time by that of the compiled network: median of the rounds.
    pub speedup: f64,
    /// Least of the rounds.
    #[serde(default)]
    pub speedup_min: Option<f64>,
    /// Most of the rounds.
    #[serde(default)]
    pub speedup_max: Option<f64>,
}

/// The file.
#[derive(Deserialize)]
struct File {
    geomean: Option<f64>,
    onnxruntime: Option<String>,
    openvino: Option<String>,
    rows: Vec<PeerRow>,
}

impl Peers {
    /// Reads a file; an error says what is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Peers, String> {
        let file: File = serde_json::from_str(text).map_err(|e| format!("no comparison with other engines: {e}"))?;
        for row in &file.rows {
            let numbers = [Some(row.cnnc_ms), Some(row.speedup), row.ort_ms, row.openvino_ms];
            let numbers = numbers.into_iter().chain([row.speedup_min, row.speedup_max]);
            if numbers.flatten().any(|number| number <= 0.0) {
                return Err(format!("the times and ratios of {} are to be above 0", row.model));
            }
        }
        let File { geomean, onnxruntime, openvino, rows } = file;
        Ok(Peers { name: name.into(), geomean, onnxruntime, openvino, rows })
    }

    /// The table.
    pub fn markup(&self) -> String {
        let ratios = self.rows.iter().flat_map(|row| [Some(row.speedup), row.speedup_min, row.speedup_max]).flatten();
        let scale = Scale::logarithmic(ratios.chain([1.0]));
        let mut headings = vec!["network", ">threads", ">ONNX Runtime (ms)", ">OpenVINO (ms)", ">cnnc (ms)", ">ratio"];
        headings.extend([">range", "faster to the right of the line"]);
        let mut table = Table::new(&headings);
        let time = |ms: Option<f64>| ms.map_or("–".into(), |ms| significant(ms, 4));
        for row in &self.rows {
            let (least, most) = (row.speedup_min.unwrap_or(row.speedup), row.speedup_max.unwrap_or(row.speedup));
            table.row(
                if row.speedup < 1.0 { "slower" } else { "" },
                &[
                    escape(&row.model),
                    row.threads.to_string(),
                    time(row.ort_ms),
                    time(row.openvino_ms),
                    time(Some(row.cnnc_ms)),
                    ratio(row.speedup),
                    format!("{} to {}", ratio(least), ratio(most)),
                    bar(scale, row.speedup, least, most),
                ],
            );
        }
        let mut facts = vec![];
        facts.extend(self.geomean.map(|mean| format!("geometric mean of the ratios {}", ratio(mean))));
        facts.extend(self.onnxruntime.iter().map(|version| format!("ONNX Runtime {version}")));
        facts.extend(self.openvino.iter().map(|version| format!("OpenVINO {version}")));
        format!(
            "<section class=\"peers\">\n<h3>{}</h3>\n<p class=\"note\">{}</p>\n{}</section>\n",
            escape(&self.name),
            escape(&facts.join(" · ")),
            table.markup()
        )
    }
}

/// A ratio: two decimals, unless that would be endless.
fn ratio(ratio: f64) -> String {
    if (0.005..1e5).contains(&ratio) { format!("{ratio:.2}") } else { exponential(ratio, 2) }
}

/// Range and median of a ratio beside the line of equal speed.
fn bar(scale: Scale, ratio: f64, least: f64, most: f64) -> String {
    let (width, height) = BAR;
    let x = |value: f64| 4.0 + scale.share(value) * (width - 8.0);
    let (one, from, to, at, middle) = (x(1.0), x(least), x(most), x(ratio), height / 2.0);
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" aria-hidden=\"true\">\
         <path class=\"even\" d=\"M{one:.1} 0V{height}\"/><path class=\"range\" d=\"M{from:.1} {middle}H{to:.1}\"/>\
         <circle class=\"median\" cx=\"{at:.1}\" cy=\"{middle}\" r=\"3.5\"/></svg>"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"geomean": 1.2, "failed": [], "openvino": "2026<4>", "rows": [
        {"model": "a&b", "threads": 1, "ort_ms": 2.0, "openvino_ms": 3.0, "cnnc_ms": 1.0, "speedup": 2.0,
         "speedup_min": 1.5, "speedup_max": 2.5},
        {"model": "c", "threads": 1, "ort_ms": null, "openvino_ms": 3.0, "cnnc_ms": 4.0, "speedup": 0.75}]}"#;

    #[test]
    fn a_comparison_is_a_table() {
        let peers = Peers::parse("peers.json", TEXT).unwrap();
        let markup = peers.markup();
        for part in ["<td>a&amp;b</td>", "1.50 to 2.50", "<tr class=\"slower\"><td>c</td>", "OpenVINO 2026&lt;4&gt;"] {
            assert!(markup.contains(part), "{part}: {markup}");
        }
        assert!(!markup.contains("NaN"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            ("", "no comparison with other engines: EOF"),
            ("{\"rows\": [{}]}", "missing field `model`"),
            (&TEXT.replace("4.0", "-4.0"), "the times and ratios of c are to be above 0"),
        ] {
            let found = Peers::parse("x", text).unwrap_err();
            assert!(found.contains(message), "{found}");
        }
    }
}
