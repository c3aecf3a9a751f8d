// The first page: lessons and built-in recipes; and a lesson's text above the pictures.

import { attempt, get, post } from "./api.js";
import { $, button, h } from "./dom.js";
import { on, store } from "./store.js";

// Paragraphs, with code between backticks.
export function paragraphs(text) {
  return text.trim().split(/\n\s*\n/).map((paragraph) =>
    h("p", {}, paragraph.replaceAll("\n", " ").split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part))));
}

async function open(body, show) {
  const facts = await attempt(post("recipe", body));
  if (facts) show("play");
}

export function lessons(show) {
  const place = $("lessons");
  const draw = async () => {
    if (place.childElementCount) return;
    const listed = await attempt(get("recipes"));
    if (!listed) return;
    const cards = listed.lessons.map((lesson, i) => h("article", {}, h("h3", {}, button(lesson.title, () => open({ lesson: lesson.name }, show))),
      h("div", { class: "begins" }, paragraphs(lesson.begins)), h("span", { class: "count" }, String(i + 1))));
    const recipes = listed.recipes.map((recipe) => h("li", {}, button(recipe.name, () => open({ open: recipe.name }, show)), " ", recipe.title));
    place.replaceChildren(h("h2", {}, "Lessons"), h("p", { class: "quiet" }, "Each is a recipe with a text: open it, start it, change it."),
      h("div", { class: "lessons" }, cards), h("h2", {}, "Recipes"), h("ul", { class: "recipes" }, recipes));
  };
  on("view", (view) => view === "lessons" && draw());
}

export function lesson(place) {
  on("recipe", () => {
    const note = store.recipe.table?.page?.note;
    place.hidden = !note;
    if (note) place.replaceChildren(h("h2", {}, store.recipe.title), ...paragraphs(String(note)));
  });
}
