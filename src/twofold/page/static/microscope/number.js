// What is shown of one number: its equation, its sum, the arrays that its factors are taken from, what stands beside it
// at the same place (gates, statistics), and the update of a weight.

import { unravel, valueOf, variablesAt } from "./numbers.js";
import { sources } from "./planes.js";
import { numeral, sumView, updateView } from "./sum.js";
import { element, ENGINES, placeText } from "./words.js";

/** The whole of it; `matrices` is given the pictures that are to be drawn. */
export function numberView({ layer, head, state, go, matrices }) {
  const account = layer.accounts[state.what];
  const { index } = state;
  const engines = head.engines;
  const shown = state.engine;
  const isGradient = state.what in layer.updates;
  const name = `${state.layer}.${state.what}${placeText(index)}`;
  const follow = (factor) => leads(factor, layer, head, state, go);
  const view = sumView({ layer, account, index, engines, shown, digits: state.digits, follow });
  const pictures = sources(view.all, layer.arrays[shown]);
  matrices.push(...pictures.map(({ matrix }) => matrix));
  return element(
    "section",
    { class: "m-number", "aria-live": "polite" },
    element("h3", {}, isGradient ? "∂L/∂ " : "", element("code", { class: "m-name" }, name)),
    element("p", { class: "m-equation m-big" }, account.equation),
    pictures.length > 0 && element("div", { class: "m-row m-sources" }, pictures.map((one) => one.element)),
    view.window,
    view.terms,
    isGradient && updateView({ update: layer.updates[state.what], index, engines, shown, digits: state.digits }),
    beside(layer, account, state, engines, go),
  );
}

/** Where a factor itself comes from: the layer before, the layer behind, or another array of this one. */
function leads({ array, index }, layer, head, state, go) {
  if (!array || !index) return null;
  const names = head.layers.map(({ name }) => name);
  const here = names.indexOf(state.layer);
  const to = (name, what) => ({ name: `${name}.${what}${placeText(index)}`, go: () => go({ layer: name, what, index }) });
  if (array === "x") return here > 0 ? to(names[here - 1], "y") : null;
  if (array === "y" && state.layer === "loss") return to(names[here - 1], "y");
  if (array === "dy" && state.layer !== "loss") return to(names[here + 1], names[here + 1] === "loss" ? "dy" : "dx");
  const account = Object.values(layer.accounts).find(({ own, what }) => what !== state.what && (own === array || what === array));
  return account && !(account.what in layer.updates) ? to(state.layer, account.what) : null;
}

/** The other numbers at this place: of a recurrent layer a step of time, gates and all; of a norm its statistics. */
function beside(layer, account, state, engines, go) {
  const names = account.axes.map(([name]) => name);
  const others = Object.values(layer.accounts).filter(
    ({ what, axes }) => what !== state.what && axes.every(([name]) => names.includes(name)),
  );
  if (!others.length) return null;
  const variables = variablesAt(account, state.index);
  const rows = others.map((other) => {
    const index = indexAt(other, variables);
    const goThere = () => go({ what: other.what, index });
    return element("tr", { "data-what": other.what },
      element("th", { scope: "row" }, element("button", { type: "button", class: "m-factor", onclick: goThere },
        `${other.what in layer.updates ? "∂L/∂ " : ""}${other.what}${placeText(index)}`)),
      element("td", { class: "m-soft" }, other.equation),
      engines.map((engine) => numeral(valueOf(layer.accounts, layer.arrays[engine], other.what, index), state.digits, "td")));
  });
  const heads = engines.map((engine) => element("th", { scope: "col", class: "m-n" }, ENGINES[engine] ?? engine));
  const head = element("tr", {}, element("th", { scope: "col" }, "at the same place"), element("th", {}), heads);
  return element("div", { class: "m-scroll", tabindex: "0", role: "region", "aria-label": "At the same place" },
    element("table", { class: "m-beside" }, element("thead", {}, head), element("tbody", {}, rows)));
}

/** The index of an account's number at some variables. */
function indexAt(account, variables) {
  const place = account.axes.reduce((total, [name, size]) => total * size + variables[name], 0);
  return unravel(account.shape, place);
}
