// What the reader chooses, and the words and plots that follow from it.

// "λ_nMLE" with what follows the underscore lowered.
const subscripted = (text) => text.split(/(?<=λ)_(nMLE)/).map((part, index) => {
  if (index % 2 === 0) return part;
  const lowered = document.createElement("sub");
  lowered.textContent = part;
  return lowered;
});

// The sentences about the chosen learning rate.
function sentences() {
  const here = data.rates[state.rate], at = (name) => values(name)[state.rate];
  const words = [
    `${here.ran} balls ran, ${at("decided")} were decided.`,
    `λ_nMLE = ${short(at("nmle"))} ± ${short(at("nmle_std"))} per epoch, ρ = ${short(at("rho"))}.`,
  ];
  if (at("regime")) words.push(`Regime: ${at("regime")}.`);
  const time = column("mean_training_time")[state.rate];
  if (time !== undefined && time !== null)
    words.push(`⟨τ⟩ to ${targets[state.target]} is ${short(time, 4)} epochs, ` +
      `reached by ${percent(column("reached")[state.rate])}.`);
  if (at("compared"))
    words.push(`Replicas and tangent disagree in ${at("disagreeing")} of ${at("compared")} balls` +
      (here.disagree.length ? `: initialisation ${here.disagree.join(", ")}.` : "."));
  return words.join(" ");
}

function ofTransients() {
  const at = (name) => values(name)[state.rate];
  if (at("transient_share") === null) return "Nothing is known of the transients here.";
  const limits = [at("transient_lifetime_low"), at("transient_lifetime_high")];
  const median = at("transient_lifetime");
  return `${percent(at("transient_share"))} of the balls have a chaotic transient` +
    (!at("transient_share") ? "." : median === null
      ? "; the run is too short for their median lifetime."
      : `; their median lifetime is ${short(median)} epochs` +
        (limits.includes(null) ? "." : ` (95% interval ${limits.map((x) => short(x)).join(" to ")}).`));
}

function say() {
  const here = data.rates[state.rate], counts = {}, words = sentences();
  for (const { verdict } of here.balls) counts[verdict] = (counts[verdict] ?? 0) + 1;
  const seen = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`).join(", ");
  element("said").replaceChildren(...subscripted(words));
  element("verdicts").replaceChildren(...Object.entries(counts).map(([verdict, count]) => {
    const item = document.createElement("li");
    item.textContent = `${count} ${verdict}`;
    item.style.borderColor = `var(--${data.verdicts[verdict] ?? "grey"})`;
    return item;
  }));
  const eta = `η = ${short(rates[state.rate], 6)}`;
  const last = (name) => here.balls
    .map((ball) => short(ball[name]?.findLast((value) => value !== null))).join(", ");
  const spans = here.balls.map(({ init, chaotic, times }) => {
    const time = times[state.target] ?? null;
    return `initialisation ${init} ` + (!chaotic ? "is not chaotic" : `is chaotic from epoch ` +
      `${chaotic.start} ${chaotic.stop === null ? "on" : `to ${chaotic.stop}`}`) +
      (time === null ? "" : `, at the target at ${time}`);
  });
  const alternatives = {
    rates: `λ_nMLE, ρ and ⟨τ⟩ against the learning rate, with error bars; chosen: ${words}`,
    growth: `Growth curves of ${here.balls.length} balls at ${eta}: ${seen}; at the end ${last("curve")}`,
    histogram: `Histogram of ${here.exponents.length} exponents at ${eta}, mean ` +
      short(values("nmle")[state.rate]),
    loss: `Training loss at ${eta}; at the end ${last("loss")}`,
    score: `Test ${data.score} at ${eta}; at the end ${last("test_accuracy")}`,
    clocks: `When each ball is chaotic at ${eta}: ${spans.join("; ")}`,
  };
  if (element("lifetimes")) {
    element("lasting").textContent = alternatives.lifetimes = ofTransients();
    const shares = Object.keys(data.phases).map((phase) =>
      `${phase} ${short(column(`target_${phase.replaceAll(" ", "_")}`)[state.rate])}`);
    alternatives.phases = `When the target is reached; shares at ${eta}: ${shares.join(", ")}`;
  }
  for (const [id, text] of Object.entries(alternatives))
    element(id)?.setAttribute("aria-label", text);
}

function draw() {
  const distance = data.growth === "distance";
  drawRates();
  drawLines("curve", "growth", distance ? "d(t)" : "ln‖v(t)‖/‖v(0)‖ in e-folds", distance);
  drawHistogram();
  drawLines("loss", "loss", "loss", positive("loss"));
  drawLines("test_accuracy", "score", data.score, false);
  drawClocks();
  if (element("lifetimes")) {
    drawLifetimes();
    if (element("phases")) drawPhases();
  }
}

function choose(index) {
  state.rate = index;
  const eta = short(rates[index], 6);
  element("eta").value = index;
  element("eta").setAttribute("aria-valuetext", eta);
  for (const output of document.querySelectorAll(".at-eta")) output.textContent = eta;
  for (const row of document.querySelectorAll("tbody tr"))
    if (row.closest("table").querySelector("thead th").textContent === "η")
      row.toggleAttribute("aria-current", row.sectionRowIndex === index);
  draw();
  say();
}

function ask(kind) {
  const slider = element(`ask-${kind}`);
  const answer = data.answers[kind][Number(slider.value)], index = rates.indexOf(answer.learning_rate);
  element(`at-${kind}`).textContent = answer.at;
  slider.setAttribute("aria-valuetext", String(answer.at));
  const there = index < 0 ? "" : ` There ρ = ${short(values("rho")[index])}` +
    (values("regime")[index] ? `: ${values("regime")[index]}.` : ".");
  element(`say-${kind}`).textContent = answer.words;
  element(`regime-${kind}`).textContent = there;
  return answer.learning_rate;
}

for (const kind of ["target", "epochs"]) {
  const slider = element(`ask-${kind}`);
  if (!slider) continue;
  const wanted = data.answers[kind].findIndex(({ at }) => at === summary.attributes.target);
  slider.value = kind === "target" && wanted >= 0 ? wanted : slider.max;
  ask(kind);
  slider.addEventListener("input", () => { state.asked = ask(kind); drawRates(); });
}
const select = element("target");
if (select) {
  for (const [index, target] of targets.entries())
    select.append(new Option(String(target), String(index), false, index === state.target));
  select.addEventListener("change", () => { state.target = Number(select.value); choose(state.rate); });
}
element("eta").addEventListener("input", ({ target }) => choose(Number(target.value)));
choose(state.rate);
for (const id of ["rates", "phases"])
  element(id)?.on("plotly_click", ({ points }) => choose(points[0].pointNumber));

// The curves that the page holds, a row for each ball and epoch.
function table() {
  const [first] = data.rates.flatMap((rate) => rate.balls);
  const names = ["curve", "tangent", "loss", "test_accuracy"].filter((name) => first?.[name]);
  const called = { curve: data.growth === "distance" ? "distance" : "tangent_growth",
    tangent: "distance_by_tangent" };
  const rows = data.rates.flatMap((rate, index) => rate.balls.flatMap((ball) =>
    data.epochs.map((epoch, time) => [rates[index], ball.init, ball.verdict, epoch,
      ...names.map((name) => ball[name][time] ?? "")])));
  const head = ["learning_rate", "init", "verdict", "epoch", ...names.map((name) => called[name] ?? name)];
  return [head, ...rows].map((row) => row.join(",")).join("\n") + "\n";
}
element("curves").addEventListener("click", ({ target }) => {
  target.href = `data:text/csv;charset=utf-8,${encodeURIComponent(table())}`;
});

const recolour = () => { known.clear(); draw(); };
element("colours").addEventListener("change", recolour);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
