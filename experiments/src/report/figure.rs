//! A figure: data and layout of plotly.js, with its title, caption and query.

use serde_json::{Value, json};

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
    /// Traces; none if there is nothing to draw.
    pub data: Vec<Value>,
    /// Axes and shapes.
    pub layout: Value,
}

impl Figure {
    /// Returns a figure without traces.
    pub fn new(id: &str, title: &str, caption: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: caption.into(),
            query: String::new(),
            data: Vec::new(),
            layout: json!({}),
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

    /// Adds a trace.
    pub fn trace(&mut self, trace: Value) {
        self.data.push(trace);
    }

    /// Returns the figure as plotly.js takes it.
    pub fn json(&self) -> Value {
        json!({"data": self.data, "layout": self.layout})
    }
}

/// Returns a line through points.
pub fn line(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Value {
    let (x, y): (Vec<f64>, Vec<f64>) = points.map(|(x, y)| (rounded(x), rounded(y))).unzip();
    json!({"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y})
}

/// Rounds to six significant digits, so that pages stay small.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(5 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}
