// Points of the plane, and how each engine divides it; below, each unit's own map.

import { post, attempt } from "./api.js";
import { bytes, classColor, css, diverging, paint, rgb, title } from "./colors.js";
import { h, number, onceAFrame, share } from "./dom.js";
import { picturePanel } from "./panel.js";
import { on, store } from "./store.js";

const SIDE = 300;
const SHAPES = ["circle", "square", "triangle", "diamond"];

// The mixture of the classes' colours at each point, towards the page's ground where no class has much of it.
function mixed(picture) {
  const [classes, rows, columns] = picture.shape;
  const plane = bytes(picture);
  const ground = rgb(css("--ground"));
  const two = classes === 1;
  const colors = Array.from({ length: two ? 2 : classes }, (_, i) => rgb(classColor(i)));
  const image = new ImageData(columns, rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const from = (rows - 1 - r) * columns + c;
      const to = 4 * (r * columns + c);
      const shares = two ? [255 - plane[from], plane[from]] : colors.map((_, i) => plane[i * rows * columns + from]);
      const best = Math.max(...shares) / 255;
      const chance = 1 / colors.length;
      const strength = 0.12 + 0.5 * Math.max(0, (best - chance) / (1 - chance));
      const winner = colors[shares.indexOf(Math.max(...shares))];
      for (let k = 0; k < 3; k++) image.data[to + k] = ground[k] + strength * (winner[k] - ground[k]);
      image.data[to + 3] = 255;
    }
  }
  return image;
}

// The number predicted at each point: blue where it is low, orange where it is high.
function landscape(picture) {
  const [, rows, columns] = picture.shape;
  const canvas = new OffscreenCanvas(columns, rows);
  paint(canvas, bytes(picture), rows, columns, diverging(), true);
  return canvas;
}

function boundaries(picture) {
  const canvas = new OffscreenCanvas(picture.shape[2], picture.shape[1]);
  canvas.getContext("2d").putImageData(mixed(picture), 0, 0);
  return canvas;
}

// A point's colour: that of its class, or that of its number.
function colorOf(points) {
  if (!points.numbers) return classColor;
  const colors = diverging();
  const { low, high } = points.numbers;
  return (value) => {
    const at = 3 * Math.max(0, Math.min(255, Math.round((255 * (value - low)) / (high - low || 1))));
    return `rgb(${colors[at]} ${colors[at + 1]} ${colors[at + 2]})`;
  };
}

function mark(context, shape, x, y, size) {
  context.beginPath();
  if (shape === "circle") context.arc(x, y, size, 0, 7);
  else if (shape === "square") context.rect(x - size * 0.88, y - size * 0.88, size * 1.76, size * 1.76);
  else if (shape === "triangle") {
    context.moveTo(x, y - size * 1.15);
    context.lineTo(x + size * 1.1, y + size * 0.8);
    context.lineTo(x - size * 1.1, y + size * 0.8);
    context.closePath();
  } else {
    context.moveTo(x, y - size * 1.25);
    context.lineTo(x + size * 1.25, y);
    context.lineTo(x, y + size * 1.25);
    context.lineTo(x - size * 1.25, y);
    context.closePath();
  }
}

function placed(points, canvas, [x, y]) {
  const [left, right, low, high] = points.box;
  return [((x - left) / (right - left)) * canvas.width, (1 - (y - low) / (high - low)) * canvas.height];
}

function drawPoints(canvas, points) {
  const context = canvas.getContext("2d");
  const dense = Math.max(1, Math.min(1.6, 14 / Math.sqrt(points.train.y.length + 1) + 0.5));
  const color = colorOf(points);
  for (const [part, size] of [["train", 2.4 * dense], ["held_out", 3.1 * dense]]) {
    points[part].x.forEach((place, i) => {
      const [x, y] = placed(points, canvas, place);
      const kind = points[part].y[i];
      mark(context, points.numbers ? "circle" : SHAPES[kind % SHAPES.length], x, y, size);
      context.fillStyle = color(kind);
      context.globalAlpha = part === "train" ? 0.75 : 1;
      context.fill();
      context.globalAlpha = 1;
      if (part === "held_out" || points.numbers) {
        context.lineWidth = part === "held_out" ? 1.1 : 0.4;
        context.strokeStyle = css("--ink");
        context.stroke();
      }
    });
  }
  const chosen = points.held_out.x[store.job.sample ?? 0];
  if (chosen) {
    const [x, y] = placed(points, canvas, chosen);
    context.beginPath();
    context.arc(x, y, 8, 0, 7);
    context.lineWidth = 2;
    context.strokeStyle = css("--ink");
    context.stroke();
  }
}

function choose(event, canvas) {
  const points = store.pictures.points;
  const box = canvas.getBoundingClientRect();
  const at = [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  let best = null;
  points.held_out.x.forEach((place, i) => {
    const [x, y] = placed(points, canvas, place);
    const distance = Math.hypot(x - at[0], y - at[1]);
    if (distance < 14 && (!best || distance < best.distance)) best = { i, distance };
  });
  if (best) attempt(post("look", { sample: best.i }));
}

export function plane() {
  const place = h("div", { class: "boundaries" });
  const told = h("small", {});
  const panel = h("section", { class: "panel wide", hidden: true }, h("h3", {}, "The plane", told), place);
  const canvases = {};
  const draw = onceAFrame(() => {
    const { points, boundary } = store.pictures;
    panel.hidden = !points;
    if (!points || !boundary) return;
    const what = points.numbers ? `what each engine predicts as ${points.numbers.name}: orange high, blue low` : "how each engine divides it";
    const which = points.numbers ? "points with a heavy ring" : "ringed points";
    told.textContent = `${what}; ${which} are held out, click one to look at it`;
    for (const name of Object.keys(canvases)) {
      if (!(name in boundary.engines)) {
        canvases[name].box.remove();
        delete canvases[name];
      }
    }
    for (const [engine, picture] of Object.entries(boundary.engines)) {
      const { canvas, caption } = (canvases[engine] ??= made(engine, place));
      const small = points.numbers ? landscape(picture) : boundaries(picture);
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(small, 0, 0, canvas.width, canvas.height);
      drawPoints(canvas, points);
      const row = store.rows[engine]?.at(-1);
      caption.textContent = `${title(engine)}: ${quality(row, points)}`;
      const shown = points.numbers ? "What" : "How";
      canvas.setAttribute("aria-label", `${shown} ${title(engine)} ${points.numbers ? "predicts over" : "divides"} the plane at step ${store.job.step}: ${caption.textContent}`);
    }
  });
  on("pictures job theme", draw);
  on("picture", (kind) => ["points", "boundary"].includes(kind) && draw());
  return [panel, units()];
}

function quality(row, points) {
  const of = (key) => row?.[`test_${key}`] ?? row?.[`validation_${key}`] ?? row?.[`train_${key}`];
  return points.numbers ? `R² ${number(of("r2"))}` : `${share(of("accuracy"))} right`;
}

function made(engine, place) {
  const canvas = h("canvas", { width: 2 * SIDE, height: 2 * SIDE, role: "img" });
  canvas.addEventListener("click", (event) => choose(event, canvas));
  const caption = h("figcaption", {});
  const box = h("figure", { class: `engine ${engine}` }, canvas, caption);
  place.append(box);
  return { canvas, caption, box };
}

function units() {
  const place = h("div", {});
  const heading = h("h3", {}, "Each unit’s own map", h("small", {}, "what it gives over the plane: orange above 0, blue below"));
  return picturePanel("units", heading, place, (picture) => {
    const colors = diverging();
    const engines = Object.entries(picture.engines);
    place.replaceChildren(...engines[0][1].flatMap((_, i) => engines.map(([engine, layers]) => unitMaps(layers[i], engine, engines.length > 1, colors))));
  });
}

function unitMaps(layer, engine, beside, colors) {
  const [count, rows, columns] = layer.shape;
  const data = bytes(layer);
  const maps = Array.from({ length: count }, (_, i) => {
    const where = `layer ${layer.layer}, unit ${i}, ${title(engine)}`;
    const canvas = h("canvas", { class: "map", role: "img", title: where, "aria-label": where });
    paint(canvas, data.subarray(i * rows * columns, (i + 1) * rows * columns), rows, columns, colors, true);
    return canvas;
  });
  const more = layer.of > count ? `, ${count} of ${layer.of} units` : "";
  const name = h("span", { class: "name" }, `${layer.layer} ${layer.title}${more}`, beside && h("small", {}, ` ${title(engine)}`));
  return h("div", { class: "maps" }, name, h("div", {}, maps));
}
