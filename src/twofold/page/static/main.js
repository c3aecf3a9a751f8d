// The page: views side by side, fed by the server's events.

import { attempt, complain, get } from "./api.js";
import { bar } from "./bar.js";
import { curves } from "./curves.js";
import { dropping, uploads } from "./data.js";
import { $, button, h } from "./dom.js";
import { layers } from "./layers.js";
import { lesson, lessons } from "./lessons.js";
import { featureMaps, filters, sample, throughTime } from "./maps.js";
import { plane } from "./plane.js";
import { runs } from "./runs.js";
import { door } from "./door.js";
import { emit, listen, on, refresh, store } from "./store.js";
import { tables } from "./tables.js";
import { openLink, text } from "./text.js";
import { confusion, sentences } from "./told.js";

const VIEWS = { play: "Play", lessons: "Lessons", runs: "Runs" };

export function show(view) {
  for (const name of Object.keys(VIEWS)) {
    $(name).hidden = name !== view;
    $(`tab-${name}`).setAttribute("aria-current", String(name === view));
  }
  emit("view", view);
}

function tabs() {
  for (const [name, words] of Object.entries(VIEWS)) $("tabs").append(button(words, () => show(name), { id: `tab-${name}` }));
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (value) => {
    document.documentElement.dataset.theme = value;
    emit("theme");
  };
  set(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => set(dark.matches ? "dark" : "light"));
  $("theme").addEventListener("click", () => set(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}

async function begin() {
  theme();
  tabs();
  bar($("bar"));
  const controls = h("div", {});
  $("recipe").append(controls);
  tables(controls, { data: uploads });
  dropping();
  text($("recipe"));
  layers($("strip"));
  runs();
  lessons(show);
  lesson($("lesson"));
  door($("bar"), $("microscope"));
  $("panels").append(...plane(), ...curves(), sample(), confusion(), filters(), featureMaps(), throughTime(), sentences());
  on("recipe", () => {
    $("title").textContent = store.recipe.title || store.recipe.name;
    document.title = `${store.recipe.name} · Twofold`;
  });
  on("note", (note) => complain(note.text));
  on("connection", (there) => {
    document.documentElement.dataset.connected = String(there);
  });
  const schema = attempt(get("schema")); // asked for beside the state
  await attempt(refresh());
  listen();
  show(store.tab ?? "play");
  store.schema = await schema;
  emit("schema");
  await openLink();
  addEventListener("hashchange", openLink);
  document.documentElement.dataset.ready = "true";
  emit("ready");
}

begin().catch(complain);
