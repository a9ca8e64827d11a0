// The live page: one stream of documents, drawn a piece at a time, and only what has changed.
"use strict";

const SERIES = 600; // points of a series
const WINDOWS = 60; // windows of the heat map
const SILENCE_MS = 6000; // without a document, after which the stream is opened anew
const ROW = 18; // pixels of a row of the heat map
const LABELS = 170; // pixels for the names of its columns
const KEY = "scorer.token";

const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const state = { now: null, series: [], drift: null, chosen: null, lost: "", waiting: false, fresh: false };

// ---- Words and numbers ----------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const count = (value) => (value == null ? "–" : whole.format(value));

function percent(share) {
  if (share == null) return "–";
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(share > 0 && share < 1 && (share < 0.1 || share > 0.9) ? 1 : 0)} %`;
}

const figure = (value) => (value == null ? "–" : value < 10 && value % 1 ? value.toFixed(1) : whole.format(value));
const rate = (value) => (value == null ? "–" : value > 0 && value < 0.1 ? "< 0.1" : figure(value));

function latency(seconds) {
  if (seconds == null) return "–";
  if (seconds >= 10) return `${seconds.toFixed(0)} s`;
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}

function duration(seconds) {
  for (const [limit, size, unit] of [[90, 1, "s"], [5400, 60, "min"], [172800, 3600, "h"]]) {
    if (seconds < limit) return `${Math.max(0, Math.round(seconds / size))} ${unit}`;
  }
  return `${Math.round(seconds / 86400)} days`;
}

const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString("en-GB");
const bytes = (value) => (value ? `${whole.format(value / 1e6)} MB` : "–");

// ---- Small changes of the document ----------------------------------------------------------------------------------

function put(id, text) {
  const node = $(id);
  if (node.textContent !== text) node.textContent = text;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text != null) made.textContent = text;
  return made;
}

function meter(low, high, band) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of [["viewBox", "0 0 100 8"], ["preserveAspectRatio", "none"], ["class", "meter"], ["aria-hidden", "true"]]) made.setAttribute(name, value);
  for (const [name, value] of [["x", 100 * low], ["width", Math.max(band ? 1 : 0, 100 * (high - low))], ["height", 8], ["class", band ? "band" : ""]]) bar.setAttribute(name, value);
  made.append(bar);
  return made;
}

// A table is written anew only if what it says has changed. A cell is a text, or {text, className, node, title}.
function table(id, head, rows, numbers = []) {
  const node = $(id);
  const said = JSON.stringify([head, rows.map((row) => row.map((cell) => (cell && cell.key) || (cell && cell.text) || cell))]);
  if (node.said === said) return;
  node.said = said;
  const top = element("tr");
  head.forEach((text, at) => {
    const cell = element("th", numbers.includes(at) ? "number" : "", text);
    cell.scope = "col";
    top.append(cell);
  });
  const body = element("tbody");
  for (const row of rows) {
    const line = element("tr");
    row.forEach((cell, at) => {
      const given = cell !== null && typeof cell === "object" ? cell : { text: cell };
      const made = element("td", [numbers.includes(at) ? "number" : "", given.className || ""].join(" ").trim());
      if (given.tag) made.append(element("span", `tag ${given.tag}`, given.text));
      else made.textContent = given.text ?? "–";
      if (given.node) made.append(given.node);
      if (given.title) made.title = given.title;
      line.append(made);
    });
    body.append(line);
  }
  const caption = element("thead");
  caption.append(top);
  node.replaceChildren(caption, body);
}

// Shows what there is, or says why there is nothing.
function section(id, rows, otherwise, draw) {
  if (either(id, rows.length > 0, otherwise)) draw();
  else table(id, [], []);
}

function either(id, some, otherwise) {
  const empty = $(`${id}-empty`);
  if (empty.hidden !== some) empty.hidden = some;
  if (!some && empty.said !== otherwise) {
    empty.said = otherwise;
    empty.replaceChildren(...coded(otherwise));
  }
  return some;
}

// What stands between backquotes is code.
function coded(text) {
  return text.split("`").map((piece, at) => (at % 2 ? element("code", "", piece) : document.createTextNode(piece)));
}

// ---- Charts ---------------------------------------------------------------------------------------------------------

const charts = {};

function chart(id, series, format) {
  const axis = { stroke: css("--muted"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const node = $(id);
  const options = {
    width: Math.max(200, node.clientWidth),
    height: node.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true }, y: { range: (_, __, high) => [0, high > 0 ? 1.15 * high : 1] } },
    axes: [
      { ...axis, size: 26, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => clock(tick).slice(0, ticks.at(-1) - ticks[0] < 180 ? 8 : 5)) },
      { ...axis, size: 62, values: (_, ticks) => ticks.map(format) },
    ],
    series: [{}, ...series.map(([colour, fill]) => ({ stroke: css(colour), width: 1.8, fill: fill ? css(fill) : undefined, points: { show: false }, spanGaps: false }))],
  };
  charts[id]?.destroy();
  charts[id] = new uPlot(options, series.length === 1 ? [[], []] : [[], [], []], node);
}

function makeCharts() {
  chart("throughput", [["--first", "--first-soft"]], (value) => whole.format(value));
  chart("latency", [["--first"], ["--second"]], (value) => figure(value));
}

function drawCharts() {
  const columns = [0, 1, 2, 3].map((at) => state.series.map((point) => point[at]));
  const milliseconds = (values) => values.map((value) => (value == null ? null : 1000 * value));
  charts.throughput.setData([columns[0], columns[1]]);
  charts.latency.setData([columns[0], milliseconds(columns[2]), milliseconds(columns[3])]);
}

// The tables beside the charts have a line a minute, and are made only while they are open.
function minutes() {
  const found = new Map();
  for (const point of state.series) {
    const minute = 60 * Math.floor(point[0] / 60);
    if (!found.has(minute)) found.set(minute, []);
    found.get(minute).push(point);
  }
  const mean = (points, at) => {
    const known = points.map((point) => point[at]).filter((value) => value != null);
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  };
  return [...found].reverse().map(([minute, points]) => [clock(minute), mean(points, 1), mean(points, 2), mean(points, 3)]);
}

function open(id) {
  return $(id).closest("details").open;
}

// A canvas of its size on the page, in device pixels; null while it is not shown.
function canvas(id, height) {
  const node = $(id), ratio = devicePixelRatio || 1;
  const wide = Math.round(node.clientWidth * ratio), high = Math.round((height ?? node.clientHeight) * ratio);
  if (!wide || !high) return null;
  if (node.width !== wide || node.height !== high) {
    node.width = wide;
    node.height = high;
  }
  const brush = node.getContext("2d");
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.clearRect(0, 0, wide, high);
  brush.font = "12px system-ui, sans-serif";
  return { brush, width: wide / ratio, height: high / ratio };
}

function drawBars(partitions) {
  const at = canvas("bars");
  if (!at || !partitions.length) return;
  const { brush, width, height } = at;
  const top = 18, bottom = 20, step = width / partitions.length, bar = Math.max(1, Math.min(56, step - Math.max(1, step * 0.22)));
  const most = Math.max(1, ...partitions.map((each) => each.lag));
  const each = step >= 34 ? 1 : Math.ceil(34 / step);
  const colours = { first: css("--first"), bad: css("--bad"), muted: css("--muted"), track: css("--track") };
  brush.textAlign = "center";
  partitions.forEach((partition, number) => {
    const middle = step * (number + 0.5), tall = (height - top - bottom) * (partition.lag / most);
    brush.fillStyle = colours.track;
    brush.fillRect(middle - bar / 2, height - bottom - 2, bar, 2);
    brush.fillStyle = partition.replica ? colours.first : colours.bad;
    brush.fillRect(middle - bar / 2, height - bottom - tall, bar, tall);
    if (number % each) return;
    brush.fillStyle = colours.muted;
    brush.fillText(String(partition.partition), middle, height - 5);
    if (partition.lag) brush.fillText(count(partition.lag), middle, height - bottom - tall - 5);
  });
}

// ---- Drift ----------------------------------------------------------------------------------------------------------

function takeDrift(drift) {
  if (!drift) {
    state.drift = null;
    return;
  }
  const before = state.drift;
  const same = before && before.baseline === drift.baseline && before.columns.length === drift.columns.length && before.columns.every((each, at) => each.name === drift.columns[at].name);
  const old = drift.partial && same ? before.windows : [];
  const last = old.length ? old[old.length - 1].number : -Infinity;
  const windows = [...old, ...drift.windows.filter((each) => each.number > last)].slice(-WINDOWS);
  const histograms = drift.histograms || (same ? before.histograms : {}) || {};
  const changed = !before || drift.windows.length > 0 || !same;
  state.drift = { ...drift, windows, histograms, order: changed ? ordered(drift.columns, windows) : before.order, changed };
}

// A column without a limit has one bin, and cannot differ.
const share = (psi, column) => (column.limit && psi != null ? psi / column.limit : 0);

// Columns with the largest share of their limit come first.
function ordered(columns, windows) {
  const worst = columns.map((column, at) => Math.max(0, ...windows.map((each) => share(each.psi[at], column))));
  return columns.map((_, at) => at).sort((a, b) => columns[b].alarm - columns[a].alarm || worst[b] - worst[a]);
}

function mix(from, to, share) {
  const [a, b] = [from, to].map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
  return `rgb(${a.map((value, at) => Math.round(value + (b[at] - value) * share)).join(" ")})`;
}

function palette() {
  const [cold, mid, hot] = ["--cold", "--mid", "--hot"].map(css);
  const steps = Array.from({ length: 32 }, (_, at) => (at < 16 ? mix(cold, mid, at / 16) : mix(mid, hot, (at - 16) / 15)));
  return (share) => steps[Math.min(31, Math.floor(16 * share))];
}

let heatLook = "";

function drawHeat() {
  const drift = state.drift, box = $("heat");
  const rows = drift.order.length, tall = Math.min(400, rows * ROW);
  const look = JSON.stringify([box.scrollTop, box.clientWidth, state.chosen, rows, drift.windows.at(-1)?.number, css("--cold"), drift.columns.map((each) => each.alarm)]);
  if (look === heatLook) return;
  heatLook = look;
  $("heat-space").style.height = `${rows * ROW}px`;
  $("heat-canvas").style.height = `${tall}px`;
  const at = canvas("heat-canvas", tall);
  if (!at) return;
  const { brush, width } = at, colour = palette(), text = css("--text"), bad = css("--bad"), dot = css("--surface");
  const step = (width - LABELS) / WINDOWS, first = WINDOWS - drift.windows.length;
  const begin = Math.floor(box.scrollTop / ROW), end = Math.min(rows, begin + Math.ceil(tall / ROW) + 1);
  brush.textBaseline = "middle";
  for (let row = begin; row < end; row++) {
    const number = drift.order[row], column = drift.columns[number], y = row * ROW - box.scrollTop;
    brush.fillStyle = column.alarm ? bad : text;
    brush.fillText(fitted(column.name), 2, y + ROW / 2);
    drift.windows.forEach((each, window) => {
      const psi = each.psi[number];
      if (psi == null) return;
      const part = share(psi, column), x = LABELS + (first + window) * step;
      brush.fillStyle = colour(part);
      brush.fillRect(x, y + 1, Math.max(1, step - 1), ROW - 2);
      if (part > 1) {
        brush.fillStyle = dot;
        brush.fillRect(x + step / 2 - 1.5, y + ROW / 2 - 1.5, 3, 3);
      }
    });
  }
  if (state.chosen) outline(brush, step, first, box.scrollTop);
}

function fitted(name) {
  return name.length <= 24 ? name : `${name.slice(0, 11)}…${name.slice(-12)}`;
}

function outline(brush, step, first, scrolled) {
  const row = state.drift.order.findIndex((at) => state.drift.columns[at].name === state.chosen.column);
  const window = state.drift.windows.findIndex((each) => each.number === state.chosen.window);
  if (row < 0 || window < 0) return;
  brush.strokeStyle = css("--focus");
  brush.lineWidth = 2;
  brush.strokeRect(LABELS + (first + window) * step - 1, row * ROW - scrolled, step + 1, ROW);
}

function choose(row, window) {
  const { order, columns, windows } = state.drift;
  if (!windows.length || !order.length) return;
  row = Math.max(0, Math.min(order.length - 1, row));
  window = Math.max(0, Math.min(windows.length - 1, window));
  state.chosen = { column: columns[order[row]].name, window: windows[window].number };
  const box = $("heat");
  if (row * ROW < box.scrollTop) box.scrollTop = row * ROW;
  if ((row + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (row + 1) * ROW - box.clientHeight;
  drawLater();
}

function place() {
  const { order, columns, windows } = state.drift;
  const row = state.chosen ? order.findIndex((at) => columns[at].name === state.chosen.column) : 0;
  const window = state.chosen ? windows.findIndex((each) => each.number === state.chosen.window) : windows.length - 1;
  return [Math.max(0, row), window < 0 ? windows.length - 1 : window];
}

function drawChosen() {
  const drift = state.drift;
  const [row, window] = place();
  const column = drift.columns[drift.order[row]], shown = drift.windows[window];
  if (!column || !shown) return;
  const psi = shown.psi[drift.order[row]];
  const words = psi == null ? "no data" : `PSI ${psi.toFixed(3)}, ${share(psi, column) > 1 ? "above" : "below"} its limit${column.limit ? ` ${column.limit.toFixed(3)}` : ""}`;
  put("heat-cell", `${column.name}: ${words}. Window of ${count(shown.events)} events that ended at ${clock(shown.at)}.`);
  drawHistogram(drift.histograms[column.name]);
}

function drawHistogram(histogram) {
  const at = canvas("histogram");
  if (!at || !histogram) {
    table("histogram-table", [], []);
    return;
  }
  const { brush, width, height } = at;
  const bins = histogram.bins, most = Math.max(1e-9, ...histogram.reference, ...histogram.now);
  const bottom = 22, step = width / bins.length, bar = Math.max(1, step * 0.36), scale = (height - bottom - 18) / most;
  const colours = [css("--muted"), css("--first")];
  brush.textAlign = "center";
  bins.forEach((name, number) => {
    [histogram.reference, histogram.now].forEach((shares, which) => {
      brush.fillStyle = colours[which];
      brush.globalAlpha = which ? 1 : 0.5;
      const tall = shares[number] * scale;
      brush.fillRect(step * number + step * 0.12 + which * bar, height - bottom - tall, bar, tall);
    });
    brush.globalAlpha = 1;
    brush.fillStyle = colours[0];
    if (step >= 44 || number % Math.ceil(44 / step) === 0) brush.fillText(String(name).slice(0, 9), step * (number + 0.5), height - 6);
  });
  brush.textAlign = "right";
  brush.fillStyle = colours[0];
  brush.fillText("grey: baseline", width, 12);
  brush.fillStyle = colours[1];
  brush.fillText("newest window", width - 110, 12);
  if (open("histogram-table")) {
    table("histogram-table", ["Bin", "Baseline", "Newest window"], bins.map((name, number) => [String(name), percent(histogram.reference[number]), percent(histogram.now[number])]), [1, 2]);
  }
}

function drawDrift(notes) {
  const drift = state.drift, some = Boolean(drift && drift.columns.length);
  either("drift", some, notes.drift || "No window has ended yet.");
  $("drift").hidden = $("drift-details").hidden = !some;
  if (!some) {
    put("drift-sub", "");
    return;
  }
  const alarms = drift.columns.filter((each) => each.alarm).map((each) => each.name);
  const told = alarms.length ? `${alarms.slice(0, 5).join(", ")}${alarms.length > 5 ? ` and ${alarms.length - 5} more` : ""} ${alarms.length === 1 ? "has" : "have"} drifted` : "no column has drifted";
  const first = drift.source === "stream" ? ", which the first events of the stream made," : "";
  put("drift-sub", `${told}; ${count(drift.columns.length)} columns against ${drift.reference}${first} newest window at the right`.replace(/([a-z]) newest/, "$1, newest"));
  drawHeat();
  drawChosen();
  if (open("drift-table")) {
    const newest = drift.windows.at(-1);
    const rows = drift.order.map((at) => {
      const column = drift.columns[at], psi = newest?.psi[at];
      return [column.name, psi == null ? "–" : psi.toFixed(3), column.limit ? column.limit.toFixed(3) : "–", column.alarm ? { tag: "drifts", text: "drifts" } : { className: "dim", text: "steady" }];
    });
    table("drift-table", ["Column", "PSI", "Limit", "State"], rows, [1, 2]);
  }
}

// ---- The sections ---------------------------------------------------------------------------------------------------

function drawHead(now) {
  put("group", now.group);
  put("model", `model ${now.model}`);
  const health = state.lost ? { state: "unknown", words: state.lost } : now.health;
  if ($("health").dataset.state !== health.state) $("health").dataset.state = health.state;
  put("words", health.words);
  document.documentElement.classList.toggle("stale", Boolean(state.lost));
  const title = `${health.state === "ok" || health.state === "unknown" ? "" : "! "}${now.group} · scorer`;
  if (document.title !== title) document.title = title;
}

function drawFigures(now) {
  put("figure-events", rate(now.rates.events));
  put("figure-p50", latency(now.latency.p50));
  put("figure-p99", latency(now.latency.p99));
  put("figure-lag", count(now.lag));
  const letters = now.totals.dead_letter || 0, all = letters + (now.totals.predicted || 0);
  put("figure-letters", now.replicas.length ? count(letters) : "–");
  put("note-letters", all ? `${percent(letters / all)} of ${count(all)} events` : "");
  put("note-events", now.rates.dead_letters ? `${rate(now.rates.dead_letters)} of them dead letters` : "last 5 seconds");
  put("note-lag", now.lag && now.rates.events ? `${duration(now.lag / now.rates.events)} of work` : "events not yet read");
}

function drawPartitions(now) {
  const unread = now.partitions.filter((each) => !each.replica).length;
  put("partitions-sub", now.partitions.length ? `${now.partitions.length} partitions${unread ? `, of which nobody reads ${unread}` : ""}` : "");
  $("bars").hidden = !now.partitions.length;
  section("partitions", now.partitions, now.notes.partitions || "No replica owns a partition yet.", () => {
    drawBars(now.partitions);
    if (open("partitions")) {
      table("partitions", ["Topic", "Partition", "Lag", "Replica"], now.partitions.map((each) => [each.topic, String(each.partition), count(each.lag), each.replica || { text: "nobody", className: "dim" }]), [1, 2]);
    }
  });
}

function drawReplicas(now) {
  const words = { running: "running", waiting: "not ready", gone: "gone", replaced: "replaced" };
  put("replicas-sub", now.replicas.length ? `${now.replicas.filter((each) => each.state === "running" || each.state === "waiting").length} of ${now.replicas.length} tell what they do` : "");
  section("replicas", now.replicas, now.notes.replicas || "No replica has told anything yet.", () =>
    table("replicas", ["Replica", "State", "Events/s", "Lag", "Partitions", "CPU", "Memory", "Since"], now.replicas.map((each) => [
      { text: each.name, className: "name", title: `${each.host}, pid ${each.pid}, scorer ${each.scorer}` },
      { tag: each.state, text: words[each.state], node: each.why ? element("span", "why", each.why) : null, key: each.state + each.why },
      rate(each.events), count(each.lag), { text: String(each.partitions.length), title: each.partitions.join(" ") },
      percent(each.cpu), bytes(each.memory), { text: clock(each.started), className: "dim" },
    ]), [2, 3, 4, 5, 6]));
}

function drawTables(now) {
  section("arms", now.arms, now.notes.replicas || "No replica has told anything yet.", () =>
    table("arms", ["Arm", "Version", "Share", "Events/s", "Events"], now.arms.map((each) => [
      each.name, each.version, { text: percent(each.share), node: meter(0, each.share || 0), key: percent(each.share) }, rate(each.rate), count(each.events),
    ]), [3, 4]));
  section("letters", now.dead_letters, now.replicas.length ? "None: every event was scored." : now.notes.replicas || "No replica has told anything yet.", () =>
    table("letters", ["Reason", "Count", "Newest", "At"], now.dead_letters.map((each) => [
      each.reason, count(each.count), { text: each.place || "–", title: each.version ? `version ${each.version}` : "" }, { text: each.at ? clock(each.at) : "–", className: "dim" },
    ]), [1]));
  section("features", now.features, now.replicas.length ? "The plan has no entities." : now.notes.replicas || "No replica has told anything yet.", () =>
    table("features", ["Entity", "Found", "Cached", "Not found"], now.features.map((each) => [
      each.entity, { text: percent(each.hit), node: meter(0, each.hit || 0), key: percent(each.hit) }, percent(each.cached),
      { text: Object.entries(each.results).filter(([name]) => name !== "hit").map(([name, value]) => `${count(value)} ${name}`).join(", ") || "–", className: "dim" },
    ]), [2]));
}

// A line through the values of windows, from the lowest to the highest; a gap where there is none.
function line(values) {
  const known = values.filter((value) => value != null);
  if (known.length < 2) return null;
  const low = Math.min(...known), height = Math.max(...known) - low || 1, step = 100 / (values.length - 1);
  const path = values.map((value, at) => (value == null ? "" : `${at && values[at - 1] != null ? "L" : "M"}${at * step} ${23 - (22 * (value - low)) / height}`)).join("");
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg"), stroke = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of [["viewBox", "0 0 100 24"], ["preserveAspectRatio", "none"], ["class", "line"], ["aria-hidden", "true"]]) made.setAttribute(name, value);
  stroke.setAttribute("d", path);
  made.append(stroke);
  return made;
}

function drawQuality(now) {
  const quality = now.quality;
  put("quality-sub", quality ? quality.about || "" : "");
  section("quality", quality ? quality.metrics : [], now.notes.quality || "No label has arrived yet.", () =>
    table("quality", ["Metric", "Version", "Arm", "Value", "95 % interval", "Labels"], quality.metrics.map((each) => [
      each.metric, each.version, each.arm, each.value == null ? "–" : { text: each.value.toFixed(4), node: line(each.history), key: JSON.stringify([each.value, each.history]) },
      each.low == null ? "–" : { text: `${each.low.toFixed(4)} to ${each.high.toFixed(4)}`, node: each.low >= 0 && each.high <= 1 ? meter(each.low, each.high, true) : null, key: `${each.low} ${each.high}` },
      count(each.count),
    ]), [3, 5]));
}

function drawRecent(now) {
  const explained = now.recent.some((each) => each.columns.length);
  put("recent-sub", now.recent.length && !explained ? now.notes.explanations || "" : "columns with the largest contributions");
  section("recent", now.recent, now.notes.recent || "No prediction yet.", () =>
    table("recent", ["Event", "Score", "Arm", ...(explained ? ["Strongest columns"] : ["Version"]), "At"], now.recent.map((each) => [
      { text: each.id, className: "name" }, each.score == null ? "–" : each.label == null ? each.score.toFixed(4) : `class ${each.label} (${each.score.toFixed(3)})`, each.arm,
      explained ? each.columns.map(([name, value]) => `${name} ${value > 0 ? "+" : ""}${value.toFixed(2)}`).join(", ") || "–" : each.version,
      { text: clock(each.at), className: "dim" },
    ]), [1]));
}

// ---- Drawing --------------------------------------------------------------------------------------------------------

function draw() {
  state.waiting = false;
  const now = state.now, fresh = state.fresh;
  if (!now || document.hidden) return;
  state.fresh = false;
  const began = performance.now();
  if (fresh) drawNews(now);
  drawDrift(now.notes);
  performance.measure("scorer-draw", { start: began, end: performance.now() });
  performance.clearMeasures("scorer-draw");
}

function drawNews(now) {
  drawHead(now);
  drawFigures(now);
  drawCharts();
  if (open("throughput-table")) table("throughput-table", ["Minute", "Events a second"], minutes().map(([at, events]) => [at, rate(events)]), [1]);
  if (open("latency-table")) table("latency-table", ["Minute", "Median", "p99"], minutes().map(([at, , p50, p99]) => [at, latency(p50), latency(p99)]), [1, 2]);
  drawPartitions(now);
  drawReplicas(now);
  drawTables(now);
  drawQuality(now);
  drawRecent(now);
  put("footer", `As of ${clock(now.time)}. The page reads only.`);
}

// Draws at the next frame: the drift alone, which people move about in, or everything.
function drawLater() {
  if (state.waiting) return;
  state.waiting = true;
  requestAnimationFrame(draw);
}

function drawAll() {
  state.fresh = true;
  drawLater();
}

function drawAnew() {
  heatLook = "";
  makeCharts();
  drawAll();
}

// ---- The stream -----------------------------------------------------------------------------------------------------

function take(text) {
  const now = JSON.parse(text);
  const last = state.series.length ? state.series[state.series.length - 1][0] : 0;
  state.series = [...state.series, ...now.series.points.filter((point) => point[0] > last)].slice(-SERIES);
  takeDrift(now.drift);
  state.now = now;
  state.lost = "";
  drawAll();
}

async function listen() {
  const token = sessionStorage.getItem(KEY), ending = new AbortController();
  let alarm = setTimeout(() => ending.abort(), SILENCE_MS);
  const answer = await fetch("events", { headers: token ? { Authorization: `Bearer ${token}` } : {}, cache: "no-store", signal: ending.signal });
  if (answer.status === 401) {
    clearTimeout(alarm);
    await ask(token ? "That token is not accepted." : "");
    return;
  }
  if (answer.status === 503) throw new Error("Too many viewers, trying again");
  if (!answer.ok) throw new Error(`The server answers ${answer.status}, trying again`);
  state.series = [];
  state.drift = null;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    clearTimeout(alarm);
    alarm = setTimeout(() => ending.abort(), SILENCE_MS);
    const pieces = (rest + value).split("\n\n");
    rest = pieces.pop();
    for (const piece of pieces) if (piece.startsWith("data: ")) take(piece.slice(6));
  }
  clearTimeout(alarm);
}

function ask(why) {
  sessionStorage.removeItem(KEY);
  if (why) put("ask-why", why);
  const dialog = $("ask");
  dialog.showModal();
  $("token").focus();
  return new Promise((resolve) => {
    $("ask-form").onsubmit = () => {
      sessionStorage.setItem(KEY, $("token").value);
      $("token").value = "";
      resolve();
    };
    dialog.oncancel = (event) => event.preventDefault();
  });
}

async function forever() {
  for (let wait = 1; ; ) {
    const before = state.now;
    try {
      await listen();
      state.lost = state.now ? "Connection lost, trying again" : "";
    } catch (error) {
      state.lost = error.message.startsWith("T") ? error.message : "Connection lost, trying again";
    }
    wait = state.now !== before ? 1 : Math.min(10, 2 * wait);
    if (state.lost) {
      if (state.now) drawAll();
      else put("words", state.lost);
      await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
    }
  }
}

// ---- What people do -------------------------------------------------------------------------------------------------

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0], Home: [0, -1e9], End: [0, 1e9] };

function start() {
  makeCharts();
  const heat = $("heat");
  heat.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || !state.drift) return;
    event.preventDefault();
    const [row, window] = place();
    choose(row + move[0], window + move[1]);
  });
  heat.addEventListener("click", (event) => {
    if (!state.drift) return;
    const box = heat.getBoundingClientRect();
    const step = (heat.clientWidth - LABELS) / WINDOWS, first = WINDOWS - state.drift.windows.length;
    const x = event.clientX - box.left, newest = state.drift.windows.length - 1;
    choose(Math.floor((event.clientY - box.top + heat.scrollTop) / ROW), x < LABELS ? newest : Math.floor((x - LABELS) / step) - first);
  });
  heat.addEventListener("scroll", drawLater, { passive: true });
  document.querySelectorAll("details").forEach((each) => each.addEventListener("toggle", drawAll));
  document.addEventListener("visibilitychange", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
  let width = document.documentElement.clientWidth;
  new ResizeObserver(() => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    drawAnew();
  }).observe(document.body);
  forever();
}

start();
