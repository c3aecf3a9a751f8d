// Arrays as matrices: the last two axes are drawn, the others are chosen; and which of their numbers a sum is made of.

import { Matrix } from "./matrix.js";
import { flat } from "./numbers.js";
import { element, shapeText } from "./words.js";

const WIDTH = 640;
const HEIGHT = 560;

/** The leading axes, rows and columns of a shape. */
export function split(shape) {
  const [rows, columns] = [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
  return { lead: shape.slice(0, -2), rows, columns };
}

/** An index from its leading places, a row and a column. */
export function joined(shape, lead, row, column) {
  if (shape.length === 0) return [];
  return shape.length === 1 ? [column] : [...lead, row, column];
}

/** A row and a column of an index. */
export function rowAndColumn(index) {
  return [index.length > 1 ? index.at(-2) : 0, index.at(-1) ?? 0];
}

/** The array that a number is chosen from. */
export function target({ array, shape, index, label, pick }) {
  const { rows, columns } = split(shape);
  const lead = index.slice(0, -2);
  return new Matrix({
    label, rows, columns, width: WIDTH, height: HEIGHT,
    at: (row, column) => array.values[flat(shape, joined(shape, lead, row, column))],
    chosen: rowAndColumn(index),
    pick: (row, column) => pick(joined(shape, lead, row, column)),
  });
}

/** The arrays that a sum takes its factors from, the numbers that take part framed. */
export function sources(terms, arrays) {
  const used = new Map();
  for (const { factors } of terms) {
    for (const { array, index, name } of factors) {
      if (!index) continue;
      if (!used.has(array)) used.set(array, { name: name.replace(/\[.*/, ""), places: new Set(), first: index });
      used.get(array).places.add(index.join(","));
    }
  }
  return [...used].map(([key, { name, places, first }]) => {
    const { shape, values } = arrays[key];
    const { rows, columns } = split(shape);
    const lead = first.slice(0, -2);
    const matrix = new Matrix({
      label: `${name}, ${shapeText(shape)}, the factors framed`, rows, columns, width: WIDTH / 2, height: HEIGHT / 3,
      at: (row, column) => values[flat(shape, joined(shape, lead, row, column))],
      marked: (row, column) => places.has(joined(shape, lead, row, column).join(",")),
    });
    const where = lead.length ? ` at [${lead.join(", ")}, …]` : "";
    const title = element("figcaption", {}, element("b", {}, name), ` ${shapeText(shape)}${where}`);
    return { matrix, element: element("figure", {}, title, matrix.element) };
  });
}
