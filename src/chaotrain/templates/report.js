"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const element = (id) => document.getElementById(id);
  const data = read("data"), summary = read("summary");
  const colour = data.colours;
  const values = (name) => summary.variables[name]?.values ?? [];
  const rates = values("learning_rate"), targets = values("target");
  const short = (value, digits = 3) =>
    value === null || value === undefined ? "–" : String(Number(value.toPrecision(digits)));
  // Plotly reads some HTML in its labels.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll("λ_nMLE", "λ<sub>nMLE</sub>");
  const config = { displayModeBar: false, responsive: true };
  const font = { family: 'system-ui, "DejaVu Sans", sans-serif', size: 13, color: colour.ink };
  const state = { rate: Number(element("eta").value), asked: null };
  state.target = Math.max(targets.indexOf(summary.attributes.target), 0);

  const axis = (title, more = {}) => ({
    title: { text: plain(title), standoff: 8 }, automargin: true, showline: true,
    linecolor: colour.ink, ticks: "outside", gridcolor: "#ececec", zeroline: false, ...more,
  });
  const layout = (more) => ({
    font, dragmode: false, showlegend: false, paper_bgcolor: "white", plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 56, r: 20, t: 12, b: 48 }, hoverlabel: { align: "left" }, ...more,
  });

  // Limits as plotly takes error bars; an open or missing one has no length.
  const bars = (middle, low, high) => ({
    type: "data", symmetric: false, thickness: 1.5, width: 3,
    array: middle.map((m, i) => (m === null || high[i] === null ? 0 : high[i] - m)),
    arrayminus: middle.map((m, i) => (m === null || low[i] === null ? 0 : m - low[i])),
  });
  const column = (name) => values(name).map((row) => row[state.target] ?? null);

  function curves() {
    const mean = values("nmle"), deviation = values("nmle_std"), rho = values("rho");
    const time = column("mean_training_time"), reached = column("reached");
    const line = (name, y, axis, tint, symbol, error, text) => ({
      name, x: rates, y, yaxis: axis, mode: "lines+markers", error_y: error, text,
      line: { color: tint, width: 1.5 }, marker: { color: tint, size: 9, symbol },
      hovertemplate: "η = %{x:.6g}<br>%{text}<extra></extra>",
    });
    const known = deviation.map((d) => d ?? 0);
    return [
      line("λ_nMLE", mean, "y", colour.ink, "square",
        { type: "data", array: known, thickness: 1.5, width: 3 },
        mean.map((m, i) => `λ_nMLE = ${short(m)} ± ${short(deviation[i])}`)),
      line("ρ", rho, "y2", colour.blue, "diamond",
        bars(rho, values("rho_low"), values("rho_high")),
        rho.map((r, i) => `ρ = ${short(r)} of ${values("decided")[i]} decided`)),
      line("⟨τ⟩", time, "y3", colour.red, "circle",
        bars(time, column("mean_training_time_low"), column("mean_training_time_high")),
        time.map((t, i) => `⟨τ⟩ = ${short(t, 4)}, reached by ${short(100 * reached[i])}%`)),
    ];
  }

  function marks() {
    const vertical = (x, line) => ({
      type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, layer: "below", line,
    });
    const zero = { type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: 0, y1: 0,
      layer: "below", line: { color: colour.grey, width: 1 } };
    const lines = [zero, vertical(rates[state.rate], { color: colour.ink, width: 2 })];
    if (state.asked !== null)
      lines.push(vertical(state.asked, { color: colour.red, width: 2, dash: "dash" }));
    return lines;
  }

  function draw() {
    const empty = column("mean_training_time").every((t) => t === null);
    Plotly.react("rates", curves(), layout({
      margin: { l: 64, r: 20, t: 12, b: 48 }, hovermode: "closest", shapes: marks(),
      xaxis: axis("learning rate η (logarithmic)", { anchor: "y3", showgrid: false, ...logarithmic(rates) }),
      yaxis: axis("λ_nMLE per epoch", { domain: [0.7, 1], nticks: 6, automargin: false }),
      yaxis2: axis("ρ", { domain: [0.36, 0.64], range: [-0.06, 1.06], automargin: false }),
      yaxis3: axis("⟨τ⟩ in epochs",
        { domain: [0, 0.3], rangemode: "tozero", nticks: 6, automargin: false,
          ...(empty ? { range: [0, 1], showticklabels: false } : {}) }),
    }), config);
  }

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
    return { type: "log", tickvals, ticktext: tickvals.map(label) };
  }

  const drawn = () => data.rates[state.rate].balls;

  function lines(name, id, title, onLog) {
    const balls = drawn().filter((ball) => ball[name]);
    const traces = balls.map((ball) => ({
      name: `initialisation ${ball.init}`, x: data.epochs, y: ball[name], mode: "lines",
      line: { color: data.verdicts[ball.verdict] ?? colour.grey, width: balls.length < 10 ? 1.5 : 1 },
      opacity: 0.8,
      hovertemplate: `initialisation ${ball.init}, ${ball.verdict}<br>` +
        "epoch %{x}: %{y:.4g}<extra></extra>",
    }));
    const shapes = [];
    if (name === "curve")
      for (const { fit } of balls)
        if (fit) traces.push({ ...fit, name: "fitted slope", mode: "lines", hoverinfo: "skip",
          line: { color: colour.red, width: 2.5 } });
    if (name === "test_accuracy" && targets.length)
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: targets[state.target],
        y1: targets[state.target], line: { color: colour.ink, width: 1.5, dash: "dash" } });
    const y = axis(title, onLog ? logarithmic(traces.flatMap((trace) => trace.y)) : { nticks: 6 });
    Plotly.react(id, traces, layout({ shapes, xaxis: axis("epoch", { nticks: 6 }), yaxis: y,
      ...said(traces) }), config);
  }

  // Instead of axes around nothing.
  const said = (traces) => traces.length ? {} : {
    shapes: [], xaxis: { visible: false }, yaxis: { visible: false },
    annotations: [{ text: "nothing to show", showarrow: false, xref: "paper", yref: "paper",
      x: 0.5, y: 0.5, font: { color: colour.grey } }],
  };

  const positive = (name) =>
    drawn().every((ball) => (ball[name] ?? []).every((value) => value === null || value > 0));

  function histogram() {
    const found = data.rates[state.rate].exponents, mean = values("nmle")[state.rate];
    const low = Math.min(...found), high = Math.max(...found);
    const half = Math.max(0.501 * (high - low), 0.03 * Math.max(Math.abs(low), Math.abs(high))) || 0.01;
    const bins = Math.min(Math.max(Math.ceil(1.5 * Math.sqrt(found.length)), 3), 20);
    const start = (low + high) / 2 - half;
    const shapes = mean === null ? [] : [{ type: "line", yref: "paper", x0: mean, x1: mean, y0: 0,
      y1: 1, line: { color: colour.ink, width: 2 } }];
    const traces = !found.length ? [] : [{
      type: "histogram", x: found, autobinx: false, marker: { color: colour.sky },
      xbins: { start, end: start + 2 * half, size: (2 * half) / bins },
      hovertemplate: "%{y} balls<extra></extra>",
    }];
    Plotly.react("histogram", traces, layout({ shapes, bargap: 0.03, xaxis: axis("Λ(Ω) per epoch", { nticks: 6 }),
      yaxis: axis("balls", { nticks: 5, rangemode: "tozero",
        ...(found.length <= 8 ? { dtick: 1 } : {}) }), ...said(traces) }), config);
  }

  // "λ_nMLE" with what follows the underscore lowered.
  const subscripted = (text) => text.split(/(?<=λ)_(nMLE)/).map((part, index) => {
    if (index % 2 === 0) return part;
    const lowered = document.createElement("sub");
    lowered.textContent = part;
    return lowered;
  });

  function say() {
    const here = data.rates[state.rate], at = (name) => values(name)[state.rate];
    const counts = {};
    for (const { verdict } of here.balls) counts[verdict] = (counts[verdict] ?? 0) + 1;
    const seen = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`).join(", ");
    const words = [
      `${here.ran} balls ran, ${at("decided")} were decided.`,
      `λ_nMLE = ${short(at("nmle"))} ± ${short(at("nmle_std"))} per epoch, ρ = ${short(at("rho"))}.`,
    ];
    if (at("regime")) words.push(`Regime: ${at("regime")}.`);
    const time = column("mean_training_time")[state.rate];
    if (time !== undefined && time !== null)
      words.push(`⟨τ⟩ to ${targets[state.target]} is ${short(time, 4)} epochs, ` +
        `reached by ${short(100 * column("reached")[state.rate])}%.`);
    element("said").replaceChildren(...subscripted(words.join(" ")));
    element("verdicts").replaceChildren(...Object.entries(counts).map(([verdict, count]) => {
      const item = document.createElement("li");
      item.textContent = `${count} ${verdict}`;
      item.style.borderColor = data.verdicts[verdict] ?? colour.grey;
      return item;
    }));
    const eta = `η = ${short(rates[state.rate], 6)}`;
    const last = (name) => here.balls.map((ball) => ball[name]?.at(-1)).map((v) => short(v)).join(", ");
    const alternatives = {
      rates: `λ_nMLE, ρ and ⟨τ⟩ against the learning rate, with error bars; chosen: ${words.join(" ")}`,
      growth: `Growth curves of ${here.balls.length} balls at ${eta}: ${seen}; at the end ${last("curve")}`,
      histogram: `Histogram of ${here.exponents.length} exponents at ${eta}, mean ${short(at("nmle"))}`,
      loss: `Training loss at ${eta}; at the end ${last("loss")}`,
      score: `Test ${data.score} at ${eta}; at the end ${last("test_accuracy")}`,
    };
    for (const [id, text] of Object.entries(alternatives)) element(id).setAttribute("aria-label", text);
  }

  function choose(index) {
    state.rate = index;
    const eta = short(rates[index], 6);
    element("eta").value = index;
    element("eta").setAttribute("aria-valuetext", eta);
    element("at-eta").textContent = element("chosen").textContent = eta;
    for (const row of document.querySelectorAll("tbody tr"))
      if (row.closest("table").querySelector("thead th").textContent === "η")
        row.toggleAttribute("aria-current", row.sectionRowIndex === index);
    draw();
    const distance = data.growth === "distance";
    lines("curve", "growth", distance ? "d(t)" : "ln‖v(t)‖/‖v(0)‖ in e-folds", distance);
    histogram();
    lines("loss", "loss", "loss", positive("loss"));
    lines("test_accuracy", "score", data.score, false);
    say();
  }

  function ask(kind) {
    const slider = element(`ask-${kind}`);
    const answer = data.answers[kind][Number(slider.value)];
    element(`at-${kind}`).textContent = answer.at;
    slider.setAttribute("aria-valuetext", String(answer.at));
    element(`say-${kind}`).textContent = answer.words;
    return answer.learning_rate;
  }

  for (const kind of ["target", "epochs"]) {
    const slider = element(`ask-${kind}`);
    if (!slider) continue;
    const wanted = data.answers[kind].findIndex(({ at }) => at === summary.attributes.target);
    slider.value = kind === "target" && wanted >= 0 ? wanted : slider.max;
    ask(kind);
    slider.addEventListener("input", () => { state.asked = ask(kind); draw(); });
  }
  const select = element("target");
  if (select) {
    for (const [index, target] of targets.entries())
      select.append(new Option(String(target), String(index), false, index === state.target));
    select.addEventListener("change", () => { state.target = Number(select.value); choose(state.rate); });
  }
  element("eta").addEventListener("input", ({ target }) => choose(Number(target.value)));
  choose(state.rate);
  element("rates").on("plotly_click", ({ points }) => choose(points[0].pointNumber));
})();
