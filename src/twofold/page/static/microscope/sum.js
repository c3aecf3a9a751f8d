// A number as the sum that it is: its terms, the window that it sees, what each engine came to, and its update.

import { element, ENGINES, full, gapText, short } from "./words.js";
import { sumOf } from "./numbers.js";

const MOST_ROWS = 40;
const MOST_FOLDS = 40;
const MOST_IN_TABLE = 250;
const WIDEST_WINDOW = 7;

/** A number, four digits or all of them; all of them are in the title and in `data-value`. */
export function numeral(value, digits, kind = "span") {
  const attributes = { class: "m-n", title: value === null ? null : String(value), "data-value": value === null ? null : String(value) };
  return element(kind, attributes, digits === "full" ? full(value) : short(value));
}

/** The whole of it. `follow(term, factor)` gives what a click on a factor leads to, or null. */
export function sumView({ layer, account, index, engines, shown, digits, follow }) {
  const sums = Object.fromEntries(
    engines.map((engine) => [engine, sumOf(layer.accounts, layer.arrays[engine], account.what, index)]),
  );
  const view = { sums, engines, shown, digits, follow, largest: account.largest };
  return { window: windows(view), terms: terms(view), all: sums[shown].terms };
}

/** The last rows of the terms: what they add up to, beside what each engine came to. */
function totals({ sums, engines, digits, largest }, columns) {
  const row = (title, key, write) =>
    element("tr", { class: `m-${key}` }, element("th", { scope: "row" }, title), columns.map((engine) => write(sums[engine][key])), element("td", { class: "m-bars", "aria-hidden": "true" }));
  const number = (value) => numeral(value, digits, "td");
  const rows = [row(largest ? "the largest" : "the sum", "total", number)];
  if (sums[engines[0]].own !== null) {
    rows.push(row("what the engine came to", "own", number));
    rows.push(row("gap", "gap", (gap) => element("td", { class: "m-n", "data-value": String(gap) }, gapText(gap))));
  }
  return rows;
}

/** The terms of the engine that is shown, what they come to in the others, and the sum. */
function terms(view) {
  const { sums, shown, engines } = view;
  const all = sums[shown].terms;
  const order = [shown, ...engines.filter((engine) => engine !== shown)];
  const others = otherProducts(view);
  const first = Object.keys(all.find((term) => Object.keys(term.at).length)?.at ?? {})[0];
  if (all.length <= MOST_ROWS || !first) return table(view, all, others, totals(view, order));
  const groups = grouped(all, first);
  if (groups.size > MOST_FOLDS || groups.size > all.length / 3) return table(view, all, others, totals(view, order));
  const folds = [...groups].map(([value, group]) => fold(view, first, value, group, others));
  return element("div", {}, folds, table(view, [], others, totals(view, order)));
}

/** By the value of their first variable; terms without it by themselves. */
function grouped(all, first) {
  const groups = new Map();
  for (const term of all) {
    const value = term.at[first] ?? "rest";
    if (!groups.has(value)) groups.set(value, []);
    groups.get(value).push(term);
  }
  return groups;
}

function fold(view, first, value, group, others) {
  const total = group.reduce((sum, { product }) => sum + product, 0);
  const title = value === "rest" ? "other terms" : `${first} = ${value}`;
  const count = group.length === 1 ? "1 product" : `${group.length.toLocaleString("en")} products`;
  const head = element("summary", {}, element("b", {}, title), ` ${count}, together `, numeral(total, view.digits));
  const made = element("details", { class: "m-fold" }, head);
  made.addEventListener("toggle", () => {
    if (made.children.length === 1) made.append(table(view, group, others));
  });
  return made;
}

/** Of each term the product in the other engines, by the names of its factors. */
function otherProducts({ sums, engines, shown }) {
  return engines
    .filter((engine) => engine !== shown)
    .map((engine) => [engine, new Map(sums[engine].terms.map((term) => [key(term), term.product]))]);
}

function key(term) {
  return term.factors.map(({ name }) => name).join(" ");
}

/** Rows of terms, of very many the largest, and below them `last`. */
function table(view, every, others, last = []) {
  const rows = largestOf(every);
  const { digits, shown, sums } = view;
  const most = Math.max(...rows.map(({ product }) => Math.abs(product)), 0);
  const winner = sums[shown].winner === null ? null : sums[shown].terms[sums[shown].winner];
  const names = [shown, ...others.map(([engine]) => engine)].map((engine) =>
    element("th", { scope: "col", class: "m-n" }, ENGINES[engine] ?? engine),
  );
  const none = !rows.length && !sums[shown].terms.length && "No product counts here: the number is 0.";
  const head = element("tr", {}, element("th", { scope: "col" }, none || (rows.length ? "term" : "")), names, element("th", { scope: "col", class: "m-bars", "aria-hidden": "true" }));
  const body = rows.map((term) =>
    element(
      "tr",
      { class: term === winner ? "m-winner" : null, "data-term": key(term) },
      element("td", {}, written(view, term), term === winner ? element("b", {}, " ← the largest") : null),
      numeral(term.product, digits, "td"),
      others.map(([, products]) => numeral(products.get(key(term)) ?? null, digits, "td")),
      element("td", { class: "m-bars", "aria-hidden": "true" }, bar(term.product, most)),
    ),
  );
  if (rows.length < every.length) body.push(left(view, every, rows, others));
  return element("div", { class: "m-scroll", tabindex: "0", role: "region", "aria-label": "The terms" },
    element("table", { class: "m-terms" }, element("thead", {}, head), body.length > 0 && element("tbody", {}, body),
      last.length > 0 && element("tfoot", {}, last)));
}

/** The largest terms, in their order. */
function largestOf(terms) {
  if (terms.length <= MOST_IN_TABLE) return terms;
  const largest = new Set([...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, MOST_IN_TABLE));
  return terms.filter((term) => largest.has(term));
}

/** The terms that have no row, as one. */
function left({ digits }, every, rows, others) {
  const shown = new Set(rows);
  const rest = every.filter((term) => !shown.has(term));
  const sum = (product) => rest.reduce((total, term) => total + product(term), 0);
  return element("tr", { class: "m-rest" }, element("td", {}, `${rest.length.toLocaleString("en")} smaller terms together`),
    numeral(sum(({ product }) => product), digits, "td"),
    others.map(([, products]) => numeral(sum((term) => products.get(key(term)) ?? 0), digits, "td")),
    element("td", { class: "m-bars", "aria-hidden": "true" }));
}

/** `0.25 · dy[3, 5] −0.1 · x[3, 2] 0.4`, each factor a way to where it comes from. */
function written({ digits, follow }, term, signless = false) {
  const parts = [];
  const coefficient = signless ? Math.abs(term.coefficient) : term.coefficient;
  if (coefficient !== 1) parts.push(numeral(coefficient, digits));
  for (const factor of term.factors) {
    const to = follow?.(factor);
    const name = to
      ? element("button", { type: "button", class: "m-factor", title: `Look at ${to.name}`, onclick: to.go }, factor.name)
      : element("span", { class: "m-factor" }, factor.name);
    parts.push(factor.index || !factor.name.startsWith("[") ? element("span", { class: "m-pair" }, name, " ", numeral(factor.value, digits)) : name);
  }
  return parts.flatMap((part, place) => (place ? [" · ", part] : [part]));
}

/** To the right what raises the sum, to the left what lowers it. */
function bar(product, most) {
  const share = most ? Math.abs(product) / most : 0;
  const made = element("span", { class: product < 0 ? "m-bar m-less" : "m-bar" });
  made.style.setProperty("--share", share.toFixed(4));
  return made;
}

/** Terms that lie in a window are shown as one: the numbers under it, those of the kernel, and the products. */
function windows(view) {
  const { sums, shown } = view;
  const inWindow = sums[shown].terms.filter(({ at }) => "u" in at && "v" in at);
  const height = Math.max(...inWindow.map(({ at }) => at.u)) + 1;
  const width = Math.max(...inWindow.map(({ at }) => at.v)) + 1;
  if (!inWindow.length || width > WIDEST_WINDOW || height > WIDEST_WINDOW) return null;
  const groups = new Map();
  for (const term of inWindow) {
    const { u, v, ...rest } = term.at;
    const title = Object.entries(rest).map(([name, value]) => `${name} = ${value}`).join(", ");
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(term);
  }
  return pages(groups, (group) => oneWindow(view, group, height, width));
}

/** One group at a time, with a choice where there are several. */
function pages(groups, draw) {
  const titles = [...groups.keys()];
  const place = element("div", {}, draw(groups.get(titles[0])));
  if (titles.length === 1) return element("div", { class: "m-windows" }, place);
  const choose = element(
    "select",
    { "aria-label": "Which window", onchange: () => place.replaceChildren(draw(groups.get(choose.value))) },
    titles.map((title) => element("option", { value: title }, title)),
  );
  return element("div", { class: "m-windows" }, element("label", {}, "The window of ", choose), place);
}

function oneWindow({ digits, largest, sums, shown }, group, height, width) {
  const byPlace = new Map(group.map((term) => [`${term.at.u} ${term.at.v}`, term]));
  const winner = sums[shown].winner === null ? null : sums[shown].terms[sums[shown].winner];
  const numbers = group[0].factors.map((_, place) => place).filter((place) => group.some((term) => term.factors[place].index));
  const grid = (title, value) =>
    element("figure", {}, element("figcaption", {}, title), element("table", { class: "m-window" },
      element("tbody", {}, range(height).map((u) => element("tr", {}, range(width).map((v) => {
        const term = byPlace.get(`${u} ${v}`);
        if (!term) return element("td", { class: "m-out", title: "nothing here: padding, or no such window" }, "·");
        const cell = numeral(value(term), digits, "td");
        if (term === winner) cell.classList.add("m-won");
        return cell;
      }))))));
  const parts = numbers.flatMap((place, count) => [
    ...(count ? [element("span", { class: "m-sign" }, "·")] : []),
    grid(group[0].factors[place].name.replace(/\[.*/, ""), (term) => term.factors[place].value),
  ]);
  const total = group.reduce((sum, { product }) => sum + product, 0);
  if (!largest && numbers.length > 1) {
    parts.push(element("span", { class: "m-sign" }, "="), grid("products", ({ product }) => product));
  }
  if (!largest) parts.push(element("span", { class: "m-sign" }, "Σ = "), numeral(total, digits));
  return element("div", { class: "m-row" }, parts);
}

function range(count) {
  return Array.from({ length: count }, (_, place) => place);
}

/** How a weight moves: an account after the other, with the numbers put in. */
export function updateView({ update, index, engines, shown, digits }) {
  const accounts = Object.values(update.accounts);
  const rows = accounts.map((account) => {
    const sums = engines.map((engine) => sumOf(update.accounts, update.arrays[engine], account.what, index));
    const { terms: summands } = sums[engines.indexOf(shown)];
    const sign = ({ coefficient }, place) => (coefficient < 0 ? (place ? " − " : "−") : place ? " + " : "");
    const text = summands.flatMap((term, place) => [sign(term, place), ...written({ digits }, term, true)]);
    return element("tr", { "data-what": account.what }, element("th", { scope: "row" }, account.equation),
      element("td", { class: "m-written" }, text), sums.map(({ total }) => numeral(total, digits, "td")));
  });
  const last = accounts.at(-1);
  const own = engines.map((engine) => sumOf(update.accounts, update.arrays[engine], last.what, index));
  if (own[0].own !== null) {
    rows.push(element("tr", { class: "m-own" }, element("th", { scope: "row" }, "what the engine came to"), element("td", {}),
      own.map((sum) => numeral(sum.own, digits, "td"))));
  }
  const head = element("tr", {}, element("th", { scope: "col" }, "update of p"), element("th", { scope: "col" }, `numbers in ${ENGINES[shown] ?? shown}`),
    engines.map((engine) => element("th", { scope: "col", class: "m-n" }, ENGINES[engine] ?? engine)));
  return element("div", { class: "m-scroll", tabindex: "0", role: "region", "aria-label": "The update" },
    element("table", { class: "m-update" }, element("thead", {}, head), element("tbody", {}, rows)));
}
