// A matrix as a picture that one clicks into. Squares are as large as their numbers: full above 0, hollow below, so that
// they can be told apart in grey; where there is room the numbers stand in their cells, where there is none a number
// below 0 fills the lower half of its cell.

import { element, short, tiny } from "./words.js";

const NUMBER = 42;
const MOST_CELL = 46;
const LEAST_CELL = 3;
const SMALL = 22;
const SQUARES = 7;

/** What is drawn with: the colours of the style sheet. */
function colours(place) {
  const style = getComputedStyle(place);
  const of = (name) => style.getPropertyValue(`--m-${name}`).trim();
  return { plus: of("plus"), minus: of("minus"), line: of("line"), ink: of("ink"), mark: of("mark"), paper: of("paper") };
}

/**
 * A matrix. `at(row, column)` gives its numbers, `marked(row, column)` says which are part of the sum, `pick` is called
 * with a row and a column where one is chosen.
 */
export class Matrix {
  constructor({ label, rows, columns, width, height, at, marked = null, pick = null, chosen = null }) {
    Object.assign(this, { label, rows, columns, at, marked, pick, chosen });
    this.cell = Math.max(LEAST_CELL, Math.min(MOST_CELL, Math.floor(width / columns), Math.floor(height / rows)));
    if (this.cell < NUMBER && this.cell > SMALL) this.cell = SMALL;
    this.canvas = element("canvas", {
      class: "m-matrix",
      role: "img",
      tabindex: pick ? "0" : null,
      "aria-label": label,
      onclick: (event) => this.clicked(event),
      onkeydown: (event) => this.key(event),
      onmousemove: (event) => this.hover(event),
    });
    this.say = element("span", { class: "m-said", "aria-live": pick ? "polite" : null });
    this.element = element("div", { class: pick ? "m-open" : null }, element("div", { class: "m-box" }, this.canvas), this.say);
  }

  /** Draw with the colours that are in force now. */
  draw() {
    const { rows, columns, cell, canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [columns * cell + 2, rows * cell + 2];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const brush = canvas.getContext("2d");
    const colour = colours(canvas);
    brush.scale(scale, scale);
    brush.translate(1, 1);
    const most = this.largest();
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) this.square(brush, colour, row, column, most);
    }
    if (cell > SQUARES) this.lines(brush, colour);
    if (this.marked) this.marks(brush, colour);
    if (this.chosen) this.outline(brush, colour.ink, ...this.chosen, 2.5);
    this.tell();
  }

  largest() {
    let most = 0;
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        const size = Math.abs(this.at(row, column));
        if (size > most && Number.isFinite(size)) most = size;
      }
    }
    return most;
  }

  square(brush, colour, row, column, most) {
    const { cell } = this;
    const value = this.at(row, column);
    const [x, y, share] = [column * cell, row * cell, most ? Math.min(1, Math.abs(value) / most) : 0];
    if (cell >= NUMBER) return this.number(brush, colour, x, y, share, value);
    brush.fillStyle = brush.strokeStyle = value < 0 ? colour.minus : colour.plus;
    if (cell <= SQUARES) {
      brush.globalAlpha = share;
      brush.fillRect(x, value < 0 ? y + cell / 2 : y, cell, value < 0 ? cell / 2 : cell);
      brush.globalAlpha = 1;
      return undefined;
    }
    const side = Math.sqrt(share) * (cell - 4);
    if (side < 0.7) return undefined;
    const [left, top] = [x + (cell - side) / 2, y + (cell - side) / 2];
    if (value < 0 && side > 3) {
      brush.lineWidth = 1.5;
      brush.strokeRect(left + 0.75, top + 0.75, side - 1.5, side - 1.5);
    } else brush.fillRect(left, top, side, side);
    return undefined;
  }

  number(brush, colour, x, y, share, value) {
    const { cell } = this;
    brush.globalAlpha = 0.08 + 0.34 * share;
    brush.fillStyle = value < 0 ? colour.minus : colour.plus;
    if (value) brush.fillRect(x, y, cell, cell);
    brush.globalAlpha = 1;
    brush.fillStyle = colour.ink;
    brush.font = "11.5px system-ui, sans-serif";
    brush.textAlign = "center";
    brush.textBaseline = "middle";
    brush.fillText(tiny(value), x + cell / 2, y + cell / 2, cell - 4);
  }

  lines(brush, colour) {
    const { rows, columns, cell } = this;
    brush.strokeStyle = colour.line;
    brush.lineWidth = 1;
    brush.beginPath();
    for (let row = 0; row <= rows; row++) {
      brush.moveTo(0, row * cell + 0.5);
      brush.lineTo(columns * cell, row * cell + 0.5);
    }
    for (let column = 0; column <= columns; column++) {
      brush.moveTo(column * cell + 0.5, 0);
      brush.lineTo(column * cell + 0.5, rows * cell);
    }
    brush.stroke();
  }

  /** A frame around the cells that take part, without lines between two of them. */
  marks(brush, colour) {
    const { rows, columns, cell } = this;
    const is = (row, column) => row >= 0 && column >= 0 && row < rows && column < columns && this.marked(row, column);
    brush.strokeStyle = colour.mark;
    brush.lineWidth = cell > SQUARES ? 2.5 : 1.5;
    brush.beginPath();
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        if (!is(row, column)) continue;
        const [x, y] = [column * cell, row * cell];
        const edges = [
          [is(row - 1, column), x, y, x + cell, y],
          [is(row + 1, column), x, y + cell, x + cell, y + cell],
          [is(row, column - 1), x, y, x, y + cell],
          [is(row, column + 1), x + cell, y, x + cell, y + cell],
        ];
        for (const [inside, ...[x1, y1, x2, y2]] of edges) {
          if (inside) continue;
          brush.moveTo(x1, y1);
          brush.lineTo(x2, y2);
        }
      }
    }
    brush.stroke();
  }

  outline(brush, colour, row, column, width) {
    const { cell } = this;
    brush.strokeStyle = colour;
    brush.lineWidth = width;
    brush.strokeRect(column * cell + 0.5, row * cell + 0.5, Math.max(2, cell - 1), Math.max(2, cell - 1));
  }

  /** Say the number at a place, or the chosen one. */
  tell(place = this.chosen) {
    this.say.textContent = place ? `[${place.join(", ")}] ${short(this.at(...place))}` : "";
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - 1) / this.cell);
    const column = Math.floor((event.clientX - box.left - 1) / this.cell);
    return row >= 0 && column >= 0 && row < this.rows && column < this.columns ? [row, column] : null;
  }

  hover(event) {
    this.tell(this.place(event) ?? this.chosen);
  }

  clicked(event) {
    const place = this.place(event);
    if (place && this.pick) this.choose(...place);
  }

  key(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || !this.pick) return;
    event.preventDefault();
    const [row, column] = this.chosen ?? [0, 0];
    const bound = (place, size) => Math.max(0, Math.min(size - 1, place));
    this.choose(bound(row + step[0], this.rows), bound(column + step[1], this.columns));
  }

  choose(row, column) {
    this.chosen = [row, column];
    this.draw();
    this.pick(row, column);
  }
}
