// Curves of both engines, and the strip of the gap between them. uPlot draws.

import { css, title } from "./colors.js";
import { h, onceAFrame } from "./dom.js";
import { on, store } from "./store.js";

const HEIGHT = 190;
const STRIP = 96;
const COLORS = { numpy: "--numpy", torch: "--torch" };

function engines() {
  return store.job.engines ?? Object.keys(store.rows);
}

function axis(extra = {}) {
  const line = { stroke: css("--line"), width: 1 };
  return {
    stroke: css("--soft"), font: `11px ${css("--sans")}`, grid: line, ticks: { ...line, size: 4 }, gap: 3, size: 46, ...extra,
  };
}

function series(label, engine, faint = false) {
  const dash = engine === "torch" ? [6, 4] : undefined;
  return {
    label, stroke: css(COLORS[engine] ?? "--ink"), width: faint ? 1 : 2, dash, alpha: faint ? 0.55 : 1, points: { show: false },
    value: (_, value) => (value === null || value === undefined ? "–" : value.toPrecision(4)),
  };
}

// A chart that keeps to its place's width, and is made anew where its series are others.
class Chart {
  constructor(heading, help, { height = HEIGHT, log = false, range = null } = {}) {
    this.box = h("div", { class: "chart" });
    this.heading = h("span", {}, heading);
    this.panel = h("section", { class: "panel" }, h("h3", {}, this.heading, h("small", {}, help)), this.box);
    this.options = { height, log, range };
    this.key = "";
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  resize() {
    if (this.plot && this.box.clientWidth) this.plot.setSize({ width: this.box.clientWidth, height: this.options.height });
  }

  draw(kinds, data) {
    const key = JSON.stringify([kinds, document.documentElement.dataset.theme]);
    if (key !== this.key) {
      this.plot?.destroy();
      this.plot = null;
      this.key = key;
    }
    if (!this.box.clientWidth) return;
    if (this.plot) this.plot.setData(data);
    else this.make(kinds, data);
  }

  make(kinds, data) {
    const { height, log, range } = this.options;
    const values = (_, ticks) => ticks.map((tick) => (tick === null ? "" : log ? tick.toExponential(0) : String(+tick.toPrecision(4))));
    const scale = log ? { distr: 3, range: () => [floor() / 2, 10] } : range ? { range } : { range: (_, low, high) => padded(low, high) };
    this.plot = new uPlot({
      width: this.box.clientWidth, height, legend: { live: true }, cursor: { drag: { x: true, y: false } },
      scales: { x: { time: false }, y: scale },
      axes: [axis({ size: 26 }), axis({ values, ...(log ? { splits: decades, filter: (_, ticks) => ticks } : {}) })],
      series: [{ label: "step" }, ...kinds.map(({ label, engine, faint, bars }) => ({
        ...series(label, engine, faint), ...(bars ? { dash: undefined, fill: css("--ground"), stroke: css("--soft"), width: 1 } : {}),
      }))],
    }, data, this.box);
  }
}

// The gap below which two numbers of the recipe's type are the same.
const floor = () => (store.recipe?.table?.training?.dtype === "float64" ? 1e-18 : 1e-9);
const decades = () => (floor() < 1e-9 ? [1e-18, 1e-12, 1e-6, 1] : [1e-9, 1e-6, 1e-3, 1]);

function padded(low, high) {
  if (low === null || high === null) return [0, 1];
  const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 && low < high * 0.4 ? 0 : low - pad, high + pad];
}

function evaluations(key) {
  const kinds = [];
  const tables = [];
  for (const engine of engines().filter((name) => store.rows[name])) {
    const rows = store.rows[engine];
    for (const split of ["test", "validation", "train"]) {
      const name = `${split}_${key}`;
      if (rows[0]?.[name] === undefined || rows[0][name] === null) continue;
      kinds.push({ label: `${title(engine)}, ${split}`, engine, faint: split === "train" });
      tables.push([rows.map((row) => row.step), rows.map((row) => row[name])]);
    }
  }
  return [kinds, tables.length ? uPlot.join(tables) : [[]]];
}

export function curves() {
  const loss = new Chart("Loss of each batch", "before its update");
  const accuracy = new Chart("Accuracy", "at each evaluation");
  const judged = new Chart("Loss", "at each evaluation");
  const gap = new Chart("Gap between the engines", "of each step’s loss, relative", { height: STRIP, log: true });
  gap.panel.classList.add("strip");

  const drawSteps = onceAFrame(() => {
    const alone = Object.keys(store.losses);
    if (alone.length) {
      gap.panel.hidden = true;
      loss.draw(alone.map((engine) => ({ label: title(engine), engine })),
        uPlot.join(alone.map((engine) => [store.losses[engine].map((point) => point[0]), store.losses[engine].map((point) => point[1])])));
      return;
    }
    const names = engines();
    const columns = store.points.length ? store.points[0].map((_, i) => store.points.map((point) => point[i])) : [[]];
    const steps = columns[0];
    loss.draw(names.map((engine) => ({ label: title(engine), engine })), [steps, ...names.map((_, i) => columns[i + 1] ?? [])]);
    gap.panel.hidden = names.length < 2;
    const gaps = (columns.at(-1) ?? []).map((value) => (value === null ? null : Math.max(value, floor())));
    if (names.length > 1) gap.draw([{ label: "gap", engine: "gap", bars: true }], [steps, gaps]);
  });
  const drawRows = onceAFrame(() => {
    const rows = Object.values(store.rows)[0];
    const quality = rows?.length && rows[0].train_accuracy === null ? "r2" : "accuracy";
    accuracy.heading.textContent = quality === "r2" ? "R²" : "Accuracy";
    accuracy.draw(...evaluations(quality));
    judged.draw(...evaluations("loss"));
  });
  const worst = h("p", { class: "quiet" });
  gap.panel.append(worst);
  on("picture", (kind) => {
    if (kind !== "gap") return;
    const picture = store.pictures.gap;
    const size = picture.gap === null ? "not finite" : picture.gap.toExponential(1);
    worst.textContent = `Of the weights, ${picture.name} is farthest apart now: ${size} of its size.`;
  });
  on("frame curves job", drawSteps);
  on("rows curves job", drawRows);
  on("theme", () => { drawSteps(); drawRows(); });
  new ResizeObserver(() => { drawSteps(); drawRows(); }).observe(document.body);
  return [h("div", { class: "charts" }, loss.panel, accuracy.panel, judged.panel), gap.panel];
}
