"use strict";
// What every plot needs: the data, what is chosen, colours, axes and a frame.
const element = (id) => document.getElementById(id);
const data = JSON.parse(element("data").textContent);
const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const summary = JSON.parse(new TextDecoder().decode(
  bytes(document.querySelector("a[download='summary.json']").href.split(",")[1])));
const values = (name) => summary.variables[name]?.values ?? [];
const rates = values("learning_rate"), targets = values("target");
const state = { rate: Number(element("eta").value), asked: null,
  target: Math.max(targets.indexOf(summary.attributes.target), 0) };
const column = (name) => values(name).map((row) => row[state.target] ?? null);
const balls = () => data.rates[state.rate].balls;

const short = (value, digits = 3) =>
  value === null || value === undefined ? "–" : String(Number(value.toPrecision(digits)));
const percent = (share) => `${short(100 * share)}%`;
// Plotly reads some HTML in its labels.
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
  .replaceAll("λ_nMLE", "λ<sub>nMLE</sub>");

// The colours of the style sheet as they are now, light or dark.
const known = new Map(), probe = document.createElement("span");
document.body.append(probe);
function colour(name) {
  if (!known.has(name)) {
    probe.style.color = `var(--${name})`;
    known.set(name, getComputedStyle(probe).color);
  }
  return known.get(name);
}
const faint = (name) => colour(name).replace("rgb(", "rgba(").replace(")", ", 0.25)");

const axis = (title, more = {}) => ({
  title: { text: plain(title), standoff: 8 }, automargin: true, showline: true,
  linecolor: colour("grey"), tickcolor: colour("grey"), ticks: "outside",
  gridcolor: colour("pale"), zeroline: false, ...more,
});

// A logarithmic axis with ticks at whole decades, at most 8, or within two also at 2 and 5.
function logarithmic(found) {
  const known = found.filter((value) => value > 0);
  if (!known.length) return { type: "log", showticklabels: false };
  const low = Math.log10(Math.min(...known)), high = Math.log10(Math.max(...known));
  const step = Math.ceil((high - low) / 8) || 1, tickvals = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += step)
    for (const part of high - low > 2.2 ? [1] : [1, 2, 5]) tickvals.push(part * 10 ** power);
  const label = (value) => value >= 1e-3 && value < 1e4 ? short(value)
    : value.toExponential(0).replace(/^1e[+]?(.*)$/, "10<sup>$1</sup>")
      .replace(/^(.)e[+]?(.*)$/, "$1·10<sup>$2</sup>").replace("-", "−");
  const room = 0.04 * (high - low) || 0.1;
  return { type: "log", tickvals, ticktext: tickvals.map(label), range: [low - room, high + room] };
}

// A line through the whole plot, at one x or at one y.
const upright = (x, line, more) => ({
  type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, layer: "below", line, ...more,
});
const level = (y, line, more) => ({
  type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: y, y1: y, layer: "below", line, ...more,
});

// Instead of axes around nothing.
const said = (traces) => traces.length ? {} : {
  shapes: [], xaxis: { visible: false }, yaxis: { visible: false },
  annotations: [{ text: "nothing to show", showarrow: false, xref: "paper", yref: "paper",
    x: 0.5, y: 0.5, font: { color: colour("grey") } }],
};

function plot(id, traces, layout) {
  const font = { family: 'system-ui, "DejaVu Sans", sans-serif', size: 13, color: colour("ink") };
  Plotly.react(id, traces, {
    font, dragmode: false, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 56, r: 20, t: 12, b: 48 },
    hoverlabel: { align: "left", bgcolor: colour("raised"), bordercolor: colour("grey"),
      font: { color: colour("ink") } },
    ...layout, ...said(traces),
  }, { displayModeBar: false, responsive: true });
}
