// Small things that every part of the microscope uses: elements, numbers as text, the place in the address.

export const ENGINES = { numpy: "NumPy", torch: "PyTorch" };

/** An element; texts become text, never markup. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Every digit: the shortest text that is this number and no other. */
export function full(number) {
  if (number === null) return "–";
  return signed(Object.is(number, -0) ? "0" : String(number));
}

/** Four digits. */
export function short(number) {
  if (number === null) return "–";
  if (!Number.isFinite(number)) return signed(String(number));
  if (number === 0) return "0";
  const size = Math.abs(number);
  const text = size >= 1e5 || size < 1e-4 ? number.toExponential(2) : String(Number(number.toPrecision(4)));
  return signed(text.replace("e+", "e"));
}

/** As short as a cell wants it. */
export function tiny(number) {
  const size = Math.abs(number);
  if (size === 0) return "0";
  const text = size >= 1000 || size < 0.001 ? number.toExponential(0) : String(Number(number.toPrecision(2)));
  return signed(text.replace("e+", "e"));
}

function signed(text) {
  return text.replaceAll("-", "−");
}

/** A gap: 0, or its power of ten. */
export function gapText(gap) {
  if (gap === null) return "–";
  return gap === 0 ? "0" : gap.toExponential(0).replaceAll("-", "−");
}

/** `[3, 5]`; nothing for a number without a place. */
export function placeText(index) {
  return index.length ? `[${index.join(", ")}]` : "";
}

/** `5 × 20`. */
export function shapeText(shape) {
  return shape.length ? shape.join(" × ") : "one number";
}

const OWN = ["step", "layer", "batch", "sample"];

/** The place in the address: `#step=12&layer=2&weight=3,5`, beside whatever else stands there. */
export function readLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  const place = { layer: link.get("layer"), step: link.get("step"), batch: link.get("batch"), sample: link.get("sample") };
  for (const [name, value] of link) {
    if (OWN.includes(name) || !/^\d*(,\d+)*$/.test(value)) continue;
    place.what = name;
    place.index = value ? value.split(",").map(Number) : [];
  }
  return place;
}

/** Write the place into the address, without an entry in the history; `before` is the array named there until now. */
export function writeLink({ step, layer, batch, sample, what, index }, before) {
  const link = new URLSearchParams(location.hash.startsWith("#figure") ? "" : location.hash.slice(1));
  for (const name of [...OWN, before]) if (name) link.delete(name);
  link.set("step", step);
  if (batch) link.set("batch", batch);
  if (sample) link.set("sample", sample);
  link.set("layer", layer);
  link.set(what, index.join(","));
  history.replaceState(history.state, "", `#${link.toString().replaceAll("%2C", ",")}`);
}
