"use strict";
// Draws the figures of the page with the theme that is chosen. `kadsimFigures` maps names to data and layout;
// `kadsimStudy` has the settings and metrics of a study's cells.
(() => {
  // Okabe and Ito's palette, told apart with any colour vision; the first two change places with the theme's ground.
  const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b2a100"];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const clone = (value) => JSON.parse(JSON.stringify(value));

  function themed(layout) {
    const colour = isDark() ? { text: "#e4e8ed", grid: "#333c46" } : { text: "#1b1f24", grid: "#d8dee4" };
    const themed = clone(layout);
    Object.assign(themed, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", colorway: PALETTE,
      font: { family: "system-ui, sans-serif", size: 13, color: colour.text }, separators: ".\u2009",
      margin: Object.assign({ l: 64, r: 16, t: 24, b: 52 }, layout.margin), hovermode: layout.hovermode || "closest",
      legend: Object.assign({ orientation: "h", y: -0.32, yanchor: "top" }, layout.legend),
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour.grid, activecolor: colour.text },
    });
    for (const axis of ["xaxis", "yaxis"]) themed[axis] = themed[axis] || {};
    for (const key of Object.keys(themed).filter((key) => /^[xy]axis\d*$/.test(key))) {
      themed[key] = Object.assign({ gridcolor: colour.grid, zerolinecolor: colour.grid, linecolor: colour.grid, automargin: true }, themed[key]);
      if (themed[key].title) themed[key].title.standoff = 10;
    }
    return themed;
  }

  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const shown = new Map();

  function draw(element, figure) {
    shown.set(element, figure);
    const layout = themed(figure.layout);
    if (layout.showlegend === undefined) layout.showlegend = figure.data.length > 1;
    return Plotly.react(element, clone(figure.data), layout, config);
  }

  const redraw = () => shown.forEach((figure, element) => draw(element, figure));
  document.querySelectorAll(".plot[data-figure]").forEach((element) => draw(element, kadsimFigures[element.dataset.figure]));

  const button = document.getElementById("theme");
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    button.setAttribute("aria-pressed", String(isDark()));
    redraw();
  });
  button.setAttribute("aria-pressed", String(isDark()));
  dark.addEventListener("change", redraw);
  // Paper is light.
  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; redraw(); });
  addEventListener("afterprint", () => { if (before) root.dataset.theme = before; else delete root.dataset.theme; redraw(); });

  document.querySelectorAll("button[data-copy]").forEach((copy) => {
    copy.addEventListener("click", async () => {
      const text = document.getElementById(copy.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const range = document.createRange();
        range.selectNodeContents(document.getElementById(copy.dataset.copy));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        document.execCommand("copy");
      }
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy query"), 1500);
    });
  });

  if (typeof kadsimStudy === "undefined") return;
  const { axes, metrics, cells } = kadsimStudy;
  const by = (id) => document.getElementById(id);
  const number = (text) => (text.trim() !== "" && !Number.isNaN(Number(text)) ? Number(text) : text);
  // Numbers ascend; other values stand in the order of the file.
  const values = (axis) => {
    const all = [...new Set(cells.map((cell) => cell.settings[axis]))];
    return all.every((value) => typeof number(value) === "number") ? all.sort((one, other) => number(one) - number(other)) : all;
  };
  const option = (select, text, value) => select.add(new Option(text, value));
  const chosen = (id) => Number(by(id).value);
  const start = (id, metric) => { const at = metrics.indexOf(metric); by(id).value = String(at < 0 ? 0 : at); };

  for (const id of ["metric", "benefit", "cost"]) metrics.forEach((metric, index) => option(by(id), metric, index));
  axes.forEach((axis, index) => ["axis", "lines", "columns"].forEach((id) => option(by(id), axis, index)));
  ["lines", "columns"].forEach((id) => option(by(id), "none", -1));
  start("metric", kadsimStudy.first); start("benefit", kadsimStudy.first); start("cost", kadsimStudy.cost);
  const isCost = (metric) => /duration|attempts|failed|depth|contacts|abandoned|late|stale|missing/.test(metric || "");
  by("better").value = isCost(kadsimStudy.first) ? "less" : "more";
  by("axis").value = "0";
  by("lines").value = String(axes.length > 1 ? 1 : -1);
  by("columns").value = String(axes.length > 2 ? 2 : -1);

  // Means over the cells that agree in what is drawn, so that axes that are not drawn are averaged over.
  function mean(list, metric) {
    const known = list.filter((cell) => cell.values[metric] !== null);
    if (known.length === 0) return null;
    return known.reduce((sum, cell) => sum + cell.values[metric], 0) / known.length;
  }

  function multiples() {
    const [metric, x, lines, columns] = ["metric", "axis", "lines", "columns"].map(chosen);
    const panels = columns >= 0 ? values(columns) : [""];
    const groups = lines >= 0 ? values(lines) : [""];
    const data = [];
    const layout = { annotations: [], grid: { rows: 1, columns: panels.length, pattern: "independent" } };
    panels.forEach((panel, at) => {
      const suffix = at === 0 ? "" : String(at + 1);
      groups.forEach((group, index) => {
        const points = values(x).map((value) => {
          const of = cells.filter((cell) => cell.settings[x] === value && (columns < 0 || cell.settings[columns] === panel)
            && (lines < 0 || cell.settings[lines] === group));
          return { x: number(value), y: mean(of, metric), ci: of.length === 1 ? of[0].intervals[metric] : null };
        }).filter((point) => point.y !== null);
        data.push({ type: "scatter", mode: "lines+markers", x: points.map((point) => point.x), y: points.map((point) => point.y),
          error_y: { type: "data", array: points.map((point) => point.ci), thickness: 1.5, width: 4 },
          name: lines >= 0 ? `${axes[lines]} = ${group}` : metrics[metric], legendgroup: String(index), showlegend: at === 0,
          xaxis: `x${suffix}`, yaxis: `y${suffix}`, line: { color: PALETTE[index % PALETTE.length] } });
      });
      layout[`xaxis${suffix}`] = { title: { text: axes[x] } };
      layout[`yaxis${suffix}`] = at === 0 ? { title: { text: metrics[metric] } } : { matches: "y", showticklabels: false };
      if (columns >= 0) layout.annotations.push({ text: `${axes[columns]} = ${panel}`, showarrow: false, xref: `x${suffix} domain`, yref: "paper", x: 0.5, y: 1, yanchor: "bottom" });
    });
    draw(by("multiples"), { data, layout });
  }

  function heat() {
    const [metric, x, y] = ["metric", "axis", "lines"].map(chosen);
    const rows = y >= 0 ? values(y) : [""];
    const table = rows.map((row) => values(x).map((column) => mean(cells.filter((cell) => cell.settings[x] === column && (y < 0 || cell.settings[y] === row)), metric)));
    const text = table.map((row) => row.map((value) => (value === null ? "" : String(Number(value.toPrecision(4))))));
    draw(by("heat"), { data: [{ type: "heatmap", z: table, x: values(x), y: rows, text, texttemplate: "%{text}", colorscale: "Viridis", showscale: true }],
      layout: { showlegend: false, xaxis: { type: "category", title: { text: axes[x] } }, yaxis: { type: "category", title: { text: y >= 0 ? axes[y] : "" } } } });
  }

  function front() {
    const [cost, benefit] = ["cost", "benefit"].map(chosen);
    const least = by("better").value === "less";
    const known = cells.filter((cell) => cell.values[cost] !== null && cell.values[benefit] !== null);
    const better = (one, other) => (least ? one.values[benefit] <= other.values[benefit] : one.values[benefit] >= other.values[benefit]);
    const beats = (one, other) => one.values[cost] <= other.values[cost] && better(one, other)
      && (one.values[cost] !== other.values[cost] || one.values[benefit] !== other.values[benefit]);
    const best = known.filter((cell) => !known.some((other) => beats(other, cell)));
    best.sort((one, other) => one.values[cost] - other.values[cost]);
    const name = (cell) => axes.map((axis, index) => `${axis} = ${cell.settings[index]}`).join("<br>");
    const trace = (list, more) => Object.assign({ type: "scatter", x: list.map((cell) => cell.values[cost]), y: list.map((cell) => cell.values[benefit]), text: list.map(name) }, more);
    draw(by("front"), { data: [trace(known, { mode: "markers", name: "cells", marker: { size: 8 } }), trace(best, { mode: "lines+markers", name: "no cell is better in both", line: { shape: "hv" } })],
      layout: { xaxis: { title: { text: metrics[cost] } }, yaxis: { title: { text: metrics[benefit] } } } });
  }

  const describe = () => { document.querySelectorAll("[data-query]").forEach((query) => (query.textContent = query.dataset.query.replace("METRIC", metrics[chosen("metric")])
      .replace("COST", metrics[chosen("cost")]).replace("BENEFIT", metrics[chosen("benefit")]))); };
  const all = () => { multiples(); heat(); front(); describe(); };
  document.querySelectorAll(".choices select").forEach((select) => select.addEventListener("change", all));
  all();
})();
