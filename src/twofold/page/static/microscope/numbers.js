// How a number comes about, worked out from the accounts and arrays of a record: what twofold/probe/microscope/terms.py
// does, operation by operation in the same order, so that both come to the same bits.

const TYPES = { uint8: Uint8Array, float32: Float32Array, float64: Float64Array };
const FLOOR = 1e-4;

/** An array of a record: its shape, and its numbers in row order. */
export function unpack({ type, shape, data }) {
  const size = shape.reduce((total, one) => total * one, 1);
  if (type === "zeros") return { shape, values: new Float64Array(size) };
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return { shape, values: new TYPES[type](bytes.buffer) };
}

/** The place of an index in row order, or -1 outside the array. */
export function flat(shape, index) {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    if (index[axis] < 0 || index[axis] >= shape[axis]) return -1;
    place = place * shape[axis] + index[axis];
  }
  return place;
}

/** The index at a place in row order. */
export function unravel(shape, place) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return index;
}

/** The variables of an account at an index of its array. */
export function variablesAt(account, index) {
  const values = unravel(account.axes.map(([, size]) => size), flat(account.shape, index));
  return Object.fromEntries(account.axes.map(([name], axis) => [name, values[axis]]));
}

/** Where along an axis, or null where that is no whole number. */
function along({ steps, shift, divisor }, variables) {
  let total = shift;
  for (const [name, step] of steps) total += step * variables[name];
  return total % divisor === 0 ? total / divisor : null;
}

/** Every combination of the variables that are summed over, the last one fastest. */
function* combinations(over) {
  const sizes = over.map(([, size]) => size);
  const count = sizes.reduce((total, one) => total * one, 1);
  for (let place = 0; place < count; place++) {
    const values = unravel(sizes, place);
    yield Object.fromEntries(over.map(([name], axis) => [name, values[axis]]));
  }
}

/** A factor's value and place, or null where there is no such product. */
function factorAt(factor, accounts, arrays, variables) {
  if (factor.account) {
    let value = totalOf(accounts, arrays, factor.account, variables);
    if (factor.root) value = 1 / (Math.sqrt(value) / factor.root[0] + factor.root[1]);
    return { name: factor.name, value, index: null, array: "" };
  }
  const array = arrays[factor.array];
  const index = [];
  for (const place of factor.index) {
    const at = along(place, variables);
    if (at === null) return null;
    index.push(at);
  }
  const place = flat(array.shape, index);
  if (place < 0) return null;
  if (factor.equals) {
    if (array.values[place] !== along(factor.equals, variables)) return null;
    return { name: `[${factor.name}]`, value: 1, index: null, array: "" };
  }
  const name = index.length ? `${factor.name}[${index.join(", ")}]` : factor.name;
  return { name, value: array.values[place], index, array: factor.array };
}

/** The products of a summand, one after the other. */
function* products(summand, accounts, arrays, variables) {
  for (const at of combinations(summand.over)) {
    const every = { ...variables, ...at };
    const factors = [];
    let product = summand.coefficient;
    for (const factor of summand.factors) {
      const placed = factorAt(factor, accounts, arrays, every);
      if (!placed) break;
      factors.push(placed);
      product *= placed.value;
    }
    if (factors.length === summand.factors.length) yield { factors, coefficient: summand.coefficient, product, at };
  }
}

/** What an account comes to at some variables. */
function totalOf(accounts, arrays, what, variables) {
  let total = 0;
  for (const summand of accounts[what].summands) {
    for (const { product } of products(summand, accounts, arrays, variables)) total += product;
  }
  return total;
}

/** The number of account `what` at an index of its array: its terms, their sum, and what the engine came to. */
export function sumOf(accounts, arrays, what, index) {
  const account = accounts[what];
  const variables = variablesAt(account, index);
  const terms = account.summands.flatMap((summand) => [...products(summand, accounts, arrays, variables)]);
  const own = account.own ? arrays[account.own].values[flat(account.shape, index)] : null;
  if (!account.largest) {
    const total = terms.reduce((sum, { product }) => sum + product, 0);
    return { terms, total, own, winner: null, gap: gap(total, own) };
  }
  let winner = 0;
  terms.forEach(({ product }, place) => {
    const most = terms[winner].product;
    if (product > most || (Number.isNaN(product) && !Number.isNaN(most))) winner = place; // a NaN wins, as in the engines
  });
  const total = terms[winner].product;
  return { terms, total, own, winner, gap: gap(total, own) };
}

/** What an account comes to, without its terms: the engine's own number, or what was worked out from its trace. */
export function valueOf(accounts, arrays, what, index) {
  const account = accounts[what];
  const array = account.own || account.kept;
  if (array) return arrays[array].values[flat(account.shape, index)];
  return totalOf(accounts, arrays, what, variablesAt(account, index));
}

/** How far an engine's number is from the sum, of the larger of the two; see twofold.arrays.gap. */
export function gap(a, b) {
  if (b === null) return null;
  return Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), FLOOR);
}
