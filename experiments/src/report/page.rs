//! The page: HTML with style, script, plotly.js and the figures' data in it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::figure::Figure;
use super::figures::metrics::Pick;
use super::run::Run;
use super::study::Study;
use crate::run::verdicts;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// Returns plotly.js, without the script for formulas that the crate carries beside it.
fn plotly() -> String {
    let scripts = plotly::Plot::offline_js_sources();
    let end = scripts
        .find("</script>")
        .map_or(scripts.len(), |end| end + "</script>".len());
    scripts[..end].to_owned()
}

/// Replaces the characters that mean something in HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            other => escaped.push(other),
        }
    }
    escaped
}

/// Returns a text of which the parts between backticks are code.
fn with_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let part = |(index, part)| match index % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    };
    parts.map(part).collect()
}

/// Returns data as a script that sets a constant. No tag that ends the script, or hides its end, is in it.
fn constant(name: &str, value: &Value) -> String {
    let text = value.to_string().replace('<', "\\u003c");
    format!("<script>const {name} = {text};</script>\n")
}

/// Formats a number with narrow spaces between thousands.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        0.0..1.0 => 4,
        1.0..100.0 => 2,
        _ => 1,
    };
    let text = format!("{value:.decimals$}");
    let text = match decimals {
        0 => &text,
        _ => text.trim_end_matches('0').trim_end_matches('.'),
    };
    let (whole, rest) = text
        .split_once('.')
        .map_or((text, String::new()), |(whole, rest)| {
            (whole, format!(".{rest}"))
        });
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("−", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

/// Returns the page of runs.
pub fn of_runs(runs: &[Run], figures: &[Figure]) -> String {
    let names: Vec<&str> = runs.iter().map(|run| run.label.as_str()).collect();
    let mut body = String::new();
    for run in runs {
        if !run.is_finished {
            let _ = writeln!(
                body,
                "<p class=\"unfinished\">{} is not finished: figures show what its tables hold so far.</p>",
                escaped(&run.label)
            );
        }
    }
    for run in runs {
        body += &tiles(run, runs.len() > 1);
    }
    body += "<h2 id=\"figures\">Figures</h2>\n<div class=\"figures\">\n";
    figures.iter().for_each(|figure| body += &drawn(figure));
    body += "</div>\n";
    for run in runs {
        body += &expectations(run);
    }
    for run in runs {
        let _ = writeln!(
            body,
            "<h2>The resolved file of {}</h2>\n<details><summary>Show all keys</summary>\n<pre tabindex=\"0\">{}</pre>\n</details>",
            escaped(&run.label),
            escaped(&run.resolved)
        );
    }
    page(&names.join(", "), &body, figures, "")
}

/// Returns the page of a study.
pub fn of_study(study: &Study, pick: Option<&Pick>, figures: &[Figure]) -> String {
    let name = study
        .path
        .file_name()
        .unwrap_or(study.path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let mut body = String::new();
    if !study.unfinished.is_empty() {
        let _ = writeln!(
            body,
            "<p class=\"unfinished\">The study is not finished: {} of {} cells are not done, among them {}.</p>",
            study.unfinished.len(),
            study.unfinished.len() + study.cells.len(),
            escaped(&study.unfinished[0])
        );
    }
    let select =
        |id: &str, label: &str| format!("<label>{label}<select id=\"{id}\"></select></label>\n");
    let all = |names: &[&str], body: &mut String| {
        *body += "<div class=\"figures\">\n";
        let figures = figures.iter();
        let wanted = figures.filter(|figure| names.contains(&figure.id.as_str()));
        wanted.for_each(|figure| *body += &drawn(figure));
        *body += "</div>\n";
    };
    if pick.is_some() {
        body += "<h2>Metrics against swept keys</h2>\n<div class=\"choices\">\n";
        body += &select("metric", "Metric");
        body += &select("axis", "Across");
        body += &select("lines", "Lines, and rows of the map");
        body += &select("columns", "Panels");
        body += "</div>\n";
        all(&["multiples", "heat"], &mut body);
        body += "<h2>Cost against benefit</h2>\n<div class=\"choices\">\n";
        body += &select("cost", "Cost (less is better)");
        body += &select("benefit", "Benefit");
        body += "<label>Better is<select id=\"better\"><option value=\"more\">more</option><option value=\"less\">less</option></select></label>\n";
        body += "</div>\n";
        all(&["front", "success-maintenance"], &mut body);
    }
    body += "<h2>Distributions</h2>\n";
    all(&["durations"], &mut body);
    body += "<h2>Cells</h2>\n";
    body += &cells(study);
    let data = pick.map(|pick| constant("kadsimStudy", &pick.data(study)));
    page(&name, &body, figures, &data.unwrap_or_default())
}

/// Returns the page around a body.
fn page(name: &str, body: &str, figures: &[Figure], more: &str) -> String {
    let all = figures.iter().filter(|figure| !figure.data.is_empty());
    let all: Map<String, Value> = all
        .map(|figure| (figure.id.clone(), figure.json()))
        .collect();
    let data = constant("kadsimFigures", &Value::Object(all));
    let (name, plotly) = (escaped(name), plotly());
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{name} – kadsim</title>\n<style>\n{STYLE}</style>\n{plotly}\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">Skip to the content</a>\n\
         <header><h1>{name}</h1><button id=\"theme\" type=\"button\" aria-pressed=\"false\">Light or dark</button></header>\n\
         <main id=\"content\">\n{body}</main>\n<footer>Made by kadsim {version}.</footer>\n\
         {data}{more}<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Returns the element of a figure.
fn drawn(figure: &Figure) -> String {
    let Figure {
        id,
        title,
        caption,
        query,
        query_to_pick,
        ..
    } = figure;
    let (title, caption) = (escaped(title), with_code(caption));
    let class = match (figure.is_wide, figure.is_tall) {
        (true, true) => " class=\"wide tall\"",
        (true, false) => " class=\"wide\"",
        _ => "",
    };
    let plot = match figure.data.is_empty() {
        true => String::new(),
        false => format!(
            "<div class=\"plot\" id=\"{id}\" data-figure=\"{id}\" role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-caption\"></div>\n"
        ),
    };
    let to_pick = match query_to_pick.is_empty() {
        true => String::new(),
        false => format!(" data-query=\"{}\"", escaped(query_to_pick)),
    };
    let query = match query.is_empty() {
        true => String::new(),
        false => format!(
            "<details><summary>DuckDB query</summary>\n<pre id=\"{id}-query\" tabindex=\"0\"{to_pick}>{}</pre>\n\
             <button type=\"button\" data-copy=\"{id}-query\">Copy query</button></details>\n",
            escaped(query)
        ),
    };
    format!(
        "<figure{class}>\n<h3 id=\"{id}-title\">{title}</h3>\n{plot}<figcaption id=\"{id}-caption\">{caption}</figcaption>\n{query}</figure>\n"
    )
}

/// Returns the tiles of a run.
fn tiles(run: &Run, is_named: bool) -> String {
    let mut tiles: Vec<(String, String)> = Vec::new();
    let of = |phase: &str, metric: &str| {
        run.summary
            .get(&format!("{phase}.{metric}"))
            .and_then(Value::as_f64)
    };
    for phase in &run.phases {
        let name = &phase.name;
        if let Some(found) = of(name, "found.mean") {
            tiles.push((
                format!("found, {name}"),
                format!("{} %", number((1e4 * found).round() / 100.0)),
            ));
        }
        if let Some(p99) = of(name, "duration_ms.p99") {
            tiles.push((
                format!("99th percentile of time, {name}"),
                format!("{} ms", number(p99)),
            ));
        }
    }
    if let Some(ticks) = &run.ticks {
        let contacts: f64 = ticks
            .outcomes
            .bins()
            .map(|(_, bin)| bin.iter().sum::<f64>())
            .sum();
        tiles.push(("contacts".to_owned(), number(contacts)));
    }
    if let Some(hot) = run.load.as_ref().and_then(|load| load.hottest.first()) {
        let requests = number(hot.contacts as f64);
        tiles.push((
            "hottest node".to_owned(),
            format!("{} ({requests} requests)", hot.node),
        ));
    }
    let spent = run
        .spent
        .iter()
        .filter(|(_, system, _)| system == "phase" || system == "tables" || system == "spawn");
    let spent_ms: f64 = spent.map(|(.., ms)| ms).sum();
    if spent_ms > 0.0 {
        tiles.push((
            "time to run".to_owned(),
            format!("{} s", number((spent_ms / 10.0).round() / 100.0)),
        ));
    }
    let heading = if is_named {
        format!("<h2>{}</h2>\n", escaped(&run.label))
    } else {
        String::new()
    };
    let tiles: String = tiles
        .into_iter()
        .map(|(name, value)| {
            format!(
                "<div><dt>{}</dt><dd>{}</dd></div>\n",
                escaped(&name),
                escaped(&value)
            )
        })
        .collect();
    format!("{heading}<dl class=\"tiles\">\n{tiles}</dl>\n")
}

/// Returns the table of a run's expectations, if it has any.
fn expectations(run: &Run) -> String {
    let mut rows = String::new();
    for verdict in verdicts(&run.experiment, &run.summary) {
        let [low, high] = verdict.within.map(number);
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{low} to {high}</td><td>{}</td><td>{}</td></tr>",
            escaped(&verdict.metric),
            verdict.value.map_or("no value".to_owned(), number),
            match verdict.holds() {
                true => "holds",
                false => "does not hold",
            },
            escaped(verdict.source.as_deref().unwrap_or_default())
        );
    }
    match rows.is_empty() {
        true => String::new(),
        false => format!(
            "<h2>Expectations of {}</h2>\n<div class=\"wide-table\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">metric</th>\
             <th scope=\"col\" class=\"number\">value</th><th scope=\"col\" class=\"number\">expected</th><th scope=\"col\"></th>\
             <th scope=\"col\">source</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n",
            escaped(&run.label)
        ),
    }
}

/// Returns the table of a study's cells.
fn cells(study: &Study) -> String {
    let wanted = [
        ".duration_ms.p50",
        ".duration_ms.p99",
        ".attempts.mean",
        ".recall.mean",
        ".found.mean",
        ".in_time",
    ];
    let metrics = study.metrics();
    let metrics: Vec<&String> = metrics
        .iter()
        .filter(|metric| wanted.iter().any(|end| metric.ends_with(end)))
        .collect();
    let head = |text: &str, class: &str| format!("<th scope=\"col\"{class}>{}</th>", escaped(text));
    let mut table = "<div class=\"wide-table\" tabindex=\"0\"><table>\n<thead><tr>".to_owned();
    study
        .axes
        .iter()
        .for_each(|axis| table += &head(&axis.name, ""));
    metrics
        .iter()
        .for_each(|metric| table += &head(metric, " class=\"number\""));
    table += "</tr></thead>\n<tbody>\n";
    for cell in &study.cells {
        table += "<tr>";
        cell.settings.iter().for_each(|setting| {
            let _ = write!(table, "<td>{}</td>", escaped(setting));
        });
        for metric in &metrics {
            let value = cell.value(metric);
            let _ = write!(
                table,
                "<td class=\"number\">{}</td>",
                value.map_or("–".to_owned(), number)
            );
        }
        table += "</tr>\n";
    }
    table + "</tbody></table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_narrow_spaces() {
        for (value, text) in [
            (0.0, "0"),
            (1234.0, "1\u{202f}234"),
            (-1234567.25, "−1\u{202f}234\u{202f}567.2"),
            (0.12345, "0.1235"),
            (12.5, "12.5"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn no_text_ends_an_element() {
        assert_eq!(escaped("<b>\"&"), "&lt;b&gt;&quot;&amp;");
        let script = constant("x", &Value::from("</script>"));
        assert_eq!(script, "<script>const x = \"\\u003c/script>\";</script>\n");
    }

    #[test]
    fn the_page_has_plotly_and_no_script_for_formulas() {
        let plotly = plotly();
        assert!(plotly.starts_with("<script") && plotly.ends_with("</script>"));
        assert!(plotly.contains("plotly.js v"));
        // The script for formulas has two million bytes.
        assert!(plotly.len() < 5_000_000);
    }
}
