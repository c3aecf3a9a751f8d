// A panel that shows one picture: hidden until the picture has come, drawn anew with each that follows.

import { h, onceAFrame } from "./dom.js";
import { on, store } from "./store.js";

export function picturePanel(name, heading, place, fill) {
  const panel = h("section", { class: "panel wide", hidden: true }, heading, place);
  const draw = onceAFrame(() => {
    const picture = store.pictures[name];
    panel.hidden = !picture;
    if (picture) fill(picture);
  });
  on("pictures theme", draw);
  on("picture", (kind) => kind === name && draw());
  return panel;
}
