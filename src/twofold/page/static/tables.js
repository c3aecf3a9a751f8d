// The tables of the recipe beside the pictures: data, loss, optimizer, schedule, initial weights, training.

import { h } from "./dom.js";
import { change, faultsAt, fields, hidden, locked } from "./fields.js";
import { emit, on, store } from "./store.js";

const SECTIONS = [
  ["data", "Data"], ["optimizer", "Optimizer"], ["schedule", "Schedule"], ["training", "Training"], ["loss", "Loss"],
  ["initial", "Initial weights"], ["augmentation", "Augmentation"],
];
const OPEN = new Set(["data", "optimizer", "training"]);
const opened = new Set();

const DEFAULTS = { loss: "cross_entropy", optimizer: "sgd", schedule: "constant", initial: "default" };
const ENGINES = [["numpy", "torch"], ["numpy"], ["torch"]];

function engines(table) {
  const now = JSON.stringify(table?.engines ?? ENGINES[0]);
  const names = { 2: "both", numpy: "NumPy alone", torch: "PyTorch alone" };
  const select = h("select", { id: "field-training.engines" }, ENGINES.map((engines) =>
    h("option", { value: JSON.stringify(engines) }, engines.length > 1 ? names[2] : names[engines[0]])));
  select.value = now;
  select.disabled = locked("training");
  select.addEventListener("change", () => change({ set: "training.engines", value: JSON.parse(select.value) }));
  return h("div", { class: "field set" }, h("label", { for: select.id }, "engines"), select);
}

function section(name, heading, extra) {
  const described = store.schema[name];
  const table = store.recipe.table?.[name];
  const tag = described.tag;
  const kind = tag ? table?.[tag] ?? DEFAULTS[name] ?? "" : "";
  const model = described.kinds[kind];
  const own = faultsAt([name]).concat(tag ? faultsAt([name, tag]) : []);
  const parts = [];
  if (tag) {
    const names = Object.keys(described.kinds).filter((option) => !(name === "data" && option === "arrays" && kind !== "arrays"));
    const select = h("select", { id: `kind-${name}`, "aria-label": `${heading}: kind` }, names.map((option) => h("option", { value: option }, option.replaceAll("_", " "))));
    if (!names.includes(kind)) select.append(h("option", { value: kind }, kind));
    select.value = kind;
    select.disabled = locked(name);
    select.addEventListener("change", () => change({ set: `${name}.${tag}`, text: select.value }));
    parts.push(select);
  }
  if (model?.help) parts.push(h("p", { class: "help" }, model.help));
  for (const fault of own) parts.push(h("p", { class: "fault", role: "alert" }, fault.rule, fault.remedy ? h("small", {}, ` ${fault.remedy}`) : null));
  if (model) {
    const skipped = name === "training" ? new Set(["engines", "seed", "device"]) : new Set();
    const adjustable = { ...model, fields: model.fields.filter((field) => !skipped.has(field.name)) };
    if (name === "training") parts.push(engines(table));
    parts.push(...fields([name], adjustable, table, name, opened));
  }
  if (extra) parts.push(extra);
  const faulty = (store.recipe.faults ?? []).some((fault) => fault.path[0] === name);
  const brief = tag ? kind.replaceAll("_", " ") : "";
  const box = h("details", { class: `table${faulty ? " faulty" : ""}`, open: OPEN.has(name) || faulty, "data-section": name },
    h("summary", {}, heading, h("span", {}, brief, locked(name) ? " · locked" : "")), ...parts);
  box.addEventListener("toggle", () => (box.open ? OPEN.add(name) : OPEN.delete(name)));
  return box;
}

// Only images are augmented.
function convolves() {
  const shape = store.recipe.network[0]?.input ?? "";
  return store.recipe.table.augmentation !== undefined || shape.split(",").length === 3 && !shape.endsWith(",)");
}

export function tables(place, extras = {}) {
  const draw = () => {
    if (!store.schema || !store.recipe) return;
    const focused = document.activeElement?.id;
    if (store.recipe.table) {
      const shown = SECTIONS.filter(([name]) => !hidden(name) && (name !== "augmentation" || convolves())).map(([name, heading]) => section(name, heading, extras[name]?.()));
      place.replaceChildren(...shown);
    } else {
      place.replaceChildren(h("p", { class: "help" }, "The text is no TOML yet; mend it below, and its controls come back."));
    }
    if (focused) document.getElementById(focused)?.focus();
    emit("drawn");
  };
  on("recipe schema uploads", draw);
}
