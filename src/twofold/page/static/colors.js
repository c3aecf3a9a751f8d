// Colours of engines, classes and numbers: those of the report, told apart by shape and lightness as well.

export const TITLES = { numpy: "NumPy", torch: "PyTorch" };
export const title = (engine) => TITLES[engine] ?? engine;

const CLASSES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#7a7a7a", "#5b4bb5", "#8c4a2f"];

export const classColor = (index) => CLASSES[index % CLASSES.length];

export function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function rgb(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

// The bytes of a picture.
export function bytes(picture) {
  return Uint8Array.from(atob(picture.data), (letter) => letter.charCodeAt(0));
}

// A table of 256 colours, three bytes each.
function table(stops) {
  const colors = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    for (let k = 0; k < 3; k++) {
      colors[3 * i + k] = stops[low][k] + (place - low) * (stops[low + 1][k] - stops[low][k]);
    }
  }
  return colors;
}

// Blue below 0, orange above: 0 is the page's own ground.
export function diverging() {
  return table([rgb("#0072b2"), rgb(css("--ground")), rgb("#d55e00")]);
}

export function grey() {
  return table([rgb("#000000"), rgb("#ffffff")]);
}

// One plane of bytes into a canvas of its own size; rows from above, or from below.
export function paint(canvas, plane, rows, columns, colors, fromBelow = false) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let r = 0; r < rows; r++) {
    const from = (fromBelow ? rows - 1 - r : r) * columns;
    for (let c = 0; c < columns; c++) {
      const [i, j] = [4 * (r * columns + c), 3 * plane[from + c]];
      image.data[i] = colors[j];
      image.data[i + 1] = colors[j + 1];
      image.data[i + 2] = colors[j + 2];
      image.data[i + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
