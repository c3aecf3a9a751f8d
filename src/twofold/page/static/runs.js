// The folder of runs: results, reports, and several side by side.

import { attempt, get, post } from "./api.js";
import { title } from "./colors.js";
import { $, button, h, share } from "./dom.js";
import { on, store } from "./store.js";

const ticked = new Set();

function opened(kind, name) {
  window.open(`${store.reports}${kind}/${encodeURIComponent(name)}`, "_blank", "noopener");
}

async function compare() {
  const told = await attempt(post("compare", { runs: [...ticked] }));
  if (told) opened("compared", told.compared);
}

function row(run, redraw) {
  const box = h("input", { type: "checkbox", checked: ticked.has(run.name), "aria-label": `Compare ${run.name}`, disabled: !Object.keys(run.engines).length });
  box.addEventListener("change", () => {
    if (box.checked) ticked.add(run.name);
    else ticked.delete(run.name);
    redraw();
  });
  const scores = Object.entries(run.engines).map(([engine, result]) => `${title(engine)} ${share(result.test ?? result.train)}`).join(", ");
  const ended = run.status === "finished" || run.status === "failed" || run.status === "interrupted";
  return h("tr", {}, h("td", {}, box), h("td", {}, h("b", {}, run.name)), h("td", {}, run.title), h("td", { class: "n" }, scores),
    h("td", { class: run.status === "failed" || run.status === "damaged" ? "wrong" : "" }, run.status), h("td", {}, (run.started ?? "").slice(0, 16).replace("T", " ")),
    h("td", {}, ended ? button("Report", () => opened("report", run.name)) : null));
}

export function runs() {
  const place = $("runs");
  const draw = async () => {
    const listed = await attempt(get("runs"));
    if (!listed) return;
    const comparing = button("Compare those ticked", compare, { class: "main", disabled: ticked.size < 2 });
    const redraw = () => (comparing.disabled = ticked.size < 2);
    for (const name of ticked) if (!listed.runs.some((run) => run.name === name)) ticked.delete(name);
    const head = ["", "run", "recipe", "right on held-out samples", "status", "started", ""].map((word) => h("th", {}, word));
    place.replaceChildren(h("h2", {}, "Runs"), h("p", { class: "quiet" }, `in ${listed.folder}`),
      listed.runs.length ? h("div", {}, h("div", { class: "row" }, comparing), h("div", { class: "scroll" }, h("table", { class: "runs" }, h("thead", {}, h("tr", {}, head)),
        h("tbody", {}, listed.runs.map((run) => row(run, redraw))))))
        : h("p", {}, "There are none yet. “Finish as a run” makes one of the recipe at hand; so does twofold run."));
  };
  on("view", (view) => view === "runs" && draw());
  on("runs", () => !place.hidden && draw());
}
