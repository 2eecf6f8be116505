//! Panels of lines over numbers of nodes, both axes logarithmic, as SVG.

use std::fmt::Write;

/// One line of a panel.
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// Index of its colour in the palette.
    pub colour: usize,
    /// Whether it is dashed.
    pub is_dashed: bool,
    /// Its points, all positive.
    pub points: Vec<(f64, f64)>,
}

/// One of several diagrams that stand side by side.
pub struct Panel {
    /// What its vertical axis shows.
    pub title: &'static str,
    /// Its lines.
    pub lines: Vec<Line>,
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 260.0;
/// Space around a panel, for its axes and its title.
const MARGIN: f64 = 48.0;
/// Space for the legend below.
const LEGEND: f64 = 60.0;
/// Colours of Okabe and Ito, which readers with colour blindness can tell apart.
const COLOURS: [&str; 6] = [
    "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9",
];

/// Exponents of the powers of ten at which an axis begins and ends.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values
            .clone()
            .map(f64::log10)
            .fold(f64::INFINITY, f64::min)
            .floor();
        let high = values
            .map(f64::log10)
            .fold(f64::NEG_INFINITY, f64::max)
            .ceil();
        Self {
            low,
            high: high.max(low + 1.0),
        }
    }

    /// Returns the position of a value on the axis, 0 to 1.
    fn share(self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    fn powers(self) -> impl Iterator<Item = i32> {
        self.low as i32..=self.high as i32
    }
}

/// Returns the SVG of the panels.
pub fn draw(panels: &[Panel]) -> String {
    let width = panels.len() as f64 * (WIDTH + 1.5 * MARGIN) + 0.5 * MARGIN;
    let height = HEIGHT + 2.0 * MARGIN + LEGEND;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let left = MARGIN + index as f64 * (WIDTH + 1.5 * MARGIN);
        panel.draw(&mut out, left);
    }
    if let Some(panel) = panels.first() {
        legend(&mut out, &panel.lines);
    }
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self, out: &mut String, left: f64) {
        let points = self.lines.iter().flat_map(|line| &line.points);
        if points.clone().next().is_none() {
            return;
        }
        let across = Axis::over(points.clone().map(|point| point.0));
        let up = Axis::over(points.map(|point| point.1));
        let x = |value: f64| left + WIDTH * across.share(value);
        let y = |value: f64| MARGIN + HEIGHT * (1.0 - up.share(value));
        let (right, bottom) = (left + WIDTH, MARGIN + HEIGHT);
        let title = self.title;
        let _ = writeln!(
            out,
            "<text x=\"{left}\" y=\"{}\" font-size=\"13\">{title}</text>",
            MARGIN - 12.0
        );
        for power in across.powers() {
            let x = x(10f64.powi(power));
            let _ = writeln!(
                out,
                "<path d=\"M{x:.1} {MARGIN}V{bottom}\" stroke=\"#ddd\"/>"
            );
            label(out, (x, bottom + 16.0), "middle", power);
        }
        for power in up.powers() {
            let y = y(10f64.powi(power));
            let _ = writeln!(out, "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>");
            label(out, (left - 6.0, y + 4.0), "end", power);
        }
        let (middle, below) = (left + WIDTH / 2.0, bottom + 32.0);
        let _ = writeln!(
            out,
            "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">nodes</text>"
        );
        for line in &self.lines {
            let mut path = String::new();
            for (index, &(nodes, value)) in line.points.iter().enumerate() {
                let step = if index == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{step}{:.1} {:.1}", x(nodes), y(value));
            }
            let _ = writeln!(out, "<path d=\"{path}\" {}/>", line.stroke());
        }
    }
}

/// Appends a power of ten as text.
fn label(out: &mut String, (x, y): (f64, f64), anchor: &str, power: i32) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">10<tspan dy=\"-4\" font-size=\"8\">\
         {power}</tspan></text>"
    );
}

fn legend(out: &mut String, lines: &[Line]) {
    const COLUMN: f64 = 170.0;
    for (index, line) in lines.iter().enumerate() {
        // A layout has one column, with its two policies one above the other.
        let x = MARGIN + (index / 2) as f64 * COLUMN;
        let y = HEIGHT + 2.0 * MARGIN + 12.0 + (index % 2) as f64 * 20.0;
        let (end, text) = (x + 32.0, x + 38.0);
        let _ = writeln!(
            out,
            "<path d=\"M{x} {y}H{end}\" {}/><text x=\"{text}\" y=\"{}\">{}</text>",
            line.stroke(),
            y + 4.0,
            line.label
        );
    }
}

impl Line {
    fn stroke(&self) -> String {
        let colour = COLOURS[self.colour % COLOURS.len()];
        let dashes = if self.is_dashed {
            " stroke-dasharray=\"6 4\""
        } else {
            ""
        };
        format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}")
    }
}
