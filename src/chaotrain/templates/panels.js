// What each plot shows of the chosen learning rate.

// Limits as plotly takes error bars; an open or missing one has no length.
const bars = (middle, low, high) => ({
  type: "data", symmetric: false, thickness: 1.5, width: 3,
  array: middle.map((m, i) => (m === null || high[i] === null ? 0 : high[i] - m)),
  arrayminus: middle.map((m, i) => (m === null || low[i] === null ? 0 : m - low[i])),
});

function curves() {
  const mean = values("nmle"), deviation = values("nmle_std"), rho = values("rho");
  const time = column("mean_training_time"), reached = column("reached");
  const line = (name, y, axis, tint, symbol, error, text) => ({
    name, x: rates, y, yaxis: axis, mode: "lines+markers", error_y: error, text,
    line: { color: colour(tint), width: 1.5 }, marker: { color: colour(tint), size: 9, symbol },
    hovertemplate: "%{text}<extra></extra>",
  });
  return [
    line("λ_nMLE", mean, "y", "ink", "square",
      { type: "data", array: deviation.map((d) => d ?? 0), thickness: 1.5, width: 3 },
      mean.map((m, i) => plain(`λ_nMLE = ${short(m)} ± ${short(deviation[i])}`))),
    line("ρ", rho, "y2", "blue", "diamond", bars(rho, values("rho_low"), values("rho_high")),
      rho.map((r, i) => `ρ = ${short(r)} of ${values("decided")[i]} decided`)),
    line("⟨τ⟩", time, "y3", "red", "circle",
      bars(time, column("mean_training_time_low"), column("mean_training_time_high")),
      time.map((t, i) => `⟨τ⟩ = ${short(t, 4)}, reached by ${percent(reached[i])}`)),
  ];
}

// A band where neighbours have the same regime; they meet halfway between learning rates.
function bands([low, high]) {
  const names = values("regime"), place = rates.map(Math.log10), found = [];
  names.forEach((name, i) => {
    const last = found.at(-1);
    if (last?.name === name) return;
    const start = last ? (place[i - 1] + place[i]) / 2 : low;
    if (last) last.stop = start;
    found.push({ name, start, stop: high });
  });
  return found.filter(({ name }) => data.regimes[name]).map(({ name, start, stop }) => ({
    type: "rect", xref: "x", yref: "paper", x0: 10 ** start, x1: 10 ** stop, y0: 0, y1: 1,
    layer: "below", line: { width: 0 }, fillcolor: faint(data.regimes[name]),
  }));
}

function drawRates() {
  const x = logarithmic(rates), { eta_0, eta_1 } = summary.attributes;
  const empty = column("mean_training_time").every((t) => t === null);
  const onsets = [["η<sub>0</sub>", eta_0, "right"], ["η<sub>1</sub>", eta_1, "left"]]
    .filter(([, place]) => place >= 10 ** x.range[0] && place <= 10 ** x.range[1]);
  const shapes = [
    ...bands(x.range), level(0, { color: colour("grey"), width: 1 }),
    ...onsets.map(([, place]) => upright(place, { color: colour("grey"), width: 1.5, dash: "dot" })),
    upright(rates[state.rate], { color: colour("ink"), width: 2 }),
  ];
  if (state.asked !== null)
    shapes.push(upright(state.asked, { color: colour("red"), width: 3, dash: "dash" }));
  const small = { nticks: 6, automargin: false };
  plot("rates", curves(), {
    margin: { l: 64, r: 20, t: 26, b: 48 }, shapes,
    hovermode: "x", hoversubplots: "axis", hoverdistance: -1,
    annotations: onsets.map(([text, place, xanchor]) => ({ text, xanchor, x: Math.log10(place),
      y: 1, yref: "paper", yanchor: "bottom", showarrow: false, font: { color: colour("grey") } })),
    xaxis: axis("learning rate η (logarithmic)",
      { anchor: "y3", showgrid: false, hoverformat: ".6~g", ...x }),
    yaxis: axis("λ_nMLE per epoch", { domain: [0.7, 1], ...small }),
    yaxis2: axis("ρ", { domain: [0.36, 0.64], range: [-0.06, 1.06], ...small, dtick: 0.5 }),
    yaxis3: axis("⟨τ⟩ in epochs", { domain: [0, 0.3], rangemode: "tozero", ...small,
      ...(empty ? { range: [0, 1], showticklabels: false } : {}) }),
  });
}

const tint = (ball) => colour(data.verdicts[ball.verdict] ?? "grey");

function drawLines(name, id, title, onLog) {
  const found = balls().filter((ball) => ball[name]);
  const traces = found.map((ball) => ({
    name: `initialisation ${ball.init}`, x: data.epochs, y: ball[name], mode: "lines",
    line: { color: tint(ball), width: found.length < 10 ? 1.5 : 1 }, opacity: 0.85,
    hovertemplate: `initialisation ${ball.init}, ${ball.verdict}<br>` +
      "epoch %{x}: %{y:.4g}<extra></extra>",
  }));
  const shapes = [], disagree = data.rates[state.rate].disagree;
  if (name === "curve")
    for (const ball of found) {
      if (ball.tangent) traces.push({ name: "tangent", x: data.epochs, y: ball.tangent,
        mode: "lines", hoverinfo: "skip", line: { width: 1.5, dash: "dot",
          color: disagree.includes(ball.init) ? colour("ink") : tint(ball) } });
      if (ball.fit) traces.push({ ...ball.fit, name: "fitted slope", mode: "lines",
        hoverinfo: "skip", line: { color: colour("red"), width: 2.5 } });
    }
  if (name === "test_accuracy" && targets.length)
    shapes.push(level(targets[state.target], { color: colour("ink"), width: 1.5, dash: "dash" },
      { layer: "above" }));
  plot(id, traces, { shapes, xaxis: axis("epoch", { nticks: 6 }),
    yaxis: axis(title, onLog ? logarithmic(traces.flatMap((trace) => trace.y)) : { nticks: 6 }) });
}

const positive = (name) =>
  balls().every((ball) => (ball[name] ?? []).every((value) => value === null || value > 0));

function drawHistogram() {
  const found = data.rates[state.rate].exponents, mean = values("nmle")[state.rate];
  const low = Math.min(...found), high = Math.max(...found);
  const half = Math.max(0.501 * (high - low), 0.03 * Math.max(Math.abs(low), Math.abs(high))) || 0.01;
  const bins = Math.min(Math.max(Math.ceil(1.5 * Math.sqrt(found.length)), 3), 20);
  const start = (low + high) / 2 - half;
  const traces = !found.length ? [] : [{
    type: "histogram", x: found, autobinx: false, marker: { color: colour("sky") },
    xbins: { start, end: start + 2 * half, size: (2 * half) / bins },
    hovertemplate: "%{y} balls<extra></extra>",
  }];
  plot("histogram", traces, {
    shapes: mean === null ? [] : [upright(mean, { color: colour("ink"), width: 2 }, { layer: "above" })],
    bargap: 0.03, xaxis: axis("Λ(Ω) per epoch", { nticks: 6 }),
    yaxis: axis("balls", { nticks: 5, rangemode: "tozero", ...(found.length <= 8 ? { dtick: 1 } : {}) }),
  });
}

// A row a ball: a bar while it is chaotic, an arrow where the end is not seen, a dot at the target.
function drawClocks() {
  const found = balls(), rows = found.map((_, row) => row), height = 84 + 24 * Math.max(rows.length, 3);
  const spans = found.map((ball, row) => ({ ...ball, row })).filter((ball) => ball.chaotic);
  const traces = spans.map(({ chaotic: { start, stop }, row, ...ball }) => ({
    name: `initialisation ${ball.init}`, x: [start, stop ?? data.last], y: [row, row],
    mode: "lines+markers", line: { color: tint(ball), width: 9 },
    marker: { symbol: "triangle-right", size: [0, stop === null ? 18 : 0], opacity: 1,
      color: tint(ball) },
    hovertemplate: `initialisation ${ball.init}: from epoch ${start} ` +
      (stop === null ? "on, no end seen" : `to ${stop}`) + "<extra></extra>",
  }));
  const times = found.map((ball) => ball.times[state.target] ?? null);
  if (rows.length) traces.push({ name: "target", x: times, y: rows, mode: "markers",
    hovertemplate: "target reached at epoch %{x}<extra></extra>",
    marker: { color: colour("red"), size: 11, line: { color: colour("ground"), width: 2 } } });
  const ends = [...spans.map(({ chaotic }) => chaotic.stop ?? data.last), ...times];
  const last = Math.min(1.15 * Math.max(...ends) || data.last, 1.02 * data.last);
  element("clocks").style.height = `${height}px`;
  plot("clocks", traces, { height, hovermode: "closest",
    xaxis: axis(`epoch, of ${data.last}`, { nticks: 8, range: [-0.01 * last, last] }),
    yaxis: axis("initialisation", { tickvals: rows, ticktext: found.map((ball) => String(ball.init)),
      ticks: "", range: [rows.length - 0.4, -0.6] }) });
}

function drawLifetimes() {
  const found = data.rates[state.rate].lifetimes, traces = [];
  if (found) {
    const step = { mode: "lines", hoverinfo: "skip" }, line = { shape: "hv", width: 0 };
    const band = found.x.map((x, i) => [x, found.low[i], found.high[i]])
      .filter(([, low, high]) => low !== null && high !== null);
    traces.push(
      { ...step, name: "low", x: band.map(([x]) => x), y: band.map(([, low]) => low), line },
      { ...step, name: "high", x: band.map(([x]) => x), y: band.map(([, , high]) => high), line,
        fill: "tonexty", fillcolor: faint("blue") },
      { ...step, name: "share", x: found.x, y: found.y, hoverinfo: "all",
        line: { shape: "hv", color: colour("blue"), width: 2 },
        hovertemplate: "%{y:.2~f} last longer than %{x} epochs<extra></extra>" },
      { name: "censored", x: found.censored, y: found.level, mode: "markers",
        marker: { symbol: "line-ns-open", size: 11, color: colour("ink") },
        hovertemplate: "at least %{x} epochs: not over within the run<extra></extra>" });
  }
  plot("lifetimes", traces, { xaxis: axis("lifetime in epochs", { nticks: 6, rangemode: "tozero" }),
    yaxis: axis("share that lasts longer", { range: [-0.03, 1.06], nticks: 5 }) });
}

function drawPhases() {
  const labels = rates.map((rate) => short(rate, 6));
  const traces = Object.entries(data.phases).map(([phase, name]) => ({
    type: "bar", name: phase, x: labels, y: column(`target_${phase.replaceAll(" ", "_")}`),
    marker: { color: colour(name), line: { color: colour("grey"), width: 0.5 } },
    hovertemplate: `η = %{x}<br>${phase}: %{y:.2~f}<extra></extra>`,
  }));
  const frame = { type: "rect", xref: "x", yref: "paper", x0: state.rate - 0.5, x1: state.rate + 0.5,
    y0: 0, y1: 1, line: { color: colour("ink"), width: 2 } };
  plot("phases", traces, { barmode: "stack", bargap: 0.12, shapes: [frame],
    xaxis: axis("learning rate η", { type: "category", showgrid: false }),
    yaxis: axis("share of initialisations", { range: [0, 1], nticks: 5 }) });
}
