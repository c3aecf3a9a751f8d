// The microscope: choose a layer, an array, a number; see the sum of products that it is, in both engines.

import { numberView } from "./number.js";
import { split, target } from "./planes.js";
import { live, recorded } from "./source.js";
import { element, ENGINES, readLink, shapeText, writeLink } from "./words.js";

/** Open over a training that is paused; see twofold/page/protocol.py. */
export function open(place, page) {
  return new Microscope(place, live(page), { batch: "training", from: page.sample ?? 0 });
}

/** Open over the batches that a report keeps. */
export function show(place, record) {
  return new Microscope(place, recorded(record), { batch: String(record.batches.length - 1), from: 0 });
}

const choice = (chosen, text, focus, onclick) =>
  element("button", { type: "button", "aria-pressed": String(chosen), "data-focus": focus, onclick }, text);
const group = (label, children) => element("div", { class: "m-group", role: "group", "aria-label": label }, children);
const FIRST = ["weight", "weight_hh", "dy", "y"];

class Microscope {
  constructor(place, source, { batch, from }) {
    this.place = place;
    this.source = source;
    this.state = { batch, from, layer: null, what: null, index: null, engine: null, digits: "short" };
    this.root = element("div", { class: "microscope" });
    place.replaceChildren(this.root);
    this.matrices = [];
    this.redraw = () => this.draw();
    this.theme = new MutationObserver(this.redraw);
    this.theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.moved = () => this.follow();
    window.addEventListener("hashchange", this.moved);
    this.ready = this.follow();
  }

  /** The training went on. */
  update() {
    this.source.forget?.();
    this.load();
  }

  close() {
    this.theme.disconnect();
    window.removeEventListener("hashchange", this.moved);
    this.place.replaceChildren();
  }

  /** Go where the address says. */
  async follow() {
    const { layer, step, batch, sample, what, index } = readLink();
    const known = this.source.batches.find((one) => (batch ? one.key === batch : step !== null && String(one.step) === step));
    if (known) this.state.batch = known.key;
    if (sample) this.state.from = Number(sample);
    if (layer) {
      Object.assign(this.state, { layer, what: what ?? null, index: index ?? null });
      this.linked = what ?? null;
    }
    await this.load();
    if (layer) this.place.scrollIntoView();
  }

  async load() {
    try {
      this.head = await this.source.head(this.state);
      const names = this.head.layers.map(({ name }) => name);
      if (!names.includes(this.state.layer)) this.state.layer = this.first();
      this.state.engine ??= this.head.engines[0];
      await this.look();
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    this.root.removeAttribute("aria-busy");
    const other = element("div", { class: "m-bar" }, this.batches()); // another batch may have an answer
    this.root.replaceChildren(other, element("p", { class: "m-note", role: "alert" }, error.message));
  }

  /** The last layer with parameters: its gradient is the shortest sum. */
  first() {
    const withWeights = this.head.layers.filter(({ backward }) => backward.some(([equation]) => equation.startsWith("dW")));
    return (withWeights.at(-1) ?? this.head.layers[0]).name;
  }

  async look() {
    this.root.setAttribute("aria-busy", "true");
    const { state } = this;
    this.layer = await this.source.layer(state, state.layer);
    const { accounts } = this.layer;
    if (!accounts[state.what]) state.what = FIRST.find((what) => accounts[what]) ?? Object.keys(accounts)[0];
    const { shape } = accounts[state.what];
    const fits = state.index?.length === shape.length && state.index.every((place, axis) => place < shape[axis]);
    if (!fits) state.index = shape.map(() => 0);
    this.render();
    this.root.removeAttribute("aria-busy");
  }

  /** Another layer, array or number. */
  async go(to) {
    this.linked ??= null;
    const layer = to.layer ?? this.state.layer;
    const other = layer !== this.state.layer;
    Object.assign(this.state, to);
    try {
      await this.moveTo(other);
    } catch (error) {
      this.fail(error);
    }
  }

  async moveTo(other) {
    if (other || !this.layer.accounts[this.state.what]) await this.look();
    else {
      const { shape } = this.layer.accounts[this.state.what];
      if (this.state.index?.length !== shape.length) this.state.index = shape.map(() => 0);
      this.render();
    }
  }

  get account() {
    return this.layer.accounts[this.state.what];
  }

  render() {
    const focus = document.activeElement?.closest?.("[data-focus]")?.dataset.focus;
    const inside = this.root.contains(document.activeElement);
    this.matrices = [];
    const body = element("div", { class: "m-body" }, this.layerPart(), this.numberPart());
    this.root.replaceChildren(this.bar(), element("div", { class: "m-columns" }, this.layers(), body));
    this.draw();
    if (inside && focus) this.root.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    if (this.linked !== undefined) this.write();
  }

  /** The address follows from the first choice on. */
  write() {
    const { state } = this;
    const step = this.source.batches.find(({ key }) => key === state.batch)?.step ?? this.head.step ?? 0;
    const asked = this.source.samples(state);
    const batch = asked || state.batch === "held-out" ? state.batch : null;
    writeLink({ ...state, step, batch, sample: asked && state.from ? state.from : null }, this.linked);
    this.linked = state.what;
  }

  draw() {
    for (const matrix of this.matrices) matrix.draw();
  }

  batches() {
    const { source, state } = this;
    return source.batches.length > 1 && group("Batch", source.batches.map(({ key, title }) =>
      choice(key === state.batch, title, `batch ${key}`, () => {
        state.batch = key;
        this.load();
      })));
  }

  bar() {
    const { head, state, source } = this;
    const engines = head.engines.map((engine) =>
      choice(engine === state.engine, ENGINES[engine] ?? engine, `engine ${engine}`, () => this.go({ engine })),
    );
    const digits = choice(state.digits === "full", "All digits", "digits", () =>
      this.go({ digits: state.digits === "full" ? "short" : "full" }));
    const sample = source.samples(state) && element("label", {}, "around sample ", element("input", {
      type: "number", min: "0", step: "1", value: String(state.from), "data-focus": "sample",
      onchange: (event) => {
        state.from = Math.max(0, Math.trunc(Number(event.target.value) || 0));
        this.load();
      },
    }));
    return element("div", { class: "m-bar" },
      this.batches(), sample,
      head.engines.length > 1 && group("Factors of", engines), group("Digits", [digits]),
      element("p", { class: "m-about" }, this.about()));
  }

  about() {
    const { head } = this;
    const which = head.samples === 1 ? `sample ${head.first}` : `samples ${head.first} to ${head.first + head.samples - 1}`;
    const from = head.split === "train" && head.first === 0 ? `a batch of ${head.samples} training samples` : `the ${head.split} ${which}`;
    const steps = head.step === 1 ? "1 step" : `${head.step.toLocaleString("en")} steps`;
    return `After ${steps}, ${from}, in ${head.dtype}. Places are counted from 0.`;
  }

  layers() {
    const buttons = this.head.layers.map(({ name, kind, output, input }) =>
      element("button", {
        type: "button", "aria-current": name === this.state.layer ? "true" : null, "data-focus": `layer ${name}`,
        onclick: () => this.go({ layer: name, what: null, index: null }),
        onkeydown: (event) => this.walk(event),
      }, element("b", {}, name === "loss" ? "loss" : `${name} ${kind}`),
      element("span", {}, name === "loss" ? kind : shapeText(output.length ? output : input))),
    );
    return element("nav", { class: "m-layers", "aria-label": "Layers" }, buttons);
  }

  /** From layer to layer with the arrows. */
  walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const names = this.head.layers.map(({ name }) => name);
    const name = names[names.indexOf(this.state.layer) + step];
    if (!name) return;
    this.go({ layer: name, what: null, index: null }).then(() =>
      this.root.querySelector(`[data-focus="layer ${CSS.escape(name)}"]`)?.focus());
  }

  layerPart() {
    const { layer, state, account } = this;
    const lines = (title, equations) => equations.length > 0 && element("div", {}, element("h4", {}, title),
      equations.map(([equation, shapes]) => element("p", { class: "m-equation" }, equation, element("span", {}, shapes))));
    const arrays = Object.keys(layer.accounts).map((what) =>
      element("button", { type: "button", "aria-pressed": String(what === state.what), "data-focus": `what ${what}`,
        onclick: () => this.go({ what, index: null }) }, this.title(what)));
    return element("section", { class: "m-layer" },
      element("h3", {}, state.layer === "loss" ? "loss " : `Layer ${state.layer} `, element("code", {}, layer.kind)),
      element("div", { class: "m-equations" }, lines("forward", layer.forward), lines("backward", layer.backward)),
      element("div", { class: "m-group m-arrays", role: "group", "aria-label": "Array" }, arrays),
      this.grid(account));
  }

  /** What an array is called: of a parameter it is its gradient that is looked at. */
  title(what) {
    return what in this.layer.updates ? `∂L/∂ ${what}` : what;
  }

  grid(account) {
    const { layer, state } = this;
    const array = this.valuesOf(account);
    const { lead } = split(account.shape);
    const names = account.axes.map(([name]) => name).filter((name) => name !== "g" || account.axes.length === account.shape.length);
    const steppers = lead.map((size, axis) => element("label", {}, element("i", {}, names[axis] ?? "axis"), " = ", element("input", {
      type: "number", min: "0", max: String(size - 1), value: String(state.index[axis]), "data-focus": `axis ${axis}`,
      onchange: (event) => {
        const index = [...state.index];
        index[axis] = Math.max(0, Math.min(size - 1, Math.trunc(Number(event.target.value) || 0)));
        this.go({ index });
      },
    }), ` of ${size}`));
    const pictures = [this.picture(account, array, this.title(state.what), "matrix")];
    if (state.what in layer.updates) {
      pictures.unshift(this.picture(account, layer.arrays[state.engine][state.what], state.what, "value"));
    }
    return element("div", { class: "m-grid" }, steppers.length > 0 && element("div", { class: "m-steppers" }, steppers),
      element("div", { class: "m-row" }, pictures));
  }

  picture(account, array, title, focus) {
    const matrix = target({
      array, shape: account.shape, index: this.state.index, label: `${title}, ${shapeText(account.shape)}. Arrow keys choose a number.`,
      pick: (index) => this.go({ index }),
    });
    matrix.canvas.dataset.focus = focus;
    this.matrices.push(matrix);
    return element("figure", {}, element("figcaption", {}, element("b", {}, title), ` ${shapeText(account.shape)}`), matrix.element);
  }

  /** The numbers of an account: the engine's own, or worked out from its trace. */
  valuesOf({ own, kept }) {
    return this.layer.arrays[this.state.engine][own || kept];
  }

  numberPart() {
    return numberView({ ...this, go: (to) => this.go(to) });
  }
}
