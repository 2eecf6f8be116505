"use strict";
// Draws the figures of the page with the theme that is chosen. `kadsimFigures` maps names to data and layout;
// `kadsimStudy` has the settings and metrics of a study's cells.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const clone = (value) => JSON.parse(JSON.stringify(value));

  function themed(layout) {
    const colour = isDark() ? { text: "#e4e8ed", grid: "#333c46" } : { text: "#1b1f24", grid: "#d8dee4" };
    const themed = clone(layout);
    Object.assign(themed, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 13, color: colour.text }, separators: ".\u2009",
      margin: Object.assign({ l: 64, r: 16, t: 36, b: 52 }, layout.margin), hovermode: layout.hovermode || "closest",
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
  // What is drawn here when the reader picks is, for the first picks, what the page comes with.
  const { axes, metrics, cells, pick, linesMax, panelsMax, dashes, costs } = kadsimStudy;
  const palette = kadsimFigures.multiples.layout.colorway;
  const by = (id) => document.getElementById(id);
  const point = (axis, value) => (axes[axis].isNumeric ? Number(value) : value);
  const values = (axis, most) => (axis < 0 ? [""] : axes[axis].values.slice(0, most));
  const has = (cell, axis, value) => axis < 0 || cell.settings[axis] === value;
  const option = (select, text, value) => select.add(new Option(text, value));
  const chosen = (id) => Number(by(id).value);

  for (const id of ["metric", "benefit", "cost"]) metrics.forEach((metric, index) => option(by(id), metric, index));
  axes.forEach((axis, index) => ["axis", "lines", "columns"].forEach((id) => option(by(id), axis.name, index)));
  ["lines", "columns"].forEach((id) => option(by(id), "none", -1));
  for (const id of Object.keys(pick)) by(id).value = String(pick[id]);

  // Means over the cells that agree in what is drawn, so that axes that are not drawn are averaged over.
  function mean(list, metric) {
    const known = list.filter((cell) => cell.values[metric] !== null);
    if (known.length === 0) return null;
    return known.reduce((sum, cell) => sum + cell.values[metric], 0) / known.length;
  }

  function multiples() {
    const [metric, x, lines, columns] = ["metric", "axis", "lines", "columns"].map(chosen);
    const panels = values(columns, panelsMax);
    const groups = values(lines, linesMax);
    const data = [];
    const named = new Set();
    const layout = { annotations: [], colorway: palette, grid: { rows: 1, columns: panels.length, pattern: "independent" }, showlegend: groups.length > 1 };
    panels.forEach((panel, at) => {
      const suffix = at === 0 ? "" : String(at + 1);
      groups.forEach((group, index) => {
        const points = values(x).map((value) => {
          const of = cells.filter((cell) => cell.settings[x] === value && has(cell, columns, panel) && has(cell, lines, group));
          return { x: point(x, value), y: mean(of, metric), ci: of.length === 1 ? of[0].intervals[metric] : null };
        }).filter((point) => point.y !== null);
        if (points.length === 0) return;
        const line = { color: palette[index % palette.length] };
        if (index >= palette.length) line.dash = dashes[Math.floor(index / palette.length)];
        data.push({ type: "scatter", mode: "lines+markers", x: points.map((point) => point.x), y: points.map((point) => point.y),
          error_y: { type: "data", array: points.map((point) => point.ci), thickness: 1.5, width: 4 },
          name: lines >= 0 ? `${axes[lines].name} = ${group}` : metrics[metric], legendgroup: String(index), showlegend: !named.has(index),
          xaxis: `x${suffix}`, yaxis: `y${suffix}`, line });
        named.add(index);
      });
      layout[`xaxis${suffix}`] = { title: { text: axes[x].name } };
      layout[`yaxis${suffix}`] = at === 0 ? { title: { text: metrics[metric] } } : { matches: "y", showticklabels: false };
      if (columns >= 0) layout.annotations.push({ text: `${axes[columns].name} = ${panel}`, showarrow: false, xref: `x${suffix} domain`, yref: "paper", x: 0.5, y: 1, yanchor: "bottom" });
    });
    draw(by("multiples"), { data, layout });
  }

  function heat() {
    const [metric, x, y] = ["metric", "axis", "lines"].map(chosen);
    const z = values(y).map((row) => values(x).map((value) => mean(cells.filter((cell) => cell.settings[x] === value && has(cell, y, row)), metric)));
    draw(by("heat"), { data: [{ type: "heatmap", z, x: values(x), y: values(y), texttemplate: "%{z:.4~r}", colorscale: "Viridis", showscale: true, hoverongaps: false }],
      layout: { showlegend: false, colorway: palette, xaxis: { type: "category", title: { text: axes[x].name } }, yaxis: { type: "category", title: { text: y >= 0 ? axes[y].name : "" } } } });
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
    const name = (cell) => axes.map((axis, index) => `${axis.name} = ${cell.settings[index]}`).join("<br>");
    const trace = (list, more) => Object.assign({ type: "scatter", x: list.map((cell) => cell.values[cost]), y: list.map((cell) => cell.values[benefit]), text: list.map(name) }, more);
    draw(by("front"), { data: [trace(known, { mode: "markers", name: "cells", marker: { size: 8 } }), trace(best, { mode: "lines+markers", name: "no cell is better in both", line: { shape: "hv" } })].filter((trace) => trace.x.length > 0),
      layout: { colorway: palette, xaxis: { title: { text: metrics[cost] } }, yaxis: { title: { text: metrics[benefit] } } } });
  }

  const describe = () => document.querySelectorAll("[data-query]").forEach((query) => {
    const of = (id) => `'${metrics[chosen(id)]}'`;
    query.textContent = query.dataset.query.replace("'METRIC'", of("metric")).replace("'COST'", of("cost")).replace("'BENEFIT'", of("benefit"));
  });
  const all = () => { multiples(); heat(); front(); describe(); };
  // A benefit that is picked is better by its name, until the reader says otherwise.
  by("benefit").addEventListener("change", () => { by("better").value = costs.some((cost) => metrics[chosen("benefit")].includes(cost)) ? "less" : "more"; });
  document.querySelectorAll(".choices select").forEach((select) => select.addEventListener("change", all));
})();
