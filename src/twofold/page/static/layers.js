// The layer strip: a card a layer, with what it takes and gives; put in, taken out, moved and set.

import { button, h, number } from "./dom.js";
import { change, faultsAt, fields, hidden, locked } from "./fields.js";
import { on, store } from "./store.js";

let chosen = null;
const opened = new Set();
const GROUPS = {
  dense: "Dense and others", windows: "Convolution", pooling: "Pooling", norms: "Normalization", activations: "Activation", recurrent: "Recurrent",
};

function adder(at) {
  const kinds = store.schema.layers.kinds;
  const select = h("select", { class: "add", "aria-label": `Add a layer at place ${at}`, title: "Add a layer here" }, h("option", { value: "" }, "+"));
  for (const [group, heading] of Object.entries(GROUPS)) {
    const names = Object.keys(kinds).filter((kind) => kinds[kind].group === group);
    if (names.length) select.append(h("optgroup", { label: heading }, names.map((kind) => h("option", { value: kind }, kind.replaceAll("_", " ")))));
  }
  const others = Object.keys(kinds).filter((kind) => !(kinds[kind].group in GROUPS));
  select.append(...others.map((kind) => h("option", { value: kind }, kind.replaceAll("_", " "))));
  select.addEventListener("change", () => {
    chosen = at;
    if (select.value) change({ insert: at, kind: select.value });
  });
  return select;
}

const MAIN = ["units", "channels", "kernel", "p", "num_embeddings", "num_groups", "negative_slope"];

function brief(layer) {
  return MAIN.filter((key) => layer[key] !== undefined).map((key) => (key === "kernel" ? `${[layer[key]].flat().join("×")}` : String(layer[key]))).join(", ");
}

function card(layer, i) {
  const node = store.recipe.network[i];
  const faulty = (store.recipe.faults ?? []).some((fault) => fault.path[0] === "layers" && fault.path[1] === i);
  const picked = () => {
    chosen = chosen === i ? null : i;
    draw();
    document.getElementById(`layer-${i}`)?.focus();
  };
  const element = h("button", {
    type: "button", id: `layer-${i}`, class: `layer ${groupOf(layer.kind)}${faulty ? " faulty" : ""}`, "aria-expanded": String(chosen === i), onclick: picked,
    title: "Alt+← and Alt+→ move it, Delete takes it out",
  }, h("span", { class: "kind" }, `${String(layer.kind ?? "?").replaceAll("_", " ")} ${brief(layer)}`),
  h("small", {}, node ? `→ ${node.output}` : ""), h("small", {}, node?.count ? `${number(node.count)} weights` : ""));
  element.addEventListener("keydown", (event) => {
    if (locked("layers")) return;
    const last = store.recipe.table.layers.length - 1;
    const to = event.key === "ArrowLeft" ? i - 1 : event.key === "ArrowRight" ? i + 1 : null;
    if (event.altKey && to !== null && to >= 0 && to <= last) move(i, to);
    else if (!event.altKey && to !== null) document.getElementById(`layer-${to}`)?.focus();
    else if (event.key === "Delete") change({ delete: i });
    else return;
    event.preventDefault();
  });
  return element;
}

async function move(from, to) {
  chosen = to;
  await change({ move: [from, to] });
  document.getElementById(`layer-${to}`)?.focus();
}

const groupOf = (kind) => store.schema.layers.kinds[kind]?.group ?? "";

function form(layer, i) {
  const model = store.schema.layers.kinds[layer.kind];
  const own = faultsAt(["layers", i]).concat(faultsAt(["layers", i, "kind"]));
  const still = locked("layers");
  const last = store.recipe.table.layers.length - 1;
  const kinds = h("select", { "aria-label": "Kind of the layer", id: `kind-layers.${i}`, disabled: still }, Object.keys(store.schema.layers.kinds).map((kind) =>
    h("option", { value: kind }, kind.replaceAll("_", " "))));
  kinds.value = layer.kind;
  kinds.addEventListener("change", () => change({ set: `layers.${i}.kind`, text: kinds.value }));
  return h("div", { class: "layer-form" },
    h("div", { class: "row" }, h("b", {}, `Layer ${i}`), kinds,
      button("← Earlier", () => move(i, i - 1), { disabled: still || i === 0 }), button("Later →", () => move(i, i + 1), { disabled: still || i === last }),
      button("Take out", () => { chosen = null; change({ delete: i }); }, { disabled: still || last === 0 })),
    model ? h("p", { class: "help" }, model.help) : null,
    own.map((fault) => h("p", { class: "fault", role: "alert" }, fault.rule, fault.remedy ? h("small", {}, ` ${fault.remedy}`) : null)),
    model ? h("div", { class: "fields" }, fields(["layers", i], model, layer, "layers", opened)) : null);
}

let draw = () => {};

export function layers(place) {
  draw = () => {
    const table = store.recipe?.table;
    if (!store.schema || !table || !Array.isArray(table.layers)) return;
    place.hidden = hidden("layers");
    const focused = document.activeElement?.id;
    const still = locked("layers");
    const cards = [h("div", { class: "layer input" }, h("span", { class: "kind" }, "input"), h("small", {}, store.recipe.network[0]?.input ?? ""))];
    table.layers.forEach((layer, i) => cards.push(still ? h("span", { class: "arrow" }, "→") : adder(i), card(layer, i)));
    if (!still) cards.push(adder(table.layers.length));
    const whole = faultsAt(["layers"]).map((fault) => h("p", { class: "fault", role: "alert" }, fault.rule, " ", fault.remedy));
    const total = store.recipe.parameters ? h("span", { class: "quiet" }, `${number(store.recipe.parameters)} weights in all`) : null;
    place.replaceChildren(h("div", { class: "cards" }, cards, total), ...whole);
    if (chosen !== null && table.layers[chosen]) place.append(form(table.layers[chosen], chosen));
    if (focused) document.getElementById(focused)?.focus();
  };
  on("recipe schema", draw);
}
