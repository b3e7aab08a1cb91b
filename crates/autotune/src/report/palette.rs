//! How algorithms look: a colour and a form each.
//!
//! Colours alone do not tell algorithms apart for everyone, nor on paper: neighbours in the list differ in form as well.
//! The colours themselves stand in the style sheet, as `c0` to `c6`, for light and for dark pages.

use std::collections::BTreeMap;

/// Colours in the style sheet.
const COLOURS: usize = 7;
/// Forms of [`form`].
const FORMS: usize = 4;

/// Looks of algorithms.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    places: BTreeMap<String, usize>,
}

/// A look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    place: usize,
}

impl Palette {
    /// The looks of those algorithms, the most important first.
    pub fn new<'a>(algorithms: impl IntoIterator<Item = &'a str>) -> Palette {
        let mut places = BTreeMap::new();
        for name in algorithms {
            let next = places.len();
            places.entry(name.to_string()).or_insert(next);
        }
        Palette { places }
    }

    /// The look of an algorithm.
    pub fn look(&self, algorithm: &str) -> Look {
        Look { place: self.places.get(algorithm).copied().unwrap_or(self.places.len()) }
    }
}

impl Look {
    /// Its class in the style sheet.
    pub fn class(self) -> String {
        format!("c{}", self.place % COLOURS)
    }

    /// The path of a mark around the origin with the area of a circle of that radius.
    pub fn path(self, radius: f64) -> String {
        form(self.place % FORMS, radius)
    }

    /// A small mark to stand in a line of text.
    pub fn key(self) -> String {
        format!(
            "<svg class=\"key\" viewBox=\"-7 -7 14 14\" width=\"12\" height=\"12\" aria-hidden=\"true\">\
             <path class=\"mark {}\" d=\"{}\"/></svg>",
            self.class(),
            self.path(4.6)
        )
    }
}

/// Circle, square, triangle or diamond, all of one area.
fn form(form: usize, radius: f64) -> String {
    // A square of half the side a has the area 4 a^2, a diamond of half the diagonal d has 2 d^2, an even triangle whose
    // corners are t from its middle has 3 sqrt(3) / 4 t^2.
    let area = std::f64::consts::PI * radius * radius;
    match form {
        0 => {
            let (r, d) = (radius, 2.0 * radius);
            format!("M{:.2} 0a{r:.2} {r:.2} 0 1 0 {d:.2} 0a{r:.2} {r:.2} 0 1 0 {:.2} 0z", -r, -d)
        }
        1 => {
            let a = (area / 4.0).sqrt();
            format!("M{:.2} {:.2}h{d:.2}v{d:.2}h{:.2}z", -a, -a, -2.0 * a, d = 2.0 * a)
        }
        2 => {
            let t = (area * 4.0 / (3.0 * 3f64.sqrt())).sqrt();
            let (side, low) = (t * 3f64.sqrt() / 2.0, t / 2.0);
            format!("M0 {:.2}L{side:.2} {low:.2}H{:.2}z", -t, -side)
        }
        _ => {
            let d = (area / 2.0).sqrt();
            format!("M0 {:.2}L{d:.2} 0L0 {d:.2}L{:.2} 0z", -d, -d)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_in_colour_and_form() {
        let names: Vec<String> = (0..COLOURS * FORMS).map(|k| format!("a{k}")).collect();
        let palette = Palette::new(names.iter().map(String::as_str));
        let looks: Vec<(String, String)> =
            names.iter().map(|n| palette.look(n)).map(|look| (look.class(), look.path(1.0))).collect();
        for (k, look) in looks.iter().enumerate() {
            assert!(!looks[..k].contains(look));
        }
        assert!(looks.windows(2).all(|w| w[0].0 != w[1].0 && w[0].1 != w[1].1));
        assert_eq!(Palette::default().look("unknown").class(), "c0");
    }
}
