//! A figure: data and layout of plotly.js, with its title, caption and query.

use serde_json::{Value, json};

/// Colours of traces: Okabe and Ito's, told apart with any colour vision. Traces beyond them take these colours again, with
/// other dashes or hatches.
pub const PALETTE: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b2a100",
];
/// Dashes of lines, by how often the colours were used before.
pub const DASHES: [&str; 3] = ["solid", "dash", "dot"];
/// Hatches of bars and of areas, by the same.
const HATCHES: [&str; 3] = ["", "/", "."];
/// Most traces of a figure that can be told apart.
pub const TRACES_MAX: usize = PALETTE.len() * DASHES.len();

/// A figure of a report.
pub struct Figure {
    /// Its name in the page and among the files of `--figures`.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// What is to be seen, in words.
    pub caption: String,
    /// The query by which DuckDB gives its data; empty if a table lacks.
    pub query: String,
    /// The query with METRIC, COST and BENEFIT for what the reader of the page picks; empty if there is nothing to pick.
    pub query_to_pick: String,
    /// Traces; none if there is nothing to draw.
    pub data: Vec<Value>,
    /// Axes and shapes.
    pub layout: Value,
    /// Whether it takes the whole width of the page.
    pub is_wide: bool,
    /// Whether it is higher than others.
    pub is_tall: bool,
}

impl Figure {
    /// Returns a figure without traces.
    pub fn new(id: &str, title: &str, caption: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: caption.into(),
            query: String::new(),
            query_to_pick: String::new(),
            data: Vec::new(),
            layout: json!({}),
            is_wide: false,
            is_tall: false,
        }
    }

    /// Sets the titles of the axes.
    pub fn axes(mut self, x: &str, y: &str) -> Self {
        self.layout["xaxis"]["title"]["text"] = x.into();
        self.layout["yaxis"]["title"]["text"] = y.into();
        self
    }

    /// Sets the query.
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    /// Makes an axis (`xaxis` or `yaxis`) logarithmic.
    pub fn logarithmic(mut self, axis: &str) -> Self {
        self.layout[axis]["type"] = "log".into();
        self.layout[axis]["dtick"] = 1.into();
        self
    }

    /// Makes an axis begin at 0 and show shares as percentages.
    pub fn shares(mut self, axis: &str) -> Self {
        self.layout[axis]["tickformat"] = ",.3~p".into();
        self.layout[axis]["rangemode"] = "tozero".into();
        self
    }

    /// Adds vertical lines with labels.
    pub fn lines(mut self, lines: impl IntoIterator<Item = (f64, String)>) -> Self {
        let mut shapes = Vec::new();
        let mut labels = Vec::new();
        for (x, text) in lines {
            shapes.push(
                json!({"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1,
                "line": {"dash": "dot", "width": 1.5, "color": "#888"}}),
            );
            labels.push(json!({"x": x, "yref": "paper", "y": 1, "yanchor": "bottom", "text": text, "showarrow": false}));
        }
        self.layout["shapes"] = shapes.into();
        self.layout["annotations"] = labels.into();
        self
    }

    /// Adds a trace, unless it has no points.
    pub fn trace(&mut self, trace: Value) {
        if trace["x"].as_array().is_none_or(|x| !x.is_empty()) {
            self.data.push(trace);
        }
    }

    /// Gives traces beyond the colours other dashes or hatches. Drops those that even so could not be told from others,
    /// which the caption then says.
    pub fn told_apart(mut self) -> Self {
        let all = self.data.len();
        if all > TRACES_MAX {
            self.data.truncate(TRACES_MAX);
            self.caption += &format!(
                " Drawn are the first {TRACES_MAX} of {all} traces, which can be told apart."
            );
        }
        for (index, trace) in self.data.iter_mut().enumerate() {
            vary(trace, index / PALETTE.len());
        }
        self
    }

    /// Returns the figure as plotly.js takes it.
    pub fn json(&self) -> Value {
        let mut layout = self.layout.clone();
        layout["colorway"] = json!(PALETTE);
        json!({"data": self.data, "layout": layout})
    }
}

/// Varies a trace whose colour was used `times` times before.
pub fn vary(trace: &mut Value, times: usize) {
    let hatch = HATCHES[times % HATCHES.len()];
    match trace["type"].as_str() {
        _ if times == 0 => {}
        Some("bar") => trace["marker"]["pattern"]["shape"] = hatch.into(),
        _ if trace.get("stackgroup").is_some() => trace["fillpattern"]["shape"] = hatch.into(),
        _ => trace["line"]["dash"] = DASHES[times % DASHES.len()].into(),
    }
}

/// Returns a line through points.
pub fn line(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Value {
    let (x, y): (Vec<f64>, Vec<f64>) = points.map(|(x, y)| (rounded(x), rounded(y))).unzip();
    json!({"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y})
}

/// Returns a line that stays at the value of a point until the next one.
pub fn steps(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Value {
    let mut trace = line(name, points);
    trace["line"]["shape"] = "hv".into();
    trace
}

/// Rounds to six significant digits, so that pages stay small.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(5 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_can_be_told_apart_or_are_dropped() {
        let mut figure = Figure::new("many", "Many", "Lines.");
        for index in 0..30 {
            figure.trace(line(&index.to_string(), [(0.0, 0.0)].into_iter()));
        }
        let figure = figure.told_apart();
        assert_eq!(
            figure.caption,
            "Lines. Drawn are the first 24 of 30 traces, which can be told apart."
        );
        let look = |index: usize| {
            (
                index % PALETTE.len(),
                figure.data[index]["line"]["dash"].clone(),
            )
        };
        let looks: Vec<_> = (0..figure.data.len()).map(look).collect();
        let is_new = |index: usize| !looks[..index].contains(&looks[index]);
        assert!(looks.len() == TRACES_MAX && (0..looks.len()).all(is_new));
    }
}
