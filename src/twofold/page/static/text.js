// The recipe as TOML: edited, kept, opened, shared.

import { attempt, complain, post } from "./api.js";
import { button, h } from "./dom.js";
import { hidden, locked } from "./fields.js";
import { linkOf, recipeOf } from "./link.js";
import { emit, on, store } from "./store.js";

const WAIT = 450; // milliseconds after the last key

function download() {
  const url = URL.createObjectURL(new Blob([store.recipe.toml], { type: "application/toml" }));
  const link = h("a", { href: url, download: `${store.recipe.name.replaceAll(/[^\w.-]+/g, "-")}.toml` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

async function copy(text, words) {
  try {
    await navigator.clipboard.writeText(text);
    emit("said", words);
  } catch {
    complain(`The browser does not let the page copy. Here it is:\n${text}`);
  }
}

const fileName = () => `${store.recipe.name.replaceAll(/[^\w.-]+/g, "-")}.toml`;

export async function openText(toml) {
  return attempt(post("recipe", { toml }));
}

export async function openLink() {
  if (!location.hash.startsWith("#recipe=")) return;
  const toml = await attempt(recipeOf(location.hash));
  if (toml !== null) await openText(toml);
}

export function text(place) {
  const area = h("textarea", { id: "toml", spellcheck: "false", autocomplete: "off", "aria-label": "The recipe as TOML", rows: 18 });
  const faults = h("div", { class: "faults" });
  const said = h("span", { class: "quiet", role: "status" });
  const file = h("input", { type: "file", accept: ".toml,application/toml,text/plain", hidden: true, "aria-label": "Recipe file" });
  let typing = 0;
  let sent = null;
  area.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(async () => {
      sent = area.value;
      await openText(sent);
      typing = 0;
    }, WAIT);
  });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") area.blur();
  });
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (chosen) await openText(await chosen.text());
    file.value = "";
  });
  const buttons = h("div", { class: "row" },
    button("Download", download, { title: "The recipe as a file" }),
    button("Copy the command", () => copy(`twofold run ${fileName()}`, `copied; download ${fileName()} beside it`)),
    button("Copy a link", async () => copy(location.href.split("#")[0] + await linkOf(store.recipe.toml), "copied: the link holds the whole recipe")),
    button("Open a file", () => file.click()), file);
  const box = h("details", { class: "table", open: true }, h("summary", {}, "Recipe", h("span", {}, "TOML")), buttons, said, area, faults);
  place.append(box);
  on("said", (words) => {
    said.textContent = words;
    setTimeout(() => (said.textContent = ""), 4000);
  });
  on("recipe", () => {
    const { toml, faults: wrong, notes } = store.recipe;
    if (!typing && area.value !== toml && sent !== toml) area.value = toml;
    else if (!typing && sent === toml && document.activeElement !== area) area.value = toml;
    sent = null;
    box.hidden = hidden("recipe");
    area.readOnly = locked("recipe");
    faults.replaceChildren(...wrong.map((fault) => h("p", { class: "fault" }, fault.path.length ? h("code", {}, `${fault.path.join(".")} `) : `${fault.place ?? ""} `,
      fault.rule, fault.excerpt ? h("pre", {}, fault.excerpt) : null)), ...(notes ?? []).map((note) => h("p", { class: "help" }, note)));
  });
}
