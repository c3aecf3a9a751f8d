// The sample that is looked at, what is answered to it, filters, feature maps, and steps of time.

import { attempt, post } from "./api.js";
import { bytes, css, diverging, grey, paint, title } from "./colors.js";
import { h, number, onceAFrame, share } from "./dom.js";
import { picturePanel } from "./panel.js";
import { on, store } from "./store.js";

function planes(picture, colors, name) {
  const [count, ...rest] = picture.shape;
  const [rows, columns] = rest.slice(-2);
  const data = bytes(picture);
  const size = rows * columns * (rest.length === 3 ? rest[0] : 1);
  return Array.from({ length: count }, (_, i) => {
    const canvas = h("canvas", { class: "map", role: "img", "aria-label": `${name} ${i}`, title: `${name} ${i}` });
    const plane = data.subarray(i * size, (i + 1) * size);
    if (rest.length === 3 && rest[0] === 3) paintColors(canvas, plane, rows, columns);
    else paint(canvas, plane.subarray(0, rows * columns), rows, columns, colors);
    return canvas;
  });
}

function paintColors(canvas, plane, rows, columns) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = plane[k * rows * columns + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function sampleCanvas(picture) {
  const canvas = h("canvas", { class: "sample", role: "img", "aria-label": `Held-out sample ${picture.index}: ${picture.class}` });
  const [channels, rows, columns] = picture.shape;
  if (channels === 3) paintColors(canvas, bytes(picture), rows, columns);
  else paint(canvas, bytes(picture).subarray(0, rows * columns), rows, columns, grey());
  return canvas;
}

function sampleNumbers(picture) {
  const data = bytes(picture);
  const back = (byte) => picture.low + (byte / 255) * (picture.high - picture.low);
  if (picture.shape.length === 1) {
    return h("p", { class: "numbers" }, Array.from(data.slice(0, 24), (byte) => number(back(byte))).join("  "));
  }
  const canvas = h("canvas", { class: "sequence", role: "img", "aria-label": "The sequence" });
  const [steps, features] = picture.shape;
  if (features === 1) return h("p", { class: "numbers" }, Array.from(data, (byte) => (picture.whole ? String(Math.round(back(byte))) : number(back(byte)))).join(" "));
  const turned = new Uint8Array(data.length);
  for (let t = 0; t < steps; t++) for (let f = 0; f < features; f++) turned[f * steps + t] = data[t * features + f];
  paint(canvas, turned, features, steps, grey());
  return canvas;
}

function bars(answers) {
  const names = Object.keys(answers.engines);
  const classes = store.job.classes ?? [];
  const largest = Math.max(...names.flatMap((name) => answers.engines[name].map((value) => Math.abs(value ?? 0))), 1e-9);
  const rows = classes.map((label, i) => h("tr", {}, h("th", { scope: "row" }, label), names.map((name) => {
    const value = answers.engines[name][i];
    const meter = h("div", { class: `bar ${name}` });
    meter.style.width = `${(100 * Math.max(0, value ?? 0)) / largest}%`;
    return h("td", {}, meter, h("span", {}, number(value)));
  })));
  return h("table", { class: "answers" }, h("thead", {}, h("tr", {}, h("th", {}, answers.what), names.map((name) => h("th", {}, title(name))))),
    h("tbody", {}, rows));
}

export function sample() {
  const place = h("div", { class: "looked" });
  const chooser = h("input", { type: "number", min: 0, value: "0", "aria-label": "Held-out sample", class: "short" });
  chooser.addEventListener("change", () => attempt(post("look", { sample: Number.parseInt(chooser.value, 10) || 0 })));
  const of = h("span", { class: "quiet" });
  const panel = h("section", { class: "panel" }, h("h3", {}, "One sample", h("small", {}, "held out, and what each engine answers")),
    h("div", { class: "row" }, chooser, of), place);
  const draw = onceAFrame(() => {
    const { sample: picture, answers } = store.pictures;
    panel.hidden = !picture;
    if (!picture) return;
    if (document.activeElement !== chooser) chooser.value = String(picture.index);
    chooser.max = String(picture.of - 1);
    const classes = picture.steps ? `step by step it is ${picture.class}` : `its class is ${picture.class}`;
    const right = store.job.task === "classification" ? classes : `right is ${picture.class}, as it is trained on`;
    of.textContent = `of ${picture.of.toLocaleString("en-US")}; ${right}`;
    place.replaceChildren(picture.image ? sampleCanvas(picture) : sampleNumbers(picture), answers ? bars(answers) : "");
  });
  on("pictures job", draw);
  on("picture", (kind) => ["sample", "answers"].includes(kind) && draw());
  return panel;
}

export function filters() {
  const place = h("div", { class: "maps big" });
  const small = h("small", {});
  return picturePanel("filters", h("h3", {}, "What the first layer looks for", small), place, (picture) => {
    small.textContent = `weights of layer ${picture.layer}, ${picture.title}: orange above 0, blue below`;
    place.replaceChildren(h("div", {}, planes(picture, diverging(), "filter")));
  });
}

export function featureMaps() {
  const place = h("div", {});
  const heading = h("h3", {}, "One image, layer by layer", h("small", {}, "what each layer makes of the sample"));
  return picturePanel("maps", heading, place, (picture) => {
    const colors = grey();
    place.replaceChildren(...picture.layers.map((layer) => h("div", { class: "maps big" },
      h("span", { class: "name" }, `${layer.layer} ${layer.title}${layer.of > layer.shape[0] ? `, ${layer.shape[0]} of ${layer.of}` : ""}`),
      h("div", {}, planes(layer, colors, `layer ${layer.layer}, channel`)))));
  });
}

// The norms of ∂L/∂h(t) as bars on a logarithmic scale.
function norms(gradient) {
  const logs = gradient.map((value) => (value ? Math.log10(value) : null));
  const finite = logs.filter((value) => value !== null);
  const [low, high] = [Math.min(...finite) - 0.3, Math.max(...finite)];
  const canvas = h("canvas", { class: "norms", width: 600, height: 90, role: "img", "aria-label": "The norm of the gradient at each step of time" });
  const context = canvas.getContext("2d");
  const width = 600 / gradient.length;
  context.fillStyle = css("--soft");
  logs.forEach((value, t) => {
    if (value === null) return;
    const height = (88 * (value - low)) / (high - low || 1);
    context.fillRect(t * width + 1, 90 - height, Math.max(1, width - 2), height);
  });
  return canvas;
}

export function throughTime() {
  const place = h("div", {});
  const heading = h("h3", {}, "Through time", h("small", {}, "h(t) of the sample, and ‖∂L/∂h(t)‖ of a batch, first step left"));
  return picturePanel("time", heading, place, (picture) => {
    place.replaceChildren(...picture.layers.map((layer) => {
      const canvas = h("canvas", { class: "hidden-states", role: "img", "aria-label": `h(t) of layer ${layer.layer}` });
      paint(canvas, bytes(layer), layer.shape[0], layer.shape[1], diverging());
      const [first, last] = [layer.gradient[0], layer.gradient.at(-1)];
      const ratio = first !== null && last ? first / last : null;
      const reaches = ratio === null ? "" : ratio > 1 ? `it grows to ${number(ratio)} times on its way back` : `${share(ratio)} of the last step’s gradient reaches the first`;
      return h("div", {}, h("span", { class: "name" }, `${layer.layer} ${layer.title}`), canvas, norms(layer.gradient),
        h("p", { class: "quiet" }, `‖∂L/∂h(1)‖ = ${number(first)}, ‖∂L/∂h(T)‖ = ${number(last)}; ${reaches}`));
    }));
  });
}
