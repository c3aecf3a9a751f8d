// What is said of the training: the confusion matrix, and the report's sentences.

import { title } from "./colors.js";
import { h, onceAFrame } from "./dom.js";
import { on, store } from "./store.js";

// What stands between backticks is code.
const coded = (text) => text.split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part));

function matrix(name, counts, classes) {
  const rows = counts.map((row, i) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    return h("tr", {}, h("th", { scope: "row" }, classes[i]), row.map((count, j) => {
      const cell = h("td", { class: i === j ? "hit" : count ? "miss" : "" }, count ? String(count) : "·");
      cell.style.setProperty("--share", String(count / total));
      return cell;
    }));
  });
  return h("table", { class: "matrix" }, h("caption", {}, name),
    h("thead", {}, h("tr", {}, h("th", {}, "true ↓ taken →"), classes.map((label) => h("th", { scope: "col" }, label)))), h("tbody", {}, rows));
}

export function confusion() {
  const place = h("div", { class: "matrices" });
  const heading = h("small", {});
  const panel = h("section", { class: "panel", hidden: true }, h("h3", {}, "Which class is taken for which", heading), place);
  const draw = onceAFrame(() => {
    const picture = store.pictures.confusion;
    panel.hidden = !picture;
    if (!picture) return;
    panel.classList.toggle("two", picture.classes.length > 5);
    heading.textContent = `${picture.split} samples`;
    const groups = Object.entries(picture.engines).reduce((all, [engine, counts]) => {
      const same = all.find((group) => JSON.stringify(group.counts) === JSON.stringify(counts));
      if (same) same.names.push(title(engine));
      else all.push({ names: [title(engine)], counts });
      return all;
    }, []);
    place.replaceChildren(...groups.map(({ names, counts }) => matrix(names.join(" and "), counts, picture.classes)));
  });
  on("pictures", draw);
  on("picture", (kind) => kind === "confusion" && draw());
  return panel;
}

export function sentences() {
  const list = h("ul", { class: "findings", "aria-live": "polite" });
  const heading = h("small", {});
  const panel = h("section", { class: "panel said", hidden: true }, h("h3", {}, "What is to be said", heading), list);
  const draw = () => {
    const told = store.sentences;
    panel.hidden = !told?.sentences.length;
    if (panel.hidden) return;
    heading.textContent = `if it ended at step ${told.step.toLocaleString("en-US")}`;
    list.replaceChildren(...told.sentences.map(({ title: name, text, fault }) =>
      h("li", { class: fault ? "wrong" : "" }, h("b", {}, `${name}. `), ...coded(text))));
  };
  on("sentences", draw);
  return panel;
}
